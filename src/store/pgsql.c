/* The verbs of the store's port over PostgreSQL. */
#include "store/pgsql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_inner.h"

/* ---- transactions */

static bool fixed(struct pg_stmt *st, const char *text)
{
    if (!st->sql)
        st->sql = strdup(text);
    return st->sql != NULL;
}

enum phi_rc pg_send_fixed(struct pg *g, struct pg_stmt *st, const char *text, struct phi_err *err)
{
    return fixed(st, text) ? pg_send(g, st, NULL, PG_DONE, err) : phi_fail(err, PHI_ELIMIT, "out of memory");
}

void pg_head_forget(struct pg *g)
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

int pg_column(const struct core_table_def *d, size_t at)
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
    pg_head_forget(g);
    g->wrote = g->poisoned = g->marked = g->mark_sent = g->signed_off = false;
    pg_held_drop(g);
    g->xid[0] = 0;
    PHI_TRY(pg_send_fixed(g, &g->begin, "BEGIN ISOLATION LEVEL READ COMMITTED", err));
    PHI_TRY(pg_send_fixed(g, &g->lock, lock, err));
    PHI_TRY(head_text(g) ? pg_ask(g, &g->head_read, NULL, &g->head, err) : phi_fail(err, PHI_ELIMIT, "out of memory"));
    if (g->pq->ntuples(g->head) != 1 || g->last_xid == 0 || (uint32_t)pg_int(g, g->head, 0, core_table_of(CORE_STATE)->n_cols) != g->last_xid)
        pg_cache_clear(&g->cache); /* somebody else has written */
    if (g->pq->ntuples(g->head) == 1)
        pg_clock_see(g, pg_int(g, g->head, 0, pg_column(core_table_of(CORE_STATE), offsetof(struct core_state_row, anchor_boot))));
    return PHI_OK;
}

static void pg_rollback(void *self)
{
    struct pg *g = self;
    PGresult *r;
    bool was = g->in_tx;
    g->in_tx = g->marked = false;
    pg_held_drop(g);
    pg_head_forget(g);
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
    return pg_send_fixed(g, &g->sign_off, "UPDATE state SET id = id WHERE id = 0", err);
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
    PHI_TRY(pg_flush(g, false, err));
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
    pg_head_forget(g);
    return done ? PHI_OK : phi_fail(err, PHI_EIO, "the transaction has failed");
}

/* The server learns of a mark only where something is written in it before it is over. */
static enum phi_rc pg_mark(void *self, struct phi_err *err)
{
    struct pg *g = self;
    (void)err;
    g->marked = true;
    g->mark_sent = false;
    pg_held_settle(g);
    pg_cache_mark(&g->cache);
    return PHI_OK;
}

static enum phi_rc pg_unmark(void *self, struct phi_err *err)
{
    struct pg *g = self;
    g->marked = false;
    pg_held_settle(g);
    return g->mark_sent ? pg_send_fixed(g, &g->unmark, "RELEASE one", err) : PHI_OK;
}

static enum phi_rc pg_back(void *self, struct phi_err *err)
{
    struct pg *g = self;
    pg_held_back(g);
    pg_cache_back(&g->cache);
    if (g->mark_sent) {
        pg_wait(g, NULL);
        if (g->poisoned) /* what failed may have been an earlier command's */
            return phi_fail(err, PHI_EIO, "the transaction has failed");
        pg_head_forget(g);
        PHI_TRY(pg_send_fixed(g, &g->back, "ROLLBACK TO one", err));
    }
    return pg_unmark(self, err);
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
    phi_arena_done(&g->held.a);
    free(g->held.w);
    struct pg_stmt *single[] = { &g->begin, &g->lock, &g->head_read, &g->begin_write, &g->commit,     &g->rollback, &g->sign_off,
                                 &g->mark,  &g->unmark, &g->back,    &g->spend,       &g->say,        &g->notify,
                                 &g->hear,  &g->lease, &g->lease_read, &g->prune };
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        text_free(single[i], 1);
    text_free(g->add, CORE_TABLES);
    text_free(g->add_many, CORE_TABLES);
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
    .lease = pg_lease, .ahead = pg_ahead,    .at_hand = pg_at_hand,
};
