/* What all of core's verbs share: who acts, what is named, how a verb is called.
 *
 * Every verb runs inside a batch (core/batch.h) and takes the arena in which its answer lives: views
 * in answers are valid as long as that arena. Verbs refuse with a phi_err whose message is a sentence
 * for people; PHI_EDENIED answers also carry a stable error code where api.md names one
 * (`phi_core_why`). */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"

struct phi_core; /* the one handle; single-threaded */

/* An entity as Cedar names it; `id` is the decoded text. */
struct phi_ref {
    struct phi_view type, id;
};

enum phi_actor_kind {
    PHI_ACTOR_NOBODY = 0, /* zeroed memory may do nothing */
    PHI_ACTOR_PERSON,     /* id: person id */
    PHI_ACTOR_GATEWAY,    /* id: gateway name */
    PHI_ACTOR_SYSTEM      /* phid itself: bootstrap and timer; never from the network */
};

struct phi_actor {
    enum phi_actor_kind kind;
    struct phi_view id;
};

/* An action on a resource, as the enforcement point understood it. `label` is filled in answers
 * ("shop/public.orders") and ignored in questions. */
struct phi_act {
    struct phi_view action; /* "pg:delete": the id in Action::"…" */
    struct phi_ref resource;
    struct phi_view label;
};

struct phi_policy_note { /* a policy that decided: its @id and @why */
    struct phi_view id, why;
};

/* The stable error code ("request.changed", "grant.used", …) of the last verb that failed in this
 * core, "" when it has none. Static string. */
const char *phi_core_why(const struct phi_core *c);

/* "shop/public.orders" (schema.relation), "shop/public" or "shop" to an entity; PHI_EINPUT otherwise.
 * And back, for people: other types show as Type "id". Neither escapes. */
enum phi_rc phi_resource_read(struct phi_arena *a, struct phi_view text, struct phi_ref *ret, struct phi_err *err);
struct phi_view phi_resource_label(struct phi_arena *a, const struct phi_ref *r);

#endif
