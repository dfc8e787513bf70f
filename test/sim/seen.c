#include "seen.h"

#include <string.h>

uint64_t sim_pick(struct sim *s, uint64_t below)
{
    return kit_random(&s->k) % below;
}

void sim_text(char *to, size_t max, struct phi_view v)
{
    snprintf(to, max, PHI_FMT, PHI_ARG(v));
}

void sim_saw(struct sim *s, const struct phi_request *r)
{
    struct seen_request *to = &s->r[s->n_r < MAX_SEEN ? s->n_r++ : sim_pick(s, MAX_SEEN)];
    sim_text(to->id, sizeof to->id, r->id);
    sim_text(to->digest, sizeof to->digest, r->digest);
    sim_text(to->act, sizeof to->act, r->act);
    to->version = r->version;
    to->exact = r->act.n > 0;
}

enum kit_who sim_whose(const struct sim *s, struct phi_view person)
{
    for (int i = 0; i <= KIT_CI; i++)
        if (phi_view_eq(s->k.person[i], person))
            return (enum kit_who)i;
    return (enum kit_who)SEEN_AUTO;
}

/* By a passkey that is still theirs. */
static bool proven(const struct sim *s, const struct seen_grant *g, size_t voter)
{
    const struct seen_signed *by = g->key[voter] >= 0 ? &s->signed_by[g->key[voter]] : NULL;
    return by && !s->gone[by->who][by->key];
}

/* The requester's own passkey, for this very request. */
static bool own_proven(const struct sim *s, const struct seen_grant *g)
{
    bool is = false;
    for (size_t i = 0; i < g->n_voters; i++)
        is |= s->is[g->voter[i]] == s->is[g->who] && proven(s, g, i);
    return is;
}

/* Whether the vote of this account may still count, by any account of the same person. */
static bool may_vote(const struct sim *s, enum kit_who account)
{
    bool may = account == (enum kit_who)SEEN_AUTO;
    for (int i = 0; i < KIT_PEOPLE; i++)
        may |= s->is[i] == s->is[account] && (s->dba[i] || s->deputy[i] || (s->guests && i == KIT_MALLORY));
    return may;
}

/* How many persons stand behind a grant, by who is who now: not the requester, nor those for whom they act, nor who holds the
 * service's token, nor, while votes are counted, who is no DBA then (a right that was given stays). Where the live policy wants signed votes, only those count. */
static int persons(const struct sim *s, const struct seen_grant *g)
{
    bool counted[SEEN_WHO] = { false };
    int n = 0;
    counted[s->is[g->who]] = true;
    counted[KIT_ROOT] = g->who == KIT_CI;
    for (size_t i = 0; i < g->n_behalf; i++)
        counted[s->is[g->behalf[i]]] = true;
    for (size_t i = 0; i < g->n_voters; i++) {
        enum kit_who p = s->is[g->voter[i]];
        if ((s->wants_keys && !proven(s, g, i)) || (g->fresh && !may_vote(s, g->voter[i])))
            continue;
        n += !counted[p];
        counted[p] = true;
    }
    return n;
}

static int signed_with(const struct sim *s, const struct phi_request *r, enum kit_who who)
{
    for (size_t i = 0; i < s->n_signed; i++)
        if (phi_view_is(r->id, s->signed_by[i].id) && s->signed_by[i].version == r->version && s->is[s->signed_by[i].who] == s->is[who])
            return (int)i;
    return -1;
}

static void people_of(struct seen_grant *g, const struct sim *s, const struct phi_request *r)
{
    for (size_t i = 0; i < r->n_votes; i++) {
        enum kit_who who = sim_whose(s, r->votes[i].person);
        g->key[g->n_voters] = signed_with(s, r, who);
        g->voter[g->n_voters++] = who;
    }
    for (size_t i = 0; i < r->n_on_behalf; i++)
        for (int k = 0; k <= KIT_CI; k++)
            if (phi_view_is(r->on_behalf[i], kit_name((enum kit_who)k)))
                g->behalf[g->n_behalf++] = (enum kit_who)k;
}

void sim_granted(struct sim *s, const struct phi_request *r)
{
    struct seen_grant *g;
    for (size_t i = 0; i < s->n_g; i++)
        if (phi_view_is(r->grant->id, s->g[i].id))
            return;
    if (s->n_g == MAX_SEEN)
        return;
    for (size_t i = 0; i < r->n_votes; i++)
        if (!r->votes[i].approve)
            wrong(s, "a grant rests on a deny");
    g = &s->g[s->n_g++];
    *g = (struct seen_grant){ .who = sim_whose(s, r->requester.id), .made_tt = s->tt, .uses = r->grant->uses, .exact = r->act.n > 0,
                              .statements = r->grant->budget.statements, .window_min = r->grant->n_windows ? r->grant->windows[0].from_min : -1 };
    people_of(g, s, r);
    g->fresh = true;
    g->two = memmem(r->summary.p, r->summary.n, "pg:ddl", 6) || memmem(r->summary.p, r->summary.n, "pg:admin", 8);
    if (persons(s, g) < (g->two ? 2 : s->dbas))
        wrong(s, "a grant rests on %d persons", persons(s, g));
    g->fresh = false;
    if (s->wants_own && !own_proven(s, g))
        wrong(s, "a grant without its requester's passkey");
    g->bound_ms = r->grant->remaining_ms;
    if (g->bound_ms > r->for_ms)
        wrong(s, "a grant is longer than asked");
    sim_text(g->id, sizeof g->id, r->grant->id);
    sim_text(g->request, sizeof g->request, r->id);
    sim_text(g->act, sizeof g->act, r->act);
}

void sim_answered(struct sim *s, const struct phi_request_answer *ans)
{
    struct phi_request r;
    if (ans->kind == PHI_ANSWER_ALLOW)
        wrong(s, "a write was allowed without approval");
    if (ans->kind == PHI_ANSWER_PENDING)
        sim_saw(s, &ans->request);
    if (ans->kind == PHI_ANSWER_GRANT && kit_get(&s->k, KIT_ROOT, ans->grant.request, &r) == PHI_OK && r.grant && !r.break_glass)
        sim_granted(s, &r); /* by a rule, or one that we have not seen yet */
}

void sim_effect(struct sim *s, struct seen_grant *g, enum kit_who who)
{
    g->effects++;
    s->n_by_key += s->wants_keys && !g->glass;
    s->n_own_key += s->wants_own;
    if (s->tt - g->made_tt >= g->bound_ms)
        wrong(s, "an effect %lld ms after its right's true end", (long long)(s->tt - g->made_tt - g->bound_ms));
    if (g->uses > 0 && g->effects > g->uses)
        wrong(s, "%lld effects of %lld", (long long)g->effects, (long long)g->uses);
    if (g->revoked)
        wrong(s, "an effect after the revocation");
    if (s->frozen && !(g->exact && g->two)) /* pg:ddl is no write */
        wrong(s, "an effect that the live policy forbids");
    if (who != g->who)
        wrong(s, "an effect by somebody else");
    if (!g->glass && persons(s, g) < (g->two ? 2 : s->dbas))
        wrong(s, "an effect that %d persons stand behind", persons(s, g));
    if (s->wants_own && !own_proven(s, g))
        wrong(s, "an effect without its requester's passkey");
    if (g->statements && g->effects > g->statements)
        wrong(s, "an effect beyond the budget");
    if (g->window_min >= 0 && (s->k.wall / 60000 - g->window_min + 14400) % 1440 >= 60)
        wrong(s, "an effect at another hour");
}

