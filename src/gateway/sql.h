/* What a text of SQL means, as far as a policy asks: which actions on which resources.
 *
 * Two steps. A sandboxed parser process (gateway/parser.h) turns bytes into a `gw_sql_raw`: the names that
 * each statement uses and how. That depends on the bytes alone, so it is kept and shared. `gw_sql_resolve`
 * then looks the names up in the target's catalogue as it is now and writes the actions: do it again at
 * every use (Bind, Execute, a claim), since tables and functions come and go.
 *
 * What the session side must see to, since no text shows it: search_path, standard_conforming_strings and client_encoding
 * are pinned in the start-up packet, so that RESET ALL and DISCARD ALL come back to them, and are checked again after
 * anything that is not HARMLESS (a function can set them); the catalogue is fetched again after GW_SQL_DDL, and inside the
 * transaction that did it nothing is known (catalog NULL).
 *
 * What parses and is not understood is `pg:admin` on the target, with the reason. */
#ifndef GATEWAY_SQL_H
#define GATEWAY_SQL_H

#include "base/arena.h"
#include "base/buf.h"

struct gw_catalog;
struct gw_sql_raw; /* opaque, counted; belongs to one thread */

/* Marks of one statement, or of a whole text (all statements' marks or-ed; HARMLESS only if all have it). */
enum gw_sql_flag {
    GW_SQL_HARMLESS = 1u << 0,      /* forwarding it cannot run code of the target's users nor change how later texts read */
    GW_SQL_TXN_BEGIN = 1u << 1,     /* BEGIN, START TRANSACTION */
    GW_SQL_TXN_SET = 1u << 2,       /* SET TRANSACTION …, SET SESSION CHARACTERISTICS (then also SETS) */
    GW_SQL_TXN_COMMIT = 1u << 3,    /* COMMIT, END, PREPARE TRANSACTION, COMMIT PREPARED: the deadline is checked here */
    GW_SQL_TXN_ROLLBACK = 1u << 4,  /* ROLLBACK (whole) */
    GW_SQL_TXN_SAVEPOINT = 1u << 5, /* SAVEPOINT, RELEASE, ROLLBACK TO */
    GW_SQL_TXN_CHAIN = 1u << 6,     /* COMMIT or ROLLBACK AND CHAIN: a new transaction begins */
    GW_SQL_SETS = 1u << 7,          /* SET, RESET, DISCARD ALL: `name` is the parameter, lower case, "all" for RESET ALL and DISCARD ALL */
    GW_SQL_ADMIN = 1u << 8,         /* among the actions is pg:admin */
    GW_SQL_PREPARE = 1u << 9,       /* PREPARE name AS …: actions are those of the inner statement. It enters the server's table of
                                       prepared statements under `name`: forget what you know under that name */
    GW_SQL_EXECUTE = 1u << 10,      /* EXECUTE name: what it runs is unknown here, so pg:admin stands behind `n_own`: replace that, and only
                                       that, by the actions of the PREPARE if known */
    GW_SQL_DEALLOCATE = 1u << 11,   /* `name`, or "" for ALL */
    GW_SQL_DECLARE = 1u << 12,      /* DECLARE name CURSOR: actions of the inner query */
    GW_SQL_FETCH = 1u << 13,        /* FETCH, MOVE: likewise, by those of the DECLARE, decided again */
    GW_SQL_CLOSE = 1u << 14,        /* CLOSE name, "" for ALL */
    GW_SQL_COPY_IN = 1u << 15,      /* COPY … FROM STDIN */
    GW_SQL_COPY_OUT = 1u << 16,     /* COPY … TO STDOUT */
    GW_SQL_WRITES = 1u << 17,       /* may change data, by itself or by a function of the target's users */
    GW_SQL_DDL = 1u << 18,          /* fetch the catalogue again after it; until then everything is unknown. Not set where only a temporary
                                       table, view or sequence is made */
    GW_SQL_CALLS = 1u << 19,        /* runs a function, operator, cast or view that is not on the harmless list */
    GW_SQL_HELD_CURSOR = 1u << 20,  /* DECLARE … WITH HOLD: outlives its transaction */
    GW_SQL_PARAMS = 1u << 21,       /* uses $n */
    GW_SQL_MISSING = 1u << 22,      /* names something that the catalogue does not have: temporary, or made since it was read */
    GW_SQL_WHERE = 1u << 23,        /* holds an UPDATE or DELETE whose WHERE names a column, or a MERGE */
    GW_SQL_NO_WHERE = 1u << 24      /* holds an UPDATE or DELETE without such a WHERE */
};

struct gw_sql_action {
    struct phi_view action;   /* "pg:delete" */
    struct phi_view type, id; /* "Table", ["shop","public","orders"] as canonical JSON text */
};

struct gw_sql_stmt {
    struct phi_view tag;  /* the command, "DELETE", "CREATE TABLE"; "EXPLAIN" stays EXPLAIN */
    struct phi_view text; /* slice of the sql given to gw_sql_resolve */
    struct phi_view name; /* of the prepared statement, cursor or parameter; else empty */
    struct phi_view refuse; /* not empty: never forward, whatever policy says; a sentence for people */
    uint32_t flags;
    const struct gw_sql_action *actions; /* as found, each once; none: nothing to decide (BEGIN, SHOW, …) */
    size_t n, n_own;    /* n_own: without the pg:admin of a name that is unknown here, */
    uint32_t own_flags; /* and the marks without it */
};

struct gw_sql_facts {
    bool ok;               /* false: answer with sqlstate and error yourself and forward nothing */
    const char *sqlstate;  /* "42601" syntax error, "22021" not UTF-8, "54001" too complex, "57014" parser gave up */
    struct phi_view error; /* PostgreSQL's own sentence */
    uint32_t cursor;       /* position in characters, 1-based, for field P; 0: none */

    const struct gw_sql_stmt *stmts; /* in order; 0 of them for an empty text */
    size_t n;
    uint32_t flags;                      /* of the whole text */
    struct phi_view refuse;              /* first statement's that has one */
    const struct gw_sql_action *actions; /* union, sorted by (action, type, id), each once: as formats.md wants it */
    size_t n_actions;
    bool plain_literals;   /* ASCII and no backslash inside a plain literal: reads the same under either string setting */
    struct phi_view shown; /* "pg:delete on shop/public.orders, pg:call on shop/public.f"; escaped for terminals */
};

struct gw_sql_env {
    struct phi_view target;          /* name, "shop" */
    const struct gw_catalog *catalog; /* NULL: every statement with an action becomes pg:admin */
    const struct phi_view *path;     /* the pinned search_path without pg_catalog and pg_temp; NULL: public */
    size_t n_path;
    uint64_t place; /* equal numbers: equal target and path; 0: nobody numbered them */
};

struct gw_sql_raw *gw_sql_raw_hold(struct gw_sql_raw *raw);
void gw_sql_raw_drop(struct gw_sql_raw *raw); /* NULL is fine */

/* Facts live in `a` (and borrow from `sql`); false only when the arena ran out: deny. `sql` must be the very
 * text that `raw` was made for. */
bool gw_sql_resolve(const struct gw_sql_raw *raw, struct phi_view sql, const struct gw_sql_env *env,
                    struct phi_arena *a, const struct gw_sql_facts **ret);

/* The last facts that gw_sql_resolve made of `raw`, if they hold under `env`: else NULL. Borrowed until its next call for
 * the same raw. `ret_id` names them for ever: equal ids, equal facts. Their texts and plain_literals are not set. */
const struct gw_sql_facts *gw_sql_known(const struct gw_sql_raw *raw, const struct gw_sql_env *env, uint64_t *ret_id);
bool gw_sql_reads_plain(struct phi_view sql); /* what plain_literals says */

/* True when a catalogue read after CLOCK_BOOTTIME ms `since` was found not to have what `raw` names. */
bool gw_sql_still_missing(const struct gw_sql_raw *raw, int64_t since_boot_ms);
void gw_sql_missed(struct gw_sql_raw *raw, int64_t now_boot_ms);

/* Appends shop/public.orders for ["shop","public","orders"]: quoted where needed, escaped. False on anything
 * that is no array of strings (nothing appended). */
bool gw_sql_show_id(struct phi_buf *out, struct phi_view id);

#endif
