/* Spending a use: checked anew, conditional, idempotent, logged in the same transaction. */
#include <string.h>

#include "core/ahead.h"
#include "core/request_in.h"
#include "core/risk.h"
#include "core/ticket.h"

struct claiming {
    const struct phi_actor *by;
    const struct phi_claim_ask *ask;
    struct core_grant_row grant;
    struct phi_grant terms; /* its */
    struct core_request_row request;
    struct core_draft d; /* what was approved */
    struct core_case of; /* what is about to run */
    struct core_serving serving;
    int64_t statements;
};

#define mismatch(c, err, what)                                                                     \
    core_no(c, "grant.mismatch", err, PHI_EDENIED, "%s", what)

/* ---- for whom and for what */

static enum phi_rc for_this(struct phi_core *c, const struct claiming *k, struct phi_err *err)
{
    const struct phi_claim_ask *q = k->ask;
    const struct core_grant_row *g = &k->grant;
    if (!core_gateway_serves(c, k->by->id, g->target) || !phi_view_eq(q->target, g->target))
        return mismatch(c, err, "the grant is for another target");
    if (!phi_view_eq(q->principal, g->principal))
        return mismatch(c, err, "the grant is somebody else's");
    if (q->session.n == 0 || (g->session.n && !phi_view_eq(q->session, g->session)))
        return mismatch(c, err, "the grant is for another session");
    if (q->digest.n && !phi_view_eq(q->digest, g->digest))
        return mismatch(c, err, "the grant is for another request");
    return core_credential_live(c, q->credential, q->principal, q->target, err);
}

static bool same_pairs(const struct phi_pair *x, size_t nx, const struct phi_pair *y, size_t ny)
{
    if (nx != ny)
        return false;
    for (size_t i = 0; i < nx; i++)
        if (!phi_view_eq(x[i].action, y[i].action) || !phi_ref_eq(x[i].resource, y[i].resource))
            return false;
    return true;
}

/* Exact bytes: the same act, resolved to the same actions now. */
static enum phi_rc exactly(struct phi_core *c, struct phi_arena *a, struct claiming *k, struct phi_err *err)
{
    const struct phi_claim_ask *q = k->ask;
    struct phi_pair *now = phi_arena_array(a, q->n_actions + 1, sizeof *now);
    if (!now)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!phi_view_eq(q->act, k->grant.act))
        return mismatch(c, err, "other bytes or other settings were approved");
    PHI_TRY(core_draft_of_row(c, a, &k->request, &k->d, err));
    memcpy(now, q->actions, q->n_actions * sizeof *now);
    size_t n = phi_pairs_sort(now, q->n_actions);
    if (!same_pairs(now, n, k->d.body.actions, k->d.body.n_actions))
        return mismatch(c, err, "the statement means something else now than when it was approved");
    return PHI_OK;
}

static enum phi_rc within(struct phi_core *c, struct phi_arena *a, const struct claiming *k, struct phi_err *err)
{
    bool covered = false;
    PHI_TRY(core_grant_covers(c, a, &k->terms, &k->of, &covered, err));
    return covered ? PHI_OK : mismatch(c, err, "this is outside the approved scope");
}

static enum phi_rc still_good(struct phi_core *c, const struct core_grant_row *g, struct phi_err *err)
{
    if (g->status == PHI_GRANT_USED || (g->live && g->uses > 0 && g->used >= g->uses))
        return core_no(c, "grant.used", err, PHI_ECONFLICT, "every use of this grant is spent");
    if (!g->live || core_left(c, &g->due) <= 0)
        return core_no(c, "grant.ended", err, PHI_EEXPIRED, "this grant has ended");
    return PHI_OK;
}

static enum phi_rc learned(struct phi_core *c, struct phi_arena *a, const struct claiming *k, struct phi_err *err)
{
    const struct phi_json *seen = NULL;
    if (k->of.context.n && phi_json_read(a, k->of.context, PHI_JSON_INT64, "context", &seen, NULL) != PHI_OK)
        seen = NULL;
    return core_risk_learn(c, k->grant.root, k->ask->actions, k->ask->n_actions, phi_json_text(seen, "addr"), err);
}

static enum phi_rc decided_again(struct phi_core *c, struct phi_arena *a, struct claiming *k, struct phi_err *err)
{
    struct core_names met;
    struct core_ruling r;
    PHI_TRY(core_ticket_fresh(c, &k->of, k->request.glass, err));
    PHI_TRY(core_grant_met(c, a, &k->grant, &met, err));
    k->of.met = met.v;
    k->of.n_met = met.n;
    PHI_TRY(core_rule(c, a, &k->of, &r, err));
    if (r.verdict == PHI_ALLOW)
        return PHI_OK;
    return core_no(c, "policy.denied", err, PHI_EDENIED, PHI_FMT,
                   PHI_ARG(r.verdict == PHI_NEEDS ? PHI_LIT("the policy now needs more than was approved; ask again")
                                                  : r.reason));
}

/* A revocation waits for gateways with a lease only; so only they may claim. */
static enum phi_rc leased(struct phi_core *c, const struct claiming *k, struct phi_err *err)
{
    if (core_gateway_leased(c, k->by->id))
        return PHI_OK;
    return core_no(c, "lease.over", err, PHI_EDENIED, "this gateway's lease is over; it must renew it first");
}

/* ---- the step */

static enum phi_rc spend(struct phi_core *c, struct phi_arena *a, struct claiming *k, struct phi_claim *ret,
                         struct phi_err *err)
{
    struct core_grant_row *g = &k->grant;
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    struct phi_entry e;
    core_grant_first_use(c, g, &k->terms);
    int64_t left = core_left(c, &g->due) < k->serving.left_ms ? core_left(c, &g->due) : k->serving.left_ms;
    struct core_claim_row row = { .id = core_new_id(c, a),
                                  .grant = g->id,
                                  .ckey = k->ask->key,
                                  .session = k->ask->session,
                                  .gateway = k->by->id,
                                  .at_ms = core_wall(c),
                                  .statements = k->statements };
    if (g->binds && g->session.n == 0)
        g->session = k->ask->session;
    g->used++;
    g->spent_statements += k->statements;
    core_entry(c, &e, PHI_EV_GRANT_CLAIMED, k->by);
    row.at_ms = e.f[PHI_F_T].num;
    phi_entry_str(&e, PHI_F_CLAIM, row.id);
    phi_entry_int(&e, PHI_F_USED, g->used);
    if (row.session.n)
        phi_entry_str(&e, PHI_F_SESSION, row.session);
    if (row.gateway.n)
        phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", row.gateway));
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    phi_entry_int(&e, PHI_F_REMAINING_MS, left);
    phi_entry_int(&e, PHI_F_STATEMENTS, k->statements);
    if (g->act.n) {
        struct phi_digest act = core_unhex(g->act);
        phi_entry_hash(&e, PHI_F_ACT, &act);
    }
    PHI_TRY(core_grant_step(c, a, g, CORE_GRANT_CLAIM, &e, err));
    row.leaf = g->leaf;
    row.leaf_hash = g->leaf_hash;
    PHI_TRY(core_add(c, CORE_CLAIM, &row, err));
    *ret = (struct phi_claim){ .id = row.id,
                               .remaining_ms = left,
                               .rows_left = k->serving.rows_left,
                               .bytes_left = k->serving.bytes_left };
    return PHI_OK;
}

static enum phi_rc claim_fill(struct phi_core *c, struct phi_arena *a, struct claiming *k, struct phi_err *err)
{
    struct core_try *tries;
    PHI_TRY(core_tries_of_pairs(a, k->ask->actions, k->ask->n_actions, &tries));
    k->of = (struct core_case){ .principal = phi_ref_of_who(k->grant.principal),
                                .target = k->grant.target,
                                .tries = tries,
                                .n_tries = k->ask->n_actions,
                                .entities = k->ask->entities,
                                .context = k->ask->context,
                                .device = core_credential_device(c, a, k->ask->credential) };
    PHI_TRY(core_request_load(c, a, k->grant.request, &k->request, err));
    return core_grant_case(c, a, &k->request, &k->of, err);
}

/* That this grant is for this, and the live policy lets it be. */
static enum phi_rc right_now(struct phi_core *c, struct phi_arena *a, struct claiming *k, struct phi_err *err)
{
    PHI_TRY(claim_fill(c, a, k, err));
    PHI_TRY(k->grant.act.n ? exactly(c, a, k, err) : within(c, a, k, err));
    PHI_TRY(decided_again(c, a, k, err));
    return leased(c, k, err);
}

/* The same key: the same answer, as long as it is still true. No byte was forwarded yet, or nobody would ask: a claim that was made
 * when its grant came to be (await.c) may be minutes old. */
static enum phi_rc again(struct phi_core *c, struct phi_arena *a, struct claiming *k, const struct core_claim_row *row,
                         struct phi_claim *ret, struct phi_err *err)
{
    if (!phi_view_eq(row->gateway, k->by->id) || !phi_view_eq(row->session, k->ask->session) || row->statements != k->statements)
        return mismatch(c, err, "this claim is another session's, or of other statements");
    if (row->outcome != 0)
        return core_no(c, "grant.used", err, PHI_ECONFLICT, "this claim has its outcome already");
    if (!k->grant.live || core_left(c, &k->grant.due) <= 0)
        return core_no(c, "grant.ended", err, PHI_EEXPIRED, "this grant has ended");
    PHI_TRY(right_now(c, a, k, err));
    enum phi_rc rc = core_grant_serves(c, a, &k->grant, &k->terms, 0, &k->serving, err);
    if (rc != PHI_OK && rc != PHI_ECONFLICT) /* the use that runs is this one */
        return rc;
    *ret = (struct phi_claim){ .id = row->id,
                               .remaining_ms = k->serving.left_ms,
                               .rows_left = k->serving.rows_left,
                               .bytes_left = k->serving.bytes_left,
                               .again = true };
    return PHI_OK;
}

enum phi_rc core_claim_shape(struct phi_core *c, const struct phi_actor *gateway, const struct phi_claim_ask *ask, struct phi_err *err)
{
    if (gateway->kind != PHI_ACTOR_GATEWAY)
        return core_no(c, "right.missing", err, PHI_EDENIED, "only gateways claim");
    if (ask->key.n == 0 || ask->key.n > 64 || ask->n_actions == 0 || ask->n_actions > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "a claim has a key of 1 to 64 bytes and 1 to %d actions", PHI_MAX_ACTIONS);
    return PHI_OK;
}

enum phi_rc phi_grant_claim(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway,
                            const struct phi_claim_ask *ask, struct phi_claim *ret, struct phi_err *err)
{
    struct claiming k = { .by = gateway, .ask = ask, .statements = ask->statements > 0 ? ask->statements : 1 };
    struct core_claim_row before, key = { .grant = ask->grant, .ckey = ask->key };
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_claim_shape(c, gateway, ask, err));
    PHI_TRY(core_grant_load(c, a, ask->grant, &k.grant, err));
    PHI_TRY(for_this(c, &k, err));
    PHI_TRY(core_grant_terms(a, &k.grant, &k.terms, err));
    if (core_get(c, CORE_CLAIM, CORE_CLAIM_BY_CKEY, &key, a, &before, NULL) == PHI_OK)
        return again(c, a, &k, &before, ret, err);
    PHI_TRY(still_good(c, &k.grant, err));
    PHI_TRY(core_grant_serves(c, a, &k.grant, &k.terms, k.statements, &k.serving, err));
    PHI_TRY(right_now(c, a, &k, err));
    PHI_TRY(learned(c, a, &k, err));
    return spend(c, a, &k, ret, err);
}

static void foresee_request(struct core_ahead *h, const struct core_grant_row *g)
{
    struct core_request_row request, key = { .id = g->request };
    struct core_text_row texts = { .owner = g->request };
    core_ahead_list(h, CORE_TEXT_OF, CORE_BY_KEY, &texts, (struct core_span){ .prefix = 1 });
    if (core_ahead_get(h, CORE_REQUEST, CORE_BY_KEY, &key, &request) == CORE_HAND_ROW)
        core_ahead_leaf(h, request.leaf);
}

void phi_grant_claim_foresee(struct core_ahead *h, const struct phi_claim_ask *ask)
{
    struct core_grant_row grant, key = { .id = ask->grant };
    struct core_claim_row before = { .grant = ask->grant, .ckey = ask->key };
    struct core_credential_row credential = { .id = ask->credential };
    core_ahead_get(h, CORE_CLAIM, CORE_CLAIM_BY_CKEY, &before, NULL);
    core_ahead_get(h, CORE_CREDENTIAL, CORE_BY_KEY, &credential, NULL);
    core_risk_foresee(h, ask->principal, ask->actions, ask->n_actions);
    if (core_ahead_get(h, CORE_GRANT, CORE_BY_KEY, &key, &grant) != CORE_HAND_ROW)
        return;
    core_ahead_leaf(h, grant.leaf);
    foresee_request(h, &grant);
}

/* ---- outcomes */

void phi_claim_outcome_foresee(struct core_ahead *h, struct phi_view claim)
{
    struct core_claim_row row, key = { .id = claim };
    struct core_grant_row grant, gkey = { 0 };
    if (core_ahead_get(h, CORE_CLAIM, CORE_BY_KEY, &key, &row) != CORE_HAND_ROW)
        return;
    gkey.id = row.grant;
    core_ahead_list(h, CORE_CLAIM, CORE_CLAIM_BY_GRANT, &(struct core_claim_row){ .grant = row.grant }, (struct core_span){ .prefix = 2, .limit = 2 });
    if (core_ahead_get(h, CORE_GRANT, CORE_BY_KEY, &gkey, &grant) == CORE_HAND_ROW)
        core_ahead_leaf(h, grant.leaf);
}

static const char *outcome_name(enum phi_outcome o)
{
    switch (o) {
    case PHI_OUTCOME_DONE:
        return "done";
    case PHI_OUTCOME_FAILED:
        return "failed";
    case PHI_OUTCOME_UNSENT:
        return "unsent";
    case PHI_OUTCOME_UNKNOWN:
        return "unknown";
    }
    return NULL;
}

static enum phi_rc outcome_leaf(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct core_claim_row *row, const struct core_grant_row *g, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_GRANT_OUTCOME, by);
    phi_entry_str(&e, PHI_F_GRANT, g->id);
    phi_entry_str(&e, PHI_F_REQ, g->request);
    phi_entry_str(&e, PHI_F_CLAIM, row->id);
    phi_entry_str(&e, PHI_F_OUTCOME, phi_view_of(outcome_name((enum phi_outcome)row->outcome)));
    if (row->gateway.n)
        phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", row->gateway));
    if (row->tag.n)
        phi_entry_str(&e, PHI_F_TAG, row->tag);
    if (row->nrows >= 0)
        phi_entry_int(&e, PHI_F_ROWS, row->nrows);
    if (row->nbytes > 0)
        phi_entry_int(&e, PHI_F_BYTES, row->nbytes);
    row->rev++;
    PHI_TRY(core_leaf_of(c, a, &e, CORE_CLAIM, row, &row->leaf, &row->leaf_hash, err));
    return core_set(c, CORE_CLAIM, row, err);
}

/* What this use took. Where nobody knows, a bounded grant has nothing left. */
static void meter(struct core_grant_row *g, const struct core_claim_row *row, const struct phi_budget *most)
{
    bool unknown = row->outcome == PHI_OUTCOME_UNKNOWN;
    g->spent_rows += row->nrows > 0 ? row->nrows : 0;
    g->spent_bytes += row->nbytes > 0 ? row->nbytes : 0;
    if (unknown && row->nrows < 0 && g->spent_rows < most->rows)
        g->spent_rows = most->rows;
    if (unknown && row->nrows < 0 && g->spent_bytes < most->bytes)
        g->spent_bytes = most->bytes;
}

static enum phi_rc metered(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           struct core_grant_row *g, const struct core_claim_row *row, struct phi_err *err)
{
    struct phi_grant t;
    struct phi_entry e;
    PHI_TRY(core_grant_terms(a, g, &t, err));
    if (t.budget.rows == 0 && t.budget.bytes == 0)
        return PHI_OK;
    meter(g, row, &t.budget);
    core_entry(c, &e, PHI_EV_GRANT_METERED, by);
    phi_entry_str(&e, PHI_F_REQ, g->request);
    phi_entry_int(&e, PHI_F_ROWS, g->spent_rows);
    phi_entry_int(&e, PHI_F_BYTES, g->spent_bytes);
    return core_grant_put(c, a, g, &e, err);
}

/* Whether another use of a grant whose uses are all taken still runs. */
static enum phi_rc others_run(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g, const struct core_claim_row *row,
                              bool *ret, struct phi_err *err)
{
    *ret = false;
    return g->uses > 0 && g->used >= g->uses ? core_grant_runs(c, a, g, row->id, ret, err) : PHI_OK;
}

/* What the outcome makes of the grant: a use given back, or the last one spent. */
static enum phi_rc grant_after(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct core_grant_row *g, const struct core_claim_row *row, bool open, struct phi_err *err)
{
    struct phi_entry e;
    if (!g->live)
        return PHI_OK;
    if (row->outcome == PHI_OUTCOME_UNSENT) {
        g->used--;
        g->spent_statements -= row->statements;
        core_entry(c, &e, PHI_EV_GRANT_GIVEN_BACK, by);
        phi_entry_int(&e, PHI_F_USED, g->used);
        phi_entry_str(&e, PHI_F_CLAIM, row->id);
        return core_grant_step(c, a, g, CORE_GRANT_GIVE_BACK, &e, err);
    }
    PHI_TRY(metered(c, a, by, g, row, err));
    if (g->uses == 0 || g->used < g->uses || open)
        return PHI_OK;
    core_entry(c, &e, PHI_EV_GRANT_USED, by);
    phi_entry_int(&e, PHI_F_USED, g->used);
    return core_grant_step(c, a, g, CORE_GRANT_SPENT, &e, err);
}

enum phi_rc phi_claim_outcome(struct phi_core *c, const struct phi_actor *gateway, struct phi_view claim,
                              enum phi_outcome outcome, struct phi_view tag, int64_t rows, int64_t bytes,
                              struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_claim_row row, key = { .id = claim };
    struct core_grant_row g;
    bool open;
    PHI_TRY(core_batched(c, err));
    if (!outcome_name(outcome) || tag.n > 128)
        return phi_fail(err, PHI_EINPUT, "an outcome is done, failed, unsent or unknown");
    if (core_get(c, CORE_CLAIM, CORE_BY_KEY, &key, &a, &row, NULL) != PHI_OK || gateway->kind != PHI_ACTOR_GATEWAY ||
        !phi_view_eq(row.gateway, gateway->id))
        return core_no(c, "claim.unknown", err, PHI_ENOTFOUND, "this gateway has no such claim");
    if (row.outcome != 0)
        return row.outcome == (int64_t)outcome
                   ? PHI_OK
                   : core_no(c, "claim.over", err, PHI_ECONFLICT, "this claim has another outcome already");
    PHI_TRY(core_grant_load(c, &a, row.grant, &g, err));
    PHI_TRY(others_run(c, &a, &g, &row, &open, err));
    row.outcome = outcome;
    row.tag = tag;
    row.nrows = rows;
    row.nbytes = bytes > 0 ? bytes : 0;
    PHI_TRY(outcome_leaf(c, &a, gateway, &row, &g, err));
    return grant_after(c, &a, gateway, &g, &row, open, err);
}

/* A change of phi itself: no gateway stands between, so the use, its end and the change are one transaction. */
enum phi_rc core_claim_change(struct phi_core *c, struct phi_arena *a, struct core_grant_row *g, struct phi_err *err)
{
    static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    struct phi_claim_ask ask = { .key = core_new_id(c, a) };
    struct claiming k = { .by = &phid, .ask = &ask, .grant = *g, .statements = 1, .serving = { INT64_MAX, -1, -1 } };
    struct core_claim_row row, key = { 0 };
    struct phi_claim made;
    bool open;
    PHI_TRY(core_grant_terms(a, g, &k.terms, err));
    PHI_TRY(spend(c, a, &k, &made, err));
    key.id = made.id;
    PHI_TRY(core_get(c, CORE_CLAIM, CORE_BY_KEY, &key, a, &row, err));
    PHI_TRY(others_run(c, a, &k.grant, &row, &open, err));
    row.outcome = PHI_OUTCOME_DONE;
    row.nrows = -1;
    PHI_TRY(outcome_leaf(c, a, &phid, &row, &k.grant, err));
    PHI_TRY(grant_after(c, a, &phid, &k.grant, &row, open, err));
    *g = k.grant;
    return PHI_OK;
}
