/* Targets: one database each, behind gateways; and the short-lived credentials to reach them with. */
#ifndef CORE_TARGET_H
#define CORE_TARGET_H

#include "core/page.h"
#include "core/types.h"

struct phi_target {
    struct phi_view name, kind, address, database;
};

/* By an admin. Replaces address and database of one that exists. Names: [a-z0-9_-], 1 to 63. */
enum phi_rc phi_target_put(struct phi_core *c, const struct phi_actor *by, const struct phi_target *target,
                           struct phi_err *err);
enum phi_rc phi_target_list(struct phi_core *c, struct phi_arena *a, struct phi_page *page, struct phi_target **ret, size_t *ret_n,
                            struct phi_err *err);
enum phi_rc phi_target_get(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_target *ret,
                           struct phi_err *err);

struct phi_credential { /* what a client signs in with; the password leaves once */
    struct phi_view id;
    struct phi_view user;             /* "alice~<id>" */
    char password[PHI_TOKEN_LEN + 1]; /* only its SCRAM-SHA-256 verifier is stored */
    struct phi_target target;
    int64_t expires_in_ms;
};

/* For the acting person. */
enum phi_rc phi_credential_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct phi_view target, struct phi_credential *ret, struct phi_err *err);
/* By its person or an admin. */
enum phi_rc phi_credential_revoke(struct phi_core *c, const struct phi_actor *by, struct phi_view id,
                                  struct phi_err *err);

#endif
