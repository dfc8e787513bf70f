#include "net/tls.h"

#include "base/text.h"
#include "net/conn.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* RFC 9325, 4.2: what TLS 1.2 may still be spoken with. */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

struct net_tls {
    SSL_CTX *ctx;
    STACK_OF(X509_CRL) *crls; /* NULL: nothing is asked about */
    int refs;
    bool server, any_name, has_pin;
    struct phi_digest pin;
    bool (*client_ok)(struct phi_view name, const struct phi_digest *cert_sha256, void *ctx);
    void *ok_ctx;
};

static enum phi_rc tls_fail(struct phi_err *err, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = e ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return phi_fail(err, PHI_EINPUT, "TLS: %s%s%s", what, why ? ": " : "", why ? why : "");
}

/* ---- Certificates ---- */

static struct phi_digest cert_sha256(X509 *cert)
{
    struct phi_digest d = { 0 };
    uint8_t *der = NULL;
    int n = i2d_X509(cert, &der);
    if (n > 0)
        d = phi_sha256(phi_view_mem(der, (size_t)n));
    OPENSSL_free(der);
    return d;
}

/* The one common name, or "": several, an over-long one or one with a NUL would be ambiguous. */
static void cert_name(X509 *cert, char ret[129])
{
    ret[0] = 0;
    X509_NAME *name = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return;
    uint8_t *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n > 0 && n <= 128 && !memchr(text, 0, (size_t)n) && phi_utf8_ok(phi_view_mem(text, (size_t)n))) {
        memcpy(ret, text, (size_t)n);
        ret[n] = 0;
    }
    OPENSSL_free(text);
}

static X509 *find_pinned(STACK_OF(X509) *chain, const struct phi_digest *pin)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *x = sk_X509_value(chain, i);
        struct phi_digest d = cert_sha256(x);
        if (phi_digest_eq(&d, pin) && X509_check_ca(x))
            return x;
    }
    return NULL;
}

static int verify_pinned(X509_STORE_CTX *sc, const struct net_tls *t)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(sc);
    X509 *ca = chain ? find_pinned(chain, &t->pin) : NULL;
    STACK_OF(X509) *trusted = ca ? sk_X509_new_null() : NULL;
    int ok = 0;
    if (trusted && sk_X509_push(trusted, ca)) {
        X509_STORE_CTX_set0_trusted_stack(sc, trusted);
        ok = X509_verify_cert(sc) == 1;
    } else {
        X509_STORE_CTX_set_error(sc, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT);
    }
    X509_STORE_CTX_set0_trusted_stack(sc, NULL);
    sk_X509_free(trusted);
    return ok;
}

static int verify_peer(X509_STORE_CTX *sc, void *arg)
{
    const struct net_tls *t = arg;
    if (t->has_pin)
        return verify_pinned(sc, t);
    if (X509_verify_cert(sc) != 1)
        return 0;
    if (t->server && t->client_ok) {
        char name[129];
        X509 *leaf = X509_STORE_CTX_get0_cert(sc);
        struct phi_digest d = cert_sha256(leaf);
        cert_name(leaf, name);
        if (!t->client_ok(phi_view_of(name), &d, t->ok_ctx)) {
            X509_STORE_CTX_set_error(sc, X509_V_ERR_CERT_REVOKED);
            return 0;
        }
    }
    return 1;
}

static int64_t cert_time(const ASN1_TIME *at)
{
    struct tm t;
    if (ASN1_TIME_to_tm(at, &t) != 1)
        return 0; /* an end that cannot be read has been */
    return (int64_t)timegm(&t) * 1000;
}

static bool cert_facts(X509 *cert, struct net_peer_cert *ret)
{
    uint8_t *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (n <= 0)
        return false;
    ret->spki = phi_sha256(phi_view_mem(der, (size_t)n));
    OPENSSL_free(der);
    ret->sha256 = cert_sha256(cert);
    ret->begins_ms = cert_time(X509_get0_notBefore(cert));
    ret->ends_ms = cert_time(X509_get0_notAfter(cert));
    cert_name(cert, ret->name);
    return true;
}

/* ---- Contexts ---- */

static BIO *pem_bio(struct phi_view pem)
{
    return pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

enum phi_rc net_cert_read(struct phi_view pem, struct net_peer_cert *ret, struct phi_err *err)
{
    BIO *b = pem_bio(pem);
    X509 *cert = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    bool ok = cert && cert_facts(cert, ret);
    X509_free(cert);
    BIO_free(b);
    return ok ? PHI_OK : tls_fail(err, "the certificate cannot be read");
}

static enum phi_rc use_cert(SSL_CTX *ctx, struct phi_view cert_pem, struct phi_view key_pem, struct phi_err *err)
{
    BIO *b = pem_bio(cert_pem);
    X509 *leaf = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    bool ok = leaf && SSL_CTX_use_certificate(ctx, leaf) == 1;
    for (X509 *x; ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL));)
        if (!SSL_CTX_add0_chain_cert(ctx, x)) {
            X509_free(x);
            ok = false;
        }
    X509_free(leaf);
    BIO_free(b);
    if (!ok)
        return tls_fail(err, "the certificate cannot be read");
    ERR_clear_error(); /* the end of the PEM text */
    b = pem_bio(key_pem);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, NULL) : NULL;
    ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    BIO_free(b);
    return ok ? PHI_OK : tls_fail(err, "the private key cannot be read or is not the certificate's");
}

static enum phi_rc use_ca(SSL_CTX *ctx, struct phi_view pem, bool announce, struct phi_err *err)
{
    BIO *b = pem_bio(pem);
    int n = 0;
    bool ok = b != NULL;
    for (X509 *x; ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)); n++) {
        ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x) == 1 &&
             (!announce || SSL_CTX_add_client_CA(ctx, x) == 1);
        X509_free(x);
    }
    BIO_free(b);
    if (!ok || n == 0)
        return tls_fail(err, "the CA certificates cannot be read");
    ERR_clear_error();
    return PHI_OK;
}

static enum phi_rc use_crls(struct net_tls *t, struct phi_view pem, struct phi_err *err)
{
    BIO *b = pem_bio(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(t->ctx);
    t->crls = sk_X509_CRL_new_null();
    bool ok = b && t->crls;
    for (X509_CRL *x; ok && (x = PEM_read_bio_X509_CRL(b, NULL, NULL, NULL));) {
        ok = X509_STORE_add_crl(store, x) == 1 && sk_X509_CRL_push(t->crls, x) > 0;
        if (!ok)
            X509_CRL_free(x);
    }
    BIO_free(b);
    if (!ok || sk_X509_CRL_num(t->crls) == 0)
        return tls_fail(err, "the list of revoked certificates cannot be read");
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return PHI_OK;
}

/* For connections that are older than the list: one that is not known to be good still is bad. */
bool net_tls_revokes(const struct net_tls *t, X509 *cert)
{
    bool known = false;
    for (int i = 0; t && t->crls && i < sk_X509_CRL_num(t->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(t->crls, i);
        X509_REVOKED *entry;
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert)) != 0)
            continue;
        if (X509_CRL_get0_by_cert(crl, &entry, cert) == 1)
            return true;
        const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl);
        known = known || (until && X509_cmp_current_time(until) > 0);
    }
    return t && t->crls && !known;
}

static struct net_tls *tls_new(bool server)
{
    struct net_tls *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->refs = 1;
    t->server = server;
    t->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!t->ctx || SSL_CTX_set_min_proto_version(t->ctx, TLS1_3_VERSION) != 1) {
        SSL_CTX_free(t->ctx);
        free(t);
        return NULL;
    }
    SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(t->ctx, 1); /* a record is one read, not its head and then its body */
    /* No resumption: each connection shows its certificate anew, so a revoked one is refused. */
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(t->ctx, 0);
    SSL_CTX_set_cert_verify_callback(t->ctx, verify_peer, t);
    return t;
}

enum phi_rc net_tls_server_open(const struct net_tls_server_opts *o, struct net_tls **ret, struct phi_err *err)
{
    struct net_tls *t = tls_new(true);
    if (!t)
        return tls_fail(err, "out of memory");
    t->client_ok = o->client_ok;
    t->ok_ctx = o->ctx;
    if (o->also_1_2 && (SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1 ||
                        SSL_CTX_set_cipher_list(t->ctx, CIPHERS_1_2) != 1)) {
        net_tls_close(t);
        return tls_fail(err, "TLS 1.2 cannot be set");
    }
    enum phi_rc rc = use_cert(t->ctx, o->cert_pem, o->key_pem, err);
    if (rc == PHI_OK && o->client_ca_pem.n) {
        rc = use_ca(t->ctx, o->client_ca_pem, true, err);
        SSL_CTX_set_verify(t->ctx,
                           SSL_VERIFY_PEER | (o->client_cert_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    } else if (rc == PHI_OK && o->client_cert_required) {
        rc = phi_fail(err, PHI_EINPUT, "TLS: client certificates are required, but there is no CA for them");
    }
    if (rc == PHI_OK && o->client_crl_pem.n)
        rc = use_crls(t, o->client_crl_pem, err);
    if (rc != PHI_OK) {
        net_tls_close(t);
        return rc;
    }
    *ret = t;
    return PHI_OK;
}

static enum phi_rc client_trust(struct net_tls *t, const struct net_tls_client_opts *o, struct phi_err *err)
{
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
    t->any_name = o->any_name;
    if (o->any_name && !o->ca_pin && !o->ca_pem.n)
        return phi_fail(err, PHI_EINPUT, "TLS: without a name check a CA of one's own is needed");
    if (o->ca_pin) {
        t->has_pin = true;
        t->pin = *o->ca_pin;
        return PHI_OK;
    }
    if (o->ca_pem.n)
        return use_ca(t->ctx, o->ca_pem, false, err);
    return SSL_CTX_set_default_verify_paths(t->ctx) == 1 ? PHI_OK : tls_fail(err, "the system's CAs cannot be read");
}

enum phi_rc net_tls_client_open(const struct net_tls_client_opts *o, struct net_tls **ret, struct phi_err *err)
{
    struct net_tls *t = tls_new(false);
    if (!t)
        return tls_fail(err, "out of memory");
    enum phi_rc rc = client_trust(t, o, err);
    if (rc == PHI_OK && o->cert_pem.n)
        rc = use_cert(t->ctx, o->cert_pem, o->key_pem, err);
    if (rc != PHI_OK) {
        net_tls_close(t);
        return rc;
    }
    *ret = t;
    return PHI_OK;
}

enum phi_rc net_tls_client_unverified(struct net_tls **ret, struct phi_err *err)
{
    struct net_tls *t = tls_new(false);
    if (!t)
        return tls_fail(err, "out of memory");
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
    t->any_name = true;
    *ret = t;
    return PHI_OK;
}

struct net_tls *net_tls_ref(struct net_tls *t)
{
    t->refs++;
    return t;
}

void net_tls_close(struct net_tls *t)
{
    if (!t || --t->refs > 0)
        return;
    SSL_CTX_free(t->ctx);
    sk_X509_CRL_pop_free(t->crls, X509_CRL_free);
    free(t);
}

bool net_tls_is_server(const struct net_tls *t)
{
    return t->server;
}

/* ---- One connection ---- */

static bool is_ip(const char *s)
{
    uint8_t b[16];
    return inet_pton(AF_INET, s, b) == 1 || inet_pton(AF_INET6, s, b) == 1;
}

static bool expect_name(const struct net_tls *t, SSL *ssl, const char *name)
{
    if (!name || !*name)
        return t->any_name;
    if (is_ip(name))
        return t->any_name || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    if (SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (t->any_name)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1;
}

enum phi_rc net_tls_start(struct net_tls *t, int fd, const char *name, SSL **ret, struct phi_err *err)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(t->ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || (!t->server && !expect_name(t, ssl, name))) {
        SSL_free(ssl);
        return tls_fail(err, "cannot start");
    }
    if (t->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    *ret = ssl;
    return PHI_OK;
}

void net_tls_errors_clear(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

const char *net_tls_why(SSL *ssl, char *buf, size_t n)
{
    long v = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    unsigned long e = ERR_peek_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    if (v != X509_V_OK)
        snprintf(buf, n, "the certificate was refused: %s", X509_verify_cert_error_string(v));
    else
        snprintf(buf, n, "%s", reason ? reason : "the connection broke off");
    return buf;
}

bool net_conn_peer_cert(const struct net_conn *c, struct net_peer_cert *ret)
{
    if (!c->ssl || c->state != NET_CONN_OPEN || SSL_get_verify_mode(c->ssl) == SSL_VERIFY_NONE ||
        SSL_get_verify_result(c->ssl) != X509_V_OK)
        return false;
    X509 *cert = SSL_get0_peer_certificate(c->ssl);
    return cert && !net_tls_revokes(net_conn_tls_now(c), cert) && cert_facts(cert, ret);
}

bool net_conn_endpoint_hash(const struct net_conn *c, struct phi_digest *ret)
{
    X509 *own = c->ssl ? SSL_get_certificate(c->ssl) : NULL;
    int md = 0;
    if (!own || !X509_get_signature_info(own, &md, NULL, NULL, NULL))
        return false;
    if (md == NID_sha384 || md == NID_sha512) /* RFC 5929 wants the signature's own hash: not offered */
        return false;
    *ret = cert_sha256(own);
    return true;
}
