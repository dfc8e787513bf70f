/* One connection to PostgreSQL in pipeline mode: what is not waited for travels with what is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/os.h"
#include "store/pg_inner.h"

#define PASSWORD_MAX 4096
#define INT8_OID     20
#define BYTEA_OID    17

/* ---- errors */

static enum phi_rc rc_of_state(const char *state)
{
    if (strcmp(state, "23505") == 0)
        return PHI_ECONFLICT;
    if (strncmp(state, "28", 2) == 0)
        return PHI_EAUTH;
    return strncmp(state, "40", 2) == 0 || strcmp(state, "55P03") == 0 ? PHI_ECONFLICT : PHI_EIO;
}

enum phi_rc pg_failed(struct pg *g, PGconn *conn, const PGresult *r, struct phi_err *err)
{
    const char *state = r ? g->pq->resultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *said = r ? g->pq->resultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (state)
        return phi_fail(err, rc_of_state(state), "the store failed: %.180s (%s)", said ? said : "", state);
    const char *why = conn ? g->pq->errorMessage(conn) : "out of memory";
    int n = (int)strcspn(why, "\n");
    return phi_fail(err, PHI_EIO, "the store's database is not there: %.*s", n > 180 ? 180 : n, why);
}

/* ---- connecting */

static enum phi_rc password_read(const struct pg *g, struct phi_buf *ret, struct phi_err *err)
{
    struct stat st;
    if (!g->password_file[0])
        return PHI_OK;
    if (stat(g->password_file, &st) != 0)
        return phi_fail(err, PHI_EIO, "%s: %s", g->password_file, strerror(errno));
    if (st.st_mode & 077)
        return phi_fail(err, PHI_EDENIED, "%s: group or others may read it; chmod 600 it", g->password_file);
    return phi_file_read(g->password_file, PASSWORD_MAX, ret, err);
}

static void silent(void *arg, const char *message)
{
    (void)arg, (void)message;
}

/* Whoever hangs must not hang the others: the server ends a transaction whose phid is gone. */
static const char settings[] = "SET search_path = phi; SET synchronous_commit = on; SET lock_timeout = '15s';"
                               "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = '60s';"
                               "SET client_min_messages = error; SET bytea_output = hex";

enum phi_rc pg_connect(struct pg *g, PGconn **ret, struct phi_err *err)
{
    PHI_BUF(secret, PASSWORD_MAX + 1);
    PHI_TRY(password_read(g, &secret, err));
    const char *word = phi_buf_str(&secret);
    char *end = secret.n ? strpbrk((char *)secret.p, "\r\n") : NULL;
    if (end)
        *end = 0;
    /* What stands first is a default; what conninfo says wins, but not over the password's file. */
    const char *keys[] = { "connect_timeout", "tcp_user_timeout", "keepalives_idle", "application_name", "dbname",
                           secret.n ? "password" : NULL, NULL };
    const char *values[] = { "5", "10000", "5", g->name, g->conninfo, word, NULL };
    PGconn *conn = g->pq->connectdbParams(keys, values, 1);
    phi_buf_wipe(&secret);
    if (!conn || g->pq->status(conn) != CONNECTION_OK) {
        enum phi_rc rc = pg_failed(g, conn, NULL, err);
        g->pq->finish(conn);
        return rc;
    }
    g->pq->setNoticeProcessor(conn, silent, NULL);
    enum phi_rc rc = pg_exec(g, conn, settings, NULL, err);
    if (rc != PHI_OK)
        g->pq->finish(conn);
    else
        *ret = conn;
    return rc;
}

enum phi_rc pg_exec(struct pg *g, PGconn *conn, const char *sql, PGresult **ret, struct phi_err *err)
{
    PGresult *r = g->pq->exec(conn, sql);
    ExecStatusType s = r ? g->pq->resultStatus(r) : PGRES_FATAL_ERROR;
    enum phi_rc rc = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK ? PHI_OK : pg_failed(g, conn, r, err);
    if (ret && rc == PHI_OK)
        *ret = r;
    else
        g->pq->clear(r);
    return rc;
}

void pg_drop(struct pg *g)
{
    g->pq->clear(g->head);
    g->head = NULL;
    if (g->conn)
        g->pq->finish(g->conn);
    g->conn = NULL;
    g->n_pending = 0;
    g->in_tx = false;
    g->last_xid = 0;
    pg_cache_clear(&g->cache);
}

bool pg_alive(struct pg *g)
{
    return g->conn && g->pq->status(g->conn) == CONNECTION_OK;
}

enum phi_rc pg_ready(struct pg *g, struct phi_err *err)
{
    if (pg_alive(g))
        return PHI_OK;
    pg_drop(g);
    PHI_TRY(pg_connect(g, &g->conn, err));
    g->conn_no++;
    if (g->pq->enterPipelineMode(g->conn))
        return PHI_OK;
    pg_drop(g);
    return phi_fail(err, PHI_EIO, "the store's connection cannot pipeline");
}

/* ---- values: whole numbers and bytes, both in binary */

void pg_param_int(struct pg_params *p, int64_t v)
{
    int i = p->n++;
    for (int b = 0; b < 8; b++)
        p->number[i][b] = (uint8_t)((uint64_t)v >> (56 - 8 * b));
    p->type[i] = INT8_OID;
    p->value[i] = (const char *)p->number[i];
    p->length[i] = 8;
    p->format[i] = 1;
}

void pg_param_text(struct pg_params *p, struct phi_view v)
{
    int i = p->n++;
    p->type[i] = BYTEA_OID;
    p->value[i] = v.n ? (const char *)v.p : "";
    p->length[i] = (int)v.n;
    p->format[i] = 1;
}

int64_t pg_int(const struct pg *g, const PGresult *r, int row, int col)
{
    const uint8_t *p = (const uint8_t *)g->pq->getvalue(r, row, col);
    uint64_t v = 0;
    for (int b = 0; b < 8 && g->pq->getlength(r, row, col) == 8; b++)
        v = v << 8 | p[b];
    return (int64_t)v;
}

struct phi_view pg_view(const struct pg *g, const PGresult *r, int row, int col)
{
    return phi_view_mem(g->pq->getvalue(r, row, col), (size_t)g->pq->getlength(r, row, col));
}

/* ---- the pipeline */

bool pg_text(struct pg_stmt *st, struct phi_buf *sql)
{
    if (!st->sql && phi_buf_ok(sql))
        st->sql = strdup(phi_buf_str(sql));
    return st->sql != NULL;
}

static enum phi_rc pend(struct pg *g, int sent, const struct pg_pending *w, struct phi_err *err)
{
    if (!sent) {
        enum phi_rc rc = pg_failed(g, g->conn, NULL, err);
        pg_drop(g);
        return rc;
    }
    g->pending[g->n_pending++] = *w;
    return PHI_OK;
}

static enum phi_rc prepare(struct pg *g, struct pg_stmt *st, const struct pg_params *p, struct phi_err *err)
{
    char name[16];
    if (st->made_on == g->conn_no)
        return PHI_OK;
    if (!st->sql)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!st->id)
        st->id = ++g->n_stmts;
    snprintf(name, sizeof name, "s%d", st->id);
    st->made_on = g->conn_no;
    return pend(g, g->pq->sendPrepare(g->conn, name, st->sql, p ? p->n : 0, p ? p->type : NULL), &(struct pg_pending){ .want = PG_PREPARED, .stmt = st }, err);
}

static enum phi_rc send(struct pg *g, const struct pg_params *p, const struct pg_pending *w, struct phi_err *err)
{
    char name[16];
    if (!pg_alive(g))
        return phi_fail(err, PHI_EIO, "the store's connection is lost");
    if (g->n_pending + 2 >= PG_PENDING)
        PHI_TRY(pg_wait(g, err));
    PHI_TRY(prepare(g, w->stmt, p, err));
    snprintf(name, sizeof name, "s%d", w->stmt->id);
    int sent = g->pq->sendQueryPrepared(g->conn, name, p ? p->n : 0, p ? p->value : NULL, p ? p->length : NULL,
                                        p ? p->format : NULL, 1);
    return pend(g, sent, w, err);
}

enum phi_rc pg_send(struct pg *g, struct pg_stmt *st, const struct pg_params *p, enum pg_want want, struct phi_err *err)
{
    return send(g, p, &(struct pg_pending){ .want = want, .stmt = st }, err);
}

enum phi_rc pg_send_rows(struct pg *g, struct pg_stmt *st, const struct pg_params *p, int rows, struct phi_err *err)
{
    return send(g, p, &(struct pg_pending){ .want = PG_ROWS, .stmt = st, .rows = rows }, err);
}

enum phi_rc pg_send_read(struct pg *g, struct pg_stmt *st, const struct pg_params *p, const struct core_read *read, struct phi_err *err)
{
    return send(g, p, &(struct pg_pending){ .want = PG_KEEP, .stmt = st, .read = read }, err);
}

static bool as_wanted(struct pg *g, const struct pg_pending *w, const PGresult *r)
{
    ExecStatusType s = g->pq->resultStatus(r);
    bool done = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
    switch (w->want) {
    case PG_PREPARED:
        if (!done)
            w->stmt->made_on = 0;
        return done;
    case PG_XID:
        if (done && g->pq->ntuples(r) == 1)
            snprintf(g->xid, sizeof g->xid, "%.*s", g->pq->getlength(r, 0, 0), g->pq->getvalue(r, 0, 0));
        return done && g->xid[0];
    case PG_ROWS:
        return done && strtol(g->pq->cmdTuples((PGresult *)(uintptr_t)r), NULL, 10) == w->rows;
    case PG_KEEP:
        if (done)
            pg_keep_read(g, w->read, r);
        return done;
    case PG_DONE:
        break;
    }
    return done;
}

/* Takes the answer of pending[i]. */
static PGresult *take(struct pg *g)
{
    PGresult *r = g->pq->getResult(g->conn), *more;
    while (r && (more = g->pq->getResult(g->conn)) != NULL)
        g->pq->clear(more);
    return r;
}

static enum phi_rc lost(struct pg *g, struct phi_err *err)
{
    enum phi_rc rc = pg_failed(g, g->conn, NULL, err);
    g->poisoned = true;
    if (g->conn) {
        bool was = g->in_tx;
        pg_drop(g);
        g->in_tx = was; /* until rollback */
    }
    return rc;
}

/* Reads every outstanding answer. The last one is *ret, where that is wanted, and its failure is the caller's alone. */
static enum phi_rc drain(struct pg *g, PGresult **ret, struct phi_err *err)
{
    enum phi_rc rc = PHI_OK;
    if (!g->pq->pipelineSync(g->conn))
        return lost(g, err);
    int n = g->n_pending;
    g->n_pending = 0;
    g->trips++;
    for (int i = 0; i < n; i++) {
        bool last = ret && i == n - 1;
        PGresult *r = take(g);
        if (!r)
            return lost(g, err);
        bool ok = as_wanted(g, &g->pending[i], r);
        if (!ok && rc == PHI_OK) {
            bool refused = g->pq->resultStatus(r) == PGRES_COMMAND_OK; /* done, but not to as many rows */
            rc = refused ? phi_fail(err, PHI_ECONFLICT, "the store has changed elsewhere meanwhile") : pg_failed(g, g->conn, r, err);
            g->poisoned |= !last;
        }
        if (last && ok)
            *ret = r;
        else
            g->pq->clear(r);
    }
    PGresult *r = g->pq->getResult(g->conn); /* the sync's own */
    bool synced = r && g->pq->resultStatus(r) == PGRES_PIPELINE_SYNC;
    g->pq->clear(r);
    return synced ? rc : lost(g, rc == PHI_OK ? err : NULL);
}

int64_t phi_store_pgsql_trips(const struct phi_store *s)
{
    return ((const struct pg *)s->self)->trips;
}

enum phi_rc pg_wait(struct pg *g, struct phi_err *err)
{
    if (!pg_alive(g))
        return phi_fail(err, PHI_EIO, "the store's connection is lost");
    return g->n_pending ? drain(g, NULL, err) : PHI_OK;
}

enum phi_rc pg_ask(struct pg *g, struct pg_stmt *st, const struct pg_params *p, PGresult **ret, struct phi_err *err)
{
    *ret = NULL;
    PHI_TRY(pg_send(g, st, p, PG_DONE, err));
    enum phi_rc rc = drain(g, ret, err);
    if (rc != PHI_OK) {
        g->pq->clear(*ret);
        *ret = NULL;
    }
    return rc;
}
