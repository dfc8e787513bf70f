#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"

/* A request is asked again for a moment while phid does not answer: it may be starting anew. A claim is asked again under its key until it is answered: when the caller's time is over
 * before, the link goes on alone, and gives back ("unsent") a use that was spent for nobody. */

enum { CLAIM_MS = 5000, ONE_TRY_MS = 2000, ORPHAN_MS = 10 * 60 * 1000, REQUEST_MS = 30000, AGAIN_MS = 2000, BUSY_MS = 20, SETTLE_MS = 3 };

struct client_ask {
    struct client_link *link;
    struct client_ask *next, **at;
    struct client_call *call;
    bool claim, maybe_done;
    bool busy; /* another use of the same budget runs */
    client_answer_fn answered;
    client_claim_fn claimed; /* NULL: nobody waits any more */
    void *ctx;
    struct phi_buf path, body; /* claims: to ask again */
    struct net_timer *timer;   /* claims: the next try */
    struct net_timer *limit;   /* claims: the caller's time */
    struct client_ahead *ahead; /* claims: filed before, under this key; NULL: not */
    char session[64];
    int64_t settle_ms; /* it waits until then for what its session gives back */
    int64_t give_up_ms;
    unsigned attempts;
};

/* ---- Requests that wait ---- */

struct link_pending {
    char id[64];
    struct client_call *call;
    struct client_link *link;
};

bool link_pending_add(struct client_link *l, struct phi_view id)
{
    if (!id.n || id.n >= 64)
        return false;
    if (phi_map_get(l->pending, id))
        return true;
    struct link_pending *p = calloc(1, sizeof *p);
    if (!p)
        return false;
    memcpy(p->id, id.p, id.n);
    p->link = l;
    if (phi_map_put(l->pending, id, p))
        return true;
    free(p);
    return false;
}

void link_pending_del(struct client_link *l, struct phi_view id)
{
    struct link_pending *p = phi_map_del(l->pending, id);
    if (!p)
        return;
    if (p->call)
        client_cancel(p->call);
    free(p);
}

static void on_pending(const struct client_reply *r, void *ctx)
{
    struct link_pending *p = ctx;
    struct client_link *l = p->link;
    p->call = NULL;
    if (r->rc == PHI_OK && r->json && phi_view_is(phi_json_text(r->json, "id"), p->id) &&
        !phi_view_is(phi_json_text(r->json, "status"), "pending"))
        link_request_event(l, r->json); /* frees p */
    else if (r->rc == PHI_ENOTFOUND)
        link_pending_del(l, phi_view_of(p->id));
}

void link_pending_drop(struct client_link *l)
{
    void *at = NULL, *value;
    struct phi_view id;
    while (phi_map_next(l->pending, &at, &id, &value)) {
        struct link_pending *p = value;
        if (p->call)
            client_cancel(p->call);
        p->call = NULL;
    }
}

void link_pending_ask(struct client_link *l)
{
    void *at = NULL, *value;
    struct phi_view id;
    while (phi_map_next(l->pending, &at, &id, &value)) {
        struct link_pending *p = value;
        char path[160];
        if (p->call)
            continue;
        snprintf(path, sizeof path, "/v1/gateway/requests/%s", p->id);
        p->call = client_send(l->api, "GET", path, (struct phi_view){ 0 }, 0, on_pending, p, NULL);
    }
}

/* ---- An ask ---- */

static struct client_ask *ask_new(struct client_link *l, struct phi_view session, void *ctx)
{
    struct client_ask *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->link = l;
    a->ctx = ctx;
    a->settle_ms = phi_now_boot_ms() + AGAIN_MS;
    snprintf(a->session, sizeof a->session, PHI_FMT, PHI_ARG(phi_view_upto(session, sizeof a->session - 1)));
    phi_buf_init(&a->path, 1024);
    phi_buf_init(&a->body, PHI_MAX_HTTP_BODY);
    a->next = l->asks;
    a->at = &l->asks;
    if (a->next)
        a->next->at = &a->next;
    l->asks = a;
    return a;
}

static void ask_free(struct client_ask *a)
{
    *a->at = a->next;
    if (a->next)
        a->next->at = a->at;
    net_timer_close(a->timer);
    net_timer_close(a->limit);
    phi_buf_done(&a->path);
    phi_buf_done(&a->body);
    client_ahead_drop(a->ahead);
    free(a);
}

/* What this session gives back is given back first: asking before would find its own use taken. */
static bool settles(struct client_ask *a)
{
    bool waits = link_ahead_settling(a->link, a->session);
    for (const struct client_ask *o = a->link->asks; o; o = o->next)
        waits = waits || (o != a && o->claim && !o->claimed && strcmp(o->session, a->session) == 0);
    waits = waits && phi_now_boot_ms() < a->settle_ms;
    if (waits)
        net_timer_set(a->timer, SETTLE_MS, 0);
    return waits;
}

void link_asks_close(struct client_link *l)
{
    void *at = NULL, *value;
    struct phi_view id;
    while (l->asks) {
        l->asks->ahead = NULL; /* link_aheads_close frees it */
        ask_free(l->asks);
    }
    while (l->pending && phi_map_next(l->pending, &at, &id, &value))
        free(value);
    phi_map_close(l->pending);
    l->pending = NULL;
}

static void put_json(struct phi_jw *w, const char *key, struct phi_view json, const char *otherwise)
{
    phi_jw_key(w, key);
    phi_jw_raw(w, json.n ? json : phi_view_of(otherwise));
}

static void put_who(struct phi_jw *w, const struct client_act *act)
{
    phi_jw_key(w, "principal");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", act->principal);
    phi_jw_end(w);
    if (act->credential.n)
        phi_jw_kv(w, "credential", act->credential);
    phi_jw_kv(w, "session", act->session);
    phi_jw_kv(w, "target", act->target);
    put_json(w, "actions", act->actions, "[]");
    put_json(w, "entities", act->entities, "[]");
    put_json(w, "context", act->context, "{}");
}

/* ---- Requests ---- */

static enum client_answer_kind kind_of(const struct phi_json *v)
{
    static const struct {
        const char *name;
        enum client_answer_kind kind;
    } kinds[] = { { "allow", CLIENT_ALLOW }, { "deny", CLIENT_DENY }, { "grant", CLIENT_GRANT }, { "pending", CLIENT_PENDING } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (phi_view_is(phi_json_text(v, "answer"), kinds[i].name))
            return kinds[i].kind;
    return CLIENT_DENY;
}

static void deny(struct client_answer *a, const struct client_reply *r)
{
    a->kind = CLIENT_DENY;
    a->unreachable = r->status == 0 || r->status >= 500;
    a->err = r->err;
    memcpy(a->code, r->code, sizeof a->code);
    if (r->rc == PHI_OK) {
        struct phi_view reason = phi_json_text(r->json, "reason"), code = phi_json_text(r->json, "code");
        phi_fail(&a->err, PHI_EDENIED, PHI_FMT, PHI_ARG(reason.n ? reason : PHI_LIT("phid gave an answer that is not known here")));
        snprintf(a->code, sizeof a->code, PHI_FMT, PHI_ARG(phi_view_upto(code, sizeof a->code - 1)));
    }
}

static void on_answer(const struct client_reply *r, void *ctx)
{
    struct client_ask *ask = ctx;
    struct client_answer a = { .kind = r->rc == PHI_OK ? kind_of(r->json) : CLIENT_DENY, .json = r->json };
    ask->call = NULL;
    if (link_unreachable(ask->link, r) && phi_now_boot_ms() < ask->give_up_ms) {
        net_timer_set(ask->timer, link_backoff(&ask->attempts) / 2, 0);
        return;
    }
    struct phi_view id = phi_json_text(phi_json_get(r->json, "request"), "id");
    if (a.kind == CLIENT_PENDING && !link_pending_add(ask->link, id)) {
        a.kind = CLIENT_DENY;
        phi_fail(&a.err, PHI_ELIMIT, "too many requests wait at this gateway");
    } else if (a.kind == CLIENT_DENY) {
        deny(&a, r);
    }
    client_answer_fn done = ask->answered;
    void *done_ctx = ask->ctx;
    ask_free(ask);
    done(&a, done_ctx);
}

static void write_request(struct phi_buf *b, const struct client_act *act)
{
    struct phi_jw w;
    phi_jw_init(&w, b);
    phi_jw_obj(&w);
    put_who(&w, act);
    if (!act->credential.n)
        phi_jw_kc(&w, "credential", "");
    put_json(&w, "payload", act->payload, "{}");
    put_json(&w, "settings", act->settings, "{}");
    phi_jw_key(&w, "from");
    phi_jw_obj(&w);
    phi_jw_kv(&w, "addr", act->addr);
    phi_jw_kv(&w, "application", act->application);
    phi_jw_end(&w);
    if (act->why.n)
        phi_jw_kv(&w, "why", act->why);
    phi_jw_ki(&w, "hold_ms", act->hold_ms);
    phi_jw_end(&w);
}

/* Asking twice is harmless: the second finds the first's request and joins it. */
static void try_request(void *ctx)
{
    struct client_ask *a = ctx;
    if (settles(a))
        return;
    a->call = client_send(a->link->api, "POST", "/v1/gateway/requests", phi_buf_view(&a->body), link_patience(a->link, REQUEST_MS),
                          on_answer, a, NULL);
    if (!a->call)
        net_timer_set(a->timer, link_backoff(&a->attempts), 0);
}

struct client_ask *client_link_request(struct client_link *l, const struct client_act *act, client_answer_fn done,
                                       void *ctx, struct phi_err *err)
{
    if (l->forked) {
        phi_fail(err, PHI_ECORRUPT, "phid's log is not what it was: nothing is asked of it");
        return NULL;
    }
    struct client_ask *a = ask_new(l, act->session, ctx);
    if (!a) {
        phi_fail(err, PHI_ELIMIT, "out of memory");
        return NULL;
    }
    a->answered = done;
    a->timer = net_timer_open(l->loop, try_request, a);
    write_request(&a->body, act);
    if (!phi_buf_ok(&a->body) || !a->timer) {
        phi_fail(err, PHI_ELIMIT, "this is too large to be asked about");
        ask_free(a);
        return NULL;
    }
    a->give_up_ms = phi_now_boot_ms() + (l->n_nodes > 1 ? 2 : 1) * AGAIN_MS;
    try_request(a);
    return a;
}

/* ---- Claims ---- */

static void try_claim(void *ctx);

/* Tells the caller once. The ask lives on while a use may have been spent. */
static void tell_claim(struct client_ask *a, const struct client_claim *c, bool over)
{
    client_claim_fn done = a->claimed;
    void *ctx = a->ctx;
    a->claimed = NULL;
    if (over)
        ask_free(a);
    if (done)
        done(c, ctx);
}

static bool read_claim(const struct client_reply *r, struct client_claim *c)
{
    struct phi_id id;
    int64_t left;
    if (r->rc != PHI_OK || !phi_id_read(phi_json_text(r->json, "claim"), &id) ||
        !phi_json_int(phi_json_get(r->json, "remaining_ms"), &left))
        return false;
    snprintf(c->id, sizeof c->id, "%s", id.s);
    c->rows_left = phi_json_num(r->json, "rows_left", -1);
    c->bytes_left = phi_json_num(r->json, "bytes_left", -1);
    c->ends_boot_ms = r->sent_boot_ms + (left < PHI_MAX_GRANT_MS ? left : PHI_MAX_GRANT_MS);
    return true;
}

static void on_claim(const struct client_reply *r, void *ctx)
{
    struct client_ask *a = ctx;
    struct client_link *l = a->link;
    struct client_claim c = { .kind = CLIENT_DENY };
    a->call = NULL;
    if (link_unreachable(l, r)) {
        a->maybe_done = a->maybe_done || r->maybe_done || r->status >= 500;
        if (!a->claimed && (!a->maybe_done || phi_now_boot_ms() >= a->give_up_ms))
            ask_free(a);
        else
            net_timer_set(a->timer, link_backoff(&a->attempts), 0);
        return;
    }
    a->busy = a->claimed && strcmp(r->code, "grant.busy") == 0;
    if (a->busy) { /* its outcome may be on its way; nothing was spent */
        net_timer_set(a->timer, BUSY_MS, 0);
        return;
    }
    if (!read_claim(r, &c)) {
        c.err = r->err;
        if (r->rc == PHI_OK)
            phi_fail(&c.err, PHI_EIO, "phid's answer to a claim is not understood");
        memcpy(c.code, r->code, sizeof c.code);
        tell_claim(a, &c, true);
        return;
    }
    if (a->ahead)
        link_ahead_done(a->ahead);
    a->ahead = NULL;
    bool late = c.ends_boot_ms - phi_now_boot_ms() <= 0;
    if (!a->claimed || late) {
        client_link_outcome(l, c.id, "unsent", (struct phi_view){ 0 }, -1, 0);
        phi_fail(&c.err, PHI_EEXPIRED, "the grant ended before its use could begin");
        tell_claim(a, &c, true);
        return;
    }
    c.kind = CLIENT_ALLOW;
    tell_claim(a, &c, true);
}

static void on_limit(void *ctx)
{
    struct client_ask *a = ctx;
    struct client_claim c = { .kind = CLIENT_DENY, .unreachable = !a->busy };
    if (a->busy)
        phi_fail(&c.err, PHI_ECONFLICT, "another use of this grant still runs, and they share a budget");
    else
        phi_fail(&c.err, PHI_EIO, "phid cannot be reached to claim the grant: nothing was run");
    snprintf(c.code, sizeof c.code, "%s", a->busy ? "grant.busy" : "");
    tell_claim(a, &c, !a->maybe_done && !a->call);
}

static void try_claim(void *ctx)
{
    struct client_ask *a = ctx;
    if (a->call || settles(a))
        return;
    a->call = client_send(a->link->api, "POST", phi_buf_str(&a->path), phi_buf_view(&a->body), ONE_TRY_MS, on_claim, a, NULL);
    if (!a->call)
        net_timer_set(a->timer, link_backoff(&a->attempts), 0);
}

struct phi_id link_new_key(void)
{
    uint8_t r[10];
    phi_random(r, sizeof r);
    return phi_id_make((uint64_t)phi_now_wall_ms(), r);
}

void link_claim_write(struct phi_buf *b, const struct client_act *act, const char *key)
{
    struct phi_jw w;
    char hex[PHI_HEX_LEN + 1];
    phi_jw_init(&w, b);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "key", key);
    put_who(&w, act);
    if (act->digest) {
        phi_digest_hex(act->digest, hex);
        phi_jw_kc(&w, "digest", hex);
    }
    if (act->act) {
        phi_digest_hex(act->act, hex);
        phi_jw_kc(&w, "act", hex);
    }
    if (act->statements > 1)
        phi_jw_ki(&w, "statements", act->statements);
    phi_jw_end(&w);
}

struct client_ask *client_link_claim(struct client_link *l, struct phi_view grant, const struct client_act *act,
                                     int64_t deadline_ms, client_claim_fn done, void *ctx, struct phi_err *err)
{
    return client_link_claim_ahead(l, grant, act, deadline_ms, NULL, done, ctx, err);
}

struct client_ask *client_link_claim_ahead(struct client_link *l, struct phi_view grant, const struct client_act *act, int64_t deadline_ms,
                                           struct client_ahead *ahead, client_claim_fn done, void *ctx, struct phi_err *err)
{
    struct phi_id key = link_new_key();
    if (!client_link_fresh(l)) {
        phi_fail(err, PHI_EEXPIRED, "phid cannot be reached: nothing can be claimed");
        return NULL;
    }
    struct client_ask *a = ask_new(l, act->session, ctx);
    if (!a) {
        phi_fail(err, PHI_ELIMIT, "out of memory");
        return NULL;
    }
    a->claim = true;
    a->claimed = done;
    phi_buf_adds(&a->path, "/v1/grants/");
    client_path_add(&a->path, grant);
    phi_buf_adds(&a->path, "/claims");
    phi_buf_str(&a->path);
    link_claim_write(&a->body, act, ahead ? link_ahead_key(ahead) : key.s);
    a->timer = net_timer_open(l->loop, try_claim, a);
    a->limit = net_timer_open(l->loop, on_limit, a);
    if (!phi_buf_ok(&a->path) || !phi_buf_ok(&a->body) || !a->timer || !a->limit) {
        ask_free(a);
        phi_fail(err, PHI_ELIMIT, "this is too large to be claimed");
        return NULL;
    }
    a->ahead = ahead;
    a->give_up_ms = phi_now_boot_ms() + ORPHAN_MS;
    net_timer_set(a->limit, deadline_ms > 0 ? deadline_ms : CLAIM_MS, 0);
    try_claim(a);
    return a;
}

void client_ask_cancel(struct client_ask *a)
{
    if (a->claim && (a->maybe_done || a->call)) {
        a->claimed = NULL; /* its answer decides: a use that comes is given back */
        net_timer_clear(a->limit);
        return;
    }
    if (a->call)
        client_cancel(a->call);
    ask_free(a);
}
