/* Values of the compiled evaluator: equality is of numbers and addresses. */
#include "policy/comp.h"

#include <stdlib.h>

static int cmp_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int cmp_sets(const struct comp_set *a, const struct comp_set *b)
{
    int c = cmp_u64(a->n, b->n);
    for (uint32_t i = 0; c == 0 && i < a->n; i++)
        c = comp_cmp(a->items[i], b->items[i]);
    return c;
}

static int cmp_recs(const struct comp_rec *a, const struct comp_rec *b)
{
    int c = cmp_u64(a->n, b->n);
    for (uint32_t i = 0; c == 0 && i < a->n; i++) {
        c = cmp_u64((uintptr_t)a->fields[i].name, (uintptr_t)b->fields[i].name);
        if (c == 0)
            c = comp_cmp(a->fields[i].v, b->fields[i].v);
    }
    return c;
}

int comp_cmp(struct comp_val a, struct comp_val b)
{
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    if (a.u.i == b.u.i)
        return 0;
    if (a.kind == COMP_SET)
        return cmp_sets(a.u.set, b.u.set);
    if (a.kind == COMP_RECORD)
        return cmp_recs(a.u.rec, b.u.rec);
    if (a.kind == COMP_IP)
        return cedar_value_cmp(a.u.ip, b.u.ip);
    return a.u.i < b.u.i ? -1 : 1;
}

bool comp_eq(struct comp_val a, struct comp_val b)
{
    if (a.kind != b.kind)
        return false;
    if (a.u.i == b.u.i)
        return true;
    return a.kind >= COMP_IP && comp_cmp(a, b) == 0;
}

bool comp_set_has(const struct comp_set *set, struct comp_val v)
{
    uint32_t lo = 0, hi = set->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = comp_cmp(set->items[mid], v);
        if (c == 0)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

const struct comp_val *comp_rec_get(const struct comp_rec *r, const struct comp_str *name)
{
    uint32_t lo = 0, hi = r->n;
    while (hi - lo > 8) {
        uint32_t mid = lo + (hi - lo) / 2;
        if ((uintptr_t)r->fields[mid].name <= (uintptr_t)name)
            lo = mid;
        else
            hi = mid;
    }
    for (; lo < hi; lo++)
        if (r->fields[lo].name == name)
            return &r->fields[lo].v;
    return NULL;
}

struct comp_set *comp_set_fresh(struct phi_arena *a, size_t n)
{
    size_t size = 0;
    if (n > UINT32_MAX || __builtin_mul_overflow(n, sizeof(struct comp_val), &size))
        return NULL;
    struct comp_set *s = phi_arena_alloc(a, sizeof *s + 8 + size);
    if (s)
        s->n = (uint32_t)n;
    return s;
}

struct comp_rec *comp_rec_fresh(struct phi_arena *a, size_t n)
{
    size_t size = 0;
    if (n > UINT32_MAX || __builtin_mul_overflow(n, sizeof(struct comp_field), &size))
        return NULL;
    struct comp_rec *r = phi_arena_alloc(a, sizeof *r + 8 + size);
    if (r)
        r->n = (uint32_t)n;
    return r;
}

static int cmp_items(const void *a, const void *b)
{
    return comp_cmp(*(const struct comp_val *)a, *(const struct comp_val *)b);
}

static int cmp_fields(const void *a, const void *b)
{
    return cmp_u64((uintptr_t)((const struct comp_field *)a)->name, (uintptr_t)((const struct comp_field *)b)->name);
}

struct comp_val comp_set_done(struct comp_set *s)
{
    uint32_t kept = 0;
    struct comp_val v = { .kind = COMP_SET, .u.set = s };
    if (s->n > 1)
        qsort(s->items, s->n, sizeof s->items[0], cmp_items);
    for (uint32_t i = 0; i < s->n; i++) {
        v.has_unknown |= s->items[i].has_unknown;
        if (kept == 0 || comp_cmp(s->items[kept - 1], s->items[i]) != 0)
            s->items[kept++] = s->items[i];
    }
    s->n = kept;
    return v;
}

struct comp_val comp_rec_done(struct comp_rec *r)
{
    struct comp_val v = { .kind = COMP_RECORD, .u.rec = r };
    if (r->n > 1)
        qsort(r->fields, r->n, sizeof r->fields[0], cmp_fields);
    for (uint32_t i = 0; i < r->n; i++)
        v.has_unknown |= r->fields[i].v.has_unknown;
    return v;
}

/* ---- from values ---------------------------------------------------------------------------------- */

static struct comp_val failed(void)
{
    return (struct comp_val){ .kind = COMP_ERROR };
}

struct comp_val comp_of_ext(const struct phi_value *v)
{
    static const uint32_t kinds[] = { [CEDAR_DECIMAL] = COMP_DECIMAL, [CEDAR_IP] = COMP_IP,
                                      [CEDAR_DATETIME] = COMP_DATETIME, [CEDAR_DURATION] = COMP_DURATION };
    if (!v)
        return failed();
    if (v->kind == PHI_VALUE_BOOL)
        return (struct comp_val){ .kind = COMP_BOOL, .u.i = v->u.b };
    if (v->kind == PHI_VALUE_LONG)
        return (struct comp_val){ .kind = COMP_LONG, .u.i = v->u.i };
    if (v->u.ext.kind == CEDAR_IP)
        return (struct comp_val){ .kind = COMP_IP, .u.ip = v };
    return (struct comp_val){ .kind = kinds[v->u.ext.kind], .u.i = v->u.ext.n };
}

static struct comp_val make_set(const struct comp_maker *m, const struct phi_value *v)
{
    struct comp_set *s = comp_set_fresh(m->arena, v->u.set.n);
    for (size_t i = 0; s && i < v->u.set.n; i++) {
        s->items[i] = comp_make(m, v->u.set.items[i]);
        if (s->items[i].kind == COMP_ERROR)
            return failed();
    }
    return s ? comp_set_done(s) : failed();
}

static struct comp_val make_rec(const struct comp_maker *m, const struct phi_value *v)
{
    struct comp_rec *r = comp_rec_fresh(m->arena, v->u.record.n);
    for (size_t i = 0; r && i < v->u.record.n; i++) {
        r->fields[i].name = comp_str_put(m->strs, m->arena, v->u.record.attrs[i].name);
        r->fields[i].v = comp_make(m, v->u.record.attrs[i].value);
        if (!r->fields[i].name || r->fields[i].v.kind == COMP_ERROR)
            return failed();
    }
    return r ? comp_rec_done(r) : failed();
}

static struct comp_val make_entity(const struct comp_maker *m, const struct phi_value *v)
{
    uint32_t id = m->uid(m->who, v->u.uid);
    return id == COMP_NONE ? failed() : (struct comp_val){ .kind = COMP_ENTITY, .u.id = id };
}

static struct comp_val make_string(const struct comp_maker *m, const struct phi_value *v)
{
    const struct comp_str *s = comp_str_put(m->strs, m->arena, v->u.s);
    return s ? (struct comp_val){ .kind = COMP_STRING, .u.str = s } : failed();
}

struct comp_val comp_make(const struct comp_maker *m, const struct phi_value *v)
{
    switch (v->kind) {
    case PHI_VALUE_BOOL:
    case PHI_VALUE_LONG: return comp_of_ext(v);
    case PHI_VALUE_EXT: return comp_of_ext(v->u.ext.kind == CEDAR_IP ? cedar_value_copy(m->arena, v) : v);
    case PHI_VALUE_STRING: return make_string(m, v);
    case PHI_VALUE_ENTITY: return make_entity(m, v);
    case PHI_VALUE_SET: return make_set(m, v);
    case PHI_VALUE_RECORD: return make_rec(m, v);
    case PHI_VALUE_UNKNOWN: return (struct comp_val){ .kind = COMP_UNKNOWN, .has_unknown = 1 };
    }
    return failed();
}
