#include "proof/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "proof/vote_proof.h"

/* The nodes of each level, complete ones only: 64 bytes an entry in all. */
struct level {
    struct phi_digest *node;
    size_t n, cap;
};

struct phi_audit {
    struct phi_tree tree;
    struct level level[PHI_TREE_LEVELS];
    bool out_of_memory;
    struct phi_finding first; /* false entry; what == 0: none yet */
    struct phi_finding fork;  /* against an earlier checkpoint; likewise */
    struct seen_key *keys;    /* passkeys that were registered */
    size_t n_keys, cap_keys;
};

struct seen_key {
    struct phi_digest cose, person; /* SHA-256 of either */
};

struct phi_audit *phi_audit_open(void)
{
    return calloc(1, sizeof(struct phi_audit));
}

void phi_audit_close(struct phi_audit *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < PHI_TREE_LEVELS; i++)
        free(a->level[i].node);
    free(a->keys);
    free(a);
}

uint64_t phi_audit_size(const struct phi_audit *a)
{
    return a->tree.size;
}

static void keep(void *ctx, unsigned level, uint64_t index, const struct phi_digest *hash)
{
    struct phi_audit *a = ctx;
    struct level *l = &a->level[level];
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct phi_digest *p = reallocarray(l->node, cap, sizeof *p);
        if (!p) {
            a->out_of_memory = true;
            return;
        }
        l->node = p;
        l->cap = cap;
    }
    if (index != l->n)
        a->out_of_memory = true; /* a node was lost before */
    else
        l->node[l->n++] = *hash;
}

enum phi_rc phi_audit_node(const struct phi_audit *a, unsigned level, uint64_t index, struct phi_digest *ret)
{
    if (level >= PHI_TREE_LEVELS || index >= a->level[level].n)
        return PHI_ENOTFOUND;
    *ret = a->level[level].node[index];
    return PHI_OK;
}

static enum phi_rc look(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    return phi_audit_node(ctx, level, index, ret);
}

static void __attribute__((format(printf, 4, 5)))
found(struct phi_finding *f, enum phi_found what, uint64_t index, const char *fmt, ...)
{
    va_list ap;
    *f = (struct phi_finding){ .what = what, .index = index };
    va_start(ap, fmt);
    vsnprintf(f->why, sizeof f->why, fmt, ap);
    va_end(ap);
}

static void key_keep(struct phi_audit *a, const struct phi_json *v)
{
    struct seen_key key = { .person = phi_sha256(phi_json_text(phi_json_get(v, "person"), "id")) };
    if (!phi_digest_from_hex(phi_json_text(v, "key_hash"), &key.cose))
        return;
    if (a->n_keys == a->cap_keys) {
        size_t cap = a->cap_keys ? 2 * a->cap_keys : 16;
        struct seen_key *p = reallocarray(a->keys, cap, sizeof *p);
        if (!p) {
            a->out_of_memory = true;
            return;
        }
        a->keys = p;
        a->cap_keys = cap;
    }
    a->keys[a->n_keys++] = key;
}

/* A signed vote: by a passkey that this log shows as registered by whoever voted, over exactly this vote. */
static const char *vote_look(struct phi_audit *a, struct phi_arena *arena, const struct phi_json *v)
{
    PHI_BUF(vote, PHI_MAX_LOG_ENTRY);
    struct phi_passkey key;
    const struct phi_json *said = phi_json_get(v, "vote");
    if (!said || !phi_json_get(v, "signature"))
        return NULL;
    phi_json_canon(&vote, said);
    if (!phi_vote_proof_holds(arena, phi_buf_view(&vote), phi_json_text(v, "signature"), &key))
        return "holds a vote whose signature does not fit it";
    struct seen_key want = { phi_sha256(key.cose), phi_sha256(phi_json_text(phi_json_get(v, "by"), "id")) };
    for (size_t i = 0; i < a->n_keys; i++)
        if (phi_digest_eq(&a->keys[i].cose, &want.cose) && phi_digest_eq(&a->keys[i].person, &want.person))
            return NULL;
    return "holds a vote signed by a passkey that its voter had not registered";
}

/* What is wrong with the entry by itself, or NULL. */
static const char *look_at(struct phi_audit *a, struct phi_view entry, uint64_t n)
{
    PHI_ARENA(arena, 16 * PHI_MAX_LOG_ENTRY);
    PHI_BUF(canon, PHI_MAX_LOG_ENTRY);
    const struct phi_json *v = NULL;
    if (entry.n > PHI_MAX_LOG_ENTRY)
        return "is too long";
    if (phi_json_read(&arena, entry, PHI_JSON_STRICT, "entry", &v, NULL) != PHI_OK || v->kind != PHI_JSON_OBJ)
        return "is no JSON object";
    phi_json_canon(&canon, v);
    if (!phi_buf_ok(&canon) || !phi_view_eq(phi_buf_view(&canon), entry))
        return "is not canonical JSON";
    if (phi_json_num(v, "v", -1) != 1)
        return "is of an unknown version";
    if (phi_json_num(v, "n", -1) != (int64_t)n)
        return "says that it stands elsewhere";
    if (phi_view_is(phi_json_text(v, "ev"), "passkey.added"))
        key_keep(a, v);
    return phi_view_is(phi_json_text(v, "ev"), "request.voted") ? vote_look(a, &arena, v) : NULL;
}

enum phi_rc phi_audit_entry(struct phi_audit *a, struct phi_view entry, const struct phi_digest *stored_leaf,
                            struct phi_err *err)
{
    uint64_t n = a->tree.size;
    struct phi_digest leaf = phi_leaf_hash(entry);
    const char *wrong = look_at(a, entry, n);
    if (!wrong && stored_leaf && !phi_digest_eq(&leaf, stored_leaf))
        wrong = "is not what was hashed when it was written";
    if (wrong && !a->first.what)
        found(&a->first, PHI_FOUND_ENTRY, n, "entry %llu %s", (unsigned long long)n, wrong);
    if (!phi_tree_append(&a->tree, &leaf, keep, a) || a->out_of_memory)
        return phi_fail(err, PHI_ELIMIT, "out of memory after %llu entries", (unsigned long long)n);
    return PHI_OK;
}

static bool root_at(struct phi_audit *a, uint64_t size, struct phi_digest *ret)
{
    struct phi_tree t;
    if (size > a->tree.size || phi_tree_load(&t, size, look, a, NULL) != PHI_OK)
        return false;
    *ret = phi_tree_root(&t);
    return true;
}

void phi_audit_earlier(struct phi_audit *a, const struct phi_checkpoint *c)
{
    struct phi_digest root;
    if (a->fork.what)
        return;
    if (c->size > a->tree.size)
        found(&a->fork, PHI_FOUND_SHORT, a->tree.size, "the log has %llu entries, but an earlier checkpoint signed %llu",
              (unsigned long long)a->tree.size, (unsigned long long)c->size);
    else if (!root_at(a, c->size, &root) || !phi_digest_eq(&root, &c->root))
        found(&a->fork, PHI_FOUND_FORK, 0, "the first %llu entries are not those of an earlier checkpoint",
              (unsigned long long)c->size);
}

/* The most telling first: a false entry, a missing one, a root that a proof can name the entry of, and
 * only where the present checkpoint holds, that it is another history than before. */
void phi_audit_finish(struct phi_audit *a, const struct phi_checkpoint *c, struct phi_finding *ret)
{
    struct phi_digest root;
    if (a->first.what && a->first.index < c->size) /* one past the checkpoint is not the signer's word */
        *ret = a->first;
    else if (c->size > a->tree.size)
        found(ret, PHI_FOUND_SHORT, a->tree.size, "entry %llu is missing: the checkpoint signs %llu entries",
              (unsigned long long)a->tree.size, (unsigned long long)c->size);
    else if (!root_at(a, c->size, &root) || !phi_digest_eq(&root, &c->root))
        found(ret, PHI_FOUND_ROOT, 0, "the entries do not lead to the signed root of %llu entries",
              (unsigned long long)c->size);
    else if (a->fork.what)
        *ret = a->fork;
    else
        found(ret, PHI_FOUND_NOTHING, 0, "all %llu entries are what was signed", (unsigned long long)c->size);
}

/* ---- naming the entry ---- */

static uint64_t split(uint64_t n)
{
    return 1ULL << (63 - __builtin_clzll(n - 1));
}

/* A proof that leads to the signed root shows what the signed tree has beside the path to `index`.
 * Answers the leftmost part of it, the leaf included, that is not ours (index is where the search
 * stands: all to its left is known to be ours). False: all that this proof shows is ours. */
static bool differs(struct phi_audit *a, uint64_t size, uint64_t index, const struct phi_digest *leaf,
                    const struct phi_tree_proof *p, uint64_t *begin, uint64_t *end)
{
    uint64_t from[PHI_TREE_PROOF_MAX], to[PHI_TREE_PROOF_MAX], b = 0, e = size;
    struct phi_digest ours;
    for (size_t i = p->n; i-- > 0 && e - b > 1;) { /* from the root down */
        uint64_t mid = b + split(e - b);
        bool left = index < mid;
        from[i] = left ? mid : b;
        to[i] = left ? e : mid;
        *(left ? &e : &b) = mid;
    }
    *begin = index;
    *end = index + 1;
    if (look(a, 0, index, &ours) != PHI_OK || !phi_digest_eq(&ours, leaf))
        return true;
    for (size_t i = 0; i < p->n; i++) { /* from the leaf up: the nearest is the leftmost */
        *begin = from[i];
        *end = to[i];
        if (phi_tree_range(*begin, *end, look, a, &ours, NULL) != PHI_OK || !phi_digest_eq(&ours, &p->hash[i]))
            return true;
    }
    return false;
}

enum phi_rc phi_audit_locate(struct phi_audit *a, const struct phi_checkpoint *c, phi_audit_proof get, void *ctx,
                             struct phi_finding *f, struct phi_err *err)
{
    uint64_t begin = 0, end = c->size, index = 0;
    if (f->what != PHI_FOUND_ROOT || !c->size || c->size > a->tree.size)
        return PHI_OK;
    for (int round = 0; round < 2 * PHI_TREE_LEVELS; round++) {
        struct phi_tree_proof p = { 0 };
        struct phi_digest leaf;
        PHI_TRY(get(ctx, index, c->size, &leaf, &p, err));
        if (!phi_tree_included(index, c->size, &leaf, &p, &c->root)) {
            /* The stored hashes were changed as well. What good proofs narrowed it to still stands. */
            if (end - begin < c->size)
                found(f, PHI_FOUND_ENTRY, begin, "one of the entries %llu to %llu is not what was signed, and their stored hashes are false too",
                      (unsigned long long)begin, (unsigned long long)end - 1);
            return PHI_OK;
        }
        if (!differs(a, c->size, index, &leaf, &p, &begin, &end))
            return PHI_OK; /* nothing shown differs: then the root would not either; leave it */
        if (end - begin == 1) {
            found(f, PHI_FOUND_ENTRY, begin, "entry %llu is not what was signed", (unsigned long long)begin);
            return PHI_OK;
        }
        index = begin;
    }
    return PHI_OK;
}
