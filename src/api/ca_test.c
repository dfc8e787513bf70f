#include "api/ca.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int dir_make(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/phi-ca-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_drop(void **state)
{
    (void)state;
    char path[128];
    const char *const names[] = { "ca.key", "ca.pem" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static void public_pem(EVP_PKEY *k, struct phi_buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p;
    assert_int_equal(PEM_write_bio_PUBKEY(b, k), 1);
    long n = BIO_get_mem_data(b, &p);
    phi_buf_add(out, phi_view_mem(p, (size_t)n));
    BIO_free(b);
}

static X509 *cert_of(struct phi_view pem)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *c = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(c);
    return c;
}

static int chain_check(struct phi_ca *ca, X509 *leaf, int purpose)
{
    X509 *root = cert_of(phi_ca_pem(ca));
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    int ok = X509_verify_cert(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(root);
    return ok;
}

static void the_ca_stays_the_same_over_a_restart(void **state)
{
    (void)state;
    struct phi_ca *one, *two;
    struct phi_err err;
    struct stat st;
    char path[128];
    assert_int_equal(phi_ca_open(dir, &one, &err), PHI_OK);
    assert_int_equal(phi_ca_open(dir, &two, &err), PHI_OK);
    assert_true(phi_digest_eq(phi_ca_fingerprint(one), phi_ca_fingerprint(two)));
    snprintf(path, sizeof(path), "%s/ca.key", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    phi_ca_close(one);
    phi_ca_close(two);
}

static void a_ca_key_that_others_may_read_is_refused(void **state)
{
    (void)state;
    struct phi_ca *ca = NULL;
    struct phi_err err;
    char path[128];
    assert_int_equal(phi_ca_open(dir, &ca, &err), PHI_OK);
    phi_ca_close(ca);
    snprintf(path, sizeof(path), "%s/ca.key", dir);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_not_equal(phi_ca_open(dir, &ca, &err), PHI_OK);
}

static void half_a_ca_is_refused(void **state)
{
    (void)state;
    struct phi_ca *ca = NULL;
    struct phi_err err;
    char path[128];
    assert_int_equal(phi_ca_open(dir, &ca, &err), PHI_OK);
    phi_ca_close(ca);
    snprintf(path, sizeof(path), "%s/ca.pem", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(phi_ca_open(dir, &ca, &err), PHI_ECORRUPT);
}

static void a_gateway_certificate_is_for_clients_and_names_the_gateway(void **state)
{
    (void)state;
    struct phi_ca *ca;
    struct phi_err err;
    PHI_BUF(pub, 4096);
    PHI_BUF(pem, 16384);
    assert_int_equal(phi_ca_open(dir, &ca, &err), PHI_OK);
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    public_pem(k, &pub);
    assert_int_equal(phi_ca_gateway(ca, phi_buf_view(&pub), PHI_LIT("gw1"), 86400000, &pem, &err), PHI_OK);
    X509 *c = cert_of(phi_buf_view(&pem));
    assert_int_equal(chain_check(ca, c, X509_PURPOSE_SSL_CLIENT), 1);
    assert_int_not_equal(chain_check(ca, c, X509_PURPOSE_SSL_SERVER), 1);
    char cn[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(c), NID_commonName, cn, sizeof(cn));
    assert_string_equal(cn, "gw1");
    X509_free(c);
    EVP_PKEY_free(k);
    phi_ca_close(ca);
}

static void weak_or_broken_public_keys_are_refused(void **state)
{
    (void)state;
    struct phi_ca *ca;
    struct phi_err err;
    struct phi_digest print;
    PHI_BUF(pub, 4096);
    PHI_BUF(pem, 16384);
    assert_int_equal(phi_ca_open(dir, &ca, &err), PHI_OK);
    EVP_PKEY *k = EVP_RSA_gen(1024);
    public_pem(k, &pub);
    assert_int_equal(phi_ca_gateway(ca, phi_buf_view(&pub), PHI_LIT("gw"), 86400000, &pem, &err), PHI_EINPUT);
    assert_int_equal(phi_ca_key_hash(phi_buf_view(&pub), &print, &err), PHI_EINPUT);
    assert_int_equal(phi_ca_gateway(ca, PHI_LIT("hello"), PHI_LIT("gw"), 86400000, &pem, &err), PHI_EINPUT);
    EVP_PKEY_free(k);
    phi_ca_close(ca);
}

static void the_server_certificate_names_its_hosts_and_only_names(void **state)
{
    (void)state;
    struct phi_ca *ca;
    struct phi_err err;
    PHI_BUF(chain, 16384);
    PHI_BUF(key, 16384);
    assert_int_equal(phi_ca_open(dir, &ca, &err), PHI_OK);
    const char *const good[] = { "localhost", "127.0.0.1" };
    const char *const bad[] = { "a,DNS:b" };
    assert_int_equal(phi_ca_server(ca, bad, 1, &chain, &key, &err), PHI_EINPUT);
    assert_int_equal(phi_ca_server(ca, good, 2, &chain, &key, &err), PHI_OK);
    X509 *c = cert_of(phi_buf_view(&chain));
    assert_int_equal(chain_check(ca, c, X509_PURPOSE_SSL_SERVER), 1);
    assert_int_equal(X509_check_host(c, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(c, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_host(c, "evil.example", 0, 0, NULL), 0);
    X509_free(c);
    phi_ca_close(ca);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, dir_make, dir_drop)
    const struct CMUnitTest tests[] = {
        T(the_ca_stays_the_same_over_a_restart),
        T(a_ca_key_that_others_may_read_is_refused),
        T(half_a_ca_is_refused),
        T(a_gateway_certificate_is_for_clients_and_names_the_gateway),
        T(weak_or_broken_public_keys_are_refused),
        T(the_server_certificate_names_its_hosts_and_only_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
