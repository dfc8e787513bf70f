/* What every driver must do, run over each; then the drivers against each other, call by call. */
#include <sqlite3.h>

#include "store/test_stage.h"

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

/* A hint: whatever is read ahead, the answers stay the same. */
static void read_ahead(struct phi_store *s, enum core_table t, const void *key)
{
    struct core_read reads[16];
    size_t n = 0;
    for (int ix = 0; ix < core_table_of(t)->n_index; ix++) {
        if (core_table_of(t)->index[ix].unique)
            reads[n++] = (struct core_read){ .table = t, .ix = ix, .key = key };
        reads[n++] = (struct core_read){ .table = t, .ix = ix, .list = true, .key = key, .span = { .prefix = 1, .limit = (int64_t)rnd(2) } };
    }
    if (s->ops->ahead)
        assert_int_equal(DO(s, ahead, reads, n), PHI_OK);
}

/* Tables whose rows the steps meet again and again; NULL: any table. */
static const enum core_table *few;

static void same_step(struct phi_store *m, struct phi_store *l)
{
    PHI_ARENA(a, 1 << 20);
    _Alignas(16) char row[1024];
    enum core_table t = few ? few[rnd(4)] : (enum core_table)rnd(CORE_TABLES);
    random_row(t, row, &a);
    switch (rnd(10)) {
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
    case 7:
        read_ahead(l, t, row);
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

/* Every row of these tables; after a rollback, when a driver remembers nothing. */
static void same_tables(struct phi_store *m, struct phi_store *l)
{
    PHI_ARENA(a, 1 << 20);
    char *x, *y;
    size_t nx, ny;
    BEGIN(m);
    BEGIN(l);
    for (int i = 0; few && i < 4; i++) {
        assert_int_equal(DO(m, list, few[i], 0, NULL, &(struct core_span){ 0 }, &a, &x, &nx), PHI_OK);
        assert_int_equal(DO(l, list, few[i], 0, NULL, &(struct core_span){ 0 }, &a, &y, &ny), PHI_OK);
        assert_int_equal(nx, ny);
        same_rows(core_table_of(few[i]), few[i], x, y, nx);
    }
    COMMIT(m);
    COMMIT(l);
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
        uint64_t what = rnd(4);
        both(m, l, what);
        if (what == 0)
            same_tables(m, l);
    }
    phi_store_close(m);
}

static void drivers_answer_alike_on_few_rows(void **state)
{
    static const enum core_table sets[][4] = { { CORE_GRANT, CORE_HABIT, CORE_TEXT_OF, CORE_PERSON },
                                               { CORE_GRANT, CORE_TOKEN, CORE_MEMBER, CORE_CONTACT } };
    for (size_t i = 0; i < 2; i++) {
        struct phi_store *s = *state;
        if (i && s->ops->say) { /* an empty store again */
            without(state);
            with_pg(state);
        } else if (i) {
            without(state);
            with_lite(state);
        }
        few = sets[i];
        drivers_answer_alike(state);
    }
    few = NULL;
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

static void a_file_of_another_build_is_refused(void **state)
{
    static const char *const edits[] = { "UPDATE migration SET digest = 'x' || digest WHERE version = 2", "DROP TABLE migration" };
    struct phi_store *second = NULL;
    struct phi_err err = { 0 };
    sqlite3 *db;
    phi_store_close(*state);
    *state = NULL;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, edits[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(phi_store_sqlite_open(path, &second, &err), PHI_EINPUT);
        assert_non_null(strstr(err.msg, "another build of phi"));
        assert_non_null(strstr(err.msg, i ? "001_first.sql" : "002_life.sql"));
        assert_non_null(strstr(err.msg, "where there is none"));
    }
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
        OVER(with_lite, drivers_answer_alike_on_few_rows),
        OVER(with_pg, drivers_answer_alike_on_few_rows),
        OVER(with_lite, a_newer_file_and_a_second_process_are_refused),
        OVER(with_lite, a_file_of_another_build_is_refused),
        OVER(with_lite, what_was_committed_is_there_after_opening_again),
    };
    test_path(path, sizeof path, "store-test.db");
    return cmocka_run_group_tests(tests, pg_start, NULL);
}
