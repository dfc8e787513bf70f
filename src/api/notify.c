#include "api/notify.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"

#define AT_ONCE_MAX 4 /* messages of one channel on their way; of a command: 1 */
#define SOON_MS 20
#define BUSY_MS 200
#define RETRY_MS 2000
#define DORMANT_MS 60000
#define DRAIN_MS 3000 /* how long stopping waits for what is on its way */
#define TAKE_MEMORY ((size_t)96 << 20)
#define NOTICE_MEMORY ((size_t)8 << 20)

struct batch { /* what one take gave; lives until the last of it was reported */
    struct api_notify *owner;
    struct api_job job;
    struct phi_arena arena;
    struct phi_message *m;
    size_t n, left;
    int64_t next_ms;
    struct {
        char name[64];
        size_t n;
    } busy[PHI_MAX_CHANNELS];
    size_t n_busy;
};

struct sending { /* one message on its way */
    struct batch *batch;
    const struct phi_message *m;
    struct phi_arena arena;
    struct api_notice notice;
    struct phi_sent sent;
    struct api_job job;
    struct sending *next;
};

struct api_notify {
    struct api_notify_opts o;
    struct net_timer *timer, *late;
    int64_t look_at;      /* boot clock; 0: the timer rests */
    struct batch *taking; /* NULL: none runs */
    struct sending *going;
    net_fn drained; /* who waits until nothing is on its way */
    void *drained_ctx;
    bool stopping, closing, again; /* again: something came while it was taking */
    _Atomic bool woken, dormant; /* dormant: there was no channel */
};

static void look(void *ctx);

static void batch_unref(struct batch *b)
{
    if (--b->left > 0)
        return;
    phi_arena_done(&b->arena);
    free(b);
}

/* Whoever wants to look earliest has their way. */
static void soon(struct api_notify *n, int64_t ms)
{
    int64_t at = phi_now_boot_ms() + (ms > 0 ? ms : 1);
    if (n->closing || (n->look_at && n->look_at <= at))
        return;
    n->look_at = at;
    net_timer_set(n->timer, ms > 0 ? ms : 1, 0);
}

static void drained_if(struct api_notify *n, bool over)
{
    net_fn done = n->drained;
    if (!done || n->closing || (!over && (n->going || n->taking)))
        return;
    n->drained = NULL;
    if (!net_post(n->o.loop, done, n->drained_ctx)) /* not from here: it closes the engine, whose answer this may be */
        PHI_LOG(ERROR, "cannot stop", "why", "out of memory");
}

/* ---- reporting */

static void sending_free(struct sending *s)
{
    struct batch *b = s->batch;
    phi_arena_wipe(&s->arena); /* it may hold a secret */
    free(s);
    batch_unref(b);
}

static void unlink_going(struct sending *s)
{
    for (struct sending **p = &s->batch->owner->going; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            return;
        }
}

static enum phi_rc report_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct sending *s = arg;
    PHI_ARENA(a, 1 << 20);
    return phi_outbox_report(c, &a, &s->sent, err);
}

static void reported(struct api_job *j)
{
    struct sending *s = j->arg;
    struct api_notify *n = s->batch->owner;
    if (j->rc != PHI_OK && j->rc != PHI_ENOTFOUND && j->rc != PHI_ECONFLICT)
        PHI_LOG(WARN, "a message's fate is not recorded", "why", "%s", j->err.msg);
    unlink_going(s);
    soon(n, SOON_MS);
    sending_free(s);
    drained_if(n, false);
}

static void report(struct sending *s)
{
    struct api_notify *n = s->batch->owner;
    s->sent.id = s->m->id;
    s->sent.lease = s->m->lease;
    s->sent.content = s->m->content;
    if (s->sent.how != PHI_SENT_OK)
        PHI_LOG(WARN, "not told", "why", PHI_FMT " by " PHI_FMT ": " PHI_FMT, PHI_ARG(s->m->what), PHI_ARG(s->m->channel),
                PHI_ARG(s->sent.error));
    s->job = (struct api_job){ .run = report_run, .done = reported, .arg = s };
    if (!n->closing && api_engine_submit(n->o.engine, &s->job))
        return;
    unlink_going(s); /* the lease ends, and it is sent again */
    sending_free(s);
}

/* ---- sending */

static void fetched(const struct net_fetch_answer *answer, const struct phi_err *why, bool maybe_done, void *ctx)
{
    struct sending *s = ctx;
    (void)maybe_done; /* what arrived twice has the same id */
    api_notice_answer(&s->arena, s->m, &s->notice, answer, why, &s->sent);
    report(s);
}

static void commanded(const char *why, void *ctx)
{
    struct sending *s = ctx;
    s->sent.how = why ? PHI_SENT_LATER : PHI_SENT_OK;
    s->sent.error = phi_arena_copy(&s->arena, phi_view_of(why));
    report(s);
}

static void failed(struct sending *s, const struct phi_err *err)
{
    s->sent.how = err->rc == PHI_EIO || err->rc == PHI_ELIMIT ? PHI_SENT_LATER : PHI_SENT_NEVER;
    s->sent.error = phi_arena_copy(&s->arena, phi_view_of(err->msg));
    report(s);
}

static enum phi_rc leave(struct sending *s, struct phi_err *err)
{
    struct api_notify *n = s->batch->owner;
    struct api_notice_env env = { n->o.origin, n->o.secrets, phi_now_wall_ms() };
    PHI_TRY(api_notice_make(&s->arena, &env, s->m, &s->notice, err));
    switch (s->notice.way) {
    case API_NOTICE_FETCH:
        if (!n->o.fetch.send)
            return phi_fail(err, PHI_EIO, "phid has no process that reaches out");
        return n->o.fetch.send(n->o.fetch.self, &s->notice.ask, fetched, s, err);
    case API_NOTICE_COMMAND:
        if (!n->o.commands.run)
            return phi_fail(err, PHI_EINPUT, "phid.yaml's notify has no commands");
        return n->o.commands.run(n->o.commands.self, s->notice.command, s->notice.input, commanded, s, err);
    }
    return phi_fail(err, PHI_EINPUT, "there is no such way");
}

static void send_one(struct batch *b, const struct phi_message *m)
{
    struct phi_err err = { 0 };
    struct sending *s = calloc(1, sizeof *s);
    if (!s)
        return; /* its lease ends */
    *s = (struct sending){ .batch = b, .m = m, .next = b->owner->going };
    phi_arena_init(&s->arena, NOTICE_MEMORY);
    b->left++;
    b->owner->going = s;
    if (leave(s, &err) != PHI_OK)
        failed(s, &err);
}

/* ---- taking */

static size_t room_of(void *self, struct phi_view channel)
{
    const struct batch *b = self;
    for (size_t i = 0; i < b->n_busy; i++)
        if (phi_view_is(channel, b->busy[i].name))
            return b->busy[i].n < AT_ONCE_MAX ? AT_ONCE_MAX - b->busy[i].n : 0;
    return AT_ONCE_MAX;
}

static enum phi_rc take_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct batch *b = arg;
    struct phi_outbox_room room = { b, room_of };
    return phi_outbox_take(c, &b->arena, &room, &b->m, &b->n, &b->next_ms, err);
}

static void taken(struct api_job *j)
{
    struct batch *b = j->arg;
    struct api_notify *n = b->owner;
    n->taking = NULL;
    b->left = 1;
    if (j->rc != PHI_OK) {
        PHI_LOG(WARN, "the outbox cannot be read", "why", "%s", j->err.msg);
        b->next_ms = RETRY_MS;
        b->n = 0;
    }
    atomic_store(&n->dormant, b->next_ms < 0);
    if (b->next_ms < 0)
        b->next_ms = DORMANT_MS;
    for (size_t i = 0; i < b->n && !n->closing && !n->stopping; i++)
        send_one(b, &b->m[i]);
    soon(n, n->again ? SOON_MS : b->next_ms < BUSY_MS && n->going ? BUSY_MS : b->next_ms);
    n->again = false;
    batch_unref(b);
    drained_if(n, false);
}

static void busy_fill(struct batch *b)
{
    for (const struct sending *s = b->owner->going; s; s = s->next) {
        size_t i = 0;
        while (i < b->n_busy && !phi_view_is(s->m->channel, b->busy[i].name))
            i++;
        if (i == PHI_MAX_CHANNELS || s->m->channel.n >= sizeof b->busy[i].name)
            continue;
        if (i == b->n_busy) {
            memcpy(b->busy[i].name, s->m->channel.p, s->m->channel.n);
            b->n_busy++;
        }
        b->busy[i].n++;
    }
}

static void look(void *ctx)
{
    struct api_notify *n = ctx;
    n->look_at = 0;
    atomic_store(&n->woken, false);
    n->again = n->taking != NULL;
    if (n->closing || n->stopping || n->taking)
        return;
    struct batch *b = calloc(1, sizeof *b);
    if (!b)
        return soon(n, RETRY_MS);
    b->owner = n;
    phi_arena_init(&b->arena, TAKE_MEMORY);
    busy_fill(b);
    b->job = (struct api_job){ .run = take_run, .done = taken, .arg = b };
    n->taking = b;
    if (api_engine_submit(n->o.engine, &b->job))
        return;
    n->taking = NULL;
    b->left = 1;
    batch_unref(b);
    soon(n, RETRY_MS);
}

static void woken(void *ctx)
{
    soon(ctx, SOON_MS);
}

void api_notify_wake(struct api_notify *n, bool channels)
{
    if (atomic_load(&n->dormant) && !channels)
        return;
    if (!atomic_exchange(&n->woken, true) && !net_post(n->o.loop, woken, n))
        atomic_store(&n->woken, false);
}

enum phi_rc api_notify_open(const struct api_notify_opts *o, struct api_notify **ret, struct phi_err *err)
{
    struct api_notify *n = calloc(1, sizeof *n);
    if (!n)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    n->o = *o;
    n->timer = net_timer_open(o->loop, look, n);
    if (!n->timer) {
        free(n);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    net_timer_set(n->timer, SOON_MS, 0);
    *ret = n;
    return PHI_OK;
}

static void drained_late(void *ctx)
{
    drained_if(ctx, true);
}

void api_notify_drain(struct api_notify *n, net_fn done, void *ctx)
{
    if (!n || n->closing || (!n->going && !n->taking)) {
        done(ctx);
        return;
    }
    n->stopping = true;
    n->drained = done;
    n->drained_ctx = ctx;
    n->late = net_timer_open(n->o.loop, drained_late, n);
    if (n->late)
        net_timer_set(n->late, DRAIN_MS, 0);
}

void api_notify_stop(struct api_notify *n)
{
    if (!n || n->closing)
        return;
    n->closing = true;
    net_timer_close(n->timer);
    net_timer_close(n->late);
}

void api_notify_close(struct api_notify *n)
{
    if (!n)
        return;
    api_notify_stop(n);
    while (n->going) {
        struct sending *s = n->going;
        n->going = s->next;
        sending_free(s);
    }
    net_post(n->o.loop, free, n); /* after a waking that waits in the loop */
}
