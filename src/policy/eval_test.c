/* Expressions against their values, as Cedar's documents and specification give them. */
#include "policy/kit_test.h"
#include "policy/plain.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    const char *e;
    char want; /* 't', 'f', 'e' an error, 'x' is not Cedar */
};

static char value_of(struct phi_arena *a, const char *e, struct phi_err *err)
{
    PHI_BUF(text, 4 << 20);
    phi_buf_printf(&text, "permit (principal, action, resource) when { %s };", e);
    struct cedar_policies policies;
    if (cedar_policies_parse(a, phi_arena_copy(a, phi_buf_view(&text)), "t", &policies, err) != PHI_OK)
        return 'x';
    struct phi_entities *es = phi_entities_open(NULL, 1 << 20);
    assert_int_equal(phi_entities_add_text(es, phi_view_of(
        "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{\"n\":7,\"r\":{\"q\":{\"z\":1}},\"m\":{\"__entity\":{\"type\":\"P\",\"id\":\"b\"}}},"
        "\"parents\":[{\"type\":\"G\",\"id\":\"1\"}],\"tags\":{\"k\":\"v\"}},"
        "{\"uid\":{\"type\":\"G\",\"id\":\"1\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"2\"}]},"
        "{\"uid\":{\"type\":\"G\",\"id\":\"2\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"3\"}]}]"), NULL), PHI_OK);
    struct phi_attr attrs[] = { { PHI_LIT("s"), phi_value_string(a, PHI_LIT("hello*")) },
                                { PHI_LIT("n"), phi_value_long(a, 5) } };
    struct cedar_env env = { .entities = es, .arena = a,
                             .vars = { phi_value_entity(a, UID("P", "a")), phi_value_entity(a, UID("Action", "x")),
                                       phi_value_entity(a, UID("N::R", "none")), phi_value_record(a, attrs, 2) } };
    enum cedar_plain got = cedar_plain_policy(&env, policies.p[0]);
    phi_entities_close(es);
    return got == CEDAR_SATISFIED ? 't' : got == CEDAR_UNSATISFIED ? 'f' : 'e';
}

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        PHI_ARENA(a, 16 << 20);
        struct phi_err err = { 0 };
        char got = value_of(&a, rows[i].e, &err);
        if (got != rows[i].want)
            fail_msg("%s gives %c, want %c %s", rows[i].e, got, rows[i].want, got == 'x' ? err.msg : "");
    }
}

static void operators_bind_as_written(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { "true || false && false", 't' }, { "(true || false) && false", 'f' }, { "1 + 2 * 3 == 7", 't' },
        { "(1 + 2) * 3 == 9", 't' }, { "10 - 2 - 3 == 5", 't' }, { "!true || true", 't' }, { "-2 + 3 == 1", 't' },
        { "1 < 2 == true", 'x' }, { "1 < 2 < 3", 'x' }, { "1 == 1 == true", 'x' }, { "(1 == 1) == true", 't' },
        { "2 > 1 && 2 >= 2 && 1 <= 1 && 1 != 2", 't' }, { "if true then false else true", 'f' },
        { "(if 1 == 1 then 2 else 3) == 2", 't' }, { "true && if true then true else true", 'x' }, { "!!!!true", 't' },
        { "!!!!!true", 'x' }, { "----1 == 1", 't' }, { "!-1", 'x' }, { "1 = 1", 'x' }, { "1 / 1 == 1", 'x' },
        { "-9223372036854775808 < 0", 't' }, { "9223372036854775808 > 0", 'x' }, { "-(-9223372036854775808) > 0", 'e' },
        { "9223372036854775807 + 1 > 0", 'e' }, { "-9223372036854775808 - 1 < 0", 'e' },
        { "9223372036854775807 * 2 > 0", 'e' }, { "3037000500 * 3037000499 > 0", 't' }, { "true && 1", 'e' },
        { "1 && true", 'e' }, { "false && 1", 'f' }, { "true || 1", 't' }, { "false || 1", 'e' }, { "!1", 'e' },
        { "\"a\" < \"b\"", 'e' }, { "1 + true == 2", 'e' }, { "1 == true", 'f' }, { "\"1\" == 1", 'f' }, { "1", 'e' },
        { "context.n * 2 == 10", 't' }, { "nothing", 'x' }, { "1a == 1", 'x' },
    };
    check(rows, COUNT(rows));
}

static void strings_and_patterns(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { "\"a\\nb\" == \"a\\u{0a}b\"", 't' }, { "\"\\x41\\u{42}\\t\\r\\0\\\\\\\"\\'\" == \"AB\\u{9}\\u{d}\\u{0}\\u{5c}\\u{22}'\"", 't' },
        { "\"\\x80\" == \"\"", 'x' }, { "\"\\u{d800}\" == \"\"", 'x' }, { "\"\\u{110000}\" == \"\"", 'x' }, { "\"\\q\" == \"\"", 'x' },
        { "\"\\u{}\" == \"\"", 'x' }, { "\"\\*\" == \"*\"", 'x' }, { "\"open", 'x' }, { "context.s like \"hel*\"", 't' },
        { "context.s like \"hello\\*\"", 't' }, { "context.s like \"hell\\*\"", 'f' }, { "context.s like \"*\"", 't' },
        { "\"\" like \"*\"", 't' }, { "\"\" like \"\"", 't' }, { "\"a\" like \"\"", 'f' }, { "\"\" like \"**\"", 't' },
        { "\"abcabd\" like \"*ab*d\"", 't' }, { "\"abcabd\" like \"ab*ab\"", 'f' }, { "\"aba\" like \"ab*ba\"", 'f' },
        { "\"mississippi\" like \"m*iss*ip*i\"", 't' }, { "\"mississippi\" like \"*issip*s\"", 'f' }, { "\"abc\" like \"a**c\"", 't' },
        { "1 like \"*\"", 'e' }, { "\"a\" like context.s", 'x' },
    };
    check(rows, COUNT(rows));
}

static void sets_and_records(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { "[1, 2, 2] == [2, 1]", 't' }, { "[] == []", 't' }, { "[[1], [1]].contains([1])", 't' }, { "[1,2].containsAll([2])", 't' },
        { "[1,2].containsAll([])", 't' }, { "[1,2].containsAny([])", 'f' }, { "[1,2].containsAny([3,2])", 't' },
        { "[1,2].containsAll([2,3])", 'f' }, { "[].isEmpty()", 't' }, { "[1].isEmpty()", 'f' }, { "1.isEmpty()", 'e' },
        { "1.contains(1)", 'e' }, { "[1].containsAll(1)", 'e' }, { "[1].contains(1, 2)", 'x' }, { "[1 + true].contains(1)", 'e' },
        { "[1].nothing()", 'x' }, { "{a: 1, \"b c\": 2}[\"b c\"] == 2", 't' }, { "{a: 1} == {\"a\": 1}", 't' }, { "{a: 1, b: 2} == {b: 2, a: 1}", 't' },
        { "{a: 1}.b == 1", 'e' }, { "{a: 1} has a", 't' }, { "{a: 1} has \"b\"", 'f' }, { "{a: {b: 1}} has a.b", 't' }, { "{a: {b: 1}} has a.c", 'f' },
        { "{a: {b: 1}} has c.b", 'f' }, { "{a: 1} has a.b", 'e' }, { "{a: 1, a: 2}.a == 1", 'x' }, { "{if: 1}.a == 1", 'x' }, { "1 has a", 'e' },
        { "{a: 1}.a.b == 1", 'e' }, { "principal.if == 1", 'x' },
    };
    check(rows, COUNT(rows));
}

static void entities_and_their_hierarchy(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { "principal == P::\"a\"", 't' }, { "principal in principal", 't' }, { "principal in G::\"1\"", 't' }, { "principal in G::\"2\"", 't' },
        { "G::\"2\" in G::\"2\"", 't' }, { "G::\"1\" in P::\"a\"", 'f' }, { "principal in [G::\"7\", G::\"2\"]", 't' }, { "principal in []", 'f' },
        { "principal in [G::\"2\", 1]", 'e' }, { "principal in 1", 'e' }, { "1 in principal", 'e' }, { "resource in resource", 't' },
        { "resource in G::\"1\"", 'f' }, { "principal is P", 't' }, { "principal is G", 'f' }, { "resource is N::R", 't' }, { "principal is P in G::\"2\"", 't' },
        { "principal is G in 1", 'f' }, { "1 is P", 'e' }, { "principal is P::\"a\"", 'x' }, { "principal.n == 7", 't' }, { "principal[\"n\"] == 7", 't' },
        { "principal.r.q.z == 1", 't' }, { "principal has r.q.z", 't' }, { "principal.gone == 1", 'e' }, { "principal has gone", 'f' },
        { "resource has n", 'f' }, { "resource.n == 1", 'e' }, { "principal.m == P::\"b\"", 't' }, { "principal.m has n", 'f' },
        { "principal.hasTag(\"k\")", 't' }, { "principal.getTag(\"k\") == \"v\"", 't' }, { "principal.hasTag(\"n\")", 'f' },
        { "principal.getTag(\"n\") == 1", 'e' }, { "resource.hasTag(\"k\")", 'f' }, { "1.hasTag(\"k\")", 'e' }, { "principal.hasTag(1)", 'e' },
        { "P::\"\\u{61}\" == principal", 't' }, { "if::\"a\" == principal", 'x' }, { "P::a == principal", 'x' },
    };
    check(rows, COUNT(rows));
}

static void extension_types(void **unused)
{
    (void)unused;
    static const struct row rows[] = {
        { "decimal(\"1.5\").lessThan(decimal(\"1.50\"))", 'f' }, { "decimal(\"1.5\") == decimal(\"1.50\")", 't' }, { "decimal(\"-0.5\").lessThan(decimal(\"0.0\"))", 't' },
        { "decimal(\"1.23456\") == decimal(\"1.0\")", 'e' }, { "decimal(\"1\") == decimal(\"1.0\")", 'e' }, { "decimal(\"922337203685477.5807\").greaterThan(decimal(\"-922337203685477.5808\"))", 't' },
        { "decimal(\"922337203685477.5808\") == decimal(\"1.0\")", 'e' }, { "decimal(\"1.0\") < decimal(\"2.0\")", 'e' }, { "decimal(\"-.5\") == 1", 'e' },
        { "ip(\"127.0.0.1\").isLoopback()", 't' }, { "ip(\"::1\").isLoopback()", 't' }, { "ip(\"10.1.2.3\").isInRange(ip(\"10.0.0.0/8\"))", 't' },
        { "ip(\"11.1.2.3\").isInRange(ip(\"10.0.0.0/8\"))", 'f' }, { "ip(\"10.0.0.0/7\").isInRange(ip(\"10.0.0.0/8\"))", 'f' }, { "ip(\"10.0.0.1\").isIpv6()", 'f' },
        { "ip(\"1.2.3.4\").isInRange(ip(\"::/0\"))", 'f' }, { "ip(\"01.2.3.4\").isIpv4()", 'e' }, { "ip(\"1.2.3.4/33\").isIpv4()", 'e' }, { "ip(\"1.2.3\").isIpv4()", 'e' },
        { "ip(\"1:2:3:4:5:6:7::\").isIpv6()", 't' }, { "ip(\"1:2:3:4:5:6:7:8::\").isIpv6()", 'e' }, { "ip(\"::ffff:1.2.3.4\").isIpv6()", 'e' }, { "ip(\"ff02::1\").isMulticast()", 't' },
        { "ip(\"1:2:3\").isIpv6()", 'e' }, { "ip(\"::\") == ip(\"0:0:0:0:0:0:0:0\")", 't' }, { "ip(\"1::2::3\").isIpv6()", 'e' }, { "ip(1).isIpv4()", 'e' },
        { "datetime(\"2024-02-29\") < datetime(\"2024-03-01\")", 't' }, { "datetime(\"2023-02-29\") == datetime(\"2023-03-01\")", 'e' },
        { "datetime(\"1970-01-01T00:00:01.500Z\").durationSince(datetime(\"1970-01-01\")) == duration(\"1s500ms\")", 't' },
        { "datetime(\"2024-01-01T02:00:00+0200\") == datetime(\"2024-01-01\")", 't' }, { "datetime(\"2024-01-01T00:00:60Z\") == 1", 'e' }, { "datetime(\"2024-01-01T24:00:00Z\") == 1", 'e' },
        { "datetime(\"2024-01-01T00:00:00+2400\") == 1", 'e' }, { "datetime(\"2024-01-01T00:00:00\") == 1", 'e' }, { "datetime(\"1969-12-31T23:00:00Z\").toDate() == datetime(\"1969-12-31\")", 't' },
        { "datetime(\"1969-12-31T23:00:00Z\").toTime() == duration(\"23h\")", 't' }, { "datetime(\"2024-01-01\").offset(duration(\"-1d\")) == datetime(\"2023-12-31\")", 't' },
        { "duration(\"1d2h3m4s5ms\").toSeconds() == 93784", 't' }, { "duration(\"-90s\").toMinutes() == -1", 't' }, { "duration(\"1h1d\") == 1", 'e' }, { "duration(\"\") == 1", 'e' }, { "duration(\"5\") == 1", 'e' },
        { "duration(\"-9223372036854775808ms\").toDays() < 0", 't' }, { "duration(\"9223372036854775808ms\") == 1", 'e' }, { "duration(\"1h\") <= duration(\"60m\")", 't' },
        { "duration(\"1h\") < datetime(\"2024-01-01\")", 'e' }, { "foo(\"1\") == 1", 'x' }, { "lessThan(1) == 1", 'x' }, { "decimal() == 1", 'e' }, { "decimal(\"1.0\").lessThan() || true", 'e' },
    };
    check(rows, COUNT(rows));
}

static void deep_nesting_is_refused_at_the_limit(void **unused)
{
    (void)unused;
    static const struct {
        const char *open, *middle, *close;
        unsigned fine, refused;
    } rows[] = {
        { "(", "true", ")", 190, 201 }, { "[", "true", "].contains(true)", 190, 201 }, { "!(", "true", ")", 190, 100000 },
        { "if true then ", "true", " else false", 190, 50000 }, { "{a: ", "true", "}.a", 190, 100000 }, { "true && ", "true", "", 990, 100000 },
        { "", "true", " || true", 990, 100000 }, { "", "1", " + 0", 990, 100000 }, { "", "{a:1}", ".a", 990, 100000 }, { "(((((", "", "", 1, 50000 },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int refused = 0; refused < 2; refused++) {
            PHI_ARENA(a, 512 << 20);
            PHI_BUF(text, 8 << 20);
            struct phi_err err = { 0 };
            struct cedar_policies policies;
            unsigned n = refused ? rows[i].refused : rows[i].fine;
            phi_buf_adds(&text, "permit (principal, action, resource) when { ");
            for (unsigned k = 0; k < n; k++)
                phi_buf_adds(&text, rows[i].open);
            phi_buf_adds(&text, rows[i].middle);
            for (unsigned k = 0; k < n; k++)
                phi_buf_adds(&text, rows[i].close);
            phi_buf_adds(&text, " };");
            assert_true(phi_buf_ok(&text));
            enum phi_rc rc = cedar_policies_parse(&a, phi_buf_view(&text), "t", &policies, &err);
            if (refused ? rc != PHI_ELIMIT : rc != (*rows[i].middle ? PHI_OK : PHI_EINPUT))
                fail_msg("%u times %s…%s: %d %s", n, rows[i].open, rows[i].close, rc, err.msg);
        }
}

static void errors_name_the_place(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "permit (principal, action, resource)\nwhen { true } ", "t:2:15: the text ends" },
        { "permit (principal, action, resource) when { \"\xc3\xa4\xc3\xb6\" == $ };", "t:1:53: this character" },
        { "allow (principal, action, resource);", "t:1:1: expected `permit` or `forbid`, found `allow`" },
        { "permit (action, principal, resource);", "t:1:9: expected principal" },
        { "permit (principal, action == P::\"x\", resource);", "must be of a type `Action`" },
        { "permit (principal, action is P, resource);", "`is` may not follow `action`" },
        { "@a(\"1\") @a(\"2\") permit (principal, action, resource);", "t:1:10: annotation @a stands twice" },
        { "permit (principal in [G::\"1\"], action, resource);", "t:1:22:" },
        { "permit (principal == P, action, resource);", "t:1:22: expected an entity" },
        { "permit (principal, action, resource) when { principal like \"\\q\" };", "t:1:60: this string holds an escape" },
        { "permit (principal, action, resource) while { true };", "expected `when`, `unless` or `;`" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        struct phi_err err = { 0 };
        struct cedar_policies policies;
        assert_int_equal(cedar_policies_parse(&a, phi_view_of(rows[i].text), "t", &policies, &err), PHI_EINPUT);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s\n  says: %s\n  want: %s", rows[i].text, err.msg, rows[i].says);
    }
}

static void policies_keep_their_annotations(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    struct phi_err err = { 0 };
    struct cedar_policies p;
    const char *text = "// first\n@id(\"one\") @why(\"because \\\"x\\\"\") @if permit(principal is N::P in G::\"g\", action in [Action::\"a\", N::Action::\"b\",],"
                       " resource == R::\"r\",) when{true}unless{false}; forbid(principal,action in [],resource);";
    if (cedar_policies_parse(&a, phi_view_of(text), "t", &p, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(p.n, 2);
    assert_view(p.p[0]->id, "one");
    assert_view(p.p[0]->why, "because \"x\"");
    assert_int_equal(p.p[0]->n_notes, 3);
    assert_int_equal(p.p[0]->principal.kind, SCOPE_IS_IN);
    assert_view(p.p[0]->principal.type, "N::P");
    assert_int_equal(p.p[0]->action.n, 2);
    assert_view(p.p[0]->action.uids[1].type, "N::Action");
    assert_int_equal(p.p[0]->n_conds, 2);
    assert_view(p.p[1]->id, "policy1");
    assert_true(p.p[1]->forbid && p.p[1]->action.kind == SCOPE_IN && p.p[1]->action.n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_written),
        cmocka_unit_test(strings_and_patterns),
        cmocka_unit_test(sets_and_records),
        cmocka_unit_test(entities_and_their_hierarchy),
        cmocka_unit_test(extension_types),
        cmocka_unit_test(deep_nesting_is_refused_at_the_limit),
        cmocka_unit_test(errors_name_the_place),
        cmocka_unit_test(policies_keep_their_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
