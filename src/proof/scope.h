/* What lies inside what: a resource in a resource, an action in an action group, a scope in a scope.
 *
 * Resources: Column → Table → Schema → Target by prefix of the array id; a Function lies in its
 * schema. Any other entity lies only in itself. Actions: equal, or `inner` is a member of the group
 * `outer` by the caller's table (from the bundle's schema, transitively). */
#ifndef PROOF_SCOPE_H
#define PROOF_SCOPE_H

#include "proof/body.h"

struct phi_action_rules {
    /* true when the action `inner` is a member, at any depth, of the group `outer`. Equality is
     * checked before. NULL: no groups. */
    bool (*member)(void *ctx, struct phi_view inner, struct phi_view outer);
    void *ctx;
};

bool phi_ref_within(struct phi_ref inner, struct phi_ref outer);
bool phi_action_within(const struct phi_action_rules *rules, struct phi_view inner, struct phi_view outer);

bool phi_scope_covers(const struct phi_action_rules *rules, const struct phi_scope *s,
                      struct phi_view action, struct phi_ref resource);
/* Every (action, resource) of `inner` is covered by `outer`. An empty inner scope is within nothing:
 * it would be a right without content. */
bool phi_scope_within(const struct phi_action_rules *rules, const struct phi_scope *inner,
                      const struct phi_scope *outer);

/* The resources that lie in both lists, sorted, in the arena; *n == 0 when they have none in common. */
enum phi_rc phi_refs_meet(struct phi_arena *a, const struct phi_ref *x, size_t nx, const struct phi_ref *y,
                          size_t ny, const struct phi_ref **ret, size_t *n, struct phi_err *err);

#endif
