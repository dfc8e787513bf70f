/* The .sql files of src/store/sql, embedded at build time (embed.py): as they are for SQLite, and derived
 * from them for PostgreSQL. */
#ifndef STORE_MIGRATIONS_H
#define STORE_MIGRATIONS_H

struct store_migration {
    int version; /* from 1, without a gap */
    const char *name;
    const char *sql;   /* SQLite */
    const char *pgsql; /* PostgreSQL */
};
extern const struct store_migration store_migrations[];
extern const int store_migration_count;

#endif
