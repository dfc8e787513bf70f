#include "proof/key.h"

#include <ctype.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/text.h"

#define ED25519_NOTE 0x01 /* C2SP signed-note: signature type */

static enum phi_rc fill(EVP_PKEY *p, struct phi_key *ret, struct phi_err *err)
{
    size_t n = sizeof ret->seed, m = sizeof ret->pub.b;
    bool ok = p && EVP_PKEY_get_raw_private_key(p, ret->seed, &n) == 1 && n == sizeof ret->seed &&
              EVP_PKEY_get_raw_public_key(p, ret->pub.b, &m) == 1 && m == sizeof ret->pub.b;
    EVP_PKEY_free(p);
    return ok ? PHI_OK : phi_fail(err, PHI_EINPUT, "this is no Ed25519 private key");
}

enum phi_rc phi_key_from_seed(const uint8_t seed[32], struct phi_key *ret, struct phi_err *err)
{
    return fill(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32), ret, err);
}

enum phi_rc phi_key_make(struct phi_key *ret, struct phi_err *err)
{
    uint8_t seed[32];
    phi_random(seed, sizeof seed);
    enum phi_rc rc = phi_key_from_seed(seed, ret, err);
    phi_wipe(seed, sizeof seed);
    return rc;
}

void phi_key_done(struct phi_key *k)
{
    phi_wipe(k, sizeof *k);
}

enum phi_rc phi_key_sign(const struct phi_key *k, struct phi_view text, struct phi_sig *ret, struct phi_err *err)
{
    EVP_PKEY *p = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->seed, sizeof k->seed);
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    size_t n = sizeof ret->b;
    bool ok = p && m && EVP_DigestSignInit(m, NULL, NULL, NULL, p) == 1 &&
              EVP_DigestSign(m, ret->b, &n, text.p ? text.p : (const uint8_t *)"", text.n) == 1 && n == sizeof ret->b;
    EVP_MD_CTX_free(m);
    EVP_PKEY_free(p);
    return ok ? PHI_OK : phi_fail(err, PHI_EIO, "signing failed");
}

bool phi_key_verify(const struct phi_pubkey *pub, struct phi_view text, const struct phi_sig *sig)
{
    EVP_PKEY *p = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub->b, sizeof pub->b);
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    bool ok = p && m && EVP_DigestVerifyInit(m, NULL, NULL, NULL, p) == 1 &&
              EVP_DigestVerify(m, sig->b, sizeof sig->b, text.p ? text.p : (const uint8_t *)"", text.n) == 1;
    EVP_MD_CTX_free(m);
    EVP_PKEY_free(p);
    return ok;
}

/* ---- PEM ---- */

static enum phi_rc take_bio(BIO *bio, bool written, struct phi_buf *ret, struct phi_err *err)
{
    char *p = NULL;
    long n = bio && written ? BIO_get_mem_data(bio, &p) : 0;
    if (n > 0) {
        phi_buf_add(ret, phi_view_mem(p, (size_t)n));
        phi_wipe(p, (size_t)n);
    }
    BIO_free(bio);
    return n > 0 && phi_buf_ok(ret) ? PHI_OK : phi_fail(err, PHI_EIO, "writing a PEM failed");
}

enum phi_rc phi_key_pem(const struct phi_key *k, struct phi_buf *ret, struct phi_err *err)
{
    EVP_PKEY *p = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->seed, sizeof k->seed);
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = p && bio && PEM_write_bio_PKCS8PrivateKey(bio, p, NULL, NULL, 0, NULL, NULL) == 1;
    EVP_PKEY_free(p);
    return take_bio(bio, ok, ret, err);
}

enum phi_rc phi_pubkey_pem(const struct phi_pubkey *k, struct phi_buf *ret, struct phi_err *err)
{
    EVP_PKEY *p = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k->b, sizeof k->b);
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = p && bio && PEM_write_bio_PUBKEY(bio, p) == 1;
    EVP_PKEY_free(p);
    return take_bio(bio, ok, ret, err);
}

static int no_password(char *buf, int size, int writing, void *ctx)
{
    (void)buf, (void)size, (void)writing, (void)ctx;
    return -1; /* never ask on the terminal */
}

enum phi_rc phi_key_from_pem(struct phi_view pem, struct phi_key *ret, struct phi_err *err)
{
    if (pem.n > 4096)
        return phi_fail(err, PHI_EINPUT, "this is no Ed25519 private key");
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *p = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return fill(p, ret, err);
}

enum phi_rc phi_pubkey_from_pem(struct phi_view pem, struct phi_pubkey *ret, struct phi_err *err)
{
    if (pem.n > 4096)
        return phi_fail(err, PHI_EINPUT, "this is no Ed25519 public key");
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *p = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;
    size_t n = sizeof ret->b;
    bool ok = p && EVP_PKEY_get_id(p) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_public_key(p, ret->b, &n) == 1 &&
              n == sizeof ret->b;
    EVP_PKEY_free(p);
    BIO_free(bio);
    return ok ? PHI_OK : phi_fail(err, PHI_EINPUT, "this is no Ed25519 public key");
}

/* ---- verifier key lines ---- */

bool phi_vkey_name_ok(struct phi_view name)
{
    struct phi_view v = name;
    if (!v.n || v.n > 255 || !phi_utf8_ok(v))
        return false;
    while (v.n) {
        uint32_t c = 0;
        size_t n = phi_utf8_next(v, &c);
        bool space = c <= 0x20 || c == 0x7f || (c >= 0x80 && c <= 0xa0) || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
                     c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
        if (space || c == '+')
            return false;
        v = phi_view_from(v, n);
    }
    return true;
}

uint32_t phi_vkey_id(const struct phi_vkey *k)
{
    struct phi_view parts[] = { k->name, PHI_LIT("\n\x01"), phi_view_mem(k->pub.b, sizeof k->pub.b) };
    struct phi_digest d = phi_sha256_parts(parts, 3);
    return (uint32_t)d.b[0] << 24 | (uint32_t)d.b[1] << 16 | (uint32_t)d.b[2] << 8 | d.b[3];
}

void phi_vkey_write(struct phi_buf *b, const struct phi_vkey *k)
{
    uint8_t raw[33] = { ED25519_NOTE };
    memcpy(raw + 1, k->pub.b, sizeof k->pub.b);
    phi_buf_add(b, k->name);
    phi_buf_printf(b, "+%08x+", phi_vkey_id(k));
    phi_b64_add(b, phi_view_mem(raw, sizeof raw));
}

enum phi_rc phi_vkey_read(struct phi_view line, struct phi_vkey *ret, struct phi_err *err)
{
    struct phi_view rest = line, name, id;
    uint8_t id_raw[4];
    PHI_BUF(raw, 64);
    /* blanks at the ends come from files and copying */
    while (rest.n && isspace(rest.p[rest.n - 1]))
        rest.n--;
    rest = phi_view_trim(rest);
    if (!phi_view_split(&rest, '+', &name) || !phi_view_split(&rest, '+', &id) || !phi_vkey_name_ok(name) ||
        !phi_hex_read(id, id_raw, sizeof id_raw) || !phi_b64_read(rest, &raw) || !phi_buf_ok(&raw) || raw.n != 33 ||
        raw.p[0] != ED25519_NOTE)
        return phi_fail(err, PHI_EINPUT, "this is no verifier key line (name+id+key)");
    struct phi_vkey k = { .name = name };
    memcpy(k.pub.b, raw.p + 1, sizeof k.pub.b);
    uint32_t said = (uint32_t)id_raw[0] << 24 | (uint32_t)id_raw[1] << 16 | (uint32_t)id_raw[2] << 8 | id_raw[3];
    if (said != phi_vkey_id(&k))
        return phi_fail(err, PHI_EINPUT, "the verifier key line's id does not fit its key");
    *ret = k;
    return PHI_OK;
}
