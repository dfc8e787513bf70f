/* Entities of types that are not phi's own: an application's users, documents, records, told to phid so that AuthZEN
 * callers are answered about them. People, groups, gateways and targets come from phid alone and are none of these. */
#ifndef CORE_ENTITY_H
#define CORE_ENTITY_H

#include "core/types.h"

struct phi_entity_view {
    struct phi_ref uid;
    struct phi_view attrs, parents; /* Cedar's entity JSON: an object, an array of uids */
};

/* Adds or replaces each of Cedar's entities JSON ([{"uid","attrs","parents"}]); all or none. Needs the right
 * "targets" and a live bundle: PHI_EINPUT names the first that the schema does not fit, that is of a type of phi's
 * own, or that has a parent of one (but Target). One log leaf a call. */
enum phi_rc phi_entities_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct phi_json *list, size_t *ret_n, struct phi_err *err);
/* PHI_ENOTFOUND entity.unknown. */
enum phi_rc phi_entity_remove(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_ref uid,
                              struct phi_err *err);
/* In the order of type and id, those after `after` (none: from the first), of `type` only where it is not "". Needs "targets". */
enum phi_rc phi_entity_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view type,
                            struct phi_ref after, size_t limit, struct phi_entity_view **ret, size_t *ret_n,
                            bool *ret_more, struct phi_err *err);

#endif
