/* Who is on call: lists of persons, each until a time, set by whoever has the right "on-call" (a scheduler's token, say). Who is in
 * the list "db" is in Group::"on-call:db" as long as that lasts, so that policies, approver sets and fallbacks may name it, and
 * has context.on_call. It ends by itself: before any command that comes after its end. */
#ifndef CORE_ONCALL_H
#define CORE_ONCALL_H

#include "core/core.h"

#define PHI_ON_CALL_GROUP "on-call:" /* no other group's name has a colon */

struct phi_on_call {
    struct phi_view list, person, name; /* person: id */
    int64_t remaining_ms;
};

/* These persons (names or ids) and nobody else are in the list, for so long. PHI_ENOTFOUND person.unknown; PHI_ELIMIT on-call.quota. */
enum phi_rc phi_on_call_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list,
                            const struct phi_view *people, size_t n, int64_t for_ms, struct phi_err *err);
/* Nobody is in it any more. PHI_ENOTFOUND on-call.unknown. */
enum phi_rc phi_on_call_end(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list, struct phi_err *err);
/* All lists; `list`: that one, "" all. */
enum phi_rc phi_on_call_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view list,
                             struct phi_on_call **ret, size_t *ret_n, struct phi_err *err);

/* ---- among core's files */
bool core_on_call(struct phi_core *c, struct phi_view person); /* in any list, now */
enum phi_rc core_on_call_expire(struct phi_core *c, struct phi_err *err); /* before a batch's commands */
int64_t core_on_call_next(struct phi_core *c); /* ms until the first of them ends; INT64_MAX: none */
enum phi_rc core_on_call_over(struct phi_core *c, const struct phi_actor *by, void *row, const char *cause, struct phi_err *err);
enum phi_rc core_on_call_forget(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_err *err);
enum phi_rc core_on_call_settle(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err);

#endif
