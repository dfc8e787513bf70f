#include "api/fast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/authzen.h"
#include "api/handlers.h"
#include "api/json_out.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/map.h"
#include "base/os.h"
#include "core/judge.h"

#define TOKENS_MAX    4096
#define KEEP_MS       10000 /* then the session is looked at again: it may be idle too long */
#define KEEP_SHARED_MS 1000
#define FLUSH_MS      500
#define SCRATCH_MAX   ((size_t)16 << 20)
#define BATCH_MAX     ((size_t)48 << 20)

struct known { /* a token, for one epoch */
    char person[PHI_ID_LEN + 1], name[PHI_MAX_NAME + 1];
    bool see_all;
    uint64_t epoch;
    int64_t until; /* boot clock */
};

struct decided { /* equal decisions of one batch */
    int64_t count, first, last;
};

struct api_fast {
    struct net_loop *loop;
    struct api_engine *engine;
    bool shared, sending, draining;
    struct net_timer *timer;
    net_fn drained;
    void *drained_ctx;
    struct phi_scratch *scratch;
    struct phi_judge *judge;
    uint64_t judge_epoch;
    struct phi_map *tokens; /* SHA-256 -> struct known */
    struct phi_map *open;   /* the record's members but the counts, JSON -> struct decided */
    int64_t open_since; /* boot clock; 0: nothing waits */
    struct phi_buf batch; /* being stored */
    int64_t batch_count, batch_since;
    struct api_job job;
    uint64_t here, in_core, batches;
};

/* What the core thread learns for the loop; freed with the call. */
struct api_fresh {
    uint64_t epoch;
    struct phi_judge *judge;
    bool see_all;
};

bool api_fast_route(const struct api_route *r)
{
    return r->handler == api_authzen_evaluate || r->handler == api_authzen_evaluations;
}

/* ---- records */

static void records_write(struct api_fast *f)
{
    void *at = NULL, *value;
    struct phi_view key;
    phi_buf_clear(&f->batch);
    f->batch_count = 0;
    phi_buf_adds(&f->batch, "[");
    while (phi_map_next(f->open, &at, &key, &value)) {
        struct decided *d = value;
        phi_buf_printf(&f->batch, "%s{", f->batch.n > 1 ? "," : "");
        phi_buf_add(&f->batch, key);
        phi_buf_printf(&f->batch, ",\"count\":%lld,\"first_ms\":%lld,\"last_ms\":%lld}", (long long)d->count, (long long)d->first,
                       (long long)d->last);
        f->batch_count += d->count;
        phi_map_del(f->open, key);
        free(d);
    }
    phi_buf_adds(&f->batch, "]");
}

static enum phi_rc flush_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct api_fast *f = arg;
    return phi_evaluations_keep(core, phi_buf_view(&f->batch), f->batch_count, err);
}

static void flush(struct api_fast *f);

static void drained_tell(struct api_fast *f)
{
    net_fn fn = f->drained;
    f->drained = NULL;
    if (fn)
        fn(f->drained_ctx);
}

static void flush_done(struct api_job *j)
{
    struct api_fast *f = j->arg;
    f->sending = false;
    if (j->rc == PHI_OK) {
        phi_buf_clear(&f->batch);
        f->batch_since = 0;
        f->batches++;
    } else {
        PHI_LOG(ERROR, "decisions are not recorded yet", "why", "%s", j->err.msg);
    }
    if (f->draining && (j->rc != PHI_OK || !phi_map_count(f->open)))
        drained_tell(f);
    else if (f->draining)
        flush(f);
}

static void flush(struct api_fast *f)
{
    if (f->sending)
        return;
    if (!f->batch_since && phi_map_count(f->open)) {
        records_write(f);
        f->batch_since = f->open_since;
        f->open_since = 0;
    }
    if (!f->batch_since)
        return;
    f->job = (struct api_job){ .run = flush_run, .done = flush_done, .arg = f };
    f->sending = api_engine_submit(f->engine, &f->job);
}

static void on_timer(void *ctx)
{
    flush(ctx);
}

bool api_fast_full(const struct api_fast *f)
{
    int64_t since = f->batch_since ? f->batch_since : f->open_since;
    return f->draining || phi_map_count(f->open) >= PHI_RECORD_MAX_COUNT ||
           (since && phi_now_boot_ms() - since > PHI_RECORD_MAX_AGE_MS);
}

static void key_write(struct phi_buf *out, const struct api_call *c, const struct api_judged *j)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "by", c->person.id);
    phi_jw_key(&w, "subject");
    phi_ref_write(&w, j->subject);
    phi_jw_kv(&w, "action", j->action);
    phi_jw_key(&w, "resource");
    phi_ref_write(&w, j->resource);
    phi_jw_kc(&w, "decision", j->verdict == PHI_ALLOW ? "allow" : j->verdict == PHI_NEEDS ? "needs" : "deny");
    phi_jw_end(&w);
}

/* False: it cannot be recorded, so it must not be answered. */
static bool record(struct api_fast *f, const struct api_call *c, const struct api_judged *j)
{
    PHI_BUF(key, 16 * 1024);
    struct decided *d = NULL;
    key_write(&key, c, j);
    if (!phi_buf_ok(&key) || key.n < 2)
        return false;
    struct phi_view text = phi_view_mem(key.p + 1, key.n - 2); /* without its braces */
    d = phi_map_get(f->open, text);
    int64_t now = phi_now_wall_ms();
    if (!d) {
        d = calloc(1, sizeof *d);
        if (!d || !phi_map_put(f->open, text, d)) {
            free(d);
            return false;
        }
        d->first = now;
        if (!f->open_since)
            f->open_since = phi_now_boot_ms();
    }
    d->count++;
    d->last = now;
    return true;
}

/* ---- tokens */

static struct phi_digest hash_of(struct phi_view token)
{
    return phi_sha256(token);
}

static void tokens_clear(struct api_fast *f)
{
    void *at = NULL, *value;
    struct phi_view key;
    while (phi_map_next(f->tokens, &at, &key, &value)) {
        phi_map_del(f->tokens, key);
        free(value);
    }
}

static struct known *token_find(struct api_fast *f, struct phi_view token)
{
    struct known *k;
    struct phi_digest hash = hash_of(token);
    uint64_t epoch = api_engine_epoch(f->engine);
    if (f->judge_epoch != epoch)
        return NULL;
    k = phi_map_get(f->tokens, phi_digest_view(&hash));
    return k && k->epoch == epoch && phi_now_boot_ms() < k->until ? k : NULL;
}

void api_fast_learn(struct api_fast *f, struct api_call *c)
{
    enum phi_verdict v = PHI_DENY;
    struct phi_view reason;
    struct api_fresh *fresh = phi_arena_alloc(&c->arena, sizeof *fresh);
    if (!fresh || c->actor.kind != PHI_ACTOR_PERSON || c->by_cookie)
        return;
    *fresh = (struct api_fresh){ .epoch = api_engine_epoch(f->engine) };
    if (phi_right_ask(c->core, &c->arena, &c->actor, PHI_RIGHT_SEE_ALL, PHI_LIT(""), &v, &reason, NULL) != PHI_OK ||
        phi_judge_take(c->core, &fresh->judge, NULL) != PHI_OK)
        return;
    fresh->see_all = v == PHI_ALLOW;
    c->fresh = fresh;
}

void api_fast_forget(struct api_call *c)
{
    if (c->fresh)
        phi_judge_drop(c->fresh->judge);
    c->fresh = NULL;
}

static void fresh_keep(struct api_fast *f, struct api_call *c)
{
    struct api_fresh *fresh = c->fresh;
    struct known *k = NULL;
    c->fresh = NULL;
    if (fresh->epoch != api_engine_epoch(f->engine) || phi_map_count(f->tokens) >= TOKENS_MAX)
        tokens_clear(f);
    phi_judge_drop(f->judge);
    f->judge = fresh->judge;
    f->judge_epoch = fresh->epoch;
    struct phi_digest hash = hash_of(c->token);
    k = phi_map_get(f->tokens, phi_digest_view(&hash));
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k || !phi_map_put(f->tokens, phi_digest_view(&hash), k)) {
            free(k);
            return;
        }
    }
    int64_t ms = f->shared ? KEEP_SHARED_MS : KEEP_MS;
    k->epoch = fresh->epoch;
    k->see_all = fresh->see_all;
    k->until = phi_now_boot_ms() + (c->session.expires_in_ms < ms ? c->session.expires_in_ms : ms);
    snprintf(k->person, sizeof k->person, PHI_FMT, PHI_ARG(phi_view_upto(c->person.id, PHI_ID_LEN)));
    snprintf(k->name, sizeof k->name, PHI_FMT, PHI_ARG(phi_view_upto(c->person.name, PHI_MAX_NAME)));
}

void api_fast_keep(struct api_fast *f, struct api_call *c)
{
    for (const struct api_judged *j = c->judged; j; j = j->next) {
        f->in_core++;
        record(f, c, j);
    }
    if (c->fresh)
        fresh_keep(f, c);
}

/* ---- answering */

static bool judged(struct api_fast *f, struct api_call *c, struct api_judged *j, struct phi_judgement *ret)
{
    struct authzen_parts p = authzen_parts_of(c->body);
    struct phi_question q;
    if (phi_json_get(p.context, "approval") || phi_json_get(c->body, "evaluations") ||
        authzen_read(c, &p, AUTHZEN_ALL, &q, NULL) != PHI_OK)
        return false;
    bool self = phi_view_is(q.subject.type, "Person") && phi_view_eq(q.subject.id, c->person.id);
    *j = (struct api_judged){ q.subject, q.resource, q.action, PHI_DENY, NULL };
    if ((!self && !c->see_all) || !phi_judge_answers(f->judge, f->scratch, &c->arena, &q, ret))
        return false;
    j->verdict = ret->verdict;
    return true;
}

static void answer_write(struct api_call *c, const struct phi_judgement *j)
{
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kb(w, "decision", j->verdict == PHI_ALLOW);
    phi_jw_key(w, "context");
    phi_jw_obj(w);
    if (j->verdict != PHI_ALLOW) {
        phi_jw_key(w, "reason_user"); /* in the order of authzen.c: the same question has the same answer, byte for byte */
        phi_jw_obj(w);
        phi_jw_kv(w, "en", j->reason);
        phi_jw_end(w);
        phi_jw_kc(w, "reason", "policy_denied");
    }
    api_w_policies(w, j->policies, j->n_policies);
    phi_jw_end(w);
    phi_jw_end(w);
}

bool api_fast_answer(struct api_fast *f, struct api_call *c)
{
    struct phi_judgement got;
    struct api_judged j;
    struct known *k = c->by_cookie || !c->token.n ? NULL : token_find(f, c->token);
    if (!k || !f->judge)
        return false;
    c->person = (struct phi_person){ .id = phi_view_of(k->person), .name = phi_view_of(k->name) };
    c->see_all = k->see_all;
    if (!judged(f, c, &j, &got) || !record(f, c, &j))
        return false;
    f->here++;
    answer_write(c, &got);
    return true;
}

/* ---- life */

enum phi_rc api_fast_open(struct net_loop *loop, struct api_engine *engine, bool shared, struct api_fast **ret, struct phi_err *err)
{
    struct api_fast *f = calloc(1, sizeof *f);
    if (!f)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    f->loop = loop;
    f->engine = engine;
    f->shared = shared;
    phi_buf_init(&f->batch, BATCH_MAX);
    f->scratch = phi_scratch_open(SCRATCH_MAX);
    f->tokens = phi_map_open(TOKENS_MAX);
    f->open = phi_map_open(PHI_RECORD_MAX_COUNT);
    f->timer = net_timer_open(loop, on_timer, f);
    if (!f->scratch || !f->timer || !f->tokens || !f->open) {
        api_fast_close(f);
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    net_timer_set(f->timer, FLUSH_MS, FLUSH_MS);
    *ret = f;
    return PHI_OK;
}

void api_fast_drain(struct api_fast *f, net_fn done, void *ctx)
{
    f->draining = true;
    f->drained = done;
    f->drained_ctx = ctx;
    flush(f);
    if (!f->sending)
        drained_tell(f);
}

void api_fast_close(struct api_fast *f)
{
    void *at = NULL, *value;
    struct phi_view key;
    if (!f)
        return;
    while (f->open && phi_map_next(f->open, &at, &key, &value)) {
        phi_map_del(f->open, key);
        free(value);
    }
    if (f->tokens)
        tokens_clear(f);
    phi_map_close(f->open);
    phi_map_close(f->tokens);
    phi_judge_drop(f->judge);
    phi_scratch_close(f->scratch);
    net_timer_close(f->timer);
    phi_buf_done(&f->batch);
    free(f);
}

void api_fast_metrics(const struct api_fast *f, struct phi_buf *out)
{
    phi_buf_printf(out,
                   "# TYPE phi_evaluations_total counter\nphi_evaluations_total{where=\"loop\"} %llu\n"
                   "phi_evaluations_total{where=\"core\"} %llu\n"
                   "# TYPE phi_evaluation_batches_total counter\nphi_evaluation_batches_total %llu\n"
                   "# TYPE phi_evaluation_records_waiting gauge\nphi_evaluation_records_waiting %zu\n",
                   (unsigned long long)f->here, (unsigned long long)f->in_core, (unsigned long long)f->batches, phi_map_count(f->open));
}
