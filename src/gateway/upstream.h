/* One connection of the gateway's own to a target: connect, TLS, sign in, up to the first ReadyForQuery. Then the
 * connection belongs to whoever asked. And `gw_super`: a standing connection that runs the gateway's own queries. */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include "gateway/gateway.h"
#include "wire/scram.h"

struct gw_door { /* how a target is reached; owned by the target, outlives every connection to it */
    struct net_loop *loop;
    const char *name, *address, *host, *database, *user; /* host: the name in its certificate */
    struct phi_view password;
    struct net_tls *tls; /* NULL: plain */
    struct scram_keys keys;
};

struct gw_upstream;
struct gw_upstream_events {
    void (*on_status)(struct phi_view name, struct phi_view value,
                      void *ctx); /* each ParameterStatus; may be NULL */
    /* Signed in: `conn` is the caller's from now on (bind it at once); the upstream is dead. */
    void (*on_ready)(struct net_conn *conn, uint32_t pid, uint32_t key, void *ctx);
    void (*on_failed)(const char *sqlstate, const char *why, void *ctx); /* the upstream is dead */
};
/* `pairs`: startup parameters besides user and database (name, value, …), n pairs. NULL with err. */
struct gw_upstream *gw_upstream_open(struct gw_door *door, const struct phi_view *pairs, size_t n,
                                     const struct gw_upstream_events *ev, void *ctx,
                                     struct phi_err *err);
void gw_upstream_close(struct gw_upstream *u); /* no callback follows; NULL is fine */

/* A CancelRequest over a connection of its own; nothing is reported. */
void gw_send_cancel(struct gw_door *door, uint32_t pid, uint32_t key);

#define GW_MAX_COLS 16
struct gw_super;
typedef void (*gw_row_fn)(const struct phi_view *cols, size_t n,
                          void *ctx);                            /* p == NULL: SQL NULL */
typedef void (*gw_done_fn)(bool ok, const char *why, void *ctx); /* exactly once */
struct gw_super *
gw_super_open(struct gw_door *door);     /* connects when first asked; NULL: out of memory */
void gw_super_close(struct gw_super *s); /* queries under way are answered false */
/* Runs one text as a simple Query, in order. A lost connection fails the query; the next one connects anew. */
void gw_super_run(struct gw_super *s, struct phi_view sql, gw_row_fn row, gw_done_fn done,
                  void *ctx);
const char *
gw_super_version(const struct gw_super *s); /* server_version, "" before the first sign-in */

#endif
