/* Counting votes: persons, once, eligible when the request was made and now. */
#include <string.h>

#include "core/request_in.h"
#include "core/signed.h"

bool core_was_eligible(struct phi_core *c, const struct core_request_row *row, struct phi_view requirement,
                       struct phi_view root)
{
    PHI_ARENA(a, 1 << 14);
    struct core_eligible_row e, key = { row->id, row->version, requirement, root };
    return core_get(c, CORE_ELIGIBLE, CORE_BY_KEY, &key, &a, &e, NULL) == PHI_OK;
}

enum phi_rc core_votes(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                       struct core_vote_row **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_vote_row key = { .request = row->id };
    PHI_TRY(core_list(c, CORE_VOTE, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, ret, ret_n, err));
    for (size_t i = 0; i < *ret_n; i++)
        PHI_TRY(core_row_check(c, CORE_VOTE, &(*ret)[i], (*ret)[i].leaf, (*ret)[i].leaf_hash, err));
    return PHI_OK;
}

/* Of those who may approve now, those who did and could then, each with the sets of the stage they voted in. */
static size_t voters(struct phi_core *c, const struct core_request_row *row, const struct phi_requirement *r,
                     const struct core_vote_row *votes, size_t n_votes, struct core_approver *now, size_t n_now)
{
    PHI_ARENA(a, 1 << 20);
    struct phi_view *root = phi_arena_array(&a, n_votes + 1, sizeof *root);
    size_t k = 0;
    for (size_t v = 0; root && v < n_votes; v++)
        root[v] = core_root(c, &a, votes[v].root); /* as linked now: accounts that became one person are one */
    for (size_t i = 0; root && i < n_now; i++)
        for (size_t v = 0; v < n_votes; v++)
            if (votes[v].approve && votes[v].version == row->version &&
                phi_view_eq(votes[v].requirement, r->name) && phi_view_eq(root[v], now[i].root) &&
                core_was_eligible(c, row, r->name, votes[v].root) && (!r->is_signed || core_vote_proven(c, &votes[v]))) {
                now[k] = now[i];
                now[k++].sets &= core_stage_sets(r, votes[v].stage > 0 ? (unsigned)votes[v].stage : 1);
                break;
            }
    return k;
}

enum phi_rc core_stage(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                       const struct core_draft *d, const struct phi_requirement *r, unsigned *ret, struct phi_err *err)
{
    struct core_subject s = core_subject_of(d);
    struct core_vote_row *votes;
    struct core_approver *now;
    size_t n_votes, n;
    unsigned last = core_stages(r);
    *ret = 1;
    if (last == 1)
        return PHI_OK;
    PHI_TRY(core_votes(c, a, row, &votes, &n_votes, err));
    PHI_TRY(core_approvers(c, a, &s, r, &now, &n, err));
    n = voters(c, row, r, votes, n_votes, now, n);
    while (*ret < last && (core_stage_sets(r, *ret) == 0 || core_filled(r, *ret, now, n)))
        ++*ret;
    return PHI_OK;
}

/* The requester's own passkey, over this version of the request. */
static bool shown(struct phi_core *c, const struct core_request_row *row, const struct phi_requirement *r,
                  const struct core_vote_row *votes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (votes[i].approve && votes[i].version == row->version && phi_view_eq(votes[i].requirement, r->name) &&
            core_same_person(c, votes[i].person, row->requester) && core_vote_proven(c, &votes[i]))
            return true;
    return false;
}

enum phi_rc core_met(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                     const struct core_draft *d, const struct phi_view **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_subject s = core_subject_of(d);
    struct core_vote_row *votes;
    size_t n_votes, n = 0, max;
    PHI_TRY(core_bundle_load(c, err));
    PHI_TRY(core_votes(c, a, row, &votes, &n_votes, err));
    max = phi_bundle_requirement_count(c->bundle);
    struct phi_view *met = phi_arena_array(a, max + 1, sizeof *met);
    if (!met)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < max; i++) {
        const struct phi_requirement *r = phi_bundle_requirement_at(c->bundle, i);
        struct core_approver *now;
        size_t n_now;
        bool voted = false;
        for (size_t v = 0; v < n_votes; v++)
            voted |= phi_view_eq(votes[v].requirement, r->name);
        if (core_met_alone(r, &d->of) || (row->glass && r->kind == PHI_REQUIRE_BREAK_GLASS))
            met[n++] = phi_arena_copy(a, r->name);
        if (r->kind == PHI_REQUIRE_MFA && voted && shown(c, row, r, votes, n_votes))
            met[n++] = phi_arena_copy(a, r->name);
        if (!voted)
            continue;
        PHI_TRY(core_approvers(c, a, &s, r, &now, &n_now, err));
        n_now = voters(c, row, r, votes, n_votes, now, n_now);
        if (core_filled(r, 0, now, n_now))
            met[n++] = phi_arena_copy(a, r->name);
    }
    *ret = met;
    *ret_n = n;
    return PHI_OK;
}

/* ---- lists of names as stored */

enum phi_rc core_names_read(struct phi_arena *a, struct phi_view json, struct core_names *ret, struct phi_err *err)
{
    const struct phi_json *list;
    PHI_TRY(phi_json_read(a, json, PHI_JSON_STRICT, "stored names", &list, err));
    struct phi_view *v = phi_arena_array(a, list->n + 1, sizeof *v);
    if (!v || list->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_ECORRUPT, "stored names are no list");
    for (size_t i = 0; i < list->n; i++)
        if (!phi_json_str(&list->items[i], &v[i]))
            return phi_fail(err, PHI_ECORRUPT, "stored names are no names");
    *ret = (struct core_names){ v, list->n };
    return PHI_OK;
}

enum phi_rc core_needs_read(struct phi_arena *a, struct phi_view json, struct core_names **ret, size_t *ret_n,
                            struct phi_err *err)
{
    const struct phi_json *list;
    PHI_TRY(phi_json_read(a, json, PHI_JSON_STRICT, "stored needs", &list, err));
    *ret = phi_arena_array(a, list->n + 1, sizeof **ret);
    if (!*ret || list->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_ECORRUPT, "stored needs are no list");
    *ret_n = list->n;
    for (size_t i = 0; i < list->n; i++) {
        const struct phi_json *one = &list->items[i];
        struct phi_view *v = phi_arena_array(a, one->n + 1, sizeof *v);
        if (!v || one->kind != PHI_JSON_ARR)
            return phi_fail(err, PHI_ECORRUPT, "stored needs are no lists");
        for (size_t k = 0; k < one->n; k++)
            if (!phi_json_str(&one->items[k], &v[k]))
                return phi_fail(err, PHI_ECORRUPT, "stored needs are no names");
        (*ret)[i] = (struct core_names){ v, one->n };
    }
    return PHI_OK;
}

struct phi_view core_names_json(struct phi_arena *a, const struct phi_view *v, size_t n)
{
    PHI_BUF(b, 1 << 16);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_arr(&w);
    for (size_t i = 0; i < n; i++)
        phi_jw_str(&w, v[i]);
    phi_jw_end(&w);
    return phi_arena_copy(a, phi_buf_view(&b));
}
