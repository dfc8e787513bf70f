/* The bundle: schema, policies, requirements; loaded and checked whole; its version only rises. */
#ifndef CORE_BUNDLE_H
#define CORE_BUNDLE_H

#include "core/types.h"

struct phi_bundle_view {
    struct phi_view hash; /* hex; "" before the first */
    int64_t version;
    struct phi_view schema, policies, requirements; /* texts */
};

/* By whoever has the right "policy", or SYSTEM. A bundle that does not load changes nothing (PHI_EINPUT with the place). The
 * same texts again answer the live version. */
enum phi_rc phi_bundle_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           struct phi_view schema, struct phi_view policies, struct phi_view requirements,
                           struct phi_bundle_view *ret, struct phi_err *err);
/* Whether it would load and has phi's own actions; changes nothing. */
enum phi_rc phi_bundle_check(struct phi_core *c, const struct phi_bundle_text *text, struct phi_err *err);
enum phi_rc phi_bundle_get(struct phi_core *c, struct phi_arena *a, struct phi_bundle_view *ret, struct phi_err *err);

#endif
