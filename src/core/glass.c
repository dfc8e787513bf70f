/* Break-glass: at once, with a reason, for a short time, told to everybody concerned, and not again before somebody
 * else has reviewed it. */
#include "core/request_in.h"
#include "core/risk.h"

static enum phi_rc none_unreviewed(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                                   struct phi_err *err)
{
    struct phi_view *ids;
    size_t n, m;
    PHI_TRY(core_accounts(c, a, d->root, &ids, &m, err));
    for (size_t i = 0; i < m; i++) { /* under every account that is theirs by now */
        struct core_grant_row *rows, key = { .root = ids[i], .review = CORE_REVIEW_OPEN };
        PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REVIEW, &key, (struct core_span){ .prefix = 2, .limit = 1 }, a,
                          &rows, &n, err));
        if (n)
            return core_no(c, "glass.unreviewed", err, PHI_EDENIED,
                           "your last break-glass, " PHI_FMT ", has not been reviewed by somebody else yet",
                           PHI_ARG(rows[0].code));
    }
    return PHI_OK;
}

/* Everything that can be met at once, and the glass. */
static enum phi_rc with_glass(struct phi_core *c, struct phi_arena *a, struct core_draft *d, struct phi_err *err)
{
    size_t n = phi_bundle_requirement_count(c->bundle), k = d->of.n_met;
    struct phi_view *met = phi_arena_array(a, n + k + 1, sizeof *met);
    if (!met)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < k; i++)
        met[i] = d->of.met[i];
    for (size_t i = 0; i < n; i++) {
        const struct phi_requirement *r = phi_bundle_requirement_at(c->bundle, i);
        if (r->kind == PHI_REQUIRE_BREAK_GLASS)
            met[k++] = phi_arena_copy(a, r->name);
    }
    d->of.met = met;
    d->of.n_met = k;
    return PHI_OK;
}

/* Those who are to review it, besides whoever may approve it and the admins: they see it and are told. */
static enum phi_rc reviewers_in(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                                struct phi_err *err)
{
    for (size_t i = 0; i < phi_bundle_requirement_count(c->bundle); i++) {
        const struct phi_requirement *r = phi_bundle_requirement_at(c->bundle, i);
        for (size_t k = 0; k < r->n_sets && r->kind == PHI_REQUIRE_BREAK_GLASS; k++) {
            struct core_member_row *m, key = { .grp = r->sets[k].from.id };
            size_t n;
            if (!phi_view_is(r->sets[k].from.type, "Group"))
                continue;
            PHI_TRY(core_list(c, CORE_MEMBER, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &m, &n, err));
            for (size_t j = 0; j < n; j++) {
                struct core_party_row p = { row->id, PHI_LIT("reviewer"), core_root(c, a, m[j].person) };
                enum phi_rc rc = core_add(c, CORE_PARTY, &p, NULL);
                if (rc != PHI_OK && rc != PHI_ECONFLICT)
                    return phi_fail(err, rc, "the reviewers cannot be stored");
            }
        }
    }
    return PHI_OK;
}

static enum phi_rc opened(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                          const struct core_request_row *row, const struct core_draft *d, struct phi_err *err)
{
    struct core_grant_row g;
    struct phi_entry e;
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    struct phi_view salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, d->body.why);
    PHI_TRY(core_grant_which(c, a, row->id, &g, err));
    PHI_TRY(core_text_put(c, g.id, "glass", salt, d->body.why, err));
    core_entry(c, &e, PHI_EV_GLASS_BROKEN, by);
    phi_entry_str(&e, PHI_F_REQ, row->id);
    phi_entry_str(&e, PHI_F_GRANT, g.id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of_who(row->root));
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    core_tell(c, row, "break-glass");
    PHI_TRY(core_risk_mishap(c, row->requester, CORE_MISHAP_GLASS, err));
    return PHI_OK;
}

enum phi_rc core_glass_break(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct core_draft *d,
                             struct core_ruling *r, struct core_request_row *row, struct phi_err *err)
{
    struct core_ruling with;
    struct phi_entry e;
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    if (d->gateway.n || !d->body.has_scope)
        return phi_fail(err, PHI_EINPUT, "a person breaks the glass, for a scope");
    if (d->body.why.n == 0)
        return core_no(c, "glass.reason", err, PHI_EINPUT, "breaking the glass needs a reason");
    PHI_TRY(none_unreviewed(c, a, d, err));
    PHI_TRY(with_glass(c, a, d, err));
    PHI_TRY(core_rule(c, a, &d->of, &with, err));
    if (with.verdict != PHI_ALLOW)
        return core_no(c, "glass.none", err, PHI_EDENIED, "no policy lets you break the glass for this: " PHI_FMT,
                       PHI_ARG(with.verdict == PHI_DENY ? with.reason : PHI_LIT("it needs approval all the same")));
    PHI_TRY(core_request_file(c, a, by, d, r, row, err));
    PHI_TRY(reviewers_in(c, a, row, err));
    core_entry(c, &e, PHI_EV_REQUEST_APPROVED, by);
    phi_entry_hash(&e, PHI_F_DIGEST, &d->digest);
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    PHI_TRY(core_grant_file(c, a, row, d, d->of.met, d->of.n_met, err));
    PHI_TRY(core_request_step(c, a, row, CORE_REQUEST_APPROVE, &e, err));
    return opened(c, a, by, row, d, err);
}

/* ---- the review */

static bool may_review(struct phi_core *c, const struct phi_actor *by, const struct core_grant_row *g)
{
    PHI_ARENA(a, 1 << 16);
    struct core_eligible_row *e, ekey = { .request = g->request, .person = core_root(c, &a, by->id) };
    struct core_party_row p, pkey = { g->request, PHI_LIT("reviewer"), ekey.person };
    size_t n = 0;
    if (core_get(c, CORE_PARTY, CORE_BY_KEY, &pkey, &a, &p, NULL) == PHI_OK || core_has(c, by, PHI_RIGHT_REVOKE))
        return true;
    return core_list(c, CORE_ELIGIBLE, CORE_ELIGIBLE_BY_PERSON, &ekey, (struct core_span){ .prefix = 2, .limit = 1 }, &a,
                     &e, &n, NULL) == PHI_OK &&
           n > 0;
}

static enum phi_rc review_check(struct phi_core *c, const struct phi_actor *by, const struct core_grant_row *g,
                                struct phi_view note, struct phi_err *err)
{
    if (by->kind != PHI_ACTOR_PERSON || !core_grant_sees(c, by, g))
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "there is no such grant");
    PHI_ARENA(a, 1 << 16);
    if (core_same_person(c, by->id, g->principal) || core_same_person(c, by->id, g->root) ||
        core_speaks_as(c, core_root(c, &a, by->id), g->principal))
        return core_no(c, "glass.self", err, PHI_EDENIED, "somebody else must review this");
    if (!may_review(c, by, g))
        return core_no(c, "right.missing", err, PHI_EDENIED, "its approvers, its reviewers and whoever has the right \"revoke\" review this");
    if (g->review != CORE_REVIEW_OPEN)
        return core_no(c, "glass.reviewed", err, PHI_ECONFLICT, "there is no open review of this grant");
    if (g->live)
        return core_no(c, "glass.live", err, PHI_ECONFLICT, "this grant still lives; revoke it first, or wait");
    if (note.n == 0 || note.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a review has a note of 1 to %d bytes", PHI_MAX_WHY);
    return PHI_OK;
}

enum phi_rc phi_glass_review(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                             struct phi_view note, struct phi_grant_view *ret, struct phi_err *err)
{
    struct core_grant_row g;
    struct core_request_row r;
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_grant_which(c, a, which, &g, err));
    PHI_TRY(review_check(c, by, &g, note, err));
    struct phi_view salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, note);
    PHI_TRY(core_text_put(c, g.id, "review", salt, note, err));
    g.review = CORE_REVIEW_CLOSED;
    g.reviewer = core_root(c, a, by->id);
    core_entry(c, &e, PHI_EV_GLASS_REVIEWED, by);
    phi_entry_str(&e, PHI_F_REQ, g.request);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", g.reviewer));
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    PHI_TRY(core_grant_put(c, a, &g, &e, err));
    PHI_TRY(core_request_load(c, a, g.request, &r, err));
    core_tell(c, &r, "reviewed");
    return core_grant_view(c, a, &g, ret, err);
}
