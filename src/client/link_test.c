#include "base/test.h"

#include "client/enroll.h"
#include "client/link.h"
#include "client/test_phid.h"

struct world {
    struct phid p;
    struct client_link *l;
    int snapshots, requests, votes, ends, lost, answers, claims;
    int64_t end_seq, witness_ms;
    bool dead_first, twice; /* two phids, the first of which is not there; both are the same */
    char last[300], why[300];
    struct client_answer answer;
    struct client_claim claim;
};

static void on_snapshot(struct client_snapshot *s, void *ctx)
{
    struct world *w = ctx;
    assert_non_null(s);
    w->snapshots++;
}

static void on_request(const struct phi_json *ev, void *ctx)
{
    struct world *w = ctx;
    w->requests++;
    snprintf(w->last, sizeof w->last, PHI_FMT " " PHI_FMT, PHI_ARG(phi_json_text(ev, "id")),
             PHI_ARG(phi_json_text(ev, "status")));
}

static void on_votes(const struct phi_json *ev, void *ctx)
{
    struct world *w = ctx;
    w->votes += phi_json_get(ev, "needs") != NULL;
}

static void on_end(int64_t seq, struct phi_view grant, struct phi_view principal, struct phi_view reason, void *ctx)
{
    struct world *w = ctx;
    w->ends++;
    w->end_seq = seq;
    snprintf(w->last, sizeof w->last, PHI_FMT " " PHI_FMT " " PHI_FMT, PHI_ARG(grant), PHI_ARG(principal), PHI_ARG(reason));
}

static void on_lost(const char *why, void *ctx)
{
    struct world *w = ctx;
    w->lost++;
    snprintf(w->why, sizeof w->why, "%s", why);
}

static const struct client_link_events events = { on_snapshot, on_request, on_votes, on_end, on_lost };

#define UNTIL(w, condition)                                                                                            \
    while (!(condition))                                                                                               \
    net_loop_once((w)->p.loop)

static void link_start(struct world *w)
{
    struct phi_err err;
    const char *urls[] = { w->p.url, w->p.url };
    size_t first = w->dead_first || w->twice ? 0 : 1;
    if (w->dead_first)
        urls[0] = "https://127.0.0.1:1";
    struct client_link_opts o = { .urls = urls + first, .n_urls = 2 - first, .state_dir = w->p.dir, .events = &events, .ctx = w, .witness_ms = w->witness_ms };
    if (client_link_open(w->p.loop, &o, &w->l, &err) != PHI_OK)
        fail_msg("%s", err.msg);
}

static void world_open(struct world *w)
{
    struct phi_err err;
    phid_open(&w->p);
    if (client_enroll(w->p.loop, w->p.url, w->p.code, w->p.dir, false, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    link_start(w);
    UNTIL(w, w->snapshots && w->p.sse);
}

static void world_close(struct world *w)
{
    client_link_close(w->l);
    phid_close(&w->p);
}

static void say(struct world *w, const char *event, const char *json)
{
    assert_true(net_sse_event(w->p.sse, "1", event, phi_view_of(json)));
}

/* ---- Snapshot, lease, events ---- */

static void answered(const struct client_answer *a, void *ctx)
{
    struct world *w = ctx;
    w->answers++;
    w->answer = *a;
}

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

static void claimed(const struct client_claim *c, void *ctx)
{
    struct world *w = ctx;
    w->claims++;
    w->claim = *c;
}

static const struct client_act alice = { .principal = PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501"),
                                         .credential = PHI_LIT("c1"),
                                         .session = PHI_LIT("s1"),
                                         .target = PHI_LIT("shop"),
                                         .actions = PHI_LIT("[{\"action\":\"pg:delete\"}]"),
                                         .payload = PHI_LIT("{\"kind\":\"pg-query\"}"),
                                         .hold_ms = 1000 };

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
        assert_non_null(client_link_request(w.l, &alice, answered, &w, NULL));
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
    assert_non_null(client_link_request(w.l, &alice, answered, &w, NULL));
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
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_true(w.claim.ends_boot_ms >= before + 60000 && w.claim.ends_boot_ms <= phi_now_boot_ms() + 60000);
    w.p.refuse_claims = true;
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
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
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
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
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 50, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_DENY);
    assert_true(w.claim.unreachable);
    UNTIL(&w, w.p.outcomes[0]);
    assert_string_equal(w.p.outcomes, "unsent: ");
    w.p.outcomes[0] = 0;
    client_ask_cancel(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.p.outcomes[0]);
    assert_string_equal(w.p.outcomes, "unsent: ");
    w.p.remaining_ms = 0; /* nothing left is ended */
    w.p.outcomes[0] = 0;
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
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
    assert_non_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
    UNTIL(&w, w.claims);
    assert_int_equal(w.claim.kind, CLIENT_ALLOW);
    assert_int_equal(w.p.n_claim, 2);
    assert_string_equal(w.p.claim_key[0], w.p.claim_key[1]);
    UNTIL(&w, w.p.n_streams == 2); /* and so does all else */
    world_close(&w);
}

/* ---- Records ---- */

static bool record(struct world *w)
{
    return client_link_record(w->l, PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501"), PHI_LIT("shop"), PHI_LIT("s1"),
                              PHI_LIT("[{\"action\":\"pg:select\"}]"), PHI_LIT("select 1;"), NULL);
}

static void records_are_acknowledged_in_batches(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w);
    for (int i = 0; i < 10000; i++)
        assert_true(record(&w));
    assert_false(client_link_idle(w.l));
    UNTIL(&w, client_link_idle(w.l));
    assert_int_equal(w.p.records_seen, 10000);
    assert_int_equal(w.p.n_records, 1); /* equal ones are one record */
    assert_int_equal(w.p.record_groups, 1);
    for (int i = 1; i < w.p.n_records; i++)
        assert_int_equal(w.p.batches[i], w.p.batches[i - 1] + 1);
    int64_t last = w.p.batches[w.p.n_records - 1];
    client_link_close(w.l);
    w.snapshots = 0;
    link_start(&w); /* a restart numbers on behind it */
    UNTIL(&w, w.snapshots);
    record(&w);
    UNTIL(&w, client_link_idle(w.l));
    assert_int_equal(w.p.batches[w.p.n_records - 1], last + 1);
    world_close(&w);
}

/* What the hash of a record is over: the bytes of each statement, one behind the other. */
static void equal_records_count_and_hash_their_bytes(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct client_record_at at = { 0 };
    const struct phi_view parts[] = { PHI_LIT("select 1"), PHI_LIT("select 2"), PHI_LIT("select 3") };
    char want[PHI_HEX_LEN + 1];
    struct phi_digest d = phi_sha256_parts(parts, 3);
    phi_digest_hex(&d, want);
    world_open(&w);
    assert_false(client_link_record_again(w.l, &at, parts[0]));
    assert_true(client_link_record(w.l, PHI_LIT("p"), PHI_LIT("shop"), PHI_LIT("s1"), PHI_LIT("[]"), parts[0], &at));
    assert_true(client_link_record_again(w.l, &at, parts[1]));
    assert_true(client_link_record(w.l, PHI_LIT("p"), PHI_LIT("shop"), PHI_LIT("s2"), PHI_LIT("[]"), parts[0], NULL));
    assert_true(client_link_record(w.l, PHI_LIT("p"), PHI_LIT("shop"), PHI_LIT("s1"), PHI_LIT("[]"), parts[2], NULL));
    UNTIL(&w, client_link_idle(w.l));
    assert_int_equal(w.p.n_records, 1);
    assert_int_equal(w.p.records_seen, 4);
    assert_int_equal(w.p.record_groups, 2);
    assert_string_equal(w.p.first_hash, want);
    assert_false(client_link_record_again(w.l, &at, parts[0])); /* that batch has gone */
    world_close(&w);
}

/* Denials are numbered with the allows, and kept apart from an allow of the same. */
static void denials_are_recorded_and_held_back_like_allows(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct client_denial why = { .policies = PHI_LIT("[\"freeze\"]"), .reason = PHI_LIT("there is a freeze") };
    const struct phi_view p = PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501"), t = PHI_LIT("shop"), s = PHI_LIT("s1"), none = PHI_LIT("[]"), sql = PHI_LIT("x");
    world_open(&w);
    assert_true(client_link_record(w.l, p, t, s, none, sql, NULL));
    assert_true(client_link_record_denied(w.l, p, t, s, none, sql, &why));
    assert_true(client_link_record_denied(w.l, p, t, s, none, sql, &why));
    UNTIL(&w, client_link_idle(w.l));
    assert_int_equal(w.p.record_groups, 2);
    assert_int_equal(w.p.records_seen, 3);
    assert_int_equal(w.p.denials_seen, 2);
    w.p.drop_records = true;
    int n = 0;
    while (client_link_record_denied(w.l, p, t, s, none, sql, &why))
        n++;
    assert_int_equal(n, PHI_RECORD_MAX_COUNT);
    assert_false(client_link_record(w.l, p, t, s, none, sql, NULL));
    world_close(&w);
}

static void without_acknowledgement_nothing_more_is_recorded(void **unused)
{
    (void)unused;
    struct world w = { .p = { .drop_records = true } };
    world_open(&w);
    int n = 0;
    while (record(&w))
        n++;
    assert_int_equal(n, PHI_RECORD_MAX_COUNT);
    assert_false(client_link_may_record(w.l));
    UNTIL(&w, w.p.n_records >= 2); /* the batch is sent again under its number */
    assert_int_equal(w.p.batches[0], w.p.batches[1]);
    w.p.drop_records = false;
    UNTIL(&w, client_link_idle(w.l));
    assert_true(client_link_may_record(w.l));
    assert_int_equal(w.p.records_seen, PHI_RECORD_MAX_COUNT);
    world_close(&w);
}

static void a_record_too_old_stops_recording(void **unused)
{
    (void)unused;
    struct world w = { .p = { .drop_records = true } };
    world_open(&w);
    assert_true(record(&w));
    int64_t begin = phi_now_boot_ms();
    UNTIL(&w, !client_link_may_record(w.l));
    int64_t took = phi_now_boot_ms() - begin;
    assert_true(took >= PHI_RECORD_MAX_AGE_MS && took < PHI_RECORD_MAX_AGE_MS + 4000);
    assert_false(record(&w));
    world_close(&w);
}

/* ---- The log ---- */

static void a_growing_log_is_followed(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w);
    for (int i = 0; i < 20; i++) {
        int before = w.snapshots;
        for (int k = 0; k <= i % 3; k++)
            phid_append(&w.p, "more");
        say(&w, "snapshot", "{}");
        UNTIL(&w, w.snapshots > before);
        assert_true(client_link_fresh(w.l));
    }
    client_link_close(w.l);
    w.snapshots = 0;
    phid_append(&w.p, "while away");
    link_start(&w); /* what it remembers outlives a restart */
    UNTIL(&w, w.snapshots);
    assert_true(client_link_fresh(w.l));
    world_close(&w);
}

/* After `change` the link must refuse for good. */
static void forks(void (*change)(struct phid *p), bool restart)
{
    struct world w = { 0 };
    world_open(&w);
    int before = w.snapshots;
    for (int i = 0; i < 5; i++)
        phid_append(&w.p, "entry");
    say(&w, "snapshot", "{}");
    UNTIL(&w, w.snapshots > before);
    change(&w.p);
    if (restart) {
        client_link_close(w.l);
        w.snapshots = 0;
        link_start(&w);
    } else {
        say(&w, "snapshot", "{}");
    }
    UNTIL(&w, w.lost);
    assert_true(client_link_forked(w.l));
    assert_false(client_link_fresh(w.l));
    assert_non_null(strstr(w.why, "log"));
    assert_null(client_link_request(w.l, &alice, answered, &w, NULL));
    assert_null(client_link_claim(w.l, PHI_LIT("g1"), &alice, 0, claimed, &w, NULL));
    world_close(&w);
}

static void change_entry(struct phid *p)
{
    p->leaf[2].b[0] ^= 1;
}

static void change_entry_and_grow(struct phid *p)
{
    change_entry(p);
    phid_append(p, "new");
}

static void cut_end(struct phid *p)
{
    p->size -= 2;
}

static void empty_log(struct phid *p)
{
    p->size = 0;
}

static void lie(struct phid *p)
{
    phid_append(p, "new");
    phid_append(p, "new");
    p->lie_consistency = true;
}

static void other_key(struct phid *p)
{
    phi_key_make(&p->log_key, NULL);
}

static void a_log_that_does_not_continue_ends_all_trust(void **unused)
{
    (void)unused;
    static void (*const changes[])(struct phid *) = { change_entry, change_entry_and_grow, cut_end, empty_log, lie, other_key };
    for (size_t i = 0; i < COUNT(changes); i++)
        for (int restart = 0; restart < 2; restart++)
            forks(changes[i], restart);
}

static void the_log_is_watched_between_snapshots(void **unused)
{
    (void)unused;
    struct world w = { .p = { .lease_ms = 600 } };
    world_open(&w);
    client_link_close(w.l);
    w.snapshots = 0;
    w.witness_ms = 1;
    link_start(&w);
    UNTIL(&w, w.snapshots && w.p.n_head >= 2);
    phid_append(&w.p, "more");
    UNTIL(&w, w.p.n_head >= 4);
    assert_true(client_link_fresh(w.l));
    change_entry_and_grow(&w.p);
    w.p.leaf[0].b[0] ^= 1;
    UNTIL(&w, w.lost);
    assert_true(client_link_forked(w.l));
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
        cmocka_unit_test(records_are_acknowledged_in_batches),
        cmocka_unit_test(equal_records_count_and_hash_their_bytes),
        cmocka_unit_test(denials_are_recorded_and_held_back_like_allows),
        cmocka_unit_test(without_acknowledgement_nothing_more_is_recorded),
        cmocka_unit_test(a_record_too_old_stops_recording),
        cmocka_unit_test(a_growing_log_is_followed),
        cmocka_unit_test(a_log_that_does_not_continue_ends_all_trust),
        cmocka_unit_test(the_log_is_watched_between_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
