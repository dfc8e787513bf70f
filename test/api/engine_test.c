/* The core thread over the store in memory: what waits together commits together, nothing is answered
 * before its commit, and heads are signed one after another. */
#include "api/engine.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/os.h"
#include "base/test.h"
#include "core/inner.h"
#include "core/log.h"
#include "core/person.h"
#include "store/mem.h"

#define JOBS 100

static int64_t wall(void *self)
{
    (void)self;
    return phi_now_wall_ms();
}
static int64_t boot(void *self)
{
    (void)self;
    return phi_now_boot_ms();
}
static const char *boot_id(void *self)
{
    (void)self;
    return "boot";
}
static void fill(void *self, void *p, size_t n)
{
    (void)self;
    phi_random(p, n);
}
static const struct phi_clock clock_port = { .wall_ms = wall, .boot_ms = boot, .boot_id = boot_id };
static const struct phi_rng rng_port = { .fill = fill };

struct world;

struct work {
    struct api_job job;
    struct world *w;
    char name[16];
    int commits_when_run, commits_when_done;
};

struct world {
    struct phi_store *mem, store;
    struct phi_store_ops ops; /* mem's, with a commit that is counted and can fail */
    atomic_int commits;
    atomic_bool fail_commits;
    atomic_int told;
    struct net_loop *loop;
    struct api_engine *e;
    int done, failed;
    bool closing; /* the loop runs on: the engine is freed on it */
    struct work work[JOBS];
    /* signing */
    atomic_int signs, refusals;
    _Atomic int64_t signed_size;
    bool conflict_first;
    /* tidying */
    _Atomic int64_t ready_at, tidied_at;
};

static struct world *of_store; /* the ops get mem's self */

static enum phi_rc commit(void *self, struct phi_err *err)
{
    if (of_store->fail_commits)
        return phi_fail(err, PHI_EIO, "the disk is full");
    enum phi_rc rc = of_store->mem->ops->commit(self, err);
    of_store->commits++;
    return rc;
}

static void stop(void *ctx)
{
    net_loop_stop(ctx);
}

/* Notes the first time since a grant was ready. */
static void tidy(void *self, bool busy)
{
    (void)self, (void)busy;
    if (!of_store->ready_at || of_store->tidied_at)
        return;
    of_store->tidied_at = phi_now_boot_ms();
    net_post(of_store->loop, stop, of_store->loop);
}

static void fan_out(void *self, const struct phi_event *events, size_t n)
{
    (void)events;
    ((struct world *)self)->told += (int)n;
}

static enum phi_rc sign(void *self, int64_t *from, int64_t size, const struct phi_digest *root,
                        const struct phi_tree_proof *proof, struct phi_buf *note,
                        struct phi_err *err)
{
    struct world *w = self;
    (void)root, (void)proof;
    if (w->conflict_first && w->refusals == 0) {
        w->refusals++;
        *from = 1;
        return phi_fail(err, PHI_ECONFLICT, "another was signed last");
    }
    assert_true(*from <= size);
    w->signs++;
    w->signed_size = size;
    phi_buf_printf(note, "t\n%lld\n", (long long)size);
    return PHI_OK;
}

static void world_open(struct world *w)
{
    struct phi_err err = { 0 };
    static struct phi_notifier notifier;
    *w = (struct world){ 0 };
    of_store = w;
    w->mem = phi_store_mem_open();
    w->ops = *w->mem->ops;
    w->ops.commit = commit;
    w->ops.tidy = tidy;
    w->store = (struct phi_store){ .ops = &w->ops, .self = w->mem->self };
    notifier = (struct phi_notifier){ .self = w, .fan_out = fan_out };
    assert_int_equal(net_loop_open(&w->loop, &err), PHI_OK);
    struct api_engine_opts o = { .loop = w->loop,
                                 .store = &w->store,
                                 .origin = "t",
                                 .key = "t+00000000+AQ==\n",
                                 .clock = &clock_port,
                                 .rng = &rng_port,
                                 .notifier = &notifier,
                                 .sign = sign,
                                 .sign_self = w };
    assert_int_equal(api_engine_open(&o, &w->e, &err), PHI_OK);
}

static void world_close(struct world *w)
{
    w->closing = true;
    api_engine_close(w->e);
    net_post(w->loop, stop, w->loop);
    net_loop_run(w->loop);
    net_loop_close(w->loop);
    phi_store_close(w->mem);
}

static enum phi_rc work_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct work *k = arg;
    const struct phi_actor self = { .kind = PHI_ACTOR_SYSTEM };
    struct phi_person p;
    PHI_ARENA(a, 65536);
    k->commits_when_run = k->w->commits;
    return phi_person_add(c, &a, &self, phi_view_of(k->name), NULL, 0, &p, err);
}

static void work_done(struct api_job *j)
{
    struct work *k = j->arg;
    k->commits_when_done = k->w->commits;
    k->w->failed += j->rc != PHI_OK;
    if (++k->w->done == JOBS && !k->w->closing)
        net_loop_stop(k->w->loop);
}

static void work_submit(struct world *w)
{
    for (int i = 0; i < JOBS; i++) {
        struct work *k = &w->work[i];
        *k = (struct work){
            .w = w, .job = { .run = work_run, .done = work_done, .arg = k, .changes = true }
        };
        snprintf(k->name, sizeof(k->name), "p%d", i);
        assert_true(api_engine_submit(w->e, &k->job));
    }
}

static void what_waits_together_commits_together_and_is_answered_after(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    work_submit(&w); /* before the thread runs, so that all wait */
    int before = w.commits;
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    net_loop_run(w.loop);
    assert_int_equal(w.failed, 0);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(w.work[i].commits_when_run, before);
        assert_true(w.work[i].commits_when_done > w.work[i].commits_when_run);
    }
    world_close(&w);
}

static void a_failed_commit_fails_every_job_and_tells_nobody(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    int told = w.told;
    w.fail_commits = true;
    work_submit(&w);
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    net_loop_run(w.loop);
    assert_int_equal(w.failed, JOBS);
    assert_int_equal(w.told, told);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(w.work[i].job.rc, PHI_EIO);
    w.fail_commits = false;
    w.done = w.failed = 0;
    work_submit(&w); /* nothing of the failed batch is there: the names are free */
    net_loop_run(w.loop);
    assert_int_equal(w.failed, 0);
    world_close(&w);
}

static void one_failed_job_does_not_undo_its_neighbours(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    work_submit(&w);
    snprintf(w.work[7].name, sizeof(w.work[7].name), "p6");
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    net_loop_run(w.loop);
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.work[7].job.rc, PHI_ECONFLICT);
    world_close(&w);
}

static void closing_runs_what_waits(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    work_submit(&w);
    world_close(&w);
    assert_int_equal(w.done, JOBS);
    assert_int_equal(w.failed, 0);
}

static enum phi_rc head_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct phi_log_head h;
    PHI_ARENA(a, 1024 * 1024);
    PHI_TRY(phi_log_get_head(c, &a, &h, err));
    int64_t *ret = arg;
    ret[0] = h.size;
    ret[1] = h.checkpoint.n ? h.checkpoint_size : 0;
    return PHI_OK;
}

struct look {
    struct api_job job;
    struct net_loop *loop;
    int64_t size[2];
};

static void look_done(struct api_job *j)
{
    net_loop_stop(((struct look *)(void *)j)->loop);
}

/* Asks core until the newest head is stored as signed; the test's own time-out ends it otherwise. */
static void signed_to_the_end(struct world *w)
{
    struct look l;
    do {
        l = (struct look){
            .loop = w->loop, .job = { .run = head_run, .done = look_done }
        };
        l.job.arg = l.size;
        assert_true(api_engine_submit(w->e, &l.job));
        net_loop_run(w->loop);
    } while (l.size[0] != l.size[1]);
    assert_int_equal(l.size[0], w->signed_size);
}

static void the_newest_head_is_signed_and_heads_coalesce(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    work_submit(&w);
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    net_loop_run(w.loop);
    signed_to_the_end(&w);
    assert_true(w.signs >= 1 && w.signs < JOBS / 2);
    world_close(&w);
}

static void a_signer_that_knows_another_head_is_asked_again_from_there(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.conflict_first = true;
    work_submit(&w);
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    net_loop_run(w.loop);
    signed_to_the_end(&w);
    assert_int_equal(w.refusals, 1);
    world_close(&w);
}

/* ---- writing the log back costs milliseconds that a claim would wait for */

#define CLAIM_SOON_MS 10

static enum phi_rc ready_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct world *w = arg;
    (void)err;
    core_say(c, &(struct phi_event){ .kind = PHI_EVENT_GRANT, .status = PHI_LIT("ready") });
    w->ready_at = phi_now_boot_ms();
    return PHI_OK;
}

static void ready_done(struct api_job *j)
{
    (void)j;
}

static void between_a_grant_and_its_claim_the_store_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct api_job job = { .run = ready_run, .done = ready_done, .arg = &w, .changes = true };
    assert_int_equal(api_engine_start(w.e, NULL), PHI_OK);
    assert_true(api_engine_submit(w.e, &job));
    net_loop_run(w.loop); /* until it was tidied; the test's own time-out ends it otherwise */
    assert_true(w.tidied_at >= w.ready_at + CLAIM_SOON_MS);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_together_commits_together_and_is_answered_after),
        cmocka_unit_test(a_failed_commit_fails_every_job_and_tells_nobody),
        cmocka_unit_test(one_failed_job_does_not_undo_its_neighbours),
        cmocka_unit_test(closing_runs_what_waits),
        cmocka_unit_test(the_newest_head_is_signed_and_heads_coalesce),
        cmocka_unit_test(a_signer_that_knows_another_head_is_asked_again_from_there),
        cmocka_unit_test(between_a_grant_and_its_claim_the_store_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
