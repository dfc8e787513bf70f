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
/* What the resource is in: its table, schema or target; none for a target. */
struct phi_ref core_parent_of(struct phi_arena *a, struct phi_ref r);

/* Whose facts, and about what: each part may be missing, and what rests on it is then unknown. */
struct core_moment {
    struct phi_view person;      /* id */
    struct phi_ref resource;
    bool has_text;               /* ticket and justification are those of the request, "" where none was given */
    struct phi_view ticket, why;
    bool rated;
    int64_t risk;
    const struct phi_ref *behalf; /* for whom it acts */
    size_t n_behalf;
    bool has_behalf;              /* known, also where it is nobody */
    struct phi_view device;       /* "": not known */
    struct phi_view ticket_facts; /* what the tracker said: core/ticket.h; "": not known */
    int64_t at_ms;               /* wall clock that it is judged at; 0: now */
};
/* `json`: what the gateway saw. PHI_EINPUT when it says what only phi may say. */
enum phi_rc core_context_at(struct phi_core *c, struct phi_arena *a, struct phi_uid action, struct phi_view json,
                            const struct core_moment *m, const struct phi_value **ret, struct phi_err *err);

#endif
