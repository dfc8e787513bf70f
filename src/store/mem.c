#include "store/mem.h"

#include <stdlib.h>
#include <string.h>

struct table {
    void **rows; /* sorted by primary key */
    size_t n, cap;
};

/* How to undo, newest last. */
struct undo {
    enum core_table table;
    void *before; /* to put back, or NULL */
    void *after;  /* to take away, or NULL */
};

struct mem {
    struct phi_store store;
    struct table table[CORE_TABLES];
    struct undo *log;
    size_t n_log, cap_log, mark;
    bool open, marked;
    int64_t calls, fail_at;
};

/* ---- rows */

static int cmp_column(const struct core_column *c, const void *x, const void *y)
{
    if (c->kind == CORE_INT) {
        int64_t a = core_row_int(x, c), b = core_row_int(y, c);
        return (a > b) - (a < b);
    }
    return phi_view_cmp(core_row_text(x, c), core_row_text(y, c));
}

static int cmp_index(const struct core_table_def *d, int ix, size_t prefix, const void *x, const void *y)
{
    const struct core_index *index = &d->index[ix];
    for (size_t i = 0; i < prefix && i < (size_t)index->n; i++) {
        int r = cmp_column(&d->cols[index->cols[i]], x, y);
        if (r)
            return r;
    }
    return 0;
}

static int cmp_key(const struct core_table_def *d, int ix, const void *x, const void *y)
{
    return cmp_index(d, ix, CORE_INDEX_COLS, x, y);
}

static void *row_copy(const struct core_table_def *d, const void *row)
{
    size_t extra = 0;
    for (int i = 0; i < d->n_cols; i++)
        if (d->cols[i].kind != CORE_INT)
            extra += core_row_text(row, &d->cols[i]).n;
    char *p = malloc(d->size + extra), *at = p ? p + d->size : NULL;
    if (!p)
        return NULL;
    memcpy(p, row, d->size);
    for (int i = 0; i < d->n_cols; i++) {
        if (d->cols[i].kind == CORE_INT)
            continue;
        struct phi_view v = core_row_text(row, &d->cols[i]);
        if (v.n)
            memcpy(at, v.p, v.n);
        *(struct phi_view *)(void *)(p + d->cols[i].at) = phi_view_mem(at, v.n);
        at += v.n;
    }
    return p;
}

static bool row_out(const struct core_table_def *d, const void *row, struct phi_arena *a, void *ret)
{
    memcpy(ret, row, d->size);
    for (int i = 0; i < d->n_cols; i++)
        if (d->cols[i].kind != CORE_INT) {
            struct phi_view *v = (struct phi_view *)(void *)((char *)ret + d->cols[i].at);
            *v = phi_arena_copy(a, *v);
        }
    return phi_arena_ok(a);
}

/* Where the key is, or where it would stand. */
static size_t find(const struct table *t, const struct core_table_def *d, const void *key, bool *ret_there)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (cmp_key(d, 0, t->rows[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_there = lo < t->n && cmp_key(d, 0, t->rows[lo], key) == 0;
    return lo;
}

static bool insert(struct table *t, size_t at, void *row)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        void **rows = realloc(t->rows, cap * sizeof *rows);
        if (!rows)
            return false;
        t->rows = rows;
        t->cap = cap;
    }
    memmove(t->rows + at + 1, t->rows + at, (t->n - at) * sizeof *t->rows);
    t->rows[at] = row;
    t->n++;
    return true;
}

static void take(struct table *t, size_t at)
{
    memmove(t->rows + at, t->rows + at + 1, (t->n - at - 1) * sizeof *t->rows);
    t->n--;
}

/* ---- transactions */

static enum phi_rc counted(struct mem *m, struct phi_err *err)
{
    if (!m->open)
        return phi_fail(err, PHI_EIO, "no transaction is open");
    m->calls++;
    if (m->fail_at && m->calls >= m->fail_at)
        return phi_fail(err, PHI_EIO, "the store is gone");
    return PHI_OK;
}

static enum phi_rc remember(struct mem *m, enum core_table t, void *before, void *after, struct phi_err *err)
{
    if (m->n_log == m->cap_log) {
        size_t cap = m->cap_log ? 2 * m->cap_log : 64;
        struct undo *log = realloc(m->log, cap * sizeof *log);
        if (!log)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        m->log = log;
        m->cap_log = cap;
    }
    m->log[m->n_log++] = (struct undo){ t, before, after };
    return PHI_OK;
}

static void undo_to(struct mem *m, size_t to)
{
    while (m->n_log > to) {
        struct undo *u = &m->log[--m->n_log];
        const struct core_table_def *d = core_table_of(u->table);
        struct table *t = &m->table[u->table];
        bool there;
        size_t at;
        if (u->after) {
            at = find(t, d, u->after, &there);
            if (u->before)
                t->rows[at] = u->before;
            else
                take(t, at);
            free(u->after);
        } else {
            at = find(t, d, u->before, &there);
            insert(t, at, u->before); /* the room was there before */
        }
    }
}

static enum phi_rc mem_begin(void *self, struct phi_err *err)
{
    struct mem *m = self;
    if (m->open)
        return phi_fail(err, PHI_EIO, "a transaction is open already");
    m->open = true;
    m->n_log = 0;
    return PHI_OK;
}

static void mem_rollback(void *self)
{
    struct mem *m = self;
    undo_to(m, 0);
    m->open = m->marked = false;
}

static enum phi_rc mem_commit(void *self, struct phi_err *err)
{
    struct mem *m = self;
    PHI_TRY(counted(m, err));
    for (size_t i = 0; i < m->n_log; i++)
        free(m->log[i].before);
    m->n_log = 0;
    m->open = m->marked = false;
    return PHI_OK;
}

static enum phi_rc mem_mark(void *self, struct phi_err *err)
{
    struct mem *m = self;
    if (!m->open || m->marked)
        return phi_fail(err, PHI_EIO, "a savepoint is set already, or no transaction is open");
    m->mark = m->n_log;
    m->marked = true;
    return PHI_OK;
}

static enum phi_rc mem_unmark(void *self, struct phi_err *err)
{
    struct mem *m = self;
    if (!m->marked)
        return phi_fail(err, PHI_EIO, "no savepoint is set");
    m->marked = false;
    return PHI_OK;
}

static enum phi_rc mem_back(void *self, struct phi_err *err)
{
    struct mem *m = self;
    PHI_TRY(mem_unmark(self, err));
    undo_to(m, m->mark);
    return PHI_OK;
}

/* ---- writing */

static bool taken(const struct table *t, const struct core_table_def *d, const void *row, const void *but)
{
    for (int ix = 1; ix < d->n_index; ix++)
        for (size_t i = 0; d->index[ix].unique && i < t->n; i++)
            if (t->rows[i] != but && cmp_key(d, ix, t->rows[i], row) == 0)
                return true;
    return false;
}

static enum phi_rc mem_add(void *self, enum core_table which, const void *row, struct phi_err *err)
{
    struct mem *m = self;
    const struct core_table_def *d = core_table_of(which);
    struct table *t = &m->table[which];
    bool there;
    PHI_TRY(counted(m, err));
    size_t at = find(t, d, row, &there);
    if (there || taken(t, d, row, NULL))
        return phi_fail(err, PHI_ECONFLICT, "%s: the key is taken", d->name);
    void *copy = row_copy(d, row);
    if (!copy || remember(m, which, NULL, copy, err) != PHI_OK)
        return free(copy), phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!insert(t, at, copy)) {
        m->n_log--;
        return free(copy), phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    return PHI_OK;
}

static enum phi_rc replace(struct mem *m, enum core_table which, size_t at, const void *row, struct phi_err *err)
{
    void **slot = &m->table[which].rows[at], *copy = row_copy(core_table_of(which), row);
    if (!copy || remember(m, which, *slot, copy, err) != PHI_OK)
        return free(copy), phi_fail(err, PHI_ELIMIT, "out of memory");
    *slot = copy;
    return PHI_OK;
}

static enum phi_rc mem_set(void *self, enum core_table which, const void *row, struct phi_err *err)
{
    struct mem *m = self;
    const struct core_table_def *d = core_table_of(which);
    struct table *t = &m->table[which];
    bool there;
    PHI_TRY(counted(m, err));
    size_t at = find(t, d, row, &there);
    if (!there)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    const struct core_column *rev = d->rev >= 0 ? &d->cols[d->rev] : NULL;
    if (rev && core_row_int(t->rows[at], rev) != core_row_int(row, rev) - 1)
        return phi_fail(err, PHI_ECONFLICT, "%s: the row has changed meanwhile", d->name);
    if (taken(t, d, row, t->rows[at]))
        return phi_fail(err, PHI_ECONFLICT, "%s: the key is taken", d->name);
    return replace(m, which, at, row, err);
}

static enum phi_rc mem_del(void *self, enum core_table which, const void *key, struct phi_err *err)
{
    struct mem *m = self;
    const struct core_table_def *d = core_table_of(which);
    struct table *t = &m->table[which];
    bool there;
    PHI_TRY(counted(m, err));
    size_t at = find(t, d, key, &there);
    if (!there)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    PHI_TRY(remember(m, which, t->rows[at], NULL, err));
    take(t, at);
    return PHI_OK;
}

static enum phi_rc mem_spend(void *self, const void *next, struct phi_err *err)
{
    struct mem *m = self;
    const struct core_grant_row *to = next;
    const struct core_table_def *d = core_table_of(CORE_GRANT);
    struct table *t = &m->table[CORE_GRANT];
    bool there;
    PHI_TRY(counted(m, err));
    size_t at = find(t, d, next, &there);
    const struct core_grant_row *from = there ? t->rows[at] : NULL;
    if (!from || from->rev != to->rev - 1 || from->live != 1 || from->used != to->used - 1 ||
        (from->uses != 0 && from->used >= from->uses))
        return phi_fail(err, PHI_ECONFLICT, "grants: no use is left, or the row has changed meanwhile");
    return replace(m, CORE_GRANT, at, next, err);
}

/* ---- reading */

static enum phi_rc mem_get(void *self, enum core_table which, int ix, const void *key, struct phi_arena *a, void *ret,
                           struct phi_err *err)
{
    struct mem *m = self;
    const struct core_table_def *d = core_table_of(which);
    struct table *t = &m->table[which];
    const void *found = NULL;
    bool there = false;
    if (ix == 0) {
        size_t at = find(t, d, key, &there);
        found = there ? t->rows[at] : NULL;
    }
    for (size_t i = 0; ix > 0 && !found && i < t->n; i++)
        if (cmp_key(d, ix, t->rows[i], key) == 0)
            found = t->rows[i];
    if (!found)
        return phi_fail(err, PHI_ENOTFOUND, "%s: there is no such row", d->name);
    return row_out(d, found, a, ret) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static bool in_span(const struct core_table_def *d, int ix, const void *key, const struct core_span *s, const void *row)
{
    const struct core_index *index = &d->index[ix];
    if (s->prefix && cmp_index(d, ix, s->prefix, row, key) != 0)
        return false;
    if (!s->at_least && !s->at_most)
        return true;
    int r = cmp_column(&d->cols[index->cols[s->prefix]], row, key);
    return !(s->at_least && r < 0) && !(s->at_most && r > 0);
}

struct sorting {
    const struct core_table_def *d;
    int ix;
    bool down;
};

static int cmp_sorted(const void *x, const void *y, void *ctx)
{
    const struct sorting *s = ctx;
    const void *a = *(void *const *)x, *b = *(void *const *)y;
    int r = cmp_key(s->d, s->ix, a, b);
    if (r == 0)
        r = cmp_key(s->d, 0, a, b);
    return s->down ? -r : r;
}

static enum phi_rc list_out(const struct core_table_def *d, void **hits, size_t n, const struct core_span *s,
                            struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    size_t from = s->offset < 0 ? 0 : (size_t)s->offset, count = n > from ? n - from : 0;
    if (s->limit > 0 && count > (size_t)s->limit)
        count = (size_t)s->limit;
    char *out = phi_arena_array(a, count + 1, d->size);
    for (size_t i = 0; out && i < count; i++)
        row_out(d, hits[from + i], a, out + i * d->size);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "%s: the list is too long", d->name);
    *(void **)ret_rows = out;
    *ret_n = count;
    return PHI_OK;
}

static enum phi_rc mem_list(void *self, enum core_table which, int ix, const void *key, const struct core_span *span,
                            struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    struct mem *m = self;
    const struct core_table_def *d = core_table_of(which);
    struct table *t = &m->table[which];
    void **hits = malloc((t->n + 1) * sizeof *hits);
    size_t n = 0;
    if (!hits)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < t->n; i++)
        if (in_span(d, ix, key, span, t->rows[i]))
            hits[n++] = t->rows[i];
    struct sorting s = { d, ix, span->last_first };
    if (ix > 0 || span->last_first)
        qsort_r(hits, n, sizeof *hits, cmp_sorted, &s);
    enum phi_rc rc = list_out(d, hits, n, span, a, ret_rows, ret_n, err);
    free(hits);
    return rc;
}

/* ---- life */

static void mem_close(void *self)
{
    struct mem *m = self;
    mem_rollback(m);
    for (int t = 0; t < CORE_TABLES; t++) {
        for (size_t i = 0; i < m->table[t].n; i++)
            free(m->table[t].rows[i]);
        free(m->table[t].rows);
    }
    free(m->log);
    free(m);
}

static const struct phi_store_ops mem_ops = {
    .begin = mem_begin, .commit = mem_commit, .rollback = mem_rollback, .mark = mem_mark,   .unmark = mem_unmark,
    .back = mem_back,   .add = mem_add,       .set = mem_set,           .del = mem_del,     .get = mem_get,
    .list = mem_list,   .spend = mem_spend,   .close = mem_close,
};

struct phi_store *phi_store_mem_open(void)
{
    struct mem *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->store = (struct phi_store){ &mem_ops, m };
    return &m->store;
}

struct phi_store *phi_store_mem_copy(const struct phi_store *s)
{
    const struct mem *from = s->self;
    struct phi_store *copy = phi_store_mem_open();
    bool ok = copy != NULL;
    for (int t = 0; t < CORE_TABLES && ok; t++)
        for (size_t i = 0; i < from->table[t].n && ok; i++) {
            struct table *to = &((struct mem *)copy->self)->table[t];
            void *row = row_copy(core_table_of((enum core_table)t), from->table[t].rows[i]);
            ok = row && insert(to, i, row);
            if (!ok)
                free(row);
        }
    if (ok)
        return copy;
    phi_store_close(copy);
    return NULL;
}

void phi_store_mem_fail(struct phi_store *s, int64_t n)
{
    struct mem *m = s->self;
    m->fail_at = n ? m->calls + n : 0;
}

int64_t phi_store_mem_calls(const struct phi_store *s)
{
    return ((const struct mem *)s->self)->calls;
}

void phi_store_close(struct phi_store *s)
{
    if (s)
        s->ops->close(s->self);
}
