/* Health, counters, and the API's own description. */
#include "api/handlers.h"
#include "core/log.h"
#include "api/page.h"
#include "api/server.h"

static enum phi_rc text(struct api_call *c, const char *type)
{
    c->status = 200;
    c->type = type;
    return PHI_OK;
}

enum phi_rc api_healthz(struct api_call *c, struct phi_err *err)
{
    (void)err;
    phi_buf_adds(&c->out, "ok\n");
    return text(c, "text/plain; charset=utf-8");
}

enum phi_rc api_metrics(struct api_call *c, struct phi_err *err)
{
    if (!c->from_loopback)
        return api_refuse(c, err, API_DENIED, "counters are for this machine only");
    api_server_metrics(c->server, &c->out);
    return text(c, "text/plain; version=0.0.4; charset=utf-8");
}

enum phi_rc api_openapi_get(struct api_call *c, struct phi_err *err)
{
    (void)err;
    api_openapi(&c->out);
    return text(c, "application/json");
}

static struct phi_view code_text(struct api_call *c, const char *text)
{
    PHI_BUF(out, 1024);
    struct phi_view rest = phi_view_of(text), part;
    for (bool code = false; phi_view_split(&rest, '`', &part); code = !code) {
        phi_buf_adds(&out, code ? "<code>" : "");
        api_html_add(&out, part);
        phi_buf_adds(&out, code ? "</code>" : "");
    }
    return phi_arena_copy(&c->arena, phi_buf_view(&out));
}

enum phi_rc api_error_page(struct api_call *c, struct phi_err *err)
{
    PHI_BUF(code, 128);
    phi_buf_add(&code, phi_view_upto(c->params[0], 100));
    const struct api_problem_text *t = api_problem_text(api_problem_by_code(phi_buf_str(&code)));
    if (t->status < 400)
        return api_refuse(c, err, API_NOT_FOUND, "no error has this code; docs/errors.md lists them all");
    api_page_begin(c, 200, t->title, (struct phi_view){ 0 });
    phi_buf_printf(&c->out, "<p>" PHI_FMT "</p><p><code>%s</code> · HTTP %d</p>", PHI_ARG(code_text(c, t->next)), t->code, t->status);
    api_page_end(c);
    return PHI_OK;
}

/* Ready: a transaction of the store was begun and, when this is answered, committed. */
enum phi_rc api_readyz(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head h;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &h, err));
    phi_buf_adds(&c->out, "ok\n");
    return text(c, "text/plain; charset=utf-8");
}
