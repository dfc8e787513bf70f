/* One vote: who may, on what, and what it leads to. */
#include <string.h>

#include "core/request_in.h"
#include "core/risk.h"
#include "core/signed.h"
#include "core/ticket.h"

struct voting {
    struct core_request_row row;
    struct core_draft d;
    const struct phi_actor *by;
    const struct phi_ballot *in;
    struct phi_view root;
    bool rule; /* Service::"auto" votes */
    struct phi_view requirement;
    unsigned stage;
    struct core_approver as;
};

/* ---- may they */

/* A requirement of kind mfa is the requester's own to meet. */
static bool wants_own_proof(struct phi_core *c, const struct core_request_row *row)
{
    PHI_ARENA(a, 1 << 16);
    struct core_names *needs;
    size_t n;
    if (core_bundle_load(c, NULL) != PHI_OK || core_needs_read(&a, row->needs, &needs, &n, NULL) != PHI_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < needs[i].n; k++) {
            const struct phi_requirement *r = phi_bundle_requirement(c->bundle, needs[i].v[k]);
            if (r && r->kind == PHI_REQUIRE_MFA)
                return true;
        }
    return false;
}

static enum phi_rc still_open(struct phi_core *c, const struct voting *v, struct phi_err *err)
{
    const struct core_request_row *row = &v->row;
    if (row->status != PHI_REQUEST_PENDING || core_left(c, &row->due) <= 0)
        return core_no(c, "request.ended", err, PHI_ECONFLICT, "this request is %s",
                       row->status == PHI_REQUEST_PENDING
                           ? "expired"
                           : phi_request_status_name((enum phi_request_status)row->status));
    bool self = !v->rule && core_same_person(c, v->by->id, row->requester); /* as linked now, not as linked then */
    if (self && !(v->in->approve && wants_own_proof(c, row)))
        return core_no(c, "request.self", err, PHI_EDENIED, "you are the requester; somebody else must decide");
    if (v->in->version != row->version || !phi_view_eq(v->in->digest, row->digest))
        return core_no(c, "request.changed", err, PHI_ECONFLICT,
                       "the request is not what you saw any more; look again and vote on that");
    return PHI_OK;
}

static enum phi_rc not_twice(struct phi_core *c, const struct voting *v, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_vote_row row, key = { .request = v->row.id, .root = v->root };
    if (core_get(c, CORE_VOTE, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_ENOTFOUND)
        return PHI_OK;
    return core_no(c, "vote.twice", err, PHI_ECONFLICT, "you have voted on this request already");
}

/* Whoever delegated, and who votes for them, have one vote together. */
static enum phi_rc not_for_them_both(struct phi_core *c, struct phi_arena *a, const struct voting *v,
                                     struct phi_err *err)
{
    struct core_vote_row *rows;
    struct phi_view mine = v->as.via.n ? v->as.giver : v->root;
    size_t n;
    PHI_TRY(core_votes(c, a, &v->row, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_delegation_row d, key = { .id = rows[i].via };
        struct phi_view theirs = rows[i].root;
        if (rows[i].via.n && core_get(c, CORE_DELEGATION, CORE_BY_KEY, &key, a, &d, NULL) == PHI_OK)
            theirs = core_root(c, a, d.giver);
        if (phi_view_eq(mine, theirs))
            return core_no(c, "vote.twice", err, PHI_ECONFLICT,
                           "this vote was cast already, by you or by whom the right was delegated to");
    }
    return PHI_OK;
}

/* Eligible for this requirement when it was made and now, in the stage that is open. */
static enum phi_rc can_for(struct phi_core *c, struct phi_arena *a, struct voting *v, struct phi_view name, bool *ret,
                           struct phi_err *err)
{
    struct core_subject s = core_subject_of(&v->d);
    const struct phi_requirement *r = phi_bundle_requirement(c->bundle, name);
    struct core_approver *p;
    size_t n;
    *ret = r && r->kind == PHI_REQUIRE_MFA && !v->rule && core_same_person(c, v->root, v->row.requester);
    v->stage = 1;
    if (*ret || !r || (v->rule && core_wants_proof(r)) || !core_was_eligible(c, &v->row, name, v->root))
        return PHI_OK;
    PHI_TRY(core_approvers(c, a, &s, r, &p, &n, err));
    PHI_TRY(core_stage(c, a, &v->row, &v->d, r, &v->stage, err));
    for (size_t i = 0; i < n && !*ret; i++)
        if (phi_view_eq(p[i].root, v->root) && (p[i].sets & core_stage_sets(r, v->stage))) {
            v->as = p[i];
            *ret = true;
        }
    return PHI_OK;
}

static enum phi_rc pick(struct phi_core *c, struct phi_arena *a, struct voting *v, struct phi_err *err)
{
    struct core_names *needs;
    const struct phi_view *met;
    struct voting second = { 0 };
    size_t n, n_met;
    PHI_TRY(core_needs_read(a, v->row.needs, &needs, &n, err));
    PHI_TRY(core_met(c, a, &v->row, &v->d, &met, &n_met, err));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < needs[i].n; k++) {
            struct phi_view name = needs[i].v[k];
            bool can = false, full = false;
            if (v->in->requirement.n && !phi_view_eq(v->in->requirement, name))
                continue;
            PHI_TRY(can_for(c, a, v, name, &can, err));
            for (size_t m = 0; m < n_met; m++)
                full |= phi_view_eq(met[m], name);
            if (!can)
                continue;
            v->requirement = name;
            if (!full)
                return PHI_OK;
            second = *v;
        }
    if (!second.requirement.n)
        return core_no(c, "request.not-approver", err, PHI_EDENIED, "you may not vote on this request%s",
                       v->in->requirement.n ? " for that requirement, or not yet" : ", or not yet");
    *v = second;
    return PHI_OK;
}

/* ---- the vote itself */

static enum phi_rc document(struct phi_core *c, struct phi_arena *a, const struct voting *v,
                            struct core_vote_row *row, struct phi_view *ret_salt, uint8_t ret_nonce[16],
                            struct phi_err *err)
{
    struct phi_vote doc = { .version = v->row.version,
                            .requirement = v->requirement,
                            .decision = v->in->approve ? PHI_APPROVE : PHI_REJECT,
                            .narrowing = v->in->narrowing,
                            .digest = core_unhex(v->row.digest),
                            .bundle = core_unhex(c->bundle_hash) };
    struct phi_view salt = v->in->salt.n == 16 ? v->in->salt : core_random(c, a, 16);
    PHI_BUF(text, 1 << 16);
    if (!phi_id_read(v->row.id, &doc.id) || v->in->reason.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a reason is at most %d bytes", PHI_MAX_WHY);
    if (phi_narrowing_check(&doc.narrowing, &v->d.body, err) != PHI_OK)
        return c->why = "vote.wider", PHI_EINPUT;
    doc.reason_hash = core_salted(salt, v->in->reason);
    if (v->in->nonce.n == sizeof doc.nonce)
        memcpy(doc.nonce, v->in->nonce.p, sizeof doc.nonce);
    else
        c->rng->fill(c->rng->self, doc.nonce, sizeof doc.nonce);
    phi_vote_write(&text, &doc);
    row->vote = phi_arena_copy(a, phi_buf_view(&text));
    *ret_salt = salt;
    memcpy(ret_nonce, doc.nonce, sizeof doc.nonce);
    return PHI_OK;
}

/* What an approval of such a requirement must carry. */
static enum phi_rc proof(struct phi_core *c, struct phi_arena *a, const struct voting *v, struct core_vote_row *row,
                         struct phi_err *err)
{
    const struct phi_requirement *r = phi_bundle_requirement(c->bundle, v->requirement);
    if (!v->in->signature && (!v->in->approve || !r || !core_wants_proof(r)))
        return PHI_OK;
    if (v->rule) /* a rule has no passkey */
        return core_no(c, "vote.unsigned", err, PHI_EDENIED, "only people sign votes");
    return core_vote_prove(c, a, v->by, v->in, row, err);
}

static enum phi_rc cast(struct phi_core *c, struct phi_arena *a, const struct voting *v, struct core_vote_row *row,
                        struct phi_err *err)
{
    struct phi_entry e;
    *row = (struct core_vote_row){ .request = v->row.id,
                                   .root = v->root,
                                   .person = v->rule ? v->root : v->by->id,
                                   .id = core_new_id(c, a),
                                   .requirement = v->requirement,
                                   .bundle = phi_arena_copy(a, c->bundle_hash),
                                   .version = v->row.version,
                                   .approve = v->in->approve,
                                   .narrow_for_ms = v->in->narrowing.for_ms,
                                   .narrow_uses = v->in->narrowing.uses,
                                   .stage = v->stage,
                                   .via = v->as.via,
                                   .at_ms = core_wall(c) };
    struct phi_view salt;
    uint8_t nonce[16];
    PHI_TRY(document(c, a, v, row, &salt, nonce, err));
    PHI_TRY(proof(c, a, v, row, err));
    PHI_TRY(core_text_put(c, row->id, "reason", salt, v->in->reason, err));
    struct phi_digest bundle = core_unhex(row->bundle);
    core_entry(c, &e, PHI_EV_REQUEST_VOTED, v->by);
    phi_entry_str(&e, PHI_F_REQ, row->request);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of(v->rule ? "Service" : "Person", row->root));
    if (v->rule)
        phi_entry_ref(&e, PHI_F_BY, phi_ref_of("Service", row->root));
    if (row->via.n)
        phi_entry_str(&e, PHI_F_DELEGATION, row->via);
    phi_entry_json(&e, PHI_F_VOTE, row->vote);
    if (row->proof.n)
        phi_entry_str(&e, PHI_F_SIGNATURE, row->proof);
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_VOTE, row, &row->leaf, &row->leaf_hash, err));
    return core_add(c, CORE_VOTE, row, err);
}

/* ---- what it leads to */

static enum phi_rc denied_by(struct phi_core *c, struct phi_arena *a, struct voting *v,
                             const struct core_vote_row *vote, struct phi_err *err)
{
    struct core_text_row text, key = { .owner = vote->id, .kind = PHI_LIT("reason") };
    struct phi_entry e;
    PHI_TRY(core_get(c, CORE_TEXT_OF, CORE_BY_KEY, &key, a, &text, err));
    struct phi_digest hash = core_salted(text.salt, text.text);
    v->row.denied_by = v->root;
    core_entry(c, &e, PHI_EV_REQUEST_DENIED, v->by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", v->root));
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("vote"));
    PHI_TRY(core_risk_mishap(c, v->row.requester, CORE_MISHAP_DENIED, err));
    PHI_TRY(core_quota_refused(c, a, &v->d, err));
    return core_request_step(c, a, &v->row, CORE_REQUEST_DENY, &e, err);
}

static enum phi_rc denied_by_policy(struct phi_core *c, struct phi_arena *a, struct voting *v,
                                    const struct core_ruling *r, const char *cause, struct phi_err *err)
{
    struct phi_entry e;
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    core_entry(c, &e, PHI_EV_REQUEST_DENIED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    if (r->n_policies)
        phi_entry_str(&e, PHI_F_POLICY, phi_view_upto(r->policies[0].id, 256));
    PHI_TRY(core_text_put(c, v->row.id, "denied", (struct phi_view){ 0 }, r->reason, err));
    return core_request_step(c, a, &v->row, CORE_REQUEST_DENY, &e, err);
}

/* An option that asks only for what people could vote on from the start. */
static bool known_option(const struct phi_alternative *o, const struct core_names *needs, size_t n)
{
    for (size_t i = 0; i < o->n; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++)
            for (size_t m = 0; m < needs[k].n; m++)
                known |= phi_view_eq(needs[k].v[m], o->requirements[i]->name);
        if (!known)
            return false;
    }
    return true;
}

static enum phi_rc goes_on(struct phi_core *c, struct phi_arena *a, struct voting *v, const struct core_ruling *r,
                           struct phi_err *err)
{
    struct core_names *needs;
    size_t n;
    PHI_TRY(core_needs_read(a, v->row.needs, &needs, &n, err));
    for (size_t i = 0; i < r->n_options; i++)
        if (known_option(&r->options[i], needs, n))
            return core_request_say_votes(c, &v->row);
    struct core_ruling changed = *r;
    changed.reason = PHI_LIT("the policy changed and needs something else now; ask again");
    return denied_by_policy(c, a, v, &changed, "policy-changed", err);
}

static enum phi_rc approved(struct phi_core *c, struct phi_arena *a, struct voting *v, struct phi_err *err)
{
    struct phi_entry e;
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    core_entry(c, &e, PHI_EV_REQUEST_APPROVED, v->by);
    phi_entry_hash(&e, PHI_F_DIGEST, &v->d.digest);
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    /* The grant first: what tells of the approval then finds it. */
    PHI_TRY(core_grant_file(c, a, &v->row, &v->d, v->d.of.met, v->d.of.n_met, err));
    PHI_TRY(core_quota_approved(c, a, &v->d, err));
    PHI_TRY(core_request_step(c, a, &v->row, CORE_REQUEST_APPROVE, &e, err));
    return v->d.body.payload.kind == PHI_PAYLOAD_CHANGE ? core_change_make(c, a, &v->row, &v->d, err) : PHI_OK;
}

/* The engine runs again with what is met by now, against the live bundle. */
static enum phi_rc advance(struct phi_core *c, struct phi_arena *a, struct voting *v, struct phi_err *err)
{
    struct core_ruling r;
    PHI_TRY(core_met(c, a, &v->row, &v->d, &v->d.of.met, &v->d.of.n_met, err));
    PHI_TRY(core_rule(c, a, &v->d.of, &r, err));
    switch (r.verdict) {
    case PHI_ALLOW:
        return approved(c, a, v, err);
    case PHI_NEEDS:
        return goes_on(c, a, v, &r, err);
    case PHI_DENY:
        break;
    }
    return denied_by_policy(c, a, v, &r, "policy", err);
}

static enum phi_rc narrowed(struct phi_core *c, struct phi_arena *a, const struct voting *v, struct phi_err *err)
{
    struct phi_entry e;
    struct phi_jw w;
    PHI_BUF(b, 4096);
    struct phi_narrowing n = v->in->narrowing;
    if (phi_narrowing_none(&n))
        return PHI_OK;
    phi_jw_init(&w, &b);
    phi_narrowing_write(&w, &n);
    core_entry(c, &e, PHI_EV_REQUEST_NARROWED, v->by);
    phi_entry_str(&e, PHI_F_REQ, v->row.id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", v->root));
    phi_entry_json(&e, PHI_F_NARROWING, phi_arena_copy(a, phi_buf_view(&b)));
    return core_leaf(c, &e, NULL, NULL, err);
}

/* Service::"auto" votes where its own policy lets it, for each requirement that still waits. */
enum phi_rc core_vote_auto(struct phi_core *c, struct phi_arena *a, struct core_request_row *row, struct phi_err *err)
{
    static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    const struct phi_ballot ballot = { .approve = true,
                                       .digest = row->digest,
                                       .version = row->version,
                                       .reason = PHI_LIT("approved by a rule") };
    struct voting v = { .row = *row, .by = &phid, .in = &ballot, .root = PHI_LIT(CORE_AUTO), .rule = true };
    struct core_vote_row cast_row;
    if (still_open(c, &v, NULL) != PHI_OK || not_twice(c, &v, NULL) != PHI_OK)
        return PHI_OK;
    PHI_TRY(core_draft_of_row(c, a, &v.row, &v.d, err));
    enum phi_rc rc = pick(c, a, &v, NULL);
    if (rc == PHI_EDENIED)
        return c->why = "", PHI_OK;
    PHI_TRY(rc);
    PHI_TRY(cast(c, a, &v, &cast_row, err));
    PHI_TRY(advance(c, a, &v, err));
    *row = v.row;
    return PHI_OK;
}

/* Who votes, on what, for which requirement: all that a vote rests on. */
static enum phi_rc ready(struct phi_core *c, struct phi_arena *a, struct voting *v, struct phi_view which,
                         struct phi_err *err)
{
    PHI_TRY(core_request_seen(c, a, v->by, which, &v->row, err));
    if (v->by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "request.not-approver", err, PHI_EDENIED, "only persons vote");
    v->root = core_root(c, a, v->by->id);
    PHI_TRY(still_open(c, v, err));
    PHI_TRY(not_twice(c, v, err));
    PHI_TRY(core_bundle_load(c, err));
    PHI_TRY(core_draft_of_row(c, a, &v->row, &v->d, err));
    PHI_TRY(pick(c, a, v, err));
    return not_for_them_both(c, a, v, err);
}

enum phi_rc phi_request_vote_text(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                  struct phi_view which, const struct phi_ballot *vote, struct phi_vote_text *ret,
                                  struct phi_err *err)
{
    struct voting v = { .by = by, .in = vote };
    struct core_vote_row row = { 0 };
    struct phi_passkey_view *keys;
    uint8_t nonce[16];
    PHI_TRY(ready(c, a, &v, which, err));
    PHI_TRY(document(c, a, &v, &row, &ret->salt, nonce, err));
    PHI_TRY(phi_passkey_list(c, a, by->id, &keys, &ret->n_keys, err));
    if (ret->n_keys == 0)
        return core_no(c, "passkey.none", err, PHI_ECONFLICT, "you have no passkey; register one on your account's page");
    ret->keys = keys;
    ret->vote = row.vote;
    ret->nonce = phi_arena_copy(a, phi_view_mem(nonce, sizeof nonce));
    ret->digest = phi_tagged_hash("phi-vote-v1", row.vote);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

enum phi_rc phi_request_vote(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, const struct phi_ballot *vote, struct phi_request *ret,
                             struct phi_err *err)
{
    struct voting v = { .by = by, .in = vote };
    struct core_vote_row row;
    PHI_TRY(ready(c, a, &v, which, err));
    if (vote->approve)
        PHI_TRY(core_ticket_fresh(c, &v.d.of, v.row.glass, err));
    PHI_TRY(cast(c, a, &v, &row, err));
    PHI_TRY(vote->approve ? narrowed(c, a, &v, err) : PHI_OK);
    PHI_TRY(vote->approve ? advance(c, a, &v, err) : denied_by(c, a, &v, &row, err));
    PHI_TRY(core_vote_auto(c, a, &v.row, err)); /* a stage that waits for the rule may be open now */
    return core_request_view(c, a, by, &v.row, ret, err);
}
