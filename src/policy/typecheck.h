/* Strict validation of one expression in one environment (cedar-spec,
 * Cedar/Validation/Typechecker.lean): which type it has, or what is wrong with it. */
#ifndef POLICY_TYPECHECK_H
#define POLICY_TYPECHECK_H

#include "policy/caps.h"
#include "policy/types.h"

struct cedar_typing {
    struct phi_arena *arena;
    const struct cedar_schema *schema;
    struct phi_view principal, resource; /* types */
    const struct cedar_action *action;
    unsigned fuel;
    const struct cedar_caps *known;  /* by what stands before the expression */
    const struct cedar_caps *learnt; /* where it was true */
    /* The first thing found wrong: */
    struct cedar_place at;
    struct phi_view why;
};

/* NULL: `at` and `why` say what is wrong. Leaves each part's kind of type in its `type` and `truth`; parts that can
 * never be evaluated keep what they had. */
const struct cedar_type *cedar_typecheck(struct cedar_typing *t, struct cedar_expr *e);

/* Level validation (Cedar RFC 76): no entity is asked for its data over more than `max` steps away
 * from principal, action, resource and context. `e` was just typed. False: `at` says where. */
bool cedar_level_ok(struct cedar_typing *t, const struct cedar_expr *e, unsigned max);

#endif
