#include "core/person.h"

#include <string.h>

#include "core/inner.h"
#include "core/page_in.h"

/* ---- finding */

enum phi_rc core_person_find(struct phi_core *c, struct phi_arena *a, struct phi_view name_or_id,
                             struct core_person_row *ret, struct phi_err *err)
{
    struct core_person_row key = { .id = name_or_id };
    struct core_account_row account, akey = { .name = name_or_id };
    if (core_get(c, CORE_PERSON, CORE_BY_KEY, &key, a, ret, NULL) == PHI_OK)
        return PHI_OK;
    if (core_get(c, CORE_ACCOUNT, CORE_BY_KEY, &akey, a, &account, NULL) == PHI_OK) {
        key.id = account.person;
        if (core_get(c, CORE_PERSON, CORE_BY_KEY, &key, a, ret, NULL) == PHI_OK)
            return PHI_OK;
    }
    return core_no(c, "person.unknown", err, PHI_ENOTFOUND, "there is no such person");
}

struct phi_view core_root(struct phi_core *c, struct phi_arena *a, struct phi_view person)
{
    struct core_person_row row, key = { .id = person };
    /* Links lead to somebody who is linked to nobody, so one step does; the bound is against bad rows. */
    for (int i = 0; i < 8; i++) {
        if (core_get(c, CORE_PERSON, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || row.same_as.n == 0)
            break;
        key.id = row.same_as;
    }
    return key.id;
}

enum phi_rc core_accounts(struct phi_core *c, struct phi_arena *a, struct phi_view root, struct phi_view **ret, size_t *ret_n,
                          struct phi_err *err)
{
    struct core_person_row *rows, key = { .same_as = root };
    PHI_TRY(core_list(c, CORE_PERSON, CORE_PERSON_BY_SAME, &key, (struct core_span){ .prefix = 1 }, a, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = rows[i].id;
    (*ret)[(*ret_n)++] = root;
    return PHI_OK;
}

bool core_same_person(struct phi_core *c, struct phi_view x, struct phi_view y)
{
    PHI_ARENA(a, 1 << 16);
    return phi_view_eq(core_root(c, &a, x), core_root(c, &a, y));
}

struct phi_view core_person_name(struct phi_core *c, struct phi_arena *a, struct phi_view person)
{
    struct core_person_row row, key = { .id = person };
    if (core_get(c, CORE_PERSON, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return phi_view_is(person, "auto") ? PHI_LIT("auto") : PHI_LIT("somebody");
    return row.name;
}

/* ---- showing */

static enum phi_rc names_of(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_person *p,
                            struct phi_err *err)
{
    struct core_member_row *m, mkey = { .person = person };
    struct core_account_row *acc, akey = { .person = person };
    struct core_span one = { .prefix = 1 };
    PHI_TRY(core_list(c, CORE_MEMBER, CORE_MEMBER_BY_PERSON, &mkey, one, a, &m, &p->n_groups, err));
    PHI_TRY(core_list(c, CORE_ACCOUNT, CORE_ACCOUNT_BY_PERSON, &akey, one, a, &acc, &p->n_accounts, err));
    struct phi_view *groups = phi_arena_array(a, p->n_groups + 1, sizeof *groups);
    struct phi_view *accounts = phi_arena_array(a, p->n_accounts + 1, sizeof *accounts);
    if (!groups || !accounts)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < p->n_groups; i++)
        groups[i] = m[i].grp;
    for (size_t i = 0; i < p->n_accounts; i++)
        accounts[i] = acc[i].name;
    p->groups = groups;
    p->accounts = accounts;
    return PHI_OK;
}

static enum phi_rc person_out(struct phi_core *c, struct phi_arena *a, const struct core_person_row *row,
                              struct phi_person *ret, struct phi_err *err)
{
    *ret = (struct phi_person){ .id = row->id, .name = row->name };
    return names_of(c, a, row->id, ret, err);
}

enum phi_rc phi_person_get(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_person *ret,
                           struct phi_err *err)
{
    struct core_person_row row;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_person_find(c, a, person, &row, err));
    return person_out(c, a, &row, ret, err);
}

struct listing {
    struct phi_core *c;
    struct phi_arena *a;
    struct phi_person *out;
    size_t n;
};

static enum phi_rc listing_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct listing *l = ctx;
    *ret_taken = true;
    return person_out(l->c, l->a, row, &l->out[l->n++], err);
}

enum phi_rc phi_person_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_page *page,
                            struct phi_person **ret, size_t *ret_n, struct phi_err *err)
{
    struct listing l = { .c = c, .a = a, .out = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret) };
    struct core_walk w = { .table = CORE_PERSON, .ix = CORE_PERSON_BY_NAME, .rising = true, .n_parts = 1, .take = listing_take, .ctx = &l };
    PHI_TRY(core_need(c, by, PHI_RIGHT_SEE_PEOPLE, err));
    if (!l.out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret = l.out;
    *ret_n = l.n;
    return PHI_OK;
}

/* ---- changing */

static enum phi_rc join(struct phi_core *c, const struct phi_actor *by, struct phi_view group, struct phi_view person,
                        struct phi_err *err)
{
    if (!core_slug_ok(group))
        return phi_fail(err, PHI_EINPUT, "a group's name is 1 to 63 of a-z, 0-9, _ and -");
    struct core_member_row row = { group, person, core_wall(c) };
    enum phi_rc rc = core_add(c, CORE_MEMBER, &row, err);
    if (rc == PHI_ECONFLICT)
        return PHI_OK; /* is in it already */
    PHI_TRY(rc);
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_GROUP_MEMBER_ADDED, by);
    phi_entry_ref(&e, PHI_F_GROUP, phi_ref_of("Group", group));
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of_who(person));
    core_world_changed(c);
    core_snapshot_changed(c, (struct phi_view){ 0 });
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc account_add(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_view person,
                               struct phi_view *ret_salt, struct phi_err *err)
{
    if (!core_name_ok(name))
        return phi_fail(err, PHI_EINPUT, "a name is at most %d of a-z, 0-9 and . _ @ + -, a letter or digit first", PHI_MAX_NAME);
    *ret_salt = core_random(c, a, 16);
    struct core_account_row row = { name, person, *ret_salt };
    enum phi_rc rc = core_add(c, CORE_ACCOUNT, &row, err);
    if (rc == PHI_ECONFLICT)
        return core_no(c, "person.name-taken", err, rc, "this name is taken");
    return rc;
}

/* A person, or with an id of its own a service account. */
enum phi_rc core_person_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                             struct phi_view name, struct phi_person *ret, struct phi_err *err)
{
    struct core_person_row row = { .id = id, .name = name, .created_ms = core_wall(c) };
    PHI_TRY(account_add(c, a, name, row.id, &row.salt, err));
    PHI_TRY(core_add(c, CORE_PERSON, &row, err));
    struct phi_digest hash = core_salted(row.salt, name);
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_PERSON_ADDED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of_who(row.id));
    phi_entry_hash(&e, PHI_F_NAME_HASH, &hash);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    core_world_changed(c);
    return person_out(c, a, &row, ret, err);
}

static enum phi_rc person_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view name, const struct phi_view *groups, size_t n_groups,
                               struct phi_person *ret, struct phi_err *err)
{
    PHI_TRY(core_person_make(c, a, by, core_new_id(c, a), name, ret, err));
    for (size_t i = 0; i < n_groups; i++)
        PHI_TRY(join(c, by, groups[i], ret->id, err));
    return phi_person_get(c, a, ret->id, ret, err);
}

enum phi_rc phi_person_first(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_person *ret,
                             struct phi_err *err)
{
    struct core_person_row *rows;
    struct phi_view admin = PHI_LIT(PHI_GROUP_ADMIN);
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ .limit = 1 }, a, &rows, &n, err));
    if (n)
        return core_no(c, "person.not-first", err, PHI_ECONFLICT, "there is an administrator already; ask them for a link");
    return person_make(c, a, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM }, name, &admin, 1, ret, err);
}

enum phi_rc phi_person_add(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                           const struct phi_view *groups, size_t n_groups, struct phi_person *ret,
                           struct phi_err *err)
{
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    for (size_t i = 0; i < n_groups; i++)
        PHI_TRY(core_need_on(c, by, PHI_RIGHT_GROUPS, groups[i], err));
    return person_make(c, a, by, name, groups, n_groups, ret, err);
}

enum phi_rc phi_group_add_member(struct phi_core *c, const struct phi_actor *by, struct phi_view group,
                                 struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_person_row row;
    PHI_TRY(core_need_on(c, by, PHI_RIGHT_GROUPS, group, err));
    PHI_TRY(core_person_find(c, &a, person, &row, err));
    return join(c, by, group, row.id, err);
}

enum phi_rc phi_group_del_member(struct phi_core *c, const struct phi_actor *by, struct phi_view group,
                                 struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_person_row row;
    struct phi_entry e;
    PHI_TRY(core_need_on(c, by, PHI_RIGHT_GROUPS, group, err));
    PHI_TRY(core_person_find(c, &a, person, &row, err));
    struct core_member_row key = { .grp = group, .person = row.id };
    enum phi_rc rc = core_del(c, CORE_MEMBER, &key, err);
    if (rc == PHI_ENOTFOUND)
        return core_no(c, "group.not-member", err, rc, "this person is not in that group");
    PHI_TRY(rc);
    core_entry(c, &e, PHI_EV_GROUP_MEMBER_REMOVED, by);
    phi_entry_ref(&e, PHI_F_GROUP, phi_ref_of("Group", group));
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of_who(row.id));
    core_world_changed(c);
    core_snapshot_changed(c, (struct phi_view){ 0 });
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    return core_rights_check(c, err);
}

/* Whoever was linked to `from` is linked to `to` now: so links stay one step long. */
static enum phi_rc move_links(struct phi_core *c, struct phi_arena *a, struct phi_view from, struct phi_view to,
                              struct phi_err *err)
{
    struct core_person_row row, key = { 0 };
    struct phi_view *ids;
    size_t n;
    PHI_TRY(core_accounts(c, a, from, &ids, &n, err));
    for (size_t i = 0; i < n; i++) {
        key.id = ids[i];
        PHI_TRY(core_get(c, CORE_PERSON, CORE_BY_KEY, &key, a, &row, err));
        row.same_as = to;
        PHI_TRY(core_set(c, CORE_PERSON, &row, err));
    }
    return PHI_OK;
}

enum phi_rc phi_account_link(struct phi_core *c, const struct phi_actor *by, struct phi_view name,
                             struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_person_row row, other;
    struct phi_view salt;
    bool moved = false;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_person_find(c, &a, person, &row, err));
    struct phi_view root = core_root(c, &a, row.id);
    if (core_person_find(c, &a, name, &other, NULL) == PHI_OK) {
        struct phi_view theirs = core_root(c, &a, other.id);
        salt = other.salt;
        if (phi_view_eq(theirs, root))
            return PHI_OK;
        PHI_TRY(move_links(c, &a, theirs, root, err));
        moved = true;
    } else {
        PHI_TRY(account_add(c, &a, name, root, &salt, err));
    }
    struct phi_digest hash = core_salted(salt, name);
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_ACCOUNT_LINKED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", root));
    phi_entry_hash(&e, PHI_F_ACCOUNT_HASH, &hash);
    core_world_changed(c);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    return moved ? core_grants_linked(c, root, err) : PHI_OK;
}
