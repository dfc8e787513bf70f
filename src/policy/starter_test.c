/* The starter bundle decides as the demo and its documents say. */
#include "policy/kit_test.h"

#include <stdio.h>
#include <time.h>

#define ORDERS "[\"shop\",\"public\",\"orders\"]"
#define DIR PHI_SOURCE_ROOT "/src/policy/starter/"

struct world {
    struct phi_arena arena;
    struct phi_bundle *bundle;
    struct phi_entities *people, *tables;
};

static void add(struct phi_entities *es, struct phi_uid uid, struct phi_uid parent,
                const struct phi_value *attrs)
{
    struct phi_err err = { 0 };
    if (phi_entities_add(es, uid, &parent, 1, attrs, &err) != PHI_OK)
        fail_msg("%s", err.msg);
}

static int open_world(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct phi_err err = { 0 };
    phi_arena_init(&w->arena, 64 << 20);
    struct phi_bundle_text text = { kit_file(&w->arena, DIR "schema.cedarschema"),
                                    kit_file(&w->arena, DIR "policies.cedar"),
                                    kit_file(&w->arena, DIR "requirements.yaml"), 7 };
    if (phi_bundle_load(&text, &w->bundle, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    w->people = phi_entities_open(NULL, 1 << 20);
    add(w->people, UID("Person", "alice"), UID("Group", "dev"), NULL);
    add(w->people, UID("Person", "bob"), UID("Group", "dba"), NULL);
    assert_int_equal(phi_entities_add(w->people, UID("Person", "mallory"), NULL, 0, NULL, NULL), PHI_OK);
    const struct phi_value *alice = phi_value_entity(&w->arena, UID("Person", "alice"));
    const struct phi_attr attrs[] = {
        { PHI_LIT("requesters"), phi_value_set(&w->arena, &alice, 1) },
        { PHI_LIT("requirement"), phi_value_string(&w->arena, PHI_LIT("dba")) },
        { PHI_LIT("risk"), phi_value_long(&w->arena, 100) },
        { PHI_LIT("target"), phi_value_entity(&w->arena, UID("Target", "[\"shop\"]")) },
    };
    w->tables = phi_entities_open(w->people, 1 << 20);
    add(w->tables, UID("Request", "r1"), UID("Target", "[\"shop\"]"), phi_value_record(&w->arena, attrs, 4));
    add(w->tables, UID("Schema", "[\"shop\",\"public\"]"), UID("Target", "[\"shop\"]"), NULL);
    add(w->tables, UID("Table", ORDERS), UID("Schema", "[\"shop\",\"public\"]"), NULL);
    add(w->tables, UID("Table", "[\"hr\",\"public\",\"pay\"]"), UID("Schema", "[\"hr\",\"public\"]"), NULL);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    phi_entities_close(w->tables);
    phi_entities_close(w->people);
    phi_bundle_close(w->bundle);
    phi_arena_done(&w->arena);
    test_free(w);
    return 0;
}

static struct phi_answer ask(struct world *w, struct phi_uid who, struct phi_uid action,
                             struct phi_uid what, const char *met)
{
    struct phi_view one = phi_view_of(met);
    struct phi_ask q = { .principal = who, .action = action, .resource = what, .met = &one,
                         .n_met = met != NULL };
    struct phi_answer ans;
    struct phi_err err = { 0 };
    q.context = phi_context_unknowns(&w->arena, w->bundle, action, NULL);
    if (phi_decide(w->bundle, w->tables, &q, &w->arena, &ans, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_true(ans.reason.n > 0);
    return ans;
}

static void the_demo_decides_as_told(void **state)
{
    struct world *w = *state;
    const struct phi_uid alice = UID("Person", "alice"), bob = UID("Person", "bob"),
                         mallory = UID("Person", "mallory"), orders = UID("Table", ORDERS),
                         shop = UID("Target", "[\"shop\"]"), request = UID("Request", "r1");
    const struct {
        struct phi_uid who, action, what;
        const char *met;
        enum phi_verdict verdict;
        const char *reason;
    } rows[] = {
        { alice, UID("Action", "pg:connect"), shop, NULL, PHI_ALLOW, "permitted by policy \"dev-connect\": Developers may connect" },
        { alice, UID("Action", "pg:set"), shop, NULL, PHI_ALLOW, NULL },
        { alice, UID("Action", "pg:select"), orders, NULL, PHI_ALLOW, NULL },
        { alice, UID("Action", "pg:read"), orders, NULL, PHI_ALLOW, NULL },
        { alice, UID("Action", "pg:delete"), orders, NULL, PHI_NEEDS, "needs dba" },
        { alice, UID("Action", "pg:delete"), orders, "dba", PHI_ALLOW, NULL },
        { alice, UID("Action", "pg:delete"), orders, "two-dbas", PHI_NEEDS, "needs dba" },
        { alice, UID("Action", "pg:delete"), orders, "nobody-knows-this", PHI_NEEDS, NULL },
        { alice, UID("Action", "pg:write"), orders, NULL, PHI_NEEDS, "needs dba" },
        { alice, UID("Action", "pg:copy"), orders, NULL, PHI_NEEDS, "needs dba" },
        { alice, UID("Action", "pg:admin"), shop, NULL, PHI_NEEDS, "needs two-dbas" },
        { alice, UID("Action", "pg:ddl"), orders, "dba", PHI_NEEDS, "needs two-dbas" },
        { alice, UID("Action", "pg:select"), UID("Table", "[\"hr\",\"public\",\"pay\"]"), NULL, PHI_DENY, "no policy permits pg:select here" },
        { alice, UID("Action", "pg:select"), UID("Table", "[\"shop\",\"public\",\"none\"]"), NULL, PHI_DENY, NULL },
        { mallory, UID("Action", "pg:select"), orders, NULL, PHI_DENY, NULL },
        { mallory, UID("Action", "pg:delete"), orders, "dba", PHI_DENY, NULL },
        { bob, UID("phi::Action", "approve"), request, NULL, PHI_ALLOW, NULL },
        { alice, UID("phi::Action", "approve"), request, NULL, PHI_DENY, "forbidden by policy \"no-self-approval\": Nobody approves what they asked for" },
        { mallory, UID("phi::Action", "approve"), request, NULL, PHI_DENY, "no policy permits approve here" },
        { bob, UID("phi::Action", "approve"), UID("Request", "gone"), NULL, PHI_DENY, "policy \"no-self-approval\" could not be evaluated, so it forbids" },
        { alice, UID("Action", "pg:drop"), orders, NULL, PHI_DENY, "the schema has no action Action::\"pg:drop\"" },
        { UID("Robot", "x"), UID("Action", "pg:select"), orders, NULL, PHI_DENY, "the schema has no entity type Robot (principal)" },
        { alice, UID("Action", "pg:select"), request, NULL, PHI_DENY, "action pg:select does not apply to a resource of type Request" },
        { UID("Gateway", "gw"), UID("Action", "pg:select"), orders, NULL, PHI_DENY, NULL },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phi_answer ans = ask(w, rows[i].who, rows[i].action, rows[i].what, rows[i].met);
        if (ans.verdict != rows[i].verdict || ans.partial)
            fail_msg("row %zu: verdict %x, reason " PHI_FMT, i, ans.verdict, PHI_ARG(ans.reason));
        if (rows[i].reason)
            assert_view(ans.reason, rows[i].reason);
        assert_int_equal(ans.n_alternatives > 0, ans.verdict == PHI_NEEDS);
    }
}

static void requirements_read_as_written(void **state)
{
    struct world *w = *state;
    const struct phi_requirement *dba = phi_bundle_requirement(w->bundle, PHI_LIT("dba"));
    const struct phi_requirement *two = phi_bundle_requirement(w->bundle, PHI_LIT("two-dbas"));
    assert_non_null(dba);
    assert_non_null(two);
    assert_int_equal(phi_bundle_requirement_count(w->bundle), 2);
    assert_ptr_equal(phi_bundle_requirement_at(w->bundle, 1), two);
    assert_null(phi_bundle_requirement_at(w->bundle, 2));
    assert_int_equal(dba->kind, PHI_REQUIRE_APPROVAL);
    assert_int_equal(dba->n_sets, 1);
    assert_true(phi_uid_eq(dba->sets[0].from, UID("Group", "dba")));
    assert_int_equal(dba->sets[0].count, 1);
    assert_int_equal(dba->ttl_ms, 15 * 60 * 1000);
    assert_int_equal(dba->uses, 0);
    assert_int_equal(two->sets[0].count, 2);
    assert_int_equal(two->uses, 1);
    assert_true(two->ttl_ms < dba->ttl_ms);
}

static void the_bundle_knows_its_actions(void **state)
{
    struct world *w = *state;
    const struct phi_bundle *b = w->bundle;
    assert_int_equal(phi_bundle_version(b), 7);
    assert_true(phi_bundle_has_action(b, UID("Action", "pg:delete")));
    assert_false(phi_bundle_has_action(b, UID("phi::Action", "pg:delete")));
    assert_true(phi_bundle_action_in(b, UID("Action", "pg:delete"), UID("Action", "pg:write")));
    assert_true(phi_bundle_action_in(b, UID("Action", "pg:write"), UID("Action", "pg:write")));
    assert_false(phi_bundle_action_in(b, UID("Action", "pg:select"), UID("Action", "pg:write")));
    assert_true(phi_bundle_has_type(b, PHI_LIT("Table")));
    assert_false(phi_bundle_has_type(b, PHI_LIT("phi::Table")));
    assert_true(phi_bundle_applies(b, UID("Action", "pg:delete"), PHI_LIT("Person"), PHI_LIT("Table")));
    assert_false(phi_bundle_applies(b, UID("Action", "pg:delete"), PHI_LIT("Person"), PHI_LIT("Request")));
    size_t found = 0;
    for (size_t i = 0; i < phi_bundle_action_count(b); i++)
        found += phi_bundle_has_action(b, phi_bundle_action_at(b, i));
    assert_int_equal(found, 33);
}

static void a_caller_may_not_say_what_is_met(void **state)
{
    struct world *w = *state;
    const struct phi_value *dba = phi_value_string(&w->arena, PHI_LIT("dba"));
    const struct phi_attr met = { PHI_LIT("met"), phi_value_set(&w->arena, &dba, 1) };
    struct phi_ask q = { .principal = UID("Person", "alice"), .action = UID("Action", "pg:delete"),
                         .resource = UID("Table", ORDERS),
                         .context = phi_value_record(&w->arena, &met, 1) };
    struct phi_answer ans = { .verdict = PHI_ALLOW };
    assert_int_equal(phi_decide(w->bundle, w->tables, &q, &w->arena, &ans, NULL), PHI_EINPUT);
    assert_int_equal(ans.verdict, PHI_DENY);
}

static void too_little_memory_denies(void **state)
{
    struct world *w = *state;
    for (size_t limit = 0; limit < 8192; limit += 16) {
        PHI_ARENA(a, limit);
        struct phi_ask q = { .principal = UID("Person", "alice"), .action = UID("Action", "pg:delete"),
                             .resource = UID("Table", ORDERS) };
        struct phi_answer ans = { .verdict = PHI_ALLOW };
        enum phi_rc rc = phi_decide(w->bundle, w->tables, &q, &a, &ans, NULL);
        assert_true(rc == PHI_OK || rc == PHI_ELIMIT);
        assert_int_equal(ans.verdict, rc == PHI_OK ? PHI_NEEDS : PHI_DENY);
    }
}

static void a_decision_takes_microseconds(void **state)
{
    struct world *w = *state;
    struct timespec from, to;
#ifdef PHI_DECIDE_TWICE /* each is then made many times over, and held against each other */
    const int rounds = 100;
    const double most_us = 100000;
#else
    const int rounds = 2000;
    const double most_us = 2000; /* a busy machine allowed for */
#endif
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < rounds; i++) {
        PHI_ARENA(a, 1 << 20);
        struct phi_ask q = { .principal = UID("Person", "alice"), .action = UID("Action", "pg:delete"),
                             .resource = UID("Table", ORDERS) };
        struct phi_answer ans;
        assert_int_equal(phi_decide(w->bundle, w->tables, &q, &a, &ans, NULL), PHI_OK);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double us = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e3 / rounds;
    print_message("one decision of the starter bundle: %.1f us\n", us);
    assert_true(us < most_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_decides_as_told),
        cmocka_unit_test(requirements_read_as_written),
        cmocka_unit_test(the_bundle_knows_its_actions),
        cmocka_unit_test(a_caller_may_not_say_what_is_met),
        cmocka_unit_test(too_little_memory_denies),
        cmocka_unit_test(a_decision_takes_microseconds),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
