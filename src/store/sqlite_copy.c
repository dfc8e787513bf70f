/* A copy of the store while it is in use: SQLite's backup over the one connection that writes, so that what is committed
 * between two steps is in the copy as well. */
#include "store/lite_inner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct lite_copy {
    sqlite3 *to;
    sqlite3_backup *run;
};

void lite_copy_end(void *self)
{
    struct lite *l = self;
    struct lite_copy *k = l->copy;
    if (!k)
        return;
    l->copy = NULL;
    if (k->run)
        sqlite3_backup_finish(k->run);
    sqlite3_close(k->to);
    free(k);
}

/* The copy is of use only when whole: no journal, and synced once, at its end. */
static enum phi_rc open_copy(struct lite *l, struct lite_copy *k, const char *path, struct phi_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, &k->to, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(k->to, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK)
        return lite_failed(k->to, err);
    k->run = sqlite3_backup_init(k->to, "main", l->db, "main");
    return k->run ? PHI_OK : lite_failed(k->to, err);
}

enum phi_rc lite_copy_begin(void *self, const char *path, struct phi_err *err)
{
    struct lite *l = self;
    if (l->copy)
        return phi_fail(err, PHI_ECONFLICT, "a copy of the store is being made already");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return phi_fail(err, PHI_EIO, "%s cannot be made", path);
    close(fd);
    if (!(l->copy = calloc(1, sizeof *l->copy)))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    enum phi_rc rc = open_copy(l, l->copy, path, err);
    if (rc != PHI_OK)
        lite_copy_end(l);
    return rc;
}

enum phi_rc lite_copy_step(void *self, int pages, bool *ret_done, struct phi_err *err)
{
    struct lite *l = self;
    *ret_done = false;
    if (!l->copy || !l->copy->run)
        return phi_fail(err, PHI_EIO, "no copy of the store is being made");
    int rc = sqlite3_backup_step(l->copy->run, pages);
    if (rc == SQLITE_OK)
        return PHI_OK;
    if (rc != SQLITE_DONE)
        return phi_fail(err, rc == SQLITE_FULL ? PHI_ELIMIT : PHI_EIO, "copying the store failed: %s", sqlite3_errstr(rc));
    rc = sqlite3_backup_finish(l->copy->run); /* commits and syncs */
    l->copy->run = NULL;
    *ret_done = rc == SQLITE_OK;
    return rc == SQLITE_OK ? PHI_OK : phi_fail(err, PHI_EIO, "copying the store failed: %s", sqlite3_errstr(rc));
}

static enum phi_rc look(sqlite3 *db, struct phi_err *err)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL) != SQLITE_OK)
        return lite_failed(db, err);
    bool row = sqlite3_step(st) == SQLITE_ROW;
    const char *said = row ? (const char *)sqlite3_column_text(st, 0) : NULL;
    enum phi_rc rc = said && sqlite3_stricmp(said, "ok") == 0
                         ? PHI_OK
                         : phi_fail(err, PHI_ECORRUPT, "the store's file is damaged: %.100s", said ? said : sqlite3_errmsg(db));
    sqlite3_finalize(st);
    return rc;
}

enum phi_rc phi_store_sqlite_check(const char *path, struct phi_err *err)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    enum phi_rc rc = sqlite3_open_v2(path, &db, flags, NULL) == SQLITE_OK &&
                             sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK
                         ? look(db, err)
                         : lite_failed(db, err);
    sqlite3_close(db);
    return rc;
}
