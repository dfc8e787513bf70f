/* The gateway's certificate is renewed for the same key when two thirds of its time are over, over the connection that it
 * still opens: an answer that gets lost is asked for again, and nobody is locked out by it. */
#include "base/json.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"
#include "proof/key.h"

enum { LOOK_MOST_MS = 3600 * 1000, LOOK_LEAST_MS = 1000, ASK_MS = 10000 }; /* a timer does not count a suspended machine */

static void look_in(struct client_link *l, int64_t ms)
{
    net_timer_set(l->cert.look, ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms < LOOK_LEAST_MS ? LOOK_LEAST_MS : ms, 0);
}

static int64_t due_in(const struct client_link *l)
{
    return l->cert.begins_ms + (l->cert.ends_ms - l->cert.begins_ms) / 3 * 2 - phi_now_wall_ms();
}

/* As often as there is time for: a twentieth of what is left between two attempts. */
static void again(struct client_link *l, const char *why)
{
    int64_t left = l->cert.ends_ms - phi_now_wall_ms();
    if (left > 0)
        PHI_LOG(WARN, "the certificate is not renewed", "why", "%s", why);
    else
        PHI_LOG(ERROR, "the certificate has ended: enroll this gateway again", "why", "%s", why);
    look_in(l, left > 0 ? left / 20 : 60000);
}

static enum phi_rc take(struct client_link *l, const struct phi_json *got, struct phi_err *err)
{
    struct client_identity id;
    struct phi_view cert;
    PHI_TRY(phi_json_need_str(got, "certificate", &cert, err));
    PHI_TRY(client_identity_load(l->state_dir, &id, err));
    enum phi_rc rc = client_identity_renew(l->state_dir, &id, cert, err);
    struct client_opts o = { .ca_pem = phi_buf_view(&id.ca_pem), .cert_pem = phi_buf_view(&id.cert_pem), .key_pem = phi_buf_view(&id.key_pem) };
    if (rc == PHI_OK)
        rc = link_nodes_credentials(l, &o, err);
    if (rc == PHI_OK) {
        l->cert.begins_ms = id.certificate_begins_ms;
        l->cert.ends_ms = id.certificate_ends_ms;
    }
    client_identity_done(&id);
    return rc;
}

static void on_renewed(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct phi_err err = { 0 };
    l->cert.call = NULL;
    if (r->rc != PHI_OK) {
        again(l, r->err.msg);
        return;
    }
    if (take(l, r->json, &err) != PHI_OK) {
        again(l, err.msg);
        return;
    }
    PHI_LOG(INFO, "the certificate is renewed", NULL, "%s", "");
    look_in(l, due_in(l));
}

static enum phi_rc public_key(struct client_link *l, struct phi_buf *ret, struct phi_err *err)
{
    struct client_identity id;
    struct phi_key key;
    PHI_TRY(client_identity_load(l->state_dir, &id, err));
    enum phi_rc rc = phi_key_from_pem(phi_buf_view(&id.key_pem), &key, err);
    if (rc == PHI_OK) {
        rc = phi_pubkey_pem(&key.pub, ret, err);
        phi_key_done(&key);
    }
    client_identity_done(&id);
    return rc;
}

static void on_look(void *ctx)
{
    struct client_link *l = ctx;
    struct phi_err err = { 0 };
    struct phi_jw w;
    PHI_BUF(pem, 4096);
    PHI_BUF(body, 8192);
    if (due_in(l) > 0) {
        look_in(l, due_in(l));
        return;
    }
    if (!l->snapshot || client_snapshot_protocol(l->snapshot) < PHI_PROTOCOL_CERTIFICATES) {
        again(l, "phid has not answered yet, or is of a release that renews none");
        return;
    }
    if (public_key(l, &pem, &err) != PHI_OK) {
        again(l, err.msg);
        return;
    }
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "public_key", phi_buf_view(&pem));
    phi_jw_end(&w);
    l->cert.call = client_send(l->api, "POST", "/v1/gateway/certificate", phi_buf_view(&body), link_patience(l, ASK_MS), on_renewed, l, &err);
    if (!l->cert.call)
        again(l, err.msg);
}

enum phi_rc link_cert_open(struct client_link *l, const struct client_identity *id, struct phi_err *err)
{
    l->cert.begins_ms = id->certificate_begins_ms;
    l->cert.ends_ms = id->certificate_ends_ms;
    l->cert.look = net_timer_open(l->loop, on_look, l);
    if (!l->cert.look)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    look_in(l, due_in(l));
    return PHI_OK;
}

void link_cert_close(struct client_link *l)
{
    net_timer_close(l->cert.look); /* the call goes with its client */
}
