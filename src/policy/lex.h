/* Tokens of Cedar's policy and schema texts, with their places. Shared by both parsers. */
#ifndef POLICY_LEX_H
#define POLICY_LEX_H

#include "base/arena.h"
#include "base/err.h"

enum cedar_tok {
    TOK_END,
    TOK_IDENT,
    TOK_INT,
    TOK_STRING,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACK,
    TOK_RBRACK,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_COMMA,
    TOK_SEMI,
    TOK_COLON,
    TOK_PATH, /* :: */
    TOK_DOT,
    TOK_AT,
    TOK_QUESTION,
    TOK_ASSIGN,
    TOK_EQ,
    TOK_NE,
    TOK_LT,
    TOK_LE,
    TOK_GT,
    TOK_GE,
    TOK_AND,
    TOK_OR,
    TOK_NOT,
    TOK_PLUS,
    TOK_MINUS,
    TOK_STAR
};

struct cedar_place {
    uint32_t line, col; /* from 1; columns count code points */
};

struct cedar_token {
    enum cedar_tok kind;
    struct phi_view text; /* as written; of a string what stands between the quotes */
    struct cedar_place at;
    uint32_t from; /* offset of its first byte */
};

struct cedar_lex {
    struct phi_view text;
    size_t pos;
    size_t last; /* where the token before the current one ended */
    struct cedar_place here;
    const char *file; /* names the text in messages */
    struct cedar_token tok; /* the current token */
    struct phi_arena *arena;
    struct phi_err *err;
    unsigned depth; /* of nested things, kept by the parsers */
    bool slots;     /* templates are welcome */
};

/* Reads the first token. `text` must be UTF-8 and outlive what is parsed from it. */
enum phi_rc cedar_lex_init(struct cedar_lex *l, struct phi_arena *a, struct phi_view text,
                           const char *file, struct phi_err *err);
enum phi_rc cedar_lex_next(struct cedar_lex *l);
/* The current token must be `kind`; goes on to the next. `wanted` is how messages call it. */
enum phi_rc cedar_lex_take(struct cedar_lex *l, enum cedar_tok kind, const char *wanted);
/* True and goes on when it is `kind`; a failure of the token behind shows at its use: see `failed`. */
enum phi_rc cedar_lex_maybe(struct cedar_lex *l, enum cedar_tok kind, bool *ret);
bool cedar_lex_is(const struct cedar_lex *l, const char *word); /* current is this identifier */
enum phi_rc cedar_lex_unexpected(struct cedar_lex *l, const char *wanted);
enum phi_rc cedar_lex_enter(struct cedar_lex *l); /* one level deeper, or PHI_ELIMIT */
void cedar_lex_leave(struct cedar_lex *l);

/* Fails with "FILE:LINE:COL: …". */
#define cedar_fail(l, at, ...) cedar_fail_at((l)->err, (l)->file, at, __VA_ARGS__)
enum phi_rc cedar_fail_at(struct phi_err *err, const char *file, struct cedar_place at,
                          const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Decodes the body of a string literal. For a pattern (`like`) `star` says which bytes of the
 * result are wildcards: a view of the same length with 1 there, else pass NULL. */
enum phi_rc cedar_unescape(struct cedar_lex *l, const struct cedar_token *t, struct phi_view *ret,
                           uint8_t **star);
bool cedar_is_reserved(struct phi_view ident);
bool cedar_is_word(struct phi_view v); /* written like an identifier, reserved or not: an annotation's name */
/* Identifiers joined by `::`, or one of them, none reserved; policies could name nothing else. */
bool cedar_is_path(struct phi_view v, bool single);
bool cedar_is_type(struct phi_view v);
bool cedar_is_action_type(struct phi_view type); /* "Action" or "Some::Action" */

/* Ident {:: Ident}, joined by "::"; stops before a `::` that a string follows (`*entity` is then
 * true and the `::` is taken). */
enum phi_rc cedar_lex_path(struct cedar_lex *l, struct phi_view *ret, bool *entity);

/* A list that grows in the arena. */
struct cedar_list {
    void **p;
    size_t n, cap;
};
bool cedar_list_add(struct phi_arena *a, struct cedar_list *list, const void *item);
/* A name that stands twice, or NULL; `*full` when the arena is. */
const struct phi_view *cedar_first_double(struct phi_arena *a, const struct phi_view *names, size_t n, bool *full);

#endif
