#include "proof/receipt.h"

#include <stdio.h>

#include "base/test.h"

#define SIZE 11

static struct phi_key log_key, witness_key;
static struct phi_vkey log_vk;
static struct phi_cosigner w1;
static struct phi_digest node[8][SIZE];

static void put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *h)
{
    (void)ctx;
    node[level][index] = *h;
}

static enum phi_rc get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    (void)ctx;
    *ret = node[level][index];
    return PHI_OK;
}

static struct phi_view entry(uint64_t n)
{
    static char text[120];
    snprintf(text, sizeof text, "{\"by\":{\"id\":\"phid\",\"type\":\"Service\"},\"ev\":\"x\",\"n\":%llu,\"t\":5,\"v\":1}", (unsigned long long)n);
    return phi_view_of(text);
}

static struct phi_tree tree;

static int setup(void **state)
{
    (void)state;
    if (phi_key_make(&log_key, NULL) != PHI_OK || phi_key_make(&witness_key, NULL) != PHI_OK)
        return -1;
    log_vk = (struct phi_vkey){ PHI_LIT("log.example/1"), log_key.pub };
    w1 = (struct phi_cosigner){ PHI_LIT("w.example/1"), witness_key.pub };
    for (uint64_t i = 0; i < SIZE; i++) {
        struct phi_digest leaf = phi_leaf_hash(entry(i));
        phi_tree_append(&tree, &leaf, put, NULL);
    }
    return 0;
}

static void receipt(struct phi_buf *out, uint64_t index, struct phi_view e, bool cosign)
{
    PHI_BUF(note, 4096);
    PHI_BUF(text, 1024);
    struct phi_checkpoint c = { log_vk.name, SIZE, phi_tree_root(&tree) };
    phi_checkpoint_sign(&note, &c, &log_key, NULL);
    phi_checkpoint_text(&text, &c);
    if (cosign)
        phi_cosign(&note, phi_buf_view(&text), w1.name, &witness_key, 7, NULL);
    struct phi_receipt r = { .entry = e, .index = index, .checkpoint = phi_buf_view(&note) };
    assert_int_equal(phi_tree_inclusion(index, SIZE, get, NULL, &r.proof, NULL), PHI_OK);
    phi_receipt_write(out, &r);
}

static enum phi_rc check(struct phi_view text, size_t need)
{
    PHI_ARENA(a, 1 << 20);
    struct phi_receipt r;
    struct phi_checkpoint c;
    size_t have;
    PHI_TRY(phi_receipt_read(&a, text, &r, NULL));
    return phi_receipt_check(&r, &log_vk, &w1, 1, need, &c, &have, NULL);
}

static void a_receipt_of_each_entry_holds(void **unused)
{
    (void)unused;
    for (uint64_t i = 0; i < SIZE; i++) {
        PHI_BUF(out, PHI_RECEIPT_MAX);
        receipt(&out, i, entry(i), false);
        assert_int_equal(check(phi_buf_view(&out), 0), PHI_OK);
        assert_int_equal(check(phi_buf_view(&out), 1), PHI_EDENIED); /* nobody cosigned */
    }
}

static void a_cosigned_one_holds_with_its_witness(void **unused)
{
    (void)unused;
    PHI_BUF(out, PHI_RECEIPT_MAX);
    receipt(&out, 4, entry(4), true);
    assert_int_equal(check(phi_buf_view(&out), 1), PHI_OK);
}

/* The one signature that nobody asked for may change; nothing else may. */
static void every_changed_byte_and_every_cut_is_found(void **unused)
{
    (void)unused;
    PHI_BUF(out, PHI_RECEIPT_MAX);
    receipt(&out, 7, entry(7), true);
    for (size_t i = 0; i < out.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            out.p[i] ^= (uint8_t)(1 << bit);
            if (check(phi_buf_view(&out), 1) == PHI_OK)
                fail_msg("bit %d of byte %zu was changed and it holds all the same", bit, i);
            out.p[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t n = 0; n < out.n; n++)
        assert_int_not_equal(check(phi_view_upto(phi_buf_view(&out), n), 1), PHI_OK);
}

static void another_entry_or_another_place_is_found(void **unused)
{
    (void)unused;
    PHI_BUF(out, PHI_RECEIPT_MAX);
    receipt(&out, 7, entry(6), false);
    assert_int_equal(check(phi_buf_view(&out), 0), PHI_EDENIED);
    phi_buf_clear(&out);
    receipt(&out, 7, PHI_LIT("{}"), false);
    assert_int_equal(check(phi_buf_view(&out), 0), PHI_EDENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_of_each_entry_holds),
        cmocka_unit_test(a_cosigned_one_holds_with_its_witness),
        cmocka_unit_test(every_changed_byte_and_every_cut_is_found),
        cmocka_unit_test(another_entry_or_another_place_is_found),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
