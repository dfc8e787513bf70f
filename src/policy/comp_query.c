/* A request prepared for one world: names to numbers, the context interned. */
#include "policy/comp.h"
#include "policy/decide.h"
#include "policy/request.h"

#include <stdlib.h>

/* Most bytes of one prepared request. */
#define MAX_QUERY (64UL << 20)

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "the request needs too much memory");
}

static struct phi_query *fresh(const struct phi_world *w)
{
    struct phi_query *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    phi_arena_init(&q->arena, MAX_QUERY);
    q->w = w;
    q->strs.below = &w->strs;
    return q;
}

void comp_query_done(struct phi_query *q)
{
    comp_strs_done(&q->strs);
    comp_names_done(&q->locals);
    phi_arena_done(&q->arena);
}

void phi_query_close(struct phi_query *q)
{
    if (!q)
        return;
    comp_query_done(q);
    free(q);
}

/* Types of the world keep their numbers; others are numbered after them. */
static uint32_t type_of(struct phi_query *q, struct phi_view name)
{
    const struct comp_str *s = comp_str_find(&q->w->strs, name);
    uint32_t known = s ? comp_world_type(q->w, s) : COMP_NONE;
    if (known != COMP_NONE)
        return known;
    uint32_t local = comp_type_put(&q->locals, comp_str_put(&q->strs, &q->arena, name));
    return local == COMP_NONE ? COMP_NONE : comp_world_types(q->w) + local;
}

uint32_t comp_query_uid(void *query, struct phi_uid uid)
{
    struct phi_query *q = query;
    uint32_t type = type_of(q, uid.type);
    const struct comp_str *id = comp_str_find(&q->w->strs, uid.id);
    uint32_t at = id ? comp_world_uid(q->w, type, id) : COMP_NONE;
    if (at != COMP_NONE)
        return at;
    at = comp_uid_put(&q->locals, type, comp_str_put(&q->strs, &q->arena, uid.id));
    return at == COMP_NONE ? COMP_NONE : q->w->n_all + at;
}

/* Only what policies ask for, where the action tells. */
static struct comp_val context_of(const struct comp_maker *m, const struct comp_action *action, const struct phi_value *context)
{
    if (!action)
        return comp_make(m, context);
    struct comp_rec *r = comp_rec_fresh(m->arena, action->n_wanted);
    uint32_t n = 0;
    for (uint32_t i = 0; r && i < action->n_wanted; i++) {
        const struct phi_value *v = cedar_record_get(context, action->wanted[i].name);
        if (!v)
            continue;
        r->fields[n] = (struct comp_field){ action->wanted[i].str, comp_make(m, v) };
        if (r->fields[n++].v.kind == COMP_ERROR)
            r = NULL;
    }
    if (!r)
        return (struct comp_val){ .kind = COMP_ERROR };
    r->n = n;
    return comp_rec_done(r);
}

static enum phi_rc set_vars(struct phi_query *q, struct phi_uid principal, struct phi_uid action,
                            struct phi_uid resource, const struct phi_value *context, struct phi_err *err)
{
    static const struct phi_value none = { .kind = PHI_VALUE_RECORD };
    const struct comp_maker m = { &q->arena, &q->strs, comp_query_uid, q };
    const struct phi_uid uids[] = { principal, action, resource };
    for (int i = 0; i < 3; i++)
        if ((q->vars[i] = comp_query_uid(q, uids[i])) == COMP_NONE)
            return full(err);
    q->context = context_of(&m, q->action, context ? context : &none);
    return q->context.kind == COMP_ERROR || !phi_arena_ok(&q->arena) ? full(err) : PHI_OK;
}

static enum phi_rc finish(struct phi_query *q, enum phi_rc rc, struct phi_query **ret)
{
    *ret = rc == PHI_OK ? q : NULL;
    if (rc != PHI_OK)
        phi_query_close(q);
    return rc;
}

enum phi_rc comp_query_open(const struct phi_world *w, struct phi_uid principal, struct phi_uid action,
                            struct phi_uid resource, const struct phi_value *context, struct phi_query **ret,
                            struct phi_err *err)
{
    struct phi_query *q = fresh(w);
    *ret = NULL;
    if (!q)
        return full(err);
    const struct cedar_action *a = w->c->schema ? cedar_schema_action(w->c->schema, action) : NULL;
    q->context_type = a ? a->context : NULL;
    return finish(q, set_vars(q, principal, action, resource, context, err), ret);
}

static enum phi_rc make(struct phi_query *q, const struct phi_ask *ask, struct phi_err *err)
{
    const struct phi_bundle *b = q->w->b;
    struct cedar_request r;
    PHI_TRY(cedar_request_make(b, NULL, ask, &q->arena, &r, err));
    q->action_id = phi_arena_copy(&q->arena, ask->action.id);
    cedar_met_of(b, ask, &q->met);
    cedar_lacks_of(b, ask, &q->lacks);
    q->refusal = r.reason;
    if (r.reason.n > 0)
        return PHI_OK;
    for (size_t i = 0; i < b->schema.n_actions; i++)
        if (b->schema.actions[i] == r.action)
            q->action = &q->w->c->actions[i];
    q->context_type = r.env.context_type;
    return set_vars(q, ask->principal, ask->action, ask->resource, r.env.vars[VAR_CONTEXT], err);
}

enum phi_rc comp_query_again(struct phi_query *q, const struct phi_world *w, const struct phi_ask *ask, struct phi_err *err)
{
    if (q->arena.limit == 0)
        phi_arena_init(&q->arena, MAX_QUERY);
    phi_arena_reset(&q->arena);
    comp_strs_clear(&q->strs);
    comp_names_clear(&q->locals);
    *q = (struct phi_query){ .arena = q->arena, .w = w, .strs = q->strs, .locals = q->locals };
    q->strs.below = &w->strs;
    if (!w->ready || !w->b)
        return phi_fail(err, PHI_EINPUT, "phi_world_ready has to be called first");
    return make(q, ask, err);
}

enum phi_rc phi_query_open(const struct phi_world *w, const struct phi_ask *ask, struct phi_query **ret,
                           struct phi_err *err)
{
    struct phi_query *q = fresh(w);
    *ret = NULL;
    if (!w->ready || !w->b) {
        phi_query_close(q);
        return phi_fail(err, PHI_EINPUT, "phi_world_ready has to be called first");
    }
    return q ? finish(q, make(q, ask, err), ret) : full(err);
}
