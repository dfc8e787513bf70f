/* What phi relies on in a bundle's schema. Cedar can neither reopen nor unite types, so whoever writes a
 * schema carries these along (`phi policy init`), and loading holds the schema against them:
 *   types: there, with these parents and attributes; an attribute of their own must be optional, since
 *     phi fills in none;
 *   actions: there, in these groups, for these principals and resources; a part of the context that phi
 *     gives has this type, and a required one of their own would never be given. */
#include "policy/bundle.h"
#include "policy/types.h"

#include <stdarg.h>
#include <stdio.h>

#define RESOURCES "principal: [Person, Service], resource: [Target, Schema, Table, Column, Function], context: Given"

static const char relied[] =
    "entity Group; entity Person in [Group]; entity Account; entity Service; entity Gateway;"
    "entity Target; entity Schema in [Target]; entity Table in [Schema]; entity Function in [Schema];"
    "entity Column in [Table];"
    "entity Request = { requesters: Set<Person>, requirement: String, risk: Long, target: Target, schema?: Schema,"
    "  table?: Table, column?: Column, function?: Function };"
    "type Given = { met: Set<String>, can: Set<String>, risk?: Long, mfa_age?: duration,"
    "  local?: { hour: Long, minute: Long, weekday: Long }, now?: datetime, ticket?: String,"
    "  ticket_facts?: { open: Bool, assigned: Bool, title: String }, on_call?: Bool,"
    "  country?: String, device?: String, environment?: String, tags?: Set<String>, networks?: Set<String>,"
    "  justification?: String, on_behalf?: Set<Person>, addr?: String, application?: String, session?: String,"
    "  statement?: { kind?: String, tables?: Long, has_where?: Bool, text_bytes?: Long } };"
    "action \"pg:read\", \"pg:write\", \"pg:admin\", \"pg:connect\", \"pg:set\" appliesTo { " RESOURCES " };"
    "action \"pg:select\" in [\"pg:read\"] appliesTo { " RESOURCES " };"
    "action \"pg:insert\", \"pg:update\", \"pg:delete\", \"pg:truncate\", \"pg:call\", \"pg:copy\" in [\"pg:write\"]"
    "  appliesTo { " RESOURCES " };"
    "action \"pg:ddl\" in [\"pg:admin\"] appliesTo { " RESOURCES " };"
    "namespace phi { action \"approve\" appliesTo { principal: [Person, Service], resource: [Request], context: Given }; }";

struct rely {
    struct phi_arena *arena;
    const struct cedar_schema *have;
    struct phi_err *err;
    unsigned fuel;
};

static enum phi_rc lacks(struct rely *r, struct cedar_place at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static enum phi_rc lacks(struct rely *r, struct cedar_place at, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (at.line == 0)
        return phi_fail(r->err, PHI_EINPUT, CEDAR_SCHEMA_FILE ": phi relies on %s; see `phi policy init`", text);
    return phi_fail(r->err, PHI_EINPUT, CEDAR_SCHEMA_FILE ":%u:%u: phi relies on %s; see `phi policy init`", at.line,
                    at.col, text);
}

/* `given`: what the schema leaves out is not passed on (contexts); else it must be there (entities). */
static enum phi_rc check_record(struct rely *r, const char *of, struct cedar_place at, const struct cedar_type *want,
                                const struct cedar_type *have, bool given)
{
    PHI_BUF(type, 300);
    for (size_t i = 0; want && i < want->n; i++) {
        const struct cedar_attr_type *w = &want->attrs[i], *h = cedar_type_attr(have, w->name);
        cedar_type_write(&type, w->type);
        if (!h && given && (!w->required || phi_view_is(w->name, "can")))
            phi_buf_clear(&type);
        else if (!h)
            return lacks(r, at, "`" PHI_FMT "%s: %s` in %s", PHI_ARG(w->name), w->required ? "" : "?", phi_buf_str(&type), of);
        else if (!cedar_type_lub(r->arena, w->type, h->type, &r->fuel))
            return lacks(r, h->type->at, "`" PHI_FMT "` in %s being %s", PHI_ARG(w->name), of, phi_buf_str(&type));
        else if (!h->required && phi_view_is(w->name, "can"))
            return lacks(r, h->type->at, "`can: Set<String>` in %s being required: phi always gives it", of);
        else if (h->required && !w->required)
            return lacks(r, h->type->at, "`" PHI_FMT "?` in %s being optional: it is not always known", PHI_ARG(w->name), of);
        phi_buf_clear(&type);
    }
    for (size_t i = 0; have && i < have->n; i++)
        if (have->attrs[i].required && !cedar_type_attr(want, have->attrs[i].name))
            return lacks(r, have->attrs[i].type->at, "nothing in %s being required that phi does not give; write `" PHI_FMT "?`",
                         of, PHI_ARG(phi_view_upto(have->attrs[i].name, 40)));
    return PHI_OK;
}

static enum phi_rc check_entity(struct rely *r, const struct cedar_entity_type *want)
{
    const struct cedar_entity_type *have = cedar_schema_entity(r->have, want->name);
    char of[80];
    if (!have)
        return lacks(r, (struct cedar_place){ 0 }, "`entity " PHI_FMT "`", PHI_ARG(want->name));
    if (have->ids.n > 0)
        return lacks(r, have->at, "`" PHI_FMT "` being no enumeration", PHI_ARG(want->name));
    for (size_t i = 0; i < want->parents.n; i++) {
        const struct cedar_type *up = want->parents.p[i];
        if (!cedar_type_in(r->have, want->name, up->name))
            return lacks(r, have->at, "`entity " PHI_FMT " in [" PHI_FMT "]`", PHI_ARG(want->name), PHI_ARG(up->name));
    }
    snprintf(of, sizeof of, "entity " PHI_FMT, PHI_ARG(want->name));
    return check_record(r, of, have->at, want->attrs, have->attrs, false);
}

static enum phi_rc check_types(struct rely *r, const struct cedar_action *have, const char *what,
                               const struct cedar_list *want, const struct cedar_list *got)
{
    for (size_t i = 0; i < want->n; i++) {
        struct phi_view name = ((const struct cedar_type *)want->p[i])->name;
        if (!cedar_types_have(got, name))
            return lacks(r, have->at, "action \"" PHI_FMT "\" having " PHI_FMT " among its %ss", PHI_ARG(have->uid.id),
                         PHI_ARG(name), what);
    }
    return PHI_OK;
}

static enum phi_rc check_action(struct rely *r, const struct cedar_action *want)
{
    const struct cedar_action *have = cedar_schema_action(r->have, want->uid);
    char of[80];
    if (!have)
        return lacks(r, (struct cedar_place){ 0 }, "action " PHI_FMT "::\"" PHI_FMT "\"", PHI_ARG(want->uid.type),
                     PHI_ARG(want->uid.id));
    for (size_t i = 0; i < want->ancestors.n; i++) {
        const struct cedar_action *up = want->ancestors.p[i];
        if (!cedar_action_in(have, up->uid))
            return lacks(r, have->at, "action \"" PHI_FMT "\" being in \"" PHI_FMT "\"", PHI_ARG(want->uid.id),
                         PHI_ARG(up->uid.id));
    }
    snprintf(of, sizeof of, "the context of \"" PHI_FMT "\"", PHI_ARG(want->uid.id));
    PHI_TRY(check_types(r, have, "principal", &want->principals, &have->principals));
    PHI_TRY(check_types(r, have, "resource", &want->resources, &have->resources));
    return check_record(r, of, have->at, want->context, have->context, true);
}

enum phi_rc cedar_rely_check(struct phi_arena *a, const struct cedar_schema *have, struct phi_err *err)
{
    struct rely r = { .arena = a, .have = have, .err = err, .fuel = CEDAR_TYPE_FUEL };
    struct cedar_schema want;
    PHI_TRY(cedar_schema_parse(a, phi_view_of(relied), "what phi relies on", &want, err));
    for (size_t i = 0; i < want.n_entities; i++)
        PHI_TRY(check_entity(&r, want.entities[i]));
    for (size_t i = 0; i < want.n_actions; i++)
        PHI_TRY(check_action(&r, want.actions[i]));
    return PHI_OK;
}
