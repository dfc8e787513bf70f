/* Inside of a bundle. */
#ifndef POLICY_BUNDLE_H
#define POLICY_BUNDLE_H

#include "policy/check.h"

struct cedar_index { /* policies whose action scope fits one action */
    const struct cedar_policy **p;
    size_t n;
};

struct phi_bundle {
    struct phi_arena arena;
    struct phi_bundle_text text; /* own copies */
    struct phi_digest hash;
    struct cedar_schema schema;
    struct cedar_policies policies;
    struct phi_requirement *requirements;
    struct phi_view *names; /* of the requirements */
    size_t n_requirements;
    struct phi_obligation *obligations;
    size_t n_obligations;
    struct phi_view zone;
    struct cedar_index *by_action; /* parallel to schema.actions */
    struct comp *comp;             /* the same policies compiled (comp.h) */
};

#define CEDAR_POLICIES_FILE     "policies.cedar"
#define CEDAR_SCHEMA_FILE       "schema.cedarschema"
#define CEDAR_MAX_PATTERN 60
#define CEDAR_MAX_PATTERNS 16
#define CEDAR_REQUIREMENTS_FILE "requirements.yaml"

/* "phi::Action" and what stands in a namespace below phi. */
bool cedar_is_phi_type(struct phi_view type);
/* What the action scope lets in; a permit reaches phi's own actions only where it names them. */
bool cedar_policy_reaches(const struct cedar_policy *p, const struct cedar_action *a);

/* What loading checks beyond the grammar, names and the places of `met`. */
enum cedar_load {
    CEDAR_LOAD_STRICT = 1, /* strict validation of the policies */
    CEDAR_LOAD_PHI = 2     /* the schema holds what phi relies on */
};
/* phi_bundle_load is this with both: the rest is for engines without phi, and for tests. */
enum phi_rc cedar_bundle_load(const struct phi_bundle_text *text, unsigned checks, struct phi_bundle **ret,
                              struct phi_err *err);

/* rely.c */
enum phi_rc cedar_rely_check(struct phi_arena *a, const struct cedar_schema *have, struct phi_err *err);

/* require.c: fills requirements, names, n_requirements. */
enum phi_rc cedar_requirements_read(struct phi_bundle *b, struct phi_err *err);
/* oblige.c: what stands under `obligations:` there. */
enum phi_rc cedar_obligations_read(struct phi_bundle *b, const struct phi_json *v, struct phi_err *err);

#endif
