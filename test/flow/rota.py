#!/usr/bin/python3
# timeout: 180
"""A shift that changes at night while something waits: who comes on call is asked only when the asker asks again, in a way that the guide names."""
import signal

import phiflow
import attackkit as kit

REQUIREMENT = """
on-duty:
  why: At night somebody on call looks at it
  approve: [{from: 'Group::"on-call:db"', count: 1}]
"""
POLICY = '\n@id("duty-approves") permit (principal in Group::"on-call:db", action == phi::Action::"approve", resource is Request);\n'

with phiflow.Flow() as f:
    admin, alice = kit.admin(f), kit.person(f, "alice")
    carol, dave = kit.new_person(f, "carol", "dev"), kit.new_person(f, "dave", "dev")
    live = admin.get("/v1/bundle").json
    at = live["policies"].index('@id("write-orders")')
    text = live["policies"][:at] + live["policies"][at:].replace('contains("dba")', 'contains("on-duty")', 1) + POLICY
    f.equal(admin.call("PUT", "/v1/bundle", {"schema": live["schema"], "policies": text, "requirements": live["requirements"] + REQUIREMENT}).status, 200)

    def shift(name):
        f.equal(admin.call("PUT", "/v1/on-call/db", {"people": [name], "for_ms": 3600000}).status, 200)

    def inbox(who):
        return [r["code"] for r in who.get("/v1/requests?box=inbox&status=pending").json["requests"]]

    @f.test("who comes on call while it waits does not vote on it, and who left does not either")
    def _():
        shift("carol")
        r = kit.ask_scope(alice, "before midnight").json
        f.true(r["code"] in inbox(carol), r)
        shift("dave")
        f.true(r["code"] not in inbox(dave) and kit.vote(dave, r).status in (403, 404), "dave votes on what was asked before his shift")
        f.true(kit.vote(carol, r).status in (403, 404), "carol votes after her shift")
        f.equal(alice.get(f"/v1/requests/{r['code']}").json["status"], "pending")

    @f.test("asked again with the same content it is for who is on call now: phi request --changes, and PUT")
    def _():
        shift("carol")
        r = kit.ask_scope(alice, "over midnight").json
        shift("dave")
        f.phi("alice", "request", "pg:write", "shop/public.orders", "--changes", r["code"], "--for", "5m", "-m", "over midnight", check=False)
        now = alice.get(f"/v1/requests/{r['code']}").json
        f.equal((now["version"], now["status"], r["code"] in inbox(dave), r["code"] in inbox(carol)), (2, "pending", True, False))
        f.true(kit.vote(carol, now).status in (403, 404), "carol votes after her shift")
        f.equal(kit.vote(dave, r).status, 409)  # of the version before
        f.equal(kit.vote(dave, now).json["status"], "approved")
        f.equal(alice.post(f"/v1/grants/{r['code']}/return").status, 200)  # else it would serve the statement below

    @f.test("a statement that waits in psql: Ctrl-C withdraws it, and sent again it is for who is on call now")
    def _():
        def send():
            p = f.start("alice", *f.psql_cmd("alice", "-c", "DELETE FROM orders WHERE id = 4711"))
            return p, f.until(lambda: next((r for r in alice.get("/v1/requests?box=mine&status=pending").json["requests"] if "pg:delete" in r["summary"]), None), 30)
        shift("carol")
        p, r = send()
        shift("dave")
        f.true(r["code"] not in inbox(dave), "dave is asked of what was sent before his shift")
        p.send_signal(signal.SIGINT)
        f.until(lambda: alice.get(f"/v1/requests/{r['code']}").json["status"] == "cancelled", 20)
        p.communicate(timeout=60)
        p, again = send()
        f.true(again["code"] != r["code"] and again["code"] in inbox(dave), again)
        f.equal(kit.vote(dave, again).json["status"], "approved")
        said, _ = p.communicate(timeout=60)
        f.equal((p.returncode, f.direct("SELECT count(*) FROM orders WHERE id = 4711")), (0, "0"))
