/* AuthZEN's question: an answer that consumes nothing. */
#include "core/decide.h"

#include "core/request_in.h"

static enum phi_rc may_ask(struct phi_core *c, const struct phi_actor *by, const struct phi_question *q,
                           struct phi_view target, struct phi_err *err)
{
    bool self = by->kind == PHI_ACTOR_PERSON && phi_view_is(q->subject.type, "Person") &&
                phi_view_eq(q->subject.id, by->id);
    if (self || core_has(c, by, PHI_RIGHT_SEE_ALL) || (by->kind == PHI_ACTOR_GATEWAY && core_gateway_serves(c, by->id, target)))
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

/* A scope whose uses are not counted makes the answer true; one with limited uses would have to be claimed. */
static enum phi_rc by_scope(struct phi_core *c, struct phi_arena *a, const struct core_case *of,
                            struct core_ruling *r, struct phi_err *err)
{
    struct core_grant_row *rows, key = { .principal = of->principal.id, .live = 1 };
    size_t n;
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_PRINCIPAL, &key, (struct core_span){ .prefix = 2 }, a, &rows, &n,
                      err));
    for (size_t i = 0; i < n; i++) {
        struct core_case with = *of;
        struct core_names met;
        struct core_ruling again;
        struct core_serving serving;
        bool covered = false;
        const struct core_grant_row *g = &rows[i];
        if (g->act.n || g->uses || g->session.n || !phi_view_eq(g->target, of->target) || core_left(c, &g->due) <= 0)
            continue;
        PHI_TRY(core_grant_covers(c, a, g, of->tries, of->n_tries, &covered, err));
        if (!covered || core_grant_serves(c, a, g, 1, &serving, NULL) != PHI_OK)
            continue;
        PHI_TRY(core_row_check(c, CORE_GRANT, g, g->leaf, g->leaf_hash, err));
        PHI_TRY(core_grant_met(c, a, g, &met, err));
        with.met = met.v;
        with.n_met = met.n;
        PHI_TRY(core_rule(c, a, &with, &again, err));
        if (again.verdict == PHI_ALLOW) {
            *r = again;
            return PHI_OK;
        }
    }
    return PHI_OK;
}

enum phi_rc phi_evaluate(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                         const struct phi_question *q, struct phi_evaluation *ret, struct phi_err *err)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    struct core_try one = { .pair = { q->action, q->resource } };
    struct core_case of = { .principal = q->subject, .tries = &one, .n_tries = 1, .context = q->context };
    struct core_ruling r;
    size_t n;
    *ret = (struct phi_evaluation){ .verdict = PHI_DENY };
    PHI_TRY(core_batched(c, err));
    if (!phi_ref_parts(a, q->resource, parts, &n))
        return phi_fail(err, PHI_EINPUT, "the resource is none of a target");
    of.target = parts[0];
    PHI_TRY(may_ask(c, by, q, of.target, err));
    if (by->kind == PHI_ACTOR_GATEWAY)
        of.entities = q->entities;
    PHI_TRY(core_rule(c, a, &of, &r, err));
    if (r.verdict == PHI_NEEDS)
        PHI_TRY(by_scope(c, a, &of, &r, err));
    *ret = (struct phi_evaluation){
        .verdict = r.verdict, .reason = r.reason, .policies = r.policies, .n_policies = r.n_policies
    };
    return r.verdict == PHI_NEEDS ? needs_out(a, &r, ret, err) : PHI_OK;
}
