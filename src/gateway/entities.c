#include "gateway/entities.h"

#define MAX_ENTITIES (4 * PHI_REF_PARTS_MAX * 64)

struct set {
    struct phi_arena *a;
    struct phi_ref refs[MAX_ENTITIES];
    size_t n;
};

static const char *parent_type(struct phi_ref r)
{
    if (phi_view_is(r.type, "Column"))
        return "Table";
    if (phi_view_is(r.type, "Table") || phi_view_is(r.type, "Function"))
        return "Schema";
    return phi_view_is(r.type, "Schema") ? "Target" : NULL;
}

static bool parent_of(struct phi_arena *a, struct phi_ref r, struct phi_ref *ret)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n = PHI_REF_PARTS_MAX;
    const char *type = parent_type(r);
    if (type == NULL || !phi_ref_parts(a, r, parts, &n) || n < 2)
        return false;
    *ret = phi_ref_make_parts(a, type, parts, n - 1);
    return true;
}

static void add(struct set *s, struct phi_ref r)
{
    struct phi_ref parent;
    for (; !phi_view_is(r.type, "Target"); r = parent) {
        for (size_t i = 0; i < s->n; i++)
            if (phi_ref_eq(s->refs[i], r))
                return;
        if (s->n == MAX_ENTITIES)
            return;
        s->refs[s->n++] = r;
        if (!parent_of(s->a, r, &parent))
            return;
    }
}

static void write_one(struct phi_arena *a, struct phi_jw *w, struct phi_ref r)
{
    struct phi_ref parent;
    phi_jw_obj(w);
    phi_jw_key(w, "uid");
    phi_ref_write(w, r);
    phi_jw_key(w, "attrs");
    phi_jw_obj(w);
    phi_jw_end(w);
    phi_jw_key(w, "parents");
    phi_jw_arr(w);
    if (parent_of(a, r, &parent))
        phi_ref_write(w, parent);
    phi_jw_end(w);
    phi_jw_end(w);
}

void gw_entities_json(const struct phi_pair *pairs, size_t n, struct phi_buf *out)
{
    PHI_ARENA(mem, 4 * 1024 * 1024);
    struct phi_jw w;
    struct set *s = phi_arena_new(&mem, struct set);
    phi_jw_init(&w, out);
    phi_jw_arr(&w);
    if (s != NULL)
        s->a = &mem;
    for (size_t i = 0; s != NULL && i < n; i++)
        add(s, pairs[i].resource);
    for (size_t i = 0; s != NULL && i < s->n; i++)
        write_one(&mem, &w, s->refs[i]);
    phi_jw_end(&w);
    if (!phi_arena_ok(&mem))
        out->bad = true;
}

void gw_context_json(struct phi_view addr, struct phi_view application, struct phi_jw *w)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "addr", addr);
    phi_jw_kv(w, "application", application);
    phi_jw_end(w);
}
