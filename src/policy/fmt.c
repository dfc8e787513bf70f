#include "policy/fmt.h"

#include "policy/schema.h"
#include "policy/syntax.h"

#define WIDTH 120
#define STEP 4
#define SCHEMA_STEP 2

struct remark {
    struct phi_view text; /* with its slashes */
    bool own_line, blank; /* nothing stands before it; a blank line does */
};

struct piece { /* a token with what stood before it */
    struct cedar_token tok;
    struct phi_view text; /* as written, quotes counted */
    struct remark *remarks;
    size_t n;
    bool line, blank; /* a line break stood right before it; a blank line */
};

struct fmt {
    struct phi_arena *arena;
    struct phi_buf *out;
    struct piece *p;
    size_t n, at, depth;
    bool broken; /* a line break is due */
    bool schema;
    int indent;
};

/* ---- reading ------------------------------------------------------------------------------------- */

static size_t lines_in(struct phi_view v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        n += v.p[i] == '\n';
    return n;
}

/* Takes the blanks up to a comment or the end; how many line ends stood there. */
static size_t take_blanks(struct phi_view *gap)
{
    size_t i = 0;
    while (i < gap->n && !(gap->p[i] == '/' && i + 1 < gap->n && gap->p[i + 1] == '/'))
        i++;
    size_t lines = lines_in(phi_view_upto(*gap, i));
    *gap = phi_view_from(*gap, i);
    return lines;
}

static bool read_gap(struct fmt *f, struct phi_view gap, struct piece *p, bool first)
{
    struct cedar_list list = { 0 };
    size_t lines = take_blanks(&gap);
    while (gap.n > 0) {
        struct remark *r = phi_arena_new(f->arena, struct remark);
        size_t end = 0;
        while (end < gap.n && gap.p[end] != '\n')
            end++;
        if (!r || !cedar_list_add(f->arena, &list, r))
            return false;
        *r = (struct remark){ phi_view_trim(phi_view_upto(gap, end)), lines > 0 || (first && list.n == 1), lines > 1 };
        gap = phi_view_from(gap, end);
        lines = take_blanks(&gap);
    }
    p->remarks = phi_arena_array(f->arena, list.n + 1, sizeof *p->remarks);
    for (size_t i = 0; p->remarks && i < list.n; i++)
        p->remarks[i] = *(struct remark *)list.p[i];
    p->n = list.n;
    p->line = lines > 0;
    p->blank = lines > 1;
    return p->remarks != NULL;
}

static enum phi_rc read_pieces(struct fmt *f, struct phi_view text, const char *file, struct phi_err *err)
{
    struct cedar_lex l;
    struct cedar_list list = { 0 };
    enum cedar_tok kind = TOK_IDENT;
    PHI_TRY(cedar_lex_init(&l, f->arena, text, file, err));
    for (size_t end = 0; kind != TOK_END; end = l.last) {
        struct piece *p = phi_arena_new(f->arena, struct piece);
        if (!p || !cedar_list_add(f->arena, &list, p))
            return phi_fail(err, PHI_ELIMIT, "%s is too large", file);
        p->tok = l.tok;
        kind = l.tok.kind;
        if (!read_gap(f, phi_view_upto(phi_view_from(text, end), l.tok.from - end), p, end == 0))
            return phi_fail(err, PHI_ELIMIT, "%s is too large", file);
        PHI_TRY(cedar_lex_next(&l));
        p->text = kind == TOK_END ? (struct phi_view){ 0 } :
                                    phi_view_upto(phi_view_from(text, p->tok.from), l.last - p->tok.from);
    }
    f->n = list.n;
    f->p = phi_arena_array(f->arena, list.n + 1, sizeof *f->p);
    for (size_t i = 0; f->p && i < list.n; i++)
        f->p[i] = *(struct piece *)list.p[i];
    return f->p ? PHI_OK : phi_fail(err, PHI_ELIMIT, "%s is too large", file);
}

/* ---- what stands close to what ----------------------------------------------------------------------- */

static bool is_word(const struct piece *p, const char *word)
{
    return p->tok.kind == TOK_IDENT && phi_view_is(p->tok.text, word);
}

static bool is_keyword(const struct piece *p)
{
    static const char *const words[] = { "if", "then", "else", "in", "is", "like", "has", "when", "unless", "permit", "forbid" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

/* A value ends here: what follows is an operator, an index or a call. */
static bool ends_value(const struct piece *p)
{
    switch (p->tok.kind) {
    case TOK_IDENT: return !is_keyword(p);
    case TOK_INT:
    case TOK_STRING:
    case TOK_RPAREN:
    case TOK_RBRACK:
    case TOK_RBRACE: return true;
    case TOK_END:
    case TOK_LPAREN:
    case TOK_LBRACK:
    case TOK_LBRACE:
    case TOK_COMMA:
    case TOK_SEMI:
    case TOK_COLON:
    case TOK_PATH:
    case TOK_DOT:
    case TOK_AT:
    case TOK_QUESTION:
    case TOK_ASSIGN:
    case TOK_EQ:
    case TOK_NE:
    case TOK_LT:
    case TOK_LE:
    case TOK_GT:
    case TOK_GE:
    case TOK_AND:
    case TOK_OR:
    case TOK_NOT:
    case TOK_PLUS:
    case TOK_MINUS:
    case TOK_STAR: break;
    }
    return false;
}

static bool is_sign(const struct fmt *f, size_t i) /* a minus that belongs to what follows */
{
    return f->p[i].tok.kind == TOK_NOT || (f->p[i].tok.kind == TOK_MINUS && (i == 0 || !ends_value(&f->p[i - 1])));
}

static bool schema_space(enum cedar_tok a, enum cedar_tok b)
{
    static const enum cedar_tok behind[] = { TOK_LPAREN, TOK_LBRACK, TOK_AT, TOK_PATH, TOK_LT },
                                before[] = { TOK_LPAREN, TOK_RPAREN, TOK_RBRACK, TOK_COMMA, TOK_SEMI, TOK_COLON,
                                             TOK_PATH, TOK_LT, TOK_GT, TOK_QUESTION };
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        if (a == behind[i])
            return false;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (b == before[i])
            return false;
    return a != TOK_LBRACE || b != TOK_RBRACE;
}

static bool space_before(const struct fmt *f, size_t i)
{
    const struct piece *prev = &f->p[i - 1], *p = &f->p[i];
    enum cedar_tok a = prev->tok.kind, b = p->tok.kind;
    if (f->schema)
        return schema_space(a, b);
    if (a == TOK_LPAREN || a == TOK_LBRACK || a == TOK_DOT || a == TOK_AT || a == TOK_PATH || a == TOK_QUESTION || is_sign(f, i - 1))
        return false;
    if (b == TOK_RPAREN || b == TOK_RBRACK || b == TOK_COMMA || b == TOK_SEMI || b == TOK_DOT || b == TOK_COLON || b == TOK_PATH)
        return false;
    if (a == TOK_LBRACE && b == TOK_RBRACE)
        return false;
    if (b == TOK_LPAREN || b == TOK_LBRACK)
        return !ends_value(prev);
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static void line_end(struct fmt *f)
{
    if (f->out->n > 0 && f->out->p[f->out->n - 1] != '\n')
        phi_buf_addc(f->out, '\n');
}

static void blank_line(struct fmt *f)
{
    line_end(f);
    if (f->out->n > 1 && f->out->p[f->out->n - 2] != '\n')
        phi_buf_addc(f->out, '\n');
}

static void indent(struct fmt *f)
{
    for (int i = 0; i < f->indent; i++)
        phi_buf_addc(f->out, ' ');
}

static bool at_line_start(const struct fmt *f)
{
    return f->out->n == 0 || f->out->p[f->out->n - 1] == '\n';
}

static void put_remarks(struct fmt *f, const struct piece *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct remark *r = &p->remarks[i];
        if (r->own_line) {
            line_end(f);
            if (r->blank && f->depth == 0)
                blank_line(f);
            indent(f);
        } else if (!at_line_start(f)) {
            phi_buf_addc(f->out, ' ');
        }
        phi_buf_add(f->out, r->text);
        phi_buf_addc(f->out, '\n');
    }
}

/* The next token, on a new line where one is due. */
static void put(struct fmt *f)
{
    const struct piece *p = &f->p[f->at];
    put_remarks(f, p);
    if (f->broken)
        line_end(f);
    f->broken = false;
    if (at_line_start(f)) {
        if (p->blank && f->depth == 0)
            blank_line(f);
        if (p->text.n > 0)
            indent(f);
    } else if (f->at > 0 && space_before(f, f->at)) {
        phi_buf_addc(f->out, ' ');
    }
    phi_buf_add(f->out, p->text);
    f->at++;
}

static int level_of(enum cedar_tok kind)
{
    bool open = kind == TOK_LPAREN || kind == TOK_LBRACK || kind == TOK_LBRACE;
    return open ? 1 : kind == TOK_RPAREN || kind == TOK_RBRACK || kind == TOK_RBRACE ? -1 : 0;
}

/* The bracket that closes the one at `from`. */
static size_t closing(const struct fmt *f, size_t from)
{
    int level = 0;
    for (size_t i = from; i < f->n; i++) {
        level += level_of(f->p[i].tok.kind);
        if (level == 0)
            return i;
    }
    return f->n - 1;
}

/* Tokens from `from` to `to` fit on one line behind `used` columns, and no comment stands between. */
static bool fits(const struct fmt *f, size_t from, size_t to, size_t used)
{
    for (size_t i = from; i <= to && used <= WIDTH; i++) {
        if (i > from && f->p[i].n > 0)
            return false;
        used += f->p[i].text.n + (i > from && space_before(f, i));
    }
    return used <= WIDTH;
}

/* From an opening bracket to its end: on one line, or a line for each part. */
static void put_bracket(struct fmt *f, size_t used, bool scope)
{
    size_t to = closing(f, f->at);
    bool one_line = fits(f, f->at, to, used);
    int level = 0;
    f->depth = 1;
    put(f);
    if (one_line) {
        while (f->at <= to)
            put(f);
        return;
    }
    f->broken = true;
    f->indent = STEP;
    while (f->at < to) {
        enum cedar_tok kind = f->p[f->at].tok.kind;
        level += level_of(kind);
        put(f);
        if (level == 0 && (scope ? kind == TOK_COMMA : kind == TOK_AND || kind == TOK_OR))
            f->broken = true;
    }
    f->indent = 0;
    f->broken = true;
    put(f);
}

static void put_policy(struct fmt *f)
{
    while (f->p[f->at].tok.kind == TOK_AT) {
        f->broken = f->p[f->at].line;
        do
            put(f);
        while (f->p[f->at].tok.kind != TOK_AT && !is_word(&f->p[f->at], "permit") && !is_word(&f->p[f->at], "forbid"));
        f->broken = true;
        f->depth = 1;
    }
    f->broken = true;
    put(f);
    put_bracket(f, 6, true);
    while (f->p[f->at].tok.kind == TOK_IDENT) {
        f->broken = true;
        put(f);
        put_bracket(f, 8, false);
    }
    put(f); /* ; */
    f->depth = 0;
    f->broken = true;
}

static enum phi_rc finish(struct fmt *f, const char *file, struct phi_err *err)
{
    f->broken = true;
    put(f);
    line_end(f);
    return phi_buf_ok(f->out) && phi_arena_ok(f->arena) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "%s is too large", file);
}

enum phi_rc cedar_fmt(struct phi_arena *a, struct phi_view text, const char *file, struct phi_buf *ret, struct phi_err *err)
{
    struct fmt f = { .arena = a, .out = ret };
    struct cedar_policies parsed; /* only what parses has the brackets that are looked for */
    PHI_TRY(cedar_templates_parse(a, text, file, &parsed, err));
    PHI_TRY(read_pieces(&f, text, file, err));
    while (f.p[f.at].tok.kind != TOK_END)
        put_policy(&f);
    return finish(&f, file, err);
}

/* ---- schemas ------------------------------------------------------------------------------------------- */

static size_t column(const struct fmt *f)
{
    size_t n = 0;
    while (n < f->out->n && f->out->p[f->out->n - 1 - n] != '\n')
        n++;
    return n;
}

/* From `{` to its end: on one line, or a line for each attribute. */
static void put_record(struct fmt *f)
{
    size_t to = closing(f, f->at);
    int level = 0;
    if (fits(f, f->at, to, column(f) + 2)) {
        while (f->at <= to)
            put(f);
        return;
    }
    put(f);
    f->indent += SCHEMA_STEP;
    f->broken = true;
    while (f->at < to) {
        enum cedar_tok kind = f->p[f->at].tok.kind;
        if (kind == TOK_LBRACE) {
            put_record(f);
            continue;
        }
        level += level_of(kind);
        put(f);
        if (kind == TOK_COMMA && level == 0)
            f->broken = true;
    }
    f->broken = true;
    put_remarks(f, &f->p[f->at]); /* they stand among the attributes */
    f->p[f->at].n = 0;
    f->indent -= SCHEMA_STEP;
    put(f);
}

static void put_annotations(struct fmt *f)
{
    while (f->p[f->at].tok.kind == TOK_AT) {
        f->broken = true;
        put(f);
        put(f);
        for (size_t to = f->p[f->at].tok.kind == TOK_LPAREN ? closing(f, f->at) + 1 : f->at; f->at < to;)
            put(f);
    }
    f->broken = true;
}

/* Up to its `;`. */
static void put_declaration(struct fmt *f)
{
    size_t end = f->at;
    for (int level = 0; level > 0 || f->p[end].tok.kind != TOK_SEMI; end++)
        level += level_of(f->p[end].tok.kind);
    bool one_line = fits(f, f->at, end, (size_t)f->indent);
    put(f);
    f->depth = 1;
    while (f->at <= end)
        if (!one_line && f->p[f->at].tok.kind == TOK_LBRACE)
            put_record(f);
        else
            put(f);
    f->depth = 0;
    f->broken = true;
}

static void put_namespace(struct fmt *f)
{
    while (f->p[f->at].tok.kind != TOK_LBRACE)
        put(f);
    put(f);
    f->indent = SCHEMA_STEP;
    f->broken = true;
    while (f->p[f->at].tok.kind != TOK_RBRACE) {
        put_annotations(f);
        put_declaration(f);
    }
    f->broken = true;
    put_remarks(f, &f->p[f->at]);
    f->p[f->at].n = 0;
    f->indent = 0;
    put(f);
    f->broken = true;
}

enum phi_rc cedar_fmt_schema(struct phi_arena *a, struct phi_view text, const char *file, struct phi_buf *ret,
                             struct phi_err *err)
{
    struct fmt f = { .arena = a, .out = ret, .schema = true };
    struct cedar_schema parsed;
    PHI_TRY(cedar_schema_parse(a, text, file, &parsed, err));
    PHI_TRY(read_pieces(&f, text, file, err));
    while (f.p[f.at].tok.kind != TOK_END) {
        put_annotations(&f);
        if (is_word(&f.p[f.at], "namespace"))
            put_namespace(&f);
        else
            put_declaration(&f);
    }
    return finish(&f, file, err);
}
