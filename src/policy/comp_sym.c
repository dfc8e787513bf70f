/* Interning: texts to addresses, types and entities to numbers. */
#include "policy/comp.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

bool comp_grow(void *array, uint32_t n, uint32_t *cap, size_t size)
{
    void *old = NULL;
    memcpy(&old, array, sizeof old);
    if (n < *cap)
        return true;
    if (*cap > UINT32_MAX / 4)
        return false;
    uint32_t more = *cap + *cap / 2 + 16;
    void *p = reallocarray(old, more, size);
    if (!p)
        return false;
    memcpy(array, &p, sizeof p);
    *cap = more;
    return true;
}

struct phi_view comp_str_view(const struct comp_str *s)
{
    return (struct phi_view){ s->p, s->n };
}

static const struct comp_str *find(const struct comp_strs *t, struct phi_view text, uint32_t hash)
{
    for (uint32_t i = hash; t->cap; i++) {
        const struct comp_str *s = t->slots[i & (t->cap - 1)];
        if (!s)
            return NULL;
        if (s->hash == hash && s->n == text.n && (text.n == 0 || memcmp(s->p, text.p, text.n) == 0))
            return s;
    }
    return NULL;
}

static const struct comp_str *find_all(const struct comp_strs *t, struct phi_view text, uint32_t hash)
{
    const struct comp_str *s = NULL;
    for (; t && !s; t = t->below)
        s = find(t, text, hash);
    return s;
}

const struct comp_str *comp_str_find(const struct comp_strs *t, struct phi_view text)
{
    return find_all(t, text, (uint32_t)phi_map_hash(text));
}

static void place(struct comp_strs *t, const struct comp_str *s)
{
    uint32_t i = s->hash;
    while (t->slots[i & (t->cap - 1)])
        i++;
    t->slots[i & (t->cap - 1)] = s;
}

static bool widen(struct comp_strs *t)
{
    const struct comp_str **old = t->slots;
    uint32_t cap = t->cap;
    if (2 * (t->n + 1) <= cap)
        return true;
    if (cap > UINT32_MAX / 4)
        return false;
    t->slots = calloc(cap ? 2 * (size_t)cap : 16, sizeof *t->slots);
    if (!t->slots) {
        t->slots = old;
        return false;
    }
    t->cap = cap ? 2 * cap : 16;
    for (uint32_t i = 0; i < cap; i++)
        if (old[i])
            place(t, old[i]);
    free(old);
    return true;
}

const struct comp_str *comp_str_put(struct comp_strs *t, struct phi_arena *a, struct phi_view text)
{
    uint32_t hash = (uint32_t)phi_map_hash(text);
    const struct comp_str *known = find_all(t, text, hash);
    if (known || text.n > UINT32_MAX)
        return known;
    struct comp_str *s = phi_arena_alloc(a, sizeof *s + text.n);
    if (!s || !widen(t))
        return NULL;
    s->hash = hash;
    s->n = (uint32_t)text.n;
    if (text.n)
        memcpy(s->p, text.p, text.n);
    place(t, s);
    t->n++;
    return s;
}

void comp_strs_clear(struct comp_strs *t)
{
    if (t->n)
        memset(t->slots, 0, t->cap * sizeof *t->slots);
    t->n = 0;
}

void comp_strs_done(struct comp_strs *t)
{
    free(t->slots);
    *t = (struct comp_strs){ 0 };
}

/* ---- types and entities --------------------------------------------------------------------------- */

uint32_t comp_type_find(const struct comp_names *t, const struct comp_str *name)
{
    for (uint32_t i = 0; i < t->n_types; i++)
        if (t->types[i].name == name)
            return i;
    return COMP_NONE;
}

uint32_t comp_type_put(struct comp_names *t, const struct comp_str *name)
{
    uint32_t i = name ? comp_type_find(t, name) : 0;
    if (!name || i != COMP_NONE)
        return name ? i : COMP_NONE;
    if (!comp_grow(&t->types, t->n_types, &t->cap_types, sizeof *t->types))
        return COMP_NONE;
    t->types[t->n_types] = (struct comp_type){ .name = name };
    return t->n_types++;
}

static uint32_t uid_hash(uint32_t type, const struct comp_str *id)
{
    return id->hash ^ (type * 0x9e3779b1U);
}

uint32_t comp_uid_find(const struct comp_names *t, uint32_t type, const struct comp_str *id)
{
    for (uint32_t i = uid_hash(type, id); t->cap_slots; i++) {
        uint32_t at = t->slots[i & (t->cap_slots - 1)];
        if (at == 0)
            return COMP_NONE;
        if (t->ents[at - 1].id == id && t->ents[at - 1].type == type)
            return at - 1;
    }
    return COMP_NONE;
}

static void place_uid(struct comp_names *t, uint32_t at)
{
    uint32_t i = uid_hash(t->ents[at].type, t->ents[at].id);
    while (t->slots[i & (t->cap_slots - 1)])
        i++;
    t->slots[i & (t->cap_slots - 1)] = at + 1;
}

static bool widen_uids(struct comp_names *t)
{
    if (2 * (t->n_ents + 1) <= t->cap_slots)
        return true;
    uint32_t cap = t->cap_slots ? 2 * t->cap_slots : 16;
    uint32_t *slots = cap > t->cap_slots ? calloc(cap, sizeof *slots) : NULL;
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->cap_slots = cap;
    for (uint32_t i = 0; i < t->n_ents; i++)
        place_uid(t, i);
    return true;
}

uint32_t comp_uid_put(struct comp_names *t, uint32_t type, const struct comp_str *id)
{
    uint32_t at = id && type != COMP_NONE ? comp_uid_find(t, type, id) : COMP_NONE;
    if (!id || type == COMP_NONE || at != COMP_NONE)
        return at;
    if (!widen_uids(t) || !comp_grow(&t->ents, t->n_ents, &t->cap_ents, sizeof *t->ents))
        return COMP_NONE;
    t->ents[t->n_ents] = (struct comp_ent){ .type = type, .id = id };
    place_uid(t, t->n_ents);
    return t->n_ents++;
}

static bool copy_array(void *to, const void *from, uint32_t n, size_t size)
{
    void *p = reallocarray(NULL, n ? n : 1, size);
    if (p && n)
        memcpy(p, from, n * size);
    memcpy(to, &p, sizeof p);
    return p != NULL;
}

bool comp_names_copy(struct comp_names *to, const struct comp_names *from)
{
    *to = *from;
    to->cap_types = from->n_types ? from->n_types : 1;
    to->cap_ents = from->n_ents ? from->n_ents : 1;
    to->types = NULL;
    to->ents = NULL;
    to->slots = NULL;
    return copy_array(&to->types, from->types, from->n_types, sizeof *to->types) &&
           copy_array(&to->ents, from->ents, from->n_ents, sizeof *to->ents) &&
           copy_array(&to->slots, from->slots, from->cap_slots, sizeof *to->slots);
}

void comp_names_clear(struct comp_names *t)
{
    if (t->n_ents)
        memset(t->slots, 0, t->cap_slots * sizeof *t->slots);
    t->n_ents = t->n_types = 0;
}

void comp_names_done(struct comp_names *t)
{
    for (uint32_t i = 0; i < t->n_types; i++)
        free(t->types[i].slots);
    free(t->types);
    free(t->ents);
    free(t->slots);
    *t = (struct comp_names){ 0 };
}
