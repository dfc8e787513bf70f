#include <string.h>

#include "api/route.h"
#include "net/http.h"

/* A last segment "{name*}" takes all that is left, as it was sent: never an escape in it. */
static bool is_rest(struct phi_view segment)
{
    return segment.n > 3 && segment.p[0] == '{' && segment.p[segment.n - 2] == '*';
}

/* One path against one pattern; the segments in braces go to ret. */
static bool path_fits(const char *pattern, struct phi_view path, struct phi_view ret[API_PARAMS])
{
    size_t same = 0, n = 0;
    while (pattern[same] && pattern[same] != '{') { /* most rows end here, without taking anything apart */
        if (same == path.n || path.p[same] != (uint8_t)pattern[same])
            return false;
        same++;
    }
    struct phi_view want = phi_view_of(pattern), a, b;
    for (;;) {
        bool more = phi_view_split(&want, '/', &a);
        if (more != phi_view_split(&path, '/', &b))
            return false;
        if (!more)
            return true;
        if (is_rest(a)) {
            ret[n] = phi_view_mem(b.p, b.n + (path.n ? path.n + 1 : 0));
            return n < API_PARAMS && b.n && !memchr(ret[n].p, '%', ret[n].n);
        }
        if (a.n && a.p[0] == '{') {
            if (!b.n || n == API_PARAMS)
                return false;
            ret[n++] = b;
        } else if (!phi_view_eq(a, b)) {
            return false;
        }
    }
}

static void allow_add(char allow[64], const char *method)
{
    size_t n = strlen(allow), m = strlen(method);
    if (strstr(allow, method) || n + m + 3 > 64)
        return;
    if (n) {
        allow[n++] = ',';
        allow[n++] = ' ';
    }
    memcpy(allow + n, method, m + 1);
}

static bool params_decode(struct phi_arena *a, struct phi_view params[API_PARAMS])
{
    for (size_t i = 0; i < API_PARAMS; i++)
        if (params[i].n && !net_percent_decode(a, params[i], false, &params[i]))
            return false;
    return true;
}

void api_match(struct phi_arena *a, enum api_listener listener, struct phi_view method,
               struct phi_view path, struct api_match *ret)
{
    struct phi_view want = phi_view_is(method, "HEAD") ? PHI_LIT("GET") : method;
    *ret = (struct api_match){ .problem = API_NO_ROUTE };
    /* "/a/" is not "/a": phi_view_split would not tell them apart. */
    if (!path.n || path.p[0] != '/' || (path.n > 1 && path.p[path.n - 1] == '/'))
        return;
    for (size_t i = 0; i < api_routes_n; i++) {
        const struct api_route *r = &api_routes[i];
        struct phi_view params[API_PARAMS] = { 0 };
        if (r->pattern[1] != '{' && (path.n < 2 ? r->pattern[1] != 0 : path.p[1] != (uint8_t)r->pattern[1]))
            continue; /* as most rows, before more is looked at */
        if (!(r->listeners & listener) || !path_fits(r->pattern, path, params))
            continue;
        if (!phi_view_is(want, r->method)) {
            ret->problem = API_NO_METHOD;
            allow_add(ret->allow, r->method);
            continue;
        }
        if (!params_decode(a, params))
            return;
        ret->route = r;
        ret->problem = API_OK;
        memcpy(ret->params, params, sizeof(params));
        return;
    }
}

bool api_member_next(struct phi_view *list, struct api_member *ret)
{
    struct phi_view word;
    do {
        if (!phi_view_split(list, ' ', &word))
            return false;
    } while (!word.n);
    *ret = (struct api_member){ .must = word.p[word.n - 1] == '!' };
    if (ret->must)
        word.n--;
    phi_view_split(&word, ':', &ret->name);
    ret->type = word;
    return true;
}

static bool is_strs(const struct phi_json *v)
{
    if (v->kind != PHI_JSON_ARR)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].kind != PHI_JSON_STR)
            return false;
    return true;
}

/* NULL when v is of that type, else how to say the type. */
static const char *type_wrong(const struct phi_json *v, struct phi_view type)
{
    if (phi_view_is(type, "str"))
        return v->kind == PHI_JSON_STR ? NULL : "a string";
    if (phi_view_is(type, "int"))
        return v->kind == PHI_JSON_INT ? NULL : "a whole number";
    if (phi_view_is(type, "bool"))
        return v->kind == PHI_JSON_BOOL ? NULL : "true or false";
    if (phi_view_is(type, "strs"))
        return is_strs(v) ? NULL : "a list of strings";
    if (phi_view_is(type, "obj"))
        return v->kind == PHI_JSON_OBJ ? NULL : "an object";
    if (phi_view_is(type, "arr"))
        return v->kind == PHI_JSON_ARR ? NULL : "a list";
    return phi_view_is(type, "any") ? NULL : "of a known type";
}

static bool member_find(const char *list, struct phi_view name, struct api_member *ret)
{
    struct phi_view rest = phi_view_of(list);
    while (api_member_next(&rest, ret))
        if (phi_view_eq(ret->name, name))
            return true;
    return false;
}

enum phi_rc api_body_check(const struct api_route *r, const struct phi_json *body,
                           struct phi_err *err)
{
    struct api_member m;
    struct phi_view rest = phi_view_of(r->body);
    if (!body || body->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "the body must be a JSON object");
    for (size_t i = 0; i < body->n; i++) {
        if (!member_find(r->body, body->keys[i], &m)) {
            if (r->flags & API_OPEN)
                continue;
            return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" is not known here",
                            PHI_ARG(phi_view_upto(body->keys[i], 64)));
        }
        const char *type = type_wrong(&body->items[i], m.type);
        if (type)
            return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" must be %s", PHI_ARG(m.name), type);
    }
    while (api_member_next(&rest, &m)) {
        bool there = false;
        for (size_t i = 0; i < body->n && !there; i++)
            there = phi_view_eq(body->keys[i], m.name);
        if (m.must && !there)
            return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" is missing", PHI_ARG(m.name));
    }
    return PHI_OK;
}

bool api_query_check(struct phi_arena *a, const struct api_route *r, struct phi_view query,
                     struct phi_view *bad)
{
    struct phi_view rest = query, pair, name, value;
    struct api_member m;
    size_t known = 0;
    while (phi_view_split(&rest, '&', &pair)) {
        if (!phi_view_split(&pair, '=', &name))
            name = PHI_LIT("");
        *bad = name;
        if (!r->query || !member_find(r->query, name, &m) ||
            !net_percent_decode(a, pair, true, &value) || ++known > 16)
            return false;
        struct phi_view again = rest, p2, n2;
        while (phi_view_split(&again, '&', &p2))
            if (phi_view_split(&p2, '=', &n2) && phi_view_eq(n2, name))
                return false;
    }
    return true;
}

enum phi_right api_right_action(enum api_right r)
{
    return r > API_RIGHT_POLICIES && r < API_RIGHTS_N ? (enum phi_right)(r - API_RIGHT_POLICIES - 1) : PHI_RIGHTS_N;
}

bool api_right_of_person(enum api_right r)
{
    return r == API_RIGHT_SELF || api_right_action(r) != PHI_RIGHTS_N;
}

const char *api_right_name(enum api_right r)
{
    static const char *const plain[] = { "?", "none", "self", "gateway", "enrol", "?" };
    return api_right_action(r) != PHI_RIGHTS_N ? phi_right_action(api_right_action(r))
           : r <= API_RIGHT_POLICIES           ? plain[r]
                                               : "?";
}
