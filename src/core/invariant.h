/* DESIGN's invariants as a check over everything that is stored: for tests, the simulator and the
 * background comparison of rows with the log. */
#ifndef CORE_INVARIANT_H
#define CORE_INVARIANT_H

#include "core/types.h"
#include "proof/tree.h"

struct core_held { /* the log as a look before this one has held it; all zero: nothing yet */
    struct phi_tree tree;
};

/* A verb. PHI_ECORRUPT with the number of the invariant and the row that breaks it. Reads all rows. Of the log only what
 * came after *held, which then goes on to the head; held NULL: all of it. */
enum phi_rc core_invariants(struct phi_core *c, struct core_held *held, struct phi_err *err);

#endif
