#include "policy/check.h"

/* ---- names that the schema must know -------------------------------------------------------- */

static enum phi_rc check_type(struct cedar_check *c, struct phi_view type, struct cedar_place at)
{
    if (cedar_schema_has_type(c->schema, type))
        return PHI_OK;
    return cedar_fail_at(c->err, c->file, at, "the schema has no entity type `" PHI_FMT "`",
                         PHI_ARG(type));
}

static enum phi_rc check_scope(struct cedar_check *c, const struct cedar_scope *s)
{
    if (s->type.n)
        PHI_TRY(check_type(c, s->type, s->at));
    for (size_t i = 0; i < s->n; i++)
        PHI_TRY(check_type(c, s->uids[i].type, s->at));
    return PHI_OK;
}

static enum phi_rc check_action(struct cedar_check *c, const struct cedar_scope *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!cedar_schema_action(c->schema, s->uids[i]))
            return cedar_fail_at(c->err, c->file, s->at,
                                 "the schema has no action " PHI_FMT "::\"" PHI_FMT "\"",
                                 PHI_ARG(s->uids[i].type), PHI_ARG(s->uids[i].id));
    return PHI_OK;
}

/* ---- where `context` and `met` stand ------------------------------------------------------------ */

static bool is_context(const struct cedar_expr *e)
{
    return e && e->op == OP_VAR && e->var == VAR_CONTEXT;
}

static bool is_met(const struct cedar_expr *e)
{
    return e->op == OP_GET && is_context(e->a) && phi_view_is(e->name, "met");
}

static enum phi_rc mark(struct cedar_check *c, struct cedar_expr *e);

static enum phi_rc mark_part(struct cedar_check *c, struct cedar_expr *e, struct cedar_expr *part)
{
    if (!part)
        return PHI_OK;
    if (is_context(part) && e->op != OP_GET && e->op != OP_HAS)
        return cedar_fail_at(c->err, c->file, part->at,
                             "`context` must be followed directly by an attribute; write `context.…`");
    PHI_TRY(mark(c, part));
    e->has_met |= part->has_met;
    return PHI_OK;
}

/* Sets has_met from the leaves up. */
static enum phi_rc mark(struct cedar_check *c, struct cedar_expr *e)
{
    struct cedar_expr *const parts[] = { e->a, e->b, e->c };
    for (int i = 0; i < 3; i++)
        PHI_TRY(mark_part(c, e, parts[i]));
    for (size_t i = 0; i < e->n; i++)
        PHI_TRY(mark_part(c, e, e->items[i]));
    if ((e->op == OP_GET || e->op == OP_HAS) && is_context(e->a)) {
        if (phi_view_is(e->name, "met"))
            e->has_met = true;
        if (phi_view_is(e->name, "can"))
            return cedar_fail_at(c->err, c->file, e->at,
                                 "`context.can` is refused: enforcement points of this version have no obligations");
    }
    if (e->op == OP_CALL && e->n != cedar_fn_info(e->fn)->n)
        return cedar_fail_at(c->err, c->file, e->at, "`%s` has another number of arguments",
                             cedar_fn_info(e->fn)->name);
    if (e->op == OP_IS)
        return check_type(c, e->name, e->at);
    if (e->op == OP_LIT && e->lit->kind == PHI_VALUE_ENTITY)
        return check_type(c, e->lit->u.uid.type, e->at);
    return PHI_OK;
}

/* ---- the grammar of M ------------------------------------------------------------------------- */

static enum phi_rc refuse(struct cedar_check *c, const struct cedar_expr *e, const char *why)
{
    return cedar_fail_at(c->err, c->file, e->at, "%s", why);
}

static enum phi_rc add_requirement(struct cedar_check *c, const struct cedar_expr *name,
                                   struct cedar_alt *alt)
{
    if (name->op != OP_LIT || name->lit->kind != PHI_VALUE_STRING)
        return refuse(c, name, "a requirement must be named by a literal string, as in context.met.contains(\"dba\")");
    for (size_t i = 0; i < c->n_requirements; i++) {
        if (!phi_view_eq(c->requirements[i], name->lit->u.s))
            continue;
        cedar_alt_add(alt, i);
        return PHI_OK;
    }
    return cedar_fail_at(c->err, c->file, name->at,
                         "requirement \"" PHI_FMT "\" is not defined; add it to requirements.yaml",
                         PHI_ARG(phi_view_upto(name->lit->u.s, 60)));
}

static enum phi_rc check_leaf(struct cedar_check *c, struct cedar_expr *e)
{
    struct cedar_alt *alt = phi_arena_new(c->arena, struct cedar_alt);
    if (!alt)
        return phi_fail(c->err, PHI_ELIMIT, "%s is too large", c->file);
    if (e->op == OP_CONTAINS) {
        PHI_TRY(add_requirement(c, e->b, alt));
    } else {
        if (e->b->op != OP_SET || e->b->n == 0)
            return refuse(c, e->b, "containsAll on `context.met` takes a list of literal names, as in [\"dba\", \"mfa\"]");
        for (size_t i = 0; i < e->b->n; i++)
            PHI_TRY(add_requirement(c, e->b->items[i], alt));
    }
    e->met = alt;
    return PHI_OK;
}

static enum phi_rc check_beside(struct cedar_check *c, const struct cedar_expr *e,
                                const struct cedar_fact *facts)
{
    const struct cedar_expr *at = e;
    const char *why = "";
    const struct cedar_type *t = cedar_safe(c, e, facts, &at, &why);
    if (t && t->kind == TYPE_BOOL)
        return PHI_OK;
    if (t) {
        at = e;
        why = "the schema does not say that this is a Bool";
    }
    return cedar_fail_at(c->err, c->file, at->at,
                         "what can err may not stand beside `met`: %s. Or give it a `when { … }` of its own",
                         why);
}

static enum phi_rc check_m(struct cedar_check *c, struct cedar_expr *e,
                           const struct cedar_fact *facts);

static enum phi_rc check_side(struct cedar_check *c, struct cedar_expr *e,
                              const struct cedar_fact *facts)
{
    return e->has_met ? check_m(c, e, facts) : check_beside(c, e, facts);
}

static enum phi_rc check_if(struct cedar_check *c, struct cedar_expr *e,
                            const struct cedar_fact *facts)
{
    if (e->a->has_met)
        return refuse(c, e->a, "`met` may not be the condition of an `if`; write `met … || …` or `met … && …`");
    if (!e->b->has_met || !e->c->has_met)
        return refuse(c, e, "with `met` in an `if`, both branches must ask for it; else write `condition && context.met…`");
    PHI_TRY(check_beside(c, e->a, facts));
    PHI_TRY(check_m(c, e->b, cedar_facts_of(c, e->a, facts)));
    return check_m(c, e->c, facts);
}

/* e->has_met holds. */
static enum phi_rc check_m(struct cedar_check *c, struct cedar_expr *e,
                           const struct cedar_fact *facts)
{
    if ((e->op == OP_CONTAINS || e->op == OP_CONTAINS_ALL) && is_met(e->a))
        return check_leaf(c, e);
    if (e->op == OP_CONTAINS_ANY && is_met(e->a))
        return refuse(c, e, "containsAny may not be used on `met`; write met.contains(…) || met.contains(…)");
    if (e->op == OP_NOT)
        return refuse(c, e, "`met` may not be negated; use `unless` of a forbid");
    if (e->op == OP_IF)
        return check_if(c, e, facts);
    if (e->op != OP_AND && e->op != OP_OR)
        return refuse(c, e, "`met` stands only in context.met.contains(\"…\") or context.met.containsAll([\"…\"]), joined by && and ||");
    PHI_TRY(check_side(c, e->a, facts));
    if (e->op == OP_AND && !e->a->has_met)
        facts = cedar_facts_of(c, e->a, facts);
    return check_side(c, e->b, facts);
}

static enum phi_rc check_cond(struct cedar_check *c, const struct cedar_cond *cond)
{
    if (is_context(cond->e))
        return refuse(c, cond->e, "`context` must be followed directly by an attribute; write `context.…`");
    PHI_TRY(mark(c, cond->e));
    if (!cond->e->has_met)
        return PHI_OK;
    if (cond->unless != c->policy->forbid)
        return refuse(c, cond->e, c->policy->forbid ?
                                      "in a forbid `met` may stand only in `unless`" :
                                      "in a permit `met` may stand only in `when`");
    return check_m(c, cond->e, NULL);
}

enum phi_rc cedar_check_policy(struct cedar_check *c, struct cedar_policy *p)
{
    c->policy = p;
    PHI_TRY(check_scope(c, &p->principal));
    PHI_TRY(check_action(c, &p->action));
    PHI_TRY(check_scope(c, &p->resource));
    for (size_t i = 0; i < p->n_conds; i++)
        PHI_TRY(check_cond(c, &p->conds[i]));
    return PHI_OK;
}
