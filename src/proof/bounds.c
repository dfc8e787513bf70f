/* How long, how often, how much and when: the bounds of a request, as docs/formats.md writes them. */
#include "base/limits.h"
#include "proof/body_parts.h"

#define DAY_MIN 1440
#define WEEK_MS (7LL * DAY_MIN * 60000)

enum phi_rc proof_opt_int(const struct phi_json *v, const char *key, int64_t max, int64_t *ret, struct phi_err *err)
{
    *ret = 0;
    return phi_json_get(v, key) ? phi_json_need_int(v, key, 1, max, ret, err) : PHI_OK;
}

/* ---- windows */

static enum phi_rc days_read(const struct phi_json *v, unsigned *ret, struct phi_err *err)
{
    int64_t last = 0, day;
    if (!v || v->kind != PHI_JSON_ARR || v->n == 0)
        return phi_fail(err, PHI_EINPUT, "a window's \"days\" is a list of 1 (Monday) to 7");
    for (size_t i = 0; i < v->n; i++, last = day) {
        if (!phi_json_int(&v->items[i], &day) || day <= last || day > 7)
            return phi_fail(err, PHI_EINPUT, "a window's \"days\" are 1 (Monday) to 7, rising");
        *ret |= 1u << (day - 1);
    }
    return PHI_OK;
}

enum phi_rc phi_windows_read(struct phi_arena *a, const struct phi_json *v, const struct phi_window **ret, size_t *n,
                             struct phi_err *err)
{
    static const char *const keys[] = { "days", "for_min", "from_min", NULL };
    PHI_TRY(proof_list(v, "windows", PHI_MAX_WINDOWS, err));
    struct phi_window *w = phi_arena_array(a, v->n + 1, sizeof *w);
    if (!w || v->n == 0)
        return phi_fail(err, PHI_EINPUT, "\"windows\" has 1 to %d members, or is absent", PHI_MAX_WINDOWS);
    for (size_t i = 0; i < v->n; i++) {
        PHI_TRY(proof_obj(&v->items[i], "a window", keys, err));
        PHI_TRY(days_read(phi_json_get(&v->items[i], "days"), &w[i].days, err));
        PHI_TRY(phi_json_need_int(&v->items[i], "from_min", 0, DAY_MIN - 1, &w[i].from_min, err));
        PHI_TRY(phi_json_need_int(&v->items[i], "for_min", 1, DAY_MIN, &w[i].for_min, err));
    }
    *ret = w;
    *n = v->n;
    return PHI_OK;
}

void phi_windows_write(struct phi_jw *w, const struct phi_window *x, size_t n)
{
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_key(w, "days");
        phi_jw_arr(w);
        for (unsigned d = 0; d < 7; d++)
            if (x[i].days >> d & 1)
                phi_jw_int(w, (int64_t)d + 1);
        phi_jw_end(w);
        phi_jw_ki(w, "for_min", x[i].for_min);
        phi_jw_ki(w, "from_min", x[i].from_min);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

int64_t phi_windows_left(const struct phi_window *w, size_t n, int64_t wall_ms)
{
    int64_t best = 0;
    if (wall_ms < 0)
        return 0;
    int64_t now = (wall_ms + 3LL * DAY_MIN * 60000) % WEEK_MS; /* since Monday; 1970-01-01 was a Thursday */
    for (size_t i = 0; i < n; i++)
        for (int64_t d = 0; d < 7; d++) {
            if (!(w[i].days >> d & 1))
                continue;
            int64_t since = (now - (d * DAY_MIN + w[i].from_min) * 60000 + WEEK_MS) % WEEK_MS;
            int64_t left = w[i].for_min * 60000 - since;
            best = left > best ? left : best;
        }
    return best;
}

bool phi_windows_eq(const struct phi_window *x, size_t nx, const struct phi_window *y, size_t ny)
{
    if (nx != ny)
        return false;
    for (size_t i = 0; i < nx; i++)
        if (x[i].days != y[i].days || x[i].from_min != y[i].from_min || x[i].for_min != y[i].for_min)
            return false;
    return true;
}

/* ---- bounds */

enum phi_rc proof_bounds_read(struct phi_arena *a, const struct phi_json *v, struct phi_bounds *b, struct phi_err *err)
{
    static const char *const keys[] = { "bytes", "for_ms", "from_ms", "rows", "statements", "until_ms", "uses", "windows", NULL };
    PHI_TRY(proof_obj(v, "bounds", keys, err));
    PHI_TRY(phi_json_need_int(v, "for_ms", 1, PHI_MAX_GRANT_MS, &b->for_ms, err));
    PHI_TRY(phi_json_need_int(v, "uses", 0, PHI_MAX_USES, &b->uses, err));
    PHI_TRY(proof_opt_int(v, "from_ms", PROOF_MAX_MS, &b->from_ms, err));
    PHI_TRY(proof_opt_int(v, "until_ms", PROOF_MAX_MS, &b->until_ms, err));
    PHI_TRY(proof_opt_int(v, "statements", PROOF_MAX_MS, &b->budget.statements, err));
    PHI_TRY(proof_opt_int(v, "rows", PROOF_MAX_MS, &b->budget.rows, err));
    PHI_TRY(proof_opt_int(v, "bytes", PROOF_MAX_MS, &b->budget.bytes, err));
    return phi_json_get(v, "windows") ? phi_windows_read(a, phi_json_get(v, "windows"), &b->windows, &b->n_windows, err)
                                      : PHI_OK;
}

static bool in_range(int64_t x)
{
    return x >= 0 && x <= PROOF_MAX_MS;
}

static bool windows_ok(const struct phi_bounds *x)
{
    for (size_t i = 0; i < x->n_windows; i++) {
        const struct phi_window *w = &x->windows[i];
        if (w->days == 0 || w->days > 127 || w->from_min < 0 || w->from_min >= DAY_MIN || w->for_min < 1 ||
            w->for_min > DAY_MIN)
            return false;
    }
    return x->n_windows <= PHI_MAX_WINDOWS;
}

enum phi_rc proof_bounds_check(const struct phi_bounds *x, bool scope, struct phi_err *err)
{
    if (x->for_ms < 1 || x->for_ms > PHI_MAX_GRANT_MS)
        return phi_fail(err, PHI_EINPUT, "bounds.for_ms is out of range: there is no \"for ever\"");
    if (x->uses < (scope ? 0 : 1) || x->uses > PHI_MAX_USES)
        return phi_fail(err, PHI_EINPUT, "bounds.uses is out of range");
    if (!in_range(x->from_ms) || !in_range(x->until_ms))
        return phi_fail(err, PHI_EINPUT, "bounds.from_ms or until_ms is out of range");
    if (x->from_ms && x->until_ms && x->from_ms >= x->until_ms)
        return phi_fail(err, PHI_EINPUT, "bounds.from_ms is not before until_ms");
    if (!in_range(x->budget.statements) || !in_range(x->budget.rows) || !in_range(x->budget.bytes))
        return phi_fail(err, PHI_EINPUT, "bounds.statements, rows or bytes is out of range");
    if (!windows_ok(x) || (x->n_windows && !scope))
        return phi_fail(err, PHI_EINPUT, "bounds.windows is out of range; only a scope has them");
    return PHI_OK;
}

static void opt(struct phi_jw *w, const char *key, int64_t v)
{
    if (v)
        phi_jw_ki(w, key, v);
}

void proof_bounds_write(struct phi_jw *w, const struct phi_bounds *b)
{
    phi_jw_obj(w);
    opt(w, "bytes", b->budget.bytes);
    phi_jw_ki(w, "for_ms", b->for_ms);
    opt(w, "from_ms", b->from_ms);
    opt(w, "rows", b->budget.rows);
    opt(w, "statements", b->budget.statements);
    opt(w, "until_ms", b->until_ms);
    phi_jw_ki(w, "uses", b->uses);
    if (b->n_windows) {
        phi_jw_key(w, "windows");
        phi_windows_write(w, b->windows, b->n_windows);
    }
    phi_jw_end(w);
}
