/* AuthZEN's searches and its metadata. */
#include "api/authzen.h"
#include "api/handlers.h"
#include "base/limits.h"

static enum phi_rc page_read(struct api_call *c, size_t *ret_limit, struct phi_view *ret_after, struct phi_err *err)
{
    const struct phi_json *page = phi_json_get(c->body, "page"), *limit = phi_json_get(page, "limit");
    struct phi_view token = phi_json_text(page, "token");
    int64_t n = PHI_SEARCH_PAGE;
    *ret_after = (struct phi_view){ 0 };
    if (page && page->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "\"page\" must be an object");
    if (limit && (!phi_json_int(limit, &n) || n < 1))
        return phi_fail(err, PHI_EINPUT, "\"page.limit\" must be a whole number from 1");
    *ret_limit = n > PHI_SEARCH_PAGE ? PHI_SEARCH_PAGE : (size_t)n;
    PHI_BUF(text, 2 * PHI_MAX_ENTITY_ID);
    if (token.n && !phi_b64u_read(token, &text))
        return phi_fail(err, PHI_EINPUT, "\"page.token\" is not the one of an earlier answer");
    *ret_after = phi_arena_copy(&c->arena, phi_buf_view(&text));
    return PHI_OK;
}

static void page_write(struct phi_jw *w, const struct phi_found *f)
{
    PHI_BUF(token, 4 * PHI_MAX_ENTITY_ID);
    phi_b64u_add(&token, f->next);
    phi_jw_key(w, "page");
    phi_jw_obj(w);
    phi_jw_kv(w, "next_token", phi_buf_view(&token));
    phi_jw_ki(w, "count", (int64_t)f->n);
    phi_jw_end(w);
}

static void found_write(struct phi_jw *w, const struct phi_search *s, const struct phi_ref *r)
{
    phi_jw_obj(w);
    if (s->sought == PHI_SOUGHT_ACTION) {
        phi_jw_kv(w, "name", r->id);
    } else {
        phi_jw_kv(w, "type", r->type);
        phi_jw_kv(w, "id", r->id);
    }
    phi_jw_end(w);
}

static enum phi_rc search(struct api_call *c, enum phi_sought sought, enum authzen_open open, struct phi_err *err)
{
    struct authzen_parts p = authzen_parts_of(c->body);
    struct phi_search s = { .sought = sought };
    struct phi_found f;
    PHI_TRY(authzen_read(c, &p, open, &s.of, err));
    PHI_TRY(page_read(c, &s.limit, &s.after, err));
    PHI_TRY(phi_search(c->core, &c->arena, &c->actor, &s, &f, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "results");
    phi_jw_arr(w);
    for (size_t i = 0; i < f.n; i++)
        found_write(w, &s, &f.found[i]);
    phi_jw_end(w);
    page_write(w, &f);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_authzen_subjects(struct api_call *c, struct phi_err *err)
{
    return search(c, PHI_SOUGHT_SUBJECT, AUTHZEN_NO_SUBJECT, err);
}

enum phi_rc api_authzen_resources(struct api_call *c, struct phi_err *err)
{
    return search(c, PHI_SOUGHT_RESOURCE, AUTHZEN_NO_RESOURCE, err);
}

enum phi_rc api_authzen_actions(struct api_call *c, struct phi_err *err)
{
    return search(c, PHI_SOUGHT_ACTION, AUTHZEN_NO_ACTION, err);
}

static void endpoint(struct api_call *c, const char *name, const char *path)
{
    phi_jw_kv(&c->w, name, phi_arena_printf(&c->arena, "%s%s", c->env->origin, path));
}

enum phi_rc api_authzen_metadata(struct api_call *c, struct phi_err *err)
{
    (void)err;
    struct phi_jw *w = api_answer(c, 200);
    endpoint(c, "policy_decision_point", "");
    endpoint(c, "access_evaluation_endpoint", "/access/v1/evaluation");
    endpoint(c, "access_evaluations_endpoint", "/access/v1/evaluations");
    endpoint(c, "search_subject_endpoint", "/access/v1/search/subject");
    endpoint(c, "search_resource_endpoint", "/access/v1/search/resource");
    endpoint(c, "search_action_endpoint", "/access/v1/search/action");
    if (c->env->secure) { /* ARAP speaks HTTPS only */
        endpoint(c, "access_request_endpoint", "/access/v1/requests");
        endpoint(c, "jwks_uri", "/access/v1/jwks");
    }
    phi_jw_key(w, "capabilities");
    phi_jw_arr(w);
    if (c->env->secure)
        phi_jw_cstr(w, "urn:openid:authzen:capability:access-request");
    phi_jw_end(w);
    phi_jw_end(w);
    c->cache = "no-cache";
    return PHI_OK;
}
