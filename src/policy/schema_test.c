/* Schemas: names resolve as Cedar resolves them, and what is wrong is named with its place. */
#include "policy/kit_test.h"
#include "policy/schema_json.h"

static enum phi_rc parse(struct phi_arena *a, const char *text, struct cedar_schema *s, struct phi_err *err)
{
    return cedar_schema_parse(a, phi_view_of(text), "s", s, err);
}

static void names_resolve_in_their_namespace_first(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    struct cedar_schema s;
    struct phi_err err = { 0 };
    const char *text = "entity P, Q; type T = { a: Long }; namespace N { entity P in [Q] = { t: T, u?: U, l: Set<Set<P>>, \"x y\": __cedar::Bool, i: ipaddr } tags String;"
                       "type U = V; type V = decimal; @doc(\"x\") action \"r\", w in [all, \"some\", Action::\"outer\"] appliesTo { principal: P, resource: [P, Q], context: T };"
                       "action all; action \"some\" in N::Action::\"all\"; } action \"outer\"; entity E enum [\"a\", \"b\"];";
    if (parse(&a, text, &s, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    const struct cedar_entity_type *p = cedar_schema_entity(&s, PHI_LIT("N::P"));
    assert_non_null(p);
    assert_view(((struct cedar_type *)p->parents.p[0])->name, "Q");
    assert_int_equal(cedar_type_attr(p->attrs, PHI_LIT("t"))->type->kind, TYPE_RECORD);
    const struct cedar_attr_type *u = cedar_type_attr(p->attrs, PHI_LIT("u"));
    assert_int_equal(u->type->kind, TYPE_EXT);
    assert_int_equal(u->type->ext, CEDAR_DECIMAL);
    assert_false(u->required);
    assert_view(cedar_type_attr(p->attrs, PHI_LIT("l"))->type->elem->elem->name, "N::P");
    assert_int_equal(cedar_type_attr(p->attrs, PHI_LIT("x y"))->type->kind, TYPE_BOOL);
    assert_null(cedar_type_attr(p->attrs, PHI_LIT("z")));
    const struct cedar_action *w = cedar_schema_action(&s, UID("N::Action", "w"));
    assert_non_null(w);
    assert_true(cedar_action_in(w, UID("N::Action", "all")));
    assert_true(cedar_action_in(w, UID("N::Action", "some")));
    assert_true(cedar_action_in(w, UID("Action", "outer")));
    assert_false(cedar_action_in(w, UID("Action", "all")));
    assert_false(cedar_action_in(w, UID("N::Action", "r")));
    assert_true(cedar_action_applies(w, PHI_LIT("N::P"), PHI_LIT("Q")));
    assert_false(cedar_action_applies(w, PHI_LIT("P"), PHI_LIT("Q")));
    assert_false(cedar_action_applies(cedar_schema_action(&s, UID("Action", "outer")), PHI_LIT("P"), PHI_LIT("Q")));
    assert_true(cedar_schema_has_type(&s, PHI_LIT("N::Action")));
    assert_false(cedar_schema_has_type(&s, PHI_LIT("T")));
    assert_int_equal(cedar_schema_entity(&s, PHI_LIT("E"))->ids.n, 2);
}

static void what_is_wrong_is_named_with_its_place(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "entity P = { a: Nope };", "s:1:17: there is no type `Nope`" },
        { "entity P in [Long];", "an entity type must stand here" },
        { "entity P;\nentity P;", "entity type `P` stands twice" },
        { "action \"a\"; action \"a\";", "action \"a\" stands twice" },
        { "type T = Long; type T = Bool;", "type `T` stands twice" },
        { "type T = { a: U }; type U = Set<T>;", "contains itself" },
        { "action \"a\" in [\"b\"]; action \"b\" in [\"a\"];", "is in itself" },
        { "action \"a\" in [\"b\"];", "there is no action \"b\"" },
        { "action \"a\" appliesTo { context: Long };", "a record must stand here" },
        { "action \"a\" appliesTo { subject: P };", "expected principal, resource or context" },
        { "entity P = { a: Long, a: Bool };", "attribute `a` stands twice" },
        { "entity P", "the text ends" },
        { "entity \"P\";", "without quotes" },
        { "entity P, \"Q\";", "without quotes" },
        { "namespace N { namespace M { } }", "expected `entity`, `action`" },
        { "entity if;", "s:1:8: `if` is a reserved word" }, /* as cedar-wasm has it in each of these places */
        { "entity P = { like: Long };", "`like` is a reserved word" },
        { "type has = Long;", "`has` is a reserved word" },
        { "namespace is { entity P; }", "`is` is a reserved word" },
        { "entity P; action in appliesTo { principal: P, resource: P };", "`in` is a reserved word" },
        { "entity P;x", "expected `entity`" },
        { "Entity P;", "expected `entity`" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        struct cedar_schema s;
        struct phi_err err = { 0 };
        assert_int_equal(parse(&a, rows[i].text, &s, &err), PHI_EINPUT);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s\n  says: %s\n  want: %s", rows[i].text, err.msg, rows[i].says);
    }
}

static void wide_and_deep_schemas_end(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 64 << 20);
    PHI_BUF(text, 1 << 20);
    struct cedar_schema s;
    struct phi_err err = { 0 };
    phi_buf_adds(&text, "type T0 = Long;"); /* each type holds the one before twice: 2^60 leaves, 60 types */
    for (int i = 1; i < 60; i++)
        phi_buf_printf(&text, "type T%d = { a: T%d, b: T%d };", i, i - 1, i - 1);
    assert_int_equal(cedar_schema_parse(&a, phi_buf_view(&text), "s", &s, &err), PHI_OK);
    phi_buf_clear(&text);
    phi_buf_adds(&text, "type T = ");
    for (int i = 0; i < 10000; i++)
        phi_buf_adds(&text, "Set<");
    assert_int_equal(cedar_schema_parse(&a, phi_buf_view(&text), "s", &s, &err), PHI_ELIMIT);
    phi_buf_clear(&text);
    phi_buf_adds(&text, "action \"0\";"); /* two parents each, layer upon layer */
    for (int i = 1; i < 150; i++)
        phi_buf_printf(&text, "action \"%d\" in [\"%d\", \"%d\"];", i, i - 1, i > 1 ? i - 2 : 0);
    assert_int_equal(cedar_schema_parse(&a, phi_buf_view(&text), "s", &s, &err), PHI_OK);
    assert_true(cedar_action_in(cedar_schema_action(&s, UID("Action", "149")), UID("Action", "0")));
}

static void json_says_what_text_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *json, *text; /* text: written again; or what is wrong */
        bool ok;
    } rows[] = {
        { "{\"\":{\"entityTypes\":{\"P\":{\"memberOfTypes\":[\"G\"],\"shape\":{\"type\":\"Record\",\"attributes\":{\"a\":{\"type\":\"Long\"},"
          "\"b c\":{\"type\":\"Set\",\"element\":{\"type\":\"Extension\",\"name\":\"ipaddr\"},\"required\":false}}},\"tags\":{\"type\":\"String\"}},\"G\":{}},"
          "\"actions\":{\"a\":{\"memberOf\":[{\"id\":\"b\"}],\"appliesTo\":{\"principalTypes\":[\"P\"],\"resourceTypes\":[\"N::E\"],\"context\":{\"type\":\"T\"}}},\"b\":{}},"
          "\"commonTypes\":{\"T\":{\"type\":\"Record\",\"attributes\":{\"x\":{\"type\":\"Entity\",\"name\":\"P\"}}}}},"
          "\"N\":{\"entityTypes\":{\"E\":{\"enum\":[\"x\"]}},\"actions\":{}}}",
          "entity G;\nentity P in [G] = {\"a\": __cedar::Long, \"b c\"?: Set<__cedar::ipaddr>} tags __cedar::String;\n"
          "action \"a\" in [Action::\"b\"] appliesTo { principal: [P], resource: [N::E], context: {\"x\": P} };\naction \"b\";\n"
          "namespace N {\nentity E enum [\"x\"];\n}\n", true },
        { "[]", "expected an object, namespace to", false },
        { "{\"\":{\"entityTypes\":{\"a b\":{}}}}", "this is no name of a type: `a b`", false },
        { "{\"\":{\"entityTypes\":{\"P\":{\"shape\":{\"type\":\"Long\"}}}}}", "a record must stand here", false },
        { "{\"\":{\"entityTypes\":{\"P\":{\"shape\":{\"type\":\"Record\",\"attributes\":{\"a\":{\"type\":\"Nope\"}}}}}}}", "there is no type `Nope`", false },
        { "{\"\":{\"entityTypes\":{\"P\":{\"enum\":[]}}}}", "expected a list of ids", false },
        { "{\"\":{\"entityTypes\":{\"P\":{\"enum\":[\"x\"],\"tags\":{\"type\":\"Long\"}}}}}", "an enumeration has nothing else", false },
        { "{\"\":{\"actions\":{\"a\":{\"memberOf\":[{\"id\":\"b\"}]}}}}", "there is no action \"b\"", false },
        { "{\"\":{\"entityTypes\":{\"P\":{\"shape\":{\"type\":\"Record\",\"attributes\":{},\"additionalAttributes\":true}}}}}", "records are closed", false },
        { "{\"\":{\"things\":{}}}", "things", false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        PHI_BUF(out, 1 << 16);
        struct cedar_schema s;
        struct phi_err err = { 0 };
        const struct phi_json *v = NULL;
        assert_int_equal(phi_json_read(&a, phi_view_of(rows[i].json), CEDAR_SCHEMA_JSON, "s", &v, &err), PHI_OK);
        enum phi_rc rc = cedar_schema_from_json(&a, v, "s", &s, &err);
        if ((rc == PHI_OK) != rows[i].ok || (!rows[i].ok && !strstr(err.msg, rows[i].text)))
            fail_msg("row %zu: %s", i, err.msg);
        if (!rows[i].ok)
            continue;
        cedar_schema_write(&out, &s);
        assert_string_equal(phi_buf_str(&out), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_resolve_in_their_namespace_first),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(wide_and_deep_schemas_end),
        cmocka_unit_test(json_says_what_text_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
