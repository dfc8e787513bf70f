/* What a connection is inside this room: shared by conn.c, connect.c and listen.c. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/buf.h"
#include "net/sock.h"

#include <openssl/ssl.h>

enum net_conn_state {
    NET_CONN_CONNECTING, /* connect.c drives it */
    NET_CONN_UPGRADING,  /* plain bytes must still go out before TLS */
    NET_CONN_HANDSHAKE,
    NET_CONN_OPEN
};

struct net_lookup; /* a name being resolved; connect.c */

struct net_conn {
    struct net_loop *loop;
    int fd;
    struct net_watch *watch;
    enum net_conn_state state;
    bool paused, eof, shut_wanted, shut_done, finishing;
    bool ending; /* `why` is set, on_closed follows */
    bool dead;   /* closed; freed by the loop */
    bool read_wants_write, write_wants_read; /* TLS key updates */
    int handshake_wants;

    SSL *ssl;
    struct net_tls *tls;
    char *tls_name;

    struct phi_view view; /* not yet taken; in `in` or the thread's scratch */
    struct phi_buf in, out;
    size_t out_sent, plain_left;
    struct net_conn_limits limits;

    const struct net_conn_events *ev;
    void *ctx;
    struct net_timer *deadline;
    int64_t deadline_at, deadline_armed; /* CLOCK_BOOTTIME ms; 0: none, the timer is not set */
    struct net_later soon;
    struct phi_err why;

    struct net_listener *listener; /* that accepted it, counted there; NULL */
    struct net_lookup *lookup;
    char host[64], peer[80];
};

struct net_conn *net_conn_new(struct net_loop *loop, const struct net_conn_limits *limits);
void net_conn_end(struct net_conn *c, enum phi_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
enum phi_rc net_conn_attach(struct net_conn *c, int fd, struct phi_err *err); /* takes fd, opens the watch */
void net_conn_detach(struct net_conn *c);                                     /* closes fd and watch */
void net_conn_begin(struct net_conn *c); /* connected: handshake if it has a tls, else open */
void net_conn_set_peer(struct net_conn *c, const void *sockaddr);
void net_conn_connected(struct net_conn *c, int events); /* connect.c, on events while CONNECTING */

/* Bytes that a connection keeps in a buffer of its own; larger ones are given back. */
enum { NET_CONN_KEEP = 16 * 1024 };

enum net_got { NET_GOT_BYTES, NET_GOT_ALL, NET_GOT_NONE, NET_GOT_EOF, NET_GOT_FAIL }; /* ALL: bytes, and no more of them for now */
enum net_got net_conn_tls_result(struct net_conn *c, int rc, bool reading); /* of a failed SSL_read or SSL_write */

/* conn.c */
bool net_conn_has_output(const struct net_conn *c);
void net_conn_rewatch(struct net_conn *c);

/* conn_out.c */
void net_conn_flush(struct net_conn *c);

/* connect.c, listen.c */
void net_lookup_drop(struct net_lookup *l);
void net_listener_left(struct net_listener *l);
const struct net_tls *net_conn_tls_now(const struct net_conn *c); /* what its listener accepts by now; NULL: none */

/* tls.c */
enum phi_rc net_tls_start(struct net_tls *t, int fd, const char *name, SSL **ret, struct phi_err *err);
bool net_tls_is_server(const struct net_tls *t);
bool net_tls_revokes(const struct net_tls *t, X509 *cert); /* by the lists that t has now */
void net_tls_errors_clear(void); /* cheap where there are none, as nearly always */
/* The reason of the last failed TLS call, for people; empties OpenSSL's queue. */
const char *net_tls_why(SSL *ssl, char *buf, size_t n);

#endif
