/* People, the accounts that link to one person, and groups. Names are unique over all accounts. */
#ifndef CORE_PERSON_H
#define CORE_PERSON_H

#include "core/page.h"
#include "core/types.h"

#define PHI_GROUP_ADMIN "admin" /* the first person is in it; the starter policy lets it run phi */

struct phi_person {
    struct phi_view id, name;
    const struct phi_view *groups; /* sorted */
    size_t n_groups;
    const struct phi_view *accounts; /* every name that links to this person, the first one included */
    size_t n_accounts;
};

/* The first person, in group admin; PHI_ECONFLICT when there is already somebody. */
enum phi_rc phi_person_first(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_person *ret,
                             struct phi_err *err);
/* These need a right of core/rights.h (or SYSTEM). Unknown groups come to be. PHI_ECONFLICT: the name is taken. */
enum phi_rc phi_person_add(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                           const struct phi_view *groups, size_t n_groups, struct phi_person *ret,
                           struct phi_err *err);
enum phi_rc phi_person_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_page *page,
                            struct phi_person **ret, size_t *ret_n, struct phi_err *err);
/* `person` is a name (of any account) or an id. */
enum phi_rc phi_group_add_member(struct phi_core *c, const struct phi_actor *by, struct phi_view group,
                                 struct phi_view person, struct phi_err *err);
enum phi_rc phi_group_del_member(struct phi_core *c, const struct phi_actor *by, struct phi_view group,
                                 struct phi_view person, struct phi_err *err);
/* Links the account name `name` to `person`. Where `name` is a person of their own they become one for
 * every quorum: their votes never count on each other's requests, and count once together. */
enum phi_rc phi_account_link(struct phi_core *c, const struct phi_actor *by, struct phi_view name,
                             struct phi_view person, struct phi_err *err);
/* By id or any account name; needs no right (for sign-in and rendering). PHI_ENOTFOUND. */
enum phi_rc phi_person_get(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_person *ret,
                           struct phi_err *err);

#endif
