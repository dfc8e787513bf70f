/* The formatter changes blanks alone, keeps comments, and leaves alone what it wrote. */
#include "policy/est.h"
#include "policy/fmt.h"
#include "policy/kit_test.h"
#include "policy/schema_json.h"

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

/* ---- schemas --------------------------------------------------------------------------------------------- */

static void format_schema(struct phi_arena *a, struct phi_view text, struct phi_buf *ret)
{
    struct phi_err err = { 0 };
    if (cedar_fmt_schema(a, text, "t", ret, &err) != PHI_OK)
        fail_msg("%s\n%s", err.msg, phi_arena_str(a, text));
}

static void means(struct phi_arena *a, struct phi_view text, struct phi_buf *ret)
{
    struct cedar_schema s;
    assert_int_equal(cedar_schema_parse(a, text, "t", &s, NULL), PHI_OK);
    cedar_schema_write(ret, &s);
}

/* The same schema, the same comments, and formatting again changes nothing. */
static void schema_holds(struct phi_arena *a, struct phi_view text)
{
    PHI_BUF(once, 8 << 20);
    PHI_BUF(twice, 8 << 20);
    PHI_BUF(before, 8 << 20);
    PHI_BUF(after, 8 << 20);
    format_schema(a, text, &once);
    format_schema(a, phi_buf_view(&once), &twice);
    if (!phi_view_eq(phi_buf_view(&once), phi_buf_view(&twice)))
        fail_msg("not the same again:\n%s\n----\n%s", phi_buf_str(&once), phi_buf_str(&twice));
    means(a, text, &before);
    means(a, phi_buf_view(&once), &after);
    assert_string_equal(phi_buf_str(&before), phi_buf_str(&after));
    assert_int_equal(count(text, "//#"), count(phi_buf_view(&once), "//#"));
}

static void schemas_look_alike(void **unused)
{
    (void)unused;
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "entity G;entity P in[G]={age:Long,nick?:String,\"a b\" ? :Set<Set<Long>>,}tags String;\nentity E enum[\"a\",\"b\"];",
          "entity G;\nentity P in [G] = { age: Long, nick?: String, \"a b\"?: Set<Set<Long>>, } tags String;\nentity E enum [\"a\", \"b\"];\n" },
        { "// head\n\n\naction\"r\",w in[g]appliesTo{principal:N::P,resource:[A,B]}; // end\naction g;\nentity A,B;namespace N{entity P;//in\n}",
          "// head\n\naction \"r\", w in [g] appliesTo { principal: N::P, resource: [A, B] }; // end\naction g;\nentity A, B;\n"
          "namespace N {\n  entity P; //in\n}\n" },
        { "entity A={x:Long,// one\n y:{z:Bool},\n// two\n};", "entity A = {\n  x: Long, // one\n  y: { z: Bool },\n  // two\n};\n" },
        { "@doc(\"d\")@plain entity A;", "@doc(\"d\")\n@plain\nentity A;\n" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        PHI_BUF(out, 1 << 16);
        format_schema(&a, phi_view_of(rows[i].in), &out);
        assert_string_equal(phi_buf_str(&out), rows[i].out);
        schema_holds(&a, phi_view_of(rows[i].in));
    }
}

static void the_starters_schema_keeps_its_comments(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 8 << 20);
    PHI_BUF(out, 1 << 20);
    struct phi_view text = kit_file(&a, PHI_SOURCE_ROOT "/src/policy/starter/schema.cedarschema");
    schema_holds(&a, text);
    format_schema(&a, text, &out);
    assert_int_equal(count(text, "//"), count(phi_buf_view(&out), "//"));
}

static void whatever_stands_between_tokens_the_schema_stays(void **unused)
{
    (void)unused;
    static const char *const between[] = { " ", "\n", "\n\n\n", "  //# a\n", "\n//# b\n", "\n\n\t//# c ; } \"\n\n", " //#\n//#\n" };
    static const char text[] =
        "@ doc ( \"x\" ) entity G ; entity P , Q in [ G , N :: R ] = { a : Long , \"b-c\" ? : Set < T > , d : { e ? : Bool , } } tags Set < String > ; "
        "type T = { x : ipaddr , y ? : { z : decimal } } ; entity E enum [ \"a\" , \"b\" ] ; action \"r\" , w in [ g , \"h\" ] appliesTo { principal : [ P , Q ] , "
        "resource : N :: R , context : T } ; action g , \"h\" ; namespace N { @ k entity R ; type U = Set < Long > ; action q appliesTo { principal : R , resource : R , "
        "context : { u ? : U } } ; } ";
    unsigned rnd = 11;
    for (int round = 0; round < 1500; round++) {
        PHI_ARENA(a, 8 << 20);
        PHI_BUF(mixed, 1 << 16);
        unsigned often = 1 + (unsigned)round % 40;
        for (const char *c = text; *c; c++) {
            rnd = rnd * 1103515245u + 12345u;
            if (*c != ' ' || (rnd >> 16) % often)
                phi_buf_addc(&mixed, (uint8_t)*c);
            else
                phi_buf_adds(&mixed, between[(rnd >> 8) % COUNT(between)]);
        }
        schema_holds(&a, phi_buf_view(&mixed));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_look_alike),
        cmocka_unit_test(long_conditions_break_at_their_operators),
        cmocka_unit_test(the_starter_is_formatted),
        cmocka_unit_test(whatever_stands_between_tokens_the_policy_stays),
        cmocka_unit_test(schemas_look_alike),
        cmocka_unit_test(the_starters_schema_keeps_its_comments),
        cmocka_unit_test(whatever_stands_between_tokens_the_schema_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
