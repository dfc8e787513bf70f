/* What the PostgreSQL driver has read or written and nobody else can have changed since: every transaction that writes
 * holds one lock and leaves its number in the head row, so whoever finds there the number of its own last commit is alone. */
#ifndef STORE_PG_CACHE_H
#define STORE_PG_CACHE_H

#include "core/ports.h"

#define PG_CACHE_BUCKETS 8192

struct pg_kept;
struct pg_tag; /* what a change is recognised by: an answer's question, its rows' keys, where in an index it stands */
struct pg_cache {
    struct pg_kept *oldest, *newest;
    struct pg_tag *bucket[PG_CACHE_BUCKETS];
    uint64_t lists[CORE_TABLES]; /* which kinds of lists were ever kept: a bit for each index and prefix */
    size_t n, bytes;
    uint32_t mark; /* what is kept now bears this number */
};

/* The question: an index and the values of its columns, or a whole list. */
struct pg_question {
    int ix, prefix; /* prefix below 0: one row by a unique index */
    uint8_t key[512];
    size_t n; /* 0: too long to be kept */
};

void pg_question_get(struct pg_question *q, enum core_table t, int ix, const void *key);
void pg_question_list(struct pg_question *q, enum core_table t, int ix, const void *key, const struct core_span *span);

/* The rows that answer it, with texts of the cache's own, until the cache changes. False: not known. */
bool pg_cache_find(const struct pg_cache *c, const struct pg_question *q, const char **ret_rows, size_t *ret_n);
/* `key`: a row that has the question's columns. */
void pg_cache_keep(struct pg_cache *c, enum core_table t, const struct pg_question *q, const void *key, const void *rows, size_t n);
/* This row is being added or changed: what its old form answered, and where it stands from now on, is forgotten; it is kept. */
void pg_cache_changed(struct pg_cache *c, enum core_table t, const void *row);
void pg_cache_deleted(struct pg_cache *c, enum core_table t, const void *key); /* only the primary key of it is looked at */
void pg_cache_mark(struct pg_cache *c);
void pg_cache_back(struct pg_cache *c); /* what was kept since the mark is forgotten */
void pg_cache_clear(struct pg_cache *c);

#endif
