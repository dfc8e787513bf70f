/* Passkeys: what a browser's answer must be (W3C Web Authentication Level 3, §7.1 and §7.2, without attestation: phi
 * trusts a key because a person who was already known registered it). Pure: challenges, keys and counters are the
 * caller's. Held here: type, challenge and exact origin of the client data, no other site's frame, the hash of the
 * relying party's id, user presence and verification, the algorithm of the key, the signature, the counter. */
#ifndef PROOF_WEBAUTHN_H
#define PROOF_WEBAUTHN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"

#define PHI_PASSKEY_ID_MAX 1023
#define PHI_PASSKEY_KEY_MAX 1024

struct phi_webauthn_rp {
    struct phi_view id;     /* "phi.example.com": the host of the origin */
    struct phi_view origin; /* "https://phi.example.com", as the browser says it */
};

/* "https://host:port" -> "host"; "" where it is no origin that may have passkeys (an address, or no https and not
 * localhost). */
struct phi_view phi_webauthn_rp_id(struct phi_view origin);

struct phi_passkey {
    struct phi_view id;   /* credential id */
    struct phi_view cose; /* public key as registered: COSE_Key of ES256, EdDSA (Ed25519) or RS256 */
    uint32_t count;       /* signatures, as the authenticator counts; 0: it does not */
};

struct phi_webauthn_answer { /* as the browser gave them, decoded from base64url */
    struct phi_view client;  /* clientDataJSON */
    struct phi_view auth;    /* authenticatorData; when registering: the attestation object */
    struct phi_view sig;     /* nothing when registering */
};

/* Views of `ret` point into the answer. PHI_EDENIED with what does not fit. */
enum phi_rc phi_webauthn_register(const struct phi_webauthn_rp *rp, struct phi_view challenge,
                                  const struct phi_webauthn_answer *got, struct phi_passkey *ret, struct phi_err *err);
/* `ret_count`: to be kept. A counter that does not rise (where it counts) is PHI_EDENIED: the key was copied. */
enum phi_rc phi_webauthn_assert(const struct phi_webauthn_rp *rp, struct phi_view challenge, const struct phi_passkey *key,
                                const struct phi_webauthn_answer *got, uint32_t *ret_count, struct phi_err *err);

#endif
