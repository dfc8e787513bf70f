#include "client/enroll.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "client/api.h"
#include "proof/key.h"

enum { PEM_MAX = 64 * 1024 };

static enum phi_rc path_of(const char *dir, const char *file, char ret[4096], struct phi_err *err)
{
    if (snprintf(ret, 4096, "%s/%s", dir, file) >= 4096)
        return phi_fail(err, PHI_EINPUT, "the state folder's name is too long");
    return PHI_OK;
}

/* "<CA's SHA-256, b64u>.<secret>" */
static enum phi_rc code_read(const char *code, struct phi_digest *pin, struct phi_err *err)
{
    struct phi_view rest = phi_view_of(code), hash;
    PHI_BUF(b, PHI_SHA256_LEN);
    if (!phi_view_split(&rest, '.', &hash) || !rest.n || !phi_b64u_read(hash, &b) || b.n != PHI_SHA256_LEN ||
        !phi_buf_ok(&b))
        return phi_fail(err, PHI_EINPUT, "this is no enrolment code: ask for one with `phi gateway add`");
    memcpy(pin->b, b.p, PHI_SHA256_LEN);
    return PHI_OK;
}

static enum phi_rc ask(struct net_loop *loop, const char *url, const char *code, const struct phi_digest *pin,
                       struct phi_view public_pem, struct phi_arena *a, const struct phi_json **ret, struct phi_err *err)
{
    struct client_opts o = { .url = url, .ca_pin = pin };
    struct client *c;
    struct client_reply r;
    struct client_url at;
    PHI_TRY(client_url_read(url, false, &at, err));
    if (!at.tls)
        return phi_fail(err, PHI_EINPUT, "gateways enrol over https:// only");
    PHI_TRY(client_open(loop, &o, &c, err));
    PHI_BUF(body, PEM_MAX);
    struct phi_jw w;
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "code", code);
    phi_jw_kv(&w, "public_key", public_pem);
    phi_jw_end(&w);
    enum phi_rc rc = client_call_wait(c, a, "POST", "/v1/gateways/enroll", phi_buf_view(&body), &r, err);
    phi_buf_wipe(&body);
    client_close(c);
    *ret = r.json;
    return rc;
}

/* What phid sent must fit together: its CA is the pinned one, the certificate is for our key and from that CA. */
static enum phi_rc check(const struct phi_json *got, const struct phi_digest *pin, struct phi_view key_pem,
                         struct phi_err *err)
{
    struct phi_view cert, ca, name;
    struct net_peer_cert ca_is, cert_is;
    struct net_tls *tls;
    PHI_TRY(phi_json_need_str(got, "certificate", &cert, err));
    PHI_TRY(phi_json_need_str(got, "ca", &ca, err));
    PHI_TRY(phi_json_need_str(got, "name", &name, err));
    PHI_TRY(net_cert_read(ca, &ca_is, err));
    PHI_TRY(net_cert_read(cert, &cert_is, err));
    if (!phi_digest_eq(&ca_is.sha256, pin))
        return phi_fail(err, PHI_EDENIED, "phid sent another CA than the code names");
    if (!phi_view_is(name, cert_is.name))
        return phi_fail(err, PHI_EDENIED, "phid sent a certificate for another gateway");
    struct net_tls_client_opts o = { .ca_pem = ca, .cert_pem = cert, .key_pem = key_pem, .any_name = true };
    PHI_TRY(net_tls_client_open(&o, &tls, err)); /* the key is the certificate's */
    net_tls_close(tls);
    return PHI_OK;
}

static enum phi_rc store(const char *dir, const struct phi_json *got, struct phi_view key_pem, struct phi_err *err)
{
    char path[4096];
    PHI_TRY(path_of(dir, "key.pem", path, err));
    PHI_TRY(phi_file_write(path, key_pem, 0600, err));
    PHI_TRY(path_of(dir, "ca.pem", path, err));
    PHI_TRY(phi_file_write(path, phi_json_text(got, "ca"), 0600, err));
    PHI_TRY(path_of(dir, "cert.pem", path, err));
    PHI_TRY(phi_file_write(path, phi_json_text(got, "certificate"), 0600, err));
    PHI_TRY(path_of(dir, "log.key", path, err)); /* another phid has another log */
    PHI_TRY(phi_file_write(path, (struct phi_view){ 0 }, 0600, err));
    PHI_TRY(path_of(dir, "checkpoint", path, err));
    return phi_file_write(path, (struct phi_view){ 0 }, 0600, err);
}

static enum phi_rc enroll_with(struct net_loop *loop, const char *url, const char *code, const char *dir,
                               const struct phi_key *key, struct phi_err *err)
{
    struct phi_digest pin;
    const struct phi_json *got = NULL;
    PHI_ARENA(a, 1024 * 1024);
    PHI_BUF(key_pem, PEM_MAX);
    PHI_BUF(public_pem, PEM_MAX);
    PHI_TRY(code_read(code, &pin, err));
    PHI_TRY(phi_key_pem(key, &key_pem, err));
    enum phi_rc rc = phi_pubkey_pem(&key->pub, &public_pem, err);
    if (rc == PHI_OK)
        rc = ask(loop, url, code, &pin, phi_buf_view(&public_pem), &a, &got, err);
    if (rc == PHI_OK)
        rc = check(got, &pin, phi_buf_view(&key_pem), err);
    if (rc == PHI_OK)
        rc = store(dir, got, phi_buf_view(&key_pem), err);
    phi_buf_wipe(&key_pem);
    return rc;
}

enum phi_rc client_enroll(struct net_loop *loop, const char *url, const char *code, const char *state_dir, bool again,
                          struct phi_err *err)
{
    struct client_identity old;
    struct phi_key key;
    if (!again && client_identity_load(state_dir, &old, NULL) == PHI_OK) {
        client_identity_done(&old);
        return phi_fail(err, PHI_ECONFLICT, "%s already holds an enrolment", state_dir);
    }
    PHI_TRY(phi_dir_make(state_dir, 0700, err));
    PHI_TRY(phi_key_make(&key, err));
    enum phi_rc rc = enroll_with(loop, url, code, state_dir, &key, err);
    phi_key_done(&key);
    return rc;
}

static enum phi_rc load(const char *dir, struct client_identity *id, struct phi_err *err)
{
    char path[4096];
    struct net_peer_cert cert;
    struct phi_err why;
    PHI_TRY(path_of(dir, "cert.pem", path, err));
    if (phi_file_read(path, PEM_MAX, &id->cert_pem, &why) != PHI_OK)
        return phi_fail(err, PHI_ENOTFOUND, "%s holds no enrolment: run phi-gateway enroll CODE", dir);
    PHI_TRY(path_of(dir, "ca.pem", path, err));
    PHI_TRY(phi_file_read(path, PEM_MAX, &id->ca_pem, err));
    PHI_TRY(path_of(dir, "key.pem", path, err));
    PHI_TRY(phi_file_read_secret(path, PEM_MAX, &id->key_pem, err));
    PHI_TRY(net_cert_read(phi_buf_view(&id->cert_pem), &cert, err));
    memcpy(id->name, cert.name, sizeof id->name);
    id->certificate_begins_ms = cert.begins_ms;
    id->certificate_ends_ms = cert.ends_ms;
    return PHI_OK;
}

enum phi_rc client_identity_load(const char *state_dir, struct client_identity *ret, struct phi_err *err)
{
    phi_buf_init(&ret->key_pem, PEM_MAX);
    phi_buf_init(&ret->cert_pem, PEM_MAX);
    phi_buf_init(&ret->ca_pem, PEM_MAX);
    ret->name[0] = 0;
    enum phi_rc rc = load(state_dir, ret, err);
    if (rc != PHI_OK)
        client_identity_done(ret);
    return rc;
}

enum phi_rc client_identity_renew(const char *state_dir, struct client_identity *id, struct phi_view cert_pem, struct phi_err *err)
{
    char path[4096];
    struct net_peer_cert cert;
    struct net_tls *tls;
    PHI_TRY(path_of(state_dir, "cert.pem", path, err));
    PHI_TRY(net_cert_read(cert_pem, &cert, err));
    if (strcmp(cert.name, id->name) != 0 || cert.ends_ms <= id->certificate_ends_ms || cert_pem.n > PEM_MAX)
        return phi_fail(err, PHI_EDENIED, "phid sent a certificate for another gateway, or one that ends no later");
    struct net_tls_client_opts o = { .ca_pem = phi_buf_view(&id->ca_pem), .cert_pem = cert_pem, .key_pem = phi_buf_view(&id->key_pem), .any_name = true };
    PHI_TRY(net_tls_client_open(&o, &tls, err)); /* the key is the certificate's */
    net_tls_close(tls);
    PHI_TRY(phi_file_write(path, cert_pem, 0600, err));
    phi_buf_clear(&id->cert_pem);
    phi_buf_add(&id->cert_pem, cert_pem);
    id->certificate_begins_ms = cert.begins_ms;
    id->certificate_ends_ms = cert.ends_ms;
    return PHI_OK;
}

void client_identity_done(struct client_identity *id)
{
    phi_buf_wipe(&id->key_pem);
    phi_buf_done(&id->key_pem);
    phi_buf_done(&id->cert_pem);
    phi_buf_done(&id->ca_pem);
}
