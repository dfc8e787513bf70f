/* The only file that changes a grant, and what follows from it in the log. */
#include "core/grant.h"

#include <string.h>

#include "core/page_in.h"
#include "core/request_in.h"
#include "core/signed.h"

const char *phi_grant_status_name(enum phi_grant_status s)
{
    switch (s) {
    case PHI_GRANT_READY:
        return "ready";
    case PHI_GRANT_ACTIVE:
        return "active";
    case PHI_GRANT_USED:
        return "used";
    case PHI_GRANT_EXPIRED:
        return "expired";
    case PHI_GRANT_RETURNED:
        return "returned";
    case PHI_GRANT_REVOKED:
        return "revoked";
    }
    return "";
}

/* An unlisted cell is 0. A grant whose last use is spent stays active until that use's outcome is known, so
 * that running work can still be revoked and cut. */
static const uint8_t next[PHI_GRANT_REVOKED + 1][CORE_GRANT_EVS] = {
    [PHI_GRANT_READY] = { [CORE_GRANT_CLAIM] = PHI_GRANT_ACTIVE,
                          [CORE_GRANT_EXPIRE] = PHI_GRANT_EXPIRED,
                          [CORE_GRANT_RETURN] = PHI_GRANT_RETURNED,
                          [CORE_GRANT_REVOKE] = PHI_GRANT_REVOKED },
    [PHI_GRANT_ACTIVE] = { [CORE_GRANT_CLAIM] = PHI_GRANT_ACTIVE,
                           [CORE_GRANT_GIVE_BACK] = PHI_GRANT_ACTIVE,
                           [CORE_GRANT_SPENT] = PHI_GRANT_USED,
                           [CORE_GRANT_EXPIRE] = PHI_GRANT_EXPIRED,
                           [CORE_GRANT_RETURN] = PHI_GRANT_RETURNED,
                           [CORE_GRANT_REVOKE] = PHI_GRANT_REVOKED },
};

enum phi_grant_status core_grant_next(enum phi_grant_status s, enum core_grant_ev ev)
{
    if ((int)s < 0 || s > PHI_GRANT_REVOKED || (int)ev < 0 || ev >= CORE_GRANT_EVS)
        return (enum phi_grant_status)0;
    return (enum phi_grant_status)next[s][ev];
}

/* ---- steps */

static void say(struct phi_core *c, const struct core_grant_row *row)
{
    core_say(c, &(struct phi_event){ .kind = PHI_EVENT_GRANT,
                                     .request = row->request,
                                     .code = row->code,
                                     .grant = row->id,
                                     .status = phi_view_of(phi_grant_status_name((enum phi_grant_status)row->status)),
                                     .principal = row->principal,
                                     .target = row->target });
}

/* Rights that others cut short have an end that gateways acknowledge. */
static const char *end_reason(enum core_grant_ev ev)
{
    switch (ev) {
    case CORE_GRANT_EXPIRE:
        return "expired";
    case CORE_GRANT_RETURN:
        return "returned";
    case CORE_GRANT_REVOKE:
        return "revoked";
    case CORE_GRANT_CLAIM:
    case CORE_GRANT_GIVE_BACK:
    case CORE_GRANT_SPENT:
    case CORE_GRANT_EVS:
        break;
    }
    return NULL;
}

enum phi_rc core_grant_step(struct phi_core *c, struct phi_arena *a, struct core_grant_row *row,
                            enum core_grant_ev ev, struct phi_entry *e, struct phi_err *err)
{
    enum phi_grant_status to = core_grant_next((enum phi_grant_status)row->status, ev);
    const char *reason = end_reason(ev);
    if (to == 0)
        return core_no(c, "grant.ended", err, PHI_EEXPIRED, "this grant is %s already",
                       phi_grant_status_name((enum phi_grant_status)row->status));
    row->status = to;
    row->live = to == PHI_GRANT_READY || to == PHI_GRANT_ACTIVE;
    if (reason)
        PHI_TRY(core_end_make(c, row, reason, &row->end_seq, err));
    row->rev++;
    phi_entry_str(e, PHI_F_GRANT, row->id);
    phi_entry_str(e, PHI_F_REQ, row->request);
    PHI_TRY(core_leaf_of(c, a, e, CORE_GRANT, row, &row->leaf, &row->leaf_hash, err));
    if (ev == CORE_GRANT_CLAIM)
        PHI_TRY(c->store->ops->spend(c->store->self, row, err));
    else
        PHI_TRY(core_set(c, CORE_GRANT, row, err));
    if (ev != CORE_GRANT_CLAIM || row->used == 1)
        say(c, row);
    return PHI_OK;
}

enum phi_rc core_grant_put(struct phi_core *c, struct phi_arena *a, struct core_grant_row *row, struct phi_entry *e,
                           struct phi_err *err)
{
    row->rev++;
    phi_entry_str(e, PHI_F_GRANT, row->id);
    PHI_TRY(core_leaf_of(c, a, e, CORE_GRANT, row, &row->leaf, &row->leaf_hash, err));
    PHI_TRY(core_set(c, CORE_GRANT, row, err));
    say(c, row);
    return PHI_OK;
}

/* ---- making */

struct making {
    struct phi_narrowing *narrow;
    size_t n;
    bool bind_session;
    int64_t first_use_ms;
};

static bool is_met(struct phi_view name, const struct phi_view *met, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(met[i], name))
            return true;
    return false;
}

static enum phi_rc narrowing_of(struct phi_arena *a, const struct core_vote_row *row, struct phi_narrowing *ret,
                                struct phi_err *err)
{
    const struct phi_json *doc;
    struct phi_vote vote;
    PHI_TRY(phi_json_read(a, row->vote, PHI_JSON_STRICT, "stored vote", &doc, err));
    PHI_TRY(phi_vote_read(a, doc, &vote, err));
    *ret = vote.narrowing;
    return PHI_OK;
}

static int64_t glass_ms(const struct phi_requirement *r)
{
    int64_t ttl = r->ttl_ms > 0 ? r->ttl_ms : PHI_DEFAULT_GLASS_MS;
    return ttl < PHI_MAX_GLASS_MS ? ttl : PHI_MAX_GLASS_MS;
}

static enum phi_rc narrowings(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request,
                              const struct phi_view *met, size_t n_met, struct making *m, struct phi_err *err)
{
    struct core_vote_row *votes;
    size_t n;
    PHI_TRY(core_votes(c, a, request, &votes, &n, err));
    m->narrow = phi_arena_array(a, n + n_met + 1, sizeof *m->narrow);
    if (!m->narrow)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (votes[i].approve)
            PHI_TRY(narrowing_of(a, &votes[i], &m->narrow[m->n++], err));
    for (size_t i = 0; i < n_met; i++) {
        const struct phi_requirement *r = phi_bundle_requirement(c->bundle, met[i]);
        if (!r || !is_met(r->name, met, n_met))
            continue;
        m->narrow[m->n++] = (struct phi_narrowing){ .for_ms = r->kind == PHI_REQUIRE_BREAK_GLASS ? glass_ms(r) : r->ttl_ms,
                                                    .uses = r->uses,
                                                    .budget = { r->statements, r->rows, r->bytes } };
        if (r->first_use_ms && (m->first_use_ms == 0 || r->first_use_ms < m->first_use_ms))
            m->first_use_ms = r->first_use_ms;
        m->bind_session |= r->bind_session;
    }
    return PHI_OK;
}

static enum phi_rc grant_leaf(struct phi_core *c, struct phi_arena *a, struct core_grant_row *row,
                              const struct phi_grant *g, struct phi_err *err)
{
    struct phi_digest hash;
    struct phi_entry e;
    PHI_TRY(phi_grant_digest(g, &hash, err));
    core_entry(c, &e, PHI_EV_GRANT_MADE, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_str(&e, PHI_F_REQ, row->request);
    phi_entry_str(&e, PHI_F_GRANT, row->id);
    phi_entry_hash(&e, PHI_F_GRANT_HASH, &hash);
    phi_entry_json(&e, PHI_F_TERMS, row->terms);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_GRANT, row, &row->leaf, &row->leaf_hash, err));
    return core_add(c, CORE_GRANT, row, err);
}

enum phi_rc core_grant_file(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request,
                            const struct core_draft *d, const struct phi_view *met, size_t n_met, struct phi_err *err)
{
    struct making m = { 0 };
    struct phi_grant g;
    struct phi_id id;
    PHI_BUF(terms, PHI_MAX_LOG_ENTRY);
    struct phi_digest bundle = core_unhex(c->bundle_hash);
    if (!phi_id_read(core_new_id(c, a), &id))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(narrowings(c, a, request, met, n_met, &m, err));
    PHI_TRY(phi_grant_make(a, id, &d->body, m.narrow, m.n, core_wall(c), m.first_use_ms, &bundle, &g, err));
    struct phi_action_rules rules = core_action_rules(c);
    PHI_TRY(phi_grant_check(&g, &d->body, m.narrow, m.n, &rules, err)); /* what any verifier would check */
    phi_grant_write(&terms, &g);
    int64_t left = g.until_ms - core_wall(c); /* a later start and the wait for the first use included */
    struct core_grant_row row = { .id = phi_arena_copy(a, phi_id_view(&g.id)),
                                  .request = request->id,
                                  .code = request->code,
                                  .digest = request->digest,
                                  .act = request->act,
                                  .principal = request->requester,
                                  .root = request->root,
                                  .target = request->target,
                                  .session = m.bind_session ? request->session : (struct phi_view){ 0 },
                                  .binds = m.bind_session && request->session.n == 0,
                                  .summary = request->summary,
                                  .status = PHI_GRANT_READY,
                                  .live = 1,
                                  .uses = g.uses,
                                  .terms = phi_arena_copy(a, phi_buf_view(&terms)),
                                  .bundle = phi_arena_copy(a, c->bundle_hash),
                                  .met = core_names_json(a, met, n_met),
                                  .due = core_due_in(c, left),
                                  .from = core_grant_from(c, g.from_ms),
                                  .review = request->glass ? CORE_REVIEW_OPEN : CORE_REVIEW_NONE };
    if (!phi_arena_ok(a) || !phi_buf_ok(&terms))
        return phi_fail(err, PHI_ELIMIT, "the grant is too large");
    PHI_TRY(grant_leaf(c, a, &row, &g, err));
    say(c, &row);
    return PHI_OK;
}

/* ---- finding */

enum phi_rc core_grant_load(struct phi_core *c, struct phi_arena *a, struct phi_view id, struct core_grant_row *ret,
                            struct phi_err *err)
{
    struct core_grant_row key = { .id = id };
    if (core_get(c, CORE_GRANT, CORE_BY_KEY, &key, a, ret, NULL) != PHI_OK)
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "there is no such grant");
    return core_row_check(c, CORE_GRANT, ret, ret->leaf, ret->leaf_hash, err);
}

enum phi_rc core_grant_which(struct phi_core *c, struct phi_arena *a, struct phi_view which,
                             struct core_grant_row *ret, struct phi_err *err)
{
    struct core_request_row request;
    struct core_grant_row *rows, key;
    size_t n = 0;
    enum phi_rc rc = core_grant_load(c, a, which, ret, err);
    if (rc != PHI_ENOTFOUND)
        return rc;
    if (core_request_load(c, a, which, &request, err) != PHI_OK)
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "there is no such grant");
    key.request = request.id;
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &key, (struct core_span){ .prefix = 1, .limit = 1 }, a,
                      &rows, &n, err));
    if (n == 0)
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "this request has no grant");
    *ret = rows[0];
    return core_row_check(c, CORE_GRANT, ret, ret->leaf, ret->leaf_hash, err);
}

static bool any_proof(struct phi_core *c, const struct core_names *met)
{
    for (size_t i = 0; i < met->n; i++) {
        const struct phi_requirement *r = phi_bundle_requirement(c->bundle, met->v[i]);
        if (!r || core_wants_proof(r) || r->checked != PHI_TICKET_NAMED)
            return true;
    }
    return false;
}

enum phi_rc core_grant_met(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *g,
                           struct core_names *ret, struct phi_err *err)
{
    struct core_request_row request;
    struct core_draft d;
    PHI_TRY(core_bundle_load(c, err));
    PHI_TRY(core_names_read(a, g->met, ret, err));
    if (phi_view_eq(g->bundle, c->bundle_hash) && !any_proof(c, ret))
        return PHI_OK;
    /* Another policy is live: the votes are counted by its requirements. Signatures are verified each time. */
    PHI_TRY(core_request_load(c, a, g->request, &request, err));
    PHI_TRY(core_draft_of_row(c, a, &request, &d, err));
    return core_met(c, a, &request, &d, &ret->v, &ret->n, err);
}

enum phi_rc core_grant_case(struct phi_core *c, struct phi_arena *a, const struct core_request_row *request, struct core_case *of,
                            struct phi_err *err)
{
    struct core_draft d;
    PHI_TRY(core_bundle_load(c, err));
    if (!c->says_text && !request->behalf)
        return PHI_OK;
    PHI_TRY(core_draft_of_row(c, a, request, &d, err));
    of->behalf = d.body.on_behalf;
    of->n_behalf = d.body.n_on_behalf;
    of->has_text = true;
    of->why = d.body.why;
    of->ticket = d.body.ticket;
    of->ticket_facts = d.of.ticket_facts;
    return PHI_OK;
}

enum phi_rc core_grant_covers(struct phi_core *c, struct phi_arena *a, const struct phi_grant *t, const struct core_case *of,
                              bool *ret, struct phi_err *err)
{
    struct core_ruling r;
    struct phi_action_rules rules = core_action_rules(c);
    struct core_case rest = *of;
    struct core_try *others = phi_arena_array(a, of->n_tries + 1, sizeof *others);
    *ret = false;
    if (!others || !t->has_scope)
        return others ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
    rest.n_tries = rest.n_met = 0;
    for (size_t i = 0; i < of->n_tries; i++)
        if (!phi_scope_covers(&rules, &t->scope, of->tries[i].pair.action, of->tries[i].pair.resource))
            others[rest.n_tries++] = of->tries[i];
    if (rest.n_tries == of->n_tries)
        return PHI_OK;
    *ret = rest.n_tries == 0;
    if (*ret)
        return PHI_OK;
    rest.tries = others;
    PHI_TRY(core_rule(c, a, &rest, &r, err));
    *ret = r.verdict == PHI_ALLOW;
    return PHI_OK;
}

static enum phi_rc fits(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                        const struct core_grant_row *g, bool *ret, struct phi_err *err)
{
    struct core_names met;
    struct core_ruling r;
    struct core_case of = d->of;
    struct core_request_row request;
    struct core_serving serving;
    struct phi_grant t;
    bool right = phi_view_eq(g->target, d->target) && core_left(c, &g->due) > 0 &&
                 (g->uses == 0 || g->used < g->uses) && (g->session.n == 0 || phi_view_eq(g->session, d->session));
    *ret = false;
    if (!right || (g->act.n && !phi_view_eq(g->act, core_hex(a, &d->act))))
        return PHI_OK;
    PHI_TRY(core_grant_terms(a, g, &t, err));
    PHI_TRY(core_request_load(c, a, g->request, &request, err));
    PHI_TRY(core_grant_case(c, a, &request, &of, err));
    if (g->act.n == 0) {
        bool covered;
        PHI_TRY(core_grant_covers(c, a, &t, &of, &covered, err));
        if (!covered)
            return PHI_OK;
    }
    PHI_TRY(core_row_check(c, CORE_GRANT, g, g->leaf, g->leaf_hash, err));
    enum phi_rc rc = core_grant_serves(c, a, g, &t, 1, &serving, NULL);
    if (rc == PHI_EDENIED)
        return PHI_OK;
    if (rc != PHI_ECONFLICT) /* the use before is not yet told over: the claim waits for that */
        PHI_TRY(rc);
    PHI_TRY(core_grant_met(c, a, g, &met, err));
    of.met = met.v;
    of.n_met = met.n;
    PHI_TRY(core_rule(c, a, &of, &r, err));
    *ret = r.verdict == PHI_ALLOW;
    return PHI_OK;
}

enum phi_rc core_grants_of_act(struct phi_core *c, struct phi_arena *a, struct phi_view principal, struct phi_view act,
                               struct core_grant_row **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_grant_row key = { .act = act, .principal = principal, .live = 1 };
    return core_list(c, CORE_GRANT, CORE_GRANT_BY_ACT, &key, (struct core_span){ .prefix = 3 }, a, ret, ret_n, err);
}

static enum phi_rc first_fitting(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_view act,
                                 struct core_grant_row *ret, struct phi_err *err)
{
    struct core_grant_row *rows;
    size_t n;
    PHI_TRY(core_grants_of_act(c, a, d->requester, act, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        bool yes;
        PHI_TRY(fits(c, a, d, &rows[i], &yes, err));
        if (yes) {
            *ret = rows[i];
            return PHI_OK;
        }
    }
    return PHI_ENOTFOUND;
}

enum phi_rc core_grant_fitting(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                               struct core_grant_row *ret, struct phi_err *err)
{
    enum phi_rc rc = first_fitting(c, a, d, core_hex(a, &d->act), ret, err);
    return rc == PHI_ENOTFOUND ? first_fitting(c, a, d, (struct phi_view){ 0 }, ret, err) : rc;
}

/* ---- showing */

static struct phi_view scope_text(struct phi_arena *a, struct phi_view terms)
{
    const struct phi_json *v;
    PHI_BUF(b, PHI_MAX_LOG_ENTRY);
    if (phi_json_read(a, terms, PHI_JSON_STRICT, "stored grant", &v, NULL) != PHI_OK)
        return (struct phi_view){ 0 };
    const struct phi_json *scope = phi_json_get(v, "scope");
    if (!scope || scope->kind != PHI_JSON_OBJ)
        return (struct phi_view){ 0 };
    phi_json_canon(&b, scope);
    return phi_arena_copy(a, phi_buf_view(&b));
}

static enum phi_rc bounds_view(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *row,
                               struct phi_grant_view *ret, struct phi_err *err)
{
    struct phi_grant t;
    int64_t now = core_wall(c);
    PHI_TRY(core_grant_terms(a, row, &t, err));
    ret->begins_in_ms = row->live && row->from.wall > now ? row->from.wall - now : 0;
    ret->budget = t.budget;
    ret->spent = (struct phi_budget){ row->spent_statements, row->spent_rows, row->spent_bytes };
    ret->windows = t.windows;
    ret->n_windows = t.n_windows;
    ret->first_use_ms = row->status == PHI_GRANT_READY ? t.first_use_ms : 0;
    return PHI_OK;
}

enum phi_rc core_grant_view(struct phi_core *c, struct phi_arena *a, const struct core_grant_row *row,
                            struct phi_grant_view *ret, struct phi_err *err)
{
    *ret = (struct phi_grant_view){ .id = row->id,
                                    .request = row->request,
                                    .code = row->code,
                                    .digest = row->digest,
                                    .act = row->act,
                                    .principal = phi_ref_of_who(row->principal),
                                    .principal_name = core_person_name(c, a, row->principal),
                                    .target = row->target,
                                    .summary = row->summary,
                                    .status = (enum phi_grant_status)row->status,
                                    .uses = row->uses,
                                    .used = row->used,
                                    .remaining_ms = row->live ? core_left(c, &row->due) : 0,
                                    .scope = scope_text(a, row->terms),
                                    .review = row->review == CORE_REVIEW_OPEN     ? PHI_LIT("open")
                                              : row->review == CORE_REVIEW_CLOSED ? PHI_LIT("closed")
                                                                                  : (struct phi_view){ 0 } };
    if (row->reviewer.n)
        ret->reviewer = core_person_name(c, a, row->reviewer);
    PHI_TRY(bounds_view(c, a, row, ret, err));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

bool core_grant_sees(struct phi_core *c, const struct phi_actor *by, const struct core_grant_row *row)
{
    struct core_request_row request = { .id = row->request, .requester = row->principal, .target = row->target };
    return core_request_sees(c, by, &request);
}

enum phi_rc phi_grant_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                          struct phi_grant_view *ret, struct phi_err *err)
{
    struct core_grant_row row;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_grant_which(c, a, which, &row, err));
    if (!core_grant_sees(c, by, &row))
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "there is no such grant");
    return core_grant_view(c, a, &row, ret, err);
}

struct listing {
    struct phi_core *c;
    struct phi_arena *a;
    const struct phi_actor *by;
    struct phi_grant_view *out;
    size_t n;
};

static enum phi_rc listing_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct listing *l = ctx;
    const struct core_grant_row *g = row;
    if (!core_grant_sees(l->c, l->by, g))
        return PHI_OK;
    PHI_TRY(core_row_check(l->c, CORE_GRANT, g, g->leaf, g->leaf_hash, err));
    PHI_TRY(core_grant_view(l->c, l->a, g, &l->out[l->n], err));
    *ret_taken = true;
    l->n++;
    return PHI_OK;
}

static struct core_walk listing_walk(bool mine, bool live)
{
    return (struct core_walk){ .table = CORE_GRANT, .ix = mine ? CORE_GRANT_BY_PRINCIPAL : live ? CORE_GRANT_BY_LIVE : CORE_BY_KEY,
                               .prefix = mine ? 2 : live ? 1 : 0, .n_parts = mine && !live ? 2 : 1, .take = listing_take };
}

enum phi_rc phi_grant_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, bool all, bool live,
                           struct phi_page *page, struct phi_grant_view **ret, size_t *ret_n, struct phi_err *err)
{
    struct listing l = { .c = c, .a = a, .by = by };
    struct core_grant_row key = { .principal = by->id };
    struct core_walk w = listing_walk(by->kind == PHI_ACTOR_PERSON && !all, live);
    PHI_TRY(core_batched(c, err));
    if (all && by->kind == PHI_ACTOR_PERSON)
        PHI_TRY(core_need(c, by, PHI_RIGHT_SEE_ALL, err));
    w.key = &key;
    w.ctx = &l;
    l.out = *ret = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret_n = l.n;
    return PHI_OK;
}

/* ---- ending it early */

enum phi_rc phi_grant_return(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_view which, struct phi_grant_view *ret, struct phi_err *err)
{
    struct core_grant_row row;
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_grant_which(c, a, which, &row, err));
    if (by->kind != PHI_ACTOR_PERSON || !core_same_person(c, by->id, row.principal))
        return core_no(c, "grant.unknown", err, PHI_ENOTFOUND, "you hold no such grant");
    core_entry(c, &e, PHI_EV_GRANT_RETURNED, by);
    PHI_TRY(core_grant_step(c, a, &row, CORE_GRANT_RETURN, &e, err));
    return core_grant_view(c, a, &row, ret, err);
}
