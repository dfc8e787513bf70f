/* Tampering, against a checkpoint kept elsewhere: over every byte of a small log, and random cases of a large one in
 * which row, leaf hash and tree are changed together, as somebody would who owns the store. All must be found.
 *
 *     test-proof-tamper                         20,000 random cases of a log of 100,000 entries
 *     PHI_TAMPER_CASES=1000000 test-proof-tamper   the long run */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "proof/receipt.h"
#include "proof/verify.h"

#define SMALL 6
#define LARGE UINT64_C(100000)
#define LEVELS 17

static struct phi_key key, thief;
static struct phi_vkey vk;

static size_t entry(char *to, size_t room, uint64_t n, unsigned salt)
{
    int len = snprintf(to, room, "{\"by\":{\"id\":\"phid\",\"type\":\"Service\"},\"ev\":\"grant.used\",\"grant\":\"g%u\",\"n\":%llu,\"t\":5,\"v\":1}",
                       salt, (unsigned long long)n);
    return (size_t)len;
}

static int setup(void **state)
{
    (void)state;
    if (phi_key_make(&key, NULL) != PHI_OK || phi_key_make(&thief, NULL) != PHI_OK)
        return -1;
    vk = (struct phi_vkey){ PHI_LIT("log.example/1"), key.pub };
    return 0;
}

/* ---- the small log: as phi log export writes it ---- */

struct export {
    char text[4096];
    size_t n;
};

static struct export write_small(unsigned count)
{
    struct export x = { .n = 0 };
    for (unsigned i = 0; i < count; i++) {
        x.n += entry(x.text + x.n, sizeof x.text - x.n, i, i);
        x.text[x.n++] = '\n';
    }
    return x;
}

static struct phi_finding audit(struct phi_view text, const struct phi_checkpoint *c)
{
    struct phi_audit *a = phi_audit_open();
    struct phi_view line, rest = text;
    struct phi_finding f;
    while (phi_view_split(&rest, '\n', &line))
        phi_audit_entry(a, line, NULL, NULL);
    phi_audit_finish(a, c, &f);
    phi_audit_close(a);
    return f;
}

static struct phi_checkpoint head_of(struct phi_view text)
{
    struct phi_tree t = { 0 };
    struct phi_view line, rest = text;
    while (phi_view_split(&rest, '\n', &line)) {
        struct phi_digest leaf = phi_leaf_hash(line);
        phi_tree_append(&t, &leaf, NULL, NULL);
    }
    return (struct phi_checkpoint){ vk.name, t.size, phi_tree_root(&t) };
}

static struct phi_view seen(const struct export *x)
{
    return phi_view_mem(x->text, x->n);
}

static void every_flipped_bit_of_a_small_log_is_found(void **unused)
{
    (void)unused;
    struct export x = write_small(SMALL);
    struct phi_checkpoint c = head_of(seen(&x));
    assert_int_equal(audit(seen(&x), &c).what, PHI_FOUND_NOTHING);
    for (size_t i = 0; i + 1 < x.n; i++) /* the newline after the last entry is no part of any */
        for (int bit = 0; bit < 8; bit++) {
            x.text[i] = (char)(x.text[i] ^ (1 << bit));
            if (audit(seen(&x), &c).what == PHI_FOUND_NOTHING)
                fail_msg("bit %d of byte %zu was flipped unseen", bit, i);
            x.text[i] = (char)(x.text[i] ^ (1 << bit));
        }
}

static void every_removed_doubled_and_cut_byte_is_found(void **unused)
{
    (void)unused;
    const struct export x = write_small(SMALL);
    struct phi_checkpoint c = head_of(seen(&x));
    for (size_t i = 0; i + 1 < x.n; i++) {
        struct export y = x;
        memmove(y.text + i, y.text + i + 1, y.n-- - i - 1);
        assert_int_not_equal(audit(seen(&y), &c).what, PHI_FOUND_NOTHING);
        y = x;
        memmove(y.text + i + 1, x.text + i, x.n - i);
        y.n++;
        if (x.text[i] != '\n' || i + 2 < x.n)
            assert_int_not_equal(audit(seen(&y), &c).what, PHI_FOUND_NOTHING);
        assert_int_not_equal(audit(phi_view_upto(seen(&x), i), &c).what, PHI_FOUND_NOTHING);
    }
}

static void every_order_but_the_true_one_is_found(void **unused)
{
    (void)unused;
    const struct export x = write_small(SMALL);
    struct phi_view line[SMALL], rest = seen(&x);
    struct phi_checkpoint c = head_of(seen(&x));
    for (size_t i = 0; i < SMALL; i++)
        assert_true(phi_view_split(&rest, '\n', &line[i]));
    for (unsigned pick = 0; pick < 46656; pick++) { /* 6^6: every choice of six of the six */
        struct export y = { .n = 0 };
        bool same = true;
        for (unsigned i = 0, p = pick; i < SMALL; i++, p /= SMALL) {
            memcpy(y.text + y.n, line[p % SMALL].p, line[p % SMALL].n + 1);
            y.n += line[p % SMALL].n + 1;
            same = same && p % SMALL == i;
        }
        assert_int_equal(audit(seen(&y), &c).what == PHI_FOUND_NOTHING, same);
    }
}

static void a_log_signed_anew_or_rolled_back_is_found(void **unused)
{
    (void)unused;
    PHI_BUF(note, 4096);
    struct phi_checkpoint kept, forged, back;
    struct export x = write_small(SMALL), y = x, shorter = write_small(SMALL - 2);
    kept = head_of(seen(&x));
    y.text[strlen("{\"by\":{\"id\":\"phi")] = 'D';
    forged = head_of(seen(&y)); /* consistent in itself */
    assert_int_equal(phi_checkpoint_sign(&note, &forged, &thief, NULL), PHI_OK); /* by another key */
    assert_int_not_equal(phi_checkpoint_open(phi_buf_view(&note), &vk, &back, NULL), PHI_OK);
    /* by the log's own key: only the checkpoint kept elsewhere can tell */
    struct phi_audit *a = phi_audit_open();
    struct phi_view line, rest = seen(&y);
    struct phi_finding f;
    while (phi_view_split(&rest, '\n', &line))
        phi_audit_entry(a, line, NULL, NULL);
    phi_audit_earlier(a, &kept);
    phi_audit_finish(a, &forged, &f);
    assert_int_equal(f.what, PHI_FOUND_FORK);
    phi_audit_close(a);
    a = phi_audit_open();
    rest = seen(&shorter);
    while (phi_view_split(&rest, '\n', &line))
        phi_audit_entry(a, line, NULL, NULL);
    forged = head_of(seen(&shorter));
    phi_audit_earlier(a, &kept);
    phi_audit_finish(a, &forged, &f);
    assert_int_equal(f.what, PHI_FOUND_SHORT);
    phi_audit_close(a);
}

/* ---- the large log: a store that its owner may rewrite as they like ---- */

static struct phi_digest *node[LEVELS];

static void put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *h)
{
    (void)ctx;
    if (!node[level])
        node[level] = calloc((LARGE >> level) + 1, sizeof **node);
    node[level][index] = *h;
}

static enum phi_rc get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    (void)ctx;
    if (level >= LEVELS || index >= LARGE >> level)
        return PHI_ENOTFOUND;
    *ret = node[level][index];
    return PHI_OK;
}

static uint64_t state = 0x243f6a8885a308d3ULL;

static uint64_t rnd(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

/* The leaf is another now, and every node above it is made to agree: the store is consistent again. */
static void rewrite(uint64_t at, const struct phi_digest *leaf)
{
    node[0][at] = *leaf;
    for (unsigned level = 1; level < LEVELS; level++) {
        at >>= 1;
        if (at < LARGE >> level)
            node[level][at] = phi_node_hash(&node[level - 1][2 * at], &node[level - 1][2 * at + 1]);
    }
}

static struct phi_digest root(void)
{
    struct phi_tree t = { 0 };
    assert_int_equal(phi_tree_load(&t, LARGE, get, NULL, NULL), PHI_OK);
    return phi_tree_root(&t);
}

/* What an auditor with the kept root sees of entry `at`: its proof out of the store as it is now. */
static bool holds(uint64_t at, const struct phi_digest *leaf, const struct phi_digest *kept)
{
    struct phi_tree_proof p;
    return phi_tree_inclusion(at, LARGE, get, NULL, &p, NULL) == PHI_OK && phi_tree_included(at, LARGE, leaf, &p, kept);
}

static struct phi_digest leaf_of(uint64_t n, unsigned salt)
{
    char text[256];
    size_t len = entry(text, sizeof text, n, salt);
    return phi_leaf_hash(phi_view_mem(text, len));
}

enum { ROW, ROW_AND_LEAF, ROW_LEAF_AND_TREE, NODE_ONLY, SWAP, KINDS };

/* One case; true: it was found. Everything is as before when it returns. */
static bool one_case(const struct phi_digest *kept)
{
    uint64_t at = rnd(LARGE), other = rnd(LARGE);
    unsigned level = (unsigned)rnd(LEVELS), kind = (unsigned)rnd(KINDS);
    struct phi_digest was = node[0][at], theirs = node[0][other], now, false_leaf = leaf_of(at, 1 + (unsigned)rnd(1000000));
    bool found = false;
    switch (kind) {
    case ROW: /* the entry's text alone: its hash is not the leaf's, and does not lead to the root */
        found = !phi_digest_eq(&false_leaf, &node[0][at]) && !holds(at, &false_leaf, kept);
        break;
    case ROW_AND_LEAF:
        node[0][at] = false_leaf;
        found = !holds(at, &false_leaf, kept);
        node[0][at] = was;
        break;
    case ROW_LEAF_AND_TREE: /* nothing in the store disagrees any more */
        rewrite(at, &false_leaf);
        now = root();
        found = holds(at, &false_leaf, &now) && !phi_digest_eq(&now, kept) && !holds(at, &false_leaf, kept);
        rewrite(at, &was);
        break;
    case NODE_ONLY:
        at = rnd(LARGE >> level ? LARGE >> level : 1);
        was = node[level][at];
        node[level][at].b[rnd(32)] ^= (uint8_t)(1 << rnd(8));
        now = root();
        other = (at ^ 1) << level; /* an entry whose way passes by it, or the root itself */
        found = !phi_digest_eq(&now, kept) || (other < LARGE && !holds(other, &node[0][other], kept));
        node[level][at] = was;
        break;
    case SWAP:
        if (at == other)
            return true;
        rewrite(at, &theirs);
        rewrite(other, &was);
        now = root();
        found = !phi_digest_eq(&now, kept) && !holds(at, &theirs, kept) && !holds(other, &was, kept);
        rewrite(at, &was);
        rewrite(other, &theirs);
        break;
    }
    return found;
}

static void random_cases_of_a_large_log_are_all_found(void **unused)
{
    (void)unused;
    const char *said = getenv("PHI_TAMPER_CASES");
    long cases = said ? strtol(said, NULL, 10) : 20000, missed = 0;
    struct phi_tree t = { 0 };
    for (uint64_t i = 0; i < LARGE; i++) {
        struct phi_digest leaf = leaf_of(i, 0);
        assert_true(phi_tree_append(&t, &leaf, put, NULL));
    }
    const struct phi_digest kept = phi_tree_root(&t);
    for (long i = 0; i < cases; i++)
        missed += !one_case(&kept);
    struct phi_digest again = root();
    assert_true(phi_digest_eq(&again, &kept)); /* each case put everything back */
    printf("%ld cases, %ld missed\n", cases, missed);
    assert_int_equal(missed, 0);
    for (int i = 0; i < LEVELS; i++)
        free(node[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_of_a_small_log_is_found),
        cmocka_unit_test(every_removed_doubled_and_cut_byte_is_found),
        cmocka_unit_test(every_order_but_the_true_one_is_found),
        cmocka_unit_test(a_log_signed_anew_or_rolled_back_is_found),
        cmocka_unit_test(random_cases_of_a_large_log_are_all_found),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
