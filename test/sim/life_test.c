/* The life cycle beyond one vote and one use: rules that vote, narrowing, stages, delegation, break-glass, budgets,
 * windows, extension, revoking many; over both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "core/request_in.h"
#include "kit.h"
#include "store/sqlite.h"

#define assert_rc(k, call, want)                                                                   \
    do {                                                                                           \
        enum phi_rc rc_ = (call);                                                                  \
        if (rc_ != (want))                                                                         \
            print_error("%s: %s (%s)\n", #call, (k)->err.msg, (k)->why);                           \
        assert_int_equal(rc_, want);                                                               \
    } while (0)
#define assert_ok(k, call) assert_rc(k, call, PHI_OK)
#define assert_no(k, call, code, name)                                                             \
    do {                                                                                           \
        assert_rc(k, call, code);                                                                  \
        assert_string_equal((k)->why, name);                                                       \
    } while (0)

#define SQL "DELETE FROM orders WHERE id = 7"
#define HOUR (3600LL * 1000)
#define TWO "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 15m}\n"
#define DBA "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 15m}\n" TWO

static char path[64];

static void remove_file(void)
{
    char side[80];
    static const char *const ends[] = { "", "-wal", "-journal" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(side, sizeof side, "%s%s", path, ends[i]);
        unlink(side);
    }
}

static int over_mem(void **state)
{
    struct kit *k = calloc(1, sizeof *k);
    kit_open(k, phi_store_mem_open(), 1);
    *state = k;
    return 0;
}

static int over_sqlite(void **state)
{
    struct kit *k = calloc(1, sizeof *k);
    struct phi_store *s = NULL;
    remove_file();
    if (phi_store_sqlite_open(path, &s, NULL) != PHI_OK)
        return -1;
    kit_open(k, s, 1);
    *state = k;
    return 0;
}

static int close_kit(void **state)
{
    struct kit *k = *state;
    struct phi_store *s = k->store;
    enum phi_rc rc = k->core ? kit_invariants(k) : PHI_OK;
    if (rc != PHI_OK)
        print_error("%s\n", k->err.msg);
    kit_close(k);
    phi_store_close(s);
    remove_file();
    free(k);
    return rc == PHI_OK ? 0 : -1;
}

static struct phi_request ask(struct kit *k)
{
    struct phi_request_answer ans;
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s1", &ans));
    if (ans.kind != PHI_ANSWER_PENDING)
        print_error("answer %d: " PHI_FMT "\n", (int)ans.kind, PHI_ARG(ans.reason));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    return ans.request;
}

/* ---- rules */

static void a_rule_approves_within_its_own_policy_and_is_logged_like_a_person(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request r;
    assert_ok(k, kit_bundle(k,
                            "@id(\"auto-orders\") permit (principal == Service::\"auto\", action == phi::Action::\"approve\", resource is Request)\n"
                            "when { resource has table && resource.table == Table::\"[\\\"shop\\\",\\\"public\\\",\\\"orders\\\"]\" };\n",
                            "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"']}], ttl: 15m}\n" TWO));
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_GRANT);
    assert_int_equal(ans.grant.status, PHI_GRANT_READY);
    assert_ok(k, kit_get(k, KIT_ALICE, ans.grant.request, &r));
    assert_int_equal(r.n_votes, 1);
    assert_true(phi_view_is(r.votes[0].name, "auto"));
    assert_true(kit_log_has(k, "\"by\":{\"id\":\"auto\",\"type\":\"Service\"}"));
}

static void a_rule_whose_policy_says_nothing_leaves_it_to_people(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"']}], ttl: 15m}\n" TWO));
    struct phi_request r = ask(k);
    assert_int_equal(r.n_votes, 0);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

static void a_rule_counts_as_one_and_not_twice(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "@id(\"auto\") permit (principal == Service::\"auto\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"'], count: 2}], ttl: 15m}\n" TWO));
    struct phi_request r = ask(k);
    assert_int_equal(r.n_votes, 1);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

/* ---- narrowing */

static void a_vote_may_cut_resources_uses_and_time(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_claim c;
    struct phi_ref orders = phi_ref_make(&k->a, "Table", "shop", "public", "orders", NULL);
    struct phi_ref secret = phi_ref_make(&k->a, "Table", "other", "public", "orders", NULL);
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:write", "shop/public", 600000, 0, &ans));
    struct phi_narrowing wider = { .resources = &secret, .n_resources = 1 };
    assert_no(k, kit_narrow(k, KIT_BOB, &ans.request, &wider, &after), PHI_EINPUT, "vote.wider");
    struct phi_narrowing n = { .resources = &orders, .n_resources = 1, .uses = 2, .until_ms = k->wall + 60000,
                               .from_ms = k->wall + 10000 };
    assert_ok(k, kit_narrow(k, KIT_BOB, &ans.request, &n, &after));
    assert_non_null(after.grant);
    assert_int_equal(after.grant->uses, 2);
    assert_int_equal(after.grant->remaining_ms, 60000);
    assert_non_null(memmem(after.grant->scope.p, after.grant->scope.n, "orders", 6));
    struct phi_view g = after.grant->id;
    assert_no(k, kit_claim(k, 1, KIT_ALICE, g, PHI_LIT(""), "pg:delete", "k1", &c), PHI_EDENIED, "grant.early");
    kit_pass(k, 10000);
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, g, PHI_LIT(""), "pg:delete", "k1", &c));
    assert_int_equal(c.remaining_ms, 50000);
}

/* ---- stages and sets */

static void stages_take_their_votes_in_order(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_group(k, KIT_CAROL, "lead", true));
    assert_ok(k, kit_bundle(k, "@id(\"leads\") permit (principal in Group::\"lead\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: 'Group::\"dba\"', stage: 1}, {from: 'Group::\"lead\"', stage: 2}], ttl: 15m}\n" TWO));
    assert_ok(k, kit_group(k, KIT_CAROL, "dba", false));
    struct phi_request r = ask(k);
    assert_int_equal(r.needs[0].needs[0].stage, 1);
    assert_no(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
    assert_int_equal(after.needs[0].needs[0].stage, 2);
    assert_no(k, kit_vote(k, KIT_DORA, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    assert_ok(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

static void each_set_is_filled_on_its_own_and_a_person_counts_once(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_group(k, KIT_BOB, "lead", true));
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"'}, {from: 'Group::\"lead\"'}], ttl: 15m}\n" TWO));
    struct phi_request r = ask(k);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after)); /* in both sets, and one person */
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
    assert_ok(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

#define OVER(setup, f) { #f " (" #setup ")", f, setup, close_kit, NULL }
#define T(f) OVER(over_mem, f), OVER(over_sqlite, f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_rule_approves_within_its_own_policy_and_is_logged_like_a_person),
        T(a_rule_whose_policy_says_nothing_leaves_it_to_people),
        T(a_rule_counts_as_one_and_not_twice),
        T(a_vote_may_cut_resources_uses_and_time),
        T(stages_take_their_votes_in_order),
        T(each_set_is_filled_on_its_own_and_a_person_counts_once),
    };
    snprintf(path, sizeof path, "/tmp/phi-life-test-%d.db", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
