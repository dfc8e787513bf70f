/* What the files of the PostgreSQL driver share. */
#ifndef STORE_PG_INNER_H
#define STORE_PG_INNER_H

#include <pthread.h>

#include "base/buf.h"
#include "store/pg_cache.h"
#include "store/pgsql.h"
#include "store/pq.h"

#define PG_PARAMS  (CORE_MAX_COLUMNS + 4)
#define PG_INDEXES 8
#define PG_SHAPES  ((CORE_INDEX_COLS + 1) * 8)
#define PG_PENDING 512       /* answers that may be outstanding: few enough that nobody's buffer fills */
#define PG_LOCK    0x70686931 /* "phi1": advisory lock that every transaction takes first */

struct pg_stmt { /* prepared when first used on a connection */
    char *sql;
    uint32_t made_on; /* number of the connection that has it, 0: none */
    int id;
};

enum pg_want { PG_DONE, PG_ONE_ROW, PG_XID, PG_PREPARED };
struct pg_pending {
    enum pg_want want;
    struct pg_stmt *stmt;
};

struct pg_params {
    int n;
    Oid type[PG_PARAMS];
    const char *value[PG_PARAMS];
    int length[PG_PARAMS], format[PG_PARAMS];
    uint8_t number[PG_PARAMS][8];
};

struct pg {
    struct phi_store store;
    const struct pq *pq;
    char *conninfo, *password_file, *name;
    bool no_copy; /* before the schema changes */

    PGconn *conn;
    uint32_t conn_no;
    struct pg_pending pending[PG_PENDING];
    int n_pending;
    bool in_tx, wrote, marked;
    bool signed_off;     /* the head row bears this transaction's number */
    uint32_t last_xid;   /* of our last commit that wrote; 0: none over this connection */
    struct pg_cache cache;
    bool poisoned; /* something that was not waited for has failed: this transaction cannot commit */
    char xid[24];  /* of this transaction, once it writes */
    PGresult *head; /* the head row as begin has read it; NULL once it may have changed */

    struct pg_stmt begin, lock, head_read, begin_write, sign_off, commit, rollback, mark, unmark, back, spend;
    struct pg_stmt add[CORE_TABLES], set[CORE_TABLES], del[CORE_TABLES];
    struct pg_stmt get[CORE_TABLES][PG_INDEXES], list[CORE_TABLES][PG_INDEXES][PG_SHAPES];
    struct pg_stmt say, notify, hear, lease, lease_read, prune;
    int n_stmts;

    /* the steady clock of all phids here */
    const struct phi_clock *base;
    struct phi_clock clock;
    int64_t shift; /* added to this machine's boot clock */
    char boot_id[64];

    /* the other phids */
    char node[17]; /* this process, at random */
    int64_t heard; /* number of the last event taken in */
    int64_t heard_at, prune_at;
    pthread_t listener;
    bool listens;
    int stop_fd; /* an eventfd that ends the listener */
    void (*wake)(void *ctx);
    void *wake_ctx;
};

/* ---- pg_line.c: the connection */
enum phi_rc pg_connect(struct pg *g, PGconn **ret, struct phi_err *err);
enum phi_rc pg_ready(struct pg *g, struct phi_err *err); /* connected, in pipeline mode */
void pg_drop(struct pg *g);                              /* the connection is of no more use */
bool pg_alive(struct pg *g);
/* A command without parameters, outside pipelines. */
enum phi_rc pg_exec(struct pg *g, PGconn *conn, const char *sql, PGresult **ret, struct phi_err *err);
/* Sends; the answer is looked at by the next pg_wait. A failure then fails the transaction. */
enum phi_rc pg_send(struct pg *g, struct pg_stmt *st, const struct pg_params *p, enum pg_want want, struct phi_err *err);
/* Sends and waits for all that is outstanding; *ret (cleared by the caller) is the answer of this one. */
enum phi_rc pg_ask(struct pg *g, struct pg_stmt *st, const struct pg_params *p, PGresult **ret, struct phi_err *err);
enum phi_rc pg_wait(struct pg *g, struct phi_err *err);
enum phi_rc pg_failed(struct pg *g, PGconn *conn, const PGresult *r, struct phi_err *err);
/* Gives the statement its text when it has none. False: out of memory. */
bool pg_text(struct pg_stmt *st, struct phi_buf *sql);

void pg_param_int(struct pg_params *p, int64_t v);
void pg_param_text(struct pg_params *p, struct phi_view v);
int64_t pg_int(const struct pg *g, const PGresult *r, int row, int col);
struct phi_view pg_view(const struct pg *g, const PGresult *r, int row, int col);

/* ---- pg_sql.c: $1, $2, … in the order in which values are given */
void pg_sql_columns(struct phi_buf *b, const struct core_table_def *d);
int pg_sql_where(struct phi_buf *b, const struct core_table_def *d, int ix, int n, int from); /* the next number */
void pg_sql_add(struct phi_buf *b, const struct core_table_def *d);
void pg_sql_set(struct phi_buf *b, const struct core_table_def *d);
void pg_sql_free(struct phi_buf *b, const struct core_table_def *d);
void pg_sql_list(struct phi_buf *b, const struct core_table_def *d, int ix, const struct core_span *s);

/* ---- pgsql.c */
extern const struct phi_store_ops pg_ops;
/* Before the first change of a transaction: locks the log's head row, learns the transaction's number. */
enum phi_rc pg_writes(struct pg *g, struct phi_err *err);

/* ---- pg_open.c */
enum phi_rc pg_set_up(struct pg *g, struct phi_err *err);
void pg_clock_see(struct pg *g, int64_t anchor_boot);

/* ---- pg_keep.c */
/* Copies what schema `phi` holds to `phi_schema_<version>`, in the transaction that then changes it. */
enum phi_rc pg_keep_before(struct pg *g, PGconn *c, int64_t version, struct phi_err *err);

/* ---- pg_nodes.c */
enum phi_rc pg_say(void *self, const struct phi_event *events, size_t n, struct phi_err *err);
enum phi_rc pg_hear(void *self, struct phi_arena *a, struct phi_event **ret, size_t *ret_n, bool *ret_lost,
                    struct phi_err *err);
enum phi_rc pg_lease(void *self, const char *name, int64_t ms, bool *ret_mine, struct phi_err *err);
void pg_listen_end(struct pg *g);
void pg_leases_give_back(struct pg *g);

#endif
