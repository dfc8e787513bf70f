/* The streaming writer and the canonical form. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

void phi_jw_init(struct phi_jw *w, struct phi_buf *out)
{
    *w = (struct phi_jw){ .out = out };
}

static uint64_t level_bit(const struct phi_jw *w)
{
    return 1ULL << (w->depth & 63);
}

/* Comma and order: called before each value (and each key). */
static bool item(struct phi_jw *w, bool is_key)
{
    bool in_obj = w->depth > 0 && (w->in_obj & level_bit(w));
    if (in_obj ? is_key == w->after_key : is_key) {
        w->out->bad = true;
        return false;
    }
    if (!w->after_key && w->depth > 0) {
        if (w->has_item & level_bit(w))
            phi_buf_addc(w->out, ',');
        w->has_item |= level_bit(w);
    }
    w->after_key = is_key;
    return true;
}

static void push(struct phi_jw *w, bool obj)
{
    if (!item(w, false))
        return;
    if (++w->depth > 63) {
        w->out->bad = true;
        return;
    }
    w->has_item &= ~level_bit(w);
    w->in_obj = obj ? w->in_obj | level_bit(w) : w->in_obj & ~level_bit(w);
    phi_buf_addc(w->out, obj ? '{' : '[');
}

void phi_jw_obj(struct phi_jw *w)
{
    push(w, true);
}

void phi_jw_arr(struct phi_jw *w)
{
    push(w, false);
}

void phi_jw_end(struct phi_jw *w)
{
    if (w->depth <= 0 || w->depth > 63 || w->after_key) {
        w->out->bad = true;
        return;
    }
    phi_buf_addc(w->out, w->in_obj & level_bit(w) ? '}' : ']');
    w->depth--;
}

/* How many bytes at the front stand for themselves: ASCII without controls, quote and backslash. */
static size_t plain_run(struct phi_view v)
{
    size_t n = 0;
    while (n < v.n && v.p[n] >= 0x20 && v.p[n] < 0x80 && v.p[n] != '"' && v.p[n] != '\\')
        n++;
    return n;
}

/* Shortest escapes (RFC 8785, 3.2.2.2): the same in every form that we write. */
static void put_string(struct phi_buf *b, struct phi_view v)
{
    static const char letters[] = "btn\0fr"; /* U+0008 … U+000D, \v has none */
    phi_buf_addc(b, '"');
    for (;;) {
        size_t run = plain_run(v);
        phi_buf_add(b, phi_view_upto(v, run));
        v = phi_view_from(v, run);
        if (!v.n)
            break;
        uint32_t cp = 0;
        size_t n = phi_utf8_next(v, &cp);
        if (!n) {
            phi_utf8_add(b, 0xfffd);
            n = 1;
        } else if (cp == '"' || cp == '\\') {
            phi_buf_addc(b, '\\');
            phi_buf_addc(b, (uint8_t)cp);
        } else if (cp >= 8 && cp <= 13 && letters[cp - 8]) {
            phi_buf_addc(b, '\\');
            phi_buf_addc(b, (uint8_t)letters[cp - 8]);
        } else if (cp < 0x20) {
            phi_buf_printf(b, "\\u%04x", cp);
        } else {
            phi_buf_add(b, phi_view_upto(v, n));
        }
        v = phi_view_from(v, n);
    }
    phi_buf_addc(b, '"');
}

void phi_jw_keyv(struct phi_jw *w, struct phi_view key)
{
    if (!item(w, true))
        return;
    put_string(w->out, key);
    phi_buf_addc(w->out, ':');
}

void phi_jw_key(struct phi_jw *w, const char *key)
{
    phi_jw_keyv(w, phi_view_of(key));
}

void phi_jw_str(struct phi_jw *w, struct phi_view v)
{
    if (item(w, false))
        put_string(w->out, v);
}

void phi_jw_raw(struct phi_jw *w, struct phi_view json)
{
    if (item(w, false))
        phi_buf_add(w->out, json);
}

void phi_jw_null(struct phi_jw *w)
{
    phi_jw_raw(w, PHI_LIT("null"));
}

void phi_jw_cstr(struct phi_jw *w, const char *s)
{
    if (s)
        phi_jw_str(w, phi_view_of(s));
    else
        phi_jw_null(w);
}

void phi_jw_int(struct phi_jw *w, int64_t v)
{
    uint8_t text[20], *at = text + sizeof(text); /* without printf: this is on the path of each statement */
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (!item(w, false))
        return;
    do
        *--at = (uint8_t)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        phi_buf_addc(w->out, '-');
    phi_buf_add(w->out, phi_view_mem(at, (size_t)(text + sizeof(text) - at)));
}

void phi_jw_bool(struct phi_jw *w, bool v)
{
    phi_jw_raw(w, v ? PHI_LIT("true") : PHI_LIT("false"));
}

void phi_jw_b64u(struct phi_jw *w, struct phi_view bytes)
{
    if (!item(w, false))
        return;
    phi_buf_addc(w->out, '"');
    phi_b64u_add(w->out, bytes);
    phi_buf_addc(w->out, '"');
}

void phi_jw_hex(struct phi_jw *w, struct phi_view bytes)
{
    if (!item(w, false))
        return;
    phi_buf_addc(w->out, '"');
    phi_hex_add(w->out, bytes);
    phi_buf_addc(w->out, '"');
}

void phi_jw_kv(struct phi_jw *w, const char *key, struct phi_view v)
{
    phi_jw_key(w, key);
    phi_jw_str(w, v);
}

void phi_jw_kc(struct phi_jw *w, const char *key, const char *v)
{
    phi_jw_key(w, key);
    phi_jw_cstr(w, v);
}

void phi_jw_ki(struct phi_jw *w, const char *key, int64_t v)
{
    phi_jw_key(w, key);
    phi_jw_int(w, v);
}

void phi_jw_kb(struct phi_jw *w, const char *key, bool v)
{
    phi_jw_key(w, key);
    phi_jw_bool(w, v);
}

/* Key order of RFC 8785: by UTF-16 code units, which differs from bytes only where a code point past
 * U+FFFF (its lead surrogate is U+D800…) meets one from U+E000 to U+FFFF. */
static uint32_t utf16_rank(uint32_t cp)
{
    return cp >= 0x10000 ? 0xd800 + ((cp - 0x10000) >> 10) : cp;
}

static int key_order(struct phi_view a, struct phi_view b)
{
    while (a.n && b.n) {
        uint32_t ca = a.p[0], cb = b.p[0];
        size_t na = phi_utf8_next(a, &ca), nb = phi_utf8_next(b, &cb);
        if (ca != cb) {
            uint32_t ra = utf16_rank(ca), rb = utf16_rank(cb);
            return ra != rb ? (ra > rb) - (ra < rb) : (ca > cb) - (ca < cb);
        }
        a = phi_view_from(a, na ? na : 1);
        b = phi_view_from(b, nb ? nb : 1);
    }
    return (a.n > 0) - (b.n > 0);
}


static int by_key(const void *x, const void *y, void *obj)
{
    const struct phi_json *v = obj;
    return key_order(v->keys[*(const size_t *)x], v->keys[*(const size_t *)y]);
}

static void write_value(struct phi_jw *w, const struct phi_json *v, bool sorted);

static void write_members(struct phi_jw *w, const struct phi_json *v, bool sorted)
{
    size_t small[32], *order = v->n <= 32 ? small : calloc(v->n, sizeof(*order));
    if (!order) {
        w->out->bad = true;
        return;
    }
    for (size_t i = 0; i < v->n; i++)
        order[i] = i;
    if (sorted)
        qsort_r(order, v->n, sizeof(*order), by_key, (void *)(uintptr_t)v);
    phi_jw_obj(w);
    for (size_t i = 0; i < v->n; i++) {
        phi_jw_keyv(w, v->keys[order[i]]);
        write_value(w, &v->items[order[i]], sorted);
    }
    phi_jw_end(w);
    if (order != small)
        free(order);
}

static void write_value(struct phi_jw *w, const struct phi_json *v, bool sorted)
{
    switch (v->kind) {
    case PHI_JSON_NULL:
        phi_jw_null(w);
        return;
    case PHI_JSON_BOOL:
        phi_jw_bool(w, v->b);
        return;
    case PHI_JSON_INT:
        phi_jw_int(w, v->i);
        return;
    case PHI_JSON_REAL:
        w->out->bad = true; /* nothing that we hash or send holds one */
        return;
    case PHI_JSON_STR:
        phi_jw_str(w, v->str);
        return;
    case PHI_JSON_ARR:
        phi_jw_arr(w);
        for (size_t i = 0; i < v->n; i++)
            write_value(w, &v->items[i], sorted);
        phi_jw_end(w);
        return;
    case PHI_JSON_OBJ:
        write_members(w, v, sorted);
        return;
    }
}

void phi_jw_value(struct phi_jw *w, const struct phi_json *v)
{
    write_value(w, v, false);
}

void phi_json_canon(struct phi_buf *out, const struct phi_json *v)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    write_value(&w, v, true);
}

enum phi_rc phi_json_canon_text(struct phi_view text, struct phi_buf *out, struct phi_err *err)
{
    PHI_ARENA(a, 64 * 1024 + 64 * text.n);
    const struct phi_json *v;
    PHI_TRY(phi_json_read(&a, text, PHI_JSON_STRICT, "JSON", &v, err));
    phi_json_canon(out, v);
    return phi_buf_ok(out) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "JSON: larger than its limit of %zu bytes", out->max);
}
