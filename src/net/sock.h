/* Stream connections, plain or TLS, behind one interface; listeners and connects.
 *
 * Reading: `on_data` gets all bytes not yet taken; the owner takes what it has used with
 * net_conn_take. The rest is shown again together with what comes next. Rest over `max_in`: closed.
 * Writing: bytes go out at once where the socket lets them, else they wait in a queue of at most
 * `max_out`. Over that the connection closes with PHI_ELIMIT, so heed net_conn_queued: pause the
 * source, and resume it in `on_drain`.
 * Life: the owner calls net_conn_close (no callback follows), or the connection ends by itself and
 * `on_closed` is its last callback. In both cases the pointer is dead afterwards. */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include "net/loop.h"
#include "net/tls.h"

struct net_conn;
struct net_listener;

struct net_conn_events {
    void (*on_open)(struct net_conn *c, void *ctx); /* connected, and each time TLS is up; may be NULL */
    void (*on_data)(struct net_conn *c, struct phi_view in, void *ctx);
    void (*on_drain)(struct net_conn *c, void *ctx); /* the queue is empty again; may be NULL */
    /* The peer will send no more, all before was shown. NULL: closed at once. */
    void (*on_eof)(struct net_conn *c, void *ctx);
    void (*on_closed)(struct net_conn *c, const struct phi_err *why, void *ctx); /* why->rc PHI_OK: peer's end */
};

struct net_conn_limits {
    size_t max_in;  /* 0: 64 KiB */
    size_t max_out; /* 0: 1 MiB */
};

/* ---- Listening ---- */
struct net_listen_opts {
    const char *address;    /* "127.0.0.1:8470", "[::1]:0", "localhost:80", "unix:/run/x.sock" */
    struct net_tls *tls;    /* NULL: plain; else on_accept comes after the handshake */
    struct net_conn_limits limits;
    int max_conns;          /* 0: 4,096; over that new ones are closed at once */
    void (*on_accept)(struct net_conn *c, void *ctx); /* must call net_conn_bind or net_conn_close */
    void *ctx;
};
enum phi_rc net_listen(struct net_loop *loop, const struct net_listen_opts *o, struct net_listener **ret,
                       struct phi_err *err);
int net_listener_port(const struct net_listener *l); /* the bound one; 0 for unix */
/* Connections accepted from now on use this (with a reference of their own); both or neither are NULL. */
void net_listener_tls(struct net_listener *l, struct net_tls *tls);
void net_listener_close(struct net_listener *l);     /* connections live on; NULL is fine */

/* ---- Connecting ---- */
struct net_connect_opts {
    const char *address;   /* as above; names are looked up off the loop's thread */
    struct net_tls *tls;   /* NULL: plain */
    const char *tls_name;  /* name to verify; NULL: the address's host */
    int64_t deadline_ms;   /* until open; 0: 10 s */
    struct net_conn_limits limits;
};
/* `ret` at once; on_open or on_closed follows (never before this returns). */
enum phi_rc net_connect(struct net_loop *loop, const struct net_connect_opts *o,
                        const struct net_conn_events *ev, void *ctx, struct net_conn **ret, struct phi_err *err);
/* Takes over a connected socket (owned from now on, closed on error too). No on_open. */
enum phi_rc net_adopt(struct net_loop *loop, int fd, const struct net_conn_limits *limits,
                      const struct net_conn_events *ev, void *ctx, struct net_conn **ret, struct phi_err *err);

/* ---- A connection ---- */
void net_conn_bind(struct net_conn *c, const struct net_conn_events *ev, void *ctx); /* ev is kept, not copied */
void *net_conn_ctx(const struct net_conn *c);
struct phi_view net_conn_in(const struct net_conn *c); /* bytes not yet taken */
void net_conn_take(struct net_conn *c, size_t n);
/* False: the connection is ending (on_closed will follow), nothing was kept. Never calls back. */
bool net_conn_write(struct net_conn *c, struct phi_view bytes);
bool net_conn_writev(struct net_conn *c, const struct phi_view *parts, size_t n);
size_t net_conn_queued(const struct net_conn *c);
void net_conn_pause(struct net_conn *c);  /* no on_data, no on_eof; nothing more is read */
void net_conn_resume(struct net_conn *c); /* what is left unread is shown again, from the loop */
void net_conn_shut(struct net_conn *c);   /* sends the queue, then our end (half-close) */
void net_conn_close(struct net_conn *c);  /* at once, the queue is dropped; NULL is fine */
/* Sends the queue and our end, waits for the peer's end for at most `ms`; the pointer is dead at once. */
void net_conn_finish(struct net_conn *c, int64_t ms);
/* Closes with PHI_EEXPIRED when `ms` have passed; 0 takes the deadline away. One per connection. */
void net_conn_deadline(struct net_conn *c, int64_t ms);

/* Changes a plain connection to TLS; what was written before goes out plain. on_open follows.
 * PHI_EINPUT when bytes are still unread: they came before TLS, so close the connection
 * (CVE-2021-3935). `name` is for clients (verified), NULL for servers. */
enum phi_rc net_conn_start_tls(struct net_conn *c, struct net_tls *tls, const char *name, struct phi_err *err);
bool net_conn_is_tls(const struct net_conn *c);

const char *net_conn_peer(const struct net_conn *c);      /* "127.0.0.1:41234", "unix" */
const char *net_conn_peer_host(const struct net_conn *c); /* "127.0.0.1" */
int net_conn_fd(const struct net_conn *c);                /* borrowed */
struct net_loop *net_conn_loop(const struct net_conn *c);

bool net_conn_peer_cert(const struct net_conn *c, struct net_peer_cert *ret); /* false: none was verified */
/* tls-server-end-point (RFC 5929) of a TLS server connection's own certificate, for SCRAM-PLUS; false: none. */
bool net_conn_endpoint_hash(const struct net_conn *c, struct phi_digest *ret);

/* "host:port" or "[v6]:port" into parts; PHI_EINPUT names what is wrong. */
struct net_hostport {
    char host[256];
    int port;
};
enum phi_rc net_hostport_read(const char *text, struct net_hostport *ret, struct phi_err *err);
bool net_host_is_loopback(const char *host); /* 127/8, ::1, "localhost" */

#endif
