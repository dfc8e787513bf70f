#include "policy/conform.h"

#include "policy/types.h"

#include "base/text.h"

#define MAX_PATH_NAMES 8

struct misfit { /* why a value does not fit */
    const struct phi_value *v; /* NULL: it is missing */
    const struct cedar_type *t; /* NULL: the schema does not have it */
    struct phi_view names[MAX_PATH_NAMES]; /* innermost first */
    size_t n;
};

static bool misfit(struct misfit *m, const struct phi_value *v, const struct cedar_type *t)
{
    *m = (struct misfit){ .v = v, .t = t };
    return false;
}

static bool at_name(struct misfit *m, struct phi_view name)
{
    if (m->n < MAX_PATH_NAMES)
        m->names[m->n++] = name;
    return false;
}

static bool fits(const struct cedar_schema *s, const struct phi_value *v, const struct cedar_type *t, struct misfit *m);

static bool record_fits(const struct cedar_schema *s, const struct phi_value *v, const struct cedar_type *t, struct misfit *m)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct cedar_attr_type *want = &t->attrs[i];
        const struct phi_value *part = cedar_record_get(v, want->name);
        bool ok = part ? fits(s, part, want->type, m) : !want->required || misfit(m, NULL, want->type);
        if (!ok)
            return at_name(m, want->name);
    }
    for (size_t i = 0; i < v->u.record.n; i++)
        if (!cedar_type_attr(t, v->u.record.attrs[i].name)) {
            misfit(m, v->u.record.attrs[i].value, NULL);
            return at_name(m, v->u.record.attrs[i].name);
        }
    return true;
}

static bool set_fits(const struct cedar_schema *s, const struct phi_value *v, const struct cedar_type *elem, struct misfit *m)
{
    for (size_t i = 0; elem && i < v->u.set.n; i++)
        if (!fits(s, v->u.set.items[i], elem, m))
            return at_name(m, PHI_LIT("[]"));
    return true;
}

static bool kind_fits(const struct phi_value *v, const struct cedar_type *t)
{
    switch (v->kind) {
    case PHI_VALUE_BOOL: return t->kind == TYPE_BOOL;
    case PHI_VALUE_LONG: return t->kind == TYPE_LONG;
    case PHI_VALUE_STRING: return t->kind == TYPE_STRING;
    case PHI_VALUE_ENTITY: return t->kind == TYPE_ENTITY && phi_view_eq(t->name, v->u.uid.type);
    case PHI_VALUE_EXT: return t->kind == TYPE_EXT && t->ext == v->u.ext.kind;
    case PHI_VALUE_SET: return t->kind == TYPE_SET;
    case PHI_VALUE_RECORD: return t->kind == TYPE_RECORD;
    case PHI_VALUE_UNKNOWN: return true;
    }
    return false;
}

static bool fits(const struct cedar_schema *s, const struct phi_value *v, const struct cedar_type *t, struct misfit *m)
{
    if (!kind_fits(v, t))
        return misfit(m, v, t);
    if (v->kind == PHI_VALUE_SET)
        return set_fits(s, v, t->elem, m);
    if (v->kind == PHI_VALUE_RECORD)
        return record_fits(s, v, t, m);
    return v->kind != PHI_VALUE_ENTITY || cedar_schema_has_uid(s, v->u.uid) || misfit(m, v, t);
}

bool cedar_value_fits(const struct cedar_schema *s, const struct phi_value *v, const struct cedar_type *t)
{
    struct misfit m;
    return fits(s, v, t, &m);
}

/* ---- messages ---------------------------------------------------------------------------------- */

static const char *kind_name(const struct phi_value *v)
{
    switch (v->kind) {
    case PHI_VALUE_BOOL: return "a Bool";
    case PHI_VALUE_LONG: return "a Long";
    case PHI_VALUE_STRING: return "a String";
    case PHI_VALUE_ENTITY: return "an entity";
    case PHI_VALUE_SET: return "a set";
    case PHI_VALUE_RECORD: return "a record";
    case PHI_VALUE_EXT: return cedar_ext_name(v->u.ext.kind);
    case PHI_VALUE_UNKNOWN: return "something unknown";
    }
    return "?";
}

static void write_uid(struct phi_buf *b, struct phi_uid uid)
{
    phi_uid_write(b, (struct phi_uid){ phi_view_upto(uid.type, 60), phi_view_upto(uid.id, 60) });
}

static enum phi_rc say(const char *what, const struct misfit *m, struct phi_err *err)
{
    PHI_BUF(path, 600);
    PHI_BUF(why, 600);
    for (size_t i = m->n; i-- > 0;) {
        bool elem = phi_view_is(m->names[i], "[]");
        phi_buf_adds(&path, elem || i + 1 == m->n ? "" : ".");
        phi_text_escape(&path, phi_view_upto(m->names[i], 60), false);
    }
    if (!m->v) {
        phi_buf_adds(&why, "is missing; the schema requires ");
        cedar_type_write(&why, m->t);
    } else if (!m->t) {
        phi_buf_adds(&why, "is not in the schema");
    } else if (m->v->kind == PHI_VALUE_ENTITY && m->t->kind == TYPE_ENTITY) {
        phi_buf_adds(&why, "must be one of ");
        cedar_type_write(&why, m->t);
        phi_buf_adds(&why, ", not ");
        write_uid(&why, m->v->u.uid);
    } else {
        phi_buf_adds(&why, "must be ");
        cedar_type_write(&why, m->t);
        phi_buf_printf(&why, ", not %s", kind_name(m->v));
    }
    return phi_fail(err, PHI_EINPUT, "%s: `%s` %s", what, phi_buf_str(&path), phi_buf_str(&why));
}

static enum phi_rc entity_fail(const struct cedar_entity *e, const char *what, struct phi_err *err)
{
    PHI_BUF(name, 600);
    write_uid(&name, e->uid);
    return phi_fail(err, PHI_EINPUT, "%s %s", phi_buf_str(&name), what);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static enum phi_rc conform_side(const struct cedar_schema *s, const struct cedar_action *act, const char *what,
                                struct phi_uid uid, const struct cedar_list *types, struct phi_err *err)
{
    if (!cedar_schema_has_type(s, uid.type))
        return phi_fail(err, PHI_EINPUT, "the schema has no entity type " PHI_FMT " (%s)",
                        PHI_ARG(phi_view_upto(uid.type, 80)), what);
    if (!cedar_types_have(types, uid.type))
        return phi_fail(err, PHI_EINPUT, "action " PHI_FMT " does not apply to a %s of type " PHI_FMT,
                        PHI_ARG(phi_view_upto(act->uid.id, 60)), what, PHI_ARG(phi_view_upto(uid.type, 60)));
    if (!cedar_schema_has_uid(s, uid))
        return phi_fail(err, PHI_EINPUT, "the schema lists all entities of type " PHI_FMT ", and this %s is none of them",
                        PHI_ARG(phi_view_upto(uid.type, 60)), what);
    return PHI_OK;
}

enum phi_rc cedar_conform_request(const struct cedar_schema *s, struct phi_uid principal, struct phi_uid action,
                                  struct phi_uid resource, const struct phi_value *context, struct phi_err *err)
{
    static const struct cedar_type empty = { .kind = TYPE_RECORD };
    static const struct phi_value none = { .kind = PHI_VALUE_RECORD };
    const struct cedar_action *act = cedar_schema_action(s, action);
    struct misfit m = { 0 };
    if (!act)
        return phi_fail(err, PHI_EINPUT, "the schema has no action " PHI_FMT "::\"" PHI_FMT "\"",
                        PHI_ARG(phi_view_upto(action.type, 60)), PHI_ARG(phi_view_upto(action.id, 60)));
    PHI_TRY(conform_side(s, act, "principal", principal, &act->principals, err));
    PHI_TRY(conform_side(s, act, "resource", resource, &act->resources, err));
    if (!fits(s, context ? context : &none, act->context ? act->context : &empty, &m))
        return say("context", &m, err);
    return PHI_OK;
}

/* ---- entities ------------------------------------------------------------------------------------ */

static bool is_parent(const struct cedar_entity *e, struct phi_uid up)
{
    for (size_t i = 0; i < e->n_parents; i++)
        if (phi_uid_eq(e->parents[i], up))
            return true;
    return false;
}

/* An action stands among entities only as the schema has it. */
static enum phi_rc conform_action(const struct cedar_schema *s, const struct cedar_entity *e, struct phi_err *err)
{
    const struct cedar_action *act = cedar_schema_action(s, e->uid);
    bool same = act && e->attrs->u.record.n == 0 && e->tags->u.record.n == 0;
    for (size_t i = 0; same && i < e->n_parents; i++)
        same = !phi_uid_eq(act->uid, e->parents[i]) && cedar_action_in(act, e->parents[i]);
    for (size_t i = 0; same && i < act->ancestors.n; i++) {
        const struct cedar_action *up = act->ancestors.p[i];
        same = is_parent(e, up->uid);
        for (size_t k = 0; !same && k < e->n_parents; k++) {
            const struct cedar_action *parent = cedar_schema_action(s, e->parents[k]);
            same = parent && cedar_action_in(parent, up->uid);
        }
    }
    return same ? PHI_OK : entity_fail(e, act ? "is another action than the schema says" : "is no action of the schema", err);
}

static enum phi_rc conform_tags(const struct cedar_schema *s, const struct cedar_entity *e, const struct cedar_type *t,
                                struct phi_err *err)
{
    struct misfit m = { 0 };
    for (size_t i = 0; i < e->tags->u.record.n; i++) {
        const struct phi_attr *tag = &e->tags->u.record.attrs[i];
        if (t ? fits(s, tag->value, t, &m) : misfit(&m, tag->value, NULL))
            continue;
        at_name(&m, tag->name);
        PHI_BUF(what, 600);
        phi_buf_adds(&what, "tags of ");
        write_uid(&what, e->uid);
        return say(phi_buf_str(&what), &m, err);
    }
    return PHI_OK;
}

static bool may_be_in(const struct cedar_entity_type *t, struct phi_view up)
{
    for (size_t i = 0; i < t->ancestors.n; i++)
        if (phi_view_eq(((const struct cedar_entity_type *)t->ancestors.p[i])->name, up))
            return true;
    return false;
}

enum phi_rc cedar_conform_entity(const struct cedar_schema *s, const struct cedar_entity *e, struct phi_err *err)
{
    static const struct cedar_type empty = { .kind = TYPE_RECORD };
    const struct cedar_entity_type *t = cedar_schema_entity(s, e->uid.type);
    struct misfit m = { 0 };
    if (!t)
        return cedar_schema_has_action_type(s, e->uid.type) ? conform_action(s, e, err) :
                                                              entity_fail(e, "has a type that the schema lacks", err);
    if (!cedar_schema_has_uid(s, e->uid))
        return entity_fail(e, "is not among the entities that the schema lists for its type", err);
    if (!fits(s, e->attrs, t->attrs ? t->attrs : &empty, &m)) {
        PHI_BUF(what, 600);
        write_uid(&what, e->uid);
        return say(phi_buf_str(&what), &m, err);
    }
    for (size_t i = 0; i < e->n_parents; i++) {
        struct phi_uid up = e->parents[i];
        if (!may_be_in(t, up.type) || !cedar_schema_has_uid(s, up))
            return entity_fail(e, "has a parent of a type that the schema does not let it be in", err);
    }
    return conform_tags(s, e, t->tags, err);
}

enum phi_rc cedar_conform_entities(const struct cedar_schema *s, const struct phi_entities *es, struct phi_err *err)
{
    struct cedar_entities_walk at = { 0 };
    for (const struct cedar_entity *e; (e = cedar_entities_next(es, &at));)
        PHI_TRY(cedar_conform_entity(s, e, err));
    return cedar_entities_no_ring(es, err);
}
