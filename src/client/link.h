/* A gateway's standing link to phid: snapshot, lease, events, requests, claims, outcomes, records,
 * and the memory of the log. It reconnects by itself; while the lease lasts the last snapshot stands.
 * Callbacks come on the loop and never before a function that caused them has returned.
 *
 * The link decides nothing. It says whether deciding is permitted: client_link_fresh. */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "base/json.h"
#include "client/snapshot.h"
#include "net/loop.h"

struct client_link;
struct client_ask;

struct client_link_events {
    /* A new snapshot is in force. Take a reference to keep it. */
    void (*on_snapshot)(struct client_snapshot *s, void *ctx);
    /* A request of ours changed: {"id","status","grant","denied_by","reason","code"} */
    void (*on_request)(const struct phi_json *ev, void *ctx);
    void (*on_votes)(const struct phi_json *ev, void *ctx); /* {"id","needs"} */
    /* A grant ended: cut its work, then client_link_ack(seq). reason: "revoked", "expired", "returned". */
    void (*on_end)(int64_t seq, struct phi_view grant, struct phi_view principal, struct phi_view reason, void *ctx);
    /* The lease is over, or phid's log is not what it was: nothing may be decided, and running
     * granted work must be cut. on_snapshot says when it is good again (never after a fork). */
    void (*on_lost)(const char *why, void *ctx);
};

#define CLIENT_MAX_NODES 8

struct client_link_opts {
    const char *const *urls; /* https://…; several are phids over one store: whoever answers is asked */
    size_t n_urls;           /* 1 to CLIENT_MAX_NODES */
    const char *state_dir; /* client/enroll.h wrote it */
    const struct client_link_events *events;
    void *ctx;
    int64_t witness_ms; /* how often the log's head is asked for between snapshots; 0: 60 s */
};
/* PHI_ENOTFOUND when not enrolled. Connecting goes on in the background. */
enum phi_rc client_link_open(struct net_loop *loop, const struct client_link_opts *o, struct client_link **ret,
                             struct phi_err *err);
void client_link_close(struct client_link *l); /* nothing calls back any more; NULL is fine */
const char *client_link_name(const struct client_link *l); /* this gateway's name */

/* True: the snapshot is within its lease by CLOCK_BOOTTIME, and the log is trusted. Ask before each decision. */
bool client_link_fresh(const struct client_link *l);
int64_t client_link_lease_ends(const struct client_link *l); /* CLOCK_BOOTTIME ms; 0: none */
struct client_snapshot *client_link_snapshot(struct client_link *l); /* borrowed; NULL: none yet */
bool client_link_forked(const struct client_link *l);
/* Somebody waits for what phid may know already: a broken connection is tried again at once instead of later. False:
 * the link is well, so phid knows no more than the snapshot says. */
bool client_link_hurry(struct client_link *l);

/* ---- Asking ---- */
struct client_act { /* what is tried; JSON members are text that the caller wrote with phi_jw */
    struct phi_view principal;  /* person id */
    struct phi_view credential; /* requests only */
    struct phi_view session, target;
    struct phi_view actions;    /* [{"action","resource"}] */
    struct phi_view entities;   /* Cedar entity JSON array; empty: [] */
    struct phi_view payload;    /* {"kind",…}; requests only */
    struct phi_view settings;   /* {…}; requests only */
    struct phi_view context;    /* {…}; empty: {} */
    struct phi_view addr, application, why; /* requests only */
    int64_t hold_ms;            /* requests only */
    int64_t statements;         /* claims only: how many will run; 0: one */
    const struct phi_digest *digest, *act; /* claims only; NULL: absent */
};

enum client_answer_kind { /* far apart; zero is none */
    CLIENT_ALLOW = 0x2b94d16b,
    CLIENT_DENY = 0x59e2a6d4,
    CLIENT_GRANT = 0x74c63a8d,
    CLIENT_PENDING = 0x1d0bf793
};
struct client_answer {
    enum client_answer_kind kind; /* DENY too when phid cannot be asked: then err says so */
    const struct phi_json *json;  /* the whole answer; NULL: no answer */
    struct phi_err err;           /* DENY: the reason for people */
    char code[64];                /* DENY: stable code; "" when phid gave none (not reached) */
    bool unreachable;             /* DENY without an answer of phid */
};
typedef void (*client_answer_fn)(const struct client_answer *a, void *ctx);
/* Files a request. The handle is dead once `done` was called. NULL with err: not asked. */
struct client_ask *client_link_request(struct client_link *l, const struct client_act *act, client_answer_fn done,
                                       void *ctx, struct phi_err *err);

struct client_claim {
    enum client_answer_kind kind; /* ALLOW: claimed; DENY: not */
    char id[64];
    int64_t ends_boot_ms;         /* CLOCK_BOOTTIME, from when the claim was sent */
    int64_t rows_left, bytes_left; /* most that may pass; -1: not bounded */
    struct phi_err err;
    char code[64];
    bool unreachable;             /* unknown at phid; the use may be spent. An outcome "unsent" is sent by the link
                                     itself as soon as the same key gives the claim's id */
};
typedef void (*client_claim_fn)(const struct client_claim *c, void *ctx);
/* Claims one use. Lost answers are asked again under the same key until `deadline_ms` (0: 5 s). */
struct client_ask *client_link_claim(struct client_link *l, struct phi_view grant, const struct client_act *act,
                                     int64_t deadline_ms, client_claim_fn done, void *ctx, struct phi_err *err);

/* A claim that is filed while its request waits: phid makes it in the transaction in which the grant comes to be, and the gateway's
 * own claim then finds it made. Only for speed. NULL: an older phid, or no memory. What is not used must be dropped: it is withdrawn,
 * and given back where it was made. A session's requests and claims wait (for a while) until what it dropped is withdrawn. */
struct client_ahead;
struct client_ahead *client_link_ahead(struct client_link *l, struct phi_view request, const struct client_act *act);
void client_ahead_again(struct client_ahead *w); /* each PHI_AWAIT_RENEW_MS, or it lapses */
void client_ahead_drop(struct client_ahead *w);  /* NULL is fine */
/* As client_link_claim. `ahead` (may be NULL) is the link's when it answers a handle. */
struct client_ask *client_link_claim_ahead(struct client_link *l, struct phi_view grant, const struct client_act *act, int64_t deadline_ms,
                                           struct client_ahead *ahead, client_claim_fn done, void *ctx, struct phi_err *err);
/* The caller lost interest; `done` is not called. A claim that succeeds later is given back ("unsent"). */
void client_ask_cancel(struct client_ask *a);

/* The waiter left during the hold; retried until acknowledged. */
void client_link_leave(struct client_link *l, struct phi_view request, struct phi_view waiter);
/* Retried until acknowledged, in order. `outcome`: done, failed, unsent, unknown. `tag` may be empty,
 * rows < 0 absent; bytes: what passed of data, 0: none. False: too many wait (10,000): refuse new work. */
bool client_link_outcome(struct client_link *l, const char *claim, const char *outcome, struct phi_view tag,
                         int64_t rows, int64_t bytes);
void client_link_ack(struct client_link *l, int64_t seq); /* the ended grant's work is gone */
/* What this gateway says of itself and its targets (a JSON list, docs/api.md); once, while nothing else waits. */
bool client_link_report(struct client_link *l, struct phi_view targets_json);

/* ---- Records of what the gateway decides alone ---- */
/* Equal ones (principal, target, session, actions, bundle) of a batch are one record: how many, when the first and the
 * last, and a hash over the bytes of all in their order. A batch leaves after half a second. */
struct client_record_at { /* which record; zero: none */
    uint64_t batch;
    size_t index;
};
/* actions as in docs/api.md; `bytes`: the messages that are forwarded. False: not kept, so refuse what it would have
 * recorded. `ret` may be NULL. */
bool client_link_record(struct client_link *l, struct phi_view principal, struct phi_view target,
                        struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                        struct client_record_at *ret);
/* An attempt that the gateway denied by the snapshot in force; numbered, kept and held back like a plain allow. */
struct client_denial {
    struct phi_view policies; /* JSON list of the ids of those that decided; empty: none permits it */
    struct phi_view reason;   /* the sentence that the client was told */
};
bool client_link_record_denied(struct client_link *l, struct phi_view principal, struct phi_view target,
                               struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                               const struct client_denial *why);
/* One more of the same, under the same snapshot. False: that record takes no more (or none may be taken). */
bool client_link_record_again(struct client_link *l, const struct client_record_at *at, struct phi_view bytes);
/* False when the oldest unacknowledged is older than PHI_RECORD_MAX_AGE_MS or PHI_RECORD_MAX_COUNT
 * wait: the gateway refuses until it is true again. */
bool client_link_may_record(const struct client_link *l);
/* Nothing waits for phid's acknowledgement (draining on SIGTERM). */
bool client_link_idle(const struct client_link *l);

#endif
