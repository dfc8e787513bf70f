/* Strict validation of policies against a schema (cedar-docs, "Validation"; cedar-spec,
 * Cedar/Validation/Validator.lean): under every combination of principal type, action and resource
 * type that the schema allows, no policy can err for its types. */
#ifndef POLICY_VALIDATE_H
#define POLICY_VALIDATE_H

#include "policy/typecheck.h"

#define CEDAR_NO_LEVEL UINT32_MAX
#define CEDAR_MAX_FINDINGS 1000 /* in all; 20 of one policy */

struct cedar_finding {
    bool warning;
    bool no_action; /* of a warning: the scope fits nothing that the schema lets anybody try */
    const struct cedar_policy *policy;
    struct cedar_place at;
    struct phi_view text;  /* what is wrong, and what to write instead */
    struct phi_view where; /* the combination that shows it; may be empty */
};

struct cedar_findings {
    struct cedar_finding *p;
    size_t n, errors;
};

/* All findings, in the order of the policies. `level`: most steps from entity to entity, or
 * CEDAR_NO_LEVEL. The trees are annotated, else unchanged. PHI_ELIMIT when the arena is full. */
enum phi_rc cedar_validate(struct phi_arena *a, const struct cedar_schema *schema,
                           const struct cedar_policies *policies, uint32_t level,
                           struct cedar_findings *ret, struct phi_err *err);

#endif
