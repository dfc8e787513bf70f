/* What a unit means, and what policy says of it. Everything here is computed again at every use: tables and
 * functions come and go. */
#include <string.h>

#include "gateway/session.h"

/* --- gathering --- */
#define MAX_RAW_PAIRS 1024

static _Thread_local struct phi_pair
    scratch_pairs[MAX_RAW_PAIRS]; /* only while a unit is gathered */

struct gather {
    struct gw_session *s;
    struct phi_arena *a;
    struct phi_pair *pairs;
    size_t n;
    uint32_t or_flags;
    bool all_harmless, all_begins, any_begin;
    struct gw_named **named_end;
    bool full;
};

static const struct gw_sql_facts *facts_of(struct gw_session *s, struct gw_stmt *st)
{
    const struct gw_sql_facts *f = NULL;
    struct gw_sql_env env = gw_env_of(s);
    if (st->raw == NULL || !gw_sql_resolve(st->raw, st->sql, &env, &s->unit.mem, &f)) {
        gw_refuse_with(s, "53200", "phi: not enough memory to look at this statement");
        return NULL;
    }
    if (f->ok)
        return f;
    gw_refuse_with(s, f->sqlstate, PHI_FMT, PHI_ARG(f->error));
    s->refusal.position = f->cursor;
    return NULL;
}

static void add_pairs(struct gather *g, const struct gw_sql_action *actions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (g->n == MAX_RAW_PAIRS)
            g->n = phi_pairs_sort(g->pairs, g->n);
        if (g->n == MAX_RAW_PAIRS) {
            g->full = true;
            return;
        }
        g->pairs[g->n++] = (struct phi_pair){
            actions[i].action, { actions[i].type, actions[i].id }
        };
    }
}

static void note_kind(struct gw_unit *u, const struct gw_sql_stmt *st)
{
    u->many_kinds = u->many_kinds || (st->n > 0 && u->kind.n > 0 && !phi_view_eq(u->kind, st->tag));
    if (st->n > 0)
        u->kind = st->tag;
}

/* What EXECUTE or FETCH runs; NULL: nobody can say. Code that runs before it in the same unsynchronised batch may give the
 * name another meaning, and so may the unit itself. */
static struct gw_stmt *named_def(const struct gather *g, const struct gw_sql_stmt *st)
{
    if (g->s->dirty || !g->all_harmless || ((st->flags & GW_SQL_FETCH) && gw_find_portal(g->s, st->name) != NULL))
        return NULL;
    for (const struct gw_named *n = g->s->unit.named; n != NULL; n = n->next) {
        bool sets = (n->st->flags & GW_SQL_SETS) && !phi_view_is(n->st->name, "all");
        if (!sets && (n->st->name.n == 0 || phi_view_eq(n->st->name, st->name) || (n->st->flags & GW_SQL_SETS)))
            return NULL;
    }
    return gw_maps_sql_find(g->s, st->flags & GW_SQL_EXECUTE ? 'p' : 'c', st->name);
}

/* EXECUTE and FETCH mean what their PREPARE or DECLARE meant, beside what their own arguments do; unknown ones stay pg:admin. */
static bool add_named(struct gather *g, const struct gw_sql_stmt *st, struct gw_stmt *def)
{
    add_pairs(g, st->actions, def == NULL ? st->n : st->n_own);
    if (def == NULL)
        return true;
    const struct gw_sql_facts *f = facts_of(g->s, def);
    if (f == NULL)
        return false;
    add_pairs(g, f->actions, f->n_actions);
    for (size_t i = 0; i < f->n; i++)
        note_kind(&g->s->unit, &f->stmts[i]);
    g->or_flags |= f->flags & (GW_SQL_WRITES | GW_SQL_CALLS | GW_SQL_ADMIN | GW_SQL_DDL | GW_SQL_WHERE | GW_SQL_NO_WHERE);
    g->all_harmless = g->all_harmless && (f->flags & GW_SQL_HARMLESS);
    return true;
}

#define NAMES (GW_SQL_PREPARE | GW_SQL_DEALLOCATE | GW_SQL_DECLARE | GW_SQL_CLOSE | GW_SQL_SETS)

static void note_named(struct gather *g, const struct gw_sql_stmt *st, struct gw_stmt *text,
                       bool alone)
{
    struct gw_named *n = (st->flags & NAMES) ? phi_arena_new(g->a, struct gw_named) : NULL;
    if (n == NULL)
        return; /* a full arena is noticed at the end of gathering */
    *n = (struct gw_named){ .st = st, .text = text, .alone = alone };
    *g->named_end = n;
    g->named_end = &n->next;
}

static bool add_stmt(struct gather *g, const struct gw_sql_stmt *st)
{
    const uint32_t begins = GW_SQL_HARMLESS | GW_SQL_TXN_BEGIN | GW_SQL_TXN_SET;
    if (st->refuse.n > 0) {
        gw_refuse_with(g->s, "42501", "phi: " PHI_FMT, PHI_ARG(st->refuse));
        return false;
    }
    bool named = st->flags & (GW_SQL_EXECUTE | GW_SQL_FETCH);
    struct gw_stmt *def = named ? named_def(g, st) : NULL;
    uint32_t flags = def != NULL ? st->own_flags : st->flags;
    g->or_flags |= flags;
    g->all_harmless = g->all_harmless && (flags & GW_SQL_HARMLESS);
    g->any_begin = g->any_begin || (st->flags & (GW_SQL_TXN_BEGIN | GW_SQL_TXN_SET));
    g->all_begins = g->all_begins && (st->flags & ~begins) == 0 &&
                    (st->flags & (GW_SQL_TXN_BEGIN | GW_SQL_TXN_SET));
    if (named)
        return add_named(g, st, def);
    note_kind(&g->s->unit, st);
    add_pairs(g, st->actions, st->n);
    return true;
}

static bool use_stmt(struct gather *g, struct gw_stmt *st)
{
    if (st->judged == g->s->unit_no)
        return true; /* the same statement, bound again in this unit */
    const struct gw_sql_facts *f = facts_of(g->s, st);
    if (f == NULL)
        return false;
    if (g->s->unit.simple)
        g->s->unit.statements = f->n;
    for (size_t i = 0; i < f->n; i++) {
        if (!add_stmt(g, &f->stmts[i]))
            return false;
        note_named(g, &f->stmts[i], st, f->n == 1);
    }
    st->judged = g->s->unit_no;
    return true;
}

/* A later text of an unsynchronised batch must read the same under either string setting once something ran
 * that could have changed it behind our back (attack 61). */
static bool use_parse(struct gather *g, struct gw_stmt *st)
{
    const struct gw_sql_facts *f = facts_of(g->s, st);
    if (f == NULL)
        return false;
    if ((g->s->dirty || !g->all_harmless) && !f->plain_literals) {
        gw_refuse_with(g->s, "42501",
                       "phi: after a statement that may change settings, the rest of a pipelined "
                       "batch must be ASCII "
                       "without backslashes in literals; send it after a Sync");
        return false;
    }
    return true;
}

static bool use_execute(struct gather *g, const struct gw_unit *u, size_t i)
{
    struct gw_portal *p = u->ops[i].portal;
    for (size_t j = i; j > 0; j--)
        if (u->ops[j - 1].type == 'B' && u->ops[j - 1].portal == p)
            return true; /* decided with its Bind */
    const struct gw_live *l = gw_live_find(g->s, p->live);
    if (l == NULL || (l->outcome_sent && gw_live_bounded(l)))
        return use_stmt(g, p->stmt);
    /* Goes on under the claim that opened it, which still holds; what names mean changes only now. */
    const struct gw_sql_facts *f = facts_of(g->s, p->stmt);
    for (size_t k = 0; f != NULL && k < f->n; k++)
        note_named(g, &f->stmts[k], p->stmt, f->n == 1);
    return f != NULL;
}

/* Whether code of this unsynchronised batch left the name its meaning is only seen after it. */
static bool use_bind(struct gather *g, const struct gw_unit *u, size_t i)
{
    struct gw_stmt *st = u->ops[i].stmt;
    bool made_here = st->name.n == 0;
    for (size_t j = i; j > 0 && !made_here; j--)
        made_here = u->ops[j - 1].type == 'P' && u->ops[j - 1].stmt == st;
    if (g->s->dirty && !made_here) {
        gw_refuse_with(g->s, "42501",
                       "phi: after a statement that may change what names mean, a prepared statement of a pipelined "
                       "batch is not run; send it after a Sync");
        return false;
    }
    return use_stmt(g, st);
}

static bool use_op(struct gather *g, const struct gw_unit *u, size_t i)
{
    const struct gw_op *op = &u->ops[i];
    switch (op->type) {
    case 'P': return use_parse(g, op->stmt);
    case 'Q': return use_stmt(g, op->stmt);
    case 'B': return use_bind(g, u, i);
    case 'E': return use_execute(g, u, i);
    default: return true;
    }
}

static bool gather(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    struct gather g = { .s = s, .a = &u->mem, .all_harmless = true, .all_begins = true, .named_end = &u->named };
    s->unit_no++;
    u->named = NULL;
    u->statements = 0;
    u->many_kinds = false;
    u->kind = (struct phi_view){ 0 };
    g.pairs = scratch_pairs;
    for (size_t i = 0; i < u->n; i++) {
        u->runs =
            u->runs || u->ops[i].type == 'Q' || u->ops[i].type == 'B' || u->ops[i].type == 'E';
        u->statements += u->ops[i].type == 'E';
        if (!use_op(&g, u, i))
            return false;
    }
    u->n_actions = phi_pairs_sort(g.pairs, g.n);
    struct phi_pair *kept = phi_arena_array(&u->mem, u->n_actions, sizeof *kept);
    if (kept != NULL && u->n_actions > 0)
        memcpy(kept, g.pairs, u->n_actions * sizeof *kept);
    u->actions = kept;
    if (!phi_arena_ok(&u->mem)) {
        gw_refuse_with(s, "53200", "phi: not enough memory to look at this statement");
        return false;
    }
    u->flags = (g.or_flags & ~(uint32_t)GW_SQL_HARMLESS) | (g.all_harmless ? GW_SQL_HARMLESS : 0);
    u->only_begins = g.all_begins && g.any_begin;
    if (g.full || u->n_actions > PHI_MAX_ACTIONS) {
        gw_refuse_with(s, "54001", "phi: this touches more than %d things at once; split it",
                       PHI_MAX_ACTIONS);
        return false;
    }
    return true;
}

/* --- the act: exact bytes, settings, meaning --- */
static void words16(struct phi_arena *a, struct phi_view w, const uint16_t **ret, size_t *n)
{
    uint16_t *out = phi_arena_array(a, w.n / 2, sizeof *out);
    *n = out == NULL ? 0 : w.n / 2;
    for (size_t i = 0; i < *n; i++)
        out[i] = pg_word16(w, i);
    *ret = out;
}

static bool statement_of(struct gw_unit *u, const struct gw_portal *p, uint32_t max_rows,
                         struct phi_statement *ret)
{
    struct pg_bind b;
    if (!pg_bind_read(p->body, &b))
        return false;
    *ret =
        (struct phi_statement){ .bytes = p->stmt->sql, .max_rows = max_rows, .n_params = b.n_params };
    size_t n_types = p->stmt->types.n / 4;
    uint32_t *types = phi_arena_array(&u->mem, n_types, sizeof *types);
    struct phi_param *params = phi_arena_array(&u->mem, b.n_params, sizeof *params);
    words16(&u->mem, b.formats, &ret->formats, &ret->n_formats);
    words16(&u->mem, b.results, &ret->results, &ret->n_results);
    if (!phi_arena_ok(&u->mem))
        return false;
    for (size_t i = 0; i < n_types; i++)
        types[i] = pg_word32(p->stmt->types, i);
    for (size_t i = 0; i < b.n_params; i++)
        if (!pg_value_next(&b.params, &params[i].null, &params[i].bytes))
            return false;
    ret->types = types;
    ret->n_types = n_types;
    ret->params = params;
    return true;
}

static bool executed_later(const struct gw_unit *u, size_t i)
{
    for (size_t j = i + 1; j < u->n; j++)
        if (u->ops[j].type == 'E' && u->ops[j].portal == u->ops[i].portal)
            return true;
    return false;
}

/* One for each Execute in the order they run; a Bind that nobody executes counts too, since planning runs code. */
static bool make_batch(struct gw_unit *u)
{
    struct phi_statement *list = phi_arena_array(&u->mem, u->n, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < u->n && list != NULL; i++) {
        const struct gw_op *op = &u->ops[i];
        if (op->type == 'E' || (op->type == 'B' && !executed_later(u, i)))
            if (!statement_of(u, op->portal, op->max_rows, &list[n++]))
                return false;
    }
    u->payload =
        (struct phi_payload){ .kind = PHI_PAYLOAD_PG_BATCH, .statements = list, .n_statements = n };
    return list != NULL;
}

static bool make_act(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    struct phi_setting settings[] = {
        { PHI_LIT("DateStyle"),     phi_view_of(s->date_style) },
        { PHI_LIT("IntervalStyle"), phi_view_of(s->interval_style) },
        { PHI_LIT("TimeZone"),      phi_view_of(s->time_zone) },
        { PHI_LIT("role"),          phi_view_of(s->role) }
    };
    if (u->simple)
        u->payload =
            (struct phi_payload){ .kind = PHI_PAYLOAD_PG_QUERY, .bytes = u->ops[0].stmt->sql };
    else if (!make_batch(u))
        return false;
    struct phi_body body = { .requester = phi_ref_of_who(phi_view_of(s->who.person)),
                             .target = phi_ref_make(&u->mem, "Target", s->target->o.name, NULL),
                             .actions = u->actions,
                             .n_actions = u->n_actions,
                             .payload = u->payload,
                             .settings = settings,
                             .n_settings = sizeof settings / sizeof *settings };
    u->has_act = phi_act_digest(&body, &u->act, NULL) == PHI_OK && phi_arena_ok(&u->mem);
    return u->has_act;
}

void gw_settings_json(const struct gw_session *s, struct phi_buf *out)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "DateStyle", s->date_style);
    phi_jw_kc(&w, "IntervalStyle", s->interval_style);
    phi_jw_kc(&w, "TimeZone", s->time_zone);
    phi_jw_kc(&w, "role", s->role);
    phi_jw_end(&w);
}

void gw_actions_json(const struct gw_session *s, struct phi_buf *out)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_pairs_write(&w, s->unit.actions, s->unit.n_actions);
}

/* --- deciding --- */
static bool record(struct gw_session *s, struct client_record_at *ret)
{
    const struct gw_phid *p = &s->gw->phid;
    PHI_BUF(actions, PHI_MAX_REQUEST_BODY);
    gw_actions_json(s, &actions);
    return phi_buf_ok(&actions) &&
           p->record(p->ctx, phi_view_of(s->who.person), phi_view_of(s->target->o.name),
                     phi_view_of(s->id), phi_buf_view(&actions), phi_buf_view(&s->unit.bytes), ret);
}

bool gw_record_allow(struct gw_session *s, struct client_record_at *ret)
{
    if (record(s, ret))
        return true;
    gw_refuse_with(s, "58000", GW_UNRECORDED);
    return false;
}

/* So rough that texts of one skeleton are mostly one to a policy, and to what is kept of its answers. */
int64_t gw_text_bytes(const struct gw_unit *u)
{
    size_t longest = 0;
    int64_t n = 1;
    for (size_t i = 0; i < u->n; i++) {
        const struct gw_op *op = &u->ops[i];
        bool runs = op->type == 'Q' || op->type == 'B';
        size_t one = runs ? op->stmt->sql.n : op->type == 'E' ? op->portal->stmt->sql.n : 0;
        longest = one > longest ? one : longest;
    }
    while (n < INT32_MAX && (size_t)n < longest)
        n *= 2;
    return longest > 0 ? n : 0;
}

static int64_t tables_in(const struct phi_pair *pairs, size_t n)
{
    int64_t tables = 0;
    for (size_t i = 0; i < n; i++) {
        bool counts = phi_view_is(pairs[i].resource.type, "Table");
        for (size_t k = 0; k < i && counts; k++)
            counts = !phi_ref_eq(pairs[k].resource, pairs[i].resource);
        tables += counts;
    }
    return tables;
}

struct gw_statement gw_statement_of(const struct gw_session *s)
{
    const struct gw_unit *u = &s->unit;
    return (struct gw_statement){ .kind = u->many_kinds ? (struct phi_view){ 0 } : u->kind,
                                  .tables = tables_in(u->actions, u->n_actions),
                                  .text_bytes = gw_text_bytes(u),
                                  .changes = u->flags & (GW_SQL_WHERE | GW_SQL_NO_WHERE),
                                  .has_where = !(u->flags & GW_SQL_NO_WHERE) };
}

static struct gw_try try_of(const struct gw_session *s)
{
    return (struct gw_try){ .person = phi_view_of(s->who.person),
                            .target = phi_view_of(s->target->o.name),
                            .addr = phi_view_of(s->addr),
                            .application = phi_view_of(s->application),
                            .statement = gw_statement_of(s),
                            .actions = s->unit.actions,
                            .n = s->unit.n_actions };
}

enum phi_verdict gw_verdict(struct gw_session *s, struct phi_buf *reason)
{
    const struct gw_phid *p = &s->gw->phid;
    struct gw_try t = try_of(s);
    return p->decide(p->ctx, &t, reason);
}

bool gw_record_deny(const struct gw_phid *p, const struct gw_try *t, struct phi_view session,
                    struct phi_view bytes, struct phi_view reason)
{
    /* Without a snapshot nothing was decided, and there is no bundle to name. */
    return !p->fresh(p->ctx) || p->record_denied(p->ctx, t, session, bytes, reason);
}

static enum gw_event judged(struct gw_session *s)
{
    PHI_BUF(reason, 1000);
    PHI_BUF(policies, 16 * 1024);
    const struct gw_phid *p = &s->gw->phid;
    struct gw_try t = try_of(s);
    t.policies = &policies;
    switch (p->decide(p->ctx, &t, &reason)) {
    case PHI_ALLOW: return gw_record_allow(s, NULL) ? EV_ALLOW : EV_DENY;
    case PHI_NEEDS: return EV_NEEDS;
    case PHI_DENY: break;
    }
    if (gw_record_deny(p, &t, phi_view_of(s->id), phi_buf_view(&s->unit.bytes), phi_buf_view(&reason)))
        gw_refuse_with(s, "42501", "phi: %s", phi_buf_str(&reason));
    else
        gw_refuse_with(s, "58000", GW_UNRECORDED);
    return EV_DENY;
}

static enum gw_event judge(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    enum gw_event e = EV_DENY;
    if (s->cancelled) {
        gw_refuse_with(s, "57014", "canceling statement due to user request");
        return EV_DENY;
    }
    if (u->broken)
        return EV_DENY;
    if (gw_judge_known(s, &e))
        return e;
    if (!gather(s))
        return EV_DENY;
    if (u->n_actions == 0)
        return EV_ALLOW;
    e = judged(s);
    if (e == EV_NEEDS && s->txn == 'E') {
        gw_refuse_with(
            s, "25P02",
            "current transaction is aborted, commands ignored until end of transaction block");
        return EV_DENY;
    }
    if (e == EV_NEEDS && !make_act(s)) {
        gw_refuse_with(s, "53200", "phi: not enough memory to describe this statement");
        return EV_DENY;
    }
    return e;
}

/* Before a claim: minutes may have passed, and tables, views and functions come and go. */
bool gw_judge_again(struct gw_session *s)
{
    struct phi_digest before = s->unit.act;
    if (s->front != NULL)
        return true; /* connecting means today what it meant yesterday */
    return gather(s) && make_act(s) && phi_digest_eq(&before, &s->unit.act);
}

bool gw_judge_connect(struct gw_session *s, const struct phi_pair *pair)
{
    struct gw_unit *u = &s->unit;
    struct phi_view none = { 0 };
    struct phi_pair *kept = phi_arena_new(&u->mem, struct phi_pair);
    struct gw_stmt *st = gw_stmt_new(s, none, none, none);
    if (kept == NULL || st == NULL || !gw_unit_add(u, (struct gw_op){ .type = 'Q', .stmt = st }))
        return false;
    *kept = *pair;
    u->simple = true;
    u->actions = kept;
    u->n_actions = u->statements = 1;
    return make_act(s);
}

void gw_judge(struct gw_session *s)
{
    gw_event(s, judge(s));
}
