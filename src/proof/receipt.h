/* C2SP tlog-proof: one file that shows, offline and with the log's public key alone, that an entry is in the log.
 * https://c2sp.org/tlog-proof. The entry itself stands in `extra`; nothing of it is believed before its hash was led to
 * the signed root. Files end in .tlog-proof. */
#ifndef PROOF_RECEIPT_H
#define PROOF_RECEIPT_H

#include "base/arena.h"
#include "proof/cosign.h"

#define PHI_RECEIPT_MAX (256 * 1024)

struct phi_receipt { /* views borrow from the text; the entry lives in the arena */
    struct phi_view entry; /* canonical JSON; as the receipt says it until phi_receipt_check */
    uint64_t index;
    struct phi_tree_proof proof;
    struct phi_view checkpoint; /* the signed note */
};

/* Appends the receipt of `entry`, which is leaf `index` of the checkpoint's tree. */
void phi_receipt_write(struct phi_buf *out, const struct phi_receipt *r);
/* The form only. PHI_EINPUT says what is malformed. */
enum phi_rc phi_receipt_read(struct phi_arena *a, struct phi_view text, struct phi_receipt *ret, struct phi_err *err);
/* Everything: the log's signature, the entry's hash and its way to the signed root, that the entry is canonical and names
 * its own index, and at least `need` of the cosigners' signatures (in *ret_cosigned: how many are there). PHI_EDENIED says
 * what is false. */
enum phi_rc phi_receipt_check(const struct phi_receipt *r, const struct phi_vkey *log, const struct phi_cosigner *cosigners,
                              size_t n_cosigners, size_t need, struct phi_checkpoint *ret, size_t *ret_cosigned,
                              struct phi_err *err);

#endif
