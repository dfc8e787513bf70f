/* Where parts of the context are unknown: what an expression may be. The same cases as eval.c has,
 * over prepared values. */
#include "policy/comp.h"

#include <stdlib.h>

struct res {
    unsigned may; /* enum cedar_may */
    struct comp_val v;
    const struct cedar_type *type; /* of an unknown, where the schema tells */
};

static struct res eval(const struct comp_env *x, const struct cedar_expr *e);

static const struct comp_node *node_of(const struct comp_env *x, const struct cedar_expr *e)
{
    return &x->c->nodes[e->code - 1];
}

static struct res failed(void)
{
    return (struct res){ .may = MAY_ERROR };
}

static struct res known(struct comp_val v)
{
    return v.kind <= COMP_ERROR ? failed() : (struct res){ .may = MAY_VALUE, .v = v };
}

static struct res truth(bool b)
{
    return known((struct comp_val){ .kind = COMP_BOOL, .u.i = b });
}

static struct res from_bits(unsigned bits)
{
    if (bits == MAY_TRUE || bits == MAY_FALSE)
        return truth(bits == MAY_TRUE);
    return (struct res){ .may = bits };
}

static bool is_known(struct res r)
{
    return r.may == MAY_VALUE && !r.v.has_unknown;
}

static unsigned bits_of(struct res r)
{
    unsigned bits = r.may & (MAY_ERROR | MAY_TRUE | MAY_FALSE);
    if (r.may & MAY_OTHER)
        bits |= MAY_ERROR;
    if (r.may & MAY_VALUE)
        bits |= r.v.kind != COMP_BOOL ? MAY_ERROR : r.v.u.i ? MAY_TRUE : MAY_FALSE;
    return bits;
}

static struct res unclear(bool may_err)
{
    return (struct res){ .may = MAY_TRUE | MAY_FALSE | (may_err ? MAY_ERROR : 0U) };
}

static struct res anything(void)
{
    return (struct res){ .may = MAY_TRUE | MAY_FALSE | MAY_OTHER | MAY_ERROR };
}

static struct res unknown_of(const struct cedar_type *t, bool may_err)
{
    struct res r = anything();
    if (t)
        r.may = t->kind == TYPE_BOOL ? MAY_TRUE | MAY_FALSE : MAY_OTHER;
    r.type = t;
    r.may |= may_err ? MAY_ERROR : 0U;
    return r;
}

static bool surely(struct res r, enum comp_kind kind, enum cedar_type_kind type)
{
    if (r.may & MAY_ERROR)
        return false;
    if (r.may == MAY_VALUE)
        return r.v.kind == kind;
    return r.type && r.type->kind == type;
}

static struct res unknown_binary(enum cedar_op op, struct res a, struct res b)
{
    if (a.may == MAY_ERROR || b.may == MAY_ERROR)
        return failed();
    bool err = ((a.may | b.may) & MAY_ERROR) != 0;
    if (op == OP_EQ)
        return unclear(err);
    if (op == OP_LESS || op == OP_LESSEQ)
        return unclear(!surely(a, COMP_LONG, TYPE_LONG) || !surely(b, COMP_LONG, TYPE_LONG));
    if (op == OP_CONTAINS)
        return unclear(err || !surely(a, COMP_SET, TYPE_SET));
    if (op == OP_CONTAINS_ALL || op == OP_CONTAINS_ANY)
        return unclear(!surely(a, COMP_SET, TYPE_SET) || !surely(b, COMP_SET, TYPE_SET));
    if (op == OP_HAS_TAG)
        return unclear(!surely(a, COMP_ENTITY, TYPE_ENTITY) || !surely(b, COMP_STRING, TYPE_STRING));
    if (op == OP_IN)
        return unclear(!surely(a, COMP_ENTITY, TYPE_ENTITY) || !surely(b, COMP_ENTITY, TYPE_ENTITY));
    return anything();
}

static struct res eval_binary(const struct comp_env *x, const struct cedar_expr *e)
{
    struct res a = eval(x, e->a);
    if (a.may == MAY_ERROR)
        return a;
    struct res b = eval(x, e->b);
    return is_known(a) && is_known(b) ? known(comp_binary(x, node_of(x, e), a.v, b.v)) : unknown_binary(e->op, a, b);
}

static struct res eval_not(const struct comp_env *x, const struct cedar_expr *e)
{
    unsigned bits = bits_of(eval(x, e->a)), out = bits & MAY_ERROR;
    out |= bits & MAY_TRUE ? MAY_FALSE : 0U;
    out |= bits & MAY_FALSE ? MAY_TRUE : 0U;
    return from_bits(out);
}

static struct res eval_logic(const struct comp_env *x, const struct cedar_expr *e)
{
    unsigned go_on = e->op == OP_AND ? MAY_TRUE : MAY_FALSE;
    unsigned left = bits_of(eval(x, e->a)), out = left & ~go_on;
    if (left & go_on)
        out |= bits_of(eval(x, e->b));
    return from_bits(out);
}

static unsigned either_bits(struct res r)
{
    if (!(r.may & MAY_VALUE))
        return 0;
    return r.v.kind != COMP_BOOL ? MAY_OTHER : r.v.u.i ? MAY_TRUE : MAY_FALSE;
}

static struct res either(struct res a, struct res b)
{
    if (a.may == MAY_VALUE && b.may == MAY_VALUE && comp_eq(a.v, b.v))
        return a;
    return (struct res){ .may = ((a.may | b.may) & ~(unsigned)MAY_VALUE) | either_bits(a) | either_bits(b) };
}

static struct res eval_if(const struct comp_env *x, const struct cedar_expr *e)
{
    unsigned test = bits_of(eval(x, e->a));
    if (test == MAY_TRUE)
        return eval(x, e->b);
    if (test == MAY_FALSE)
        return eval(x, e->c);
    if (test == MAY_ERROR)
        return failed();
    struct res r = failed();
    if ((test & MAY_TRUE) && (test & MAY_FALSE))
        r = either(eval(x, e->b), eval(x, e->c));
    else
        r = either(eval(x, test & MAY_TRUE ? e->b : e->c), failed());
    r.may |= test & MAY_ERROR;
    return r;
}

static struct res eval_neg(const struct comp_env *x, const struct cedar_expr *e)
{
    struct res a = eval(x, e->a);
    int64_t n = 0;
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return anything();
    if (a.v.kind != COMP_LONG || __builtin_sub_overflow((int64_t)0, a.v.u.i, &n))
        return failed();
    return known((struct comp_val){ .kind = COMP_LONG, .u.i = n });
}

/* `like`, `is`, `isEmpty`: of one value of one kind. */
static struct res eval_test(const struct comp_env *x, const struct cedar_expr *e)
{
    const enum comp_kind kind = e->op == OP_LIKE ? COMP_STRING : e->op == OP_IS ? COMP_ENTITY : COMP_SET;
    const enum cedar_type_kind type = e->op == OP_LIKE ? TYPE_STRING : e->op == OP_IS ? TYPE_ENTITY : TYPE_SET;
    struct res a = eval(x, e->a);
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return unclear(!surely(a, kind, type));
    if (a.v.kind != kind)
        return failed();
    if (e->op == OP_LIKE)
        return truth(comp_like(comp_str_view(a.v.u.str), e->pattern));
    return truth(e->op == OP_IS ? comp_ent(x, a.v.u.id)->type == node_of(x, e)->c : a.v.u.set->n == 0);
}

/* The schema's word on an attribute of what `e` gives; only below the context. */
static const struct cedar_attr_type *declared(const struct comp_env *x, const struct cedar_expr *e,
                                              struct phi_view name)
{
    if (e->op == OP_VAR && e->var == VAR_CONTEXT)
        return cedar_type_attr(x->q->context_type, name);
    if (e->op != OP_GET)
        return NULL;
    const struct cedar_attr_type *outer = declared(x, e->a, e->name);
    return outer ? cedar_type_attr(outer->type, name) : NULL;
}

static struct res eval_has(const struct comp_env *x, const struct cedar_expr *e)
{
    struct res a = eval(x, e->a);
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE)
        return unclear(!surely(a, COMP_RECORD, TYPE_RECORD) && !surely(a, COMP_ENTITY, TYPE_ENTITY));
    struct comp_val v = comp_attr(x, a.v, node_of(x, e));
    if (v.kind == COMP_ERROR)
        return failed();
    const struct cedar_attr_type *t = v.kind == COMP_UNKNOWN ? declared(x, e->a, e->name) : NULL;
    if (v.kind == COMP_UNKNOWN && (!t || !t->required))
        return unclear(false);
    return truth(v.kind != COMP_ABSENT);
}

static struct res eval_get(const struct comp_env *x, const struct cedar_expr *e)
{
    struct res a = eval(x, e->a);
    if (a.may == MAY_ERROR)
        return a;
    if (a.may != MAY_VALUE) {
        const struct cedar_attr_type *t = cedar_type_attr(a.type, e->name);
        return t ? unknown_of(t->type, !t->required || (a.may & MAY_ERROR)) : anything();
    }
    struct comp_val v = comp_attr(x, a.v, node_of(x, e));
    if (v.kind != COMP_UNKNOWN)
        return known(v);
    const struct cedar_attr_type *t = declared(x, e->a, e->name);
    return unknown_of(t ? t->type : NULL, !t || !t->required);
}

/* The items into `out`. False with *ret set when one is an error or unknown. */
static bool eval_items(const struct comp_env *x, const struct cedar_expr *e, struct comp_val *out, struct res *ret)
{
    bool all = true, err = false;
    for (size_t i = 0; i < e->n; i++) {
        struct res r = eval(x, e->items[i]);
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

static struct res eval_set(const struct comp_env *x, const struct cedar_expr *e)
{
    struct comp_set *s = comp_set_fresh(x->arena, e->n);
    struct res r = failed();
    return s && eval_items(x, e, s->items, &r) ? known(comp_set_done(s)) : r;
}

static struct res eval_record(const struct comp_env *x, const struct cedar_expr *e)
{
    struct comp_rec *rec = comp_rec_fresh(x->arena, e->n);
    struct comp_val *items = phi_arena_array(x->arena, e->n + 1, sizeof *items);
    struct res r = failed();
    if (!rec || !items || !eval_items(x, e, items, &r))
        return r;
    const struct comp_node *n = node_of(x, e);
    for (uint32_t i = 0; i < e->n; i++)
        rec->fields[i] = (struct comp_field){ x->c->nodes[x->c->kids[n->c + i]].lit.u.str, items[i] };
    return known(comp_rec_done(rec));
}

static struct res eval_call(const struct comp_env *x, const struct cedar_expr *e)
{
    struct comp_val *items = phi_arena_array(x->arena, e->n + 1, sizeof *items);
    struct res r = failed();
    if (!items || !eval_items(x, e, items, &r))
        return r;
    return known(comp_fn(x, e->fn, items, (uint32_t)e->n));
}

static struct res eval(const struct comp_env *x, const struct cedar_expr *e)
{
    switch (e->op) {
    case OP_LIT: return known(node_of(x, e)->lit);
    case OP_VAR: return known(comp_eval(x, e->code - 1));
    case OP_IF: return eval_if(x, e);
    case OP_AND:
    case OP_OR: return eval_logic(x, e);
    case OP_NOT: return eval_not(x, e);
    case OP_NEG: return eval_neg(x, e);
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
    case OP_GET_TAG: return eval_binary(x, e);
    case OP_HAS: return eval_has(x, e);
    case OP_GET: return eval_get(x, e);
    case OP_LIKE:
    case OP_IS:
    case OP_IS_EMPTY: return eval_test(x, e);
    case OP_SET: return node_of(x, e)->op == OP_LIT ? known(node_of(x, e)->lit) : eval_set(x, e);
    case OP_RECORD: return eval_record(x, e);
    case OP_CALL: return node_of(x, e)->op == OP_LIT ? known(node_of(x, e)->lit) : eval_call(x, e);
    }
    return failed();
}

unsigned comp_may_bits(const struct comp_env *x, const struct cedar_expr *e)
{
    return bits_of(eval(x, e));
}
