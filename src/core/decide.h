/* Asking the policy engine with everything that phid knows. */
#ifndef CORE_DECIDE_H
#define CORE_DECIDE_H

#include "core/types.h"

struct phi_need {
    struct phi_view requirement;
    struct phi_view kind; /* approval, mfa, justification, ticket, break-glass */
    int64_t count, have;
    int64_t stage; /* that takes votes now, from 1 */
    const struct phi_view *who; /* names of the persons who may vote for it now, without the requester */
    size_t n_who;
    const struct phi_view *from; /* Group::"dba" */
    size_t n_from;
};
struct phi_need_set { /* all of these needs together */
    const struct phi_need *needs;
    size_t n;
};

struct phi_evaluation {
    enum phi_verdict verdict;
    struct phi_view reason; /* deny: one sentence for people */
    const struct phi_decider *policies;
    size_t n_policies;
    const struct phi_need_set *needs; /* verdict PHI_NEEDS */
    size_t n_needs;
};

/* AuthZEN's question: never consumes, and a grant with limited uses does not make it true. Signed-in
 * persons ask about themselves, admins and gateways about anyone (gateways: on their targets). */
struct phi_question {
    struct phi_ref subject, resource;
    struct phi_view action;
    struct phi_view context;  /* JSON object; what phi owns is refused */
    struct phi_view entities; /* Cedar entity JSON array, gateways only */
};
enum phi_rc phi_evaluate(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                         const struct phi_question *q, struct phi_evaluation *ret, struct phi_err *err);

#endif
