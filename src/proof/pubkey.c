#include "proof/pubkey_in.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define P256_LEN     32

static EVP_PKEY *key_make(const char *kind, OSSL_PARAM_BLD *b)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *p = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    if (!p || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, p) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(p);
    return key;
}

static bool rsa_numbers(const BIGNUM *n, const BIGNUM *e)
{
    return n && e && BN_num_bits(n) >= RSA_BITS_MIN && BN_is_odd(n) && BN_is_odd(e) && BN_num_bits(e) >= 2;
}

EVP_PKEY *proof_rsa(struct phi_view n, struct phi_view e)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n.p, (int)n.n, NULL), *be = BN_bin2bn(e.p, (int)e.n, NULL);
    if (b && rsa_numbers(bn, be) && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be) == 1)
        key = key_make("RSA", b);
    BN_free(bn);
    BN_free(be);
    OSSL_PARAM_BLD_free(b);
    return key;
}

EVP_PKEY *proof_p256(struct phi_view x, struct phi_view y)
{
    uint8_t point[1 + 2 * P256_LEN] = { 4 }; /* uncompressed */
    EVP_PKEY *key = NULL;
    if (x.n != P256_LEN || y.n != P256_LEN)
        return NULL;
    memcpy(point + 1, x.p, P256_LEN);
    memcpy(point + 1 + P256_LEN, y.p, P256_LEN);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
        key = key_make("EC", b);
    OSSL_PARAM_BLD_free(b);
    return key;
}

EVP_PKEY *proof_ed25519(struct phi_view x)
{
    return x.n == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.p, x.n) : NULL;
}
