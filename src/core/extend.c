/* Going on from a grant: a new request, bound to the old one. It asks for nothing that the grant does not give but time, and
 * what it does not say is as it was there: scope, uses, budget, hours, and for whom the holder acts. */
#include "core/request_in.h"

static enum phi_rc wider(struct phi_core *c, const char *what, struct phi_err *err)
{
    return core_no(c, "extend.wider", err, PHI_EINPUT, "an extension asks for nothing that the grant does not give: %s", what);
}

/* One's own, live, for a scope, not a broken glass. */
static enum phi_rc old_find(struct phi_core *c, struct phi_arena *a, const struct phi_request_ask *ask,
                            const struct core_draft *d, struct core_grant_row *old, struct phi_err *err)
{
    bool found = core_grant_which(c, a, ask->extends, old, NULL) == PHI_OK;
    if (!found || !core_same_person(c, old->principal, d->requester) || !old->live || core_left(c, &old->due) <= 0 ||
        old->act.n || old->review != CORE_REVIEW_NONE || !phi_view_eq(old->target, d->target))
        return core_no(c, "extend.none", err, PHI_ENOTFOUND,
                       "you hold no such live grant for a scope on this target; make a new request");
    return PHI_OK;
}

/* Nothing goes on for ever: after so many extensions in a row people look at the whole again. */
static enum phi_rc not_too_often(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request, struct phi_err *err)
{
    struct phi_view at = request->extends;
    for (int n = 1; at.n; n++) {
        struct core_grant_row g, gkey = { .id = at };
        struct core_request_row r;
        if (n >= PHI_MAX_EXTENSIONS)
            return core_no(c, "extend.often", err, PHI_ELIMIT, "this was extended %d times; make a new request", PHI_MAX_EXTENSIONS);
        PHI_TRY(core_get(c, CORE_GRANT, CORE_BY_KEY, &gkey, a, &g, err));
        PHI_TRY(core_request_load(c, a, g.request, &r, err));
        at = r.extends;
    }
    return PHI_OK;
}

static bool less(int64_t *asked, int64_t had) /* 0: not bounded */
{
    if (had && *asked == 0)
        *asked = had;
    return had == 0 || *asked <= had;
}

static bool window_among(const struct phi_window *w, const struct phi_window *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (phi_windows_eq(w, 1, &all[i], 1))
            return true;
    return false;
}

static enum phi_rc bounds_carry(struct phi_core *c, const struct phi_grant *t, struct phi_request_ask *ask, struct phi_err *err)
{
    if (!less(&ask->uses, t->uses))
        return wider(c, "it has fewer uses", err);
    if (!less(&ask->budget.statements, t->budget.statements) || !less(&ask->budget.rows, t->budget.rows) ||
        !less(&ask->budget.bytes, t->budget.bytes))
        return wider(c, "its budget is smaller", err);
    for (size_t i = 0; t->n_windows && i < ask->n_windows; i++)
        if (!window_among(&ask->windows[i], t->windows, t->n_windows))
            return wider(c, "it serves at other hours", err);
    if (ask->n_windows == 0) {
        ask->windows = t->windows;
        ask->n_windows = t->n_windows;
    }
    return PHI_OK;
}

/* For whom the holder acted, they still act: else whoever it is for could vote on it, and their rights would not bound it. */
static enum phi_rc behalf_carry(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request,
                                struct phi_request_ask *ask, struct phi_err *err)
{
    struct core_draft was;
    PHI_TRY(core_draft_of_row(c, a, request, &was, err));
    struct phi_view *id = phi_arena_array(a, was.of.n_behalf + 1, sizeof *id);
    if (!id)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < was.of.n_behalf; i++)
        id[i] = was.of.behalf[i].id;
    for (size_t i = 0; i < ask->n_on_behalf; i++) {
        struct core_person_row who;
        bool known = false;
        PHI_TRY(core_person_find(c, a, ask->on_behalf[i], &who, err));
        for (size_t k = 0; k < was.of.n_behalf; k++)
            known |= core_same_person(c, who.id, id[k]);
        if (!known)
            return wider(c, "it is for others", err);
    }
    ask->on_behalf = id;
    ask->n_on_behalf = was.of.n_behalf;
    return PHI_OK;
}

enum phi_rc core_extend(struct phi_core *c, struct phi_arena *a, struct phi_request_ask *ask, struct core_draft *d, struct phi_err *err)
{
    struct core_grant_row old;
    struct core_request_row request;
    struct phi_grant t;
    struct phi_action_rules rules = core_action_rules(c);
    if (ask->extends.n == 0)
        return PHI_OK;
    PHI_TRY(core_bundle_load(c, err));
    PHI_TRY(old_find(c, a, ask, d, &old, err));
    PHI_TRY(core_grant_terms(a, &old, &t, err));
    if (!d->body.has_scope)
        d->body.scope = t.scope;
    d->body.has_scope = true;
    if (!phi_scope_within(&rules, &d->body.scope, &t.scope))
        return wider(c, "its scope is narrower", err);
    PHI_TRY(core_request_load(c, a, old.request, &request, err));
    PHI_TRY(not_too_often(c, a, &request, err));
    PHI_TRY(bounds_carry(c, &t, ask, err));
    PHI_TRY(behalf_carry(c, a, &request, ask, err));
    d->body.extends = old.id;
    return PHI_OK;
}
