"""`phi policy` without a server: every command on the starter bundle and on what is wrong with it."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PHI, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
STARTER = ROOT / "src/policy/starter"
ORDERS = 'Table::"[\\"shop\\",\\"public\\",\\"orders\\"]"'
ENTITIES = [
    {"uid": {"type": "Person", "id": "alice"}, "attrs": {}, "parents": [{"type": "Group", "id": "dev"}]},
    {"uid": {"type": "Person", "id": "bob"}, "attrs": {}, "parents": [{"type": "Group", "id": "dba"}]},
    {"uid": {"type": "Person", "id": "mallory"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Schema", "id": '["shop","public"]'}, "attrs": {}, "parents": [{"type": "Target", "id": '["shop"]'}]},
    {"uid": {"type": "Table", "id": '["shop","public","orders"]'}, "attrs": {},
     "parents": [{"type": "Schema", "id": '["shop","public"]'}]},
]


def phi(*args, rc=0):
    run = subprocess.run([PHI, "policy", *map(str, args)], capture_output=True, text=True, timeout=300)
    assert run.returncode == rc, f"phi policy {args}: {run.returncode}, wanted {rc}\n{run.stdout}{run.stderr}"
    return run.stdout, run.stderr


def has(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in:\n{text}"


def bundle(where, extra="", tests=None):
    shutil.copytree(STARTER, where)
    (where / "policies.cedar").write_text((STARTER / "policies.cedar").read_text() + extra)
    if tests:
        shutil.copytree(tests, where / "tests")
    return where


def guide(tmp):
    """The test that docs/policy.md shows is one of the bundle that `phi policy init` writes."""
    where = bundle(tmp / "guide")
    (where / "tests").mkdir()
    text = (ROOT / "docs/policy.md").read_text()
    (where / "tests/shown.yaml").write_text(re.search(r"## Tests\n```yaml\n(.*?)```", text, re.S)[1])
    has(phi("test", where)[0], "3 passed")
    has(phi("explain", where, "alice", 'Action::"pg:delete"', ORDERS, rc=1)[1], "alice: expected an entity such as")


def checks(tmp, entities):
    good = bundle(tmp / "good")
    starter = (STARTER / "policies.cedar").read_text()
    behind = starter.count("\n") + 2 # the line of a condition that follows
    has(phi("check", good)[0], f"{starter.count('@id(')} policies, 2 requirements: valid, 0 warnings")
    has(phi("check", good, "--entities", entities)[1], 'requirement "two-dbas" cannot be met: it needs 2 of Group::"dba", and 1 is there')
    bad = bundle(tmp / "bad", 'permit (principal, action in Action::"pg:write", resource)\nwhen { context.risk < 5 };\n')
    err = phi("check", bad, rc=1)[1]
    has(err, f"policies.cedar:{behind}:16:", "`risk` may be absent; write `context has risk && …`", f"{behind:>6} | when {{ context.risk < 5 }};\n       |                ^\n")
    found = json.loads(phi("check", bad, "--json", rc=1)[0])
    assert [f["kind"] for f in found] == ["error"] and found[0]["line"] == behind, found
    odd = bundle(tmp / "odd", '@id("all") permit (principal in Group::"dev", action in Action::"pg:write", resource);\n'
                 '@id("odd") forbid (principal, action == Action::"pg:delete", resource) when { context has risk && context.risk * 2 > 100 };\n'
                 '@id("never") permit (principal is Group, action, resource);\n')
    err = phi("check", odd)[1]
    has(err, 'policy "write-orders": nobody is ever asked: policy "all" permits the same', "arithmetic can overflow", 'policy "never": this policy never applies')
    far = bundle(tmp / "far", 'permit (principal is Account, action == Action::"far", resource) when { principal has person && principal.person has name };\n')
    with (far / "schema.cedarschema").open("a") as schema:
        schema.write('action far appliesTo { principal: [Account], resource: [Target] };\n')
    has(phi("check", far)[0], "valid")
    has(phi("check", far, "--level", "2")[0], "valid")
    has(phi("check", far, "--level", "1", rc=1)[1], "policies.cedar:", "goes over more than 1 step from entity to entity")
    phi("check", far, "--level", "many", rc=2)
    (tmp / "undefined").mkdir()
    undefined = bundle(tmp / "undefined/b", 'permit (principal, action in Action::"pg:write", resource) when { context.met.contains("ceo") };\n')
    has(phi("check", undefined, rc=1)[1], 'requirement "ceo" is not defined; add it to requirements.yaml')


OBLIGED = """
@id("support") @why("Support reads masked") permit (principal in Group::"dev", action == Action::"pg:copy", resource)
when { context.can.contains("masked") };
@id("bulk") permit (principal in Group::"dev", action == Action::"pg:copy", resource)
when { context.met.contains("dba") && context.can.contains("first-hundred") };
"""
OBLIGATIONS = """
obligations:
  masked: {kind: mask, why: No addresses}
  first-hundred: {kind: cap-rows, rows: 100}
"""
OBLIGED_TESTS = """
entities:
  - Person::"alice" in Group::"dev"
tests:
  - {name: nothing, who: 'Person::"alice"', does: 'Action::"pg:copy"', on: 'Table::"t"', answer: deny}
  - {name: masks, who: 'Person::"alice"', does: 'Action::"pg:copy"', on: 'Table::"t"', can: [mask, cap-rows], answer: allow with masked, because: [support]}
  - {name: caps, who: 'Person::"alice"', does: 'Action::"pg:copy"', on: 'Table::"t"', can: [cap-rows], answer: needs dba}
  - {name: met, who: 'Person::"alice"', does: 'Action::"pg:copy"', on: 'Table::"t"', can: [cap-rows], met: [dba], answer: allow with first-hundred}
"""


def obligations(tmp, entities):
    good = bundle(tmp / "obliged", OBLIGED)
    (good / "requirements.yaml").write_text((STARTER / "requirements.yaml").read_text() + OBLIGATIONS)
    (good / "tests").mkdir()
    (good / "tests/can.yaml").write_text(OBLIGED_TESTS)
    has(phi("test", good)[0], "4 passed, 0 failed")
    out, err = phi("check", good)
    has(out, "2 requirements, 2 obligations: valid")
    has(err, 'policy "support": phi\'s PostgreSQL gateway meets no obligations, so there (pg:copy)')
    asked = (good, 'Person::"alice"', 'Action::"pg:copy"', ORDERS, "--entities", entities)
    has(phi("explain", *asked, rc=5)[0], "needs dba") # write-orders asks a DBA
    has(phi("explain", *asked, "--can", "mask")[0], "allow with masked", "it rests on masked", "obligation: masked (mask): No addresses")
    got = json.loads(phi("explain", *asked, "--can", "cap-rows", "--can", "mask", "--json")[0])
    assert got["answer"] == "allow" and got["obligations"] == [{"name": "masked", "kind": "mask", "why": "No addresses"}], got
    has(phi("reach", good, "--action", 'Action::"pg:copy"', "--resource", ORDERS, "--entities", entities, "--can", "mask")[0], 'Person::"alice"  allow with masked')
    (good / "tests/can.yaml").write_text(OBLIGED_TESTS.replace("[cap-rows], answer", "[caprows], answer"))
    has(phi("test", good, rc=1)[1], "can must be a list of kinds that obligations")
    plain = tmp / "copy.cedar"
    plain.write_text(OBLIGED)
    request = tmp / "copy.json"
    for can, owed in ((["masked", "first-hundred"], ["masked"]), (["first-hundred"], None)):
        request.write_text(json.dumps({"principal": 'Person::"alice"', "action": 'Action::"pg:copy"', "resource": ORDERS, "context": {"can": can, "met": []}}))
        got = json.loads(phi("authorize", request, "--policies", plain, "--entities", entities, rc=0 if owed else 3)[0])
        assert got.get("obligations") == owed, got
    undefined = bundle(tmp / "unmet", 'permit (principal, action in Action::"pg:write", resource) when { context.can.contains("fly") };\n')
    has(phi("check", undefined, rc=1)[1], 'obligation "fly" is not defined; add it to requirements.yaml under `obligations:`')
    optional = bundle(tmp / "optional")
    schema = optional / "schema.cedarschema"
    schema.write_text(schema.read_text().replace("  can: Set<String>,", "  can?: Set<String>,"))
    has(phi("check", optional, rc=1)[1], "phi always gives it")
    schema.write_text((STARTER / "schema.cedarschema").read_text().replace("  can: Set<String>,", "")) # as before there were obligations
    has(phi("check", optional)[0], "valid")


def sizes(tmp):
    """What is large gets an answer, what is too deep an error with its limit; neither a crash."""
    request, file = tmp / "large.json", tmp / "large.cedar"
    request.write_text(json.dumps({"principal": 'U::"u7"', "action": 'A::"a"', "resource": 'R::"r"', "context": {"n": 7}}))
    file.write_text("permit(principal,action,resource) when { [" + ",".join(map(str, range(1000000))) + "].contains(context.n) };")
    has(phi("authorize", request, "--policies", file)[0], '"decision":"allow","reason":["policy0"]')
    file.write_text("".join(f'permit(principal == U::"u{i}", action, resource) when {{ context.n == {i} }};\n' for i in range(130000)))
    assert file.stat().st_size > 10000000
    has(phi("authorize", request, "--policies", file)[0], '"decision":"allow","reason":["policy7"]')
    file.write_text("permit(principal,action,resource) when { " + "(" * 200000 + "true" + ")" * 200000 + " };")
    has(phi("authorize", request, "--policies", file, rc=1)[1], "nested more than 200 levels deep")
    file.write_text("permit(principal,action,resource) when { " + "[" * 200000 + " };")
    has(phi("authorize", request, "--policies", file, rc=1)[1], "nested more than 200 levels deep")


def golden(tmp):
    for name, passed in (("rules", 18),):
        folder = tmp / "golden" / name
        shutil.copytree(ROOT / "test/golden/policy" / name, folder)
        shutil.copy(STARTER / "schema.cedarschema", folder / "schema.cedarschema")
        has(phi("check", folder)[0], "valid, 0 warnings")
        has(phi("test", folder)[0], f"{passed} passed, 0 failed")
        phi("fmt", "--check", folder / "policies.cedar")


def tests(tmp):
    good = bundle(tmp / "tested", tests=ROOT / "test/golden/policy/starter")
    has(phi("test", good)[0], "8 passed, 0 failed")
    wrong = (ROOT / "test/golden/policy/starter/orders.yaml").read_text().replace("answer: needs dba\n", "answer: allow\n")
    (good / "tests/orders.yaml").write_text(wrong)
    has(phi("test", good, rc=1)[0], "writing needs a DBA: answers needs dba, wanted allow", "7 passed, 1 failed")
    (good / "tests/orders.yaml").write_text("entities:\n  - Robot::\"r\"\ntests: []\n")
    has(phi("test", good, rc=1)[1], "tests/orders.yaml:2:", "Robot")


def asks(tmp, entities):
    good = bundle(tmp / "asked")
    out = phi("explain", good, 'Person::"alice"', 'Action::"pg:delete"', ORDERS, "--entities", entities, rc=5)[0]
    has(out, "needs dba\n", "decided: write-orders: Writes to production need a DBA",
        'permit "write-orders" (policies.cedar:12): asks for what is not met at 13:8: context.met.contains("dba")',
        'permit "dba-write" (policies.cedar:27): is for another principal')
    x = json.loads(phi("explain", good, 'Person::"alice"', 'Action::"pg:delete"', ORDERS, "--entities", entities, "--met", "dba", "--json")[0])
    assert x["answer"] == "allow" and x["policies"][0]["outcome"] == "holds", x
    phi("explain", good, 'Person::"mallory"', 'Action::"pg:delete"', ORDERS, "--entities", entities, rc=3)
    out = phi("reach", good, "--action", 'Action::"pg:delete"', "--resource", ORDERS, "--entities", entities)[0]
    has(out, 'Person::"alice"  needs dba  by write-orders', "0 without approval, 2 with approval")
    assert "mallory" not in out, out
    changed = bundle(tmp / "changed", 'permit (principal in Group::"dev", action == Action::"pg:delete", resource);\n')
    requests = tmp / "requests.jsonl"
    one = {"principal": 'Person::"alice"', "action": 'Action::"pg:delete"', "resource": ORDERS, "context": {"risk": 3}}
    requests.write_text(json.dumps(one) + "\n" + json.dumps({**one, "action": 'Action::"pg:select"'}) + "\n")
    out = phi("diff", good, changed, "--requests", requests, "--entities", entities)[0]
    has(out, "needs dba -> allow", "1 of 2 requests would be answered otherwise")


def cedar(tmp):
    (tmp / "p.cedar").write_text('permit (principal == P::"a", action, resource);\nforbid (principal, action, resource) when { context.n + 1 > 2 };\n')
    (tmp / "s.cedarschema").write_text("entity P; action a appliesTo { principal: P, resource: P, context: { n: Long } };")
    (tmp / "s.json").write_text(json.dumps({"": {"entityTypes": {"P": {}}, "actions": {"a": {"appliesTo": {
        "principalTypes": ["P"], "resourceTypes": ["P"], "context": {"type": "Record", "attributes": {"n": {"type": "Long"}}}}}}}}))
    (tmp / "p.json").write_text(json.dumps({"staticPolicies": {}, "templates": {"t": {
        "effect": "permit", "principal": {"op": "==", "slot": "?principal"}, "action": {"op": "All"}, "resource": {"op": "All"},
        "conditions": []}}, "templateLinks": [{"templateId": "t", "newId": "l", "values": {"?principal": {"type": "P", "id": "a"}}}]}))
    def request(who, n):
        (tmp / "r.json").write_text(json.dumps({"principal": {"type": "P", "id": who}, "action": 'Action::"a"', "resource": 'P::"x"', "context": {"n": n}}))
        return tmp / "r.json"
    for schema in "s.cedarschema", "s.json":
        out = json.loads(phi("authorize", request("a", 1), "--policies", tmp / "p.cedar", "--schema", tmp / schema)[0])
        assert out == {"decision": "allow", "reason": ["policy0"], "errors": [], "phi": "allow"}, out
    out = json.loads(phi("authorize", request("a", 2**63 - 1), "--policies", tmp / "p.cedar", "--schema", tmp / "s.json")[0])
    assert out == {"decision": "allow", "reason": ["policy0"], "errors": ["policy1"], "phi": "deny"}, out
    out = json.loads(phi("authorize", request("a", 5), "--policies", tmp / "p.cedar", rc=3)[0])
    assert out["reason"] == ["policy1"], out
    out = json.loads(phi("authorize", request("a", 1), "--policies", tmp / "p.json")[0])
    assert out["reason"] == ["l"], out
    has(phi("authorize", request("a", "x"), "--policies", tmp / "p.cedar", "--schema", tmp / "s.json", rc=1)[1], "context: `n` must be Long, not a String")


def conformance(tmp):
    d = tmp / "corpus"
    d.mkdir()
    (d / "a.cedar").write_text('permit (principal, action, resource);')
    (d / "a.cedarschema").write_text("entity P; action a appliesTo { principal: P, resource: P };")
    (d / "a.entities.json").write_text("[]")
    uid = {"type": "P", "id": "a"}
    test = {"policies": "a.cedar", "entities": "a.entities.json", "schema": "a.cedarschema", "shouldValidate": True, "requests": [
        {"description": "r", "principal": uid, "action": {"type": "Action", "id": "a"}, "resource": uid, "context": {}, "validateRequest": True,
         "decision": "allow", "reason": ["policy0"], "errors": []}]}
    (d / "a.json").write_text(json.dumps(test))
    has(phi("conformance", d)[0], "1 tests, 1 decisions: 0 differ, 0 not run")
    test["requests"][0]["decision"] = "deny"
    test["shouldValidate"] = False
    (d / "a.json").write_text(json.dumps(test))
    has(phi("conformance", d, rc=1)[0], "a.json: should not validate", "a.json: another answer: r", "2 differ")


def formats(tmp):
    f = tmp / "f.cedar"
    f.write_text("// c\npermit(principal,action,resource)when{1<2};")
    phi("fmt", f, "--check", rc=1)
    phi("fmt", f)
    assert f.read_text() == "// c\npermit (principal, action, resource)\nwhen { 1 < 2 };\n", f.read_text()
    phi("fmt", f, "--check")
    phi("fmt", STARTER / "policies.cedar", "--check")
    f.write_text("permit(")
    has(phi("fmt", f, rc=1)[1], "f.cedar:1:8:")


with tempfile.TemporaryDirectory() as name:
    tmp = pathlib.Path(name)
    entities = tmp / "entities.json"
    entities.write_text(json.dumps(ENTITIES))
    checks(tmp, entities)
    guide(tmp)
    tests(tmp)
    golden(tmp)
    asks(tmp, entities)
    obligations(tmp, entities)
    cedar(tmp)
    sizes(tmp)
    conformance(tmp)
    formats(tmp)
    print("phi policy: all commands answer as they should")
