/* Policies by scope: a decision looks only at those whose scope can fit. What names neither
 * principal nor resource is listed by action; the rest is in buckets under the entities it names. */
#include "policy/comp.h"

#include <stdlib.h>
#include <string.h>

/* Any action: an index past those of the schema. */
static uint32_t any_action(const struct comp *c)
{
    return (uint32_t)c->schema->n_actions;
}

static uint32_t named(const struct comp *c, const struct comp_scope *s)
{
    return s->kind == SCOPE_EQ || s->kind == SCOPE_IN || s->kind == SCOPE_IS_IN ? c->scope_uids[s->uids] : COMP_NONE;
}

static uint32_t bucket_hash(uint32_t action, uint32_t principal, uint32_t resource)
{
    uint64_t h = ((uint64_t)principal << 32 | resource) * UINT64_C(0x9e3779b97f4a7c15) + action;
    h ^= h >> 29;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(h >> 32);
}

/* Other bits of the hash than those that choose the bucket. */
static uint32_t filter_bit(const struct comp *c, uint32_t hash)
{
    return (hash >> 7 ^ hash * 0x9e3779b1U) & c->filter_mask;
}

bool comp_bucket_may(const struct comp *c, uint32_t action, uint32_t principal, uint32_t resource, struct comp_place *ret)
{
    uint32_t hash = bucket_hash(action, principal, resource), bit = filter_bit(c, hash);
    if (!(c->filter[bit / 8] >> bit % 8 & 1))
        return false;
    __builtin_prefetch(&c->buckets[hash & (c->cap_buckets - 1)]);
    *ret = (struct comp_place){ action, principal, resource, hash };
    return true;
}

const struct comp_bucket *comp_bucket_find(const struct comp *c, const struct comp_place *at)
{
    for (uint32_t i = at->hash;; i++) {
        const struct comp_bucket *b = &c->buckets[i & (c->cap_buckets - 1)];
        if (!b->list.p)
            return NULL;
        if (b->action == at->action && b->principal == at->principal && b->resource == at->resource)
            return b;
    }
}

struct entry {
    uint32_t action, principal, resource, policy;
    bool permit;
};

struct indexing {
    struct comp *c;
    struct entry *entries;
    uint32_t n, cap;
};

static int cmp_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int cmp_entry(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int c = cmp_u32(a->action, b->action);
    c = c ? c : cmp_u32(a->principal, b->principal);
    c = c ? c : cmp_u32(a->resource, b->resource);
    c = c ? c : a->permit - b->permit;
    return c ? c : cmp_u32(a->policy, b->policy);
}

static bool same_bucket(const struct entry *a, const struct entry *b)
{
    return a->action == b->action && a->principal == b->principal && a->resource == b->resource;
}

static void mark(struct comp *c, uint32_t principal, uint32_t resource)
{
    bool both = principal != COMP_NONE && resource != COMP_NONE;
    if (principal != COMP_NONE)
        c->marks[principal] |= both ? COMP_P_BOTH : COMP_P_ALONE;
    if (resource != COMP_NONE)
        c->marks[resource] |= both ? COMP_R_BOTH : COMP_R_ALONE;
}

static bool add(struct indexing *x, uint32_t action, uint32_t policy)
{
    struct comp *c = x->c;
    const struct comp_policy *p = &c->policies[policy];
    struct entry e = { action, named(c, &p->principal), named(c, &p->resource), policy, !p->forbid };
    if (p->action.kind == SCOPE_ANY && (e.principal != COMP_NONE || e.resource != COMP_NONE) && action != any_action(c))
        return true; /* once, for any action */
    if (!comp_grow(&x->entries, x->n, &x->cap, sizeof *x->entries))
        return false;
    c->any_action |= action == any_action(c);
    mark(c, e.principal, e.resource);
    x->entries[x->n++] = e;
    return true;
}

/* `by_action` has an action's policies in the text's order. */
static bool gather(struct indexing *x, const struct phi_bundle *b)
{
    struct comp *c = x->c;
    for (uint32_t i = 0; i < b->schema.n_actions; i++) {
        const struct cedar_index *list = &b->by_action[i];
        uint32_t policy = 0;
        for (size_t k = 0; k < list->n; k++, policy++) {
            while (policy < c->n_policies && c->policies[policy].src != list->p[k])
                policy++;
            if (policy == c->n_policies || !add(x, i, policy))
                return false;
        }
    }
    for (uint32_t i = 0; i < c->n_policies; i++) {
        const struct comp_policy *p = &c->policies[i];
        bool scoped = named(c, &p->principal) != COMP_NONE || named(c, &p->resource) != COMP_NONE;
        if (scoped && p->action.kind == SCOPE_ANY && !add(x, any_action(c), i))
            return false;
    }
    return true;
}

static void put(struct comp *c, const struct entry *e, struct comp_list list)
{
    if (e->principal == COMP_NONE && e->resource == COMP_NONE) {
        c->actions[e->action].open = list;
        return;
    }
    uint32_t i = bucket_hash(e->action, e->principal, e->resource), bit = filter_bit(c, i);
    c->filter[bit / 8] |= (uint8_t)(1U << bit % 8);
    while (c->buckets[i & (c->cap_buckets - 1)].list.p)
        i++;
    struct comp_bucket *b = &c->buckets[i & (c->cap_buckets - 1)];
    *b = (struct comp_bucket){ e->action, e->principal, e->resource, list.p[0], list };
    if (list.n == 1)
        b->list.p = &b->only;
}

static bool make_buckets(struct indexing *x)
{
    struct comp *c = x->c;
    uint32_t *ids = phi_arena_array(&c->arena, x->n + 1U, sizeof *ids);
    c->cap_buckets = 16;
    while (c->cap_buckets < 2 * (uint64_t)x->n && c->cap_buckets < UINT32_MAX / 2)
        c->cap_buckets *= 2;
    c->buckets = calloc(c->cap_buckets, sizeof *c->buckets);
    c->filter_mask = c->cap_buckets < UINT32_MAX / 8 ? 4 * c->cap_buckets - 1 : c->cap_buckets - 1;
    c->filter = phi_arena_alloc(&c->arena, c->filter_mask / 8 + 1U);
    if (!ids || !c->buckets || !c->filter || c->cap_buckets <= x->n)
        return false;
    if (x->n > 1)
        qsort(x->entries, x->n, sizeof *x->entries, cmp_entry);
    for (uint32_t i = 0; i < x->n;) {
        uint32_t first = i, forbids = 0;
        for (; i < x->n && same_bucket(&x->entries[first], &x->entries[i]); i++) {
            ids[i] = x->entries[i].policy;
            forbids += !x->entries[i].permit;
        }
        put(c, &x->entries[first], (struct comp_list){ ids + first, i - first, forbids });
    }
    return true;
}

static bool find_wanted(struct comp *c, const struct cedar_type *context, struct comp_action *ret)
{
    size_t n = context ? context->n : 0;
    struct comp_wanted *list = phi_arena_array(&c->arena, n + 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        const struct comp_str *s = comp_str_find(&c->strs, context->attrs[i].name);
        if (s && comp_uid_find(&c->attr_numbers, 0, s) != COMP_NONE)
            list[ret->n_wanted++] = (struct comp_wanted){ context->attrs[i].name, s };
    }
    ret->wanted = list;
    return list != NULL;
}

enum phi_rc comp_index(struct comp *c, const struct phi_bundle *b, struct phi_err *err)
{
    struct indexing x = { .c = c };
    size_t n = b->schema.n_actions;
    c->actions = phi_arena_array(&c->arena, n + 1, sizeof *c->actions);
    c->marks = phi_arena_alloc(&c->arena, c->names.n_ents + 1U);
    bool ok = c->actions && c->marks;
    for (size_t i = 0; ok && i < n; i++) {
        c->actions[i].uid = comp_uid(c, b->schema.actions[i]->uid);
        c->actions[i].own = cedar_is_phi_type(b->schema.actions[i]->uid.type);
        ok = find_wanted(c, b->schema.actions[i]->context, &c->actions[i]);
    }
    ok = ok && gather(&x, b) && make_buckets(&x) && phi_arena_ok(&c->arena);
    free(x.entries);
    return ok ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the bundle is too large");
}
