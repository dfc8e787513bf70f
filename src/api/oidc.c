/* Signing in with an OpenID Connect provider: authorization code with PKCE (OpenID Connect Core 3.1; RFC 7636; RFC 9207;
 * RFC 9700 for what can go wrong). The browser keeps one random secret in a cookie; state, nonce and the code verifier are
 * derived from it, so an answer counts only in the browser that asked. */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/issuer.h"
#include "api/page.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "core/identity.h"

#define SECRET_MAX 1024

struct oidc_flow { /* between the calls of the callback's handler */
    struct phi_view provider, next, code, id_token, access_token;
    struct phi_oidc_conf conf;
    struct phi_jws token;        /* verified */
    const struct phi_json *info; /* NULL: not asked for */
    enum { FLOW_META, FLOW_TOKEN, FLOW_KEYS, FLOW_INFO } step;
    bool renewed;
};

/* ---- what one secret gives ---- */

static struct phi_view derived(struct api_call *c, const char *what)
{
    struct phi_digest d = phi_hmac_sha256(c->login_secret, phi_view_of(what));
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_b64u_add(&b, phi_digest_view(&d));
    return phi_arena_copy(&c->arena, phi_buf_view(&b));
}

static struct phi_view challenge_of(struct api_call *c)
{
    struct phi_digest d = phi_sha256(derived(c, "phi-oidc-verifier"));
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_b64u_add(&b, phi_digest_view(&d));
    return phi_arena_copy(&c->arena, phi_buf_view(&b));
}

static struct phi_view redirect_uri(struct api_call *c, struct phi_view provider)
{
    return phi_arena_printf(&c->arena, "%s/login/oidc/" PHI_FMT "/callback", c->env->origin, PHI_ARG(provider));
}

static enum phi_rc conf_get(struct api_call *c, struct phi_view name, struct phi_oidc_conf *ret, struct phi_err *err)
{
    struct phi_provider p;
    PHI_TRY(phi_provider_get(c->core, &c->arena, name, PHI_LIT("oidc"), &p, err));
    return phi_oidc_conf_read(&c->arena, p.config, ret, err);
}

/* ---- beginning ---- */

static void pair(struct phi_buf *b, const char *name, struct phi_view value)
{
    phi_buf_printf(b, "%s%s=", b->n && b->p[b->n - 1] != '?' ? "&" : "", name);
    api_url_add(b, value);
}

static enum phi_rc begin(struct api_call *c, const struct phi_oidc_conf *conf, const struct api_issuer *iss, struct phi_err *err)
{
    PHI_BUF(url, 8192);
    PHI_BUF(data, 2048);
    struct phi_jw w;
    uint8_t bits[32];
    if (!iss->authorization[0])
        return phi_fail(err, PHI_EIO, "the provider has no authorization endpoint under https");
    phi_random(bits, sizeof(bits));
    phi_b64u_add(&url, phi_view_mem(bits, sizeof(bits)));
    c->login_secret = phi_arena_copy(&c->arena, phi_buf_view(&url));
    phi_jw_init(&w, &data);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "next", api_next_ok(api_form(c, "next")));
    phi_jw_kv(&w, "provider", c->params[0]);
    phi_jw_end(&w);
    struct phi_login l = { .kind = PHI_LIT("oidc"), .data = phi_buf_view(&data) };
    PHI_TRY(phi_login_put(c->core, derived(c, "phi-oidc-state"), &l, PHI_LOGIN_MS, err));
    snprintf(c->cookie, sizeof(c->cookie), "%s=" PHI_FMT "; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s", api_login_cookie(c->env),
             PHI_ARG(c->login_secret), (long long)(PHI_LOGIN_MS / 1000), c->env->secure ? "; Secure" : "");
    phi_buf_clear(&url);
    phi_buf_printf(&url, "%s%s", iss->authorization, strchr(iss->authorization, '?') ? "&" : "?");
    phi_buf_adds(&url, "response_type=code");
    pair(&url, "client_id", conf->client_id);
    pair(&url, "redirect_uri", redirect_uri(c, c->params[0]));
    pair(&url, "scope", conf->scope);
    pair(&url, "state", derived(c, "phi-oidc-state"));
    pair(&url, "nonce", derived(c, "phi-oidc-nonce"));
    pair(&url, "code_challenge", challenge_of(c));
    pair(&url, "code_challenge_method", PHI_LIT("S256"));
    if (conf->strong) /* makes providers tell when that was (auth_time) */
        phi_buf_printf(&url, "&max_age=%lld", (long long)(PHI_SESSION_MS / 1000));
    if (conf->strong && iss->takes_claims)
        pair(&url, "claims", PHI_LIT("{\"id_token\":{\"acr\":null,\"amr\":null,\"auth_time\":{\"essential\":true}}}"));
    if (!phi_buf_ok(&url))
        return phi_fail(err, PHI_ELIMIT, "the provider's address is too long");
    return api_page_go(c, phi_buf_view(&url), "Signing in");
}

enum phi_rc api_oidc_start(struct api_call *c, struct phi_err *err)
{
    struct phi_oidc_conf conf;
    const struct api_issuer *iss;
    PHI_TRY(conf_get(c, c->params[0], &conf, err));
    PHI_TRY(api_issuer_find(c, conf.issuer, false, false, &iss, err));
    return iss ? begin(c, &conf, iss, err) : PHI_OK;
}

/* ---- the way back ---- */

static enum phi_rc refused(struct api_call *c, struct phi_err *err, const char *why)
{
    c->problem = API_LOGIN_REFUSED;
    return phi_fail(err, PHI_EDENIED, "%s", why);
}

/* The answer must be to a question of this browser, and is taken once. */
static enum phi_rc flow_begin(struct api_call *c, struct phi_err *err)
{
    struct oidc_flow *f = phi_arena_new(&c->arena, struct oidc_flow);
    struct phi_view state = api_query(c, "state"), data_next, iss = api_query(c, "iss");
    const struct phi_json *data;
    struct phi_login l;
    if (!f)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!c->login_secret.n || !phi_secret_eq(state, derived(c, "phi-oidc-state")))
        return refused(c, err, "this answer is not to a sign-in that this browser began; begin again");
    PHI_TRY(phi_login_get(c->core, &c->arena, state, "oidc", true, &l, err));
    PHI_TRY(phi_json_read(&c->arena, l.data, PHI_JSON_STRICT, "sign-in", &data, err));
    data_next = phi_json_text(data, "next");
    *f = (struct oidc_flow){ .provider = phi_json_text(data, "provider"), .next = api_next_ok(data_next), .code = api_query(c, "code") };
    if (!phi_view_eq(f->provider, c->params[0]))
        return refused(c, err, "the answer came from another provider than was asked");
    PHI_TRY(conf_get(c, f->provider, &f->conf, err));
    if (iss.n && !phi_view_eq(iss, f->conf.issuer))
        return refused(c, err, "the answer names another issuer (iss)");
    if (!f->code.n)
        return refused(c, err, "the provider did not sign you in");
    c->flow = f;
    return PHI_OK;
}

static enum phi_rc secret_read(struct api_call *c, const struct oidc_flow *f, struct phi_buf *ret, struct phi_err *err)
{
    char path[4096];
    bool credential = c->env->secrets && !strncmp(c->env->secrets, "credential:", 11);
    if (!c->env->secrets || !c->env->secrets[0])
        return phi_fail(err, PHI_EIO, "phid.yaml names no folder of `secrets`, where oidc-" PHI_FMT " should stand", PHI_ARG(f->provider));
    if (snprintf(path, sizeof(path), "%s%soidc-" PHI_FMT, c->env->secrets, credential ? "" : "/", PHI_ARG(f->provider)) >= (int)sizeof(path))
        return phi_fail(err, PHI_ELIMIT, "the path of `secrets` is too long");
    return phi_file_read_secret(path, SECRET_MAX, ret, err);
}

/* RFC 6749 2.3.1: both parts are encoded as in a form, then joined for HTTP Basic. */
static enum phi_rc client_auth(struct api_call *c, const struct oidc_flow *f, const struct api_issuer *iss, struct phi_buf *body,
                               struct net_http_field *field, struct phi_err *err)
{
    PHI_BUF(secret, SECRET_MAX);
    PHI_BUF(both, 8 * SECRET_MAX);
    PHI_BUF(head, 12 * SECRET_MAX);
    enum phi_rc rc = secret_read(c, f, &secret, err);
    struct phi_view s = phi_view_trim(phi_buf_view(&secret));
    if (rc == PHI_OK && iss->basic_auth) {
        api_url_add(&both, f->conf.client_id);
        phi_buf_addc(&both, ':');
        api_url_add(&both, s);
        phi_buf_adds(&head, "Basic ");
        phi_b64_add(&head, phi_buf_view(&both));
        *field = (struct net_http_field){ "Authorization", phi_arena_str(&c->arena, phi_buf_view(&head)) };
    } else if (rc == PHI_OK) {
        pair(body, "client_secret", s);
    }
    phi_buf_wipe(&secret);
    phi_buf_wipe(&both);
    phi_buf_wipe(&head);
    return rc;
}

static enum phi_rc token_ask(struct api_call *c, struct oidc_flow *f, const struct api_issuer *iss, struct phi_err *err)
{
    PHI_BUF(body, 32 * 1024);
    struct net_fetch_ask *q = phi_arena_new(&c->arena, struct net_fetch_ask);
    struct net_http_field *fields = phi_arena_array(&c->arena, 3, sizeof(*fields));
    size_t n = 2;
    if (!q || !fields)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!iss->token[0])
        return phi_fail(err, PHI_EIO, "the provider has no token endpoint under https");
    fields[0] = (struct net_http_field){ "Content-Type", "application/x-www-form-urlencoded" };
    fields[1] = (struct net_http_field){ "Accept", "application/json" };
    phi_buf_adds(&body, "grant_type=authorization_code");
    pair(&body, "code", f->code);
    pair(&body, "redirect_uri", redirect_uri(c, f->provider));
    pair(&body, "code_verifier", derived(c, "phi-oidc-verifier"));
    if (!f->conf.secret || !iss->basic_auth)
        pair(&body, "client_id", f->conf.client_id);
    if (f->conf.secret)
        PHI_TRY(client_auth(c, f, iss, &body, &fields[2], err));
    n += fields[2].name != NULL;
    *q = (struct net_fetch_ask){ .url = phi_arena_str(&c->arena, phi_view_of(iss->token)), .method = "POST", .fields = fields, .n_fields = n,
                                 .body = phi_arena_copy(&c->arena, phi_buf_view(&body)), .max_body = 128 * 1024 };
    phi_buf_wipe(&body);
    f->step = FLOW_TOKEN;
    c->ask = q;
    return PHI_OK;
}

static enum phi_rc token_take(struct api_call *c, struct oidc_flow *f, struct phi_err *err)
{
    const struct phi_json *v;
    if (c->got.rc != PHI_OK)
        return phi_fail(err, c->got.rc, "the provider cannot be asked: %s", c->got.why);
    if (phi_json_read(&c->arena, c->got.body, PHI_JSON_INT64 | PHI_JSON_REALS, "token answer", &v, err) != PHI_OK || c->got.status != 200) {
        PHI_LOG(WARN, "sign-in refused by the provider", "why", PHI_FMT " answered %d", PHI_ARG(f->provider), c->got.status);
        return refused(c, err, "the provider did not take the code back");
    }
    f->id_token = phi_json_text(v, "id_token");
    f->access_token = phi_json_text(v, "access_token");
    if (!f->id_token.n)
        return refused(c, err, "the provider's answer has no id_token");
    f->step = FLOW_KEYS;
    return PHI_OK;
}

/* ---- what the token says ---- */

static const struct phi_json *member_of(const struct phi_json *v, struct phi_view name)
{
    for (size_t i = 0; v && name.n && i < v->n; i++)
        if (phi_view_eq(v->keys[i], name))
            return &v->items[i];
    return NULL;
}

/* Whose word on a claim counts: the id_token's, and where it is silent the userinfo endpoint's. */
static const struct phi_json *who_says(const struct oidc_flow *f, struct phi_view name)
{
    return member_of(f->token.claims, name) ? f->token.claims : f->info;
}

/* When a second factor was shown: only where amr or acr says so in a word that the configuration trusts, and the time is told. */
static int64_t strong_of(const struct phi_oidc_conf *conf, const struct phi_jws *t)
{
    int64_t at;
    for (size_t i = 0; conf->strong && i < conf->strong->n; i++) {
        struct phi_view word = conf->strong->items[i].str;
        if (phi_jwt_has(t->claims, "amr", word) || phi_jwt_has(t->claims, "acr", word))
            return phi_jwt_time(t->claims, "auth_time", &at) && at <= phi_now_wall_ms() ? at : 0;
    }
    return 0;
}

/* An address that nobody has checked proves nothing. */
static struct phi_view name_of(const struct oidc_flow *f)
{
    bool verified = false;
    struct phi_view name = { 0 };
    const struct phi_json *says = who_says(f, f->conf.name_claim);
    if (phi_view_is(f->conf.name_claim, "email") && (!phi_json_bool(phi_json_get(says, "email_verified"), &verified) || !verified))
        return name;
    phi_json_str(member_of(says, f->conf.name_claim), &name);
    return name;
}

static enum phi_rc signed_in(struct api_call *c, const struct oidc_flow *f, struct phi_err *err)
{
    char token[PHI_TOKEN_LEN + 1];
    const struct phi_jws *t = &f->token;
    struct phi_sign_in in = { .provider = f->provider, .subject = phi_json_text(t->claims, "sub"), .name = name_of(f),
                              .groups = member_of(who_says(f, f->conf.groups_claim), f->conf.groups_claim) };
    struct phi_session_how how = { .kind = PHI_LIT("web"), .note = c->agent, .address = phi_view_of(c->peer), .provider = f->provider,
                                   .strong_ms = strong_of(&f->conf, t) };
    PHI_TRY(phi_identity_sign_in(c->core, &c->arena, &f->conf, &in, &c->person, err));
    PHI_TRY(phi_session_begin(c->core, &c->arena, c->person.id, &how, token, &c->session, err));
    api_cookie_set(c, token, c->session.expires_in_ms);
    phi_wipe(token, sizeof(token));
    return api_page_go(c, f->next, "Signed in");
}

/* OpenID Connect Core 5.3: asked once the id_token is verified, and believed only of the same subject (5.3.2). */
static enum phi_rc info_ask(struct api_call *c, struct oidc_flow *f, const struct api_issuer *iss, struct phi_err *err)
{
    struct net_fetch_ask *q = phi_arena_new(&c->arena, struct net_fetch_ask);
    struct net_http_field *fields = phi_arena_array(&c->arena, 2, sizeof(*fields));
    if (!iss->userinfo[0] || !f->access_token.n)
        return refused(c, err, "the provider has no userinfo endpoint under https, or gave no access token for it");
    if (!q || !fields)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < f->access_token.n; i++)
        if (f->access_token.p[i] <= ' ' || f->access_token.p[i] > '~')
            return refused(c, err, "the provider's access token is none");
    struct phi_view bearer = phi_arena_printf(&c->arena, "Bearer " PHI_FMT, PHI_ARG(f->access_token));
    fields[0] = (struct net_http_field){ "Authorization", phi_arena_str(&c->arena, bearer) };
    fields[1] = (struct net_http_field){ "Accept", "application/json" };
    *q = (struct net_fetch_ask){ .url = phi_arena_str(&c->arena, phi_view_of(iss->userinfo)), .method = "GET", .fields = fields, .n_fields = 2,
                                 .max_body = 128 * 1024 };
    f->step = FLOW_INFO;
    c->ask = q;
    return PHI_OK;
}

static enum phi_rc info_take(struct api_call *c, struct oidc_flow *f, struct phi_err *err)
{
    if (c->got.rc != PHI_OK)
        return phi_fail(err, c->got.rc, "the provider's userinfo endpoint cannot be asked: %s", c->got.why);
    if (c->got.status != 200 || phi_json_read(&c->arena, c->got.body, PHI_JSON_INT64 | PHI_JSON_REALS, "userinfo", &f->info, err) != PHI_OK)
        return refused(c, err, "the provider's userinfo endpoint does not answer with a JSON object");
    if (f->info->kind != PHI_JSON_OBJ || !phi_view_eq(phi_json_text(f->info, "sub"), phi_json_text(f->token.claims, "sub")))
        return refused(c, err, "the userinfo endpoint speaks of somebody else (sub)");
    return signed_in(c, f, err);
}

static enum phi_rc token_check(struct api_call *c, struct oidc_flow *f, const struct api_issuer *iss, struct phi_err *err)
{
    struct phi_jws t;
    struct phi_jwt_want want = { .iss = f->conf.issuer, .aud = f->conf.client_id, .exact_party = true, .now_ms = phi_now_wall_ms(), .max_age_ms = PHI_LOGIN_MS };
    enum phi_rc rc = phi_jws_open(&c->arena, f->id_token, iss->keys, &t, err);
    if (rc == PHI_ENOTFOUND && !f->renewed && api_issuer_may_renew(c, f->conf.issuer)) {
        f->renewed = true; /* the provider may have new keys */
        PHI_TRY(api_issuer_find(c, f->conf.issuer, true, true, &iss, err));
        return PHI_OK;
    }
    if (rc == PHI_OK)
        rc = phi_jwt_check(&t, &want, err);
    if (rc == PHI_OK && !phi_secret_eq(phi_json_text(t.claims, "nonce"), derived(c, "phi-oidc-nonce")))
        rc = phi_fail(err, PHI_EDENIED, "the token is not for this sign-in (nonce)");
    if (rc != PHI_OK) {
        PHI_LOG(WARN, "id_token refused", "why", PHI_FMT ": %s", PHI_ARG(f->provider), err->msg);
        c->problem = API_LOGIN_REFUSED;
        return rc;
    }
    f->token = t;
    return f->conf.userinfo ? info_ask(c, f, iss, err) : signed_in(c, f, err);
}

enum phi_rc api_oidc_callback(struct api_call *c, struct phi_err *err)
{
    const struct api_issuer *iss;
    if (!c->flow)
        PHI_TRY(flow_begin(c, err));
    struct oidc_flow *f = c->flow;
    if (f->step == FLOW_INFO)
        return info_take(c, f, err);
    if (f->step == FLOW_TOKEN)
        PHI_TRY(token_take(c, f, err));
    PHI_TRY(api_issuer_find(c, f->conf.issuer, f->step == FLOW_KEYS, false, &iss, err));
    if (!iss)
        return PHI_OK;
    if (f->step == FLOW_META && iss->says_iss && !api_query(c, "iss").n)
        return refused(c, err, "the answer does not name its issuer (iss)");
    return f->step == FLOW_META ? token_ask(c, f, iss, err) : token_check(c, f, iss, err);
}

enum phi_rc api_login_choose(struct api_call *c, struct phi_err *err)
{
    return api_page_sign_in(c, api_query(c, "next"), err);
}
