/* Recovery of an account whose passkeys are lost: two operators. */
#include "api/handlers.h"
#include "core/recovery.h"

static void recovery_write(struct phi_jw *w, const struct phi_recovery *r)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "id", r->id);
    phi_jw_kv(w, "person", r->person_name);
    phi_jw_kv(w, "asked_by", r->asker_name);
    phi_jw_ki(w, "expires_in_ms", r->expires_in_ms);
    phi_jw_end(w);
}

enum phi_rc api_recovery_ask(struct api_call *c, struct phi_err *err)
{
    struct phi_recovery r;
    PHI_TRY(phi_recovery_ask(c->core, &c->arena, &c->actor, phi_json_text(c->body, "person"), &r, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_key(w, "recovery");
    recovery_write(w, &r);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_recovery_list(struct api_call *c, struct phi_err *err)
{
    struct phi_recovery *r;
    size_t n;
    PHI_TRY(phi_recovery_list(c->core, &c->arena, &c->actor, &r, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "recoveries");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        recovery_write(w, &r[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_recovery_approve(struct api_call *c, struct phi_err *err)
{
    struct phi_link l;
    PHI_TRY(phi_recovery_approve(c->core, &c->arena, &c->actor, c->params[0], &l, err));
    struct phi_view url = phi_arena_printf(&c->arena, "%s/login/%s", c->env->origin, l.secret);
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "link", url);
    phi_jw_kc(w, "secret", l.secret);
    phi_jw_ki(w, "expires_in_ms", l.expires_in_ms);
    phi_jw_end(w);
    phi_wipe(&l, sizeof(l));
    return PHI_OK;
}
