/* What a ticket must look like: `*` any text, `#` a number. All states at once, so no text makes it slow. */
#include "policy/bundle.h"

bool phi_pattern_fits(struct phi_view pattern, struct phi_view text)
{
    uint64_t at = 1, end = 1ULL << pattern.n; /* bit i: what is before pattern[i] has fitted */
    if (pattern.n > CEDAR_MAX_PATTERN)
        return false;
    for (size_t t = 0; t <= text.n; t++) {
        for (size_t i = 0; i < pattern.n; i++) /* a star may stand for nothing */
            if (pattern.p[i] == '*' && (at >> i & 1))
                at |= 2ULL << i;
        if (t == text.n)
            return (at & end) != 0;
        uint64_t next = 0;
        bool digit = text.p[t] >= '0' && text.p[t] <= '9';
        for (size_t i = 0; i < pattern.n; i++) {
            if (!(at >> i & 1))
                continue;
            if (pattern.p[i] == '*')
                next |= 1ULL << i;
            else if (pattern.p[i] == '#')
                next |= digit ? 3ULL << i : 0;
            else if (pattern.p[i] == text.p[t])
                next |= 2ULL << i;
        }
        at = next;
    }
    return false;
}
