/* A browser with an authenticator for tests: answers as they are told to be, honest or not. */
#ifndef PROOF_SOFT_KEY_TEST_H
#define PROOF_SOFT_KEY_TEST_H

#include "proof/webauthn.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

struct told {
    const char *type, *origin, *more; /* more: members after them, with their comma */
    struct phi_view challenge;
    const char *rp_id, *key_id;       /* key_id: four letters */
    unsigned flags;
    uint32_t count;
    const char *tail; /* after the authenticator's data */
    bool flip;        /* one bit of the signature */
    EVP_PKEY *key;
};

static inline void told_client(struct phi_buf *b, const struct told *t)
{
    phi_buf_printf(b, "{\"type\":\"%s\",\"challenge\":\"", t->type);
    phi_b64u_add(b, t->challenge);
    phi_buf_printf(b, "\",\"origin\":\"%s\"%s}", t->origin, t->more);
}

static inline void told_auth(struct phi_buf *b, const struct told *t)
{
    struct phi_digest id = phi_sha256(phi_view_of(t->rp_id));
    uint8_t head[5] = { (uint8_t)t->flags, (uint8_t)(t->count >> 24), (uint8_t)(t->count >> 16), (uint8_t)(t->count >> 8), (uint8_t)t->count };
    phi_buf_add(b, phi_digest_view(&id));
    phi_buf_add(b, phi_view_mem(head, 5));
}

static inline void told_cose(struct phi_buf *b, EVP_PKEY *key)
{
    uint8_t point[65];
    size_t n = sizeof point;
    if (EVP_PKEY_is_a(key, "ED25519")) {
        EVP_PKEY_get_raw_public_key(key, point, &n);
        phi_buf_add(b, phi_view_mem("\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20", 10));
        phi_buf_add(b, phi_view_mem(point, 32));
        return;
    }
    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n);
    phi_buf_add(b, phi_view_mem("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", 10));
    phi_buf_add(b, phi_view_mem(point + 1, 32));
    phi_buf_add(b, phi_view_mem("\x22\x58\x20", 3));
    phi_buf_add(b, phi_view_mem(point + 33, 32));
}

/* The answer to navigator.credentials.create. */
static inline void told_make(struct phi_arena *a, const struct told *t, struct phi_webauthn_answer *ret)
{
    PHI_BUF(client, 4096);
    PHI_BUF(auth, 4096);
    PHI_BUF(object, 8192);
    told_client(&client, t);
    told_auth(&auth, t);
    phi_buf_add(&auth, phi_view_mem("0123456789abcdef\0\x04", 18));
    phi_buf_adds(&auth, t->key_id);
    told_cose(&auth, t->key);
    phi_buf_adds(&auth, t->tail);
    phi_buf_add(&object, phi_view_mem("\xa3\x63""fmt\x64""none\x67""attStmt\xa0\x68""authData\x58", 29));
    uint8_t n = (uint8_t)phi_buf_view(&auth).n;
    phi_buf_add(&object, phi_view_mem(&n, 1));
    phi_buf_add(&object, phi_buf_view(&auth));
    *ret = (struct phi_webauthn_answer){ phi_arena_copy(a, phi_buf_view(&client)), phi_arena_copy(a, phi_buf_view(&object)), { 0 } };
}

/* The answer to navigator.credentials.get. */
static inline void told_get(struct phi_arena *a, const struct told *t, struct phi_webauthn_answer *ret)
{
    PHI_BUF(client, 4096);
    PHI_BUF(auth, 4096);
    PHI_BUF(text, 8192);
    uint8_t sig[256];
    size_t n = sizeof sig;
    told_client(&client, t);
    told_auth(&auth, t);
    phi_buf_adds(&auth, t->tail);
    struct phi_digest hash = phi_sha256(phi_buf_view(&client));
    phi_buf_add(&text, phi_buf_view(&auth));
    phi_buf_add(&text, phi_digest_view(&hash));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_DigestSignInit(ctx, NULL, EVP_PKEY_is_a(t->key, "ED25519") ? NULL : EVP_sha256(), NULL, t->key);
    if (EVP_DigestSign(ctx, sig, &n, phi_buf_view(&text).p, phi_buf_view(&text).n) != 1)
        n = 0;
    EVP_MD_CTX_free(ctx);
    if (t->flip)
        sig[n / 2] ^= 1;
    *ret = (struct phi_webauthn_answer){ phi_arena_copy(a, phi_buf_view(&client)), phi_arena_copy(a, phi_buf_view(&auth)),
                                         phi_arena_copy(a, phi_view_mem(sig, n)) };
}

#endif
