#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/logline.h"
#include "client/link_in.h"

/* What phid must hear in the end: outcomes, leaves, acknowledgements. One at a time, in order, asked again until there
 * is an answer. An answer that refuses ends the item, with a line in the log: asking again would not change it. */

enum { QUEUE_MAX = 10000, HARD_MAX = 64000, REFUSED_MAX = 10, SEND_MS = 10000 };

struct link_item {
    struct link_item *next;
    struct phi_buf path, body;
};

static void send_first(void *ctx);

static void item_free(struct link_item *it)
{
    phi_buf_done(&it->path);
    phi_buf_done(&it->body);
    free(it);
}

static void pop(struct link_queue *q)
{
    struct link_item *it = q->first;
    q->first = it->next;
    if (!q->first)
        q->last = &q->first;
    q->n--;
    q->attempts = 0;
    item_free(it);
}

static void on_sent(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct link_queue *q = &l->queue;
    q->call = NULL;
    bool later = link_unreachable(l, r) && !(r->status >= 500 && q->attempts >= REFUSED_MAX);
    if (later) {
        net_timer_set(q->retry, link_backoff(&q->attempts), 0);
        return;
    }
    if (r->rc != PHI_OK)
        PHI_LOG(ERROR, "phid refused a report", "what", "%s: %s", phi_buf_str(&q->first->path), r->err.msg);
    pop(q);
    send_first(l);
}

static void send_first(void *ctx)
{
    struct client_link *l = ctx;
    struct link_queue *q = &l->queue;
    if (q->call || !q->first)
        return;
    q->call = client_send(l->api, "POST", phi_buf_str(&q->first->path), phi_buf_view(&q->first->body), SEND_MS, on_sent,
                          l, NULL);
    if (!q->call)
        net_timer_set(q->retry, link_backoff(&q->attempts), 0);
}

enum phi_rc link_queue_open(struct client_link *l, struct phi_err *err)
{
    l->queue.last = &l->queue.first;
    l->queue.retry = net_timer_open(l->loop, send_first, l);
    return l->queue.retry ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

bool link_queue_put(struct client_link *l, struct phi_view path, struct phi_view body)
{
    struct link_queue *q = &l->queue;
    struct link_item *it = q->n < HARD_MAX ? calloc(1, sizeof *it) : NULL;
    if (!it)
        return false;
    phi_buf_init(&it->path, 1024);
    phi_buf_init(&it->body, 64 * 1024);
    phi_buf_add(&it->path, path);
    phi_buf_add(&it->body, body);
    phi_buf_str(&it->path);
    if (!phi_buf_ok(&it->path) || !phi_buf_ok(&it->body)) {
        item_free(it);
        return false;
    }
    *q->last = it;
    q->last = &it->next;
    q->n++;
    if (q->n == 1)
        send_first(l);
    return true;
}

void link_queue_close(struct client_link *l)
{
    net_timer_close(l->queue.retry);
    while (l->queue.first)
        pop(&l->queue);
}

/* ---- What goes through it ---- */

void client_link_leave(struct client_link *l, struct phi_view request, struct phi_view waiter)
{
    PHI_BUF(path, 1024);
    PHI_BUF(body, 4096);
    struct phi_jw w;
    phi_buf_adds(&path, "/v1/gateway/requests/");
    client_path_add(&path, request);
    phi_buf_adds(&path, "/leave");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "waiter", waiter);
    phi_jw_end(&w);
    if (!link_queue_put(l, phi_buf_view(&path), phi_buf_view(&body)))
        PHI_LOG(ERROR, "a leave was lost; the request lives until it expires", NULL, "%s", "");
}

bool client_link_outcome(struct client_link *l, const char *claim, const char *outcome, struct phi_view tag, int64_t rows,
                         int64_t bytes)
{
    PHI_BUF(path, 1024);
    PHI_BUF(body, 4096);
    struct phi_jw w;
    phi_buf_adds(&path, "/v1/claims/");
    client_path_add(&path, phi_view_of(claim));
    phi_buf_adds(&path, "/outcome");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "outcome", outcome);
    if (tag.n)
        phi_jw_kv(&w, "tag", phi_view_upto(tag, 256));
    if (rows >= 0)
        phi_jw_ki(&w, "rows", rows);
    if (bytes > 0)
        phi_jw_ki(&w, "bytes", bytes);
    phi_jw_end(&w);
    /* The outcome is kept in any case; false tells the caller to begin nothing new. */
    return link_queue_put(l, phi_buf_view(&path), phi_buf_view(&body)) && l->queue.n < QUEUE_MAX;
}

void client_link_ack(struct client_link *l, int64_t seq)
{
    PHI_BUF(body, 256);
    struct phi_jw w;
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "seq", seq);
    phi_jw_end(&w);
    if (!link_queue_put(l, PHI_LIT("/v1/gateway/acks"), phi_buf_view(&body)))
        PHI_LOG(ERROR, "an acknowledgement was lost; phid says the end again", NULL, "%s", "");
}

bool client_link_report(struct client_link *l, struct phi_view targets_json)
{
    PHI_BUF(body, 32 * 1024);
    struct phi_jw w;
    if (l->queue.n > 0) /* what must arrive goes first; a report is said again */
        return false;
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    if (l->snapshot && client_snapshot_protocol(l->snapshot) >= PHI_PROTOCOL_CERTIFICATES)
        phi_jw_ki(&w, "certificate_begins_ms", l->cert.begins_ms);
    phi_jw_ki(&w, "certificate_ends_ms", l->cert.ends_ms);
    phi_jw_key(&w, "targets");
    phi_jw_raw(&w, targets_json);
    phi_jw_end(&w);
    return link_queue_put(l, PHI_LIT("/v1/gateway/report"), phi_buf_view(&body));
}
