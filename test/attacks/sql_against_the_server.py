#!/usr/bin/python3
# timeout: 300
"""What phi understands of SQL, held against a real PostgreSQL: reproducers of the lab with the server's own catalogue, and
random texts whose command tags must be as many as the statements that phi listed."""
import ast
import os
import random
import re

import phiflow
import sqlfacts

LAB = """
DROP TABLE IF EXISTS lab CASCADE; CREATE TABLE lab (id int PRIMARY KEY, note text);
CREATE FUNCTION d() RETURNS int LANGUAGE plpgsql VOLATILE AS $$begin delete from lab; return 1; end$$;
CREATE FUNCTION s() RETURNS int LANGUAGE plpgsql STABLE AS $$begin return d(); end$$;
CREATE FUNCTION i() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$begin return d(); end$$;
CREATE FUNCTION of_lab(lab) RETURNS int LANGUAGE plpgsql AS $$begin return d(); end$$;
CREATE FUNCTION op_d(int, int) RETURNS int LANGUAGE plpgsql AS $$begin return d(); end$$;
CREATE OPERATOR @-@ (LEFTARG = int, RIGHTARG = int, FUNCTION = op_d);
CREATE FUNCTION ok_d(int) RETURNS bool LANGUAGE plpgsql AS $$begin return d() = 1; end$$;
CREATE DOMAIN checked AS int CHECK (ok_d(VALUE));
CREATE FUNCTION lower(bool) RETURNS text LANGUAGE plpgsql AS $$begin perform d(); return ''; end$$;
CREATE FUNCTION to_b(int) RETURNS money LANGUAGE plpgsql AS $$begin perform d(); return 0; end$$;
CREATE VIEW v_calls AS SELECT s() AS x;
CREATE VIEW v_deep AS SELECT * FROM v_calls;
CREATE VIEW v_conf AS SELECT set_config('a.b', 'c', false);
CREATE VIEW v_plain AS SELECT id, upper(note) AS n, count(*) OVER () FROM lab WHERE id IN (1, 2) OR note LIKE 'x%' ORDER BY 1;
CREATE VIEW v_cast AS SELECT '1'::checked AS c;
CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (s() = 1);
CREATE TABLE ruled (id int); CREATE RULE r AS ON INSERT TO ruled DO INSTEAD DELETE FROM lab;
CREATE TABLE triggered (id int); CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$begin perform d(); return new; end$$;
CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION t();
CREATE TABLE domained (c checked); CREATE TABLE plain (id int, note text);
CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE moody (m mood);
"""

# Each of these empties `lab` on the server (shown first), so none may look like a mere read.
DELETERS = ["SELECT d()", "SELECT s()", "EXPLAIN SELECT i()", "SELECT i() FROM plain WHERE false", "SELECT lab.of_lab FROM lab",
            "SELECT (lab).of_lab FROM lab", "SELECT 1 @-@ 1", "SELECT 1 OPERATOR(public.@-@) 1", "SELECT '5'::checked", "SELECT checked '5'", "SELECT CAST(5 AS checked)",
            "SELECT lower(true)", "SELECT x.lower FROM (SELECT true AS y) z, LATERAL (SELECT lower(z.y)) x", "SELECT * FROM v_calls", "SELECT * FROM v_deep",
            "SELECT * FROM v_cast", "INSERT INTO ruled VALUES (1)", "WITH x AS (SELECT d()) SELECT * FROM x",
            "SELECT (SELECT d())", "VALUES (d())", "SELECT 1 LIMIT d()", "SELECT 1 ORDER BY d()", "SELECT ARRAY[d()]", "SELECT * FROM d()", "SELECT CASE WHEN d() = 1 THEN 1 END",
            "SELECT count(*) FILTER (WHERE d() = 1) FROM plain", "SELECT (true).lower", "EXPLAIN ANALYZE SELECT d()", "EXPLAIN ANALYZE DELETE FROM lab", "DELETE FROM lab",
            "WITH x AS (DELETE FROM lab RETURNING *) SELECT 1", "TRUNCATE lab", "COPY (SELECT d()) TO STDOUT", "DO 'begin perform d(); end'",
            "PREPARE p1 AS SELECT d(); EXECUTE p1", "SELECT jsonb_populate_record(null::domained, '{\"c\": 1}')", "SELECT * FROM jsonb_to_record('{\"c\": 1}') AS x(c checked)",
            "SELECT coalesce(NULL::checked, '1')", "DECLARE c1 CURSOR WITH HOLD FOR SELECT d()", "SELECT query_to_xml('select d()', true, true, '')",
            "SELECT ts_stat('select to_tsvector(''x'') from d()')", "CREATE TABLE made AS SELECT d()", "SELECT d() INTO made2", "MERGE INTO plain USING (SELECT d() AS x) y ON true WHEN MATCHED THEN DO NOTHING"]

PIECES = ["SELECT 1", "select 'a;b'", "SELECT $$;$$", "SELECT $x$ ; $$ ; $x$", "SELECT E'\\';'", "SELECT 1 -- ;\n", "/* ; /* ; */ */ SELECT 2", "BEGIN", "COMMIT", "ROLLBACK",
          "SAVEPOINT a", "SET LOCAL datestyle = iso", "SHOW datestyle", "VALUES (1), (2)", "TABLE plain", "SELECT \";\" FROM (SELECT 1 AS \";\") x", "SELECT U&'\\003b'",
          "INSERT INTO plain VALUES (1, ';')", "UPDATE plain SET note = ';' WHERE id = 1", "DELETE FROM plain WHERE note = ';'", "SELECT 1;", ";", "", "  ", "EXPLAIN SELECT 1",
          "CREATE TEMP TABLE IF NOT EXISTS tt (a int)", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE p", "DECLARE c CURSOR FOR SELECT 1", "FETCH 1 FROM c", "CLOSE c",
          "CREATE OR REPLACE FUNCTION atomic_f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", "DO 'begin null; end'", "SELECT '\\'", "SELECT 'it''s;'", "SELECT 1\r;SELECT 2",
          "SELECT 'a'\n';b'", "SELECT B'1', x'1f', N'a'", "SELECT 1 AS a\u00a0", "SELECT 'é;'", "DISCARD PLANS", "LISTEN x", "SELECT 1 WHERE false", "SELEC 1", "-- \rSELECT 1\nDELETE FROM plain",
          "SELECT 1 -- \rDELETE FROM plain", "SELECT/**/1", "COPY plain TO STDOUT", "COPY plain FROM STDIN", "SELECT ((((1))))", "LOCK plain", "SELECT 'x", "SELECT 1 /* open", "SELECT $1"]


# What phi must find in a statement whose command tag begins so; other tags change nothing by themselves.
DDL, SETS = ("pg:ddl", "pg:admin"), ("pg:set", "pg:admin")
CHANGES = {**dict.fromkeys(("CREATE", "ALTER", "DROP", "COMMENT", "VACUUM", "ANALYZE", "REINDEX", "CLUSTER", "REFRESH", "IMPORT"), DDL),
           **dict.fromkeys(("GRANT", "REVOKE", "DO", "LOAD", "CHECKPOINT", "SECURITY", "REASSIGN", "EXECUTE", "FETCH", "MOVE"), ("pg:admin",)),
           **dict.fromkeys(("CALL", "NOTIFY"), ("pg:call",)), **dict.fromkeys(("SET", "RESET", "LISTEN"), SETS), "COPY": ("pg:copy", "pg:call", "pg:delete", "pg:admin"),
           "INSERT": ("pg:insert",), "UPDATE": ("pg:update",), "DELETE": ("pg:delete",), "TRUNCATE": ("pg:truncate",), "LOCK": ("pg:update",),
           "MERGE": ("pg:insert", "pg:update", "pg:delete", "pg:call")}
READS = set("SELECT PREPARE DEALLOCATE DECLARE CLOSE SHOW BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE EXPLAIN DISCARD UNLISTEN".split())
FAR = re.compile(r"(?i)\s*(DROP (ROLE|DATABASE|OWNED|TABLESPACE)|ALTER (SYSTEM|DATABASE|ROLE|USER)|REASSIGN|CREATE (DATABASE|ROLE|USER)|SET TRANSACTION)|.*(pg_sleep|PROGRAM|UNION ALL)")


def unit_cases():
    """The statements of the gateway's own table of cases."""
    at = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/gateway/sql_test_cases.h")
    with open(at, encoding="utf-8") as table:
        found = re.findall(r'^ +\{ ("(?:[^"\\]|\\.)*"), "', table.read(), re.M)
    return [s for s in map(ast.literal_eval, found) if not FAR.match(s)]


def make_text(dice):
    return "".join(dice.choice(PIECES) + dice.choice([";", ";", "; ", ";\n", ";;", "/**/;", ";--x\n", " ", ""]) for _ in range(dice.randint(1, 6)))


with phiflow.Flow(cluster_only=True) as f:
    server = sqlfacts.connect(f)
    for part in LAB.split(";\n"):
        tags, state = server.tags(part)
        if state and "DROP" not in part:
            raise SystemExit(f"the lab cannot be built: {state} {part}")
    facts = sqlfacts.Facts(server)

    def count():
        return int(server.rows("SELECT count(*) FROM lab")[0][0])

    def refill():
        server.query("DELETE FROM lab; INSERT INTO lab SELECT g, 'n' FROM generate_series(1, 10) g")

    @f.test("attack_17_a_read_that_deletes_on_the_server_is_no_read_to_phi")
    def _():
        worked = 0
        for sql in DELETERS:
            refill()
            server.query(sql)
            worked += count() < 10
            known = facts(sql)
            actions = {a.split()[0] for s in known["stmts"] for a in s["actions"]}
            if count() < 10 and not actions - {"pg:select", "pg:copy"}:
                raise phiflow.Failed(f"{sql}: the server deleted, phi says {actions}")
        f.true(worked >= 35, f"only {worked} of {len(DELETERS)} reproducers deleted")

    @f.test("attack_17_views_policies_rules_and_triggers_are_seen_in_the_catalogue")
    def _():
        f.equal(facts.actions("SELECT * FROM v_plain"), ["pg:select Table shop/public.v_plain"])
        f.equal(facts.actions("SELECT * FROM v_deep"), ["pg:call Function shop/public.s", "pg:select Table shop/public.v_deep"])
        f.equal(facts.actions("SELECT * FROM v_conf"), ["pg:admin Target shop", "pg:select Table shop/public.v_conf"])
        f.equal(facts.actions("SELECT * FROM guarded"), ["pg:call Function shop/public.s", "pg:select Table shop/public.guarded"])
        f.equal(facts.actions("INSERT INTO ruled VALUES (1)"), ["pg:admin Target shop", "pg:insert Table shop/public.ruled"])
        f.true(not facts("INSERT INTO triggered VALUES (1)")["harmless"])
        f.true(not facts("INSERT INTO domained VALUES (1)")["harmless"])
        f.true(facts("INSERT INTO plain VALUES (1)")["harmless"])
        f.true(facts("SELECT * FROM moody WHERE m = 'sad'")["harmless"])

    @f.test("attack_17_what_tools_and_people_read_is_harmless")
    def _():
        for sql in ("SELECT count(*), max(id), upper('A'), now() - interval '1 day' FROM plain", "SELECT * FROM orders WHERE id = 7",
                    "SELECT c.oid, n.nspname, pg_catalog.pg_table_is_visible(c.oid), pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
                    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) '16384'::pg_catalog.oid",
                    "SELECT table_name::text FROM information_schema.tables ORDER BY 1", "SELECT version(), current_schema(), current_setting('server_version_num')::int",
                    "SELECT pg_is_in_recovery()", "SELECT json_agg(t) FROM (SELECT 1 AS a) t", "SELECT string_agg(note, ',' ORDER BY id) FROM plain GROUP BY id HAVING count(*) > 1"):
            f.true(facts(sql)["harmless"], f"not harmless: {sql}: {facts.actions(sql)}")

    @f.test("attack_17_samples_of_other_tables_are_no_plain_read")
    def _():
        server.query("CREATE TABLE salaries AS SELECT 'ceo' AS who, 1000000 AS pay FROM generate_series(1, 100); ANALYZE salaries")
        f.contains(str(server.rows("SELECT most_common_vals FROM pg_stats WHERE tablename = 'salaries'")), "1000000")  # the attack
        for name in ("pg_stats", "pg_statistic", "pg_catalog.pg_shadow", "pg_authid"):
            f.true("pg:admin Target shop" in facts.actions(f"SELECT * FROM {name}"), name)

    @f.test("attack_11_the_server_runs_as_many_statements_as_phi_lists")
    def _():
        dice, compared, refused = random.Random(11), 0, 0
        for _ in range(1500):
            text = make_text(dice)
            known = facts(text)
            tags, state = server.tags(text)
            server.query("ROLLBACK")
            server.query("DEALLOCATE ALL")
            if not known["ok"]:
                refused += 1
                f.true(state is not None or text.count("$"), f"phi refuses what the server runs: {text!r} {known['error']}")
                continue
            if state is None:
                compared += 1
                f.true(len(tags) == len(known["stmts"]), f"{text!r}: server {tags}, phi {[s['tag'] for s in known['stmts']]}")
            else:
                f.true(len(tags) <= len(known["stmts"]), f"{text!r}: server {tags}, phi {[s['tag'] for s in known['stmts']]}")
            f.true(state != "42601", f"the server finds no SQL where phi does: {text!r}")
        f.true(compared > 300, f"only {compared} ran to their end, {refused} were no SQL")

    @f.test("attack_17_what_the_servers_command_tag_calls_a_change_is_one_to_phi")
    def _():
        server.query("CREATE SCHEMA hr; CREATE TABLE hr.secret (id int, d text, a text); CREATE TABLE hr.plain_orders (); "
                     "ALTER TABLE orders ADD a int, ADD b int; CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'select 1'")
        ran = 0
        for sql in unit_cases():
            one = sqlfacts.connect(f)
            one.query("SET statement_timeout = 1000; SET client_min_messages = error")
            one.query("BEGIN")
            tags, state = one.tags(sql)
            one.sock.close()
            if state:
                continue
            ran += 1
            word, actions = tags[0].split()[0], {a.split()[0] for s in facts(sql)["stmts"] for a in s["actions"]}
            f.true(word in READS or actions & set(CHANGES[word]), f"{sql}: the server says {tags}, phi {actions}")
        f.true(ran > 150, f"only {ran} statements ran")

    @f.test("attack_09_comments_and_odd_spelling_read_as_on_the_server")
    def _():
        for sql in ("-- \rSELECT 1\nDELETE FROM plain", "SELECT 1 -- \rDELETE FROM plain", "/*/**/DELETE FROM plain*/ SELECT 1", "DELETE/**/FROM plain", "DELETE FROM U&\"pl\\0061in\"",
                    "SELECT 1 /*! DELETE FROM plain */", "\fDELETE\fFROM plain", "SELECT '--' ; DELETE FROM plain", "SELECT '/*' ; DELETE FROM plain --*/"):
            server.query("DELETE FROM plain; INSERT INTO plain VALUES (1, 'x')")
            _, state = server.tags(sql)
            emptied = server.rows("SELECT count(*) FROM plain")[0][0] == "0"
            known = facts(sql)
            f.true(known["ok"] == (state != "42601"), f"{sql!r}: {state}, {known['error']}")
            f.equal(any(a.startswith("pg:delete") for s in known["stmts"] for a in s["actions"]), emptied)

    @f.test("attack_10_a_text_that_the_server_reads_otherwise_under_the_other_string_setting")
    def _():
        refill()
        server.query("SET standard_conforming_strings = off")
        server.query("select '\\'' ; delete from lab; --'")
        f.equal(count(), 0)  # the attack works without phi
        server.query("SET standard_conforming_strings = on")
        f.contains(facts("SET standard_conforming_strings = off")["refuse"], "standard_conforming_strings")
        f.true(not facts("select '\\'' ; delete from lab; --'")["plain"])

    @f.test("attack_16_a_temporary_table_does_not_become_the_table_that_phi_names")
    def _():
        server.query("SET search_path = public, pg_temp; CREATE TEMP TABLE plain (id int)")
        f.equal(server.rows("SELECT count(*) FROM plain"), server.rows("SELECT count(*) FROM public.plain"))
        f.equal(facts.actions("SELECT * FROM plain"), ["pg:select Table shop/public.plain"])
        server.query("DROP TABLE pg_temp.plain; RESET search_path")

    facts.close()
