/* Inside src/guard only: the messages between phid and its signer (SOCK_SEQPACKET, one a packet,
 * integers big-endian), and the judgement, free of processes and files. */
#ifndef GUARD_SIGNER_PROTO_H
#define GUARD_SIGNER_PROTO_H

#include "guard/signer.h"

#define GUARD_ASK_MAX (1 + 32 + 8 + 8 + 8 + 32 + 2 + PHI_TREE_PROOF_MAX * 32)
#define GUARD_REPLY_MAX 4096
#define GUARD_SLOT 1024 /* bytes of one slot of the state file */

enum guard_kind { GUARD_SIGN = 1, GUARD_NEXT = 2 };

struct guard_ask {
    enum guard_kind kind;
    struct phi_pubkey with; /* the key that is to sign */
    uint64_t seq, old_size, size;
    struct phi_digest root;
    struct phi_tree_proof proof;
};

struct guard_reply {
    uint64_t seq;
    uint8_t rc; /* enum phi_rc */
    uint64_t size;
    struct phi_digest root;
    struct phi_view text; /* OK: the note (of the first reply: the verifier key line); else the reason */
};

void guard_ask_write(struct phi_buf *b, const struct guard_ask *a);
bool guard_ask_read(struct phi_view v, struct guard_ask *ret);
void guard_reply_write(struct phi_buf *b, const struct guard_reply *r);
bool guard_reply_read(struct phi_view v, struct guard_reply *ret);

/* May the head that follows `last` be signed? */
enum phi_rc guard_judge(const struct phi_checkpoint *last, const struct guard_ask *a, struct phi_err *err);

/* Runs the child; never returns. `fd` is its end of the pair. */
void guard_signer_main(int fd, const struct phi_signer_conf *conf) __attribute__((noreturn));

#endif
