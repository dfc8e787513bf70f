/* The three-way answer over any evaluator: the tree walker and the compiled one both give their
 * leaves to it. */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "policy/bundle.h"

struct cedar_deciding {
    const struct phi_bundle *b;
    struct phi_arena *arena;
    struct phi_view action; /* its id, for the reason */
    struct cedar_alt met;
    struct cedar_alt lacks; /* obligations that the enforcement point cannot meet */
    bool wordless; /* no reason in words is wanted */
    const void *leaf; /* given to the two below */
    /* What `e`, which holds no `met`, may be; and whether the scopes fit: of enum cedar_may. */
    unsigned (*bits)(const void *leaf, const struct cedar_expr *e);
    unsigned (*scope)(const void *leaf, const struct cedar_policy *p);
};

/* Fills `ret`, which holds a deny before. Policies that `index` leaves out count as not fitting in
 * scope. False when the arena is full. */
bool cedar_decide(const struct cedar_deciding *d, const struct cedar_index *index, struct phi_answer *ret);
void cedar_met_of(const struct phi_bundle *b, const struct phi_ask *ask, struct cedar_alt *ret);
void cedar_lacks_of(const struct phi_bundle *b, const struct phi_ask *ask, struct cedar_alt *ret);
/* The enforcement point can meet it. */
bool cedar_can(const struct phi_ask *ask, const struct phi_obligation *o);

#endif
