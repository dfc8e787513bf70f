/* Borrowed bytes: a pointer and a length, not NUL-terminated, never owned.
 * A view lives as long as what it was made from. The zero view is the empty string. */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phi_view {
    const uint8_t *p;
    size_t n;
};

#define PHI_LIT(s) ((struct phi_view){ (const uint8_t *)("" s), sizeof(s) - 1 })
#define PHI_FMT "%.*s" /* printf a view: printf(PHI_FMT, PHI_ARG(v)) */
#define PHI_ARG(v) (int)(v).n, (const char *)((v).p ? (v).p : (const uint8_t *)"")

struct phi_view phi_view_of(const char *nul_terminated); /* NULL gives the empty view */
struct phi_view phi_view_mem(const void *p, size_t n);
bool phi_view_eq(struct phi_view a, struct phi_view b);          /* bytewise; not for secrets */
bool phi_view_is(struct phi_view a, const char *nul_terminated); /* likewise */
int phi_view_cmp(struct phi_view a, struct phi_view b);          /* memcmp order, shorter first */
bool phi_view_starts(struct phi_view a, struct phi_view prefix);
struct phi_view phi_view_from(struct phi_view v, size_t at); /* the rest; empty past the end */
struct phi_view phi_view_upto(struct phi_view v, size_t n);  /* the first n bytes, or all */
struct phi_view phi_view_trim(struct phi_view v);            /* without blanks at both ends */

/* Splits off what stands before the first `sep`; `rest` is moved past it. False when `rest` was
 * already empty. */
bool phi_view_split(struct phi_view *rest, uint8_t sep, struct phi_view *ret);

/* Decimal text, all of it, no sign but a leading '-', no blanks. False on overflow or other text. */
bool phi_view_int(struct phi_view v, int64_t *ret);

#endif
