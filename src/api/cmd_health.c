/* Health, counters, and the API's own description. */
#include "api/handlers.h"
#include "core/log.h"
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

/* Ready: a transaction of the store was begun and, when this is answered, committed. */
enum phi_rc api_readyz(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head h;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &h, err));
    phi_buf_adds(&c->out, "ok\n");
    return text(c, "text/plain; charset=utf-8");
}
