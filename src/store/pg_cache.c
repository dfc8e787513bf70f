#include "store/pg_cache.h"

#include <stdlib.h>
#include <string.h>

#define MOST_ROWS  256             /* answers of one table: few enough to look through */
#define MOST_LIST  16              /* rows of one list */
#define MOST_BYTES (16U << 20)     /* of all */

struct pg_kept {
    struct pg_kept *next;
    size_t bytes, n, key_n;
    uint32_t mark;
    int how;
    char *rows;
    uint8_t *key;
};

/* ---- questions */

static void put(struct pg_question *q, const void *p, size_t n, bool *fits)
{
    *fits = *fits && q->n + n <= sizeof q->key;
    if (!*fits)
        return;
    if (n)
        memcpy(q->key + q->n, p, n);
    q->n += n;
}

static void put_columns(struct pg_question *q, const struct core_table_def *d, int ix, int n, const void *key, bool *fits)
{
    for (int i = 0; i < n && i < d->index[ix].n; i++) {
        const struct core_column *c = &d->cols[d->index[ix].cols[i]];
        struct phi_view v = c->kind == CORE_INT ? (struct phi_view){ 0 } : core_row_text(key, c);
        int64_t x = c->kind == CORE_INT ? core_row_int(key, c) : (int64_t)v.n;
        put(q, &x, sizeof x, fits);
        put(q, v.p, v.n, fits);
    }
}

void pg_question_get(struct pg_question *q, enum core_table t, int ix, const void *key)
{
    bool fits = true;
    q->how = ix;
    q->n = 0;
    put_columns(q, core_table_of(t), ix, CORE_INDEX_COLS, key, &fits);
    q->n = fits ? q->n : 0;
}

void pg_question_list(struct pg_question *q, enum core_table t, int ix, const void *key, const struct core_span *s)
{
    int64_t form[] = { (int64_t)s->prefix, s->limit, s->last_first };
    bool fits = s->prefix > 0 && s->offset == 0 && !s->at_least && !s->at_most;
    q->how = -1 - ix;
    q->n = 0;
    put(q, form, sizeof form, &fits);
    if (fits)
        put_columns(q, core_table_of(t), ix, (int)s->prefix, key, &fits);
    q->n = fits ? q->n : 0;
}

/* ---- keeping */

static bool same(const struct pg_kept *k, const struct pg_question *q)
{
    return k->how == q->how && k->key_n == q->n && memcmp(k->key, q->key, q->n) == 0;
}

static void drop(struct pg_cache *c, enum core_table t, struct pg_kept **at)
{
    struct pg_kept *k = *at;
    *at = k->next;
    c->n[t]--;
    c->bytes -= k->bytes;
    free(k);
}

static void drop_table(struct pg_cache *c, enum core_table t)
{
    while (c->of[t])
        drop(c, t, &c->of[t]);
}

void pg_cache_clear(struct pg_cache *c)
{
    for (int t = 0; t < CORE_TABLES; t++)
        drop_table(c, (enum core_table)t);
}

bool pg_cache_find(const struct pg_cache *c, enum core_table t, const struct pg_question *q, const char **ret_rows, size_t *ret_n)
{
    const struct pg_kept *k = q->n ? c->of[t] : NULL;
    while (k && !same(k, q))
        k = k->next;
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

void pg_cache_keep(struct pg_cache *c, enum core_table t, const struct pg_question *q, const void *rows, size_t n)
{
    const struct core_table_def *d = core_table_of(t);
    size_t key_at = sizeof(struct pg_kept), rows_at = (key_at + q->n + 15) / 16 * 16;
    size_t bytes = rows_at + n * d->size + texts_size(d, rows, n);
    if (q->n == 0 || n > MOST_LIST || bytes > MOST_BYTES / 16)
        return;
    if (c->n[t] >= MOST_ROWS)
        drop_table(c, t);
    if (c->bytes + bytes > MOST_BYTES)
        pg_cache_clear(c);
    char *p = malloc(bytes);
    if (!p)
        return;
    struct pg_kept *k = (struct pg_kept *)(void *)p;
    *k = (struct pg_kept){ c->of[t], bytes, n, q->n, c->mark, q->how, p + rows_at, (uint8_t *)p + key_at };
    memcpy(k->key, q->key, q->n);
    if (n)
        memcpy(k->rows, rows, n * d->size);
    own_texts(d, k->rows, n);
    c->of[t] = k;
    c->n[t]++;
    c->bytes += bytes;
}

void pg_cache_changed(struct pg_cache *c, enum core_table t, const void *row, bool now)
{
    struct pg_question own, that;
    pg_question_get(&own, t, 0, row);
    for (struct pg_kept **k = &c->of[t]; *k;) {
        bool stays = (*k)->how >= 0 && (*k)->n == 1;
        if (stays) {
            pg_question_get(&that, t, 0, (*k)->rows);
            stays = that.n != own.n || memcmp(that.key, own.key, own.n) != 0;
        }
        if (stays)
            k = &(*k)->next;
        else
            drop(c, t, k);
    }
    if (now)
        pg_cache_keep(c, t, &own, row, 1);
}

void pg_cache_mark(struct pg_cache *c)
{
    c->mark++;
}

void pg_cache_back(struct pg_cache *c)
{
    for (int t = 0; t < CORE_TABLES; t++)
        for (struct pg_kept **k = &c->of[t]; *k;)
            if ((*k)->mark == c->mark)
                drop(c, (enum core_table)t, k);
            else
                k = &(*k)->next;
}
