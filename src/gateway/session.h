/* One client's session after sign-in. Private to the room: session.c owns the life, unit.c collects messages,
 * judge.c understands and decides, wait.c asks phid and holds, relay.c carries the target's answer, cut.c ends. */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "base/map.h"
#include "base/text.h"
#include "gateway/step.h"
#include "gateway/target.h"
#include "proof/body.h"
#include "wire/pg.h"

#define GW_MAX_OPS    20000              /* messages of one unit */
#define GW_MAX_NAMED  4096               /* prepared statements, and portals, of one session */
#define GW_STMTS_RECENT 8
#define GW_MAX_KEPT   (32 * 1024 * 1024) /* bytes of prepared texts and open portals of one session */
#define GW_MAX_LIVE   16                 /* grants at work in one session */
#define GW_HIGH_WATER (256 * 1024)

struct gw_stmt { /* a prepared statement, or the text of a Query; counted */
    unsigned refs;
    struct gw_session *owner;
    struct phi_view name, sql, types;
    struct gw_sql_raw *raw;
    struct gw_stmt *next; /* while the target has not confirmed it */
    uint64_t judged; /* the unit that last looked at it */
    uint64_t seen;   /* the question of our own that last found it in the target */
    size_t bytes;
};

struct gw_portal { /* counted */
    unsigned refs;
    struct gw_session *owner;
    struct phi_view name, body; /* body of the Bind */
    struct gw_stmt *stmt;
    uint64_t live; /* id of the live grant it runs under; 0: plainly allowed */
    uint64_t seen; /* as a statement's */
    size_t bytes;
};

struct gw_op { /* one message of a unit; views point into the unit's bytes by offset */
    uint8_t type;
    uint8_t kind;             /* Describe, Close: 'S' or 'P' */
    struct gw_stmt *stmt;     /* P: new; B: bound one; Q: its text; C: only carries the name */
    struct gw_portal *portal; /* B: new; E: executed one */
    uint32_t max_rows;
};

struct gw_named { /* a statement of SQL's own that changes what a name means; in the order they run */
    struct gw_named *next;
    const struct gw_sql_stmt *st;
    struct gw_stmt *text;
    bool alone;
};

struct gw_unit {
    struct phi_buf bytes;
    struct gw_op *ops;
    size_t cap;
    struct phi_arena mem; /* actions, payload, settings of this unit */
    size_t n;             /* from here on zero in an empty unit */
    size_t defs;    /* Parse and Close among them */
    bool simple;    /* a Query */
    bool flush;     /* ends with Flush */
    bool broken;    /* refused before it was understood: the session's refusal says why */
    size_t parsing; /* the next op to be parsed */
    bool looked;    /* the catalogue was read again for what it lacked */
    /* as judged */
    uint32_t flags;       /* of all its statements, or-ed; HARMLESS only when all are */
    bool only_begins;     /* BEGIN and SET TRANSACTION only */
    bool runs;            /* holds a Bind, an Execute or a Query */
    bool many_kinds;      /* its statements with actions have different tags, */
    struct phi_view kind; /* else this one */
    const struct phi_pair *actions;
    size_t n_actions;
    struct phi_payload payload;
    struct phi_digest act;
    bool has_act;
    struct gw_named *named;
    uint64_t live; /* the grant it runs under; 0: none */
    size_t statements; /* that it runs */
};

struct gw_live { /* a claimed grant whose work may still be there */
    uint64_t id;
    char grant[64], claim[64];
    int64_t ends_boot_ms;
    bool outcome_sent, keeps; /* keeps: a WITH HOLD cursor or the like outlives the transaction */
    bool session;             /* it lets the session be: told over at its end, and cut with it */
    bool suspended;           /* a portal of a bounded one has more to give: its use is not over */
    int64_t rows_left, bytes_left; /* when it was claimed; -1: not bounded */
    int64_t rows, bytes;           /* that passed under it: DataRow and CopyData */
};

struct gw_refusal {
    char sqlstate[6];
    struct phi_buf message, hint;
    uint32_t position;
    bool fatal;
};

struct gw_wait { /* what is asked of phid, and held */
    struct client_ask *ask;
    struct client_ahead *ahead; /* the claim of what is held, filed before the approval; NULL: none */
    int64_t next_ahead_ms;      /* when the target is asked again, and it is filed anew */
    bool held_once, claim_again;
    const char *too_late; /* what happened since the claim was asked for; NULL: nothing */
    char request[64], code[16], grant[64];
    struct phi_buf url, who, shown;
    int64_t since_boot_ms, until_boot_ms, next_notice_ms, next_beat_ms;
    struct net_timer *timer;
};

struct gw_ticket { /* facts that were plainly allowed to this session */
    uint64_t facts, decided;
    int64_t text_bytes; /* as gw_statement has it */
    struct client_record_at at;
};
#define GW_TICKETS 8

enum gw_own { GW_OWN_NONE, GW_OWN_PROBE, GW_OWN_PIN, GW_OWN_SYNC };

struct gw_session {
    struct gw_session *next, **prev;
    struct gw_gateway *gw;
    struct gw_target *target;
    struct gw_role *own_role; /* NULL: the target's */
    struct gw_front *front; /* while its pg:connect is held, until the target is open: client and target are the front's */
    enum gw_state state, before; /* before: the state that the last event left */
    bool closing, stepping;
    char id[PHI_ID_LEN + 1];
    struct gw_signin who;
    char application[65], addr[64];
    int64_t hold_ms;
    uint32_t pid, key; /* what the client knows */
    uint32_t server_pid, server_key;
    struct net_conn *client, *server;
    struct net_timer *deadline;

    /* settings that change what bytes mean */
    char date_style[64], time_zone[64], interval_style[32], role[64];

    /* the client's side */
    struct gw_unit unit;
    struct gw_portal *unnamed; /* portal */
    struct phi_map *stmts, *portals,
        *sql_stmts; /* by name; the last: PREPARE and DECLARE as SQL, "p" or "c" before the name */
    struct gw_stmt *promised; /* forwarded PREPAREs and DECLAREs that the target has not confirmed */
    struct gw_stmt *recent[GW_STMTS_RECENT]; /* of `stmts`, found a moment ago; borrowed, emptied whenever that map changes */
    size_t kept;
    struct gw_op
        *flight; /* P, B, C, D, E forwarded and not yet answered: copies that hold references */
    size_t n_flight, cap_flight, at_flight;
    bool skip_to_sync; /* an error was answered: the client's messages up to Sync are dropped */
    bool cancelled;
    uint64_t unit_no;
    struct gw_ticket tickets[GW_TICKETS]; /* by the id of the facts */
    struct gw_parser_call *parsing;
    bool wants_catalog;
    uint64_t wants_load; /* number of the catalogue's load that the unit waits for; 0: none */

    /* the target's side */
    uint8_t txn;    /* 'I', 'T', 'E' */
    bool txn_clean; /* in 'T': only BEGIN or SET TRANSACTION ran */
    bool txn_dirty; /* something not harmless ran in this transaction */
    bool txn_ddl;   /* in a transaction that may have changed the catalogue */
    bool open;      /* something was forwarded up to a Flush, without Sync since */
    bool acc_runs,
        acc_begins; /* of what was forwarded since the last ReadyForQuery: anything; only BEGINs */
    bool
        dirty; /* since the last ReadyForQuery something not harmless ran: later texts must be plain */
    bool pin_due;       /* the pinned settings must be looked at */
    bool copy_extended; /* COPY by Execute: the Sync that came with it was eaten by the target */
    bool copy_ended;    /* the client sent CopyDone or CopyFail */
    size_t copy_pass;   /* bytes of a long CopyData still to be passed on */
    bool ahead_probe; /* a Sync of ours is under way while people decide: the next ReadyForQuery is its */
    enum gw_own own;
    bool own_ok, own_again;
    uint64_t own_no; /* questions of our own about names */
    size_t own_part;
    size_t pass; /* bytes of a long message still to be passed on */
    bool failed; /* an ErrorResponse came for what was forwarded */
    char tag[64];
    int64_t rows;
    char portal_name[40]; /* absent in the target; refusing executes it */
    bool refusing;
    struct gw_refusal refusal;

    struct gw_live live[GW_MAX_LIVE];
    size_t n_live;
    uint64_t next_live;
    struct gw_wait wait;

    /* the cut */
    struct net_timer *cut_timer;
    bool cut_asking, cut_seen;
    int cut_tries;
    int64_t cut_began, server_since; /* CLOCK_BOOTTIME ms */
    int64_t deadline_at;
    bool in_server, next_due;
};

/* session.c */
struct gw_session *gw_session_open(struct gw_target *t, const struct gw_signin *who,
                                   struct net_conn *client);
void gw_session_start(
    struct gw_session *s); /* both connections are up and bound; ReadyForQuery was sent */
void gw_session_free(struct gw_session *s);
void gw_event(struct gw_session *s, enum gw_event e); /* the one function that changes s->state */
bool gw_to_client(struct gw_session *s, struct phi_view bytes);
bool gw_to_server(struct gw_session *s, struct phi_view bytes);
void gw_refuse_with(struct gw_session *s, const char *sqlstate, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void gw_kill(struct gw_session *s, const char *sqlstate,
             const char *why); /* FATAL to the client, and cut */
bool gw_session_credential_good(const struct gw_session *s);
void gw_session_catalog(struct gw_session *s); /* the catalogue changed */
bool gw_idle_backend(
    const struct gw_session *s);           /* nothing of the client's is at work in the target */
bool gw_waits(const struct gw_session *s); /* somebody decides or is asked for this session */
void gw_next(struct gw_session *s); /* idle again: a query of our own, or the client's next unit */
/* A ParameterStatus of the target; false: the session must not go on. */
bool gw_setting_note(struct gw_session *s, struct phi_view name, struct phi_view value);
extern const struct net_conn_events gw_client_events, gw_server_events;

/* front.c: a session whose pg:connect was held may go on to its target, or must not (s->refusal says why). Done from
 * the loop, since the front frees the session. */
void gw_front_next(struct gw_front *f, bool go);

/* unit.c */
void gw_unit_init(struct gw_unit *u);
bool gw_unit_add(struct gw_unit *u, struct gw_op op); /* takes over its references, also where it fails */
void gw_unit_clear(struct gw_unit *u);
void gw_unit_done(struct gw_unit *u);
void gw_client_data(struct gw_session *s); /* takes what can be taken now */

/* maps.c */
struct gw_stmt *gw_stmt_new(struct gw_session *s, struct phi_view name, struct phi_view sql,
                            struct phi_view types);
void gw_stmt_drop(struct gw_stmt *st);
struct gw_portal *gw_portal_new(struct gw_session *s, struct phi_view name, struct phi_view body,
                                struct gw_stmt *st);
void gw_portal_drop(struct gw_portal *p);
/* As the target will see it after what is in flight and the unit's earlier messages; NULL: unknown. */
struct gw_stmt *gw_find_stmt(struct gw_session *s, struct phi_view name);
/* Takes a confirmed one out of the names; the caller drops it. NULL: unknown. */
struct gw_stmt *gw_stmt_forget(struct gw_session *s, struct phi_view name);
struct gw_portal *gw_find_portal(struct gw_session *s, struct phi_view name);
bool gw_flight_add(struct gw_session *s,
                   const struct gw_unit *u); /* what was forwarded awaits its answers */
bool gw_flight_answer(struct gw_session *s, uint8_t type); /* false: an answer nobody waits for */
void gw_flight_clear(struct gw_session *s);
void gw_maps_txn_end(struct gw_session *s);
void gw_maps_forget_stmts(struct gw_session *s);
/* PREPARE, DEALLOCATE, DECLARE, CLOSE, DISCARD is about to be forwarded. `text`: where it stands; `alone`: nothing else does. */
void gw_maps_sql(struct gw_session *s, const struct gw_sql_stmt *st, struct gw_stmt *text,
                 bool alone);
void gw_maps_sql_answer(struct gw_session *s, bool done); /* all that was forwarded: it was done, or something failed */
/* The target holds `key` (its kind and its name) as `sql`; after all of them, what it does not hold so is forgotten. */
void gw_maps_seen(struct gw_session *s, struct phi_view key, struct phi_view sql);
void gw_maps_keep_seen(struct gw_session *s);
struct gw_stmt *gw_maps_sql_find(struct gw_session *s, uint8_t kind,
                                 struct phi_view name); /* 'p' PREPARE, 'c' DECLARE */
void gw_maps_done(struct gw_session *s);

/* judge.c */
void gw_parse_unit(struct gw_session *s);
void gw_parse_unit_cancel(struct gw_session *s);
void gw_judge(struct gw_session *s);
bool gw_judge_connect(struct gw_session *s, const struct phi_pair *pair); /* asks phid for it; false: no memory */
bool gw_judge_again(
    struct gw_session *s); /* false: what the unit means has changed since it was asked */
struct gw_sql_env gw_env_of(const struct gw_session *s); /* what names mean to it now */
enum phi_verdict gw_verdict(struct gw_session *s, struct phi_buf *reason); /* of the unit's actions */
struct gw_statement gw_statement_of(const struct gw_session *s);           /* of the unit, as judged */
int64_t gw_text_bytes(const struct gw_unit *u);
#define GW_UNRECORDED                                                                              \
    "phi: nothing is decided unrecorded, and phid does not acknowledge what was recorded before; " \
    "try again"
/* False: the denial could not be kept, so the answer must be GW_UNRECORDED. */
bool gw_record_deny(const struct gw_phid *p, const struct gw_try *t, struct phi_view session,
                    struct phi_view bytes, struct phi_view reason);
/* False: refused, the refusal is set. `ret` may be NULL. */
bool gw_record_allow(struct gw_session *s, struct client_record_at *ret);
void gw_actions_json(const struct gw_session *s, struct phi_buf *out);

void gw_settings_json(const struct gw_session *s, struct phi_buf *out);

/* judge_known.c: false: the long way. */
bool gw_judge_known(struct gw_session *s, enum gw_event *ret);

/* wait.c */
void gw_ask(struct gw_session *s);
void gw_hold(struct gw_session *s);
void gw_claim(struct gw_session *s);
void gw_leave(struct gw_session *s);
void gw_wait_clear(struct gw_session *s);
bool gw_wait_init(struct gw_session *s);
void gw_wait_done(struct gw_session *s);
void gw_wait_request(struct gw_session *s, const struct phi_json *ev);
void gw_wait_votes(struct gw_session *s, const struct phi_json *ev);
void gw_wait_back(struct gw_session *s); /* phid is there again */

void gw_ahead_alive(struct gw_session *s); /* the target answered while people decide */

/* relay.c */
bool gw_ahead_probe(struct gw_session *s); /* false: there is nothing to ask */
void gw_forward(struct gw_session *s);
void gw_refuse(struct gw_session *s);
void gw_probe(struct gw_session *s);
void gw_own_query(struct gw_session *s);
void gw_server_data(struct gw_session *s);
bool gw_rights_hold(struct gw_session *s); /* false: one has ended, the cut has begun */

/* cut.c */
struct gw_live *gw_live_add(struct gw_session *s, const char *grant, const struct client_claim *c);
bool gw_live_bounded(const struct gw_live *l);
/* So much is about to pass. False: more than a budget has left; it must not, and the cut has begun. */
bool gw_live_meter(struct gw_session *s, int64_t rows, int64_t bytes);
struct gw_live *gw_live_find(struct gw_session *s, uint64_t id);
void gw_live_outcome(struct gw_session *s, struct gw_live *l, const char *outcome);
void gw_live_over(struct gw_session *s, const char *outcome); /* of all whose outcome was not told; a session's own: done */
/* After ReadyForQuery: tells the outcomes of what has run, and drops those whose work is over. */
void gw_live_settle(struct gw_session *s);
void gw_deadline_set(struct gw_session *s);
void gw_cut(struct gw_session *s);
void gw_ends_free(struct gw_gateway *g);
void gw_ends_check(struct gw_gateway *g); /* acknowledges ends whose work is gone */

/* gateway.c: frees sessions that are over, from the loop and never under their own feet */
void gw_gateway_reap(struct gw_gateway *g);

#endif
