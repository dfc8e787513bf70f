/* The three-way answer equals the plain evaluations, over random policies: with `met` as known, with
 * all defined, and with every set between. And unknown context: whatever it turns out to be. */
#include "policy/kit_test.h"
#include "policy/plain.h"
#include "policy/request.h"

#include <stdio.h>
#include <stdlib.h>

#define SCHEMA                                                                                       \
    "entity G in [G]; entity P in [G]; entity R in [R] = { owner?: P };"                            \
    "type C = { met: Set<String>, x: Bool, y: Bool, o?: Bool, n: Long };"                            \
    "action \"g\"; action \"a\" in [\"g\"] appliesTo { principal: P, resource: R, context: C };"     \
    "action \"b\" appliesTo { principal: P, resource: R, context: C };"
#define NEEDS "r0: {kind: mfa}\nr1: {kind: mfa}\nr2: {kind: mfa}\nr3: {kind: mfa}\n"
enum { REQUIREMENTS = 4 };

/* ---- a generator of policy texts ---------------------------------------------------------------- */

struct gen {
    uint64_t seed;
    struct phi_buf *out;
};

static unsigned pick(struct gen *g, unsigned n)
{
    g->seed ^= g->seed << 13; /* xorshift64 */
    g->seed ^= g->seed >> 7;
    g->seed ^= g->seed << 17;
    return (unsigned)((g->seed >> 33) % n);
}

static void say(struct gen *g, const char *text)
{
    phi_buf_adds(g->out, text);
}

/* Cannot err. */
static void gen_f(struct gen *g, int depth)
{
    static const char *const atoms[] = {
        "context.x", "context.y", "(context has o && context.o)", "context has o", "(context has o || context.x)", "true", "false", "principal in G::\"g1\"",
        "principal == P::\"p\"", "resource is R", "context.n < 3", "context.n == 1", "resource in R::\"top\"",
        "(resource has owner && resource.owner == principal)",
    };
    unsigned how = depth > 0 ? pick(g, 8) : 0;
    if (how < 4) {
        say(g, atoms[pick(g, COUNT(atoms))]);
        return;
    }
    say(g, how == 6 ? "!(" : how == 7 ? "(if " : "(");
    gen_f(g, depth - 1);
    if (how == 4 || how == 5) {
        say(g, how == 4 ? " && " : " || ");
        gen_f(g, depth - 1);
    } else if (how == 7) {
        say(g, " then ");
        gen_f(g, depth - 1);
        say(g, " else ");
        gen_f(g, depth - 1);
    }
    say(g, ")");
}

static void gen_m(struct gen *g, int depth)
{
    unsigned how = depth > 0 ? pick(g, 12) : pick(g, 3);
    if (how < 3) {
        phi_buf_printf(g->out, how ? "context.met.contains(\"r%u\")" : "context.met.containsAll([\"r%u\", \"r1\"])",
                       pick(g, REQUIREMENTS));
        return;
    }
    bool test = how >= 9;
    say(g, test ? "(if " : "(");
    if (how == 3 || how == 4 || test)
        gen_f(g, depth - 1);
    else
        gen_m(g, depth - 1);
    say(g, test ? " then " : how % 2 ? " && " : " || ");
    if (how == 5 || how == 6)
        gen_f(g, depth - 1);
    else
        gen_m(g, depth - 1);
    if (test) {
        say(g, " else ");
        gen_m(g, depth - 1);
    }
    say(g, ")");
}

/* Of a clause without `met`: may err. */
static void gen_e(struct gen *g)
{
    static const char *const atoms[] = { "context.o", "context.o || !context.o", "context.o || true", "context.n * 9223372036854775807 > 1", "resource.owner == principal",
                                         "context.n", "context.x && context.n + 9223372036854775807 > 0" };
    if (pick(g, 3) == 0)
        say(g, atoms[pick(g, COUNT(atoms))]);
    else
        gen_f(g, 2);
}

static void gen_policy(struct gen *g)
{
    static const char *const actions[] = { "action", "action == Action::\"a\"", "action in Action::\"g\"",
                                           "action in [Action::\"a\", Action::\"b\"]" };
    static const char *const principals[] = { "principal", "principal", "principal in G::\"g2\"", "principal is P" };
    bool forbid = pick(g, 3) == 0;
    phi_buf_printf(g->out, "%s (%s, %s, resource)", forbid ? "forbid" : "permit", principals[pick(g, 4)],
                   actions[pick(g, 4)]);
    for (unsigned n = pick(g, 4); n > 0; n--) {
        bool unless = pick(g, 2);
        say(g, unless ? " unless { " : " when { ");
        if (unless == forbid && pick(g, 4) > 0)
            gen_m(g, 3);
        else
            gen_e(g);
        say(g, " }");
    }
    say(g, ";\n");
}

/* ---- the plain evaluations ---------------------------------------------------------------------- */

struct round {
    struct phi_bundle *bundle;
    struct phi_entities *entities;
    struct phi_arena *arena;
    struct phi_ask ask;
};

static const char *const names[REQUIREMENTS] = { "r0", "r1", "r2", "r3" };

static bool plainly(struct round *r, const struct phi_value *context, unsigned met)
{
    struct cedar_request q;
    struct cedar_plain_answer got;
    struct phi_ask ask = r->ask;
    const struct phi_value *items[REQUIREMENTS];
    struct phi_attr attrs[8];
    size_t n = 0, k = 0;
    ask.context = context;
    assert_int_equal(cedar_request_make(r->bundle, r->entities, &ask, r->arena, &q, NULL), PHI_OK);
    assert_int_equal(q.reason.n, 0);
    for (unsigned i = 0; i < REQUIREMENTS; i++)
        if (met & (1U << i))
            items[n++] = phi_value_string(r->arena, phi_view_of(names[i]));
    const struct phi_value *seen = q.env.vars[VAR_CONTEXT];
    for (; k < seen->u.record.n; k++)
        attrs[k] = seen->u.record.attrs[k];
    attrs[k++] = (struct phi_attr){ PHI_LIT("met"), phi_value_set(r->arena, items, n) };
    q.env.vars[VAR_CONTEXT] = phi_value_record(r->arena, attrs, k);
    assert_int_equal(cedar_plain_decide(&q.env, &r->bundle->policies, &got, NULL), PHI_OK);
    assert_true(got.allow || !got.allow_strict);
    return got.allow_strict;
}

static struct phi_answer three_way(struct round *r, const struct phi_value *context, unsigned met)
{
    struct phi_view given[REQUIREMENTS];
    struct phi_ask ask = r->ask;
    struct phi_answer ans;
    struct phi_err err = { 0 };
    ask.context = context;
    ask.met = given;
    for (unsigned i = 0; i < REQUIREMENTS; i++)
        if (met & (1U << i))
            given[ask.n_met++] = phi_view_of(names[i]);
    if (phi_decide(r->bundle, r->entities, &ask, r->arena, &ans, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return ans;
}

static unsigned bits_of(const struct phi_alternative *alt)
{
    unsigned bits = 0;
    for (size_t i = 0; i < alt->n; i++)
        for (unsigned k = 0; k < REQUIREMENTS; k++)
            if (phi_view_is(alt->requirements[i]->name, names[k]))
                bits |= 1U << k;
    return bits;
}

/* One answer against all sixteen sets of requirements. */
static void holds(struct round *r, const struct phi_value *context, unsigned met, struct phi_answer ans)
{
    const unsigned all = (1U << REQUIREMENTS) - 1;
    assert_int_equal(ans.verdict == PHI_ALLOW, plainly(r, context, met));
    assert_int_equal(ans.verdict == PHI_DENY, !plainly(r, context, all));
    assert_int_equal(ans.n_alternatives > 0, ans.verdict == PHI_NEEDS);
    for (unsigned set = met; set <= all && ans.verdict == PHI_NEEDS; set++) {
        bool enough = false;
        if ((set & met) != met)
            continue;
        for (size_t i = 0; i < ans.n_alternatives; i++)
            enough |= (bits_of(&ans.alternatives[i]) & ~set) == 0;
        assert_int_equal(enough, plainly(r, context, set));
    }
    for (size_t i = 0; i < ans.n_alternatives; i++)
        for (size_t k = 0; k < ans.n_alternatives; k++)
            if (i != k)
                assert_true(bits_of(&ans.alternatives[i]) & ~bits_of(&ans.alternatives[k]));
}

static const struct phi_value *context_of(struct phi_arena *a, unsigned x, unsigned y, unsigned o, unsigned n)
{
    struct phi_attr attrs[] = {
        { PHI_LIT("x"), x < 2 ? phi_value_bool(a, x) : phi_value_unknown() },
        { PHI_LIT("y"), y < 2 ? phi_value_bool(a, y) : phi_value_unknown() },
        { PHI_LIT("n"), n < 5 ? phi_value_long(a, n) : phi_value_unknown() },
        { PHI_LIT("o"), o < 2 ? phi_value_bool(a, o) : phi_value_unknown() },
    };
    return phi_value_record(a, attrs, o == 3 ? 3 : 4); /* o == 3: absent */
}

static struct phi_bundle *random_bundle(struct gen *g)
{
    PHI_BUF(text, 1 << 20);
    g->out = &text;
    for (unsigned n = 1 + pick(g, 5); n > 0; n--)
        gen_policy(g);
    return kit_load(SCHEMA, phi_buf_str(&text), NEEDS);
}

static struct phi_entities *entities(void)
{
    PHI_ARENA(a, 4096);
    struct phi_entities *es = phi_entities_open(NULL, 1 << 16);
    struct phi_attr owner = { PHI_LIT("owner"), phi_value_entity(&a, UID("P", "p")) };
    assert_int_equal(phi_entities_add(es, UID("P", "p"), &UID("G", "g1"), 1, NULL, NULL), PHI_OK);
    assert_int_equal(phi_entities_add(es, UID("G", "g1"), &UID("G", "g2"), 1, NULL, NULL), PHI_OK);
    assert_int_equal(phi_entities_add(es, UID("R", "r"), &UID("R", "top"), 1, phi_value_record(&a, &owner, 1), NULL), PHI_OK);
    return es;
}

static struct phi_ask random_ask(struct gen *g)
{
    return (struct phi_ask){ .principal = pick(g, 4) ? UID("P", "p") : UID("P", "stranger"),
                             .action = pick(g, 2) ? UID("Action", "a") : UID("Action", "b"),
                             .resource = pick(g, 3) ? UID("R", "r") : UID("R", "none") };
}

static uint64_t seed(void)
{
    const char *given = getenv("PHI_SEED");
    return given ? strtoull(given, NULL, 10) | 1 : 20260117;
}

static void one_pass_equals_the_plain_evaluations(void **unused)
{
    (void)unused;
    struct gen g = { .seed = seed() };
    unsigned seen[3] = { 0 };
    struct phi_entities *es = entities();
    for (int i = 0; i < 1500; i++) {
        struct phi_bundle *b = random_bundle(&g);
        for (int k = 0; k < 6; k++) {
            PHI_ARENA(a, 8 << 20);
            struct round r = { b, es, &a, random_ask(&g) };
            unsigned met = pick(&g, 1U << REQUIREMENTS) & pick(&g, 1U << REQUIREMENTS);
            unsigned o = pick(&g, 3);
            const struct phi_value *context = context_of(&a, pick(&g, 2), pick(&g, 2), o == 2 ? 3 : o, pick(&g, 5));
            struct phi_answer ans = three_way(&r, context, met);
            assert_false(ans.partial);
            holds(&r, context, met, ans);
            seen[ans.verdict == PHI_ALLOW ? 0 : ans.verdict == PHI_DENY ? 1 : 2]++;
        }
        phi_bundle_close(b);
    }
    phi_entities_close(es);
    print_message("allow %u, deny %u, needs %u\n", seen[0], seen[1], seen[2]);
    assert_true(seen[0] > 500 && seen[1] > 500 && seen[2] > 500);
}

/* Under each way in which the unknown may turn out. */
static bool all_agree(struct round *r, unsigned x, unsigned y, unsigned o, unsigned n, unsigned met,
                      const struct phi_answer *ans)
{
    bool agree = true;
    struct phi_answer first = { 0 };
    for (unsigned i = 0; i < 2 * 2 * 3 * 5; i++) {
        unsigned cx = i % 2, cy = i / 2 % 2, co = i / 4 % 3, cn = i / 12;
        if ((x < 2 && cx != x) || (y < 2 && cy != y) || (n < 5 && cn != n) || (o < 2 && co != o) || (o == 3 && co != 2))
            continue;
        const struct phi_value *context = context_of(r->arena, cx, cy, co == 2 ? 3 : co, cn);
        struct phi_answer full = three_way(r, context, met);
        if (first.verdict == 0)
            first = full;
        agree = agree && full.verdict == first.verdict && full.n_alternatives == first.n_alternatives;
        for (size_t k = 0; agree && k < full.n_alternatives; k++)
            agree = bits_of(&full.alternatives[k]) == bits_of(&first.alternatives[k]);
        if (!ans->partial)
            holds(r, context, met, *ans);
    }
    return agree;
}

static void an_unknown_changes_nothing_that_was_answered(void **unused)
{
    (void)unused;
    struct gen g = { .seed = seed() + 2 };
    unsigned partial = 0, needless = 0, total = 0;
    struct phi_entities *es = entities();
    for (int i = 0; i < 1500; i++) {
        struct phi_bundle *b = random_bundle(&g);
        for (int k = 0; k < 3; k++) {
            PHI_ARENA(a, 64 << 20);
            struct round r = { b, es, &a, random_ask(&g) };
            unsigned x = pick(&g, 3), y = pick(&g, 3), o = pick(&g, 2) ? 2 : pick(&g, 4), n = pick(&g, 6), met = pick(&g, 4);
            struct phi_answer ans = three_way(&r, context_of(&a, x, y, o, n), met);
            total++;
            partial += ans.partial;
            assert_true(!ans.partial || ans.verdict == PHI_DENY);
            needless += all_agree(&r, x, y, o, n, met, &ans) && ans.partial;
        }
        phi_bundle_close(b);
    }
    phi_entities_close(es);
    print_message("%u answers, %u partial, %u of them needlessly\n", total, partial, needless);
    assert_true(partial > 50 && needless * 4 < partial);
}

/* ---- single cases -------------------------------------------------------------------------------- */

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
        struct phi_ask ask = { UID("P", "p"), UID("Action", "a"), UID("R", "r"), NULL, met, n };
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
        cmocka_unit_test(one_pass_equals_the_plain_evaluations),
        cmocka_unit_test(an_unknown_changes_nothing_that_was_answered),
        cmocka_unit_test(a_permit_reaches_phis_actions_only_by_name),
        cmocka_unit_test(an_incomplete_context_denies),
        cmocka_unit_test(too_many_alternatives_deny_with_the_reason),
        cmocka_unit_test(nine_requirements_at_once_deny),
        cmocka_unit_test(answers_name_who_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
