#include "net/conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct net_lookup {
    struct net_hostport at;
    struct addrinfo *list, *next; /* next: the address to try when this one fails */
    struct net_conn *conn;        /* NULL: nobody waits any more */
    bool running;                 /* a thread is at it */
    int rc;
};

static void lookup_free(struct net_lookup *l)
{
    if (l->list)
        freeaddrinfo(l->list);
    free(l);
}

void net_lookup_drop(struct net_lookup *l)
{
    l->conn->lookup = NULL;
    l->conn = NULL;
    if (!l->running)
        lookup_free(l);
}

static int resolve(struct net_lookup *l, int flags)
{
    char port[8];
    snprintf(port, sizeof port, "%d", l->at.port);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
    return getaddrinfo(l->at.host, port, &hints, &l->list);
}

static void lookup_work(void *ctx)
{
    struct net_lookup *l = ctx;
    l->rc = resolve(l, 0);
}

/* A connect that began well is watched; its end shows as writable. */
static bool begin_connect(struct net_conn *c, const void *sa, size_t len, struct phi_err *err)
{
    const struct sockaddr *to = sa;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        phi_fail(err, PHI_EIO, "socket: %s", strerror(errno));
        return false;
    }
    if (to->sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    net_conn_set_peer(c, sa);
    if (connect(fd, to, (socklen_t)len) != 0 && errno != EINPROGRESS) {
        phi_fail(err, PHI_EIO, "%s: %s", c->peer, strerror(errno));
        close(fd);
        return false;
    }
    if (net_conn_attach(c, fd, err) != PHI_OK)
        return false;
    net_watch_set(c->watch, NET_WRITE);
    return true;
}

static void try_next(struct net_conn *c, struct phi_err *last)
{
    struct net_lookup *l = c->lookup;
    while (l && l->next) {
        struct addrinfo *ai = l->next;
        l->next = ai->ai_next;
        if (begin_connect(c, ai->ai_addr, ai->ai_addrlen, last))
            return;
    }
    net_conn_end(c, PHI_EIO, "%s", last->msg[0] ? last->msg : "no address to connect to");
}

static void looked_up(struct net_lookup *l)
{
    struct phi_err err = { 0 };
    l->next = l->list;
    if (l->rc) {
        phi_fail(&err, PHI_EIO, "%s: %s", l->at.host, gai_strerror(l->rc));
        l->next = NULL;
    }
    try_next(l->conn, &err);
}

static void lookup_done(void *ctx)
{
    struct net_lookup *l = ctx;
    l->running = false;
    if (l->conn)
        looked_up(l);
    else
        lookup_free(l);
}

void net_conn_connected(struct net_conn *c, int events)
{
    (void)events;
    struct phi_err err = { 0 };
    int e = 0;
    socklen_t n = sizeof e;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0)
        e = errno;
    if (e == 0) {
        if (c->lookup) {
            struct net_lookup *l = c->lookup;
            net_lookup_drop(l);
        }
        net_conn_begin(c);
        return;
    }
    phi_fail(&err, PHI_EIO, "%s: %s", c->peer, strerror(e));
    net_conn_detach(c);
    try_next(c, &err);
}

static enum phi_rc connect_unix(struct net_conn *c, const char *path, struct phi_err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof un.sun_path)
        return phi_fail(err, PHI_EINPUT, "socket path \"%.60s…\" is too long", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    struct phi_err why = { 0 };
    if (!begin_connect(c, &un, sizeof un, &why))
        net_conn_end(c, PHI_EIO, "%s: %s", path, why.msg);
    return PHI_OK;
}

static enum phi_rc connect_host(struct net_conn *c, const char *address, struct phi_err *err)
{
    struct net_lookup *l = calloc(1, sizeof *l);
    if (!l)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    enum phi_rc rc = net_hostport_read(address, &l->at, err);
    if (rc != PHI_OK) {
        free(l);
        return rc;
    }
    l->conn = c;
    c->lookup = l;
    snprintf(c->peer, sizeof c->peer, "%.70s", address);
    if (resolve(l, AI_NUMERICHOST) == 0) {
        looked_up(l);
        return PHI_OK;
    }
    l->running = net_work(c->loop, lookup_work, lookup_done, l);
    return l->running ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc connect_set_up(struct net_conn *c, const struct net_connect_opts *o, struct phi_err *err)
{
    struct net_hostport at = { 0 };
    bool local = strncmp(o->address, "unix:", 5) == 0;
    if (!local)
        PHI_TRY(net_hostport_read(o->address, &at, err));
    if (o->tls) {
        c->tls = net_tls_ref(o->tls);
        c->tls_name = strdup(o->tls_name ? o->tls_name : at.host);
        if (!c->tls_name)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    net_conn_deadline(c, o->deadline_ms > 0 ? o->deadline_ms : 10000);
    return local ? connect_unix(c, o->address + 5, err) : connect_host(c, o->address, err);
}

enum phi_rc net_connect(struct net_loop *loop, const struct net_connect_opts *o,
                        const struct net_conn_events *ev, void *ctx, struct net_conn **ret, struct phi_err *err)
{
    struct net_conn *c = net_conn_new(loop, &o->limits);
    if (!c)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    net_conn_bind(c, ev, ctx);
    c->state = NET_CONN_CONNECTING;
    enum phi_rc rc = connect_set_up(c, o, err);
    if (rc != PHI_OK) {
        net_conn_close(c);
        return rc;
    }
    *ret = c;
    return PHI_OK;
}

enum phi_rc net_adopt(struct net_loop *loop, int fd, const struct net_conn_limits *limits,
                      const struct net_conn_events *ev, void *ctx, struct net_conn **ret, struct phi_err *err)
{
    struct net_conn *c = net_conn_new(loop, limits);
    if (!c) {
        close(fd);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    enum phi_rc rc = net_conn_attach(c, fd, err);
    if (rc != PHI_OK) {
        net_conn_close(c);
        return rc;
    }
    struct sockaddr_storage sa = { .ss_family = AF_UNIX };
    socklen_t n = sizeof sa;
    getpeername(fd, (struct sockaddr *)&sa, &n);
    net_conn_set_peer(c, &sa);
    net_conn_bind(c, ev, ctx);
    c->state = NET_CONN_OPEN;
    net_watch_set(c->watch, NET_READ);
    *ret = c;
    return PHI_OK;
}
