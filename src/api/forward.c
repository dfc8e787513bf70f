/* Forward authentication: a proxy (nginx auth_request, Caddy forward_auth) asks for each request of an application whether
 * its person may; a browser that must wait for an approval gets a page that does. docs/forward.md. */
#include <string.h>

#include "api/handlers.h"
#include "api/json_out.h"
#include "api/page.h"
#include "api/ticket.h"
#include "base/limits.h"
#include "core/decide.h"
#include "core/request.h"

#define FOR_MS (60 * 60 * 1000)

struct asked {
    struct phi_view target, action, to, request; /* request: id of what waits, "" not asked yet */
};

static bool changes(struct phi_view method)
{
    return method.n && !phi_view_is(method, "GET") && !phi_view_is(method, "HEAD") && !phi_view_is(method, "OPTIONS");
}

static enum phi_rc asked_read(struct api_call *c, bool form, struct asked *ret, struct phi_err *err)
{
    *ret = (struct asked){ form ? api_form(c, "target") : api_query(c, "target"), form ? api_form(c, "action") : api_query(c, "action"),
                           form ? api_form(c, "to") : api_query(c, "to"), form ? (struct phi_view){ 0 } : api_query(c, "request") };
    if (!ret->target.n)
        return phi_fail(err, PHI_EINPUT, "say which target: ?target=NAME");
    if (!ret->action.n)
        ret->action = changes(c->was.method) ? PHI_LIT("http:write") : PHI_LIT("http:read");
    return PHI_OK;
}

static struct phi_view context_of(struct api_call *c)
{
    PHI_BUF(text, 64 * 1024);
    struct phi_jw w;
    phi_jw_init(&w, &text);
    phi_jw_obj(&w);
    if (c->was.method.n)
        phi_jw_kv(&w, "method", c->was.method);
    if (c->was.uri.n)
        phi_jw_kv(&w, "path", c->was.uri);
    if (c->was.host.n)
        phi_jw_kv(&w, "host", c->was.host);
    phi_jw_end(&w);
    return phi_arena_copy(&c->arena, phi_buf_view(&text));
}

static enum phi_rc judge(struct api_call *c, const struct asked *q, struct phi_evaluation *ret, struct phi_err *err)
{
    struct phi_question of = { .subject = phi_ref_of("Person", c->person.id),
                               .resource = phi_ref_make_parts(&c->arena, "Target", &q->target, 1),
                               .action = q->action,
                               .context = context_of(c),
                               .renew_ms = api_ticket_renew_ms(c->env) };
    PHI_TRY(phi_evaluate(c->core, &c->arena, &c->actor, &of, ret, err));
    api_ticket_renew(c, &ret->tickets);
    return PHI_OK;
}

/* ---- where a browser goes */

/* The application's address that was asked for; only one of those that phid.yaml lists is ever gone back to. */
static struct phi_view back_to(struct api_call *c)
{
    return c->was.host.n ? phi_arena_printf(&c->arena, PHI_FMT "://" PHI_FMT PHI_FMT, PHI_ARG(c->was.proto.n ? c->was.proto : PHI_LIT("https")),
                                            PHI_ARG(c->was.host), PHI_ARG(c->was.uri.n ? c->was.uri : PHI_LIT("/")))
                         : (struct phi_view){ 0 };
}

static bool to_ok(const struct api_env *env, struct phi_view to)
{
    for (size_t i = 0; i < to.n; i++)
        if (to.p[i] <= ' ' || to.p[i] > '~' || to.p[i] == '\\' || to.p[i] == '"')
            return false;
    for (size_t i = 0; i < env->n_apps; i++) {
        struct phi_view app = phi_view_of(env->apps[i]);
        if (phi_view_starts(to, app) && (to.n == app.n || to.p[app.n] == '/' || to.p[app.n] == '?'))
            return true;
    }
    return false;
}

static struct phi_view held_url(struct api_call *c, const struct asked *q, struct phi_view request, bool whole)
{
    PHI_BUF(url, 16 * 1024);
    phi_buf_printf(&url, "%s/held?target=", whole ? c->env->origin : "");
    api_url_add(&url, q->target);
    phi_buf_adds(&url, "&action=");
    api_url_add(&url, q->action);
    if (q->to.n) {
        phi_buf_adds(&url, "&to=");
        api_url_add(&url, q->to);
    }
    if (request.n) {
        phi_buf_adds(&url, "&request=");
        api_url_add(&url, request);
    }
    return phi_arena_copy(&c->arena, phi_buf_view(&url));
}

/* ---- the proxy's question */

static enum phi_rc yes(struct api_call *c)
{
    phi_jw_kv(api_answer(c, 200), "person", c->person.name);
    phi_jw_kv(&c->w, "id", c->person.id);
    phi_jw_end(&c->w);
    c->person_header = true;
    return PHI_OK;
}

static void ask_write(struct api_call *c, const struct asked *q)
{
    phi_jw_key(&c->w, "ask"); /* the body of a POST /v1/requests that would do */
    phi_jw_obj(&c->w);
    phi_jw_kv(&c->w, "target", q->target);
    phi_jw_key(&c->w, "scope");
    phi_jw_obj(&c->w);
    api_w_strs(&c->w, "actions", &q->action, 1);
    api_w_strs(&c->w, "resources", &q->target, 1);
    phi_jw_end(&c->w);
    phi_jw_ki(&c->w, "for_ms", FOR_MS);
    phi_jw_end(&c->w);
}

static void no(struct api_call *c, struct asked *q, const struct phi_evaluation *e)
{
    bool held = e->verdict == PHI_NEEDS || e->tickets.stale;
    q->to = back_to(c);
    struct phi_view url = held_url(c, q, (struct phi_view){ 0 }, true);
    c->held = phi_arena_str(&c->arena, url);
    bool go = held && c->was.browser && phi_view_is(api_query(c, "held"), "redirect");
    c->status = go ? 303 : 403;
    c->location = go ? c->held : NULL;
    c->type = "application/problem+json";
    phi_jw_init(&c->w, &c->out);
    api_problem_begin(&c->w, c->env->origin, held ? API_FORWARD_HELD : API_POLICY_DENIED, e->reason, phi_view_of(c->request_id));
    if (held)
        phi_jw_kv(&c->w, "page", url);
    if (held && !e->tickets.stale) {
        phi_jw_key(&c->w, "needs");
        api_w_needs(&c->w, e->needs, e->n_needs);
        ask_write(c, q);
    }
    api_w_policies(&c->w, e->policies, e->n_policies);
    phi_jw_end(&c->w);
}

enum phi_rc api_forward(struct api_call *c, struct phi_err *err)
{
    struct asked q;
    struct phi_evaluation e;
    PHI_TRY(asked_read(c, false, &q, err));
    PHI_TRY(judge(c, &q, &e, err));
    if (e.verdict == PHI_ALLOW)
        return yes(c);
    no(c, &q, &e);
    return phi_arena_ok(&c->arena) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- the page that waits */

static void hidden(struct api_call *c, const char *name, struct phi_view value)
{
    phi_buf_printf(&c->out, "<input type=\"hidden\" name=\"%s\" value=\"", name);
    api_html_add(&c->out, value);
    phi_buf_adds(&c->out, "\">");
}

static void what_write(struct api_call *c, const struct asked *q)
{
    phi_buf_adds(&c->out, "<p><strong>");
    api_html_add(&c->out, q->action);
    phi_buf_adds(&c->out, "</strong> on <strong>");
    api_html_add(&c->out, q->target);
    phi_buf_adds(&c->out, "</strong></p>");
}

static enum phi_rc form_page(struct api_call *c, const struct asked *q)
{
    api_page_begin(c, 403, "This needs an approval", (struct phi_view){ 0 });
    what_write(c, q);
    phi_buf_adds(&c->out, "<form method=\"post\" action=\"/held\">");
    hidden(c, "csrf", phi_view_of(c->session.csrf));
    hidden(c, "target", q->target);
    hidden(c, "action", q->action);
    hidden(c, "to", q->to);
    phi_buf_adds(&c->out, "<p><label>Why? <input name=\"why\" required maxlength=\"500\" autofocus></label></p>"
                          "<button type=\"submit\">Ask for approval</button></form>");
    api_page_end(c);
    return PHI_OK;
}

static enum phi_rc waiting_page(struct api_call *c, const struct phi_request *r)
{
    api_page_begin(c, 200, "Waiting for approval", (struct phi_view){ 0 });
    phi_buf_adds(&c->out, "<p role=\"status\">Request <a href=\"/r/");
    api_html_add(&c->out, r->code);
    phi_buf_adds(&c->out, "\">");
    api_html_add(&c->out, r->code);
    phi_buf_adds(&c->out, "</a>: ");
    api_html_add(&c->out, r->summary);
    phi_buf_adds(&c->out, "</p><p>This page goes on by itself as soon as it is approved.</p>");
    api_page_end(c);
    c->refresh_s = 2;
    return PHI_OK;
}

static enum phi_rc over_page(struct api_call *c, const struct phi_request *r)
{
    api_page_begin(c, 403, "Not approved", (struct phi_view){ 0 });
    phi_buf_printf(&c->out, "<p>The request is %s.</p><p>", phi_request_status_name(r->status));
    api_html_add(&c->out, r->reason);
    phi_buf_adds(&c->out, "</p>");
    api_page_end(c);
    return PHI_OK;
}

static enum phi_rc denied_page(struct api_call *c, const struct asked *q, const struct phi_evaluation *e)
{
    api_page_begin(c, 403, "Not permitted", (struct phi_view){ 0 });
    what_write(c, q);
    phi_buf_adds(&c->out, "<p>");
    api_html_add(&c->out, e->reason);
    phi_buf_adds(&c->out, "</p>");
    api_page_end(c);
    return PHI_OK;
}

/* Its grant is there, and rests on a ticket: what the tracker says of it is there in a moment. */
static enum phi_rc asking_page(struct api_call *c, const struct asked *q)
{
    api_page_begin(c, 200, "Asking about the ticket", (struct phi_view){ 0 });
    what_write(c, q);
    phi_buf_adds(&c->out, "<p role=\"status\">This was approved for a ticket, and the tracker is being asked whether that is still open. This page goes on by "
                          "itself. Where it does not, the tracker cannot be asked.</p>");
    api_page_end(c);
    c->refresh_s = 2;
    return PHI_OK;
}

static enum phi_rc go_on(struct api_call *c, const struct asked *q)
{
    if (to_ok(c->env, q->to))
        return api_page_go(c, q->to, "Approved");
    api_page_begin(c, 200, "Approved", (struct phi_view){ 0 });
    phi_buf_adds(&c->out, "<p>Go back to where you came from.</p>");
    api_page_end(c);
    return PHI_OK;
}

/* Changes nothing: the form asks. */
enum phi_rc api_held_page(struct api_call *c, struct phi_err *err)
{
    struct asked q;
    struct phi_evaluation e;
    struct phi_request r;
    PHI_TRY(asked_read(c, false, &q, err));
    if (!api_page_person(c))
        return api_page_sign_in(c, held_url(c, &q, q.request, false), err);
    c->actor = (struct phi_actor){ .kind = PHI_ACTOR_PERSON, .id = c->person.id };
    PHI_TRY(judge(c, &q, &e, err));
    if (e.verdict == PHI_ALLOW)
        return go_on(c, &q);
    if (e.tickets.stale)
        return asking_page(c, &q);
    if (e.verdict != PHI_NEEDS)
        return denied_page(c, &q, &e);
    if (!q.request.n || phi_request_get(c->core, &c->arena, &c->actor, q.request, &r, NULL) != PHI_OK)
        return form_page(c, &q);
    return r.status == PHI_REQUEST_PENDING ? waiting_page(c, &r) : over_page(c, &r);
}

enum phi_rc api_held_ask(struct api_call *c, struct phi_err *err)
{
    struct asked q;
    struct phi_request_answer r;
    PHI_TRY(api_page_admit(c, err));
    PHI_TRY(asked_read(c, true, &q, err));
    struct phi_ref resource = phi_ref_make_parts(&c->arena, "Target", &q.target, 1);
    struct phi_request_ask ask = { .target = q.target, .scope_actions = &q.action, .n_scope_actions = 1,
                                   .scope_resources = &resource, .n_scope_resources = 1, .for_ms = FOR_MS,
                                   .why = api_form(c, "why") };
    PHI_TRY(phi_request_make(c->core, &c->arena, &c->actor, &ask, &r, err));
    if (r.kind == PHI_ANSWER_DENY) {
        c->problem = API_POLICY_DENIED;
        return phi_fail(err, PHI_EDENIED, PHI_FMT, PHI_ARG(phi_view_upto(r.reason, 140)));
    }
    c->status = 303;
    c->location = phi_arena_str(&c->arena, held_url(c, &q, r.kind == PHI_ANSWER_PENDING ? r.request.id : (struct phi_view){ 0 }, false));
    return c->location ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}
