#include "net/sock.h"

#include "net/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

enum phi_rc net_hostport_read(const char *text, struct net_hostport *ret, struct phi_err *err)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || !phi_view_int(phi_view_of(colon + 1), &port) || port < 0 || port > 65535)
        return phi_fail(err, PHI_EINPUT, "address \"%.100s\": must be host:port", text);
    struct phi_view host = phi_view_mem(text, (size_t)(colon - text));
    bool bracketed = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (bracketed)
        host = phi_view_mem(host.p + 1, host.n - 2);
    if (host.n == 0 || host.n >= sizeof ret->host || memchr(host.p, '[', host.n) ||
        (!bracketed && memchr(host.p, ':', host.n)))
        return phi_fail(err, PHI_EINPUT, "address \"%.100s\": must be host:port (IPv6 in brackets)", text);
    memcpy(ret->host, host.p, host.n);
    ret->host[host.n] = 0;
    ret->port = (int)port;
    return PHI_OK;
}

bool net_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

void net_conn_set_peer(struct net_conn *c, const void *sockaddr)
{
    const struct sockaddr *sa = sockaddr;
    char host[INET6_ADDRSTRLEN] = "";
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = sockaddr;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "%s:%d", host, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = sockaddr;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "[%s]:%d", host, ntohs(in->sin6_port));
    } else {
        snprintf(host, sizeof host, "unix");
        snprintf(c->peer, sizeof c->peer, "unix");
    }
    snprintf(c->host, sizeof c->host, "%s", host);
}
