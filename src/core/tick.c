/* The timer: ends what is over, and keeps the time anchor young. */
#include "core/oncall.h"
#include "core/request_in.h"

#define MAX_A_TICK 500 /* ends of one kind in one tick; more at once make the next tick come at once */

static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };

typedef enum phi_rc (*end_row)(struct phi_core *c, struct phi_arena *a, void *row, bool *ret_done,
                               struct phi_err *err);

static enum phi_rc end_rows(struct phi_core *c, enum core_table t, int ix, const void *key, struct core_span span,
                            end_row end, bool *more, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)256 << 20);
    char *rows;
    size_t n;
    span.limit = MAX_A_TICK;
    PHI_TRY(core_list(c, t, ix, key, span, &a, &rows, &n, err));
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        bool ended = false;
        PHI_TRY(end(c, &a, rows + i * core_table_of(t)->size, &ended, err));
        done += ended;
    }
    *more |= done == MAX_A_TICK;
    return PHI_OK;
}

static enum phi_rc end_request(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    struct core_request_row *row = p;
    struct phi_entry e;
    *ret_done = row->live && core_left(c, &row->due) <= 0;
    if (!*ret_done)
        return PHI_OK;
    core_entry(c, &e, PHI_EV_REQUEST_EXPIRED, &phid);
    return core_request_step(c, a, row, CORE_REQUEST_EXPIRE, &e, err);
}

static enum phi_rc end_grant(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    struct core_grant_row *row = p;
    struct phi_entry e;
    *ret_done = row->live && core_left(c, &row->due) <= 0;
    if (!*ret_done)
        return PHI_OK;
    core_entry(c, &e, PHI_EV_GRANT_EXPIRED, &phid);
    return core_grant_step(c, a, row, CORE_GRANT_EXPIRE, &e, err);
}

static enum phi_rc end_session(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    (void)a;
    *ret_done = true;
    return core_session_over(c, &phid, p, "expired", err);
}

static enum phi_rc end_delegation(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    struct core_delegation_row *row = p;
    *ret_done = core_left(c, &row->due) <= 0;
    return *ret_done ? core_delegation_over(c, a, &phid, row, "expired", err) : PHI_OK;
}

static enum phi_rc end_link(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    (void)a;
    *ret_done = true;
    return core_del(c, CORE_LINK, p, err);
}

static enum phi_rc end_login(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    (void)a;
    *ret_done = true;
    return core_del(c, CORE_LOGIN, p, err);
}

static enum phi_rc end_token(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    (void)a;
    *ret_done = true;
    return core_token_end(c, &phid, p, "expired", err);
}

static enum phi_rc end_credential(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done,
                                  struct phi_err *err)
{
    (void)a;
    *ret_done = true;
    return core_credential_end(c, &phid, p, "expired", err);
}

/* Those of one boot, by its steady clock as it is read today. */
static enum phi_rc end_of_boot(struct phi_core *c, int64_t boot, int64_t boot_ms, bool *more, struct phi_err *err)
{
    struct core_due due = { 0, boot_ms, boot };
    struct core_request_row r = { .live = 1, .due = due };
    struct core_grant_row g = { .live = 1, .due = due };
    struct core_span two = { .prefix = 2, .at_most = true };
    PHI_TRY(end_rows(c, CORE_REQUEST, CORE_REQUEST_BY_BOOT, &r, two, end_request, more, err));
    return end_rows(c, CORE_GRANT, CORE_GRANT_BY_BOOT, &g, two, end_grant, more, err);
}

/* By the wall clock, by the boot clock, and whatever was left from boots whose rights do not go on. */
static enum phi_rc end_rights(struct phi_core *c, bool *more, struct phi_err *err)
{
    int64_t wall = core_wall(c), boot = c->clock->boot_ms(c->clock->self);
    struct core_request_row r = { .live = 1, .due = { wall, boot, c->st.boot } };
    struct core_grant_row g = { .live = 1, .due = r.due };
    struct core_span one = { .prefix = 1, .at_most = true };
    PHI_TRY(end_rows(c, CORE_REQUEST, CORE_REQUEST_BY_WALL, &r, one, end_request, more, err));
    PHI_TRY(end_rows(c, CORE_GRANT, CORE_GRANT_BY_WALL, &g, one, end_grant, more, err));
    PHI_TRY(end_of_boot(c, c->st.boot, boot, more, err));
    for (size_t i = 0; i < c->n_boots; i++)
        PHI_TRY(end_of_boot(c, c->boots[i].boot, boot - c->boots[i].shift, more, err));
    r.due.boot = g.due.boot = (c->n_boots ? c->boots[0].boot : c->st.boot) - 1; /* they are in order, none between them left out */
    PHI_TRY(end_rows(c, CORE_REQUEST, CORE_REQUEST_BY_BOOT, &r, one, end_request, more, err));
    return end_rows(c, CORE_GRANT, CORE_GRANT_BY_BOOT, &g, one, end_grant, more, err);
}

static enum phi_rc end_sign_ins(struct phi_core *c, bool *more, struct phi_err *err)
{
    struct core_due now = { core_wall(c), 0, 0 };
    struct core_session_row s = { .due = now };
    struct core_link_row l = { .due = now };
    struct core_credential_row k = { .due = now };
    struct core_login_row in = { .due = now };
    struct core_token_row t = { .due = now };
    struct core_span past = { .at_most = true }, live = { .prefix = 1, .at_most = true };
    struct core_delegation_row d = { .live = 1, .due = now };
    PHI_TRY(end_rows(c, CORE_DELEGATION, CORE_DELEGATION_BY_WALL, &d, live, end_delegation, more, err));
    PHI_TRY(end_rows(c, CORE_SESSION, CORE_SESSION_BY_DUE, &s, past, end_session, more, err));
    PHI_TRY(end_rows(c, CORE_LINK, CORE_LINK_BY_DUE, &l, past, end_link, more, err));
    PHI_TRY(end_rows(c, CORE_LOGIN, CORE_LOGIN_BY_DUE, &in, past, end_login, more, err));
    PHI_TRY(end_rows(c, CORE_TOKEN, CORE_TOKEN_BY_DUE, &t, past, end_token, more, err));
    return end_rows(c, CORE_CREDENTIAL, CORE_CREDENTIAL_BY_DUE, &k, past, end_credential, more, err);
}

static enum phi_rc forget_key(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    (void)a;
    *ret_done = true;
    return core_del(c, CORE_IDEM, p, err);
}

/* Reminders and fallbacks that are due; `next` is when the next one is. */
static enum phi_rc run_timers(struct phi_core *c, bool *more, int64_t *next, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_timer_row *first, key = { .at_ms = core_wall(c) };
    struct core_idem_row old = { .at_ms = core_wall(c) - PHI_IDEMPOTENCY_MS };
    struct core_span past = { .at_most = true };
    size_t n;
    PHI_TRY(end_rows(c, CORE_TIMER, CORE_TIMER_BY_TIME, &key, past, core_timer_run, more, err));
    PHI_TRY(end_rows(c, CORE_IDEM, CORE_IDEM_BY_TIME, &old, past, forget_key, more, err));
    PHI_TRY(core_list(c, CORE_TIMER, CORE_TIMER_BY_TIME, NULL, (struct core_span){ .limit = 1 }, &a, &first, &n, err));
    if (n && first[0].at_ms - core_wall(c) < *next)
        *next = first[0].at_ms > core_wall(c) ? first[0].at_ms - core_wall(c) : 0;
    return PHI_OK;
}

static enum phi_rc soonest(struct phi_core *c, enum core_table t, int ix, const void *key, size_t prefix,
                           size_t due_at, int64_t *next, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    char *rows;
    size_t n;
    PHI_TRY(core_list(c, t, ix, key, (struct core_span){ .prefix = prefix, .limit = 1 }, &a, &rows, &n, err));
    if (n == 0)
        return PHI_OK;
    int64_t left = core_left(c, (const struct core_due *)(const void *)(rows + due_at));
    if (left < *next)
        *next = left;
    return PHI_OK;
}

enum phi_rc phi_core_tick(struct phi_core *c, int64_t *ret_next_ms, struct phi_err *err)
{
    bool more = false;
    int64_t next_timer = CORE_TICK_MS;
    struct core_request_row r = { .live = 1, .due = { .boot = c->st.boot } };
    struct core_grant_row g = { .live = 1, .due = { .boot = c->st.boot } };
    size_t rd = offsetof(struct core_request_row, due), gd = offsetof(struct core_grant_row, due);
    PHI_TRY(core_batched(c, err));
    PHI_TRY(end_rights(c, &more, err));
    PHI_TRY(end_sign_ins(c, &more, err));
    PHI_TRY(run_timers(c, &more, &next_timer, err));
    *ret_next_ms = more ? 0 : CORE_TICK_MS;
    if (next_timer < *ret_next_ms)
        *ret_next_ms = next_timer;
    if (core_on_call_next(c) < *ret_next_ms)
        *ret_next_ms = core_on_call_next(c);
    PHI_TRY(soonest(c, CORE_REQUEST, CORE_REQUEST_BY_WALL, &r, 1, rd, ret_next_ms, err));
    PHI_TRY(soonest(c, CORE_GRANT, CORE_GRANT_BY_WALL, &g, 1, gd, ret_next_ms, err));
    for (size_t i = 0; i <= c->n_boots; i++) {
        r.due.boot = g.due.boot = i < c->n_boots ? c->boots[i].boot : c->st.boot;
        PHI_TRY(soonest(c, CORE_REQUEST, CORE_REQUEST_BY_BOOT, &r, 2, rd, ret_next_ms, err));
        PHI_TRY(soonest(c, CORE_GRANT, CORE_GRANT_BY_BOOT, &g, 2, gd, ret_next_ms, err));
    }
    c->st_dirty = true; /* the anchor */
    return PHI_OK;
}
