#include "api/peer.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void only_trusted_proxies_are_believed(void **unused)
{
    static const struct {
        const char *peer, *forwarded, *want;
    } cases[] = {
        { "198.51.100.9", "10.0.0.1", "198.51.100.9" }, /* anybody may send the header */
        { "10.9.0.1", "203.0.113.7", "203.0.113.7" },
        { "10.9.0.1", "", "10.9.0.1" },
        { "10.9.0.1", "192.0.2.1, 203.0.113.7", "203.0.113.7" }, /* what the client put before it is a claim */
        { "10.9.0.1", "192.0.2.1, 203.0.113.7, 10.9.0.2", "203.0.113.7" },
        { "10.9.0.1", "10.9.0.3,10.9.0.2", "10.9.0.3" },
        { "10.9.0.1", "evil", "unknown" },
        { "10.9.0.1", "192.0.2.1, evil", "unknown" }, /* never past what cannot be read */
        { "10.9.0.1", "192.0.2.1,", "unknown" },
        { "10.9.0.1", "203.0.113.7:4711", "unknown" },
        { "::ffff:10.9.0.1", "2001:db8::7", "2001:db8::7" },
        { "unix", "203.0.113.7", "unix" },
    };
    struct phi_cidr trusted;
    char got[API_PEER_MAX];
    (void)unused;
    assert_int_equal(phi_cidr_read(PHI_LIT("10.9.0.0/24"), &trusted, NULL), PHI_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        api_peer_find(&trusted, 1, cases[i].peer, phi_view_of(cases[i].forwarded), got);
        assert_string_equal(got, cases[i].want);
        api_peer_find(NULL, 0, cases[i].peer, phi_view_of(cases[i].forwarded), got);
        assert_string_equal(got, cases[i].peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(only_trusted_proxies_are_believed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
