#include "gateway/sql_walk.h"

#include <stdlib.h>
#include <string.h>

yyjson_val *sql_get(yyjson_val *obj, const char *key)
{
    return yyjson_obj_get(obj, key);
}

struct phi_view sql_text(yyjson_val *obj, const char *key)
{
    yyjson_val *v = yyjson_obj_get(obj, key);
    if (!yyjson_is_str(v))
        return (struct phi_view){ 0 };
    return phi_view_mem(yyjson_get_str(v), yyjson_get_len(v));
}

bool sql_is(yyjson_val *obj, const char *key, const char *value)
{
    return yyjson_equals_str(yyjson_obj_get(obj, key), value);
}

bool sql_true(yyjson_val *obj, const char *key)
{
    return yyjson_is_true(yyjson_obj_get(obj, key));
}

const char *sql_unwrap(yyjson_val *v, yyjson_val **body)
{
    if (!yyjson_is_obj(v) || yyjson_obj_size(v) != 1)
        return NULL;
    yyjson_val *key = unsafe_yyjson_get_first(v);
    *body = yyjson_obj_iter_get_val(key);
    return yyjson_is_obj(*body) ? yyjson_get_str(key) : NULL;
}

void sql_walk_reset(struct sql_walk *w)
{
    memset(w, 0, offsetof(struct sql_walk, refs));
    memset(w->hash, 0, sizeof w->hash);
    w->tag = "";
}

static uint32_t mix(uint32_t h, struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ v.p[i]) * 16777619u;
    return (h ^ 0xffu) * 16777619u;
}

void sql_use(struct sql_walk *w, enum sql_kind kind, unsigned acts, struct phi_view schema, struct phi_view name)
{
    uint32_t h = mix(mix(2166136261u ^ (uint32_t)kind, schema), name) % SQL_HASH;
    for (; w->hash[h]; h = (h + 1) % SQL_HASH) {
        struct sql_ref *r = &w->refs[w->hash[h] - 1];
        if (r->kind == kind && phi_view_eq(r->name, name) && phi_view_eq(r->schema, schema)) {
            r->acts = (uint16_t)(r->acts | acts);
            return;
        }
    }
    if (w->n == SQL_MAX_REFS) {
        w->too_many = true;
        return;
    }
    w->refs[w->n] = (struct sql_ref){ .kind = (uint8_t)kind, .acts = (uint16_t)acts, .schema = schema, .name = name };
    w->hash[h] = (uint16_t)++w->n;
}

void sql_admin(struct sql_walk *w, const char *why)
{
    sql_use(w, SQL_TARGET, SQL_ACT_ADMIN, (struct phi_view){ 0 }, phi_view_upto(phi_view_of(why), SQL_MAX_TEXT));
}

bool sql_name_of(yyjson_val *list, struct phi_view *schema, struct phi_view *name)
{
    *schema = *name = (struct phi_view){ 0 };
    size_t n = yyjson_arr_size(list);
    if (n < 1 || n > 3)
        return false;
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (list, i, max, v) {
        yyjson_val *body = NULL;
        const char *type = sql_unwrap(v, &body);
        if (!type || strcmp(type, "String") != 0)
            return false;
        *schema = *name;
        *name = sql_text(body, "sval");
    }
    return name->n > 0;
}

void sql_use_list(struct sql_walk *w, enum sql_kind kind, unsigned acts, yyjson_val *list)
{
    struct phi_view schema, name;
    if (sql_name_of(list, &schema, &name))
        sql_use(w, kind, acts, schema, name);
    else
        sql_admin(w, "a name that phi cannot read");
}

void sql_use_rel(struct sql_walk *w, yyjson_val *v, unsigned acts)
{
    struct phi_view name = sql_text(v, "relname"), schema = sql_text(v, "schemaname");
    if (acts == SQL_ACT_DDL && !schema.n && sql_is(v, "relpersistence", "t"))
        schema = PHI_LIT("pg_temp"); /* CREATE TEMP … */
    if (!name.n)
        sql_admin(w, "a relation without a name");
    else
        sql_use(w, SQL_REL, acts, schema, name);
}

uint32_t sql_ddl_flag(yyjson_val *v)
{
    struct phi_view schema = sql_text(v, "schemaname");
    bool temp = schema.n ? phi_view_is(schema, "pg_temp") : sql_is(v, "relpersistence", "t");
    return temp ? 0u : (uint32_t)GW_SQL_DDL;
}

static bool in_scope(const struct sql_walk *w, struct phi_view name)
{
    for (const struct sql_scope *s = w->scope; s; s = s->up) {
        size_t i, max;
        yyjson_val *v;
        yyjson_arr_foreach (s->ctes, i, max, v) {
            if (i >= s->visible)
                break;
            if (phi_view_eq(sql_text(sql_get(v, "CommonTableExpr"), "ctename"), name))
                return true;
        }
    }
    return false;
}

static void op_named(struct sql_walk *w, const char *name)
{
    sql_use(w, SQL_OP, SQL_ACT_CALL, (struct phi_view){ 0 }, phi_view_of(name));
}

/* ---- nodes that name something ---- */

static void walk_fields(struct sql_walk *w, const char *type, yyjson_val *obj, const char *skip);

/* Opens the scope of a WITH clause in `s` and walks its queries. PostgreSQL: without RECURSIVE each sees only
 * those before it. */
static void with_open(struct sql_walk *w, yyjson_val *with, struct sql_scope *s)
{
    *s = (struct sql_scope){ .up = w->scope, .ctes = sql_get(with, "ctes") };
    w->scope = s;
    if (!with)
        return;
    bool recursive = sql_true(with, "recursive");
    if (recursive)
        s->visible = yyjson_arr_size(s->ctes);
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (s->ctes, i, max, v) {
        sql_walk_any(w, v);
        if (!recursive)
            s->visible = i + 1;
    }
}

static void on_select(struct sql_walk *w, yyjson_val *o)
{
    struct sql_scope s;
    unsigned also = w->also;
    with_open(w, sql_get(o, "withClause"), &s);
    if (yyjson_arr_size(sql_get(o, "lockingClause")))
        w->also |= SQL_ACT_UPDATE;
    yyjson_val *into = sql_get(o, "intoClause");
    if (into) {
        sql_use_rel(w, sql_get(into, "rel"), SQL_ACT_DDL);
        w->flags |= sql_ddl_flag(sql_get(into, "rel"));
    }
    walk_fields(w, "SelectStmt", o, " withClause intoClause lockingClause ");
    w->also = also;
    w->scope = s.up;
}

static unsigned returning(yyjson_val *o)
{
    return yyjson_arr_size(sql_get(o, "returningList")) ? SQL_ACT_SELECT : 0;
}

/* `fields`: those of the node that are walked already. */
static void on_write_but(struct sql_walk *w, const char *type, yyjson_val *o, unsigned acts, const char *fields)
{
    struct sql_scope s;
    with_open(w, sql_get(o, "withClause"), &s);
    sql_use_rel(w, sql_get(o, "relation"), acts | returning(o));
    w->flags |= GW_SQL_WRITES;
    if (strstr(fields, " whereClause ")) { /* one that names no column, such as `true`, chooses no rows */
        size_t before = w->columns;
        sql_walk_any(w, sql_get(o, "whereClause"));
        w->flags |= w->columns > before ? GW_SQL_WHERE : GW_SQL_NO_WHERE;
    }
    walk_fields(w, type, o, fields);
    w->scope = s.up;
}

static void on_write(struct sql_walk *w, const char *type, yyjson_val *o, unsigned acts)
{
    on_write_but(w, type, o, acts, " withClause relation ");
}

static void on_insert(struct sql_walk *w, yyjson_val *o)
{
    bool update = sql_is(sql_get(o, "onConflictClause"), "action", "ONCONFLICT_UPDATE");
    on_write(w, "InsertStmt", o, SQL_ACT_INSERT | (update ? SQL_ACT_UPDATE : 0u));
}

static void on_update(struct sql_walk *w, yyjson_val *o)
{
    on_write_but(w, "UpdateStmt", o, SQL_ACT_UPDATE, " withClause relation whereClause ");
}

static void on_delete(struct sql_walk *w, yyjson_val *o)
{
    on_write_but(w, "DeleteStmt", o, SQL_ACT_DELETE, " withClause relation whereClause ");
}

static void on_merge(struct sql_walk *w, yyjson_val *o)
{
    unsigned acts = 0;
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (sql_get(o, "mergeWhenClauses"), i, max, v) {
        yyjson_val *c = sql_get(v, "MergeWhenClause");
        if (sql_is(c, "commandType", "CMD_UPDATE"))
            acts |= SQL_ACT_UPDATE;
        else if (sql_is(c, "commandType", "CMD_DELETE"))
            acts |= SQL_ACT_DELETE;
        else if (sql_is(c, "commandType", "CMD_INSERT"))
            acts |= SQL_ACT_INSERT;
        else if (!sql_is(c, "commandType", "CMD_NOTHING"))
            sql_admin(w, "a MERGE clause that phi does not know");
    }
    w->flags |= acts & (SQL_ACT_UPDATE | SQL_ACT_DELETE) ? GW_SQL_WHERE : 0u; /* its ON */
    on_write(w, "MergeStmt", o, acts ? acts : SQL_ACT_SELECT);
}

static void on_range_var(struct sql_walk *w, yyjson_val *o)
{
    bool plain = !sql_get(o, "schemaname") && !sql_get(o, "catalogname");
    if (!plain || !in_scope(w, sql_text(o, "relname")))
        sql_use_rel(w, o, SQL_ACT_SELECT | w->also);
}

static void on_func(struct sql_walk *w, yyjson_val *o)
{
    sql_use_list(w, SQL_FUNC, SQL_ACT_CALL, sql_get(o, "funcname"));
    walk_fields(w, "FuncCall", o, " funcname ");
}

static void on_expr(struct sql_walk *w, yyjson_val *o)
{
    static const char *const named[] = { "AEXPR_OP",    "AEXPR_OP_ANY", "AEXPR_OP_ALL", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT",
                                         "AEXPR_NULLIF", "AEXPR_IN",    "AEXPR_LIKE",   "AEXPR_ILIKE",    "AEXPR_SIMILAR" };
    struct phi_view kind = sql_text(o, "kind");
    bool known = false;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        known |= phi_view_is(kind, named[i]);
    if (known) {
        sql_use_list(w, SQL_OP, SQL_ACT_CALL, sql_get(o, "name"));
    } else if (phi_view_starts(kind, PHI_LIT("AEXPR_BETWEEN")) || phi_view_starts(kind, PHI_LIT("AEXPR_NOT_BETWEEN"))) {
        op_named(w, "<");
        op_named(w, "<=");
        op_named(w, ">");
        op_named(w, ">=");
    } else {
        sql_admin(w, "an expression that phi does not know");
    }
    walk_fields(w, "A_Expr", o, " name ");
}

static void on_sublink(struct sql_walk *w, yyjson_val *o)
{
    yyjson_val *op = sql_get(o, "operName");
    if (op)
        sql_use_list(w, SQL_OP, SQL_ACT_CALL, op);
    else if (sql_get(o, "testexpr"))
        op_named(w, "=");
    walk_fields(w, "SubLink", o, " operName ");
}

static void on_join(struct sql_walk *w, yyjson_val *o)
{
    if (sql_get(o, "usingClause") || sql_true(o, "isNatural"))
        op_named(w, "=");
    walk_fields(w, "JoinExpr", o, "");
}

static void on_case(struct sql_walk *w, yyjson_val *o)
{
    if (sql_get(o, "arg"))
        op_named(w, "=");
    walk_fields(w, "CaseExpr", o, "");
}

static void on_cycle(struct sql_walk *w, yyjson_val *o)
{
    op_named(w, "=");
    op_named(w, "<>");
    walk_fields(w, "CTECycleClause", o, "");
}

static void on_sort(struct sql_walk *w, yyjson_val *o)
{
    if (sql_get(o, "useOp"))
        sql_use_list(w, SQL_OP, SQL_ACT_CALL, sql_get(o, "useOp"));
    walk_fields(w, "SortBy", o, " useOp ");
}

/* Functional notation: a.f and (x).f call f(x) when there is no such column. */
static void use_fields(struct sql_walk *w, yyjson_val *list, size_t from)
{
    size_t i, max;
    yyjson_val *v;
    yyjson_arr_foreach (list, i, max, v) {
        yyjson_val *body = NULL;
        const char *type = sql_unwrap(v, &body);
        if (i >= from && type && strcmp(type, "String") == 0)
            sql_use(w, SQL_FIELD, SQL_ACT_CALL, (struct phi_view){ 0 }, sql_text(body, "sval"));
    }
}

static void on_column(struct sql_walk *w, yyjson_val *o)
{
    w->columns++;
    use_fields(w, sql_get(o, "fields"), 1);
    walk_fields(w, "ColumnRef", o, "");
}

/* The one row that a cursor stands on. */
static void on_current_of(struct sql_walk *w, yyjson_val *o)
{
    w->columns++;
    walk_fields(w, "CurrentOfExpr", o, "");
}

static void on_indirection(struct sql_walk *w, yyjson_val *o)
{
    use_fields(w, sql_get(o, "indirection"), 0);
    walk_fields(w, "A_Indirection", o, "");
}

static void on_type(struct sql_walk *w, yyjson_val *o)
{
    if (sql_true(o, "pct_type"))
        sql_admin(w, "%TYPE");
    if (yyjson_arr_size(sql_get(o, "names")))
        sql_use_list(w, SQL_TYPE, SQL_ACT_CALL, sql_get(o, "names"));
    walk_fields(w, "TypeName", o, " names ");
}

static void on_sample(struct sql_walk *w, yyjson_val *o)
{
    sql_use_list(w, SQL_FUNC, SQL_ACT_CALL, sql_get(o, "method"));
    walk_fields(w, "RangeTableSample", o, " method ");
}

static void on_param(struct sql_walk *w, yyjson_val *o)
{
    (void)o;
    w->flags |= GW_SQL_PARAMS;
}

static void on_with(struct sql_walk *w, yyjson_val *o)
{
    (void)o;
    sql_admin(w, "a WITH clause in an unknown place");
}

static const struct {
    const char *type;
    void (*fn)(struct sql_walk *w, yyjson_val *obj);
} hooks[] = {
    { "A_Expr", on_expr },         { "A_Indirection", on_indirection }, { "CTECycleClause", on_cycle },
    { "CaseExpr", on_case },       { "ColumnRef", on_column },          { "CurrentOfExpr", on_current_of },
    { "DeleteStmt", on_delete },
    { "FuncCall", on_func },       { "InsertStmt", on_insert },         { "JoinExpr", on_join },
    { "MergeStmt", on_merge },     { "ParamRef", on_param },            { "RangeTableSample", on_sample },
    { "RangeVar", on_range_var },  { "SelectStmt", on_select },         { "SortBy", on_sort },
    { "SubLink", on_sublink },     { "TypeName", on_type },             { "UpdateStmt", on_update },
    { "WithClause", on_with },
};

static int by_name(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

static const struct sql_node *node_of(const char *type)
{
    return bsearch(type, sql_nodes, sql_nodes_n, sizeof sql_nodes[0], by_name);
}

/* The kind of a field: '-', '*', a type's name (copied to `type`), or 0 for an unknown one. */
static char field_kind(const char *fields, struct phi_view key, char type[40])
{
    for (const char *f = fields; *f;) {
        const char *colon = strchr(f, ':'), *end = strchr(colon, ' ');
        if (phi_view_eq(phi_view_mem(f, (size_t)(colon - f)), key)) {
            size_t n = (size_t)(end - colon) - 1;
            if (n >= 40)
                return 0;
            memcpy(type, colon + 1, n);
            type[n] = 0;
            return *type == '-' || *type == '*' ? *type : 't';
        }
        f = end + 1;
    }
    return 0;
}

static bool skipped(const char *skip, struct phi_view key)
{
    for (const char *s = skip; *s == ' ' && s[1]; s = strchr(s + 1, ' '))
        if (phi_view_starts(phi_view_of(s + 1), key) && s[1 + key.n] == ' ')
            return true;
    return false;
}

static void walk_fields(struct sql_walk *w, const char *type, yyjson_val *obj, const char *skip)
{
    const struct sql_node *node = node_of(type);
    size_t i, max;
    yyjson_val *k, *v;
    yyjson_obj_foreach (obj, i, max, k, v) {
        struct phi_view key = phi_view_mem(yyjson_get_str(k), yyjson_get_len(k));
        char sub[40];
        if (skipped(skip, key))
            continue;
        char kind = node ? field_kind(node->fields, key, sub) : 0;
        if (kind == '*')
            sql_walk_any(w, v);
        else if (kind == 't')
            sql_walk_as(w, sub, v);
        else if (kind == 0)
            sql_admin(w, "a part of the statement that phi does not know");
    }
}

/* Syntax of PostgreSQL 16 and 17 that an older target reads as a plain call of a function of that name. */
static void use_newer_syntax(struct sql_walk *w, const char *type)
{
    static const struct {
        const char *type, *name;
    } calls[] = {
        { "JsonParseExpr", "json" },       { "JsonScalarExpr", "json_scalar" },     { "JsonSerializeExpr", "json_serialize" },
        { "JsonFuncExpr", "json_query" },  { "JsonFuncExpr", "json_value" },        { "JsonFuncExpr", "json_exists" },
        { "JsonTable", "json_table" },     { "JsonObjectAgg", "json_objectagg" },   { "JsonArrayAgg", "json_arrayagg" },
        { "MergeSupportFunc", "merge_action" }, { "JsonArrayConstructor", "json_array" },
        { "JsonObjectConstructor", "json_object" }, { "JsonArrayQueryConstructor", "json_array" },
        { "SQLValueFunction", "system_user" },
    };
    if (strncmp(type, "Json", 4) != 0 && strcmp(type, "MergeSupportFunc") != 0 && strcmp(type, "SQLValueFunction") != 0)
        return;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].type, type) == 0)
            sql_use(w, SQL_FIELD, SQL_ACT_CALL, (struct phi_view){ 0 }, phi_view_of(calls[i].name));
}

void sql_walk_as(struct sql_walk *w, const char *type, yyjson_val *obj)
{
    if (w->depth >= SQL_MAX_DEPTH) {
        w->too_deep = true;
        return;
    }
    w->depth++;
    use_newer_syntax(w, type);
    const void *hook = bsearch(type, hooks, sizeof hooks / sizeof hooks[0], sizeof hooks[0], by_name);
    if (hook)
        hooks[((const char *)hook - (const char *)hooks) / (long)sizeof hooks[0]].fn(w, obj);
    else if (node_of(type))
        walk_fields(w, type, obj, "");
    else
        sql_admin(w, "an expression that phi does not know");
    w->depth--;
}

void sql_walk_any(struct sql_walk *w, yyjson_val *v)
{
    if (yyjson_is_arr(v)) {
        size_t i, max;
        yyjson_val *item;
        yyjson_arr_foreach (v, i, max, item)
            sql_walk_any(w, item);
        return;
    }
    if (!v || (yyjson_is_obj(v) && yyjson_obj_size(v) == 0)) /* an empty place in a list */
        return;
    yyjson_val *body = NULL;
    const char *type = sql_unwrap(v, &body);
    if (type)
        sql_walk_as(w, type, body);
    else
        sql_admin(w, "a part of the statement that phi does not know");
}

/* In a definition these name its parts: a column, a relation, the type or function of an attribute. */
static bool only_defines(const char *type)
{
    return strcmp(type, "ColumnDef") == 0 || strcmp(type, "List") == 0 || strcmp(type, "RangeVar") == 0 ||
           strcmp(type, "TypeName") == 0;
}

void sql_walk_inside(struct sql_walk *w, yyjson_val *v)
{
    if (w->depth >= SQL_MAX_DEPTH) {
        w->too_deep = true;
        return;
    }
    w->depth++;
    size_t i, max;
    yyjson_val *k, *item, *body = NULL;
    const char *type = sql_unwrap(v, &body);
    if (type && node_of(type) && !only_defines(type))
        sql_walk_as(w, type, body);
    else if (yyjson_is_obj(v))
        yyjson_obj_foreach (v, i, max, k, item)
            sql_walk_inside(w, item);
    else if (yyjson_is_arr(v))
        yyjson_arr_foreach (v, i, max, item)
            sql_walk_inside(w, item);
    w->depth--;
}
