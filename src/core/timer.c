/* What happens to a pending request as time goes by: reminders, and the fallback's turn. */
#include "core/request_in.h"

struct soonest {
    int64_t remind, fallback; /* ms; 0: none */
};

static void sooner(int64_t *have, int64_t ms)
{
    if (ms > 0 && (*have == 0 || ms < *have))
        *have = ms;
}

static enum phi_rc put(struct phi_core *c, const struct core_request_row *row, const char *kind, int64_t ms,
                       struct phi_err *err)
{
    PHI_BUF(every, 32);
    phi_buf_printf(&every, "%lld", (long long)ms);
    struct core_timer_row t = { row->id, phi_view_of(kind), core_wall(c) + ms, phi_buf_view(&every) };
    enum phi_rc rc = core_del(c, CORE_TIMER, &t, NULL); /* of the version before an edit */
    if (rc == PHI_OK || rc == PHI_ENOTFOUND)
        rc = ms ? core_add(c, CORE_TIMER, &t, NULL) : PHI_OK;
    return rc == PHI_OK ? PHI_OK : phi_fail(err, rc, "the timer cannot be stored");
}

enum phi_rc core_timers_put(struct phi_core *c, const struct core_request_row *row, const struct core_ruling *ruling,
                            struct phi_err *err)
{
    struct soonest s = { 0 };
    for (size_t i = 0; i < ruling->n_options; i++)
        for (size_t k = 0; k < ruling->options[i].n; k++) {
            const struct phi_requirement *r = ruling->options[i].requirements[k];
            sooner(&s.remind, r->remind_ms);
            if (r->n_fallback)
                sooner(&s.fallback, r->fallback_ms);
        }
    PHI_TRY(put(c, row, "remind", s.remind, err));
    return put(c, row, "fallback", s.fallback, err);
}

static enum phi_rc escalate(struct phi_core *c, struct phi_arena *a, struct core_request_row *row, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_REQUEST_ESCALATED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_str(&e, PHI_F_REQ, row->id);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("fallback"));
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    core_tell(c, row, "escalated");
    PHI_TRY(core_request_say_votes(c, row));
    return core_vote_auto(c, a, row, err);
}

static int64_t number(struct phi_view v)
{
    int64_t n = 0;
    for (size_t i = 0; i < v.n && i < 18 && v.p[i] >= '0' && v.p[i] <= '9'; i++)
        n = 10 * n + (v.p[i] - '0');
    return n;
}

/* Wall clock at which the first of those who may vote is awake; 0: somebody is now. */
static enum phi_rc all_quiet_until(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row, int64_t *ret,
                                   struct phi_err *err)
{
    struct core_eligible_row *e, key = { .request = row->id, .version = row->version };
    size_t n;
    PHI_TRY(core_list(c, CORE_ELIGIBLE, CORE_BY_KEY, &key, (struct core_span){ .prefix = 2 }, a, &e, &n, err));
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t until = core_quiet_until(c, e[i].person);
        if (until == 0)
            return *ret = 0, PHI_OK;
        *ret = *ret == 0 || until < *ret ? until : *ret;
    }
    return PHI_OK;
}

enum phi_rc core_timer_run(struct phi_core *c, struct phi_arena *a, void *p, bool *ret_done, struct phi_err *err)
{
    struct core_timer_row *t = p;
    struct core_request_row row;
    *ret_done = true;
    if (phi_view_is(t->kind, CORE_TIMER_FORGET))
        return core_forget_more(c, t, err);
    enum phi_rc rc = core_request_load(c, a, t->request, &row, err);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return rc;
    bool waits = rc == PHI_OK && row.status == PHI_REQUEST_PENDING && core_left(c, &row.due) > 0;
    if (!waits)
        return core_del(c, CORE_TIMER, t, err);
    if (phi_view_is(t->kind, "fallback")) {
        PHI_TRY(core_del(c, CORE_TIMER, t, err));
        return escalate(c, a, &row, err);
    }
    int64_t every = number(t->data), quiet;
    PHI_TRY(all_quiet_until(c, a, &row, &quiet, err));
    if (quiet <= core_wall(c))
        core_tell(c, &row, "reminder");
    t->at_ms = core_wall(c) + (every > 0 ? every : PHI_DEFAULT_PENDING_MS);
    t->at_ms = t->at_ms < quiet ? quiet : t->at_ms;
    return core_set(c, CORE_TIMER, t, err);
}
