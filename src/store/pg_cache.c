#include "store/pg_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define MOST       8192        /* answers */
#define MOST_LIST  16          /* rows of one list */
#define MOST_BYTES (16U << 20) /* of all */

struct pg_tag {
    struct pg_tag *next;
    struct pg_kept *of;
    uint64_t hash;
};

struct pg_kept {
    struct pg_kept *older, *newer;
    size_t bytes, n, key_n;
    uint32_t mark;
    char *rows;
    uint8_t *key;
    size_t n_tags;
    struct pg_tag tags[]; /* the question's first */
};

/* ---- keys: what it is, of which table and index, and the columns' values */

enum what { A_ROW, A_GET, A_LIST, A_PLACE };

struct key {
    uint8_t b[512];
    size_t n;
    bool fits;
};

static void put(struct key *k, const void *p, size_t n)
{
    k->fits = k->fits && k->n + n <= sizeof k->b;
    if (!k->fits)
        return;
    if (n)
        memcpy(k->b + k->n, p, n);
    k->n += n;
}

static void key_of(struct key *k, enum what what, enum core_table t, int ix, int n, const void *row)
{
    const struct core_table_def *d = core_table_of(t);
    uint8_t head[] = { (uint8_t)what, (uint8_t)t, (uint8_t)ix, (uint8_t)n };
    k->n = 0;
    k->fits = true;
    put(k, head, sizeof head);
    for (int i = 0; i < n && i < d->index[ix].n; i++) {
        const struct core_column *c = &d->cols[d->index[ix].cols[i]];
        struct phi_view v = c->kind == CORE_INT ? (struct phi_view){ 0 } : core_row_text(row, c);
        int64_t x = c->kind == CORE_INT ? core_row_int(row, c) : (int64_t)v.n;
        put(k, &x, sizeof x);
        put(k, v.p, v.n);
    }
}

/* What does not fit counts by its beginning: then more is forgotten than need be. */
static uint64_t tag_of(enum what what, enum core_table t, int ix, int n, const void *row)
{
    struct key k;
    key_of(&k, what, t, ix, n, row);
    return phi_map_hash(phi_view_mem(k.b, k.n));
}

static void question_of(struct pg_question *q, const struct key *k)
{
    q->n = k->fits ? k->n : 0;
    memcpy(q->key, k->b, q->n);
}

void pg_question_get(struct pg_question *q, enum core_table t, int ix, const void *key)
{
    struct key k;
    key_of(&k, A_GET, t, ix, core_table_of(t)->index[ix].n, key);
    q->ix = ix;
    q->prefix = -1;
    question_of(q, &k);
}

void pg_question_list(struct pg_question *q, enum core_table t, int ix, const void *key, const struct core_span *s)
{
    int64_t form[] = { s->limit, s->last_first };
    struct key k;
    key_of(&k, A_LIST, t, ix, (int)s->prefix, key);
    put(&k, form, sizeof form);
    k.fits = k.fits && s->offset == 0 && !s->at_least && !s->at_most;
    q->ix = ix;
    q->prefix = (int)s->prefix;
    question_of(q, &k);
}

static uint64_t question_tag(const struct pg_question *q)
{
    return phi_map_hash(phi_view_mem(q->key, q->n));
}

/* ---- keeping */

static struct pg_tag **bucket_of(struct pg_cache *c, uint64_t hash)
{
    return &c->bucket[hash % PG_CACHE_BUCKETS];
}

static void untag(struct pg_cache *c, const struct pg_tag *tag)
{
    struct pg_tag **at = bucket_of(c, tag->hash);
    while (*at != tag)
        at = &(*at)->next;
    *at = tag->next;
}

static void drop(struct pg_cache *c, struct pg_kept *k)
{
    for (size_t i = 0; i < k->n_tags; i++)
        untag(c, &k->tags[i]);
    *(k->older ? &k->older->newer : &c->oldest) = k->newer;
    *(k->newer ? &k->newer->older : &c->newest) = k->older;
    c->n--;
    c->bytes -= k->bytes;
    free(k);
}

static void drop_tagged(struct pg_cache *c, uint64_t hash)
{
    struct pg_tag *tag = *bucket_of(c, hash);
    while (tag) {
        bool is = tag->hash == hash;
        if (is)
            drop(c, tag->of);
        tag = is ? *bucket_of(c, hash) : tag->next; /* others of this bucket may have gone with it */
    }
}

void pg_cache_clear(struct pg_cache *c)
{
    while (c->oldest)
        drop(c, c->oldest);
}

static struct pg_kept *found(const struct pg_cache *c, const struct pg_question *q)
{
    uint64_t hash = question_tag(q);
    for (const struct pg_tag *t = c->bucket[hash % PG_CACHE_BUCKETS]; t; t = t->next)
        if (t->hash == hash && t->of->key_n == q->n && memcmp(t->of->key, q->key, q->n) == 0)
            return t->of;
    return NULL;
}

bool pg_cache_find(const struct pg_cache *c, const struct pg_question *q, const char **ret_rows, size_t *ret_n)
{
    const struct pg_kept *k = q->n ? found(c, q) : NULL;
    if (!k)
        return false;
    *ret_rows = k->rows;
    *ret_n = k->n;
    return true;
}

static size_t texts_size(const struct core_table_def *d, const char *rows, size_t n)
{
    size_t sum = 0;
    for (size_t r = 0; r < n; r++)
        for (int i = 0; i < d->n_cols; i++)
            if (d->cols[i].kind != CORE_INT)
                sum += core_row_text(rows + r * d->size, &d->cols[i]).n;
    return sum;
}

/* The copies' texts stand behind them. */
static void own_texts(const struct core_table_def *d, char *rows, size_t n)
{
    char *at = rows + n * d->size;
    for (size_t r = 0; r < n; r++)
        for (int i = 0; i < d->n_cols; i++) {
            if (d->cols[i].kind == CORE_INT)
                continue;
            struct phi_view *v = (struct phi_view *)(void *)(rows + r * d->size + d->cols[i].at);
            if (v->n)
                memcpy(at, v->p, v->n);
            *v = phi_view_mem(at, v->n);
            at += v->n;
        }
}

static void tag(struct pg_cache *c, struct pg_kept *k, uint64_t hash)
{
    struct pg_tag **at = bucket_of(c, hash), *one = &k->tags[k->n_tags++];
    *one = (struct pg_tag){ *at, k, hash };
    *at = one;
}

static void tag_all(struct pg_cache *c, struct pg_kept *k, enum core_table t, const struct pg_question *q)
{
    const struct core_table_def *d = core_table_of(t);
    tag(c, k, question_tag(q));
    for (size_t i = 0; i < k->n; i++)
        tag(c, k, tag_of(A_ROW, t, 0, d->index[0].n, k->rows + i * d->size));
    if (q->prefix >= 0)
        c->lists[t] |= 1ULL << (q->ix * (CORE_INDEX_COLS + 1) + q->prefix);
}

static struct pg_kept *kept_make(const struct core_table_def *d, const struct pg_question *q, const void *rows, size_t n)
{
    size_t key_at = sizeof(struct pg_kept) + (n + 2) * sizeof(struct pg_tag), rows_at = (key_at + q->n + 15) / 16 * 16;
    size_t bytes = rows_at + n * d->size + texts_size(d, rows, n);
    char *p = bytes <= MOST_BYTES / 16 ? malloc(bytes) : NULL;
    if (!p)
        return NULL;
    struct pg_kept *k = (struct pg_kept *)(void *)p;
    *k = (struct pg_kept){ .bytes = bytes, .n = n, .key_n = q->n, .rows = p + rows_at, .key = (uint8_t *)p + key_at };
    memcpy(k->key, q->key, q->n);
    if (n)
        memcpy(k->rows, rows, n * d->size);
    own_texts(d, k->rows, n);
    return k;
}

void pg_cache_keep(struct pg_cache *c, enum core_table t, const struct pg_question *q, const void *key, const void *rows, size_t n)
{
    if (q->n == 0 || n > MOST_LIST)
        return;
    struct pg_kept *same = found(c, q), *k = kept_make(core_table_of(t), q, rows, n);
    if (same)
        drop(c, same);
    if (!k)
        return;
    while (c->oldest && (c->n >= MOST || c->bytes + k->bytes > MOST_BYTES))
        drop(c, c->oldest);
    tag_all(c, k, t, q);
    if (q->prefix >= 0)
        tag(c, k, tag_of(A_PLACE, t, q->ix, q->prefix, key));
    k->mark = c->mark;
    k->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = k;
    c->newest = k;
    c->n++;
    c->bytes += k->bytes;
}

void pg_cache_deleted(struct pg_cache *c, enum core_table t, const void *key)
{
    drop_tagged(c, tag_of(A_ROW, t, 0, core_table_of(t)->index[0].n, key));
}

void pg_cache_changed(struct pg_cache *c, enum core_table t, const void *row)
{
    const struct core_table_def *d = core_table_of(t);
    struct pg_question own;
    pg_cache_deleted(c, t, row);
    for (int ix = 0; ix < d->n_index; ix++) {
        struct pg_question q;
        if (d->index[ix].unique)
            pg_question_get(&q, t, ix, row);
        if (d->index[ix].unique && q.n)
            drop_tagged(c, question_tag(&q));
        for (int n = 0; n <= d->index[ix].n; n++)
            if (c->lists[t] >> (ix * (CORE_INDEX_COLS + 1) + n) & 1)
                drop_tagged(c, tag_of(A_PLACE, t, ix, n, row));
    }
    pg_question_get(&own, t, 0, row);
    pg_cache_keep(c, t, &own, row, row, 1);
}

void pg_cache_mark(struct pg_cache *c)
{
    c->mark++;
}

void pg_cache_back(struct pg_cache *c)
{
    while (c->newest && c->newest->mark == c->mark)
        drop(c, c->newest);
}
