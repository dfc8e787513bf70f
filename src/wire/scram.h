/* SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it, both sides, without channel binding
 * and without I/O. Randomness comes from the caller. Passwords are taken as bytes: SASLprep leaves
 * ASCII as it is, and phi issues only ASCII. */
#ifndef WIRE_SCRAM_H
#define WIRE_SCRAM_H

#include "base/hash.h"

#define SCRAM_MECHANISM      "SCRAM-SHA-256"
#define SCRAM_MAX_SALT       64
#define SCRAM_NONCE_RAW      18 /* random bytes that a nonce is made from */
#define SCRAM_ITERATIONS     4096
#define SCRAM_MAX_ITERATIONS 1000000

struct scram_verifier {
    uint32_t iterations;
    size_t salt_len;
    uint8_t salt[SCRAM_MAX_SALT];
    struct phi_digest stored_key, server_key;
};

/* "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", as in pg_authid. */
bool scram_verifier_read(struct phi_view text, struct scram_verifier *ret);
/* Appends the text form for a password. */
void scram_verifier_make(struct phi_view password, struct phi_view salt, uint32_t iterations,
                         struct phi_buf *ret);
/* A verifier that no password fits, the same for the same user and secret: an unknown user then
 * looks like a known one. */
void scram_verifier_mock(struct phi_view user, struct phi_view secret, struct scram_verifier *ret);

#define SCRAM_MAX_TEXT 2048 /* one SCRAM message */

struct scram_server {
    struct scram_verifier verifier;
    struct phi_buf auth; /* the AuthMessage as it grows */
    char nonce[256];     /* client's and ours */
    uint8_t gs2[16];
    size_t gs2_len;
    int step;
};
void scram_server_init(struct scram_server *s, const struct scram_verifier *v);
void scram_server_done(struct scram_server *s); /* wipes */
/* client-first in, server-first appended to `out`. PHI_EINPUT: not SCRAM, or channel binding asked. */
enum phi_rc scram_server_first(struct scram_server *s, struct phi_view client_first,
                               const uint8_t random[SCRAM_NONCE_RAW], struct phi_buf *out,
                               struct phi_err *err);
/* client-final in, server-final appended. PHI_EAUTH: the proof is wrong. */
enum phi_rc scram_server_final(struct scram_server *s, struct phi_view client_final,
                               struct phi_buf *out, struct phi_err *err);

/* Client side. The salted password is costly: keep `keys` between connections; it is used again
 * when salt and iterations are the same. */
struct scram_keys {
    bool set;
    uint32_t iterations;
    size_t salt_len;
    uint8_t salt[SCRAM_MAX_SALT];
    struct phi_digest salted;
};
struct scram_client {
    struct phi_buf auth;
    char nonce[32];
    struct phi_digest server_signature;
    int step;
};
void scram_client_init(struct scram_client *c);
void scram_client_done(struct scram_client *c);
void scram_client_first(struct scram_client *c, const uint8_t random[SCRAM_NONCE_RAW],
                        struct phi_buf *out);
enum phi_rc scram_client_final(struct scram_client *c, struct phi_view server_first,
                               struct phi_view password, struct scram_keys *keys,
                               struct phi_buf *out, struct phi_err *err);
/* PHI_EAUTH: the server does not know the verifier, it is somebody else. */
enum phi_rc scram_client_verify(struct scram_client *c, struct phi_view server_final,
                                struct phi_err *err);

#endif
