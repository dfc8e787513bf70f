/* Requests as people see them. */
#include <string.h>

#include "core/page_in.h"
#include "core/request_in.h"
#include "core/signed.h"

static enum phi_rc policies_out(struct phi_arena *a, struct phi_view json, struct phi_request *r, struct phi_err *err)
{
    const struct phi_json *list;
    PHI_TRY(phi_json_read(a, json, PHI_JSON_STRICT, "stored policies", &list, err));
    struct phi_decider *p = phi_arena_array(a, list->n + 1, sizeof *p);
    if (!p)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < list->n; i++)
        p[i] = (struct phi_decider){ phi_json_text(&list->items[i], "id"), phi_json_text(&list->items[i], "why") };
    r->policies = p;
    r->n_policies = list->n;
    return PHI_OK;
}

static enum phi_rc votes_out(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                             struct phi_request *r, struct core_vote_row **ret_rows, struct phi_err *err)
{
    struct core_vote_row *rows;
    PHI_TRY(core_votes(c, a, row, &rows, &r->n_votes, err));
    struct phi_request_vote *v = phi_arena_array(a, r->n_votes + 1, sizeof *v);
    if (!v)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < r->n_votes; i++)
        v[i] = (struct phi_request_vote){ .person = rows[i].root,
                                          .name = core_person_name(c, a, rows[i].root),
                                          .requirement = rows[i].requirement,
                                          .reason = core_text_get(c, a, rows[i].id, "reason"),
                                          .approve = rows[i].approve != 0,
                                          .at_ms = rows[i].at_ms };
    r->votes = v;
    *ret_rows = rows;
    return PHI_OK;
}

/* ---- needs, with who may vote */

struct needing {
    const struct core_request_row *row;
    const struct core_draft *d;
    const struct core_vote_row *votes;
    size_t n_votes;
    struct phi_view root; /* of the asking person, "" for others */
    bool asker_may;
    bool own_may; /* they are the requester and may show their own passkey */
};

static bool voted(const struct needing *n, struct phi_view root)
{
    for (size_t i = 0; i < n->n_votes; i++)
        if (phi_view_eq(n->votes[i].root, root))
            return true;
    return false;
}

static enum phi_rc who_may(struct phi_core *c, struct phi_arena *a, struct needing *n,
                           const struct phi_requirement *req, struct phi_need *out, struct phi_err *err)
{
    struct core_subject s = core_subject_of(n->d);
    struct core_approver *p;
    unsigned stage;
    size_t k;
    PHI_TRY(core_approvers(c, a, &s, req, &p, &k, err));
    PHI_TRY(core_stage(c, a, n->row, n->d, req, &stage, err));
    struct phi_view *who = phi_arena_array(a, k + 1, sizeof *who);
    struct phi_view *from = phi_arena_array(a, req->n_sets + 1, sizeof *from);
    out->stage = stage;
    if (!who || !from)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < k; i++) {
        if (!(p[i].sets & core_stage_sets(req, stage)) || voted(n, p[i].root) || !core_was_eligible(c, n->row, req->name, p[i].root))
            continue;
        who[out->n_who++] = core_person_name(c, a, p[i].root);
        n->asker_may |= phi_view_eq(p[i].root, n->root);
    }
    for (size_t i = 0; i < req->n_sets; i++) {
        PHI_BUF(b, 1024);
        phi_uid_write(&b, req->sets[i].from);
        from[i] = phi_arena_copy(a, phi_buf_view(&b));
    }
    out->who = who;
    out->from = from;
    out->n_from = req->n_sets;
    return PHI_OK;
}

/* The requester's own to meet, with a passkey. */
static enum phi_rc own_proof(struct phi_core *c, struct phi_arena *a, struct needing *n, struct phi_need *out,
                             struct phi_err *err)
{
    struct phi_view *who = phi_arena_array(a, 1, sizeof *who);
    if (!who)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    out->count = 1;
    out->stage = 1;
    out->who = who;
    if (!n->row->live || voted(n, n->d->root))
        return PHI_OK;
    who[out->n_who++] = core_person_name(c, a, n->row->requester);
    n->own_may |= phi_view_eq(n->root, n->d->root);
    return PHI_OK;
}

static enum phi_rc need_out(struct phi_core *c, struct phi_arena *a, struct needing *n, struct phi_view name,
                            struct phi_need *out, struct phi_err *err)
{
    const struct phi_requirement *req = phi_bundle_requirement(c->bundle, name);
    *out = (struct phi_need){ .requirement = name, .kind = PHI_LIT("approval") };
    for (size_t i = 0; i < n->n_votes; i++)
        out->have += n->votes[i].approve && phi_view_eq(n->votes[i].requirement, name);
    if (!req)
        return PHI_OK; /* the live policy knows it no more */
    out->kind = phi_view_of(phi_requirement_kind_name(req->kind));
    out->count = core_places(req);
    out->is_signed = core_wants_proof(req);
    if (req->kind == PHI_REQUIRE_MFA)
        return own_proof(c, a, n, out, err);
    return n->row->live ? who_may(c, a, n, req, out, err) : PHI_OK;
}

static enum phi_rc needs_out(struct phi_core *c, struct phi_arena *a, struct needing *n, struct phi_request *r,
                             struct phi_err *err)
{
    struct core_names *names;
    PHI_TRY(core_needs_read(a, n->row->needs, &names, &r->n_needs, err));
    struct phi_need_set *sets = phi_arena_array(a, r->n_needs + 1, sizeof *sets);
    if (!sets)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < r->n_needs; i++) {
        struct phi_need *need = phi_arena_array(a, names[i].n + 1, sizeof *need);
        if (!need)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        for (size_t k = 0; k < names[i].n; k++)
            PHI_TRY(need_out(c, a, n, names[i].v[k], &need[k], err));
        sets[i] = (struct phi_need_set){ need, names[i].n };
    }
    r->needs = sets;
    return PHI_OK;
}

/* ---- the rest */

static enum phi_rc grant_out(struct phi_core *c, struct phi_arena *a, struct phi_request *r, struct phi_err *err)
{
    struct core_grant_row *rows, key = { .request = r->id };
    size_t n;
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &key, (struct core_span){ .prefix = 1, .limit = 1 }, a,
                      &rows, &n, err));
    if (n == 0)
        return PHI_OK;
    struct phi_grant_view *g = phi_arena_new(a, struct phi_grant_view);
    if (!g)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_row_check(c, CORE_GRANT, &rows[0], rows[0].leaf, rows[0].leaf_hash, err));
    PHI_TRY(core_grant_view(c, a, &rows[0], g, err));
    r->grant = g;
    return PHI_OK;
}

static void denial_out(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                       struct phi_request *r)
{
    if (row->status != PHI_REQUEST_DENIED)
        return;
    r->denied_by = row->denied_by.n ? core_person_name(c, a, row->denied_by) : PHI_LIT("the policy");
    r->reason = core_text_get(c, a, row->id, "denied");
    for (size_t i = 0; i < r->n_votes; i++)
        if (!r->votes[i].approve && phi_view_eq(r->votes[i].person, row->denied_by))
            r->reason = r->votes[i].reason;
}

static void rights_out(const struct core_request_row *row, const struct phi_actor *by, const struct needing *n,
                       struct phi_request *r)
{
    bool person = by->kind == PHI_ACTOR_PERSON, own = person && phi_view_eq(n->root, n->d->root);
    r->can_cancel = own && row->live && r->expires_in_ms > 0;
    r->can_vote = person && row->live && r->expires_in_ms > 0 && (own ? n->own_may : n->asker_may);
    if (r->can_vote)
        return;
    if (!row->live || r->expires_in_ms <= 0)
        r->why_not = PHI_LIT("this request has ended");
    else if (own)
        r->why_not = PHI_LIT("you are the requester");
    else if (person && voted(n, n->root))
        r->why_not = PHI_LIT("you have voted already");
    else
        r->why_not = PHI_LIT("you are not one of its approvers");
}

static void frame(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                  const struct core_draft *d, struct phi_request *r)
{
    *r = (struct phi_request){ .id = row->id,
                               .code = row->code,
                               .digest = row->digest,
                               .act = row->act,
                               .status = (enum phi_request_status)row->status,
                               .version = row->version,
                               .requester = phi_ref_of_who(row->requester),
                               .requester_name = core_person_name(c, a, row->requester),
                               .target = row->target,
                               .gateway = row->gateway,
                               .summary = row->summary,
                               .for_ms = row->for_ms,
                               .uses = row->uses,
                               .created_ms = row->created_ms,
                               .expires_in_ms = row->live ? core_left(c, &row->due) : 0,
                               .body = core_text_get(c, a, row->id, "body"),
                               .extends = row->extends,
                               .break_glass = row->glass != 0,
                               .risk = row->risk - 1,
                               .risk_reasons = d->reasons,
                               .bounds = d->body.bounds,
                               .actions = d->body.actions,
                               .n_actions = d->body.n_actions,
                               .why = d->body.why,
                               .ticket = d->body.ticket,
                               .ticket_facts = d->of.ticket_facts,
                               .from_addr = d->addr,
                               .from_application = d->application };
}

enum phi_rc core_request_view(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct core_request_row *row, struct phi_request *ret, struct phi_err *err)
{
    struct core_draft d = { 0 };
    struct core_vote_row *votes = NULL;
    PHI_TRY(core_bundle_load(c, err));
    enum phi_rc rc = core_draft_of_row(c, a, row, &d, err);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND) /* an erased body shows what is left */
        return rc;
    d.root = core_root(c, a, row->requester);
    frame(c, a, row, &d, ret);
    PHI_TRY(policies_out(a, row->policies, ret, err));
    PHI_TRY(votes_out(c, a, row, ret, &votes, err));
    struct needing n = { row, &d, votes, ret->n_votes, { 0 }, false, false };
    if (by->kind == PHI_ACTOR_PERSON)
        n.root = core_root(c, a, by->id);
    PHI_TRY(needs_out(c, a, &n, ret, err));
    PHI_TRY(grant_out(c, a, ret, err));
    PHI_TRY(core_talk_view(c, a, row, ret, err));
    denial_out(c, a, row, ret);
    rights_out(row, by, &n, ret);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

enum phi_rc phi_request_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                            struct phi_view which, struct phi_request *ret, struct phi_err *err)
{
    struct core_request_row row;
    PHI_TRY(core_request_seen(c, a, by, which, &row, err));
    return core_request_view(c, a, by, &row, ret, err);
}

enum phi_rc phi_request_result(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                               struct phi_request *ret, struct phi_err *err)
{
    struct core_request_row row;
    PHI_TRY(core_request_seen(c, a, by, which, &row, err));
    if (row.status == PHI_REQUEST_DENIED) /* why stands in its votes */
        return core_request_view(c, a, by, &row, ret, err);
    *ret = (struct phi_request){ .id = row.id, .code = row.code, .status = (enum phi_request_status)row.status };
    return grant_out(c, a, ret, err);
}

/* ---- boxes */

struct boxing {
    struct phi_core *c;
    struct phi_arena *a;
    const struct phi_actor *by;
    enum phi_box box;
    struct phi_request *out;
    size_t n;
};

static enum phi_rc box_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct boxing *b = ctx;
    const struct core_request_row *q = row;
    struct phi_request *r = &b->out[b->n];
    if (!core_request_sees(b->c, b->by, q))
        return PHI_OK;
    PHI_TRY(core_row_check(b->c, CORE_REQUEST, q, q->leaf, q->leaf_hash, err));
    PHI_TRY(core_request_view(b->c, b->a, b->by, q, r, err));
    *ret_taken = b->box != PHI_BOX_INBOX || r->can_vote;
    b->n += *ret_taken;
    return PHI_OK;
}

/* One's own: what waits, then what is over. */
static struct core_walk box_walk(enum phi_box box, bool pending_only)
{
    struct core_walk w = { .table = CORE_REQUEST, .ix = CORE_BY_KEY, .n_parts = 1, .take = box_take };
    if (box == PHI_BOX_MINE) {
        w.n_parts = pending_only ? 1 : 2;
        w.ix = CORE_REQUEST_BY_REQUESTER;
        w.prefix = 2;
    } else if (box == PHI_BOX_INBOX || pending_only) {
        w.ix = CORE_REQUEST_BY_LIVE;
        w.prefix = 1;
    }
    return w;
}

enum phi_rc phi_request_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_box box,
                             bool pending_only, struct phi_page *page, struct phi_request **ret, size_t *ret_n,
                             struct phi_err *err)
{
    struct boxing b = { .c = c, .a = a, .by = by, .box = box };
    struct core_request_row key = { .requester = by->id };
    struct core_walk w = box_walk(box, pending_only);
    PHI_TRY(core_batched(c, err));
    w.key = &key;
    w.ctx = &b;
    b.out = *ret = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret_n = b.n;
    return PHI_OK;
}
