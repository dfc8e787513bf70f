#include "wire/scram.h"

#include <openssl/evp.h>
#include <string.h>

static struct phi_digest hmac(const struct phi_digest *key, struct phi_view v)
{
    return phi_hmac_sha256(phi_digest_view(key), v);
}

/* Hi() of RFC 5802, which is PBKDF2 with HMAC. */
static struct phi_digest salted_password(struct phi_view password, struct phi_view salt,
                                         uint32_t iterations)
{
    struct phi_digest out = { { 0 } };
    const char *pw = password.n > 0 ? (const char *)password.p : "";
    if (PKCS5_PBKDF2_HMAC(pw, (int)password.n, salt.p, (int)salt.n, (int)iterations, EVP_sha256(),
                          PHI_SHA256_LEN, out.b) != 1)
        phi_random(out.b, sizeof out.b); /* fits nothing */
    return out;
}

static struct phi_digest server_key_of(const struct phi_digest *salted)
{
    return hmac(salted, PHI_LIT("Server Key"));
}
static struct phi_digest client_key_of(const struct phi_digest *salted)
{
    return hmac(salted, PHI_LIT("Client Key"));
}

static bool b64_exact(struct phi_view text, uint8_t *out, size_t want)
{
    PHI_BUF(b, 256);
    bool ok = phi_b64_read(text, &b) && phi_buf_ok(&b) && b.n == want;
    if (ok)
        memcpy(out, b.p, want);
    phi_buf_wipe(&b);
    return ok;
}

static bool b64_salt(struct phi_view text, uint8_t *out, size_t *n)
{
    PHI_BUF(b, 256);
    if (!phi_b64_read(text, &b) || !phi_buf_ok(&b) || b.n == 0 || b.n > SCRAM_MAX_SALT)
        return false;
    memcpy(out, b.p, b.n);
    *n = b.n;
    return true;
}

bool scram_verifier_read(struct phi_view text, struct scram_verifier *ret)
{
    struct phi_view rest = text, mech, iter, salt, stored;
    int64_t n = 0;
    memset(ret, 0, sizeof *ret);
    if (!phi_view_split(&rest, '$', &mech) || !phi_view_is(mech, SCRAM_MECHANISM) ||
        !phi_view_split(&rest, ':', &iter) || !phi_view_int(iter, &n) || n < 1 ||
        n > SCRAM_MAX_ITERATIONS || !phi_view_split(&rest, '$', &salt) ||
        !phi_view_split(&rest, ':', &stored))
        return false;
    ret->iterations = (uint32_t)n;
    return b64_salt(salt, ret->salt, &ret->salt_len) &&
           b64_exact(stored, ret->stored_key.b, PHI_SHA256_LEN) &&
           b64_exact(rest, ret->server_key.b, PHI_SHA256_LEN);
}

void scram_verifier_make(struct phi_view password, struct phi_view salt, uint32_t iterations,
                         struct phi_buf *ret)
{
    struct phi_digest salted = salted_password(password, salt, iterations);
    struct phi_digest client = client_key_of(&salted);
    struct phi_digest stored = phi_sha256(phi_digest_view(&client));
    struct phi_digest server = server_key_of(&salted);
    phi_buf_printf(ret, "%s$%u:", SCRAM_MECHANISM, iterations);
    phi_b64_add(ret, salt);
    phi_buf_addc(ret, '$');
    phi_b64_add(ret, phi_digest_view(&stored));
    phi_buf_addc(ret, ':');
    phi_b64_add(ret, phi_digest_view(&server));
    phi_wipe(&salted, sizeof salted);
    phi_wipe(&client, sizeof client);
}

void scram_verifier_mock(struct phi_view user, struct phi_view secret, struct scram_verifier *ret)
{
    struct phi_digest d = phi_hmac_sha256(secret, user);
    memset(ret, 0, sizeof *ret);
    ret->iterations = SCRAM_ITERATIONS;
    ret->salt_len = 16;
    memcpy(ret->salt, d.b, 16);
    phi_random(ret->stored_key.b, PHI_SHA256_LEN);
    phi_random(ret->server_key.b, PHI_SHA256_LEN);
}

/* "<name>=<value>" up to the next comma; false when another attribute stands here. */
static bool attr(struct phi_view *rest, char name, struct phi_view *value)
{
    struct phi_view field;
    if (!phi_view_split(rest, ',', &field) || field.n < 2 || field.p[0] != (uint8_t)name ||
        field.p[1] != '=')
        return false;
    *value = phi_view_from(field, 2);
    return true;
}

static bool nonce_ok(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] < 0x21 || v.p[i] > 0x7e || v.p[i] == ',')
            return false;
    return v.n > 0 && v.n <= 128;
}

static void nonce_text(const uint8_t random[SCRAM_NONCE_RAW], char *out, size_t size)
{
    PHI_BUF(b, 64);
    phi_b64_add(&b, phi_view_mem(random, SCRAM_NONCE_RAW));
    const char *s = phi_buf_str(&b);
    size_t n = strlen(s) < size - 1 ? strlen(s) : size - 1;
    memcpy(out, s, n);
    out[n] = '\0';
}

void scram_server_init(struct scram_server *s, const struct scram_verifier *v)
{
    memset(s, 0, sizeof *s);
    s->verifier = *v;
    phi_buf_init(&s->auth, 3 * SCRAM_MAX_TEXT);
}

void scram_server_done(struct scram_server *s)
{
    phi_buf_wipe(&s->auth);
    phi_buf_done(&s->auth);
    phi_wipe(s, sizeof *s);
}

/* The GS2 header: 'n' or 'y' (no channel binding), no authorisation identity. */
static bool read_gs2(struct scram_server *s, struct phi_view *in)
{
    if (in->n < 3 || (in->p[0] != 'n' && in->p[0] != 'y') || in->p[1] != ',' || in->p[2] != ',')
        return false;
    memcpy(s->gs2, in->p, 3);
    s->gs2_len = 3;
    *in = phi_view_from(*in, 3);
    return true;
}

enum phi_rc scram_server_first(struct scram_server *s, struct phi_view client_first,
                               const uint8_t random[SCRAM_NONCE_RAW], struct phi_buf *out,
                               struct phi_err *err)
{
    struct phi_view in = client_first, user, nonce;
    char ours[32];
    if (s->step++ != 0 || in.n > SCRAM_MAX_TEXT || !read_gs2(s, &in))
        return phi_fail(err, PHI_EINPUT,
                        "SCRAM: the first message is not one without channel binding");
    struct phi_view bare = in;
    if (!attr(&in, 'n', &user) || !attr(&in, 'r', &nonce) || in.n != 0 || !nonce_ok(nonce))
        return phi_fail(err, PHI_EINPUT, "SCRAM: malformed first message");
    nonce_text(random, ours, sizeof ours);
    PHI_BUF(both, sizeof s->nonce);
    phi_buf_add(&both, nonce);
    phi_buf_adds(&both, ours);
    PHI_BUF(first, SCRAM_MAX_TEXT);
    phi_buf_printf(&first, "r=%s,s=", phi_buf_str(&both));
    phi_b64_add(&first, phi_view_mem(s->verifier.salt, s->verifier.salt_len));
    phi_buf_printf(&first, ",i=%u", s->verifier.iterations);
    memcpy(s->nonce, both.p, both.n);
    s->nonce[both.n] = '\0';
    phi_buf_add(&s->auth, bare);
    phi_buf_addc(&s->auth, ',');
    phi_buf_add(&s->auth, phi_buf_view(&first));
    phi_buf_addc(&s->auth, ',');
    phi_buf_add(out, phi_buf_view(&first));
    return phi_buf_ok(&s->auth) && phi_buf_ok(&both)
               ? PHI_OK
               : phi_fail(err, PHI_ELIMIT, "SCRAM: message too long");
}

static bool proof_fits(const struct scram_server *s, const uint8_t proof[PHI_SHA256_LEN])
{
    struct phi_digest sig = hmac(&s->verifier.stored_key, phi_buf_view(&s->auth)), key;
    for (size_t i = 0; i < PHI_SHA256_LEN; i++)
        key.b[i] = (uint8_t)(proof[i] ^ sig.b[i]);
    struct phi_digest stored = phi_sha256(phi_digest_view(&key));
    phi_wipe(&key, sizeof key);
    return phi_digest_eq(&stored, &s->verifier.stored_key);
}

/* "c=<gs2>,r=<nonce>" must be exactly what we expect, so nothing else needs reading. */
static bool final_prefix(const struct scram_server *s, struct phi_view *in)
{
    PHI_BUF(want, SCRAM_MAX_TEXT);
    phi_buf_adds(&want, "c=");
    phi_b64_add(&want, phi_view_mem(s->gs2, s->gs2_len));
    phi_buf_printf(&want, ",r=%s", s->nonce);
    if (!phi_buf_ok(&want) || !phi_view_starts(*in, phi_buf_view(&want)))
        return false;
    *in = phi_view_from(*in, want.n);
    return true;
}

enum phi_rc scram_server_final(struct scram_server *s, struct phi_view client_final,
                               struct phi_buf *out, struct phi_err *err)
{
    struct phi_view rest = client_final;
    uint8_t proof[PHI_SHA256_LEN];
    if (s->step++ != 1 || rest.n > SCRAM_MAX_TEXT || !final_prefix(s, &rest) ||
        !phi_view_starts(rest, PHI_LIT(",p=")) ||
        !b64_exact(phi_view_from(rest, 3), proof, sizeof proof))
        return phi_fail(err, PHI_EINPUT, "SCRAM: malformed final message");
    phi_buf_add(&s->auth, phi_view_upto(client_final, client_final.n - rest.n));
    if (!phi_buf_ok(&s->auth) || !proof_fits(s, proof))
        return phi_fail(err, PHI_EAUTH, "the credential's password is wrong");
    struct phi_digest sig = hmac(&s->verifier.server_key, phi_buf_view(&s->auth));
    phi_buf_adds(out, "v=");
    phi_b64_add(out, phi_digest_view(&sig));
    return PHI_OK;
}

void scram_client_init(struct scram_client *c)
{
    memset(c, 0, sizeof *c);
    phi_buf_init(&c->auth, 3 * SCRAM_MAX_TEXT);
}

void scram_client_done(struct scram_client *c)
{
    phi_buf_wipe(&c->auth);
    phi_buf_done(&c->auth);
    phi_wipe(c, sizeof *c);
}

void scram_client_first(struct scram_client *c, const uint8_t random[SCRAM_NONCE_RAW],
                        struct phi_buf *out)
{
    nonce_text(random, c->nonce, sizeof c->nonce);
    phi_buf_printf(&c->auth, "n=,r=%s,",
                   c->nonce); /* PostgreSQL takes the user from the startup packet */
    phi_buf_printf(out, "n,,n=,r=%s", c->nonce);
    c->step = 1;
}

static bool read_server_first(const struct scram_client *c, struct phi_view in,
                              struct phi_view *nonce, uint32_t *iterations, uint8_t *salt,
                              size_t *salt_len)
{
    struct phi_view s, i;
    int64_t n = 0;
    if (in.n > SCRAM_MAX_TEXT || !attr(&in, 'r', nonce) || !attr(&in, 's', &s) ||
        !attr(&in, 'i', &i) || in.n != 0)
        return false;
    if (!phi_view_starts(*nonce, phi_view_of(c->nonce)) || nonce->n <= strlen(c->nonce) ||
        !nonce_ok(*nonce))
        return false;
    if (!phi_view_int(i, &n) || n < SCRAM_ITERATIONS || n > SCRAM_MAX_ITERATIONS)
        return false;
    *iterations = (uint32_t)n;
    return b64_salt(s, salt, salt_len);
}

static void fill_keys(struct scram_keys *k, struct phi_view password, struct phi_view salt,
                      uint32_t iterations)
{
    if (k->set && k->iterations == iterations &&
        phi_view_eq(phi_view_mem(k->salt, k->salt_len), salt))
        return;
    k->salted = salted_password(password, salt, iterations);
    k->iterations = iterations;
    k->salt_len = salt.n;
    memcpy(k->salt, salt.p, salt.n);
    k->set = true;
}

enum phi_rc scram_client_final(struct scram_client *c, struct phi_view server_first,
                               struct phi_view password, struct scram_keys *keys,
                               struct phi_buf *out, struct phi_err *err)
{
    struct phi_view nonce;
    uint32_t iterations = 0;
    uint8_t salt[SCRAM_MAX_SALT];
    size_t salt_len = 0;
    if (c->step != 1 || !read_server_first(c, server_first, &nonce, &iterations, salt, &salt_len))
        return phi_fail(err, PHI_EINPUT,
                        "SCRAM: the target's first message is malformed or too weak");
    c->step = 2;
    fill_keys(keys, password, phi_view_mem(salt, salt_len), iterations);
    size_t at = out->n;
    phi_buf_printf(out, "c=biws,r=" PHI_FMT, PHI_ARG(nonce));
    phi_buf_add(&c->auth, server_first);
    phi_buf_addc(&c->auth, ',');
    phi_buf_add(&c->auth, phi_view_from(phi_buf_view(out), at));
    if (!phi_buf_ok(&c->auth) || !phi_buf_ok(out))
        return phi_fail(err, PHI_ELIMIT, "SCRAM: message too long");
    struct phi_digest client = client_key_of(&keys->salted), server = server_key_of(&keys->salted);
    struct phi_digest stored = phi_sha256(phi_digest_view(&client));
    struct phi_digest sig = hmac(&stored, phi_buf_view(&c->auth));
    for (size_t i = 0; i < PHI_SHA256_LEN; i++)
        client.b[i] ^= sig.b[i];
    c->server_signature = hmac(&server, phi_buf_view(&c->auth));
    phi_buf_adds(out, ",p=");
    phi_b64_add(out, phi_digest_view(&client));
    phi_wipe(&server, sizeof server);
    return PHI_OK;
}

enum phi_rc scram_client_verify(struct scram_client *c, struct phi_view server_final,
                                struct phi_err *err)
{
    struct phi_digest got;
    struct phi_view v = server_final;
    if (c->step != 2 || !phi_view_starts(v, PHI_LIT("v=")) ||
        !b64_exact(phi_view_from(v, 2), got.b, sizeof got.b) ||
        !phi_digest_eq(&got, &c->server_signature))
        return phi_fail(err, PHI_EAUTH, "SCRAM: the target does not know the password's verifier");
    c->step = 3;
    return PHI_OK;
}
