#include "api/change.h"

#include <string.h>

#include "api/handlers.h"
#include "api/json_out.h"
#include "base/limits.h"
#include "core/bundle.h"

enum phi_rc api_change_parts(const struct api_call *c, struct api_change_part *parts, size_t *n, struct phi_err *err)
{
    enum phi_right r = api_right_action(c->route->right);
    const struct phi_json *groups = c->route->handler == api_person_add ? phi_json_get(c->body, "groups") : NULL;
    parts[0] = (struct api_change_part){ r, r == PHI_RIGHT_GROUPS ? c->params[0] : PHI_LIT("") };
    *n = 1;
    for (size_t i = 0; groups && i < groups->n; i++) {
        if (*n == PHI_MAX_ACTIONS)
            return phi_fail(err, PHI_EINPUT, "a person is put into at most %d groups at once", PHI_MAX_ACTIONS - 1);
        parts[(*n)++] = (struct api_change_part){ PHI_RIGHT_GROUPS, groups->items[i].str };
    }
    return PHI_OK;
}

/* {"body":…,"params":[…],"route":"PUT /v1/bundle"}, canonical: what approvers read and what is made. */
static void document_write(const struct api_call *c, struct phi_buf *out)
{
    struct phi_jw w;
    phi_buf_adds(out, "{\"body\":");
    if (c->body)
        phi_json_canon(out, c->body);
    else
        phi_buf_adds(out, "null");
    phi_buf_adds(out, ",\"params\":");
    phi_jw_init(&w, out);
    phi_jw_arr(&w);
    for (size_t i = 0; i < API_PARAMS && c->params[i].n; i++)
        phi_jw_str(&w, c->params[i]);
    phi_jw_end(&w);
    phi_buf_printf(out, ",\"route\":\"%s %s\"}", c->route->method, c->route->pattern);
}

static enum phi_rc pairs_of(struct api_call *c, struct phi_pair **ret, size_t *n, struct phi_err *err)
{
    struct api_change_part parts[PHI_MAX_ACTIONS];
    PHI_TRY(api_change_parts(c, parts, n, err));
    *ret = phi_arena_array(&c->arena, *n, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *n; i++)
        (*ret)[i] = (struct phi_pair){ phi_change_action(&c->arena, parts[i].right),
                                       phi_right_resource(&c->arena, parts[i].right, parts[i].group) };
    return PHI_OK;
}

/* What could not be made anyway is refused before anybody is asked. */
static enum phi_rc could_be(struct api_call *c, struct phi_err *err)
{
    struct phi_person p;
    if (c->route->handler == api_member_add)
        return phi_person_get(c->core, &c->arena, phi_json_text(c->body, "person"), &p, err);
    if (c->route->handler != api_bundle_put)
        return PHI_OK;
    const struct phi_bundle_text text = { phi_json_text(c->body, "schema"), phi_json_text(c->body, "policies"),
                                          phi_json_text(c->body, "requirements"), 0 };
    enum phi_rc rc = phi_bundle_check(c->core, &text, err);
    if (rc == PHI_EINPUT && !phi_core_why(c->core)[0])
        c->problem = API_BUNDLE_INVALID;
    return rc;
}

enum phi_rc api_change_file(struct api_call *c, struct phi_err *err)
{
    struct phi_change change = { .why = c->why };
    struct phi_request_answer got;
    struct phi_pair *pairs;
    PHI_BUF(document, PHI_MAX_PAYLOAD);
    c->problem = API_OK;
    PHI_TRY(could_be(c, err));
    PHI_TRY(pairs_of(c, &pairs, &change.n_actions, err));
    document_write(c, &document);
    if (!phi_buf_ok(&document))
        return phi_fail(err, PHI_ELIMIT, "this change is too large to be approved; make it in smaller parts");
    change.actions = pairs;
    change.document = phi_buf_view(&document);
    PHI_TRY(phi_change_ask(c->core, &c->arena, &c->actor, &change, &got, err));
    if (got.kind == PHI_ANSWER_DENY) {
        c->problem = API_POLICY_DENIED;
        return phi_fail(err, PHI_EDENIED, PHI_FMT, PHI_ARG(phi_view_upto(got.reason, 200)));
    }
    struct phi_request request = got.request;
    if (got.kind == PHI_ANSWER_GRANT) /* a rule approved it: it is made */
        PHI_TRY(phi_request_get(c->core, &c->arena, &c->actor, got.grant.request, &request, err));
    struct phi_jw *w = api_answer(c, 202);
    phi_jw_key(w, "request");
    api_w_request(w, &c->arena, &request);
    phi_jw_end(w);
    return PHI_OK;
}

static const struct api_route *route_of(struct phi_view name)
{
    for (size_t i = 0; i < api_routes_n; i++) {
        const struct api_route *r = &api_routes[i];
        PHI_BUF(text, 512);
        phi_buf_printf(&text, "%s %s", r->method, r->pattern);
        if ((r->flags & API_CHANGE) && phi_view_eq(phi_buf_view(&text), name))
            return r;
    }
    return NULL;
}

static enum phi_rc call_of(struct api_call *c, struct phi_view document, struct phi_err *err)
{
    const struct phi_json *v, *params;
    PHI_TRY(phi_json_read(&c->arena, phi_arena_copy(&c->arena, document), PHI_JSON_STRICT, "change", &v, err));
    c->route = route_of(phi_json_text(v, "route"));
    params = phi_json_get(v, "params");
    if (!c->route || !params || params->kind != PHI_JSON_ARR || params->n > API_PARAMS)
        return phi_fail(err, PHI_EINPUT, "this change is of a kind that this phid does not know");
    for (size_t i = 0; i < params->n; i++)
        c->params[i] = params->items[i].str;
    c->body = c->route->body ? phi_json_get(v, "body") : NULL;
    return c->route->body ? api_body_check(c->route, c->body, err) : PHI_OK;
}

enum phi_rc api_change_make(void *self, struct phi_core *core, struct phi_arena *a, const struct phi_actor *by,
                            struct phi_view document, struct phi_err *err)
{
    (void)a;
    struct api_call c = { .env = self, .core = core, .actor = *by };
    phi_arena_init(&c.arena, API_CALL_MEMORY);
    phi_buf_init(&c.out, API_ANSWER_MAX);
    enum phi_rc rc = call_of(&c, document, err);
    if (rc == PHI_OK)
        rc = phi_person_get(core, &c.arena, by->id, &c.person, err);
    if (rc == PHI_OK)
        rc = c.route->handler(&c, err);
    phi_buf_done(&c.out);
    phi_arena_done(&c.arena);
    return rc;
}
