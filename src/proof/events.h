/* The audit list: every kind of log entry and its members, in one place. The struct, the encoder, the
 * reader and the page docs/events.md come from these two lists.
 *
 * An entry is built by setting fields and encoded once; the encoder refuses an entry that lacks a
 * member its event needs, or has one that the list does not give it. No member holds personal or
 * secret text: those stand as `*_hash` (phi_text_hash) with the text and its salt kept apart. */
#ifndef PROOF_EVENTS_H
#define PROOF_EVENTS_H

#include "proof/entity.h"
#include "base/hash.h"

/* Members, in the order of their names (canonical JSON needs that; a test holds it).
 * X(ID, json name, kind, text) */
#define PHI_EVENT_FIELDS(X)                                                                        \
    X(ACCOUNT_HASH, "account_hash", HASH, "salted hash of the account's name")                      \
    X(ACT, "act", HASH, "act digest of the exact bytes (docs/formats.md)")                          \
    X(ADDRESS, "address", STR, "where clients reach the target")                                   \
    X(BATCH, "batch", INT, "number of a gateway's batch of records")                               \
    X(BUNDLE, "bundle", HASH, "hash of the policy bundle that decided")                             \
    X(BUNDLE_VERSION, "bundle_version", INT, "its rising version")                                  \
    X(BY, "by", REF, "who did it")                                                                 \
    X(BYTES, "bytes", INT, "bytes that the target sent")                                            \
    X(CAUSE, "cause", STR, "why, as one fixed word")                                                \
    X(CHANGES, "changes", JSON, "what is other than before")                                        \
    X(CHANNEL, "channel", STR, "name of the channel that tells people")                             \
    X(CLAIM, "claim", STR, "id of the claim")                                                      \
    X(CODE, "code", STR, "the request's code for people")                                          \
    X(COUNT, "count", INT, "how many")                                                             \
    X(CREDENTIAL, "credential", STR, "id of the short-lived credential")                           \
    X(DATABASE, "database", STR, "database of the target")                                         \
    X(DELEGATION, "delegation", STR, "id of the delegation")                                        \
    X(DIGEST, "digest", HASH, "digest of the request's body")                                       \
    X(EV, "ev", EV, "the event's name")                                                            \
    X(EXTENDS, "extends", STR, "id of the grant that is gone on from")                              \
    X(FACTS_HASH, "facts_hash", HASH, "salted hash of context and entities as decided on")          \
    X(FOR_MS, "for_ms", INT, "how long, in milliseconds")                                          \
    X(GATEWAY, "gateway", REF, "the gateway")                                                      \
    X(GRANT, "grant", STR, "id of the grant")                                                      \
    X(GRANT_HASH, "grant_hash", HASH, "digest of the grant (docs/formats.md)")                      \
    X(GROUP, "group", REF, "the group")                                                            \
    X(KEY, "key", STR, "verifier key line of the log")                                             \
    X(KEY_HASH, "key_hash", HASH, "SHA-256 of a public key (SubjectPublicKeyInfo)")                 \
    X(KIND, "kind", STR, "kind of thing, as one fixed word")                                       \
    X(LINK, "link", STR, "id of the one-time link")                                                \
    X(N, "n", INT, "index of this entry")                                                          \
    X(NAME_HASH, "name_hash", HASH, "salted hash of a person's name")                               \
    X(NARROWING, "narrowing", JSON, "what a vote took away")                                       \
    X(ON_BEHALF, "on_behalf", REFS, "for whom the requester acts")                                  \
    X(ORIGIN, "origin", STR, "origin line of the log")                                             \
    X(OUTCOME, "outcome", STR, "done, failed, unsent or unknown")                                  \
    X(PERSON, "person", REF, "the person it is about")                                             \
    X(POLICY, "policy", STR, "id of the policy that decided")                                      \
    X(PREV_ROOT, "prev_root", HASH, "root of the log that this one continues")                      \
    X(PREV_SIZE, "prev_size", INT, "and its size")                                                 \
    X(PRINCIPAL, "principal", REF, "who acts")                                                     \
    X(PROVIDER, "provider", STR, "name of the identity provider")                                   \
    X(REASON_HASH, "reason_hash", HASH, "salted hash of the reason given")                          \
    X(RECORDS_HASH, "records_hash", HASH, "SHA-256 of the batch as received")                       \
    X(REMAINING_MS, "remaining_ms", INT, "time left, in milliseconds")                             \
    X(REQ, "req", STR, "id of the request")                                                        \
    X(REQUESTER, "requester", REF, "who asks")                                                     \
    X(ROWS, "rows", INT, "rows that the target reported")                                          \
    X(SESSION, "session", STR, "id of the session at the gateway or console")                      \
    X(SIGNATURE, "signature", STR, "signature over the vote's digest, base64url")                  \
    X(STATE, "state", HASH, "SHA-256 of the stored row after this change")                         \
    X(STATEMENTS, "statements", INT, "how many statements")                                         \
    X(T, "t", INT, "wall clock of phid, milliseconds since 1970")                                  \
    X(TAG, "tag", STR, "the target's command tag")                                                 \
    X(TARGET, "target", REF, "the target")                                                         \
    X(TARGETS, "targets", REFS, "targets that a gateway serves")                                   \
    X(TERMS, "terms", JSON, "the grant itself (docs/formats.md)")                                  \
    X(TOKEN, "token", STR, "id of the API token (never the token)")                                \
    X(UNTIL_MS, "until_ms", INT, "wall clock at which it ends")                                    \
    X(USED, "used", INT, "uses spent, this one included")                                          \
    X(V, "v", INT, "version of this format: 1")                                                    \
    X(VERSION, "version", INT, "the request's version")                                            \
    X(VOTE, "vote", JSON, "the vote itself (docs/formats.md)")

#define X(id, name, kind, text) PHI_F_##id,
enum phi_field { PHI_EVENT_FIELDS(X) PHI_FIELDS_N };
#undef X
#define PHI_FB(id) (1ULL << PHI_F_##id)

/* Events: X(ID, name, members it must have, members it may have, text). v, n, t, ev and by are always there. */
#define PHI_EVENTS(X)                                                                              \
    X(LOG_OPENED, "log.opened", PHI_FB(ORIGIN) | PHI_FB(KEY), PHI_FB(PREV_ROOT) | PHI_FB(PREV_SIZE), \
      "The log begins; after a restore it names the head that it continues.")                       \
    X(KEY_ROTATED, "key.rotated", PHI_FB(KEY) | PHI_FB(SIGNATURE), 0,                               \
      "The log's next key; the two signature lines are those of the old key and the new one.")      \
    X(LOG_VOUCHED, "log.vouched", PHI_FB(KEY) | PHI_FB(SIGNATURE), 0,                               \
      "An operator's signature over the log's new origin was handed in.")                           \
    X(WITNESS_SET, "witness.set", PHI_FB(KEY) | PHI_FB(ADDRESS), 0, "A witness of the log was added or changed.") \
    X(WITNESS_REMOVED, "witness.removed", PHI_FB(KEY), 0, "A witness was removed.")                 \
    X(WITNESS_NEED, "witness.need", PHI_FB(COUNT), 0, "How many witnesses must cosign a head before it is published.") \
    X(WITNESS_REFUSED, "witness.refused", PHI_FB(KEY) | PHI_FB(CAUSE) | PHI_FB(PREV_SIZE), 0,       \
      "A witness has seen another history of this log: somebody must look. The size is that of the head it cosigned last.") \
    X(BACKUP_MADE, "backup.made", PHI_FB(PREV_SIZE) | PHI_FB(PREV_ROOT), 0,                         \
      "A copy of the store was made and checked; the head of the log in it.")                       \
    X(PERSON_ADDED, "person.added", PHI_FB(PERSON) | PHI_FB(NAME_HASH), 0, "A person (or service) was added.") \
    X(PERSON_REMOVED, "person.removed", PHI_FB(PERSON), 0, "A person was removed; their rights ended.") \
    X(GROUP_MEMBER_ADDED, "group.member-added", PHI_FB(GROUP) | PHI_FB(PERSON), 0, "A person joined a group.") \
    X(GROUP_MEMBER_REMOVED, "group.member-removed", PHI_FB(GROUP) | PHI_FB(PERSON), 0, "A person left a group.") \
    X(ON_CALL_BEGAN, "on-call.began", PHI_FB(GROUP) | PHI_FB(PERSON) | PHI_FB(UNTIL_MS), PHI_FB(STATE), \
      "A person is on call, or goes on being it.")                                                  \
    X(ON_CALL_SETTLED, "on-call.settled", PHI_FB(GROUP) | PHI_FB(PERSON), PHI_FB(STATE) | PHI_FB(REMAINING_MS), \
      "The machine was restarted; the end was counted anew, never later.")                          \
    X(ON_CALL_ENDED, "on-call.ended", PHI_FB(GROUP) | PHI_FB(PERSON) | PHI_FB(CAUSE), 0, "A person is on call no more.") \
    X(ACCOUNT_LINKED, "account.linked", PHI_FB(PERSON) | PHI_FB(ACCOUNT_HASH), 0,                   \
      "Another account name was linked to a person.")                                               \
    X(LINK_MADE, "link.made", PHI_FB(PERSON) | PHI_FB(LINK), PHI_FB(UNTIL_MS), "A one-time sign-in link was made.") \
    X(SESSION_OPENED, "session.opened", PHI_FB(SESSION) | PHI_FB(PERSON),                           \
      PHI_FB(KIND) | PHI_FB(LINK) | PHI_FB(UNTIL_MS) | PHI_FB(PROVIDER), "A person signed in.")                        \
    X(SESSION_CLOSED, "session.closed", PHI_FB(SESSION), PHI_FB(PERSON) | PHI_FB(CAUSE), "A sign-in ended.") \
    X(TOKEN_MADE, "token.made", PHI_FB(TOKEN) | PHI_FB(PERSON), PHI_FB(UNTIL_MS) | PHI_FB(PROVIDER) | PHI_FB(STATE), \
      "An API token was issued; `provider`: for a token of that issuer.")                           \
    X(TOKEN_SETTLED, "token.settled", PHI_FB(TOKEN), PHI_FB(STATE) | PHI_FB(REMAINING_MS),          \
      "The machine was restarted; the token's end was counted anew, never later.")                  \
    X(TOKEN_REVOKED, "token.revoked", PHI_FB(TOKEN), PHI_FB(PERSON) | PHI_FB(CAUSE), "An API token ended.") \
    X(PROVIDER_SET, "provider.set", PHI_FB(PROVIDER) | PHI_FB(KIND) | PHI_FB(TERMS), PHI_FB(STATE), \
      "An identity provider, or an issuer whose tokens are exchanged, was configured.")             \
    X(PROVIDER_REMOVED, "provider.removed", PHI_FB(PROVIDER), PHI_FB(KIND), "It is trusted no more.") \
    X(IDENTITY_LINKED, "identity.linked", PHI_FB(PROVIDER) | PHI_FB(PERSON) | PHI_FB(ACCOUNT_HASH), PHI_FB(STATE), \
      "An account at a provider is this person.")                                                   \
    X(IDENTITY_REMOVED, "identity.removed", PHI_FB(PROVIDER) | PHI_FB(PERSON), PHI_FB(CAUSE), "It is no more.") \
    X(PASSKEY_ADDED, "passkey.added", PHI_FB(PERSON) | PHI_FB(CREDENTIAL) | PHI_FB(KEY_HASH), PHI_FB(STATE), \
      "A person registered a passkey; `key_hash` is over its COSE key.")                             \
    X(RECOVERY_ASKED, "recovery.asked", PHI_FB(PERSON) | PHI_FB(LINK), PHI_FB(UNTIL_MS),              \
      "An operator asks to let somebody in who lost their passkeys; another one must confirm.")      \
    X(PASSKEY_REMOVED, "passkey.removed", PHI_FB(PERSON) | PHI_FB(CREDENTIAL), PHI_FB(CAUSE), "A passkey serves no more.") \
    X(TARGET_ADDED, "target.added", PHI_FB(TARGET) | PHI_FB(KIND), PHI_FB(ADDRESS) | PHI_FB(DATABASE), \
      "A target was added or changed.")                                                             \
    X(GATEWAY_ADDED, "gateway.added", PHI_FB(GATEWAY) | PHI_FB(TARGETS), PHI_FB(UNTIL_MS),          \
      "A gateway may sign on with a one-time code.")                                                \
    X(GATEWAY_ENROLLED, "gateway.enrolled", PHI_FB(GATEWAY) | PHI_FB(KEY_HASH), PHI_FB(UNTIL_MS),   \
      "A gateway signed on with its key.")                                                          \
    X(GATEWAY_CERTIFIED, "gateway.certified", PHI_FB(GATEWAY) | PHI_FB(KEY_HASH), PHI_FB(UNTIL_MS), \
      "A gateway's certificate was renewed for the key that it has.")                               \
    X(GATEWAY_REMOVED, "gateway.removed", PHI_FB(GATEWAY), 0, "A gateway's key opens nothing any more.") \
    X(BUNDLE_LIVE, "bundle.live", PHI_FB(BUNDLE) | PHI_FB(BUNDLE_VERSION), PHI_FB(CHANGES), "A policy bundle went live.") \
    X(CREDENTIAL_ISSUED, "credential.issued", PHI_FB(CREDENTIAL) | PHI_FB(PERSON) | PHI_FB(TARGET), \
      PHI_FB(UNTIL_MS), "A short-lived credential for a target was issued.")                        \
    X(CREDENTIAL_ENDED, "credential.ended", PHI_FB(CREDENTIAL), PHI_FB(PERSON) | PHI_FB(TARGET) | PHI_FB(CAUSE), \
      "A credential expired or was withdrawn.")                                                     \
    X(REQUEST_CREATED, "request.created",                                                           \
      PHI_FB(REQ) | PHI_FB(DIGEST) | PHI_FB(VERSION) | PHI_FB(REQUESTER) | PHI_FB(TARGET) | PHI_FB(BUNDLE), \
      PHI_FB(CODE) | PHI_FB(ACT) | PHI_FB(FACTS_HASH) | PHI_FB(SESSION) | PHI_FB(GATEWAY) | PHI_FB(UNTIL_MS) | \
          PHI_FB(CREDENTIAL) | PHI_FB(POLICY) | PHI_FB(STATE) | PHI_FB(EXTENDS) | PHI_FB(KIND) | PHI_FB(ON_BEHALF),     \
      "Somebody asks to act.")                                                                      \
    X(REQUEST_EDITED, "request.edited", PHI_FB(REQ) | PHI_FB(DIGEST) | PHI_FB(VERSION), \
      PHI_FB(ACT) | PHI_FB(STATE) | PHI_FB(BUNDLE) | PHI_FB(UNTIL_MS) | PHI_FB(FACTS_HASH),         \
      "The requester changed the request; its votes are void.")                                     \
    X(REQUEST_JOINED, "request.joined", PHI_FB(REQ) | PHI_FB(SESSION), PHI_FB(GATEWAY) | PHI_FB(COUNT) | PHI_FB(STATE), \
      "An equal attempt waits on the same request.")                                                \
    X(REQUEST_VOTED, "request.voted", PHI_FB(REQ) | PHI_FB(PERSON) | PHI_FB(VOTE),                  \
      PHI_FB(SIGNATURE) | PHI_FB(BUNDLE) | PHI_FB(SESSION) | PHI_FB(STATE) | PHI_FB(DELEGATION), "A person (or a rule) approved or denied.")         \
    X(TICKET_CHECKED, "ticket.checked", PHI_FB(REQ) | PHI_FB(FACTS_HASH), 0,                        \
      "The tracker was asked again about the ticket that a request names; the hash is over its answer.") \
    X(REQUEST_NARROWED, "request.narrowed", PHI_FB(REQ) | PHI_FB(PERSON) | PHI_FB(NARROWING), 0,    \
      "An approver narrowed what was asked.")                                                       \
    X(REQUEST_APPROVED, "request.approved", PHI_FB(REQ) | PHI_FB(DIGEST) | PHI_FB(BUNDLE), PHI_FB(FACTS_HASH) | PHI_FB(STATE), \
      "Its requirements were met and the policy allowed it.")                                       \
    X(REQUEST_DENIED, "request.denied", PHI_FB(REQ),                                                \
      PHI_FB(PERSON) | PHI_FB(REASON_HASH) | PHI_FB(POLICY) | PHI_FB(BUNDLE) | PHI_FB(CAUSE) | PHI_FB(STATE),       \
      "A person or a policy denied it.")                                                            \
    X(REQUEST_EXPIRED, "request.expired", PHI_FB(REQ), PHI_FB(STATE), "Nobody answered in time.")               \
    X(REQUEST_CANCELLED, "request.cancelled", PHI_FB(REQ), PHI_FB(CAUSE) | PHI_FB(SESSION) | PHI_FB(STATE),         \
      "The requester withdrew it, or left while waiting.")                                          \
    X(REQUEST_REMARKED, "request.remarked", PHI_FB(REQ) | PHI_FB(PERSON) | PHI_FB(KIND) | PHI_FB(REASON_HASH), 0, \
      "Somebody commented or asked; no vote.")                                                      \
    X(REQUEST_PARTY_ADDED, "request.party-added", PHI_FB(REQ) | PHI_FB(PERSON) | PHI_FB(KIND), 0,   \
      "A watcher or suggested approver was named.")                                                 \
    X(REQUEST_ESCALATED, "request.escalated", PHI_FB(REQ), PHI_FB(CAUSE),                           \
      "It waited long enough: those of the fallback may vote too.")                                 \
    X(ACTION_DENIED, "action.denied", PHI_FB(PRINCIPAL) | PHI_FB(TARGET) | PHI_FB(BUNDLE),          \
      PHI_FB(ACT) | PHI_FB(POLICY) | PHI_FB(SESSION) | PHI_FB(GATEWAY) | PHI_FB(CAUSE) |            \
          PHI_FB(BATCH) | PHI_FB(COUNT),                                                            \
      "An attempt was denied and became no request; with `batch`, so many that the gateway denied itself.")                                               \
    X(GRANT_MADE, "grant.made", PHI_FB(REQ) | PHI_FB(GRANT) | PHI_FB(GRANT_HASH) | PHI_FB(TERMS), PHI_FB(STATE), \
      "An approved request gave a right.")                                                          \
    X(GRANT_CLAIMED, "grant.claimed", PHI_FB(GRANT) | PHI_FB(CLAIM) | PHI_FB(USED),                 \
      PHI_FB(REQ) | PHI_FB(ACT) | PHI_FB(SESSION) | PHI_FB(GATEWAY) | PHI_FB(BUNDLE) | PHI_FB(REMAINING_MS) | \
          PHI_FB(FACTS_HASH) | PHI_FB(STATE) | PHI_FB(STATEMENTS),                                  \
      "One use was spent, before any byte was sent.")                                               \
    X(GRANT_OUTCOME, "grant.outcome", PHI_FB(GRANT) | PHI_FB(CLAIM) | PHI_FB(OUTCOME),              \
      PHI_FB(REQ) | PHI_FB(TAG) | PHI_FB(ROWS) | PHI_FB(BYTES) | PHI_FB(GATEWAY) | PHI_FB(STATE), "How the claimed use ended.")     \
    X(GRANT_METERED, "grant.metered", PHI_FB(GRANT), PHI_FB(REQ) | PHI_FB(ROWS) | PHI_FB(BYTES) | PHI_FB(STATE), \
      "What a use took of the grant's budget.")                                                     \
    X(GRANT_GIVEN_BACK, "grant.given-back", PHI_FB(GRANT) | PHI_FB(USED), PHI_FB(REQ) | PHI_FB(CLAIM) | PHI_FB(STATE), \
      "A claimed use was given back: no byte was sent.")                                            \
    X(GRANT_USED, "grant.used", PHI_FB(GRANT), PHI_FB(REQ) | PHI_FB(USED) | PHI_FB(STATE), "Its last use is spent.") \
    X(GRANT_EXPIRED, "grant.expired", PHI_FB(GRANT), PHI_FB(REQ) | PHI_FB(STATE), "Its time is over.")              \
    X(GRANT_RETURNED, "grant.returned", PHI_FB(GRANT), PHI_FB(REQ) | PHI_FB(STATE), "Its holder gave it back.")     \
    X(GRANT_REVOKED, "grant.revoked", PHI_FB(GRANT), PHI_FB(REQ) | PHI_FB(REASON_HASH) | PHI_FB(CAUSE) | PHI_FB(STATE), \
      "It was taken away.")                                                                         \
    X(GRANTS_REVOKED, "grants.revoked", PHI_FB(KIND) | PHI_FB(COUNT) | PHI_FB(REASON_HASH),         \
      PHI_FB(PERSON) | PHI_FB(TARGET) | PHI_FB(BUNDLE), "All grants of a person, resource or bundle, or all, were taken away.") \
    X(GLASS_BROKEN, "glass.broken", PHI_FB(REQ) | PHI_FB(GRANT) | PHI_FB(PERSON) | PHI_FB(REASON_HASH), PHI_FB(BUNDLE), \
      "Somebody acts at once, without approval; somebody else must review it.")                     \
    X(GLASS_REVIEWED, "glass.reviewed", PHI_FB(REQ) | PHI_FB(GRANT) | PHI_FB(PERSON) | PHI_FB(REASON_HASH), PHI_FB(STATE), \
      "Somebody else reviewed a broken glass.")                                                     \
    X(DELEGATION_MADE, "delegation.made", PHI_FB(DELEGATION) | PHI_FB(PERSON) | PHI_FB(PRINCIPAL) | PHI_FB(REASON_HASH), \
      PHI_FB(UNTIL_MS) | PHI_FB(STATE), "`person` lets `principal` vote for them for a while.")     \
    X(DELEGATION_ENDED, "delegation.ended", PHI_FB(DELEGATION), PHI_FB(PERSON) | PHI_FB(CAUSE) | PHI_FB(STATE), \
      "A delegation ended.")                                                                        \
    X(DELEGATION_SETTLED, "delegation.settled", PHI_FB(DELEGATION), PHI_FB(STATE) | PHI_FB(REMAINING_MS), \
      "The machine was restarted; the delegation's deadline was counted anew, never later.")        \
    X(CHANNEL_SET, "channel.set", PHI_FB(CHANNEL) | PHI_FB(KIND), PHI_FB(STATE), "A channel that tells people was added or changed.") \
    X(CHANNEL_SWITCHED, "channel.switched", PHI_FB(CHANNEL) | PHI_FB(CAUSE), PHI_FB(STATE),         \
      "A channel was switched on or off, by an admin or by what it answered.")                      \
    X(CHANNEL_REMOVED, "channel.removed", PHI_FB(CHANNEL), 0, "A channel was removed; what waited for it is not sent.") \
    X(CONTACT_SET, "contact.set", PHI_FB(PERSON) | PHI_FB(KIND), PHI_FB(STATE),                     \
      "Where a person is reached, and from where they may answer, was set.")                        \
    X(CONTACT_REMOVED, "contact.removed", PHI_FB(PERSON) | PHI_FB(KIND), 0, "A person is no longer reached there.") \
    X(GRANT_REVOKE_ACKNOWLEDGED, "grant.revoke-acknowledged", PHI_FB(GRANT) | PHI_FB(GATEWAY),      \
      PHI_FB(REQ) | PHI_FB(CAUSE), "A gateway confirmed that the right and its work are gone, or its lease ended.") \
    X(RECORDS_BATCH, "records.batch", PHI_FB(GATEWAY) | PHI_FB(BATCH) | PHI_FB(COUNT) | PHI_FB(RECORDS_HASH), 0, \
      "What a gateway decided itself, plain allows and denials; equal ones are one record, count is of all.")     \
    X(EVALUATIONS_BATCH, "evaluations.batch", PHI_FB(BATCH) | PHI_FB(COUNT) | PHI_FB(RECORDS_HASH), 0, \
      "What AuthZEN callers asked and were answered; equal ones are one record, count is of all.") \
    X(ENTITIES_SET, "entities.set", PHI_FB(COUNT) | PHI_FB(FACTS_HASH), 0, "Entities of an application's own types were told or changed.") \
    X(ENTITIES_REMOVED, "entities.removed", PHI_FB(COUNT) | PHI_FB(FACTS_HASH), 0, "Entities of an application's own types were taken away.") \
    X(RESOURCE_MARKED, "resource.marked", PHI_FB(TARGET) | PHI_FB(TERMS), 0,                        \
      "The environment or the tags of a resource were said; `target` is the resource.")             \
    X(PROFILE_CHANGED, "profile.changed", PHI_FB(PERSON), 0,                                        \
      "A person changed their time zone or quiet hours.")                                           \
    X(BODY_ERASED, "body.erased", PHI_FB(CAUSE), PHI_FB(REQ) | PHI_FB(PERSON),                      \
      "Texts kept apart from the log were erased; their hashes stay.")

#define X(id, name, must, may, text) PHI_EV_##id,
enum phi_ev { PHI_EVENTS(X) PHI_EVS_N };
#undef X

enum phi_field_kind { /* JSON form: */
    PHI_FK_STR,       /* string, not empty, at most 1,024 bytes */
    PHI_FK_INT,       /* integer from 0 */
    PHI_FK_HASH,      /* 64 hex digits */
    PHI_FK_REF,       /* {"id","type"} */
    PHI_FK_REFS,      /* list of these */
    PHI_FK_JSON,      /* an object, canonical */
    PHI_FK_EV         /* the event's name */
};

union phi_field_value {
    struct phi_view str; /* STR; JSON: canonical text */
    int64_t num;
    struct phi_digest hash;
    struct phi_ref ref;
    struct {
        const struct phi_ref *p;
        size_t n;
    } refs;
};

struct phi_entry { /* views are borrowed */
    enum phi_ev ev;
    uint64_t has; /* bit for each field set */
    bool bad;     /* a setter of the wrong kind was used */
    union phi_field_value f[PHI_FIELDS_N];
};

/* Begins an entry; `n` is its index in the log and is usually known last: see phi_entry_place. */
void phi_entry_init(struct phi_entry *e, enum phi_ev ev, struct phi_ref by, int64_t t_ms);
void phi_entry_place(struct phi_entry *e, uint64_t n);
void phi_entry_str(struct phi_entry *e, enum phi_field f, struct phi_view v); /* STR */
void phi_entry_int(struct phi_entry *e, enum phi_field f, int64_t v);
void phi_entry_hash(struct phi_entry *e, enum phi_field f, const struct phi_digest *h);
void phi_entry_ref(struct phi_entry *e, enum phi_field f, struct phi_ref r);
void phi_entry_refs(struct phi_entry *e, enum phi_field f, const struct phi_ref *r, size_t n);
void phi_entry_json(struct phi_entry *e, enum phi_field f, struct phi_view canonical);

/* Appends the canonical JSON. PHI_EINPUT names the member that is missing, superfluous or malformed. */
enum phi_rc phi_entry_encode(struct phi_buf *out, const struct phi_entry *e, struct phi_err *err);
/* Reads an entry; strict, and the text must be canonical. Views live in the arena (JSON members are
 * canonical text again). An event of a newer phi is PHI_ENOTFOUND. */
enum phi_rc phi_entry_read(struct phi_arena *a, struct phi_view text, struct phi_entry *ret, struct phi_err *err);

bool phi_entry_has(const struct phi_entry *e, enum phi_field f);
const char *phi_ev_name(enum phi_ev ev);     /* "request.created" */
bool phi_ev_read(struct phi_view name, enum phi_ev *ret);
const char *phi_ev_text(enum phi_ev ev);     /* the sentence of the list */
uint64_t phi_ev_must(enum phi_ev ev);        /* bits of PHI_FB, the common ones included */
uint64_t phi_ev_may(enum phi_ev ev);
const char *phi_field_name(enum phi_field f);
enum phi_field_kind phi_field_kind_of(enum phi_field f);

void phi_events_page(struct phi_buf *out); /* docs/events.md */

#endif
