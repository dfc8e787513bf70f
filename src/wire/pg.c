#include "wire/pg.h"

#include <string.h>

#define PG_CODE_CANCEL 80877102U
#define PG_CODE_SSL    80877103U
#define PG_CODE_GSS    80877104U

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Every name and value must be there and terminated, and the list must end exactly at the end. */
static bool params_ok(struct phi_view v)
{
    struct pg_rd r = { v, false };
    for (;;) {
        struct phi_view name = pg_rd_str(&r);
        if (r.bad)
            return false;
        if (name.n == 0)
            return pg_rd_end(&r);
        pg_rd_str(&r);
    }
}

static enum phi_frame hello_body(struct phi_view body, struct pg_hello *ret)
{
    uint32_t code = be32(body.p);
    struct phi_view rest = phi_view_from(body, 4);
    if (code == PG_CODE_SSL || code == PG_CODE_GSS) {
        ret->kind = code == PG_CODE_SSL ? PG_HELLO_SSL : PG_HELLO_GSS;
        return rest.n == 0 ? PHI_FRAME_READY : PHI_FRAME_BAD;
    }
    if (code == PG_CODE_CANCEL) {
        ret->kind = PG_HELLO_CANCEL;
        if (rest.n != 8)
            return PHI_FRAME_BAD;
        ret->pid = be32(rest.p);
        ret->key = be32(rest.p + 4);
        return PHI_FRAME_READY;
    }
    ret->kind = PG_HELLO_STARTUP;
    ret->minor = (uint16_t)(code & 0xffff);
    ret->params = rest;
    return code >> 16 == 3 && params_ok(rest) ? PHI_FRAME_READY : PHI_FRAME_BAD;
}

enum phi_frame pg_hello_read(struct phi_view *in, struct pg_hello *ret)
{
    memset(ret, 0, sizeof *ret);
    if (in->n < 4)
        return PHI_FRAME_MORE;
    uint32_t len = be32(in->p);
    if (len < 8 || len > PG_MAX_STARTUP)
        return PHI_FRAME_BAD;
    if (in->n < len)
        return PHI_FRAME_MORE;
    struct phi_view body = { in->p + 4, len - 4 };
    *in = phi_view_from(*in, len);
    return hello_body(body, ret);
}

bool pg_param_next(struct phi_view *params, struct phi_view *name, struct phi_view *value)
{
    struct pg_rd r = { *params, false };
    *name = pg_rd_str(&r);
    if (r.bad || name->n == 0)
        return false;
    *value = pg_rd_str(&r);
    *params = r.v;
    return !r.bad;
}

enum phi_frame pg_frame_head(struct phi_view in, size_t max, uint8_t *type, size_t *body_len)
{
    if (in.n < PG_HEAD)
        return PHI_FRAME_MORE;
    uint32_t len = be32(in.p + 1);
    if (len < 4 || len > INT32_MAX || len - 4 > max) /* the server reads it as signed */
        return PHI_FRAME_BAD;
    *type = in.p[0];
    *body_len = len - 4;
    return PHI_FRAME_READY;
}

enum phi_frame pg_frame(struct phi_view *in, size_t max, uint8_t *type, struct phi_view *body)
{
    size_t len = 0;
    enum phi_frame f = pg_frame_head(*in, max, type, &len);
    if (f != PHI_FRAME_READY)
        return f;
    if (in->n - PG_HEAD < len)
        return PHI_FRAME_MORE;
    *body = (struct phi_view){ in->p + PG_HEAD, len };
    *in = phi_view_from(*in, PG_HEAD + len);
    return PHI_FRAME_READY;
}

/* Names are short: a call of memchr costs more than it finds. */
static const uint8_t *nul_in(struct phi_view v)
{
    for (size_t i = 0; i < v.n && i < 16; i++)
        if (v.p[i] == 0)
            return v.p + i;
    return v.n > 16 ? memchr(v.p + 16, 0, v.n - 16) : NULL;
}

static inline struct phi_view rd_bytes(struct pg_rd *r, size_t n)
{
    if (r->bad || r->v.n < n) {
        r->bad = true;
        return (struct phi_view){ 0 };
    }
    struct phi_view got = { r->v.p, n };
    r->v = phi_view_from(r->v, n);
    return got;
}

struct phi_view pg_rd_bytes(struct pg_rd *r, size_t n)
{
    return rd_bytes(r, n);
}

uint8_t pg_rd8(struct pg_rd *r)
{
    struct phi_view v = rd_bytes(r, 1);
    return v.n == 1 ? v.p[0] : 0;
}

uint16_t pg_rd16(struct pg_rd *r)
{
    struct phi_view v = rd_bytes(r, 2);
    return v.n == 2 ? (uint16_t)(v.p[0] << 8 | v.p[1]) : 0;
}

uint32_t pg_rd32(struct pg_rd *r)
{
    struct phi_view v = rd_bytes(r, 4);
    return v.n == 4 ? be32(v.p) : 0;
}

struct phi_view pg_rd_str(struct pg_rd *r)
{
    const uint8_t *nul = r->bad ? NULL : nul_in(r->v);
    if (nul == NULL) {
        r->bad = true;
        return (struct phi_view){ 0 };
    }
    struct phi_view got = { r->v.p, (size_t)(nul - r->v.p) };
    r->v = phi_view_from(r->v, got.n + 1);
    return got;
}

bool pg_rd_end(const struct pg_rd *r)
{
    return !r->bad && r->v.n == 0;
}

bool pg_query_read(struct phi_view body, struct phi_view *sql)
{
    struct pg_rd r = { body, false };
    *sql = pg_rd_str(&r);
    return pg_rd_end(&r);
}

/* A 16-bit count and that many words of `width` bytes. The server reads the count as signed, so the
 * upper half is refused here too. */
static struct phi_view words(struct pg_rd *r, size_t width)
{
    uint16_t n = pg_rd16(r);
    if (n > INT16_MAX)
        r->bad = true;
    return pg_rd_bytes(r, (size_t)n * width);
}

bool pg_parse_read(struct phi_view body, struct pg_parse *ret)
{
    struct pg_rd r = { body, false };
    ret->name = pg_rd_str(&r);
    ret->sql = pg_rd_str(&r);
    ret->types = words(&r, 4);
    return pg_rd_end(&r);
}

#define PG_NULL_VALUE UINT32_MAX

bool pg_bind_read(struct phi_view body, struct pg_bind *ret)
{
    struct pg_rd r = { body, false };
    ret->portal = pg_rd_str(&r);
    ret->stmt = pg_rd_str(&r);
    ret->formats = words(&r, 2);
    ret->n_params = pg_rd16(&r);
    const uint8_t *from = r.v.p;
    for (uint16_t i = 0; i < ret->n_params && !r.bad; i++) {
        uint32_t len = pg_rd32(&r);
        if (len != PG_NULL_VALUE)
            pg_rd_bytes(&r, len);
    }
    ret->params = r.bad ? (struct phi_view){ 0 } : (struct phi_view){ from, (size_t)(r.v.p - from) };
    ret->results = words(&r, 2);
    return pg_rd_end(&r);
}

bool pg_execute_read(struct phi_view body, struct pg_execute *ret)
{
    struct pg_rd r = { body, false };
    ret->portal = pg_rd_str(&r);
    ret->max_rows = pg_rd32(&r);
    if (ret->max_rows > INT32_MAX) /* the server takes zero and below as "all" */
        ret->max_rows = 0;
    return pg_rd_end(&r);
}

bool pg_object_read(struct phi_view body, struct pg_object *ret)
{
    struct pg_rd r = { body, false };
    ret->kind = pg_rd8(&r);
    ret->name = pg_rd_str(&r);
    return pg_rd_end(&r) && (ret->kind == 'S' || ret->kind == 'P');
}

bool pg_value_next(struct phi_view *params, bool *null, struct phi_view *value)
{
    if (params->n == 0)
        return false;
    struct pg_rd r = { *params, false };
    uint32_t len = pg_rd32(&r);
    *null = len == PG_NULL_VALUE;
    *value = *null ? (struct phi_view){ 0 } : pg_rd_bytes(&r, len);
    *params = r.v;
    return !r.bad;
}

uint16_t pg_word16(struct phi_view w, size_t i)
{
    return i < w.n / 2 ? (uint16_t)(w.p[2 * i] << 8 | w.p[2 * i + 1]) : 0;
}

uint32_t pg_word32(struct phi_view w, size_t i)
{
    return i < w.n / 4 ? be32(w.p + 4 * i) : 0;
}

bool pg_status_read(struct phi_view body, struct phi_view *name, struct phi_view *value)
{
    struct pg_rd r = { body, false };
    *name = pg_rd_str(&r);
    *value = pg_rd_str(&r);
    return pg_rd_end(&r);
}

bool pg_field_next(struct phi_view *fields, uint8_t *code, struct phi_view *value)
{
    struct pg_rd r = { *fields, false };
    *code = pg_rd8(&r);
    if (r.bad || *code == 0)
        return false;
    *value = pg_rd_str(&r);
    *fields = r.v;
    return !r.bad;
}

struct phi_view pg_field(struct phi_view fields, uint8_t code)
{
    uint8_t c = 0;
    struct phi_view value;
    while (pg_field_next(&fields, &c, &value))
        if (c == code)
            return value;
    return (struct phi_view){ 0 };
}
