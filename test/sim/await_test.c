/* Claims that are filed before the approval: made with the grant, refused without a trace, given back. */
#include "stage.h"
#include "store/mem.h"

static void filed(struct kit *k, const struct phi_request *r, const char *session, const char *key)
{
    bool kept = false;
    k->session = session;
    assert_ok(k, kit_await(k, 1, KIT_ALICE, r->id, r->act, "pg:delete", key, &kept));
    assert_true(kept);
}

static void not_filed(struct kit *k, int gw, const struct phi_request *r, const char *session, const char *key)
{
    bool kept = true;
    k->session = session;
    assert_ok(k, kit_await(k, gw, KIT_ALICE, r->id, r->act, "pg:delete", key, &kept));
    assert_false(kept);
}

static struct phi_grant_view approved(struct kit *k, const struct phi_request *r)
{
    struct phi_request after;
    struct phi_grant_view g;
    assert_ok(k, kit_vote(k, KIT_BOB, r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    assert_ok(k, kit_grant(k, after.grant->id, &g));
    return g;
}

static enum phi_rc claim(struct kit *k, const struct phi_grant_view *g, const char *session, const char *key, struct phi_claim *ret)
{
    k->session = session;
    return kit_claim(k, 1, KIT_ALICE, g->id, g->act, "pg:delete", key, ret);
}

static void assert_used(struct kit *k, const struct phi_grant_view *g, int64_t used)
{
    struct phi_grant_view now;
    assert_ok(k, kit_grant(k, g->id, &now));
    assert_int_equal(now.used, used);
}

static void the_claim_is_made_with_the_grant(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    filed(k, &r, "s1", "k1"); /* anew: the same one */
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.status, PHI_GRANT_ACTIVE);
    assert_int_equal(g.used, 1);
    assert_ok(k, claim(k, &g, "s1", "k1", &c));
    assert_true(c.again);
    assert_int_equal(c.remaining_ms, 15 * 60 * 1000);
    assert_no(k, claim(k, &g, "s1", "k2", &c), PHI_ECONFLICT, "grant.used");
    assert_ok(k, claim(k, &g, "s1", "k1", &c));
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_DONE));
    assert_ok(k, kit_withdraw(k, 1, r.id, "k1")); /* it has its outcome */
    assert_ok(k, kit_grant(k, g.id, &g));
    assert_int_equal(g.status, PHI_GRANT_USED);
    not_filed(k, 1, &r, "s1", "k3"); /* it is not pending any more */
}

static void one_that_is_refused_leaves_no_trace(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    bool kept;
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_await(k, 1, KIT_ALICE, r.id, r.act, "pg:update", "k1", &kept)); /* it means something else */
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.status, PHI_GRANT_READY);
    assert_false(kit_log_has(k, "grant.claimed"));
    assert_ok(k, claim(k, &g, "s1", "k1", &c));
    assert_false(c.again);
}

static void what_was_withdrawn_is_not_made_also_when_a_filing_comes_late(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    assert_ok(k, kit_withdraw(k, 1, r.id, "k1"));
    assert_ok(k, kit_withdraw(k, 1, r.id, "k1"));
    not_filed(k, 1, &r, "s1", "k1");
    assert_ok(k, kit_withdraw(k, 1, r.id, "k2")); /* it overtook its filing */
    not_filed(k, 1, &r, "s1", "k2");
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.status, PHI_GRANT_READY);
    assert_ok(k, claim(k, &g, "s1", "k3", &c));
}

static void what_is_withdrawn_after_the_approval_is_given_back_once(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    struct phi_grant_view g = approved(k, &r);
    assert_no(k, kit_withdraw(k, 2, r.id, "k1"), PHI_ENOTFOUND, "claim.unknown"); /* another gateway's */
    assert_used(k, &g, 1);
    assert_ok(k, kit_withdraw(k, 1, r.id, "k1"));
    assert_ok(k, kit_withdraw(k, 1, r.id, "k1"));
    assert_used(k, &g, 0);
    assert_no(k, claim(k, &g, "s1", "k1", &c), PHI_ECONFLICT, "grant.used"); /* that key is over */
    assert_ok(k, claim(k, &g, "s1", "k2", &c));
    assert_used(k, &g, 1);
}

static void the_oldest_of_equal_waiters_gets_the_use(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s2", &ans));
    filed(k, &r, "s2", "k2");
    filed(k, &r, "s1", "k1");
    filed(k, &r, "s2", "k2");
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 1);
    assert_no(k, claim(k, &g, "s1", "k1", &c), PHI_ECONFLICT, "grant.used");
    assert_ok(k, claim(k, &g, "s2", "k2", &c));
    assert_true(c.again);
}

static void only_a_session_that_waits_there_files(void **state)
{
    struct kit *k = *state;
    bool kept;
    struct phi_request r = stage_ask(k, SQL, "s1");
    not_filed(k, 1, &r, "s9", "k1");
    not_filed(k, 2, &r, "s1", "k1");
    k->session = "s1";
    assert_no(k, kit_await(k, 1, KIT_MALLORY, r.id, r.act, "pg:delete", "k1", &kept), PHI_EDENIED, "grant.mismatch");
    assert_rc(k, kit_await(k, 1, KIT_ALICE, r.id, r.act, "pg:delete", "", &kept), PHI_EINPUT);
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 0);
}

static void who_left_is_not_claimed_for(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s2", &ans));
    filed(k, &r, "s1", "k1");
    assert_ok(k, kit_leave(k, 1, r.id, "s1")); /* and the withdrawal is still on its way */
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 0);
}

static void one_lapses_unless_it_is_filed_anew(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), more = stage_ask(k, "DELETE FROM orders WHERE id = 8", "s1");
    filed(k, &r, "s1", "k1");
    filed(k, &more, "s1", "k2");
    kit_pass(k, PHI_AWAIT_MS - 1000);
    filed(k, &more, "s1", "k2");
    kit_pass(k, 1000);
    assert_ok(k, kit_lease(k, 1));
    struct phi_grant_view lapsed = approved(k, &r), renewed = approved(k, &more);
    assert_int_equal(lapsed.used, 0);
    assert_int_equal(renewed.used, 1);
}

static void a_gateway_without_a_lease_gets_nothing(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    kit_pass(k, PHI_LEASE_MS);
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 0);
}

static void a_gateway_that_begins_anew_has_filed_nothing(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), other = stage_ask(k, "DELETE FROM orders WHERE id = 8", "s1");
    filed(k, &r, "s1", "k1");
    assert_ok(k, kit_withdraw(k, 1, other.id, "k2"));
    assert_ok(k, kit_stream(k, 2));
    assert_ok(k, kit_stream(k, 1));
    not_filed(k, 1, &other, "s1", "k2"); /* what was withdrawn stays so */
    filed(k, &other, "s1", "k3");
    struct phi_grant_view g = approved(k, &r), h = approved(k, &other);
    assert_int_equal(g.used, 0);
    assert_int_equal(h.used, 1);
}

/* The gateway was out of reach; by the time it asks, the policy is another. */
static void it_is_decided_again_when_the_gateway_asks(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 1);
    assert_ok(k, kit_bundle(k, "@id(\"freeze\") forbid (principal, action in Action::\"pg:write\", resource);\n", DBA));
    assert_rc(k, claim(k, &g, "s1", "k1", &c), k->err.rc);
    assert_true(strcmp(k->why, "policy.denied") == 0 || strcmp(k->why, "grant.ended") == 0);
    assert_ok(k, kit_withdraw(k, 1, r.id, "k1"));
}

static void a_restart_forgets_it_and_costs_nothing_else(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    assert_ok(k, kit_reopen(k));
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 0);
    assert_ok(k, claim(k, &g, "s1", "k1", &c));
    assert_false(c.again);
}

static void more_than_the_bound_are_not_kept(void **state)
{
    struct kit *k = *state;
    char key[16];
    bool kept;
    struct phi_request r = stage_ask(k, SQL, "s1");
    for (int i = 0; i < PHI_MAX_AWAIT_OF_GATEWAY; i++) {
        snprintf(key, sizeof key, "k%d", i);
        filed(k, &r, "s1", key);
    }
    not_filed(k, 1, &r, "s1", "more");
    filed(k, &r, "s1", "k7"); /* one that is there may be filed anew */
    PHI_BUF(large, PHI_MAX_AWAIT_BODY + 100);
    phi_buf_adds(&large, "{\"x\":\"");
    while (large.n < PHI_MAX_AWAIT_BODY)
        phi_buf_adds(&large, "0123456789abcdef");
    phi_buf_adds(&large, "\"}");
    k->context = phi_buf_str(&large);
    assert_ok(k, kit_await(k, 1, KIT_ALICE, r.id, r.act, "pg:delete", "k7", &kept));
    assert_false(kept);
    k->context = NULL;
    filed(k, &r, "s1", "k7"); /* that one went, so there is room */
    struct phi_grant_view g = approved(k, &r);
    assert_int_equal(g.used, 1);
}

/* The vote's transaction fails at each of its writes in turn: grant and claim are both there, or neither. */
static void vote_and_claim_are_one_transaction(void **state)
{
    struct kit *k = *state;
    struct phi_request after, r = stage_ask(k, SQL, "s1");
    int failed = 0;
    for (int64_t at = 1;; at++) {
        filed(k, &r, "s1", "k1");
        phi_store_mem_fail(k->store, at);
        enum phi_rc rc = kit_vote(k, KIT_BOB, &r, true, 0, &after);
        phi_store_mem_fail(k->store, 0);
        if (rc == PHI_OK)
            break;
        failed++;
        assert_ok(k, kit_reopen(k));
        assert_ok(k, kit_get(k, KIT_ALICE, r.id, &after));
        assert_true(after.status == PHI_REQUEST_PENDING && !kit_log_has(k, "grant.claimed"));
    }
    assert_true(failed > 5);
    assert_used(k, after.grant, 1);
}

/* So that from the last vote to the bytes there is one commit: where nothing is written none is durable. */
static void the_gateways_own_claim_writes_nothing_then(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = stage_ask(k, SQL, "s1");
    filed(k, &r, "s1", "k1");
    struct phi_grant_view g = approved(k, &r);
    int64_t before = phi_store_mem_calls(k->store);
    assert_ok(k, claim(k, &g, "s1", "k1", &c));
    assert_true(c.again);
    assert_int_equal(phi_store_mem_calls(k->store) - before, 1); /* the end of its batch */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_claim_is_made_with_the_grant),
        T(one_that_is_refused_leaves_no_trace),
        T(what_was_withdrawn_is_not_made_also_when_a_filing_comes_late),
        T(what_is_withdrawn_after_the_approval_is_given_back_once),
        T(the_oldest_of_equal_waiters_gets_the_use),
        T(only_a_session_that_waits_there_files),
        T(who_left_is_not_claimed_for),
        T(one_lapses_unless_it_is_filed_anew),
        T(a_gateway_without_a_lease_gets_nothing),
        T(a_gateway_that_begins_anew_has_filed_nothing),
        T(it_is_decided_again_when_the_gateway_asks),
        T(a_restart_forgets_it_and_costs_nothing_else),
        OVER(over_mem, more_than_the_bound_are_not_kept),
        OVER(over_mem, vote_and_claim_are_one_transaction),
        OVER(over_mem, the_gateways_own_claim_writes_nothing_then),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
