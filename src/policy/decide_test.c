/* Decisions, case by case; three_way_test.c has the property over random policies. */
#include "policy/decide_kit_test.h"
#include "policy/request.h"

static struct phi_answer decide(struct phi_bundle *b, struct phi_arena *a, struct phi_uid action,
                                const struct phi_value *context)
{
    struct phi_entities *es = entities();
    struct phi_ask ask = { .principal = UID("P", "p"), .action = action, .resource = UID("R", "r"), .context = context };
    struct phi_answer ans;
    struct phi_err err = { 0 };
    if (phi_decide(b, es, &ask, a, &ans, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    phi_entities_close(es);
    return ans;
}

static void a_permit_reaches_phis_actions_only_by_name(void **unused)
{
    (void)unused;
    static const struct {
        const char *policy;
        enum phi_verdict verdict;
    } rows[] = {
        { "permit (principal, action, resource);", PHI_DENY },
        { "permit (principal, action in Action::\"all\", resource);", PHI_DENY },
        { "permit (principal, action in [Action::\"all\"], resource);", PHI_DENY },
        { "permit (principal, action == phi::Action::\"approve\", resource);", PHI_ALLOW },
        { "permit (principal, action in phi::Action::\"group\", resource);", PHI_ALLOW },
        { "permit (principal, action in [Action::\"all\", phi::Action::\"approve\"], resource);", PHI_ALLOW },
        { "permit (principal, action == phi::Action::\"approve\", resource); forbid (principal, action, resource);", PHI_DENY },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 1 << 20);
        struct phi_bundle *b = kit_load("entity P; entity R; action \"all\"; namespace phi { action \"group\" in [Action::\"all\"];"
                                        "action \"approve\" in [\"group\"] appliesTo { principal: P, resource: R }; }",
                                        rows[i].policy, "");
        if (decide(b, &a, UID("phi::Action", "approve"), NULL).verdict != rows[i].verdict)
            fail_msg("%s", rows[i].policy);
        phi_bundle_close(b);
    }
}

static void an_incomplete_context_denies(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    struct phi_bundle *b = kit_load(SCHEMA, "permit (principal, action, resource);", "");
    struct phi_attr attrs[] = { { PHI_LIT("x"), phi_value_bool(&a, true) },
                                { PHI_LIT("y"), phi_value_bool(&a, true) },
                                { PHI_LIT("n"), phi_value_string(&a, PHI_LIT("one")) },
                                { PHI_LIT("more"), phi_value_long(&a, 1) } };
    struct phi_answer ans = decide(b, &a, UID("Action", "a"), phi_value_record(&a, attrs, 2));
    assert_int_equal(ans.verdict, PHI_DENY);
    assert_view(ans.reason, "the context is incomplete: `n` is missing");
    ans = decide(b, &a, UID("Action", "a"), phi_value_record(&a, attrs, 3));
    assert_int_equal(ans.verdict, PHI_DENY);
    assert_view(ans.reason, "the context is wrong: `n` has another type than the schema says");
    attrs[2].value = phi_value_long(&a, 1);
    assert_int_equal(decide(b, &a, UID("Action", "a"), phi_value_record(&a, attrs, 4)).verdict, PHI_ALLOW);
    phi_bundle_close(b);
}

/* (r0 || r1) && (r2 || r3) && … in `pairs` forbids over `pairs` pairs. */
static struct phi_bundle *many_pairs(unsigned pairs)
{
    PHI_BUF(policies, 1 << 20);
    PHI_BUF(needs, 1 << 20);
    phi_buf_adds(&policies, "permit (principal, action, resource);");
    for (unsigned i = 0; i < pairs; i++) {
        phi_buf_printf(&needs, "n%u: {kind: mfa}\nm%u: {kind: mfa}\n", i, i);
        phi_buf_printf(&policies, "forbid (principal, action, resource) unless { context.met.contains(\"n%u\") || context.met.contains(\"m%u\") };", i, i);
    }
    return kit_load("entity P; entity R; action \"a\" appliesTo { principal: P, resource: R, context: {met: Set<String>} };",
                    phi_buf_str(&policies), phi_buf_str(&needs));
}

static void too_many_alternatives_deny_with_the_reason(void **unused)
{
    (void)unused;
    static const struct {
        unsigned pairs;
        enum phi_verdict verdict;
        size_t alternatives;
    } rows[] = { { 1, PHI_NEEDS, 2 }, { 4, PHI_NEEDS, 16 }, { 5, PHI_DENY, 0 }, { 12, PHI_DENY, 0 } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        PHI_ARENA(a, 64 << 20);
        struct phi_bundle *b = many_pairs(rows[i].pairs);
        struct phi_answer ans = decide(b, &a, UID("Action", "a"), NULL);
        assert_int_equal(ans.verdict, rows[i].verdict);
        assert_int_equal(ans.n_alternatives, rows[i].alternatives);
        if (ans.verdict == PHI_DENY)
            assert_view(ans.reason, "more than 16 alternatives, or one of more than 8 requirements; ask a policy author");
        struct phi_view met[24];
        size_t n = 0;
        for (unsigned k = 0; k < rows[i].pairs; k++)
            met[n++] = phi_arena_printf(&a, "%c%u", k % 2 ? 'n' : 'm', k);
        struct phi_entities *es = entities();
        struct phi_ask ask = { .principal = UID("P", "p"), .action = UID("Action", "a"), .resource = UID("R", "r"), .met = met, .n_met = n };
        assert_int_equal(phi_decide(b, es, &ask, &a, &ans, NULL), PHI_OK);
        assert_int_equal(ans.verdict, PHI_ALLOW); /* when they are met it is allowed all the same */
        phi_entities_close(es);
        phi_bundle_close(b);
    }
}

static void nine_requirements_at_once_deny(void **unused)
{
    (void)unused;
    for (unsigned n = 8; n <= 9; n++) {
        PHI_ARENA(a, 1 << 20);
        PHI_BUF(needs, 4096);
        PHI_BUF(policy, 4096);
        phi_buf_adds(&policy, "permit (principal, action, resource) when { context.met.containsAll([");
        for (unsigned i = 0; i < n; i++) {
            phi_buf_printf(&needs, "q%u: {kind: mfa}\n", i);
            phi_buf_printf(&policy, "%s\"q%u\"", i ? "," : "", i);
        }
        phi_buf_adds(&policy, "]) };");
        struct phi_bundle *b = kit_load("entity P; entity R; action \"a\" appliesTo { principal: P, resource: R, context: {met: Set<String>} };",
                                        phi_buf_str(&policy), phi_buf_str(&needs));
        struct phi_answer ans = decide(b, &a, UID("Action", "a"), NULL);
        assert_int_equal(ans.verdict, n == 8 ? PHI_NEEDS : PHI_DENY);
        phi_bundle_close(b);
    }
}

/* Forbids that each can be cleared by either of two obligations, or by a requirement: more ways than are told apart. */
static void an_allow_is_one_also_where_its_obligations_cannot_be_told_apart(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 64 << 20);
    PHI_BUF(needs, 8192);
    PHI_BUF(policies, 16384);
    phi_buf_adds(&needs, "obligations:\n");
    phi_buf_adds(&policies, "permit (principal, action, resource);");
    for (unsigned i = 0; i < 12; i++) {
        phi_buf_printf(&needs, "  n%u: {kind: mask}\n  m%u: {kind: record}\n", i, i);
        phi_buf_printf(&policies, "forbid (principal, action, resource) unless { context.can.contains(\"n%u\") || context.can.contains(\"m%u\") };", i, i);
    }
    struct phi_bundle *b = kit_load("entity P; entity R; action \"a\" appliesTo { principal: P, resource: R, context: {can: Set<String>} };",
                                    phi_buf_str(&policies), phi_buf_str(&needs));
    struct phi_view can[] = { PHI_LIT("mask"), PHI_LIT("record") };
    const size_t owed[] = { 0, 12, 24 }; /* with one kind 12 it must be; with both it is all that can be met */
    for (size_t n = 0; n <= 2; n++) {
        struct phi_ask ask = { .principal = UID("P", "p"), .action = UID("Action", "a"), .resource = UID("R", "r"), .can = can, .n_can = n };
        struct phi_answer ans;
        assert_int_equal(phi_decide(b, NULL, &ask, &a, &ans, NULL), PHI_OK);
        assert_int_equal(ans.verdict, n ? PHI_ALLOW : PHI_DENY);
        assert_int_equal(ans.n_obligations, owed[n]);
    }
    phi_bundle_close(b);
}

static void an_allow_says_what_it_rests_on(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    struct phi_bundle *b = kit_load(SCHEMA,
                                    "@id(\"masked\") @why(\"Support\") permit (principal, action, resource) when { context.can.contains(\"o1\") };"
                                    "@id(\"few\") permit (principal, action, resource) when { context.met.contains(\"r0\") && context.can.contains(\"o2\") };"
                                    "@id(\"taped\") forbid (principal, action, resource) when { context.x } unless { context.can.contains(\"o0\") };", NEEDS);
    struct phi_view can[] = { PHI_LIT("cap-rows"), PHI_LIT("mask"), PHI_LIT("o0"), PHI_LIT("nothing known") };
    struct phi_ask ask = { .principal = UID("P", "p"), .action = UID("Action", "a"), .resource = UID("R", "r"), .can = can };
    struct phi_answer ans;
    ask.context = context_of(&a, 1, 0, 3, 0);
    assert_int_equal(phi_decide(b, NULL, &ask, &a, &ans, NULL), PHI_OK);
    assert_int_equal(ans.verdict, PHI_DENY); /* whoever can do nothing is let do nothing */
    assert_view(ans.reason, "forbidden by policy \"taped\"");
    ask.n_can = 4;
    assert_int_equal(phi_decide(b, NULL, &ask, &a, &ans, NULL), PHI_OK);
    assert_int_equal(ans.verdict, PHI_ALLOW);
    assert_int_equal(ans.n_obligations, 2);
    assert_view(ans.obligations[0]->name, "o0");
    assert_view(ans.obligations[1]->kind, "mask");
    assert_view(ans.reason, "permitted by policy \"masked\": Support; it rests on o0 and o1");
    ask.context = context_of(&a, 0, 0, 3, 0);
    ask.n_can = 1;
    assert_int_equal(phi_decide(b, NULL, &ask, &a, &ans, NULL), PHI_OK);
    assert_int_equal(ans.verdict, PHI_NEEDS);
    assert_view(ans.reason, "needs r0");
    static const struct phi_view r0 = { (const uint8_t *)"r0", 2 };
    ask.met = &r0;
    ask.n_met = 1;
    assert_int_equal(phi_decide(b, NULL, &ask, &a, &ans, NULL), PHI_OK);
    assert_int_equal(ans.verdict, PHI_ALLOW);
    assert_int_equal(ans.n_obligations, 1);
    assert_int_equal(ans.obligations[0]->rows, 5);
    phi_bundle_close(b);
}

static void answers_name_who_decided(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    struct phi_bundle *b = kit_load(SCHEMA,
                                    "@id(\"w\") @why(\"Writes need r0\") permit (principal, action, resource) when { context.met.contains(\"r0\") };"
                                    "@id(\"freeze\") @why(\"Change freeze\") forbid (principal, action, resource) when { context.x } unless { context.met.contains(\"r1\") };"
                                    "@id(\"never\") @why(\"Closed\") forbid (principal, action, resource) when { context.y };"
                                    "permit (principal, action, resource) when { context.n == 4 };", NEEDS);
    struct phi_answer ans = decide(b, &a, UID("Action", "a"), context_of(&a, 1, 0, 3, 0));
    assert_int_equal(ans.verdict, PHI_NEEDS);
    assert_view(ans.reason, "needs r0 and r1");
    assert_int_equal(ans.n_policies, 2);
    assert_view(ans.policies[0].id, "w");
    assert_view(ans.policies[1].why, "Change freeze");
    ans = decide(b, &a, UID("Action", "a"), context_of(&a, 1, 1, 3, 0));
    assert_int_equal(ans.verdict, PHI_DENY);
    assert_view(ans.reason, "forbidden by policy \"never\": Closed");
    assert_int_equal(ans.n_policies, 1);
    ans = decide(b, &a, UID("Action", "a"), context_of(&a, 0, 0, 3, 4));
    assert_int_equal(ans.verdict, PHI_ALLOW);
    assert_view(ans.reason, "permitted by policy \"policy3\"");
    ans = decide(b, &a, UID("Action", "a"), context_of(&a, 2, 0, 3, 4));
    assert_true(ans.partial && ans.verdict == PHI_DENY);
    phi_bundle_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permit_reaches_phis_actions_only_by_name),
        cmocka_unit_test(an_incomplete_context_denies),
        cmocka_unit_test(too_many_alternatives_deny_with_the_reason),
        cmocka_unit_test(nine_requirements_at_once_deny),
        cmocka_unit_test(an_allow_is_one_also_where_its_obligations_cannot_be_told_apart),
        cmocka_unit_test(an_allow_says_what_it_rests_on),
        cmocka_unit_test(answers_name_who_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
