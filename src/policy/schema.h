/* Schema: entity types, actions and their groups, types of contexts (cedar-docs, "Schema grammar").
 * Built once by cedar_schema_parse, immutable afterwards. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "policy/ext.h"
#include "policy/lex.h"

enum cedar_type_kind {
    TYPE_BOOL,
    TYPE_LONG,
    TYPE_STRING,
    TYPE_ENTITY,
    TYPE_SET,
    TYPE_RECORD,
    TYPE_EXT,
    TYPE_ANY, /* not known statically; no schema text gives it */
    TYPE_REF  /* a name, before it is resolved */
};

struct cedar_attr_type {
    struct phi_view name;
    struct cedar_type *type;
    bool required;
};

enum cedar_ref_of { REF_ANY, REF_ENTITY, REF_COMMON };
enum cedar_truth { TRUTH_ANY, TRUTH_TRUE, TRUTH_FALSE };

struct cedar_type {
    enum cedar_type_kind kind;
    enum cedar_ext ext;
    enum cedar_truth truth; /* BOOL: validation may know which */
    bool busy, done; /* being resolved (a ring shows so); resolved */
    struct cedar_place at;
    struct phi_view name;  /* ENTITY: full name, empty for any; REF: as written */
    struct phi_view space; /* REF: namespace that it stands in */
    enum cedar_ref_of of;  /* REF: what it may name (JSON tells) */
    struct cedar_type *elem; /* SET; NULL: any */
    const struct cedar_attr_type *attrs; /* RECORD */
    size_t n;
};

struct cedar_entity_type {
    struct phi_view name;
    struct cedar_place at;
    struct cedar_type *attrs; /* NULL: none */
    struct cedar_type *tags;
    struct cedar_list parents; /* cedar_type REFs to entity types */
    struct cedar_list ids;     /* phi_view: of an enumeration */
    struct cedar_list ancestors; /* cedar_entity_type: parents and theirs, itself where it is its own */
    const void *seen;            /* while ancestors are gathered */
};

struct cedar_action {
    struct phi_uid uid;
    struct cedar_place at;
    struct cedar_list refs;       /* cedar_ref: parents as written */
    struct cedar_list ancestors;  /* cedar_action: parents and theirs, each once */
    bool applies;                 /* it has an appliesTo */
    struct cedar_list principals; /* cedar_type: ENTITY */
    struct cedar_list resources;
    struct cedar_type *context;   /* RECORD; NULL: empty */
    unsigned mark;                /* while ancestors are gathered */
};

struct cedar_common {
    struct phi_view name;
    struct cedar_type *type;
};

struct cedar_schema {
    struct cedar_action **actions; /* sorted by uid */
    size_t n_actions;
    struct cedar_entity_type **entities; /* sorted by name */
    size_t n_entities;
    struct cedar_list common; /* cedar_common */
};

enum phi_rc cedar_schema_parse(struct phi_arena *a, struct phi_view text, const char *file,
                               struct cedar_schema *ret, struct phi_err *err);

struct cedar_action *cedar_schema_action(const struct cedar_schema *s, struct phi_uid uid);
const struct cedar_entity_type *cedar_schema_entity(const struct cedar_schema *s,
                                                    struct phi_view type);
/* An entity of type `type` may be in one of type `up`: the same type counts. */
bool cedar_type_in(const struct cedar_schema *s, struct phi_view type, struct phi_view up);
/* The schema has this action, or this type, and lists the id where it is an enumeration. */
bool cedar_schema_has_uid(const struct cedar_schema *s, struct phi_uid uid);
bool cedar_schema_has_action_type(const struct cedar_schema *s, struct phi_view type);
/* An entity type or the type of an action. */
bool cedar_schema_has_type(const struct cedar_schema *s, struct phi_view type);
bool cedar_action_in(const struct cedar_action *a, struct phi_uid group); /* itself counts */
bool cedar_types_have(const struct cedar_list *entity_types, struct phi_view type);
bool cedar_action_applies(const struct cedar_action *a, struct phi_view principal_type,
                          struct phi_view resource_type);
const struct cedar_attr_type *cedar_type_attr(const struct cedar_type *record,
                                              struct phi_view name); /* NULL: none */

/* Cedar's JSON read with the schema's help, which lets people leave out __entity and __extn. `t` and
 * `schema` may be NULL. */
enum phi_rc cedar_value_from_json(struct phi_arena *a, const struct phi_json *v,
                                  const struct cedar_type *t, const struct phi_value **ret,
                                  struct phi_err *err);
enum phi_rc cedar_entities_add_json(struct phi_entities *es, const struct cedar_schema *schema,
                                    const struct phi_json *array, struct phi_err *err);

/* Between schema.c and schema_parse.c */
struct cedar_ref {
    struct phi_view type; /* empty: an action of the same namespace */
    struct phi_view id, space;
    struct cedar_place at;
};
struct cedar_schema_draft {
    struct cedar_list actions, entities, common;
};
enum phi_rc cedar_schema_read(struct cedar_lex *l, struct cedar_schema_draft *d);
enum phi_rc cedar_schema_link(struct cedar_lex *l, const struct cedar_schema_draft *d,
                              struct cedar_schema *s);
struct phi_view cedar_qualified(struct phi_arena *a, struct phi_view space, struct phi_view name);

#endif
