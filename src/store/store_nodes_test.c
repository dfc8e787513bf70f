/* Several phids on one database: places, leases, what one hears of another, connections that go, and the clock of all. */
#include "store/migrations.h"
#include "store/test_stage.h"

/* ---- several phids on one database */

static void a_newer_database_is_refused(void **state)
{
    struct phi_store *second = NULL;
    struct phi_err err = { 0 };
    (void)state;
    pg_sql("INSERT INTO phi.migration (version, name, digest) SELECT max(version) + 1, 'new', '' FROM phi.migration");
    assert_int_equal(open_pg(&second, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "newer phi"));
    pg_sql("DELETE FROM phi.migration WHERE name = 'new'; DELETE FROM phi.migration WHERE version = 1");
    assert_int_equal(open_pg(&second, &err), PHI_ECORRUPT);
}

static void a_database_of_another_build_is_refused(void **state)
{
    static const char *const edits[] = { "UPDATE phi.migration SET digest = 'x' || digest WHERE version = 2", "ALTER TABLE phi.migration DROP COLUMN digest" };
    struct phi_store *second = NULL;
    struct phi_err err = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        pg_sql(edits[i]);
        assert_int_equal(open_pg(&second, &err), PHI_EINPUT);
        assert_non_null(strstr(err.msg, "another build of phi"));
        assert_non_null(strstr(err.msg, i ? "001_first.sql" : "002_life.sql"));
        assert_non_null(strstr(err.msg, "where there is none"));
    }
}

/* ---- an older schema */

static void pg_holds(const char *condition)
{
    char sql[1200];
    snprintf(sql, sizeof sql, "DO $$ BEGIN ASSERT (%s); END $$", condition);
    pg_sql(sql);
}

/* Every column and index as it was, and what stood in it. */
#define SHAPE(schema)                                                                                                              \
    "SELECT table_name::text, column_name::text, ordinal_position::text, data_type || is_nullable || coalesce(column_default, '')" \
    " FROM information_schema.columns WHERE table_schema = '" schema "' UNION ALL"                                                 \
    " SELECT tablename::text, indexname::text, '', replace(indexdef, '" schema ".', '') FROM pg_indexes WHERE schemaname = '" schema "'"

/* As the first release left it, with one target in it. */
static int with_first_schema(void **state)
{
    PHI_BUF(sql, 64 * 1024);
    *state = NULL;
    phi_buf_adds(&sql, "SET client_min_messages = error; DROP SCHEMA IF EXISTS phi CASCADE; DROP SCHEMA IF EXISTS phi_schema_1 CASCADE; CREATE SCHEMA phi;"
                       "SET search_path = phi; CREATE TABLE migration (version INT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now());");
    phi_buf_adds(&sql, store_migrations[0].pgsql);
    phi_buf_printf(&sql, "INSERT INTO migration VALUES (1, 'first', '%s');", store_migrations[0].digest);
    phi_buf_adds(&sql, "INSERT INTO target VALUES ('shop', 'k', 'a', 'd');"
                       "DROP TABLE IF EXISTS public.shape; CREATE TABLE public.shape AS " SHAPE("phi"));
    pg_sql(phi_buf_str(&sql));
    return 0;
}

static int without_copies(void **state)
{
    pg_sql("SET client_min_messages = error; DROP SCHEMA IF EXISTS phi_schema_1 CASCADE; DROP TABLE public.shape");
    return without(state);
}

static const char is_first_schema[] =
    "(SELECT max(version) FROM phi_schema_1.migration) = 1 AND (SELECT convert_from(name, 'UTF8') FROM phi_schema_1.target) = 'shop'"
    " AND NOT EXISTS (SELECT * FROM shape EXCEPT (" SHAPE("phi_schema_1") "))";

static void before_a_migration_the_old_schema_is_kept(void **state)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    (void)state;
    assert_int_equal(open_pg(&s, &err), PHI_OK);
    phi_store_close(s);
    pg_holds(is_first_schema);
    assert_int_equal(open_pg(&s, &err), PHI_OK); /* nothing to change now */
    phi_store_close(s);
    pg_sql("SET client_min_messages = error; DROP SCHEMA phi CASCADE; ALTER SCHEMA phi_schema_1 RENAME TO phi"); /* back, and on again */
    assert_int_equal(open_pg(&s, &err), PHI_OK);
    phi_store_close(s);
    pg_holds(is_first_schema);
}

static void a_copy_that_is_kept_already_is_not_overwritten(void **state)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    (void)state;
    pg_sql("CREATE SCHEMA phi_schema_1");
    assert_int_equal(open_pg(&s, &err), PHI_ECONFLICT);
    assert_non_null(strstr(err.msg, "phi_schema_1"));
    pg_holds("(SELECT max(version) FROM phi.migration) = 1 AND to_regclass('phi.lease') IS NULL"); /* nothing at all was changed */
}

static void without_a_copy_nothing_is_changed_unless_told_so(void **state)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    struct phi_store_pgsql_opts o = { conninfo, "", "t", &pg_clock, true };
    char sql[sizeof conninfo + 32];
    (void)state;
    pg_sql("SET client_min_messages = error; DROP ROLE IF EXISTS phi_poor; CREATE ROLE phi_poor LOGIN; ALTER SCHEMA phi OWNER TO phi_poor;"
           "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'phi' LOOP EXECUTE format('ALTER TABLE phi.%I OWNER TO phi_poor', t); END LOOP; END $$");
    snprintf(sql, sizeof sql, "%s user=phi_poor", conninfo);
    o.conninfo = sql; /* may not create a schema */
    o.no_copy = false;
    assert_int_equal(phi_store_pgsql_open(&o, &s, &err), PHI_EIO);
    pg_holds("(SELECT max(version) FROM phi.migration) = 1 AND to_regnamespace('phi_schema_1') IS NULL");
    o.conninfo = conninfo;
    o.no_copy = true;
    assert_int_equal(phi_store_pgsql_open(&o, &s, &err), PHI_OK);
    phi_store_close(s);
    pg_holds("(SELECT max(version) FROM phi.migration) > 1 AND to_regnamespace('phi_schema_1') IS NULL");
}

static void a_password_in_the_settings_is_refused(void **state)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    struct phi_store_pgsql_opts o = { "host=/nowhere password=x", "", "t", &pg_clock, false };
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

/* ---- few journeys */

static void put_anchor(struct phi_store *s, int64_t wall, int64_t boot)
{
    struct core_state_row st = { .anchor_wall = wall, .anchor_boot = boot, .boot = 1,
                                 .boot_id = phi_view_of(phi_store_pgsql_clock(s)->boot_id(phi_store_pgsql_clock(s)->self)) };
    BEGIN(s);
    if (DO(s, add, CORE_STATE, &st) != PHI_OK)
        assert_int_equal(DO(s, set, CORE_STATE, &st), PHI_OK);
    COMMIT(s);
}

#define MANY 64

static void many_uses_in_one_batch_are_few_journeys(void **state)
{
    struct phi_store *s = *state;
    struct core_grant_row g[MANY], out;
    struct core_read reads[MANY];
    char id[MANY][8];
    PHI_ARENA(a, 1 << 20);
    BEGIN(s);
    for (int i = 0; i < MANY; i++) {
        snprintf(id[i], sizeof id[i], "g%d", i);
        g[i] = grant(id[i], 2);
        reads[i] = (struct core_read){ .table = CORE_GRANT, .key = &g[i] };
        assert_int_equal(DO(s, add, CORE_GRANT, &g[i]), PHI_OK);
    }
    COMMIT(s);
    BEGIN(s);
    s->ops->rollback(s->self); /* remembers nothing */
    int64_t trips = phi_store_pgsql_trips(s);
    BEGIN(s);
    assert_int_equal(DO(s, ahead, reads, MANY), PHI_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(DO(s, mark), PHI_OK);
        assert_int_equal(DO(s, get, CORE_GRANT, 0, &g[i], &a, &out), PHI_OK);
        out.rev++;
        out.used++;
        assert_int_equal(DO(s, spend, &out), PHI_OK);
        assert_int_equal(i % 2 ? DO(s, back) : DO(s, unmark), PHI_OK); /* every other one is undone */
    }
    COMMIT(s);
    assert_true(phi_store_pgsql_trips(s) - trips <= 4);
    pg_holds("(SELECT count(*) FROM phi.grants WHERE used = 1 AND rev = 1) = 32 AND (SELECT count(*) FROM phi.grants WHERE used = 0 AND rev = 0) = 32");
}

static void what_was_changed_by_hand_meanwhile_fails_the_whole_batch(void **state)
{
    struct phi_store *s = *state;
    struct core_grant_row g = grant("g", 2), other = grant("other", 2);
    put_anchor(s, pg_wall, pg_boot);
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_GRANT, &g), PHI_OK);
    assert_int_equal(DO(s, add, CORE_GRANT, &other), PHI_OK);
    COMMIT(s);
    pg_sql("UPDATE phi.grants SET used = 1 WHERE id = 'g'");
    BEGIN(s);
    g.rev = other.rev = 1;
    g.used = other.used = 1;
    assert_int_equal(DO(s, spend, &other), PHI_OK);
    assert_int_equal(DO(s, spend, &g), PHI_OK); /* as far as is known here */
    assert_int_not_equal(DO(s, commit), PHI_OK);
    s->ops->rollback(s->self);
    pg_holds("(SELECT used FROM phi.grants WHERE id = 'other') = 0");
}

/* Uses of one grant within a batch become one change of its row, under the condition of all of them. */
static void uses_of_one_grant_become_one_change(void **state)
{
    struct phi_store *s = *state;
    struct core_grant_row g = grant("g", 3);
    BEGIN(s);
    assert_int_equal(DO(s, add, CORE_GRANT, &g), PHI_OK);
    COMMIT(s);
    BEGIN(s);
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(DO(s, mark), PHI_OK);
        g.rev = g.used = i;
        assert_int_equal(DO(s, spend, &g), i <= 3 ? PHI_OK : PHI_ECONFLICT);
        assert_int_equal(i <= 3 ? DO(s, unmark) : DO(s, back), PHI_OK);
    }
    COMMIT(s);
    pg_holds("(SELECT used = 3 AND rev = 3 FROM phi.grants WHERE id = 'g')");
}

/* ---- the clock of all */

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

#define FIRST(f) { #f, f, with_first_schema, without_copies, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(a_place_in_the_log_is_taken_once),
        OVER(with_pg, a_newer_database_is_refused),
        OVER(with_pg, a_database_of_another_build_is_refused),
        FIRST(before_a_migration_the_old_schema_is_kept),
        FIRST(a_copy_that_is_kept_already_is_not_overwritten),
        FIRST(without_a_copy_nothing_is_changed_unless_told_so),
        OVER(with_pg, a_password_in_the_settings_is_refused),
        OVER(with_pg, a_lost_connection_fails_the_batch_and_no_more),
        OVER(with_pg, a_connection_lost_in_commit_is_asked_after),
        OVER(with_pg, two_writers_at_once_spend_each_use_once),
        TWO(what_one_says_the_other_hears_once),
        TWO(a_lease_has_one_holder),
        TWO(what_another_one_writes_is_read_anew),
        OVER(with_pg, many_uses_in_one_batch_are_few_journeys),
        OVER(with_pg, what_was_changed_by_hand_meanwhile_fails_the_whole_batch),
        OVER(with_pg, uses_of_one_grant_become_one_change),
        OVER(with_pg, the_steady_clock_goes_on_from_machine_to_machine),
    };
    test_path(path, sizeof path, "store-nodes.db");
    return cmocka_run_group_tests(tests, pg_start, NULL);
}
