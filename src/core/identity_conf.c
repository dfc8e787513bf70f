/* Reading what providers are configured to be. */
#include "core/identity.h"
#include "core/inner.h"
#include "core/rights.h"
#include "core/token.h"

static enum phi_rc text(const struct phi_json *v, const char *key, const char *otherwise, struct phi_view *ret, struct phi_err *err)
{
    const struct phi_json *x = phi_json_get(v, key);
    *ret = phi_view_of(otherwise);
    if (x ? x->kind != PHI_JSON_STR || x->str.n == 0 || x->str.n > 500 : !otherwise)
        return phi_fail(err, PHI_EINPUT, "provider: \"%s\" must be a text of 1 to 500 bytes", key);
    if (x)
        *ret = x->str;
    for (size_t i = 0; i < ret->n; i++)
        if (ret->p[i] < ' ' || ret->p[i] == 0x7f)
            return phi_fail(err, PHI_EINPUT, "provider: \"%s\" has a control character", key);
    return PHI_OK;
}

static enum phi_rc flag(const struct phi_json *v, const char *key, bool *ret, struct phi_err *err)
{
    const struct phi_json *x = phi_json_get(v, key);
    *ret = false;
    return !x || phi_json_bool(x, ret) ? PHI_OK : phi_fail(err, PHI_EINPUT, "provider: \"%s\" is true or false", key);
}

/* Texts in an object or a list, at most 100. */
static enum phi_rc texts(const struct phi_json *v, const char *key, enum phi_json_kind kind, const struct phi_json **ret, struct phi_err *err)
{
    const struct phi_json *x = phi_json_get(v, key);
    bool ok = !x || (x->kind == kind && x->n <= 100);
    for (size_t i = 0; ok && x && i < x->n; i++)
        ok = x->items[i].kind == PHI_JSON_STR && x->items[i].str.n > 0 && x->items[i].str.n <= 500;
    *ret = x;
    return ok ? PHI_OK : phi_fail(err, PHI_EINPUT, "provider: \"%s\" is %s of at most 100 texts", key, kind == PHI_JSON_OBJ ? "an object" : "a list");
}

static enum phi_rc config_read(struct phi_arena *a, struct phi_view config, const char *const *keys, const struct phi_json **ret,
                               struct phi_err *err)
{
    if (config.n > 16 * 1024)
        return phi_fail(err, PHI_ELIMIT, "provider: more than 16 KiB");
    PHI_TRY(phi_json_read(a, config, PHI_JSON_STRICT, "provider", ret, err));
    if ((*ret)->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "provider: not an object");
    return phi_json_only(*ret, keys, err);
}

enum phi_rc phi_oidc_conf_read(struct phi_arena *a, struct phi_view config, struct phi_oidc_conf *ret, struct phi_err *err)
{
    static const char *const keys[] = { "issuer", "client_id", "title", "secret", "scope", "name_claim", "groups_claim", "groups", "strong",
                                        "create", "adopt", "userinfo", NULL };
    const struct phi_json *v;
    PHI_TRY(config_read(a, config, keys, &v, err));
    PHI_TRY(text(v, "issuer", NULL, &ret->issuer, err));
    PHI_TRY(text(v, "client_id", NULL, &ret->client_id, err));
    PHI_TRY(text(v, "title", "", &ret->title, err));
    PHI_TRY(text(v, "scope", "openid profile email", &ret->scope, err));
    PHI_TRY(text(v, "name_claim", "preferred_username", &ret->name_claim, err));
    PHI_TRY(text(v, "groups_claim", "", &ret->groups_claim, err));
    PHI_TRY(texts(v, "groups", PHI_JSON_OBJ, &ret->groups, err));
    PHI_TRY(texts(v, "strong", PHI_JSON_ARR, &ret->strong, err));
    PHI_TRY(flag(v, "secret", &ret->secret, err));
    PHI_TRY(flag(v, "create", &ret->create, err));
    PHI_TRY(flag(v, "adopt", &ret->adopt, err));
    PHI_TRY(flag(v, "userinfo", &ret->userinfo, err));
    if ((ret->groups != NULL) != (ret->groups_claim.n > 0))
        return phi_fail(err, PHI_EINPUT, "provider: \"groups_claim\" and \"groups\" come together");
    for (size_t i = 0; ret->groups && i < ret->groups->n; i++)
        if (!core_slug_ok(ret->groups->items[i].str))
            return phi_fail(err, PHI_EINPUT, "provider: \"groups\" leads to a name that no group can have; use a-z, 0-9, _ and -");
    return PHI_OK;
}

/* A pattern of nothing but stars would let in whoever has a token of that issuer. */
static bool pins_something(const struct phi_json *claims)
{
    for (size_t i = 0; i < claims->n; i++)
        for (size_t k = 0; k < claims->items[i].str.n; k++)
            if (claims->items[i].str.p[k] != '*')
                return true;
    return false;
}

enum phi_rc phi_workload_conf_read(struct phi_arena *a, struct phi_view config, struct phi_workload_conf *ret, struct phi_err *err)
{
    static const char *const keys[] = { "issuer", "audience", "claims", "service", "rights", "max_ms", NULL };
    const struct phi_json *v, *rights;
    PHI_TRY(config_read(a, config, keys, &v, err));
    PHI_TRY(text(v, "issuer", NULL, &ret->issuer, err));
    PHI_TRY(text(v, "audience", NULL, &ret->audience, err));
    PHI_TRY(text(v, "service", NULL, &ret->service, err));
    PHI_TRY(texts(v, "claims", PHI_JSON_OBJ, &ret->claims, err));
    PHI_TRY(texts(v, "rights", PHI_JSON_ARR, &rights, err));
    PHI_TRY(phi_json_need_int(v, "max_ms", 1000, PHI_MAX_WORKLOAD_MS, &ret->max_ms, err));
    if (!ret->claims || !pins_something(ret->claims) || !rights)
        return phi_fail(err, PHI_EINPUT, "provider: \"claims\" must pin something (such as the repository), and \"rights\" be there");
    struct phi_view *names = phi_arena_array(a, rights->n + 1, sizeof *names);
    for (size_t i = 0; names && i < rights->n; i++)
        names[i] = rights->items[i].str;
    return names ? phi_rights_read(names, rights->n, &ret->rights, err) : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- claims ---- */

/* Backtracks to the last star only; a `**` that was passed stays passed, so the work is at most pattern × text. */
static bool fits(struct phi_view p, struct phi_view t, unsigned *steps)
{
    while (p.n) {
        if (++*steps > 100000)
            return false;
        if (p.p[0] == '*') {
            bool deep = p.n > 1 && p.p[1] == '*';
            struct phi_view rest = phi_view_from(p, deep ? 2 : 1);
            for (size_t i = 0;; i++) {
                if (fits(rest, phi_view_from(t, i), steps))
                    return true;
                if (i >= t.n || (!deep && t.p[i] == '/'))
                    return false;
            }
        }
        if (t.n == 0 || p.p[0] != t.p[0])
            return false;
        p = phi_view_from(p, 1);
        t = phi_view_from(t, 1);
    }
    return t.n == 0;
}

bool phi_claim_fits(struct phi_view pattern, struct phi_view t)
{
    unsigned steps = 0;
    return fits(pattern, t, &steps);
}

/* One step of a JSON Pointer (RFC 6901): "~1" is '/', "~0" is '~'. */
static bool step_is(struct phi_view step, struct phi_view key)
{
    size_t at = 0;
    for (size_t i = 0; i < step.n; i++, at++) {
        uint8_t ch = step.p[i];
        if (ch == '~') {
            if (++i == step.n || (step.p[i] != '0' && step.p[i] != '1'))
                return false;
            ch = step.p[i] == '1' ? '/' : '~';
        }
        if (at >= key.n || key.p[at] != ch)
            return false;
    }
    return at == key.n;
}

static const struct phi_json *member_of(const struct phi_json *v, struct phi_view step, bool pointer)
{
    for (size_t i = 0; v && v->kind == PHI_JSON_OBJ && i < v->n; i++)
        if (pointer ? step_is(step, v->keys[i]) : phi_view_eq(v->keys[i], step))
            return &v->items[i];
    return NULL;
}

/* A claim by its name, or by a JSON Pointer where it begins with '/'. */
static const struct phi_json *claim_of(const struct phi_json *claims, struct phi_view name)
{
    struct phi_view rest = phi_view_from(name, 1), step;
    if (!name.n || name.p[0] != '/')
        return member_of(claims, name, false);
    if (name.p[name.n - 1] == '/')
        return NULL; /* a member named "": splitting would not see it */
    while (claims && phi_view_split(&rest, '/', &step))
        claims = member_of(claims, step, true);
    return claims;
}

bool phi_workload_fits(const struct phi_workload_conf *w, const struct phi_json *claims, struct phi_view *missing)
{
    for (size_t i = 0; i < w->claims->n; i++) {
        const struct phi_json *x = claim_of(claims, w->claims->keys[i]);
        struct phi_view t = { 0 };
        bool is = x && (x->kind == PHI_JSON_STR || x->kind == PHI_JSON_BOOL);
        if (is)
            t = x->kind == PHI_JSON_STR ? x->str : x->b ? PHI_LIT("true") : PHI_LIT("false");
        if (!is || !phi_claim_fits(w->claims->items[i].str, t)) {
            *missing = w->claims->keys[i];
            return false;
        }
    }
    return w->claims->n > 0;
}

bool phi_claim_name(struct phi_arena *a, struct phi_view claim, struct phi_view *ret)
{
    struct phi_view copy = phi_arena_copy(a, claim);
    uint8_t *p = (uint8_t *)(uintptr_t)copy.p; /* our own copy */
    for (size_t i = 0; i < copy.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (uint8_t)(p[i] + ('a' - 'A'));
    struct phi_id id;
    *ret = copy;
    return copy.n == claim.n && core_name_ok(copy) && !phi_id_read(copy, &id);
}
