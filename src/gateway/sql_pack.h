/* What a parser process says about a text: names and how each is used, in a small binary form.
 * Written by the process, read and checked by the gateway (a process may have been taken over). */
#ifndef GATEWAY_SQL_PACK_H
#define GATEWAY_SQL_PACK_H

#include "base/buf.h"

#define SQL_MAX_STMTS 1024
#define SQL_MAX_REFS 4096  /* of one statement */
#define SQL_MAX_NAME 63    /* NAMEDATALEN - 1 */
#define SQL_MAX_REPLY (1024 * 1024)
#define SQL_MAX_TEXT 240   /* a sentence or a tag */

/* Leaf actions, as bits. */
#define SQL_ACTS(X)                                                                                                    \
    X(SELECT, "pg:select") X(INSERT, "pg:insert") X(UPDATE, "pg:update") X(DELETE, "pg:delete")                        \
    X(TRUNCATE, "pg:truncate") X(DDL, "pg:ddl") X(SET, "pg:set") X(CALL, "pg:call") X(COPY, "pg:copy")                 \
    X(ADMIN, "pg:admin")
#define X(n, text) SQL_ACT_##n##_AT,
enum sql_act_at { SQL_ACTS(X) SQL_ACT_N };
#undef X
#define X(n, text) SQL_ACT_##n = 1u << SQL_ACT_##n##_AT,
enum sql_act { SQL_ACTS(X) };
#undef X

enum sql_kind {
    SQL_REL = 1, /* acts on a relation */
    SQL_FUNC,    /* a function, aggregate, procedure: CALL, or DDL when it is being defined */
    SQL_OP,      /* an operator by name */
    SQL_TYPE,    /* a type by name: its input, checks and casts may run */
    SQL_FIELD,   /* x.name or (x).name: a column, or a call of a function of that name */
    SQL_SCHEMA,  /* acts on a schema */
    SQL_TARGET   /* acts on the whole target; name says why */
};

struct sql_ref {
    uint8_t kind;
    uint16_t acts;
    struct phi_view schema, name; /* empty schema: unqualified */
};

enum sql_status { SQL_OK = 1, SQL_ERROR = 2 };

/* Text: status, then for an error: sqlstate (5), cursor (32), message; else count (16) of statements, each: start (32),
 * length (32), flags (32), tag, name, refusal (each: length (16), bytes), count of references (16), each: kind (8), acts (16), schema, name. */

#endif
