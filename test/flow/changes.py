#!/usr/bin/python3
# timeout: 120
"""Changes of phi itself that the policy wants approved: filed, read, voted on, made in the approval's own transaction, logged with their difference."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import api_basic
from api_basic import Phid, first_start, starter

ATTACK = [""]


def check(name, value, more=""):
    api_basic.check(ATTACK[0] + name, value, more)


def attack(test):
    """Every result inside carries the test's name, so that `./dev attacks` finds it."""
    def run(*args):
        ATTACK[0] = test.__name__ + ": "
        try:
            return test(*args)
        finally:
            ATTACK[0] = ""
    return run


TWO_EYES = """
@id("groups-approved") permit (principal in Group::"phi-operators", action == phi::Action::"groups", resource) when { context.met.contains("dba") };
@id("policy-approved") permit (principal in Group::"phi-authors", action == phi::Action::"policy", resource) when { context.met.contains("dba") };
@id("people-approved") permit (principal in Group::"phi-operators", action == phi::Action::"people", resource);
"""


def guarded(texts):
    """The starter, with groups and policy behind an approval by a DBA."""
    cut = re.compile(r'@id\("(operators|authors|admins)"\).*?;\n', re.S)
    return {**texts, "policies": cut.sub("", texts["policies"]) + TWO_EYES}


def events(admin, name):
    return [json.loads(e) for e in admin.get("/v1/log/entries?from=0&limit=1000").json["entries"] if json.loads(e)["ev"] == name]


def vote(api, r, decision="approve"):
    return api.post(f"/v1/requests/{r['id']}/votes", {"decision": decision, "digest": r["digest"], "version": r["version"]})


def groups_of(reader, name):
    return {p["name"]: p["groups"] for p in reader.get("/v1/people").json["people"]}[name]


@attack
def attack_03_who_wants_to_approve_cannot_join_the_group_alone(op, bob, eve, reader):
    got = op.post("/v1/groups/dba/members", {"person": "eve"}, headers={"Phi-Why": "eve joins the DBAs"})
    check("a membership that needs approval is filed, not made", got.status == 202 and got.json["request"]["status"] == "pending", got)
    r = got.json["request"]
    check("it says what it would do", r["target"] == "phi" and r["summary"] == 'phi::groups on Group::"dba"' and r["why"] == "eve joins the DBAs", r)
    check("eve is in no group yet", "dba" not in groups_of(reader, "eve"))
    again = op.post("/v1/groups/dba/members", {"person": "eve"})
    check("asked again it is the same request", again.status == 202 and again.json["request"]["id"] == r["id"], again)
    check("its requester does not approve it", vote(op, r).status == 403)
    check("eve does not approve it", vote(eve, r).status in (403, 404))
    doc = json.loads(bob.get(f"/v1/requests/{r['id']}").json["payload"]["text"])
    check("the approver reads exactly the call", doc == {"body": {"person": "eve"}, "params": ["dba"], "route": "POST /v1/groups/{group}/members"}, doc)
    done = vote(bob, r)
    check("a DBA approves and it is made at once", done.status == 200 and done.json["status"] == "approved" and done.json["grant"]["status"] == "used", done)
    check("eve is a DBA now", "dba" in groups_of(reader, "eve"))
    added = [e for e in events(reader, "group.member-added") if e["group"]["id"] == "dba"][-1]
    check("the log names who asked", added["by"]["id"] == r["requester"]["id"], added)
    names = [json.loads(e)["ev"] for e in reader.get("/v1/log/entries?from=0&limit=1000").json["entries"]]
    order = [names.index(n, names.index("request.approved") - 2) for n in ("grant.made", "request.approved", "grant.claimed", "grant.outcome", "grant.used")]
    check("granted, approved, claimed and used before it is made", order == sorted(order) and names.index("group.member-added", order[-1]) > order[-1], names[-8:])


@attack
def attack_02_no_path_skips_the_rule(op, author, bob, reader, texts):
    got = op.post("/v1/people", {"name": "frank", "groups": ["dba"]})
    check("a new person in a guarded group needs its approval too", got.status == 202, got)
    r = got.json["request"]
    check("which names both rights", {a["action"] for a in r["actions"]} == {"phi::people", "phi::groups"}, r["actions"])
    check("denied, it is not made", vote(bob, r, "deny").json["status"] == "denied" and "frank" not in {p["name"] for p in reader.get("/v1/people").json["people"]})
    for action in ("phi::groups", "phi::policy"):
        got = op.post("/v1/requests", {"target": "phi", "scope": {"actions": [action], "resources": ["phi"]}, "why": "x", "for_ms": 60000})
        check(f"{action} is not to be had as a scope for some time", got.status in (400, 404), got)
    got = op.post("/v1/targets", {"name": "phi", "kind": "postgresql", "address": "localhost:1", "database": "x"})
    check("no target is called phi", got.status in (400, 403), got)
    got = author.call("PUT", "/v1/bundle", {**texts, "policies": texts["policies"] + '@id("wide") permit (principal, action in [phi::Action::"author", phi::Action::"operator"], resource);\n'})
    check("a policy that would lift the rule waits for an approval as well", got.status == 202, got)
    check("and nothing has changed", reader.get("/v1/bundle").json["policies"] == texts["policies"])
    return got.json["request"]


def policy_change(author, bob, reader, texts):
    before = reader.get("/v1/bundle").json["version"]
    new = {**texts, "policies": texts["policies"].replace("Developers may read", "Developers read") + '@id("extra") forbid (principal in Group::"nobody", action == Action::"pg:ddl", resource);\n'}
    r = author.call("PUT", "/v1/bundle", new).json["request"]
    done = vote(bob, r)
    live = reader.get("/v1/bundle").json
    check("an approved policy is live at once", done.status == 200 and live["version"] == before + 1 and live["policies"] == new["policies"], done)
    e = events(reader, "bundle.live")[-1]
    check("logged with its difference", e.get("changes", {}).get("policies") == {"added": ["extra"], "changed": ["dev-read"], "removed": []}, e)
    return new


@attack
def attack_54_an_older_policy_put_back_is_a_newer_version(author, bob, reader, old, stale):
    before = reader.get("/v1/bundle").json
    r = author.call("PUT", "/v1/bundle", old).json["request"]
    check("an older text is a change like any other", r["status"] == "pending")
    got = vote(bob, r)
    after = reader.get("/v1/bundle").json
    check("its version rises", got.status == 200 and after["version"] == before["version"] + 1 and after["hash"] != before["hash"], got)
    got = vote(bob, stale)
    check("what was proposed for another policy still is what was read: those bytes, a version of their own", got.status in (200, 403, 409), got)


def by_command_line(p, folder, admin, bob, texts):
    """The CLI says that it waits, and how that went by its exit code."""
    env = {**os.environ, "PHI_URL": p.url, "PHI_CONFIG_DIR": os.path.join(folder, "cli")}
    phi = os.path.join(os.path.dirname(api_basic.PHID), "phi")
    link = admin.post("/v1/links", {"person": "op"}).json
    subprocess.run([phi, "login", link["link"]], env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    got = subprocess.run([phi, "group", "add", "dba", "reader"], env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    check("phi group add says that it waits, and with what", got.returncode == 5 and "waits for an approval" in got.stdout, got)
    code = got.stdout.split()[0]
    shown = subprocess.run([phi, "show", code], env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    check("phi show writes the change out", shown.returncode in (0, 5) and "POST /v1/groups/{group}/members" in shown.stdout and "reader" in shown.stdout, shown)
    r = bob.get(f"/v1/requests/{code}").json
    check("denied, it is not made", vote(bob, r, "deny").json["status"] == "denied")


def broken_change(op, author):
    r = author.call("PUT", "/v1/bundle", {"schema": "x", "policies": "x", "requirements": "x"})
    check("a policy that does not load is refused before anybody is asked", r.code == "bundle.invalid", r)
    r = op.post("/v1/groups/dba/members", {"person": "gone"}).json
    check("so is a member that is nobody", r.get("code") == "person.unknown", r)


def blocks(section, kind):
    """What docs/rights.md shows there."""
    with open(os.path.join(api_basic.TOP, "docs/rights.md"), encoding="utf-8") as f:
        text = f.read().split("## " + section, 1)[1]
    return text.split("```" + kind + "\n", 1)[1].split("```", 1)[0]


def second_person():
    """docs/rights.md, "A second person", as it stands there, on the starter: nobody becomes anybody alone."""
    folder = tempfile.mkdtemp(prefix="phi-second-")
    p = Phid(folder)
    try:
        secret = first_start(p)
        p.start()
        admin = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
        people = {}
        for name, groups in (("op", ["phi-operators"]), ("opa", ["phi-operators"]), ("bob", ["dba"]), ("author", ["phi-authors"])):
            admin.post("/v1/people", {"name": name, "groups": groups})
            people[name] = p.api(p.api().post("/v1/sessions", {"link": admin.post("/v1/links", {"person": name}).json["secret"]}).json["token"])
        op, opa, bob = people["op"], people["opa"], people["bob"]
        check("doctor: one alone can, and it says so to who may list people", set(op.get("/v1/doctor").json["alone"]) == {"people", "groups", "policy"}
              and "alone" not in bob.get("/v1/doctor").json)
        texts = starter()
        texts["policies"] += blocks("A second person", "cedar")
        texts["requirements"] += blocks("A second person", "yaml")
        got = admin.call("PUT", "/v1/bundle", texts)
        check("the policy of the guide goes live", got.status == 200, got)
        check("doctor: nobody alone can any more", op.get("/v1/doctor").json["alone"] == [], op.get("/v1/doctor").json.get("alone"))
        for who in ("op", "admin"):
            api = admin if who == "admin" else op
            for what, got in (("a sign-in link", api.post("/v1/links", {"person": "bob"})), ("a recovery", api.post("/v1/recoveries", {"person": "bob"}))):
                check(f"{who} alone: {what} is refused, with the reason", got.status == 403 and got.code == "right.needs-approval", got)
        lifted = {**texts, "policies": starter()["policies"]}
        waits = {
            "a member of a group": op.post("/v1/groups/dba/members", {"person": "op"}), "a person": op.post("/v1/people", {"name": "puppet", "groups": []}),
            "an account of somebody": op.post("/v1/accounts", {"name": "bob2", "person": "bob"}),
            "a provider": op.call("PUT", "/v1/providers/mine", {"kind": "oidc", "config": {"issuer": "https://evil.example", "client_id": "phi"}}),
            "whose Slack user is whose": op.call("PUT", "/v1/people/bob/contacts/slack", {"address": "UEVIL"}),
            "a service": op.post("/v1/services", {"name": "puppet2", "groups": ["dba"]}), "the rule's own end": people["author"].call("PUT", "/v1/bundle", lifted),
        }
        for what, got in waits.items():
            check(f"alone: {what} waits for another operator", got.status == 202 and got.json["request"]["status"] == "pending", got)
        r = waits["a member of a group"].json["request"]
        for name, who in (("who asked", op), ("a DBA", bob), ("an author", people["author"])):
            check(f"{name} does not approve it", vote(who, r).status in (403, 404))
        check("another operator does, and it is so", vote(opa, r).status == 200 and "dba" in groups_of(op, "op"))
        check("denied by one, nothing is made", vote(opa, waits["a provider"].json["request"], "deny").status == 200 and admin.get("/v1/providers").json["providers"] == [])
        r = waits["the rule's own end"].json["request"]
        check("the rule ends only with another operator", vote(people["author"], r).status in (403, 404) and vote(opa, r).status == 200
              and admin.get("/v1/bundle").json["policies"] == lifted["policies"])
        env = {**os.environ, "PHI_URL": p.url, "PHI_CONFIG_DIR": os.path.join(folder, "cli"), "PHI_TOKEN": op.token}
        phi = os.path.join(os.path.dirname(api_basic.PHID), "phi")
        got = subprocess.run([phi, "doctor"], env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        check("phi doctor warns, and names the page", "warn second person" in got.stdout and "docs/rights.md" in got.stdout, got)
    finally:
        p.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    folder = tempfile.mkdtemp(prefix="phi-changes-")
    p = Phid(folder)
    try:
        secret = first_start(p)
        check("phid starts", p.start())
        admin = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
        people = {}
        for name, groups in (("op", ["phi-operators"]), ("author", ["phi-authors"]), ("bob", ["dba"]), ("carol", ["dba"]), ("eve", ["dev"]), ("reader", ["phi-auditors"])):
            admin.post("/v1/people", {"name": name, "groups": groups})
            people[name] = p.api(p.api().post("/v1/sessions", {"link": admin.post("/v1/links", {"person": name}).json["secret"]}).json["token"])
        texts = guarded(starter())
        got = admin.call("PUT", "/v1/bundle", texts)
        check("a policy under which its own change needs an approval goes live", got.status == 200, got)
        check("whoami says which rights need one", people["author"].get("/v1/whoami").json["rights_with_approval"] == ["policy"])
        attack_03_who_wants_to_approve_cannot_join_the_group_alone(people["op"], people["bob"], people["eve"], people["reader"])
        broken_change(people["op"], people["author"])
        by_command_line(p, folder, people["op"], people["bob"], texts)
        stale = attack_02_no_path_skips_the_rule(people["op"], people["author"], people["bob"], people["reader"], texts)
        policy_change(people["author"], people["bob"], people["reader"], texts)
        attack_54_an_older_policy_put_back_is_a_newer_version(people["author"], people["bob"], people["reader"], texts, stale)
    finally:
        p.stop()
        shutil.rmtree(folder, ignore_errors=True)
    second_person()
    sys.exit(1 if api_basic.FAILED else 0)


if __name__ == "__main__":
    main()
