/* Escapes of Cedar's string literals: \n \r \t \\ \0 \' \" \x7f \u{10ffff}, and \* in patterns. */
#include "policy/lex.h"

#include "base/text.h"

#include <string.h>

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* \xHH with HH at most 7f. Bytes of the body taken, 0 when malformed. */
static size_t read_x(struct phi_view v, uint32_t *ret)
{
    int hi = v.n > 1 ? hex_digit(v.p[1]) : -1, lo = v.n > 2 ? hex_digit(v.p[2]) : -1;
    if (hi < 0 || hi > 7 || lo < 0)
        return 0;
    *ret = (uint32_t)(hi * 16 + lo);
    return 3;
}

static size_t read_u(struct phi_view v, uint32_t *ret)
{
    uint32_t c = 0;
    size_t digits = 0, i = 2;
    if (v.n < 2 || v.p[1] != '{')
        return 0;
    for (; i < v.n && v.p[i] != '}'; i++) {
        int d = hex_digit(v.p[i]);
        if (v.p[i] == '_' && digits > 0)
            continue;
        if (d < 0 || ++digits > 6)
            return 0;
        c = c * 16 + (uint32_t)d;
    }
    if (i >= v.n || digits == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return i + 1;
}

/* `v` begins behind the backslash. */
static size_t read_escape(struct phi_view v, uint32_t *ret)
{
    static const char from[] = "nrt\\0'\"", to[] = "\n\r\t\\\0'\"";
    if (v.n == 0)
        return 0;
    if (v.p[0] == 'x')
        return read_x(v, ret);
    if (v.p[0] == 'u')
        return read_u(v, ret);
    for (size_t i = 0; i < sizeof from - 1; i++) {
        if (v.p[0] != (uint8_t)from[i])
            continue;
        *ret = (uint8_t)to[i];
        return 1;
    }
    return 0;
}

struct unescape {
    uint8_t *out, *star;
    size_t n;
};

static size_t put(struct unescape *u, uint32_t c)
{
    uint8_t *o = u->out + u->n;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; c >>= 6)
        o[i] = (uint8_t)(0x80 | (c & 0x3f));
    o[0] = (uint8_t)(lead[n] | c);
    u->n += n;
    return n;
}

enum phi_rc cedar_unescape(struct cedar_lex *l, const struct cedar_token *t, struct phi_view *ret,
                           uint8_t **star)
{
    struct phi_view v = t->text;
    if (!star && (v.n == 0 || (!memchr(v.p, '\\', v.n) && !memchr(v.p, '\r', v.n)))) {
        *ret = v;
        return PHI_OK;
    }
    struct unescape u = { .out = phi_arena_alloc(l->arena, v.n + 1),
                          .star = star ? phi_arena_alloc(l->arena, v.n + 1) : NULL };
    if (!u.out || (star && !u.star))
        return phi_fail(l->err, PHI_ELIMIT, "%s is too large", l->file);
    for (size_t i = 0; i < v.n;) {
        uint32_t c = 0;
        if (v.p[i] == '\r')
            return cedar_fail(l, t->at, "a string may hold no bare carriage return; write \\r");
        if (v.p[i] != '\\') {
            if (u.star)
                u.star[u.n] = v.p[i] == '*';
            u.out[u.n++] = v.p[i++];
            continue;
        }
        struct phi_view rest = phi_view_from(v, i + 1);
        if (u.star && rest.n > 0 && rest.p[0] == '*') {
            u.out[u.n++] = '*';
            i += 2;
            continue;
        }
        size_t took = read_escape(rest, &c);
        if (took == 0)
            return cedar_fail(l, t->at, "this string holds an escape that Cedar does not know");
        put(&u, c);
        i += 1 + took;
    }
    *ret = phi_view_mem(u.out, u.n);
    if (star)
        *star = u.star;
    return PHI_OK;
}
