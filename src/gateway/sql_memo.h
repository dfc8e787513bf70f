/* The last facts that a raw answer was resolved to, kept with it: the same answer, catalogue, target and path give the
 * same actions. Only the statement's text differs, and is put in anew. */
#ifndef GATEWAY_SQL_MEMO_H
#define GATEWAY_SQL_MEMO_H

#include "gateway/sql_raw.h"

struct sql_memo {
    uint64_t catalog; /* serial number; 0: empty */
    uint64_t id;      /* of these facts; never used twice */
    uint64_t place;   /* as gw_sql_env has it */
    size_t key_n, size;
    uint8_t *block; /* the key, then a copy of the facts */
};

enum { SQL_MEMO_KEY = 512 };
/* Target and path as bytes; 0 when they do not fit. */
size_t sql_memo_key(const struct gw_sql_env *env, uint8_t key[SQL_MEMO_KEY]);
/* Borrowed until the next put, or NULL. */
const struct gw_sql_facts *sql_memo_peek(const struct sql_memo *m, const struct gw_sql_env *env);
/* A copy in `a`, or NULL. */
struct gw_sql_facts *sql_memo_get(const struct sql_memo *m, const struct gw_sql_env *env, struct phi_arena *a);
void sql_memo_put(struct sql_memo *m, const struct gw_sql_env *env, const struct gw_sql_facts *f);
void sql_memo_done(struct sql_memo *m);

#endif
