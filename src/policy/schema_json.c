/* Schemas as JSON (cedar-docs, "JSON schema format"): read into the same draft as the text, written from
 * the schema with its names resolved (common types are then spelled out where they are used). */
#include "policy/schema_json.h"
#include "policy/types.h"

struct sj {
    struct phi_arena *arena;
    struct phi_err *err;
    struct phi_view space; /* namespace in hand */
    unsigned depth;
};

static enum phi_rc full(struct sj *r)
{
    return phi_fail(r->err, PHI_ELIMIT, "the schema is too large");
}

static enum phi_rc bad(struct sj *r, const char *what, struct phi_view name)
{
    return phi_fail(r->err, PHI_EINPUT, "schema: %s `" PHI_FMT "`", what, PHI_ARG(phi_view_upto(name, 60)));
}

static enum phi_rc only(struct sj *r, const struct phi_json *v, const char *const *keys, struct phi_view name)
{
    if (!v || v->kind != PHI_JSON_OBJ)
        return bad(r, "expected an object for", name);
    return phi_json_only(v, keys, r->err);
}

static enum phi_rc list_of(struct sj *r, const struct phi_json *v, const char *key, const struct phi_json **ret)
{
    static const struct phi_json none = { .kind = PHI_JSON_ARR };
    *ret = phi_json_get(v, key);
    if (!*ret)
        *ret = &none;
    return (*ret)->kind == PHI_JSON_ARR ? PHI_OK : bad(r, "expected a list for", phi_view_of(key));
}

/* ---- types -------------------------------------------------------------------------------------- */

static enum phi_rc new_type(struct sj *r, enum cedar_type_kind kind, struct cedar_type **ret)
{
    *ret = phi_arena_new(r->arena, struct cedar_type);
    if (!*ret)
        return full(r);
    (*ret)->kind = kind;
    return PHI_OK;
}

static enum phi_rc new_ref(struct sj *r, struct phi_view name, enum cedar_ref_of of, struct cedar_type **ret)
{
    if (!cedar_is_path(name, false))
        return bad(r, "this is no type's name:", name);
    PHI_TRY(new_type(r, TYPE_REF, ret));
    (*ret)->name = name;
    (*ret)->space = r->space;
    (*ret)->of = of;
    return PHI_OK;
}

static enum phi_rc read_type(struct sj *r, const struct phi_json *v, struct cedar_type **ret);

static enum phi_rc read_record(struct sj *r, const struct phi_json *v, struct cedar_type **ret)
{
    const struct phi_json *attrs = phi_json_get(v, "attributes");
    if (!attrs || attrs->kind != PHI_JSON_OBJ)
        return bad(r, "a Record needs an object", PHI_LIT("attributes"));
    struct cedar_attr_type *list = phi_arena_array(r->arena, attrs->n + 1, sizeof *list);
    if (!list)
        return full(r);
    PHI_TRY(new_type(r, TYPE_RECORD, ret));
    for (size_t i = 0; i < attrs->n; i++) {
        const struct phi_json *required = phi_json_get(&attrs->items[i], "required");
        list[i].name = attrs->keys[i];
        list[i].required = true;
        if (required && !phi_json_bool(required, &list[i].required))
            return bad(r, "required must be true or false for", attrs->keys[i]);
        PHI_TRY(read_type(r, &attrs->items[i], &list[i].type));
    }
    (*ret)->attrs = list;
    (*ret)->n = attrs->n;
    return PHI_OK;
}

static enum phi_rc read_named(struct sj *r, const struct phi_json *v, struct phi_view type, struct cedar_type **ret)
{
    static const struct {
        const char *name;
        enum cedar_type_kind kind;
    } simple[] = { { "Long", TYPE_LONG }, { "String", TYPE_STRING }, { "Boolean", TYPE_BOOL } };
    struct phi_view name = phi_json_text(v, "name");
    for (size_t i = 0; i < 3; i++)
        if (phi_view_is(type, simple[i].name))
            return new_type(r, simple[i].kind, ret);
    if (phi_view_is(type, "Entity"))
        return new_ref(r, name, REF_ENTITY, ret);
    if (phi_view_is(type, "EntityOrCommon"))
        return new_ref(r, name, REF_ANY, ret);
    if (!phi_view_is(type, "Extension"))
        return new_ref(r, type, REF_COMMON, ret);
    PHI_TRY(new_type(r, TYPE_EXT, ret));
    return cedar_ext_find(name, &(*ret)->ext) ? PHI_OK : bad(r, "there is no extension type", name);
}

static enum phi_rc read_type(struct sj *r, const struct phi_json *v, struct cedar_type **ret)
{
    static const char *const keys[] = { "type", "element", "attributes", "name", "required", "additionalAttributes", "annotations", NULL };
    struct phi_view type = phi_json_text(v, "type");
    const struct phi_json *open = phi_json_get(v, "additionalAttributes");
    PHI_TRY(only(r, v, keys, PHI_LIT("a type")));
    if (open && (open->kind != PHI_JSON_BOOL || open->b))
        return bad(r, "records are closed: leave out", PHI_LIT("additionalAttributes"));
    if (++r->depth > PHI_MAX_SCHEMA_DEPTH)
        return phi_fail(r->err, PHI_ELIMIT, "schema: nested more than %d levels deep", PHI_MAX_SCHEMA_DEPTH);
    if (phi_view_is(type, "Record")) {
        PHI_TRY(read_record(r, v, ret));
    } else if (phi_view_is(type, "Set")) {
        const struct phi_json *element = phi_json_get(v, "element");
        PHI_TRY(new_type(r, TYPE_SET, ret));
        if (!element)
            return bad(r, "a Set needs", PHI_LIT("element"));
        PHI_TRY(read_type(r, element, &(*ret)->elem));
    } else {
        PHI_TRY(read_named(r, v, type, ret));
    }
    r->depth--;
    return PHI_OK;
}

static enum phi_rc read_refs(struct sj *r, const struct phi_json *v, const char *key, struct cedar_list *ret)
{
    const struct phi_json *list = NULL;
    PHI_TRY(list_of(r, v, key, &list));
    for (size_t i = 0; i < list->n; i++) {
        struct cedar_type *t = NULL;
        if (list->items[i].kind != PHI_JSON_STR)
            return bad(r, "expected names of entity types in", phi_view_of(key));
        PHI_TRY(new_ref(r, list->items[i].str, REF_ENTITY, &t));
        if (!cedar_list_add(r->arena, ret, t))
            return full(r);
    }
    return PHI_OK;
}

/* ---- declarations ---------------------------------------------------------------------------------- */

static enum phi_rc read_ids(struct sj *r, const struct phi_json *v, struct cedar_list *ret)
{
    if (v->kind != PHI_JSON_ARR || v->n == 0)
        return bad(r, "expected a list of ids for", PHI_LIT("enum"));
    for (size_t i = 0; i < v->n; i++) {
        struct phi_view *id = phi_arena_new(r->arena, struct phi_view);
        if (!id || !cedar_list_add(r->arena, ret, id))
            return full(r);
        if (!phi_json_str(&v->items[i], id))
            return bad(r, "expected a list of ids for", PHI_LIT("enum"));
    }
    return PHI_OK;
}

static enum phi_rc read_entity(struct sj *r, struct phi_view name, const struct phi_json *v, struct cedar_schema_draft *d)
{
    static const char *const keys[] = { "memberOfTypes", "shape", "tags", "enum", "annotations", NULL };
    struct cedar_entity_type *e = phi_arena_new(r->arena, struct cedar_entity_type);
    if (!e || !cedar_list_add(r->arena, &d->entities, e))
        return full(r);
    PHI_TRY(only(r, v, keys, name));
    if (!cedar_is_path(name, true))
        return bad(r, "this is no name of a type:", name);
    e->name = cedar_qualified(r->arena, r->space, name);
    if (phi_json_get(v, "enum"))
        return v->n == 1 || (v->n == 2 && phi_json_get(v, "annotations")) ?
                   read_ids(r, phi_json_get(v, "enum"), &e->ids) : bad(r, "an enumeration has nothing else:", name);
    PHI_TRY(read_refs(r, v, "memberOfTypes", &e->parents));
    if (phi_json_get(v, "shape"))
        PHI_TRY(read_type(r, phi_json_get(v, "shape"), &e->attrs));
    if (phi_json_get(v, "tags"))
        PHI_TRY(read_type(r, phi_json_get(v, "tags"), &e->tags));
    return PHI_OK;
}

static enum phi_rc read_common(struct sj *r, struct phi_view name, const struct phi_json *v, struct cedar_schema_draft *d)
{
    struct cedar_common *c = phi_arena_new(r->arena, struct cedar_common);
    if (!c || !cedar_list_add(r->arena, &d->common, c))
        return full(r);
    if (!cedar_is_path(name, true))
        return bad(r, "this is no name of a type:", name);
    c->name = cedar_qualified(r->arena, r->space, name);
    return read_type(r, v, &c->type);
}

static enum phi_rc read_parent(struct sj *r, const struct phi_json *v, struct cedar_list *refs)
{
    static const char *const keys[] = { "id", "type", NULL };
    struct cedar_ref *ref = phi_arena_new(r->arena, struct cedar_ref);
    if (!ref || !cedar_list_add(r->arena, refs, ref))
        return full(r);
    PHI_TRY(only(r, v, keys, PHI_LIT("memberOf")));
    PHI_TRY(phi_json_need_str(v, "id", &ref->id, r->err));
    ref->type = phi_json_text(v, "type");
    ref->space = r->space;
    return PHI_OK;
}

static enum phi_rc read_action(struct sj *r, struct phi_view id, const struct phi_json *v, struct cedar_schema_draft *d)
{
    static const char *const keys[] = { "memberOf", "appliesTo", "attributes", "annotations", NULL };
    static const char *const applies[] = { "principalTypes", "resourceTypes", "context", NULL };
    struct cedar_action *a = phi_arena_new(r->arena, struct cedar_action);
    const struct phi_json *parents = NULL, *to = phi_json_get(v, "appliesTo"), *attrs = phi_json_get(v, "attributes");
    if (!a || !cedar_list_add(r->arena, &d->actions, a))
        return full(r);
    PHI_TRY(only(r, v, keys, id));
    if (attrs && attrs->n > 0)
        return bad(r, "actions have no attributes:", id);
    a->uid = (struct phi_uid){ cedar_qualified(r->arena, r->space, PHI_LIT("Action")), id };
    if (phi_json_get(v, "memberOf") && phi_json_get(v, "memberOf")->kind != PHI_JSON_NULL)
        PHI_TRY(list_of(r, v, "memberOf", &parents));
    for (size_t i = 0; parents && i < parents->n; i++)
        PHI_TRY(read_parent(r, &parents->items[i], &a->refs));
    if (!to || to->kind == PHI_JSON_NULL)
        return PHI_OK;
    a->applies = true;
    PHI_TRY(only(r, to, applies, id));
    PHI_TRY(read_refs(r, to, "principalTypes", &a->principals));
    PHI_TRY(read_refs(r, to, "resourceTypes", &a->resources));
    return phi_json_get(to, "context") ? read_type(r, phi_json_get(to, "context"), &a->context) : PHI_OK;
}

static enum phi_rc read_members(struct sj *r, const struct phi_json *v, const char *key, struct cedar_schema_draft *d,
                                enum phi_rc (*read)(struct sj *, struct phi_view, const struct phi_json *, struct cedar_schema_draft *))
{
    const struct phi_json *all = phi_json_get(v, key);
    if (!all)
        return PHI_OK;
    if (all->kind != PHI_JSON_OBJ)
        return bad(r, "expected an object for", phi_view_of(key));
    for (size_t i = 0; i < all->n; i++)
        PHI_TRY(read(r, all->keys[i], &all->items[i], d));
    return PHI_OK;
}

enum phi_rc cedar_schema_from_json(struct phi_arena *a, const struct phi_json *v, const char *file,
                                   struct cedar_schema *ret, struct phi_err *err)
{
    static const char *const keys[] = { "commonTypes", "entityTypes", "actions", "annotations", NULL };
    struct sj r = { .arena = a, .err = err };
    struct cedar_schema_draft d = { 0 };
    struct cedar_lex l = { .arena = a, .file = file, .err = err };
    *ret = (struct cedar_schema){ 0 };
    if (!v || v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "schema: expected an object, namespace to its types and actions");
    for (size_t i = 0; i < v->n; i++) {
        const struct phi_json *space = &v->items[i];
        r.space = v->keys[i];
        if (r.space.n > 0 && !cedar_is_path(r.space, false))
            return bad(&r, "this is no namespace:", r.space);
        PHI_TRY(only(&r, space, keys, r.space));
        PHI_TRY(read_members(&r, space, "commonTypes", &d, read_common));
        PHI_TRY(read_members(&r, space, "entityTypes", &d, read_entity));
        PHI_TRY(read_members(&r, space, "actions", &d, read_action));
    }
    PHI_TRY(cedar_schema_link(&l, &d, ret));
    return phi_arena_ok(a) ? PHI_OK : full(&r);
}
