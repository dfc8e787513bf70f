/* Where `met` and `context` may stand: each forbidden form is a load error that names place and way out. */
#include "policy/kit_test.h"

#include <stdio.h>

#define SCHEMA                                                                                       \
    "entity G; entity P in [G] = { age: Long, nick?: String, friend?: P }; entity R in [R] = { owner: P, hot?: Bool };" \
    "type C = { met: Set<String>, can: Set<String>, flag: Bool, n: Long, s: String, names: Set<String>, who: P,"       \
    "  opt?: Bool, when?: datetime, sub: { deep: Bool, more?: Bool }, ip?: ipaddr };"                \
    "action \"g\"; action \"a\", \"b\" in [\"g\"] appliesTo { principal: P, resource: R, context: C };" \
    "action \"c\" appliesTo { principal: P, resource: R, context: { met: Set<String> } };"           \
    "namespace phi { action \"approve\" appliesTo { principal: P, resource: R, context: { met: Set<String> } }; }"
#define NEEDS "a: {approve: [{from: 'G::\"x\"'}]}\nb: {approve: [{from: 'G::\"x\"', count: 2}]}\nc: {kind: mfa}\n"                   \
    "obligations: {mask: {}, tape: {kind: record, why: Taped}}\n"

static enum phi_rc load(const char *policies, struct phi_err *err)
{
    struct phi_bundle_text text = { phi_view_of(SCHEMA), phi_view_of(policies), phi_view_of(NEEDS), 1 };
    struct phi_bundle *b = NULL;
    enum phi_rc rc = cedar_bundle_load(&text, 0, &b, err);
    assert_int_equal(rc == PHI_OK, b != NULL);
    phi_bundle_close(b);
    return rc;
}

static enum phi_rc load_when(const char *effect, const char *condition, const char *e, struct phi_err *err)
{
    char text[1024];
    snprintf(text, sizeof text, "%s (principal, action in Action::\"g\", resource)\n%s { %s };", effect,
             condition, e);
    return load(text, err);
}

#define A "context.met.contains(\"a\")"
#define B "context.met.contains(\"b\")"

static void met_stands_where_it_may(void **unused)
{
    (void)unused;
    static const char *const good[] = {
        A, "context.met.containsAll([\"a\"])", "context.met.containsAll([\"a\",\"b\"])", "context[\"met\"].contains(\"a\")",
        "context.flag && " A, A " && context.flag", "context.flag || " A, A " || context.flag", A " && " B, A " || " B,
        "if context.flag then " A " else " B, "(principal in G::\"x\" || " A ") && (" B " || context.n < 5)",
        "context has opt && context.opt && " A, "context has when && context.when < context.when && " A,
        "principal == resource && " A, "principal in [G::\"x\", G::\"y\"] && " A, "context.s like \"x*\" || " A,
        "context.names.contains(\"q\") && " A, "context.names.isEmpty() || " A, "context.who is P in G::\"x\" && " A,
        "context.sub.deep && " A, "context.sub has more && context.sub.more && " A, "!(context.flag) && " A,
        "context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) && " A,
        "principal has nick && principal.nick == \"x\" && " A, "true && " A,
        "if context has opt then (context.opt && " A ") else " B,
        "context.n + 1 > 2 && principal.age > 3", /* no `met`: free to err */
    };
    struct phi_err err = { 0 };
    for (size_t i = 0; i < COUNT(good); i++) {
        if (load_when("permit", "when", good[i], &err) != PHI_OK)
            fail_msg("%s: %s", good[i], err.msg);
        if (load_when("forbid", "unless", good[i], &err) != PHI_OK)
            fail_msg("%s: %s", good[i], err.msg);
    }
}

static void met_stands_nowhere_else(void **unused)
{
    (void)unused;
    static const struct {
        const char *e, *says;
    } bad[] = {
        { "[\"a\"].containsAll(context.met)", "`met` stands only in" },
        { "context.met == [\"a\"]", "`met` stands only in" },
        { "context.met.containsAny([\"a\"])", "containsAny" },
        { "context.met.isEmpty()", "`met` stands only in" },
        { "!" A, "negated" },
        { "!(context.flag && " A ")", "negated" },
        { A " == true", "`met` stands only in" },
        { "if " A " then false else true", "condition of an `if`" },
        { "if context.flag then " A " else false", "both branches" },
        { "if context.flag then false else " A, "both branches" },
        { "context has met", "`met` stands only in" },
        { "context has met && " A, "`met` stands only in" },
        { "context.met.contains(context.s)", "literal string" },
        { "context.met.contains(1)", "literal string" },
        { "context.met.containsAll([])", "list of literal names" },
        { "context.met.containsAll(context.names)", "list of literal names" },
        { "context.met.containsAll([\"a\", context.s])", "literal string" },
        { "context.met.contains(\"nobody\")", "requirement \"nobody\" is not defined" },
        { "{x: " A "}.x", "`met` stands only in" },
        { "[" A "].contains(true)", "`met` stands only in" },
        { "context.n * 9223372036854775807 > 1 || " A, "arithmetic can overflow" },
        { A " && context.n * 9223372036854775807 > 1 || context.flag", "arithmetic can overflow" },
        { A " || context.n + 1 > 2", "arithmetic can overflow" },
        { "-context.n < 2 && " A, "arithmetic can overflow" },
        { "context.opt && " A, "may be absent" },
        { "context.sub.more && " A, "may be absent" },
        { "context.nope && " A, "may be absent" },
        { "(context has opt || context.flag) && context.opt && " A, "may be absent" },
        { "principal.age > 3 && " A, "may be absent" },
        { "resource.owner == principal && " A, "may be absent" },
        { "resource has hot && resource.hot && " A, "type" },
        { "principal has age && principal.age > 3 && " A, "numbers" },
        { "context.s < 3 && " A, "numbers" },
        { "context.n && " A, "Bool" },
        { "context.n == 1 && context.s && " A, "type" },
        { "context.s in G::\"x\" && " A, "type" },
        { "principal.hasTag(\"x\") && principal.getTag(\"x\") == 1 && " A, "tag may be absent" },
        { "ip(context.s).isIpv4() && " A, "valid" },
        { "ip(\"300.0.0.1\").isIpv4() && " A, "valid" },
        { "context == context && " A, "followed directly" },
        { "context", "followed directly" },
        { "{c: context}.c.flag", "followed directly" },
        { "[context].isEmpty()", "followed directly" },
        { "(if context.flag then context else context).met.contains(\"a\")", "followed directly" },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct phi_err err = { 0 };
        if (load_when("permit", "when", bad[i].e, &err) != PHI_EINPUT)
            fail_msg("accepted: %s", bad[i].e);
        if (!strstr(err.msg, bad[i].says) || strncmp(err.msg, "policies.cedar:2:", 17) != 0)
            fail_msg("%s\n  says: %s\n  want: %s", bad[i].e, err.msg, bad[i].says);
        assert_int_equal(load_when("forbid", "unless", bad[i].e, &err), PHI_EINPUT);
    }
}

/* The grammar of `can` is that of `met`. */
static void can_stands_where_met_may(void **unused)
{
    (void)unused;
    static const struct {
        const char *e, *says; /* NULL: it may stand */
    } rows[] = {
        { "context.can.contains(\"mask\")", NULL },
        { "context.can.containsAll([\"mask\", \"tape\"]) || " A, NULL },
        { "if context.flag then context.can.contains(\"mask\") else " A, NULL },
        { "context.flag && (context.can.contains(\"mask\") && " A ")", NULL },
        { "[\"mask\"].containsAll(context.can)", "`can` stands only in context.can.contains" },
        { "context.can == [\"mask\"]", "`can` stands only in" },
        { "context.can.containsAny([\"mask\"])", "containsAny may not be used on `can`; write can.contains" },
        { "context.can.isEmpty()", "`can` stands only in" },
        { "!context.can.contains(\"mask\")", "`can` may not be negated" },
        { "context.can.contains(\"mask\") == true", "`can` stands only in" },
        { "if context.can.contains(\"mask\") then false else true", "`can` may not be the condition" },
        { "if context.flag then context.can.contains(\"mask\") else false", "with `can` in an `if`" },
        { "context has can", "`can` stands only in" },
        { "context.can.contains(context.s)", "an obligation must be named by a literal" },
        { "context.can.containsAll([])", "`context.can` takes a list" },
        { "context.can.containsAll(context.names)", "`context.can` takes a list" },
        { "context.can.contains(\"fly\")", "obligation \"fly\" is not defined" },
        { "context.can.contains(\"a\")", "obligation \"a\" is not defined" },
        { "context.met.contains(\"mask\")", "requirement \"mask\" is not defined" },
        { "{x: context.can.contains(\"mask\")}.x", "`can` stands only in" },
        { "context.n + 1 > 2 && context.can.contains(\"mask\")", "arithmetic can overflow" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phi_err err = { 0 };
        enum phi_rc want = rows[i].says ? PHI_EINPUT : PHI_OK;
        if (load_when("permit", "when", rows[i].e, &err) != want || load_when("forbid", "unless", rows[i].e, &err) != want)
            fail_msg("%s: %s", rows[i].e, err.msg);
        if (rows[i].says && (!strstr(err.msg, rows[i].says) || strncmp(err.msg, "policies.cedar:2:", 17) != 0))
            fail_msg("%s\n  says: %s", rows[i].e, err.msg);
        assert_int_equal(load_when("permit", "unless", rows[i].e, &err), PHI_EINPUT);
        assert_int_equal(load_when("forbid", "when", rows[i].e, &err), PHI_EINPUT);
    }
}

static void met_belongs_to_a_permits_when_and_a_forbids_unless(void **unused)
{
    (void)unused;
    struct phi_err err = { 0 };
    assert_int_equal(load_when("permit", "unless", A, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "in a permit `met` may stand only in `when`"));
    assert_int_equal(load_when("forbid", "when", A, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "in a forbid `met` may stand only in `unless`"));
    /* what may err has a condition of its own */
    assert_int_equal(load("permit (principal, action, resource) when { principal.age > 3 } when { " A " };", &err), PHI_OK);
    assert_int_equal(load("forbid (principal, action, resource) when { principal.age > 3 } unless { " A " };", &err), PHI_OK);
}

static void an_attribute_must_be_required_under_every_action_that_is_reached(void **unused)
{
    (void)unused;
    struct phi_err err = { 0 };
    assert_int_equal(load("permit (principal, action == Action::\"a\", resource) when { context.flag && " A " };", &err), PHI_OK);
    assert_int_equal(load("permit (principal, action, resource) when { context.flag && " A " };", &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "may be absent"));
    assert_int_equal(load("permit (principal, action, resource) when { context has flag && context.flag && " A " };", &err), PHI_OK);
}

static void names_must_be_known(void **unused)
{
    (void)unused;
    static const struct {
        const char *policy, *says;
    } bad[] = {
        { "permit (principal, action == Action::\"zz\", resource);", "policies.cedar:1:20: the schema has no action" },
        { "permit (principal, action == phi::Action::\"a\", resource);", "no action" },
        { "permit (principal in Nope::\"x\", action, resource);", "no entity type `Nope`" },
        { "permit (principal is Nope, action, resource);", "no entity type `Nope`" },
        { "permit (principal, action, resource in Nope::\"x\");", "no entity type `Nope`" },
        { "permit (principal, action, resource) when { principal in Nope::\"x\" };", "no entity type `Nope`" },
        { "permit (principal, action, resource) when { principal is Nope };", "no entity type `Nope`" },
        { "@id(\"x\") permit (principal, action, resource);\n@id(\"x\") forbid (principal, action, resource);", "two policies have the @id \"x\"" },
        { "permit (principal == ?principal, action, resource);", "templates" },
        { "permit (principal, action, resource) when { decimal(\"1.0\", 2) == 1 };", "arguments" },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct phi_err err = { 0 };
        if (load(bad[i].policy, &err) != PHI_EINPUT)
            fail_msg("accepted: %s", bad[i].policy);
        if (!strstr(err.msg, bad[i].says))
            fail_msg("%s\n  says: %s", bad[i].policy, err.msg);
    }
}

static void bad_requirements_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *yaml, *says;
    } bad[] = {
        { "a: {approve: []}", "approve must be a list" },
        { "a: {kind: approval}", "needs approve" },
        { "a: {kind: magic}", "kind must be" },
        { "a: {approve: [{from: 'Nope::\"x\"'}]}", "no such entity type" },
        { "a: {approve: [{from: dba}]}", "from must be an entity" },
        { "a: {approve: [{from: 'G::\"x\"', count: 0}]}", "count must be" },
        { "a: {approve: [{from: 'G::\"x\"', stage: 0}]}", "stage must be" },
        { "a: {approve: [{from: []}]}", "from names 1 to 16" },
        { "a: {approve: [{from: ['G::\"x\"', 'Nope::\"x\"']}]}", "no such entity type" },
        { "a: {kind: mfa, remind: soon}", "duration" },
        { "a: {kind: mfa, fallback: {after: 5m}}", "fallback must be" },
        { "a: {kind: mfa, fallback: {after: 5m, from: 'G::\"x\"', to: 1}}", "to" },
        { "a: {kind: mfa, delegation: 1}", "delegation must be" },
        { "a: {kind: mfa, clock: never}", "clock must be" },
        { "a: {kind: mfa, ready: 1h}", "ready belongs to" },
        { "a: {kind: mfa, rows: 0}", "must be whole numbers" },
        { "a: {approve: [{from: 'G::\"x\"', count: many}]}", "count must be" },
        { "a: {approve: [{from: 'G::\"x\"', cuont: 2}]}", "cuont" },
        { "b: {kind: mfa}\na:\n  kind: mfa\n  ttl: soon", "requirements.yaml:4: requirement \"a\": a duration" },
        { "a: {kind: mfa, uses: 0}", "uses must be" },
        { "a: {kind: mfa, bind: host}", "bind must be session" },
        { "a: {kind: mfa, signed: maybe}", "signed must be" },
        { "a: {kind: mfa, tll: 5m}", "unknown key" },
        { "a: {kind: mfa, approve: [{from: 'G::\"x\"'}]}", "belongs to kind approval" },
        { "a: 7", "expected settings" },
        { "obligations: [mask]", "obligations must be names" },
        { "obligations: {mask: 7}", "requirements.yaml:1: obligation \"mask\": expected settings" },
        { "obligations: {mask: {how: 7}}", "how" },
        { "obligations: {mask: {why: 7}}", "why must be" },
        { "obligations: {mask: {kind: ''}}", "kind must be" },
        { "obligations: {mask: {rows: 7}}", "belongs to kind: cap-rows" },
        { "obligations: {few: {kind: cap-rows}}", "needs rows" },
        { "obligations: {few: {kind: cap-rows, rows: 0}}", "whole number from 1" },
        { "[a]", "expected a name" },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct phi_bundle_text text = { phi_view_of(SCHEMA), PHI_LIT(""), phi_view_of(bad[i].yaml), 1 };
        struct phi_bundle *b = NULL;
        struct phi_err err = { 0 };
        if (cedar_bundle_load(&text, 0, &b, &err) == PHI_OK)
            fail_msg("accepted: %s", bad[i].yaml);
        assert_null(b);
        if (!strstr(err.msg, bad[i].says))
            fail_msg("%s\n  says: %s", bad[i].yaml, err.msg);
    }
}

static void the_hash_separates_the_texts(void **unused)
{
    (void)unused;
    struct phi_bundle_text one = { PHI_LIT("ab"), PHI_LIT("c"), PHI_LIT(""), 1 };
    struct phi_bundle_text two = { PHI_LIT("a"), PHI_LIT("bc"), PHI_LIT(""), 1 };
    struct phi_bundle_text later = one;
    later.version = 2;
    struct phi_digest x = phi_bundle_text_hash(&one), y = phi_bundle_text_hash(&two),
                      z = phi_bundle_text_hash(&later);
    assert_false(phi_digest_eq(&x, &y));
    assert_true(phi_digest_eq(&x, &z));
    char hex[PHI_HEX_LEN + 1]; /* made by Python's hashlib */
    phi_digest_hex(&x, hex);
    assert_string_equal(hex, "b95b0ddf7e0a1d887b79aa1982ed6f9726bae20b47f8d768c4f75911b23accfe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(met_stands_where_it_may),
        cmocka_unit_test(met_stands_nowhere_else),
        cmocka_unit_test(can_stands_where_met_may),
        cmocka_unit_test(met_belongs_to_a_permits_when_and_a_forbids_unless),
        cmocka_unit_test(an_attribute_must_be_required_under_every_action_that_is_reached),
        cmocka_unit_test(names_must_be_known),
        cmocka_unit_test(bad_requirements_are_refused),
        cmocka_unit_test(the_hash_separates_the_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
