/* Both base64 alphabets of RFC 4648, written once over a table, read strictly. */
#include <string.h>

#include "base/hash.h"

static const char std_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct phi_buf *b, struct phi_view v, const char *chars)
{
    uint8_t *p = phi_buf_room(b, v.n / 3 * 4 + (v.n % 3 ? v.n % 3 + 1 : 0));
    size_t at = 0;
    for (size_t i = 0; p && i < v.n; i += 3) {
        size_t left = v.n - i;
        uint32_t w = (uint32_t)v.p[i] << 16;
        if (left > 1)
            w |= (uint32_t)v.p[i + 1] << 8;
        if (left > 2)
            w |= v.p[i + 2];
        size_t chars_out = left > 2 ? 4 : left + 1;
        for (size_t k = 0; k < chars_out; k++)
            p[at++] = (uint8_t)chars[w >> (18 - 6 * k) & 63];
    }
    phi_buf_commit(b, at);
}

static bool decode(struct phi_view text, const char *chars, struct phi_buf *ret)
{
    if (text.n % 4 == 1)
        return false;
    for (size_t i = 0; i < text.n; i += 4) {
        size_t n = text.n - i < 4 ? text.n - i : 4;
        uint32_t w = 0;
        for (size_t k = 0; k < n; k++) {
            const char *at = memchr(chars, text.p[i + k], 64);
            if (!at)
                return false;
            w |= (uint32_t)(at - chars) << (18 - 6 * k);
        }
        if (w & (0xffffffU >> (8 * (n - 1))))
            return false; /* bits past the last byte: two texts would mean the same bytes */
        for (size_t k = 0; k + 1 < n; k++)
            phi_buf_addc(ret, (uint8_t)(w >> (16 - 8 * k)));
    }
    return phi_buf_ok(ret);
}

void phi_b64u_add(struct phi_buf *b, struct phi_view v)
{
    encode(b, v, url_chars);
}

bool phi_b64u_read(struct phi_view text, struct phi_buf *ret)
{
    return decode(text, url_chars, ret);
}

void phi_b64_add(struct phi_buf *b, struct phi_view v)
{
    encode(b, v, std_chars);
    for (size_t i = v.n; i % 3; i++)
        phi_buf_addc(b, '=');
}

bool phi_b64_read(struct phi_view text, struct phi_buf *ret)
{
    if (text.n % 4)
        return false;
    if (text.n && text.p[text.n - 1] == '=')
        text.n -= text.p[text.n - 2] == '=' ? 2 : 1;
    return decode(text, std_chars, ret);
}
