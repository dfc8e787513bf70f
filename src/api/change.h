/* Changes of phi itself that wait for an approval: the call as a document, and the call made from it. */
#ifndef API_CHANGE_H
#define API_CHANGE_H

#include "api/call.h"
#include "core/change.h"

struct api_change_part { /* one right that a call needs */
    enum phi_right right;
    struct phi_view group; /* of PHI_RIGHT_GROUPS */
};

/* The rights that this call needs: its route's, and "groups" for every group of a new person. `parts` has room
 * for PHI_MAX_ACTIONS. */
enum phi_rc api_change_parts(const struct api_call *c, struct api_change_part *parts, size_t *n, struct phi_err *err);
/* Files the call as a request and answers 202 with {"request"}; the reason is the header Phi-Why. */
enum phi_rc api_change_file(struct api_call *c, struct phi_err *err);
/* A phi_changer.make: reads the document and runs its route's handler as the requester. `self`: struct api_env. */
enum phi_rc api_change_make(void *self, struct phi_core *core, struct phi_arena *a, const struct phi_actor *by,
                            struct phi_view document, struct phi_err *err);

#endif
