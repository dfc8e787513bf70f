/* The formatter changes blanks alone, keeps comments, and leaves alone what it wrote. */
#include "policy/est.h"
#include "policy/fmt.h"
#include "policy/kit_test.h"

static void format(struct phi_arena *a, struct phi_view text, struct phi_buf *ret)
{
    struct phi_err err = { 0 };
    if (cedar_fmt(a, text, "t", ret, &err) != PHI_OK)
        fail_msg("%s\n%s", phi_arena_str(a, text), err.msg);
}

static size_t count(struct phi_view v, const char *part)
{
    size_t n = 0, m = strlen(part);
    for (size_t i = 0; i + m <= v.n; i++)
        n += memcmp(v.p + i, part, m) == 0;
    return n;
}

/* Same policies, same comments, and formatting again changes nothing. */
static void holds(struct phi_arena *a, struct phi_view text)
{
    PHI_BUF(once, 8 << 20);
    PHI_BUF(twice, 8 << 20);
    struct cedar_policies before, after;
    struct phi_err err = { 0 };
    format(a, text, &once);
    format(a, phi_buf_view(&once), &twice);
    if (!phi_view_eq(phi_buf_view(&once), phi_buf_view(&twice)))
        fail_msg("not the same again:\n%s\n----\n%s", phi_buf_str(&once), phi_buf_str(&twice));
    assert_int_equal(cedar_templates_parse(a, text, "t", &before, &err), PHI_OK);
    assert_int_equal(cedar_templates_parse(a, phi_buf_view(&once), "t", &after, &err), PHI_OK);
    assert_int_equal(before.n, after.n);
    for (size_t i = 0; i < before.n; i++)
        assert_true(cedar_policy_same(before.p[i], after.p[i]));
    assert_int_equal(count(text, "//#"), count(phi_buf_view(&once), "//#"));
}

static void policies_look_alike(void **unused)
{
    (void)unused;
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "permit(principal,action,resource);", "permit (principal, action, resource);\n" },
        { "@id(\"a\")@why(\"b\")\npermit (principal==P::\"x\",action in[Action::\"a\",Action::\"b\"],resource is R) "
          "when{principal.a[\"b\"].isInRange( 1,2 )}unless { true};",
          "@id(\"a\") @why(\"b\")\npermit (principal == P::\"x\", action in [Action::\"a\", Action::\"b\"], resource is R)\n"
          "when { principal.a[\"b\"].isInRange(1, 2) }\nunless { true };\n" },
        { "  // head //#\n\n\n@id( \"a\" ) // trailing\n@why(\"b\") permit(principal,action,resource)when{!  principal . b&&-1<- (2)};// end\n\n\n// last",
          "// head //#\n\n@id(\"a\") // trailing\n@why(\"b\")\npermit (principal, action, resource)\nwhen { !principal.b && -1 < -(2) }; // end\n\n// last\n" },
        { "permit (principal, // who\n action, resource);", "permit (\n    principal, // who\n    action,\n    resource\n);\n" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        PHI_BUF(out, 1 << 16);
        format(&a, phi_view_of(rows[i].in), &out);
        assert_string_equal(phi_buf_str(&out), rows[i].out);
        holds(&a, phi_view_of(rows[i].in));
    }
}

static void long_conditions_break_at_their_operators(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    PHI_BUF(out, 1 << 16);
    format(&a, PHI_LIT("forbid (principal, action, resource) when { context.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa == 1 && (context.bbbbbbbbbbbbbbbbbbbb || "
                       "context.ccccccccccccccccccccccccccc) || context.ddddddddddd };"), &out);
    assert_string_equal(phi_buf_str(&out),
                        "forbid (principal, action, resource)\nwhen {\n    context.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa == 1 &&\n"
                        "    (context.bbbbbbbbbbbbbbbbbbbb || context.ccccccccccccccccccccccccccc) ||\n    context.ddddddddddd\n};\n");
}

static void the_starter_is_formatted(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    PHI_BUF(out, 1 << 20);
    struct phi_view text = kit_file(&a, PHI_SOURCE_ROOT "/src/policy/starter/policies.cedar");
    holds(&a, text);
    format(&a, text, &out);
    assert_int_equal(count(text, "//"), count(phi_buf_view(&out), "//"));
}

/* Tokens of real policies with blanks, line ends and comments thrown between them. */
static void whatever_stands_between_tokens_the_policy_stays(void **unused)
{
    (void)unused;
    static const char *const between[] = { " ", "\n", "\n\n\n", "  //# a\n", "\n//# b\n", "\n\n\t//# c ; } \"\n\n", " //#\n//#\n" };
    static const char *const texts[] = {
        "@ id ( \"x\" ) @ why ( \"y\" ) permit ( principal is P in ?principal , action in [ Action :: \"a\" , N :: Action :: \"b\" ] , resource == ?resource )"
        " when { if principal . a has b . c then ! ! ( - 1 == - - 2 ) else context [ \"x\" ] . contains ( { a : 1 , \"b\" : [ ] } ) && true || false }"
        " unless { principal like \"*\" } ; forbid ( principal , action , resource , ) when { [ 1 , 2 ] . isEmpty ( ) && ip ( \"::1\" ) . isIpv4 ( ) } ;",
    };
    unsigned seed = 7;
    for (int round = 0; round < 3000; round++) {
        PHI_ARENA(a, 4 << 20);
        PHI_BUF(text, 1 << 16);
        unsigned often = 1 + (unsigned)round % 40;
        for (const char *c = texts[0]; *c; c++) {
            seed = seed * 1103515245u + 12345u;
            if (*c != ' ' || (seed >> 16) % often)
                phi_buf_addc(&text, (uint8_t)*c);
            else
                phi_buf_adds(&text, between[(seed >> 8) % COUNT(between)]);
        }
        holds(&a, phi_buf_view(&text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_look_alike),
        cmocka_unit_test(long_conditions_break_at_their_operators),
        cmocka_unit_test(the_starter_is_formatted),
        cmocka_unit_test(whatever_stands_between_tokens_the_policy_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
