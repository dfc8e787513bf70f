#!/usr/bin/python3
# timeout: 240
"""Tickets checked by a webhook, over running daemons and a real HTTP server: what the tracker says decides, and whatever else
than a good answer comes is a refusal that says what to do."""
import base64
import hashlib
import hmac
import itertools
import json
import os
import signal
import threading

import phiflow
import attackkit as kit
import posts

SECRET = os.urandom(32)
count = itertools.count()  # equal asks are one request
POLICY = ('@id("open-ticket") @why("Only with an open ticket of yours") forbid (principal, action in Action::"pg:write", resource)\n'
          'unless { context has ticket_facts && context.ticket_facts.open && context.ticket_facts.assigned };\n')


class Tracker:
    """`plan` is how it answers: a function of the question to (status, headers, text), or an Event to wait for first."""

    def __init__(self):
        tracker = self
        self.tickets = {"OPS-7": {"open": True, "assigned": True, "title": "late orders"}}
        self.asked, self.plan, self.hold = [], None, None

        class Handler(posts.Quiet):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                q = json.loads(body)
                tracker.asked.append((q, {k.lower(): v for k, v in self.headers.items()}, body))
                if tracker.hold:
                    tracker.hold.wait(60)
                status, headers, text = (tracker.plan or tracker.good)(q)
                self.answer(status, headers, text.encode())

        self.server = posts.serve(Handler, ("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/tickets"

    def good(self, q):
        known = self.tickets.get(q["ticket"])
        if known is None:
            return 404, {}, ""
        return 200, {}, json.dumps({"ticket": q["ticket"], "nonce": q["nonce"], **known})


with phiflow.Flow() as f:
    admin, alice, bob, tracker = kit.admin(f), kit.person(f, "alice"), kit.person(f, "bob"), Tracker()
    with open(f.house.phid_conf, encoding="utf-8") as conf:
        plain = conf.read()
    secrets = f.place.path("tracker-secrets")
    os.makedirs(secrets, mode=0o700)
    with open(os.open(os.path.join(secrets, "tracker"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write("whsec_" + base64.b64encode(SECRET).decode() + "\n")

    def configured(more):
        with open(f.house.phid_conf, "w", encoding="utf-8") as out:
            out.write(plain + more)
        f.house.phid.stop()
        f.house.phid.start()

    def asked(ticket="OPS-7", **more):
        return alice.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 600000,
                                           "why": f"test {next(count)}", "ticket": ticket, **more})

    def refused(plan, detail):
        tracker.plan = plan
        try:
            got = asked()
        finally:
            tracker.plan = None
        f.equal((got.status, got.code), (424, "ticket.unchecked"))
        f.contains(got.json["detail"], detail)
        f.contains(got.json["next"], "phid.yaml")

    live = admin.get("/v1/bundle").json
    got = admin.call("PUT", "/v1/bundle", {**{k: live[k] for k in ("schema", "requirements")}, "policies": live["policies"] + POLICY})
    assert got.status == 200, got

    @f.test("without a tracker nothing is known of a ticket, and what rests on it is denied")
    def _():
        f.equal((asked().status, asked().code), (403, "policy.denied"))

    @f.test("a tracker inside the network that is not allowed is not reached")
    def _():
        configured(f"secrets: {secrets}\ntickets: {{url: '{tracker.url}', secret: tracker, again: always}}\n")
        refused(None, "the tracker cannot be asked")
        f.equal(tracker.asked, [])

    configured(f"secrets: {secrets}\noutgoing_allow: [127.0.0.1]\ntickets: {{url: '{tracker.url}', secret: tracker, again: always}}\n")

    @f.test("an open ticket of the asker's lets them ask; people see what the tracker says")
    def _():
        got = asked()
        f.equal(got.status, 201)
        facts = bob.get(f"/v1/requests/{got.json['id']}").json["ticket_facts"]
        f.equal({k: facts[k] for k in ("open", "assigned", "title")}, {"open": True, "assigned": True, "title": "late orders"})
        f.contains(f.phi("bob", "show", got.json["code"]), "late orders")

    @f.test("the question is signed, and says who asks for which ticket")
    def _():
        q, headers, body = tracker.asked[-1]
        f.equal((q["ticket"], q["person"]["name"]), ("OPS-7", "alice"))
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        want = base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
        f.equal(headers["webhook-signature"], "v1," + want)
        f.equal(headers["webhook-id"], q["nonce"])

    @f.test("a closed ticket and another's are denied by the policy that wants otherwise")
    def _():
        tracker.tickets["OPS-8"] = {"open": False, "assigned": True, "title": "done"}
        tracker.tickets["OPS-9"] = {"open": True, "assigned": False, "title": "carol's"}
        for ticket in ("OPS-8", "OPS-9"):
            f.equal((asked(ticket).status, asked(ticket).code), (403, "policy.denied"))

    @f.test("a ticket that the tracker does not know is refused by name")
    def _():
        got = asked("OPS-404")
        f.equal((got.status, got.code), (400, "ticket.unknown"))
        f.contains(got.json["next"], "id")

    @f.test("nothing but a good answer to this question counts")
    def _():
        said = {"ticket": "OPS-7", "open": True, "assigned": True, "title": ""}
        old = tracker.asked[-1][0]["nonce"]
        answer = lambda **over: lambda q: (200, {}, json.dumps({**said, "nonce": q["nonce"], **over}))  # noqa: E731
        refused(lambda q: (200, {}, "<html>sign in</html>"), "its answer")
        refused(answer(open="yes"), "true or false")
        refused(answer(nonce=old), "nonce")  # an answer of another time, played again
        refused(answer(ticket="OPS-8"), "another ticket")
        refused(answer(title="x" * 301), "title")
        refused(lambda q: (200, {}, '{"open":false,"open":true}'), "its answer")
        refused(lambda q: (500, {}, ""), "500")
        refused(lambda q: (200, {}, " " * 100000), "the tracker cannot be asked")

    @f.test("a redirect is not followed, wherever it leads")
    def _():
        n = len(tracker.asked)
        refused(lambda q: (302, {"Location": tracker.url}, ""), "redirects are not followed")
        refused(lambda q: (307, {"Location": "http://169.254.169.254/latest/meta-data"}, ""), "redirects are not followed")
        f.equal(len(tracker.asked), n + 2)

    @f.test("others are served while a slow tracker is waited for, and the wait has an end")
    def _():
        tracker.hold, box = threading.Event(), []
        n = len(tracker.asked)
        waits = threading.Thread(target=lambda: box.append(asked()))
        waits.start()
        f.until(lambda: len(tracker.asked) > n, 60)
        f.equal([bob.get("/v1/whoami").status for _ in range(20)], [200] * 20)
        waits.join(60)
        tracker.hold.set()
        tracker.hold = None
        f.equal([(g.status, g.code) for g in box], [(424, "ticket.unchecked")])

    @f.test("phid ends while the tracker is asked: nothing is filed, and asking again with the same key files once")
    def _():
        tracker.hold, box = threading.Event(), []
        n, key = len(tracker.asked), {"Idempotency-Key": "k-crash"}
        body = {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 600000, "why": "crash", "ticket": "OPS-7"}

        def ask():
            try:
                box.append(alice.post("/v1/requests", body, headers=key))
            except OSError as e:
                box.append(e)
        waits = threading.Thread(target=ask)
        waits.start()
        f.until(lambda: len(tracker.asked) > n, 60)
        f.house.phid.stop(signal.SIGKILL)
        waits.join(60)
        tracker.hold.set()
        tracker.hold = None
        f.house.phid.start()
        f.true(isinstance(box[0], Exception), box)
        first, second = alice.post("/v1/requests", body, headers=key), alice.post("/v1/requests", body, headers=key)
        f.equal((first.status, first.json["id"]), (201, second.json["id"]))
        f.equal(sum(r["why"] == "crash" for r in alice.get("/v1/requests?box=mine").json["requests"]), 1)

    @f.test("the tracker is asked again before the vote and before each use")
    def _():
        r = asked().json
        tracker.tickets["OPS-7"]["open"] = False
        vote = {"decision": "approve", "digest": r["digest"], "version": 1}
        got = bob.post(f"/v1/requests/{r['id']}/votes", vote)
        f.equal((got.status, got.json["status"]), (200, "denied"))  # closed meanwhile: the policy has the last word
        tracker.tickets["OPS-7"]["open"] = True
        r = asked().json
        tracker.plan = lambda q: (500, {}, "")
        got = bob.post(f"/v1/requests/{r['id']}/votes", {**vote, "digest": r["digest"]})
        f.equal((got.status, got.code), (424, "ticket.unchecked"))
        tracker.plan = None
        got = bob.post(f"/v1/requests/{r['id']}/votes", {**vote, "digest": r["digest"]})
        f.equal((got.status, got.json["status"]), (200, "approved"))
        n = len(tracker.asked)
        f.psql("alice", "DELETE FROM orders WHERE id = 7")
        f.true(len(tracker.asked) > n)
        tracker.plan = lambda q: (500, {}, "")
        f.contains(f.psql("alice", "DELETE FROM orders WHERE id = 8", check=False).stderr, "tracker")
        tracker.plan = None
        tracker.tickets["OPS-7"]["open"] = False
        f.contains(f.psql("alice", "DELETE FROM orders WHERE id = 8", check=False).stderr, "ERROR")
        tracker.tickets["OPS-7"]["open"] = True
        f.equal(f.direct("SELECT count(*) FROM orders WHERE id IN (7, 8)"), "1")
        f.psql("alice", "DELETE FROM orders WHERE id = 8")
        f.equal(f.direct("SELECT count(*) FROM orders WHERE id IN (7, 8)"), "0")

    @f.test("an evaluation waits for no tracker, and has it asked behind the answer, so that the next one is right")
    def _():
        r = asked(scope={"actions": ["pg:write"], "resources": ["shop"]}).json
        got = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1})
        f.equal(got.json["status"], "approved")
        n = len(tracker.asked)
        question = {"subject": {"type": "Person", "id": "alice"}, "action": {"name": "pg:delete"},
                    "resource": {"type": "Target", "id": json.dumps(["shop"])}}
        told = lambda: alice.post("/access/v1/evaluation", question)  # noqa: E731
        first = told().json
        f.equal((first["decision"], first), (True, first))
        f.until(lambda: len(tracker.asked) > n, 60)
        tracker.tickets["OPS-7"]["open"] = False
        f.until(lambda: told().json["decision"] is False, 60)
        tracker.tickets["OPS-7"]["open"] = True
        f.until(lambda: told().json["decision"] is True, 60)
        tracker.hold, n = threading.Event(), len(tracker.asked)
        f.until(lambda: told().json["decision"] is True and len(tracker.asked) > n, 60)
        f.equal([told().json["decision"] for _ in range(20)], [True] * 20)
        f.equal(len(tracker.asked), n + 1)  # one question however many evaluations
        tracker.hold.set()
        tracker.hold = None

    @f.test("a broken glass does not wait for a tracker that is down")
    def _():
        policies = live["policies"] + ('@id("outage") permit (principal in Group::"dev", action == Action::"pg:insert", resource in Target::"[\\"shop\\"]")\n'
                                       'when { context.met.contains("glass") };\n')
        got = admin.call("PUT", "/v1/bundle", {"schema": live["schema"], "policies": policies, "requirements": live["requirements"] + "\nglass: {kind: break-glass, ttl: 15m}\n"})
        f.equal(got.status, 200)
        tracker.plan = lambda q: (500, {}, "")
        got = alice.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:insert"], "resources": ["shop/public.orders"]}, "for_ms": 600000,
                                          "why": "outage", "ticket": "OPS-7", "break_glass": True})
        tracker.plan = None
        f.equal(got.status, 200)
        f.equal(got.json["verdict"], "grant")

    @f.test("each answer that a decision rested on is in the log")
    def _():
        f.contains(json.dumps(admin.get("/v1/log/entries?from=0&limit=1000").json), "ticket.checked")
