/* Schemas written out, as text and as JSON. */
#include "policy/est.h"
#include "policy/schema_json.h"
#include "policy/types.h"

#include <string.h>

struct writer {
    struct phi_buf *b;
    bool json;
};

static void quoted(struct writer *w, struct phi_view s)
{
    struct phi_jw one;
    if (w->json) {
        phi_jw_init(&one, w->b);
        phi_jw_str(&one, s);
    } else {
        cedar_string_write(w->b, s);
    }
}

static void write_type(struct writer *w, const struct cedar_type *t);

static void write_attrs(struct writer *w, const struct cedar_type *t)
{
    phi_buf_adds(w->b, w->json ? "{\"type\":\"Record\",\"attributes\":{" : "{");
    for (size_t i = 0; i < t->n; i++) {
        const struct cedar_attr_type *a = &t->attrs[i];
        phi_buf_adds(w->b, i ? (w->json ? "," : ", ") : "");
        quoted(w, a->name);
        if (w->json && !a->required) { /* the flag stands inside of the type's own object */
            phi_buf_adds(w->b, ":{\"required\":false,");
            size_t at = w->b->n;
            write_type(w, a->type);
            if (phi_buf_ok(w->b) && w->b->n > at) /* without its brace */
                memmove(w->b->p + at, w->b->p + at + 1, w->b->n-- - at - 1);
            continue;
        }
        phi_buf_adds(w->b, a->required ? (w->json ? ":" : ": ") : "?: ");
        write_type(w, a->type);
    }
    phi_buf_adds(w->b, w->json ? "}}" : "}");
}

static void named(struct writer *w, const char *kind, struct phi_view name)
{
    phi_buf_printf(w->b, w->json ? "{\"type\":\"%s\",\"name\":\"" PHI_FMT "\"}" : "%.0s" PHI_FMT, kind, PHI_ARG(name));
}

static void simple(struct writer *w, const char *json, const char *text)
{
    phi_buf_printf(w->b, w->json ? "{\"type\":\"%s\"}" : "__cedar::%s", w->json ? json : text);
}

static void write_type(struct writer *w, const struct cedar_type *t)
{
    if (!phi_buf_ok(w->b))
        return;
    switch (t->kind) {
    case TYPE_BOOL: simple(w, "Boolean", "Bool"); return;
    case TYPE_LONG: simple(w, "Long", "Long"); return;
    case TYPE_STRING: simple(w, "String", "String"); return;
    case TYPE_ENTITY: named(w, "Entity", t->name); return;
    case TYPE_EXT:
        if (w->json)
            named(w, "Extension", phi_view_of(cedar_ext_name(t->ext)));
        else
            simple(w, "", cedar_ext_name(t->ext));
        return;
    case TYPE_SET:
        phi_buf_adds(w->b, w->json ? "{\"type\":\"Set\",\"element\":" : "Set<");
        write_type(w, t->elem);
        phi_buf_adds(w->b, w->json ? "}" : ">");
        return;
    case TYPE_RECORD: write_attrs(w, t); return;
    case TYPE_ANY:
    case TYPE_REF: w->b->bad = true; return;
    }
}

static void write_names(struct writer *w, const struct cedar_list *types)
{
    phi_buf_adds(w->b, "[");
    for (size_t i = 0; i < types->n; i++) {
        struct phi_view name = ((const struct cedar_type *)types->p[i])->name;
        phi_buf_adds(w->b, i ? ", " : "");
        phi_buf_printf(w->b, w->json ? "\"" PHI_FMT "\"" : PHI_FMT, PHI_ARG(name));
    }
    phi_buf_adds(w->b, "]");
}

static void write_ids(struct writer *w, const struct cedar_entity_type *e)
{
    phi_buf_adds(w->b, w->json ? "\"enum\":[" : " enum [");
    for (size_t i = 0; i < e->ids.n; i++) {
        phi_buf_adds(w->b, i ? ", " : "");
        quoted(w, *(const struct phi_view *)e->ids.p[i]);
    }
    phi_buf_adds(w->b, "]");
}

static void write_entity(struct writer *w, const struct cedar_entity_type *e, struct phi_view name)
{
    phi_buf_printf(w->b, w->json ? "\"" PHI_FMT "\":{" : "entity " PHI_FMT, PHI_ARG(name));
    if (e->ids.n > 0) {
        write_ids(w, e);
    } else {
        if (e->parents.n > 0 || w->json) {
            phi_buf_adds(w->b, w->json ? "\"memberOfTypes\":" : " in ");
            write_names(w, &e->parents);
        }
        if (e->attrs) {
            phi_buf_adds(w->b, w->json ? ",\"shape\":" : " = ");
            write_type(w, e->attrs);
        }
        if (e->tags) {
            phi_buf_adds(w->b, w->json ? ",\"tags\":" : " tags ");
            write_type(w, e->tags);
        }
    }
    phi_buf_adds(w->b, w->json ? "}" : ";\n");
}

static void write_parents(struct writer *w, const struct cedar_action *a)
{
    phi_buf_adds(w->b, w->json ? "\"memberOf\":[" : " in [");
    for (size_t i = 0; i < a->ancestors.n; i++) {
        struct phi_uid up = ((const struct cedar_action *)a->ancestors.p[i])->uid;
        phi_buf_adds(w->b, i ? ", " : "");
        if (!w->json) {
            phi_uid_write(w->b, up);
            continue;
        }
        phi_buf_adds(w->b, "{\"id\":");
        quoted(w, up.id);
        phi_buf_printf(w->b, ",\"type\":\"" PHI_FMT "\"}", PHI_ARG(up.type));
    }
    phi_buf_adds(w->b, "]");
}

static void write_action(struct writer *w, const struct cedar_action *a)
{
    phi_buf_adds(w->b, w->json ? "" : "action ");
    quoted(w, a->uid.id);
    phi_buf_adds(w->b, w->json ? ":{" : "");
    if (a->ancestors.n > 0 || w->json)
        write_parents(w, a);
    if (a->applies) {
        phi_buf_adds(w->b, w->json ? ",\"appliesTo\":{\"principalTypes\":" : " appliesTo { principal: ");
        write_names(w, &a->principals);
        phi_buf_adds(w->b, w->json ? ",\"resourceTypes\":" : ", resource: ");
        write_names(w, &a->resources);
        if (a->context) {
            phi_buf_adds(w->b, w->json ? ",\"context\":" : ", context: ");
            write_type(w, a->context);
        }
        phi_buf_adds(w->b, w->json ? "}" : " }");
    }
    phi_buf_adds(w->b, w->json ? "}" : ";\n");
}

static struct phi_view space_of(struct phi_view name)
{
    for (size_t i = name.n; i >= 2; i--)
        if (name.p[i - 1] == ':' && name.p[i - 2] == ':')
            return phi_view_upto(name, i - 2);
    return phi_view_upto(name, 0);
}

static void write_space(struct writer *w, const struct cedar_schema *s, struct phi_view space)
{
    size_t n = 0;
    if (w->json)
        phi_buf_printf(w->b, "\"" PHI_FMT "\":{\"entityTypes\":{", PHI_ARG(space));
    else if (space.n > 0)
        phi_buf_printf(w->b, "namespace " PHI_FMT " {\n", PHI_ARG(space));
    for (size_t i = 0; i < s->n_entities; i++) {
        struct phi_view name = s->entities[i]->name;
        if (!phi_view_eq(space_of(name), space))
            continue;
        phi_buf_adds(w->b, n++ && w->json ? "," : "");
        write_entity(w, s->entities[i], phi_view_from(name, space.n ? space.n + 2 : 0));
    }
    phi_buf_adds(w->b, w->json ? "},\"actions\":{" : "");
    n = 0;
    for (size_t i = 0; i < s->n_actions; i++) {
        if (!phi_view_eq(space_of(s->actions[i]->uid.type), space))
            continue;
        phi_buf_adds(w->b, n++ && w->json ? "," : "");
        write_action(w, s->actions[i]);
    }
    phi_buf_adds(w->b, w->json ? "}}" : space.n > 0 ? "}\n" : "");
}

/* The i-th thing's namespace, entities first. */
static struct phi_view space_at(const struct cedar_schema *s, size_t i)
{
    return space_of(i < s->n_entities ? s->entities[i]->name : s->actions[i - s->n_entities]->uid.type);
}

static void write_all(struct writer *w, const struct cedar_schema *s)
{
    phi_buf_adds(w->b, w->json ? "{" : "");
    size_t n = s->n_entities + s->n_actions, written = 0;
    for (size_t i = 0; i < n; i++) {
        bool before = false;
        for (size_t k = 0; k < i && !before; k++)
            before = phi_view_eq(space_at(s, k), space_at(s, i));
        if (before)
            continue;
        phi_buf_adds(w->b, written++ && w->json ? "," : "");
        write_space(w, s, space_at(s, i));
    }
    phi_buf_adds(w->b, w->json ? "}\n" : "");
}

void cedar_schema_to_json(struct phi_buf *b, const struct cedar_schema *s)
{
    struct writer w = { b, true };
    write_all(&w, s);
}

void cedar_schema_write(struct phi_buf *b, const struct cedar_schema *s)
{
    struct writer w = { b, false };
    write_all(&w, s);
}
