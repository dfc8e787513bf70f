/* What core's files share among themselves; no other room includes this. */
#ifndef CORE_INNER_H
#define CORE_INNER_H

#include "base/limits.h"
#include "core/core.h"
#include "core/judge.h"
#include "core/known.h"
#include "core/rights.h"
#include "core/rows.h"
#include "proof/events.h"
#include "proof/tree.h"

#define CORE_OWN_ACTION "phi::" /* how an action of phi's own namespace is written in a body */
#define CORE_TICK_MS 10000   /* the anchor is committed at least this often */

struct phi_person;
struct await; /* await.c */
struct phi_claim_ask;

/* A boot before this one whose rights go on: what stood at t on its steady clock stands at t + shift on today's. */
struct core_boot {
    int64_t boot, shift;
};
#define CORE_MAX_BOOTS 64 /* rights of boots before these have ended */

struct phi_core {
    struct phi_store *store;
    const struct phi_clock *clock;
    const struct phi_rng *rng;
    const struct phi_signer *signer;
    const struct phi_notifier *notifier;
    const struct phi_changer *changer; /* NULL: changes of phi itself cannot be approved */
    struct {                           /* while an approved change is made: whose, and what was met for exactly it */
        struct phi_view person;
        const struct phi_view *met;
        size_t n_met;
    } making;
    char *origin;

    bool in_batch;
    const char *why; /* stable error code of the last failure */

    /* The head row, as of now in this transaction. Texts of it live in `state_arena`. */
    struct core_state_row st;
    struct phi_tree tree;
    bool st_dirty;
    struct core_boot boots[CORE_MAX_BOOTS]; /* of the head row */
    size_t n_boots;

    struct phi_bundle *bundle; /* of bundle_loaded */
    int64_t bundle_loaded;
    struct phi_view bundle_hash; /* hex, into bundle_hex */
    char bundle_hex[PHI_HEX_LEN + 1];
    struct phi_entities *world; /* people, groups, targets of world_loaded */
    int64_t world_loaded;
    struct phi_world *ready; /* that world, prepared for that bundle; NULL: is to be made */
    struct phi_scratch *scratch;
    const struct phi_places *places;
    const struct phi_network *networks;
    size_t n_networks;
    struct core_facts_row *facts; /* of facts_loaded; in facts_arena */
    size_t n_facts;
    int64_t facts_loaded;
    struct phi_arena facts_arena;
    int64_t on_call_loaded;    /* world of which the next two are */
    bool has_on_call;
    struct core_due on_call_next; /* the first end of those on call */
    bool says_ticket;          /* it, or a requirement, rests on what a tracker says */
    bool says_risk, says_text; /* the live policy speaks of context.risk; it, or a requirement, of the ticket or the justification */

    bool outbox_begun; /* messages were taken by this phid */

    struct phi_arena said_arena; /* events of this batch */
    struct { /* await.c */
        struct await *first, **last;
        size_t n, bytes;
    } awaits;
    struct phi_judge *judge; /* of the state it says; NULL: none was asked for */
    struct phi_event *said;
    size_t n_said;
};

/* ---- errors and checks */
#define core_no(c, code, err, rc, ...) ((c)->why = (code), phi_fail(err, rc, __VA_ARGS__))
enum phi_rc core_batched(struct phi_core *c, struct phi_err *err); /* a verb outside a batch: PHI_EIO */
/* core.c: one command, in a savepoint of its own; what it answers is in it. An error is the store's. */
enum phi_rc core_run_one(struct phi_core *c, struct phi_core_cmd *cmd, struct phi_err *err);
/* await.c: after the commands of a batch: the grants that came to be are claimed by those who wait for them. */
enum phi_rc core_await_run(struct phi_core *c, struct phi_err *err);
void core_await_close(struct phi_core *c);
/* claim.c: by a gateway, with a key and actions of the right size. */
enum phi_rc core_claim_shape(struct phi_core *c, const struct phi_actor *gateway, const struct phi_claim_ask *ask, struct phi_err *err);
/* rights.c: the live bundle's word on phi's own rights; PHI_EDENIED right.missing or right.needs-approval */
enum phi_rc core_need(struct phi_core *c, const struct phi_actor *by, enum phi_right r, struct phi_err *err);
enum phi_rc core_need_on(struct phi_core *c, const struct phi_actor *by, enum phi_right r, struct phi_view resource,
                         struct phi_err *err);
bool core_has(struct phi_core *c, const struct phi_actor *by, enum phi_right r);
bool core_has_passkey(struct phi_core *c, struct phi_view person); /* recovery.c; true too where that is not known */
/* PHI_EINPUT bundle.rights: the schema lacks an action of phi's own. */
enum phi_rc core_rights_known(struct phi_core *c, const struct phi_bundle *b, struct phi_err *err);
/* PHI_ECONFLICT rights.lockout: with what is live now nobody could change people, groups or policy, ever. */
enum phi_rc core_rights_check(struct phi_core *c, struct phi_err *err);
struct phi_ref core_actor_ref(const struct phi_actor *by);
bool core_name_ok(struct phi_view v); /* a-z, 0-9 and . _ @ + -, at most PHI_MAX_NAME, a letter or digit first */
bool core_slug_ok(struct phi_view v); /* [a-z0-9_-], 1 to 63 */

/* ---- store, short */
enum phi_rc core_add(struct phi_core *c, enum core_table t, const void *row, struct phi_err *err);
enum phi_rc core_set(struct phi_core *c, enum core_table t, const void *row, struct phi_err *err);
enum phi_rc core_del(struct phi_core *c, enum core_table t, const void *key, struct phi_err *err);
enum phi_rc core_get(struct phi_core *c, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                     struct phi_err *err);
enum phi_rc core_list(struct phi_core *c, enum core_table t, int ix, const void *key, struct core_span span,
                      struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err);

/* ---- time */
int64_t core_wall(struct phi_core *c);
struct core_due core_due_in(struct phi_core *c, int64_t ms);
int64_t core_left(struct phi_core *c, const struct core_due *due); /* never negative; 0: ended */
bool core_may_last(struct phi_core *c, const struct core_due *due); /* by the steady clock alone: somebody else may count by theirs */
enum phi_rc core_time_settle(struct phi_core *c, struct phi_err *err); /* at opening */
enum phi_rc core_boots_read(struct phi_core *c, struct phi_err *err);  /* with the head row */
/* In a new boot: what is left of it, counted anew; false when it has ended. */
bool core_reanchor(struct phi_core *c, struct core_due *due);

/* ---- random things, through the port */
struct phi_view core_new_id(struct phi_core *c, struct phi_arena *a);
struct phi_view core_random(struct phi_core *c, struct phi_arena *a, size_t n);
void core_new_token(struct phi_core *c, char ret[PHI_TOKEN_LEN + 1]);
struct phi_digest core_secret_hash(struct phi_view secret);
struct phi_digest core_salted(struct phi_view salt, struct phi_view text);
struct phi_view core_hex(struct phi_arena *a, const struct phi_digest *d);
struct phi_view core_bytes(struct phi_arena *a, const struct phi_digest *d);
struct phi_digest core_unhex(struct phi_view hex); /* all zero when it is none */

/* ---- log; the index of an entry in a row is that of its leaf row: it goes on over a restore */
void core_entry(struct phi_core *c, struct phi_entry *e, enum phi_ev ev, const struct phi_actor *by);
enum phi_rc core_leaf(struct phi_core *c, struct phi_entry *e, int64_t *ret_index, struct phi_digest *ret_hash,
                      struct phi_err *err);
/* Sets the row's hash as the entry's state, appends it and keeps index and hash in the row. */
enum phi_rc core_leaf_of(struct phi_core *c, struct phi_arena *a, struct phi_entry *e, enum core_table t, void *row,
                         int64_t *row_leaf, struct phi_view *row_leaf_hash, struct phi_err *err);
/* The row is what its last leaf says: else PHI_ECORRUPT. */
enum phi_rc core_row_check(struct phi_core *c, enum core_table t, const void *row, int64_t leaf,
                           struct phi_view leaf_hash, struct phi_err *err);

/* ---- events out */
void core_say(struct phi_core *c, const struct phi_event *event); /* copied; seq is set */
int64_t core_next_seq(struct phi_core *c);
void core_snapshot_changed(struct phi_core *c, struct phi_view target);
void core_world_changed(struct phi_core *c);

/* ---- forget.c: goes on reading the log for what a forgotten person wrote about others' requests */
#define CORE_TIMER_FORGET "forget"
#define CORE_TEXT_VOID "void" /* the reason of a vote that an edit voided; its owner is the vote's nonce */
enum phi_rc core_forget_more(struct phi_core *c, const struct core_timer_row *t, struct phi_err *err);

/* ---- people */
#define CORE_PARTY_MAKER "maker" /* of a request: who had a token of the service that asks */
int64_t core_strong_age(struct phi_core *c, struct phi_view person); /* ms since a second factor was shown; -1: never */
enum phi_rc core_person_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                             struct phi_view name, struct phi_person *ret, struct phi_err *err);
/* Those (roots) who made a live token of this service; none for a person. */
enum phi_rc core_token_makers(struct phi_core *c, struct phi_arena *a, struct phi_view service, const struct phi_view **ret,
                              size_t *ret_n, struct phi_err *err);
bool core_speaks_as(struct phi_core *c, struct phi_view root, struct phi_view service);
enum phi_rc core_token_settle(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err);
/* cause NULL: its person ended it. */
enum phi_rc core_session_over(struct phi_core *c, const struct phi_actor *by, const struct core_session_row *row, const char *cause,
                              struct phi_err *err);
/* Sessions and credentials: the one of this id, or with "" all but the session `keep`. */
enum phi_rc core_ways_in_over(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id, struct phi_view keep,
                              int64_t *ret_n, struct phi_err *err);
enum phi_rc core_ways_in_end(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_err *err);
enum phi_rc core_token_end(struct phi_core *c, const struct phi_actor *by, const struct core_token_row *row, const char *cause, struct phi_err *err);
enum phi_rc core_person_find(struct phi_core *c, struct phi_arena *a, struct phi_view name_or_id,
                             struct core_person_row *ret, struct phi_err *err);
struct phi_view core_root(struct phi_core *c, struct phi_arena *a, struct phi_view person); /* who they are */
struct phi_view core_person_name(struct phi_core *c, struct phi_arena *a, struct phi_view person);
/* Under which ids they go: `root`, and whoever is linked to it. */
enum phi_rc core_accounts(struct phi_core *c, struct phi_arena *a, struct phi_view root, struct phi_view **ret, size_t *ret_n,
                          struct phi_err *err);
bool core_same_person(struct phi_core *c, struct phi_view a, struct phi_view b);
enum phi_rc core_text_put(struct phi_core *c, struct phi_view owner, const char *kind, struct phi_view salt,
                          struct phi_view text, struct phi_err *err);
struct phi_view core_text_get(struct phi_core *c, struct phi_arena *a, struct phi_view owner, const char *kind);

/* Live delegations of this person (a root), rows held against their leaves. */
enum phi_rc core_delegations_of(struct phi_core *c, struct phi_arena *a, struct phi_view giver,
                                struct core_delegation_row **ret, size_t *ret_n, struct phi_err *err);
enum phi_rc core_delegation_over(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                 struct core_delegation_row *row, const char *cause, struct phi_err *err);
enum phi_rc core_delegation_settle(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err);

/* Accounts became one person: grants of theirs that rested on their own vote end (revoke.c). */
enum phi_rc core_grants_linked(struct phi_core *c, struct phi_view root, struct phi_err *err);

/* ---- world and bundle */
enum phi_rc core_bundle_load(struct phi_core *c, struct phi_err *err); /* c->bundle is live or PHI_ENOTFOUND */
enum phi_rc core_world(struct phi_core *c, const struct phi_entities **ret, struct phi_err *err);
void core_ready_drop(struct phi_core *c); /* prepare.c: the bundle or the world is another now */
enum phi_rc core_gateway_targets(struct phi_core *c, struct phi_arena *a, struct phi_view gateway,
                                 const struct phi_view **ret, size_t *ret_n, struct phi_err *err);
enum phi_rc core_gateway_renew(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view version, struct core_gateway_row *ret, struct phi_err *err);
enum phi_rc core_end_make(struct phi_core *c, const struct core_grant_row *g, const char *reason, int64_t *ret_seq,
                          struct phi_err *err);
enum phi_rc core_acks(struct phi_core *c, struct phi_arena *a, struct phi_view grant, const struct phi_view **done,
                      size_t *n_done, const struct phi_view **waiting, size_t *n_waiting, struct phi_err *err);
bool core_gateway_leased(struct phi_core *c, struct phi_view gateway); /* it may claim */
/* By its own clock its lease may still hold: what it does is not over for being out of reach. A wall clock that is set forward here
 * ends claims at once, and no lease there. */
bool core_gateway_may_work(struct phi_core *c, struct phi_view gateway);
bool core_gateway_removed(const struct core_gateway_row *row); /* taken away; its row stays for what it has done */
bool core_gateway_serves(struct phi_core *c, struct phi_view gateway, struct phi_view target);
enum phi_rc core_credential_end(struct phi_core *c, const struct phi_actor *by, const struct core_credential_row *row,
                                const char *cause, struct phi_err *err);
/* Theirs: the one of this id and those that were issued to the session or token of this id, or with "" all; `n` counts on. */
enum phi_rc core_credentials_over(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id,
                                  const char *cause, int64_t *n, struct phi_err *err);
/* Of whom a live credential was issued to; "": not known. In the arena. */
struct phi_view core_credential_device(struct phi_core *c, struct phi_arena *a, struct phi_view id);
enum phi_rc core_credential_live(struct phi_core *c, struct phi_view id, struct phi_view person,
                                 struct phi_view target, struct phi_err *err);

#endif
