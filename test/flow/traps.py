#!/usr/bin/python3
# timeout: 180
"""Code that hides in a statement that looks like reading: in views, casts, operators, policies of rows, aggregates, domains; what names and
settings are made to mean; and definitions that change between the approval and the use. None of it runs unasked."""
import json

import phiflow
from session import Psql

EVIL = "LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS $$BEGIN INSERT INTO loot VALUES ('{0}'); RETURN {1}; END$$;"
SETUP = "CREATE TABLE loot(by text); CREATE SCHEMA other; CREATE TABLE other.orders(id int); CREATE TABLE guarded(a int); INSERT INTO guarded VALUES (1);" + "".join(
    f"CREATE FUNCTION {head} {EVIL.format(head.split('(')[0], value)}" for head, value in (
        ("evil() RETURNS int", "1"), ("evilb(anyelement) RETURNS bool", "true"), ("equals(int, text) RETURNS bool", "true"),
        ("moodint(mood) RETURNS int", "1"), ("step(int, int) RETURNS int", "1"), ("lower(int) RETURNS text", "'x'"), ("colfn(guarded) RETURNS int", "1"))) + """
CREATE VIEW v AS SELECT evil() AS x; CREATE VIEW vv AS SELECT * FROM v; CREATE VIEW calm AS SELECT 1 AS x; CREATE VIEW held AS SELECT evilb(1) AS x;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; ALTER TABLE guarded FORCE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (evilb(a));
CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = text, FUNCTION = equals); CREATE CAST (mood AS int) WITH FUNCTION moodint(mood) AS IMPLICIT;
CREATE DOMAIN dom AS int CHECK (evilb(VALUE)); CREATE AGGREGATE total(int) (SFUNC = step, STYPE = int);
GRANT ALL ON ALL TABLES IN SCHEMA public TO phi_gateway; GRANT ALL ON SCHEMA other TO phi_gateway; GRANT ALL ON other.orders TO phi_gateway;"""

CALL, ADMIN, DDL, PINNED = "waiting for one dba (bob): pg:call on", "nobody may approve pg:admin", "nobody may approve pg:ddl", "phi: "
TRAPS = [(CALL, s) for s in (
    "SELECT evil()", "SELECT * FROM v", "TABLE vv", "EXPLAIN SELECT * FROM vv", "SELECT * FROM guarded", "SELECT 1 = 'x'::text", "SELECT 'a'::mood + 1", "SELECT '1'::dom",
    "SELECT total(1)", "SELECT lower(5)", "SELECT g.colfn FROM guarded g", "SELECT 1 LIMIT evil()", "SELECT U&\"\\0065vil\"()", "VALUES (evil())", "COPY (SELECT evil()) TO STDOUT",
    "PREPARE p AS SELECT evil()", "SELECT count(*) FILTER (WHERE evilb(id)) FROM orders", "SELECT nextval('orders')", "SELECT lo_create(0)", "SELECT dblink('x', 'y')")
] + [(ADMIN, s) for s in (
    "DO $$BEGIN PERFORM 1; END$$", "COPY orders TO PROGRAM 'id'", "SELECT set_config('search_path', 'other', false)", "SELECT query_to_xml('DELETE FROM orders', true, false, '')",
    "SELECT ts_stat('SELECT evil()::text::tsvector')", "SET session_replication_role = replica", "SET ROLE postgres", "RESET ROLE", "SELECT pg_read_file('/etc/passwd')",
    "EXECUTE nothing", "CREATE EXTENSION dblink", "CREATE EVENT TRIGGER x ON ddl_command_start EXECUTE FUNCTION x()", "UPDATE pg_settings SET setting = 'x'")
] + [(DDL, s) for s in ("CREATE TEMP TABLE orders(id int)", "CREATE TEMP VIEW orders AS SELECT 1", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER FUNCTION evil() STABLE")
] + [(PINNED + s.split()[1], s) for s in ("SET search_path = other", "SET client_encoding = 'SJIS'", "SET standard_conforming_strings = off", "SET backslash_quote = on")]

with phiflow.Flow() as f:
    f.direct("CREATE TYPE mood AS ENUM ('a');" + SETUP)
    f.until(lambda: CALL in f.psql_at_once("alice", "SELECT * FROM v"), 10, "the gateway does not see what is there now")

    def loot():
        return f.direct("SELECT string_agg(by, ' ') FROM loot")

    @f.test("each trap is held, refused, or needs what nobody gives; nothing of it runs")
    def _():
        for want, sql in TRAPS:
            said = f.psql_at_once("alice", sql)
            f.true(want in said, (sql, said))
        f.equal(loot(), "")
        f.equal(f.psql("alice", "SELECT E'\\' ' || U&'\\0061' || $$;$$ || (SELECT count(*) FROM orders WHERE id < 3)"), "' a;2")

    @f.test("a view that reads otherwise by now is decided anew, prepared or not")
    def _():
        p = Psql(f.house, "alice")
        p.say("PREPARE q AS SELECT 'calm ' || x FROM calm;")
        p.say("EXECUTE q;")
        p.expect("^calm 1$")
        f.direct("CREATE OR REPLACE VIEW calm AS SELECT evilb(1)::int AS x")
        f.until(lambda: CALL in f.psql_at_once("alice", "SELECT * FROM calm WHERE false"), 10, "the gateway does not see what the view is now")
        p.say("EXECUTE q;")
        p.expect(r"waiting for one dba \(bob\): pg:call on shop/public.evilb\(\)")
        p.close()
        f.equal(loot(), "")

    @f.test("what is approved while its view comes to mean something else asks again for that")
    def _():
        p = Psql(f.house, "alice")
        p.say("SELECT 'ran ' || x FROM held;")
        code = p.expect(r"phi (\S+) is waiting for one dba \(bob\): pg:call on shop/public.evilb\(\)").group(1)
        f.direct("CREATE OR REPLACE VIEW held AS SELECT evil() = 1 AS x")
        f.until(lambda: "public.evil()" in f.psql_at_once("alice", "SELECT 1 FROM held"), 10, "the gateway does not see what the view is now")
        f.phi("bob", "approve", code, "--digest", json.loads(f.phi("bob", "show", code, "--json"))["digest"])
        p.expect(r"is waiting for one dba \(bob\): pg:call on shop/public.evil\(\)")
        p.close()
        f.equal(loot(), "")
