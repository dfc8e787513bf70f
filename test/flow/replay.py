#!/usr/bin/python3
# timeout: 180
"""A policy is changed with what was really asked beside it: `phi policy record` takes it from phid, `phi policy diff` says whose
answer the change would change."""
import datetime
import json
import os
import shutil

import phiflow
import attackkit as kit

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
count = iter(range(1000))  # equal asks are one request


def ask(who, action, on="shop/public.orders", **more):
    got = who.post("/v1/requests", {"target": "shop", "scope": {"actions": [action], "resources": [on]}, "for_ms": 60000, "why": f"replay {next(count)}", **more})
    assert got.status == 201, got
    return got.json


def one_day(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%d")


def bundle(admin, folder, change=lambda text: text):
    live = admin.get("/v1/bundle").json
    os.makedirs(folder)
    for name, text in (("schema.cedarschema", live["schema"]), ("policies.cedar", change(live["policies"])), ("requirements.yaml", live["requirements"])):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            out.write(text)
    return folder


with phiflow.Flow() as f:
    admin, alice, bob = kit.admin(f), kit.person(f, "alice"), kit.person(f, "bob")
    kit.new_person(f, "dora", "dba")  # two DBAs
    kit.new_person(f, "iris", "phi-auditors")
    place = f.place.path("replay")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    delete, ddl = ask(alice, "pg:delete", ticket="OPS-7"), ask(alice, "pg:ddl")
    trial = kit.Try(f, kit.gateway(f), "alice")
    sql = trial.ask().json["request"]
    kit.vote(bob, delete)
    old = bundle(admin, os.path.join(place, "old"))
    files = os.path.join(place, "recorded")
    lines = []

    def diff(new):
        return f.phi("iris", "policy", "diff", old, new, "--requests", files + "/requests.jsonl", "--entities", files + "/entities.json")

    def number(code, action):
        return next(i + 1 for i, r in enumerate(lines) if r["request"] == code and r["action"]["id"] == action)

    @f.test("what was asked is written down, with what phid knew then")
    def _():
        said = f.phi("iris", "policy", "record", files)
        lines.extend(json.loads(x) for x in open(files + "/requests.jsonl", encoding="utf-8"))
        f.contains(said, f"{len(lines)} recorded; phi policy diff OLD NEW --requests")
        one = lines[number(delete["code"], "pg:delete") - 1]
        f.equal((one["principal"]["type"], one["resource"], one["met"]), ("Person", {"type": "Table", "id": '["shop","public","orders"]'}, []))
        f.equal((one["context"]["ticket"], one["context"]["addr"]), ("OPS-7", delete["from"]["addr"]))
        f.true(0 <= one["context"]["risk"] <= 100 and set(one["context"]["local"]) == {"hour", "minute", "weekday"}, one)
        f.true(one["context"]["now"]["__extn"]["arg"][:10] == one_day(one["at"]), one)
        f.true("mfa_age" not in one["context"], one)
        f.equal(oct(os.stat(files + "/requests.jsonl").st_mode & 0o777), "0o600")

    @f.test("the statement that a gateway held is among them, with what the gateway saw")
    def _():
        held = [r for r in lines if r["request"] == sql["code"]]
        f.true(any(r["action"]["id"] == "pg:delete" for r in held), held)

    @f.test("the same policy answers everything as before")
    def _():
        f.contains(diff(bundle(admin, os.path.join(place, "same"))), f"0 of {len(lines)} requests would be answered otherwise")

    @f.test("what a change would newly allow, ask for and deny is named")
    def _():
        looser = diff(bundle(admin, os.path.join(place, "looser"), lambda t: t + '\n@id("free") permit (principal in Group::"dev", action == Action::"pg:delete", resource in Target::"[\\"shop\\"]");\n'))
        f.contains(looser, f"{number(delete['code'], 'pg:delete')}: ")
        f.contains(looser, "needs dba -> allow")
        f.true("pg:ddl" not in looser, looser)
        stricter = diff(bundle(admin, os.path.join(place, "stricter"), lambda t: t + '\n@id("no-ddl") forbid (principal, action == Action::"pg:ddl", resource);\n'
                                                                                 '@id("two") forbid (principal, action == Action::"pg:delete", resource) unless { context.met.contains("two-dbas") };\n'))
        f.contains(stricter, "needs two-dbas -> deny")
        f.contains(stricter, "needs dba -> needs dba and two-dbas")
        ticketed = diff(bundle(admin, os.path.join(place, "ticketed"), lambda t: t + '\n@id("t") forbid (principal, action == Action::"pg:delete", resource) '
                                                                                  'when { !(context has ticket && context.ticket == "OPS-7") };\n'))
        f.true(f"{number(delete['code'], 'pg:delete')}: " not in ticketed and "needs dba -> deny" in ticketed, ticketed)

    @f.test("a period is a period")
    def _():
        f.contains(f.phi("iris", "policy", "record", place + "/none", "--to", "2020-01-01"), "0 recorded")
        f.equal(open(place + "/none/requests.jsonl", encoding="utf-8").read(), "")
        f.equal(f.phi("iris", "policy", "record", place + "/none", "--from", "yesterday", check=False).returncode, 2)

    @f.test("page by page it is the same")
    def _():
        skip, seen = 0, []
        while skip is not None:
            page = admin.get(f"/v1/requests/replay?limit=1&skip={skip}").json
            seen += page["requests"]
            skip = page.get("next")
        f.equal([(r["request"], r["action"]) for r in seen], [(r["request"], r["action"]) for r in lines])

    @f.test("what others asked is not for everybody")
    def _():
        got = alice.get("/v1/requests/replay")
        f.equal((got.status, got.code), (403, "right.missing"))
        f.equal(admin.get("/v1/requests/replay?limit=0").status, 400)
