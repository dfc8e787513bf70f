/* The store held against its log: whatever column of whatever row is changed by hand, it is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/compare.h"
#include "kit.h"
#include "store/mem.h"

static struct kit k;
static struct phi_store *store;

static enum phi_rc compare_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    bool done = false;
    while (!done)
        PHI_TRY(phi_compare_step(c, arg, 7, &done, err));
    return PHI_OK;
}

static enum phi_rc compare(struct phi_err *err)
{
    struct phi_compare *x = phi_compare_open();
    assert_non_null(x);
    enum phi_rc rc = phi_core_do(k.core, compare_run, x, err);
    phi_compare_close(x);
    return rc;
}

/* Requests in every state, grants with uses, an outcome, a delegation, people who came and went. */
static int some_history(void **state)
{
    struct phi_request_answer ask;
    struct phi_request r;
    struct phi_claim claim;
    struct phi_delegation d;
    (void)state;
    store = phi_store_mem_open();
    assert_non_null(store);
    kit_open(&k, store, 29);
    for (int i = 0; i < 4; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DELETE FROM orders WHERE id = %d", i);
        assert_int_equal(kit_ask(&k, 1, KIT_ALICE, sql, "pg:delete", "s1", &ask), PHI_OK);
        assert_int_equal(kit_vote(&k, KIT_BOB, &ask.request, i != 1, 0, &r), PHI_OK);
        if (i < 1 || i > 2)
            continue;
    }
    assert_int_equal(kit_scope(&k, KIT_ALICE, "pg:write", "shop/public.orders", 600000, 3, &ask), PHI_OK);
    assert_int_equal(kit_vote(&k, KIT_BOB, &ask.request, true, 0, &r), PHI_OK);
    assert_non_null(r.grant);
    for (int i = 0; i < 2; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(kit_claim(&k, 1, KIT_ALICE, r.grant->id, (struct phi_view){ 0 }, "pg:delete", key, &claim), PHI_OK);
        if (i == 0)
            assert_int_equal(kit_outcome(&k, 1, claim.id, PHI_OUTCOME_DONE), PHI_OK);
    }
    assert_int_equal(kit_delegate(&k, KIT_BOB, KIT_DORA, 600000, &d), PHI_OK);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    kit_close(&k);
    phi_store_close(store);
    return 0;
}

static void an_untouched_store_is_what_its_log_says(void **state)
{
    struct phi_err err = { 0 };
    (void)state;
    if (compare(&err) != PHI_OK)
        fail_msg("%s", err.msg);
}

/* ---- changes by hand, past core */

static void begin(void)
{
    assert_int_equal(store->ops->begin(store->self, NULL), PHI_OK);
}

static void commit(void)
{
    assert_int_equal(store->ops->commit(store->self, NULL), PHI_OK);
}

/* One byte or one bit of the column, in a copy of the row. */
static void flip(struct phi_arena *a, const struct core_column *c, char *row)
{
    if (c->kind == CORE_INT) {
        *(int64_t *)(void *)(row + c->at) ^= 1;
        return;
    }
    struct phi_view *v = (struct phi_view *)(void *)(row + c->at);
    uint8_t *p = phi_arena_alloc(a, v->n + 1);
    if (v->n)
        memcpy(p, v->p, v->n);
    if (v->n)
        p[v->n / 2] ^= 1;
    else
        p[0] = 'x';
    *v = phi_view_mem(p, v->n ? v->n : 1);
}

static bool in_key(const struct core_table_def *d, int col)
{
    for (int i = 0; i < d->index[0].n; i++)
        if (d->index[0].cols[i] == col)
            return true;
    return false;
}

/* Puts `row` where `was` is, whatever of it is the key. */
static enum phi_rc put(enum core_table t, const void *was, void *row, bool moved)
{
    const struct core_table_def *d = core_table_of(t);
    if (moved) {
        enum phi_rc rc = store->ops->del(store->self, t, was, NULL);
        return rc == PHI_OK ? store->ops->add(store->self, t, row, NULL) : rc;
    }
    if (d->rev >= 0) { /* compare and set would see it */
        PHI_TRY(store->ops->del(store->self, t, was, NULL));
        return store->ops->add(store->self, t, row, NULL);
    }
    return store->ops->set(store->self, t, row, NULL);
}

static void a_row(enum core_table t, char *row, size_t *found, size_t *tried)
{
    const struct core_table_def *d = core_table_of(t);
    for (int i = 0; i < d->n_cols; i++) {
        PHI_ARENA(a, (size_t)16 << 20);
        struct phi_err err = { 0 };
        char *other = phi_arena_alloc(&a, d->size);
        memcpy(other, row, d->size);
        flip(&a, &d->cols[i], other);
        begin();
        if (put(t, row, other, in_key(d, i)) != PHI_OK) { /* a key that is taken */
            store->ops->rollback(store->self);
            continue;
        }
        commit();
        bool seen = compare(&err) == PHI_ECORRUPT;
        if (!seen)
            print_error("%s.%s was changed and not found\n", d->name, d->cols[i].name);
        *found += seen;
        ++*tried;
        begin();
        assert_int_equal(put(t, other, row, in_key(d, i)), PHI_OK);
        commit();
    }
}

static char *rows_of(struct phi_arena *a, enum core_table t, size_t *n)
{
    char *rows;
    begin();
    assert_int_equal(store->ops->list(store->self, t, CORE_BY_KEY, NULL, &(struct core_span){ 0 }, a, &rows, n, NULL), PHI_OK);
    store->ops->rollback(store->self);
    return rows;
}

static void attack_29_every_column_of_what_gives_rights_is_found_when_changed_by_hand(void **state)
{
    static const enum core_table tables[] = { CORE_REQUEST, CORE_VOTE, CORE_GRANT, CORE_CLAIM, CORE_DELEGATION, CORE_LEAF };
    size_t found = 0, tried = 0;
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        PHI_ARENA(a, (size_t)64 << 20);
        size_t n;
        char *rows = rows_of(&a, tables[i], &n);
        assert_true(n > 0);
        for (size_t r = 0; r < n && r < 3; r++)
            a_row(tables[i], rows + r * core_table_of(tables[i])->size, &found, &tried);
    }
    print_message("%zu of %zu changes were found\n", found, tried);
    assert_true(tried > 150);
    assert_int_equal(found, tried);
    an_untouched_store_is_what_its_log_says(NULL);
}

static void removed_and_added(enum core_table t)
{
    PHI_ARENA(a, (size_t)64 << 20);
    size_t n;
    struct phi_err err = { 0 };
    const struct core_table_def *d = core_table_of(t);
    char *rows = rows_of(&a, t, &n), *forged = phi_arena_alloc(&a, d->size);
    assert_true(n > 0);
    begin();
    assert_int_equal(store->ops->del(store->self, t, rows, NULL), PHI_OK);
    commit();
    if (compare(&err) != PHI_ECORRUPT)
        fail_msg("a row of %s is gone and nobody noticed", d->name);
    begin();
    assert_int_equal(store->ops->add(store->self, t, rows, NULL), PHI_OK);
    memcpy(forged, rows, d->size);
    flip(&a, &d->cols[d->index[0].cols[0]], forged);
    assert_int_equal(store->ops->add(store->self, t, forged, NULL), PHI_OK);
    commit();
    if (compare(&err) != PHI_ECORRUPT)
        fail_msg("a row of %s was added and nobody noticed", d->name);
    begin();
    assert_int_equal(store->ops->del(store->self, t, forged, NULL), PHI_OK);
    commit();
}

static void attack_29_members_credentials_people_and_policies_added_or_removed_by_hand_are_found(void **state)
{
    (void)state;
    removed_and_added(CORE_MEMBER);
    removed_and_added(CORE_CREDENTIAL);
    an_untouched_store_is_what_its_log_says(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_store_is_what_its_log_says),
        cmocka_unit_test(attack_29_every_column_of_what_gives_rights_is_found_when_changed_by_hand),
        cmocka_unit_test(attack_29_members_credentials_people_and_policies_added_or_removed_by_hand_are_found),
    };
    return cmocka_run_group_tests(tests, some_history, close_all);
}
