/* The simulator's steps of a service that asks for itself and for people, and of passkeys that sign votes. */
#include "seen.h"

#include <string.h>

/* root is a DBA too. alice, bob, carol and mallory have two passkeys each; dora has none. */
enum phi_rc sim_more_set_up(struct kit *k)
{
    static const enum kit_who who[] = { KIT_ALICE, KIT_BOB, KIT_CAROL, KIT_MALLORY };
    PHI_TRY(kit_service(k));
    PHI_TRY(kit_group(k, KIT_ROOT, "dba", true));
    for (size_t i = 0; i < sizeof who / sizeof *who; i++)
        for (int n = 0; n < SIM_KEYS; n++)
            PHI_TRY(kit_key_add(k, who[i], n));
    return PHI_OK;
}

/* ci alone, ci for alice or bob (and whoever is behind it), or alice for ci. */
void step_service(struct sim *s)
{
    struct phi_request_answer ans;
    struct phi_view for_whom[2] = { s->k.person[KIT_ALICE + sim_pick(s, 2)], s->k.person[KIT_BOB + sim_pick(s, 3)] };
    struct phi_request_ask ask = kit_scope_of(&s->k, "shop/public.orders");
    enum kit_who who = sim_pick(s, 4) ? KIT_CI : KIT_ALICE;
    if (kit_token(&s->k) != PHI_OK) /* without one nobody could speak as ci */
        return;
    ask.for_ms = (int64_t)(1 + sim_pick(s, 20)) * 60000;
    ask.on_behalf = for_whom;
    ask.n_on_behalf = sim_pick(s, 3);
    if (who == KIT_ALICE) {
        for_whom[0] = s->k.person[KIT_CI];
        ask.n_on_behalf = 1 + sim_pick(s, 2);
    }
    if (kit_make(&s->k, who, &ask, &ans) == PHI_OK)
        sim_answered(s, &ans);
}

/* Exact bytes, tried by the service through a gateway. */
void step_service_works(struct sim *s)
{
    struct phi_request_answer ans;
    if (kit_token(&s->k) != PHI_OK)
        return;
    if (kit_ask(&s->k, 1 + (int)sim_pick(s, 2), KIT_CI, "DELETE FROM orders WHERE id = 7", "pg:delete", "s1", &ans) == PHI_OK)
        sim_answered(s, &ans);
}

static void keep_signed(struct sim *s, const struct phi_request *r, enum kit_who who, int key)
{
    if (s->n_signed == MAX_SIGNED) {
        wrong(s, "more signed votes than there are steps");
        return;
    }
    struct seen_signed *to = &s->signed_by[s->n_signed++];
    *to = (struct seen_signed){ .version = r->version, .who = who, .key = key };
    sim_text(to->id, sizeof to->id, r->id);
}

void step_sign(struct sim *s)
{
    struct phi_request after, r;
    if (s->n_r == 0)
        return;
    const struct seen_request *seen = &s->r[sim_pick(s, s->n_r)];
    r = (struct phi_request){ .id = phi_view_of(seen->id), .digest = phi_view_of(seen->digest), .version = seen->version };
    enum kit_who who = (enum kit_who)(KIT_ALICE + sim_pick(s, s->wants_own && sim_pick(s, 2) ? 1 : KIT_PEOPLE - 1));
    int key = (int)sim_pick(s, SIM_KEYS);
    int64_t narrow = sim_pick(s, 4) ? 0 : (int64_t)(1 + sim_pick(s, 1200)) * 1000;
    if (kit_vote_signed(&s->k, who, &r, sim_pick(s, 16) != 0, narrow, key, &after) != PHI_OK)
        return;
    if (who == KIT_DORA || s->gone[who][key])
        wrong(s, "a vote was signed by a passkey that is not theirs");
    keep_signed(s, &after, who, key);
    if (after.status == PHI_REQUEST_APPROVED && after.grant)
        sim_granted(s, &after);
}

/* A passkey is lost and taken away. What it signed counts no more. */
void step_key(struct sim *s)
{
    enum kit_who who = (enum kit_who)(KIT_ALICE + sim_pick(s, KIT_PEOPLE - 1));
    int key = (int)sim_pick(s, SIM_KEYS);
    if (kit_key_remove(&s->k, who, key) == PHI_OK)
        s->gone[who][key] = true;
}
