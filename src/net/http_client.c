#include "net/http_client.h"

#include "net/http_resp.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 16 * 1024 * 1024, EVENT_MAX = 4 * 1024 * 1024 };

struct ring {
    struct ring *next, *prev;
};

struct http_link { /* one pooled connection */
    struct ring ring;
    struct net_http_client *client;
    struct net_conn *c;
    struct net_http_call *call; /* NULL: idle */
    bool open, old; /* old: of credentials that were replaced */
};

struct net_http_call {
    struct ring ring; /* waiting */
    struct net_http_client *client;
    struct http_link *link; /* NULL: waiting */
    struct phi_buf wire;
    struct http_resp resp;
    struct net_timer *deadline;
    int64_t deadline_ms;
    net_http_done done;
    void *ctx;
    bool written;
};

struct net_http_stream {
    struct ring ring;
    struct net_http_client *client;
    struct net_conn *c;
    struct phi_buf wire;
    struct http_resp resp;
    struct sse_reader sse;
    const struct net_http_stream_events *ev;
    void *ctx;
    int64_t quiet_ms;
    bool told_open;
    bool busy, dead; /* closed inside its own callback: freed when that is over */
};

struct net_http_client {
    struct net_loop *loop;
    struct net_tls *tls;
    char *address, *host, *tls_name;
    int max_conns, conns;
    int64_t idle_ms;
    struct ring links, waiting, streams;
    struct net_later pump;
};

struct net_http_in {
    const struct http_resp *resp;
};

static void ring_init(struct ring *r)
{
    r->next = r->prev = r;
}

static void ring_add(struct ring *head, struct ring *r)
{
    r->next = head;
    r->prev = head->prev;
    head->prev->next = r;
    head->prev = r;
}

static void ring_remove(struct ring *r)
{
    r->prev->next = r->next;
    r->next->prev = r->prev;
    ring_init(r);
}

/* ---- The answer as the caller sees it ---- */

int net_http_in_status(const struct net_http_in *in)
{
    return in->resp->status;
}

bool net_http_in_header(const struct net_http_in *in, const char *name, struct phi_view *ret)
{
    return http_field(&in->resp->text, &in->resp->fields, name, 0, ret);
}

struct phi_view net_http_in_body(const struct net_http_in *in)
{
    return phi_buf_view(&in->resp->body);
}

/* ---- Ends ---- */

static void link_drop(struct http_link *l)
{
    ring_remove(&l->ring);
    l->client->conns--;
    net_conn_close(l->c);
    free(l);
}

static void call_free(struct net_http_call *call)
{
    ring_remove(&call->ring);
    net_timer_close(call->deadline);
    phi_buf_wipe(&call->wire);
    phi_buf_done(&call->wire);
    http_resp_done(&call->resp);
    free(call);
}

/* Takes the call off its connection, which is kept only when it can serve again. */
static void call_detach(struct net_http_call *call, bool keep)
{
    struct http_link *l = call->link;
    call->link = NULL;
    ring_remove(&call->ring);
    if (l) {
        l->call = NULL;
        if (keep && !l->old)
            net_conn_deadline(l->c, call->client->idle_ms);
        else
            link_drop(l);
    }
    net_later(call->client->loop, &call->client->pump);
}

static void call_fail(struct net_http_call *call, const struct phi_err *err)
{
    bool maybe = call->written;
    struct phi_err why = *err;
    call_detach(call, false);
    call->done(NULL, &why, maybe, call->ctx);
    call_free(call);
}

static void call_finish(struct net_http_call *call, bool keep)
{
    struct net_http_in in = { .resp = &call->resp };
    call_detach(call, keep);
    call->done(&in, NULL, false, call->ctx);
    call_free(call);
}

static void on_deadline(void *ctx)
{
    struct net_http_call *call = ctx;
    struct phi_err err;
    phi_fail(&err, PHI_EEXPIRED, "%s: no answer within %lld ms", call->client->address,
             (long long)call->deadline_ms);
    call_fail(call, &err);
}

/* ---- A pooled connection ---- */

static void link_write(struct http_link *l)
{
    l->call->written = true;
    net_conn_write(l->c, phi_buf_view(&l->call->wire)); /* its failure arrives as on_closed */
}

static void link_open(struct net_conn *c, void *ctx)
{
    (void)c;
    struct http_link *l = ctx;
    l->open = true;
    net_conn_deadline(l->c, l->call ? 0 : l->client->idle_ms);
    if (l->call)
        link_write(l);
}

static void link_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct http_link *l = ctx;
    if (!l->call) { /* nobody asked: the next answer could not be told from it */
        link_drop(l);
        return;
    }
    size_t before = in.n;
    enum http_frame f = http_resp_read(&l->call->resp, &in);
    net_conn_take(c, before - in.n);
    if (f == HTTP_MORE)
        return;
    if (f == HTTP_BAD) {
        struct phi_err err;
        phi_fail(&err, PHI_EINPUT, "%s: %s", l->client->address, l->call->resp.why);
        call_fail(l->call, &err);
        return;
    }
    call_finish(l->call, l->call->resp.keep_alive && in.n == 0);
}

static void link_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    struct http_link *l = ctx;
    if (l->call) {
        struct phi_err err;
        phi_fail(&err, why->rc == PHI_EEXPIRED ? PHI_EEXPIRED : PHI_EIO, "%s%s", why->msg,
                 l->open ? " before it answered" : "");
        call_fail(l->call, &err);
    } else {
        link_drop(l);
    }
}

static const struct net_conn_events link_events = { .on_open = link_open, .on_data = link_data, .on_closed = link_closed };

static struct http_link *idle_link(struct net_http_client *c)
{
    for (struct ring *r = c->links.prev; r != &c->links; r = r->prev) /* the youngest first */
        if (!((struct http_link *)r)->call)
            return (struct http_link *)r;
    return NULL;
}

static enum phi_rc connect_to(struct net_http_client *c, size_t max_in, const struct net_conn_events *ev, void *ctx,
                              struct net_conn **ret, struct phi_err *err)
{
    struct net_connect_opts o = { .address = c->address,
                                  .tls = c->tls,
                                  .tls_name = c->tls_name,
                                  .limits = { .max_in = max_in, .max_out = 2 * BODY_MAX } };
    return net_connect(c->loop, &o, ev, ctx, ret, err);
}

static struct http_link *new_link(struct net_http_client *c, struct phi_err *err)
{
    struct http_link *l = calloc(1, sizeof *l);
    if (!l) {
        phi_fail(err, PHI_ELIMIT, "out of memory");
        return NULL;
    }
    l->client = c;
    if (connect_to(c, 64 * 1024, &link_events, l, &l->c, err) != PHI_OK) {
        free(l);
        return NULL;
    }
    ring_add(&c->links, &l->ring);
    c->conns++;
    return l;
}

/* Gives waiting calls a connection, as far as there are some. */
static void pump(void *ctx)
{
    struct net_http_client *c = ctx;
    if (c->waiting.next == &c->waiting)
        return;
    struct net_http_call *call = (struct net_http_call *)c->waiting.next;
    struct http_link *l = idle_link(c);
    struct phi_err err;
    if (!l && c->conns >= c->max_conns)
        return;
    if (!l)
        l = new_link(c, &err);
    if (!l) {
        call_fail(call, &err); /* asks for the pump again; the client may be gone afterwards */
        return;
    }
    ring_remove(&call->ring);
    call->link = l;
    l->call = call;
    if (l->open) {
        net_conn_deadline(l->c, 0);
        link_write(l);
    }
    net_later(c->loop, &c->pump);
}

/* ---- Requests ---- */

static bool out_ok(const struct net_http_out *o)
{
    if (!http_token_ok(o->method) || !http_target_ok(phi_view_of(o->path)) ||
        (o->type && !http_value_ok(phi_view_of(o->type))))
        return false;
    for (size_t i = 0; i < o->nfields; i++)
        if (!http_token_ok(o->fields[i].name) || !http_value_ok(phi_view_of(o->fields[i].value)))
            return false;
    return true;
}

static enum phi_rc build(struct net_http_client *c, const struct net_http_out *o, struct phi_buf *wire,
                         struct phi_err *err)
{
    if (!out_ok(o))
        return phi_fail(err, PHI_EINPUT, "the request holds characters that HTTP does not allow");
    phi_buf_init(wire, BODY_MAX + 64 * 1024);
    phi_buf_printf(wire, "%s %s HTTP/1.1\r\nHost: %s\r\n", o->method, o->path, c->host);
    for (size_t i = 0; i < o->nfields; i++) {
        phi_buf_adds(wire, o->fields[i].name);
        phi_buf_adds(wire, ": ");
        phi_buf_adds(wire, o->fields[i].value);
        phi_buf_adds(wire, "\r\n");
    }
    if (o->type)
        phi_buf_printf(wire, "Content-Type: %s\r\n", o->type);
    if (o->type || (strcmp(o->method, "GET") != 0 && strcmp(o->method, "HEAD") != 0))
        phi_buf_printf(wire, "Content-Length: %zu\r\n", o->body.n);
    phi_buf_adds(wire, "\r\n");
    phi_buf_add(wire, o->body);
    if (phi_buf_ok(wire))
        return PHI_OK;
    phi_buf_done(wire);
    return phi_fail(err, PHI_ELIMIT, "the request is too large");
}

struct net_http_call *net_http_send(struct net_http_client *c, const struct net_http_out *out, net_http_done done,
                                    void *ctx, struct phi_err *err)
{
    struct net_http_call *call = calloc(1, sizeof *call);
    if (!call) {
        phi_fail(err, PHI_ELIMIT, "out of memory");
        return NULL;
    }
    ring_init(&call->ring);
    call->client = c;
    call->done = done;
    call->ctx = ctx;
    call->deadline_ms = out->deadline_ms > 0 ? out->deadline_ms : 30000;
    http_resp_init(&call->resp, out->max_body ? out->max_body : BODY_MAX);
    call->resp.skip_body = strcmp(out->method, "HEAD") == 0;
    call->deadline = net_timer_open(c->loop, on_deadline, call);
    if (!call->deadline || build(c, out, &call->wire, err) != PHI_OK) {
        if (!call->deadline)
            phi_fail(err, PHI_ELIMIT, "out of memory");
        call_free(call);
        return NULL;
    }
    net_timer_set(call->deadline, call->deadline_ms, 0);
    ring_add(&c->waiting, &call->ring);
    net_later(c->loop, &c->pump);
    return call;
}

void net_http_cancel(struct net_http_call *call)
{
    call_detach(call, false);
    call_free(call);
}

/* ---- Event streams ---- */

void net_http_stream_close(struct net_http_stream *s)
{
    if (!s)
        return;
    ring_remove(&s->ring);
    net_conn_close(s->c);
    s->c = NULL;
    s->dead = true;
    if (s->busy)
        return;
    phi_buf_wipe(&s->wire);
    phi_buf_done(&s->wire);
    http_resp_done(&s->resp);
    sse_reader_done(&s->sse);
    free(s);
}

static void stream_end(struct net_http_stream *s, int status, enum phi_rc rc, const char *why)
{
    struct phi_err err;
    phi_fail(&err, rc, "%s: %s", s->client->address, why);
    const struct net_http_stream_events *ev = s->ev;
    void *ctx = s->ctx;
    net_http_stream_close(s);
    ev->on_closed(status, &err, ctx);
}

static bool stream_event(void *ctx, struct phi_view id, struct phi_view event, struct phi_view data)
{
    struct net_http_stream *s = ctx;
    s->ev->on_event(id, event, data, s->ctx);
    return !s->dead;
}

static bool is_event_stream(const struct http_resp *r)
{
    struct phi_view type;
    return r->status == 200 && http_field(&r->text, &r->fields, "content-type", 0, &type) &&
           phi_view_starts(type, PHI_LIT("text/event-stream"));
}

/* Nothing of a body is read as events before its head said that it is a stream. */
static bool stream_begun(struct net_http_stream *s)
{
    if (s->told_open)
        return true;
    if (!is_event_stream(&s->resp))
        return false;
    s->told_open = true;
    if (s->ev->on_open)
        s->ev->on_open(s->ctx);
    return !s->dead;
}

static bool stream_body(void *ctx, struct phi_view part)
{
    struct net_http_stream *s = ctx;
    return stream_begun(s) && sse_read(&s->sse, part, stream_event, s);
}

static void stream_open(struct net_conn *c, void *ctx)
{
    struct net_http_stream *s = ctx;
    net_conn_deadline(c, s->quiet_ms);
    net_conn_write(c, phi_buf_view(&s->wire));
}

static void stream_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct net_http_stream *s = ctx;
    size_t before = in.n;
    s->busy = true;
    enum http_frame f = http_resp_read(&s->resp, &in);
    bool ok = !s->dead && (!s->resp.head_done || stream_begun(s));
    s->busy = false;
    if (s->dead) {
        net_http_stream_close(s);
        return;
    }
    net_conn_take(c, before - in.n);
    int status = s->told_open ? 0 : s->resp.status;
    if (!ok)
        stream_end(s, status, PHI_EINPUT, "this is no event stream");
    else if (f == HTTP_BAD)
        stream_end(s, status, PHI_EINPUT, s->resp.why);
    else if (f == HTTP_READY)
        stream_end(s, status, PHI_OK, "the event stream ended");
    else
        net_conn_deadline(c, s->quiet_ms);
}

static void stream_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    struct phi_err err = *why;
    stream_end(ctx, 0, err.rc == PHI_OK ? PHI_EIO : err.rc, err.msg);
}

static const struct net_conn_events stream_events = { .on_open = stream_open,
                                                      .on_data = stream_data,
                                                      .on_closed = stream_closed };

struct net_http_stream *net_http_stream_open(struct net_http_client *c, const struct net_http_out *out,
                                             int64_t quiet_ms, const struct net_http_stream_events *ev, void *ctx,
                                             struct phi_err *err)
{
    struct net_http_stream *s = calloc(1, sizeof *s);
    if (!s) {
        phi_fail(err, PHI_ELIMIT, "out of memory");
        return NULL;
    }
    ring_init(&s->ring);
    s->client = c;
    s->ev = ev;
    s->ctx = ctx;
    s->quiet_ms = quiet_ms;
    http_resp_init(&s->resp, 0);
    s->resp.on_body = stream_body;
    s->resp.ctx = s;
    sse_reader_init(&s->sse, EVENT_MAX);
    if (build(c, out, &s->wire, err) != PHI_OK ||
        connect_to(c, EVENT_MAX, &stream_events, s, &s->c, err) != PHI_OK) {
        net_http_stream_close(s);
        return NULL;
    }
    ring_add(&c->streams, &s->ring);
    return s;
}

/* ---- The client ---- */

static char *copy(const char *s, bool *ok)
{
    char *t = s ? strdup(s) : NULL;
    *ok = *ok && (t || !s);
    return t;
}

enum phi_rc net_http_client_open(struct net_loop *loop, const struct net_http_client_opts *o,
                                 struct net_http_client **ret, struct phi_err *err)
{
    struct net_hostport at;
    if (strncmp(o->address, "unix:", 5) != 0)
        PHI_TRY(net_hostport_read(o->address, &at, err));
    struct net_http_client *c = calloc(1, sizeof *c);
    if (!c)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    bool ok = true;
    c->loop = loop;
    c->address = copy(o->address, &ok);
    c->host = copy(o->host ? o->host : o->address, &ok);
    c->tls_name = copy(o->tls_name, &ok);
    c->tls = o->tls ? net_tls_ref(o->tls) : NULL;
    c->max_conns = o->max_conns > 0 ? o->max_conns : 8;
    c->idle_ms = o->idle_ms > 0 ? o->idle_ms : 20000;
    c->pump = (struct net_later){ .fn = pump, .ctx = c };
    ring_init(&c->links);
    ring_init(&c->waiting);
    ring_init(&c->streams);
    if (!ok || !http_value_ok(phi_view_of(c->host))) {
        net_http_client_close(c);
        return phi_fail(err, PHI_EINPUT, "the client cannot be set up");
    }
    *ret = c;
    return PHI_OK;
}

void net_http_client_tls(struct net_http_client *c, struct net_tls *tls)
{
    for (struct ring *r = c->links.next, *next; r != &c->links; r = next) {
        struct http_link *l = (struct http_link *)r;
        next = r->next;
        l->old = true;
        if (!l->call)
            link_drop(l);
    }
    net_tls_close(c->tls);
    c->tls = net_tls_ref(tls);
}

void net_http_client_close(struct net_http_client *c)
{
    if (!c)
        return;
    while (c->waiting.next != &c->waiting)
        call_free((struct net_http_call *)c->waiting.next);
    while (c->streams.next != &c->streams)
        net_http_stream_close((struct net_http_stream *)c->streams.next);
    while (c->links.next != &c->links) {
        struct http_link *l = (struct http_link *)c->links.next;
        if (l->call)
            call_free(l->call);
        link_drop(l);
    }
    net_later_cancel(&c->pump);
    net_tls_close(c->tls);
    free(c->address);
    free(c->host);
    free(c->tls_name);
    free(c);
}
