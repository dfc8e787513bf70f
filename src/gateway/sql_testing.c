#include "gateway/sql_testing.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static void row(struct gw_catalog *c, enum gw_catalog_part part, const char *const *v)
{
    struct phi_view cols[8];
    size_t n = gw_catalog_sql[part].columns;
    struct phi_err err;
    for (size_t i = 0; i < n; i++)
        cols[i] = phi_view_of(v[i]);
    if (gw_catalog_row(c, part, cols, n, &err) != PHI_OK)
        fail_msg("%s", err.msg);
}
#define ROW(c, part, ...) row(c, GW_CATALOG_##part, (const char *const[]){ __VA_ARGS__ })

static void relations(struct gw_catalog *c)
{
    static const char *const rels[][3] = {
        { "public", "orders", "" },     { "public", "customers", "" },  { "hr", "secret", "" },     { "public", "t_trig", "t" },
        { "public", "t_rule", "r" },    { "public", "t_enum", "u" },    { "public", "t_default", "" }, { "public", "t_rls", "" },
        { "public", "t_check", "" },    { "public", "v_plain", "v" },   { "public", "v_calls", "v" }, { "public", "v_admin", "v" },
        { "public", "v_odd", "v" },     { "public", "v_deep", "v" },    { "public", "Mixed Case", "" }, { "pg_catalog", "pg_class", "s" },
        { "pg_catalog", "pg_settings", "sv" }, { "pg_catalog", "pg_authid", "s" }, { "information_schema", "tables", "sv" },
        { "public", "pg_hidden", "" },
    };
    char name[20];
    for (size_t i = 0; i < sizeof rels / sizeof rels[0]; i++)
        row(c, GW_CATALOG_RELATIONS, rels[i]);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "pg_filler_%d", i);
        ROW(c, RELATIONS, "pg_catalog", name, "s");
    }
    ROW(c, USES, "public", "v_plain", "v", "F", "pg_catalog", "lower");
    ROW(c, USES, "public", "v_plain", "v", "N", "", "OPEXPR");
    ROW(c, USES, "public", "v_calls", "v", "F", "public", "wipe");
    ROW(c, USES, "public", "v_admin", "v", "F", "pg_catalog", "pg_reload_conf");
    ROW(c, USES, "public", "v_odd", "v", "N", "", "NOVELEXPR");
    ROW(c, USES, "public", "v_deep", "v", "R", "public", "v_calls");
    ROW(c, USES, "public", "t_default", "d", "F", "public", "wipe");
    ROW(c, USES, "public", "t_rls", "p", "F", "public", "wipe");
    ROW(c, USES, "public", "t_check", "c", "F", "public", "wipe");
}

struct gw_catalog *sqlt_catalog(bool evil)
{
    struct gw_catalog *c = gw_catalog_open();
    static const char *const system[] = { "int4pl", "lower", "nextval", "pg_read_file", "set_config", "pg_reload_conf", "pg_sleep", "count", "lo_unlink", "int4" };
    assert_non_null(c);
    relations(c);
    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
        ROW(c, FUNCTIONS, "pg_catalog", system[i], "s");
    ROW(c, FUNCTIONS, "public", "wipe", "u");
    ROW(c, FUNCTIONS, "hr", "upper", "u");
    ROW(c, FUNCTIONS, "public", "json_scalar", "u");
    ROW(c, OPERATORS, "@+@", "public", "public", "wipe", "f");
    ROW(c, OPERATORS, "=", "public", "public", "mood_eq", "t");
    ROW(c, OPERATORS, "||", "hr", "hr", "join_them", "f");
    ROW(c, TYPES, "public", "mood", "t");
    ROW(c, TYPES, "public", "posint", "f");
    ROW(c, CASTS, "public", "mood_to_int", "t");
    if (evil)
        ROW(c, CASTS, "public", "int_to_bool", "f");
    assert_int_equal(gw_catalog_finish(c, NULL), PHI_OK);
    return c;
}

void sqlt_open(struct sqlt *t, bool evil)
{
    struct phi_err err;
    *t = (struct sqlt){ .catalog = sqlt_catalog(evil) };
    if (gw_parser_open(NULL, 1, &t->pool, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    phi_arena_init(&t->arena, 8 * 1024 * 1024);
    t->env = (struct gw_sql_env){ .target = PHI_LIT("shop"), .catalog = t->catalog };
}

void sqlt_close(struct sqlt *t)
{
    gw_parser_close(t->pool);
    gw_catalog_drop(t->catalog);
    phi_arena_done(&t->arena);
}

const struct gw_sql_facts *sqlt_facts(struct sqlt *t, const char *sql)
{
    struct gw_sql_raw *raw = gw_parser_now(t->pool, phi_view_of(sql));
    const struct gw_sql_facts *f = NULL;
    assert_non_null(raw);
    phi_arena_done(&t->arena);
    assert_true(gw_sql_resolve(raw, phi_view_of(sql), &t->env, &t->arena, &f));
    struct gw_sql_raw *again = gw_parser_cached(t->pool, phi_view_of(sql));
    gw_sql_raw_drop(again);
    gw_sql_raw_drop(raw);
    return f;
}

const char *sqlt_actions(struct sqlt *t, const struct gw_sql_stmt *s)
{
    struct phi_buf b;
    phi_buf_init(&b, 64 * 1024);
    for (size_t i = 0; i < s->n; i++) {
        const struct phi_json *id = NULL;
        assert_int_equal(phi_json_read(&t->arena, s->actions[i].id, 0, "id", &id, NULL), PHI_OK);
        assert_true(phi_view_is(id->items[0].str, "shop"));
        phi_buf_printf(&b, "%s" PHI_FMT, i ? "; " : "", PHI_ARG(phi_view_from(s->actions[i].action, 3)));
        if (phi_view_is(s->actions[i].type, "Target"))
            phi_buf_adds(&b, " *");
        if (phi_view_is(s->actions[i].type, "Function"))
            phi_buf_adds(&b, " fn");
        for (size_t k = 1; k < id->n; k++)
            phi_buf_printf(&b, "%c" PHI_FMT, k == 1 ? ' ' : '.', PHI_ARG(id->items[k].str));
    }
    const char *text = phi_arena_str(&t->arena, phi_buf_view(&b));
    phi_buf_done(&b);
    return text;
}
