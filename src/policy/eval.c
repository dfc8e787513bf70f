#include "policy/eval.h"

#include <string.h>

static struct cedar_res known(const struct phi_value *v)
{
    return v ? (struct cedar_res){ .may = MAY_VALUE, .v = v } : (struct cedar_res){ .may = MAY_ERROR };
}

static struct cedar_res failed(void)
{
    return (struct cedar_res){ .may = MAY_ERROR };
}

static struct cedar_res from_bits(unsigned bits)
{
    if (bits == MAY_TRUE || bits == MAY_FALSE)
        return known(cedar_bool(bits == MAY_TRUE));
    return (struct cedar_res){ .may = bits };
}

static bool is_known(struct cedar_res r)
{
    return r.may == MAY_VALUE && !r.v->has_unknown;
}

unsigned cedar_bits(struct cedar_res r)
{
    unsigned bits = r.may & (MAY_ERROR | MAY_TRUE | MAY_FALSE);
    if (r.may & MAY_OTHER)
        bits |= MAY_ERROR;
    if (r.may & MAY_VALUE)
        bits |= r.v->kind != PHI_VALUE_BOOL ? MAY_ERROR : r.v->u.b ? MAY_TRUE : MAY_FALSE;
    return bits;
}

/* A boolean that cannot be told, of operands that may err or not. */
static struct cedar_res unclear(bool may_err)
{
    return (struct cedar_res){ .may = MAY_TRUE | MAY_FALSE | (may_err ? MAY_ERROR : 0U) };
}

static struct cedar_res anything(void)
{
    return (struct cedar_res){ .may = MAY_TRUE | MAY_FALSE | MAY_OTHER | MAY_ERROR };
}

static struct cedar_res unknown_of(const struct cedar_type *t, bool may_err)
{
    struct cedar_res r = anything();
    if (t)
        r.may = t->kind == TYPE_BOOL ? MAY_TRUE | MAY_FALSE : MAY_OTHER;
    r.type = t;
    if (may_err)
        r.may |= MAY_ERROR;
    return r;
}

/* Sure not to be an error, and of this kind. */
static bool surely(struct cedar_res r, enum phi_value_kind kind, enum cedar_type_kind type)
{
    if (r.may & MAY_ERROR)
        return false;
    if (r.may == MAY_VALUE)
        return r.v->kind == kind;
    return r.type && r.type->kind == type;
}

static enum cedar_in in_scope(bool yes)
{
    return yes ? CEDAR_IN_YES : CEDAR_IN_NO;
}

enum cedar_in cedar_env_in(const struct cedar_env *env, struct phi_uid uid, struct phi_uid ancestor)
{
    /* The schema alone says which groups an action is in: nobody can add an action as an entity. */
    const struct cedar_action *action = env->schema ? cedar_schema_action(env->schema, uid) : NULL;
    if (action)
        return in_scope(cedar_action_in(action, ancestor));
    return cedar_entity_in(env->entities, uid, ancestor);
}

static struct cedar_res eval_in_set(const struct cedar_env *env, struct phi_uid uid,
                                    const struct phi_value *set)
{
    bool found = false, unsure = false;
    for (size_t i = 0; i < set->u.set.n; i++)
        if (set->u.set.items[i]->kind != PHI_VALUE_ENTITY)
            return failed();
    for (size_t i = 0; i < set->u.set.n && !found; i++) {
        enum cedar_in in = cedar_env_in(env, uid, set->u.set.items[i]->u.uid);
        found = in == CEDAR_IN_YES;
        unsure |= in == CEDAR_IN_UNCLEAR;
    }
    return !found && unsure ? failed() : known(cedar_bool(found));
}

static struct cedar_res eval_in(const struct cedar_env *env, const struct phi_value *a,
                                const struct phi_value *b)
{
    if (a->kind != PHI_VALUE_ENTITY)
        return failed();
    if (b->kind == PHI_VALUE_SET)
        return eval_in_set(env, a->u.uid, b);
    if (b->kind != PHI_VALUE_ENTITY)
        return failed();
    switch (cedar_env_in(env, a->u.uid, b->u.uid)) {
    case CEDAR_IN_YES: return known(&cedar_true);
    case CEDAR_IN_NO: return known(&cedar_false);
    case CEDAR_IN_UNCLEAR: break;
    }
    return failed();
}

static struct cedar_res eval_arith(const struct cedar_env *env, enum cedar_op op,
                                   const struct phi_value *a, const struct phi_value *b)
{
    int64_t n = 0;
    bool over = true;
    if (a->kind != PHI_VALUE_LONG || b->kind != PHI_VALUE_LONG)
        return failed();
    if (op == OP_ADD)
        over = __builtin_add_overflow(a->u.i, b->u.i, &n);
    else if (op == OP_SUB)
        over = __builtin_sub_overflow(a->u.i, b->u.i, &n);
    else if (op == OP_MUL)
        over = __builtin_mul_overflow(a->u.i, b->u.i, &n);
    return over ? failed() : known(phi_value_long(env->arena, n));
}

static struct cedar_res eval_less(bool or_equal, const struct phi_value *a,
                                  const struct phi_value *b)
{
    bool ordered = a->kind == b->kind &&
                   (a->kind == PHI_VALUE_LONG ||
                    (a->kind == PHI_VALUE_EXT && a->u.ext.kind == b->u.ext.kind &&
                     (a->u.ext.kind == CEDAR_DATETIME || a->u.ext.kind == CEDAR_DURATION)));
    if (!ordered)
        return failed();
    int c = cedar_value_cmp(a, b);
    return known(cedar_bool(or_equal ? c <= 0 : c < 0));
}

static struct cedar_res eval_sets(enum cedar_op op, const struct phi_value *a,
                                  const struct phi_value *b)
{
    size_t hits = 0;
    if (a->kind != PHI_VALUE_SET || b->kind != PHI_VALUE_SET)
        return failed();
    for (size_t i = 0; i < b->u.set.n; i++)
        hits += cedar_set_has(a, b->u.set.items[i]);
    return known(cedar_bool(op == OP_CONTAINS_ALL ? hits == b->u.set.n : hits > 0));
}

static struct cedar_res eval_tag(const struct cedar_env *env, enum cedar_op op,
                                 const struct phi_value *a, const struct phi_value *b)
{
    if (a->kind != PHI_VALUE_ENTITY || b->kind != PHI_VALUE_STRING)
        return failed();
    const struct cedar_entity *e = cedar_entity_find(env->entities, a->u.uid);
    const struct phi_value *tag = e ? cedar_record_get(e->tags, b->u.s) : NULL;
    return op == OP_HAS_TAG ? known(cedar_bool(tag != NULL)) : known(tag);
}

/* What a binary operator gives when an operand is unknown. */
static struct cedar_res unknown_binary(enum cedar_op op, struct cedar_res a, struct cedar_res b)
{
    if (a.may == MAY_ERROR || b.may == MAY_ERROR)
        return failed();
    bool err = ((a.may | b.may) & MAY_ERROR) != 0;
    if (op == OP_EQ)
        return unclear(err);
    if (op == OP_LESS || op == OP_LESSEQ)
        return unclear(!surely(a, PHI_VALUE_LONG, TYPE_LONG) || !surely(b, PHI_VALUE_LONG, TYPE_LONG));
    if (op == OP_CONTAINS)
        return unclear(err || !surely(a, PHI_VALUE_SET, TYPE_SET));
    if (op == OP_CONTAINS_ALL || op == OP_CONTAINS_ANY)
        return unclear(!surely(a, PHI_VALUE_SET, TYPE_SET) || !surely(b, PHI_VALUE_SET, TYPE_SET));
    if (op == OP_HAS_TAG)
        return unclear(!surely(a, PHI_VALUE_ENTITY, TYPE_ENTITY) ||
                       !surely(b, PHI_VALUE_STRING, TYPE_STRING));
    if (op == OP_IN)
        return unclear(!surely(a, PHI_VALUE_ENTITY, TYPE_ENTITY) ||
                       !surely(b, PHI_VALUE_ENTITY, TYPE_ENTITY));
    return anything();
}

static struct cedar_res eval_binary(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    if (a.may == MAY_ERROR)
        return a;
    struct cedar_res b = cedar_eval(env, e->b);
    if (!is_known(a) || !is_known(b))
        return unknown_binary(e->op, a, b);
    if (e->op == OP_EQ)
        return known(cedar_bool(phi_value_eq(a.v, b.v)));
    if (e->op == OP_LESS || e->op == OP_LESSEQ)
        return eval_less(e->op == OP_LESSEQ, a.v, b.v);
    if (e->op == OP_IN)
        return eval_in(env, a.v, b.v);
    if (e->op == OP_CONTAINS)
        return a.v->kind == PHI_VALUE_SET ? known(cedar_bool(cedar_set_has(a.v, b.v))) : failed();
    if (e->op == OP_CONTAINS_ALL || e->op == OP_CONTAINS_ANY)
        return eval_sets(e->op, a.v, b.v);
    if (e->op == OP_HAS_TAG || e->op == OP_GET_TAG)
        return eval_tag(env, e->op, a.v, b.v);
    return eval_arith(env, e->op, a.v, b.v);
}

static struct cedar_res eval_not(const struct cedar_env *env, const struct cedar_expr *e)
{
    unsigned bits = cedar_bits(cedar_eval(env, e->a)), out = bits & MAY_ERROR;
    if (bits & MAY_TRUE)
        out |= MAY_FALSE;
    if (bits & MAY_FALSE)
        out |= MAY_TRUE;
    return from_bits(out);
}

/* AND goes on where the left is true, OR where it is false. */
static struct cedar_res eval_logic(const struct cedar_env *env, const struct cedar_expr *e)
{
    unsigned go_on = e->op == OP_AND ? MAY_TRUE : MAY_FALSE;
    unsigned left = cedar_bits(cedar_eval(env, e->a)), out = left & ~go_on;
    if (left & go_on)
        out |= cedar_bits(cedar_eval(env, e->b));
    return from_bits(out);
}

/* One of both, which is not known. */
static struct cedar_res either(struct cedar_res a, struct cedar_res b)
{
    if (a.may == MAY_VALUE && b.may == MAY_VALUE && phi_value_eq(a.v, b.v))
        return a;
    struct cedar_res r = { .may = (a.may | b.may) & ~(unsigned)MAY_VALUE };
    const struct cedar_res both[] = { a, b };
    for (int i = 0; i < 2; i++)
        if (both[i].may & MAY_VALUE)
            r.may |= both[i].v->kind != PHI_VALUE_BOOL ? MAY_OTHER :
                     both[i].v->u.b                    ? MAY_TRUE :
                                                         MAY_FALSE;
    return r;
}

static struct cedar_res eval_if(const struct cedar_env *env, const struct cedar_expr *e)
{
    unsigned test = cedar_bits(cedar_eval(env, e->a));
    if (test == MAY_TRUE)
        return cedar_eval(env, e->b);
    if (test == MAY_FALSE)
        return cedar_eval(env, e->c);
    if (test == MAY_ERROR)
        return failed();
    struct cedar_res r = { .may = MAY_ERROR };
    if ((test & MAY_TRUE) && (test & MAY_FALSE))
        r = either(cedar_eval(env, e->b), cedar_eval(env, e->c));
    else
        r = either(cedar_eval(env, test & MAY_TRUE ? e->b : e->c), failed());
    r.may |= test & MAY_ERROR;
    return r;
}

static struct cedar_res eval_neg(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    int64_t n = 0;
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return anything();
    if (a.v->kind != PHI_VALUE_LONG || __builtin_sub_overflow((int64_t)0, a.v->u.i, &n))
        return failed();
    return known(phi_value_long(env->arena, n));
}

static bool like(struct phi_view s, const struct cedar_pattern *p)
{
    const struct phi_view *first = &p->parts[0], *last = &p->parts[p->n - 1];
    if (p->n == 1)
        return phi_view_eq(s, *first);
    if (s.n < first->n + last->n || !phi_view_starts(s, *first) ||
        !phi_view_eq(phi_view_from(s, s.n - last->n), *last))
        return false;
    s = phi_view_upto(phi_view_from(s, first->n), s.n - first->n - last->n);
    for (size_t i = 1; i + 1 < p->n; i++) { /* the leftmost place is as good as any */
        const struct phi_view *part = &p->parts[i];
        const uint8_t *at = part->n == 0 ? s.p :
                            s.n          ? memmem(s.p, s.n, part->p, part->n) :
                                           NULL;
        if (!at && part->n > 0)
            return false;
        if (part->n > 0)
            s = phi_view_from(s, (size_t)(at - s.p) + part->n);
    }
    return true;
}

static struct cedar_res eval_like(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return unclear(!surely(a, PHI_VALUE_STRING, TYPE_STRING));
    return a.v->kind == PHI_VALUE_STRING ? known(cedar_bool(like(a.v->u.s, e->pattern))) : failed();
}

static struct cedar_res eval_is(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return unclear(!surely(a, PHI_VALUE_ENTITY, TYPE_ENTITY));
    return a.v->kind == PHI_VALUE_ENTITY ? known(cedar_bool(phi_view_eq(a.v->u.uid.type, e->name))) :
                                           failed();
}

static struct cedar_res eval_is_empty(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return unclear(!surely(a, PHI_VALUE_SET, TYPE_SET));
    return a.v->kind == PHI_VALUE_SET ? known(cedar_bool(a.v->u.set.n == 0)) : failed();
}

/* Attributes of a record or an entity; NULL for an entity that is not there. */
static bool attrs_of(const struct cedar_env *env, const struct phi_value *v,
                     const struct phi_value **record)
{
    *record = NULL;
    if (v->kind == PHI_VALUE_RECORD)
        *record = v;
    else if (v->kind != PHI_VALUE_ENTITY)
        return false;
    else {
        const struct cedar_entity *e = cedar_entity_find(env->entities, v->u.uid);
        *record = e ? e->attrs : NULL;
    }
    return true;
}

/* The schema's word on an attribute of what `e` gives; only below the context. */
static const struct cedar_attr_type *declared(const struct cedar_env *env,
                                              const struct cedar_expr *e, struct phi_view name)
{
    if (e->op == OP_VAR && e->var == VAR_CONTEXT)
        return cedar_type_attr(env->context_type, name);
    if (e->op != OP_GET)
        return NULL;
    const struct cedar_attr_type *outer = declared(env, e->a, e->name);
    return outer ? cedar_type_attr(outer->type, name) : NULL;
}

static struct cedar_res eval_has(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    const struct phi_value *record = NULL, *v = NULL;
    const struct cedar_attr_type *t = NULL;
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return unclear(!surely(a, PHI_VALUE_RECORD, TYPE_RECORD) &&
                       !surely(a, PHI_VALUE_ENTITY, TYPE_ENTITY));
    if (!attrs_of(env, a.v, &record))
        return failed();
    v = record ? cedar_record_get(record, e->name) : NULL;
    if (v && v->kind == PHI_VALUE_UNKNOWN && (t = declared(env, e->a, e->name), !t || !t->required))
        return unclear(false);
    return known(cedar_bool(v != NULL));
}

static struct cedar_res eval_get(const struct cedar_env *env, const struct cedar_expr *e)
{
    struct cedar_res a = cedar_eval(env, e->a);
    const struct phi_value *record = NULL, *v = NULL;
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE) {
        const struct cedar_attr_type *t = cedar_type_attr(a.type, e->name);
        return t ? unknown_of(t->type, !t->required || (a.may & MAY_ERROR)) : anything();
    }
    if (!attrs_of(env, a.v, &record) || !record)
        return failed();
    v = cedar_record_get(record, e->name);
    if (!v)
        return failed();
    if (v->kind != PHI_VALUE_UNKNOWN)
        return known(v);
    const struct cedar_attr_type *t = declared(env, e->a, e->name);
    return unknown_of(t ? t->type : NULL, !t || !t->required);
}

/* Evaluates the items into `out`. False with *ret set when one is an error or unknown. */
static bool eval_items(const struct cedar_env *env, const struct cedar_expr *e,
                       const struct phi_value **out, struct cedar_res *ret)
{
    bool all = true, err = false;
    for (size_t i = 0; i < e->n; i++) {
        struct cedar_res r = cedar_eval(env, e->items[i]);
        if (r.may == MAY_ERROR) {
            *ret = r;
            return false;
        }
        all = all && is_known(r);
        err |= (r.may & MAY_ERROR) != 0;
        out[i] = r.v;
    }
    *ret = anything();
    if (!err && e->op != OP_CALL)
        ret->may = MAY_OTHER;
    return all;
}

static struct cedar_res eval_many(const struct cedar_env *env, const struct cedar_expr *e)
{
    const struct phi_value **items =
        phi_arena_array(env->arena, e->n + 1, sizeof(const struct phi_value *));
    struct cedar_res r = failed();
    if (!items || !eval_items(env, e, items, &r))
        return r;
    if (e->op == OP_CALL && e->n != cedar_fn_info(e->fn)->n)
        return failed(); /* Cedar's grammar takes any number of arguments */
    if (e->op == OP_CALL)
        return known(cedar_fn_call(env->arena, e->fn, items));
    if (e->op == OP_SET)
        return known(phi_value_set(env->arena, items, e->n));
    struct phi_attr *attrs = phi_arena_array(env->arena, e->n + 1, sizeof *attrs);
    for (size_t i = 0; attrs && i < e->n; i++)
        attrs[i] = (struct phi_attr){ e->names[i], items[i] };
    return attrs ? known(phi_value_record(env->arena, attrs, e->n)) : failed();
}

struct cedar_res cedar_eval(const struct cedar_env *env, const struct cedar_expr *e)
{
    switch (e->op) {
    case OP_LIT: return known(e->lit);
    case OP_VAR: return known(env->vars[e->var]);
    case OP_IF: return eval_if(env, e);
    case OP_AND:
    case OP_OR: return eval_logic(env, e);
    case OP_NOT: return eval_not(env, e);
    case OP_NEG: return eval_neg(env, e);
    case OP_EQ:
    case OP_LESS:
    case OP_LESSEQ:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_IN:
    case OP_CONTAINS:
    case OP_CONTAINS_ALL:
    case OP_CONTAINS_ANY:
    case OP_HAS_TAG:
    case OP_GET_TAG: return eval_binary(env, e);
    case OP_IS_EMPTY: return eval_is_empty(env, e);
    case OP_HAS: return eval_has(env, e);
    case OP_GET: return eval_get(env, e);
    case OP_LIKE: return eval_like(env, e);
    case OP_IS: return eval_is(env, e);
    case OP_SET:
    case OP_RECORD:
    case OP_CALL: return eval_many(env, e);
    }
    return failed();
}

unsigned cedar_scope_fits(const struct cedar_env *env, const struct cedar_scope *s,
                          struct phi_uid uid)
{
    bool unsure = false;
    if (s->kind == SCOPE_ANY)
        return MAY_TRUE;
    if (s->kind == SCOPE_EQ)
        return phi_uid_eq(uid, s->uids[0]) ? MAY_TRUE : MAY_FALSE;
    if (s->kind == SCOPE_IS || s->kind == SCOPE_IS_IN) {
        if (!phi_view_eq(uid.type, s->type))
            return MAY_FALSE;
        if (s->kind == SCOPE_IS)
            return MAY_TRUE;
    }
    for (size_t i = 0; i < s->n; i++) {
        enum cedar_in in = cedar_env_in(env, uid, s->uids[i]);
        if (in == CEDAR_IN_YES)
            return MAY_TRUE;
        unsure |= in == CEDAR_IN_UNCLEAR;
    }
    return unsure ? MAY_ERROR : MAY_FALSE;
}

unsigned cedar_policy_scope(const struct cedar_env *env, const struct cedar_policy *p)
{
    const struct cedar_scope *scopes[] = { &p->principal, &p->action, &p->resource };
    for (int i = 0; i < 3; i++) {
        unsigned fits = cedar_scope_fits(env, scopes[i], env->vars[i]->u.uid);
        if (fits != MAY_TRUE)
            return fits;
    }
    return MAY_TRUE;
}
