#include "gateway/sql_testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/os.h"
#include "gateway/parser_child.h"
#include "gateway/sql_raw.h"
#include "net/loop.h"

static struct sqlt T;

/* The one child process of ours. */
static pid_t child(void)
{
    char path[64], text[64] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    int64_t pid = 0;
    assert_true(phi_view_int(phi_view_trim(phi_view_of(text)), &pid));
    return (pid_t)pid;
}

static char *repeat(const char *a, const char *middle, const char *b, size_t n)
{
    size_t la = strlen(a), lb = strlen(b), lm = strlen(middle), at = 0;
    char *s = malloc(n * (la + lb) + lm + 1);
    assert_non_null(s);
    for (size_t i = 0; i < n; i++, at += la)
        memcpy(s + at, a, la);
    memcpy(s + at, middle, lm);
    at += lm;
    for (size_t i = 0; i < n; i++, at += lb)
        memcpy(s + at, b, lb);
    s[at] = 0;
    return s;
}

static void alive(void)
{
    const struct gw_sql_facts *f = sqlt_facts(&T, "DELETE FROM orders WHERE id = 7");
    assert_true(f->ok);
    assert_string_equal(sqlt_actions(&T, &f->stmts[0]), "delete public.orders");
}

/* libpg_query recurses; in a process with the usual stack 5,000 of these end it. */
static void nesting_never_ends_the_gateway(void **unused)
{
    (void)unused;
    static const struct {
        const char *head, *a, *middle, *b;
        size_t n;
    } nests[] = {
        { "SELECT ", "(", "1", ")", 6000 },        { "SELECT ", "1+", "1", "", 6000 },           { "SELECT ", "NOT ", "true", "", 6000 },
        { "SELECT ", "lower(", "'a'", ")", 6000 },  { "", "SELECT (", "SELECT 1", ")", 6000 },    { "SELECT ", "CASE WHEN true THEN ", "1", " END", 6000 },
        { "SELECT ", "ARRAY[", "1", "]", 6000 },    { "SELECT 1", "::int", "", "", 100000 },      { "SELECT ", "1+", "1", "", 300000 },
        { "SELECT ", "- ", "1", "", 300000 },       { "SELECT ", "(", "1", ")", 400000 },         { "SELECT 1", " UNION ALL SELECT 1", "", "", 50000 },
        { "SELECT * FROM a", " NATURAL JOIN a", "", "", 50000 }, { "", "EXPLAIN ", "SELECT 1", "", 100000 },
        { "", "WITH x AS (", "SELECT 1", ") SELECT 1", 6000 },   { "SELECT a", "[1]", "", "", 100000 },
    };
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof nests / sizeof nests[0]; i++) {
        char *inside = repeat(nests[i].a, nests[i].middle, nests[i].b, nests[i].n);
        size_t n = strlen(nests[i].head) + strlen(inside) + 1;
        char *sql = malloc(n);
        assert_non_null(sql);
        (void)snprintf(sql, n, "%s%s", nests[i].head, inside);
        const struct gw_sql_facts *f = sqlt_facts(&T, sql);
        if (!f->ok) {
            refused++;
            print_message("%zu of \"%s\": " PHI_FMT "\n", nests[i].n, nests[i].a, PHI_ARG(f->error));
            assert_int_equal(strlen(f->sqlstate), 5);
            assert_true(f->error.n > 0);
            assert_int_equal(f->n, 0);
        }
        free(sql);
        free(inside);
        alive();
    }
    struct gw_parser_stats s = gw_parser_stats(T.pool);
    print_message("%u of %zu refused, %llu processes lost, %llu too slow\n", refused, sizeof nests / sizeof nests[0],
                  (unsigned long long)s.crashes, (unsigned long long)s.timeouts);
}

static void a_killed_process_is_replaced(void **unused)
{
    (void)unused;
    alive();
    pid_t before = child();
    assert_int_equal(kill(before, SIGKILL), 0);
    const struct gw_sql_facts *f = sqlt_facts(&T, "SELECT 2"); /* asks the dead one */
    (void)f;
    alive();
    assert_int_not_equal(child(), before);
}

static void a_stuck_process_is_a_denial_within_seconds(void **unused)
{
    (void)unused;
    alive();
    assert_int_equal(kill(child(), SIGSTOP), 0);
    int64_t start = phi_now_boot_ms();
    const struct gw_sql_facts *f = sqlt_facts(&T, "SELECT 3");
    assert_false(f->ok);
    assert_string_equal(f->sqlstate, "57014");
    assert_true(phi_now_boot_ms() - start < 6000);
    alive();
}

static char *proc_file(pid_t pid, const char *name, size_t *n)
{
    static char text[65536];
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    *n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[*n] = 0;
    return text;
}

static void a_process_holds_nothing_and_may_do_nothing(void **unused)
{
    (void)unused;
    setenv("PHI_TEST_SECRET", "hunter2", 1);
    struct sqlt own;
    sqlt_open(&own, false);
    sqlt_facts(&own, "SELECT 1");
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int first = 0, second = 0;
    assert_int_equal(fscanf(f, "%d %d", &first, &second), 2);
    fclose(f);
    size_t n = 0;
    char *status = proc_file(second, "status", &n);
    assert_non_null(status);
    assert_non_null(strstr(status, "Seccomp:\t2"));
    assert_non_null(strstr(status, "NoNewPrivs:\t1"));
    char *limits = proc_file(second, "limits", &n);
    assert_non_null(limits);
    assert_non_null(strstr(limits, "Max core file size        0                    0"));
    char *env = proc_file(second, "environ", &n);
    if (env) /* not readable unless root: even better */
        assert_int_equal(n, 0);
    for (int fd = 1; fd < 64; fd++) {
        char link[80];
        (void)snprintf(link, sizeof link, "/proc/%d/fd/%d", second, fd);
        assert_int_equal(access(link, F_OK), -1);
    }
    sqlt_close(&own);
}

static void texts_that_are_no_sql_are_answered_here(void **unused)
{
    (void)unused;
    static const struct {
        const char *sql, *state;
    } bad[] = { { "SELEC 1", "42601" },       { "SELECT \xff", "22021" },   { "SELECT '\xed\xa0\x80'", "22021" }, { "SELECT 'a", "42601" },
                { "SELECT 1 FROM", "42601" }, { "/* open", "42601" },       { "SELECT $tag$ open", "42601" },
                { "DELETE FROM orders WHERE", "42601" }, { "SELECT '\\'' ; delete from orders; --'", "42601" } };
    for (size_t i = 0; i + 1 < sizeof bad / sizeof bad[0]; i++) {
        const struct gw_sql_facts *f = sqlt_facts(&T, bad[i].sql);
        assert_false(f->ok);
        assert_string_equal(f->sqlstate, bad[i].state);
    }
    const struct gw_sql_facts *f = sqlt_facts(&T, "SELECT \xc3\xa9, x FROM FROM t");
    assert_false(f->ok);
    assert_int_equal(f->cursor, 18); /* in characters, not bytes */
    struct gw_sql_raw *raw = gw_parser_now(T.pool, phi_view_mem("SELECT 1\0; DROP", 15));
    assert_false(raw->ok);
    gw_sql_raw_drop(raw);
    char *big = repeat("x", "", "", PHI_MAX_SQL + 1);
    assert_false(sqlt_facts(&T, big)->ok);
    free(big);
    alive();
}

static void empty_texts_have_no_statements(void **unused)
{
    (void)unused;
    static const char *const empty[] = { "", " ", ";", ";;;", "-- x", "/* x */ ; -- y" };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        const struct gw_sql_facts *f = sqlt_facts(&T, empty[i]);
        assert_true(f->ok);
        assert_int_equal(f->n, 0);
        assert_int_equal(f->n_actions, 0);
    }
}

static void statements_past_the_limits_are_refused(void **unused)
{
    (void)unused;
    char *many = repeat("SELECT 1;", "", "", 2000);
    const struct gw_sql_facts *f = sqlt_facts(&T, many);
    assert_false(f->ok);
    assert_string_equal(f->sqlstate, "54001");
    free(many);
    PHI_BUF(b, 1 << 20);
    phi_buf_adds(&b, "SELECT 1 FROM t0");
    for (int i = 1; i < 100; i++)
        phi_buf_printf(&b, ", t%d", i);
    f = sqlt_facts(&T, phi_buf_str(&b));
    assert_true(f->ok);
    assert_true(f->refuse.n > 0);
    for (int i = 100; i < 5000; i++)
        phi_buf_printf(&b, ", t%d", i);
    f = sqlt_facts(&T, phi_buf_str(&b));
    assert_false(f->ok);
}

/* A process that was taken over may send anything. */
static void any_reply_is_read_safely(void **unused)
{
    (void)unused;
    PHI_BUF(reply, SQL_MAX_REPLY);
    parser_pack("WITH x AS (DELETE FROM a.b RETURNING *) SELECT f(x.y), '1'::t, 1 @#@ 2 FROM x; SET a = 1; PREPARE p AS SELECT 1; BEGIN",
                &reply);
    struct gw_sql_raw *good = sql_raw_read(phi_buf_view(&reply), 200);
    assert_non_null(good);
    assert_int_equal(good->n, 4);
    gw_sql_raw_drop(good);
    unsigned taken = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t r[8];
        phi_random(r, sizeof r);
        uint8_t *copy = malloc(reply.n);
        assert_non_null(copy);
        memcpy(copy, reply.p, reply.n);
        for (int k = 0; k < 1 + r[0] % 3; k++)
            copy[(size_t)(r[1 + k] | r[4] << 8) % reply.n] = r[5 + k];
        size_t n = r[0] & 64 ? (size_t)r[7] * reply.n / 256 : reply.n;
        struct gw_sql_raw *raw = sql_raw_read(phi_view_mem(copy, n), 200);
        taken += raw != NULL;
        struct sqlt t = T;
        phi_arena_init(&t.arena, 1 << 20);
        const struct gw_sql_facts *f;
        if (raw)
            (void)gw_sql_resolve(raw, PHI_LIT("x"), &t.env, &t.arena, &f);
        phi_arena_done(&t.arena);
        gw_sql_raw_drop(raw);
        free(copy);
    }
    print_message("%u of 20000 changed replies still make sense\n", taken);
}

/* ---- the loop ---- */

enum { CALLS = 200 };
static unsigned answered;
static struct net_loop *loop;
static bool inside;

static void on_facts(void *ctx, struct gw_sql_raw *raw)
{
    assert_false(inside);
    assert_non_null(raw);
    assert_int_not_equal((intptr_t)ctx % 7, 3); /* those were cancelled */
    assert_int_equal(raw->ok, (intptr_t)ctx % 5 != 1);
    if (++answered == CALLS - 29)
        net_loop_stop(loop);
}

static void calls_come_back_from_the_loop_and_cancelled_ones_do_not(void **unused)
{
    (void)unused;
    struct gw_parser *pool;
    assert_int_equal(net_loop_open(&loop, NULL), PHI_OK);
    assert_int_equal(gw_parser_open(loop, 2, &pool, NULL), PHI_OK);
    unsigned cancelled = 0;
    answered = 0;
    for (intptr_t i = 0; i < CALLS; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof sql, i % 5 == 1 ? "SELEC %d" : i % 10 == 2 ? "SELECT '\xff%d" : "SELECT %d", (int)i);
        if (i % 10 == 2)
            (void)snprintf(sql, sizeof sql, "SELECT %d /* comment */", (int)i);
        inside = true;
        struct gw_parser_call *c = gw_parser_parse(pool, phi_view_of(sql), on_facts, (void *)i);
        inside = false;
        assert_non_null(c);
        if (i % 7 == 3) {
            gw_parser_cancel(c);
            cancelled++;
        }
    }
    assert_int_equal(cancelled, 29);
    net_loop_run(loop);
    assert_int_equal(answered, CALLS - cancelled);
    struct gw_sql_raw *raw = gw_parser_cached(pool, PHI_LIT("SELECT   4711 ;"));
    assert_non_null(raw);
    gw_sql_raw_drop(raw);
    (void)gw_parser_parse(pool, PHI_LIT("SELECT 1"), on_facts, NULL); /* closed under way */
    gw_parser_close(pool);
    net_loop_once(loop);
    net_loop_close(loop);
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
        cmocka_unit_test(nesting_never_ends_the_gateway),
        cmocka_unit_test(a_killed_process_is_replaced),
        cmocka_unit_test(a_stuck_process_is_a_denial_within_seconds),
        cmocka_unit_test(a_process_holds_nothing_and_may_do_nothing),
        cmocka_unit_test(texts_that_are_no_sql_are_answered_here),
        cmocka_unit_test(empty_texts_have_no_statements),
        cmocka_unit_test(statements_past_the_limits_are_refused),
        cmocka_unit_test(any_reply_is_read_safely),
        cmocka_unit_test(calls_come_back_from_the_loop_and_cancelled_ones_do_not),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
