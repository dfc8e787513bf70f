/* Deadlines by two clocks: a right ends when either says so. */
#include <string.h>

#include "core/inner.h"
#include "core/oncall.h"

int64_t core_wall(struct phi_core *c)
{
    return c->clock->wall_ms(c->clock->self);
}

static int64_t boot_now(struct phi_core *c)
{
    return c->clock->boot_ms(c->clock->self);
}

struct core_due core_due_in(struct phi_core *c, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    if (ms > PHI_MAX_GRANT_MS)
        ms = PHI_MAX_GRANT_MS;
    return (struct core_due){ core_wall(c) + ms, boot_now(c) + ms, c->st.boot };
}

/* False: rights of that boot have ended. */
static bool shift_of(const struct phi_core *c, int64_t boot, int64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < c->n_boots && boot != c->st.boot; i++)
        if (c->boots[i].boot == boot) {
            *ret = c->boots[i].shift;
            return true;
        }
    return boot == c->st.boot && boot != 0;
}

int64_t core_left(struct phi_core *c, const struct core_due *due)
{
    int64_t shift;
    if (!shift_of(c, due->boot, &shift))
        return 0;
    int64_t wall = due->wall - core_wall(c), boot = due->boot_ms + shift - boot_now(c);
    int64_t left = wall < boot ? wall : boot;
    return left > 0 ? left : 0;
}

bool core_may_last(struct phi_core *c, const struct core_due *due)
{
    return due->boot == c->st.boot && due->boot_ms > boot_now(c);
}

/* ---- a new boot: rights keep at most what the last committed anchor left them. Requests and grants, of which there may be a million,
 * are not touched: the head row says how the clock they were made by is read today. The few other things are written anew. */

#define BOOT_BYTES 16

static int64_t int_at(const uint8_t *p)
{
    uint64_t v = 0;
    for (int b = 0; b < 8; b++)
        v = v << 8 | p[b];
    return (int64_t)v;
}

static void int_put(uint8_t *p, int64_t v)
{
    for (int b = 0; b < 8; b++)
        p[b] = (uint8_t)((uint64_t)v >> (56 - 8 * b));
}

enum phi_rc core_boots_read(struct phi_core *c, struct phi_err *err)
{
    size_t n = c->st.boots.n / BOOT_BYTES;
    c->n_boots = 0;
    if (c->st.boots.n % BOOT_BYTES || n > CORE_MAX_BOOTS)
        return phi_fail(err, PHI_ECORRUPT, "the log's head row does not say which boots there were");
    for (size_t i = 0; i < n; i++)
        c->boots[i] = (struct core_boot){ int_at(c->st.boots.p + BOOT_BYTES * i), int_at(c->st.boots.p + BOOT_BYTES * i + 8) };
    c->n_boots = n;
    return PHI_OK;
}

/* Whether anything that lives was made in this boot. */
static enum phi_rc boot_lives(struct phi_core *c, int64_t boot, bool *ret, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_request_row *requests, r = { .live = 1, .due = { .boot = boot } };
    struct core_grant_row *grants, g = { .live = 1, .due = { .boot = boot } };
    struct core_span one = { .prefix = 2, .limit = 1 };
    size_t n, m;
    PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_BOOT, &r, one, &a, &requests, &n, err));
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_BOOT, &g, one, &a, &grants, &m, err));
    *ret = n + m > 0;
    return PHI_OK;
}

/* The boot that has ended now stands behind those before it. Where there are too many the oldest is forgotten: its rights end. */
static enum phi_rc boots_add(struct phi_core *c, struct phi_err *err)
{
    struct core_boot all[CORE_MAX_BOOTS + 1];
    int64_t since = core_wall(c) - c->st.anchor_wall, shift = boot_now(c) - c->st.anchor_boot - since;
    size_t n = 0, first;
    for (size_t i = 0; i <= c->n_boots; i++) {
        bool lives;
        all[n] = i < c->n_boots ? c->boots[i] : (struct core_boot){ c->st.boot - 1, 0 };
        all[n].shift += shift;
        PHI_TRY(boot_lives(c, all[n].boot, &lives, err));
        n += lives || n > 0; /* none is left out between two */
    }
    first = n > CORE_MAX_BOOTS ? n - CORE_MAX_BOOTS : 0;
    c->n_boots = n - first;
    memcpy(c->boots, all + first, c->n_boots * sizeof *all);
    return PHI_OK;
}

static enum phi_rc boots_write(struct phi_core *c, struct phi_err *err)
{
    uint8_t *p = phi_arena_alloc(&c->said_arena, CORE_MAX_BOOTS * BOOT_BYTES);
    if (!p)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < c->n_boots; i++) {
        int_put(p + BOOT_BYTES * i, c->boots[i].boot);
        int_put(p + BOOT_BYTES * i + 8, c->boots[i].shift);
    }
    c->st.boots = phi_view_mem(p, c->n_boots * BOOT_BYTES);
    return PHI_OK;
}

bool core_reanchor(struct phi_core *c, struct core_due *due)
{
    /* What the steady clock left it at the anchor, less what the wall clock says has passed since. */
    int64_t since = core_wall(c) - c->st.anchor_wall;
    int64_t wall = due->wall - core_wall(c), boot = due->boot_ms - c->st.anchor_boot - since;
    int64_t left = wall < boot ? wall : boot;
    if (due->boot != c->st.boot - 1 || left <= 0)
        return false;
    *due = core_due_in(c, left);
    return true;
}

#define PAGE 5000 /* rows at a time: a million rights must not stand in memory at once */
typedef enum phi_rc (*settle_row)(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err);

static enum phi_rc settle_table(struct phi_core *c, enum core_table t, int ix, const void *key, size_t prefix,
                                settle_row row, struct phi_err *err)
{
    struct core_span span = { .prefix = prefix, .limit = PAGE };
    size_t n = PAGE;
    for (; n == PAGE; span.offset += PAGE) { /* settling moves no row within its index */
        PHI_ARENA(a, (size_t)1 << 30);
        char *rows;
        PHI_TRY(core_list(c, t, ix, key, span, &a, &rows, &n, err));
        for (size_t i = 0; i < n; i++)
            PHI_TRY(row(c, &a, rows + i * core_table_of(t)->size, err));
    }
    return PHI_OK;
}

static enum phi_rc settle_session(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err)
{
    (void)a;
    struct core_session_row *r = row;
    return core_reanchor(c, &r->due) ? core_set(c, CORE_SESSION, r, err) : PHI_OK;
}

static enum phi_rc settle_link(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err)
{
    (void)a;
    struct core_link_row *r = row;
    return core_reanchor(c, &r->due) ? core_set(c, CORE_LINK, r, err) : PHI_OK;
}

static enum phi_rc settle_login(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err)
{
    (void)a;
    struct core_login_row *r = row;
    return core_reanchor(c, &r->due) ? core_set(c, CORE_LOGIN, r, err) : PHI_OK;
}

static enum phi_rc settle_credential(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err)
{
    (void)a;
    struct core_credential_row *r = row;
    return core_reanchor(c, &r->due) ? core_set(c, CORE_CREDENTIAL, r, err) : PHI_OK;
}

/* Where the wall stands before the last anchor nobody knows how long the machine was off. */
static bool trusted(struct phi_core *c)
{
    return core_wall(c) >= c->st.anchor_wall;
}

/* The gateway counts by its own steady clock, which this boot has not stopped: by ours its lease has all that it had left at the anchor,
 * whatever the wall clock says. For claims it has what any right keeps. */
static bool lease_settle(struct phi_core *c, struct core_due *due)
{
    int64_t left = due->boot == c->st.boot - 1 ? due->boot_ms - c->st.anchor_boot : 0;
    if (left <= 0)
        return false;
    if (!trusted(c) || !core_reanchor(c, due))
        due->wall = core_wall(c);
    due->boot_ms = boot_now(c) + left;
    due->boot = c->st.boot;
    return true;
}

static enum phi_rc settle_gateway(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err)
{
    (void)a;
    struct core_gateway_row *r = row;
    bool code = trusted(c) && core_reanchor(c, &r->code_due), lease = lease_settle(c, &r->lease_due);
    return code || lease ? core_set(c, CORE_GATEWAY, r, err) : PHI_OK;
}

static enum phi_rc settle_rights(struct phi_core *c, struct phi_err *err)
{
    PHI_TRY(settle_table(c, CORE_SESSION, CORE_BY_KEY, NULL, 0, settle_session, err));
    PHI_TRY(settle_table(c, CORE_LINK, CORE_BY_KEY, NULL, 0, settle_link, err));
    PHI_TRY(settle_table(c, CORE_LOGIN, CORE_BY_KEY, NULL, 0, settle_login, err));
    PHI_TRY(settle_table(c, CORE_TOKEN, CORE_BY_KEY, NULL, 0, core_token_settle, err));
    PHI_TRY(settle_table(c, CORE_CREDENTIAL, CORE_BY_KEY, NULL, 0, settle_credential, err));
    PHI_TRY(settle_table(c, CORE_DELEGATION, CORE_DELEGATION_BY_WALL, &(struct core_delegation_row){ .live = 1 }, 1,
                         core_delegation_settle, err));
    return settle_table(c, CORE_ON_CALL, CORE_BY_KEY, NULL, 0, core_on_call_settle, err);
}

enum phi_rc core_time_settle(struct phi_core *c, struct phi_err *err)
{
    struct phi_view boot_id = phi_view_of(c->clock->boot_id(c->clock->self));
    bool same = phi_view_eq(c->st.boot_id, boot_id) && boot_now(c) >= c->st.anchor_boot;
    if (c->st.boot > 0 && same)
        return PHI_OK;
    bool keep = c->st.boot > 0 && !phi_view_eq(c->st.boot_id, boot_id) && trusted(c); /* what is not re-anchored has ended */
    c->st.boot++;
    c->st.boot_id = boot_id;
    c->st_dirty = true;
    PHI_TRY(settle_table(c, CORE_GATEWAY, CORE_BY_KEY, NULL, 0, settle_gateway, err));
    if (keep) {
        PHI_TRY(boots_add(c, err));
        PHI_TRY(settle_rights(c, err));
    } else {
        c->n_boots = 0;
    }
    return boots_write(c, err);
}
