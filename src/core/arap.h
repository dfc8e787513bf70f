/* AuthZEN Access Request and Approval Profile (openid/authzen, draft 1 at e287920): what phi keeps for it. A task is a
 * request of phi's that came over ARAP, under an id of its own; an approval is the reference that its callers carry to
 * the next evaluation. Neither is a right: the grant is, and the policy decides again. */
#ifndef CORE_ARAP_H
#define CORE_ARAP_H

#include "core/types.h"
#include "proof/key.h"

struct phi_arap_key {
    struct phi_view kid;
    struct phi_key key; /* wipe with phi_key_done */
};
/* The newest key for what callers carry back; made where there is none or it is older than 30 days, unless `make` is false
 * (then PHI_ENOTFOUND). */
enum phi_rc phi_arap_key(struct phi_core *c, struct phi_arena *a, bool make, struct phi_arap_key *ret, struct phi_err *err);
/* All of them, newest first. */
enum phi_rc phi_arap_keys(struct phi_core *c, struct phi_arena *a, struct phi_arap_key **ret, size_t *ret_n, struct phi_err *err);
/* They as a JWK Set (RFC 7517, 8037), public halves only. */
enum phi_rc phi_arap_jwks(struct phi_core *c, struct phi_buf *out, struct phi_err *err);

/* The schema declares this member of the context for this action, and it is not phi's own: it binds. */
bool phi_arap_binds(struct phi_core *c, struct phi_view action, struct phi_view member);

struct phi_arap_task {
    struct phi_view task, request, caller, evaluation, approval; /* caller: person id */
    int64_t at_ms;
};
/* The task of this denied evaluation: the same evaluation is the same task. */
struct phi_view phi_arap_task_id(struct phi_arena *a, struct phi_view evaluation);
/* `binding`: the hash that both sides compute, in base64url; `asked`: hash of the whole submission. */
enum phi_rc phi_arap_task_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view request,
                               struct phi_view evaluation, struct phi_view binding, struct phi_view asked,
                               struct phi_arap_task *ret, struct phi_err *err);
/* The caller's task of this evaluation, where there is one already. */
bool phi_arap_task_there(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view evaluation,
                         struct phi_arap_task *ret);
/* The caller's own only: PHI_ENOTFOUND arap.unknown_task for everybody else, whatever they know. */
enum phi_rc phi_arap_task_find(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view task,
                               struct phi_arap_task *ret, struct phi_err *err);
/* Several tasks under one handle. `items`: JSON of api/arap_items.c's own, which goes when the person is forgotten. The same tasks in
 * the same order are the same handle. Get: PHI_ENOTFOUND once it is erased. */
enum phi_rc phi_arap_items_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_arap_task *of, size_t n,
                                struct phi_view items, struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err);
enum phi_rc phi_arap_items_get(struct phi_core *c, struct phi_arena *a, const struct phi_arap_task *t, struct phi_view *ret, struct phi_err *err);

/* What an Idempotency-Key of this caller's stands for: PHI_ENOTFOUND for nothing yet, PHI_ECONFLICT
 * arap.duplicate_request for another submission; put keeps it for a day. */
enum phi_rc phi_arap_idem_find(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view key,
                               struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err);
enum phi_rc phi_arap_idem_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view key,
                              struct phi_view asked, struct phi_view task, struct phi_err *err);

/* The caller wants to hear when the task is over, at an endpoint that an operator registered for them: a live channel of kind "callback"
 * with exactly this address. `wish`: canonical {"events"?:[…],"state"?:"…"}, which goes when the person is forgotten. Nothing where the
 * task is over already. PHI_EINPUT: no such endpoint is registered for this caller. */
enum phi_rc phi_arap_callback_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_arap_task *t,
                                  struct phi_view endpoint, struct phi_view wish, struct phi_err *err);

struct phi_arap_approval {
    struct phi_view task, grant; /* grant: "" where the request has none */
    bool live;
};
/* What an approval's id stands for, for this subject alone; PHI_ENOTFOUND otherwise. */
enum phi_rc phi_arap_approval_find(struct phi_core *c, struct phi_arena *a, struct phi_view approval,
                                   struct phi_view subject, struct phi_arap_approval *ret, struct phi_err *err);

#endif
