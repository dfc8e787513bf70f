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
    for (int i = 0; i < KIT_PEOPLE; i++)
        if (phi_view_eq(s->k.person[i], person))
            return (enum kit_who)i;
    return KIT_ROOT;
}

/* How many persons stand behind a grant, by who is who now: not the requester, nor those for whom they act. */
static int persons(const struct sim *s, const struct seen_grant *g)
{
    bool counted[KIT_PEOPLE] = { false };
    int n = 0;
    counted[s->is[g->who]] = true;
    for (size_t i = 0; i < g->n_behalf; i++)
        counted[s->is[g->behalf[i]]] = true;
    for (size_t i = 0; i < g->n_voters; i++) {
        enum kit_who p = s->is[g->voter[i]];
        n += !counted[p];
        counted[p] = true;
    }
    return n;
}

static void people_of(struct seen_grant *g, const struct sim *s, const struct phi_request *r)
{
    for (size_t i = 0; i < r->n_votes; i++)
        g->voter[g->n_voters++] = sim_whose(s, r->votes[i].person);
    for (size_t i = 0; i < r->n_on_behalf; i++)
        for (int k = 0; k < KIT_PEOPLE; k++)
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
    g->two = memmem(r->summary.p, r->summary.n, "pg:ddl", 6) || memmem(r->summary.p, r->summary.n, "pg:admin", 8);
    if (persons(s, g) < (g->two ? 2 : s->dbas))
        wrong(s, "a grant rests on %d persons", persons(s, g));
    g->bound_ms = r->grant->remaining_ms;
    if (g->bound_ms > r->for_ms)
        wrong(s, "a grant is longer than asked");
    sim_text(g->id, sizeof g->id, r->grant->id);
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
    if (!g->glass && persons(s, g) < (g->two ? 2 : s->dbas))
        wrong(s, "an effect that %d persons stand behind", persons(s, g));
    if (g->statements && g->effects > g->statements)
        wrong(s, "an effect beyond the budget");
    if (g->window_min >= 0 && (s->k.wall / 60000 - g->window_min + 14400) % 1440 >= 60)
        wrong(s, "an effect at another hour");
}

