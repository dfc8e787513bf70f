#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void phi_buf_init(struct phi_buf *b, size_t max)
{
    *b = (struct phi_buf){ .max = max };
}

void phi_buf_done(struct phi_buf *b)
{
    free(b->p);
    *b = (struct phi_buf){ .max = b->max };
}

void phi_buf_wipe(struct phi_buf *b)
{
    if (b->p)
        phi_wipe(b->p, b->cap);
    phi_buf_done(b);
}

void phi_buf_clear(struct phi_buf *b)
{
    b->n = 0;
    b->bad = false;
}

static bool grow(struct phi_buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->n + n)
        cap = cap > b->max / 2 ? b->n + n : cap * 2;
    uint8_t *p = realloc(b->p, cap + 1); /* one more for phi_buf_str */
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

uint8_t *phi_buf_more(struct phi_buf *b, size_t n)
{
    if (b->bad || n > b->max - b->n || ((n > b->cap - b->n || !b->p) && !grow(b, n))) {
        b->bad = true;
        return NULL;
    }
    return b->p + b->n;
}

void phi_buf_commit(struct phi_buf *b, size_t n)
{
    b->n += n;
}

const char *phi_buf_str(struct phi_buf *b)
{
    if (b->bad || !phi_buf_room(b, 0))
        return "";
    b->p[b->n] = 0;
    return (const char *)b->p;
}

static void add_number(struct phi_buf *b, uint64_t v, size_t bytes)
{
    uint8_t be[8];
    for (size_t i = 0; i < bytes; i++)
        be[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    phi_buf_add(b, phi_view_mem(be, bytes));
}

void phi_buf_add16(struct phi_buf *b, uint16_t v)
{
    add_number(b, v, 2);
}

void phi_buf_add32(struct phi_buf *b, uint32_t v)
{
    add_number(b, v, 4);
}

void phi_buf_add64(struct phi_buf *b, uint64_t v)
{
    add_number(b, v, 8);
}

void phi_buf_put32(struct phi_buf *b, size_t at, uint32_t v)
{
    if (b->bad || b->n < 4 || at > b->n - 4) {
        b->bad = true;
        return;
    }
    for (int i = 0; i < 4; i++)
        b->p[at + (size_t)i] = (uint8_t)(v >> (24 - 8 * i));
}

void phi_buf_printf(struct phi_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    uint8_t *p = n < 0 ? NULL : phi_buf_room(b, (size_t)n + 1);
    if (p) {
        (void)vsnprintf((char *)p, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    } else {
        b->bad = true;
    }
    va_end(again);
}

void phi_buf_drop(struct phi_buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    if (n)
        memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
