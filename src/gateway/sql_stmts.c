/* What each statement of PostgreSQL's grammar does. One that is not in the table is pg:admin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sql_stmts.h"

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
void sql_tag_object(struct sql_walk *w, const char *verb, struct phi_view object)
{
    static const struct phi_view prefix = { (const uint8_t *)"OBJECT_", 7 };
    tagf(w, verb, phi_view_starts(object, prefix) ? phi_view_from(object, prefix.n) : object);
}

void sql_on_target(struct sql_walk *w, unsigned acts, const char *why)
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

void sql_inner(struct sql_walk *w, yyjson_val *stmt)
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
    sql_inner(w, sql_get(o, "query"));
    w->flags &= ~(uint32_t)(GW_SQL_DECLARE | GW_SQL_HELD_CURSOR); /* it opens no cursor */
}

static void prepare(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->tag = "PREPARE";
    sql_walk_any(w, sql_get(o, "argtypes"));
    sql_inner(w, sql_get(o, "query"));
    w->name = sql_text(o, "name");
    w->flags |= GW_SQL_PREPARE;
}

static void execute(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    sql_walk_any(w, sql_get(o, "params"));
    w->name = sql_text(o, "name");
    w->flags |= GW_SQL_EXECUTE;
}

static void declare(struct sql_walk *w, yyjson_val *o, const char *type)
{
    enum { CURSOR_OPT_HOLD = 0x20 };
    (void)type;
    w->tag = "DECLARE CURSOR";
    sql_inner(w, sql_get(o, "query"));
    w->name = sql_text(o, "portalname");
    w->flags |= GW_SQL_DECLARE;
    if (yyjson_get_int(sql_get(o, "options")) & CURSOR_OPT_HOLD)
        w->flags |= GW_SQL_HELD_CURSOR;
}

static void fetch(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    w->tag = sql_true(o, "ismove") ? "MOVE" : "FETCH";
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

void sql_each_rel(struct sql_walk *w, yyjson_val *list, unsigned acts)
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
    sql_each_rel(w, sql_get(o, "relations"), SQL_ACT_TRUNCATE);
}

static void lock(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    sql_each_rel(w, sql_get(o, "relations"), SQL_ACT_UPDATE);
}

/* VACUUM, ANALYZE, CLUSTER, REINDEX run index expressions; without a table they work on the whole database. */
static void upkeep(struct sql_walk *w, yyjson_val *o, const char *type)
{
    if (strcmp(type, "VacuumStmt") == 0)
        w->tag = sql_true(o, "is_vacuumcmd") ? "VACUUM" : "ANALYZE";
    yyjson_val *rels = sql_get(o, "rels"), *rel = sql_get(o, "relation");
    sql_each_rel(w, rels, SQL_ACT_DDL);
    if (rel)
        sql_use_rel(w, rel, SQL_ACT_DDL);
    else if (!yyjson_arr_size(rels))
        sql_admin(w, "works on the whole database");
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
    sql_on_target(w, SQL_ACT_SET, w->tag);
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
    sql_on_target(w, SQL_ACT_SET, "all");
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
    STMT(AlterCollation, "ALTER COLLATION", sql_define),
    STMT(AlterDomain, "ALTER DOMAIN", sql_define),
    STMT(AlterEnum, "ALTER TYPE", sql_define),
    STMT(AlterFunction, "ALTER FUNCTION", sql_alter_function),
    STMT(AlterObjectDepends, "ALTER", sql_alter_object),
    STMT(AlterObjectSchema, "ALTER", sql_alter_object),
    STMT(AlterPolicy, "ALTER POLICY", sql_define),
    STMT(AlterSeq, "ALTER SEQUENCE", sql_define),
    STMT(AlterStats, "ALTER STATISTICS", sql_define),
    STMT(AlterTSConfiguration, "ALTER TEXT SEARCH CONFIGURATION", sql_define),
    STMT(AlterTSDictionary, "ALTER TEXT SEARCH DICTIONARY", sql_define),
    STMT(AlterTable, "ALTER TABLE", sql_alter_table),
    STMT(AlterType, "ALTER TYPE", sql_define),
    STMT(Call, "CALL", call),
    STMT(CheckPoint, "CHECKPOINT", admin),
    STMT(ClosePortal, "CLOSE CURSOR", close_cursor),
    STMT(Cluster, "CLUSTER", upkeep),
    STMT(Comment, "COMMENT", sql_alter_object),
    STMT(CompositeType, "CREATE TYPE", sql_define),
    STMT(ConstraintsSet, "SET CONSTRAINTS", session_set),
    STMT(Copy, "COPY", copy),
    STMT(CreateDomain, "CREATE DOMAIN", sql_define),
    STMT(CreateEnum, "CREATE TYPE", sql_define),
    STMT(CreateForeignTable, "CREATE FOREIGN TABLE", sql_create_table),
    STMT(CreateFunction, "CREATE FUNCTION", sql_create_function),
    STMT(CreatePolicy, "CREATE POLICY", sql_define),
    STMT(CreateRange, "CREATE TYPE", sql_define),
    STMT(CreateSchema, "CREATE SCHEMA", sql_create_schema),
    STMT(CreateSeq, "CREATE SEQUENCE", sql_define),
    STMT(CreateStats, "CREATE STATISTICS", sql_define),
    STMT(Create, "CREATE TABLE", sql_create_table),
    STMT(CreateTableAs, "CREATE TABLE AS", sql_create_as),
    STMT(CreateTrig, "CREATE TRIGGER", sql_define),
    STMT(Deallocate, "DEALLOCATE", deallocate),
    STMT(DeclareCursor, "DECLARE CURSOR", declare),
    STMT(Define, "CREATE", sql_define),
    STMT(Delete, "DELETE", query),
    STMT(Discard, "DISCARD", discard),
    STMT(Drop, "DROP", sql_drop),
    STMT(Execute, "EXECUTE", execute),
    STMT(Explain, "EXPLAIN", explain),
    STMT(Fetch, "FETCH", fetch),
    STMT(Index, "CREATE INDEX", sql_define),
    STMT(Insert, "INSERT", query),
    STMT(Listen, "LISTEN", session_set),
    STMT(Lock, "LOCK TABLE", lock),
    STMT(Merge, "MERGE", query),
    STMT(Notify, "NOTIFY", notify),
    STMT(Prepare, "PREPARE", prepare),
    STMT(RefreshMatView, "REFRESH MATERIALIZED VIEW", sql_define),
    STMT(Reindex, "REINDEX", upkeep),
    STMT(Rename, "ALTER", sql_alter_object),
    STMT(Rule, "CREATE RULE", sql_rule),
    STMT(Select, "SELECT", query),
    STMT(Transaction, "TRANSACTION", transaction),
    STMT(Truncate, "TRUNCATE TABLE", truncate_rels),
    STMT(Unlisten, "UNLISTEN", nothing),
    STMT(Update, "UPDATE", query),
    STMT(Vacuum, "VACUUM", upkeep),
    STMT(VariableSet, "SET", sql_set),
    STMT(VariableShow, "SHOW", nothing),
    STMT(View, "CREATE VIEW", sql_define),
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
