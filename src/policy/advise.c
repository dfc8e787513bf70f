#include "policy/advise.h"

#include "policy/entities.h"
#include "policy/est.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_PAIRS 4000 /* policies that are held against each other */

struct advising {
    const struct phi_bundle *b;
    const struct phi_entities *es;
    struct phi_arena *arena;
    struct cedar_list found; /* cedar_finding */
};

static void advise(struct advising *r, const struct cedar_policy *p, struct cedar_place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void advise(struct advising *r, const struct cedar_policy *p, struct cedar_place at, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct cedar_finding *f = r->found.n < CEDAR_MAX_FINDINGS ? phi_arena_new(r->arena, struct cedar_finding) : NULL;
    if (f && cedar_list_add(r->arena, &r->found, f))
        *f = (struct cedar_finding){ .warning = true, .policy = p, .at = at,
                                     .text = phi_arena_copy(r->arena, phi_view_of(text)) };
}

/* ---- plain permits beside those that ask --------------------------------------------------------------- */

static bool asks(const struct cedar_policy *p)
{
    for (size_t i = 0; i < p->n_conds; i++)
        if (p->conds[i].e->has_met)
            return true;
    return false;
}

static void asked_in(const struct cedar_expr *e, struct cedar_alt *all)
{
    if (!e || !e->has_met)
        return;
    if (e->met)
        cedar_alt_join(all, e->met);
    asked_in(e->a, all);
    asked_in(e->b, all);
    asked_in(e->c, all);
}

/* All that it asks for: requirements and, after them, obligations. */
static struct cedar_alt asked_by(const struct cedar_policy *p)
{
    struct cedar_alt all = { 0 };
    for (size_t i = 0; i < p->n_conds; i++)
        asked_in(p->conds[i].e, &all);
    return all;
}

static bool scope_covers(const struct cedar_scope *x, const struct cedar_scope *y)
{
    bool one = x->n == 1 && y->n == 1 && phi_uid_eq(x->uids[0], y->uids[0]);
    switch (x->kind) {
    case SCOPE_ANY: return true;
    case SCOPE_EQ: return y->kind == SCOPE_EQ && one;
    case SCOPE_IN: return (y->kind == SCOPE_EQ || y->kind == SCOPE_IN || y->kind == SCOPE_IS_IN) && one;
    case SCOPE_IS: return ((y->kind == SCOPE_IS || y->kind == SCOPE_IS_IN) && phi_view_eq(x->type, y->type)) ||
                          (y->kind == SCOPE_EQ && phi_view_eq(x->type, y->uids[0].type));
    case SCOPE_IS_IN: return y->kind == SCOPE_IS_IN && one && phi_view_eq(x->type, y->type);
    }
    return false;
}

/* One action that both reach; NULL: none. `*all`: x reaches all of y's. */
static const struct cedar_action *actions_shared(const struct phi_bundle *b, const struct cedar_policy *x,
                                                 const struct cedar_policy *y, bool *all)
{
    const struct cedar_action *one = NULL;
    *all = true;
    for (size_t i = 0; i < b->schema.n_actions; i++) {
        const struct cedar_action *act = b->schema.actions[i];
        if (!act->applies || !cedar_policy_reaches(y, act))
            continue;
        if (!cedar_policy_reaches(x, act))
            *all = false;
        else if (!one)
            one = act;
    }
    return one;
}

/* Each condition of x stands in y too. */
static bool conditions_cover(const struct cedar_policy *x, const struct cedar_policy *y)
{
    for (size_t i = 0; i < x->n_conds; i++) {
        bool there = false;
        for (size_t k = 0; k < y->n_conds && !there; k++)
            there = x->conds[i].unless == y->conds[k].unless && cedar_expr_same(x->conds[i].e, y->conds[k].e);
        if (!there)
            return false;
    }
    return true;
}

static void look_for_shadow(struct advising *r, const struct cedar_policy *p)
{
    for (size_t i = 0; i < r->b->policies.n; i++) {
        const struct cedar_policy *x = r->b->policies.p[i];
        bool all = false;
        if (x->forbid || asks(x) || !scope_covers(&x->principal, &p->principal) || !scope_covers(&x->resource, &p->resource) ||
            !conditions_cover(x, p))
            continue;
        const struct cedar_action *act = actions_shared(r->b, x, p, &all);
        if (!act)
            continue;
        PHI_BUF(which, 100);
        if (!all)
            phi_buf_printf(&which, " for " PHI_FMT, PHI_ARG(phi_view_upto(act->uid.id, 80)));
        struct cedar_alt asked = asked_by(p);
        bool people = cedar_alt_below(&asked, r->b->n_requirements);
        advise(r, p, p->at, "%s%s: policy \"" PHI_FMT "\" permits the same without %s",
               people ? "nobody is ever asked" : "no allow ever carries this obligation", phi_buf_str(&which),
               PHI_ARG(phi_view_upto(x->id, 80)), people ? "a requirement" : "it");
        return;
    }
}

/* ---- forbids that can err -------------------------------------------------------------------------------- */

/* An attribute that every entity of the type must have: entities are held against the schema. */
static bool is_sure(const struct cedar_expr *e)
{
    return e->op == OP_GET && e->a->type == 1 + TYPE_ENTITY;
}

static void look_for_errors(struct advising *r, const struct cedar_policy *p)
{
    struct cedar_action **reached = phi_arena_array(r->arena, r->b->schema.n_actions + 1, sizeof *reached);
    struct cedar_check c = { .arena = r->arena, .schema = &r->b->schema, .actions = reached };
    for (size_t i = 0; reached && i < r->b->schema.n_actions; i++)
        if (r->b->schema.actions[i]->applies && cedar_policy_reaches(p, r->b->schema.actions[i]))
            reached[c.n_actions++] = r->b->schema.actions[i];
    for (size_t i = 0; reached && i < p->n_conds; i++) {
        const struct cedar_expr *at = p->conds[i].e;
        const char *why = "";
        if (p->conds[i].e->has_met || cedar_safe(&c, p->conds[i].e, NULL, &at, &why) || is_sure(at))
            continue;
        advise(r, p, at->at, "this forbid can err, and then it forbids: %s", why);
    }
}

/* ---- obligations ----------------------------------------------------------------------------------------- */

/* phi's own gateways say that they can do nothing. */
static void look_for_gateways(struct advising *r, const struct cedar_policy *p)
{
    struct cedar_alt asked = asked_by(p), people = asked;
    cedar_alt_cut(&people, r->b->n_requirements);
    if (cedar_alt_count(&asked) == cedar_alt_count(&people))
        return;
    for (size_t i = 0; i < r->b->schema.n_actions; i++) {
        const struct cedar_action *act = r->b->schema.actions[i];
        if (!act->applies || !phi_view_is(act->uid.type, "Action") || !phi_view_starts(act->uid.id, PHI_LIT("pg:")) ||
            !cedar_policy_reaches(p, act))
            continue;
        advise(r, p, p->at, "phi's PostgreSQL gateway meets no obligations, so there (" PHI_FMT ") `context.can` holds nothing%s",
               PHI_ARG(phi_view_upto(act->uid.id, 40)), p->forbid ? ", and this forbids" : "");
        return;
    }
}

static void look_for_use(struct advising *r)
{
    const struct phi_bundle *b = r->b;
    struct cedar_alt all = { 0 };
    for (size_t i = 0; i < b->policies.n; i++) {
        struct cedar_alt one = asked_by(b->policies.p[i]);
        cedar_alt_join(&all, &one);
    }
    for (size_t i = 0; i < b->n_obligations; i++)
        if (!cedar_alt_has(&all, b->n_requirements + i))
            advise(r, NULL, (struct cedar_place){ 0 }, "obligation \"" PHI_FMT "\" is defined, and no policy asks for it",
                   PHI_ARG(phi_view_upto(b->obligations[i].name, 60)));
}

/* ---- requirements ------------------------------------------------------------------------------------------ */

enum { MAX_SETS = 10 }; /* of one requirement that are held against the people there; with more only each alone */

/* How many people there are for just these of a requirement's sets, by the bits of the sets. */
struct crowd {
    size_t in[1 << MAX_SETS];
};

static bool is_of(const struct advising *r, struct phi_uid person, const struct phi_requirement_set *set)
{
    bool in = cedar_entity_in(r->es, person, set->from) == CEDAR_IN_YES;
    for (size_t i = 0; i < set->n_also && !in; i++)
        in = cedar_entity_in(r->es, person, set->also[i]) == CEDAR_IN_YES;
    return in;
}

static void count_people(const struct advising *r, const struct phi_requirement_set *sets, size_t n, struct crowd *ret)
{
    for (const struct phi_entities *es = r->es; es; es = cedar_entities_base(es)) {
        struct cedar_entities_walk at = { 0 };
        for (const struct cedar_entity *e; (e = cedar_entities_next(es, &at));) {
            size_t bits = 0;
            for (size_t i = 0; i < n && phi_view_is(e->uid.type, "Person"); i++)
                bits |= is_of(r, e->uid, &sets[i]) ? (size_t)1 << i : 0;
            ret->in[bits]++;
        }
    }
}

/* Hall's theorem: everybody finds a place of their own if no choice of sets has fewer people than places. */
static void look_at_choice(struct advising *r, const struct phi_requirement *q, const struct phi_requirement_set *sets, size_t choice,
                           const struct crowd *c, bool *told)
{
    size_t wanted = 0, there = 0;
    const struct phi_requirement_set *one = NULL;
    for (size_t i = 0; i < MAX_SETS; i++)
        if (choice >> i & 1) {
            one = wanted == 0 ? &sets[i] : NULL;
            wanted += sets[i].count;
        }
    for (size_t bits = 1; bits < 1 << MAX_SETS; bits++)
        there += bits & choice ? c->in[bits] : 0;
    if (there >= wanted || *told)
        return;
    *told = true;
    if (one)
        advise(r, NULL, (struct cedar_place){ 0 },
               "requirement \"" PHI_FMT "\" cannot be met: it needs %u of " PHI_FMT "::\"" PHI_FMT "\", and %zu %s there",
               PHI_ARG(phi_view_upto(q->name, 60)), one->count, PHI_ARG(phi_view_upto(one->from.type, 60)),
               PHI_ARG(phi_view_upto(one->from.id, 60)), there, there == 1 ? "is" : "are");
    else
        advise(r, NULL, (struct cedar_place){ 0 }, "requirement \"" PHI_FMT "\" cannot be met: it needs %zu different people, and %zu are there",
               PHI_ARG(phi_view_upto(q->name, 60)), wanted, there);
}

/* Each set alone comes first: that is the plainer word. */
static void look_for_people(struct advising *r, const struct phi_requirement *q)
{
    struct crowd *c = phi_arena_new(r->arena, struct crowd);
    bool told = false;
    if (!c)
        return;
    if (q->n_sets > MAX_SETS) {
        for (size_t i = 0; i < q->n_sets && !told; i++) {
            *c = (struct crowd){ 0 };
            count_people(r, &q->sets[i], 1, c);
            look_at_choice(r, q, &q->sets[i], 1, c, &told);
        }
        return;
    }
    count_people(r, q->sets, q->n_sets, c);
    for (size_t i = 0; i < q->n_sets; i++)
        look_at_choice(r, q, q->sets, (size_t)1 << i, c, &told);
    for (size_t choice = 1; choice < (size_t)1 << q->n_sets; choice++)
        look_at_choice(r, q, q->sets, choice, c, &told);
}

enum phi_rc cedar_advise(const struct phi_bundle *b, const struct phi_entities *es, struct phi_arena *a,
                         struct cedar_findings *ret, struct phi_err *err)
{
    struct advising r = { .b = b, .es = es, .arena = a };
    struct cedar_findings types;
    PHI_TRY(cedar_validate(a, &b->schema, &b->policies, CEDAR_NO_LEVEL, &types, err));
    for (size_t i = 0; i < types.n; i++)
        if (!cedar_list_add(a, &r.found, &types.p[i]))
            break;
    for (size_t i = 0; i < b->policies.n && b->policies.n <= MAX_PAIRS; i++)
        if (!b->policies.p[i]->forbid && asks(b->policies.p[i]))
            look_for_shadow(&r, b->policies.p[i]);
    for (size_t i = 0; i < b->policies.n; i++)
        if (b->policies.p[i]->forbid)
            look_for_errors(&r, b->policies.p[i]);
    for (size_t i = 0; i < b->policies.n; i++)
        look_for_gateways(&r, b->policies.p[i]);
    look_for_use(&r);
    for (size_t i = 0; es && i < b->n_requirements; i++)
        look_for_people(&r, &b->requirements[i]);
    struct cedar_finding *list = phi_arena_array(a, r.found.n + 1, sizeof *list);
    for (size_t i = 0; list && i < r.found.n; i++)
        list[i] = *(struct cedar_finding *)r.found.p[i];
    *ret = (struct cedar_findings){ list, r.found.n, types.errors };
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the bundle is too large to be looked at");
}
