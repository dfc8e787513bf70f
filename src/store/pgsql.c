/* The verbs of the store's port over PostgreSQL. */
#include "store/pgsql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_inner.h"

/* ---- SQL from the description of the tables; $1, $2, … in the order in which values are given */

static void sql_columns(struct phi_buf *b, const struct core_table_def *d)
{
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s%s", i ? ", " : "", d->cols[i].name);
}

static int sql_where(struct phi_buf *b, const struct core_table_def *d, int ix, int n, int from)
{
    const struct core_index *index = &d->index[ix];
    int k = 0;
    for (; k < n && k < index->n; k++)
        phi_buf_printf(b, "%s%s = $%d", k ? " AND " : " WHERE ", d->cols[index->cols[k]].name, from + k);
    return from + k;
}

static void sql_add(struct phi_buf *b, const struct core_table_def *d)
{
    phi_buf_printf(b, "INSERT INTO %s (", d->name);
    sql_columns(b, d);
    phi_buf_adds(b, ") VALUES (");
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s$%d", i ? ", " : "", i + 1);
    phi_buf_adds(b, ") ON CONFLICT DO NOTHING"); /* an error would end the transaction */
}

/* $1 to $n: all columns, in their order. */
static void sql_set(struct phi_buf *b, const struct core_table_def *d)
{
    phi_buf_printf(b, "UPDATE %s SET ", d->name);
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s%s = $%d", i ? ", " : "", d->cols[i].name, i + 1);
    for (int k = 0; k < d->index[0].n; k++)
        phi_buf_printf(b, "%s%s = $%d", k ? " AND " : " WHERE ", d->cols[d->index[0].cols[k]].name, d->index[0].cols[k] + 1);
    if (d->rev >= 0)
        phi_buf_printf(b, " AND rev = $%d - 1", d->rev + 1);
}

/* Another row that has the new row's other unique key: asked beforehand, because the error would end the transaction. */
static void sql_free(struct phi_buf *b, const struct core_table_def *d)
{
    for (int ix = 1; ix < d->n_index; ix++) {
        if (!d->index[ix].unique)
            continue;
        phi_buf_printf(b, " AND NOT EXISTS (SELECT 1 FROM %s o", d->name);
        for (int k = 0; k < d->index[ix].n; k++)
            phi_buf_printf(b, "%so.%s = $%d", k ? " AND " : " WHERE ", d->cols[d->index[ix].cols[k]].name, d->index[ix].cols[k] + 1);
        phi_buf_adds(b, " AND NOT (");
        for (int k = 0; k < d->index[0].n; k++)
            phi_buf_printf(b, "%so.%s = $%d", k ? " AND " : "", d->cols[d->index[0].cols[k]].name, d->index[0].cols[k] + 1);
        phi_buf_adds(b, "))");
    }
}

static void sql_list(struct phi_buf *b, const struct core_table_def *d, int ix, const struct core_span *s)
{
    const struct core_index *index = &d->index[ix];
    phi_buf_adds(b, "SELECT ");
    sql_columns(b, d);
    phi_buf_printf(b, " FROM %s", d->name);
    int next = sql_where(b, d, ix, (int)s->prefix, 1);
    if (s->at_least || s->at_most) {
        const char *col = d->cols[index->cols[s->prefix]].name, *glue = s->prefix ? "AND" : "WHERE";
        if (s->at_least)
            phi_buf_printf(b, " %s %s >= $%d", glue, col, next);
        if (s->at_most)
            phi_buf_printf(b, " %s %s <= $%d", s->at_least ? "AND" : glue, col, next);
        next++;
    }
    const char *dir = s->last_first ? " DESC" : "";
    for (int i = 0; i < index->n; i++)
        phi_buf_printf(b, "%s%s%s", i ? ", " : " ORDER BY ", d->cols[index->cols[i]].name, dir);
    for (int i = 0; ix > 0 && i < d->index[0].n; i++)
        phi_buf_printf(b, ", %s%s", d->cols[d->index[0].cols[i]].name, dir);
    phi_buf_printf(b, " LIMIT NULLIF($%d, 0) OFFSET $%d", next, next + 1);
}

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
    sql_columns(&sql, core_table_of(CORE_STATE));
    phi_buf_adds(&sql, " FROM state WHERE id = 0");
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
    g->wrote = g->poisoned = false;
    g->xid[0] = 0;
    PHI_TRY(send_fixed(g, &g->begin, "BEGIN ISOLATION LEVEL READ COMMITTED", err));
    PHI_TRY(send_fixed(g, &g->lock, lock, err));
    PHI_TRY(head_text(g) ? pg_ask(g, &g->head_read, NULL, &g->head, err) : phi_fail(err, PHI_ELIMIT, "out of memory"));
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
    head_forget(g);
    return done ? PHI_OK : phi_fail(err, PHI_EIO, "the transaction has failed");
}

static enum phi_rc pg_mark(void *self, struct phi_err *err)
{
    return send_fixed(self, &((struct pg *)self)->mark, "SAVEPOINT one", err);
}

static enum phi_rc pg_unmark(void *self, struct phi_err *err)
{
    return send_fixed(self, &((struct pg *)self)->unmark, "RELEASE one", err);
}

static enum phi_rc pg_back(void *self, struct phi_err *err)
{
    struct pg *g = self;
    pg_wait(g, NULL);
    if (g->poisoned) /* what failed may have been an earlier command's */
        return phi_fail(err, PHI_EIO, "the transaction has failed");
    head_forget(g);
    PHI_TRY(send_fixed(g, &g->back, "ROLLBACK TO one", err));
    return pg_unmark(self, err);
}

/* ---- writing */

static enum phi_rc changed(struct pg *g, struct pg_stmt *st, const struct pg_params *p, enum core_table t, bool *ret,
                           struct phi_err *err)
{
    PGresult *r;
    if (t == CORE_STATE)
        head_forget(g);
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_ask(g, st, p, &r, err));
    *ret = strcmp(g->pq->cmdTuples(r), "1") == 0;
    g->pq->clear(r);
    return PHI_OK;
}

/* Appending to the log is not waited for: only a log that grew elsewhere could take its place, and then the whole
 * transaction fails. */
static bool appends(enum core_table t)
{
    return t == CORE_LEAF || t == CORE_NODE;
}

static enum phi_rc pg_add(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_params p;
    bool done;
    PHI_BUF(sql, 8192);
    if (!g->add[t].sql)
        sql_add(&sql, d);
    if (!pg_text(&g->add[t], &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_row(&p, d, row);
    if (appends(t)) {
        PHI_TRY(pg_writes(g, err));
        return pg_send(g, &g->add[t], &p, PG_ONE_ROW, err);
    }
    PHI_TRY(changed(g, &g->add[t], &p, t, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "the key is taken");
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
        sql_set(&sql, d);
        sql_free(&sql, d);
    }
    if (!pg_text(&g->set[t], &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_row(&p, d, row);
    PHI_TRY(changed(g, &g->set[t], &p, t, &done, err));
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
        sql_where(&sql, d, 0, CORE_INDEX_COLS, 1);
    }
    if (!pg_text(&g->del[t], &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_key(&p, d, 0, CORE_INDEX_COLS, key);
    PHI_TRY(changed(g, &g->del[t], &p, t, &done, err));
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
        sql_set(&sql, d);
        phi_buf_printf(&sql, " AND live = 1 AND used = $%d - 1 AND (uses = 0 OR used < uses) RETURNING used",
                       column(d, offsetof(struct core_grant_row, used)) + 1);
    }
    if (!pg_text(&g->spend, &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_row(&p, d, next);
    PHI_TRY(changed(g, &g->spend, &p, CORE_GRANT, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "grants: no use is left, or the row has changed meanwhile");
}

/* ---- reading */

static enum phi_rc row_out(struct pg *g, PGresult *r, bool ours, const struct core_table_def *d, struct phi_arena *a,
                           void *ret, struct phi_err *err)
{
    bool there = g->pq->ntuples(r) > 0;
    if (there)
        read_row(g, r, 0, d, a, ret);
    if (ours)
        g->pq->clear(r);
    if (!there)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc pg_get(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                          struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    struct pg_stmt *st = &g->get[t][ix];
    struct pg_params p;
    PGresult *r;
    if (t == CORE_STATE && g->head && ((const struct core_state_row *)key)->id == 0)
        return row_out(g, g->head, false, d, a, ret, err);
    PHI_BUF(sql, 8192);
    if (!st->sql) {
        phi_buf_adds(&sql, "SELECT ");
        sql_columns(&sql, d);
        phi_buf_printf(&sql, " FROM %s", d->name);
        sql_where(&sql, d, ix, CORE_INDEX_COLS, 1);
    }
    if (!pg_text(st, &sql))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    params_key(&p, d, ix, CORE_INDEX_COLS, key);
    PHI_TRY(pg_ask(g, st, &p, &r, err));
    return row_out(g, r, true, d, a, ret, err);
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

static enum phi_rc pg_list(void *self, enum core_table t, int ix, const void *key, const struct core_span *span,
                           struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    struct pg *g = self;
    const struct core_table_def *d = core_table_of(t);
    bool edge = span->at_least || span->at_most;
    struct pg_stmt *st = &g->list[t][ix][span->prefix * 8 + span->at_least * 4U + span->at_most * 2U + span->last_first];
    struct pg_params p;
    PGresult *r;
    PHI_BUF(sql, 8192);
    if (!st->sql)
        sql_list(&sql, d, ix, span);
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
    struct pg_stmt *single[] = { &g->begin, &g->lock, &g->head_read, &g->begin_write, &g->commit,     &g->rollback,
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
