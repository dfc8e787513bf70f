#include "api/call.h"

#include <stdio.h>

#include "api/change.h"
#include "base/limits.h"
#include "core/gateway.h"
#include "core/token.h"
#include "net/http.h"

void api_call_got(struct api_call *c, const struct net_fetch_answer *a, const struct phi_err *err)
{
    c->ask = NULL;
    c->got = (struct api_got){ .rc = a ? PHI_OK : err->rc };
    if (a) {
        c->got.status = a->status;
        c->got.body = phi_arena_copy(&c->arena, a->body);
    } else {
        snprintf(c->got.why, sizeof(c->got.why), "%s", err->msg);
    }
}

struct phi_view api_query(struct api_call *c, const char *name)
{
    struct phi_view rest = c->query, pair, key, value;
    while (phi_view_split(&rest, '&', &pair))
        if (phi_view_split(&pair, '=', &key) && phi_view_is(key, name))
            return net_percent_decode(&c->arena, pair, true, &value) ? value : (struct phi_view){ 0 };
    return (struct phi_view){ 0 };
}

enum phi_rc api_query_int(struct api_call *c, const char *name, int64_t min, int64_t max,
                          int64_t otherwise, int64_t *ret, struct phi_err *err)
{
    struct phi_view v = api_query(c, name);
    *ret = otherwise;
    if (v.n && (!phi_view_int(v, ret) || *ret < min || *ret > max))
        return phi_fail(err, PHI_EINPUT, "\"%s\" must be a whole number from %lld to %lld", name,
                        (long long)min, (long long)max);
    return PHI_OK;
}

enum phi_rc api_body_text(struct api_call *c, const char *key, struct phi_view *ret,
                          struct phi_err *err)
{
    const struct phi_json *v = phi_json_get(c->body, key);
    *ret = (struct phi_view){ 0 };
    if (!v)
        return PHI_OK;
    PHI_BUF(text, API_ANSWER_MAX);
    phi_json_canon(&text, v);
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&text));
    if (!phi_buf_ok(&text) || !phi_arena_ok(&c->arena))
        return phi_fail(err, PHI_ELIMIT, "\"%s\" is too large", key);
    return PHI_OK;
}

enum phi_rc api_body_strs(struct api_call *c, const char *key, const struct phi_view **ret,
                          size_t *n, struct phi_err *err)
{
    const struct phi_json *v = phi_json_get(c->body, key);
    struct phi_view *out = phi_arena_array(&c->arena, v ? v->n + 1 : 1, sizeof(*out));
    *ret = out;
    *n = v ? v->n : 0;
    if (!out)
        return phi_fail(err, PHI_ELIMIT, "\"%s\" is too long", key);
    for (size_t i = 0; i < *n; i++)
        out[i] = v->items[i].str; /* the row's list says they are strings */
    return PHI_OK;
}

struct phi_jw *api_answer(struct api_call *c, int status)
{
    c->status = status;
    c->type = "application/json";
    phi_buf_clear(&c->out);
    phi_jw_init(&c->w, &c->out);
    phi_jw_obj(&c->w);
    return &c->w;
}

enum phi_rc api_refuse(struct api_call *c, struct phi_err *err, enum api_problem p,
                       const char *detail)
{
    c->problem = p;
    return phi_fail(err, PHI_EDENIED, "%s", detail);
}

const char *api_login_cookie(const struct api_env *env)
{
    return env->secure ? "__Host-phi_login" : "phi_login";
}

static bool changes_things(const struct api_route *r)
{
    return !phi_view_is(phi_view_of(r->method), "GET");
}

static enum phi_rc right_of(struct api_call *c, enum phi_right r, struct phi_view group, struct phi_err *err)
{
    enum phi_verdict v;
    struct phi_view reason;
    PHI_TRY(phi_right_ask(c->core, &c->arena, &c->actor, r, group, &v, &reason, err));
    switch (v) {
    case PHI_ALLOW: return PHI_OK;
    case PHI_NEEDS:
        c->filing = c->route->flags & API_CHANGE;
        c->problem = API_RIGHT_NEEDS;
        return c->filing ? PHI_OK
                         : phi_fail(err, PHI_EDENIED,
                                    "the policy gives the right \"%s\" after an approval only, which this route cannot wait for",
                                    phi_right_action(r));
    case PHI_DENY: break;
    }
    c->problem = API_RIGHT_MISSING;
    return phi_fail(err, PHI_EDENIED, "this needs the right \"%s\": " PHI_FMT, phi_right_action(r),
                    PHI_ARG(phi_view_upto(reason, 120)));
}

/* The live policy's word on the route's action, and on each group that a new person would be in. */
static enum phi_rc may(struct api_call *c, struct phi_err *err)
{
    struct api_change_part parts[PHI_MAX_ACTIONS];
    size_t n;
    if (api_right_action(c->route->right) == PHI_RIGHTS_N)
        return PHI_OK;
    PHI_TRY(api_change_parts(c, parts, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(right_of(c, parts[i].right, parts[i].group, err));
    return PHI_OK;
}

bool api_token_is(struct phi_view token)
{
    return phi_view_starts(token, PHI_LIT(PHI_TOKEN_PREFIX));
}

/* A program: with the rights that its token carries, and nothing of what people do about themselves. */
static enum phi_rc admit_token(struct api_call *c, struct phi_err *err)
{
    struct phi_token t;
    if (phi_token_find(c->core, &c->arena, c->token, phi_view_of(c->peer), &t, err) != PHI_OK) {
        c->problem = err->rc == PHI_EAUTH ? API_NOT_SIGNED_IN : API_OK;
        return err->rc;
    }
    if (c->by_cookie || (c->route->right == API_RIGHT_SELF && changes_things(c->route)))
        return api_refuse(c, err, API_TOKEN_BY_TOKEN, "a token may not do this; it is for people in their own session");
    PHI_TRY(phi_person_get(c->core, &c->arena, t.who, &c->person, err));
    c->session = (struct phi_session){ .id = t.id, .person = t.who, .expires_in_ms = t.expires_in_ms };
    c->actor = (struct phi_actor){ .kind = PHI_ACTOR_PERSON, .id = c->person.id, .device = c->device, .session = t.id, .withheld = ~t.rights };
    return may(c, err);
}

static enum phi_rc admit_person(struct api_call *c, struct phi_err *err)
{
    if (!c->token.n)
        return api_refuse(c, err, API_NOT_SIGNED_IN, "no token and no session came with this");
    if (api_token_is(c->token))
        return admit_token(c, err);
    if (phi_session_find(c->core, &c->arena, c->token, &c->session, err) != PHI_OK) {
        c->problem = err->rc == PHI_EAUTH ? API_NOT_SIGNED_IN : API_OK;
        return err->rc;
    }
    if (c->by_cookie && changes_things(c->route) &&
        (!c->csrf.n || !phi_secret_eq(c->csrf, phi_view_of(c->session.csrf))))
        return api_refuse(c, err, API_BAD_CSRF,
                          "the X-Phi-CSRF header is missing or is another session's");
    PHI_TRY(phi_person_get(c->core, &c->arena, c->session.person, &c->person, err));
    c->actor = (struct phi_actor){ .kind = PHI_ACTOR_PERSON, .id = c->person.id, .device = c->device, .session = c->session.id };
    return may(c, err);
}

static enum phi_rc admit_gateway(struct api_call *c, struct phi_err *err)
{
    struct phi_view name;
    if (!c->has_key)
        return api_refuse(c, err, API_NO_CERTIFICATE,
                          "no client certificate came with this connection");
    if (phi_gateway_find(c->core, &c->arena, &c->key, &name, err) != PHI_OK) {
        c->problem = err->rc == PHI_EAUTH ? API_NO_CERTIFICATE : API_OK;
        return err->rc;
    }
    c->actor = (struct phi_actor){ .kind = PHI_ACTOR_GATEWAY, .id = name };
    return PHI_OK;
}

enum phi_rc api_admit(struct api_call *c, struct phi_err *err)
{
    c->actor = (struct phi_actor){ 0 };
    c->problem = API_OK;
    c->filing = false;
    if (c->route->right == API_RIGHT_NONE || c->route->right == API_RIGHT_ENROL)
        return PHI_OK;
    if (c->route->right == API_RIGHT_GATEWAY)
        return admit_gateway(c, err);
    if (api_right_of_person(c->route->right))
        return admit_person(c, err);
    return api_refuse(c, err, API_INTERNAL, "the route has no right");
}
