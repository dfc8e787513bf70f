/* What all of core's verbs share: who acts, what is named, how a verb is called.
 *
 * Every verb runs inside a batch (core/batch.h) and takes the arena in which its answer lives: views
 * in answers are valid as long as that arena. Verbs refuse with a phi_err whose message is a sentence
 * for people; PHI_EDENIED answers also carry a stable error code where api.md names one
 * (`phi_core_why`). References, pairs and scopes are proof's, deciders policy's. */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include "base/id.h"
#include "policy/policy.h"
#include "proof/body.h"

struct phi_core; /* the one handle; single-threaded */

enum phi_actor_kind {
    PHI_ACTOR_NOBODY = 0, /* zeroed memory may do nothing */
    PHI_ACTOR_PERSON,     /* id: person id, or the name of a service account */
    PHI_ACTOR_GATEWAY,    /* id: gateway name */
    PHI_ACTOR_SYSTEM      /* phid itself: bootstrap and timer; never from the network */
};

struct phi_actor {
    enum phi_actor_kind kind;
    struct phi_view id;
    uint32_t withheld; /* rights (bits of enum phi_right) that the token it came with does not carry */
    struct phi_view device; /* whose certificate the connection showed; "": none */
    struct phi_view session; /* id of the session or token that they came with; "": none */
};

/* The stable error code ("request.changed", "grant.used", …) of the last verb that failed in this
 * core, "" when it has none. Static string. */
const char *phi_core_why(const struct phi_core *c);

#endif
