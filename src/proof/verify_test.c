#include "proof/body.h"
#include "proof/soft_key_test.h"
#include "proof/vote_proof.h"
#include "proof/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 70

/* The log as the server stored it. */
struct log {
    struct phi_tree tree;
    struct phi_digest node[8][MOST];
    size_t n[8];
    unsigned asked;
};

static void put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *h)
{
    struct log *l = ctx;
    l->node[level][index] = *h;
    l->n[level]++;
}

static enum phi_rc get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    const struct log *l = ctx;
    if (level >= 8 || index >= l->n[level])
        return PHI_ENOTFOUND;
    *ret = l->node[level][index];
    return PHI_OK;
}

static enum phi_rc prove(void *ctx, uint64_t index, uint64_t size, struct phi_digest *leaf, struct phi_tree_proof *ret,
                         struct phi_err *err)
{
    struct log *l = ctx;
    l->asked++;
    *leaf = l->node[0][index];
    return phi_tree_inclusion(index, size, get, l, ret, err);
}

static const char *entry(uint64_t n, int64_t t)
{
    static char text[120];
    snprintf(text, sizeof text, "{\"by\":{\"id\":\"phid\",\"type\":\"Service\"},\"ev\":\"x\",\"n\":%llu,\"t\":%lld,\"v\":1}",
             (unsigned long long)n, (long long)t);
    return text;
}

static struct phi_checkpoint write_log(struct log *l, uint64_t size)
{
    *l = (struct log){ 0 };
    for (uint64_t i = 0; i < size; i++) {
        struct phi_digest leaf = phi_leaf_hash(phi_view_of(entry(i, 5)));
        phi_tree_append(&l->tree, &leaf, put, l);
    }
    return (struct phi_checkpoint){ PHI_LIT("log.example/1"), size, phi_tree_root(&l->tree) };
}

/* An audit of `size` entries of which `bad` (or none: -1) was changed. */
static struct phi_audit *walk(uint64_t size, int64_t bad)
{
    struct phi_audit *a = phi_audit_open();
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(phi_audit_entry(a, phi_view_of(entry(i, (int64_t)i == bad ? 6 : 5)), NULL, NULL), PHI_OK);
    return a;
}

static void an_untouched_log_is_found_true(void **unused)
{
    (void)unused;
    struct log l;
    struct phi_finding f;
    for (uint64_t size = 0; size <= MOST; size++) {
        struct phi_checkpoint c = write_log(&l, size);
        struct phi_audit *a = walk(size, -1);
        phi_audit_finish(a, &c, &f);
        assert_int_equal(f.what, PHI_FOUND_NOTHING);
        phi_audit_close(a);
    }
}

static void the_changed_entry_is_named_wherever_it_stands(void **unused)
{
    (void)unused;
    struct log l;
    struct phi_finding f;
    for (uint64_t size = 1; size <= MOST; size++)
        for (uint64_t bad = 0; bad < size; bad++) {
            struct phi_checkpoint c = write_log(&l, size);
            struct phi_audit *a = walk(size, (int64_t)bad);
            phi_audit_finish(a, &c, &f);
            assert_int_equal(f.what, PHI_FOUND_ROOT);
            assert_int_equal(phi_audit_locate(a, &c, prove, &l, &f, NULL), PHI_OK);
            assert_int_equal(f.what, PHI_FOUND_ENTRY);
            assert_int_equal(f.index, bad);
            assert_true(l.asked <= 8);
            phi_audit_close(a);
        }
}

static void of_several_changed_entries_the_first_is_named(void **unused)
{
    (void)unused;
    struct log l;
    struct phi_finding f;
    struct phi_checkpoint c = write_log(&l, 50);
    for (uint64_t x = 0; x < 50; x++)
        for (uint64_t y = x + 1; y < 50; y++) {
            struct phi_audit *a = phi_audit_open();
            for (uint64_t i = 0; i < 50; i++)
                phi_audit_entry(a, phi_view_of(entry(i, i == x || i == y ? 6 : 5)), NULL, NULL);
            phi_audit_finish(a, &c, &f);
            phi_audit_locate(a, &c, prove, &l, &f, NULL);
            assert_int_equal(f.what, PHI_FOUND_ENTRY);
            assert_int_equal(f.index, x);
            phi_audit_close(a);
        }
}

static void stored_leaves_name_it_without_the_server(void **unused)
{
    (void)unused;
    struct log l;
    struct phi_finding f;
    struct phi_checkpoint c = write_log(&l, 9);
    struct phi_audit *a = phi_audit_open();
    for (uint64_t i = 0; i < 9; i++)
        phi_audit_entry(a, phi_view_of(entry(i, i == 4 ? 6 : 5)), &l.node[0][i], NULL);
    phi_audit_finish(a, &c, &f);
    assert_int_equal(f.what, PHI_FOUND_ENTRY);
    assert_int_equal(f.index, 4);
    phi_audit_close(a);
}

static void misplaced_and_malformed_entries_are_named(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "{\"n\":1, \"v\":1}", "{\"v\":1,\"n\":1}", "{\"n\":2,\"v\":1}",
                                       "{\"n\":1,\"v\":2}", "[]", "", "{\"n\":1,\"n\":1,\"v\":1}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct log l;
        struct phi_finding f;
        struct phi_checkpoint c = write_log(&l, 3);
        struct phi_audit *a = walk(1, -1);
        phi_audit_entry(a, phi_view_of(bad[i]), NULL, NULL);
        phi_audit_entry(a, phi_view_of(entry(2, 5)), NULL, NULL);
        phi_audit_finish(a, &c, &f);
        assert_int_equal(f.what, PHI_FOUND_ENTRY);
        assert_int_equal(f.index, 1);
        phi_audit_close(a);
    }
}

static void a_cut_end_and_a_fork_are_found(void **unused)
{
    (void)unused;
    struct log l, old;
    struct phi_finding f;
    struct phi_checkpoint c = write_log(&l, 20), early = write_log(&old, 13);
    struct phi_audit *a = walk(19, -1);
    phi_audit_finish(a, &c, &f);
    assert_int_equal(f.what, PHI_FOUND_SHORT);
    assert_int_equal(f.index, 19);
    phi_audit_close(a);

    a = walk(20, -1);
    phi_audit_earlier(a, &early);
    phi_audit_finish(a, &c, &f);
    assert_int_equal(f.what, PHI_FOUND_NOTHING);
    early.root.b[0] ^= 1;
    phi_audit_earlier(a, &early);
    phi_audit_finish(a, &c, &f);
    assert_int_equal(f.what, PHI_FOUND_FORK);
    c.root.b[0] ^= 1; /* neither fits: that comes first, because it can name the entry */
    phi_audit_finish(a, &c, &f);
    assert_int_equal(f.what, PHI_FOUND_ROOT);
    phi_audit_close(a);
}

static void entries_past_the_checkpoint_are_not_judged(void **unused)
{
    (void)unused;
    struct log l;
    struct phi_finding f;
    struct phi_checkpoint c = write_log(&l, 10);
    struct phi_audit *a = walk(10, -1);
    phi_audit_entry(a, PHI_LIT("nonsense"), NULL, NULL);
    phi_audit_finish(a, &c, &f);
    assert_int_equal(f.what, PHI_FOUND_NOTHING);
    assert_int_equal(phi_audit_size(a), 11);
    phi_audit_close(a);
}

static void a_lying_proof_names_nothing(void **unused)
{
    (void)unused;
    struct log l, other;
    struct phi_finding f;
    struct phi_checkpoint c = write_log(&l, 20);
    write_log(&other, 20);
    other.node[0][0].b[0] ^= 1;
    struct phi_audit *a = walk(20, 7);
    phi_audit_finish(a, &c, &f);
    assert_int_equal(phi_audit_locate(a, &c, prove, &other, &f, NULL), PHI_OK);
    assert_int_equal(f.what, PHI_FOUND_ROOT);
    phi_audit_close(a);
}

static void with_stored_hashes_changed_too_a_range_is_named(void **unused)
{
    (void)unused;
    struct log l;
    struct phi_finding f;
    for (uint64_t bad = 0; bad < 32; bad++) {
        struct phi_checkpoint c = write_log(&l, 32);
        l.node[0][bad] = phi_leaf_hash(phi_view_of(entry(bad, 6)));
        struct phi_audit *a = walk(32, (int64_t)bad);
        phi_audit_finish(a, &c, &f);
        assert_int_equal(phi_audit_locate(a, &c, prove, &l, &f, NULL), PHI_OK);
        if (bad < 2) { /* the first proof stands on it */
            assert_int_equal(f.what, PHI_FOUND_ROOT);
        } else {
            assert_int_equal(f.what, PHI_FOUND_ENTRY);
            assert_int_equal(f.index, bad & ~1ULL);
        }
        phi_audit_close(a);
    }
}

static void signed_votes_are_verified_against_registered_keys(void **unused)
{
    (void)unused;
    PHI_ARENA(arena, 1 << 20);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    static const struct phi_webauthn_rp rp = { { (const uint8_t *)"localhost", 9 }, { (const uint8_t *)"http://localhost", 16 } };
    static const char *const persons[] = { "bob", "carol" }, *const votes[] = { "{\"decision\":\"approve\"}", "{\"decision\":\"deny\"}" };
    struct phi_digest challenge = phi_tagged_hash("phi-vote-v1", phi_view_of(votes[0]));
    struct told t = { .type = "webauthn.get", .origin = "http://localhost", .more = "", .challenge = phi_digest_view(&challenge),
                      .rp_id = "localhost", .key_id = "kid1", .flags = 5, .tail = "", .key = key };
    struct phi_webauthn_answer got;
    PHI_BUF(cose, 1024);
    PHI_BUF(proof, 8192);
    char hex[PHI_HEX_LEN + 1];
    told_get(&arena, &t, &got);
    told_cose(&cose, key);
    assert_true(phi_vote_proof_write(&proof, &rp, PHI_LIT("kid1"), phi_buf_view(&cose), &got));
    struct phi_digest hash = phi_sha256(phi_buf_view(&cose));
    phi_digest_hex(&hash, hex);
    for (int bad = 0; bad < 3; bad++) { /* 1: another vote than was signed; 2: another voter */
        struct phi_audit *a = phi_audit_open();
        struct phi_checkpoint c = { .size = 9 };
        struct phi_finding f;
        PHI_BUF(first, 4096);
        PHI_BUF(second, 16384);
        struct phi_jw w;
        phi_buf_printf(&first, "{\"ev\":\"passkey.added\",\"key_hash\":\"%s\",\"n\":0,\"person\":{\"id\":\"bob\"},\"v\":1}", hex);
        phi_buf_printf(&second, "{\"by\":{\"id\":\"%s\"},\"ev\":\"request.voted\",\"n\":1,\"signature\":", persons[bad == 2]);
        phi_jw_init(&w, &second);
        phi_jw_str(&w, phi_buf_view(&proof));
        phi_buf_printf(&second, ",\"v\":1,\"vote\":%s}", votes[bad == 1]);
        assert_int_equal(phi_audit_entry(a, phi_buf_view(&first), NULL, NULL), PHI_OK);
        assert_int_equal(phi_audit_entry(a, phi_buf_view(&second), NULL, NULL), PHI_OK);
        phi_audit_finish(a, &c, &f);
        assert_int_equal(f.what, bad ? PHI_FOUND_ENTRY : PHI_FOUND_SHORT);
        if (bad)
            assert_int_equal(f.index, 1);
        phi_audit_close(a);
    }
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_votes_are_verified_against_registered_keys),
        cmocka_unit_test(an_untouched_log_is_found_true),
        cmocka_unit_test(the_changed_entry_is_named_wherever_it_stands),
        cmocka_unit_test(of_several_changed_entries_the_first_is_named),
        cmocka_unit_test(stored_leaves_name_it_without_the_server),
        cmocka_unit_test(misplaced_and_malformed_entries_are_named),
        cmocka_unit_test(a_cut_end_and_a_fork_are_found),
        cmocka_unit_test(entries_past_the_checkpoint_are_not_judged),
        cmocka_unit_test(a_lying_proof_names_nothing),
        cmocka_unit_test(with_stored_hashes_changed_too_a_range_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
