#include "base/text.h"

#include <stdio.h>

size_t phi_utf8_next(struct phi_view v, uint32_t *ret)
{
    uint8_t c = v.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n == 0 || n > v.n)
        return 0;
    uint32_t cp = n == 1 ? c : c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((v.p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (v.p[i] & 0x3f);
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return 0;
    *ret = cp;
    return n;
}

bool phi_utf8_ok(struct phi_view v)
{
    while (v.n) {
        uint32_t cp;
        size_t n = v.p[0] < 0x80 ? 1 : phi_utf8_next(v, &cp);
        if (!n)
            return false;
        v = phi_view_from(v, n);
    }
    return true;
}

void phi_utf8_add(struct phi_buf *b, uint32_t cp)
{
    if (cp < 0x80) {
        phi_buf_addc(b, (uint8_t)cp);
        return;
    }
    int more = cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    phi_buf_addc(b, (uint8_t)(lead[more] | cp >> (6 * more)));
    while (more--)
        phi_buf_addc(b, (uint8_t)(0x80 | (cp >> (6 * more) & 0x3f)));
}

/* Code points that a reader cannot see, or that change how what stands around them is seen:
 * controls, bidi controls, fillers, variation selectors, tags, spaces that are not ' ', private use,
 * and letters dressed up as ASCII (full width, mathematical). Sorted. */
static const struct {
    uint32_t from, to;
} hidden[] = {
    { 0x00, 0x1f },       { 0x7f, 0xa0 },       { 0xad, 0xad },       { 0x34f, 0x34f },     { 0x61c, 0x61c },
    { 0x115f, 0x1160 },   { 0x1680, 0x1680 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x2000, 0x200f },
    { 0x2028, 0x202f },   { 0x205f, 0x206f },   { 0x2800, 0x2800 },   { 0x3000, 0x3000 },   { 0x3164, 0x3164 },
    { 0xe000, 0xf8ff },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },   { 0xff01, 0xff5e },   { 0xffa0, 0xffa0 },
    { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },   { 0x1d173, 0x1d17a }, { 0x1d400, 0x1d7ff }, { 0xe0000, 0x10ffff },
};

static bool is_hidden(uint32_t cp)
{
    size_t lo = 0, hi = sizeof(hidden) / sizeof(*hidden);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (cp > hidden[mid].to)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof(hidden) / sizeof(*hidden) && cp >= hidden[lo].from;
}

void phi_text_escape(struct phi_buf *b, struct phi_view v, bool multiline)
{
    while (v.n) {
        uint32_t cp = v.p[0];
        size_t n = phi_utf8_next(v, &cp);
        if (!n) {
            phi_buf_printf(b, "\\x%02x", v.p[0]);
            n = 1;
        } else if (multiline && (cp == '\n' || cp == '\t')) {
            phi_buf_addc(b, (uint8_t)cp);
        } else if (is_hidden(cp)) {
            phi_buf_printf(b, cp < 0x100 ? "\\x%02x" : "\\u{%x}", cp);
        } else {
            if (cp == '\\' && v.n > 1 && (v.p[1] == 'x' || v.p[1] == 'u'))
                phi_buf_addc(b, '\\');
            phi_buf_add(b, phi_view_upto(v, n));
        }
        v = phi_view_from(v, n);
    }
}

static const struct {
    int64_t ms;
    char letter;
    const char *name;
} units[] = { { 86400000, 'd', "d" }, { 3600000, 'h', "h" }, { 60000, 'm', "min" }, { 1000, 's', "s" } };

void phi_text_duration(struct phi_buf *b, int64_t ms)
{
    int shown = 0;
    for (size_t i = 0; i < 4 && shown < 2; i++) {
        int64_t n = ms > 0 ? ms / units[i].ms : 0;
        if (n > 0) {
            phi_buf_printf(b, "%s%lld %s", shown ? " " : "", (long long)n, units[i].name);
            ms -= n * units[i].ms;
        }
        shown += n > 0 || shown > 0;
    }
    if (!shown)
        phi_buf_adds(b, "0 s");
}

bool phi_text_duration_read(struct phi_view v, int64_t *ret)
{
    int64_t sum = 0;
    size_t unit = 0;
    if (!v.n)
        return false;
    while (v.n) {
        int64_t n;
        size_t digits = 0;
        while (digits < v.n && v.p[digits] >= '0' && v.p[digits] <= '9')
            digits++;
        if (!digits || digits == v.n || digits > 9 || !phi_view_int(phi_view_upto(v, digits), &n))
            return false;
        while (unit < 4 && units[unit].letter != (char)v.p[digits])
            unit++;
        if (unit == 4)
            return false; /* unknown, or not from large to small */
        sum += n * units[unit++].ms;
        v = phi_view_from(v, digits + 1);
    }
    if (sum <= 0 || sum > 366LL * 86400000)
        return false;
    *ret = sum;
    return true;
}

/* Days since 1970 to a date of the proleptic Gregorian calendar and back (Hinnant, "chrono-compatible
 * low-level date algorithms"): without the C library's time zone state. */
static void civil_from_days(int64_t z, int64_t *y, int64_t *m, int64_t *d)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = yoe + era * 400 + (*m <= 2);
}

static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void phi_text_time(struct phi_buf *b, int64_t unix_ms)
{
    int64_t day = unix_ms / 86400000, ms = unix_ms % 86400000, y, m, d;
    if (ms < 0) {
        ms += 86400000;
        day--;
    }
    civil_from_days(day, &y, &m, &d);
    phi_buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)y, (int)m, (int)d, (int)(ms / 3600000),
                   (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

bool phi_text_time_read(struct phi_view v, int64_t *ret)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    int64_t f[7] = { 0 };
    size_t field = 0;
    if (v.n != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (shape[i] != 'd') {
            if (v.p[i] != (uint8_t)shape[i])
                return false;
            field++;
        } else if (v.p[i] < '0' || v.p[i] > '9') {
            return false;
        } else {
            f[field] = f[field] * 10 + (v.p[i] - '0');
        }
    }
    if (f[1] < 1 || f[1] > 12 || f[2] < 1 || f[3] > 23 || f[4] > 59 || f[5] > 59)
        return false;
    int64_t day = days_from_civil(f[0], f[1], f[2]), y, m, d;
    civil_from_days(day, &y, &m, &d);
    if (m != f[1] || d != f[2])
        return false; /* the 30th of February */
    *ret = ((day * 24 + f[3]) * 60 + f[4]) * 60000 + f[5] * 1000 + f[6];
    return true;
}
