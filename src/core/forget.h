/* Forgetting a person: their names, the texts that they wrote and the bodies of what they asked are erased, with their
 * salts, and they can act no more. The log stays whole: it holds their pseudonymous id and salted hashes, which nobody can
 * turn back. Votes still verify; what needs a body answers that it was erased. Backups made before still hold the texts. */
#ifndef CORE_FORGET_H
#define CORE_FORGET_H

#include "core/types.h"

struct phi_forgotten {
    struct phi_view id;  /* stays, in the log */
    int64_t requests, texts; /* bodies of so many requests; texts in all */
    int64_t entries_left;    /* of the log that are still to be read for what this person wrote about others' requests; phid goes on
                                with it by itself, over restarts too, and says body.erased when it is through */
};

/* Needs an admin (never themself). `person` is a name of any account or an id; accounts linked to one person are forgotten
 * together. PHI_ECONFLICT "person.active": a request of theirs is pending or a grant lives; end these first. */
enum phi_rc phi_person_forget(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                              struct phi_forgotten *ret, struct phi_err *err);

#endif
