#include "api/page.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/identity.h"
#include "net/http.h"

void api_html_add(struct phi_buf *b, struct phi_view text)
{
    PHI_BUF(plain, 64 * 1024);
    phi_text_escape(&plain, phi_view_upto(text, 8192), true);
    for (size_t i = 0; i < plain.n; i++) {
        uint8_t ch = plain.p[i];
        const char *as = ch == '&' ? "&amp;" : ch == '<' ? "&lt;" : ch == '>' ? "&gt;" : ch == '"' ? "&quot;" : ch == '\'' ? "&#39;" : NULL;
        if (as)
            phi_buf_adds(b, as);
        else
            phi_buf_addc(b, ch);
    }
}

void api_page_begin(struct api_call *c, int status, const char *title, struct phi_view refresh)
{
    c->status = status;
    c->type = "text/html; charset=utf-8";
    phi_buf_clear(&c->out);
    phi_buf_adds(&c->out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    if (refresh.n) {
        phi_buf_adds(&c->out, "<meta http-equiv=\"refresh\" content=\"0;url=");
        api_html_add(&c->out, refresh);
        phi_buf_adds(&c->out, "\">");
    }
    phi_buf_printf(&c->out, "<title>%s · phi</title><link rel=\"stylesheet\" href=\"/login.css\"></head><body><main><h1>%s</h1>", title, title);
}

void api_page_end(struct api_call *c)
{
    phi_buf_adds(&c->out, "</main></body></html>\n");
}

enum phi_rc api_page_go(struct api_call *c, struct phi_view url, const char *what)
{
    api_page_begin(c, 200, what, url);
    phi_buf_adds(&c->out, "<p><a href=\"");
    api_html_add(&c->out, url);
    phi_buf_adds(&c->out, "\">Go on</a></p>");
    api_page_end(c);
    return PHI_OK;
}

struct phi_view api_form(struct api_call *c, const char *name)
{
    struct phi_view rest = c->form, pair, key, value;
    while (phi_view_split(&rest, '&', &pair))
        if (phi_view_split(&pair, '=', &key) && phi_view_is(key, name))
            return net_percent_decode(&c->arena, pair, true, &value) ? value : (struct phi_view){ 0 };
    return (struct phi_view){ 0 };
}

void api_url_add(struct phi_buf *b, struct phi_view t)
{
    for (size_t i = 0; i < t.n; i++) {
        uint8_t ch = t.p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || (ch && strchr("-._~", ch));
        if (plain)
            phi_buf_addc(b, ch);
        else
            phi_buf_printf(b, "%%%02X", ch);
    }
}

bool api_page_person(struct api_call *c)
{
    return c->by_cookie && c->token.n && phi_session_find(c->core, &c->arena, c->token, &c->session, NULL) == PHI_OK &&
           phi_person_get(c->core, &c->arena, c->session.person, &c->person, NULL) == PHI_OK;
}

enum phi_rc api_page_admit(struct api_call *c, struct phi_err *err)
{
    if (!api_page_person(c))
        return api_refuse(c, err, API_NOT_SIGNED_IN, "sign in first");
    if (!phi_secret_eq(api_form(c, "csrf"), phi_view_of(c->session.csrf)))
        return api_refuse(c, err, API_BAD_CSRF, "the form is another session's");
    c->actor = (struct phi_actor){ .kind = PHI_ACTOR_PERSON, .id = c->person.id };
    return PHI_OK;
}

struct phi_view api_next_ok(struct phi_view next)
{
    bool ok = next.n >= 1 && next.n <= 400 && next.p[0] == '/' && (next.n == 1 || next.p[1] != '/');
    for (size_t i = 0; ok && i < next.n; i++)
        ok = next.p[i] > ' ' && next.p[i] <= '~' && next.p[i] != '\\' && next.p[i] != '"';
    return ok ? next : PHI_LIT("/");
}

static void provider_button(struct api_call *c, const struct phi_provider *p, struct phi_view next)
{
    struct phi_oidc_conf conf;
    if (phi_oidc_conf_read(&c->arena, p->config, &conf, NULL) != PHI_OK)
        return;
    phi_buf_adds(&c->out, "<form method=\"post\" action=\"/login/oidc/");
    api_html_add(&c->out, p->name);
    phi_buf_adds(&c->out, "\"><input type=\"hidden\" name=\"next\" value=\"");
    api_html_add(&c->out, next);
    phi_buf_adds(&c->out, "\"><button type=\"submit\">Sign in with ");
    api_html_add(&c->out, conf.title.n ? conf.title : p->name);
    phi_buf_adds(&c->out, "</button></form>");
}

enum phi_rc api_page_sign_in(struct api_call *c, struct phi_view next, struct phi_err *err)
{
    struct phi_provider *p;
    size_t n;
    PHI_TRY(phi_provider_list(c->core, &c->arena, PHI_LIT("oidc"), &p, &n, err));
    api_page_begin(c, 200, "Sign in", (struct phi_view){ 0 });
    for (size_t i = 0; i < n; i++)
        provider_button(c, &p[i], api_next_ok(next));
    phi_buf_adds(&c->out, n ? "<p>No account there? Ask an administrator for a one-time link.</p>"
                            : "<p>Ask an administrator for a one-time sign-in link, or use your passkey on the <a href=\"/\">console</a>.</p>");
    api_page_end(c);
    return PHI_OK;
}
