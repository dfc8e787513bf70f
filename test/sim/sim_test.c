/* The simulator: the real core over the memory store, with clocks, crashes and restarts in the hand of a
 * seed. One seed, one run. After each step DESIGN's invariants are checked, and an observer who knows the
 * true time, who is who and what was revoked holds every claim against what people really approved.
 *
 *     test-sim-sim              the seeds of a test run
 *     PHI_SIM_SEED=n test-sim-sim    one seed, each step told
 *     PHI_SIM_SEEDS=n PHI_SIM_HOURS=h PHI_SIM_FROM=n    so many seeds from that one on, or until so much time is over */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/os.h"
#include "kit.h"
#include "store/mem.h"

#ifndef SEEDS
#define SEEDS 10000 /* meson.build gives fewer where each is dear */
#endif
#define STEPS 30
#define MAX_SEEN 24

struct seen_request { /* as some screen shows it; may be out of date */
    char id[40], digest[72], act[72];
    int64_t version;
    bool exact;
};
struct seen_grant {
    char id[40], act[72];
    enum kit_who who;
    int64_t made_tt, bound_ms, uses, effects;
    bool exact, revoked, glass, reviewed;
};
struct seen_claim {
    char id[40], key[16];
    int grant, gw;
};

struct sim {
    struct kit k;
    int64_t tt; /* true time: goes on whatever the clocks say */
    struct seen_request r[MAX_SEEN];
    struct seen_grant g[MAX_SEEN];
    struct seen_claim c[MAX_SEEN];
    size_t n_r, n_g, n_c;
    enum kit_who is[KIT_PEOPLE]; /* who this account truly is, after links */
    bool tell, crashing, let_in; /* let_in: mallory was a DBA for a while, or voted for one */
    bool frozen; /* the live policy forbids writes */
    struct core_held held; /* the log up to the last look */
    char wrong[300];
};

#define wrong(s, ...) snprintf((s)->wrong, sizeof (s)->wrong, __VA_ARGS__)

static uint64_t pick(struct sim *s, uint64_t below)
{
    return kit_random(&s->k) % below;
}

static void text(char *to, size_t max, struct phi_view v)
{
    snprintf(to, max, PHI_FMT, PHI_ARG(v));
}

static void saw(struct sim *s, const struct phi_request *r)
{
    struct seen_request *to = &s->r[s->n_r < MAX_SEEN ? s->n_r++ : pick(s, MAX_SEEN)];
    text(to->id, sizeof to->id, r->id);
    text(to->digest, sizeof to->digest, r->digest);
    text(to->act, sizeof to->act, r->act);
    to->version = r->version;
    to->exact = r->act.n > 0;
}

static enum kit_who whose(const struct sim *s, struct phi_view person)
{
    for (int i = 0; i < KIT_PEOPLE; i++)
        if (phi_view_eq(s->k.person[i], person))
            return (enum kit_who)i;
    return KIT_ROOT;
}

/* Whether the requester acts for this person, under whatever account. */
static bool is_for(const struct sim *s, const struct phi_request *r, enum kit_who p)
{
    for (size_t i = 0; i < r->n_on_behalf; i++)
        for (int k = 0; k < KIT_PEOPLE; k++)
            if (phi_view_is(r->on_behalf[i], kit_name((enum kit_who)k)) && s->is[k] == p)
                return true;
    return false;
}

/* A grant came to be: were there enough persons, and was none of them the requester? */
static void grant_made(struct sim *s, const struct phi_request *r)
{
    struct seen_grant *g;
    bool voted[KIT_PEOPLE] = { false };
    int persons = 0;
    if (s->n_g == MAX_SEEN)
        return;
    enum kit_who who = whose(s, r->requester.id);
    for (size_t i = 0; i < r->n_votes; i++) {
        enum kit_who p = s->is[whose(s, r->votes[i].person)];
        if (!r->votes[i].approve)
            wrong(s, "a grant rests on a deny");
        /* A vote may stand there of whom a later link made the requester; it must not be needed. */
        persons += !voted[p] && p != s->is[who] && !is_for(s, r, p);
        voted[p] = true;
    }
    bool two = memmem(r->summary.p, r->summary.n, "pg:ddl", 6) || memmem(r->summary.p, r->summary.n, "pg:admin", 8);
    if (persons < (two ? 2 : 1))
        wrong(s, "a grant rests on %d persons", persons);
    g = &s->g[s->n_g++];
    *g = (struct seen_grant){ .who = who, .made_tt = s->tt, .uses = r->grant->uses, .exact = r->act.n > 0 };
    g->bound_ms = r->grant->remaining_ms;
    if (g->bound_ms > r->for_ms)
        wrong(s, "a grant is longer than asked");
    text(g->id, sizeof g->id, r->grant->id);
    text(g->act, sizeof g->act, r->act);
}

/* An effect is about to happen in the target. */
static void effect(struct sim *s, struct seen_grant *g, enum kit_who who)
{
    g->effects++;
    if (s->tt - g->made_tt >= g->bound_ms)
        wrong(s, "an effect %lld ms after its right's true end", (long long)(s->tt - g->made_tt - g->bound_ms));
    if (g->uses > 0 && g->effects > g->uses)
        wrong(s, "%lld effects of %lld", (long long)g->effects, (long long)g->uses);
    if (g->revoked)
        wrong(s, "an effect after the revocation");
    if (s->frozen)
        wrong(s, "an effect that the live policy forbids");
    if (who != g->who)
        wrong(s, "an effect by somebody else");
}

/* ---- steps */

static void step_ask(struct sim *s)
{
    static const char *const sql[] = { "DELETE FROM orders WHERE id = 7", "DELETE FROM orders WHERE id = 8", "DROP TABLE orders" };
    static const char *const sessions[] = { "s1", "s1", "s2" };
    uint64_t i = pick(s, 3);
    enum kit_who who = pick(s, 4) ? KIT_ALICE : (enum kit_who)(KIT_ALICE + pick(s, KIT_PEOPLE - 1));
    struct phi_request_answer ans;
    if (kit_ask(&s->k, 1 + (int)pick(s, 2), who, sql[i], i == 2 ? "pg:ddl" : "pg:delete", sessions[pick(s, 3)], &ans) !=
        PHI_OK)
        return;
    if (ans.kind == PHI_ANSWER_ALLOW)
        wrong(s, "a write was allowed without approval");
    if (ans.kind == PHI_ANSWER_PENDING)
        saw(s, &ans.request);
}

static void step_scope(struct sim *s)
{
    struct phi_request_answer ans;
    enum kit_who who = pick(s, 3) ? KIT_ALICE : KIT_BOB;
    if (kit_scope(&s->k, who, pick(s, 2) ? "pg:write" : "pg:admin", "shop/public.orders", (int64_t)(1 + pick(s, 20)) * 60000,
                  (int64_t)pick(s, 4), &ans) == PHI_OK &&
        ans.kind == PHI_ANSWER_PENDING)
        saw(s, &ans.request);
}

/* For one or two others: with their rights, and without their votes. */
static void step_behalf(struct sim *s)
{
    struct phi_request_answer ans;
    enum kit_who who = pick(s, 3) ? KIT_ALICE : KIT_BOB;
    struct phi_view for_whom[] = { s->k.person[KIT_ALICE + pick(s, 5)], s->k.person[KIT_BOB + pick(s, 3)] };
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    ask.for_ms = (int64_t)(1 + pick(s, 20)) * 60000;
    ask.on_behalf = for_whom;
    ask.n_on_behalf = 1 + pick(s, 2);
    if (kit_make(&s->k, who, &ask, &ans) == PHI_OK && ans.kind == PHI_ANSWER_PENDING)
        saw(s, &ans.request);
}

static void step_hours(struct sim *s)
{
    struct phi_profile p = { .quiet_from_min = (int64_t)pick(s, 1440), .quiet_to_min = (int64_t)pick(s, 1440), .quiet_days = (int64_t)pick(s, 128) };
    kit_profile(&s->k, (enum kit_who)pick(s, KIT_PEOPLE), &p);
}

static struct phi_request on_screen(struct sim *s)
{
    const struct seen_request *r = &s->r[pick(s, s->n_r)];
    return (struct phi_request){ .id = phi_view_of(r->id), .digest = phi_view_of(r->digest), .version = r->version };
}

static void step_vote(struct sim *s)
{
    struct phi_request after, r;
    if (s->n_r == 0)
        return;
    r = on_screen(s);
    enum kit_who who = pick(s, 5) ? (enum kit_who)(KIT_BOB + pick(s, 3)) : (enum kit_who)pick(s, KIT_PEOPLE);
    int64_t narrow = pick(s, 4) ? 0 : (int64_t)(1 + pick(s, 1200)) * 1000;
    if (kit_vote(&s->k, who, &r, pick(s, 8) != 0, narrow, &after) != PHI_OK)
        return;
    if (!phi_view_eq(after.digest, r.digest))
        wrong(s, "a vote on another digest counted");
    if (after.status == PHI_REQUEST_APPROVED && after.grant)
        grant_made(s, &after);
}

static void step_edit(struct sim *s)
{
    struct phi_request after;
    if (s->n_r && kit_edit(&s->k, pick(s, 4) ? KIT_ALICE : KIT_MALLORY, on_screen(s).id,
                           (int64_t)(1 + pick(s, 9)) * 60000, &after) == PHI_OK)
        saw(s, &after);
}

static void step_claim(struct sim *s)
{
    struct phi_claim claim, twice;
    char key[16];
    if (s->n_g == 0)
        return;
    int gi = (int)pick(s, s->n_g), gw = 1 + (int)pick(s, 2);
    struct seen_grant *g = &s->g[gi];
    enum kit_who who = pick(s, 8) ? g->who : KIT_MALLORY;
    const char *action = memcmp(g->act, "", 1) == 0 || pick(s, 8) ? "pg:delete" : "pg:update";
    if (pick(s, 6))
        kit_lease(&s->k, gw); /* gateways renew as long as they can */
    snprintf(key, sizeof key, "k%d", (int)pick(s, 6));
    struct phi_view grant = phi_view_of(g->id), act = phi_view_of(g->exact ? g->act : "");
    if (kit_claim(&s->k, gw, who, grant, act, action, key, &claim) != PHI_OK)
        return;
    if (claim.again)
        return; /* the gateway acted on the first answer */
    effect(s, g, who);
    /* The reply may be lost: asking again is the same claim. */
    enum phi_rc rc = kit_claim(&s->k, gw, who, grant, act, action, key, &twice);
    if (rc == PHI_OK ? !twice.again || !phi_view_eq(twice.id, claim.id) : !s->crashing)
        wrong(s, "the same key gave another answer");
    if (s->n_c < MAX_SEEN) {
        struct seen_claim *c = &s->c[s->n_c++];
        *c = (struct seen_claim){ .grant = gi, .gw = gw };
        text(c->id, sizeof c->id, claim.id);
    }
}

static void step_outcome(struct sim *s)
{
    if (s->n_c == 0)
        return;
    struct seen_claim *c = &s->c[pick(s, s->n_c)];
    enum phi_outcome o = (enum phi_outcome)(1 + pick(s, 4));
    if (kit_outcome(&s->k, c->gw, phi_view_of(c->id), o) != PHI_OK)
        return;
    if (o == PHI_OUTCOME_UNSENT && c->grant >= 0) {
        s->g[c->grant].effects--; /* no byte was sent */
        c->grant = -1;
    }
}

static void step_revoke(struct sim *s)
{
    struct phi_revoked v;
    if (s->n_g == 0)
        return;
    struct seen_grant *g = &s->g[pick(s, s->n_g)];
    enum kit_who who = (enum kit_who)pick(s, KIT_PEOPLE);
    if (kit_revoke(&s->k, who, phi_view_of(g->id), &v) != PHI_OK)
        return;
    if (who == KIT_MALLORY && !s->let_in && s->is[KIT_MALLORY] == KIT_MALLORY && g->who != KIT_MALLORY)
        wrong(s, "an outsider revoked");
    g->revoked = true;
}

static void step_withdraw(struct sim *s)
{
    if (s->n_g && pick(s, 2)) {
        struct seen_grant *g = &s->g[pick(s, s->n_g)];
        if (kit_return(&s->k, g->who, phi_view_of(g->id)) == PHI_OK)
            g->revoked = true;
    } else if (s->n_r && pick(s, 2)) {
        kit_cancel(&s->k, KIT_ALICE, on_screen(s).id);
    } else if (s->n_r) {
        kit_leave(&s->k, 1, on_screen(s).id, pick(s, 2) ? "s1" : "s2");
    }
}

static void step_gateway(struct sim *s)
{
    if (pick(s, 2))
        kit_ack(&s->k, 1 + (int)pick(s, 2), s->k.last_end);
    else
        kit_lease(&s->k, 1 + (int)pick(s, 2));
}

static void step_people(struct sim *s)
{
    static const enum kit_who who[] = { KIT_BOB, KIT_CAROL, KIT_MALLORY };
    if (pick(s, 4)) {
        enum kit_who changed = who[pick(s, 3)];
        s->let_in |= changed == KIT_MALLORY;
        kit_group(&s->k, changed, "dba", pick(s, 2));
        return;
    }
    enum kit_who account = (enum kit_who)(KIT_BOB + pick(s, 3)), person = (enum kit_who)(KIT_ALICE + pick(s, 4));
    if (kit_link(&s->k, account, person) != PHI_OK)
        return;
    enum kit_who from = s->is[account], to = s->is[person];
    for (int i = 0; i < KIT_PEOPLE; i++)
        if (s->is[i] == from)
            s->is[i] = to;
}

/* ---- rights without approval, and votes for others */

#define GLASS                                                                                      \
    "@id(\"glass\") permit (principal in Group::\"dev\", action in Action::\"pg:write\", resource in Target::\"[\\\"shop\\\"]\")\n" \
    "when { context.met.contains(\"glass\") };\n"
#define NEEDS                                                                                      \
    "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 15m, delegation: true, remind: 3m}\n"         \
    "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 5m, uses: 1, delegation: true}\n" \
    "glass: {kind: break-glass, ttl: 10m}\n"

static void step_glass(struct sim *s)
{
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    enum kit_who who = pick(s, 3) ? KIT_ALICE : KIT_BOB;
    ask.break_glass = true;
    if (kit_make(&s->k, who, &ask, &ans) != PHI_OK || ans.kind != PHI_ANSWER_GRANT)
        return;
    for (size_t i = 0; i < s->n_g; i++)
        if (s->g[i].glass && !s->g[i].reviewed && s->is[s->g[i].who] == s->is[who])
            wrong(s, "the glass was broken again before a review");
    if (s->n_g == MAX_SEEN)
        return;
    struct seen_grant *g = &s->g[s->n_g++];
    *g = (struct seen_grant){ .who = who, .made_tt = s->tt, .uses = ans.grant.uses, .glass = true };
    g->bound_ms = ans.grant.remaining_ms;
    if (g->bound_ms > 600000)
        wrong(s, "a broken glass lasts too long");
    text(g->id, sizeof g->id, ans.grant.id);
}

static void step_review(struct sim *s)
{
    struct phi_grant_view v;
    if (s->n_g == 0)
        return;
    struct seen_grant *g = &s->g[pick(s, s->n_g)];
    enum kit_who who = (enum kit_who)pick(s, KIT_PEOPLE);
    if (kit_review(&s->k, who, phi_view_of(g->id), &v) != PHI_OK)
        return;
    if (!g->glass || g->reviewed || s->is[who] == s->is[g->who])
        wrong(s, "a review by its user, or of nothing");
    g->reviewed = true;
}

static void step_delegate(struct sim *s)
{
    struct phi_delegation d;
    enum kit_who giver = (enum kit_who)(KIT_BOB + pick(s, 3)), taker = (enum kit_who)(KIT_ALICE + pick(s, 5));
    if (kit_delegate(&s->k, giver, taker, (int64_t)(1 + pick(s, 900)) * 1000, &d) == PHI_OK)
        s->let_in |= taker == KIT_MALLORY;
}

static void step_policy(struct sim *s)
{
    bool freeze = pick(s, 2);
    if (kit_bundle(&s->k, freeze ? GLASS "@id(\"freeze\") forbid (principal, action in Action::\"pg:write\", resource);\n" : GLASS,
                   NEEDS) == PHI_OK)
        s->frozen = freeze;
}

static void step_time(struct sim *s)
{
    static const int64_t ms[] = { 1, 1000, 60000, 600000, 899999, 900000 };
    int64_t go = ms[pick(s, 6)];
    s->tt += go;
    kit_pass(&s->k, go);
    if (pick(s, 2))
        kit_tick(&s->k, NULL);
}

static void step_wall(struct sim *s) /* somebody sets the clock */
{
    static const int64_t ms[] = { -86400000, -60000, 60000, 3600000 };
    s->k.wall += ms[pick(s, 4)];
    kit_tick(&s->k, NULL);
}

static void restart(struct sim *s)
{
    phi_store_mem_fail(s->k.store, 0);
    s->crashing = false;
    if (kit_reopen(&s->k) != PHI_OK)
        wrong(s, "core does not open again: %s", s->k.err.msg);
}

static void step_reboot(struct sim *s) /* off for a while; the clock may come up wrong, before the anchor */
{
    int64_t off = (int64_t)pick(s, 1200) * 1000;
    kit_tick(&s->k, NULL);
    snprintf(s->k.boot_id, sizeof s->k.boot_id, "boot-%llx", (unsigned long long)kit_random(&s->k));
    s->tt += off;
    s->k.wall += pick(s, 4) ? off : -(int64_t)pick(s, 86400000) - 1;
    s->k.boot = (int64_t)pick(s, 5000000);
    restart(s);
}

static void step_crash(struct sim *s) /* the store goes away during one of the next writes */
{
    phi_store_mem_fail(s->k.store, 1 + (int64_t)pick(s, 30));
    s->crashing = true;
}

static const struct {
    const char *name;
    void (*run)(struct sim *s);
    unsigned weight;
} steps[] = {
    { "ask", step_ask, 20 },         { "scope", step_scope, 8 },     { "vote", step_vote, 30 },
    { "edit", step_edit, 4 },        { "claim", step_claim, 30 },    { "outcome", step_outcome, 12 },
    { "revoke", step_revoke, 4 },    { "withdraw", step_withdraw, 4 }, { "gateway", step_gateway, 4 },
    { "people", step_people, 4 },    { "time", step_time, 12 },      { "wall", step_wall, 3 },
    { "reboot", step_reboot, 3 },    { "crash", step_crash, 4 },
    { "glass", step_glass, 5 },      { "review", step_review, 6 },   { "delegate", step_delegate, 3 },
    { "policy", step_policy, 1 },     { "behalf", step_behalf, 5 },     { "hours", step_hours, 2 },
};
#define N_STEPS (sizeof steps / sizeof *steps)

static size_t next_step(struct sim *s)
{
    unsigned total = 0;
    for (size_t i = 0; i < N_STEPS; i++)
        total += steps[i].weight;
    unsigned at = (unsigned)pick(s, total);
    size_t i = 0;
    while (at >= steps[i].weight)
        at -= steps[i++].weight;
    return i;
}

static bool one_step(struct sim *s, int n)
{
    size_t i = next_step(s);
    steps[i].run(s);
    if (s->tell)
        printf("%2d %-9s tt %lld wall %lld  %s\n", n, steps[i].name, (long long)s->tt, (long long)s->k.wall, s->k.err.msg);
    if (s->crashing && steps[i].run != step_crash && pick(s, 2))
        restart(s);
    if (s->wrong[0] == 0 && !s->crashing && kit_invariants(&s->k, &s->held) != PHI_OK)
        wrong(s, "%s", s->k.err.msg);
    kit_forget(&s->k);
    if (s->wrong[0])
        print_error("step %d (%s): %s\n", n, steps[i].name, s->wrong);
    return s->wrong[0] == 0;
}

static bool one_seed(const struct kit *from, uint64_t seed, bool tell, size_t *grants, size_t *effects)
{
    struct sim *s = calloc(1, sizeof *s);
    struct phi_store *store = phi_store_mem_copy(from->store);
    bool ok = s && store;
    if (!ok)
        return false;
    kit_copy(&s->k, from, store, seed);
    for (int i = 0; i < KIT_PEOPLE; i++)
        s->is[i] = (enum kit_who)i;
    s->tell = tell;
    for (int n = 0; n < STEPS && ok; n++)
        ok = one_step(s, n);
    phi_store_mem_fail(store, 0);
    if (ok && kit_invariants(&s->k, NULL) != PHI_OK) {
        print_error("at the end: %s\n", s->k.err.msg);
        ok = false;
    }
    *grants += s->n_g;
    for (size_t i = 0; i < s->n_g; i++)
        *effects += (size_t)s->g[i].effects;
    kit_close(&s->k);
    phi_store_close(store);
    free(s);
    return ok;
}

static void every_seed_keeps_the_invariants(void **state)
{
    static struct kit from;
    size_t grants = 0, effects = 0;
    (void)state;
    const char *one = getenv("PHI_SIM_SEED"), *count = getenv("PHI_SIM_SEEDS");
    struct phi_store *store = phi_store_mem_open();
    kit_open(&from, store, 42);
    assert_int_equal(kit_bundle(&from, GLASS, NEEDS), PHI_OK);
    const char *from_seed = getenv("PHI_SIM_FROM"), *hours = getenv("PHI_SIM_HOURS");
    uint64_t first = one ? strtoull(one, NULL, 10) : from_seed ? strtoull(from_seed, NULL, 10) : 1;
    uint64_t most = one ? 1 : count ? strtoull(count, NULL, 10) : hours ? UINT64_MAX / 2 : SEEDS, n = 0;
    int64_t began = phi_now_boot_ms(), span = hours ? (int64_t)(3600000 * strtod(hours, NULL)) : INT64_MAX;
    for (uint64_t seed = first; n < most && phi_now_boot_ms() - began < span; seed++, n++)
        if (!one_seed(&from, seed, one != NULL, &grants, &effects)) {
            print_error("seed %llu\n", (unsigned long long)seed);
            fail();
        }
    print_message("%llu seeds of %d steps: %zu grants, %zu effects, %lld s\n", (unsigned long long)n, STEPS, grants, effects,
                  (long long)((phi_now_boot_ms() - began) / 1000));
    assert_true(one || (grants > n / 10 && effects > n / 20)); /* a simulation in which nothing happens shows nothing */
    kit_close(&from);
    phi_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_seed_keeps_the_invariants) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
