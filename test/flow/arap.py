#!/usr/bin/python3
# timeout: 180
"""AuthZEN Access Request and Approval Profile, draft 1 (openid/authzen at e287920): every MUST of the decision point and of
the request service that docs/arap.md lists, against a running phid over HTTPS."""
import base64
import datetime
import hashlib
import hmac
import json
import os
import shutil
import sqlite3
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from stdkit import FAILED, Phid, check  # noqa: E402

EVALUATION, REQUESTS = "/access/v1/evaluation", "/access/v1/requests"
ERROR = "urn:openid:authzen:access-request:error:"
ORDERS, ITEMS = ({"type": "Table", "id": json.dumps(["shop", "public", t], separators=(",", ":"))} for t in ("orders", "items"))
SCHEMA = """
action "pg:export" in ["pg:write"] appliesTo {
  principal: [Person],
  resource: [Target, Schema, Table],
  context: { met: Set<String>, purpose?: String },
};
"""


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(token):
    return json.loads(unb64u(token.split(".")[1]))


def jcs(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def ask(who, what="pg:delete", on=ORDERS, **more):
    return {"subject": {"type": "Person", "id": who.id}, "action": {"name": what}, "resource": on, **more}


def denial_of(answer):
    c = answer.json["context"]
    return {"evaluation_id": c["evaluation_id"], "evaluated_at": c["evaluated_at"], "reason": c["reason"],
            "expires_at": c["access_request"]["expires_at"], "binding_token": c["access_request"]["binding_token"]}


def submit(who, question, denial, key=None, **more):
    return who.post(REQUESTS, {**question, "denial": denial, **more}, headers={"Idempotency-Key": key} if key else {})


def refused(name, got, status, error):
    check(name, got.status == status and got.headers["Content-Type"] == "application/problem+json" and got.json["type"] == ERROR + error, got)


def vote(who, task, decision="approve"):
    code = task["links"]["ticket"].rsplit("/", 1)[1]
    r = who.get(f"/v1/requests/{code}").json
    return who.post(f"/v1/requests/{code}/votes", {"decision": decision, "digest": r["digest"], "version": r["version"], "reason": "because"})


def metadata(p):
    meta = p.api().get("/.well-known/authzen-configuration").json
    check("discovery: access_request_endpoint, jwks_uri and the capability", meta["access_request_endpoint"] == p.url + REQUESTS
          and meta["jwks_uri"].startswith(p.url) and "urn:openid:authzen:capability:access-request" in meta["capabilities"], meta)


def requestable(p, alice):
    got = alice.post(EVALUATION, ask(alice))
    c = got.json["context"]
    check("denial: a denial that can be asked about stays a denial", got.json["decision"] is False and c["reason"] == "approval_required", got)
    ar = c["access_request"]
    check("denial: endpoint, expires_at, binding_token, evaluation_id", ar["endpoint"] == p.url + REQUESTS and c["evaluation_id"] and ar["binding_token"]
          and 0 < when(ar["expires_at"]) - time.time() < 900, ar)
    keys = p.api().get("/access/v1/jwks").json["keys"]
    head = json.loads(unb64u(ar["binding_token"].split(".")[0]))
    check("denial: the token's key is published, with kid and use, without its secret", any(k["kid"] == head["kid"] and k["use"] == "sig" and "d" not in k for k in keys), keys)
    claims = claims_of(ar["binding_token"])
    want = b64u(hashlib.sha256(jcs({**{k: ask(alice)[k] for k in ("subject", "action", "resource")}, "context": {}})).digest())
    check("denial: binding_hash is the profile's construction", claims["binding_hash"] == want and claims["binding_context_members"] == []
          and claims["iss"] == claims["aud"] == p.url and claims["denial_expires_at"] == ar["expires_at"], claims)
    with_act = ask(alice, context={"purpose": "audit", "time": "now"})
    with_act["subject"]["properties"] = {"act": {"sub": "bot"}, "x": "y"}
    with_act["action"] = {"name": "pg:export"}
    claims = claims_of(alice.post(EVALUATION, with_act).json["context"]["access_request"]["binding_token"])
    want = b64u(hashlib.sha256(jcs({"subject": {**ask(alice)["subject"], "properties": {"x": "y"}}, "action": with_act["action"],
                                    "resource": ORDERS, "context": {"purpose": "audit"}})).digest())
    check("denial: subject.properties.act is left out, context members that the schema has bind", claims["binding_hash"] == want
          and claims["binding_context_members"] == ["purpose"], claims)
    two = [alice.post(EVALUATION, ask(alice)).json["context"]["evaluation_id"] for _ in range(2)]
    check("denial: evaluation ids are unique", two[0] != two[1])
    for name, body in (("a plain allow", ask(alice, "pg:select")), ("a deny", ask(alice, "pg:select", {"type": "Table", "id": '["hr","public","pay"]'})),
                       ("what a grant with counted uses would have to be claimed for", ask(alice, "pg:admin"))):
        got = alice.post(EVALUATION, body).json
        check(f"denial: {name} is not requestable", "access_request" not in got.get("context", {}), got)
    got = p.admin.post(EVALUATION, ask(alice)).json
    check("denial: nobody else is given one about her", "access_request" not in got["context"], got)
    return alice.post(EVALUATION, ask(alice))


def wrong_submissions(p, alice, bob):
    question = ask(alice)
    good = denial_of(alice.post(EVALUATION, question))
    refused("submission: without denial", alice.post(REQUESTS, question), 400, "not_requestable")
    refused("submission: without binding material", submit(alice, question, {"expires_at": good["expires_at"]}), 400, "invalid_denial_binding")
    later = datetime.datetime.fromtimestamp(when(good["expires_at"]) + 60, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    head, body, sig = good["binding_token"].split(".")
    forged = b64u(jcs({**claims_of(good["binding_token"]), "exp": 4102444800}))
    none = b64u(b'{"alg":"none","typ":"authzen-binding+jwt"}')
    other = denial_of(alice.post(EVALUATION, ask(alice, on=ITEMS)))
    bobs = denial_of(bob.post(EVALUATION, ask(bob)))
    cases = {
        "another expires_at": {**good, "expires_at": later}, "no expires_at": {k: v for k, v in good.items() if k != "expires_at"},
        "a forged token": {**good, "binding_token": f"{head}.{forged}.{sig}"}, "an unsigned token": {**good, "binding_token": f"{none}.{body}."},
        "half a token": {**good, "binding_token": good["binding_token"][:-9]}, "another's evaluation_id beside the token": {**good, "evaluation_id": other["evaluation_id"]},
        "the denial of another resource": other, "another person's denial": bobs,
        "another evaluation_id alone": {k: other[k] for k in ("evaluation_id", "expires_at")}, "an evaluation_id that was made up": {"evaluation_id": "ev_" + "A" * 48, "expires_at": good["expires_at"]},
    }
    for name, denial in cases.items():
        refused(f"submission: {name}", submit(alice, question, denial), 400, "invalid_denial_binding")
    for name, changed in (("another action", ask(alice, "pg:insert")), ("another resource", ask(alice, on=ITEMS)),
                          ("properties added to the resource", ask(alice, on={**ORDERS, "properties": {"x": 1}}))):
        refused(f"submission: {name} than was denied", submit(alice, changed, good), 400, "invalid_denial_binding")
    export = ask(alice, "pg:export", context={"purpose": "audit"})
    bound = denial_of(alice.post(EVALUATION, export))
    refused("submission: context that binds is another", submit(alice, {**export, "context": {"purpose": "leak"}}, bound), 400, "invalid_denial_binding")
    refused("submission: context that binds is left out", submit(alice, ask(alice, "pg:export"), bound), 400, "invalid_denial_binding")
    refused("submission: items under one denial, which phi never makes", alice.post(REQUESTS, {"subject": question["subject"], "items": [{"resource": ORDERS, "action": {"name": "pg:delete"}}], "denial": good}), 400, "invalid_denial_binding")
    check("submission: a callback nobody allowed", submit(alice, question, good, callback={"endpoint": "https://127.0.0.1/cb"}).status == 400)
    check("submission: an actor that nobody verified", submit(alice, question, good, client={"actor": {"id": "bot"}}).status == 403)
    check("submission: for somebody else", submit(bob, question, good).status == 403)
    check("submission: without a token", p.api().post(REQUESTS, {**question, "denial": good}).status == 401)
    check("submission: nothing of all this was filed", alice.get("/v1/requests?box=mine&status=all").json["requests"] == [])


def too_old(p, alice):
    """Ten minutes later: made here with phid's own key, which only who holds its store can."""
    copy = os.path.join(p.folder, "copy.db")
    for end in ("", "-wal"):
        if os.path.exists(f"{p.folder}/data/phi.db{end}"):
            shutil.copy(f"{p.folder}/data/phi.db{end}", copy + end)
    seed = sqlite3.connect(copy).execute("SELECT secret FROM arap_key").fetchone()[0]
    question = ask(alice, on=ITEMS)
    binding = hashlib.sha256(jcs({**question, "context": {}})).digest()

    def made(expires_ms):
        head = expires_ms.to_bytes(8, "big") + os.urandom(12)
        mac = hmac.new(seed, b"phi-arap-evaluation-v1\0" + head + binding + alice.id.encode(), hashlib.sha256).digest()[:16]
        text = datetime.datetime.fromtimestamp(expires_ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"evaluation_id": "ev_" + b64u(head + mac), "expires_at": text}
    now = int(time.time()) * 1000
    refused("submission: a denial whose time has passed", submit(alice, question, made(now - 1000)), 410, "expired_denial")
    got = submit(alice, question, made(now + 60000))
    check("submission: one whose time has not is taken", got.status == 202, got)
    for text in ("tomorrow", "2026-13-01T00:00:00Z", "2026-05-01T00:15:00", "2026-05-01T00:15:00+25:00", "2020-01-01T00:00:00Z", "2126-01-01T00:00:00Z"):
        bad = submit(alice, question, made(now + 61000), requested_access={"requested_until": text})
        check(f"submission: requested_until {text} is refused", bad.status == 400, bad)
    alice.post(urllib.parse.urlsplit(got.json["task"]["links"]["cancel"]).path)


def life(p, alice, bob, mallory, denied):
    question = ask(alice)
    denial = denial_of(denied)
    got = submit(alice, question, denial, "key-1", context={"business_justification": "Ticket 7"}, requested_access={"emergency": False}, client={"id": "app", "name": "App"})
    task = got.json["task"]
    check("task: 202, a handle, its URL, when to ask again", got.status == 202 and task["status"] == "pending" and got.headers["Location"] == task["status_endpoint"]
          and task["status_endpoint"].startswith(p.url) and int(got.headers["Retry-After"]) > 0 and "result" not in got.json, got)
    check("task: no approver and no policy is named", "awaiting" not in json.dumps(got.json) and "bob" not in json.dumps(got.json) and "write-orders" not in json.dumps(got.json))
    again = submit(alice, question, denial, "key-1", context={"business_justification": "Ticket 7"}, requested_access={"emergency": False}, client={"id": "app", "name": "App"})
    check("task: the same Idempotency-Key gives the same task", again.json["task"]["id"] == task["id"], again)
    refused("task: the same key with another submission", submit(alice, question, denial, "key-1"), 409, "duplicate_request")
    check("task: the same denial gives the same task", submit(alice, question, {k: denial[k] for k in ("evaluation_id", "expires_at")}).json["task"]["id"] == task["id"])
    path = urllib.parse.urlsplit(task["status_endpoint"]).path
    check("task: its owner polls it, with any token of theirs", alice.get(path).json["task"]["status"] == "pending")
    for name, who in (("a stranger", mallory), ("an approver", bob), ("an administrator", p.admin)):
        refused(f"task: for {name} it is unknown", who.get(path), 404, "unknown_task")
        refused(f"task: {name} cannot cancel it", who.post(path + "/cancel"), 404, "unknown_task")
    check("task: without a token there is no answer", p.api().get(path).status == 401)
    got = alice.post(EVALUATION, question)
    check("task: pending is no access", got.json["decision"] is False)
    check("approval: the requester's own vote counts for nothing", vote(alice, task).status == 403)
    check("approval: an eligible approver votes", vote(bob, task).status == 200)
    done = alice.get(path).json
    approval = done["result"]["approval"]
    check("approval: approved, with a result to evaluate again", done["task"]["status"] == "approved" and done["result"]["mode"] == "reevaluate"
          and when(approval["approved_until"]) > time.time() and approval["id"] not in (task["id"], denial["evaluation_id"]), done)
    refused("task: over, it cannot be cancelled", alice.post(path + "/cancel"), 409, "invalid_task_state")
    return approval, path


def again(alice, bob, p, approval):
    def evaluate(who, body, ref):
        return who.post(EVALUATION, {**body, "context": {**body.get("context", {}), "approval": ref}})
    got = evaluate(alice, ask(alice), approval)
    check("again: with the approval it is allowed, until then", got.json["decision"] is True and got.json["context"]["approval"]["id"] == approval["id"]
          and abs(when(got.json["context"]["approval"]["approved_until"]) - when(approval["approved_until"])) < 5, got)
    check("again: the id alone does too, phi knows what it stands for", evaluate(alice, ask(alice), {"id": approval["id"]}).json["decision"] is True)
    got = evaluate(p.admin, ask(alice), approval)
    check("again: carried by somebody else it serves nobody", got.json["decision"] is False, got)
    got = evaluate(bob, ask(bob), approval)
    check("again: for another subject it is not verifiable", got.json["decision"] is False and got.json["context"]["reason"] == "approval_unverifiable"
          and got.json["context"]["next_action"] == "none", got)
    for name, body in (("another resource", ask(alice, on=ITEMS)), ("another action", ask(alice, "pg:insert"))):
        got = evaluate(alice, body, approval)
        check(f"again: for {name} it is out of scope, with a fresh denial", got.json["decision"] is False and got.json["context"]["reason"] == "out_of_scope"
              and got.json["context"]["next_action"] == "request" and got.json["context"]["access_request"]["binding_token"], got)
    state = approval["state"]
    head, _, sig = state.split(".")
    forged = f"{head}.{b64u(jcs({**claims_of(state), 'approval_id': 'apr_x'}))}.{sig}"
    token = alice.post(EVALUATION, ask(alice, on=ITEMS)).json["context"]["access_request"]["binding_token"]
    for name, ref in (("an id made up", {"id": "apr_AAAAAAAAAAAAAAAAAAAAAA"}), ("a forged state", {**approval, "state": forged}),
                      ("a state that is cut", {**approval, "state": state[:-8]}), ("a state of another kind", {**approval, "state": token}),
                      ("a state that is no text", {**approval, "state": {"ok": True}}), ("no id", {"approved_until": approval["approved_until"]})):
        got = evaluate(alice, ask(alice), ref)
        check(f"again: {name} is no approval, whatever else there is", got.json["decision"] is False and got.json["context"]["reason"] == "approval_unverifiable", got)
    got = evaluate(alice, ask(alice, "pg:select", {"type": "Table", "id": '["hr","public","pay"]'}), approval)
    check("again: what the policy denies stays denied", got.json["decision"] is False and got.json["context"]["reason"] == "policy_denied"
          and got.json["context"]["next_action"] == "none", got)
    check("again: context.approval must be an object", evaluate(alice, ask(alice), approval["id"]).status == 400)


def mandatory_conditions(p, alice, approval):
    frozen = '@id("freeze") @why("Nothing is deleted today") forbid (principal, action == Action::"pg:delete", resource);'
    check("policy: a freeze goes live", p.bundle(SCHEMA, frozen).status == 200)
    got = alice.post(EVALUATION, ask(alice, context={"approval": approval}))
    check("policy: an approval does not override what is mandatory now", got.json["decision"] is False, got)
    check("policy: the freeze ends", p.bundle(SCHEMA, "// thawed").status == 200)


def endings(alice, bob):
    def fresh(on):
        q = ask(alice, on=on)
        return q, submit(alice, q, denial_of(alice.post(EVALUATION, q))).json["task"]
    q, task = fresh(ITEMS)
    path = urllib.parse.urlsplit(task["links"]["cancel"]).path
    got = alice.post(path)
    check("end: the requester cancels", got.status == 200 and got.json["task"]["status"] == "cancelled" and "result" not in got.json, got)
    refused("end: once", alice.post(path), 409, "invalid_task_state")
    q, task = fresh({"type": "Table", "id": '["shop","public","third"]'})
    check("end: an approver denies", vote(bob, task, "deny").status == 200)
    got = alice.get(urllib.parse.urlsplit(task["status_endpoint"]).path)
    check("end: denied, without a result, and retrievable", got.json["task"]["status"] == "denied" and "result" not in got.json, got)
    q, task = fresh({"type": "Table", "id": '["shop","public","fourth"]'})
    vote(bob, task)
    path = urllib.parse.urlsplit(task["status_endpoint"]).path
    approval = alice.get(path).json["result"]["approval"]
    again_ = {**q, "context": {"approval": approval}}
    check("end: approved, it serves", alice.post(EVALUATION, again_).json["decision"] is True)
    code = task["links"]["ticket"].rsplit("/", 1)[1]
    check("end: it is revoked", bob.post(f"/v1/grants/{code}/revoke", {"why": "enough"}).status == 200)
    got = alice.post(EVALUATION, again_)
    check("end: revoked, it serves no more before approved_until, and may be asked for anew", got.json["decision"] is False
          and got.json["context"]["reason"] == "approval_expired" and got.json["context"]["next_action"] == "request" and got.json["context"]["access_request"], got)
    refused("end: an unknown task", alice.get(REQUESTS + "/tsk_AAAAAAAAAAAAAAAAAAAAAA"), 404, "unknown_task")


def items(p, alice, bob, mallory):
    tables = [{"type": "Table", "id": json.dumps(["shop", "public", f"i{i}"], separators=(",", ":"))} for i in range(4)]

    def item(on, what="pg:delete", **more):
        q = ask(alice, what, on)
        return {"resource": on, "action": q["action"], "denial": denial_of(alice.post(EVALUATION, q)), **more}

    def bundle(of, key=None, **more):
        return alice.post(REQUESTS, {"subject": ask(alice)["subject"], "items": of, **more}, headers={"Idempotency-Key": key} if key else {})
    mine = lambda: {r["id"] for r in alice.get("/v1/requests?box=mine&status=all&limit=200").json["requests"]}  # noqa: E731
    before, good = mine(), [item(tables[0]), item(tables[1], "pg:insert"), item(tables[2])]
    refused("items: one without its denial", bundle([good[0], {k: good[1][k] for k in ("resource", "action")}]), 400, "invalid_denial_binding")
    refused("items: one with the denial of another", bundle([good[0], {**good[1], "denial": good[2]["denial"]}]), 400, "invalid_denial_binding")
    refused("items: the same denial twice", bundle([good[0], good[0]]), 400, "invalid_denial_binding")
    for name, got in (("none", bundle([])), ("too many", bundle([good[0]] * 17)), ("a resource beside them", bundle(good, resource=tables[0])),
                      ("what is no object", bundle(["x"]))):
        check(f"items: {name} is refused", got.status == 400, got)
    check("items: all are filed or none", mine() == before)
    got = bundle(good, "key-items", context={"business_justification": "Onboarding"})
    task = got.json["task"]
    check("items: one handle, and each says how it stands, as it was sent and in that order", got.status == 202 and task["status"] == "pending" and int(got.headers["Retry-After"]) > 0
          and [(i["resource"], i["action"], i["status"]) for i in task["items"]] == [(g["resource"], g["action"], "pending") for g in good]
          and "result" not in got.json and len(mine() - before) == 3, got)
    check("items: the same key, the same handle", bundle(good, "key-items", context={"business_justification": "Onboarding"}).json["task"]["id"] == task["id"])
    refused("items: the same key with another bundle", bundle(good[:2], "key-items", context={"business_justification": "Onboarding"}), 409, "duplicate_request")
    check("items: the same denials, the same handle", bundle(good).json["task"]["id"] == task["id"] and len(mine() - before) == 3)
    path = urllib.parse.urlsplit(task["status_endpoint"]).path
    refused("items: for an approver the handle is unknown", bob.get(path), 404, "unknown_task")
    refused("items: a stranger cannot cancel it", mallory.post(path + "/cancel"), 404, "unknown_task")
    check("items: the first is approved", vote(bob, task["items"][0]).status == 200)
    now = alice.get(path).json["task"]
    first = now["items"][0]
    check("items: pending as long as one is, and each approved one has its own result", now["status"] == "pending" and first["status"] == "approved"
          and first["result"]["mode"] == "reevaluate" and "result" not in now["items"][1], now)
    ref = first["result"]["approval"]
    check("items: the first may be evaluated again", alice.post(EVALUATION, ask(alice, on=tables[0], context={"approval": ref})).json["decision"] is True)
    check("items: its approval is none for the second", alice.post(EVALUATION, ask(alice, "pg:insert", tables[1], context={"approval": ref})).json["decision"] is False)
    check("items: the second is denied", vote(bob, task["items"][1], "deny").status == 200)
    got = alice.post(path + "/cancel")
    check("items: cancelling ends what is pending and nothing else", got.status == 200 and [i["status"] for i in got.json["task"]["items"]] == ["approved", "denied", "cancelled"]
          and got.json["task"]["status"] == "partial", got)
    refused("items: when all is over there is nothing to cancel", alice.post(path + "/cancel"), 409, "invalid_task_state")
    two = bundle([item(tables[3], requested_access={"requested_until": "2020-01-01T00:00:00Z"})])
    check("items: an item's own requested_access counts", two.status == 400, two)
    two = bundle([item(tables[3])]).json["task"]
    vote(bob, two["items"][0])
    check("items: when all are alike, the handle is as they are", alice.get(urllib.parse.urlsplit(two["status_endpoint"]).path).json["task"]["status"] == "approved")
    return path


def audit(p):
    entries = [json.loads(e) for e in p.admin.get("/v1/log/entries?limit=1000").json["entries"]]
    kinds = {e["ev"] for e in entries}
    check("audit: request, vote, grant and their ends are in the log", {"request.created", "grant.made", "grant.revoked", "request.cancelled"} <= kinds
          and {"request.voted", "request.approved", "request.denied"} <= kinds, kinds)


def plain_http():
    with Phid(tls=False) as p:
        check("without HTTPS nothing is requestable", "access_request_endpoint" not in p.api().get("/.well-known/authzen-configuration").json)


def main():
    with Phid() as p:
        alice, bob, mallory = p.person("alice", "dev"), p.person("bob", "dba"), p.person("mallory", "dev")
        got = p.bundle(SCHEMA)
        check("the schema goes live", got.status == 200, got)
        check("a target", p.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"}).status == 201)
        metadata(p)
        denied = requestable(p, alice)
        wrong_submissions(p, alice, bob)
        approval, path = life(p, alice, bob, mallory, denied)
        again(alice, bob, p, approval)
        too_old(p, alice)
        p.stop()
        p.start()
        check("restart: task and approval outlive it", alice.get(path).json["task"]["status"] == "approved"
              and alice.post(EVALUATION, ask(alice, context={"approval": approval})).json["decision"] is True)
        endings(alice, bob)
        items(p, alice, bob, mallory)
        mandatory_conditions(p, alice, approval)
        audit(p)
    plain_http()
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
