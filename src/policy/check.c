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

/* What the grammar of M speaks of: `context.met`, and `context.can` likewise. */
static bool is_given(const struct cedar_expr *e)
{
    return (e->op == OP_GET || e->op == OP_HAS) && is_context(e->a) &&
           (phi_view_is(e->name, "met") || phi_view_is(e->name, "can"));
}

static bool is_can(const struct cedar_expr *e)
{
    return is_given(e) && phi_view_is(e->name, "can");
}

/* "met" or "can": the first in `e`, which holds one. */
static const char *name_in(const struct cedar_expr *e)
{
    const struct cedar_expr *const parts[] = { e->a, e->b, e->c };
    if (is_given(e))
        return is_can(e) ? "can" : "met";
    for (int i = 0; i < 3; i++)
        if (parts[i] && parts[i]->has_met)
            return name_in(parts[i]);
    for (size_t i = 0; i < e->n; i++)
        if (e->items[i]->has_met)
            return name_in(e->items[i]);
    return "met";
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
    e->has_met |= is_given(e);
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

static enum phi_rc add_obligation(struct cedar_check *c, const struct cedar_expr *name, struct cedar_alt *alt)
{
    if (name->op != OP_LIT || name->lit->kind != PHI_VALUE_STRING)
        return refuse(c, name, "an obligation must be named by a literal string, as in context.can.contains(\"mask\")");
    for (size_t i = 0; i < c->n_obligations; i++) {
        if (!phi_view_eq(c->obligations[i].name, name->lit->u.s))
            continue;
        cedar_alt_add(alt, c->n_requirements + i);
        return PHI_OK;
    }
    return cedar_fail_at(c->err, c->file, name->at,
                         "obligation \"" PHI_FMT "\" is not defined; add it to requirements.yaml under `obligations:`",
                         PHI_ARG(phi_view_upto(name->lit->u.s, 60)));
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
    enum phi_rc (*add)(struct cedar_check *, const struct cedar_expr *, struct cedar_alt *) =
        is_can(e->a) ? add_obligation : add_requirement;
    struct cedar_alt *alt = phi_arena_new(c->arena, struct cedar_alt);
    if (!alt)
        return phi_fail(c->err, PHI_ELIMIT, "%s is too large", c->file);
    if (e->op == OP_CONTAINS) {
        PHI_TRY(add(c, e->b, alt));
    } else {
        if (e->b->op != OP_SET || e->b->n == 0)
            return cedar_fail_at(c->err, c->file, e->b->at,
                                 "containsAll on `context.%s` takes a list of literal names, as in [\"one\", \"other\"]",
                                 name_in(e->a));
        for (size_t i = 0; i < e->b->n; i++)
            PHI_TRY(add(c, e->b->items[i], alt));
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
                         "what can err may not stand beside `met` or `can`: %s. Or give it a `when { … }` of its own",
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
        return cedar_fail_at(c->err, c->file, e->a->at,
                             "`%1$s` may not be the condition of an `if`; write `%1$s … || …` or `%1$s … && …`", name_in(e->a));
    if (!e->b->has_met || !e->c->has_met)
        return cedar_fail_at(c->err, c->file, e->at,
                             "with `%1$s` in an `if`, both branches must ask for it; else write `condition && context.%1$s…`",
                             name_in(e));
    PHI_TRY(check_beside(c, e->a, facts));
    PHI_TRY(check_m(c, e->b, cedar_facts_of(c, e->a, facts)));
    return check_m(c, e->c, facts);
}

/* e->has_met holds. */
static enum phi_rc check_m(struct cedar_check *c, struct cedar_expr *e,
                           const struct cedar_fact *facts)
{
    const char *name = name_in(e);
    bool on_given = e->a && e->a->op == OP_GET && is_given(e->a);
    if ((e->op == OP_CONTAINS || e->op == OP_CONTAINS_ALL) && on_given)
        return check_leaf(c, e);
    if (e->op == OP_CONTAINS_ANY && on_given)
        return cedar_fail_at(c->err, c->file, e->at,
                             "containsAny may not be used on `%1$s`; write %1$s.contains(…) || %1$s.contains(…)", name);
    if (e->op == OP_NOT)
        return cedar_fail_at(c->err, c->file, e->at, "`%s` may not be negated; use `unless` of a forbid", name);
    if (e->op == OP_IF)
        return check_if(c, e, facts);
    if (e->op != OP_AND && e->op != OP_OR)
        return cedar_fail_at(c->err, c->file, e->at,
                             "`%1$s` stands only in context.%1$s.contains(\"…\") or context.%1$s.containsAll([\"…\"]), joined by && and ||",
                             name);
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
        return cedar_fail_at(c->err, c->file, cond->e->at, "in a %s `%s` may stand only in `%s`",
                             c->policy->forbid ? "forbid" : "permit", name_in(cond->e), c->policy->forbid ? "unless" : "when");
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
