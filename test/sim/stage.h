/* What the life tests stand on: the kit over each store, and how a call's outcome is asserted. */
#ifndef TEST_SIM_STAGE_H
#define TEST_SIM_STAGE_H

#include "base/limits.h"
#include "base/test_path.h"
#include "kit.h"

#define assert_rc(k, call, want)                                                                   \
    do {                                                                                           \
        enum phi_rc rc_ = (call);                                                                  \
        if (rc_ != (want))                                                                         \
            print_error("%s: %s (%s)\n", #call, (k)->err.msg, (k)->why);                           \
        assert_int_equal(rc_, want);                                                               \
    } while (0)
#define assert_ok(k, call) assert_rc(k, call, PHI_OK)
#define assert_no(k, call, code, name)                                                             \
    do {                                                                                           \
        assert_rc(k, call, code);                                                                  \
        assert_string_equal((k)->why, name);                                                       \
    } while (0)

#define SQL "DELETE FROM orders WHERE id = 7"
#define HOUR (3600LL * 1000)
#define TWO "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 15m}\n"
#define DBA "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 15m}\n" TWO

/* cmocka's set-up and tear-down; the latter checks the invariants. */
int over_mem(void **state);
int over_sqlite(void **state);
int over_pgsql(void **state);
int close_kit(void **state);
int stage_end(void **state); /* of the group: the PostgreSQL goes */

#define OVER(setup, f) { #f " (" #setup ")", f, setup, close_kit, NULL }
#define T(f) OVER(over_mem, f), OVER(over_sqlite, f), OVER(over_pgsql, f)

/* alice asks to delete through gw1; it must be pending. */
struct phi_request stage_ask(struct kit *k, const char *sql, const char *session);

#endif
