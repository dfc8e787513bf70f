/* HTTP/1.1 server. Strict: what RFC 9112 lets a server refuse is refused, so that nobody in front
 * can read a message differently. One request of a connection is handled at a time; pipelined ones
 * wait and are answered in order. HTTP/1.1 only, origin-form targets only, exactly one Host. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "net/sock.h"

struct net_http_server;
struct net_http_req;
struct net_sse;

struct net_http_opts {
    const char *address;
    struct net_tls *tls;       /* NULL: plain */
    /* Called with a complete request. Before it returns it replies, opens an event stream, or
     * defers; else the answer is 500. */
    void (*on_request)(struct net_http_req *r, void *ctx);
    void *ctx;
    int max_conns;             /* 0: 1,024 */
    size_t max_head, max_body; /* 0: PHI_MAX_HTTP_HEAD, PHI_MAX_HTTP_BODY */
    int64_t head_ms, body_ms, idle_ms; /* 0: 10 s, 30 s, 60 s */
};
enum phi_rc net_http_listen(struct net_loop *loop, const struct net_http_opts *o, struct net_http_server **ret,
                            struct phi_err *err);
/* New connections show this certificate from now on; only where the server began with TLS. */
void net_http_tls(struct net_http_server *s, struct net_tls *tls);
int net_http_port(const struct net_http_server *s);
/* Takes no new connections and no new requests, closes idle ones and event streams; requests being
 * answered may finish. `done` (may be NULL) is called from the loop when none is left. */
void net_http_drain(struct net_http_server *s, net_fn done, void *ctx);
void net_http_close(struct net_http_server *s); /* cuts everything; on_gone of deferred ones is called */

/* ---- The request; views live as long as it does ---- */
struct phi_view net_http_method(const struct net_http_req *r);
struct phi_view net_http_path(const struct net_http_req *r);  /* as sent, from '/', without query */
struct phi_view net_http_query(const struct net_http_req *r); /* raw, without '?' */
/* A parameter of the query, decoded; false: absent, twice, or badly encoded. */
bool net_http_param(struct net_http_req *r, const char *name, struct phi_view *ret);
/* A parameter of an application/x-www-form-urlencoded body, likewise. */
bool net_http_form(struct net_http_req *r, const char *name, struct phi_view *ret);
/* First header of this name (any case); false: absent. Values have no blanks at the ends. */
bool net_http_header(const struct net_http_req *r, const char *name, struct phi_view *ret);
size_t net_http_header_count(const struct net_http_req *r, const char *name);
/* Value of a cookie; false when absent or when two have the name. */
bool net_http_cookie(const struct net_http_req *r, const char *name, struct phi_view *ret);
struct phi_view net_http_body(const struct net_http_req *r);
struct phi_arena *net_http_arena(struct net_http_req *r); /* freed with the request; 4 MiB */
const char *net_http_peer(const struct net_http_req *r);      /* address with port */
const char *net_http_peer_host(const struct net_http_req *r);
bool net_http_peer_cert(const struct net_http_req *r, struct net_peer_cert *ret);
bool net_http_is_tls(const struct net_http_req *r);
/* %XX decoded into the arena; false on a bad escape, NUL or what is not UTF-8. */
bool net_percent_decode(struct phi_arena *a, struct phi_view text, bool plus_is_blank, struct phi_view *ret);

/* ---- The answer ---- */
/* Adds a header to the answer. Names and values with characters that HTTP forbids make it a 500. */
void net_http_set(struct net_http_req *r, const char *name, const char *value);
void net_http_setv(struct net_http_req *r, const char *name, struct phi_view value);
/* Whole header lines of our own, each with its CRLF; they are not looked at. */
void net_http_set_lines(struct net_http_req *r, struct phi_view lines);
/* Sends; the request is gone afterwards. `type` may be NULL (no body). Body is copied. HEAD and 204 send none. */
void net_http_reply(struct net_http_req *r, int status, const char *type, struct phi_view body);
/* Answer later, from any callback of the loop. If the client leaves first, `on_gone` is called and
 * the request is dead after it. A client that half-closes counts as gone. */
void net_http_defer(struct net_http_req *r, void (*on_gone)(struct net_http_req *r, void *ctx), void *ctx);

/* ---- Server-sent events (WHATWG HTML, 9.2) ---- */
/* Answers with 200 text/event-stream (headers set before are sent). The request is gone, the stream
 * lives until net_sse_close or `on_closed` (client left, too slow, or server closed), its last call.
 * NULL: the connection is already gone, and nothing is called. */
struct net_sse *net_sse_open(struct net_http_req *r, size_t max_backlog, void (*on_closed)(struct net_sse *s, void *ctx),
                             void *ctx);
/* `id` and `event` may be NULL. `data` is split at its line ends. False: it is closing (on_closed comes). */
bool net_sse_event(struct net_sse *s, const char *id, const char *event, struct phi_view data);
bool net_sse_comment(struct net_sse *s, const char *text);
/* The same in two steps, for what many streams are told: adds the event's bytes to `out` (false: the id or the event is no single
 * line), and sends what was so made, one event or several, as one chunk. */
bool net_sse_make(struct phi_buf *out, const char *id, const char *event, struct phi_view data);
bool net_sse_send(struct net_sse *s, struct phi_view events);
void net_sse_close(struct net_sse *s); /* on_closed is not called */

#endif
