/* How a log goes on under another key. A signed note (C2SP signed-note) whose text is
 *
 *     phi-log-key/v1 rotated        the log's key was changed: signed by the old key and by the new one
 *     phi-log-key/v1 restored       the log begins anew under another origin: signed by an operator's key
 *     <verifier key line before>
 *     <verifier key line from now on>
 *     <size>                        restored only: the head that the new log's first entry names
 *     <root, base64>
 *
 * Who has pinned the key before takes the next one from such a note and from nothing else. Pure. */
#ifndef PROOF_SUCCESSION_H
#define PROOF_SUCCESSION_H

#include "proof/note.h"

#define PHI_OPERATORS_MAX 8

enum phi_succession_kind { PHI_SUCCESSION_ROTATED = 1, PHI_SUCCESSION_RESTORED = 2 };

struct phi_succession {
    enum phi_succession_kind kind;
    struct phi_vkey from, to; /* names borrow from the text that was read */
    uint64_t size;            /* restored */
    struct phi_digest root;
};

void phi_succession_write(struct phi_buf *out, const struct phi_succession *s); /* the text to be signed */
/* Reads the text, which nobody has signed yet. Only the one spelling is read: PHI_EINPUT for any other. A rotation keeps
 * the log's name and changes the key; a restore changes the name. */
enum phi_rc phi_succession_read(struct phi_view text, struct phi_succession *ret, struct phi_err *err);
/* The note leads on from `have`, signed by who must have signed it: the operators' keys are those that the caller has
 * pinned. PHI_EDENIED says what is missing. */
enum phi_rc phi_succession_open(struct phi_view note, const struct phi_vkey *have, const struct phi_vkey *operators,
                                size_t n_operators, struct phi_succession *ret, struct phi_err *err);
/* Follows as many of the notes, in their order, as lead on from *key, and moves *key along; its name then borrows from the notes.
 * *ret_restored: one of them led to another origin. *ret_unsigned: one that could lead on from there is not signed as it must be. */
void phi_succession_follow(const struct phi_view *notes, const struct phi_view *texts, size_t n, const struct phi_vkey *operators,
                           size_t n_operators, struct phi_vkey *key, bool *ret_restored, bool *ret_unsigned);
/* Operators' key lines, one a line; blank lines and those that begin with # are passed over. At most PHI_OPERATORS_MAX. */
enum phi_rc phi_operators_read(struct phi_view text, struct phi_vkey *ret, size_t *ret_n, struct phi_err *err);
bool phi_vkey_eq(const struct phi_vkey *a, const struct phi_vkey *b);

#endif
