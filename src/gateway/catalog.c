#include "gateway/catalog_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"

enum { MAX_BYTES = 64 * 1024 * 1024, MAX_NAMES = 1000000, MAX_KEY = 200 };

struct gw_catalog {
    unsigned holders;
    uint64_t serial; /* 0: not finished */
    struct phi_arena arena;
    struct phi_map *rels, *funcs, *ops, *types; /* rels by schema and name, the others by name */
    struct cat_cast *casts;
    struct phi_view schemas[64]; /* names seen last: rows come in runs of few schemas */
    size_t n_schemas;
};

struct gw_catalog *gw_catalog_open(void)
{
    struct gw_catalog *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->holders = 1;
    phi_arena_init(&c->arena, MAX_BYTES);
    c->rels = phi_map_open(MAX_NAMES);
    c->funcs = phi_map_open(MAX_NAMES);
    c->ops = phi_map_open(MAX_NAMES);
    c->types = phi_map_open(MAX_NAMES);
    if (c->rels && c->funcs && c->ops && c->types)
        return c;
    gw_catalog_drop(c);
    return NULL;
}

struct gw_catalog *gw_catalog_hold(struct gw_catalog *c)
{
    if (c)
        c->holders++;
    return c;
}

void gw_catalog_drop(struct gw_catalog *c)
{
    if (!c || --c->holders)
        return;
    phi_map_close(c->rels);
    phi_map_close(c->funcs);
    phi_map_close(c->ops);
    phi_map_close(c->types);
    phi_arena_done(&c->arena);
    free(c);
}

static struct phi_view schema_of(struct gw_catalog *c, struct phi_view v)
{
    for (size_t i = 0; i < c->n_schemas; i++)
        if (phi_view_eq(c->schemas[i], v))
            return c->schemas[i];
    struct phi_view copy = phi_arena_copy(&c->arena, v);
    c->schemas[c->n_schemas < 64 ? c->n_schemas++ : 63] = copy;
    return copy;
}

static struct phi_view rel_key(uint8_t key[MAX_KEY], struct phi_view schema, struct phi_view name)
{
    size_t n = 0;
    if (schema.n + name.n + 1 > MAX_KEY)
        return (struct phi_view){ 0 };
    if (schema.n)
        memcpy(key, schema.p, schema.n);
    n = schema.n;
    key[n++] = 0;
    if (name.n)
        memcpy(key + n, name.p, name.n);
    return phi_view_mem(key, n + name.n);
}

static bool has(struct phi_view flags, char f)
{
    return flags.n && memchr(flags.p, f, flags.n);
}

/* ---- one row of each part ---- */

static bool add_rel(struct gw_catalog *c, const struct phi_view *v)
{
    uint8_t key[MAX_KEY];
    struct cat_rel *r = phi_arena_new(&c->arena, struct cat_rel);
    if (!r)
        return false;
    r->schema = schema_of(c, v[0]);
    r->name = phi_arena_copy(&c->arena, v[1]);
    r->flags = (has(v[2], 's') ? CAT_SYSTEM : 0u) | (has(v[2], 'v') ? CAT_VIEW : 0u) | (has(v[2], 'r') ? CAT_RULES : 0u) |
               (has(v[2], 't') ? CAT_TRIGGERS : 0u) | (has(v[2], 'u') ? CAT_USERTYPES : 0u) | (has(v[2], 'f') ? CAT_FOREIGN : 0u);
    return phi_map_put(c->rels, rel_key(key, v[0], v[1]), r);
}

/* The nodes of a stored expression whose every field that runs something is among those that the query takes out. */
static bool node_is_known(struct phi_view name)
{
    static const char *const known[] = {
        "AGGREF", "ALIAS", "ARRAY", "ARRAYCOERCEEXPR", "ARRAYEXPR", "BOOLEANTEST", "BOOLEXPR", "CASE", "CASETESTEXPR", "CASEEXPR",
        "CASEWHEN", "COALESCE", "COALESCEEXPR", "COERCEVIAIO", "COLLATE", "COLLATEEXPR", "COLUMNREF", "COMMONTABLEEXPR", "CONST",
        "CTE", "CTECYCLECLAUSE", "CTESEARCHCLAUSE", "CURRENTOFEXPR", "DISTINCTEXPR", "FIELDSELECT", "FROMEXPR", "FUNCEXPR",
        "GROUPINGFUNC", "GROUPINGSET", "INTEGER", "JOINEXPR", "MINMAX", "MINMAXEXPR", "NAMEDARGEXPR", "NULLIFEXPR", "NULLTEST",
        "OPEXPR", "PARAM", "QUERY", "RANGETBLENTRY", "RANGETBLFUNCTION", "RANGETBLREF", "RELABELTYPE", "ROW", "ROWEXPR",
        "ROWMARKCLAUSE", "RTE", "RTEPERMISSIONINFO", "SCALARARRAYOPEXPR", "SETOPERATIONSTMT", "SORTGROUPCLAUSE", "SQLVALUEFUNCTION",
        "STRING", "SUBLINK", "SUBSCRIPTINGREF", "TARGETENTRY", "VAR", "WHEN", "WINDOWCLAUSE", "WINDOWFUNC", "NEXTVALUEEXPR",
        "COERCETODOMAINVALUE",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (phi_view_is(name, known[i]))
            return true;
    return false;
}

static bool add_use(struct gw_catalog *c, const struct phi_view *v)
{
    uint8_t key[MAX_KEY];
    struct cat_rel *r = phi_map_get(c->rels, rel_key(key, v[0], v[1]));
    if (!r) /* made between two queries: not in this catalogue, so unknown */
        return true;
    if (v[3].p[0] == 'N' && node_is_known(v[5]))
        return true;
    struct cat_use *u = phi_arena_new(&c->arena, struct cat_use);
    if (!u)
        return false;
    *u = (struct cat_use){ .next = r->uses,
                           .where = (char)v[2].p[0],
                           .what = (char)v[3].p[0],
                           .schema = schema_of(c, v[4]),
                           .name = phi_arena_copy(&c->arena, v[5]) };
    r->uses = u;
    return phi_arena_ok(&c->arena);
}

static bool add_func(struct gw_catalog *c, const struct phi_view *v)
{
    struct cat_func *f = phi_arena_new(&c->arena, struct cat_func);
    if (!f)
        return false;
    *f = (struct cat_func){ .next = phi_map_get(c->funcs, v[1]),
                            .schema = schema_of(c, v[0]),
                            .name = phi_arena_copy(&c->arena, v[1]),
                            .user = !phi_view_is(v[2], "s") };
    return phi_map_put(c->funcs, v[1], f);
}

static bool add_op(struct gw_catalog *c, const struct phi_view *v)
{
    struct cat_op *o = phi_arena_new(&c->arena, struct cat_op);
    if (!o)
        return false;
    *o = (struct cat_op){ .next = phi_map_get(c->ops, v[0]),
                          .op_schema = schema_of(c, v[1]),
                          .schema = schema_of(c, v[2]),
                          .name = phi_arena_copy(&c->arena, v[3]),
                          .foreign_to_builtin = phi_view_is(v[4], "t") };
    return phi_map_put(c->ops, v[0], o);
}

static bool add_type(struct gw_catalog *c, const struct phi_view *v)
{
    struct cat_type *t = phi_arena_new(&c->arena, struct cat_type);
    if (!t)
        return false;
    *t = (struct cat_type){ .next = phi_map_get(c->types, v[1]),
                            .schema = schema_of(c, v[0]),
                            .name = phi_arena_copy(&c->arena, v[1]),
                            .harmless = phi_view_is(v[2], "t") };
    return phi_map_put(c->types, v[1], t);
}

static bool add_cast(struct gw_catalog *c, const struct phi_view *v)
{
    struct cat_cast *k = phi_arena_new(&c->arena, struct cat_cast);
    if (!k)
        return false;
    *k = (struct cat_cast){ .next = c->casts,
                            .schema = schema_of(c, v[0]),
                            .name = phi_arena_copy(&c->arena, v[1]),
                            .needs_user_type = phi_view_is(v[2], "t") };
    c->casts = k;
    return true;
}

enum phi_rc gw_catalog_row(struct gw_catalog *c, enum gw_catalog_part part, const struct phi_view *cols, size_t n,
                           struct phi_err *err)
{
    static bool (*const add[GW_CATALOG_N])(struct gw_catalog *, const struct phi_view *) = {
        [GW_CATALOG_RELATIONS] = add_rel, [GW_CATALOG_USES] = add_use,   [GW_CATALOG_FUNCTIONS] = add_func,
        [GW_CATALOG_OPERATORS] = add_op,  [GW_CATALOG_TYPES] = add_type, [GW_CATALOG_CASTS] = add_cast,
    };
    if (c->serial || (unsigned)part >= GW_CATALOG_N || n != gw_catalog_sql[part].columns)
        return phi_fail(err, PHI_EINPUT, "a catalogue row that phi did not ask for");
    for (size_t i = 0; i < n; i++)
        if (!cols[i].p || (part == GW_CATALOG_USES && i != 4 && !cols[i].n))
            return phi_fail(err, PHI_EINPUT, "an empty value in the target's catalogue (part %d, column %zu)", (int)part, i);
    if (!add[part](c, cols) || !phi_arena_ok(&c->arena))
        return phi_fail(err, PHI_ELIMIT, "the target's catalogue is larger than 64 MB");
    return PHI_OK;
}

enum phi_rc gw_catalog_finish(struct gw_catalog *c, struct phi_err *err)
{
    if (!phi_arena_ok(&c->arena))
        return phi_fail(err, PHI_ELIMIT, "the target's catalogue is larger than 64 MB");
    if (!phi_map_get(c->funcs, PHI_LIT("int4pl")) || phi_map_count(c->rels) < 50)
        return phi_fail(err, PHI_EINPUT, "the target's catalogue has no functions or relations: the role may not read it");
    static uint64_t last; /* catalogues belong to the gateway's one thread */
    c->serial = ++last;
    return PHI_OK;
}

/* ---- look-ups ---- */

uint64_t cat_serial(const struct gw_catalog *c)
{
    return c ? c->serial : 0;
}

bool cat_finished(const struct gw_catalog *c)
{
    return cat_serial(c) != 0;
}

const struct cat_rel *cat_rel(const struct gw_catalog *c, struct phi_view schema, struct phi_view name)
{
    uint8_t key[MAX_KEY];
    return phi_map_get(c->rels, rel_key(key, schema, name));
}

const struct cat_func *cat_funcs(const struct gw_catalog *c, struct phi_view name)
{
    return phi_map_get(c->funcs, name);
}

const struct cat_op *cat_ops(const struct gw_catalog *c, struct phi_view name)
{
    return phi_map_get(c->ops, name);
}

const struct cat_type *cat_types(const struct gw_catalog *c, struct phi_view name)
{
    return phi_map_get(c->types, name);
}

const struct cat_cast *cat_casts(const struct gw_catalog *c)
{
    return c->casts;
}
