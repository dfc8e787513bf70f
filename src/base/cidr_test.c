#include "base/cidr.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static bool has(const char *block, const char *addr)
{
    struct phi_cidr c;
    struct phi_addr a;
    assert_int_equal(phi_cidr_read(phi_view_of(block), &c, NULL), PHI_OK);
    assert_true(phi_addr_read(phi_view_of(addr), &a));
    return phi_cidr_has(&c, &a);
}

static void a_block_holds_its_addresses_and_no_others(void **unused)
{
    (void)unused;
    assert_true(has("10.0.0.0/8", "10.255.255.255"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("192.168.1.128/25", "192.168.1.200"));
    assert_false(has("192.168.1.128/25", "192.168.1.127"));
    assert_true(has("10.0.0.1", "10.0.0.1"));
    assert_false(has("10.0.0.1", "10.0.0.2"));
    assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(has("2001:db8::/32", "2001:db9::1"));
    assert_true(has("::1", "[::1]"));
    assert_true(has("0.0.0.0/0", "1.2.3.4"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("::/0", "1.2.3.4"));
}

static void a_mapped_address_is_the_address(void **unused)
{
    (void)unused;
    assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3"));
}

static void what_is_no_block_is_refused(void **unused)
{
    static const char *const bad[] = { "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "10.0.0.0/8/8", "::/129",
                                       "10.0.0.1/8", "example.org", "10.0.0.0 /8", "fe80::1%eth0", "1.2.3.4:80", "[::1", "2001:db8::1/32" };
    struct phi_cidr c;
    struct phi_err err;
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(phi_cidr_read(phi_view_of(bad[i]), &c, &err), PHI_EINPUT);
    assert_int_equal(phi_cidr_read(PHI_LIT("10.1.2.3/8"), &c, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "10.0.0.0/8"));
}

static void a_block_is_written_as_people_write_it(void **unused)
{
    static const char *const texts[] = { "10.0.0.0/8", "192.168.1.128/25", "0.0.0.0/0", "2001:db8::/32", "::/0" };
    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct phi_cidr c;
        PHI_BUF(b, 100);
        assert_int_equal(phi_cidr_read(phi_view_of(texts[i]), &c, NULL), PHI_OK);
        phi_cidr_write(&b, &c);
        assert_string_equal(phi_buf_str(&b), texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_holds_its_addresses_and_no_others),
        cmocka_unit_test(a_mapped_address_is_the_address),
        cmocka_unit_test(what_is_no_block_is_refused),
        cmocka_unit_test(a_block_is_written_as_people_write_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
