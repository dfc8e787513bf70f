#include "base/id.h"

#include <string.h>

struct phi_id phi_id_make(uint64_t ms, const uint8_t random[10])
{
    uint8_t b[16];
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(b + 6, random, 10);
    b[6] = (uint8_t)(0x70 | (b[6] & 0x0f)); /* version 7 */
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f)); /* variant of RFC 9562 */

    static const char digits[] = "0123456789abcdef";
    struct phi_id id;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            id.s[at++] = '-';
        id.s[at++] = digits[b[i] >> 4];
        id.s[at++] = digits[b[i] & 15];
    }
    id.s[at] = 0;
    return id;
}

bool phi_id_read(struct phi_view text, struct phi_id *ret)
{
    if (text.n != PHI_ID_LEN)
        return false;
    for (size_t i = 0; i < PHI_ID_LEN; i++) {
        uint8_t c = text.p[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    memcpy(ret->s, text.p, PHI_ID_LEN);
    ret->s[PHI_ID_LEN] = 0;
    return true;
}

struct phi_view phi_id_view(const struct phi_id *id)
{
    return phi_view_of(id->s);
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct phi_code phi_code_make(const uint8_t random[4])
{
    uint32_t bits = (uint32_t)random[0] << 24 | (uint32_t)random[1] << 16 | (uint32_t)random[2] << 8 | random[3];
    struct phi_code c = { "" };
    for (size_t i = 0, at = 0; i < 6; i++) {
        if (i == 3)
            c.s[at++] = '-';
        c.s[at++] = crockford[bits >> (5 * i) & 31];
    }
    return c;
}

static char crockford_fold(uint8_t c)
{
    if (c >= 'a' && c <= 'z')
        c = (uint8_t)(c - 'a' + 'A');
    if (c == 'I' || c == 'L')
        return '1';
    return c == 'O' ? '0' : (char)c;
}

bool phi_code_read(struct phi_view text, struct phi_code *ret)
{
    size_t at = 0;
    struct phi_code c = { "" };
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '-')
            continue;
        char l = crockford_fold(text.p[i]);
        if (at == PHI_CODE_LEN || l == 0 || !strchr(crockford, l))
            return false;
        if (at == 3)
            c.s[at++] = '-';
        c.s[at++] = l;
    }
    if (at != PHI_CODE_LEN)
        return false;
    *ret = c;
    return true;
}
