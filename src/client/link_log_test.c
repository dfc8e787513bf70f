#include "base/test.h"

#include "client/test_link.h"

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
    assert_null(client_link_request(w.l, &link_alice, answered, &w, NULL));
    assert_null(client_link_claim(w.l, PHI_LIT("g1"), &link_alice, 0, claimed, &w, NULL));
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
