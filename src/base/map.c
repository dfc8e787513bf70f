#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* SipHash-1-3 under a key that the process draws once. */
static uint64_t sip_key[2];
static pthread_once_t sip_once = PTHREAD_ONCE_INIT;

static void sip_draw(void)
{
    phi_random(sip_key, sizeof(sip_key));
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ROTL(v[1], 13) ^ v[0];
    v[0] = ROTL(v[0], 32);
    v[2] += v[3];
    v[3] = ROTL(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = ROTL(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = ROTL(v[1], 17) ^ v[2];
    v[2] = ROTL(v[2], 32);
}

static uint64_t sip_hash(const void *key, size_t n)
{
    const uint8_t *p = key;
    uint64_t v[4] = { sip_key[0] ^ 0x736f6d6570736575u, sip_key[1] ^ 0x646f72616e646f6du,
                      sip_key[0] ^ 0x6c7967656e657261u, sip_key[1] ^ 0x7465646279746573u };
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t phi_map_hash(struct phi_view key)
{
    pthread_once(&sip_once, sip_draw);
    return sip_hash(key.n ? (const void *)key.p : "", key.n);
}

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)sip_hash((keyptr), (keylen)))
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->lost = true)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    void *value;
    bool lost; /* uthash could not take it in */
    size_t n;
    uint8_t key[];
};

struct phi_map {
    struct entry *head;
    size_t max;
};

struct phi_map *phi_map_open(size_t max_entries)
{
    pthread_once(&sip_once, sip_draw);
    struct phi_map *m = calloc(1, sizeof(*m));
    if (m)
        m->max = max_entries;
    return m;
}

void phi_map_close(struct phi_map *m)
{
    if (!m)
        return;
    struct entry *e, *next;
    HASH_ITER(hh, m->head, e, next)
    {
        HASH_DEL(m->head, e);
        free(e);
    }
    free(m);
}

static struct entry *find(const struct phi_map *m, struct phi_view key)
{
    struct entry *e = NULL;
    const uint8_t *p = key.p ? key.p : (const uint8_t *)"";
    HASH_FIND(hh, m->head, p, key.n, e);
    return e;
}

bool phi_map_put(struct phi_map *m, struct phi_view key, void *value)
{
    struct entry *e = find(m, key);
    if (e) {
        e->value = value;
        return true;
    }
    if (HASH_COUNT(m->head) >= m->max)
        return false;
    e = calloc(1, sizeof(*e) + key.n);
    if (!e)
        return false;
    if (key.n)
        memcpy(e->key, key.p, key.n);
    e->n = key.n;
    e->value = value;
    HASH_ADD_KEYPTR(hh, m->head, e->key, e->n, e);
    if (e->lost) {
        free(e);
        return false;
    }
    return true;
}

void *phi_map_get(const struct phi_map *m, struct phi_view key)
{
    struct entry *e = find(m, key);
    return e ? e->value : NULL;
}

void *phi_map_del(struct phi_map *m, struct phi_view key)
{
    struct entry *e = find(m, key);
    if (!e)
        return NULL;
    void *value = e->value;
    HASH_DEL(m->head, e);
    free(e);
    return value;
}

size_t phi_map_count(const struct phi_map *m)
{
    return HASH_COUNT(m->head);
}

/* *at holds the entry to come; the end is told from the start by a mark of its own. */
bool phi_map_next(const struct phi_map *m, void **at, struct phi_view *key, void **value)
{
    static char end;
    if (*at == &end)
        return false;
    struct entry *e = *at ? *at : m->head;
    if (!e)
        return false;
    if (key)
        *key = phi_view_mem(e->key, e->n);
    if (value)
        *value = e->value;
    *at = e->hh.next ? e->hh.next : (void *)&end;
    return true;
}
#pragma GCC diagnostic pop
