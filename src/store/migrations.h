/* The .sql files of src/store/sql, embedded at build time (embed.py): as they are for SQLite, and derived
 * from them for PostgreSQL. */
#ifndef STORE_MIGRATIONS_H
#define STORE_MIGRATIONS_H

struct store_migration {
    int version; /* from 1, without a gap */
    const char *name;
    const char *digest; /* of what it does, hex */
    const char *sql;   /* SQLite */
    const char *pgsql; /* PostgreSQL */
};
extern const struct store_migration store_migrations[];
extern const int store_migration_count;

/* For a store `where` that had another migration of this number: nothing can bring it up to date. */
#define STORE_MIGRATION_DIFFERS(err, m, where)                                                                                          \
    phi_fail(err, PHI_EINPUT,                                                                                                          \
             "%s is of another build of phi: it was not made by this one's %s, and its rows would be misread; start the phid that "  \
             "made it, or move it away: phid begins anew where there is none", where, (m)->name)

#endif
