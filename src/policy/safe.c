/* Which expressions can never err: what may stand beside `met`. A small type inference over the
 * schema's context types; attributes of entities have no known type, since entities come unchecked. */
#include "policy/check.h"

#define SIMPLE(name, k) static const struct cedar_type name = { .kind = (k) }
SIMPLE(type_bool, TYPE_BOOL);
SIMPLE(type_long, TYPE_LONG);
SIMPLE(type_string, TYPE_STRING);
SIMPLE(type_entity, TYPE_ENTITY);
SIMPLE(type_set, TYPE_SET);
SIMPLE(type_record, TYPE_RECORD);
SIMPLE(type_any, TYPE_ANY);
static const struct cedar_type type_entities = {
    .kind = TYPE_SET, .elem = (struct cedar_type *)(uintptr_t)&type_entity
};
static const struct cedar_type type_exts[] = {
    { .kind = TYPE_EXT, .ext = CEDAR_DECIMAL },
    { .kind = TYPE_EXT, .ext = CEDAR_IP },
    { .kind = TYPE_EXT, .ext = CEDAR_DATETIME },
    { .kind = TYPE_EXT, .ext = CEDAR_DURATION },
};

struct walk {
    struct cedar_check *c;
    const struct cedar_expr **at;
    const char **why;
};

typedef const struct cedar_type *type_ref;

static type_ref unsafe(struct walk *w, const struct cedar_expr *e, const char *why)
{
    *w->at = e;
    *w->why = why;
    return NULL;
}

static bool same_path(const struct cedar_expr *a, const struct cedar_expr *b)
{
    while (a->op == OP_GET && b->op == OP_GET && phi_view_eq(a->name, b->name)) {
        a = a->a;
        b = b->a;
    }
    return a->op == OP_VAR && b->op == OP_VAR && a->var == b->var;
}

const struct cedar_fact *cedar_facts_of(struct cedar_check *c, const struct cedar_expr *e,
                                        const struct cedar_fact *facts)
{
    if (e->op == OP_AND)
        return cedar_facts_of(c, e->b, cedar_facts_of(c, e->a, facts));
    if (e->op != OP_HAS)
        return facts;
    struct cedar_fact *fact = phi_arena_new(c->arena, struct cedar_fact);
    if (!fact)
        return facts;
    *fact = (struct cedar_fact){ .more = facts, .has = e };
    return fact;
}

static bool is_guarded(const struct cedar_fact *facts, const struct cedar_expr *get)
{
    for (; facts; facts = facts->more)
        if (phi_view_eq(facts->has->name, get->name) && same_path(facts->has->a, get->a))
            return true;
    return false;
}

static type_ref safe(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts);

/* `context.x`: the type it has under every action that the policy reaches. */
static type_ref safe_context(struct walk *w, const struct cedar_expr *e,
                             const struct cedar_fact *facts)
{
    type_ref type = NULL;
    bool guarded = is_guarded(facts, e);
    for (size_t i = 0; i < w->c->n_actions; i++) {
        const struct cedar_attr_type *t = cedar_type_attr(w->c->actions[i]->context, e->name);
        if (!t && guarded)
            continue; /* never there: what stands behind the guard is not evaluated */
        if (!t || (!t->required && !guarded))
            return unsafe(w, e, "this part of the context may be absent; ask `context has …` first");
        if (type && type->kind != t->type->kind)
            return &type_any;
        type = t->type;
    }
    return type ? type : &type_any;
}

static type_ref safe_get(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    if (e->a->op == OP_VAR && e->a->var == VAR_CONTEXT)
        return safe_context(w, e, facts);
    type_ref t = safe(w, e->a, facts);
    if (!t)
        return NULL;
    bool guarded = is_guarded(facts, e);
    const struct cedar_attr_type *attr = cedar_type_attr(t, e->name);
    if (attr && (attr->required || guarded))
        return attr->type;
    if (guarded)
        return &type_any;
    return unsafe(w, e, "the entity or its attribute may be absent; ask `has` first");
}

static type_ref of_kind(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts,
                        enum cedar_type_kind kind)
{
    type_ref t = safe(w, e, facts);
    if (t && t->kind != kind)
        return unsafe(w, e, "the schema does not say that this has the type it needs");
    return t;
}

static type_ref safe_has(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    if (e->a->op == OP_VAR)
        return &type_bool;
    type_ref t = safe(w, e->a, facts);
    if (t && t->kind != TYPE_ENTITY && t->kind != TYPE_RECORD)
        return unsafe(w, e->a, "the schema does not say that this is an entity or a record");
    return t ? &type_bool : NULL;
}

static type_ref safe_logic(struct walk *w, const struct cedar_expr *e,
                           const struct cedar_fact *facts)
{
    if (!of_kind(w, e->a, facts, TYPE_BOOL))
        return NULL;
    if (e->op == OP_AND)
        facts = cedar_facts_of(w->c, e->a, facts);
    return of_kind(w, e->b, facts, TYPE_BOOL);
}

static type_ref safe_if(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    if (!of_kind(w, e->a, facts, TYPE_BOOL))
        return NULL;
    type_ref yes = safe(w, e->b, cedar_facts_of(w->c, e->a, facts));
    type_ref no = yes ? safe(w, e->c, facts) : NULL;
    if (!no)
        return NULL;
    return yes == no || (yes->kind == no->kind && yes->kind <= TYPE_ENTITY) ? yes : &type_any;
}

static type_ref safe_in(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    if (!of_kind(w, e->a, facts, TYPE_ENTITY))
        return NULL;
    type_ref t = safe(w, e->b, facts);
    if (!t)
        return NULL;
    bool entities = t->kind == TYPE_SET && t->elem && t->elem->kind == TYPE_ENTITY;
    if (t->kind != TYPE_ENTITY && !entities)
        return unsafe(w, e->b, "the schema does not say that this is an entity or a set of them");
    return &type_bool;
}

static type_ref safe_less(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    type_ref a = safe(w, e->a, facts), b = a ? safe(w, e->b, facts) : NULL;
    if (!b)
        return NULL;
    bool times = a->kind == TYPE_EXT && b->kind == TYPE_EXT && a->ext == b->ext &&
                 (a->ext == CEDAR_DATETIME || a->ext == CEDAR_DURATION);
    if (!times && (a->kind != TYPE_LONG || b->kind != TYPE_LONG))
        return unsafe(w, e, "the schema does not say that both sides are numbers");
    return &type_bool;
}

static type_ref safe_items(struct walk *w, const struct cedar_expr *e,
                           const struct cedar_fact *facts)
{
    bool entities = e->n > 0;
    for (size_t i = 0; i < e->n; i++) {
        type_ref t = safe(w, e->items[i], facts);
        if (!t)
            return NULL;
        entities = entities && t->kind == TYPE_ENTITY;
    }
    if (e->op == OP_RECORD)
        return &type_record;
    return entities ? &type_entities : &type_set;
}

static type_ref safe_literal(const struct phi_value *v)
{
    switch (v->kind) {
    case PHI_VALUE_BOOL: return &type_bool;
    case PHI_VALUE_LONG: return &type_long;
    case PHI_VALUE_STRING: return &type_string;
    case PHI_VALUE_ENTITY: return &type_entity;
    case PHI_VALUE_SET: return &type_set;
    case PHI_VALUE_RECORD: return &type_record;
    case PHI_VALUE_EXT: return &type_exts[v->u.ext.kind];
    case PHI_VALUE_UNKNOWN: break;
    }
    return &type_any;
}

static bool needs_ext(enum cedar_fn fn, enum cedar_ext *ret)
{
    if (fn >= FN_LESS_THAN && fn <= FN_GREATER_THAN_OR_EQUAL)
        *ret = CEDAR_DECIMAL;
    else if (fn >= FN_IS_IPV4 && fn <= FN_IS_IN_RANGE)
        *ret = CEDAR_IP;
    else if (fn >= FN_TO_MILLISECONDS)
        *ret = CEDAR_DURATION;
    else
        return false;
    return true;
}

static type_ref safe_call(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    enum cedar_ext ext = CEDAR_DECIMAL;
    if (e->fn <= FN_DURATION) { /* safe on a literal that reads well */
        const struct phi_value *arg = e->items[0]->op == OP_LIT ? e->items[0]->lit : NULL;
        if (arg && cedar_fn_call(w->c->arena, e->fn, &arg))
            return &type_exts[e->fn];
        return unsafe(w, e, "the text may not be a valid one");
    }
    if (!needs_ext(e->fn, &ext))
        return unsafe(w, e, "this can overflow");
    for (size_t i = 0; i < e->n; i++) {
        type_ref t = of_kind(w, e->items[i], facts, TYPE_EXT);
        if (!t)
            return NULL;
        if (t->ext != ext)
            return unsafe(w, e->items[i], "this has another type");
    }
    return ext == CEDAR_DURATION ? &type_long : &type_bool;
}

static type_ref safe_sets(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    if (!of_kind(w, e->a, facts, TYPE_SET))
        return NULL;
    type_ref b = e->op == OP_CONTAINS ? safe(w, e->b, facts) : of_kind(w, e->b, facts, TYPE_SET);
    return b ? &type_bool : NULL;
}

static type_ref boolean_if(type_ref t)
{
    return t ? &type_bool : NULL;
}

static type_ref safe(struct walk *w, const struct cedar_expr *e, const struct cedar_fact *facts)
{
    switch (e->op) {
    case OP_LIT: return safe_literal(e->lit);
    case OP_VAR: return e->var == VAR_CONTEXT ? &type_record : &type_entity;
    case OP_IF: return safe_if(w, e, facts);
    case OP_AND:
    case OP_OR: return safe_logic(w, e, facts);
    case OP_NOT: return of_kind(w, e->a, facts, TYPE_BOOL);
    case OP_EQ: return safe(w, e->a, facts) ? boolean_if(safe(w, e->b, facts)) : NULL;
    case OP_LESS:
    case OP_LESSEQ: return safe_less(w, e, facts);
    case OP_NEG:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL: return unsafe(w, e, "arithmetic can overflow");
    case OP_IN: return safe_in(w, e, facts);
    case OP_CONTAINS:
    case OP_CONTAINS_ALL:
    case OP_CONTAINS_ANY: return safe_sets(w, e, facts);
    case OP_IS_EMPTY: return boolean_if(of_kind(w, e->a, facts, TYPE_SET));
    case OP_HAS_TAG:
        return of_kind(w, e->a, facts, TYPE_ENTITY) ?
                   boolean_if(of_kind(w, e->b, facts, TYPE_STRING)) :
                   NULL;
    case OP_GET_TAG: return unsafe(w, e, "the tag may be absent");
    case OP_HAS: return safe_has(w, e, facts);
    case OP_GET: return safe_get(w, e, facts);
    case OP_LIKE: return boolean_if(of_kind(w, e->a, facts, TYPE_STRING));
    case OP_IS: return boolean_if(of_kind(w, e->a, facts, TYPE_ENTITY));
    case OP_SET:
    case OP_RECORD: return safe_items(w, e, facts);
    case OP_CALL: return safe_call(w, e, facts);
    }
    return NULL;
}

const struct cedar_type *cedar_safe(struct cedar_check *c, const struct cedar_expr *e,
                                    const struct cedar_fact *facts, const struct cedar_expr **at,
                                    const char **why)
{
    struct walk w = { c, at, why };
    return safe(&w, e, facts);
}
