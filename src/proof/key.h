/* Ed25519 keys (RFC 8032) over OpenSSL, and the verifier key line of C2SP signed-note. */
#ifndef PROOF_KEY_H
#define PROOF_KEY_H

#include "base/hash.h"

#define PHI_SIG_LEN 64

struct phi_pubkey {
    uint8_t b[32];
};
struct phi_sig {
    uint8_t b[PHI_SIG_LEN];
};
struct phi_key { /* secret: wipe with phi_key_done */
    uint8_t seed[32];
    struct phi_pubkey pub;
};

enum phi_rc phi_key_make(struct phi_key *ret, struct phi_err *err); /* from the system's random source */
enum phi_rc phi_key_from_seed(const uint8_t seed[32], struct phi_key *ret, struct phi_err *err);
void phi_key_done(struct phi_key *k);
enum phi_rc phi_key_sign(const struct phi_key *k, struct phi_view text, struct phi_sig *ret, struct phi_err *err);
bool phi_key_verify(const struct phi_pubkey *pub, struct phi_view text, const struct phi_sig *sig);

/* PEM: PKCS#8 (private) and SubjectPublicKeyInfo (public). The buffer with the private one is the
 * caller's to wipe. */
enum phi_rc phi_key_pem(const struct phi_key *k, struct phi_buf *ret, struct phi_err *err);
enum phi_rc phi_key_from_pem(struct phi_view pem, struct phi_key *ret, struct phi_err *err);
enum phi_rc phi_pubkey_pem(const struct phi_pubkey *k, struct phi_buf *ret, struct phi_err *err);
enum phi_rc phi_pubkey_from_pem(struct phi_view pem, struct phi_pubkey *ret, struct phi_err *err);

/* `<name>+<key id, 8 hex>+<base64(0x01 || public key)>`; the name borrows from the line. */
struct phi_vkey {
    struct phi_view name;
    struct phi_pubkey pub;
};
uint32_t phi_vkey_id(const struct phi_vkey *k); /* SHA-256(name "\n" 0x01 key)[:4] */
void phi_vkey_write(struct phi_buf *b, const struct phi_vkey *k);
enum phi_rc phi_vkey_read(struct phi_view line, struct phi_vkey *ret, struct phi_err *err); /* blanks at the ends are fine */
bool phi_vkey_name_ok(struct phi_view name); /* not empty, no blanks or controls, no '+' */

#endif
