#include "base/view.h"

#include <string.h>

int phi_view_cmp(struct phi_view a, struct phi_view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool phi_view_starts(struct phi_view a, struct phi_view prefix)
{
    return phi_view_eq(phi_view_upto(a, prefix.n), prefix);
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct phi_view phi_view_trim(struct phi_view v)
{
    while (v.n && blank(v.p[0]))
        v = phi_view_from(v, 1);
    while (v.n && blank(v.p[v.n - 1]))
        v.n--;
    return v;
}

bool phi_view_split(struct phi_view *rest, uint8_t sep, struct phi_view *ret)
{
    if (!rest->n)
        return false;
    const uint8_t *at = memchr(rest->p, sep, rest->n);
    size_t n = at ? (size_t)(at - rest->p) : rest->n;
    *ret = phi_view_upto(*rest, n);
    *rest = phi_view_from(*rest, n + 1);
    return true;
}

bool phi_view_int(struct phi_view v, int64_t *ret)
{
    bool minus = v.n && v.p[0] == '-';
    size_t i = minus;
    if (i == v.n)
        return false;
    int64_t sum = 0; /* kept negative: the negative range is the larger one */
    for (; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, (int64_t)(v.p[i] - '0'), &sum))
            return false;
    }
    if (!minus && __builtin_sub_overflow((int64_t)0, sum, &sum))
        return false;
    *ret = sum;
    return true;
}
