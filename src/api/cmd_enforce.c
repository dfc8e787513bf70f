/* What a gateway asks on behalf of its clients: requests, claims, outcomes. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "api/ticket.h"
#include "base/limits.h"
#include "core/ahead.h"
#include "core/await.h"

static struct phi_view member(struct api_call *c, const char *key)
{
    return phi_json_text(c->body, key);
}

static struct phi_view principal_id(struct api_call *c)
{
    return phi_json_text(phi_json_get(c->body, "principal"), "id");
}

static enum phi_rc ask_read(struct api_call *c, struct phi_request_ask *ask, struct phi_err *err)
{
    const struct phi_json *from = phi_json_get(c->body, "from");
    *ask = (struct phi_request_ask){
        .target = member(c, "target"),
        .principal = principal_id(c),
        .credential = member(c, "credential"),
        .session = member(c, "session"),
        .from_addr = phi_json_text(from, "addr"),
        .from_application = phi_json_text(from, "application"),
        .why = member(c, "why"),
    };
    PHI_TRY(phi_pairs_read(&c->arena, phi_json_get(c->body, "actions"), &ask->actions,
                           &ask->n_actions, err));
    PHI_TRY(api_body_text(c, "payload", &ask->payload, err));
    PHI_TRY(api_body_text(c, "settings", &ask->settings, err));
    PHI_TRY(api_body_text(c, "entities", &ask->entities, err));
    return api_body_text(c, "context", &ask->context, err);
}

static void deny_write(struct phi_jw *w, const struct phi_request_answer *r)
{
    phi_jw_kc(w, "answer", "deny");
    phi_jw_kv(w, "reason", r->reason);
    api_w_policies(w, r->policies, r->n_policies);
    phi_jw_kc(w, "code", api_problem_text(API_POLICY_DENIED)->code);
}

static void pending_write(struct api_call *c, const struct phi_request *r)
{
    struct phi_view url =
        phi_arena_printf(&c->arena, "%s/r/" PHI_FMT, c->env->origin, PHI_ARG(r->code));
    phi_jw_kc(&c->w, "answer", "pending");
    phi_jw_key(&c->w, "request");
    api_w_request(&c->w, &c->arena, r);
    phi_jw_kv(&c->w, "url", url);
}

enum phi_rc api_gw_request(struct api_call *c, struct phi_err *err)
{
    struct phi_request_ask ask;
    struct phi_request_answer r;
    PHI_TRY(ask_read(c, &ask, err));
    PHI_TRY(phi_request_make(c->core, &c->arena, &c->actor, &ask, &r, err));
    struct phi_jw *w = api_answer(c, 200);
    switch (r.kind) {
    case PHI_ANSWER_DENY: deny_write(w, &r); break;
    case PHI_ANSWER_ALLOW: phi_jw_kc(w, "answer", "allow"); break;
    case PHI_ANSWER_GRANT:
        phi_jw_kc(w, "answer", "grant");
        phi_jw_key(w, "grant");
        api_w_grant(w, &c->arena, &r.grant);
        break;
    case PHI_ANSWER_PENDING: pending_write(c, &r.request); break;
    }
    phi_jw_end(w);
    return PHI_OK;
}

/* As the `request` event has it: for a gateway whose event stream was broken when the event passed. */
enum phi_rc api_gw_request_get(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    PHI_TRY(phi_request_get(c->core, &c->arena, &c->actor, c->params[0], &r, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "id", r.id);
    phi_jw_kv(w, "code", r.code);
    phi_jw_kc(w, "status", phi_request_status_name(r.status));
    phi_jw_key(w, "grant");
    if (r.grant)
        api_w_grant(w, &c->arena, r.grant);
    else
        phi_jw_null(w);
    phi_jw_kv(w, "denied_by", r.denied_by);
    phi_jw_kv(w, "reason", r.reason);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_gw_leave(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_request_leave(c->core, &c->actor, c->params[0], member(c, "waiter"), err));
    c->status = 204;
    return PHI_OK;
}

static enum phi_rc claim_read(struct api_call *c, struct phi_claim_ask *ask, struct phi_err *err)
{
    *ask = (struct phi_claim_ask){
        .key = member(c, "key"),
        .principal = principal_id(c),
        .credential = member(c, "credential"),
        .session = member(c, "session"),
        .target = member(c, "target"),
        .digest = member(c, "digest"),
        .act = member(c, "act"),
        .statements = phi_json_num(c->body, "statements", 0),
    };
    PHI_TRY(phi_pairs_read(&c->arena, phi_json_get(c->body, "actions"), &ask->actions,
                           &ask->n_actions, err));
    PHI_TRY(api_body_text(c, "entities", &ask->entities, err));
    return api_body_text(c, "context", &ask->context, err);
}

/* Beforehand: made with the grant, where it comes in time (core/await.h). */
enum phi_rc api_gw_await(struct api_call *c, struct phi_err *err)
{
    struct phi_claim_ask ask;
    bool kept;
    PHI_TRY(claim_read(c, &ask, err));
    PHI_TRY(phi_claim_await(c->core, &c->actor, c->params[0], &ask, &kept, err));
    struct phi_jw *w = api_answer(c, 202);
    phi_jw_key(w, "kept");
    phi_jw_bool(w, kept);
    if (kept)
        phi_jw_ki(w, "for_ms", PHI_AWAIT_MS);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_gw_withdraw(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_claim_withdraw(c->core, &c->actor, c->params[0], c->params[1], err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_gw_claim(struct api_call *c, struct phi_err *err)
{
    struct phi_claim claim;
    struct phi_claim_ask ask;
    bool waits;
    PHI_TRY(claim_read(c, &ask, err));
    ask.grant = c->params[0];
    PHI_TRY(api_ticket_again(c, ask.grant, API_TICKET_CLAIM_MS, &waits, err));
    if (waits)
        return PHI_OK;
    PHI_TRY(phi_grant_claim(c->core, &c->arena, &c->actor, &ask, &claim, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "claim", claim.id);
    phi_jw_ki(w, "remaining_ms", claim.remaining_ms);
    if (claim.rows_left >= 0)
        phi_jw_ki(w, "rows_left", claim.rows_left);
    if (claim.bytes_left >= 0)
        phi_jw_ki(w, "bytes_left", claim.bytes_left);
    phi_jw_end(w);
    return PHI_OK;
}

static bool outcome_read(struct phi_view v, enum phi_outcome *ret)
{
    static const struct {
        const char *name;
        enum phi_outcome outcome;
    } names[] = {
        { "done",    PHI_OUTCOME_DONE },
        { "failed",  PHI_OUTCOME_FAILED },
        { "unsent",  PHI_OUTCOME_UNSENT },
        { "unknown", PHI_OUTCOME_UNKNOWN }
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        *ret = names[i].outcome;
        if (phi_view_is(v, names[i].name))
            return true;
    }
    return false;
}

enum phi_rc api_gw_outcome(struct api_call *c, struct phi_err *err)
{
    enum phi_outcome outcome;
    if (!outcome_read(member(c, "outcome"), &outcome))
        return phi_fail(err, PHI_EINPUT, "\"outcome\" is done, failed, unsent or unknown");
    PHI_TRY(phi_claim_outcome(c->core, &c->actor, c->params[0], outcome, member(c, "tag"),
                              phi_json_num(c->body, "rows", -1), phi_json_num(c->body, "bytes", 0), err));
    c->status = 204;
    return PHI_OK;
}

void api_gw_foresee(struct api_call *c, struct core_ahead *h)
{
    if (c->route->handler == api_gw_outcome)
        phi_claim_outcome_foresee(h, c->params[0]);
    if (c->route->handler != api_gw_claim)
        return;
    struct phi_claim_ask ask = { .grant = c->params[0], .key = member(c, "key"), .principal = principal_id(c), .credential = member(c, "credential") };
    if (phi_pairs_read(core_ahead_arena(h), phi_json_get(c->body, "actions"), &ask.actions, &ask.n_actions, NULL) != PHI_OK)
        ask.n_actions = 0;
    phi_grant_claim_foresee(h, &ask);
}
