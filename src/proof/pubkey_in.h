/* Inside src/proof only: public keys of others' formats (JWK in jws.c, COSE in webauthn.c), from their numbers. */
#ifndef PROOF_PUBKEY_IN_H
#define PROOF_PUBKEY_IN_H

#include <openssl/evp.h>

#include "base/view.h"

/* Each answers a key to be freed with EVP_PKEY_free, or NULL where the numbers are none of such a key. */
EVP_PKEY *proof_rsa(struct phi_view n, struct phi_view e); /* big-endian; at least 2048 bits */
EVP_PKEY *proof_p256(struct phi_view x, struct phi_view y); /* 32 bytes each; a point off the curve is refused */
EVP_PKEY *proof_ed25519(struct phi_view x); /* 32 bytes */

#endif
