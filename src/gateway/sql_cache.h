/* Answers kept by what stays of a text when its literals are taken out. */
#ifndef GATEWAY_SQL_CACHE_H
#define GATEWAY_SQL_CACHE_H

#include "gateway/sql_raw.h"

struct sql_cache;

struct sql_cache *sql_cache_open(void);
void sql_cache_close(struct sql_cache *c); /* NULL is fine */
/* Borrowed, or NULL. */
struct gw_sql_raw *sql_cache_get(struct sql_cache *c, struct phi_view sql);
/* Keeps `raw` if what it says holds for every text of the same skeleton. */
void sql_cache_put(struct sql_cache *c, struct phi_view sql, struct gw_sql_raw *raw);
size_t sql_cache_count(const struct sql_cache *c);

#endif
