#include "api/engine_in.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/logline.h"
#include "base/os.h"
#include "core/change.h"
#include "core/log.h"

#define TICK_SOON_MS  200 /* a tick is a commit; no right is shorter than this */
#define TICK_RETRY_MS 1000
#define TIDY_AFTER_MS 10 /* without a change */
#define CLAIM_SOON_MS 10 /* a grant that somebody waits for is claimed sooner: till then the store is left alone */
#define LEASE_BEAT_MS 1000
#define HEARD_MAX     (4u * 1024 * 1024)
#define LEASE_MS      5000 /* of the timer and of the signer, where the store is shared */

/* ---- answers go back to the loop ---- */

static void finished_run(void *arg)
{
    struct api_engine *e = arg;
    struct job_list mine;
    struct api_job *j;
    pthread_mutex_lock(&e->lock);
    mine = e->finished;
    if (!mine.first)
        mine.end = &mine.first;
    engine_list_init(&e->finished);
    e->posted = false;
    pthread_mutex_unlock(&e->lock);
    while ((j = mine.first) != NULL) {
        mine.first = j->next;
        j->done(j);
    }
}

static void jobs_finish(struct api_engine *e, struct api_job **jobs, size_t n)
{
    bool post = false;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < n; i++)
        if (jobs[i]->done)
            engine_list_add(&e->finished, jobs[i]);
    if (e->finished.first && !e->posted)
        post = e->posted = true;
    pthread_mutex_unlock(&e->lock);
    if (post && !net_post(e->o.loop, finished_run, e)) {
        PHI_LOG(ERROR, "cannot post answers", "why", "out of memory");
        abort(); /* answers that never come would hold clients for ever; a restart is clean */
    }
}

void api_engine_pass(struct api_engine *e, struct api_job *j)
{
    jobs_finish(e, &j, 1);
}

/* ---- the core thread ---- */

enum phi_rc engine_lease(struct api_engine *e, const char *name, bool *ret_mine, struct phi_err *err)
{
    const struct phi_store *s = e->o.store;
    *ret_mine = true;
    return s->ops->lease ? s->ops->lease(s->self, name, LEASE_MS, ret_mine, err) : PHI_OK;
}

static enum phi_rc tick_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_engine *e = arg;
    bool mine;
    e->tick_next = TICK_RETRY_MS;
    PHI_TRY(engine_lease(e, "timer", &mine, err));
    PHI_TRY(mine ? phi_core_tick(c, &e->tick_next, err) : PHI_OK);
    if (e->o.store->ops->lease && e->tick_next > LEASE_BEAT_MS)
        e->tick_next = LEASE_BEAT_MS;
    return PHI_OK;
}

/* ---- what other processes say ---- */

static enum phi_rc hear_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_engine *e = arg;
    const struct phi_store *s = e->o.store;
    bool lost = false;
    phi_arena_reset(&e->heard_arena);
    e->n_heard = 0;
    e->hear_ran = true;
    pthread_mutex_lock(&e->lock);
    e->hearing = false; /* what is said from here on is heard by another */
    pthread_mutex_unlock(&e->lock);
    PHI_TRY(s->ops->hear(s->self, &e->heard_arena, &e->heard, &e->n_heard, &lost, err));
    e->hear_lost |= lost;
    struct phi_log_head h; /* it may be for this process to sign what another one has logged */
    PHI_TRY(phi_log_get_head(c, &e->heard_arena, &h, err));
    if (h.size > h.checkpoint_size)
        engine_sign_want(e, h.size, &h.root);
    return PHI_OK;
}

static void hear_over(struct api_engine *e)
{
    if (!e->hear_ran) { /* the store was away: whoever wakes us next asks for another */
        pthread_mutex_lock(&e->lock);
        e->hearing = false;
        pthread_mutex_unlock(&e->lock);
    }
    e->hear_ran = false;
    if (e->hear.rc != PHI_OK) {
        e->hear_lost = true; /* said once it works again */
        return;
    }
    if (e->o.notifier && e->hear_lost)
        e->o.notifier->fan_out(e->o.notifier->self, NULL, 0);
    else if (e->o.notifier && e->n_heard)
        e->o.notifier->fan_out(e->o.notifier->self, e->heard, e->n_heard);
    e->hear_lost = false;
}

/* core's port, after the commit. */
static void fan_out(void *self, const struct phi_event *events, size_t n)
{
    struct api_engine *e = self;
    bool made = false; /* with it, it may have been claimed: the gateway comes for the answer, and nothing is to be written then */
    for (size_t i = 0; i < n; i++) {
        if (events[i].kind != PHI_EVENT_GRANT)
            continue;
        made |= phi_view_is(events[i].status, "ready");
        e->claim_until = made ? phi_now_boot_ms() + CLAIM_SOON_MS : 0;
    }
    if (e->o.notifier)
        e->o.notifier->fan_out(e->o.notifier->self, events, n);
}

static void tick_over(struct api_engine *e)
{
    int64_t next = e->tick.rc == PHI_OK ? e->tick_next : TICK_RETRY_MS;
    atomic_store(&e->stuck, e->tick.rc != PHI_OK);
    if (e->tick.rc != PHI_OK)
        PHI_LOG(ERROR, "tick failed", "why", "%s", e->tick.err.msg);
    e->tick_at = phi_now_boot_ms() + (next < 1 ? 1 : next > 10000 ? 10000 : next);
}

/* Under the lock: when something is to be done though nobody asks. */
static int64_t next_at(const struct api_engine *e)
{
    int64_t at = e->tick_at, sign_at = e->sign.due_at > e->sign.retry_at ? e->sign.due_at : e->sign.retry_at;
    if (e->o.sign && e->sign.wanted && !e->sign.busy && sign_at < at)
        at = sign_at;
    if (e->copy && e->copy_at < at)
        at = e->copy_at;
    if (e->tidy_at && e->tidy_at < at)
        at = e->tidy_at;
    if (e->sign.put_at && e->sign.put_at < at)
        at = e->sign.put_at;
    return at;
}

static bool tidy_due(const struct api_engine *e)
{
    return e->tidy_at && phi_now_boot_ms() >= e->tidy_at;
}

/* Under the lock: what waits, and a signed head with it where it costs no commit of its own. */
static size_t batch_fill(struct api_engine *e, bool tick, bool put)
{
    size_t n = 0;
    bool claims = phi_now_boot_ms() < e->claim_until;
    if (tick)
        e->jobs[n++] = &e->tick;
    while (n < BATCH_MAX && e->follow.n)
        e->jobs[n++] = engine_list_take(&e->follow);
    while (n < BATCH_MAX && e->queue.n)
        e->jobs[n++] = engine_list_take(&e->queue);
    for (size_t i = 0; i < n && e->sign.put_at && !claims; i++)
        put |= e->jobs[i]->changes;
    if (put && n < BATCH_MAX) {
        e->sign.put_at = 0;
        e->jobs[n++] = &e->sign.put;
    }
    return n;
}

/* Under the lock: waits for work or the next deadline, then takes a batch. 0: a copy goes on, time to tidy, or the end. What is
 * to be told goes alone: gateways wait for it, and it needs no disk. */
static size_t batch_take(struct api_engine *e)
{
    size_t n = 0;
    for (;;) {
        while (n < BATCH_MAX && e->tell.n)
            e->jobs[n++] = engine_list_take(&e->tell);
        if (n)
            return n;
        engine_sign_begin(e);
        if (e->flushing && engine_sign_settled(e))
            pthread_cond_signal(&e->signed_all);
        bool due = phi_now_boot_ms() >= e->tick_at, put = engine_sign_put_due(e);
        if (e->queue.n || e->follow.n || due || put)
            return batch_fill(e, due, put);
        if (e->stopping || (e->copy && phi_now_boot_ms() >= e->copy_at) || tidy_due(e))
            return 0;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ms = next_at(e) - phi_now_boot_ms();
        ms = ms < 1 ? 1 : ms;
        until.tv_sec += ms / 1000;
        until.tv_nsec += (ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&e->work, &e->lock, &until);
    }
}

static void batch_settle(struct api_engine *e, size_t n, enum phi_rc rc, const struct phi_err *err)
{
    bool changed = false;
    for (size_t i = 0; i < n; i++) {
        struct api_job *j = e->jobs[i];
        j->rc = rc != PHI_OK ? rc : e->cmds[i].rc;
        j->why = rc != PHI_OK || !e->cmds[i].why ? "" : e->cmds[i].why;
        j->err = rc != PHI_OK ? *err : e->cmds[i].err;
        changed |= j->changes || j == &e->hear;
        if (j->rc == PHI_OK && j->committed)
            j->committed(j);
        if (j == &e->tick)
            tick_over(e);
        else if (j == &e->hear)
            hear_over(e);
        else if (engine_sign_is(e, j))
            engine_sign_step_over(e, j);
        else if (j->changes && e->tick_at > phi_now_boot_ms() + TICK_SOON_MS)
            e->tick_at = phi_now_boot_ms() + TICK_SOON_MS;
    }
    if (changed)
        atomic_fetch_add(&e->epoch, 1);
    if (changed || !e->tidy_at)
        e->tidy_at = phi_now_boot_ms() + TIDY_AFTER_MS;
}

uint64_t api_engine_epoch(const struct api_engine *e)
{
    return atomic_load(&e->epoch);
}

bool api_engine_writes(const struct api_engine *e)
{
    return !atomic_load(&e->stuck);
}

static void batch_run(struct api_engine *e, size_t n)
{
    struct phi_err err = { 0 };
    memset(e->cmds, 0, n * sizeof(e->cmds[0]));
    for (size_t i = 0; i < n; i++)
        e->cmds[i] = (struct phi_core_cmd){ .run = e->jobs[i]->run, .arg = e->jobs[i]->arg, .foresee = e->jobs[i]->foresee };
    enum phi_rc rc = phi_core_batch(e->core, e->cmds, n, &err);
    if (rc != PHI_OK)
        PHI_LOG(ERROR, "batch failed", "why", "%s", err.msg);
    batch_settle(e, n, rc, &err);
    pthread_mutex_lock(&e->lock);
    e->counts.batches++;
    e->counts.jobs += n;
    e->counts.failed_batches += rc != PHI_OK;
    pthread_mutex_unlock(&e->lock);
    jobs_finish(e, e->jobs, n);
}

static void tidy_step(struct api_engine *e, bool ran)
{
    const struct phi_store *s = e->o.store;
    bool due = tidy_due(e);
    if (!ran && !due)
        return;
    if (phi_now_boot_ms() < e->claim_until) {
        e->tidy_at = e->claim_until;
        return;
    }
    pthread_mutex_lock(&e->lock);
    bool busy = !due || e->queue.n > 0;
    pthread_mutex_unlock(&e->lock);
    if (due)
        e->tidy_at = 0;
    if (s->ops->tidy)
        s->ops->tidy(s->self, busy);
}

static void *core_main(void *arg)
{
    struct api_engine *e = arg;
    size_t n;
    for (;;) {
        pthread_mutex_lock(&e->lock);
        n = batch_take(e);
        bool last = n == 0 && e->stopping;
        pthread_mutex_unlock(&e->lock);
        if (n)
            batch_run(e, n);
        tidy_step(e, n > 0);
        engine_copy_step(e);
        if (last)
            return NULL;
    }
}

/* ---- outside ---- */

static void engine_free(void *arg)
{
    struct api_engine *e = arg;
    phi_arena_done(&e->heard_arena);
    engine_sign_done(e);
    pthread_cond_destroy(&e->work);
    pthread_cond_destroy(&e->sign_work);
    pthread_cond_destroy(&e->signed_all);
    pthread_mutex_destroy(&e->lock);
    free(e->origin);
    free(e->key);
    free(e);
}

static void engine_init(struct api_engine *e, const struct api_engine_opts *o)
{
    pthread_condattr_t attr;
    e->o = *o;
    e->origin = strdup(o->origin);
    e->key = strdup(o->key);
    e->signer = (struct phi_signer){ .self = e, .want = engine_sign_want };
    e->notifier = (struct phi_notifier){ .self = e, .fan_out = fan_out };
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&e->work, &attr);
    pthread_cond_init(&e->sign_work, &attr);
    pthread_cond_init(&e->signed_all, &attr);
    pthread_condattr_destroy(&attr);
    engine_list_init(&e->queue);
    engine_list_init(&e->follow);
    engine_list_init(&e->tell);
    engine_list_init(&e->finished);
    engine_sign_init(e);
    e->tick = (struct api_job){ .run = tick_run, .arg = e };
    e->hear = (struct api_job){ .run = hear_run, .arg = e };
    phi_arena_init(&e->heard_arena, HEARD_MAX);
}

enum phi_rc api_engine_open(const struct api_engine_opts *o, struct api_engine **ret,
                            struct phi_err *err)
{
    struct api_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    engine_init(e, o);
    struct phi_core_config config = { .origin = e->origin,
                                      .key = e->key,
                                      .store = o->store,
                                      .clock = o->clock,
                                      .rng = o->rng,
                                      .signer = &e->signer,
                                      .notifier = &e->notifier,
                                      .places = o->places,
                                      .networks = o->networks,
                                      .n_networks = o->n_networks };
    enum phi_rc rc = e->origin && e->key ? phi_core_open(&config, &e->core, err)
                                         : phi_fail(err, PHI_ELIMIT, "out of memory");
    if (rc == PHI_OK)
        phi_changer_set(e->core, o->changer);
    if (rc == PHI_OK)
        rc = phi_core_do(e->core, engine_head_load, e, err);
    if (rc != PHI_OK) {
        phi_core_close(e->core);
        engine_free(e);
        return rc;
    }
    *ret = e;
    return PHI_OK;
}

enum phi_rc api_engine_start(struct api_engine *e, struct phi_err *err)
{
    if (pthread_create(&e->sign_thread, NULL, engine_sign_main, e) != 0)
        return phi_fail(err, PHI_EIO, "cannot start a thread");
    if (pthread_create(&e->thread, NULL, core_main, e) != 0) {
        pthread_mutex_lock(&e->lock);
        e->sign_stopping = true;
        pthread_cond_signal(&e->sign_work);
        pthread_mutex_unlock(&e->lock);
        pthread_join(e->sign_thread, NULL);
        return phi_fail(err, PHI_EIO, "cannot start a thread");
    }
    e->started = true;
    return PHI_OK;
}

bool api_engine_submit(struct api_engine *e, struct api_job *j)
{
    pthread_mutex_lock(&e->lock);
    bool ok = !e->stopping && e->queue.n < QUEUE_MAX;
    if (ok) {
        engine_list_add(&e->queue, j);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    return ok;
}

void api_engine_follow(struct api_engine *e, struct api_job *j)
{
    pthread_mutex_lock(&e->lock);
    engine_list_add(j->reads ? &e->tell : &e->follow, j);
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
}

void api_engine_hear(struct api_engine *e)
{
    pthread_mutex_lock(&e->lock);
    if (!e->hearing && !e->stopping) {
        e->hearing = true;
        engine_list_add(&e->follow, &e->hear);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
}

void api_engine_close(struct api_engine *e)
{
    if (!e)
        return;
    bool posts = e->started;
    if (e->started) {
        engine_sign_flush(e);
        /* The signing thread first: what it still hands in is stored by the core thread. */
        pthread_mutex_lock(&e->lock);
        e->sign_stopping = true;
        pthread_cond_signal(&e->sign_work);
        pthread_mutex_unlock(&e->lock);
        pthread_join(e->sign_thread, NULL);
        pthread_mutex_lock(&e->lock);
        e->stopping = true;
        e->o.sign = NULL;
        pthread_cond_signal(&e->work);
        pthread_mutex_unlock(&e->lock);
        pthread_join(e->thread, NULL);
        finished_run(e);
    }
    phi_core_close(e->core);
    /* A post of ours may still wait in the loop; this one runs after it. */
    if (!posts || !net_post(e->o.loop, engine_free, e))
        engine_free(e);
}

struct api_engine_counts api_engine_counts(struct api_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct api_engine_counts c = e->counts;
    pthread_mutex_unlock(&e->lock);
    return c;
}
