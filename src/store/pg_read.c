/* Reading over PostgreSQL: what is at hand already, what is asked for, and what a batch is known to ask soon. */
#include <string.h>

#include "base/map.h"
#include "store/pg_inner.h"

/* ---- values */

static void param(struct pg_params *p, const struct core_column *c, const void *row)
{
    if (c->kind == CORE_INT)
        pg_param_int(p, core_row_int(row, c));
    else
        pg_param_text(p, core_row_text(row, c));
}

void pg_params_row(struct pg_params *p, const struct core_table_def *d, const void *row)
{
    p->n = 0;
    for (int i = 0; i < d->n_cols; i++)
        param(p, &d->cols[i], row);
}

void pg_params_key(struct pg_params *p, const struct core_table_def *d, int ix, int n, const void *key)
{
    p->n = 0;
    for (int i = 0; i < n && i < d->index[ix].n; i++)
        param(p, &d->cols[d->index[ix].cols[i]], key);
}

void pg_read_row(const struct pg *g, const PGresult *r, int row, const struct core_table_def *d, struct phi_arena *a, void *ret)
{
    for (int i = 0; i < d->n_cols; i++) {
        void *at = (char *)ret + d->cols[i].at;
        if (d->cols[i].kind == CORE_INT)
            *(int64_t *)at = pg_int(g, r, row, i);
        else
            *(struct phi_view *)at = phi_arena_copy(a, pg_view(g, r, row, i));
    }
}

/* ---- reading */

static bool kept_out(const struct core_table_def *d, const char *rows, size_t n, struct phi_arena *a, char *ret)
{
    memcpy(ret, rows, n * d->size);
    for (size_t r = 0; r < n; r++)
        for (int i = 0; i < d->n_cols; i++)
            if (d->cols[i].kind != CORE_INT) {
                struct phi_view *v = (struct phi_view *)(void *)(ret + r * d->size + d->cols[i].at);
                *v = phi_arena_copy(a, *v);
            }
    return phi_arena_ok(a);
}

static enum phi_rc kept_row(const struct core_table_def *d, const char *rows, size_t n, struct phi_arena *a, void *ret, struct phi_err *err)
{
    if (n == 0)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    return kept_out(d, rows, 1, a, ret) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc kept_rows(const struct core_table_def *d, const char *rows, size_t n, struct phi_arena *a, void *ret_rows,
                             size_t *ret_n, struct phi_err *err)
{
    char *out = phi_arena_array(a, n + 1, d->size);
    if (!out || !kept_out(d, rows, n, a, out))
        return phi_fail(err, PHI_ELIMIT, "%s: the list is too long", d->name);
    *(void **)ret_rows = out;
    *ret_n = n;
    return PHI_OK;
}

static enum phi_rc head_out(struct pg *g, struct phi_arena *a, void *ret, struct phi_err *err)
{
    if (g->pq->ntuples(g->head) == 0)
        return phi_fail(err, PHI_ENOTFOUND, "state: there is no such row");
    pg_read_row(g, g->head, 0, core_table_of(CORE_STATE), a, ret);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* The statement that asks this, and its parameters. NULL: out of memory. */
static struct pg_stmt *question(struct pg *g, const struct core_read *q, struct pg_params *p)
{
    const struct core_table_def *d = core_table_of(q->table);
    const struct core_span *s = &q->span;
    PHI_BUF(sql, 8192);
    struct pg_stmt *st = q->list ? &g->list[q->table][q->ix][s->prefix * 8 + s->at_least * 4U + s->at_most * 2U + s->last_first]
                                 : &g->get[q->table][q->ix];
    if (!st->sql && q->list) {
        pg_sql_list(&sql, d, q->ix, s);
    } else if (!st->sql) {
        phi_buf_adds(&sql, "SELECT ");
        pg_sql_columns(&sql, d);
        phi_buf_printf(&sql, " FROM %s", d->name);
        pg_sql_where(&sql, d, q->ix, CORE_INDEX_COLS, 1);
    }
    if (!pg_text(st, &sql))
        return NULL;
    pg_params_key(p, d, q->ix, q->list ? (int)s->prefix + (s->at_least || s->at_most) : CORE_INDEX_COLS, q->key);
    if (q->list) {
        pg_param_int(p, s->limit > 0 ? s->limit : 0);
        pg_param_int(p, s->offset > 0 ? s->offset : 0);
    }
    return st;
}

static enum phi_rc rows_out(struct pg *g, const PGresult *r, const struct core_table_def *d, struct phi_arena *a,
                            void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    size_t n = (size_t)g->pq->ntuples(r);
    char *rows = phi_arena_array(a, n + 1, d->size);
    for (size_t i = 0; rows && i < n; i++)
        pg_read_row(g, r, (int)i, d, a, rows + i * d->size);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "%s: the list is too long", d->name);
    *(void **)ret_rows = rows;
    *ret_n = n;
    return PHI_OK;
}

static enum phi_rc ask(struct pg *g, const struct core_read *q, struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    struct pg_params p;
    PGresult *r;
    struct pg_stmt *st = question(g, q, &p);
    if (!st)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(pg_flush_of(g, q->table, err));
    PHI_TRY(pg_ask(g, st, &p, &r, err));
    enum phi_rc rc = rows_out(g, r, core_table_of(q->table), a, ret_rows, ret_n, err);
    g->pq->clear(r);
    return rc;
}

enum phi_rc pg_get(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct core_read read = { .table = t, .ix = ix, .key = key };
    struct pg_question q;
    const char *kept;
    char *rows;
    size_t n = 0;
    if (t == CORE_STATE && g->head && ((const struct core_state_row *)key)->id == 0)
        return head_out(g, a, ret, err);
    pg_question_get(&q, t, ix, key);
    if (t != CORE_STATE && pg_cache_find(&g->cache, &q, &kept, &n))
        return kept_row(d, kept, n, a, ret, err);
    PHI_TRY(ask(g, &read, a, &rows, &n, err));
    if (t != CORE_STATE)
        pg_cache_keep(&g->cache, t, &q, key, rows, n);
    if (n == 0)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    memcpy(ret, rows, d->size);
    return PHI_OK;
}

enum phi_rc pg_list(void *self, enum core_table t, int ix, const void *key, const struct core_span *span, struct phi_arena *a,
                    void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    struct pg *g = self;
    struct core_read read = { .table = t, .ix = ix, .list = true, .key = key, .span = *span };
    struct pg_question q;
    const char *rows;
    size_t n;
    if (t == CORE_STATE)
        return ask(g, &read, a, ret_rows, ret_n, err);
    pg_question_list(&q, t, ix, key, span);
    if (pg_cache_find(&g->cache, &q, &rows, &n))
        return kept_rows(core_table_of(t), rows, n, a, ret_rows, ret_n, err);
    PHI_TRY(ask(g, &read, a, ret_rows, ret_n, err));
    pg_cache_keep(&g->cache, t, &q, key, *(void **)ret_rows, *ret_n);
    return PHI_OK;
}

/* ---- reading ahead */

static void question_key(const struct core_read *r, struct pg_question *q)
{
    if (r->list)
        pg_question_list(q, r->table, r->ix, r->key, &r->span);
    else
        pg_question_get(q, r->table, r->ix, r->key);
}

bool pg_at_hand(void *self, const struct core_read *r)
{
    struct pg *g = self;
    struct pg_question q;
    const char *rows;
    size_t n;
    question_key(r, &q);
    return pg_cache_find(&g->cache, &q, &rows, &n);
}

void pg_keep_read(struct pg *g, const struct core_read *read, const PGresult *r)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct pg_question q;
    char *rows;
    size_t n;
    question_key(read, &q);
    if (rows_out(g, r, core_table_of(read->table), &a, &rows, &n, NULL) == PHI_OK)
        pg_cache_keep(&g->cache, read->table, &q, read->key, rows, n);
}

#define SEEN 4096

/* False: it was noted before. One for which there is no room is asked twice, which is no harm. */
static bool note(uint64_t *seen, const struct pg_question *q)
{
    uint64_t hash = phi_map_hash(phi_view_mem(q->key, q->n)) | 1;
    for (uint64_t i = hash, n = 0; n < 8; i++, n++) {
        if (seen[i % SEEN] == hash)
            return false;
        if (seen[i % SEEN] == 0)
            return seen[i % SEEN] = hash, true;
    }
    return true;
}

enum phi_rc pg_ahead(void *self, const struct core_read *reads, size_t n, struct phi_err *err)
{
    struct pg *g = self;
    struct pg_params p;
    struct pg_question q;
    const char *rows;
    size_t have;
    uint64_t seen[SEEN] = { 0 };
    for (size_t i = 0; i < n; i++) {
        question_key(&reads[i], &q);
        if (q.n == 0 || reads[i].table == CORE_STATE || pg_cache_find(&g->cache, &q, &rows, &have) || !note(seen, &q))
            continue;
        struct pg_stmt *st = question(g, &reads[i], &p);
        if (!st)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        PHI_TRY(pg_flush_of(g, reads[i].table, err));
        PHI_TRY(pg_send_read(g, st, &p, &reads[i], err));
    }
    return pg_wait(g, err);
}
