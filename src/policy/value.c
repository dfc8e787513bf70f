#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

const struct phi_value cedar_true = { .kind = PHI_VALUE_BOOL, .u.b = true };
const struct phi_value cedar_false = { .kind = PHI_VALUE_BOOL, .u.b = false };
static const struct phi_value unknown = { .kind = PHI_VALUE_UNKNOWN, .has_unknown = true };

const struct phi_value *cedar_bool(bool b)
{
    return b ? &cedar_true : &cedar_false;
}

bool phi_uid_eq(struct phi_uid a, struct phi_uid b)
{
    return phi_view_eq(a.id, b.id) && phi_view_eq(a.type, b.type);
}

int phi_uid_cmp(struct phi_uid a, struct phi_uid b)
{
    int c = phi_view_cmp(a.type, b.type);
    return c ? c : phi_view_cmp(a.id, b.id);
}

static struct phi_value *fresh(struct phi_arena *a, enum phi_value_kind kind)
{
    struct phi_value *v = phi_arena_new(a, struct phi_value);
    if (v)
        v->kind = kind;
    return v;
}

const struct phi_value *phi_value_bool(struct phi_arena *a, bool v)
{
    (void)a;
    return cedar_bool(v);
}

const struct phi_value *phi_value_long(struct phi_arena *a, int64_t i)
{
    struct phi_value *v = fresh(a, PHI_VALUE_LONG);
    if (v)
        v->u.i = i;
    return v;
}

const struct phi_value *phi_value_string(struct phi_arena *a, struct phi_view s)
{
    struct phi_value *v = fresh(a, PHI_VALUE_STRING);
    if (v)
        v->u.s = s;
    return v;
}

const struct phi_value *phi_value_entity(struct phi_arena *a, struct phi_uid uid)
{
    struct phi_value *v = fresh(a, PHI_VALUE_ENTITY);
    if (v)
        v->u.uid = uid;
    return v;
}

const struct phi_value *phi_value_unknown(void)
{
    return &unknown;
}

static int cmp_items(const void *a, const void *b)
{
    return cedar_value_cmp(*(const struct phi_value *const *)a, *(const struct phi_value *const *)b);
}

const struct phi_value *phi_value_set(struct phi_arena *a, const struct phi_value *const *items,
                                      size_t n)
{
    struct phi_value *v = fresh(a, PHI_VALUE_SET);
    const struct phi_value **own = phi_arena_array(a, n ? n : 1, sizeof(const struct phi_value *));
    if (!v || !own)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!items[i])
            return NULL;
        own[i] = items[i];
        v->has_unknown |= items[i]->has_unknown;
    }
    if (n > 1)
        qsort(own, n, sizeof(const struct phi_value *), cmp_items);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || cedar_value_cmp(own[kept - 1], own[i]) != 0)
            own[kept++] = own[i];
    v->u.set.items = own;
    v->u.set.n = kept;
    return v;
}

static int cmp_attrs(const void *a, const void *b)
{
    const struct phi_attr *x = a, *y = b;
    return phi_view_cmp(x->name, y->name);
}

static bool ascending(const struct phi_attr *attrs, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (phi_view_cmp(attrs[i - 1].name, attrs[i].name) > 0)
            return false;
    return true;
}

const struct phi_value *phi_value_record(struct phi_arena *a, const struct phi_attr *attrs, size_t n)
{
    struct phi_value *v = fresh(a, PHI_VALUE_RECORD);
    struct phi_attr *own = phi_arena_array(a, n ? n : 1, sizeof *own);
    if (!v || !own)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!attrs[i].value)
            return NULL;
        own[i] = attrs[i];
        v->has_unknown |= attrs[i].value->has_unknown;
    }
    if (n > 1 && !ascending(own, n))
        qsort(own, n, sizeof *own, cmp_attrs);
    for (size_t i = 1; i < n; i++)
        if (phi_view_eq(own[i - 1].name, own[i].name))
            return NULL;
    v->u.record.attrs = own;
    v->u.record.n = n;
    return v;
}

enum phi_value_kind phi_value_kind(const struct phi_value *v)
{
    return v->kind;
}

static int cmp_long(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int cmp_set(const struct phi_value *a, const struct phi_value *b)
{
    if (a->u.set.n != b->u.set.n)
        return a->u.set.n < b->u.set.n ? -1 : 1;
    for (size_t i = 0; i < a->u.set.n; i++) {
        int c = cedar_value_cmp(a->u.set.items[i], b->u.set.items[i]);
        if (c)
            return c;
    }
    return 0;
}

static int cmp_record(const struct phi_value *a, const struct phi_value *b)
{
    if (a->u.record.n != b->u.record.n)
        return a->u.record.n < b->u.record.n ? -1 : 1;
    for (size_t i = 0; i < a->u.record.n; i++) {
        int c = phi_view_cmp(a->u.record.attrs[i].name, b->u.record.attrs[i].name);
        if (!c)
            c = cedar_value_cmp(a->u.record.attrs[i].value, b->u.record.attrs[i].value);
        if (c)
            return c;
    }
    return 0;
}

static int cmp_ext(const struct phi_value *a, const struct phi_value *b)
{
    if (a->u.ext.kind != b->u.ext.kind)
        return a->u.ext.kind < b->u.ext.kind ? -1 : 1;
    if (a->u.ext.kind != CEDAR_IP)
        return cmp_long(a->u.ext.n, b->u.ext.n);
    if (a->u.ext.v6 != b->u.ext.v6)
        return a->u.ext.v6 ? 1 : -1;
    int c = memcmp(a->u.ext.ip, b->u.ext.ip, sizeof a->u.ext.ip);
    return c ? c : a->u.ext.prefix - b->u.ext.prefix;
}

int cedar_value_cmp(const struct phi_value *a, const struct phi_value *b)
{
    if (a == b)
        return 0;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case PHI_VALUE_BOOL: return a->u.b - b->u.b;
    case PHI_VALUE_LONG: return cmp_long(a->u.i, b->u.i);
    case PHI_VALUE_STRING: return phi_view_cmp(a->u.s, b->u.s);
    case PHI_VALUE_ENTITY: return phi_uid_cmp(a->u.uid, b->u.uid);
    case PHI_VALUE_SET: return cmp_set(a, b);
    case PHI_VALUE_RECORD: return cmp_record(a, b);
    case PHI_VALUE_EXT: return cmp_ext(a, b);
    case PHI_VALUE_UNKNOWN: return 0;
    }
    return 0;
}

bool phi_value_eq(const struct phi_value *a, const struct phi_value *b)
{
    return cedar_value_cmp(a, b) == 0;
}

bool cedar_set_has(const struct phi_value *set, const struct phi_value *v)
{
    size_t lo = 0, hi = set->u.set.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = cedar_value_cmp(set->u.set.items[mid], v);
        if (c == 0)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

const struct phi_value *cedar_record_get(const struct phi_value *record, struct phi_view name)
{
    size_t lo = 0, hi = record->u.record.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = phi_view_cmp(record->u.record.attrs[mid].name, name);
        if (c == 0)
            return record->u.record.attrs[mid].value;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct phi_value *phi_value_get(const struct phi_value *record, const char *name)
{
    if (!record || record->kind != PHI_VALUE_RECORD)
        return NULL;
    return cedar_record_get(record, phi_view_of(name));
}

static const struct phi_value *copy_set(struct phi_arena *a, const struct phi_value *v)
{
    struct phi_value *own = fresh(a, PHI_VALUE_SET);
    size_t n = v->u.set.n;
    const struct phi_value **items = phi_arena_array(a, n ? n : 1, sizeof(const struct phi_value *));
    if (!own || !items)
        return NULL;
    *own = *v;
    own->u.set.items = items;
    for (size_t i = 0; i < n; i++)
        if (!(items[i] = cedar_value_copy(a, v->u.set.items[i])))
            return NULL;
    return own;
}

static const struct phi_value *copy_record(struct phi_arena *a, const struct phi_value *v)
{
    struct phi_value *own = fresh(a, PHI_VALUE_RECORD);
    size_t n = v->u.record.n;
    struct phi_attr *attrs = phi_arena_array(a, n ? n : 1, sizeof *attrs);
    if (!own || !attrs)
        return NULL;
    *own = *v;
    own->u.record.attrs = attrs;
    for (size_t i = 0; i < n; i++) {
        attrs[i].name = phi_arena_copy(a, v->u.record.attrs[i].name);
        if (!(attrs[i].value = cedar_value_copy(a, v->u.record.attrs[i].value)))
            return NULL;
    }
    return own;
}

const struct phi_value *cedar_value_copy(struct phi_arena *a, const struct phi_value *v)
{
    switch (v->kind) {
    case PHI_VALUE_SET: return copy_set(a, v);
    case PHI_VALUE_RECORD: return copy_record(a, v);
    case PHI_VALUE_UNKNOWN: return &unknown;
    case PHI_VALUE_BOOL:
    case PHI_VALUE_LONG:
    case PHI_VALUE_STRING:
    case PHI_VALUE_ENTITY:
    case PHI_VALUE_EXT: break;
    }
    struct phi_value *own = fresh(a, v->kind);
    if (!own)
        return NULL;
    *own = *v;
    if (v->kind == PHI_VALUE_STRING)
        own->u.s = phi_arena_copy(a, v->u.s);
    if (v->kind == PHI_VALUE_ENTITY)
        own->u.uid = (struct phi_uid){ phi_arena_copy(a, v->u.uid.type),
                                       phi_arena_copy(a, v->u.uid.id) };
    return phi_arena_ok(a) ? own : NULL;
}
