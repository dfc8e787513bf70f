/* What every driver must do, run over each; then the drivers against each other, call by call. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/pgsql.h"
#include "store/sqlite.h"

static char path[64];
static char conninfo[256]; /* of a PostgreSQL that this test has started */
static struct phi_store *pg_control; /* a second phid on it */

static void remove_file(void)
{
    char side[80];
    static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(side, sizeof side, "%s%s", path, ends[i]);
        unlink(side);
    }
}

static struct phi_store *open_lite(void)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    if (phi_store_sqlite_open(path, &s, &err) != PHI_OK)
        print_error("%s\n", err.msg);
    return s;
}

static int with_mem(void **state)
{
    *state = phi_store_mem_open();
    return *state ? 0 : -1;
}

static int with_lite(void **state)
{
    remove_file();
    *state = open_lite();
    return *state ? 0 : -1;
}

static int without(void **state)
{
    phi_store_close(*state);
    remove_file();
    return 0;
}

/* ---- PostgreSQL */

static int64_t pg_wall = 1700000000000, pg_boot = 5000;
static const char *pg_boot_id = "b00t";

static int64_t clock_wall(void *self)
{
    (void)self;
    return pg_wall;
}

static int64_t clock_boot(void *self)
{
    (void)self;
    return pg_boot;
}

static const char *clock_id(void *self)
{
    (void)self;
    return pg_boot_id;
}

static const struct phi_clock pg_clock = { NULL, clock_wall, clock_boot, clock_id };

static enum phi_rc open_pg(struct phi_store **ret, struct phi_err *err)
{
    struct phi_store_pgsql_opts o = { conninfo, "", "store-contract", &pg_clock };
    return phi_store_pgsql_open(&o, ret, err);
}

static void pg_sql(const char *sql)
{
    char cmd[600];
    pid_t pid = fork();
    if (pid == 0) {
        snprintf(cmd, sizeof cmd, "%s", sql);
        execlp("psql", "psql", "-X", "-q", "-c", cmd, conninfo, NULL);
        _exit(1);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static int with_pg(void **state)
{
    struct phi_err err = { 0 };
    *state = NULL;
    pg_sql("SET client_min_messages = error; DROP SCHEMA IF EXISTS phi CASCADE");
    if (open_pg((struct phi_store **)state, &err) != PHI_OK)
        print_error("%s\n", err.msg);
    return *state ? 0 : -1;
}

static int with_two_pg(void **state)
{
    return with_pg(state) == 0 && open_pg(&pg_control, NULL) == PHI_OK ? 0 : -1;
}

static int without_two(void **state)
{
    phi_store_close(pg_control);
    return without(state);
}

/* The server lives as long as this process holds the other end of its standard input. */
static int pg_start(void **state)
{
    static int keep;
    int in[2], out[2];
    (void)state;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        return -1;
    if (fork() == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", "-B", TEST_SCRATCH_PG, NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    keep = in[1];
    FILE *f = fdopen(out[0], "r");
    char *said = f ? fgets(conninfo, sizeof conninfo, f) : NULL;
    if (f)
        fclose(f);
    if (said)
        conninfo[strcspn(conninfo, "\n")] = 0;
    return said ? 0 : (close(keep), -1);
}

#define DO(s, verb, ...) (s)->ops->verb((s)->self, ##__VA_ARGS__, NULL)
#define BEGIN(s) assert_int_equal(DO(s, begin), PHI_OK)
#define COMMIT(s) assert_int_equal(DO(s, commit), PHI_OK)

static struct core_grant_row grant(const char *id, int64_t uses)
{
    return (struct core_grant_row){ .id = phi_view_of(id), .status = 1, .live = 1, .uses = uses };
}

static void a_row_comes_back_as_it_went(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 24);
    static uint8_t big[1 << 20];
    memset(big, 0xa5, sizeof big);
    struct core_text_row in = { PHI_LIT("o\0wner"), PHI_LIT(""), PHI_LIT("\0\xff"), { big, sizeof big } }, out;
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_TEXT_OF, &in), PHI_OK);
    COMMIT(s);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_TEXT_OF, 0, &in, &a, &out), PHI_OK);
    assert_true(phi_view_eq(in.owner, out.owner) && phi_view_eq(in.salt, out.salt) && phi_view_eq(in.text, out.text));
    assert_int_equal(out.kind.n, 0);
    COMMIT(s);
}

static void a_rollback_leaves_nothing(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_target_row row = { PHI_LIT("shop"), PHI_LIT("x"), PHI_LIT("y"), PHI_LIT("z") }, out;
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_TARGET, &row), PHI_OK);
    s->ops->rollback(s->self);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &row, &a, &out), PHI_ENOTFOUND);
    COMMIT(s);
}

static void going_back_to_a_mark_keeps_what_was_before(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_target_row one = { .name = PHI_LIT("a") }, two = { .name = PHI_LIT("b") }, out;
    BEGIN(s);
    assert_int_equal(DO(s, mark), PHI_OK);
    assert_int_equal(DO(s, add, CORE_TARGET, &one), PHI_OK);
    assert_int_equal(DO(s, unmark), PHI_OK);
    assert_int_equal(DO(s, mark), PHI_OK);
    assert_int_equal(DO(s, add, CORE_TARGET, &two), PHI_OK);
    one.kind = PHI_LIT("changed");
    assert_int_equal(DO(s, set, CORE_TARGET, &one), PHI_OK);
    assert_int_equal(DO(s, back), PHI_OK);
    COMMIT(s);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &one, &a, &out), PHI_OK);
    assert_int_equal(out.kind.n, 0);
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &two, &a, &out), PHI_ENOTFOUND);
    COMMIT(s);
}

static void keys_are_unique(void **state)
{
    struct phi_store *s = *state;
    struct core_claim_row one = { .id = PHI_LIT("1"), .grant = PHI_LIT("g"), .ckey = PHI_LIT("k") }, two = one;
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_CLAIM, &one), PHI_OK);
    assert_int_equal(DO(s, add, CORE_CLAIM, &one), PHI_ECONFLICT);
    two.id = PHI_LIT("2");
    assert_int_equal(DO(s, add, CORE_CLAIM, &two), PHI_ECONFLICT); /* the same key for the same grant */
    two.ckey = PHI_LIT("l");
    assert_int_equal(DO(s, add, CORE_CLAIM, &two), PHI_OK);
    COMMIT(s);
}

static void a_change_needs_the_row_that_was_read(void **state)
{
    struct phi_store *s = *state;
    struct core_grant_row g = grant("g", 0);
    BEGIN(s);
    assert_int_equal(DO(s, set, CORE_GRANT, &g), PHI_ENOTFOUND);
    assert_int_equal(DO(s, add, CORE_GRANT, &g), PHI_OK);
    assert_int_equal(DO(s, set, CORE_GRANT, &g), PHI_ECONFLICT);
    g.rev = 1;
    assert_int_equal(DO(s, set, CORE_GRANT, &g), PHI_OK);
    assert_int_equal(DO(s, set, CORE_GRANT, &g), PHI_ECONFLICT);
    COMMIT(s);
}

static void spending_is_conditional(void **state)
{
    struct phi_store *s = *state;
    struct core_grant_row g = grant("g", 2);
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_GRANT, &g), PHI_OK);
    for (int i = 1; i <= 3; i++) {
        g.rev++;
        g.used++;
        assert_int_equal(DO(s, spend, &g), i <= 2 ? PHI_OK : PHI_ECONFLICT);
        assert_int_equal(DO(s, spend, &g), PHI_ECONFLICT); /* the same step twice */
    }
    struct core_grant_row dead = grant("d", 1);
    dead.live = 0;
    assert_int_equal(DO(s, add, CORE_GRANT, &dead), PHI_OK);
    dead.rev = dead.used = 1;
    assert_int_equal(DO(s, spend, &dead), PHI_ECONFLICT);
    COMMIT(s);
}

static void lists_are_ordered_and_bounded(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_leaf_row *rows, key = { .idx = 3 };
    size_t n;
    BEGIN(s);
    for (int64_t i = 9; i >= 0; i--)
        assert_int_equal(DO(s, add, CORE_LEAF, &((struct core_leaf_row){ .idx = i })), PHI_OK);
    struct core_span span = { .at_least = true, .limit = 4, .offset = 1 };
    assert_int_equal(DO(s, list, CORE_LEAF, 0, &key, &span, &a, &rows, &n), PHI_OK);
    assert_int_equal(n, 4);
    assert_int_equal(rows[0].idx, 4);
    span = (struct core_span){ .at_most = true, .last_first = true };
    assert_int_equal(DO(s, list, CORE_LEAF, 0, &key, &span, &a, &rows, &n), PHI_OK);
    assert_int_equal(n, 4);
    assert_int_equal(rows[0].idx, 3);
    COMMIT(s);
}

/* ---- the drivers against each other */

static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % below;
}

static void random_row(enum core_table t, void *row, struct phi_arena *a)
{
    const struct core_table_def *d = core_table_of(t);
    memset(row, 0, d->size);
    for (int i = 0; i < d->n_cols; i++) {
        void *at = (char *)row + d->cols[i].at;
        if (d->cols[i].kind == CORE_INT)
            *(int64_t *)at = (int64_t)rnd(3);
        else
            *(struct phi_view *)at = phi_arena_printf(a, "%.*s", (int)rnd(3), "ab");
    }
}

static void same_rows(const struct core_table_def *d, enum core_table t, const char *x, const char *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct phi_digest hx = core_row_hash(t, x + i * d->size), hy = core_row_hash(t, y + i * d->size);
        assert_true(phi_digest_eq(&hx, &hy));
    }
}

static void same_list(struct phi_store *m, struct phi_store *l, enum core_table t, const void *key, struct phi_arena *a)
{
    const struct core_table_def *d = core_table_of(t);
    int ix = (int)rnd((uint64_t)d->n_index);
    struct core_span span = { .prefix = rnd((uint64_t)d->index[ix].n + 1),
                              .limit = (int64_t)rnd(4),
                              .offset = (int64_t)rnd(2),
                              .last_first = rnd(2) };
    if (span.prefix < (size_t)d->index[ix].n && d->cols[d->index[ix].cols[span.prefix]].kind == CORE_INT) {
        span.at_least = rnd(2);
        span.at_most = rnd(2);
    }
    char *x, *y;
    size_t nx, ny;
    assert_int_equal(DO(m, list, t, ix, key, &span, a, &x, &nx), PHI_OK);
    assert_int_equal(DO(l, list, t, ix, key, &span, a, &y, &ny), PHI_OK);
    assert_int_equal(nx, ny);
    same_rows(d, t, x, y, nx);
}

static void same_get(struct phi_store *m, struct phi_store *l, enum core_table t, const void *key, struct phi_arena *a)
{
    const struct core_table_def *d = core_table_of(t);
    char x[1024], y[1024];
    assert_true(d->size <= sizeof x);
    for (int ix = 0; ix < d->n_index; ix++) {
        if (!d->index[ix].unique)
            continue;
        enum phi_rc rx = DO(m, get, t, ix, key, a, x), ry = DO(l, get, t, ix, key, a, y);
        assert_int_equal(rx, ry);
        if (rx == PHI_OK)
            same_rows(d, t, x, y, 1);
    }
}

static void same_step(struct phi_store *m, struct phi_store *l)
{
    PHI_ARENA(a, 1 << 20);
    _Alignas(16) char row[1024];
    enum core_table t = (enum core_table)rnd(CORE_TABLES);
    random_row(t, row, &a);
    switch (rnd(9)) {
    case 0:
    case 1:
    case 2:
        if (l->ops->say && (t == CORE_LEAF || t == CORE_NODE || t == CORE_CLAIM))
            break; /* added without waiting: a_place_in_the_log_is_taken_once */
        assert_int_equal(DO(m, add, t, row), DO(l, add, t, row));
        break;
    case 3:
        assert_int_equal(DO(m, set, t, row), DO(l, set, t, row));
        break;
    case 4:
        assert_int_equal(DO(m, del, t, row), DO(l, del, t, row));
        break;
    case 5:
        random_row(CORE_GRANT, row, &a);
        assert_int_equal(DO(m, spend, row), DO(l, spend, row));
        break;
    case 6:
        same_get(m, l, t, row, &a);
        break;
    default:
        same_list(m, l, t, row, &a);
    }
}

static void both(struct phi_store *m, struct phi_store *l, uint64_t what)
{
    if (what == 0) {
        m->ops->rollback(m->self);
        l->ops->rollback(l->self);
    } else {
        COMMIT(m);
        COMMIT(l);
    }
}

static void drivers_answer_alike(void **state)
{
    struct phi_store *l = *state, *m = phi_store_mem_open();
    seed = 7;
    for (int tx = 0; tx < 400; tx++) {
        BEGIN(m);
        BEGIN(l);
        for (int part = 0; part < 3; part++) {
            assert_int_equal(DO(m, mark), DO(l, mark));
            for (int i = 0; i < 20; i++)
                same_step(m, l);
            if (rnd(3) == 0)
                assert_int_equal(DO(m, back), DO(l, back));
            else
                assert_int_equal(DO(m, unmark), DO(l, unmark));
        }
        both(m, l, rnd(4));
    }
    phi_store_close(m);
}

/* ---- the file */

static void a_newer_file_and_a_second_process_are_refused(void **state)
{
    struct phi_store *second = NULL;
    struct phi_err err = { 0 };
    assert_int_equal(phi_store_sqlite_open(path, &second, &err), PHI_ECONFLICT);
    phi_store_close(*state);
    *state = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(phi_store_sqlite_open(path, &second, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "newer phi"));
}

static void what_was_committed_is_there_after_opening_again(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_target_row row = { .name = PHI_LIT("shop") }, out;
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_TARGET, &row), PHI_OK);
    COMMIT(s);
    phi_store_close(s);
    s = *state = open_lite();
    assert_non_null(s);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &row, &a, &out), PHI_OK);
    COMMIT(s);
}

/* ---- several phids on one database */

static void a_newer_database_is_refused(void **state)
{
    struct phi_store *second = NULL;
    struct phi_err err = { 0 };
    (void)state;
    pg_sql("INSERT INTO phi.migration (version, name) SELECT max(version) + 1, 'new' FROM phi.migration");
    assert_int_equal(open_pg(&second, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "newer phi"));
    pg_sql("DELETE FROM phi.migration WHERE name = 'new'; DELETE FROM phi.migration WHERE version = 1");
    assert_int_equal(open_pg(&second, &err), PHI_ECORRUPT);
}

static void a_password_in_the_settings_is_refused(void **state)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    struct phi_store_pgsql_opts o = { "host=/nowhere password=x", "", "t", &pg_clock };
    (void)state;
    assert_int_equal(phi_store_pgsql_open(&o, &s, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "password_file"));
}

static void a_place_in_the_log_is_taken_once(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_leaf_row leaf = { 0, PHI_LIT("mine"), PHI_LIT("h") }, other = { 0, PHI_LIT("other"), PHI_LIT("i") }, out;
    struct core_target_row row = { .name = PHI_LIT("with it") };
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_LEAF, &leaf), PHI_OK);
    COMMIT(s);
    BEGIN(s);
    assert_int_equal(DO(s, mark), PHI_OK);
    enum phi_rc rc = DO(s, add, CORE_LEAF, &other);
    if (rc == PHI_OK)
        rc = DO(s, unmark);
    if (rc == PHI_OK)
        rc = DO(s, mark);
    if (rc == PHI_OK)
        rc = DO(s, add, CORE_TARGET, &row);
    if (rc == PHI_OK)
        rc = DO(s, unmark);
    else if (s->ops->say)
        assert_int_not_equal(DO(s, back), PHI_OK); /* nor can the command behind it be undone alone */
    if (rc == PHI_OK)
        rc = DO(s, commit);
    assert_int_not_equal(rc, PHI_OK);
    s->ops->rollback(s->self);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_LEAF, 0, &leaf, &a, &out), PHI_OK);
    assert_true(phi_view_is(out.entry, "mine"));
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &row, &a, &out), PHI_ENOTFOUND);
    COMMIT(s);
}

static void a_lost_connection_fails_the_batch_and_no_more(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_target_row row = { .name = PHI_LIT("shop") }, out;
    static const char cut[] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'store-contract'";
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_TARGET, &row), PHI_OK);
    pg_sql(cut);
    assert_int_equal(DO(s, commit), PHI_EIO);
    s->ops->rollback(s->self);
    BEGIN(s); /* connects anew */
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &row, &a, &out), PHI_ENOTFOUND);
    assert_int_equal(DO(s, add, CORE_TARGET, &row), PHI_OK);
    COMMIT(s);
    pg_sql(cut);
    BEGIN(s); /* died while idle: nobody notices */
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &row, &a, &out), PHI_OK);
    COMMIT(s);
}

/* The server is made to take a second over COMMIT, and the connection is cut in it: the driver asks what became of the
 * transaction, and here that is nothing. */
static void a_connection_lost_in_commit_is_asked_after(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct phi_err err = { 0 };
    struct core_target_row row = { .name = PHI_LIT("shop") }, out;
    pg_sql("CREATE FUNCTION phi.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';"
           "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON phi.target DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION phi.slow()");
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_TARGET, &row), PHI_OK);
    pid_t child = fork();
    if (child == 0) {
        pg_sql("DO $$ BEGIN LOOP PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'store-contract'"
               " AND query = 'COMMIT' AND state = 'active'; EXIT WHEN found; PERFORM pg_stat_clear_snapshot(); END LOOP; END $$");
        _exit(0);
    }
    assert_int_equal(s->ops->commit(s->self, &err), PHI_EIO);
    assert_non_null(strstr(err.msg, "nothing was changed"));
    s->ops->rollback(s->self);
    waitpid(child, NULL, 0);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_TARGET, 0, &row, &a, &out), PHI_ENOTFOUND);
    COMMIT(s);
}

#define WRITER_STEPS 300

/* Each spends one use of a grant at a time, until none is left. */
static int spend_all(void)
{
    struct phi_store *s = NULL;
    int spent = 0;
    if (open_pg(&s, NULL) != PHI_OK)
        return 1000;
    for (;;) {
        PHI_ARENA(a, 1 << 20);
        struct core_grant_row g = grant("g", 0);
        BEGIN(s);
        assert_int_equal(DO(s, get, CORE_GRANT, 0, &g, &a, &g), PHI_OK);
        g.rev++;
        g.used++;
        enum phi_rc rc = DO(s, spend, &g);
        COMMIT(s);
        if (rc != PHI_OK)
            break;
        spent++;
    }
    phi_store_close(s);
    return spent;
}

static void two_writers_at_once_spend_each_use_once(void **state)
{
    struct phi_store *s = *state;
    PHI_ARENA(a, 1 << 20);
    struct core_grant_row g = grant("g", WRITER_STEPS);
    int from[2];
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_GRANT, &g), PHI_OK);
    COMMIT(s);
    assert_int_equal(pipe(from), 0);
    pid_t child = fork();
    if (child == 0) {
        int n = spend_all();
        _exit(write(from[1], &n, sizeof n) != sizeof n);
    }
    int mine = spend_all(), theirs = 0;
    assert_int_equal(read(from[0], &theirs, sizeof theirs), sizeof theirs);
    waitpid(child, NULL, 0);
    close(from[0]);
    close(from[1]);
    assert_int_equal(mine + theirs, WRITER_STEPS);
    assert_true(mine > 0 && theirs > 0);
    BEGIN(s);
    assert_int_equal(DO(s, get, CORE_GRANT, 0, &g, &a, &g), PHI_OK);
    COMMIT(s);
    assert_int_equal(g.used, WRITER_STEPS);
}

static void what_one_says_the_other_hears_once(void **state)
{
    struct phi_store *s = *state, *other = pg_control;
    PHI_ARENA(a, 1 << 20);
    struct phi_event e = { .kind = PHI_EVENT_GRANT, .seq = 7, .grant = PHI_LIT("g"), .target = PHI_LIT("shop") }, *got;
    size_t n;
    bool is_lost;
    BEGIN(s);
    assert_int_equal(DO(s, say, &e, 1), PHI_OK);
    s->ops->rollback(s->self); /* never said */
    e.seq = 8;
    BEGIN(s);
    assert_int_equal(DO(s, say, &e, 1), PHI_OK);
    COMMIT(s);
    BEGIN(other);
    assert_int_equal(DO(other, hear, &a, &got, &n, &is_lost), PHI_OK);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].seq, 8);
    assert_true(phi_view_is(got[0].grant, "g") && phi_view_is(got[0].target, "shop") && !is_lost);
    assert_int_equal(DO(other, hear, &a, &got, &n, &is_lost), PHI_OK);
    assert_int_equal(n, 0);
    COMMIT(other);
    BEGIN(s);
    assert_int_equal(DO(s, hear, &a, &got, &n, &is_lost), PHI_OK); /* not one's own */
    assert_int_equal(n, 0);
    COMMIT(s);
}

/* What is remembered from transaction to transaction holds until another phid has written, whatever that wrote. */
static void what_another_one_writes_is_read_anew(void **state)
{
    struct phi_store *s[] = { *state, pg_control };
    struct core_target_row row = { .name = PHI_LIT("shop"), .kind = PHI_LIT("postgresql") }, out;
    struct core_state_row head = { .id = 0 };
    BEGIN(s[0]);
    assert_int_equal(DO(s[0], add, CORE_STATE, &head), PHI_OK);
    assert_int_equal(DO(s[0], add, CORE_TARGET, &row), PHI_OK);
    COMMIT(s[0]);
    for (int i = 0; i < 40; i++) {
        PHI_ARENA(a, 1 << 16);
        struct phi_store *one = s[i ? rnd(2) : 1], *other = s[i ? rnd(2) : 0];
        row.address = phi_arena_printf(&a, "10.0.0.%d", i);
        BEGIN(one);
        if (rnd(2))
            assert_int_equal(DO(one, mark), PHI_OK);
        assert_int_equal(DO(one, set, CORE_TARGET, &row), PHI_OK);
        if (i && rnd(4) == 0) {
            one->ops->rollback(one->self);
            row.address = (struct phi_view){ 0 };
        } else {
            COMMIT(one);
        }
        BEGIN(other);
        assert_int_equal(DO(other, get, CORE_TARGET, 0, &row, &a, &out), PHI_OK);
        assert_true(row.address.n == 0 || phi_view_eq(out.address, row.address));
        COMMIT(other);
    }
}

static bool leased(struct phi_store *s, int64_t ms)
{
    bool mine = false;
    BEGIN(s);
    assert_int_equal(DO(s, lease, "timer", ms, &mine), PHI_OK);
    COMMIT(s);
    return mine;
}

static void a_lease_has_one_holder(void **state)
{
    struct phi_store *s = *state, *other = pg_control;
    assert_true(leased(s, 60000));
    assert_false(leased(other, 60000));
    assert_true(leased(s, 60000));
    pg_sql("UPDATE phi.lease SET until = now() - interval '1 s'");
    assert_true(leased(other, 60000)); /* it ran out */
    assert_false(leased(s, 60000));
}

/* ---- the clock of all */

static void put_anchor(struct phi_store *s, int64_t wall, int64_t boot)
{
    struct core_state_row st = { .anchor_wall = wall, .anchor_boot = boot, .boot = 1,
                                 .boot_id = phi_view_of(phi_store_pgsql_clock(s)->boot_id(phi_store_pgsql_clock(s)->self)) };
    BEGIN(s);
    if (DO(s, add, CORE_STATE, &st) != PHI_OK)
        assert_int_equal(DO(s, set, CORE_STATE, &st), PHI_OK);
    COMMIT(s);
}

static int64_t now_of(struct phi_store *s)
{
    const struct phi_clock *c = phi_store_pgsql_clock(s);
    return c->boot_ms(c->self);
}

static void the_steady_clock_goes_on_from_machine_to_machine(void **state)
{
    struct phi_store *s = *state, *other = NULL;
    char id[64];
    int64_t wall = pg_wall, boot = pg_boot;
    put_anchor(s, wall, now_of(s));
    int64_t anchor = now_of(s);
    snprintf(id, sizeof id, "%s", phi_store_pgsql_clock(s)->boot_id(phi_store_pgsql_clock(s)->self));
    pg_boot_id = "0ther"; /* another machine, up for a day, 30 s later by the wall */
    pg_boot_id = "b0";
    pg_boot = 86400000;
    pg_wall = wall + 30000;
    assert_int_equal(open_pg(&other, NULL), PHI_OK);
    assert_int_equal(now_of(other), anchor + 30000);
    assert_string_equal(phi_store_pgsql_clock(other)->boot_id(phi_store_pgsql_clock(other)->self), id);
    put_anchor(other, pg_wall, anchor + 90000); /* the others are ahead: this one follows */
    BEGIN(other);
    COMMIT(other);
    assert_int_equal(now_of(other), anchor + 90000);
    phi_store_close(other);
    pg_wall = wall - 1000; /* a wall clock before the last anchor on a machine that was never here: no right goes on */
    pg_boot_id = "b1";
    assert_int_equal(open_pg(&other, NULL), PHI_OK);
    assert_string_not_equal(phi_store_pgsql_clock(other)->boot_id(phi_store_pgsql_clock(other)->self), id);
    phi_store_close(other);
    pg_wall = wall;
    pg_boot = boot;
    pg_boot_id = "b00t";
}

#define OVER(setup, f) { #f " (" #setup ")", f, setup, without, NULL }
#define ALL(f) OVER(with_mem, f), OVER(with_lite, f), OVER(with_pg, f)
#define TWO(f) { #f " (two phids)", f, with_two_pg, without_two, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(a_row_comes_back_as_it_went),
        ALL(a_rollback_leaves_nothing),
        ALL(going_back_to_a_mark_keeps_what_was_before),
        ALL(keys_are_unique),
        ALL(a_change_needs_the_row_that_was_read),
        ALL(spending_is_conditional),
        ALL(lists_are_ordered_and_bounded),
        OVER(with_lite, drivers_answer_alike),
        OVER(with_pg, drivers_answer_alike),
        ALL(a_place_in_the_log_is_taken_once),
        OVER(with_lite, a_newer_file_and_a_second_process_are_refused),
        OVER(with_lite, what_was_committed_is_there_after_opening_again),
        OVER(with_pg, a_newer_database_is_refused),
        OVER(with_pg, a_password_in_the_settings_is_refused),
        OVER(with_pg, a_lost_connection_fails_the_batch_and_no_more),
        OVER(with_pg, a_connection_lost_in_commit_is_asked_after),
        OVER(with_pg, two_writers_at_once_spend_each_use_once),
        TWO(what_one_says_the_other_hears_once),
        TWO(a_lease_has_one_holder),
        TWO(what_another_one_writes_is_read_anew),
        OVER(with_pg, the_steady_clock_goes_on_from_machine_to_machine),
    };
    snprintf(path, sizeof path, "/tmp/phi-store-test-%d.db", (int)getpid());
    return cmocka_run_group_tests(tests, pg_start, NULL);
}
