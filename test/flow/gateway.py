#!/usr/bin/python3
# timeout: 300
"""The gateway with a phid: what it decides alone is in the log."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import phiflow  # noqa: E402
import attackkit as kit  # noqa: E402
import house  # noqa: E402
from session import Psql  # noqa: E402


def bundle(f, more="", old=None, new=None):
    """Makes the starter bundle live with `more` behind its policies, and `old` there replaced by `new`."""
    texts = {}
    for key, name in (("schema", "schema.cedarschema"), ("policies", "policies.cedar"), ("requirements", "requirements.yaml")):
        with open(os.path.join(house.BUNDLE, name), encoding="utf-8") as file:
            texts[key] = file.read()
    if old:
        f.true(old in texts["policies"], f"{old} is not in the starter policies")
        texts["policies"] = texts["policies"].replace(old, new)
    texts["policies"] += more
    return f.house.admin().call("PUT", "/v1/bundle", texts)["version"]


def entries(f, name):
    """All entries of that event, oldest first."""
    found, n = [], 0
    while True:
        page = kit.admin(f).get(f"/v1/log/entries?from={n}&limit=1000").json["entries"]
        found += [e for e in map(json.loads, page) if e["ev"] == name]
        n += len(page)
        if len(page) < 1000:
            return found


with phiflow.Flow() as f:
    FREEZE = """
@id("freeze") @why("Orders are frozen")
forbid (principal, action == Action::"pg:delete", resource == Table::"[\\"shop\\",\\"public\\",\\"orders\\"]");
"""

    @f.test("what the gateway denies itself is in the log, with the policy, and a batch for equal ones")
    def _():
        bundle(f, FREEZE)
        f.until(lambda: "freeze" in f.psql("alice", "DELETE FROM orders WHERE id = 3", check=False).stderr, 10, "the freeze is not in force")
        url = f.url("alice")
        for i in range(3):
            done = f.start("alice", "psql", "-X", "-c", f"DELETE FROM orders WHERE id = {i}", url)
            f.contains(done.communicate(timeout=20)[0], "not permitted")
        own = f.until(lambda: [e for e in entries(f, "action.denied") if e.get("policy") == "freeze" and "batch" in e], 10)
        e = own[-1]
        f.equal((e["principal"]["type"], e["target"]["id"], e["gateway"]["id"], e["cause"]), ("Person", '["shop"]', "demo", "policy"))
        f.until(lambda: sum(e["count"] for e in entries(f, "action.denied") if e.get("policy") == "freeze" and "batch" in e) >= 4, 10)
        f.true(e["batch"] in [b["batch"] for b in entries(f, "records.batch")], "its batch has no entry")
        bundle(f)

    @f.test("a person who may not even connect is in the log too")
    def _():
        f.contains(f.psql("mallory", "SELECT 1", check=False).stderr, "pg:connect on shop is not permitted")
        who = kit.person(f, "mallory").get("/v1/whoami").json["person"]["id"]
        f.until(lambda: [e for e in entries(f, "action.denied") if e["principal"]["id"] == who and e.get("count") == 1], 10)
        f.contains(f.phi("bob", "log", "verify"), "verified")

    def answer(sql):
        said = f.psql_at_once("alice", sql)
        return "denied" if "is not permitted" in said else "held" if "is waiting for" in said else "ran" if "ERROR" not in said else said

    @f.test("policy sees what a statement looks like: kind, tables, WHERE, size")
    def _():
        bundle(f, """
@id("no-where") @why("Say which rows") forbid (principal, action in Action::"pg:write", resource)
when { context has statement && context.statement has has_where && !context.statement.has_where };
@id("no-join") forbid (principal, action == Action::"pg:select", resource) when { context has statement && context.statement has tables && context.statement.tables > 1 };
@id("no-copy") forbid (principal, action == Action::"pg:select", resource) when { context has statement && context.statement has kind && context.statement.kind == "COPY" };
@id("short") forbid (principal, action == Action::"pg:select", resource) when { context has statement && context.statement has text_bytes && context.statement.text_bytes > 512 };
""")
        f.until(lambda: answer("DELETE FROM orders") == "denied", 10, "the policy is not in force")
        long = "SELECT count(*) FROM orders WHERE status <> '" + "x" * 300 + "'"
        for sql, want in (("UPDATE orders SET status = 'paid'", "denied"), ("DELETE FROM orders WHERE true", "denied"),
                          ("WITH d AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM d", "denied"),
                          ("DELETE FROM orders WHERE id = 3; DELETE FROM orders", "denied"),
                          ("PREPARE p AS DELETE FROM orders", "denied"), ("DELETE FROM orders WHERE id = 3", "held"),
                          ("INSERT INTO orders (id, customer_id, status) VALUES (77777, 1, 'open')", "held"),
                          ("SELECT count(*) FROM orders", "ran"), ("SELECT count(*) FROM orders a, orders b WHERE a.id = b.id AND a.id < 9", "ran"),
                          ("SELECT count(*) FROM orders JOIN customers USING (id)", "denied"), ("COPY (SELECT id FROM orders WHERE id = 1) TO STDOUT", "denied"),
                          (long, "ran"), (long.replace("x", "xx"), "denied"), (long, "ran")):
            f.equal((sql[:60], answer(sql)), (sql[:60], want))
        r = next(r for r in kit.person(f, "alice").get("/v1/requests?box=mine").json["requests"] if r["actions"][0]["action"] == "pg:delete")
        f.true(not any("there is no WHERE" in x["why"] for x in r["risk_reasons"]), r)
        bundle(f)
        f.until(lambda: answer("DELETE FROM orders") == "held", 10, "the starter is not in force")
        r = kit.person(f, "alice").get("/v1/requests?box=mine").json["requests"][0]
        f.true(any("there is no WHERE" in x["why"] for x in r["risk_reasons"]), r)

    def granted(what, bounds):
        """A scope for alice, approved by bob."""
        r = kit.person(f, "alice").post("/v1/requests", {"target": "shop", "scope": what, "for_ms": 600000, "why": "test", **bounds}).json
        got = kit.vote(kit.person(f, "bob"), r)
        f.equal(got.status, 200)
        return got.json["grant"]

    def grant(g):
        return next(x for x in kit.person(f, "alice").get("/v1/grants?box=mine&status=all").json["grants"] if x["id"] == g["id"])

    def at_once(sql):
        """As alice, in a session that does not wait for people."""
        return subprocess.run(["psql", "-X", "-A", "-t", "-q", "-c", sql, f.url("alice") + "?options=-c%20phi.hold%3D0"], env=f.env("alice"),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    WRITE = {"actions": ["pg:write"], "resources": ["shop/public.orders"]}

    @f.test("rows are counted over statements and end in the middle of one, rolled back")
    def _():
        before = f.direct("SELECT count(*) FROM orders WHERE status = 'returned'")
        g = granted(WRITE, {"budget": {"rows": 10, "statements": 6}})
        p = Psql(f.house, "alice")
        for _ in range(3):  # one after the other at once: each waits for what the one before took
            p.say("UPDATE orders SET status = 'paid' WHERE id BETWEEN 101 AND 102 RETURNING 'row ' || id;")
            p.expect("^row 102$")
        f.until(lambda: grant(g)["spent"]["rows"] == 6)
        f.equal(grant(g)["spent"]["statements"], 3)
        p.say("BEGIN;")
        p.say("UPDATE orders SET status = 'returned' WHERE id BETWEEN 101 AND 200 RETURNING 'row ' || id;")
        p.expect("budget of 4 rows is spent")
        p.close()
        f.equal(f.direct("SELECT count(*) FROM orders WHERE status = 'returned'"), before)
        f.until(lambda: grant(g)["spent"]["rows"] >= 10)
        f.contains(at_once("UPDATE orders SET status = 'open' WHERE id = 101").stderr, "is waiting for one dba")
        f.equal(f.direct("SELECT status FROM orders WHERE id = 101"), "paid")

    @f.test("a scope of pg:write lets RETURNING read only where the policy lets her read without a grant")
    def _():
        g = granted(WRITE, {})
        f.equal(f.psql("alice", "UPDATE orders SET status = 'open' WHERE id = 120 RETURNING id"), "120")
        bundle(f, old='permit (principal in Group::"dev", action in Action::"pg:read", resource in Target::"[\\"shop\\"]");',
               new='permit (principal in Group::"dev", action in Action::"pg:read", resource in Target::"[\\"shop\\"]")\n'
                   'when { context.met.contains("dba") };')
        f.until(lambda: "waiting for" in at_once("SELECT id FROM orders WHERE id = 120").stderr, 10, "reading is still free")
        said = at_once("UPDATE orders SET status = 'paid' WHERE id = 120 RETURNING id").stderr
        f.contains(said, "is waiting for one dba")
        f.equal(at_once("UPDATE orders SET status = 'paid' WHERE id = 120").returncode, 0)
        f.equal(f.direct("SELECT status FROM orders WHERE id = 120"), "paid")
        bundle(f)

    @f.test("connecting waits where the policy asks for approval, and the session ends with its grant")
    def _():
        bundle(f, '\n@id("dev-connect-asks")\npermit (principal in Group::"dev", action == Action::"pg:connect", resource in Target::"[\\"shop\\"]")\n'
                  'when { context.met.contains("dba") };\n',
               old='permit (principal in Group::"dev", action in [Action::"pg:connect", Action::"pg:set"]', new='permit (principal in Group::"dev", action in [Action::"pg:set"]')
        f.until(lambda: "is waiting for" in at_once("SELECT 1").stderr, 10, "connecting is still free")
        p = Psql(f.house, "alice")
        code = p.expect(r"phi (\S+) is waiting for one dba \(bob\): pg:connect on shop", 20).group(1)
        f.contains(f.phi("bob", "show", code), "pg:connect on shop")
        f.phi("bob", "approve", code, "--digest", kit.person(f, "bob").get(f"/v1/requests/{code}").json["digest"])
        p.say("SELECT 'in ' || count(*) FROM orders;")
        p.expect("^in 1", 20)
        f.phi("bob", "revoke", code, "-m", "enough")
        p.say("SELECT 1;")
        p.expect("FATAL|terminat|closed", 10)
        p.close()
        f.until(lambda: [e for e in entries(f, "grant.outcome") if e["outcome"] == "done"][-1:], 10)
        bundle(f)
