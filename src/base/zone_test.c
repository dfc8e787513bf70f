#include "base/zone.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The same seconds by the C library, zone after zone, over 1902 to 2200 and around every change. */
static void agrees(const char *name)
{
    struct phi_zone *z;
    struct phi_err err;
    setenv("TZ", name, 1);
    tzset();
    if (phi_zone_open(phi_view_of(name), &z, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    for (int64_t t = -2145916800; t < 7258118400; t += 3600LL * 13 + 7) {
        time_t at = (time_t)t;
        struct tm tm;
        assert_non_null(localtime_r(&at, &tm));
        if (phi_zone_offset(z, t) != tm.tm_gmtoff)
            fail_msg("%s at %lld: %lld, the C library says %ld", name, (long long)t, (long long)phi_zone_offset(z, t), tm.tm_gmtoff);
    }
    phi_zone_close(z);
}

static void zones_agree_with_the_c_library(void **unused)
{
    static const char *const names[] = { "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                                         "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia", "Asia/Tehran", "Etc/GMT+5" };
    (void)unused;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        agrees(names[i]);
}

static void only_names_of_zones_reach_the_disk(void **unused)
{
    static const char *const bad[] = { "", "/etc/passwd", "../UTC", "Europe//Berlin", "Europe/", "a b", "Europe/../../etc", "Europe/Nowhere" };
    struct phi_zone *z;
    (void)unused;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(phi_zone_open(phi_view_of(bad[i]), &z, NULL), PHI_EINPUT);
}

/* A file cut anywhere, or with one byte changed, is refused or read: nothing else. */
static void a_broken_file_is_refused(void **unused)
{
    static uint8_t slim[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4\0\0\0\0\0\0UTC\0"
                            "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4\0\0\16\20\0\0CET\0"
                            "\nCET-1CEST,M3.5.0,M10.5.0/3\n";
    struct phi_zone *z;
    size_t len = sizeof slim - 1;
    (void)unused;
    assert_int_equal(phi_zone_read(phi_view_mem(slim, len), &z, NULL), PHI_OK);
    assert_int_equal(phi_zone_offset(z, 1767225600), 3600);  /* 2026-01-01 */
    assert_int_equal(phi_zone_offset(z, 1774745999), 3600);  /* 2026-03-29 00:59:59 UTC */
    assert_int_equal(phi_zone_offset(z, 1774746000), 7200);
    assert_int_equal(phi_zone_offset(z, 1792889999), 7200);  /* 2026-10-25 00:59:59 UTC */
    assert_int_equal(phi_zone_offset(z, 1792890000), 3600);
    phi_zone_close(z);
    for (size_t n = 0; n < len; n++) {
        uint8_t *copy = malloc(n + 1); /* exact, so that a read past the end is seen */
        memcpy(copy, slim, n);
        if (phi_zone_read(phi_view_mem(copy, n), &z, NULL) == PHI_OK)
            phi_zone_close(z);
        free(copy);
    }
    for (size_t i = 0; i < len * 8; i++) {
        slim[i / 8] ^= (uint8_t)(1U << i % 8);
        if (phi_zone_read(phi_view_mem(slim, len), &z, NULL) == PHI_OK) {
            phi_zone_offset(z, 1767225600);
            phi_zone_close(z);
        }
        slim[i / 8] ^= (uint8_t)(1U << i % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_agree_with_the_c_library),
        cmocka_unit_test(only_names_of_zones_reach_the_disk),
        cmocka_unit_test(a_broken_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
