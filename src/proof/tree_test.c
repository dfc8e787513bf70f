#include "proof/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 64

/* What RFC 6962 says, word for word: the reference that the code is held to. */
static struct phi_digest mth(const struct phi_digest *leaf, size_t n)
{
    if (!n)
        return phi_sha256((struct phi_view){ 0 });
    if (n == 1)
        return leaf[0];
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    struct phi_digest l = mth(leaf, k), r = mth(leaf + k, n - k);
    return phi_node_hash(&l, &r);
}

struct nodes {
    struct phi_digest leaf[MOST];
    struct phi_digest node[8][MOST];
    size_t n[8];
    struct phi_digest root[MOST + 1];
};

static void put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *h)
{
    struct nodes *t = ctx;
    assert_int_equal(index, t->n[level]);
    t->node[level][t->n[level]++] = *h;
}

static enum phi_rc get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    const struct nodes *t = ctx;
    if (level >= 8 || index >= t->n[level])
        return PHI_ENOTFOUND;
    *ret = t->node[level][index];
    return PHI_OK;
}

static struct nodes *grow(void)
{
    struct nodes *t = calloc(1, sizeof *t);
    struct phi_tree tree = { 0 };
    t->root[0] = phi_tree_root(&tree);
    for (uint8_t i = 0; i < MOST; i++) {
        t->leaf[i] = phi_leaf_hash(phi_view_mem(&i, 1));
        assert_true(phi_tree_append(&tree, &t->leaf[i], put, t));
        t->root[i + 1] = phi_tree_root(&tree);
    }
    return t;
}

static void roots_are_those_of_the_rfc(void **unused)
{
    (void)unused;
    struct nodes *t = grow();
    for (size_t n = 0; n <= MOST; n++) {
        struct phi_digest want = mth(t->leaf, n);
        assert_memory_equal(&want, &t->root[n], sizeof want);
        struct phi_tree loaded;
        assert_int_equal(phi_tree_load(&loaded, n, get, t, NULL), PHI_OK);
        struct phi_digest again = phi_tree_root(&loaded);
        assert_memory_equal(&want, &again, sizeof want);
    }
    free(t);
}

/* The vectors of the Certificate Transparency reference log. */
static void known_vectors(void **unused)
{
    (void)unused;
    static const struct {
        const char *entry, *root;
    } v[] = {
        { "", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
        { "00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
        { "10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
        { "2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
        { "3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
        { "40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
        { "5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
        { "606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
    };
    struct phi_tree t = { 0 };
    char hex[PHI_HEX_LEN + 1];
    struct phi_digest root = phi_tree_root(&t);
    phi_digest_hex(&root, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        uint8_t raw[16];
        size_t n = strlen(v[i].entry) / 2;
        assert_true(phi_hex_read(phi_view_of(v[i].entry), raw, n));
        struct phi_digest leaf = phi_leaf_hash(phi_view_mem(raw, n));
        assert_true(phi_tree_append(&t, &leaf, NULL, NULL));
        root = phi_tree_root(&t);
        phi_digest_hex(&root, hex);
        assert_string_equal(hex, v[i].root);
    }
}

static void every_entry_proves_its_place_and_no_other(void **unused)
{
    (void)unused;
    struct nodes *t = grow();
    for (uint64_t size = 1; size <= MOST; size++)
        for (uint64_t i = 0; i < size; i++) {
            struct phi_tree_proof p;
            assert_int_equal(phi_tree_inclusion(i, size, get, t, &p, NULL), PHI_OK);
            assert_true(phi_tree_included(i, size, &t->leaf[i], &p, &t->root[size]));
            for (uint64_t k = 0; k < size; k++)
                if (k != i)
                    assert_false(phi_tree_included(k, size, &t->leaf[i], &p, &t->root[size]));
            assert_false(phi_tree_included(i, size, &t->leaf[(i + 1) % MOST], &p, &t->root[size]));
            for (size_t h = 0; h < p.n; h++) {
                p.hash[h].b[7] ^= 1;
                assert_false(phi_tree_included(i, size, &t->leaf[i], &p, &t->root[size]));
                p.hash[h].b[7] ^= 1;
            }
            p.n++;
            p.hash[p.n - 1] = t->leaf[0];
            assert_false(phi_tree_included(i, size, &t->leaf[i], &p, &t->root[size]));
            p.n -= p.n > 1 ? 2 : 1;
            if (size > 1)
                assert_false(phi_tree_included(i, size, &t->leaf[i], &p, &t->root[size]));
        }
    free(t);
}

static void a_grown_log_is_consistent_and_a_changed_one_is_not(void **unused)
{
    (void)unused;
    struct nodes *t = grow();
    for (uint64_t to = 0; to <= MOST; to++)
        for (uint64_t from = 0; from <= to; from++) {
            struct phi_tree_proof p;
            assert_int_equal(phi_tree_consistency(from, to, get, t, &p, NULL), PHI_OK);
            assert_true(phi_tree_consistent(from, &t->root[from], to, &t->root[to], &p));
            struct phi_digest other = t->root[from];
            other.b[0] ^= 1;
            assert_false(phi_tree_consistent(from, &other, to, &t->root[to], &p));
            other = t->root[to];
            other.b[31] ^= 1;
            if (from) /* from nothing, everything is consistent */
                assert_false(phi_tree_consistent(from, &t->root[from], to, &other, &p));
            for (size_t h = 0; h < p.n; h++) {
                p.hash[h].b[0] ^= 128;
                assert_false(phi_tree_consistent(from, &t->root[from], to, &t->root[to], &p));
                p.hash[h].b[0] ^= 128;
            }
            p.hash[p.n++] = t->leaf[1];
            assert_false(phi_tree_consistent(from, &t->root[from], to, &t->root[to], &p));
        }
    free(t);
}

static void what_is_not_there_is_an_error(void **unused)
{
    (void)unused;
    struct nodes *t = grow();
    struct phi_tree_proof p;
    struct phi_err err = { 0 };
    assert_int_equal(phi_tree_inclusion(5, 5, get, t, &p, &err), PHI_EINPUT);
    assert_int_equal(phi_tree_consistency(6, 5, get, t, &p, &err), PHI_EINPUT);
    assert_int_equal(phi_tree_inclusion(0, MOST + 9, get, t, &p, &err), PHI_ENOTFOUND);
    assert_false(phi_tree_included(0, 0, &t->leaf[0], &(struct phi_tree_proof){ 0 }, &t->root[0]));
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_rfc),
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(every_entry_proves_its_place_and_no_other),
        cmocka_unit_test(a_grown_log_is_consistent_and_a_changed_one_is_not),
        cmocka_unit_test(what_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
