/* Delegation of approval: for a while somebody else may cast one's votes, where a requirement allows it
 * (`delegation: true`). The two have one vote together; nobody delegates on. */
#ifndef CORE_DELEGATION_H
#define CORE_DELEGATION_H

#include "core/types.h"

struct phi_delegation {
    struct phi_view id, giver, taker; /* person ids */
    struct phi_view giver_name, taker_name, why;
    int64_t remaining_ms; /* 0: over */
};

/* From the acting person to `taker` (name or id), for 1 ms to PHI_MAX_DELEGATION_MS, with a reason. It serves for
 * requests that are made from now on: an approver must have been one when the request was made. Why-codes:
 * delegation.self (EINPUT), delegation.quota (ELIMIT). */
enum phi_rc phi_delegation_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct phi_view taker, int64_t for_ms, struct phi_view why,
                                struct phi_delegation *ret, struct phi_err *err);
/* Live ones: one's own, given and taken; an admin sees all. */
enum phi_rc phi_delegation_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct phi_delegation **ret, size_t *ret_n, struct phi_err *err);
/* By its giver, its taker or an admin. PHI_ENOTFOUND delegation.unknown. */
enum phi_rc phi_delegation_end(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                               struct phi_err *err);

#endif
