#include "policy/validate.h"

#include <stdarg.h>
#include <stdio.h>

/* Memory that typing one policy under one combination may take. */
#define MAX_TYPING (256UL << 20)
#define MAX_OF_POLICY 20

struct run {
    struct phi_arena *arena;
    const struct cedar_schema *schema;
    uint32_t level;
    const struct cedar_policy *policy;
    struct cedar_list found; /* cedar_finding */
    size_t first;            /* of this policy */
    size_t errors;
    bool fits;               /* some combination fits the scope */
    bool possible;           /* the policy is not always false */
    bool bad_list;           /* the action list has no type */
};

static bool repeats(const struct run *r, struct cedar_place at, const char *text)
{
    for (size_t i = r->first; i < r->found.n; i++) {
        const struct cedar_finding *f = r->found.p[i];
        if (f->at.line == at.line && f->at.col == at.col && phi_view_is(f->text, text))
            return true;
    }
    return false;
}

static struct cedar_finding *add(struct run *r, bool warning, struct cedar_place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* NULL: it is there already, there are enough, or the arena is full. */
static struct cedar_finding *add(struct run *r, bool warning, struct cedar_place at, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (repeats(r, at, text))
        return NULL;
    r->errors += !warning;
    if (r->found.n >= CEDAR_MAX_FINDINGS || r->found.n - r->first >= MAX_OF_POLICY)
        return NULL;
    struct cedar_finding *f = phi_arena_new(r->arena, struct cedar_finding);
    if (!f || !cedar_list_add(r->arena, &r->found, f))
        return NULL;
    *f = (struct cedar_finding){ .warning = warning, .policy = r->policy, .at = at,
                                 .text = phi_arena_copy(r->arena, phi_view_of(text)) };
    return f;
}

/* ---- names ------------------------------------------------------------------------------------- */

static void check_type(struct run *r, struct phi_view type, struct cedar_place at)
{
    if (!cedar_schema_has_type(r->schema, type))
        add(r, false, at, "the schema has no entity type `" PHI_FMT "`", PHI_ARG(phi_view_upto(type, 80)));
}

static void check_uid(struct run *r, struct phi_uid uid, struct cedar_place at)
{
    const struct cedar_entity_type *e = cedar_schema_entity(r->schema, uid.type);
    if (cedar_schema_has_uid(r->schema, uid))
        return;
    if (!cedar_schema_has_type(r->schema, uid.type))
        check_type(r, uid.type, at);
    else
        add(r, false, at, "%s " PHI_FMT "::\"" PHI_FMT "\"%s", e ? "there is no" : "the schema has no action",
            PHI_ARG(phi_view_upto(uid.type, 60)), PHI_ARG(phi_view_upto(uid.id, 60)),
            e ? "; the schema lists all entities of this type" : "");
}

static void check_scope(struct run *r, const struct cedar_scope *s)
{
    if (s->type.n)
        check_type(r, s->type, s->at);
    for (size_t i = 0; i < s->n; i++)
        check_uid(r, s->uids[i], s->at);
}

/* Parts that are never evaluated too. */
static void check_names(struct run *r, const struct cedar_expr *e)
{
    if (!e)
        return;
    if (e->op == OP_IS)
        check_type(r, e->name, e->op_at);
    if (e->op == OP_LIT && e->lit->kind == PHI_VALUE_ENTITY)
        check_uid(r, e->lit->u.uid, e->at);
    check_names(r, e->a);
    check_names(r, e->b);
    check_names(r, e->c);
    for (size_t i = 0; i < e->n; i++)
        check_names(r, e->items[i]);
}

/* ---- one combination ----------------------------------------------------------------------------- */

static void wrong_here(struct run *r, const struct cedar_typing *t)
{
    struct cedar_finding *f = add(r, false, t->at, PHI_FMT, PHI_ARG(t->why));
    if (f)
        f->where = phi_arena_printf(r->arena, "principal " PHI_FMT ", action \"" PHI_FMT "\", resource " PHI_FMT,
                                    PHI_ARG(phi_view_upto(t->principal, 60)),
                                    PHI_ARG(phi_view_upto(t->action->uid.id, 60)),
                                    PHI_ARG(phi_view_upto(t->resource, 60)));
}

static bool level_ok(struct run *r, struct cedar_typing *t, const struct cedar_expr *e)
{
    if (r->level == CEDAR_NO_LEVEL || cedar_level_ok(t, e, r->level))
        return true;
    t->why = phi_arena_printf(t->arena, "this goes over more than %u step%s from entity to entity", r->level,
                              r->level == 1 ? "" : "s");
    wrong_here(r, t);
    return false;
}

static void try_conditions(struct run *r, struct cedar_typing *t)
{
    for (size_t i = 0; i < r->policy->n_conds; i++) {
        const struct cedar_cond *c = &r->policy->conds[i];
        const struct cedar_type *type = cedar_typecheck(t, c->e);
        if (type && type->kind != TYPE_BOOL) {
            PHI_BUF(name, 300);
            cedar_type_write(&name, type);
            t->at = c->e->at;
            t->why = phi_arena_printf(t->arena, "expected a condition (Bool), found %s", phi_buf_str(&name));
            type = NULL;
        }
        if (!type) {
            wrong_here(r, t);
            r->possible = true;
            return;
        }
        if (!level_ok(r, t, c->e))
            r->possible = true;
        if (type->truth == (c->unless ? TRUTH_TRUE : TRUTH_FALSE))
            return; /* false: what stands behind is not evaluated */
        if (!c->unless)
            t->known = cedar_caps_join(t->arena, t->known, t->learnt, true);
    }
    r->possible = true;
}

static void try_combination(struct run *r, const struct cedar_action *action, struct phi_view principal,
                            struct phi_view resource)
{
    PHI_ARENA(scratch, MAX_TYPING);
    struct cedar_typing t = { .arena = &scratch, .schema = r->schema, .action = action,
                              .principal = principal, .resource = resource, .fuel = CEDAR_TYPE_FUEL };
    r->fits = true;
    const struct cedar_scope *scopes[] = { &r->policy->principal, &r->policy->action, &r->policy->resource };
    for (int i = 0; r->level == 0 && i < 3; i++)
        if (scopes[i]->kind == SCOPE_IN || scopes[i]->kind == SCOPE_IS_IN)
            add(r, false, scopes[i]->at, "`in` asks for an entity's parents, which level 0 does not allow");
    if (r->policy->n_conds == 0) {
        r->possible = true;
        return;
    }
    t.why = PHI_LIT("this is too large to be checked");
    t.at = r->policy->at;
    try_conditions(r, &t);
}

/* ---- scopes --------------------------------------------------------------------------------------- */

static bool scope_may(const struct run *r, const struct cedar_scope *s, struct phi_view type)
{
    if ((s->kind == SCOPE_IS || s->kind == SCOPE_IS_IN) && !phi_view_eq(s->type, type))
        return false;
    if (s->kind == SCOPE_ANY || s->kind == SCOPE_IS || s->slot)
        return true;
    if (s->kind == SCOPE_EQ)
        return phi_view_eq(s->uids[0].type, type);
    return cedar_type_in(r->schema, type, s->uids[0].type);
}

static bool action_may(const struct cedar_policy *p, const struct cedar_action *a)
{
    if (p->action.kind == SCOPE_ANY)
        return true;
    for (size_t i = 0; i < p->action.n; i++)
        if (p->action.kind == SCOPE_EQ ? phi_uid_eq(a->uid, p->action.uids[i]) : cedar_action_in(a, p->action.uids[i]))
            return true;
    return false;
}

static void try_action(struct run *r, const struct cedar_action *a)
{
    bool fits = !r->bad_list && action_may(r->policy, a);
    for (size_t i = 0; i < a->principals.n; i++) {
        struct phi_view principal = ((const struct cedar_type *)a->principals.p[i])->name;
        if (!scope_may(r, &r->policy->principal, principal))
            continue;
        if (r->bad_list && a->resources.n > 0)
            add(r, false, r->policy->action.at, "%s", r->policy->action.n ?
                "the actions of a list must be of one type; write a policy for each type" :
                "an empty list of actions fits nothing; write `action` for any");
        for (size_t k = 0; fits && k < a->resources.n; k++) {
            struct phi_view resource = ((const struct cedar_type *)a->resources.p[k])->name;
            if (scope_may(r, &r->policy->resource, resource))
                try_combination(r, a, principal, resource);
        }
    }
}

/* A list without one type: empty, or of several namespaces. */
static bool is_bad_list(const struct cedar_scope *s)
{
    for (size_t i = 1; i < s->n; i++)
        if (!phi_view_eq(s->uids[i].type, s->uids[0].type))
            return true;
    return s->kind == SCOPE_IN && s->n == 0 && !s->slot;
}

static void check_policy(struct run *r)
{
    const struct cedar_policy *p = r->policy;
    size_t before = r->errors;
    r->first = r->found.n;
    r->possible = r->fits = false;
    r->bad_list = is_bad_list(&p->action);
    check_scope(r, &p->principal);
    check_scope(r, &p->action);
    check_scope(r, &p->resource);
    for (size_t i = 0; i < p->n_conds; i++)
        check_names(r, p->conds[i].e);
    for (size_t i = 0; i < r->schema->n_actions; i++)
        try_action(r, r->schema->actions[i]);
    if (r->possible || r->errors > before)
        return;
    struct cedar_finding *f = add(r, true, p->at, "this policy never applies: %s",
                                  r->fits ? "its conditions are false whoever asks for what" :
                                            "by the schema no action of its scope takes such a principal and resource");
    if (f)
        f->no_action = !r->fits;
}

enum phi_rc cedar_validate(struct phi_arena *a, const struct cedar_schema *schema,
                           const struct cedar_policies *policies, uint32_t level,
                           struct cedar_findings *ret, struct phi_err *err)
{
    struct run r = { .arena = a, .schema = schema, .level = level };
    for (size_t i = 0; i < policies->n; i++) {
        r.policy = policies->p[i];
        check_policy(&r);
    }
    struct cedar_finding *list = phi_arena_array(a, r.found.n + 1, sizeof *list);
    for (size_t i = 0; list && i < r.found.n; i++)
        list[i] = *(struct cedar_finding *)r.found.p[i];
    *ret = (struct cedar_findings){ list, r.found.n, r.errors };
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the policies are too large to be checked");
}
