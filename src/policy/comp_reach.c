/* What `in` reaches, for all entities of a world at once: each one's ancestors as a sorted array of
 * numbers. Entities with the same parents share. What lies in the world below is done already: here
 * `item` counts a world's own entities, those that it tells of in `over` last. */
#include "policy/comp.h"

#include <stdlib.h>
#include <string.h>

enum { NEW, BUSY, DONE };

struct span {
    uint32_t at, n;
};

struct reaching {
    struct phi_world *w;
    uint32_t n, first; /* items; the number of the first */
    struct span *parents; /* of each entity, into w->parents */
    struct span *below;   /* of what has this one as its only parent; n 0: not known yet */
    uint8_t *state;
    uint32_t *stack, *next; /* depth first, without recursion */
    uint32_t *set;
    uint32_t n_set, cap_set;
    bool ring; /* parents form one */
    struct phi_err *err;
};

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "the entities need too much memory");
}

/* COMP_NONE: the world below has it. */
static uint32_t item_of(const struct reaching *r, uint32_t id)
{
    const struct phi_world *w = r->w;
    if (id >= r->first)
        return id - r->first;
    for (uint32_t lo = 0, hi = w->n_over; lo < hi;) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (w->over[mid].id == id)
            return w->names.n_ents + mid;
        if (w->over[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return COMP_NONE;
}

static struct comp_ent *ent_of(const struct reaching *r, uint32_t item)
{
    struct phi_world *w = r->w;
    return item < w->names.n_ents ? &w->names.ents[item] : &w->over[item - w->names.n_ents].ent;
}

static uint32_t id_of(const struct reaching *r, uint32_t item)
{
    return item < r->w->names.n_ents ? r->first + item : r->w->over[item - r->w->names.n_ents].id;
}

/* What an entity reaches, its own number not counted; of an item, once it is done. */
static const uint32_t *reach_of(const struct reaching *r, uint32_t id, uint32_t *n)
{
    uint32_t item = item_of(r, id);
    const struct comp_ent *e = item == COMP_NONE ? &r->w->base->names.ents[id] : ent_of(r, item);
    *n = e->n_reach;
    return *n == 0 ? NULL : (item == COMP_NONE ? r->w->base : r->w)->reach + e->reach;
}

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort_set(struct reaching *r)
{
    uint32_t *p = r->set, n = r->n_set, kept = 0;
    if (n > 24)
        qsort(p, n, sizeof *p, cmp_u32);
    for (uint32_t i = 1; n <= 24 && i < n; i++) {
        uint32_t v = p[i], k = i;
        for (; k > 0 && p[k - 1] > v; k--)
            p[k] = p[k - 1];
        p[k] = v;
    }
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || p[kept - 1] != p[i])
            p[kept++] = p[i];
    r->n_set = kept;
}

static bool set_add(struct reaching *r, const uint32_t *ids, uint32_t n)
{
    while (r->n_set + n > r->cap_set)
        if (!comp_grow(&r->set, r->cap_set, &r->cap_set, sizeof *r->set))
            return false;
    if (n)
        memcpy(r->set + r->n_set, ids, n * sizeof *ids);
    r->n_set += n;
    return true;
}

/* Keeps the set as what `at` reaches. */
static bool keep(struct reaching *r, uint32_t at)
{
    struct phi_world *w = r->w;
    struct comp_ent *e = ent_of(r, at);
    uint32_t present = 1, self = id_of(r, at);
    for (uint32_t i = 0; i < r->n_set; i++)
        present += comp_world_ent(w, r->set[i])->present && r->set[i] != self;
    if (present > CEDAR_MAX_ANCESTORS) {
        phi_fail(r->err, PHI_ELIMIT, "an entity has more than %d ancestors", CEDAR_MAX_ANCESTORS - 1);
        return false;
    }
    while (w->n_reach + r->n_set > w->cap_reach)
        if (!comp_grow(&w->reach, w->cap_reach, &w->cap_reach, sizeof *w->reach))
            return full(r->err) == PHI_OK;
    e->reach = w->n_reach;
    e->n_reach = r->n_set;
    if (r->n_set)
        memcpy(w->reach + w->n_reach, r->set, r->n_set * sizeof *r->set);
    w->n_reach += r->n_set;
    return true;
}

/* Its parents are done. */
static bool join(struct reaching *r, uint32_t at)
{
    struct phi_world *w = r->w;
    struct comp_ent *e = ent_of(r, at);
    struct span from = r->parents[at];
    r->n_set = 0;
    if (from.n == 0) {
        e->reach = e->n_reach = 0;
        return true;
    }
    uint32_t first = from.n == 1 ? item_of(r, w->parents[from.at]) : COMP_NONE;
    if (first != COMP_NONE && r->below[first].n) {
        e->reach = r->below[first].at;
        e->n_reach = r->below[first].n;
        return true;
    }
    for (uint32_t i = 0; i < from.n; i++) {
        uint32_t n = 0;
        const uint32_t *up = reach_of(r, w->parents[from.at + i], &n);
        if (!set_add(r, &w->parents[from.at + i], 1) || !set_add(r, up, n))
            return full(r->err) == PHI_OK;
    }
    sort_set(r);
    if (!keep(r, at))
        return false;
    if (first != COMP_NONE)
        r->below[first] = (struct span){ e->reach, e->n_reach };
    return true;
}

static bool visit(struct reaching *r, uint32_t root)
{
    uint32_t depth = 1;
    r->stack[0] = root;
    while (depth > 0 && !r->ring) {
        uint32_t at = r->stack[depth - 1];
        struct span from = r->parents[at];
        if (r->state[at] == NEW)
            r->next[at] = 0;
        r->state[at] = BUSY;
        if (r->next[at] < from.n) {
            uint32_t up = item_of(r, r->w->parents[from.at + r->next[at]++]);
            r->ring = up != COMP_NONE && r->state[up] == BUSY;
            if (up != COMP_NONE && r->state[up] == NEW)
                r->stack[depth++] = up;
            continue;
        }
        if (!join(r, at))
            return false;
        r->state[at] = DONE;
        depth--;
    }
    return true;
}

/* One parent of one that a ring's walk came to; a base's parent brings all that it reaches. */
static bool wander_up(struct reaching *r, uint32_t root, uint32_t id, uint32_t *n)
{
    uint32_t up = item_of(r, id), n_reach = 0;
    if (up == COMP_NONE) {
        const uint32_t *reach = reach_of(r, id, &n_reach);
        return set_add(r, &id, 1) && set_add(r, reach, n_reach);
    }
    if (r->state[up] == DONE)
        return true;
    r->state[up] = DONE;
    if (up != root)
        r->stack[(*n)++] = up;
    return set_add(r, &id, 1);
}

/* Where parents form a ring: for each entity on its own. */
static bool wander(struct reaching *r, uint32_t root)
{
    uint32_t n = 1;
    memset(r->state, NEW, r->n);
    r->stack[0] = root;
    r->n_set = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct span from = r->parents[r->stack[i]];
        for (uint32_t k = 0; k < from.n; k++)
            if (!wander_up(r, root, r->w->parents[from.at + k], &n))
                return full(r->err) == PHI_OK;
    }
    sort_set(r);
    return keep(r, root);
}

static bool all(struct reaching *r)
{
    uint32_t n = r->n;
    for (uint32_t i = 0; i < n; i++) {
        struct comp_ent *e = ent_of(r, i);
        r->parents[i] = (struct span){ e->reach, e->n_reach };
        e->reach = e->n_reach = 0;
    }
    for (uint32_t i = 0; i < n && !r->ring; i++)
        if (r->state[i] == NEW && !visit(r, i))
            return false;
    if (r->ring)
        r->w->n_reach = 0;
    for (uint32_t i = 0; i < n && r->ring; i++)
        if (!wander(r, i))
            return false;
    return true;
}

bool comp_world_reach(struct phi_world *w, struct phi_err *err)
{
    struct reaching r = { .w = w, .err = err, .n = w->names.n_ents + w->n_over,
                          .first = comp_is_upper(w) ? w->base->names.n_ents : 0 };
    size_t n = r.n + 1U;
    r.parents = calloc(n, sizeof *r.parents);
    r.below = calloc(n, sizeof *r.below);
    r.state = calloc(n, 1);
    r.stack = calloc(n, sizeof *r.stack);
    r.next = calloc(n, sizeof *r.next);
    bool ok = r.parents && r.below && r.state && r.stack && r.next;
    if (!ok)
        full(err);
    ok = ok && all(&r);
    free(r.parents);
    free(r.below);
    free(r.state);
    free(r.stack);
    free(r.next);
    free(r.set);
    return ok;
}
