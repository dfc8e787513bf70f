#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "wire/scram.h"

static const uint8_t nonce_a[SCRAM_NONCE_RAW] = { 1, 2, 3 }, nonce_b[SCRAM_NONCE_RAW] = { 9, 8, 7 };

struct run {
    struct scram_server server;
    struct scram_client client;
    struct scram_keys keys;
    struct phi_buf c1, s1, c2, s2;
};

static void run_init(struct run *r, const char *verifier_password)
{
    PHI_BUF(text, 512);
    struct scram_verifier v;
    memset(r, 0, sizeof *r);
    phi_buf_init(&r->c1, SCRAM_MAX_TEXT);
    phi_buf_init(&r->s1, SCRAM_MAX_TEXT);
    phi_buf_init(&r->c2, SCRAM_MAX_TEXT);
    phi_buf_init(&r->s2, SCRAM_MAX_TEXT);
    scram_verifier_make(phi_view_of(verifier_password), PHI_LIT("0123456789abcdef"), 4096, &text);
    assert_true(scram_verifier_read(phi_buf_view(&text), &v));
    scram_server_init(&r->server, &v);
    scram_client_init(&r->client);
}

static void run_done(struct run *r)
{
    phi_buf_done(&r->c1);
    phi_buf_done(&r->s1);
    phi_buf_done(&r->c2);
    phi_buf_done(&r->s2);
    scram_server_done(&r->server);
    scram_client_done(&r->client);
}

static enum phi_rc exchange(struct run *r, const char *password)
{
    scram_client_first(&r->client, nonce_a, &r->c1);
    PHI_TRY(scram_server_first(&r->server, phi_buf_view(&r->c1), nonce_b, &r->s1, NULL));
    PHI_TRY(scram_client_final(&r->client, phi_buf_view(&r->s1), phi_view_of(password), &r->keys,
                               &r->c2, NULL));
    return scram_server_final(&r->server, phi_buf_view(&r->c2), &r->s2, NULL);
}

static void the_right_password_signs_in_and_the_server_proves_itself(void **unused)
{
    (void)unused;
    struct run r;
    run_init(&r, "sesame");
    assert_int_equal(exchange(&r, "sesame"), PHI_OK);
    assert_int_equal(scram_client_verify(&r.client, phi_buf_view(&r.s2), NULL), PHI_OK);
    run_done(&r);
}

static void another_password_is_refused(void **unused)
{
    (void)unused;
    struct run r;
    run_init(&r, "sesame");
    assert_int_equal(exchange(&r, "Sesame"), PHI_EAUTH);
    assert_int_equal(r.s2.n, 0);
    run_done(&r);
}

static void a_server_that_does_not_know_the_verifier_is_found_out(void **unused)
{
    (void)unused;
    struct run r;
    run_init(&r, "sesame");
    assert_int_equal(exchange(&r, "sesame"), PHI_OK);
    r.s2.p[5] = r.s2.p[5] == 'A' ? 'B' : 'A';
    assert_int_equal(scram_client_verify(&r.client, phi_buf_view(&r.s2), NULL), PHI_EAUTH);
    run_done(&r);
}

static void a_proof_cannot_be_replayed_under_another_nonce(void **unused)
{
    (void)unused;
    struct run first, second;
    run_init(&first, "sesame");
    run_init(&second, "sesame");
    assert_int_equal(exchange(&first, "sesame"), PHI_OK);
    assert_int_equal(
        scram_server_first(&second.server, phi_buf_view(&first.c1), nonce_a, &second.s1, NULL),
        PHI_OK);
    assert_int_equal(scram_server_final(&second.server, phi_buf_view(&first.c2), &second.s2, NULL),
                     PHI_EINPUT);
    run_done(&first);
    run_done(&second);
}

static void odd_first_messages_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",
                                       "n,,",
                                       "p=tls-server-end-point,,n=,r=x",
                                       "n,a=x,n=,r=x",
                                       "n,,n=,r=",
                                       "n,,r=x,n=",
                                       "n,,n=,r=x,x=1",
                                       "n,,m=1,n=,r=x",
                                       "n,,n=",
                                       "y,,n=,r=a\x7f" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct run r;
        run_init(&r, "sesame");
        assert_int_equal(scram_server_first(&r.server, phi_view_of(bad[i]), nonce_b, &r.s1, NULL),
                         PHI_EINPUT);
        run_done(&r);
    }
}

static void a_weak_or_foreign_server_first_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "r=%s,s=c2FsdA==,i=4096" /* nonce not lengthened */,
                                       "r=%sx,s=c2FsdA==,i=1",
                                       "r=x%s,s=c2FsdA==,i=4096",
                                       "r=%sx,s=,i=4096",
                                       "r=%sx,s=c2FsdA==,i=99999999",
                                       "r=%sx,s=c2FsdA==,i=4096,x=1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct run r;
        run_init(&r, "sesame");
        scram_client_first(&r.client, nonce_a, &r.c1);
        char text[256];
        size_t n = 0;
        for (const char *p = bad[i]; *p != '\0'; p++) {
            if (p[0] == '%' && p[1] == 's') {
                memcpy(text + n, r.client.nonce, strlen(r.client.nonce));
                n += strlen(r.client.nonce);
                p++;
            } else {
                text[n++] = *p;
            }
        }
        assert_int_equal(scram_client_final(&r.client, phi_view_mem(text, n), PHI_LIT("pw"),
                                            &r.keys, &r.c2, NULL),
                         PHI_EINPUT);
        run_done(&r);
    }
}

/* The example of RFC 7677, section 3: our server must find its proof right. */
static void the_rfcs_example_verifies(void **unused)
{
    (void)unused;
    PHI_BUF(salt, 64);
    PHI_BUF(text, 512);
    PHI_BUF(out, 512);
    struct scram_verifier v;
    assert_true(phi_b64_read(PHI_LIT("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt));
    scram_verifier_make(PHI_LIT("pencil"), phi_buf_view(&salt), 4096, &text);
    assert_true(scram_verifier_read(phi_buf_view(&text), &v));
    struct scram_server s;
    scram_server_init(&s, &v);
    assert_int_equal(
        scram_server_first(&s, PHI_LIT("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), nonce_a, &out, NULL),
        PHI_OK);
    /* our own nonce differs from the RFC's: put its text in place to check the arithmetic */
    static const char nonce[] = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    memcpy(s.nonce, nonce, sizeof nonce);
    phi_buf_clear(&s.auth);
    phi_buf_printf(&s.auth, "n=user,r=rOprNGfwEbeRWgbNEkqO,r=%s,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,",
                   nonce);
    phi_buf_clear(&out);
    assert_int_equal(
        scram_server_final(&s,
                           PHI_LIT("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                           &out, NULL),
        PHI_OK);
    assert_string_equal(phi_buf_str(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    scram_server_done(&s);
}

static void malformed_verifiers_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",
                                       "md5abc",
                                       "SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA",
                                       "SCRAM-SHA-256$0:c2FsdA==$",
                                       "SCRAM-SHA-256$4096:$A:B",
                                       "SCRAM-SHA-1$4096:c2FsdA==$AAAA:AAAA" };
    struct scram_verifier v;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(scram_verifier_read(phi_view_of(bad[i]), &v));
}

static void an_unknown_user_gets_the_same_salt_each_time_and_never_in(void **unused)
{
    (void)unused;
    struct scram_verifier a, b, other;
    scram_verifier_mock(PHI_LIT("eve"), PHI_LIT("secret"), &a);
    scram_verifier_mock(PHI_LIT("eve"), PHI_LIT("secret"), &b);
    scram_verifier_mock(PHI_LIT("adam"), PHI_LIT("secret"), &other);
    assert_memory_equal(a.salt, b.salt, a.salt_len);
    assert_memory_not_equal(a.salt, other.salt, a.salt_len);
    struct run r;
    run_init(&r, "sesame");
    r.server.verifier = a;
    assert_int_equal(exchange(&r, "sesame"), PHI_EAUTH);
    run_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_signs_in_and_the_server_proves_itself),
        cmocka_unit_test(another_password_is_refused),
        cmocka_unit_test(a_server_that_does_not_know_the_verifier_is_found_out),
        cmocka_unit_test(a_proof_cannot_be_replayed_under_another_nonce),
        cmocka_unit_test(odd_first_messages_are_refused),
        cmocka_unit_test(a_weak_or_foreign_server_first_is_refused),
        cmocka_unit_test(the_rfcs_example_verifies),
        cmocka_unit_test(malformed_verifiers_are_refused),
        cmocka_unit_test(an_unknown_user_gets_the_same_salt_each_time_and_never_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
