#include "policy/typecheck.h"

#include <stdarg.h>
#include <stdio.h>

typedef const struct cedar_type *type_ref;

struct typed {
    type_ref type; /* NULL: wrong */
    const struct cedar_caps *caps;
};

#define WRONG ((struct typed){ 0 })

static struct typed check(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior);

/* ---- messages -------------------------------------------------------------------------------- */

static struct typed wrong(struct cedar_typing *t, struct cedar_place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static struct typed wrong(struct cedar_typing *t, struct cedar_place at, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    t->at = at;
    t->why = phi_arena_copy(t->arena, phi_view_of(text));
    return WRONG;
}

static const char *type_name(struct phi_buf *b, type_ref type)
{
    cedar_type_write(b, type);
    return phi_buf_str(b);
}

static struct typed expected(struct cedar_typing *t, const struct cedar_expr *e, const char *wanted,
                             type_ref found, const char *help)
{
    PHI_BUF(name, 300);
    return wrong(t, e->at, "expected %s, found %s%s", wanted, type_name(&name, found), help);
}

static struct typed unlike(struct cedar_typing *t, struct cedar_place at, type_ref x, type_ref y,
                           const char *what)
{
    PHI_BUF(left, 300);
    PHI_BUF(right, 300);
    if (t->fuel == 0)
        return wrong(t, at, "these types are too large to compare");
    return wrong(t, at, "%s: %s and %s", what, type_name(&left, x), type_name(&right, y));
}

/* `principal.name`, where `e` is such a path; else "it". */
static void write_path(struct phi_buf *b, const struct cedar_expr *e)
{
    static const char *const vars[] = { "principal", "action", "resource", "context" };
    if (e->op == OP_VAR) {
        phi_buf_adds(b, vars[e->var]);
    } else if (e->op == OP_GET) {
        write_path(b, e->a);
        phi_buf_printf(b, "." PHI_FMT, PHI_ARG(phi_view_upto(e->name, 40)));
    } else {
        phi_buf_adds(b, "…");
    }
}

/* ---- leaves ----------------------------------------------------------------------------------- */

static struct typed simple(struct cedar_typing *t, enum cedar_type_kind kind, struct phi_view name,
                           enum cedar_ext ext)
{
    struct cedar_type *type = phi_arena_new(t->arena, struct cedar_type);
    if (!type)
        return WRONG;
    *type = (struct cedar_type){ .kind = kind, .name = name, .ext = ext };
    return (struct typed){ type, NULL };
}

static struct typed of_kind(struct cedar_typing *t, enum cedar_type_kind kind)
{
    return simple(t, kind, (struct phi_view){ 0 }, CEDAR_DECIMAL);
}

static struct typed of_ext(struct cedar_typing *t, enum cedar_ext ext)
{
    return simple(t, TYPE_EXT, (struct phi_view){ 0 }, ext);
}

static struct typed boolean(enum cedar_truth truth)
{
    return (struct typed){ cedar_type_bool(truth), NULL };
}

static struct typed check_entity(struct cedar_typing *t, const struct cedar_expr *e, struct phi_uid uid)
{
    if (cedar_schema_has_uid(t->schema, uid))
        return simple(t, TYPE_ENTITY, uid.type, CEDAR_DECIMAL);
    return wrong(t, e->at, "the schema has no %s " PHI_FMT "::\"" PHI_FMT "\"",
                 cedar_schema_has_action_type(t->schema, uid.type) ? "action" : "entity",
                 PHI_ARG(phi_view_upto(uid.type, 60)), PHI_ARG(phi_view_upto(uid.id, 60)));
}

static struct typed check_literal(struct cedar_typing *t, const struct cedar_expr *e)
{
    switch (e->lit->kind) {
    case PHI_VALUE_BOOL: return boolean(e->lit->u.b ? TRUTH_TRUE : TRUTH_FALSE);
    case PHI_VALUE_LONG: return of_kind(t, TYPE_LONG);
    case PHI_VALUE_STRING: return of_kind(t, TYPE_STRING);
    case PHI_VALUE_ENTITY: return check_entity(t, e, e->lit->u.uid);
    case PHI_VALUE_SET:
    case PHI_VALUE_RECORD:
    case PHI_VALUE_EXT:
    case PHI_VALUE_UNKNOWN: break;
    }
    return WRONG; /* no policy holds such a literal */
}

static struct typed check_var(struct cedar_typing *t, const struct cedar_expr *e)
{
    static const struct cedar_type empty = { .kind = TYPE_RECORD };
    switch (e->var) {
    case VAR_PRINCIPAL: return simple(t, TYPE_ENTITY, t->principal, CEDAR_DECIMAL);
    case VAR_ACTION: return simple(t, TYPE_ENTITY, t->action->uid.type, CEDAR_DECIMAL);
    case VAR_RESOURCE: return simple(t, TYPE_ENTITY, t->resource, CEDAR_DECIMAL);
    case VAR_CONTEXT: break;
    }
    return (struct typed){ t->action->context ? t->action->context : &empty, NULL };
}

/* ---- logic ------------------------------------------------------------------------------------ */

static struct typed check_bool(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct typed r = check(t, e, prior);
    if (!r.type || r.type->kind == TYPE_BOOL)
        return r;
    return expected(t, e, "a condition (Bool)", r.type,
                    r.type->kind == TYPE_STRING || r.type->kind == TYPE_LONG ? "; compare it, as in x == …" : "");
}

static struct typed check_and(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct typed a = check_bool(t, e->a, prior);
    if (!a.type || a.type->truth == TRUTH_FALSE)
        return (struct typed){ a.type, NULL };
    struct typed b = check_bool(t, e->b, cedar_caps_join(t->arena, prior, a.caps, true));
    if (!b.type || b.type->truth == TRUTH_FALSE)
        return (struct typed){ b.type, NULL };
    const struct cedar_caps *caps = cedar_caps_join(t->arena, a.caps, b.caps, true);
    if (b.type->truth == TRUTH_TRUE)
        return (struct typed){ a.type, caps };
    return (struct typed){ cedar_type_bool(TRUTH_ANY), caps };
}

static struct typed check_or(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct typed a = check_bool(t, e->a, prior);
    if (!a.type || a.type->truth == TRUTH_TRUE)
        return a;
    struct typed b = check_bool(t, e->b, prior);
    if (!b.type || a.type->truth == TRUTH_FALSE)
        return b;
    if (b.type->truth == TRUTH_TRUE)
        return boolean(TRUTH_TRUE);
    if (b.type->truth == TRUTH_FALSE)
        return (struct typed){ cedar_type_bool(TRUTH_ANY), a.caps };
    return (struct typed){ cedar_type_bool(TRUTH_ANY), cedar_caps_join(t->arena, a.caps, b.caps, false) };
}

static struct typed check_if(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct typed test = check_bool(t, e->a, prior);
    if (!test.type)
        return WRONG;
    if (test.type->truth == TRUTH_FALSE)
        return check(t, e->c, prior);
    struct typed yes = check(t, e->b, cedar_caps_join(t->arena, prior, test.caps, true));
    const struct cedar_caps *caps = cedar_caps_join(t->arena, test.caps, yes.caps, true);
    if (!yes.type || test.type->truth == TRUTH_TRUE)
        return (struct typed){ yes.type, caps };
    struct typed no = check(t, e->c, prior);
    if (!no.type)
        return WRONG;
    type_ref type = cedar_type_lub(t->arena, yes.type, no.type, &t->fuel);
    if (!type)
        return unlike(t, e->at, yes.type, no.type, "`then` and `else` give different types");
    return (struct typed){ type, cedar_caps_join(t->arena, caps, no.caps, false) };
}

static struct typed check_not(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct typed a = check_bool(t, e->a, prior);
    if (!a.type || a.type->truth == TRUTH_ANY)
        return (struct typed){ a.type, NULL };
    return boolean(a.type->truth == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE);
}

/* ---- operators --------------------------------------------------------------------------------- */

/* The literal that it is: `action` is one, since each environment has one action. */
static bool literal_of(const struct cedar_typing *t, const struct cedar_expr *e, struct phi_value *ret)
{
    if (e->op == OP_LIT)
        *ret = *e->lit;
    else if (e->op == OP_VAR && e->var == VAR_ACTION)
        *ret = (struct phi_value){ .kind = PHI_VALUE_ENTITY, .u.uid = t->action->uid };
    else
        return false;
    return true;
}

static struct typed check_eq(struct cedar_typing *t, const struct cedar_expr *e, type_ref a, type_ref b)
{
    struct phi_value x, y;
    if (literal_of(t, e->a, &x) && literal_of(t, e->b, &y))
        return boolean(phi_value_eq(&x, &y) ? TRUTH_TRUE : TRUTH_FALSE);
    if (cedar_type_lub(t->arena, a, b, &t->fuel))
        return boolean(TRUTH_ANY);
    if (a->kind == TYPE_ENTITY && b->kind == TYPE_ENTITY)
        return boolean(TRUTH_FALSE);
    return unlike(t, e->op_at, a, b, "these are never equal, their types differ");
}

static struct typed check_less(struct cedar_typing *t, const struct cedar_expr *e, type_ref a, type_ref b)
{
    const struct cedar_type *const both[] = { a, b };
    for (int i = 0; i < 2; i++) {
        bool time = both[i]->kind == TYPE_EXT && (both[i]->ext == CEDAR_DATETIME || both[i]->ext == CEDAR_DURATION);
        if (both[i]->kind != TYPE_LONG && !time)
            return expected(t, i ? e->b : e->a, "a Long, datetime or duration", both[i],
                            both[i]->kind == TYPE_EXT && both[i]->ext == CEDAR_DECIMAL ?
                                "; compare decimals with .lessThan(…)" : "");
    }
    if (a->kind != b->kind || a->ext != b->ext)
        return unlike(t, e->op_at, a, b, "only values of one type can be compared");
    return boolean(TRUTH_ANY);
}

static struct typed check_arith(struct cedar_typing *t, const struct cedar_expr *e, type_ref a, type_ref b)
{
    if (a->kind != TYPE_LONG)
        return expected(t, e->a, "a Long", a, a->kind == TYPE_STRING ? "; Cedar joins no strings" : "");
    if (b->kind != TYPE_LONG)
        return expected(t, e->b, "a Long", b, b->kind == TYPE_STRING ? "; Cedar joins no strings" : "");
    return of_kind(t, TYPE_LONG);
}

/* The entities that `e` spells out, one or a list of them; 0: it does not. */
static size_t spelled(const struct cedar_typing *t, const struct cedar_expr *e, size_t i, struct phi_value *ret)
{
    size_t n = e->op == OP_SET ? e->n : 1;
    if (i >= n)
        return 0;
    const struct cedar_expr *one = e->op == OP_SET ? e->items[i] : e;
    return literal_of(t, one, ret) && ret->kind == PHI_VALUE_ENTITY ? n : 0;
}

/* An action literal in entity literals: the schema has the answer. */
static bool action_in(const struct cedar_typing *t, const struct cedar_expr *e, enum cedar_truth *ret)
{
    struct phi_value left, right;
    if (!literal_of(t, e->a, &left) || left.kind != PHI_VALUE_ENTITY)
        return false;
    const struct cedar_action *a = cedar_schema_action(t->schema, left.u.uid);
    size_t n = a ? spelled(t, e->b, 0, &right) : 0;
    *ret = TRUTH_FALSE;
    for (size_t i = 0; i < n; i++) {
        if (!spelled(t, e->b, i, &right))
            return false;
        if (cedar_action_in(a, right.u.uid))
            *ret = TRUTH_TRUE;
    }
    return n > 0;
}

static struct typed check_in(struct cedar_typing *t, const struct cedar_expr *e, type_ref a, type_ref b)
{
    enum cedar_truth truth = TRUTH_ANY;
    type_ref up = b->kind == TYPE_SET ? b->elem : b;
    if (a->kind != TYPE_ENTITY)
        return expected(t, e->a, "an entity before `in`", a, "; a value in a set is set.contains(value)");
    if (up->kind != TYPE_ENTITY)
        return expected(t, e->b, "an entity or a set of entities after `in`", b, "; a value in a set is set.contains(value)");
    if (action_in(t, e, &truth))
        return boolean(truth);
    return boolean(cedar_type_in(t->schema, a->name, up->name) ? TRUTH_ANY : TRUTH_FALSE);
}

static struct typed check_sets(struct cedar_typing *t, const struct cedar_expr *e, type_ref a, type_ref b)
{
    if (a->kind != TYPE_SET)
        return expected(t, e->a, "a set", a, a->kind == TYPE_ENTITY ? "; write principal in group" :
                                             a->kind == TYPE_STRING ? "; write x like \"*part*\"" : "");
    if (e->op != OP_CONTAINS && b->kind != TYPE_SET)
        return expected(t, e->b, "a set", b, "; write .contains(…) for one element");
    type_ref elem = e->op == OP_CONTAINS ? b : b->elem;
    if (cedar_type_lub(t->arena, a->elem, elem, &t->fuel))
        return boolean(TRUTH_ANY);
    return unlike(t, e->op_at, a->elem, elem, "this is never in the set, the types differ");
}

/* ---- entities' data --------------------------------------------------------------------------- */

static struct typed check_tags(struct cedar_typing *t, struct cedar_expr *e, type_ref a, type_ref b,
                               const struct cedar_caps *prior)
{
    if (a->kind != TYPE_ENTITY)
        return expected(t, e->a, "an entity", a, "; only entities have tags");
    if (b->kind != TYPE_STRING)
        return expected(t, e->b, "the tag's name (String)", b, "");
    const struct cedar_entity_type *entity = cedar_schema_entity(t->schema, a->name);
    type_ref tags = entity ? entity->tags : NULL;
    bool there = tags && cedar_caps_know(prior, e->a, (struct phi_view){ 0 }, e->b);
    if (e->op == OP_HAS_TAG) {
        struct typed r = boolean(!tags ? TRUTH_FALSE : there ? TRUTH_TRUE : TRUTH_ANY);
        r.caps = tags && !there ? cedar_caps_learn(t->arena, e) : NULL;
        return r;
    }
    if (!tags)
        return wrong(t, e->op_at, PHI_FMT " has no tags in the schema", PHI_ARG(phi_view_upto(a->name, 60)));
    if (!there)
        return wrong(t, e->op_at, "the tag may be absent; ask `.hasTag(…) &&` with the same arguments first");
    return (struct typed){ tags, NULL };
}

static struct typed check_binary(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    type_ref a = check(t, e->a, prior).type, b = a ? check(t, e->b, prior).type : NULL;
    if (!b)
        return WRONG;
    if (e->op == OP_EQ)
        return check_eq(t, e, a, b);
    if (e->op == OP_LESS || e->op == OP_LESSEQ)
        return check_less(t, e, a, b);
    if (e->op == OP_IN)
        return check_in(t, e, a, b);
    if (e->op == OP_CONTAINS || e->op == OP_CONTAINS_ALL || e->op == OP_CONTAINS_ANY)
        return check_sets(t, e, a, b);
    if (e->op == OP_HAS_TAG || e->op == OP_GET_TAG)
        return check_tags(t, e, a, b, prior);
    return check_arith(t, e, a, b);
}

/* The record behind it; false: it has none. An entity of an action type has an empty one. */
static bool record_of(const struct cedar_typing *t, type_ref type, type_ref *ret)
{
    static const struct cedar_type empty = { .kind = TYPE_RECORD };
    *ret = type;
    if (type->kind == TYPE_ENTITY) {
        const struct cedar_entity_type *e = cedar_schema_entity(t->schema, type->name);
        *ret = e && e->attrs ? e->attrs : &empty;
    }
    return (*ret)->kind == TYPE_RECORD;
}

static struct typed check_has(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    type_ref a = check(t, e->a, prior).type, record = NULL;
    if (!a)
        return WRONG;
    if (!record_of(t, a, &record))
        return expected(t, e->a, "an entity or a record before `has`", a, "");
    const struct cedar_attr_type *attr = cedar_type_attr(record, e->name);
    if (!attr)
        return boolean(TRUTH_FALSE);
    if (cedar_caps_know(prior, e->a, e->name, NULL) || (attr->required && a->kind == TYPE_RECORD))
        return boolean(TRUTH_TRUE);
    return (struct typed){ cedar_type_bool(TRUTH_ANY), cedar_caps_learn(t->arena, e) };
}

/* How many letters apart, at most 3. */
static size_t apart(struct phi_view x, struct phi_view y)
{
    size_t row[34], n = y.n, best = 0;
    if (x.n > 32 || y.n > 32)
        return 3;
    for (size_t k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 1; i <= x.n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t k = 1; k <= n; k++) {
            size_t swap = corner + (x.p[i - 1] != y.p[k - 1]);
            corner = row[k];
            best = row[k] < row[k - 1] ? row[k] + 1 : row[k - 1] + 1;
            row[k] = swap < best ? swap : best;
        }
    }
    return row[n] < 3 ? row[n] : 3;
}

static struct typed no_attribute(struct cedar_typing *t, const struct cedar_expr *e, type_ref a, type_ref record)
{
    PHI_BUF(name, 300);
    PHI_BUF(hint, 300);
    const struct cedar_attr_type *near = NULL;
    size_t best = 3;
    for (size_t i = 0; i < record->n && i < 1000; i++) {
        size_t d = apart(e->name, record->attrs[i].name);
        if (d < best) {
            best = d;
            near = &record->attrs[i];
        }
    }
    if (near)
        phi_buf_printf(&hint, "; did you mean `" PHI_FMT "`?", PHI_ARG(near->name));
    else if (record->n == 0)
        phi_buf_adds(&hint, "; it has none at all");
    for (size_t i = 0; !near && i < record->n && i < 6; i++)
        phi_buf_printf(&hint, "%s" PHI_FMT, i ? ", " : "; it has ", PHI_ARG(phi_view_upto(record->attrs[i].name, 24)));
    bool entity = a->kind == TYPE_ENTITY;
    return wrong(t, e->op_at, "%s has no attribute `" PHI_FMT "`%s",
                 entity ? type_name(&name, a) : e->a->op == OP_VAR ? "the context" : "this record",
                 PHI_ARG(phi_view_upto(e->name, 60)), phi_buf_str(&hint));
}

static struct typed check_get(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    type_ref a = check(t, e->a, prior).type, record = NULL;
    PHI_BUF(path, 200);
    if (!a)
        return WRONG;
    if (!record_of(t, a, &record))
        return expected(t, e->a, "an entity or a record", a, "");
    const struct cedar_attr_type *attr = cedar_type_attr(record, e->name);
    if (!attr)
        return no_attribute(t, e, a, record);
    if (attr->required || cedar_caps_know(prior, e->a, e->name, NULL))
        return (struct typed){ attr->type, NULL };
    write_path(&path, e->a);
    return wrong(t, e->op_at, "`" PHI_FMT "` may be absent; write `%s has " PHI_FMT " && …` before it",
                 PHI_ARG(phi_view_upto(e->name, 60)), phi_buf_str(&path), PHI_ARG(phi_view_upto(e->name, 60)));
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static struct typed check_unary(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    type_ref a = check(t, e->a, prior).type;
    if (!a)
        return WRONG;
    if (e->op == OP_NEG)
        return a->kind == TYPE_LONG ? of_kind(t, TYPE_LONG) : expected(t, e->a, "a Long", a, "");
    if (e->op == OP_IS_EMPTY)
        return a->kind == TYPE_SET ? boolean(TRUTH_ANY) : expected(t, e->a, "a set", a, "");
    if (e->op == OP_LIKE)
        return a->kind == TYPE_STRING ? boolean(TRUTH_ANY) : expected(t, e->a, "a String before `like`", a, "");
    if (a->kind != TYPE_ENTITY)
        return expected(t, e->a, "an entity before `is`", a, "");
    return boolean(phi_view_eq(a->name, e->name) ? TRUTH_TRUE : TRUTH_FALSE);
}

static struct typed check_set(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    type_ref elem = NULL;
    for (size_t i = 0; i < e->n; i++) {
        type_ref one = check(t, e->items[i], prior).type;
        if (!one)
            return WRONG;
        type_ref both = elem ? cedar_type_lub(t->arena, elem, one, &t->fuel) : one;
        if (!both)
            return unlike(t, e->items[i]->at, elem, one, "the elements of a set must be of one type");
        elem = both;
    }
    if (!elem)
        return wrong(t, e->at, "an empty set has no type; write `.isEmpty()` to ask whether a set is empty");
    struct typed r = of_kind(t, TYPE_SET);
    if (r.type)
        ((struct cedar_type *)(uintptr_t)r.type)->elem = (struct cedar_type *)(uintptr_t)elem;
    return r;
}

static struct typed check_record(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct cedar_attr_type *attrs = phi_arena_array(t->arena, e->n + 1, sizeof *attrs);
    struct cedar_type *type = phi_arena_new(t->arena, struct cedar_type);
    if (!attrs || !type)
        return WRONG;
    for (size_t i = 0; i < e->n; i++) {
        type_ref one = check(t, e->items[i], prior).type;
        if (!one)
            return WRONG;
        attrs[i] = (struct cedar_attr_type){ e->names[i], (struct cedar_type *)(uintptr_t)one, true };
    }
    *type = (struct cedar_type){ .kind = TYPE_RECORD, .attrs = attrs, .n = e->n };
    return (struct typed){ type, NULL };
}

static const struct { /* of methods, in the order of enum cedar_fn from FN_LESS_THAN on */
    enum cedar_ext self, arg;
    enum cedar_type_kind gives;
    enum cedar_ext ext;
} methods[] = {
    { CEDAR_DECIMAL, CEDAR_DECIMAL, TYPE_BOOL, 0 },  { CEDAR_DECIMAL, CEDAR_DECIMAL, TYPE_BOOL, 0 },
    { CEDAR_DECIMAL, CEDAR_DECIMAL, TYPE_BOOL, 0 },  { CEDAR_DECIMAL, CEDAR_DECIMAL, TYPE_BOOL, 0 },
    { CEDAR_IP, CEDAR_IP, TYPE_BOOL, 0 },            { CEDAR_IP, CEDAR_IP, TYPE_BOOL, 0 },
    { CEDAR_IP, CEDAR_IP, TYPE_BOOL, 0 },            { CEDAR_IP, CEDAR_IP, TYPE_BOOL, 0 },
    { CEDAR_IP, CEDAR_IP, TYPE_BOOL, 0 },            { CEDAR_DATETIME, CEDAR_DURATION, TYPE_EXT, CEDAR_DATETIME },
    { CEDAR_DATETIME, CEDAR_DATETIME, TYPE_EXT, CEDAR_DURATION },
    { CEDAR_DATETIME, CEDAR_DATETIME, TYPE_EXT, CEDAR_DATETIME },
    { CEDAR_DATETIME, CEDAR_DATETIME, TYPE_EXT, CEDAR_DURATION },
    { CEDAR_DURATION, CEDAR_DURATION, TYPE_LONG, 0 }, { CEDAR_DURATION, CEDAR_DURATION, TYPE_LONG, 0 },
    { CEDAR_DURATION, CEDAR_DURATION, TYPE_LONG, 0 }, { CEDAR_DURATION, CEDAR_DURATION, TYPE_LONG, 0 },
    { CEDAR_DURATION, CEDAR_DURATION, TYPE_LONG, 0 },
};

static struct typed check_constructor(struct cedar_typing *t, const struct cedar_expr *e)
{
    static const char *const forms[] = { "decimal(\"1.25\")", "ip(\"10.0.0.0/8\")",
                                         "datetime(\"2026-01-31T09:00:00Z\")", "duration(\"1h30m\")" };
    const struct phi_value *arg = e->n == 1 && e->items[0]->op == OP_LIT ? e->items[0]->lit : NULL;
    if (!arg || arg->kind != PHI_VALUE_STRING)
        return wrong(t, e->at, "%s takes one literal string, as in %s", cedar_fn_info(e->fn)->name, forms[e->fn]);
    if (!cedar_fn_call(t->arena, e->fn, &arg))
        return wrong(t, e->items[0]->at, "this is no valid %s; write such as %s", cedar_fn_info(e->fn)->name, forms[e->fn]);
    return of_ext(t, (enum cedar_ext)e->fn);
}

static struct typed check_call(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    if (e->fn <= FN_DURATION) {
        for (size_t i = 0; i < e->n; i++)
            if (!check(t, e->items[i], prior).type)
                return WRONG;
        return check_constructor(t, e);
    }
    size_t m = (size_t)e->fn - FN_LESS_THAN;
    if (e->n != cedar_fn_info(e->fn)->n)
        return wrong(t, e->op_at, "`%s` takes %u argument%s", cedar_fn_info(e->fn)->name,
                     cedar_fn_info(e->fn)->n - 1, cedar_fn_info(e->fn)->n == 2 ? "" : "s");
    for (size_t i = 0; i < e->n; i++) {
        type_ref one = check(t, e->items[i], prior).type;
        enum cedar_ext want = i ? methods[m].arg : methods[m].self;
        if (!one)
            return WRONG;
        if (one->kind != TYPE_EXT || one->ext != want)
            return expected(t, e->items[i], cedar_ext_name(want), one,
                            want == CEDAR_DECIMAL && one->kind == TYPE_LONG ? "; compare numbers with < and >" : "");
    }
    if (methods[m].gives == TYPE_EXT)
        return of_ext(t, methods[m].ext);
    return methods[m].gives == TYPE_BOOL ? boolean(TRUTH_ANY) : of_kind(t, TYPE_LONG);
}

static struct typed check_op(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    switch (e->op) {
    case OP_LIT: return check_literal(t, e);
    case OP_VAR: return check_var(t, e);
    case OP_IF: return check_if(t, e, prior);
    case OP_AND: return check_and(t, e, prior);
    case OP_OR: return check_or(t, e, prior);
    case OP_NOT: return check_not(t, e, prior);
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
    case OP_GET_TAG: return check_binary(t, e, prior);
    case OP_HAS: return check_has(t, e, prior);
    case OP_GET: return check_get(t, e, prior);
    case OP_NEG:
    case OP_IS_EMPTY:
    case OP_LIKE:
    case OP_IS: return check_unary(t, e, prior);
    case OP_SET: return check_set(t, e, prior);
    case OP_RECORD: return check_record(t, e, prior);
    case OP_CALL: return check_call(t, e, prior);
    }
    return WRONG;
}

static struct typed check(struct cedar_typing *t, struct cedar_expr *e, const struct cedar_caps *prior)
{
    struct typed r = check_op(t, e, prior);
    e->type = r.type ? (uint8_t)(1 + r.type->kind) : 0;
    e->truth = r.type ? (uint8_t)r.type->truth : TRUTH_ANY;
    return r;
}

const struct cedar_type *cedar_typecheck(struct cedar_typing *t, struct cedar_expr *e)
{
    struct typed r = check(t, e, t->known);
    t->learnt = r.caps;
    return r.type;
}
