#include "api/ca.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"

#define DAY_S      86400LL
#define CA_S       (20 * 365 * DAY_S)
#define LISTENER_S (2 * 365 * DAY_S)
#define EARLY_S    300 /* for a clock that is behind ours */
#define MAX_PEM   (64 * 1024)
#define MAX_CN    64 /* ub-common-name, RFC 5280 */

struct phi_ca {
    EVP_PKEY *key;
    X509 *cert;
    struct phi_buf pem;
    struct phi_digest fingerprint;
};

static void key_free(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}
static void cert_free(X509 **c)
{
    X509_free(*c);
}
static void bio_free(BIO **b)
{
    BIO_free_all(*b);
}
#define CA_KEY  __attribute__((cleanup(key_free))) EVP_PKEY *
#define CA_CERT __attribute__((cleanup(cert_free))) X509 *
#define CA_BIO  __attribute__((cleanup(bio_free))) BIO *

/* A passphrase prompt would hang a daemon. */
static int no_passphrase(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag, (void)u;
    return -1;
}

static bool bio_add(BIO *b, struct phi_buf *ret)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    if (n <= 0)
        return false;
    phi_buf_add(ret, phi_view_mem(p, (size_t)n));
    return phi_buf_ok(ret);
}

static bool cert_to_pem(X509 *c, struct phi_buf *ret)
{
    CA_BIO b = BIO_new(BIO_s_mem());
    return b && PEM_write_bio_X509(b, c) == 1 && bio_add(b, ret);
}

static bool key_to_pem(EVP_PKEY *k, struct phi_buf *ret)
{
    CA_BIO b = BIO_new(BIO_s_secmem());
    return b && PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) == 1 &&
           bio_add(b, ret);
}

static bool fingerprint_of(X509 *c, struct phi_digest *ret)
{
    unsigned n = 0;
    return X509_digest(c, EVP_sha256(), ret->b, &n) == 1 && n == PHI_SHA256_LEN;
}

static bool extension_add(X509 *c, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(c, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool serial_set(X509 *c)
{
    uint8_t bytes[16];
    phi_random(bytes, sizeof(bytes));
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and of full length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(c));
    BN_free(n);
    return ok;
}

/* Version, serial, names, validity and key: what every certificate has. */
static X509 *cert_begin(struct phi_view cn, X509 *issuer, EVP_PKEY *key, int64_t life_s)
{
    X509 *c = X509_new();
    if (!c)
        return NULL;
    X509_NAME *name = X509_get_subject_name(c);
    if (X509_set_version(c, X509_VERSION_3) == 1 && serial_set(c) &&
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, cn.p, (int)cn.n, -1, 0) ==
            1 &&
        X509_set_issuer_name(c, issuer ? X509_get_subject_name(issuer) : name) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(c), life_s / 10 < EARLY_S ? -(long)(life_s / 10) : -EARLY_S) &&
        X509_time_adj_ex(X509_getm_notAfter(c), (int)(life_s / DAY_S), (long)(life_s % DAY_S), NULL) && X509_set_pubkey(c, key) == 1)
        return c;
    X509_free(c);
    return NULL;
}

static bool ca_make(struct phi_ca *ca)
{
    ca->key = EVP_EC_gen("P-256");
    if (!ca->key)
        return false;
    ca->cert = cert_begin(PHI_LIT("phi gateways CA"), NULL, ca->key, CA_S);
    X509 *c = ca->cert;
    return c && extension_add(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           extension_add(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           extension_add(c, c, NID_subject_key_identifier, "hash") &&
           X509_sign(c, ca->key, EVP_sha256()) > 0;
}

static enum phi_rc ca_store(struct phi_ca *ca, const char *key_path, const char *cert_path,
                            struct phi_err *err)
{
    PHI_BUF(key, MAX_PEM);
    if (!key_to_pem(ca->key, &key) || !cert_to_pem(ca->cert, &ca->pem))
        return phi_fail(err, PHI_EIO, "cannot encode the new CA");
    enum phi_rc rc = phi_file_write(key_path, phi_buf_view(&key), 0600, err);
    phi_buf_wipe(&key);
    PHI_TRY(rc);
    return phi_file_write(cert_path, phi_buf_view(&ca->pem), 0644, err);
}

static enum phi_rc ca_load(struct phi_ca *ca, const char *key_path, const char *cert_path,
                           struct phi_err *err)
{
    PHI_BUF(key, MAX_PEM);
    PHI_TRY(phi_file_read_secret(key_path, MAX_PEM, &key, err));
    CA_BIO kb = BIO_new_mem_buf(key.p, (int)key.n);
    ca->key = kb ? PEM_read_bio_PrivateKey(kb, NULL, no_passphrase, NULL) : NULL;
    phi_buf_wipe(&key);
    PHI_TRY(phi_file_read(cert_path, MAX_PEM, &ca->pem, err));
    CA_BIO cb = BIO_new_mem_buf(ca->pem.p, (int)ca->pem.n);
    ca->cert = cb ? PEM_read_bio_X509(cb, NULL, no_passphrase, NULL) : NULL;
    if (!ca->key || !ca->cert || X509_check_private_key(ca->cert, ca->key) != 1)
        return phi_fail(err, PHI_ECORRUPT, "%s and %s are not a key and its certificate", key_path,
                        cert_path);
    return PHI_OK;
}

static enum phi_rc ca_open_in(struct phi_ca *ca, const char *dir, struct phi_err *err)
{
    char key_path[4096], cert_path[4096];
    if ((size_t)snprintf(key_path, sizeof(key_path), "%s/ca.key", dir) >= sizeof(key_path) ||
        (size_t)snprintf(cert_path, sizeof(cert_path), "%s/ca.pem", dir) >= sizeof(cert_path))
        return phi_fail(err, PHI_ELIMIT, "the data folder's path is too long");
    bool has_key = access(key_path, F_OK) == 0, has_cert = access(cert_path, F_OK) == 0;
    if (has_key != has_cert)
        return phi_fail(err, PHI_ECORRUPT, "%s is missing beside %s: restore it from a backup",
                        has_key ? cert_path : key_path, has_key ? key_path : cert_path);
    if (has_key) {
        PHI_TRY(ca_load(ca, key_path, cert_path, err));
    } else {
        if (!ca_make(ca))
            return phi_fail(err, PHI_EIO, "cannot make the gateways CA");
        PHI_TRY(ca_store(ca, key_path, cert_path, err));
    }
    if (!fingerprint_of(ca->cert, &ca->fingerprint))
        return phi_fail(err, PHI_EIO, "cannot hash the CA's certificate");
    return PHI_OK;
}

enum phi_rc phi_ca_open(const char *dir, struct phi_ca **ret, struct phi_err *err)
{
    struct phi_ca *ca = calloc(1, sizeof(*ca));
    if (!ca)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    phi_buf_init(&ca->pem, MAX_PEM);
    enum phi_rc rc = ca_open_in(ca, dir, err);
    if (rc != PHI_OK) {
        phi_ca_close(ca);
        return rc;
    }
    *ret = ca;
    return PHI_OK;
}

void phi_ca_close(struct phi_ca *ca)
{
    if (!ca)
        return;
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
    phi_buf_done(&ca->pem);
    free(ca);
}

struct phi_view phi_ca_pem(const struct phi_ca *ca)
{
    return phi_buf_view(&ca->pem);
}

const struct phi_digest *phi_ca_fingerprint(const struct phi_ca *ca)
{
    return &ca->fingerprint;
}

static bool leaf_sign(const struct phi_ca *ca, X509 *c, const char *usage, const char *alt_names)
{
    return extension_add(c, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
           extension_add(c, ca->cert, NID_key_usage, "critical,digitalSignature") &&
           extension_add(c, ca->cert, NID_ext_key_usage, usage) &&
           extension_add(c, ca->cert, NID_authority_key_identifier, "keyid:always") &&
           (!alt_names || extension_add(c, ca->cert, NID_subject_alt_name, alt_names)) &&
           X509_sign(c, ca->key, EVP_sha256()) > 0;
}

/* The OpenSSL syntax splits at commas, so a name may hold only what host names and addresses hold. */
static bool alt_name_add(struct phi_buf *b, const char *name)
{
    uint8_t address[16];
    if (!*name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") !=
            strlen(name))
        return false;
    bool ip = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    phi_buf_printf(b, "%s%s:%s", b->n ? "," : "", ip ? "IP" : "DNS", name);
    return phi_buf_ok(b);
}

enum phi_rc phi_ca_server(struct phi_ca *ca, const char *const *names, size_t n,
                          struct phi_buf *ret_chain, struct phi_buf *ret_key, struct phi_err *err)
{
    PHI_BUF(alt, 4096);
    for (size_t i = 0; i < n; i++)
        if (!alt_name_add(&alt, names[i]))
            return phi_fail(err, PHI_EINPUT, "\"%s\" is no host name or address", names[i]);
    CA_KEY key = EVP_EC_gen("P-256");
    CA_CERT c = key ? cert_begin(PHI_LIT("phid"), ca->cert, key, LISTENER_S) : NULL;
    if (!c || !leaf_sign(ca, c, "serverAuth", n ? phi_buf_str(&alt) : NULL) ||
        !cert_to_pem(c, ret_chain) || !key_to_pem(key, ret_key))
        return phi_fail(err, PHI_EIO, "cannot make the gateways listener's certificate");
    phi_buf_add(ret_chain, phi_ca_pem(ca));
    return phi_buf_ok(ret_chain) ? PHI_OK
                                 : phi_fail(err, PHI_ELIMIT, "the certificate chain is too long");
}

static bool key_kind_ok(EVP_PKEY *k)
{
    char group[32] = "";
    if (EVP_PKEY_is_a(k, "ED25519"))
        return true;
    return EVP_PKEY_is_a(k, "EC") && EVP_PKEY_get_group_name(k, group, sizeof(group), NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static enum phi_rc key_read(struct phi_view pem, EVP_PKEY **ret, struct phi_err *err)
{
    CA_BIO b = pem.n && pem.n <= MAX_PEM ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    *ret = b ? PEM_read_bio_PUBKEY(b, NULL, no_passphrase, NULL) : NULL;
    if (!*ret || !key_kind_ok(*ret))
        return phi_fail(err, PHI_EINPUT,
                        "\"public_key\" must be a PEM public key, Ed25519 or P-256");
    return PHI_OK;
}

enum phi_rc phi_ca_key_hash(struct phi_view public_key, struct phi_digest *ret, struct phi_err *err)
{
    CA_KEY key = NULL;
    PHI_TRY(key_read(public_key, &key, err));
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    if (n <= 0)
        return phi_fail(err, PHI_EIO, "cannot encode the public key");
    *ret = phi_sha256(phi_view_mem(der, (size_t)n));
    OPENSSL_free(der);
    return PHI_OK;
}

enum phi_rc phi_ca_gateway(const struct phi_ca *ca, struct phi_view public_key, struct phi_view name, int64_t life_ms,
                           struct phi_buf *ret_pem, struct phi_err *err)
{
    CA_KEY key = NULL;
    if (!name.n || name.n > MAX_CN)
        return phi_fail(err, PHI_EINPUT, "a gateway's name has 1 to %d bytes", MAX_CN);
    PHI_TRY(key_read(public_key, &key, err));
    CA_CERT c = cert_begin(name, ca->cert, key, life_ms / 1000);
    if (!c || !leaf_sign(ca, c, "clientAuth", NULL) || !cert_to_pem(c, ret_pem))
        return phi_fail(err, PHI_EIO, "cannot sign the gateway's key");
    return PHI_OK;
}
