/* The gateway's port to phid over client's link, and deciding by the snapshot's bundle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "gateway/phid.h"
#include "gateway/rules.h"

struct gw_link {
    struct client_link *link;
    struct gw_gateway *gw;
    struct gw_rules *rules;
};

/* --- what the link says --- */
static void on_snapshot(struct client_snapshot *s, void *ctx)
{
    struct gw_link *l = ctx;
    (void)s;
    gw_rules_forget(l->rules);
    gw_on_snapshot(l->gw);
}

static void on_request(const struct phi_json *ev, void *ctx)
{
    gw_on_request(((struct gw_link *)ctx)->gw, ev);
}

static void on_votes(const struct phi_json *ev, void *ctx)
{
    gw_on_votes(((struct gw_link *)ctx)->gw, ev);
}

static void on_end(int64_t seq, struct phi_view grant, struct phi_view principal,
                   struct phi_view reason, void *ctx)
{
    (void)principal;
    gw_on_end(((struct gw_link *)ctx)->gw, seq, grant, reason);
}

static void on_lost(const char *why, void *ctx)
{
    struct gw_link *l = ctx;
    gw_rules_forget(l->rules);
    gw_on_lost(l->gw, why);
}

static const struct client_link_events events = { on_snapshot, on_request, on_votes, on_end,
                                                  on_lost };

enum phi_rc gw_link_open(struct net_loop *loop, const char *const *urls, size_t n, const char *state_dir,
                         struct gw_gateway *g, struct gw_link **ret, struct phi_err *err)
{
    struct gw_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    l->gw = g;
    l->rules = gw_rules_open();
    if (l->rules == NULL) {
        gw_link_close(l);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    struct client_link_opts o = {
        .urls = urls, .n_urls = n, .state_dir = state_dir, .events = &events, .ctx = l};
    enum phi_rc rc = client_link_open(loop, &o, &l->link, err);
    if (rc == PHI_OK)
        *ret = l;
    else
        gw_link_close(l);
    return rc;
}

void gw_link_close(struct gw_link *l)
{
    if (l == NULL)
        return;
    client_link_close(l->link);
    gw_rules_close(l->rules);
    free(l);
}

const char *gw_link_name(const struct gw_link *l)
{
    return client_link_name(l->link);
}

bool gw_link_idle(const struct gw_link *l)
{
    return client_link_idle(l->link);
}

/* --- signing in --- */
static struct client_snapshot *current(struct gw_link *l)
{
    return client_link_fresh(l->link) ? client_link_snapshot(l->link) : NULL;
}

static bool fits(char *to, size_t size, struct phi_view v)
{
    snprintf(to, size, PHI_FMT, PHI_ARG(v));
    return v.n < size;
}

static bool do_signin(void *ctx, struct phi_view name, struct phi_view credential,
                      struct phi_view target, struct gw_signin *ret)
{
    struct client_snapshot *s = current(ctx);
    const struct client_credential *c =
        s == NULL ? NULL : client_snapshot_credential(s, credential);
    const struct client_principal *p = c == NULL ? NULL : client_snapshot_principal(s, c->person);
    memset(ret, 0, sizeof *ret);
    if (p == NULL || !phi_view_eq(p->name, name) || !phi_view_eq(c->target, target))
        return false;
    ret->ends_boot_ms = c->ends_boot_ms;
    return fits(ret->person, sizeof ret->person, p->id) &&
           fits(ret->credential, sizeof ret->credential, c->id) &&
           fits(ret->name, sizeof ret->name, p->name) &&
           scram_verifier_read(c->verifier, &ret->verifier);
}

static bool do_hurry(void *ctx)
{
    return client_link_hurry(((struct gw_link *)ctx)->link);
}

static bool do_credential_good(void *ctx, struct phi_view credential)
{
    struct gw_link *l = ctx;
    struct client_snapshot *s = client_link_snapshot(l->link);
    return s != NULL && client_snapshot_credential(s, credential) != NULL;
}

/* --- deciding --- */
static enum phi_verdict do_decide(void *ctx, const struct gw_try *t, struct phi_buf *reason)
{
    struct gw_link *l = ctx;
    struct client_snapshot *s = current(l);
    if (s != NULL)
        return gw_rules_decide(l->rules, s, t, reason);
    phi_buf_adds(
        reason,
        client_link_forked(l->link)
            ? "phid's log is not what it was; nothing is decided until an operator has looked"
            : "phid cannot be reached, and what is known from it is too old to decide by");
    return PHI_DENY;
}

/* --- handed through --- */
static bool do_fresh(void *ctx)
{
    return current(ctx) != NULL;
}

static uint64_t do_decided(void *ctx)
{
    struct gw_link *l = ctx;
    return current(l) == NULL ? 0 : gw_rules_number(l->rules);
}

static bool do_record(void *ctx, struct phi_view person, struct phi_view target,
                      struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                      struct client_record_at *ret)
{
    return client_link_record(((struct gw_link *)ctx)->link, person, target, session, actions_json,
                              bytes, ret);
}

static bool do_record_again(void *ctx, const struct client_record_at *at, struct phi_view bytes)
{
    return client_link_record_again(((struct gw_link *)ctx)->link, at, bytes);
}

static bool do_record_denied(void *ctx, const struct gw_try *t, struct phi_view session,
                             struct phi_view bytes, struct phi_view reason)
{
    struct phi_jw w;
    PHI_BUF(actions, PHI_MAX_REQUEST_BODY);
    struct client_denial why = { .reason = reason };
    if (t->policies != NULL)
        why.policies = phi_buf_view(t->policies);
    phi_jw_init(&w, &actions);
    phi_pairs_write(&w, t->actions, t->n);
    return phi_buf_ok(&actions) && (t->policies == NULL || phi_buf_ok(t->policies)) &&
           client_link_record_denied(((struct gw_link *)ctx)->link, t->person, t->target, session,
                                     phi_buf_view(&actions), bytes, &why);
}

static struct client_ask *do_request(void *ctx, const struct client_act *act, client_answer_fn done,
                                     void *done_ctx, struct phi_err *err)
{
    return client_link_request(((struct gw_link *)ctx)->link, act, done, done_ctx, err);
}

static struct client_ask *do_claim(void *ctx, struct phi_view grant, const struct client_act *act,
                                   struct client_ahead *ahead, client_claim_fn done, void *done_ctx,
                                   struct phi_err *err)
{
    return client_link_claim_ahead(((struct gw_link *)ctx)->link, grant, act, 0, ahead, done,
                                   done_ctx, err);
}

static struct client_ahead *do_ahead(void *ctx, struct phi_view request,
                                     const struct client_act *act)
{
    return client_link_ahead(((struct gw_link *)ctx)->link, request, act);
}

static void do_ahead_again(void *ctx, struct client_ahead *w)
{
    (void)ctx;
    client_ahead_again(w);
}

static void do_ahead_drop(void *ctx, struct client_ahead *w)
{
    (void)ctx;
    client_ahead_drop(w);
}

static void do_cancel(void *ctx, struct client_ask *ask)
{
    (void)ctx;
    client_ask_cancel(ask);
}

static void do_leave(void *ctx, struct phi_view request, struct phi_view waiter)
{
    client_link_leave(((struct gw_link *)ctx)->link, request, waiter);
}

static bool do_outcome(void *ctx, const char *claim, const char *outcome, struct phi_view tag,
                       int64_t rows, int64_t bytes)
{
    return client_link_outcome(((struct gw_link *)ctx)->link, claim, outcome, tag, rows, bytes);
}

static bool do_report(void *ctx, struct phi_view targets_json)
{
    return client_link_report(((struct gw_link *)ctx)->link, targets_json);
}

static void do_ack(void *ctx, int64_t seq)
{
    client_link_ack(((struct gw_link *)ctx)->link, seq);
}

struct gw_phid gw_link_port(struct gw_link *l)
{
    return (struct gw_phid){ .ctx = l,
                             .signin = do_signin,
                             .hurry = do_hurry,
                             .credential_good = do_credential_good,
                             .decide = do_decide,
                             .fresh = do_fresh,
                             .decided = do_decided,
                             .record = do_record,
                             .record_again = do_record_again,
                             .record_denied = do_record_denied,
                             .request = do_request,
                             .claim = do_claim,
                             .ahead = do_ahead,
                             .ahead_again = do_ahead_again,
                             .ahead_drop = do_ahead_drop,
                             .cancel = do_cancel,
                             .leave = do_leave,
                             .outcome = do_outcome,
                             .ack = do_ack, .report = do_report };
}
