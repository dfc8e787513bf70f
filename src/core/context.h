/* Facts of an attempt for the policy engine, with their owners kept apart: what a gateway says it saw,
 * and what phid alone knows. */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include "core/inner.h"

struct core_case;

/* The chain above a resource by its array id: Column, Table, Schema, Target. Adds what is missing. */
enum phi_rc core_chain_add(struct phi_entities *es, struct phi_ref r, struct phi_err *err);
/* The id's first part is this target's name, and the type is none of phid's own. */
bool core_ref_of_target(struct phi_ref r, struct phi_view target);

#endif
