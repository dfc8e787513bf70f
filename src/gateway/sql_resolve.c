/* Names to actions, by the target's catalogue. The rule of the whole file: what is not known to be harmless is at least
 * pg:call, and what could reach past the data is pg:admin. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "gateway/catalog_read.h"
#include "gateway/sql_memo.h"
#include "gateway/sql_names.h"

enum res_type { RES_TABLE, RES_FUNCTION, RES_SCHEMA, RES_TARGET };

struct found {
    enum sql_act_at act;
    enum res_type type;
    struct phi_view schema, name;
};

enum { MAX_FOUND = PHI_MAX_ACTIONS, MAX_VIEW_DEPTH = 32 };

struct resolver {
    const struct gw_sql_env *env;
    struct phi_arena *a;
    struct found found[MAX_FOUND];
    size_t n;
    bool over;       /* more than fit */
    bool user_types; /* values of types that users made may take part */
    bool missing;    /* a name is not in the catalogue */
    bool wild;       /* code of the target's users may run, though no action says so (triggers, defaults) */
};

static void add(struct resolver *r, enum sql_act_at act, enum res_type type, struct phi_view schema, struct phi_view name)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct found *f = &r->found[i];
        if (f->act == act && f->type == type && phi_view_eq(f->name, name) && phi_view_eq(f->schema, schema))
            return;
    }
    if (r->n == MAX_FOUND)
        r->over = true;
    else
        r->found[r->n++] = (struct found){ .act = act, .type = type, .schema = schema, .name = name };
}

static void add_call(struct resolver *r, struct phi_view schema, struct phi_view name)
{
    add(r, SQL_ACT_CALL_AT, RES_FUNCTION, schema, name);
}

static void call_missing(struct resolver *r, struct phi_view schema, struct phi_view name)
{
    r->missing = true;
    add_call(r, schema, name);
}

static void add_admin(struct resolver *r)
{
    add(r, SQL_ACT_ADMIN_AT, RES_TARGET, (struct phi_view){ 0 }, (struct phi_view){ 0 });
}

static const struct phi_view pg_catalog = { (const uint8_t *)"pg_catalog", 10 };

static struct phi_view first_schema(const struct resolver *r)
{
    return r->env->n_path && r->env->path ? r->env->path[0] : PHI_LIT("public");
}

static size_t path_length(const struct resolver *r)
{
    return r->env->path ? r->env->n_path : 1;
}

static struct phi_view path_at(const struct resolver *r, size_t i)
{
    return r->env->path ? r->env->path[i] : PHI_LIT("public");
}

static int view_to_str(const void *key, const void *entry)
{
    const struct phi_view *v = key;
    return phi_view_cmp(*v, phi_view_of(*(const char *const *)entry));
}

static bool listed(struct phi_view name, const char *const *list, size_t n)
{
    return bsearch(&name, list, n, sizeof list[0], view_to_str) != NULL;
}

static bool harmless_function(struct phi_view name)
{
    return listed(name, sql_harmless_functions, sql_harmless_functions_n);
}

/* ---- functions ---- */

/* Functions of pg_catalog that are not on the harmless list and still touch only data or the session's own locks. All the
 * others (files, other backends, settings, queries given as text, the server itself) are administration. */
static bool only_writes(struct phi_view name)
{
    static const char *const list[] = {
        "json_populate_record", "json_populate_recordset", "jsonb_populate_record", "jsonb_populate_record_valid",
        "jsonb_populate_recordset", "lo_close", "lo_creat", "lo_create", "lo_from_bytea", "lo_get", "lo_lseek", "lo_lseek64",
        "lo_open", "lo_put", "lo_tell", "lo_tell64", "lo_truncate", "lo_truncate64", "lo_unlink", "loread", "lowrite",
        "nextval", "pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
        "pg_current_xact_id", "pg_notify", "pg_try_advisory_lock", "pg_try_advisory_lock_shared",
        "pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared", "setval", "txid_current",
    };
    return listed(name, list, sizeof list / sizeof list[0]);
}

static void builtin_function(struct resolver *r, struct phi_view name)
{
    if (harmless_function(name))
        return;
    if (only_writes(name))
        add_call(r, pg_catalog, name);
    else
        add_admin(r);
}

/* Which of several functions of a name runs depends on types, which phi does not work out: so each that could. */
static bool user_functions(struct resolver *r, struct phi_view schema, struct phi_view name, bool *builtin)
{
    bool any = false;
    for (const struct cat_func *f = cat_funcs(r->env->catalog, name); f; f = f->next) {
        if (!f->user && phi_view_eq(f->schema, pg_catalog))
            *builtin = true;
        if (!f->user || (schema.n && !phi_view_eq(f->schema, schema)))
            continue;
        add_call(r, f->schema, f->name);
        any = true;
    }
    return any;
}

static void on_type(struct resolver *r, const struct sql_ref *ref);

static void on_function(struct resolver *r, const struct sql_ref *ref)
{
    bool builtin = false, any = user_functions(r, ref->schema, ref->name, &builtin);
    bool plain = !ref->schema.n, system = phi_view_eq(ref->schema, pg_catalog);
    if (!plain && !system) {
        if (!any)
            call_missing(r, ref->schema, ref->name);
        return;
    }
    if (builtin || harmless_function(ref->name))
        builtin_function(r, ref->name);
    else if (!any && plain && cat_types(r->env->catalog, ref->name))
        on_type(r, ref); /* type(x) is a cast */
    else if (!any)
        call_missing(r, plain ? first_schema(r) : pg_catalog, ref->name);
}

/* x.name: a call only if there is such a function. */
static void on_field(struct resolver *r, const struct sql_ref *ref)
{
    bool builtin = false;
    user_functions(r, (struct phi_view){ 0 }, ref->name, &builtin);
    if (builtin)
        builtin_function(r, ref->name);
}

/* ---- operators, types, casts ---- */

/* Comparing and joining texts: for these PostgreSQL prefers text to any other type when it knows neither side. */
static bool text_first(struct phi_view op)
{
    static const char *const list[] = { "<", "<=", "<>", "=", ">", ">=" };
    return listed(op, list, sizeof list / sizeof list[0]);
}

static void on_operator(struct resolver *r, const struct sql_ref *ref)
{
    bool known = listed(ref->name, sql_builtin_operators, sql_builtin_operators_n), any = false;
    for (const struct cat_op *o = cat_ops(r->env->catalog, ref->name); o; o = o->next) {
        if (ref->schema.n && !phi_view_eq(o->op_schema, ref->schema))
            continue;
        any = true;
        if (o->foreign_to_builtin && text_first(ref->name) && !ref->schema.n && !r->user_types)
            continue;
        add_call(r, o->schema, o->name);
    }
    bool builtin = !ref->schema.n || phi_view_eq(ref->schema, pg_catalog);
    if (!any && !(known && builtin))
        call_missing(r, ref->schema.n ? ref->schema : first_schema(r), ref->name);
}

static void on_type(struct resolver *r, const struct sql_ref *ref)
{
    bool plain = !ref->schema.n, system = phi_view_eq(ref->schema, pg_catalog);
    if ((plain || system) && listed(ref->name, sql_harmless_types, sql_harmless_types_n))
        return;
    bool any = false;
    for (const struct cat_type *t = cat_types(r->env->catalog, ref->name); t; t = t->next) {
        if (!plain && !phi_view_eq(t->schema, ref->schema))
            continue;
        any = r->user_types = true;
        if (!t->harmless)
            add_call(r, t->schema, t->name);
    }
    if (any)
        return;
    const struct cat_rel *row = cat_rel(r->env->catalog, plain ? pg_catalog : ref->schema, ref->name);
    if (row && row->flags & CAT_SYSTEM) /* the row type of a system catalogue */
        return;
    r->user_types = true;
    call_missing(r, plain ? first_schema(r) : ref->schema, ref->name);
}

static void all_casts(struct resolver *r)
{
    for (const struct cat_cast *k = cat_casts(r->env->catalog); k; k = k->next)
        if (!k->needs_user_type || r->user_types)
            add_call(r, k->schema, k->name);
}

/* ---- relations ---- */

static void use_of(struct resolver *r, const struct cat_rel *rel, unsigned depth, bool writes);

static void view_part(struct resolver *r, const struct cat_rel *rel, const struct cat_use *u, unsigned depth)
{
    if (u->what == 'R') {
        const struct cat_rel *inner = cat_rel(r->env->catalog, u->schema, u->name);
        if (!inner || depth >= MAX_VIEW_DEPTH)
            add(r, SQL_ACT_CALL_AT, RES_TABLE, rel->schema, rel->name);
        else
            use_of(r, inner, depth + 1, false);
    } else if (u->what == 'N') {
        add(r, SQL_ACT_CALL_AT, RES_TABLE, rel->schema, rel->name);
    } else if (!phi_view_eq(u->schema, pg_catalog)) {
        add_call(r, u->schema, u->name);
    } else {
        builtin_function(r, u->name);
    }
}

/* What reading or writing a relation runs by itself. A write is a write whatever else it runs, so only reads get actions
 * for it; both lose their harmlessness. */
static void use_of(struct resolver *r, const struct cat_rel *rel, unsigned depth, bool writes)
{
    r->user_types |= (rel->flags & CAT_USERTYPES) != 0;
    for (const struct cat_use *u = rel->uses; u; u = u->next) {
        bool system = u->what == 'F' && phi_view_eq(u->schema, pg_catalog);
        if (u->where == 'v' || u->where == 'p') {
            view_part(r, rel, u, depth);
        } else if (u->what == 'F' && !(system && (harmless_function(u->name) || u->where == 'd'))) {
            r->wild |= writes;
            if (!writes && u->where != 'd')
                view_part(r, rel, u, depth);
        } else if (u->what == 'N') {
            r->wild |= writes;
        }
    }
}

static void act_on(struct resolver *r, unsigned acts, struct phi_view schema, struct phi_view name)
{
    for (enum sql_act_at i = 0; i < SQL_ACT_N; i++)
        if (acts & 1u << i)
            add(r, i, RES_TABLE, schema, name);
}

static const struct cat_rel *find_rel(const struct resolver *r, const struct sql_ref *ref)
{
    if (ref->schema.n)
        return cat_rel(r->env->catalog, ref->schema, ref->name);
    const struct cat_rel *rel = cat_rel(r->env->catalog, pg_catalog, ref->name);
    for (size_t i = 0; !rel && i < path_length(r); i++)
        rel = cat_rel(r->env->catalog, path_at(r, i), ref->name);
    return rel;
}

/* System relations that hold samples of every table's data, large objects, or secrets. */
static bool holds_data_or_secrets(struct phi_view name)
{
    static const char *const list[] = {
        "pg_authid",    "pg_file_settings", "pg_hba_file_rules",     "pg_ident_file_mappings", "pg_largeobject", "pg_shadow",
        "pg_statistic", "pg_statistic_ext_data", "pg_stats",         "pg_stats_ext",           "pg_stats_ext_exprs",
        "pg_subscription", "pg_user_mapping", "pg_user_mappings",
    };
    return listed(name, list, sizeof list / sizeof list[0]);
}

static void on_relation(struct resolver *r, const struct sql_ref *ref)
{
    const unsigned writing = SQL_ACT_INSERT | SQL_ACT_UPDATE | SQL_ACT_DELETE | SQL_ACT_TRUNCATE;
    const struct cat_rel *rel = find_rel(r, ref);
    if (!rel) { /* temporary, or made since: it may be a view of anything */
        struct phi_view schema = ref->schema.n ? ref->schema : first_schema(r);
        act_on(r, ref->acts, schema, ref->name);
        if (ref->acts != SQL_ACT_DDL) {
            r->user_types = r->missing = true;
            add(r, SQL_ACT_CALL_AT, RES_TABLE, schema, ref->name);
        }
        return;
    }
    act_on(r, ref->acts, rel->schema, rel->name);
    bool writes = ref->acts & writing;
    if (rel->flags & CAT_SYSTEM) { /* pg_settings has a rule that sets; the others are the server's own */
        if (ref->acts & (writing | SQL_ACT_DDL) || holds_data_or_secrets(rel->name))
            add_admin(r);
        return;
    }
    if (writes && rel->flags & CAT_RULES)
        add_admin(r); /* it may do anything instead */
    r->wild |= writes && rel->flags & (CAT_TRIGGERS | CAT_FOREIGN);
    if (ref->acts & SQL_ACT_DDL && !ref->schema.n && !phi_view_eq(rel->schema, first_schema(r)))
        act_on(r, SQL_ACT_DDL, first_schema(r), ref->name); /* CREATE makes it there */
    if (ref->acts & ~(unsigned)SQL_ACT_DDL)
        use_of(r, rel, 0, writes);
}

/* ---- a statement ---- */

static void on_ref(struct resolver *r, const struct sql_ref *ref)
{
    switch ((enum sql_kind)ref->kind) {
    case SQL_REL:
        on_relation(r, ref);
        return;
    case SQL_FUNC:
        if (ref->acts & SQL_ACT_CALL)
            on_function(r, ref);
        if (ref->acts & SQL_ACT_DDL)
            add(r, SQL_ACT_DDL_AT, RES_FUNCTION, ref->schema.n ? ref->schema : first_schema(r), ref->name);
        return;
    case SQL_TYPE:
        on_type(r, ref);
        return;
    case SQL_FIELD:
        on_field(r, ref);
        return;
    case SQL_SCHEMA:
        add(r, SQL_ACT_DDL_AT, RES_SCHEMA, (struct phi_view){ 0 }, ref->name);
        return;
    case SQL_TARGET:
        for (enum sql_act_at i = 0; i < SQL_ACT_N; i++)
            if (ref->acts & 1u << i)
                add(r, i, RES_TARGET, (struct phi_view){ 0 }, (struct phi_view){ 0 });
        return;
    case SQL_OP: /* after all the others, which tell whether users' types take part */
        return;
    }
}

static const char *act_name(enum sql_act_at act)
{
#define X(n, text) text,
    static const char *const names[] = { SQL_ACTS(X) };
#undef X
    return names[act];
}

static struct gw_sql_action action_of(struct resolver *r, const struct found *f)
{
    static const char *const types[] = { "Table", "Function", "Schema", "Target" };
    PHI_BUF(id, 4096);
    struct phi_jw w;
    phi_jw_init(&w, &id);
    phi_jw_arr(&w);
    phi_jw_str(&w, r->env->target);
    if (f->type == RES_SCHEMA) {
        phi_jw_str(&w, f->name);
    } else if (f->type != RES_TARGET) {
        phi_jw_str(&w, f->schema);
        phi_jw_str(&w, f->name);
    }
    phi_jw_end(&w);
    return (struct gw_sql_action){ .action = phi_view_of(act_name(f->act)),
                                   .type = phi_view_of(types[f->type]),
                                   .id = phi_arena_copy(r->a, phi_buf_view(&id)) };
}

/* Statements that end, name or show something and evaluate nothing. */
static bool evaluates(const struct raw_stmt *s)
{
    const uint32_t quiet = GW_SQL_TXN_BEGIN | GW_SQL_TXN_SET | GW_SQL_TXN_COMMIT | GW_SQL_TXN_ROLLBACK | GW_SQL_TXN_SAVEPOINT |
                           GW_SQL_SETS | GW_SQL_DEALLOCATE | GW_SQL_FETCH | GW_SQL_CLOSE;
    return !(s->flags & quiet) && !phi_view_is(s->tag, "SHOW") && !phi_view_is(s->tag, "UNLISTEN");
}

static uint32_t flags_of(const struct resolver *r, const struct raw_stmt *s)
{
    uint32_t flags = s->flags;
    bool tame = !r->wild && !r->over && !(flags & (GW_SQL_DDL | GW_SQL_TXN_COMMIT | GW_SQL_CALLS));
    for (size_t i = 0; i < r->n; i++) {
        enum sql_act_at act = r->found[i].act;
        if (act == SQL_ACT_ADMIN_AT)
            flags |= GW_SQL_ADMIN | GW_SQL_WRITES;
        if (act == SQL_ACT_CALL_AT)
            flags |= GW_SQL_CALLS | GW_SQL_WRITES;
        tame &= act != SQL_ACT_ADMIN_AT && act != SQL_ACT_CALL_AT && act != SQL_ACT_DDL_AT;
    }
    if (r->wild)
        flags |= GW_SQL_CALLS;
    if (flags & GW_SQL_SETS && phi_view_is(s->name, "all")) /* what was pinned by SET is gone */
        tame = false;
    if (phi_view_is(s->tag, "SET CONSTRAINTS")) /* fires triggers that were put off */
        tame = false;
    if (r->missing)
        flags |= GW_SQL_MISSING;
    return flags | (tame ? GW_SQL_HARMLESS : 0u);
}

static bool resolve_stmt(struct resolver *r, const struct raw_stmt *s, struct gw_sql_stmt *ret)
{
    r->n = 0;
    r->over = r->user_types = r->missing = r->wild = false;
    if (!cat_finished(r->env->catalog)) {
        if (evaluates(s) || s->n)
            add_admin(r);
    } else {
        for (size_t i = 0; i < s->n; i++)
            on_ref(r, &s->refs[i]);
        for (size_t i = 0; i < s->n; i++)
            if (s->refs[i].kind == SQL_OP)
                on_operator(r, &s->refs[i]);
        if (evaluates(s))
            all_casts(r);
    }
    uint32_t own_flags = flags_of(r, s);
    size_t n_own = r->n;
    struct gw_sql_action *acts = phi_arena_array(r->a, n_own + 1, sizeof *acts);
    if (!acts)
        return false;
    if (own_flags & (GW_SQL_EXECUTE | GW_SQL_FETCH))
        add_admin(r);
    for (size_t i = 0; i < r->n; i++)
        acts[i] = action_of(r, &r->found[i]);
    struct phi_view refuse = phi_arena_copy(r->a, s->refuse);
    if (r->over)
        refuse = PHI_LIT("the statement uses more tables and functions than one request can name");
    *ret = (struct gw_sql_stmt){ .tag = phi_arena_copy(r->a, s->tag),
                                 .name = phi_arena_copy(r->a, s->name),
                                 .refuse = refuse,
                                 .flags = flags_of(r, s),
                                 .actions = acts,
                                 .n = r->n,
                                 .n_own = n_own,
                                 .own_flags = own_flags };
    return phi_arena_ok(r->a);
}

/* ---- the whole text ---- */

static int by_action(const void *a, const void *b)
{
    const struct gw_sql_action *x = a, *y = b;
    int c = phi_view_cmp(x->action, y->action);
    if (!c)
        c = phi_view_cmp(x->type, y->type);
    return c ? c : phi_view_cmp(x->id, y->id);
}

static bool unite(struct gw_sql_facts *f, struct phi_arena *a)
{
    size_t all = 0, n = 0;
    for (size_t i = 0; i < f->n; i++)
        all += f->stmts[i].n;
    struct gw_sql_action *u = phi_arena_array(a, all, sizeof *u);
    if (!u && all)
        return false;
    for (size_t i = 0; i < f->n; i++)
        for (size_t k = 0; k < f->stmts[i].n; k++)
            u[n++] = f->stmts[i].actions[k];
    if (n)
        qsort(u, n, sizeof *u, by_action);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || by_action(&u[kept - 1], &u[i]) != 0)
            u[kept++] = u[i];
    f->actions = u;
    f->n_actions = kept;
    if (kept > PHI_MAX_ACTIONS && !f->refuse.n)
        f->refuse = PHI_LIT("the statements use more tables and functions than one request can name");
    return true;
}

static bool show(struct gw_sql_facts *f, struct phi_arena *a)
{
    PHI_BUF(b, 64 * 1024);
    for (size_t i = 0; i < f->n_actions; i++) {
        phi_buf_adds(&b, i ? ", " : "");
        phi_buf_add(&b, f->actions[i].action);
        phi_buf_adds(&b, " on ");
        gw_sql_show_id(&b, f->actions[i].id);
    }
    f->shown = phi_arena_copy(a, phi_buf_view(&b));
    return phi_buf_ok(&b);
}

/* ASCII without a backslash reads the same whatever standard_conforming_strings says. */
bool gw_sql_reads_plain(struct phi_view sql)
{
    for (size_t i = 0; i < sql.n; i++)
        if (sql.p[i] >= 0x80 || sql.p[i] == '\\')
            return false;
    return true;
}

static struct gw_sql_facts *facts_error(const struct gw_sql_raw *raw, struct phi_arena *a)
{
    struct gw_sql_facts *f = phi_arena_new(a, struct gw_sql_facts);
    if (!f)
        return NULL;
    *f = (struct gw_sql_facts){ .sqlstate = phi_arena_str(a, phi_view_of(raw->sqlstate)),
                                .error = phi_arena_copy(a, raw->error),
                                .cursor = raw->cursor };
    return f;
}

static struct gw_sql_facts *facts_of(const struct gw_sql_raw *raw, const struct gw_sql_env *env, struct phi_arena *a)
{
    struct gw_sql_facts *f = phi_arena_new(a, struct gw_sql_facts);
    struct gw_sql_stmt *stmts = phi_arena_array(a, raw->n, sizeof *stmts);
    if (!f || (!stmts && raw->n))
        return NULL;
    *f = (struct gw_sql_facts){ .ok = true, .sqlstate = "", .stmts = stmts, .n = raw->n };
    struct resolver r = { .env = env, .a = a };
    uint32_t all = UINT32_MAX;
    struct gw_sql_env unknown = *env;
    unknown.catalog = NULL;
    for (size_t i = 0; i < raw->n; i++) {
        if (f->flags & GW_SQL_DDL) /* it may have changed what the names of the rest mean */
            r.env = &unknown;
        if (!resolve_stmt(&r, &raw->stmts[i], &stmts[i]))
            return NULL;
        all &= stmts[i].flags;
        f->flags |= stmts[i].flags;
        if (!f->refuse.n)
            f->refuse = stmts[i].refuse;
    }
    f->flags = (f->flags & ~(uint32_t)GW_SQL_HARMLESS) | (all & GW_SQL_HARMLESS);
    return unite(f, a) && show(f, a) ? f : NULL;
}

/* What differs from text to text of the same answer. */
static void put_texts(struct gw_sql_facts *f, const struct gw_sql_raw *raw, struct phi_view sql)
{
    struct gw_sql_stmt *stmts = (struct gw_sql_stmt *)(uintptr_t)f->stmts; /* in the caller's arena, made a moment ago */
    for (size_t i = 0; i < f->n; i++)
        stmts[i].text = sql_raw_text(&raw->stmts[i], sql);
    f->plain_literals = gw_sql_reads_plain(sql);
}

bool gw_sql_resolve(const struct gw_sql_raw *raw, struct phi_view sql, const struct gw_sql_env *env, struct phi_arena *a,
                    const struct gw_sql_facts **ret)
{
    *ret = NULL;
    if (!raw->ok) {
        *ret = facts_error(raw, a);
        return *ret && phi_arena_ok(a);
    }
    struct gw_sql_facts *f = sql_memo_get(raw->memo, env, a);
    if (!f) {
        f = facts_of(raw, env, a);
        if (f && phi_arena_ok(a))
            sql_memo_put(raw->memo, env, f);
    }
    if (!f || !phi_arena_ok(a))
        return false;
    put_texts(f, raw, sql);
    *ret = f;
    return true;
}

const struct gw_sql_facts *gw_sql_known(const struct gw_sql_raw *raw, const struct gw_sql_env *env, uint64_t *ret_id)
{
    const struct gw_sql_facts *f = raw->ok ? sql_memo_peek(raw->memo, env) : NULL;
    if (f)
        *ret_id = raw->memo->id;
    return f;
}

bool gw_sql_still_missing(const struct gw_sql_raw *raw, int64_t since_boot_ms)
{
    return raw->missed_boot_ms && raw->missed_boot_ms >= since_boot_ms;
}

void gw_sql_missed(struct gw_sql_raw *raw, int64_t now_boot_ms)
{
    raw->missed_boot_ms = now_boot_ms;
}
