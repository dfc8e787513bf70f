/* Forgetting somebody while the log is long: nobody waits for it, nothing is left out, over restarts too. */
#include "core/request_in.h"
#include "stage.h"

#define LONG (2 * PHI_FORGET_ENTRIES + 700)

static enum phi_rc run_fill(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct kit *k = arg;
    struct phi_actor root = kit_actor(k, KIT_ROOT);
    for (int i = 0; i < LONG; i++) {
        struct phi_entry e;
        core_entry(c, &e, PHI_EV_PROFILE_CHANGED, &root);
        phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", root.id));
        PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    }
    return PHI_OK;
}

static size_t said(struct kit *k, const char *text)
{
    struct core_text_row *rows;
    struct core_span all = { 0 };
    size_t n, found = 0;
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->list(k->store->self, CORE_TEXT_OF, 0, NULL, &all, &k->a, &rows, &n, NULL), PHI_OK);
    k->store->ops->rollback(k->store->self);
    for (size_t i = 0; i < n; i++)
        found += memmem(rows[i].text.p, rows[i].text.n, text, strlen(text)) != NULL;
    return found;
}

static size_t erased(struct kit *k)
{
    struct core_leaf_row *rows;
    struct core_span all = { 0 };
    size_t n, found = 0;
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->list(k->store->self, CORE_LEAF, 0, NULL, &all, &k->a, &rows, &n, NULL), PHI_OK);
    k->store->ops->rollback(k->store->self);
    for (size_t i = 0; i < n; i++)
        found += memmem(rows[i].entry.p, rows[i].entry.n, "body.erased", 11) != NULL;
    return found;
}

static void a_long_log_is_read_by_and_by_over_restarts_and_nothing_is_left(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), after;
    int64_t left, next;
    assert_ok(k, phi_core_do(k->core, run_fill, k, &k->err));
    assert_ok(k, kit_remark(k, KIT_BOB, r.id, true, &after)); /* the last entries of all say what bob wrote */
    assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
    assert_int_equal(said(k, "why at night?") + said(k, "because"), 2);
    assert_ok(k, kit_forget_person(k, KIT_BOB, &left));
    assert_true(left > PHI_FORGET_ENTRIES);
    assert_int_equal(said(k, "why at night?") + said(k, "because"), 2);
    size_t before = erased(k);
    assert_ok(k, kit_tick(k, &next));
    assert_int_equal(next, 0); /* it goes on at once, between what others ask */
    assert_int_equal(erased(k), before);
    snprintf(k->boot_id, sizeof k->boot_id, "boot-2"); /* the machine goes down in between */
    assert_ok(k, kit_reopen(k));
    for (int i = 0; i < 5; i++)
        assert_ok(k, kit_tick(k, &next));
    assert_true(next > 0);
    assert_int_equal(said(k, "why at night?") + said(k, "because"), 0);
    assert_int_equal(erased(k), before + 1);
    assert_ok(k, kit_get(k, KIT_ALICE, r.id, &after)); /* what alice asked is hers, and stays */
    assert_true(after.body.n > 0);
}

static void what_a_void_vote_said_is_found_too(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    int64_t left;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"', count: 2}]}\n" TWO));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    ask.for_ms++;
    assert_ok(k, kit_refile(k, KIT_ALICE, ans.request.id, &ask, &after));
    assert_int_equal(said(k, "because"), 1);
    assert_ok(k, kit_forget_person(k, KIT_BOB, &left));
    assert_int_equal(left, 0);
    assert_int_equal(said(k, "because"), 0);
}

static void why_many_were_revoked_is_found_too(void **state)
{
    struct kit *k = *state;
    struct phi_revoke_filter all = { .everything = true };
    struct phi_revoked_many m;
    assert_ok(k, kit_group(k, KIT_BOB, "admin", true));
    assert_ok(k, kit_revoke_many(k, KIT_BOB, &all, &m));
    assert_int_equal(said(k, "clearing up"), 1);
    assert_ok(k, kit_forget_person(k, KIT_BOB, NULL));
    assert_int_equal(said(k, "clearing up"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_long_log_is_read_by_and_by_over_restarts_and_nothing_is_left),
        OVER(over_mem, what_a_void_vote_said_is_found_too),
        OVER(over_mem, why_many_were_revoked_is_found_too),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
