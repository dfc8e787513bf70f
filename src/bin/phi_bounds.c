/* How long, from when, how much and at which hours: the options that a request and an approval share. */
#include <string.h>

#include "base/os.h"
#include "base/text.h"
#include "bin/phi.h"

static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* "2026-12-01T08:00:00.000Z", "2026-12-01T08:00Z", or "2h": from now. */
static bool moment(const char *text, int64_t *ret_ms)
{
    PHI_BUF(full, 64);
    int64_t later;
    struct phi_view v = phi_view_of(text);
    if (phi_text_duration_read(v, &later)) {
        *ret_ms = phi_now_wall_ms() + later;
        return true;
    }
    if (v.n == 17 && v.p[16] == 'Z') {
        phi_buf_add(&full, phi_view_upto(v, 16));
        phi_buf_adds(&full, ":00.000Z");
        v = phi_buf_view(&full);
    }
    return phi_text_time_read(v, ret_ms);
}

static bool day_of(struct phi_view name, int *ret)
{
    for (int i = 0; i < 7; i++)
        if (phi_view_is(name, day_names[i])) {
            *ret = i;
            return true;
        }
    return false;
}

/* "mon-fri", "sat,sun", "daily" as bits. */
static bool days_of(struct phi_view text, unsigned *ret)
{
    struct phi_view part;
    *ret = phi_view_is(text, "daily") ? 0x7f : 0;
    while (*ret != 0x7f && phi_view_split(&text, ',', &part)) {
        struct phi_view to = part, from;
        int a, b;
        phi_view_split(&to, '-', &from);
        if (!day_of(from, &a) || !day_of(to.n ? to : from, &b))
            return false;
        for (int i = a;; i = (i + 1) % 7) {
            *ret |= 1U << i;
            if (i == b)
                break;
        }
    }
    return *ret != 0;
}

static bool minute_of(struct phi_view text, int64_t *ret)
{
    int64_t h, m;
    struct phi_view rest = text, hour;
    if (text.n != 5 || text.p[2] != ':')
        return false;
    phi_view_split(&rest, ':', &hour);
    *ret = phi_view_int(hour, &h) && phi_view_int(rest, &m) && h >= 0 && h < 24 && m >= 0 && m < 60 ? 60 * h + m : -1;
    return *ret >= 0;
}

bool cli_hours_read(const char *text, struct cli_hours *ret)
{
    struct phi_view rest = phi_view_of(text), days, from;
    const char *blank = strchr(text, ' ');
    ret->days = 0x7f;
    if (blank) {
        phi_view_split(&rest, ' ', &days);
        if (!days_of(days, &ret->days))
            return false;
    }
    phi_view_split(&rest, '-', &from);
    return minute_of(from, &ret->from_min) && minute_of(rest, &ret->to_min);
}

void cli_days_json(struct phi_jw *w, unsigned days)
{
    phi_jw_arr(w);
    for (int i = 0; i < 7; i++)
        if (days >> i & 1)
            phi_jw_int(w, i + 1);
    phi_jw_end(w);
}

static enum phi_rc windows(struct cli *c, struct phi_jw *w, struct phi_err *err)
{
    if (!cli_has(c, OPT_WINDOW))
        return PHI_OK;
    phi_jw_key(w, "windows");
    phi_jw_arr(w);
    for (int i = 0; i < c->n_opt[OPT_WINDOW]; i++) {
        struct cli_hours h;
        if (!cli_hours_read(c->opt[OPT_WINDOW][i], &h) || h.from_min == h.to_min)
            return phi_fail(err, PHI_EINPUT, "--window takes days and hours (UTC) such as \"mon-fri 02:00-03:00\", not \"%.60s\"", c->opt[OPT_WINDOW][i]);
        phi_jw_obj(w);
        phi_jw_key(w, "days");
        cli_days_json(w, h.days);
        phi_jw_ki(w, "for_min", (h.to_min - h.from_min + 1440) % 1440);
        phi_jw_ki(w, "from_min", h.from_min);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    return PHI_OK;
}

/* "rows=100,bytes=1000000" as members. */
static enum phi_rc budget(struct cli *c, struct phi_jw *w, struct phi_err *err)
{
    struct phi_view rest = phi_view_of(cli_opt(c, OPT_BUDGET)), part;
    while (phi_view_split(&rest, ',', &part)) {
        struct phi_view value = part, key;
        int64_t n;
        phi_view_split(&value, '=', &key);
        const char *name = phi_view_is(key, "rows") ? "rows" : phi_view_is(key, "bytes") ? "bytes" : phi_view_is(key, "statements") ? "statements" : NULL;
        if (!name || !phi_view_int(value, &n) || n < 1)
            return phi_fail(err, PHI_EINPUT, "--budget takes rows=N, bytes=N or statements=N with commas between, not \"%.60s\"", cli_opt(c, OPT_BUDGET));
        phi_jw_ki(w, name, n);
    }
    return PHI_OK;
}

enum phi_rc cli_bounds_json(struct cli *c, struct phi_jw *w, bool narrowing, struct phi_err *err)
{
    int64_t ms, uses;
    const char *how_long = cli_opt(c, OPT_FOR), *times = cli_opt(c, OPT_USES), *from = cli_opt(c, OPT_FROM), *to = cli_opt(c, OPT_TO);
    if (how_long && !phi_text_duration_read(phi_view_of(how_long), &ms))
        return phi_fail(err, PHI_EINPUT, "--for takes a time such as 10m or 1h30m, 366d at most, not %.60s", how_long);
    if (how_long || (!narrowing && !to))
        phi_jw_ki(w, "for_ms", how_long ? ms : 15LL * 60 * 1000);
    if (times && (!phi_view_int(phi_view_of(times), &uses) || uses < 1))
        return phi_fail(err, PHI_EINPUT, "--uses takes a number from 1, not %.60s", times);
    if (times)
        phi_jw_ki(w, "uses", uses);
    if ((from && !moment(from, &ms)) || (to && !moment(to, &ms)))
        return phi_fail(err, PHI_EINPUT, "--from and --to take a moment such as 2026-12-01T08:00Z, or 2h for two hours from now");
    if (from && moment(from, &ms))
        phi_jw_ki(w, "from_ms", ms);
    if (to && moment(to, &ms))
        phi_jw_ki(w, "until_ms", ms);
    if (!cli_has(c, OPT_BUDGET))
        return narrowing ? PHI_OK : windows(c, w, err);
    if (!narrowing) {
        phi_jw_key(w, "budget");
        phi_jw_obj(w);
    }
    PHI_TRY(budget(c, w, err));
    if (!narrowing)
        phi_jw_end(w);
    return narrowing ? PHI_OK : windows(c, w, err);
}
