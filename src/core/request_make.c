/* Asking, joining, editing, withdrawing. */
#include <string.h>

#include "core/request_in.h"
#include "core/risk.h"

static enum phi_rc denied(struct phi_core *c, const struct phi_actor *by, const struct core_draft *d,
                          const struct core_ruling *r, const char *cause, struct phi_request_answer *ret,
                          struct phi_err *err)
{
    struct phi_entry e;
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    *ret = (struct phi_request_answer){ .kind = PHI_ANSWER_DENY,
                                        .reason = r->reason,
                                        .policies = r->policies,
                                        .n_policies = r->n_policies };
    PHI_TRY(core_risk_mishap(c, d->requester, CORE_MISHAP_DENIED, err));
    core_entry(c, &e, PHI_EV_ACTION_DENIED, by);
    phi_entry_ref(&e, PHI_F_PRINCIPAL, d->body.requester);
    phi_entry_ref(&e, PHI_F_TARGET, d->body.target);
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    if (!d->body.has_scope)
        phi_entry_hash(&e, PHI_F_ACT, &d->act);
    if (d->gateway.n) {
        phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", d->gateway));
        phi_entry_str(&e, PHI_F_SESSION, d->session);
    }
    if (r->n_policies)
        phi_entry_str(&e, PHI_F_POLICY, phi_view_upto(r->policies[0].id, 256));
    return core_leaf(c, &e, NULL, NULL, err);
}

/* ---- what nobody can meet: deny, and say who lacks */

static enum phi_rc lack(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct core_ruling *r,
                        const struct phi_requirement *req, struct phi_err *err)
{
    struct core_subject s = core_subject_of(d);
    struct core_approver *p;
    size_t n;
    PHI_BUF(sum, 4096);
    phi_body_summary(&sum, &d->body);
    struct phi_view what = phi_view_upto(phi_buf_view(&sum), 300);
    struct phi_view policy = r->n_policies ? r->policies[0].id : PHI_LIT("?");
    if (req->kind == PHI_REQUIRE_BREAK_GLASS) {
        r->reason = phi_arena_printf(a, PHI_FMT " needs somebody who breaks the glass: ask for it as a scope, with "
                                        "--break-glass and a reason; policy \"" PHI_FMT "\"", PHI_ARG(what), PHI_ARG(policy));
        return PHI_OK;
    }
    if (!core_met_by_votes(req)) {
        r->reason = phi_arena_printf(a, PHI_FMT " needs \"" PHI_FMT "\" (%s), which cannot be met here; policy \"" PHI_FMT
                                        "\"", PHI_ARG(what), PHI_ARG(req->name), phi_requirement_kind_name(req->kind), PHI_ARG(policy));
        return PHI_OK;
    }
    PHI_TRY(core_approvers(c, a, &s, req, &p, &n, err));
    r->reason = phi_arena_printf(a,
                                 "nobody may approve " PHI_FMT ". Policy \"" PHI_FMT "\" needs %lld " PHI_FMT
                                 ", %zu exist%s; ask a policy author",
                                 PHI_ARG(what), PHI_ARG(policy), (long long)core_places(req), PHI_ARG(req->name), n,
                                 n == 1 ? "s" : "");
    return PHI_OK;
}

/* Keeps the options that somebody can meet. False: none is left, and the ruling is a deny now. */
static enum phi_rc keep_feasible(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                                 struct core_ruling *r, bool *ret, struct phi_err *err)
{
    struct core_subject s = core_subject_of(d);
    struct phi_alternative *kept = phi_arena_array(a, r->n_options + 1, sizeof *kept);
    size_t n = 0;
    if (!kept)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < r->n_options; i++) {
        bool yes = false;
        PHI_TRY(core_feasible(c, a, &s, &r->options[i], &yes, err));
        if (yes)
            kept[n++] = r->options[i];
    }
    *ret = n > 0;
    if (n == 0) {
        r->verdict = PHI_DENY;
        const struct phi_alternative *first = &r->options[0];
        for (size_t i = 0; i < first->n; i++) { /* name the requirement that lacks people by itself, if one does */
            struct phi_alternative one = { &first->requirements[i], 1 };
            bool yes = false;
            PHI_TRY(core_feasible(c, a, &s, &one, &yes, err));
            if (!yes || i + 1 == first->n)
                return lack(c, a, d, r, first->requirements[i], err);
        }
    }
    r->options = kept;
    r->n_options = n;
    return PHI_OK;
}

/* ---- joining an equal pending request */

static enum phi_rc equal_pending(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                                 struct core_request_row *ret, struct phi_err *err)
{
    struct core_request_row *rows, key = { .act = core_hex(a, &d->act), .live = 1 };
    size_t n;
    PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_ACT, &key, (struct core_span){ .prefix = 2 }, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        const struct core_request_row *r = &rows[i];
        if (!phi_view_eq(r->requester, d->requester) || !phi_view_eq(r->target, d->target) ||
            r->for_ms != d->body.bounds.for_ms || r->uses != d->body.bounds.uses || core_left(c, &r->due) <= 0)
            continue;
        *ret = *r;
        return core_row_check(c, CORE_REQUEST, r, r->leaf, r->leaf_hash, err);
    }
    return PHI_ENOTFOUND;
}

static enum phi_rc join(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                        const struct core_draft *d, const struct core_request_row *row, struct phi_err *err)
{
    struct core_waiter_row waiter = { row->id, d->session, d->gateway }, *all;
    struct phi_entry e;
    size_t n;
    enum phi_rc rc = core_add(c, CORE_WAITER, &waiter, NULL);
    if (rc == PHI_ECONFLICT)
        return PHI_OK; /* this session waits on it already */
    if (rc != PHI_OK)
        return phi_fail(err, rc, "the waiter cannot be stored");
    PHI_TRY(core_list(c, CORE_WAITER, CORE_BY_KEY, &waiter, (struct core_span){ .prefix = 1 }, a, &all, &n, err));
    core_entry(c, &e, PHI_EV_REQUEST_JOINED, by);
    phi_entry_str(&e, PHI_F_REQ, row->id);
    phi_entry_str(&e, PHI_F_SESSION, d->session);
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", d->gateway));
    phi_entry_int(&e, PHI_F_COUNT, (int64_t)n);
    return core_leaf(c, &e, NULL, NULL, err);
}

/* ---- asking */

/* Pending, or approved by a rule at once. */
static enum phi_rc filed_answer(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                const struct core_request_row *row, struct phi_request_answer *ret, struct phi_err *err)
{
    PHI_TRY(core_request_view(c, a, by, row, &ret->request, err));
    ret->kind = PHI_ANSWER_PENDING;
    if (row->status == PHI_REQUEST_DENIED) {
        ret->kind = PHI_ANSWER_DENY;
        ret->reason = ret->request.reason;
    } else if (ret->request.grant) {
        ret->kind = PHI_ANSWER_GRANT;
        ret->grant = *ret->request.grant;
    }
    return PHI_OK;
}

/* A person who asks the same again waits on what they asked. */
static enum phi_rc asked_already(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct core_draft *d,
                                 struct phi_view key, struct phi_request_answer *ret, struct phi_err *err)
{
    struct core_request_row row;
    PHI_TRY(core_idem_equal(c, a, d, &row, err));
    PHI_TRY(core_parties_put(c, a, by, &row, "watcher", d->watchers, d->n_watchers, err));
    PHI_TRY(core_parties_put(c, a, by, &row, "suggested", d->suggested, d->n_suggested, err));
    PHI_TRY(core_idem_put(c, a, d, key, row.id, err));
    ret->joined = true;
    return filed_answer(c, a, by, &row, ret, err);
}

static enum phi_rc granted(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_request_answer *ret,
                           struct phi_err *err)
{
    struct core_grant_row grant;
    PHI_TRY(core_grant_fitting(c, a, d, &grant, err));
    ret->kind = PHI_ANSWER_GRANT;
    return core_grant_view(c, a, &grant, &ret->grant, err);
}

/* A statement at a gateway names no ticket and no reason. Where the policy speaks of them, those of a grant's request count
 * for what the grant covers: PHI_ENOTFOUND where there is none under which the policy allows it. */
static enum phi_rc granted_text(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_request_answer *ret,
                                struct phi_err *err)
{
    return d->gateway.n && c->says_text ? granted(c, a, d, ret, err) : PHI_ENOTFOUND;
}

/* The answers short of filing: PHI_ENOTFOUND when a request has to be filed. */
static enum phi_rc without_filing(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                  const struct core_draft *d, struct phi_view key, struct phi_request_answer *ret,
                                  struct phi_err *err)
{
    struct core_request_row row;
    if (d->body.payload.kind == PHI_PAYLOAD_CHANGE) { /* asked again: the same request, nothing new */
        PHI_TRY(equal_pending(c, a, d, &row, err));
        return filed_answer(c, a, by, &row, ret, err);
    }
    if (d->gateway.n == 0)
        return d->glass ? PHI_ENOTFOUND : asked_already(c, a, by, d, key, ret, err);
    enum phi_rc rc = granted(c, a, d, ret, err);
    if (rc != PHI_ENOTFOUND)
        return rc;
    PHI_TRY(equal_pending(c, a, d, &row, err));
    PHI_TRY(join(c, a, by, d, &row, err));
    ret->kind = PHI_ANSWER_PENDING;
    ret->joined = true;
    return core_request_view(c, a, by, &row, &ret->request, err);
}

enum phi_rc phi_request_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct phi_request_ask *ask, struct phi_request_answer *ret, struct phi_err *err)
{
    struct core_draft d;
    struct core_ruling r;
    struct core_request_row row;
    bool feasible = false;
    *ret = (struct phi_request_answer){ .kind = PHI_ANSWER_DENY };
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_draft_of_ask(c, a, by, ask, &d, err));
    enum phi_rc rc = core_idem_find(c, a, &d, ask->key, &row, err);
    if (rc != PHI_ENOTFOUND)
        return rc == PHI_OK ? filed_answer(c, a, by, &row, ret, err) : rc;
    PHI_TRY(core_met_at_once(c, a, &d, &d.of.met, &d.of.n_met, err));
    PHI_TRY(core_rule(c, a, &d.of, &r, err));
    ret->policies = r.policies;
    ret->n_policies = r.n_policies;
    if (r.verdict == PHI_ALLOW) {
        ret->kind = PHI_ANSWER_ALLOW;
        return PHI_OK;
    }
    if (r.verdict != PHI_NEEDS) {
        rc = granted_text(c, a, &d, ret, err);
        return rc == PHI_ENOTFOUND ? denied(c, by, &d, &r, "policy", ret, err) : rc;
    }
    rc = without_filing(c, a, by, &d, ask->key, ret, err);
    if (rc != PHI_ENOTFOUND)
        return rc;
    PHI_TRY(core_quota(c, a, &d, err));
    if (!d.glass)
        PHI_TRY(keep_feasible(c, a, &d, &r, &feasible, err));
    if (!d.glass && !feasible)
        return denied(c, by, &d, &r, "no-approver", ret, err);
    PHI_TRY(d.glass ? core_glass_break(c, a, by, &d, &r, &row, err) : core_request_file(c, a, by, &d, &r, &row, err));
    PHI_TRY(core_idem_put(c, a, &d, ask->key, row.id, err));
    PHI_TRY(core_vote_auto(c, a, &row, err));
    return filed_answer(c, a, by, &row, ret, err);
}

/* ---- the requester's own changes */

static enum phi_rc own_pending(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view which, struct core_request_row *row, struct phi_err *err)
{
    PHI_TRY(core_request_seen(c, a, by, which, row, err));
    if (by->kind != PHI_ACTOR_PERSON || !core_same_person(c, by->id, row->requester))
        return core_no(c, "request.not-yours", err, PHI_EDENIED, "only the requester may do this");
    if (row->status != PHI_REQUEST_PENDING || core_left(c, &row->due) <= 0)
        return core_no(c, "request.ended", err, PHI_ECONFLICT, "this request has ended");
    return PHI_OK;
}

/* An edit stays with those for whom the request is: they go on seeing it, and their votes go on not to count. */
static enum phi_rc same_behalf(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                               struct phi_request_ask *ask, struct phi_err *err)
{
    struct core_draft was;
    PHI_TRY(core_draft_of_row(c, a, row, &was, err));
    ask->extends = row->extends; /* it goes on from the same grant, and gets no wider than that one */
    struct phi_view *id = phi_arena_array(a, was.of.n_behalf + 1, sizeof *id);
    if (!id)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (ask->n_on_behalf)
        return phi_fail(err, PHI_EINPUT, "on_behalf stays as it was asked; cancel the request and ask anew");
    for (size_t i = 0; i < was.of.n_behalf; i++)
        id[i] = was.of.behalf[i].id;
    ask->on_behalf = id;
    ask->n_on_behalf = was.of.n_behalf;
    return PHI_OK;
}

enum phi_rc phi_request_edit(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, const struct phi_request_ask *ask, struct phi_request *ret,
                             struct phi_err *err)
{
    struct core_request_row row;
    struct core_draft d;
    struct core_ruling r;
    struct phi_request_ask edit = *ask;
    struct phi_actor as = *by; /* whatever account edits it: the requester stays who they were */
    bool feasible = false;
    PHI_TRY(own_pending(c, a, by, which, &row, err));
    if (!row.scoped)
        return core_no(c, "request.exact", err, PHI_EINPUT, "a request for exact bytes cannot be edited; send other bytes");
    if (ask->break_glass)
        return phi_fail(err, PHI_EINPUT, "an edit does not break the glass; ask for that by itself");
    as.id = row.requester;
    PHI_TRY(same_behalf(c, a, &row, &edit, err));
    PHI_TRY(core_draft_of_ask(c, a, &as, &edit, &d, err));
    if (!phi_view_eq(d.target, row.target) || !phi_id_read(row.id, &d.body.id))
        return phi_fail(err, PHI_EINPUT, "an edit stays with its target");
    PHI_TRY(core_quota_edit(c, a, &d, err));
    d.body.version = row.version + 1;
    PHI_TRY(phi_body_digest(&d.body, &d.digest, err));
    PHI_TRY(core_met_at_once(c, a, &d, &d.of.met, &d.of.n_met, err));
    PHI_TRY(core_rule(c, a, &d.of, &r, err));
    if (r.verdict == PHI_NEEDS)
        PHI_TRY(keep_feasible(c, a, &d, &r, &feasible, err));
    if (!feasible)
        return core_no(c, "policy.denied", err, PHI_EDENIED, PHI_FMT,
                       PHI_ARG(r.verdict == PHI_ALLOW ? PHI_LIT("this needs no approval; just do it") : r.reason));
    PHI_TRY(core_request_refile(c, a, by, &row, &d, &r, err));
    PHI_TRY(core_vote_auto(c, a, &row, err));
    return core_request_view(c, a, by, &row, ret, err);
}

enum phi_rc phi_request_cancel(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view which, struct phi_request *ret, struct phi_err *err)
{
    struct core_request_row row;
    struct phi_entry e;
    PHI_TRY(own_pending(c, a, by, which, &row, err));
    core_entry(c, &e, PHI_EV_REQUEST_CANCELLED, by);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("cancelled"));
    PHI_TRY(core_request_step(c, a, &row, CORE_REQUEST_CANCEL, &e, err));
    return core_request_view(c, a, by, &row, ret, err);
}

enum phi_rc phi_request_leave(struct phi_core *c, const struct phi_actor *gateway, struct phi_view id,
                              struct phi_view waiter, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_request_row row;
    struct core_waiter_row *left, key = { .request = id, .session = waiter };
    struct phi_entry e;
    size_t n;
    PHI_TRY(core_request_seen(c, &a, gateway, id, &row, err));
    if (gateway->kind != PHI_ACTOR_GATEWAY)
        return core_no(c, "right.missing", err, PHI_EDENIED, "only gateways have waiters");
    key.request = row.id;
    enum phi_rc rc = core_del(c, CORE_WAITER, &key, NULL);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return phi_fail(err, rc, "the waiter cannot be removed");
    PHI_TRY(core_list(c, CORE_WAITER, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1, .limit = 1 }, &a, &left, &n,
                      err));
    if (rc == PHI_ENOTFOUND || n > 0 || row.status != PHI_REQUEST_PENDING)
        return PHI_OK;
    core_entry(c, &e, PHI_EV_REQUEST_CANCELLED, gateway);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("left"));
    phi_entry_str(&e, PHI_F_SESSION, waiter);
    return core_request_step(c, &a, &row, CORE_REQUEST_CANCEL, &e, err);
}
