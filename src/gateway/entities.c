#include "gateway/entities.h"

#define MEMORY (4 * 1024 * 1024)

struct set {
    struct phi_arena *a;
    struct phi_ref *refs;
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

/* All resources and what lies around them, each once. */
static bool collect(struct phi_arena *a, const struct phi_pair *pairs, size_t n, struct set *ret)
{
    *ret = (struct set){ .a = a, .refs = phi_arena_array(a, n + 1, PHI_REF_PARTS_MAX * sizeof *ret->refs) };
    for (size_t i = 0; ret->refs != NULL && i < n; i++)
        add(ret, pairs[i].resource);
    return phi_arena_ok(a);
}

void gw_entities_json(const struct phi_pair *pairs, size_t n, struct phi_buf *out)
{
    PHI_ARENA(mem, MEMORY);
    struct phi_jw w;
    struct set s;
    phi_jw_init(&w, out);
    phi_jw_arr(&w);
    if (collect(&mem, pairs, n, &s))
        for (size_t i = 0; i < s.n; i++)
            write_one(&mem, &w, s.refs[i]);
    phi_jw_end(&w);
    if (!phi_arena_ok(&mem))
        out->bad = true;
}

static struct phi_uid uid_of(struct phi_ref r)
{
    return (struct phi_uid){ r.type, r.id };
}

enum phi_rc gw_entities_add(struct phi_world *w, const struct phi_pair *pairs, size_t n,
                            struct phi_err *err)
{
    PHI_ARENA(mem, MEMORY);
    struct set s;
    bool ok = collect(&mem, pairs, n, &s);
    for (size_t i = 0; ok && i < s.n; i++) {
        struct phi_ref parent;
        bool has = parent_of(&mem, s.refs[i], &parent);
        struct phi_uid up = has ? uid_of(parent) : (struct phi_uid){ 0 };
        PHI_TRY(phi_world_add(w, uid_of(s.refs[i]), &up, has ? 1 : 0, NULL, NULL, err));
        ok = phi_arena_ok(&mem);
    }
    return ok ? PHI_OK : phi_fail(err, PHI_ELIMIT, "too many resources at once");
}

void gw_context_json(struct phi_view addr, struct phi_view application, const struct gw_statement *st,
                     struct phi_jw *w)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "addr", addr);
    phi_jw_kv(w, "application", application);
    if (st->text_bytes > 0) {
        phi_jw_key(w, "statement");
        phi_jw_obj(w);
        if (st->kind.n > 0)
            phi_jw_kv(w, "kind", st->kind);
        phi_jw_ki(w, "tables", st->tables);
        if (st->changes)
            phi_jw_kb(w, "has_where", st->has_where);
        phi_jw_ki(w, "text_bytes", st->text_bytes);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static const struct phi_value *statement_value(struct phi_arena *a, const struct gw_statement *st)
{
    struct phi_attr at[4] = {
        { PHI_LIT("tables"),     phi_value_long(a, st->tables) },
        { PHI_LIT("text_bytes"), phi_value_long(a, st->text_bytes) }
    };
    size_t n = 2;
    if (st->kind.n > 0)
        at[n++] = (struct phi_attr){ PHI_LIT("kind"), phi_value_string(a, st->kind) };
    if (st->changes)
        at[n++] = (struct phi_attr){ PHI_LIT("has_where"), phi_value_bool(a, st->has_where) };
    return phi_value_record(a, at, n);
}

const struct phi_value *gw_context_value(struct phi_arena *a, struct phi_view addr,
                                         struct phi_view application, const struct gw_statement *st)
{
    struct phi_attr at[3] = {
        { PHI_LIT("addr"),        phi_value_string(a, addr) },
        { PHI_LIT("application"), phi_value_string(a, application) }
    };
    if (st->text_bytes > 0)
        at[2] = (struct phi_attr){ PHI_LIT("statement"), statement_value(a, st) };
    return phi_value_record(a, at, st->text_bytes > 0 ? 3 : 2);
}
