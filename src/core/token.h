/* Tokens for programs, and the service accounts that programs are. A token carries a part of the rights of whom it speaks for;
 * what it does not carry stays withheld however the policy changes, and it never votes and never makes another token. */
#ifndef CORE_TOKEN_H
#define CORE_TOKEN_H

#include "core/page.h"
#include "core/identity.h"
#include "core/rights.h"

#define PHI_TOKEN_PREFIX "phi_" /* before the secret, for scanners that look for lost ones */
#define PHI_API_TOKEN_LEN (4 + PHI_TOKEN_LEN)

/* Right "people". A service's id is its name ([a-z0-9_-], never a UUID); its principal is Service::"NAME". */
enum phi_rc phi_service_add(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            const struct phi_view *groups, size_t n_groups, struct phi_person *ret, struct phi_err *err);

/* Names of rights ("see", "ask") to their bits; PHI_EINPUT names the one that is none or that no token may carry. */
enum phi_rc phi_rights_read(const struct phi_view *names, size_t n, uint32_t *ret, struct phi_err *err);

struct phi_token {
    struct phi_view id, who, maker, name; /* who: id of the person or service; maker "": phid, for an issuer's token */
    uint32_t rights;
    int64_t created_ms, used_ms, expires_in_ms;
    struct phi_view address; /* that last used it */
};
struct phi_token_want {
    struct phi_view who; /* "" oneself; else a service (needs the right "people") */
    struct phi_view name;
    uint32_t rights;
    int64_t ms;
    struct phi_view provider; /* SYSTEM only: whose token it is given for */
};
/* By a person in a session of theirs, or SYSTEM. `secret` is shown once and wiped by the caller. */
enum phi_rc phi_token_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_token_want *want,
                           char secret[PHI_API_TOKEN_LEN + 1], struct phi_token *ret, struct phi_err *err);
/* PHI_EAUTH when it is no live token's. Notes when and from where it was used, to the minute. */
enum phi_rc phi_token_find(struct phi_core *c, struct phi_arena *a, struct phi_view secret, struct phi_view address,
                           struct phi_token *ret, struct phi_err *err);
/* The same question, without noting that it was used. */
bool phi_token_alive(struct phi_core *c, struct phi_view secret);
/* Those that the person made or that speak for them; `all`: everybody's (right "see-people"). */
enum phi_rc phi_token_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, bool all, struct phi_page *page,
                           struct phi_token **ret, size_t *ret_n, struct phi_err *err);
/* By its maker, whom it speaks for, or with the right "people". */
enum phi_rc phi_token_revoke(struct phi_core *c, const struct phi_actor *by, struct phi_view id, struct phi_err *err);

#endif
