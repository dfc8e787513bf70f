/* AuthZEN's question: an answer that consumes nothing. */
#include "core/decide.h"

#include "core/request_in.h"
#include "core/ticket.h"

static bool is_self(const struct phi_actor *by, struct phi_ref subject)
{
    return by->kind == PHI_ACTOR_PERSON && phi_view_eq(subject.type, phi_who_type(by->id)) && phi_view_eq(subject.id, by->id);
}

static enum phi_rc may_ask(struct phi_core *c, const struct phi_actor *by, const struct phi_question *q,
                           struct phi_view target, struct phi_err *err)
{
    if (is_self(by, q->subject) || core_has(c, by, PHI_RIGHT_SEE_ALL) ||
        (by->kind == PHI_ACTOR_GATEWAY && target.n && core_gateway_serves(c, by->id, target)))
        return PHI_OK;
    return core_no(c, "right.missing", err, PHI_EDENIED, "you may ask about yourself only");
}

static enum phi_rc needs_out(struct phi_arena *a, const struct core_ruling *r, struct phi_evaluation *ret,
                             struct phi_err *err)
{
    struct phi_need_set *sets = phi_arena_array(a, r->n_options + 1, sizeof *sets);
    if (!sets)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < r->n_options; i++) {
        struct phi_need *need = phi_arena_array(a, r->options[i].n + 1, sizeof *need);
        if (!need)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        for (size_t k = 0; k < r->options[i].n; k++) {
            const struct phi_requirement *req = r->options[i].requirements[k];
            need[k] = (struct phi_need){ .requirement = phi_arena_copy(a, req->name),
                                         .kind = phi_view_of(phi_requirement_kind_name(req->kind)),
                                         .count = core_places(req) };
        }
        sets[i] = (struct phi_need_set){ need, r->options[i].n };
    }
    ret->needs = sets;
    ret->n_needs = r->n_options;
    return PHI_OK;
}

static bool is_counted(const struct phi_requirement *r)
{
    return r->uses || r->statements || r->rows || r->bytes || r->bind_session || r->first_use_ms;
}

/* An approval would make the question true only where its grant's uses are not counted: those are claimed, not asked about. */
static bool is_requestable(const struct core_ruling *r)
{
    for (size_t i = 0; i < r->n_options; i++)
        for (size_t k = 0; k < r->options[i].n; k++)
            if (is_counted(r->options[i].requirements[k]))
                return false;
    return r->n_options > 0;
}

static enum phi_rc obligations_out(struct phi_arena *a, const struct core_ruling *r, struct phi_evaluation *ret,
                                   struct phi_err *err)
{
    struct phi_obligation *list = phi_arena_array(a, r->n_obligations + 1, sizeof *list);
    for (size_t i = 0; list && i < r->n_obligations; i++) {
        const struct phi_obligation *o = r->obligations[i];
        list[i] = (struct phi_obligation){ phi_arena_copy(a, o->name), phi_arena_copy(a, o->kind), phi_arena_copy(a, o->why), o->rows };
    }
    ret->obligations = list;
    ret->n_obligations = r->n_obligations;
    return list && phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* A request is judged without obligations: whoever will hold its grant is not known then. */
static enum phi_rc is_askable(struct phi_core *c, struct phi_arena *a, const struct core_case *of, bool *ret, struct phi_err *err)
{
    struct core_case without = *of;
    struct core_ruling r;
    without.n_can = 0;
    PHI_TRY(core_rule(c, a, &without, &r, err));
    *ret = r.verdict == PHI_NEEDS && is_requestable(&r);
    return PHI_OK;
}

/* A live grant by scope whose uses are not counted and belong to no one session, as far as the rows tell. */
static bool may_serve(struct phi_core *c, const struct core_case *of, const struct core_grant_row *g,
                      struct phi_view only)
{
    return !g->act.n && !g->uses && !g->session.n && !g->binds && phi_view_eq(g->target, of->target) && core_left(c, &g->due) > 0 &&
           (!only.n || phi_view_eq(only, g->id));
}

/* What is asked of the tracker about one question. */
struct core_tickets {
    int64_t renew_ms; /* of the question */
    struct phi_renewals due;
};

/* False: on an answer that has ended. */
static bool rests_on_fresh(struct phi_core *c, const struct core_case *of, const struct core_request_row *request, struct core_tickets *t)
{
    bool fresh = core_ticket_fresh(c, of, request->glass, NULL) == PHI_OK;
    c->why = "";
    if (!t->renew_ms || !core_ticket_ages(c, of, request->glass, t->renew_ms))
        return fresh;
    t->due.stale |= !fresh;
    if (t->due.n < PHI_MAX_RENEWALS)
        t->due.request[t->due.n++] = request->id;
    return fresh;
}

static enum phi_rc try_grant(struct phi_core *c, struct phi_arena *a, const struct core_case *of,
                             const struct core_grant_row *g, struct core_tickets *tickets, struct core_ruling *r, int64_t *ret_left,
                             struct phi_err *err)
{
    struct core_case with = *of;
    struct core_names met;
    struct core_request_row request;
    struct core_serving serving;
    struct phi_grant t;
    bool covered = false;
    *ret_left = 0;
    PHI_TRY(core_grant_terms(a, g, &t, err));
    if (t.budget.statements || t.budget.rows || t.budget.bytes || t.first_use_ms) /* an answer spends nothing and begins nothing */
        return PHI_OK;
    PHI_TRY(core_request_load(c, a, g->request, &request, err));
    PHI_TRY(core_grant_case(c, a, &request, &with, err));
    PHI_TRY(core_grant_covers(c, a, &t, &with, &covered, err));
    if (!covered || core_grant_serves(c, a, g, &t, 1, &serving, NULL) != PHI_OK || !rests_on_fresh(c, &with, &request, tickets))
        return PHI_OK;
    PHI_TRY(core_row_check(c, CORE_GRANT, g, g->leaf, g->leaf_hash, err));
    PHI_TRY(core_grant_met(c, a, g, &met, err));
    with.met = met.v;
    with.n_met = met.n;
    PHI_TRY(core_rule(c, a, &with, r, err));
    *ret_left = r->verdict == PHI_ALLOW ? serving.left_ms : 0; /* of the window, where that is sooner */
    return PHI_OK;
}

/* A scope whose uses are not counted makes the answer true; one with limited uses would have to be claimed. */
static enum phi_rc by_scope(struct phi_core *c, struct phi_arena *a, const struct core_case *of, const struct phi_question *q,
                            struct phi_evaluation *ret, struct phi_err *err)
{
    struct core_grant_row *rows;
    struct core_tickets tickets = { .renew_ms = q->renew_ms };
    size_t n;
    PHI_TRY(core_grants_of_act(c, a, of->principal.id, (struct phi_view){ 0 }, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_ruling again;
        int64_t left = 0;
        if (!may_serve(c, of, &rows[i], q->grant))
            continue;
        PHI_TRY(try_grant(c, a, of, &rows[i], &tickets, &again, &left, err));
        if (left > 0) {
            *ret = (struct phi_evaluation){ .verdict = PHI_ALLOW, .reason = again.reason, .policies = again.policies,
                                            .n_policies = again.n_policies, .grant = rows[i].id, .grant_left_ms = left,
                                            .tickets = tickets.due };
            return obligations_out(a, &again, ret, err);
        }
    }
    ret->tickets = tickets.due;
    if (ret->tickets.stale)
        ret->reason = PHI_LIT("what the tracker said of the ticket is too old; it is being asked, so ask again in a moment");
    return PHI_OK;
}

/* The person's id where the caller wrote a name. */
static struct phi_ref subject_of(struct phi_core *c, struct phi_arena *a, struct phi_ref r)
{
    struct core_person_row row;
    if (phi_view_is(r.type, "Person") && core_person_find(c, a, r.id, &row, NULL) == PHI_OK)
        r.id = row.id;
    return r;
}

static enum phi_rc judge(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                         const struct phi_question *q, struct phi_view target, struct phi_evaluation *ret,
                         struct phi_err *err)
{
    struct core_try one = { .pair = { q->action, q->resource } };
    struct core_case of = { .principal = q->subject, .target = target, .tries = &one, .n_tries = 1,
                            .context = q->context, .told = q->told, .can = q->can, .n_can = q->n_can };
    struct core_ruling r;
    if (by->kind == PHI_ACTOR_GATEWAY)
        of.entities = q->entities;
    PHI_TRY(core_rule(c, a, &of, &r, err));
    *ret = (struct phi_evaluation){
        .verdict = r.verdict, .reason = r.reason, .policies = r.policies, .n_policies = r.n_policies
    };
    if (r.verdict == PHI_DENY && c->says_text && target.n) /* a grant brings its request's ticket and justification */
        return by_scope(c, a, &of, q, ret, err);
    if (r.verdict != PHI_NEEDS)
        return obligations_out(a, &r, ret, err);
    ret->requestable = target.n && phi_view_eq(q->subject.type, phi_who_type(q->subject.id)) && is_requestable(&r);
    if (ret->requestable && q->n_can)
        PHI_TRY(is_askable(c, a, &of, &ret->requestable, err));
    PHI_TRY(needs_out(a, &r, ret, err));
    return target.n ? by_scope(c, a, &of, q, ret, err) : PHI_OK;
}

static struct phi_view target_of(struct phi_arena *a, struct phi_ref resource)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n;
    return phi_ref_parts(a, resource, parts, &n) ? parts[0] : (struct phi_view){ 0 };
}

enum phi_rc phi_evaluate(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                         const struct phi_question *asked, struct phi_evaluation *ret, struct phi_err *err)
{
    struct phi_question q = *asked;
    *ret = (struct phi_evaluation){ .verdict = PHI_DENY };
    PHI_TRY(core_batched(c, err));
    q.subject = subject_of(c, a, q.subject);
    struct phi_view target = target_of(a, q.resource);
    PHI_TRY(may_ask(c, by, &q, target, err));
    return judge(c, a, by, &q, target, ret, err);
}

/* ---- searches */

/* All that could be the answer, in the order of their ids. */
static enum phi_rc people_all(struct phi_core *c, struct phi_arena *a, struct phi_ref **ret, size_t *n, struct phi_err *err)
{
    struct core_person_row *rows;
    PHI_TRY(core_list(c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, n, err));
    *ret = phi_arena_array(a, *n + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < *n; i++)
        (*ret)[i] = phi_ref_of("Person", rows[i].id);
    return *ret ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc targets_all(struct phi_core *c, struct phi_arena *a, struct phi_ref **ret, size_t *n, struct phi_err *err)
{
    struct core_target_row *rows;
    PHI_TRY(core_list(c, CORE_TARGET, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, n, err));
    *ret = phi_arena_array(a, *n + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < *n; i++)
        (*ret)[i] = phi_ref_make_parts(a, "Target", &rows[i].name, 1);
    return *ret ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc told_all(struct phi_core *c, struct phi_arena *a, struct phi_view type, struct phi_ref **ret,
                            size_t *n, struct phi_err *err)
{
    struct core_entity_row *rows, key = { .type = type };
    PHI_TRY(core_list(c, CORE_ENTITY, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &rows, n, err));
    *ret = phi_arena_array(a, *n + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < *n; i++)
        (*ret)[i] = (struct phi_ref){ rows[i].type, rows[i].id };
    return *ret ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc actions_all(struct phi_core *c, struct phi_arena *a, const struct phi_question *q, struct phi_ref **ret,
                               size_t *n, struct phi_err *err)
{
    size_t all = phi_bundle_action_count(c->bundle);
    *ret = phi_arena_array(a, all + 1, sizeof **ret);
    *n = 0;
    for (size_t i = 0; *ret && i < all; i++) {
        struct phi_uid at = phi_bundle_action_at(c->bundle, i);
        if (phi_view_is(at.type, "Action") && phi_bundle_applies(c->bundle, at, q->subject.type, q->resource.type))
            (*ret)[(*n)++] = (struct phi_ref){ at.type, at.id };
    }
    return *ret ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc candidates(struct phi_core *c, struct phi_arena *a, const struct phi_search *s, struct phi_ref **ret,
                              size_t *n, struct phi_err *err)
{
    struct phi_view type = s->sought == PHI_SOUGHT_SUBJECT ? s->of.subject.type : s->of.resource.type;
    *n = 0;
    enum phi_rc rc = core_bundle_load(c, err);
    if (rc == PHI_ENOTFOUND)
        return PHI_OK;
    PHI_TRY(rc);
    if (s->sought == PHI_SOUGHT_ACTION)
        return actions_all(c, a, &s->of, ret, n, err);
    if (phi_view_is(type, "Person"))
        return people_all(c, a, ret, n, err);
    return phi_view_is(type, "Target") ? targets_all(c, a, ret, n, err) : told_all(c, a, type, ret, n, err);
}

static struct phi_question with(const struct phi_search *s, struct phi_ref r)
{
    struct phi_question q = s->of;
    switch (s->sought) {
    case PHI_SOUGHT_SUBJECT: q.subject = r; break;
    case PHI_SOUGHT_RESOURCE: q.resource = r; break;
    case PHI_SOUGHT_ACTION: q.action = r.id; break;
    }
    return q;
}

enum phi_rc phi_search(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_search *asked,
                       struct phi_found *ret, struct phi_err *err)
{
    struct phi_search s = *asked;
    struct phi_ref *all = NULL;
    size_t n, i = 0, looks = 0;
    *ret = (struct phi_found){ 0 };
    PHI_TRY(core_batched(c, err));
    s.of.subject = subject_of(c, a, s.of.subject);
    s.of.n_can = 0;
    s.of.renew_ms = 0; /* of many at once nothing is asked again */
    PHI_TRY(may_ask(c, by, &s.of, (struct phi_view){ 0 }, err));
    PHI_TRY(candidates(c, a, &s, &all, &n, err));
    struct phi_ref *found = phi_arena_array(a, s.limit + 1, sizeof *found);
    if (!found)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    while (s.after.n && i < n && phi_view_cmp(all[i].id, s.after) <= 0)
        i++;
    for (; i < n && ret->n < s.limit && looks < PHI_SEARCH_LOOKS; i++, looks++) {
        PHI_ARENA(scratch, (size_t)64 << 20);
        struct phi_question q = with(&s, all[i]);
        struct phi_evaluation e;
        PHI_TRY(judge(c, &scratch, by, &q, target_of(&scratch, q.resource), &e, err));
        if (e.verdict == PHI_ALLOW)
            found[ret->n++] = all[i];
    }
    ret->found = found;
    if (i < n && i > 0)
        ret->next = all[i - 1].id;
    return PHI_OK;
}
