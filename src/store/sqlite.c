/* The verbs of the store's port over SQLite. */
#include "store/lite_inner.h"

#include <stdlib.h>
#include <string.h>

/* ---- errors */

enum phi_rc lite_failed(sqlite3 *db, struct phi_err *err)
{
    int code = sqlite3_extended_errcode(db);
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return phi_fail(err, PHI_ECONFLICT, "the key is taken");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return phi_fail(err, PHI_ECORRUPT, "the store's file is damaged: %s", sqlite3_errmsg(db));
    case SQLITE_FULL:
        return phi_fail(err, PHI_EIO, "the disk of the store is full");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return phi_fail(err, PHI_ECONFLICT, "another process holds the store's file");
    case SQLITE_NOMEM:
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    return phi_fail(err, PHI_EIO, "the store failed: %s (%d)", sqlite3_errmsg(db), code);
}

static enum phi_rc failed(struct lite *l, struct phi_err *err)
{
    return lite_failed(l->db, err);
}

/* ---- SQL from the description of the tables; column i is always parameter i + 1 */

static void sql_columns(struct phi_buf *b, const struct core_table_def *d)
{
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s%s", i ? ", " : "", d->cols[i].name);
}

static void sql_where(struct phi_buf *b, const struct core_table_def *d, int ix, int n)
{
    const struct core_index *index = &d->index[ix];
    for (int i = 0; i < n && i < index->n; i++)
        phi_buf_printf(b, "%s%s = ?%d", i ? " AND " : " WHERE ", d->cols[index->cols[i]].name, index->cols[i] + 1);
}

static bool in_key(const struct core_table_def *d, int col)
{
    for (int i = 0; i < d->index[0].n; i++)
        if (d->index[0].cols[i] == col)
            return true;
    return false;
}

static void sql_add(struct phi_buf *b, const struct core_table_def *d)
{
    phi_buf_printf(b, "INSERT INTO %s (", d->name);
    sql_columns(b, d);
    phi_buf_adds(b, ") VALUES (");
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s?%d", i ? ", " : "", i + 1);
    phi_buf_addc(b, ')');
}

static bool in_index(const struct core_table_def *d, int col)
{
    for (int ix = 1; ix < d->n_index; ix++)
        for (int i = 0; i < d->index[ix].n; i++)
            if (d->index[ix].cols[i] == col)
                return true;
    return false;
}

/* The light form is for a row whose indexed columns stay as they are, and meets no other: SQLite writes every index anew
 * of which a column stands after SET, whether it changes or not. */
static void sql_set(struct phi_buf *b, const struct core_table_def *d, bool light)
{
    int n = 0;
    phi_buf_printf(b, "UPDATE %s SET ", d->name);
    for (int i = 0; i < d->n_cols; i++)
        if (!in_key(d, i) && !(light && in_index(d, i)))
            phi_buf_printf(b, "%s%s = ?%d", n++ ? ", " : "", d->cols[i].name, i + 1);
    if (n == 0) /* all of it is key: nothing can change, but the row must be there */
        phi_buf_printf(b, "%s = %s", d->cols[0].name, d->cols[0].name);
    sql_where(b, d, 0, CORE_INDEX_COLS);
    for (int i = 0; light && i < d->n_cols; i++)
        if (!in_key(d, i) && in_index(d, i))
            phi_buf_printf(b, " AND +%s = ?%d", d->cols[i].name, i + 1); /* + : not to be looked up by */
    if (d->rev >= 0)
        phi_buf_printf(b, " AND rev = ?%d - 1", d->rev + 1);
}

static void sql_list(struct phi_buf *b, const struct core_table_def *d, int ix, const struct core_span *s)
{
    const struct core_index *index = &d->index[ix];
    phi_buf_adds(b, "SELECT ");
    sql_columns(b, d);
    phi_buf_printf(b, " FROM %s", d->name);
    sql_where(b, d, ix, (int)s->prefix);
    for (int edge = 0; edge < 2; edge++)
        if (edge ? s->at_most : s->at_least) {
            int col = index->cols[s->prefix];
            bool first = s->prefix == 0 && !(edge && s->at_least);
            phi_buf_printf(b, " %s %s %s ?%d", first ? "WHERE" : "AND", d->cols[col].name, edge ? "<=" : ">=", col + 1);
        }
    const char *dir = s->last_first ? " DESC" : "";
    for (int i = 0; i < index->n; i++)
        phi_buf_printf(b, "%s%s%s", i ? ", " : " ORDER BY ", d->cols[index->cols[i]].name, dir);
    for (int i = 0; ix > 0 && i < d->index[0].n; i++)
        phi_buf_printf(b, ", %s%s", d->cols[d->index[0].cols[i]].name, dir);
    phi_buf_printf(b, " LIMIT ?%d OFFSET ?%d", d->n_cols + 1, d->n_cols + 2);
}

static sqlite3_stmt *prepared(struct lite *l, sqlite3_stmt **slot, struct phi_buf *sql, struct phi_err *err)
{
    if (!*slot && (!phi_buf_ok(sql) || sqlite3_prepare_v3(l->db, (const char *)sql->p, (int)sql->n,
                                                          SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK))
        failed(l, err);
    return *slot;
}

/* ---- binding and reading */

static int bind_column(sqlite3_stmt *st, const struct core_column *c, int at, const void *row)
{
    if (c->kind == CORE_INT)
        return sqlite3_bind_int64(st, at, core_row_int(row, c));
    struct phi_view v = core_row_text(row, c);
    const char *p = v.n ? (const char *)v.p : ""; /* NULL would bind NULL */
    return c->kind == CORE_TEXT ? sqlite3_bind_text64(st, at, p, v.n, SQLITE_STATIC, SQLITE_UTF8)
                                : sqlite3_bind_blob64(st, at, p, v.n, SQLITE_STATIC);
}

static bool bind_row(sqlite3_stmt *st, const struct core_table_def *d, const void *row)
{
    for (int i = 0; i < d->n_cols; i++)
        if (bind_column(st, &d->cols[i], i + 1, row) != SQLITE_OK)
            return false;
    return true;
}

static bool bind_key(sqlite3_stmt *st, const struct core_table_def *d, int ix, int n, const void *key)
{
    const struct core_index *index = &d->index[ix];
    for (int i = 0; i < n && i < index->n; i++)
        if (bind_column(st, &d->cols[index->cols[i]], index->cols[i] + 1, key) != SQLITE_OK)
            return false;
    return true;
}

static void read_row(sqlite3_stmt *st, const struct core_table_def *d, struct phi_arena *a, void *ret)
{
    for (int i = 0; i < d->n_cols; i++) {
        void *at = (char *)ret + d->cols[i].at;
        if (d->cols[i].kind == CORE_INT) {
            *(int64_t *)at = sqlite3_column_int64(st, i);
            continue;
        }
        const void *p = sqlite3_column_blob(st, i); /* UTF-8 text reads as its bytes */
        int n = sqlite3_column_bytes(st, i);
        *(struct phi_view *)at = phi_arena_copy(a, phi_view_mem(p, p ? (size_t)n : 0));
    }
}

/* Steps a statement that gives no rows, or one that does not matter. */
static enum phi_rc run(struct lite *l, sqlite3_stmt *st, struct phi_err *err)
{
    int rc = sqlite3_step(st);
    enum phi_rc ret = rc == SQLITE_DONE || rc == SQLITE_ROW ? PHI_OK : failed(l, err);
    sqlite3_reset(st);
    return ret;
}

/* ---- verbs */

static enum phi_rc fixed(struct lite *l, sqlite3_stmt **slot, const char *text, struct phi_err *err)
{
    PHI_BUF(sql, 64);
    if (!*slot)
        phi_buf_adds(&sql, text);
    sqlite3_stmt *st = prepared(l, slot, &sql, err);
    return st ? run(l, st, err) : PHI_EIO;
}

static enum phi_rc lite_begin(void *self, struct phi_err *err)
{
    return fixed(self, &((struct lite *)self)->begin, "BEGIN IMMEDIATE", err);
}

static enum phi_rc lite_commit(void *self, struct phi_err *err)
{
    return fixed(self, &((struct lite *)self)->commit, "COMMIT", err);
}

void lite_rollback(void *self)
{
    struct lite *l = self;
    if (!sqlite3_get_autocommit(l->db))
        sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum phi_rc lite_mark(void *self, struct phi_err *err)
{
    return fixed(self, &((struct lite *)self)->mark, "SAVEPOINT one", err);
}

static enum phi_rc lite_unmark(void *self, struct phi_err *err)
{
    return fixed(self, &((struct lite *)self)->unmark, "RELEASE one", err);
}

static enum phi_rc lite_back(void *self, struct phi_err *err)
{
    PHI_TRY(fixed(self, &((struct lite *)self)->back, "ROLLBACK TO one", err));
    return lite_unmark(self, err);
}

static enum phi_rc lite_add(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct lite *l = self;
    const struct core_table_def *d = core_table_of(t);
    PHI_BUF(sql, 4096);
    if (!l->add[t])
        sql_add(&sql, d);
    sqlite3_stmt *st = prepared(l, &l->add[t], &sql, err);
    if (!st || !bind_row(st, d, row))
        return failed(l, err);
    return run(l, st, err);
}

/* Which of "not there" and "changed meanwhile" an update that met no row means. */
static enum phi_rc no_row(struct lite *l, enum core_table t, const void *row, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    const struct core_table_def *d = core_table_of(t);
    void *there = phi_arena_alloc(&a, d->size);
    if (d->rev >= 0 && there && l->store.ops->get(l, t, 0, row, &a, there, NULL) == PHI_OK)
        return phi_fail(err, PHI_ECONFLICT, "%s: the row has changed meanwhile", d->name);
    return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
}

static enum phi_rc set_once(struct lite *l, enum core_table t, const void *row, bool light, bool *ret_done, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    sqlite3_stmt **slot = light ? &l->set_light[t] : &l->set[t];
    PHI_BUF(sql, 8192);
    if (!*slot)
        sql_set(&sql, d, light);
    sqlite3_stmt *st = prepared(l, slot, &sql, err);
    int n = sqlite3_bind_parameter_count(st);
    for (int i = 0; st && i < d->n_cols && i < n; i++)
        if (bind_column(st, &d->cols[i], i + 1, row) != SQLITE_OK)
            return failed(l, err);
    if (!st)
        return failed(l, err);
    PHI_TRY(run(l, st, err));
    *ret_done = sqlite3_changes(l->db) == 1;
    return PHI_OK;
}

static enum phi_rc lite_set(void *self, enum core_table t, const void *row, struct phi_err *err)
{
    struct lite *l = self;
    bool done = false;
    if (core_table_of(t)->n_index > 1)
        PHI_TRY(set_once(l, t, row, true, &done, err));
    if (!done)
        PHI_TRY(set_once(l, t, row, false, &done, err));
    return done ? PHI_OK : no_row(l, t, row, err);
}

static enum phi_rc lite_del(void *self, enum core_table t, const void *key, struct phi_err *err)
{
    struct lite *l = self;
    const struct core_table_def *d = core_table_of(t);
    PHI_BUF(sql, 1024);
    if (!l->del[t]) {
        phi_buf_printf(&sql, "DELETE FROM %s", d->name);
        sql_where(&sql, d, 0, CORE_INDEX_COLS);
    }
    sqlite3_stmt *st = prepared(l, &l->del[t], &sql, err);
    if (!st || !bind_key(st, d, 0, CORE_INDEX_COLS, key))
        return failed(l, err);
    PHI_TRY(run(l, st, err));
    return sqlite3_changes(l->db) == 1 ? PHI_OK
                                       : phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
}

static enum phi_rc lite_get(void *self, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                            struct phi_err *err)
{
    struct lite *l = self;
    const struct core_table_def *d = core_table_of(t);
    PHI_BUF(sql, 4096);
    if (!l->get[t][ix]) {
        phi_buf_adds(&sql, "SELECT ");
        sql_columns(&sql, d);
        phi_buf_printf(&sql, " FROM %s", d->name);
        sql_where(&sql, d, ix, CORE_INDEX_COLS);
    }
    sqlite3_stmt *st = prepared(l, &l->get[t][ix], &sql, err);
    if (!st || !bind_key(st, d, ix, CORE_INDEX_COLS, key))
        return failed(l, err);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        read_row(st, d, a, ret);
    enum phi_rc ok = rc == SQLITE_ROW    ? PHI_OK
                     : rc == SQLITE_DONE ? phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name)
                                         : failed(l, err);
    sqlite3_reset(st);
    return ok == PHI_OK && !phi_arena_ok(a) ? phi_fail(err, PHI_ELIMIT, "out of memory") : ok;
}

static sqlite3_stmt *list_stmt(struct lite *l, enum core_table t, int ix, const void *key, const struct core_span *s,
                               struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    size_t shape = s->prefix * 8 + s->at_least * 4U + s->at_most * 2U + s->last_first;
    bool edge = s->at_least || s->at_most;
    PHI_BUF(sql, 4096);
    if (!l->list[t][ix][shape])
        sql_list(&sql, d, ix, s);
    sqlite3_stmt *st = prepared(l, &l->list[t][ix][shape], &sql, err);
    bool ok = st && bind_key(st, d, ix, (int)s->prefix + edge, key) &&
              sqlite3_bind_int64(st, d->n_cols + 1, s->limit > 0 ? s->limit : -1) == SQLITE_OK &&
              sqlite3_bind_int64(st, d->n_cols + 2, s->offset) == SQLITE_OK;
    if (!ok)
        failed(l, err);
    return ok ? st : NULL;
}

struct rows { /* grows by copying the structs; their texts stay where they are in the arena */
    char *p;
    size_t n, max;
};

static bool rows_room(struct rows *r, struct phi_arena *a, size_t size)
{
    if (r->n < r->max)
        return true;
    size_t max = r->max ? 2 * r->max : 8;
    char *p = phi_arena_array(a, max, size);
    if (!p)
        return false;
    if (r->n)
        memcpy(p, r->p, r->n * size);
    r->p = p;
    r->max = max;
    return true;
}

static enum phi_rc lite_list(void *self, enum core_table t, int ix, const void *key, const struct core_span *span,
                             struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    struct lite *l = self;
    const struct core_table_def *d = core_table_of(t);
    struct rows r = { 0 };
    sqlite3_stmt *st = list_stmt(l, t, ix, key, span, err);
    int rc = SQLITE_ERROR;
    if (!st)
        return PHI_EIO;
    while (rows_room(&r, a, d->size) && (rc = sqlite3_step(st)) == SQLITE_ROW)
        read_row(st, d, a, r.p + d->size * r.n++);
    enum phi_rc ok = rc == SQLITE_DONE   ? PHI_OK
                     : !phi_arena_ok(a) ? phi_fail(err, PHI_ELIMIT, "%s: the list is too long", d->name)
                                         : failed(l, err);
    sqlite3_reset(st);
    if (ok == PHI_OK && !phi_arena_ok(a))
        ok = phi_fail(err, PHI_ELIMIT, "%s: the list is too long", d->name);
    *(void **)ret_rows = r.p;
    *ret_n = r.n;
    return ok;
}

static enum phi_rc spend_once(struct lite *l, const void *next, bool light, bool *ret_done, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(CORE_GRANT);
    sqlite3_stmt **slot = light ? &l->spend_light : &l->spend;
    PHI_BUF(sql, 8192);
    if (!*slot) {
        int used = 0;
        while (d->cols[used].at != offsetof(struct core_grant_row, used))
            used++;
        sql_set(&sql, d, light);
        phi_buf_printf(&sql, " AND live = 1 AND used = ?%d - 1 AND (uses = 0 OR used < uses) RETURNING used", used + 1);
    }
    sqlite3_stmt *st = prepared(l, slot, &sql, err);
    if (!st || !bind_row(st, d, next))
        return failed(l, err);
    int rc = sqlite3_step(st);
    *ret_done = rc == SQLITE_ROW && sqlite3_column_int64(st, 0) == ((const struct core_grant_row *)next)->used;
    if (rc == SQLITE_ROW)
        rc = sqlite3_step(st);
    enum phi_rc ok = rc == SQLITE_DONE ? PHI_OK : failed(l, err);
    sqlite3_reset(st);
    return ok;
}

static enum phi_rc lite_spend(void *self, const void *next, struct phi_err *err)
{
    bool done;
    PHI_TRY(spend_once(self, next, true, &done, err));
    if (!done)
        PHI_TRY(spend_once(self, next, false, &done, err));
    return done ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "grants: no use is left, or the row has changed meanwhile");
}

/* ---- life */

void lite_close(void *self)
{
    struct lite *l = self;
    sqlite3_stmt *st;
    lite_rollback(l);
    lite_copy_end(l);
    while ((st = sqlite3_next_stmt(l->db, NULL)))
        sqlite3_finalize(st);
    sqlite3_close(l->db);
    free(l);
}

const struct phi_store_ops lite_ops = {
    .begin = lite_begin, .commit = lite_commit, .rollback = lite_rollback, .mark = lite_mark, .unmark = lite_unmark,
    .back = lite_back,   .add = lite_add,       .set = lite_set,           .del = lite_del,   .get = lite_get,
    .list = lite_list,   .spend = lite_spend,   .close = lite_close,
    .tidy = lite_tidy,
    .copy_begin = lite_copy_begin, .copy_step = lite_copy_step, .copy_end = lite_copy_end,
};
