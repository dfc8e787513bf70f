/* Passkeys: registering, listing, removing; signing in with one. Options and answers as the JSON forms of WebAuthn
 * Level 3 have them, bytes in base64url. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "api/passkey.h"
#include "base/limits.h"

enum phi_rc api_passkey_rp(struct api_call *c, struct phi_webauthn_rp *ret, struct phi_err *err)
{
    ret->origin = phi_view_of(c->env->origin);
    ret->id = phi_webauthn_rp_id(ret->origin);
    if (ret->id.n)
        return PHI_OK;
    c->problem = API_PASSKEY_HERE;
    return phi_fail(err, PHI_ECONFLICT, "passkeys need https under a name, or http://localhost; this is %s", c->env->origin);
}

static enum phi_rc bytes(struct api_call *c, const struct phi_json *v, const char *key, size_t max, struct phi_view *ret,
                         struct phi_err *err)
{
    PHI_BUF(b, 64 * 1024);
    if (!phi_b64u_read(phi_json_text(v, key), &b) || !phi_buf_ok(&b) || phi_buf_view(&b).n > max)
        return phi_fail(err, PHI_EINPUT, "\"%s\" must be base64url of at most %zu bytes", key, max);
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&b));
    return phi_arena_ok(&c->arena) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

enum phi_rc api_passkey_answer(struct api_call *c, const struct phi_json *v, const char *auth,
                               struct phi_webauthn_answer *ret, struct phi_view *ret_id, struct phi_err *err)
{
    *ret = (struct phi_webauthn_answer){ 0 };
    PHI_TRY(bytes(c, v, "client", 16 * 1024, &ret->client, err));
    PHI_TRY(bytes(c, v, auth, 32 * 1024, &ret->auth, err));
    if (!ret_id)
        return PHI_OK;
    PHI_TRY(bytes(c, v, "sig", 1024, &ret->sig, err));
    return bytes(c, v, "id", PHI_PASSKEY_ID_MAX, ret_id, err);
}

static void b64u_member(struct phi_jw *w, const char *key, struct phi_view v)
{
    phi_jw_key(w, key);
    phi_jw_b64u(w, v);
}

static void descriptors_write(struct phi_jw *w, const char *key, const struct phi_passkey_view *keys, size_t n)
{
    phi_jw_key(w, key);
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kc(w, "type", "public-key");
        b64u_member(w, "id", keys[i].id);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

void api_w_passkey_get(struct phi_jw *w, const struct phi_webauthn_rp *rp, struct phi_view challenge,
                       const struct phi_passkey_view *keys, size_t n)
{
    phi_jw_key(w, "publicKey");
    phi_jw_obj(w);
    b64u_member(w, "challenge", challenge);
    phi_jw_kv(w, "rpId", rp->id);
    descriptors_write(w, "allowCredentials", keys, n);
    phi_jw_kc(w, "userVerification", "required");
    phi_jw_ki(w, "timeout", PHI_CHALLENGE_MS);
    phi_jw_end(w);
}

static void passkey_write(struct phi_jw *w, const struct phi_passkey_view *k)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "id", k->uid);
    phi_jw_kv(w, "name", k->name);
    api_w_time(w, "created_at", k->created_ms);
    if (k->used_ms)
        api_w_time(w, "used_at", k->used_ms);
    phi_jw_end(w);
}

enum phi_rc api_passkey_list(struct api_call *c, struct phi_err *err)
{
    struct phi_passkey_view *keys;
    size_t n;
    PHI_TRY(phi_passkey_list(c->core, &c->arena, c->person.id, &keys, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "passkeys");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        passkey_write(w, &keys[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

static void user_write(struct phi_jw *w, const struct phi_person *p)
{
    struct phi_digest handle = phi_sha256(p->id); /* 32 bytes that say nothing of the person (§14.6.1) */
    phi_jw_key(w, "user");
    phi_jw_obj(w);
    b64u_member(w, "id", phi_digest_view(&handle));
    phi_jw_kv(w, "name", p->name);
    phi_jw_kv(w, "displayName", p->name);
    phi_jw_end(w);
}

static void algorithms_write(struct phi_jw *w)
{
    static const int algs[] = { -8, -7, -257 };
    phi_jw_key(w, "pubKeyCredParams");
    phi_jw_arr(w);
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        phi_jw_obj(w);
        phi_jw_kc(w, "type", "public-key");
        phi_jw_ki(w, "alg", algs[i]);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void selection_write(struct phi_jw *w)
{
    phi_jw_key(w, "authenticatorSelection");
    phi_jw_obj(w);
    phi_jw_kc(w, "residentKey", "required");
    phi_jw_kb(w, "requireResidentKey", true);
    phi_jw_kc(w, "userVerification", "required");
    phi_jw_end(w);
}

enum phi_rc api_passkey_options(struct api_call *c, struct phi_err *err)
{
    struct phi_webauthn_rp rp;
    struct phi_passkey_view *keys;
    uint8_t challenge[PHI_CHALLENGE_LEN];
    size_t n;
    PHI_TRY(api_passkey_rp(c, &rp, err));
    PHI_TRY(phi_passkey_may_change(c->core, &c->actor, c->session.strong_ms, c->session.created_ms, err));
    PHI_TRY(phi_passkey_list(c->core, &c->arena, c->person.id, &keys, &n, err));
    PHI_TRY(phi_passkey_begin(c->core, PHI_PASSKEY_ADD, c->person.id, challenge, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "publicKey");
    phi_jw_obj(w);
    b64u_member(w, "challenge", phi_view_mem(challenge, sizeof(challenge)));
    phi_jw_key(w, "rp");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", rp.id);
    phi_jw_kc(w, "name", "phi (just-in-time approval)");
    phi_jw_end(w);
    user_write(w, &c->person);
    algorithms_write(w);
    descriptors_write(w, "excludeCredentials", keys, n);
    selection_write(w);
    phi_jw_kc(w, "attestation", "none");
    phi_jw_ki(w, "timeout", PHI_CHALLENGE_MS);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_passkey_add(struct api_call *c, struct phi_err *err)
{
    struct phi_webauthn_rp rp;
    struct phi_webauthn_answer got;
    struct phi_passkey_view made;
    PHI_TRY(api_passkey_rp(c, &rp, err));
    PHI_TRY(api_passkey_answer(c, c->body, "attestation", &got, NULL, err));
    PHI_TRY(phi_passkey_may_change(c->core, &c->actor, c->session.strong_ms, c->session.created_ms, err));
    PHI_TRY(phi_passkey_add(c->core, &c->arena, &c->actor, phi_json_text(c->body, "name"), &rp, &got, &made, err));
    PHI_TRY(phi_session_strong(c->core, c->token, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_key(w, "passkey");
    passkey_write(w, &made);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_passkey_remove(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_passkey_may_change(c->core, &c->actor, c->session.strong_ms, c->session.created_ms, err));
    PHI_TRY(phi_passkey_remove(c->core, &c->actor, c->params[0], err));
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_passkey_login_options(struct api_call *c, struct phi_err *err)
{
    struct phi_webauthn_rp rp;
    uint8_t challenge[PHI_CHALLENGE_LEN];
    PHI_TRY(api_passkey_rp(c, &rp, err));
    PHI_TRY(phi_passkey_begin(c->core, PHI_PASSKEY_SIGN_IN, (struct phi_view){ 0 }, challenge, err));
    struct phi_jw *w = api_answer(c, 200);
    api_w_passkey_get(w, &rp, phi_view_mem(challenge, sizeof(challenge)), NULL, 0);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_passkey_login(struct api_call *c, struct phi_err *err)
{
    char token[PHI_TOKEN_LEN + 1];
    struct phi_webauthn_rp rp;
    struct phi_webauthn_answer got;
    struct phi_session_how how = { .kind = PHI_LIT("web"), .note = c->agent, .address = phi_view_of(c->peer) };
    struct phi_view id, person;
    PHI_TRY(api_passkey_rp(c, &rp, err));
    PHI_TRY(api_passkey_answer(c, c->body, "auth", &got, &id, err));
    PHI_TRY(phi_passkey_sign_in(c->core, &c->arena, id, &rp, &got, &person, err));
    PHI_TRY(phi_session_begin(c->core, &c->arena, person, &how, token, &c->session, err));
    enum phi_rc rc = phi_session_strong(c->core, phi_view_of(token), err);
    if (rc == PHI_OK)
        api_cookie_set(c, token, c->session.expires_in_ms);
    phi_wipe(token, sizeof(token));
    PHI_TRY(rc);
    PHI_TRY(phi_person_get(c->core, &c->arena, person, &c->person, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_key(w, "person");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", c->person.id);
    phi_jw_kv(w, "name", c->person.name);
    phi_jw_end(w);
    phi_jw_ki(w, "expires_in_ms", c->session.expires_in_ms);
    phi_jw_end(w);
    return PHI_OK;
}
