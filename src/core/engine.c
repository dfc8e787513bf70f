#include "core/engine.h"

#include <string.h>

#include "core/context.h"
#include "core/prepare.h"
#include "core/risk.h"

#define MAX_UNITED 64 /* distinct requirements in one ruling */
#define MAX_MASKS 256

/* ---- what is tried */

enum phi_rc core_tries_of_pairs(struct phi_arena *a, const struct phi_pair *p, size_t n, struct core_try **ret)
{
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    if (!*ret)
        return PHI_ELIMIT;
    for (size_t i = 0; i < n; i++)
        (*ret)[i] = (struct core_try){ .pair = p[i] };
    return PHI_OK;
}

struct phi_uid core_action_uid(struct phi_view id)
{
    if (phi_view_starts(id, PHI_LIT(CORE_OWN_ACTION)))
        return (struct phi_uid){ PHI_LIT("phi::Action"), phi_view_from(id, sizeof CORE_OWN_ACTION - 1) };
    return (struct phi_uid){ PHI_LIT("Action"), id };
}

static bool rules_member(void *ctx, struct phi_view inner, struct phi_view outer)
{
    struct phi_core *c = ctx;
    return c->bundle && phi_bundle_action_in(c->bundle, core_action_uid(inner), core_action_uid(outer));
}

struct phi_action_rules core_action_rules(struct phi_core *c)
{
    return (struct phi_action_rules){ rules_member, c };
}

enum phi_rc core_tries_of_scope(struct phi_core *c, struct phi_arena *a, const struct phi_scope *s,
                                struct core_try **ret, size_t *ret_n, struct phi_err *err)
{
    size_t n_actions = phi_bundle_action_count(c->bundle);
    *ret = phi_arena_array(a, n_actions * s->n_resources + 1, sizeof **ret);
    *ret_n = 0;
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "the scope is too large");
    for (size_t i = 0; i < n_actions; i++) {
        struct phi_uid leaf = phi_bundle_action_at(c->bundle, i);
        bool named = false, member = false;
        for (size_t k = 0; k < s->n_actions; k++) {
            named |= phi_uid_eq(leaf, core_action_uid(s->actions[k]));
            member |= phi_view_is(leaf.type, "Action") &&
                      phi_bundle_action_in(c->bundle, leaf, core_action_uid(s->actions[k]));
        }
        for (size_t k = 0; k < s->n_resources && (named || member); k++)
            if (phi_bundle_applies(c->bundle, leaf, PHI_LIT("Person"), s->resources[k].type))
                (*ret)[(*ret_n)++] = (struct core_try){ { leaf.id, s->resources[k] }, !named };
    }
    if (*ret_n == 0)
        return core_no(c, "request.scope", err, PHI_EINPUT, "none of these actions can be done to these resources");
    return PHI_OK;
}

/* ---- uniting needs: options as sets of bits over the requirements seen */

struct uniting {
    const struct phi_requirement *seen[MAX_UNITED];
    size_t n_seen;
    uint64_t mask[MAX_MASKS];
    size_t n; /* 0: nothing is needed yet */
};

static bool bit_of(struct uniting *u, const struct phi_requirement *r, uint64_t *mask)
{
    size_t i = 0;
    while (i < u->n_seen && u->seen[i] != r)
        i++;
    if (i == MAX_UNITED)
        return false;
    if (i == u->n_seen)
        u->seen[u->n_seen++] = r;
    *mask |= 1ULL << i;
    return true;
}

static size_t minimal(uint64_t *m, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        bool drop = false;
        for (size_t j = 0; j < n && !drop; j++)
            drop = j != i && (m[j] & ~m[i]) == 0 && (m[j] != m[i] || j < i);
        if (!drop)
            m[k++] = m[i]; /* k <= i, and what is overwritten was seen or is implied by what stays */
    }
    return k;
}

static bool unite(struct uniting *u, const struct phi_answer *ans)
{
    uint64_t out[MAX_MASKS];
    size_t n = 0;
    for (size_t i = 0; i < ans->n_alternatives; i++) {
        uint64_t m = 0;
        for (size_t k = 0; k < ans->alternatives[i].n; k++)
            if (!bit_of(u, ans->alternatives[i].requirements[k], &m))
                return false;
        for (size_t j = 0; j < (u->n ? u->n : 1); j++) {
            if (n == MAX_MASKS)
                return false;
            out[n++] = m | (u->n ? u->mask[j] : 0);
        }
    }
    uint64_t clean[MAX_MASKS];
    memcpy(clean, out, n * sizeof *out);
    u->n = minimal(clean, n);
    memcpy(u->mask, clean, u->n * sizeof *clean);
    return u->n <= PHI_MAX_ALTERNATIVES;
}

static enum phi_rc options_out(struct phi_arena *a, const struct uniting *u, struct core_ruling *r)
{
    struct phi_alternative *options = phi_arena_array(a, u->n + 1, sizeof *options);
    if (!options)
        return PHI_ELIMIT;
    r->options = options;
    r->n_options = 0;
    for (size_t i = 0; i < u->n; i++) {
        const struct phi_requirement **list = phi_arena_array(a, PHI_MAX_REQUIREMENTS, sizeof *list);
        size_t n = 0;
        if (!list)
            return PHI_ELIMIT;
        if (__builtin_popcountll(u->mask[i]) > PHI_MAX_REQUIREMENTS)
            continue;
        for (size_t k = 0; k < u->n_seen; k++)
            if (u->mask[i] >> k & 1)
                list[n++] = u->seen[k];
        options[r->n_options++] = (struct phi_alternative){ list, n };
    }
    return PHI_OK;
}

/* ---- ruling */

static void deny(struct phi_arena *a, struct core_ruling *r, struct phi_view reason)
{
    r->verdict = PHI_DENY;
    r->reason = phi_arena_copy(a, reason);
    r->n_options = r->n_obligations = 0;
}

static void policies_add(struct phi_arena *a, struct core_ruling *r, const struct phi_answer *ans)
{
    struct phi_decider *all = phi_arena_array(a, r->n_policies + ans->n_policies + 1, sizeof *all);
    if (!all)
        return;
    size_t n = r->n_policies;
    if (n)
        memcpy(all, r->policies, n * sizeof *all);
    for (size_t i = 0; i < ans->n_policies; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known |= phi_view_eq(all[k].id, ans->policies[i].id);
        if (!known)
            all[n++] = (struct phi_decider){ phi_arena_copy(a, ans->policies[i].id),
                                             phi_arena_copy(a, ans->policies[i].why) };
    }
    r->policies = all;
    r->n_policies = n;
}

/* What each of several answers rests on, all rest on. */
static void obligations_add(struct phi_arena *a, struct core_ruling *r, const struct phi_answer *ans)
{
    size_t n = r->n_obligations;
    const struct phi_obligation **all = phi_arena_array(a, n + ans->n_obligations + 1, sizeof(const struct phi_obligation *));
    for (size_t i = 0; all && i < n; i++)
        all[i] = r->obligations[i];
    for (size_t i = 0; all && i < ans->n_obligations; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known |= all[k] == ans->obligations[i];
        if (!known)
            all[n++] = ans->obligations[i];
    }
    r->obligations = all;
    r->n_obligations = all ? n : 0; /* where not, the arena is full, which denies */
}

static enum phi_rc try_one(struct phi_core *c, struct phi_arena *a, const struct core_case *q, struct phi_ref who,
                           const struct core_prepared *p, const struct phi_pair *pair, struct phi_answer *ans,
                           struct phi_err *err)
{
    struct phi_ask ask = { .principal = { who.type, who.id },
                           .action = core_action_uid(pair->action),
                           .resource = { pair->resource.type, pair->resource.id },
                           .met = q->met,
                           .n_met = q->n_met,
                           .can = q->can,
                           .n_can = q->n_can };
    struct phi_err why = { 0 };
    struct core_moment m = { who.id, pair->resource, q->has_text, q->ticket, q->why, q->rated, q->risk, q->behalf, q->n_behalf, true, q->device, q->ticket_facts, 0 };
    PHI_TRY(core_context_at(c, a, ask.action, q->context, &m, &ask.context, err));
    *ans = (struct phi_answer){ .verdict = PHI_DENY };
    if (core_ask(c, p, &ask, a, ans, &why) != PHI_OK) {
        ans->verdict = PHI_DENY;
        ans->reason = phi_arena_copy(a, phi_view_of(why.msg));
    }
    return PHI_OK;
}

/* The requester and each person for whom they act: the first that may not, or PHI_ALLOW in answers of all. */
static enum phi_rc try_each(struct phi_core *c, struct phi_arena *a, const struct core_case *q, const struct core_prepared *p,
                            const struct phi_pair *pair, struct phi_answer *all, size_t *ret_n, bool *ret_may, struct phi_err *err)
{
    *ret_may = true;
    for (*ret_n = 0; *ret_n <= q->n_behalf && *ret_may; ++*ret_n) {
        struct phi_answer *ans = &all[*ret_n];
        PHI_TRY(try_one(c, a, q, *ret_n ? q->behalf[*ret_n - 1] : q->principal, p, pair, ans, err));
        *ret_may = (ans->verdict == PHI_ALLOW || ans->verdict == PHI_NEEDS) && !ans->partial;
    }
    return PHI_OK;
}

static enum phi_rc rule_all(struct phi_core *c, struct phi_arena *a, const struct core_case *q,
                            const struct core_prepared *p, struct core_ruling *r, struct phi_err *err)
{
    struct uniting u = { 0 };
    struct phi_answer all[PHI_MAX_ON_BEHALF + 1], denied = { .reason = PHI_LIT("nothing was asked") };
    size_t kept = 0, n;
    bool may;
    if (q->n_behalf > PHI_MAX_ON_BEHALF)
        return deny(a, r, PHI_LIT("this acts for too many")), PHI_OK;
    for (size_t i = 0; i < q->n_tries; i++) {
        PHI_TRY(try_each(c, a, q, p, &q->tries[i].pair, all, &n, &may, err));
        if (!may) {
            denied = all[n - 1];
            if (q->tries[i].optional)
                continue;
            policies_add(a, r, &denied);
            return deny(a, r, denied.reason), PHI_OK;
        }
        kept++;
        for (size_t k = 0; k < n; k++) {
            policies_add(a, r, &all[k]);
            obligations_add(a, r, &all[k]);
            if (all[k].verdict == PHI_NEEDS && (all[k].n_alternatives == 0 || !unite(&u, &all[k])))
                return deny(a, r, PHI_LIT("there are too many ways to meet what this needs; ask for less at once")), PHI_OK;
        }
    }
    if (kept == 0)
        return policies_add(a, r, &denied), deny(a, r, denied.reason), PHI_OK;
    r->verdict = u.n ? PHI_NEEDS : PHI_ALLOW;
    PHI_TRY(options_out(a, &u, r));
    if (u.n && r->n_options == 0)
        deny(a, r, PHI_LIT("this needs more requirements at once than phi handles; ask for less at once"));
    return PHI_OK;
}

/* Only where the live policy asks for it: it reads a person's habits. */
static enum phi_rc rate(struct phi_core *c, struct phi_arena *a, struct core_case *q, struct phi_err *err)
{
    struct core_risk risk;
    if (q->rated || !c->says_risk || !phi_view_is(q->principal.type, "Person"))
        return PHI_OK;
    PHI_TRY(core_risk_of(c, a, q, &risk, err));
    q->rated = true;
    q->risk = risk.points;
    return PHI_OK;
}

enum phi_rc core_rule(struct phi_core *c, struct phi_arena *a, const struct core_case *q, struct core_ruling *ret,
                      struct phi_err *err)
{
    struct phi_entities *es;
    *ret = (struct core_ruling){ .verdict = PHI_DENY, .reason = PHI_LIT("no policy is live, so everything is denied") };
    enum phi_rc rc = core_bundle_load(c, err);
    if (rc == PHI_ENOTFOUND)
        return PHI_OK;
    PHI_TRY(rc);
    struct core_case now = *q;
    PHI_TRY(rate(c, a, &now, err));
    PHI_TRY(core_case_entities(c, q, &es, err));
    struct core_prepared prepared = { 0 };
    struct phi_err why = { 0 };
    if (phi_bundle_check_entities(c->bundle, es, &why) != PHI_OK) /* what the policies were checked against */
        ret->reason = phi_arena_copy(a, phi_view_of(why.msg));
    else if ((rc = core_prepare(c, es, &prepared, err)) == PHI_OK)
        rc = rule_all(c, a, &now, &prepared, ret, err);
    core_prepared_done(&prepared);
    phi_entities_close(es);
    if (rc == PHI_OK && !phi_arena_ok(a))
        rc = phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
    if (rc != PHI_OK)
        ret->verdict = PHI_DENY;
    return rc;
}
