/* The syntax tree of policies, desugared as Cedar's specification desugars:
 *   a != b  is  !(a == b)        a > b  is  !(a <= b)       a >= b  is  !(a < b)
 *   a has b.c  is  a has b && a.b has c
 *   a is T in b  is  a is T && a in b                       e["x"]  is  e.x */
#ifndef POLICY_SYNTAX_H
#define POLICY_SYNTAX_H

#include "policy/ext.h"
#include "policy/lex.h"
#include "policy/value.h"

/* Operators deeper than this are refused: evaluation recurses. */
#define CEDAR_MAX_EXPR_DEPTH 1000

enum cedar_op {
    OP_LIT,
    OP_VAR,
    OP_IF,
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_NEG,
    OP_EQ,
    OP_LESS,
    OP_LESSEQ,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_IN,
    OP_CONTAINS,
    OP_CONTAINS_ALL,
    OP_CONTAINS_ANY,
    OP_IS_EMPTY,
    OP_HAS_TAG,
    OP_GET_TAG,
    OP_HAS,
    OP_GET,
    OP_LIKE,
    OP_IS,
    OP_SET,
    OP_RECORD,
    OP_CALL
};

enum cedar_var { VAR_PRINCIPAL, VAR_ACTION, VAR_RESOURCE, VAR_CONTEXT };

struct cedar_pattern { /* literal parts, with any text between them; n at least 1 */
    const struct phi_view *parts;
    size_t n;
};

struct cedar_alt; /* alt.h: a set of requirements */

struct cedar_expr {
    enum cedar_op op;
    enum cedar_var var;
    struct cedar_place at;
    struct cedar_place op_at;            /* where the operator, attribute or method is named */
    uint32_t from, to;                   /* bytes of the text; 0, 0: none */
    unsigned depth;
    bool has_met;                        /* `context.met` or `context.can` stands in it (check.c) */
    const struct cedar_alt *met;         /* it is contains/containsAll on one of them: of these */
    struct cedar_expr *a, *b, *c;        /* operands in order */
    const struct phi_value *lit;
    struct phi_view name;                /* attribute of HAS and GET, type of IS */
    const struct cedar_pattern *pattern; /* LIKE */
    struct cedar_expr *const *items;     /* SET, RECORD, CALL */
    const struct phi_view *names;        /* RECORD */
    size_t n;
    enum cedar_fn fn;                    /* CALL */
    uint32_t code;                       /* 1 + its node in the compiled form (comp.h); 0: none */
    uint8_t type;                        /* 1 + enum cedar_type_kind where it was last validated; 0: never */
    uint8_t truth;                       /* enum cedar_truth of that type */
};

enum cedar_scope_kind { SCOPE_ANY, SCOPE_EQ, SCOPE_IN, SCOPE_IS, SCOPE_IS_IN };

struct cedar_scope {
    enum cedar_scope_kind kind;
    struct cedar_place at;
    const struct phi_uid *uids; /* EQ, IS_IN: one; IN: any number (of an action), else one */
    size_t n;
    struct phi_view type;
    bool slot; /* `?principal` or `?resource` stands for the entity: uids is NULL, n 0 */
};

struct cedar_cond {
    bool unless;
    struct cedar_expr *e;
};

struct cedar_note { /* annotation */
    struct phi_view key, text;
};

struct cedar_policy {
    struct phi_view id, why;
    struct cedar_place at;
    bool forbid;
    struct cedar_scope principal, action, resource;
    const struct cedar_cond *conds;
    size_t n_conds;
    const struct cedar_note *notes;
    size_t n_notes;
    uint32_t from, to; /* bytes of the text, annotations counted; 0, 0: none */
};

struct cedar_policies {
    struct cedar_policy *const *p;
    size_t n;
};

/* Parses a policy text; all of it lives in the arena, `text` must too. */
enum phi_rc cedar_policies_parse(struct phi_arena *a, struct phi_view text, const char *file,
                                 struct cedar_policies *ret, struct phi_err *err);

/* As above, and takes templates too: scopes may hold slots. */
enum phi_rc cedar_templates_parse(struct phi_arena *a, struct phi_view text, const char *file,
                                  struct cedar_policies *ret, struct phi_err *err);
bool cedar_is_template(const struct cedar_policy *p);

/* Between parse.c and parse_expr.c. */
enum phi_rc cedar_parse_expr(struct cedar_lex *l, struct cedar_expr **ret);
enum phi_rc cedar_parse_uid(struct cedar_lex *l, struct phi_uid *ret); /* Path::"id" */

#endif
