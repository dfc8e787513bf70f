/* The three-way answer equals the plain evaluations, over random policies: with `met` as known, with
 * all defined, and with every set between; an allow rests on the fewest obligations with which it is one plainly. And unknown
 * context: whatever it turns out to be. */
#include "policy/decide_kit_test.h"
#include "policy/gen_test.h"
#include "policy/plain.h"
#include "policy/request.h"

#include <stdio.h>
#include <stdlib.h>

enum { REQUIREMENTS = 4, OBLIGATIONS = 3 };

/* ---- a generator of policy texts ---------------------------------------------------------------- */

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
    if (how < 3 && pick(g, 3) == 0) {
        phi_buf_printf(g->out, how ? "context.can.contains(\"o%u\")" : "context.can.containsAll([\"o%u\", \"o1\"])",
                       pick(g, OBLIGATIONS));
        return;
    }
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
    unsigned can;
};

static const char *const names[REQUIREMENTS] = { "r0", "r1", "r2", "r3" };
static const char *const obliged[OBLIGATIONS] = { "o0", "o1", "o2" };

static const struct phi_value *set_of(struct round *r, const char *const *from, unsigned all, unsigned bits)
{
    const struct phi_value *items[8];
    size_t n = 0;
    for (unsigned i = 0; i < all; i++)
        if (bits & (1U << i))
            items[n++] = phi_value_string(r->arena, phi_view_of(from[i]));
    return phi_value_set(r->arena, items, n);
}

static bool plainly_with(struct round *r, const struct phi_value *context, unsigned met, unsigned can)
{
    struct cedar_request q;
    struct cedar_plain_answer got;
    struct phi_ask ask = r->ask;
    struct phi_attr attrs[8];
    size_t k = 0;
    ask.context = context;
    assert_int_equal(cedar_request_make(r->bundle, r->entities, &ask, r->arena, &q, NULL), PHI_OK);
    assert_int_equal(q.reason.n, 0);
    const struct phi_value *seen = q.env.vars[VAR_CONTEXT];
    for (; k < seen->u.record.n; k++)
        attrs[k] = seen->u.record.attrs[k];
    attrs[k++] = (struct phi_attr){ PHI_LIT("met"), set_of(r, names, REQUIREMENTS, met) };
    attrs[k++] = (struct phi_attr){ PHI_LIT("can"), set_of(r, obliged, OBLIGATIONS, can) };
    q.env.vars[VAR_CONTEXT] = phi_value_record(r->arena, attrs, k);
    assert_int_equal(cedar_plain_decide(&q.env, &r->bundle->policies, &got, NULL), PHI_OK);
    assert_true(got.allow || !got.allow_strict);
    return got.allow_strict;
}

static bool plainly(struct round *r, const struct phi_value *context, unsigned met)
{
    return plainly_with(r, context, met, r->can);
}

static struct phi_answer three_way(struct round *r, const struct phi_value *context, unsigned met)
{
    static const char *const kinds[OBLIGATIONS] = { "o0", "mask", "cap-rows" };
    struct phi_view given[REQUIREMENTS], can[OBLIGATIONS];
    struct phi_ask ask = r->ask;
    struct phi_answer ans;
    struct phi_err err = { 0 };
    ask.context = context;
    ask.met = given;
    for (unsigned i = 0; i < REQUIREMENTS; i++)
        if (met & (1U << i))
            given[ask.n_met++] = phi_view_of(names[i]);
    ask.can = can;
    for (unsigned i = 0; i < OBLIGATIONS; i++)
        if (r->can & (1U << i))
            can[ask.n_can++] = phi_view_of(kinds[i]);
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

static unsigned owed_of(const struct phi_answer *ans)
{
    unsigned bits = 0;
    for (size_t i = 0; i < ans->n_obligations; i++)
        for (unsigned k = 0; k < OBLIGATIONS; k++)
            if (phi_view_is(ans->obligations[i]->name, obliged[k]))
                bits |= 1U << k;
    return bits;
}

/* With the obligations named it is an allow, and (where all was known) with fewer it is none. */
static void owes(struct round *r, const struct phi_value *context, unsigned met, struct phi_answer ans, bool exactly)
{
    unsigned owed = owed_of(&ans);
    assert_true(ans.n_obligations == 0 || ans.verdict == PHI_ALLOW);
    assert_int_equal(owed & ~r->can, 0);
    if (ans.verdict == PHI_ALLOW)
        assert_true(plainly_with(r, context, met, owed));
    for (unsigned set = 0; exactly && ans.verdict == PHI_ALLOW && set < 1U << OBLIGATIONS; set++)
        if ((set & ~r->can) == 0 && __builtin_popcount(set) < __builtin_popcount(owed))
            assert_false(plainly_with(r, context, met, set));
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

static struct phi_bundle *random_bundle(struct gen *g)
{
    PHI_BUF(text, 1 << 20);
    g->out = &text;
    for (unsigned n = 1 + pick(g, 5); n > 0; n--)
        gen_policy(g);
    return kit_load(SCHEMA, phi_buf_str(&text), NEEDS);
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
    unsigned seen[4] = { 0 };
    struct phi_entities *es = entities();
    for (int i = 0; i < 1500; i++) {
        struct phi_bundle *b = random_bundle(&g);
        for (int k = 0; k < 6; k++) {
            PHI_ARENA(a, 8 << 20);
            struct round r = { b, es, &a, random_ask(&g), pick(&g, 1U << OBLIGATIONS) | pick(&g, 1U << OBLIGATIONS) };
            unsigned met = pick(&g, 1U << REQUIREMENTS) & pick(&g, 1U << REQUIREMENTS);
            unsigned o = pick(&g, 3);
            const struct phi_value *context = context_of(&a, pick(&g, 2), pick(&g, 2), o == 2 ? 3 : o, pick(&g, 5));
            struct phi_answer ans = three_way(&r, context, met);
            assert_false(ans.partial);
            holds(&r, context, met, ans);
            owes(&r, context, met, ans, true);
            seen[3] += ans.n_obligations > 0;
            seen[ans.verdict == PHI_ALLOW ? 0 : ans.verdict == PHI_DENY ? 1 : 2]++;
        }
        phi_bundle_close(b);
    }
    phi_entities_close(es);
    print_message("allow %u (%u with obligations), deny %u, needs %u\n", seen[0], seen[3], seen[1], seen[2]);
    assert_true(seen[0] > 500 && seen[1] > 500 && seen[2] > 500 && seen[3] > 100);
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
        owes(r, context, met, *ans, false);
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
            struct round r = { b, es, &a, random_ask(&g), pick(&g, 1U << OBLIGATIONS) | pick(&g, 1U << OBLIGATIONS) };
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pass_equals_the_plain_evaluations),
        cmocka_unit_test(an_unknown_changes_nothing_that_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
