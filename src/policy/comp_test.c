/* The compiled evaluator gives what the tree walker gives: over random scopes and graphs of entities,
 * in every mode. And what is promised of it: no allocation, sweeps, threads, limits. */
#include "policy/comp.h"
#include "policy/comp_twice.h"
#include "policy/gen_test.h"
#include "policy/kit_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTS 0
#endif
#endif
#ifndef COUNTS
#define COUNTS 1
#endif

static _Atomic size_t allocations;
#if COUNTS /* the C library's own, counted */
void *__libc_malloc(size_t n);
void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}
#endif

#define SCHEMA                                                                                                          \
    "entity G in [G]; entity P in [G] = { level: Long, name?: String, friends: Set<P> } tags String;"                   \
    "entity D in [F]; entity F in [F, G];"                                                                              \
    "type C = { met: Set<String>, mfa: Bool, risk: Long, s: String, at?: ipaddr };"                                     \
    "action all; action some in [all];"                                                                                 \
    "action a in [some] appliesTo { principal: P, resource: [D, F], context: C };"                                      \
    "action b in [all] appliesTo { principal: P, resource: D, context: C };"                                            \
    "namespace phi { action own in [Action::\"all\"] appliesTo { principal: P, resource: D, context: { met: Set<String> } }; }"
#define NEEDS "r0: {kind: mfa}\nr1: {kind: mfa}\n"
enum { N = 12 }; /* entities of each type */

static uint64_t seed(void)
{
    const char *given = getenv("PHI_SEED");
    return given ? strtoull(given, NULL, 10) | 1 : 20260118;
}

/* ---- random policies with every form of scope -------------------------------------------------------- */

static void gen_scope(struct gen *g, const char *var, char type, char group)
{
    unsigned form = pick(g, 6), n = pick(g, N + 2);
    char who = pick(g, 5) ? type : group;
    if (form < 2)
        phi_buf_printf(g->out, "%s", var);
    else if (form < 4)
        phi_buf_printf(g->out, form == 2 ? "%s == %c::\"%u\"" : "%s in %c::\"%u\"", var, form == 2 ? who : group, n);
    else if (form == 4)
        phi_buf_printf(g->out, "%s is %c", var, who);
    else
        phi_buf_printf(g->out, "%s is %c in %c::\"%u\"", var, who, group, n);
}

static void gen_policy(struct gen *g)
{
    static const char *const actions[] = { "action", "action", "action == Action::\"a\"", "action in Action::\"all\"", "action in Action::\"some\"",
                                           "action in [Action::\"a\", Action::\"all\"]", "action in [Action::\"b\", Action::\"a\"]", "action == phi::Action::\"own\"", "action in []" };
    static const char *const conds[] = {
        "principal.level > 2", "principal.name == \"x\"", "principal has name && principal.name like \"n*\"", "resource in F::\"3\"", "principal in resource",
        "principal.friends.contains(P::\"1\")", "principal in principal.friends", "principal.hasTag(\"t\") && principal.getTag(\"t\") == \"v\"", "principal.getTag(\"t\") == \"v\"",
        "resource is D", "[principal, P::\"2\"].contains(P::\"2\")", "{a: principal.level, \"b\": 1} == {\"b\": 1, a: 3}", "principal.level * 9223372036854775807 > 0",
        "[1, principal.level, 2].containsAll([2, 1])", "if principal.level == 1 then resource is F else true", "-principal.level < 0", "ip(\"10.0.0.1\").isInRange(ip(\"10.0.0.0/8\"))",
        "decimal(\"x\") == decimal(\"1.0\")", "principal == P::\"1\" || principal.level == 3", "[].isEmpty()", "context.mfa", "context.mfa || principal.level > 1", "!context.mfa && context.risk < 2",
        "if context.mfa then context.s == \"x\" else principal.level > 2", "[context.mfa].contains(true)", "context has mfa && context.risk == 1", "action == Action::\"a\"" };
    bool forbid = pick(g, 4) == 0;
    phi_buf_printf(g->out, "%s (", forbid ? "forbid" : "permit");
    gen_scope(g, "principal", 'P', 'G');
    phi_buf_printf(g->out, ", %s, ", actions[pick(g, COUNT(actions))]);
    gen_scope(g, "resource", 'D', 'F');
    phi_buf_adds(g->out, ")");
    for (unsigned n = pick(g, 3); n > 0; n--)
        phi_buf_printf(g->out, " %s { %s }", pick(g, 3) ? "when" : "unless", conds[pick(g, COUNT(conds))]);
    if (pick(g, 8) == 0)
        phi_buf_printf(g->out, " %s { context.met.contains(\"r%u\") }", forbid ? "unless" : "when", pick(g, 2));
    phi_buf_adds(g->out, ";\n");
}

static struct phi_bundle *random_bundle(struct gen *g, unsigned policies)
{
    PHI_BUF(text, 1 << 20);
    g->out = &text;
    for (unsigned i = 0; i < policies; i++)
        gen_policy(g);
    return kit_load(SCHEMA, phi_buf_str(&text), NEEDS);
}

static struct phi_uid uid_of(struct phi_arena *a, char type, unsigned n)
{
    return (struct phi_uid){ phi_arena_printf(a, "%c", type), phi_arena_printf(a, "%u", n) };
}

/* Parents may be absent, and may lead back. */
static void add_entity(struct gen *g, struct phi_entities *es, char type, unsigned n)
{
    PHI_ARENA(a, 1 << 16);
    struct phi_uid parents[4];
    size_t n_parents = 0;
    const char up = type == 'P' || type == 'G' ? 'G' : 'F';
    for (unsigned k = pick(g, 4); k > 0; k--)
        parents[n_parents++] = uid_of(&a, up, pick(g, N + 2));
    const struct phi_value *friends[2] = { phi_value_entity(&a, uid_of(&a, 'P', pick(g, N))), phi_value_entity(&a, uid_of(&a, 'P', pick(g, N))) };
    struct phi_attr attrs[] = { { PHI_LIT("level"), phi_value_long(&a, pick(g, 5)) },
                                { PHI_LIT("friends"), phi_value_set(&a, friends, pick(g, 3)) },
                                { PHI_LIT("name"), phi_value_string(&a, pick(g, 2) ? PHI_LIT("x") : PHI_LIT("new")) } };
    struct phi_attr tag = { PHI_LIT("t"), phi_value_string(&a, pick(g, 2) ? PHI_LIT("v") : PHI_LIT("w")) };
    cedar_entities_add(es, uid_of(&a, type, n), parents, n_parents, type == 'P' ? phi_value_record(&a, attrs, 2 + pick(g, 2)) : NULL,
                       pick(g, 2) ? phi_value_record(&a, &tag, 1) : NULL, NULL);
}

static struct phi_entities *random_entities(struct gen *g, const struct phi_entities *base)
{
    struct phi_entities *es = phi_entities_open(base, 1 << 20);
    for (unsigned n = 0; n < N; n++)
        for (const char *t = "PGDF"; *t; t++)
            if (pick(g, 3))
                add_entity(g, es, *t, n);
    return es;
}

static struct phi_ask random_ask(struct gen *g, struct phi_arena *a)
{
    static const struct phi_view met[] = { { (const uint8_t *)"r0", 2 }, { (const uint8_t *)"r1", 2 } };
    const unsigned known = pick(g, 4);
    struct phi_attr attrs[] = { { PHI_LIT("mfa"), known ? phi_value_bool(a, pick(g, 2)) : phi_value_unknown() },
                                { PHI_LIT("risk"), phi_value_long(a, pick(g, 3)) },
                                { PHI_LIT("s"), phi_value_string(a, PHI_LIT("unseen elsewhere")) } };
    const unsigned action = pick(g, 8);
    return (struct phi_ask){ .principal = uid_of(a, 'P', pick(g, N + 2)),
                             .action = action == 0 ? UID("phi::Action", "own") : action < 4 ? UID("Action", "b") : UID("Action", "a"),
                             .resource = uid_of(a, pick(g, 3) ? 'D' : 'F', pick(g, N + 2)),
                             .context = phi_value_record(a, attrs, 3), .met = met + pick(g, 2), .n_met = pick(g, 2) };
}

static void both_evaluators_agree_whatever_the_scopes(void **unused)
{
    (void)unused;
    struct gen g = { .seed = seed() };
    unsigned seen[3] = { 0 };
    for (int i = 0; i < 300; i++) {
        struct phi_bundle *b = random_bundle(&g, 1 + pick(&g, 30));
        struct phi_entities *base = random_entities(&g, NULL), *es = random_entities(&g, base);
        for (int k = 0; k < 20; k++) {
            PHI_ARENA(a, 8 << 20);
            struct phi_ask ask = random_ask(&g, &a);
            struct phi_answer ans;
            assert_int_equal(phi_decide(b, es, &ask, &a, &ans, NULL), PHI_OK);
            comp_twice(b, es, &ask, &ans);
            seen[ans.verdict == PHI_ALLOW ? 0 : ans.verdict == PHI_DENY ? 1 : 2]++;
        }
        phi_entities_close(es);
        phi_entities_close(base);
        phi_bundle_close(b);
    }
    print_message("allow %u, deny %u, needs %u\n", seen[0], seen[1], seen[2]);
    assert_true(seen[0] > 200 && seen[1] > 200 && seen[2] > 20);
}

/* ---- what is promised ------------------------------------------------------------------------------------ */

struct set {
    struct phi_bundle *b;
    struct phi_entities *es;
    struct phi_world *w;
    struct phi_scratch *s;
    struct gen g;
};

static struct set open_set(unsigned policies)
{
    struct set t = { .g = { .seed = seed() + 2 * policies } };
    t.b = random_bundle(&t.g, policies);
    t.es = random_entities(&t.g, NULL);
    t.s = phi_scratch_open(1 << 24);
    assert_int_equal(phi_world_open(t.b, 1 << 24, &t.w, NULL), PHI_OK);
    assert_int_equal(phi_world_add_all(t.w, t.es, NULL), PHI_OK);
    assert_int_equal(phi_world_ready(t.w, NULL), PHI_OK);
    return t;
}

static void close_set(struct set *t)
{
    phi_scratch_close(t->s);
    phi_world_close(t->w);
    phi_entities_close(t->es);
    phi_bundle_close(t->b);
}

static void a_decision_allocates_nothing(void **unused)
{
    (void)unused;
    struct set t = open_set(60);
    for (int i = 0; i < 200; i++) {
        PHI_ARENA(a, 1 << 20);
        struct phi_ask ask = random_ask(&t.g, &a);
        struct phi_query *q = NULL;
        struct phi_answer ans;
        assert_int_equal(phi_query_open(t.w, &ask, &q, NULL), PHI_OK);
        for (int again = 0; again < 3; again++) { /* the first may find that the scratch is small */
            size_t before = allocations;
            assert_int_equal(phi_world_decide(t.w, q, again % 2 ? PHI_MODE_DECIDE : PHI_MODE_EXPLAIN, t.s, &ans, NULL), PHI_OK);
            if (again > 0 && COUNTS)
                assert_int_equal(allocations, before);
        }
        phi_query_close(q);
    }
    assert_true(!COUNTS || allocations > 0); /* the counter counts */
    close_set(&t);
}

static void a_sweep_is_as_many_single_decisions(void **unused)
{
    (void)unused;
    static const enum phi_swept parts[] = { PHI_SWEPT_PRINCIPAL, PHI_SWEPT_ACTION, PHI_SWEPT_RESOURCE };
    struct set t = open_set(40);
    unsigned allowed = 0;
    for (int i = 0; i < 60; i++) {
        PHI_ARENA(a, 8 << 20);
        struct phi_ask ask = random_ask(&t.g, &a);
        struct phi_uid uids[10];
        enum phi_verdict got[10];
        for (int k = 0; k < 10; k++)
            uids[k] = i % 3 == 0 ? uid_of(&a, k % 4 ? 'P' : 'G', pick(&t.g, N + 3)) :
                      i % 3 == 1 ? (k % 3 ? UID("Action", "a") : UID("Action", "no such")) :
                                   uid_of(&a, k % 2 ? 'D' : 'F', pick(&t.g, N + 3));
        assert_int_equal(phi_world_sweep(t.w, &ask, parts[i % 3], uids, 10, t.s, got, NULL), PHI_OK);
        for (int k = 0; k < 10; k++) {
            struct phi_answer ans;
            struct phi_ask one = ask;
            *(i % 3 == 0 ? &one.principal : i % 3 == 1 ? &one.action : &one.resource) = uids[k];
            assert_int_equal(phi_decide(t.b, t.es, &one, &a, &ans, NULL), PHI_OK);
            assert_int_equal(got[k], ans.verdict);
            allowed += got[k] == PHI_ALLOW;
        }
    }
    assert_true(allowed > 20);
    close_set(&t);
}

struct work {
    struct set *t;
    struct phi_query **queries;
    enum phi_verdict *want;
    size_t n;
    bool wrong;
};

static void *decide_many(void *arg)
{
    struct work *k = arg;
    struct phi_scratch *s = phi_scratch_open(1 << 24);
    for (size_t i = 0; s && i < 20 * k->n; i++) {
        struct phi_answer ans;
        phi_world_decide(k->t->w, k->queries[i % k->n], PHI_MODE_EXPLAIN, s, &ans, NULL);
        k->wrong |= ans.verdict != k->want[i % k->n];
    }
    k->wrong |= !s;
    phi_scratch_close(s);
    return NULL;
}

static void threads_share_a_world(void **unused)
{
    (void)unused;
    enum { QUERIES = 50, THREADS = 4 };
    struct set t = open_set(40);
    struct phi_query *queries[QUERIES];
    enum phi_verdict want[QUERIES];
    pthread_t threads[THREADS];
    struct work work[THREADS];
    PHI_ARENA(a, 8 << 20);
    for (int i = 0; i < QUERIES; i++) {
        struct phi_ask ask = random_ask(&t.g, &a);
        struct phi_answer ans;
        assert_int_equal(phi_query_open(t.w, &ask, &queries[i], NULL), PHI_OK);
        assert_int_equal(phi_decide(t.b, t.es, &ask, &a, &ans, NULL), PHI_OK);
        want[i] = ans.verdict;
    }
    for (int i = 0; i < THREADS; i++) {
        work[i] = (struct work){ &t, queries, want, QUERIES, false };
        assert_int_equal(pthread_create(&threads[i], NULL, decide_many, &work[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(work[i].wrong);
    }
    for (int i = 0; i < QUERIES; i++)
        phi_query_close(queries[i]);
    close_set(&t);
}

/* ---- one world over another ------------------------------------------------------------------------------ */

/* People and groups below, documents and folders above them, as phi's organisation and a request's tables. */
static void add_layers(struct gen *g, struct phi_entities *base, struct phi_entities *es)
{
    for (unsigned n = 0; n < N + 2; n++)
        add_entity(g, base, 'G', n);
    for (unsigned n = 0; n < N; n++)
        for (const char *t = "PDF"; *t; t++)
            if (pick(g, 3))
                add_entity(g, *t == 'P' && pick(g, 4) ? base : es, *t, n);
}

static void an_upper_world_answers_as_one_of_both(void **unused)
{
    (void)unused;
    struct gen g = { .seed = seed() + 7 };
    struct phi_scratch *s = phi_scratch_open(1 << 24);
    unsigned seen[3] = { 0 };
    for (int i = 0; i < 150; i++) {
        struct phi_bundle *b = random_bundle(&g, 1 + pick(&g, 40));
        struct phi_entities *base = phi_entities_open(NULL, 1 << 20), *es = phi_entities_open(base, 1 << 20);
        struct phi_world *below = NULL, *w = NULL;
        add_layers(&g, base, es);
        assert_int_equal(phi_world_open(b, 1 << 24, &below, NULL), PHI_OK);
        assert_int_equal(phi_world_add_all(below, base, NULL), PHI_OK);
        assert_int_equal(phi_world_ready(below, NULL), PHI_OK);
        assert_int_equal(phi_world_over(below, 1 << 20, &w, NULL), PHI_OK);
        assert_int_equal(phi_world_add_own(w, es, NULL), PHI_OK);
        assert_int_equal(phi_world_ready(w, NULL), PHI_OK);
        for (int k = 0; k < 20; k++) {
            PHI_ARENA(a, 8 << 20);
            struct phi_ask ask = random_ask(&g, &a);
            struct phi_answer ans;
            assert_int_equal(phi_world_ask(w, &ask, PHI_MODE_REASON, s, &ans, NULL), PHI_OK);
            comp_twice_ask(b, es, &ask, &ans);
            seen[ans.verdict == PHI_ALLOW ? 0 : ans.verdict == PHI_DENY ? 1 : 2]++;
        }
        phi_world_close(w);
        phi_world_close(below);
        phi_entities_close(es);
        phi_entities_close(base);
        phi_bundle_close(b);
    }
    phi_scratch_close(s);
    assert_true(seen[0] > 100 && seen[1] > 100 && seen[2] > 10);
}

static void asking_again_allocates_nothing(void **unused)
{
    (void)unused;
    struct set t = open_set(40);
    PHI_ARENA(a, 8 << 20);
    struct phi_answer ans;
    for (int i = 0; i < 50; i++) {
        struct phi_ask ask = random_ask(&t.g, &a);
        for (int again = 0; again < 3; again++) {
            size_t before = allocations;
            assert_int_equal(phi_world_ask(t.w, &ask, PHI_MODE_EXPLAIN, t.s, &ans, NULL), PHI_OK);
            if (again == 2 && COUNTS)
                assert_int_equal(allocations, before);
        }
    }
    close_set(&t);
}

static void an_upper_world_changes_nothing_below(void **unused)
{
    (void)unused;
    struct set t = open_set(5);
    struct phi_world *below = NULL, *w = NULL, *third = NULL;
    struct phi_err err = { 0 };
    const struct phi_uid group = UID("G", "above");
    assert_int_equal(phi_world_open(t.b, 1 << 20, &below, NULL), PHI_OK);
    assert_int_equal(phi_world_over(below, 1 << 20, &w, NULL), PHI_EINPUT); /* not ready */
    assert_int_equal(phi_world_add(below, UID("P", "1"), &group, 1, NULL, NULL, NULL), PHI_OK);
    assert_int_equal(phi_world_ready(below, NULL), PHI_OK);
    assert_int_equal(phi_world_over(below, 1 << 20, &w, NULL), PHI_OK);
    assert_int_equal(phi_world_add(w, UID("P", "1"), NULL, 0, NULL, NULL, NULL), PHI_ECONFLICT);
    /* whoever is in G::"above" would get its parents by this */
    assert_int_equal(phi_world_add(w, group, NULL, 0, NULL, NULL, &err), PHI_ECONFLICT);
    assert_non_null(strstr(err.msg, "above"));
    assert_int_equal(phi_world_add(w, UID("Action", "a"), NULL, 0, NULL, NULL, NULL), PHI_ECONFLICT);
    assert_int_equal(phi_world_add(w, UID("P", "2"), &group, 1, NULL, NULL, NULL), PHI_OK);
    assert_int_equal(phi_world_add(w, UID("P", "2"), NULL, 0, NULL, NULL, NULL), PHI_ECONFLICT);
    assert_int_equal(phi_world_ready(w, NULL), PHI_OK);
    assert_int_equal(phi_world_over(w, 1 << 20, &third, NULL), PHI_EINPUT); /* two are all */
    phi_world_close(w);
    phi_world_close(below);
    close_set(&t);
}

static void a_world_keeps_its_rules(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    struct set t = open_set(5), other = open_set(6);
    struct phi_world *w = NULL;
    struct phi_query *q = NULL;
    struct phi_answer ans;
    struct phi_ask ask = random_ask(&t.g, &a);
    assert_int_equal(phi_world_add(t.w, UID("P", "late"), NULL, 0, NULL, NULL, NULL), PHI_ECONFLICT);
    assert_int_equal(phi_world_open(t.b, 1 << 20, &w, NULL), PHI_OK);
    assert_int_equal(phi_query_open(w, &ask, &q, NULL), PHI_EINPUT); /* not ready */
    assert_int_equal(phi_world_add(w, UID("P", "1"), NULL, 0, NULL, NULL, NULL), PHI_OK);
    assert_int_equal(phi_world_add(w, UID("P", "1"), NULL, 0, NULL, NULL, NULL), PHI_ECONFLICT);
    assert_int_equal(phi_world_add(w, UID("P", "2"), NULL, 0, phi_value_long(&a, 1), NULL, NULL), PHI_EINPUT);
    assert_int_equal(phi_world_ready(w, NULL), PHI_OK);
    assert_int_equal(phi_query_open(w, &ask, &q, NULL), PHI_OK);
    assert_int_equal(phi_world_decide(other.w, q, PHI_MODE_DECIDE, t.s, &ans, NULL), PHI_EINPUT);
    assert_int_equal(ans.verdict, PHI_DENY);
    phi_query_close(q);
    phi_world_close(w);
    close_set(&t);
    close_set(&other);
}

static void too_many_ancestors_are_refused(void **unused)
{
    (void)unused;
    struct set t = open_set(3);
    for (unsigned n = CEDAR_MAX_ANCESTORS; n <= CEDAR_MAX_ANCESTORS + 1; n++) { /* itself counts */
        struct phi_world *w = NULL;
        assert_int_equal(phi_world_open(t.b, 64 << 20, &w, NULL), PHI_OK);
        for (unsigned i = 0; i < n; i++) {
            PHI_ARENA(a, 4096);
            struct phi_uid up = uid_of(&a, 'G', i + 1);
            assert_int_equal(phi_world_add(w, uid_of(&a, 'G', i), &up, i + 1 < n, NULL, NULL, NULL), PHI_OK);
        }
        assert_int_equal(phi_world_ready(w, NULL), n == CEDAR_MAX_ANCESTORS ? PHI_OK : PHI_ELIMIT);
        phi_world_close(w);
    }
    close_set(&t);
}

static void too_little_memory_is_an_error(void **unused)
{
    (void)unused;
    struct set t = open_set(30);
    for (size_t limit = 0; limit < 1 << 16; limit += 997) {
        struct phi_world *w = NULL;
        if (phi_world_open(t.b, limit, &w, NULL) != PHI_OK)
            continue;
        enum phi_rc rc = phi_world_add_all(w, t.es, NULL);
        assert_true(rc == PHI_OK || rc == PHI_ELIMIT);
        phi_world_close(w);
    }
    close_set(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_evaluators_agree_whatever_the_scopes),
        cmocka_unit_test(a_decision_allocates_nothing),
        cmocka_unit_test(a_sweep_is_as_many_single_decisions),
        cmocka_unit_test(threads_share_a_world),
        cmocka_unit_test(an_upper_world_answers_as_one_of_both),
        cmocka_unit_test(asking_again_allocates_nothing),
        cmocka_unit_test(an_upper_world_changes_nothing_below),
        cmocka_unit_test(a_world_keeps_its_rules),
        cmocka_unit_test(too_many_ancestors_are_refused),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
