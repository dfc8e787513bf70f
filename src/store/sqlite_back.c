/* Writing the log (WAL) back into the file, and its blocks.
 *
 * Pages are written back once however often they have changed, and each time costs three syncs: so under load it waits for 8 MB (at
 * 2 MB a batch of 64 claims had 1.9 syncs, at 8 MB 1.2). So much takes 15 ms: a thread with a connection of its own writes it while
 * commits go on, and what they add meanwhile, little, is written back between two of them. Less than that is written back
 * while nobody waits.
 *
 * SQLite before 3.51.3 damages a file when one connection begins to write the log back where all of it is written back already, while
 * another commits and so begins the log anew (sqlite.org/wal.html, "the WAL-reset bug"). Here the thread begins only with
 * wal_pages > 0: something was committed since all was written back, so no commit can begin the log anew until the
 * thread has written back what it has found; and nothing else is written back before it is over. */
#include "store/lite_inner.h"

#include <sys/statvfs.h>

#include "base/logline.h"

enum { WAL_IDLE_PAGES = 100, WAL_BUSY_PAGES = 2000, WAL_MAX_PAGES = 4000 };

/* What a sync has failed to bring to the disk SQLite takes for written back: the log is kept, and written back whole by the next
 * start. Other failures are tried again. */
static void look_at(struct lite *l, int rc)
{
    bool lost = rc == SQLITE_IOERR_FSYNC, failed = rc != SQLITE_OK && rc != SQLITE_BUSY;
    if (lost) {
        l->back_lost = true;
        sqlite3_db_config(l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (failed && !l->back_failed)
        PHI_LOG(ERROR, "the store's log cannot be written back, and grows", "why", "%s: %s", sqlite3_errstr(rc),
                lost ? "start phid anew when the disk is well" : "it is tried again");
    l->back_failed = failed;
}

static void *thread_run(void *arg)
{
    struct lite *l = arg;
    sqlite3_file *f = NULL;
    l->back_rc = sqlite3_wal_checkpoint_v2(l->backer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    /* Where there is more by now SQLite leaves the sync to whoever writes that back. */
    if (l->back_rc == SQLITE_OK)
        l->back_rc = sqlite3_file_control(l->backer, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (l->back_rc == SQLITE_OK)
        l->back_rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
    atomic_store(&l->back_done, true);
    return NULL;
}

static bool thread_begins(struct lite *l)
{
    l->back_done = false;
    l->back_behind = false;
    l->back_runs = pthread_create(&l->back_thread, NULL, thread_run, l) == 0;
    return l->back_runs;
}

void lite_back_wait(struct lite *l)
{
    if (!l->back_runs)
        return;
    pthread_join(l->back_thread, NULL);
    l->back_runs = false;
    look_at(l, l->back_rc);
}

/* All of it, or what the thread has left. */
static void write_back(struct lite *l)
{
    bool rest = true;
    if (l->back_runs) {
        lite_back_wait(l);
        rest = l->back_behind || l->back_rc != SQLITE_OK;
    }
    if (rest && !l->back_lost)
        look_at(l, sqlite3_wal_checkpoint_v2(l->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
    l->wal_pages = 0; /* the next commit says how many there are */
}

int lite_wal_grew(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct lite *l = ctx;
    (void)db;
    (void)name;
    l->wal_pages = pages;
    l->back_behind = true;
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
    if (l->back_runs) {
        if (atomic_load(&l->back_done))
            write_back(l);
    } else if (l->wal_pages >= WAL_BUSY_PAGES) {
        if (l->back_lost || !thread_begins(l))
            write_back(l);
    } else if (!busy && l->wal_pages >= WAL_IDLE_PAGES) {
        write_back(l);
    } else if (!busy) {
        make_room(l);
    }
}
