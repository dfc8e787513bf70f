/* The OpenAPI 3.1 document, from the command table. */
#include <string.h>

#include "api/route.h"

static const char *json_type(struct phi_view type)
{
    static const char *const names[][2] = {
        { "str",  "string" },
        { "int",  "integer" },
        { "bool", "boolean" },
        { "strs", "array" },
        { "arr",  "array" },
        { "obj",  "object" }
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (phi_view_is(type, names[i][0]))
            return names[i][1];
    return NULL;
}

static void member_schema(struct phi_jw *w, struct phi_view type)
{
    const char *name = json_type(type);
    phi_jw_obj(w);
    if (name)
        phi_jw_kc(w, "type", name);
    if (phi_view_is(type, "strs")) {
        phi_jw_key(w, "items");
        phi_jw_obj(w);
        phi_jw_kc(w, "type", "string");
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

const struct api_example *api_example_of(const struct api_route *r)
{
    for (size_t i = 0; i < api_examples_n; i++)
        if (strcmp(api_examples[i].method, r->method) == 0 && strcmp(api_examples[i].pattern, r->pattern) == 0)
            return &api_examples[i];
    return NULL;
}

static void example_write(struct phi_jw *w, const char *json)
{
    if (!json)
        return;
    phi_jw_key(w, "example");
    phi_jw_raw(w, phi_view_of(json));
}

static void body_begin(struct phi_jw *w, const char *type)
{
    phi_jw_key(w, "requestBody");
    phi_jw_obj(w);
    phi_jw_kb(w, "required", true);
    phi_jw_key(w, "content");
    phi_jw_obj(w);
    phi_jw_key(w, type);
    phi_jw_obj(w);
}

static void body_end(struct phi_jw *w)
{
    for (int i = 0; i < 3; i++)
        phi_jw_end(w);
}

/* Forms come from our own pages or as their standard has them: the example shows the fields. */
static void form_write(struct phi_jw *w, const struct api_example *x)
{
    body_begin(w, "application/x-www-form-urlencoded");
    example_write(w, x->sent);
    body_end(w);
}

static void body_write(struct phi_jw *w, const char *list, bool open, const struct api_example *x)
{
    struct api_member m;
    struct phi_view rest = phi_view_of(list);
    body_begin(w, "application/json");
    example_write(w, x ? x->sent : NULL);
    phi_jw_key(w, "schema");
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "object");
    phi_jw_kb(w, "additionalProperties", open);
    phi_jw_key(w, "required");
    phi_jw_arr(w);
    while (api_member_next(&rest, &m))
        if (m.must)
            phi_jw_str(w, m.name);
    phi_jw_end(w);
    phi_jw_key(w, "properties");
    phi_jw_obj(w);
    for (rest = phi_view_of(list); api_member_next(&rest, &m);) {
        phi_jw_keyv(w, m.name);
        member_schema(w, m.type);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    body_end(w);
}

static void parameter_write(struct phi_jw *w, struct phi_view name, bool in_path, const struct phi_json *values)
{
    PHI_BUF(key, 64);
    phi_buf_add(&key, name);
    const struct phi_json *example = phi_json_get(values, phi_buf_str(&key));
    phi_jw_obj(w);
    phi_jw_kv(w, "name", name);
    phi_jw_kc(w, "in", in_path ? "path" : "query");
    phi_jw_kb(w, "required", in_path);
    phi_jw_key(w, "schema");
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "string");
    phi_jw_end(w);
    if (example) {
        phi_jw_key(w, "example");
        phi_jw_value(w, example);
    }
    phi_jw_end(w);
}

static void parameters_write(struct phi_jw *w, const struct api_route *r, const struct api_example *x)
{
    PHI_ARENA(a, 64 * 1024);
    const struct phi_json *values = NULL;
    if (x && x->values)
        phi_json_read(&a, phi_view_of(x->values), PHI_JSON_STRICT, "example", &values, NULL);
    struct phi_view rest = phi_view_of(r->pattern), part;
    struct api_member m;
    phi_jw_key(w, "parameters");
    phi_jw_arr(w);
    while (phi_view_split(&rest, '/', &part))
        if (part.n > 2 && part.p[0] == '{')
            parameter_write(w, phi_view_mem(part.p + 1, part.n - 2), true, values); /* "path*" is its name: RFC 6570 has no other way to say "all that follows" */
    for (rest = phi_view_of(r->query); api_member_next(&rest, &m);)
        parameter_write(w, m.name, false, values);
    phi_jw_end(w);
}

static void response_write(struct phi_jw *w, const char *key, const char *description,
                           const char *type, const char *ref, const char *example)
{
    phi_jw_key(w, key);
    phi_jw_obj(w);
    phi_jw_kc(w, "description", description);
    if (type) {
        phi_jw_key(w, "content");
        phi_jw_obj(w);
        phi_jw_key(w, type);
        phi_jw_obj(w);
        if (ref) {
            phi_jw_key(w, "schema");
            phi_jw_obj(w);
            phi_jw_kc(w, "$ref", ref);
            phi_jw_end(w);
        }
        example_write(w, example);
        phi_jw_end(w);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void responses_write(struct phi_jw *w, const struct api_route *r, const struct api_example *x)
{
    PHI_BUF(status, 16);
    phi_jw_key(w, "responses");
    phi_jw_obj(w);
    if (x) {
        phi_buf_printf(&status, "%d", x->status);
        response_write(w, phi_buf_str(&status), "Done, as in the example", x->type, NULL, x->answer);
    }
    response_write(w, "2XX", "Done; docs/api.md gives the members",
                   r->flags & API_RAW ? NULL : "application/json", NULL, NULL);
    response_write(w, "default", "A problem (RFC 9457)", "application/problem+json",
                   "#/components/schemas/problem", NULL);
    phi_jw_end(w);
}

static void security_write(struct phi_jw *w, enum api_right right)
{
    static const char *const person[] = { "bearer", "session", NULL }, *const gateway[] = {
                                                                         "certificate", NULL};
    bool is_person = api_right_of_person(right);
    const char *const *s = is_person ? person : right == API_RIGHT_GATEWAY ? gateway : NULL;
    phi_jw_key(w, "security");
    phi_jw_arr(w);
    for (; s && *s; s++) {
        phi_jw_obj(w);
        phi_jw_key(w, *s);
        phi_jw_arr(w);
        phi_jw_end(w);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void operation_write(struct phi_jw *w, const struct api_route *r)
{
    const struct api_example *x = api_example_of(r);
    char method[8] = "";
    for (size_t i = 0; r->method[i] && i + 1 < sizeof(method); i++)
        method[i] = (char)(r->method[i] | 0x20);
    phi_jw_key(w, method);
    phi_jw_obj(w);
    phi_jw_kc(w, "summary", r->summary);
    phi_jw_kc(w, "x-phi-right", api_right_name(r->right));
    phi_jw_key(w, "x-phi-listeners");
    phi_jw_arr(w);
    if (r->listeners & API_PEOPLE)
        phi_jw_cstr(w, "people");
    if (r->listeners & API_GATEWAYS)
        phi_jw_cstr(w, "gateways");
    phi_jw_end(w);
    security_write(w, r->right);
    parameters_write(w, r, x);
    if (r->body)
        body_write(w, r->body, r->flags & API_OPEN, x);
    else if (x && x->sent && x->form)
        form_write(w, x);
    responses_write(w, r, x);
    phi_jw_end(w);
}

/* A path that stands twice with one method (the two event streams) is written once: its first row. */
static bool seen_before(size_t at, bool same_method)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(api_routes[i].pattern, api_routes[at].pattern) == 0 &&
            (!same_method || strcmp(api_routes[i].method, api_routes[at].method) == 0))
            return true;
    return false;
}

static void scheme_write(struct phi_jw *w, const char *name, const char *const pairs[][2])
{
    phi_jw_key(w, name);
    phi_jw_obj(w);
    for (size_t i = 0; pairs[i][0]; i++)
        phi_jw_kc(w, pairs[i][0], pairs[i][1]);
    phi_jw_end(w);
}

static void components_write(struct phi_jw *w)
{
    static const char *const bearer[][2] = {
        { "type",   "http" },
        { "scheme", "bearer" },
        { NULL,     NULL }
    };
    static const char *const cookie[][2] = {
        { "type",        "apiKey" },
        { "in",          "cookie" },
        { "name",        "phi_session" },
        { "description", "A method that changes things also needs X-Phi-CSRF and a matching Origin" },
        { NULL,          NULL }
    };
    static const char *const mtls[][2] = {
        { "type", "mutualTLS" },
        { NULL,   NULL }
    };
    static const char *const members[] = { "type", "title",    "detail", "code",
                                           "next", "instance", NULL };
    phi_jw_key(w, "components");
    phi_jw_obj(w);
    phi_jw_key(w, "securitySchemes");
    phi_jw_obj(w);
    scheme_write(w, "bearer", bearer);
    scheme_write(w, "session", cookie);
    scheme_write(w, "certificate", mtls);
    phi_jw_end(w);
    phi_jw_key(w, "schemas");
    phi_jw_obj(w);
    phi_jw_key(w, "problem");
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "object");
    phi_jw_key(w, "properties");
    phi_jw_obj(w);
    for (size_t i = 0; members[i]; i++) {
        phi_jw_key(w, members[i]);
        member_schema(w, PHI_LIT("str"));
    }
    phi_jw_key(w, "status");
    member_schema(w, PHI_LIT("int"));
    for (int i = 0; i < 4; i++)
        phi_jw_end(w);
}

void api_openapi(struct phi_buf *out)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "openapi", "3.1.0");
    phi_jw_key(&w, "info");
    phi_jw_obj(&w);
    phi_jw_kc(&w, "title", "phi (just-in-time approval)");
    phi_jw_kc(&w, "version", PHI_VERSION);
    phi_jw_end(&w);
    phi_jw_key(&w, "paths");
    phi_jw_obj(&w);
    for (size_t i = 0; i < api_routes_n; i++) {
        if (seen_before(i, false))
            continue;
        phi_jw_key(&w, api_routes[i].pattern);
        phi_jw_obj(&w);
        for (size_t j = i; j < api_routes_n; j++)
            if (strcmp(api_routes[j].pattern, api_routes[i].pattern) == 0 && !seen_before(j, true))
                operation_write(&w, &api_routes[j]);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    components_write(&w);
    phi_jw_end(&w);
    phi_buf_adds(out, "\n");
}
