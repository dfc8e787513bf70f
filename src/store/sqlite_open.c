/* Opening the store's file: durable settings, and the schema brought up to date. */
#include "store/lite_inner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
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

/* Writing the log back takes milliseconds: so it is done while nobody waits, else between two batches, when the answers of the
 * first have gone (lite_tidy), and within a commit only where neither comes. Each time costs three syncs, and pages are written
 * back once however often they have changed: so under load it waits for 8 MB (at 2 MB a batch of 64 claims had 1.9 syncs, at 8 MB
 * 1.2). A failure is tried again with the next. */
enum { WAL_IDLE_PAGES = 100, WAL_BUSY_PAGES = 2000, WAL_MAX_PAGES = 4000 };

static void write_back(struct lite *l)
{
    sqlite3_wal_checkpoint_v2(l->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    l->wal_pages = 0; /* the next commit says how many there are */
}

static int wal_grew(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct lite *l = ctx;
    (void)db;
    (void)name;
    l->wal_pages = pages;
    if (pages >= WAL_MAX_PAGES)
        write_back(l);
    return SQLITE_OK;
}

/* A commit that makes the log's file longer has the file system write where the new blocks are, too, and waits for that: so the
 * file gets its blocks while nobody waits, a piece at a time, up to what it grows to under load. SQLite goes by its frames'
 * checksums, not by the file's length. Where it fails commits are slower, and no less durable. A disk with little left keeps
 * that for what is written. */
enum { ROOM_STEP = 1 << 20, ROOM_MAX = 9 << 20, ROOM_LEAVES = 64 << 20 };

static bool plenty_left(const struct lite *l)
{
    struct statvfs fs;
    return statvfs(sqlite3_db_filename(l->db, "main"), &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_LEAVES;
}

static void make_room(struct lite *l)
{
    static const char nothing[64 * 1024];
    sqlite3_file *f = NULL;
    sqlite3_int64 size = 0;
    if (l->wal_room >= ROOM_MAX || !plenty_left(l) || sqlite3_file_control(l->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK || !f ||
        !f->pMethods || f->pMethods->xFileSize(f, &size) != SQLITE_OK)
        return;
    sqlite3_int64 end = size + ROOM_STEP;
    int rc = SQLITE_OK;
    for (; rc == SQLITE_OK && size < end && size < ROOM_MAX; size += (int)sizeof nothing)
        rc = f->pMethods->xWrite(f, nothing, (int)sizeof nothing, size);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
    l->wal_room = rc == SQLITE_OK ? size : ROOM_MAX; /* a disk that has no room is not asked again */
}

void lite_tidy(void *self, bool busy)
{
    struct lite *l = self;
    if (l->wal_pages >= (busy ? WAL_BUSY_PAGES : WAL_IDLE_PAGES))
        write_back(l);
    else if (!busy)
        make_room(l);
}

static enum phi_rc set_up(struct lite *l, struct phi_err *err)
{
    int64_t full = 0;
    sqlite3_db_config(l->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(l->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    PHI_TRY(exec(l, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                    "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA cache_size = -8192;"
                    /* Savepoints keep the pages they would restore; in memory, not in a file. */
                    "PRAGMA temp_store = MEMORY;",
                 err));
    sqlite3_wal_hook(l->db, wal_grew, l); /* in place of wal_autocheckpoint */
    PHI_TRY(number(l, "PRAGMA synchronous", &full, err));
    if (full != 2)
        return phi_fail(err, PHI_EIO, "the store cannot be made durable");
    return migrate(l, err);
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
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    enum phi_rc rc = sqlite3_open_v2(path, &l->db, flags, NULL) == SQLITE_OK ? set_up(l, err) : failed(l, err);
    if (rc != PHI_OK) {
        lite_close(l);
        return rc;
    }
    *ret = &l->store;
    return PHI_OK;
}
