#!/usr/bin/python3
# timeout: 180
"""The certification scenario of openid/authzen (certification/authorization-api-1_0-scenario.md), at every level, over
HTTPS; then what phi adds: whose properties count (attack 63), whom one may ask about, paging, TLS itself."""
import json
import os
import re
import signal
import socket
import ssl
import sys
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from stdkit import FAILED, Phid, certificate, check  # noqa: E402

SCHEMA = """
entity user = { role?: String, known?: Bool };
entity record = { status?: String };
action "export" appliesTo { principal: [user], resource: [record], context: { met: Set<String>, can: Set<String>, soft?: Bool } };
action "read", "write", "delete" appliesTo {
  principal: [user],
  resource: [record],
  context: { met: Set<String>, soft?: Bool, risk?: Long },
};
"""
POLICIES = """
@id("records-read") permit (principal is user, action == Action::"read", resource is record) when { principal has known };
@id("alice-writes") permit (principal == user::"alice", action == Action::"write", resource is record)
  unless { resource has status && resource.status == "archived" };
@id("admins-write-archived") permit (principal is user, action == Action::"write", resource is record)
  when { principal has role && principal.role == "admin" && resource has status && resource.status == "archived" };
@id("alice-deletes-softly") permit (principal == user::"alice", action == Action::"delete", resource is record)
  when { context has soft && context.soft };
@id("export-masked") @why("Records leave masked") permit (principal is user, action == Action::"export", resource is record)
  when { context.can.contains("masked") };
@id("bulk-is-capped") forbid (principal, action == Action::"export", resource)
  when { context has soft && context.soft } unless { context.can.contains("first-ten") };
"""
REQUIREMENTS = """
obligations:
  masked: {kind: mask, why: No addresses}
  first-ten: {kind: cap-rows, rows: 10}
"""
ENTITIES = [
    {"uid": {"type": "user", "id": "alice"}, "attrs": {"known": True}, "parents": []},
    {"uid": {"type": "user", "id": "bob"}, "attrs": {"known": True, "role": "admin"}, "parents": []},
    {"uid": {"type": "record", "id": "record-1"}, "attrs": {"status": "active"}, "parents": []},
    {"uid": {"type": "record", "id": "record-2"}, "attrs": {"status": "archived"}, "parents": []},
]
EVALUATION, EVALUATIONS, SEARCH = "/access/v1/evaluation", "/access/v1/evaluations", "/access/v1/search/"


def user(name, **properties):
    return {"type": "user", "id": name, **({"properties": properties} if properties else {})}


def record(n, **properties):
    return {"type": "record", "id": f"record-{n}", **({"properties": properties} if properties else {})}


def action(name, **properties):
    return {"name": name, **({"properties": properties} if properties else {})}


def ask(who, what, on, **more):
    return {"subject": who, "action": what, "resource": on, **more}


ALICE, BOB, READ, WRITE = user("alice"), user("bob"), action("read"), action("write")
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
BASE = ask(ALICE, READ, record(1))


def without(body, *path):
    copy = json.loads(json.dumps(body))
    at = copy
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return copy


def basic(pdp):
    cases = (
        ("2.2.1 permit", BASE, True),
        ("2.2.2 deny", ask(BOB, WRITE, record(1)), False),
        ("2.2.3 optional context", {**BASE, "context": CONTEXT}, True),
        ("2.2.4 resource properties deny", ask(ALICE, WRITE, record(2, status="archived")), False),
        ("2.2.5 subject properties permit", ask(user("bob", role="admin"), WRITE, record(2, status="archived")), True),
        ("2.2.6 action properties permit", ask(ALICE, action("delete", soft=True), record(1)), True),
        ("2.2.7 action properties deny", ask(ALICE, action("delete", soft=False), record(1)), False),
        ("2.2.8 additional properties", ask(user("alice", department="Sales", role="manager"), action("read", method="GET"),
                                            record(1, status="active", owner="bob")), True),
        ("2.2.9 unknown members", {**BASE, "foo": "bar", "futureField": {"nested": True}}, True),
        ("1.4 rule 2", ask(ALICE, WRITE, record(1)), True),
        ("1.4 rule 3", ask(BOB, READ, record(1)), True),
    )
    for name, body, want in cases:
        got = pdp.post(EVALUATION, body)
        check(f"Basic {name}", got.status == 200 and got.json["decision"] is want and got.headers["Content-Type"].startswith("application/json")
              and isinstance(got.json.get("context", {}), dict), got)
    errors = [(f"without {'.'.join(p)}", without(BASE, *p)) for p in
              (("subject",), ("action",), ("resource",), ("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"), ("resource", "id"))]
    errors += [("with a subject that is a string", {**BASE, "subject": "alice"}), ("with a number as action.name", {**BASE, "action": {"name": 123}}),
               ("that is no JSON", "{not json"), ("that is empty", ""), ("that is a list", "[]"), ("with a key twice", '{"subject":{},"subject":{}}')]
    for name, body in errors:
        for path in (EVALUATION, EVALUATIONS):
            got = pdp.post(path, body)
            check(f"Basic 2.4 a request {name} is 400 at {path}", got.status == 400 and got.headers["Content-Type"] == "application/problem+json", got)
    for kind in ("text/plain", "application/xml", "application/json-patch+json"):
        got = pdp.post(EVALUATION, json.dumps(BASE), headers={"Content-Type": kind})
        check(f"Basic 2.4.3 {kind} is 400", got.status == 400, got)
    for path in (EVALUATION, EVALUATIONS, SEARCH + "subject"):
        got = pdp.post(path, BASE, headers={"X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"})
        check(f"Basic 2.5 X-Request-ID is echoed at {path}", got.headers["X-Request-ID"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716", got)
    got = pdp.post(EVALUATION, {}, headers={"X-Request-ID": "bad-1"})
    check("Basic 2.5 X-Request-ID is echoed with an error", got.status == 400 and got.headers["X-Request-ID"] == "bad-1", got)
    check("Basic 2.5.2 without X-Request-ID it answers", pdp.post(EVALUATION, BASE).headers["X-Request-ID"])
    ready = pdp.phid.api()
    check("readyz and healthz say ok", ready.get("/readyz").body == ready.get("/healthz").body == b"ok\n")
    check("Basic 2.6 the same question has the same answer", {pdp.post(EVALUATION, BASE).json["decision"] for _ in range(10)} == {True})


def decisions(got):
    return [e["decision"] for e in got.json["evaluations"]] if got.status == 200 and "evaluations" in got.json else got


def batch(pdp):
    one, two = record(1, status="active"), record(2, status="archived")
    cases = (
        ("3.2.1 structure", {"subject": ALICE, "action": READ, "evaluations": [{"resource": record(1)}, {"resource": record(2)}]}, [True, True]),
        ("3.2.2 decisions in order", {"subject": BOB, "resource": record(1), "evaluations": [{"action": READ}, {"action": WRITE}]}, [True, False]),
        ("3.2.3 resource properties", {"subject": ALICE, "action": WRITE, "evaluations": [{"resource": one}, {"resource": two}]}, [True, False]),
        ("3.2.4 subject properties", {"action": WRITE, "resource": two, "evaluations": [{"subject": ALICE}, {"subject": user("bob", role="admin")}]}, [False, True]),
        ("3.2.5 no defaults", {"evaluations": [BASE, ask(BOB, WRITE, record(1))]}, [True, False]),
        ("3.2.6 context", {"subject": ALICE, "action": READ, "context": {"time": CONTEXT["time"]},
                           "evaluations": [{"resource": record(1)}, {"resource": record(2), "context": {"time": "x", "source": "batch-override"}}]}, [True, True]),
        ("3.2.7 defaults", {"subject": ALICE, "action": WRITE, "resource": one, "evaluations": [{}, {"resource": two}]}, [True, False]),
        ("3.2.7 the default's type", {"subject": ALICE, "action": WRITE, "resource": {"type": "record"},
                                      "evaluations": [{"resource": {"id": "record-1", "properties": {"status": "active"}}}, {"resource": two}]}, [True, False]),
        ("default's id and name", {"subject": ALICE, "action": WRITE, "resource": one,
                                   "evaluations": [{"subject": {"type": "user"}, "action": {"properties": {}}}, {"resource": {"id": "record-2"}, "subject": {"id": "bob"}}]}, [True, True]),
        ("3.4.1 one that is incomplete", {"subject": ALICE, "action": READ, "options": {"evaluations_semantic": "execute_all"},
                                         "evaluations": [{"resource": record(1)}, {}]}, [True, False]),
        ("one that is no object", {"subject": ALICE, "action": READ, "evaluations": [{"resource": record(1)}, 7]}, [True, False]),
    )
    for name, body, want in cases:
        got = pdp.post(EVALUATIONS, body)
        check(f"Batch {name}", decisions(got) == want and "decision" not in got.json, got)
    check("Batch 3.4.2 without evaluations it is one evaluation", pdp.post(EVALUATIONS, BASE).json["decision"] is True)
    check("Batch 3.4.3 with none it is one evaluation", pdp.post(EVALUATIONS, {**BASE, "evaluations": []}).json["decision"] is True)
    mixed = [{"action": a} for a in (READ, WRITE, READ, WRITE)]
    for semantic, want in (("execute_all", [True, False, True, False]), ("deny_on_first_deny", [True, False]), ("permit_on_first_permit", [True])):
        got = pdp.post(EVALUATIONS, {"subject": BOB, "resource": record(1), "evaluations": mixed, "options": {"evaluations_semantic": semantic}})
        check(f"Batch semantics: {semantic}", decisions(got) == want, got)
    got = pdp.post(EVALUATIONS, {**BASE, "evaluations": [{}], "options": {"evaluations_semantic": "whatever"}})
    check("Batch semantics: an unknown one is refused", got.status == 400, got)
    check("Batch: more than a thousand are refused", pdp.post(EVALUATIONS, {**BASE, "evaluations": [{}] * 1001}).status == 400)


def found(pdp, what, body):
    got = pdp.post(SEARCH + what, body)
    if got.status != 200:
        return got
    return sorted(r.get("id") or r["name"] for r in got.json["results"])


def search(pdp):
    kind, any_record = {"type": "user"}, {"type": "record"}
    subjects, resources, actions = ask(kind, READ, record(1)), ask(ALICE, READ, any_record), {"subject": ALICE, "resource": record(1)}
    archived = record(2, status="archived")
    cases = (
        ("4.2.1 subjects", "subject", subjects, ["alice", "bob"]),
        ("4.2.2 subjects with context", "subject", {**subjects, "context": CONTEXT}, ["alice", "bob"]),
        ("4.2.3 a subject's id is ignored", "subject", ask(ALICE, READ, record(1)), ["alice", "bob"]),
        ("4.2.4 subjects by the resource's properties", "subject", ask(kind, WRITE, archived), ["bob"]),
        ("4.3.1 resources", "resource", resources, ["record-1", "record-2"]),
        ("4.3.2 resources with context", "resource", {**resources, "context": CONTEXT}, ["record-1", "record-2"]),
        ("4.3.3 a resource's id is ignored", "resource", BASE, ["record-1", "record-2"]),
        ("4.3.4 resources by the subject's properties", "resource", ask(user("bob", role="admin"), WRITE, any_record), ["record-2"]),
        ("4.4.1 actions", "action", actions, ["read", "write"]),
        ("4.4.2 actions with context", "action", {**actions, "context": CONTEXT}, ["read", "write"]),
        ("4.4.3 actions by properties", "action", {"subject": user("bob", role="admin"), "resource": archived}, ["read", "write"]),
        ("4.6.1 an unknown subject", "action", {"subject": user("nonexistent-user"), "resource": record(1)}, []),
        ("4.6.2 an unknown type of subjects", "subject", ask({"type": "spaceship"}, READ, record(1)), []),
        ("4.6.2 an unknown type of resources", "resource", ask(ALICE, READ, {"type": "spaceship"}), []),
        ("4.6.2 an unknown type, actions", "action", {"subject": {"type": "spaceship", "id": "x"}, "resource": record(1)}, []),
        ("4.6.2 an unknown action", "subject", ask(kind, action("fly"), record(1)), []),
    )
    for name, what, body, want in cases:
        got = found(pdp, what, body)
        check(f"Search {name}", got == want, got)
    bad = (("subject", without(subjects, "action")), ("subject", without(subjects, "subject")), ("resource", without(resources, "subject")),
           ("action", without(actions, "resource")), ("subject", ask(kind, READ, any_record)), ("resource", ask(kind, READ, any_record)),
           ("action", {"subject": kind, "resource": record(1)}), ("subject", {**subjects, "page": {"limit": 0}}),
           ("subject", {**subjects, "page": 7}), ("subject", {**subjects, "page": {"token": "%"}}))
    for what, body in bad:
        got = pdp.post(SEARCH + what, body)
        check(f"Search 4.7 {what} {json.dumps(body)[:70]}… is 400", got.status == 400, got)
    seen, page, pages = [], {"limit": 1}, 0
    while pages < 10:
        got = pdp.post(SEARCH + "subject", {**subjects, "page": page})
        seen += [r["id"] for r in got.json["results"]]
        pages += 1
        if not got.json["page"]["next_token"]:
            break
        page = {"limit": 1, "token": got.json["page"]["next_token"]}
    check("Search 4.5 page by page everybody comes once", seen == ["alice", "bob"] and isinstance(got.json["page"]["next_token"], str), seen)


def discovery(p):
    got = p.api().get("/.well-known/authzen-configuration")
    meta = got.json
    check("Discovery 6 the metadata is there without a token", got.status == 200 and got.headers["Content-Type"] == "application/json", got)
    check("Discovery 6 policy_decision_point is the base URL", meta["policy_decision_point"] == p.url, meta)
    ends = [v for k, v in meta.items() if k.endswith("_endpoint")]
    check("Discovery 6 endpoints are HTTPS URLs here", len(ends) >= 5 and all(v.startswith(p.url + "/") for v in ends), meta)
    check("Discovery 6 capabilities are strings", all(isinstance(c, str) for c in meta["capabilities"]), meta)


def whose_word(p, pdp):
    """Attack 63: what only phi may say is refused, what phid knows better is ignored."""
    for member, value in (("met", ["dba"]), ("risk", 0), ("mfa_age", 0), ("local", {"hour": 3}), ("now", "x"), ("ticket", "T"),
                          ("on_call", True), ("country", "DE"), ("device", "d"), ("environment", "prod")):
        for where, body in (("context", {**BASE, "context": {member: value}}), ("action.properties", ask(ALICE, action("read", **{member: value}), record(1)))):
            got = pdp.post(EVALUATION, body)
            check(f"{where}.{member} is refused", got.status == 400 and member in got.json["detail"], got)
            got = pdp.post(EVALUATIONS, {"evaluations": [body]})
            check(f"{where}.{member} is refused among several", decisions(got) == [False] and got.json["evaluations"][0]["context"]["error"]["status"] == 400, got)
    ignored = (
        ("a subject's role", ask(user("alice", role="admin"), WRITE, record(2))), ("an unknown subject's role", ask(user("eve", role="admin"), WRITE, record(2))),
        ("another status of a record that phid knows", ask(ALICE, WRITE, record(2, status="active"))),
        ("a role in the context", {**ask(ALICE, WRITE, record(2)), "context": {"role": "admin", "principal": {"role": "admin"}}}),
        ("groups of the subject", ask({**ALICE, "groups": ["admin"], "parents": [{"type": "Group", "id": "admin"}]}, WRITE, record(2))))
    for name, body in ignored:
        got = pdp.post(EVALUATION, body)
        check(f"{name} is ignored", got.status == 200 and got.json["decision"] is False, got)
    got = pdp.post(EVALUATION, ask(ALICE, WRITE, {"type": "record", "id": "new", "properties": {"status": "archived", "weight": 1.5, "x": None, "big": 1e300}}))
    check("the properties of a record that phid does not know count", got.status == 200 and got.json["decision"] is False, got)
    got = pdp.post(EVALUATION, ask(ALICE, WRITE, {"type": "record", "id": "new", "properties": {"status": 7}}))
    check("a property of another type than the schema's is refused", got.status == 400 and "status" in got.json["detail"], got)
    carol = p.person("carol", "dev")
    got = carol.post(EVALUATION, BASE)
    check("a person without the right asks about nobody else", got.status == 403 and got.code == "right.missing", got)
    got = carol.post(SEARCH + "subject", ask({"type": "Person"}, READ, record(1)))
    check("nor searches for others", got.status == 403, got)
    got = carol.post(EVALUATION, ask({"type": "Person", "id": carol.id}, action("pg:connect"), {"type": "Target", "id": '["shop"]'}))
    check("she asks about herself", got.status == 200, got)
    check("nobody asks without a token", p.api().post(EVALUATION, BASE).status == 401)


def obligations(pdp):
    """What the enforcement point says it can do is its own word; an answer that rests on it says so."""
    export = lambda can, **context: pdp.post(EVALUATION, ask(ALICE, action("export"), record(1), context={**context, **({} if can is None else {"can": can})}))
    for can in (None, [], ["record"], ["masked"]):  # kinds, not names
        got = export(can)
        check(f"who can do {can} is denied", got.status == 200 and got.json["decision"] is False and "obligations" not in got.json["context"], got)
    got = export(["record", "mask", "cap-rows"])
    check("who can mask is allowed and told to", got.json["decision"] is True and
          got.json["context"]["obligations"] == [{"name": "masked", "kind": "mask", "why": "No addresses"}], got)
    got = export(["mask"], soft=True)
    check("a forbid waits for the obligation it names", got.json["decision"] is False, got)
    got = export(["mask", "cap-rows"], soft=True)
    check("both are owed then, with their settings", got.json["decision"] is True and
          got.json["context"]["obligations"][1:] == [{"name": "first-ten", "kind": "cap-rows", "rows": 10}], got)
    got = pdp.post(EVALUATION, ask(ALICE, READ, record(1), context={"can": ["mask"]}))
    check("an allow that rests on nothing owes nothing", got.json["decision"] is True and "obligations" not in got.json["context"], got)
    one = ask(ALICE, action("export"), record(1))
    got = pdp.post(EVALUATIONS, {"evaluations": [{**one, "context": {"can": ["mask"]}}, one], "options": {"evaluations_semantic": "execute_all"}})
    check("among several each answers for itself", decisions(got) == [True, False], got)
    for can in ("mask", {"mask": True}, [7], [""], ["x" * 200], ["k%d" % i for i in range(17)], None):
        got = pdp.post(EVALUATION, ask(ALICE, action("export"), record(1), context={"can": can}))
        check(f"{str(can)[:20]} is no list of kinds", got.status == 400 and "context.can" in got.json["detail"], got)
    got = pdp.post(EVALUATION, ask(ALICE, action("export", can=["mask"]), record(1)))
    check("it is no property of the action", got.status == 400 and "can" in got.json["detail"], got)
    got = pdp.post(SEARCH + "resource", {**ask(ALICE, action("export"), {"type": "record"}), "context": {"can": ["mask"]}})
    check("a search carries no obligations, so finds nothing that rests on one", got.status == 200 and got.json["results"] == [], got)


def entities(p, pdp):
    def put(uid, attrs=None, parents=None):
        return pdp.put("/v1/entities", {"entities": [{"uid": uid, "attrs": attrs or {}, "parents": parents or []}]})
    check("a record is added", put(record(3), {"status": "active"}).json == {"count": 1})
    listed = pdp.get("/v1/entities?type=record&limit=2").json
    rest = pdp.get(f"/v1/entities?type=record&limit=2&cursor={listed['next']}").json
    check("records are listed page by page", [e["uid"]["id"] for e in listed["entities"] + rest["entities"]] == ["record-1", "record-2", "record-3"]
          and "next" not in rest, (listed, rest))
    check("it is changed", put(record(3), {"status": "archived"}).status == 200
          and pdp.post(EVALUATION, ask(ALICE, WRITE, record(3))).json["decision"] is False)
    check("it is taken away", pdp.call("DELETE", "/v1/entities/record/record-3").status == 204 and pdp.call("DELETE", "/v1/entities/record/record-3").code == "entity.unknown")
    for name, got in (("an attribute that the schema lacks", put(record(4), {"colour": "red"})), ("a type that it lacks", put({"type": "ship", "id": "1"})),
                      ("a person", put({"type": "Person", "id": "p"})), ("a table", put({"type": "Table", "id": '["shop","a","b"]'})),
                      ("a parent that phi alone gives", put(user("eve"), parents=[{"type": "Group", "id": "admin"}])),
                      ("an action", put({"type": "Action", "id": "read"})), ("nothing", pdp.put("/v1/entities", {"entities": []}))):
        check(f"{name} is refused", got.status == 400, got)
    check("nothing of them was kept", len(pdp.get("/v1/entities").json["entities"]) == 4)
    got = p.bundle()
    check("a bundle that does not fit the entities that are stored is refused", got.status == 422, got)
    entries = [json.loads(e) for e in pdp.get("/v1/log/entries").json["entries"]]
    check("telling is in the log, ids are not", [e["count"] for e in entries if e["ev"] == "entities.set"][0] == 4 and "record-1" not in json.dumps(entries), "")


def counted(p, where):
    return int(re.search(r'phi_evaluations_total\{where="' + where + r'"\} (\d+)', p.api().get("/metrics").body.decode()).group(1))


def at_once(p, pdp):
    """What the loop's thread answers by itself is never older than an answer that somebody has."""
    before = counted(p, "loop")
    check("plain answers do not reach the core thread", all(pdp.post(EVALUATION, BASE).json["decision"] for _ in range(50)) and counted(p, "loop") - before >= 40)
    denied = ask(ALICE, WRITE, record(2))
    pdp.put("/v1/entities", {"entities": ENTITIES[:1]})  # the next answer is core's, the one after it is not
    check("both places answer the same, byte for byte", len({pdp.post(EVALUATION, denied).body for _ in range(3)}) == 1)
    stale = 0
    for i in range(40):
        status = ("archived", "active")[i % 2]
        pdp.put("/v1/entities", {"entities": [{"uid": {"type": "record", "id": "record-9"}, "attrs": {"status": status}, "parents": []}]})
        for _ in range(2):
            stale += pdp.post(EVALUATION, ask(ALICE, WRITE, record(9))).json["decision"] is not (status == "active")
    check("a change is in force with its answer", stale == 0, stale)
    pdp.call("DELETE", "/v1/entities/record/record-9")
    late = 0
    for i in range(10):
        who = p.person(f"dora{i}", "dev")
        mine = ask({"type": "Person", "id": who.id}, action("pg:connect"), {"type": "Target", "id": '["phi"]'})
        late += who.post(EVALUATION, mine).status != 200 or who.post(EVALUATION, mine).status != 200
        p.api(who.token).call("DELETE", "/v1/sessions/current")
        late += who.post(EVALUATION, mine).status != 401
    check("a token that has ended is refused at once", late == 0, late)
    got = p.person("erin", "dev").post(EVALUATION, BASE)
    check("who is known here asks about nobody else all the same", got.status == 403, got)
    end = time.monotonic() + 20
    wanted = counted(p, "loop") + counted(p, "core")
    while time.monotonic() < end:
        entries = [json.loads(e) for e in pdp.get("/v1/log/entries?limit=1000").json["entries"]]
        have = sum(e["count"] for e in entries if e["ev"] == "evaluations.batch")
        if have == wanted:
            break
        time.sleep(0.1)
    check("every decision is counted in the log's batches", have == wanted, (have, wanted))


def versions(port, minimum=None, maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version, context.maximum_version = minimum, maximum
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as s, context.wrap_socket(s, server_hostname="localhost") as t:
            return t.version(), t.cipher()[0], t.getpeercert(True)
    except (ssl.SSLError, ConnectionError) as e:
        return None, str(e), None


def transport(p):
    v = ssl.TLSVersion
    check("TLS 1.3 is spoken", versions(p.people, v.TLSv1_3, v.TLSv1_3)[0] == "TLSv1.3")
    got = versions(p.people, v.TLSv1_2, v.TLSv1_2)
    check("TLS 1.2 is spoken, with forward secrecy and an AEAD", got[0] == "TLSv1.2" and got[1].startswith("ECDHE") and ("GCM" in got[1] or "CHACHA" in got[1]), got)
    check("TLS 1.1 is not", versions(p.people, v.TLSv1, v.TLSv1_1)[0] is None)
    with socket.create_connection(("127.0.0.1", p.people), 10) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            said = s.recv(100)
        except ConnectionResetError:
            said = b""
        check("plain HTTP gets no answer", not said.startswith(b"HTTP/"), said)
    link = p.admin.post("/v1/links", {"person": "root"}).json
    page = p.api().call("POST", f"/login/{link['secret']}", "", headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": p.url})
    cookie = page.headers["Set-Cookie"] or ""
    check("the cookie is __Host-, Secure, HttpOnly", cookie.startswith("__Host-phi_session=") and "Secure" in cookie and "HttpOnly" in cookie and "Path=/" in cookie, page)
    check("no HSTS for a name of this machine", p.api().get("/healthz").headers["Strict-Transport-Security"] is None)
    before = versions(p.people, v.TLSv1_3, v.TLSv1_3)[2]
    held = p.api(p.admin.token)
    held.get("/healthz")
    for source in (certificate(p.folder, "other")):
        os.replace(source, p.cert if source.endswith(".pem") else p.key)
    p.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while versions(p.people, v.TLSv1_3, v.TLSv1_3)[2] == before and time.monotonic() < end:
        time.sleep(0.05)
    check("SIGHUP brings the new certificate", versions(p.people, v.TLSv1_3, v.TLSv1_3)[2] != before)
    check("a connection that was there goes on", held.get("/v1/whoami").status == 200)
    now = versions(p.people, v.TLSv1_3, v.TLSv1_3)[2]
    with open(p.key, "w", encoding="ascii") as f:
        f.write("nothing\n")
    p.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while "the certificate stays as it was" not in p.said() and time.monotonic() < end:
        time.sleep(0.05)
    check("a key that does not do changes nothing, and is said", "the certificate stays as it was" in p.said()
          and versions(p.people, v.TLSv1_3, v.TLSv1_3)[2] == now)


def main():
    with Phid() as p:
        pdp = p.admin
        got = p.bundle(SCHEMA, POLICIES, REQUIREMENTS)
        check("the scenario's policies go live", got.status == 200, got)
        got = pdp.put("/v1/entities", {"entities": ENTITIES})
        check("the scenario's entities are told", got.status == 200 and got.json == {"count": 4}, got)
        basic(pdp)
        batch(pdp)
        search(pdp)
        discovery(p)
        whose_word(p, pdp)
        obligations(pdp)
        entities(p, pdp)
        at_once(p, pdp)
        transport(p)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
