/* The PostgreSQL gateway: clients sign in here with a credential that phid issued; each of their
 * statements is understood, decided, held where a person must approve it, and only then forwarded
 * to the target over a connection of the gateway's own. One loop, one thread. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "base/buf.h"
#include "net/sock.h"

struct gw_gateway;
struct gw_phid;

enum gw_sslmode {
    GW_SSL_DISABLE, /* only for a unix socket or a loopback address unless said so in the configuration */
    GW_SSL_VERIFY_FULL /* no fall-back to plain */
};

struct gw_target_opts {  /* texts are copied */
    const char *name;    /* "shop" */
    const char *listen;  /* "127.0.0.1:6432" */
    const char *address; /* of the target: "host:port" or "unix:/path/.s.PGSQL.5432" */
    const char *database, *user;
    struct phi_view password; /* empty: trust or peer */
    enum gw_sslmode sslmode;
    struct phi_view ca_pem; /* VERIFY_FULL; empty: the system's */
    const char
        *search_path; /* NULL: "public"; names separated by commas; pg_temp is put behind them */
    struct net_tls *client_tls; /* borrowed; NULL: clients speak plain */
    bool session_roles;    /* a role of its own for each session (gateway/role.h); `user` makes and drops them */
    const char *member_of; /* roles whose rights these have, separated by commas; NULL: none */
    const char *gateway;   /* this gateway's name: tells its roles from others'; NULL: "" */
    int64_t hold_ms; /* how long a statement is held unless the client says otherwise; 0: 5 min */
};

/* Reads "host=… port=… dbname=… user=… sslmode=… sslrootcert=…" (libpq's form; quotes allowed) into the fields above; texts live
 * in `a`. PHI_EINPUT for unknown keys, and for a plain connection to another machine without sslmode=disable. */
struct phi_arena;
enum phi_rc gw_conninfo_read(struct phi_arena *a, struct phi_view text, struct gw_target_opts *ret,
                             struct phi_err *err);

/* `phid` is copied. `parsers`: processes of the sandboxed parser, 1 to 8. */
enum phi_rc gw_open(struct net_loop *loop, const struct gw_phid *phid, unsigned parsers,
                    struct gw_gateway **ret, struct phi_err *err);
/* For a link that needs the gateway first. Before any target is added. */
void gw_set_phid(struct gw_gateway *g, const struct gw_phid *phid);
enum phi_rc gw_add_target(struct gw_gateway *g, const struct gw_target_opts *o,
                          struct phi_err *err);                   /* listens */
int gw_target_port(const struct gw_gateway *g, const char *name); /* the bound port; 0: none */
/* No new sessions; `done` once the last one has gone, at the latest after `ms`, then all are cut. */
void gw_drain(struct gw_gateway *g, int64_t ms, net_fn done, void *ctx);
void gw_close(struct gw_gateway *g); /* NULL is fine */
bool gw_target_roles_ok(const char *member_of); /* plain names, separated by commas */
bool gw_settled(const struct gw_gateway *g); /* nothing of our own is under way in a target */
size_t gw_session_count(const struct gw_gateway *g);

#endif
