/* Cedar's JSON of values and entities (cedar-docs, "Entities and context syntax"). */
#include "policy/conform.h"
#include "policy/entities.h"
#include "policy/ext.h"
#include "policy/schema.h"

#include "base/text.h"

/* Enough for a large organisation's entities as a tree. */
#define MAX_ENTITIES_TREE (512UL << 20)

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "the value is too large");
}

enum phi_rc phi_uid_from_json(const struct phi_json *v, struct phi_uid *ret, struct phi_err *err)
{
    const struct phi_json *inner = phi_json_get(v, "__entity");
    if (inner)
        v = inner;
    struct phi_uid uid = { 0 };
    if (!v || v->kind != PHI_JSON_OBJ || v->n != 2 || !phi_json_str(phi_json_get(v, "type"), &uid.type) ||
        !phi_json_str(phi_json_get(v, "id"), &uid.id))
        return phi_fail(err, PHI_EINPUT, "an entity must be {\"type\":\"…\",\"id\":\"…\"}");
    if (!cedar_is_type(uid.type))
        return phi_fail(err, PHI_EINPUT, "an entity's type must be a name such as Person or phi::Action");
    *ret = uid;
    return PHI_OK;
}

/* What the schema says of the place: it lets people leave out __entity and __extn. */
struct place {
    struct phi_arena *arena;
    struct phi_err *err;
};

static enum phi_rc read_value(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                              const struct phi_value **ret);

static enum phi_rc call_function(struct place *p, struct phi_view name,
                                 const struct phi_value *const *args, size_t n,
                                 const struct phi_value **ret)
{
    enum cedar_fn fn = FN_DECIMAL;
    *ret = NULL;
    if (cedar_fn_find(name, &fn) && cedar_fn_info(fn)->n == n)
        *ret = cedar_fn_call(p->arena, fn, args);
    if (*ret)
        return PHI_OK;
    return phi_fail(p->err, PHI_EINPUT, "this is no valid " PHI_FMT "; write {\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.0.0.1\"}}, "
                    "also decimal, datetime, duration", PHI_ARG(phi_view_upto(name, 40)));
}

static enum phi_rc read_extn(struct place *p, const struct phi_json *v, const struct phi_value **ret)
{
    const struct phi_json *arg = phi_json_get(v, "arg"), *args = phi_json_get(v, "args");
    const struct phi_value *parts[2] = { NULL, NULL };
    size_t n = arg ? 1 : args && args->kind == PHI_JSON_ARR ? args->n : 0;
    if (n > 2 || (arg && args))
        n = 0;
    for (size_t i = 0; i < n; i++)
        PHI_TRY(read_value(p, arg ? arg : &args->items[i], NULL, &parts[i]));
    return call_function(p, phi_json_text(v, "fn"), parts, n, ret);
}

static enum phi_rc read_set(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                            const struct phi_value **ret)
{
    const struct phi_value **items = phi_arena_array(p->arena, v->n + 1, sizeof(const struct phi_value *));
    if (!items)
        return full(p->err);
    for (size_t i = 0; i < v->n; i++)
        PHI_TRY(read_value(p, &v->items[i], t && t->kind == TYPE_SET ? t->elem : NULL, &items[i]));
    *ret = phi_value_set(p->arena, items, v->n);
    return *ret ? PHI_OK : full(p->err);
}

/* `every`: the type of all members, whatever their names (tags). */
static enum phi_rc read_members(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                                const struct cedar_type *every, const struct phi_value **ret)
{
    struct phi_attr *attrs = phi_arena_array(p->arena, v->n + 1, sizeof *attrs);
    if (!attrs)
        return full(p->err);
    for (size_t i = 0; i < v->n; i++) {
        const struct cedar_attr_type *attr = cedar_type_attr(t, v->keys[i]);
        attrs[i].name = v->keys[i];
        PHI_TRY(read_value(p, &v->items[i], attr ? attr->type : every, &attrs[i].value));
    }
    *ret = phi_value_record(p->arena, attrs, v->n);
    return *ret ? PHI_OK : full(p->err);
}

static enum phi_rc read_record(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                               const struct phi_value **ret)
{
    return read_members(p, v, t, NULL, ret);
}

static enum phi_rc read_object(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                               const struct phi_value **ret)
{
    struct phi_uid uid;
    bool entity = v->n == 1 && phi_json_get(v, "__entity");
    if (v->n == 1 && phi_json_get(v, "__extn"))
        return read_extn(p, phi_json_get(v, "__extn"), ret);
    if (!entity && !(t && t->kind == TYPE_ENTITY))
        return read_record(p, v, t, ret);
    PHI_TRY(phi_uid_from_json(v, &uid, p->err));
    *ret = phi_value_entity(p->arena, uid);
    return *ret ? PHI_OK : full(p->err);
}

static enum phi_rc read_text(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                             const struct phi_value **ret)
{
    static const char *const fns[] = { "decimal", "ip", "datetime", "duration" };
    *ret = phi_value_string(p->arena, v->str);
    if (!*ret)
        return full(p->err);
    if (!t || t->kind != TYPE_EXT)
        return PHI_OK;
    const struct phi_value *arg = *ret;
    return call_function(p, phi_view_of(fns[t->ext]), &arg, 1, ret);
}

static enum phi_rc read_value(struct place *p, const struct phi_json *v, const struct cedar_type *t,
                              const struct phi_value **ret)
{
    switch (v->kind) {
    case PHI_JSON_BOOL: *ret = cedar_bool(v->b); return PHI_OK;
    case PHI_JSON_INT: *ret = phi_value_long(p->arena, v->i); break;
    case PHI_JSON_STR: return read_text(p, v, t, ret);
    case PHI_JSON_ARR: return read_set(p, v, t, ret);
    case PHI_JSON_OBJ: return read_object(p, v, t, ret);
    case PHI_JSON_NULL: return phi_fail(p->err, PHI_EINPUT, "null is no value of Cedar");
    case PHI_JSON_REAL: return phi_fail(p->err, PHI_EINPUT, "a number must be whole");
    }
    return *ret ? PHI_OK : full(p->err);
}

enum phi_rc cedar_value_from_json(struct phi_arena *a, const struct phi_json *v,
                                  const struct cedar_type *t, const struct phi_value **ret,
                                  struct phi_err *err)
{
    struct place p = { a, err };
    return read_value(&p, v, t, ret);
}

enum phi_rc phi_value_from_json(struct phi_arena *a, const struct phi_json *v,
                                const struct phi_value **ret, struct phi_err *err)
{
    return cedar_value_from_json(a, v, NULL, ret, err);
}

static enum phi_rc attrs_of(struct place *p, const struct phi_json *entity, const char *key,
                            const struct cedar_type *t, const struct cedar_type *every, const struct phi_value **ret)
{
    const struct phi_json *v = phi_json_get(entity, key);
    *ret = NULL;
    if (!v)
        return PHI_OK;
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(p->err, PHI_EINPUT, "\"%s\" of an entity must be an object", key);
    return read_members(p, v, t, every, ret);
}

static enum phi_rc add_one(struct phi_entities *es, const struct cedar_schema *schema,
                           const struct phi_json *v, struct phi_err *err)
{
    static const char *const keys[] = { "uid", "attrs", "parents", "tags", NULL };
    PHI_ARENA(a, MAX_ENTITIES_TREE);
    struct place p = { &a, err };
    struct phi_uid uid;
    const struct phi_value *attrs = NULL, *tags = NULL;
    const struct phi_json *parents = phi_json_get(v, "parents");
    size_t n = parents && parents->kind == PHI_JSON_ARR ? parents->n : 0;
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "an entity must be an object with \"uid\", \"attrs\", \"parents\"");
    PHI_TRY(phi_json_only(v, keys, err));
    PHI_TRY(phi_uid_from_json(phi_json_get(v, "uid"), &uid, err));
    if (parents && parents->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "\"parents\" must be a list of entities");
    const struct cedar_entity_type *t = schema ? cedar_schema_entity(schema, uid.type) : NULL;
    PHI_TRY(attrs_of(&p, v, "attrs", t ? t->attrs : NULL, NULL, &attrs));
    PHI_TRY(attrs_of(&p, v, "tags", NULL, t ? t->tags : NULL, &tags));
    struct phi_uid *uids = phi_arena_array(&a, n + 1, sizeof *uids);
    if (!uids)
        return full(err);
    for (size_t i = 0; i < n; i++)
        PHI_TRY(phi_uid_from_json(&parents->items[i], &uids[i], err));
    return cedar_entities_add(es, uid, uids, n, attrs, tags, err);
}

enum phi_rc cedar_entities_add_json(struct phi_entities *es, const struct cedar_schema *schema,
                                    const struct phi_json *array, struct phi_err *err)
{
    if (!array || array->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "entities must be a JSON array");
    for (size_t i = 0; i < array->n; i++)
        PHI_TRY(add_one(es, schema, &array->items[i], err));
    return cedar_entities_no_ring(es, err);
}

enum phi_rc phi_entities_add_json(struct phi_entities *es, const struct phi_json *array,
                                  struct phi_err *err)
{
    return cedar_entities_add_json(es, NULL, array, err);
}

enum phi_rc phi_entities_add_text(struct phi_entities *es, struct phi_view json, struct phi_err *err)
{
    PHI_ARENA(a, MAX_ENTITIES_TREE);
    const struct phi_json *v = NULL;
    PHI_TRY(phi_json_read(&a, json, PHI_JSON_INT64 | PHI_JSON_NUL_OK, "entities", &v, err));
    return phi_entities_add_json(es, v, err);
}

/* ---- written ------------------------------------------------------------------------------------- */

static void ip_text(struct phi_buf *b, const struct phi_value *v)
{
    const uint8_t *p = v->u.ext.ip;
    if (v->u.ext.v6)
        for (int i = 0; i < 16; i += 2)
            phi_buf_printf(b, "%s%x", i ? ":" : "", p[i] << 8 | p[i + 1]);
    else
        phi_buf_printf(b, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    phi_buf_printf(b, "/%u", v->u.ext.prefix);
}

static void ext_write(struct phi_jw *w, const struct phi_value *v)
{
    static const char *const names[] = { "decimal", "ip", "datetime", "duration" };
    PHI_BUF(text, 80);
    uint64_t size = v->u.ext.n < 0 ? 0 - (uint64_t)v->u.ext.n : (uint64_t)v->u.ext.n;
    if (v->u.ext.kind == CEDAR_DECIMAL)
        phi_buf_printf(&text, "%s%llu.%04llu", v->u.ext.n < 0 ? "-" : "", (unsigned long long)(size / 10000), (unsigned long long)(size % 10000));
    else if (v->u.ext.kind == CEDAR_IP)
        ip_text(&text, v);
    else if (v->u.ext.kind == CEDAR_DATETIME)
        phi_text_time(&text, v->u.ext.n);
    else
        phi_buf_printf(&text, "%lldms", (long long)v->u.ext.n);
    phi_jw_obj(w);
    phi_jw_key(w, "__extn");
    phi_jw_obj(w);
    phi_jw_kc(w, "fn", names[v->u.ext.kind]);
    phi_jw_kv(w, "arg", phi_buf_view(&text));
    phi_jw_end(w);
    phi_jw_end(w);
}

static void entity_write(struct phi_jw *w, struct phi_uid uid)
{
    phi_jw_obj(w);
    phi_jw_key(w, "__entity");
    phi_jw_obj(w);
    phi_jw_kv(w, "type", uid.type);
    phi_jw_kv(w, "id", uid.id);
    phi_jw_end(w);
    phi_jw_end(w);
}

static void record_write(struct phi_jw *w, const struct phi_value *v)
{
    phi_jw_obj(w);
    for (size_t i = 0; i < v->u.record.n; i++) {
        const struct phi_attr *at = &v->u.record.attrs[i];
        if (at->value->kind == PHI_VALUE_UNKNOWN)
            continue;
        phi_jw_keyv(w, at->name);
        phi_value_write(w, at->value);
    }
    phi_jw_end(w);
}

static void set_write(struct phi_jw *w, const struct phi_value *v)
{
    phi_jw_arr(w);
    for (size_t i = 0; i < v->u.set.n; i++)
        phi_value_write(w, v->u.set.items[i]);
    phi_jw_end(w);
}

void phi_value_write(struct phi_jw *w, const struct phi_value *v)
{
    switch (v->kind) {
    case PHI_VALUE_BOOL: phi_jw_bool(w, v->u.b); return;
    case PHI_VALUE_LONG: phi_jw_int(w, v->u.i); return;
    case PHI_VALUE_STRING: phi_jw_str(w, v->u.s); return;
    case PHI_VALUE_ENTITY: entity_write(w, v->u.uid); return;
    case PHI_VALUE_SET: set_write(w, v); return;
    case PHI_VALUE_RECORD: record_write(w, v); return;
    case PHI_VALUE_EXT: ext_write(w, v); return;
    case PHI_VALUE_UNKNOWN: phi_jw_null(w); return;
    }
}

enum phi_rc phi_uid_read(struct phi_arena *a, struct phi_view text, struct phi_uid *ret,
                         struct phi_err *err)
{
    struct cedar_lex l;
    bool entity = false;
    PHI_TRY(cedar_lex_init(&l, a, text, "entity", err));
    PHI_TRY(cedar_lex_path(&l, &ret->type, &entity));
    if (!entity)
        return phi_fail(err, PHI_EINPUT, "expected an entity such as Group::\"dev\"");
    PHI_TRY(cedar_unescape(&l, &l.tok, &ret->id, NULL));
    PHI_TRY(cedar_lex_next(&l));
    if (l.tok.kind != TOK_END)
        return cedar_lex_unexpected(&l, "nothing more");
    ret->type = phi_arena_copy(a, ret->type); /* the text may go before the arena */
    ret->id = phi_arena_copy(a, ret->id);
    return phi_arena_ok(a) ? PHI_OK : full(err);
}

void phi_uid_write(struct phi_buf *b, struct phi_uid uid)
{
    phi_buf_add(b, uid.type);
    phi_buf_adds(b, "::\"");
    for (struct phi_view v = uid.id; v.n > 0;) {
        uint32_t c = 0;
        size_t n = phi_utf8_next(v, &c);
        bool plain = n > 0 && c >= ' ' && c != '"' && c != '\\' && (c < 0x7f || c > 0xa0);
        if (plain)
            phi_buf_add(b, phi_view_upto(v, n));
        else if (c == '"' || c == '\\')
            phi_buf_printf(b, "\\%c", (char)c);
        else
            phi_buf_printf(b, "\\u{%x}", n > 0 ? c : 0xfffdU);
        v = phi_view_from(v, n > 0 ? n : 1);
    }
    phi_buf_addc(b, '"');
}
