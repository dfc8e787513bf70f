/* For tests that make policies up: choices from a seed, and the text that grows from them. */
#ifndef POLICY_GEN_TEST_H
#define POLICY_GEN_TEST_H

#include "base/buf.h"

struct gen {
    uint64_t seed;
    struct phi_buf *out;
};

static inline unsigned pick(struct gen *g, unsigned n)
{
    g->seed ^= g->seed << 13; /* xorshift64 */
    g->seed ^= g->seed >> 7;
    g->seed ^= g->seed << 17;
    return (unsigned)((g->seed >> 33) % n);
}

#endif
