/* Trees from JSON. */
#include "policy/est.h"

struct est {
    struct phi_arena *arena;
    struct phi_err *err;
    struct phi_view id; /* of the policy, for messages */
    unsigned depth;
};

static enum phi_rc bad(struct est *r, const char *what)
{
    return phi_fail(r->err, PHI_EINPUT, "policy \"" PHI_FMT "\": %s", PHI_ARG(phi_view_upto(r->id, 60)), what);
}

static enum phi_rc bad_key(struct est *r, const char *what, struct phi_view key)
{
    return phi_fail(r->err, PHI_EINPUT, "policy \"" PHI_FMT "\": %s `" PHI_FMT "`", PHI_ARG(phi_view_upto(r->id, 60)), what,
                    PHI_ARG(phi_view_upto(key, 60)));
}

static enum phi_rc full(struct est *r)
{
    return phi_fail(r->err, PHI_ELIMIT, "the policies are too large");
}

/* ---- nodes --------------------------------------------------------------------------------------- */

static enum phi_rc node(struct est *r, enum cedar_op op, struct cedar_expr *a, struct cedar_expr *b, struct cedar_expr **ret)
{
    struct cedar_expr *e = phi_arena_new(r->arena, struct cedar_expr);
    const struct cedar_expr *const parts[] = { a, b };
    if (!e)
        return full(r);
    *e = (struct cedar_expr){ .op = op, .a = a, .b = b, .depth = 1 };
    for (int i = 0; i < 2; i++)
        if (parts[i] && parts[i]->depth >= e->depth)
            e->depth = parts[i]->depth + 1;
    *ret = e;
    return e->depth <= CEDAR_MAX_EXPR_DEPTH ? PHI_OK : phi_fail(r->err, PHI_ELIMIT, "policy \"" PHI_FMT "\": too many operators deep",
                                                                PHI_ARG(phi_view_upto(r->id, 60)));
}

static enum phi_rc many(struct est *r, enum cedar_op op, struct cedar_expr **items, size_t n, struct cedar_expr **ret)
{
    struct cedar_expr *deepest = NULL;
    for (size_t i = 0; i < n; i++)
        if (!deepest || items[i]->depth > deepest->depth)
            deepest = items[i];
    PHI_TRY(node(r, op, deepest, NULL, ret));
    (*ret)->a = NULL;
    (*ret)->items = items;
    (*ret)->n = n;
    return PHI_OK;
}

static enum phi_rc literal(struct est *r, const struct phi_value *v, struct cedar_expr **ret)
{
    if (!v)
        return full(r);
    PHI_TRY(node(r, OP_LIT, NULL, NULL, ret));
    (*ret)->lit = v;
    return PHI_OK;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static enum phi_rc read_expr(struct est *r, const struct phi_json *v, struct cedar_expr **ret);
static enum phi_rc read_value(struct est *r, const struct phi_json *v, struct cedar_expr **ret);

static enum phi_rc read_call(struct est *r, struct phi_view name, const struct phi_json *args, size_t n,
                             enum phi_rc (*read)(struct est *, const struct phi_json *, struct cedar_expr **),
                             struct cedar_expr **ret)
{
    enum cedar_fn fn = FN_DECIMAL;
    struct cedar_expr **items = phi_arena_array(r->arena, n + 1, sizeof *items);
    if (!cedar_fn_find(name, &fn))
        return bad_key(r, "there is no operator or function", name);
    if (cedar_fn_info(fn)->method && n == 0)
        return bad_key(r, "there is nothing to call it on:", name);
    for (size_t i = 0; items && i < n; i++)
        PHI_TRY(read(r, &args[i], &items[i]));
    PHI_TRY(items ? many(r, OP_CALL, items, n, ret) : full(r));
    (*ret)->fn = fn;
    return PHI_OK;
}

static enum phi_rc read_list(struct est *r, enum cedar_op op, const struct phi_json *v,
                             enum phi_rc (*read)(struct est *, const struct phi_json *, struct cedar_expr **),
                             struct cedar_expr **ret)
{
    struct cedar_expr **items = phi_arena_array(r->arena, v->n + 1, sizeof *items);
    for (size_t i = 0; items && i < v->n; i++)
        PHI_TRY(read(r, &v->items[i], &items[i]));
    PHI_TRY(items ? many(r, op, items, v->n, ret) : full(r));
    if (op == OP_RECORD)
        (*ret)->names = v->keys;
    return PHI_OK;
}

static enum phi_rc read_value_object(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    const struct phi_json *extn = v->n == 1 ? phi_json_get(v, "__extn") : NULL;
    if (v->n == 1 && phi_json_get(v, "__entity")) {
        struct phi_uid uid;
        PHI_TRY(phi_uid_from_json(v, &uid, r->err));
        return literal(r, phi_value_entity(r->arena, uid), ret);
    }
    if (!extn)
        return read_list(r, OP_RECORD, v, read_value, ret);
    const struct phi_json *arg = phi_json_get(extn, "arg"), *args = phi_json_get(extn, "args");
    if (arg)
        return read_call(r, phi_json_text(extn, "fn"), arg, 1, read_value, ret);
    if (!args || args->kind != PHI_JSON_ARR)
        return bad(r, "__extn must be {\"fn\":\"ip\",\"arg\":\"10.0.0.1\"}");
    return read_call(r, phi_json_text(extn, "fn"), args->items, args->n, read_value, ret);
}

static enum phi_rc read_value(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    switch (v->kind) {
    case PHI_JSON_BOOL: return literal(r, cedar_bool(v->b), ret);
    case PHI_JSON_INT: return literal(r, phi_value_long(r->arena, v->i), ret);
    case PHI_JSON_STR: return literal(r, phi_value_string(r->arena, v->str), ret);
    case PHI_JSON_ARR: return read_list(r, OP_SET, v, read_value, ret);
    case PHI_JSON_OBJ: return read_value_object(r, v, ret);
    case PHI_JSON_NULL:
    case PHI_JSON_REAL: break;
    }
    return bad(r, "a value must be true, false, a whole number, a string, a list or an object");
}

/* ---- operators -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum cedar_op op;
    bool negate;
} binaries[] = {
    { "==", OP_EQ, false },   { "!=", OP_EQ, true },     { "in", OP_IN, false },     { "<", OP_LESS, false },
    { "<=", OP_LESSEQ, false }, { ">", OP_LESSEQ, true }, { ">=", OP_LESS, true },    { "&&", OP_AND, false },
    { "||", OP_OR, false },   { "+", OP_ADD, false },    { "-", OP_SUB, false },     { "*", OP_MUL, false },
    { "contains", OP_CONTAINS, false }, { "containsAll", OP_CONTAINS_ALL, false }, { "containsAny", OP_CONTAINS_ANY, false },
    { "hasTag", OP_HAS_TAG, false }, { "getTag", OP_GET_TAG, false },
}, unaries[] = { { "!", OP_NOT, false }, { "neg", OP_NEG, false }, { "isEmpty", OP_IS_EMPTY, false } };

static enum phi_rc part(struct est *r, const struct phi_json *v, const char *key, struct cedar_expr **ret)
{
    const struct phi_json *p = phi_json_get(v, key);
    return p ? read_expr(r, p, ret) : bad_key(r, "an operator lacks its", phi_view_of(key));
}

static enum phi_rc read_binary(struct est *r, size_t i, const struct phi_json *v, struct cedar_expr **ret)
{
    struct cedar_expr *a = NULL, *b = NULL;
    PHI_TRY(part(r, v, "left", &a));
    PHI_TRY(part(r, v, "right", &b));
    PHI_TRY(node(r, binaries[i].op, a, b, ret));
    return binaries[i].negate ? node(r, OP_NOT, *ret, NULL, ret) : PHI_OK;
}

static enum phi_rc read_get(struct est *r, enum cedar_op op, struct cedar_expr *a, const struct phi_json *name,
                            struct cedar_expr **ret)
{
    PHI_TRY(node(r, op, a, NULL, ret));
    return phi_json_str(name, &(*ret)->name) ? PHI_OK : bad(r, "attr must be an attribute's name");
}

/* {"left": e, "attr": "a"}, or ["a", "b"] for e has a.b */
static enum phi_rc read_has(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    const struct phi_json *attr = phi_json_get(v, "attr");
    struct cedar_expr *a = NULL, *all = NULL, *has = NULL;
    PHI_TRY(part(r, v, "left", &a));
    if (!attr || attr->kind != PHI_JSON_ARR)
        return read_get(r, OP_HAS, a, attr, ret);
    if (attr->n == 0)
        return bad(r, "attr must name an attribute");
    for (size_t i = 0; i < attr->n; i++) {
        PHI_TRY(read_get(r, OP_HAS, a, &attr->items[i], &has));
        PHI_TRY(all ? node(r, OP_AND, all, has, &all) : PHI_OK);
        all = all ? all : has;
        PHI_TRY(read_get(r, OP_GET, a, &attr->items[i], &a));
    }
    *ret = all;
    return PHI_OK;
}

static enum phi_rc read_is(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    const struct phi_json *in = phi_json_get(v, "in");
    struct cedar_expr *a = NULL, *is = NULL, *b = NULL;
    PHI_TRY(part(r, v, "left", &a));
    PHI_TRY(node(r, OP_IS, a, NULL, &is));
    if (!phi_json_str(phi_json_get(v, "entity_type"), &is->name) || !cedar_is_type(is->name))
        return bad(r, "entity_type must be a type's name");
    *ret = is;
    if (!in)
        return PHI_OK;
    PHI_TRY(read_expr(r, in, &b));
    PHI_TRY(node(r, OP_IN, a, b, &b));
    return node(r, OP_AND, is, b, ret);
}

/* ["Wildcard", {"Literal": "text"}, …]; literals that touch are one part. */
static enum phi_rc read_pattern(struct est *r, const struct phi_json *v, const struct cedar_pattern **ret)
{
    size_t max = v && v->kind == PHI_JSON_ARR ? v->n : 0;
    struct cedar_pattern *p = phi_arena_new(r->arena, struct cedar_pattern);
    struct phi_view *parts = phi_arena_array(r->arena, max + 1, sizeof *parts);
    if (!p || !parts)
        return full(r);
    *p = (struct cedar_pattern){ parts, 1 };
    *ret = p;
    if (!v || v->kind != PHI_JSON_ARR)
        return bad(r, "pattern must be a list of \"Wildcard\" and {\"Literal\":\"text\"}");
    for (size_t i = 0; i < v->n; i++) {
        struct phi_view text, *last = &parts[p->n - 1];
        if (phi_json_str(&v->items[i], &text) && phi_view_is(text, "Wildcard"))
            p->n++;
        else if (!phi_json_str(phi_json_get(&v->items[i], "Literal"), &text))
            return bad(r, "pattern must be a list of \"Wildcard\" and {\"Literal\":\"text\"}");
        else
            *last = last->n ? phi_arena_printf(r->arena, PHI_FMT PHI_FMT, PHI_ARG(*last), PHI_ARG(text)) : text;
    }
    return PHI_OK;
}

static enum phi_rc read_if(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    struct cedar_expr *a = NULL, *b = NULL, *c = NULL, *deeper = NULL;
    PHI_TRY(part(r, v, "if", &a));
    PHI_TRY(part(r, v, "then", &b));
    PHI_TRY(part(r, v, "else", &c));
    deeper = b->depth > c->depth ? b : c;
    PHI_TRY(node(r, OP_IF, a, deeper, ret));
    (*ret)->b = b;
    (*ret)->c = c;
    return PHI_OK;
}

static enum phi_rc read_var(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    static const char *const vars[] = { "principal", "action", "resource", "context" };
    PHI_TRY(node(r, OP_VAR, NULL, NULL, ret));
    for (unsigned i = 0; i < 4; i++) {
        (*ret)->var = (enum cedar_var)i;
        if (v->kind == PHI_JSON_STR && phi_view_is(v->str, vars[i]))
            return PHI_OK;
    }
    return bad(r, "Var must be principal, action, resource or context");
}

static enum phi_rc read_op(struct est *r, struct phi_view key, const struct phi_json *v, struct cedar_expr **ret)
{
    struct cedar_expr *a = NULL;
    if (phi_view_is(key, "Value"))
        return read_value(r, v, ret);
    if (phi_view_is(key, "Var"))
        return read_var(r, v, ret);
    if (phi_view_is(key, "if-then-else"))
        return read_if(r, v, ret);
    if (phi_view_is(key, "Set") && v->kind == PHI_JSON_ARR)
        return read_list(r, OP_SET, v, read_expr, ret);
    if (phi_view_is(key, "Record") && v->kind == PHI_JSON_OBJ)
        return read_list(r, OP_RECORD, v, read_expr, ret);
    if (phi_view_is(key, "has"))
        return read_has(r, v, ret);
    if (phi_view_is(key, "is"))
        return read_is(r, v, ret);
    if (phi_view_is(key, ".")) {
        PHI_TRY(part(r, v, "left", &a));
        return read_get(r, OP_GET, a, phi_json_get(v, "attr"), ret);
    }
    if (phi_view_is(key, "like")) {
        PHI_TRY(part(r, v, "left", &a));
        PHI_TRY(node(r, OP_LIKE, a, NULL, ret));
        return read_pattern(r, phi_json_get(v, "pattern"), &(*ret)->pattern);
    }
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (phi_view_is(key, binaries[i].name))
            return read_binary(r, i, v, ret);
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) {
        if (!phi_view_is(key, unaries[i].name))
            continue;
        PHI_TRY(part(r, v, "arg", &a));
        return node(r, unaries[i].op, a, NULL, ret);
    }
    if (v->kind == PHI_JSON_ARR)
        return read_call(r, key, v->items, v->n, read_expr, ret);
    return bad_key(r, "there is no operator or function", key);
}

static enum phi_rc read_expr(struct est *r, const struct phi_json *v, struct cedar_expr **ret)
{
    if (v->kind != PHI_JSON_OBJ || v->n != 1)
        return bad(r, "an expression must be an object with one key, its operator");
    if (++r->depth > CEDAR_MAX_EXPR_DEPTH)
        return bad(r, "too many operators deep");
    PHI_TRY(read_op(r, v->keys[0], &v->items[0], ret));
    r->depth--;
    return PHI_OK;
}

/* ---- policies ------------------------------------------------------------------------------------------ */

static enum phi_rc read_uid(struct est *r, const struct phi_json *v, struct phi_uid **uids, size_t *n)
{
    *uids = phi_arena_array(r->arena, 1, sizeof **uids);
    *n = 1;
    return *uids ? phi_uid_from_json(v, *uids, r->err) : full(r);
}

static enum phi_rc read_in(struct est *r, const struct phi_json *v, const char *slot, struct cedar_scope *s)
{
    const struct phi_json *list = phi_json_get(v, "entities");
    struct phi_view name;
    struct phi_uid *uids = NULL;
    if (phi_json_str(phi_json_get(v, "slot"), &name)) {
        s->slot = slot && phi_view_is(name, slot);
        return s->slot ? PHI_OK : bad_key(r, "this slot may not stand here:", name);
    }
    if (!list || slot) {
        PHI_TRY(read_uid(r, phi_json_get(v, "entity"), &uids, &s->n));
        s->uids = uids;
        return PHI_OK;
    }
    if (list->kind != PHI_JSON_ARR || s->kind != SCOPE_IN || !(uids = phi_arena_array(r->arena, list->n + 1, sizeof *uids)))
        return bad(r, "entities must be a list, of an action `in`");
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(phi_uid_from_json(&list->items[i], &uids[i], r->err));
    s->uids = uids;
    s->n = list->n;
    return PHI_OK;
}

/* `slot` NULL: of the action. */
static enum phi_rc read_scope(struct est *r, const struct phi_json *v, const char *slot, struct cedar_scope *s)
{
    struct phi_view op = phi_json_text(v, "op");
    const struct phi_json *in = phi_json_get(v, "in");
    if (phi_view_is(op, "All"))
        return PHI_OK;
    s->kind = phi_view_is(op, "==") ? SCOPE_EQ : phi_view_is(op, "in") ? SCOPE_IN : SCOPE_IS;
    if (s->kind != SCOPE_IS)
        return read_in(r, v, slot, s);
    s->type = phi_json_text(v, "entity_type");
    if (!phi_view_is(op, "is") || !slot || !cedar_is_type(s->type))
        return bad(r, "a scope must be {\"op\":\"All\"}, ==, in or is");
    if (!in)
        return PHI_OK;
    s->kind = SCOPE_IS_IN;
    return read_in(r, in, slot, s);
}

static enum phi_rc read_conds(struct est *r, const struct phi_json *list, struct cedar_policy *p)
{
    if (!list || list->kind != PHI_JSON_ARR)
        return bad(r, "conditions must be a list");
    struct cedar_cond *conds = phi_arena_array(r->arena, list->n + 1, sizeof *conds);
    if (!conds)
        return full(r);
    for (size_t i = 0; i < list->n; i++) {
        struct phi_view kind = phi_json_text(&list->items[i], "kind");
        conds[i].unless = phi_view_is(kind, "unless");
        if (!conds[i].unless && !phi_view_is(kind, "when"))
            return bad(r, "a condition's kind must be when or unless");
        PHI_TRY(part(r, &list->items[i], "body", &conds[i].e));
    }
    p->conds = conds;
    p->n_conds = list->n;
    return PHI_OK;
}

static enum phi_rc read_notes(struct est *r, const struct phi_json *v, struct cedar_policy *p)
{
    if (!v)
        return PHI_OK;
    struct cedar_note *notes = v->kind == PHI_JSON_OBJ ? phi_arena_array(r->arena, v->n + 1, sizeof *notes) : NULL;
    if (!notes)
        return bad(r, "annotations must be an object");
    for (size_t i = 0; i < v->n; i++) {
        notes[i].key = v->keys[i];
        if (!cedar_is_word(v->keys[i]) ||
            (!phi_json_str(&v->items[i], &notes[i].text) && v->items[i].kind != PHI_JSON_NULL))
            return bad_key(r, "an annotation must be an identifier with a text or null, not", v->keys[i]);
        if (phi_view_is(notes[i].key, "id"))
            p->id = notes[i].text;
        if (phi_view_is(notes[i].key, "why"))
            p->why = notes[i].text;
    }
    p->notes = notes;
    p->n_notes = v->n;
    return PHI_OK;
}

enum phi_rc cedar_policy_from_json(struct phi_arena *a, const struct phi_json *v, struct phi_view id,
                                   struct cedar_policy **ret, struct phi_err *err)
{
    static const char *const keys[] = { "effect", "principal", "action", "resource", "conditions", "annotations", NULL };
    struct est r = { .arena = a, .err = err, .id = id };
    struct cedar_policy *p = phi_arena_new(a, struct cedar_policy);
    if (!p)
        return full(&r);
    if (!v || v->kind != PHI_JSON_OBJ)
        return bad(&r, "a policy must be an object");
    PHI_TRY(phi_json_only(v, keys, err));
    p->id = id;
    p->forbid = phi_view_is(phi_json_text(v, "effect"), "forbid");
    if (!p->forbid && !phi_view_is(phi_json_text(v, "effect"), "permit"))
        return bad(&r, "effect must be permit or forbid");
    PHI_TRY(read_scope(&r, phi_json_get(v, "principal"), "?principal", &p->principal));
    PHI_TRY(read_scope(&r, phi_json_get(v, "action"), NULL, &p->action));
    PHI_TRY(read_scope(&r, phi_json_get(v, "resource"), "?resource", &p->resource));
    for (size_t i = 0; i < p->action.n; i++)
        if (!cedar_is_action_type(p->action.uids[i].type))
            return bad(&r, "the action must be of a type `Action`");
    PHI_TRY(read_conds(&r, phi_json_get(v, "conditions"), p));
    PHI_TRY(read_notes(&r, phi_json_get(v, "annotations"), p));
    if (!phi_arena_ok(a))
        return full(&r);
    *ret = p;
    return PHI_OK;
}
