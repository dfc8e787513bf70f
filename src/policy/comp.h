/* The compiled form of policies, and entities and requests prepared for it.
 *
 * All texts are interned: a text is an address, an entity a number, so that a decision compares no
 * text. `struct comp` belongs to a bundle and is immutable once built; `struct phi_world` (entities)
 * is immutable once ready; `struct phi_query` (a request) is its owner's; `struct phi_scratch` is one
 * thread's. The tree walker (eval.c) is the reference: both must always agree. */
#ifndef POLICY_COMP_H
#define POLICY_COMP_H

#include "policy/bundle.h"
#include "policy/eval.h"
#include "policy/plain.h"

#define COMP_NONE UINT32_MAX /* no entity, no type, no node */

/* ---- texts ------------------------------------------------------------------------------------- */

struct comp_str { /* interned: the same text is the same address */
    uint32_t hash, n;
    uint8_t p[];
};

struct comp_strs { /* a table over another, which no longer changes */
    const struct comp_strs *below;
    const struct comp_str **slots;
    uint32_t cap, n; /* cap: 0 or a power of two */
};

const struct comp_str *comp_str_find(const struct comp_strs *t, struct phi_view text); /* or NULL */
/* Copies what is new into the arena; NULL when out of memory. */
const struct comp_str *comp_str_put(struct comp_strs *t, struct phi_arena *a, struct phi_view text);
void comp_strs_done(struct comp_strs *t);
void comp_strs_clear(struct comp_strs *t); /* empty, its room kept */
struct phi_view comp_str_view(const struct comp_str *s);

/* ---- values ------------------------------------------------------------------------------------ */

enum comp_kind {
    COMP_ABSENT, /* an attribute that is not there */
    COMP_ERROR,
    COMP_BAIL, /* rests on an unknown: comp_may.c tells */
    COMP_UNKNOWN,
    COMP_BOOL,
    COMP_LONG,
    COMP_STRING,
    COMP_ENTITY,
    COMP_DECIMAL,
    COMP_DATETIME,
    COMP_DURATION,
    COMP_IP,
    COMP_SET,
    COMP_RECORD
};

struct comp_val { /* two registers */
    uint32_t kind;
    uint32_t has_unknown; /* holds something unknown */
    union {
        int64_t i; /* also of BOOL: 0 or 1 */
        const struct comp_str *str;
        uint64_t id; /* ENTITY */
        const struct phi_value *ip;
        const struct comp_set *set;
        const struct comp_rec *rec;
        const struct cedar_pattern *pattern; /* in a node of LIKE only */
    } u;
};

struct comp_set { /* sorted by comp_cmp, no repetition */
    uint32_t n;
    struct comp_val items[];
};

struct comp_field {
    const struct comp_str *name;
    struct comp_val v;
};

struct comp_rec { /* sorted by the names' addresses */
    uint32_t n;
    struct comp_field fields[];
};

int comp_cmp(struct comp_val a, struct comp_val b); /* a total order within one process */
bool comp_eq(struct comp_val a, struct comp_val b);
bool comp_set_has(const struct comp_set *set, struct comp_val v);
const struct comp_val *comp_rec_get(const struct comp_rec *r, const struct comp_str *name); /* or NULL */
struct comp_set *comp_set_fresh(struct phi_arena *a, size_t n);
struct comp_rec *comp_rec_fresh(struct phi_arena *a, size_t n);
struct comp_val comp_set_done(struct comp_set *s); /* sorts, drops what repeats */
struct comp_val comp_rec_done(struct comp_rec *r);
struct comp_val comp_of_ext(const struct phi_value *v); /* an extension value, a Bool or a Long; NULL: an error */

struct comp_maker { /* makes values: who interns */
    struct phi_arena *arena;
    struct comp_strs *strs;
    uint32_t (*uid)(void *who, struct phi_uid uid); /* COMP_NONE when out of memory */
    void *who;
};
struct comp_val comp_make(const struct comp_maker *m, const struct phi_value *v); /* COMP_ERROR when out of memory */

/* ---- entities' names --------------------------------------------------------------------------- */

struct comp_ent {
    uint32_t type; /* COMP_NONE: of no type that policies or entities name */
    uint32_t reach, n_reach; /* into `reach` of the world: all ancestors, sorted. While it is filled: the parents */
    uint32_t keys;           /* into `keys`: which of its ancestors a scope names */
    uint16_t n_keys, n_attrs;
    bool present;
    bool above;   /* a parent of another */
    bool upper;   /* its numbers point into the upper world, and `attrs` is one record of all */
    uint8_t mark; /* how scopes name itself */
    const struct comp_str *id;
    const struct comp_val *attrs; /* by slot of its type */
    const struct comp_rec *tags;  /* or NULL */
};

struct comp_type {
    const struct comp_str *name;
    uint16_t *slots; /* of a world: by attribute's number */
    uint16_t n_slots;
};
#define COMP_NO_SLOT UINT16_MAX

/* Numbers for types and for entities; the texts are in `strs`. */
struct comp_names {
    struct comp_type *types;
    uint32_t n_types, cap_types;
    struct comp_ent *ents;
    uint32_t n_ents, cap_ents;
    uint32_t *slots; /* 1 + number */
    uint32_t cap_slots;
};
uint32_t comp_type_find(const struct comp_names *t, const struct comp_str *name); /* COMP_NONE: none */
uint32_t comp_type_put(struct comp_names *t, const struct comp_str *name);
uint32_t comp_uid_find(const struct comp_names *t, uint32_t type, const struct comp_str *id);
uint32_t comp_uid_put(struct comp_names *t, uint32_t type, const struct comp_str *id);
bool comp_names_copy(struct comp_names *to, const struct comp_names *from);
void comp_names_done(struct comp_names *t);
void comp_names_clear(struct comp_names *t); /* empty, its room kept; none has slots */

/* ---- compiled policies -------------------------------------------------------------------------- */

struct comp_node { /* operands stand before it */
    uint8_t op;     /* enum cedar_op */
    uint8_t var;    /* VAR */
    uint16_t fn;    /* CALL */
    uint32_t a, b;  /* nodes; of SET, RECORD, CALL: first of `kids`, and their number */
    uint32_t c;     /* IF: a node; GET, HAS: the attribute's number; IS: the type; RECORD: first of `names` */
    struct comp_val lit; /* LIT; GET and HAS: the attribute's name; LIKE: the pattern */
};

struct comp_scope {
    uint32_t kind; /* enum cedar_scope_kind */
    uint32_t type; /* IS, IS_IN */
    uint32_t uid;  /* the first of `uids`: most name one, and with many policies a look there is a look far away */
    uint32_t uids, n; /* into `scope_uids` */
};

struct comp_policy { /* what a decision needs stands together */
    struct comp_scope principal, resource;
    uint32_t conds, n_conds; /* into `kids`: all must be true */
    bool forbid, has_met;
    struct phi_decider named; /* its id and @why, as an explanation gives them */
    struct comp_scope action;
    const struct cedar_policy *src;
};

struct comp_list { /* policies by number, forbids first, each part in the text's order */
    const uint32_t *p;
    uint32_t n, n_forbids;
};

struct comp_bucket { /* those whose scope names these; COMP_NONE: names nothing */
    uint32_t action, principal, resource; /* action: its place in the schema */
    uint32_t only; /* a list of one stands here: most are, and it saves a look elsewhere */
    struct comp_list list;
};

/* How an entity stands in scopes: as principal or resource, beside another scope that names nothing or something. */
enum { COMP_P_ALONE = 1, COMP_P_BOTH = 2, COMP_R_ALONE = 4, COMP_R_BOTH = 8 };

struct comp_wanted { /* an attribute of the context that some policy asks for */
    struct phi_view name;
    const struct comp_str *str;
};

struct comp_action {
    uint32_t uid;
    const struct comp_wanted *wanted; /* the rest of its context needs no preparing: policies may not take it whole */
    uint32_t n_wanted;
    bool own;              /* phi's: permits for any action do not reach it */
    struct comp_list open; /* those that name neither principal nor resource */
};

struct comp {
    struct phi_arena arena;
    const struct cedar_schema *schema; /* or NULL */
    struct comp_strs strs;
    struct comp_names names;
    struct comp_node *nodes;
    uint32_t n_nodes, cap_nodes;
    uint32_t *kids;
    uint32_t n_kids, cap_kids;
    const struct comp_str **attrs; /* names of attributes that policies ask for */
    uint32_t n_attrs, cap_attrs;
    struct comp_names attr_numbers; /* of type 0: attribute's name -> number */
    uint32_t *scope_uids;
    uint32_t n_scope_uids, cap_scope_uids;
    struct comp_policy *policies;
    uint32_t n_policies;
    bool uses_tags;
    /* the index; only of a bundle */
    struct comp_action *actions; /* parallel to the schema's */
    struct comp_bucket *buckets;
    uint32_t cap_buckets; /* 0 or a power of two */
    uint8_t *filter;      /* a bit for each bucket's hash: small enough to stay near, it says where to look at all */
    uint32_t filter_mask; /* bits less 1 */
    uint8_t *marks;       /* by entity */
    bool any_action;      /* buckets for whatever action exist */
};

/* Compiles; `schema` may be NULL. The trees are borrowed and get their `code`. */
enum phi_rc comp_open(const struct cedar_policies *policies, const struct cedar_schema *schema, struct comp **ret,
                      struct phi_err *err);
void comp_close(struct comp *c);
/* Indexes by scope what `b` has by action. */
enum phi_rc comp_index(struct comp *c, const struct phi_bundle *b, struct phi_err *err);
struct comp_place { /* of those whose scope names just these; `action` past the schema's: for any */
    uint32_t action, principal, resource, hash;
};
/* False: there are none, for sure. Else where to look, which is on its way into the cache. */
bool comp_bucket_may(const struct comp *c, uint32_t action, uint32_t principal, uint32_t resource, struct comp_place *ret);
const struct comp_bucket *comp_bucket_find(const struct comp *c, const struct comp_place *at); /* NULL: none */
/* An entity and those of its ancestors that scopes name. */
struct comp_keys {
    const uint32_t *p;
    uint32_t n, self;
    uint8_t mark; /* of itself */
};
struct comp_lists {
    struct comp_list *p;
    uint32_t n, cap;
};
/* All policies whose scope may fit, each once; false when out of memory. */
bool comp_lists_find(const struct comp *c, const struct comp_action *action, const struct comp_keys *principal,
                     const struct comp_keys *resource, struct comp_lists *ret);
void comp_sort(uint32_t *p, uint32_t n);
/* comp_narrow.c: for the tree walker; leaves *ret, all policies of the action, where it cannot tell less. */
void comp_narrow(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask, size_t action,
                 struct phi_arena *a, struct cedar_index *ret);
/* Used by comp_open: an expression's node, COMP_NONE when out of memory. */
uint32_t comp_expr(struct comp *c, struct cedar_expr *e);
uint32_t comp_node_add(struct comp *c, struct comp_node n);
uint32_t comp_uid(struct comp *c, struct phi_uid uid);
uint32_t comp_type(struct comp *c, struct phi_view name);
/* A growing array: room for one more behind `n`; false when out of memory. */
bool comp_grow(void *array, uint32_t n, uint32_t *cap, size_t size);

/* ---- entities ----------------------------------------------------------------------------------- */

struct comp_over { /* what the upper world knows of an entity that only has a number below */
    uint32_t id;
    struct comp_ent ent;
};

/* A world stands alone, or over another: then its own entities are numbered after those, and nothing
 * of that one is copied. */
struct phi_world {
    const struct comp *c;
    const struct phi_bundle *b; /* NULL: without rules of phi (tests) */
    const struct phi_world *base; /* the one below; itself when it stands alone */
    struct comp_over *over; /* sorted by number */
    uint32_t n_over, cap_over;
    uint32_t n_all; /* entities of both, once ready */
    struct phi_arena arena;
    struct comp_strs strs;
    struct comp_names names;
    uint32_t *reach, *keys;
    uint32_t n_reach, cap_reach, n_keys, cap_keys;
    uint32_t *parents;
    uint32_t n_parents, cap_parents;
    bool ready;
};

struct phi_world *comp_world_open(const struct comp *c, size_t limit);
/* comp_upper.c: both worlds as one; COMP_NONE: unknown. */
uint32_t comp_world_type(const struct phi_world *w, const struct comp_str *name);
uint32_t comp_world_uid(const struct phi_world *w, uint32_t type, const struct comp_str *id);
uint32_t comp_world_types(const struct phi_world *w); /* how many */
uint32_t comp_world_put(struct phi_world *w, struct phi_uid uid); /* its number, new or not; COMP_NONE: out of memory */
/* The entity in the part that is this world's own, to be written; NULL: the one below has it. */
struct comp_ent *comp_world_own(struct phi_world *w, uint32_t id);
/* As comp_world_own, of one that is added now: refused when the one below knows it, or knows what is in it. */
enum phi_rc comp_world_enter(struct phi_world *w, uint32_t id, struct phi_uid uid, struct comp_ent **ret, struct phi_err *err);
const struct comp_ent *comp_upper_ent(const struct phi_world *w, uint32_t id);

static inline bool comp_is_upper(const struct phi_world *w)
{
    return w->base != w;
}

/* Of a number below `n_all`. */
static inline const struct comp_ent *comp_world_ent(const struct phi_world *w, uint32_t id)
{
    return comp_is_upper(w) ? comp_upper_ent(w, id) : &w->names.ents[id];
}

static inline const uint32_t *comp_reach_of(const struct phi_world *w, const struct comp_ent *e)
{
    return (e->upper ? w : w->base)->reach + e->reach;
}
enum phi_rc comp_world_add(struct phi_world *w, struct phi_uid uid, const struct phi_uid *parents, size_t n,
                           const struct phi_value *attrs, const struct phi_value *tags, struct phi_err *err);
bool comp_world_reach(struct phi_world *w, struct phi_err *err); /* comp_reach.c: fills reach from parents */

/* ---- requests ------------------------------------------------------------------------------------ */

struct phi_query {
    struct phi_arena arena;
    const struct phi_world *w;
    struct comp_strs strs;
    uint32_t vars[3]; /* by enum cedar_var */
    struct comp_val context;
    const struct comp_action *action; /* NULL: refused, or without a bundle */
    const struct cedar_type *context_type;
    struct phi_view action_id, refusal;
    struct cedar_alt met, lacks;
    struct comp_names locals; /* entities that the world lacks, numbered after its own */
};
/* comp_query.c, for a query that is used again: of another world, and for good. */
enum phi_rc comp_query_again(struct phi_query *q, const struct phi_world *w, const struct phi_ask *ask, struct phi_err *err);
void comp_query_done(struct phi_query *q);

/* A request without phi's checks (tests): whatever context. */
enum phi_rc comp_query_open(const struct phi_world *w, struct phi_uid principal, struct phi_uid action,
                            struct phi_uid resource, const struct phi_value *context, struct phi_query **ret,
                            struct phi_err *err);
uint32_t comp_query_uid(void *query, struct phi_uid uid);

/* ---- evaluating ---------------------------------------------------------------------------------- */

struct comp_env {
    const struct comp *c;
    const struct phi_world *w;
    const struct phi_query *q;
    struct phi_arena *arena;
};

struct comp_val comp_eval(const struct comp_env *x, uint32_t node); /* COMP_BAIL where unknowns are met */
unsigned comp_bits(const struct comp_env *x, uint32_t node);        /* as cedar_bits; unknowns too */
unsigned comp_may_bits(const struct comp_env *x, const struct cedar_expr *e); /* comp_may.c */
bool comp_scope_fits(const struct comp_env *x, const struct comp_policy *p);
const struct comp_ent *comp_ent(const struct comp_env *x, uint64_t id);
bool comp_in(const struct comp_env *x, uint64_t id, uint64_t ancestor);
/* The attribute of a record or an entity: COMP_ABSENT when it is not there, COMP_ERROR when `v` has none. */
struct comp_val comp_attr(const struct comp_env *x, struct comp_val v, const struct comp_node *n);
struct comp_val comp_fn(const struct comp_env *x, enum cedar_fn fn, const struct comp_val *args, uint32_t n);
bool comp_like(struct phi_view s, const struct cedar_pattern *p);
struct comp_val comp_in_op(const struct comp_env *x, struct comp_val a, struct comp_val b);
struct comp_val comp_binary(const struct comp_env *x, const struct comp_node *n, struct comp_val a, struct comp_val b);

/* Cedar's own answer, as cedar_plain_decide gives it. */
enum phi_rc comp_plain(const struct phi_world *w, const struct phi_query *q, struct phi_arena *a,
                       struct cedar_plain_answer *ret, struct phi_err *err);

#endif
