/* What the validator knows of types: least upper bounds and how people read a type. */
#ifndef POLICY_TYPES_H
#define POLICY_TYPES_H

#include "policy/schema.h"

#include "base/buf.h"

/* Work that comparing types may cost one policy: types written apart can be equal at great length. */
#define CEDAR_TYPE_FUEL 1000000U

/* The least type that holds both, as strict validation has it (cedar-spec,
 * Cedar/Validation/Subtyping.lean); NULL: there is none, the arena is full, or the fuel is used up. */
const struct cedar_type *cedar_type_lub(struct phi_arena *a, const struct cedar_type *x,
                                        const struct cedar_type *y, unsigned *fuel);
const struct cedar_type *cedar_type_bool(enum cedar_truth truth);
/* Appends such as `Set<Long>`; long records are cut short with `…`. */
void cedar_type_write(struct phi_buf *b, const struct cedar_type *t);
/* The name a schema has for it: "ipaddr". */
const char *cedar_ext_name(enum cedar_ext ext);

#endif
