/* Gateways: adding and listing (persons), enrolment, and what a gateway itself asks. */
#include "api/handlers.h"

#include "api/ca.h"
#include "api/json_out.h"
#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "core/gateway.h"

enum phi_rc api_gateway_add(struct api_call *c, struct phi_err *err)
{
    const struct phi_view *targets;
    size_t n;
    char secret[PHI_TOKEN_LEN + 1];
    int64_t ms;
    PHI_TRY(api_body_strs(c, "targets", &targets, &n, err));
    PHI_TRY(phi_gateway_add(c->core, &c->actor, phi_json_text(c->body, "name"), targets, n, secret,
                            &ms, err));
    PHI_BUF(code, 256);
    phi_b64u_add(&code, phi_digest_view(phi_ca_fingerprint(c->env->ca)));
    phi_buf_printf(&code, ".%s", secret);
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "code", phi_buf_view(&code));
    phi_jw_ki(w, "expires_in_ms", ms);
    phi_jw_end(w);
    phi_buf_wipe(&code);
    phi_wipe(secret, sizeof(secret));
    return PHI_OK;
}

static void gateway_write(struct phi_jw *w, const struct phi_gateway *g)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "name", g->name);
    api_w_strs(w, "targets", g->targets, g->n_targets);
    phi_jw_kb(w, "enrolled", g->enrolled);
    phi_jw_ki(w, "lease_ms", g->lease_ms);
    phi_jw_key(w, "last_seen");
    if (g->last_seen_ms) {
        PHI_BUF(time, 64);
        phi_text_time(&time, g->last_seen_ms);
        phi_jw_str(w, phi_buf_view(&time));
    } else {
        phi_jw_null(w);
    }
    phi_jw_kv(w, "version", g->version);
    phi_jw_end(w);
}

enum phi_rc api_gateway_list(struct api_call *c, struct phi_err *err)
{
    struct phi_gateway *g;
    size_t n;
    struct phi_page page = { .after = api_query(c, "cursor") };
    PHI_TRY(api_query_int(c, "limit", 1, PHI_PAGE_MAX, PHI_PAGE_MAX, &page.limit, err));
    PHI_TRY(phi_gateway_list(c->core, &c->arena, &c->actor, &page, &g, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "gateways");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        gateway_write(w, &g[i]);
    phi_jw_end(w);
    if (page.next.n)
        phi_jw_kv(w, "next", page.next);
    phi_jw_end(w);
    return PHI_OK;
}

/* The code is "<CA hash>.<secret>": the hash is for the gateway, phid looks at the secret. */
static struct phi_view code_secret(struct phi_view code)
{
    struct phi_view hash, rest = code;
    return phi_view_split(&rest, '.', &hash) && rest.n ? rest : code;
}

enum phi_rc api_gw_enroll(struct api_call *c, struct phi_err *err)
{
    struct phi_digest key;
    struct phi_view name, public_key = phi_json_text(c->body, "public_key");
    PHI_BUF(pem, 64 * 1024);
    PHI_TRY(phi_ca_key_hash(public_key, &key, err));
    enum phi_rc rc = phi_gateway_enroll(
        c->core, &c->arena, code_secret(phi_json_text(c->body, "code")), &key, &name, err);
    if (rc == PHI_EAUTH)
        c->problem = API_BAD_CODE;
    PHI_TRY(rc);
    PHI_TRY(phi_ca_gateway(c->env->ca, public_key, name, c->env->gateway_cert_ms, &pem, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "name", name);
    phi_jw_kv(w, "certificate", phi_buf_view(&pem));
    phi_jw_kv(w, "ca", phi_ca_pem(c->env->ca));
    phi_jw_end(w);
    return PHI_OK;
}

/* For the key of this very connection and no other: what is signed here opens nothing that was not open. */
enum phi_rc api_gw_certificate(struct api_call *c, struct phi_err *err)
{
    struct phi_digest key;
    struct phi_view public_key = phi_json_text(c->body, "public_key");
    PHI_BUF(pem, 64 * 1024);
    PHI_TRY(phi_ca_key_hash(public_key, &key, err));
    if (!phi_digest_eq(&key, &c->key))
        return phi_fail(err, PHI_EDENIED, "a gateway renews the certificate of its own key; a new key wants a new enrolment");
    PHI_TRY(phi_gateway_certified(c->core, &c->actor, phi_now_wall_ms() + c->env->gateway_cert_ms, err));
    PHI_TRY(phi_ca_gateway(c->env->ca, public_key, c->actor.id, c->env->gateway_cert_ms, &pem, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "certificate", phi_buf_view(&pem));
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_gateway_remove(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_gateway_remove(c->core, &c->actor, c->params[0], err));
    c->status = 204;
    return PHI_OK;
}

static void snapshot_people(struct phi_jw *w, const struct phi_snapshot *s)
{
    phi_jw_key(w, "principals");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->n_people; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "id", s->people[i].id);
        phi_jw_kv(w, "name", s->people[i].name);
        api_w_strs(w, "groups", s->people[i].groups, s->people[i].n_groups);
        phi_jw_key(w, "attrs");
        phi_jw_obj(w);
        phi_jw_end(w);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void snapshot_credentials(struct phi_jw *w, const struct phi_snapshot *s)
{
    phi_jw_key(w, "credentials");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->n_credentials; i++) {
        const struct phi_snapshot_credential *k = &s->credentials[i];
        phi_jw_obj(w);
        phi_jw_kv(w, "id", k->id);
        phi_jw_kv(w, "person", k->person);
        phi_jw_kv(w, "target", k->target);
        phi_jw_kv(w, "verifier", k->verifier);
        phi_jw_ki(w, "expires_in_ms", k->expires_in_ms);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

/* What is spoken from here on: the gateway's protocol, or ours where that is older. One that says none speaks the first. */
static enum phi_rc protocol_agree(struct api_call *c, int64_t *ret, struct phi_err *err)
{
    if (c->protocol < PHI_PROTOCOL_OLDEST)
        return api_refuse(c, err, API_GATEWAY_PROTOCOL, "this gateway speaks an older protocol than phid " PHI_VERSION " knows");
    *ret = c->protocol < PHI_PROTOCOL ? c->protocol : PHI_PROTOCOL;
    return PHI_OK;
}

enum phi_rc api_gw_snapshot(struct api_call *c, struct phi_err *err)
{
    struct phi_snapshot s;
    int64_t protocol;
    PHI_TRY(protocol_agree(c, &protocol, err));
    PHI_TRY(phi_gateway_snapshot(c->core, &c->arena, &c->actor, api_query(c, "version"), &s, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "seq", s.seq);
    phi_jw_ki(w, "lease_ms", s.lease_ms);
    phi_jw_ki(w, "protocol", protocol);
    phi_jw_key(w, "bundle");
    phi_jw_obj(w);
    api_w_bundle(w, &s.bundle);
    phi_jw_end(w);
    api_w_strs(w, "targets", s.targets, s.n_targets);
    snapshot_people(w, &s);
    snapshot_credentials(w, &s);
    api_w_strs(w, "groups", s.groups, s.n_groups);
    phi_jw_kc(w, "console", c->env->origin);
    phi_jw_ki(w, "records", s.last_batch);
    phi_jw_kv(w, "checkpoint", s.checkpoint);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_gw_lease(struct api_call *c, struct phi_err *err)
{
    int64_t seq, ms;
    PHI_TRY(phi_gateway_lease(c->core, &c->actor, &seq, &ms, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "seq", seq);
    phi_jw_ki(w, "lease_ms", ms);
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc denied_read(struct api_call *c, const struct phi_json *v, struct phi_record *r, struct phi_err *err)
{
    static const char *const keys[] = { "policies", "reason", NULL };
    const struct phi_json *list = phi_json_get(v, "policies");
    if (!v)
        return PHI_OK;
    PHI_TRY(phi_json_only(v, keys, err));
    PHI_TRY(phi_json_need_str(v, "reason", &r->reason, err));
    if (!list || list->kind != PHI_JSON_ARR || list->n > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "\"policies\" is a list of at most %d ids", PHI_MAX_ACTIONS);
    struct phi_view *ids = phi_arena_array(&c->arena, list->n + 1, sizeof *ids);
    for (size_t i = 0; ids && i < list->n; i++)
        if (!phi_json_str(&list->items[i], &ids[i]))
            return phi_fail(err, PHI_EINPUT, "\"policies\" is a list of texts");
    r->denied = true;
    r->policies = ids;
    r->n_policies = ids ? list->n : 0;
    return ids ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc record_read(struct api_call *c, const struct phi_json *v, struct phi_record *r,
                               struct phi_err *err)
{
    static const char *const keys[] = { "first_ms_ago", "last_ms_ago", "count",  "principal", "target",
                                        "session",      "actions",     "bytes_hash", "bundle",    "denied", NULL };
    const struct phi_json *p = phi_json_get(v, "principal");
    PHI_TRY(phi_json_only(v, keys, err));
    PHI_TRY(phi_json_need_int(v, "first_ms_ago", 0, PHI_MAX_GRANT_MS, &r->first_ms_ago, err));
    PHI_TRY(phi_json_need_int(v, "last_ms_ago", 0, r->first_ms_ago, &r->last_ms_ago, err));
    PHI_TRY(phi_json_need_int(v, "count", 1, PHI_RECORD_MAX_COUNT, &r->count, err));
    r->principal =
        p && p->kind == PHI_JSON_OBJ ? phi_json_text(p, "id") : phi_json_text(v, "principal");
    PHI_TRY(phi_json_need_str(v, "target", &r->target, err));
    PHI_TRY(phi_json_need_str(v, "session", &r->session, err));
    PHI_TRY(phi_json_need_str(v, "bytes_hash", &r->bytes_hash, err));
    r->bundle = phi_json_text(v, "bundle");
    PHI_TRY(denied_read(c, phi_json_get(v, "denied"), r, err));
    return phi_pairs_read(&c->arena, phi_json_get(v, "actions"), &r->actions, &r->n_actions, err);
}

enum phi_rc api_gw_records(struct api_call *c, struct phi_err *err)
{
    const struct phi_json *list = phi_json_get(c->body, "records");
    int64_t batch;
    PHI_TRY(phi_json_need_int(c->body, "batch", 1, (int64_t)1 << 53, &batch, err));
    struct phi_record *r = phi_arena_array(&c->arena, list->n + 1, sizeof(*r));
    if (!r || list->n > PHI_RECORD_MAX_COUNT)
        return phi_fail(err, PHI_ELIMIT, "a batch has at most %d records", PHI_RECORD_MAX_COUNT);
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(record_read(c, &list->items[i], &r[i], err));
    PHI_TRY(phi_gateway_records(c->core, &c->actor, batch, r, list->n, err));
    phi_jw_ki(api_answer(c, 200), "batch", batch);
    phi_jw_end(&c->w);
    return PHI_OK;
}

enum phi_rc api_gw_ack(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_gateway_ack(c->core, &c->actor, phi_json_num(c->body, "seq", 0), err));
    c->status = 204;
    return PHI_OK;
}
