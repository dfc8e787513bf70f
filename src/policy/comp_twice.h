#ifndef POLICY_COMP_TWICE_H
#define POLICY_COMP_TWICE_H

#include "policy/policy.h"

/* Aborts when the compiled evaluator does not give `answer`, which the tree walker gave. */
void comp_twice(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                const struct phi_answer *answer);

#endif
