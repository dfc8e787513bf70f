/* Asking the policy engine with everything that phid knows. */
#ifndef CORE_DECIDE_H
#define CORE_DECIDE_H

#include "base/limits.h"
#include "core/types.h"

struct phi_need {
    struct phi_view requirement;
    struct phi_view kind; /* approval, mfa, justification, ticket, break-glass */
    int64_t count, have;
    bool is_signed; /* an approval needs the voter's passkey */
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

/* Requests whose grants rest on what a tracker said of their ticket too long ago: it is to be asked again (core/ticket.h). */
struct phi_renewals {
    struct phi_view request[PHI_MAX_RENEWALS];
    size_t n;
    bool stale; /* this kept one of the grants from making the question true */
};

struct phi_evaluation {
    enum phi_verdict verdict;
    struct phi_view reason; /* deny: one sentence for people */
    const struct phi_decider *policies;
    size_t n_policies;
    const struct phi_obligation *obligations; /* PHI_ALLOW: what the caller has to do with it, or refuse */
    size_t n_obligations;
    const struct phi_need_set *needs; /* verdict PHI_NEEDS */
    size_t n_needs;
    bool requestable;      /* PHI_NEEDS, and a request could be filed whose grant makes this question true */
    struct phi_view grant; /* PHI_ALLOW by this grant; "" by the policy alone */
    int64_t grant_left_ms;
    struct phi_renewals tickets;
};

/* AuthZEN's question: never consumes, and a grant with limited uses does not make it true. Signed-in
 * persons ask about themselves, admins and gateways about anyone (gateways: on their targets). */
struct phi_question {
    struct phi_ref subject, resource;
    struct phi_view action;
    struct phi_view context;  /* JSON object; what phi owns is refused */
    struct phi_view told;     /* JSON object: properties of the resource; count where phid knows nothing of it */
    struct phi_view grant;    /* only this grant may make it true; "" any */
    struct phi_view entities; /* Cedar entity JSON array, gateways only */
    const struct phi_view *can; /* kinds of obligations that the caller can meet */
    size_t n_can;
    int64_t renew_ms; /* answers of a tracker older than this come back in `tickets`; -1: all, 0: none, as where there is no tracker */
};
enum phi_rc phi_evaluate(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                         const struct phi_question *q, struct phi_evaluation *ret, struct phi_err *err);

/* AuthZEN's searches: the persons and entities that phid knows, or the schema's actions, for which the question with
 * them in its place is answered true. A list carries no obligations, so `can` counts for nothing. */
enum phi_sought { PHI_SOUGHT_SUBJECT, PHI_SOUGHT_RESOURCE, PHI_SOUGHT_ACTION };
struct phi_search {
    enum phi_sought sought;
    struct phi_question of;  /* the sought part: its type only */
    struct phi_view after;   /* id of the last one looked at, "" from the first */
    size_t limit;            /* most results */
};
struct phi_found {
    const struct phi_ref *found; /* of actions the id only */
    size_t n;
    struct phi_view next;        /* to go on after; "" this was all */
};
enum phi_rc phi_search(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_search *s,
                       struct phi_found *ret, struct phi_err *err);

#endif
