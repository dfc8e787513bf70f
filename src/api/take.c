/* What a request says, in the shape that its route wants; copied, since the client may leave before it is answered. */
#include <stdlib.h>
#include <string.h>

#include "api/fast.h"
#include "api/handlers.h"
#include "api/server_in.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/os.h"

enum { OUT_FIRST = 1000, OUT_KEEP = 4096, ARENA_KEEP = 64 * 1024 }; /* what a call is given at once; what the next may have of it */

static struct phi_view kept(struct api_call *c, struct phi_view v)
{
    return phi_arena_copy(&c->arena, v);
}

/* A bearer token wins over a cookie; a request with a bearer token needs no proof against CSRF. */
static void token_take(struct api_exchange *x)
{
    struct phi_view v;
    struct api_call *c = &x->call;
    if (net_http_header(x->req, "authorization", &v)) {
        if (phi_view_starts(v, PHI_LIT("Bearer ")) || phi_view_starts(v, PHI_LIT("bearer ")))
            c->token = kept(c, phi_view_trim(phi_view_from(v, 7)));
    } else if (net_http_cookie(x->req, c->env->cookie, &v)) {
        c->token = kept(c, v);
        c->by_cookie = true;
    }
    if (net_http_cookie(x->req, api_login_cookie(c->env), &v))
        c->login_secret = kept(c, v);
    if (net_http_header(x->req, "x-phi-csrf", &v))
        c->csrf = kept(c, v);
    if (net_http_header(x->req, "user-agent", &v))
        c->agent = kept(c, phi_view_upto(v, 200));
    if (net_http_header(x->req, "idempotency-key", &v))
        c->idempotency = kept(c, v);
    if (net_http_header(x->req, "if-match", &v))
        c->if_match = kept(c, phi_view_upto(v, 256));
    if ((c->route->flags & API_STREAM) && net_http_header(x->req, "last-event-id", &v))
        c->last_event = kept(c, phi_view_upto(v, 32));
    if ((c->route->flags & API_SIGNED) && net_http_header(x->req, "x-slack-signature", &v))
        c->signature = kept(c, v);
    if ((c->route->flags & API_SIGNED) && net_http_header(x->req, "x-slack-request-timestamp", &v))
        c->stamp = kept(c, v);
    if (net_http_header(x->req, "phi-why", &v))
        c->why = kept(c, v);
}

/* What a browser sends with a cookie, or from the form, must come from our own pages. */
static bool origin_ok(struct api_exchange *x)
{
    struct phi_view origin, site;
    bool unsafe = strcmp(x->call.route->method, "GET") != 0, form = x->call.route->flags & API_FORM;
    if (!unsafe || !(x->call.by_cookie || form))
        return true;
    if (net_http_header(x->req, "origin", &origin))
        return phi_view_is(origin, x->call.env->origin);
    if (net_http_header(x->req, "sec-fetch-site", &site))
        return phi_view_is(site, "same-origin");
    return form; /* a link's secret in a client that is no browser */
}

static bool type_is_json(struct net_http_req *r)
{
    struct phi_view v, type;
    if (!net_http_header(r, "content-type", &v) || net_http_header_count(r, "content-type") != 1)
        return false;
    phi_view_split(&v, ';', &type);
    return phi_view_is(phi_view_trim(type), "application/json");
}

static enum api_problem body_take(struct api_exchange *x, struct phi_err *err)
{
    struct api_call *c = &x->call;
    struct phi_view body = net_http_body(x->req);
    if (c->route->flags & API_SIGNED)
        c->raw = kept(c, body);
    if (c->route->flags & API_FORM)
        c->form = kept(c, body);
    if (!c->route->body)
        return API_OK;
    bool open = c->route->flags & API_OPEN;
    if (!type_is_json(x->req))
        return open ? API_NOT_JSON : API_BAD_TYPE;
    body = kept(c, body);
    if (phi_json_read(&c->arena, body, open ? PHI_JSON_INT64 | PHI_JSON_REALS : PHI_JSON_STRICT, "body", &c->body, err) != PHI_OK)
        return API_BAD_JSON;
    return api_body_check(c->route, c->body, err) == PHI_OK ? API_OK : API_BAD_INPUT;
}

static struct phi_view either(struct api_exchange *x, const char *a, const char *b)
{
    struct phi_view v;
    return net_http_header(x->req, a, &v) || net_http_header(x->req, b, &v) ? kept(&x->call, v) : (struct phi_view){ 0 };
}

/* nginx has no fixed names for these, Caddy and Traefik say X-Forwarded-…. */
static void was_take(struct api_exchange *x)
{
    struct phi_view accept = { 0 };
    x->call.was = (struct api_was){ .method = either(x, "x-forwarded-method", "x-original-method"),
                                    .uri = either(x, "x-forwarded-uri", "x-original-uri"),
                                    .host = either(x, "x-forwarded-host", "x-original-host"),
                                    .proto = either(x, "x-forwarded-proto", "x-original-proto") };
    net_http_header(x->req, "accept", &accept);
    for (size_t i = 0; i + 9 <= accept.n && !x->call.was.browser; i++)
        x->call.was.browser = memcmp(accept.p + i, "text/html", 9) == 0;
}

static void protocol_take(struct api_exchange *x)
{
    struct phi_view v;
    x->call.protocol = 1;
    if (net_http_header(x->req, PHI_PROTOCOL_HEADER, &v) && !phi_view_int(v, &x->call.protocol))
        x->call.protocol = 0;
}

/* A proxy's certificate says nothing of who stands behind it. */
static void cert_take(struct api_exchange *x, enum api_listener listener, const struct net_peer_cert *cert)
{
    struct api_call *c = &x->call;
    const struct api_env *env = c->env;
    if (listener == API_GATEWAYS) {
        c->has_key = true;
        c->key = cert->spki;
    } else if (!api_peer_is_trusted(env->proxies, env->n_proxies, net_http_peer_host(x->req))) {
        c->device = kept(c, phi_view_of(cert->name));
    }
}

enum api_problem api_exchange_fill(struct api_exchange *x, enum api_listener listener, const struct api_match *m,
                                  struct phi_err *err)
{
    struct api_call *c = &x->call;
    struct phi_view bad;
    struct net_peer_cert cert;
    memcpy(c->params, m->params, sizeof(c->params));
    c->route = m->route;
    c->query = kept(c, net_http_query(x->req));
    if (c->query.n && !(m->route->flags & API_OPEN) && !api_query_check(&c->arena, c->route, c->query, &bad)) {
        phi_fail(err, PHI_EINPUT,
                 "the query's \"" PHI_FMT
                 "\" is not known here, stands twice, or is not well encoded",
                 PHI_ARG(phi_view_upto(bad, 64)));
        return API_BAD_INPUT;
    }
    token_take(x);
    if (c->route->handler == api_forward)
        was_take(x);
    protocol_take(x);
    if (!origin_ok(x))
        return API_BAD_CSRF;
    if (net_http_peer_cert(x->req, &cert) && cert.ends_ms > phi_now_wall_ms()) /* it may have ended since the connection began */
        cert_take(x, listener, &cert);
    enum api_problem p = body_take(x, err);
    return p == API_OK && !phi_arena_ok(&c->arena) ? API_TOO_LARGE : p;
}

/* The caller's own, where it is harmless in a log line; else the one made up. */
static void request_id_take(struct api_exchange *x)
{
    struct phi_view v;
    if (net_http_header_count(x->req, "x-request-id") != 1 || !net_http_header(x->req, "x-request-id", &v) || !v.n ||
        v.n >= sizeof(x->call.request_id))
        return;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] < 0x20 || v.p[i] > 0x7e)
            return;
    memcpy(x->call.request_id, v.p, v.n);
    x->call.request_id[v.n] = 0;
}

/* Several headers of that name: a proxy that does not join them; whose client it was cannot be told. */
static void peer_take(struct api_exchange *x)
{
    struct phi_view v = { 0 };
    const struct api_env *env = x->call.env;
    if (net_http_header(x->req, "x-forwarded-for", &v) && net_http_header_count(x->req, "x-forwarded-for") > 1)
        v = PHI_LIT("several");
    api_peer_find(env->proxies, env->n_proxies, net_http_peer_host(x->req), v, x->call.peer);
    x->call.from_loopback = net_host_is_loopback(x->call.peer);
}

/* https://www.w3.org/TR/trace-context/: version 00, a trace id that is not all zero. */
static void trace_take(struct api_exchange *x)
{
    struct phi_view v;
    uint8_t bytes[16];
    if (!net_http_header(x->req, "traceparent", &v) || v.n != 55 || !phi_view_starts(v, PHI_LIT("00-")) || v.p[35] != '-' || v.p[52] != '-' ||
        !phi_hex_read(phi_view_mem(v.p + 3, 32), bytes, sizeof(bytes)))
        return;
    memcpy(x->call.trace, v.p + 3, 32);
}

static struct phi_id request_id_make(struct api_server *s)
{
    enum { EACH = 10 };
    if (s->random_left < EACH) {
        phi_random(s->random, sizeof(s->random));
        s->random_left = sizeof(s->random);
    }
    s->random_left -= EACH;
    return phi_id_make((uint64_t)phi_now_wall_ms(), s->random + s->random_left);
}

/* Zeroed but for the memory that it kept. */
static struct api_exchange *exchange_take(struct api_server *s)
{
    struct api_exchange *x = s->spare;
    if (!x) {
        x = calloc(1, sizeof(*x));
        if (x) {
            phi_arena_init(&x->call.arena, API_CALL_MEMORY);
            phi_buf_init(&x->call.out, API_ANSWER_MAX);
            phi_buf_room(&x->call.out, OUT_FIRST);
        }
        return x;
    }
    struct phi_arena arena = x->call.arena;
    struct phi_buf out = x->call.out;
    s->spare = NULL;
    memset(x, 0, sizeof(*x));
    x->call.arena = arena;
    x->call.out = out;
    return x;
}

void api_exchange_spare_end(struct api_server *s)
{
    if (s->spare)
        api_exchange_free(s->spare);
    s->spare = NULL;
}

struct api_exchange *api_exchange_make(struct api_server *s, struct net_http_req *r)
{
    struct api_exchange *x = exchange_take(s);
    if (!x)
        return NULL;
    x->server = s;
    x->req = r;
    x->job.arg = x;
    x->call.env = s->o.env;
    x->call.server = s;
    x->call.hub = s->o.hub;
    peer_take(x);
    struct phi_id id = request_id_make(s);
    memcpy(x->call.request_id, id.s, sizeof(id.s));
    request_id_take(x);
    trace_take(x);
    return x;
}

/* What a call was and had, but for the memory of its answer and its arena. */
static void exchange_forget(struct api_exchange *x)
{
    api_sub_free(x->call.sub);
    api_fast_forget(&x->call);
    if (x->call.token.n)
        phi_wipe((void *)(uintptr_t)x->call.token.p, x->call.token.n); /* our own copy */
    phi_wipe(x->call.cookie, sizeof(x->call.cookie));
    x->call.sub = NULL;
    x->call.token = (struct phi_view){ 0 };
}

void api_exchange_free(struct api_exchange *x)
{
    exchange_forget(x);
    phi_buf_wipe(&x->call.out);
    phi_arena_done(&x->call.arena);
    free(x);
}

void api_exchange_over(struct api_exchange *x)
{
    struct api_server *s = x->server;
    struct phi_buf *out = &x->call.out;
#ifndef PHI_FRESH_MEMORY
    if (!s->spare && out->cap <= OUT_KEEP && x->call.arena.used <= ARENA_KEEP) {
        exchange_forget(x);
        if (out->n)
            phi_wipe(out->p, out->n);
        phi_buf_clear(out);
        phi_arena_reset(&x->call.arena);
        s->spare = x;
        return;
    }
#else
    (void)s, (void)out;
#endif
    api_exchange_free(x);
}
