#include "proof/webauthn.h"

#include <openssl/evp.h>

#include "base/json.h"
#include "proof/cbor.h"
#include "proof/pubkey_in.h"

#define MAX_CLIENT_DATA (16 * 1024)
#define MAX_AUTH_DATA (16 * 1024)

#define FLAG_PRESENT  0x01
#define FLAG_VERIFIED 0x04
#define FLAG_KEY      0x40
#define FLAG_MORE     0x80

#define no(err, ...) phi_fail(err, PHI_EDENIED, "passkey: " __VA_ARGS__)

/* ---- the relying party */

static bool is_host(struct phi_view host)
{
    bool letter = false;
    for (size_t i = 0; i < host.n; i++) {
        uint8_t ch = host.p[i];
        letter |= ch >= 'a' && ch <= 'z';
        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.'))
            return false;
    }
    return host.n > 0 && letter; /* an address has none */
}

struct phi_view phi_webauthn_rp_id(struct phi_view origin)
{
    struct phi_view host = { 0 }, rest;
    bool tls = phi_view_starts(origin, PHI_LIT("https://"));
    if (!tls && !phi_view_starts(origin, PHI_LIT("http://")))
        return host;
    rest = phi_view_from(origin, tls ? 8 : 7);
    phi_view_split(&rest, ':', &host);
    return is_host(host) && (tls || phi_view_is(host, "localhost")) ? host : (struct phi_view){ 0 };
}

/* ---- client data (§5.8.1) */

static enum phi_rc client_check(struct phi_arena *a, const struct phi_webauthn_rp *rp, const char *type,
                                struct phi_view challenge, struct phi_view text, struct phi_err *err)
{
    const struct phi_json *v, *cross;
    PHI_BUF(given, 1024);
    if (text.n > MAX_CLIENT_DATA || phi_json_read(a, text, 0, "client data", &v, err) != PHI_OK || v->kind != PHI_JSON_OBJ)
        return no(err, "the client data is no JSON object");
    if (!phi_view_is(phi_json_text(v, "type"), type))
        return no(err, "the answer is of another type than %s", type);
    if (!phi_b64u_read(phi_json_text(v, "challenge"), &given) || !phi_secret_eq(phi_buf_view(&given), challenge))
        return no(err, "the challenge is another");
    if (!phi_view_eq(phi_json_text(v, "origin"), rp->origin))
        return no(err, "it was given to \"" PHI_FMT "\", not to " PHI_FMT,
                  PHI_ARG(phi_view_upto(phi_json_text(v, "origin"), 60)), PHI_ARG(rp->origin));
    cross = phi_json_get(v, "crossOrigin");
    if ((cross && (cross->kind != PHI_JSON_BOOL || cross->b)) || phi_json_get(v, "topOrigin"))
        return no(err, "it was asked for by a page of another site");
    return PHI_OK;
}

/* ---- authenticator data (§6.1) */

struct auth {
    unsigned flags;
    uint32_t count;
    struct phi_view rest; /* attested credential data and extensions */
};

static enum phi_rc auth_read(const struct phi_webauthn_rp *rp, struct phi_view v, struct auth *ret, struct phi_err *err)
{
    struct phi_digest want = phi_sha256(rp->id);
    if (v.n < 37 || v.n > MAX_AUTH_DATA)
        return no(err, "the authenticator's data has a wrong length");
    if (!phi_secret_eq(phi_view_upto(v, PHI_SHA256_LEN), phi_digest_view(&want)))
        return no(err, "it is for another site");
    ret->flags = v.p[32];
    ret->count = (uint32_t)v.p[33] << 24 | (uint32_t)v.p[34] << 16 | (uint32_t)v.p[35] << 8 | v.p[36];
    ret->rest = phi_view_from(v, 37);
    if (!(ret->flags & FLAG_PRESENT))
        return no(err, "nobody touched the authenticator");
    if (!(ret->flags & FLAG_VERIFIED))
        return no(err, "the authenticator did not make sure who it was (PIN, finger, face)");
    return PHI_OK;
}

static bool extensions_end(const struct auth *a, struct phi_view rest)
{
    if (a->flags & FLAG_MORE) {
        struct phi_view look = rest;
        if (cbor_next(&look).kind != CBOR_MAP || !cbor_skip(&rest, 0))
            return false;
    }
    return rest.n == 0;
}

/* ---- keys (RFC 9052, RFC 8812) */

struct cose {
    int64_t kty, alg, crv;
    struct phi_view x, y; /* RSA: e in x, n in y */
};

static bool cose_member(struct cose *c, int64_t key, const struct cbor_item *v)
{
    if (v->kind == CBOR_INT) {
        int64_t *to = key == 1 ? &c->kty : key == 3 ? &c->alg : key == -1 ? &c->crv : NULL;
        return to && (*to = v->num, true);
    }
    if (v->kind != CBOR_BYTES)
        return false;
    bool rsa = c->kty == 3;
    if (rsa && (key == -1 || key == -2))
        *(key == -2 ? &c->x : &c->y) = v->bytes;
    else if (!rsa && (key == -2 || key == -3))
        *(key == -2 ? &c->x : &c->y) = v->bytes;
    else
        return false;
    return true;
}

static bool cose_read(struct phi_view *in, struct cose *ret)
{
    struct cbor_item map = cbor_next(in);
    int64_t seen[8];
    *ret = (struct cose){ 0 };
    if (map.kind != CBOR_MAP || map.num > 8)
        return false;
    for (int64_t i = 0; i < map.num; i++) {
        struct cbor_item key = cbor_next(in), value = cbor_next(in);
        if (key.kind != CBOR_INT || !cose_member(ret, key.num, &value))
            return false;
        for (int64_t k = 0; k < i; k++)
            if (seen[k] == key.num)
                return false;
        seen[i] = key.num;
    }
    if (ret->kty == 2)
        return ret->alg == -7 && ret->crv == 1 && ret->x.n == 32 && ret->y.n == 32;
    if (ret->kty == 1)
        return ret->alg == -8 && ret->crv == 6 && ret->x.n == 32 && ret->y.n == 0;
    return ret->kty == 3 && ret->alg == -257 && ret->x.n >= 1 && ret->x.n <= 4 && ret->y.n >= 256 && ret->y.n <= 512;
}

static EVP_PKEY *key_of(const struct cose *c)
{
    return c->kty == 1 ? proof_ed25519(c->x) : c->kty == 2 ? proof_p256(c->x, c->y) : proof_rsa(c->y, c->x);
}

static bool verifies(struct phi_view cose, struct phi_view text, struct phi_view sig)
{
    struct cose c;
    struct phi_view in = cose;
    EVP_PKEY *key = cose_read(&in, &c) && in.n == 0 ? key_of(&c) : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key && ctx && EVP_DigestVerifyInit(ctx, NULL, c.kty == 1 ? NULL : EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, sig.p, sig.n, text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}

/* ---- registering (§7.1) */

/* The attestation object's authData; fmt and attStmt are not looked at. */
static bool attested(struct phi_view in, struct phi_view *ret)
{
    struct cbor_item map = cbor_next(&in);
    *ret = (struct phi_view){ 0 };
    if (map.kind != CBOR_MAP || map.num != 3)
        return false;
    for (int64_t i = 0; i < map.num; i++) {
        struct cbor_item key = cbor_next(&in);
        struct phi_view at = in;
        if (key.kind != CBOR_TEXT || !cbor_skip(&in, 1))
            return false;
        if (phi_view_is(key.bytes, "authData")) {
            struct cbor_item v = cbor_next(&at);
            if (v.kind != CBOR_BYTES || ret->n)
                return false;
            *ret = v.bytes;
        }
    }
    return in.n == 0 && ret->n > 0;
}

enum phi_rc phi_webauthn_register(const struct phi_webauthn_rp *rp, struct phi_view challenge,
                                  const struct phi_webauthn_answer *got, struct phi_passkey *ret, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct phi_view data;
    struct auth auth;
    struct cose cose;
    PHI_TRY(client_check(&a, rp, "webauthn.create", challenge, got->client, err));
    if (got->auth.n > 2 * MAX_AUTH_DATA || !attested(got->auth, &data))
        return no(err, "the attestation object is not as it should be");
    PHI_TRY(auth_read(rp, data, &auth, err));
    if (!(auth.flags & FLAG_KEY) || auth.rest.n < 18)
        return no(err, "no new key is in it");
    size_t n = (size_t)auth.rest.p[16] << 8 | auth.rest.p[17];
    struct phi_view rest = phi_view_from(auth.rest, 18);
    if (n == 0 || n > PHI_PASSKEY_ID_MAX || n > rest.n)
        return no(err, "the key's id has a wrong length");
    ret->id = phi_view_upto(rest, n);
    rest = phi_view_from(rest, n);
    ret->cose = rest;
    if (!cose_read(&rest, &cose))
        return no(err, "the key is none of ES256, Ed25519 and RS256");
    ret->cose.n -= rest.n;
    ret->count = auth.count;
    EVP_PKEY *key = key_of(&cose);
    EVP_PKEY_free(key);
    if (!key || ret->cose.n > PHI_PASSKEY_KEY_MAX)
        return no(err, "the key is not a valid one");
    return extensions_end(&auth, rest) ? PHI_OK : no(err, "something stands after the key");
}

/* ---- using (§7.2) */

enum phi_rc phi_webauthn_assert(const struct phi_webauthn_rp *rp, struct phi_view challenge, const struct phi_passkey *key,
                                const struct phi_webauthn_answer *got, uint32_t *ret_count, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct auth auth;
    PHI_TRY(client_check(&a, rp, "webauthn.get", challenge, got->client, err));
    PHI_TRY(auth_read(rp, got->auth, &auth, err));
    if ((auth.flags & FLAG_KEY) || !extensions_end(&auth, auth.rest))
        return no(err, "the authenticator's data holds what it should not");
    struct phi_digest client = phi_sha256(got->client);
    PHI_BUF(text, MAX_AUTH_DATA + PHI_SHA256_LEN);
    phi_buf_add(&text, got->auth);
    phi_buf_add(&text, phi_digest_view(&client));
    if (!phi_buf_ok(&text) || got->sig.n == 0 || got->sig.n > 1024 || !verifies(key->cose, phi_buf_view(&text), got->sig))
        return no(err, "the signature does not fit the key");
    if ((auth.count || key->count) && auth.count <= key->count)
        return no(err, "its counter went back: there is a copy of this key; remove it");
    *ret_count = auth.count;
    return PHI_OK;
}
