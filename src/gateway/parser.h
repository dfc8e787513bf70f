/* Parser processes: PostgreSQL's own grammar (libpg_query) in processes that hold no secret, no descriptor but
 * their pipe, and may only read, write and use memory. A crash or a time-out is an answer (`ok` false, deny) and the
 * process is replaced.
 *
 * A process is this program started again, so every main that opens a pool begins with:
 *     int rc;
 *     if (gw_parser_child(argc, argv, &rc))
 *         return rc;                                                                                      */
#ifndef GATEWAY_PARSER_H
#define GATEWAY_PARSER_H

#include "base/err.h"
#include "gateway/sql.h"

struct net_loop;
struct gw_parser;      /* a pool of processes and the cache of what they said; one thread */
struct gw_parser_call; /* a text being parsed */

/* True: this process was started as a parser; it has done its work and ends with *ret. */
bool gw_parser_child(int argc, char **argv, int *ret);

/* `loop` may be NULL: then only gw_parser_now. n processes (1 to 8), started at once. */
enum phi_rc gw_parser_open(struct net_loop *loop, unsigned n, struct gw_parser **ret, struct phi_err *err);
void gw_parser_close(struct gw_parser *p); /* calls still under way are never answered; NULL is fine */

/* What the cache knows without asking a process: a reference of the caller's own (gw_sql_raw_drop), or NULL. */
struct gw_sql_raw *gw_parser_cached(struct gw_parser *p, struct phi_view sql);

/* `raw` is never NULL (a failure is inside it, see gw_sql_resolve) and borrowed: hold it to keep it.
 * The callback comes later from the loop, never from inside this call. `sql` is copied. NULL: out of memory or
 * too many waiting; deny. The call is gone once the callback has begun: do not cancel it then. Close no pool inside a
 * callback. */
typedef void (*gw_parser_fn)(void *ctx, struct gw_sql_raw *raw);
struct gw_parser_call *gw_parser_parse(struct gw_parser *p, struct phi_view sql, gw_parser_fn fn, void *ctx);
void gw_parser_cancel(struct gw_parser_call *call); /* the callback will not come; NULL is fine */

/* The same, waiting for the answer (tests, command-line tools). Never NULL but when out of memory; drop it. */
struct gw_sql_raw *gw_parser_now(struct gw_parser *p, struct phi_view sql);

struct gw_parser_stats {
    uint64_t hits, misses, crashes, timeouts;
    size_t cached, waiting;
};
struct gw_parser_stats gw_parser_stats(const struct gw_parser *p);

#endif
