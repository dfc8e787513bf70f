#include "gateway/sql_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/os.h"
#include "gateway/sql_raw.h"

static struct gw_parser *pool;

static uint32_t seed = 20260117;

static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static const char *pick(const char *const *list)
{
    uint32_t n = 0;
    while (list[n])
        n++;
    return list[dice(n)];
}

/* Literals of every kind, and what may be taken for one. */
static const char *literal(void)
{
    static const char *const list[] = { "1",      "0",        "42",       "2147483647", "2147483648", "99999999999999999999", "1.5",  ".5",
                                        "1.",     "1e10",     "1E-3",     "'a'",        "''",         "'it''s'",              "''''", "'--'",
                                        "'/*'",   "'\"'",     "'; x'",    "$1",         "$2",         "NULL",                 "true", "-1",
                                        "- 1",    "'a\nb'",   "E'a'",     "e'\\''",     "U&'a'",      "B'101'",               "x'1f'", "N'a'",
                                        "$$a$$",  "$t$'$t$",  "'a'\n'b'", "'a' 'b'",    "1_000",      "0x1F",                 "0b1",  "1a",
                                        "'\\'",   "'\xc3\xa9'", "date '2020-01-01'", "float4 '1'", "interval '1' day", "'a'::text", "1::float(24)",
                                        "1::float(53)", "1::float", "1::varchar(3)", "1::numeric(10,2)", "ARRAY[1,2]", "(SELECT 1)", "'a'--x\n",
                                        "1/*c*/", "1--2",     "'a' --\n",  NULL };
    return pick(list);
}

static const char *blank(void)
{
    static const char *const list[] = { " ", " ", " ", " ", "  ", "\n", "\t", " \r\n ", "/**/", " --\n", "\f", NULL };
    return pick(list);
}

static void add_expr(struct phi_buf *b, int depth)
{
    static const char *const ops[] = { "=", "<", "+", "-", "||", "<>", "!=", "~~", "LIKE", "AND", "->", "@>", "OR", "IS DISTINCT FROM", "- -", "*", "%", "^", "@-", NULL };
    static const char *const names[] = { "id", "a.b", "\"q\"", "\"a\"\"b\"", "o.wipe", "*", "f(1)", "lower('x')", "pg_catalog.lower($1)", "count(*)", "x$1", "_a1", "E", "u", "n", NULL };
    uint32_t what = depth > 3 ? dice(2) : dice(6);
    if (what == 0) {
        phi_buf_adds(b, literal());
    } else if (what == 1) {
        phi_buf_adds(b, pick(names));
    } else if (what == 2) {
        phi_buf_addc(b, '(');
        add_expr(b, depth + 1);
        phi_buf_addc(b, ')');
    } else {
        add_expr(b, depth + 1);
        phi_buf_adds(b, dice(3) ? blank() : "");
        phi_buf_adds(b, pick(ops));
        phi_buf_adds(b, dice(3) ? blank() : "");
        add_expr(b, depth + 1);
    }
}

static void add_stmt(struct phi_buf *b)
{
    static const char *const heads[] = { "SELECT a FROM t WHERE", "SELECT", "DELETE FROM orders WHERE", "UPDATE t SET a =", "INSERT INTO t SELECT",
                                         "select * from hr.secret where x in (1,2) and", "WITH d AS (DELETE FROM t) SELECT", "EXPLAIN SELECT",
                                         "PREPARE p AS SELECT", "SELECT 1 ORDER BY", "SELECT 1 LIMIT", "VALUES", "SELECT 'x'", NULL };
    static const char *const tails[] = { "", "", "", "", ";", " ; ", ";;", "; SELECT 1", ";DELETE FROM t", "--", " /*x*/", "; --x", " FOR UPDATE", " LIMIT 5", " RETURNING *", NULL };
    phi_buf_adds(b, dice(8) ? "" : blank());
    phi_buf_adds(b, pick(heads));
    phi_buf_adds(b, blank());
    add_expr(b, 0);
    phi_buf_adds(b, pick(tails));
}

static bool same(const struct gw_sql_raw *a, const struct gw_sql_raw *b, struct phi_view sql)
{
    if (a->ok != b->ok || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct raw_stmt *x = &a->stmts[i], *y = &b->stmts[i];
        if (x->flags != y->flags || x->n != y->n || !phi_view_eq(x->tag, y->tag) || !phi_view_eq(x->name, y->name) ||
            !phi_view_eq(x->refuse, y->refuse) || !phi_view_eq(sql_raw_text(x, sql), sql_raw_text(y, sql)))
            return false;
        for (size_t k = 0; k < x->n; k++)
            if (x->refs[k].kind != y->refs[k].kind || x->refs[k].acts != y->refs[k].acts ||
                !phi_view_eq(x->refs[k].schema, y->refs[k].schema) || !phi_view_eq(x->refs[k].name, y->refs[k].name))
                return false;
    }
    return true;
}

/* Each text is asked of the cache first, which knows only others of its kind, and then of the grammar. */
static void the_cache_says_what_a_full_parse_says(void **unused)
{
    (void)unused;
    enum { TEXTS = 40000 };
    unsigned hits = 0, wrong = 0, forgiven = 0;
    for (unsigned i = 0; i < TEXTS; i++) {
        PHI_BUF(b, 64 * 1024);
        add_stmt(&b);
        struct phi_view sql = phi_buf_view(&b);
        struct gw_sql_raw *cached = gw_parser_cached(pool, sql);
        if (!cached && dice(4)) { /* most of them are only new; parse a quarter, to fill the cache */
            continue;
        }
        struct gw_sql_raw *full = gw_parser_now(pool, sql);
        assert_non_null(full);
        if (cached) {
            hits++;
            /* a text of a kept form that the grammar refuses (a literal out of range) the server refuses as well */
            forgiven += !full->ok;
            if (full->ok && !same(cached, full, sql)) {
                wrong++;
                print_error("differs: " PHI_FMT "\n", PHI_ARG(sql));
            }
        }
        gw_sql_raw_drop(cached);
        gw_sql_raw_drop(full);
    }
    print_message("%u of %d texts were known, %u differ, %u are refused by the grammar\n", hits, TEXTS, wrong, forgiven);
    assert_true(hits > 1000);
    assert_int_equal(wrong, 0);
    assert_int_equal(forgiven, 0);
}

static bool known(const char *sql)
{
    struct gw_sql_raw *raw = gw_parser_cached(pool, phi_view_of(sql));
    gw_sql_raw_drop(raw);
    return raw != NULL;
}

static void learn(const char *sql)
{
    gw_sql_raw_drop(gw_parser_now(pool, phi_view_of(sql)));
}

static void only_what_is_plain_is_known(void **unused)
{
    (void)unused;
    learn("SELECT x FROM tt WHERE id = 1");
    assert_true(known("SELECT x FROM tt WHERE id = 2"));
    assert_true(known("  SELECT  x\nFROM tt WHERE id = 123456789 ; "));
    static const char *const others[] = {
        "SELECT x FROM tt WHERE id = 1.5",      "SELECT x FROM tt WHERE id = 'a'",   "SELECT x FROM tt WHERE id = $1",
        "SELECT x FROM t WHERE id = 1",         "SELECT x FROM TT WHERE id = 1",     "SELECT x FROM tt WHERE id = 1; SELECT 2",
        "SELECT x FROM tt WHERE id = 1 -- a",   "SELECT x FROM tt WHERE id = 1/**/", "SELECT x FROM tt WHERE id = 12345678901",
        "SELECT x FROM tt WHERE id = 1\f",      "SELECT x FROM tt WHERE id = 1a",    "SELECT x FROM tt WHERE id = 1 2",
        "SELECT x FROM \"tt\" WHERE id = 1",    "SELECT x FROM tt WHERE id =1",      "SELECT x FROM tt WHERE id = - 1",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (known(others[i]))
            fail_msg("known: %s", others[i]);
    static const char *const never[] = { "SET a = 1",      "SELECT 'a\\b'",     "SELECT 'a' 'b'", "SELECT \xc3\xa9", "BEGIN", "COPY t FROM STDIN", "SELECT 1; SELECT 2",
                                         "EXPLAIN SELECT 1", "SELECT 1::float(3)", "SELECT U&\"a\"", "SELECT 1 /**/", "PREPARE p AS SELECT 1", "SELECT $$a$$", "SELECT * INTO t FROM orders" };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        learn(never[i]);
        if (known(never[i]))
            fail_msg("kept: %s", never[i]);
    }
}

static void the_cache_stays_small(void **unused)
{
    (void)unused;
    for (int i = 0; i < 6000; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof sql, "SELECT %d FROM t%d", i, i);
        learn(sql);
    }
    assert_true(gw_parser_stats(pool).cached <= 2048);
    assert_true(gw_parser_stats(pool).cached > 1000);
}

static void a_look_up_is_quick(void **unused)
{
    (void)unused;
    enum { TURNS = 200000 };
    char sql[8][80];
    for (int i = 0; i < 8; i++)
        (void)snprintf(sql[i], sizeof sql[i], "SELECT abalance FROM pgbench_accounts WHERE aid = %d;", 1000 + i * 7777);
    learn(sql[0]);
    int64_t start = phi_now_boot_ms();
    unsigned hits = 0;
    for (int i = 0; i < TURNS; i++) {
        struct gw_sql_raw *raw = gw_parser_cached(pool, phi_view_of(sql[i % 8]));
        hits += raw != NULL;
        gw_sql_raw_drop(raw);
    }
    int64_t ms = phi_now_boot_ms() - start;
    assert_int_equal(hits, TURNS);
    print_message("%.0f ns a look-up\n", (double)ms * 1e6 / (double)TURNS);
    struct gw_catalog *c = sqlt_catalog(false);
    struct gw_sql_env env = { .target = PHI_LIT("shop"), .catalog = c };
    start = phi_now_boot_ms();
    for (int i = 0; i < TURNS; i++) {
        PHI_ARENA(a, 64 * 1024);
        const struct gw_sql_facts *f = NULL;
        struct gw_sql_raw *raw = gw_parser_cached(pool, phi_view_of(sql[i % 8]));
        assert_true(gw_sql_resolve(raw, phi_view_of(sql[i % 8]), &env, &a, &f));
        gw_sql_raw_drop(raw);
    }
    ms = phi_now_boot_ms() - start;
    gw_catalog_drop(c);
    print_message("%.0f ns with its actions\n", (double)ms * 1e6 / (double)TURNS);
}

static int open_all(void **unused)
{
    (void)unused;
    return gw_parser_open(NULL, 1, &pool, NULL) == PHI_OK ? 0 : -1;
}

static int close_all(void **unused)
{
    (void)unused;
    gw_parser_close(pool);
    return 0;
}

int main(int argc, char **argv)
{
    int rc;
    if (gw_parser_child(argc, argv, &rc))
        return rc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_says_what_a_full_parse_says),
        cmocka_unit_test(only_what_is_plain_is_known),
        cmocka_unit_test(the_cache_stays_small),
        cmocka_unit_test(a_look_up_is_quick),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
