#include "gateway/sql_memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Marks that a process may set; the others are for the gateway to decide. */
#define CHILD_FLAGS                                                                                                    \
    (GW_SQL_TXN_BEGIN | GW_SQL_TXN_SET | GW_SQL_TXN_COMMIT | GW_SQL_TXN_ROLLBACK | GW_SQL_TXN_SAVEPOINT |             \
     GW_SQL_TXN_CHAIN | GW_SQL_SETS | GW_SQL_PREPARE | GW_SQL_EXECUTE | GW_SQL_DEALLOCATE | GW_SQL_DECLARE |          \
     GW_SQL_FETCH | GW_SQL_CLOSE | GW_SQL_COPY_IN | GW_SQL_COPY_OUT | GW_SQL_WRITES | GW_SQL_DDL | GW_SQL_CALLS |     \
     GW_SQL_HELD_CURSOR | GW_SQL_PARAMS | GW_SQL_WHERE | GW_SQL_NO_WHERE)

struct reader {
    struct phi_view v;
    bool bad;
};

static uint32_t number(struct reader *r, size_t bytes)
{
    if (r->v.n < bytes) {
        r->bad = true;
        return 0;
    }
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | r->v.p[i];
    r->v = phi_view_from(r->v, bytes);
    return n;
}

static struct phi_view text(struct reader *r, size_t most)
{
    size_t n = number(r, 2);
    struct phi_view v = phi_view_upto(r->v, n);
    if (n > most || v.n != n || !phi_utf8_ok(v) || (n && memchr(v.p, 0, n))) {
        r->bad = true;
        return (struct phi_view){ 0 };
    }
    r->v = phi_view_from(r->v, n);
    return v;
}

static void read_ref(struct reader *r, struct sql_ref *ref)
{
    *ref = (struct sql_ref){ 0 };
    ref->kind = (uint8_t)number(r, 1);
    ref->acts = (uint16_t)number(r, 2);
    ref->schema = text(r, SQL_MAX_NAME);
    ref->name = text(r, ref->kind == SQL_TARGET ? SQL_MAX_TEXT : SQL_MAX_NAME);
    bool named = ref->name.n || ref->kind == SQL_TARGET;
    if (ref->kind < SQL_REL || ref->kind > SQL_TARGET || !ref->acts || ref->acts >> SQL_ACT_N || !named)
        r->bad = true;
}

/* Fills `s` (without its references' storage); the references go to refs[*at…] when refs is given. */
static void read_stmt(struct reader *r, size_t text_len, struct raw_stmt *s, struct sql_ref *refs, size_t *at)
{
    s->start = number(r, 4);
    s->len = number(r, 4);
    s->flags = number(r, 4);
    s->tag = text(r, SQL_MAX_TEXT);
    s->name = text(r, SQL_MAX_NAME);
    s->refuse = text(r, SQL_MAX_TEXT);
    s->n = number(r, 2);
    if (s->start > text_len || s->len > text_len - s->start || s->flags & ~(uint32_t)CHILD_FLAGS || s->n > SQL_MAX_REFS)
        r->bad = true;
    s->refs = refs ? refs + *at : NULL;
    for (size_t i = 0; i < s->n && !r->bad; i++) {
        struct sql_ref one;
        read_ref(r, &one);
        if (refs)
            refs[*at] = one;
        ++*at;
    }
}

static struct gw_sql_raw *make(size_t stmts, size_t refs, struct phi_view copy, struct phi_view *ret)
{
    size_t m = sizeof(struct sql_memo), a = sizeof(struct gw_sql_raw) + m, b = stmts * sizeof(struct raw_stmt), c = refs * sizeof(struct sql_ref);
    uint8_t *p = calloc(1, a + b + c + copy.n + 1);
    if (!p)
        return NULL;
    struct gw_sql_raw *raw = (struct gw_sql_raw *)(void *)p;
    raw->holders = 1;
    raw->n = stmts;
    raw->memo = (struct sql_memo *)(void *)(p + a - m);
    raw->stmts = (struct raw_stmt *)(void *)(p + a);
    if (copy.n)
        memcpy(p + a + b + c, copy.p, copy.n);
    *ret = phi_view_mem(p + a + b + c, copy.n);
    return raw;
}

static struct gw_sql_raw *read_error(struct phi_view reply)
{
    struct phi_view copy;
    struct gw_sql_raw *raw = make(0, 0, reply, &copy);
    struct reader r = { .v = phi_view_from(copy, 1) };
    if (!raw)
        return NULL;
    if (r.v.n < 5)
        r.bad = true;
    else
        memcpy(raw->sqlstate, r.v.p, 5);
    for (size_t i = 0; i < 5 && !r.bad; i++)
        r.bad = !(raw->sqlstate[i] >= '0' && raw->sqlstate[i] <= '9');
    r.v = phi_view_from(r.v, 5);
    raw->cursor = number(&r, 4);
    raw->error = text(&r, SQL_MAX_TEXT);
    if (r.bad || r.v.n || !raw->error.n) {
        free(raw);
        return NULL;
    }
    return raw;
}

static bool depends_on_literals(const struct raw_stmt *s)
{
    static const char *const tags[] = { "SELECT", "INSERT", "UPDATE", "DELETE" };
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (phi_view_is(s->tag, tags[i]))
            return s->refuse.n || s->name.n;
    return true;
}

struct gw_sql_raw *sql_raw_read(struct phi_view reply, size_t text_len)
{
    if (reply.n && reply.p[0] == SQL_ERROR)
        return read_error(reply);
    if (reply.n < 3 || reply.p[0] != SQL_OK)
        return NULL;
    size_t n = (size_t)reply.p[1] << 8 | reply.p[2], refs = 0;
    struct reader r = { .v = phi_view_from(reply, 3), .bad = n > SQL_MAX_STMTS };
    for (size_t i = 0; i < n && !r.bad; i++) {
        struct raw_stmt s;
        read_stmt(&r, text_len, &s, NULL, &refs);
    }
    if (r.bad || r.v.n)
        return NULL;
    struct phi_view copy;
    struct gw_sql_raw *raw = make(n, refs, reply, &copy);
    if (!raw)
        return NULL;
    struct sql_ref *space = (struct sql_ref *)(void *)(raw->stmts + n);
    r = (struct reader){ .v = phi_view_from(copy, 3) };
    refs = 0;
    for (size_t i = 0; i < n; i++)
        read_stmt(&r, text_len, &raw->stmts[i], space, &refs);
    raw->ok = !r.bad;
    raw->whole = n == 1 && !depends_on_literals(&raw->stmts[0]);
    return raw;
}

struct gw_sql_raw *sql_raw_error(const char *sqlstate, const char *message)
{
    struct phi_view copy;
    struct gw_sql_raw *raw = make(0, 0, phi_view_upto(phi_view_of(message), SQL_MAX_TEXT), &copy);
    if (!raw)
        return NULL;
    memcpy(raw->sqlstate, sqlstate, 5);
    raw->error = copy;
    return raw;
}

struct gw_sql_raw *gw_sql_raw_hold(struct gw_sql_raw *raw)
{
    if (raw)
        raw->holders++;
    return raw;
}

void gw_sql_raw_drop(struct gw_sql_raw *raw)
{
    if (!raw || --raw->holders)
        return;
    sql_memo_done(raw->memo);
    free(raw);
}
