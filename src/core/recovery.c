#include "core/recovery.h"

#include "core/inner.h"

#define KIND "recovery"
#define MOST 1000

static enum phi_rc passkeys_of(struct phi_core *c, struct phi_arena *a, struct phi_view person,
                               struct core_passkey_row **ret, size_t *n, struct phi_err *err)
{
    struct core_passkey_row key = { .person = person };
    return core_list(c, CORE_PASSKEY, CORE_PASSKEY_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, a, ret, n, err);
}

bool core_has_passkey(struct phi_core *c, struct phi_view person)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_passkey_row *rows;
    size_t n = 0;
    return passkeys_of(c, &a, person, &rows, &n, NULL) != PHI_OK || n > 0;
}

static struct phi_recovery out(struct phi_core *c, struct phi_arena *a, const struct core_login_row *row)
{
    return (struct phi_recovery){ .id = row->data,
                                  .person = row->code,
                                  .person_name = core_person_name(c, a, row->code),
                                  .asker_name = core_person_name(c, a, row->person),
                                  .expires_in_ms = core_left(c, &row->due) };
}

enum phi_rc phi_recovery_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                             struct phi_recovery *ret, struct phi_err *err)
{
    struct core_person_row who;
    struct phi_entry e;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_person_find(c, a, person, &who, err));
    if (by->kind != PHI_ACTOR_PERSON || core_same_person(c, by->id, who.id))
        return core_no(c, "recovery.self", err, PHI_EDENIED, "nobody recovers their own account");
    if (!core_has_passkey(c, who.id))
        return core_no(c, "recovery.none", err, PHI_ECONFLICT, "this person has no passkey; a sign-in link will do");
    struct phi_view id = core_new_id(c, a);
    struct phi_digest hash = phi_sha256(id);
    struct core_login_row row = { .hash = core_bytes(a, &hash), .kind = PHI_LIT(KIND), .code = who.id, .person = by->id,
                                  .data = id, .due = core_due_in(c, PHI_RECOVERY_MS) };
    PHI_TRY(core_add(c, CORE_LOGIN, &row, err));
    core_entry(c, &e, PHI_EV_RECOVERY_ASKED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", who.id));
    phi_entry_str(&e, PHI_F_LINK, id);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    *ret = out(c, a, &row);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_recovery_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct phi_recovery **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_login_row *rows, key = { .kind = PHI_LIT(KIND) };
    size_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_list(c, CORE_LOGIN, CORE_LOGIN_BY_CODE, &key, (struct core_span){ .prefix = 1, .limit = MOST }, a, &rows,
                      &n, err));
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    *ret_n = 0;
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) > 0)
            (*ret)[(*ret_n)++] = out(c, a, &rows[i]);
    return PHI_OK;
}

/* The old keys are over, and who came in by them with them. */
static enum phi_rc void_keys(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                             struct phi_err *err)
{
    struct core_passkey_row *rows;
    size_t n;
    int64_t ended;
    PHI_TRY(passkeys_of(c, a, person, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_passkey_use_row use = { .uid = rows[i].uid };
        struct phi_entry e;
        PHI_TRY(core_del(c, CORE_PASSKEY, &rows[i], err));
        PHI_TRY(core_del(c, CORE_PASSKEY_USE, &use, err));
        core_entry(c, &e, PHI_EV_PASSKEY_REMOVED, by);
        phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", person));
        phi_entry_str(&e, PHI_F_CREDENTIAL, rows[i].uid);
        phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("recovered"));
        PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    }
    return core_ways_in_over(c, by, person, (struct phi_view){ 0 }, (struct phi_view){ 0 }, &ended, err);
}

enum phi_rc phi_recovery_approve(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                                 struct phi_link *ret, struct phi_err *err)
{
    struct phi_digest hash = phi_sha256(id);
    struct core_login_row row, key = { .hash = phi_digest_view(&hash) };
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    if (core_get(c, CORE_LOGIN, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || !phi_view_is(row.kind, KIND) ||
        core_left(c, &row.due) <= 0)
        return core_no(c, "recovery.unknown", err, PHI_ENOTFOUND, "nobody asked for this recovery, or it is over");
    if (by->kind != PHI_ACTOR_PERSON || core_same_person(c, by->id, row.person) || core_same_person(c, by->id, row.code))
        return core_no(c, "recovery.self", err, PHI_EDENIED,
                       "somebody else must confirm this: neither who asked for it nor whom it is for");
    PHI_TRY(core_del(c, CORE_LOGIN, &row, err));
    PHI_TRY(void_keys(c, a, by, row.code, err));
    return phi_link_make(c, by, row.code, ret, err);
}
