#include "core/change.h"

#include <string.h>

#include "core/request_in.h"

struct phi_view phi_change_action(struct phi_arena *a, enum phi_right r)
{
    return phi_arena_printf(a, CORE_OWN_ACTION "%s", phi_right_action(r));
}

struct phi_ref phi_right_resource(struct phi_arena *a, enum phi_right r, struct phi_view group)
{
    struct phi_view own = PHI_LIT(PHI_OWN_TARGET);
    return r == PHI_RIGHT_GROUPS ? phi_ref_of("Group", group) : phi_ref_make_parts(a, "Target", &own, 1);
}

void phi_changer_set(struct phi_core *c, const struct phi_changer *changer)
{
    c->changer = changer;
}

enum phi_rc phi_change_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           const struct phi_change *change, struct phi_request_answer *ret, struct phi_err *err)
{
    PHI_BUF(payload, PHI_MAX_REQUEST_BODY);
    struct phi_jw w;
    struct phi_payload p = { .kind = PHI_PAYLOAD_CHANGE, .bytes = change->document };
    phi_jw_init(&w, &payload);
    phi_payload_write(&w, &p);
    if (!phi_buf_ok(&payload))
        return phi_fail(err, PHI_ELIMIT, "this change is too large to be approved; make it in smaller parts");
    struct phi_request_ask ask = { .target = PHI_LIT(PHI_OWN_TARGET),
                                   .change = true,
                                   .actions = change->actions,
                                   .n_actions = change->n_actions,
                                   .payload = phi_buf_view(&payload),
                                   .why = change->why };
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "only people ask for changes of phi");
    return phi_request_make(c, a, by, &ask, ret, err);
}

/* ---- draft.c's part */

enum phi_rc core_change_draft(struct phi_core *c, struct phi_arena *a, const struct phi_request_ask *ask,
                              struct core_draft *d, struct phi_err *err)
{
    const struct phi_json *payload;
    struct phi_pair *pairs = phi_arena_array(a, ask->n_actions + 1, sizeof *pairs);
    if (ask->n_actions == 0 || ask->n_actions > PHI_MAX_ACTIONS || !pairs)
        return phi_fail(err, PHI_EINPUT, "a change has 1 to %d actions", PHI_MAX_ACTIONS);
    if (!c->changer)
        return core_no(c, "right.missing", err, PHI_EDENIED, "changes cannot be approved here");
    memcpy(pairs, ask->actions, ask->n_actions * sizeof *pairs);
    d->body.n_actions = phi_pairs_sort(pairs, ask->n_actions);
    d->body.actions = pairs;
    PHI_TRY(phi_json_read(a, phi_arena_copy(a, ask->payload), PHI_JSON_STRICT, "payload", &payload, err));
    return phi_payload_read(a, payload, &d->body.payload, err);
}

/* ---- once it is approved */

enum phi_rc core_change_make(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                             const struct core_draft *d, struct phi_err *err)
{
    struct core_grant_row grant;
    struct phi_actor as = { .kind = PHI_ACTOR_PERSON, .id = row->requester };
    if (!c->changer)
        return core_no(c, "right.missing", err, PHI_EDENIED, "changes cannot be made here");
    PHI_TRY(core_grant_which(c, a, row->id, &grant, err));
    PHI_TRY(core_claim_change(c, a, &grant, err));
    c->making.person = row->requester;
    c->making.met = d->of.met;
    c->making.n_met = d->of.n_met;
    enum phi_rc rc = c->changer->make(c->changer->self, c, a, &as, d->body.payload.bytes, err);
    c->making.person = (struct phi_view){ 0 };
    c->making.n_met = 0;
    return rc;
}
