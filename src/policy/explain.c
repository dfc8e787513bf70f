#include "policy/explain.h"

#include "policy/decide.h"
#include "policy/request.h"

struct looking {
    const struct phi_bundle *b;
    struct cedar_env env;
    struct cedar_reason *r;
};

const char *cedar_part_name(enum cedar_part part)
{
    static const char *const names[] = { "principal", "action", "resource", "when", "unless" };
    return names[part];
}

static struct phi_view text_of(const struct looking *l, const struct cedar_expr *e)
{
    struct phi_view all = l->b->text.policies;
    if (e->to <= e->from || e->to > all.n)
        return (struct phi_view){ 0 };
    return phi_view_upto(phi_view_from(all, e->from), e->to - e->from);
}

/* The smallest part that makes `e` other than `wanted`: of `a && b` the first false one, and so on. */
static const struct cedar_expr *culprit(const struct looking *l, const struct cedar_expr *e, unsigned wanted)
{
    for (;;) {
        enum cedar_op joins = wanted == MAY_TRUE ? OP_AND : OP_OR;
        if (e->op == OP_NOT && e->a->op == OP_NOT) {
            e = e->a->a;
        } else if (e->op == joins) {
            unsigned left = cedar_bits(cedar_eval(&l->env, e->a));
            e = left != wanted ? e->a : e->b;
        } else {
            return e;
        }
    }
}

static bool found(struct looking *l, enum cedar_outcome outcome, enum cedar_part part, struct cedar_place at)
{
    l->r->outcome = outcome;
    l->r->part = part;
    l->r->at = at;
    return true;
}

static bool look_at_scopes(struct looking *l, const struct cedar_policy *p)
{
    const struct cedar_scope *scopes[] = { &p->principal, &p->action, &p->resource };
    for (int i = 0; i < 3; i++) {
        unsigned fits = cedar_scope_fits(&l->env, scopes[i], l->env.vars[i]->u.uid);
        if (fits != MAY_TRUE)
            return found(l, fits == MAY_ERROR ? CEDAR_ERRS : CEDAR_FALSE, (enum cedar_part)i, scopes[i]->at);
    }
    return false;
}

static bool look_at_condition(struct looking *l, const struct cedar_cond *c)
{
    unsigned wanted = c->unless ? MAY_FALSE : MAY_TRUE, is = cedar_bits(cedar_eval(&l->env, c->e));
    if (is == wanted)
        return false;
    const struct cedar_expr *e = culprit(l, c->e, wanted);
    l->r->text = text_of(l, e);
    return found(l, e->has_met ? CEDAR_WAITS : is == MAY_ERROR ? CEDAR_ERRS : CEDAR_FALSE,
                 c->unless ? CEDAR_PART_UNLESS : CEDAR_PART_WHEN, e->at);
}

static void look_at(struct looking *l, const struct cedar_policy *p)
{
    l->r->policy = p;
    if (look_at_scopes(l, p))
        return;
    for (size_t i = 0; i < p->n_conds; i++)
        if (look_at_condition(l, &p->conds[i]))
            return;
    found(l, CEDAR_HOLDS, CEDAR_PART_WHEN, p->at);
}

/* The context with what is met and what can be done: sets like any other here. */
static const struct phi_value *with_given(const struct phi_bundle *b, struct phi_arena *a, const struct phi_value *context,
                                          const struct phi_ask *ask)
{
    size_t n = context->u.record.n, n_can = 0;
    struct phi_attr *attrs = phi_arena_array(a, n + 2, sizeof *attrs);
    const struct phi_value **met = phi_arena_array(a, ask->n_met + 1, sizeof *met);
    const struct phi_value **can = phi_arena_array(a, b->n_obligations + 1, sizeof *can);
    if (!attrs || !met || !can)
        return NULL;
    for (size_t i = 0; i < b->n_obligations; i++)
        if (cedar_can(ask, &b->obligations[i]))
            can[n_can++] = phi_value_string(a, b->obligations[i].name);
    for (size_t i = 0; i < n; i++)
        attrs[i] = context->u.record.attrs[i];
    for (size_t i = 0; i < ask->n_met; i++)
        met[i] = phi_value_string(a, ask->met[i]);
    attrs[n] = (struct phi_attr){ PHI_LIT("met"), phi_value_set(a, met, ask->n_met) };
    attrs[n + 1] = (struct phi_attr){ PHI_LIT("can"), phi_value_set(a, can, n_can) };
    return phi_value_record(a, attrs, n + 2);
}

enum phi_rc cedar_explain(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                          struct phi_arena *a, struct cedar_explained *ret, struct phi_err *err)
{
    struct cedar_request request;
    struct looking l = { .b = b };
    *ret = (struct cedar_explained){ .answer.verdict = PHI_DENY };
    PHI_TRY(phi_decide(b, es, ask, a, &ret->answer, err));
    PHI_TRY(cedar_request_make(b, es, ask, a, &request, err));
    if (request.reason.n > 0)
        return PHI_OK;
    struct cedar_reason *list = phi_arena_array(a, b->policies.n + 1, sizeof *list);
    l.env = request.env;
    l.env.vars[VAR_CONTEXT] = with_given(b, a, request.env.vars[VAR_CONTEXT], ask);
    for (size_t i = 0; list && l.env.vars[VAR_CONTEXT] && i < b->policies.n; i++) {
        if (!cedar_policy_reaches(b->policies.p[i], request.action))
            continue;
        l.r = &list[ret->n++];
        look_at(&l, b->policies.p[i]);
    }
    ret->reasons = list;
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the explanation needs too much memory");
}
