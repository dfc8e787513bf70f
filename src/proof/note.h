/* C2SP signed-note and tlog-checkpoint with Ed25519 (signature type 0x01).
 * https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint */
#ifndef PROOF_NOTE_H
#define PROOF_NOTE_H

#include "proof/key.h"
#include "proof/tree.h"

#define PHI_NOTE_MAX (64 * 1024)
#define PHI_NOTE_SIGS_MAX 16

struct phi_checkpoint {
    struct phi_view origin; /* borrowed */
    uint64_t size;
    struct phi_digest root;
};

/* Appends `text` (which ends in a newline), a blank line and one signature line of key `name`. */
enum phi_rc phi_note_sign(struct phi_buf *out, struct phi_view text, struct phi_view name,
                          const struct phi_key *key, struct phi_err *err);
/* Checks the note's form and that the key `vk` signed it; signatures of other keys are ignored, a
 * wrong one of this key refuses the note (PHI_EDENIED). *ret is the text with its last newline. */
enum phi_rc phi_note_open(struct phi_view note, const struct phi_vkey *vk, struct phi_view *ret,
                          struct phi_err *err);

bool phi_note_names(struct phi_view note, const struct phi_vkey *vk); /* a line says that this key signed it; that may be false */

void phi_checkpoint_text(struct phi_buf *out, const struct phi_checkpoint *c); /* the note's text, unsigned */
enum phi_rc phi_checkpoint_sign(struct phi_buf *out, const struct phi_checkpoint *c, const struct phi_key *key,
                                struct phi_err *err); /* the key's name is the origin */
/* Opens the note and reads the checkpoint; the origin must be the key's name. */
enum phi_rc phi_checkpoint_open(struct phi_view note, const struct phi_vkey *vk, struct phi_checkpoint *ret,
                                struct phi_err *err);
/* Reads the text without any signature: only for texts already opened. */
enum phi_rc phi_checkpoint_read(struct phi_view text, struct phi_checkpoint *ret, struct phi_err *err);

#endif
