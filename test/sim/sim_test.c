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
#include "seen.h"
#include "store/mem.h"

#ifndef SEEDS
#define SEEDS 10000 /* meson.build gives fewer where each is dear */
#endif
#define STEPS 40
/* ---- steps */

static void step_ask(struct sim *s)
{
    static const char *const sql[] = { "DELETE FROM orders WHERE id = 7", "DELETE FROM orders WHERE id = 8", "DROP TABLE orders" };
    static const char *const sessions[] = { "s1", "s1", "s2" };
    uint64_t i = sim_pick(s, 3);
    enum kit_who who = sim_pick(s, 4) ? KIT_ALICE : (enum kit_who)(KIT_ALICE + sim_pick(s, KIT_PEOPLE - 1));
    struct phi_request_answer ans;
    int gw = 1 + (int)sim_pick(s, 2);
    const char *action = i == 2 ? "pg:ddl" : "pg:delete", *session = sessions[sim_pick(s, 3)];
    if (kit_ask(&s->k, gw, who, sql[i], action, session, &ans) != PHI_OK)
        return;
    sim_answered(s, &ans);
    if (ans.kind == PHI_ANSWER_PENDING)
        net_waits(s, gw, who, session, action, &ans.request);
}

static void step_scope(struct sim *s)
{
    struct phi_request_answer ans;
    struct phi_window hour = { 0x7f, s->k.wall / 60000 % 1440 / 30 * 30, 60 };
    struct phi_view watcher = PHI_LIT("mallory"), *action;
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    action = phi_arena_new(&s->k.a, struct phi_view);
    *action = sim_pick(s, 2) ? PHI_LIT("pg:write") : PHI_LIT("pg:admin");
    ask.scope_actions = action;
    ask.for_ms = (int64_t)(1 + sim_pick(s, 20)) * 60000;
    ask.uses = (int64_t)sim_pick(s, 4);
    ask.budget.statements = sim_pick(s, 3) ? 0 : (int64_t)(1 + sim_pick(s, 2));
    ask.windows = &hour;
    ask.n_windows = sim_pick(s, 4) == 0;
    ask.watchers = ask.suggested = &watcher; /* to see it is no vote */
    ask.n_watchers = sim_pick(s, 2);
    ask.n_suggested = sim_pick(s, 2);
    ask.key = sim_pick(s, 4) ? (struct phi_view){ 0 } : PHI_LIT("key");
    if (kit_make(&s->k, sim_pick(s, 3) ? KIT_ALICE : KIT_BOB, &ask, &ans) == PHI_OK)
        sim_answered(s, &ans);
}

/* As persons: accounts that became one are told once. */
static bool for_all_of(const struct sim *s, const struct seen_grant *g, const struct phi_request *r)
{
    for (size_t i = 0; i < g->n_behalf; i++) {
        bool there = false;
        for (size_t n = 0; n < r->n_on_behalf; n++)
            for (int k = 0; k <= KIT_CI; k++)
                there |= phi_view_is(r->on_behalf[n], kit_name((enum kit_who)k)) && s->is[k] == s->is[g->behalf[i]];
        if (!there)
            return false;
    }
    return true;
}

/* Goes on from a grant: never wider than it, and for the same people. */
static void step_extend(struct sim *s)
{
    struct phi_request_answer ans;
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    if (s->n_g == 0)
        return;
    const struct seen_grant *g = &s->g[sim_pick(s, s->n_g)];
    ask.extends = phi_view_of(g->id);
    ask.n_scope_actions = ask.n_scope_resources = sim_pick(s, 2);
    ask.uses = (int64_t)sim_pick(s, 3);
    if (kit_make(&s->k, g->who, &ask, &ans) != PHI_OK)
        return;
    if (g->glass || g->revoked || g->exact)
        wrong(s, "what has ended, or was approved by nobody or for its bytes alone, was extended");
    if (ans.kind != PHI_ANSWER_PENDING)
        return sim_answered(s, &ans);
    if (!for_all_of(s, g, &ans.request) || (g->uses && (ans.request.uses == 0 || ans.request.uses > g->uses)))
        wrong(s, "an extension is wider than its grant");
    sim_saw(s, &ans.request);
}

/* For one or two others: with their rights, and without their votes. */
static void step_behalf(struct sim *s)
{
    struct phi_request_answer ans;
    enum kit_who who = sim_pick(s, 3) ? KIT_ALICE : KIT_BOB;
    struct phi_view for_whom[] = { s->k.person[KIT_ALICE + sim_pick(s, 5)], s->k.person[KIT_BOB + sim_pick(s, 3)] };
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    ask.for_ms = (int64_t)(1 + sim_pick(s, 20)) * 60000;
    ask.on_behalf = for_whom;
    ask.n_on_behalf = 1 + sim_pick(s, 2);
    if (kit_make(&s->k, who, &ask, &ans) == PHI_OK)
        sim_answered(s, &ans);
}

static void step_hours(struct sim *s)
{
    struct phi_profile p = { .quiet_from_min = (int64_t)sim_pick(s, 1440), .quiet_to_min = (int64_t)sim_pick(s, 1440), .quiet_days = (int64_t)sim_pick(s, 128) };
    kit_profile(&s->k, (enum kit_who)sim_pick(s, KIT_PEOPLE), &p);
}

static struct phi_request on_screen(struct sim *s)
{
    const struct seen_request *r = &s->r[sim_pick(s, s->n_r)];
    return (struct phi_request){ .id = phi_view_of(r->id), .digest = phi_view_of(r->digest), .version = r->version };
}

static void step_vote(struct sim *s)
{
    struct phi_request after, r;
    if (s->n_r == 0)
        return;
    r = on_screen(s);
    static const enum kit_who dbas[] = { KIT_BOB, KIT_CAROL, KIT_DORA, KIT_ROOT };
    enum kit_who who = sim_pick(s, 5) ? dbas[sim_pick(s, 4)] : (enum kit_who)sim_pick(s, KIT_PEOPLE);
    int64_t narrow = sim_pick(s, 4) ? 0 : (int64_t)(1 + sim_pick(s, 1200)) * 1000;
    if (kit_vote(&s->k, who, &r, sim_pick(s, 8) != 0, narrow, &after) != PHI_OK)
        return;
    if (!phi_view_eq(after.digest, r.digest))
        wrong(s, "a vote on another digest counted");
    if (after.status == PHI_REQUEST_APPROVED && after.grant)
        sim_granted(s, &after);
}

/* By whatever account: the requester, those for whom it is and what it goes on from stay; votes go. */
static void step_edit(struct sim *s)
{
    struct phi_request was, after;
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    enum kit_who who = sim_pick(s, 4) ? KIT_ALICE : (enum kit_who)(KIT_BOB + sim_pick(s, 4));
    if (s->n_r == 0 || kit_get(&s->k, KIT_ROOT, on_screen(s).id, &was) != PHI_OK)
        return;
    ask.for_ms = (int64_t)(1 + sim_pick(s, 9)) * 60000;
    ask.break_glass = sim_pick(s, 4) == 0;
    ask.from_addr = PHI_LIT("192.0.2.1");
    if (kit_refile(&s->k, who, was.id, &ask, &after) != PHI_OK)
        return;
    if (s->is[who] != s->is[sim_whose(s, was.requester.id)] || after.break_glass || !phi_view_eq(after.extends, was.extends) ||
        after.n_on_behalf != was.n_on_behalf || after.version != was.version + 1 ||
        !memmem(after.body.p, after.body.n, was.requester.id.p, was.requester.id.n) || !phi_view_is(after.from_addr, "192.0.2.1"))
        wrong(s, "an edit dropped or brought along what it must not");
    for (size_t i = 0; i < after.n_votes; i++)
        if (!phi_view_is(after.votes[i].person, "auto"))
            wrong(s, "a vote outlived an edit");
    sim_saw(s, &after);
}

static void step_talk(struct sim *s)
{
    struct phi_request r;
    enum kit_who who = (enum kit_who)sim_pick(s, KIT_PEOPLE);
    if (s->n_r && sim_pick(s, 2))
        kit_remark(&s->k, who, on_screen(s).id, sim_pick(s, 2), &r);
    else if (s->n_r)
        kit_watch(&s->k, who, on_screen(s).id, KIT_MALLORY, &r);
}

static void step_many(struct sim *s)
{
    struct phi_revoked_many m;
    enum kit_who who = (enum kit_who)(KIT_ALICE + sim_pick(s, 3));
    bool all = sim_pick(s, 2);
    struct phi_revoke_filter f = { .everything = all, .person = all ? (struct phi_view){ 0 } : s->k.person[who] };
    if (kit_revoke_many(&s->k, KIT_ROOT, &f, &m) != PHI_OK)
        return;
    for (size_t i = 0; i < s->n_g; i++) {
        s->g[i].revoked |= all || s->is[s->g[i].who] == s->is[who];
        if (all && m.n_waiting == 0)
            net_complete(s, (int)i);
    }
}

static void step_claim(struct sim *s)
{
    struct phi_claim claim, twice;
    char key[16];
    if (s->n_g == 0)
        return;
    int gi = (int)sim_pick(s, s->n_g), gw = 1 + (int)sim_pick(s, 2);
    struct seen_grant *g = &s->g[gi];
    enum kit_who who = sim_pick(s, 8) ? g->who : KIT_MALLORY;
    const char *action = memcmp(g->act, "", 1) == 0 || sim_pick(s, 8) ? "pg:delete" : "pg:update";
    if (sim_pick(s, 6))
        kit_lease(&s->k, gw); /* gateways renew as long as they can */
    snprintf(key, sizeof key, "k%d", (int)sim_pick(s, 6));
    struct phi_view grant = phi_view_of(g->id), act = phi_view_of(g->exact ? g->act : "");
    if (kit_claim(&s->k, gw, who, grant, act, action, key, &claim) != PHI_OK)
        return;
    if (claim.again)
        return; /* the gateway acted on the first answer */
    sim_effect(s, g, who);
    /* The reply may be lost: asking again is the same claim. */
    enum phi_rc rc = kit_claim(&s->k, gw, who, grant, act, action, key, &twice);
    if (rc == PHI_OK ? !twice.again || !phi_view_eq(twice.id, claim.id) : !s->crashing)
        wrong(s, "the same key gave another answer");
    if (s->n_c < MAX_SEEN) {
        struct seen_claim *c = &s->c[s->n_c++];
        *c = (struct seen_claim){ .grant = gi, .gw = gw };
        sim_text(c->id, sizeof c->id, claim.id);
    }
}

static void step_outcome(struct sim *s)
{
    if (s->n_c == 0)
        return;
    struct seen_claim *c = &s->c[sim_pick(s, s->n_c)];
    enum phi_outcome o = (enum phi_outcome)(1 + sim_pick(s, 4));
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
    struct seen_grant *g = &s->g[sim_pick(s, s->n_g)];
    enum kit_who who = (enum kit_who)sim_pick(s, KIT_PEOPLE);
    if (kit_revoke(&s->k, who, phi_view_of(g->id), &v) != PHI_OK)
        return;
    if (who == KIT_MALLORY && !s->let_in && s->is[KIT_MALLORY] == KIT_MALLORY && g->who != KIT_MALLORY)
        wrong(s, "an outsider revoked");
    g->revoked = true;
    if (v.n_waiting == 0)
        net_complete(s, (int)(g - s->g));
}

static void step_withdraw(struct sim *s)
{
    if (s->n_g && sim_pick(s, 2)) {
        struct seen_grant *g = &s->g[sim_pick(s, s->n_g)];
        if (kit_return(&s->k, g->who, phi_view_of(g->id)) == PHI_OK)
            g->revoked = true;
    } else if (s->n_r && sim_pick(s, 2)) {
        kit_cancel(&s->k, KIT_ALICE, on_screen(s).id);
    } else if (s->n_r) {
        kit_leave(&s->k, 1, on_screen(s).id, sim_pick(s, 2) ? "s1" : "s2");
    }
}

static void step_gateway(struct sim *s)
{
    int gw = 1 + (int)sim_pick(s, 2);
    if (sim_pick(s, 2)) {
        net_deaf(s, gw); /* an end is confirmed when the work under it is gone */
        kit_ack(&s->k, gw, s->k.last_end);
    } else {
        kit_lease(&s->k, gw);
    }
}

static void step_people(struct sim *s)
{
    static const enum kit_who who[] = { KIT_BOB, KIT_CAROL, KIT_MALLORY, KIT_ROOT };
    if (sim_pick(s, 4)) {
        enum kit_who changed = who[sim_pick(s, 4)];
        s->let_in |= changed == KIT_MALLORY;
        bool add = sim_pick(s, 2);
        if (kit_group(&s->k, changed, "dba", add) == PHI_OK)
            s->dba[changed] = add;
        return;
    }
    enum kit_who account = (enum kit_who)(KIT_BOB + sim_pick(s, 3)), person = (enum kit_who)(KIT_ALICE + sim_pick(s, 4));
    if (kit_link(&s->k, account, person) != PHI_OK)
        return;
    enum kit_who from = s->is[account], to = s->is[person];
    for (int i = 0; i < KIT_PEOPLE; i++)
        if (s->is[i] == from)
            s->is[i] = to;
}

/* ---- rights without approval, and votes for others */

#define GLASS                                                                                      \
    SIM_SERVICE                                                                                    \
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
    enum kit_who who = sim_pick(s, 3) ? KIT_ALICE : KIT_BOB;
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
    g->window_min = -1;
    g->bound_ms = ans.grant.remaining_ms;
    if (g->bound_ms > 600000)
        wrong(s, "a broken glass lasts too long");
    sim_text(g->id, sizeof g->id, ans.grant.id);
}

static void step_review(struct sim *s)
{
    struct phi_grant_view v;
    if (s->n_g == 0)
        return;
    struct seen_grant *g = &s->g[sim_pick(s, s->n_g)];
    enum kit_who who = (enum kit_who)sim_pick(s, KIT_PEOPLE);
    if (kit_review(&s->k, who, phi_view_of(g->id), &v) != PHI_OK)
        return;
    if (!g->glass || g->reviewed || s->is[who] == s->is[g->who])
        wrong(s, "a review by its user, or of nothing");
    g->reviewed = true;
}

static void step_delegate(struct sim *s)
{
    struct phi_delegation d;
    enum kit_who giver = (enum kit_who)(KIT_BOB + sim_pick(s, 3)), taker = (enum kit_who)(KIT_ALICE + sim_pick(s, 5));
    if (kit_delegate(&s->k, giver, taker, (int64_t)(1 + sim_pick(s, 900)) * 1000, &d) == PHI_OK)
        s->deputy[taker] = true;
    s->let_in |= s->deputy[KIT_MALLORY];
}

enum { POLICIES = 7, SIGNED_POLICY = 5, OWN_KEY_POLICY };

static void policy_put(struct sim *s, size_t i)
{
    static const struct {
        const char *policies, *needs;
        bool frozen;
        int dbas;
        bool keys, own;
    } kinds[POLICIES] = {
        { GLASS "@id(\"freeze\") forbid (principal, action in Action::\"pg:write\", resource);\n", NEEDS, true, 1, false, false },
        { GLASS, NEEDS, false, 1, false, false },
        { GLASS, "dba: {approve: [{from: 'Group::\"dba\"', count: 2}], bind: session}\ntwo-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}]}\nglass: {kind: break-glass, ttl: 10m}\n", false, 2, false, false },
        { GLASS "@id(\"auto\") permit (principal == Service::\"auto\", action == phi::Action::\"approve\", resource is Request);\n",
          "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"']}], ttl: 10m}\ntwo-dbas: {approve: [{from: 'Group::\"dba\"', stage: 1}, {from: 'Group::\"dba\"', stage: 2}]}\nglass: {kind: break-glass, ttl: 10m}\n", false, 1, false, false },
        { GLASS "@id(\"guests\") permit (principal in Group::\"guest\", action == phi::Action::\"approve\", resource is Request);\n",
          "dba: {approve: [{from: 'Group::\"dba\"'}], fallback: {after: 10m, from: 'Group::\"guest\"'}}\ntwo-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}]}\nglass: {kind: break-glass, ttl: 10m}\n", false, 1, false, false },
        { GLASS, "dba: {approve: [{from: 'Group::\"dba\"'}], signed: true}\ntwo-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], signed: true}\nglass: {kind: break-glass, ttl: 10m}\n", false, 1, true, false },
        { GLASS "@id(\"own\") forbid (principal, action in [Action::\"pg:write\", Action::\"pg:admin\"], resource) unless { context.met.contains(\"own-key\") };\n",
          NEEDS "own-key: {kind: mfa}\n", false, 1, false, true },
    };
    if (kit_bundle(&s->k, kinds[i].policies, kinds[i].needs) != PHI_OK)
        return;
    s->frozen = kinds[i].frozen;
    s->dbas = kinds[i].dbas;
    s->wants_keys = kinds[i].keys;
    s->wants_own = kinds[i].own;
    s->let_in |= i == 4; /* mallory is a guest */
    s->guests |= i == 4;
}

static void step_policy(struct sim *s)
{
    policy_put(s, sim_pick(s, POLICIES));
}

static void step_time(struct sim *s)
{
    static const int64_t ms[] = { 1, 1000, 60000, 600000, 899999, 900000 };
    int64_t go = ms[sim_pick(s, 6)];
    s->tt += go;
    kit_pass(&s->k, go);
    if (sim_pick(s, 2))
        kit_tick(&s->k, NULL);
}

static void step_wall(struct sim *s) /* somebody sets the clock */
{
    static const int64_t ms[] = { -86400000, -60000, 60000, 3600000 };
    s->k.wall += ms[sim_pick(s, 4)];
    kit_tick(&s->k, NULL);
}

static void restart(struct sim *s)
{
    phi_store_mem_fail(s->k.store, 0);
    s->crashing = false;
    net_restarted(s);
    if (kit_reopen(&s->k) != PHI_OK)
        wrong(s, "core does not open again: %s", s->k.err.msg);
}

static void step_reboot(struct sim *s) /* off for a while; the clock may come up wrong, before the anchor */
{
    int64_t off = (int64_t)sim_pick(s, 1200) * 1000;
    kit_tick(&s->k, NULL);
    snprintf(s->k.boot_id, sizeof s->k.boot_id, "boot-%llx", (unsigned long long)kit_random(&s->k));
    s->tt += off;
    s->k.wall += sim_pick(s, 4) ? off : -(int64_t)sim_pick(s, 86400000) - 1;
    s->k.boot = (int64_t)sim_pick(s, (uint64_t)off + 1); /* it came up after it went down */
    restart(s);
    if (s->k.other) { /* on this machine, too */
        kit_turn(&s->k);
        restart(s);
    }
}

static void step_crash(struct sim *s) /* the store goes away during one of the next writes */
{
    phi_store_mem_fail(s->k.store, 1 + (int64_t)sim_pick(s, 30));
    s->crashing = true;
}

static const struct {
    const char *name;
    void (*run)(struct sim *s);
    unsigned weight;
} steps[] = {
    { "ask", step_ask, 20 },         { "scope", step_scope, 8 },     { "vote", step_vote, 30 },
    { "edit", step_edit, 8 },        { "claim", step_claim, 30 },    { "outcome", step_outcome, 12 },
    { "revoke", step_revoke, 4 },    { "withdraw", step_withdraw, 4 }, { "gateway", step_gateway, 4 },
    { "people", step_people, 4 },    { "time", step_time, 12 },      { "wall", step_wall, 3 },
    { "reboot", step_reboot, 3 },    { "crash", step_crash, 4 },
    { "glass", step_glass, 5 },      { "review", step_review, 6 },   { "delegate", step_delegate, 3 },
    { "extend", step_extend, 5 },    { "talk", step_talk, 2 },       { "many", step_many, 1 },
    { "policy", step_policy, 3 },     { "behalf", step_behalf, 5 },     { "hours", step_hours, 2 },
    { "service", step_service, 5 },  { "works", step_service_works, 2 }, { "sign", step_sign, 14 },
    { "key", step_key, 1 },          { "send", step_send, 40 },      { "deliver", step_deliver, 40 },
};
#define N_STEPS (sizeof steps / sizeof *steps)

static size_t next_step(struct sim *s)
{
    unsigned total = 0;
    for (size_t i = 0; i < N_STEPS; i++)
        total += steps[i].weight;
    unsigned at = (unsigned)sim_pick(s, total);
    size_t i = 0;
    while (at >= steps[i].weight)
        at -= steps[i++].weight;
    return i;
}

static bool one_step(struct sim *s, int n)
{
    size_t i = next_step(s);
    if (s->k.other && sim_pick(s, 2))
        kit_turn(&s->k);
    steps[i].run(s);
    net_time(s);
    if (s->tell)
        printf("%2d %-9s tt %lld wall %lld  %s\n", n, steps[i].name, (long long)s->tt, (long long)s->k.wall, s->k.err.msg);
    if (s->crashing && steps[i].run != step_crash && sim_pick(s, 2))
        restart(s);
    if (s->wrong[0] == 0 && !s->crashing && kit_invariants(&s->k, &s->held) != PHI_OK)
        wrong(s, "%s", s->k.err.msg);
    kit_forget(&s->k);
    if (s->wrong[0])
        print_error("step %d (%s): %s\n", n, steps[i].name, s->wrong);
    return s->wrong[0] == 0;
}

/* What happened at all: a simulation in which nothing happens shows nothing. */
struct tally {
    size_t grants, effects;
    size_t ahead, back; /* of those: claimed with the grant; withdrawn after that, and given back */
    size_t ran, late; /* over the network: forwarded; answered too late, and given back */
    size_t service, by_key, own_key; /* effects: of the service; under policies that want signed votes, or one's own passkey */
};

static void tally_up(struct tally *t, const struct sim *s)
{
    t->grants += s->n_g;
    t->by_key += s->n_by_key;
    t->own_key += s->n_own_key;
    t->ran += s->net.n_ran;
    t->late += s->net.n_late;
    t->ahead += s->net.n_ahead;
    t->back += s->net.n_back;
    for (size_t i = 0; i < s->n_g; i++) {
        t->effects += (size_t)s->g[i].effects;
        t->service += s->g[i].who == KIT_CI ? (size_t)s->g[i].effects : 0;
    }
}

static bool one_seed(const struct kit *from, uint64_t seed, bool tell, struct tally *tally)
{
    struct sim *s = calloc(1, sizeof *s);
    struct phi_store *store = phi_store_mem_copy(from->store);
    bool ok = s && store;
    if (!ok)
        return false;
    kit_copy(&s->k, from, store, seed);
    for (int i = 0; i < SEEN_WHO; i++)
        s->is[i] = (enum kit_who)i;
    s->dba[KIT_ROOT] = s->dba[KIT_BOB] = s->dba[KIT_CAROL] = s->dba[KIT_DORA] = true;
    if (seed % 2 && kit_second(&s->k) != PHI_OK) /* two phids over one store */
        wrong(s, "a second phid does not open: %s", s->k.err.msg);
    s->tell = tell;
    s->dbas = 1;
    s->net.lease_tt[1] = s->net.lease_tt[2] = PHI_LEASE_MS; /* as the kit began them */
    if (seed % 8 < 2)
        policy_put(s, seed % 8 ? SIGNED_POLICY : OWN_KEY_POLICY);
    for (int n = 0; n < STEPS && ok; n++)
        ok = one_step(s, n);
    phi_store_mem_fail(store, 0);
    if (ok)
        net_check(s);
    ok = ok && s->wrong[0] == 0;
    if (s->wrong[0])
        print_error("%s\n", s->wrong);
    if (ok && kit_invariants(&s->k, NULL) != PHI_OK) {
        print_error("at the end: %s\n", s->k.err.msg);
        ok = false;
    }
    tally_up(tally, s);
    kit_close(&s->k);
    phi_store_close(store);
    free(s);
    return ok;
}

static void every_seed_keeps_the_invariants(void **state)
{
    static struct kit from;
    struct tally t = { 0 };
    (void)state;
    const char *one = getenv("PHI_SIM_SEED"), *count = getenv("PHI_SIM_SEEDS");
    struct phi_store *store = phi_store_mem_open();
    kit_open(&from, store, 42);
    assert_int_equal(kit_bundle(&from, GLASS, NEEDS), PHI_OK);
    assert_int_equal(sim_more_set_up(&from), PHI_OK);
    const char *from_seed = getenv("PHI_SIM_FROM"), *hours = getenv("PHI_SIM_HOURS");
    uint64_t first = one ? strtoull(one, NULL, 10) : from_seed ? strtoull(from_seed, NULL, 10) : 1;
    uint64_t most = one ? 1 : count ? strtoull(count, NULL, 10) : hours ? UINT64_MAX / 2 : SEEDS, n = 0;
    int64_t began = phi_now_boot_ms(), span = hours ? (int64_t)(3600000 * strtod(hours, NULL)) : INT64_MAX;
    for (uint64_t seed = first; n < most && phi_now_boot_ms() - began < span; seed++, n++)
        if (!one_seed(&from, seed, one != NULL, &t)) {
            print_error("seed %llu\n", (unsigned long long)seed);
            fail();
        }
    print_message("%llu seeds of %d steps: %zu grants, %zu effects (%zu of the service, %zu by signed votes, %zu by one's own passkey), "
                  "%zu forwarded over the network (%zu claimed with their grant), %zu too late, %zu withdrawn after their claim, %lld s\n",
                  (unsigned long long)n, STEPS, t.grants, t.effects, t.service, t.by_key, t.own_key, t.ran, t.ahead, t.late, t.back, (long long)((phi_now_boot_ms() - began) / 1000));
    assert_true(one || (t.grants > n / 10 && t.effects > n / 20));
    assert_true(n < 4000 || (t.service && t.by_key && t.own_key && t.ran && t.late && t.ahead && t.back));
    kit_close(&from);
    phi_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_seed_keeps_the_invariants) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
