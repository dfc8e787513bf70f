/* C2SP tlog-cosignature with Ed25519 (signature type 0x04) and the messages of tlog-witness: a witness says that a
 * checkpoint continues all that it has seen of that log. https://c2sp.org/tlog-cosignature, https://c2sp.org/tlog-witness
 *
 * One key is one cosigner: the signed text does not name it. */
#ifndef PROOF_COSIGN_H
#define PROOF_COSIGN_H

#include "proof/note.h"

#define PHI_COSIGNERS_MAX 12 /* leaves room in a note of 16 signatures */
#define PHI_WITNESS_BODY_MAX (96 * 1024)

struct phi_cosigner { /* `<name>+<id>+<base64(0x04 || public key)>` */
    struct phi_view name; /* borrowed */
    struct phi_pubkey pub;
};
uint32_t phi_cosigner_id(const struct phi_cosigner *c); /* SHA-256(name "\n" 0x04 key)[:4] */
void phi_cosigner_write(struct phi_buf *out, const struct phi_cosigner *c);
enum phi_rc phi_cosigner_read(struct phi_view line, struct phi_cosigner *ret, struct phi_err *err);

/* Appends one signature line over the checkpoint's text (its note without signatures), as of `time_s` since 1970. */
enum phi_rc phi_cosign(struct phi_buf *out, struct phi_view text, struct phi_view name, const struct phi_key *key,
                       int64_t time_s, struct phi_err *err);
/* The cosigner's signature in the note. PHI_ENOTFOUND: there is none; PHI_EDENIED: one that is false. */
enum phi_rc phi_cosign_find(struct phi_view note, const struct phi_cosigner *c, int64_t *ret_time_s, struct phi_view *ret_line,
                            struct phi_err *err);

/* The text of a note, up to and with the newline before the blank line. */
enum phi_rc phi_note_cut(struct phi_view note, struct phi_view *ret_text, struct phi_view *ret_sigs, struct phi_err *err);

/* ---- add-checkpoint ---- */
struct phi_witness_ask {
    uint64_t old_size;
    struct phi_tree_proof proof; /* from old_size to the checkpoint's size */
    struct phi_view note;        /* borrowed */
};
void phi_witness_ask_write(struct phi_buf *out, const struct phi_witness_ask *a);
enum phi_rc phi_witness_ask_read(struct phi_view body, struct phi_witness_ask *ret, struct phi_err *err);

/* A witness's judgement, free of sockets and files. `last` is what it cosigned last for this log (size 0: nothing); the
 * answer is the HTTP status of tlog-witness: 200 and *ret is the head to remember before anything is signed, 400, 403, 409 or
 * 422. (404, an unknown origin, is the caller's, who knows the logs.) */
int phi_witness_judge(const struct phi_checkpoint *last, const struct phi_vkey *log, const struct phi_witness_ask *a,
                      struct phi_checkpoint *ret);

#endif
