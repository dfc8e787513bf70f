#include "net/conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTS_PER_EVENT = 64, HANDSHAKE_MS = 10000, REST_MS = 100 };

struct net_listener {
    struct net_loop *loop;
    int fd;
    struct net_watch *watch;
    struct net_timer *rest; /* out of descriptors: accept again later */
    struct net_tls *tls;
    struct net_conn_limits limits;
    int max_conns, live, port;
    bool closed; /* freed when the last connection has left */
    void (*on_accept)(struct net_conn *c, void *ctx);
    void *ctx;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void maybe_free(struct net_listener *l)
{
    if (l->closed && l->live == 0) {
        net_tls_close(l->tls);
        free(l);
    }
}

void net_listener_left(struct net_listener *l)
{
    l->live--;
    maybe_free(l);
}

/* ---- A connection until its owner takes it over ---- */

static void fresh_open(struct net_conn *c, void *ctx)
{
    struct net_listener *l = ctx;
    net_conn_deadline(c, 0);
    if (l->closed)
        net_conn_close(c);
    else
        l->on_accept(c, l->ctx);
}

static void fresh_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    (void)in;
    (void)ctx;
    net_conn_close(c);
}

static void fresh_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    (void)why;
    (void)ctx;
}

static const struct net_conn_events fresh_events = { .on_open = fresh_open,
                                                     .on_data = fresh_data,
                                                     .on_closed = fresh_closed };

static void take(struct net_listener *l, int fd, const struct sockaddr_storage *from)
{
    if (l->live > l->max_conns) { /* accept_some counts as one */
        close(fd);
        return;
    }
    struct net_conn *c = net_conn_new(l->loop, &l->limits);
    if (!c || net_conn_attach(c, fd, NULL) != PHI_OK) {
        net_conn_close(c);
        return;
    }
    int on = 1;
    if (from->ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    net_conn_set_peer(c, from);
    net_conn_bind(c, &fresh_events, l);
    c->listener = l;
    l->live++;
    if (l->tls) {
        c->tls = net_tls_ref(l->tls);
        net_conn_deadline(c, HANDSHAKE_MS);
    }
    net_conn_begin(c);
}

static void on_rested(void *ctx)
{
    struct net_listener *l = ctx;
    net_watch_set(l->watch, NET_READ);
}

static void accept_some(struct net_listener *l)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT && !l->closed; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t n = sizeof from;
        int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(l, fd, &from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            net_watch_set(l->watch, 0);
            net_timer_set(l->rest, REST_MS, 0);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void on_readable(void *ctx, int events)
{
    (void)events;
    struct net_listener *l = ctx;
    l->live++; /* a callback may close the listener: it must outlive this loop */
    accept_some(l);
    net_listener_left(l);
}

/* ---- Opening ---- */

static enum phi_rc bind_unix(struct net_listener *l, const char *path, struct phi_err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof un.sun_path)
        return phi_fail(err, PHI_EINPUT, "socket path \"%.60s…\" is too long", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) { /* left over, unless somebody answers */
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool lives = probe >= 0 && connect(probe, (struct sockaddr *)&un, sizeof un) == 0;
        if (probe >= 0)
            close(probe);
        if (lives)
            return phi_fail(err, PHI_ECONFLICT, "%s: another process listens there", path);
        unlink(path);
    }
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&un, sizeof un) != 0 || chmod(path, 0600) != 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    memcpy(l->path, un.sun_path, sizeof l->path);
    return PHI_OK;
}

static bool bind_one(struct net_listener *l, const struct addrinfo *ai)
{
    int on = 1;
    l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return false;
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l->fd, ai->ai_addr, ai->ai_addrlen) == 0)
        return true;
    int e = errno;
    close(l->fd);
    l->fd = -1;
    errno = e;
    return false;
}

static void learn_port(struct net_listener *l)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t n = sizeof sa;
    if (getsockname(l->fd, (struct sockaddr *)&sa, &n) != 0)
        return;
    if (sa.ss_family == AF_INET)
        l->port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
    if (sa.ss_family == AF_INET6)
        l->port = ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
}

static enum phi_rc bind_tcp(struct net_listener *l, const char *address, struct phi_err *err)
{
    struct net_hostport at;
    PHI_TRY(net_hostport_read(address, &at, err));
    char port[8];
    snprintf(port, sizeof port, "%d", at.port);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE }, *list = NULL;
    int rc = getaddrinfo(at.host, port, &hints, &list);
    if (rc)
        return phi_fail(err, PHI_EINPUT, "%s: %s", address, gai_strerror(rc));
    bool ok = false;
    for (int want = AF_INET; want && !ok; want = want == AF_INET ? AF_INET6 : 0)
        for (struct addrinfo *ai = list; ai && !ok; ai = ai->ai_next)
            ok = ai->ai_family == want && bind_one(l, ai);
    int e = errno;
    freeaddrinfo(list);
    if (!ok)
        return phi_fail(err, PHI_EIO, "listening on %s: %s%s", address, strerror(e),
                        e == EADDRINUSE ? "; another process has it: choose another port" : "");
    learn_port(l);
    return PHI_OK;
}

static enum phi_rc open_socket(struct net_listener *l, const char *address, struct phi_err *err)
{
    if (strncmp(address, "unix:", 5) == 0)
        PHI_TRY(bind_unix(l, address + 5, err));
    else
        PHI_TRY(bind_tcp(l, address, err));
    if (listen(l->fd, 1024) != 0)
        return phi_fail(err, PHI_EIO, "listening on %s: %s", address, strerror(errno));
    l->rest = net_timer_open(l->loop, on_rested, l);
    if (!l->rest)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(net_watch_open(l->loop, l->fd, on_readable, l, &l->watch, err));
    net_watch_set(l->watch, NET_READ);
    return PHI_OK;
}

enum phi_rc net_listen(struct net_loop *loop, const struct net_listen_opts *o, struct net_listener **ret,
                       struct phi_err *err)
{
    struct net_listener *l = calloc(1, sizeof *l);
    if (!l)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    l->loop = loop;
    l->fd = -1;
    l->limits = o->limits;
    l->max_conns = o->max_conns > 0 ? o->max_conns : 4096;
    l->on_accept = o->on_accept;
    l->ctx = o->ctx;
    l->tls = o->tls ? net_tls_ref(o->tls) : NULL;
    enum phi_rc rc = open_socket(l, o->address, err);
    if (rc != PHI_OK) {
        net_listener_close(l);
        return rc;
    }
    *ret = l;
    return PHI_OK;
}

int net_listener_port(const struct net_listener *l)
{
    return l->port;
}

void net_listener_tls(struct net_listener *l, struct net_tls *tls)
{
    struct net_tls *old = l->tls;
    if (!old || !tls) /* a listener never changes from TLS to plain */
        return;
    l->tls = net_tls_ref(tls);
    net_tls_close(old);
}

const struct net_tls *net_conn_tls_now(const struct net_conn *c)
{
    return c->listener ? c->listener->tls : NULL;
}

void net_listener_close(struct net_listener *l)
{
    if (!l || l->closed)
        return;
    l->closed = true;
    net_watch_close(l->watch);
    net_timer_close(l->rest);
    if (l->fd >= 0)
        close(l->fd);
    if (l->path[0])
        unlink(l->path);
    maybe_free(l);
}
