/* What is checked when a bundle is loaded, beyond the grammar. */
#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

#include "policy/alt.h"
#include "policy/schema.h"
#include "policy/syntax.h"

struct cedar_check {
    struct phi_arena *arena;
    const struct cedar_schema *schema;
    const struct phi_view *requirements; /* names; their index is that of struct cedar_alt */
    size_t n_requirements;
    const struct phi_obligation *obligations; /* their index counts on from the requirements' */
    size_t n_obligations;
    const char *file;
    struct phi_err *err;
    const struct cedar_policy *policy; /* the one in hand */
    struct cedar_action *const *actions; /* those that it reaches */
    size_t n_actions;
};

/* Types and actions that the policy names exist; `met` stands only where DESIGN's grammar lets it,
 * `context` only before an attribute; requirements exist. Marks the tree (has_met, met). */
enum phi_rc cedar_check_policy(struct cedar_check *c, struct cedar_policy *p);

/* `left has attr` facts that hold where an expression stands. */
struct cedar_fact {
    const struct cedar_fact *more;
    const struct cedar_expr *has;
};

/* The type of `e` if it can never err under the schema, else NULL, with the culprit and why in
 * `*at`, `*why`. */
const struct cedar_type *cedar_safe(struct cedar_check *c, const struct cedar_expr *e,
                                    const struct cedar_fact *facts, const struct cedar_expr **at,
                                    const char **why);
/* Facts that hold where `e` was true, before `facts`. */
const struct cedar_fact *cedar_facts_of(struct cedar_check *c, const struct cedar_expr *e,
                                        const struct cedar_fact *facts);

#endif
