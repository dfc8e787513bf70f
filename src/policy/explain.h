/* Why an answer is as it is: who decided, and of the others what first spoke against them. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include "policy/bundle.h"

enum cedar_part { CEDAR_PART_PRINCIPAL, CEDAR_PART_ACTION, CEDAR_PART_RESOURCE, CEDAR_PART_WHEN, CEDAR_PART_UNLESS };

enum cedar_outcome {
    CEDAR_HOLDS, /* with what is met */
    CEDAR_FALSE, /* `part` is the first that is not so */
    CEDAR_ERRS,  /* `part` could not be evaluated */
    CEDAR_WAITS  /* `part` asks for requirements that are not met */
};

struct cedar_reason {
    const struct cedar_policy *policy;
    enum cedar_outcome outcome;
    enum cedar_part part;
    struct cedar_place at;  /* of the part, or of the first false condition in it */
    struct phi_view text;   /* that condition as written; empty for scopes */
};

struct cedar_explained {
    struct phi_answer answer;
    const struct cedar_reason *reasons; /* every policy whose action scope fits, in the text's order */
    size_t n;
};

/* Decides, and looks at each policy. */
enum phi_rc cedar_explain(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                          struct phi_arena *a, struct cedar_explained *ret, struct phi_err *err);
const char *cedar_part_name(enum cedar_part part);

#endif
