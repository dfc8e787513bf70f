/* Between the file that keeps an application's entities and those that decide on them. */
#ifndef CORE_ENTITY_IN_H
#define CORE_ENTITY_IN_H

#include "core/inner.h"

/* A type whose entities phid or a gateway alone gives: nobody else may tell of them. */
bool core_type_is_own(struct phi_view type);
/* Adds all stored ones. */
enum phi_rc core_entities_load(struct phi_core *c, struct phi_entities *es, struct phi_err *err);
/* All stored ones are as the schema of c->bundle says: PHI_EINPUT names the first that is not. */
enum phi_rc core_entities_fit(struct phi_core *c, struct phi_err *err);

/* What a caller says of a resource, where it is of an application's type and phid knows nothing of it. */
enum phi_rc core_told_add(struct phi_core *c, struct phi_entities *es, struct phi_ref resource, struct phi_view told,
                          struct phi_err *err);

#endif
