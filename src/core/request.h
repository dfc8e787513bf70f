/* Requests and votes. Only core/request.c changes a request: pending -> approved | denied | expired |
 * cancelled, one log leaf with each change. */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "core/decide.h"
#include "core/grant.h"
#include "core/passkey.h"
#include "core/types.h"
#include "proof/vote.h"

enum phi_request_status {
    PHI_REQUEST_PENDING = 1,
    PHI_REQUEST_APPROVED,
    PHI_REQUEST_DENIED,
    PHI_REQUEST_EXPIRED,
    PHI_REQUEST_CANCELLED
};
const char *phi_request_status_name(enum phi_request_status s); /* "pending", … */

/* What is asked: by a person a scope, by a gateway the exact payload for a principal with a live
 * credential there. */
struct phi_request_ask {
    struct phi_view target; /* name */
    bool change;            /* core/change.h alone: actions and payload are a change of phi itself */
    /* gateways only */
    struct phi_view principal, credential, session; /* person id, credential id, the gateway's session id */
    const struct phi_pair *actions;
    size_t n_actions;
    struct phi_view payload;  /* JSON object of docs/formats.md; "" with a scope */
    struct phi_view settings; /* JSON object of strings, "" is {} */
    struct phi_view entities; /* Cedar entity JSON array: resources only; "" is [] */
    struct phi_view context;  /* JSON object: the gateway's own facts; "" is {} */
    struct phi_view from_addr, from_application; /* a person's: phid saw it itself */
    /* persons only */
    const struct phi_view *scope_actions;
    size_t n_scope_actions;
    const struct phi_ref *scope_resources;
    size_t n_scope_resources;
    /* both; 0 or "" where not said */
    int64_t for_ms, uses;
    struct phi_view why, ticket;
    const struct phi_ticket_facts *ticket_facts; /* core/ticket.h; NULL: no tracker was asked */
    int64_t from_ms, until_ms; /* wall clock; 0: at once, and for_ms long */
    struct phi_budget budget;
    /* persons only */
    const struct phi_window *windows; /* a schedule: serves inside these only */
    size_t n_windows;
    struct phi_view extends;          /* grant id, request id or code of one's own live grant: goes on from it; without a scope: its */
    const struct phi_view *on_behalf; /* names or ids: for whom the requester acts */
    size_t n_on_behalf;
    bool break_glass;                 /* at once, without approval, where a policy has it; reviewed afterwards */
    const struct phi_view *watchers, *suggested; /* names or ids */
    size_t n_watchers, n_suggested;
    struct phi_view key;              /* Idempotency-Key; "" none */
};

struct phi_remark {
    struct phi_view id, name, kind, text; /* kind: comment, question; text: "" once erased */
    int64_t at_ms;
};

struct phi_request_vote {
    struct phi_view person, name, requirement, reason; /* reason: "" once erased */
    bool approve;
    int64_t at_ms; /* wall clock */
};

struct phi_request {
    struct phi_view id, code, digest, act; /* hashes in hex */
    enum phi_request_status status;
    int64_t version;
    struct phi_ref requester;
    struct phi_view requester_name, target, gateway, summary;
    const struct phi_pair *actions;
    size_t n_actions;
    struct phi_view body; /* canonical JSON (docs/formats.md): payload, scope, settings, bounds; "" once erased */
    struct phi_view why, ticket, from_addr, from_application;
    struct phi_view ticket_facts; /* JSON {"asked_ms","assigned","open","title"}; "": no tracker was asked, or erased */
    int64_t for_ms, uses, created_ms, expires_in_ms;
    const struct phi_need_set *needs; /* with who may vote and what is there */
    size_t n_needs;
    const struct phi_decider *policies;
    size_t n_policies;
    const struct phi_request_vote *votes;
    size_t n_votes;
    const struct phi_grant_view *grant; /* NULL: none */
    struct phi_view denied_by, reason; /* name; the deny's reason */
    struct phi_view extends;           /* grant id */
    bool break_glass;
    int64_t risk;                      /* 0 to 100; -1: made before risk was known */
    struct phi_view risk_reasons;      /* JSON [{"points","why"},…]; "" once erased */
    struct phi_bounds bounds;          /* as asked */
    const struct phi_view *watchers, *suggested, *on_behalf; /* names */
    size_t n_watchers, n_suggested, n_on_behalf;
    const struct phi_remark *remarks;
    size_t n_remarks;
    bool can_vote, can_cancel;         /* what the asking actor may do now */
    struct phi_view why_not;           /* why it may not vote */
};

struct phi_request_answer {
    enum phi_answer_kind { PHI_ANSWER_DENY = 0, PHI_ANSWER_ALLOW, PHI_ANSWER_GRANT, PHI_ANSWER_PENDING } kind;
    struct phi_view reason; /* DENY: one sentence */
    const struct phi_decider *policies;
    size_t n_policies;
    struct phi_grant_view grant;     /* GRANT: ready and fitting: claim it */
    struct phi_request request; /* PENDING: new or joined */
    bool joined;
};

/* Decides, and files a request where the answer is "needs". A rule may approve it at once: then the answer is GRANT.
 * Why-codes besides those of api.md: idempotency.mismatch, extend.none, extend.wider, glass.reason, glass.none,
 * glass.unreviewed. A policy's deny is an answer (PHI_OK,
 * PHI_ANSWER_DENY), not an error. */
enum phi_rc phi_request_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct phi_request_ask *ask, struct phi_request_answer *ret, struct phi_err *err);
/* Only its id, code and status, for those who may see it: cheap, for telling many. PHI_ENOTFOUND as below. */
enum phi_rc phi_request_glance(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                               struct phi_request *ret, struct phi_err *err);
/* What became of it, for the gateway whose client waits: id, code, status, grant, denied_by, reason. PHI_ENOTFOUND as below. */
enum phi_rc phi_request_result(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                               struct phi_request *ret, struct phi_err *err);
/* `which` is an id or a code as people type it. PHI_ENOTFOUND also for those who may not see it. */
enum phi_rc phi_request_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                            struct phi_view which, struct phi_request *ret, struct phi_err *err);
enum phi_box { PHI_BOX_INBOX, PHI_BOX_MINE, PHI_BOX_ALL }; /* inbox: pending ones that `by` may vote on */
enum phi_rc phi_request_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_box box,
                             bool pending_only, struct phi_page *page, struct phi_request **ret, size_t *ret_n,
                             struct phi_err *err);

struct phi_signature { /* of a passkey, over the vote's digest */
    struct phi_webauthn_rp rp;
    struct phi_view id; /* the key's */
    struct phi_webauthn_answer answer;
};
struct phi_ballot {
    bool approve; /* false: deny */
    struct phi_view digest; /* hex: what the voter saw */
    int64_t version;
    struct phi_view requirement; /* "": the first that this person can still help with */
    struct phi_view reason;
    struct phi_narrowing narrowing; /* all zero: approves as asked */
    struct phi_view nonce, salt;    /* as phi_request_vote_text gave them, 16 bytes each; "" new ones */
    const struct phi_signature *signature; /* NULL: not signed */
};
struct phi_vote_text { /* what would be signed */
    struct phi_view vote; /* canonical JSON of docs/formats.md */
    struct phi_view nonce, salt;
    struct phi_digest digest; /* the challenge */
    const struct phi_passkey_view *keys; /* that may sign it */
    size_t n_keys;
};
/* The vote that this ballot would cast now, for a passkey to sign: changes nothing. Errors as phi_request_vote. */
enum phi_rc phi_request_vote_text(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                  struct phi_view which, const struct phi_ballot *vote, struct phi_vote_text *ret,
                                  struct phi_err *err);
/* Errors by phi_core_why: request.changed (ECONFLICT), request.ended (ECONFLICT), request.not-approver,
 * request.self (EDENIED), vote.twice (ECONFLICT), vote.wider (EINPUT), vote.unsigned, passkey.refused (EDENIED). The
 * requester votes on a requirement of kind mfa, and on no other. */
enum phi_rc phi_request_vote(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, const struct phi_ballot *vote, struct phi_request *ret,
                             struct phi_err *err);
/* The requester edits a scope request that is pending: version + 1, votes void. */
enum phi_rc phi_request_edit(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, const struct phi_request_ask *ask, struct phi_request *ret,
                             struct phi_err *err);
enum phi_rc phi_request_cancel(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view which, struct phi_request *ret, struct phi_err *err);
/* A comment or a question of somebody who sees the request; no vote. */
enum phi_rc phi_request_remark(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view which, bool question, struct phi_view text, struct phi_request *ret,
                               struct phi_err *err);
/* Names watchers or suggests approvers: they see the request and are told; it gives no right to vote. */
enum phi_rc phi_request_watch(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct phi_view which, bool suggested, const struct phi_view *names, size_t n,
                              struct phi_request *ret, struct phi_err *err);
/* The waiter (a gateway's session) left during the hold: cancels unless another waits. */
enum phi_rc phi_request_leave(struct phi_core *c, const struct phi_actor *gateway, struct phi_view id,
                              struct phi_view waiter, struct phi_err *err);

#endif
