/* Ids, secrets and names. */
#include <string.h>

#include "base/text.h"
#include "core/inner.h"

struct phi_view core_random(struct phi_core *c, struct phi_arena *a, size_t n)
{
    uint8_t *p = phi_arena_alloc(a, n);
    if (!p)
        return (struct phi_view){ 0 };
    c->rng->fill(c->rng->self, p, n);
    return phi_view_mem(p, n);
}

struct phi_view core_new_id(struct phi_core *c, struct phi_arena *a)
{
    uint8_t r[10];
    c->rng->fill(c->rng->self, r, sizeof r);
    int64_t now = core_wall(c);
    struct phi_id id = phi_id_make(now > 0 ? (uint64_t)now : 0, r);
    return phi_arena_copy(a, phi_id_view(&id));
}

void core_new_token(struct phi_core *c, char ret[PHI_TOKEN_LEN + 1])
{
    uint8_t r[32];
    c->rng->fill(c->rng->self, r, sizeof r);
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_b64u_add(&b, phi_view_mem(r, sizeof r));
    memcpy(ret, phi_buf_str(&b), PHI_TOKEN_LEN + 1);
    phi_wipe(r, sizeof r);
    phi_buf_wipe(&b);
}

struct phi_digest core_secret_hash(struct phi_view secret)
{
    return phi_tagged_hash("phi-token-v1", secret);
}

struct phi_digest core_salted(struct phi_view salt, struct phi_view text)
{
    uint8_t s[16] = { 0 };
    if (salt.n == sizeof s)
        memcpy(s, salt.p, sizeof s);
    return phi_text_hash(s, text);
}

struct phi_view core_hex(struct phi_arena *a, const struct phi_digest *d)
{
    char hex[PHI_HEX_LEN + 1];
    phi_digest_hex(d, hex);
    return phi_arena_copy(a, phi_view_mem(hex, PHI_HEX_LEN));
}

struct phi_view core_bytes(struct phi_arena *a, const struct phi_digest *d)
{
    return phi_arena_copy(a, phi_digest_view(d));
}

struct phi_digest core_unhex(struct phi_view hex)
{
    struct phi_digest d = { 0 };
    if (!phi_digest_from_hex(hex, &d))
        return (struct phi_digest){ 0 };
    return d;
}

/* One spelling a name: what differs by case, normal form or a look-alike letter is no other person (attack 57). */
bool core_name_ok(struct phi_view v)
{
    if (v.n == 0 || v.n > PHI_MAX_NAME)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
        if (!letter && (i == 0 || !strchr("._@+-", ch) || ch == 0))
            return false;
    }
    return true;
}

bool core_slug_ok(struct phi_view v)
{
    if (v.n == 0 || v.n > 63)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        bool ok = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-';
        if (!ok)
            return false;
    }
    return true;
}

enum phi_rc core_text_put(struct phi_core *c, struct phi_view owner, const char *kind, struct phi_view salt,
                          struct phi_view text, struct phi_err *err)
{
    struct core_text_row row = { owner, phi_view_of(kind), salt, text };
    return core_add(c, CORE_TEXT_OF, &row, err);
}

struct phi_view core_text_get(struct phi_core *c, struct phi_arena *a, struct phi_view owner, const char *kind)
{
    struct core_text_row row, key = { .owner = owner, .kind = phi_view_of(kind) };
    if (core_get(c, CORE_TEXT_OF, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return (struct phi_view){ 0 };
    return row.text;
}
