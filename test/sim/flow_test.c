/* The life of requests, votes, grants and claims over the real core. */
#include <unistd.h>

#include "core/request_in.h"
#include "stage.h"

static struct phi_request approved(struct kit *k)
{
    struct phi_request r = stage_ask(k, SQL, "s1"), after;
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    assert_non_null(after.grant);
    return after;
}

static void a_delete_is_asked_approved_and_claimed_once(void **state)
{
    struct kit *k = *state;
    struct phi_claim claim;
    struct phi_grant_view g;
    struct phi_request r = approved(k);
    assert_int_equal(r.grant->status, PHI_GRANT_READY);
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &claim));
    assert_int_equal(claim.remaining_ms, 15 * 60 * 1000);
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k2", &claim), PHI_ECONFLICT, "grant.used");
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_ACTIVE);
    assert_ok(k, kit_outcome(k, 1, claim.id.n ? claim.id : r.id, PHI_OUTCOME_DONE));
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_USED);
}

static void the_same_key_gives_the_same_answer(void **state)
{
    struct kit *k = *state;
    struct phi_claim one, two;
    struct phi_request r = approved(k);
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &one));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &two));
    assert_true(two.again && phi_view_eq(one.id, two.id));
    assert_no(k, kit_claim(k, 2, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &two), PHI_EDENIED, "grant.mismatch");
    assert_ok(k, kit_outcome(k, 1, one.id, PHI_OUTCOME_DONE));
    assert_ok(k, kit_outcome(k, 1, one.id, PHI_OUTCOME_DONE));
    assert_no(k, kit_outcome(k, 1, one.id, PHI_OUTCOME_UNSENT), PHI_ECONFLICT, "claim.over");
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &two), PHI_ECONFLICT, "grant.used");
}

static void an_unsent_use_is_given_back(void **state)
{
    struct kit *k = *state;
    struct phi_claim claim;
    struct phi_request r = approved(k);
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &claim));
    assert_ok(k, kit_outcome(k, 1, claim.id, PHI_OUTCOME_UNSENT));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k2", &claim));
}

static void a_read_is_allowed_at_once_and_mallory_is_denied(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, "SELECT 1 FROM orders", "pg:select", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_ALLOW);
    assert_ok(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s9", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    assert_true(ans.reason.n > 0);
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:unheard", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
}

static void nobody_approves_their_own_nor_outsiders(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), after, seen;
    assert_no(k, kit_vote(k, KIT_ALICE, &r, true, 0, &after), PHI_EDENIED, "request.self");
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_ENOTFOUND, "request.unknown");
    assert_no(k, kit_vote(k, KIT_ROOT, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    assert_ok(k, kit_get(k, KIT_BOB, r.code, &seen));
    assert_true(seen.can_vote && !seen.can_cancel);
    assert_ok(k, kit_get(k, KIT_ALICE, r.code, &seen));
    assert_true(!seen.can_vote && seen.can_cancel && phi_view_is(seen.why_not, "you are the requester"));
    assert_no(k, kit_get(k, KIT_MALLORY, r.code, &seen), PHI_ENOTFOUND, "request.unknown");
}

static void attack_01_linked_accounts_add_nothing(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    assert_ok(k, kit_link(k, KIT_BOB, KIT_ALICE)); /* bob turns out to be alice */
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_no(k, kit_vote(k, KIT_BOB, &r, true, 0, &after), PHI_EDENIED, "request.self");
    /* Linked after it was made: the vote does not count any more. */
    assert_ok(k, kit_link(k, KIT_CAROL, KIT_DORA));
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, "DROP TABLE orders", "pg:ddl", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY); /* two of three DBAs are one, the other is alice */
    assert_non_null(memmem(ans.reason.p, ans.reason.n, "needs 2 two-dbas, 1 exists", 26));
}

static void two_dbas_need_two_persons(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request r;
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, "DROP TABLE orders", "pg:ddl", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &r));
    assert_int_equal(r.status, PHI_REQUEST_PENDING);
    assert_int_equal(r.needs[0].needs[0].have, 1);
    assert_int_equal(r.needs[0].needs[0].count, 2);
    for (int i = 0; i < 1000; i++) /* attack_37 */
        assert_no(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &r), PHI_ECONFLICT, "vote.twice");
    assert_ok(k, kit_vote(k, KIT_CAROL, &ans.request, true, 60000, &r));
    assert_int_equal(r.status, PHI_REQUEST_APPROVED);
    assert_int_equal(r.grant->remaining_ms, 60000); /* narrowed */
}

static void attack_03_joining_the_group_later_gives_no_vote(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), after;
    assert_ok(k, kit_group(k, KIT_MALLORY, "dba", true));
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_ENOTFOUND, "request.unknown");
    assert_ok(k, kit_group(k, KIT_BOB, "dba", false)); /* eligible then, not now */
    assert_no(k, kit_vote(k, KIT_BOB, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    assert_ok(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after));
}

static void a_deny_ends_it_and_says_who_and_why(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), after;
    assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_DENIED);
    assert_true(phi_view_is(after.denied_by, "bob") && phi_view_is(after.reason, "because"));
    assert_no(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after), PHI_ECONFLICT, "request.ended");
    assert_no(k, kit_cancel(k, KIT_ALICE, r.id), PHI_ECONFLICT, "request.ended");
}

static void attack_04_an_edit_voids_votes(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request seen, edited, after;
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:write", "shop/public.orders", 600000, 0, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    seen = ans.request;
    assert_ok(k, kit_edit(k, KIT_ALICE, seen.id, 800000, &edited));
    assert_int_equal(edited.version, 2);
    assert_no(k, kit_vote(k, KIT_BOB, &seen, true, 0, &after), PHI_ECONFLICT, "request.changed");
    assert_no(k, kit_edit(k, KIT_BOB, seen.id, 1000, &after), PHI_EDENIED, "request.not-yours");
    assert_ok(k, kit_vote(k, KIT_BOB, &edited, true, 0, &after));
    assert_int_equal(after.grant->remaining_ms, 800000);
    assert_int_equal(after.grant->uses, 0);
}

static void a_vote_may_narrow_and_never_widen(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), after;
    assert_no(k, kit_vote(k, KIT_BOB, &r, true, r.for_ms + 1, &after), PHI_EINPUT, "vote.wider");
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 1000, &after));
    assert_int_equal(after.grant->remaining_ms, 1000);
}

static void equal_attempts_join_and_leaving_cancels(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request seen, r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_ask(k, 2, KIT_ALICE, SQL, "pg:delete", "s2", &ans));
    assert_true(ans.joined && phi_view_eq(ans.request.id, r.id));
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, "DELETE FROM orders WHERE id = 8", "pg:delete", "s1", &ans));
    assert_false(ans.joined);
    assert_ok(k, kit_leave(k, 1, r.id, "s1"));
    assert_ok(k, kit_get(k, KIT_ALICE, r.id, &seen));
    assert_int_equal(seen.status, PHI_REQUEST_PENDING);
    assert_ok(k, kit_leave(k, 2, r.id, "s2"));
    assert_ok(k, kit_get(k, KIT_ALICE, r.id, &seen));
    assert_int_equal(seen.status, PHI_REQUEST_CANCELLED);
}

static void the_same_bytes_find_their_grant(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request r = approved(k);
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s7", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_GRANT);
    assert_true(phi_view_eq(ans.grant.id, r.grant->id));
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, "DELETE FROM orders WHERE id = 8", "pg:delete", "s7", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
}

static void attack_58_a_grant_serves_nothing_else(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = approved(k), other = stage_ask(k, "DELETE FROM orders WHERE id = 8", "s1");
    struct phi_view g = r.grant->id;
    assert_no(k, kit_claim(k, 1, KIT_ALICE, g, other.act, "pg:delete", "k", &c), PHI_EDENIED, "grant.mismatch");
    assert_no(k, kit_claim(k, 1, KIT_ALICE, g, PHI_LIT(""), "pg:delete", "k", &c), PHI_EDENIED, "grant.mismatch");
    assert_no(k, kit_claim(k, 1, KIT_ALICE, g, r.act, "pg:update", "k", &c), PHI_EDENIED, "grant.mismatch");
    assert_no(k, kit_claim(k, 1, KIT_MALLORY, g, r.act, "pg:delete", "k", &c), PHI_EDENIED, "grant.mismatch");
}

static void a_scope_serves_many_uses_and_is_decided_again(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request r;
    struct phi_claim c;
    char key[16];
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:write", "shop/public.orders", 600000, 0, &ans));
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &r));
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, PHI_LIT(""), "pg:delete", key, &c));
        assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_DONE));
    }
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, PHI_LIT(""), "pg:ddl", "x", &c), PHI_EDENIED, "grant.mismatch");
    assert_ok(k, kit_group(k, KIT_ALICE, "dev", false));
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, PHI_LIT(""), "pg:delete", "y", &c), PHI_EDENIED, "policy.denied");
    assert_ok(k, kit_return(k, KIT_ALICE, r.grant->id));
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, PHI_LIT(""), "pg:delete", "z", &c), PHI_EEXPIRED, "grant.ended");
}

static void attack_26_both_clocks_end_a_right(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = approved(k);
    k->wall -= 24 * 3600 * 1000; /* set back: no gain */
    k->boot += 15 * 60 * 1000 - 1;
    struct phi_grant_view g;
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.remaining_ms, 1);
    k->boot += 1;
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c), PHI_EEXPIRED, "grant.ended");
    struct phi_request two = stage_ask(k, "DELETE FROM orders WHERE id = 9", "s1"), after;
    assert_ok(k, kit_vote(k, KIT_BOB, &two, true, 0, &after));
    k->wall += 48LL * 3600 * 1000; /* set forward: over */
    assert_no(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, two.act, "pg:delete", "k1", &c), PHI_EDENIED,
              "credential.over");
}

static void the_timer_ends_requests_and_grants(void **state)
{
    struct kit *k = *state;
    int64_t next;
    struct phi_grant_view g;
    struct phi_request r = approved(k), two = stage_ask(k, "DELETE FROM orders WHERE id = 9", "s1"), seen;
    assert_ok(k, kit_tick(k, &next));
    assert_int_equal(next, 10000);
    kit_pass(k, 15 * 60 * 1000 - 7);
    assert_ok(k, kit_tick(k, &next));
    assert_int_equal(next, 7);
    kit_pass(k, 7);
    k->last_end = 0;
    assert_ok(k, kit_tick(k, &next));
    assert_ok(k, kit_get(k, KIT_ALICE, two.id, &seen));
    assert_int_equal(seen.status, PHI_REQUEST_EXPIRED);
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_EXPIRED);
    assert_true(k->last_end > 0);
}

static void attack_27_rights_do_not_outlive_an_older_boot(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = approved(k);
    kit_pass(k, 60000);
    assert_ok(k, kit_tick(k, NULL));
    snprintf(k->boot_id, sizeof k->boot_id, "%s", "boot-2"); /* on, a minute later by the wall clock */
    k->boot = 5;
    k->wall += 60000;
    assert_ok(k, kit_reopen(k));
    struct phi_grant_view g;
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.remaining_ms, 13 * 60000);
    snprintf(k->boot_id, sizeof k->boot_id, "%s", "boot-3"); /* and on, before the last anchor */
    k->wall -= 3600000;
    assert_ok(k, kit_reopen(k));
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c), PHI_EDENIED, "credential.over");
    assert_ok(k, kit_tick(k, NULL));
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_EXPIRED);
}

/* Off for a second, on again, so often that the oldest boot is forgotten, and longer. */
static void a_right_goes_on_over_many_boots_and_never_past_its_end(void **state)
{
    struct kit *k = *state;
    struct phi_grant_view g;
    struct phi_claim c;
    int64_t next, left = 15 * 60000;
    struct phi_request r = approved(k);
    int64_t size = k->core->st.size;
    for (int i = 0; i < 60; i++) {
        kit_pass(k, 2000);
        assert_ok(k, kit_tick(k, NULL));
        snprintf(k->boot_id, sizeof k->boot_id, "boot-a%d", i);
        k->boot = 5 + i;
        k->wall += 1000;
        assert_ok(k, kit_reopen(k));
        left -= 3000;
        assert_ok(k, kit_grant(k, r.grant->id, &g));
        assert_int_equal(g.remaining_ms, left);
    }
    assert_true(k->core->st.size < size + 60 * 10); /* people's sign-ins are written anew, and nothing for each right */
    assert_ok(k, kit_credentials(k));
    kit_pass(k, left - 1);
    assert_ok(k, kit_tick(k, &next));
    assert_int_equal(next, 1);
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_READY);
    k->boot++; /* by the steady clock alone */
    assert_int_not_equal(kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c), PHI_OK);
    assert_ok(k, kit_tick(k, NULL));
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_EXPIRED);
}

static void rights_of_a_boot_that_is_forgotten_have_ended(void **state)
{
    struct kit *k = *state;
    struct phi_grant_view g;
    struct phi_request r = approved(k);
    for (int i = 0; i <= CORE_MAX_BOOTS; i++) {
        assert_ok(k, kit_tick(k, NULL));
        snprintf(k->boot_id, sizeof k->boot_id, "boot-f%d", i);
        k->boot = 5;
        assert_ok(k, kit_reopen(k));
    }
    assert_ok(k, kit_tick(k, NULL));
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_EXPIRED);
    assert_int_equal(k->core->n_boots, CORE_MAX_BOOTS);
}

static void a_revocation_waits_for_leased_gateways(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_revoked v;
    struct phi_request r = approved(k);
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c));
    assert_no(k, kit_revoke(k, KIT_MALLORY, r.id, &v), PHI_ENOTFOUND, "grant.unknown");
    assert_ok(k, kit_revoke(k, KIT_BOB, r.code, &v));
    assert_int_equal(v.n_waiting, 2);
    assert_ok(k, kit_ack(k, 1, k->last_end));
    assert_ok(k, kit_ack(k, 1, k->last_end));
    assert_ok(k, kit_revoke(k, KIT_BOB, r.code, &v));
    assert_int_equal(v.n_waiting, 1);
    assert_int_equal(v.n_acknowledged, 1);
    assert_true(phi_view_is(v.waiting[0], "gw2"));
    kit_pass(k, PHI_LEASE_MS); /* gw2 says nothing: its lease ends */
    assert_ok(k, kit_revoke(k, KIT_BOB, r.code, &v));
    assert_int_equal(v.n_waiting, 0);
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c), PHI_EEXPIRED, "grant.ended");
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_UNKNOWN));
}

static size_t still_waits(struct kit *k, const struct phi_request *r)
{
    struct phi_revoked v;
    assert_ok(k, kit_revoke(k, KIT_ROOT, r->code, &v));
    return v.n_waiting;
}

static void a_revocation_waits_by_the_gateways_clock(void **state)
{
    struct kit *k = *state;
    struct phi_request r = approved(k);
    assert_int_equal(still_waits(k, &r), 2);
    k->wall += 86400000; /* a clock that is set here ends nothing there */
    assert_int_equal(still_waits(k, &r), 2);
    snprintf(k->boot_id, sizeof k->boot_id, "boot-2"); /* nor does a boot of this machine */
    k->boot = 5;
    assert_ok(k, kit_reopen(k));
    assert_int_equal(still_waits(k, &r), 2);
    k->wall -= 2 * 86400000LL; /* nor one with its clock behind */
    snprintf(k->boot_id, sizeof k->boot_id, "boot-3");
    assert_ok(k, kit_reopen(k));
    assert_int_equal(still_waits(k, &r), 2);
    kit_pass(k, PHI_LEASE_MS);
    assert_int_equal(still_waits(k, &r), 0);
}

static enum phi_rc take_away(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct phi_actor root = kit_actor(arg, KIT_ROOT);
    return phi_gateway_remove(c, &root, PHI_LIT("gw2"), err);
}

static void a_revocation_waits_for_a_gateway_that_was_taken_away(void **state)
{
    struct kit *k = *state;
    struct phi_request r = approved(k);
    assert_ok(k, phi_core_do(k->core, take_away, k, &k->err));
    assert_int_equal(still_waits(k, &r), 2); /* it works on what it knows until its lease ends */
    kit_pass(k, PHI_LEASE_MS);
    assert_int_equal(still_waits(k, &r), 0);
}

static void a_gateway_without_a_lease_claims_nothing(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request r = approved(k);
    kit_pass(k, PHI_LEASE_MS);
    assert_no(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c), PHI_EDENIED, "lease.over");
    assert_ok(k, kit_lease(k, 1));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, r.act, "pg:delete", "k1", &c));
}

static void the_inbox_holds_what_one_may_vote_on(void **state)
{
    struct kit *k = *state;
    struct phi_request *list, r = stage_ask(k, SQL, "s1"), after;
    size_t n;
    assert_ok(k, kit_list(k, KIT_BOB, PHI_BOX_INBOX, &list, &n));
    assert_int_equal(n, 1);
    assert_ok(k, kit_list(k, KIT_ALICE, PHI_BOX_INBOX, &list, &n));
    assert_int_equal(n, 0);
    assert_ok(k, kit_list(k, KIT_ALICE, PHI_BOX_MINE, &list, &n));
    assert_int_equal(n, 1);
    assert_ok(k, kit_list(k, KIT_MALLORY, PHI_BOX_ALL, &list, &n));
    assert_int_equal(n, 0);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_ok(k, kit_list(k, KIT_BOB, PHI_BOX_INBOX, &list, &n));
    assert_int_equal(n, 0);
}

static void quotas_bound_what_one_person_may_leave_open(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    char sql[64];
    for (int i = 0; i < PHI_MAX_PENDING_PER_PERSON; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM orders WHERE id = %d", i);
        stage_ask(k, sql, "s1");
        kit_forget(k);
    }
    assert_no(k, kit_ask(k, 1, KIT_ALICE, SQL " OR id = 1", "pg:delete", "s1", &ans), PHI_ELIMIT, "request.quota");
}

/* ---- rows changed behind core's back */

static bool leaf_column(const struct core_table_def *d, int i)
{
    return strcmp(d->cols[i].name, "leaf") == 0 || strcmp(d->cols[i].name, "leaf_hash") == 0;
}

static void put_row(struct phi_store *s, enum core_table t, const void *old, const void *row)
{
    assert_int_equal(s->ops->begin(s->self, NULL), PHI_OK);
    assert_int_equal(s->ops->del(s->self, t, old, NULL), PHI_OK);
    assert_int_equal(s->ops->add(s->self, t, row, NULL), PHI_OK);
    assert_int_equal(s->ops->commit(s->self, NULL), PHI_OK);
}

/* Changes column `i` of the table's only row; the row as it was stays in `old`. */
static void spoil(struct kit *k, enum core_table t, int i, void *old)
{
    const struct core_table_def *d = core_table_of(t);
    _Alignas(16) char row[1024];
    char *rows;
    size_t n;
    struct core_span all = { 0 };
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->list(k->store->self, t, 0, NULL, &all, &k->a, &rows, &n, NULL), PHI_OK);
    assert_int_equal(k->store->ops->commit(k->store->self, NULL), PHI_OK);
    assert_int_equal(n, 1);
    memcpy(old, rows, d->size);
    memcpy(row, rows, d->size);
    if (d->cols[i].kind == CORE_INT)
        *(int64_t *)(void *)(row + d->cols[i].at) += 1;
    else
        *(struct phi_view *)(void *)(row + d->cols[i].at) = PHI_LIT("x");
    put_row(k->store, t, old, row);
}

static void attack_57_no_spelling_of_a_name_makes_a_second_person(void **state)
{
    struct kit *k = *state;
    static const char *const spellings[] = { "Alice", "al\xc4\xb1" "ce", "alice ", "ali\xcc\x81" "ce", "alice~1", "\xd0\xb0lice", "" };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        assert_no(k, kit_person(k, spellings[i]), PHI_EINPUT, "");
    assert_no(k, kit_person(k, "alice"), PHI_ECONFLICT, "person.name-taken");
    assert_ok(k, kit_person(k, "alice.b+db@shop-1"));
}

static void attack_29_every_changed_column_is_found(void **state)
{
    struct kit *k = *state;
    const enum core_table tables[] = { CORE_REQUEST, CORE_GRANT, CORE_VOTE };
    struct phi_request r = approved(k), seen;
    _Alignas(16) char old[1024];
    for (size_t t = 0; t < 3; t++) {
        const struct core_table_def *d = core_table_of(tables[t]);
        for (int i = 0; i < d->n_cols; i++) {
            /* Another key is another row: then the request is not there, or its vote or grant is missing. */
            spoil(k, tables[t], i, old);
            enum phi_rc rc = kit_get(k, KIT_ALICE, r.id, &seen);
            enum phi_rc found = rc == PHI_OK ? kit_invariants(k, NULL) : rc;
            if (found == PHI_OK || (found != PHI_ECORRUPT && d->index[0].cols[0] != i))
                print_error("%s.%s: %d %s\n", d->name, d->cols[i].name, (int)found, k->err.msg);
            assert_int_not_equal(found, PHI_OK);
            if (!leaf_column(d, i) && d->index[0].cols[0] != i && strcmp(d->cols[i].name, "request") != 0)
                assert_int_equal(found, PHI_ECORRUPT);
            _Alignas(16) char now[1024];
            memcpy(now, old, d->size);
            if (d->cols[i].kind == CORE_INT)
                *(int64_t *)(void *)(now + d->cols[i].at) += 1;
            else
                *(struct phi_view *)(void *)(now + d->cols[i].at) = PHI_LIT("x");
            put_row(k->store, tables[t], now, old);
        }
    }
    assert_ok(k, kit_get(k, KIT_ALICE, r.id, &seen));
}

static void a_changed_entry_is_found(void **state)
{
    struct kit *k = *state;
    struct phi_request r = approved(k), seen;
    struct core_leaf_row *rows;
    struct core_span last = { .last_first = true, .limit = 1 };
    size_t n;
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->list(k->store->self, CORE_LEAF, 0, NULL, &last, &k->a, &rows, &n, NULL), PHI_OK);
    ((uint8_t *)(uintptr_t)rows[0].entry.p)[20] ^= 1;
    assert_int_equal(k->store->ops->set(k->store->self, CORE_LEAF, rows, NULL), PHI_OK);
    assert_int_equal(k->store->ops->commit(k->store->self, NULL), PHI_OK);
    assert_no(k, kit_get(k, KIT_ALICE, r.id, &seen), PHI_ECORRUPT, "log.corrupt");
    ((uint8_t *)(uintptr_t)rows[0].entry.p)[20] ^= 1;
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->set(k->store->self, CORE_LEAF, rows, NULL), PHI_OK);
    assert_int_equal(k->store->ops->commit(k->store->self, NULL), PHI_OK);
}

/* ---- tables of states */

static void terminal_states_stay_terminal(void **state)
{
    (void)state;
    for (int s = 0; s <= PHI_REQUEST_CANCELLED + 1; s++)
        for (int e = 0; e < CORE_REQUEST_EVS; e++) {
            enum phi_request_status to = core_request_next((enum phi_request_status)s, (enum core_request_ev)e);
            assert_true(s == PHI_REQUEST_PENDING ? to > PHI_REQUEST_PENDING : to == 0);
        }
    for (int s = 0; s <= PHI_GRANT_REVOKED + 1; s++)
        for (int e = 0; e < CORE_GRANT_EVS; e++)
            if (s != PHI_GRANT_READY && s != PHI_GRANT_ACTIVE)
                assert_int_equal(core_grant_next((enum phi_grant_status)s, (enum core_grant_ev)e), 0);
    assert_int_equal(core_grant_next(PHI_GRANT_READY, CORE_GRANT_SPENT), 0); /* used only after a claim */
    assert_int_equal(core_grant_next(PHI_GRANT_READY, CORE_GRANT_GIVE_BACK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_delete_is_asked_approved_and_claimed_once),
        T(the_same_key_gives_the_same_answer),
        T(an_unsent_use_is_given_back),
        T(a_read_is_allowed_at_once_and_mallory_is_denied),
        T(nobody_approves_their_own_nor_outsiders),
        T(attack_01_linked_accounts_add_nothing),
        T(two_dbas_need_two_persons),
        T(attack_03_joining_the_group_later_gives_no_vote),
        T(a_deny_ends_it_and_says_who_and_why),
        T(attack_04_an_edit_voids_votes),
        T(a_vote_may_narrow_and_never_widen),
        T(equal_attempts_join_and_leaving_cancels),
        T(the_same_bytes_find_their_grant),
        T(attack_58_a_grant_serves_nothing_else),
        T(a_scope_serves_many_uses_and_is_decided_again),
        T(attack_26_both_clocks_end_a_right),
        T(the_timer_ends_requests_and_grants),
        T(attack_27_rights_do_not_outlive_an_older_boot),
        T(a_right_goes_on_over_many_boots_and_never_past_its_end),
        T(rights_of_a_boot_that_is_forgotten_have_ended),
        T(a_revocation_waits_for_leased_gateways),
        T(a_revocation_waits_by_the_gateways_clock),
        T(a_revocation_waits_for_a_gateway_that_was_taken_away),
        T(a_gateway_without_a_lease_claims_nothing),
        T(the_inbox_holds_what_one_may_vote_on),
        T(attack_57_no_spelling_of_a_name_makes_a_second_person),
        T(attack_29_every_changed_column_is_found),
        T(a_changed_entry_is_found),
        cmocka_unit_test(terminal_states_stay_terminal),
        T(quotas_bound_what_one_person_may_leave_open),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
