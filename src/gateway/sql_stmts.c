/* What each statement of PostgreSQL's grammar does. One that is not in the table is pg:admin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sql_walk.h"

static const struct phi_view none = { 0 };

static void tagf(struct sql_walk *w, const char *verb, struct phi_view object)
{
    int n = snprintf(w->tag_text, sizeof w->tag_text, "%s " PHI_FMT, verb, PHI_ARG(phi_view_upto(object, 60)));
    for (int i = (int)strlen(verb); i < n; i++)
        if (w->tag_text[i] == '_')
            w->tag_text[i] = ' ';
    w->tag = w->tag_text;
}

/* "DROP" and OBJECT_FOREIGN_TABLE make "DROP FOREIGN TABLE". */
static void tag_object(struct sql_walk *w, const char *verb, struct phi_view object)
{
    static const struct phi_view prefix = { (const uint8_t *)"OBJECT_", 7 };
    tagf(w, verb, phi_view_starts(object, prefix) ? phi_view_from(object, prefix.n) : object);
}

static void on_target(struct sql_walk *w, unsigned acts, const char *why)
{
    sql_use(w, SQL_TARGET, acts, none, phi_view_of(why));
}

/* ---- queries ---- */

static void query(struct sql_walk *w, yyjson_val *o, const char *type)
{
    static const struct {
        const char *type, *tag;
    } tags[] = { { "SelectStmt", "SELECT" },
                 { "InsertStmt", "INSERT" },
                 { "UpdateStmt", "UPDATE" },
                 { "DeleteStmt", "DELETE" },
                 { "MergeStmt", "MERGE" } };
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (strcmp(tags[i].type, type) == 0)
            w->tag = tags[i].tag;
    if (sql_get(o, "intoClause"))
        w->tag = "SELECT INTO";
    sql_walk_as(w, type, o);
}

static void copy(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    bool from = sql_true(o, "is_from");
    if (sql_true(o, "is_program"))
        sql_admin(w, "COPY runs a program on the server");
    else if (sql_get(o, "filename"))
        sql_admin(w, "COPY reads or writes a file of the server");
    else
        w->flags |= from ? GW_SQL_COPY_IN : GW_SQL_COPY_OUT;
    if (from)
        w->flags |= GW_SQL_WRITES;
    if (sql_get(o, "relation"))
        sql_use_rel(w, sql_get(o, "relation"), SQL_ACT_COPY | (from ? SQL_ACT_INSERT : SQL_ACT_SELECT));
    w->also |= SQL_ACT_COPY;
    sql_walk_any(w, sql_get(o, "query"));
    w->also = 0;
    sql_walk_any(w, sql_get(o, "whereClause"));
}

static void inner(struct sql_walk *w, yyjson_val *stmt)
{
    const char *tag = w->tag;
    sql_stmt_walk(w, stmt);
    w->tag = tag;
}

/* Plain EXPLAIN plans, and planning runs functions; with ANALYZE it runs the statement. Both are what is inside. */
static void explain(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->tag = "EXPLAIN";
    inner(w, sql_get(o, "query"));
    w->flags &= ~(uint32_t)(GW_SQL_DECLARE | GW_SQL_HELD_CURSOR); /* it opens no cursor */
}

static void prepare(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->tag = "PREPARE";
    sql_walk_any(w, sql_get(o, "argtypes"));
    inner(w, sql_get(o, "query"));
    w->name = sql_text(o, "name");
    w->flags |= GW_SQL_PREPARE;
}

static void execute(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    sql_admin(w, "EXECUTE of a statement that phi did not see prepared");
    sql_walk_any(w, sql_get(o, "params"));
    w->name = sql_text(o, "name");
    w->flags |= GW_SQL_EXECUTE;
}

static void declare(struct sql_walk *w, yyjson_val *o, const char *type)
{
    enum { CURSOR_OPT_HOLD = 0x20 };
    (void)type;
    w->tag = "DECLARE CURSOR";
    inner(w, sql_get(o, "query"));
    w->name = sql_text(o, "portalname");
    w->flags |= GW_SQL_DECLARE;
    if (yyjson_get_int(sql_get(o, "options")) & CURSOR_OPT_HOLD)
        w->flags |= GW_SQL_HELD_CURSOR;
}

static void fetch(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->tag = sql_true(o, "ismove") ? "MOVE" : "FETCH";
    sql_admin(w, "FETCH from a cursor that phi did not see declared");
    w->name = sql_text(o, "portalname");
    w->flags |= GW_SQL_FETCH;
}

static void close_cursor(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->name = sql_text(o, "portalname");
    w->flags |= GW_SQL_CLOSE;
}

static void deallocate(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->name = sql_text(o, "name");
    w->flags |= GW_SQL_DEALLOCATE;
}

/* ---- tables as a whole ---- */

static void each_rel(struct sql_walk *w, yyjson_val *list, unsigned acts)
{
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (list, i, max, v) {
        yyjson_val *rel = sql_get(v, "RangeVar");
        if (!rel)
            rel = sql_get(sql_get(v, "VacuumRelation"), "relation");
        sql_use_rel(w, rel, acts);
    }
}

static void truncate_rels(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->flags |= GW_SQL_WRITES;
    each_rel(w, sql_get(o, "relations"), SQL_ACT_TRUNCATE);
}

static void lock(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    each_rel(w, sql_get(o, "relations"), SQL_ACT_UPDATE);
}

/* VACUUM, ANALYZE, CLUSTER, REINDEX run index expressions; without a table they work on the whole database. */
static void upkeep(struct sql_walk *w, yyjson_val *o, const char *type)
{
    if (strcmp(type, "VacuumStmt") == 0)
        w->tag = sql_true(o, "is_vacuumcmd") ? "VACUUM" : "ANALYZE";
    yyjson_val *rels = sql_get(o, "rels"), *rel = sql_get(o, "relation");
    each_rel(w, rels, SQL_ACT_DDL);
    if (rel)
        sql_use_rel(w, rel, SQL_ACT_DDL);
    else if (!yyjson_arr_size(rels))
        sql_admin(w, "works on the whole database");
}

/* ---- definitions ---- */

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
static void define(struct sql_walk *w, yyjson_val *o, const char *type)
{
    if (strcmp(type, "DefineStmt") == 0)
        tag_object(w, "CREATE", sql_text(o, "kind"));
    w->flags |= GW_SQL_DDL;
    if (!first_rel(w, o))
        on_target(w, SQL_ACT_DDL, w->tag);
    size_t i, max;
    yyjson_val *k, *v;
    yyjson_obj_foreach (o, i, max, k, v)
        sql_walk_inside(w, v);
}

static void create_table(struct sql_walk *w, yyjson_val *o, const char *type)
{
    yyjson_val *base = sql_get(o, "base"); /* CREATE FOREIGN TABLE wraps a CREATE TABLE */
    if (base)
        sql_admin(w, "a table of another server");
    define(w, base ? base : o, type);
    each_rel(w, sql_get(base ? base : o, "inhRelations"), SQL_ACT_DDL);
}

static void create_as(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    tag_object(w, "CREATE", sql_text(o, "objtype"));
    if (sql_is(o, "objtype", "OBJECT_TABLE"))
        w->tag = "CREATE TABLE AS";
    sql_use_rel(w, sql_get(sql_get(o, "into"), "rel"), SQL_ACT_DDL);
    inner(w, sql_get(o, "query"));
    w->flags &= ~(uint32_t)GW_SQL_EXECUTE; /* its pg:admin stays: the statement's own name is the table */
    w->name = none;
    w->flags |= GW_SQL_DDL;
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

static void alter_table(struct sql_walk *w, yyjson_val *o, const char *type)
{
    tag_object(w, "ALTER", sql_text(o, "objtype"));
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "cmds"), i, max, v)
        alter_part(w, sql_get(v, "AlterTableCmd"));
    define(w, o, type);
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

static void create_function(struct sql_walk *w, yyjson_val *o, const char *type)
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

static void alter_function(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    tag_object(w, "ALTER", sql_text(o, "objtype"));
    on_function(w, sql_get(o, "func"));
}

static void create_schema(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->flags |= GW_SQL_DDL;
    struct phi_view name = sql_text(o, "schemaname");
    if (name.n)
        sql_use(w, SQL_SCHEMA, SQL_ACT_DDL, none, name);
    else
        on_target(w, SQL_ACT_DDL, w->tag);
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
        on_target(w, SQL_ACT_DDL, w->tag);
        return;
    case OBJ_ADMIN:
        sql_admin(w, w->tag);
    }
}

static void drop(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    struct phi_view objtype = sql_text(o, "removeType");
    tag_object(w, "DROP", objtype);
    w->flags |= GW_SQL_DDL;
    if (sql_is(o, "behavior", "DROP_CASCADE") && class_of(objtype) != OBJ_REL)
        on_target(w, SQL_ACT_DDL, "CASCADE");
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "objects"), i, max, v)
        on_object(w, class_of(objtype), v);
    if (!yyjson_arr_size(sql_get(o, "objects")))
        sql_admin(w, "DROP of something unknown");
}

/* ALTER … RENAME, SET SCHEMA, DEPENDS ON and COMMENT name their object in one of two ways. */
static void alter_object(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    static const char *const keys[] = { "renameType", "objectType", "objtype" };
    struct phi_view objtype = none;
    for (size_t i = 0; i < 3 && !objtype.n; i++)
        objtype = sql_text(o, keys[i]);
    bool comment = strcmp(type, "CommentStmt") == 0;
    if (!comment)
        tag_object(w, "ALTER", objtype);
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

static void rule(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->flags |= GW_SQL_DDL;
    sql_use_rel(w, sql_get(o, "relation"), SQL_ACT_DDL);
    sql_walk_inside(w, sql_get(o, "whereClause"));
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "actions"), i, max, v)
        inner(w, v);
}

/* ---- calls, sessions, transactions ---- */

static void call(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->flags |= GW_SQL_CALLS | GW_SQL_WRITES;
    sql_walk_as(w, "FuncCall", sql_get(o, "funccall"));
}

static void admin(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)o;
    (void)type;
    sql_admin(w, w->tag);
}

static void admin_ddl(struct sql_walk *w, yyjson_val *o, const char *type)
{
    admin(w, o, type);
    w->flags |= GW_SQL_DDL;
}

static void notify(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)o;
    (void)type;
    w->flags |= GW_SQL_WRITES;
    sql_use(w, SQL_FUNC, SQL_ACT_CALL, PHI_LIT("pg_catalog"), PHI_LIT("pg_notify"));
}

static void session_set(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)o;
    (void)type;
    on_target(w, SQL_ACT_SET, w->tag);
}

static void nothing(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)w;
    (void)o;
    (void)type;
}

static void discard(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    if (!sql_is(o, "target", "DISCARD_ALL"))
        return;
    w->flags |= GW_SQL_SETS | GW_SQL_DEALLOCATE | GW_SQL_CLOSE;
    w->name = PHI_LIT("all");
    on_target(w, SQL_ACT_SET, "all");
}

static void transaction(struct sql_walk *w, yyjson_val *o, const char *type)
{
    static const struct {
        const char *kind, *tag;
        uint32_t flags;
    } kinds[] = {
        { "TRANS_STMT_BEGIN", "BEGIN", GW_SQL_TXN_BEGIN },
        { "TRANS_STMT_START", "START TRANSACTION", GW_SQL_TXN_BEGIN },
        { "TRANS_STMT_COMMIT", "COMMIT", GW_SQL_TXN_COMMIT },
        { "TRANS_STMT_ROLLBACK", "ROLLBACK", GW_SQL_TXN_ROLLBACK },
        { "TRANS_STMT_SAVEPOINT", "SAVEPOINT", GW_SQL_TXN_SAVEPOINT },
        { "TRANS_STMT_RELEASE", "RELEASE", GW_SQL_TXN_SAVEPOINT },
        { "TRANS_STMT_ROLLBACK_TO", "ROLLBACK", GW_SQL_TXN_SAVEPOINT },
        { "TRANS_STMT_PREPARE", "PREPARE TRANSACTION", GW_SQL_TXN_COMMIT | GW_SQL_ADMIN },
        { "TRANS_STMT_COMMIT_PREPARED", "COMMIT PREPARED", GW_SQL_TXN_COMMIT | GW_SQL_ADMIN },
        { "TRANS_STMT_ROLLBACK_PREPARED", "ROLLBACK PREPARED", GW_SQL_ADMIN },
    };
    (void)type;
    w->flags |= sql_true(o, "chain") ? GW_SQL_TXN_CHAIN : 0u;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!sql_is(o, "kind", kinds[i].kind))
            continue;
        w->tag = kinds[i].tag;
        w->flags |= kinds[i].flags & ~(uint32_t)GW_SQL_ADMIN;
        if (kinds[i].flags & GW_SQL_ADMIN)
            sql_admin(w, "a prepared transaction outlives its session");
        return;
    }
    sql_admin(w, "a transaction command that phi does not know");
}

#define STMT(node, tag, fn) { #node "Stmt", tag, fn }
static const struct {
    const char *type, *tag;
    void (*fn)(struct sql_walk *w, yyjson_val *obj, const char *type);
} stmts[] = {
    /* sorted by type */
    STMT(AlterCollation, "ALTER COLLATION", define),
    STMT(AlterDomain, "ALTER DOMAIN", define),
    STMT(AlterEnum, "ALTER TYPE", define),
    STMT(AlterFunction, "ALTER FUNCTION", alter_function),
    STMT(AlterObjectDepends, "ALTER", alter_object),
    STMT(AlterObjectSchema, "ALTER", alter_object),
    STMT(AlterPolicy, "ALTER POLICY", define),
    STMT(AlterSeq, "ALTER SEQUENCE", define),
    STMT(AlterStats, "ALTER STATISTICS", define),
    STMT(AlterTSConfiguration, "ALTER TEXT SEARCH CONFIGURATION", define),
    STMT(AlterTSDictionary, "ALTER TEXT SEARCH DICTIONARY", define),
    STMT(AlterTable, "ALTER TABLE", alter_table),
    STMT(AlterType, "ALTER TYPE", define),
    STMT(Call, "CALL", call),
    STMT(CheckPoint, "CHECKPOINT", admin),
    STMT(ClosePortal, "CLOSE CURSOR", close_cursor),
    STMT(Cluster, "CLUSTER", upkeep),
    STMT(Comment, "COMMENT", alter_object),
    STMT(CompositeType, "CREATE TYPE", define),
    STMT(ConstraintsSet, "SET CONSTRAINTS", session_set),
    STMT(Copy, "COPY", copy),
    STMT(CreateDomain, "CREATE DOMAIN", define),
    STMT(CreateEnum, "CREATE TYPE", define),
    STMT(CreateForeignTable, "CREATE FOREIGN TABLE", create_table),
    STMT(CreateFunction, "CREATE FUNCTION", create_function),
    STMT(CreatePolicy, "CREATE POLICY", define),
    STMT(CreateRange, "CREATE TYPE", define),
    STMT(CreateSchema, "CREATE SCHEMA", create_schema),
    STMT(CreateSeq, "CREATE SEQUENCE", define),
    STMT(CreateStats, "CREATE STATISTICS", define),
    STMT(Create, "CREATE TABLE", create_table),
    STMT(CreateTableAs, "CREATE TABLE AS", create_as),
    STMT(CreateTrig, "CREATE TRIGGER", define),
    STMT(Deallocate, "DEALLOCATE", deallocate),
    STMT(DeclareCursor, "DECLARE CURSOR", declare),
    STMT(Define, "CREATE", define),
    STMT(Delete, "DELETE", query),
    STMT(Discard, "DISCARD", discard),
    STMT(Drop, "DROP", drop),
    STMT(Execute, "EXECUTE", execute),
    STMT(Explain, "EXPLAIN", explain),
    STMT(Fetch, "FETCH", fetch),
    STMT(Index, "CREATE INDEX", define),
    STMT(Insert, "INSERT", query),
    STMT(Listen, "LISTEN", session_set),
    STMT(Lock, "LOCK TABLE", lock),
    STMT(Merge, "MERGE", query),
    STMT(Notify, "NOTIFY", notify),
    STMT(Prepare, "PREPARE", prepare),
    STMT(RefreshMatView, "REFRESH MATERIALIZED VIEW", define),
    STMT(Reindex, "REINDEX", upkeep),
    STMT(Rename, "ALTER", alter_object),
    STMT(Rule, "CREATE RULE", rule),
    STMT(Select, "SELECT", query),
    STMT(Transaction, "TRANSACTION", transaction),
    STMT(Truncate, "TRUNCATE TABLE", truncate_rels),
    STMT(Unlisten, "UNLISTEN", nothing),
    STMT(Update, "UPDATE", query),
    STMT(Vacuum, "VACUUM", upkeep),
    STMT(VariableSet, "SET", sql_set),
    STMT(VariableShow, "SHOW", nothing),
    STMT(View, "CREATE VIEW", define),
    /* all others change who may do what, or the server itself; those named here have a tag of their own */
    STMT(AlterDatabase, "ALTER DATABASE", admin_ddl),
    STMT(AlterDefaultPrivileges, "ALTER DEFAULT PRIVILEGES", admin_ddl),
    STMT(AlterExtension, "ALTER EXTENSION", admin_ddl),
    STMT(AlterOperator, "ALTER OPERATOR", admin_ddl),
    STMT(AlterOwner, "ALTER OWNER", admin_ddl),
    STMT(AlterRole, "ALTER ROLE", admin_ddl),
    STMT(AlterRoleSet, "ALTER ROLE", admin_ddl),
    STMT(AlterSystem, "ALTER SYSTEM", admin_ddl),
    STMT(CreateCast, "CREATE CAST", admin_ddl),
    STMT(CreateExtension, "CREATE EXTENSION", admin_ddl),
    STMT(CreateRole, "CREATE ROLE", admin_ddl),
    STMT(CreateSubscription, "CREATE SUBSCRIPTION", admin_ddl),
    STMT(Createdb, "CREATE DATABASE", admin_ddl),
    STMT(Do, "DO", admin_ddl),
    STMT(DropOwned, "DROP OWNED", admin_ddl),
    STMT(DropRole, "DROP ROLE", admin_ddl),
    STMT(Dropdb, "DROP DATABASE", admin_ddl),
    STMT(Grant, "GRANT", admin_ddl),
    STMT(GrantRole, "GRANT ROLE", admin_ddl),
    STMT(Load, "LOAD", admin_ddl),
    STMT(ReassignOwned, "REASSIGN OWNED", admin_ddl),
};
#undef STMT

void sql_stmt_walk(struct sql_walk *w, yyjson_val *stmt)
{
    yyjson_val *body = NULL;
    const char *type = sql_unwrap(stmt, &body);
    if (w->depth >= SQL_MAX_DEPTH) {
        w->too_deep = true;
        return;
    }
    for (size_t i = 0; type && i < sizeof stmts / sizeof stmts[0]; i++) {
        if (strcmp(stmts[i].type, type) != 0)
            continue;
        w->tag = stmts[i].tag;
        w->depth++;
        stmts[i].fn(w, body, type);
        w->depth--;
        return;
    }
    w->tag = "UTILITY";
    w->flags |= GW_SQL_DDL;
    sql_admin(w, "a statement that phi does not know");
}
