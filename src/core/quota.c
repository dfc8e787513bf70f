/* How much one person may ask: so many requests at a time, so many an hour for one thing, and less and less often for
 * what was denied again and again. Bounded whatever is sent: an attempt that is refused here leaves nothing behind. */
#include "core/request_in.h"

#define WINDOW_MS (3600LL * 1000)
#define FREE_DENIALS 5           /* of one thing within the window; from then on each doubles the wait */
#define FIRST_WAIT_MS (60LL * 1000)
#define LONGEST_WAIT_MS (32LL * 60 * 1000)

/* What is asked, whatever its bytes: the action and resource that come first, on this target. */
static struct phi_view thing(struct phi_arena *a, const struct core_draft *d)
{
    const struct phi_pair *p = &d->of.tries[0].pair;
    struct phi_view part[] = { p->resource.type, PHI_LIT("\n"), p->resource.id };
    struct phi_digest h = phi_sha256_parts(part, 3);
    return phi_view_upto(core_hex(a, &h), 32);
}

static struct core_habit_row counter(struct phi_arena *a, const struct core_draft *d, const char *kind)
{
    return (struct core_habit_row){ .person = d->root, .action = d->of.tries[0].pair.action, .kind = phi_view_of(kind), .what = thing(a, d) };
}

/* The row of this window; a count of 0 where it is over. */
static bool counted(struct phi_core *c, struct phi_arena *a, struct core_habit_row *row)
{
    struct core_habit_row key = *row;
    bool there = core_get(c, CORE_HABIT, CORE_BY_KEY, &key, a, row, NULL) == PHI_OK;
    int64_t passed = core_wall(c) - row->at_ms;
    if (!there || passed < 0 || passed >= WINDOW_MS) {
        *row = key;
        row->at_ms = core_wall(c);
    }
    return there;
}

static enum phi_rc count(struct phi_core *c, struct core_habit_row *row, bool there, struct phi_err *err)
{
    row->weight++;
    return there ? core_set(c, CORE_HABIT, row, err) : core_add(c, CORE_HABIT, row, err);
}

static enum phi_rc pending_few(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    struct core_request_row *rows, key = { .requester = d->requester, .live = 1 };
    size_t n;
    PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_REQUESTER, &key,
                      (struct core_span){ .prefix = 2, .limit = PHI_MAX_PENDING_PER_PERSON }, a, &rows, &n, err));
    if (n >= PHI_MAX_PENDING_PER_PERSON)
        return core_no(c, "request.quota", err, PHI_ELIMIT, "%d of your requests are pending; cancel some or wait",
                       PHI_MAX_PENDING_PER_PERSON);
    return PHI_OK;
}

/* After the fifth denial of one thing within an hour: a minute, two, four, … after the last one. */
static enum phi_rc backed_off(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    struct core_habit_row row = counter(a, d, "refused"), key = row;
    if (core_get(c, CORE_HABIT, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || row.weight < FREE_DENIALS)
        return PHI_OK;
    int64_t wait = FIRST_WAIT_MS;
    for (int64_t i = row.weight; i > FREE_DENIALS && wait < LONGEST_WAIT_MS; i--)
        wait *= 2;
    int64_t left = row.at_ms + wait - core_wall(c);
    if (left <= 0 || left > LONGEST_WAIT_MS)
        return PHI_OK;
    return core_no(c, "request.quota", err, PHI_ELIMIT, "this was denied %lld times in a row; ask again in %lld s", (long long)row.weight,
                   (long long)(left + 999) / 1000);
}

static enum phi_rc asked_few(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    struct core_habit_row row = counter(a, d, "asked");
    bool there = counted(c, a, &row);
    if (row.weight >= PHI_MAX_ASKS_PER_HOUR)
        return core_no(c, "request.quota", err, PHI_ELIMIT, "you asked for this %d times within an hour; ask again in %lld s",
                       PHI_MAX_ASKS_PER_HOUR, (long long)(row.at_ms + WINDOW_MS - core_wall(c) + 999) / 1000);
    return count(c, &row, there, err);
}

/* What was denied too often, or asked too often, is not come by through an edit of something else. */
enum phi_rc core_quota_edit(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    PHI_TRY(backed_off(c, a, d, err));
    return asked_few(c, a, d, err);
}

enum phi_rc core_quota(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    PHI_TRY(pending_few(c, a, d, err));
    return core_quota_edit(c, a, d, err);
}

enum phi_rc core_quota_refused(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    struct core_habit_row row = counter(a, d, "refused");
    bool there = counted(c, a, &row);
    row.at_ms = core_wall(c); /* counts from the last one */
    return count(c, &row, there, err);
}

enum phi_rc core_quota_approved(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_err *err)
{
    struct core_habit_row row = counter(a, d, "refused");
    enum phi_rc rc = core_del(c, CORE_HABIT, &row, NULL);
    return rc == PHI_ENOTFOUND ? PHI_OK : rc == PHI_OK ? rc : phi_fail(err, rc, "a counter cannot be removed");
}
