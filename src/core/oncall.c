#include "core/oncall.h"

#include <string.h>

#include "core/inner.h"

static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };

static struct phi_view group_of(struct phi_arena *a, struct phi_view list)
{
    return phi_arena_printf(a, PHI_ON_CALL_GROUP PHI_FMT, PHI_ARG(list));
}

static enum phi_rc rows_of(struct phi_core *c, struct phi_arena *a, struct phi_view list, struct core_on_call_row **ret, size_t *ret_n,
                           struct phi_err *err)
{
    struct core_on_call_row key = { .list = list };
    struct core_span span = { .prefix = list.n ? 1 : 0 };
    PHI_TRY(core_list(c, CORE_ON_CALL, CORE_BY_KEY, &key, span, a, ret, ret_n, err));
    for (size_t i = 0; i < *ret_n; i++)
        PHI_TRY(core_row_check(c, CORE_ON_CALL, &(*ret)[i], (*ret)[i].leaf, (*ret)[i].leaf_hash, err));
    return PHI_OK;
}

static enum phi_rc leaf(struct phi_core *c, struct phi_arena *a, struct phi_entry *e, struct core_on_call_row *row, struct phi_err *err)
{
    row->rev++;
    phi_entry_ref(e, PHI_F_GROUP, phi_ref_of("Group", group_of(a, row->list)));
    phi_entry_ref(e, PHI_F_PERSON, phi_ref_of("Person", row->person));
    return core_leaf_of(c, a, e, CORE_ON_CALL, row, &row->leaf, &row->leaf_hash, err);
}

static void changed(struct phi_core *c)
{
    core_world_changed(c);
    core_snapshot_changed(c, (struct phi_view){ 0 });
}

/* ---- ending */

enum phi_rc core_on_call_over(struct phi_core *c, const struct phi_actor *by, void *p, const char *cause, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_on_call_row *row = p;
    struct core_member_row m = { .grp = group_of(&a, row->list), .person = row->person };
    struct phi_entry e;
    PHI_TRY(core_row_check(c, CORE_ON_CALL, row, row->leaf, row->leaf_hash, err));
    enum phi_rc rc = core_del(c, CORE_MEMBER, &m, NULL);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND) /* somebody may have taken them out of the group by hand */
        return phi_fail(err, rc, "who is on call cannot be changed");
    PHI_TRY(core_del(c, CORE_ON_CALL, row, err));
    core_entry(c, &e, PHI_EV_ON_CALL_ENDED, by);
    phi_entry_ref(&e, PHI_F_GROUP, phi_ref_of("Group", m.grp));
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->person));
    phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    changed(c);
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc next_load(struct phi_core *c, struct phi_err *err)
{
    PHI_ARENA(a, 16 << 20);
    struct core_on_call_row *rows;
    size_t n;
    if (c->on_call_loaded == c->st.world)
        return PHI_OK;
    PHI_TRY(core_list(c, CORE_ON_CALL, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &rows, &n, err));
    c->has_on_call = n > 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || core_left(c, &rows[i].due) < core_left(c, &c->on_call_next))
            c->on_call_next = rows[i].due;
    c->on_call_loaded = c->st.world;
    return PHI_OK;
}

int64_t core_on_call_next(struct phi_core *c)
{
    if (next_load(c, NULL) != PHI_OK)
        return 0;
    return c->has_on_call ? core_left(c, &c->on_call_next) : INT64_MAX;
}

enum phi_rc core_on_call_expire(struct phi_core *c, struct phi_err *err)
{
    PHI_TRY(next_load(c, err));
    if (!c->has_on_call || core_left(c, &c->on_call_next) > 0)
        return PHI_OK;
    PHI_ARENA(a, 16 << 20);
    struct core_on_call_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_ON_CALL, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) <= 0)
            PHI_TRY(core_on_call_over(c, &phid, &rows[i], "expired", err));
    return PHI_OK;
}

/* ---- asking */

bool core_on_call(struct phi_core *c, struct phi_view person)
{
    PHI_ARENA(a, 1 << 20);
    struct core_on_call_row *rows, key = { .person = person };
    size_t n;
    if (!person.n || next_load(c, NULL) != PHI_OK || !c->has_on_call) /* mostly nobody is, and each decision asks */
        return false;
    if (core_list(c, CORE_ON_CALL, CORE_ON_CALL_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n, NULL) != PHI_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) > 0 && core_row_check(c, CORE_ON_CALL, &rows[i], rows[i].leaf, rows[i].leaf_hash, NULL) == PHI_OK)
            return true;
    return false;
}

enum phi_rc phi_on_call_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list,
                             struct phi_on_call **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_on_call_row *rows;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons look this up");
    PHI_TRY(rows_of(c, a, list, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < *ret_n; i++)
        (*ret)[i] = (struct phi_on_call){ rows[i].list, rows[i].person, core_person_name(c, a, rows[i].person), core_left(c, &rows[i].due) };
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- setting */

static enum phi_rc begin(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct core_on_call_row *row, bool is_new,
                         struct phi_err *err)
{
    struct core_member_row m = { group_of(a, row->list), row->person, core_wall(c) };
    struct phi_entry e;
    enum phi_rc rc = core_add(c, CORE_MEMBER, &m, NULL);
    if (rc != PHI_OK && rc != PHI_ECONFLICT)
        return phi_fail(err, rc, "who is on call cannot be changed");
    core_entry(c, &e, PHI_EV_ON_CALL_BEGAN, by);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row->due.wall);
    PHI_TRY(leaf(c, a, &e, row, err));
    return is_new ? core_add(c, CORE_ON_CALL, row, err) : core_set(c, CORE_ON_CALL, row, err);
}

static enum phi_rc put_one(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list, struct phi_view person,
                           int64_t for_ms, struct phi_err *err)
{
    struct core_on_call_row row, key = { .list = list, .person = person };
    bool is_new = core_get(c, CORE_ON_CALL, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK;
    if (is_new)
        row = key;
    else
        PHI_TRY(core_row_check(c, CORE_ON_CALL, &row, row.leaf, row.leaf_hash, err));
    row.due = core_due_in(c, for_ms);
    row.at_ms = core_wall(c);
    return begin(c, a, by, &row, is_new, err);
}

static bool among(struct phi_view id, const struct phi_view *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(ids[i], id))
            return true;
    return false;
}

/* Each once, by id: persons, no services. */
static enum phi_rc ids_of(struct phi_core *c, struct phi_arena *a, const struct phi_view *people, size_t n, struct phi_view *ids, size_t *ret_n,
                          struct phi_err *err)
{
    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct core_person_row row;
        PHI_TRY(core_person_find(c, a, people[i], &row, err));
        if (!phi_view_is(phi_who_type(row.id), "Person"))
            return phi_fail(err, PHI_EINPUT, "a service is never on call; name persons");
        struct phi_view id = core_root(c, a, row.id);
        if (!among(id, ids, *ret_n))
            ids[(*ret_n)++] = id;
    }
    return PHI_OK;
}

static enum phi_rc put_check(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list, size_t n, int64_t for_ms,
                             struct phi_err *err)
{
    struct core_on_call_row *rows;
    size_t all;
    PHI_TRY(core_need(c, by, PHI_RIGHT_ON_CALL, err));
    if (!core_slug_ok(list))
        return phi_fail(err, PHI_EINPUT, "a list's name is 1 to 63 of a-z, 0-9, _ and -");
    if (n == 0 || n > PHI_MAX_ON_CALL)
        return phi_fail(err, PHI_EINPUT, "1 to %d persons are on call; with nobody, end the list", PHI_MAX_ON_CALL);
    if (for_ms < 1 || for_ms > PHI_MAX_ON_CALL_MS)
        return phi_fail(err, PHI_EINPUT, "\"for_ms\" is 1 to %lld", (long long)PHI_MAX_ON_CALL_MS);
    PHI_TRY(core_list(c, CORE_ON_CALL, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, &all, err));
    return all + n <= PHI_MAX_ON_CALL_ROWS ? PHI_OK :
                                             core_no(c, "on-call.quota", err, PHI_ELIMIT, "at most %d places in all lists", PHI_MAX_ON_CALL_ROWS);
}

enum phi_rc phi_on_call_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list,
                            const struct phi_view *people, size_t n, int64_t for_ms, struct phi_err *err)
{
    struct core_on_call_row *before;
    struct phi_view ids[PHI_MAX_ON_CALL];
    size_t n_before, n_ids;
    PHI_TRY(put_check(c, a, by, list, n, for_ms, err));
    PHI_TRY(ids_of(c, a, people, n, ids, &n_ids, err));
    PHI_TRY(rows_of(c, a, list, &before, &n_before, err));
    for (size_t i = 0; i < n_before; i++)
        if (!among(before[i].person, ids, n_ids))
            PHI_TRY(core_on_call_over(c, by, &before[i], "replaced", err));
    for (size_t i = 0; i < n_ids; i++)
        PHI_TRY(put_one(c, a, by, list, ids[i], for_ms, err));
    changed(c);
    return PHI_OK;
}

enum phi_rc phi_on_call_end(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list, struct phi_err *err)
{
    struct core_on_call_row *rows;
    size_t n = 0;
    PHI_TRY(core_need(c, by, PHI_RIGHT_ON_CALL, err));
    if (core_slug_ok(list))
        PHI_TRY(rows_of(c, a, list, &rows, &n, err));
    if (n == 0)
        return core_no(c, "on-call.unknown", err, PHI_ENOTFOUND, "nobody is on call under that name");
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_on_call_over(c, by, &rows[i], "withdrawn", err));
    return PHI_OK;
}

enum phi_rc core_on_call_forget(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_on_call_row *rows, key = { .person = person };
    size_t n;
    PHI_TRY(core_list(c, CORE_ON_CALL, CORE_ON_CALL_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_on_call_over(c, by, &rows[i], "person-forgotten", err));
    return PHI_OK;
}

enum phi_rc core_on_call_settle(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    struct core_on_call_row *row = p;
    struct phi_entry e;
    if (!core_reanchor(c, &row->due))
        return PHI_OK; /* it ends with the first batch */
    core_entry(c, &e, PHI_EV_ON_CALL_SETTLED, &phid);
    phi_entry_int(&e, PHI_F_REMAINING_MS, core_left(c, &row->due));
    PHI_TRY(leaf(c, a, &e, row, err));
    return core_set(c, CORE_ON_CALL, row, err);
}
