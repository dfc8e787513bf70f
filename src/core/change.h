/* Changes of phi itself that the policy wants approved first: filed as requests on the target "phi", whose payload
 * is the change as a document; made, as its requester, in the transaction of the approval that completes it. */
#ifndef CORE_CHANGE_H
#define CORE_CHANGE_H

#include "core/request.h"
#include "core/rights.h"

struct phi_change {
    const struct phi_pair *actions; /* phi_change_action's, each on what phi_right_resource says */
    size_t n_actions;
    struct phi_view document; /* canonical JSON; means something to the changer only */
    struct phi_view why;
};

struct phi_view phi_change_action(struct phi_arena *a, enum phi_right r); /* "phi::policy" */
struct phi_ref phi_right_resource(struct phi_arena *a, enum phi_right r, struct phi_view group);

/* As phi_request_make. The same change of the same person joins the pending request. */
enum phi_rc phi_change_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           const struct phi_change *change, struct phi_request_answer *ret, struct phi_err *err);

/* Makes an approved change: whoever registers it owns the document's meaning. `by` is the requester, who has for this
 * call the rights that were approved; an error undoes the approval with it. */
struct phi_changer {
    void *self;
    enum phi_rc (*make)(void *self, struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                        struct phi_view document, struct phi_err *err);
};
/* Borrowed; NULL (the start): no change can be approved. */
void phi_changer_set(struct phi_core *c, const struct phi_changer *changer);

#endif
