#include "base/test.h"

#include "core/identity.h"

/* Names that a provider gives become names here only where nobody can mistake one for another. */
static void attack_57_a_claim_becomes_a_name_in_one_spelling_or_none(void **unused)
{
    static const struct {
        const char *claim, *name; /* NULL: refused */
    } rows[] = {
        { "alice", "alice" },
        { "Alice", "alice" },
        { "ALICE@Example.COM", "alice@example.com" },
        { "a.b+c@x-y.org", "a.b+c@x-y.org" },
        { "", NULL },
        { " alice", NULL },
        { "alice ", NULL },
        { "al ice", NULL },
        { "alice\t", NULL },
        { "alice\n", NULL },
        { "\xd0\xb0lice", NULL },              /* Cyrillic a */
        { "a\xef\xbd\x8cice", NULL },          /* fullwidth l */
        { "ali\xe2\x80\x8b" "ce", NULL },      /* zero width space */
        { "\xe2\x80\xae" "ecila", NULL },      /* right-to-left override */
        { "caf\xc3\xa9", NULL },               /* composed */
        { "cafe\xcc\x81", NULL },              /* decomposed */
        { "stra\xc3\x9f" "e", NULL },          /* would fold to strasse */
        { "\xc4\xb0stanbul", NULL },           /* dotted capital I */
        { "\xe2\x84\xaa" "elvin", NULL },      /* Kelvin sign folds to k */
        { "alice\xff", NULL },
        { "@alice", NULL },
        { "-alice", NULL },
        { ".alice", NULL },
        { "alice/bob", NULL },
        { "alice\"", NULL },
        { "alice:admin", NULL },
        { "<alice>", NULL },
        { "Person::alice", NULL },
        { "01a1fe00-730f-7ca1-9eaf-f5f57f36dc04", NULL }, /* reads as somebody's id */
        { "01A1FE00-730F-7CA1-9EAF-F5F57F36DC04", NULL },
    };
    PHI_ARENA(a, 1 << 16);
    struct phi_view name;
    (void)unused;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool ok = phi_claim_name(&a, phi_view_of(rows[i].claim), &name);
        if (ok != (rows[i].name != NULL))
            fail_msg("row %zu: \"%s\"", i, rows[i].claim);
        if (ok)
            assert_view(name, rows[i].name);
    }
    assert_false(phi_claim_name(&a, phi_view_mem("ali\0ce", 6), &name));
    char longer[200];
    memset(longer, 'a', sizeof longer);
    assert_false(phi_claim_name(&a, phi_view_mem(longer, sizeof longer), &name));
}

static bool workload(struct phi_arena *a, const char *pins, const char *claims)
{
    struct phi_workload_conf w = { 0 };
    const struct phi_json *have;
    struct phi_view missing;
    assert_int_equal(phi_json_read(a, phi_view_of(pins), 0, "pins", &w.claims, NULL), PHI_OK);
    assert_int_equal(phi_json_read(a, phi_view_of(claims), 0, "claims", &have, NULL), PHI_OK);
    return phi_workload_fits(&w, have, &missing);
}

static void a_pinned_claim_may_lie_deeper_by_its_pointer(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    const char *k8s = "{\"sub\":\"system:serviceaccount:prod:deployer\",\"aud\":[\"https://phi\"],"
                      "\"kubernetes.io\":{\"namespace\":\"prod\",\"serviceaccount\":{\"name\":\"deployer\"},\"a/b~c\":\"x\"}}";
    assert_true(workload(&a, "{\"/kubernetes.io/namespace\":\"prod\",\"/kubernetes.io/serviceaccount/name\":\"deploy*\"}", k8s));
    assert_true(workload(&a, "{\"/kubernetes.io/a~1b~0c\":\"x\",\"sub\":\"system:serviceaccount:prod:*\"}", k8s));
    static const char *const not_these[] = { "{\"/kubernetes.io/namespace\":\"dev\"}", "{\"kubernetes.io\":\"**\"}", "{\"/kubernetes.io\":\"**\"}",
                                             "{\"/kubernetes.io/namespace/\":\"**\"}", "{\"/kubernetes.io//namespace\":\"prod\"}", "{\"/aud\":\"**\"}", "{\"/aud/0\":\"**\"}",
                                             "{\"/kubernetes.io/a~2b\":\"**\"}", "{\"/kubernetes.io/a~\":\"**\"}", "{\"/\":\"**\"}", "{\"\":\"**\"}",
                                             "{\"kubernetes.io/namespace\":\"prod\"}", "{\"namespace\":\"prod\"}" };
    for (size_t i = 0; i < sizeof not_these / sizeof *not_these; i++)
        assert_false(workload(&a, not_these[i], k8s));
    assert_false(workload(&a, "{\"/kubernetes.io/namespace\":\"prod\"}", "{\"/kubernetes.io/namespace\":\"prod\",\"kubernetes.io/namespace\":\"prod\"}"));
}

static void patterns_fit_whole_claims(void **unused)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } rows[] = {
        { "acme/shop", "acme/shop", true },
        { "acme/shop", "acme/shop2", false },
        { "acme/shop", "xacme/shop", false },
        { "acme/shop", "Acme/shop", false },
        { "acme/*", "acme/shop", true },
        { "acme/*", "acme/", true },
        { "acme/*", "acme/a/b", false },
        { "acme/**", "acme/a/b", true },
        { "*/shop", "evil/acme/shop", false },
        { "**/shop", "evil/acme/shop", true },
        { "repo:acme/shop:ref:refs/heads/*", "repo:acme/shop:ref:refs/heads/main", true },
        { "repo:acme/shop:ref:refs/heads/*", "repo:acme/shop:ref:refs/heads/main\nx", true },
        { "repo:acme/shop:*", "repo:acme/shop:pull_request", true },
        { "repo:acme/shop:*", "repo:acme/shop:ref:refs/heads/x", false },
        { "a*b*c", "aXbYc", true },
        { "a*b*c", "aXbY", false },
        { "", "", true },
        { "", "a", false },
        { "*", "", true },
    };
    (void)unused;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (phi_claim_fits(phi_view_of(rows[i].pattern), phi_view_of(rows[i].text)) != rows[i].fits)
            fail_msg("%s against %s", rows[i].pattern, rows[i].text);
    /* stars upon stars end in bounded time, and refuse */
    assert_false(phi_claim_fits(PHI_LIT("**a**a**a**a**a**a**a**a**b"), PHI_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

static void only_what_pins_something_is_a_trust(void **unused)
{
    static const char *const good[] = {
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":\"x\"},\"service\":\"s\",\"rights\":[\"see\"],\"max_ms\":60000}",
    };
    static const char *const bad[] = {
        "{}", "[]", "",
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":\"**\"},\"service\":\"s\",\"rights\":[\"see\"],\"max_ms\":60000}",
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":7},\"service\":\"s\",\"rights\":[\"see\"],\"max_ms\":60000}",
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":\"x\"},\"service\":\"s\",\"rights\":[],\"max_ms\":60000}",
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":\"x\"},\"service\":\"s\",\"rights\":[\"vote\"],\"max_ms\":60000}",
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":\"x\"},\"service\":\"s\",\"rights\":[\"see\"],\"max_ms\":999999999}",
        "{\"issuer\":\"https://i\",\"claims\":{\"sub\":\"x\"},\"service\":\"s\",\"rights\":[\"see\"],\"max_ms\":60000}",
        "{\"issuer\":\"https://i\",\"audience\":\"a\",\"claims\":{\"sub\":\"x\"},\"service\":\"s\",\"rights\":[\"see\"],\"max_ms\":60000,\"more\":1}",
    };
    PHI_ARENA(a, 1 << 20);
    struct phi_workload_conf w;
    struct phi_err err = { 0 };
    (void)unused;
    for (size_t i = 0; i < COUNT(good); i++)
        if (phi_workload_conf_read(&a, phi_view_of(good[i]), &w, &err) != PHI_OK)
            fail_msg("%s: %s", good[i], err.msg);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (phi_workload_conf_read(&a, phi_view_of(bad[i]), &w, NULL) == PHI_OK)
            fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attack_57_a_claim_becomes_a_name_in_one_spelling_or_none),
        cmocka_unit_test(a_pinned_claim_may_lie_deeper_by_its_pointer),
        cmocka_unit_test(patterns_fit_whole_claims),
        cmocka_unit_test(only_what_pins_something_is_a_trust),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
