#include "base/test.h"

#include "base/limits.h"
#include "client/test_link.h"

/* Claims that are filed before the approval: one use is never left with nobody. */

static struct client_ahead *filed(struct world *w)
{
    struct client_ahead *a = client_link_ahead(w->l, PHI_LIT("r1"), &link_alice);
    assert_non_null(a);
    UNTIL(w, w->p.n_ahead);
    return a;
}

/* What comes meanwhile has come: one more question has been asked and answered. */
static void turn(struct world *w)
{
    int before = w->answers;
    struct client_act other = link_alice;
    other.session = PHI_LIT("s2");
    assert_non_null(client_link_request(w->l, &other, answered, w, NULL));
    UNTIL(w, w->answers > before);
}

static struct world ahead_world(void)
{
    return (struct world){ .p = { .protocol = PHI_PROTOCOL_AHEAD, .answer = "{\"answer\":\"allow\"}" } };
}

static void an_older_phid_is_not_asked(void **unused)
{
    (void)unused;
    struct world w = { .p = { .protocol = PHI_PROTOCOL_AHEAD - 1 } };
    world_open(&w);
    assert_null(client_link_ahead(w.l, PHI_LIT("r1"), &link_alice));
    world_close(&w);
}

static void what_is_dropped_is_withdrawn_under_its_key(void **unused)
{
    (void)unused;
    struct world w = ahead_world();
    world_open(&w);
    struct client_ahead *a = filed(&w);
    turn(&w);
    assert_int_equal(w.p.n_withdrawn, 0);
    client_ahead_drop(a);
    UNTIL(&w, w.p.n_withdrawn);
    assert_string_equal(w.p.withdrawn_key, w.p.ahead_key);
    turn(&w);
    assert_int_equal(w.p.n_withdrawn, 1);
    client_ahead_drop(NULL);
    world_close(&w);
}

/* Else phid would take them in the other order, and keep it. */
static void a_withdrawal_waits_for_the_filings_answer(void **unused)
{
    (void)unused;
    struct world w = ahead_world();
    w.p.hold_filings = true;
    world_open(&w);
    client_ahead_drop(filed(&w));
    turn(&w);
    assert_int_equal(w.p.n_withdrawn, 0);
    phid_answer_held(&w.p);
    UNTIL(&w, w.p.n_withdrawn);
    world_close(&w);
}

static void a_withdrawal_is_said_until_it_is_answered_and_its_session_waits(void **unused)
{
    (void)unused;
    struct world w = ahead_world();
    w.p.fail_withdrawals = 1;
    world_open(&w);
    client_ahead_drop(filed(&w));
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    while (!w.claims) {
        if (w.p.n_claim)
            assert_int_equal(w.p.n_withdrawn, 2);
        net_loop_once(w.p.loop);
    }
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_int_equal(w.p.n_withdrawn, 2);
    world_close(&w);
}

static void a_claim_that_takes_it_up_has_its_key_and_nothing_is_withdrawn(void **unused)
{
    (void)unused;
    struct world w = ahead_world();
    world_open(&w);
    struct client_ahead *a = filed(&w);
    assert_non_null(client_link_claim_ahead(w.l, PHI_LIT("g1"), &link_alice, 0, a, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_string_equal(w.p.claim_key[0], w.p.ahead_key);
    turn(&w);
    assert_int_equal(w.p.n_withdrawn, 0);
    world_close(&w);
}

static void a_claim_that_is_refused_or_given_up_withdraws_it(void **unused)
{
    (void)unused;
    struct world w = ahead_world();
    w.p.refuse_claims = true;
    world_open(&w);
    assert_non_null(client_link_claim_ahead(w.l, PHI_LIT("g1"), &link_alice, 0, filed(&w), claimed, &w, NULL));
    UNTIL(&w, w.p.n_withdrawn == 1);
    assert_int_equal(w.claim.kind, CLIENT_DENY);
    w.p.n_ahead = 0;
    client_ask_cancel(client_link_claim_ahead(w.l, PHI_LIT("g1"), &link_alice, 0, filed(&w), claimed, &w, NULL));
    UNTIL(&w, w.p.n_withdrawn == 2);
    assert_string_equal(w.p.withdrawn_key, w.p.ahead_key);
    world_close(&w);
}

static void it_is_filed_anew_with_a_new_stream_and_when_it_is_asked_for(void **unused)
{
    (void)unused;
    struct world w = ahead_world();
    char key[64];
    world_open(&w);
    struct client_ahead *a = filed(&w);
    snprintf(key, sizeof key, "%s", w.p.ahead_key);
    turn(&w);
    client_ahead_again(a);
    UNTIL(&w, w.p.n_ahead == 2);
    phid_stop(&w.p);
    net_loop_once(w.p.loop);
    phid_serve(&w.p);
    UNTIL(&w, w.p.n_ahead == 3);
    assert_string_equal(w.p.ahead_key, key);
    world_close(&w); /* with one under way: nothing leaks, nothing calls back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_phid_is_not_asked),
        cmocka_unit_test(what_is_dropped_is_withdrawn_under_its_key),
        cmocka_unit_test(a_withdrawal_waits_for_the_filings_answer),
        cmocka_unit_test(a_withdrawal_is_said_until_it_is_answered_and_its_session_waits),
        cmocka_unit_test(a_claim_that_takes_it_up_has_its_key_and_nothing_is_withdrawn),
        cmocka_unit_test(a_claim_that_is_refused_or_given_up_withdraws_it),
        cmocka_unit_test(it_is_filed_anew_with_a_new_stream_and_when_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
