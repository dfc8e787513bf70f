#include "proof/webauthn.h"

#include "base/test.h"
#include "proof/cbor.h"
#include "proof/soft_key_test.h"

#define ORIGIN "https://phi.example.com"

static const struct phi_webauthn_rp rp = { { (const uint8_t *)"phi.example.com", 15 }, { (const uint8_t *)ORIGIN, 23 } };
static const char challenge_text[] = "0123456789abcdef0123456789abcdef";
static EVP_PKEY *ec, *ed;

static struct phi_view challenge(void)
{
    return phi_view_mem(challenge_text, 32);
}

/* ---- an authenticator and a browser, as told (soft_key_test.h) */

static struct told honest(const char *type)
{
    return (struct told){ .type = type, .origin = ORIGIN, .challenge = challenge(), .more = "", .rp_id = "phi.example.com",
                          .key_id = "kid1", .flags = 0x05, .count = 7, .tail = "", .key = ec };
}

static enum phi_rc make(struct phi_arena *a, const struct told *t, struct phi_passkey *ret, struct phi_err *err)
{
    struct phi_webauthn_answer got;
    told_make(a, t, &got);
    return phi_webauthn_register(&rp, challenge(), &got, ret, err);
}

static enum phi_rc use(const struct told *t, const struct phi_passkey *key, uint32_t *count, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct phi_webauthn_answer got;
    told_get(&a, t, &got);
    return phi_webauthn_assert(&rp, challenge(), key, &got, count, err);
}

/* ---- tests */

static void a_key_is_registered_and_signs(void **state)
{
    (void)state;
    EVP_PKEY *both[] = { ec, ed };
    for (int i = 0; i < 2; i++) {
        PHI_ARENA(a, 1 << 16);
        struct phi_passkey key;
        struct told t = honest("webauthn.create"), u = honest("webauthn.get");
        struct phi_err err;
        uint32_t count = 0;
        t.flags = 0x45;
        t.key = u.key = both[i];
        assert_int_equal(make(&a, &t, &key, &err), PHI_OK);
        assert_true(phi_view_is(key.id, "kid1"));
        assert_int_equal(key.count, 7);
        u.count = 8;
        assert_int_equal(use(&u, &key, &count, &err), PHI_OK);
        assert_int_equal(count, 8);
    }
}

static const struct {
    const char *what;
    struct told t;
} false_ones[] = {
    { "another type", { .type = "webauthn.create" } },
    { "a look-alike origin", { .origin = "https://phi.examp1e.com" } },
    { "a longer origin", { .origin = "https://phi.example.com.evil.com" } },
    { "another port", { .origin = "https://phi.example.com:8443" } },
    { "no TLS", { .origin = "http://phi.example.com" } },
    { "capitals", { .origin = "https://PHI.example.com" } },
    { "another challenge", { .challenge = { (const uint8_t *)"0123456789abcdef0123456789abcdeF", 32 } } },
    { "a shorter challenge", { .challenge = { (const uint8_t *)"0123456789abcdef", 16 } } },
    { "another site's frame", { .more = ",\"crossOrigin\":true" } },
    { "another site's frame, named", { .more = ",\"crossOrigin\":false,\"topOrigin\":\"https://evil.com\"" } },
    { "an origin twice", { .more = ",\"origin\":\"https://phi.example.com\"" } },
    { "another site's key", { .rp_id = "example.com" } },
    { "nobody there", { .flags = 0x04 } },
    { "nobody verified", { .flags = 0x01 } },
    { "key data where none belongs", { .flags = 0x45 } },
    { "bytes behind", { .tail = "x" } },
    { "extensions said, none there", { .flags = 0x85 } },
    { "a counter that stands", { .count = 7 } },
    { "a counter that went back", { .count = 3 } },
    { "a counter that stopped", { .count = 0xffffffff } }, /* set to 0 below */
    { "a changed signature", { .flip = true } },
};

static void whatever_is_not_exactly_so_is_refused(void **state)
{
    (void)state;
    PHI_ARENA(a, 1 << 16);
    struct phi_passkey key;
    struct told make_it = honest("webauthn.create");
    struct phi_err err;
    make_it.flags = 0x45;
    assert_int_equal(make(&a, &make_it, &key, &err), PHI_OK);
    for (size_t i = 0; i < sizeof false_ones / sizeof *false_ones; i++) {
        struct told t = honest("webauthn.get"), f = false_ones[i].t;
        uint32_t count = 99;
        t.count = f.count == 0xffffffff ? 0 : f.count ? f.count : 8;
        t.type = f.type ? f.type : t.type;
        t.origin = f.origin ? f.origin : t.origin;
        t.challenge = f.challenge.n ? f.challenge : t.challenge;
        t.more = f.more ? f.more : t.more;
        t.rp_id = f.rp_id ? f.rp_id : t.rp_id;
        t.flags = f.flags ? f.flags : t.flags;
        t.tail = f.tail ? f.tail : t.tail;
        t.flip = f.flip;
        if (use(&t, &key, &count, &err) != PHI_EDENIED || count != 99)
            fail_msg("%s was taken", false_ones[i].what);
    }
    struct told other = honest("webauthn.get");
    uint32_t count;
    other.count = 8;
    other.key = ed;
    assert_int_equal(use(&other, &key, &count, &err), PHI_EDENIED);
}

static void a_registration_must_hold_one_key_and_nothing_else(void **state)
{
    (void)state;
    PHI_ARENA(a, 1 << 16);
    struct phi_passkey key;
    struct phi_err err;
    struct told t = honest("webauthn.create");
    assert_int_equal(make(&a, &t, &key, &err), PHI_EDENIED); /* no key flag */
    t.flags = 0x41;
    assert_int_equal(make(&a, &t, &key, &err), PHI_EDENIED); /* not verified */
    t.flags = 0x45;
    t.tail = "x";
    assert_int_equal(make(&a, &t, &key, &err), PHI_EDENIED);
    t.tail = "";
    t.type = "webauthn.get";
    assert_int_equal(make(&a, &t, &key, &err), PHI_EDENIED);
}

static void only_hosts_with_tls_or_localhost_have_passkeys(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "https://phi.example.com", "phi.example.com" }, { "https://phi.example.com:8443", "phi.example.com" },
        { "http://localhost:8470", "localhost" },         { "http://phi.example.com", "" },
        { "http://127.0.0.1:8470", "" },                  { "https://127.0.0.1", "" },
        { "https://[::1]:8470", "" },                     { "file:///x", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(phi_view_is(phi_webauthn_rp_id(phi_view_of(rows[i][0])), rows[i][1]));
}

static void cbor_is_read_in_its_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
    } rows[] = {
        { "\x00", 1, true },      { "\x18\x18", 2, true },  { "\x18\x17", 2, false }, { "\x19\x00\x18", 3, false },
        { "\x5f\xff", 2, false }, { "\x41", 1, false },     { "\xa1\x01", 2, false }, { "\xa1\x01\x02", 3, true },
        { "\xc0\x00", 2, false }, { "\xf4", 1, true },      { "\xf9\x00\x00", 3, false }, { "\xf8\x18", 2, false },
        { "\x81\x81\x81\x81\x00", 5, true }, { "\x81\x81\x81\x81\x81\x81\x00", 7, false },
        { "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 9, false }, { "\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", 9, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct phi_view in = phi_view_mem(rows[i].bytes, rows[i].n);
        if ((cbor_skip(&in, 0) && in.n == 0) != rows[i].ok)
            fail_msg("row %zu", i);
    }
}

static int open_keys(void **state)
{
    (void)state;
    ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return ec && ed ? 0 : -1;
}

static int close_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_registered_and_signs),
        cmocka_unit_test(whatever_is_not_exactly_so_is_refused),
        cmocka_unit_test(a_registration_must_hold_one_key_and_nothing_else),
        cmocka_unit_test(only_hosts_with_tls_or_localhost_have_passkeys),
        cmocka_unit_test(cbor_is_read_in_its_one_form),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
