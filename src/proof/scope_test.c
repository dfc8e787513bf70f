#include "proof/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proof/grant.h"

/* A small world, so that every point of it can be tried. */
static const char *const names[] = { "a", "b", "a\",\"b" }; /* the last would forge a separator */
#define NAMES 3
#define MOST 400

struct world {
    struct phi_arena arena;
    struct phi_ref r[MOST];
    size_t n;
};

static const char *const actions[] = { "pg:select", "pg:delete", "pg:read", "pg:write", "pg:admin" };
#define ACTIONS 5

static bool member(void *ctx, struct phi_view inner, struct phi_view outer)
{
    (void)ctx;
    if (phi_view_is(outer, "pg:read"))
        return phi_view_is(inner, "pg:select");
    return phi_view_is(outer, "pg:write") &&
           (phi_view_is(inner, "pg:select") || phi_view_is(inner, "pg:delete") || phi_view_is(inner, "pg:read"));
}
static const struct phi_action_rules rules = { member, NULL };

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    phi_arena_init(&w->arena, 1 << 22);
    for (int t = 0; t < NAMES; t++) {
        w->r[w->n++] = phi_ref_make(&w->arena, "Target", names[t], NULL);
        for (int s = 0; s < NAMES; s++) {
            w->r[w->n++] = phi_ref_make(&w->arena, "Schema", names[t], names[s], NULL);
            for (int r = 0; r < NAMES; r++) {
                w->r[w->n++] = phi_ref_make(&w->arena, "Table", names[t], names[s], names[r], NULL);
                w->r[w->n++] = phi_ref_make(&w->arena, "Function", names[t], names[s], names[r], NULL);
                for (int c = 0; c < NAMES; c++)
                    w->r[w->n++] = phi_ref_make(&w->arena, "Column", names[t], names[s], names[r], names[c], NULL);
            }
        }
    }
    w->r[w->n++] = phi_ref_of("Server", PHI_LIT("[\"a\"]")); /* outside the tree */
    assert_true(phi_arena_ok(&w->arena) && w->n <= MOST);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    phi_arena_done(&w->arena);
    free(w);
    return 0;
}

static void containment_is_an_order_by_prefix(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->n; i++) {
        size_t above = 0;
        assert_true(phi_ref_within(w->r[i], w->r[i]));
        for (size_t k = 0; k < w->n; k++) {
            bool in = phi_ref_within(w->r[i], w->r[k]);
            above += in;
            if (in && i != k)
                assert_false(phi_ref_within(w->r[k], w->r[i]));
            for (size_t m = 0; in && m < w->n; m++)
                if (phi_ref_within(w->r[k], w->r[m]))
                    assert_true(phi_ref_within(w->r[i], w->r[m]));
        }
        /* exactly itself and what stands above it: as many as its id has parts */
        struct phi_view parts[PHI_REF_PARTS_MAX];
        size_t n = 0;
        assert_true(phi_ref_parts(&w->arena, w->r[i], parts, &n));
        assert_int_equal(above, phi_view_is(w->r[i].type, "Server") ? 1 : n);
    }
    assert_false(phi_ref_within((struct phi_ref){ 0 }, w->r[0]));
    assert_false(phi_ref_within(w->r[0], (struct phi_ref){ 0 }));
    assert_false(phi_ref_within(phi_ref_of("Table", PHI_LIT("[\"a\", \"b\",\"a\"]")), w->r[0])); /* another spelling */
}

static uint32_t dice = 1;

static uint32_t roll(uint32_t n)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % n;
}

static struct phi_scope draw(struct world *w, struct phi_view *acts, struct phi_ref *refs)
{
    size_t n = 1 + roll(2), m = 1 + roll(4);
    for (size_t i = 0; i < n; i++)
        acts[i] = phi_view_of(actions[roll(ACTIONS)]);
    for (size_t i = 0; i < m; i++)
        refs[i] = w->r[roll((uint32_t)w->n)];
    return (struct phi_scope){ acts, phi_names_sort(acts, n), refs, phi_refs_sort(refs, m) };
}

/* scope ⊆ scope says yes exactly where every single point of the inner one is covered by the outer. */
static void within_means_every_point_is_covered(void **state)
{
    struct world *w = *state;
    int yes = 0;
    for (int round = 0; round < 4000; round++) {
        struct phi_view a1[4], a2[4];
        struct phi_ref r1[4], r2[4];
        struct phi_scope in = draw(w, a1, r1), out = draw(w, a2, r2);
        if (round % 2) { /* often enough something that fits */
            in.n_resources = 1;
            r2[0] = w->r[roll((uint32_t)w->n)];
            r1[0] = r2[0];
            a1[0] = a2[0];
            in.n_actions = 1;
        }
        bool within = phi_scope_within(&rules, &in, &out), all = true;
        yes += within;
        for (int x = 0; x < ACTIONS; x++)
            for (size_t k = 0; k < w->n; k++) {
                struct phi_view act = phi_view_of(actions[x]);
                if (phi_scope_covers(&rules, &in, act, w->r[k]) && !phi_scope_covers(&rules, &out, act, w->r[k]))
                    all = false;
            }
        assert_int_equal(within, all);
    }
    assert_in_range(yes, 500, 3500);
}

static void an_empty_scope_is_within_nothing(void **state)
{
    struct world *w = *state;
    struct phi_view act = PHI_LIT("pg:write");
    struct phi_scope out = { &act, 1, w->r, 1 }, none = { &act, 0, w->r, 1 }, nowhere = { &act, 1, w->r, 0 };
    assert_false(phi_scope_within(&rules, &none, &out));
    assert_false(phi_scope_within(&rules, &nowhere, &out));
    assert_false(phi_scope_within(&rules, &out, &none));
    assert_false(phi_scope_within(NULL, &(struct phi_scope){ &(struct phi_view){ 0 }, 1, w->r, 1 }, &out));
}

/* Whatever is narrowed, what is left lies in both, and everything that lies in both is left. */
static void meeting_is_the_intersection(void **state)
{
    struct world *w = *state;
    struct phi_view act[1] = { PHI_LIT("pg:write") };
    for (int round = 0; round < 2000; round++) {
        struct phi_view a[4];
        struct phi_ref r1[4], r2[4];
        struct phi_scope x = draw(w, a, r1), y = draw(w, a, r2);
        const struct phi_ref *both = NULL;
        size_t n = 0;
        PHI_ARENA(arena, 1 << 16);
        assert_int_equal(phi_refs_meet(&arena, x.resources, x.n_resources, y.resources, y.n_resources, &both, &n, NULL), PHI_OK);
        x.actions = y.actions = act;
        x.n_actions = y.n_actions = 1;
        struct phi_scope z = { act, 1, both, n };
        for (size_t k = 0; k < w->n; k++)
            assert_int_equal(phi_scope_covers(NULL, &z, act[0], w->r[k]),
                             phi_scope_covers(NULL, &x, act[0], w->r[k]) && phi_scope_covers(NULL, &y, act[0], w->r[k]));
    }
}

static const struct phi_window once = { 0x1f, 120, 60 };

static void reads_back(struct phi_arena *a, const struct phi_grant *g)
{
    PHI_BUF(one, 1 << 16);
    PHI_BUF(two, 1 << 16);
    const struct phi_json *v;
    struct phi_grant r;
    phi_grant_write(&one, g);
    assert_int_equal(phi_json_read(a, phi_buf_view(&one), PHI_JSON_STRICT, "grant", &v, NULL), PHI_OK);
    assert_int_equal(phi_grant_read(a, v, &r, NULL), PHI_OK);
    phi_grant_write(&two, &r);
    assert_true(phi_view_eq(phi_buf_view(&one), phi_buf_view(&two)));
}

/* Against counting minute by minute. */
static void a_window_is_open_when_the_calendar_says_so(void **state)
{
    (void)state;
    const struct phi_window w[] = { { 1u << 0 | 1u << 4, 23 * 60, 120 }, { 1u << 6, 10 * 60, 1440 } };
    static bool open[7 * 1440];
    for (size_t i = 0; i < 2; i++)
        for (int d = 0; d < 7; d++)
            for (int m = 0; w[i].days >> d & 1 && m < w[i].for_min; m++)
                open[(d * 1440 + w[i].from_min + m) % (7 * 1440)] = true;
    const int64_t monday = 1790553600000; /* 2026-09-28T00:00:00Z */
    for (int m = 0; m < 7 * 1440; m++) {
        int64_t left = phi_windows_left(w, 2, monday + m * 60000LL), run = 0;
        while (run < 7 * 1440 && open[(m + run) % (7 * 1440)])
            run++;
        assert_int_equal(left > 0, open[m]);
        assert_true(left <= run * 60000);
    }
    assert_int_equal(phi_windows_left(w, 2, monday + 23 * 3600000LL + 1), 120 * 60000 - 1);
    assert_int_equal(phi_windows_left(w, 0, monday), 0);
}

static void body_of(struct world *w, struct phi_body *b, struct phi_view *acts, struct phi_ref *refs)
{
    uint8_t random[10] = { 1 };
    *b = (struct phi_body){ .id = phi_id_make(1790000000000, random), .requester = { PHI_LIT("Person"), PHI_LIT("p") },
                            .target = w->r[0], .has_scope = true, .version = 1 };
    b->bounds.for_ms = 1 + roll(1000);
    b->bounds.uses = roll(4);
    b->bounds.until_ms = roll(2) ? 10000 + roll(1000) : 0;
    b->bounds.from_ms = roll(2) ? 9000 + roll(1000) : 0;
    b->bounds.budget = (struct phi_budget){ roll(5), roll(3) ? 0 : 1 + roll(20), roll(2) ? 0 : 1 + roll(100) };
    b->bounds.windows = &once;
    b->bounds.n_windows = roll(2) ? 1 : 0;
    do
        b->scope = draw(w, acts, refs);
    while (phi_body_check(b, NULL) != PHI_OK);
}

/* Every grant that is made passes the check, and making it wider in any one way does not. */
static void a_grant_is_never_wider_than_what_was_asked(void **state)
{
    struct world *w = *state;
    int made = 0;
    for (int round = 0; round < 500; round++) {
        struct phi_view acts[4], spare[4];
        struct phi_ref refs[4], cut[4];
        struct phi_body b;
        struct phi_grant g;
        struct phi_digest bundle = { { 0 } };
        struct phi_narrowing n[2] = { { .for_ms = roll(1500), .uses = roll(3), .budget = { 0, roll(9), 0 } },
                                      { .until_ms = roll(2) ? 10000 + roll(900) : 0, .from_ms = roll(2) ? 9500 + roll(900) : 0 } };
        int64_t first = roll(3) ? 0 : 1 + roll(500);
        PHI_ARENA(arena, 1 << 18);
        body_of(w, &b, acts, refs);
        if (roll(2)) {
            struct phi_scope s = draw(w, spare, cut);
            n[1].resources = s.resources;
            n[1].n_resources = s.n_resources;
        }
        if (phi_grant_make(&arena, b.id, &b, n, 2, 10000, first, &bundle, &g, NULL) != PHI_OK)
            continue;
        made++;
        assert_int_equal(phi_grant_check(&g, &b, n, 2, &rules, NULL), PHI_OK);
        struct phi_grant x = g;
        x.for_ms = b.bounds.for_ms + 1;
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
        x = g;
        x.uses = 0; /* any number */
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), b.bounds.uses || n[0].uses ? PHI_EDENIED : PHI_OK);
        x = g;
        x.principal.id = PHI_LIT("q");
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
        if (g.from_ms) {
            x = g;
            x.from_ms = g.from_ms - 1;
            assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
        }
        x = g;
        x.budget.rows = g.budget.rows + 1;
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), g.budget.rows ? PHI_EDENIED : PHI_OK);
        x = g;
        x.n_windows = g.n_windows ? 0 : 1;
        x.windows = &once;
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
        reads_back(&arena, &g);
        x = g;
        x.digest.b[0] ^= 1;
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
        x = g;
        x.until_ms = 0;
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
        x = g;
        struct phi_ref other = w->r[w->n - 1];
        x.scope.resources = &other;
        x.scope.n_resources = 1;
        assert_int_equal(phi_grant_check(&x, &b, n, 2, &rules, NULL), PHI_EDENIED);
    }
    assert_in_range(made, 100, 500);
}

static void a_grant_without_time_left_is_not_made(void **state)
{
    struct world *w = *state;
    struct phi_view acts[4];
    struct phi_ref refs[4];
    struct phi_body b;
    struct phi_grant g;
    struct phi_digest bundle = { { 0 } };
    PHI_ARENA(arena, 1 << 16);
    body_of(w, &b, acts, refs);
    b.bounds.until_ms = 10000;
    assert_int_equal(phi_grant_make(&arena, b.id, &b, NULL, 0, 10000, 0, &bundle, &g, NULL), PHI_EEXPIRED);
    assert_int_equal(phi_grant_make(&arena, b.id, &b, NULL, 0, 20000, 0, &bundle, &g, NULL), PHI_EEXPIRED);
    assert_int_equal(phi_grant_make(&arena, b.id, &b, NULL, 0, 9999, 0, &bundle, &g, NULL), PHI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containment_is_an_order_by_prefix),
        cmocka_unit_test(within_means_every_point_is_covered),
        cmocka_unit_test(an_empty_scope_is_within_nothing),
        cmocka_unit_test(meeting_is_the_intersection),
        cmocka_unit_test(a_window_is_open_when_the_calendar_says_so),
        cmocka_unit_test(a_grant_is_never_wider_than_what_was_asked),
        cmocka_unit_test(a_grant_without_time_left_is_not_made),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
