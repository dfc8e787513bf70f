#include "core/invariant.h"

#include <string.h>

#include "core/request_in.h"

#define ALL_ROWS ((size_t)1 << 30)
#define broken(n, err, ...) phi_fail(err, PHI_ECORRUPT, "invariant " #n ": " __VA_ARGS__)

static const struct core_span all = { 0 }, one = { .prefix = 1 };

static enum phi_rc glass_fits(const struct core_grant_row *g, struct phi_err *err)
{
    if (g->review == CORE_REVIEW_NONE)
        return broken(10, err, "a broken glass has no review");
    if (g->review == CORE_REVIEW_CLOSED && (g->reviewer.n == 0 || g->live || phi_view_eq(g->reviewer, g->root)))
        return broken(10, err, "a broken glass was reviewed by its user, by nobody, or too early");
    return PHI_OK;
}

/* 1 and 10: what was met was met by approving votes on this digest and version. */
static enum phi_rc met_by_votes(struct phi_arena *a, const struct core_grant_row *g, const struct core_request_row *r,
                                const struct core_vote_row *v, size_t n, struct phi_err *err)
{
    struct core_names met;
    size_t votes = 0;
    PHI_TRY(core_names_read(a, g->met, &met, err));
    for (size_t i = 0; i < n; i++) {
        const struct phi_json *doc;
        struct phi_vote vote;
        PHI_TRY(phi_json_read(a, v[i].vote, PHI_JSON_STRICT, "stored vote", &doc, err));
        PHI_TRY(phi_vote_read(a, doc, &vote, err));
        if (!phi_view_eq(core_hex(a, &vote.digest), r->digest) || vote.version != r->version || !v[i].approve ||
            vote.decision != PHI_APPROVE)
            return broken(1, err, "a grant rests on a vote for something else");
        for (size_t m = 0; m < met.n; m++)
            votes += phi_view_eq(met.v[m], v[i].requirement);
    }
    if (r->glass) /* 10 for a broken glass: it is under review, or somebody else has closed it */
        return glass_fits(g, err);
    if (g->review != CORE_REVIEW_NONE)
        return broken(10, err, "a grant is under review and no glass was broken");
    if (met.n == 0 || votes == 0)
        return broken(10, err, "a grant rests on no vote");
    return PHI_OK;
}

static enum phi_rc claims_fit(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g,
                              struct phi_err *err)
{
    struct core_claim_row *rows, key = { .grant = g->id };
    size_t n;
    int64_t spent = 0;
    PHI_TRY(core_list(c, CORE_CLAIM, CORE_CLAIM_BY_GRANT, &key, one, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_leaf_row leaf, lkey = { .idx = rows[i].leaf };
        spent += rows[i].outcome != PHI_OUTCOME_UNSENT;
        if (core_get(c, CORE_LEAF, CORE_BY_KEY, &lkey, a, &leaf, NULL) != PHI_OK ||
            !memmem(leaf.entry.p, leaf.entry.n, rows[i].id.p, rows[i].id.n))
            return broken(5, err, "a claim has no leaf of its own");
        if (rows[i].outcome)
            PHI_TRY(core_row_check(c, CORE_CLAIM, &rows[i], rows[i].leaf, rows[i].leaf_hash, err));
    }
    if ((g->uses > 0 && g->used > g->uses) || (g->live ? spent != g->used : spent > g->used))
        return broken(4, err, "%lld uses are counted, %lld spent, %lld allowed", (long long)g->used, (long long)spent,
                      (long long)g->uses);
    return PHI_OK;
}

/* 1: grant ⊆ ask ∩ every narrowing; 4: inside its budget of statements. */
static enum phi_rc inside_what_was_asked(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g,
                                         const struct core_vote_row *v, size_t n, const struct core_draft *d,
                                         struct phi_err *err)
{
    struct phi_grant t;
    struct phi_action_rules rules = core_action_rules(c);
    struct phi_narrowing *narrow = phi_arena_array(a, n + 1, sizeof *narrow);
    if (!narrow)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const struct phi_json *doc;
        struct phi_vote vote;
        PHI_TRY(phi_json_read(a, v[i].vote, PHI_JSON_STRICT, "stored vote", &doc, err));
        PHI_TRY(phi_vote_read(a, doc, &vote, err));
        narrow[i] = vote.narrowing;
    }
    PHI_TRY(core_grant_terms(a, g, &t, err));
    if (phi_grant_check(&t, &d->body, narrow, n, &rules, NULL) != PHI_OK || t.uses != g->uses)
        return broken(1, err, "a grant is wider than what was asked and narrowed");
    if (t.budget.statements && g->spent_statements > t.budget.statements)
        return broken(4, err, "a grant spent more statements than it has");
    if (g->due.wall > t.until_ms)
        return broken(9, err, "a grant ends later than its terms say");
    return PHI_OK;
}

static enum phi_rc grant_fits(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g,
                              struct phi_err *err)
{
    struct core_request_row r, key = { .id = g->request };
    struct core_vote_row *votes;
    struct core_draft d;
    size_t n;
    bool live = g->status == PHI_GRANT_READY || g->status == PHI_GRANT_ACTIVE;
    PHI_TRY(core_row_check(c, CORE_GRANT, g, g->leaf, g->leaf_hash, err));
    PHI_TRY(core_get(c, CORE_REQUEST, CORE_BY_KEY, &key, a, &r, err));
    if (r.status != PHI_REQUEST_APPROVED || !phi_view_eq(g->digest, r.digest) || !phi_view_eq(g->act, r.act))
        return broken(1, err, "a grant's request is not approved, or another");
    if (live != (g->live != 0))
        return broken(9, err, "a grant is live and ended");
    bool cut = g->status == PHI_GRANT_EXPIRED || g->status == PHI_GRANT_REVOKED || g->status == PHI_GRANT_RETURNED;
    if (cut && g->end_seq == 0)
        return broken(7, err, "a grant ended and no gateway was told");
    PHI_TRY(core_votes(c, a, &r, &votes, &n, err));
    PHI_TRY(met_by_votes(a, g, &r, votes, n, err));
    enum phi_rc rc = core_draft_of_row(c, a, &r, &d, err); /* 3: the body is what was digested */
    if (rc == PHI_OK)
        rc = inside_what_was_asked(c, a, g, votes, n, &d, err);
    if (rc != PHI_OK && (rc != PHI_ENOTFOUND || g->live)) /* an erased body says nothing any more */
        return rc;
    return claims_fit(c, a, g, err);
}

static enum phi_rc grants_fit(struct phi_core *c, struct phi_err *err)
{
    PHI_ARENA(a, ALL_ROWS);
    struct core_grant_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_GRANT, CORE_BY_KEY, NULL, all, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(grant_fits(c, &a, &rows[i], err));
    return PHI_OK;
}

static enum phi_rc votes_fit(struct phi_core *c, struct phi_arena *a, const struct core_request_row *r,
                             struct phi_err *err)
{
    struct core_vote_row *v;
    size_t n;
    PHI_TRY(core_votes(c, a, r, &v, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (phi_view_eq(v[i].root, r->root) && v[i].proof.n == 0) /* their passkey, for a requirement of kind mfa */
            return broken(2, err, "the requester's own vote counts");
        if (v[i].version != r->version)
            return broken(1, err, "a vote on an older version is still there");
        for (size_t k = 0; k < i; k++)
            if (phi_view_eq(v[i].root, v[k].root))
                return broken(2, err, "one person voted twice");
        if (!v[i].approve && r->status == PHI_REQUEST_APPROVED)
            return broken(1, err, "a denied request is approved");
    }
    return PHI_OK;
}

static enum phi_rc requests_fit(struct phi_core *c, struct phi_err *err)
{
    PHI_ARENA(a, ALL_ROWS);
    struct core_request_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_REQUEST, CORE_BY_KEY, NULL, all, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_grant_row *g, key = { .request = rows[i].id };
        size_t m;
        PHI_TRY(core_row_check(c, CORE_REQUEST, &rows[i], rows[i].leaf, rows[i].leaf_hash, err));
        if ((rows[i].live != 0) != (rows[i].status == PHI_REQUEST_PENDING))
            return broken(9, err, "a request is live and ended");
        if (rows[i].ask.n && !(rows[i].live && rows[i].scoped && rows[i].version == 1))
            return broken(3, err, "a request that is over, or another by now, still joins");
        PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &key, one, &a, &g, &m, err));
        if (m != (rows[i].status == PHI_REQUEST_APPROVED))
            return broken(1, err, "an approved request has one grant, any other none");
        PHI_TRY(votes_fit(c, &a, &rows[i], err));
    }
    return PHI_OK;
}

/* The log: entries without a gap that lead to the head's root. */
static enum phi_rc log_fits(struct phi_core *c, struct core_held *held, struct phi_err *err)
{
    PHI_ARENA(a, ALL_ROWS);
    struct phi_tree tree = held ? held->tree : (struct phi_tree){ 0 };
    struct core_leaf_row *rows, key = { .idx = c->st.base + (int64_t)tree.size };
    struct core_span from = { .at_least = true };
    size_t n;
    PHI_TRY(core_list(c, CORE_LEAF, CORE_BY_KEY, &key, from, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct phi_digest leaf = phi_leaf_hash(rows[i].entry);
        if (rows[i].idx != key.idx + (int64_t)i || !phi_view_eq(rows[i].hash, phi_digest_view(&leaf)))
            return broken(5, err, "entry %lld of the log is not what was written", (long long)key.idx + (long long)i);
        phi_tree_append(&tree, &leaf, NULL, NULL);
    }
    struct phi_digest root = phi_tree_root(&tree), head = phi_tree_root(&c->tree);
    if (tree.size != c->tree.size || !phi_digest_eq(&root, &head))
        return broken(5, err, "the log's entries do not lead to its head");
    if (held)
        held->tree = tree;
    return PHI_OK;
}

enum phi_rc core_invariants(struct phi_core *c, struct core_held *held, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    PHI_TRY(requests_fit(c, err));
    PHI_TRY(grants_fit(c, err));
    return log_fits(c, held, err);
}
