#include "api/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/json_out.h"
#include "api/server.h"
#include "base/os.h"
#include "core/channel.h"
#include "core/gateway.h"
#include "core/log.h"
#include "core/rights.h"

void api_reports_free(struct api_reports *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->item[i].targets);
    r->n = 0;
}

static struct api_report *report_of(struct api_reports *r, struct phi_view gateway, bool make)
{
    for (size_t i = 0; i < r->n; i++)
        if (phi_view_is(gateway, r->item[i].gateway))
            return &r->item[i];
    if (!make || r->n == API_REPORTS_MAX || gateway.n >= sizeof r->item[0].gateway)
        return NULL;
    struct api_report *new = &r->item[r->n++];
    *new = (struct api_report){ 0 };
    memcpy(new->gateway, gateway.p, gateway.n);
    return new;
}

/* Only what `phi doctor` reads: names, an address, a version. */
static enum phi_rc target_check(const struct phi_json *t, struct phi_err *err)
{
    static const char *const keys[] = { "name", "host", "port", "server_version", "parser", "tls", "trouble", NULL };
    struct phi_view v;
    int64_t port;
    PHI_TRY(phi_json_only(t, keys, err));
    PHI_TRY(phi_json_need_str(t, "name", &v, err));
    PHI_TRY(phi_json_need_str(t, "host", &v, err));
    return phi_json_need_int(t, "port", 0, 65535, &port, err);
}

enum phi_rc api_gw_report(struct api_call *c, struct phi_err *err)
{
    const struct phi_json *list = phi_json_get(c->body, "targets");
    struct phi_view text;
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(target_check(&list->items[i], err));
    PHI_TRY(api_body_text(c, "targets", &text, err));
    if (text.n > API_REPORT_MAX)
        return phi_fail(err, PHI_ELIMIT, "a report has at most %d bytes", API_REPORT_MAX);
    struct api_report *r = report_of(c->env->reports, c->actor.id, true);
    char *copy = r ? malloc(text.n + 1) : NULL;
    if (!copy)
        return phi_fail(err, PHI_ELIMIT, "too many gateways report");
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    free(r->targets);
    r->targets = copy;
    r->at_boot_ms = phi_now_boot_ms();
    r->certificate_begins_ms = phi_json_num(c->body, "certificate_begins_ms", 0);
    r->certificate_ends_ms = phi_json_num(c->body, "certificate_ends_ms", 0);
    c->status = 204;
    return PHI_OK;
}

static void gateway_write(struct api_call *c, struct phi_jw *w, const struct phi_gateway *g)
{
    const struct api_report *r = report_of(c->env->reports, g->name, false);
    phi_jw_obj(w);
    phi_jw_kv(w, "name", g->name);
    api_w_strs(w, "serves", g->targets, g->n_targets);
    phi_jw_kb(w, "enrolled", g->enrolled);
    phi_jw_ki(w, "lease_ms", g->lease_ms);
    phi_jw_kv(w, "version", g->version);
    if (r) {
        phi_jw_ki(w, "report_age_ms", phi_now_boot_ms() - r->at_boot_ms);
        phi_jw_ki(w, "certificate_begins_ms", r->certificate_begins_ms);
        phi_jw_ki(w, "certificate_ends_ms", r->certificate_ends_ms);
        phi_jw_key(w, "targets");
        phi_jw_raw(w, phi_view_of(r->targets));
    }
    phi_jw_end(w);
}

static enum phi_rc channels_write(struct api_call *c, struct phi_jw *w, struct phi_err *err)
{
    const struct phi_actor self = { .kind = PHI_ACTOR_SYSTEM };
    struct phi_channel *ch;
    size_t n;
    PHI_TRY(phi_channel_list(c->core, &c->arena, &self, &ch, &n, err));
    phi_jw_key(w, "channels");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "name", ch[i].name);
        phi_jw_kb(w, "live", ch[i].live);
        phi_jw_ki(w, "waiting", ch[i].waiting);
        phi_jw_ki(w, "dead", ch[i].dead);
        phi_jw_ki(w, "dropped", ch[i].dropped);
        phi_jw_kv(w, "last_error", ch[i].error);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    return PHI_OK;
}

/* Which rights one person has without anybody's approval; for who may list people. */
static void alone_write(struct api_call *c, struct phi_jw *w)
{
    bool alone[PHI_RIGHTS_N];
    if (phi_rights_alone(c->core, &c->actor, alone, NULL) != PHI_OK)
        return;
    phi_jw_key(w, "alone");
    phi_jw_arr(w);
    for (int r = 0; r < PHI_RIGHTS_N; r++)
        if (alone[r])
            phi_jw_str(w, phi_view_of(phi_right_action((enum phi_right)r)));
    phi_jw_end(w);
}

/* All of them: what nobody looks at is what breaks. */
static enum phi_rc gateways_write(struct api_call *c, struct phi_jw *w, struct phi_err *err)
{
    const struct phi_actor self = { .kind = PHI_ACTOR_SYSTEM }; /* the route's right is enough to be told this much */
    struct phi_page page = { .limit = PHI_PAGE_MAX };
    struct phi_gateway *g;
    size_t n;
    phi_jw_key(w, "gateways");
    phi_jw_arr(w);
    do {
        PHI_TRY(phi_gateway_list(c->core, &c->arena, &self, &page, &g, &n, err));
        for (size_t i = 0; i < n; i++)
            gateway_write(c, w, &g[i]);
        page.after = page.next;
    } while (page.next.n);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_doctor(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &head, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kc(w, "version", PHI_VERSION);
    phi_jw_ki(w, "now_ms", phi_now_wall_ms());
    phi_jw_kb(w, "https", c->env->secure);
    int64_t ends_ms = __atomic_load_n(&c->env->people_cert_ends_ms, __ATOMIC_RELAXED);
    if (ends_ms)
        phi_jw_ki(w, "people_certificate_ends_ms", ends_ms);
    phi_jw_key(w, "log");
    phi_jw_obj(w);
    phi_jw_kv(w, "origin", head.origin);
    phi_jw_ki(w, "size", head.size);
    phi_jw_ki(w, "signed", head.checkpoint_size);
    phi_jw_kb(w, "writable", api_server_writes(c->server));
    phi_jw_end(w);
    PHI_TRY(gateways_write(c, w, err));
    PHI_TRY(channels_write(c, w, err));
    alone_write(c, w);
    phi_jw_end(w);
    return PHI_OK;
}
