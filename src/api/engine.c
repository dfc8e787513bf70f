#include "api/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/logline.h"
#include "base/os.h"
#include "core/log.h"

#define QUEUE_MAX     4096
#define BATCH_MAX     256
#define TICK_SOON_MS  200 /* a tick is a commit; no right is shorter than this */
#define TICK_RETRY_MS 1000
#define SIGN_RETRY_MS 1000
#define SIGN_FLUSH_S  2 /* how long stopping waits for the last head */
#define SIGN_AFTER_MS 20 /* so that its two commits do not stand between a vote and the claim that follows it */
#define LEASE_MS      5000 /* of the timer and of the signer, where the store is shared */
#define LEASE_BEAT_MS 1000
#define HEARD_MAX     (4u * 1024 * 1024)

struct job_list {
    struct api_job *first, **end;
    size_t n;
};

enum sign_skip { SIGN_IT, SIGN_PUBLISHED, SIGN_NOT_OURS };

struct sign_state {
    enum sign_skip skip; /* another phid has signed it, or is the one to do so */
    bool wanted, busy, ready; /* ready: from, size, root and proof are for the signing thread */
    int64_t want_size, size, due_at, retry_at; /* not before either */
    int64_t from, stored; /* what the signer signed last, and what core has of it */
    struct phi_digest want_root, root;
    struct phi_tree_proof proof;
    struct phi_arena arena;
    struct phi_buf note;
    enum phi_rc rc;
    struct phi_err err;
    struct api_job prepare, put;
};

struct api_engine {
    struct api_engine_opts o;
    struct phi_core *core;
    struct phi_signer signer;
    char *origin, *key;

    pthread_mutex_t lock;
    pthread_cond_t work, sign_work, signed_all;
    struct job_list queue, follow, finished;
    bool stopping, sign_stopping, posted, started;
    bool flushing; /* heads are signed at once: somebody waits for the last */
    struct api_engine_counts counts;
    pthread_t thread, sign_thread;

    /* core thread only */
    int64_t tick_at;
    struct api_job tick;
    int64_t tick_next;
    struct api_job hear;
    struct phi_arena heard_arena;
    struct phi_event *heard;
    size_t n_heard;
    bool hear_lost;
    bool hearing; /* under lock: the job waits or runs */
    struct phi_core_cmd cmds[BATCH_MAX];
    struct api_job *jobs[BATCH_MAX];

    struct sign_state
        sign; /* busy: the signing thread's; else the core thread's; flags under lock */
};

static void list_init(struct job_list *l)
{
    *l = (struct job_list){.end = &l->first};
}

static void list_add(struct job_list *l, struct api_job *j)
{
    j->next = NULL;
    *l->end = j;
    l->end = &j->next;
    l->n++;
}

static struct api_job *list_take(struct job_list *l)
{
    struct api_job *j = l->first;
    if (!j)
        return NULL;
    l->first = j->next;
    if (!l->first)
        l->end = &l->first;
    l->n--;
    return j;
}

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
    list_init(&e->finished);
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
            list_add(&e->finished, jobs[i]);
    if (e->finished.first && !e->posted)
        post = e->posted = true;
    pthread_mutex_unlock(&e->lock);
    if (post && !net_post(e->o.loop, finished_run, e)) {
        PHI_LOG(ERROR, "cannot post answers", "why", "out of memory");
        abort(); /* answers that never come would hold clients for ever; a restart is clean */
    }
}

/* ---- signing ---- */

static void sign_want(void *self, int64_t size, const struct phi_digest *root)
{
    struct api_engine *e = self;
    pthread_mutex_lock(&e->lock);
    if (!e->sign.wanted)
        e->sign.due_at = phi_now_boot_ms() + SIGN_AFTER_MS;
    e->sign.wanted = true;
    e->sign.want_size = size;
    e->sign.want_root = *root;
    pthread_mutex_unlock(&e->lock);
}

static enum phi_rc lease(struct api_engine *e, const char *name, bool *ret_mine, struct phi_err *err)
{
    const struct phi_store *s = e->o.store;
    *ret_mine = true;
    return s->ops->lease ? s->ops->lease(s->self, name, LEASE_MS, ret_mine, err) : PHI_OK;
}

/* Only the holder of the lease signs; whoever loses it between signing and storing has signed what the next
 * one's log contains as well, so nothing forks. */
static enum phi_rc sign_whose(struct api_engine *e, struct phi_core *c, struct phi_err *err)
{
    struct sign_state *s = &e->sign;
    struct phi_log_head h;
    bool mine;
    PHI_TRY(phi_log_get_head(c, &s->arena, &h, err));
    s->skip = SIGN_IT;
    if (h.checkpoint.n && h.checkpoint_size >= s->size) {
        s->skip = SIGN_PUBLISHED;
        return PHI_OK;
    }
    PHI_TRY(lease(e, "signer", &mine, err));
    if (!mine)
        s->skip = SIGN_NOT_OURS;
    return PHI_OK;
}

static enum phi_rc sign_prepare_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct sign_state *s = &((struct api_engine *)arg)->sign;
    struct phi_digest *hashes;
    size_t n;
    phi_arena_done(&s->arena);
    if (((struct api_engine *)arg)->o.store->ops->lease)
        PHI_TRY(sign_whose(arg, c, err));
    if (s->skip != SIGN_IT)
        return PHI_OK;
    PHI_TRY(phi_log_consistency(c, &s->arena, s->from, s->size, &hashes, &n, err));
    if (n > PHI_TREE_PROOF_MAX)
        return phi_fail(err, PHI_ECORRUPT, "a consistency proof of %zu hashes", n);
    s->proof.n = n;
    for (size_t i = 0; i < n; i++)
        s->proof.hash[i] = hashes[i];
    return PHI_OK;
}

static void sign_prepare_committed(struct api_job *j)
{
    struct api_engine *e = j->arg;
    if (e->sign.skip != SIGN_IT)
        return;
    pthread_mutex_lock(&e->lock);
    e->sign.ready = true;
    pthread_cond_signal(&e->sign_work);
    pthread_mutex_unlock(&e->lock);
}

static enum phi_rc sign_put_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct sign_state *s = &((struct api_engine *)arg)->sign;
    return phi_log_checkpoint_put(c, s->size, phi_buf_view(&s->note), err);
}

/* Under the lock. A head that could not be signed or stored is tried again, later and newer. */
static void sign_over(struct api_engine *e, bool ok)
{
    e->sign.busy = false;
    if (ok) {
        e->sign.from = e->sign.stored = e->sign.size;
        e->counts.signed_heads++;
        e->counts.signed_size = e->sign.size;
    } else {
        e->sign.wanted = true;
        e->sign.retry_at = phi_now_boot_ms() + SIGN_RETRY_MS;
        if (e->sign.want_size < e->sign.size) {
            e->sign.want_size = e->sign.size;
            e->sign.want_root = e->sign.root;
        }
    }
}

static void sign_skipped(struct api_engine *e)
{
    struct sign_state *s = &e->sign;
    pthread_mutex_lock(&e->lock);
    if (s->skip == SIGN_PUBLISHED) {
        s->busy = false;
        s->stored = s->size;
        e->counts.signed_size = s->size;
    } else {
        sign_over(e, false); /* whoever signs may be gone: looks again */
    }
    pthread_mutex_unlock(&e->lock);
}

static void sign_step_over(struct api_engine *e, const struct api_job *j)
{
    if (j == &e->sign.prepare && j->rc == PHI_OK) {
        if (e->sign.skip != SIGN_IT)
            sign_skipped(e);
        return;
    }
    if (j->rc != PHI_OK)
        PHI_LOG(ERROR, "checkpoint not stored", "why", "%s", j->err.msg);
    pthread_mutex_lock(&e->lock);
    sign_over(e, j->rc == PHI_OK);
    pthread_mutex_unlock(&e->lock);
}

/* Under the lock, on the core thread: begins when a newer head waits and none is being signed. */
static void sign_begin(struct api_engine *e)
{
    struct sign_state *s = &e->sign;
    int64_t now = phi_now_boot_ms();
    if (!e->o.sign || !s->wanted || s->busy || now < s->retry_at || (!e->flushing && now < s->due_at))
        return;
    s->wanted = false;
    if (s->want_size <= s->stored)
        return;
    s->busy = true;
    s->size = s->want_size;
    s->root = s->want_root;
    list_add(&e->follow, &s->prepare);
}

/* Under the lock: all is signed, or cannot be now. */
static bool sign_settled(const struct api_engine *e)
{
    const struct sign_state *s = &e->sign;
    return !e->o.sign || (!s->busy && (!s->wanted || phi_now_boot_ms() < s->retry_at));
}

/* What nobody has signed could be changed while no phid runs, so the last head is signed before the end. */
static void sign_flush(struct api_engine *e)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SIGN_FLUSH_S;
    pthread_mutex_lock(&e->lock);
    e->flushing = true;
    pthread_cond_signal(&e->work);
    while (!sign_settled(e) || e->queue.n) {
        if (pthread_cond_timedwait(&e->signed_all, &e->lock, &until) != 0) {
            PHI_LOG(WARN, "the last entries are not signed yet", NULL, "%s", "");
            break;
        }
    }
    pthread_mutex_unlock(&e->lock);
}

static void *sign_main(void *arg)
{
    struct api_engine *e = arg;
    struct sign_state *s = &e->sign;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!s->ready && !e->sign_stopping)
            pthread_cond_wait(&e->sign_work, &e->lock);
        if (e->sign_stopping)
            break;
        s->ready = false;
        pthread_mutex_unlock(&e->lock);
        phi_buf_clear(&s->note);
        s->rc =
            e->o.sign(e->o.sign_self, &s->from, s->size, &s->root, &s->proof, &s->note, &s->err);
        if (s->rc != PHI_OK)
            PHI_LOG(ERROR, "log head not signed", "why", "%s", s->err.msg);
        pthread_mutex_lock(&e->lock);
        if (s->rc == PHI_OK)
            list_add(&e->follow, &s->put);
        else
            sign_over(e, false);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---- the core thread ---- */

static enum phi_rc tick_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_engine *e = arg;
    bool mine;
    e->tick_next = TICK_RETRY_MS;
    PHI_TRY(lease(e, "timer", &mine, err));
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
    pthread_mutex_lock(&e->lock);
    e->hearing = false; /* what is said from here on is heard by another */
    pthread_mutex_unlock(&e->lock);
    PHI_TRY(s->ops->hear(s->self, &e->heard_arena, &e->heard, &e->n_heard, &lost, err));
    e->hear_lost |= lost;
    struct phi_log_head h; /* it may be for this process to sign what another one has logged */
    PHI_TRY(phi_log_get_head(c, &e->heard_arena, &h, err));
    if (h.size > h.checkpoint_size)
        sign_want(e, h.size, &h.root);
    return PHI_OK;
}

static void hear_over(struct api_engine *e)
{
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

static void tick_over(struct api_engine *e)
{
    int64_t next = e->tick.rc == PHI_OK ? e->tick_next : TICK_RETRY_MS;
    if (e->tick.rc != PHI_OK)
        PHI_LOG(ERROR, "tick failed", "why", "%s", e->tick.err.msg);
    e->tick_at = phi_now_boot_ms() + (next < 1 ? 1 : next > 10000 ? 10000 : next);
}

/* Under the lock: waits for work or the next deadline, then takes a batch. 0: stop. */
static size_t batch_take(struct api_engine *e)
{
    size_t n = 0;
    for (;;) {
        sign_begin(e);
        if (e->flushing && sign_settled(e))
            pthread_cond_signal(&e->signed_all);
        bool due = phi_now_boot_ms() >= e->tick_at;
        if (e->queue.n || e->follow.n || due) {
            if (due)
                e->jobs[n++] = &e->tick;
            while (n < BATCH_MAX && e->follow.n)
                e->jobs[n++] = list_take(&e->follow);
            while (n < BATCH_MAX && e->queue.n)
                e->jobs[n++] = list_take(&e->queue);
            return n;
        }
        if (e->stopping)
            return 0;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ms = e->tick_at - phi_now_boot_ms();
        int64_t sign_at = e->sign.due_at > e->sign.retry_at ? e->sign.due_at : e->sign.retry_at;
        if (e->o.sign && e->sign.wanted && !e->sign.busy && ms > sign_at - phi_now_boot_ms())
            ms = sign_at - phi_now_boot_ms();
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
    for (size_t i = 0; i < n; i++) {
        struct api_job *j = e->jobs[i];
        j->rc = rc != PHI_OK ? rc : e->cmds[i].rc;
        j->why = rc != PHI_OK || !e->cmds[i].why ? "" : e->cmds[i].why;
        j->err = rc != PHI_OK ? *err : e->cmds[i].err;
        if (j->rc == PHI_OK && j->committed)
            j->committed(j);
        if (j == &e->tick)
            tick_over(e);
        else if (j == &e->hear)
            hear_over(e);
        else if (j == &e->sign.prepare || j == &e->sign.put)
            sign_step_over(e, j);
        else if (j->changes && e->tick_at > phi_now_boot_ms() + TICK_SOON_MS)
            e->tick_at = phi_now_boot_ms() + TICK_SOON_MS;
    }
}

static void batch_run(struct api_engine *e, size_t n)
{
    struct phi_err err = {0};
    memset(e->cmds, 0, n * sizeof(e->cmds[0]));
    for (size_t i = 0; i < n; i++)
        e->cmds[i] = (struct phi_core_cmd){.run = e->jobs[i]->run, .arg = e->jobs[i]->arg};
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

static void *core_main(void *arg)
{
    struct api_engine *e = arg;
    size_t n;
    for (;;) {
        pthread_mutex_lock(&e->lock);
        n = batch_take(e);
        pthread_mutex_unlock(&e->lock);
        if (!n)
            return NULL;
        batch_run(e, n);
    }
}

/* ---- outside ---- */

/* What was logged before this start and never signed (bootstrap) is wanted at once. */
static enum phi_rc head_load(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_engine *e = arg;
    struct phi_log_head h;
    phi_arena_done(&e->sign.arena);
    PHI_TRY(phi_log_get_head(c, &e->sign.arena, &h, err));
    e->sign.stored = h.checkpoint.n ? h.checkpoint_size : 0;
    e->sign.from = e->o.signed_size;
    e->counts.signed_size = e->sign.stored;
    if (e->o.sign && e->sign.from > h.size)
        return phi_fail(err, PHI_ECORRUPT,
                        "the log has %lld entries and the signer has signed %lld: the store is "
                        "older than the log key's state",
                        (long long)h.size, (long long)e->sign.from);
    if (h.size > e->sign.stored)
        sign_want(e, h.size, &h.root);
    return PHI_OK;
}

static void engine_free(void *arg)
{
    struct api_engine *e = arg;
    phi_arena_done(&e->sign.arena);
    phi_arena_done(&e->heard_arena);
    phi_buf_done(&e->sign.note);
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
    e->signer = (struct phi_signer){.self = e, .want = sign_want};
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&e->work, &attr);
    pthread_cond_init(&e->sign_work, &attr);
    pthread_cond_init(&e->signed_all, &attr);
    pthread_condattr_destroy(&attr);
    list_init(&e->queue);
    list_init(&e->follow);
    list_init(&e->finished);
    phi_arena_init(&e->sign.arena, 1024 * 1024);
    phi_buf_init(&e->sign.note, 64 * 1024);
    e->tick = (struct api_job){.run = tick_run, .arg = e};
    e->hear = (struct api_job){.run = hear_run, .arg = e};
    phi_arena_init(&e->heard_arena, HEARD_MAX);
    e->sign.prepare =
        (struct api_job){.run = sign_prepare_run, .committed = sign_prepare_committed, .arg = e};
    e->sign.put = (struct api_job){.run = sign_put_run, .arg = e};
}

enum phi_rc api_engine_open(const struct api_engine_opts *o, struct api_engine **ret,
                            struct phi_err *err)
{
    struct api_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    engine_init(e, o);
    struct phi_core_config config = {.origin = e->origin,
                                     .key = e->key,
                                     .store = o->store,
                                     .clock = o->clock,
                                     .rng = o->rng,
                                     .signer = &e->signer,
                                     .notifier = o->notifier};
    enum phi_rc rc = e->origin && e->key ? phi_core_open(&config, &e->core, err)
                                         : phi_fail(err, PHI_ELIMIT, "out of memory");
    if (rc == PHI_OK)
        rc = phi_core_do(e->core, head_load, e, err);
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
    if (pthread_create(&e->sign_thread, NULL, sign_main, e) != 0)
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
        list_add(&e->queue, j);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    return ok;
}

void api_engine_follow(struct api_engine *e, struct api_job *j)
{
    pthread_mutex_lock(&e->lock);
    list_add(&e->follow, j);
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
}

void api_engine_hear(struct api_engine *e)
{
    pthread_mutex_lock(&e->lock);
    if (!e->hearing && !e->stopping) {
        e->hearing = true;
        list_add(&e->follow, &e->hear);
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
        sign_flush(e);
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
