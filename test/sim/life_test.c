/* The life cycle beyond one vote and one use: rules that vote, narrowing, stages, delegation, break-glass, budgets,
 * windows, extension, revoking many; over both stores. */
#include <unistd.h>

#include "core/request_in.h"
#include "stage.h"

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
    struct phi_request r = stage_ask(k, SQL, "s1");
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
    struct phi_request r = stage_ask(k, SQL, "s1");
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
    struct phi_request r = stage_ask(k, SQL, "s1");
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
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after)); /* in both sets, and one person */
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
    assert_ok(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

/* ---- when and how much */

static struct phi_request granted(struct kit *k, const struct phi_request_ask *ask)
{
    struct phi_request_answer ans;
    struct phi_request after;
    assert_ok(k, kit_make(k, KIT_ALICE, ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    assert_non_null(after.grant);
    return after;
}

static enum phi_rc use(struct kit *k, struct phi_view grant, const char *key, struct phi_claim *c)
{
    kit_lease(k, 1);
    return kit_claim(k, 1, KIT_ALICE, grant, PHI_LIT(""), "pg:delete", key, c);
}

static void a_right_that_begins_later_gives_nothing_before(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.from_ms = k->wall + HOUR;
    struct phi_request r = granted(k, &ask);
    assert_int_equal(r.grant->begins_in_ms, HOUR);
    assert_no(k, use(k, r.grant->id, "k1", &c), PHI_EDENIED, "grant.early");
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s1", &ans)); /* nor is it found */
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    k->wall += HOUR; /* somebody sets the wall clock: the other one does not agree */
    assert_no(k, use(k, r.grant->id, "k1", &c), PHI_EDENIED, "grant.early");
    k->wall -= HOUR;
    kit_pass(k, HOUR);
    assert_ok(k, use(k, r.grant->id, "k1", &c));
    assert_int_equal(c.remaining_ms, 600000);
}

static void until_alone_is_enough_and_must_lie_ahead(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.for_ms = 0;
    ask.until_ms = k->wall + 5000;
    struct phi_request r = granted(k, &ask);
    assert_int_equal(r.grant->remaining_ms, 5000);
    ask.until_ms = k->wall;
    assert_rc(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EINPUT);
}

static void a_budget_bounds_statements_rows_and_who_runs_at_once(void **state)
{
    struct kit *k = *state;
    struct phi_claim c, d;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.budget = (struct phi_budget){ .statements = 3, .rows = 10 };
    struct phi_request r = granted(k, &ask);
    struct phi_view g = r.grant->id;
    assert_ok(k, use(k, g, "k1", &c));
    assert_int_equal(c.rows_left, 10);
    assert_no(k, use(k, g, "k2", &d), PHI_ECONFLICT, "grant.busy");
    k->rows = 4;
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_DONE));
    assert_ok(k, use(k, g, "k2", &c));
    assert_int_equal(c.rows_left, 6);
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_UNSENT));
    k->rows = 6;
    assert_ok(k, use(k, g, "k3", &c));
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_FAILED));
    assert_no(k, use(k, g, "k4", &c), PHI_EDENIED, "grant.budget");
}

static void a_budget_of_statements_is_spent_and_given_back(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.budget.statements = 2;
    struct phi_request r = granted(k, &ask);
    assert_ok(k, use(k, r.grant->id, "k1", &c));
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_UNSENT));
    assert_ok(k, use(k, r.grant->id, "k2", &c));
    assert_ok(k, use(k, r.grant->id, "k3", &c));
    assert_no(k, use(k, r.grant->id, "k4", &c), PHI_EDENIED, "grant.budget");
}

static void the_clock_may_start_with_the_first_use(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_grant_view g;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 5m, clock: first-use, ready: 2h}\n" TWO));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = granted(k, &ask);
    assert_int_equal(r.grant->remaining_ms, 2 * HOUR + 300000);
    kit_pass(k, HOUR);
    assert_ok(k, use(k, r.grant->id, "k1", &c));
    assert_int_equal(c.remaining_ms, 300000);
    kit_pass(k, 299999);
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.remaining_ms, 1);
    kit_pass(k, 1);
    assert_no(k, use(k, r.grant->id, "k2", &c), PHI_EEXPIRED, "grant.ended");
}

static void a_schedule_serves_in_its_windows_only(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    const int64_t monday = 1790553600000; /* 2026-09-28T00:00:00Z */
    kit_pass(k, monday - k->wall);
    assert_ok(k, kit_credentials(k));
    const struct phi_window night = { 0x7f, 120, 60 }; /* 02:00 to 03:00 each day */
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.for_ms = 5 * 24 * HOUR;
    ask.windows = &night;
    ask.n_windows = 1;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"'}]}\n" TWO));
    struct phi_request r = granted(k, &ask);
    assert_no(k, use(k, r.grant->id, "k0", &c), PHI_EDENIED, "grant.window");
    kit_pass(k, 2 * HOUR + 1000);
    assert_ok(k, use(k, r.grant->id, "k1", &c));
    assert_int_equal(c.remaining_ms, HOUR - 1000); /* the window's end cuts, not the grant's */
    kit_pass(k, HOUR);
    assert_no(k, use(k, r.grant->id, "k2", &c), PHI_EDENIED, "grant.window");
    kit_pass(k, 23 * HOUR);
    assert_ok(k, kit_credentials(k));
    assert_ok(k, use(k, r.grant->id, "k3", &c));
}

static void an_extension_is_a_request_bound_to_the_old_and_no_wider(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders"), more = ask, wide = kit_scope_of(k, "shop/public");
    struct phi_request r = granted(k, &ask);
    more.extends = r.code;
    more.n_scope_actions = more.n_scope_resources = 0;
    assert_no(k, kit_make(k, KIT_BOB, &more, &ans), PHI_ENOTFOUND, "extend.none");
    wide.extends = r.code;
    assert_no(k, kit_make(k, KIT_ALICE, &wide, &ans), PHI_EINPUT, "extend.wider");
    assert_ok(k, kit_make(k, KIT_ALICE, &more, &ans));
    assert_true(phi_view_eq(ans.request.extends, r.grant->id));
    kit_pass(k, 500000);
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    assert_int_equal(after.grant->remaining_ms, 600000);
    assert_ok(k, kit_return(k, KIT_ALICE, r.grant->id));
    assert_no(k, kit_make(k, KIT_ALICE, &more, &ans), PHI_ENOTFOUND, "extend.none");
}

/* ---- taking away */

static void many_are_revoked_by_person_resource_policy_or_all(void **state)
{
    struct kit *k = *state;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_ref other = phi_ref_make(&k->a, "Table", "shop", "public", "customers", NULL),
                   schema = phi_ref_make(&k->a, "Schema", "shop", "public", NULL);
    struct phi_revoke_filter none = { 0 }, person = { .person = PHI_LIT("alice") }, table = { .resource = other },
                             in = { .resource = schema }, bundle = { .bundle_version = 1 }, all = { .everything = true };
    struct phi_revoked_many m;
    struct phi_grant_view g;
    struct phi_request r = granted(k, &ask);
    assert_rc(k, kit_revoke_many(k, KIT_ROOT, &none, &m), PHI_EINPUT);
    assert_no(k, kit_revoke_many(k, KIT_BOB, &all, &m), PHI_EDENIED, "right.missing");
    assert_ok(k, kit_revoke_many(k, KIT_ROOT, &table, &m));
    assert_int_equal(m.count, 0);
    assert_ok(k, kit_revoke_many(k, KIT_ROOT, &in, &m));
    assert_int_equal(m.count, 1);
    assert_int_equal(m.n_waiting, 2);
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_REVOKED);
    const struct phi_revoke_filter *f[] = { &person, &bundle, &all };
    for (size_t i = 0; i < 3; i++) {
        granted(k, &ask);
        granted(k, &ask);
        assert_ok(k, kit_revoke_many(k, KIT_ROOT, f[i], &m));
        assert_int_equal(m.count, 2);
        assert_ok(k, kit_revoke_many(k, KIT_ROOT, f[i], &m));
        assert_int_equal(m.count, 0);
    }
}

static void a_policy_change_ends_what_it_does_not_allow(void **state)
{
    struct kit *k = *state;
    struct phi_grant_view g;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = granted(k, &ask);
    assert_ok(k, kit_bundle(k, "// a comment\n", DBA));
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_READY);
    assert_ok(k, kit_bundle(k, "@id(\"freeze\") forbid (principal, action == Action::\"pg:write\", resource);\n", DBA));
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_REVOKED);
    assert_true(kit_log_has(k, "\"cause\":\"policy-changed\""));
}

/* ---- break-glass */

#define GLASS                                                                                      \
    "@id(\"glass\") permit (principal in Group::\"dev\", action in Action::\"pg:write\", resource in Target::\"[\\\"shop\\\"]\")\n" \
    "when { context.met.contains(\"glass\") };\n"

static void attack_53_break_glass_is_short_loud_and_reviewed_before_the_next(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_grant_view g;
    struct phi_claim c;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.break_glass = true;
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EDENIED, "glass.none"); /* no policy has it */
    assert_ok(k, kit_bundle(k, GLASS, DBA "glass: {kind: break-glass, ttl: 5m}\n"));
    ask.why = PHI_LIT("");
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EINPUT, "glass.reason");
    ask.why = PHI_LIT("orders are on fire");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_GRANT);
    assert_int_equal(ans.grant.remaining_ms, 300000);
    assert_string_equal(k->told, "break-glass");
    assert_true(kit_log_has(k, "glass.broken"));
    struct phi_view id = ans.grant.id;
    assert_ok(k, use(k, id, "k1", &c));
    assert_ok(k, kit_outcome(k, 1, c.id, PHI_OUTCOME_DONE));
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EDENIED, "glass.unreviewed");
    assert_no(k, kit_review(k, KIT_BOB, id, &g), PHI_ECONFLICT, "glass.live");
    assert_ok(k, kit_return(k, KIT_ALICE, id));
    assert_no(k, kit_review(k, KIT_ALICE, id, &g), PHI_EDENIED, "glass.self");
    assert_no(k, kit_review(k, KIT_MALLORY, id, &g), PHI_ENOTFOUND, "grant.unknown");
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EDENIED, "glass.unreviewed");
    assert_ok(k, kit_review(k, KIT_BOB, id, &g));
    assert_true(phi_view_is(g.review, "closed") && phi_view_is(g.reviewer, "bob"));
    assert_no(k, kit_review(k, KIT_CAROL, id, &g), PHI_ECONFLICT, "glass.reviewed");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_GRANT);
}

static void attack_53_a_second_account_reviews_nothing(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_grant_view g;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_bundle(k, GLASS, DBA "glass: {kind: break-glass}\n"));
    ask.break_glass = true;
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_ok(k, kit_return(k, KIT_ALICE, ans.grant.id));
    assert_ok(k, kit_link(k, KIT_BOB, KIT_ALICE));
    assert_no(k, kit_review(k, KIT_BOB, ans.grant.id, &g), PHI_EDENIED, "glass.self");
}

static void a_plain_attempt_does_not_break_the_glass(void **state)
{
    struct kit *k = *state;
    assert_ok(k, kit_bundle(k, GLASS, DBA "glass: {kind: break-glass}\n"));
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_int_equal(r.n_needs, 1);
    assert_true(phi_view_is(r.needs[0].needs[0].requirement, "dba"));
}

/* ---- who else */

static void a_delegate_votes_for_the_giver_and_the_two_count_once(void **state)
{
    struct kit *k = *state;
    struct phi_delegation d;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"', count: 2}], delegation: true}\n" TWO));
    assert_rc(k, kit_delegate(k, KIT_BOB, KIT_BOB, HOUR, &d), PHI_EINPUT);
    assert_ok(k, kit_delegate(k, KIT_BOB, KIT_MALLORY, HOUR, &d));
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
    assert_no(k, kit_vote(k, KIT_BOB, &r, true, 0, &after), PHI_ECONFLICT, "vote.twice");
    assert_ok(k, kit_vote(k, KIT_CAROL, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

static void a_delegation_ends_and_serves_no_requester_nor_unwilling_policy(void **state)
{
    struct kit *k = *state;
    struct phi_delegation d, e;
    struct phi_request after;
    assert_ok(k, kit_delegate(k, KIT_BOB, KIT_MALLORY, HOUR, &d));
    struct phi_request r = stage_ask(k, SQL, "s1"); /* the requirement does not allow it */
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_ENOTFOUND, "request.unknown");
    assert_ok(k, kit_cancel(k, KIT_ALICE, r.id));
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"'}], delegation: true}\n" TWO));
    assert_ok(k, kit_delegate(k, KIT_CAROL, KIT_ALICE, HOUR, &e));
    r = stage_ask(k, SQL, "s1");
    assert_no(k, kit_vote(k, KIT_ALICE, &r, true, 0, &after), PHI_EDENIED, "request.self");
    kit_pass(k, 1000);
    assert_ok(k, kit_delegate_end(k, KIT_BOB, d.id));
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    assert_ok(k, kit_delegate(k, KIT_DORA, KIT_MALLORY, 60000, &d)); /* after the request: too late for it */
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    kit_pass(k, 60000);
    assert_ok(k, kit_tick(k, NULL));
    assert_true(kit_log_has(k, "delegation.ended"));
}

static void those_of_the_fallback_may_vote_after_a_while_and_reminders_go_out(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    int64_t next;
    assert_ok(k, kit_group(k, KIT_MALLORY, "lead", true));
    assert_ok(k, kit_bundle(k, "@id(\"leads\") permit (principal in Group::\"lead\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: 'Group::\"dba\"'}], remind: 2m, fallback: {after: 5m, from: 'Group::\"lead\"'}}\n" TWO));
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    kit_pass(k, 119998);
    assert_ok(k, kit_tick(k, &next));
    assert_int_equal(next, 2);
    assert_string_equal(k->told, "");
    kit_pass(k, 2);
    assert_ok(k, kit_tick(k, &next));
    assert_string_equal(k->told, "reminder");
    kit_pass(k, 180000);
    assert_no(k, kit_vote(k, KIT_ALICE, &r, true, 0, &after), PHI_EDENIED, "request.self");
    assert_ok(k, kit_tick(k, &next));
    assert_true(kit_log_has(k, "request.escalated"));
    assert_ok(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    k->told[0] = 0;
    kit_pass(k, 240000);
    assert_ok(k, kit_tick(k, &next));
    assert_string_equal(k->told, ""); /* it waits no more */
}

static void remarks_and_watchers_change_no_vote(void **state)
{
    struct kit *k = *state;
    struct phi_request r = stage_ask(k, SQL, "s1"), seen;
    struct phi_revoked v;
    assert_no(k, kit_get(k, KIT_MALLORY, r.id, &seen), PHI_ENOTFOUND, "request.unknown");
    assert_ok(k, kit_watch(k, KIT_ALICE, r.id, KIT_MALLORY, &seen));
    assert_int_equal(seen.n_watchers, 1);
    assert_ok(k, kit_get(k, KIT_MALLORY, r.id, &seen));
    assert_false(seen.can_vote);
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &seen), PHI_EDENIED, "request.not-approver");
    assert_no(k, kit_watch(k, KIT_MALLORY, r.id, KIT_MALLORY, &seen), PHI_EDENIED, "right.missing");
    assert_ok(k, kit_remark(k, KIT_BOB, r.id, true, &seen));
    assert_string_equal(k->told, "question");
    assert_int_equal(seen.n_remarks, 1);
    assert_true(phi_view_is(seen.remarks[0].text, "why at night?") && phi_view_is(seen.remarks[0].name, "bob"));
    assert_int_equal(seen.status, PHI_REQUEST_PENDING);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &seen));
    assert_no(k, kit_revoke(k, KIT_MALLORY, seen.grant->id, &v), PHI_ENOTFOUND, "grant.unknown");
}

static void a_key_is_one_request(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer one, two;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.key = PHI_LIT("key-1");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &one));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &two));
    assert_true(phi_view_eq(one.request.id, two.request.id));
    ask.for_ms++;
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &two), PHI_ECONFLICT, "idempotency.mismatch");
    ask.for_ms--;
    assert_ok(k, kit_make(k, KIT_BOB, &ask, &two)); /* another person's key is another key */
    assert_false(phi_view_eq(one.request.id, two.request.id));
    kit_pass(k, PHI_IDEMPOTENCY_MS);
    assert_ok(k, kit_tick(k, NULL));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &two));
    assert_false(phi_view_eq(one.request.id, two.request.id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_rule_approves_within_its_own_policy_and_is_logged_like_a_person),
        T(a_rule_whose_policy_says_nothing_leaves_it_to_people),
        T(a_rule_counts_as_one_and_not_twice),
        T(a_vote_may_cut_resources_uses_and_time),
        T(stages_take_their_votes_in_order),
        T(each_set_is_filled_on_its_own_and_a_person_counts_once),
        T(a_right_that_begins_later_gives_nothing_before),
        T(until_alone_is_enough_and_must_lie_ahead),
        T(a_budget_bounds_statements_rows_and_who_runs_at_once),
        T(a_budget_of_statements_is_spent_and_given_back),
        T(the_clock_may_start_with_the_first_use),
        T(a_schedule_serves_in_its_windows_only),
        T(an_extension_is_a_request_bound_to_the_old_and_no_wider),
        T(many_are_revoked_by_person_resource_policy_or_all),
        T(a_policy_change_ends_what_it_does_not_allow),
        T(attack_53_break_glass_is_short_loud_and_reviewed_before_the_next),
        T(attack_53_a_second_account_reviews_nothing),
        T(a_plain_attempt_does_not_break_the_glass),
        T(a_delegate_votes_for_the_giver_and_the_two_count_once),
        T(a_delegation_ends_and_serves_no_requester_nor_unwilling_policy),
        T(those_of_the_fallback_may_vote_after_a_while_and_reminders_go_out),
        T(remarks_and_watchers_change_no_vote),
        T(a_key_is_one_request),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
