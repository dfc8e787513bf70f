/* Requests and votes of persons. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "api/passkey.h"
#include "api/ticket.h"
#include "base/limits.h"

static enum phi_rc request_answer(struct api_call *c, int status, const struct phi_request *r)
{
    c->status = status;
    c->type = "application/json";
    phi_jw_init(&c->w, &c->out);
    api_w_request(&c->w, &c->arena, r);
    return PHI_OK;
}

/* "shop/public.orders" or an entity object, for `target`. */
static enum phi_rc resource_read(struct api_call *c, const struct phi_json *v,
                                 struct phi_view target, struct phi_ref *ret, struct phi_err *err)
{
    if (v->kind == PHI_JSON_STR)
        return phi_ref_from_label(&c->arena, v->str, target, ret, err);
    return phi_ref_read(v, "resources", ret, err);
}

static enum phi_rc scope_read(struct api_call *c, struct phi_request_ask *ask, struct phi_err *err)
{
    static const char *const keys[] = { "actions", "resources", NULL };
    const struct phi_json *scope = phi_json_get(c->body, "scope");
    const struct phi_json *actions = phi_json_get(scope, "actions"),
                          *resources = phi_json_get(scope, "resources");
    PHI_TRY(phi_json_only(scope, keys, err));
    if (!actions || actions->kind != PHI_JSON_ARR || !resources || resources->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "\"scope\" has two lists, \"actions\" and \"resources\"");
    if (!actions->n || !resources->n || actions->n > PHI_MAX_ACTIONS ||
        resources->n > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "the lists of \"scope\" have 1 to %d members",
                        PHI_MAX_ACTIONS);
    struct phi_view *a = phi_arena_array(&c->arena, actions->n, sizeof(*a));
    struct phi_ref *r = phi_arena_array(&c->arena, resources->n, sizeof(*r));
    if (!a || !r)
        return phi_fail(err, PHI_ELIMIT, "\"scope\" is too large");
    for (size_t i = 0; i < actions->n; i++)
        if (!phi_json_str(&actions->items[i], &a[i]))
            return phi_fail(err, PHI_EINPUT,
                            "\"actions\" of \"scope\" are names such as \"pg:write\"");
    for (size_t i = 0; i < resources->n; i++)
        PHI_TRY(resource_read(c, &resources->items[i], ask->target, &r[i], err));
    ask->scope_actions = a;
    ask->n_scope_actions = phi_names_sort(a, actions->n);
    ask->scope_resources = r;
    ask->n_scope_resources = phi_refs_sort(r, resources->n);
    return PHI_OK;
}

static void denied_answer(struct api_call *c, struct phi_view reason, const struct phi_decider *p,
                          size_t n)
{
    c->status = 403;
    c->type = "application/problem+json";
    phi_jw_init(&c->w, &c->out);
    api_problem_begin(&c->w, c->env->origin, API_POLICY_DENIED, reason, phi_view_of(c->request_id));
    api_w_policies(&c->w, p, n);
    phi_jw_end(&c->w);
}

static enum phi_rc made_answer(struct api_call *c, const struct phi_request_answer *r,
                               struct phi_err *err)
{
    switch (r->kind) {
    case PHI_ANSWER_DENY: denied_answer(c, r->reason, r->policies, r->n_policies); return PHI_OK;
    case PHI_ANSWER_ALLOW:
        phi_jw_kc(api_answer(c, 200), "verdict", "allow");
        phi_jw_end(&c->w);
        return PHI_OK;
    case PHI_ANSWER_GRANT:
        phi_jw_kc(api_answer(c, 200), "verdict", "grant");
        phi_jw_key(&c->w, "grant");
        api_w_grant(&c->w, &c->arena, &r->grant);
        phi_jw_end(&c->w);
        return PHI_OK;
    case PHI_ANSWER_PENDING: return request_answer(c, r->joined ? 200 : 201, &r->request);
    }
    return api_refuse(c, err, API_INTERNAL, "no answer");
}

static enum phi_rc num_read(struct api_call *c, const char *key, int64_t max, int64_t *ret, struct phi_err *err)
{
    return phi_json_get(c->body, key) ? phi_json_need_int(c->body, key, 0, max, ret, err) : PHI_OK;
}

static enum phi_rc bounds_read(struct api_call *c, struct phi_request_ask *ask, struct phi_err *err)
{
    static const char *const keys[] = { "statements", "rows", "bytes", NULL };
    const struct phi_json *budget = phi_json_get(c->body, "budget"), *windows = phi_json_get(c->body, "windows");
    PHI_TRY(num_read(c, "for_ms", PHI_MAX_GRANT_MS, &ask->for_ms, err));
    PHI_TRY(num_read(c, "uses", PHI_MAX_USES, &ask->uses, err));
    PHI_TRY(num_read(c, "from_ms", INT64_MAX, &ask->from_ms, err));
    PHI_TRY(num_read(c, "until_ms", INT64_MAX, &ask->until_ms, err));
    if (ask->for_ms == 0 && ask->until_ms == 0)
        return phi_fail(err, PHI_EINPUT, "say \"for_ms\", 1 to %lld, or \"until_ms\"", (long long)PHI_MAX_GRANT_MS);
    if (budget)
        PHI_TRY(phi_json_only(budget, keys, err));
    ask->budget = (struct phi_budget){ phi_json_num(budget, "statements", 0), phi_json_num(budget, "rows", 0),
                                       phi_json_num(budget, "bytes", 0) };
    return windows ? phi_windows_read(&c->arena, windows, &ask->windows, &ask->n_windows, err) : PHI_OK;
}

static enum phi_rc ask_read(struct api_call *c, struct phi_request_ask *ask, struct phi_err *err)
{
    const struct phi_json *glass = phi_json_get(c->body, "break_glass");
    *ask = (struct phi_request_ask){
        .target = phi_json_text(c->body, "target"),
        .why = phi_json_text(c->body, "why"),
        .ticket = phi_json_text(c->body, "ticket"),
        .extends = phi_json_text(c->body, "extends"),
        .key = c->idempotency,
        .from_addr = phi_view_of(c->peer),
    };
    if (glass)
        phi_json_bool(glass, &ask->break_glass);
    PHI_TRY(bounds_read(c, ask, err));
    PHI_TRY(api_body_strs(c, "watchers", &ask->watchers, &ask->n_watchers, err));
    PHI_TRY(api_body_strs(c, "on_behalf", &ask->on_behalf, &ask->n_on_behalf, err));
    PHI_TRY(api_body_strs(c, "suggested", &ask->suggested, &ask->n_suggested, err));
    if (!phi_json_get(c->body, "scope"))
        return ask->extends.n ? PHI_OK : phi_fail(err, PHI_EINPUT, "\"scope\" is needed, or \"extends\"");
    return scope_read(c, ask, err);
}

enum phi_rc api_request_make(struct api_call *c, struct phi_err *err)
{
    struct phi_request_answer r;
    struct phi_request_ask ask;
    bool waits;
    PHI_TRY(ask_read(c, &ask, err));
    PHI_TRY(api_ticket_of_ask(c, &ask, &waits, err));
    if (waits)
        return PHI_OK;
    PHI_TRY(phi_request_make(c->core, &c->arena, &c->actor, &ask, &r, err));
    return made_answer(c, &r, err);
}

enum phi_rc api_request_edit(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    struct phi_request_ask ask;
    bool waits;
    PHI_TRY(ask_read(c, &ask, err));
    PHI_TRY(api_ticket_of_ask(c, &ask, &waits, err));
    if (waits)
        return PHI_OK;
    PHI_TRY(phi_request_edit(c->core, &c->arena, &c->actor, c->params[0], &ask, &r, err));
    return request_answer(c, 200, &r);
}

enum phi_rc api_request_remark(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    struct phi_view kind = phi_json_text(c->body, "kind");
    bool question = phi_view_is(kind, "question");
    if (!question && kind.n && !phi_view_is(kind, "comment"))
        return phi_fail(err, PHI_EINPUT, "\"kind\" is comment or question");
    PHI_TRY(phi_request_remark(c->core, &c->arena, &c->actor, c->params[0], question,
                               phi_json_text(c->body, "text"), &r, err));
    return request_answer(c, 201, &r);
}

enum phi_rc api_request_watch(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    const struct phi_view *people;
    size_t n;
    bool suggested = false;
    const struct phi_json *flag = phi_json_get(c->body, "suggested");
    if (flag)
        phi_json_bool(flag, &suggested);
    PHI_TRY(api_body_strs(c, "people", &people, &n, err));
    PHI_TRY(phi_request_watch(c->core, &c->arena, &c->actor, c->params[0], suggested, people, n, &r, err));
    return request_answer(c, 200, &r);
}

enum phi_rc api_request_get(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    PHI_TRY(phi_request_get(c->core, &c->arena, &c->actor, c->params[0], &r, err));
    return request_answer(c, 200, &r);
}

static enum phi_rc box_read(struct api_call *c, enum phi_box *ret, struct phi_err *err)
{
    struct phi_view box = api_query(c, "box");
    if (!box.n || phi_view_is(box, "inbox"))
        *ret = PHI_BOX_INBOX;
    else if (phi_view_is(box, "mine"))
        *ret = PHI_BOX_MINE;
    else if (phi_view_is(box, "all"))
        *ret = PHI_BOX_ALL;
    else
        return phi_fail(err, PHI_EINPUT, "\"box\" is inbox, mine or all");
    return PHI_OK;
}

enum phi_rc api_request_list(struct api_call *c, struct phi_err *err)
{
    enum phi_box box = PHI_BOX_MINE;
    struct phi_page page = { .after = api_query(c, "cursor") };
    struct phi_request *r;
    size_t n;
    struct phi_view status = api_query(c, "status");
    PHI_TRY(box_read(c, &box, err));
    PHI_TRY(api_query_int(c, "limit", 1, PHI_PAGE_MAX, 50, &page.limit, err));
    if (status.n && !phi_view_is(status, "pending") && !phi_view_is(status, "all"))
        return phi_fail(err, PHI_EINPUT, "\"status\" is pending or all");
    PHI_TRY(phi_request_list(c->core, &c->arena, &c->actor, box, phi_view_is(status, "pending"),
                             &page, &r, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "requests");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        api_w_request(w, &c->arena, &r[i]);
    phi_jw_end(w);
    if (page.next.n)
        phi_jw_kv(w, "next", page.next);
    phi_jw_end(w);
    return PHI_OK;
}


/* 16 bytes as they were given out with the text to sign; "" when absent. */
static enum phi_rc given(struct api_call *c, const char *key, struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(b, 32);
    struct phi_view text = phi_json_text(c->body, key);
    *ret = (struct phi_view){ 0 };
    if (!text.n)
        return PHI_OK;
    if (!phi_b64u_read(text, &b) || phi_buf_view(&b).n != 16)
        return phi_fail(err, PHI_EINPUT, "\"%s\" must be 16 bytes in base64url", key);
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&b));
    return PHI_OK;
}

static enum phi_rc ballot_read(struct api_call *c, struct phi_ballot *b, struct phi_signature *sign, struct phi_err *err)
{
    const struct phi_json *passkey = phi_json_get(c->body, "passkey");
    struct phi_view decision = phi_json_text(c->body, "decision");
    *b = (struct phi_ballot){
        .digest = phi_json_text(c->body, "digest"),
        .version = phi_json_num(c->body, "version", 0),
        .requirement = phi_json_text(c->body, "requirement"),
        .reason = phi_json_text(c->body, "reason"),
    };
    b->approve = phi_view_is(decision, "approve");
    if (!b->approve && !phi_view_is(decision, "deny"))
        return phi_fail(err, PHI_EINPUT, "\"decision\" is approve or deny");
    if (phi_json_get(c->body, "narrowing"))
        PHI_TRY(phi_narrowing_read(&c->arena, phi_json_get(c->body, "narrowing"), &b->narrowing, err));
    PHI_TRY(given(c, "nonce", &b->nonce, err));
    PHI_TRY(given(c, "salt", &b->salt, err));
    if (!passkey)
        return PHI_OK;
    PHI_TRY(api_passkey_rp(c, &sign->rp, err));
    PHI_TRY(api_passkey_answer(c, passkey, "auth", &sign->answer, &sign->id, err));
    b->signature = sign;
    return PHI_OK;
}

enum phi_rc api_vote(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    struct phi_ballot b;
    struct phi_signature sign;
    bool waits = false;
    PHI_TRY(ballot_read(c, &b, &sign, err));
    if (b.approve)
        PHI_TRY(api_ticket_again(c, c->params[0], API_TICKET_VOTE_MS, &waits, err));
    if (waits)
        return PHI_OK;
    PHI_TRY(phi_request_vote(c->core, &c->arena, &c->actor, c->params[0], &b, &r, err));
    if (b.signature)
        PHI_TRY(phi_session_strong(c->core, c->token, err));
    return request_answer(c, 200, &r);
}

enum phi_rc api_vote_options(struct api_call *c, struct phi_err *err)
{
    struct phi_ballot b;
    struct phi_signature sign;
    struct phi_webauthn_rp rp;
    struct phi_vote_text t;
    PHI_TRY(api_passkey_rp(c, &rp, err));
    PHI_TRY(ballot_read(c, &b, &sign, err));
    PHI_TRY(phi_request_vote_text(c->core, &c->arena, &c->actor, c->params[0], &b, &t, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "vote", t.vote);
    phi_jw_key(w, "nonce");
    phi_jw_b64u(w, t.nonce);
    phi_jw_key(w, "salt");
    phi_jw_b64u(w, t.salt);
    api_w_passkey_get(w, &rp, phi_digest_view(&t.digest), t.keys, t.n_keys);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_request_cancel(struct api_call *c, struct phi_err *err)
{
    struct phi_request r;
    PHI_TRY(phi_request_cancel(c->core, &c->arena, &c->actor, c->params[0], &r, err));
    return request_answer(c, 200, &r);
}
