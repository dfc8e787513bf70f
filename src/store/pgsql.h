/* The store in a PostgreSQL database, for one phid or several at once. libpq is loaded when the first store is
 * opened, so a phid on SQLite runs without it.
 *
 * Correctness rests on one lock that each transaction takes first, on unique keys, and on compare and set; what
 * one phid does, the next transaction of any other sees. NOTIFY only wakes: who misses one polls.
 *
 * A connection that is lost fails the batch: the server undoes it, and the next batch connects anew. Where it is
 * lost during COMMIT, the driver asks the server afterwards what became of the transaction. */
#ifndef STORE_PGSQL_H
#define STORE_PGSQL_H

#include "store/mem.h"

struct phi_store_pgsql_opts {
    const char *conninfo;      /* libpq's: "host=… dbname=… user=… sslmode=verify-full sslrootcert=…"; no password */
    const char *password_file; /* one line; "" none. Others may not read it */
    const char *name;          /* of this phid, in pg_stat_activity */
    const struct phi_clock *clock; /* of this machine; borrowed */
    bool no_copy;                  /* bring an older schema up to date without keeping a copy of it */
};

/* Connects, makes schema `phi` at the first start and brings it up to date; what an older one holds is
 * copied to a schema `phi_schema_<version>` before, in the same transaction. Refuses a newer schema, and a server
 * that does not sync (fsync = off). PHI_EIO, PHI_EINPUT, PHI_EAUTH. */
enum phi_rc phi_store_pgsql_open(const struct phi_store_pgsql_opts *opts, struct phi_store **ret, struct phi_err *err);

/* The steady clock of all phids on this database: never behind what any of them has committed, so a right ends by
 * the fastest of their clocks. Owned by the store; for the thread that uses the store. */
const struct phi_clock *phi_store_pgsql_clock(struct phi_store *s);

/* From now on calls wake(ctx), on a thread of its own, when another phid has said something, and once a second
 * anyway, until phi_store_pgsql_quiet or the store's end. A store that has listened gives its leases back at its end. */
enum phi_rc phi_store_pgsql_listen(struct phi_store *s, void (*wake)(void *ctx), void *ctx, struct phi_err *err);
void phi_store_pgsql_quiet(struct phi_store *s);

/* How often the server was waited for so far. */
int64_t phi_store_pgsql_trips(const struct phi_store *s);

#endif
