#!/usr/bin/python3
# timeout: 150
"""Every route with every right: a person of each of phi's roles, one with no role, nobody, a false token, and the gateways' listener."""
import json
import os
import re
import shutil
import sys
import tempfile

import api_basic
from api_basic import Phid, check, first_start, starter

ROLES = {  # what docs/rights.md says of the roles that the starter policy knows
    "viewer": {"see"},
    "requester": {"see", "ask"},
    "approver": {"see", "vote"},
    "auditor": {"see", "see-all", "read-log", "see-people"},
    "operator": {"see", "see-people", "people", "groups", "targets", "revoke", "operate", "on-call"},
    "author": {"see", "policy"},
}
REFUSED = ("right.missing", "auth.required", "auth.csrf")


def exact_policy(texts):
    """The starter, but everybody has the rights of their group alone."""
    everybody = re.compile(r'@id\("people"\).*?;\n', re.S)
    own = "".join(f'@id("{r}-role") permit (principal in Group::"{r}", action in phi::Action::"{r}", resource);\n' for r in ROLES)
    return {**texts, "policies": everybody.sub("", texts["policies"]) + own}


def misfits(schema, example):
    """What an example of a body has against its schema."""
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    if "properties" not in schema:
        return [] if isinstance(example, dict) else ["there is none"]
    wrong = [f"{m} is missing" for m in schema["required"] if m not in example]
    for m, v in example.items():
        want = schema["properties"].get(m, {} if schema["additionalProperties"] else None)
        if want is None or not isinstance(v, kinds.get(want.get("type"), object)):
            wrong.append(f"{m} does not fit")
    return wrong


def lint(document):
    """What OpenAPI 3.1 asks of a document, as far as this one uses it; answers what is wrong."""
    wrong = [f"openapi is {document['openapi']}"] if not re.fullmatch(r"3\.1\.\d", document["openapi"]) else []
    wrong += [f"info has no {k}" for k in ("title", "version") if not document["info"].get(k)]
    schemes, schemas = document["components"]["securitySchemes"], document["components"]["schemas"]
    shapes = {}
    for path, methods in document["paths"].items():
        names = re.findall(r"\{([^}]*)\}", path)
        same = shapes.setdefault(re.sub(r"\{[^}]*\}", "{}", path), path)
        wrong += [f"{path} cannot be told from {same}"] if same != path else []
        for method, o in methods.items():
            at, declared = f"{method} {path}", [(p["in"], p["name"]) for p in o["parameters"]]
            wrong += [f"{at}: path parameters"] if sorted(n for i, n in declared if i == "path") != sorted(names) else []
            wrong += [f"{at}: a parameter stands twice"] if len(set(declared)) != len(declared) else []
            wrong += [f"{at}: {p['name']} is not required" for p in o["parameters"] if p["in"] == "path" and p.get("required") is not True]
            wrong += [f"{at}: method"] if method not in ("get", "put", "post", "delete", "patch") or (method == "get" and "requestBody" in o) else []
            wrong += [f"{at}: says nothing"] if not o.get("summary") or "default" not in o["responses"] else []
            wrong += [f"{at}: security {s}" for alt in o["security"] for s in alt if s not in schemes]
            for media in o.get("requestBody", {}).get("content", {}).values():
                s = media.get("schema", {})
                wrong += [f"{at}: {m} is required and not described" for m in s.get("required", []) if m not in s.get("properties", {})]
                wrong += [f"{at}: its example: {e}" for e in misfits(s, media.get("example"))]
            wrong += [f"{at}: no example"] if not any(k.isdigit() for k in o["responses"]) else []
            wrong += [f"{at}: {ref}" for ref in re.findall(r"#/components/schemas/(\w+)", json.dumps(o)) if ref not in schemas]
    return wrong


def body_for(operation):
    kinds = {"string": "x", "integer": 1, "boolean": True, "array": [], "object": {}}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return None if schema is None else {m: kinds[schema["properties"][m]["type"]] for m in schema["required"]}


def routes(p):
    """(method, path, right, body), those that end the session last."""
    found = []
    for path, methods in p.api().get("/v1/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            found.append((method.upper(), re.sub(r"\{[a-z]+\}", "x", path), operation["x-phi-right"], body_for(operation)))
    return sorted(found, key=lambda r: (r[0] == "DELETE", r[1]))


def asked(api, method, path, body):
    """The code of the answer; a stream that opens is an answer too."""
    if path != "/v1/events":
        return api.call(method, path, body).code
    c = api.connect()
    c.request(method, path, headers={"Authorization": "Bearer " + api.token} if api.token else {})
    r = c.getresponse()
    try:
        return None if r.status == 200 else api_basic.Answer(r).code
    finally:
        r.close()
        c.close()


def walk(p, people):
    wrong = lint(p.api().get("/v1/openapi.json").json)
    check("the OpenAPI document holds to its specification", not wrong, wrong[:6])
    wrong, n = [], 0
    persons = [r for r in routes(p) if r[2] not in ("none", "gateway", "enrol")]
    known = set().union(*ROLES.values()) | {"self"}
    check("every route of people names a right that docs/rights.md knows", {r[2] for r in persons} <= known, {r[2] for r in persons} - known)
    for role, api in people.items():
        for method, path, right, body in persons:
            if path.startswith("/v1/sessions"):  # would sign them out
                continue
            n += 1
            code = asked(api, method, path, body)
            may = right == "self" or right in ROLES.get(role, ())
            if may == (code in REFUSED) or (not may and code != "right.missing"):
                wrong.append((role, method, path, right, code))
    for who, api in (("nobody", p.api()), ("a false token", p.api("x" * 43))):
        for method, path, right, body in persons:
            n += 1
            code = asked(api, method, path, body)
            if code != "auth.required":
                wrong.append((who, method, path, right, code))
    check(f"each route serves exactly who has its right ({n} combinations)", not wrong and n > 300, wrong[:8])


def documented(p):
    with open(os.path.join(api_basic.TOP, "docs/rights.md"), encoding="utf-8") as f:
        text = f.read()
    missing = [f"{m} {path}" for path, ms in p.api().get("/v1/openapi.json").json["paths"].items() for m, o in ms.items()
               if o["x-phi-right"] not in ("none", "gateway", "enrol") and f"`{o['x-phi-right']}`" not in text]
    check("docs/rights.md explains every right", not missing, missing)
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([a-z, ]+) \|", text, re.M))
    for right in sorted(set().union(*ROLES.values())):
        want = {role for role, has in ROLES.items() if right in has}
        check(f"docs/rights.md says which roles have {right}", set(rows.get(right, "").replace(",", " ").split()) == want, (rows.get(right), want))


def sees(people, auditor2, admin):
    """A person sees the requests that concern them; an auditor all; nobody else's otherwise."""
    admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:1", "database": "shop"})
    ask = {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "why": "routes", "for_ms": 60000}
    admin.post("/v1/groups/dev/members", {"person": "requester"})
    admin.post("/v1/groups/dba/members", {"person": "approver"})
    made = people["requester"].post("/v1/requests", ask)
    check("a requester asks", made.status == 201, made)
    found = {role: api.get(f"/v1/requests/{made.json['id']}").status for role, api in people.items()}
    want = {"viewer": 404, "requester": 200, "approver": 200, "auditor": 200, "operator": 404, "author": 404, "nothing": 403}
    check("only those concerned and auditors see it", found == want, found)
    vote = {"decision": "approve", "digest": made.json["digest"], "version": 1}
    votes = {role: people[role].post(f"/v1/requests/{made.json['id']}/votes", vote).status for role in people if role != "approver"}
    check("who is no approver does not vote, an auditor neither", all(s in (403, 404) for s in votes.values()), votes)
    admin.post("/v1/groups/dba/members", {"person": "auditor2"})
    second = people["requester"].post("/v1/requests", {**ask, "why": "again", "for_ms": 61000}).json
    got = auditor2.post(f"/v1/requests/{second['id']}/votes", {"decision": "approve", "digest": second["digest"], "version": 1})
    check("an auditor who is a DBA as well votes on nothing", got.code in ("right.missing", "request.not-approver"), got)


def lockout(admin, texts):
    got = admin.call("DELETE", "/v1/groups/author/members/author")
    check("one of two authors is taken out", got.status == 204, got)
    got = admin.call("DELETE", "/v1/groups/admin/members/root")
    check("the last who can run phi is not taken out", got.code == "rights.lockout", got)
    cut = {**texts, "policies": re.sub(r'@id\("(admins|operators|authors|operator-role|author-role)"\).*?;\n', "", texts["policies"], flags=re.S)}
    got = admin.call("PUT", "/v1/bundle", cut)
    check("a policy under which nobody could mend it is refused", got.code == "rights.lockout", got)
    bare = {**texts, "schema": texts["schema"].replace('"people", "targets"', '"targets"')}
    got = admin.call("PUT", "/v1/bundle", bare)
    check("a schema without an action of phi's is refused, by name", got.status in (400, 422) and b"people" in got.body, got)
    wide = {**texts, "policies": texts["policies"] + '\n@id("wide") permit (principal in Group::"viewer", action, resource);\n'}
    check("that policy is fine for phi", admin.call("PUT", "/v1/bundle", wide).status == 200)


def main():
    folder = tempfile.mkdtemp(prefix="phi-routes-")
    p = Phid(folder)
    try:
        secret = first_start(p)
        check("phid starts", p.start())
        admin = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
        texts = exact_policy(starter())
        got = admin.call("PUT", "/v1/bundle", texts)
        check("a policy of exact roles goes live", got.status == 200, got)
        people = {}
        for name, group in [(r, r) for r in ROLES] + [("nothing", "guests"), ("auditor2", "phi-auditors")]:
            admin.post("/v1/people", {"name": name, "groups": [group]})
            link = admin.post("/v1/links", {"person": name}).json["secret"]
            people[name] = p.api(p.api().post("/v1/sessions", {"link": link}).json["token"])
        auditor2 = people.pop("auditor2")
        walk(p, people)
        documented(p)
        sees(people, auditor2, admin)
        lockout(admin, texts)
        rights = people["viewer"].get("/v1/whoami").json["rights"]
        check("a permit that names no action of phi's gives none", rights == ["see"], rights)
    finally:
        p.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if api_basic.FAILED else 0)


if __name__ == "__main__":
    main()
