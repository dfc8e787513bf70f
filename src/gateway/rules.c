#include "gateway/rules.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/text.h"
#include "gateway/entities.h"
#include "policy/comp_twice.h"

#define MAX_ALLOWED   20000
#define DECIDE_MEMORY (8 * 1024 * 1024)

struct gw_rules {
    struct phi_map
        *allowed; /* person, circumstances, action and resource that the bundle plainly allows */
    uint64_t number;
    struct phi_scratch *scratch;
};

struct gw_rules *gw_rules_open(void)
{
    struct gw_rules *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->scratch = phi_scratch_open(DECIDE_MEMORY);
    gw_rules_forget(r);
    if (r->scratch != NULL && r->allowed != NULL)
        return r;
    gw_rules_close(r);
    return NULL;
}

void gw_rules_close(struct gw_rules *r)
{
    if (r == NULL)
        return;
    phi_map_close(r->allowed);
    phi_scratch_close(r->scratch);
    free(r);
}

void gw_rules_forget(struct gw_rules *r)
{
    phi_map_close(r->allowed);
    r->allowed = phi_map_open(MAX_ALLOWED);
    r->number++;
}

uint64_t gw_rules_number(const struct gw_rules *r)
{
    return r->number;
}

/* --- what was allowed --- */
static struct phi_view cache_key(const struct gw_try *t, const struct phi_pair *p,
                                 struct phi_buf *b)
{
    const struct gw_statement *st = &t->statement;
    const struct phi_view parts[] = { t->person, t->addr,          t->application, st->kind,
                                      p->action, p->resource.type, p->resource.id };
    phi_buf_add32(b, (uint32_t)st->tables << 2 | (uint32_t)st->changes << 1 | st->has_where);
    phi_buf_add32(b, (uint32_t)st->text_bytes);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        phi_buf_add32(b, (uint32_t)parts[i].n);
        phi_buf_add(b, parts[i]);
    }
    return phi_buf_view(b);
}

static bool is_known(const struct gw_rules *r, const struct gw_try *t, const struct phi_pair *p)
{
    PHI_BUF(key, 8192);
    struct phi_view k = cache_key(t, p, &key);
    return phi_buf_ok(&key) && r->allowed != NULL && phi_map_get(r->allowed, k) != NULL;
}

static void keep(struct gw_rules *r, const struct gw_try *t, const struct phi_pair *p)
{
    PHI_BUF(key, 8192);
    struct phi_view k = cache_key(t, p, &key);
    if (phi_buf_ok(&key) && (r->allowed == NULL || !phi_map_put(r->allowed, k, r)))
        gw_rules_forget(r);
}

/* --- one decision --- */
struct deciding {
    struct gw_rules *rules;
    const struct client_snapshot *snapshot;
    const struct gw_try *t;
    struct phi_world *world;
    const struct phi_value *seen;
    struct phi_arena *a;
};

static void explain(const struct phi_pair *p, struct phi_view reason, struct phi_buf *out)
{
    PHI_BUF(label, 1000);
    phi_ref_label(&label, p->resource);
    phi_text_escape(out, p->action, false);
    phi_buf_adds(out, " on ");
    phi_text_escape(out, phi_buf_view(&label), false);
    phi_buf_adds(out, " is not permitted: ");
    phi_text_escape(out, reason, false);
}

static void name_policies(const struct phi_answer *answer, struct phi_buf *out)
{
    struct phi_jw w;
    if (out == NULL)
        return;
    phi_jw_init(&w, out);
    phi_jw_arr(&w);
    for (size_t i = 0; i < answer->n_policies; i++)
        phi_jw_str(&w, answer->policies[i].id);
    phi_jw_end(&w);
}

#ifdef PHI_DECIDE_TWICE
/* The tree walker over the entities as JSON tells them, which is how phid gets them. */
static void ask_walker(const struct deciding *d, const struct phi_ask *ask,
                       const struct phi_answer *answer)
{
    PHI_BUF(json, PHI_MAX_REQUEST_BODY);
    struct phi_entities *es =
        phi_entities_open(client_snapshot_entities(d->snapshot), DECIDE_MEMORY);
    gw_entities_json(d->t->actions, d->t->n, &json);
    if (es != NULL && phi_buf_ok(&json) &&
        phi_entities_add_text(es, phi_buf_view(&json), NULL) == PHI_OK)
        comp_twice_ask(client_snapshot_bundle(d->snapshot), es, ask, answer);
    phi_entities_close(es);
}
#endif

static enum phi_rc ask(struct deciding *d, const struct phi_pair *p, struct phi_answer *answer,
                       struct phi_err *err)
{
    struct phi_ask ask = {
        .principal = { phi_who_type(d->t->person), d->t->person },
        .action = { PHI_LIT("Action"), p->action },
        .resource = { p->resource.type,  p->resource.id }
    };
    ask.context =
        phi_context_unknowns(d->a, client_snapshot_bundle(d->snapshot), ask.action, d->seen);
    PHI_TRY(phi_world_ask(d->world, &ask, PHI_MODE_REASON, d->rules->scratch, answer, err));
#ifdef PHI_DECIDE_TWICE
    ask_walker(d, &ask, answer);
#endif
    return PHI_OK;
}

static enum phi_verdict decide_pair(struct deciding *d, const struct phi_pair *p,
                                    struct phi_buf *reason)
{
    struct phi_answer answer;
    struct phi_err err = { 0 };
    if (is_known(d->rules, d->t, p))
        return PHI_ALLOW;
    if (ask(d, p, &answer, &err) != PHI_OK) {
        explain(p, phi_view_of(err.msg), reason);
        return PHI_DENY;
    }
    if (answer.partial || answer.verdict == PHI_NEEDS)
        return PHI_NEEDS;
    if (answer.verdict != PHI_ALLOW) {
        explain(p, answer.reason, reason);
        name_policies(&answer, d->t->policies);
        return PHI_DENY;
    }
    keep(d->rules, d->t, p);
    return PHI_ALLOW;
}

/* --- a whole unit --- */
static bool prepare(struct deciding *d, struct phi_err *err)
{
    const struct gw_try *t = d->t;
    d->seen = gw_context_value(d->a, t->addr, t->application, &t->statement);
    return d->seen != NULL &&
           phi_world_over(client_snapshot_world(d->snapshot), DECIDE_MEMORY, &d->world, err) ==
               PHI_OK &&
           gw_entities_add(d->world, t->actions, t->n, err) == PHI_OK &&
           phi_world_ready(d->world, err) == PHI_OK;
}

static enum phi_verdict decide_all(struct deciding *d, struct phi_buf *reason)
{
    enum phi_verdict verdict = PHI_ALLOW;
    for (size_t i = 0; i < d->t->n; i++) {
        switch (decide_pair(d, &d->t->actions[i], reason)) {
        case PHI_ALLOW: break;
        case PHI_NEEDS: verdict = PHI_NEEDS; break;
        case PHI_DENY: return PHI_DENY;
        }
    }
    return verdict;
}

static bool all_known(const struct gw_rules *r, const struct gw_try *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!is_known(r, t, &t->actions[i]))
            return false;
    return true;
}

enum phi_verdict gw_rules_decide(struct gw_rules *r, const struct client_snapshot *s,
                                 const struct gw_try *t, struct phi_buf *reason)
{
    enum phi_verdict verdict = PHI_DENY;
    struct phi_err err = { .msg = "not enough memory to decide" };
    if (all_known(r, t))
        return PHI_ALLOW;
    PHI_ARENA(mem, DECIDE_MEMORY);
    struct deciding d = { .rules = r, .snapshot = s, .t = t, .a = &mem };
    if (prepare(&d, &err))
        verdict = decide_all(&d, reason);
    else
        phi_buf_adds(reason, err.msg);
    phi_world_close(d.world);
    return verdict;
}
