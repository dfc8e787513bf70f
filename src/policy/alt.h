/* Alternatives: which sets of requirements would do. A disjunction of conjunctions without negation,
 * kept minimal: no alternative holds another. */
#ifndef POLICY_ALT_H
#define POLICY_ALT_H

#include "base/arena.h"

#define CEDAR_MAX_REQUIREMENTS 256 /* of one bundle, its obligations with them */
#define CEDAR_MAX_TERMS 256        /* alternatives on the way to an answer */

struct cedar_alt { /* a set of requirements by index; after them, of obligations */
    uint64_t w[CEDAR_MAX_REQUIREMENTS / 64];
};

struct cedar_alts { /* n == 0: nothing would do. One empty alternative: it is met already */
    const struct cedar_alt *p;
    size_t n;
    bool over; /* too many to tell, and not surely met */
};

void cedar_alt_add(struct cedar_alt *alt, size_t requirement);
bool cedar_alt_has(const struct cedar_alt *alt, size_t requirement);
void cedar_alt_join(struct cedar_alt *alt, const struct cedar_alt *more);
size_t cedar_alt_count(const struct cedar_alt *alt);
bool cedar_alt_meets(const struct cedar_alt *a, const struct cedar_alt *b); /* some are in both */
/* Some are below `n`; what is at `n` or above dropped. */
bool cedar_alt_below(const struct cedar_alt *alt, size_t n);
void cedar_alt_cut(struct cedar_alt *alt, size_t n);

struct cedar_alts cedar_alts_bool(bool b);
/* All of `alt` but what is met. */
struct cedar_alts cedar_alts_one(struct phi_arena *a, const struct cedar_alt *alt,
                                 const struct cedar_alt *met);
struct cedar_alts cedar_alts_or(struct phi_arena *a, struct cedar_alts x, struct cedar_alts y);
struct cedar_alts cedar_alts_and(struct phi_arena *a, struct cedar_alts x, struct cedar_alts y);
bool cedar_alts_true(struct cedar_alts x);
bool cedar_alts_false(struct cedar_alts x);
/* With these, one alternative is met. */
bool cedar_alts_hold(struct cedar_alts x, const struct cedar_alt *given);
/* Each cut at `n`, and minimal again. */
struct cedar_alts cedar_alts_cut(struct phi_arena *a, struct cedar_alts x, size_t n);
bool cedar_alts_eq(struct cedar_alts x, struct cedar_alts y);

#endif
