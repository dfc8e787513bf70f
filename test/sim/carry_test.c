/* What an edit, a join, an extension, a link and a chain carry over, and what they must never drop or bring along. */
#include "core/request_in.h"
#include "core/token.h"
#include "stage.h"

#define OFFICE                                                                                     \
    "@id(\"elsewhere\") forbid (principal, action in Action::\"pg:write\", resource)\n"            \
    "when { !(context has networks && context.networks.contains(\"office\")) } unless { context.met.contains(\"two-dbas\") };\n"

static const struct phi_network offices[] = {
    { PHI_LIT("office"), { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 0 } }, 112 } },
};

static struct phi_request asked(struct kit *k, enum kit_who who, const struct phi_request_ask *ask)
{
    struct phi_request_answer ans;
    assert_ok(k, kit_make(k, who, ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    return ans.request;
}

static struct phi_request granted(struct kit *k, const struct phi_request_ask *ask, enum kit_who by)
{
    struct phi_request r = asked(k, KIT_ALICE, ask), after;
    assert_ok(k, kit_vote(k, by, &r, true, 0, &after));
    assert_non_null(after.grant);
    return after;
}

/* ---- an edit */

static void an_edit_never_breaks_the_glass(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "@id(\"glass\") permit (principal in Group::\"dev\", action in Action::\"pg:write\", resource) when { context.met.contains(\"glass\") };\n",
                            "dba: {approve: [{from: 'Group::\"dba\"', count: 2}]}\n" TWO "glass: {kind: break-glass}\n"));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = asked(k, KIT_ALICE, &ask);
    ask.break_glass = true;
    assert_rc(k, kit_refile(k, KIT_ALICE, r.id, &ask, &after), PHI_EINPUT);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
}

static void whatever_account_edits_it_the_requester_stays(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = asked(k, KIT_ALICE, &ask);
    assert_ok(k, kit_link(k, KIT_DORA, KIT_ALICE)); /* dora is an account of alice's, with other groups */
    ask.for_ms = HOUR / 2;
    assert_ok(k, kit_refile(k, KIT_DORA, r.id, &ask, &after));
    assert_null(memmem(after.body.p, after.body.n, k->person[KIT_DORA].p, k->person[KIT_DORA].n));
    assert_non_null(memmem(after.body.p, after.body.n, k->person[KIT_ALICE].p, k->person[KIT_ALICE].n));
}

static void an_edit_is_judged_by_where_it_comes_from(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    k->networks = offices;
    k->n_networks = 1;
    assert_ok(k, kit_reopen(k));
    assert_ok(k, kit_bundle(k, OFFICE, DBA));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.from_addr = PHI_LIT("10.1.2.3");
    struct phi_request r = asked(k, KIT_ALICE, &ask);
    ask.from_addr = PHI_LIT("192.0.2.7");
    ask.for_ms++;
    assert_ok(k, kit_refile(k, KIT_ALICE, r.id, &ask, &after));
    assert_true(phi_view_is(after.from_addr, "192.0.2.7"));
    assert_ok(k, kit_vote(k, KIT_BOB, &after, true, 0, &after)); /* one DBA is not enough from there */
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
    assert_true(kit_log_has(k, "\"ev\":\"request.edited\",\"facts_hash\""));
}

static void an_edit_waits_for_its_approvers_anew(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    int64_t next;
    assert_ok(k, kit_bundle(k, "@id(\"guest\") permit (principal in Group::\"guest\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: 'Group::\"dba\"'}], pending_ttl: 2h, remind: 20m, fallback: {after: 1h, from: 'Group::\"guest\"'}}\n" TWO));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.customers");
    struct phi_request r = asked(k, KIT_ALICE, &ask);
    kit_pass(k, HOUR - 1000);
    assert_ok(k, kit_tick(k, &next));
    struct phi_request_ask other = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_refile(k, KIT_ALICE, r.id, &other, &r));
    kit_pass(k, 2000);
    assert_ok(k, kit_tick(k, &next));
    assert_false(kit_log_has(k, "request.escalated"));
    assert_no(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after), PHI_EDENIED, "request.not-approver");
    kit_pass(k, HOUR);
    assert_ok(k, kit_tick(k, &next));
    assert_true(kit_log_has(k, "request.escalated"));
    assert_ok(k, kit_vote(k, KIT_MALLORY, &r, true, 0, &after));
}

static void an_edit_counts_as_asking(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders"), other = kit_scope_of(k, "shop/public.customers");
    for (int i = 0; i < 5; i++) {
        struct phi_request r = asked(k, KIT_ALICE, &ask);
        assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
    }
    struct phi_request r = asked(k, KIT_ALICE, &other);
    assert_no(k, kit_refile(k, KIT_ALICE, r.id, &ask, &after), PHI_ELIMIT, "request.quota");
}

static void an_edit_may_name_watchers_and_drops_none(void **state)
{
    struct kit *k = *state;
    struct phi_view mallory = PHI_LIT("mallory"), carol = PHI_LIT("carol");
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.watchers = &mallory;
    ask.n_watchers = 1;
    struct phi_request r = asked(k, KIT_ALICE, &ask), after;
    ask.watchers = NULL;
    ask.n_watchers = 0;
    ask.suggested = &carol;
    ask.n_suggested = 1;
    assert_ok(k, kit_refile(k, KIT_ALICE, r.id, &ask, &after));
    assert_int_equal(after.n_watchers, 1);
    assert_int_equal(after.n_suggested, 1);
}

/* ---- a join */

static void who_joins_their_own_request_brings_watchers_and_key(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_view mallory = PHI_LIT("mallory");
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = asked(k, KIT_ALICE, &ask);
    ask.watchers = &mallory;
    ask.n_watchers = 1;
    ask.key = PHI_LIT("k-1");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_true(ans.joined && ans.request.n_watchers == 1);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans)); /* the same key: what became of it, and no new request */
    assert_true(phi_view_eq(ans.request.id, r.id));
    assert_int_equal(ans.request.status, PHI_REQUEST_DENIED);
}

/* ---- an extension */

static void an_extension_carries_hours_budget_uses_and_for_whom(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_view bob = PHI_LIT("bob"), carol = PHI_LIT("carol");
    const struct phi_window night = { 0x7f, 120, 60 }, day = { 0x7f, 600, 60 };
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders"), more = ask;
    ask.windows = &night;
    ask.n_windows = 1;
    ask.budget.rows = 10;
    ask.uses = 3;
    ask.on_behalf = &bob;
    ask.n_on_behalf = 1;
    struct phi_request r = granted(k, &ask, KIT_CAROL);
    more.extends = r.code;
    more.windows = &day;
    more.n_windows = 1;
    assert_no(k, kit_make(k, KIT_ALICE, &more, &ans), PHI_EINPUT, "extend.wider");
    more.n_windows = 0;
    more.uses = 4;
    assert_no(k, kit_make(k, KIT_ALICE, &more, &ans), PHI_EINPUT, "extend.wider");
    more.uses = 0;
    more.budget.rows = 11;
    assert_no(k, kit_make(k, KIT_ALICE, &more, &ans), PHI_EINPUT, "extend.wider");
    more.budget.rows = 0;
    more.on_behalf = &carol;
    more.n_on_behalf = 1;
    assert_no(k, kit_make(k, KIT_ALICE, &more, &ans), PHI_EINPUT, "extend.wider");
    more.n_on_behalf = 0;
    struct phi_request e = asked(k, KIT_ALICE, &more);
    assert_int_equal(e.n_on_behalf, 1);
    assert_no(k, kit_vote(k, KIT_BOB, &e, true, 0, &after), PHI_EDENIED, "request.not-approver");
    more.extends = (struct phi_view){ 0 };
    more.for_ms++;
    assert_ok(k, kit_refile(k, KIT_ALICE, e.id, &more, &e)); /* an edit stays an extension */
    assert_true(phi_view_eq(e.extends, r.grant->id));
    assert_ok(k, kit_vote(k, KIT_CAROL, &e, true, 0, &after));
    assert_int_equal(after.grant->uses, 3);
    assert_int_equal(after.grant->budget.rows, 10);
    assert_int_equal(after.grant->n_windows, 1);
    struct phi_request_ask wide = kit_scope_of(k, "shop/public");
    more.extends = after.code;
    e = asked(k, KIT_ALICE, &more);
    assert_no(k, kit_refile(k, KIT_ALICE, e.id, &wide, &after), PHI_EINPUT, "extend.wider");
}

static void nothing_is_extended_for_ever(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = granted(k, &ask, KIT_BOB);
    for (int i = 0; i < PHI_MAX_EXTENSIONS; i++) {
        struct phi_request_ask more = kit_scope_of(k, "shop/public.orders");
        more.extends = r.grant->id;
        r = granted(k, &more, KIT_BOB);
    }
    ask.extends = r.grant->id;
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_ELIMIT, "extend.often");
}

static void the_glass_is_broken_for_now_only(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.break_glass = true;
    ask.from_ms = k->wall + HOUR;
    assert_rc(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EINPUT);
}

/* ---- who is who */

static void a_link_ends_what_rested_on_ones_own_vote(void **state)
{
    struct kit *k = *state;
    struct phi_grant_view g;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request by_bob = granted(k, &ask, KIT_BOB);
    ask.for_ms++;
    struct phi_request by_carol = granted(k, &ask, KIT_CAROL);
    assert_ok(k, kit_link(k, KIT_BOB, KIT_ALICE));
    assert_ok(k, kit_grant(k, by_bob.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_REVOKED);
    assert_true(kit_log_has(k, "\"cause\":\"account-linked\""));
    assert_ok(k, kit_grant(k, by_carol.grant->id, &g));
    assert_int_equal(g.status, PHI_GRANT_READY);
}

static void whom_it_is_for_may_end_it_and_not_approve_it(void **state)
{
    struct kit *k = *state;
    struct phi_revoked v;
    struct phi_view bob = PHI_LIT("bob");
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.on_behalf = &bob;
    ask.n_on_behalf = 1;
    struct phi_request r = granted(k, &ask, KIT_CAROL);
    assert_ok(k, kit_revoke(k, KIT_BOB, r.grant->id, &v));
}

struct act {
    struct kit *k;
    struct phi_actor by;
    struct phi_question q;
    struct phi_evaluation e;
    struct phi_token token;
    struct phi_person person;
    char secret[PHI_API_TOKEN_LEN + 1];
};

static enum phi_rc run_evaluate(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct act *x = arg;
    return phi_evaluate(c, &x->k->a, &x->by, &x->q, &x->e, err);
}

static struct phi_evaluation may(struct kit *k, enum kit_who who)
{
    struct act x = { .k = k, .by = kit_actor(k, KIT_ROOT), .q = { .subject = { PHI_LIT("Person"), k->person[who] }, .action = PHI_LIT("pg:delete") } };
    x.q.resource = phi_ref_make(&k->a, "Table", "shop", "public", "orders", NULL);
    assert_ok(k, phi_core_do(k->core, run_evaluate, &x, &k->err));
    return x.e;
}

static void an_answer_that_spends_nothing_keeps_to_chain_hours_and_budget(void **state)
{
    struct kit *k = *state;
    struct phi_view bob = PHI_LIT("bob");
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.on_behalf = &bob;
    ask.n_on_behalf = 1;
    struct phi_request r = granted(k, &ask, KIT_CAROL);
    assert_int_equal(may(k, KIT_ALICE).verdict, PHI_ALLOW);
    assert_ok(k, kit_group(k, KIT_BOB, "dba", false)); /* bob may not any more, so nobody may for him */
    assert_int_equal(may(k, KIT_ALICE).verdict, PHI_NEEDS);
    assert_ok(k, kit_return(k, KIT_ALICE, r.grant->id));
    ask = kit_scope_of(k, "shop/public.orders");
    ask.budget.statements = 1;
    granted(k, &ask, KIT_CAROL);
    assert_int_equal(may(k, KIT_ALICE).verdict, PHI_NEEDS);
    const struct phi_window now = { 0x7f, k->wall / 60000 % 1440, 2 };
    ask = kit_scope_of(k, "shop/public.orders");
    ask.windows = &now;
    ask.n_windows = 1;
    granted(k, &ask, KIT_CAROL);
    struct phi_evaluation e = may(k, KIT_ALICE);
    assert_int_equal(e.verdict, PHI_ALLOW);
    assert_in_range(e.grant_left_ms, 1, 120000);
}

static enum phi_rc run_service(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct act *x = arg;
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    struct phi_view group = PHI_LIT("dev");
    struct phi_token_want want = { .who = PHI_LIT("ci"), .name = PHI_LIT("t"), .rights = 1u << PHI_RIGHT_ASK, .ms = HOUR };
    PHI_TRY(phi_service_add(c, &x->k->a, &phid, PHI_LIT("ci"), &group, 1, &x->person, err));
    return phi_token_make(c, &x->k->a, &x->by, &want, x->secret, &x->token, err);
}

static enum phi_rc run_token_end(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct act *x = arg;
    return phi_token_revoke(c, &x->by, x->token.id, err);
}

static enum phi_rc run_ask_as(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct act *x = arg;
    struct phi_request_ask ask = kit_scope_of(x->k, "shop/public.orders");
    struct phi_actor ci = { .kind = PHI_ACTOR_PERSON, .id = PHI_LIT("ci") };
    struct phi_request_answer ans;
    PHI_TRY(phi_request_make(c, &x->k->a, &ci, &ask, &ans, err));
    x->q.action = ans.kind == PHI_ANSWER_PENDING ? ans.request.id : (struct phi_view){ 0 };
    return PHI_OK;
}

static void whoever_spoke_as_the_service_does_not_approve_what_it_asked(void **state)
{
    struct kit *k = *state;
    struct phi_request r, after;
    struct act x = { .k = k, .by = kit_actor(k, KIT_ROOT) };
    assert_ok(k, kit_group(k, KIT_ROOT, "dba", true));
    assert_ok(k, kit_bundle(k, "@id(\"svc\") permit (principal in Group::\"dev\", action == phi::Action::\"requester\", resource);\n", DBA));
    assert_ok(k, phi_core_do(k->core, run_service, &x, &k->err));
    assert_ok(k, phi_core_do(k->core, run_ask_as, &x, &k->err));
    assert_true(x.q.action.n > 0);
    assert_ok(k, phi_core_do(k->core, run_token_end, &x, &k->err));
    assert_ok(k, kit_get(k, KIT_ROOT, x.q.action, &r));
    assert_rc(k, kit_vote(k, KIT_ROOT, &r, true, 0, &after), PHI_EDENIED);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

/* ---- sessions */

static void a_right_bound_to_its_session_is_the_first_ones_that_uses_it(void **state)
{
    struct kit *k = *state;
    struct phi_claim c;
    struct phi_grant_view g;
    struct phi_request_answer ans;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"'}], bind: session}\n" TWO));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct phi_request r = granted(k, &ask, KIT_BOB);
    assert_int_equal(may(k, KIT_ALICE).verdict, PHI_NEEDS);
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, PHI_LIT(""), "pg:delete", "c1", &c)); /* in s1 */
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, r.grant->id, PHI_LIT(""), "pg:delete", "c2", &c));
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s2", &ans)); /* another session finds none */
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_ok(k, kit_grant(k, r.grant->id, &g));
    assert_int_equal(g.used, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(over_mem, an_edit_never_breaks_the_glass),
        OVER(over_mem, whatever_account_edits_it_the_requester_stays),
        T(an_edit_is_judged_by_where_it_comes_from),
        OVER(over_mem, an_edit_waits_for_its_approvers_anew),
        OVER(over_mem, an_edit_counts_as_asking),
        OVER(over_mem, an_edit_may_name_watchers_and_drops_none),
        OVER(over_mem, who_joins_their_own_request_brings_watchers_and_key),
        OVER(over_mem, an_extension_carries_hours_budget_uses_and_for_whom),
        OVER(over_mem, nothing_is_extended_for_ever),
        OVER(over_mem, the_glass_is_broken_for_now_only),
        OVER(over_mem, a_link_ends_what_rested_on_ones_own_vote),
        OVER(over_mem, whom_it_is_for_may_end_it_and_not_approve_it),
        OVER(over_mem, an_answer_that_spends_nothing_keeps_to_chain_hours_and_budget),
        OVER(over_mem, whoever_spoke_as_the_service_does_not_approve_what_it_asked),
        T(a_right_bound_to_its_session_is_the_first_ones_that_uses_it),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
