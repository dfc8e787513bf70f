/* A small organisation over the real core, for tests and the simulator: a clock, randomness and a store
 * that a test holds in its hand. alice is a developer; bob, carol and dora are DBAs; mallory is neither;
 * root is the administrator. Gateways gw1 and gw2 serve the target shop. */
#ifndef TEST_SIM_KIT_H
#define TEST_SIM_KIT_H

#include "core/await.h"
#include "core/core.h"
#include "core/decide.h"
#include "core/delegation.h"
#include "core/gateway.h"
#include "core/grant.h"
#include "core/invariant.h"
#include "core/log.h"
#include "core/oncall.h"
#include "core/person.h"
#include "core/request.h"
#include "core/session.h"
#include "core/target.h"
#include "core/ticket.h"

enum kit_who { KIT_ROOT, KIT_ALICE, KIT_BOB, KIT_CAROL, KIT_DORA, KIT_MALLORY, KIT_PEOPLE,
               KIT_CI = KIT_PEOPLE /* a service, where kit_service has made it */ };

struct kit {
    struct phi_store *store; /* borrowed */
    struct phi_core *core;
    struct phi_core *other; /* of a second phid over the same store; NULL: there is none */
    struct phi_arena a; /* answers live here until kit_forget */
    struct phi_clock clock;
    struct phi_rng rng;
    struct phi_notifier notifier;
    int64_t wall, boot;
    char boot_id[40];
    uint64_t seed;
    struct phi_view person[KIT_PEOPLE + 1], credential[KIT_PEOPLE + 1];
    struct phi_err err; /* of the last call */
    const char *why;
    size_t events;
    int64_t last_end;
    int64_t rows; /* that the next outcomes report */
    char told[32]; /* what the last told event was about, "" none yet */
    const char *context; /* JSON that gateways see with attempts and claims; NULL: nothing */
    const char *session; /* that the next claims are for; NULL: s1 */
    const struct phi_network *networks; /* for the next opening */
    size_t n_networks;
    struct phi_arena keep;
};

void kit_open(struct kit *k, struct phi_store *store, uint64_t seed); /* exits the process when it cannot */
/* The same organisation over a store that was copied from the first one's. `from` must outlive it. */
void kit_copy(struct kit *k, const struct kit *from, struct phi_store *store, uint64_t seed);
enum phi_rc kit_reopen(struct kit *k);                                /* core anew over the same store */
enum phi_rc kit_second(struct kit *k);                                /* a second phid over the same store, with the same clock */
void kit_turn(struct kit *k);                                         /* calls go to the other phid from now on */
enum phi_rc kit_service(struct kit *k);                               /* ci, a developer */
enum phi_rc kit_token(struct kit *k);                                 /* root gets one, and may speak as ci for an hour */
void kit_close(struct kit *k);
void kit_forget(struct kit *k);
uint64_t kit_random(struct kit *k);
void kit_pass(struct kit *k, int64_t ms); /* both clocks go on */

const char *kit_name(enum kit_who who);
struct phi_actor kit_actor(const struct kit *k, enum kit_who who);
struct phi_actor kit_gateway(int i); /* 1 or 2 */

/* Each is one command in one batch. Errors are in k->err and k->why. */
enum phi_rc kit_ask(struct kit *k, int gw, enum kit_who who, const char *sql, const char *action, const char *session,
                    struct phi_request_answer *ret);
enum phi_rc kit_scope(struct kit *k, enum kit_who who, const char *action, const char *resource, int64_t for_ms,
                      int64_t uses, struct phi_request_answer *ret);
enum phi_rc kit_edit(struct kit *k, enum kit_who who, struct phi_view id, int64_t for_ms, struct phi_request *ret);
enum phi_rc kit_refile(struct kit *k, enum kit_who who, struct phi_view id, const struct phi_request_ask *ask, struct phi_request *ret);
enum phi_rc kit_vote(struct kit *k, enum kit_who who, const struct phi_request *seen, bool approve, int64_t for_ms,
                     struct phi_request *ret);
/* A passkey of theirs, the n-th; a vote that it signs. */
enum phi_rc kit_key_add(struct kit *k, enum kit_who who, int n);
enum phi_rc kit_key_remove(struct kit *k, enum kit_who who, int n);
enum phi_rc kit_vote_signed(struct kit *k, enum kit_who who, const struct phi_request *seen, bool approve, int64_t for_ms, int n,
                            struct phi_request *ret);
/* An ask for pg:write on this, for ten minutes, to be changed and made. */
struct phi_request_ask kit_scope_of(struct kit *k, const char *resource);
enum phi_rc kit_make(struct kit *k, enum kit_who who, const struct phi_request_ask *ask, struct phi_request_answer *ret);
enum phi_rc kit_credentials(struct kit *k); /* new ones for everybody, after the old ones ended */
enum phi_rc kit_review(struct kit *k, enum kit_who who, struct phi_view which, struct phi_grant_view *ret);
enum phi_rc kit_revoke_many(struct kit *k, enum kit_who who, const struct phi_revoke_filter *f, struct phi_revoked_many *ret);
enum phi_rc kit_delegate(struct kit *k, enum kit_who who, enum kit_who taker, int64_t for_ms, struct phi_delegation *ret);
enum phi_rc kit_delegate_end(struct kit *k, enum kit_who who, struct phi_view id);
enum phi_rc kit_remark(struct kit *k, enum kit_who who, struct phi_view which, bool question, struct phi_request *ret);
enum phi_rc kit_watch(struct kit *k, enum kit_who who, struct phi_view which, enum kit_who watcher, struct phi_request *ret);
enum phi_rc kit_narrow(struct kit *k, enum kit_who who, const struct phi_request *seen, const struct phi_narrowing *n,
                       struct phi_request *ret);
enum phi_rc kit_starter(struct kit *k, const char *name, struct phi_view *ret, struct phi_err *err); /* a file of the starter */
/* The starter's schema and policies with more policies behind them, and these requirements, go live. */
enum phi_rc kit_bundle(struct kit *k, const char *policies, const char *requirements);
bool kit_log_has(struct kit *k, const char *text); /* some entry holds this text */
enum phi_rc kit_get(struct kit *k, enum kit_who who, struct phi_view which, struct phi_request *ret);
enum phi_rc kit_list(struct kit *k, enum kit_who who, enum phi_box box, struct phi_request **ret, size_t *n);
enum phi_rc kit_cancel(struct kit *k, enum kit_who who, struct phi_view id);
enum phi_rc kit_leave(struct kit *k, int gw, struct phi_view id, const char *session);
enum phi_rc kit_claim(struct kit *k, int gw, enum kit_who who, struct phi_view grant, struct phi_view act,
                      const char *action, const char *key, struct phi_claim *ret);
/* Filed beforehand; and withdrawn. */
enum phi_rc kit_await(struct kit *k, int gw, enum kit_who who, struct phi_view request, struct phi_view act, const char *action,
                      const char *key, bool *ret_kept);
enum phi_rc kit_stream(struct kit *k, int gw); /* its stream of events begins anew */
enum phi_rc kit_withdraw(struct kit *k, int gw, struct phi_view request, const char *key);
/* Whether a claim under this key, of a grant of this request, has no outcome yet. */
enum phi_rc kit_claim_open(struct kit *k, struct phi_view request, const char *key, bool *ret);
enum phi_rc kit_outcome(struct kit *k, int gw, struct phi_view claim, enum phi_outcome outcome);
enum phi_rc kit_grant(struct kit *k, struct phi_view which, struct phi_grant_view *ret);
enum phi_rc kit_revoke(struct kit *k, enum kit_who who, struct phi_view which, struct phi_revoked *ret);
enum phi_rc kit_return(struct kit *k, enum kit_who who, struct phi_view which);
enum phi_rc kit_ack(struct kit *k, int gw, int64_t seq);
enum phi_rc kit_lease(struct kit *k, int gw);
enum phi_rc kit_lease_for(struct kit *k, int gw, int64_t *ret_ms);
enum phi_rc kit_ends(struct kit *k, int gw, struct phi_end **ret, size_t *n); /* that it has not confirmed */
enum phi_rc kit_facts(struct kit *k, const char *label, const char *environment, const char *tag); /* tag: may be NULL */
enum phi_rc kit_on_call(struct kit *k, enum kit_who who, const char *list, enum kit_who person, int64_t for_ms); /* 0: end the list */
/* What the tracker says of the request's ticket, asked now; and whether it is to be asked before bob votes on it. */
enum phi_rc kit_ticket(struct kit *k, struct phi_view request, const struct phi_ticket_facts *f);
enum phi_rc kit_ticket_due(struct kit *k, struct phi_view request, struct phi_ticket_due *ret);
enum phi_rc kit_profile(struct kit *k, enum kit_who who, const struct phi_profile *p);
enum phi_rc kit_profile_get(struct kit *k, enum kit_who who, struct phi_profile *ret);
enum phi_rc kit_forget_person(struct kit *k, enum kit_who who, int64_t *ret_left); /* entries of the log still to be read */
enum phi_rc kit_person(struct kit *k, const char *name); /* a new one, in no group */
enum phi_rc kit_group(struct kit *k, enum kit_who who, const char *group, bool add);
enum phi_rc kit_link(struct kit *k, enum kit_who account, enum kit_who person);
enum phi_rc kit_tick(struct kit *k, int64_t *ret_next);
enum phi_rc kit_invariants(struct kit *k, struct core_held *held); /* held NULL: the whole log */

#endif
