/* What phi signs for ARAP's callers to carry: evaluation ids, binding tokens, approval states. */
#include "api/arap.h"

#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "proof/jws.h"

#define BINDING_TYP "authzen-binding+jwt"
#define STATE_TYP   "authzen-approval-state+jwt"
enum { EXPIRES_LEN = 8, RANDOM_LEN = 12, MAC_LEN = 16 };

/* ---- times */

/* "Z", "z" or "+hh:mm" at the end of a time: minutes east. */
static bool offset_read(struct phi_view v, int64_t *ret_min)
{
    int64_t h, m;
    *ret_min = 0;
    if (phi_view_is(v, "Z") || phi_view_is(v, "z"))
        return true;
    if (v.n != 6 || (v.p[0] != '+' && v.p[0] != '-') || v.p[3] != ':' || !phi_view_int(phi_view_mem(v.p + 1, 2), &h) ||
        !phi_view_int(phi_view_mem(v.p + 4, 2), &m) || h < 0 || h > 23 || m < 0 || m > 59)
        return false;
    *ret_min = (v.p[0] == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

bool arap_time_read(struct phi_view v, int64_t *ret_ms)
{
    char text[] = "0000-00-00T00:00:00.000Z";
    int64_t east;
    size_t at = 19, digits = 0;
    if (v.n < 20 || v.n > 40 || (v.p[10] != 'T' && v.p[10] != 't' && v.p[10] != ' '))
        return false;
    memcpy(text, v.p, 10);
    memcpy(text + 11, v.p + 11, 8);
    if (v.p[at] == '.') {
        for (at++; at < v.n && v.p[at] >= '0' && v.p[at] <= '9'; at++, digits++)
            if (digits < 3)
                text[20 + digits] = (char)v.p[at];
        if (!digits)
            return false;
    }
    if (!offset_read(phi_view_from(v, at), &east) || !phi_text_time_read(phi_view_of(text), ret_ms))
        return false;
    *ret_ms -= east * 60000;
    return true;
}

/* ---- the binding hash */

static struct phi_json object_of(struct phi_arena *a, size_t max)
{
    return (struct phi_json){ .kind = PHI_JSON_OBJ, .items = phi_arena_array(a, max + 1, sizeof(struct phi_json)),
                              .keys = phi_arena_array(a, max + 1, sizeof(struct phi_view)) };
}

static void member_add(struct phi_json *o, struct phi_view key, const struct phi_json *v)
{
    if (!o->items || !o->keys)
        return;
    ((struct phi_json *)(uintptr_t)o->items)[o->n] = *v; /* our own array */
    ((struct phi_view *)(uintptr_t)o->keys)[o->n] = key;
    o->n++;
}

static struct phi_json without(struct phi_arena *a, const struct phi_json *o, const char *key)
{
    struct phi_json out = object_of(a, o->n);
    for (size_t i = 0; i < o->n; i++)
        if (!phi_view_is(o->keys[i], key))
            member_add(&out, o->keys[i], &o->items[i]);
    return out;
}

/* The actor may move to client.actor between the two: it does not bind. */
static struct phi_json subject_bound(struct phi_arena *a, const struct phi_json *subject)
{
    const struct phi_json *properties = phi_json_get(subject, "properties");
    if (!properties || properties->kind != PHI_JSON_OBJ || !phi_json_get(properties, "act"))
        return *subject;
    struct phi_json out = without(a, subject, "properties"), less = without(a, properties, "act");
    member_add(&out, PHI_LIT("properties"), &less);
    return out;
}

static struct phi_json context_bound(struct api_call *c, const struct phi_json *context, struct phi_view action)
{
    size_t n = context && context->kind == PHI_JSON_OBJ ? context->n : 0;
    struct phi_json out = object_of(&c->arena, n);
    for (size_t i = 0; i < n; i++)
        if (phi_arap_binds(c->core, action, context->keys[i]))
            member_add(&out, context->keys[i], &context->items[i]);
    return out;
}

struct phi_view arap_binding_members(struct api_call *c, const struct authzen_parts *p, struct phi_view action)
{
    PHI_BUF(text, 64 * 1024);
    struct phi_jw w;
    struct phi_json context = context_bound(c, p->context, action);
    phi_jw_init(&w, &text);
    phi_jw_arr(&w);
    for (size_t i = 0; i < context.n; i++)
        phi_jw_str(&w, context.keys[i]);
    phi_jw_end(&w);
    return phi_arena_copy(&c->arena, phi_buf_view(&text));
}

static bool has_real(const struct phi_json *v)
{
    bool found = v->kind == PHI_JSON_REAL;
    for (size_t i = 0; (v->kind == PHI_JSON_ARR || v->kind == PHI_JSON_OBJ) && i < v->n && !found; i++)
        found = has_real(&v->items[i]);
    return found;
}

bool arap_binding(struct api_call *c, const struct authzen_parts *p, struct phi_view action, struct phi_digest *ret)
{
    PHI_BUF(text, 1024 * 1024);
    struct phi_json all = object_of(&c->arena, 4), subject = subject_bound(&c->arena, p->subject),
                    context = context_bound(c, p->context, action);
    member_add(&all, PHI_LIT("action"), p->action);
    member_add(&all, PHI_LIT("context"), &context);
    member_add(&all, PHI_LIT("resource"), p->resource);
    member_add(&all, PHI_LIT("subject"), &subject);
    if (!phi_arena_ok(&c->arena) || has_real(&all))
        return false;
    phi_json_canon(&text, &all);
    *ret = phi_sha256(phi_buf_view(&text));
    return phi_buf_ok(&text);
}

static struct phi_view b64u(struct phi_arena *a, struct phi_view bytes)
{
    PHI_BUF(text, 4096);
    phi_b64u_add(&text, bytes);
    return phi_arena_copy(a, phi_buf_view(&text));
}

static struct phi_view time_text(struct phi_arena *a, int64_t ms)
{
    PHI_BUF(text, 64);
    phi_text_time(&text, ms);
    return phi_arena_copy(a, phi_buf_view(&text));
}

/* ---- tokens */

static enum phi_rc sign(struct api_call *c, const struct phi_arap_key *k, const char *typ, struct phi_view claims,
                        struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(head, 512);
    PHI_BUF(token, PHI_JWS_MAX);
    struct phi_sig sig;
    phi_buf_printf(&head, "{\"alg\":\"EdDSA\",\"kid\":\"" PHI_FMT "\",\"typ\":\"%s\"}", PHI_ARG(k->kid), typ);
    phi_b64u_add(&token, phi_buf_view(&head));
    phi_buf_adds(&token, ".");
    phi_b64u_add(&token, claims);
    PHI_TRY(phi_key_sign(&k->key, phi_buf_view(&token), &sig, err));
    phi_buf_adds(&token, ".");
    phi_b64u_add(&token, phi_view_mem(sig.b, sizeof sig.b));
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&token));
    return phi_buf_ok(&token) && ret->n ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the token is too large");
}

static void claims_begin(struct api_call *c, struct phi_jw *w, struct phi_buf *text, int64_t until_ms)
{
    phi_jw_init(w, text);
    phi_jw_obj(w);
    phi_jw_kc(w, "iss", c->env->origin);
    phi_jw_kc(w, "aud", c->env->origin);
    phi_jw_kv(w, "sub", c->person.id);
    phi_jw_ki(w, "iat", phi_now_wall_ms() / 1000);
    phi_jw_ki(w, "exp", until_ms / 1000);
}

/* Verified against our own keys; the claims live in the call's arena. */
static const struct phi_json *opened(struct api_call *c, struct phi_view token, const char *typ)
{
    PHI_BUF(set, PHI_JWKS_MAX);
    struct phi_jwks *keys = NULL;
    struct phi_jws t;
    struct phi_jwt_want want = { .iss = phi_view_of(c->env->origin), .aud = phi_view_of(c->env->origin),
                                 .now_ms = phi_now_wall_ms(), .typ = phi_view_of(typ) };
    if (phi_arap_jwks(c->core, &set, NULL) != PHI_OK || phi_jwks_read(phi_buf_view(&set), &keys, NULL) != PHI_OK)
        return NULL;
    bool ok = phi_jws_open(&c->arena, token, keys, &t, NULL) == PHI_OK;
    phi_jwks_close(keys);
    enum phi_rc rc = ok ? phi_jwt_check(&t, &want, NULL) : PHI_EDENIED;
    if (rc != PHI_OK && rc != PHI_EEXPIRED) /* of an old one the caller learns that it is old */
        return NULL;
    return phi_view_eq(phi_json_text(t.claims, "sub"), c->person.id) ? t.claims : NULL;
}

/* ---- denials */

static struct phi_digest evaluation_mac(const struct phi_key *k, struct phi_view head, struct phi_view caller,
                                        const struct phi_digest *binding)
{
    PHI_BUF(text, 1024);
    phi_buf_adds(&text, "phi-arap-evaluation-v1");
    phi_buf_add(&text, phi_view_mem("", 1));
    phi_buf_add(&text, head);
    phi_buf_add(&text, phi_digest_view(binding));
    phi_buf_add(&text, caller);
    return phi_hmac_sha256(phi_view_mem(k->seed, sizeof k->seed), phi_buf_view(&text));
}

enum phi_rc arap_denial_make(struct api_call *c, const struct authzen_parts *p, struct phi_view action,
                             const struct phi_digest *binding, struct arap_denial *ret, struct phi_err *err)
{
    PHI_BUF(text, PHI_JWS_MAX / 2);
    struct phi_arap_key k;
    struct phi_jw w;
    uint8_t id[EXPIRES_LEN + RANDOM_LEN + MAC_LEN];
    PHI_TRY(phi_arap_key(c->core, &c->arena, true, &k, err));
    ret->expires_ms = (phi_now_wall_ms() + PHI_ARAP_DENIAL_MS) / 1000 * 1000;
    for (int i = 0; i < EXPIRES_LEN; i++)
        id[i] = (uint8_t)((uint64_t)ret->expires_ms >> (56 - 8 * i));
    phi_random(id + EXPIRES_LEN, RANDOM_LEN);
    struct phi_digest mac = evaluation_mac(&k.key, phi_view_mem(id, EXPIRES_LEN + RANDOM_LEN), c->person.id, binding);
    memcpy(id + EXPIRES_LEN + RANDOM_LEN, mac.b, MAC_LEN);
    ret->evaluation = phi_arena_printf(&c->arena, "ev_" PHI_FMT, PHI_ARG(b64u(&c->arena, phi_view_mem(id, sizeof id))));
    claims_begin(c, &w, &text, ret->expires_ms);
    phi_jw_kv(&w, "jti", ret->evaluation);
    phi_jw_kv(&w, "evaluation_id", ret->evaluation);
    phi_jw_kv(&w, "denial_expires_at", time_text(&c->arena, ret->expires_ms));
    phi_jw_key(&w, "binding_context_members");
    phi_jw_raw(&w, arap_binding_members(c, p, action));
    phi_jw_kv(&w, "binding_hash", b64u(&c->arena, phi_digest_view(binding)));
    phi_jw_end(&w);
    enum phi_rc rc = phi_buf_ok(&text) ? sign(c, &k, BINDING_TYP, phi_buf_view(&text), &ret->token, err)
                                       : phi_fail(err, PHI_ELIMIT, "the denial is too large");
    phi_key_done(&k.key);
    return rc;
}

static bool evaluation_ok(struct api_call *c, struct phi_view evaluation, const struct phi_digest *binding, int64_t *ret_expires)
{
    PHI_BUF(bytes, 256);
    struct phi_arap_key *keys;
    size_t n;
    bool ok = false;
    if (!phi_view_starts(evaluation, PHI_LIT("ev_")) || !phi_b64u_read(phi_view_from(evaluation, 3), &bytes) ||
        bytes.n != EXPIRES_LEN + RANDOM_LEN + MAC_LEN || phi_arap_keys(c->core, &c->arena, &keys, &n, NULL) != PHI_OK)
        return false;
    struct phi_view all = phi_buf_view(&bytes), head = phi_view_upto(all, EXPIRES_LEN + RANDOM_LEN);
    for (size_t i = 0; i < n; i++) {
        struct phi_digest mac = evaluation_mac(&keys[i].key, head, c->person.id, binding);
        ok |= phi_secret_eq(phi_view_from(all, head.n), phi_view_upto(phi_digest_view(&mac), MAC_LEN));
        phi_key_done(&keys[i].key);
    }
    uint64_t ms = 0;
    for (int i = 0; i < EXPIRES_LEN; i++)
        ms = ms << 8 | all.p[i];
    *ret_expires = (int64_t)ms;
    return ok;
}

static enum phi_rc unbound(struct api_call *c, struct phi_err *err, const char *why)
{
    return api_refuse(c, err, API_ARAP_BINDING, why);
}

static enum phi_rc token_check(struct api_call *c, const struct phi_digest *binding, struct arap_denial *d, struct phi_err *err)
{
    const struct phi_json *claims = opened(c, d->token, BINDING_TYP);
    if (!claims)
        return unbound(c, err, "denial.binding_token is not one that phi gave you");
    if (!phi_view_eq(phi_json_text(claims, "binding_hash"), b64u(&c->arena, phi_digest_view(binding))))
        return unbound(c, err, "subject, resource, action or context are not those of the denial");
    struct phi_view jti = phi_json_text(claims, "evaluation_id");
    if (d->evaluation.n && !phi_view_eq(d->evaluation, jti))
        return unbound(c, err, "denial.evaluation_id is another evaluation's");
    d->evaluation = jti;
    return phi_text_time_read(phi_json_text(claims, "denial_expires_at"), &d->expires_ms)
               ? PHI_OK
               : unbound(c, err, "denial.binding_token has no end");
}

enum phi_rc arap_denial_check(struct api_call *c, const struct phi_json *denial, const struct phi_digest *binding,
                              struct arap_denial *ret, struct phi_err *err)
{
    int64_t told;
    *ret = (struct arap_denial){ .evaluation = phi_json_text(denial, "evaluation_id"),
                                 .token = phi_json_text(denial, "binding_token") };
    if (!denial)
        return api_refuse(c, err, API_ARAP_NOT_REQUESTABLE, "the submission holds no \"denial\"");
    if (ret->token.n)
        PHI_TRY(token_check(c, binding, ret, err));
    else if (!ret->evaluation.n)
        return unbound(c, err, "denial holds neither binding_token nor evaluation_id");
    else if (!evaluation_ok(c, ret->evaluation, binding, &ret->expires_ms))
        return unbound(c, err, "denial.evaluation_id is none that phi gave you for this subject, resource, action and context");
    if (!arap_time_read(phi_json_text(denial, "expires_at"), &told) || told != ret->expires_ms)
        return unbound(c, err, "denial.expires_at is not the one of the denial");
    return phi_now_wall_ms() < ret->expires_ms ? PHI_OK : api_refuse(c, err, API_ARAP_EXPIRED, "the denial's expires_at has passed");
}

/* ---- approvals */

enum phi_rc arap_state_make(struct api_call *c, struct phi_view approval, struct phi_view task, int64_t until_ms,
                            struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(text, 4096);
    struct phi_arap_key k;
    struct phi_jw w;
    PHI_TRY(phi_arap_key(c->core, &c->arena, false, &k, err));
    claims_begin(c, &w, &text, until_ms);
    phi_jw_kv(&w, "approval_id", approval);
    phi_jw_kv(&w, "task", task);
    phi_jw_end(&w);
    enum phi_rc rc = sign(c, &k, STATE_TYP, phi_buf_view(&text), ret, err);
    phi_key_done(&k.key);
    return rc;
}

bool arap_state_ok(struct api_call *c, struct phi_view token, struct phi_view approval)
{
    const struct phi_json *claims = opened(c, token, STATE_TYP);
    return claims && phi_view_eq(phi_json_text(claims, "approval_id"), approval);
}
