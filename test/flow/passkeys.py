#!/usr/bin/python3
"""Passkeys in a browser with a virtual authenticator; the steps are in _passkey_steps.mjs."""
# timeout: 180
import json
import os
import subprocess
import sys

import phiflow

HERE = __file__.rpartition("/")[0]
TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

with phiflow.Flow() as f:
    def link(name):
        return f.house.admin().call("POST", "/v1/links", {"person": name})["link"]

    def bundle():
        texts = {}
        for key, name in (("schema", "schema.cedarschema"), ("policies", "policies.cedar"), ("requirements", "requirements.yaml")):
            with open(os.path.join(TOP, "src/policy/starter", name), encoding="utf-8") as t:
                texts[key] = t.read()
        write = 'action in Action::"pg:write", resource in Target::"[\\"shop\\"]")\nwhen { context.met.contains("dba") };'
        assert write in texts["policies"]
        texts["policies"] = texts["policies"].replace(write, write.replace('contains("dba")', 'containsAll(["dba", "me"])'))
        texts["requirements"] = texts["requirements"].replace("  kind: approval\n", "  kind: approval\n  signed: true\n", 1) + "me:\n  kind: mfa\n"
        return texts

    f.house.admin().call("PUT", "/v1/bundle", bundle())
    admin = f.house.admin()
    token = admin.call("POST", "/v1/sessions", {"link": admin.call("POST", "/v1/links", {"person": "alice"})["secret"]})["token"]
    other = type(admin)(f.place.url(), token).call("POST", "/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]},
                                                                   "for_ms": 120000, "why": "another"})
    given = {"other": other, "url": f.place.url(), "links": {n: [link(n) for _ in range(3)] for n in ("alice", "bob")}}
    done = subprocess.run(["node", f"{HERE}/_passkey_steps.mjs"], env={**f.env("alice"), "PHI_PASSKEYS": json.dumps(given)}, check=False,
                          stdin=subprocess.DEVNULL)
    sys.stdout.flush()
    if done.returncode not in (0, phiflow.SKIP_EXIT):
        f.failed += 1

    def check(name, value, more=""):
        print(f"{'ok' if value else 'not ok'} - {name}" + ("" if value else f"  {more}"), flush=True)
        f.failed += not value

    def refused(api, method, path, body=None):
        try:
            return api.call(method, path, body)
        except Exception as e:  # pylint: disable=broad-except
            return str(e)

    if done.returncode == 0:
        got = refused(admin, "POST", "/v1/links", {"person": "bob"})
        check("who has a passkey gets no plain link", "recovery.needed" in str(got), got)
        admin.call("PUT", "/v1/providers/idp", {"kind": "oidc", "config": {"issuer": "https://idp.test", "client_id": "phi"}})
        got = refused(admin, "POST", "/v1/identities", {"provider": "idp", "subject": "the-administrators-own", "person": "bob"})
        check("nor does an administrator's own account become theirs", "recovery.needed" in str(got), got)
        admin.make("/v1/people", {"name": "carol", "groups": ["phi-operators"]})
        secret = admin.call("POST", "/v1/links", {"person": "carol"})["secret"]
        carol = type(admin)(f.place.url(), admin.call("POST", "/v1/sessions", {"link": secret})["token"])
        asked = admin.call("POST", "/v1/recoveries", {"person": "bob"})["recovery"]
        check("who asks for a recovery does not confirm it", "recovery.self" in str(refused(admin, "POST", f"/v1/recoveries/{asked['id']}/approve")))
        check("it waits for another operator", [r["person"] for r in carol.call("GET", "/v1/recoveries")["recoveries"]] == ["bob"])
        link = carol.call("POST", f"/v1/recoveries/{asked['id']}/approve")
        check("confirmed by another one it gives a link, once", "recovery.unknown" in str(refused(carol, "POST", f"/v1/recoveries/{asked['id']}/approve")))
        bob = type(admin)(f.place.url(), admin.call("POST", "/v1/sessions", {"link": link["secret"]})["token"])
        check("the old passkeys are over", bob.call("GET", "/v1/passkeys")["passkeys"] == [])
        evs = [json.loads(e)["ev"] for e in admin.call("GET", "/v1/log/entries?from=0&limit=1000")["entries"]]
        check("all of it is in the log", all(e in evs for e in ("passkey.added", "recovery.asked", "passkey.removed")), evs[-12:])
        verify = f.house.phi("bob", "login", admin.call("POST", "/v1/links", {"person": "bob"})["link"], check=False)
        verify = f.house.phi("bob", "log", "verify", check=False)
        check("phi log verify holds the signed votes against their keys", verify.returncode == 0 and "verified" in verify.stdout, verify)
