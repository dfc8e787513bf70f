/* Writing over PostgreSQL. What is sure to succeed, because nobody else can have changed its row meanwhile, is not sent at once but held until
 * its table has to be read or the commit comes: several changes of one row are then one, and new entries of the log go together. It
 * still bears its condition: it can only miss its row where somebody has changed the store by hand, and then the whole transaction fails. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "store/pg_inner.h"

#define INT8S_OID  1016
#define BYTEAS_OID 1001
#define MOST_BYTES ((size_t)16 << 20)

_Static_assert(CORE_TABLES <= 64, "held.tables has a bit for each");

enum how { HOW_ADD, HOW_SET, HOW_SPEND };
struct pg_held_write {
    enum core_table table;
    enum how how;
    bool grouped; /* sent with others already */
    void *row;    /* as it is to be */
    int64_t rev, used; /* as it must be found */
    uint32_t hash;
    uint16_t before; /* of this hash: its number + 1; 0: none */
};

/* ---- one statement a write */

static struct pg_stmt *text_of(struct pg *g, enum core_table t, enum how how)
{
    const struct core_table_def *d = core_table_of(t);
    struct pg_stmt *st = how == HOW_ADD ? &g->add[t] : how == HOW_SET ? &g->set[t] : &g->spend;
    PHI_BUF(sql, 8192);
    if (!st->sql && how == HOW_ADD)
        pg_sql_add(&sql, d);
    else if (!st->sql)
        pg_sql_set(&sql, d);
    if (!st->sql && how == HOW_SET)
        pg_sql_free(&sql, d);
    if (!st->sql && how == HOW_SPEND)
        phi_buf_printf(&sql, " AND live = 1 AND used = $%d AND (uses = 0 OR uses >= $%d) RETURNING used", d->n_cols + 2,
                       pg_column(d, offsetof(struct core_grant_row, used)) + 1);
    return pg_text(st, &sql) ? st : NULL;
}

static struct pg_stmt *statement(struct pg *g, enum core_table t, enum how how, const void *row, int64_t rev, int64_t used,
                                 struct pg_params *p)
{
    pg_params_row(p, core_table_of(t), row);
    if (how != HOW_ADD && core_table_of(t)->rev >= 0)
        pg_param_int(p, rev);
    if (how == HOW_SPEND)
        pg_param_int(p, used);
    return text_of(g, t, how);
}

/* ---- new rows together */

static char *put32(char *at, uint32_t v)
{
    for (int b = 0; b < 4; b++)
        *at++ = (char)(uint8_t)(v >> (24 - 8 * b));
    return at;
}

static char *put_value(char *at, const struct core_column *c, const void *row)
{
    if (c->kind != CORE_INT) {
        struct phi_view v = core_row_text(row, c);
        at = put32(at, (uint32_t)v.n);
        if (v.n)
            memcpy(at, v.p, v.n);
        return at + v.n;
    }
    uint64_t v = (uint64_t)core_row_int(row, c);
    at = put32(put32(at, 8), (uint32_t)(v >> 32));
    return put32(at, (uint32_t)v);
}

/* One column of these rows as an array, in the binary form. */
static bool param_array(struct pg_params *p, struct phi_arena *a, const struct core_column *c, const struct pg_held_write *const *w, size_t n)
{
    size_t size = 20;
    for (size_t i = 0; i < n; i++)
        size += 4 + (c->kind == CORE_INT ? 8 : core_row_text(w[i]->row, c).n);
    char *from = size < INT32_MAX ? phi_arena_alloc(a, size) : NULL, *at = from;
    if (!from)
        return false;
    uint32_t head[] = { 1, 0, c->kind == CORE_INT ? 20 : 17, (uint32_t)n, 1 }; /* one dimension, no NULL, of int8 or bytea, so long, from 1 */
    for (size_t i = 0; i < 5; i++)
        at = put32(at, head[i]);
    for (size_t i = 0; i < n; i++)
        at = put_value(at, c, w[i]->row);
    int k = p->n++;
    p->type[k] = c->kind == CORE_INT ? INT8S_OID : BYTEAS_OID;
    p->value[k] = from;
    p->length[k] = (int)size;
    p->format[k] = 1;
    return true;
}

static struct pg_stmt *many_text(struct pg *g, enum core_table t)
{
    const struct core_table_def *d = core_table_of(t);
    PHI_BUF(sql, 8192);
    if (!g->add_many[t].sql) {
        phi_buf_printf(&sql, "INSERT INTO %s (", d->name);
        pg_sql_columns(&sql, d);
        phi_buf_adds(&sql, ") SELECT * FROM unnest(");
        for (int i = 0; i < d->n_cols; i++)
            phi_buf_printf(&sql, "%s$%d", i ? ", " : "", i + 1);
        phi_buf_adds(&sql, ") ON CONFLICT DO NOTHING");
    }
    return pg_text(&g->add_many[t], &sql) ? &g->add_many[t] : NULL;
}

/* New rows of a table whose rows' keys never change: when they are added among the others makes no difference. */
static enum phi_rc send_group(struct pg *g, enum core_table t, struct pg_held_write *w, size_t n, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    const struct pg_held_write **list = phi_arena_array(&g->held.a, n + 1, sizeof *list);
    struct pg_params p = { .n = 0 };
    size_t k = 0;
    for (size_t i = 0; list && i < n; i++)
        if (w[i].table == t && w[i].how == HOW_ADD) {
            w[i].grouped = true;
            list[k++] = &w[i];
        }
    if (list && k == 0)
        return PHI_OK;
    bool fits = list != NULL;
    for (int i = 0; fits && i < d->n_cols; i++)
        fits = param_array(&p, &g->held.a, &d->cols[i], list, k);
    struct pg_stmt *st = many_text(g, t);
    return fits && st ? pg_send_rows(g, st, &p, (int)k, err) : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc send_range(struct pg *g, struct pg_held_write *w, size_t n, struct phi_err *err)
{
    struct pg_params p;
    PHI_TRY(send_group(g, CORE_LEAF, w, n, err));
    PHI_TRY(send_group(g, CORE_NODE, w, n, err));
    PHI_TRY(send_group(g, CORE_CLAIM, w, n, err));
    for (size_t i = 0; i < n; i++) {
        if (w[i].grouped)
            continue;
        struct pg_stmt *st = statement(g, w[i].table, w[i].how, w[i].row, w[i].rev, w[i].used, &p);
        if (!st)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        PHI_TRY(pg_send_rows(g, st, &p, 1, err));
    }
    return PHI_OK;
}

/* ---- holding */

void pg_held_drop(struct pg *g)
{
    g->held.n = g->held.mark = g->held.bytes = 0;
    g->held.tables = 0;
    memset(g->held.last, 0, sizeof g->held.last);
    phi_arena_reset(&g->held.a);
}

enum phi_rc pg_flush(struct pg *g, bool writing, struct phi_err *err)
{
    size_t first = g->marked ? g->held.mark : g->held.n, rest = g->held.n - first;
    if (g->held.n)
        PHI_TRY(pg_writes(g, err));
    if (first)
        PHI_TRY(send_range(g, g->held.w, first, err));
    if (g->marked && !g->mark_sent && (rest || writing)) {
        PHI_TRY(pg_send_fixed(g, &g->mark, "SAVEPOINT one", err));
        g->mark_sent = true;
    }
    if (rest)
        PHI_TRY(send_range(g, g->held.w + first, rest, err));
    if (g->held.n)
        pg_held_drop(g);
    return PHI_OK;
}

enum phi_rc pg_flush_of(struct pg *g, enum core_table t, struct phi_err *err)
{
    return g->held.tables >> t & 1 ? pg_flush(g, false, err) : PHI_OK;
}

static uint32_t hash_of(enum core_table t, const void *row)
{
    struct pg_question q;
    pg_question_get(&q, t, 0, row);
    return (uint32_t)phi_map_hash(phi_view_mem(q.key, q.n));
}

static bool same_column(const struct core_column *c, const void *x, const void *y)
{
    return c->kind == CORE_INT ? core_row_int(x, c) == core_row_int(y, c) : phi_view_eq(core_row_text(x, c), core_row_text(y, c));
}

static bool same_key(const struct core_table_def *d, int ix, const void *x, const void *y)
{
    for (int i = 0; i < d->index[ix].n; i++)
        if (!same_column(&d->cols[d->index[ix].cols[i]], x, y))
            return false;
    return true;
}

/* The last one before it that is of the same row, and can be that row's only change. */
static struct pg_held_write *earlier(struct pg *g, const struct pg_held_write *w)
{
    for (uint16_t i = g->held.last[w->hash % PG_HELD_SLOTS]; i; i = g->held.w[i - 1].before) {
        struct pg_held_write *o = &g->held.w[i - 1];
        if (o->hash == w->hash && o->table == w->table && same_key(core_table_of(w->table), 0, o->row, w->row))
            return o->how == w->how || (o->how == HOW_ADD && w->how == HOW_SET) ? o : NULL;
    }
    return NULL;
}

/* What was held since the mark is not undone any more. */
void pg_held_settle(struct pg *g)
{
    size_t n = g->held.mark;
    for (size_t i = g->held.mark; i < g->held.n; i++) {
        struct pg_held_write w = g->held.w[i], *o = earlier(g, &w);
        if (o) {
            o->row = w.row;
            continue;
        }
        uint16_t *last = &g->held.last[w.hash % PG_HELD_SLOTS];
        w.before = *last;
        g->held.w[n++] = w;
        *last = (uint16_t)n;
    }
    g->held.n = g->held.mark = n;
}

void pg_held_back(struct pg *g)
{
    g->held.n = g->held.mark;
}

static void *copy_of(struct phi_arena *a, const struct core_table_def *d, const void *row, size_t *bytes)
{
    char *copy = phi_arena_alloc(a, d->size);
    if (!copy)
        return NULL;
    memcpy(copy, row, d->size);
    *bytes += d->size;
    for (int i = 0; i < d->n_cols; i++)
        if (d->cols[i].kind != CORE_INT) {
            struct phi_view *v = (struct phi_view *)(void *)(copy + d->cols[i].at);
            *v = phi_arena_copy(a, *v);
            *bytes += v->n;
        }
    return phi_arena_ok(a) ? copy : NULL;
}

static enum phi_rc hold(struct pg *g, enum core_table t, enum how how, const void *row, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    if (g->held.n == PG_HELD_MOST || g->held.bytes > MOST_BYTES)
        PHI_TRY(pg_flush(g, false, err));
    struct pg_held_write w = { .table = t, .how = how, .hash = hash_of(t, row), .row = copy_of(&g->held.a, d, row, &g->held.bytes) };
    if (!w.row || (!g->held.w && !(g->held.w = calloc(PG_HELD_MOST, sizeof *g->held.w))))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    w.rev = d->rev >= 0 ? core_row_int(row, &d->cols[d->rev]) - 1 : 0;
    w.used = how == HOW_SPEND ? ((const struct core_grant_row *)row)->used - 1 : 0;
    g->held.w[g->held.n++] = w;
    g->held.tables |= 1ULL << t;
    if (!g->marked)
        pg_held_settle(g);
    if (t != CORE_NODE)
        pg_cache_changed(&g->cache, t, row);
    return PHI_OK;
}

/* ---- what has to be asked: whether it met its row */

static enum phi_rc told(struct pg *g, struct pg_stmt *st, const struct pg_params *p, bool *ret, struct phi_err *err)
{
    PGresult *r;
    if (!st)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_flush(g, true, err));
    PHI_TRY(pg_ask(g, st, p, &r, err));
    *ret = strcmp(g->pq->cmdTuples(r), "1") == 0;
    g->pq->clear(r);
    return PHI_OK;
}

static enum phi_rc change(struct pg *g, enum core_table t, enum how how, const void *row, bool *ret, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    struct pg_params p;
    int64_t rev = d->rev >= 0 ? core_row_int(row, &d->cols[d->rev]) - 1 : 0;
    int64_t used = how == HOW_SPEND ? ((const struct core_grant_row *)row)->used - 1 : 0;
    PHI_TRY(told(g, statement(g, t, how, row, rev, used, &p), &p, ret, err));
    if (*ret)
        pg_cache_changed(&g->cache, t, row);
    return PHI_OK;
}

/* ---- the verbs */

/* An entry's place is new, and so is a claim's id; other keys were looked for and are not there. */
static bool is_new(struct pg *g, enum core_table t, const void *row)
{
    const struct core_table_def *d = core_table_of(t);
    struct pg_question q;
    const char *rows;
    size_t n = 1;
    bool is = t != CORE_STATE;
    for (int ix = t == CORE_CLAIM; ix < d->n_index && is && t != CORE_LEAF && t != CORE_NODE; ix++) {
        if (!d->index[ix].unique)
            continue;
        pg_question_get(&q, t, ix, row);
        is = pg_cache_find(&g->cache, &q, &rows, &n) && n == 0;
    }
    return is;
}

enum phi_rc pg_add(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct pg *g = self;
    bool done = false;
    if (is_new(g, t, row))
        return hold(g, t, HOW_ADD, row, err);
    if (t == CORE_STATE)
        pg_head_forget(g);
    PHI_TRY(change(g, t, HOW_ADD, row, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "the key is taken");
}

/* The row as the database has it, where that is known; NULL else. */
static const void *known(struct pg *g, enum core_table t, const void *row)
{
    struct pg_question q;
    const char *rows;
    size_t n;
    pg_question_get(&q, t, 0, row);
    return pg_cache_find(&g->cache, &q, &rows, &n) && n == 1 ? rows : NULL;
}

/* Whether an update by this row is sure to meet its row, and no other one's unique key. */
static bool is_sure(const struct core_table_def *d, const void *was, const void *row)
{
    if (!was || (d->rev >= 0 && core_row_int(was, &d->cols[d->rev]) != core_row_int(row, &d->cols[d->rev]) - 1))
        return false;
    for (int ix = 1; ix < d->n_index; ix++)
        if (d->index[ix].unique && !same_key(d, ix, was, row))
            return false;
    return true;
}

static enum phi_rc no_row(struct pg *g, enum core_table t, const void *row, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    const struct core_table_def *d = core_table_of(t);
    void *there = phi_arena_alloc(&a, d->size);
    if (there && pg_get(g, t, 0, row, &a, there, NULL) == PHI_OK)
        return phi_fail(err, PHI_ECONFLICT, "%s: the row has changed meanwhile, or the key is taken", d->name);
    return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
}

/* The head row, which is locked: not waited for where it is known to be there. */
static enum phi_rc set_head(struct pg *g, const struct core_state_row *row, bool *ret_sent, struct phi_err *err)
{
    struct pg_params p;
    struct pg_stmt *st = statement(g, CORE_STATE, HOW_SET, row, 0, 0, &p);
    *ret_sent = g->head && g->pq->ntuples(g->head) == 1 && row->id == 0;
    g->signed_off = !g->marked; /* inside a mark it would bear another number */
    pg_head_forget(g);
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_flush(g, true, err));
    if (!st)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    return *ret_sent ? pg_send_rows(g, st, &p, 1, err) : PHI_OK;
}

enum phi_rc pg_set(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct pg *g = self;
    bool done = false;
    if (t == CORE_STATE)
        PHI_TRY(set_head(g, row, &done, err));
    else if (is_sure(core_table_of(t), known(g, t, row), row))
        return hold(g, t, HOW_SET, row, err);
    if (done)
        return PHI_OK;
    PHI_TRY(change(g, t, HOW_SET, row, &done, err));
    return done ? PHI_OK : no_row(g, t, row, err);
}

enum phi_rc pg_del(void *self, enum core_table t, const void *key, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_params p;
    bool done = false;
    PHI_BUF(sql, 1024);
    if (!g->del[t].sql) {
        phi_buf_printf(&sql, "DELETE FROM %s", d->name);
        pg_sql_where(&sql, d, 0, CORE_INDEX_COLS, 1);
    }
    pg_params_key(&p, d, 0, CORE_INDEX_COLS, key);
    if (t == CORE_STATE)
        pg_head_forget(g);
    PHI_TRY(told(g, pg_text(&g->del[t], &sql) ? &g->del[t] : NULL, &p, &done, err));
    if (!done)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    pg_cache_deleted(&g->cache, t, key);
    return PHI_OK;
}

enum phi_rc pg_spend(void *self, const void *next, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_grant_row *was = known(g, CORE_GRANT, next), *to = next;
    bool done = false;
    if (is_sure(core_table_of(CORE_GRANT), was, next) && was->live == 1 && was->used == to->used - 1 &&
        (was->uses == 0 || was->used < was->uses))
        return hold(g, CORE_GRANT, HOW_SPEND, next, err);
    PHI_TRY(change(g, CORE_GRANT, HOW_SPEND, next, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "grants: no use is left, or the row has changed meanwhile");
}
