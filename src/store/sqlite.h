/* The store in one SQLite file: one connection, WAL, synchronous=FULL, STRICT tables. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/mem.h"

/* Opens or makes the file (0600) and brings its schema up to date. Refuses a file of a newer phi, and one
 * that another process holds open. Before an older schema is changed a copy of the file is kept as
 * PATH.schema-N. PHI_EIO, PHI_ECORRUPT, PHI_ECONFLICT. */
enum phi_rc phi_store_sqlite_open(const char *path, struct phi_store **ret, struct phi_err *err);

/* Every page and index of a file that nobody has open. PHI_ECORRUPT says what is damaged. */
enum phi_rc phi_store_sqlite_check(const char *path, struct phi_err *err);

#endif
