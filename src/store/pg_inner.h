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

enum pg_want { PG_DONE, PG_ROWS, PG_XID, PG_PREPARED, PG_KEEP };
struct pg_pending {
    enum pg_want want;
    int rows; /* PG_ROWS: so many must have been met */
    struct pg_stmt *stmt;
    const struct core_read *read; /* PG_KEEP: what was asked; the answer is kept */
};

struct pg_params {
    int n;
    Oid type[PG_PARAMS];
    const char *value[PG_PARAMS];
    int length[PG_PARAMS], format[PG_PARAMS];
    uint8_t number[PG_PARAMS][8];
};

#define PG_HELD_MOST  4096
#define PG_HELD_SLOTS 1024
struct pg_held_write;
struct pg_held { /* writes that are not sent yet: pg_write.c */
    struct pg_held_write *w;
    size_t n, mark, bytes;
    uint64_t tables; /* that they are of */
    uint16_t last[PG_HELD_SLOTS];
    struct phi_arena a;
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
    int64_t trips; /* how often the server was waited for */
    bool in_tx, wrote, marked;
    bool mark_sent; /* the server knows of the mark */
    struct pg_held held;
    bool signed_off;     /* the head row bears this transaction's number */
    uint32_t last_xid;   /* of our last commit that wrote; 0: none over this connection */
    struct pg_cache cache;
    bool poisoned; /* something that was not waited for has failed: this transaction cannot commit */
    char xid[24];  /* of this transaction, once it writes */
    PGresult *head; /* the head row as begin has read it; NULL once it may have changed */

    struct pg_stmt begin, lock, head_read, begin_write, sign_off, commit, rollback, mark, unmark, back, spend;
    struct pg_stmt add_many[CORE_TABLES], add[CORE_TABLES], set[CORE_TABLES], del[CORE_TABLES];
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
enum phi_rc pg_send_rows(struct pg *g, struct pg_stmt *st, const struct pg_params *p, int rows, struct phi_err *err);
enum phi_rc pg_send_fixed(struct pg *g, struct pg_stmt *st, const char *text, struct phi_err *err);
enum phi_rc pg_send_read(struct pg *g, struct pg_stmt *st, const struct pg_params *p, const struct core_read *read, struct phi_err *err);
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

/* ---- pg_read.c */
void pg_params_row(struct pg_params *p, const struct core_table_def *d, const void *row);
void pg_params_key(struct pg_params *p, const struct core_table_def *d, int ix, int n, const void *key);
void pg_read_row(const struct pg *g, const PGresult *r, int row, const struct core_table_def *d, struct phi_arena *a, void *ret);
enum phi_rc pg_get(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret, struct phi_err *err);
enum phi_rc pg_list(void *self, enum core_table t, int ix, const void *key, const struct core_span *span, struct phi_arena *a,
                    void *ret_rows, size_t *ret_n, struct phi_err *err);
enum phi_rc pg_ahead(void *self, const struct core_read *reads, size_t n, struct phi_err *err);
bool pg_at_hand(void *self, const struct core_read *read);
void pg_keep_read(struct pg *g, const struct core_read *read, const PGresult *r); /* an answer to what was asked ahead */

/* ---- pg_write.c */
enum phi_rc pg_add(void *self, enum core_table t, const void *row, struct phi_err *err);
enum phi_rc pg_set(void *self, enum core_table t, const void *row, struct phi_err *err);
enum phi_rc pg_del(void *self, enum core_table t, const void *key, struct phi_err *err);
enum phi_rc pg_spend(void *self, const void *next, struct phi_err *err);
/* Sends what is held. `writing`: something else is about to be written, so the server has to know of the mark. */
enum phi_rc pg_flush(struct pg *g, bool writing, struct phi_err *err);
enum phi_rc pg_flush_of(struct pg *g, enum core_table t, struct phi_err *err); /* this table is about to be read */
void pg_held_settle(struct pg *g);
void pg_held_back(struct pg *g); /* to the mark */
void pg_held_drop(struct pg *g);

/* ---- pgsql.c */
void pg_head_forget(struct pg *g);
int pg_column(const struct core_table_def *d, size_t at);
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
