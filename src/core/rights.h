/* phi's own rights: each is an action of the policy's namespace `phi`, on the target "phi" (which no real
 * target may be called) or, for "groups", on the group. Persons have what the live bundle permits them;
 * a right that the policy binds to a requirement is had once a request for exactly that change is approved. */
#ifndef CORE_RIGHTS_H
#define CORE_RIGHTS_H

#include "core/types.h"

/*  X(NAME, action, what it lets people do) */
#define PHI_RIGHTS(X)                                                                                      \
    X(SEE, "see", "sees targets, the live policy, and the requests and grants that concern them")          \
    X(ASK, "ask", "asks for approval, and connects to targets")                                            \
    X(VOTE, "vote", "votes where a requirement and `phi::Action::\"approve\"` let them; reviews; delegates") \
    X(SEE_ALL, "see-all", "sees everybody's requests and grants")                                          \
    X(READ_LOG, "read-log", "reads the entries of the log")                                                \
    X(SEE_PEOPLE, "see-people", "lists people and gateways")                                               \
    X(PEOPLE, "people", "adds and erases people, links accounts, makes sign-in links")                     \
    X(GROUPS, "groups", "changes who is in a group (the resource is the group)")                           \
    X(TARGETS, "targets", "changes targets and gateways")                                                  \
    X(REVOKE, "revoke", "ends other people's grants, delegations and credentials")                         \
    X(OPERATE, "operate", "runs phid: channels, keys, backups")                                            \
    X(POLICY, "policy", "makes a policy live")                                                              \
    X(ON_CALL, "on-call", "says who is on call")
#define X(name, action, text) PHI_RIGHT_##name,
enum phi_right { PHI_RIGHTS(X) PHI_RIGHTS_N };
#undef X

#define PHI_OWN_TARGET "phi" /* phi itself, where a target is named */

const char *phi_right_action(enum phi_right r); /* "see-all" */
const char *phi_right_text(enum phi_right r);

/* What the policy says now of this right of a signed-in person: PHI_ALLOW, PHI_NEEDS (an approved request)
 * or PHI_DENY with a sentence in *reason. `resource`: the group's name for PHI_RIGHT_GROUPS, else "". */
enum phi_rc phi_right_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_right r,
                          struct phi_view resource, enum phi_verdict *ret, struct phi_view *reason,
                          struct phi_err *err);

/* Whether one person alone, without anybody's approval, could use it now: *ret[r]. Looked at for people, groups and policy, with which one
 * becomes anybody; at most so many people are asked about (PHI_ALONE_LOOKS). For who has the right "see-people". */
enum phi_rc phi_rights_alone(struct phi_core *c, const struct phi_actor *by, bool ret[PHI_RIGHTS_N], struct phi_err *err);

#endif
