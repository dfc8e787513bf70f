#include "api/renew.h"

#include <stdlib.h>
#include <string.h>

#include "api/ticket.h"
#include "base/logline.h"
#include "base/map.h"
#include "base/os.h"

#define AT_ONCE_MAX 4
#define KNOWN_MAX   1024
#define MEMORY      (4u * 1024 * 1024)
#define PAUSE_MS    5000 /* after an answer; twice as long after each failure */
#define PAUSES_MAX  4    /* 80 s */

struct asked { /* a request that was asked about: not again before `next_at` */
    int64_t next_at; /* boot clock */
    int failures;
    bool runs;
};

struct renewing { /* one question on its way */
    struct api_renew *owner;
    struct asked *of;
    char request[PHI_ID_LEN + 1];
    struct api_call call;
    struct api_job job;
    struct renewing *next;
};

struct api_renew {
    const struct api_env *env;
    struct api_engine *engine;
    struct phi_map *known; /* request -> struct asked */
    struct renewing *going;
    size_t n_going;
    bool stopped;
};

static void renewing_free(struct renewing *q)
{
    struct renewing **p = &q->owner->going;
    while (*p != q)
        p = &(*p)->next;
    *p = q->next;
    q->owner->n_going--;
    q->of->runs = false;
    phi_arena_done(&q->call.arena);
    free(q);
}

static void over(struct renewing *q, enum phi_rc rc, const char *why)
{
    struct asked *k = q->of;
    k->failures = rc == PHI_OK ? 0 : k->failures < PAUSES_MAX ? k->failures + 1 : PAUSES_MAX;
    k->next_at = phi_now_boot_ms() + ((int64_t)PAUSE_MS << k->failures);
    if (rc != PHI_OK)
        PHI_LOG(WARN, "a ticket was not checked again", "why", "%s", why);
    renewing_free(q);
}

static enum phi_rc ask_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct renewing *q = arg;
    bool waits;
    q->call.core = core;
    return api_ticket_again(&q->call, phi_view_of(q->request), API_TICKET_VOTE_MS, &waits, err);
}

static void submit(struct renewing *q, bool changes)
{
    q->job.changes = changes;
    if (!api_engine_submit(q->owner->engine, &q->job))
        over(q, PHI_ELIMIT, "too much waits");
}

static void on_answer(const struct net_fetch_answer *a, const struct phi_err *err, bool maybe_done, void *ctx)
{
    struct renewing *q = ctx;
    (void)maybe_done;
    api_call_got(&q->call, a, err);
    submit(q, true);
}

static void ask_done(struct api_job *j)
{
    struct renewing *q = j->arg;
    const struct net_fetch *f = &q->call.env->fetch;
    struct phi_err err = { 0 };
    if (j->rc != PHI_OK || !q->call.ask)
        over(q, j->rc, j->err.msg);
    else if (q->owner->stopped)
        renewing_free(q);
    else if (!f->send || f->send(f->self, q->call.ask, on_answer, q, &err) != PHI_OK)
        over(q, PHI_EIO, err.msg);
}

static struct asked *known(struct api_renew *r, struct phi_view request)
{
    struct asked *k = phi_map_get(r->known, request);
    void *at = NULL, *value;
    struct phi_view key;
    if (k)
        return k;
    int64_t now = phi_now_boot_ms();
    while (phi_map_count(r->known) >= KNOWN_MAX && phi_map_next(r->known, &at, &key, &value)) {
        struct asked *old = value;
        if (old->runs || old->next_at > now)
            continue;
        phi_map_del(r->known, key);
        free(old);
    }
    k = calloc(1, sizeof *k);
    if (!k || !phi_map_put(r->known, request, k)) {
        free(k);
        return NULL;
    }
    return k;
}

void api_renew_ask(struct api_renew *r, struct phi_view request)
{
    if (!r || r->stopped || r->n_going >= AT_ONCE_MAX || request.n > PHI_ID_LEN)
        return;
    struct asked *k = known(r, request);
    if (!k || k->runs || k->next_at > phi_now_boot_ms())
        return;
    struct renewing *q = calloc(1, sizeof *q);
    if (!q)
        return;
    *q = (struct renewing){ .owner = r, .of = k, .next = r->going, .call = { .env = r->env, .actor = { .kind = PHI_ACTOR_SYSTEM } } };
    memcpy(q->request, request.p, request.n);
    phi_arena_init(&q->call.arena, MEMORY);
    q->job = (struct api_job){ .run = ask_run, .done = ask_done, .arg = q };
    k->runs = true;
    r->going = q;
    r->n_going++;
    submit(q, false);
}

enum phi_rc api_renew_open(const struct api_env *env, struct api_engine *engine, struct api_renew **ret, struct phi_err *err)
{
    struct api_renew *r = calloc(1, sizeof *r);
    if (!r || !(r->known = phi_map_open(KNOWN_MAX))) {
        free(r);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    r->env = env;
    r->engine = engine;
    *ret = r;
    return PHI_OK;
}

void api_renew_stop(struct api_renew *r)
{
    if (r)
        r->stopped = true;
}

void api_renew_close(struct api_renew *r)
{
    void *at = NULL, *value;
    struct phi_view key;
    if (!r)
        return;
    while (r->going)
        renewing_free(r->going);
    while (phi_map_next(r->known, &at, &key, &value)) {
        phi_map_del(r->known, key);
        free(value);
    }
    phi_map_close(r->known);
    free(r);
}
