/* What of a target's catalogue decides how dangerous a name is: its relations, and everything that its users
 * defined and a query can run (functions, operators, types, casts, what views and policies use).
 *
 * The session side runs `gw_catalog_sql[i]` for each i on a connection of its own to the target, hands over each
 * row, then finishes. A finished catalogue never changes: fetch a new one after DDL, and every few seconds where
 * others may change the target too. */
#ifndef GATEWAY_CATALOG_H
#define GATEWAY_CATALOG_H

#include "base/err.h"
#include "base/view.h"

enum gw_catalog_part {
    GW_CATALOG_RELATIONS,
    GW_CATALOG_USES, /* what the expressions stored with a relation run */
    GW_CATALOG_FUNCTIONS,
    GW_CATALOG_OPERATORS,
    GW_CATALOG_TYPES,
    GW_CATALOG_CASTS,
    GW_CATALOG_N
};

struct gw_catalog_query {
    const char *sql;  /* one SELECT, works on PostgreSQL 13 to 17 for any role, names all pg_catalog things in full */
    unsigned columns; /* all as text format */
};
extern const struct gw_catalog_query gw_catalog_sql[GW_CATALOG_N];

struct gw_catalog;

/* NULL when out of memory. Starts empty and not finished: everything in it is unknown, so pg:admin. */
struct gw_catalog *gw_catalog_open(void);
struct gw_catalog *gw_catalog_hold(struct gw_catalog *c);
void gw_catalog_drop(struct gw_catalog *c); /* NULL is fine */

/* One row; cols[i].p == NULL is SQL NULL. PHI_EINPUT for a row that cannot be, PHI_ELIMIT past 64 MB. */
enum phi_rc gw_catalog_row(struct gw_catalog *c, enum gw_catalog_part part, const struct phi_view *cols, size_t n,
                           struct phi_err *err);
/* All parts were read to their end. */
enum phi_rc gw_catalog_finish(struct gw_catalog *c, struct phi_err *err);

#endif
