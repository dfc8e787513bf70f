/* A small target for the tests of this room: its catalogue, a parser pool, and actions as text. */
#ifndef GATEWAY_SQL_TESTING_H
#define GATEWAY_SQL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "gateway/catalog.h"
#include "gateway/parser.h"

/* Tables orders, customers (public), secret (hr), t_trig (trigger), t_rule (rule), t_enum (a column of users' type);
 * views v_plain, v_calls (runs public.wipe), v_admin (runs pg_reload_conf), v_odd; function wipe, overloads of lower and nextval; operators @+@, || and =;
 * types mood, posint (domain with a check); a cast of users between built-in types only in `evil`. */
struct gw_catalog *sqlt_catalog(bool evil);

struct sqlt {
    struct gw_parser *pool;
    struct gw_catalog *catalog;
    struct phi_arena arena;
    struct gw_sql_env env;
};
void sqlt_open(struct sqlt *t, bool evil);
void sqlt_close(struct sqlt *t);
/* Facts live until the next call. */
const struct gw_sql_facts *sqlt_facts(struct sqlt *t, const char *sql);
/* "select public.orders; delete public.orders" for the first statement, in the order found; targets as "*". */
const char *sqlt_actions(struct sqlt *t, const struct gw_sql_stmt *s);

#endif
