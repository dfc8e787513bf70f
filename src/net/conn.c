#include "net/conn.h"

#include "base/os.h"

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
    SCRATCH_READ = 64 * 1024,
    READS_PER_EVENT = 8
};

static _Thread_local uint8_t scratch[NET_CONN_KEEP + SCRATCH_READ];

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

bool net_conn_has_output(const struct net_conn *c)
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
        if (net_conn_has_output(c))
            w |= c->write_wants_read ? NET_READ : NET_WRITE;
        if (!c->paused && !c->eof)
            w |= c->read_wants_write ? NET_READ | NET_WRITE : NET_READ;
        return w;
    }
    return 0;
}

void net_conn_rewatch(struct net_conn *c)
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

/* The timer stays where it is when the deadline moves back or goes away, which each request does: it looks again when it fires. */
static void deadline_arm(struct net_conn *c, int64_t ms)
{
    c->deadline_armed = phi_now_boot_ms() + ms;
    net_timer_set(c->deadline, ms, 0);
}

static void on_deadline(void *ctx)
{
    struct net_conn *c = ctx;
    int64_t left = c->deadline_at - phi_now_boot_ms();
    c->deadline_armed = 0;
    if (!c->deadline_at)
        return;
    if (left > 0) {
        deadline_arm(c, left);
        return;
    }
    net_conn_end(c, PHI_EEXPIRED, "%s: the time for this is over", c->peer);
}

void net_conn_deadline(struct net_conn *c, int64_t ms)
{
    if (c->dead)
        return;
    c->deadline_at = ms > 0 ? phi_now_boot_ms() + ms : 0;
    if (!c->deadline_at || (c->deadline_armed && c->deadline_armed <= c->deadline_at))
        return;
    if (!c->deadline)
        c->deadline = net_timer_open(c->loop, on_deadline, c);
    if (c->deadline)
        deadline_arm(c, ms);
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
    if (!c->in.n && c->in.cap > NET_CONN_KEEP)
        phi_buf_done(&c->in);
    if (!phi_buf_ok(&c->in)) {
        net_conn_end(c, PHI_ELIMIT, "out of memory");
        return false;
    }
    c->view = phi_buf_view(&c->in);
    return true;
}

static enum net_got read_some(struct net_conn *c, uint8_t *p, size_t n, size_t *got)
{
    if (c->ssl) {
        net_tls_errors_clear();
        c->read_wants_write = false;
        int rc = SSL_read_ex(c->ssl, p, n, got);
        if (rc <= 0)
            return net_conn_tls_result(c, rc, true);
        return SSL_has_pending(c->ssl) ? NET_GOT_BYTES : NET_GOT_ALL;
    }
    ssize_t k;
    do
        k = recv(c->fd, p, n, 0);
    while (k < 0 && errno == EINTR);
    if (k > 0) {
        *got = (size_t)k;
        return (size_t)k < n ? NET_GOT_ALL : NET_GOT_BYTES;
    }
    if (k == 0)
        return NET_GOT_EOF;
    if (errno == EAGAIN)
        return NET_GOT_NONE;
    net_conn_end(c, PHI_EIO, "%s: %s", c->peer, strerror(errno));
    return NET_GOT_FAIL;
}

/* Reads once, behind what is unread. */
static enum net_got fill(struct net_conn *c)
{
    size_t got = 0;
    if (c->view.n < c->in.n) { /* taken outside a delivery: it must not be shown again */
        phi_buf_drop(&c->in, c->in.n - c->view.n);
        c->view = phi_buf_view(&c->in);
    }
    if (c->in.n <= NET_CONN_KEEP) {
        enum net_got g = read_some(c, scratch + c->in.n, SCRATCH_READ, &got);
        if (g == NET_GOT_BYTES || g == NET_GOT_ALL) {
            if (c->in.n)
                memcpy(scratch, c->in.p, c->in.n);
            c->view = phi_view_mem(scratch, c->in.n + got);
        }
        return g;
    }
    uint8_t *room = phi_buf_room(&c->in, SCRATCH_READ);
    if (!room) {
        net_conn_end(c, PHI_ELIMIT, "%s: sent more than can be kept", c->peer);
        return NET_GOT_FAIL;
    }
    enum net_got g = read_some(c, room, SCRATCH_READ, &got);
    if (g == NET_GOT_BYTES || g == NET_GOT_ALL)
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

/* OpenSSL has read further than what was asked of it. */
static bool held_inside(const struct net_conn *c)
{
    return c->ssl && SSL_has_pending(c->ssl);
}

static void pull(struct net_conn *c)
{
    for (int i = 0; i < READS_PER_EVENT; i++) {
        if (c->dead || c->ending || c->paused || c->eof || c->state != NET_CONN_OPEN)
            return;
        enum net_got g = fill(c);
        switch (g) {
        case NET_GOT_BYTES:
        case NET_GOT_ALL:
            if (!deliver(c) || g == NET_GOT_ALL) /* what comes later wakes us again */
                return;
            break;
        case NET_GOT_EOF:
            reached_eof(c);
            return;
        case NET_GOT_NONE:
        case NET_GOT_FAIL:
            return;
        }
    }
    if (held_inside(c)) /* no event of the socket tells of that */
        net_later(c->loop, &c->soon);
}

/* ---- TLS coming up ---- */

static void opened(struct net_conn *c)
{
    c->state = NET_CONN_OPEN;
    if (c->ev->on_open)
        c->ev->on_open(c, c->ctx);
    if (c->dead || c->ending)
        return;
    net_conn_flush(c);
    pull(c); /* OpenSSL may have read on into the first records */
    net_conn_rewatch(c);
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
    net_conn_rewatch(c);
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
    net_conn_rewatch(c);
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
        net_conn_rewatch(c);
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
        net_conn_flush(c);
        if (!c->plain_left && !c->ending)
            begin_tls(c);
        return;
    case NET_CONN_HANDSHAKE:
        handshake(c);
        return;
    case NET_CONN_OPEN:
        break;
    }
    if (net_conn_has_output(c)) {
        net_conn_flush(c);
        if (!c->ending && !net_conn_has_output(c) && c->ev->on_drain)
            c->ev->on_drain(c, c->ctx);
        if (c->finishing && c->eof && c->shut_done)
            net_conn_close(c);
    }
    pull(c);
    net_conn_rewatch(c);
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
    if (c->paused || c->state != NET_CONN_OPEN || !deliver(c))
        return;
    if (held_inside(c))
        pull(c);
    net_conn_rewatch(c);
}

/* ---- Pausing ---- */

void net_conn_pause(struct net_conn *c)
{
    c->paused = true;
    net_conn_rewatch(c);
}

void net_conn_resume(struct net_conn *c)
{
    if (c->dead || !c->paused)
        return;
    c->paused = false;
    net_conn_rewatch(c);
    if (c->view.n || held_inside(c))
        net_later(c->loop, &c->soon);
}
