#include "base/test.h"

#include "client/test_link.h"

/* ---- Snapshot, lease, events ---- */

static void a_snapshot_makes_the_link_fresh(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w);
    assert_true(client_link_fresh(w.l));
    assert_string_equal(client_link_name(w.l), "gw1");
    assert_string_equal(w.p.peer, "gw1");
    struct client_snapshot *s = client_link_snapshot(w.l);
    assert_true(client_snapshot_has_target(s, PHI_LIT("shop")));
    assert_false(client_snapshot_has_target(s, PHI_LIT("other")));
    assert_view(client_snapshot_principal_named(s, PHI_LIT("alice"))->id, "0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501");
    assert_non_null(client_snapshot_credential(s, PHI_LIT("c1")));
    assert_null(client_snapshot_credential(s, PHI_LIT("c2"))); /* ended */
    struct phi_uid alice = { PHI_LIT("Person"), PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501") }, dev = { PHI_LIT("Group"), PHI_LIT("dev") };
    struct phi_uid shop = { PHI_LIT("Target"), PHI_LIT("[\"shop\"]") };
    assert_true(phi_entities_is_in(client_snapshot_entities(s), alice, dev));
    assert_true(phi_entities_has(client_snapshot_entities(s), shop));
    assert_int_equal(phi_bundle_version(client_snapshot_bundle(s)), 3);
    world_close(&w);
}

static void events_are_told(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w);
    say(&w, "request", "{\"id\":\"r1\",\"status\":\"approved\",\"grant\":null}");
    say(&w, "votes", "{\"id\":\"r1\",\"needs\":[]}");
    say(&w, "end", "{\"seq\":7,\"grant\":\"g1\",\"principal\":\"0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501\",\"reason\":\"revoked\"}");
    UNTIL(&w, w.ends);
    assert_int_equal(w.requests, 1);
    assert_int_equal(w.votes, 1);
    assert_int_equal(w.end_seq, 7);
    assert_string_equal(w.last, "g1 0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501 revoked");
    client_link_ack(w.l, 7);
    UNTIL(&w, w.p.n_ack);
    int before = w.snapshots;
    struct client_snapshot *old = client_snapshot_ref(client_link_snapshot(w.l));
    w.p.seq = 2;
    say(&w, "snapshot", "{}");
    UNTIL(&w, w.snapshots > before && client_snapshot_seq(client_link_snapshot(w.l)) == 2);
    assert_ptr_equal(client_snapshot_bundle(old), client_snapshot_bundle(client_link_snapshot(w.l)));
    client_snapshot_unref(old);
    world_close(&w);
}

static void a_snapshot_that_is_not_whole_is_not_taken(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    w.p.wrong_bundle = true;
    phid_open(&w.p);
    assert_int_equal(client_enroll(w.p.loop, w.p.url, w.p.code, w.p.dir, false, NULL), PHI_OK);
    link_start(&w);
    UNTIL(&w, w.p.n_snapshot >= 2); /* asked again */
    assert_int_equal(w.snapshots, 0);
    assert_false(client_link_fresh(w.l));
    world_close(&w);
}

static void a_phid_that_is_too_old_is_not_believed(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    w.p.too_old = true;
    phid_open(&w.p);
    assert_int_equal(client_enroll(w.p.loop, w.p.url, w.p.code, w.p.dir, false, NULL), PHI_OK);
    link_start(&w);
    UNTIL(&w, w.p.n_snapshot >= 2); /* asked again */
    assert_int_equal(w.snapshots, 0);
    assert_false(client_link_fresh(w.l));
    world_close(&w);
}

static void the_lease_ends_when_phid_is_silent(void **unused)
{
    (void)unused;
    struct world w = { .p = { .lease_ms = 400 } };
    world_open(&w);
    UNTIL(&w, w.p.n_lease >= 2); /* renewed */
    assert_true(client_link_fresh(w.l));
    assert_int_equal(w.lost, 0);
    w.p.mute = true;
    UNTIL(&w, w.lost);
    assert_false(client_link_fresh(w.l));
    struct client_act act = { .principal = PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501") };
    struct phi_err err;
    assert_null(client_link_claim(w.l, PHI_LIT("g1"), &act, 0, NULL, NULL, &err));
    assert_int_equal(err.rc, PHI_EEXPIRED);
    world_close(&w);
}

static void an_old_snapshot_gets_no_longer_lease(void **unused)
{
    (void)unused;
    struct world w = { .p = { .lease_ms = 1000 } };
    world_open(&w);
    w.p.seq = 5;
    UNTIL(&w, client_snapshot_seq(client_link_snapshot(w.l)) == 5); /* the lease named it */
    world_close(&w);
}

static void the_link_comes_back_and_asks_what_it_missed(void **unused)
{
    (void)unused;
    struct world w = { .p = { .answer = "{\"answer\":\"pending\",\"request\":{\"id\":\"r1\",\"status\":\"pending\"},\"url\":\"u\"}",
                              .status = "{\"id\":\"r1\",\"status\":\"approved\",\"grant\":{\"id\":\"g1\"}}" } };
    world_open(&w);
    struct client_act act = { .principal = PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501"), .session = PHI_LIT("s"), .target = PHI_LIT("shop") };
    struct phi_err err;
    assert_non_null(client_link_request(w.l, &act, answered, &w, &err));
    UNTIL(&w, w.answers);
    assert_int_equal(w.answer.kind, CLIENT_PENDING);
    int before = w.snapshots;
    phid_stop(&w.p);
    net_loop_once(w.p.loop);
    phid_serve(&w.p);
    UNTIL(&w, w.requests && w.snapshots > before);
    assert_string_equal(w.last, "r1 approved");
    assert_int_equal(w.lost, 0);
    world_close(&w);
}

/* ---- Requests and claims ---- */

static void every_answer_has_its_kind(void **unused)
{
    (void)unused;
    static const struct {
        const char *json;
        enum client_answer_kind kind;
    } cases[] = {
        { "{\"answer\":\"allow\"}", CLIENT_ALLOW },
        { "{\"answer\":\"grant\",\"grant\":{\"id\":\"g\"}}", CLIENT_GRANT },
        { "{\"answer\":\"pending\",\"request\":{\"id\":\"r\"}}", CLIENT_PENDING },
        { "{\"answer\":\"deny\",\"reason\":\"no\",\"code\":\"policy.denied\"}", CLIENT_DENY },
        { "{\"answer\":\"ALLOW\"}", CLIENT_DENY },
        { "{\"answer\":true}", CLIENT_DENY },
        { "{\"answer\":\"pending\"}", CLIENT_DENY },
        { "[]", CLIENT_DENY },
        { "allow", CLIENT_DENY },
    };
    struct world w = { 0 };
    world_open(&w);
    for (size_t i = 0; i < COUNT(cases); i++) {
        w.p.answer = cases[i].json;
        assert_non_null(client_link_request(w.l, &link_alice, answered, &w, NULL));
        UNTIL(&w, w.answers == (int)i + 1);
        assert_int_equal(w.answer.kind, cases[i].kind);
        assert_false(w.answer.unreachable);
        if (i == 3) {
            assert_string_equal(w.answer.err.msg, "no");
            assert_string_equal(w.answer.code, "policy.denied");
        }
    }
    assert_non_null(strstr(w.p.last_body, "\"principal\":{\"id\":\"0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501\"},\"credential\":\"c1\""));
    phid_stop(&w.p);
    w.answers = 0;
    assert_non_null(client_link_request(w.l, &link_alice, answered, &w, NULL));
    UNTIL(&w, w.answers);
    assert_int_equal(w.answer.kind, CLIENT_DENY);
    assert_true(w.answer.unreachable);
    world_close(&w);
}

static void a_claim_gives_a_use_until_its_end(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w);
    int64_t before = phi_now_boot_ms();
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_true(w.claim.ends_boot_ms >= before + 60000 && w.claim.ends_boot_ms <= phi_now_boot_ms() + 60000);
    w.p.refuse_claims = true;
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.claims == 2);
    assert_int_equal(w.claim.kind, CLIENT_DENY);
    assert_string_equal(w.claim.code, "grant.used");
    assert_string_not_equal(w.p.claim_key[0], w.p.claim_key[1]);
    world_close(&w);
}

static void a_lost_claim_is_asked_again_under_its_key(void **unused)
{
    (void)unused;
    struct world w = { .p = { .drop_claims = 1 } };
    world_open(&w);
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_int_equal(w.p.n_claim, 2);
    assert_string_equal(w.p.claim_key[0], w.p.claim_key[1]);
    world_close(&w);
}

static void a_use_spent_for_nobody_is_given_back(void **unused)
{
    (void)unused;
    struct world w = { .p = { .drop_claims = 1 } };
    world_open(&w);
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 50, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_DENY);
    assert_true(w.claim.unreachable);
    UNTIL(&w, w.p.outcomes[0]);
    assert_string_equal(w.p.outcomes, "unsent: ");
    w.p.outcomes[0] = 0;
    client_ask_cancel(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.p.outcomes[0]);
    assert_string_equal(w.p.outcomes, "unsent: ");
    w.p.remaining_ms = 0; /* nothing left is ended */
    w.p.outcomes[0] = 0;
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.p.outcomes[0]);
    assert_int_equal(w.claim.kind, CLIENT_DENY);
    assert_int_equal(w.claims, 2);
    world_close(&w);
}

static void outcomes_arrive_in_order_after_trouble(void **unused)
{
    (void)unused;
    struct world w = { .p = { .fail_outcomes = 2 } };
    world_open(&w);
    assert_true(client_link_outcome(w.l, "018f0000-0000-7000-8000-000000000001", "done", PHI_LIT("A"), 1, 0));
    assert_true(client_link_outcome(w.l, "018f0000-0000-7000-8000-000000000002", "failed", PHI_LIT("B"), -1, 0));
    client_link_leave(w.l, PHI_LIT("r1"), PHI_LIT("s1"));
    assert_true(client_link_outcome(w.l, "018f0000-0000-7000-8000-000000000003", "unknown", PHI_LIT("C"), -1, 0));
    assert_false(client_link_idle(w.l));
    UNTIL(&w, client_link_idle(w.l));
    assert_string_equal(w.p.outcomes, "done:A failed:B unknown:C ");
    assert_int_equal(w.p.n_leave, 1);
    assert_int_equal(w.p.n_outcome, 5);
    world_close(&w);
}

/* ---- Several phids ---- */

static void whoever_answers_is_asked(void **unused)
{
    (void)unused;
    struct world w = { .dead_first = true };
    int64_t begin = phi_now_boot_ms();
    world_open(&w);
    assert_true(client_link_fresh(w.l));
    assert_true(phi_now_boot_ms() - begin < 5000);
    assert_false(client_link_hurry(w.l)); /* it is well: no more to be known */
    phid_stop(&w.p);
    UNTIL(&w, w.p.sse == NULL);
    UNTIL(&w, client_link_hurry(w.l));
    w.snapshots = 0;
    phid_serve(&w.p);
    begin = phi_now_boot_ms();
    while (!w.snapshots) {
        client_link_hurry(w.l);
        net_loop_once(w.p.loop);
    }
    assert_true(phi_now_boot_ms() - begin < 5000);
    assert_true(client_link_fresh(w.l));
    world_close(&w);
}

static void a_claims_key_goes_on_at_the_next_phid(void **unused)
{
    (void)unused;
    struct world w = { .p = { .drop_claims = 1 }, .twice = true };
    world_open(&w);
    assert_int_equal(w.p.n_streams, 1);
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_int_equal(w.p.n_claim, 2);
    assert_string_equal(w.p.claim_key[0], w.p.claim_key[1]);
    UNTIL(&w, w.p.n_streams == 2); /* and so does all else */
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_makes_the_link_fresh),
        cmocka_unit_test(events_are_told),
        cmocka_unit_test(a_snapshot_that_is_not_whole_is_not_taken),
        cmocka_unit_test(a_phid_that_is_too_old_is_not_believed),
        cmocka_unit_test(the_lease_ends_when_phid_is_silent),
        cmocka_unit_test(an_old_snapshot_gets_no_longer_lease),
        cmocka_unit_test(the_link_comes_back_and_asks_what_it_missed),
        cmocka_unit_test(every_answer_has_its_kind),
        cmocka_unit_test(a_claim_gives_a_use_until_its_end),
        cmocka_unit_test(a_lost_claim_is_asked_again_under_its_key),
        cmocka_unit_test(a_use_spent_for_nobody_is_given_back),
        cmocka_unit_test(outcomes_arrive_in_order_after_trouble),
        cmocka_unit_test(whoever_answers_is_asked),
        cmocka_unit_test(a_claims_key_goes_on_at_the_next_phid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
