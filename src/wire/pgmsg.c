#include "wire/pg.h"

#include <string.h>

size_t pg_begin(struct phi_buf *b, uint8_t type)
{
    size_t at = b->n;
    phi_buf_addc(b, type);
    phi_buf_add32(b, 0);
    return at;
}

void pg_end(struct phi_buf *b, size_t at)
{
    size_t len = b->n - at - 1;
    if (b->bad)
        return;
    if (len > INT32_MAX)
        b->bad = true;
    else
        phi_buf_put32(b, at + 1, (uint32_t)len);
}

void pg_add_str(struct phi_buf *b, struct phi_view s)
{
    if (s.n > 0 && memchr(s.p, 0, s.n) != NULL)
        b->bad = true;
    phi_buf_add(b, s);
    phi_buf_addc(b, 0);
}

void pg_add_empty(struct phi_buf *b, uint8_t type)
{
    pg_end(b, pg_begin(b, type));
}

void pg_add_body(struct phi_buf *b, uint8_t type, struct phi_view body)
{
    size_t at = pg_begin(b, type);
    phi_buf_add(b, body);
    pg_end(b, at);
}

void pg_add_query(struct phi_buf *b, struct phi_view sql)
{
    size_t at = pg_begin(b, 'Q');
    pg_add_str(b, sql);
    pg_end(b, at);
}

void pg_add_execute(struct phi_buf *b, struct phi_view portal, uint32_t max_rows)
{
    size_t at = pg_begin(b, 'E');
    pg_add_str(b, portal);
    phi_buf_add32(b, max_rows);
    pg_end(b, at);
}

void pg_add_status(struct phi_buf *b, struct phi_view name, struct phi_view value)
{
    size_t at = pg_begin(b, 'S');
    pg_add_str(b, name);
    pg_add_str(b, value);
    pg_end(b, at);
}

void pg_add_ready(struct phi_buf *b, uint8_t state)
{
    size_t at = pg_begin(b, 'Z');
    phi_buf_addc(b, state);
    pg_end(b, at);
}

void pg_add_backend_key(struct phi_buf *b, uint32_t pid, uint32_t key)
{
    size_t at = pg_begin(b, 'K');
    phi_buf_add32(b, pid);
    phi_buf_add32(b, key);
    pg_end(b, at);
}

void pg_add_auth(struct phi_buf *b, uint32_t code, struct phi_view data)
{
    size_t at = pg_begin(b, 'R');
    phi_buf_add32(b, code);
    phi_buf_add(b, data);
    pg_end(b, at);
}

void pg_add_cancel(struct phi_buf *b, uint32_t pid, uint32_t key)
{
    phi_buf_add32(b, 16);
    phi_buf_add32(b, 80877102U);
    phi_buf_add32(b, pid);
    phi_buf_add32(b, key);
}

void pg_add_ssl_request(struct phi_buf *b)
{
    phi_buf_add32(b, 8);
    phi_buf_add32(b, 80877103U);
}

void pg_add_startup(struct phi_buf *b, const struct phi_view *pairs, size_t n)
{
    size_t at = b->n;
    phi_buf_add32(b, 0);
    phi_buf_add32(b, PG_PROTOCOL_3);
    for (size_t i = 0; i < 2 * n; i++)
        pg_add_str(b, pairs[i]);
    phi_buf_addc(b, 0);
    if (!b->bad)
        phi_buf_put32(b, at, (uint32_t)(b->n - at));
}

/* Texts may quote what came from outside; a NUL would end the field early. */
static void add_field(struct phi_buf *b, uint8_t code, struct phi_view v)
{
    if (v.n == 0)
        return;
    phi_buf_addc(b, code);
    for (size_t i = 0; i < v.n; i++)
        phi_buf_addc(b, v.p[i] == 0 ? ' ' : v.p[i]);
    phi_buf_addc(b, 0);
}

void pg_add_report(struct phi_buf *b, uint8_t type, const struct pg_report *r)
{
    size_t at = pg_begin(b, type);
    add_field(b, 'S', phi_view_of(r->severity));
    add_field(b, 'V', phi_view_of(r->severity));
    add_field(b, 'C', phi_view_of(r->sqlstate));
    add_field(b, 'M', r->message);
    add_field(b, 'D', r->detail);
    add_field(b, 'H', r->hint);
    if (r->position != 0) {
        phi_buf_addc(b, 'P');
        phi_buf_printf(b, "%u", r->position);
        phi_buf_addc(b, 0);
    }
    phi_buf_addc(b, 0);
    pg_end(b, at);
}
