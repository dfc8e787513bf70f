#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks are chained newest first; a large wish gets a block of its own. */
struct phi_arena_block {
    struct phi_arena_block *next;
    size_t size, used;
    _Alignas(16) uint8_t bytes[];
};

enum { BLOCK = 8 * 1024 - (int)sizeof(struct phi_arena_block), ALIGN = 16 };

void phi_arena_init(struct phi_arena *a, size_t limit)
{
    *a = (struct phi_arena){ .limit = limit };
}

void phi_arena_done(struct phi_arena *a)
{
    while (a->head) {
        struct phi_arena_block *b = a->head;
        a->head = b->next;
        free(b);
    }
    *a = (struct phi_arena){ .limit = a->limit };
}

void phi_arena_wipe(struct phi_arena *a)
{
    for (struct phi_arena_block *b = a->head; b; b = b->next)
        explicit_bzero(b->bytes, b->size);
    phi_arena_done(a);
}

void phi_arena_reset(struct phi_arena *a)
{
    struct phi_arena_block *most = a->head;
    for (struct phi_arena_block *b = most; b; b = b->next)
        if (b->size > most->size)
            most = b;
    while (a->head) {
        struct phi_arena_block *b = a->head;
        a->head = b->next;
        if (b != most)
            free(b);
    }
    *a = (struct phi_arena){ .limit = a->limit, .head = most };
    if (most) {
        most->next = NULL;
        most->used = 0;
    }
}

bool phi_arena_ok(const struct phi_arena *a)
{
    return !a->bad;
}

static struct phi_arena_block *block_add(struct phi_arena *a, size_t n)
{
    size_t size = n > BLOCK ? n : BLOCK;
    struct phi_arena_block *b = malloc(sizeof(*b) + size);
    if (!b)
        return NULL;
    b->size = size;
    b->used = 0;
    b->next = a->head;
    a->head = b;
    return b;
}

void *phi_arena_alloc(struct phi_arena *a, size_t n)
{
    size_t want = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->bad || want < n || want > a->limit - a->used) {
        a->bad = true;
        return NULL;
    }
    struct phi_arena_block *b = a->head;
    if (!b || want > b->size - b->used)
        b = block_add(a, want);
    if (!b) {
        a->bad = true;
        return NULL;
    }
    void *p = b->bytes + b->used;
    b->used += want;
    a->used += want;
    return memset(p, 0, want);
}

void *phi_arena_array(struct phi_arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n)) {
        a->bad = true;
        return NULL;
    }
    return phi_arena_alloc(a, n);
}

char *phi_arena_str(struct phi_arena *a, struct phi_view v)
{
    static char empty[1];
    char *s = v.n < SIZE_MAX ? phi_arena_alloc(a, v.n + 1) : NULL;
    if (!s) {
        a->bad = true;
        return empty;
    }
    if (v.n)
        memcpy(s, v.p, v.n);
    return s;
}

struct phi_view phi_arena_copy(struct phi_arena *a, struct phi_view v)
{
    char *s = phi_arena_str(a, v);
    return a->bad ? (struct phi_view){ 0 } : phi_view_mem(s, v.n);
}

struct phi_view phi_arena_printf(struct phi_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : phi_arena_alloc(a, (size_t)n + 1);
    if (s)
        (void)vsnprintf(s, (size_t)n + 1, fmt, again);
    else
        a->bad = true;
    va_end(again);
    return s ? phi_view_mem(s, (size_t)n) : PHI_LIT("");
}
