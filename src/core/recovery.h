/* Somebody who lost their passkeys: an operator asks, another one confirms. Then the old passkeys and sessions are over
 * and a one-time link lets the person in, to register a new one. Open for PHI_RECOVERY_MS. */
#ifndef CORE_RECOVERY_H
#define CORE_RECOVERY_H

#include "core/session.h"

#define PHI_RECOVERY_MS (60LL * 60 * 1000)

struct phi_recovery {
    struct phi_view id, person, person_name, asker_name;
    int64_t expires_in_ms;
};

/* By whoever has the right "people", for somebody else who has a passkey. */
enum phi_rc phi_recovery_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                             struct phi_recovery *ret, struct phi_err *err);
enum phi_rc phi_recovery_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct phi_recovery **ret, size_t *ret_n, struct phi_err *err);
/* By another one with that right, neither the asker nor the person, under any account: PHI_EDENIED recovery.self. */
enum phi_rc phi_recovery_approve(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                                 struct phi_link *ret, struct phi_err *err);

#endif
