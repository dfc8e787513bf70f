/* The rows that core keeps, one struct a table, and their description: what a store driver needs to
 * know and all it needs to know. Texts and blobs are views: borrowed on the way in, in the caller's
 * arena on the way out. The SQL of each driver declares the same tables; the contract suite holds the
 * two together. */
#ifndef CORE_ROWS_H
#define CORE_ROWS_H

#include "base/hash.h"

enum core_table {
    CORE_STATE,
    CORE_PERSON,
    CORE_ACCOUNT,
    CORE_MEMBER,
    CORE_LINK,
    CORE_SESSION,
    CORE_TARGET,
    CORE_GATEWAY,
    CORE_GATEWAY_TARGET,
    CORE_CREDENTIAL,
    CORE_BUNDLE,
    CORE_REQUEST,
    CORE_ELIGIBLE,
    CORE_WAITER,
    CORE_VOTE,
    CORE_GRANT,
    CORE_CLAIM,
    CORE_END,
    CORE_ACK,
    CORE_TEXT_OF,
    CORE_LEAF,
    CORE_NODE,
    CORE_PARTY,
    CORE_REMARK,
    CORE_TIMER,
    CORE_DELEGATION,
    CORE_IDEM,
    CORE_CHANNEL,
    CORE_CHANNEL_STATE,
    CORE_CONTACT,
    CORE_MESSAGE,
    CORE_PROMPTS,
    CORE_SEEN,
    CORE_ENTITY,
    CORE_ARAP_KEY,
    CORE_ARAP_TASK,
    CORE_ARAP_CALLBACK,
    CORE_HABIT,
    CORE_FACTS,
    CORE_ON_CALL,
    CORE_PROFILE,
    CORE_SUCCESSION,
    CORE_WITNESS,
    CORE_PUBLISHED,
    CORE_PROVIDER,
    CORE_IDENTITY,
    CORE_LOGIN,
    CORE_TOKEN,
    CORE_TOKEN_USE,
    CORE_PASSKEY,
    CORE_PASSKEY_USE,
    CORE_TABLES
};

/* When a right ends: at `wall` by the wall clock or at `boot_ms` of boot number `boot` by the clock
 * that nobody sets, whichever comes first; in any other boot it is over. */
struct core_due {
    int64_t wall, boot_ms, boot;
};

struct core_state_row { /* one row, id 0: the log's head, locked first by every batch */
    int64_t id, size, seq, world, snapshot_seq, bundle_version;
    int64_t boot, anchor_wall, anchor_boot; /* number of this boot; clocks when last committed */
    struct phi_view boot_id, peaks;
    int64_t note_size;
    struct phi_view note;
    /* After a restore the log begins anew: entry n is leaf row base + n, node (l, i) is node row (64 * gen + l, i). */
    int64_t base, gen;
    struct phi_view boots; /* core/time.c: boots before this one whose rights go on */
    int64_t witness_need; /* a head is published with the cosignatures of at least so many witnesses */
};
struct core_person_row {
    struct phi_view id, name, salt, same_as; /* same_as: id of the person they are, "" themselves */
    int64_t created_ms;
};
struct core_account_row {
    struct phi_view name, person, salt;
};
struct core_member_row {
    struct phi_view grp, person;
    int64_t since_ms;
};
struct core_link_row {
    struct phi_view hash, id, person;
    struct core_due due;
};
struct core_session_row {
    struct phi_view hash, id, person;
    struct core_due due;
    int64_t created_ms, seen_ms, idle_ms; /* idle_ms: ends when not seen for so long, 0: never for that */
    int64_t strong_ms;                    /* when a second factor was last shown, wall clock; 0: never */
    struct phi_view kind, note, address, provider; /* kind: web, cli, ""; note: which machine; provider: that vouched, "" none */
};
struct core_target_row {
    struct phi_view name, kind, address, database;
};
struct core_gateway_row {
    struct phi_view name, code_hash, key, version; /* hash and key: "" when there is none */
    struct core_due code_due, lease_due;
    int64_t last_seen, last_batch;
};
struct core_gateway_target_row {
    struct phi_view gateway, target;
};
struct core_credential_row {
    struct phi_view id, person, target, verifier, device; /* device: of whom it was issued to; "": not known */
    struct phi_view session;                              /* or token that it was issued to, and ends with */
    struct core_due due;
};
struct core_bundle_row {
    int64_t version;
    struct phi_view hash, schema, policies, requirements;
    int64_t at_ms;
};
struct core_request_row {
    struct phi_view id, code;
    int64_t status, live, version;
    struct phi_view digest, act, requester, root, target, gateway, credential, session, summary; /* root: as linked when made */
    int64_t scoped, for_ms, uses, created_ms;
    struct phi_view bundle, needs, policies; /* needs: [["dba"],…]; policies: [{"id","why"},…] */
    struct phi_view denied_by, reason_salt;
    struct core_due due;
    int64_t leaf;
    struct phi_view leaf_hash;
    int64_t rev;
    struct phi_view extends; /* id of the grant that this one goes on from, "" none */
    int64_t glass;           /* 1: break-glass */
    int64_t risk;            /* 1 more than the risk; 0: made before risk was known */
    int64_t behalf;          /* for how many others the requester acts */
    int64_t asked_ms;        /* wall clock of this version: what waits for time to pass counts from it */
    struct phi_view ask;     /* hash of what was asked: an equal one joins. No salt hides it, so it goes with the body: "" once the request has ended or changed, and for exact bytes */
};
struct core_eligible_row { /* who might approve when this version was made */
    struct phi_view request;
    int64_t version;
    struct phi_view requirement, person;
};
struct core_waiter_row {
    struct phi_view request, session, gateway;
};
struct core_vote_row {
    struct phi_view request, root, person, id, requirement, vote, bundle;
    int64_t version, approve, narrow_for_ms, narrow_uses, at_ms;
    int64_t leaf;
    struct phi_view leaf_hash;
    int64_t stage;       /* of the requirement, when it was cast */
    struct phi_view via; /* id of the delegation that it was cast by, "" one's own */
    struct phi_view proof; /* the passkey's signature over the vote: JSON of docs/formats.md; "" not signed */
};
struct core_grant_row {
    struct phi_view id, request, code, digest, act, principal, root, target, session, summary;
    int64_t status, live, uses, used;
    struct phi_view terms, bundle, met; /* met: ["dba",…] */
    struct core_due due;
    int64_t end_seq;
    int64_t leaf;
    struct phi_view leaf_hash;
    int64_t rev;
    struct core_due from; /* gives nothing before; all zero: from the start */
    int64_t review;       /* enum core_review: of a broken glass */
    struct phi_view reviewer;
    int64_t spent_statements, spent_rows, spent_bytes;
    int64_t binds; /* 1: the first session that uses it has it to itself */
};
enum core_review { CORE_REVIEW_NONE, CORE_REVIEW_OPEN, CORE_REVIEW_CLOSED };
struct core_claim_row {
    struct phi_view id, grant, ckey, session, gateway;
    int64_t at_ms, outcome;
    struct phi_view tag;
    int64_t nrows, leaf;
    struct phi_view leaf_hash;
    int64_t rev;
    int64_t nbytes, statements;
};
struct core_end_row {
    int64_t seq;
    struct phi_view grant, principal, target, reason;
    int64_t at_ms;
};
struct core_ack_row { /* one for each gateway that had a lease when the right ended */
    struct phi_view gateway;
    int64_t seq;
    struct phi_view grant;
    int64_t done; /* 0 waits, 1 confirmed, 2 its lease ended */
};
struct core_text_row { /* personal or secret texts, apart from the log, erasable */
    struct phi_view owner, kind, salt, text;
};
struct core_leaf_row {
    int64_t idx;
    struct phi_view entry, hash;
};
struct core_node_row { /* level 1 and up; level 0 is the leaf's hash */
    int64_t level, idx;
    struct phi_view hash;
};

struct core_party_row { /* who else is told of a request, and sees it */
    struct phi_view request, kind, person; /* kind: watcher, suggested */
};
struct core_remark_row { /* its text: texts of owner id, kind "remark" */
    struct phi_view request, id, person, kind; /* kind: comment, question */
    int64_t at_ms;
};
struct core_timer_row { /* what is to happen to a request (kind forget: a person) by the wall clock */
    struct phi_view request, kind;
    int64_t at_ms;
    struct phi_view data;
};
struct core_delegation_row { /* the taker votes with the giver's right to approve */
    struct phi_view id, giver, taker; /* persons as linked when made */
    int64_t live;
    struct core_due due;
    int64_t at_ms, leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_idem_row {
    struct phi_view person, ckey, ask, request; /* ask: hash of what was sent */
    int64_t at_ms;
};

struct core_channel_row { /* a way out: a webhook, a mail server, a chat, a command */
    struct phi_view name, kind, settings; /* settings: canonical JSON without secrets */
    int64_t live;
    struct phi_view why_off;
    int64_t at_ms, leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_channel_state_row { /* how a channel fares; not in the log */
    struct phi_view channel;
    int64_t waiting, dead, dropped; /* messages; dropped: never taken in, because too many waited */
    int64_t fails, pause_ms;        /* failures in a row; nothing leaves before this wall clock */
    int64_t ok_ms;                  /* last success, 0 none */
    struct phi_view error;          /* of the last failure */
};
struct core_contact_row { /* where a person (a root) is reached, and who speaks from there */
    struct phi_view person, kind, address, salt; /* kind: email, slack; (kind, address) is unique */
    int64_t leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_message_row { /* one message; core/outbox.h says how it lives */
    struct phi_view id, channel;
    int64_t status, at_ms; /* at_ms: not before; while it is leased: when the lease ends */
    struct phi_view request, person, what; /* person "": the channel's own readers */
    int64_t version;       /* of the request when it was made */
    int64_t want, sent;    /* content that should be there, and that is: want > sent is what waits */
    int64_t tries, lease, leased; /* lease: rises with each taking; leased: it is taken for content `leased`, 0 not */
    int64_t created_ms;
    struct phi_view ref;   /* how the channel names what was sent, to change it later */
    struct phi_view note, error;
};
struct core_prompts_row { /* prompts to one person by one channel in the window that began at from_ms */
    struct phi_view channel, person;
    int64_t from_ms, n;
};
struct core_seen_row { /* a signed callback that was taken: no second time */
    struct phi_view hash;
    int64_t at_ms;
};

struct core_entity_row { /* of an application's own types; JSON texts in Cedar's form */
    struct phi_view type, id, attrs, parents;
    int64_t at_ms;
};
struct core_arap_key_row { /* signs what ARAP's callers carry back to phi */
    struct phi_view kid, secret; /* Ed25519, raw */
    int64_t at_ms;
};
struct core_arap_task_row { /* a request that came over ARAP */
    struct phi_view task, request, caller, binding, evaluation, approval;
    struct phi_view asked; /* hash of the submission, for its Idempotency-Key */
    int64_t at_ms;
};

struct core_arap_callback_row { /* who hears when this request is over: one row for each request of a task */
    struct phi_view request, task, channel;
};

struct core_habit_row { /* what a person (a root) did before: core/risk.c; ages, is not in the log */
    struct phi_view person, action, kind, what; /* kind: hour, addr, resource, denied, glass */
    int64_t weight, at_ms;
};
struct core_facts_row { /* what is said of a resource of a target */
    struct phi_view type, id, environment, tags; /* tags: sorted, a blank between */
};
struct core_profile_row { /* what a person (a root) says of themselves */
    struct phi_view person, zone;
    int64_t quiet_from, quiet_to, quiet_days; /* minutes of the local day; bit 0 is Monday */
};
/* How the log went on under another key, in order. */
struct core_succession_row {
    int64_t n, kind; /* enum phi_succession_kind */
    struct phi_view note; /* the signed statement (proof/succession.h); "" until an operator has signed a restore */
    struct phi_view text; /* what is to be signed */
};
struct core_witness_row {
    struct phi_view name, line, url; /* line: its cosigner key */
    int64_t size, at_ms;             /* what it cosigned last, and when */
    struct phi_view said;            /* why it did not, the last time; "" it did */
};

/* Who says who people are ("oidc"), and whose tokens become ours ("workload"). */
struct core_provider_row {
    struct phi_view name, kind, config; /* config: JSON (core/identity.h) */
    int64_t at_ms, leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_identity_row { /* an account at a provider */
    struct phi_view provider, subject, person, salt;
    int64_t at_ms, leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_on_call_row {
    struct phi_view list, person; /* person: a root, when it was set */
    struct core_due due;
    int64_t at_ms, leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_login_row { /* a sign-in under way, or a foreign token that was used */
    struct phi_view hash, kind, code, person, data; /* code: what people type; data: JSON */
    struct core_due due;
};
struct core_token_row { /* for programs; who: a person or a service */
    struct phi_view hash, id, who, maker, name;
    int64_t rights, created_ms; /* bits of enum phi_right that it carries: one that phi learns later is not among them */
    struct core_due due;
    int64_t leaf;
    struct phi_view leaf_hash;
    int64_t rev;
};
struct core_token_use_row {
    struct phi_view id;
    int64_t used_ms;
    struct phi_view address;
};
struct core_passkey_row { /* id: the authenticator's; uid: ours */
    struct phi_view id, uid, person, cose, name;
    int64_t created_ms, leaf;
    struct phi_view leaf_hash;
};
struct core_passkey_use_row {
    struct phi_view uid;
    int64_t count, used_ms; /* count: as the authenticator counts, 0: it does not */
};

struct core_published_row { /* the head that is shown to everybody, with its cosignatures */
    int64_t id, size;       /* id: gen of the log */
    struct phi_view note;
};

enum core_kind { CORE_INT, CORE_TEXT, CORE_BLOB };
struct core_column {
    const char *name;
    enum core_kind kind;
    size_t at; /* offset in the row */
    bool later; /* added by a later migration: not hashed while it is 0 or "", so that older leaves still fit */
};
#define CORE_INDEX_COLS 4
struct core_index { /* index 0 is the primary key */
    bool unique;
    int n;
    int cols[CORE_INDEX_COLS];
};
#define CORE_MAX_COLUMNS 40
struct core_table_def {
    const char *name;
    size_t size; /* of the row struct */
    const struct core_column *cols;
    int n_cols;
    const struct core_index *index;
    int n_index;
    int rev; /* column number of `rev`, -1: none */
};
const struct core_table_def *core_table_of(enum core_table t);

/* Secondary indexes by name, so that callers read well. */
enum {
    CORE_BY_KEY = 0,
    CORE_PERSON_BY_NAME = 1,
    CORE_PERSON_BY_SAME = 2, /* same_as, id */
    CORE_ACCOUNT_BY_PERSON = 1,
    CORE_MEMBER_BY_PERSON = 1,
    CORE_LINK_BY_DUE = 1,
    CORE_SESSION_BY_DUE = 1,
    CORE_SESSION_BY_PERSON = 2,
    CORE_GATEWAY_BY_CODE = 1,
    CORE_GATEWAY_BY_PUBKEY = 2,
    CORE_GATEWAY_TARGET_BY_TARGET = 1,
    CORE_CREDENTIAL_BY_TARGET = 1,
    CORE_CREDENTIAL_BY_PERSON = 2,
    CORE_CREDENTIAL_BY_DUE = 3,
    CORE_REQUEST_BY_CODE = 1,
    CORE_REQUEST_BY_REQUESTER = 2, /* requester, live, id */
    CORE_REQUEST_BY_ACT = 3,       /* act, live */
    CORE_REQUEST_BY_LIVE = 4,      /* live, id */
    CORE_REQUEST_BY_WALL = 5,      /* live, wall */
    CORE_REQUEST_BY_BOOT = 6,      /* live, boot, boot_ms */
    CORE_ELIGIBLE_BY_PERSON = 1,   /* person, request */
    CORE_GRANT_BY_REQUEST = 1,
    CORE_GRANT_BY_PRINCIPAL = 2, /* principal, live, id */
    CORE_GRANT_BY_LIVE = 3,      /* live, id */
    CORE_GRANT_BY_WALL = 4,
    CORE_GRANT_BY_BOOT = 5,
    CORE_CLAIM_BY_CKEY = 1, /* grant, ckey: unique */
    CORE_CLAIM_BY_GRANT = 2, /* grant, outcome, id */
    CORE_ACK_BY_GRANT = 1,
    CORE_GRANT_BY_REVIEW = 6,       /* root, review, id */
    CORE_GRANT_BY_ACT = 7,          /* act ("": by scope), principal, live, id */
    CORE_PARTY_BY_PERSON = 1,       /* person, request */
    CORE_TIMER_BY_TIME = 1,         /* at_ms */
    CORE_DELEGATION_BY_TAKER = 1,   /* taker, live */
    CORE_DELEGATION_BY_GIVER = 2,   /* giver, live */
    CORE_DELEGATION_BY_WALL = 3,    /* live, wall */
    CORE_ON_CALL_BY_PERSON = 1,     /* person, list */
    CORE_CONTACT_BY_ADDRESS = 1,    /* kind, address */
    CORE_MESSAGE_BY_CHANNEL = 1,     /* channel, status, at_ms */
    CORE_MESSAGE_BY_REQUEST = 2,     /* request, channel, person */
    CORE_MESSAGE_BY_PERSON = 3,      /* person, channel, status */
    CORE_SEEN_BY_TIME = 1,
    CORE_ARAP_TASK_BY_APPROVAL = 1,
    CORE_ARAP_TASK_BY_REQUEST = 2,
    CORE_PROVIDER_BY_KIND = 1,
    CORE_IDENTITY_BY_PERSON = 1,
    CORE_LOGIN_BY_DUE = 1,
    CORE_LOGIN_BY_CODE = 2,
    CORE_TOKEN_BY_ID = 1,
    CORE_TOKEN_BY_WHO = 2,
    CORE_TOKEN_BY_DUE = 3,
    CORE_TOKEN_BY_MAKER = 4,
    CORE_PASSKEY_BY_UID = 1,
    CORE_PASSKEY_BY_PERSON = 2,
    CORE_IDEM_BY_TIME = 1
};

/* SHA-256 over every column but leaf and leaf_hash, each with its length: what a leaf says of a row. Then
 * each later column that is not empty, with its number before it. */
struct phi_digest core_row_hash(enum core_table t, const void *row);

static inline struct phi_view core_row_text(const void *row, const struct core_column *c)
{
    return *(const struct phi_view *)((const char *)row + c->at);
}
static inline int64_t core_row_int(const void *row, const struct core_column *c)
{
    return *(const int64_t *)((const char *)row + c->at);
}

#endif
