#include "policy/request.h"

#include <string.h>

#include "policy/conform.h"

bool phi_context_is_owned(struct phi_view attribute)
{
    static const struct {
        char name[14];
        uint8_t n; /* nearly all are told apart by it: this is asked for each attribute of each decision */
    } owned[] = {
#define OWNED(name) { name, sizeof(name) - 1 }
        OWNED("met"),     OWNED("can"),    OWNED("risk"),        OWNED("mfa_age"), OWNED("local"),    OWNED("now"),           OWNED("ticket"),   OWNED("on_call"),
        OWNED("country"), OWNED("device"), OWNED("environment"), OWNED("tags"),    OWNED("networks"), OWNED("justification"), OWNED("on_behalf"),
        OWNED("ticket_facts"),
#undef OWNED
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        if (owned[i].n == attribute.n && memcmp(owned[i].name, attribute.p, attribute.n) == 0)
            return true;
    return false;
}

/* Given by phi itself, never by a caller. */
static bool is_phis(struct phi_view name)
{
    return phi_view_is(name, "met") || phi_view_is(name, "can");
}

const struct phi_value *phi_context_unknowns(struct phi_arena *a, const struct phi_bundle *b,
                                             struct phi_uid action, const struct phi_value *seen)
{
    static const struct phi_value none = { .kind = PHI_VALUE_RECORD };
    const struct cedar_action *act = cedar_schema_action(&b->schema, action);
    const struct cedar_type *t = act ? act->context : NULL;
    if (!seen)
        seen = &none;
    if (!t)
        return seen;
    size_t n = seen->u.record.n;
    struct phi_attr *attrs = phi_arena_array(a, n + t->n + 1, sizeof *attrs);
    if (!attrs)
        return NULL;
    for (size_t i = 0; i < n; i++)
        attrs[i] = seen->u.record.attrs[i];
    for (size_t i = 0; i < t->n; i++)
        if (phi_context_is_owned(t->attrs[i].name) && !is_phis(t->attrs[i].name) &&
            !cedar_record_get(seen, t->attrs[i].name))
            attrs[n++] = (struct phi_attr){ t->attrs[i].name, phi_value_unknown() };
    return phi_value_record(a, attrs, n);
}

bool phi_context_declares(const struct phi_bundle *b, struct phi_uid action, struct phi_view member)
{
    const struct cedar_action *act = cedar_schema_action(&b->schema, action);
    return act && act->context && cedar_type_attr(act->context, member);
}

enum phi_rc phi_attrs_known(struct phi_arena *a, const struct phi_bundle *b, struct phi_view type,
                            const struct phi_value *given, const struct phi_value **ret, struct phi_err *err)
{
    const struct cedar_entity_type *t = cedar_schema_entity(&b->schema, type);
    size_t max = t && t->attrs ? t->attrs->n : 0, n = 0;
    struct phi_attr *attrs = phi_arena_array(a, max + 1, sizeof *attrs);
    if (!attrs)
        return phi_fail(err, PHI_ELIMIT, "the attributes need too much memory");
    for (size_t i = 0; i < max; i++) {
        const struct cedar_attr_type *want = &t->attrs->attrs[i];
        const struct phi_value *v = given ? cedar_record_get(given, want->name) : NULL;
        if (v && !cedar_value_fits(&b->schema, v, want->type))
            return phi_fail(err, PHI_EINPUT, "the property \"" PHI_FMT "\" of a " PHI_FMT " has another type than the schema says",
                            PHI_ARG(phi_view_upto(want->name, 64)), PHI_ARG(phi_view_upto(type, 64)));
        if (v)
            attrs[n++] = (struct phi_attr){ want->name, v };
    }
    *ret = phi_value_record(a, attrs, n);
    return *ret ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the attributes need too much memory");
}

static struct phi_view refuse_type(const struct phi_bundle *b, const struct cedar_action *act,
                                   const struct phi_ask *ask, struct phi_arena *a)
{
    const struct {
        const char *what;
        struct phi_uid uid;
        const struct cedar_list *list;
    } sides[] = { { "principal", ask->principal, &act->principals },
                  { "resource", ask->resource, &act->resources } };
    for (int i = 0; i < 2; i++) {
        if (!cedar_schema_has_type(&b->schema, sides[i].uid.type))
            return phi_arena_printf(a, "the schema has no entity type " PHI_FMT " (%s)",
                                    PHI_ARG(phi_view_upto(sides[i].uid.type, 80)), sides[i].what);
        if (!cedar_types_have(sides[i].list, sides[i].uid.type))
            return phi_arena_printf(a, "action " PHI_FMT " does not apply to a %s of type " PHI_FMT,
                                    PHI_ARG(act->uid.id), sides[i].what, PHI_ARG(sides[i].uid.type));
        if (!cedar_schema_has_uid(&b->schema, sides[i].uid))
            return phi_arena_printf(a, "the schema lists all entities of type " PHI_FMT ", and this %s is none of them",
                                    PHI_ARG(sides[i].uid.type), sides[i].what);
    }
    return (struct phi_view){ 0 };
}

/* Keeps what the schema declares; `*reason` when a part is missing or of another type. */
static const struct phi_value *make_context(const struct cedar_schema *s, const struct cedar_action *act,
                                            const struct phi_value *given, struct phi_arena *a,
                                            struct phi_view *reason)
{
    const struct cedar_type *t = act->context;
    size_t n = 0, max = t ? t->n : 0;
    struct phi_attr *attrs = phi_arena_array(a, max + 1, sizeof *attrs);
    for (size_t i = 0; attrs && i < max; i++) {
        const struct cedar_attr_type *want = &t->attrs[i];
        const struct phi_value *v = given ? cedar_record_get(given, want->name) : NULL;
        if (is_phis(want->name))
            continue;
        if (v && cedar_value_fits(s, v, want->type))
            attrs[n++] = (struct phi_attr){ want->name, v };
        else if (v || want->required)
            *reason = phi_arena_printf(a, "the context is %s: `" PHI_FMT "` %s",
                                       v ? "wrong" : "incomplete", PHI_ARG(want->name),
                                       v ? "has another type than the schema says" : "is missing");
    }
    return attrs ? phi_value_record(a, attrs, n) : NULL;
}

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
}

enum phi_rc cedar_request_make(const struct phi_bundle *b, const struct phi_entities *es,
                               const struct phi_ask *ask, struct phi_arena *a,
                               struct cedar_request *ret, struct phi_err *err)
{
    *ret = (struct cedar_request){ .env = { .entities = es, .schema = &b->schema, .arena = a } };
    if (ask->context && ask->context->kind != PHI_VALUE_RECORD)
        return phi_fail(err, PHI_EINPUT, "the context must be a record");
    if (phi_value_get(ask->context, "met") || phi_value_get(ask->context, "can"))
        return phi_fail(err, PHI_EINPUT, "the context may not carry `met` or `can`: phi gives them");
    ret->action = cedar_schema_action(&b->schema, ask->action);
    if (!ret->action) {
        ret->reason = phi_arena_printf(a, "the schema has no action " PHI_FMT "::\"" PHI_FMT "\"",
                                       PHI_ARG(phi_view_upto(ask->action.type, 80)),
                                       PHI_ARG(phi_view_upto(ask->action.id, 80)));
        return phi_arena_ok(a) ? PHI_OK : full(err);
    }
    ret->env.context_type = ret->action->context;
    ret->env.vars[VAR_PRINCIPAL] = phi_value_entity(a, ask->principal);
    ret->env.vars[VAR_ACTION] = phi_value_entity(a, ask->action);
    ret->env.vars[VAR_RESOURCE] = phi_value_entity(a, ask->resource);
    ret->reason = refuse_type(b, ret->action, ask, a);
    if (ret->reason.n == 0)
        ret->env.vars[VAR_CONTEXT] = make_context(&b->schema, ret->action, ask->context, a, &ret->reason);
    return phi_arena_ok(a) ? PHI_OK : full(err);
}
