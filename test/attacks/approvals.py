#!/usr/bin/python3
# timeout: 240
"""Attacks on who may approve: the same person twice, another surface, another group, another time, a thousand votes at once."""
from concurrent.futures import ThreadPoolExecutor

import phiflow
import attackkit as kit


with phiflow.Flow() as f:
    alice, bob, admin = kit.person(f, "alice"), kit.person(f, "bob"), kit.admin(f)

    def request(why):
        got = kit.ask_scope(alice, why)
        f.equal(got.status, 201)
        return got.json

    def pending(r):
        return bob.get(f"/v1/requests/{r['id']}").json["status"] == "pending"

    @f.test("attack_01_a_second_account_of_the_requester_adds_nothing")
    def _():
        second = kit.new_person(f, "alice-admin", "dba")
        f.equal(kit.vote(second, request("by a colleague, as far as phid knows")).json["status"], "approved")
        f.equal(admin.post("/v1/accounts", {"name": "alice-admin", "person": "alice"}).status, 204)
        r = request("by the same person")
        got = kit.vote(second, r)
        f.true(got.status in (403, 404), got)
        f.true(pending(r))
        f.true(kit.vote(second, r, "deny").status in (403, 404))
        kit.vote(bob, r, "deny")

    # One suite, three surfaces: how each says "approve" and what became of it.
    def over_cli(name, r):
        done = f.phi(name, "approve", r["code"], "--digest", r["digest"], check=False)
        return done.returncode == 0, done.stdout + done.stderr

    def over_api(name, r):
        got = kit.vote(admin if name == "admin" else kit.person(f, name), r)
        return got.status == 200, got.code

    def over_console(name, r):
        bare, headers = kit.by_cookie(f, name)
        got = bare.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": r["version"]},
                        headers=headers)
        return got.status == 200, got.code

    def separation_over(surface, vote):
        for name in ("alice", "mallory", "admin"):
            r = request(f"{name} over {surface}")
            done, said = vote(name, r)
            f.true(not done, f"{name} approved over {surface}")
            f.true(said, "no word why")
            f.true(pending(r), f"{name}'s vote over {surface} counted")
            done, said = vote("bob", r)
            f.true(done, f"bob cannot approve over {surface}: {said}")

    f.house.sign_in("admin", admin.post("/v1/links", {"person": "admin"}).json["link"])
    for at, function in (("the_command_line", over_cli), ("the_api", over_api), ("the_consoles_session", over_console)):
        f.test(f"attack_02_separation_of_duty_over_{at}")(lambda at=at, function=function: separation_over(at, function))

    @f.test("attack_02_no_route_makes_a_grant_without_votes")
    def _():
        r = request("around the vote")
        for path in (f"/v1/requests/{r['id']}/approve", f"/v1/grants/{r['id']}/claims", "/v1/grants"):
            f.true(admin.post(path, {}).status >= 400, path)
        f.equal(admin.post(f"/v1/requests/{r['id']}/cancel").status, 403)
        f.true(pending(r))
        kit.vote(bob, r, "deny")

    @f.test("attack_03_who_joins_the_approvers_after_the_request_cannot_vote_on_it")
    def _():
        earlier = request("before eve is a DBA")
        eve = kit.new_person(f, "eve", "dev")
        f.equal(admin.post("/v1/groups/dba/members", {"person": "eve"}).status, 204)
        f.true(kit.vote(eve, earlier).status in (403, 404))
        f.true(pending(earlier))
        kit.vote(bob, earlier, "deny")
        later = request("after")
        f.equal(kit.vote(eve, later).json["status"], "approved")
        last = request("and no longer")
        f.equal(admin.call("DELETE", "/v1/groups/dba/members/eve").status, 204)
        f.true(kit.vote(eve, last).status in (403, 404))
        kit.vote(bob, last, "deny")

    @f.test("attack_04_a_vote_on_another_digest_or_version_counts_nothing")
    def _():
        r, other = request("shown"), kit.ask_scope(alice, "other", for_ms=200000).json
        for false in ({"digest": other["digest"]}, {"digest": "0" * 64}, {"version": r["version"] + 1}, {"version": 0}):
            f.true(kit.vote(bob, {**r, **false}).status in (400, 409), false)
        f.true(f.phi("bob", "approve", r["code"], "--digest", other["digest"], check=False).returncode != 0)
        f.true(pending(r) and pending(other))
        kit.vote(bob, r, "deny")
        kit.vote(bob, other, "deny")

    @f.test("attack_37_a_thousand_votes_of_one_person_at_once_count_one")
    def _():
        kit.new_person(f, "carol", "dba")  # two DBAs are there, so that two can be asked for
        r = alice.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:ddl"], "resources": ["shop/public.orders"]},
                                        "for_ms": 60000, "why": "two are needed"}).json
        f.equal(r["needs"][0][0]["count"], 2)
        with ThreadPoolExecutor(32) as pool:
            got = list(pool.map(lambda _: kit.vote(bob, r).status, range(1000)))
        f.equal((got.count(200), got.count(409)), (1, 999))
        now = bob.get(f"/v1/requests/{r['id']}").json
        f.equal((now["status"], now["needs"][0][0]["have"], len(now["votes"])), ("pending", 1, 1))
        f.equal(kit.vote(kit.person(f, "carol"), r).json["status"], "approved")
