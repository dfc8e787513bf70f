#include "proof/tree.h"

#include <string.h>

struct phi_digest phi_leaf_hash(struct phi_view entry)
{
    struct phi_view parts[] = { PHI_LIT("\0"), entry };
    return phi_sha256_parts(parts, 2);
}

struct phi_digest phi_node_hash(const struct phi_digest *l, const struct phi_digest *r)
{
    struct phi_view parts[] = { PHI_LIT("\1"), phi_digest_view(l), phi_digest_view(r) };
    return phi_sha256_parts(parts, 3);
}

size_t phi_tree_peaks(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

bool phi_tree_append(struct phi_tree *t, const struct phi_digest *leaf, phi_tree_put put, void *ctx)
{
    if (t->size >= PHI_TREE_SIZE_MAX)
        return false;
    size_t n = phi_tree_peaks(t->size);
    struct phi_digest h = *leaf;
    uint64_t index = t->size;
    unsigned level = 0;
    if (put)
        put(ctx, 0, index, &h);
    while (index & 1) { /* a left sibling of the same height waits: the two make a node */
        h = phi_node_hash(&t->peak[--n], &h);
        index >>= 1;
        level++;
        if (put)
            put(ctx, level, index, &h);
    }
    t->peak[n] = h;
    t->size++;
    return true;
}

struct phi_digest phi_tree_root(const struct phi_tree *t)
{
    size_t n = phi_tree_peaks(t->size);
    if (!n)
        return phi_sha256((struct phi_view){ 0 });
    struct phi_digest h = t->peak[--n];
    while (n)
        h = phi_node_hash(&t->peak[--n], &h);
    return h;
}

/* MTH(D[begin:end]); begin is a multiple of the power of two at or above its length, or the range is
 * a right edge made of complete subtrees, which is all that RFC 6962's recursion ever asks for. */
enum phi_rc phi_tree_range(uint64_t begin, uint64_t end, phi_tree_get get, void *ctx, struct phi_digest *ret,
                           struct phi_err *err)
{
    struct phi_digest peak[PHI_TREE_LEVELS];
    size_t n = 0;
    if (begin >= end || end > PHI_TREE_SIZE_MAX)
        return phi_fail(err, PHI_EINPUT, "empty or too large range of the log");
    for (uint64_t at = begin; at < end; n++) {
        unsigned level = 63 - (unsigned)__builtin_clzll(end - at); /* largest power of two that fits */
        if (at & ((1ULL << level) - 1))
            return phi_fail(err, PHI_EINPUT, "range of the log is no subtree");
        enum phi_rc rc = get(ctx, level, at >> level, &peak[n]);
        if (rc != PHI_OK)
            return phi_fail(err, rc, "node %u/%llu of the log's tree is not there", level,
                            (unsigned long long)(at >> level));
        at += 1ULL << level;
    }
    struct phi_digest h = peak[--n];
    while (n)
        h = phi_node_hash(&peak[--n], &h);
    *ret = h;
    return PHI_OK;
}

enum phi_rc phi_tree_load(struct phi_tree *t, uint64_t size, phi_tree_get get, void *ctx, struct phi_err *err)
{
    struct phi_tree x = { .size = size };
    uint64_t at = 0;
    if (size > PHI_TREE_SIZE_MAX)
        return phi_fail(err, PHI_EINPUT, "the log cannot be that large");
    for (size_t n = 0; at < size; n++) {
        unsigned level = 63 - (unsigned)__builtin_clzll(size - at);
        PHI_TRY(phi_tree_range(at, at + (1ULL << level), get, ctx, &x.peak[n], err));
        at += 1ULL << level;
    }
    *t = x;
    return PHI_OK;
}

/* The largest power of two smaller than n (n > 1): where RFC 6962 splits. */
static uint64_t split(uint64_t n)
{
    return 1ULL << (63 - __builtin_clzll(n - 1));
}

static void reverse(struct phi_tree_proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        struct phi_digest h = p->hash[i];
        p->hash[i] = p->hash[p->n - 1 - i];
        p->hash[p->n - 1 - i] = h;
    }
}

enum phi_rc phi_tree_inclusion(uint64_t index, uint64_t size, phi_tree_get get, void *ctx, struct phi_tree_proof *ret,
                               struct phi_err *err)
{
    uint64_t begin = 0, end = size;
    if (index >= size || size > PHI_TREE_SIZE_MAX)
        return phi_fail(err, PHI_EINPUT, "the log has no such entry");
    ret->n = 0;
    while (end - begin > 1) { /* from the root down; the proof is written from the leaf up */
        uint64_t mid = begin + split(end - begin);
        bool left = index < mid;
        PHI_TRY(phi_tree_range(left ? mid : begin, left ? end : mid, get, ctx, &ret->hash[ret->n++], err));
        *(left ? &end : &begin) = mid;
    }
    reverse(ret);
    return PHI_OK;
}

enum phi_rc phi_tree_consistency(uint64_t from, uint64_t to, phi_tree_get get, void *ctx, struct phi_tree_proof *ret,
                                 struct phi_err *err)
{
    uint64_t begin = 0, end = to, m = from;
    ret->n = 0;
    if (from > to || to > PHI_TREE_SIZE_MAX)
        return phi_fail(err, PHI_EINPUT, "the log is shorter than that");
    if (!from || from == to)
        return PHI_OK;
    bool whole = true; /* the old tree is still this whole subtree, whose root the verifier knows */
    while (m != end - begin) {
        uint64_t k = split(end - begin);
        if (m <= k) {
            PHI_TRY(phi_tree_range(begin + k, end, get, ctx, &ret->hash[ret->n++], err));
            end = begin + k;
        } else {
            PHI_TRY(phi_tree_range(begin, begin + k, get, ctx, &ret->hash[ret->n++], err));
            begin += k;
            m -= k;
            whole = false;
        }
    }
    if (!whole)
        PHI_TRY(phi_tree_range(begin, end, get, ctx, &ret->hash[ret->n++], err));
    reverse(ret);
    return PHI_OK;
}

bool phi_tree_included(uint64_t index, uint64_t size, const struct phi_digest *leaf, const struct phi_tree_proof *p,
                       const struct phi_digest *root)
{
    if (index >= size || p->n > PHI_TREE_PROOF_MAX)
        return false;
    uint64_t fn = index, sn = size - 1;
    struct phi_digest r = *leaf;
    for (size_t i = 0; i < p->n; i++) {
        if (!sn)
            return false;
        if ((fn & 1) || fn == sn) {
            r = phi_node_hash(&p->hash[i], &r);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = phi_node_hash(&r, &p->hash[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return !sn && phi_digest_eq(&r, root);
}

static bool consistent_walk(uint64_t fn, uint64_t sn, const struct phi_digest *hash, size_t n,
                            struct phi_digest *fr, struct phi_digest *sr)
{
    for (size_t i = 0; i < n; i++) {
        if (!sn)
            return false;
        if ((fn & 1) || fn == sn) {
            *fr = phi_node_hash(&hash[i], fr);
            *sr = phi_node_hash(&hash[i], sr);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            *sr = phi_node_hash(sr, &hash[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return !sn;
}

bool phi_tree_consistent(uint64_t from, const struct phi_digest *from_root, uint64_t to,
                         const struct phi_digest *to_root, const struct phi_tree_proof *p)
{
    if (from > to || p->n > PHI_TREE_PROOF_MAX)
        return false;
    if (from == to)
        return !p->n && phi_digest_eq(from_root, to_root);
    if (!from) {
        struct phi_digest empty = phi_sha256((struct phi_view){ 0 });
        return !p->n && phi_digest_eq(from_root, &empty);
    }
    uint64_t fn = from - 1, sn = to - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    /* A power of two: the old root itself is the first element, and is not sent. */
    bool power = !(from & (from - 1));
    if (!power && !p->n)
        return false;
    struct phi_digest fr = power ? *from_root : p->hash[0], sr = fr;
    size_t skip = power ? 0 : 1;
    return consistent_walk(fn, sn, p->hash + skip, p->n - skip, &fr, &sr) && phi_digest_eq(&fr, from_root) &&
           phi_digest_eq(&sr, to_root);
}
