/* Taking rights away: one, many, or those that a new policy does not allow. */
#include <string.h>

#include "core/request_in.h"

#define PAGE 500

enum phi_rc core_grant_revoke(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct core_grant_row *row, struct phi_view why, const char *cause, struct phi_err *err)
{
    struct phi_entry e;
    if (why.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a reason is at most %d bytes", PHI_MAX_WHY);
    struct phi_view salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, why);
    PHI_TRY(core_text_put(c, row->id, "revoked", salt, why, err));
    core_entry(c, &e, PHI_EV_GRANT_REVOKED, by);
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    if (cause)
        phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    return core_grant_step(c, a, row, CORE_GRANT_REVOKE, &e, err);
}

/* Approvers, reviewers, the requester, admins, phid; who only watches does not. */
static bool may_revoke(struct phi_core *c, const struct phi_actor *by, const struct core_grant_row *row)
{
    if (by->kind == PHI_ACTOR_GATEWAY || !core_grant_sees(c, by, row))
        return false;
    return core_same_person(c, by->id, row->principal) || core_has(c, by, PHI_RIGHT_REVOKE) ||
           !core_only_watches(c, row->request, by->id);
}

enum phi_rc phi_grant_revoke(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, struct phi_view why, struct phi_revoked *ret,
                             struct phi_err *err)
{
    struct core_grant_row row;
    *ret = (struct phi_revoked){ 0 };
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_grant_which(c, a, which, &row, err));
    if (!may_revoke(c, by, &row))
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "there is no such grant");
    if (row.status != PHI_GRANT_REVOKED)
        PHI_TRY(core_grant_revoke(c, a, by, &row, why, NULL, err));
    PHI_TRY(core_acks(c, a, row.id, &ret->acknowledged, &ret->n_acknowledged, &ret->waiting, &ret->n_waiting, err));
    return core_grant_view(c, a, &row, &ret->grant, err);
}

/* ---- many */

typedef enum phi_rc (*fits_fn)(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, const void *ctx,
                               bool *ret, struct phi_err *err);
typedef enum phi_rc (*end_fn)(struct phi_core *c, struct phi_arena *a, struct core_grant_row *g, void *ctx,
                              struct phi_err *err);

/* Every live grant once, in pages: those that `fits` names end by `end`. */
static enum phi_rc end_where(struct phi_core *c, fits_fn fits, const void *what, end_fn end, void *ctx,
                             struct phi_err *err)
{
    struct core_grant_row key = { .live = 1 };
    struct core_span span = { .prefix = 1, .limit = PAGE };
    for (;;) {
        PHI_ARENA(a, (size_t)1 << 30);
        struct core_grant_row *rows;
        size_t n;
        PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_LIVE, &key, span, &a, &rows, &n, err));
        for (size_t i = 0; i < n; i++) {
            bool yes = false;
            PHI_TRY(core_row_check(c, CORE_GRANT, &rows[i], rows[i].leaf, rows[i].leaf_hash, err));
            PHI_TRY(fits(c, &a, &rows[i], what, &yes, err));
            if (yes)
                PHI_TRY(end(c, &a, &rows[i], ctx, err));
            else
                span.offset++; /* it stays in the list */
        }
        if (n < PAGE)
            return PHI_OK;
    }
}

static enum phi_rc touches(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, struct phi_ref r,
                           bool *ret, struct phi_err *err)
{
    struct core_request_row request;
    struct core_draft d;
    struct phi_grant t;
    PHI_TRY(core_grant_terms(a, g, &t, err));
    for (size_t i = 0; t.has_scope && i < t.scope.n_resources; i++)
        *ret |= phi_ref_within(t.scope.resources[i], r) || phi_ref_within(r, t.scope.resources[i]);
    if (t.has_scope)
        return PHI_OK;
    PHI_TRY(core_request_load(c, a, g->request, &request, err));
    enum phi_rc rc = core_draft_of_row(c, a, &request, &d, err);
    if (rc == PHI_ENOTFOUND) /* its body was erased: nobody knows what it touches */
        return *ret = true, PHI_OK;
    PHI_TRY(rc);
    for (size_t i = 0; i < d.body.n_actions; i++)
        *ret |= phi_ref_within(d.body.actions[i].resource, r) || phi_ref_within(r, d.body.actions[i].resource);
    return PHI_OK;
}

struct filtering {
    struct phi_revoke_filter f;
    struct phi_view root, bundle; /* of the person; hash of the version */
};

static enum phi_rc filter_fits(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, const void *ctx,
                               bool *ret, struct phi_err *err)
{
    const struct filtering *f = ctx;
    *ret = f->f.everything || (f->root.n && phi_view_eq(core_root(c, a, g->principal), f->root)) ||
           (f->bundle.n && phi_view_eq(g->bundle, f->bundle));
    return f->f.resource.type.n ? touches(c, a, g, f->f.resource, ret, err) : PHI_OK;
}

static enum phi_rc filter_read(struct phi_core *c, struct phi_arena *a, struct filtering *f, struct phi_err *err)
{
    struct core_person_row person;
    struct core_bundle_row bundle, key = { .version = f->f.bundle_version };
    int said = (f->f.person.n > 0) + (f->f.resource.type.n > 0) + (f->f.bundle_version > 0) + f->f.everything;
    if (said != 1)
        return phi_fail(err, PHI_EINPUT, "say one of: a person, a resource, a policy version, everything");
    if (f->f.person.n) {
        PHI_TRY(core_person_find(c, a, f->f.person, &person, err));
        f->root = core_root(c, a, person.id);
    }
    if (f->f.bundle_version) {
        if (core_get(c, CORE_BUNDLE, CORE_BY_KEY, &key, a, &bundle, NULL) != PHI_OK)
            return core_no(c, "policy.unknown", err, PHI_ENOTFOUND, "there is no policy of that version");
        f->bundle = bundle.hash;
    }
    return PHI_OK;
}

struct ending {
    const struct phi_actor *by;
    struct phi_view why;
    int64_t count;
};

static enum phi_rc end_one(struct phi_core *c, struct phi_arena *a, struct core_grant_row *g, void *ctx,
                           struct phi_err *err)
{
    struct ending *e = ctx;
    e->count++;
    return core_grant_revoke(c, a, e->by, g, e->why, "many", err);
}

static enum phi_rc many_leaf(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct filtering *f, struct phi_view why, int64_t count, struct phi_err *err)
{
    struct phi_entry e;
    struct phi_view salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, why), bundle = core_unhex(f->bundle);
    const char *kind = f->root.n ? "person" : f->bundle.n ? "bundle" : f->f.everything ? "everything" : "resource";
    core_entry(c, &e, PHI_EV_GRANTS_REVOKED, by);
    phi_entry_str(&e, PHI_F_KIND, phi_view_of(kind));
    phi_entry_int(&e, PHI_F_COUNT, count);
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    if (f->root.n)
        phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", f->root));
    if (f->f.resource.type.n)
        phi_entry_ref(&e, PHI_F_TARGET, f->f.resource);
    if (f->bundle.n)
        phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    PHI_TRY(core_text_put(c, core_hex(a, &hash), "revoked", salt, why, err)); /* found again by the entry's reason_hash */
    return core_leaf(c, &e, NULL, NULL, err);
}

/* Gateways that owe a confirmation of anything. */
static enum phi_rc waiting(struct phi_core *c, struct phi_arena *a, struct phi_revoked_many *ret, struct phi_err *err)
{
    struct core_gateway_row *g;
    size_t n;
    PHI_TRY(core_list(c, CORE_GATEWAY, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &g, &n, err));
    struct phi_view *v = phi_arena_array(a, n + 1, sizeof *v);
    if (!v)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct core_ack_row *acks, key = { .gateway = g[i].name };
        size_t m;
        bool owes = false;
        PHI_TRY(core_list(c, CORE_ACK, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &acks, &m, err));
        for (size_t k = 0; k < m; k++)
            owes |= acks[k].done == 0;
        if (owes && core_gateway_may_work(c, g[i].name))
            v[ret->n_waiting++] = g[i].name;
    }
    ret->waiting = v;
    return PHI_OK;
}

enum phi_rc phi_grant_revoke_many(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                  const struct phi_revoke_filter *filter, struct phi_view why,
                                  struct phi_revoked_many *ret, struct phi_err *err)
{
    struct filtering f = { .f = *filter };
    struct ending e = { .by = by, .why = why };
    *ret = (struct phi_revoked_many){ 0 };
    PHI_TRY(core_need(c, by, PHI_RIGHT_REVOKE, err));
    if (why.n == 0 || why.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a reason of 1 to %d bytes is needed", PHI_MAX_WHY);
    PHI_TRY(filter_read(c, a, &f, err));
    PHI_TRY(end_where(c, filter_fits, &f, end_one, &e, err));
    PHI_TRY(many_leaf(c, a, by, &f, why, e.count, err));
    ret->count = e.count;
    return waiting(c, a, ret, err);
}

/* ---- a policy change */

static enum phi_rc not_allowed_now(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g,
                                   const void *ctx, bool *ret, struct phi_err *err)
{
    struct core_request_row request;
    struct core_draft d;
    struct core_ruling r;
    (void)ctx;
    PHI_TRY(core_request_load(c, a, g->request, &request, err));
    enum phi_rc rc = core_draft_of_row(c, a, &request, &d, err);
    if (rc == PHI_ENOTFOUND || rc == PHI_EINPUT) { /* erased, or the new schema has no such action */
        *ret = true;
        return PHI_OK;
    }
    PHI_TRY(rc);
    PHI_TRY(core_met(c, a, &request, &d, &d.of.met, &d.of.n_met, err));
    rc = core_rule(c, a, &d.of, &r, err);
    if (rc != PHI_EINPUT)
        PHI_TRY(rc);
    *ret = rc != PHI_OK || r.verdict != PHI_ALLOW;
    return PHI_OK;
}

static enum phi_rc end_by_policy(struct phi_core *c, struct phi_arena *a, struct core_grant_row *g, void *ctx,
                                 struct phi_err *err)
{
    static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    (void)ctx;
    return core_grant_revoke(c, a, &phid, g, PHI_LIT("the policy changed and does not allow this any more"),
                             "policy-changed", err);
}

struct linking {
    struct phi_view root;
};

static enum phi_rc voted_on(struct phi_core *c, struct phi_arena *a, const struct core_request_row *r, struct phi_view root, bool *ret,
                            struct phi_err *err)
{
    struct core_vote_row *v;
    size_t n;
    PHI_TRY(core_votes(c, a, r, &v, &n, err));
    for (size_t i = 0; i < n; i++)
        *ret |= phi_view_eq(core_root(c, a, v[i].root), root);
    return PHI_OK;
}

/* Grants of this person, those they voted on, and those that act for others: approvals are counted anew, by who is who now. */
static enum phi_rc not_by_others(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, const void *ctx,
                                 bool *ret, struct phi_err *err)
{
    const struct linking *l = ctx;
    struct core_request_row request;
    bool theirs = phi_view_eq(core_root(c, a, g->principal), l->root);
    if (!theirs) {
        PHI_TRY(core_request_load(c, a, g->request, &request, err));
        theirs = request.behalf || !phi_view_is(phi_who_type(g->principal), "Person");
        if (!theirs)
            PHI_TRY(voted_on(c, a, &request, l->root, &theirs, err));
        if (!theirs)
            return PHI_OK;
    }
    return not_allowed_now(c, a, g, NULL, ret, err);
}

static enum phi_rc end_by_link(struct phi_core *c, struct phi_arena *a, struct core_grant_row *g, void *ctx, struct phi_err *err)
{
    static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    (void)ctx;
    return core_grant_revoke(c, a, &phid, g, PHI_LIT("accounts were linked: by who is who now it lacks approvals"), "account-linked", err);
}

enum phi_rc core_grants_linked(struct phi_core *c, struct phi_view root, struct phi_err *err)
{
    struct linking l = { root };
    enum phi_rc rc = core_bundle_load(c, err);
    if (rc != PHI_OK)
        return rc == PHI_ENOTFOUND ? PHI_OK : rc; /* without a policy there is no grant */
    return end_where(c, not_by_others, &l, end_by_link, NULL, err);
}

enum phi_rc core_grants_redecide(struct phi_core *c, struct phi_err *err)
{
    return end_where(c, not_allowed_now, NULL, end_by_policy, NULL, err);
}
