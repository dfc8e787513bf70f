#include "net/http.h"

#include "base/limits.h"
#include "net/http_srv.h"

#include <stdlib.h>

enum { UNREAD_MAX = 64 * 1024 }; /* pipelined bytes kept while a request is being answered */

static void conn_process(struct http_conn *hc);

/* ---- Life of a connection ---- */

static void tell_drained(void *ctx)
{
    struct net_http_server *s = ctx;
    net_fn fn = s->drained;
    s->drained = NULL;
    if (fn)
        fn(s->drained_ctx);
}

static void check_drained(struct net_http_server *s)
{
    if (s->draining && s->live == 0 && s->drained)
        net_later(s->loop, &s->soon);
}

void http_reader_drop(struct http_conn *hc)
{
    if (hc->reader)
        http_reader_done(hc->reader);
    free(hc->reader);
    hc->reader = NULL;
}

static void conn_soon(void *ctx)
{
    struct http_conn *hc = ctx;
    if (!hc->dead) {
        conn_process(hc);
        return;
    }
    http_reader_drop(hc);
    free(hc);
}

void http_conn_drop(struct http_conn *hc)
{
    if (hc->dead)
        return;
    hc->dead = true;
    hc->c = NULL;
    hc->next->prev = hc->prev;
    hc->prev->next = hc->next;
    hc->server->live--;
    check_drained(hc->server);
    net_later(hc->server->loop, &hc->soon);
}

/* The client is gone, or nothing may go on: whoever is still at it hears of it. */
static void conn_lost(struct http_conn *hc)
{
    struct net_http_req *r = hc->req;
    struct net_sse *sse = hc->sse;
    hc->req = NULL;
    hc->sse = NULL;
    http_conn_drop(hc);
    if (sse)
        http_sse_gone(sse);
    if (r) {
        if (r->deferred && r->on_gone)
            r->on_gone(r, r->ctx);
        http_req_free(r);
    }
}

static void finish(struct http_conn *hc)
{
    struct net_conn *c = hc->c;
    http_conn_drop(hc);
    net_conn_finish(c, HTTP_FINISH_MS);
}

void http_conn_answered(struct http_conn *hc, bool close)
{
    hc->req = NULL;
    if (hc->dead)
        return;
    if (close || hc->server->draining) {
        finish(hc);
        return;
    }
    http_reader_next(hc->reader);
    hc->continued = false;
    net_conn_deadline(hc->c, hc->server->o.idle_ms);
    if (!hc->in_handler) /* else the loop in conn_process goes on */
        net_later(hc->server->loop, &hc->soon);
}

/* ---- Requests ---- */

static void dispatch(struct http_conn *hc)
{
    struct net_http_req *r = http_req_new(hc);
    if (!r) {
        http_write_problem(hc, 503, "out of memory");
        finish(hc);
        return;
    }
    hc->req = r;
    net_conn_deadline(hc->c, 0);
    hc->in_handler = true;
    hc->server->o.on_request(r, hc->server->o.ctx);
    hc->in_handler = false;
    if (!hc->dead && hc->req == r && !r->deferred)
        net_http_reply(r, 500, "text/plain", PHI_LIT("no answer\n"));
}

static void set_read_deadline(struct http_conn *hc, bool had_begun, bool had_head)
{
    const struct net_http_opts *o = &hc->server->o;
    if (hc->reader->head_done && !had_head)
        net_conn_deadline(hc->c, o->body_ms);
    else if (hc->reader->begun && !had_begun)
        net_conn_deadline(hc->c, o->head_ms);
}

static void conn_process(struct http_conn *hc)
{
    while (!hc->dead && !hc->req && !hc->sse) {
        struct http_reader *r = hc->reader;
        struct phi_view in = net_conn_in(hc->c);
        bool begun = r->begun, head = r->head_done;
        size_t before = in.n;
        enum http_frame f = http_read(r, &in);
        net_conn_take(hc->c, before - in.n);
        if (f == HTTP_BAD) {
            http_write_problem(hc, r->status, r->why);
            finish(hc);
            return;
        }
        if (f == HTTP_MORE) {
            set_read_deadline(hc, begun, head);
            if (r->head_done && r->wants_continue && !hc->continued) {
                hc->continued = true;
                net_conn_write(hc->c, PHI_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
            }
            net_conn_resume(hc->c);
            return;
        }
        dispatch(hc);
    }
}

/* ---- Events ---- */

static void on_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct http_conn *hc = ctx;
    if (hc->sse)
        net_conn_take(c, in.n); /* a client has nothing to say on an event stream */
    else if (!hc->req)
        conn_process(hc);
    else if (in.n >= UNREAD_MAX)
        net_conn_pause(c);
}

static void on_eof(struct net_conn *c, void *ctx)
{
    struct http_conn *hc = ctx;
    conn_lost(hc);
    net_conn_finish(c, HTTP_FINISH_MS); /* answers already written still go out */
}

static void on_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    (void)why;
    conn_lost(ctx);
}

static const struct net_conn_events conn_events = { .on_data = on_data, .on_eof = on_eof, .on_closed = on_closed };

static void on_accept(struct net_conn *c, void *ctx)
{
    struct net_http_server *s = ctx;
    struct http_conn *hc = calloc(1, sizeof *hc);
    if (hc)
        hc->reader = calloc(1, sizeof *hc->reader);
    if (!hc || !hc->reader) {
        free(hc);
        net_conn_close(c);
        return;
    }
    hc->server = s;
    hc->c = c;
    hc->soon = (struct net_later){ .fn = conn_soon, .ctx = hc };
    http_reader_init(hc->reader, s->o.max_head, s->o.max_body);
    hc->next = &s->list;
    hc->prev = s->list.prev;
    s->list.prev->next = hc;
    s->list.prev = hc;
    s->live++;
    net_conn_bind(c, &conn_events, hc);
    net_conn_deadline(c, s->o.head_ms);
}

/* ---- The server ---- */

enum phi_rc net_http_listen(struct net_loop *loop, const struct net_http_opts *o, struct net_http_server **ret,
                            struct phi_err *err)
{
    struct net_http_server *s = calloc(1, sizeof *s);
    if (!s)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    s->loop = loop;
    s->o = *o;
    s->o.address = NULL;
    s->o.max_head = o->max_head ? o->max_head : PHI_MAX_HTTP_HEAD;
    s->o.max_body = o->max_body ? o->max_body : PHI_MAX_HTTP_BODY;
    s->o.head_ms = o->head_ms ? o->head_ms : 10000;
    s->o.body_ms = o->body_ms ? o->body_ms : 30000;
    s->o.idle_ms = o->idle_ms ? o->idle_ms : 60000;
    s->list.next = s->list.prev = &s->list;
    s->soon = (struct net_later){ .fn = tell_drained, .ctx = s };
    struct net_listen_opts lo = { .address = o->address,
                                  .tls = o->tls,
                                  .limits = { .max_in = 4 * UNREAD_MAX, .max_out = 64 * 1024 * 1024 },
                                  .max_conns = o->max_conns ? o->max_conns : 1024,
                                  .on_accept = on_accept,
                                  .ctx = s };
    enum phi_rc rc = net_listen(loop, &lo, &s->listener, err);
    if (rc != PHI_OK) {
        free(s);
        return rc;
    }
    *ret = s;
    return PHI_OK;
}

void net_http_tls(struct net_http_server *s, struct net_tls *tls)
{
    if (s->listener)
        net_listener_tls(s->listener, tls);
}

int net_http_port(const struct net_http_server *s)
{
    return net_listener_port(s->listener);
}

static void end_conn(struct http_conn *hc)
{
    struct net_conn *c = hc->c;
    conn_lost(hc);
    net_conn_close(c);
}

void net_http_drain(struct net_http_server *s, net_fn done, void *ctx)
{
    s->drained = done;
    s->drained_ctx = ctx;
    if (!s->draining) {
        s->draining = true;
        net_listener_close(s->listener);
        s->listener = NULL;
    }
    for (struct http_conn *hc = s->list.next, *next; hc != &s->list; hc = next) {
        next = hc->next;
        if (hc->sse || (!hc->req && !hc->reader->begun))
            end_conn(hc);
    }
    check_drained(s);
}

void net_http_close(struct net_http_server *s)
{
    if (!s)
        return;
    net_listener_close(s->listener);
    s->drained = NULL;
    s->closing = true;
    while (s->list.next != &s->list)
        end_conn(s->list.next);
    http_req_spare_end(s);
    net_later_cancel(&s->soon);
    free(s);
}
