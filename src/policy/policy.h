/* The policy engine: Cedar policies, and requirements that a policy may ask for.
 *
 * A bundle (schema, policies, requirements) is loaded once and is immutable; so are entities after
 * they are filled. Deciding is a pure function of (bundle, entities, ask): no I/O, no clock, no
 * globals; any number of threads may decide on the same bundle and entities at once.
 *
 * Source of the language: cedar-policy/cedar-docs (grammar, operators) and the Lean text of
 * cedar-policy/cedar-spec. Where phi differs: a forbid that errors denies; an unknown action, an
 * unknown type or an incomplete context denies; a permit reaches a `phi::` action only if its
 * action scope names it. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"

/* ---- names of entities ------------------------------------------------------------------- */

struct phi_uid {
    struct phi_view type; /* "Person", "phi::Action" */
    struct phi_view id;   /* decoded text, any UTF-8 */
};

bool phi_uid_eq(struct phi_uid a, struct phi_uid b);
int phi_uid_cmp(struct phi_uid a, struct phi_uid b); /* a total order: type, then id */
/* Reads Cedar's own form, `Type::"id"` with its escapes, all of `text`. Views live in the arena. */
enum phi_rc phi_uid_read(struct phi_arena *a, struct phi_view text, struct phi_uid *ret,
                         struct phi_err *err);
/* Appends that form; what is not printable ASCII or UTF-8 is escaped, so reading gives it back. */
void phi_uid_write(struct phi_buf *b, struct phi_uid uid);
/* Reads {"type":…,"id":…} (also Cedar's {"__entity":{…}}). Views borrow from the JSON. */
enum phi_rc phi_uid_from_json(const struct phi_json *v, struct phi_uid *ret, struct phi_err *err);

/* ---- values ------------------------------------------------------------------------------ */

enum phi_value_kind {
    PHI_VALUE_BOOL,
    PHI_VALUE_LONG,
    PHI_VALUE_STRING,
    PHI_VALUE_ENTITY,
    PHI_VALUE_SET,
    PHI_VALUE_RECORD,
    PHI_VALUE_EXT,    /* decimal, ipaddr, datetime, duration */
    PHI_VALUE_UNKNOWN /* somebody else knows it: stands only as an attribute of the context */
};

struct phi_value; /* immutable, lives in the arena it was made in */

struct phi_attr {
    struct phi_view name;
    const struct phi_value *value;
};

/* Constructors. Strings, ids and names are borrowed: they must live as long as the value. NULL when
 * the arena is full or when a part is NULL, so that calls nest and the last is checked. */
const struct phi_value *phi_value_bool(struct phi_arena *a, bool v);
const struct phi_value *phi_value_long(struct phi_arena *a, int64_t v);
const struct phi_value *phi_value_string(struct phi_arena *a, struct phi_view v);
const struct phi_value *phi_value_entity(struct phi_arena *a, struct phi_uid v);
const struct phi_value *phi_value_unknown(void);
/* Order and repetition do not matter. */
const struct phi_value *phi_value_set(struct phi_arena *a, const struct phi_value *const *items,
                                      size_t n);
/* NULL too when a name stands twice. */
const struct phi_value *phi_value_record(struct phi_arena *a, const struct phi_attr *attrs, size_t n);
/* Cedar's JSON: strings, booleans, 64-bit integers (read with PHI_JSON_INT64), arrays, objects,
 * {"__entity":{"type","id"}}, {"__extn":{"fn","arg"}}. Texts are borrowed from the JSON. */
enum phi_rc phi_value_from_json(struct phi_arena *a, const struct phi_json *v,
                                const struct phi_value **ret, struct phi_err *err);

enum phi_value_kind phi_value_kind(const struct phi_value *v);
bool phi_value_eq(const struct phi_value *a, const struct phi_value *b);
const struct phi_value *phi_value_get(const struct phi_value *record, const char *name); /* or NULL */

/* ---- entities ---------------------------------------------------------------------------- */

struct phi_entities; /* owns copies of all it is given */

/* `base` (may be NULL, is borrowed, must outlive this one and no longer change) is asked for what
 * this one lacks: a request's tables over the organisation's people. `limit`: most bytes held.
 * NULL when out of memory. */
struct phi_entities *phi_entities_open(const struct phi_entities *base, size_t limit);
void phi_entities_close(struct phi_entities *es); /* NULL is fine */
/* Adds one; its parents need not exist (yet). `attrs` is a record or NULL. PHI_ECONFLICT when uid is
 * there already, here or in the base: nobody replaces what phid knows. PHI_ELIMIT when full. */
enum phi_rc phi_entities_add(struct phi_entities *es, struct phi_uid uid,
                             const struct phi_uid *parents, size_t n,
                             const struct phi_value *attrs, struct phi_err *err);
/* Adds Cedar's entities JSON: an array of {"uid","attrs","parents","tags"?}. All or an error (some
 * may then have been added: close it). `_text` reads the JSON itself. */
enum phi_rc phi_entities_add_json(struct phi_entities *es, const struct phi_json *array,
                                  struct phi_err *err);
enum phi_rc phi_entities_add_text(struct phi_entities *es, struct phi_view json,
                                  struct phi_err *err);
bool phi_entities_has(const struct phi_entities *es, struct phi_uid uid);
/* Equal, or `ancestor` is reached over parents. False beyond 4,096 ancestors. */
bool phi_entities_is_in(const struct phi_entities *es, struct phi_uid uid, struct phi_uid ancestor);

/* Cedar's JSON form, as phi_value_from_json reads it. Members of records that are unknown are left out. */
void phi_value_write(struct phi_jw *w, const struct phi_value *v);

/* ---- bundle ------------------------------------------------------------------------------ */

enum phi_requirement_kind {
    PHI_REQUIRE_APPROVAL,
    PHI_REQUIRE_MFA,
    PHI_REQUIRE_JUSTIFICATION,
    PHI_REQUIRE_TICKET,
    PHI_REQUIRE_BREAK_GLASS
};

struct phi_requirement_set { /* `count` distinct persons in `from` or one of `also` */
    struct phi_uid from;
    unsigned count; /* at least 1 */
    const struct phi_uid *also;
    size_t n_also;
    unsigned stage; /* from 1: sets of a stage take votes once all stages below are filled */
};

struct phi_requirement {
    struct phi_view name;
    enum phi_requirement_kind kind;
    const struct phi_requirement_set *sets; /* all of them are needed; none unless kind is approval or break-glass */
    size_t n_sets;
    int64_t ttl_ms;         /* life of the grant; 0: not bounded by this requirement */
    int64_t pending_ttl_ms; /* how long the request waits; 0: the default */
    int64_t uses;           /* most uses of the grant; 0: not bounded by this requirement */
    bool bind_session;      /* the grant serves only the session that asked */
    bool is_signed;         /* votes must be signed */
    const struct phi_uid *fallback; /* who may fill every set as well, once the request is fallback_ms old */
    size_t n_fallback;
    int64_t fallback_ms;
    int64_t remind_ms;      /* tells those who may vote again, this often; 0: never */
    bool delegation;        /* a vote may be cast by somebody to whom an approver delegated it */
    int64_t first_use_ms;   /* not 0: the grant's time counts from its first use, which has this long to come */
    int64_t statements, rows, bytes; /* most that the grant may spend; 0: not bounded by this requirement */
    const struct phi_view *patterns; /* kind ticket: one of these fits; none: any text will do */
    size_t n_patterns;
    enum phi_ticket_check { PHI_TICKET_NAMED, PHI_TICKET_OPEN, PHI_TICKET_ASSIGNED } checked; /* kind ticket: what the tracker must say of it */
    struct phi_view why;
};

/* `*` is any text, `#` a number of one digit or more, all else itself; the whole text must fit. */
bool phi_pattern_fits(struct phi_view pattern, struct phi_view text);

struct phi_obligation { /* what an enforcement point has to do where an allow rests on it */
    struct phi_view name;
    struct phi_view kind; /* what an enforcement point says it can do: "mask", "record", "cap-rows", … */
    struct phi_view why;
    int64_t rows; /* kind cap-rows: most rows; else 0 */
};

/* "approval", "mfa", "justification", "ticket", "break-glass" */
const char *phi_requirement_kind_name(enum phi_requirement_kind kind);

struct phi_bundle_text {
    struct phi_view schema;       /* Cedar schema text */
    struct phi_view policies;     /* Cedar policies */
    struct phi_view requirements; /* YAML */
    uint64_t version;             /* carried, not part of the hash */
};

struct phi_bundle;

/* Parses and checks all three; texts are copied. An error names the text, line and column, what is
 * wrong, and the right way. Refused among others: a requirement that a policy names and nobody
 * defines, `met` where it may not stand, `context` without an attribute, a policy that strict validation
 * refuses, a schema without the types and actions that phi relies on. */
enum phi_rc phi_bundle_load(const struct phi_bundle_text *text, struct phi_bundle **ret,
                            struct phi_err *err);
void phi_bundle_close(struct phi_bundle *b); /* NULL is fine */
/* SHA-256("phi-bundle-v1\0" ‖ for schema, policies, requirements: length as 8 bytes big-endian ‖ text) */
struct phi_digest phi_bundle_hash(const struct phi_bundle *b);
struct phi_digest phi_bundle_text_hash(const struct phi_bundle_text *text);
uint64_t phi_bundle_version(const struct phi_bundle *b);

/* Writes {"policies":{"added":[ids],"changed":[],"removed":[]},"requirements":bool,"schema":bool}: at most 100 ids of
 * each. `from` may be NULL: all is new. */
void phi_bundle_diff(struct phi_jw *w, const struct phi_bundle *from, const struct phi_bundle *to);

size_t phi_bundle_requirement_count(const struct phi_bundle *b);
const struct phi_requirement *phi_bundle_requirement_at(const struct phi_bundle *b, size_t i); /* in the text's order */
const struct phi_requirement *phi_bundle_requirement(const struct phi_bundle *b,
                                                     struct phi_view name); /* NULL: none */
bool phi_bundle_checks_tickets(const struct phi_bundle *b); /* a requirement has `checked` */
/* Time zone that `zone:` in the requirements names; "": none. Whether it exists is for the caller to find out. */
struct phi_view phi_bundle_zone(const struct phi_bundle *b);
/* The schema knows this action; `action` itself or through its groups is in `group`. */
bool phi_bundle_has_action(const struct phi_bundle *b, struct phi_uid action);
bool phi_bundle_action_in(const struct phi_bundle *b, struct phi_uid action, struct phi_uid group);
bool phi_bundle_has_type(const struct phi_bundle *b, struct phi_view entity_type);
/* The schema's actions, and whether one may be tried by that type on that type (appliesTo): for
 * taking a scope's action group apart. Groups without appliesTo apply to nothing. */
size_t phi_bundle_action_count(const struct phi_bundle *b);
struct phi_uid phi_bundle_action_at(const struct phi_bundle *b, size_t i);
bool phi_bundle_applies(const struct phi_bundle *b, struct phi_uid action, struct phi_view principal_type,
                        struct phi_view resource_type);

/* The entities (not those of their base) are as the schema says, and none is in itself: what strict
 * validation relies on. PHI_EINPUT names the first that is not. */
enum phi_rc phi_bundle_check_entities(const struct phi_bundle *b, const struct phi_entities *es, struct phi_err *err);

/* ---- deciding ---------------------------------------------------------------------------- */

/* Context that phid alone knows (met, can, risk, mfa_age, local, now, ticket, ticket_facts, on_call, country,
 * device, environment, tags, networks, justification,
 * on_behalf): a caller's request may not carry it; a gateway passes it as unknown. */
bool phi_context_is_owned(struct phi_view attribute);
/* `seen` (a record or NULL) with every owned attribute that the schema gives this action added as unknown. */
const struct phi_value *phi_context_unknowns(struct phi_arena *a, const struct phi_bundle *b,
                                             struct phi_uid action, const struct phi_value *seen);

/* The schema gives this action's context such a member. */
bool phi_context_declares(const struct phi_bundle *b, struct phi_uid action, struct phi_view member);

/* What of a caller's attributes the schema declares for entities of this type; the rest is left out. PHI_EINPUT where one
 * that it declares is of another type. `given` is a record or NULL. */
enum phi_rc phi_attrs_known(struct phi_arena *a, const struct phi_bundle *b, struct phi_view type,
                            const struct phi_value *given, const struct phi_value **ret, struct phi_err *err);

struct phi_ask {
    struct phi_uid principal, action, resource;
    const struct phi_value *context; /* record or NULL; must not hold `met` */
    const struct phi_view *met;      /* names of requirements met; unknown names count for nothing */
    size_t n_met;
    const struct phi_view *can; /* kinds of obligations that the enforcement point can meet; others count for nothing */
    size_t n_can;
};

struct phi_alternative { /* meeting all of these makes it an allow */
    const struct phi_requirement *const *requirements;
    size_t n;
};

struct phi_decider { /* a policy that decided */
    struct phi_view id;  /* @id, else "policy<n>" counted from 0 */
    struct phi_view why; /* @why, may be empty */
};

struct phi_answer {
    enum phi_verdict verdict;
    bool partial; /* rests on something unknown: ask whoever knows it. The verdict is then PHI_DENY */
    const struct phi_alternative *alternatives; /* PHI_NEEDS: 1 to 16, minimal, each of 1 to 8 */
    size_t n_alternatives;
    const struct phi_decider *policies;
    size_t n_policies;
    struct phi_view reason; /* a sentence for people: who decided, or what is missing */
    const struct phi_obligation *const *obligations; /* PHI_ALLOW: it rests on these; who cannot meet all of them must refuse */
    size_t n_obligations;
};

/* Answers in `ret`, whose parts live in the arena and point into the bundle. PHI_NEEDS is advice:
 * only PHI_ALLOW with the requirements met makes a right. On any error (arena full, `met` in the
 * context, context no record) ret->verdict is PHI_DENY. */
enum phi_rc phi_decide(const struct phi_bundle *b, const struct phi_entities *es,
                       const struct phi_ask *ask, struct phi_arena *a, struct phi_answer *ret,
                       struct phi_err *err);

/* ---- deciding fast -------------------------------------------------------------------------
 * The same answers over entities and requests prepared once: no allocation and no comparison of
 * texts in a decision. A world is made of one bundle's view of entities, a query is made for one
 * world, a scratch belongs to one thread. */

struct phi_world; /* entities prepared for a bundle, which must outlive it; immutable once ready */

enum phi_rc phi_world_open(const struct phi_bundle *b, size_t limit, struct phi_world **ret, struct phi_err *err);
void phi_world_close(struct phi_world *w); /* NULL is fine */
/* As phi_entities_add; `tags` is a record or NULL. Everything is copied. */
enum phi_rc phi_world_add(struct phi_world *w, struct phi_uid uid, const struct phi_uid *parents, size_t n,
                          const struct phi_value *attrs, const struct phi_value *tags, struct phi_err *err);
/* All of `es` and its bases, which need not live on. */
enum phi_rc phi_world_add_all(struct phi_world *w, const struct phi_entities *es, struct phi_err *err);
/* Those of `es` alone, not of its bases. */
enum phi_rc phi_world_add_own(struct phi_world *w, const struct phi_entities *es, struct phi_err *err);
/* A world over `below`, which is ready, stands alone and must outlive this one; nothing of it is copied: a
 * request's tables over the organisation's people. PHI_ECONFLICT when such an entity is in `below` already, or
 * is there a parent: who is in what below stays as it is. */
enum phi_rc phi_world_over(const struct phi_world *below, size_t limit, struct phi_world **ret, struct phi_err *err);
/* No more entities: finds out who is in what. Afterwards any number of threads may use it.
 * PHI_ELIMIT when an entity has 4,096 ancestors or more. */
enum phi_rc phi_world_ready(struct phi_world *w, struct phi_err *err);

/* The world holds this entity. */
bool phi_world_has(const struct phi_world *w, struct phi_uid uid);

struct phi_query; /* a request prepared for a world, which must outlive it; immutable */

/* Refused as phi_decide refuses: what denies unseen is an answer, not an error. */
enum phi_rc phi_query_open(const struct phi_world *w, const struct phi_ask *ask, struct phi_query **ret,
                           struct phi_err *err);
void phi_query_close(struct phi_query *q); /* NULL is fine */

struct phi_scratch; /* memory for decisions of one thread, used again and again */

struct phi_scratch *phi_scratch_open(size_t limit); /* most bytes; NULL when out of memory */
void phi_scratch_close(struct phi_scratch *s);

enum phi_mode {
    PHI_MODE_DECIDE,  /* the verdict (of NEEDS, the alternatives; of an allow, its obligations); stops as soon as it is known */
    PHI_MODE_EXPLAIN, /* who decided too; no reason in words, which has to be written */
    PHI_MODE_REASON   /* all that phi_decide says */
};

/* As phi_decide; the parts of `ret` live until the scratch's next decision and point into bundle and world. */
enum phi_rc phi_world_decide(const struct phi_world *w, const struct phi_query *q, enum phi_mode mode,
                             struct phi_scratch *s, struct phi_answer *ret, struct phi_err *err);

/* Prepares the request in the scratch and decides: for requests that are asked once. As phi_world_decide. */
enum phi_rc phi_world_ask(const struct phi_world *w, const struct phi_ask *ask, enum phi_mode mode, struct phi_scratch *s,
                          struct phi_answer *ret, struct phi_err *err);

enum phi_swept { PHI_SWEPT_PRINCIPAL, PHI_SWEPT_ACTION, PHI_SWEPT_RESOURCE };

/* One request with one part in turn each of `uids`: their verdicts. What is partial is PHI_DENY. `can` counts for nothing:
 * verdicts alone carry no obligations. */
enum phi_rc phi_world_sweep(const struct phi_world *w, const struct phi_ask *ask, enum phi_swept swept,
                            const struct phi_uid *uids, size_t n, struct phi_scratch *s, enum phi_verdict *ret,
                            struct phi_err *err);

#endif
