/* The gateway's port to phid over client's link, and deciding by the snapshot's bundle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/os.h"
#include "base/text.h"
#include "gateway/entities.h"
#include "gateway/phid.h"

#define MAX_ALLOWED   20000
#define DECIDE_MEMORY (8 * 1024 * 1024)

struct gw_link {
    struct client_link *link;
    struct gw_gateway *gw;
    struct phi_map
        *allowed; /* person, circumstances, action and resource that the bundle plainly allows */
    uint64_t decided; /* rises whenever `allowed` is emptied */
};

static void forget(struct gw_link *l)
{
    phi_map_close(l->allowed);
    l->allowed = phi_map_open(MAX_ALLOWED);
    l->decided++;
}

/* --- what the link says --- */
static void on_snapshot(struct client_snapshot *s, void *ctx)
{
    struct gw_link *l = ctx;
    (void)s;
    forget(l);
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
    forget(l);
    gw_on_lost(l->gw, why);
}

static const struct client_link_events events = {on_snapshot, on_request, on_votes, on_end,
                                                 on_lost};

enum phi_rc gw_link_open(struct net_loop *loop, const char *const *urls, size_t n, const char *state_dir,
                         struct gw_gateway *g, struct gw_link **ret, struct phi_err *err)
{
    struct gw_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    l->gw = g;
    forget(l);
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
    phi_map_close(l->allowed);
    free(l);
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
static struct phi_view cache_key(const struct gw_try *t, const struct phi_pair *p,
                                 struct phi_buf *b)
{
    const struct phi_view parts[] = {t->person, t->addr,          t->application,
                                     p->action, p->resource.type, p->resource.id};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        phi_buf_add32(b, (uint32_t)parts[i].n);
        phi_buf_add(b, parts[i]);
    }
    return phi_buf_view(b);
}

struct deciding {
    struct gw_link *link;
    const struct gw_try *t;
    const struct phi_bundle *bundle;
    struct phi_entities *entities;
    const struct phi_value *seen;
    struct phi_arena *a;
};

static void explain(const struct phi_pair *p, struct phi_view reason, struct phi_buf *out)
{
    PHI_BUF(label, 1000);
    phi_ref_label(&label, p->resource);
    phi_text_escape(out, p->action, false);
    phi_buf_adds(out, " on ");
    phi_text_escape(out, phi_buf_view(&label), false);
    phi_buf_adds(out, " is not permitted: ");
    phi_text_escape(out, reason, false);
}

static void name_policies(const struct phi_answer *answer, struct phi_buf *out)
{
    struct phi_jw w;
    if (out == NULL)
        return;
    phi_jw_init(&w, out);
    phi_jw_arr(&w);
    for (size_t i = 0; i < answer->n_policies; i++)
        phi_jw_str(&w, answer->policies[i].id);
    phi_jw_end(&w);
}

static enum phi_verdict decide_pair(struct deciding *d, const struct phi_pair *p,
                                    struct phi_buf *reason)
{
    struct phi_answer answer;
    struct phi_err err = {0};
    PHI_BUF(key, 8192);
    struct phi_view k = cache_key(d->t, p, &key);
    if (phi_buf_ok(&key) && phi_map_get(d->link->allowed, k) != NULL)
        return PHI_ALLOW;
    struct phi_ask ask = {
        .principal = {PHI_LIT("Person"), d->t->person  },
        .action = {PHI_LIT("Action"), p->action     },
        .resource = {p->resource.type,  p->resource.id}
    };
    ask.context = phi_context_unknowns(d->a, d->bundle, ask.action, d->seen);
    if (phi_decide(d->bundle, d->entities, &ask, d->a, &answer, &err) != PHI_OK) {
        explain(p, phi_view_of(err.msg), reason);
        return PHI_DENY;
    }
    if (answer.partial || answer.verdict == PHI_NEEDS)
        return PHI_NEEDS;
    if (answer.verdict != PHI_ALLOW) {
        explain(p, answer.reason, reason);
        name_policies(&answer, d->t->policies);
        return PHI_DENY;
    }
    if (phi_buf_ok(&key) && !phi_map_put(d->link->allowed, k, d->link))
        forget(d->link);
    return PHI_ALLOW;
}

static bool prepare(struct deciding *d, struct client_snapshot *s)
{
    const struct gw_try *t = d->t;
    struct phi_attr attrs[] = {
        {PHI_LIT("addr"),        phi_value_string(d->a, t->addr)       },
        {PHI_LIT("application"), phi_value_string(d->a, t->application)}
    };
    PHI_BUF(json, PHI_MAX_REQUEST_BODY);
    gw_entities_json(t->actions, t->n, &json);
    d->bundle = client_snapshot_bundle(s);
    d->seen = phi_value_record(d->a, attrs, sizeof attrs / sizeof *attrs);
    d->entities = phi_entities_open(client_snapshot_entities(s), DECIDE_MEMORY);
    return d->entities != NULL && d->seen != NULL && phi_buf_ok(&json) &&
           phi_entities_add_text(d->entities, phi_buf_view(&json), NULL) == PHI_OK;
}

static bool all_cached(struct gw_link *l, const struct gw_try *t)
{
    for (size_t i = 0; i < t->n; i++) {
        PHI_BUF(key, 8192);
        struct phi_view k = cache_key(t, &t->actions[i], &key);
        if (!phi_buf_ok(&key) || phi_map_get(l->allowed, k) == NULL)
            return false;
    }
    return true;
}

static enum phi_verdict decide_all(struct deciding *d, struct phi_buf *reason)
{
    enum phi_verdict verdict = PHI_ALLOW;
    for (size_t i = 0; i < d->t->n; i++) {
        switch (decide_pair(d, &d->t->actions[i], reason)) {
        case PHI_ALLOW: break;
        case PHI_NEEDS: verdict = PHI_NEEDS; break;
        case PHI_DENY: return PHI_DENY;
        }
    }
    return verdict;
}

static enum phi_verdict do_decide(void *ctx, const struct gw_try *t, struct phi_buf *reason)
{
    struct gw_link *l = ctx;
    struct client_snapshot *s = current(l);
    enum phi_verdict verdict = PHI_DENY;
    if (s == NULL) {
        phi_buf_adds(
            reason,
            client_link_forked(l->link)
                ? "phid's log is not what it was; nothing is decided until an operator has looked"
                : "phid cannot be reached, and what is known from it is too old to decide by");
        return PHI_DENY;
    }
    if (all_cached(l, t))
        return PHI_ALLOW;
    PHI_ARENA(mem, DECIDE_MEMORY);
    struct deciding d = {.link = l, .t = t, .a = &mem};
    if (prepare(&d, s))
        verdict = decide_all(&d, reason);
    else
        phi_buf_adds(reason, "not enough memory to decide");
    phi_entities_close(d.entities);
    return verdict;
}

/* --- handed through --- */
static bool do_fresh(void *ctx)
{
    return current(ctx) != NULL;
}

static uint64_t do_decided(void *ctx)
{
    struct gw_link *l = ctx;
    return current(l) == NULL ? 0 : l->decided;
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
    struct client_denial why = {.reason = reason};
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
                                   int64_t deadline_ms, client_claim_fn done, void *done_ctx,
                                   struct phi_err *err)
{
    return client_link_claim(((struct gw_link *)ctx)->link, grant, act, deadline_ms, done, done_ctx,
                             err);
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
                       int64_t rows)
{
    return client_link_outcome(((struct gw_link *)ctx)->link, claim, outcome, tag, rows);
}

static void do_ack(void *ctx, int64_t seq)
{
    client_link_ack(((struct gw_link *)ctx)->link, seq);
}

struct gw_phid gw_link_port(struct gw_link *l)
{
    return (struct gw_phid){.ctx = l,
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
                            .cancel = do_cancel,
                            .leave = do_leave,
                            .outcome = do_outcome,
                            .ack = do_ack};
}
