#!/usr/bin/python3
# timeout: 300
"""The gateway with a phid: what it decides alone is in the log."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import phiflow  # noqa: E402
import attackkit as kit  # noqa: E402
import house  # noqa: E402


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
