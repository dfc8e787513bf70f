/* A growing byte buffer with a hard maximum. Appending past it, or out of memory, makes the buffer
 * bad and leaves what it held; check `phi_buf_ok` once at the end. Owns its memory. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/view.h"

struct phi_buf {
    uint8_t *p;
    size_t n, cap, max;
    bool bad;
};

#define PHI_BUF(name, maximum)                                                                     \
    __attribute__((cleanup(phi_buf_done))) struct phi_buf name = { .max = (maximum) }

void phi_buf_init(struct phi_buf *b, size_t max);
void phi_buf_done(struct phi_buf *b); /* frees; stays usable, empty */
void phi_buf_wipe(struct phi_buf *b); /* overwrites, then empties; for secrets */
void phi_buf_clear(struct phi_buf *b); /* empties, keeps the memory, forgets badness */
static inline bool phi_buf_ok(const struct phi_buf *b)
{
    return !b->bad;
}
static inline struct phi_view phi_buf_view(const struct phi_buf *b) /* valid until the next append */
{
    return phi_view_mem(b->p, b->n);
}
const char *phi_buf_str(struct phi_buf *b); /* NUL-terminated (the NUL is not counted); "" when bad */

uint8_t *phi_buf_more(struct phi_buf *b, size_t n); /* as phi_buf_room, where there is no room yet */
static inline uint8_t *phi_buf_room(struct phi_buf *b, size_t n) /* n writable bytes at the end, NULL when over */
{
    return b->p && !b->bad && n <= b->cap - b->n && n <= b->max - b->n ? b->p + b->n : phi_buf_more(b, n);
}
void phi_buf_commit(struct phi_buf *b, size_t n);   /* n of them are now content */
static inline void phi_buf_add(struct phi_buf *b, struct phi_view v)
{
    uint8_t *p = v.n ? phi_buf_room(b, v.n) : NULL;
    if (!p)
        return;
    memcpy(p, v.p, v.n);
    b->n += v.n;
}
static inline void phi_buf_adds(struct phi_buf *b, const char *nul_terminated)
{
    phi_buf_add(b, phi_view_of(nul_terminated));
}
static inline void phi_buf_addc(struct phi_buf *b, uint8_t c)
{
    uint8_t *p = phi_buf_room(b, 1);
    if (!p)
        return;
    *p = c;
    b->n++;
}
void phi_buf_add16(struct phi_buf *b, uint16_t v); /* big-endian */
void phi_buf_add32(struct phi_buf *b, uint32_t v);
void phi_buf_add64(struct phi_buf *b, uint64_t v);
void phi_buf_put32(struct phi_buf *b, size_t at, uint32_t v); /* overwrites 4 bytes already there */
void phi_buf_printf(struct phi_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void phi_buf_drop(struct phi_buf *b, size_t n); /* removes the first n bytes */

#endif
