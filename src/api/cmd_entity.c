/* Entities of an application's own types, as AuthZEN callers ask about them. */
#include "api/handlers.h"
#include "base/limits.h"
#include "core/entity.h"

enum phi_rc api_entities_put(struct api_call *c, struct phi_err *err)
{
    size_t n;
    PHI_TRY(phi_entities_put(c->core, &c->arena, &c->actor, phi_json_get(c->body, "entities"), &n, err));
    phi_jw_ki(api_answer(c, 200), "count", (int64_t)n);
    phi_jw_end(&c->w);
    return PHI_OK;
}

enum phi_rc api_entity_remove(struct api_call *c, struct phi_err *err)
{
    struct phi_ref uid = { c->params[0], c->params[1] };
    PHI_TRY(phi_entity_remove(c->core, &c->arena, &c->actor, uid, err));
    c->status = 204;
    return PHI_OK;
}

/* The cursor is the last one's type and id as a JSON array, in base64url. */
static enum phi_rc cursor_read(struct api_call *c, struct phi_ref *ret, struct phi_err *err)
{
    PHI_BUF(text, 4 * PHI_MAX_ENTITY_ID);
    const struct phi_json *v;
    struct phi_view cursor = api_query(c, "cursor");
    *ret = (struct phi_ref){ 0 };
    if (!cursor.n)
        return PHI_OK;
    if (!phi_b64u_read(cursor, &text) ||
        phi_json_read(&c->arena, phi_arena_copy(&c->arena, phi_buf_view(&text)), PHI_JSON_STRICT, "cursor", &v, NULL) != PHI_OK ||
        v->kind != PHI_JSON_ARR || v->n != 2 || !phi_json_str(&v->items[0], &ret->type) || !phi_json_str(&v->items[1], &ret->id))
        return api_refuse(c, err, API_CURSOR_UNKNOWN, "\"cursor\" is not the `next` of an earlier answer");
    return PHI_OK;
}

static void cursor_write(struct api_call *c, struct phi_ref last)
{
    PHI_BUF(text, 4 * PHI_MAX_ENTITY_ID);
    PHI_BUF(out, 8 * PHI_MAX_ENTITY_ID);
    struct phi_jw w;
    phi_jw_init(&w, &text);
    phi_jw_arr(&w);
    phi_jw_str(&w, last.type);
    phi_jw_str(&w, last.id);
    phi_jw_end(&w);
    phi_b64u_add(&out, phi_buf_view(&text));
    phi_jw_kv(&c->w, "next", phi_buf_view(&out));
}

enum phi_rc api_entity_list(struct api_call *c, struct phi_err *err)
{
    struct phi_entity_view *e;
    struct phi_ref after;
    size_t n;
    int64_t limit;
    bool more;
    PHI_TRY(api_query_int(c, "limit", 1, 1000, 100, &limit, err));
    PHI_TRY(cursor_read(c, &after, err));
    PHI_TRY(phi_entity_list(c->core, &c->arena, &c->actor, api_query(c, "type"), after, (size_t)limit, &e, &n, &more, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "entities");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_key(w, "uid");
        phi_ref_write(w, e[i].uid);
        phi_jw_key(w, "attrs");
        phi_jw_raw(w, e[i].attrs);
        phi_jw_key(w, "parents");
        phi_jw_raw(w, e[i].parents);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    if (more)
        cursor_write(c, e[n - 1].uid);
    phi_jw_end(w);
    return PHI_OK;
}
