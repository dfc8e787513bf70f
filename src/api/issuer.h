/* What is known of OpenID Connect issuers: their discovery document (OpenID Connect Discovery 1.0) and their keys, fetched when
 * first needed, kept for a while, and fetched again when a token names a key that is not among them. Core thread only. */
#ifndef API_ISSUER_H
#define API_ISSUER_H

#include "api/call.h"
#include "proof/jws.h"

struct api_issuers;
struct api_issuers *api_issuers_open(void); /* NULL: out of memory */
void api_issuers_close(struct api_issuers *s);

struct api_issuer { /* what its discovery document says; texts live as long as the issuer is known: copy what must stay */
    const char *issuer, *authorization, *token, *userinfo, *keys_uri;
    bool basic_auth;   /* the token endpoint takes the client's secret as HTTP Basic */
    bool takes_claims; /* single claims can be asked for (OpenID Connect Core 5.5) */
    bool says_iss;     /* answers name the issuer (RFC 9207) */
    const struct phi_jwks *keys; /* NULL where only the document was asked for */
};

/* An https URL without query and fragment, or http on loopback (which `outgoing_allow` must name). */
bool api_issuer_ok(struct phi_view url);

/* The handler's step towards an issuer: PHI_OK and *ret when all is there; PHI_OK and *ret NULL when c->ask was set: return
 * PHI_OK and come again. `with_keys`: keys too; `newer_keys`: fetched anew. The call's `got` is taken where it is
 * the answer to what was asked here. Errors say what is wrong with the issuer. */
enum phi_rc api_issuer_find(struct api_call *c, struct phi_view issuer, bool with_keys, bool newer_keys,
                            const struct api_issuer **ret, struct phi_err *err);
/* Is a newer set of keys worth a request? Not within 10 s of the last. */
bool api_issuer_may_renew(struct api_call *c, struct phi_view issuer);

#endif
