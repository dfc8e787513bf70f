/* Trees as JSON. */
#include "policy/est.h"

/* Three levels for each operator. */
#define MAX_LEVELS (3 * CEDAR_MAX_EXPR_DEPTH + 16)

struct out {
    struct phi_buf *b;
    bool more; /* something stands before on this level */
    size_t n;
    char ends[MAX_LEVELS];
};

static void out_next(struct out *w)
{
    if (w->more)
        phi_buf_addc(w->b, ',');
    w->more = true;
}

static void out_open(struct out *w, char begin, char end)
{
    out_next(w);
    phi_buf_addc(w->b, (uint8_t)begin);
    if (w->n < MAX_LEVELS)
        w->ends[w->n] = end;
    w->n++;
    w->more = false;
}

static void out_obj(struct out *w)
{
    out_open(w, '{', '}');
}

static void out_arr(struct out *w)
{
    out_open(w, '[', ']');
}

static void out_end(struct out *w)
{
    w->n--;
    if (w->n < MAX_LEVELS)
        phi_buf_addc(w->b, (uint8_t)w->ends[w->n]);
    else
        w->b->bad = true;
    w->more = true;
}

static void out_str(struct out *w, struct phi_view s)
{
    struct phi_jw one;
    out_next(w);
    phi_jw_init(&one, w->b);
    phi_jw_str(&one, s);
}

static void out_cstr(struct out *w, const char *s)
{
    out_str(w, phi_view_of(s));
}

static void out_keyv(struct out *w, struct phi_view key)
{
    out_str(w, key);
    phi_buf_addc(w->b, ':');
    w->more = false;
}

static void out_key(struct out *w, const char *key)
{
    out_keyv(w, phi_view_of(key));
}

static void out_kv(struct out *w, const char *key, struct phi_view v)
{
    out_key(w, key);
    out_str(w, v);
}

static void out_kc(struct out *w, const char *key, const char *v)
{
    out_kv(w, key, phi_view_of(v));
}

static void out_int(struct out *w, int64_t v)
{
    out_next(w);
    phi_buf_printf(w->b, "%lld", (long long)v);
}

static void out_bool(struct out *w, bool v)
{
    out_next(w);
    phi_buf_adds(w->b, v ? "true" : "false");
}

static void write_uid(struct out *w, struct phi_uid uid)
{
    out_obj(w);
    out_kv(w, "type", uid.type);
    out_kv(w, "id", uid.id);
    out_end(w);
}

static void write_scope(struct out *w, const struct cedar_scope *s, const char *slot)
{
    bool list = s->kind == SCOPE_IN && s->n != 1 && !s->slot, is = s->kind == SCOPE_IS || s->kind == SCOPE_IS_IN;
    out_obj(w);
    out_kc(w, "op", s->kind == SCOPE_ANY ? "All" : s->kind == SCOPE_EQ ? "==" : is ? "is" : "in");
    if (is)
        out_kv(w, "entity_type", s->type);
    if (s->kind == SCOPE_IS_IN) {
        out_key(w, "in");
        out_obj(w);
    }
    if (s->slot)
        out_kc(w, "slot", slot);
    if (list || s->n > 0)
        out_key(w, list ? "entities" : "entity");
    if (list)
        out_arr(w);
    for (size_t i = 0; i < s->n; i++)
        write_uid(w, s->uids[i]);
    if (list)
        out_end(w);
    if (s->kind == SCOPE_IS_IN)
        out_end(w);
    out_end(w);
}

static void write_expr(struct out *w, const struct cedar_expr *e);

static void write_part(struct out *w, const char *key, const struct cedar_expr *e)
{
    out_key(w, key);
    write_expr(w, e);
}

static void write_literal(struct out *w, const struct phi_value *v)
{
    out_key(w, "Value");
    if (v->kind == PHI_VALUE_BOOL)
        out_bool(w, v->u.b);
    else if (v->kind == PHI_VALUE_LONG)
        out_int(w, v->u.i);
    else if (v->kind == PHI_VALUE_STRING)
        out_str(w, v->u.s);
    else {
        out_obj(w);
        out_key(w, "__entity");
        write_uid(w, v->u.uid);
        out_end(w);
    }
}

static const char *const names[] = {
    [OP_AND] = "&&", [OP_OR] = "||", [OP_EQ] = "==", [OP_LESS] = "<", [OP_LESSEQ] = "<=", [OP_ADD] = "+", [OP_SUB] = "-",
    [OP_MUL] = "*", [OP_IN] = "in", [OP_CONTAINS] = "contains", [OP_CONTAINS_ALL] = "containsAll",
    [OP_CONTAINS_ANY] = "containsAny", [OP_HAS_TAG] = "hasTag", [OP_GET_TAG] = "getTag", [OP_NOT] = "!", [OP_NEG] = "neg",
    [OP_IS_EMPTY] = "isEmpty", [OP_GET] = ".", [OP_HAS] = "has", [OP_LIKE] = "like", [OP_IS] = "is",
};

static void write_operands(struct out *w, const struct cedar_expr *e, const char *name)
{
    out_key(w, name);
    out_obj(w);
    write_part(w, e->b || e->op == OP_GET || e->op == OP_HAS || e->op == OP_LIKE || e->op == OP_IS ? "left" : "arg", e->a);
    if (e->b)
        write_part(w, "right", e->b);
    if (e->op == OP_GET || e->op == OP_HAS)
        out_kv(w, "attr", e->name);
    if (e->op == OP_IS)
        out_kv(w, "entity_type", e->name);
    if (e->op == OP_LIKE) {
        out_key(w, "pattern");
        out_arr(w);
        for (size_t i = 0; i < e->pattern->n; i++) {
            if (i > 0)
                out_cstr(w, "Wildcard");
            if (e->pattern->parts[i].n == 0)
                continue;
            out_obj(w);
            out_kv(w, "Literal", e->pattern->parts[i]);
            out_end(w);
        }
        out_end(w);
    }
    out_end(w);
}

static void write_items(struct out *w, const struct cedar_expr *e)
{
    bool record = e->op == OP_RECORD;
    out_key(w, e->op == OP_SET ? "Set" : record ? "Record" : cedar_fn_info(e->fn)->name);
    if (record)
        out_obj(w);
    else
        out_arr(w);
    for (size_t i = 0; i < e->n; i++) {
        if (record)
            out_keyv(w, e->names[i]);
        write_expr(w, e->items[i]);
    }
    out_end(w);
}

static void write_not(struct out *w, const struct cedar_expr *e)
{
    if (e->a->op == OP_EQ)
        write_operands(w, e->a, "!=");
    else if (e->a->op == OP_LESSEQ)
        write_operands(w, e->a, ">");
    else if (e->a->op == OP_LESS)
        write_operands(w, e->a, ">=");
    else
        write_operands(w, e, "!");
}

static void write_if(struct out *w, const struct cedar_expr *e)
{
    out_key(w, "if-then-else");
    out_obj(w);
    write_part(w, "if", e->a);
    write_part(w, "then", e->b);
    write_part(w, "else", e->c);
    out_end(w);
}

static void write_expr(struct out *w, const struct cedar_expr *e)
{
    static const char *const vars[] = { "principal", "action", "resource", "context" };
    out_obj(w);
    if (e->op == OP_LIT)
        write_literal(w, e->lit);
    else if (e->op == OP_VAR)
        out_kc(w, "Var", vars[e->var]);
    else if (e->op == OP_IF)
        write_if(w, e);
    else if (e->op == OP_SET || e->op == OP_RECORD || e->op == OP_CALL)
        write_items(w, e);
    else if (e->op == OP_NOT)
        write_not(w, e);
    else
        write_operands(w, e, names[e->op]);
    out_end(w);
}

static void write_policy(struct out *w, const struct cedar_policy *p)
{
    out_obj(w);
    out_kc(w, "effect", p->forbid ? "forbid" : "permit");
    out_key(w, "principal");
    write_scope(w, &p->principal, "?principal");
    out_key(w, "action");
    write_scope(w, &p->action, NULL);
    out_key(w, "resource");
    write_scope(w, &p->resource, "?resource");
    out_key(w, "conditions");
    out_arr(w);
    for (size_t i = 0; i < p->n_conds; i++) {
        out_obj(w);
        out_kc(w, "kind", p->conds[i].unless ? "unless" : "when");
        write_part(w, "body", p->conds[i].e);
        out_end(w);
    }
    out_end(w);
    if (p->n_notes > 0) {
        out_key(w, "annotations");
        out_obj(w);
        for (size_t i = 0; i < p->n_notes; i++) {
            out_keyv(w, p->notes[i].key);
            out_str(w, p->notes[i].text);
        }
        out_end(w);
    }
    out_end(w);
}

void cedar_policy_to_json(struct phi_buf *b, const struct cedar_policy *p)
{
    struct out w = { .b = b };
    write_policy(&w, p);
}

void cedar_set_to_json(struct phi_buf *b, const struct cedar_policy_set *set)
{
    struct out out = { .b = b }, *w = &out;
    const struct cedar_policies *const lists[] = { &set->policies, &set->templates };
    out_obj(w);
    for (int k = 0; k < 2; k++) {
        out_key(w, k ? "templates" : "staticPolicies");
        out_obj(w);
        for (size_t i = 0; i < lists[k]->n; i++) {
            out_keyv(w, lists[k]->p[i]->id);
            write_policy(w, lists[k]->p[i]);
        }
        out_end(w);
    }
    out_key(w, "templateLinks");
    out_arr(w);
    out_end(w);
    out_end(w);
}
