#include "policy/alt.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = CEDAR_MAX_REQUIREMENTS / 64 };

static const struct cedar_alt nothing; /* the empty set of requirements */

void cedar_alt_add(struct cedar_alt *alt, size_t requirement)
{
    alt->w[requirement / 64] |= UINT64_C(1) << (requirement % 64);
}

bool cedar_alt_has(const struct cedar_alt *alt, size_t requirement)
{
    return (alt->w[requirement / 64] >> (requirement % 64)) & 1;
}

size_t cedar_alt_count(const struct cedar_alt *alt)
{
    size_t n = 0;
    for (int i = 0; i < WORDS; i++)
        n += (size_t)__builtin_popcountll(alt->w[i]);
    return n;
}

void cedar_alt_join(struct cedar_alt *alt, const struct cedar_alt *more)
{
    for (int i = 0; i < WORDS; i++)
        alt->w[i] |= more->w[i];
}

bool cedar_alt_meets(const struct cedar_alt *a, const struct cedar_alt *b)
{
    uint64_t both = 0;
    for (int i = 0; i < WORDS; i++)
        both |= a->w[i] & b->w[i];
    return both != 0;
}

void cedar_alt_cut(struct cedar_alt *alt, size_t n)
{
    for (size_t i = 0; i < WORDS; i++)
        alt->w[i] &= n >= 64 * (i + 1) ? UINT64_MAX : n <= 64 * i ? 0 : (UINT64_C(1) << n % 64) - 1;
}

bool cedar_alt_below(const struct cedar_alt *alt, size_t n)
{
    struct cedar_alt low = *alt;
    cedar_alt_cut(&low, n);
    return cedar_alt_count(&low) > 0;
}

static bool subset(const struct cedar_alt *a, const struct cedar_alt *of)
{
    for (int i = 0; i < WORDS; i++)
        if (a->w[i] & ~of->w[i])
            return false;
    return true;
}

bool cedar_alts_true(struct cedar_alts x)
{
    return x.n == 1 && subset(&x.p[0], &nothing);
}

bool cedar_alts_false(struct cedar_alts x)
{
    return x.n == 0 && !x.over;
}

struct cedar_alts cedar_alts_bool(bool b)
{
    return (struct cedar_alts){ .p = b ? &nothing : NULL, .n = b };
}

static struct cedar_alts over(void)
{
    return (struct cedar_alts){ .over = true };
}

struct cedar_alts cedar_alts_one(struct phi_arena *a, const struct cedar_alt *alt,
                                 const struct cedar_alt *met)
{
    if (subset(alt, met))
        return cedar_alts_bool(true);
    struct cedar_alt *own = phi_arena_new(a, struct cedar_alt);
    if (!own)
        return over();
    for (int i = 0; i < WORDS; i++)
        own->w[i] = alt->w[i] & ~met->w[i];
    return (struct cedar_alts){ .p = own, .n = 1 };
}

static int cmp(const void *x, const void *y)
{
    const struct cedar_alt *a = x, *b = y;
    size_t n = cedar_alt_count(a), m = cedar_alt_count(b);
    if (n != m)
        return n < m ? -1 : 1;
    for (int i = 0; i < WORDS; i++)
        if (a->w[i] != b->w[i]) { /* the lower requirement first */
            uint64_t low = (a->w[i] ^ b->w[i]) & (0 - (a->w[i] ^ b->w[i]));
            return a->w[i] & low ? -1 : 1;
        }
    return 0;
}

/* Sorts, and drops what holds another. `p` is changed. */
static struct cedar_alts minimal(struct cedar_alt *p, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(p, n, sizeof *p, cmp);
    for (size_t i = 0; i < n; i++) {
        bool needless = false;
        for (size_t k = 0; k < kept && !needless; k++)
            needless = subset(&p[k], &p[i]);
        if (!needless)
            p[kept++] = p[i];
    }
    return kept > CEDAR_MAX_TERMS ? over() : (struct cedar_alts){ .p = p, .n = kept };
}

struct cedar_alts cedar_alts_or(struct phi_arena *a, struct cedar_alts x, struct cedar_alts y)
{
    if (cedar_alts_true(x) || cedar_alts_false(y))
        return x;
    if (cedar_alts_true(y) || cedar_alts_false(x))
        return y;
    struct cedar_alt *p = phi_arena_array(a, x.n + y.n, sizeof *p);
    if (x.over || y.over || !p)
        return over();
    memcpy(p, x.p, x.n * sizeof *p);
    memcpy(p + x.n, y.p, y.n * sizeof *p);
    return minimal(p, x.n + y.n);
}

struct cedar_alts cedar_alts_and(struct phi_arena *a, struct cedar_alts x, struct cedar_alts y)
{
    if (cedar_alts_false(x) || cedar_alts_true(y))
        return x;
    if (cedar_alts_false(y) || cedar_alts_true(x))
        return y;
    struct cedar_alt *p = x.over || y.over ? NULL : phi_arena_array(a, x.n * y.n, sizeof *p);
    if (!p)
        return over();
    for (size_t i = 0; i < x.n; i++)
        for (size_t k = 0; k < y.n; k++)
            for (int w = 0; w < WORDS; w++)
                p[i * y.n + k].w[w] = x.p[i].w[w] | y.p[k].w[w];
    return minimal(p, x.n * y.n);
}

bool cedar_alts_hold(struct cedar_alts x, const struct cedar_alt *given)
{
    for (size_t i = 0; i < x.n; i++)
        if (subset(&x.p[i], given))
            return true;
    return false;
}

struct cedar_alts cedar_alts_cut(struct phi_arena *a, struct cedar_alts x, size_t n)
{
    struct cedar_alt *p = x.over ? NULL : phi_arena_array(a, x.n + 1, sizeof *p);
    if (!p)
        return over();
    for (size_t i = 0; i < x.n; i++) {
        p[i] = x.p[i];
        cedar_alt_cut(&p[i], n);
    }
    return minimal(p, x.n);
}

bool cedar_alts_eq(struct cedar_alts x, struct cedar_alts y)
{
    return x.n == y.n && x.over == y.over && (x.n == 0 || memcmp(x.p, y.p, x.n * sizeof *x.p) == 0);
}
