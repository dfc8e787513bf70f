/* Which of several phids the link speaks to. One at a time; whoever does not answer is left for the next. All of them
 * stand over one store, so what was asked of one goes on at another: claims under their keys, records under their
 * numbers, outcomes as often as it takes. */
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"

enum { HURRY_MS = 250 };

enum phi_rc link_nodes_open(struct client_link *l, const struct client_link_opts *o, const struct client_opts *with,
                            struct phi_err *err)
{
    struct client_opts c = *with;
    struct client_url at;
    if (o->n_urls == 0 || o->n_urls > CLIENT_MAX_NODES)
        return phi_fail(err, PHI_EINPUT, "a gateway has 1 to %d addresses of phid", CLIENT_MAX_NODES);
    for (; l->n_nodes < o->n_urls; l->n_nodes++) {
        c.url = o->urls[l->n_nodes];
        PHI_TRY(client_url_read(c.url, false, &at, err));
        if (!at.tls)
            return phi_fail(err, PHI_EINPUT, "a gateway speaks to phid over https:// only");
        PHI_TRY(client_open(l->loop, &c, &l->nodes[l->n_nodes], err));
    }
    l->api = l->nodes[0];
    return PHI_OK;
}

enum phi_rc link_nodes_credentials(struct client_link *l, const struct client_opts *with, struct phi_err *err)
{
    for (size_t i = 0; i < l->n_nodes; i++)
        PHI_TRY(client_credentials(l->nodes[i], with, err));
    net_http_stream_close(l->stream); /* it begins anew with them, and asks for what it missed */
    l->stream = NULL;
    net_timer_set(l->stream_retry, 0, 0);
    return PHI_OK;
}

void link_nodes_close(struct client_link *l)
{
    for (size_t i = 0; i < l->n_nodes; i++)
        client_close(l->nodes[i]); /* ends all calls without calling back */
}

int64_t link_patience(const struct client_link *l, int64_t ms)
{
    return l->n_nodes > 1 && ms > LINK_SHORT_MS ? LINK_SHORT_MS : ms;
}

static void drop_call(struct client_call **call)
{
    if (*call)
        client_cancel(*call);
    *call = NULL;
}

/* The stream begins anew there, and with it everything that may have been missed (on_stream_open in link.c). */
static void move(struct client_link *l)
{
    size_t at = 0;
    while (l->nodes[at] != l->api)
        at++;
    l->api = l->nodes[(at + 1) % l->n_nodes];
    bool round = ++l->moves % l->n_nodes == 0;
    if (l->moves <= l->n_nodes)
        PHI_LOG(WARN, "the next phid is asked", "number", "%zu", (at + 1) % l->n_nodes + 1);
    net_http_stream_close(l->stream);
    l->stream = NULL;
    drop_call(&l->snapshot_call);
    drop_call(&l->lease_call);
    drop_call(&l->head_call);
    link_pending_drop(l);
    net_timer_set(l->stream_retry, round ? link_backoff(&l->stream_attempts) : 0, 0);
    net_timer_set(l->renew, LINK_SHORT_MS, 0);
}

bool link_unreachable(struct client_link *l, const struct client_reply *r)
{
    if (r->status != 0 && r->status != 429 && r->status < 500)
        return false;
    if (r->from == l->api && r->status != 429 && !l->dead)
        link_move(l);
    return true;
}

void link_move(struct client_link *l)
{
    if (l->n_nodes > 1)
        move(l);
}

bool client_link_hurry(struct client_link *l)
{
    int64_t now = phi_now_boot_ms();
    bool away = !l->stream || l->snapshot_attempts || !client_link_fresh(l);
    if (!away || l->dead || l->forked || now - l->hurried_ms < HURRY_MS)
        return away;
    l->hurried_ms = now;
    l->stream_attempts = l->snapshot_attempts = 0;
    if (!l->stream)
        net_timer_set(l->stream_retry, 0, 0);
    else if (!l->snapshot_call && !l->coming)
        net_timer_set(l->snapshot_retry, 0, 0);
    return away;
}
