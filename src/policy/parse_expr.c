/* Expressions, desugared while they are read. */
#include "policy/syntax.h"

static enum phi_rc full(struct cedar_lex *l)
{
    return phi_fail(l->err, PHI_ELIMIT, "%s is too large", l->file);
}

static enum phi_rc limit_depth(struct cedar_lex *l, const struct cedar_expr *e)
{
    if (e->depth <= CEDAR_MAX_EXPR_DEPTH)
        return PHI_OK;
    return phi_fail(l->err, PHI_ELIMIT, "%s:%u:%u: more than %d operators deep; use a set or several policies",
                    l->file, e->at.line, e->at.col, CEDAR_MAX_EXPR_DEPTH);
}

static void deepen(struct cedar_expr *e, const struct cedar_expr *operand)
{
    if (operand && operand->depth >= e->depth)
        e->depth = operand->depth + 1;
}

static enum phi_rc node(struct cedar_lex *l, enum cedar_op op, struct cedar_place at,
                        struct cedar_expr *a, struct cedar_expr *b, struct cedar_expr **ret)
{
    struct cedar_expr *e = phi_arena_new(l->arena, struct cedar_expr);
    if (!e)
        return full(l);
    e->op = op;
    e->at = at;
    e->op_at = at;
    e->from = a ? a->from : (uint32_t)l->last;
    e->to = (uint32_t)l->last;
    e->a = a;
    e->b = b;
    e->depth = 1;
    deepen(e, a);
    deepen(e, b);
    *ret = e;
    return limit_depth(l, e);
}

static enum phi_rc literal(struct cedar_lex *l, struct cedar_place at, const struct phi_value *v,
                           struct cedar_expr **ret)
{
    if (!v)
        return full(l);
    PHI_TRY(node(l, OP_LIT, at, NULL, NULL, ret));
    (*ret)->lit = v;
    return PHI_OK;
}

static enum phi_rc negated(struct cedar_lex *l, struct cedar_expr **e)
{
    return node(l, OP_NOT, (*e)->at, *e, NULL, e);
}

/* `sign` is -1 when a minus belongs to the literal: so that the least Long can be written. */
static enum phi_rc parse_int(struct cedar_lex *l, struct cedar_place at, int sign,
                             struct cedar_expr **ret)
{
    uint64_t v = 0;
    const uint64_t max = (uint64_t)INT64_MAX + (sign < 0);
    for (size_t i = 0; i < l->tok.text.n; i++) {
        unsigned d = l->tok.text.p[i] - '0';
        if (v > (max - d) / 10)
            return cedar_fail(l, at, "this number is outside of 64 bits");
        v = v * 10 + d;
    }
    int64_t i = sign < 0 ? (int64_t)(0 - v) : (int64_t)v;
    PHI_TRY(cedar_lex_next(l));
    return literal(l, at, phi_value_long(l->arena, i), ret);
}

/* Expressions up to `close`, which is taken. */
static enum phi_rc parse_list(struct cedar_lex *l, enum cedar_tok close, struct cedar_list *list)
{
    bool more = l->tok.kind != close;
    while (more) {
        struct cedar_expr *e = NULL;
        PHI_TRY(cedar_parse_expr(l, &e));
        if (!cedar_list_add(l->arena, list, e))
            return full(l);
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != close;
    }
    return cedar_lex_take(l, close, close == TOK_RBRACK ? "`,` or `]`" : "`,` or `)`");
}

static enum phi_rc with_items(struct cedar_lex *l, enum cedar_op op, struct cedar_place at,
                              const struct cedar_list *list, struct cedar_expr **ret)
{
    struct cedar_expr *e = NULL;
    PHI_TRY(node(l, op, at, NULL, NULL, &e));
    e->items = (struct cedar_expr *const *)list->p;
    e->n = list->n;
    for (size_t i = 0; i < e->n; i++)
        deepen(e, e->items[i]);
    *ret = e;
    return limit_depth(l, e);
}

static enum phi_rc parse_key(struct cedar_lex *l, struct phi_view *ret)
{
    if (l->tok.kind == TOK_STRING)
        PHI_TRY(cedar_unescape(l, &l->tok, ret, NULL));
    else if (l->tok.kind == TOK_IDENT && !cedar_is_reserved(l->tok.text))
        *ret = l->tok.text;
    else
        return cedar_lex_unexpected(l, "an attribute's name");
    return cedar_lex_next(l);
}

static enum phi_rc parse_record(struct cedar_lex *l, struct cedar_place at, struct cedar_expr **ret)
{
    struct cedar_list items = { 0 }, keys = { 0 };
    bool more = l->tok.kind != TOK_RBRACE;
    while (more) {
        struct phi_view *key = phi_arena_new(l->arena, struct phi_view);
        struct cedar_expr *e = NULL;
        if (!key)
            return full(l);
        PHI_TRY(parse_key(l, key));
        PHI_TRY(cedar_lex_take(l, TOK_COLON, "`:`"));
        PHI_TRY(cedar_parse_expr(l, &e));
        if (!cedar_list_add(l->arena, &keys, key) || !cedar_list_add(l->arena, &items, e))
            return full(l);
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACE;
    }
    PHI_TRY(cedar_lex_take(l, TOK_RBRACE, "`,` or `}`"));
    PHI_TRY(with_items(l, OP_RECORD, at, &items, ret));
    struct phi_view *names = phi_arena_array(l->arena, keys.n + 1, sizeof *names);
    if (!names)
        return full(l);
    for (size_t i = 0; i < keys.n; i++)
        names[i] = *(struct phi_view *)keys.p[i];
    (*ret)->names = names;
    bool over = false;
    const struct phi_view *twice = cedar_first_double(l->arena, names, keys.n, &over);
    if (over)
        return full(l);
    return twice ? cedar_fail(l, at, "this record has the attribute `" PHI_FMT "` twice", PHI_ARG(phi_view_upto(*twice, 60))) : PHI_OK;
}

static enum phi_rc parse_function(struct cedar_lex *l, struct cedar_place at, struct phi_view name,
                                  struct cedar_expr **ret)
{
    enum cedar_fn fn = FN_DECIMAL;
    struct cedar_list args = { 0 };
    if (!cedar_fn_find(name, &fn) || cedar_fn_info(fn)->method)
        return cedar_fail(l, at, "`" PHI_FMT "` is no function; there are decimal, ip, datetime, duration",
                          PHI_ARG(name));
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(parse_list(l, TOK_RPAREN, &args));
    PHI_TRY(with_items(l, OP_CALL, at, &args, ret));
    (*ret)->fn = fn;
    return PHI_OK;
}

static enum phi_rc parse_var(struct cedar_lex *l, struct cedar_place at, struct phi_view name,
                             struct cedar_expr **ret)
{
    static const char *const vars[] = { "principal", "action", "resource", "context" };
    for (unsigned i = 0; i < 4; i++) {
        if (!phi_view_is(name, vars[i]))
            continue;
        PHI_TRY(node(l, OP_VAR, at, NULL, NULL, ret));
        (*ret)->var = (enum cedar_var)i;
        return PHI_OK;
    }
    return cedar_fail(l, at, "`" PHI_FMT "` means nothing; write principal, action, resource, context or an entity",
                      PHI_ARG(name));
}

static enum phi_rc parse_name(struct cedar_lex *l, struct cedar_expr **ret)
{
    struct cedar_place at = l->tok.at;
    struct phi_uid uid = { 0 };
    bool entity = false;
    if (cedar_lex_is(l, "true") || cedar_lex_is(l, "false")) {
        const struct phi_value *v = cedar_bool(cedar_lex_is(l, "true"));
        PHI_TRY(cedar_lex_next(l));
        return literal(l, at, v, ret);
    }
    PHI_TRY(cedar_lex_path(l, &uid.type, &entity));
    if (entity) {
        PHI_TRY(cedar_unescape(l, &l->tok, &uid.id, NULL));
        PHI_TRY(cedar_lex_next(l));
        return literal(l, at, phi_value_entity(l->arena, uid), ret);
    }
    if (l->tok.kind == TOK_LPAREN)
        return parse_function(l, at, uid.type, ret);
    return parse_var(l, at, uid.type, ret);
}

/* `e` is what stands in the text from there to here. */
static enum phi_rc spans(const struct cedar_lex *l, uint32_t from, struct cedar_expr *e)
{
    e->from = from;
    e->to = (uint32_t)l->last;
    return PHI_OK;
}

static enum phi_rc parse_bare(struct cedar_lex *l, struct cedar_expr **ret)
{
    struct cedar_token t = l->tok;
    struct phi_view text;
    struct cedar_list list = { 0 };
    bool took = false;
    if (t.kind == TOK_IDENT)
        return parse_name(l, ret);
    if (t.kind == TOK_INT)
        return parse_int(l, t.at, 1, ret);
    if (t.kind == TOK_STRING) {
        PHI_TRY(cedar_unescape(l, &t, &text, NULL));
        PHI_TRY(cedar_lex_next(l));
        return literal(l, t.at, phi_value_string(l->arena, text), ret);
    }
    PHI_TRY(cedar_lex_maybe(l, TOK_LPAREN, &took));
    if (took) {
        PHI_TRY(cedar_parse_expr(l, ret));
        return cedar_lex_take(l, TOK_RPAREN, "`)`");
    }
    PHI_TRY(cedar_lex_maybe(l, TOK_LBRACK, &took));
    if (took) {
        PHI_TRY(parse_list(l, TOK_RBRACK, &list));
        return with_items(l, OP_SET, t.at, &list, ret);
    }
    PHI_TRY(cedar_lex_maybe(l, TOK_LBRACE, &took));
    if (took)
        return parse_record(l, t.at, ret);
    return cedar_lex_unexpected(l, "an expression");
}

static enum phi_rc parse_primary(struct cedar_lex *l, struct cedar_expr **ret)
{
    uint32_t from = l->tok.from;
    PHI_TRY(parse_bare(l, ret));
    return spans(l, from, *ret);
}

static const struct {
    const char *name;
    enum cedar_op op;
    unsigned n; /* arguments without the receiver */
} methods[] = {
    { "contains", OP_CONTAINS, 1 },       { "containsAll", OP_CONTAINS_ALL, 1 },
    { "containsAny", OP_CONTAINS_ANY, 1 }, { "isEmpty", OP_IS_EMPTY, 0 },
    { "hasTag", OP_HAS_TAG, 1 },          { "getTag", OP_GET_TAG, 1 },
};

static enum phi_rc wrong_count(struct cedar_lex *l, struct cedar_place at, struct phi_view name,
                               size_t n)
{
    return cedar_fail(l, at, "`" PHI_FMT "` takes %zu argument%s", PHI_ARG(name), n,
                      n == 1 ? "" : "s");
}

/* receiver.name( has been read */
static enum phi_rc parse_method(struct cedar_lex *l, struct cedar_place at, struct phi_view name,
                                struct cedar_expr **e)
{
    struct cedar_list args = { 0 };
    enum cedar_fn fn = FN_DECIMAL;
    if (!cedar_list_add(l->arena, &args, *e))
        return full(l);
    PHI_TRY(parse_list(l, TOK_RPAREN, &args));
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (!phi_view_is(name, methods[i].name))
            continue;
        if (args.n != methods[i].n + 1)
            return wrong_count(l, at, name, methods[i].n);
        PHI_TRY(node(l, methods[i].op, (*e)->at, *e, args.n > 1 ? args.p[1] : NULL, e));
        (*e)->op_at = at;
        return PHI_OK;
    }
    if (!cedar_fn_find(name, &fn) || !cedar_fn_info(fn)->method)
        return cedar_fail(l, at, "Cedar has no method `" PHI_FMT "`", PHI_ARG(name));
    uint32_t from = (*e)->from;
    PHI_TRY(with_items(l, OP_CALL, (*e)->at, &args, e));
    (*e)->fn = fn;
    (*e)->op_at = at;
    return spans(l, from, *e);
}

static enum phi_rc parse_index(struct cedar_lex *l, struct phi_view *name)
{
    PHI_TRY(cedar_lex_next(l));
    if (l->tok.kind != TOK_STRING)
        return cedar_lex_unexpected(l, "an attribute's name in quotes");
    PHI_TRY(cedar_unescape(l, &l->tok, name, NULL));
    PHI_TRY(cedar_lex_next(l));
    return cedar_lex_take(l, TOK_RBRACK, "`]`");
}

static enum phi_rc parse_member(struct cedar_lex *l, struct cedar_expr **e)
{
    PHI_TRY(parse_primary(l, e));
    while (l->tok.kind == TOK_DOT || l->tok.kind == TOK_LBRACK) {
        struct phi_view name = { 0 };
        struct cedar_place at = l->tok.at;
        bool call = false;
        if (l->tok.kind == TOK_LBRACK) {
            PHI_TRY(parse_index(l, &name));
        } else {
            PHI_TRY(cedar_lex_next(l));
            at = l->tok.at;
            if (l->tok.kind != TOK_IDENT || cedar_is_reserved(l->tok.text))
                return cedar_lex_unexpected(l, "an attribute or method");
            name = l->tok.text;
            PHI_TRY(cedar_lex_next(l));
            PHI_TRY(cedar_lex_maybe(l, TOK_LPAREN, &call));
            if (call) {
                PHI_TRY(parse_method(l, at, name, e));
                continue;
            }
        }
        PHI_TRY(node(l, OP_GET, (*e)->at, *e, NULL, e));
        (*e)->name = name;
        (*e)->op_at = at;
    }
    return PHI_OK;
}

/* At most four of one sign; the last minus before a number belongs to the number. */
static enum phi_rc parse_unary(struct cedar_lex *l, struct cedar_expr **e)
{
    struct cedar_place at = l->tok.at;
    enum cedar_tok sign = l->tok.kind;
    uint32_t from = l->tok.from;
    unsigned n = 0;
    if (sign != TOK_NOT && sign != TOK_MINUS)
        return parse_member(l, e);
    for (; l->tok.kind == sign; n++) {
        if (n == 4)
            return cedar_fail(l, l->tok.at, "at most four `!` or `-` may stand in a row");
        PHI_TRY(cedar_lex_next(l));
    }
    if (sign == TOK_MINUS && l->tok.kind == TOK_INT) {
        PHI_TRY(parse_int(l, at, -1, e));
        n--;
    } else {
        PHI_TRY(parse_member(l, e));
    }
    while (n-- > 0)
        PHI_TRY(node(l, sign == TOK_NOT ? OP_NOT : OP_NEG, at, *e, NULL, e));
    return spans(l, from, *e);
}

static enum phi_rc parse_mult(struct cedar_lex *l, struct cedar_expr **e)
{
    PHI_TRY(parse_unary(l, e));
    while (l->tok.kind == TOK_STAR) {
        struct cedar_expr *right = NULL;
        struct cedar_place at = l->tok.at;
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(parse_unary(l, &right));
        PHI_TRY(node(l, OP_MUL, (*e)->at, *e, right, e));
        (*e)->op_at = at;
    }
    return PHI_OK;
}

static enum phi_rc parse_add(struct cedar_lex *l, struct cedar_expr **e)
{
    PHI_TRY(parse_mult(l, e));
    while (l->tok.kind == TOK_PLUS || l->tok.kind == TOK_MINUS) {
        enum cedar_op op = l->tok.kind == TOK_PLUS ? OP_ADD : OP_SUB;
        struct cedar_expr *right = NULL;
        struct cedar_place at = l->tok.at;
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(parse_mult(l, &right));
        PHI_TRY(node(l, op, (*e)->at, *e, right, e));
        (*e)->op_at = at;
    }
    return PHI_OK;
}

/* One step of `e has a.b.c`: what stands behind `has`, and the path so far as an expression. */
static enum phi_rc has_step(struct cedar_lex *l, struct cedar_place at, struct phi_view name,
                            struct cedar_expr **path, struct cedar_expr **all)
{
    struct cedar_expr *has = NULL;
    PHI_TRY(node(l, OP_HAS, (*path)->at, *path, NULL, &has));
    has->name = name;
    has->op_at = at;
    if (*all)
        PHI_TRY(node(l, OP_AND, (*path)->at, *all, has, all));
    else
        *all = has;
    PHI_TRY(node(l, OP_GET, (*path)->at, *path, NULL, path));
    (*path)->name = name;
    (*path)->op_at = at;
    return PHI_OK;
}

static enum phi_rc parse_has(struct cedar_lex *l, struct cedar_expr **e)
{
    struct cedar_expr *path = *e, *all = NULL;
    struct phi_view name = { 0 };
    bool more = l->tok.kind == TOK_IDENT;
    struct cedar_place at = l->tok.at;
    PHI_TRY(parse_key(l, &name));
    PHI_TRY(has_step(l, at, name, &path, &all));
    if (more)
        PHI_TRY(cedar_lex_maybe(l, TOK_DOT, &more));
    while (more) {
        if (l->tok.kind != TOK_IDENT)
            return cedar_lex_unexpected(l, "an attribute's name");
        at = l->tok.at;
        PHI_TRY(parse_key(l, &name));
        PHI_TRY(has_step(l, at, name, &path, &all));
        PHI_TRY(cedar_lex_maybe(l, TOK_DOT, &more));
    }
    *e = all;
    return PHI_OK;
}

static enum phi_rc split_pattern(struct cedar_lex *l, struct phi_view text, const uint8_t *star,
                                 const struct cedar_pattern **ret)
{
    size_t stars = 0, from = 0, k = 0;
    for (size_t i = 0; i < text.n; i++)
        stars += star[i];
    struct cedar_pattern *pattern = phi_arena_new(l->arena, struct cedar_pattern);
    struct phi_view *parts = phi_arena_array(l->arena, stars + 1, sizeof *parts);
    if (!pattern || !parts)
        return full(l);
    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && !star[i])
            continue;
        parts[k++] = phi_view_mem(text.p + from, i - from);
        from = i + 1;
    }
    *pattern = (struct cedar_pattern){ parts, k };
    *ret = pattern;
    return PHI_OK;
}

static enum phi_rc parse_like(struct cedar_lex *l, struct cedar_expr **e)
{
    struct phi_view text = { 0 };
    uint8_t *star = NULL;
    if (l->tok.kind != TOK_STRING)
        return cedar_lex_unexpected(l, "a pattern in quotes");
    PHI_TRY(cedar_unescape(l, &l->tok, &text, &star));
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(node(l, OP_LIKE, (*e)->at, *e, NULL, e));
    return split_pattern(l, text, star, &(*e)->pattern);
}

static enum phi_rc parse_is(struct cedar_lex *l, struct cedar_expr **e)
{
    struct cedar_expr *subject = *e, *is = NULL, *right = NULL;
    bool entity = false;
    PHI_TRY(node(l, OP_IS, subject->at, subject, NULL, &is));
    is->op_at = l->tok.at;
    PHI_TRY(cedar_lex_path(l, &is->name, &entity));
    if (entity)
        return cedar_fail(l, l->tok.at, "expected a type after `is`, found an entity");
    spans(l, subject->from, is);
    *e = is;
    if (!cedar_lex_is(l, "in"))
        return PHI_OK;
    struct cedar_place at = l->tok.at;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(parse_add(l, &right));
    PHI_TRY(node(l, OP_IN, subject->at, subject, right, &right));
    right->op_at = at;
    return node(l, OP_AND, subject->at, is, right, e);
}

static const struct {
    enum cedar_tok tok;
    enum cedar_op op;
    bool negate;
} relations[] = {
    { TOK_EQ, OP_EQ, false },       { TOK_NE, OP_EQ, true },  { TOK_LT, OP_LESS, false },
    { TOK_LE, OP_LESSEQ, false },   { TOK_GT, OP_LESSEQ, true }, { TOK_GE, OP_LESS, true },
};

static enum phi_rc parse_binary(struct cedar_lex *l, enum cedar_op op, bool negate,
                                struct cedar_expr **e)
{
    struct cedar_expr *right = NULL;
    struct cedar_place at = l->tok.at;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(parse_add(l, &right));
    PHI_TRY(node(l, op, (*e)->at, *e, right, e));
    (*e)->op_at = at;
    return negate ? negated(l, e) : PHI_OK;
}

static enum phi_rc parse_word_relation(struct cedar_lex *l, struct cedar_expr **e)
{
    static const struct {
        const char *word;
        enum phi_rc (*parse)(struct cedar_lex *, struct cedar_expr **);
    } words[] = { { "has", parse_has }, { "like", parse_like }, { "is", parse_is } };
    for (size_t i = 0; i < 3; i++) {
        if (!cedar_lex_is(l, words[i].word))
            continue;
        PHI_TRY(cedar_lex_next(l));
        return words[i].parse(l, e);
    }
    return PHI_OK;
}

static enum phi_rc parse_relation(struct cedar_lex *l, struct cedar_expr **e)
{
    PHI_TRY(parse_add(l, e));
    if (l->tok.kind == TOK_ASSIGN)
        return cedar_fail(l, l->tok.at, "`=` is no operator; write `==`");
    if (cedar_lex_is(l, "in"))
        return parse_binary(l, OP_IN, false, e);
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++)
        if (l->tok.kind == relations[i].tok)
            return parse_binary(l, relations[i].op, relations[i].negate, e);
    return parse_word_relation(l, e);
}

static enum phi_rc parse_and(struct cedar_lex *l, struct cedar_expr **e)
{
    PHI_TRY(parse_relation(l, e));
    while (l->tok.kind == TOK_AND) {
        struct cedar_expr *right = NULL;
        struct cedar_place at = l->tok.at;
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(parse_relation(l, &right));
        PHI_TRY(node(l, OP_AND, (*e)->at, *e, right, e));
        (*e)->op_at = at;
    }
    return PHI_OK;
}

static enum phi_rc parse_or(struct cedar_lex *l, struct cedar_expr **e)
{
    PHI_TRY(parse_and(l, e));
    while (l->tok.kind == TOK_OR) {
        struct cedar_expr *right = NULL;
        struct cedar_place at = l->tok.at;
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(parse_and(l, &right));
        PHI_TRY(node(l, OP_OR, (*e)->at, *e, right, e));
        (*e)->op_at = at;
    }
    return PHI_OK;
}

static enum phi_rc parse_if(struct cedar_lex *l, struct cedar_expr **ret)
{
    struct cedar_expr *e = NULL, *test = NULL, *yes = NULL, *no = NULL;
    struct cedar_place at = l->tok.at;
    uint32_t from = l->tok.from;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_parse_expr(l, &test));
    if (!cedar_lex_is(l, "then"))
        return cedar_lex_unexpected(l, "`then`");
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_parse_expr(l, &yes));
    if (!cedar_lex_is(l, "else"))
        return cedar_lex_unexpected(l, "`else`");
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_parse_expr(l, &no));
    PHI_TRY(node(l, OP_IF, at, test, yes, &e));
    spans(l, from, e);
    e->c = no;
    deepen(e, no);
    *ret = e;
    return limit_depth(l, e);
}

enum phi_rc cedar_parse_expr(struct cedar_lex *l, struct cedar_expr **ret)
{
    PHI_TRY(cedar_lex_enter(l));
    PHI_TRY(cedar_lex_is(l, "if") ? parse_if(l, ret) : parse_or(l, ret));
    cedar_lex_leave(l);
    return PHI_OK;
}
