/* The three-way answer in one pass: each policy gives, instead of true or false, the alternatives of
 * requirements under which it would be true, and of obligations
 * that it would rest on. `lo` is surely so, `hi` possibly so: they differ only
 * where a part of the context is unknown. */
#include "policy/comp.h"
#include "policy/comp_twice.h"
#include "policy/decide.h"
#include "policy/request.h"

#include "base/limits.h"

enum err { ERR_NO, ERR_MAY, ERR_MUST };

struct cond { /* under which it is true */
    struct cedar_alts lo, hi;
    enum err err;
};

static struct cond from_bits(unsigned bits, unsigned wanted)
{
    return (struct cond){ .lo = cedar_alts_bool(bits == wanted),
                          .hi = cedar_alts_bool((bits & wanted) != 0),
                          .err = bits == MAY_ERROR  ? ERR_MUST :
                                 bits & MAY_ERROR ? ERR_MAY :
                                                    ERR_NO };
}

static struct cond eval_m(const struct cedar_deciding *d, const struct cedar_expr *e);

static enum err either_err(enum err a, enum err b)
{
    return a == ERR_NO && b == ERR_NO ? ERR_NO : ERR_MAY;
}

static struct cond eval_and(const struct cedar_deciding *d, const struct cedar_expr *e)
{
    struct cond a = eval_m(d, e->a);
    if (a.err == ERR_MUST || (cedar_alts_false(a.hi) && a.err == ERR_NO))
        return a;
    struct cond b = eval_m(d, e->b);
    return (struct cond){ .lo = cedar_alts_and(d->arena, a.lo, b.lo),
                          .hi = cedar_alts_and(d->arena, a.hi, b.hi),
                          .err = either_err(a.err, b.err) };
}

static struct cond eval_or(const struct cedar_deciding *d, const struct cedar_expr *e)
{
    struct cond a = eval_m(d, e->a);
    if (a.err == ERR_MUST || cedar_alts_true(a.lo))
        return a;
    struct cond b = eval_m(d, e->b);
    return (struct cond){
        .lo = a.err == ERR_NO ? cedar_alts_or(d->arena, a.lo, b.lo) : a.lo,
        .hi = cedar_alts_or(d->arena, a.hi, b.hi),
        .err = either_err(a.err, b.err),
    };
}

static struct cond eval_if(const struct cedar_deciding *d, const struct cedar_expr *e)
{
    unsigned test = d->bits(d->leaf, e->a);
    if (test == MAY_ERROR)
        return from_bits(test, MAY_TRUE);
    if (!(test & MAY_FALSE) || !(test & MAY_TRUE)) {
        struct cond one = eval_m(d, test & MAY_TRUE ? e->b : e->c);
        if (test & MAY_ERROR) {
            one.lo = cedar_alts_bool(false);
            one.err = ERR_MAY;
        }
        return one;
    }
    struct cond yes = eval_m(d, e->b), no = eval_m(d, e->c);
    return (struct cond){
        .lo = test & MAY_ERROR ? cedar_alts_bool(false) : cedar_alts_and(d->arena, yes.lo, no.lo),
        .hi = cedar_alts_or(d->arena, yes.hi, no.hi),
        .err = test & MAY_ERROR ? ERR_MAY : either_err(yes.err, no.err),
    };
}

static struct cond eval_m(const struct cedar_deciding *d, const struct cedar_expr *e)
{
    if (!e->has_met)
        return from_bits(d->bits(d->leaf, e), MAY_TRUE);
    if (e->met && cedar_alt_meets(e->met, &d->lacks))
        return from_bits(MAY_FALSE, MAY_TRUE);
    if (e->met) {
        struct cedar_alts alts = cedar_alts_one(d->arena, e->met, &d->met);
        return (struct cond){ .lo = alts, .hi = alts };
    }
    if (e->op == OP_AND)
        return eval_and(d, e);
    if (e->op == OP_OR)
        return eval_or(d, e);
    return eval_if(d, e); /* check.c lets nothing else hold `met` */
}

/* When a permit is satisfied. */
static struct cond eval_permit(const struct cedar_deciding *d, const struct cedar_policy *p)
{
    struct cond all = from_bits(d->scope(d->leaf, p), MAY_TRUE);
    for (size_t i = 0; i < p->n_conds && !cedar_alts_false(all.hi); i++) {
        const struct cedar_cond *c = &p->conds[i];
        struct cond one = c->unless ? from_bits(d->bits(d->leaf, c->e), MAY_FALSE) :
                                      eval_m(d, c->e);
        all.lo = cedar_alts_and(d->arena, all.lo, one.lo);
        all.hi = cedar_alts_and(d->arena, all.hi, one.hi);
        all.err = either_err(all.err, one.err);
    }
    return all;
}

/* When a forbid does not apply: one condition is false and none before it errs. An error denies. */
static struct cond eval_forbid(const struct cedar_deciding *d, const struct cedar_policy *p)
{
    struct cond clear = from_bits(d->scope(d->leaf, p), MAY_FALSE);
    if (cedar_alts_true(clear.lo))
        return clear;
    for (size_t i = 0; i < p->n_conds && clear.err != ERR_MUST; i++) {
        const struct cedar_cond *c = &p->conds[i];
        struct cond one = c->unless ? eval_m(d, c->e) :
                                      from_bits(d->bits(d->leaf, c->e), MAY_FALSE);
        if (clear.err == ERR_NO)
            clear.lo = cedar_alts_or(d->arena, clear.lo, one.lo);
        clear.hi = cedar_alts_or(d->arena, clear.hi, one.hi);
        if (one.err == ERR_MUST && cedar_alts_false(clear.hi))
            clear.err = ERR_MUST;
        else
            clear.err = either_err(clear.err, one.err);
        if (one.err == ERR_MUST)
            break;
    }
    return clear;
}

/* ---- the answer -------------------------------------------------------------------------------- */

struct verdict {
    struct cedar_alts permit_lo, permit_hi, clear_lo, clear_hi;
    struct cond *each;
    const struct cedar_index *index;
    const struct cedar_alt *owed; /* obligations of an allow */
};

static bool evaluate(const struct cedar_deciding *d, struct verdict *v)
{
    struct phi_arena *a = d->arena;
    v->each = phi_arena_array(a, v->index->n + 1, sizeof *v->each);
    v->permit_lo = v->permit_hi = cedar_alts_bool(false);
    v->clear_lo = v->clear_hi = cedar_alts_bool(true);
    for (size_t i = 0; v->each && i < v->index->n; i++) {
        const struct cedar_policy *p = v->index->p[i];
        if (p->forbid) {
            v->each[i] = eval_forbid(d, p);
            v->clear_lo = cedar_alts_and(a, v->clear_lo, v->each[i].lo);
            v->clear_hi = cedar_alts_and(a, v->clear_hi, v->each[i].hi);
        } else {
            v->each[i] = eval_permit(d, p);
            v->permit_lo = cedar_alts_or(a, v->permit_lo, v->each[i].lo);
            v->permit_hi = cedar_alts_or(a, v->permit_hi, v->each[i].hi);
        }
    }
    return phi_arena_ok(a);
}

/* Whether this policy belongs to the explanation of the verdict. */
static bool decided(const struct verdict *v, const struct phi_answer *ans, const struct cedar_policy *p, const struct cond *c)
{
    bool never = cedar_alts_false(c->hi), already = cedar_alts_true(c->lo);
    if (ans->verdict == PHI_ALLOW)
        return !p->forbid && cedar_alts_hold(c->lo, v->owed);
    if (ans->verdict == PHI_DENY && !ans->partial)
        return p->forbid && never;
    return p->forbid ? !already : !never;
}

static void list_policies(const struct cedar_deciding *d, const struct verdict *v, struct phi_answer *ret)
{
    struct phi_decider *list = phi_arena_array(d->arena, v->index->n + 1, sizeof *list);
    for (size_t i = 0; list && i < v->index->n; i++)
        if (decided(v, ret, v->index->p[i], &v->each[i]))
            list[ret->n_policies++] = (struct phi_decider){ v->index->p[i]->id, v->index->p[i]->why };
    ret->policies = list;
}

static bool list_alternatives(const struct cedar_deciding *d, struct cedar_alts alts, struct phi_answer *ret)
{
    struct phi_arena *a = d->arena;
    struct phi_alternative *list = phi_arena_array(a, alts.n + 1, sizeof *list);
    if (alts.over || alts.n > PHI_MAX_ALTERNATIVES || !list)
        return false;
    for (size_t i = 0; i < alts.n; i++) {
        size_t n = cedar_alt_count(&alts.p[i]), k = 0;
        const struct phi_requirement **names =
            n > PHI_MAX_REQUIREMENTS ? NULL : phi_arena_array(a, n + 1, sizeof(const struct phi_requirement *));
        if (!names)
            return false;
        for (size_t r = 0; r < d->b->n_requirements; r++)
            if (cedar_alt_has(&alts.p[i], r))
                names[k++] = &d->b->requirements[r];
        list[i] = (struct phi_alternative){ names, n };
    }
    ret->alternatives = list;
    ret->n_alternatives = alts.n;
    return true;
}

static void list_obligations(const struct cedar_deciding *d, const struct cedar_alt *owed, struct phi_answer *ret)
{
    const struct phi_bundle *b = d->b;
    const struct phi_obligation **list = phi_arena_array(d->arena, b->n_obligations + 1, sizeof(const struct phi_obligation *));
    for (size_t i = 0; list && i < b->n_obligations; i++)
        if (cedar_alt_has(owed, b->n_requirements + i))
            list[ret->n_obligations++] = &b->obligations[i];
    ret->obligations = list;
}

static struct phi_view name_policy(struct phi_arena *a, const struct phi_decider *p)
{
    if (p->why.n == 0)
        return phi_arena_printf(a, "policy \"" PHI_FMT "\"", PHI_ARG(p->id));
    return phi_arena_printf(a, "policy \"" PHI_FMT "\": " PHI_FMT, PHI_ARG(p->id), PHI_ARG(p->why));
}

static struct phi_view deny_reason(const struct cedar_deciding *d, const struct verdict *v,
                                   const struct phi_answer *ret)
{
    struct phi_arena *a = d->arena;
    if (cedar_alts_false(v->clear_hi) && ret->n_policies > 0) {
        for (size_t i = 0; i < v->index->n; i++)
            if (v->index->p[i]->forbid && v->each[i].err == ERR_MUST)
                return phi_arena_printf(a, "policy \"" PHI_FMT "\" could not be evaluated, so it forbids",
                                        PHI_ARG(v->index->p[i]->id));
        return phi_arena_printf(a, "forbidden by " PHI_FMT, PHI_ARG(name_policy(a, &ret->policies[0])));
    }
    return phi_arena_printf(a, "no policy permits " PHI_FMT " here", PHI_ARG(d->action));
}

static struct phi_view needs_reason(const struct cedar_deciding *d, const struct phi_answer *ret)
{
    PHI_BUF(text, 4096);
    phi_buf_adds(&text, "needs ");
    for (size_t i = 0; i < ret->n_alternatives; i++) {
        phi_buf_adds(&text, i ? ", or " : "");
        for (size_t k = 0; k < ret->alternatives[i].n; k++)
            phi_buf_printf(&text, "%s" PHI_FMT, k ? " and " : "",
                           PHI_ARG(ret->alternatives[i].requirements[k]->name));
    }
    return phi_arena_copy(d->arena, phi_buf_view(&text));
}

static struct phi_view allow_reason(const struct cedar_deciding *d, const struct phi_answer *ret)
{
    PHI_BUF(text, 4096);
    phi_buf_adds(&text, "permitted by ");
    phi_buf_add(&text, name_policy(d->arena, &ret->policies[0]));
    for (size_t i = 0; i < ret->n_obligations; i++)
        phi_buf_printf(&text, "%s" PHI_FMT, i ? " and " : "; it rests on ", PHI_ARG(ret->obligations[i]->name));
    return phi_arena_copy(d->arena, phi_buf_view(&text));
}

static void write_reason(const struct cedar_deciding *d, const struct verdict *v, bool many, struct phi_answer *ret)
{
    struct phi_arena *a = d->arena;
    if (many)
        ret->reason = phi_arena_printf(a, "more than %d alternatives, or one of more than %d requirements; "
                                          "ask a policy author", PHI_MAX_ALTERNATIVES, PHI_MAX_REQUIREMENTS);
    else if (ret->partial)
        ret->reason = phi_arena_copy(a, PHI_LIT("rests on a part of the context that is not known here"));
    else if (ret->verdict == PHI_DENY)
        ret->reason = deny_reason(d, v, ret);
    else if (ret->verdict == PHI_NEEDS)
        ret->reason = needs_reason(d, ret);
    else
        ret->reason = allow_reason(d, ret);
}

/* The obligations with which it is so already: the fewest. NULL: it is not. */
static const struct cedar_alt *owed_for(const struct cedar_deciding *d, struct cedar_alts lo)
{
    for (size_t i = 0; i < lo.n; i++)
        if (!cedar_alt_below(&lo.p[i], d->b->n_requirements))
            return &lo.p[i];
    return NULL;
}

static void answer(const struct cedar_deciding *d, struct verdict *v, struct phi_answer *ret)
{
    struct phi_arena *a = d->arena;
    struct cedar_alts lo = cedar_alts_and(a, v->permit_lo, v->clear_lo);
    struct cedar_alts hi = cedar_alts_and(a, v->permit_hi, v->clear_hi);
    bool many = false;
    if (!v->owed)
        v->owed = owed_for(d, lo);
    if (v->owed) {
        ret->verdict = PHI_ALLOW;
        list_obligations(d, v->owed, ret);
    } else if (cedar_alts_false(hi))
        ret->verdict = PHI_DENY;
    else if (!lo.over && !hi.over && !cedar_alts_eq(lo, hi))
        ret->partial = true;
    else if (list_alternatives(d, cedar_alts_cut(a, hi, d->b->n_requirements), ret))
        ret->verdict = PHI_NEEDS;
    else
        many = true;
    list_policies(d, v, ret);
    if (!d->wordless)
        write_reason(d, v, many, ret);
}

void cedar_met_of(const struct phi_bundle *b, const struct phi_ask *ask, struct cedar_alt *ret)
{
    for (size_t i = 0; i < ask->n_met; i++)
        for (size_t r = 0; r < b->n_requirements; r++)
            if (phi_view_eq(b->names[r], ask->met[i]))
                cedar_alt_add(ret, r);
}

bool cedar_can(const struct phi_ask *ask, const struct phi_obligation *o)
{
    for (size_t i = 0; i < ask->n_can; i++)
        if (phi_view_eq(ask->can[i], o->kind))
            return true;
    return false;
}

void cedar_lacks_of(const struct phi_bundle *b, const struct phi_ask *ask, struct cedar_alt *ret)
{
    for (size_t i = 0; i < b->n_obligations; i++)
        if (!cedar_can(ask, &b->obligations[i]))
            cedar_alt_add(ret, b->n_requirements + i);
}

static bool is_over(const struct cedar_deciding *d, const struct verdict *v)
{
    return d->b->n_obligations > 0 && cedar_alts_and(d->arena, v->permit_lo, v->clear_lo).over;
}

/* Too many alternatives to tell the obligations of an allow apart: whether it is one with all that can be met, and then it
 * rests on all of those. */
static bool evaluate_with_all(const struct cedar_deciding *d, struct verdict *v, struct cedar_alt *owed)
{
    struct cedar_deciding all = *d;
    struct verdict with = { .index = v->index };
    for (size_t i = 0; i < d->b->n_obligations; i++)
        if (!cedar_alt_has(&d->lacks, d->b->n_requirements + i)) {
            cedar_alt_add(owed, d->b->n_requirements + i);
            cedar_alt_add(&all.met, d->b->n_requirements + i);
        }
    if (!evaluate(&all, &with))
        return false;
    if (!cedar_alts_true(cedar_alts_and(d->arena, with.permit_lo, with.clear_lo)))
        return true;
    *v = with;
    v->owed = owed;
    return true;
}

bool cedar_decide(const struct cedar_deciding *d, const struct cedar_index *index, struct phi_answer *ret)
{
    struct verdict v = { .index = index };
    struct cedar_alt owed = { 0 };
    if (!evaluate(d, &v) || (is_over(d, &v) && !evaluate_with_all(d, &v, &owed)))
        return false;
    answer(d, &v, ret);
    return phi_arena_ok(d->arena);
}

/* The policies to ask: all that the action scope lets in. */
static bool index_of(const struct phi_bundle *b, const struct cedar_action *act, size_t *at, struct cedar_index *ret)
{
    for (size_t i = 0; i < b->schema.n_actions; i++) {
        if (b->schema.actions[i] != act)
            continue;
        *at = i;
        *ret = b->by_action[i];
        return true;
    }
    return false;
}

static unsigned walk_bits(const void *env, const struct cedar_expr *e)
{
    return cedar_bits(cedar_eval(env, e));
}

static unsigned walk_scope(const void *env, const struct cedar_policy *p)
{
    return cedar_policy_scope(env, p);
}

static enum phi_rc walk(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask, bool narrow,
                        struct phi_arena *a, struct phi_answer *ret, struct phi_err *err)
{
    struct cedar_request request;
    struct cedar_deciding d = { .b = b, .arena = a, .action = ask->action.id, .leaf = &request.env,
                                .bits = walk_bits, .scope = walk_scope };
    struct cedar_index index = { 0 };
    size_t at = 0;
    *ret = (struct phi_answer){ .verdict = PHI_DENY };
    PHI_TRY(cedar_request_make(b, es, ask, a, &request, err));
    if (request.reason.n > 0 || !index_of(b, request.action, &at, &index)) {
        ret->reason = request.reason;
        return PHI_OK;
    }
    if (narrow)
        comp_narrow(b, es, ask, at, a, &index);
    cedar_met_of(b, ask, &d.met);
    cedar_lacks_of(b, ask, &d.lacks);
    if (cedar_decide(&d, &index, ret))
        return PHI_OK;
    *ret = (struct phi_answer){ .verdict = PHI_DENY };
    return phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
}

enum phi_rc phi_decide(const struct phi_bundle *b, const struct phi_entities *es,
                       const struct phi_ask *ask, struct phi_arena *a, struct phi_answer *ret,
                       struct phi_err *err)
{
#ifdef PHI_DECIDE_TWICE
    struct phi_answer all;
    *ret = (struct phi_answer){ .verdict = PHI_DENY };
    PHI_TRY(walk(b, es, ask, false, a, &all, err));
    comp_twice(b, es, ask, &all);
    PHI_TRY(walk(b, es, ask, true, a, ret, err));
    comp_twice(b, es, ask, ret);
#else
    PHI_TRY(walk(b, es, ask, true, a, ret, err));
#endif
    return PHI_OK;
}
