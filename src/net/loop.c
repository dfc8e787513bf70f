#include "net/loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

struct net_post_item {
    net_fn fn;
    void *ctx;
    struct net_post_item *next;
};

struct net_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_idle_t idle;
    atomic_bool stop;
    struct net_later later; /* head of a ring */
    uv_mutex_t lock;        /* guards the posts */
    struct net_post_item *first, **last;
};

struct net_timer {
    uv_timer_t uv;
    net_fn fn;
    void *ctx;
};

struct net_watch {
    uv_poll_t uv;
    net_watch_fn fn;
    void *ctx;
    int events;
};

struct net_signal {
    uv_signal_t uv;
    net_fn fn;
    void *ctx;
};

static void ring_init(struct net_later *head)
{
    head->next = head->prev = head;
}

static void ring_add(struct net_later *head, struct net_later *d)
{
    d->next = head;
    d->prev = head->prev;
    head->prev->next = d;
    head->prev = d;
}

static void ring_remove(struct net_later *d)
{
    d->prev->next = d->next;
    d->next->prev = d->prev;
    d->next = d->prev = NULL;
}

static void on_idle(uv_idle_t *h)
{
    struct net_loop *l = h->data;
    struct net_later now; /* only what waits at this moment, so that input is not starved */
    ring_init(&now);
    if (l->later.next != &l->later) {
        now.next = l->later.next;
        now.prev = l->later.prev;
        now.next->prev = now.prev->next = &now;
        ring_init(&l->later);
    }
    while (now.next != &now) {
        struct net_later *d = now.next;
        ring_remove(d);
        d->fn(d->ctx);
    }
    if (l->later.next == &l->later)
        uv_idle_stop(&l->idle);
}

void net_later(struct net_loop *loop, struct net_later *d)
{
    if (d->next)
        return;
    ring_add(&loop->later, d);
    uv_idle_start(&loop->idle, on_idle);
}

void net_later_cancel(struct net_later *d)
{
    if (d->next)
        ring_remove(d);
}

static void on_wake(uv_async_t *h)
{
    struct net_loop *l = h->data;
    uv_mutex_lock(&l->lock);
    struct net_post_item *it = l->first;
    l->first = NULL;
    l->last = &l->first;
    uv_mutex_unlock(&l->lock);
    while (it) {
        struct net_post_item *next = it->next;
        it->fn(it->ctx);
        free(it);
        it = next;
    }
    if (atomic_load(&l->stop))
        uv_stop(&l->uv);
}

enum phi_rc net_loop_open(struct net_loop **ret, struct phi_err *err)
{
    struct net_loop *l = calloc(1, sizeof *l);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2); a lost peer is an error code here */
    if (!l)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    int rc = uv_loop_init(&l->uv);
    if (rc) {
        free(l);
        return phi_fail(err, PHI_EIO, "event loop: %s", uv_strerror(rc));
    }
    rc = uv_async_init(&l->uv, &l->wake, on_wake);
    if (rc || uv_mutex_init(&l->lock)) {
        uv_loop_close(&l->uv);
        free(l);
        return phi_fail(err, PHI_EIO, "event loop: %s", uv_strerror(rc));
    }
    uv_idle_init(&l->uv, &l->idle);
    l->wake.data = l->idle.data = l;
    l->last = &l->first;
    ring_init(&l->later);
    *ret = l;
    return PHI_OK;
}

void net_loop_close(struct net_loop *loop)
{
    if (!loop)
        return;
    uv_unref((uv_handle_t *)&loop->wake);
    uv_run(&loop->uv, UV_RUN_DEFAULT); /* connections that finish, work still on a thread, frees */
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    for (struct net_post_item *it = loop->first, *next; it; it = next) {
        next = it->next;
        free(it);
    }
    uv_mutex_destroy(&loop->lock);
    if (uv_loop_close(&loop->uv) == 0)
        free(loop); /* else a handle was left open, and the loop leaks with it */
}

void net_loop_run(struct net_loop *loop)
{
    while (!atomic_exchange(&loop->stop, false))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void net_loop_once(struct net_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_ONCE);
}

void net_loop_stop(struct net_loop *loop)
{
    atomic_store(&loop->stop, true);
    uv_async_send(&loop->wake);
}

bool net_loop_stopped(const struct net_loop *loop)
{
    return atomic_load(&loop->stop);
}

bool net_post(struct net_loop *loop, net_fn fn, void *ctx)
{
    struct net_post_item *it = malloc(sizeof *it);
    if (!it)
        return false;
    *it = (struct net_post_item){ .fn = fn, .ctx = ctx };
    uv_mutex_lock(&loop->lock);
    *loop->last = it;
    loop->last = &it->next;
    uv_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
    return true;
}

struct work_item {
    uv_work_t uv;
    net_fn work, done;
    void *ctx;
};

static void on_work(uv_work_t *w)
{
    struct work_item *it = (struct work_item *)w;
    it->work(it->ctx);
}

static void on_work_done(uv_work_t *w, int status)
{
    (void)status;
    struct work_item *it = (struct work_item *)w;
    it->done(it->ctx);
    free(it);
}

bool net_work(struct net_loop *loop, net_fn work, net_fn done, void *ctx)
{
    struct work_item *it = calloc(1, sizeof *it);
    if (!it)
        return false;
    it->work = work;
    it->done = done;
    it->ctx = ctx;
    if (uv_queue_work(&loop->uv, &it->uv, on_work, on_work_done)) {
        free(it);
        return false;
    }
    return true;
}

static void free_handle(uv_handle_t *h)
{
    free(h); /* the uv handle is the first member of its owner */
}

static void on_timer(uv_timer_t *h)
{
    struct net_timer *t = (struct net_timer *)h;
    t->fn(t->ctx);
}

struct net_timer *net_timer_open(struct net_loop *loop, net_fn fn, void *ctx)
{
    struct net_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    uv_timer_init(&loop->uv, &t->uv);
    t->fn = fn;
    t->ctx = ctx;
    return t;
}

void net_timer_set(struct net_timer *t, int64_t after_ms, int64_t repeat_ms)
{
    uv_update_time(t->uv.loop); /* a long callback must not shorten it */
    uv_timer_start(&t->uv, on_timer, after_ms > 0 ? (uint64_t)after_ms : 0,
                   repeat_ms > 0 ? (uint64_t)repeat_ms : 0);
}

void net_timer_clear(struct net_timer *t)
{
    uv_timer_stop(&t->uv);
}

void net_timer_close(struct net_timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->uv, free_handle);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct net_watch *w = (struct net_watch *)h;
    int ev = 0;
    if (status < 0 || (events & UV_READABLE))
        ev |= NET_READ;
    if (status < 0 || (events & UV_WRITABLE))
        ev |= NET_WRITE;
    if (ev)
        w->fn(w->ctx, ev);
}

enum phi_rc net_watch_open(struct net_loop *loop, int fd, net_watch_fn fn, void *ctx,
                           struct net_watch **ret, struct phi_err *err)
{
    struct net_watch *w = calloc(1, sizeof *w);
    if (!w)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    int rc = uv_poll_init(&loop->uv, &w->uv, fd);
    if (rc) {
        free(w);
        return phi_fail(err, PHI_EIO, "watching a descriptor: %s", uv_strerror(rc));
    }
    w->fn = fn;
    w->ctx = ctx;
    *ret = w;
    return PHI_OK;
}

void net_watch_set(struct net_watch *w, int events)
{
    if (events == w->events)
        return;
    w->events = events;
    int uv = (events & NET_READ ? UV_READABLE : 0) | (events & NET_WRITE ? UV_WRITABLE : 0);
    if (uv)
        uv_poll_start(&w->uv, uv, on_poll);
    else
        uv_poll_stop(&w->uv);
}

void net_watch_close(struct net_watch *w)
{
    if (!w)
        return;
    uv_poll_stop(&w->uv);
    uv_close((uv_handle_t *)&w->uv, free_handle);
}

static void on_signal(uv_signal_t *h, int signum)
{
    (void)signum;
    struct net_signal *s = (struct net_signal *)h;
    s->fn(s->ctx);
}

enum phi_rc net_signal_open(struct net_loop *loop, int signum, net_fn fn, void *ctx,
                            struct net_signal **ret, struct phi_err *err)
{
    struct net_signal *s = calloc(1, sizeof *s);
    if (!s)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    uv_signal_init(&loop->uv, &s->uv);
    s->fn = fn;
    s->ctx = ctx;
    int rc = uv_signal_start(&s->uv, on_signal, signum);
    if (rc) {
        uv_close((uv_handle_t *)&s->uv, free_handle);
        return phi_fail(err, PHI_EIO, "signal %d: %s", signum, uv_strerror(rc));
    }
    *ret = s;
    return PHI_OK;
}

void net_signal_close(struct net_signal *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->uv, free_handle);
}
