/* AuthZEN Access Request and Approval Profile, draft 1 (docs/arap.md): denials that can be asked about, the requests made
 * of them, and the approval that comes back with the next evaluation. */
#ifndef API_ARAP_H
#define API_ARAP_H

#include "api/authzen.h"
#include "core/arap.h"

/* What binds a submission to its denial: SHA-256 over the RFC 8785 form of {"action","context","resource","subject"} as they
 * were sent, the context with the members that the schema declares for the action only, the subject without
 * properties.act. False where RFC 8785 cannot say them (numbers that are no integers). */
bool arap_binding(struct api_call *c, const struct authzen_parts *p, struct phi_view action, struct phi_digest *ret);
/* Names of those context members, as a JSON array. */
struct phi_view arap_binding_members(struct api_call *c, const struct authzen_parts *p, struct phi_view action);

/* A denial as its PEP carries it: the evaluation's id and the binding token say the same, each protected by itself. */
struct arap_denial {
    struct phi_view evaluation, token;
    int64_t expires_ms;
};
enum phi_rc arap_denial_make(struct api_call *c, const struct authzen_parts *p, struct phi_view action,
                             const struct phi_digest *binding, struct arap_denial *ret, struct phi_err *err);
/* Holds `denial` of a submission against its parts: c->problem says which of the profile's errors it is. */
enum phi_rc arap_denial_check(struct api_call *c, const struct phi_json *denial, const struct phi_digest *binding,
                              struct arap_denial *ret, struct phi_err *err);
/* RFC 3339 with or without fraction, in any offset; what is finer than a millisecond is cut. */
bool arap_time_read(struct phi_view v, int64_t *ret_ms);
/* approval.state: a token that names the approval, its task, its subject and its end. */
enum phi_rc arap_state_make(struct api_call *c, struct phi_view approval, struct phi_view task, int64_t until_ms,
                            struct phi_view *ret, struct phi_err *err);
bool arap_state_ok(struct api_call *c, struct phi_view token, struct phi_view approval);

#endif
