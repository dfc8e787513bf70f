/* Providers of identities, and the accounts that people have there. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "core/identity.h"

enum phi_rc api_provider_put(struct api_call *c, struct phi_err *err)
{
    struct phi_view config;
    PHI_TRY(api_body_text(c, "config", &config, err));
    PHI_TRY(phi_provider_put(c->core, &c->actor, c->params[0], phi_json_text(c->body, "kind"), config, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "name", c->params[0]);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_provider_del(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_provider_del(c->core, &c->actor, c->params[0], err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_provider_list(struct api_call *c, struct phi_err *err)
{
    struct phi_provider *p;
    size_t n;
    PHI_TRY(phi_provider_list(c->core, &c->arena, (struct phi_view){ 0 }, &p, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "providers");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "name", p[i].name);
        phi_jw_kv(w, "kind", p[i].kind);
        phi_jw_key(w, "config");
        phi_jw_raw(w, p[i].config);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

/* For the sign-in page: nothing but what its buttons say. */
enum phi_rc api_login_options(struct api_call *c, struct phi_err *err)
{
    struct phi_provider *p;
    size_t n;
    PHI_TRY(phi_provider_list(c->core, &c->arena, PHI_LIT("oidc"), &p, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "providers");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        struct phi_oidc_conf conf;
        if (phi_oidc_conf_read(&c->arena, p[i].config, &conf, NULL) != PHI_OK)
            continue;
        phi_jw_obj(w);
        phi_jw_kv(w, "name", p[i].name);
        phi_jw_kv(w, "title", conf.title.n ? conf.title : p[i].name);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_identity_link(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_identity_link(c->core, &c->actor, phi_json_text(c->body, "provider"), phi_json_text(c->body, "subject"),
                              phi_json_text(c->body, "person"), err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_identity_unlink(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_identity_unlink(c->core, &c->actor, c->params[0], c->params[1], err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_identity_list(struct api_call *c, struct phi_err *err)
{
    struct phi_identity *all;
    struct phi_person p;
    size_t n;
    PHI_TRY(phi_person_get(c->core, &c->arena, api_query(c, "person"), &p, err));
    PHI_TRY(phi_identity_list(c->core, &c->arena, p.id, &all, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "identities");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "provider", all[i].provider);
        phi_jw_kv(w, "subject", all[i].subject);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}
