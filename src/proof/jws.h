/* JSON Web Signatures as identity providers make them: compact form (RFC 7515), keys from a JWK Set (RFC 7517, 7518,
 * 8037), claims (RFC 7519) checked as RFC 8725 asks. RS256, PS256, ES256 and EdDSA (Ed25519), nothing else: never "none",
 * never HMAC. The key fixes the algorithm; the token only repeats it. Keys that a token carries or points to (jwk, jku, x5c,
 * x5u) are never looked at. */
#ifndef PROOF_JWS_H
#define PROOF_JWS_H

#include "base/json.h"

#define PHI_JWS_MAX (16 * 1024) /* one token */
#define PHI_JWKS_MAX (256 * 1024)
#define PHI_JWKS_KEYS 64

struct phi_jwks; /* the usable keys of a set */

/* Keys of other kinds, for other uses, or weak (RSA under 2,048 bits, other curves) are passed over. PHI_EINPUT: not a
 * JWK Set, or none of its keys can be used. */
enum phi_rc phi_jwks_read(struct phi_view text, struct phi_jwks **ret, struct phi_err *err);
void phi_jwks_close(struct phi_jwks *k); /* NULL is fine */
size_t phi_jwks_count(const struct phi_jwks *k);

struct phi_jws {
    struct phi_view typ;           /* of the header, "" when absent */
    struct phi_view kid;
    const struct phi_json *claims; /* an object */
    struct phi_view signed_text;   /* header and claims: names the token, which can have several valid signatures (ECDSA) */
};

/* Verifies; what is returned lives in the arena. PHI_ENOTFOUND: no key of that kid (the set may be old: fetch it again);
 * PHI_EDENIED: the signature or the algorithm does not fit the key; PHI_EINPUT: malformed. */
enum phi_rc phi_jws_open(struct phi_arena *a, struct phi_view token, const struct phi_jwks *keys, struct phi_jws *ret,
                         struct phi_err *err);

/* The issuer that an unverified token names, to find the keys with; "" when it is none. Trust nothing else of it. */
struct phi_view phi_jws_peek_issuer(struct phi_arena *a, struct phi_view token);

#define PHI_JWT_SKEW_MS 60000
struct phi_jwt_want {
    struct phi_view iss, aud; /* both must be given and must fit exactly */
    int64_t now_ms;
    bool exact_party; /* an id_token: `azp` where there, and always with several audiences, must be `aud` */
    int64_t max_age_ms; /* of iat; 0: not looked at, and iat may be absent */
    struct phi_view typ; /* media type without "application/" that the header must say, any case; "": none is asked for */
};
/* iss, aud (a text or a list), exp (must be there), nbf and iat against now, give or take a minute. With several audiences
 * `azp`, where there, must be ours too (OpenID Connect Core 3.1.3.7). PHI_EEXPIRED for time, PHI_EDENIED for the rest. */
enum phi_rc phi_jwt_check(const struct phi_jws *t, const struct phi_jwt_want *want, struct phi_err *err);
/* A NumericDate claim in ms; false when absent, not a number, or out of range. */
bool phi_jwt_time(const struct phi_json *claims, const char *name, int64_t *ret_ms);
/* The claim is the text, or a list that holds it. */
bool phi_jwt_has(const struct phi_json *claims, const char *name, struct phi_view text);

#endif
