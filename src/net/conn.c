#include "net/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SCRATCH_KEEP = 16 * 1024, /* unread bytes up to this are read on after a copy, without a buffer */
    SCRATCH_READ = 64 * 1024, /* more than a TLS record, so nothing stays behind inside OpenSSL */
    READS_PER_EVENT = 8,
    PARTS_MAX = 16
};

static _Thread_local uint8_t scratch[SCRATCH_KEEP + SCRATCH_READ];

static void conn_soon(void *ctx);
static void conn_event(void *ctx, int events);

static void conn_free(struct net_conn *c)
{
    phi_buf_done(&c->in);
    phi_buf_done(&c->out);
    free(c->tls_name);
    net_tls_close(c->tls);
    free(c);
}

struct net_conn *net_conn_new(struct net_loop *loop, const struct net_conn_limits *limits)
{
    struct net_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->loop = loop;
    c->fd = -1;
    c->limits.max_in = limits && limits->max_in ? limits->max_in : 64 * 1024;
    c->limits.max_out = limits && limits->max_out ? limits->max_out : 1024 * 1024;
    phi_buf_init(&c->in, c->limits.max_in + SCRATCH_READ);
    phi_buf_init(&c->out, c->limits.max_out);
    c->soon = (struct net_later){ .fn = conn_soon, .ctx = c };
    return c;
}

/* ---- Which events are wanted ---- */

static bool has_output(const struct net_conn *c)
{
    return c->out.n > c->out_sent || (c->shut_wanted && !c->shut_done);
}

static int wanted(const struct net_conn *c)
{
    int w = 0;
    switch (c->state) {
    case NET_CONN_CONNECTING:
    case NET_CONN_UPGRADING:
        return NET_WRITE;
    case NET_CONN_HANDSHAKE:
        return c->handshake_wants;
    case NET_CONN_OPEN:
        if (has_output(c))
            w |= c->write_wants_read ? NET_READ : NET_WRITE;
        if (!c->paused && !c->eof)
            w |= c->read_wants_write ? NET_READ | NET_WRITE : NET_READ;
        return w;
    }
    return 0;
}

static void rewatch(struct net_conn *c)
{
    if (c->watch && !c->ending && !c->dead)
        net_watch_set(c->watch, wanted(c));
}

enum phi_rc net_conn_attach(struct net_conn *c, int fd, struct phi_err *err)
{
    enum phi_rc rc = net_watch_open(c->loop, fd, conn_event, c, &c->watch, err);
    if (rc != PHI_OK) {
        close(fd);
        return rc;
    }
    c->fd = fd;
    return PHI_OK;
}

void net_conn_detach(struct net_conn *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    net_watch_close(c->watch);
    c->watch = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* ---- Ending ---- */

void net_conn_end(struct net_conn *c, enum phi_rc rc, const char *fmt, ...)
{
    if (c->ending || c->dead)
        return;
    c->ending = true;
    char msg[sizeof c->why.msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    phi_fail(&c->why, rc, "%s", msg);
    c->why.rc = rc;
    net_conn_detach(c);
    if (c->lookup)
        net_lookup_drop(c->lookup);
    net_later(c->loop, &c->soon);
}

void net_conn_close(struct net_conn *c)
{
    if (!c || c->dead)
        return;
    c->dead = true;
    if (c->ssl && c->state == NET_CONN_OPEN && !c->shut_done) {
        SSL_shutdown(c->ssl); /* so that the peer can tell this end from a cut */
        ERR_clear_error();
    }
    net_conn_detach(c);
    net_timer_close(c->deadline);
    c->deadline = NULL;
    if (c->lookup)
        net_lookup_drop(c->lookup);
    if (c->listener)
        net_listener_left(c->listener);
    c->listener = NULL;
    net_later(c->loop, &c->soon);
}

static void finish_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    (void)ctx;
    net_conn_take(c, in.n);
}

static void finish_eof(struct net_conn *c, void *ctx)
{
    (void)ctx;
    if (c->shut_done)
        net_conn_close(c);
}

static void finish_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    (void)why;
    (void)ctx;
}

static const struct net_conn_events finish_events = { .on_data = finish_data,
                                                      .on_eof = finish_eof,
                                                      .on_closed = finish_closed };

static void flush(struct net_conn *c);

void net_conn_finish(struct net_conn *c, int64_t ms)
{
    if (c->dead)
        return;
    net_conn_bind(c, &finish_events, NULL);
    c->finishing = true;
    c->paused = false;
    net_conn_take(c, c->view.n);
    net_conn_deadline(c, ms > 0 ? ms : 1);
    net_conn_shut(c);
    if (c->eof && c->shut_done)
        net_conn_close(c);
}

static void on_deadline(void *ctx)
{
    struct net_conn *c = ctx;
    net_conn_end(c, PHI_EEXPIRED, "%s: the time for this is over", c->peer);
}

void net_conn_deadline(struct net_conn *c, int64_t ms)
{
    if (c->dead)
        return;
    if (ms <= 0) {
        if (c->deadline)
            net_timer_clear(c->deadline);
        return;
    }
    if (!c->deadline)
        c->deadline = net_timer_open(c->loop, on_deadline, c);
    if (c->deadline)
        net_timer_set(c->deadline, ms, 0);
    else
        net_conn_end(c, PHI_ELIMIT, "out of memory");
}

/* ---- Reading ---- */

/* What the owner left is kept; false when the connection is over. */
static bool deliver(struct net_conn *c)
{
    if (c->view.n)
        c->ev->on_data(c, c->view, c->ctx);
    if (c->dead || c->ending)
        return false;
    struct phi_view left = c->view;
    bool inside = c->in.n && left.p >= c->in.p && left.p <= c->in.p + c->in.n;
    if (left.n > c->limits.max_in) {
        net_conn_end(c, PHI_ELIMIT, "%s: sent more than can be kept", c->peer);
        return false;
    }
    if (inside) {
        phi_buf_drop(&c->in, c->in.n - left.n);
    } else {
        phi_buf_clear(&c->in);
        phi_buf_add(&c->in, left);
    }
    if (!c->in.n && c->in.cap > SCRATCH_KEEP)
        phi_buf_done(&c->in);
    if (!phi_buf_ok(&c->in)) {
        net_conn_end(c, PHI_ELIMIT, "out of memory");
        return false;
    }
    c->view = phi_buf_view(&c->in);
    return true;
}

enum got { GOT_BYTES, GOT_ALL, GOT_NONE, GOT_EOF, GOT_FAIL }; /* ALL: bytes, and no more of them for now */

static enum got tls_result(struct net_conn *c, int rc, bool reading)
{
    char why[160];
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        if (!reading)
            c->write_wants_read = true;
        return GOT_NONE;
    case SSL_ERROR_WANT_WRITE:
        if (reading)
            c->read_wants_write = true;
        return GOT_NONE;
    case SSL_ERROR_ZERO_RETURN:
        return GOT_EOF;
    default:
        net_conn_end(c, PHI_EIO, "%s: TLS: %s", c->peer, net_tls_why(c->ssl, why, sizeof why));
        return GOT_FAIL;
    }
}

static enum got read_some(struct net_conn *c, uint8_t *p, size_t n, size_t *got)
{
    if (c->ssl) {
        ERR_clear_error();
        c->read_wants_write = false;
        int rc = SSL_read_ex(c->ssl, p, n, got);
        return rc > 0 ? GOT_BYTES : tls_result(c, rc, true);
    }
    ssize_t k;
    do
        k = recv(c->fd, p, n, 0);
    while (k < 0 && errno == EINTR);
    if (k > 0) {
        *got = (size_t)k;
        return (size_t)k < n ? GOT_ALL : GOT_BYTES;
    }
    if (k == 0)
        return GOT_EOF;
    if (errno == EAGAIN)
        return GOT_NONE;
    net_conn_end(c, PHI_EIO, "%s: %s", c->peer, strerror(errno));
    return GOT_FAIL;
}

/* Reads once, behind what is unread. */
static enum got fill(struct net_conn *c)
{
    size_t got = 0;
    if (c->view.n < c->in.n) { /* taken outside a delivery: it must not be shown again */
        phi_buf_drop(&c->in, c->in.n - c->view.n);
        c->view = phi_buf_view(&c->in);
    }
    if (c->in.n <= SCRATCH_KEEP) {
        enum got g = read_some(c, scratch + c->in.n, SCRATCH_READ, &got);
        if (g == GOT_BYTES || g == GOT_ALL) {
            if (c->in.n)
                memcpy(scratch, c->in.p, c->in.n);
            c->view = phi_view_mem(scratch, c->in.n + got);
        }
        return g;
    }
    uint8_t *room = phi_buf_room(&c->in, SCRATCH_READ);
    if (!room) {
        net_conn_end(c, PHI_ELIMIT, "%s: sent more than can be kept", c->peer);
        return GOT_FAIL;
    }
    enum got g = read_some(c, room, SCRATCH_READ, &got);
    if (g == GOT_BYTES || g == GOT_ALL)
        phi_buf_commit(&c->in, got);
    c->view = phi_buf_view(&c->in);
    return g;
}

static void reached_eof(struct net_conn *c)
{
    c->eof = true;
    if (c->ev->on_eof)
        c->ev->on_eof(c, c->ctx);
    else
        net_conn_end(c, PHI_OK, "%s: closed", c->peer);
}

static void pull(struct net_conn *c)
{
    for (int i = 0; i < READS_PER_EVENT; i++) {
        if (c->dead || c->ending || c->paused || c->eof || c->state != NET_CONN_OPEN)
            return;
        enum got g = fill(c);
        switch (g) {
        case GOT_BYTES:
        case GOT_ALL:
            if (!deliver(c) || g == GOT_ALL) /* what comes later wakes us again */
                return;
            break;
        case GOT_EOF:
            reached_eof(c);
            return;
        case GOT_NONE:
        case GOT_FAIL:
            return;
        }
    }
}

/* ---- Writing ---- */

static enum got write_some(struct net_conn *c, const uint8_t *p, size_t n, size_t *sent)
{
    if (c->ssl && c->state == NET_CONN_OPEN) {
        ERR_clear_error();
        c->write_wants_read = false;
        int rc = SSL_write_ex(c->ssl, p, n, sent);
        return rc > 0 ? GOT_BYTES : tls_result(c, rc, false);
    }
    ssize_t k;
    do
        k = send(c->fd, p, n, MSG_NOSIGNAL);
    while (k < 0 && errno == EINTR);
    if (k >= 0) {
        *sent = (size_t)k;
        return GOT_BYTES;
    }
    if (errno == EAGAIN)
        return GOT_NONE;
    net_conn_end(c, PHI_EIO, "%s: %s", c->peer, strerror(errno));
    return GOT_FAIL;
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

static void flush(struct net_conn *c)
{
    while (c->out.n > c->out_sent) {
        size_t n = c->out.n - c->out_sent, sent = 0;
        if (c->state == NET_CONN_UPGRADING)
            n = c->plain_left;
        if (!n)
            return;
        if (write_some(c, c->out.p + c->out_sent, n, &sent) != GOT_BYTES)
            return;
        c->out_sent += sent;
        if (c->state == NET_CONN_UPGRADING)
            c->plain_left -= sent;
    }
    c->out_sent = 0;
    if (c->out.cap > SCRATCH_KEEP)
        phi_buf_done(&c->out);
    else
        phi_buf_clear(&c->out);
    if (c->shut_wanted && !c->shut_done && c->state == NET_CONN_OPEN)
        half_close(c);
}

static ssize_t send_parts(int fd, const struct phi_view *parts, size_t n)
{
    if (n == 1)
        return send(fd, parts[0].p, parts[0].n, MSG_NOSIGNAL);
    struct iovec iov[PARTS_MAX];
    for (size_t i = 0; i < n; i++)
        iov[i] = (struct iovec){ (void *)(uintptr_t)parts[i].p, parts[i].n };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

bool net_conn_writev(struct net_conn *c, const struct phi_view *parts, size_t n)
{
    if (c->dead || c->ending || c->shut_wanted)
        return false;
    size_t first = 0, skip = 0;
    if (c->out_sent == c->out.n && !c->ssl && c->state == NET_CONN_OPEN && n <= PARTS_MAX) {
        ssize_t k = send_parts(c->fd, parts, n);
        if (k < 0 && errno != EAGAIN && errno != EINTR) {
            net_conn_end(c, PHI_EIO, "%s: %s", c->peer, strerror(errno));
            return false;
        }
        for (skip = k > 0 ? (size_t)k : 0; first < n && skip >= parts[first].n; first++)
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
        flush(c);
    rewatch(c);
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
        flush(c);
    rewatch(c);
}

/* ---- TLS coming up ---- */

static void opened(struct net_conn *c)
{
    c->state = NET_CONN_OPEN;
    if (c->ev->on_open)
        c->ev->on_open(c, c->ctx);
    if (c->dead || c->ending)
        return;
    flush(c);
    pull(c); /* OpenSSL may have read on into the first records */
    rewatch(c);
}

static void handshake(struct net_conn *c)
{
    char why[160];
    ERR_clear_error();
    int rc = SSL_do_handshake(c->ssl);
    if (rc == 1) {
        opened(c);
        return;
    }
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        c->handshake_wants = NET_READ;
        break;
    case SSL_ERROR_WANT_WRITE:
        c->handshake_wants = NET_WRITE;
        break;
    default:
        net_conn_end(c, PHI_EIO, "%s: TLS: %s", c->peer, net_tls_why(c->ssl, why, sizeof why));
    }
    rewatch(c);
}

static void begin_tls(struct net_conn *c)
{
    struct phi_err err;
    if (net_tls_start(c->tls, c->fd, c->tls_name, &c->ssl, &err) != PHI_OK) {
        net_conn_end(c, PHI_EIO, "%s: %s", c->peer, err.msg);
        return;
    }
    c->state = NET_CONN_HANDSHAKE;
    c->handshake_wants = net_tls_is_server(c->tls) ? NET_READ : NET_WRITE;
    rewatch(c);
}

void net_conn_begin(struct net_conn *c)
{
    if (c->tls)
        begin_tls(c);
    else
        opened(c);
}

enum phi_rc net_conn_start_tls(struct net_conn *c, struct net_tls *tls, const char *name, struct phi_err *err)
{
    if (c->dead || c->ending || c->state != NET_CONN_OPEN || c->ssl)
        return phi_fail(err, PHI_ECONFLICT, "TLS can only start on an open plain connection");
    if (c->view.n)
        return phi_fail(err, PHI_EINPUT, "%zu bytes came before TLS was up", c->view.n);
    c->tls_name = name ? strdup(name) : NULL;
    if (name && !c->tls_name)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    c->tls = net_tls_ref(tls);
    c->plain_left = c->out.n - c->out_sent;
    if (c->plain_left) {
        c->state = NET_CONN_UPGRADING;
        rewatch(c);
    } else {
        begin_tls(c);
    }
    return PHI_OK;
}

/* ---- Events of the loop ---- */

static void conn_event(void *ctx, int events)
{
    struct net_conn *c = ctx;
    switch (c->state) {
    case NET_CONN_CONNECTING:
        net_conn_connected(c, events);
        return;
    case NET_CONN_UPGRADING:
        flush(c);
        if (!c->plain_left && !c->ending)
            begin_tls(c);
        return;
    case NET_CONN_HANDSHAKE:
        handshake(c);
        return;
    case NET_CONN_OPEN:
        break;
    }
    if (has_output(c)) {
        flush(c);
        if (!c->ending && !has_output(c) && c->ev->on_drain)
            c->ev->on_drain(c, c->ctx);
        if (c->finishing && c->eof && c->shut_done)
            net_conn_close(c);
    }
    pull(c);
    rewatch(c);
}

/* Runs from the loop: reports an end, shows unread bytes again, frees the dead. */
static void conn_soon(void *ctx)
{
    struct net_conn *c = ctx;
    if (c->dead) {
        conn_free(c);
        return;
    }
    if (c->ending) {
        if (c->ev)
            c->ev->on_closed(c, &c->why, c->ctx);
        net_conn_close(c);
        return;
    }
    if (!c->paused && c->state == NET_CONN_OPEN && c->view.n && deliver(c))
        rewatch(c);
}

/* ---- Pausing ---- */

void net_conn_pause(struct net_conn *c)
{
    c->paused = true;
    rewatch(c);
}

void net_conn_resume(struct net_conn *c)
{
    if (c->dead || !c->paused)
        return;
    c->paused = false;
    rewatch(c);
    if (c->view.n)
        net_later(c->loop, &c->soon);
}
