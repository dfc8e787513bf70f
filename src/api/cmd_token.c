/* Tokens for programs, service accounts, and one's own sessions. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/token.h"

static void time_write(struct phi_jw *w, const char *key, int64_t ms)
{
    PHI_BUF(b, 64);
    phi_text_time(&b, ms);
    if (ms)
        phi_jw_kv(w, key, phi_buf_view(&b));
}

enum phi_rc api_service_add(struct api_call *c, struct phi_err *err)
{
    const struct phi_view *groups;
    struct phi_person p;
    size_t n;
    PHI_TRY(api_body_strs(c, "groups", &groups, &n, err));
    PHI_TRY(phi_service_add(c->core, &c->arena, &c->actor, phi_json_text(c->body, "name"), groups, n, &p, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "name", p.name);
    phi_jw_end(w);
    return PHI_OK;
}

static void rights_write(struct phi_jw *w, uint32_t rights)
{
    phi_jw_key(w, "rights");
    phi_jw_arr(w);
    for (int r = 0; r < PHI_RIGHTS_N; r++)
        if (rights & (1u << r))
            phi_jw_cstr(w, phi_right_action((enum phi_right)r));
    phi_jw_end(w);
}

static enum phi_rc token_write(struct api_call *c, struct phi_jw *w, const struct phi_token *t, struct phi_err *err)
{
    struct phi_person who, maker = { .name = PHI_LIT("phid") };
    PHI_TRY(phi_person_get(c->core, &c->arena, t->who, &who, err));
    if (t->maker.n)
        PHI_TRY(phi_person_get(c->core, &c->arena, t->maker, &maker, err));
    phi_jw_kv(w, "id", t->id);
    phi_jw_kv(w, "name", t->name);
    phi_jw_kv(w, "for", who.name);
    phi_jw_kv(w, "made_by", maker.name);
    rights_write(w, t->rights);
    time_write(w, "created_at", t->created_ms);
    time_write(w, "used_at", t->used_ms);
    if (t->address.n)
        phi_jw_kv(w, "used_from", t->address);
    phi_jw_ki(w, "expires_in_ms", t->expires_in_ms);
    return PHI_OK;
}

enum phi_rc api_token_make(struct api_call *c, struct phi_err *err)
{
    const struct phi_view *names;
    char secret[PHI_API_TOKEN_LEN + 1];
    struct phi_token t;
    size_t n;
    struct phi_token_want want = { .who = phi_json_text(c->body, "service"), .name = phi_json_text(c->body, "name"),
                                   .ms = phi_json_num(c->body, "for_ms", 0) };
    PHI_TRY(api_body_strs(c, "rights", &names, &n, err));
    PHI_TRY(phi_rights_read(names, n, &want.rights, err));
    PHI_TRY(phi_token_make(c->core, &c->arena, &c->actor, &want, secret, &t, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kc(w, "token", secret);
    phi_wipe(secret, sizeof(secret));
    PHI_TRY(token_write(c, w, &t, err));
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_token_list(struct api_call *c, struct phi_err *err)
{
    struct phi_token *t;
    struct phi_view all = api_query(c, "all");
    size_t n;
    struct phi_page page = { .after = api_query(c, "cursor") };
    PHI_TRY(api_query_int(c, "limit", 1, PHI_PAGE_MAX, PHI_PAGE_MAX, &page.limit, err));
    PHI_TRY(phi_token_list(c->core, &c->arena, &c->actor, phi_view_is(all, "1"), &page, &t, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "tokens");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        PHI_TRY(token_write(c, w, &t[i], err));
        phi_jw_end(w);
    }
    phi_jw_end(w);
    if (page.next.n)
        phi_jw_kv(w, "next", page.next);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_token_revoke(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_token_revoke(c->core, &c->actor, c->params[0], err));
    c->status = 204;
    return PHI_OK;
}

/* ---- sessions ---- */

static struct phi_view session_key(struct phi_arena *a, const void *item)
{
    const struct phi_session *v = item;
    (void)a;
    return v->id;
}

enum phi_rc api_session_list(struct api_call *c, struct phi_err *err)
{
    struct phi_session *s;
    size_t n;
    struct api_slice page;
    PHI_TRY(phi_ways_in_list(c->core, &c->arena, &c->actor, api_query(c, "person"), &s, &n, err));
    PHI_TRY(api_slice(c, &(struct api_sliced){ s, n, sizeof *s, session_key, true }, &page, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "sessions");
    phi_jw_arr(w);
    for (size_t i = page.from; i < page.to; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "id", s[i].id);
        phi_jw_kv(w, "kind", s[i].kind);
        phi_jw_kv(w, "note", s[i].note);
        phi_jw_kv(w, "address", s[i].address);
        phi_jw_kv(w, "provider", s[i].provider);
        phi_jw_kv(w, "target", s[i].target);
        phi_jw_kv(w, "device", s[i].device);
        phi_jw_kb(w, "current", phi_view_eq(s[i].id, c->session.id));
        time_write(w, "created_at", s[i].created_ms);
        time_write(w, "used_at", s[i].seen_ms);
        time_write(w, "second_factor_at", s[i].strong_ms);
        phi_jw_ki(w, "expires_in_ms", s[i].expires_in_ms);
        phi_jw_end(w);
    }
    api_slice_end(w, &page);
    return PHI_OK;
}

static enum phi_rc ended(struct api_call *c, struct phi_view id, struct phi_err *err)
{
    int64_t n;
    PHI_TRY(phi_ways_in_end(c->core, &c->actor, api_query(c, "person"), id, c->session.id, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "ended", n);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_session_end_one(struct api_call *c, struct phi_err *err)
{
    return ended(c, c->params[0], err);
}

enum phi_rc api_session_end_others(struct api_call *c, struct phi_err *err)
{
    return ended(c, (struct phi_view){ 0 }, err);
}
