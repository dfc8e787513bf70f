/* Evaluates expressions, close to the specification (cedar-spec, Cedar/Spec/Evaluator.lean), with
 * one addition: parts of the context may be unknown. Then the result says what it may be. */
#ifndef POLICY_EVAL_H
#define POLICY_EVAL_H

#include "policy/entities.h"
#include "policy/schema.h"
#include "policy/syntax.h"

/* What a result may be. MAY_VALUE alone: it is `v`. MAY_ERROR alone: it is an error. Any other mix:
 * unknown, one of these. */
enum cedar_may {
    MAY_VALUE = 1,
    MAY_ERROR = 2,
    MAY_TRUE = 4,
    MAY_FALSE = 8,
    MAY_OTHER = 16 /* a value that is no boolean */
};

struct cedar_res {
    unsigned may;
    const struct phi_value *v;
    const struct cedar_type *type; /* of an unknown, where the schema tells; else NULL */
};

struct cedar_env {
    const struct phi_entities *entities;
    const struct cedar_schema *schema; /* its action groups; may be NULL */
    const struct cedar_type *context_type; /* may be NULL */
    const struct phi_value *vars[4];   /* by enum cedar_var */
    struct phi_arena *arena;
};

struct cedar_res cedar_eval(const struct cedar_env *env, const struct cedar_expr *e);
/* As a boolean: of MAY_TRUE, MAY_FALSE, MAY_ERROR; what is no boolean is an error. */
unsigned cedar_bits(struct cedar_res r);
/* Whether the scopes of principal, action, resource fit: never an error but beyond the limit of
 * ancestors. Of MAY_TRUE, MAY_FALSE, MAY_ERROR: one. */
unsigned cedar_scope_fits(const struct cedar_env *env, const struct cedar_scope *s,
                          struct phi_uid uid);
unsigned cedar_policy_scope(const struct cedar_env *env, const struct cedar_policy *p);
enum cedar_in cedar_env_in(const struct cedar_env *env, struct phi_uid uid, struct phi_uid ancestor);

#endif
