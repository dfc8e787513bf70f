/* Sign-in: one-time links become sessions; the page with the one button; who am I. */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "base/limits.h"

static const char page_css[] =
    ":root{color-scheme:light dark;background:Canvas;color:CanvasText;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:26rem;margin:12vh auto;padding:0 1rem}"
    "form{margin:.8rem 0}dt{opacity:.75}dd{margin:0 0 .5rem;overflow-wrap:anywhere}input{font:inherit;padding:.5rem;min-height:44px;box-sizing:border-box}"
    "button{font:inherit;padding:.6rem 1.4rem;min-height:44px;border-radius:.5rem;border:1px solid;cursor:pointer}"
    "button:focus-visible{outline:3px solid Highlight;outline-offset:2px}";

#define PAGE_HEAD                                                                                  \
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"                              \
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"                      \
    "<title>Sign in · phi</title><link rel=\"stylesheet\" href=\"/login.css\"></head><body><main>"

enum phi_rc api_login_css(struct api_call *c, struct phi_err *err)
{
    (void)err;
    c->status = 200;
    c->type = "text/css; charset=utf-8";
    phi_buf_adds(&c->out, page_css);
    return PHI_OK;
}

/* Says nothing about whether the link is good: only the POST finds out, and uses it up. The form posts
 * to the page's own address, so the page holds nothing of the secret. */
enum phi_rc api_login_page(struct api_call *c, struct phi_err *err)
{
    (void)err;
    c->status = 200;
    c->type = "text/html; charset=utf-8";
    phi_buf_adds(&c->out, PAGE_HEAD
                 "<h1>phi</h1><p>This link signs you in once, in this browser.</p>"
                 "<form method=\"post\"><button type=\"submit\" autofocus>Sign in</button></form>"
                 "</main></body></html>\n");
    return PHI_OK;
}

void api_cookie_set(struct api_call *c, const char *token, int64_t ms)
{
    snprintf(c->cookie, sizeof(c->cookie),
             "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", c->env->cookie, token,
             (long long)(ms / 1000), c->env->secure ? "; Secure" : "");
}

static enum phi_rc link_use(struct api_call *c, struct phi_view secret, const char *kind,
                            char token[PHI_TOKEN_LEN + 1], struct phi_err *err)
{
    struct phi_session_how how = { .kind = phi_view_of(kind), .note = c->agent, .address = phi_view_of(c->peer) };
    if (phi_session_open(c->core, &c->arena, secret, &how, token, &c->session, err) == PHI_OK)
        return PHI_OK;
    c->problem = err->rc == PHI_EAUTH ? API_BAD_LINK : API_OK;
    return err->rc;
}

enum phi_rc api_login_use(struct api_call *c, struct phi_err *err)
{
    char token[PHI_TOKEN_LEN + 1];
    PHI_TRY(link_use(c, c->params[0], "web", token, err));
    api_cookie_set(c, token, c->session.expires_in_ms);
    phi_wipe(token, sizeof(token));
    c->status = 303;
    c->location = "/";
    return PHI_OK;
}

enum phi_rc api_session_make(struct api_call *c, struct phi_err *err)
{
    char token[PHI_TOKEN_LEN + 1];
    struct phi_person p;
    PHI_TRY(link_use(c, phi_json_text(c->body, "link"), "cli", token, err));
    PHI_TRY(phi_person_get(c->core, &c->arena, c->session.person, &p, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kc(w, "token", token);
    phi_jw_key(w, "person");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", p.id);
    phi_jw_kv(w, "name", p.name);
    phi_jw_end(w);
    phi_jw_ki(w, "expires_in_ms", c->session.expires_in_ms);
    phi_jw_end(w);
    phi_wipe(token, sizeof(token));
    return PHI_OK;
}

enum phi_rc api_session_end(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_session_close(c->core, c->token, err));
    if (c->by_cookie)
        api_cookie_set(c, "", 0);
    c->status = 204;
    return PHI_OK;
}

/* The rights of which the policy says this now; of "groups" what it says of a group that nobody named. */
static enum phi_rc rights_write(struct api_call *c, struct phi_jw *w, enum phi_verdict which, struct phi_err *err)
{
    for (int r = 0; r < PHI_RIGHTS_N; r++) {
        enum phi_verdict v;
        struct phi_view reason;
        PHI_TRY(phi_right_ask(c->core, &c->arena, &c->actor, (enum phi_right)r, PHI_LIT(""), &v, &reason, err));
        if (v == which)
            phi_jw_cstr(w, phi_right_action((enum phi_right)r));
    }
    return PHI_OK;
}

enum phi_rc api_whoami(struct api_call *c, struct phi_err *err)
{
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "person");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", c->person.id);
    phi_jw_kv(w, "name", c->person.name);
    phi_jw_key(w, "groups");
    phi_jw_arr(w);
    for (size_t i = 0; i < c->person.n_groups; i++)
        phi_jw_str(w, c->person.groups[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_key(w, "rights");
    phi_jw_arr(w);
    PHI_TRY(rights_write(c, w, PHI_ALLOW, err));
    phi_jw_end(w);
    phi_jw_key(w, "rights_with_approval");
    phi_jw_arr(w);
    PHI_TRY(rights_write(c, w, PHI_NEEDS, err));
    phi_jw_end(w);
    phi_jw_kc(w, "csrf", c->session.csrf);
    phi_jw_ki(w, "expires_in_ms", c->session.expires_in_ms);
    phi_jw_key(w, "server");
    phi_jw_obj(w);
    phi_jw_kc(w, "name", "phid");
    phi_jw_kc(w, "version", PHI_VERSION);
    phi_jw_kc(w, "origin", c->env->origin);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}
