/* What is said of resources (environment, tags), and what persons say of themselves (time zone, quiet hours). */
#include "api/handlers.h"
#include "base/limits.h"
#include "core/known.h"
#include "core/oncall.h"

static void facts_write(struct phi_jw *w, const struct phi_resource_facts *f)
{
    PHI_BUF(label, 4096);
    phi_ref_label(&label, f->resource);
    phi_jw_key(w, "resource");
    phi_ref_write(w, f->resource);
    phi_jw_kv(w, "label", phi_buf_view(&label));
    phi_jw_kv(w, "environment", f->environment);
    phi_jw_key(w, "tags");
    phi_jw_arr(w);
    for (size_t i = 0; i < f->n_tags; i++)
        phi_jw_str(w, f->tags[i]);
    phi_jw_end(w);
    phi_jw_end(w);
}

enum phi_rc api_facts_put(struct api_call *c, struct phi_err *err)
{
    struct phi_resource_facts f = { .environment = phi_json_text(c->body, "environment") };
    PHI_TRY(phi_ref_from_label(&c->arena, phi_json_text(c->body, "resource"), (struct phi_view){ 0 }, &f.resource, err));
    PHI_TRY(api_body_strs(c, "tags", &f.tags, &f.n_tags, err));
    PHI_TRY(phi_facts_put(c->core, &c->actor, &f, err));
    facts_write(api_answer(c, 200), &f);
    return PHI_OK;
}

static struct phi_view facts_key(struct phi_arena *a, const void *item)
{
    const struct phi_resource_facts *v = item;
    return phi_arena_printf(a, PHI_FMT " " PHI_FMT, PHI_ARG(v->resource.type), PHI_ARG(v->resource.id));
}

enum phi_rc api_facts_list(struct api_call *c, struct phi_err *err)
{
    struct phi_resource_facts *f;
    size_t n;
    struct api_slice page;
    PHI_TRY(phi_facts_list(c->core, &c->arena, &c->actor, &f, &n, err));
    PHI_TRY(api_slice(c, &(struct api_sliced){ f, n, sizeof *f, facts_key, false }, &page, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "facts");
    phi_jw_arr(w);
    for (size_t i = page.from; i < page.to; i++) {
        phi_jw_obj(w);
        facts_write(w, &f[i]);
    }
    api_slice_end(w, &page);
    return PHI_OK;
}

/* ---- who is on call */

static enum phi_rc on_call_write(struct api_call *c, struct phi_view list, struct phi_err *err)
{
    struct phi_on_call *o;
    size_t n;
    PHI_TRY(phi_on_call_list(c->core, &c->arena, &c->actor, list, &o, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "on_call");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "list", o[i].list);
        phi_jw_key(w, "person");
        phi_jw_obj(w);
        phi_jw_kv(w, "id", o[i].person);
        phi_jw_kv(w, "name", o[i].name);
        phi_jw_end(w);
        phi_jw_ki(w, "expires_in_ms", o[i].remaining_ms);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_on_call_put(struct api_call *c, struct phi_err *err)
{
    const struct phi_view *people;
    size_t n;
    PHI_TRY(api_body_strs(c, "people", &people, &n, err));
    PHI_TRY(phi_on_call_put(c->core, &c->arena, &c->actor, c->params[0], people, n, phi_json_num(c->body, "for_ms", 0), err));
    return on_call_write(c, c->params[0], err);
}

enum phi_rc api_on_call_end(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_on_call_end(c->core, &c->arena, &c->actor, c->params[0], err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_on_call_list(struct api_call *c, struct phi_err *err)
{
    return on_call_write(c, (struct phi_view){ 0 }, err);
}

/* ---- persons; times of day are "22:00" */

static bool minutes_of(struct phi_view text, int64_t *ret)
{
    int64_t h, m;
    bool good = text.n == 5 && text.p[2] == ':' && phi_view_int(phi_view_upto(text, 2), &h) && phi_view_int(phi_view_from(text, 3), &m) &&
                h >= 0 && h < 24 && m >= 0 && m < 60;
    if (good)
        *ret = 60 * h + m;
    return good;
}

static enum phi_rc quiet_in(const struct phi_json *v, struct phi_profile *p, struct phi_err *err)
{
    static const char *const keys[] = { "from", "to", "days", NULL };
    const struct phi_json *days = phi_json_get(v, "days");
    PHI_TRY(phi_json_only(v, keys, err));
    if (!minutes_of(phi_json_text(v, "from"), &p->quiet_from_min) || !minutes_of(phi_json_text(v, "to"), &p->quiet_to_min))
        return phi_fail(err, PHI_EINPUT, "\"quiet\" has \"from\" and \"to\", such as 22:00 and 07:00");
    p->quiet_days = days ? 0 : 0x7f;
    for (size_t i = 0; days && i < days->n; i++) {
        int64_t day;
        if (days->kind != PHI_JSON_ARR || !phi_json_int(&days->items[i], &day) || day < 1 || day > 7)
            return phi_fail(err, PHI_EINPUT, "\"days\" of \"quiet\" are numbers from 1 (Monday) to 7");
        p->quiet_days |= 1LL << (day - 1);
    }
    return PHI_OK;
}

static void profile_write(struct phi_jw *w, const struct phi_profile *p)
{
    PHI_BUF(from, 16);
    PHI_BUF(to, 16);
    phi_buf_printf(&from, "%02lld:%02lld", (long long)(p->quiet_from_min / 60), (long long)(p->quiet_from_min % 60));
    phi_buf_printf(&to, "%02lld:%02lld", (long long)(p->quiet_to_min / 60), (long long)(p->quiet_to_min % 60));
    phi_jw_kv(w, "zone", p->zone);
    phi_jw_key(w, "quiet");
    if (p->quiet_from_min == p->quiet_to_min) {
        phi_jw_null(w);
    } else {
        phi_jw_obj(w);
        phi_jw_kv(w, "from", phi_buf_view(&from));
        phi_jw_kv(w, "to", phi_buf_view(&to));
        phi_jw_key(w, "days");
        phi_jw_arr(w);
        for (int d = 1; d <= 7; d++)
            if (p->quiet_days >> (d - 1) & 1)
                phi_jw_int(w, d);
        phi_jw_end(w);
        phi_jw_end(w);
    }
    phi_jw_kb(w, "quiet_now", p->quiet_now);
    phi_jw_end(w);
}

enum phi_rc api_profile_get(struct api_call *c, struct phi_err *err)
{
    struct phi_profile p;
    PHI_TRY(phi_profile_get(c->core, &c->arena, &c->actor, &p, err));
    profile_write(api_answer(c, 200), &p);
    return PHI_OK;
}

enum phi_rc api_profile_put(struct api_call *c, struct phi_err *err)
{
    struct phi_profile p = { .zone = phi_json_text(c->body, "zone"), .quiet_days = 0x7f };
    const struct phi_json *quiet = phi_json_get(c->body, "quiet");
    if (quiet)
        PHI_TRY(quiet_in(quiet, &p, err));
    PHI_TRY(phi_profile_put(c->core, &c->actor, &p, err));
    return api_profile_get(c, err);
}
