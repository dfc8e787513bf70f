/* Trees as Cedar text. */
#include "policy/est.h"

#include "base/text.h"

enum prec { PREC_EXPR, PREC_OR, PREC_AND, PREC_RELATION, PREC_ADD, PREC_MUL, PREC_UNARY, PREC_MEMBER };

bool cedar_is_ident(struct phi_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i], low = c | 0x20;
        if (c != '_' && !(low >= 'a' && low <= 'z') && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.n > 0 && !cedar_is_reserved(name);
}

static void write_escaped(struct phi_buf *b, struct phi_view s, bool pattern)
{
    for (; s.n > 0;) {
        uint32_t c = 0;
        size_t n = phi_utf8_next(s, &c);
        if (n > 0 && c >= ' ' && c != '"' && c != '\\' && !(pattern && c == '*') && (c < 0x7f || c > 0xa0))
            phi_buf_add(b, phi_view_upto(s, n));
        else if (c == '"' || c == '\\' || c == '*')
            phi_buf_printf(b, "\\%c", (char)c);
        else
            phi_buf_printf(b, "\\u{%x}", n > 0 ? c : 0xfffdU);
        s = phi_view_from(s, n > 0 ? n : 1);
    }
}

void cedar_string_write(struct phi_buf *b, struct phi_view s)
{
    phi_buf_addc(b, '"');
    write_escaped(b, s, false);
    phi_buf_addc(b, '"');
}

static void write_name(struct phi_buf *b, struct phi_view name)
{
    if (cedar_is_ident(name))
        phi_buf_add(b, name);
    else
        cedar_string_write(b, name);
}

static void write_expr(struct phi_buf *b, const struct cedar_expr *e, enum prec least);

static const struct binary {
    const char *text;
    enum prec self, left, right;
} binaries[] = {
    [OP_AND] = { "&&", PREC_AND, PREC_AND, PREC_RELATION },
    [OP_OR] = { "||", PREC_OR, PREC_OR, PREC_AND },
    [OP_EQ] = { "==", PREC_RELATION, PREC_ADD, PREC_ADD },
    [OP_LESS] = { "<", PREC_RELATION, PREC_ADD, PREC_ADD },
    [OP_LESSEQ] = { "<=", PREC_RELATION, PREC_ADD, PREC_ADD },
    [OP_IN] = { "in", PREC_RELATION, PREC_ADD, PREC_ADD },
    [OP_ADD] = { "+", PREC_ADD, PREC_ADD, PREC_MUL },
    [OP_SUB] = { "-", PREC_ADD, PREC_ADD, PREC_MUL },
    [OP_MUL] = { "*", PREC_MUL, PREC_MUL, PREC_UNARY },
};

/* `a != b` and its like, which the parser took apart. */
static const char *negated_text(const struct cedar_expr *e)
{
    if (e->op != OP_NOT)
        return NULL;
    return e->a->op == OP_EQ ? "!=" : e->a->op == OP_LESSEQ ? ">" : e->a->op == OP_LESS ? ">=" : NULL;
}

static enum prec prec_of(const struct cedar_expr *e)
{
    switch (e->op) {
    case OP_IF: return PREC_EXPR;
    case OP_AND:
    case OP_OR:
    case OP_EQ:
    case OP_LESS:
    case OP_LESSEQ:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_IN: return binaries[e->op].self;
    case OP_HAS:
    case OP_LIKE:
    case OP_IS: return PREC_RELATION;
    case OP_NOT: return negated_text(e) ? PREC_RELATION : PREC_UNARY;
    case OP_NEG: return PREC_UNARY;
    case OP_LIT: return e->lit->kind == PHI_VALUE_LONG && e->lit->u.i < 0 ? PREC_UNARY : PREC_MEMBER;
    case OP_VAR:
    case OP_CONTAINS:
    case OP_CONTAINS_ALL:
    case OP_CONTAINS_ANY:
    case OP_IS_EMPTY:
    case OP_HAS_TAG:
    case OP_GET_TAG:
    case OP_GET:
    case OP_SET:
    case OP_RECORD:
    case OP_CALL: break;
    }
    return PREC_MEMBER;
}

static void write_literal(struct phi_buf *b, const struct phi_value *v)
{
    if (v->kind == PHI_VALUE_BOOL)
        phi_buf_adds(b, v->u.b ? "true" : "false");
    else if (v->kind == PHI_VALUE_LONG)
        phi_buf_printf(b, "%lld", (long long)v->u.i);
    else if (v->kind == PHI_VALUE_STRING)
        cedar_string_write(b, v->u.s);
    else if (v->kind == PHI_VALUE_ENTITY)
        phi_uid_write(b, v->u.uid);
}

static void write_binary(struct phi_buf *b, const struct cedar_expr *e, const char *text, const struct binary *how)
{
    write_expr(b, e->a, how->left);
    phi_buf_printf(b, " %s ", text);
    write_expr(b, e->b, how->right);
}

static void write_unary(struct phi_buf *b, const struct cedar_expr *e)
{
    bool wrap = e->op == OP_NEG || e->a->op == OP_NEG || e->a->op == OP_NOT; /* `-5` is one literal, `!!!!!` too long */
    phi_buf_addc(b, e->op == OP_NOT ? '!' : '-');
    if (wrap)
        phi_buf_addc(b, '(');
    write_expr(b, e->a, wrap ? PREC_EXPR : PREC_MEMBER);
    if (wrap)
        phi_buf_addc(b, ')');
}

static void write_items(struct phi_buf *b, const struct cedar_expr *e, size_t from)
{
    for (size_t i = from; i < e->n; i++) {
        if (i > from)
            phi_buf_adds(b, ", ");
        if (e->op == OP_RECORD) {
            write_name(b, e->names[i]);
            phi_buf_adds(b, ": ");
        }
        write_expr(b, e->items[i], PREC_EXPR);
    }
}

static void write_call(struct phi_buf *b, const struct cedar_expr *e)
{
    bool method = cedar_fn_info(e->fn)->method && e->n > 0;
    if (method) {
        write_expr(b, e->items[0], PREC_MEMBER);
        phi_buf_addc(b, '.');
    }
    phi_buf_printf(b, "%s(", cedar_fn_info(e->fn)->name);
    write_items(b, e, method);
    phi_buf_addc(b, ')');
}

static void write_method(struct phi_buf *b, const struct cedar_expr *e, const char *name)
{
    write_expr(b, e->a, PREC_MEMBER);
    phi_buf_printf(b, ".%s(", name);
    if (e->b)
        write_expr(b, e->b, PREC_EXPR);
    phi_buf_addc(b, ')');
}

static void write_like(struct phi_buf *b, const struct cedar_expr *e)
{
    write_expr(b, e->a, PREC_ADD);
    phi_buf_adds(b, " like \"");
    for (size_t i = 0; i < e->pattern->n; i++) {
        phi_buf_adds(b, i ? "*" : "");
        write_escaped(b, e->pattern->parts[i], true);
    }
    phi_buf_addc(b, '"');
}

static void write_get(struct phi_buf *b, const struct cedar_expr *e)
{
    write_expr(b, e->a, PREC_MEMBER);
    phi_buf_adds(b, cedar_is_ident(e->name) ? "." : "[");
    write_name(b, e->name);
    phi_buf_adds(b, cedar_is_ident(e->name) ? "" : "]");
}

static void write_if(struct phi_buf *b, const struct cedar_expr *e)
{
    phi_buf_adds(b, "if ");
    write_expr(b, e->a, PREC_EXPR);
    phi_buf_adds(b, " then ");
    write_expr(b, e->b, PREC_EXPR);
    phi_buf_adds(b, " else ");
    write_expr(b, e->c, PREC_EXPR);
}

static void write_bare(struct phi_buf *b, const struct cedar_expr *e)
{
    static const char *const vars[] = { "principal", "action", "resource", "context" };
    switch (e->op) {
    case OP_LIT: write_literal(b, e->lit); return;
    case OP_VAR: phi_buf_adds(b, vars[e->var]); return;
    case OP_IF: write_if(b, e); return;
    case OP_AND:
    case OP_OR:
    case OP_EQ:
    case OP_LESS:
    case OP_LESSEQ:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_IN: write_binary(b, e, binaries[e->op].text, &binaries[e->op]); return;
    case OP_NOT:
        if (negated_text(e))
            write_binary(b, e->a, negated_text(e), &binaries[OP_EQ]);
        else
            write_unary(b, e);
        return;
    case OP_NEG: write_unary(b, e); return;
    case OP_CONTAINS: write_method(b, e, "contains"); return;
    case OP_CONTAINS_ALL: write_method(b, e, "containsAll"); return;
    case OP_CONTAINS_ANY: write_method(b, e, "containsAny"); return;
    case OP_IS_EMPTY: write_method(b, e, "isEmpty"); return;
    case OP_HAS_TAG: write_method(b, e, "hasTag"); return;
    case OP_GET_TAG: write_method(b, e, "getTag"); return;
    case OP_HAS:
        write_expr(b, e->a, PREC_ADD);
        phi_buf_adds(b, " has ");
        write_name(b, e->name);
        return;
    case OP_GET: write_get(b, e); return;
    case OP_LIKE: write_like(b, e); return;
    case OP_IS:
        write_expr(b, e->a, PREC_ADD);
        phi_buf_printf(b, " is " PHI_FMT, PHI_ARG(e->name));
        return;
    case OP_SET:
    case OP_RECORD:
        phi_buf_addc(b, e->op == OP_SET ? '[' : '{');
        write_items(b, e, 0);
        phi_buf_addc(b, e->op == OP_SET ? ']' : '}');
        return;
    case OP_CALL: write_call(b, e); return;
    }
}

static void write_expr(struct phi_buf *b, const struct cedar_expr *e, enum prec least)
{
    bool wrap = prec_of(e) < least;
    if (wrap)
        phi_buf_addc(b, '(');
    write_bare(b, e);
    if (wrap)
        phi_buf_addc(b, ')');
}

void cedar_expr_write(struct phi_buf *b, const struct cedar_expr *e)
{
    write_expr(b, e, PREC_EXPR);
}

static void write_uids(struct phi_buf *b, const struct cedar_scope *s, const char *var, bool list)
{
    if (s->slot)
        phi_buf_printf(b, "?%s", var);
    phi_buf_adds(b, list ? "[" : "");
    for (size_t i = 0; i < s->n; i++) {
        phi_buf_adds(b, i ? ", " : "");
        phi_uid_write(b, s->uids[i]);
    }
    phi_buf_adds(b, list ? "]" : "");
}

static void write_scope(struct phi_buf *b, const struct cedar_scope *s, const char *var)
{
    phi_buf_adds(b, var);
    if (s->kind == SCOPE_IS || s->kind == SCOPE_IS_IN)
        phi_buf_printf(b, " is " PHI_FMT, PHI_ARG(s->type));
    if (s->kind == SCOPE_EQ || s->kind == SCOPE_IN || s->kind == SCOPE_IS_IN) {
        phi_buf_adds(b, s->kind == SCOPE_EQ ? " == " : " in ");
        write_uids(b, s, var, s->kind == SCOPE_IN && s->n != 1 && !s->slot);
    }
}

void cedar_policy_write(struct phi_buf *b, const struct cedar_policy *p)
{
    for (size_t i = 0; i < p->n_notes; i++) {
        phi_buf_printf(b, "@" PHI_FMT "(", PHI_ARG(p->notes[i].key));
        cedar_string_write(b, p->notes[i].text);
        phi_buf_adds(b, ")\n");
    }
    phi_buf_adds(b, p->forbid ? "forbid (" : "permit (");
    write_scope(b, &p->principal, "principal");
    phi_buf_adds(b, ", ");
    write_scope(b, &p->action, "action");
    phi_buf_adds(b, ", ");
    write_scope(b, &p->resource, "resource");
    phi_buf_addc(b, ')');
    for (size_t i = 0; i < p->n_conds; i++) {
        phi_buf_adds(b, p->conds[i].unless ? "\nunless { " : "\nwhen { ");
        write_expr(b, p->conds[i].e, PREC_EXPR);
        phi_buf_adds(b, " }");
    }
    phi_buf_adds(b, ";\n");
}
