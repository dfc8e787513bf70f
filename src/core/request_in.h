/* Between the files that make, vote on and show requests and grants. */
#ifndef CORE_REQUEST_IN_H
#define CORE_REQUEST_IN_H

#include "core/engine.h"
#include "core/request.h"
#include "proof/grant.h"

/* An attempt as it was understood: from an ask, or read back from what is stored. `of` points into it, so
 * it does not move once made. */
struct core_draft {
    struct phi_view requester, root, target, gateway, credential, session;
    struct phi_view addr, application;
    struct phi_body body;
    struct phi_digest digest, act; /* act: zero for a scope */
    int64_t age_ms;                /* of this version of the request; INT64_MAX: not filed yet */
    bool glass;                    /* break-glass */
    struct phi_view reasons;       /* of its risk: JSON of core/risk.h */
    const struct phi_view *watchers, *suggested; /* names */
    size_t n_watchers, n_suggested;
    struct core_case of;
};

enum phi_rc core_draft_of_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct phi_request_ask *ask, struct core_draft *ret, struct phi_err *err);
/* Reads body, entities and context back and holds the body against the row's digest. */
enum phi_rc core_draft_of_row(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                              struct core_draft *ret, struct phi_err *err);
struct core_subject core_subject_of(const struct core_draft *d);
/* Names of the requirements met without votes. */
enum phi_rc core_met_at_once(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                             const struct phi_view **ret, size_t *ret_n, struct phi_err *err);

/* ---- request.c */
enum core_request_ev { CORE_REQUEST_APPROVE, CORE_REQUEST_DENY, CORE_REQUEST_EXPIRE, CORE_REQUEST_CANCEL, CORE_REQUEST_EVS };
/* The status after this event; 0: not allowed. */
enum phi_request_status core_request_next(enum phi_request_status s, enum core_request_ev ev);
/* By id or code, row held against its leaf. */
enum phi_rc core_request_load(struct phi_core *c, struct phi_arena *a, struct phi_view which,
                              struct core_request_row *ret, struct phi_err *err);
enum phi_rc core_request_step(struct phi_core *c, struct phi_arena *a, struct core_request_row *row,
                              enum core_request_ev ev, struct phi_entry *e, struct phi_err *err);
enum phi_rc core_request_file(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct core_draft *d, const struct core_ruling *ruling, struct core_request_row *ret,
                              struct phi_err *err);
enum phi_rc core_request_refile(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct core_request_row *row, const struct core_draft *d,
                                const struct core_ruling *ruling, struct phi_err *err);
enum phi_rc core_request_say_votes(struct phi_core *c, const struct core_request_row *row);
bool core_request_sees(struct phi_core *c, const struct phi_actor *by, const struct core_request_row *row);
/* The requester's own or another's row, for those who may see it; PHI_ENOTFOUND otherwise. */
enum phi_rc core_request_seen(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct phi_view which, struct core_request_row *ret, struct phi_err *err);
enum phi_rc core_request_view(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct core_request_row *row, struct phi_request *ret, struct phi_err *err);

/* ---- needs as they are stored: [["dba"],["lead","sec"]] */
struct core_names {
    const struct phi_view *v;
    size_t n;
};
enum phi_rc core_needs_read(struct phi_arena *a, struct phi_view json, struct core_names **ret, size_t *ret_n,
                            struct phi_err *err);
enum phi_rc core_names_read(struct phi_arena *a, struct phi_view json, struct core_names *ret, struct phi_err *err);
struct phi_view core_names_json(struct phi_arena *a, const struct phi_view *v, size_t n);

/* ---- extend.c */
/* The ask as it is once bound to the grant that it goes on from: PHI_ENOTFOUND extend.none, PHI_EINPUT extend.wider, PHI_ELIMIT
 * extend.often. */
enum phi_rc core_extend(struct phi_core *c, struct phi_arena *a, struct phi_request_ask *ask, struct core_draft *d, struct phi_err *err);

/* ---- change.c: changes of phi itself */
enum phi_rc core_change_draft(struct phi_core *c, struct phi_arena *a, const struct phi_request_ask *ask,
                              struct core_draft *d, struct phi_err *err);
/* Spends the grant of the approved request and makes the change, all in this transaction. */
enum phi_rc core_change_make(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                             const struct core_draft *d, struct phi_err *err);
enum phi_rc core_claim_change(struct phi_core *c, struct phi_arena *a, struct core_grant_row *g, struct phi_err *err);

/* ---- vote.c */
/* Service::"auto" votes where its policy lets it; what that leads to. */
enum phi_rc core_vote_auto(struct phi_core *c, struct phi_arena *a, struct core_request_row *row, struct phi_err *err);

/* ---- votes.c */
/* The stage of this requirement that takes votes; the last one where all are filled. */
enum phi_rc core_stage(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                       const struct core_draft *d, const struct phi_requirement *r, unsigned *ret, struct phi_err *err);
bool core_was_eligible(struct phi_core *c, const struct core_request_row *row, struct phi_view requirement,
                       struct phi_view root);
enum phi_rc core_votes(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                       struct core_vote_row **ret, size_t *ret_n, struct phi_err *err);
/* Requirements met by the votes on this digest and version, and by themselves: eligible then and now. */
enum phi_rc core_met(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                     const struct core_draft *d, const struct phi_view **ret, size_t *ret_n, struct phi_err *err);

/* ---- terms.c */
struct core_serving {
    int64_t left_ms;               /* by both clocks and the open window */
    int64_t rows_left, bytes_left; /* -1: not bounded */
};
enum phi_rc core_grant_terms(struct phi_arena *a, const struct core_grant_row *g, struct phi_grant *ret,
                             struct phi_err *err);
/* `t` are its terms. Begun, inside its windows, and its budget has room: else PHI_EDENIED (grant.early, .window, .budget) or
 * PHI_ECONFLICT (grant.busy). Does not look at uses or the end. */
enum phi_rc core_grant_serves(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, const struct phi_grant *t,
                              int64_t statements, struct core_serving *ret, struct phi_err *err);
/* A use of it, besides this claim ("": none), was claimed and has no outcome yet. */
enum phi_rc core_grant_runs(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, struct phi_view besides, bool *ret,
                            struct phi_err *err);
struct core_due core_grant_from(struct phi_core *c, int64_t from_ms);
void core_grant_first_use(struct phi_core *c, struct core_grant_row *g, const struct phi_grant *t);

/* ---- glass.c */
/* Break-glass: files the request, approves it by itself and opens its review. */
enum phi_rc core_glass_break(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct core_draft *d,
                             struct core_ruling *r, struct core_request_row *ret, struct phi_err *err);

/* ---- talk.c */
enum phi_rc core_parties_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct core_request_row *row, const char *kind, const struct phi_view *names,
                             size_t n, struct phi_err *err);
bool core_is_party(struct phi_core *c, struct phi_view request, struct phi_view person);
bool core_only_watches(struct phi_core *c, struct phi_view request, struct phi_view person); /* neither eligible nor reviewer: a watcher, an auditor */
void core_tell(struct phi_core *c, const struct core_request_row *row, const char *what);
enum phi_rc core_talk_view(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                           struct phi_request *ret, struct phi_err *err);

/* ---- timer.c */
enum phi_rc core_timers_put(struct phi_core *c, const struct core_request_row *row, const struct core_ruling *ruling,
                            struct phi_err *err);
enum phi_rc core_timer_run(struct phi_core *c, struct phi_arena *a, void *row, bool *ret_done, struct phi_err *err);

/* ---- quota.c */
/* PHI_ELIMIT request.quota: too many pending, too many within the hour, or denied too often just now. Counts the ask. */
enum phi_rc core_quota(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err);
enum phi_rc core_quota_edit(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err); /* nothing new is pending */
enum phi_rc core_quota_refused(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err);
enum phi_rc core_quota_approved(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err);

/* ---- idem.c: Idempotency-Key of requests */
/* The request that this key made before; PHI_ENOTFOUND; PHI_ECONFLICT idempotency.mismatch. */
enum phi_rc core_idem_find(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_view key,
                           struct core_request_row *ret, struct phi_err *err);
enum phi_rc core_idem_put(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_view key,
                          struct phi_view request, struct phi_err *err);

/* What is asked, without what is new each time. Nothing hides it: not to be kept longer than the body. */
enum phi_rc core_ask_hash(struct phi_arena *a, const struct core_draft *d, struct phi_view *ret, struct phi_err *err);
/* A pending request of the same person that asks for exactly this; PHI_ENOTFOUND. */
enum phi_rc core_idem_equal(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct core_request_row *ret,
                            struct phi_err *err);

/* ---- revoke.c */
enum phi_rc core_grant_revoke(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct core_grant_row *row, struct phi_view why, const char *cause, struct phi_err *err);
/* After a policy change: grants that the live bundle does not allow end. */
enum phi_rc core_grants_redecide(struct phi_core *c, struct phi_err *err);

/* ---- grant.c */
/* Stores what changed beside the status, with its leaf. */
enum phi_rc core_grant_put(struct phi_core *c, struct phi_arena *a, struct core_grant_row *row, struct phi_entry *e,
                           struct phi_err *err);
enum core_grant_ev {
    CORE_GRANT_CLAIM,
    CORE_GRANT_GIVE_BACK,
    CORE_GRANT_SPENT,
    CORE_GRANT_EXPIRE,
    CORE_GRANT_RETURN,
    CORE_GRANT_REVOKE,
    CORE_GRANT_EVS
};
enum phi_grant_status core_grant_next(enum phi_grant_status s, enum core_grant_ev ev);
enum phi_rc core_grant_step(struct phi_core *c, struct phi_arena *a, struct core_grant_row *row,
                            enum core_grant_ev ev, struct phi_entry *e, struct phi_err *err);
enum phi_rc core_grant_file(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request,
                            const struct core_draft *d, const struct phi_view *met, size_t n_met, struct phi_err *err);
enum phi_rc core_grant_view(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *row,
                            struct phi_grant_view *ret, struct phi_err *err);
bool core_grant_sees(struct phi_core *c, const struct phi_actor *by, const struct core_grant_row *row);
enum phi_rc core_grant_load(struct phi_core *c, struct phi_arena *a, struct phi_view id, struct core_grant_row *ret,
                            struct phi_err *err);
/* By grant id, request id or code. */
enum phi_rc core_grant_which(struct phi_core *c, struct phi_arena *a, struct phi_view which,
                             struct core_grant_row *ret, struct phi_err *err);
/* The requirements that count for this grant under the live bundle. */
enum phi_rc core_grant_met(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g,
                           struct core_names *ret, struct phi_err *err);
/* The live ones of exactly these bytes, or ("") by scope. */
enum phi_rc core_grants_of_act(struct phi_core *c, struct phi_arena *a, struct phi_view principal, struct phi_view act,
                               struct core_grant_row **ret, size_t *ret_n, struct phi_err *err);
/* A ready grant that fits this attempt and that the engine allows: PHI_ENOTFOUND when there is none. */
enum phi_rc core_grant_fitting(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                               struct core_grant_row *ret, struct phi_err *err);
/* What is decided of an attempt under the grant of this request: for whom it acts, and where the policy speaks of them its reason
 * and ticket. */
enum phi_rc core_grant_case(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request, struct core_case *of,
                            struct phi_err *err);
/* Whether the scope of a grant with these terms covers the tries: at least one, and what it does not cover needs no grant, since the policy allows
 * it plainly (UPDATE … RETURNING under a scope of pg:write, where reading is free). */
enum phi_rc core_grant_covers(struct phi_core *c, struct phi_arena *a, const struct phi_grant *t, const struct core_case *of, bool *ret, struct phi_err *err);

#endif
