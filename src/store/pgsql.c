/* The verbs of the store's port over PostgreSQL. */
#include "store/pgsql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_inner.h"

/* ---- values */

static void param(struct pg_params *p, const struct core_column *c, const void *row)
{
    if (c->kind == CORE_INT)
        pg_param_int(p, core_row_int(row, c));
    else
        pg_param_text(p, core_row_text(row, c));
}

static void params_row(struct pg_params *p, const struct core_table_def *d, const void *row)
{
    p->n = 0;
    for (int i = 0; i < d->n_cols; i++)
        param(p, &d->cols[i], row);
}

static void params_key(struct pg_params *p, const struct core_table_def *d, int ix, int n, const void *key)
{
    p->n = 0;
    for (int i = 0; i < n && i < d->index[ix].n; i++)
        param(p, &d->cols[d->index[ix].cols[i]], key);
}

static void read_row(const struct pg *g, const PGresult *r, int row, const struct core_table_def *d, struct phi_arena *a,
                     void *ret)
{
    for (int i = 0; i < d->n_cols; i++) {
        void *at = (char *)ret + d->cols[i].at;
        if (d->cols[i].kind == CORE_INT)
            *(int64_t *)at = pg_int(g, r, row, i);
        else
            *(struct phi_view *)at = phi_arena_copy(a, pg_view(g, r, row, i));
    }
}

/* ---- transactions */

static bool fixed(struct pg_stmt *st, const char *text)
{
    if (!st->sql)
        st->sql = strdup(text);
    return st->sql != NULL;
}

static enum phi_rc send_fixed(struct pg *g, struct pg_stmt *st, const char *text, struct phi_err *err)
{
    return fixed(st, text) ? pg_send(g, st, NULL, PG_DONE, err) : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static void head_forget(struct pg *g)
{
    g->pq->clear(g->head);
    g->head = NULL;
}

static bool head_text(struct pg *g)
{
    PHI_BUF(sql, 1024);
    phi_buf_adds(&sql, "SELECT ");
    pg_sql_columns(&sql, core_table_of(CORE_STATE));
    phi_buf_adds(&sql, ", xmin::text::bigint FROM state WHERE id = 0"); /* xmin: who wrote it last */
    return pg_text(&g->head_read, &sql);
}

static int column(const struct core_table_def *d, size_t at)
{
    for (int i = 0; i < d->n_cols; i++)
        if (d->cols[i].at == at)
            return i;
    return -1;
}

static enum phi_rc begin_once(struct pg *g, struct phi_err *err)
{
    char lock[64];
    PHI_TRY(pg_ready(g, err));
    snprintf(lock, sizeof lock, "SELECT pg_advisory_xact_lock(%d)", PG_LOCK);
    head_forget(g);
    g->wrote = g->poisoned = g->marked = g->signed_off = false;
    g->xid[0] = 0;
    PHI_TRY(send_fixed(g, &g->begin, "BEGIN ISOLATION LEVEL READ COMMITTED", err));
    PHI_TRY(send_fixed(g, &g->lock, lock, err));
    PHI_TRY(head_text(g) ? pg_ask(g, &g->head_read, NULL, &g->head, err) : phi_fail(err, PHI_ELIMIT, "out of memory"));
    if (g->pq->ntuples(g->head) != 1 || g->last_xid == 0 || (uint32_t)pg_int(g, g->head, 0, core_table_of(CORE_STATE)->n_cols) != g->last_xid)
        pg_cache_clear(&g->cache); /* somebody else has written */
    if (g->pq->ntuples(g->head) == 1)
        pg_clock_see(g, pg_int(g, g->head, 0, column(core_table_of(CORE_STATE), offsetof(struct core_state_row, anchor_boot))));
    return PHI_OK;
}

static void pg_rollback(void *self)
{
    struct pg *g = self;
    PGresult *r;
    bool was = g->in_tx;
    g->in_tx = false;
    head_forget(g);
    pg_cache_clear(&g->cache);
    if (!was)
        return;
    if (!pg_alive(g) || !fixed(&g->rollback, "ROLLBACK")) {
        pg_drop(g); /* the server undoes it */
        return;
    }
    pg_wait(g, NULL);
    if (pg_ask(g, &g->rollback, NULL, &r, NULL) != PHI_OK)
        pg_drop(g);
    else
        g->pq->clear(r);
}

static enum phi_rc pg_begin(void *self, struct phi_err *err)
{
    struct pg *g = self;
    if (g->in_tx)
        return phi_fail(err, PHI_EIO, "a transaction is open already");
    bool had = g->conn != NULL;
    enum phi_rc rc = begin_once(g, err);
    if (rc != PHI_OK && had && !pg_alive(g)) /* the connection had died unnoticed; nothing was done over it */
        rc = begin_once(g, err);
    g->in_tx = true;
    if (rc != PHI_OK)
        pg_rollback(g);
    return rc;
}

enum phi_rc pg_writes(struct pg *g, struct phi_err *err)
{
    if (g->wrote)
        return PHI_OK;
    g->wrote = true;
    if (!fixed(&g->begin_write, "SELECT pg_current_xact_id()::text, (SELECT 1 FROM state WHERE id = 0 FOR UPDATE)"))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    return pg_send(g, &g->begin_write, NULL, PG_XID, err);
}

/* Whoever writes leaves its number in the head row, whether that changes or not: pg_cache.h. */
static enum phi_rc sign_off(struct pg *g, struct phi_err *err)
{
    if (!g->wrote || g->signed_off)
        return PHI_OK;
    return send_fixed(g, &g->sign_off, "UPDATE state SET id = id WHERE id = 0", err);
}

/* The connection was lost while COMMIT was on its way: the server knows. */
static enum phi_rc what_became(struct pg *g, const char *xid, struct phi_err *err)
{
    char sql[96];
    PGconn *conn = NULL;
    PGresult *r = NULL;
    snprintf(sql, sizeof sql, "SELECT pg_advisory_lock(%d); SELECT pg_xact_status('%.20s')", PG_LOCK, xid);
    enum phi_rc rc = pg_connect(g, &conn, NULL);
    if (rc == PHI_OK) /* the lock is free once that transaction is over */
        rc = pg_exec(g, conn, sql, &r, NULL);
    bool done = rc == PHI_OK && g->pq->ntuples(r) == 1 && strcmp(g->pq->getvalue(r, 0, 0), "committed") == 0;
    g->pq->clear(r);
    if (conn)
        g->pq->finish(conn);
    return done ? PHI_OK : phi_fail(err, PHI_EIO, rc == PHI_OK ? "the store's connection was lost; nothing was changed"
                                                               : "the store's connection was lost; it is not known yet whether this was done");
}

static enum phi_rc pg_commit(void *self, struct phi_err *err)
{
    struct pg *g = self;
    PGresult *r;
    char xid[sizeof g->xid];
    if (!g->in_tx)
        return phi_fail(err, PHI_EIO, "no transaction is open");
    PHI_TRY(sign_off(g, err));
    PHI_TRY(pg_wait(g, err)); /* what was sent is well, and the transaction's number is known */
    if (g->poisoned)
        return phi_fail(err, PHI_EIO, "the transaction has failed");
    if (!fixed(&g->commit, "COMMIT"))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    memcpy(xid, g->xid, sizeof xid);
    enum phi_rc rc = pg_ask(g, &g->commit, NULL, &r, err);
    if (rc != PHI_OK)
        return pg_alive(g) || !xid[0] ? rc : what_became(g, xid, err);
    bool done = strcmp(g->pq->cmdStatus(r), "COMMIT") == 0; /* an aborted one answers ROLLBACK */
    g->pq->clear(r);
    g->in_tx = !done;
    if (done && xid[0])
        g->last_xid = (uint32_t)strtoull(xid, NULL, 10);
    head_forget(g);
    return done ? PHI_OK : phi_fail(err, PHI_EIO, "the transaction has failed");
}

static enum phi_rc pg_mark(void *self, struct phi_err *err)
{
    ((struct pg *)self)->marked = true;
    pg_cache_mark(&((struct pg *)self)->cache);
    return send_fixed(self, &((struct pg *)self)->mark, "SAVEPOINT one", err);
}

static enum phi_rc pg_unmark(void *self, struct phi_err *err)
{
    ((struct pg *)self)->marked = false;
    return send_fixed(self, &((struct pg *)self)->unmark, "RELEASE one", err);
}

static enum phi_rc pg_back(void *self, struct phi_err *err)
{
    struct pg *g = self;
    pg_wait(g, NULL);
    if (g->poisoned) /* what failed may have been an earlier command's */
        return phi_fail(err, PHI_EIO, "the transaction has failed");
    head_forget(g);
    pg_cache_back(&g->cache);
    PHI_TRY(send_fixed(g, &g->back, "ROLLBACK TO one", err));
    return pg_unmark(self, err);
}

/* ---- writing */

/* What is written is known: `after` is the row as it is then, NULL where it is gone. */
static enum phi_rc changed(struct pg *g, struct pg_stmt *st, const struct pg_params *p, enum core_table t, const void *row,
                           bool stays, bool *ret, struct phi_err *err)
{
    PGresult *r;
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_ask(g, st, p, &r, err));
    *ret = strcmp(g->pq->cmdTuples(r), "1") == 0;
    g->pq->clear(r);
    if (*ret)
        pg_cache_changed(&g->cache, t, row, stays);
    return PHI_OK;
}

/* Not waited for: it can only miss its row where somebody has changed the store by hand, and then the whole transaction fails. */
static enum phi_rc changes(struct pg *g, struct pg_stmt *st, const struct pg_params *p, enum core_table t, const void *row,
                           struct phi_err *err)
{
    PHI_TRY(pg_writes(g, err));
    if (t != CORE_NODE)
        pg_cache_changed(&g->cache, t, row, true);
    return pg_send(g, st, p, PG_ONE_ROW, err);
}

/* An entry's place is new; so is a claim's id, and its key was looked for and is not there. */
static bool is_new(struct pg *g, enum core_table t, const void *row)
{
    struct pg_question q;
    const char *rows;
    size_t n = 1;
    if (t != CORE_CLAIM)
        return t == CORE_LEAF || t == CORE_NODE;
    pg_question_get(&q, t, CORE_CLAIM_BY_CKEY, row);
    return pg_cache_find(&g->cache, t, &q, &rows, &n) && n == 0;
}

static enum phi_rc pg_add(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_params p;
    bool done;
    PHI_BUF(sql, 8192);
    if (!g->add[t].sql)
        pg_sql_add(&sql, d);
    if (!pg_text(&g->add[t], &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_row(&p, d, row);
    if (is_new(g, t, row))
        return changes(g, &g->add[t], &p, t, row, err);
    if (t == CORE_STATE)
        head_forget(g);
    PHI_TRY(changed(g, &g->add[t], &p, t, row, true, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "the key is taken");
}

/* The row as the database has it, where that is known; NULL else. */
static const void *known(struct pg *g, enum core_table t, const void *row)
{
    struct pg_question q;
    const char *rows;
    size_t n;
    pg_question_get(&q, t, 0, row);
    return pg_cache_find(&g->cache, t, &q, &rows, &n) && n == 1 ? rows : NULL;
}

static bool same_column(const struct core_column *c, const void *x, const void *y)
{
    return c->kind == CORE_INT ? core_row_int(x, c) == core_row_int(y, c) : phi_view_eq(core_row_text(x, c), core_row_text(y, c));
}

/* Whether an update by this row is sure to meet its row, and no other one's unique key. */
static bool is_sure(const struct core_table_def *d, const void *was, const void *row)
{
    if (!was || (d->rev >= 0 && core_row_int(was, &d->cols[d->rev]) != core_row_int(row, &d->cols[d->rev]) - 1))
        return false;
    for (int ix = 1; ix < d->n_index; ix++)
        for (int i = 0; d->index[ix].unique && i < d->index[ix].n; i++)
            if (!same_column(&d->cols[d->index[ix].cols[i]], was, row))
                return false;
    return true;
}

static enum phi_rc pg_get(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                          struct phi_err *err);

static enum phi_rc no_row(struct pg *g, enum core_table t, const void *row, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    const struct core_table_def *d = core_table_of(t);
    void *there = phi_arena_alloc(&a, d->size);
    if (there && pg_get(g, t, 0, row, &a, there, NULL) == PHI_OK)
        return phi_fail(err, PHI_ECONFLICT, "%s: the row has changed meanwhile, or the key is taken", d->name);
    return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
}

static enum phi_rc pg_set(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_params p;
    bool done;
    PHI_BUF(sql, 8192);
    if (!g->set[t].sql) {
        pg_sql_set(&sql, d);
        pg_sql_free(&sql, d);
    }
    if (!pg_text(&g->set[t], &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_row(&p, d, row);
    if (t == CORE_STATE) {
        bool there = g->head && g->pq->ntuples(g->head) == 1 && ((const struct core_state_row *)row)->id == 0; /* and locked */
        g->signed_off = !g->marked; /* inside a mark it would bear another number */
        head_forget(g);
        PHI_TRY(pg_writes(g, err));
        if (there)
            return pg_send(g, &g->set[t], &p, PG_ONE_ROW, err);
    } else if (is_sure(d, known(g, t, row), row)) {
        return changes(g, &g->set[t], &p, t, row, err);
    }
    PHI_TRY(changed(g, &g->set[t], &p, t, row, true, &done, err));
    return done ? PHI_OK : no_row(g, t, row, err);
}

static enum phi_rc pg_del(void *self, enum core_table t, const void *key, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_params p;
    bool done;
    PHI_BUF(sql, 1024);
    if (!g->del[t].sql) {
        phi_buf_printf(&sql, "DELETE FROM %s", d->name);
        pg_sql_where(&sql, d, 0, CORE_INDEX_COLS, 1);
    }
    if (!pg_text(&g->del[t], &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_key(&p, d, 0, CORE_INDEX_COLS, key);
    if (t == CORE_STATE)
        head_forget(g);
    PHI_TRY(changed(g, &g->del[t], &p, t, key, false, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
}

static enum phi_rc pg_spend(void *self, const void *next, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(CORE_GRANT);
    struct pg_params p;
    bool done;
    PHI_BUF(sql, 8192);
    if (!g->spend.sql) {
        pg_sql_set(&sql, d);
        phi_buf_printf(&sql, " AND live = 1 AND used = $%d - 1 AND (uses = 0 OR used < uses) RETURNING used",
                       column(d, offsetof(struct core_grant_row, used)) + 1);
    }
    if (!pg_text(&g->spend, &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_row(&p, d, next);
    const struct core_grant_row *was = known(g, CORE_GRANT, next), *to = next;
    if (is_sure(d, was, next) && was->live == 1 && was->used == to->used - 1 && (was->uses == 0 || was->used < was->uses))
        return changes(g, &g->spend, &p, CORE_GRANT, next, err);
    PHI_TRY(changed(g, &g->spend, &p, CORE_GRANT, next, true, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "grants: no use is left, or the row has changed meanwhile");
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
    read_row(g, g->head, 0, core_table_of(CORE_STATE), a, ret);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc row_ask(struct pg *g, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret, size_t *ret_n,
                           struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    struct pg_stmt *st = &g->get[t][ix];
    struct pg_params p;
    PGresult *r;
    PHI_BUF(sql, 8192);
    if (!st->sql) {
        phi_buf_adds(&sql, "SELECT ");
        pg_sql_columns(&sql, d);
        phi_buf_printf(&sql, " FROM %s", d->name);
        pg_sql_where(&sql, d, ix, CORE_INDEX_COLS, 1);
    }
    if (!pg_text(st, &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_key(&p, d, ix, CORE_INDEX_COLS, key);
    PHI_TRY(pg_ask(g, st, &p, &r, err));
    *ret_n = g->pq->ntuples(r) > 0;
    if (*ret_n)
        read_row(g, r, 0, d, a, ret);
    g->pq->clear(r);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc pg_get(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                          struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_question q;
    const char *rows;
    size_t n = 0;
    if (t == CORE_STATE && g->head && ((const struct core_state_row *)key)->id == 0)
        return head_out(g, a, ret, err);
    pg_question_get(&q, t, ix, key);
    if (t != CORE_STATE && pg_cache_find(&g->cache, t, &q, &rows, &n))
        return kept_row(d, rows, n, a, ret, err);
    PHI_TRY(row_ask(g, t, ix, key, a, ret, &n, err));
    if (t != CORE_STATE)
        pg_cache_keep(&g->cache, t, &q, ret, n);
    return n ? PHI_OK : phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
}

static enum phi_rc rows_out(struct pg *g, const PGresult *r, const struct core_table_def *d, struct phi_arena *a,
                            void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    size_t n = (size_t)g->pq->ntuples(r);
    char *rows = phi_arena_array(a, n + 1, d->size);
    for (size_t i = 0; rows && i < n; i++)
        read_row(g, r, (int)i, d, a, rows + i * d->size);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "%s: the list is too long", d->name);
    *(void **)ret_rows = rows;
    *ret_n = n;
    return PHI_OK;
}

static enum phi_rc rows_ask(struct pg *g, enum core_table t, int ix, const void *key, const struct core_span *span,
                            struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    bool edge = span->at_least || span->at_most;
    struct pg_stmt *st = &g->list[t][ix][span->prefix * 8 + span->at_least * 4U + span->at_most * 2U + span->last_first];
    struct pg_params p;
    PGresult *r;
    PHI_BUF(sql, 8192);
    if (!st->sql)
        pg_sql_list(&sql, d, ix, span);
    if (!pg_text(st, &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_key(&p, d, ix, (int)span->prefix + edge, key);
    pg_param_int(&p, span->limit > 0 ? span->limit : 0);
    pg_param_int(&p, span->offset > 0 ? span->offset : 0);
    PHI_TRY(pg_ask(g, st, &p, &r, err));
    enum phi_rc rc = rows_out(g, r, d, a, ret_rows, ret_n, err);
    g->pq->clear(r);
    return rc;
}

static enum phi_rc pg_list(void *self, enum core_table t, int ix, const void *key, const struct core_span *span,
                           struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    struct pg *g = self;
    struct pg_question q = { .n = 0 };
    const char *rows;
    size_t n;
    if (t == CORE_STATE)
        return rows_ask(g, t, ix, key, span, a, ret_rows, ret_n, err);
    pg_question_list(&q, t, ix, key, span);
    if (pg_cache_find(&g->cache, t, &q, &rows, &n))
        return kept_rows(core_table_of(t), rows, n, a, ret_rows, ret_n, err);
    PHI_TRY(rows_ask(g, t, ix, key, span, a, ret_rows, ret_n, err));
    pg_cache_keep(&g->cache, t, &q, *(void **)ret_rows, *ret_n);
    return PHI_OK;
}

/* ---- life */

static void text_free(struct pg_stmt *st, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(st[i].sql);
}

static void pg_close(void *self)
{
    struct pg *g = self;
    pg_listen_end(g);
    if (g->wake)
        pg_leases_give_back(g);
    if (g->pq) {
        pg_rollback(g);
        pg_drop(g);
    }
    pg_cache_clear(&g->cache);
    struct pg_stmt *single[] = { &g->begin, &g->lock, &g->head_read, &g->begin_write, &g->commit,     &g->rollback, &g->sign_off,
                                 &g->mark,  &g->unmark, &g->back,    &g->spend,       &g->say,        &g->notify,
                                 &g->hear,  &g->lease, &g->lease_read, &g->prune };
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        text_free(single[i], 1);
    text_free(g->add, CORE_TABLES);
    text_free(g->set, CORE_TABLES);
    text_free(g->del, CORE_TABLES);
    text_free(&g->get[0][0], (size_t)CORE_TABLES * PG_INDEXES);
    text_free(&g->list[0][0][0], (size_t)CORE_TABLES * PG_INDEXES * PG_SHAPES);
    free(g->conninfo);
    free(g->password_file);
    free(g->name);
    free(g);
}

const struct phi_store_ops pg_ops = {
    .begin = pg_begin, .commit = pg_commit, .rollback = pg_rollback, .mark = pg_mark, .unmark = pg_unmark,
    .back = pg_back,   .add = pg_add,       .set = pg_set,           .del = pg_del,   .get = pg_get,
    .list = pg_list,   .spend = pg_spend,   .close = pg_close,       .say = pg_say,   .hear = pg_hear,
    .lease = pg_lease,
};
