/* What the files of the SQLite driver share. */
#ifndef STORE_LITE_INNER_H
#define STORE_LITE_INNER_H

#include <sqlite3.h>

#include "store/sqlite.h"

#define LITE_INDEX 8
#define LITE_SHAPES ((CORE_INDEX_COLS + 1) * 8) /* prefix x at_least x at_most x last_first */

struct lite {
    struct phi_store store;
    sqlite3 *db;
    sqlite3_stmt *add[CORE_TABLES], *set[CORE_TABLES], *set_light[CORE_TABLES], *del[CORE_TABLES], *spend, *spend_light;
    sqlite3_stmt *get[CORE_TABLES][LITE_INDEX];
    sqlite3_stmt *list[CORE_TABLES][LITE_INDEX][LITE_SHAPES];
    sqlite3_stmt *begin, *commit, *mark, *unmark, *back;
    struct lite_copy *copy; /* one being made, or NULL */
    int wal_pages;          /* in the log, of which some may have been written back */
    int64_t wal_room;       /* bytes that its file has had at least */
};

/* ---- sqlite.c */
extern const struct phi_store_ops lite_ops;
enum phi_rc lite_failed(sqlite3 *db, struct phi_err *err);
void lite_close(void *self);
void lite_rollback(void *self);

/* ---- sqlite_open.c */
void lite_tidy(void *self, bool busy);

/* ---- sqlite_copy.c: the port's copy_… */
enum phi_rc lite_copy_begin(void *self, const char *path, struct phi_err *err);
enum phi_rc lite_copy_step(void *self, int pages, bool *ret_done, struct phi_err *err);
void lite_copy_end(void *self);

#endif
