/* Checking a log, offline: entries in order, then a signed checkpoint. Says which entry is false.
 *
 *     struct phi_audit *a = phi_audit_open();
 *     phi_audit_entry(a, entry, stored_leaf_or_NULL) for each, from 0
 *     phi_audit_finish(a, &checkpoint, &finding)
 *     if (finding.what == PHI_FOUND_ROOT && proofs can be had) phi_audit_locate(…)
 */
#ifndef PROOF_VERIFY_H
#define PROOF_VERIFY_H

#include "proof/note.h"

enum phi_found { /* far apart: zeroed memory is no "all is well" */
    PHI_FOUND_NOTHING = 0x6c93b1e4, /* the log is what was signed */
    PHI_FOUND_ENTRY = 0x13ac4e5b,   /* entry `index` is false */
    PHI_FOUND_ROOT = 0x2d57c6a9,    /* the entries do not lead to the signed root */
    PHI_FOUND_SHORT = 0x5b81f236,   /* fewer entries than signed: the end is missing */
    PHI_FOUND_FORK = 0x4e3a9d71     /* not a continuation of an earlier checkpoint */
};

struct phi_finding {
    enum phi_found what;
    uint64_t index; /* of the first false entry, for PHI_FOUND_ENTRY; `why` says so where only a range is known */
    char why[200];  /* one sentence for people; holds no text of the entry */
};

struct phi_audit;

struct phi_audit *phi_audit_open(void); /* NULL when out of memory; keeps 64 bytes an entry */
void phi_audit_close(struct phi_audit *a);

/* The next entry. It must be canonical JSON with "v":1 and "n" its index; `stored_leaf`, when known,
 * must be its leaf hash. A false one is remembered (the first wins) and the walk can go on.
 * PHI_ELIMIT when out of memory. */
enum phi_rc phi_audit_entry(struct phi_audit *a, struct phi_view entry, const struct phi_digest *stored_leaf,
                            struct phi_err *err);
uint64_t phi_audit_size(const struct phi_audit *a);
/* A complete node of the tree of what was fed. PHI_ENOTFOUND. */
enum phi_rc phi_audit_node(const struct phi_audit *a, unsigned level, uint64_t index, struct phi_digest *ret);

/* An earlier checkpoint that must be a prefix of these entries; call it after its entries were fed. */
void phi_audit_earlier(struct phi_audit *a, const struct phi_checkpoint *earlier);
/* The verdict. Entries after the checkpoint's size are not covered by it and are not judged; their
 * number is phi_audit_size - c->size. */
void phi_audit_finish(struct phi_audit *a, const struct phi_checkpoint *c, struct phi_finding *ret);

/* After PHI_FOUND_ROOT: names the first false entry, by inclusion proofs in the signed tree (from the server's
 * stored nodes, or from tiles). Each proof is checked against the signed root before it is believed;
 * asks for at most a few dozen. Leaves `f` at PHI_FOUND_ROOT when the proofs cannot name one. */
typedef enum phi_rc (*phi_audit_proof)(void *ctx, uint64_t index, uint64_t size, struct phi_digest *leaf,
                                       struct phi_tree_proof *ret, struct phi_err *err);
enum phi_rc phi_audit_locate(struct phi_audit *a, const struct phi_checkpoint *c, phi_audit_proof get, void *ctx,
                             struct phi_finding *f, struct phi_err *err);

#endif
