/* The vectors of test/golden, which test/golden/check.py holds without a line of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/os.h"
#include "proof/events.h"
#include "proof/grant.h"
#include "proof/receipt.h"
#include "proof/succession.h"
#include "proof/tile.h"

#define DOC_MAX (8 * 1024 * 1024)

static const struct phi_json *doc(struct phi_arena *a, const char *name)
{
    char path[512];
    struct phi_err err = { 0 };
    PHI_BUF(b, DOC_MAX);
    const struct phi_json *v = NULL;
    snprintf(path, sizeof path, "%s/%s.json", PHI_GOLDEN_DIR, name);
    if (phi_file_read(path, DOC_MAX, &b, &err) != PHI_OK ||
        phi_json_read(a, phi_arena_copy(a, phi_buf_view(&b)), PHI_JSON_STRICT, name, &v, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return v;
}

static const struct phi_json *list(const struct phi_json *d, const char *key)
{
    const struct phi_json *v = phi_json_get(d, key);
    assert_true(v && v->kind == PHI_JSON_ARR && v->n > 0);
    return v;
}

static void same_hex(const struct phi_json *vector, const char *key, const struct phi_digest *have)
{
    char hex[PHI_HEX_LEN + 1];
    phi_digest_hex(have, hex);
    if (!phi_view_is(phi_json_text(vector, key), hex))
        fail_msg(PHI_FMT ": %s is %s", PHI_ARG(phi_json_text(vector, "name")), key, hex);
}

static void same_canon(const struct phi_json *want, struct phi_view have)
{
    PHI_BUF(canon, DOC_MAX);
    phi_json_canon(&canon, want);
    if (!phi_buf_ok(&canon) || !phi_view_eq(phi_buf_view(&canon), have))
        fail_msg("wrote " PHI_FMT "\nnot   " PHI_FMT, PHI_ARG(have), PHI_ARG(phi_buf_view(&canon)));
}

static void bodies_give_their_digests(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *v = list(doc(&a, "bodies"), "vectors");
    for (size_t i = 0; i < v->n; i++) {
        const struct phi_json *x = &v->items[i];
        struct phi_body b;
        struct phi_digest d;
        struct phi_err err = { 0 };
        PHI_BUF(out, DOC_MAX);
        if (phi_body_read(&a, phi_json_get(x, "body"), &b, &err) != PHI_OK)
            fail_msg(PHI_FMT ": %s", PHI_ARG(phi_json_text(x, "name")), err.msg);
        phi_body_write(&out, &b);
        same_canon(phi_json_get(x, "body"), phi_buf_view(&out));
        assert_int_equal(phi_body_digest(&b, &d, NULL), PHI_OK);
        same_hex(x, "digest", &d);
        if (b.has_scope) {
            assert_int_equal(phi_act_digest(&b, &d, NULL), PHI_EINPUT);
            continue;
        }
        assert_int_equal(phi_act_digest(&b, &d, NULL), PHI_OK);
        same_hex(x, "act", &d);
    }
}

static void malformed_bodies_are_refused(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *v = list(doc(&a, "bodies"), "refused");
    for (size_t i = 0; i < v->n; i++) {
        struct phi_body b;
        struct phi_err err = { 0 };
        if (phi_body_read(&a, phi_json_get(&v->items[i], "body"), &b, &err) != PHI_EINPUT || !err.msg[0])
            fail_msg("read all the same: " PHI_FMT, PHI_ARG(phi_json_text(&v->items[i], "name")));
    }
}

static uint32_t dice = 7;

static uint32_t roll(uint32_t n)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % n;
}

/* Whatever text is read as a body, writing what was read gives the text's canonical form: so no two
 * bodies that differ have one digest, and nothing that was read is left out of it. */
static void nothing_that_is_read_is_left_out_of_the_digest(void **unused)
{
    (void)unused;
    PHI_ARENA(all, DOC_MAX);
    const struct phi_json *v = list(doc(&all, "bodies"), "vectors");
    static const char bits[] = "{}[]\",:0123456789abcdefntu\\ -+.eE";
    int read = 0;
    for (int round = 0; round < 30000; round++) {
        PHI_ARENA(a, 1 << 20);
        PHI_BUF(text, 1 << 16);
        PHI_BUF(canon, 1 << 16);
        PHI_BUF(out, 1 << 16);
        struct phi_body b;
        phi_json_canon(&text, phi_json_get(phi_json_at(v, roll((uint32_t)v->n)), "body"));
        for (uint32_t i = 0, n = 1 + roll(3); i < n; i++)
            text.p[roll((uint32_t)text.n)] = roll(4) ? (uint8_t)bits[roll(sizeof bits - 1)] : (uint8_t)roll(256);
        if (phi_body_read_text(&a, phi_buf_view(&text), &b, NULL) != PHI_OK)
            continue;
        read++;
        phi_body_write(&out, &b);
        assert_int_equal(phi_json_canon_text(phi_buf_view(&text), &canon, NULL), PHI_OK);
        assert_string_equal(phi_buf_str(&out), phi_buf_str(&canon));
    }
    assert_in_range(read, 500, 29000);
}

static void votes_give_their_digests(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "votes"), *v = list(d, "vectors"), *bad = list(d, "refused");
    for (size_t i = 0; i < v->n; i++) {
        const struct phi_json *x = &v->items[i];
        struct phi_vote vote;
        struct phi_digest digest;
        PHI_BUF(out, DOC_MAX);
        PHI_BUF(salt, 16);
        assert_int_equal(phi_vote_read(&a, phi_json_get(x, "vote"), &vote, NULL), PHI_OK);
        phi_vote_write(&out, &vote);
        same_canon(phi_json_get(x, "vote"), phi_buf_view(&out));
        assert_int_equal(phi_vote_digest(&vote, &digest, NULL), PHI_OK);
        same_hex(x, "digest", &digest);
        if (!phi_json_get(x, "reason"))
            continue;
        assert_true(phi_b64u_read(phi_json_text(x, "salt"), &salt) && salt.n == 16);
        digest = phi_text_hash(salt.p, phi_json_text(x, "reason"));
        assert_true(phi_digest_eq(&digest, &vote.reason_hash));
    }
    for (size_t i = 0; i < bad->n; i++) {
        struct phi_vote vote;
        if (phi_vote_read(&a, phi_json_get(&bad->items[i], "vote"), &vote, NULL) != PHI_EINPUT)
            fail_msg("read all the same: " PHI_FMT, PHI_ARG(phi_json_text(&bad->items[i], "name")));
    }
}

static void grants_are_what_was_asked_less_every_narrowing(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *v = list(doc(&a, "grants"), "vectors");
    for (size_t i = 0; i < v->n; i++) {
        const struct phi_json *x = &v->items[i], *ns = phi_json_get(x, "narrowings");
        struct phi_body body;
        struct phi_narrowing n[4];
        struct phi_grant g, again;
        struct phi_id id;
        struct phi_digest bundle, digest;
        PHI_BUF(out, DOC_MAX);
        assert_int_equal(phi_body_read(&a, phi_json_get(x, "body"), &body, NULL), PHI_OK);
        for (size_t k = 0; k < ns->n; k++) {
            assert_int_equal(phi_narrowing_read(&a, &ns->items[k], &n[k], NULL), PHI_OK);
        }
        assert_true(phi_id_read(phi_json_text(x, "id"), &id) && phi_digest_from_hex(phi_json_text(x, "bundle"), &bundle));
        assert_int_equal(phi_grant_make(&a, id, &body, n, ns->n, phi_json_num(x, "now_ms", 0), 0, &bundle, &g, NULL), PHI_OK);
        assert_int_equal(phi_grant_check(&g, &body, n, ns->n, NULL, NULL), PHI_OK);
        phi_grant_write(&out, &g);
        same_canon(phi_json_get(x, "grant"), phi_buf_view(&out));
        assert_int_equal(phi_grant_digest(&g, &digest, NULL), PHI_OK);
        same_hex(x, "digest", &digest);
        assert_int_equal(phi_grant_read(&a, phi_json_get(x, "grant"), &again, NULL), PHI_OK);
        assert_int_equal(phi_grant_check(&again, &body, n, ns->n, NULL, NULL), PHI_OK);
    }
}

static void entries_give_their_leaves(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "entries"), *v = list(d, "vectors"), *bad = list(d, "refused");
    for (size_t i = 0; i < v->n; i++) {
        struct phi_view text = phi_json_text(&v->items[i], "text");
        struct phi_entry e;
        struct phi_err err = { 0 };
        PHI_BUF(out, DOC_MAX);
        if (phi_entry_read(&a, text, &e, &err) != PHI_OK)
            fail_msg(PHI_FMT ": %s", PHI_ARG(phi_json_text(&v->items[i], "name")), err.msg);
        assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_OK);
        assert_true(phi_view_eq(phi_buf_view(&out), text));
        struct phi_digest leaf = phi_leaf_hash(text);
        same_hex(&v->items[i], "leaf", &leaf);
    }
    for (size_t i = 0; i < bad->n; i++) {
        struct phi_entry e;
        if (phi_entry_read(&a, phi_json_text(&bad->items[i], "text"), &e, NULL) == PHI_OK)
            fail_msg("read all the same: " PHI_FMT, PHI_ARG(phi_json_text(&bad->items[i], "name")));
    }
}

static void read_proof(const struct phi_json *v, struct phi_tree_proof *p)
{
    const struct phi_json *h = phi_json_get(v, "hashes");
    assert_true(h && h->n <= PHI_TREE_PROOF_MAX);
    p->n = h->n;
    for (size_t i = 0; i < h->n; i++)
        assert_true(phi_digest_from_hex(h->items[i].str, &p->hash[i]));
}

static void trees_have_their_roots_and_proofs(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "trees"), *entries = list(d, "entries"), *roots = list(d, "roots");
    const struct phi_json *in = list(d, "inclusion"), *co = list(d, "consistency");
    struct phi_digest leaf[64], root[65];
    struct phi_tree t = { 0 };
    struct phi_tree_proof p;
    assert_true(entries->n < 64 && roots->n == entries->n + 1);
    for (size_t i = 0; i <= entries->n; i++) {
        struct phi_digest want;
        root[i] = phi_tree_root(&t);
        assert_true(phi_digest_from_hex(roots->items[i].str, &want) && phi_digest_eq(&want, &root[i]));
        if (i == entries->n)
            break;
        leaf[i] = phi_leaf_hash(entries->items[i].str);
        phi_tree_append(&t, &leaf[i], NULL, NULL);
    }
    for (size_t i = 0; i < in->n; i++) {
        int64_t index = phi_json_num(&in->items[i], "index", -1), size = phi_json_num(&in->items[i], "size", -1);
        read_proof(&in->items[i], &p);
        assert_true(phi_tree_included((uint64_t)index, (uint64_t)size, &leaf[index], &p, &root[size]));
    }
    for (size_t i = 0; i < co->n; i++) {
        int64_t from = phi_json_num(&co->items[i], "from", -1), to = phi_json_num(&co->items[i], "to", -1);
        read_proof(&co->items[i], &p);
        assert_true(phi_tree_consistent((uint64_t)from, &root[from], (uint64_t)to, &root[to], &p));
    }
}

static void checkpoints_are_signed_alike(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "checkpoints"), *v = list(d, "vectors");
    uint8_t seed[32];
    struct phi_key key;
    struct phi_vkey vk;
    PHI_BUF(line, 1024);
    assert_true(phi_hex_read(phi_json_text(d, "seed"), seed, sizeof seed));
    assert_int_equal(phi_key_from_seed(seed, &key, NULL), PHI_OK);
    assert_int_equal(phi_vkey_read(phi_json_text(d, "key"), &vk, NULL), PHI_OK);
    assert_memory_equal(&vk.pub, &key.pub, sizeof vk.pub);
    phi_vkey_write(&line, &vk);
    assert_true(phi_view_eq(phi_buf_view(&line), phi_json_text(d, "key")));
    for (size_t i = 0; i < v->n; i++) {
        const struct phi_json *x = &v->items[i];
        struct phi_checkpoint c = { phi_json_text(x, "origin"), (uint64_t)phi_json_num(x, "size", -1), { { 0 } } }, back;
        PHI_BUF(note, 4096);
        assert_true(phi_digest_from_hex(phi_json_text(x, "root"), &c.root));
        assert_int_equal(phi_checkpoint_sign(&note, &c, &key, NULL), PHI_OK);
        assert_true(phi_view_eq(phi_buf_view(&note), phi_json_text(x, "note")));
        assert_int_equal(phi_checkpoint_open(phi_json_text(x, "note"), &vk, &back, NULL), PHI_OK);
        assert_int_equal(back.size, c.size);
        assert_true(phi_digest_eq(&back.root, &c.root));
    }
}

/* ---- a small log as it leaves phi */

static struct phi_key key_of(const struct phi_json *d, const char *seed_name)
{
    uint8_t seed[32];
    struct phi_key key;
    assert_true(phi_hex_read(phi_json_text(d, seed_name), seed, sizeof seed));
    assert_int_equal(phi_key_from_seed(seed, &key, NULL), PHI_OK);
    return key;
}

static struct phi_view text_of(const struct phi_json *d, const char *name, const char *member)
{
    struct phi_view v = phi_json_text(phi_json_get(d, name), member);
    assert_true(v.n > 0);
    return v;
}

static void heads_are_cosigned_alike(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "log"), *entries = list(d, "entries");
    struct phi_key key = key_of(d, "seed"), witness = key_of(d, "witness_seed");
    struct phi_checkpoint head = { phi_json_text(d, "name"), entries->n, { { 0 } } };
    struct phi_cosigner cosigner;
    struct phi_tree t = { 0 };
    struct phi_view line;
    int64_t time_s = phi_json_num(d, "time_s", 0), said;
    PHI_BUF(note, 4096);
    PHI_BUF(text, 1024);
    PHI_BUF(back, 1024);
    for (size_t i = 0; i < entries->n; i++) {
        struct phi_digest leaf = phi_leaf_hash(entries->items[i].str);
        phi_tree_append(&t, &leaf, NULL, NULL);
    }
    head.root = phi_tree_root(&t);
    phi_checkpoint_text(&text, &head);
    assert_int_equal(phi_checkpoint_sign(&note, &head, &key, NULL), PHI_OK);
    assert_int_equal(phi_cosign(&note, phi_buf_view(&text), phi_json_text(d, "witness"), &witness, time_s, NULL), PHI_OK);
    assert_true(phi_view_eq(phi_buf_view(&note), phi_json_text(d, "checkpoint")));
    assert_int_equal(phi_cosigner_read(phi_json_text(d, "cosigner"), &cosigner, NULL), PHI_OK);
    phi_cosigner_write(&back, &cosigner);
    assert_true(phi_view_eq(phi_buf_view(&back), phi_json_text(d, "cosigner")));
    assert_int_equal(phi_cosign_find(phi_json_text(d, "checkpoint"), &cosigner, &said, &line, NULL), PHI_OK);
    assert_int_equal(said, time_s);
}

static void receipts_hold_and_are_written_alike(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "log"), *all = list(d, "receipts"), *entries = list(d, "entries");
    struct phi_vkey log;
    struct phi_cosigner cosigner;
    assert_int_equal(phi_vkey_read(phi_json_text(d, "key"), &log, NULL), PHI_OK);
    assert_int_equal(phi_cosigner_read(phi_json_text(d, "cosigner"), &cosigner, NULL), PHI_OK);
    for (size_t i = 0; i < all->n; i++) {
        struct phi_receipt r;
        struct phi_checkpoint head;
        size_t cosigned = 0;
        PHI_BUF(out, 1 << 16);
        assert_int_equal(phi_receipt_read(&a, all->items[i].str, &r, NULL), PHI_OK);
        assert_int_equal(phi_receipt_check(&r, &log, &cosigner, 1, 1, &head, &cosigned, NULL), PHI_OK);
        assert_int_equal(r.index, i);
        assert_int_equal(cosigned, 1);
        assert_true(phi_view_eq(r.entry, entries->items[i].str));
        phi_receipt_write(&out, &r);
        assert_true(phi_view_eq(phi_buf_view(&out), all->items[i].str));
    }
}

static void tiles_are_laid_out_alike(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "log"), *entries = list(d, "entries");
    PHI_BUF(bundle, 1 << 16);
    PHI_BUF(hashes, 1 << 16);
    PHI_BUF(hex, 1 << 17);
    struct phi_tile tile = phi_tile_of(0, 0, entries->n), read;
    PHI_BUF(path, PHI_TILE_PATH_MAX);
    phi_tile_write(&path, &tile);
    assert_true(phi_view_eq(phi_buf_view(&path), text_of(d, "tile", "path")));
    assert_int_equal(phi_tile_read(text_of(d, "bundle", "path"), &read, NULL), PHI_OK);
    assert_true(read.entries && read.width == entries->n && read.index == 0);
    for (size_t i = 0; i < entries->n; i++) {
        struct phi_digest leaf = phi_leaf_hash(entries->items[i].str);
        phi_buf_add(&hashes, phi_digest_view(&leaf));
        assert_int_equal(phi_bundle_entry_add(&bundle, entries->items[i].str, NULL), PHI_OK);
    }
    phi_hex_add(&hex, phi_buf_view(&hashes));
    assert_true(phi_view_eq(phi_buf_view(&hex), text_of(d, "tile", "hex")));
    phi_buf_clear(&hex);
    phi_hex_add(&hex, phi_buf_view(&bundle));
    assert_true(phi_view_eq(phi_buf_view(&hex), text_of(d, "bundle", "hex")));
}

static void a_log_goes_on_under_its_next_keys(void **unused)
{
    (void)unused;
    PHI_ARENA(a, DOC_MAX);
    const struct phi_json *d = doc(&a, "log");
    struct phi_vkey key, after, operator;
    struct phi_succession s;
    PHI_BUF(out, 4096);
    assert_int_equal(phi_vkey_read(phi_json_text(d, "key"), &key, NULL), PHI_OK);
    assert_int_equal(phi_vkey_read(phi_json_text(d, "next_key"), &after, NULL), PHI_OK);
    assert_int_equal(phi_vkey_read(phi_json_text(d, "operator"), &operator, NULL), PHI_OK);
    assert_int_equal(phi_succession_open(phi_json_text(d, "rotated"), &key, NULL, 0, &s, NULL), PHI_OK);
    assert_true(s.kind == PHI_SUCCESSION_ROTATED && phi_vkey_eq(&s.to, &after));
    phi_succession_write(&out, &s);
    assert_true(phi_view_starts(phi_json_text(d, "rotated"), phi_buf_view(&out)));
    assert_int_equal(phi_succession_open(phi_json_text(d, "restored"), &after, NULL, 0, &s, NULL), PHI_EDENIED);
    assert_int_equal(phi_succession_open(phi_json_text(d, "restored"), &after, &operator, 1, &s, NULL), PHI_OK);
    assert_true(s.kind == PHI_SUCCESSION_RESTORED && s.size == list(d, "entries")->n && phi_view_eq(s.to.name, phi_json_text(d, "restored_name")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_give_their_digests),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(nothing_that_is_read_is_left_out_of_the_digest),
        cmocka_unit_test(votes_give_their_digests),
        cmocka_unit_test(grants_are_what_was_asked_less_every_narrowing),
        cmocka_unit_test(entries_give_their_leaves),
        cmocka_unit_test(trees_have_their_roots_and_proofs),
        cmocka_unit_test(checkpoints_are_signed_alike),
        cmocka_unit_test(heads_are_cosigned_alike),
        cmocka_unit_test(receipts_hold_and_are_written_alike),
        cmocka_unit_test(tiles_are_laid_out_alike),
        cmocka_unit_test(a_log_goes_on_under_its_next_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
