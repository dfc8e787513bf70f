#include "net/http_srv.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { EXTRA_FIRST = 1000, EXTRA_KEEP = 4096 };

struct net_http_req *http_req_new(struct http_conn *hc)
{
    struct net_http_req *r = hc->server->spare;
    if (r) {
        *r = (struct net_http_req){ .arena = r->arena, .extra = r->extra };
    } else {
        r = calloc(1, sizeof *r);
        if (!r)
            return NULL;
        phi_arena_init(&r->arena, HTTP_ARENA);
        phi_buf_init(&r->extra, 64 * 1024);
        phi_buf_room(&r->extra, EXTRA_FIRST);
    }
    hc->server->spare = NULL;
    r->hc = hc;
    struct phi_view target = http_span_view(&hc->reader->text, hc->reader->target);
    const uint8_t *mark = memchr(target.p, '?', target.n);
    r->path = mark ? phi_view_upto(target, (size_t)(mark - target.p)) : target;
    r->query = mark ? phi_view_from(target, r->path.n + 1) : (struct phi_view){ 0 };
    return r;
}

static void req_end(struct net_http_req *r)
{
    phi_arena_done(&r->arena);
    phi_buf_wipe(&r->extra); /* a Set-Cookie may be in it */
    phi_buf_done(&r->extra);
    free(r);
}

void http_req_free(struct net_http_req *r)
{
#ifndef PHI_FRESH_MEMORY
    struct net_http_server *s = r->hc->server;
    if (!s->spare && !s->closing && !r->arena.head && r->extra.cap <= EXTRA_KEEP) {
        if (r->extra.n)
            phi_wipe(r->extra.p, r->extra.n);
        phi_buf_clear(&r->extra);
        s->spare = r;
        return;
    }
#endif
    req_end(r);
}

void http_req_spare_end(struct net_http_server *s)
{
    if (s->spare)
        req_end(s->spare);
    s->spare = NULL;
}

struct phi_view net_http_method(const struct net_http_req *r)
{
    return phi_view_of(http_method_name(r->hc->reader));
}

struct phi_view net_http_path(const struct net_http_req *r)
{
    return r->path;
}

struct phi_view net_http_query(const struct net_http_req *r)
{
    return r->query;
}

struct phi_view net_http_body(const struct net_http_req *r)
{
    return phi_buf_view(&r->hc->reader->body);
}

struct phi_arena *net_http_arena(struct net_http_req *r)
{
    return &r->arena;
}

bool net_http_header(const struct net_http_req *r, const char *name, struct phi_view *ret)
{
    return http_field(&r->hc->reader->text, &r->hc->reader->fields, name, 0, ret);
}

size_t net_http_header_count(const struct net_http_req *r, const char *name)
{
    struct phi_view v;
    size_t n = 0;
    while (http_field(&r->hc->reader->text, &r->hc->reader->fields, name, n, &v))
        n++;
    return n;
}

bool net_http_cookie(const struct net_http_req *r, const char *name, struct phi_view *ret)
{
    struct phi_view all, one;
    int found = 0;
    if (!net_http_header(r, "cookie", &all))
        return false;
    while (phi_view_split(&all, ';', &one)) {
        struct phi_view value = one, key;
        if (!memchr(one.p, '=', one.n) || !phi_view_split(&value, '=', &key))
            continue;
        if (phi_view_is(phi_view_trim(key), name)) {
            *ret = phi_view_trim(value);
            found++;
        }
    }
    return found == 1;
}

const char *net_http_peer(const struct net_http_req *r)
{
    return net_conn_peer(r->hc->c);
}

const char *net_http_peer_host(const struct net_http_req *r)
{
    return net_conn_peer_host(r->hc->c);
}

bool net_http_peer_cert(const struct net_http_req *r, struct net_peer_cert *ret)
{
    return net_conn_peer_cert(r->hc->c, ret);
}

bool net_http_is_tls(const struct net_http_req *r)
{
    return net_conn_is_tls(r->hc->c);
}

static int hex_digit(uint8_t ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

bool net_percent_decode(struct phi_arena *a, struct phi_view text, bool plus_is_blank, struct phi_view *ret)
{
    uint8_t *out = phi_arena_alloc(a, text.n + 1);
    size_t n = 0;
    if (!out)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t ch = text.p[i];
        if (ch == '%') {
            int hi = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
            int lo = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return false;
            ch = (uint8_t)(hi * 16 + lo);
            i += 2;
        } else if (ch == '+' && plus_is_blank) {
            ch = ' ';
        }
        if (!ch)
            return false;
        out[n++] = ch;
    }
    *ret = phi_view_mem(out, n);
    return phi_utf8_ok(*ret);
}

/* One decoded value of "a=b&c=d"; a name that stands twice is ambiguous and counts as absent. */
static bool find_param(struct net_http_req *r, struct phi_view all, const char *name, struct phi_view *ret)
{
    struct phi_view one, key, found = { 0 };
    int times = 0;
    while (phi_view_split(&all, '&', &one)) {
        const uint8_t *eq = memchr(one.p, '=', one.n);
        struct phi_view raw = eq ? phi_view_upto(one, (size_t)(eq - one.p)) : one;
        if (net_percent_decode(&r->arena, raw, true, &key) && phi_view_is(key, name)) {
            found = eq ? phi_view_from(one, raw.n + 1) : (struct phi_view){ 0 };
            times++;
        }
    }
    return times == 1 && net_percent_decode(&r->arena, found, true, ret);
}

bool net_http_param(struct net_http_req *r, const char *name, struct phi_view *ret)
{
    return find_param(r, r->query, name, ret);
}

bool net_http_form(struct net_http_req *r, const char *name, struct phi_view *ret)
{
    return find_param(r, net_http_body(r), name, ret);
}
