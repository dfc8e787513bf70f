/* A role of its own for each session: made in the target before the session opens, with the rights of the roles that
 * the configuration names and no more, good until the session's end; dropped when the session is over. What it owned is
 * then the gateway's role's. What a gateway that was killed left behind is dropped at its next start. */
#ifndef GATEWAY_ROLE_H
#define GATEWAY_ROLE_H

#include "gateway/target.h"

struct gw_role;
typedef void (*gw_role_fn)(bool ok, const char *why, void *ctx); /* once, never before gw_role_make returned */

/* `for_ms`: how long the target lets it sign in. NULL: out of memory. */
struct gw_role *gw_role_make(struct gw_target *t, int64_t for_ms, gw_role_fn done, void *ctx);
struct gw_door *gw_role_door(struct gw_role *r); /* how to the target as this role */
/* Its session is over, or there will be none (`done` is not called any more). NULL is fine. */
void gw_role_drop(struct gw_role *r);

size_t gw_roles_count(const struct gw_gateway *g); /* not yet dropped */
void gw_roles_sweep(struct gw_target *t);          /* what an earlier run left; queued before anything else */

void gw_roles_close(struct gw_target *t);          /* forgets those that could not be dropped in time */

#endif
