#include "proof/body.h"

#include <string.h>

#include "base/limits.h"
#include "proof/body_parts.h"
#include "proof/scope.h"

/* ---- members that the documents share ---- */

enum phi_rc proof_need_id(const struct phi_json *v, const char *key, struct phi_id *ret, struct phi_err *err)
{
    if (!phi_id_read(phi_json_text(v, key), ret))
        return phi_fail(err, PHI_EINPUT, "\"%s\" must be an id (UUID, lower case)", key);
    return PHI_OK;
}

enum phi_rc proof_need_hash(const struct phi_json *v, const char *key, struct phi_digest *ret, struct phi_err *err)
{
    if (!phi_digest_from_hex(phi_json_text(v, key), ret))
        return phi_fail(err, PHI_EINPUT, "\"%s\" must be 64 lower-case hex digits", key);
    return PHI_OK;
}

enum phi_rc proof_need_blob(const struct phi_json *v, const char *key, void *ret, size_t n, struct phi_err *err)
{
    PHI_BUF(b, 256);
    if (!phi_b64u_read(phi_json_text(v, key), &b) || !phi_buf_ok(&b) || b.n != n)
        return phi_fail(err, PHI_EINPUT, "\"%s\" must be %zu bytes in base64url", key, n);
    memcpy(ret, b.p, n);
    return PHI_OK;
}

enum phi_rc proof_need_v1(const struct phi_json *v, struct phi_err *err)
{
    int64_t version = 0;
    return phi_json_need_int(v, "v", 1, 1, &version, err);
}

void proof_put_hash(struct phi_jw *w, const char *key, const struct phi_digest *d)
{
    phi_jw_key(w, key);
    phi_jw_hex(w, phi_digest_view(d));
}

void proof_put_id(struct phi_jw *w, const char *key, const struct phi_id *id)
{
    phi_jw_kv(w, key, phi_id_view(id));
}

struct phi_digest phi_tagged_hash(const char *tag, struct phi_view text)
{
    struct phi_view parts[] = { phi_view_mem(tag, strlen(tag) + 1), text };
    return phi_sha256_parts(parts, 2);
}

struct phi_digest phi_text_hash(const uint8_t salt[16], struct phi_view text)
{
    static const char tag[] = "phi-body-v1";
    struct phi_view parts[] = { phi_view_mem(tag, sizeof tag), phi_view_mem(salt, 16), text };
    return phi_sha256_parts(parts, 3);
}

/* ---- reading ---- */

static enum phi_rc read_what(struct phi_arena *a, const struct phi_json *v, struct phi_body *b, struct phi_err *err)
{
    const struct phi_json *payload = phi_json_get(v, "payload"), *scope = phi_json_get(v, "scope");
    if (!payload == !scope)
        return phi_fail(err, PHI_EINPUT, "a request body has either a payload or a scope");
    PHI_TRY(phi_pairs_read(a, phi_json_get(v, "actions"), &b->actions, &b->n_actions, err));
    PHI_TRY(phi_settings_read(a, phi_json_get(v, "settings"), &b->settings, &b->n_settings, err));
    b->has_scope = scope != NULL;
    return scope ? phi_scope_read(a, scope, &b->scope, err) : phi_payload_read(a, payload, &b->payload, err);
}

static enum phi_rc read_extends(const struct phi_json *v, struct phi_body *b, struct phi_err *err)
{
    PHI_TRY(phi_json_need_str(v, "extends", &b->extends, err));
    return b->extends.n ? PHI_OK : phi_fail(err, PHI_EINPUT, "\"extends\" is an id or absent");
}

enum phi_rc phi_body_read(struct phi_arena *a, const struct phi_json *v, struct phi_body *ret, struct phi_err *err)
{
    static const char *const keys[] = { "v",       "id",       "salt",   "requester", "on_behalf", "target",  "actions", "payload",
                                        "scope",   "settings", "bounds", "why",       "ticket",    "version", "extends", NULL };
    struct phi_body b = { 0 };
    PHI_TRY(proof_obj(v, "a request body", keys, err));
    PHI_TRY(proof_need_v1(v, err));
    PHI_TRY(proof_need_id(v, "id", &b.id, err));
    PHI_TRY(proof_need_blob(v, "salt", b.salt, sizeof b.salt, err));
    PHI_TRY(phi_ref_read(phi_json_get(v, "requester"), "requester", &b.requester, err));
    PHI_TRY(phi_refs_read(a, phi_json_get(v, "on_behalf"), "on_behalf", &b.on_behalf, &b.n_on_behalf, err));
    PHI_TRY(phi_ref_read(phi_json_get(v, "target"), "target", &b.target, err));
    PHI_TRY(read_what(a, v, &b, err));
    PHI_TRY(proof_bounds_read(a, phi_json_get(v, "bounds"), &b.bounds, err));
    PHI_TRY(phi_json_need_str(v, "why", &b.why, err));
    PHI_TRY(phi_json_need_str(v, "ticket", &b.ticket, err));
    if (phi_json_get(v, "extends"))
        PHI_TRY(read_extends(v, &b, err));
    PHI_TRY(phi_json_need_int(v, "version", 1, PROOF_MAX_MS, &b.version, err));
    PHI_TRY(phi_body_check(&b, err));
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret = b;
    return PHI_OK;
}

enum phi_rc phi_body_read_text(struct phi_arena *a, struct phi_view text, struct phi_body *ret, struct phi_err *err)
{
    const struct phi_json *v = NULL;
    if (text.n > PHI_MAX_REQUEST_BODY)
        return phi_fail(err, PHI_ELIMIT, "the request body is over %d bytes", PHI_MAX_REQUEST_BODY);
    PHI_TRY(phi_json_read(a, text, PHI_JSON_STRICT, "request body", &v, err));
    return phi_body_read(a, v, ret, err);
}

/* ---- checking ---- */

static enum phi_rc check_scope_body(const struct phi_body *b, struct phi_err *err)
{
    if (b->n_actions || b->n_settings || b->payload.kind != PHI_PAYLOAD_NONE)
        return phi_fail(err, PHI_EINPUT, "a body with a scope has no payload, actions or settings");
    PHI_TRY(proof_scope_check(&b->scope, err));
    for (size_t i = 0; i < b->scope.n_resources; i++)
        if (!phi_ref_within(b->scope.resources[i], b->target))
            return phi_fail(err, PHI_EINPUT, "a resource of the scope does not lie in the target");
    return PHI_OK;
}

static enum phi_rc check_act(const struct phi_body *b, struct phi_err *err)
{
    PHI_TRY(proof_ref(b->requester, "requester", err));
    PHI_TRY(proof_ref(b->target, "target", err));
    if (b->has_scope)
        return check_scope_body(b, err);
    if (!b->n_actions)
        return phi_fail(err, PHI_EINPUT, "a body with a payload says what it does: actions must not be empty");
    PHI_TRY(proof_pairs_check(b->actions, b->n_actions, err));
    PHI_TRY(proof_settings_check(b->settings, b->n_settings, err));
    return proof_payload_check(&b->payload, err);
}

enum phi_rc phi_body_check(const struct phi_body *b, struct phi_err *err)
{
    struct phi_id id;
    if (!phi_id_read(phi_id_view(&b->id), &id))
        return phi_fail(err, PHI_EINPUT, "\"id\" must be an id (UUID, lower case)");
    PHI_TRY(proof_refs_check(b->on_behalf, b->n_on_behalf, "on_behalf", err));
    PHI_TRY(check_act(b, err));
    PHI_TRY(proof_bounds_check(&b->bounds, b->has_scope, err));
    PHI_TRY(proof_text(b->why, "why", 0, PHI_MAX_WHY, err));
    PHI_TRY(proof_text(b->ticket, "ticket", 0, PHI_MAX_NAME, err));
    if (b->extends.n && (!b->has_scope || !phi_id_read(b->extends, &id)))
        return phi_fail(err, PHI_EINPUT, "\"extends\" must be a grant's id, and only a scope has it");
    if (b->version < 1 || b->version > PROOF_MAX_MS)
        return phi_fail(err, PHI_EINPUT, "\"version\" must be at least 1");
    return PHI_OK;
}

/* ---- writing: members in the order of RFC 8785 ---- */

static void write_ref(struct phi_jw *w, const char *key, struct phi_ref r)
{
    phi_jw_key(w, key);
    phi_ref_write(w, r);
}

void phi_body_write(struct phi_buf *out, const struct phi_body *b)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_key(&w, "actions");
    phi_pairs_write(&w, b->actions, b->n_actions);
    phi_jw_key(&w, "bounds");
    proof_bounds_write(&w, &b->bounds);
    if (b->extends.n)
        phi_jw_kv(&w, "extends", b->extends);
    proof_put_id(&w, "id", &b->id);
    phi_jw_key(&w, "on_behalf");
    phi_refs_write(&w, b->on_behalf, b->n_on_behalf);
    if (!b->has_scope) {
        phi_jw_key(&w, "payload");
        phi_payload_write(&w, &b->payload);
    }
    write_ref(&w, "requester", b->requester);
    phi_jw_key(&w, "salt");
    phi_jw_b64u(&w, phi_view_mem(b->salt, sizeof b->salt));
    if (b->has_scope) {
        phi_jw_key(&w, "scope");
        phi_scope_write(&w, &b->scope);
    }
    phi_jw_key(&w, "settings");
    phi_settings_write(&w, b->settings, b->n_settings);
    write_ref(&w, "target", b->target);
    phi_jw_kv(&w, "ticket", b->ticket);
    phi_jw_ki(&w, "v", 1);
    phi_jw_ki(&w, "version", b->version);
    phi_jw_kv(&w, "why", b->why);
    phi_jw_end(&w);
}

/* ---- digests ---- */

enum phi_rc phi_body_digest(const struct phi_body *b, struct phi_digest *ret, struct phi_err *err)
{
    PHI_TRY(phi_body_check(b, err));
    PHI_BUF(out, PHI_MAX_REQUEST_BODY);
    phi_body_write(&out, b);
    if (!phi_buf_ok(&out))
        return phi_fail(err, PHI_ELIMIT, "the request body is over %d bytes", PHI_MAX_REQUEST_BODY);
    *ret = phi_tagged_hash("phi-request-v1", phi_buf_view(&out));
    return PHI_OK;
}

enum phi_rc phi_act_digest(const struct phi_body *b, struct phi_digest *ret, struct phi_err *err)
{
    if (b->has_scope || b->payload.kind == PHI_PAYLOAD_NONE)
        return phi_fail(err, PHI_EINPUT, "only a payload has an act digest");
    PHI_TRY(check_act(b, err));
    PHI_BUF(out, PHI_MAX_REQUEST_BODY);
    struct phi_jw w;
    phi_jw_init(&w, &out);
    phi_jw_obj(&w);
    phi_jw_key(&w, "actions");
    phi_pairs_write(&w, b->actions, b->n_actions);
    phi_jw_key(&w, "payload");
    phi_payload_write(&w, &b->payload);
    write_ref(&w, "requester", b->requester);
    phi_jw_key(&w, "settings");
    phi_settings_write(&w, b->settings, b->n_settings);
    write_ref(&w, "target", b->target);
    phi_jw_end(&w);
    if (!phi_buf_ok(&out))
        return phi_fail(err, PHI_ELIMIT, "the payload is too long");
    *ret = phi_tagged_hash("phi-act-v1", phi_buf_view(&out));
    return PHI_OK;
}

/* ---- for people ---- */

static void summary_item(struct phi_buf *out, size_t i, struct phi_view action, struct phi_ref resource)
{
    if (i)
        phi_buf_adds(out, ", ");
    phi_buf_add(out, action);
    phi_buf_adds(out, " on ");
    phi_ref_label(out, resource);
}

void phi_body_summary(struct phi_buf *out, const struct phi_body *b)
{
    const struct phi_scope *s = &b->scope;
    size_t all = b->has_scope ? s->n_actions * s->n_resources : b->n_actions;
    for (size_t i = 0; i < all && i < 3; i++) {
        if (b->has_scope)
            summary_item(out, i, s->actions[i / s->n_resources], s->resources[i % s->n_resources]);
        else
            summary_item(out, i, b->actions[i].action, b->actions[i].resource);
    }
    if (all > 3)
        phi_buf_printf(out, " and %zu more", all - 3);
}
