#include "policy/types.h"

static const struct cedar_type bools[] = {
    [TRUTH_ANY] = { .kind = TYPE_BOOL, .truth = TRUTH_ANY },
    [TRUTH_TRUE] = { .kind = TYPE_BOOL, .truth = TRUTH_TRUE },
    [TRUTH_FALSE] = { .kind = TYPE_BOOL, .truth = TRUTH_FALSE },
};

const struct cedar_type *cedar_type_bool(enum cedar_truth truth)
{
    return &bools[truth];
}

const char *cedar_ext_name(enum cedar_ext ext)
{
    static const char *const names[] = { "decimal", "ipaddr", "datetime", "duration" };
    return names[ext];
}

static const struct cedar_type *lub_record(struct phi_arena *a, const struct cedar_type *x,
                                           const struct cedar_type *y, unsigned *fuel)
{
    if (x->attrs == y->attrs && x->n == y->n)
        return x;
    if (x->n != y->n)
        return NULL;
    if (x->n > *fuel) {
        *fuel = 0;
        return NULL;
    }
    struct cedar_type *t = phi_arena_new(a, struct cedar_type);
    struct cedar_attr_type *attrs = phi_arena_array(a, x->n + 1, sizeof *attrs);
    if (!t || !attrs)
        return NULL;
    for (size_t i = 0; i < x->n; i++) {
        if (*fuel < y->n) {
            *fuel = 0;
            return NULL;
        }
        *fuel -= (unsigned)(y->n / 8); /* looking a name up costs that much less than comparing types */
        const struct cedar_attr_type *other = cedar_type_attr(y, x->attrs[i].name);
        if (!other || other->required != x->attrs[i].required)
            return NULL;
        const struct cedar_type *part = cedar_type_lub(a, x->attrs[i].type, other->type, fuel);
        if (!part)
            return NULL;
        attrs[i] = x->attrs[i];
        attrs[i].type = (struct cedar_type *)(uintptr_t)part;
    }
    *t = (struct cedar_type){ .kind = TYPE_RECORD, .attrs = attrs, .n = x->n };
    return t;
}

static const struct cedar_type *lub_set(struct phi_arena *a, const struct cedar_type *x,
                                        const struct cedar_type *y, unsigned *fuel)
{
    const struct cedar_type *elem = cedar_type_lub(a, x->elem, y->elem, fuel);
    if (elem == x->elem)
        return x;
    struct cedar_type *t = elem ? phi_arena_new(a, struct cedar_type) : NULL;
    if (t)
        *t = (struct cedar_type){ .kind = TYPE_SET, .elem = (struct cedar_type *)(uintptr_t)elem };
    return t;
}

const struct cedar_type *cedar_type_lub(struct phi_arena *a, const struct cedar_type *x,
                                        const struct cedar_type *y, unsigned *fuel)
{
    if (x == y)
        return x;
    if (x->kind != y->kind || *fuel == 0)
        return NULL;
    --*fuel;
    switch (x->kind) {
    case TYPE_BOOL: return x->truth == y->truth ? x : cedar_type_bool(TRUTH_ANY);
    case TYPE_LONG:
    case TYPE_STRING: return x;
    case TYPE_ENTITY: return phi_view_eq(x->name, y->name) ? x : NULL;
    case TYPE_EXT: return x->ext == y->ext ? x : NULL;
    case TYPE_SET: return lub_set(a, x, y, fuel);
    case TYPE_RECORD: return lub_record(a, x, y, fuel);
    case TYPE_ANY:
    case TYPE_REF: break;
    }
    return NULL;
}

static void write_type(struct phi_buf *b, const struct cedar_type *t, int levels)
{
    switch (t->kind) {
    case TYPE_BOOL: phi_buf_adds(b, "Bool"); return;
    case TYPE_LONG: phi_buf_adds(b, "Long"); return;
    case TYPE_STRING: phi_buf_adds(b, "String"); return;
    case TYPE_ENTITY: phi_buf_add(b, phi_view_upto(t->name, 60)); return;
    case TYPE_EXT: phi_buf_adds(b, cedar_ext_name(t->ext)); return;
    case TYPE_ANY:
    case TYPE_REF: phi_buf_adds(b, "?"); return;
    case TYPE_SET:
    case TYPE_RECORD: break;
    }
    if (levels == 0) {
        phi_buf_adds(b, "…");
        return;
    }
    if (t->kind == TYPE_SET) {
        phi_buf_adds(b, "Set<");
        write_type(b, t->elem, levels - 1);
        phi_buf_adds(b, ">");
        return;
    }
    phi_buf_adds(b, "{");
    for (size_t i = 0; i < t->n && i < 3; i++) {
        phi_buf_printf(b, "%s" PHI_FMT "%s: ", i ? ", " : "", PHI_ARG(phi_view_upto(t->attrs[i].name, 20)),
                       t->attrs[i].required ? "" : "?");
        write_type(b, t->attrs[i].type, levels - 1);
    }
    phi_buf_adds(b, t->n > 3 ? ", …}" : "}");
}

void cedar_type_write(struct phi_buf *b, const struct cedar_type *t)
{
    write_type(b, t, 2);
}
