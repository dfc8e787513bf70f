/* Grants as persons see them, and AuthZEN's question. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "core/delegation.h"

enum phi_rc api_grant_list(struct api_call *c, struct phi_err *err)
{
    struct phi_view box = api_query(c, "box"), status = api_query(c, "status");
    struct phi_grant_view *g;
    size_t n;
    struct phi_page page = { .after = api_query(c, "cursor") };
    if (box.n && !phi_view_is(box, "mine") && !phi_view_is(box, "all"))
        return phi_fail(err, PHI_EINPUT, "\"box\" is mine or all");
    if (status.n && !phi_view_is(status, "live") && !phi_view_is(status, "all"))
        return phi_fail(err, PHI_EINPUT, "\"status\" is live or all");
    PHI_TRY(api_query_int(c, "limit", 1, PHI_PAGE_MAX, 50, &page.limit, err));
    PHI_TRY(phi_grant_list(c->core, &c->arena, &c->actor, phi_view_is(box, "all"), phi_view_is(status, "live"), &page, &g, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "grants");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        api_w_grant(w, &c->arena, &g[i]);
    phi_jw_end(w);
    if (page.next.n)
        phi_jw_kv(w, "next", page.next);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_grant_revoke(struct api_call *c, struct phi_err *err)
{
    struct phi_revoked r;
    PHI_TRY(phi_grant_revoke(c->core, &c->arena, &c->actor, c->params[0],
                             phi_json_text(c->body, "why"), &r, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "grant");
    api_w_grant(w, &c->arena, &r.grant);
    api_w_strs(w, "acknowledged", r.acknowledged, r.n_acknowledged);
    api_w_strs(w, "waiting", r.waiting, r.n_waiting);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_grant_revoke_many(struct api_call *c, struct phi_err *err)
{
    struct phi_revoke_filter f = { .person = phi_json_text(c->body, "person"),
                                   .bundle_version = phi_json_num(c->body, "bundle_version", 0) };
    struct phi_revoked_many r;
    struct phi_view resource = phi_json_text(c->body, "resource");
    const struct phi_json *all = phi_json_get(c->body, "everything");
    if (all)
        phi_json_bool(all, &f.everything);
    if (resource.n)
        PHI_TRY(phi_ref_from_label(&c->arena, resource, phi_json_text(c->body, "target"), &f.resource, err));
    PHI_TRY(phi_grant_revoke_many(c->core, &c->arena, &c->actor, &f, phi_json_text(c->body, "why"), &r, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "count", r.count);
    api_w_strs(w, "waiting", r.waiting, r.n_waiting);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_grant_review(struct api_call *c, struct phi_err *err)
{
    struct phi_grant_view g;
    PHI_TRY(phi_glass_review(c->core, &c->arena, &c->actor, c->params[0], phi_json_text(c->body, "note"), &g, err));
    c->status = 200;
    c->type = "application/json";
    phi_jw_init(&c->w, &c->out);
    api_w_grant(&c->w, &c->arena, &g);
    return PHI_OK;
}

static void delegation_write(struct phi_jw *w, const struct phi_delegation *d)
{
    phi_jw_kv(w, "id", d->id);
    phi_jw_kv(w, "from", d->giver_name);
    phi_jw_kv(w, "to", d->taker_name);
    phi_jw_kv(w, "why", d->why);
    phi_jw_ki(w, "remaining_ms", d->remaining_ms);
    phi_jw_end(w);
}

enum phi_rc api_delegation_make(struct api_call *c, struct phi_err *err)
{
    struct phi_delegation d;
    PHI_TRY(phi_delegation_make(c->core, &c->arena, &c->actor, phi_json_text(c->body, "to"),
                                phi_json_num(c->body, "for_ms", 0), phi_json_text(c->body, "why"), &d, err));
    delegation_write(api_answer(c, 201), &d);
    return PHI_OK;
}

static struct phi_view delegation_key(struct phi_arena *a, const void *item)
{
    const struct phi_delegation *v = item;
    (void)a;
    return v->id;
}

enum phi_rc api_delegation_list(struct api_call *c, struct phi_err *err)
{
    struct phi_delegation *d;
    size_t n;
    struct api_slice page;
    PHI_TRY(phi_delegation_list(c->core, &c->arena, &c->actor, &d, &n, err));
    PHI_TRY(api_slice(c, &(struct api_sliced){ d, n, sizeof *d, delegation_key, true }, &page, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "delegations");
    phi_jw_arr(w);
    for (size_t i = page.from; i < page.to; i++) {
        phi_jw_obj(w);
        delegation_write(w, &d[i]);
    }
    api_slice_end(w, &page);
    return PHI_OK;
}

enum phi_rc api_delegation_end(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_delegation_end(c->core, &c->arena, &c->actor, c->params[0], err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_grant_return(struct api_call *c, struct phi_err *err)
{
    struct phi_grant_view g;
    PHI_TRY(phi_grant_return(c->core, &c->arena, &c->actor, c->params[0], &g, err));
    c->status = 200;
    c->type = "application/json";
    phi_jw_init(&c->w, &c->out);
    api_w_grant(&c->w, &c->arena, &g);
    return PHI_OK;
}

/* AuthZEN's entities may carry `properties`; a caller may not assert any, so they are not looked at. */
