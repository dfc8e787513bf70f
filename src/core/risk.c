#include "core/risk.h"

#include "core/ahead.h"
#include "core/request_in.h"
#include "core/known.h"

#define HALF_MS (30LL * 24 * 3600 * 1000)
#define HALF_DENIED_MS (24LL * 3600 * 1000)
#define ONE 1000               /* weight of one use */
#define LITTLE (5 * ONE)       /* less than this in all is no habit yet */
#define FAINT (ONE / 8)        /* less than this is as good as never */
#define DAMP_MS (10LL * 60 * 1000) /* what is done again so soon adds nothing: no quick repeating makes a habit */
#define MAX_KEPT 256           /* rows of one person, action and kind: the faintest goes */

/* docs/risk.md lists these numbers; test/sim/context_test.c has a case for each. */
enum points {
    P_LITTLE = 10,
    P_HOUR_RARE = 10,
    P_HOUR_NEVER = 20,
    P_ADDR_UNKNOWN = 10,
    P_ADDR_NEW = 20,
    P_RESOURCE_NEW = 15,
    P_WRITES = 10,
    P_COPIES = 15,
    P_NOT_KNOWN = 20,
    P_STRUCTURE = 30,
    P_NO_WHERE = 25,
    P_WIDE = 10,
    P_DENIED = 7,
    P_DENIED_MOST = 21,
    P_GLASS = 10,
    P_GLASS_OPEN = 20
};

int64_t core_aged(int64_t weight, int64_t passed_ms, int64_t half_ms)
{
    if (passed_ms <= 0 || weight <= 0)
        return weight < 0 ? 0 : weight;
    if (passed_ms / half_ms > 40)
        return 0;
    weight >>= passed_ms / half_ms;
    return weight - weight * (passed_ms % half_ms / 1000) / (2 * (half_ms / 1000));
}

static void add(struct core_risk *r, int64_t points, struct phi_view why)
{
    if (points <= 0 || r->n == CORE_RISK_REASONS)
        return;
    r->reason[r->n++] = (struct core_risk_reason){ points, why };
    r->points = r->points + points > CORE_RISK_MAX ? CORE_RISK_MAX : r->points + points;
}

/* ---- the baseline's rows */

static int64_t half_of(struct phi_view kind)
{
    return phi_view_is(kind, "denied") ? HALF_DENIED_MS : HALF_MS;
}

static int64_t weight_now(struct phi_core *c, const struct core_habit_row *h)
{
    return core_aged(h->weight, core_wall(c) - h->at_ms, half_of(h->kind));
}

static int64_t habit(struct phi_core *c, struct phi_view person, struct phi_view action, const char *kind,
                     struct phi_view what)
{
    PHI_ARENA(a, 1 << 16);
    struct core_habit_row row, key = { person, action, phi_view_of(kind), what, 0, 0 };
    return core_get(c, CORE_HABIT, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK ? weight_now(c, &row) : 0;
}

static enum phi_rc habits(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view action,
                          const char *kind, struct core_habit_row **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_habit_row key = { .person = person, .action = action, .kind = phi_view_of(kind) };
    return core_list(c, CORE_HABIT, CORE_BY_KEY, &key, (struct core_span){ .prefix = 3 }, a, ret, ret_n, err);
}

static enum phi_rc make_room(struct phi_core *c, const struct core_habit_row *row, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)4 << 20);
    struct core_habit_row *all, *least = NULL;
    size_t n;
    PHI_TRY(core_list(c, CORE_HABIT, CORE_BY_KEY, row, (struct core_span){ .prefix = 3 }, &a, &all, &n, err));
    if (n < MAX_KEPT)
        return PHI_OK;
    for (size_t i = 0; i < n; i++)
        if (!least || weight_now(c, &all[i]) < weight_now(c, least))
            least = &all[i];
    return core_del(c, CORE_HABIT, least, err);
}

static enum phi_rc bump(struct phi_core *c, struct phi_view person, struct phi_view action, const char *kind,
                        struct phi_view what, int64_t damp_ms, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_habit_row row, key = { person, action, phi_view_of(kind), what, ONE, core_wall(c) };
    if (core_get(c, CORE_HABIT, CORE_BY_KEY, &key, &a, &row, NULL) != PHI_OK) {
        PHI_TRY(make_room(c, &key, err));
        return core_add(c, CORE_HABIT, &key, err);
    }
    int64_t passed = core_wall(c) - row.at_ms;
    if (passed >= 0 && passed < damp_ms)
        return PHI_OK;
    row.weight = weight_now(c, &row) + ONE;
    row.at_ms = core_wall(c);
    return core_set(c, CORE_HABIT, &row, err);
}

/* ---- keys: the hour, the block of the address, the resource by a hash of its name */

static struct phi_view hour_key(struct phi_arena *a, int64_t hour)
{
    return phi_arena_printf(a, "%02lld", (long long)hour);
}

/* "" when there is none that can be read */
static struct phi_view block_key(struct phi_arena *a, struct phi_view addr)
{
    struct phi_addr at;
    PHI_BUF(b, 100);
    if (!phi_addr_read(addr, &at))
        return (struct phi_view){ 0 };
    struct phi_cidr block = phi_addr_block(&at, 24, 48);
    phi_cidr_write(&b, &block);
    return phi_arena_copy(a, phi_buf_view(&b));
}

static struct phi_view resource_key(struct phi_arena *a, struct phi_ref r)
{
    struct phi_view part[] = { r.type, PHI_LIT("\n"), r.id };
    struct phi_digest d = phi_sha256_parts(part, 3);
    return phi_view_upto(core_hex(a, &d), 32);
}

/* ---- factors */

struct rating {
    struct phi_core *c;
    struct phi_arena *a;
    const struct core_case *q;
    struct phi_view person, block;
    struct core_risk *r;
    const struct phi_json *seen; /* the gateway's own facts; NULL: none */
};

/* The hour and its neighbours against the whole day. */
static enum phi_rc hour_of(struct rating *t, struct phi_view action, int64_t *worst, struct phi_view *why, struct phi_err *err)
{
    struct core_habit_row *rows;
    struct core_local now;
    int64_t all = 0, near = 0, hour;
    size_t n;
    if (!core_local_of(t->c, t->person, core_wall(t->c), &now))
        return PHI_OK;
    PHI_TRY(habits(t->c, t->a, t->person, action, "hour", &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        int64_t w = weight_now(t->c, &rows[i]);
        all += w;
        if (phi_view_int(rows[i].what, &hour) && ((hour - now.hour + 25) % 24) <= 2)
            near += w;
    }
    int64_t points = all < LITTLE ? P_LITTLE : near * 100 < all * 2 ? P_HOUR_NEVER : near * 100 < all * 10 ? P_HOUR_RARE : 0;
    if (points <= *worst)
        return PHI_OK;
    *worst = points;
    *why = all < LITTLE ? phi_arena_printf(t->a, "little is known yet of how this person uses " PHI_FMT, PHI_ARG(action))
                        : phi_arena_printf(t->a, "unusual hour for this person: %lld %% of their " PHI_FMT " is around %lld:00",
                                           (long long)(near * 100 / all), PHI_ARG(action), (long long)now.hour);
    return PHI_OK;
}

static void addr_of(struct rating *t, struct phi_view action, int64_t *worst, struct phi_view *why)
{
    if (t->block.n == 0 && *worst < P_ADDR_UNKNOWN) {
        *worst = P_ADDR_UNKNOWN;
        *why = PHI_LIT("the address it comes from is not known");
    } else if (t->block.n && *worst < P_ADDR_NEW && habit(t->c, t->person, action, "addr", t->block) < FAINT) {
        *worst = P_ADDR_NEW;
        *why = phi_arena_printf(t->a, "unusual address for this person: nothing of " PHI_FMT " from " PHI_FMT " so far",
                                PHI_ARG(action), PHI_ARG(t->block));
    }
}

static void resource_of(struct rating *t, const struct phi_pair *p, int64_t *worst, struct phi_view *why)
{
    PHI_BUF(label, 512);
    if (*worst || habit(t->c, t->person, p->action, "resource", resource_key(t->a, p->resource)) >= FAINT)
        return;
    phi_ref_label(&label, p->resource);
    *worst = P_RESOURCE_NEW;
    *why = phi_arena_printf(t->a, "first " PHI_FMT " of this person on " PHI_FMT, PHI_ARG(p->action), PHI_ARG(phi_buf_view(&label)));
}

static enum phi_rc habits_rate(struct rating *t, struct phi_err *err)
{
    int64_t hour = 0, addr = 0, resource = 0;
    struct phi_view why_hour = { 0 }, why_addr = { 0 }, why_resource = { 0 };
    for (size_t i = 0; i < t->q->n_tries; i++) {
        const struct phi_pair *p = &t->q->tries[i].pair;
        bool same = i && phi_view_eq(p->action, t->q->tries[i - 1].pair.action);
        if (!same) {
            PHI_TRY(hour_of(t, p->action, &hour, &why_hour, err));
            addr_of(t, p->action, &addr, &why_addr);
        }
        resource_of(t, p, &resource, &why_resource);
    }
    add(t->r, hour, why_hour);
    add(t->r, addr, why_addr);
    add(t->r, resource, why_resource);
    return PHI_OK;
}

/* By the verb behind the colon, whatever the protocol. */
static int64_t verb_points(struct phi_view action)
{
    static const struct {
        const char *verb;
        int64_t points;
    } known[] = { { "select", 0 }, { "read", 0 }, { "connect", 0 }, { "set", 0 }, { "get", 0 }, { "list", 0 },
                  { "insert", P_WRITES }, { "update", P_WRITES }, { "write", P_WRITES }, { "call", P_WRITES }, { "post", P_WRITES }, { "put", P_WRITES },
                  { "delete", P_COPIES }, { "copy", P_COPIES }, { "truncate", P_STRUCTURE }, { "ddl", P_STRUCTURE }, { "admin", P_STRUCTURE } };
    struct phi_view verb = action;
    for (size_t i = 0; i < action.n; i++)
        if (action.p[i] == ':')
            verb = phi_view_from(action, i + 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (phi_view_is(verb, known[i].verb))
            return known[i].points;
    return P_NOT_KNOWN;
}

static void effect_rate(struct rating *t)
{
    struct phi_view worst = { 0 };
    int64_t most = 0;
    bool where = true, changes = false;
    for (size_t i = 0; i < t->q->n_tries; i++) {
        struct phi_view action = t->q->tries[i].pair.action;
        int64_t points = verb_points(action);
        changes |= phi_view_is(action, "pg:update") || phi_view_is(action, "pg:delete");
        if (points > most) {
            most = points;
            worst = action;
        }
    }
    add(t->r, most, phi_arena_printf(t->a, "size of effect: " PHI_FMT, PHI_ARG(worst)));
    if (changes && phi_json_bool(phi_json_get(phi_json_get(t->seen, "statement"), "has_where"), &where) && !where)
        add(t->r, P_NO_WHERE, PHI_LIT("size of effect: every row, there is no WHERE"));
    if (t->q->wide)
        add(t->r, P_WIDE, PHI_LIT("size of effect: as often as one likes, or for more than an hour"));
}

static enum phi_rc mishaps_rate(struct rating *t, struct phi_err *err)
{
    struct core_grant_row *open, key = { .root = t->person, .review = CORE_REVIEW_OPEN };
    size_t n;
    int64_t denied = habit(t->c, t->person, PHI_LIT("*"), "denied", (struct phi_view){ 0 });
    int64_t times = (denied + ONE / 2) / ONE, points = times * P_DENIED;
    add(t->r, points > P_DENIED_MOST ? P_DENIED_MOST : points,
        phi_arena_printf(t->a, "denied %lld time%s lately", (long long)times, times == 1 ? "" : "s"));
    PHI_TRY(core_list(t->c, CORE_GRANT, CORE_GRANT_BY_REVIEW, &key, (struct core_span){ .prefix = 2, .limit = 1 }, t->a, &open,
                      &n, err));
    if (n)
        add(t->r, P_GLASS_OPEN, PHI_LIT("this person broke the glass, and nobody has reviewed it yet"));
    else if (habit(t->c, t->person, PHI_LIT("*"), "glass", (struct phi_view){ 0 }) >= ONE / 2)
        add(t->r, P_GLASS, PHI_LIT("this person broke the glass in the last 30 days"));
    return PHI_OK;
}

enum phi_rc core_risk_of(struct phi_core *c, struct phi_arena *a, const struct core_case *q, struct core_risk *ret,
                         struct phi_err *err)
{
    *ret = (struct core_risk){ 0 };
    struct rating t = { c, a, q, core_root(c, a, q->principal.id), { 0 }, ret, NULL };
    if (q->context.n && phi_json_read(a, q->context, PHI_JSON_INT64, "context", &t.seen, NULL) != PHI_OK)
        t.seen = NULL;
    t.block = block_key(a, phi_json_text(t.seen, "addr"));
    PHI_TRY(habits_rate(&t, err));
    effect_rate(&t);
    PHI_TRY(mishaps_rate(&t, err));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

struct phi_view core_risk_json(struct phi_arena *a, const struct core_risk *r)
{
    PHI_BUF(b, 1 << 16);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_arr(&w);
    for (size_t i = 0; i < r->n; i++) {
        phi_jw_obj(&w);
        phi_jw_ki(&w, "points", r->reason[i].points);
        phi_jw_kv(&w, "why", r->reason[i].why);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    return phi_arena_copy(a, phi_buf_view(&b));
}

/* ---- learning */

enum phi_rc core_risk_learn(struct phi_core *c, struct phi_view person, const struct phi_pair *pairs, size_t n,
                            struct phi_view addr, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_local now;
    struct phi_view root = core_root(c, &a, person), block = block_key(&a, addr);
    bool timed = core_local_of(c, root, core_wall(c), &now);
    for (size_t i = 0; i < n; i++) {
        bool same = i && phi_view_eq(pairs[i].action, pairs[i - 1].action);
        if (!same && timed)
            PHI_TRY(bump(c, root, pairs[i].action, "hour", hour_key(&a, now.hour), DAMP_MS, err));
        if (!same && block.n)
            PHI_TRY(bump(c, root, pairs[i].action, "addr", block, DAMP_MS, err));
        PHI_TRY(bump(c, root, pairs[i].action, "resource", resource_key(&a, pairs[i].resource), DAMP_MS, err));
    }
    return PHI_OK;
}

/* The habits that core_risk_learn looks for, but for the address. */
static void foresee_habit(struct core_ahead *h, struct phi_view person, struct phi_view action, const char *kind, struct phi_view what)
{
    struct core_habit_row row, key = { .person = person, .action = action, .kind = phi_view_of(kind), .what = what };
    if (core_ahead_get(h, CORE_HABIT, CORE_BY_KEY, &key, &row) == CORE_HAND_NONE)
        core_ahead_list(h, CORE_HABIT, CORE_BY_KEY, &key, (struct core_span){ .prefix = 3 }); /* to make room for it */
}

void core_risk_foresee(struct core_ahead *h, struct phi_view person, const struct phi_pair *pairs, size_t n)
{
    struct phi_core *c = core_ahead_core(h);
    struct phi_arena *a = core_ahead_arena(h);
    struct core_profile_row key = { 0 };
    struct core_local now;
    if (!core_ahead_root(h, person, &key.person) || core_ahead_get(h, CORE_PROFILE, CORE_BY_KEY, &key, NULL) == CORE_HAND_WAITS)
        return;
    if (n && core_local_of(c, key.person, core_wall(c), &now))
        foresee_habit(h, key.person, pairs[0].action, "hour", hour_key(a, now.hour));
    for (size_t i = 0; i < n; i++)
        foresee_habit(h, key.person, pairs[i].action, "resource", resource_key(a, pairs[i].resource));
}

enum phi_rc core_risk_mishap(struct phi_core *c, struct phi_view person, enum core_mishap what, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    return bump(c, core_root(c, &a, person), PHI_LIT("*"), what == CORE_MISHAP_DENIED ? "denied" : "glass",
                (struct phi_view){ 0 }, 0, err);
}

enum phi_rc core_risk_forget(struct phi_core *c, struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_habit_row *rows, key = { .person = person };
    size_t n;
    PHI_TRY(core_list(c, CORE_HABIT, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_del(c, CORE_HABIT, &rows[i], err));
    return PHI_OK;
}
