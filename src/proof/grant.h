/* A grant as docs/formats.md writes it: the intersection of what was asked and every narrowing. */
#ifndef PROOF_GRANT_H
#define PROOF_GRANT_H

#include "proof/scope.h"
#include "proof/vote.h"

struct phi_grant {
    struct phi_id id, request;
    struct phi_digest digest; /* of the request */
    struct phi_digest act;    /* all zero for a scope */
    struct phi_ref principal, target;
    bool has_scope;
    struct phi_scope scope;
    int64_t uses; /* 0: any number, only with a scope */
    int64_t for_ms;
    int64_t from_ms;  /* wall clock before which it gives nothing; 0: absent */
    int64_t until_ms; /* wall clock; always set */
    int64_t first_use_ms; /* not 0: for_ms counts from the first use, which has this long to come; 0: absent */
    struct phi_budget budget;
    const struct phi_window *windows;
    size_t n_windows;
    struct phi_digest bundle;
};

/* Builds it. `first_use_ms` 0: the clock starts at once. `narrowings` holds those of all votes and of the requirements (their ttl and uses).
 * `now_ms` is the wall clock. PHI_EEXPIRED when nothing is left of the time; PHI_EINPUT when nothing
 * is left of the scope. Views are borrowed from the body and the arena. */
enum phi_rc phi_grant_make(struct phi_arena *a, struct phi_id id, const struct phi_body *asked,
                           const struct phi_narrowing *narrowings, size_t n, int64_t now_ms,
                           int64_t first_use_ms, const struct phi_digest *bundle, struct phi_grant *ret, struct phi_err *err);

/* grant ⊆ asked ∩ every narrowing, and it speaks of this body: what any verifier checks.
 * PHI_EDENIED with the reason otherwise. Needs no clock: until_ms is only compared with bounds. */
enum phi_rc phi_grant_check(const struct phi_grant *g, const struct phi_body *asked,
                            const struct phi_narrowing *narrowings, size_t n,
                            const struct phi_action_rules *rules, struct phi_err *err);

enum phi_rc phi_grant_read(struct phi_arena *a, const struct phi_json *v, struct phi_grant *ret,
                           struct phi_err *err);
void phi_grant_write(struct phi_buf *out, const struct phi_grant *g); /* canonical */
enum phi_rc phi_grant_digest(const struct phi_grant *g, struct phi_digest *ret, struct phi_err *err);

#endif
