/* A phid for the tests of this room: real TLS, real HTTP, answers as docs/api.md says, and faults on demand. */
#ifndef CLIENT_TEST_PHID_H
#define CLIENT_TEST_PHID_H

#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/os.h"
#include "net/http.h"
#include "net/test_pki.h"
#include "policy/policy.h"
#include "proof/note.h"

#ifndef PHI_SOURCE_ROOT
#define PHI_SOURCE_ROOT "."
#endif
#define PHID_LEAVES 200

struct phid {
    struct net_loop *loop;
    struct net_http_server *srv;
    struct net_timer *guard, *late;
    struct test_pki pki;
    struct phi_buf cert, key;
    char url[64], code[200], dir[200];
    int port;
    struct net_sse *sse;
    /* the log */
    struct phi_key log_key;
    struct phi_digest leaf[PHID_LEAVES];
    uint64_t size;
    /* what was asked */
    int n_snapshot, n_lease, n_claim, n_request, n_outcome, n_leave, n_ack, n_records, n_streams, n_status, n_head;
    int n_ahead, n_withdrawn; /* claims that were filed before the approval; withdrawals of them */
    char ahead_key[64], withdrawn_key[64];
    char claim_key[8][64], outcomes[1024], last_body[4096], peer[129];
    int64_t batches[64];
    int records_seen, record_groups, denials_seen; /* statements; records; denied statements */
    char first_hash[65];             /* of the first record of the last batch */
    /* faults */
    int drop_claims;         /* so many claims are done, and their answers lost */
    int fail_outcomes;       /* so many outcomes are answered with 503 */
    int fail_withdrawals;    /* the same */
    bool hold_filings;       /* their answers wait for phid_answer_held */
    bool drop_records, mute, refuse_claims, wrong_ca, too_old, wrong_bundle, lie_consistency;
    int protocol; /* 0: the oldest */
    int64_t lease_ms, seq, remaining_ms, last_batch;
    const char *answer, *status;
    struct net_http_req *held[16];
    int n_held;
};

static inline struct phi_digest phid_range(const struct phid *p, uint64_t begin, uint64_t end)
{
    if (end - begin == 1)
        return p->leaf[begin];
    uint64_t k = 1;
    while (k * 2 < end - begin)
        k *= 2;
    struct phi_digest l = phid_range(p, begin, begin + k), r = phid_range(p, begin + k, end);
    return phi_node_hash(&l, &r);
}

static inline enum phi_rc phid_node(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    *ret = phid_range(ctx, index << level, (index + 1) << level);
    return PHI_OK;
}

static inline void phid_append(struct phid *p, const char *entry)
{
    p->leaf[p->size++] = phi_leaf_hash(phi_view_of(entry));
}

static inline void phid_note(struct phid *p, struct phi_buf *b)
{
    if (!p->size)
        return;
    struct phi_checkpoint c = { .origin = PHI_LIT("phi.test/log"), .size = p->size, .root = phid_range(p, 0, p->size) };
    phi_checkpoint_sign(b, &c, &p->log_key, NULL);
}

static inline void phid_text(const char *path, struct phi_buf *b)
{
    phi_buf_init(b, 1 << 20);
    char full[512];
    snprintf(full, sizeof full, "%s/src/policy/starter/%s", PHI_SOURCE_ROOT, path);
    if (phi_file_read(full, 1 << 20, b, NULL) != PHI_OK)
        abort();
}

static inline void phid_bundle(struct phid *p, struct phi_jw *w)
{
    struct phi_buf s, c, r;
    char hex[PHI_HEX_LEN + 1];
    phid_text("schema.cedarschema", &s);
    phid_text("policies.cedar", &c);
    phid_text("requirements.yaml", &r);
    struct phi_bundle_text t = { .schema = phi_buf_view(&s), .policies = phi_buf_view(&c), .requirements = phi_buf_view(&r) };
    struct phi_digest d = phi_bundle_text_hash(&t);
    if (p->wrong_bundle)
        d.b[0] ^= 1;
    phi_digest_hex(&d, hex);
    phi_jw_key(w, "bundle");
    phi_jw_obj(w);
    phi_jw_kc(w, "hash", hex);
    phi_jw_ki(w, "version", 3);
    phi_jw_kv(w, "schema", t.schema);
    phi_jw_kv(w, "policies", t.policies);
    phi_jw_kv(w, "requirements", t.requirements);
    phi_jw_end(w);
    phi_buf_done(&s);
    phi_buf_done(&c);
    phi_buf_done(&r);
}

static inline void phid_snapshot(struct phid *p, struct phi_buf *b)
{
    struct phi_jw w;
    PHI_BUF(note, PHI_NOTE_MAX);
    phid_note(p, &note);
    phi_jw_init(&w, b);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "seq", p->seq);
    phi_jw_ki(&w, "lease_ms", p->lease_ms);
    if (p->too_old)
        phi_jw_ki(&w, "protocol", PHI_PROTOCOL_OLDEST - 1);
    else if (p->protocol)
        phi_jw_ki(&w, "protocol", p->protocol);
    phid_bundle(p, &w);
    phi_jw_key(&w, "targets");
    phi_jw_raw(&w, PHI_LIT("[\"shop\"]"));
    phi_jw_key(&w, "principals");
    phi_jw_raw(&w, PHI_LIT("[{\"id\":\"0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501\",\"name\":\"alice\",\"groups\":[\"dev\"],\"attrs\":{}}]"));
    phi_jw_key(&w, "credentials");
    phi_jw_raw(&w, PHI_LIT("[{\"id\":\"c1\",\"person\":\"0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501\",\"target\":\"shop\",\"verifier\":\"SCRAM-SHA-256$x\","
                           "\"expires_in_ms\":60000},{\"id\":\"c2\",\"person\":\"0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501\",\"target\":\"shop\","
                           "\"verifier\":\"SCRAM-SHA-256$y\",\"expires_in_ms\":0}]"));
    phi_jw_key(&w, "groups");
    phi_jw_raw(&w, PHI_LIT("[\"dba\",\"dev\"]"));
    phi_jw_kc(&w, "console", "http://localhost:8470");
    phi_jw_ki(&w, "records", p->last_batch);
    phi_jw_kv(&w, "checkpoint", phi_buf_view(&note));
    phi_jw_end(&w);
}

static inline void phid_json(struct net_http_req *r, int status, const char *json)
{
    net_http_reply(r, status, "application/json", phi_view_of(json));
}

static inline void phid_gone(struct net_http_req *r, void *ctx)
{
    struct phid *p = ctx;
    for (int i = 0; i < p->n_held; i++)
        if (p->held[i] == r)
            p->held[i] = NULL;
}

/* The request stays without an answer: as if the answer were lost. */
static inline void phid_lose(struct phid *p, struct net_http_req *r)
{
    p->held[p->n_held++ % 16] = r;
    net_http_defer(r, phid_gone, p);
}

static inline void phid_sse_closed(struct net_sse *s, void *ctx)
{
    struct phid *p = ctx;
    if (p->sse == s)
        p->sse = NULL;
}

static inline void phid_consistency(struct phid *p, struct net_http_req *r)
{
    struct phi_view from, to;
    int64_t f = 0, t = 0;
    struct phi_tree_proof proof = { 0 };
    if (!net_http_param(r, "from", &from) || !net_http_param(r, "to", &to) || !phi_view_int(from, &f) ||
        !phi_view_int(to, &t) || (uint64_t)t > p->size ||
        phi_tree_consistency((uint64_t)f, (uint64_t)t, phid_node, p, &proof, NULL) != PHI_OK) {
        net_http_reply(r, 400, "application/problem+json", PHI_LIT("{\"detail\":\"no such size\"}"));
        return;
    }
    PHI_BUF(b, 65536);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_obj(&w);
    phi_jw_key(&w, "hashes");
    phi_jw_arr(&w);
    for (size_t i = 0; i < proof.n; i++) {
        proof.hash[i].b[0] ^= p->lie_consistency;
        phi_jw_hex(&w, phi_digest_view(&proof.hash[i]));
    }
    phi_jw_end(&w);
    phi_jw_end(&w);
    net_http_reply(r, 200, "application/json", phi_buf_view(&b));
}

static inline void phid_enroll(struct phid *p, struct net_http_req *r)
{
    const struct phi_json *v;
    struct phi_view pem, code;
    PHI_BUF(cert, 65536);
    PHI_BUF(out, 65536);
    struct phi_jw w;
    if (phi_json_read(net_http_arena(r), net_http_body(r), 0, "body", &v, NULL) != PHI_OK)
        abort();
    pem = phi_json_text(v, "public_key");
    code = phi_json_text(v, "code");
    if (!phi_view_is(code, p->code)) {
        net_http_reply(r, 403, "application/problem+json",
                       PHI_LIT("{\"detail\":\"this code was used\",\"code\":\"enroll.code\",\"next\":\"ask for another\"}"));
        return;
    }
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *pub = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    pki_sign(&p->pki, pub, "gw1", "clientAuth", &cert);
    EVP_PKEY_free(pub);
    BIO_free(bio);
    phi_jw_init(&w, &out);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "name", "gw1");
    phi_jw_kv(&w, "certificate", phi_buf_view(&cert));
    phi_jw_kv(&w, "ca", p->wrong_ca ? phi_buf_view(&p->cert) : phi_buf_view(&p->pki.ca_pem));
    phi_jw_end(&w);
    net_http_reply(r, 201, "application/json", phi_buf_view(&out));
}

static inline void phid_claim(struct phid *p, struct net_http_req *r)
{
    const struct phi_json *v;
    char text[200];
    if (phi_json_read(net_http_arena(r), net_http_body(r), 0, "body", &v, NULL) != PHI_OK)
        abort();
    snprintf(p->claim_key[p->n_claim++ % 8], 64, PHI_FMT, PHI_ARG(phi_json_text(v, "key")));
    if (p->refuse_claims) {
        net_http_reply(r, 409, "application/problem+json", PHI_LIT("{\"detail\":\"used up\",\"code\":\"grant.used\"}"));
    } else if (p->drop_claims > 0) {
        p->drop_claims--;
        phid_lose(p, r);
    } else {
        snprintf(text, sizeof text, "{\"claim\":\"018f0000-0000-7000-8000-000000000001\",\"remaining_ms\":%lld}",
                 (long long)p->remaining_ms);
        phid_json(r, 200, text);
    }
}

/* Before its approval; the path of a withdrawal ends with its key. */
static inline void phid_ahead(struct phid *p, struct net_http_req *r, struct phi_view path)
{
    const struct phi_json *v;
    if (phi_view_is(net_http_method(r), "DELETE")) {
        snprintf(p->withdrawn_key, sizeof p->withdrawn_key, PHI_FMT, PHI_ARG(phi_view_from(path, path.n - PHI_ID_LEN)));
        p->n_withdrawn++;
        net_http_reply(r, p->fail_withdrawals-- > 0 ? 503 : 204, NULL, (struct phi_view){ 0 });
        return;
    }
    if (phi_json_read(net_http_arena(r), net_http_body(r), 0, "body", &v, NULL) != PHI_OK)
        abort();
    snprintf(p->ahead_key, sizeof p->ahead_key, PHI_FMT, PHI_ARG(phi_json_text(v, "key")));
    p->n_ahead++;
    if (p->hold_filings)
        phid_lose(p, r);
    else
        phid_json(r, 202, "{\"kept\":true,\"for_ms\":180000}");
}

static inline void phid_answer_held(struct phid *p)
{
    for (int i = 0; i < p->n_held; i++)
        if (p->held[i])
            phid_json(p->held[i], 202, "{\"kept\":true,\"for_ms\":180000}");
    p->n_held = 0;
}

static inline void phid_records(struct phid *p, struct net_http_req *r)
{
    const struct phi_json *v;
    char text[64];
    int64_t n = 0;
    if (phi_json_read(net_http_arena(r), net_http_body(r), 0, "records", &v, NULL) != PHI_OK)
        abort();
    phi_json_int(phi_json_get(v, "batch"), &n);
    p->batches[p->n_records++ % 64] = n;
    if (p->drop_records) {
        phid_lose(p, r);
        return;
    }
    if (n > p->last_batch + 1) {
        net_http_reply(r, 400, "application/problem+json", PHI_LIT("{\"detail\":\"a gap\",\"code\":\"records.gap\"}"));
        return;
    }
    const struct phi_json *list = phi_json_get(v, "records");
    for (size_t i = 0; n > p->last_batch && i < list->n; i++) {
        const struct phi_json *one = &list->items[i];
        int64_t last = phi_json_num(one, "last_ms_ago", -1);
        struct phi_view hash = phi_json_text(one, "bytes_hash");
        if (last < 0 || phi_json_num(one, "first_ms_ago", -1) < last || !phi_json_text(one, "principal").n || !phi_json_get(one, "actions") ||
            hash.n != 64)
            abort();
        p->records_seen += (int)phi_json_num(one, "count", 0);
        const struct phi_json *denied = phi_json_get(one, "denied");
        if (denied && phi_json_text(denied, "reason").n && phi_json_get(denied, "policies")->n == 1)
            p->denials_seen += (int)phi_json_num(one, "count", 0);
        p->record_groups++;
        if (i == 0)
            memcpy(p->first_hash, hash.p, 64);
    }
    p->last_batch = n;
    snprintf(text, sizeof text, "{\"batch\":%lld}", (long long)n);
    phid_json(r, 200, text);
}

static inline void phid_outcome(struct phid *p, struct net_http_req *r)
{
    const struct phi_json *v;
    p->n_outcome++;
    if (p->fail_outcomes > 0) {
        p->fail_outcomes--;
        net_http_reply(r, 503, NULL, (struct phi_view){ 0 });
        return;
    }
    if (phi_json_read(net_http_arena(r), net_http_body(r), 0, "outcome", &v, NULL) != PHI_OK)
        abort();
    size_t n = strlen(p->outcomes);
    snprintf(p->outcomes + n, sizeof p->outcomes - n, PHI_FMT ":" PHI_FMT " ", PHI_ARG(phi_json_text(v, "outcome")),
             PHI_ARG(phi_json_text(v, "tag")));
    net_http_reply(r, 204, NULL, (struct phi_view){ 0 });
}

static inline void phid_get(struct phid *p, struct net_http_req *r, struct phi_view path)
{
    PHI_BUF(b, 4 * 1024 * 1024);
    char text[200];
    if (phi_view_is(path, "/v1/gateway/snapshot")) {
        p->n_snapshot++;
        phid_snapshot(p, &b);
        net_http_reply(r, 200, "application/json", phi_buf_view(&b));
    } else if (phi_view_is(path, "/v1/gateway/lease")) {
        p->n_lease++;
        snprintf(text, sizeof text, "{\"seq\":%lld,\"lease_ms\":%lld}", (long long)p->seq, (long long)p->lease_ms);
        phid_json(r, 200, text);
    } else if (phi_view_is(path, "/v1/events")) {
        p->n_streams++;
        p->sse = net_sse_open(r, 1 << 20, phid_sse_closed, p);
        net_sse_comment(p->sse, "phi");
    } else if (phi_view_is(path, "/v1/log/key")) {
        struct phi_vkey vk = { .name = PHI_LIT("phi.test/log"), .pub = p->log_key.pub };
        phi_vkey_write(&b, &vk);
        phi_buf_adds(&b, "\n");
        net_http_reply(r, 200, "text/plain", phi_buf_view(&b));
    } else if (phi_view_is(path, "/v1/log/checkpoint")) {
        p->n_head++;
        phid_note(p, &b);
        net_http_reply(r, 200, "text/plain", phi_buf_view(&b));
    } else if (phi_view_is(path, "/v1/log/consistency")) {
        phid_consistency(p, r);
    } else if (phi_view_starts(path, PHI_LIT("/v1/gateway/requests/"))) {
        p->n_status++;
        phid_json(r, 200, p->status);
    } else {
        net_http_reply(r, 404, "application/problem+json", PHI_LIT("{\"detail\":\"nothing here\",\"code\":\"route\"}"));
    }
}

static inline bool ends_with(struct phi_view v, const char *s)
{
    return v.n >= strlen(s) && phi_view_is(phi_view_from(v, v.n - strlen(s)), s);
}

static inline void phid_request(struct net_http_req *r, void *ctx)
{
    struct phid *p = ctx;
    struct phi_view path = net_http_path(r);
    struct net_peer_cert cert;
    bool known = net_http_peer_cert(r, &cert);
    if (known)
        snprintf(p->peer, sizeof p->peer, "%s", cert.name);
    snprintf(p->last_body, sizeof p->last_body, PHI_FMT, PHI_ARG(net_http_body(r)));
    if (p->mute)
        phid_lose(p, r);
    else if (phi_view_is(path, "/v1/gateways/enroll"))
        phid_enroll(p, r);
    else if (!known)
        net_http_reply(r, 401, "application/problem+json", PHI_LIT("{\"detail\":\"no certificate\"}"));
    else if (phi_view_is(net_http_method(r), "GET"))
        phid_get(p, r, path);
    else if (phi_view_starts(path, PHI_LIT("/v1/gateway/requests/")) && !ends_with(path, "/leave"))
        phid_ahead(p, r, path);
    else if (ends_with(path, "/claims"))
        phid_claim(p, r);
    else if (ends_with(path, "/outcome"))
        phid_outcome(p, r);
    else if (ends_with(path, "/records"))
        phid_records(p, r);
    else if (ends_with(path, "/leave"))
        p->n_leave++, net_http_reply(r, 204, NULL, (struct phi_view){ 0 });
    else if (ends_with(path, "/acks"))
        p->n_ack++, net_http_reply(r, 204, NULL, (struct phi_view){ 0 });
    else if (phi_view_is(path, "/v1/gateway/requests"))
        p->n_request++, phid_json(r, 200, p->answer);
    else
        net_http_reply(r, 404, "application/problem+json", PHI_LIT("{\"detail\":\"nothing here\"}"));
}

static inline void phid_too_long(void *ctx)
{
    (void)ctx;
    fail_msg("the loop waits for something that never comes");
}

static inline void phid_serve(struct phid *p)
{
    char at[32];
    struct net_tls *tls;
    struct net_tls_server_opts t = { .cert_pem = phi_buf_view(&p->cert),
                                     .key_pem = phi_buf_view(&p->key),
                                     .client_ca_pem = phi_buf_view(&p->pki.ca_pem) };
    assert_int_equal(net_tls_server_open(&t, &tls, NULL), PHI_OK);
    snprintf(at, sizeof at, "127.0.0.1:%d", p->port);
    struct net_http_opts o = { .address = at, .tls = tls, .on_request = phid_request, .ctx = p };
    assert_int_equal(net_http_listen(p->loop, &o, &p->srv, NULL), PHI_OK);
    net_tls_close(tls);
    p->port = net_http_port(p->srv);
}

static inline void phid_stop(struct phid *p)
{
    net_http_close(p->srv);
    p->srv = NULL;
    p->n_held = 0;
}

static inline void phid_open(struct phid *p)
{
    pki_init(&p->pki);
    pki_leaf(&p->pki, "phid", "serverAuth", &p->cert, &p->key);
    assert_int_equal(net_loop_open(&p->loop, NULL), PHI_OK);
    p->guard = net_timer_open(p->loop, phid_too_long, p);
    net_timer_set(p->guard, 30000, 0);
    assert_int_equal(phi_key_make(&p->log_key, NULL), PHI_OK);
    p->lease_ms = p->lease_ms ? p->lease_ms : 60000;
    p->remaining_ms = 60000;
    p->seq = 1;
    phid_append(p, "first");
    phid_serve(p);
    snprintf(p->url, sizeof p->url, "https://127.0.0.1:%d", p->port);
    PHI_BUF(b, 200);
    phi_b64u_add(&b, phi_digest_view(&p->pki.ca_sha256));
    snprintf(p->code, sizeof p->code, "%s.secret", phi_buf_str(&b));
    const char *tmp = getenv("TMPDIR");
    snprintf(p->dir, sizeof p->dir, "%s/phid-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->dir));
}

static inline void phid_close(struct phid *p)
{
    static const char *const files[] = { "key.pem", "cert.pem", "ca.pem", "log.key", "checkpoint", "fork" };
    net_timer_close(p->guard);
    phid_stop(p);
    net_loop_close(p->loop);
    pki_done(&p->pki);
    phi_buf_done(&p->cert);
    phi_buf_done(&p->key);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", p->dir, files[i]);
        unlink(path);
    }
    rmdir(p->dir);
}

#endif
