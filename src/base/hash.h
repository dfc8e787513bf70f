/* SHA-256, HMAC, comparing and wiping of secrets, random bytes, base64url and hex. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/buf.h"

#define PHI_SHA256_LEN 32

struct phi_digest {
    uint8_t b[PHI_SHA256_LEN];
};

struct phi_digest phi_sha256(struct phi_view v);
struct phi_digest phi_sha256_parts(const struct phi_view *parts, size_t n); /* of the concatenation */
struct phi_digest phi_hmac_sha256(struct phi_view key, struct phi_view v);
struct phi_hasher; /* SHA-256 of bytes that come in pieces */
struct phi_hasher *phi_hasher_open(void); /* never NULL: aborts the process as the others do */
void phi_hasher_add(struct phi_hasher *h, struct phi_view v);
struct phi_digest phi_hasher_end(struct phi_hasher *h); /* frees it */
bool phi_digest_eq(const struct phi_digest *a, const struct phi_digest *b); /* constant time */
struct phi_view phi_digest_view(const struct phi_digest *d);

bool phi_secret_eq(struct phi_view a, struct phi_view b); /* constant time in the contents */
void phi_wipe(void *p, size_t n);
void phi_random(void *p, size_t n); /* from the kernel; aborts the process when it cannot */

/* Lower-case hex and unpadded base64url. The readers are strict: no blanks, no padding, no
 * non-zero trailing bits; false on anything else. */
void phi_hex_add(struct phi_buf *b, struct phi_view v);
bool phi_hex_read(struct phi_view text, void *ret, size_t n); /* exactly n bytes */
void phi_b64u_add(struct phi_buf *b, struct phi_view v);
bool phi_b64u_read(struct phi_view text, struct phi_buf *ret); /* appends */
void phi_b64_add(struct phi_buf *b, struct phi_view v);        /* padded standard base64 (notes, PEM) */
bool phi_b64_read(struct phi_view text, struct phi_buf *ret);

#define PHI_HEX_LEN (2 * PHI_SHA256_LEN)
void phi_digest_hex(const struct phi_digest *d, char ret[PHI_HEX_LEN + 1]);
bool phi_digest_from_hex(struct phi_view text, struct phi_digest *ret);

#endif
