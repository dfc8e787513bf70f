/* Borrowed bytes: a pointer and a length, not NUL-terminated, never owned.
 * A view lives as long as what it was made from. The zero view is the empty string. */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct phi_view {
    const uint8_t *p;
    size_t n;
};

#define PHI_LIT(s) ((struct phi_view){ (const uint8_t *)("" s), sizeof(s) - 1 })
#define PHI_FMT "%.*s" /* printf a view: printf(PHI_FMT, PHI_ARG(v)) */
#define PHI_ARG(v) (int)(v).n, (const char *)((v).p ? (v).p : (const uint8_t *)"")

/* These stand here because they run for every byte string that is looked at, mostly against literals. */
static inline struct phi_view phi_view_mem(const void *p, size_t n)
{
    return (struct phi_view){ (const uint8_t *)p, n };
}

static inline struct phi_view phi_view_of(const char *nul_terminated) /* NULL gives the empty view */
{
    return phi_view_mem(nul_terminated, nul_terminated ? strlen(nul_terminated) : 0);
}

static inline bool phi_view_eq(struct phi_view a, struct phi_view b) /* bytewise; not for secrets */
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool phi_view_is(struct phi_view a, const char *nul_terminated) /* likewise */
{
    return phi_view_eq(a, phi_view_of(nul_terminated));
}

static inline struct phi_view phi_view_from(struct phi_view v, size_t at) /* the rest; empty past the end */
{
    return at >= v.n ? (struct phi_view){ 0 } : phi_view_mem(v.p + at, v.n - at);
}

static inline struct phi_view phi_view_upto(struct phi_view v, size_t n) /* the first n bytes, or all */
{
    return phi_view_mem(v.p, n < v.n ? n : v.n);
}

int phi_view_cmp(struct phi_view a, struct phi_view b);          /* memcmp order, shorter first */
bool phi_view_starts(struct phi_view a, struct phi_view prefix);
struct phi_view phi_view_trim(struct phi_view v);            /* without blanks at both ends */

/* Splits off what stands before the first `sep`; `rest` is moved past it. False when `rest` was
 * already empty. */
bool phi_view_split(struct phi_view *rest, uint8_t sep, struct phi_view *ret);

/* Decimal text, all of it, no sign but a leading '-', no blanks. False on overflow or other text. */
bool phi_view_int(struct phi_view v, int64_t *ret);

#endif
