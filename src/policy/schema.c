/* Resolves the names of a draft, and answers questions about the result. */
#include "policy/schema.h"

#include <stdlib.h>

static enum phi_rc full(struct cedar_lex *l)
{
    return phi_fail(l->err, PHI_ELIMIT, "%s is too large", l->file);
}

static int cmp_action(const void *a, const void *b)
{
    return phi_uid_cmp((*(struct cedar_action *const *)a)->uid, (*(struct cedar_action *const *)b)->uid);
}

static int cmp_entity(const void *a, const void *b)
{
    return phi_view_cmp((*(struct cedar_entity_type *const *)a)->name,
                        (*(struct cedar_entity_type *const *)b)->name);
}

struct cedar_action *cedar_schema_action(const struct cedar_schema *s, struct phi_uid uid)
{
    struct cedar_action key = { .uid = uid }, *k = &key;
    struct cedar_action **found =
        s->n_actions ? bsearch(&k, s->actions, s->n_actions, sizeof k, cmp_action) : NULL;
    return found ? *found : NULL;
}

const struct cedar_entity_type *cedar_schema_entity(const struct cedar_schema *s,
                                                    struct phi_view type)
{
    struct cedar_entity_type key = { .name = type }, *k = &key;
    struct cedar_entity_type **found =
        s->n_entities ? bsearch(&k, s->entities, s->n_entities, sizeof k, cmp_entity) : NULL;
    return found ? *found : NULL;
}

bool cedar_schema_has_type(const struct cedar_schema *s, struct phi_view type)
{
    return cedar_schema_entity(s, type) || cedar_schema_has_action_type(s, type);
}

bool cedar_schema_has_uid(const struct cedar_schema *s, struct phi_uid uid)
{
    const struct cedar_entity_type *e = cedar_schema_entity(s, uid.type);
    if (!e)
        return cedar_schema_action(s, uid) != NULL;
    for (size_t i = 0; i < e->ids.n; i++)
        if (phi_view_eq(*(const struct phi_view *)e->ids.p[i], uid.id))
            return true;
    return e->ids.n == 0;
}

static bool action_type_in(const struct cedar_schema *s, struct phi_view type, struct phi_view up)
{
    for (size_t i = 0; i < s->n_actions; i++) {
        const struct cedar_action *a = s->actions[i];
        if (!phi_view_eq(a->uid.type, type))
            continue;
        for (size_t k = 0; k < a->ancestors.n; k++)
            if (phi_view_eq(((const struct cedar_action *)a->ancestors.p[k])->uid.type, up))
                return true;
    }
    return false;
}

bool cedar_type_in(const struct cedar_schema *s, struct phi_view type, struct phi_view up)
{
    const struct cedar_entity_type *e = cedar_schema_entity(s, type);
    if (phi_view_eq(type, up))
        return true;
    for (size_t i = 0; e && i < e->ancestors.n; i++)
        if (phi_view_eq(((const struct cedar_entity_type *)e->ancestors.p[i])->name, up))
            return true;
    return !e && action_type_in(s, type, up);
}

bool cedar_schema_has_action_type(const struct cedar_schema *s, struct phi_view type)
{
    for (size_t i = 0; i < s->n_actions; i++)
        if (phi_view_eq(s->actions[i]->uid.type, type))
            return true;
    return false;
}

bool cedar_action_in(const struct cedar_action *a, struct phi_uid group)
{
    if (phi_uid_eq(a->uid, group))
        return true;
    for (size_t i = 0; i < a->ancestors.n; i++)
        if (phi_uid_eq(((const struct cedar_action *)a->ancestors.p[i])->uid, group))
            return true;
    return false;
}

bool cedar_types_have(const struct cedar_list *entity_types, struct phi_view type)
{
    for (size_t i = 0; i < entity_types->n; i++)
        if (phi_view_eq(((const struct cedar_type *)entity_types->p[i])->name, type))
            return true;
    return false;
}

bool cedar_action_applies(const struct cedar_action *a, struct phi_view principal_type,
                          struct phi_view resource_type)
{
    return cedar_types_have(&a->principals, principal_type) &&
           cedar_types_have(&a->resources, resource_type);
}

const struct cedar_attr_type *cedar_type_attr(const struct cedar_type *record, struct phi_view name)
{
    if (!record || record->kind != TYPE_RECORD)
        return NULL;
    for (size_t i = 0; i < record->n; i++)
        if (phi_view_eq(record->attrs[i].name, name))
            return &record->attrs[i];
    return NULL;
}

/* Breadth first over parents; rings are allowed between types. */
static bool type_ancestors(struct cedar_lex *l, const struct cedar_schema *s,
                           struct cedar_entity_type *e)
{
    const struct cedar_list *parents = &e->parents;
    for (size_t at = 0;; at++) {
        for (size_t i = 0; i < parents->n; i++) {
            const struct cedar_type *t = parents->p[i];
            struct cedar_entity_type *up = (struct cedar_entity_type *)(uintptr_t)cedar_schema_entity(s, t->name);
            if (!up || up->seen == e)
                continue;
            up->seen = e;
            if (!cedar_list_add(l->arena, &e->ancestors, up))
                return false;
        }
        if (at == e->ancestors.n)
            return true;
        parents = &((const struct cedar_entity_type *)e->ancestors.p[at])->parents;
    }
}

static struct cedar_common *find_common(const struct cedar_schema *s, struct phi_view name)
{
    for (size_t i = 0; i < s->common.n; i++) {
        struct cedar_common *c = s->common.p[i];
        if (phi_view_eq(c->name, name))
            return c;
    }
    return NULL;
}

static bool find_builtin(struct phi_view name, struct cedar_type *t)
{
    if (phi_view_starts(name, PHI_LIT("__cedar::")))
        name = phi_view_from(name, sizeof "__cedar::" - 1);
    if (phi_view_is(name, "Bool") || phi_view_is(name, "Boolean"))
        t->kind = TYPE_BOOL;
    else if (phi_view_is(name, "Long"))
        t->kind = TYPE_LONG;
    else if (phi_view_is(name, "String"))
        t->kind = TYPE_STRING;
    else if (cedar_ext_find(name, &t->ext))
        t->kind = TYPE_EXT;
    else
        return false;
    return true;
}

static enum phi_rc resolve(struct cedar_lex *l, const struct cedar_schema *s, struct cedar_type *t);

/* Looks the reference up under one full name; *done when found. */
static enum phi_rc resolve_as(struct cedar_lex *l, const struct cedar_schema *s,
                              struct cedar_type *t, struct phi_view name, bool *done)
{
    struct cedar_common *c = t->of == REF_ENTITY ? NULL : find_common(s, name);
    *done = true;
    if (c) {
        PHI_TRY(resolve(l, s, c->type));
        struct cedar_place at = t->at;
        *t = *c->type;
        t->at = at;
        t->busy = false;
        return PHI_OK;
    }
    if (t->of != REF_COMMON && cedar_schema_entity(s, name)) {
        t->kind = TYPE_ENTITY;
        t->name = name;
        return PHI_OK;
    }
    *done = false;
    return PHI_OK;
}

static enum phi_rc resolve_ref(struct cedar_lex *l, const struct cedar_schema *s,
                               struct cedar_type *t)
{
    bool done = false;
    if (t->space.n)
        PHI_TRY(resolve_as(l, s, t, cedar_qualified(l->arena, t->space, t->name), &done));
    if (!done)
        PHI_TRY(resolve_as(l, s, t, t->name, &done));
    if (done || (t->of != REF_ENTITY && find_builtin(t->name, t)))
        return PHI_OK;
    return cedar_fail(l, t->at, "there is no type `" PHI_FMT "`", PHI_ARG(t->name));
}

static enum phi_rc resolve(struct cedar_lex *l, const struct cedar_schema *s, struct cedar_type *t)
{
    if (!t || t->done)
        return PHI_OK;
    if (t->busy)
        return cedar_fail(l, t->at, "this type contains itself");
    PHI_TRY(cedar_lex_enter(l));
    t->busy = true;
    if (t->kind == TYPE_REF)
        PHI_TRY(resolve_ref(l, s, t));
    else if (t->kind == TYPE_SET)
        PHI_TRY(resolve(l, s, t->elem));
    else if (t->kind == TYPE_RECORD)
        for (size_t i = 0; i < t->n; i++)
            PHI_TRY(resolve(l, s, t->attrs[i].type));
    t->busy = false;
    t->done = true;
    cedar_lex_leave(l);
    return PHI_OK;
}

static enum phi_rc resolve_entities(struct cedar_lex *l, const struct cedar_schema *s,
                                    const struct cedar_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct cedar_type *t = list->p[i];
        PHI_TRY(resolve(l, s, t));
        if (t->kind != TYPE_ENTITY)
            return cedar_fail(l, t->at, "an entity type must stand here");
    }
    return PHI_OK;
}

static enum phi_rc resolve_record(struct cedar_lex *l, const struct cedar_schema *s,
                                  struct cedar_type *t)
{
    PHI_TRY(resolve(l, s, t));
    return !t || t->kind == TYPE_RECORD ? PHI_OK : cedar_fail(l, t->at, "a record must stand here");
}

static struct cedar_action *find_parent(struct cedar_lex *l, const struct cedar_schema *s,
                                        const struct cedar_ref *ref)
{
    struct phi_view type = ref->type.n ? ref->type : PHI_LIT("Action");
    struct phi_uid near = { cedar_qualified(l->arena, ref->space, type), ref->id };
    struct cedar_action *a = cedar_schema_action(s, near);
    if (a || ref->type.n == 0)
        return a;
    return cedar_schema_action(s, (struct phi_uid){ type, ref->id });
}

static bool add_ancestor(struct cedar_lex *l, struct cedar_action *a, const struct cedar_action *up)
{
    for (size_t i = 0; i < a->ancestors.n; i++)
        if (a->ancestors.p[i] == up)
            return true;
    return cedar_list_add(l->arena, &a->ancestors, up);
}

enum { MARK_NEW, MARK_BUSY, MARK_DONE };

/* Depth first, so that the parents' ancestors are there when they are needed. */
static enum phi_rc gather(struct cedar_lex *l, const struct cedar_schema *s, struct cedar_action *a)
{
    if (a->mark == MARK_DONE)
        return PHI_OK;
    if (a->mark == MARK_BUSY)
        return cedar_fail(l, a->at, "action \"" PHI_FMT "\" is in itself", PHI_ARG(a->uid.id));
    a->mark = MARK_BUSY;
    PHI_TRY(cedar_lex_enter(l));
    for (size_t i = 0; i < a->refs.n; i++) {
        const struct cedar_ref *ref = a->refs.p[i];
        struct cedar_action *parent = find_parent(l, s, ref);
        if (!parent)
            return cedar_fail(l, ref->at, "there is no action \"" PHI_FMT "\"", PHI_ARG(ref->id));
        PHI_TRY(gather(l, s, parent));
        if (!add_ancestor(l, a, parent))
            return full(l);
        for (size_t k = 0; k < parent->ancestors.n; k++)
            if (!add_ancestor(l, a, parent->ancestors.p[k]))
                return full(l);
    }
    cedar_lex_leave(l);
    a->mark = MARK_DONE;
    return PHI_OK;
}

static enum phi_rc link_action(struct cedar_lex *l, const struct cedar_schema *s,
                               struct cedar_action *a)
{
    PHI_TRY(gather(l, s, a));
    PHI_TRY(resolve_entities(l, s, &a->principals));
    PHI_TRY(resolve_entities(l, s, &a->resources));
    return resolve_record(l, s, a->context);
}

static enum phi_rc no_doubles(struct cedar_lex *l, const struct cedar_schema *s)
{
    for (size_t i = 1; i < s->n_actions; i++)
        if (phi_uid_eq(s->actions[i - 1]->uid, s->actions[i]->uid))
            return cedar_fail(l, s->actions[i]->at, "action \"" PHI_FMT "\" stands twice",
                              PHI_ARG(s->actions[i]->uid.id));
    for (size_t i = 1; i < s->n_entities; i++)
        if (phi_view_eq(s->entities[i - 1]->name, s->entities[i]->name))
            return cedar_fail(l, s->entities[i]->at, "entity type `" PHI_FMT "` stands twice",
                              PHI_ARG(s->entities[i]->name));
    for (size_t i = 0; i < s->common.n; i++) {
        const struct cedar_common *c = s->common.p[i];
        if (find_common(s, c->name) != c)
            return cedar_fail(l, c->type->at, "type `" PHI_FMT "` stands twice", PHI_ARG(c->name));
    }
    return PHI_OK;
}

enum phi_rc cedar_schema_link(struct cedar_lex *l, const struct cedar_schema_draft *d,
                              struct cedar_schema *s)
{
    s->common = d->common;
    s->actions = (struct cedar_action **)d->actions.p;
    s->n_actions = d->actions.n;
    s->entities = (struct cedar_entity_type **)d->entities.p;
    s->n_entities = d->entities.n;
    if (s->n_actions)
        qsort(s->actions, s->n_actions, sizeof *s->actions, cmp_action);
    if (s->n_entities)
        qsort(s->entities, s->n_entities, sizeof *s->entities, cmp_entity);
    PHI_TRY(no_doubles(l, s));
    for (size_t i = 0; i < s->common.n; i++)
        PHI_TRY(resolve(l, s, ((struct cedar_common *)s->common.p[i])->type));
    for (size_t i = 0; i < s->n_entities; i++) {
        PHI_TRY(resolve_entities(l, s, &s->entities[i]->parents));
        PHI_TRY(resolve_record(l, s, s->entities[i]->attrs));
        PHI_TRY(resolve(l, s, s->entities[i]->tags));
    }
    for (size_t i = 0; i < s->n_entities; i++)
        if (!type_ancestors(l, s, s->entities[i]))
            return full(l);
    for (size_t i = 0; i < s->n_actions; i++)
        PHI_TRY(link_action(l, s, s->actions[i]));
    return PHI_OK;
}

enum phi_rc cedar_schema_parse(struct phi_arena *a, struct phi_view text, const char *file,
                               struct cedar_schema *ret, struct phi_err *err)
{
    struct cedar_lex l;
    struct cedar_schema_draft draft = { 0 };
    *ret = (struct cedar_schema){ 0 };
    PHI_TRY(cedar_lex_init(&l, a, text, file, err));
    PHI_TRY(cedar_schema_read(&l, &draft));
    PHI_TRY(cedar_schema_link(&l, &draft, ret));
    return phi_arena_ok(a) ? PHI_OK : full(&l);
}
