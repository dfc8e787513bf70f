#include "proof/tile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"

/* A log of so many leaves with every complete node, and the tiles made of it as the specification says. */
#define MOST 70000

struct log {
    struct phi_tree tree;
    struct phi_digest *node[20];
    size_t n[20], asked;
};

static struct log big;

static void put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *h)
{
    struct log *l = ctx;
    if (!l->node[level])
        l->node[level] = calloc(MOST >> level, sizeof *h);
    l->node[level][index] = *h;
    l->n[level]++;
}

static enum phi_rc get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    const struct log *l = ctx;
    if (level >= 20 || index >= l->n[level])
        return PHI_ENOTFOUND;
    *ret = l->node[level][index];
    return PHI_OK;
}

static int grow(void **state)
{
    (void)state;
    char text[32];
    for (int i = 0; i < MOST; i++) {
        snprintf(text, sizeof text, "entry %d", i);
        struct phi_digest leaf = phi_leaf_hash(phi_view_of(text));
        phi_tree_append(&big.tree, &leaf, put, &big);
    }
    return 0;
}

static int drop(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        free(big.node[i]);
    return 0;
}

static enum phi_rc fetch(void *ctx, const struct phi_tile *t, struct phi_buf *ret, struct phi_err *err)
{
    struct log *l = ctx;
    l->asked++;
    for (unsigned i = 0; i < t->width; i++) {
        struct phi_digest h;
        if (get(l, 8 * t->level, t->index * PHI_TILE_WIDTH + i, &h) != PHI_OK)
            return phi_fail(err, PHI_ENOTFOUND, "no such tile");
        phi_buf_add(ret, phi_digest_view(&h));
    }
    return PHI_OK;
}

static void paths_are_those_of_the_specification(void **unused)
{
    (void)unused;
    static const struct {
        const char *path;
        struct phi_tile t;
    } rows[] = {
        { "0/000", { false, 0, 0, 256 } },
        { "0/000.p/1", { false, 0, 0, 1 } },
        { "3/x001/x234/067", { false, 3, 1234067, 256 } },
        { "63/999.p/255", { false, 63, 999, 255 } },
        { "entries/x001/000", { true, 0, 1000, 256 } },
        { "entries/x001/x234/067.p/12", { true, 0, 1234067, 12 } },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phi_tile t;
        PHI_BUF(b, 256);
        assert_int_equal(phi_tile_read(phi_view_of(rows[i].path), &t, NULL), PHI_OK);
        assert_int_equal(t.entries, rows[i].t.entries);
        assert_int_equal(t.level, rows[i].t.level);
        assert_int_equal(t.index, rows[i].t.index);
        assert_int_equal(t.width, rows[i].t.width);
        phi_tile_write(&b, &t);
        assert_view(phi_buf_view(&b), rows[i].path);
    }
}

static void any_other_spelling_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "", "0", "0/", "0/0", "0/00", "0/0000", "00/000", "64/000", "-1/000", "0/000.p", "0/000.p/",
                                       "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/1/", "0/x000/001", "0/001/002", "0/x001",
                                       "0/x001/x002", "0/000.P/1", "0/000.p/1.p/1", "0/x001/", "/0/000", "0//000", "entries", "Entries/000",
                                       "0/00a", "0/+01", "0/ 01", "0/000.p/ 1", "0/x01/000", "data/000", "0/x999/x999/x999/x999/x999/x999/x999/999" };
    struct phi_tile t;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (phi_tile_read(phi_view_of(bad[i]), &t, NULL) != PHI_EINPUT)
            fail_msg("read all the same: \"%s\"", bad[i]);
}

/* The example of the specification: 70,000 leaves are 273 full tiles and one of 112, one full of level 1 and one of 17,
 * and one of level 2 with one hash. */
static void a_tree_of_70000_has_the_tiles_of_the_example(void **unused)
{
    (void)unused;
    static const struct phi_tile there[] = { { false, 0, 272, 256 }, { false, 0, 273, 112 }, { false, 1, 0, 256 }, { false, 1, 1, 17 }, { false, 2, 0, 1 } };
    static const struct phi_tile not[] = { { false, 0, 273, 113 }, { false, 0, 274, 1 }, { false, 1, 1, 18 }, { false, 2, 0, 2 }, { false, 3, 0, 1 },
                                           { false, 63, 0, 1 }, { false, 0, UINT64_MAX / 2, 1 }, { false, 0, 0, 0 }, { false, 0, 0, 257 } };
    for (size_t i = 0; i < COUNT(there); i++) {
        assert_true(phi_tile_within(&there[i], MOST));
        struct phi_tile t = phi_tile_of(there[i].level, there[i].index * 256, MOST);
        assert_int_equal(t.width, there[i].width);
    }
    for (size_t i = 0; i < COUNT(not); i++)
        assert_false(phi_tile_within(&not[i], MOST));
    assert_true(phi_tile_within(&(struct phi_tile){ false, 1, 0, 1 }, 256)); /* a partial tile above a full one */
    assert_false(phi_tile_within(&(struct phi_tile){ false, 1, 0, 1 }, 255));
    assert_int_equal(phi_tile_of(0, MOST, MOST).width, 0);
}

static void roots_and_proofs_come_out_of_tiles_as_out_of_the_tree(void **unused)
{
    (void)unused;
    static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537, 69999, MOST };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct phi_tiles s = { .size = sizes[i], .fetch = fetch, .ctx = &big };
        struct phi_tree direct, tiled;
        assert_int_equal(phi_tree_load(&direct, sizes[i], get, &big, NULL), PHI_OK);
        assert_int_equal(phi_tree_load(&tiled, sizes[i], phi_tile_node, &s, NULL), PHI_OK);
        struct phi_digest want = phi_tree_root(&direct), have = phi_tree_root(&tiled);
        assert_true(phi_digest_eq(&want, &have));
        for (uint64_t at = 0; at < sizes[i]; at += 1 + sizes[i] / 7) {
            struct phi_tree_proof p;
            assert_int_equal(phi_tree_inclusion(at, sizes[i], phi_tile_node, &s, &p, NULL), PHI_OK);
            assert_true(phi_tree_included(at, sizes[i], &big.node[0][at], &p, &want));
            struct phi_tree_proof q;
            assert_int_equal(phi_tree_consistency(at, sizes[i], phi_tile_node, &s, &q, NULL), PHI_OK);
            assert_int_equal(phi_tree_consistency(at, sizes[i], get, &big, &p, NULL), PHI_OK);
            assert_int_equal(p.n, q.n);
            assert_memory_equal(p.hash, q.hash, p.n * sizeof *p.hash);
        }
        phi_tiles_done(&s);
    }
}

static void a_changed_hash_in_a_tile_leads_elsewhere(void **unused)
{
    (void)unused;
    struct phi_digest root = phi_tree_root(&big.tree), have;
    struct phi_tree t;
    big.node[0][69999].b[5] ^= 1;
    struct phi_tiles s = { .size = MOST, .fetch = fetch, .ctx = &big };
    assert_int_equal(phi_tree_load(&t, MOST, phi_tile_node, &s, NULL), PHI_OK);
    have = phi_tree_root(&t);
    assert_false(phi_digest_eq(&root, &have));
    phi_tiles_done(&s);
    big.node[0][69999].b[5] ^= 1;
}

static void bundles_give_back_what_was_put_in_and_stop_where_they_are_cut(void **unused)
{
    (void)unused;
    static uint8_t large[PHI_TILE_ENTRY_MAX + 1];
    PHI_BUF(b, 1 << 20);
    struct phi_view rest, e;
    assert_int_equal(phi_bundle_entry_add(&b, PHI_LIT("one"), NULL), PHI_OK);
    assert_int_equal(phi_bundle_entry_add(&b, PHI_LIT(""), NULL), PHI_OK);
    assert_int_equal(phi_bundle_entry_add(&b, phi_view_mem(large, PHI_TILE_ENTRY_MAX), NULL), PHI_OK);
    assert_int_equal(phi_bundle_entry_add(&b, phi_view_mem(large, PHI_TILE_ENTRY_MAX + 1), NULL), PHI_ELIMIT);
    rest = phi_buf_view(&b);
    assert_true(phi_bundle_entry_next(&rest, &e));
    assert_view(e, "one");
    assert_true(phi_bundle_entry_next(&rest, &e));
    assert_int_equal(e.n, 0);
    assert_true(phi_bundle_entry_next(&rest, &e));
    assert_int_equal(e.n, PHI_TILE_ENTRY_MAX);
    assert_false(phi_bundle_entry_next(&rest, &e));
    assert_int_equal(rest.n, 0);
    rest = phi_view_upto(phi_buf_view(&b), 4);
    assert_false(phi_bundle_entry_next(&rest, &e));
    assert_int_equal(rest.n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_those_of_the_specification),
        cmocka_unit_test(any_other_spelling_is_refused),
        cmocka_unit_test(a_tree_of_70000_has_the_tiles_of_the_example),
        cmocka_unit_test(roots_and_proofs_come_out_of_tiles_as_out_of_the_tree),
        cmocka_unit_test(a_changed_hash_in_a_tile_leads_elsewhere),
        cmocka_unit_test(bundles_give_back_what_was_put_in_and_stop_where_they_are_cut),
    };
    return cmocka_run_group_tests(tests, grow, drop);
}
