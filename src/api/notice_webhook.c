/* Webhooks by the Standard Webhooks specification 1.0 (standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
 * webhook-id, webhook-timestamp, webhook-signature with v1 (HMAC-SHA256) and v1a (Ed25519). A command reads the same JSON. */
#include <string.h>

#include "api/notice.h"
#include "base/text.h"
#include "proof/key.h"

#define BODY_MAX (512u * 1024)

static void statement_write(struct phi_arena *a, struct phi_jw *w, const struct api_notice_env *env, const struct phi_message *m)
{
    struct notice_text t;
    notice_text(a, env, m, true, &t);
    if (t.whole)
        phi_jw_kv(w, "statement", t.statement);
}

static void request_write(struct phi_jw *w, const struct api_notice_env *env, const struct phi_message *m, bool show)
{
    const struct phi_request *r = m->request;
    PHI_ARENA(a, (size_t)2 << 20);
    phi_jw_kv(w, "id", r->id);
    phi_jw_kv(w, "code", r->code);
    phi_jw_ki(w, "version", r->version);
    phi_jw_kv(w, "digest", r->digest);
    phi_jw_key(w, "requester");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", r->requester.id);
    phi_jw_kv(w, "name", r->requester_name);
    phi_jw_end(w);
    phi_jw_kv(w, "target", r->target);
    phi_jw_kv(w, "summary", r->summary);
    phi_jw_kv(w, "why", r->why);
    phi_jw_kv(w, "ticket", r->ticket);
    phi_jw_kb(w, "break_glass", r->break_glass);
    if (phi_view_is(m->what, "request.denied")) {
        phi_jw_kv(w, "denied_by", r->denied_by);
        phi_jw_kv(w, "reason", r->reason);
    }
    if (show)
        statement_write(&a, w, env, m);
    phi_jw_kv(w, "link", phi_arena_printf(&a, "%s/r/" PHI_FMT, env->origin, PHI_ARG(r->code)));
}

void notice_event_json(struct phi_buf *out, const struct api_notice_env *env, const struct phi_message *m, bool show)
{
    struct phi_jw w;
    PHI_BUF(at, 64);
    phi_text_time(&at, m->created_ms);
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "type", m->what);
    phi_jw_kv(&w, "timestamp", phi_buf_view(&at));
    phi_jw_key(&w, "data");
    phi_jw_obj(&w);
    if (m->request)
        request_write(&w, env, m, show);
    phi_jw_end(&w);
    phi_jw_end(&w);
}

/* ---- signing */

/* base64 behind its prefix; padding may be missing where somebody cut it off. */
static bool secret_read(struct phi_view text, const char *prefix, struct phi_buf *ret)
{
    PHI_BUF(padded, API_SECRET_LEN + 4);
    if (phi_view_starts(text, phi_view_of(prefix)))
        text = phi_view_from(text, strlen(prefix));
    phi_buf_add(&padded, text);
    while (padded.n % 4)
        phi_buf_adds(&padded, "=");
    bool ok = phi_b64_read(phi_buf_view(&padded), ret);
    phi_buf_wipe(&padded);
    return ok;
}

static enum phi_rc sign_v1(struct phi_buf *out, struct phi_view text, struct phi_view secret, struct phi_err *err)
{
    PHI_BUF(key, API_SECRET_LEN);
    bool ok = secret_read(secret, "whsec_", &key) && key.n >= 24 && key.n <= 64;
    struct phi_digest mac = phi_hmac_sha256(phi_buf_view(&key), text);
    phi_buf_wipe(&key);
    if (!ok)
        return phi_fail(err, PHI_EINPUT, "the webhook's secret must be whsec_ and 24 to 64 bytes in base64");
    phi_buf_adds(out, "v1,");
    phi_b64_add(out, phi_digest_view(&mac));
    return PHI_OK;
}

static enum phi_rc sign_v1a(struct phi_buf *out, struct phi_view text, struct phi_view secret, struct phi_err *err)
{
    PHI_BUF(seed, API_SECRET_LEN);
    struct phi_key key = { 0 };
    struct phi_sig sig;
    enum phi_rc rc = PHI_EINPUT;
    if (secret_read(secret, "whsk_", &seed) && (seed.n == 32 || seed.n == 64) &&
        phi_key_from_seed(seed.p, &key, NULL) == PHI_OK &&
        (seed.n == 32 || phi_view_eq(phi_view_mem(key.pub.b, 32), phi_view_mem(seed.p + 32, 32))))
        rc = phi_key_sign(&key, text, &sig, NULL);
    phi_buf_wipe(&seed);
    phi_key_done(&key);
    if (rc != PHI_OK)
        return phi_fail(err, PHI_EINPUT, "the webhook's key must be whsk_ and an Ed25519 seed (32 bytes, or 64 with the public key) in base64");
    phi_buf_adds(out, out->n ? " v1a," : "v1a,");
    phi_b64_add(out, phi_view_mem(sig.b, sizeof sig.b));
    return PHI_OK;
}

enum phi_rc notice_sign(struct phi_buf *out, struct phi_view id, struct phi_view timestamp, struct phi_view body,
                        struct phi_view secret, struct phi_view key, struct phi_err *err)
{
    PHI_BUF(text, BODY_MAX + 256);
    phi_buf_add(&text, id);
    phi_buf_adds(&text, ".");
    phi_buf_add(&text, timestamp);
    phi_buf_adds(&text, ".");
    phi_buf_add(&text, body);
    if (!phi_buf_ok(&text))
        return phi_fail(err, PHI_EINPUT, "the message is too large");
    if (secret.n)
        PHI_TRY(sign_v1(out, phi_buf_view(&text), secret, err));
    if (key.n)
        PHI_TRY(sign_v1a(out, phi_buf_view(&text), key, err));
    return PHI_OK;
}

static enum phi_rc signatures(struct phi_arena *a, const struct api_notice_env *env, const struct phi_json *settings,
                              struct phi_view id, struct phi_view at, struct phi_view body, const char **ret,
                              struct phi_err *err)
{
    PHI_BUF(sig, 512);
    struct phi_view secret = { 0 }, key = { 0 }, name;
    name = phi_json_text(settings, "secret");
    if (name.n)
        PHI_TRY(notice_secret(a, env, name, &secret, err));
    name = phi_json_text(settings, "key");
    if (name.n)
        PHI_TRY(notice_secret(a, env, name, &key, err));
    PHI_TRY(notice_sign(&sig, id, at, body, secret, key, err));
    *ret = (const char *)notice_z(a, &sig).p;
    return PHI_OK;
}

static bool shows(const struct phi_json *settings)
{
    return phi_view_is(phi_json_text(settings, "show"), "statement");
}

static void field_add(struct api_notice *n, const char *name, const char *value)
{
    n->fields[n->ask.n_fields++] = (struct net_http_field){ name, value };
}

/* To the channel's address, signed. */
static enum phi_rc post(struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m, const struct phi_json *settings,
                        const struct phi_buf *body, struct api_notice *ret, struct phi_err *err)
{
    if (!phi_buf_ok(body))
        return phi_fail(err, PHI_EINPUT, "the message is too large");
    ret->way = API_NOTICE_FETCH;
    ret->ask = (struct net_fetch_ask){ .url = phi_arena_str(a, phi_json_text(settings, "url")),
                                       .method = "POST",
                                       .fields = ret->fields,
                                       .body = notice_z(a, body) };
    struct phi_view at = phi_arena_printf(a, "%lld", (long long)(env->now_ms / 1000));
    const char *sig = "";
    PHI_TRY(signatures(a, env, settings, m->id, at, ret->ask.body, &sig, err));
    field_add(ret, "Content-Type", "application/json");
    field_add(ret, "User-Agent", "phi-approval");
    field_add(ret, "webhook-id", phi_arena_str(a, m->id));
    field_add(ret, "webhook-timestamp", phi_arena_str(a, at));
    if (sig[0])
        field_add(ret, "webhook-signature", sig);
    return PHI_OK;
}

NOTICE_MAKER(webhook)
{
    PHI_BUF(body, BODY_MAX);
    notice_event_json(&body, env, m, shows(settings));
    return post(a, env, m, settings, &body, ret, err);
}

/* ARAP's callback: how the task ended, without a result, so whoever gets it asks the status endpoint before anything else. */
static void task_json(struct phi_buf *out, struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m)
{
    struct phi_view status = m->note, task;
    struct phi_jw w;
    phi_view_split(&status, ' ', &task);
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    if (m->state.n)
        phi_jw_kv(&w, "state", m->state);
    phi_jw_key(&w, "task");
    phi_jw_obj(&w);
    phi_jw_kv(&w, "id", task);
    phi_jw_kv(&w, "status", status);
    phi_jw_kv(&w, "status_endpoint", phi_arena_printf(a, "%s/access/v1/requests/" PHI_FMT, env->origin, PHI_ARG(task)));
    phi_jw_end(&w);
    phi_jw_end(&w);
}

static enum phi_rc bearer(struct phi_arena *a, const struct api_notice_env *env, struct phi_view name, const char **ret, struct phi_err *err)
{
    struct phi_view token;
    PHI_TRY(notice_secret(a, env, name, &token, err));
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] <= 0x20 || token.p[i] >= 0x7f)
            return phi_fail(err, PHI_EINPUT, "the callback's token holds what no header may");
    *ret = phi_arena_str(a, phi_arena_printf(a, "Bearer " PHI_FMT, PHI_ARG(token)));
    return PHI_OK;
}

NOTICE_MAKER(callback)
{
    PHI_BUF(body, 16 * 1024);
    struct phi_view token = phi_json_text(settings, "token");
    const char *value = "";
    task_json(&body, a, env, m);
    PHI_TRY(post(a, env, m, settings, &body, ret, err));
    if (!token.n)
        return PHI_OK;
    PHI_TRY(bearer(a, env, token, &value, err));
    field_add(ret, "Authorization", value);
    return PHI_OK;
}

NOTICE_MAKER(command)
{
    PHI_BUF(body, 60 * 1024);
    notice_event_json(&body, env, m, shows(settings));
    phi_buf_adds(&body, "\n");
    if (!phi_buf_ok(&body))
        return phi_fail(err, PHI_EINPUT, "the message is too large");
    ret->way = API_NOTICE_COMMAND;
    ret->command = phi_arena_str(a, phi_json_text(settings, "command"));
    ret->input = notice_z(a, &body);
    return PHI_OK;
}
