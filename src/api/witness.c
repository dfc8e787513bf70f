#include "api/witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "core/witness.h"

#define EVERY_MS    1000
#define DEADLINE_MS 5000 /* of one witness: a slow one holds the others up no longer */
#define ANSWER_MAX  4096

struct call {
    struct api_witness *w;
    struct phi_witness_answer answer;
};

struct api_witness {
    struct net_loop *loop;
    struct api_engine *engine;
    struct net_fetch fetch;
    struct net_timer *timer;
    struct phi_arena arena; /* of the round */
    struct phi_witness_round round;
    struct call *calls;
    size_t waiting;
    struct api_job plan, put;
    bool busy, stopped;
};

static void round_over(struct api_witness *w)
{
    w->busy = false;
    phi_arena_reset(&w->arena);
}

/* ---- the end of a round */

static enum phi_rc put_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_witness *w = arg;
    struct phi_witness_answer *all = phi_arena_array(&w->arena, w->round.n + 1, sizeof *all);
    if (!all)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < w->round.n; i++)
        all[i] = w->calls[i].answer;
    return phi_witness_answered(c, &w->round, all, w->round.n, err);
}

static void put_done(struct api_job *j)
{
    struct api_witness *w = j->arg;
    if (j->rc != PHI_OK)
        PHI_LOG(ERROR, "what witnesses answered is not kept", "why", "%s", j->err.msg);
    round_over(w);
}

static void call_over(struct call *k)
{
    struct api_witness *w = k->w;
    if (--w->waiting > 0)
        return;
    w->put = (struct api_job){ .run = put_run, .done = put_done, .arg = w };
    if (w->stopped || !api_engine_submit(w->engine, &w->put))
        round_over(w);
}

/* ---- asking */

static bool refused_us(int status)
{
    return status == 409 || status == 422 || status == 403;
}

static void on_answer(const struct net_fetch_answer *a, const struct phi_err *err, bool maybe_done, void *ctx)
{
    struct call *k = ctx;
    (void)maybe_done;
    k->answer.status = a ? a->status : 0;
    k->answer.body = phi_arena_copy(&k->w->arena, a ? a->body : phi_view_of(err->msg));
    if (!a)
        PHI_LOG(WARN, "a witness could not be asked", "why", "%s", err->msg);
    else if (refused_us(a->status) && a->status != 409)
        PHI_LOG(ERROR, "a witness refuses the log's head", "status", "%d", a->status);
    call_over(k);
}

static void call_send(struct api_witness *w, size_t i)
{
    static const struct net_http_field type = { .name = "Content-Type", .value = "text/plain; charset=utf-8" };
    const struct phi_witness_call *to = &w->round.call[i];
    struct call *k = &w->calls[i];
    struct phi_err err = { 0 };
    struct phi_view url = phi_arena_printf(&w->arena, PHI_FMT "/add-checkpoint", PHI_ARG(to->url));
    struct net_fetch_ask ask = { .url = phi_arena_str(&w->arena, url), .method = "POST", .fields = &type, .n_fields = 1,
                                 .body = to->body, .deadline_ms = DEADLINE_MS, .max_body = ANSWER_MAX };
    *k = (struct call){ w, { to->name, 0, { 0 } } };
    if (ask.url && w->fetch.send && w->fetch.send(w->fetch.self, &ask, on_answer, k, &err) == PHI_OK)
        return;
    k->answer.body = phi_arena_copy(&w->arena, phi_view_of(err.msg));
    call_over(k);
}

static enum phi_rc plan_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_witness *w = arg;
    return phi_witness_plan(c, &w->arena, &w->round, err);
}

static void plan_done(struct api_job *j)
{
    struct api_witness *w = j->arg;
    if (j->rc != PHI_OK)
        PHI_LOG(ERROR, "witnesses are not asked", "why", "%s", j->err.msg);
    w->calls = j->rc == PHI_OK && w->round.n && !w->stopped ? phi_arena_array(&w->arena, w->round.n, sizeof *w->calls) : NULL;
    if (!w->calls) {
        round_over(w);
        return;
    }
    w->waiting = w->round.n;
    for (size_t i = 0; i < w->round.n; i++)
        call_send(w, i);
}

static void tick(void *ctx)
{
    struct api_witness *w = ctx;
    if (w->busy || w->stopped)
        return;
    w->plan = (struct api_job){ .run = plan_run, .done = plan_done, .arg = w };
    w->busy = api_engine_submit(w->engine, &w->plan);
}

/* ---- life */

enum phi_rc api_witness_open(struct net_loop *loop, struct api_engine *engine, struct net_fetch fetch, struct api_witness **ret,
                             struct phi_err *err)
{
    struct api_witness *w = calloc(1, sizeof *w);
    if (!w || !(w->timer = net_timer_open(loop, tick, w))) {
        free(w);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    w->loop = loop;
    w->engine = engine;
    w->fetch = fetch;
    phi_arena_init(&w->arena, 8u * 1024 * 1024);
    net_timer_set(w->timer, EVERY_MS, EVERY_MS);
    *ret = w;
    return PHI_OK;
}

void api_witness_stop(struct api_witness *w)
{
    if (!w)
        return;
    w->stopped = true;
    net_timer_close(w->timer);
    w->timer = NULL;
}

void api_witness_close(struct api_witness *w)
{
    if (!w)
        return;
    phi_arena_done(&w->arena);
    free(w);
}
