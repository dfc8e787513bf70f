#include "policy/ext.h"

static const struct cedar_fn_info fns[] = {
    [FN_DECIMAL] = { "decimal", false, 1 },
    [FN_IP] = { "ip", false, 1 },
    [FN_DATETIME] = { "datetime", false, 1 },
    [FN_DURATION] = { "duration", false, 1 },
    [FN_LESS_THAN] = { "lessThan", true, 2 },
    [FN_LESS_THAN_OR_EQUAL] = { "lessThanOrEqual", true, 2 },
    [FN_GREATER_THAN] = { "greaterThan", true, 2 },
    [FN_GREATER_THAN_OR_EQUAL] = { "greaterThanOrEqual", true, 2 },
    [FN_IS_IPV4] = { "isIpv4", true, 1 },
    [FN_IS_IPV6] = { "isIpv6", true, 1 },
    [FN_IS_LOOPBACK] = { "isLoopback", true, 1 },
    [FN_IS_MULTICAST] = { "isMulticast", true, 1 },
    [FN_IS_IN_RANGE] = { "isInRange", true, 2 },
    [FN_OFFSET] = { "offset", true, 2 },
    [FN_DURATION_SINCE] = { "durationSince", true, 2 },
    [FN_TO_DATE] = { "toDate", true, 1 },
    [FN_TO_TIME] = { "toTime", true, 1 },
    [FN_TO_MILLISECONDS] = { "toMilliseconds", true, 1 },
    [FN_TO_SECONDS] = { "toSeconds", true, 1 },
    [FN_TO_MINUTES] = { "toMinutes", true, 1 },
    [FN_TO_HOURS] = { "toHours", true, 1 },
    [FN_TO_DAYS] = { "toDays", true, 1 },
};

#define DAY_MS INT64_C(86400000)

bool cedar_fn_find(struct phi_view name, enum cedar_fn *ret)
{
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++) {
        if (!phi_view_is(name, fns[i].name))
            continue;
        *ret = (enum cedar_fn)i;
        return true;
    }
    return false;
}

const struct cedar_fn_info *cedar_fn_info(enum cedar_fn fn)
{
    return &fns[fn];
}

bool cedar_ext_find(struct phi_view type, enum cedar_ext *ret)
{
    static const char *const names[] = { "decimal", "ipaddr", "datetime", "duration" };
    for (size_t i = 0; i < 4; i++) {
        if (!phi_view_is(type, names[i]))
            continue;
        *ret = (enum cedar_ext)i;
        return true;
    }
    return false;
}

static const struct phi_value *number(struct phi_arena *a, enum cedar_ext kind, int64_t n)
{
    struct phi_value *v = phi_arena_new(a, struct phi_value);
    if (!v)
        return NULL;
    v->kind = PHI_VALUE_EXT;
    v->u.ext.kind = kind;
    v->u.ext.n = n;
    return v;
}

/* Decimal digits at the front of *v, at least one and at most `max`; -1 is none, -2 too large. */
static int64_t take_digits(struct phi_view *v, size_t max, size_t *took)
{
    int64_t n = 0;
    size_t i = 0;
    bool over = false;
    for (; i < v->n && i < max && v->p[i] >= '0' && v->p[i] <= '9'; i++)
        over |= __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, v->p[i] - '0', &n);
    *v = phi_view_from(*v, i);
    *took = i;
    return i == 0 ? -1 : over ? -2 : n;
}

static bool take_char(struct phi_view *v, uint8_t c)
{
    if (v->n == 0 || v->p[0] != c)
        return false;
    *v = phi_view_from(*v, 1);
    return true;
}

static const struct phi_value *read_decimal(struct phi_arena *a, struct phi_view v)
{
    int sign = take_char(&v, '-') ? -1 : 1;
    size_t took = 0, frac = 0;
    int64_t n = 0, part = 0;
    while (v.n > 0 && v.p[0] >= '0' && v.p[0] <= '9') { /* signed on the way, for the least value */
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, sign * (v.p[0] - '0'), &n))
            return NULL;
        v = phi_view_from(v, 1);
        took++;
    }
    if (took == 0 || !take_char(&v, '.') || v.n > 4)
        return NULL;
    part = take_digits(&v, 4, &frac);
    if (part < 0 || v.n > 0)
        return NULL;
    for (size_t i = frac; i < 4; i++)
        part *= 10;
    if (__builtin_mul_overflow(n, 10000, &n) || __builtin_add_overflow(n, sign * part, &n))
        return NULL;
    return number(a, CEDAR_DECIMAL, n);
}

static bool exactly(struct phi_view *v, size_t digits, int64_t max, int64_t *ret)
{
    size_t took = 0;
    *ret = take_digits(v, digits, &took);
    return took == digits && *ret <= max;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool read_date(struct phi_view *v, int64_t *days)
{
    static const int64_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t y = 0, m = 0, d = 0;
    if (!exactly(v, 4, 9999, &y) || !take_char(v, '-') || !exactly(v, 2, 12, &m) ||
        !take_char(v, '-') || !exactly(v, 2, 31, &d) || m < 1 || d < 1)
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    *days = days_of(y, m, d);
    return d <= lengths[m - 1] + (m == 2 && leap);
}

static bool read_zone(struct phi_view *v, int64_t *ms)
{
    int64_t h = 0, m = 0;
    *ms = 0;
    if (take_char(v, 'Z'))
        return v->n == 0;
    bool plus = take_char(v, '+');
    if (!plus && !take_char(v, '-'))
        return false;
    if (!exactly(v, 2, 23, &h) || !exactly(v, 2, 59, &m) || v->n > 0)
        return false;
    *ms = (h * 60 + m) * 60000 * (plus ? 1 : -1);
    return true;
}

static const struct phi_value *read_datetime(struct phi_arena *a, struct phi_view v)
{
    int64_t days = 0, h = 0, m = 0, s = 0, ms = 0, zone = 0;
    if (!read_date(&v, &days))
        return NULL;
    if (v.n == 0)
        return number(a, CEDAR_DATETIME, days * DAY_MS);
    if (!take_char(&v, 'T') || !exactly(&v, 2, 23, &h) || !take_char(&v, ':') ||
        !exactly(&v, 2, 59, &m) || !take_char(&v, ':') || !exactly(&v, 2, 59, &s))
        return NULL;
    if (take_char(&v, '.') && !exactly(&v, 3, 999, &ms))
        return NULL;
    if (!read_zone(&v, &zone))
        return NULL;
    return number(a, CEDAR_DATETIME,
                  days * DAY_MS + ((h * 60 + m) * 60 + s) * 1000 + ms - zone);
}

static const struct phi_value *read_duration(struct phi_arena *a, struct phi_view v)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "d", DAY_MS }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
    int64_t sum = 0;
    int sign = take_char(&v, '-') ? -1 : 1;
    size_t next = 0;
    if (v.n == 0)
        return NULL;
    while (v.n > 0) {
        int64_t n = 0;
        size_t digits = 0;
        for (; v.n > 0 && v.p[0] >= '0' && v.p[0] <= '9'; digits++) {
            if (__builtin_mul_overflow(n, 10, &n) ||
                __builtin_add_overflow(n, sign * (v.p[0] - '0'), &n))
                return NULL;
            v = phi_view_from(v, 1);
        }
        struct phi_view unit = phi_view_upto(v, 1);
        if (v.n > 1 && v.p[0] == 'm' && v.p[1] == 's')
            unit = phi_view_upto(v, 2);
        while (next < 5 && !phi_view_is(unit, units[next].unit))
            next++;
        if (digits == 0 || next == 5 || __builtin_mul_overflow(n, units[next].ms, &n) ||
            __builtin_add_overflow(sum, n, &sum))
            return NULL;
        v = phi_view_from(v, unit.n);
        next++;
    }
    return number(a, CEDAR_DURATION, sum);
}

/* A number without leading zeros, at most `max`, all of `v`. */
static bool small_number(struct phi_view v, size_t digits, int64_t max, int64_t *ret)
{
    size_t took = 0;
    if (v.n == 0 || v.n > digits || (v.p[0] == '0' && v.n > 1))
        return false;
    *ret = take_digits(&v, digits, &took);
    return *ret >= 0 && *ret <= max && v.n == 0;
}

static bool split_at(struct phi_view v, uint8_t c, struct phi_view *left, struct phi_view *right)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != c)
            continue;
        *left = phi_view_upto(v, i);
        *right = phi_view_from(v, i + 1);
        return true;
    }
    return false;
}

static bool read_v4(struct phi_view v, uint8_t ip[16])
{
    for (int i = 0; i < 4; i++) {
        struct phi_view part = v, rest = { 0 };
        int64_t n = 0;
        if (split_at(v, '.', &part, &rest) == (i == 3) || !small_number(part, 3, 255, &n))
            return false;
        ip[i] = (uint8_t)n;
        v = rest;
    }
    return true;
}

static bool hex_group(struct phi_view v, uint16_t *ret)
{
    unsigned n = 0;
    if (v.n == 0 || v.n > 4)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            n = n * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            n = n * 16 + (low - 'a' + 10U);
        else
            return false;
    }
    *ret = (uint16_t)n;
    return true;
}

/* Groups separated by ':'; none when empty. Their number, or -1. */
static int hex_groups(struct phi_view v, uint16_t out[8])
{
    int n = 0;
    for (bool more = v.n > 0; more;) {
        struct phi_view part = v, rest = { 0 };
        more = split_at(v, ':', &part, &rest);
        if (n == 8 || !hex_group(part, &out[n]))
            return -1;
        n++;
        v = rest;
    }
    return n;
}

static bool read_v6(struct phi_view v, uint8_t ip[16])
{
    uint16_t head[8] = { 0 }, tail[8] = { 0 };
    size_t gap = v.n;
    for (size_t i = 0; i + 1 < v.n && gap == v.n; i++)
        if (v.p[i] == ':' && v.p[i + 1] == ':')
            gap = i;
    int n = hex_groups(phi_view_upto(v, gap), head), m = 0;
    if (gap < v.n)
        m = hex_groups(phi_view_from(v, gap + 2), tail);
    if (n < 0 || m < 0 || (gap < v.n ? n + m >= 8 : n != 8))
        return false;
    for (int i = 0; i < m; i++)
        head[8 - m + i] = tail[i];
    for (int i = 0; i < 8; i++) {
        ip[2 * i] = (uint8_t)(head[i] >> 8);
        ip[2 * i + 1] = (uint8_t)head[i];
    }
    return true;
}

static const struct phi_value *read_ip(struct phi_arena *a, struct phi_view text)
{
    struct phi_view address = text, length = { 0 };
    bool has_length = split_at(text, '/', &address, &length);
    uint8_t ip[16] = { 0 };
    bool v4 = read_v4(address, ip);
    int64_t prefix = v4 ? 32 : 128;
    if (!v4) {
        for (size_t i = 0; i < 16; i++)
            ip[i] = 0;
        if (!read_v6(address, ip))
            return NULL;
    }
    if (has_length && !small_number(length, v4 ? 2 : 3, v4 ? 32 : 128, &prefix))
        return NULL;
    struct phi_value *v = phi_arena_new(a, struct phi_value);
    if (!v)
        return NULL;
    v->kind = PHI_VALUE_EXT;
    v->u.ext.kind = CEDAR_IP;
    v->u.ext.v6 = !v4;
    v->u.ext.prefix = (uint8_t)prefix;
    for (size_t i = 0; i < 16; i++)
        v->u.ext.ip[i] = ip[i];
    return v;
}

/* `net` has at most the prefix of `in`, and the same bits up to it. */
static bool in_range(const struct phi_value *net, const struct phi_value *in)
{
    if (net->u.ext.v6 != in->u.ext.v6 || net->u.ext.prefix < in->u.ext.prefix)
        return false;
    for (unsigned i = 0; i < in->u.ext.prefix; i++) {
        unsigned x = net->u.ext.ip[i / 8] ^ in->u.ext.ip[i / 8];
        if (x & (0x80U >> (i % 8)))
            return false;
    }
    return true;
}

static bool is_loopback(const struct phi_value *v)
{
    static const struct phi_value v4 = { .kind = PHI_VALUE_EXT,
                                         .u.ext = { .kind = CEDAR_IP, .prefix = 8, .ip = { 127 } } };
    static const struct phi_value v6 = {
        .kind = PHI_VALUE_EXT,
        .u.ext = { .kind = CEDAR_IP, .v6 = true, .prefix = 128, .ip = { [15] = 1 } }
    };
    return in_range(v, v->u.ext.v6 ? &v6 : &v4);
}

static bool is_multicast(const struct phi_value *v)
{
    static const struct phi_value v4 = { .kind = PHI_VALUE_EXT,
                                         .u.ext = { .kind = CEDAR_IP, .prefix = 4, .ip = { 224 } } };
    static const struct phi_value v6 = {
        .kind = PHI_VALUE_EXT,
        .u.ext = { .kind = CEDAR_IP, .v6 = true, .prefix = 8, .ip = { 0xff } }
    };
    return in_range(v, v->u.ext.v6 ? &v6 : &v4);
}

static const struct phi_value *moved(struct phi_arena *a, int64_t t, int64_t by)
{
    int64_t n = 0;
    return __builtin_add_overflow(t, by, &n) ? NULL : number(a, CEDAR_DATETIME, n);
}

static const struct phi_value *since(struct phi_arena *a, int64_t t, int64_t other)
{
    int64_t n = 0;
    return __builtin_sub_overflow(t, other, &n) ? NULL : number(a, CEDAR_DURATION, n);
}

static int64_t time_of_day(int64_t t)
{
    int64_t r = t % DAY_MS;
    return r < 0 ? r + DAY_MS : r;
}

static const struct phi_value *day_start(struct phi_arena *a, int64_t t)
{
    int64_t n = 0;
    return __builtin_sub_overflow(t, time_of_day(t), &n) ? NULL : number(a, CEDAR_DATETIME, n);
}

static bool is_ext(const struct phi_value *v, enum cedar_ext kind)
{
    return v->kind == PHI_VALUE_EXT && v->u.ext.kind == kind;
}

static bool takes(enum cedar_fn fn, const struct phi_value *const *args)
{
    enum cedar_ext first, second = CEDAR_DECIMAL;
    if (fn <= FN_DURATION)
        return args[0]->kind == PHI_VALUE_STRING;
    if (fn <= FN_GREATER_THAN_OR_EQUAL)
        first = CEDAR_DECIMAL;
    else if (fn <= FN_IS_IN_RANGE)
        first = second = CEDAR_IP;
    else if (fn <= FN_TO_TIME)
        first = CEDAR_DATETIME, second = fn == FN_OFFSET ? CEDAR_DURATION : CEDAR_DATETIME;
    else
        first = CEDAR_DURATION;
    return is_ext(args[0], first) && (fns[fn].n < 2 || is_ext(args[1], second));
}

const struct phi_value *cedar_fn_call(struct phi_arena *a, enum cedar_fn fn,
                                      const struct phi_value *const *args)
{
    if (!takes(fn, args))
        return NULL;
    const struct phi_value *v = args[0], *w = fns[fn].n > 1 ? args[1] : NULL;
    int64_t n = v->u.ext.n;
    switch (fn) {
    case FN_DECIMAL: return read_decimal(a, v->u.s);
    case FN_IP: return read_ip(a, v->u.s);
    case FN_DATETIME: return read_datetime(a, v->u.s);
    case FN_DURATION: return read_duration(a, v->u.s);
    case FN_LESS_THAN: return cedar_bool(n < w->u.ext.n);
    case FN_LESS_THAN_OR_EQUAL: return cedar_bool(n <= w->u.ext.n);
    case FN_GREATER_THAN: return cedar_bool(n > w->u.ext.n);
    case FN_GREATER_THAN_OR_EQUAL: return cedar_bool(n >= w->u.ext.n);
    case FN_IS_IPV4: return cedar_bool(!v->u.ext.v6);
    case FN_IS_IPV6: return cedar_bool(v->u.ext.v6);
    case FN_IS_LOOPBACK: return cedar_bool(is_loopback(v));
    case FN_IS_MULTICAST: return cedar_bool(is_multicast(v));
    case FN_IS_IN_RANGE: return cedar_bool(in_range(v, w));
    case FN_OFFSET: return moved(a, n, w->u.ext.n);
    case FN_DURATION_SINCE: return since(a, n, w->u.ext.n);
    case FN_TO_DATE: return day_start(a, n);
    case FN_TO_TIME: return number(a, CEDAR_DURATION, time_of_day(n));
    case FN_TO_MILLISECONDS: return phi_value_long(a, n);
    case FN_TO_SECONDS: return phi_value_long(a, n / 1000);
    case FN_TO_MINUTES: return phi_value_long(a, n / 60000);
    case FN_TO_HOURS: return phi_value_long(a, n / 3600000);
    case FN_TO_DAYS: return phi_value_long(a, n / DAY_MS);
    }
    return NULL;
}
