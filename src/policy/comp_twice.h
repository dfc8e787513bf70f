#ifndef POLICY_COMP_TWICE_H
#define POLICY_COMP_TWICE_H

#include "policy/plain.h"

/* Aborts when the compiled evaluator does not give `answer`, which the tree walker gave. */
void comp_twice(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                const struct phi_answer *answer);

/* The other way round: aborts when the tree walker does not give `answer`, which a world gave. */
void comp_twice_ask(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                    const struct phi_answer *answer);

/* Likewise for Cedar's own answer. */
void comp_twice_plain(const struct cedar_env *env, const struct cedar_policies *policies,
                      const struct cedar_plain_answer *answer);

#endif
