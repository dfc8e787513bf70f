/* Between the routes that take a passkey's answer. */
#ifndef API_PASSKEY_H
#define API_PASSKEY_H

#include "api/call.h"
#include "core/passkey.h"

/* PHI_ECONFLICT passkey.here where this server's address can have no passkeys. */
enum phi_rc api_passkey_rp(struct api_call *c, struct phi_webauthn_rp *ret, struct phi_err *err);
/* Members "client", "auth" (or "attestation") and "sig" of `v`, and "id", decoded from base64url. */
enum phi_rc api_passkey_answer(struct api_call *c, const struct phi_json *v, const char *auth,
                               struct phi_webauthn_answer *ret, struct phi_view *ret_id, struct phi_err *err);
/* {"challenge","rpId","allowCredentials":[…],"userVerification":"required","timeout"}: member publicKey. */
void api_w_passkey_get(struct phi_jw *w, const struct phi_webauthn_rp *rp, struct phi_view challenge,
                       const struct phi_passkey_view *keys, size_t n);

#endif
