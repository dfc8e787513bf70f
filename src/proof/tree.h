/* The Merkle tree of RFC 6962, section 2.1: pure, no storage.
 *
 * A node is addressed by (level, index): level 0 are the leaf hashes, node (l, i) covers the leaves
 * [i·2^l, (i+1)·2^l). Only complete nodes have an address; a store keeps those that
 * phi_tree_append hands out, and everything else is computed from them. Sizes up to 2^62. */
#ifndef PROOF_TREE_H
#define PROOF_TREE_H

#include "base/hash.h"

#define PHI_TREE_LEVELS 63
#define PHI_TREE_PROOF_MAX 64 /* hashes of an inclusion or consistency proof */
#define PHI_TREE_SIZE_MAX (1ULL << 62)

struct phi_digest phi_leaf_hash(struct phi_view entry);                                   /* SHA-256(0x00 || entry) */
struct phi_digest phi_node_hash(const struct phi_digest *l, const struct phi_digest *r); /* SHA-256(0x01 || l || r) */

/* The frontier ("compact range"): the roots of the complete subtrees that make up a tree of `size`
 * leaves, largest first; one for each bit set in size. A zeroed struct is the empty tree. */
struct phi_tree {
    uint64_t size;
    struct phi_digest peak[PHI_TREE_LEVELS];
};

/* Called for each node that an append completes, the leaf itself first. */
typedef void (*phi_tree_put)(void *ctx, unsigned level, uint64_t index, const struct phi_digest *hash);
/* Looks a complete node up; anything but PHI_OK ends the computation with that code. */
typedef enum phi_rc (*phi_tree_get)(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret);

size_t phi_tree_peaks(uint64_t size); /* how many */
/* `put` may be NULL. False: the tree is full (2^62). */
bool phi_tree_append(struct phi_tree *t, const struct phi_digest *leaf, phi_tree_put put, void *ctx);
struct phi_digest phi_tree_root(const struct phi_tree *t); /* of the empty tree: SHA-256("") */
/* The frontier of the first `size` leaves, read from a store. */
enum phi_rc phi_tree_load(struct phi_tree *t, uint64_t size, phi_tree_get get, void *ctx, struct phi_err *err);
/* MTH(D[begin:end]) for begin < end where the range is a subtree of RFC 6962. */
enum phi_rc phi_tree_range(uint64_t begin, uint64_t end, phi_tree_get get, void *ctx, struct phi_digest *ret,
                           struct phi_err *err);

struct phi_tree_proof {
    size_t n;
    struct phi_digest hash[PHI_TREE_PROOF_MAX];
};

/* PATH(index, D[0:size]) and PROOF(from, D[0:size]). PHI_EINPUT when index >= size or from > to. A
 * consistency proof from 0 or from `to` itself is empty. */
enum phi_rc phi_tree_inclusion(uint64_t index, uint64_t size, phi_tree_get get, void *ctx,
                               struct phi_tree_proof *ret, struct phi_err *err);
enum phi_rc phi_tree_consistency(uint64_t from, uint64_t to, phi_tree_get get, void *ctx,
                                 struct phi_tree_proof *ret, struct phi_err *err);

/* RFC 9162, sections 2.1.3.2 and 2.1.4.2. From 0 everything is consistent, if the old root is that
 * of the empty tree. */
bool phi_tree_included(uint64_t index, uint64_t size, const struct phi_digest *leaf, const struct phi_tree_proof *p,
                       const struct phi_digest *root);
bool phi_tree_consistent(uint64_t from, const struct phi_digest *from_root, uint64_t to,
                         const struct phi_digest *to_root, const struct phi_tree_proof *p);

#endif
