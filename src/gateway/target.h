/* A target inside the gateway: its listener, its catalogue, the gateway's own connections to it, its sessions. */
#ifndef GATEWAY_TARGET_H
#define GATEWAY_TARGET_H

#include "base/limits.h"
#include "gateway/catalog.h"
#include "gateway/parser.h"
#include "gateway/phid.h"
#include "gateway/upstream.h"

#define GW_PARSER_MAJOR 17 /* the newest PostgreSQL whose grammar the parser knows */

struct gw_session;
struct gw_front;

struct gw_target {
    struct gw_target *next;
    struct gw_gateway *gw;
    struct phi_arena mem; /* the texts of the options */
    struct gw_target_opts o;
    struct phi_buf secret; /* the password; wiped */
    struct gw_door door;
    struct net_listener *listener;
    struct phi_buf path_text; /* "public, pg_temp" */
    struct phi_view path[16];
    size_t n_path;
    uint64_t place; /* of name and path, which never change; never used twice */
    struct gw_super *cutter, *reader;
    struct gw_super *roles; /* NULL: sessions use the target's own role */
    struct gw_role *all_roles;
    size_t n_roles; /* made and not yet dropped */
    bool swept; /* what an earlier run left is gone */
    unsigned sweep_in;
    struct gw_catalog *catalog, *loading; /* the one in force; NULL before the first is whole */
    int loading_part;
    uint64_t want, have,
        loading_want; /* changes noticed; changes that the catalogue in force has seen */
    uint64_t loads, loads_done; /* begun and ended; a load has the number it began as */
    bool missed;                /* somebody named what the catalogue lacks: one more load is due */
    struct net_timer *again;
    int64_t began_boot_ms, loaded_boot_ms;
    bool said_trouble, loading_bad;
    char trouble[240]; /* why there is no catalogue */
};

struct gw_recent { /* a request that was decided a moment ago */
    char request[64];
    bool approved;
};
#define GW_RECENT 64

struct gw_gateway {
    struct net_loop *loop;
    struct gw_phid phid;
    struct gw_parser *parser;
    struct gw_target *targets;
    struct gw_session *sessions; /* all, newest first */
    struct gw_front *fronts;     /* clients not yet signed in */
    struct gw_end *ends;         /* of grants, not yet acknowledged */
    size_t n_sessions;
    uint32_t next_pid;
    struct gw_recent recent[GW_RECENT];
    size_t at_recent;
    uint8_t mock_secret[32];
    struct net_timer *tick;
    unsigned report_in; /* ticks */
    struct phi_digest reported; /* of what phid was told last */
    struct net_timer *drain_timer;
    bool draining, closing, reaping;
    net_fn drained;
    void *drained_ctx;
};

/* Asks for a new catalogue; the sessions that wait are told when it is there (gw_session_catalog). */
void gw_target_refresh(struct gw_target *t);
/* Something named is not in the catalogue, which others may have changed a moment ago: it is read again, at most once a
 * second. The number of the load to wait for; gw_session_catalog tells of its end. */
uint64_t gw_target_missed(struct gw_target *t);
void gw_target_tick(struct gw_target *t); /* now and then: others change the target too */
bool gw_target_waits(
    const struct gw_target *t);           /* a catalogue that must not be missed is being read */
void gw_target_stop(struct gw_target *t); /* no listener, no queries of our own any more */
void gw_target_close(struct gw_target *t);
/* PHI_EDENIED: this server is newer than the parser. */
enum phi_rc gw_version_check(struct phi_view server_version, struct phi_err *err);

const struct gw_recent *gw_recent_find(const struct gw_gateway *g,
                                       const char *request); /* NULL: not lately */

/* Tells phid of the targets (report.c) where that is due or something has changed; false: nothing was said. */
bool gw_report(struct gw_gateway *g, bool due);

/* A client that has connected and not yet signed in (front.c). */
void gw_front_accept(struct net_conn *conn, void *target);
void gw_front_close_all(struct gw_gateway *g);

#endif
