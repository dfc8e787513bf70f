#include "policy/lex.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Levels of brackets that a policy or schema may nest; each costs some ten frames of the parser. */
#define CEDAR_MAX_NESTING 200

enum phi_rc cedar_fail_at(struct phi_err *err, const char *file, struct cedar_place at,
                          const char *fmt, ...)
{
    char msg[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return phi_fail(err, PHI_EINPUT, "%s:%u:%u: %s", file, at.line, at.col, msg);
}

enum phi_rc cedar_lex_init(struct cedar_lex *l, struct phi_arena *a, struct phi_view text,
                           const char *file, struct phi_err *err)
{
    *l = (struct cedar_lex){ .text = text, .here = { 1, 1 }, .file = file, .arena = a, .err = err };
    if (text.n > UINT32_MAX)
        return phi_fail(err, PHI_ELIMIT, "%s is too large", file);
    if (!phi_utf8_ok(text))
        return phi_fail(err, PHI_EINPUT, "%s is not UTF-8", file);
    return cedar_lex_next(l);
}

static int peek(const struct cedar_lex *l, size_t ahead)
{
    return l->pos + ahead < l->text.n ? l->text.p[l->pos + ahead] : -1;
}

static void step(struct cedar_lex *l)
{
    uint8_t c = l->text.p[l->pos++];
    if (c == '\n') {
        l->here.line++;
        l->here.col = 1;
    } else if ((c & 0xc0) != 0x80) {
        l->here.col++;
    }
}

static void steps(struct cedar_lex *l, size_t n)
{
    while (n-- > 0)
        step(l);
}

static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static void skip_blanks(struct cedar_lex *l)
{
    while (l->pos < l->text.n) {
        uint32_t c = 0;
        size_t n = phi_utf8_next(phi_view_from(l->text, l->pos), &c);
        if (n > 0 && is_space(c)) {
            steps(l, n);
        } else if (peek(l, 0) == '/' && peek(l, 1) == '/') {
            while (l->pos < l->text.n && peek(l, 0) != '\n')
                step(l);
        } else {
            return;
        }
    }
}

static bool is_ident(int c, bool first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!first && c >= '0' && c <= '9');
}

static enum phi_rc lex_string(struct cedar_lex *l)
{
    step(l);
    size_t from = l->pos;
    for (;;) {
        int c = peek(l, 0);
        if (c < 0)
            return cedar_fail(l, l->tok.at, "this string has no closing quote");
        if (c == '"')
            break;
        if (c == '\\' && peek(l, 1) >= 0)
            step(l);
        step(l);
    }
    l->tok.kind = TOK_STRING;
    l->tok.text = phi_view_mem(l->text.p + from, l->pos - from);
    step(l);
    return PHI_OK;
}

static const struct {
    char text[3];
    enum cedar_tok kind;
} marks[] = { /* longer ones first */
    { "::", TOK_PATH },  { "==", TOK_EQ },    { "!=", TOK_NE },    { "<=", TOK_LE },
    { ">=", TOK_GE },    { "&&", TOK_AND },   { "||", TOK_OR },    { "(", TOK_LPAREN },
    { ")", TOK_RPAREN }, { "[", TOK_LBRACK }, { "]", TOK_RBRACK }, { "{", TOK_LBRACE },
    { "}", TOK_RBRACE }, { ",", TOK_COMMA },  { ";", TOK_SEMI },   { ":", TOK_COLON },
    { ".", TOK_DOT },    { "@", TOK_AT },     { "?", TOK_QUESTION }, { "=", TOK_ASSIGN },
    { "<", TOK_LT },     { ">", TOK_GT },     { "!", TOK_NOT },    { "+", TOK_PLUS },
    { "-", TOK_MINUS },  { "*", TOK_STAR },
};

static enum phi_rc lex_mark(struct cedar_lex *l)
{
    struct phi_view rest = phi_view_from(l->text, l->pos);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (!phi_view_starts(rest, phi_view_of(marks[i].text)))
            continue;
        l->tok.kind = marks[i].kind;
        l->tok.text = phi_view_upto(rest, strlen(marks[i].text));
        steps(l, l->tok.text.n);
        return PHI_OK;
    }
    return cedar_fail(l, l->here, "this character has no meaning here");
}

enum phi_rc cedar_lex_next(struct cedar_lex *l)
{
    l->last = l->pos;
    skip_blanks(l);
    l->tok = (struct cedar_token){ .kind = TOK_END, .at = l->here, .from = (uint32_t)l->pos };
    int c = peek(l, 0);
    if (c < 0)
        return PHI_OK;
    if (c == '"')
        return lex_string(l);
    bool ident = is_ident(c, true);
    if (!ident && !(c >= '0' && c <= '9'))
        return lex_mark(l);
    size_t from = l->pos;
    while (ident ? is_ident(peek(l, 0), false) : (peek(l, 0) >= '0' && peek(l, 0) <= '9'))
        step(l);
    if (!ident && is_ident(peek(l, 0), true))
        return cedar_fail(l, l->here, "a number ends here, and a letter follows");
    l->tok.kind = ident ? TOK_IDENT : TOK_INT;
    l->tok.text = phi_view_mem(l->text.p + from, l->pos - from);
    return PHI_OK;
}

enum phi_rc cedar_lex_unexpected(struct cedar_lex *l, const char *wanted)
{
    if (l->tok.kind == TOK_END)
        return cedar_fail(l, l->tok.at, "the text ends, and %s is missing", wanted);
    PHI_BUF(shown, 200);
    phi_text_escape(&shown, phi_view_upto(l->tok.text, 30), false);
    return cedar_fail(l, l->tok.at, "expected %s, found `%s`", wanted, phi_buf_str(&shown));
}

enum phi_rc cedar_lex_take(struct cedar_lex *l, enum cedar_tok kind, const char *wanted)
{
    if (l->tok.kind != kind)
        return cedar_lex_unexpected(l, wanted);
    return cedar_lex_next(l);
}

enum phi_rc cedar_lex_maybe(struct cedar_lex *l, enum cedar_tok kind, bool *ret)
{
    *ret = l->tok.kind == kind;
    return *ret ? cedar_lex_next(l) : PHI_OK;
}

bool cedar_lex_is(const struct cedar_lex *l, const char *word)
{
    return l->tok.kind == TOK_IDENT && phi_view_is(l->tok.text, word);
}

enum phi_rc cedar_lex_enter(struct cedar_lex *l)
{
    if (++l->depth > CEDAR_MAX_NESTING) {
        phi_fail(l->err, PHI_ELIMIT, "%s:%u:%u: nested more than %d levels deep", l->file,
                 l->tok.at.line, l->tok.at.col, CEDAR_MAX_NESTING);
        return PHI_ELIMIT;
    }
    return PHI_OK;
}

void cedar_lex_leave(struct cedar_lex *l)
{
    l->depth--;
}

bool cedar_is_reserved(struct phi_view ident)
{
    static const char *const words[] = { "true", "false", "if",  "then", "else",
                                         "in",   "is",    "like", "has", "__cedar" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (phi_view_is(ident, words[i]))
            return true;
    return false;
}

bool cedar_is_word(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_ident(v.p[i], i == 0))
            return false;
    return v.n > 0;
}

bool cedar_is_path(struct phi_view v, bool single)
{
    for (size_t i = 0, from = 0; i <= v.n; i++) {
        bool between = !single && i + 2 < v.n && v.p[i] == ':' && v.p[i + 1] == ':';
        if (i < v.n && !between)
            continue;
        struct phi_view word = phi_view_upto(phi_view_from(v, from), i - from);
        if (!cedar_is_word(word) || (cedar_is_reserved(word) && !phi_view_is(word, "__cedar")))
            return false;
        from = i + 2;
        i += 1;
    }
    return true;
}

bool cedar_is_type(struct phi_view v)
{
    return cedar_is_path(v, false);
}

bool cedar_is_action_type(struct phi_view type)
{
    const size_t n = sizeof "Action" - 1;
    return type.n >= n && phi_view_is(phi_view_from(type, type.n - n), "Action") &&
           (type.n == n || type.p[type.n - n - 1] == ':');
}

bool cedar_list_add(struct phi_arena *a, struct cedar_list *list, const void *item)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 4;
        void **p = phi_arena_array(a, cap, sizeof *p);
        if (!p)
            return false;
        if (list->n)
            memcpy(p, list->p, list->n * sizeof *p);
        list->p = p;
        list->cap = cap;
    }
    list->p[list->n++] = (void *)(uintptr_t)item;
    return true;
}

static int cmp_names(const void *a, const void *b)
{
    return phi_view_cmp(*(const struct phi_view *)a, *(const struct phi_view *)b);
}

const struct phi_view *cedar_first_double(struct phi_arena *a, const struct phi_view *names, size_t n, bool *full)
{
    struct phi_view *sorted = phi_arena_array(a, n + 1, sizeof *sorted);
    *full = !sorted;
    if (!sorted || n < 2)
        return NULL;
    memcpy(sorted, names, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, cmp_names);
    for (size_t i = 1; i < n; i++)
        if (phi_view_eq(sorted[i - 1], sorted[i]))
            return &sorted[i];
    return NULL;
}

static enum phi_rc join_path(struct cedar_lex *l, struct phi_view *path)
{
    struct phi_view joined =
        phi_arena_printf(l->arena, PHI_FMT "::" PHI_FMT, PHI_ARG(*path), PHI_ARG(l->tok.text));
    if (joined.n == 0)
        return phi_fail(l->err, PHI_ELIMIT, "%s is too large", l->file);
    *path = joined;
    return PHI_OK;
}

enum phi_rc cedar_lex_path(struct cedar_lex *l, struct phi_view *ret, bool *entity)
{
    *entity = false;
    if (l->tok.kind != TOK_IDENT)
        return cedar_lex_unexpected(l, "a name");
    for (bool first = true;; first = false) {
        if (cedar_is_reserved(l->tok.text) && !phi_view_is(l->tok.text, "__cedar"))
            return cedar_fail(l, l->tok.at, "`" PHI_FMT "` is a reserved word",
                              PHI_ARG(l->tok.text));
        if (first)
            *ret = l->tok.text;
        else
            PHI_TRY(join_path(l, ret));
        PHI_TRY(cedar_lex_next(l));
        if (l->tok.kind != TOK_PATH)
            return PHI_OK;
        PHI_TRY(cedar_lex_next(l));
        if (l->tok.kind == TOK_STRING) {
            *entity = true;
            return PHI_OK;
        }
        if (l->tok.kind != TOK_IDENT)
            return cedar_lex_unexpected(l, "a name or a string after `::`");
    }
}
