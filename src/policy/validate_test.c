/* What strict validation says of policies, and what loading wants of a schema. */
#include "policy/conform.h"
#include "policy/kit_test.h"
#include "policy/validate.h"

#include <stdio.h>

#define SCHEMA                                                                                        \
    "entity G in [G]; entity D in [G]; entity Color enum [\"red\", \"blue\"];\n"                      \
    "entity P in [G] = { name: String, age?: Long, boss?: P, home: { city: String, zip?: String }, likes: Set<Color> } tags Long;\n" \
    "entity R in [D] = { owner: P, cost: decimal, from: ipaddr, made: datetime, open: Bool };\n"      \
    "action read, \"write\" in [any] appliesTo { principal: P, resource: R, context: { n: Long, s?: String, at: datetime } };\n" \
    "action any; action see appliesTo { principal: [P, G], resource: R };\n"                          \
    "namespace N { action go appliesTo { principal: P, resource: R }; }\n"

struct row {
    const char *policy, *says; /* NULL: valid */
};

static void parse(struct phi_arena *a, const char *schema, const char *text, struct cedar_schema *s,
                  struct cedar_policies *p)
{
    struct phi_err err = { 0 };
    if (cedar_schema_parse(a, phi_view_of(schema), "s", s, &err) != PHI_OK ||
        cedar_templates_parse(a, phi_view_of(text), "p", p, &err) != PHI_OK)
        fail_msg("%s\n  %s", text, err.msg);
}

static void first_finding(struct phi_arena *a, const char *text, uint32_t level, char *ret, size_t n)
{
    struct cedar_schema s;
    struct cedar_policies p;
    struct cedar_findings found;
    parse(a, SCHEMA, text, &s, &p);
    assert_int_equal(cedar_validate(a, &s, &p, level, &found, NULL), PHI_OK);
    ret[0] = '\0';
    if (found.n)
        snprintf(ret, n, "%s%u:%u: " PHI_FMT, found.p[0].warning ? "warning " : "", found.p[0].at.line, found.p[0].at.col,
                 PHI_ARG(found.p[0].text));
}

static void check(const struct row *rows, size_t n, uint32_t level)
{
    for (size_t i = 0; i < n; i++) {
        PHI_ARENA(a, 16 << 20);
        char got[600];
        first_finding(&a, rows[i].policy, level, got, sizeof got);
        if (strcmp(got, rows[i].says ? rows[i].says : "") != 0)
            fail_msg("%s\n  says: %s\n  want: %s", rows[i].policy, got, rows[i].says ? rows[i].says : "nothing");
    }
}

#define WHEN(e) "permit (principal is P, action == Action::\"read\", resource)\nwhen { " e " };"

static void mistakes_are_named_with_what_to_write_instead(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { WHEN("principal.nam == \"x\""), "2:18: P has no attribute `nam`; did you mean `name`?" },
        { WHEN("principal.zzzz == \"x\""), "2:18: P has no attribute `zzzz`; it has name, age, boss, home, likes" },
        { WHEN("context.x == 1"), "2:16: the context has no attribute `x`; did you mean `n`?" },
        { WHEN("principal.age > 1"), "2:18: `age` may be absent; write `principal has age && …` before it" },
        { WHEN("principal.home.zip == \"1\""), "2:23: `zip` may be absent; write `principal.home has zip && …` before it" },
        { WHEN("principal.name"), "2:8: expected a condition (Bool), found String" },
        { WHEN("principal.name && true"), "2:8: expected a condition (Bool), found String; compare it, as in x == …" },
        { WHEN("principal.name == 1"), "2:23: these are never equal, their types differ: String and Long" },
        { WHEN("principal.name < \"b\""), "2:8: expected a Long, datetime or duration, found String" },
        { WHEN("resource.cost < decimal(\"1.0\")"), "2:8: expected a Long, datetime or duration, found decimal; compare decimals with .lessThan(…)" },
        { WHEN("resource.made < context.n"), "2:22: only values of one type can be compared: datetime and Long" },
        { WHEN("principal.name + \"b\" == \"c\""), "2:8: expected a Long, found String; Cedar joins no strings" },
        { WHEN("principal.name in [\"a\"]"), "2:8: expected an entity before `in`, found String; a value in a set is set.contains(value)" },
        { WHEN("principal.likes.contains(\"red\")"), "2:24: this is never in the set, the types differ: Color and String" },
        { WHEN("principal.likes.containsAll(Color::\"red\")"), "2:36: expected a set, found Color; write .contains(…) for one element" },
        { WHEN("principal.contains(G::\"x\")"), "2:8: expected a set, found P; write principal in group" },
        { WHEN("Color::\"green\" in principal.likes"), "2:8: there is no Color::\"green\"; the schema lists all entities of this type" },
        { WHEN("principal == Q::\"x\""), "2:21: the schema has no entity type `Q`" },
        { WHEN("action == Action::\"reed\""), "2:18: the schema has no action Action::\"reed\"" },
        { WHEN("resource.from.isInRange(ip(context.n))"), "2:32: ip takes one literal string, as in ip(\"10.0.0.0/8\")" },
        { WHEN("resource.from.isInRange(ip(\"10.0.0.300\"))"), "2:35: this is no valid ip; write such as ip(\"10.0.0.0/8\")" },
        { WHEN("resource.made.isIpv4()"), "2:8: expected ipaddr, found datetime" },
        { WHEN("resource.cost.lessThan(1)"), "2:31: expected decimal, found Long; compare numbers with < and >" },
        { WHEN("resource.from.isIpv4(1)"), "2:22: `isIpv4` takes 0 arguments" },
        { WHEN("[].isEmpty()"), "2:8: an empty set has no type; write `.isEmpty()` to ask whether a set is empty" },
        { WHEN("[1, \"a\"].contains(1)"), "2:12: the elements of a set must be of one type: Long and String" },
        { WHEN("if resource.open then 1 else \"a\""), "2:8: `then` and `else` give different types: Long and String" },
        { WHEN("principal.getTag(\"k\") == 1"), "2:18: the tag may be absent; ask `.hasTag(…) &&` with the same arguments first" },
        { WHEN("resource.getTag(\"k\") == 1"), "2:17: R has no tags in the schema" },
        { WHEN("principal.hasTag(1)"), "2:25: expected the tag's name (String), found Long" },
        { WHEN("context.n like \"*\""), "2:8: expected a String before `like`, found Long" },
        { WHEN("-principal.name == 1"), "2:9: expected a Long, found String" },
        { WHEN("context.n has x"), "2:8: expected an entity or a record before `has`, found Long" },
        { WHEN("context.n is P"), "2:8: expected an entity before `is`, found Long" },
        { WHEN("{a: 1} == {a: \"x\"}"), "2:15: these are never equal, their types differ: {a: Long} and {a: String}" },
        { "permit (principal == Q::\"x\", action, resource);", "1:9: the schema has no entity type `Q`" },
        { "permit (principal, action == Action::\"no\", resource);", "1:20: the schema has no action Action::\"no\"" },
        { "permit (principal, action in [], resource);", "1:20: an empty list of actions fits nothing; write `action` for any" },
        { "permit (principal, action in [Action::\"read\", N::Action::\"go\"], resource);",
          "1:20: the actions of a list must be of one type; write a policy for each type" },
    };
    check(rows, COUNT(rows), CEDAR_NO_LEVEL);
}

static void what_cannot_err_is_valid(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { WHEN("principal has age && principal.age > 1"), NULL },
        { WHEN("principal has boss.age && principal.boss.age > 1 && principal.boss.name like \"a*\""), NULL },
        { WHEN("if principal has age then principal.age > 1 else true"), NULL },
        { WHEN("!(principal has age) || principal.name == \"x\""), NULL },
        { WHEN("principal.hasTag(\"k\") && principal.getTag(\"k\") > 2"), NULL },
        { WHEN("principal in [G::\"a\", G::\"b\"] && principal.likes.containsAny([Color::\"red\"])"), NULL },
        { WHEN("context has s && context.s like \"a*\" || resource.owner == principal"), NULL },
        { WHEN("{a: principal.name}.a == \"x\""), NULL },
        { WHEN("context.at.offset(duration(\"1h\")) > resource.made"), NULL },
        { "permit (principal, action, resource) when { principal has age } when { principal has age && principal.age == 1 };", NULL },
        { "permit (principal, action in Action::\"any\", resource) when { principal has age } when { principal.age == 1 };", NULL },
        { "permit (principal, action, resource) when { principal is P && principal.name == \"x\" };", NULL },
        { "permit (principal in ?principal, action, resource == ?resource);", NULL },
        { "permit (principal is P in ?principal, action == Action::\"read\", resource) when { principal.name == \"x\" };", NULL },
    };
    check(rows, COUNT(rows), CEDAR_NO_LEVEL);
}

static void policies_that_never_apply_are_warned_of(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { WHEN("principal has nothing"), "warning 1:1: this policy never applies: its conditions are false whoever asks for what" },
        { WHEN("principal in D::\"x\""), "warning 1:1: this policy never applies: its conditions are false whoever asks for what" },
        { "permit (principal is G, action == Action::\"read\", resource);",
          "warning 1:1: this policy never applies: by the schema no action of its scope takes such a principal and resource" },
        { "permit (principal, action == Action::\"any\", resource);",
          "warning 1:1: this policy never applies: by the schema no action of its scope takes such a principal and resource" },
        { WHEN("true") WHEN("action == Action::\"write\" && principal.oops"),
          "warning 2:15: this policy never applies: its conditions are false whoever asks for what" },
    };
    check(rows, COUNT(rows), CEDAR_NO_LEVEL);
}

static void levels_bound_the_steps_between_entities(void **unused)
{
    (void)unused;
    static const char *const far = WHEN("principal has boss && principal.boss has boss && principal.boss.boss.name == \"x\"");
    static const struct {
        const char *policy;
        uint32_t level;
        bool ok;
    } rows[] = {
        { WHEN("context.n == 1"), 0, true },
        { WHEN("principal.name == \"x\""), 0, false },
        { WHEN("principal.name == \"x\""), 1, true },
        { WHEN("resource.owner.name == \"x\""), 1, false },
        { WHEN("resource.owner.name == \"x\""), 2, true },
        { WHEN("{o: resource.owner}.o.name == \"x\""), 1, false },
        { WHEN("{o: resource.owner}.o.name == \"x\""), 2, true },
        { WHEN("(if resource.open then principal else resource.owner).name == \"x\""), 1, false },
        { WHEN("P::\"x\".name == \"x\""), 9, false }, /* no root of what is fetched */
        { "permit (principal in G::\"a\", action, resource);", 0, false },
        { "permit (principal in G::\"a\", action, resource);", 1, true },
        { far, 2, false },
        { far, 3, true },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 16 << 20);
        char got[600];
        first_finding(&a, rows[i].policy, rows[i].level, got, sizeof got);
        if ((got[0] == '\0') != rows[i].ok)
            fail_msg("row %zu, level %u: %s", i, rows[i].level, got);
    }
}

static void wide_types_are_compared_within_a_limit(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 64 << 20);
    PHI_BUF(text, 1 << 20);
    struct cedar_schema s;
    struct cedar_policies p;
    struct cedar_findings found;
    phi_buf_adds(&text, "entity P; type T0 = Long; type U0 = Long;");
    for (int i = 1; i < 60; i++) /* equal, but written apart: 2^60 leaves */
        phi_buf_printf(&text, "type T%d = { a: T%d, b: T%d }; type U%d = { a: U%d, b: U%d };", i, i - 1, i - 1, i, i - 1, i - 1);
    phi_buf_adds(&text, "action a appliesTo { principal: P, resource: P, context: { t: T59, u: U59 } };");
    parse(&a, phi_buf_str(&text), "permit (principal, action, resource) when { context.t == context.u };"
          "permit (principal, action, resource) when { context.t == context.t };", &s, &p);
    assert_int_equal(cedar_validate(&a, &s, &p, CEDAR_NO_LEVEL, &found, NULL), PHI_OK);
    assert_int_equal(found.n, 1);
    assert_view(found.p[0].text, "these types are too large to compare");
}

static void wide_records_end(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 30);
    PHI_BUF(schema, 8 << 20);
    PHI_BUF(text, 16 << 20);
    struct cedar_schema s;
    struct cedar_policies p;
    struct cedar_findings found;
    phi_buf_adds(&text, "permit (principal, action, resource) when { {");
    phi_buf_adds(&schema, "entity P; action a appliesTo { principal: P, resource: P, context: { r: {");
    for (int i = 0; i < 200000; i++) {
        phi_buf_printf(&text, "%sa%d: %d", i ? ", " : "", i, i);
        if (i < 20000)
            phi_buf_printf(&schema, "%sa%d: Long", i ? ", " : "", i);
    }
    phi_buf_adds(&text, "} == context.r };");
    phi_buf_adds(&schema, "} } };");
    parse(&a, phi_buf_str(&schema), phi_buf_str(&text), &s, &p);
    assert_int_equal(cedar_validate(&a, &s, &p, CEDAR_NO_LEVEL, &found, NULL), PHI_OK);
    assert_int_equal(found.errors, 1);
}

static void entities_must_be_as_the_schema_says(void **unused)
{
    (void)unused;
#define ATTRS "\"name\":\"a\",\"home\":{\"city\":\"c\"},\"likes\":[]"
#define ONE(attrs, parents, tags) "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{" attrs "},\"parents\":[" parents "],\"tags\":{" tags "}}]"
    static const struct row rows[] = {
        { ONE(ATTRS, "{\"type\":\"G\",\"id\":\"1\"}", "\"k\":1"), NULL },
        { ONE("\"name\":\"a\",\"home\":{\"city\":1},\"likes\":[]", "", ""), "P::\"a\": `home.city` must be String, not a Long" },
        { ONE("\"name\":\"a\",\"likes\":[]", "", ""), "P::\"a\": `home` is missing; the schema requires {city: String, zip?: String}" },
        { ONE(ATTRS ",\"x\":1", "", ""), "P::\"a\": `x` is not in the schema" },
        { ONE("\"name\":\"a\",\"home\":{\"city\":\"c\"},\"likes\":[{\"type\":\"Color\",\"id\":\"green\"}]", "", ""),
          "P::\"a\": `likes[]` must be one of Color, not Color::\"green\"" },
        { ONE(ATTRS, "{\"type\":\"D\",\"id\":\"1\"}", ""), "P::\"a\" has a parent of a type that the schema does not let it be in" },
        { ONE(ATTRS, "", "\"k\":\"v\""), "tags of P::\"a\": `k` must be Long, not a String" },
        { "[{\"uid\":{\"type\":\"Q\",\"id\":\"a\"},\"attrs\":{},\"parents\":[]}]", "Q::\"a\" has a type that the schema lacks" },
        { "[{\"uid\":{\"type\":\"Color\",\"id\":\"green\"},\"attrs\":{},\"parents\":[]}]",
          "Color::\"green\" is not among the entities that the schema lists for its type" },
        { "[{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"any\"}]}]", NULL },
        { "[{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"attrs\":{},\"parents\":[]}]", "Action::\"read\" is another action than the schema says" },
        { "[{\"uid\":{\"type\":\"G\",\"id\":\"1\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"2\"}]},"
          "{\"uid\":{\"type\":\"G\",\"id\":\"2\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"3\"}]},"
          "{\"uid\":{\"type\":\"G\",\"id\":\"3\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"1\"}]}]", "is in itself over its parents" },
        { "[{\"uid\":{\"type\":\"G\",\"id\":\"1\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"1\"}]}]", "G::\"1\" is in itself over its parents" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 16 << 20);
        struct cedar_schema s;
        struct phi_err err = { 0 };
        const struct phi_json *v = NULL;
        struct phi_entities *es = phi_entities_open(NULL, 1 << 20);
        assert_int_equal(cedar_schema_parse(&a, phi_view_of(SCHEMA), "s", &s, &err), PHI_OK);
        assert_int_equal(phi_json_read(&a, phi_view_of(rows[i].policy), 0, "e", &v, &err), PHI_OK);
        enum phi_rc rc = cedar_entities_add_json(es, &s, v, &err);
        if (rc == PHI_OK)
            rc = cedar_conform_entities(&s, es, &err);
        if ((rc == PHI_OK) != !rows[i].says || (rows[i].says && !strstr(err.msg, rows[i].says)))
            fail_msg("row %zu: %s", i, err.msg);
        phi_entities_close(es);
    }
}

static void requests_must_be_as_the_schema_says(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 16 << 20);
    struct cedar_schema s;
    struct phi_err err = { 0 };
    struct phi_attr at[] = { { PHI_LIT("n"), phi_value_string(&a, PHI_LIT("1")) } };
    const struct phi_value *bad = phi_value_record(&a, at, 1);
    assert_int_equal(cedar_schema_parse(&a, phi_view_of(SCHEMA), "s", &s, &err), PHI_OK);
    struct phi_uid p = UID("P", "a"), see = UID("Action", "see"), r = UID("R", "r"), g = UID("G", "g");
    assert_int_equal(cedar_conform_request(&s, p, see, r, NULL, &err), PHI_OK);
    assert_int_equal(cedar_conform_request(&s, g, see, r, NULL, &err), PHI_OK);
    assert_int_equal(cedar_conform_request(&s, g, UID("Action", "read"), r, NULL, &err), PHI_EINPUT);
    assert_string_equal(err.msg, "action read does not apply to a principal of type G");
    assert_int_equal(cedar_conform_request(&s, p, UID("Action", "read"), r, bad, &err), PHI_EINPUT);
    assert_string_equal(err.msg, "context: `n` must be Long, not a String");
    assert_int_equal(cedar_conform_request(&s, p, UID("Action", "fly"), r, NULL, &err), PHI_EINPUT);
}

/* The starter's schema with one text replaced. */
static void relied(struct phi_arena *a, const char *from, const char *to, const char *says)
{
    struct phi_view schema = kit_file(a, PHI_SOURCE_ROOT "/src/policy/starter/schema.cedarschema");
    const char *text = phi_arena_str(a, schema), *at = strstr(text, from);
    struct phi_bundle *b = NULL;
    struct phi_err err = { 0 };
    PHI_BUF(changed, 1 << 20);
    assert_non_null(at);
    phi_buf_add(&changed, phi_view_mem(text, (size_t)(at - text)));
    phi_buf_adds(&changed, to);
    phi_buf_adds(&changed, at + strlen(from));
    struct phi_bundle_text t = { phi_buf_view(&changed), PHI_LIT(""), PHI_LIT(""), 1 };
    enum phi_rc rc = phi_bundle_load(&t, &b, &err);
    if (says ? rc != PHI_EINPUT || !strstr(err.msg, says) : rc != PHI_OK)
        fail_msg("%s -> %s\n  says: %s\n  want: %s", from, to, err.msg, says ? says : "nothing");
    phi_bundle_close(b);
}

static void what_phi_relies_on_must_be_in_the_schema(void **unused)
{
    (void)unused;
    static const struct {
        const char *from, *to, *says;
    } rows[] = {
        { "entity Gateway;", "entity Gateway; entity Mine = { x: Long }; action mine appliesTo { principal: Person, resource: Mine, context: { x: Long } };", NULL },
        { "entity Gateway;", "", "phi relies on `entity Gateway`" },
        { "name?: String", "name: String", "nothing in entity Person being required that phi does not give; write `name?`" },
        { "entity Table in [Schema]", "entity Table", "`entity Table in [Schema]`" },
        { "risk: Long,                // 0", "risk: String, // 0", "`risk` in entity Request being Long" },
        { "  function?: Function,\n", "", "`function?: Function` in entity Request" },
        { "met: Set<String>,          //", "met: Set<Long>, //", "`met` in the context of \"pg:admin\" being Set<String>" },
        { "device?: String,\n  env", "device: String,\n  env", "`device?` in the context of \"pg:admin\" being optional" },
        { "  device?: String,\n  env", "  env", NULL },
        { "addr?: String,", "addr?: String, shift: Long,", "write `shift?`" },
        { "\"pg:select\" in [\"pg:read\"]", "\"pg:select\"", "action \"pg:select\" being in \"pg:read\"" },
        { "action \"approve\"", "action \"aprove\"", "action phi::Action::\"approve\"" },
        { "resource: [Request],", "resource: [Table],", "action \"approve\" having Request among its resources" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 64 << 20);
        relied(&a, rows[i].from, rows[i].to, rows[i].says);
    }
}

static void a_bundle_that_does_not_validate_is_refused(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 64 << 20);
    struct phi_err err = { 0 };
    struct phi_bundle *b = NULL;
    struct phi_bundle_text t = { kit_file(&a, PHI_SOURCE_ROOT "/src/policy/starter/schema.cedarschema"),
                                 PHI_LIT("permit (principal, action == Action::\"pg:select\", resource)\nwhen { context.risk < 5 };"),
                                 PHI_LIT(""), 1 };
    assert_int_equal(phi_bundle_load(&t, &b, &err), PHI_EINPUT);
    assert_string_equal(err.msg, "policies.cedar:2:16: `risk` may be absent; write `context has risk && …` before it");
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_what_to_write_instead),
        cmocka_unit_test(what_cannot_err_is_valid),
        cmocka_unit_test(policies_that_never_apply_are_warned_of),
        cmocka_unit_test(levels_bound_the_steps_between_entities),
        cmocka_unit_test(wide_types_are_compared_within_a_limit),
        cmocka_unit_test(wide_records_end),
        cmocka_unit_test(entities_must_be_as_the_schema_says),
        cmocka_unit_test(requests_must_be_as_the_schema_says),
        cmocka_unit_test(what_phi_relies_on_must_be_in_the_schema),
        cmocka_unit_test(a_bundle_that_does_not_validate_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
