/* What phi policy check says beside the errors. */
#include "policy/advise.h"
#include "policy/kit_test.h"

#include <string.h>

#define SCHEMA                                                                                              \
    "entity Group; entity Person in [Group]; entity Doc;"                                                  \
    "action read, write appliesTo { principal: Person, resource: Doc, context: { met: Set<String>, can: Set<String>, n?: Long } };"
#define ASKS "@id(\"asks\") permit (principal, action, resource) when { context.met.contains(\"two\") };"

static const char *advice(struct phi_arena *a, const char *policies, const char *requirements, const char *entities)
{
    struct phi_bundle *b = kit_load(SCHEMA, policies, requirements);
    struct phi_entities *es = entities ? phi_entities_open(NULL, 1 << 20) : NULL;
    struct cedar_findings found;
    PHI_BUF(text, 1 << 16);
    if (es)
        assert_int_equal(phi_entities_add_text(es, phi_view_of(entities), NULL), PHI_OK);
    assert_int_equal(cedar_advise(b, es, a, &found, NULL), PHI_OK);
    for (size_t i = 0; i < found.n; i++) {
        assert_true(found.p[i].warning);
        phi_buf_add(&text, found.p[i].text);
        phi_buf_adds(&text, "\n");
    }
    const char *ret = phi_arena_str(a, phi_buf_view(&text));
    phi_entities_close(es);
    phi_bundle_close(b);
    return ret;
}

#define P(id, ...) "{\"uid\":{\"type\":\"Person\",\"id\":\"" id "\"},\"attrs\":{},\"parents\":[" __VA_ARGS__ "]}"
#define G(id) "{\"type\":\"Group\",\"id\":\"" id "\"}"
#define DBA_AND_SEC "two: {approve: [{from: 'Group::\"dba\"', count: 1}, {from: 'Group::\"sec\"', count: 1}]}"

static void a_requirement_needs_different_people(void **unused)
{
    (void)unused;
    static const struct {
        const char *requirements, *entities, *says; /* "": nothing */
    } cases[] = {
        { DBA_AND_SEC, "[" P("a", G("dba")) "," P("b", G("sec")) "]", "" },
        { DBA_AND_SEC, "[" P("a", G("dba") "," G("sec")) "," P("b", G("sec")) "]", "" },
        { DBA_AND_SEC, "[" P("a", G("dba") "," G("sec")) "]", "needs 2 different people, and 1 are there" },
        { DBA_AND_SEC, "[" P("a", G("dba")) "," P("b", G("dba")) "]", "needs 1 of Group::\"sec\", and 0 are there" },
        /* enough people in all, enough for each alone, and still two of the sets share one person */
        { "two: {approve: [{from: 'Group::\"dba\"', count: 1}, {from: 'Group::\"sec\"', count: 1}, {from: 'Group::\"ops\"', count: 1}]}",
          "[" P("a", G("dba") "," G("sec")) "," P("b", G("ops")) "," P("c", G("ops")) "]", "needs 2 different people, and 1 are there" },
        { "two: {approve: [{from: 'Group::\"dba\"', count: 2}]}", "[" P("a", G("dba")) "," P("b", "") "]", "needs 2 of Group::\"dba\", and 1 is there" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PHI_ARENA(a, 4 << 20);
        const char *got = advice(&a, ASKS, cases[i].requirements, cases[i].entities);
        if (cases[i].says[0] ? strstr(got, cases[i].says) == NULL : got[0] != '\0')
            fail_msg("case %zu: \"%s\"", i, got);
    }
}

static void without_entities_nothing_is_said_of_people(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 4 << 20);
    assert_string_equal(advice(&a, ASKS, DBA_AND_SEC, NULL), "");
}

static void a_plain_permit_beside_one_that_asks_is_told(void **unused)
{
    (void)unused;
    static const struct {
        const char *beside;
        bool shadows;
    } cases[] = {
        { "@id(\"all\") permit (principal, action, resource);", true },
        { "@id(\"all\") permit (principal is Person, action == Action::\"read\", resource);", false }, /* of one type: not proven to be the same */
        { "@id(\"one\") permit (principal, action == Action::\"write\", resource);", true }, /* of one action of several */
        { "@id(\"all\") permit (principal == Person::\"a\", action, resource);", false },
        { "@id(\"all\") permit (principal, action, resource) when { principal == Person::\"a\" };", false },
        { "@id(\"all\") permit (principal, action, resource) when { context.met.contains(\"two\") };", false },
        { "@id(\"all\") forbid (principal, action, resource) when { principal == Person::\"a\" };", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PHI_ARENA(a, 4 << 20);
        PHI_BUF(text, 4096);
        phi_buf_adds(&text, ASKS);
        phi_buf_adds(&text, cases[i].beside);
        const char *got = advice(&a, phi_buf_str(&text), DBA_AND_SEC, NULL);
        if ((strstr(got, "nobody is ever asked") != NULL) != cases[i].shadows)
            fail_msg("case %zu: \"%s\"", i, got);
    }
}

static void a_forbid_that_can_err_and_a_policy_that_never_applies_are_told(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 4 << 20);
    const char *got = advice(&a, "@id(\"f\") forbid (principal, action, resource) when { context has n && context.n * 2 > 7 };"
                                 "@id(\"n\") permit (principal is Group, action, resource);", "", NULL);
    assert_non_null(strstr(got, "this forbid can err"));
    assert_non_null(strstr(got, "never applies"));
    got = advice(&a, "@id(\"f\") forbid (principal, action, resource) when { context has n && context.n > 7 };", "", NULL);
    assert_string_equal(got, "");
}

static void obligations_that_nobody_meets_or_asks_for_are_told(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 4 << 20);
    static const char masked[] = "@id(\"m\") permit (principal, action, resource) when { context.can.contains(\"mask\") };";
    PHI_BUF(both, 1024);
    phi_buf_adds(&both, masked);
    phi_buf_adds(&both, "@id(\"all\") permit (principal, action, resource);");
    assert_string_equal(advice(&a, masked, "obligations: {mask: {}}", NULL), "");
    assert_non_null(strstr(advice(&a, masked, "obligations: {mask: {}, tape: {}}", NULL), "obligation \"tape\" is defined, and no policy asks"));
    assert_non_null(strstr(advice(&a, phi_buf_str(&both), "obligations: {mask: {}}", NULL),
                           "no allow ever carries this obligation: policy \"all\" permits the same without it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_requirement_needs_different_people),
        cmocka_unit_test(without_entities_nothing_is_said_of_people),
        cmocka_unit_test(a_plain_permit_beside_one_that_asks_is_told),
        cmocka_unit_test(obligations_that_nobody_meets_or_asks_for_are_told),
        cmocka_unit_test(a_forbid_that_can_err_and_a_policy_that_never_applies_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
