#include "policy/caps.h"
#include "policy/est.h"

/* A tree, so that joining costs nothing. */
struct cedar_caps {
    enum { CAP_ATTR, CAP_TAG, CAP_UNION, CAP_COMMON } kind;
    const struct cedar_expr *has; /* the HAS or HAS_TAG */
    const struct cedar_caps *a, *b;
};

const struct cedar_caps *cedar_caps_join(struct phi_arena *arena, const struct cedar_caps *a, const struct cedar_caps *b,
                                         bool both)
{
    if (!a || !b)
        return both ? (a ? a : b) : NULL;
    struct cedar_caps *c = phi_arena_new(arena, struct cedar_caps);
    if (c)
        *c = (struct cedar_caps){ .kind = both ? CAP_UNION : CAP_COMMON, .a = a, .b = b };
    return c;
}

const struct cedar_caps *cedar_caps_learn(struct phi_arena *arena, const struct cedar_expr *has)
{
    struct cedar_caps *c = phi_arena_new(arena, struct cedar_caps);
    if (c)
        *c = (struct cedar_caps){ .kind = has->op == OP_HAS ? CAP_ATTR : CAP_TAG, .has = has };
    return c;
}

static bool same_items(const struct cedar_expr *x, const struct cedar_expr *y);

bool cedar_expr_same(const struct cedar_expr *x, const struct cedar_expr *y)
{
    if (x == y)
        return true;
    if (!x || !y || x->op != y->op || !phi_view_eq(x->name, y->name))
        return false;
    if (x->op == OP_LIT)
        return phi_value_eq(x->lit, y->lit);
    if (x->op == OP_VAR)
        return x->var == y->var;
    return cedar_expr_same(x->a, y->a) && cedar_expr_same(x->b, y->b) && cedar_expr_same(x->c, y->c) && same_items(x, y);
}

static bool same_pattern(const struct cedar_pattern *x, const struct cedar_pattern *y)
{
    if (!x || !y)
        return x == y;
    for (size_t i = 0; i < x->n && x->n == y->n; i++)
        if (!phi_view_eq(x->parts[i], y->parts[i]))
            return false;
    return x->n == y->n;
}

static bool same_items(const struct cedar_expr *x, const struct cedar_expr *y)
{
    if (x->n != y->n || x->fn != y->fn || !same_pattern(x->pattern, y->pattern))
        return false;
    for (size_t i = 0; i < x->n; i++)
        if ((x->op == OP_RECORD && !phi_view_eq(x->names[i], y->names[i])) || !cedar_expr_same(x->items[i], y->items[i]))
            return false;
    return true;
}

bool cedar_caps_know(const struct cedar_caps *c, const struct cedar_expr *on, struct phi_view attr,
                     const struct cedar_expr *tag)
{
    if (!c)
        return false;
    switch (c->kind) {
    case CAP_ATTR: return !tag && phi_view_eq(c->has->name, attr) && cedar_expr_same(c->has->a, on);
    case CAP_TAG: return tag && cedar_expr_same(c->has->b, tag) && cedar_expr_same(c->has->a, on);
    case CAP_UNION: return cedar_caps_know(c->a, on, attr, tag) || cedar_caps_know(c->b, on, attr, tag);
    case CAP_COMMON: return cedar_caps_know(c->a, on, attr, tag) && cedar_caps_know(c->b, on, attr, tag);
    }
    return false;
}

static bool same_scope(const struct cedar_scope *x, const struct cedar_scope *y)
{
    if (x->kind != y->kind || x->n != y->n || x->slot != y->slot || !phi_view_eq(x->type, y->type))
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!phi_uid_eq(x->uids[i], y->uids[i]))
            return false;
    return true;
}

bool cedar_policy_same(const struct cedar_policy *x, const struct cedar_policy *y)
{
    if (x->forbid != y->forbid || x->n_conds != y->n_conds || x->n_notes != y->n_notes ||
        !same_scope(&x->principal, &y->principal) || !same_scope(&x->action, &y->action) ||
        !same_scope(&x->resource, &y->resource))
        return false;
    for (size_t i = 0; i < x->n_conds; i++)
        if (x->conds[i].unless != y->conds[i].unless || !cedar_expr_same(x->conds[i].e, y->conds[i].e))
            return false;
    for (size_t i = 0; i < x->n_notes; i++)
        if (!phi_view_eq(x->notes[i].key, y->notes[i].key) || !phi_view_eq(x->notes[i].text, y->notes[i].text))
            return false;
    return true;
}
