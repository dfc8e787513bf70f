#include "core/entity.h"

#include "core/entity_in.h"

#define PUT_MEMORY ((size_t)16 << 20)
#define ALL_MEMORY ((size_t)256 << 20)

static bool is_target(struct phi_view type)
{
    return phi_view_is(type, "Target");
}

bool core_type_is_own(struct phi_view type)
{
    static const char *const own[] = { "Person", "Account", "Group", "Service", "Gateway", "Request", "Action",
                                       "Target", "Schema",  "Table", "Function", "Column" };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (phi_view_is(type, own[i]))
            return true;
    return phi_view_starts(type, PHI_LIT("phi::"));
}

/* ---- rows */

static enum phi_rc parents_read(struct phi_arena *a, struct phi_view json, struct phi_uid **ret, size_t *ret_n,
                                struct phi_err *err)
{
    const struct phi_json *list;
    PHI_TRY(phi_json_read(a, json, PHI_JSON_INT64, "parents", &list, err));
    *ret = phi_arena_array(a, list->n + 1, sizeof **ret);
    *ret_n = list->n;
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "too many parents");
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(phi_uid_from_json(&list->items[i], &(*ret)[i], err));
    return PHI_OK;
}

static enum phi_rc row_add(struct phi_arena *a, struct phi_entities *es, const struct core_entity_row *row,
                           struct phi_err *err)
{
    const struct phi_json *attrs;
    const struct phi_value *record;
    struct phi_uid *parents;
    size_t n;
    PHI_TRY(phi_json_read(a, row->attrs, PHI_JSON_INT64, "attrs", &attrs, err));
    PHI_TRY(phi_value_from_json(a, attrs, &record, err));
    PHI_TRY(parents_read(a, row->parents, &parents, &n, err));
    return phi_entities_add(es, (struct phi_uid){ row->type, row->id }, parents, n, record, err);
}

enum phi_rc core_entities_load(struct phi_core *c, struct phi_entities *es, struct phi_err *err)
{
    PHI_ARENA(a, ALL_MEMORY);
    struct core_entity_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_ENTITY, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(row_add(&a, es, &rows[i], err));
    return PHI_OK;
}

enum phi_rc core_entities_fit(struct phi_core *c, struct phi_err *err)
{
    struct phi_entities *es = phi_entities_open(NULL, ALL_MEMORY);
    if (!es)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    enum phi_rc rc = core_entities_load(c, es, err);
    if (rc == PHI_OK)
        rc = phi_bundle_check_entities(c->bundle, es, err);
    phi_entities_close(es);
    return rc;
}

enum phi_rc core_told_add(struct phi_core *c, struct phi_entities *es, struct phi_ref resource, struct phi_view told,
                          struct phi_err *err)
{
    PHI_ARENA(a, PUT_MEMORY);
    struct phi_uid uid = { resource.type, resource.id };
    const struct phi_json *json;
    const struct phi_value *given, *known;
    if (core_type_is_own(uid.type) || phi_entities_has(es, uid))
        return PHI_OK; /* what phid knows nobody else says */
    PHI_TRY(phi_json_read(&a, told, PHI_JSON_INT64, "properties", &json, err));
    PHI_TRY(phi_value_from_json(&a, json, &given, err));
    PHI_TRY(phi_attrs_known(&a, c->bundle, uid.type, given, &known, err));
    return phi_entities_add(es, uid, NULL, 0, known, err);
}

/* ---- telling */

static enum phi_rc parents_check(const struct phi_json *list, struct phi_err *err)
{
    if (list && list->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "\"parents\" is a list of entities");
    for (size_t i = 0; list && i < list->n; i++) {
        struct phi_uid up;
        PHI_TRY(phi_uid_from_json(&list->items[i], &up, err));
        if (core_type_is_own(up.type) && !is_target(up.type))
            return phi_fail(err, PHI_EINPUT, "a parent of type " PHI_FMT " is given by phi alone", PHI_ARG(up.type));
    }
    return PHI_OK;
}

static struct phi_view canon(struct phi_arena *a, const struct phi_json *v, const char *otherwise)
{
    PHI_BUF(text, PUT_MEMORY);
    if (!v)
        return phi_view_of(otherwise);
    phi_json_canon(&text, v);
    return phi_buf_ok(&text) ? phi_arena_copy(a, phi_buf_view(&text)) : (struct phi_view){ 0 };
}

static enum phi_rc row_read(struct phi_core *c, struct phi_arena *a, const struct phi_json *item,
                            struct core_entity_row *ret, struct phi_err *err)
{
    static const char *const keys[] = { "uid", "attrs", "parents", NULL };
    const struct phi_json *attrs = phi_json_get(item, "attrs"), *parents = phi_json_get(item, "parents");
    struct phi_uid uid;
    PHI_TRY(phi_json_only(item, keys, err));
    PHI_TRY(phi_uid_from_json(phi_json_get(item, "uid"), &uid, err));
    if (core_type_is_own(uid.type))
        return phi_fail(err, PHI_EINPUT, "entities of type " PHI_FMT " are given by phi alone", PHI_ARG(uid.type));
    if (uid.id.n == 0 || uid.id.n > PHI_MAX_ENTITY_ID)
        return phi_fail(err, PHI_EINPUT, "an entity's id has 1 to %d bytes", PHI_MAX_ENTITY_ID);
    if (attrs && attrs->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "\"attrs\" is an object");
    PHI_TRY(parents_check(parents, err));
    *ret = (struct core_entity_row){ uid.type, uid.id, canon(a, attrs, "{}"), canon(a, parents, "[]"), core_wall(c) };
    if (!ret->attrs.n || !ret->parents.n)
        return phi_fail(err, PHI_EINPUT, "an entity is too large, or holds a number that is no whole one (write {\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1.5\"}})");
    return PHI_OK;
}

static enum phi_rc told_leaf(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_ev ev,
                             size_t count, struct phi_view text, struct phi_err *err)
{
    struct phi_view salt = core_random(c, a, 16);
    struct phi_view owner = phi_arena_printf(a, "entities/%lld", (long long)c->tree.size);
    struct phi_digest hash = core_salted(salt, text);
    struct phi_entry e;
    PHI_TRY(core_text_put(c, owner, "entities", salt, text, err));
    core_entry(c, &e, ev, by);
    phi_entry_int(&e, PHI_F_COUNT, (int64_t)count);
    phi_entry_hash(&e, PHI_F_FACTS_HASH, &hash);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_entities_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct phi_json *list, size_t *ret_n, struct phi_err *err)
{
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    PHI_TRY(core_bundle_load(c, err));
    if (!list || list->kind != PHI_JSON_ARR || list->n == 0 || list->n > PHI_MAX_ENTITIES_PUT)
        return phi_fail(err, PHI_EINPUT, "\"entities\" is a list of 1 to %d entities", PHI_MAX_ENTITIES_PUT);
    for (size_t i = 0; i < list->n; i++) {
        struct core_entity_row row, old;
        PHI_TRY(row_read(c, a, &list->items[i], &row, err));
        bool there = core_get(c, CORE_ENTITY, CORE_BY_KEY, &row, a, &old, NULL) == PHI_OK;
        PHI_TRY(there ? core_set(c, CORE_ENTITY, &row, err) : core_add(c, CORE_ENTITY, &row, err));
    }
    PHI_TRY(core_entities_fit(c, err));
    core_world_changed(c);
    const struct phi_entities *world; /* what cannot be held is not taken: all decisions rest on it */
    PHI_TRY(core_world(c, &world, err));
    *ret_n = list->n;
    return told_leaf(c, a, by, PHI_EV_ENTITIES_SET, list->n, canon(a, list, ""), err);
}

enum phi_rc phi_entity_remove(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_ref uid,
                              struct phi_err *err)
{
    struct core_entity_row key = { .type = uid.type, .id = uid.id };
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    enum phi_rc rc = core_del(c, CORE_ENTITY, &key, err);
    if (rc == PHI_ENOTFOUND)
        return core_no(c, "entity.unknown", err, rc, "there is no such entity");
    PHI_TRY(rc);
    PHI_BUF(text, 16 * 1024);
    phi_uid_write(&text, (struct phi_uid){ uid.type, uid.id });
    core_world_changed(c);
    return told_leaf(c, a, by, PHI_EV_ENTITIES_REMOVED, 1, phi_arena_copy(a, phi_buf_view(&text)), err);
}

/* ---- showing */

static bool follows(const struct core_entity_row *r, struct phi_ref after)
{
    int t = phi_view_cmp(r->type, after.type);
    return t > 0 || (t == 0 && phi_view_cmp(r->id, after.id) > 0);
}

enum phi_rc phi_entity_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view type,
                            struct phi_ref after, size_t limit, struct phi_entity_view **ret, size_t *ret_n,
                            bool *ret_more, struct phi_err *err)
{
    struct core_entity_row *rows, key = { .type = type };
    size_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    PHI_TRY(core_list(c, CORE_ENTITY, CORE_BY_KEY, &key, (struct core_span){ .prefix = type.n ? 1 : 0 }, a, &rows, &n, err));
    *ret = phi_arena_array(a, limit + 1, sizeof **ret);
    *ret_n = 0;
    *ret_more = false;
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n && !*ret_more; i++) {
        if (!phi_ref_none(after) && !follows(&rows[i], after))
            continue;
        if (*ret_n == limit)
            *ret_more = true;
        else
            (*ret)[(*ret_n)++] = (struct phi_entity_view){ { rows[i].type, rows[i].id }, rows[i].attrs, rows[i].parents };
    }
    return PHI_OK;
}
