/* Cedar's own answer, without requirements and alternatives: the measure that the three-way answer
 * is tested against, and the one that conformance data speaks of. Knows no unknowns. */
#ifndef POLICY_PLAIN_H
#define POLICY_PLAIN_H

#include "policy/eval.h"

enum cedar_plain { CEDAR_SATISFIED, CEDAR_UNSATISFIED, CEDAR_ERROR };

/* Evaluates scope and conditions of one policy. */
enum cedar_plain cedar_plain_policy(const struct cedar_env *env, const struct cedar_policy *p);

struct cedar_plain_answer {
    bool allow;              /* Cedar: an erroring policy counts for nothing */
    bool allow_strict;       /* phi: an erroring forbid denies */
    enum cedar_plain *each;  /* one for each policy, in order; in the arena of env */
};
enum phi_rc cedar_plain_decide(const struct cedar_env *env, const struct cedar_policies *policies,
                               struct cedar_plain_answer *ret, struct phi_err *err);

#endif
