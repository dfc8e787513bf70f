#include "base/test.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "base/hash.h"
#include "proof/jws.h"

#define NOW_MS 1790000000000
#define CLAIMS "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1790000300,\"iat\":1790000000,\"sub\":\"alice\"}"

static EVP_PKEY *rsa, *rsa2, *ec, *ed, *small;

static int keys_make(void **unused)
{
    (void)unused;
    rsa = EVP_RSA_gen(2048);
    rsa2 = EVP_RSA_gen(2048);
    small = EVP_RSA_gen(1024);
    ec = EVP_EC_gen("P-256");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return !(rsa && rsa2 && small && ec && ed);
}

static int keys_free(void **unused)
{
    (void)unused;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(rsa2);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    return 0;
}

static void bn_add(struct phi_buf *b, EVP_PKEY *key, const char *param, size_t pad)
{
    BIGNUM *bn = NULL;
    uint8_t raw[512];
    assert_true(EVP_PKEY_get_bn_param(key, param, &bn));
    size_t n = pad ? pad : (size_t)BN_num_bytes(bn);
    BN_bn2binpad(bn, raw, (int)n);
    phi_b64u_add(b, phi_view_mem(raw, n));
    BN_free(bn);
}

static void jwk_add(struct phi_buf *b, EVP_PKEY *key, const char *more)
{
    phi_buf_adds(b, b->n ? "," : "{\"keys\":[");
    phi_buf_printf(b, "{%s", more);
    if (EVP_PKEY_is_a(key, "RSA")) {
        phi_buf_adds(b, "\"kty\":\"RSA\",\"n\":\"");
        bn_add(b, key, OSSL_PKEY_PARAM_RSA_N, 0);
        phi_buf_adds(b, "\",\"e\":\"");
        bn_add(b, key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        phi_buf_adds(b, "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
        bn_add(b, key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
        phi_buf_adds(b, "\",\"y\":\"");
        bn_add(b, key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    } else {
        uint8_t raw[32];
        size_t n = sizeof raw;
        EVP_PKEY_get_raw_public_key(key, raw, &n);
        phi_buf_adds(b, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        phi_b64u_add(b, phi_view_mem(raw, n));
    }
    phi_buf_adds(b, "\"}");
}

static struct phi_jwks *keys_of(EVP_PKEY *key, const char *more)
{
    PHI_BUF(b, 65536);
    struct phi_jwks *k = NULL;
    struct phi_err err = { 0 };
    jwk_add(&b, key, more);
    phi_buf_adds(&b, "]}");
    if (phi_jwks_read(phi_buf_view(&b), &k, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return k;
}

static void sign(struct phi_buf *tok, EVP_PKEY *key, bool pss)
{
    uint8_t sig[512];
    size_t n = sizeof sig;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;
    EVP_DigestSignInit(c, &p, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256(), NULL, key);
    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(c, sig, &n, tok->p, tok->n), 1);
    EVP_MD_CTX_free(c);
    phi_buf_addc(tok, '.');
    if (EVP_PKEY_is_a(key, "EC")) {
        const uint8_t *at = sig;
        ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &at, (long)n);
        BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32);
        ECDSA_SIG_free(s);
        n = 64;
    }
    phi_b64u_add(tok, phi_view_mem(sig, n));
}

static void token(struct phi_buf *b, const char *header, const char *claims, EVP_PKEY *key)
{
    phi_buf_clear(b);
    phi_b64u_add(b, phi_view_of(header));
    phi_buf_addc(b, '.');
    phi_b64u_add(b, phi_view_of(claims));
    if (key)
        sign(b, key, strstr(header, "PS256") != NULL);
}

static enum phi_rc opened(const struct phi_jwks *k, struct phi_view tok, struct phi_jws *ret)
{
    static struct phi_arena a;
    phi_arena_done(&a);
    phi_arena_init(&a, 1 << 20);
    enum phi_rc rc = phi_jws_open(&a, tok, k, ret, NULL);
    if (rc != PHI_OK)
        phi_arena_done(&a);
    return rc;
}

static void each_algorithm_verifies_with_its_own_key_only(void **unused)
{
    const struct {
        EVP_PKEY *key;
        const char *jwk, *header;
    } rows[] = {
        { rsa, "\"kid\":\"a\",", "{\"alg\":\"RS256\",\"kid\":\"a\"}" },
        { rsa, "\"alg\":\"PS256\",\"kid\":\"a\",", "{\"alg\":\"PS256\",\"kid\":\"a\"}" },
        { ec, "\"kid\":\"a\",\"use\":\"sig\",", "{\"alg\":\"ES256\",\"kid\":\"a\"}" },
        { ed, "\"kid\":\"a\",", "{\"alg\":\"EdDSA\",\"kid\":\"a\"}" },
    };
    PHI_BUF(t, 65536);
    struct phi_jws j;
    (void)unused;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < COUNT(rows); k++) {
            struct phi_jwks *keys = keys_of(rows[k].key, rows[k].jwk);
            token(&t, rows[i].header, CLAIMS, rows[i].key);
            enum phi_rc rc = opened(keys, phi_buf_view(&t), &j);
            if (rc != (i == k ? PHI_OK : PHI_EDENIED))
                fail_msg("token %zu, key %zu: %d", i, k, rc);
            phi_jwks_close(keys);
        }
    struct phi_jwks *keys = keys_of(rsa2, "\"kid\":\"a\",");
    token(&t, rows[0].header, CLAIMS, rsa);
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EDENIED);
    phi_jwks_close(keys);
}

static void a_changed_bit_is_refused_wherever_it_is(void **unused)
{
    PHI_BUF(t, 65536);
    struct phi_jwks *keys = keys_of(ed, "");
    struct phi_jws j;
    (void)unused;
    token(&t, "{\"alg\":\"EdDSA\"}", CLAIMS, ed);
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_OK);
    assert_view(phi_json_text(j.claims, "sub"), "alice");
    for (size_t i = 0; i < t.n; i++) {
        t.p[i] ^= 1;
        if (opened(keys, phi_buf_view(&t), &j) == PHI_OK)
            fail_msg("byte %zu", i);
        t.p[i] ^= 1;
    }
    for (size_t n = 0; n < t.n; n++)
        assert_int_not_equal(opened(keys, phi_view_upto(phi_buf_view(&t), n), &j), PHI_OK);
    phi_buf_adds(&t, "=");
    assert_int_not_equal(opened(keys, phi_buf_view(&t), &j), PHI_OK);
    phi_jwks_close(keys);
}

/* Signed with the public key's text as an HMAC secret: what verifiers fell for that took the algorithm from the token. */
static void hmac_token(struct phi_buf *t, struct phi_view secret)
{
    token(t, "{\"alg\":\"HS256\",\"kid\":\"a\"}", CLAIMS, NULL);
    struct phi_digest mac = phi_hmac_sha256(secret, phi_buf_view(t));
    phi_buf_addc(t, '.');
    phi_b64u_add(t, phi_digest_view(&mac));
}

static void the_token_never_chooses_the_algorithm(void **unused)
{
    static const char *const none[] = { "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"nOnE\",\"kid\":\"a\"}", "{\"kid\":\"a\"}", "{\"alg\":null}",
                                        "{\"alg\":[\"RS256\"]}", "{\"alg\":\"RS256 \"}", "{\"alg\":\"RS384\"}", "{\"alg\":\"ES384\"}", "{\"alg\":\"\"}" };
    PHI_BUF(t, 65536);
    PHI_BUF(set, 65536);
    struct phi_jwks *keys = keys_of(rsa, "\"kid\":\"a\",");
    struct phi_jws j;
    (void)unused;
    for (size_t i = 0; i < COUNT(none); i++) {
        token(&t, none[i], CLAIMS, NULL);
        phi_buf_addc(&t, '.');
        assert_int_not_equal(opened(keys, phi_buf_view(&t), &j), PHI_OK);
        phi_buf_adds(&t, "AA");
        assert_int_not_equal(opened(keys, phi_buf_view(&t), &j), PHI_OK);
    }
    jwk_add(&set, rsa, "");
    hmac_token(&t, phi_buf_view(&set));
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EDENIED);
    phi_jwks_close(keys);
    /* a symmetric key that stands in a set is no key */
    assert_int_equal(phi_jwks_read(PHI_LIT("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\"}]}"), &keys, NULL), PHI_EINPUT);
    /* nor may an RSA key say that it is for HMAC */
    phi_buf_clear(&set);
    jwk_add(&set, rsa, "\"alg\":\"HS256\",");
    phi_buf_adds(&set, "]}");
    assert_int_equal(phi_jwks_read(phi_buf_view(&set), &keys, NULL), PHI_EINPUT);
}

static void keys_that_a_token_brings_are_not_used(void **unused)
{
    PHI_BUF(t, 65536);
    PHI_BUF(own, 65536);
    PHI_BUF(header, 65536);
    struct phi_jwks *keys = keys_of(rsa, "\"kid\":\"a\",");
    struct phi_jws j;
    (void)unused;
    jwk_add(&own, rsa2, "");
    phi_buf_printf(&header, "{\"alg\":\"RS256\",\"kid\":\"a\",\"jwk\":" PHI_FMT "}", PHI_ARG(phi_view_from(phi_buf_view(&own), 9)));
    token(&t, phi_buf_str(&header), CLAIMS, rsa2);
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EDENIED);
    token(&t, "{\"alg\":\"RS256\",\"kid\":\"a\",\"jku\":\"https://evil.test/keys\"}", CLAIMS, rsa2);
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EDENIED);
    phi_jwks_close(keys);
}

static void a_kid_is_a_name_and_nothing_more(void **unused)
{
    static const char *const kids[] = { "../../etc/passwd", "a' OR '1'='1", "A", "a ", "|/usr/bin/true", "" };
    PHI_BUF(t, 65536);
    PHI_BUF(two, 65536);
    char header[120];
    struct phi_jwks *keys;
    struct phi_jws j;
    (void)unused;
    jwk_add(&two, rsa, "\"kid\":\"a\",");
    jwk_add(&two, rsa2, "\"kid\":\"b\",");
    phi_buf_adds(&two, "]}");
    assert_int_equal(phi_jwks_read(phi_buf_view(&two), &keys, NULL), PHI_OK);
    for (size_t i = 0; i < COUNT(kids); i++) {
        snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kids[i]);
        token(&t, header, CLAIMS, rsa);
        assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_ENOTFOUND);
    }
    token(&t, "{\"alg\":\"RS256\"}", CLAIMS, rsa); /* which of the two? */
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_ENOTFOUND);
    token(&t, "{\"alg\":\"RS256\",\"kid\":\"b\"}", CLAIMS, rsa); /* another key's name */
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EDENIED);
    token(&t, "{\"alg\":\"RS256\",\"kid\":7}", CLAIMS, rsa);
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EINPUT);
    phi_jwks_close(keys);
}

static void odd_tokens_are_refused(void **unused)
{
    static const char *const headers[] = {
        "{\"alg\":\"EdDSA\",\"crit\":[\"exp\"]}", "{\"alg\":\"EdDSA\",\"b64\":false}", "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}", "[\"EdDSA\"]", "{\"alg\":\"EdDSA\"",
    };
    static const char *const claims[] = { "{\"iss\":\"a\",\"iss\":\"b\"}", "[]", "\"x\"", "{", "", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}" };
    PHI_BUF(t, 1 << 20);
    struct phi_jwks *keys = keys_of(ed, "");
    struct phi_jws j;
    (void)unused;
    for (size_t i = 0; i < COUNT(headers); i++) {
        token(&t, headers[i], CLAIMS, ed);
        assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EINPUT);
    }
    for (size_t i = 0; i < COUNT(claims); i++) {
        token(&t, "{\"alg\":\"EdDSA\"}", claims[i], ed);
        assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EINPUT);
    }
    PHI_BUF(big, 1 << 20);
    phi_buf_adds(&big, "{\"a\":\"");
    for (int i = 0; i < 20000; i++)
        phi_buf_addc(&big, 'a');
    phi_buf_adds(&big, "\"}");
    token(&t, "{\"alg\":\"EdDSA\"}", phi_buf_str(&big), ed);
    assert_int_equal(opened(keys, phi_buf_view(&t), &j), PHI_EINPUT);
    phi_jwks_close(keys);
}

static void weak_and_foreign_keys_are_passed_over(void **unused)
{
    PHI_BUF(set, 65536);
    struct phi_jwks *keys;
    (void)unused;
    jwk_add(&set, small, "\"kid\":\"small\",");
    jwk_add(&set, rsa, "\"kid\":\"enc\",\"use\":\"enc\",");
    jwk_add(&set, rsa, "\"kid\":\"ops\",\"key_ops\":[\"encrypt\"],");
    jwk_add(&set, ec, "\"kid\":\"alg\",\"alg\":\"RS256\",");
    phi_buf_adds(&set, ",{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"},"
                       "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"},{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"},7,null,{}");
    size_t n = set.n;
    phi_buf_adds(&set, "]}");
    assert_int_equal(phi_jwks_read(phi_buf_view(&set), &keys, NULL), PHI_EINPUT);
    set.n = n;
    jwk_add(&set, ed, "");
    phi_buf_adds(&set, "]}");
    assert_int_equal(phi_jwks_read(phi_buf_view(&set), &keys, NULL), PHI_OK);
    assert_int_equal(phi_jwks_count(keys), 1);
    phi_jwks_close(keys);
}

static void claims_are_held_against_what_is_wanted(void **unused)
{
    static const struct {
        const char *claims;
        enum phi_rc rc;
    } rows[] = {
        { CLAIMS, PHI_OK },
        { "{\"iss\":\"https://idp.test\",\"aud\":[\"x\",\"phi\"],\"exp\":1790000300.5}", PHI_OK },
        { "{\"iss\":\"https://idp.test\",\"aud\":[\"x\",\"phi\"],\"azp\":\"phi\",\"exp\":1790000300}", PHI_OK },
        { "{\"iss\":\"https://idp.test\",\"aud\":[\"x\",\"phi\"],\"azp\":\"x\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test/\",\"aud\":\"phi\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://IDP.test\",\"aud\":\"phi\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":[\"https://idp.test\"],\"aud\":\"phi\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"aud\":\"phi\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi2\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":[],\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":{\"phi\":1},\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"exp\":1790000300}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\"}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":\"1790000300\"}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":-1}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1e30}", PHI_EDENIED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1789999941}", PHI_OK }, /* within the minute */
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1789999940}", PHI_EEXPIRED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1790000300,\"nbf\":1790000060}", PHI_OK },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1790000300,\"nbf\":1790000061}", PHI_EEXPIRED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1790000300,\"nbf\":\"x\"}", PHI_EEXPIRED },
        { "{\"iss\":\"https://idp.test\",\"aud\":\"phi\",\"exp\":1790000300,\"iat\":1790000061}", PHI_EEXPIRED },
    };
    PHI_ARENA(a, 1 << 20);
    (void)unused;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phi_jws t = { 0 };
        struct phi_jwt_want w = { .iss = PHI_LIT("https://idp.test"), .aud = PHI_LIT("phi"), .now_ms = NOW_MS };
        assert_int_equal(phi_json_read(&a, phi_view_of(rows[i].claims), PHI_JSON_REALS, "claims", &t.claims, NULL), PHI_OK);
        if (phi_jwt_check(&t, &w, NULL) != rows[i].rc)
            fail_msg("%s", rows[i].claims);
        w.typ = PHI_LIT("at+jwt");
        assert_int_not_equal(phi_jwt_check(&t, &w, NULL), PHI_OK);
        t.typ = PHI_LIT("application/AT+JWT");
        assert_int_equal(phi_jwt_check(&t, &w, NULL), rows[i].rc);
        w.aud = (struct phi_view){ 0 };
        assert_int_equal(phi_jwt_check(&t, &w, NULL), PHI_EDENIED);
    }
}

static void an_id_token_is_for_this_party_alone(void **unused)
{
    static const struct {
        const char *parties;
        enum phi_rc rc;
    } rows[] = { { "\"aud\":\"phi\"", PHI_OK },
                 { "\"aud\":[\"phi\"]", PHI_OK },
                 { "\"aud\":\"phi\",\"azp\":\"phi\"", PHI_OK },
                 { "\"aud\":[\"x\",\"phi\"],\"azp\":\"phi\"", PHI_OK },
                 { "\"aud\":\"phi\",\"azp\":\"x\"", PHI_EDENIED },
                 { "\"aud\":\"phi\",\"azp\":[\"phi\"]", PHI_EDENIED },
                 { "\"aud\":[\"x\",\"phi\"]", PHI_EDENIED } };
    PHI_ARENA(a, 1 << 20);
    (void)unused;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phi_jws t = { 0 };
        struct phi_jwt_want w = { .iss = PHI_LIT("https://idp.test"), .aud = PHI_LIT("phi"), .now_ms = NOW_MS, .exact_party = true };
        struct phi_view text = phi_arena_printf(&a, "{\"iss\":\"https://idp.test\",%s,\"exp\":1790000300}", rows[i].parties);
        assert_int_equal(phi_json_read(&a, text, PHI_JSON_REALS, "claims", &t.claims, NULL), PHI_OK);
        if (phi_jwt_check(&t, &w, NULL) != rows[i].rc)
            fail_msg("%s", rows[i].parties);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm_verifies_with_its_own_key_only),
        cmocka_unit_test(a_changed_bit_is_refused_wherever_it_is),
        cmocka_unit_test(the_token_never_chooses_the_algorithm),
        cmocka_unit_test(keys_that_a_token_brings_are_not_used),
        cmocka_unit_test(a_kid_is_a_name_and_nothing_more),
        cmocka_unit_test(odd_tokens_are_refused),
        cmocka_unit_test(weak_and_foreign_keys_are_passed_over),
        cmocka_unit_test(claims_are_held_against_what_is_wanted),
        cmocka_unit_test(an_id_token_is_for_this_party_alone),
    };
    return cmocka_run_group_tests(tests, keys_make, keys_free);
}
