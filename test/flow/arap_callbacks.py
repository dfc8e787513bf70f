#!/usr/bin/python3
# timeout: 240
"""ARAP over HTTPS: callbacks to an endpoint that an operator registered (signed, once, with what the caller wants back, never inside the network),
and services as callers, by a token of theirs."""
import base64
import hashlib
import hmac
import json
import os
import sys
import tempfile
import time
import urllib.parse

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib")]
import arap  # noqa: E402
import posts  # noqa: E402
from stdkit import FAILED, Phid, check  # noqa: E402

SECRET = os.urandom(32)
SERVICES = """
@id("ci-asks") permit (principal is Service, action in [phi::Action::"requester", phi::Action::"viewer"], resource);
"""


def table(name):
    return {"type": "Table", "id": json.dumps(["shop", "public", name], separators=(",", ":"))}


def signed(got, prefix="v1,"):
    text = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    return got.headers["webhook-signature"] == prefix + base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()


def wait_for(web, path, n, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(web.at(path)) < n:
        time.sleep(0.02)
    return web.at(path)


class Case:
    def __init__(self, p, web, who, bob):
        self.p, self.web, self.who, self.bob, self.n = p, web, who, bob, 0

    def fresh(self):
        self.n += 1
        q = {"subject": {"type": "Service" if self.who.id == "ci" else "Person", "id": self.who.id}, "action": {"name": "pg:delete"}, "resource": table(f"t{self.who.id[:4]}{self.n}")}
        return q, arap.denial_of(self.who.post(arap.EVALUATION, q))

    def submit(self, path, **callback):
        q, denial = self.fresh()
        return q, arap.submit(self.who, q, denial, callback={"endpoint": self.web.url(path), **callback})

    def dead(self):
        return self.p.admin.get("/v1/notifications/dead?limit=50").json["notifications"]


def path_of(url):
    return urllib.parse.urlsplit(url).path


def told(c):
    for decision, word in (("approve", "approved"), ("deny", "denied")):
        before = len(c.web.at("/cb"))
        q, got = c.submit("/cb", state=f"opaque ✓ {word}", unknown={"x": 1})
        check(f"callback: taken ({word})", got.status == 202, got)
        task = got.json["task"]
        arap.vote(c.bob, task, decision)
        one = wait_for(c.web, "/cb", before + 1)[-1]
        check(f"callback: task and state, and no result ({word})", one.json == {"state": f"opaque ✓ {word}", "task": {"id": task["id"], "status": word, "status_endpoint": task["status_endpoint"]}}, one.body)
        check(f"callback: signed over id, time and body, and with the bearer token ({word})", signed(one) and one.headers["authorization"] == "Bearer tok-5512", one.headers)
        now = c.who.get(path_of(task["status_endpoint"])).json
        check(f"callback: the task says the same when it is asked ({word})", now["task"]["status"] == word, now)
    q, got = c.submit("/cb")
    before = len(c.web.at("/cb"))
    c.who.post(path_of(got.json["task"]["links"]["cancel"]))
    one = wait_for(c.web, "/cb", before + 1)[-1]
    check("callback: cancelled, without a state there is none", one.json["task"]["status"] == "cancelled" and "state" not in one.json, one.body)
    ids = [g.headers["webhook-id"] for g in c.web.at("/cb")]
    check("callback: each once", len(ids) == len(set(ids)) == before + 1, ids)


def chosen_events(c):
    _, got = c.submit("/cb", events=["approved"], state="never")
    before = len(c.web.at("/cb"))
    arap.vote(c.bob, got.json["task"], "deny")
    _, last = c.submit("/cb", events=["denied", "failed", "of tomorrow"], state="this one")
    arap.vote(c.bob, last.json["task"], "deny")
    got = wait_for(c.web, "/cb", before + 1)
    check("callback: only the events that it names", [g.json["state"] for g in got[before:]] == ["this one"], [g.body for g in got[before:]])


def several(c):
    items = []
    for _ in range(3):
        q, denial = c.fresh()
        items.append({"resource": q["resource"], "action": q["action"], "denial": denial})
    before = len(c.web.at("/cb"))
    got = c.who.post(arap.REQUESTS, {"subject": q["subject"], "items": items, "callback": {"endpoint": c.web.url("/cb"), "state": "bundle"}})
    task = got.json["task"]
    arap.vote(c.bob, task["items"][0])
    c.who.post(path_of(task["links"]["cancel"]))
    got = wait_for(c.web, "/cb", before + 1)
    check("callback: a bundle is told once, when all of it is over", len(got) == before + 1 and got[-1].json["state"] == "bundle"
          and got[-1].json["task"]["id"] == task["id"] and got[-1].json["task"]["status"] == "partial", [g.body for g in got[before:]])


def refusals(c, alice):
    q, denial = c.fresh()
    for name, callback in (("an endpoint that nobody registered", {"endpoint": c.web.url("/other")}), ("a longer path", {"endpoint": c.web.url("/cb/x")}),
                           ("with a query", {"endpoint": c.web.url("/cb?x=1")}), ("in capitals", {"endpoint": c.web.url("/CB")}),
                           ("an address inside", {"endpoint": "https://169.254.169.254/latest"}), ("no endpoint", {}), ("no object", "x"),
                           ("a state that is no text", {"endpoint": c.web.url("/cb"), "state": {}}), ("a state of a megabyte", {"endpoint": c.web.url("/cb"), "state": "x" * 100000}),
                           ("events that are no list", {"endpoint": c.web.url("/cb"), "events": "approved"})):
        got = arap.submit(c.who, q, denial, callback=callback)
        check(f"callback: {name} is refused", got.status == 400, got)
    got = arap.submit(c.who, q, denial, callback={"endpoint": c.web.url("/other")})
    check("callback: the refusal says how to mend it", got.code == "callback.unregistered" and "channel set" in got.json["next"], got)
    check("callback: nothing was filed by any of them", q["resource"] not in [i for r in c.who.get("/v1/requests?box=mine").json["requests"] for i in r.get("resources", [])]
          and arap.submit(c.who, q, denial).status == 202)
    other = Case(c.p, c.web, alice, c.bob)
    q, denial = other.fresh()
    got = arap.submit(alice, q, denial, callback={"endpoint": c.web.url("/cb")})
    check("callback: an endpoint of another caller is refused", got.code == "callback.unregistered", got)


def inside(c):
    """The name resolves to an inside address that outgoing_allow does not list."""
    put = c.p.admin.put("/v1/channels/in", {"kind": "callback", "settings": {"url": f"https://127.0.0.2:{c.web.port}/in", "secret": "hook"}})
    check("inside: it can be registered", put.status == 204, put)
    q, denial = c.fresh()
    task = arap.submit(c.who, q, denial, callback={"endpoint": f"https://127.0.0.2:{c.web.port}/in"}).json["task"]
    arap.vote(c.bob, task)
    end = time.monotonic() + 60
    while time.monotonic() < end and not c.dead():
        time.sleep(0.05)
    dead = c.dead()
    check("inside: nothing arrives, and the dead letter says why", not c.web.at("/in") and len(dead) == 1 and dead[0]["channel"] == "in" and dead[0]["what"] == "arap.task"
          and "127.0.0.2" in dead[0]["error"], dead)
    check("inside: the task stands all the same", c.who.get(path_of(task["status_endpoint"])).json["task"]["status"] == "approved")
    for wrong in ({"url": "http://127.0.0.1/cb", "secret": "hook"}, {"url": "https://x.example/cb"}, {"url": "https://x.example/cb", "secret": "hook", "callers": []},
                  {"url": "https://x.example/cb", "secret": "hook", "events": ["approved"]}):
        got = c.p.admin.put("/v1/channels/bad", {"kind": "callback", "settings": wrong})
        check(f"a registration {wrong} is refused", got.status == 400, got)
    got = c.p.admin.post("/v1/channels/cb/test")
    check("a test message would be no task: refused, with the way to try it", got.code == "channel.callback" and "callback" in got.json["next"], got)


def again_after_failure(c):
    c.web.answers["/cb"] = [(503, {"Retry-After": "1"}, None)]
    before = len(c.web.at("/cb"))
    _, got = c.submit("/cb", state="twice")
    arap.vote(c.bob, got.json["task"])
    got = wait_for(c.web, "/cb", before + 2)[before:]
    check("callback: tried again with the same id and body", len(got) == 2 and got[0].headers["webhook-id"] == got[1].headers["webhook-id"] and got[0].body == got[1].body, got)


def service(p, bob, mallory):
    check("service: an account", p.admin.post("/v1/services", {"name": "ci", "groups": ["dev"]}).status == 201)
    made = p.admin.post("/v1/tokens", {"name": "ci", "rights": ["see", "ask"], "for_ms": 3600000, "service": "ci"}).json
    ci = p.api(made["token"])
    ci.id = "ci"
    q = {"subject": {"type": "Service", "id": "ci"}, "action": {"name": "pg:delete"}, "resource": table("jobs")}
    got = ci.post(arap.EVALUATION, q)
    check("service: its denial can be asked about", got.json["decision"] is False and "access_request" in got.json["context"], got)
    denial = arap.denial_of(got)
    check("service: nobody else is given one about it", "access_request" not in mallory.post(arap.EVALUATION, q).json.get("context", {}))
    as_person = {**q, "subject": {"type": "Person", "id": "ci"}}
    check("service: it is no person", arap.submit(ci, as_person, denial).status in (400, 403))
    arap.refused("service: a person cannot use its denial", arap.submit(mallory, {**q, "subject": {"type": "Person", "id": mallory.id}}, denial), 400, "invalid_denial_binding")
    check("service: nor ask for it", arap.submit(mallory, q, denial).status == 403)
    task = arap.submit(ci, q, denial).json["task"]
    path = path_of(task["status_endpoint"])
    arap.refused("service: its task is its own", mallory.get(path), 404, "unknown_task")
    check("service: who made its token does not approve what it asks for", arap.vote(p.admin, task).status in (403, 404))
    check("service: a DBA does", arap.vote(bob, task).status == 200)
    approval = ci.get(path).json["result"]["approval"]
    again = {**q, "context": {"approval": approval}}
    check("service: with the approval it is allowed", ci.post(arap.EVALUATION, again).json["decision"] is True)
    got = ci.post(arap.EVALUATION, {**as_person, "context": {"approval": approval}})
    check("service: for a person of the same name it serves nobody", got.json.get("decision") is not True, got)
    less = p.api(p.admin.post("/v1/tokens", {"name": "look", "rights": ["see"], "for_ms": 3600000, "service": "ci"}).json["token"])
    less.id = "ci"
    fresh = {**q, "resource": table("more")}
    got = arap.submit(less, fresh, arap.denial_of(less.post(arap.EVALUATION, fresh)))
    check("service: a token without the right to ask asks for nothing", got.status == 403 and got.code == "right.missing", got)
    return ci


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        ca_file, tls = posts.ca(folder)
        web, secrets = posts.Web(tls), os.path.join(folder, "secrets")
        os.makedirs(secrets, mode=0o700)
        for name, text in (("hook", "whsec_" + base64.b64encode(SECRET).decode()), ("token", "tok-5512")):
            with open(os.open(os.path.join(secrets, name), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
                out.write(text + "\n")
        with Phid(more=f"secrets: {secrets}\noutgoing_allow: [127.0.0.1]\noutgoing_ca: {ca_file}\n") as p:
            alice, bob, mallory = p.person("alice", "dev"), p.person("bob", "dba"), p.person("mallory", "dev")
            check("the policy goes live", p.bundle("", SERVICES).status == 200)
            p.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
            ci = service(p, bob, mallory)
            got = p.admin.put("/v1/channels/cb", {"kind": "callback", "settings": {"url": web.url("/cb"), "secret": "hook", "token": "token", "callers": ["ci", "mallory"]}})
            check("an operator registers the endpoint", got.status == 204, got)
            case = Case(p, web, ci, bob)
            told(case)
            chosen_events(case)
            several(case)
            told(Case(p, web, mallory, bob))
            refusals(case, alice)
            again_after_failure(case)
            inside(case)
            check("the endpoint hears of nothing else", all(set(g.json) <= {"state", "task"} for g in web.at("/cb")))
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
