/* Policies as JSON and as text are the same policies. */
#include "policy/est.h"
#include "policy/kit_test.h"

static void as_text_and_json_again(struct phi_arena *a, const char *text)
{
    struct cedar_policies p, again;
    struct phi_err err = { 0 };
    PHI_BUF(out, 1 << 20);
    PHI_BUF(json, 1 << 20);
    if (cedar_templates_parse(a, phi_view_of(text), "t", &p, &err) != PHI_OK)
        fail_msg("%s\n  %s", text, err.msg);
    cedar_policy_write(&out, p.p[0]);
    if (cedar_templates_parse(a, phi_arena_copy(a, phi_buf_view(&out)), "t", &again, &err) != PHI_OK ||
        !cedar_policy_same(p.p[0], again.p[0]))
        fail_msg("%s\n  became %s  %s", text, phi_buf_str(&out), err.msg);
    cedar_policy_to_json(&json, p.p[0]);
    const struct phi_json *v = NULL;
    struct cedar_policy *read = NULL;
    if (phi_json_read(a, phi_buf_view(&json), CEDAR_EST_JSON, "policy", &v, &err) != PHI_OK ||
        cedar_policy_from_json(a, v, PHI_LIT("x"), &read, &err) != PHI_OK || !cedar_policy_same(p.p[0], read))
        fail_msg("%s\n  became %s  %s", text, phi_buf_str(&json), err.msg);
}

#define WHEN(e) "permit (principal, action, resource) when { " e " };"

static void trees_survive_text_and_json(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        WHEN("1 + 2 * 3 - 4 == -5 && (1 + 2) * 3 == - 5"),
        WHEN("1 - (2 - 3) < 4 || 1 - 2 - 3 <= -9223372036854775808"),
        WHEN("!(a::B::\"x\" == principal) && principal != resource && !!context.x && !(!(!(!(!context.x))))"),
        WHEN("-(-(5)) == 5 && -(context.x) == --5 && (-5).x == 1 && -context.x.y > 2"),
        WHEN("(true && false) && (true && (false || true)) || (false || (true || (if true then false else true)))"),
        WHEN("(if true then principal else resource).a[\"b c\"][\"if\"] == {a: 1, \"b c\": [1, 2, []], \"if\": {}}"),
        WHEN("principal has a.b.c && principal has \"x y\" && principal.a.b has c && (1 < 2) == (2 > 1)"),
        WHEN("context.s like \"a*b\\*c\\\\\\\"*\" && context.s like \"\" && context.s like \"**\" && context.s like \"\\u{1f600}\\0\\n\""),
        WHEN("principal is N::P && principal is P in G::\"g\" && principal in [G::\"a\", G::\"b\\n\"]"),
        WHEN("[1].contains(1) && [1].containsAll([2]) && [1].containsAny([]) && [].isEmpty() && principal.hasTag(\"t\") && principal.getTag(\"t\")"),
        WHEN("ip(\"::1\").isInRange(ip(\"::/8\")) && decimal(\"1.0\").lessThan(decimal(\"2.0\")) && ip() && ip(1, 2).isIpv4()"),
        WHEN("datetime(\"2026-01-01\").offset(duration(\"1h\")).toDate() >= context.now && context[\"\"] == \"\\u{202e}\\t\""),
        "@a @b(\"x\\n\") forbid (principal == P::\"\\0\", action == N::Action::\"a\", resource is R);",
        "permit (principal in ?principal, action in [Action::\"a\", Action::\"b\"], resource is R in ?resource) unless { true } when { false };",
        "permit (principal is P in G::\"g\", action in [], resource == ?resource);",
        "permit (principal, action in Action::\"a\", resource in R::\"r\");",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        PHI_ARENA(a, 16 << 20);
        as_text_and_json_again(&a, texts[i]);
    }
}

static enum phi_rc read(struct phi_arena *a, const char *json, bool set, struct cedar_policy_set *ret, struct phi_err *err)
{
    const struct phi_json *v = NULL;
    struct cedar_policy *p = NULL;
    PHI_TRY(phi_json_read(a, phi_view_of(json), CEDAR_EST_JSON, "policies", &v, err));
    return set ? cedar_set_from_json(a, v, ret, err) : cedar_policy_from_json(a, v, PHI_LIT("p"), &p, err);
}

#define POLICY(principal, body)                                                                       \
    "{\"effect\":\"permit\",\"principal\":" principal ",\"action\":{\"op\":\"All\"},\"resource\":{\"op\":\"All\"},\"conditions\":[" body "]}"
#define BODY(e) POLICY("{\"op\":\"All\"}", "{\"kind\":\"when\",\"body\":" e "}")
#define ANY POLICY("{\"op\":\"All\"}", "")

static void json_as_cedars_documents_show_it(void **unused)
{
    (void)unused;
    static const struct {
        const char *json, *text;
    } rows[] = {
        { BODY("{\"has\":{\"left\":{\"Var\":\"principal\"},\"attr\":[\"a\",\"b\"]}}"), "principal has a && principal.a has b" },
        { BODY("{\"is\":{\"left\":{\"Var\":\"principal\"},\"entity_type\":\"P\",\"in\":{\"Value\":{\"__entity\":{\"type\":\"G\",\"id\":\"g\"}}}}}"),
          "principal is P && principal in G::\"g\"" },
        { BODY("{\"Value\":{\"a\":[1,true,{\"__extn\":{\"fn\":\"ip\",\"arg\":\"::1\"}}]}}"), "{a: [1, true, ip(\"::1\")]}" },
        { BODY("{\"isInRange\":[{\"ip\":[{\"Value\":\"::1\"}]},{\"ip\":[{\"Value\":\"::/8\"}]}]}"), "ip(\"::1\").isInRange(ip(\"::/8\"))" },
        { BODY("{\"like\":{\"left\":{\"Value\":\"x\"},\"pattern\":[{\"Literal\":\"a\"},{\"Literal\":\"b*\"},\"Wildcard\"]}}"), "\"x\" like \"ab\\**\"" },
        { BODY("{\"neg\":{\"arg\":{\"Value\":5}}}"), "-(5)" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        PHI_BUF(out, 1 << 16);
        struct phi_err err = { 0 };
        const struct phi_json *v = NULL;
        struct cedar_policy *p = NULL;
        assert_int_equal(phi_json_read(&a, phi_view_of(rows[i].json), CEDAR_EST_JSON, "p", &v, &err), PHI_OK);
        if (cedar_policy_from_json(&a, v, PHI_LIT("p"), &p, &err) != PHI_OK)
            fail_msg("%s\n  %s", rows[i].json, err.msg);
        cedar_expr_write(&out, p->conds[0].e);
        assert_string_equal(phi_buf_str(&out), rows[i].text);
    }
}

static void bad_json_is_refused_with_the_reason(void **unused)
{
    (void)unused;
    static const struct {
        const char *json;
        bool set;
        const char *says;
    } rows[] = {
        { "[]", false, "a policy must be an object" },
        { "{}", false, "effect must be permit or forbid" },
        { POLICY("{\"op\":\"like\"}", ""), false, "a scope must be" },
        { POLICY("{\"op\":\"==\"}", ""), false, "an entity must be" },
        { POLICY("{\"op\":\"==\",\"slot\":\"?resource\"}", ""), false, "this slot may not stand here: `?resource`" },
        { POLICY("{\"op\":\"in\",\"entities\":[]}", ""), false, "an entity must be" },
        { BODY("{\"Var\":\"me\"}"), false, "Var must be" },
        { BODY("{\"Slot\":\"?principal\"}"), false, "there is no operator or function `Slot`" },
        { BODY("{\"==\":{\"left\":{\"Value\":1}}}"), false, "an operator lacks its `right`" },
        { BODY("{\"Value\":null}"), false, "a value must be" },
        { BODY("{\"nope\":[]}"), false, "there is no operator or function `nope`" },
        { BODY("{\"isIpv4\":[]}"), false, "there is nothing to call it on: `isIpv4`" },
        { BODY("{\"is\":{\"left\":{\"Value\":1},\"entity_type\":\"a b\"}}"), false, "entity_type must be a type's name" },
        { BODY("{\"is\":{\"left\":{\"Value\":1},\"entity_type\":\"a::in\"}}"), false, "entity_type must be a type's name" },
        { BODY("{\"Value\":1,\"Var\":\"action\"}"), false, "one key" },
        { "{\"staticPolicies\":{\"a\":" POLICY("{\"op\":\"==\",\"slot\":\"?principal\"}", "") "}}", true, "has a slot, so it is a template" },
        { "{\"templates\":{\"a\":" ANY "}}", true, "has no slot" },
        { "{\"templateLinks\":[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{}}]}", true, "there is no template \"t\"" },
        { "{\"policies\":{}}", true, "policies" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        struct cedar_policy_set set;
        struct phi_err err = { 0 };
        assert_int_equal(read(&a, rows[i].json, rows[i].set, &set, &err), PHI_EINPUT);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("row %zu says %s", i, err.msg);
    }
}

static void templates_are_linked(void **unused)
{
    (void)unused;
#define SET(values) "{\"staticPolicies\":{\"s\":" ANY "},\"templates\":{\"t\":" POLICY("{\"op\":\"in\",\"slot\":\"?principal\"}", "") \
    "},\"templateLinks\":[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{" values "}}]}"
    PHI_ARENA(a, 1 << 20);
    PHI_BUF(out, 1 << 16);
    struct cedar_policy_set set;
    struct phi_err err = { 0 };
    assert_int_equal(read(&a, SET("\"?principal\":{\"type\":\"P\",\"id\":\"alice\"}"), true, &set, &err), PHI_OK);
    assert_int_equal(set.policies.n, 2);
    assert_int_equal(set.templates.n, 1);
    assert_view(set.policies.p[1]->id, "l");
    cedar_policy_write(&out, set.policies.p[1]);
    assert_string_equal(phi_buf_str(&out), "permit (principal in P::\"alice\", action, resource);\n");
    assert_int_equal(read(&a, SET(""), true, &set, &err), PHI_EINPUT);
    assert_string_equal(err.msg, "the link gives no value for ?principal");
    assert_int_equal(read(&a, SET("\"?principal\":{\"type\":\"P\",\"id\":\"a\"},\"?resource\":{\"type\":\"P\",\"id\":\"a\"}"), true, &set, &err), PHI_EINPUT);
    assert_string_equal(err.msg, "the template has no ?resource");
}

static void depth_is_bounded(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 64 << 20);
    PHI_BUF(json, 1 << 20);
    struct phi_err err = { 0 };
    struct cedar_policy_set set;
    phi_buf_adds(&json, "{\"effect\":\"permit\",\"principal\":{\"op\":\"All\"},\"action\":{\"op\":\"All\"},\"resource\":{\"op\":\"All\"},\"conditions\":[{\"kind\":\"when\",\"body\":");
    for (int i = 0; i < 1500; i++)
        phi_buf_adds(&json, "{\"!\":{\"arg\":");
    phi_buf_adds(&json, "{\"Value\":true}");
    for (int i = 0; i < 1500; i++)
        phi_buf_adds(&json, "}}");
    phi_buf_adds(&json, "}]}");
    assert_int_not_equal(read(&a, phi_buf_str(&json), false, &set, &err), PHI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_survive_text_and_json),
        cmocka_unit_test(json_as_cedars_documents_show_it),
        cmocka_unit_test(bad_json_is_refused_with_the_reason),
        cmocka_unit_test(templates_are_linked),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
