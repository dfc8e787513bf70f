/* What a client may say at startup, as an allow-list (attack 22: PgBouncer CVE-2025-12819). Pure. */
#ifndef GATEWAY_STARTUP_H
#define GATEWAY_STARTUP_H

#include "base/arena.h"
#include "wire/pg.h"

#define GW_STARTUP_MAX 16

struct gw_startup {
    struct phi_view user, credential; /* "alice~<credential id>" taken apart at its last '~' */
    struct phi_view database, application;
    int64_t hold_ms;                           /* -1: not said */
    struct phi_view pairs[2 * GW_STARTUP_MAX]; /* settings that are passed on: name, value */
    size_t n;
    struct phi_view extensions[4]; /* _pq_.… that we do not know: named to the client */
    size_t n_extensions;
};

/* Views point into `params` or live in `a`. On failure `err` is for the client and `sqlstate` is set. */
enum phi_rc gw_startup_read(struct phi_arena *a, struct phi_view params, struct gw_startup *ret,
                            const char **sqlstate, struct phi_err *err);

#endif
