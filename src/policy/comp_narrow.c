/* Which policies a request's scopes can reach: over prepared keys, and for the tree walker over entities
 * as they are. */
#include "policy/comp.h"

#include <stdlib.h>

static bool add_list(struct comp_lists *s, struct comp_list list)
{
    if (list.n == 0)
        return true;
    if (!comp_grow(&s->p, s->n, &s->cap, sizeof *s->p))
        return false;
    s->p[s->n++] = list;
    return true;
}

/* Places are gathered before any is looked at: with many policies each is far away in memory, and so they come at once. */
enum { PLACES = 16 };

struct looking {
    const struct comp *c;
    const struct comp_action *action;
    struct comp_lists *lists;
    struct comp_place places[PLACES];
    uint32_t n;
    bool ok;
};

static void look(struct looking *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const struct comp_bucket *b = comp_bucket_find(l->c, &l->places[i]);
        if (!b)
            continue;
        struct comp_list list = b->list;
        if (l->places[i].action == l->c->schema->n_actions && l->action->own)
            list.n = list.n_forbids; /* a permit reaches phi's own actions only by name */
        if (list.n > 0) {
            const struct comp_policy *first = &l->c->policies[list.p[0]];
            __builtin_prefetch(first);
            __builtin_prefetch(&first->named.why);
        }
        l->ok = l->ok && add_list(l->lists, list);
    }
    l->n = 0;
}

static void add_place(struct looking *l, uint32_t action, uint32_t principal, uint32_t resource)
{
    if (l->n == PLACES)
        look(l);
    if (comp_bucket_may(l->c, action, principal, resource, &l->places[l->n]))
        l->n++;
}

static void add_bucket(struct looking *l, uint32_t principal, uint32_t resource)
{
    add_place(l, (uint32_t)(l->action - l->c->actions), principal, resource);
    if (l->c->any_action)
        add_place(l, (uint32_t)l->c->schema->n_actions, principal, resource);
}

/* Buckets of one principal: without a resource, and with each that is named. */
static void add_principal(struct looking *l, uint32_t id, uint8_t mark, const struct comp_keys *rk)
{
    if (mark & COMP_P_ALONE)
        add_bucket(l, id, COMP_NONE);
    if (!(mark & COMP_P_BOTH))
        return;
    if (rk->mark & COMP_R_BOTH)
        add_bucket(l, id, rk->self);
    for (uint32_t k = 0; k < rk->n; k++)
        if (l->c->marks[rk->p[k]] & COMP_R_BOTH)
            add_bucket(l, id, rk->p[k]);
}

bool comp_lists_find(const struct comp *c, const struct comp_action *action, const struct comp_keys *pk,
                     const struct comp_keys *rk, struct comp_lists *ret)
{
    struct looking l;
    l.c = c;
    l.action = action;
    l.lists = ret;
    l.n = ret->n = 0;
    l.ok = add_list(ret, action->open);
    add_principal(&l, pk->self, pk->mark, rk);
    for (uint32_t i = 0; i < pk->n; i++)
        add_principal(&l, pk->p[i], c->marks[pk->p[i]], rk);
    if (rk->mark & COMP_R_ALONE)
        add_bucket(&l, COMP_NONE, rk->self);
    for (uint32_t k = 0; k < rk->n; k++)
        if (c->marks[rk->p[k]] & COMP_R_ALONE)
            add_bucket(&l, COMP_NONE, rk->p[k]);
    look(&l);
    return l.ok;
}

void comp_sort(uint32_t *p, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) /* Shell's: in place, no allocation */
        for (uint32_t i = gap; i < n; i++) {
            uint32_t v = p[i], k = i;
            for (; k >= gap && p[k - gap] > v; k -= gap)
                p[k] = p[k - gap];
            p[k] = v;
        }
}

/* ---- for the tree walker ------------------------------------------------------------------------------------ */

enum { MAX_SEEN = 256 }; /* ancestors; with more the walker gets all policies */

struct climb {
    const struct comp *c;
    const struct phi_entities *es;
    const struct cedar_entity *seen[MAX_SEEN];
    size_t n;
    uint32_t keys[MAX_SEEN];
    struct comp_keys ret;
};

static uint32_t number_of(const struct comp *c, struct phi_uid uid)
{
    const struct comp_str *type = comp_str_find(&c->strs, uid.type), *id = comp_str_find(&c->strs, uid.id);
    uint32_t t = type && id ? comp_type_find(&c->names, type) : COMP_NONE;
    return t == COMP_NONE ? COMP_NONE : comp_uid_find(&c->names, t, id);
}

static bool add_key(struct climb *k, struct phi_uid uid)
{
    uint32_t id = number_of(k->c, uid);
    if (id == COMP_NONE || !k->c->marks[id] || id == k->ret.self)
        return true;
    for (uint32_t i = 0; i < k->ret.n; i++)
        if (k->keys[i] == id)
            return true;
    if (k->ret.n == MAX_SEEN)
        return false;
    k->keys[k->ret.n++] = id;
    return true;
}

static bool add_seen(struct climb *k, const struct cedar_entity *e)
{
    for (size_t i = 0; e && i < k->n; i++)
        if (k->seen[i] == e)
            return true;
    if (!e)
        return true;
    if (k->n == MAX_SEEN)
        return false;
    k->seen[k->n++] = e;
    return true;
}

/* False: too many to tell. */
static bool climb(struct climb *k, struct phi_uid uid)
{
    uint32_t self = number_of(k->c, uid);
    k->ret = (struct comp_keys){ .p = k->keys, .self = self, .mark = self == COMP_NONE ? 0 : k->c->marks[self] };
    bool ok = add_seen(k, cedar_entity_find(k->es, uid));
    for (size_t i = 0; ok && i < k->n; i++)
        for (size_t p = 0; ok && p < k->seen[i]->n_parents; p++)
            ok = add_key(k, k->seen[i]->parents[p]) && add_seen(k, cedar_entity_find(k->es, k->seen[i]->parents[p]));
    return ok;
}

static bool list_policies(const struct comp *c, const struct comp_lists *lists, struct phi_arena *a, struct cedar_index *ret)
{
    uint32_t n = 0;
    for (uint32_t l = 0; l < lists->n; l++)
        n += lists->p[l].n;
    uint32_t *ids = phi_arena_array(a, n + 1U, sizeof *ids);
    const struct cedar_policy **p = phi_arena_array(a, n + 1U, sizeof(const struct cedar_policy *));
    if (!ids || !p)
        return false;
    n = 0;
    for (uint32_t l = 0; l < lists->n; l++)
        for (uint32_t i = 0; i < lists->p[l].n; i++)
            ids[n++] = lists->p[l].p[i];
    comp_sort(ids, n);
    for (uint32_t i = 0; i < n; i++)
        p[i] = c->policies[ids[i]].src;
    *ret = (struct cedar_index){ p, n };
    return true;
}

void comp_narrow(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask, size_t action,
                 struct phi_arena *a, struct cedar_index *ret)
{
    const struct comp *c = b->comp;
    if (ret->n == c->actions[action].open.n)
        return; /* none of them names anything */
    struct climb principal = { .c = c, .es = es }, resource = { .c = c, .es = es };
    struct comp_lists lists = { 0 };
    if (climb(&principal, ask->principal) && climb(&resource, ask->resource) &&
        comp_lists_find(c, &c->actions[action], &principal.ret, &resource.ret, &lists))
        list_policies(c, &lists, a, ret);
    free(lists.p);
}
