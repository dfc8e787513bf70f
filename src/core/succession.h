/* How the log goes on under another key or, after a restore, under another origin (proof/succession.h). */
#ifndef CORE_SUCCESSION_H
#define CORE_SUCCESSION_H

#include "core/types.h"
#include "proof/succession.h"

struct phi_log_step {
    int64_t n; /* from 0, in order */
    enum phi_succession_kind kind;
    struct phi_view text, note; /* note: the text signed, "" while an operator's signature is missing */
};
enum phi_rc phi_log_steps(struct phi_core *c, struct phi_arena *a, struct phi_log_step **ret, size_t *ret_n, struct phi_err *err);

/* The signer has a new key: `note` says so, signed by both. Heads of a larger size than *ret_size, its entry included, are
 * signed by the new key. */
enum phi_rc phi_log_rotate(struct phi_core *c, const struct phi_actor *by, struct phi_view note, int64_t *ret_size,
                           struct phi_err *err);
/* An operator has signed step `n`. Whether their key counts is for those to say who have pinned it. why: log.step. */
enum phi_rc phi_log_vouch(struct phi_core *c, const struct phi_actor *by, int64_t n, struct phi_view note, struct phi_err *err);

/* The store was brought back from a backup of the log `before`: the log begins anew under the core's origin with an entry that
 * names the old head, and every right, sign-in and lease that the backup holds has ended. `key` is the new log's key line.
 * Once, before anything else is done; not from the network. */
enum phi_rc phi_log_restore(struct phi_core *c, const struct phi_vkey *before, struct phi_view key, struct phi_err *err);

/* A copy of the store was made and checked: `size` and `root` of the log in it. */
enum phi_rc phi_log_backed_up(struct phi_core *c, int64_t size, const struct phi_digest *root, struct phi_err *err);

#endif
