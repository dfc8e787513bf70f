/* Advice on a bundle that loads: what is allowed to stand, and is seldom meant. */
#ifndef POLICY_ADVISE_H
#define POLICY_ADVISE_H

#include "policy/bundle.h"
#include "policy/validate.h"

/* Policies that never apply; a plain permit that covers one which asks for a requirement; forbids that can
 * err (they then forbid); with entities (else NULL): requirements that nobody could meet now. All are
 * warnings; `policy` is NULL for those of requirements. */
enum phi_rc cedar_advise(const struct phi_bundle *b, const struct phi_entities *es, struct phi_arena *a,
                         struct cedar_findings *ret, struct phi_err *err);

#endif
