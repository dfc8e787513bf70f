/* Certificates for tests: a CA and leaves for TLS servers and clients, made anew in each run. */
#ifndef NET_TEST_PKI_H
#define NET_TEST_PKI_H

#include "base/buf.h"
#include "base/hash.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct test_pki {
    EVP_PKEY *key;
    X509 *cert;
    struct phi_buf ca_pem;
    struct phi_digest ca_sha256;
};

static inline void pki_ext(X509 *c, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
}

static inline X509 *pki_cert(const char *cn, EVP_PKEY *pub, X509 *issuer)
{
    static long serial = 1;
    X509 *c = X509_new();
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
    X509_NAME *n = X509_get_subject_name(c);
    X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0);
    X509_set_issuer_name(c, issuer ? X509_get_subject_name(issuer) : n);
    X509_gmtime_adj(X509_getm_notBefore(c), -60);
    X509_gmtime_adj(X509_getm_notAfter(c), 3600);
    X509_set_pubkey(c, pub);
    return c;
}

static inline void pki_add_pem(struct phi_buf *out, X509 *cert, EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());
    if (cert)
        PEM_write_bio_X509(b, cert);
    if (key)
        PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    phi_buf_add(out, phi_view_mem(p, (size_t)n));
    BIO_free(b);
}

static inline void pki_init(struct test_pki *p)
{
    p->key = EVP_EC_gen("P-256");
    p->cert = pki_cert("test CA", p->key, NULL);
    pki_ext(p->cert, p->cert, NID_basic_constraints, "critical,CA:TRUE");
    pki_ext(p->cert, p->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    X509_sign(p->cert, p->key, EVP_sha256());
    phi_buf_init(&p->ca_pem, 65536);
    pki_add_pem(&p->ca_pem, p->cert, NULL);
    unsigned n = 0;
    X509_digest(p->cert, EVP_sha256(), p->ca_sha256.b, &n);
}

static inline void pki_done(struct test_pki *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->cert);
    phi_buf_done(&p->ca_pem);
}

/* A certificate for a public key. `usage` is serverAuth or clientAuth. Appends leaf and CA. */
static inline void pki_sign(struct test_pki *p, EVP_PKEY *pub, const char *cn, const char *usage,
                            struct phi_buf *cert_pem)
{
    X509 *c = pki_cert(cn, pub, p->cert);
    pki_ext(c, p->cert, NID_basic_constraints, "critical,CA:FALSE");
    pki_ext(c, p->cert, NID_ext_key_usage, usage);
    pki_ext(c, p->cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_sign(c, p->key, EVP_sha256());
    pki_add_pem(cert_pem, c, NULL);
    pki_add_pem(cert_pem, p->cert, NULL);
    X509_free(c);
}

static inline void pki_leaf(struct test_pki *p, const char *cn, const char *usage, struct phi_buf *cert_pem,
                            struct phi_buf *key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    phi_buf_init(cert_pem, 65536);
    phi_buf_init(key_pem, 65536);
    pki_sign(p, key, cn, usage, cert_pem);
    pki_add_pem(key_pem, NULL, key);
    EVP_PKEY_free(key);
}

#endif
