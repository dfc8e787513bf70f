/* Deciding over prepared entities and requests. The common case, nothing unknown and no requirement
 * in the policies that fit, is answered here; else decide.c combines what this evaluator says. */
#include "policy/comp.h"
#include "policy/decide.h"

#include <stdlib.h>
#include <string.h>

struct phi_scratch {
    struct phi_arena arena;
    struct phi_query query; /* of phi_world_ask */
    struct comp_lists lists; /* whose scope may fit */
    uint32_t *hits; /* policies */
    uint32_t n_hits, cap_hits;
    struct phi_decider *deciders;
    uint32_t cap_deciders;
    const struct cedar_policy **sources;
    uint32_t cap_sources;
};

enum { FIRST_BLOCK = 32 * 1024 };

struct phi_scratch *phi_scratch_open(size_t limit)
{
    struct phi_scratch *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    phi_arena_init(&s->arena, limit);
    if (limit >= FIRST_BLOCK)
        phi_arena_alloc(&s->arena, FIRST_BLOCK);
    if (comp_grow(&s->lists.p, 0, &s->lists.cap, sizeof *s->lists.p) && comp_grow(&s->hits, 0, &s->cap_hits, sizeof *s->hits) &&
        comp_grow(&s->deciders, 0, &s->cap_deciders, sizeof *s->deciders) &&
        comp_grow(&s->sources, 0, &s->cap_sources, sizeof *s->sources))
        return s;
    phi_scratch_close(s);
    return NULL;
}

void phi_scratch_close(struct phi_scratch *s)
{
    if (!s)
        return;
    phi_arena_done(&s->arena);
    comp_query_done(&s->query);
    free(s->lists.p);
    free(s->hits);
    free(s->deciders);
    free(s->sources);
    free(s);
}

static enum phi_rc full(struct phi_answer *ret, struct phi_err *err)
{
    *ret = (struct phi_answer){ .verdict = PHI_DENY };
    return phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
}

/* ---- which policies may fit ------------------------------------------------------------------------------ */

static struct comp_keys keys_of(const struct comp_env *x, uint32_t id)
{
    if (id >= x->w->n_all)
        return (struct comp_keys){ .self = id };
    const struct comp_ent *e = comp_world_ent(x->w, id);
    return (struct comp_keys){ (e->upper ? x->w : x->w->base)->keys + e->keys, e->n_keys, id, e->mark };
}

static bool find_lists(const struct comp_env *x, struct phi_scratch *s)
{
    __builtin_prefetch(comp_ent(x, x->q->vars[VAR_RESOURCE]));
    const struct comp_keys pk = keys_of(x, x->q->vars[VAR_PRINCIPAL]), rk = keys_of(x, x->q->vars[VAR_RESOURCE]);
    return comp_lists_find(x->c, x->q->action, &pk, &rk, &s->lists);
}

/* What the index has not told yet: the entity that `in` names is reached, that of `==` may be reached only. */
static bool rest_fits(const struct comp_env *x, const struct comp_scope *s, uint32_t id)
{
    if (s->kind == SCOPE_EQ)
        return s->uid == id;
    return s->type == COMP_NONE || comp_ent(x, id)->type == s->type;
}

static bool fits(const struct comp_env *x, const struct comp_policy *p)
{
    return rest_fits(x, &p->principal, x->q->vars[VAR_PRINCIPAL]) && rest_fits(x, &p->resource, x->q->vars[VAR_RESOURCE]);
}

/* ---- the common case --------------------------------------------------------------------------------------- */

/* MAY_TRUE, MAY_FALSE, MAY_ERROR; 0: rests on an unknown. */
static unsigned evaluate(const struct comp_env *x, const struct comp_policy *p)
{
    for (uint32_t i = 0; i < p->n_conds; i++) {
        struct comp_val v = comp_eval(x, x->c->kids[p->conds + i]);
        if (v.kind != COMP_BOOL)
            return v.kind == COMP_BAIL ? 0 : MAY_ERROR;
        if (!v.u.i)
            return MAY_FALSE;
    }
    return MAY_TRUE;
}

enum run { RUN_NO, RUN_YES, RUN_OTHER }; /* found; OTHER: decide.c has to combine */

/* One part, forbids or permits, of all lists: those that are true (or of forbids, err) become hits. */
static enum run run(const struct comp_env *x, struct phi_scratch *s, bool forbids, bool stop)
{
    const unsigned hit = forbids ? MAY_TRUE | MAY_ERROR : MAY_TRUE;
    for (uint32_t l = 0; l < s->lists.n; l++) {
        const struct comp_list *list = &s->lists.p[l];
        for (uint32_t i = forbids ? 0 : list->n_forbids, n = forbids ? list->n_forbids : list->n; i < n; i++) {
            const struct comp_policy *p = &x->c->policies[list->p[i]];
            if (!fits(x, p))
                continue;
            unsigned bits = p->has_met ? 0 : evaluate(x, p);
            if (bits == 0)
                return RUN_OTHER;
            if (!(bits & hit))
                continue;
            if (!comp_grow(&s->hits, s->n_hits, &s->cap_hits, sizeof *s->hits))
                return RUN_OTHER;
            s->hits[s->n_hits++] = list->p[i];
            if (stop)
                return RUN_YES;
        }
    }
    return s->n_hits > 0 ? RUN_YES : RUN_NO;
}

static bool name_hits(const struct comp_env *x, struct phi_scratch *s, struct phi_answer *ret)
{
    while (s->cap_deciders < s->n_hits)
        if (!comp_grow(&s->deciders, s->cap_deciders, &s->cap_deciders, sizeof *s->deciders))
            return false;
    if (s->lists.n > 1)
        comp_sort(s->hits, s->n_hits);
    for (uint32_t i = 0; i < s->n_hits; i++)
        s->deciders[i] = x->c->policies[s->hits[i]].named;
    ret->policies = s->deciders;
    ret->n_policies = s->n_hits;
    return true;
}

/* ---- requirements and unknowns -------------------------------------------------------------------------------- */

static unsigned leaf_bits(const void *leaf, const struct cedar_expr *e)
{
    const struct comp_env *x = leaf;
    struct comp_val v = comp_eval(x, e->code - 1);
    if (v.kind == COMP_BAIL)
        return comp_may_bits(x, e);
    return v.kind != COMP_BOOL ? MAY_ERROR : v.u.i ? MAY_TRUE : MAY_FALSE;
}

static unsigned leaf_scope(const void *leaf, const struct cedar_policy *p)
{
    (void)leaf;
    (void)p;
    return MAY_TRUE; /* others are not in the list */
}

static bool combine(const struct comp_env *x, struct phi_scratch *s, enum phi_mode mode, struct phi_answer *ret)
{
    struct cedar_deciding d = { .b = x->w->b, .arena = x->arena, .action = x->q->action_id, .met = x->q->met, .lacks = x->q->lacks,
                                .leaf = x, .bits = leaf_bits, .scope = leaf_scope, .wordless = mode != PHI_MODE_REASON };
    s->n_hits = 0;
    for (uint32_t l = 0; l < s->lists.n; l++)
        for (uint32_t i = 0; i < s->lists.p[l].n; i++) {
            if (!fits(x, &x->c->policies[s->lists.p[l].p[i]]))
                continue;
            if (!comp_grow(&s->hits, s->n_hits, &s->cap_hits, sizeof *s->hits))
                return false;
            s->hits[s->n_hits++] = s->lists.p[l].p[i];
        }
    comp_sort(s->hits, s->n_hits);
    while (s->cap_sources < s->n_hits)
        if (!comp_grow(&s->sources, s->cap_sources, &s->cap_sources, sizeof *s->sources))
            return false;
    for (uint32_t i = 0; i < s->n_hits; i++)
        s->sources[i] = x->c->policies[s->hits[i]].src;
    const struct cedar_index index = { s->sources, s->n_hits };
    return cedar_decide(&d, &index, ret);
}

static bool decide(const struct comp_env *x, enum phi_mode mode, struct phi_scratch *s, struct phi_answer *ret)
{
    const bool stop = mode == PHI_MODE_DECIDE;
    s->n_hits = 0;
    if (!find_lists(x, s))
        return false;
    enum run found = mode == PHI_MODE_REASON ? RUN_OTHER : run(x, s, true, stop);
    if (found == RUN_NO) {
        found = run(x, s, false, stop);
        if (found == RUN_YES)
            ret->verdict = PHI_ALLOW;
    }
    if (found == RUN_OTHER) {
        ret->verdict = PHI_DENY;
        return combine(x, s, mode, ret);
    }
    return (stop || name_hits(x, s, ret)) && phi_arena_ok(x->arena);
}

enum phi_rc phi_world_decide(const struct phi_world *w, const struct phi_query *q, enum phi_mode mode,
                             struct phi_scratch *s, struct phi_answer *ret, struct phi_err *err)
{
    const struct comp_env x = { w->c, w, q, &s->arena };
    if (s->arena.used > 0 || s->arena.bad)
        phi_arena_reset(&s->arena);
    *ret = (struct phi_answer){ .verdict = PHI_DENY, .reason = q->refusal };
    if (q->w != w)
        return phi_fail(err, PHI_EINPUT, "the request was prepared for other entities");
    if (!q->action || q->refusal.n > 0)
        return PHI_OK;
    return decide(&x, mode, s, ret) ? PHI_OK : full(ret, err);
}

enum phi_rc phi_world_ask(const struct phi_world *w, const struct phi_ask *ask, enum phi_mode mode, struct phi_scratch *s,
                          struct phi_answer *ret, struct phi_err *err)
{
    *ret = (struct phi_answer){ .verdict = PHI_DENY };
    PHI_TRY(comp_query_again(&s->query, w, ask, err));
    return phi_world_decide(w, &s->query, mode, s, ret, err);
}

/* ---- sweeping ---------------------------------------------------------------------------------------------------- */

/* An action has a context of its own: each is prepared anew. */
static enum phi_rc sweep_actions(const struct phi_world *w, const struct phi_ask *ask, const struct phi_uid *uids, size_t n,
                                 struct phi_scratch *s, enum phi_verdict *ret, struct phi_err *err)
{
    struct phi_ask one = *ask;
    one.n_can = 0;
    for (size_t i = 0; i < n; i++) {
        struct phi_query *q = NULL;
        struct phi_answer ans;
        one.action = uids[i];
        PHI_TRY(phi_query_open(w, &one, &q, err));
        enum phi_rc rc = phi_world_decide(w, q, PHI_MODE_DECIDE, s, &ans, err);
        phi_query_close(q);
        ret[i] = ans.verdict;
        PHI_TRY(rc);
    }
    return PHI_OK;
}

static enum phi_rc sweep(const struct phi_world *w, struct phi_query *q, enum cedar_var var, const struct phi_uid *uids,
                         size_t n, struct phi_scratch *s, enum phi_verdict *ret, struct phi_err *err)
{
    const struct cedar_action *action = w->b->schema.actions[q->action - w->c->actions];
    const struct cedar_list *types = var == VAR_PRINCIPAL ? &action->principals : &action->resources;
    uint32_t last = COMP_NONE;
    bool applies = false;
    for (size_t i = 0; i < n; i++) {
        const struct comp_env x = { w->c, w, q, &s->arena };
        struct phi_answer ans = { .verdict = PHI_DENY };
        q->vars[var] = comp_query_uid(q, uids[i]);
        if (q->vars[var] == COMP_NONE)
            return phi_fail(err, PHI_ELIMIT, "too many entities in one sweep");
        uint32_t type = comp_ent(&x, q->vars[var])->type;
        if (type != last)
            applies = cedar_types_have(types, uids[i].type);
        last = type;
        if (applies)
            PHI_TRY(phi_world_decide(w, q, PHI_MODE_DECIDE, s, &ans, err));
        ret[i] = ans.verdict;
    }
    return PHI_OK;
}

enum phi_rc phi_world_sweep(const struct phi_world *w, const struct phi_ask *ask, enum phi_swept swept,
                            const struct phi_uid *uids, size_t n, struct phi_scratch *s, enum phi_verdict *ret,
                            struct phi_err *err)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = PHI_DENY;
    if (swept == PHI_SWEPT_ACTION || n == 0)
        return sweep_actions(w, ask, uids, n, s, ret, err);
    struct phi_ask first = *ask;
    first.n_can = 0;
    struct phi_query *q = NULL;
    size_t at = 0;
    /* Refused for the type of one, it may be right with another. */
    do {
        phi_query_close(q);
        *(swept == PHI_SWEPT_PRINCIPAL ? &first.principal : &first.resource) = uids[at];
        PHI_TRY(phi_query_open(w, &first, &q, err));
    } while (q->refusal.n > 0 && ++at < n);
    enum phi_rc rc = PHI_OK;
    if (at < n)
        rc = sweep(w, q, swept == PHI_SWEPT_PRINCIPAL ? VAR_PRINCIPAL : VAR_RESOURCE, uids + at, n - at, s, ret + at, err);
    phi_query_close(q);
    return rc;
}

enum phi_rc phi_world_open(const struct phi_bundle *b, size_t limit, struct phi_world **ret, struct phi_err *err)
{
    *ret = comp_world_open(b->comp, limit);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    (*ret)->b = b;
    return PHI_OK;
}
