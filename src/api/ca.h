/* phid's own certificate authority: one P-256 key in the data folder, made at the first start. It
 * signs the gateways listener's certificate and each gateway's public key at enrolment, and nothing
 * else. Gateways pin it by the hash of its certificate, which the enrolment code carries. */
#ifndef API_CA_H
#define API_CA_H

#include "base/hash.h"

struct phi_ca; /* opaque */

/* Opens DIR/ca.key and DIR/ca.pem, or makes both (0600, 0644) when neither is there. One without the
 * other is PHI_ECORRUPT: a new CA would lock every gateway out. */
enum phi_rc phi_ca_open(const char *dir, struct phi_ca **ret, struct phi_err *err);
void phi_ca_close(struct phi_ca *ca); /* NULL is fine */

struct phi_view phi_ca_pem(const struct phi_ca *ca);                  /* lives with ca */
const struct phi_digest *phi_ca_fingerprint(const struct phi_ca *ca); /* SHA-256 of its DER */

/* A new key and certificate for the gateways listener, good for `names` (DNS names or addresses).
 * `ret_chain` is the certificate and the CA's, PEM; `ret_key` a PKCS#8 PEM: wipe it after use. */
enum phi_rc phi_ca_server(struct phi_ca *ca, const char *const *names, size_t n,
                          struct phi_buf *ret_chain, struct phi_buf *ret_key, struct phi_err *err);

/* A gateway's public key, a PEM SubjectPublicKeyInfo: Ed25519 or P-256, else PHI_EINPUT. `ret` is the
 * SHA-256 of its DER form: what core knows the gateway by. */
enum phi_rc phi_ca_key_hash(struct phi_view public_key, struct phi_digest *ret,
                            struct phi_err *err);
/* Signs that key for TLS clients with CN = name, for `life_ms` from now. Thread-safe: it only reads. */
enum phi_rc phi_ca_gateway(const struct phi_ca *ca, struct phi_view public_key, struct phi_view name, int64_t life_ms,
                           struct phi_buf *ret_pem, struct phi_err *err);

#endif
