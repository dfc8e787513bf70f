/* Opening the store's file: durable settings, and the schema brought up to date. */
#include "store/lite_inner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/logline.h"
#include "store/migrations.h"

#define APPLICATION_ID 0x70686931 /* "phi1" */
#define ALL_PAGES      (-1)

static enum phi_rc failed(struct lite *l, struct phi_err *err)
{
    return lite_failed(l->db, err);
}

static enum phi_rc number(struct lite *l, const char *sql, int64_t *ret, struct phi_err *err)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(l->db, sql, -1, &st, NULL) != SQLITE_OK)
        return failed(l, err);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    enum phi_rc ok = rc == SQLITE_ROW ? PHI_OK : failed(l, err);
    sqlite3_finalize(st);
    return ok;
}

static enum phi_rc exec(struct lite *l, const char *sql, struct phi_err *err)
{
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK ? PHI_OK : failed(l, err);
}

#define OWN_TABLE "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL) STRICT; "

static enum phi_rc migrate_one(struct lite *l, const struct store_migration *m, struct phi_err *err)
{
    char done[512];
    snprintf(done, sizeof done, OWN_TABLE "INSERT INTO migration VALUES (%d, '%s', '%s'); PRAGMA user_version = %d; COMMIT", m->version, m->name,
             m->digest, m->version);
    PHI_TRY(exec(l, "BEGIN EXCLUSIVE", err));
    enum phi_rc rc = exec(l, m->sql, err);
    if (rc == PHI_OK)
        rc = exec(l, done, err);
    if (rc != PHI_OK)
        lite_rollback(l);
    return rc;
}

/* What a migration has changed nobody changes back: the file as it was stays beside it. */
static enum phi_rc keep_before(struct lite *l, int64_t version, struct phi_err *err)
{
    char path[4096];
    bool done = false;
    if (snprintf(path, sizeof path, "%s.schema-%lld", sqlite3_db_filename(l->db, "main"), (long long)version) >= (int)sizeof path)
        return phi_fail(err, PHI_ELIMIT, "the store's path is too long");
    unlink(path); /* of a start that was cut short here */
    enum phi_rc rc = lite_copy_begin(l, path, err);
    if (rc == PHI_OK)
        rc = lite_copy_step(l, ALL_PAGES, &done, err);
    lite_copy_end(l);
    PHI_TRY(rc);
    PHI_LOG(INFO, "the store's schema is brought up to date; a copy of it as it was is kept", "copy", "%s", path);
    return done ? PHI_OK : phi_fail(err, PHI_EIO, "%s: the store could not be copied before its schema changes", path);
}

/* Those that this file had are those that this phid knows. */
static enum phi_rc same_migrations(struct lite *l, int64_t version, struct phi_err *err)
{
    const char *file = strrchr(sqlite3_db_filename(l->db, "main"), '/');
    char sql[160];
    int64_t same = 0;
    PHI_TRY(number(l, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migration'", &same, err));
    bool has = same == 1;
    for (int i = 0; i < (int)version; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM migration WHERE version = %d AND digest = '%s'", i + 1, store_migrations[i].digest);
        if (has)
            PHI_TRY(number(l, sql, &same, err));
        if (!has || same != 1)
            return STORE_MIGRATION_DIFFERS(err, &store_migrations[i], file ? file + 1 : "the store's file");
    }
    return PHI_OK;
}

static enum phi_rc migrate(struct lite *l, struct phi_err *err)
{
    int64_t version = 0, app = 0;
    char mine[64];
    PHI_TRY(number(l, "PRAGMA user_version", &version, err));
    PHI_TRY(number(l, "PRAGMA application_id", &app, err));
    if (version > store_migration_count)
        return phi_fail(err, PHI_EINPUT, "the store's file is of a newer phi (schema %lld, this one knows %d); start that one",
                        (long long)version, store_migration_count);
    if (version > 0 && app != APPLICATION_ID)
        return phi_fail(err, PHI_EINPUT, "the store's file is no store of phi");
    PHI_TRY(same_migrations(l, version, err));
    if (version > 0 && version < store_migration_count)
        PHI_TRY(keep_before(l, version, err));
    snprintf(mine, sizeof mine, "PRAGMA application_id = %d", APPLICATION_ID);
    PHI_TRY(exec(l, mine, err));
    for (int i = (int)version; i < store_migration_count; i++)
        PHI_TRY(migrate_one(l, &store_migrations[i], err));
    return PHI_OK;
}

/* With "unix-excl" the file is this process's alone, as with locking_mode = EXCLUSIVE, and the index of the log is in its memory, but
 * a second connection may be within it. */
static enum phi_rc open_one(const char *path, sqlite3 **ret, struct phi_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    return sqlite3_open_v2(path, ret, flags, "unix-excl") == SQLITE_OK ? PHI_OK : lite_failed(*ret, err);
}

/* The connection that writes the log back, and nothing else; reading makes it find the log. */
static enum phi_rc open_back(struct lite *l, struct phi_err *err)
{
    PHI_TRY(open_one(sqlite3_db_filename(l->db, "main"), &l->backer, err));
    if (sqlite3_exec(l->backer, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA schema_version", NULL, NULL, NULL) != SQLITE_OK)
        return lite_failed(l->backer, err);
    /* Should it ever be in the way of a transaction's begin, that is for microseconds. */
    sqlite3_busy_timeout(l->db, 1000);
    return PHI_OK;
}

static enum phi_rc set_up(struct lite *l, struct phi_err *err)
{
    int64_t full = 0;
    sqlite3_db_config(l->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(l->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    PHI_TRY(exec(l, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                    "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA cache_size = -8192;"
                    /* Savepoints keep the pages they would restore; in memory, not in a file. */
                    "PRAGMA temp_store = MEMORY;",
                 err));
    sqlite3_wal_hook(l->db, lite_wal_grew, l); /* in place of wal_autocheckpoint */
    PHI_TRY(number(l, "PRAGMA synchronous", &full, err));
    if (full != 2)
        return phi_fail(err, PHI_EIO, "the store cannot be made durable");
    PHI_TRY(migrate(l, err));
    return open_back(l, err);
}

enum phi_rc phi_store_sqlite_open(const char *path, struct phi_store **ret, struct phi_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return phi_fail(err, PHI_EIO, "%s cannot be opened", path);
    close(fd);
    struct lite *l = calloc(1, sizeof *l);
    if (!l)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    l->store = (struct phi_store){ &lite_ops, l };
    enum phi_rc rc = open_one(path, &l->db, err);
    if (rc == PHI_OK)
        rc = set_up(l, err);
    if (rc != PHI_OK) {
        lite_close(l);
        return rc;
    }
    *ret = &l->store;
    return PHI_OK;
}
