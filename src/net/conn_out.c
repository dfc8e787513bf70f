/* A connection's way out: at once where the socket takes it, else from the queue. */
#include "net/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PARTS_MAX = 16 };

enum net_got net_conn_tls_result(struct net_conn *c, int rc, bool reading)
{
    char why[160];
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        if (!reading)
            c->write_wants_read = true;
        return NET_GOT_NONE;
    case SSL_ERROR_WANT_WRITE:
        if (reading)
            c->read_wants_write = true;
        return NET_GOT_NONE;
    case SSL_ERROR_ZERO_RETURN:
        return NET_GOT_EOF;
    default:
        net_conn_end(c, PHI_EIO, "%s: TLS: %s", c->peer, net_tls_why(c->ssl, why, sizeof why));
        return NET_GOT_FAIL;
    }
}

static enum net_got write_some(struct net_conn *c, const uint8_t *p, size_t n, size_t *sent)
{
    if (c->ssl && c->state == NET_CONN_OPEN) {
        net_tls_errors_clear();
        c->write_wants_read = false;
        int rc = SSL_write_ex(c->ssl, p, n, sent);
        return rc > 0 ? NET_GOT_BYTES : net_conn_tls_result(c, rc, false);
    }
    ssize_t k;
    do
        k = send(c->fd, p, n, MSG_NOSIGNAL);
    while (k < 0 && errno == EINTR);
    if (k >= 0) {
        *sent = (size_t)k;
        return NET_GOT_BYTES;
    }
    if (errno == EAGAIN)
        return NET_GOT_NONE;
    net_conn_end(c, PHI_EIO, "%s: %s", c->peer, strerror(errno));
    return NET_GOT_FAIL;
}

static void half_close(struct net_conn *c)
{
    if (c->ssl) {
        ERR_clear_error();
        SSL_shutdown(c->ssl); /* one close_notify; when the socket is full the FIN alone must do */
        ERR_clear_error();
    }
    shutdown(c->fd, SHUT_WR);
    c->shut_done = true;
}

void net_conn_flush(struct net_conn *c)
{
    while (c->out.n > c->out_sent) {
        size_t n = c->out.n - c->out_sent, sent = 0;
        if (c->state == NET_CONN_UPGRADING)
            n = c->plain_left;
        if (!n)
            return;
        if (write_some(c, c->out.p + c->out_sent, n, &sent) != NET_GOT_BYTES)
            return;
        c->out_sent += sent;
        if (c->state == NET_CONN_UPGRADING)
            c->plain_left -= sent;
    }
    c->out_sent = 0;
    if (c->out.cap > NET_CONN_KEEP)
        phi_buf_done(&c->out);
    else
        phi_buf_clear(&c->out);
    if (c->shut_wanted && !c->shut_done && c->state == NET_CONN_OPEN)
        half_close(c);
}

static ssize_t send_many(int fd, const struct phi_view *parts, size_t n)
{
    struct iovec iov[PARTS_MAX];
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
    for (size_t i = 0; i < n; i++)
        iov[i] = (struct iovec){ (void *)(uintptr_t)parts[i].p, parts[i].n };
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* What the socket takes at once. False: the connection ends. */
static bool send_parts(struct net_conn *c, const struct phi_view *parts, size_t n, size_t *sent)
{
    ssize_t k = n == 1 ? send(c->fd, parts[0].p, parts[0].n, MSG_NOSIGNAL) : send_many(c->fd, parts, n);
    if (k < 0 && errno != EAGAIN && errno != EINTR) {
        net_conn_end(c, PHI_EIO, "%s: %s", c->peer, strerror(errno));
        return false;
    }
    *sent = k > 0 ? (size_t)k : 0;
    return true;
}

/* The same over TLS: as one record, and without a buffer of the connection's own, which it would go on to keep. */
static bool seal_parts(struct net_conn *c, const struct phi_view *parts, size_t n, size_t *sent)
{
    static _Thread_local uint8_t record[NET_CONN_KEEP];
    size_t all = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n > sizeof record - all)
            return true;
        if (parts[i].n)
            memcpy(record + all, parts[i].p, parts[i].n);
        all += parts[i].n;
    }
    return all == 0 || write_some(c, record, all, sent) != NET_GOT_FAIL;
}

bool net_conn_writev(struct net_conn *c, const struct phi_view *parts, size_t n)
{
    if (c->dead || c->ending || c->shut_wanted)
        return false;
    size_t first = 0, skip = 0;
    if (c->out_sent == c->out.n && c->state == NET_CONN_OPEN && n <= PARTS_MAX) {
        if (!(c->ssl ? seal_parts : send_parts)(c, parts, n, &skip))
            return false;
        for (; first < n && skip >= parts[first].n; first++)
            skip -= parts[first].n;
    }
    if (first == n)
        return true;
    if (c->out_sent > c->limits.max_out / 4) {
        phi_buf_drop(&c->out, c->out_sent);
        c->out_sent = 0;
    }
    for (size_t i = first; i < n; i++, skip = 0)
        phi_buf_add(&c->out, phi_view_from(parts[i], skip));
    if (!phi_buf_ok(&c->out)) {
        net_conn_end(c, PHI_ELIMIT, "%s: reads too slowly", c->peer);
        return false;
    }
    if (c->ssl && c->state == NET_CONN_OPEN)
        net_conn_flush(c);
    net_conn_rewatch(c);
    return !c->ending;
}

bool net_conn_write(struct net_conn *c, struct phi_view bytes)
{
    return net_conn_writev(c, &bytes, 1);
}

void net_conn_shut(struct net_conn *c)
{
    if (c->dead || c->ending || c->shut_wanted)
        return;
    c->shut_wanted = true;
    if (c->state == NET_CONN_OPEN)
        net_conn_flush(c);
    net_conn_rewatch(c);
}
