/* What is known at that moment, and the risk that follows from it: each fact reaches the policy, what is not known is
 * refused, and each factor of the risk counts by itself. */
#include "core/request_in.h"
#include "core/risk.h"
#include "stage.h"

#define DAY (24 * HOUR)
#define HOME "{\"addr\":\"10.1.2.3\"}"

static const struct phi_network offices[] = {
    { PHI_LIT("office"), { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 0 } }, 112 } },
};

static void rule(struct kit *k, const char *condition)
{
    PHI_BUF(text, 4096);
    phi_buf_printf(&text, "@id(\"now\") permit (principal in Group::\"guest\", action == Action::\"pg:delete\", resource) when { %s };\n", condition);
    assert_ok(k, kit_bundle(k, phi_buf_str(&text), "zone: UTC\n" DBA));
}

/* Whether mallory, a guest, may delete under a policy that says only this. */
static bool holds(struct kit *k, const char *condition)
{
    struct phi_request_answer ans;
    rule(k, condition);
    assert_ok(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s1", &ans));
    return ans.kind == PHI_ANSWER_ALLOW;
}

/* ---- facts */

static void named_networks_hold_the_address(void **state)
{
    struct kit *k = *state;
    k->networks = offices;
    k->n_networks = 1;
    assert_ok(k, kit_reopen(k));
    k->context = "{\"addr\":\"10.1.200.9\"}";
    assert_true(holds(k, "context has networks && context.networks.contains(\"office\")"));
    k->context = "{\"addr\":\"10.2.0.1\"}";
    assert_false(holds(k, "context has networks && context.networks.contains(\"office\")"));
    assert_true(holds(k, "context has networks && context.networks.isEmpty()"));
}

static void what_is_not_known_is_refused_and_not_guessed(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    k->context = NULL; /* no address */
    assert_false(holds(k, "context has networks && context.networks.isEmpty()"));
    assert_false(holds(k, "if context has networks then !context.networks.contains(\"office\") else true"));
    assert_false(holds(k, "if context has country then context.country != \"KP\" else true"));
    assert_false(holds(k, "if context has environment then context.environment != \"production\" else true"));
    assert_false(holds(k, "if context has mfa_age then context.mfa_age < duration(\"1h\") else true"));
    k->context = "{\"networks\":[\"office\"]}"; /* phi's own: nobody else says it */
    rule(k, "context has networks && context.networks.contains(\"office\")");
    assert_rc(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s1", &ans), PHI_EINPUT);
}

static void the_country_comes_from_the_address(void **state)
{
    struct kit *k = *state;
    k->context = "{\"addr\":\"203.0.113.7\"}";
    assert_true(holds(k, "context has country && context.country == \"JP\""));
    k->context = "{\"addr\":\"198.51.100.7\"}";
    assert_false(holds(k, "context has country && context.country == \"JP\""));
    assert_false(holds(k, "if context has country then context.country != \"JP\" else true")); /* unknown is neither */
}

static void environment_and_tags_hold_for_what_is_below(void **state)
{
    struct kit *k = *state;
    assert_true(holds(k, "context has tags && context.tags.isEmpty()"));
    assert_ok(k, kit_facts(k, "shop", "production", "gold"));
    assert_true(holds(k, "context has environment && context.environment == \"production\""));
    assert_true(holds(k, "context has tags && context.tags.contains(\"gold\")"));
    assert_ok(k, kit_facts(k, "shop/public.orders", "staging", "pii"));
    assert_true(holds(k, "context has environment && context.environment == \"staging\"")); /* the nearest */
    assert_true(holds(k, "context has tags && context.tags.containsAll([\"gold\", \"pii\"])"));
    assert_ok(k, kit_facts(k, "shop/public.orders", "", NULL));
    assert_true(holds(k, "context has environment && context.environment == \"production\""));
    assert_rc(k, kit_facts(k, "nowhere", "production", NULL), PHI_ENOTFOUND);
    assert_rc(k, kit_facts(k, "shop", "Production!", NULL), PHI_EINPUT);
    assert_true(kit_log_has(k, "resource.marked"));
}

static void local_time_is_the_persons_else_the_policys(void **state)
{
    struct kit *k = *state;
    struct phi_profile east = { .zone = PHI_LIT("Test/East") }, nowhere = { .zone = PHI_LIT("Test/Nowhere") };
    k->wall = 1790000000000 - 1790000000000 % (DAY) + 20 * HOUR; /* 20:00 UTC, 05:00 on the next day in the east */
    assert_ok(k, kit_credentials(k));
    assert_true(holds(k, "context has local && context.local.hour == 20"));
    assert_ok(k, kit_profile(k, KIT_MALLORY, &east));
    assert_true(holds(k, "context has local && context.local.hour == 5"));
    assert_rc(k, kit_profile(k, KIT_MALLORY, &nowhere), PHI_EINPUT);
    struct phi_profile none = { 0 };
    assert_ok(k, kit_profile(k, KIT_MALLORY, &none));
    assert_ok(k, kit_bundle(k, "@id(\"now\") permit (principal in Group::\"guest\", action == Action::\"pg:delete\", resource)"
                               " when { context has local && context.local.hour == 5 };\n", "zone: Test/East\n" DBA));
    struct phi_request_answer ans;
    assert_ok(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_ALLOW);
}

static void ticket_and_justification_reach_the_policy_also_at_the_claim(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_claim claim;
    assert_ok(k, kit_bundle(k, "@id(\"ticket\") forbid (principal, action in Action::\"pg:write\", resource)"
                               " unless { context has ticket && context.ticket like \"OPS-*\" && context has justification && context.justification != \"\" };\n", DBA));
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    ask.ticket = PHI_LIT("OPS-7");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c1", &claim));
}

static void a_requirement_may_say_how_tickets_look(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    static const struct {
        const char *ticket;
        bool good;
    } cases[] = { { "OPS-17", true }, { "OPS-", false }, { "OPS-x", false }, { "xOPS-17", false }, { "OPS-17 ", false }, { "INC2026/9", true },
                  { "INC2026/", false }, { "", false }, { "note: x", true } };
    assert_ok(k, kit_bundle(k, "@id(\"t\") permit (principal in Group::\"guest\", action in Action::\"pg:write\", resource)"
                               " when { context.met.contains(\"ticket\") };\n",
                            "ticket: {kind: ticket, pattern: ['OPS-#', 'INC#/#', 'note: *']}\n" DBA));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
        ask.ticket = phi_view_of(cases[i].ticket);
        assert_ok(k, kit_make(k, KIT_MALLORY, &ask, &ans));
        assert_int_equal(ans.kind, cases[i].good ? PHI_ANSWER_ALLOW : PHI_ANSWER_DENY);
    }
}

#define ONLY_OPEN "@id(\"open\") forbid (principal, action in Action::\"pg:write\", resource)" \
                  " unless { context has ticket_facts && context.ticket_facts.open && context.ticket_facts.assigned };\n"

static struct phi_request_answer with_ticket(struct kit *k, const struct phi_ticket_facts *f)
{
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.ticket = PHI_LIT("OPS-7");
    ask.ticket_facts = f;
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    return ans;
}

static void what_a_tracker_says_is_needed_at_the_request(void **state)
{
    struct kit *k = *state;
    struct phi_ticket_facts yes = { true, true, PHI_LIT("late orders") }, closed = { false, true, PHI_LIT("") }, anothers = { true, false, PHI_LIT("") };
    assert_ok(k, kit_bundle(k, ONLY_OPEN, DBA));
    assert_int_equal(with_ticket(k, NULL).kind, PHI_ANSWER_DENY); /* nobody asked one */
    assert_int_equal(with_ticket(k, &closed).kind, PHI_ANSWER_DENY);
    assert_int_equal(with_ticket(k, &anothers).kind, PHI_ANSWER_DENY);
    struct phi_request_answer ans = with_ticket(k, &yes);
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_non_null(memmem(ans.request.ticket_facts.p, ans.request.ticket_facts.n, "late orders", 11));
}

static void a_vote_and_a_claim_want_what_the_tracker_says_now(void **state)
{
    struct kit *k = *state;
    struct phi_ticket_facts yes = { true, true, PHI_LIT("late orders") }, closed = { false, true, PHI_LIT("late orders") };
    struct phi_ticket_due due;
    struct phi_request after;
    struct phi_claim claim;
    assert_ok(k, kit_bundle(k, ONLY_OPEN, DBA));
    struct phi_request r = with_ticket(k, &yes).request;
    assert_ok(k, kit_ticket_due(k, r.id, &due));
    assert_int_equal(due.ticket.n, 0); /* just asked */
    kit_pass(k, PHI_TICKET_RENEW_MS + 1);
    assert_ok(k, kit_ticket_due(k, r.id, &due));
    assert_true(phi_view_is(due.ticket, "OPS-7") && phi_view_eq(due.person, k->person[KIT_ALICE]));
    kit_pass(k, PHI_TICKET_FRESH_MS);
    assert_rc(k, kit_vote(k, KIT_BOB, &r, true, 0, &after), PHI_ECONFLICT);
    assert_string_equal(phi_core_why(k->core), "ticket.stale");
    assert_ok(k, kit_ticket(k, r.id, &yes));
    assert_true(kit_log_has(k, "ticket.checked"));
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    assert_ok(k, kit_ticket(k, r.id, &closed));
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_lease(k, 1));
    assert_rc(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c1", &claim), PHI_EDENIED);
    assert_ok(k, kit_ticket(k, r.id, &yes));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c2", &claim));
    k->wall -= HOUR; /* a clock set back makes nothing young */
    assert_rc(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c3", &claim), PHI_ECONFLICT);
}

static void a_requirement_may_want_the_tracker_to_know_the_ticket(void **state)
{
    struct kit *k = *state;
    struct phi_ticket_facts yes = { true, true, PHI_LIT("") }, closed = { false, true, PHI_LIT("") }, anothers = { true, false, PHI_LIT("") };
    struct phi_request after;
    struct phi_claim claim;
    static const char rule[] = "@id(\"t\") forbid (principal, action in Action::\"pg:write\", resource) unless { context.met.contains(\"ticket\") };\n";
    assert_rc(k, kit_bundle(k, rule, "ticket: {kind: approval, checked: open, approve: [{from: 'Group::\"dba\"'}]}\n" DBA), PHI_EINPUT);
    assert_rc(k, kit_bundle(k, rule, "ticket: {kind: ticket, checked: sure}\n" DBA), PHI_EINPUT);
    assert_ok(k, kit_bundle(k, rule, "ticket: {kind: ticket, pattern: 'OPS-#', checked: open}\n" DBA));
    assert_int_equal(with_ticket(k, NULL).kind, PHI_ANSWER_DENY);
    assert_int_equal(with_ticket(k, &closed).kind, PHI_ANSWER_DENY);
    struct phi_request_answer ans = with_ticket(k, &anothers);
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    assert_ok(k, kit_ticket(k, after.id, &closed));
    assert_rc(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c1", &claim), PHI_EDENIED);
    assert_ok(k, kit_ticket(k, after.id, &anothers));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c2", &claim));
    assert_ok(k, kit_bundle(k, rule, "ticket: {kind: ticket, checked: assigned}\n" DBA)); /* the grant rests on less than that: it ends */
    assert_rc(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c3", &claim), PHI_EEXPIRED);
    assert_int_equal(with_ticket(k, &yes).kind, PHI_ANSWER_PENDING);
}

struct evaluating {
    struct kit *k;
    int64_t renew_ms;
    struct phi_evaluation e;
};

static enum phi_rc run_evaluate(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct evaluating *x = arg;
    struct phi_actor by = kit_actor(x->k, KIT_ALICE);
    struct phi_question q = { .subject = phi_ref_of("Person", by.id), .action = PHI_LIT("pg:delete"), .renew_ms = x->renew_ms };
    PHI_TRY(phi_ref_from_label(&x->k->a, PHI_LIT("shop/public.orders"), PHI_LIT("shop"), &q.resource, err));
    return phi_evaluate(c, &x->k->a, &by, &q, &x->e, err);
}

static void an_evaluation_rests_on_no_old_answer(void **state)
{
    struct kit *k = *state;
    struct phi_ticket_facts yes = { true, true, PHI_LIT("") };
    struct phi_request after;
    struct evaluating x = { .k = k };
    assert_ok(k, kit_bundle(k, "@id(\"t\") forbid (principal, action in Action::\"pg:write\", resource) unless { context.met.contains(\"ticket\") };\n",
                            "ticket: {kind: ticket, checked: open}\n" DBA));
    struct phi_request r = with_ticket(k, &yes).request;
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_ok(k, phi_core_do(k->core, run_evaluate, &x, &k->err));
    assert_int_equal(x.e.verdict, PHI_ALLOW);
    kit_pass(k, PHI_TICKET_FRESH_MS + 1);
    assert_ok(k, phi_core_do(k->core, run_evaluate, &x, &k->err));
    assert_int_not_equal(x.e.verdict, PHI_ALLOW);
    assert_ok(k, kit_ticket(k, r.id, &yes));
    assert_ok(k, phi_core_do(k->core, run_evaluate, &x, &k->err));
    assert_int_equal(x.e.verdict, PHI_ALLOW);
}

static struct phi_evaluation evaluated(struct kit *k, int64_t renew_ms)
{
    struct evaluating x = { .k = k, .renew_ms = renew_ms };
    assert_ok(k, phi_core_do(k->core, run_evaluate, &x, &k->err));
    return x.e;
}

static void an_evaluation_says_what_is_to_be_asked_again(void **state)
{
    struct kit *k = *state;
    struct phi_ticket_facts yes = { true, true, PHI_LIT("") }, closed = { false, true, PHI_LIT("") };
    struct phi_request after;
    struct phi_evaluation e;
    assert_ok(k, kit_bundle(k, ONLY_OPEN, DBA)); /* in a condition: the plain question, without a grant, is denied */
    struct phi_request r = with_ticket(k, &yes).request;
    assert_int_equal(evaluated(k, -1).tickets.n, 0); /* no grant yet */
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    e = evaluated(k, PHI_TICKET_RENEW_MS);
    assert_int_equal(e.verdict, PHI_ALLOW);
    assert_int_equal(e.tickets.n, 0);
    assert_int_equal(evaluated(k, -1).tickets.n, 1); /* again: always */
    kit_pass(k, PHI_TICKET_RENEW_MS + 1);
    e = evaluated(k, PHI_TICKET_RENEW_MS);
    assert_int_equal(e.verdict, PHI_ALLOW);
    assert_true(e.tickets.n == 1 && phi_view_eq(e.tickets.request[0], r.id) && !e.tickets.stale);
    kit_pass(k, PHI_TICKET_FRESH_MS);
    assert_int_equal(evaluated(k, 0).tickets.n, 0); /* there is no tracker */
    e = evaluated(k, PHI_TICKET_RENEW_MS);
    assert_int_equal(e.verdict, PHI_DENY);
    assert_true(e.tickets.n == 1 && e.tickets.stale);
    assert_ok(k, kit_ticket(k, r.id, &closed));
    e = evaluated(k, PHI_TICKET_RENEW_MS);
    assert_true(e.verdict == PHI_DENY && e.tickets.n == 0);
    assert_ok(k, kit_ticket(k, r.id, &yes));
    assert_int_equal(evaluated(k, PHI_TICKET_RENEW_MS).verdict, PHI_ALLOW);
}

/* A requirement of any name may want the tracker's word. */
static void an_old_answer_is_old_whatever_its_requirement_is_called(void **state)
{
    struct kit *k = *state;
    struct phi_ticket_facts yes = { true, true, PHI_LIT("") };
    struct phi_request after;
    struct phi_claim claim;
    assert_ok(k, kit_bundle(k, "@id(\"t\") forbid (principal, action in Action::\"pg:write\", resource) unless { context.met.contains(\"work\") };\n",
                            "work: {kind: ticket, checked: open}\n" DBA));
    struct phi_request r = with_ticket(k, &yes).request;
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(evaluated(k, 0).verdict, PHI_ALLOW);
    kit_pass(k, PHI_TICKET_FRESH_MS + 1);
    assert_int_equal(evaluated(k, 0).verdict, PHI_NEEDS);
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_lease(k, 1));
    assert_rc(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c1", &claim), PHI_ECONFLICT);
    assert_string_equal(phi_core_why(k->core), "ticket.stale");
}

/* ---- on call */

static void who_is_on_call_is_known_until_it_ends(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    assert_false(holds(k, "context has on_call && context.on_call"));
    assert_true(holds(k, "context has on_call && !context.on_call"));
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_MALLORY, HOUR));
    assert_true(holds(k, "context has on_call && context.on_call"));
    assert_true(holds(k, "principal in Group::\"on-call:db\""));
    assert_false(holds(k, "principal in Group::\"on-call:web\""));
    rule(k, "context has on_call && context.on_call && principal in Group::\"on-call:db\"");
    kit_pass(k, HOUR - 1);
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_lease(k, 1));
    assert_ok(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_ALLOW);
    kit_pass(k, 1); /* nothing ticks: it ends by itself */
    assert_ok(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    assert_true(kit_log_has(k, "on-call.began") && kit_log_has(k, "on-call.ended"));
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_MALLORY, HOUR));
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_BOB, HOUR)); /* he takes over */
    assert_ok(k, kit_ask(k, 1, KIT_MALLORY, SQL, "pg:delete", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    k->wall -= 2 * HOUR; /* a clock set back makes no shift longer */
    k->boot += HOUR;
    assert_ok(k, kit_credentials(k));
    assert_rc(k, kit_on_call(k, KIT_ROOT, "db", KIT_BOB, 0), PHI_ENOTFOUND);
}

static void on_call_is_set_by_those_who_may(void **state)
{
    struct kit *k = *state;
    assert_rc(k, kit_on_call(k, KIT_MALLORY, "db", KIT_MALLORY, HOUR), PHI_EDENIED);
    assert_rc(k, kit_on_call(k, KIT_ROOT, "DB", KIT_BOB, HOUR), PHI_EINPUT);
    assert_rc(k, kit_on_call(k, KIT_ROOT, "db", KIT_BOB, PHI_MAX_ON_CALL_MS + 1), PHI_EINPUT);
    assert_rc(k, kit_on_call(k, KIT_ROOT, "db", KIT_BOB, 0), PHI_ENOTFOUND);
    assert_rc(k, kit_group(k, KIT_MALLORY, "on-call:db", true), PHI_EINPUT); /* nobody joins by the name of the group */
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_MALLORY, HOUR));
    int64_t left;
    assert_ok(k, kit_forget_person(k, KIT_MALLORY, &left));
    assert_rc(k, kit_on_call(k, KIT_ROOT, "db", KIT_BOB, 0), PHI_ENOTFOUND);
}

static void who_is_on_call_may_be_asked_for_votes_and_for_a_fallback(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    static const char pager[] = "@id(\"p\") permit (principal in Group::\"on-call:db\", action == phi::Action::\"approve\", resource is Request);\n";
    assert_ok(k, kit_bundle(k, pager, "dba: {approve: [{from: 'Group::\"on-call:db\"'}]}\ntwo-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}]}\n"));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY); /* nobody is on call, and an empty set approves nothing */
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_MALLORY, HOUR));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_rc(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after), PHI_ENOTFOUND);
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_MALLORY, 0));
    assert_rc(k, kit_vote(k, KIT_MALLORY, &ans.request, true, 0, &after), PHI_EDENIED); /* their shift is over */
    assert_ok(k, kit_on_call(k, KIT_ROOT, "db", KIT_MALLORY, HOUR));
    assert_ok(k, kit_vote(k, KIT_MALLORY, &ans.request, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    assert_ok(k, kit_bundle(k, pager, "dba: {approve: [{from: 'Group::\"dba\"'}], pending_ttl: 20m, fallback: {after: 10m, from: 'Group::\"on-call:db\"'}}\n"
                                      "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}]}\n"));
    ask.why = PHI_LIT("again");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_rc(k, kit_vote(k, KIT_MALLORY, &ans.request, true, 0, &after), PHI_EDENIED);
    kit_pass(k, 10 * 60 * 1000);
    assert_ok(k, kit_vote(k, KIT_MALLORY, &ans.request, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

/* ---- risk */

static bool says(const struct phi_request *r, const char *why)
{
    return memmem(r->risk_reasons.p, r->risk_reasons.n, why, strlen(why)) != NULL;
}

static struct phi_request fresh(struct kit *k)
{
    static int n;
    char sql[80], session[20];
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_lease(k, 1));
    snprintf(sql, sizeof sql, SQL " AND %d = %d", n, n);
    snprintf(session, sizeof session, "s1");
    n++;
    return stage_ask(k, sql, session);
}

/* alice asks, bob approves, alice does it: `times` times, a day apart, at this hour. */
static void works(struct kit *k, int times)
{
    for (int i = 0; i < times; i++) {
        struct phi_request r = fresh(k), after;
        struct phi_claim claim;
        char key[20];
        snprintf(key, sizeof key, "k-%lld", (long long)k->wall);
        assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
        assert_ok(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, after.act, "pg:delete", key, &claim));
        assert_ok(k, kit_outcome(k, 1, claim.id, PHI_OUTCOME_DONE));
        kit_pass(k, DAY);
        kit_forget(k);
    }
}

static void what_a_person_always_does_is_only_as_risky_as_its_effect(void **state)
{
    struct kit *k = *state;
    k->context = HOME;
    struct phi_request r = fresh(k);
    assert_true(says(&r, "little is known yet") && says(&r, "unusual address") && says(&r, "first pg:delete"));
    assert_int_equal(r.risk, 10 + 20 + 15 + 15);
    assert_ok(k, kit_cancel(k, KIT_ALICE, r.id));
    works(k, 7);
    r = fresh(k);
    assert_int_equal(r.risk, 15);
    assert_true(says(&r, "size of effect: pg:delete"));
}

static void an_unusual_hour_adds_to_the_risk(void **state)
{
    struct kit *k = *state;
    k->context = HOME;
    works(k, 7);
    kit_pass(k, 9 * HOUR);
    struct phi_request r = fresh(k);
    assert_true(says(&r, "unusual hour for this person: 0 %"));
    assert_int_equal(r.risk, 15 + 20);
    kit_pass(k, 15 * HOUR - 30 * 60 * 1000); /* half an hour before the usual time is usual */
    r = fresh(k);
    assert_int_equal(r.risk, 15);
}

static void an_unusual_address_adds_to_the_risk_and_so_does_none(void **state)
{
    struct kit *k = *state;
    k->context = HOME;
    works(k, 7);
    k->context = "{\"addr\":\"10.1.2.250\"}"; /* the same block */
    struct phi_request r = fresh(k);
    assert_int_equal(r.risk, 15);
    k->context = "{\"addr\":\"198.51.100.1\"}";
    r = fresh(k);
    assert_int_equal(r.risk, 15 + 20);
    assert_true(says(&r, "198.51.100.0/24"));
    k->context = NULL;
    r = fresh(k);
    assert_int_equal(r.risk, 15 + 10);
}

static void the_first_time_on_a_resource_adds_to_the_risk(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    k->context = HOME;
    works(k, 7);
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:delete", "shop/public.orders", 600000, 1, &ans));
    int64_t known = ans.request.risk;
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:delete", "shop/public.customers", 600000, 1, &ans));
    assert_int_equal(ans.request.risk, known + 15);
    assert_true(says(&ans.request, "first pg:delete of this person on shop/public.customers"));
}

static void the_size_of_the_effect_adds_to_the_risk(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:insert", "shop/public.orders", 600000, 1, &ans));
    int64_t insert = ans.request.risk;
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:delete", "shop/public.orders", 600000, 1, &ans));
    assert_int_equal(ans.request.risk, insert + 5);
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:truncate", "shop/public.orders", 600000, 1, &ans));
    assert_int_equal(ans.request.risk, insert + 20);
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:insert", "shop/public.orders", 2 * HOUR, 0, &ans));
    assert_int_equal(ans.request.risk, insert + 10);
    k->context = "{\"addr\":\"10.1.2.3\",\"statement\":{\"has_where\":true}}";
    int64_t where = fresh(k).risk;
    k->context = "{\"addr\":\"10.1.2.3\",\"statement\":{\"has_where\":false}}";
    struct phi_request r = fresh(k);
    assert_int_equal(r.risk, where + 25);
    assert_true(says(&r, "there is no WHERE"));
}

static void recent_denials_add_to_the_risk_and_fade(void **state)
{
    struct kit *k = *state;
    struct phi_request r, after;
    k->context = HOME;
    works(k, 7);
    for (int i = 1; i <= 4; i++) {
        r = fresh(k);
        assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
        r = fresh(k);
        assert_int_equal(r.risk, 15 + (i < 4 ? 7 * i : 21));
        assert_ok(k, kit_cancel(k, KIT_ALICE, r.id));
    }
    assert_true(says(&r, "denied 4 times lately"));
    kit_pass(k, 7 * DAY);
    assert_int_equal(fresh(k).risk, 15);
}

static void a_broken_glass_adds_to_the_risk(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_grant_view g;
    struct phi_revoked v;
    assert_ok(k, kit_bundle(k, "@id(\"glass\") permit (principal in Group::\"dev\", action in Action::\"pg:write\", resource)"
                               " when { context.met.contains(\"glass\") };\n",
                            "glass: {kind: break-glass, ttl: 5m}\n" DBA));
    k->context = HOME;
    works(k, 7);
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.break_glass = true;
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_GRANT);
    assert_ok(k, kit_revoke(k, KIT_ROOT, ans.grant.id, &v));
    struct phi_request r = fresh(k);
    assert_int_equal(r.risk, 15 + 20);
    assert_true(says(&r, "nobody has reviewed it yet"));
    assert_ok(k, kit_review(k, KIT_BOB, ans.grant.id, &g));
    r = fresh(k);
    assert_int_equal(r.risk, 15 + 10);
    kit_pass(k, 31 * DAY);
    assert_false(says((r = fresh(k), &r), "glass"));
}

static void habits_age_until_they_are_none(void **state)
{
    struct kit *k = *state;
    k->context = HOME;
    works(k, 7);
    kit_pass(k, 200 * DAY);
    struct phi_request r = fresh(k);
    assert_true(says(&r, "little is known yet") && says(&r, "unusual address") && says(&r, "first pg:delete"));
}

static void quick_repeating_makes_no_habit_and_asking_none_at_all(void **state)
{
    struct kit *k = *state;
    struct phi_claim claim;
    struct phi_request_answer ans;
    struct phi_request after;
    char key[20];
    k->context = HOME;
    for (int i = 0; i < 20; i++)
        assert_ok(k, kit_cancel(k, KIT_ALICE, fresh(k).id));
    assert_int_equal(fresh(k).risk, 10 + 20 + 15 + 15);
    assert_ok(k, kit_scope(k, KIT_ALICE, "pg:delete", "shop/public.orders", 600000, 0, &ans));
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "c%d", i);
        assert_ok(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", key, &claim));
    }
    struct phi_revoked v;
    assert_ok(k, kit_revoke(k, KIT_ROOT, after.grant->id, &v));
    struct phi_request r = fresh(k);
    assert_true(says(&r, "little is known yet"));
}

static void the_policy_sees_the_risk_when_asked_when_voted_and_when_claimed(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    assert_ok(k, kit_bundle(k,
                            "@id(\"calm\") permit (principal == Service::\"auto\", action == phi::Action::\"approve\", resource is Request)\n"
                            "when { resource.risk < 20 };\n"
                            "@id(\"wild\") forbid (principal, action in Action::\"pg:write\", resource) when { context has risk && context.risk >= 50 };\n",
                            "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"']}], ttl: 2h}\n" TWO));
    k->context = HOME;
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, SQL, "pg:delete", "s1", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY); /* 60: nothing is known of alice */
    assert_ok(k, kit_bundle(k, "", DBA));
    works(k, 7);
    assert_ok(k, kit_bundle(k, "@id(\"calm\") permit (principal == Service::\"auto\", action == phi::Action::\"approve\", resource is Request)\n"
                               "when { resource.risk < 30 };\n", /* one deny stands against alice, ten days old */
                            "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"']}], ttl: 2h}\n" TWO));
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_lease(k, 1));
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, "DELETE FROM orders", "pg:delete", "s9", &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_GRANT);
    assert_true(kit_log_has(k, "\"by\":{\"id\":\"auto\",\"type\":\"Service\"}"));
}

static void what_is_known_of_a_person_goes_with_them(void **state)
{
    struct kit *k = *state;
    struct core_habit_row *rows;
    struct phi_profile east = { .zone = PHI_LIT("Test/East") };
    size_t n;
    k->context = HOME;
    works(k, 3);
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_profile(k, KIT_ALICE, &east));
    kit_pass(k, DAY);
    assert_ok(k, kit_tick(k, NULL));
    assert_ok(k, kit_forget_person(k, KIT_ALICE, NULL));
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    struct core_habit_row key = { .person = k->person[KIT_ALICE] };
    assert_int_equal(k->store->ops->list(k->store->self, CORE_HABIT, CORE_BY_KEY, &key, &(struct core_span){ .prefix = 1 }, &k->a, &rows, &n, NULL), PHI_OK);
    k->store->ops->rollback(k->store->self);
    assert_int_equal(n, 0);
}

static void weights_halve(void **state)
{
    (void)state;
    assert_int_equal(core_aged(1000, 0, 1000000), 1000);
    assert_int_equal(core_aged(1000, -5, 1000000), 1000); /* a clock set back makes nothing heavier */
    assert_int_equal(core_aged(1000, 500000, 1000000), 750);
    assert_int_equal(core_aged(1000, 1000000, 1000000), 500);
    assert_int_equal(core_aged(1000, 3000000, 1000000), 125);
    assert_int_equal(core_aged(1000, INT64_MAX, 1000000), 0);
    for (int64_t t = 0, last = 100000; t < 10000000; t += 997) {
        int64_t w = core_aged(100000, t, 1000000);
        assert_true(w <= last);
        last = w;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(over_mem, named_networks_hold_the_address),
        OVER(over_mem, what_is_not_known_is_refused_and_not_guessed),
        OVER(over_mem, the_country_comes_from_the_address),
        T(environment_and_tags_hold_for_what_is_below),
        OVER(over_mem, local_time_is_the_persons_else_the_policys),
        T(ticket_and_justification_reach_the_policy_also_at_the_claim),
        OVER(over_mem, a_requirement_may_say_how_tickets_look),
        OVER(over_mem, an_evaluation_rests_on_no_old_answer), OVER(over_mem, an_evaluation_says_what_is_to_be_asked_again),
        OVER(over_mem, an_old_answer_is_old_whatever_its_requirement_is_called),
        T(who_is_on_call_is_known_until_it_ends),
        T(on_call_is_set_by_those_who_may),
        OVER(over_mem, who_is_on_call_may_be_asked_for_votes_and_for_a_fallback),
        T(what_a_tracker_says_is_needed_at_the_request),
        T(a_vote_and_a_claim_want_what_the_tracker_says_now),
        OVER(over_mem, a_requirement_may_want_the_tracker_to_know_the_ticket),
        T(what_a_person_always_does_is_only_as_risky_as_its_effect),
        OVER(over_mem, an_unusual_hour_adds_to_the_risk),
        OVER(over_mem, an_unusual_address_adds_to_the_risk_and_so_does_none),
        OVER(over_mem, the_first_time_on_a_resource_adds_to_the_risk),
        OVER(over_mem, the_size_of_the_effect_adds_to_the_risk),
        OVER(over_mem, recent_denials_add_to_the_risk_and_fade),
        OVER(over_mem, a_broken_glass_adds_to_the_risk),
        OVER(over_mem, habits_age_until_they_are_none),
        OVER(over_mem, quick_repeating_makes_no_habit_and_asking_none_at_all),
        OVER(over_mem, the_policy_sees_the_risk_when_asked_when_voted_and_when_claimed),
        T(what_is_known_of_a_person_goes_with_them),
        cmocka_unit_test(weights_halve),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
