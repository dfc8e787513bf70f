/* Entities as the evaluator reads them. */
#ifndef POLICY_ENTITIES_H
#define POLICY_ENTITIES_H

#include "policy/value.h"

/* More ancestors than this of one entity are refused: asking then answers "cannot tell". */
#define CEDAR_MAX_ANCESTORS 4096

struct cedar_entity {
    struct phi_uid uid;
    const struct phi_uid *parents;
    size_t n_parents;
    const struct phi_value *attrs; /* record, never NULL */
    const struct phi_value *tags;  /* record, never NULL */
};

const struct cedar_entity *cedar_entity_find(const struct phi_entities *es, struct phi_uid uid);
enum phi_rc cedar_entities_add(struct phi_entities *es, struct phi_uid uid,
                               const struct phi_uid *parents, size_t n,
                               const struct phi_value *attrs, const struct phi_value *tags,
                               struct phi_err *err);

/* All of `es`, its base not counted, in no order that means anything: start with a zeroed walk. NULL at the end. */
struct cedar_entities_walk {
    void *type, *id; /* where it is */
    void *ids;
};
const struct cedar_entity *cedar_entities_next(const struct phi_entities *es, struct cedar_entities_walk *at);
const struct phi_entities *cedar_entities_base(const struct phi_entities *es);

enum cedar_in { CEDAR_IN_NO, CEDAR_IN_YES, CEDAR_IN_UNCLEAR };
enum cedar_in cedar_entity_in(const struct phi_entities *es, struct phi_uid uid,
                              struct phi_uid ancestor);

#endif
