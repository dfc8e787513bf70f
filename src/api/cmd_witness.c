/* The log's witnesses, and the store held against it. */
#include "api/compare.h"
#include "api/handlers.h"
#include "core/witness.h"

enum phi_rc api_witness_list(struct api_call *c, struct phi_err *err)
{
    struct phi_witness *w;
    size_t n;
    int64_t need;
    PHI_TRY(phi_witness_list(c->core, &c->arena, &w, &n, &need, err));
    struct phi_jw *j = api_answer(c, 200);
    phi_jw_ki(j, "need", need);
    phi_jw_key(j, "witnesses");
    phi_jw_arr(j);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(j);
        phi_jw_kv(j, "name", w[i].name);
        phi_jw_kv(j, "key", w[i].line);
        phi_jw_kv(j, "url", w[i].url);
        phi_jw_ki(j, "size", w[i].size);
        phi_jw_ki(j, "at_ms", w[i].at_ms);
        phi_jw_kv(j, "refuses", w[i].said);
        phi_jw_end(j);
    }
    phi_jw_end(j);
    phi_jw_end(j);
    return PHI_OK;
}

static enum phi_rc done(struct api_call *c)
{
    phi_jw_end(api_answer(c, 200));
    return PHI_OK;
}

enum phi_rc api_witness_set(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_witness_set(c->core, &c->actor, phi_json_text(c->body, "key"), phi_json_text(c->body, "url"), err));
    return done(c);
}

enum phi_rc api_witness_remove(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_witness_remove(c->core, &c->actor, c->params[0], err));
    return done(c);
}

enum phi_rc api_witness_need(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_witness_need(c->core, &c->actor, phi_json_num(c->body, "need", -1), err));
    return done(c);
}

enum phi_rc api_log_comparison(struct api_call *c, struct phi_err *err)
{
    (void)err;
    struct api_compare_said s = { .state = "running", .found = "" };
    if (c->env->compare)
        s = api_compare_said(c->env->compare);
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kc(w, "state", s.state);
    phi_jw_ki(w, "rows", s.rows);
    phi_jw_ki(w, "at_ms", s.at_ms);
    phi_jw_kc(w, "found", s.found);
    phi_jw_end(w);
    return PHI_OK;
}
