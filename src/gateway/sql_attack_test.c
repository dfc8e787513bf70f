/* Attacks of the list that are decided by understanding SQL alone. Each reproducer of the lab stands here as the bytes
 * that were sent; test/attacks/ runs them against real servers. */
#include "gateway/sql_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static struct sqlt T;

static const struct gw_sql_facts *facts(const char *sql)
{
    return sqlt_facts(&T, sql);
}

static const char *actions(const char *sql)
{
    const struct gw_sql_facts *f = facts(sql);
    if (!f->ok || f->n != 1)
        fail_msg("%s: not one statement", sql);
    return sqlt_actions(&T, &f->stmts[0]);
}

static bool has(const char *sql, const char *action)
{
    const struct gw_sql_facts *f = facts(sql);
    for (size_t i = 0; i < f->n_actions; i++)
        if (phi_view_is(f->actions[i].action, action))
            return true;
    return false;
}

static void attack_05_names_are_shown_escaped(void **unused)
{
    (void)unused;
    const struct gw_sql_facts *f = facts("DELETE FROM \"a\xe2\x80\xae" "b\x1b[31m\"\"x\xc2\x9b\"");
    assert_true(f->ok);
    bool raw = false;
    for (struct phi_view v = f->shown; v.n;) {
        uint32_t c = 0;
        size_t n = phi_utf8_next(v, &c);
        assert_true(n > 0);
        raw |= c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x202e;
        v = phi_view_from(v, n);
    }
    assert_false(raw);
    PHI_BUF(b, 1000);
    assert_true(gw_sql_show_id(&b, PHI_LIT("[\"shop\",\"a.b\",\"c/d\"]")));
    assert_string_equal(phi_buf_str(&b), "shop/\"a.b\".\"c/d\""); /* no name can pretend to be two */
    assert_false(gw_sql_show_id(&b, PHI_LIT("[\"shop\",1]")));
    assert_false(gw_sql_show_id(&b, PHI_LIT("shop")));
}

static void attack_09_comments_hide_no_keyword(void **unused)
{
    (void)unused;
    static const char *const sqls[] = {
        "DELETE/**/FROM/**/orders",       "DELETE--\nFROM orders",         "/**/DELETE FROM orders",      "/* SELECT 1 */ DELETE FROM orders -- SELECT",
        "/*/**/*/DELETE FROM orders",     "DeLeTe FrOm OrDeRs",            "DELETE FROM/*!50000 x*/orders", "/*+ hint */ DELETE FROM orders",
        "DELETE FROM orders --; SELECT 1", "\t\n\r\f DELETE FROM orders", "DELETE FROM \"orders\"",
    };
    for (size_t i = 0; i < sizeof sqls / sizeof sqls[0]; i++)
        assert_string_equal(actions(sqls[i]), "delete public.orders");
    /* a carriage return ends a comment, and then DELETE is only a column's name: PostgreSQL agrees (attack_09 of test/attacks) */
    assert_string_equal(actions("-- \rSELECT 1\nDELETE FROM orders"), "select public.orders");
}

static void attack_10_what_makes_texts_read_differently_is_never_forwarded(void **unused)
{
    (void)unused;
    static const char *const never[] = {
        "SET standard_conforming_strings = off", "SET standard_conforming_strings TO 'off'", "SET LOCAL Standard_Conforming_Strings = 0",
        "SET standard_conforming_strings = DEFAULT", "RESET standard_conforming_strings", "SET client_encoding = 'SJIS'",
        "SET NAMES 'latin1'", "SET NAMES DEFAULT", "RESET client_encoding", "SET client_encoding = utf8, latin1", "SET backslash_quote = on",
        "SET search_path = evil, public", "SET SCHEMA 'evil'", "RESET search_path", "SET LOCAL search_path TO DEFAULT",
        "SET standard_conforming_strings FROM CURRENT", "SELECT 1; SET standard_conforming_strings = off; SELECT '\\'' ; delete from orders; --'",
    };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        const struct gw_sql_facts *f = facts(never[i]);
        if (f->ok && !f->refuse.n)
            fail_msg("not refused: %s", never[i]);
    }
    static const char *const fine[] = { "SET standard_conforming_strings = on", "SET client_encoding = 'UTF8'", "SET NAMES 'utf-8'", "SET client_encoding TO utf8" };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        const struct gw_sql_facts *f = facts(fine[i]);
        assert_true(f->ok);
        assert_int_equal(f->refuse.n, 0);
        assert_string_equal(sqlt_actions(&T, &f->stmts[0]), "set *");
    }
    static const char *const other_ways[] = {
        "SELECT set_config('standard_conforming_strings', 'off', false)", "UPDATE pg_settings SET setting = 'off'",
        "ALTER ROLE alice SET standard_conforming_strings = off", "ALTER DATABASE shop SET search_path = evil",
        "ALTER SYSTEM SET standard_conforming_strings = off", "DO 'begin set standard_conforming_strings = off; end'",
        "SELECT ('search_path'::text).set_config", "CALL evil()",
    };
    for (size_t i = 0; i < sizeof other_ways / sizeof other_ways[0]; i++)
        if (!has(other_ways[i], "pg:admin") && !has(other_ways[i], "pg:call"))
            fail_msg("neither pg:admin nor pg:call: %s", other_ways[i]);
}

static void attack_11_every_statement_of_a_text_is_listed(void **unused)
{
    (void)unused;
    const struct gw_sql_facts *f = facts("SELECT 1; DELETE FROM orders; ; SELECT * FROM hr.secret");
    assert_true(f->ok);
    assert_int_equal(f->n, 3);
    assert_true(phi_view_is(f->stmts[1].text, "DELETE FROM orders"));
    assert_string_equal(sqlt_actions(&T, &f->stmts[1]), "delete public.orders");
    assert_int_equal(f->n_actions, 2); /* bound together, sorted */
    assert_true(phi_view_is(f->actions[0].action, "pg:delete"));
    assert_true(phi_view_is(f->actions[1].action, "pg:select"));
    assert_int_equal(facts("SELECT ';'; SELECT \";\" FROM orders")->n, 2);
    assert_int_equal(facts("SELECT $$;$$ ; SELECT $a$;$$;$a$")->n, 2);
    assert_int_equal(facts("SELECT /* ; */ 1 -- ;\n; SELECT 2")->n, 2);
    assert_int_equal(facts("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 1")->n, 2);
}

static void attack_17_what_a_text_defines_it_cannot_use_as_harmless(void **unused)
{
    (void)unused;
    const struct gw_sql_facts *f = facts("CREATE FUNCTION public.lower(int) RETURNS text LANGUAGE sql AS 'delete from orders'; SELECT lower(1)");
    assert_int_equal(f->n, 2);
    assert_string_equal(sqlt_actions(&T, &f->stmts[1]), "admin *");
    f = facts("CREATE TEMP TABLE t (a int); INSERT INTO t SELECT id FROM orders; SELECT lower('a')");
    assert_int_equal(f->n, 3);
    assert_false(f->flags & GW_SQL_DDL);
    assert_string_equal(sqlt_actions(&T, &f->stmts[2]), "");
    assert_true(facts("CREATE TEMP TABLE public.t (a int)")->flags & GW_SQL_DDL); /* the server refuses it; we need not know */
    assert_true(facts("SELECT * INTO t FROM orders")->flags & GW_SQL_DDL);
    assert_false(facts("SELECT * INTO TEMP t FROM orders")->flags & GW_SQL_DDL);
}

static void attack_12_another_literal_is_another_text(void **unused)
{
    (void)unused;
    struct phi_view a = PHI_LIT("DELETE FROM orders WHERE id = 7"), b = PHI_LIT("DELETE FROM orders WHERE id = 8");
    struct gw_sql_raw *x = gw_parser_now(T.pool, a), *y = gw_parser_cached(T.pool, b);
    assert_ptr_equal(x, y); /* one answer for both, and yet: */
    const struct gw_sql_facts *f = NULL;
    phi_arena_done(&T.arena);
    assert_true(gw_sql_resolve(x, a, &T.env, &T.arena, &f));
    assert_true(phi_view_eq(f->stmts[0].text, a));
    assert_true(gw_sql_resolve(y, b, &T.env, &T.arena, &f));
    assert_true(phi_view_eq(f->stmts[0].text, b));
    gw_sql_raw_drop(x);
    gw_sql_raw_drop(y);
}

static void attack_16_a_name_means_the_pinned_path_and_temporary_ones_come_last(void **unused)
{
    (void)unused;
    assert_string_equal(actions("CREATE TEMP TABLE orders (id int)"), "ddl pg_temp.orders");
    assert_string_equal(actions("SELECT * FROM orders"), "select public.orders");
    struct phi_view path[] = { PHI_LIT("hr"), PHI_LIT("public") };
    T.env.path = path;
    T.env.n_path = 2;
    assert_string_equal(actions("SELECT * FROM secret"), "select hr.secret");
    assert_string_equal(actions("SELECT * FROM orders"), "select public.orders");
    assert_string_equal(actions("SELECT * FROM pg_class"), "select pg_catalog.pg_class"); /* nothing stands before it */
    assert_string_equal(actions("DROP TABLE orders"), "ddl public.orders; ddl hr.orders");
    T.env.path = NULL;
    assert_string_equal(actions("SELECT 1 OPERATOR(hr.=) 1"), "call fn hr.=");
    assert_string_equal(actions("SELECT 'a' || 'b'"), "call fn hr.join_them"); /* whatever the path: users have one */
    assert_true(has("SET session_replication_role = replica", "pg:admin"));
}

static void attack_17_only_listed_functions_operators_and_casts_are_harmless(void **unused)
{
    (void)unused;
    static const char *const where[] = { "SELECT %s", "EXPLAIN SELECT %s", "SELECT 1 WHERE %s IS NULL", "SELECT 1 LIMIT (%s)::int", "VALUES (%s)", "WITH x AS (SELECT %s) SELECT 1",
                                         "SELECT (SELECT %s)", "SELECT ARRAY[%s]", "SELECT CASE WHEN true THEN %s END", "COPY (SELECT %s) TO STDOUT", "PREPARE p AS SELECT %s",
                                         "DECLARE c CURSOR FOR SELECT %s", "SELECT 1 UNION SELECT %s", "SELECT 1 ORDER BY %s", "SELECT count(*) FILTER (WHERE (%s) IS NULL)",
                                         "EXECUTE p(%s)", "SELECT * FROM generate_series(1, (%s)::int)", "SELECT 1 GROUP BY %s", "SELECT JSON_ARRAY(%s)", "SELECT COALESCE(%s, NULL)",
                                         "SELECT * FROM (VALUES (%s)) v", "SELECT * FROM orders TABLESAMPLE SYSTEM ((%s)::real)", "CREATE TABLE t AS SELECT %s", "SELECT * FROM orders o JOIN orders p ON (%s) IS NULL" };
    static const char *const what[] = { "wipe()", "public.wipe()", "upper('x')", "1 @+@ 1", "'1'::posint", "posint('1')", "nextval('s')", "lo_unlink(1)", "unknown_function(1)",
                                        "pg_catalog.pg_advisory_lock(1)", "('x'::text).unknown_but('a')", "other.f()", "(ROW(1)).wipe", "1 OPERATOR(public.@+@) 1" };
    unsigned n = 0;
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++)
        for (size_t k = 0; k < sizeof what / sizeof what[0]; k++) {
            char sql[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(sql, sizeof sql, where[i], what[k]);
#pragma GCC diagnostic pop
            const struct gw_sql_facts *f = facts(sql);
            if (!f->ok) /* not every pair is SQL */
                continue;
            n++;
            if (!(f->flags & GW_SQL_CALLS) || f->flags & GW_SQL_HARMLESS || !has(sql, "pg:call"))
                fail_msg("taken for harmless: %s", sql);
        }
    print_message("%u places and calls\n", n);
    assert_true(n > 250);
}

static void attack_18_reading_only_is_no_excuse(void **unused)
{
    (void)unused;
    static const char *const sqls[] = { "COPY orders TO PROGRAM 'sh'", "COPY (SELECT 1) TO PROGRAM 'sh'", "COPY orders FROM PROGRAM 'sh'", "COPY orders TO '/tmp/x'", "SELECT pg_reload_conf()",
                                        "SELECT pg_read_file('x')", "SELECT ('x'::text).pg_read_file", "SELECT set_config('a.b', 'c', false)", "SELECT pg_catalog.pg_reload_conf()",
                                        "SELECT * FROM pg_reload_conf()", "EXPLAIN SELECT pg_reload_conf()", "CHECKPOINT", "LOAD 'x'", "ALTER SYSTEM RESET ALL" };
    for (size_t i = 0; i < sizeof sqls / sizeof sqls[0]; i++)
        if (!has(sqls[i], "pg:admin"))
            fail_msg("not administration: %s", sqls[i]);
}

static void attack_19_explain_is_what_it_explains(void **unused)
{
    (void)unused;
    static const char *const heads[] = { "EXPLAIN ANALYZE ", "EXPLAIN (ANALYZE) ", "EXPLAIN (ANALYZE on, FORMAT json) ", "EXPLAIN (analyze 1) ", "EXPLAIN ", "EXPLAIN VERBOSE ",
                                         "EXPLAIN ANALYSE VERBOSE ", "EXPLAIN (ANALYZE false) ", "EXPLAIN (VERBOSE, ANALYZE true, ANALYZE false) " };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql, "%s%s", heads[i], "DELETE FROM orders");
        assert_string_equal(actions(sql), "delete public.orders");
        (void)snprintf(sql, sizeof sql, "%s%s", heads[i], "WITH d AS (UPDATE orders SET a = 1) SELECT wipe()");
        assert_string_equal(actions(sql), "update public.orders; call fn public.wipe");
        (void)snprintf(sql, sizeof sql, "%s%s", heads[i], "EXECUTE p");
        assert_string_equal(actions(sql), "admin *");
    }
}

static void attack_20_changing_the_role_is_administration(void **unused)
{
    (void)unused;
    static const char *const sqls[] = { "SET ROLE dba", "SET LOCAL ROLE 'dba'", "SET ROLE NONE", "RESET ROLE", "SET SESSION AUTHORIZATION dba", "SET SESSION AUTHORIZATION DEFAULT",
                                        "RESET SESSION AUTHORIZATION", "SET \"role\" = 'dba'", "SET session_authorization TO dba", "SELECT set_config('role', 'dba', false)" };
    for (size_t i = 0; i < sizeof sqls / sizeof sqls[0]; i++)
        assert_string_equal(actions(sqls[i]), "admin *");
}

static void attack_61_after_unknown_code_only_plain_texts_read_the_same(void **unused)
{
    (void)unused;
    assert_false(facts("SELECT lit()")->flags & GW_SQL_HARMLESS);
    assert_false(facts("SELECT '\\'' || (SELECT d()) --'")->plain_literals);
    assert_false(facts("SELECT '\xc3\xa9'")->plain_literals);
    assert_true(facts("SELECT 'it''s'")->plain_literals);
    assert_false(facts("INSERT INTO t_trig VALUES (1)")->flags & GW_SQL_HARMLESS);
    assert_false(facts("COMMIT")->flags & GW_SQL_HARMLESS); /* triggers that were put off run now */
}

static void what_is_known_of_one_target_is_not_used_for_another(void **unused)
{
    (void)unused;
    struct gw_catalog *evil = sqlt_catalog(true);
    struct gw_sql_raw *raw = gw_parser_now(T.pool, PHI_LIT("SELECT id FROM orders"));
    struct gw_sql_env other = { .target = PHI_LIT("shop"), .catalog = evil };
    const struct gw_sql_facts *f = NULL;
    for (int turn = 0; turn < 3; turn++) {
        phi_arena_done(&T.arena);
        assert_true(gw_sql_resolve(raw, PHI_LIT("SELECT id FROM orders"), &T.env, &T.arena, &f));
        assert_true(f->flags & GW_SQL_HARMLESS);
        assert_true(phi_view_is(f->shown, "pg:select on shop/public.orders"));
        assert_true(gw_sql_resolve(raw, PHI_LIT("SELECT id FROM orders"), &other, &T.arena, &f));
        assert_false(f->flags & GW_SQL_HARMLESS); /* there a cast between built-in types is the users' */
        other.target = PHI_LIT("shop2");
        assert_true(gw_sql_resolve(raw, PHI_LIT("SELECT id FROM orders"), &other, &T.arena, &f));
        assert_true(phi_view_is(f->actions[1].id, "[\"shop2\",\"public\",\"orders\"]"));
        struct gw_sql_env none = { .target = PHI_LIT("shop") };
        assert_true(gw_sql_resolve(raw, PHI_LIT("SELECT id FROM orders"), &none, &T.arena, &f));
        assert_true(f->flags & GW_SQL_ADMIN); /* nothing is known */
        other.target = PHI_LIT("shop");
    }
    gw_sql_raw_drop(raw);
    gw_catalog_drop(evil);
}

static int open_all(void **unused)
{
    (void)unused;
    sqlt_open(&T, false);
    return 0;
}

static int close_all(void **unused)
{
    (void)unused;
    sqlt_close(&T);
    return 0;
}

int main(int argc, char **argv)
{
    int rc;
    if (gw_parser_child(argc, argv, &rc))
        return rc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attack_05_names_are_shown_escaped),
        cmocka_unit_test(attack_09_comments_hide_no_keyword),
        cmocka_unit_test(attack_10_what_makes_texts_read_differently_is_never_forwarded),
        cmocka_unit_test(attack_11_every_statement_of_a_text_is_listed),
        cmocka_unit_test(attack_12_another_literal_is_another_text),
        cmocka_unit_test(attack_16_a_name_means_the_pinned_path_and_temporary_ones_come_last),
        cmocka_unit_test(attack_17_only_listed_functions_operators_and_casts_are_harmless),
        cmocka_unit_test(attack_17_what_a_text_defines_it_cannot_use_as_harmless),
        cmocka_unit_test(attack_18_reading_only_is_no_excuse),
        cmocka_unit_test(attack_19_explain_is_what_it_explains),
        cmocka_unit_test(attack_20_changing_the_role_is_administration),
        cmocka_unit_test(attack_61_after_unknown_code_only_plain_texts_read_the_same),
        cmocka_unit_test(what_is_known_of_one_target_is_not_used_for_another),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
