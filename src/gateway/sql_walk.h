/* Walks a parse tree (libpg_query's JSON) by an allow-list of nodes and collects the names that it uses.
 * Runs in the parser process only. */
#ifndef GATEWAY_SQL_WALK_H
#define GATEWAY_SQL_WALK_H

#include <yyjson.h>

#include "gateway/sql.h"
#include "gateway/sql_pack.h"

struct sql_node {
    const char *name;
    const char *fields; /* "field:- field:* field:Type ": plain value, any node, node of that type without its wrapping */
};
extern const struct sql_node sql_nodes[]; /* sorted by name */
extern const size_t sql_nodes_n;

#define SQL_MAX_DEPTH 20000 /* PostgreSQL's own stack ends long before */
#define SQL_HASH 8192

/* The names that a WITH clause gives, as far as they can be seen. */
struct sql_scope {
    const struct sql_scope *up;
    yyjson_val *ctes;
    size_t visible; /* the first so many of ctes */
};

struct sql_walk {
    uint32_t flags;
    const char *tag;
    char tag_text[SQL_MAX_TEXT];
    struct phi_view name;
    char name_text[64];
    const char *refuse;
    unsigned also; /* acts added to each relation that is read */
    const struct sql_scope *scope;
    size_t depth;
    bool too_deep, too_many;
    size_t columns; /* seen so far */
    size_t n;
    struct sql_ref refs[SQL_MAX_REFS];
    uint16_t hash[SQL_HASH]; /* index + 1 into refs */
};

void sql_walk_reset(struct sql_walk *w); /* before each statement */
void sql_use(struct sql_walk *w, enum sql_kind kind, unsigned acts, struct phi_view schema, struct phi_view name);
void sql_admin(struct sql_walk *w, const char *why);

/* One statement: the node that RawStmt holds, wrapped. */
void sql_stmt_walk(struct sql_walk *w, yyjson_val *stmt);

/* Query and expression nodes: a wrapped node, a list of them, or nothing. */
void sql_walk_any(struct sql_walk *w, yyjson_val *v);
void sql_walk_as(struct sql_walk *w, const char *type, yyjson_val *obj); /* a node without wrapping */
/* Whatever definitions hold: finds the query and expression nodes inside and walks those. */
void sql_walk_inside(struct sql_walk *w, yyjson_val *v);

/* A relation written as a RangeVar without wrapping. */
void sql_use_rel(struct sql_walk *w, yyjson_val *range_var, unsigned acts);
/* The flag of a definition; 0 for one of the session's own temporary relations: they come last in the pinned path and are
 * in no catalogue, so they change what no other name means. */
uint32_t sql_ddl_flag(yyjson_val *range_var);
/* A name written as a list of String nodes. */
void sql_use_list(struct sql_walk *w, enum sql_kind kind, unsigned acts, yyjson_val *list);
/* Splits such a list: its last member and the one before; false when it is no list of strings. */
bool sql_name_of(yyjson_val *list, struct phi_view *schema, struct phi_view *name);

/* Look-ups that answer NULL, "" or false for what is not there. */
yyjson_val *sql_get(yyjson_val *obj, const char *key);
struct phi_view sql_text(yyjson_val *obj, const char *key);
bool sql_is(yyjson_val *obj, const char *key, const char *value);
bool sql_true(yyjson_val *obj, const char *key);
/* The type and the body of a wrapped node; NULL when it is none. */
const char *sql_unwrap(yyjson_val *v, yyjson_val **body);

#endif
