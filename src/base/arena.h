/* Allocation with a ceiling, freed at once. Out of memory is a value: the arena goes bad and stays
 * bad, phi_arena_alloc answers NULL from then on, and the caller checks `phi_arena_ok` once at the
 * end (or each pointer, as it likes). Not thread-safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/view.h"

struct phi_arena {
    size_t limit; /* most bytes it may hand out in all */
    size_t used;
    bool bad;
    struct phi_arena_block *head;
};

/* A local arena that frees itself at the end of its scope. */
#define PHI_ARENA(name, max)                                                                       \
    __attribute__((cleanup(phi_arena_done))) struct phi_arena name = { .limit = (max) }

void phi_arena_init(struct phi_arena *a, size_t limit);
void phi_arena_done(struct phi_arena *a);  /* frees all; the arena can be used again, empty */
void phi_arena_wipe(struct phi_arena *a);  /* likewise, overwritten first: it held a secret */
/* Empty and good again; its largest block is kept, so that what fitted before needs no allocation. */
void phi_arena_reset(struct phi_arena *a);
bool phi_arena_ok(const struct phi_arena *a);
void *phi_arena_alloc(struct phi_arena *a, size_t n); /* zeroed, aligned to 16; NULL when over */
void *phi_arena_array(struct phi_arena *a, size_t count, size_t size); /* checked product */
char *phi_arena_str(struct phi_arena *a, struct phi_view v); /* NUL-terminated copy, never NULL: "" when bad */
struct phi_view phi_arena_copy(struct phi_arena *a, struct phi_view v); /* empty when bad */
struct phi_view phi_arena_printf(struct phi_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* result is also NUL-terminated */

#define phi_arena_new(a, type) ((type *)phi_arena_alloc((a), sizeof(type)))

#endif
