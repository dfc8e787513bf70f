#!/usr/bin/python3
# timeout: 180
"""What the API promises of every route: lists in pages, ETags, If-Match, Idempotency-Key, Retry-After, request ids."""
import base64
import os
import re
import sys
import time
import urllib.parse
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
from stdkit import FAILED, Phid, check  # noqa: E402

SCHEMA = "entity Document in [Target] = { title: String };\n"
WRONG = ("x", "AAAA", "!!!", "0", base64.urlsafe_b64encode(b"9.0").decode(), base64.urlsafe_b64encode(b"0.\n").decode().rstrip("="), "A" * 4000)


def ask(who, n, **headers):
    return who.call("POST", "/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 60000 + n, "why": f"n {n}"},
                    headers=headers)


def walk(who, path, name, key, between=lambda: None):
    """All pages; between two of them something happens."""
    found, cursor, sizes = [], None, []
    while True:
        got = who.get(path + (f"&cursor={cursor}" if cursor else ""))
        if got.status != 200:
            return found, [got]
        page = got.json[name]
        found += [key(r) for r in page]
        sizes.append(len(page))
        cursor = got.json.get("next")
        if not cursor:
            return found, sizes
        between()


def whole(name, who, path, what, want, limit, between=lambda: None, key=lambda r: r["id"]):
    found, sizes = walk(who, path, what, key, between)
    check(f"{name}: page by page, nothing is skipped and nothing comes twice", found == want, (len(found), len(want), sizes))
    check(f"{name}: pages are as long as asked", sizes[:-1] and all(s == limit for s in sizes[:-1]) and 0 < sizes[-1] <= limit, sizes)


def lists(p, alice, bob):
    made = [ask(alice, n).json for n in range(23)]
    ids = [r["id"] for r in made][::-1]
    count = iter(range(100, 1000))
    more = lambda: ask(alice, next(count))  # noqa: E731
    whole("mine", alice, "/v1/requests?box=mine&limit=5", "requests", ids, 5, more)
    now = [r["id"] for r in bob.get("/v1/requests?box=inbox&limit=500").json["requests"]]
    whole("the inbox, while more is asked", bob, "/v1/requests?box=inbox&status=pending&limit=7", "requests", now, 7, more)
    for r in made[::2]:
        got = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1})
        check(f"{r['code']} is approved", got.status == 200, got)
    mine = alice.get("/v1/requests?box=mine&limit=500").json
    waits = [r["status"] == "pending" for r in mine["requests"]]
    check("one's own: what waits first, and all on one page where it fits", "next" not in mine and waits == sorted(waits, reverse=True) and not all(waits), mine.keys())
    whole("mine, with what is over", alice, "/v1/requests?box=mine&limit=4", "requests", [r["id"] for r in mine["requests"]], 4, more)
    every = [r["id"] for r in p.admin.get("/v1/requests?box=all&limit=500").json["requests"]]
    check("all are newest first", every == sorted(every, reverse=True) and len(every) > 30)
    whole("everybody's", p.admin, "/v1/requests?box=all&limit=6", "requests", every, 6, more)
    for who, query in ((alice, "box=mine&status=live"), (alice, "box=mine"), (p.admin, "box=all&status=live"), (p.admin, "box=all")):
        grants = [g["id"] for g in who.get(f"/v1/grants?{query}&limit=500").json["grants"]]
        whole(f"grants, {query}", who, f"/v1/grants?{query}&limit=5", "grants", grants, 5)
    alice.post(f"/v1/grants/{made[0]['id']}/return")
    live = alice.get("/v1/grants?box=mine&status=live&limit=500").json["grants"]
    check("what is over is among all and not among the live", len(live) + 1 == len(alice.get("/v1/grants?box=mine&limit=500").json["grants"])
          and all(g["status"] in ("ready", "active") for g in live))
    mallory = p.person("mallory")
    found, _ = walk(mallory, "/v1/requests?box=all&limit=5", "requests", lambda r: r["id"])
    check("a cursor shows nobody more than they see", found == [] and mallory.get(f"/v1/requests?box=mine&cursor={base64.urlsafe_b64encode(b'0.' + ids[0].encode()).decode().rstrip('=')}").json["requests"] == [])
    entities = [{"uid": {"type": "Document", "id": f"d{n:03}"}, "attrs": {"title": "x"}, "parents": []} for n in range(17)]
    p.admin.put("/v1/entities", {"entities": entities})
    whole("entities", p.admin, "/v1/entities?type=Document&limit=4", "entities", [e["uid"]["id"] for e in entities], 4, key=lambda e: e["uid"]["id"])


def admins_lists(p):
    """Those that people run phi by. Nothing of them changes meanwhile, so each page goes on where the last one ended."""
    root, week = p.admin, 7 * 24 * 3600 * 1000
    names = [f"g{n:02}" for n in range(11)]
    for n, name in enumerate(names):
        root.post("/v1/gateways", {"name": name, "targets": ["shop"]})
        root.put(f"/v1/channels/{name}", {"kind": "webhook", "settings": {"url": f"https://127.0.0.1:9/{name}", "secret": "none"}})
        root.post("/v1/tokens", {"name": name, "rights": ["see"], "for_ms": week})
        root.put("/v1/facts", {"resource": f"shop/public.{name}", "tags": ["odd" if n % 2 else "even"]})
        who = p.person(f"m-{name}", "dev")
        root.put(f"/v1/people/m-{name}/contacts/email", {"address": f"{name}@example.test"})
        root.put(f"/v1/people/m-{name}/contacts/slack", {"address": f"U{name}"})
        who.post("/v1/delegations", {"to": "bob", "for_ms": week, "why": "away"})
        root.post(f"/v1/channels/{name}/test")
    end = time.monotonic() + 60
    while len(root.get("/v1/notifications/dead").json["notifications"]) < len(names) and time.monotonic() < end:
        time.sleep(0.05)
    for path, what, key, least in (
            ("/v1/gateways", "gateways", lambda r: r["name"], 11), ("/v1/channels", "channels", lambda r: r["name"], 11),
            ("/v1/tokens?all=1", "tokens", lambda r: r["id"], 11), ("/v1/tokens", "tokens", lambda r: r["id"], 11),
            ("/v1/facts", "facts", lambda r: r["label"], 11), ("/v1/contacts", "contacts", lambda r: (r["person"], r["kind"]), 22),
            ("/v1/delegations", "delegations", lambda r: r["id"], 11), ("/v1/notifications/dead", "notifications", lambda r: r["id"], 11)):
        more = "&" if "?" in path else "?"
        one = root.get(f"{path}{more}limit=500").json
        want = [key(r) for r in one[what]]
        check(f"{path}: one page where all fit", "next" not in one and len(want) >= least and len(set(want)) == len(want), len(want))
        whole(path, root, f"{path}{more}limit=4", what, want, 4, key=key)
    cursor = root.get("/v1/channels?limit=4").json["next"]
    root.call("DELETE", "/v1/channels/g03")
    check("what a cursor points at may have gone", [c["name"] for c in root.get(f"/v1/channels?limit=2&cursor={cursor}").json["channels"]] == ["g04", "g05"])
    mine = p.api(p.api().post("/v1/sessions", {"link": root.post("/v1/links", {"person": "m-g00"}).json["secret"]}).json["token"])
    got, sizes = walk(mine, "/v1/sessions?limit=1", "sessions", lambda r: r["id"])
    check("/v1/sessions: one's own, page by page", len(got) == 2 and sizes == [1, 1], got)
    check("/v1/contacts: one's own", {c["name"] for c in mine.get("/v1/contacts").json["contacts"]} == {"m-g00"})


# What is no list, and lists that a limit keeps short: they come whole.
SHORT = {"/v1/login", "/v1/whoami", "/v1/doctor", "/v1/passkeys", "/v1/providers", "/v1/identities", "/v1/recoveries", "/v1/on-call", "/v1/profile", "/v1/bundle", "/v1/openapi.json",
         "/v1/requests/replay", "/v1/log/checkpoint", "/v1/log/key", "/v1/log/steps", "/v1/log/comparison", "/v1/log/witnesses", "/v1/log/consistency", "/v1/log/proof",
         "/v1/log/entries", "/v1/authz", "/v1/snapshot"}


def no_other_list(document):
    whole_ones = {path for path, o in plain_gets(document) if path.startswith("/v1/") and "cursor" not in [q["name"] for q in o["parameters"]]}
    check("every list that may grow comes in pages", whole_ones <= SHORT, whole_ones - SHORT)


def plain_gets(document, *names):
    """Routes that can be got without knowing anything: (path, names of the query)."""
    for path, methods in document["paths"].items():
        o = methods.get("get")
        if not o or "{" in path or "people" not in o["x-phi-listeners"] or path == "/v1/events":
            continue
        query = [p["name"] for p in o["parameters"]]
        if all(n in query for n in names):
            yield path, o


def bounds(p, who, document):
    found = list(plain_gets(document, "limit"))
    check("there are lists", len(found) >= 6, found)
    for path, _ in found:
        for wrong in ("0", "-1", "100000", "x", "1e2"):
            got = who.get(f"{path}?limit={wrong}")
            check(f"{path}: a limit of {wrong} is refused", got.code == "input.invalid" and "limit" in got.json["detail"], got)
    for path, _ in plain_gets(document, "cursor"):
        for wrong in WRONG:
            got = who.get(f"{path}?cursor={wrong}")
            check(f"{path}: the cursor {wrong[:12]} is refused, with the way to go on", got.code == "cursor.unknown" and "next" in got.json, got)


def etags(p, who, document):
    n = 0
    for path, o in plain_gets(document):
        query = "?" + urllib.parse.urlencode({x["name"]: x["example"] for x in o["parameters"] if "example" in x})
        got = who.get(path + query)
        if got.status != 200 or got.headers["Content-Type"] != "application/json" or path == "/v1/openapi.json":
            continue
        n += 1
        tag = got.headers["ETag"]
        same = who.get(path + query, headers={"If-None-Match": tag})
        as_it_was = same.status == 304 and same.body == b"" and same.headers["ETag"] == tag
        changed = same.status == 200 and same.body != got.body and same.headers["ETag"] != tag
        check(f"{path}: its ETag stands for its bytes", re.fullmatch(r'"[0-9a-f-]{8,60}"', tag or "") and (as_it_was or changed), (got.headers.items(), same))
    check("that was many routes", n > 15, n)
    tag = who.get("/v1/targets").headers["ETag"]
    for value in (f'"x", {tag}', "W/" + tag, "*"):
        check(f"If-None-Match: {value[:9]}… is what RFC 9110 says", who.get("/v1/targets", headers={"If-None-Match": value}).status == 304)
    check("another is no match", who.get("/v1/targets", headers={"If-None-Match": '"x"'}).status == 200)
    p.admin.post("/v1/targets", {"name": "other", "kind": "postgresql", "address": "localhost:1", "database": "x"})
    check("after a change there is another one", who.get("/v1/targets", headers={"If-None-Match": tag}).status == 200)


def if_match(p, who, document):
    got = who.get("/v1/bundle")
    texts = {k: got.json[k] for k in ("schema", "policies", "requirements")}
    old = got.headers["ETag"]
    done = p.admin.call("PUT", "/v1/bundle", {**texts, "policies": texts["policies"] + "\n// one\n"}, headers={"If-Match": old})
    check("a policy goes live on the one that its author saw", done.status == 200, done)
    done = p.admin.call("PUT", "/v1/bundle", {**texts, "policies": texts["policies"] + "\n// two\n"}, headers={"If-Match": old})
    check("and not on another one", done.status == 412 and done.code == "precondition.failed" and who.get("/v1/bundle").json["policies"].endswith("// one\n"), done)
    check("its own old texts again are another version too", p.admin.put("/v1/bundle", texts).status == 200 and who.get("/v1/bundle").headers["ETag"] != old)
    wrong, kinds = [], {"string": "x", "integer": 1, "boolean": True, "array": [], "object": {}}
    for path, methods in document["paths"].items():
        for method, o in methods.items():
            if method == "get" or o["x-phi-right"] in ("none", "gateway", "enrol") or path in ("/v1/bundle",) or path.startswith("/v1/sessions"):
                continue
            s = o.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            body = {m: kinds[s["properties"][m]["type"]] for m in s["required"]} if s else None
            got = p.admin.call(method.upper(), re.sub(r"\{[a-z]+\}", "x", path), body, headers={"If-Match": '"x"'})
            if got.code not in ("precondition.unknown", "right.missing"):
                wrong.append((method, path, got))
    check("every other route refuses a condition that it would not keep", not wrong, wrong[:4])


def idempotency(p, alice):
    key = str(uuid.uuid4())
    first = ask(alice, 5000, **{"Idempotency-Key": key})
    again = ask(alice, 5000, **{"Idempotency-Key": key})
    check("the same key gives the same request", first.status == 201 and again.json["id"] == first.json["id"], again)
    check("for another one it is refused", ask(alice, 5001, **{"Idempotency-Key": key}).code == "idempotency.mismatch")
    dave = p.person("dave", "dev")
    other = ask(dave, 5000, **{"Idempotency-Key": key})
    check("another person's key is another key", other.status == 201 and other.json["id"] != first.json["id"], other)
    alice.post(f"/v1/requests/{first.json['id']}/cancel")
    check("it stays that request once it is over", ask(alice, 5000, **{"Idempotency-Key": key}).json["id"] == first.json["id"])
    p.stop()
    p.start()
    check("and over a restart", ask(alice, 5000, **{"Idempotency-Key": key}).json["id"] == first.json["id"])
    check("a key that is too long is refused", ask(alice, 5002, **{"Idempotency-Key": "k" * 300}).status == 400)


def request_ids(p, who, document):
    seen, wrong = set(), []
    for path, methods in document["paths"].items():
        for method, o in methods.items():
            if path == "/v1/events" or "people" not in o["x-phi-listeners"] or path.startswith("/v1/sessions"):
                continue
            at = re.sub(r"\{[a-z*]+\}", "x", path)
            got = p.api().call(method.upper(), at)
            mine = p.api().call(method.upper(), at, headers={"X-Request-Id": "trace-7.a_B"})
            fresh = got.headers["X-Request-Id"]
            problem = (got.headers["Content-Type"] or "") == "application/problem+json"
            if not fresh or fresh in seen or mine.headers["X-Request-Id"] != "trace-7.a_B" or (problem and got.json.get("instance", fresh) != fresh):
                wrong.append((method, path, fresh, mine.headers["X-Request-Id"]))
            seen.add(fresh)
    check(f"every answer of {len(seen)} routes has an id of its own, or the caller's", not wrong and len(seen) > 100, wrong[:4])
    for bad in ("x" * 500, "a\tb", "é"):
        got = who.get("/v1/whoami", headers={"X-Request-Id": bad.encode("utf-8")})
        check(f"an id like {bad[:5]!r} is not taken over", got.status in (200, 400) and got.headers["X-Request-Id"] != bad, got.headers.items())


def retry_after(p):
    eve = p.person("eve", "dev")
    for n in range(101):
        got = ask(eve, n)
        if got.status != 201:
            break
    check("who asks too much is told when to come back", n == 100 and got.code == "request.quota" and got.headers["Retry-After"] == "60", (n, got, got.headers.items()))


def main():
    with Phid() as p:
        p.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
        alice, bob = p.person("alice", "dev"), p.person("bob", "dba")
        got = p.bundle(schema=SCHEMA)
        check("a policy goes live", got.status == 200, got)
        document = p.api().get("/v1/openapi.json").json
        lists(p, alice, bob)
        admins_lists(p)
        no_other_list(document)
        bounds(p, p.admin, document)
        etags(p, p.admin, document)
        if_match(p, alice, document)
        request_ids(p, alice, document)
        retry_after(p)
        idempotency(p, alice)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
