#include "core/delegation.h"

#include <stdlib.h>

#include "core/inner.h"

enum phi_rc core_delegations_of(struct phi_core *c, struct phi_arena *a, struct phi_view giver,
                                struct core_delegation_row **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_delegation_row key = { .giver = giver, .live = 1 };
    size_t n, k = 0;
    PHI_TRY(core_list(c, CORE_DELEGATION, CORE_DELEGATION_BY_GIVER, &key, (struct core_span){ .prefix = 2 }, a, ret, &n,
                      err));
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(core_row_check(c, CORE_DELEGATION, &(*ret)[i], (*ret)[i].leaf, (*ret)[i].leaf_hash, err));
        if (core_left(c, &(*ret)[i].due) > 0)
            (*ret)[k++] = (*ret)[i];
    }
    *ret_n = k;
    return PHI_OK;
}

static void out(struct phi_core *c, struct phi_arena *a, const struct core_delegation_row *row,
                struct phi_delegation *ret)
{
    *ret = (struct phi_delegation){ .id = row->id,
                                    .giver = row->giver,
                                    .taker = row->taker,
                                    .giver_name = core_person_name(c, a, row->giver),
                                    .taker_name = core_person_name(c, a, row->taker),
                                    .why = core_text_get(c, a, row->id, "reason"),
                                    .remaining_ms = row->live ? core_left(c, &row->due) : 0 };
}

static enum phi_rc make_check(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, int64_t for_ms,
                              struct phi_view why, struct phi_err *err)
{
    struct core_delegation_row *rows;
    size_t n;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons delegate");
    if (for_ms < 1 || for_ms > PHI_MAX_DELEGATION_MS)
        return phi_fail(err, PHI_EINPUT, "a delegation lasts 1 to %lld ms", (long long)PHI_MAX_DELEGATION_MS);
    if (why.n == 0 || why.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a delegation has a reason of 1 to %d bytes", PHI_MAX_WHY);
    PHI_TRY(core_delegations_of(c, a, core_root(c, a, by->id), &rows, &n, err));
    if (n >= PHI_MAX_DELEGATIONS)
        return core_no(c, "delegation.quota", err, PHI_ELIMIT, "%d of your delegations are live; end some first",
                       PHI_MAX_DELEGATIONS);
    return PHI_OK;
}

enum phi_rc phi_delegation_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct phi_view taker, int64_t for_ms, struct phi_view why,
                                struct phi_delegation *ret, struct phi_err *err)
{
    struct core_person_row to;
    struct phi_entry e;
    PHI_TRY(make_check(c, a, by, for_ms, why, err));
    PHI_TRY(core_person_find(c, a, taker, &to, err));
    if (core_same_person(c, to.id, by->id))
        return core_no(c, "delegation.self", err, PHI_EINPUT, "one delegates to somebody else");
    if (!phi_view_is(phi_who_type(to.id), "Person"))
        return core_no(c, "delegation.service", err, PHI_EINPUT, "a service does not vote; delegate to a person");
    if (!phi_view_is(phi_who_type(by->id), "Person"))
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons delegate");
    struct core_delegation_row row = { .id = core_new_id(c, a),
                                       .giver = core_root(c, a, by->id),
                                       .taker = core_root(c, a, to.id),
                                       .live = 1,
                                       .due = core_due_in(c, for_ms),
                                       .at_ms = core_wall(c) };
    struct phi_view salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, why);
    PHI_TRY(core_text_put(c, row.id, "reason", salt, why, err));
    core_entry(c, &e, PHI_EV_DELEGATION_MADE, by);
    phi_entry_str(&e, PHI_F_DELEGATION, row.id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row.giver));
    phi_entry_ref(&e, PHI_F_PRINCIPAL, phi_ref_of("Person", row.taker));
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_DELEGATION, &row, &row.leaf, &row.leaf_hash, err));
    PHI_TRY(core_add(c, CORE_DELEGATION, &row, err));
    out(c, a, &row, ret);
    return PHI_OK;
}

static int newest_first(const void *x, const void *y)
{
    const struct phi_delegation *a = x, *b = y;
    return phi_view_cmp(b->id, a->id);
}

enum phi_rc phi_delegation_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct phi_delegation **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_delegation_row *rows, key = { .live = 1 };
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_DELEGATION, CORE_DELEGATION_BY_WALL, &key, (struct core_span){ .prefix = 1 }, a, &rows, &n,
                      err));
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        bool own = by->kind == PHI_ACTOR_PERSON &&
                   (core_same_person(c, by->id, rows[i].giver) || core_same_person(c, by->id, rows[i].taker));
        if (!own && !core_has(c, by, PHI_RIGHT_REVOKE))
            continue;
        PHI_TRY(core_row_check(c, CORE_DELEGATION, &rows[i], rows[i].leaf, rows[i].leaf_hash, err));
        out(c, a, &rows[i], &(*ret)[(*ret_n)++]);
    }
    qsort(*ret, *ret_n, sizeof **ret, newest_first);
    return PHI_OK;
}

enum phi_rc core_delegation_over(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                 struct core_delegation_row *row, const char *cause, struct phi_err *err)
{
    struct phi_entry e;
    row->live = 0;
    row->rev++;
    core_entry(c, &e, PHI_EV_DELEGATION_ENDED, by);
    phi_entry_str(&e, PHI_F_DELEGATION, row->id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->giver));
    phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    PHI_TRY(core_leaf_of(c, a, &e, CORE_DELEGATION, row, &row->leaf, &row->leaf_hash, err));
    return core_set(c, CORE_DELEGATION, row, err);
}

enum phi_rc phi_delegation_end(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                               struct phi_err *err)
{
    struct core_delegation_row row, key = { .id = id };
    PHI_TRY(core_batched(c, err));
    bool found = core_get(c, CORE_DELEGATION, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK;
    bool own = found && by->kind == PHI_ACTOR_PERSON &&
               (core_same_person(c, by->id, row.giver) || core_same_person(c, by->id, row.taker));
    if (!found || (!own && !core_has(c, by, PHI_RIGHT_REVOKE)))
        return core_no(c, "delegation.unknown", err, PHI_ENOTFOUND, "there is no such delegation");
    PHI_TRY(core_row_check(c, CORE_DELEGATION, &row, row.leaf, row.leaf_hash, err));
    return row.live ? core_delegation_over(c, a, by, &row, "withdrawn", err) : PHI_OK;
}

enum phi_rc core_delegation_settle(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    struct core_delegation_row *row = p;
    struct phi_entry e;
    if (!core_reanchor(c, &row->due))
        return PHI_OK;
    row->rev++;
    core_entry(c, &e, PHI_EV_DELEGATION_SETTLED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_str(&e, PHI_F_DELEGATION, row->id);
    phi_entry_int(&e, PHI_F_REMAINING_MS, core_left(c, &row->due));
    PHI_TRY(core_leaf_of(c, a, &e, CORE_DELEGATION, row, &row->leaf, &row->leaf_hash, err));
    return core_set(c, CORE_DELEGATION, row, err);
}
