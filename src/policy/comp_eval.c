/* Evaluates compiled expressions. What rests on an unknown gives COMP_BAIL: comp_may.c then says what it may be. */
#include "policy/comp.h"

#include <string.h>

static struct comp_val failed(void)
{
    return (struct comp_val){ .kind = COMP_ERROR };
}

static struct comp_val bail(void)
{
    return (struct comp_val){ .kind = COMP_BAIL };
}

static struct comp_val truth(bool b)
{
    return (struct comp_val){ .kind = COMP_BOOL, .u.i = b };
}

static struct comp_val number(int64_t i)
{
    return (struct comp_val){ .kind = COMP_LONG, .u.i = i };
}

const struct comp_ent *comp_ent(const struct comp_env *x, uint64_t id)
{
    return id < x->w->n_all ? comp_world_ent(x->w, (uint32_t)id) : &x->q->locals.ents[id - x->w->n_all];
}

bool comp_in(const struct comp_env *x, uint64_t id, uint64_t ancestor)
{
    if (id == ancestor)
        return true;
    if (id >= x->w->n_all)
        return false;
    const struct comp_ent *e = comp_world_ent(x->w, (uint32_t)id);
    const uint32_t *p = comp_reach_of(x->w, e);
    uint32_t n = e->n_reach;
    while (n > 8) { /* the first that is not below stands in p[0..n] */
        uint32_t half = n / 2;
        p = p[half] <= ancestor ? p + half : p;
        n -= half;
    }
    for (uint32_t i = 0; i < n; i++)
        if (p[i] == ancestor)
            return true;
    return false;
}

struct comp_val comp_in_op(const struct comp_env *x, struct comp_val a, struct comp_val b)
{
    if (a.kind != COMP_ENTITY)
        return failed();
    if (b.kind == COMP_ENTITY)
        return truth(comp_in(x, a.u.id, b.u.id));
    if (b.kind != COMP_SET)
        return failed();
    const struct comp_set *s = b.u.set; /* sorted by kind first */
    if (s->n > 0 && (s->items[0].kind != COMP_ENTITY || s->items[s->n - 1].kind != COMP_ENTITY))
        return failed();
    for (uint32_t i = 0; i < s->n; i++)
        if (comp_in(x, a.u.id, s->items[i].u.id))
            return truth(true);
    return truth(false);
}

struct comp_val comp_attr(const struct comp_env *x, struct comp_val v, const struct comp_node *n)
{
    static const struct comp_val absent = { .kind = COMP_ABSENT };
    if (v.kind == COMP_RECORD) {
        const struct comp_val *found = comp_rec_get(v.u.rec, n->lit.u.str);
        return found ? *found : absent;
    }
    if (v.kind != COMP_ENTITY)
        return failed();
    const struct comp_ent *e = comp_ent(x, v.u.id);
    if (e->n_attrs == 0)
        return absent;
    if (e->upper)
        return comp_attr(x, e->attrs[0], n);
    uint16_t slot = x->w->base->names.types[e->type].slots[n->c];
    return slot < e->n_attrs ? e->attrs[slot] : absent;
}

/* An argument as the functions of extensions take it. False: of no kind that any takes. */
static bool as_value(struct comp_val v, struct phi_value *ret)
{
    static const enum cedar_ext exts[] = { [COMP_DECIMAL] = CEDAR_DECIMAL, [COMP_DATETIME] = CEDAR_DATETIME,
                                           [COMP_DURATION] = CEDAR_DURATION };
    if (v.kind == COMP_STRING)
        *ret = (struct phi_value){ .kind = PHI_VALUE_STRING, .u.s = comp_str_view(v.u.str) };
    else if (v.kind == COMP_IP)
        *ret = *v.u.ip;
    else if (v.kind == COMP_DECIMAL || v.kind == COMP_DATETIME || v.kind == COMP_DURATION)
        *ret = (struct phi_value){ .kind = PHI_VALUE_EXT, .u.ext = { .kind = exts[v.kind], .n = v.u.i } };
    else
        return false;
    return true;
}

struct comp_val comp_fn(const struct comp_env *x, enum cedar_fn fn, const struct comp_val *args, uint32_t n)
{
    struct phi_value made[2] = { { 0 } };
    const struct phi_value *given[] = { &made[0], &made[1] };
    if (n != cedar_fn_info(fn)->n)
        return failed();
    for (uint32_t i = 0; i < n; i++)
        if (!as_value(args[i], &made[i]))
            return failed();
    return comp_of_ext(cedar_fn_call(x->arena, fn, given));
}

bool comp_like(struct phi_view s, const struct cedar_pattern *p)
{
    const struct phi_view first = p->parts[0], last = p->parts[p->n - 1];
    if (p->n == 1)
        return phi_view_eq(s, first);
    if (s.n < first.n + last.n || !phi_view_starts(s, first) || !phi_view_eq(phi_view_from(s, s.n - last.n), last))
        return false;
    s = phi_view_upto(phi_view_from(s, first.n), s.n - first.n - last.n);
    for (size_t i = 1; i + 1 < p->n; i++) {
        if (p->parts[i].n == 0)
            continue;
        const uint8_t *at = s.n ? memmem(s.p, s.n, p->parts[i].p, p->parts[i].n) : NULL;
        if (!at)
            return false;
        s = phi_view_from(s, (size_t)(at - s.p) + p->parts[i].n);
    }
    return true;
}

static struct comp_val arith(enum cedar_op op, struct comp_val a, struct comp_val b)
{
    int64_t n = 0;
    bool over = true;
    if (a.kind != COMP_LONG || b.kind != COMP_LONG)
        return failed();
    if (op == OP_ADD)
        over = __builtin_add_overflow(a.u.i, b.u.i, &n);
    else if (op == OP_SUB)
        over = __builtin_sub_overflow(a.u.i, b.u.i, &n);
    else if (op == OP_MUL)
        over = __builtin_mul_overflow(a.u.i, b.u.i, &n);
    return over ? failed() : number(n);
}

static struct comp_val less(enum cedar_op op, struct comp_val a, struct comp_val b)
{
    if (a.kind != b.kind || (a.kind != COMP_LONG && a.kind != COMP_DATETIME && a.kind != COMP_DURATION))
        return failed();
    return truth(op == OP_LESS ? a.u.i < b.u.i : a.u.i <= b.u.i);
}

static struct comp_val sets(enum cedar_op op, struct comp_val a, struct comp_val b)
{
    uint32_t hits = 0;
    if (a.kind != COMP_SET || b.kind != COMP_SET)
        return failed();
    for (uint32_t i = 0; i < b.u.set->n; i++)
        hits += comp_set_has(a.u.set, b.u.set->items[i]);
    return truth(op == OP_CONTAINS_ALL ? hits == b.u.set->n : hits > 0);
}

static struct comp_val tag(const struct comp_env *x, enum cedar_op op, struct comp_val a, struct comp_val b)
{
    if (a.kind != COMP_ENTITY || b.kind != COMP_STRING)
        return failed();
    const struct comp_rec *tags = comp_ent(x, a.u.id)->tags;
    const struct comp_val *found = tags ? comp_rec_get(tags, b.u.str) : NULL;
    if (op == OP_HAS_TAG)
        return truth(found != NULL);
    return found ? *found : failed();
}

/* Both operands are known values. */
struct comp_val comp_binary(const struct comp_env *x, const struct comp_node *n, struct comp_val a, struct comp_val b)
{
    const enum cedar_op op = (enum cedar_op)n->op;
    if (op == OP_EQ)
        return truth(comp_eq(a, b));
    if (op == OP_IN)
        return comp_in_op(x, a, b);
    if (op == OP_CONTAINS)
        return a.kind == COMP_SET ? truth(comp_set_has(a.u.set, b)) : failed();
    if (op == OP_CONTAINS_ALL || op == OP_CONTAINS_ANY)
        return sets(op, a, b);
    if (op == OP_LESS || op == OP_LESSEQ)
        return less(op, a, b);
    if (op == OP_HAS_TAG || op == OP_GET_TAG)
        return tag(x, op, a, b);
    return arith(op, a, b);
}

static struct comp_val eval_binary(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val a = comp_eval(x, n->a);
    if (a.kind < COMP_BOOL)
        return a;
    struct comp_val b = comp_eval(x, n->b);
    if (b.kind < COMP_BOOL)
        return b;
    return a.has_unknown | b.has_unknown ? bail() : comp_binary(x, n, a, b);
}

static struct comp_val eval_logic(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val a = comp_eval(x, n->a);
    if (a.kind != COMP_BOOL)
        return a.kind == COMP_BAIL ? a : failed();
    if (a.u.i != (n->op == OP_AND))
        return a;
    struct comp_val b = comp_eval(x, n->b);
    return b.kind == COMP_BOOL || b.kind == COMP_BAIL ? b : failed();
}

static struct comp_val eval_not(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val a = comp_eval(x, n->a);
    if (a.kind != COMP_BOOL)
        return a.kind == COMP_BAIL ? a : failed();
    return truth(!a.u.i);
}

static struct comp_val eval_if(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val a = comp_eval(x, n->a);
    if (a.kind != COMP_BOOL)
        return a.kind == COMP_BAIL ? a : failed();
    return comp_eval(x, a.u.i ? n->b : n->c);
}

static struct comp_val eval_get(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val a = comp_eval(x, n->a);
    if (a.kind < COMP_BOOL)
        return a;
    struct comp_val v = comp_attr(x, a, n);
    if (v.kind == COMP_UNKNOWN)
        return bail();
    if (n->op == OP_GET)
        return v.kind == COMP_ABSENT ? failed() : v;
    return v.kind == COMP_ERROR ? v : truth(v.kind != COMP_ABSENT);
}

static struct comp_val eval_unary(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val a = comp_eval(x, n->a);
    int64_t i = 0;
    if (a.kind < COMP_BOOL)
        return a;
    if (n->op == OP_NEG)
        return a.kind != COMP_LONG || __builtin_sub_overflow((int64_t)0, a.u.i, &i) ? failed() : number(i);
    if (n->op == OP_LIKE)
        return a.kind == COMP_STRING ? truth(comp_like(comp_str_view(a.u.str), n->lit.u.pattern)) : failed();
    if (n->op == OP_IS)
        return a.kind == COMP_ENTITY ? truth(comp_ent(x, a.u.id)->type == n->c) : failed();
    return a.kind == COMP_SET ? truth(a.u.set->n == 0) : failed(); /* OP_IS_EMPTY */
}

static struct comp_val eval_set(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_set *s = comp_set_fresh(x->arena, n->b);
    if (!s)
        return failed();
    for (uint32_t i = 0; i < n->b; i++) {
        s->items[i] = comp_eval(x, x->c->kids[n->a + i]);
        if (s->items[i].kind < COMP_BOOL)
            return s->items[i];
    }
    return comp_set_done(s);
}

static struct comp_val eval_record(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_rec *r = comp_rec_fresh(x->arena, n->b);
    if (!r)
        return failed();
    for (uint32_t i = 0; i < n->b; i++) {
        r->fields[i].name = x->c->nodes[x->c->kids[n->c + i]].lit.u.str;
        r->fields[i].v = comp_eval(x, x->c->kids[n->a + i]);
        if (r->fields[i].v.kind < COMP_BOOL)
            return r->fields[i].v;
    }
    return comp_rec_done(r);
}

static struct comp_val eval_call(const struct comp_env *x, const struct comp_node *n)
{
    struct comp_val args[2] = { { 0 } }, all = truth(true);
    for (uint32_t i = 0; i < n->b; i++) { /* Cedar's grammar takes any number of arguments */
        struct comp_val v = comp_eval(x, x->c->kids[n->a + i]);
        if (v.kind < COMP_BOOL)
            return v;
        all.has_unknown |= v.has_unknown;
        if (i < 2)
            args[i] = v;
    }
    return all.has_unknown ? bail() : comp_fn(x, (enum cedar_fn)n->fn, args, n->b);
}

struct comp_val comp_eval(const struct comp_env *x, uint32_t node)
{
    const struct comp_node *n = &x->c->nodes[node];
    switch ((enum cedar_op)n->op) {
    case OP_LIT: return n->lit;
    case OP_VAR:
        if (n->var == VAR_CONTEXT)
            return x->q->context;
        return (struct comp_val){ .kind = COMP_ENTITY, .u.id = x->q->vars[n->var] };
    case OP_IF: return eval_if(x, n);
    case OP_AND:
    case OP_OR: return eval_logic(x, n);
    case OP_NOT: return eval_not(x, n);
    case OP_NEG:
    case OP_LIKE:
    case OP_IS:
    case OP_IS_EMPTY: return eval_unary(x, n);
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
    case OP_GET_TAG: return eval_binary(x, n);
    case OP_HAS:
    case OP_GET: return eval_get(x, n);
    case OP_SET: return eval_set(x, n);
    case OP_RECORD: return eval_record(x, n);
    case OP_CALL: return eval_call(x, n);
    }
    return failed();
}

unsigned comp_bits(const struct comp_env *x, uint32_t node)
{
    struct comp_val v = comp_eval(x, node);
    return v.kind != COMP_BOOL ? MAY_ERROR : v.u.i ? MAY_TRUE : MAY_FALSE;
}

/* ---- scopes ------------------------------------------------------------------------------------------- */

static bool fits(const struct comp_env *x, const struct comp_scope *s, uint32_t id)
{
    switch ((enum cedar_scope_kind)s->kind) {
    case SCOPE_ANY: return true;
    case SCOPE_EQ: return x->c->scope_uids[s->uids] == id;
    case SCOPE_IS: return comp_ent(x, id)->type == s->type;
    case SCOPE_IS_IN:
        if (comp_ent(x, id)->type != s->type)
            return false;
        break;
    case SCOPE_IN: break;
    }
    for (uint32_t i = 0; i < s->n; i++)
        if (comp_in(x, id, x->c->scope_uids[s->uids + i]))
            return true;
    return false;
}

bool comp_scope_fits(const struct comp_env *x, const struct comp_policy *p)
{
    return fits(x, &p->principal, x->q->vars[0]) && fits(x, &p->action, x->q->vars[1]) &&
           fits(x, &p->resource, x->q->vars[2]);
}

/* ---- Cedar's own answer ---------------------------------------------------------------------------------- */

static enum cedar_plain plain(const struct comp_env *x, const struct comp_policy *p)
{
    unsigned bits = comp_scope_fits(x, p) ? MAY_TRUE : MAY_FALSE;
    for (uint32_t i = 0; bits == MAY_TRUE && i < p->n_conds; i++)
        bits = comp_bits(x, x->c->kids[p->conds + i]);
    return bits == MAY_TRUE ? CEDAR_SATISFIED : bits == MAY_FALSE ? CEDAR_UNSATISFIED : CEDAR_ERROR;
}

enum phi_rc comp_plain(const struct phi_world *w, const struct phi_query *q, struct phi_arena *a,
                       struct cedar_plain_answer *ret, struct phi_err *err)
{
    const struct comp_env x = { w->c, w, q, a };
    bool permitted = false, forbidden = false, failed_forbid = false;
    *ret = (struct cedar_plain_answer){ .each = phi_arena_array(a, w->c->n_policies + 1U, sizeof *ret->each) };
    for (uint32_t i = 0; ret->each && i < w->c->n_policies; i++) {
        const struct comp_policy *p = &w->c->policies[i];
        ret->each[i] = plain(&x, p);
        permitted |= !p->forbid && ret->each[i] == CEDAR_SATISFIED;
        forbidden |= p->forbid && ret->each[i] == CEDAR_SATISFIED;
        failed_forbid |= p->forbid && ret->each[i] == CEDAR_ERROR;
    }
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
    ret->allow = permitted && !forbidden;
    ret->allow_strict = ret->allow && !failed_forbid;
    return PHI_OK;
}
