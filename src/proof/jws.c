#include "proof/jws.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "proof/pubkey_in.h"

enum alg { ALG_NONE, RS256, PS256, ES256, EDDSA };

struct jwk {
    enum alg alg;
    char kid[256];
    EVP_PKEY *key;
};

struct phi_jwks {
    size_t n;
    struct jwk k[PHI_JWKS_KEYS];
};

static enum alg alg_of(struct phi_view name)
{
    static const struct {
        const char *name;
        enum alg alg;
    } known[] = { { "RS256", RS256 }, { "PS256", PS256 }, { "ES256", ES256 }, { "EdDSA", EDDSA }, { "Ed25519", EDDSA } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (phi_view_is(name, known[i].name))
            return known[i].alg;
    return ALG_NONE;
}

/* ---- keys ---- */

static bool member(const struct phi_json *v, const char *name, struct phi_buf *ret)
{
    struct phi_view text;
    return phi_json_str(phi_json_get(v, name), &text) && phi_b64u_read(text, ret) && ret->n;
}

static EVP_PKEY *rsa_read(const struct phi_json *v)
{
    PHI_BUF(n, 1024);
    PHI_BUF(e, 8);
    return member(v, "n", &n) && member(v, "e", &e) ? proof_rsa(phi_buf_view(&n), phi_buf_view(&e)) : NULL;
}

static EVP_PKEY *ec_read(const struct phi_json *v)
{
    PHI_BUF(x, 32);
    PHI_BUF(y, 32);
    bool ok = phi_view_is(phi_json_text(v, "crv"), "P-256") && member(v, "x", &x) && member(v, "y", &y);
    return ok ? proof_p256(phi_buf_view(&x), phi_buf_view(&y)) : NULL;
}

static EVP_PKEY *okp_read(const struct phi_json *v)
{
    PHI_BUF(x, 32);
    return phi_view_is(phi_json_text(v, "crv"), "Ed25519") && member(v, "x", &x) ? proof_ed25519(phi_buf_view(&x)) : NULL;
}

static bool for_signatures(const struct phi_json *v)
{
    const struct phi_json *use = phi_json_get(v, "use"), *ops = phi_json_get(v, "key_ops");
    if (use && !phi_view_is(phi_json_text(v, "use"), "sig"))
        return false;
    return !ops || phi_jwt_has(v, "key_ops", PHI_LIT("verify"));
}

/* RSA without "alg" is RS256, which is what the others' sets without it mean. */
static bool jwk_read(const struct phi_json *v, struct jwk *ret)
{
    struct phi_view kty = phi_json_text(v, "kty"), kid = phi_json_text(v, "kid");
    const struct phi_json *alg = phi_json_get(v, "alg");
    bool rsa = phi_view_is(kty, "RSA"), ec = phi_view_is(kty, "EC"), okp = phi_view_is(kty, "OKP");
    enum alg natural = rsa ? RS256 : ec ? ES256 : okp ? EDDSA : ALG_NONE;
    enum alg said = alg ? alg_of(phi_json_text(v, "alg")) : natural;
    bool fits = said != ALG_NONE && (said == natural || (rsa && said == PS256));
    if (v->kind != PHI_JSON_OBJ || !fits || !for_signatures(v) || kid.n >= sizeof ret->kid)
        return false;
    *ret = (struct jwk){ .alg = said };
    if (kid.n)
        memcpy(ret->kid, kid.p, kid.n);
    ret->key = rsa ? rsa_read(v) : ec ? ec_read(v) : okp_read(v);
    return ret->key != NULL;
}

enum phi_rc phi_jwks_read(struct phi_view text, struct phi_jwks **ret, struct phi_err *err)
{
    PHI_ARENA(a, 4 * PHI_JWKS_MAX + 65536);
    const struct phi_json *v;
    if (text.n > PHI_JWKS_MAX)
        return phi_fail(err, PHI_ELIMIT, "the key set is larger than %d bytes", PHI_JWKS_MAX);
    PHI_TRY(phi_json_read(&a, text, PHI_JSON_INT64 | PHI_JSON_REALS, "key set", &v, err));
    const struct phi_json *keys = phi_json_get(v, "keys");
    if (!keys || keys->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "the key set has no list \"keys\"");
    struct phi_jwks *k = calloc(1, sizeof *k);
    if (!k)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < keys->n && k->n < PHI_JWKS_KEYS; i++)
        if (jwk_read(&keys->items[i], &k->k[k->n]))
            k->n++;
    if (k->n == 0) {
        phi_jwks_close(k);
        return phi_fail(err, PHI_EINPUT, "the key set has no key that can be used (RSA of 2048 bits, P-256, Ed25519)");
    }
    *ret = k;
    return PHI_OK;
}

void phi_jwks_close(struct phi_jwks *k)
{
    for (size_t i = 0; k && i < k->n; i++)
        EVP_PKEY_free(k->k[i].key);
    free(k);
}

size_t phi_jwks_count(const struct phi_jwks *k)
{
    return k->n;
}

/* ---- signatures ---- */

/* JWS has r and s side by side, OpenSSL wants them as DER. */
static bool ecdsa_der(struct phi_view raw, struct phi_buf *ret)
{
    if (raw.n != 64)
        return false;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.p, 32, NULL), *s = BN_bin2bn(raw.p + 32, 32, NULL);
    bool ok = sig && r && s && ECDSA_SIG_set0(sig, r, s);
    if (!ok) {
        BN_free(r);
        BN_free(s);
    }
    unsigned char *der = NULL;
    int n = ok ? i2d_ECDSA_SIG(sig, &der) : 0;
    if (n > 0)
        phi_buf_add(ret, phi_view_mem(der, (size_t)n));
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return n > 0 && phi_buf_ok(ret);
}

static bool verifies(const struct jwk *k, struct phi_view text, struct phi_view sig)
{
    PHI_BUF(der, 128);
    if (k->alg == ES256) {
        if (!ecdsa_der(sig, &der))
            return false;
        sig = phi_buf_view(&der);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL; /* ctx's */
    const char *md = k->alg == EDDSA ? NULL : "SHA256";
    bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, &pctx, md, NULL, NULL, k->key, NULL) == 1;
    if (ok && k->alg == PS256)
        ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(ctx, sig.p, sig.n, text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* ---- tokens ---- */

struct parts {
    struct phi_view header, payload, sig, signed_text;
};

static bool split(struct phi_view token, struct parts *p)
{
    struct phi_view rest = token;
    if (!phi_view_split(&rest, '.', &p->header) || !phi_view_split(&rest, '.', &p->payload))
        return false;
    p->sig = rest;
    p->signed_text = phi_view_upto(token, p->header.n + 1 + p->payload.n);
    return p->header.n && p->payload.n && p->sig.n;
}

static enum phi_rc part_read(struct phi_arena *a, struct phi_view b64, const char *what, const struct phi_json **ret,
                             struct phi_err *err)
{
    PHI_BUF(text, PHI_JWS_MAX);
    if (!phi_b64u_read(b64, &text))
        return phi_fail(err, PHI_EINPUT, "%s: not base64url", what);
    struct phi_view kept = phi_arena_copy(a, phi_buf_view(&text));
    PHI_TRY(phi_json_read(a, kept, PHI_JSON_INT64 | PHI_JSON_REALS, what, ret, err));
    if ((*ret)->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "%s: not an object", what);
    return PHI_OK;
}

/* With a kid only keys of that kid count; without one the set must leave no choice. */
static const struct jwk *key_find(const struct phi_jwks *keys, struct phi_view kid, enum alg alg, bool *ret_known)
{
    const struct jwk *found = NULL;
    *ret_known = false;
    for (size_t i = 0; i < keys->n; i++) {
        const struct jwk *k = &keys->k[i];
        if (kid.n ? !phi_view_is(kid, k->kid) : keys->n > 1)
            continue;
        *ret_known = true;
        if (k->alg == alg && !found)
            found = k;
    }
    return found;
}

static enum phi_rc header_check(const struct phi_json *h, struct phi_jws *ret, enum alg *alg, struct phi_err *err)
{
    struct phi_view name;
    if (phi_json_get(h, "crit") || phi_json_get(h, "b64"))
        return phi_fail(err, PHI_EINPUT, "the token's header wants extensions (crit) that are not known");
    if (!phi_json_str(phi_json_get(h, "alg"), &name) || (*alg = alg_of(name)) == ALG_NONE)
        return phi_fail(err, PHI_EDENIED, "the token's algorithm is not one of RS256, PS256, ES256, EdDSA");
    if ((phi_json_get(h, "kid") && !phi_json_str(phi_json_get(h, "kid"), &ret->kid)) ||
        (phi_json_get(h, "typ") && !phi_json_str(phi_json_get(h, "typ"), &ret->typ)))
        return phi_fail(err, PHI_EINPUT, "the token's kid and typ must be texts");
    return PHI_OK;
}

enum phi_rc phi_jws_open(struct phi_arena *a, struct phi_view token, const struct phi_jwks *keys, struct phi_jws *ret,
                         struct phi_err *err)
{
    struct parts p;
    const struct phi_json *header;
    enum alg alg = ALG_NONE;
    bool known;
    PHI_BUF(sig, 2048);
    *ret = (struct phi_jws){ 0 };
    if (token.n > PHI_JWS_MAX || !split(token, &p))
        return phi_fail(err, PHI_EINPUT, "not a signed token of three parts and at most %d bytes", PHI_JWS_MAX);
    PHI_TRY(part_read(a, p.header, "token header", &header, err));
    PHI_TRY(header_check(header, ret, &alg, err));
    const struct jwk *k = key_find(keys, ret->kid, alg, &known);
    if (!known)
        return phi_fail(err, PHI_ENOTFOUND, "the issuer has no key \"" PHI_FMT "\"", PHI_ARG(phi_view_upto(ret->kid, 64)));
    if (!k)
        return phi_fail(err, PHI_EDENIED, "the token's algorithm is not that of the issuer's key");
    if (!phi_b64u_read(p.sig, &sig))
        return phi_fail(err, PHI_EINPUT, "the token's signature is not base64url");
    if (!verifies(k, p.signed_text, phi_buf_view(&sig)))
        return phi_fail(err, PHI_EDENIED, "the token's signature is not the issuer's");
    ret->signed_text = p.signed_text;
    return part_read(a, p.payload, "token claims", &ret->claims, err);
}

struct phi_view phi_jws_peek_issuer(struct phi_arena *a, struct phi_view token)
{
    struct parts p;
    const struct phi_json *claims;
    if (token.n > PHI_JWS_MAX || !split(token, &p) || part_read(a, p.payload, "token claims", &claims, NULL) != PHI_OK)
        return (struct phi_view){ 0 };
    return phi_json_text(claims, "iss");
}

/* ---- claims ---- */

bool phi_jwt_time(const struct phi_json *claims, const char *name, int64_t *ret_ms)
{
    const struct phi_json *v = phi_json_get(claims, name);
    double s = !v ? -1 : v->kind == PHI_JSON_INT ? (double)v->i : v->kind == PHI_JSON_REAL ? v->real : -1;
    if (!(s >= 0 && s < 253402300800.0)) /* the year 10000 */
        return false;
    *ret_ms = (int64_t)(s * 1000);
    return true;
}

bool phi_jwt_has(const struct phi_json *claims, const char *name, struct phi_view text)
{
    const struct phi_json *v = phi_json_get(claims, name);
    struct phi_view s;
    if (v && v->kind == PHI_JSON_STR)
        return phi_view_eq(v->str, text);
    for (size_t i = 0; v && v->kind == PHI_JSON_ARR && i < v->n; i++)
        if (phi_json_str(&v->items[i], &s) && phi_view_eq(s, text))
            return true;
    return false;
}

static enum phi_rc time_check(const struct phi_json *c, const struct phi_jwt_want *w, struct phi_err *err)
{
    int64_t exp, nbf, iat;
    if (!phi_jwt_time(c, "exp", &exp))
        return phi_fail(err, PHI_EDENIED, "the token has no end (exp)");
    if (w->now_ms >= exp + PHI_JWT_SKEW_MS)
        return phi_fail(err, PHI_EEXPIRED, "the token is over");
    if (phi_json_get(c, "nbf") && (!phi_jwt_time(c, "nbf", &nbf) || nbf > w->now_ms + PHI_JWT_SKEW_MS))
        return phi_fail(err, PHI_EEXPIRED, "the token is not valid yet; compare the clocks");
    bool has_iat = phi_jwt_time(c, "iat", &iat);
    if ((phi_json_get(c, "iat") && !has_iat) || (has_iat && iat > w->now_ms + PHI_JWT_SKEW_MS))
        return phi_fail(err, PHI_EEXPIRED, "the token was issued in the future; compare the clocks");
    if (w->max_age_ms && (!has_iat || w->now_ms - iat > w->max_age_ms + PHI_JWT_SKEW_MS))
        return phi_fail(err, PHI_EEXPIRED, "the token is too old");
    return PHI_OK;
}

static bool typ_fits(struct phi_view typ, struct phi_view want)
{
    struct phi_view app = PHI_LIT("application/");
    if (typ.n > app.n && strncasecmp((const char *)typ.p, (const char *)app.p, app.n) == 0)
        typ = phi_view_from(typ, app.n);
    return typ.n == want.n && strncasecmp((const char *)typ.p, (const char *)want.p, want.n) == 0;
}

enum phi_rc phi_jwt_check(const struct phi_jws *t, const struct phi_jwt_want *w, struct phi_err *err)
{
    const struct phi_json *c = t->claims, *aud = phi_json_get(c, "aud"), *azp = phi_json_get(c, "azp");
    struct phi_view iss;
    if (!w->iss.n || !w->aud.n)
        return phi_fail(err, PHI_EDENIED, "no issuer or audience is configured");
    if (!phi_json_str(phi_json_get(c, "iss"), &iss) || !phi_view_eq(iss, w->iss))
        return phi_fail(err, PHI_EDENIED, "the token's issuer (iss) is another");
    if (!phi_jwt_has(c, "aud", w->aud))
        return phi_fail(err, PHI_EDENIED, "the token is for another audience (aud)");
    if (aud->kind == PHI_JSON_ARR && aud->n > 1 && azp && !phi_view_eq(phi_json_text(c, "azp"), w->aud))
        return phi_fail(err, PHI_EDENIED, "the token was made for another party (azp)");
    if (w->exact_party && (azp || (aud->kind == PHI_JSON_ARR && aud->n > 1)) && !phi_view_eq(phi_json_text(c, "azp"), w->aud))
        return phi_fail(err, PHI_EDENIED, "the token was made for another party (azp)");
    if (w->typ.n && !typ_fits(t->typ, w->typ))
        return phi_fail(err, PHI_EDENIED, "the token is of another type (typ)");
    return time_check(c, w, err);
}
