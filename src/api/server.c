#include "api/server_in.h"

#include <stdlib.h>
#include <string.h>

#include "api/change.h"
#include "api/fast.h"
#include "api/handlers.h"
#include "api/page.h"
#include "api/renew.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"

#define ETAG_MAX (1024 * 1024) /* of an answer that is made on the loop's thread */
#define PEOPLE_CONNS_MAX 20000 /* event streams too; the kernel's limit on descriptors may be lower */

/* Of every answer. */
#define HEADERS                                                                                                        \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src " \
    "'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"   \
    "X-Content-Type-Options: nosniff\r\n"                                                                              \
    "X-Frame-Options: DENY\r\n"                                                                                        \
    "Referrer-Policy: same-origin\r\n"                                                                                 \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                                      \
    "Cross-Origin-Resource-Policy: same-origin\r\n"                                                                    \
    "Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n"

/* ---- answering ---- */

static void headers_set(const struct api_server *s, struct net_http_req *r, const char *cache)
{
    if (s->hsts)
        net_http_set(r, "Strict-Transport-Security", "max-age=63072000");
    net_http_set_lines(r, cache ? PHI_LIT(HEADERS) : PHI_LIT(HEADERS "Cache-Control: no-store\r\n"));
    if (cache)
        net_http_set(r, "Cache-Control", cache);
}

static void answer_send(struct api_server *s, struct net_http_req *r, int status, const char *type,
                        struct phi_view body)
{
    s->by_class[status >= 100 && status < 600 ? status / 100 : 0]++;
    net_http_reply(r, status, type, body);
}

static void retry_set(struct net_http_req *r, int seconds)
{
    PHI_BUF(text, 16);
    if (seconds <= 0)
        return;
    phi_buf_printf(&text, "%d", seconds);
    net_http_set(r, "Retry-After", phi_buf_str(&text));
}

static void problem_send(struct api_server *s, struct net_http_req *r, enum api_problem p,
                         const char *detail, const char *request_id)
{
    PHI_BUF(out, 64 * 1024);
    struct phi_jw w;
    phi_jw_init(&w, &out);
    api_problem_begin(&w, s->o.env->origin, p, phi_view_of(detail), phi_view_of(request_id));
    phi_jw_end(&w);
    if (p == API_NOT_SIGNED_IN)
        net_http_set(r, "WWW-Authenticate", "Bearer realm=\"phi\"");
    int status = api_problem_text(p)->status;
    retry_set(r, status == 429 ? 60 : status == 503 ? 5 : 0);
    headers_set(s, r, NULL);
    if (request_id)
        net_http_set(r, "X-Request-Id", request_id);
    answer_send(s, r, status, "application/problem+json", phi_buf_view(&out));
}

/* People who follow a link see a page, not JSON. */
static void problem_page(struct api_server *s, struct net_http_req *r, enum api_problem p, const char *detail, const char *request_id)
{
    const struct api_problem_text *t = api_problem_text(p);
    PHI_BUF(out, 4096);
    phi_buf_printf(
        &out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>phi</title><link rel=\"stylesheet\" "
        "href=\"/login.css\"></head><body><main><h1>%s</h1><p>",
        t->title);
    if (t->status < 500)
        api_html_add(&out, phi_view_of(detail));
    phi_buf_printf(&out, "</p><p>%s</p></main></body></html>\n", t->next);
    headers_set(s, r, NULL);
    net_http_set(r, "X-Request-Id", request_id);
    answer_send(s, r, t->status, "text/html; charset=utf-8", phi_buf_view(&out));
}

static void problem_answer(struct api_exchange *x)
{
    struct api_job *j = &x->job;
    enum api_problem p = x->call.problem;
    if (p == API_OK)
        p = api_problem_by_code(j->why);
    if (p == API_OK)
        p = api_problem_of_rc(j->rc);
    if (p == API_UNAVAILABLE || p == API_INTERNAL)
        PHI_LOG(ERROR, "call failed", "why", "%s (%s%s%s)", j->err.msg, x->call.request_id, x->call.trace[0] ? ", trace " : "", x->call.trace);
    if (x->call.route->flags & API_FORM)
        problem_page(x->server, x->req, p, j->err.msg, x->call.request_id);
    else
        problem_send(x->server, x->req, p, j->err.msg, x->call.request_id);
}

static void forward_set(struct net_http_req *r, const struct api_call *c)
{
    PHI_BUF(text, 16);
    if (c->held)
        net_http_set(r, "Phi-Held", c->held);
    if (c->person_header) {
        net_http_setv(r, "Phi-Person", c->person.id);
        net_http_setv(r, "Phi-Name", c->person.name);
    }
    if (c->refresh_s <= 0)
        return;
    phi_buf_printf(&text, "%d", c->refresh_s);
    net_http_set(r, "Refresh", phi_buf_str(&text));
}

static bool is_listed(struct phi_view list, struct phi_view etag)
{
    struct phi_view one;
    while (phi_view_split(&list, ',', &one)) {
        one = phi_view_trim(one);
        if (phi_view_starts(one, PHI_LIT("W/"))) /* RFC 9110, 13.1.2: compared weakly */
            one = phi_view_from(one, 2);
        if (phi_view_eq(one, etag) || phi_view_is(one, "*"))
            return true;
    }
    return false;
}

/* True: the client has it already. */
static bool etag_answer(struct api_exchange *x)
{
    struct api_call *c = &x->call;
    struct phi_view body = phi_buf_view(&c->out), have, etag = c->etag;
    PHI_BUF(text, 64);
    if (c->status != 200 || strcmp(c->route->method, "GET") != 0 || !c->type || strcmp(c->type, "application/json") != 0 || body.n > ETAG_MAX)
        return false;
    if (!etag.n) {
        struct phi_digest d = phi_sha256(body);
        phi_buf_adds(&text, "\"");
        phi_hex_add(&text, phi_view_upto(phi_digest_view(&d), 16));
        phi_buf_adds(&text, "\"");
        etag = phi_buf_view(&text);
    }
    net_http_setv(x->req, "ETag", etag);
    return net_http_header(x->req, "if-none-match", &have) && is_listed(have, etag);
}

static void call_answer(struct api_exchange *x)
{
    struct api_call *c = &x->call;
    if (!phi_buf_ok(&c->out)) {
        PHI_LOG(ERROR, "answer too large", "route", "%s", c->route->pattern);
        problem_send(x->server, x->req, API_INTERNAL, "the answer is too large", c->request_id);
        return;
    }
    headers_set(x->server, x->req, c->cache);
    if (c->cookie[0])
        net_http_set(x->req, "Set-Cookie", c->cookie);
    if (c->location)
        net_http_set(x->req, "Location", c->location);
    retry_set(x->req, c->retry_after_s);
    forward_set(x->req, c);
    net_http_set(x->req, "X-Request-Id", c->request_id);
    if (etag_answer(x))
        answer_send(x->server, x->req, 304, NULL, (struct phi_view){ 0 });
    else
        answer_send(x->server, x->req, c->status, c->type, phi_buf_view(&c->out));
}

static void ahead_send(struct api_exchange *x);

static void call_done(struct api_job *j)
{
    struct api_exchange *x = j->arg;
    if (j->rc == PHI_OK && x->call.ask) {
        ahead_send(x);
        return;
    }
    for (size_t i = 0; j->rc == PHI_OK && i < x->call.n_renew; i++)
        api_renew_ask(x->call.env->renew, x->call.renew[i]);
    if (j->rc == PHI_OK && x->call.route->handler == api_session_end)
        api_hub_forget(x->call.hub, x->call.token); /* the server may be gone by now, where its last client left */
    if (j->rc == PHI_OK && (x->call.route->flags & API_STREAM)) {
        struct api_sub *sub = x->call.sub;
        x->call.sub = NULL;
        if (x->req)
            headers_set(x->server, x->req, NULL);
        if (!api_sub_serve(x->call.hub, sub, x->req) && x->req)
            problem_send(x->server, x->req, API_LIMIT, "too many event streams are open",
                         x->call.request_id);
    } else if (x->req && j->rc == PHI_OK) {
        api_fast_keep(x->server->fast, &x->call);
        call_answer(x);
    } else if (x->req) {
        problem_answer(x);
    }
    api_exchange_free(x);
}

static void call_gone(struct net_http_req *r, void *ctx)
{
    (void)r;
    ((struct api_exchange *)ctx)->req = NULL;
}

/* ---- running ---- */

/* Who asks for a condition is never served without it. */
static enum phi_rc precondition(struct api_call *c, struct phi_err *err)
{
    if (!c->if_match.n)
        return PHI_OK;
    if (c->route->handler == api_bundle_put)
        return api_bundle_match(c, err);
    return api_refuse(c, err, API_PRECONDITION_NONE, "If-Match means nothing here");
}

static enum phi_rc call_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct api_call *c = &((struct api_exchange *)arg)->call;
    c->core = core;
    PHI_TRY(api_admit(c, err));
    PHI_TRY(precondition(c, err));
    PHI_TRY(c->filing ? api_change_file(c, err) : c->route->handler(c, err));
    if (api_fast_route(c->route))
        api_fast_learn(((struct api_exchange *)arg)->server->fast, c);
    return phi_arena_ok(&c->arena) ? PHI_OK
                                   : phi_fail(err, PHI_ELIMIT, "this takes too much memory");
}

static void call_foresee(struct phi_core *core, void *arg, struct core_ahead *h)
{
    struct api_call *c = &((struct api_exchange *)arg)->call;
    (void)core;
    if (c->route->right == API_RIGHT_GATEWAY)
        api_gw_foresee(c, h);
}

static void call_committed(struct api_job *j)
{
    struct api_exchange *x = j->arg;
    if (x->call.sub)
        api_sub_join(x->server->o.hub, x->call.sub);
}

/* ---- asking outside between two calls of the handler ---- */

static void ahead_fail(struct api_exchange *x, enum phi_rc rc, const char *why)
{
    x->call.ask = NULL;
    x->job.rc = phi_fail(&x->job.err, rc, "%s", why);
    x->job.why = "";
    call_done(&x->job);
}

static void ahead_got(const struct net_fetch_answer *a, const struct phi_err *err, bool maybe_done, void *ctx)
{
    struct api_exchange *x = ctx;
    (void)maybe_done;
    api_call_got(&x->call, a, err);
    if (!x->req)
        api_exchange_free(x); /* nobody waits any more */
    else if (!api_engine_submit(x->server->o.engine, &x->job))
        ahead_fail(x, PHI_ELIMIT, "too much waits");
}

static void ahead_send(struct api_exchange *x)
{
    const struct net_fetch *f = &x->call.env->fetch;
    struct phi_err err = { 0 };
    if (!f->self)
        ahead_fail(x, PHI_EIO, "nothing outside can be asked");
    else if (f->send(f->self, x->call.ask, ahead_got, x, &err) != PHI_OK)
        ahead_fail(x, err.rc, err.msg);
}

static void local_run(struct api_exchange *x)
{
    struct api_job *j = &x->job;
    j->why = "";
    j->rc = x->call.route->handler(&x->call, &j->err);
    call_done(j);
}

static bool changes(const struct api_route *r) /* the store */
{
    return strcmp(r->method, "GET") != 0 && !api_fast_route(r) && r->handler != api_gw_await;
}

static void core_run(struct api_exchange *x)
{
    bool stream = x->call.route->flags & API_STREAM;
    x->job = (struct api_job){ .run = call_run,
                               .foresee = call_foresee,
                               .committed = stream ? call_committed : NULL,
                               .done = call_done,
                               .arg = x,
                               .changes = changes(x->call.route) };
    if (api_engine_submit(x->server->o.engine, &x->job)) {
        net_http_defer(x->req, call_gone, x);
        return;
    }
    problem_send(x->server, x->req, API_BUSY, NULL, x->call.request_id);
    api_exchange_free(x);
}

/* ---- the two listeners ---- */

static bool file_serve(struct api_server *s, struct net_http_req *r)
{
    struct phi_view match, method = net_http_method(r);
    if (!phi_view_is(method, "GET") && !phi_view_is(method, "HEAD"))
        return false;
    const struct api_file *f = api_files_find(s->o.files, net_http_path(r));
    if (!f)
        return false;
    headers_set(s, r, "no-cache");
    net_http_set(r, "ETag", f->etag);
    if (net_http_header(r, "if-none-match", &match) && phi_view_is(match, f->etag))
        answer_send(s, r, 304, NULL, (struct phi_view){ 0 });
    else
        answer_send(s, r, 200, f->type, f->body);
    return true;
}

static void match_fail(struct api_exchange *x, const struct api_match *m)
{
    if (m->problem == API_NO_METHOD)
        net_http_set(x->req, "Allow", m->allow);
    problem_send(x->server, x->req, m->problem, NULL, x->call.request_id);
    api_exchange_free(x);
}

static void request_take(struct api_server *s, struct net_http_req *r, enum api_listener listener)
{
    struct api_match m;
    struct phi_err err = { 0 };
    struct api_exchange *x = api_exchange_make(s, r);
    if (!x) {
        answer_send(s, r, 503, NULL, (struct phi_view){ 0 });
        return;
    }
    api_match(&x->call.arena, listener, net_http_method(r), net_http_path(r), &m);
    if (m.route && (m.route->flags & API_STREAM) && phi_view_is(net_http_method(r), "HEAD"))
        m = (struct api_match){ .problem = API_NO_METHOD, .allow = "GET" };
    if (!m.route) {
        match_fail(x, &m);
        return;
    }
    enum api_problem p = api_exchange_fill(x, listener, &m, &err);
    if (p != API_OK) {
        problem_send(s, r, p, err.msg, x->call.request_id);
        api_exchange_free(x);
    } else if (m.route->flags & API_LOCAL) {
        local_run(x);
    } else if (api_fast_route(m.route) && api_fast_full(s->fast)) {
        problem_send(s, r, API_BUSY, "decisions cannot be recorded now", x->call.request_id);
        api_exchange_free(x);
    } else if (api_fast_route(m.route) && api_fast_answer(s->fast, &x->call)) {
        call_answer(x);
        api_exchange_over(x);
    } else {
        core_run(x);
    }
}

static bool host_ok(const struct api_server *s, struct net_http_req *r)
{
    struct phi_view host;
    if (!net_http_header(r, "host", &host))
        return false;
    for (size_t i = 0; i < s->o.n_hosts; i++)
        if (phi_view_is(host, s->o.hosts[i]))
            return true;
    return false;
}

static void people_request(struct net_http_req *r, void *ctx)
{
    struct api_server *s = ctx;
    if (!host_ok(s, r))
        problem_send(s, r, API_BAD_HOST, NULL, NULL);
    else if (!file_serve(s, r))
        request_take(s, r, API_PEOPLE);
}

static void gateways_request(struct net_http_req *r, void *ctx)
{
    request_take(ctx, r, API_GATEWAYS);
}

/* RFC 6797. Not for this machine's own names: it would hold for all that serves there, on every port. */
static bool hsts_fits(const struct api_env *env)
{
    struct net_hostport at;
    PHI_BUF(address, 512);
    if (!env->secure)
        return false;
    struct phi_view host = phi_view_from(phi_view_of(env->origin), 8);
    bool port = host.n && memchr(host.p, ':', host.n);
    phi_buf_printf(&address, PHI_FMT "%s", PHI_ARG(host), port ? "" : ":443");
    return net_hostport_read(phi_buf_str(&address), &at, NULL) == PHI_OK && !net_host_is_loopback(at.host);
}

enum phi_rc api_server_open(const struct api_server_opts *o, struct api_server **ret,
                            struct phi_err *err)
{
    struct api_server *s = calloc(1, sizeof(*s));
    if (!s)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    s->o = *o;
    s->hsts = hsts_fits(o->env);
    struct net_http_opts people = { .address = o->people, .tls = o->people_tls, .max_conns = PEOPLE_CONNS_MAX, .on_request = people_request, .ctx = s };
    struct net_http_opts gateways = {
        .address = o->gateways, .tls = o->gateways_tls, .on_request = gateways_request, .ctx = s};
    enum phi_rc rc = api_fast_open(o->loop, o->engine, o->shared, &s->fast, err);
    if (rc == PHI_OK)
        rc = net_http_listen(o->loop, &people, &s->people, err);
    if (rc == PHI_OK)
        rc = net_http_listen(o->loop, &gateways, &s->gateways, err);
    if (rc != PHI_OK) {
        api_server_close(s);
        return rc;
    }
    *ret = s;
    return PHI_OK;
}

void api_server_tls(struct api_server *s, struct net_tls *people)
{
    net_http_tls(s->people, people);
}

int api_server_people_port(const struct api_server *s)
{
    return net_http_port(s->people);
}

int api_server_gateways_port(const struct api_server *s)
{
    return net_http_port(s->gateways);
}

static void one_drained(void *ctx)
{
    struct api_server *s = ctx;
    if (--s->draining == 0 && s->drained)
        api_fast_drain(s->fast, s->drained, s->drained_ctx);
}

void api_server_drain(struct api_server *s, net_fn done, void *ctx)
{
    s->drained = done;
    s->drained_ctx = ctx;
    s->draining = 2;
    net_http_drain(s->people, one_drained, s);
    net_http_drain(s->gateways, one_drained, s);
}

void api_server_close(struct api_server *s)
{
    if (!s)
        return;
    if (s->people)
        net_http_close(s->people);
    if (s->gateways)
        net_http_close(s->gateways);
    api_fast_close(s->fast);
    api_exchange_spare_end(s);
    free(s);
}

bool api_server_writes(const struct api_server *s)
{
    return api_engine_writes(s->o.engine);
}

void api_server_metrics(struct api_server *s, struct phi_buf *out)
{
    api_fast_metrics(s->fast, out);
    struct api_engine_counts n = api_engine_counts(s->o.engine);
    phi_buf_adds(out, "# TYPE phi_http_answers_total counter\n");
    for (int i = 1; i < 6; i++)
        phi_buf_printf(out, "phi_http_answers_total{class=\"%dxx\"} %llu\n", i,
                       (unsigned long long)s->by_class[i]);
    phi_buf_printf(
        out,
        "# TYPE phi_core_batches_total counter\nphi_core_batches_total %llu\n"
        "# TYPE phi_core_jobs_total counter\nphi_core_jobs_total %llu\n"
        "# TYPE phi_core_failed_batches_total counter\nphi_core_failed_batches_total %llu\n"
        "# TYPE phi_log_signed_heads_total counter\nphi_log_signed_heads_total %llu\n"
        "# TYPE phi_log_signed_size gauge\nphi_log_signed_size %lld\n"
        "# TYPE phi_event_streams gauge\nphi_event_streams %zu\n",
        (unsigned long long)n.batches, (unsigned long long)n.jobs,
        (unsigned long long)n.failed_batches, (unsigned long long)n.signed_heads,
        (long long)n.signed_size, api_hub_count(s->o.hub));
}
