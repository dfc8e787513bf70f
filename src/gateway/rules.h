/* Deciding by a snapshot's bundle and people, with the tables that a unit touches told on top; and what was plainly
 * allowed is kept until the snapshot changes. */
#ifndef GATEWAY_RULES_H
#define GATEWAY_RULES_H

#include "client/snapshot.h"
#include "gateway/phid.h"

struct gw_rules;

struct gw_rules *gw_rules_open(void); /* NULL when out of memory */
void gw_rules_close(struct gw_rules *r); /* NULL is fine */
/* Whatever was allowed is to be asked again: there is another snapshot, or none. */
void gw_rules_forget(struct gw_rules *r);
/* Rises with each gw_rules_forget, and whenever what is kept was too much; never 0. */
uint64_t gw_rules_number(const struct gw_rules *r);
/* As gw_phid.decide, by a snapshot that is fresh. */
enum phi_verdict gw_rules_decide(struct gw_rules *r, const struct client_snapshot *s, const struct gw_try *t,
                                 struct phi_buf *reason);

#endif
