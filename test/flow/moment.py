#!/usr/bin/python3
# timeout: 240
"""What is known at that moment, over running daemons: addresses behind proxies, named networks, countries, zones, marks, risk."""
import itertools
import json

import phiflow
import attackkit as kit
import mmdb

count = itertools.count()  # equal asks are one request


def bundle(admin, extra, zone="UTC"):
    live = admin.get("/v1/bundle").json
    base = live["policies"].split("// ---- of the test")[0]
    keep = "\n".join(x for x in live["requirements"].splitlines() if not x.startswith("zone:"))
    got = admin.call("PUT", "/v1/bundle", {"schema": live["schema"], "policies": base + "// ---- of the test\n" + extra,
                                           "requirements": f"zone: {zone}\n{keep}\n"})
    assert got.status == 200, got


def asked(who, **headers):
    return who.call("POST", "/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]},
                                             "for_ms": 60000, "why": f"test {next(count)}"}, headers=headers)


with phiflow.Flow() as f:
    admin, alice = kit.admin(f), kit.person(f, "alice")
    before = asked(alice, **{"X-Forwarded-For": "203.0.113.7"})
    mmdb.write(f.place.path("countries.mmdb"), {"203.0.113.0/24": "JP", "2001:db8::/32": "DE"})
    with open(f.house.phid_conf, "a", encoding="utf-8") as conf:
        conf.write("networks: {office: [10.1.0.0/16, 2001:db8:1::/48], vpn: 10.9.0.0/24}\n"
                   f"trusted_proxies: [127.0.0.1, 10.9.0.0/24]\ncountries: {f.place.path('countries.mmdb')}\n")
    f.house.phid.stop()
    f.house.phid.start()

    def from_(addr, **more):
        return asked(alice, **{"X-Forwarded-For": addr, **more})

    @f.test("attack_55_a_forged_header_is_nothing_without_a_trusted_proxy")
    def _():
        f.equal(before.status, 201)
        f.true(before.json["from"]["addr"] in ("127.0.0.1", "::1"), before.json["from"])

    @f.test("attack_55_a_proxy_is_believed_its_clients_claims_are_not")
    def _():
        f.equal(from_("203.0.113.7").json["from"]["addr"], "203.0.113.7")
        f.equal(from_("10.1.0.1, 203.0.113.7").json["from"]["addr"], "203.0.113.7")
        f.equal(from_("10.1.0.1, 203.0.113.7, 10.9.0.5").json["from"]["addr"], "203.0.113.7")
        f.equal(from_("10.1.0.1, evil").json["from"]["addr"], "unknown")
        f.equal(from_("203.0.113.7", **{"Forwarded": "for=10.1.0.1", "X-Real-IP": "10.1.0.1", "True-Client-IP": "10.1.0.1"}).json["from"]["addr"], "203.0.113.7")
        f.equal(alice.call("GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status, 403)  # from this machine only

    @f.test("attack_55_no_header_says_what_time_or_which_device_it_is")
    def _():
        bundle(admin, '@id("t") forbid (principal, action in Action::"pg:write", resource) when { context has local && context.local.hour >= 0 };\n')
        f.equal(asked(alice, **{"Date": "Mon, 01 Jan 2001 00:00:00 GMT", "X-Phi-Time": "0", "X-Device": "office", "X-Phi-Now": "0"}).status, 403)

    @f.test("networks have names, and what is in none of them is refused")
    def _():
        bundle(admin, '@id("n") forbid (principal, action in Action::"pg:write", resource) unless { context has networks && context.networks.contains("office") };\n')
        f.equal(from_("10.1.2.3").status, 201)
        f.equal(from_("2001:db8:1::9").status, 201)
        f.equal(from_("203.0.113.7").status, 403)
        f.equal(from_("10.1.2.3, evil").status, 403)

    @f.test("the country is the file's; what the file does not have is refused")
    def _():
        bundle(admin, '@id("c") forbid (principal, action in Action::"pg:write", resource) unless { context has country && context.country == "JP" };\n')
        f.equal(from_("203.0.113.7").status, 201)
        f.equal(from_("2001:db8::1").status, 403)
        f.equal(from_("198.51.100.1").status, 403)

    @f.test("the hour is the person's own, else the policy's")
    def _():
        f.equal(alice.call("PUT", "/v1/profile", {"zone": "Pacific/Kiritimati"}).status, 200)  # fourteen hours ahead
        bundle(admin, "")
        hours = {}
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
            alice.call("PUT", "/v1/profile", {"zone": zone})
            for hour in range(24):
                bundle(admin, f'@id("h") forbid (principal, action in Action::"pg:write", resource) unless {{ context has local && context.local.hour == {hour} }};\n')
                if from_("10.1.2.3").status == 201:
                    hours[zone] = hour
        f.equal((hours["Pacific/Kiritimati"] - hours["Pacific/Pago_Pago"]) % 24 in (0, 1, 2), True)  # 25 hours apart, some minutes passed
        f.equal(alice.call("PUT", "/v1/profile", {"zone": "../etc/passwd"}).status, 400)

    @f.test("environment and tags come from marks, for what is below too")
    def _():
        bundle(admin, '@id("e") forbid (principal, action in Action::"pg:write", resource) when { context has environment && context.environment == "production" }'
                      ' unless { context.met.contains("two-dbas") };\n')
        f.equal(from_("10.1.2.3").status, 403)  # nobody said what environment it is
        f.phi("alice", "target", "mark", "shop", "--environment", "production", check=False)
        f.equal(admin.call("PUT", "/v1/facts", {"resource": "shop", "environment": "staging", "tags": ["gold"]}).status, 200)
        f.equal(from_("10.1.2.3").status, 201)
        admin.call("PUT", "/v1/facts", {"resource": "shop/public.orders", "environment": "production"})
        f.equal(from_("10.1.2.3").status, 403)  # the nearest mark holds
        f.contains(f.phi("alice", "target", "marks"), "staging")
        f.equal(alice.call("PUT", "/v1/facts", {"resource": "shop", "environment": "dev"}).status, 403)

    @f.test("a request says its risk and why")
    def _():
        bundle(admin, "")
        r = from_("10.1.2.3").json
        f.true(0 < r["risk"] <= 100, r["risk"])
        f.equal(r["risk"], min(100, sum(x["points"] for x in r["risk_reasons"])))
        shown = f.phi("bob", "show", r["code"])
        f.contains(shown, f"risk        {r['risk']} of 100")
        for x in r["risk_reasons"]:
            f.contains(shown, x["why"])

    @f.test("a scheduler's token says who is on call, the policy knows it, and it ends by itself")
    def _():
        bundle(admin, '@id("rota") permit (principal == Service::"rota", action in [phi::Action::"on-call", phi::Action::"see"], resource);\n'
                      '@id("only-on-call") forbid (principal, action in Action::"pg:write", resource) unless { context has on_call && context.on_call };\n')
        f.equal(admin.post("/v1/services", {"name": "rota"}).status, 201)
        made = admin.post("/v1/tokens", {"name": "scheduler", "rights": ["on-call", "see"], "for_ms": 600000, "service": "rota"})
        rota = kit.by_token(f, made.json["token"])
        f.equal(asked(alice).code, "policy.denied")
        f.equal(alice.call("PUT", "/v1/on-call/db", {"people": ["alice"], "for_ms": 60000}).code, "right.missing")
        f.equal(rota.call("PUT", "/v1/targets/x", {}).status in (403, 404, 405), True)
        got = rota.call("PUT", "/v1/on-call/db", {"people": ["alice"], "for_ms": 3600000})
        f.equal((got.status, [(x["list"], x["person"]["name"]) for x in got.json["on_call"]]), (200, [("db", "alice")]))
        f.equal(asked(alice).status, 201)
        f.contains(f.phi("alice", "on-call"), "db")
        f.true("on-call:db" in alice.get("/v1/whoami").json["person"]["groups"])
        f.equal(f.phi("alice", "on-call", "end", "db", check=False).returncode, 3)
        f.equal(rota.call("PUT", "/v1/on-call/db", {"people": ["bob"], "for_ms": 3600000}).status, 200)
        f.equal(asked(alice).code, "policy.denied")  # bob took over
        f.equal(rota.call("PUT", "/v1/on-call/db", {"people": ["alice"], "for_ms": 1500}).status, 200)
        f.until(lambda: not alice.get("/v1/on-call").json["on_call"], 60)
        f.equal(asked(alice).code, "policy.denied")
        f.equal(rota.call("DELETE", "/v1/on-call/db").code, "on-call.unknown")
        f.contains(json.dumps(admin.get("/v1/log/entries?from=0&limit=1000").json), "on-call.ended")
