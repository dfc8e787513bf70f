/* Requests and entities against the schema (cedar-spec, Cedar/Validation/RequestEntityValidator.lean):
 * what strict validation relies on. */
#ifndef POLICY_CONFORM_H
#define POLICY_CONFORM_H

#include "policy/entities.h"
#include "policy/schema.h"

/* The value is of the type; entities in it are listed where the schema lists all. What is unknown fits. */
bool cedar_value_fits(const struct cedar_schema *s, const struct phi_value *v, const struct cedar_type *t);

/* PHI_EINPUT says what is wrong, with the path of the attribute. */
enum phi_rc cedar_conform_request(const struct cedar_schema *s, struct phi_uid principal, struct phi_uid action,
                                  struct phi_uid resource, const struct phi_value *context, struct phi_err *err);
enum phi_rc cedar_conform_entity(const struct cedar_schema *s, const struct cedar_entity *e, struct phi_err *err);
/* All of them, but not those of the base; and no entity may be in itself over its parents. */
enum phi_rc cedar_conform_entities(const struct cedar_schema *s, const struct phi_entities *es, struct phi_err *err);
enum phi_rc cedar_entities_no_ring(const struct phi_entities *es, struct phi_err *err);

#endif
