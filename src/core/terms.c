/* Whether a grant serves at this moment: begun, inside its windows, within its budget. */
#include "core/request_in.h"

enum phi_rc core_grant_terms(struct phi_arena *a, const struct core_grant_row *g, struct phi_grant *ret,
                             struct phi_err *err)
{
    const struct phi_json *terms;
    PHI_TRY(phi_json_read(a, g->terms, PHI_JSON_STRICT, "stored grant", &terms, err));
    return phi_grant_read(a, terms, ret, err);
}

static bool begun(struct phi_core *c, const struct core_grant_row *g)
{
    const struct core_due *from = &g->from;
    if (from->wall == 0)
        return true;
    /* Both clocks must say so; of an earlier boot's only the wall clock can. */
    return core_wall(c) >= from->wall &&
           (from->boot != c->st.boot || c->clock->boot_ms(c->clock->self) >= from->boot_ms);
}

static int64_t over(int64_t most, int64_t spent) /* what is left; -1: not bounded */
{
    return most == 0 ? -1 : most > spent ? most - spent : 0;
}

enum phi_rc core_grant_runs(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, struct phi_view besides, bool *ret,
                            struct phi_err *err)
{
    struct core_claim_row *rows, key = { .grant = g->id, .outcome = 0 };
    size_t n;
    PHI_TRY(core_list(c, CORE_CLAIM, CORE_CLAIM_BY_GRANT, &key, (struct core_span){ .prefix = 2, .limit = 2 }, a, &rows,
                      &n, err));
    *ret = n > 1 || (n == 1 && !phi_view_eq(rows[0].id, besides));
    return PHI_OK;
}

enum phi_rc core_grant_serves(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, const struct phi_grant *t,
                              int64_t statements, struct core_serving *ret, struct phi_err *err)
{
    bool busy = false;
    *ret = (struct core_serving){ .left_ms = core_left(c, &g->due),
                                  .rows_left = over(t->budget.rows, g->spent_rows),
                                  .bytes_left = over(t->budget.bytes, g->spent_bytes) };
    int64_t open = phi_windows_left(t->windows, t->n_windows, core_wall(c));
    if (t->n_windows && open < ret->left_ms)
        ret->left_ms = open;
    if (ret->rows_left >= 0 || ret->bytes_left >= 0) /* one use runs after the other: what the running one will take is not known */
        PHI_TRY(core_grant_runs(c, a, g, (struct phi_view){ 0 }, &busy, err));
    if (!begun(c, g))
        return core_no(c, "grant.early", err, PHI_EDENIED, "this grant begins later");
    if (t->n_windows && open == 0)
        return core_no(c, "grant.window", err, PHI_EDENIED, "this grant serves at other hours only");
    if (t->budget.statements && statements > t->budget.statements - g->spent_statements)
        return core_no(c, "grant.budget", err, PHI_EDENIED, "this is more statements than the grant's budget has left");
    if (ret->rows_left == 0 || ret->bytes_left == 0)
        return core_no(c, "grant.budget", err, PHI_EDENIED, "the grant's budget of %s is spent",
                       ret->rows_left == 0 ? "rows" : "bytes");
    if (busy)
        return core_no(c, "grant.busy", err, PHI_ECONFLICT, "another use of this grant still runs, and they share a budget");
    return PHI_OK;
}

struct core_due core_grant_from(struct phi_core *c, int64_t from_ms)
{
    int64_t wait = from_ms - core_wall(c);
    if (from_ms == 0 || wait <= 0)
        return (struct core_due){ 0 };
    return (struct core_due){ from_ms, c->clock->boot_ms(c->clock->self) + wait, c->st.boot };
}

/* The clock that starts with the first use: never later than what was there. */
void core_grant_first_use(struct phi_core *c, struct core_grant_row *g, const struct phi_grant *t)
{
    if (g->status != PHI_GRANT_READY || t->first_use_ms == 0)
        return;
    struct core_due due = core_due_in(c, t->for_ms);
    if (core_left(c, &due) < core_left(c, &g->due))
        g->due = due;
}
