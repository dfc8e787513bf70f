/* One-time links and the sessions (cookies, API tokens) that they turn into. Secrets are 256 random
 * bits, leave once, are stored hashed and compared in constant time. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/types.h"

struct phi_link {
    char secret[PHI_TOKEN_LEN + 1];
    int64_t expires_in_ms;
};

struct phi_session {
    struct phi_view id;     /* not a secret; changes nothing by itself */
    struct phi_view person; /* id */
    int64_t expires_in_ms;
    char csrf[PHI_TOKEN_LEN + 1]; /* derived from the token; only phi_session_find fills it */
};

/* For `person` (name or id); by whoever has the right "people", or SYSTEM. */
enum phi_rc phi_link_make(struct phi_core *c, const struct phi_actor *by, struct phi_view person,
                          struct phi_link *ret, struct phi_err *err);
/* Consumes the link. PHI_EAUTH when it is unknown, used or over (one sentence for all three). `token`
 * receives the session's secret. */
enum phi_rc phi_session_open(struct phi_core *c, struct phi_arena *a, struct phi_view secret,
                             char token[PHI_TOKEN_LEN + 1], struct phi_session *ret, struct phi_err *err);
/* PHI_EAUTH when the token is no live session's. */
enum phi_rc phi_session_find(struct phi_core *c, struct phi_arena *a, struct phi_view token, struct phi_session *ret,
                             struct phi_err *err);
enum phi_rc phi_session_close(struct phi_core *c, struct phi_view token, struct phi_err *err);

#endif
