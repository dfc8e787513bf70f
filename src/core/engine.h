/* Between core and the policy engine: a whole attempt ruled at once, and who may approve it. */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include "core/inner.h"
#include "proof/scope.h"

struct core_try {
    struct phi_pair pair;
    bool optional; /* a member of a scope's action group: left out where denied, decided again at use */
};

struct core_case {
    struct phi_ref principal;
    const struct phi_ref *behalf; /* for whom it acts: what it may do is what each of them may do as well */
    size_t n_behalf;
    struct phi_view target; /* name */
    const struct core_try *tries;
    size_t n_tries;
    struct phi_view told; /* JSON: what a caller says of the one resource that is tried, where phid knows nothing of it; "" nothing */
    struct phi_view entities, context; /* JSON as a gateway sent it, "" for none */
    bool has_text;                     /* `why` and `ticket` are known, also where they are empty */
    struct phi_view why, ticket;
    struct phi_view ticket_facts;      /* text of core/ticket.h; "": not known */
    struct phi_view device;            /* "": not known */
    bool wide;                         /* a scope of any number of uses, or for long */
    bool rated;                        /* else core_rule finds the risk where the policy speaks of it */
    int64_t risk;
    const struct phi_view *met;
    size_t n_met;
    const struct phi_view *can; /* kinds of obligations that whoever asks can meet */
    size_t n_can;
};

struct core_ruling {
    enum phi_verdict verdict;
    struct phi_view reason; /* a sentence; in the arena */
    const struct phi_decider *policies;
    size_t n_policies;
    const struct phi_alternative *options; /* PHI_NEEDS; point into the bundle */
    size_t n_options;
    const struct phi_obligation *const *obligations; /* PHI_ALLOW: of all tries; point into the bundle */
    size_t n_obligations;
};

/* All tries must be allowed, needs are united, any deny denies. PHI_EINPUT for entities or context that
 * the caller may not say; everything else that is wrong is a deny with its reason. */
enum phi_rc core_rule(struct phi_core *c, struct phi_arena *a, const struct core_case *q, struct core_ruling *ret,
                      struct phi_err *err);
struct phi_uid core_action_uid(struct phi_view id); /* as a body names it: "pg:delete", "phi::policy" */
enum phi_rc core_tries_of_pairs(struct phi_arena *a, const struct phi_pair *p, size_t n, struct core_try **ret);
/* A scope's actions on its resources; groups are taken apart into what applies to each resource. */
enum phi_rc core_tries_of_scope(struct phi_core *c, struct phi_arena *a, const struct phi_scope *s,
                                struct core_try **ret, size_t *ret_n, struct phi_err *err);
struct phi_action_rules core_action_rules(struct phi_core *c);

/* World, then the resources that the gateway told of, then the chain above each tried resource. The
 * caller closes it. */
enum phi_rc core_case_entities(struct phi_core *c, const struct core_case *q, struct phi_entities **ret,
                               struct phi_err *err);
enum phi_rc core_context(struct phi_core *c, struct phi_arena *a, struct phi_uid action, struct phi_view json,
                         const struct phi_value **ret, struct phi_err *err);

/* ---- who may approve */

struct core_subject { /* the request that is voted on */
    struct phi_view id, requester, root;
    const struct core_case *of;
    int64_t risk;
    int64_t age_ms; /* of the request: when the fallback begins; INT64_MAX: whoever may ever */
};
#define CORE_AUTO "auto" /* Service::"auto": votes by rule; counts as one person */
struct core_approver {
    struct phi_view person, root;
    uint64_t sets; /* bit for each set of the requirement that this person is in */
    struct phi_view via, giver; /* by this delegation, of this person; "" by themselves */
};
/* Persons in `from` whom the policy lets approve now, one for each root, never the requester's; behind them
 * those to whom one of them delegated, where the requirement allows it. */
enum phi_rc core_approvers(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                           const struct phi_requirement *r, struct core_approver **ret, size_t *ret_n,
                           struct phi_err *err);
/* Whether these persons fill every set of the requirement (of that stage; 0: of all), each one place; of a giver and
 * those who vote for them one. False without sets. */
bool core_filled(const struct phi_requirement *r, unsigned stage, const struct core_approver *p, size_t n);
unsigned core_stages(const struct phi_requirement *r); /* the last stage */
uint64_t core_stage_sets(const struct phi_requirement *r, unsigned stage); /* as core_approver.sets */
int64_t core_places(const struct phi_requirement *r); /* sum of the counts */
/* Whether the option's requirements can all be met by its approvers, one place each. */
enum phi_rc core_feasible(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                          const struct phi_alternative *option, bool *ret, struct phi_err *err);
/* Met without anybody's vote: a justification that was given, a ticket that was named. */
bool core_met_alone(const struct phi_requirement *r, const struct core_case *of);
bool core_met_by_votes(const struct phi_requirement *r); /* the kind that persons meet here */

#endif
