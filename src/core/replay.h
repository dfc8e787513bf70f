/* What was asked, in the form that `phi policy diff` replays: for holding a change of policy against it. */
#ifndef CORE_REPLAY_H
#define CORE_REPLAY_H

#include "core/core.h"
#include "core/types.h"

struct phi_replay_span {
    int64_t from_ms, to_ms; /* wall clock of the request's present version; `to` is not in it */
    int64_t skip;           /* requests looked at before; 0 at first */
    int64_t limit;          /* most that are looked at now */
};
struct phi_replay {
    struct phi_view requests; /* JSON array of {"at","request","principal","action","resource","context","met"} */
    struct phi_view entities; /* JSON array: what these rest on; with skip 0 all that phid knows too */
    int64_t erased;           /* requests whose body is gone */
    int64_t next;             /* skip of what follows; 0: this was all */
};

/* Requests for approval, one for each action on a resource (and for each on whose behalf it was), with the context that phid
 * judges them by and the requirements that needed no vote. Of the context: what the gateway saw, risk, ticket, justification,
 * device as they were; time and address's country and networks for then; environment and tags as they are now; never the age of
 * a second factor. Changes of phi itself are left out. Erased ones are counted. */
enum phi_rc phi_requests_replay(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                const struct phi_replay_span *span, struct phi_replay *ret, struct phi_err *err);

#endif
