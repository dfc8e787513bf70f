/* Capabilities: what is known to be there where an expression stands, learnt from `has` and `hasTag`
 * that were true (cedar-spec, Cedar/Validation/Typechecker.lean). NULL: nothing. */
#ifndef POLICY_CAPS_H
#define POLICY_CAPS_H

#include "policy/syntax.h"

struct cedar_caps;

const struct cedar_caps *cedar_caps_learn(struct phi_arena *arena, const struct cedar_expr *has);
/* What `a` or `b` knows; `both` false: what each of them knows. NULL too when the arena is full. */
const struct cedar_caps *cedar_caps_join(struct phi_arena *arena, const struct cedar_caps *a, const struct cedar_caps *b,
                                         bool both);
/* The attribute `attr` of `on`, or where `tag` is given that tag, is known to be there. */
bool cedar_caps_know(const struct cedar_caps *c, const struct cedar_expr *on, struct phi_view attr,
                     const struct cedar_expr *tag);

#endif
