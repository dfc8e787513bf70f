/* DESIGN's invariants as a check over everything that is stored: for tests, the simulator and the
 * background comparison of rows with the log. */
#ifndef CORE_INVARIANT_H
#define CORE_INVARIANT_H

#include "core/types.h"

/* A verb. PHI_ECORRUPT with the number of the invariant and the row that breaks it. Reads all rows. */
enum phi_rc core_invariants(struct phi_core *c, struct phi_err *err);

#endif
