/* The classes of statements, one function for a kind of node: it adds what the statement uses to `w`. */
#ifndef GATEWAY_SQL_STMTS_H
#define GATEWAY_SQL_STMTS_H

#include "gateway/sql_walk.h"

/* SET and RESET (sql_set.c). */
void sql_set(struct sql_walk *w, yyjson_val *obj, const char *type);

/* Definitions (sql_define.c). */
void sql_define(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_create_table(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_create_as(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_alter_table(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_create_function(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_alter_function(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_create_schema(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_drop(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_alter_object(struct sql_walk *w, yyjson_val *o, const char *type);
void sql_rule(struct sql_walk *w, yyjson_val *o, const char *type);

/* What they share. */
void sql_tag_object(struct sql_walk *w, const char *verb, struct phi_view object); /* "DROP", "OBJECT_TABLE" */
void sql_on_target(struct sql_walk *w, unsigned acts, const char *why);
void sql_inner(struct sql_walk *w, yyjson_val *stmt); /* a statement inside; the tag stays */
void sql_each_rel(struct sql_walk *w, yyjson_val *list, unsigned acts);

#endif
