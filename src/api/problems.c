#include "api/problems.h"

#include <string.h>


static const struct api_problem_text texts[API_PROBLEM_N] = {
    [API_OK] = { "OK", 200, "ok", "Done", "" },
#define X(name, status, code, title, next) [API_##name] = { #name, status, code, title, next },
    API_PROBLEMS(X)
#undef X
};

const struct api_problem_text *api_problem_text(enum api_problem p)
{
    return &texts[(unsigned)p < API_PROBLEM_N ? p : API_INTERNAL];
}

enum api_problem api_problem_of_rc(enum phi_rc rc)
{
    switch (rc) {
    case PHI_OK: return API_OK;
    case PHI_EINPUT: return API_BAD_INPUT;
    case PHI_EDENIED: return API_DENIED;
    case PHI_ENOTFOUND: return API_NOT_FOUND;
    case PHI_ECONFLICT: return API_CONFLICT;
    case PHI_ELIMIT: return API_LIMIT;
    case PHI_EIO: return API_UNAVAILABLE;
    case PHI_EAUTH: return API_NOT_SIGNED_IN;
    case PHI_EEXPIRED: return API_GRANT_ENDED;
    case PHI_ECORRUPT: return API_UNAVAILABLE;
    }
    return API_INTERNAL;
}

enum api_problem api_problem_by_code(const char *code)
{
    for (int i = 1; code && i < API_PROBLEM_N; i++)
        if (strcmp(texts[i].code, code) == 0)
            return (enum api_problem)i;
    return API_OK;
}

void api_problem_begin(struct phi_jw *w, const char *origin, enum api_problem p, struct phi_view detail, struct phi_view request_id)
{
    const struct api_problem_text *t = api_problem_text(p);
    PHI_BUF(type, 1024);

    if (strncmp(t->code, "arap.", 5) == 0) /* the profile names its own */
        phi_buf_printf(&type, "urn:openid:authzen:access-request:error:%s", t->code + 5);
    else
        phi_buf_printf(&type, "%s/errors/%s", origin, t->code);
    phi_jw_obj(w);
    phi_jw_kv(w, "type", phi_buf_view(&type));
    phi_jw_kc(w, "title", t->title);
    phi_jw_ki(w, "status", t->status);
    phi_jw_kv(w, "detail", detail.n ? detail : phi_view_of(t->title));
    phi_jw_kc(w, "code", t->code);
    phi_jw_kc(w, "next", t->next);
    if (request_id.n)
        phi_jw_kv(w, "instance", request_id);
}

void api_problem_page(struct phi_buf *out)
{
    phi_buf_adds(out, "# Errors of the HTTP API\n\nGenerated from `src/api/problems.h`; do not edit.\n"
                      "Each answer that is no success is an RFC 9457 problem with one of these codes. Its `type` is phid's own page of that\n"
                      "code, `<url of phid>/errors/<code>`, which says what stands here; the profile of ARAP names its own types.\n\n"
                      "| code | status | what it means | what to do |\n|---|---|---|---|\n");
    for (int i = 1; i < API_PROBLEM_N; i++)
        phi_buf_printf(out, "| <a id=\"%s\"></a>`%s` | %d | %s | %s |\n", texts[i].code, texts[i].code, texts[i].status,
                       texts[i].title, texts[i].next);
}
