#include "api/compare.h"

#include <stdlib.h>

#include "base/logline.h"
#include "base/os.h"
#include "core/compare.h"

#define STEP_ROWS  200 /* about a millisecond of the core thread */
#define STEP_MS    20
#define AGAIN_MS   3600000

struct api_compare {
    struct api_engine *engine;
    struct net_timer *timer;
    struct api_job job;
    struct phi_compare *run;
    bool busy, stopped, done; /* done: of the walk, as its last step left it */
    struct api_compare_said said; /* core thread */
    struct phi_err found;
};

static void found_say(struct api_compare *k, enum phi_rc rc, const struct phi_err *err)
{
    k->found = *err;
    k->said.state = rc == PHI_OK ? "whole" : "false";
    k->said.found = rc == PHI_OK ? "" : k->found.msg;
    k->said.at_ms = phi_now_wall_ms();
}

/* Always succeeds as a command: what it finds is its answer. */
static enum phi_rc step_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_compare *k = arg;
    struct phi_err why = { 0 };
    (void)err;
    k->done = false;
    enum phi_rc rc = phi_compare_step(c, k->run, STEP_ROWS, &k->done, &why);
    k->said.rows = phi_compare_seen(k->run);
    if (rc == PHI_ECORRUPT)
        PHI_LOG(ERROR, "the store is not what the log says", "why", "%s", why.msg);
    else if (rc != PHI_OK)
        PHI_LOG(ERROR, "the store is not compared with the log", "why", "%s", why.msg);
    if (rc != PHI_OK || k->done)
        found_say(k, rc, &why);
    k->done = k->done || rc != PHI_OK;
    return PHI_OK;
}

static void step_done(struct api_job *j)
{
    struct api_compare *k = j->arg;
    k->busy = false;
    if (k->stopped)
        return;
    if (k->done) {
        phi_compare_close(k->run);
        k->run = NULL;
    }
    net_timer_set(k->timer, k->done ? AGAIN_MS : STEP_MS, 0);
}

static void tick(void *ctx)
{
    struct api_compare *k = ctx;
    if (k->busy || k->stopped)
        return;
    if (!k->run)
        k->run = phi_compare_open();
    k->job = (struct api_job){ .run = step_run, .done = step_done, .arg = k };
    k->busy = k->run && api_engine_submit(k->engine, &k->job);
    if (!k->busy)
        net_timer_set(k->timer, 1000, 0);
}

enum phi_rc api_compare_open(struct net_loop *loop, struct api_engine *engine, struct api_compare **ret, struct phi_err *err)
{
    struct api_compare *k = calloc(1, sizeof *k);
    if (!k || !(k->timer = net_timer_open(loop, tick, k))) {
        free(k);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    k->engine = engine;
    k->said = (struct api_compare_said){ .state = "running", .found = "" };
    net_timer_set(k->timer, STEP_MS, 0);
    *ret = k;
    return PHI_OK;
}

void api_compare_stop(struct api_compare *k)
{
    if (!k)
        return;
    k->stopped = true;
    net_timer_close(k->timer);
    k->timer = NULL;
}

void api_compare_close(struct api_compare *k)
{
    if (!k)
        return;
    phi_compare_close(k->run);
    free(k);
}

struct api_compare_said api_compare_said(const struct api_compare *k)
{
    return k->said;
}
