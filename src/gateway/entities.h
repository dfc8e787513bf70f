/* The entities that a gateway supplies with a request: tables and what lies around them (docs/formats.md, "Names of
 * things"). Targets come from phid alone. */
#ifndef GATEWAY_ENTITIES_H
#define GATEWAY_ENTITIES_H

#include "policy/policy.h"
#include "gateway/phid.h"
#include "proof/body.h"

/* Appends Cedar's entity JSON for all resources of `pairs` and their ancestors below the target, each once. */
void gw_entities_json(const struct phi_pair *pairs, size_t n, struct phi_buf *out);

/* The same into a world. */
enum phi_rc gw_entities_add(struct phi_world *w, const struct phi_pair *pairs, size_t n, struct phi_err *err);

/* The context that a gateway owns, as one object: the same here and at phid. */
void gw_context_json(struct phi_view addr, struct phi_view application, const struct gw_statement *st, struct phi_jw *w);
const struct phi_value *gw_context_value(struct phi_arena *a, struct phi_view addr, struct phi_view application,
                                         const struct gw_statement *st);

#endif
