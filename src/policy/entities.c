#include "policy/entities.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct phi_entities {
    const struct phi_entities *base;
    struct phi_arena arena;
    struct phi_map *types; /* type -> map of id -> cedar_entity */
};

static const struct phi_value no_attrs = { .kind = PHI_VALUE_RECORD };

struct phi_entities *phi_entities_open(const struct phi_entities *base, size_t limit)
{
    struct phi_entities *es = calloc(1, sizeof *es);
    if (!es)
        return NULL;
    es->base = base;
    phi_arena_init(&es->arena, limit);
    es->types = phi_map_open(SIZE_MAX);
    if (es->types)
        return es;
    free(es);
    return NULL;
}

void phi_entities_close(struct phi_entities *es)
{
    void *at = NULL, *ids = NULL;
    struct phi_view type;
    if (!es)
        return;
    while (phi_map_next(es->types, &at, &type, &ids))
        phi_map_close(ids);
    phi_map_close(es->types);
    phi_arena_done(&es->arena);
    free(es);
}

const struct cedar_entity *cedar_entity_find(const struct phi_entities *es, struct phi_uid uid)
{
    for (; es; es = es->base) {
        const struct phi_map *ids = phi_map_get(es->types, uid.type);
        const struct cedar_entity *e = ids ? phi_map_get(ids, uid.id) : NULL;
        if (e)
            return e;
    }
    return NULL;
}

bool phi_entities_has(const struct phi_entities *es, struct phi_uid uid)
{
    return cedar_entity_find(es, uid) != NULL;
}

static struct phi_map *ids_of(struct phi_entities *es, struct phi_view type)
{
    struct phi_map *ids = phi_map_get(es->types, type);
    if (ids)
        return ids;
    ids = phi_map_open(SIZE_MAX);
    if (ids && !phi_map_put(es->types, type, ids)) {
        phi_map_close(ids);
        return NULL;
    }
    return ids;
}

static struct phi_uid copy_uid(struct phi_arena *a, struct phi_uid uid)
{
    return (struct phi_uid){ phi_arena_copy(a, uid.type), phi_arena_copy(a, uid.id) };
}

static struct cedar_entity *copy_entity(struct phi_arena *a, struct phi_uid uid,
                                        const struct phi_uid *parents, size_t n,
                                        const struct phi_value *attrs, const struct phi_value *tags)
{
    struct cedar_entity *e = phi_arena_new(a, struct cedar_entity);
    struct phi_uid *own = phi_arena_array(a, n + 1, sizeof *own);
    if (!e || !own)
        return NULL;
    for (size_t i = 0; i < n; i++)
        own[i] = copy_uid(a, parents[i]);
    e->uid = copy_uid(a, uid);
    e->parents = own;
    e->n_parents = n;
    e->attrs = attrs ? cedar_value_copy(a, attrs) : &no_attrs;
    e->tags = tags ? cedar_value_copy(a, tags) : &no_attrs;
    return phi_arena_ok(a) && e->attrs && e->tags ? e : NULL;
}

enum phi_rc cedar_entities_add(struct phi_entities *es, struct phi_uid uid,
                               const struct phi_uid *parents, size_t n,
                               const struct phi_value *attrs, const struct phi_value *tags,
                               struct phi_err *err)
{
    if ((attrs && (attrs->kind != PHI_VALUE_RECORD || attrs->has_unknown)) ||
        (tags && (tags->kind != PHI_VALUE_RECORD || tags->has_unknown)))
        return phi_fail(err, PHI_EINPUT, "attributes of an entity must be a record of known values");
    if (uid.type.n == 0)
        return phi_fail(err, PHI_EINPUT, "an entity has no type");
    if (cedar_entity_find(es, uid))
        return phi_fail(err, PHI_ECONFLICT, "entity " PHI_FMT "::\"" PHI_FMT "\" is there already",
                        PHI_ARG(phi_view_upto(uid.type, 60)), PHI_ARG(phi_view_upto(uid.id, 100)));
    struct cedar_entity *e = copy_entity(&es->arena, uid, parents, n, attrs, tags);
    struct phi_map *ids = e ? ids_of(es, uid.type) : NULL;
    if (!ids || !phi_map_put(ids, uid.id, e))
        return phi_fail(err, PHI_ELIMIT, "too many entities: over %zu bytes", es->arena.limit);
    return PHI_OK;
}

enum phi_rc phi_entities_add(struct phi_entities *es, struct phi_uid uid,
                             const struct phi_uid *parents, size_t n,
                             const struct phi_value *attrs, struct phi_err *err)
{
    return cedar_entities_add(es, uid, parents, n, attrs, NULL, err);
}

/* Breadth first; `seen` keeps the walk finite where parents form a ring. */
struct walk {
    const struct cedar_entity **seen;
    size_t n, cap;
    const struct cedar_entity *first[64];
};

static bool walk_add(struct walk *w, const struct cedar_entity *e)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->seen[i] == e)
            return true;
    if (w->n == w->cap) {
        size_t cap = 4 * w->cap;
        if (cap > CEDAR_MAX_ANCESTORS)
            return false;
        const struct cedar_entity **more = malloc(cap * sizeof(const struct cedar_entity *));
        if (!more)
            return false;
        memcpy(more, w->seen, w->n * sizeof(const struct cedar_entity *));
        if (w->seen != w->first)
            free(w->seen);
        w->seen = more;
        w->cap = cap;
    }
    w->seen[w->n++] = e;
    return true;
}

/* True while the walk goes on; *ret says what it found. */
static bool walk_step(const struct phi_entities *es, struct walk *w, const struct cedar_entity *e,
                      struct phi_uid ancestor, enum cedar_in *ret)
{
    for (size_t i = 0; i < e->n_parents; i++) {
        if (phi_uid_eq(e->parents[i], ancestor)) {
            *ret = CEDAR_IN_YES;
            return false;
        }
        const struct cedar_entity *parent = cedar_entity_find(es, e->parents[i]);
        if (parent && !walk_add(w, parent)) {
            *ret = CEDAR_IN_UNCLEAR;
            return false;
        }
    }
    return true;
}

enum cedar_in cedar_entity_in(const struct phi_entities *es, struct phi_uid uid,
                              struct phi_uid ancestor)
{
    enum cedar_in ret = CEDAR_IN_NO;
    struct walk w = { .cap = sizeof w.first / sizeof w.first[0] };
    w.seen = w.first;
    if (phi_uid_eq(uid, ancestor))
        return CEDAR_IN_YES;
    const struct cedar_entity *e = cedar_entity_find(es, uid);
    if (!e)
        return CEDAR_IN_NO;
    walk_add(&w, e);
    for (size_t i = 0; i < w.n && walk_step(es, &w, w.seen[i], ancestor, &ret); i++)
        ;
    if (w.seen != w.first)
        free(w.seen);
    return ret;
}

bool phi_entities_is_in(const struct phi_entities *es, struct phi_uid uid, struct phi_uid ancestor)
{
    return cedar_entity_in(es, uid, ancestor) == CEDAR_IN_YES;
}

const struct phi_entities *cedar_entities_base(const struct phi_entities *es)
{
    return es->base;
}

const struct cedar_entity *cedar_entities_next(const struct phi_entities *es, struct cedar_entities_walk *at)
{
    void *e = NULL;
    while (!at->ids || !phi_map_next(at->ids, &at->id, NULL, &e)) {
        at->id = NULL;
        if (!phi_map_next(es->types, &at->type, NULL, &at->ids))
            return NULL;
    }
    return e;
}
