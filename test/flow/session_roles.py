#!/usr/bin/python3
# timeout: 240
"""A role of its own for each session: made with least rights, dropped at the end, what it owned taken over; what a killed gateway
left is dropped at its next start; and what the gateway knows of the target's catalogue follows what others change."""
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import phiflow  # noqa: E402
import attackkit as kit  # noqa: E402
from session import Psql  # noqa: E402

NAME = r"phi_[0-9a-f]{8}_[0-9a-f]{16}"
ROLES = "SELECT coalesce(string_agg(rolname, ' '), '') FROM pg_roles WHERE rolname ~ '^phi_[0-9a-f]{8}_'"

with phiflow.Flow() as f:
    def restart(sig=signal.SIGTERM):
        f.house.gateway.stop(sig)
        f.house.gateway.start()

    def gone(seconds=20):
        f.until(lambda: f.direct(ROLES) == "", seconds, "roles of sessions are left")

    @f.test("a table that is made behind phi is known within seconds, at its first use")
    def _():
        f.direct("CREATE TABLE fresh (id int); INSERT INTO fresh VALUES (41); GRANT SELECT ON fresh TO phi_gateway")
        f.equal(f.psql("alice", "SELECT id + 1 FROM fresh"), "42")  # else an unknown relation, which is administration
        p = Psql(f.house, "alice")
        p.say("SELECT id FROM fresh;")
        p.expect("^41$", 10)
        f.direct("DROP TABLE fresh; CREATE VIEW fresh AS SELECT id FROM orders WHERE id = 7; GRANT SELECT ON fresh TO phi_gateway")
        f.until(lambda: f.psql("alice", "SELECT id FROM fresh") == "7", 20)
        f.direct("CREATE FUNCTION loud() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP VIEW fresh; CREATE VIEW fresh AS SELECT loud() AS id; GRANT SELECT ON fresh TO phi_gateway")
        f.until(lambda: "is waiting for" in f.psql_at_once("alice", "SELECT id FROM fresh"), 20, "the view's function is not seen")
        p.close()

    f.direct("CREATE ROLE shop_rw NOLOGIN; GRANT CONNECT ON DATABASE shop TO shop_rw; GRANT USAGE, CREATE ON SCHEMA public TO shop_rw;"
             "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_rw; GRANT shop_rw TO phi_gateway WITH ADMIN OPTION")
    with open(f.house.gateway_conf, encoding="utf-8") as file:
        conf = file.read()
    with open(f.house.gateway_conf, "w", encoding="utf-8") as file:
        file.write(conf.rstrip("\n") + "\n    role: session\n    member_of: shop_rw\n")
    restart()

    @f.test("where the gateway may not make roles, nobody gets in, and hears why")
    def _():
        f.contains(f.psql("alice", "SELECT 1", check=False).stderr, "no role can be made for this session: permission denied")

    f.direct("ALTER ROLE phi_gateway CREATEROLE")

    @f.test("each session has a role with no right but those that are named, gone at its end")
    def _():
        p, q = Psql(f.house, "alice"), Psql(f.house, "alice")
        names = []
        for one in (p, q):
            one.say("SELECT 'I am ' || current_user;")
            names.append(one.expect(f"^I am ({NAME})$", 20).group(1))
        f.true(names[0] != names[1])
        f.equal(f.direct("SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil > now(), rolvaliduntil < now() + interval '1 day',"
                         f" (SELECT string_agg(roleid::regrole::text, ' ') FROM pg_auth_members WHERE member = r.oid) FROM pg_roles r WHERE rolname = '{names[0]}'"),
                "f|f|f|f|f|1|t|t|shop_rw")
        p.close()
        f.until(lambda: f.direct(ROLES) == names[1], 20, "the first one's role is left")
        q.close()
        gone()

    @f.test("what a session made is the gateway's afterwards")
    def _():
        kit.new_person(f, "carol", "dba")
        r = kit.person(f, "alice").post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:admin"], "resources": ["shop"]}, "for_ms": 600000, "why": "make"}).json
        for who in ("bob", "carol"):
            f.equal(kit.vote(kit.person(f, who), r).status, 200)
        f.psql("alice", "CREATE TABLE public.mine AS SELECT 1 AS x")
        gone()
        f.equal(f.direct("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'"), "phi_gateway")

    @f.test("what a killed gateway left is dropped when it starts again")
    def _():
        p = Psql(f.house, "alice")
        p.say("SELECT 'I am ' || current_user;")
        name = p.expect(f"^I am ({NAME})$", 20).group(1)
        f.direct(f"CREATE ROLE phi_00000000_0123456789abcdef LOGIN VALID UNTIL '2020-01-01' ADMIN phi_gateway; CREATE ROLE phi_00000000_0123456789abcdea VALID UNTIL '2020-01-01'; CREATE ROLE phi_00000000_0123456789abcdee LOGIN VALID UNTIL '2100-01-01' ADMIN phi_gateway")
        f.house.gateway.stop(signal.SIGKILL)
        f.true(name in f.direct(ROLES))
        f.house.gateway.start()
        f.until(lambda: not re.search(f"{name}|cdef", f.direct(ROLES)), 20, "old roles are left")
        f.contains(f.direct(ROLES), "phi_00000000_0123456789abcdee")  # another gateway's that may live stays, and one that it may not drop holds up nothing
        p.close()
        f.true(re.fullmatch(NAME, f.psql("alice", "SELECT current_user")))
        f.direct("DROP ROLE phi_00000000_0123456789abcdee; DROP ROLE IF EXISTS phi_00000000_0123456789abcdea")
        gone()

    @f.test("stopping the gateway leaves none")
    def _():
        p = Psql(f.house, "alice")
        p.say("SELECT 'I am ' || current_user;")
        p.expect(f"^I am ({NAME})$", 20)
        f.house.gateway.stop()
        f.equal(f.direct(ROLES), "")
        f.house.gateway.start()
        p.close()
