/* What a connection says of itself. */
#include "net/conn.h"

void net_conn_bind(struct net_conn *c, const struct net_conn_events *ev, void *ctx)
{
    c->ev = ev;
    c->ctx = ctx;
}

void *net_conn_ctx(const struct net_conn *c)
{
    return c->ctx;
}

struct phi_view net_conn_in(const struct net_conn *c)
{
    return c->view;
}

void net_conn_take(struct net_conn *c, size_t n)
{
    c->view = phi_view_from(c->view, n);
}

size_t net_conn_queued(const struct net_conn *c)
{
    return c->out.n - c->out_sent;
}

bool net_conn_is_tls(const struct net_conn *c)
{
    return c->ssl && c->state == NET_CONN_OPEN;
}

const char *net_conn_peer(const struct net_conn *c)
{
    return c->peer;
}

const char *net_conn_peer_host(const struct net_conn *c)
{
    return c->host;
}

int net_conn_fd(const struct net_conn *c)
{
    return c->fd;
}

struct net_loop *net_conn_loop(const struct net_conn *c)
{
    return c->loop;
}
