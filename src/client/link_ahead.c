#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"

/* Claims that are filed before the approval. One is filed with one phid, which alone can make it; so it is withdrawn there, until it
 * must have lapsed, and then wherever phid answers: what was made stands in the store that all of them share. A filing that is lost
 * costs nothing but time; a withdrawal is said until it is answered. */

enum { AHEAD_TRY_MS = 2000, AHEAD_OVER_MS = 10 * 60 * 1000, AHEAD_SLACK_MS = 10000 };

struct client_ahead {
    struct client_link *link;
    struct client_ahead *next, **at;
    struct client *node; /* that it is filed with; NULL: with none */
    struct client_call *call;
    struct net_timer *timer;
    struct phi_buf path, body;
    struct phi_id key;
    char session[64];
    bool dropped, again;
    int64_t filed_ms, give_up_ms;
    unsigned attempts;
};

static void withdraw(void *ctx);

static void ahead_free(struct client_ahead *w)
{
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    net_timer_close(w->timer);
    phi_buf_done(&w->path);
    phi_buf_done(&w->body);
    free(w);
}

static void on_filed(const struct client_reply *r, void *ctx)
{
    struct client_ahead *w = ctx;
    (void)r;
    w->call = NULL;
    if (w->dropped)
        withdraw(w);
    else if (w->again)
        client_ahead_again(w);
}

void client_ahead_again(struct client_ahead *w)
{
    struct client_link *l = w->link;
    w->again = w->call != NULL;
    if (w->call || w->dropped || (w->node && w->node != l->api))
        return;
    w->node = l->api;
    w->filed_ms = phi_now_boot_ms();
    w->call = client_send(w->node, "POST", phi_buf_str(&w->path), phi_buf_view(&w->body), AHEAD_TRY_MS, on_filed, w, NULL);
}

static void on_withdrawn(const struct client_reply *r, void *ctx)
{
    struct client_ahead *w = ctx;
    w->call = NULL;
    bool later = r->status == 0 || r->status == 429 || r->status >= 500;
    if (later && phi_now_boot_ms() < w->give_up_ms) {
        net_timer_set(w->timer, link_backoff(&w->attempts), 0);
        return;
    }
    if (later)
        PHI_LOG(ERROR, "a claim could not be withdrawn; where it was made it stays spent", "why", "%s", r->err.msg);
    ahead_free(w);
}

static void withdraw(void *ctx)
{
    struct client_ahead *w = ctx;
    PHI_BUF(path, 1024);
    bool there = phi_now_boot_ms() - w->filed_ms < PHI_AWAIT_MS + AHEAD_SLACK_MS;
    phi_buf_printf(&path, "%s/%s", phi_buf_str(&w->path), w->key.s);
    w->call = client_send(there ? w->node : w->link->api, "DELETE", phi_buf_str(&path), (struct phi_view){ 0 }, AHEAD_TRY_MS, on_withdrawn, w, NULL);
    if (!w->call)
        net_timer_set(w->timer, link_backoff(&w->attempts), 0);
}

void client_ahead_drop(struct client_ahead *w)
{
    if (!w || w->dropped)
        return;
    w->dropped = true;
    w->give_up_ms = phi_now_boot_ms() + AHEAD_OVER_MS;
    if (!w->node)
        ahead_free(w);
    else if (!w->call) /* else its filing is answered first: it must not come after the withdrawal */
        withdraw(w);
}

void link_ahead_done(struct client_ahead *w)
{
    if (w->call)
        client_cancel(w->call);
    ahead_free(w);
}

const char *link_ahead_key(const struct client_ahead *w)
{
    return w->key.s;
}

bool link_ahead_settling(const struct client_link *l, const char *session)
{
    for (const struct client_ahead *w = l->aheads; w; w = w->next)
        if (w->dropped && (!session || strcmp(w->session, session) == 0))
            return true;
    return false;
}

struct client_ahead *client_link_ahead(struct client_link *l, struct phi_view request, const struct client_act *act)
{
    bool knows = l->snapshot && client_snapshot_protocol(l->snapshot) >= PHI_PROTOCOL_AHEAD;
    struct client_ahead *w = knows && !l->forked && act->session.n < sizeof w->session ? calloc(1, sizeof *w) : NULL;
    if (!w)
        return NULL;
    w->link = l;
    w->key = link_new_key();
    memcpy(w->session, act->session.p, act->session.n);
    phi_buf_init(&w->path, 512);
    phi_buf_init(&w->body, PHI_MAX_AWAIT_BODY);
    phi_buf_adds(&w->path, "/v1/gateway/requests/");
    client_path_add(&w->path, request);
    phi_buf_adds(&w->path, "/claims");
    link_claim_write(&w->body, act, w->key.s);
    w->timer = net_timer_open(l->loop, withdraw, w);
    w->next = l->aheads;
    w->at = &l->aheads;
    if (w->next)
        w->next->at = &w->next;
    l->aheads = w;
    if (!phi_buf_ok(&w->path) || !phi_buf_ok(&w->body) || !w->timer) {
        ahead_free(w);
        return NULL;
    }
    phi_buf_str(&w->path);
    client_ahead_again(w);
    return w;
}

void link_aheads_again(struct client_link *l)
{
    for (struct client_ahead *w = l->aheads; w; w = w->next)
        client_ahead_again(w);
}

void link_aheads_close(struct client_link *l)
{
    while (l->aheads)
        ahead_free(l->aheads);
}
