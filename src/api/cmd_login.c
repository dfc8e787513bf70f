/* How the CLI and programs get in, in the shape of OAuth: a device's code that a signed-in person confirms (RFC 8628), a
 * loopback redirect with PKCE (RFC 8252), and another issuer's token for a short one of ours (RFC 8693). */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/issuer.h"
#include "api/page.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "core/token.h"

#define CODE_MS 60000 /* from the confirmation to the CLI's asking: the browser goes there by itself */
#define POLL_S 5

/* ---- answers of /v1/token ---- */

static enum phi_rc oauth_no(struct api_call *c, const char *error, const char *why)
{
    struct phi_jw *w = api_answer(c, 400);
    phi_jw_kc(w, "error", error);
    phi_jw_kc(w, "error_description", why);
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc token_answer(struct api_call *c, const char *token, int64_t ms, const char *issued_type)
{
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kc(w, "access_token", token);
    phi_jw_kc(w, "token_type", "Bearer");
    phi_jw_ki(w, "expires_in", ms / 1000);
    if (issued_type)
        phi_jw_kc(w, "issued_token_type", issued_type);
    phi_jw_end(w);
    return PHI_OK;
}

/* A session for the CLI of whoever confirmed; it is as strongly signed in as the browser was. */
static enum phi_rc session_answer(struct api_call *c, const struct phi_login *l, const struct phi_json *data, struct phi_err *err)
{
    char token[PHI_TOKEN_LEN + 1];
    struct phi_session s;
    struct phi_session_how how = { .kind = PHI_LIT("cli"), .note = phi_json_text(data, "note"), .address = phi_view_of(c->peer),
                                   .provider = phi_json_text(data, "provider"), .strong_ms = phi_json_num(data, "strong_ms", 0) };
    PHI_TRY(phi_session_begin(c->core, &c->arena, l->person, &how, token, &s, err));
    enum phi_rc rc = token_answer(c, token, s.expires_in_ms, NULL);
    phi_wipe(token, sizeof(token));
    return rc;
}

static struct phi_view random_text(struct api_call *c)
{
    uint8_t bits[32];
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_random(bits, sizeof(bits));
    phi_b64u_add(&b, phi_view_mem(bits, sizeof(bits)));
    return phi_arena_copy(&c->arena, phi_buf_view(&b));
}

/* ---- a device's code ---- */

/* Consonants without look-alikes, so that no word arises: 20^8 codes. */
static struct phi_view user_code(struct api_call *c)
{
    static const char letters[] = "BCDFGHJKLMNPQRSTVWXZ";
    char code[10];
    for (int i = 0; i < 9; i++) {
        uint8_t r;
        do
            phi_random(&r, 1);
        while (r >= 240); /* no letter more often than another */
        code[i] = i == 4 ? '-' : letters[r % 20];
    }
    return phi_arena_copy(&c->arena, phi_view_mem(code, 9));
}

static struct phi_view typed_code(struct api_call *c, struct phi_view typed)
{
    char code[10];
    size_t n = 0;
    for (size_t i = 0; i < typed.n && n < 9; i++) {
        uint8_t ch = typed.p[i];
        if (n == 4)
            code[n++] = '-';
        if (ch >= 'a' && ch <= 'z')
            ch = (uint8_t)(ch - 'a' + 'A');
        if (ch >= 'A' && ch <= 'Z')
            code[n++] = (char)ch;
    }
    return n == 9 ? phi_arena_copy(&c->arena, phi_view_mem(code, 9)) : (struct phi_view){ 0 };
}

static struct phi_view data_make(struct api_call *c, const char *const *keys, const struct phi_view *values, size_t n, bool refused)
{
    PHI_BUF(b, 4096);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_obj(&w);
    for (size_t i = 0; i < n; i++)
        phi_jw_kv(&w, keys[i], values[i]);
    phi_jw_kb(&w, "refused", refused);
    if (c->session.person.n) {
        phi_jw_kv(&w, "provider", c->session.provider);
        phi_jw_ki(&w, "strong_ms", c->session.strong_ms);
    }
    phi_jw_end(&w);
    return phi_arena_copy(&c->arena, phi_buf_view(&b));
}

enum phi_rc api_device_begin(struct api_call *c, struct phi_err *err)
{
    static const char *const keys[] = { "note", "address" };
    struct phi_view secret = random_text(c), code = user_code(c), note = phi_view_upto(api_form(c, "client_name"), 200);
    struct phi_view values[] = { note.n ? note : PHI_LIT("phi"), phi_view_of(c->peer) };
    struct phi_login l = { .kind = PHI_LIT("device"), .code = code, .data = data_make(c, keys, values, 2, false) };
    PHI_TRY(phi_login_put(c->core, secret, &l, PHI_LOGIN_MS, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "device_code", secret);
    phi_jw_kv(w, "user_code", code);
    phi_jw_kv(w, "verification_uri", phi_arena_printf(&c->arena, "%s/device", c->env->origin));
    phi_jw_kv(w, "verification_uri_complete", phi_arena_printf(&c->arena, "%s/device?code=" PHI_FMT, c->env->origin, PHI_ARG(code)));
    phi_jw_ki(w, "expires_in", PHI_LOGIN_MS / 1000);
    phi_jw_ki(w, "interval", POLL_S);
    phi_jw_end(w);
    return PHI_OK;
}

static void line(struct api_call *c, const char *name, struct phi_view value)
{
    phi_buf_printf(&c->out, "<dt>%s</dt><dd>", name);
    api_html_add(&c->out, value);
    phi_buf_adds(&c->out, "</dd>");
}

static void hidden(struct api_call *c, const char *name, struct phi_view value)
{
    phi_buf_printf(&c->out, "<input type=\"hidden\" name=\"%s\" value=\"", name);
    api_html_add(&c->out, value);
    phi_buf_adds(&c->out, "\">");
}

static void confirm_buttons(struct api_call *c)
{
    hidden(c, "csrf", phi_view_of(c->session.csrf));
    phi_buf_adds(&c->out, "<button type=\"submit\" name=\"answer\" value=\"yes\">Sign it in as me</button> "
                          "<button type=\"submit\" name=\"answer\" value=\"no\">Refuse</button></form>"
                          "<p>Refuse unless you began this yourself, just now, on that machine.</p>");
    api_page_end(c);
}

static void code_ask(struct api_call *c, const char *why)
{
    api_page_begin(c, 200, "Sign in a device", (struct phi_view){ 0 });
    phi_buf_printf(&c->out, "<p>%s</p><form method=\"get\"><label>Code <input name=\"code\" autocomplete=\"off\" autofocus "
                            "maxlength=\"12\"></label> <button type=\"submit\">Go on</button></form>", why);
    api_page_end(c);
}

static enum phi_rc data_read(struct api_call *c, const struct phi_login *l, const struct phi_json **ret, struct phi_err *err)
{
    return phi_json_read(&c->arena, l->data, PHI_JSON_STRICT, "sign-in", ret, err);
}

enum phi_rc api_device_page(struct api_call *c, struct phi_err *err)
{
    struct phi_view code = typed_code(c, api_query(c, "code"));
    const struct phi_json *data;
    struct phi_login l;
    if (!api_page_person(c))
        return api_page_sign_in(c, code.n ? phi_arena_printf(&c->arena, "/device?code=" PHI_FMT, PHI_ARG(code)) : PHI_LIT("/device"), err);
    if (!code.n || phi_login_by_code(c->core, &c->arena, "device", code, &l, NULL) != PHI_OK || l.person.n) {
        code_ask(c, code.n ? "No device waits under this code. Type the one that it shows." : "Type the code that the device shows.");
        return PHI_OK;
    }
    PHI_TRY(data_read(c, &l, &data, err));
    api_page_begin(c, 200, "Sign in a device", (struct phi_view){ 0 });
    phi_buf_adds(&c->out, "<p>This wants to act as you:</p><dl>");
    line(c, "What", phi_json_text(data, "note"));
    line(c, "From", phi_json_text(data, "address"));
    line(c, "Code", code);
    line(c, "As", c->person.name);
    phi_buf_adds(&c->out, "</dl><form method=\"post\" action=\"/device\">");
    hidden(c, "code", code);
    confirm_buttons(c);
    return PHI_OK;
}

static enum phi_rc said(struct api_call *c, const char *title, const char *text)
{
    api_page_begin(c, 200, title, (struct phi_view){ 0 });
    phi_buf_printf(&c->out, "<p>%s</p>", text);
    api_page_end(c);
    return PHI_OK;
}

enum phi_rc api_device_confirm(struct api_call *c, struct phi_err *err)
{
    static const char *const keys[] = { "note", "address" };
    struct phi_view code = typed_code(c, api_form(c, "code")), answer = api_form(c, "answer");
    const struct phi_json *data;
    struct phi_login l;
    PHI_TRY(api_page_admit(c, err));
    PHI_TRY(phi_login_by_code(c->core, &c->arena, "device", code, &l, err));
    PHI_TRY(data_read(c, &l, &data, err));
    struct phi_view values[] = { phi_json_text(data, "note"), phi_json_text(data, "address") };
    bool yes = phi_view_is(answer, "yes");
    PHI_TRY(phi_login_settle(c->core, "device", code, c->person.id, data_make(c, keys, values, 2, !yes), err));
    return yes ? said(c, "Signed in", "The device is signed in as you. You can close this page.")
               : said(c, "Refused", "The device was not signed in. You can close this page.");
}

static enum phi_rc device_token(struct api_call *c, struct phi_err *err)
{
    struct phi_view secret = api_form(c, "device_code");
    const struct phi_json *data;
    struct phi_login l;
    bool refused = true;
    if (phi_login_get(c->core, &c->arena, secret, "device", false, &l, NULL) != PHI_OK)
        return oauth_no(c, "expired_token", "the code is over or unknown; begin again");
    if (!l.person.n)
        return oauth_no(c, "authorization_pending", "nobody has confirmed it yet");
    PHI_TRY(phi_login_get(c->core, &c->arena, secret, "device", true, &l, err));
    PHI_TRY(data_read(c, &l, &data, err));
    if (!phi_json_bool(phi_json_get(data, "refused"), &refused) || refused)
        return oauth_no(c, "access_denied", "it was refused in the browser");
    return session_answer(c, &l, data, err);
}

/* ---- loopback ---- */

struct loopback {
    int64_t port;
    struct phi_view state, challenge, note;
};

static bool is_b64u(struct phi_view v, size_t min, size_t max)
{
    for (size_t i = 0; i < v.n; i++)
        if (!((v.p[i] >= 'a' && v.p[i] <= 'z') || (v.p[i] >= 'A' && v.p[i] <= 'Z') || (v.p[i] >= '0' && v.p[i] <= '9') || v.p[i] == '-' || v.p[i] == '_'))
            return false;
    return v.n >= min && v.n <= max;
}

static enum phi_rc loopback_read(struct api_call *c, struct phi_view (*get)(struct api_call *c, const char *name), struct loopback *ret,
                                 struct phi_err *err)
{
    *ret = (struct loopback){ .state = get(c, "state"), .challenge = get(c, "challenge"), .note = phi_view_upto(get(c, "note"), 200) };
    if (!phi_view_int(get(c, "port"), &ret->port) || ret->port < 1024 || ret->port > 65535 || !is_b64u(ret->state, 16, 64) ||
        !is_b64u(ret->challenge, 43, 43))
        return phi_fail(err, PHI_EINPUT, "this page is opened by `phi login`, with a port, a state and a challenge");
    return PHI_OK;
}

static struct phi_view loopback_path(struct api_call *c, const struct loopback *b)
{
    PHI_BUF(url, 1024);
    phi_buf_printf(&url, "/authorize?port=%lld&state=" PHI_FMT "&challenge=" PHI_FMT "&note=", (long long)b->port, PHI_ARG(b->state), PHI_ARG(b->challenge));
    api_url_add(&url, b->note);
    return phi_arena_copy(&c->arena, phi_buf_view(&url));
}

enum phi_rc api_authorize_page(struct api_call *c, struct phi_err *err)
{
    struct loopback b;
    PHI_TRY(loopback_read(c, api_query, &b, err));
    if (!api_page_person(c))
        return api_page_sign_in(c, loopback_path(c, &b), err);
    api_page_begin(c, 200, "Sign in the command line", (struct phi_view){ 0 });
    phi_buf_adds(&c->out, "<p>This wants to act as you:</p><dl>");
    line(c, "What", b.note);
    line(c, "Where", phi_arena_printf(&c->arena, "this machine, port %lld", (long long)b.port));
    line(c, "As", c->person.name);
    phi_buf_adds(&c->out, "</dl><form method=\"post\" action=\"/authorize\">");
    hidden(c, "port", phi_arena_printf(&c->arena, "%lld", (long long)b.port));
    hidden(c, "state", b.state);
    hidden(c, "challenge", b.challenge);
    hidden(c, "note", b.note);
    confirm_buttons(c);
    return PHI_OK;
}

enum phi_rc api_authorize_confirm(struct api_call *c, struct phi_err *err)
{
    static const char *const keys[] = { "note", "challenge", "port" };
    struct loopback b;
    PHI_TRY(api_page_admit(c, err));
    PHI_TRY(loopback_read(c, api_form, &b, err));
    if (!phi_view_is(api_form(c, "answer"), "yes"))
        return api_page_go(c, phi_arena_printf(&c->arena, "http://127.0.0.1:%lld/?error=access_denied&state=" PHI_FMT, (long long)b.port, PHI_ARG(b.state)), "Refused");
    struct phi_view code = random_text(c);
    struct phi_view values[] = { b.note, b.challenge, phi_arena_printf(&c->arena, "%lld", (long long)b.port) };
    struct phi_login l = { .kind = PHI_LIT("code"), .person = c->person.id, .data = data_make(c, keys, values, 3, false) };
    PHI_TRY(phi_login_put(c->core, code, &l, CODE_MS, err));
    return api_page_go(c, phi_arena_printf(&c->arena, "http://127.0.0.1:%lld/?code=" PHI_FMT "&state=" PHI_FMT, (long long)b.port, PHI_ARG(code), PHI_ARG(b.state)),
                       "Signed in");
}

static bool verifier_fits(struct api_call *c, struct phi_view challenge)
{
    struct phi_view verifier = api_form(c, "code_verifier");
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    struct phi_digest d = phi_sha256(verifier);
    phi_b64u_add(&b, phi_digest_view(&d));
    return verifier.n >= 43 && phi_secret_eq(phi_buf_view(&b), challenge);
}

static enum phi_rc code_token(struct api_call *c, struct phi_err *err)
{
    const struct phi_json *data;
    struct phi_login l;
    if (phi_login_get(c->core, &c->arena, api_form(c, "code"), "code", true, &l, NULL) != PHI_OK)
        return oauth_no(c, "invalid_grant", "the code is over, used or unknown");
    PHI_TRY(data_read(c, &l, &data, err));
    struct phi_view uri = phi_arena_printf(&c->arena, "http://127.0.0.1:" PHI_FMT "/", PHI_ARG(phi_json_text(data, "port")));
    if (!verifier_fits(c, phi_json_text(data, "challenge")) || !phi_view_eq(api_form(c, "redirect_uri"), uri))
        return oauth_no(c, "invalid_grant", "the code was given to somebody else (code_verifier, redirect_uri)");
    return session_answer(c, &l, data, err);
}

/* ---- another issuer's token ---- */

struct exchange_flow {
    struct phi_view issuer;
    bool renewed;
};

static enum phi_rc exchange_no(struct api_call *c, const char *error, struct phi_view issuer, const char *why)
{
    PHI_LOG(WARN, "token not exchanged", "why", PHI_FMT ": %s", PHI_ARG(phi_view_upto(issuer, 200)), why);
    return oauth_no(c, error, why);
}

static enum phi_rc issuer_trusted(struct api_call *c, struct phi_view issuer, bool *ret, struct phi_err *err)
{
    struct phi_provider *p;
    size_t n;
    *ret = false;
    PHI_TRY(phi_provider_list(c->core, &c->arena, PHI_LIT("workload"), &p, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct phi_workload_conf w;
        if (issuer.n && phi_workload_conf_read(&c->arena, p[i].config, &w, NULL) == PHI_OK && phi_view_eq(w.issuer, issuer))
            *ret = true;
    }
    return PHI_OK;
}

static enum phi_rc workload_token(struct api_call *c, const struct phi_provider *p, const struct phi_workload_conf *w,
                                  const struct phi_jws *token, struct phi_err *err)
{
    const struct phi_json *claims = token->claims;
    char secret[PHI_API_TOKEN_LEN + 1];
    struct phi_token t;
    struct phi_login used = { .kind = PHI_LIT("used") };
    struct phi_token_want want = { .who = w->service, .name = phi_view_upto(phi_json_text(claims, "sub"), 200), .rights = w->rights,
                                   .ms = w->max_ms, .provider = p->name };
    int64_t exp = 0;
    phi_jwt_time(claims, "exp", &exp);
    int64_t left = exp + 2 * PHI_JWT_SKEW_MS - phi_now_wall_ms();
    if (left > 48LL * 3600 * 1000)
        return exchange_no(c, "invalid_request", w->issuer, "the token lives longer than two days; ask the issuer for a short one");
    if (phi_login_put(c->core, token->signed_text, &used, left, NULL) != PHI_OK)
        return exchange_no(c, "invalid_grant", w->issuer, "this token was exchanged already; ask the issuer for a new one");
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    PHI_TRY(phi_token_make(c->core, &c->arena, &phid, &want, secret, &t, err));
    enum phi_rc rc = token_answer(c, secret, t.expires_in_ms, "urn:ietf:params:oauth:token-type:access_token");
    phi_wipe(secret, sizeof(secret));
    return rc;
}

/* Every configuration of this issuer may fit; the first by name does. */
static enum phi_rc claims_match(struct api_call *c, struct phi_view issuer, const struct phi_jws *t, struct phi_err *err)
{
    struct phi_provider *p;
    struct phi_err why = { 0 };
    struct phi_view missing;
    size_t n;
    snprintf(why.msg, sizeof(why.msg), "no configuration fits");
    PHI_TRY(phi_provider_list(c->core, &c->arena, PHI_LIT("workload"), &p, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct phi_workload_conf w;
        if (phi_workload_conf_read(&c->arena, p[i].config, &w, NULL) != PHI_OK || !phi_view_eq(w.issuer, issuer))
            continue;
        struct phi_jwt_want want = { .iss = w.issuer, .aud = w.audience, .now_ms = phi_now_wall_ms() };
        if (phi_jwt_check(t, &want, &why) != PHI_OK)
            continue;
        if (phi_workload_fits(&w, t->claims, &missing))
            return workload_token(c, &p[i], &w, t, err);
        phi_fail(&why, PHI_EDENIED, "the token's claim \"" PHI_FMT "\" is not what is pinned", PHI_ARG(phi_view_upto(missing, 64)));
    }
    return exchange_no(c, "invalid_grant", issuer, why.msg);
}

static enum phi_rc exchange_token(struct api_call *c, struct phi_err *err)
{
    struct phi_view token = api_form(c, "subject_token"), type = api_form(c, "subject_token_type");
    struct exchange_flow *f = c->flow;
    const struct api_issuer *iss;
    struct phi_jws t;
    bool trusted;
    if (!phi_view_is(type, "urn:ietf:params:oauth:token-type:jwt") && !phi_view_is(type, "urn:ietf:params:oauth:token-type:id_token"))
        return oauth_no(c, "invalid_request", "subject_token_type must be urn:ietf:params:oauth:token-type:jwt or …:id_token");
    if (!f) {
        f = c->flow = phi_arena_new(&c->arena, struct exchange_flow);
        if (!f)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        f->issuer = phi_jws_peek_issuer(&c->arena, token);
    }
    PHI_TRY(issuer_trusted(c, f->issuer, &trusted, err));
    if (!trusted) /* before anything is asked of it */
        return exchange_no(c, "invalid_grant", f->issuer, "the token's issuer is not one whose tokens are exchanged here");
    if (api_issuer_find(c, f->issuer, true, f->renewed, &iss, err) != PHI_OK)
        return exchange_no(c, "temporarily_unavailable", f->issuer, err->msg);
    if (!iss)
        return PHI_OK;
    enum phi_rc rc = phi_jws_open(&c->arena, token, iss->keys, &t, err);
    if (rc == PHI_ENOTFOUND && !f->renewed && api_issuer_may_renew(c, f->issuer)) {
        f->renewed = true;
        return api_issuer_find(c, f->issuer, true, true, &iss, err);
    }
    return rc == PHI_OK ? claims_match(c, f->issuer, &t, err) : exchange_no(c, "invalid_grant", f->issuer, err->msg);
}

enum phi_rc api_token_grant(struct api_call *c, struct phi_err *err)
{
    struct phi_view type = api_form(c, "grant_type");
    if (phi_view_is(type, "urn:ietf:params:oauth:grant-type:token-exchange"))
        return exchange_token(c, err);
    if (phi_view_is(type, "urn:ietf:params:oauth:grant-type:device_code"))
        return device_token(c, err);
    if (phi_view_is(type, "authorization_code"))
        return code_token(c, err);
    return oauth_no(c, "unsupported_grant_type", "grant_type is token-exchange (RFC 8693), device_code (RFC 8628) or authorization_code");
}
