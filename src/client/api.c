#include "client/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/os.h"

enum { REPLY_ARENA = 96 * 1024 * 1024, QUIET_MS = 30000 };

struct client {
    struct net_loop *loop;
    struct net_http_client *http;
    struct client_url url;
    char *bearer; /* "Bearer …"; NULL: none */
    struct client_call *calls;
};

struct client_call {
    struct client *client;
    struct client_call *next, **at;
    struct net_http_call *http;
    client_done done;
    void *ctx;
    struct phi_arena *into; /* NULL: an arena of the answer's own */
    int64_t sent_boot_ms;
};

/* ---- Addresses ---- */

enum phi_rc client_url_read(const char *url, bool plain_ok, struct client_url *ret, struct phi_err *err)
{
    struct phi_view v = phi_view_of(url), host;
    struct net_hostport at;
    *ret = (struct client_url){ 0 };
    if (phi_view_starts(v, PHI_LIT("https://")))
        ret->tls = true;
    else if (!phi_view_starts(v, PHI_LIT("http://")))
        return phi_fail(err, PHI_EINPUT, "phid's address \"%.80s\" must begin with http:// or https://", url);
    host = phi_view_from(v, ret->tls ? 8 : 7);
    if (host.n && host.p[host.n - 1] == '/')
        host.n--;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= ' ' || host.p[i] >= 0x7f || strchr("/?#@\\%", host.p[i]))
            return phi_fail(err, PHI_EINPUT, "phid's address \"%.80s\" must be only a scheme, a host and a port", url);
    if (host.n == 0 || host.n > 260)
        return phi_fail(err, PHI_EINPUT, "phid's address \"%.80s\" has no host", url);
    bool port = host.p[host.n - 1] != ']' && memrchr(host.p, ':', host.n);
    snprintf(ret->address, sizeof ret->address, PHI_FMT "%s", PHI_ARG(host), port ? "" : ret->tls ? ":443" : ":80");
    PHI_TRY(net_hostport_read(ret->address, &at, err));
    if (at.port == 0)
        return phi_fail(err, PHI_EINPUT, "phid's address \"%.80s\" has no port", url);
    memcpy(ret->host, at.host, sizeof ret->host);
    ret->port = at.port;
    snprintf(ret->origin, sizeof ret->origin, "%s://" PHI_FMT, ret->tls ? "https" : "http", PHI_ARG(host));
    if (!ret->tls && !plain_ok && !net_host_is_loopback(ret->host))
        return phi_fail(err, PHI_EDENIED, "%.80s would send your token in the clear: use https://", url);
    return PHI_OK;
}

void client_path_add(struct phi_buf *b, struct phi_view text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        uint8_t ch = text.p[i];
        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || (ch && strchr("-._~", ch))) {
            phi_buf_addc(b, ch);
        } else {
            phi_buf_addc(b, '%');
            phi_buf_addc(b, (uint8_t)hex[ch >> 4]);
            phi_buf_addc(b, (uint8_t)hex[ch & 15]);
        }
    }
}

/* ---- Opening ---- */

static enum phi_rc open_tls(const struct client_opts *o, struct net_tls **ret, struct phi_err *err)
{
    /* phid's own CA gives the right to serve to phid alone (extended key usage), so its name is not asked for: it
     * may be reached under any. With the system's CAs the name must be the address's. */
    struct net_tls_client_opts t = { .ca_pem = o->ca_pem,
                                     .ca_pin = o->ca_pin,
                                     .cert_pem = o->cert_pem,
                                     .key_pem = o->key_pem,
                                     .any_name = !o->check_name && (o->ca_pem.n > 0 || o->ca_pin) };
    return net_tls_client_open(&t, ret, err);
}

static enum phi_rc open_bearer(struct client *c, const char *token, struct phi_err *err)
{
    if (!token || !*token)
        return PHI_OK;
    size_t n = strlen(token) + 8;
    c->bearer = malloc(n);
    if (!c->bearer)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    snprintf(c->bearer, n, "Bearer %s", token);
    return PHI_OK;
}

static enum phi_rc open_in(struct client *c, const struct client_opts *o, struct phi_err *err)
{
    struct net_tls *tls = NULL;
    PHI_TRY(client_url_read(o->url, o->plain_ok, &c->url, err));
    PHI_TRY(open_bearer(c, o->token, err));
    if (c->url.tls)
        PHI_TRY(open_tls(o, &tls, err));
    struct net_http_client_opts h = { .address = c->url.address, .tls = tls };
    enum phi_rc rc = net_http_client_open(c->loop, &h, &c->http, err);
    net_tls_close(tls);
    return rc;
}

enum phi_rc client_credentials(struct client *c, const struct client_opts *o, struct phi_err *err)
{
    struct net_tls *tls = NULL;
    PHI_TRY(open_tls(o, &tls, err));
    net_http_client_tls(c->http, tls);
    net_tls_close(tls);
    return PHI_OK;
}

enum phi_rc client_open(struct net_loop *loop, const struct client_opts *o, struct client **ret, struct phi_err *err)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    c->loop = loop;
    enum phi_rc rc = open_in(c, o, err);
    if (rc != PHI_OK) {
        client_close(c);
        return rc;
    }
    *ret = c;
    return PHI_OK;
}

static void call_free(struct client_call *call)
{
    *call->at = call->next;
    if (call->next)
        call->next->at = call->at;
    free(call);
}

void client_close(struct client *c)
{
    if (!c)
        return;
    net_http_client_close(c->http);
    while (c->calls)
        call_free(c->calls);
    if (c->bearer)
        phi_wipe(c->bearer, strlen(c->bearer));
    free(c->bearer);
    free(c);
}

struct net_loop *client_loop(const struct client *c)
{
    return c->loop;
}

/* ---- Answers ---- */

static enum phi_rc rc_of(int status)
{
    switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
        return PHI_EINPUT;
    case 401:
        return PHI_EAUTH;
    case 403:
        return PHI_EDENIED;
    case 404:
        return PHI_ENOTFOUND;
    case 409:
        return PHI_ECONFLICT;
    case 410:
        return PHI_EEXPIRED;
    case 429:
        return PHI_ELIMIT;
    }
    return status >= 200 && status < 300 ? PHI_OK : PHI_EIO;
}

static void read_problem(struct client_reply *r)
{
    struct phi_view detail = phi_json_text(r->json, "detail"), next = phi_json_text(r->json, "next");
    struct phi_view code = phi_json_text(r->json, "code");
    if (!detail.n)
        detail = phi_json_text(r->json, "title");
    if (code.n && code.n < sizeof r->code)
        memcpy(r->code, code.p, code.n);
    if (!detail.n)
        phi_fail(&r->err, r->rc, "phid answered with status %d", r->status);
    else
        phi_fail(&r->err, r->rc, PHI_FMT "%s" PHI_FMT, PHI_ARG(detail), next.n ? ": " : "", PHI_ARG(next));
}

static void read_reply(struct phi_arena *a, const struct net_http_in *in, struct client_reply *r)
{
    r->status = net_http_in_status(in);
    r->rc = rc_of(r->status);
    r->text = phi_arena_copy(a, net_http_in_body(in));
    struct phi_view type;
    bool json = net_http_in_header(in, "content-type", &type) &&
                (phi_view_starts(type, PHI_LIT("application/json")) ||
                 phi_view_starts(type, PHI_LIT("application/problem+json")));
    if (json && r->text.n && phi_json_read(a, r->text, PHI_JSON_STRICT, "phid's answer", &r->json, &r->err) != PHI_OK) {
        r->json = NULL;
        r->rc = r->rc == PHI_OK ? r->err.rc : r->rc;
    } else if (r->rc != PHI_OK) {
        read_problem(r);
    }
    if (!phi_arena_ok(a))
        r->rc = phi_fail(&r->err, PHI_ELIMIT, "phid's answer is too large");
}

static void on_done(const struct net_http_in *in, const struct phi_err *err, bool maybe_done, void *ctx)
{
    struct client_call *call = ctx;
    PHI_ARENA(own, REPLY_ARENA);
    struct client_reply r = { .from = call->client, .sent_boot_ms = call->sent_boot_ms, .maybe_done = maybe_done };
    if (in) {
        read_reply(call->into ? call->into : &own, in, &r);
    } else {
        r.err = *err;
        r.rc = err->rc;
    }
    client_done done = call->done;
    void *done_ctx = call->ctx;
    call_free(call);
    done(&r, done_ctx);
}

/* ---- Calls ---- */

static size_t fields_of(const struct client *c, struct net_http_field f[3])
{
    size_t n = 0;
    f[n++] = (struct net_http_field){ "User-Agent", "phi/" PHI_VERSION };
    f[n++] = (struct net_http_field){ PHI_PROTOCOL_HEADER, PHI_TEXT(PHI_PROTOCOL) }; /* a header: who does not know it passes it over */
    if (c->bearer)
        f[n++] = (struct net_http_field){ "Authorization", c->bearer };
    return n;
}

struct client_call *client_send(struct client *c, const char *method, const char *path, struct phi_view body,
                                int64_t deadline_ms, client_done done, void *ctx, struct phi_err *err)
{
    struct client_call *call = calloc(1, sizeof *call);
    if (!call) {
        phi_fail(err, PHI_ELIMIT, "out of memory");
        return NULL;
    }
    *call = (struct client_call){ .client = c, .done = done, .ctx = ctx, .sent_boot_ms = phi_now_boot_ms() };
    struct net_http_field fields[3];
    struct net_http_out o = { .method = method,
                              .path = path,
                              .fields = fields,
                              .nfields = fields_of(c, fields),
                              .type = !body.n ? NULL : body.p[0] == '{' ? "application/json" : "application/x-www-form-urlencoded",
                              .body = body,
                              .deadline_ms = deadline_ms };
    call->http = net_http_send(c->http, &o, on_done, call, err);
    if (!call->http) {
        free(call);
        return NULL;
    }
    call->next = c->calls;
    call->at = &c->calls;
    if (call->next)
        call->next->at = &call->next;
    c->calls = call;
    return call;
}

void client_cancel(struct client_call *call)
{
    net_http_cancel(call->http);
    call_free(call);
}

struct waiting {
    struct client_reply *r;
    bool done;
};

static void waited(const struct client_reply *r, void *ctx)
{
    struct waiting *w = ctx;
    *w->r = *r;
    w->done = true;
}

enum phi_rc client_call_wait(struct client *c, struct phi_arena *a, const char *method, const char *path,
                             struct phi_view body, struct client_reply *r, struct phi_err *err)
{
    struct waiting w = { .r = r };
    *r = (struct client_reply){ 0 };
    struct client_call *call = client_send(c, method, path, body, 0, waited, &w, &r->err);
    if (call) {
        call->into = a;
        while (!w.done)
            net_loop_once(c->loop);
    } else {
        r->rc = r->err.rc;
    }
    if (r->rc != PHI_OK && err)
        *err = r->err;
    return r->rc;
}

struct net_http_stream *client_events(struct client *c, const char *last_id,
                                      const struct net_http_stream_events *ev, void *ctx, struct phi_err *err)
{
    struct net_http_field fields[5];
    size_t n = fields_of(c, fields);
    fields[n++] = (struct net_http_field){ "Accept", "text/event-stream" };
    if (last_id && *last_id)
        fields[n++] = (struct net_http_field){ "Last-Event-ID", last_id };
    struct net_http_out o = { .method = "GET", .path = "/v1/events", .fields = fields, .nfields = n };
    return net_http_stream_open(c->http, &o, QUIET_MS, ev, ctx, err);
}
