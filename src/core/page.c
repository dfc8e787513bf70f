#include "core/page_in.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

#define CHUNK 100
#define CURSOR_MAX (PHI_MAX_NAME + 32)

struct at { /* a place in the walk: behind the row `id` of a part; "": at its beginning */
    size_t part;
    struct phi_view id;
};

static enum phi_rc cursor_read(struct phi_core *c, struct phi_arena *a, const struct core_walk *w, struct phi_view text,
                               struct at *ret, struct phi_err *err)
{
    PHI_BUF(b, CURSOR_MAX);
    *ret = (struct at){ 0 };
    if (!text.n)
        return PHI_OK;
    bool ok = text.n <= 2 * CURSOR_MAX && phi_b64u_read(text, &b) && b.n > 2 && b.n < CURSOR_MAX && b.p[0] >= '0' && b.p[1] == '.';
    if (!ok || (size_t)(b.p[0] - '0') >= w->n_parts)
        return core_no(c, "cursor.unknown", err, PHI_EINPUT, "\"cursor\" is not the `next` of an earlier answer of this list");
    ret->part = (size_t)(b.p[0] - '0');
    ret->id = phi_arena_copy(a, phi_view_from(phi_buf_view(&b), 2));
    for (size_t i = 0; i < ret->id.n; i++)
        if (ret->id.p[i] <= ' ' || ret->id.p[i] > '~')
            return core_no(c, "cursor.unknown", err, PHI_EINPUT, "\"cursor\" is not the `next` of an earlier answer of this list");
    return PHI_OK;
}

static struct phi_view cursor_write(struct phi_arena *a, const struct at *at)
{
    PHI_BUF(plain, CURSOR_MAX);
    PHI_BUF(text, 2 * CURSOR_MAX);
    phi_buf_printf(&plain, "%zu." PHI_FMT, at->part, PHI_ARG(at->id));
    phi_b64u_add(&text, phi_buf_view(&plain));
    return phi_arena_copy(a, phi_buf_view(&text));
}

struct walking {
    const struct core_walk *w;
    struct phi_page *page;
    struct at at;
    int64_t taken, looked;
    bool full;
};

/* Where a row of the walk's table has the index's n-th column. */
static size_t column_at(const struct core_walk *w, size_t n)
{
    const struct core_table_def *d = core_table_of(w->table);
    return d->cols[d->index[w->ix].cols[n]].at;
}

/* From where the walk goes on. */
static const void *edge(const struct walking *k, struct phi_arena *a)
{
    const struct core_walk *w = k->w;
    size_t size = core_table_of(w->table)->size;
    char *row = phi_arena_alloc(a, size);
    if (!row)
        return NULL;
    if (w->key)
        memcpy(row, w->key, size);
    if (w->prefix)
        *(int64_t *)(void *)(row + column_at(w, w->prefix - 1)) = k->at.part == 0;
    *(struct phi_view *)(void *)(row + column_at(w, w->prefix)) = k->at.id;
    return row;
}

static enum phi_rc rows_take(struct walking *k, const char *rows, size_t n, struct phi_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *row = rows + i * core_table_of(k->w->table)->size;
        struct phi_view id = *(const struct phi_view *)(const void *)(row + column_at(k->w, k->w->prefix));
        bool taken = false;
        if (k->at.id.n && phi_view_eq(id, k->at.id))
            continue; /* the span has its edge in it */
        if (k->taken == k->page->limit || k->looked == PHI_SEARCH_LOOKS) {
            k->full = true;
            return PHI_OK;
        }
        PHI_TRY(k->w->take(k->w->ctx, row, &taken, err));
        k->taken += taken;
        k->looked++;
        k->at.id = id;
    }
    return PHI_OK;
}

static enum phi_rc part_walk(struct phi_core *c, struct phi_arena *a, struct walking *k, struct phi_err *err)
{
    const struct core_walk *w = k->w;
    size_t n;
    do {
        struct core_span span = { .prefix = w->prefix, .limit = CHUNK, .last_first = !w->rising, .at_least = w->rising && k->at.id.n, .at_most = !w->rising && k->at.id.n };
        const void *key = edge(k, a);
        char *rows;
        if (!key)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        PHI_TRY(core_list(c, w->table, w->ix, key, span, a, &rows, &n, err));
        PHI_TRY(rows_take(k, rows, n, err));
    } while (n == CHUNK && !k->full);
    return PHI_OK;
}

enum phi_rc core_page_walk(struct phi_core *c, struct phi_arena *a, const struct core_walk *w, struct phi_page *page,
                           struct phi_err *err)
{
    struct walking k = { .w = w, .page = page };
    if (page->limit < 1 || page->limit > PHI_PAGE_MAX)
        page->limit = PHI_PAGE_MAX;
    page->next = (struct phi_view){ 0 };
    PHI_TRY(cursor_read(c, a, w, page->after, &k.at, err));
    for (;;) {
        PHI_TRY(part_walk(c, a, &k, err));
        if (k.full || k.at.part + 1 == w->n_parts)
            break;
        k.at = (struct at){ .part = k.at.part + 1 };
    }
    if (k.full)
        page->next = cursor_write(a, &k.at);
    return PHI_OK;
}
