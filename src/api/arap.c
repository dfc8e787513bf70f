#include "api/arap_in.h"

#include "api/handlers.h"
#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"

#define POLL_S 5
#define ASK_MS (60 * 60 * 1000) /* life of the grant where the submission names no requested_until */

static void time_write(struct phi_jw *w, const char *key, int64_t ms)
{
    PHI_BUF(text, 64);
    phi_text_time(&text, ms);
    phi_jw_kv(w, key, phi_buf_view(&text));
}

static bool of_self(const struct api_call *c, struct phi_ref subject)
{
    return phi_view_eq(subject.type, phi_who_type(c->person.id)) &&
           (phi_view_eq(subject.id, c->person.id) || phi_view_eq(subject.id, c->person.name));
}

/* ---- in decisions */

enum phi_rc arap_approval_read(struct api_call *c, const struct authzen_parts *p, struct phi_question *q,
                               struct arap_reference *ret, struct phi_err *err)
{
    const struct phi_json *v = phi_json_get(p->context, "approval"), *state = phi_json_get(v, "state");
    struct phi_arap_approval found = { 0 };
    *ret = (struct arap_reference){ .why = "" };
    if (!v)
        return PHI_OK;
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "\"context.approval\" must be an object");
    ret->given = true;
    ret->id = phi_json_text(v, "id");
    bool ok = of_self(c, q->subject) && ret->id.n &&
              phi_arap_approval_find(c->core, &c->arena, ret->id, c->person.id, &found, NULL) == PHI_OK &&
              (!state || (state->kind == PHI_JSON_STR && arap_state_ok(c, state->str, ret->id)));
    ret->live = ok && found.live;
    ret->why = !ok ? "approval_unverifiable" : found.live ? "" : "approval_expired";
    q->grant = ok && found.grant.n ? found.grant : PHI_LIT("none"); /* no other grant stands in for a reference that does not serve */
    return PHI_OK;
}

/* What to do next, where an approval came along and the answer is still no. */
static const char *next_of(const struct phi_evaluation *e, const struct arap_reference *r, bool can_ask, const char **ret_reason)
{
    bool unverifiable = phi_view_is(phi_view_of(r->why), "approval_unverifiable");
    if (e->verdict == PHI_DENY && !unverifiable)
        *ret_reason = "policy_denied";
    else
        *ret_reason = r->why[0] ? r->why : "out_of_scope";
    return e->verdict == PHI_NEEDS && !unverifiable && can_ask ? "request" : "none";
}

static bool denial_of(struct api_call *c, const struct authzen_parts *p, const struct phi_question *q,
                      const struct phi_evaluation *e, struct arap_denial *ret)
{
    struct phi_digest binding;
    return c->env->secure && e->verdict == PHI_NEEDS && e->requestable && of_self(c, q->subject) &&
           arap_binding(c, p, q->action, &binding) && arap_denial_make(c, p, q->action, &binding, ret, NULL) == PHI_OK;
}

static void access_request_write(struct api_call *c, struct phi_jw *w, const struct arap_denial *d)
{
    phi_jw_kv(w, "evaluation_id", d->evaluation);
    time_write(w, "evaluated_at", phi_now_wall_ms());
    phi_jw_key(w, "access_request");
    phi_jw_obj(w);
    phi_jw_kv(w, "endpoint", phi_arena_printf(&c->arena, "%s/access/v1/requests", c->env->origin));
    time_write(w, "expires_at", d->expires_ms);
    phi_jw_kv(w, "binding_token", d->token);
    phi_jw_end(w);
}

void arap_context_write(struct api_call *c, struct phi_jw *w, const struct authzen_parts *p, const struct phi_question *q,
                        const struct phi_evaluation *e, const struct arap_reference *r)
{
    struct arap_denial d;
    const char *reason = e->verdict == PHI_NEEDS ? "approval_required" : "policy_denied";
    if (e->verdict == PHI_ALLOW) {
        if (r->given && e->grant.n) {
            phi_jw_key(w, "approval");
            phi_jw_obj(w);
            phi_jw_kv(w, "id", r->id);
            time_write(w, "approved_until", phi_now_wall_ms() + e->grant_left_ms);
            phi_jw_end(w);
        }
        return;
    }
    bool can_ask = denial_of(c, p, q, e, &d);
    if (r->given)
        phi_jw_kc(w, "next_action", next_of(e, r, can_ask, &reason));
    phi_jw_kc(w, "reason", reason);
    if (can_ask)
        access_request_write(c, w, &d);
}

/* ---- tasks */

struct phi_view arap_url_of(struct api_call *c, const struct phi_arap_task *t, const char *more)
{
    return phi_arena_printf(&c->arena, "%s/access/v1/requests/" PHI_FMT "%s", c->env->origin, PHI_ARG(t->task), more);
}

static void links_write(struct api_call *c, struct phi_jw *w, const struct phi_arap_task *t, const struct phi_request *r)
{
    phi_jw_key(w, "links");
    phi_jw_obj(w);
    phi_jw_kv(w, "ticket", phi_arena_printf(&c->arena, "%s/r/" PHI_FMT, c->env->origin, PHI_ARG(r->code)));
    if (r->status == PHI_REQUEST_PENDING)
        phi_jw_kv(w, "cancel", arap_url_of(c, t, "/cancel"));
    phi_jw_end(w);
}

static void task_write(struct api_call *c, struct phi_jw *w, const struct phi_arap_task *t, const struct phi_request *r)
{
    phi_jw_key(w, "task");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", t->task);
    phi_jw_kc(w, "status", phi_request_status_name(r->status));
    phi_jw_kv(w, "status_endpoint", arap_url_of(c, t, ""));
    if (r->status == PHI_REQUEST_PENDING)
        time_write(w, "expires_at", phi_now_wall_ms() + r->expires_in_ms);
    links_write(c, w, t, r);
    phi_jw_end(w);
}

enum phi_rc arap_result_write(struct api_call *c, struct phi_jw *w, const struct phi_arap_task *t, const struct phi_request *r,
                              struct phi_err *err)
{
    struct phi_view state;
    if (r->status != PHI_REQUEST_APPROVED || !r->grant)
        return PHI_OK;
    int64_t until = phi_now_wall_ms() + r->grant->remaining_ms;
    PHI_TRY(arap_state_make(c, t->approval, t->task, until, &state, err));
    phi_jw_key(w, "result");
    phi_jw_obj(w);
    phi_jw_kc(w, "mode", "reevaluate");
    phi_jw_key(w, "approval");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", t->approval);
    time_write(w, "approved_until", until);
    phi_jw_kv(w, "state", state);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc arap_answer_end(struct api_call *c, int status, const struct phi_arap_task *t, bool pending, struct phi_err *err)
{
    c->status = status == 201 && pending ? 202 : status;
    if (status > 200)
        c->location = (const char *)phi_arena_str(&c->arena, arap_url_of(c, t, ""));
    if (pending)
        c->retry_after_s = POLL_S;
    return phi_arena_ok(&c->arena) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc task_answer(struct api_call *c, int status, const struct phi_arap_task *t, struct phi_err *err)
{
    struct phi_request r;
    if (arap_is_items(t))
        return arap_items_answer(c, status, t, err);
    PHI_TRY(phi_request_get(c->core, &c->arena, &c->actor, t->request, &r, err));
    struct phi_jw *w = api_answer(c, status);
    task_write(c, w, t, &r);
    PHI_TRY(arap_result_write(c, w, t, &r, err));
    phi_jw_end(w);
    return arap_answer_end(c, status, t, r.status == PHI_REQUEST_PENDING, err);
}

/* ---- submitting */

/* What phi does not take at all, said before anything is done. */
static enum phi_rc extras_check(struct api_call *c, struct phi_err *err)
{
    if (phi_json_get(phi_json_get(c->body, "client"), "actor"))
        return phi_fail(err, PHI_EDENIED, "client.actor cannot be verified from this token: submit as the subject");
    return PHI_OK;
}

static enum phi_rc until_read(struct phi_view text, int64_t *ret_for_ms, struct phi_err *err)
{
    int64_t until, now = phi_now_wall_ms();
    *ret_for_ms = ASK_MS;
    if (!text.n)
        return PHI_OK;
    if (!arap_time_read(text, &until) || until <= now || until - now > PHI_MAX_GRANT_MS)
        return phi_fail(err, PHI_EINPUT, "\"requested_access.requested_until\" is an RFC 3339 time to come, within a year");
    *ret_for_ms = until - now;
    return PHI_OK;
}

static enum phi_rc file(struct api_call *c, const struct phi_question *q, struct phi_view until, struct phi_request_answer *ret,
                        struct phi_err *err)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n;
    if (!phi_ref_parts(&c->arena, q->resource, parts, &n))
        return api_refuse(c, err, API_ARAP_NOT_REQUESTABLE, "the resource is none of a target");
    struct phi_view why = phi_json_text(phi_json_get(c->body, "context"), "business_justification");
    struct phi_request_ask ask = { .target = parts[0], .scope_actions = &q->action, .n_scope_actions = 1,
                                   .scope_resources = &q->resource, .n_scope_resources = 1,
                                   .why = why.n ? why : PHI_LIT("asked over AuthZEN") };
    PHI_TRY(until_read(until, &ask.for_ms, err));
    return phi_request_make(c->core, &c->arena, &c->actor, &ask, ret, err);
}

static enum phi_rc submission_hash(struct api_call *c, struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(text, 4096);
    struct phi_view clean;
    PHI_TRY(authzen_clean(c, c->body, &clean, err));
    struct phi_digest d = phi_sha256(clean);
    phi_hex_add(&text, phi_digest_view(&d));
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&text));
    return PHI_OK;
}

static enum phi_rc request_of(struct api_call *c, const struct phi_question *q, struct phi_view until, struct phi_view *ret,
                              struct phi_err *err)
{
    struct phi_request_answer r;
    PHI_TRY(file(c, q, until, &r, err));
    switch (r.kind) {
    case PHI_ANSWER_PENDING: *ret = r.request.id; return PHI_OK;
    case PHI_ANSWER_GRANT: *ret = r.grant.request; return PHI_OK;
    case PHI_ANSWER_ALLOW: return api_refuse(c, err, API_ARAP_NOT_REQUESTABLE, "the policy allows this by now: evaluate again");
    case PHI_ANSWER_DENY: break;
    }
    c->problem = API_ARAP_NOT_REQUESTABLE;
    return phi_fail(err, PHI_EDENIED, PHI_FMT, PHI_ARG(phi_view_upto(r.reason, 140)));
}

static enum phi_rc submit_new(struct api_call *c, const struct phi_question *q, struct phi_view until, const struct arap_denial *d,
                              const struct phi_digest *binding, struct phi_view asked, struct phi_arap_task *ret,
                              struct phi_err *err)
{
    PHI_BUF(hash, 128);
    struct phi_view request;
    phi_b64u_add(&hash, phi_digest_view(binding));
    PHI_TRY(request_of(c, q, until, &request, err));
    return phi_arap_task_make(c->core, &c->arena, &c->actor, request, d->evaluation,
                              phi_arena_copy(&c->arena, phi_buf_view(&hash)), asked, ret, err);
}

enum phi_rc arap_submit_one(struct api_call *c, const struct arap_submission *s, struct phi_view asked, struct phi_arap_task *ret,
                            struct phi_err *err)
{
    struct phi_question q;
    struct phi_digest binding;
    struct arap_denial d;
    PHI_TRY(authzen_read(c, &s->parts, AUTHZEN_ALL, &q, err));
    if (!of_self(c, q.subject))
        return phi_fail(err, PHI_EDENIED, "you may ask for yourself only");
    if (!arap_binding(c, &s->parts, q.action, &binding))
        return api_refuse(c, err, API_ARAP_BINDING, "numbers that are no integers cannot be bound to a denial");
    PHI_TRY(arap_denial_check(c, s->denial, &binding, &d, err));
    if (phi_arap_task_there(c->core, &c->arena, &c->actor, d.evaluation, ret))
        return PHI_OK;
    return submit_new(c, &q, s->until, &d, &binding, asked, ret, err);
}

static enum phi_rc submit_single(struct api_call *c, struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err)
{
    const struct arap_submission s = { authzen_parts_of(c->body), phi_json_get(c->body, "denial"),
                                       phi_json_text(phi_json_get(c->body, "requested_access"), "requested_until") };
    return arap_submit_one(c, &s, asked, ret, err);
}

/* {"endpoint","state"?,"events"?}: what of it phi keeps, canonical. Members that nobody knows are ignored, as the profile wants. */
static enum phi_rc wish_of(struct api_call *c, const struct phi_json *callback, struct phi_view *ret, struct phi_err *err)
{
    static const char *const known[] = { "approved", "denied", "expired", "cancelled", "failed", "partial" };
    const struct phi_json *state = phi_json_get(callback, "state"), *events = phi_json_get(callback, "events");
    PHI_BUF(text, 64 * 1024);
    struct phi_jw w;
    if (state && (state->kind != PHI_JSON_STR || state->str.n > PHI_MAX_WHY))
        return phi_fail(err, PHI_EINPUT, "\"callback.state\" is a text of at most %d bytes", PHI_MAX_WHY);
    if (events && (events->kind != PHI_JSON_ARR || events->n > 16))
        return phi_fail(err, PHI_EINPUT, "\"callback.events\" is a list of approved, denied, expired, cancelled, failed, partial");
    phi_jw_init(&w, &text);
    phi_jw_obj(&w);
    if (events) {
        phi_jw_key(&w, "events");
        phi_jw_arr(&w);
        for (size_t i = 0; i < events->n; i++)
            for (size_t k = 0; k < sizeof known / sizeof *known; k++)
                if (events->items[i].kind == PHI_JSON_STR && phi_view_is(events->items[i].str, known[k]))
                    phi_jw_str(&w, phi_view_of(known[k]));
        phi_jw_end(&w);
    }
    if (state)
        phi_jw_kv(&w, "state", state->str);
    phi_jw_end(&w);
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&text));
    return PHI_OK;
}

static enum phi_rc callback_ask(struct api_call *c, const struct phi_arap_task *t, struct phi_err *err)
{
    const struct phi_json *callback = phi_json_get(c->body, "callback");
    struct phi_view wish;
    if (!callback)
        return PHI_OK;
    if (callback->kind != PHI_JSON_OBJ || !phi_json_text(callback, "endpoint").n)
        return phi_fail(err, PHI_EINPUT, "\"callback\" is an object with an \"endpoint\"");
    PHI_TRY(wish_of(c, callback, &wish, err));
    return phi_arap_callback_ask(c->core, &c->arena, &c->actor, t, phi_json_text(callback, "endpoint"), wish, err);
}

enum phi_rc api_arap_submit(struct api_call *c, struct phi_err *err)
{
    struct phi_arap_task t;
    struct phi_view asked;
    PHI_TRY(extras_check(c, err));
    PHI_TRY(submission_hash(c, &asked, err));
    enum phi_rc rc = phi_arap_idem_find(c->core, &c->arena, &c->actor, c->idempotency, asked, &t, err);
    if (rc != PHI_ENOTFOUND)
        return rc == PHI_OK ? task_answer(c, 201, &t, err) : rc;
    PHI_TRY(phi_json_get(c->body, "items") ? arap_items_submit(c, asked, &t, err) : submit_single(c, asked, &t, err));
    PHI_TRY(callback_ask(c, &t, err));
    PHI_TRY(phi_arap_idem_put(c->core, &c->arena, &c->actor, c->idempotency, asked, t.task, err));
    return task_answer(c, 201, &t, err);
}

enum phi_rc api_arap_status(struct api_call *c, struct phi_err *err)
{
    struct phi_arap_task t;
    PHI_TRY(phi_arap_task_find(c->core, &c->arena, &c->actor, c->params[0], &t, err));
    return task_answer(c, 200, &t, err);
}

enum phi_rc api_arap_cancel(struct api_call *c, struct phi_err *err)
{
    struct phi_arap_task t;
    struct phi_request r;
    PHI_TRY(phi_arap_task_find(c->core, &c->arena, &c->actor, c->params[0], &t, err));
    if (arap_is_items(&t)) {
        PHI_TRY(arap_items_cancel(c, &t, err));
        return task_answer(c, 200, &t, err);
    }
    enum phi_rc rc = phi_request_cancel(c->core, &c->arena, &c->actor, t.request, &r, err);
    if (rc == PHI_ECONFLICT)
        c->problem = API_ARAP_TASK_STATE;
    PHI_TRY(rc);
    return task_answer(c, 200, &t, err);
}

enum phi_rc api_arap_jwks(struct api_call *c, struct phi_err *err)
{
    PHI_BUF(set, 256 * 1024);
    PHI_TRY(phi_arap_jwks(c->core, &set, err));
    c->status = 200;
    c->type = "application/jwk-set+json";
    c->cache = "public, max-age=300";
    phi_buf_clear(&c->out);
    phi_buf_add(&c->out, phi_buf_view(&set));
    return PHI_OK;
}
