#include "base/zone.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/os.h"

#define FOLDER "/usr/share/zoneinfo/"
#define FILE_MAX 65536
#define TIMES_MAX 4096
#define TYPES_MAX 256
#define DAY 86400

/* ---- the rule at the end of a file: "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX TZ, RFC 9636 section 3.3.1) */

struct change {
    char kind;        /* 'M' month, week, day; 'J' 1 to 365, no leap day; 'n' 0 to 365 */
    int month, week, day;
    int64_t at_s;     /* local time of day; may lie outside the day */
};
struct rule {
    int64_t std_s, dst_s; /* east of UTC */
    bool has_dst;
    struct change to_dst, to_std;
};

struct phi_zone {
    int64_t time[TIMES_MAX];
    uint8_t type[TIMES_MAX];
    size_t n_times;
    int32_t offset[TYPES_MAX];
    size_t n_types;
    bool has_rule;
    struct rule rule;
};

static bool take(struct phi_view *v, uint8_t c)
{
    if (v->n == 0 || v->p[0] != c)
        return false;
    *v = phi_view_from(*v, 1);
    return true;
}

static bool number(struct phi_view *v, int64_t max, int64_t *ret)
{
    size_t n = 0;
    *ret = 0;
    for (; n < v->n && n < 4 && v->p[n] >= '0' && v->p[n] <= '9'; n++)
        *ret = 10 * *ret + (v->p[n] - '0');
    *v = phi_view_from(*v, n);
    return n > 0 && *ret <= max;
}

static bool zone_name(struct phi_view *v)
{
    bool quoted = take(v, '<');
    size_t n = 0;
    while (n < v->n && (quoted ? v->p[n] != '>' : (v->p[n] | 32) >= 'a' && (v->p[n] | 32) <= 'z'))
        n++;
    *v = phi_view_from(*v, n);
    return n >= 3 && (!quoted || take(v, '>'));
}

/* [+-]h[:m[:s]], at most a week */
static bool time_of(struct phi_view *v, int64_t *ret)
{
    int64_t h, m = 0, s = 0;
    int sign = take(v, '-') ? -1 : 1;
    if (sign == 1)
        take(v, '+');
    if (!number(v, 167, &h) || (take(v, ':') && (!number(v, 59, &m) || (take(v, ':') && !number(v, 59, &s)))))
        return false;
    *ret = sign * (3600 * h + 60 * m + s);
    return true;
}

static bool change_of(struct phi_view *v, struct change *c)
{
    int64_t a, b, d;
    *c = (struct change){ .at_s = 7200 };
    if (!take(v, ','))
        return false;
    if (take(v, 'M')) {
        if (!number(v, 12, &a) || !take(v, '.') || !number(v, 5, &b) || !take(v, '.') || !number(v, 6, &d) || a < 1 || b < 1)
            return false;
        *c = (struct change){ 'M', (int)a, (int)b, (int)d, 7200 };
    } else {
        c->kind = take(v, 'J') ? 'J' : 'n';
        if (!number(v, 365, &d) || (c->kind == 'J' && d < 1))
            return false;
        c->day = (int)d;
    }
    return !take(v, '/') || time_of(v, &c->at_s);
}

static bool rule_of(struct phi_view v, struct rule *r)
{
    int64_t west;
    *r = (struct rule){ 0 };
    if (!zone_name(&v) || !time_of(&v, &west))
        return false;
    r->std_s = -west;
    if (v.n == 0)
        return true;
    r->has_dst = true;
    r->dst_s = r->std_s + 3600;
    if (!zone_name(&v))
        return false;
    if (v.n && v.p[0] != ',') {
        if (!time_of(&v, &west))
            return false;
        r->dst_s = -west;
    }
    return change_of(&v, &r->to_dst) && change_of(&v, &r->to_std) && v.n == 0;
}

/* ---- the calendar: days since 1970 (proleptic Gregorian) */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t year_start(int64_t y)
{
    int64_t p = y - 1;
    return 365 * (y - 1970) + floor_div(p, 4) - floor_div(p, 100) + floor_div(p, 400) - 477;
}

static int64_t year_of(int64_t day)
{
    int64_t y = 1970 + floor_div(day, 366);
    while (year_start(y + 1) <= day)
        y++;
    while (year_start(y) > day)
        y--;
    return y;
}

static int64_t change_day(const struct change *c, int64_t year)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
    int64_t first = year_start(year);
    if (c->kind == 'n')
        return first + c->day;
    if (c->kind == 'J')
        return first + c->day - 1 + (leap(year) && c->day > 59);
    int64_t month = first + before[c->month - 1] + (leap(year) && c->month > 2);
    int64_t length = before[c->month] - before[c->month - 1] + (leap(year) && c->month == 2);
    int64_t weekday = (((month + 4) % 7) + 7) % 7; /* 1970-01-01 was a Thursday; 0 is Sunday */
    int64_t day = (c->day - weekday + 7) % 7 + 7 * (c->week - 1);
    while (day >= length)
        day -= 7;
    return month + day;
}

static int64_t rule_offset(const struct rule *r, int64_t unix_s)
{
    if (!r->has_dst)
        return r->std_s;
    int64_t year = year_of(floor_div(unix_s + r->std_s, DAY));
    int64_t begin = change_day(&r->to_dst, year) * DAY + r->to_dst.at_s - r->std_s;
    int64_t end = change_day(&r->to_std, year) * DAY + r->to_std.at_s - r->dst_s;
    bool dst = begin < end ? unix_s >= begin && unix_s < end : unix_s >= begin || unix_s < end;
    return dst ? r->dst_s : r->std_s;
}

/* ---- the file (RFC 9636 section 3) */

struct head {
    uint8_t version;
    uint64_t isut, isstd, leaps, times, types, chars;
};

static uint64_t big(const uint8_t *p, size_t n)
{
    uint64_t x = 0;
    for (size_t i = 0; i < n; i++)
        x = x << 8 | p[i];
    return x;
}

static bool head_of(struct phi_view *v, struct head *h)
{
    if (v->n < 44 || memcmp(v->p, "TZif", 4) != 0)
        return false;
    const uint8_t *p = v->p + 20;
    *h = (struct head){ v->p[4], big(p, 4), big(p + 4, 4), big(p + 8, 4), big(p + 12, 4), big(p + 16, 4), big(p + 20, 4) };
    *v = phi_view_from(*v, 44);
    return h->types > 0;
}

static uint64_t body_len(const struct head *h, uint64_t width)
{
    return h->times * (width + 1) + h->types * 6 + h->chars + h->leaps * (width + 4) + h->isstd + h->isut;
}

static bool body_of(struct phi_view v, const struct head *h, size_t width, struct phi_zone *z)
{
    if (h->times > TIMES_MAX || h->types > TYPES_MAX)
        return false;
    z->n_times = (size_t)h->times;
    z->n_types = (size_t)h->types;
    for (size_t i = 0; i < z->n_times; i++) {
        uint64_t t = big(v.p + i * width, width);
        z->time[i] = width == 8 ? (int64_t)t : (int32_t)(uint32_t)t;
        z->type[i] = v.p[z->n_times * width + i];
        if (z->type[i] >= z->n_types || (i && z->time[i] <= z->time[i - 1]))
            return false;
    }
    const uint8_t *types = v.p + z->n_times * (width + 1);
    for (size_t i = 0; i < z->n_types; i++) {
        z->offset[i] = (int32_t)(uint32_t)big(types + 6 * i, 4);
        if (z->offset[i] < -26 * 3600 || z->offset[i] > 26 * 3600)
            return false;
    }
    return true;
}

static bool footer_of(struct phi_view v, struct phi_zone *z)
{
    struct phi_view line;
    if (!take(&v, '\n') || !phi_view_split(&v, '\n', &line))
        return false;
    z->has_rule = line.n > 0;
    return line.n == 0 || rule_of(line, &z->rule);
}

static bool file_of(struct phi_view v, struct phi_zone *z)
{
    struct head h;
    if (!head_of(&v, &h) || body_len(&h, 4) > v.n)
        return false;
    if (h.version < '2')
        return body_of(v, &h, 4, z);
    v = phi_view_from(v, (size_t)body_len(&h, 4));
    if (!head_of(&v, &h) || body_len(&h, 8) > v.n)
        return false;
    return body_of(v, &h, 8, z) && footer_of(phi_view_from(v, (size_t)body_len(&h, 8)), z);
}

enum phi_rc phi_zone_read(struct phi_view tzif, struct phi_zone **ret, struct phi_err *err)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (file_of(tzif, *ret))
        return PHI_OK;
    phi_zone_close(*ret);
    *ret = NULL;
    return phi_fail(err, PHI_EINPUT, "this is no time zone file");
}

bool phi_zone_name_ok(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i], low = c | 32;
        bool word = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
        bool slash = c == '/' && i > 0 && i + 1 < v.n && v.p[i - 1] != '/';
        if (!word && !slash)
            return false;
    }
    return v.n > 0 && v.n <= PHI_ZONE_NAME_MAX;
}

enum phi_rc phi_zone_open(struct phi_view name, struct phi_zone **ret, struct phi_err *err)
{
    PHI_BUF(path, sizeof FOLDER + PHI_ZONE_NAME_MAX + 1);
    PHI_BUF(text, FILE_MAX);
    *ret = NULL;
    if (!phi_zone_name_ok(name))
        return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" is no name of a time zone, such as Europe/Berlin",
                        PHI_ARG(phi_view_upto(name, PHI_ZONE_NAME_MAX)));
    if (phi_view_is(name, "UTC")) {
        *ret = calloc(1, sizeof **ret);
        if (!*ret)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        (*ret)->n_types = 1;
        return PHI_OK;
    }
    phi_buf_adds(&path, FOLDER);
    phi_buf_add(&path, name);
    if (phi_file_read(phi_buf_str(&path), FILE_MAX, &text, NULL) != PHI_OK)
        return phi_fail(err, PHI_EINPUT, "this machine knows no time zone \"" PHI_FMT "\" (" FOLDER "; package tzdata)", PHI_ARG(name));
    return phi_zone_read(phi_buf_view(&text), ret, err);
}

void phi_zone_close(struct phi_zone *z)
{
    free(z);
}

int64_t phi_zone_offset(const struct phi_zone *z, int64_t unix_s)
{
    size_t lo = 0, hi = z->n_times;
    if (z->has_rule && (hi == 0 || unix_s >= z->time[hi - 1]))
        return rule_offset(&z->rule, unix_s);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (z->time[mid] <= unix_s)
            lo = mid + 1;
        else
            hi = mid;
    }
    return z->offset[lo ? z->type[lo - 1] : 0];
}
