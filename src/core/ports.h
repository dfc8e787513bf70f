/* Core's ports: everything that is not a pure step reaches core through these small tables, so that a
 * simulator runs the real core. Owned by core; store/, api/ and the simulator implement them.
 *
 * Store: typed rows of the domain (core/rows.h) by named keys; no SQL crosses it. One transaction is
 * open at a time; `mark`/`unmark`/`back` are a savepoint inside it, one level deep. */
#ifndef CORE_PORTS_H
#define CORE_PORTS_H

#include "core/rows.h"
#include "core/types.h"

struct core_span { /* which rows of an index a list wants */
    size_t prefix;     /* the first `prefix` columns of the index must equal the key row's */
    int64_t limit;     /* most rows, 0: all */
    int64_t offset;
    bool last_first;   /* descending by the index's columns */
    bool at_least;     /* the column after the prefix (an integer) must be >= the key row's */
    bool at_most;      /* likewise <= */
};

struct core_read { /* a get (by a unique index) or a list that will be asked for */
    enum core_table table;
    int ix;
    bool list;
    const void *key;
    struct core_span span; /* of a list */
};

struct phi_event;

struct phi_store_ops {
    enum phi_rc (*begin)(void *self, struct phi_err *err);
    enum phi_rc (*commit)(void *self, struct phi_err *err); /* durable when it answers PHI_OK */
    void (*rollback)(void *self);
    enum phi_rc (*mark)(void *self, struct phi_err *err);
    enum phi_rc (*unmark)(void *self, struct phi_err *err);
    enum phi_rc (*back)(void *self, struct phi_err *err); /* undoes to the mark and removes it */

    /* Rows are the structs of core/rows.h. PHI_ECONFLICT: a unique key is taken. */
    enum phi_rc (*add)(void *self, enum core_table t, const void *row, struct phi_err *err);
    /* Replaces the row of this primary key. Where the table has a `rev` column the stored one must be
     * row.rev - 1, else PHI_ECONFLICT (compare and set). PHI_ENOTFOUND: no such row. */
    enum phi_rc (*set)(void *self, enum core_table t, const void *row, struct phi_err *err);
    enum phi_rc (*del)(void *self, enum core_table t, const void *key, struct phi_err *err);
    /* The row whose columns of the unique index `ix` equal those of `key`. PHI_ENOTFOUND. */
    enum phi_rc (*get)(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                       struct phi_err *err);
    /* An array of rows in the order of index `ix`, in the arena. */
    enum phi_rc (*list)(void *self, enum core_table t, int ix, const void *key, const struct core_span *span,
                        struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err);
    /* The claim, one conditional step in every driver: UPDATE grants SET <columns of next> WHERE id = next.id AND
     * rev = next.rev - 1 AND live = 1 AND used = next.used - 1 AND (uses = 0 OR used < uses) RETURNING used.
     * `next` is a struct core_grant_row. PHI_ECONFLICT when no row met the condition. */
    enum phi_rc (*spend)(void *self, const void *next, struct phi_err *err);
    /* Where reading is a journey; NULL in a driver for which it is none. `ahead` fetches all of these together, so that the
     * transaction has them at hand; a hint, it changes no answer. `at_hand`: this one needs no journey. */
    enum phi_rc (*ahead)(void *self, const struct core_read *reads, size_t n, struct phi_err *err);
    bool (*at_hand)(void *self, const struct core_read *read);
    void (*close)(void *self);

    /* A copy of all that is committed into a new file, in small steps between transactions; what is committed between two
     * steps is in it too; a transaction that is rolled back makes it begin again. NULL in a driver whose store has tools of its own for that. *ret_done: it is whole and synced. */
    enum phi_rc (*copy_begin)(void *self, const char *path, struct phi_err *err);
    enum phi_rc (*copy_step)(void *self, int pages, bool *ret_done, struct phi_err *err); /* pages < 0: all */
    void (*copy_end)(void *self); /* in any case, also to give up: then the file is of no use */

    /* Where several phids share one store; NULL in a driver that one process has for itself. All inside the
     * transaction, so that they hold exactly when its commit does. */
    /* What this batch says, for the other phids to hear. */
    enum phi_rc (*say)(void *self, const struct phi_event *events, size_t n, struct phi_err *err);
    /* What the others have said since the last call, in order. *ret_lost: more than the store has kept. */
    enum phi_rc (*hear)(void *self, struct phi_arena *a, struct phi_event **ret, size_t *ret_n, bool *ret_lost,
                        struct phi_err *err);
    /* Takes or renews the lease `name` for `ms`; *ret_mine: this phid holds it until this transaction's end at
     * least, so what it does here nobody else does. */
    enum phi_rc (*lease)(void *self, const char *name, int64_t ms, bool *ret_mine, struct phi_err *err);
    /* Between transactions: what would make a commit slow one day; `busy`: others wait, so only if much of it has come
     * together. NULL: there is no such thing. */
    void (*tidy)(void *self, bool busy);
};

struct phi_store {
    const struct phi_store_ops *ops;
    void *self;
};

struct phi_clock {
    void *self;
    int64_t (*wall_ms)(void *self); /* since 1970 */
    int64_t (*boot_ms)(void *self); /* CLOCK_BOOTTIME: runs in suspend, never set */
    const char *(*boot_id)(void *self); /* changes with every boot */
};

struct phi_rng {
    void *self;
    void (*fill)(void *self, void *p, size_t n); /* cannot fail; aborts the process instead */
};

/* Called after a commit that made the log longer. The driver has the head signed (in another
 * process, at its own pace, coalescing as it likes) and later hands the note in by
 * phi_log_checkpoint_put. Must not call core. */
struct phi_signer {
    void *self;
    void (*want)(void *self, int64_t size, const struct phi_digest *root);
};

enum phi_event_kind {
    PHI_EVENT_REQUEST, /* a request was made, changed or ended */
    PHI_EVENT_VOTES,   /* progress of a pending request */
    PHI_EVENT_GRANT,   /* a grant was made or changed */
    PHI_EVENT_END,     /* a right ended: gateways of `target` cut its work and ack `seq` */
    PHI_EVENT_TOLD,    /* something about a request that changes nothing: `reason` is reminder, escalated, comment, question,
                          watcher, suggested, break-glass or reviewed; for persons */
    PHI_EVENT_SNAPSHOT /* fetch the snapshot again; target "" means every gateway */
};

struct phi_event { /* views are valid during the call only */
    enum phi_event_kind kind;
    int64_t seq; /* rises; unique in this phid's life and after */
    struct phi_view request, code, grant; /* ids; "" when it does not apply */
    struct phi_view status;               /* of the request or grant */
    struct phi_view reason;               /* END: revoked, expired, returned, used; REQUEST denied: why (personal); TOLD: what */
    struct phi_view principal;            /* person id */
    struct phi_view target;               /* name */
    struct phi_view gateway;              /* the gateway that made the request, "" for a person's */
};

/* Called once after each commit with everything that the batch's successful commands said, in order.
 * Must not call core (queue it). events NULL: some that another phid said are lost; n does not matter. */
struct phi_notifier {
    void *self;
    void (*fan_out)(void *self, const struct phi_event *events, size_t n);
};

#endif
