/* Two texts, a zero byte between: when the cache, knowing only the first, knows the second, then both are parsed to the
 * same. The parser runs in this process, so texts stay short. */
#include <stdlib.h>
#include <string.h>

#include "gateway/parser_child.h"
#include "gateway/sql_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 600 };

static struct gw_sql_raw *parse(struct phi_view sql)
{
    char text[LONGEST + 1];
    PHI_BUF(out, SQL_MAX_REPLY);
    memcpy(text, sql.p, sql.n);
    text[sql.n] = 0;
    parser_pack(text, &out);
    return sql_raw_read(phi_buf_view(&out), sql.n);
}

static void same(const struct gw_sql_raw *a, const struct gw_sql_raw *b, struct phi_view sql)
{
    if (!b->ok || b->n != 1 || a->stmts[0].n != b->stmts[0].n || a->stmts[0].flags != b->stmts[0].flags ||
        !phi_view_eq(a->stmts[0].tag, b->stmts[0].tag) ||
        !phi_view_eq(sql_raw_text(&a->stmts[0], sql), sql_raw_text(&b->stmts[0], sql)))
        abort();
    for (size_t i = 0; i < a->stmts[0].n; i++) {
        const struct sql_ref *x = &a->stmts[0].refs[i], *y = &b->stmts[0].refs[i];
        if (x->kind != y->kind || x->acts != y->acts || !phi_view_eq(x->schema, y->schema) || !phi_view_eq(x->name, y->name))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    if (!zero || size > LONGEST)
        return 0;
    struct phi_view first = phi_view_mem(data, (size_t)(zero - data)), second = phi_view_mem(zero + 1, size - first.n - 1);
    if (second.n && memchr(second.p, 0, second.n))
        return 0;
    struct sql_cache *cache = sql_cache_open();
    struct gw_sql_raw *a = first.n ? parse(first) : NULL;
    if (cache && a)
        sql_cache_put(cache, first, a);
    struct gw_sql_raw *known = cache ? sql_cache_get(cache, second) : NULL, *b = known ? parse(second) : NULL;
    if (known && !b)
        abort();
    if (known)
        same(known, b, second);
    gw_sql_raw_drop(b);
    gw_sql_raw_drop(a);
    sql_cache_close(cache);
    return 0;
}
