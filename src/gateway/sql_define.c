/* Statements that define, change and drop things. */
#include "gateway/sql_stmts.h"

#include <string.h>

static const struct phi_view none = { 0 };

static yyjson_val *made_rel(yyjson_val *o)
{
    static const char *const keys[] = { "relation", "sequence", "view" };
    yyjson_val *rel = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !rel; i++)
        rel = sql_get(o, keys[i]);
    return rel;
}

static bool first_rel(struct sql_walk *w, yyjson_val *o)
{
    static const char *const keys[] = { "relation", "sequence", "view", "table", "typevar" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        yyjson_val *rel = sql_get(o, keys[i]);
        if (!rel)
            continue;
        sql_use_rel(w, rel, SQL_ACT_DDL);
        return true;
    }
    return false;
}

/* Members are definitions of a relation's parts; expressions inside run now or later. */
void sql_define(struct sql_walk *w, yyjson_val *o, const char *type)
{
    if (strcmp(type, "DefineStmt") == 0)
        sql_tag_object(w, "CREATE", sql_text(o, "kind"));
    bool makes = strcmp(type, "CreateStmt") == 0 || strcmp(type, "ViewStmt") == 0 || strcmp(type, "CreateSeqStmt") == 0;
    w->flags |= makes ? sql_ddl_flag(made_rel(o)) : (uint32_t)GW_SQL_DDL;
    if (!first_rel(w, o))
        sql_on_target(w, SQL_ACT_DDL, w->tag);
    size_t i, max;
    yyjson_val *k, *v;
    yyjson_obj_foreach (o, i, max, k, v)
        sql_walk_inside(w, v);
}

void sql_create_table(struct sql_walk *w, yyjson_val *o, const char *type)
{
    yyjson_val *base = sql_get(o, "base"); /* CREATE FOREIGN TABLE wraps a CREATE TABLE */
    if (base)
        sql_admin(w, "a table of another server");
    sql_define(w, base ? base : o, type);
    sql_each_rel(w, sql_get(base ? base : o, "inhRelations"), SQL_ACT_DDL);
}

void sql_create_as(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    sql_tag_object(w, "CREATE", sql_text(o, "objtype"));
    if (sql_is(o, "objtype", "OBJECT_TABLE"))
        w->tag = "CREATE TABLE AS";
    sql_use_rel(w, sql_get(sql_get(o, "into"), "rel"), SQL_ACT_DDL);
    sql_inner(w, sql_get(o, "query"));
    if (w->flags & GW_SQL_EXECUTE)
        sql_admin(w, "a table made of a prepared statement");
    w->flags &= ~(uint32_t)GW_SQL_EXECUTE; /* the statement's own name is the table's */
    w->name = none;
    w->flags |= sql_ddl_flag(sql_get(sql_get(o, "into"), "rel"));
}

/* One part of ALTER TABLE, as far as it reaches past the table itself. */
static void alter_part(struct sql_walk *w, yyjson_val *cmd)
{
    if (sql_is(cmd, "subtype", "AT_ChangeOwner") || sql_is(cmd, "subtype", "AT_SetTableSpace"))
        sql_admin(w, "changes an owner or a tablespace");
    yyjson_val *def = sql_get(cmd, "def");
    yyjson_val *partition = sql_get(sql_get(def, "PartitionCmd"), "name"), *parent = sql_get(def, "RangeVar");
    if (partition)
        sql_use_rel(w, partition, SQL_ACT_DDL);
    if (parent)
        sql_use_rel(w, parent, SQL_ACT_DDL);
}

void sql_alter_table(struct sql_walk *w, yyjson_val *o, const char *type)
{
    sql_tag_object(w, "ALTER", sql_text(o, "objtype"));
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "cmds"), i, max, v)
        alter_part(w, sql_get(v, "AlterTableCmd"));
    sql_define(w, o, type);
}

static bool language_is_plain(yyjson_val *options)
{
    bool plain = true; /* without LANGUAGE it is SQL */
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (options, i, max, v) {
        yyjson_val *d = sql_get(v, "DefElem");
        if (!sql_is(d, "defname", "language"))
            continue;
        struct phi_view name = sql_text(sql_get(sql_get(d, "arg"), "String"), "sval");
        plain = phi_view_is(name, "sql") || phi_view_is(name, "plpgsql");
    }
    return plain;
}

void sql_create_function(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->tag = sql_true(o, "is_procedure") ? "CREATE PROCEDURE" : "CREATE FUNCTION";
    w->flags |= GW_SQL_DDL;
    sql_use_list(w, SQL_FUNC, SQL_ACT_DDL, sql_get(o, "funcname"));
    if (!language_is_plain(sql_get(o, "options")))
        sql_admin(w, "a function in a language other than SQL and PL/pgSQL");
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "parameters"), i, max, v)
        sql_walk_inside(w, sql_get(sql_get(v, "FunctionParameter"), "defexpr"));
    sql_walk_inside(w, sql_get(o, "sql_body"));
}

static void on_function(struct sql_walk *w, yyjson_val *with_args)
{
    w->flags |= GW_SQL_DDL;
    sql_use_list(w, SQL_FUNC, SQL_ACT_DDL, sql_get(with_args, "objname"));
}

void sql_alter_function(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    sql_tag_object(w, "ALTER", sql_text(o, "objtype"));
    on_function(w, sql_get(o, "func"));
}

void sql_create_schema(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->flags |= GW_SQL_DDL;
    struct phi_view name = sql_text(o, "schemaname");
    if (name.n)
        sql_use(w, SQL_SCHEMA, SQL_ACT_DDL, none, name);
    else
        sql_on_target(w, SQL_ACT_DDL, w->tag);
    if (sql_get(o, "authrole") || yyjson_arr_size(sql_get(o, "schemaElts")))
        sql_admin(w, "CREATE SCHEMA with an owner or with members");
}

enum object_class { OBJ_REL, OBJ_PART, OBJ_FUNC, OBJ_SCHEMA, OBJ_OTHER, OBJ_ADMIN };

static enum object_class class_of(struct phi_view objtype)
{
    static const struct {
        const char *objtype;
        enum object_class is;
    } classes[] = {
        { "OBJECT_TABLE", OBJ_REL },        { "OBJECT_VIEW", OBJ_REL },          { "OBJECT_MATVIEW", OBJ_REL },
        { "OBJECT_SEQUENCE", OBJ_REL },     { "OBJECT_INDEX", OBJ_REL },         { "OBJECT_FOREIGN_TABLE", OBJ_REL },
        { "OBJECT_TRIGGER", OBJ_PART },     { "OBJECT_RULE", OBJ_PART },         { "OBJECT_POLICY", OBJ_PART },
        { "OBJECT_COLUMN", OBJ_PART },      { "OBJECT_TABCONSTRAINT", OBJ_PART }, { "OBJECT_FUNCTION", OBJ_FUNC },
        { "OBJECT_PROCEDURE", OBJ_FUNC },   { "OBJECT_ROUTINE", OBJ_FUNC },      { "OBJECT_AGGREGATE", OBJ_FUNC },
        { "OBJECT_SCHEMA", OBJ_SCHEMA },    { "OBJECT_TYPE", OBJ_OTHER },        { "OBJECT_DOMAIN", OBJ_OTHER },
        { "OBJECT_COLLATION", OBJ_OTHER },  { "OBJECT_STATISTIC_EXT", OBJ_OTHER }, { "OBJECT_OPERATOR", OBJ_OTHER },
        { "OBJECT_ATTRIBUTE", OBJ_OTHER },  { "OBJECT_DOMCONSTRAINT", OBJ_OTHER }, { "OBJECT_TSCONFIGURATION", OBJ_OTHER },
        { "OBJECT_TSDICTIONARY", OBJ_OTHER },
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (phi_view_is(objtype, classes[i].objtype))
            return classes[i].is;
    return OBJ_ADMIN;
}

/* An object by its name: a list of strings, for a part with the part's own name at the end. */
static void on_object(struct sql_walk *w, enum object_class is, yyjson_val *object)
{
    yyjson_val *body = NULL;
    const char *type = sql_unwrap(object, &body);
    yyjson_val *items = type && strcmp(type, "List") == 0 ? sql_get(body, "items") : NULL;
    struct phi_view schema = none, name = none;
    size_t n = yyjson_arr_size(items);
    switch (is) {
    case OBJ_REL:
        sql_use_list(w, SQL_REL, SQL_ACT_DDL, items);
        return;
    case OBJ_PART:
        if (n >= 2)
            name = sql_text(sql_get(yyjson_arr_get(items, n - 2), "String"), "sval");
        if (n >= 3)
            schema = sql_text(sql_get(yyjson_arr_get(items, n - 3), "String"), "sval");
        if (name.n)
            sql_use(w, SQL_REL, SQL_ACT_DDL, schema, name);
        else
            sql_admin(w, "a name that phi cannot read");
        return;
    case OBJ_FUNC:
        on_function(w, body);
        return;
    case OBJ_SCHEMA:
        if (type && strcmp(type, "String") == 0)
            sql_use(w, SQL_SCHEMA, SQL_ACT_DDL, none, sql_text(body, "sval"));
        else
            sql_admin(w, "a name that phi cannot read");
        return;
    case OBJ_OTHER:
        sql_on_target(w, SQL_ACT_DDL, w->tag);
        return;
    case OBJ_ADMIN:
        sql_admin(w, w->tag);
    }
}

void sql_drop(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    struct phi_view objtype = sql_text(o, "removeType");
    sql_tag_object(w, "DROP", objtype);
    w->flags |= GW_SQL_DDL;
    if (sql_is(o, "behavior", "DROP_CASCADE") && class_of(objtype) != OBJ_REL)
        sql_on_target(w, SQL_ACT_DDL, "CASCADE");
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "objects"), i, max, v)
        on_object(w, class_of(objtype), v);
    if (!yyjson_arr_size(sql_get(o, "objects")))
        sql_admin(w, "DROP of something unknown");
}

/* ALTER … RENAME, SET SCHEMA, DEPENDS ON and COMMENT name their object in one of two ways. */
void sql_alter_object(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    static const char *const keys[] = { "renameType", "objectType", "objtype" };
    struct phi_view objtype = none;
    for (size_t i = 0; i < 3 && !objtype.n; i++)
        objtype = sql_text(o, keys[i]);
    bool comment = strcmp(type, "CommentStmt") == 0;
    if (!comment)
        sql_tag_object(w, "ALTER", objtype);
    w->flags |= GW_SQL_DDL;
    enum object_class is = class_of(objtype);
    yyjson_val *object = sql_get(o, "object");
    if (sql_get(o, "relation"))
        sql_use_rel(w, sql_get(o, "relation"), SQL_ACT_DDL);
    else if (object)
        on_object(w, is, object);
    else if (is == OBJ_SCHEMA)
        sql_use(w, SQL_SCHEMA, SQL_ACT_DDL, none, sql_text(o, "subname"));
    else
        sql_admin(w, w->tag);
    if (is == OBJ_ADMIN)
        sql_admin(w, w->tag);
    if (sql_get(o, "newschema"))
        sql_use(w, SQL_SCHEMA, SQL_ACT_DDL, none, sql_text(o, "newschema"));
}

void sql_rule(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->flags |= GW_SQL_DDL;
    sql_use_rel(w, sql_get(o, "relation"), SQL_ACT_DDL);
    sql_walk_inside(w, sql_get(o, "whereClause"));
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "actions"), i, max, v)
        sql_inner(w, v);
}
