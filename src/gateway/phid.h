/* What the gateway needs of phid, as a port: production fills it from client's link
 * (gateway/phid_link.c), tests from a fake. Types are client's own. */
#ifndef GATEWAY_PHID_H
#define GATEWAY_PHID_H

#include "base/id.h"
#include "base/limits.h"
#include "client/link.h"
#include "proof/body.h"
#include "wire/scram.h"

struct gw_gateway;

struct gw_signin { /* a credential that is good now */
    char person[PHI_ID_LEN + 1];
    char credential[PHI_ID_LEN + 1];
    char name[PHI_MAX_NAME + 1];
    struct scram_verifier verifier;
    int64_t ends_boot_ms;
};

/* What a unit's text looks like, whatever its literals are: `context.statement`. */
struct gw_statement {
    struct phi_view kind; /* "DELETE"; empty: none, or of several kinds */
    int64_t tables;       /* that it touches */
    int64_t text_bytes;   /* of its longest statement, rounded up to a power of two; 0: nothing to be said (connecting) */
    bool changes;         /* holds an UPDATE, DELETE or MERGE: has_where means something */
    bool has_where;       /* each of them chooses its rows by a column */
};

struct gw_try { /* what a session asks the policy */
    struct phi_view person, target, addr, application;
    struct gw_statement statement;
    const struct phi_pair *actions; /* sorted */
    size_t n;
    struct phi_buf *policies; /* may be NULL; on PHI_DENY the JSON list of the ids of those that decided */
};

struct gw_phid {
    void *ctx;
    /* False: no such credential of that person for that target now. */
    bool (*signin)(void *ctx, struct phi_view name, struct phi_view credential,
                   struct phi_view target, struct gw_signin *ret);
    /* A credential is looked for that is not known. True: what is known may be old; it is brought up to date now. */
    bool (*hurry)(void *ctx);
    bool (*credential_good)(void *ctx,
                            struct phi_view credential); /* asked again on each snapshot */
    /* PHI_ALLOW: all pairs are allowed by what the gateway knows. PHI_NEEDS: ask phid (needs somebody, or rests
     * on what only phid knows). PHI_DENY with a sentence in `reason`; also when nothing may be decided. */
    enum phi_verdict (*decide)(void *ctx, const struct gw_try *t, struct phi_buf *reason);
    bool (*fresh)(void *ctx); /* the lease holds: what was claimed may be forwarded */
    /* While this number stays the same and is not 0, so does every PHI_ALLOW of `decide`. 0: nothing may be decided. */
    uint64_t (*decided)(void *ctx);
    /* `bytes` is what will be forwarded. False: it must not be. */
    bool (*record)(void *ctx, struct phi_view person, struct phi_view target,
                   struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                   struct client_record_at *ret);
    bool (*record_again)(void *ctx, const struct client_record_at *at, struct phi_view bytes);
    /* The same for what `decide` denied while `fresh`. False: it is not kept. */
    bool (*record_denied)(void *ctx, const struct gw_try *t, struct phi_view session,
                          struct phi_view bytes, struct phi_view reason);
    struct client_ask *(*request)(void *ctx, const struct client_act *act, client_answer_fn done,
                                  void *done_ctx, struct phi_err *err);
    /* `ahead` (may be NULL) is the port's when it answers a handle. */
    struct client_ask *(*claim)(void *ctx, struct phi_view grant, const struct client_act *act,
                                struct client_ahead *ahead, client_claim_fn done, void *done_ctx,
                                struct phi_err *err);
    /* Of a request that waits; see client/link.h. `ahead` may be NULL, then the others are not called. */
    struct client_ahead *(*ahead)(void *ctx, struct phi_view request, const struct client_act *act);
    void (*ahead_again)(void *ctx, struct client_ahead *w);
    void (*ahead_drop)(void *ctx, struct client_ahead *w);
    void (*cancel)(void *ctx, struct client_ask *ask);
    void (*leave)(void *ctx, struct phi_view request, struct phi_view waiter);
    bool (*outcome)(void *ctx, const char *claim, const char *outcome, struct phi_view tag,
                    int64_t rows, int64_t bytes);
    void (*ack)(void *ctx, int64_t seq);
    bool (*report)(void *ctx, struct phi_view targets_json); /* false: not now; may be NULL; see gateway/report.c */
};

/* What phid says, into the gateway. */
void gw_on_snapshot(struct gw_gateway *g);
void gw_on_request(struct gw_gateway *g, const struct phi_json *ev);
void gw_on_votes(struct gw_gateway *g, const struct phi_json *ev);
void gw_on_end(struct gw_gateway *g, int64_t seq, struct phi_view grant, struct phi_view reason);
void gw_on_lost(struct gw_gateway *g, const char *why);

/* The port over a link. `open` connects in the background and feeds the functions above. */
struct gw_link;
enum phi_rc gw_link_open(struct net_loop *loop, const char *const *urls, size_t n, const char *state_dir,
                         struct gw_gateway *g, struct gw_link **ret, struct phi_err *err);
void gw_link_close(struct gw_link *l);
const char *gw_link_name(const struct gw_link *l); /* this gateway's, from its certificate */
bool gw_link_idle(const struct gw_link *l); /* nothing waits for phid any more */
struct gw_phid gw_link_port(struct gw_link *l);

#endif
