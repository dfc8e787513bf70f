#include "base/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Looked up once: by name each time is a third of what a short hash costs. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *found;
static pthread_key_t spare; /* a thread's context, for hashes that begin and end in one call: making one costs more than a short hash */

static void spare_free(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void find(void)
{
    found = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!found || pthread_key_create(&spare, spare_free) != 0)
        abort();
}

static const EVP_MD *sha256(void)
{
    pthread_once(&once, find);
    return found;
}

/* A digest that cannot be computed is no digest: the process ends rather than go on with zeroes. */
struct phi_digest phi_sha256_parts(const struct phi_view *parts, size_t n)
{
    struct phi_digest d;
    const EVP_MD *md = sha256();
    EVP_MD_CTX *c = pthread_getspecific(spare);
    if (!c && (!(c = EVP_MD_CTX_new()) || pthread_setspecific(spare, c) != 0))
        abort();
    if (!EVP_DigestInit_ex(c, md, NULL))
        abort();
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n && !EVP_DigestUpdate(c, parts[i].p, parts[i].n))
            abort();
    }
    if (!EVP_DigestFinal_ex(c, d.b, NULL))
        abort();
    return d;
}

struct phi_digest phi_sha256(struct phi_view v)
{
    return phi_sha256_parts(&v, 1);
}

/* The handle is OpenSSL's own context. */
struct phi_hasher *phi_hasher_open(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (!c || !EVP_DigestInit_ex(c, sha256(), NULL))
        abort();
    return (struct phi_hasher *)c;
}

void phi_hasher_add(struct phi_hasher *h, struct phi_view v)
{
    if (v.n && !EVP_DigestUpdate((EVP_MD_CTX *)h, v.p, v.n))
        abort();
}

struct phi_digest phi_hasher_end(struct phi_hasher *h)
{
    struct phi_digest d;
    if (!EVP_DigestFinal_ex((EVP_MD_CTX *)h, d.b, NULL))
        abort();
    EVP_MD_CTX_free((EVP_MD_CTX *)h);
    return d;
}

struct phi_digest phi_hmac_sha256(struct phi_view key, struct phi_view v)
{
    struct phi_digest d;
    unsigned n = sizeof(d.b);
    const uint8_t *k = key.p ? key.p : (const uint8_t *)"", *p = v.p ? v.p : (const uint8_t *)"";
    if (!HMAC(EVP_sha256(), k, (int)key.n, p, v.n, d.b, &n) || n != sizeof(d.b))
        abort();
    return d;
}

struct phi_view phi_digest_view(const struct phi_digest *d)
{
    return phi_view_mem(d->b, sizeof(d->b));
}

bool phi_digest_eq(const struct phi_digest *a, const struct phi_digest *b)
{
    return CRYPTO_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool phi_secret_eq(struct phi_view a, struct phi_view b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void phi_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

void phi_random(void *p, size_t n)
{
    uint8_t *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        at += got;
        n -= (size_t)got;
    }
}

static const char hex_digits[] = "0123456789abcdef";

void phi_hex_add(struct phi_buf *b, struct phi_view v)
{
    uint8_t *p = phi_buf_room(b, 2 * v.n);
    for (size_t i = 0; p && i < v.n; i++) {
        p[2 * i] = (uint8_t)hex_digits[v.p[i] >> 4];
        p[2 * i + 1] = (uint8_t)hex_digits[v.p[i] & 15];
    }
    if (p)
        phi_buf_commit(b, 2 * v.n);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool phi_hex_read(struct phi_view text, void *ret, size_t n)
{
    uint8_t *out = ret;
    if (text.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(text.p[2 * i]), lo = hex_digit(text.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

void phi_digest_hex(const struct phi_digest *d, char ret[PHI_HEX_LEN + 1])
{
    for (size_t i = 0; i < sizeof(d->b); i++) {
        ret[2 * i] = hex_digits[d->b[i] >> 4];
        ret[2 * i + 1] = hex_digits[d->b[i] & 15];
    }
    ret[PHI_HEX_LEN] = 0;
}

bool phi_digest_from_hex(struct phi_view text, struct phi_digest *ret)
{
    return phi_hex_read(text, ret->b, sizeof(ret->b));
}
