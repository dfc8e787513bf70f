/* What a request must be before policies are asked. */
#ifndef POLICY_REQUEST_H
#define POLICY_REQUEST_H

#include "policy/bundle.h"
#include "policy/eval.h"

struct cedar_request {
    struct cedar_env env;
    const struct cedar_action *action; /* NULL: refused, see reason */
    struct phi_view reason;            /* why the request is denied unseen; empty: it is not */
};

/* Checks action, types, and the context against the schema, and makes the environment. What the
 * schema does not declare is left out of the context; what it requires must be there. An error only
 * for what no honest caller does (`met` in the context, context no record) and a full arena. */
enum phi_rc cedar_request_make(const struct phi_bundle *b, const struct phi_entities *es,
                               const struct phi_ask *ask, struct phi_arena *a,
                               struct cedar_request *ret, struct phi_err *err);

#endif
