/* What others have to do with a request: those on whose behalf it is, those who sleep, and those who are asked too often. */
#include "core/request_in.h"
#include "stage.h"

#define DAY (24 * HOUR)

static struct phi_request_ask for_bob(struct kit *k, struct phi_view *who)
{
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    ask.on_behalf = who;
    ask.n_on_behalf = 1;
    return ask;
}

/* ---- on behalf of */

static void those_for_whom_one_acts_do_not_count(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request r, after;
    struct phi_view bob = PHI_LIT("bob");
    struct phi_request_ask ask = for_bob(k, &bob);
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    assert_int_equal(ans.request.n_on_behalf, 1);
    assert_true(phi_view_is(ans.request.on_behalf[0], "bob"));
    assert_non_null(memmem(ans.request.body.p, ans.request.body.n, k->person[KIT_BOB].p, k->person[KIT_BOB].n));
    assert_ok(k, kit_get(k, KIT_BOB, ans.request.id, &r)); /* bob sees it, and has no vote */
    assert_false(r.can_vote);
    assert_no(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after), PHI_EDENIED, "request.not-approver");
    assert_ok(k, kit_vote(k, KIT_CAROL, &ans.request, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    assert_true(kit_log_has(k, "\"on_behalf\":[{"));
}

static void acting_for_somebody_gives_no_more_than_they_may(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_view mallory = PHI_LIT("mallory"), alice = PHI_LIT("alice");
    struct phi_request_ask ask = for_bob(k, &mallory);
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans)); /* mallory may not write, so nobody may for her */
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    ask = for_bob(k, &alice);
    assert_ok(k, kit_make(k, KIT_MALLORY, &ask, &ans)); /* and alice's right is not mallory's */
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    assert_rc(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EINPUT); /* oneself is no other */
    ask.break_glass = true;
    ask.on_behalf = &mallory;
    assert_rc(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_EINPUT);
}

static void a_chain_is_decided_for_each_link_again_at_the_claim(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_claim claim;
    struct phi_view chain[] = { PHI_LIT("bob"), PHI_LIT("carol") };
    struct phi_request_ask ask = for_bob(k, chain);
    ask.n_on_behalf = 2;
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.request.n_needs, 1);
    assert_int_equal(ans.request.needs[0].needs[0].n_who, 1); /* dora alone is left */
    assert_ok(k, kit_vote(k, KIT_DORA, &ans.request, true, 0, &after));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c1", &claim));
    assert_ok(k, kit_group(k, KIT_CAROL, "dba", false));
    assert_no(k, kit_claim(k, 1, KIT_ALICE, after.grant->id, (struct phi_view){ 0 }, "pg:delete", "c2", &claim), PHI_EDENIED, "policy.denied");
}

static void an_edit_stays_with_those_for_whom_it_is(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_view bob = PHI_LIT("bob");
    struct phi_request_ask ask = for_bob(k, &bob);
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_ok(k, kit_edit(k, KIT_ALICE, ans.request.id, HOUR / 6, &after));
    assert_int_equal(after.version, ans.request.version + 1);
    assert_int_equal(after.n_on_behalf, 1);
    assert_non_null(memmem(after.body.p, after.body.n, k->person[KIT_BOB].p, k->person[KIT_BOB].n));
    assert_no(k, kit_vote(k, KIT_BOB, &after, true, 0, &after), PHI_EDENIED, "request.not-approver");
}

static void the_policy_sees_for_whom(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_view bob = PHI_LIT("bob");
    assert_ok(k, kit_bundle(k, "@id(\"alone\") forbid (principal, action in Action::\"pg:write\", resource)\n"
                               "when { context has on_behalf && !context.on_behalf.isEmpty() };\n", DBA));
    struct phi_request_ask ask = for_bob(k, &bob);
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_DENY);
    ask.n_on_behalf = 0;
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
}

/* ---- quiet hours */

#define NIGHT ((struct phi_profile){ .quiet_from_min = 22 * 60, .quiet_to_min = 7 * 60, .quiet_days = 0x7f })

static void to_hour(struct kit *k, int64_t hour)
{
    int64_t now = k->wall % DAY;
    kit_pass(k, (hour * HOUR - now + DAY) % DAY);
    assert_ok(k, kit_credentials(k));
}

static void quiet_hours_reach_over_midnight_and_know_their_days(void **state)
{
    struct kit *k = *state;
    struct phi_profile p = NIGHT, got;
    assert_ok(k, kit_profile(k, KIT_BOB, &p));
    static const struct {
        int64_t hour;
        bool quiet;
    } cases[] = { { 21, false }, { 22, true }, { 23, true }, { 0, true }, { 6, true }, { 7, false }, { 12, false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        to_hour(k, cases[i].hour);
        assert_ok(k, kit_profile_get(k, KIT_BOB, &got));
        assert_int_equal(got.quiet_now, cases[i].quiet);
    }
    p.quiet_days = 1 << 5; /* the night that begins on Saturday */
    assert_ok(k, kit_profile(k, KIT_BOB, &p));
    int quiet = 0;
    for (int i = 0; i < 7 * 24; i++) {
        kit_pass(k, HOUR);
        assert_ok(k, kit_profile_get(k, KIT_BOB, &got));
        quiet += got.quiet_now;
    }
    assert_int_equal(quiet, 9);
    p.quiet_from_min = 1440;
    assert_rc(k, kit_profile(k, KIT_BOB, &p), PHI_EINPUT);
}

static void nobody_is_reminded_while_all_sleep_and_whoever_wakes_may_still_vote(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_profile p = NIGHT;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"'}], remind: 5m, pending_ttl: 12h}\n" TWO));
    for (int i = KIT_BOB; i <= KIT_DORA; i++)
        assert_ok(k, kit_profile(k, (enum kit_who)i, &p));
    to_hour(k, 23);
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    k->told[0] = 0;
    for (int i = 0; i < 60; i++) { /* until four o'clock */
        kit_pass(k, HOUR / 12);
        assert_ok(k, kit_tick(k, NULL));
    }
    assert_string_equal(k->told, "");
    kit_pass(k, 3 * HOUR + HOUR / 12);
    assert_ok(k, kit_tick(k, NULL));
    assert_string_equal(k->told, "reminder");
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

static void those_of_the_fallback_need_not_wait_for_sleepers(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_profile p = NIGHT, awake = { .quiet_days = 0x7f };
    assert_ok(k, kit_bundle(k, "@id(\"guest\") permit (principal in Group::\"guest\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: 'Group::\"dba\"'}], pending_ttl: 2h, fallback: {after: 1h, from: 'Group::\"guest\"'}}\n" TWO));
    for (int i = KIT_BOB; i <= KIT_DORA; i++)
        assert_ok(k, kit_profile(k, (enum kit_who)i, &p));
    to_hour(k, 23);
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_ok(k, kit_profile(k, KIT_DORA, &awake)); /* one is reachable after all: it is the fallback's turn later */
    assert_rc(k, kit_vote(k, KIT_MALLORY, &ans.request, true, 0, &after), PHI_EDENIED);
    assert_ok(k, kit_profile(k, KIT_DORA, &p));
    assert_ok(k, kit_vote(k, KIT_MALLORY, &ans.request, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

/* ---- quotas */

static void what_is_denied_again_and_again_is_asked_less_and_less_often(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request after;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders"), other = kit_scope_of(k, "shop/public.customers");
    for (int i = 0; i < 5; i++) {
        assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
        assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, false, 0, &after));
    }
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_ELIMIT, "request.quota");
    assert_ok(k, kit_make(k, KIT_ALICE, &other, &ans)); /* something else is something else */
    assert_ok(k, kit_make(k, KIT_BOB, &ask, &ans));     /* and so is somebody else */
    kit_pass(k, 59 * 1000);
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_ELIMIT, "request.quota");
    kit_pass(k, 1000);
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, false, 0, &after));
    kit_pass(k, 60 * 1000);
    assert_no(k, kit_make(k, KIT_ALICE, &ask, &ans), PHI_ELIMIT, "request.quota"); /* two minutes now */
    kit_pass(k, 60 * 1000);
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_ok(k, kit_vote(k, KIT_BOB, &ans.request, true, 0, &after)); /* an approval ends it */
    for (int i = 0; i < 4; i++) {
        assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
        assert_ok(k, kit_cancel(k, KIT_ALICE, ans.request.id));
    }
}

static void attack_52_the_same_ask_is_one_request_and_one_prompt(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer first, ans;
    struct phi_request *mine;
    struct phi_request after;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    size_t n, told;
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &first));
    told = k->events;
    for (int i = 0; i < 50; i++) {
        assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
        assert_true(ans.joined && phi_view_eq(ans.request.id, first.request.id));
    }
    assert_int_equal(k->events, told); /* nobody hears of it again */
    assert_ok(k, kit_list(k, KIT_BOB, PHI_BOX_INBOX, &mine, &n));
    assert_int_equal(n, 1);
    ask.why = PHI_LIT("another reason"); /* what people are shown differs: another request */
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
    assert_false(ans.joined);
    ask = kit_scope_of(k, "shop/public.orders");
    assert_ok(k, kit_make(k, KIT_BOB, &ask, &ans)); /* somebody else's is theirs */
    assert_false(ans.joined);
    assert_ok(k, kit_vote(k, KIT_CAROL, &first.request, false, 0, &after));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans)); /* what has ended is over */
    assert_false(ans.joined);
}

static void attack_51_no_more_than_so_many_an_hour_come_to_be(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(k, "shop/public.orders");
    struct core_habit_row *rows;
    size_t n, made = 0;
    for (int i = 0; i < 3 * PHI_MAX_ASKS_PER_HOUR; i++) {
        enum phi_rc rc = kit_make(k, KIT_ALICE, &ask, &ans);
        if (rc == PHI_OK) {
            made++;
            assert_ok(k, kit_cancel(k, KIT_ALICE, ans.request.id));
        } else {
            assert_string_equal(k->why, "request.quota");
        }
        ask.for_ms++; /* never the same twice */
        kit_forget(k);
        struct phi_request_ask again = kit_scope_of(k, "shop/public.orders");
        again.for_ms = ask.for_ms;
        ask = again;
    }
    assert_int_equal(made, PHI_MAX_ASKS_PER_HOUR);
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->list(k->store->self, CORE_HABIT, CORE_BY_KEY, NULL, &(struct core_span){ 0 }, &k->a, &rows, &n, NULL), PHI_OK);
    k->store->ops->rollback(k->store->self);
    assert_true(n < 10);
    kit_pass(k, HOUR);
    assert_ok(k, kit_credentials(k));
    assert_ok(k, kit_make(k, KIT_ALICE, &ask, &ans));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(those_for_whom_one_acts_do_not_count),
        T(acting_for_somebody_gives_no_more_than_they_may),
        T(a_chain_is_decided_for_each_link_again_at_the_claim),
        T(an_edit_stays_with_those_for_whom_it_is),
        T(the_policy_sees_for_whom),
        OVER(over_mem, quiet_hours_reach_over_midnight_and_know_their_days),
        T(nobody_is_reminded_while_all_sleep_and_whoever_wakes_may_still_vote),
        T(those_of_the_fallback_need_not_wait_for_sleepers),
        T(what_is_denied_again_and_again_is_asked_less_and_less_often),
        T(attack_52_the_same_ask_is_one_request_and_one_prompt),
        OVER(over_mem, attack_51_no_more_than_so_many_an_hour_come_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
