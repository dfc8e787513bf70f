/* HTTP/1.1 client for one origin: a small pool of kept-alive connections, requests with deadlines,
 * and a reader of server-sent events. Retries nothing: the caller knows what may be repeated. */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "net/sock.h"

struct net_http_client;
struct net_http_call;
struct net_http_stream;

struct net_http_client_opts {
    const char *address;    /* "host:port" */
    const char *host;       /* Host header; NULL: address */
    struct net_tls *tls;    /* NULL: plain */
    const char *tls_name;   /* NULL: the address's host */
    int max_conns;          /* 0: 8; calls over that wait (their deadline runs) */
    int64_t idle_ms;        /* 0: 20 s, below what servers keep */
};
enum phi_rc net_http_client_open(struct net_loop *loop, const struct net_http_client_opts *o,
                                 struct net_http_client **ret, struct phi_err *err);
/* From now on: connections that are open serve out their call and end; streams stay as they are. */
void net_http_client_tls(struct net_http_client *c, struct net_tls *tls);
/* Ends all calls and streams without calling back. */
void net_http_client_close(struct net_http_client *c);

struct net_http_field {
    const char *name;
    const char *value;
};
struct net_http_out {
    const char *method;
    const char *path;                   /* with query, encoded */
    const struct net_http_field *fields;
    size_t nfields;
    const char *type;                   /* Content-Type; NULL: no body */
    struct phi_view body;               /* copied */
    int64_t deadline_ms;                /* 0: 30 s */
    size_t max_body;                    /* of the answer; 0: 16 MiB */
};

struct net_http_in; /* the answer, while the callback runs */
int net_http_in_status(const struct net_http_in *in);
bool net_http_in_header(const struct net_http_in *in, const char *name, struct phi_view *ret);
struct phi_view net_http_in_body(const struct net_http_in *in);

/* Called once: `in` is the complete answer, or NULL with `err` (PHI_EIO unreachable or broken off,
 * PHI_EEXPIRED deadline, PHI_EINPUT malformed answer). `maybe_done` in the error case: the server
 * may have seen the request. */
typedef void (*net_http_done)(const struct net_http_in *in, const struct phi_err *err, bool maybe_done, void *ctx);
/* NULL with err when it cannot even be queued (bad characters, memory); then `done` is not called.
 * Never calls back before it returns. */
struct net_http_call *net_http_send(struct net_http_client *c, const struct net_http_out *out, net_http_done done,
                                    void *ctx, struct phi_err *err);
void net_http_cancel(struct net_http_call *call); /* done is not called; the call's connection is dropped */

/* Server-sent events on a connection of its own. `quiet_ms`: no byte for so long ends it. */
struct net_http_stream_events {
    void (*on_open)(void *ctx); /* 200 and text/event-stream; may be NULL */
    void (*on_event)(struct phi_view id, struct phi_view event, struct phi_view data, void *ctx);
    /* Last call. `status` is the answer's when it was not a stream, else 0. */
    void (*on_closed)(int status, const struct phi_err *why, void *ctx);
};
struct net_http_stream *net_http_stream_open(struct net_http_client *c, const struct net_http_out *out,
                                             int64_t quiet_ms, const struct net_http_stream_events *ev, void *ctx,
                                             struct phi_err *err);
void net_http_stream_close(struct net_http_stream *s); /* no callback follows; NULL is fine */

#endif
