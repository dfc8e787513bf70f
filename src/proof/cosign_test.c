#include "proof/cosign.h"

#include "base/test.h"

#define SKY PHI_LIT("witness.example.com/w1")

static struct phi_key log_key, witness_key, other_key;
static struct phi_vkey log_vk;
static struct phi_cosigner w1, other;

static int setup(void **state)
{
    (void)state;
    if (phi_key_make(&log_key, NULL) != PHI_OK || phi_key_make(&witness_key, NULL) != PHI_OK || phi_key_make(&other_key, NULL) != PHI_OK)
        return -1;
    log_vk = (struct phi_vkey){ PHI_LIT("log.example/1"), log_key.pub };
    w1 = (struct phi_cosigner){ SKY, witness_key.pub };
    other = (struct phi_cosigner){ PHI_LIT("witness.example.com/w2"), other_key.pub };
    return 0;
}

static struct phi_digest leaf_of(uint8_t n)
{
    return phi_leaf_hash(phi_view_mem(&n, 1));
}

static struct phi_checkpoint head_of(uint8_t size)
{
    struct phi_tree t = { 0 };
    for (uint8_t i = 0; i < size; i++) {
        struct phi_digest leaf = leaf_of(i);
        phi_tree_append(&t, &leaf, NULL, NULL);
    }
    return (struct phi_checkpoint){ log_vk.name, size, phi_tree_root(&t) };
}

static void cosigned(struct phi_buf *note, uint8_t size)
{
    struct phi_checkpoint c = head_of(size);
    PHI_BUF(text, 1024);
    phi_checkpoint_text(&text, &c);
    assert_int_equal(phi_checkpoint_sign(note, &c, &log_key, NULL), PHI_OK);
    assert_int_equal(phi_cosign(note, phi_buf_view(&text), w1.name, &witness_key, 1679315147, NULL), PHI_OK);
}

static void a_cosignature_is_found_with_its_time_and_the_log_still_opens(void **unused)
{
    (void)unused;
    PHI_BUF(note, 4096);
    struct phi_checkpoint c;
    struct phi_view line;
    int64_t at = 0;
    cosigned(&note, 5);
    assert_int_equal(phi_checkpoint_open(phi_buf_view(&note), &log_vk, &c, NULL), PHI_OK);
    assert_int_equal(phi_cosign_find(phi_buf_view(&note), &w1, &at, &line, NULL), PHI_OK);
    assert_int_equal(at, 1679315147);
    assert_true(line.p[line.n - 1] == '\n' && phi_view_starts(line, PHI_LIT("\xe2\x80\x94 witness.example.com/w1 ")));
    assert_int_equal(phi_cosign_find(phi_buf_view(&note), &other, &at, &line, NULL), PHI_ENOTFOUND);
}

/* The example of https://c2sp.org/tlog-cosignature has no key with it, so its form is what can be held: 76 bytes, an id first. */
static void the_key_line_survives_and_is_of_type_4(void **unused)
{
    (void)unused;
    PHI_BUF(line, 256);
    struct phi_cosigner back;
    struct phi_vkey v;
    phi_cosigner_write(&line, &w1);
    assert_int_equal(phi_cosigner_read(phi_buf_view(&line), &back, NULL), PHI_OK);
    assert_true(phi_view_eq(back.name, w1.name));
    assert_memory_equal(back.pub.b, w1.pub.b, sizeof w1.pub.b);
    assert_int_equal(phi_vkey_read(phi_buf_view(&line), &v, NULL), PHI_EINPUT); /* no log's key */
    line.p[w1.name.n + 1] ^= 1;
    assert_int_equal(phi_cosigner_read(phi_buf_view(&line), &back, NULL), PHI_EINPUT);
    phi_buf_clear(&line);
    phi_vkey_write(&line, &log_vk);
    assert_int_equal(phi_cosigner_read(phi_buf_view(&line), &back, NULL), PHI_EINPUT); /* nor the other way */
}

static void every_changed_byte_is_seen(void **unused)
{
    (void)unused;
    PHI_BUF(note, 4096);
    struct phi_view line;
    struct phi_checkpoint c;
    int64_t at;
    cosigned(&note, 5);
    for (size_t i = 0; i < note.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            note.p[i] ^= (uint8_t)(1 << bit);
            bool both = phi_checkpoint_open(phi_buf_view(&note), &log_vk, &c, NULL) == PHI_OK &&
                        phi_cosign_find(phi_buf_view(&note), &w1, &at, &line, NULL) == PHI_OK;
            assert_false(both);
            note.p[i] ^= (uint8_t)(1 << bit);
        }
}

static void nothing_but_a_checkpoint_is_cosigned(void **unused)
{
    (void)unused;
    PHI_BUF(out, 4096);
    assert_int_equal(phi_cosign(&out, PHI_LIT("pay bob\n"), w1.name, &witness_key, 1, NULL), PHI_EINPUT);
    PHI_BUF(text, 256);
    struct phi_checkpoint c = head_of(1);
    phi_checkpoint_text(&text, &c);
    assert_int_equal(phi_cosign(&out, phi_buf_view(&text), PHI_LIT("a b"), &witness_key, 1, NULL), PHI_EINPUT);
    assert_int_equal(phi_cosign(&out, phi_buf_view(&text), w1.name, &witness_key, -1, NULL), PHI_EINPUT);
}

/* ---- the witness ---- */

static enum phi_rc leaf_get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    (void)ctx;
    if (level == 0) {
        *ret = leaf_of((uint8_t)index);
        return PHI_OK;
    }
    struct phi_digest l, r;
    leaf_get(NULL, level - 1, 2 * index, &l);
    leaf_get(NULL, level - 1, 2 * index + 1, &r);
    *ret = phi_node_hash(&l, &r);
    return PHI_OK;
}

static int judge(uint8_t last, uint8_t old, uint8_t size, const struct phi_key *signer, int spoil)
{
    PHI_BUF(note, 4096);
    PHI_BUF(body, 8192);
    struct phi_witness_ask a = { .old_size = old }, back;
    struct phi_checkpoint was = head_of(last), c = head_of(size), ret = { 0 };
    if (spoil == 2)
        c.root.b[0] ^= 1;
    phi_checkpoint_sign(&note, &c, signer, NULL);
    if (old <= size)
        assert_int_equal(phi_tree_consistency(old, size, leaf_get, NULL, &a.proof, NULL), PHI_OK);
    if (spoil == 1)
        a.proof.hash[0].b[7] ^= 1;
    a.note = phi_buf_view(&note);
    phi_witness_ask_write(&body, &a);
    assert_int_equal(phi_witness_ask_read(phi_buf_view(&body), &back, NULL), PHI_OK);
    int status = phi_witness_judge(&was, &log_vk, &back, &ret);
    assert_int_equal(status == 200, ret.size == size && phi_digest_eq(&ret.root, &c.root) && size > 0);
    return status;
}

static void a_witness_answers_with_the_statuses_of_the_specification(void **unused)
{
    (void)unused;
    assert_int_equal(judge(0, 0, 5, &log_key, 0), 200);
    assert_int_equal(judge(5, 5, 9, &log_key, 0), 200);
    assert_int_equal(judge(5, 5, 5, &log_key, 0), 200);
    assert_int_equal(judge(5, 5, 9, &other_key, 0), 403);
    assert_int_equal(judge(5, 9, 5, &log_key, 0), 400);
    assert_int_equal(judge(5, 3, 9, &log_key, 0), 409);
    assert_int_equal(judge(5, 0, 9, &log_key, 0), 409);
    assert_int_equal(judge(5, 5, 5, &log_key, 2), 409); /* two logs of one length */
    assert_int_equal(judge(5, 5, 9, &log_key, 1), 422);
    assert_int_equal(judge(5, 5, 9, &log_key, 2), 422);
}

static void malformed_asks_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "", "old\n\nx\n", "old -1\n\nx\n", "old 01\n\nx\n", "OLD 1\n\nx\n", "old 1\nAAAA\n\nx\n", "old 1\n", "old 1\n\n",
                                       "old 1\n?\n\nx\n", "old 99999999999999999999\n\nx\n" };
    struct phi_witness_ask a;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (phi_witness_ask_read(phi_view_of(bad[i]), &a, NULL) != PHI_EINPUT)
            fail_msg("read all the same: %s", bad[i]);
    PHI_BUF(many, 8192);
    phi_buf_adds(&many, "old 1\n");
    for (int i = 0; i < 64; i++)
        phi_buf_adds(&many, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    phi_buf_adds(&many, "\nx\n");
    assert_int_equal(phi_witness_ask_read(phi_buf_view(&many), &a, NULL), PHI_EINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cosignature_is_found_with_its_time_and_the_log_still_opens),
        cmocka_unit_test(the_key_line_survives_and_is_of_type_4),
        cmocka_unit_test(every_changed_byte_is_seen),
        cmocka_unit_test(nothing_but_a_checkpoint_is_cosigned),
        cmocka_unit_test(a_witness_answers_with_the_statuses_of_the_specification),
        cmocka_unit_test(malformed_asks_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
