/* Deciding: what phid knows is prepared once for the live bundle, and what a request tells stands over it. */
#ifndef CORE_PREPARE_H
#define CORE_PREPARE_H

#include "core/inner.h"

struct core_prepared {
    const struct phi_entities *entities;
    const struct phi_world *world;
    struct phi_world *own; /* what is to be closed */
};

/* `es` stands over core_world, or is it; it and the live bundle must outlive the result, which has to be done with. */
enum phi_rc core_prepare(struct phi_core *c, const struct phi_entities *es, struct core_prepared *ret, struct phi_err *err);
void core_prepared_done(struct core_prepared *p);

/* As phi_decide: the answer lives in the arena. */
enum phi_rc core_ask(struct phi_core *c, const struct core_prepared *p, const struct phi_ask *ask, struct phi_arena *a,
                     struct phi_answer *ret, struct phi_err *err);

#endif
