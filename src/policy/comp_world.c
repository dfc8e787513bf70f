/* Entities prepared for one bundle's policies: only what those ask for is kept. */
#include "policy/comp.h"

#include <stdlib.h>
#include <string.h>

static enum phi_rc full(const struct phi_world *w, struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "too many entities: over %zu bytes", w->arena.limit);
}

struct phi_world *comp_world_open(const struct comp *c, size_t limit)
{
    struct phi_world *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->c = c;
    w->base = w;
    w->strs.below = &c->strs;
    phi_arena_init(&w->arena, limit);
    if (comp_names_copy(&w->names, &c->names))
        return w;
    phi_world_close(w);
    return NULL;
}

void phi_world_close(struct phi_world *w)
{
    if (!w)
        return;
    comp_strs_done(&w->strs);
    comp_names_done(&w->names);
    free(w->reach);
    free(w->keys);
    free(w->parents);
    free(w->over);
    phi_arena_done(&w->arena);
    free(w);
}

enum phi_rc phi_world_over(const struct phi_world *below, size_t limit, struct phi_world **ret, struct phi_err *err)
{
    *ret = NULL;
    if (!below->ready || comp_is_upper(below))
        return phi_fail(err, PHI_EINPUT, "a world stands over one that is ready and stands alone");
    struct phi_world *w = calloc(1, sizeof *w);
    if (!w)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    w->c = below->c;
    w->b = below->b;
    w->base = below;
    w->strs.below = &below->strs;
    phi_arena_init(&w->arena, limit);
    *ret = w;
    return PHI_OK;
}

static uint32_t uid_of(void *who, struct phi_uid uid)
{
    return comp_world_put(who, uid);
}

/* The slot of an attribute in entities of a type; COMP_NO_SLOT when no policy asks for it. */
static bool slot_of(struct phi_world *w, uint32_t type, struct phi_view name, uint16_t *ret)
{
    const struct comp *c = w->c;
    struct comp_type *t = &w->names.types[type];
    const struct comp_str *s = comp_str_find(&c->strs, name);
    uint32_t number = s ? comp_uid_find(&c->attr_numbers, 0, s) : COMP_NONE;
    *ret = COMP_NO_SLOT;
    if (number == COMP_NONE)
        return true;
    if (!t->slots) {
        t->slots = malloc(c->n_attrs * sizeof *t->slots);
        if (!t->slots)
            return false;
        memset(t->slots, 0xff, c->n_attrs * sizeof *t->slots);
    }
    if (t->slots[number] == COMP_NO_SLOT) {
        if (t->n_slots == COMP_NO_SLOT)
            return false;
        t->slots[number] = t->n_slots++;
    }
    *ret = t->slots[number];
    return true;
}

/* A request's entities are asked for little: their attributes stay one record. */
static bool add_record(struct phi_world *w, uint32_t at, const struct phi_value *record)
{
    const struct comp_maker m = { &w->arena, &w->strs, uid_of, w };
    struct comp_val *attrs = phi_arena_new(&w->arena, struct comp_val);
    if (!attrs)
        return false;
    *attrs = comp_make(&m, record);
    comp_world_own(w, at)->attrs = attrs;
    comp_world_own(w, at)->n_attrs = 1;
    return attrs->kind == COMP_RECORD;
}

static bool add_attrs(struct phi_world *w, uint32_t at, const struct phi_value *record)
{
    if (comp_is_upper(w))
        return !record || record->u.record.n == 0 || add_record(w, at, record);
    const struct comp_maker m = { &w->arena, &w->strs, uid_of, w };
    size_t n = record ? record->u.record.n : 0;
    uint32_t type = w->names.ents[at].type;
    uint16_t slot = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        if (!slot_of(w, type, record->u.record.attrs[i].name, &slot))
            return false;
        if (slot != COMP_NO_SLOT && slot >= most)
            most = (uint16_t)(slot + 1);
    }
    struct comp_val *attrs = most ? phi_arena_array(&w->arena, most, sizeof *attrs) : NULL;
    if (most && !attrs)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!slot_of(w, type, record->u.record.attrs[i].name, &slot) || slot == COMP_NO_SLOT)
            continue;
        attrs[slot] = comp_make(&m, record->u.record.attrs[i].value);
        if (attrs[slot].kind == COMP_ERROR)
            return false;
    }
    w->names.ents[at].attrs = attrs; /* making values may have moved the entities */
    w->names.ents[at].n_attrs = most;
    return true;
}

static bool add_tags(struct phi_world *w, uint32_t at, const struct phi_value *record)
{
    const struct comp_maker m = { &w->arena, &w->strs, uid_of, w };
    if (!record || record->u.record.n == 0 || !w->c->uses_tags)
        return true;
    struct comp_val v = comp_make(&m, record);
    comp_world_own(w, at)->tags = v.u.rec;
    return v.kind == COMP_RECORD;
}

static bool add_parents(struct phi_world *w, uint32_t at, const struct phi_uid *parents, size_t n)
{
    uint32_t first = w->n_parents;
    if (n > UINT32_MAX - first)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t up = uid_of(w, parents[i]);
        if (up == COMP_NONE || !comp_grow(&w->parents, w->n_parents, &w->cap_parents, sizeof *w->parents))
            return false;
        w->parents[w->n_parents++] = up;
        if (!comp_is_upper(w))
            w->names.ents[up].above = true;
    }
    comp_world_own(w, at)->reach = first;
    comp_world_own(w, at)->n_reach = (uint32_t)n;
    return true;
}

static bool known_record(const struct phi_value *v)
{
    return !v || (v->kind == PHI_VALUE_RECORD && !v->has_unknown);
}

enum phi_rc comp_world_add(struct phi_world *w, struct phi_uid uid, const struct phi_uid *parents, size_t n,
                           const struct phi_value *attrs, const struct phi_value *tags, struct phi_err *err)
{
    if (!known_record(attrs) || !known_record(tags))
        return phi_fail(err, PHI_EINPUT, "attributes of an entity must be a record of known values");
    if (uid.type.n == 0)
        return phi_fail(err, PHI_EINPUT, "an entity has no type");
    if (w->ready)
        return phi_fail(err, PHI_ECONFLICT, "these entities are in use; make others");
    uint32_t at = uid_of(w, uid);
    struct comp_ent *e = NULL;
    if (at == COMP_NONE)
        return full(w, err);
    PHI_TRY(comp_world_enter(w, at, uid, &e, err));
    if (!add_attrs(w, at, attrs) || !add_tags(w, at, tags) || !add_parents(w, at, parents, n))
        return full(w, err);
    return PHI_OK;
}

enum phi_rc phi_world_add(struct phi_world *w, struct phi_uid uid, const struct phi_uid *parents, size_t n,
                          const struct phi_value *attrs, const struct phi_value *tags, struct phi_err *err)
{
    return comp_world_add(w, uid, parents, n, attrs, tags, err);
}

enum phi_rc phi_world_add_own(struct phi_world *w, const struct phi_entities *es, struct phi_err *err)
{
    struct cedar_entities_walk at = { 0 };
    const struct cedar_entity *e = NULL;
    while ((e = cedar_entities_next(es, &at)))
        PHI_TRY(comp_world_add(w, e->uid, e->parents, e->n_parents, e->attrs, e->tags, err));
    return PHI_OK;
}

enum phi_rc phi_world_add_all(struct phi_world *w, const struct phi_entities *es, struct phi_err *err)
{
    for (; es; es = cedar_entities_base(es))
        PHI_TRY(phi_world_add_own(w, es, err));
    return PHI_OK;
}

/* The schema alone says which groups an action is in. */
static bool reach_actions(struct phi_world *w)
{
    const struct cedar_schema *s = w->c->schema;
    for (size_t i = 0; s && i < s->n_actions; i++) {
        const struct cedar_action *a = s->actions[i];
        uint32_t first = w->n_reach;
        for (size_t k = 0; k < a->ancestors.n; k++) {
            uint32_t up = uid_of(w, ((const struct cedar_action *)a->ancestors.p[k])->uid);
            if (up == COMP_NONE || !comp_grow(&w->reach, w->n_reach, &w->cap_reach, sizeof *w->reach))
                return false;
            uint32_t to = w->n_reach++;
            for (; to > first && w->reach[to - 1] > up; to--)
                w->reach[to] = w->reach[to - 1];
            w->reach[to] = up;
        }
        uint32_t at = uid_of(w, a->uid);
        if (at == COMP_NONE)
            return false;
        w->names.ents[at].reach = first;
        w->names.ents[at].n_reach = w->n_reach - first;
        w->names.ents[at].above = true; /* nobody tells of it with a request */
    }
    return true;
}

static bool add_key(struct phi_world *w, struct comp_ent *e, uint32_t id)
{
    if (id >= w->c->names.n_ents || !w->c->marks[id])
        return true;
    if (e->n_keys == UINT16_MAX || !comp_grow(&w->keys, w->n_keys, &w->cap_keys, sizeof *w->keys))
        return false;
    w->keys[w->n_keys++] = id;
    e->n_keys++;
    return true;
}

static bool keys_of(struct phi_world *w, struct comp_ent *e, uint32_t id)
{
    e->keys = w->n_keys;
    e->upper = comp_is_upper(w);
    e->mark = id < w->c->names.n_ents ? w->c->marks[id] : 0;
    for (uint32_t k = 0; k < e->n_reach; k++)
        if (w->reach[e->reach + k] != id && !add_key(w, e, w->reach[e->reach + k]))
            return false;
    return true;
}

static bool find_keys(struct phi_world *w)
{
    uint32_t first = comp_is_upper(w) ? w->base->names.n_ents : 0;
    if (!w->c->marks)
        return true;
    for (uint32_t i = 0; i < w->names.n_ents; i++)
        if (!keys_of(w, &w->names.ents[i], first + i))
            return false;
    for (uint32_t i = 0; i < w->n_over; i++)
        if (!keys_of(w, &w->over[i].ent, w->over[i].id))
            return false;
    return true;
}

enum phi_rc phi_world_ready(struct phi_world *w, struct phi_err *err)
{
    struct phi_err why = { 0 };
    if (w->ready)
        return PHI_OK;
    if (!comp_world_reach(w, &why))
        return phi_fail(err, why.rc, "%s", why.msg);
    free(w->parents);
    w->parents = NULL;
    if ((!comp_is_upper(w) && !reach_actions(w)) || !find_keys(w) || !phi_arena_ok(&w->arena))
        return full(w, err);
    w->n_all = w->names.n_ents + (comp_is_upper(w) ? w->base->names.n_ents : 0);
    w->ready = true;
    return PHI_OK;
}

bool phi_world_has(const struct phi_world *w, struct phi_uid uid)
{
    const struct comp_str *type = comp_str_find(&w->strs, uid.type), *id = comp_str_find(&w->strs, uid.id);
    uint32_t number = type ? comp_type_find(&w->names, type) : COMP_NONE;
    uint32_t at = number != COMP_NONE && id ? comp_uid_find(&w->names, number, id) : COMP_NONE;
    return at != COMP_NONE && w->names.ents[at].present;
}
