/* Grants and claims. Only core/grant.c changes a grant: ready -> active -> used | expired | returned |
 * revoked. A claim spends one use: conditional, idempotent by key, its leaf in the same transaction. */
#ifndef CORE_GRANT_H
#define CORE_GRANT_H

#include "core/page.h"
#include "core/types.h"

struct core_ahead;

enum phi_grant_status {
    PHI_GRANT_READY = 1,
    PHI_GRANT_ACTIVE,
    PHI_GRANT_USED,
    PHI_GRANT_EXPIRED,
    PHI_GRANT_RETURNED,
    PHI_GRANT_REVOKED
};
const char *phi_grant_status_name(enum phi_grant_status s); /* "ready", … */

struct phi_grant_view {
    struct phi_view id, request, code, digest, act;
    struct phi_ref principal;
    struct phi_view principal_name, target, summary;
    enum phi_grant_status status;
    int64_t uses, used, remaining_ms; /* uses 0: any number until it ends */
    struct phi_view scope;            /* JSON of docs/formats.md, "" for an exact payload */
    int64_t begins_in_ms;             /* 0: it has begun */
    int64_t first_use_ms;             /* not 0: its clock starts with the first use, which has this long to come */
    struct phi_budget budget, spent;
    const struct phi_window *windows;
    size_t n_windows;
    struct phi_view review, reviewer; /* of a broken glass: "open" or "closed", by whom; "" for others */
};

enum phi_rc phi_grant_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                          struct phi_grant_view *ret, struct phi_err *err);
/* `all` needs an admin; gateways see those of their targets. Ended ones too unless `live`, newest first. */
enum phi_rc phi_grant_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, bool all, bool live,
                           struct phi_page *page, struct phi_grant_view **ret, size_t *ret_n, struct phi_err *err);

struct phi_claim_ask {
    struct phi_view grant, key; /* key: a UUID of the gateway's choosing */
    struct phi_view principal, credential, session, target; /* person id, credential id ("": any live one), session id, name */
    struct phi_view digest, act; /* hex, for an exact payload: both must match where given, one must be */
    const struct phi_pair *actions; /* what will run; for an exact payload what it resolves to now */
    size_t n_actions;
    struct phi_view entities, context; /* as in phi_request_ask */
    int64_t statements;                /* how many will run; 0: one */
};
struct phi_claim {
    struct phi_view id;
    int64_t remaining_ms; /* until the work must be gone */
    int64_t rows_left, bytes_left; /* most that may be sent to the client; -1: not bounded */
    bool again;           /* the same key was claimed before: this is that answer */
};
/* Errors by phi_core_why: grant.ended (EEXPIRED), grant.mismatch, policy.denied (EDENIED), grant.used
 * (ECONFLICT), lease.over (EDENIED): the gateway has no live lease; grant.early, grant.window, grant.budget
 * (EDENIED), grant.busy (ECONFLICT): see core_grant_serves. */
enum phi_rc phi_grant_claim(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway,
                            const struct phi_claim_ask *ask, struct phi_claim *ret, struct phi_err *err);

/* core/ahead.h: what this claim will read; and what an outcome will. */
void phi_grant_claim_foresee(struct core_ahead *h, const struct phi_claim_ask *ask);
void phi_claim_outcome_foresee(struct core_ahead *h, struct phi_view claim);

enum phi_outcome { PHI_OUTCOME_DONE = 1, PHI_OUTCOME_FAILED, PHI_OUTCOME_UNSENT, PHI_OUTCOME_UNKNOWN };
/* Once a claim; the same again is fine, another is PHI_ECONFLICT. UNSENT gives the use back. */
enum phi_rc phi_claim_outcome(struct phi_core *c, const struct phi_actor *gateway, struct phi_view claim,
                              enum phi_outcome outcome, struct phi_view tag, int64_t rows, int64_t bytes, struct phi_err *err);

struct phi_revoked {
    struct phi_grant_view grant;
    const struct phi_view *acknowledged; /* gateway names */
    size_t n_acknowledged;
    const struct phi_view *waiting; /* leased and not yet confirmed */
    size_t n_waiting;
};
/* By one who may approve it, the requester or an admin. `which`: grant id, request id or code. Again on a
 * revoked grant: only reads who has acknowledged. */
enum phi_rc phi_grant_revoke(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, struct phi_view why, struct phi_revoked *ret,
                             struct phi_err *err);
/* Many at once, by an admin: exactly one of the filter is set. A revocation is complete when `waiting` is empty; asking
 * again with the same filter only reads that. */
struct phi_revoke_filter {
    struct phi_view person;   /* name or id: grants that they hold, under every account */
    struct phi_ref resource;  /* grants that touch it, or something inside it, or hold something around it */
    int64_t bundle_version;   /* grants made under this policy bundle */
    bool everything;
};
struct phi_revoked_many {
    int64_t count; /* ended by this call */
    const struct phi_view *waiting; /* gateways that have not confirmed all */
    size_t n_waiting;
};
enum phi_rc phi_grant_revoke_many(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                  const struct phi_revoke_filter *filter, struct phi_view why,
                                  struct phi_revoked_many *ret, struct phi_err *err);
/* Closes the review of a broken glass: by a person other than its user, who may approve the request or is an admin,
 * after the grant has ended (glass.live), with a note. Why-codes: glass.self, glass.reviewed. */
enum phi_rc phi_glass_review(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                             struct phi_view note, struct phi_grant_view *ret, struct phi_err *err);
/* By its principal. */
enum phi_rc phi_grant_return(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, struct phi_grant_view *ret, struct phi_err *err);

#endif
