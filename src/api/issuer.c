#include "api/issuer.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/os.h"

#define ISSUERS_MAX 256
#define META_MS (60 * 60 * 1000)
#define KEYS_MS (10 * 60 * 1000)
#define RENEW_MS 10000
#define URL_MAX 2000

enum { WANT_NOTHING, WANT_META, WANT_KEYS };

struct entry {
    struct api_issuer pub;
    struct phi_arena arena; /* of pub's texts */
    struct phi_jwks *keys;
    int64_t meta_at, keys_at; /* boot clock; 0: never */
};

struct api_issuers {
    struct phi_map *by_url;
};

static void entry_free(struct entry *e)
{
    phi_jwks_close(e->keys);
    phi_arena_done(&e->arena);
    free(e);
}

struct api_issuers *api_issuers_open(void)
{
    struct api_issuers *s = calloc(1, sizeof *s);
    if (s && !(s->by_url = phi_map_open(ISSUERS_MAX))) {
        free(s);
        return NULL;
    }
    return s;
}

void api_issuers_close(struct api_issuers *s)
{
    void *at = NULL, *value;
    struct phi_view key;
    if (!s)
        return;
    while (phi_map_next(s->by_url, &at, &key, &value))
        entry_free(value);
    phi_map_close(s->by_url);
    free(s);
}

bool api_issuer_ok(struct phi_view url)
{
    static const char *const loopback[] = { "http://localhost", "http://127.0.0.1", "http://[::1]" };
    bool scheme = phi_view_starts(url, PHI_LIT("https://")) && url.n > 8;
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(loopback[i]);
        scheme |= phi_view_starts(url, phi_view_of(loopback[i])) && (url.n == n || url.p[n] == ':' || url.p[n] == '/');
    }
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~' || strchr("?#@\"<>\\", url.p[i]))
            return false;
    return scheme && url.n <= 500;
}

static struct entry *entry_of(struct api_issuers *s, struct phi_view issuer)
{
    struct entry *e = phi_map_get(s->by_url, issuer);
    if (e)
        return e;
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    phi_arena_init(&e->arena, 64 * 1024);
    if (!phi_map_put(s->by_url, issuer, e)) {
        entry_free(e);
        return NULL;
    }
    return e;
}

/* ---- asking ---- */

static enum phi_rc get(struct api_call *c, struct phi_view url, int want, struct phi_err *err)
{
    static const struct net_http_field fields[] = { { "Accept", "application/json" } };
    struct net_fetch_ask *q = phi_arena_new(&c->arena, struct net_fetch_ask);
    if (!q)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *q = (struct net_fetch_ask){ .url = phi_arena_str(&c->arena, url), .method = "GET", .fields = fields, .n_fields = 1, .max_body = PHI_JWKS_MAX };
    c->ask = q;
    c->asked = want;
    return PHI_OK;
}

static enum phi_rc got_json(struct api_call *c, const char *what, const struct phi_json **ret, struct phi_err *err)
{
    if (c->got.rc != PHI_OK)
        return phi_fail(err, c->got.rc == PHI_EDENIED ? PHI_EDENIED : PHI_EIO, "the issuer's %s cannot be had: %s", what, c->got.why);
    if (c->got.status != 200)
        return phi_fail(err, PHI_EIO, "the issuer's %s cannot be had: its server answers %d", what, c->got.status);
    return phi_json_read(&c->arena, c->got.body, PHI_JSON_INT64 | PHI_JSON_REALS, what, ret, err);
}

static const char *url_of(struct entry *e, const struct phi_json *v, const char *name)
{
    struct phi_view url = phi_json_text(v, name);
    struct phi_view plain = url;
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] == '?')
            plain = phi_view_upto(url, i); /* some endpoints have a query of their own */
    return url.n && url.n <= URL_MAX && api_issuer_ok(plain) && !memchr(url.p, ' ', url.n) ? phi_arena_str(&e->arena, url) : "";
}

static enum phi_rc meta_take(struct api_call *c, struct entry *e, struct phi_view issuer, struct phi_err *err)
{
    const struct phi_json *v;
    PHI_TRY(got_json(c, "discovery document", &v, err));
    if (!phi_view_eq(phi_json_text(v, "issuer"), issuer))
        return phi_fail(err, PHI_EDENIED, "the discovery document is of another issuer");
    phi_arena_reset(&e->arena);
    bool says_iss = false, takes_claims = false;
    phi_json_bool(phi_json_get(v, "claims_parameter_supported"), &takes_claims);
    phi_json_bool(phi_json_get(v, "authorization_response_iss_parameter_supported"), &says_iss);
    const struct phi_json *auth = phi_json_get(v, "token_endpoint_auth_methods_supported");
    e->pub = (struct api_issuer){ .issuer = phi_arena_str(&e->arena, issuer),
                                  .authorization = url_of(e, v, "authorization_endpoint"),
                                  .token = url_of(e, v, "token_endpoint"),
                                  .userinfo = url_of(e, v, "userinfo_endpoint"),
                                  .keys_uri = url_of(e, v, "jwks_uri"),
                                  .basic_auth = !auth || phi_jwt_has(v, "token_endpoint_auth_methods_supported", PHI_LIT("client_secret_basic")),
                                  .takes_claims = takes_claims,
                                  .says_iss = says_iss,
                                  .keys = e->keys };
    if (!e->pub.keys_uri[0])
        return phi_fail(err, PHI_EINPUT, "the discovery document names no keys (jwks_uri) under https");
    e->meta_at = phi_now_boot_ms();
    return PHI_OK;
}

static enum phi_rc keys_take(struct api_call *c, struct entry *e, struct phi_err *err)
{
    const struct phi_json *v;
    struct phi_jwks *keys;
    PHI_TRY(got_json(c, "key set", &v, err));
    PHI_TRY(phi_jwks_read(c->got.body, &keys, err));
    phi_jwks_close(e->keys);
    e->pub.keys = e->keys = keys;
    e->keys_at = phi_now_boot_ms();
    return PHI_OK;
}

static enum phi_rc meta_ask(struct api_call *c, struct phi_view issuer, struct phi_err *err)
{
    struct phi_view base = issuer;
    if (base.n && base.p[base.n - 1] == '/')
        base = phi_view_upto(base, base.n - 1);
    return get(c, phi_arena_printf(&c->arena, PHI_FMT "/.well-known/openid-configuration", PHI_ARG(base)), WANT_META, err);
}

static bool fresh(int64_t at, int64_t ms)
{
    return at && phi_now_boot_ms() - at < ms;
}

enum phi_rc api_issuer_find(struct api_call *c, struct phi_view issuer, bool with_keys, bool newer_keys,
                            const struct api_issuer **ret, struct phi_err *err)
{
    int asked = c->asked;
    struct entry *e = api_issuer_ok(issuer) && c->env->issuers ? entry_of(c->env->issuers, issuer) : NULL;
    *ret = NULL;
    c->asked = WANT_NOTHING;
    if (!e)
        return phi_fail(err, PHI_EINPUT, "an issuer is an https URL without query (and at most %d are known)", ISSUERS_MAX);
    if (asked == WANT_META)
        PHI_TRY(meta_take(c, e, issuer, err));
    else if (asked == WANT_KEYS)
        PHI_TRY(keys_take(c, e, err));
    if (!fresh(e->meta_at, META_MS))
        return meta_ask(c, issuer, err);
    if (with_keys && (!fresh(e->keys_at, KEYS_MS) || (newer_keys && asked != WANT_KEYS)))
        return get(c, phi_view_of(e->pub.keys_uri), WANT_KEYS, err);
    *ret = &e->pub;
    return PHI_OK;
}

bool api_issuer_may_renew(struct api_call *c, struct phi_view issuer)
{
    const struct entry *e = phi_map_get(c->env->issuers->by_url, issuer);
    return e && !fresh(e->keys_at, RENEW_MS);
}
