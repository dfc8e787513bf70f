#include "core/context.h"

#include <string.h>

#include "base/text.h"
#include "core/engine.h"
#include "core/known.h"
#include "core/ticket.h"
#include "core/entity_in.h"
#include "core/oncall.h"

#define CASE_LIMIT ((size_t)16 << 20)

/* ---- entities */

static const char *const parent_type[][2] = {
    { "Column", "Table" }, { "Table", "Schema" }, { "Function", "Schema" }, { "Schema", "Target" }
};

bool core_ref_of_target(struct phi_ref r, struct phi_view target)
{
    static const char *const own[] = { "Person", "Account", "Group", "Service", "Gateway", "Request", "Action" };
    PHI_ARENA(a, 1 << 16);
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (phi_view_is(r.type, own[i]))
            return false;
    if (phi_view_starts(r.type, PHI_LIT("phi::")) || !phi_ref_parts(&a, r, parts, &n))
        return false;
    return phi_view_eq(parts[0], target);
}

struct phi_ref core_parent_of(struct phi_arena *a, struct phi_ref r)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n;
    const char *type = "Target";
    if (phi_view_is(r.type, "Target") || !phi_ref_parts(a, r, parts, &n))
        return (struct phi_ref){ 0 };
    for (size_t i = 0; i < sizeof parent_type / sizeof *parent_type; i++)
        if (phi_view_is(r.type, parent_type[i][0]))
            type = parent_type[i][1];
    return phi_ref_make_parts(a, type, parts, strcmp(type, "Target") == 0 ? 1 : n - 1);
}

enum phi_rc core_chain_add(struct phi_entities *es, struct phi_ref r, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    for (int depth = 0; depth < PHI_REF_PARTS_MAX && !phi_ref_none(r); depth++) {
        struct phi_ref up = core_parent_of(&a, r);
        struct phi_uid self = { r.type, r.id }, parent = { up.type, up.id };
        if (!phi_entities_has(es, self)) {
            if (phi_view_is(r.type, "Target"))
                return PHI_OK; /* a target that phid does not know stays unknown */
            PHI_TRY(phi_entities_add(es, self, &parent, phi_ref_none(up) ? 0 : 1, NULL, err));
        }
        r = up;
    }
    return PHI_OK;
}

static enum phi_rc parents_read(struct phi_arena *a, const struct phi_json *list, struct phi_view target,
                                struct phi_uid **ret, size_t *ret_n, struct phi_err *err)
{
    *ret_n = list ? list->n : 0;
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "too many entities");
    for (size_t i = 0; i < *ret_n; i++) {
        PHI_TRY(phi_uid_from_json(&list->items[i], &(*ret)[i], err));
        if (!core_ref_of_target((struct phi_ref){ (*ret)[i].type, (*ret)[i].id }, target))
            return phi_fail(err, PHI_EINPUT, "an entity names a parent outside its target");
    }
    return PHI_OK;
}

static enum phi_rc entity_add(struct phi_arena *a, struct phi_entities *es, const struct phi_json *item,
                              struct phi_view target, struct phi_err *err)
{
    static const char *const keys[] = { "uid", "attrs", "parents", NULL };
    struct phi_uid uid, *parents;
    const struct phi_value *attrs = NULL;
    const struct phi_json *given = phi_json_get(item, "attrs");
    size_t n;
    PHI_TRY(phi_json_only(item, keys, err));
    PHI_TRY(phi_uid_from_json(phi_json_get(item, "uid"), &uid, err));
    if (!core_ref_of_target((struct phi_ref){ uid.type, uid.id }, target))
        return phi_fail(err, PHI_EINPUT, "a gateway may tell of its target's resources only, not of " PHI_FMT,
                        PHI_ARG(uid.type));
    if (phi_view_is(uid.type, "Target"))
        return PHI_OK; /* phid knows it */
    PHI_TRY(parents_read(a, phi_json_get(item, "parents"), target, &parents, &n, err));
    if (given)
        PHI_TRY(phi_value_from_json(a, given, &attrs, err));
    return phi_entities_add(es, uid, parents, n, attrs, err);
}

static enum phi_rc entities_add(struct phi_entities *es, struct phi_view json, struct phi_view target,
                                struct phi_err *err)
{
    PHI_ARENA(a, CASE_LIMIT);
    const struct phi_json *list;
    if (json.n == 0)
        return PHI_OK;
    PHI_TRY(phi_json_read(&a, json, PHI_JSON_INT64, "entities", &list, err));
    if (list->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "entities must be a list");
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(entity_add(&a, es, &list->items[i], target, err));
    return PHI_OK;
}

enum phi_rc core_case_entities(struct phi_core *c, const struct core_case *q, struct phi_entities **ret,
                               struct phi_err *err)
{
    const struct phi_entities *world;
    PHI_TRY(core_world(c, &world, err));
    *ret = phi_entities_open(world, CASE_LIMIT);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    enum phi_rc rc = entities_add(*ret, q->entities, q->target, err);
    if (rc == PHI_OK && q->told.n)
        rc = core_told_add(c, *ret, q->tries[0].pair.resource, q->told, err);
    for (size_t i = 0; i < q->n_tries && rc == PHI_OK; i++)
        rc = core_chain_add(*ret, q->tries[i].pair.resource, err);
    if (rc != PHI_OK)
        phi_entities_close(*ret);
    return rc;
}

/* ---- context */

struct knowing {
    struct phi_core *c;
    struct phi_arena *a;
    const struct core_moment *m;
    struct phi_view root; /* the person of the moment's, "" without one */
    bool has_addr;
    struct phi_addr addr;
};

static int64_t at_ms(const struct knowing *k)
{
    return k->m->at_ms ? k->m->at_ms : core_wall(k->c);
}

static const struct phi_value *local_value(const struct knowing *k)
{
    struct core_local now;
    if (!core_local_of(k->c, k->root, at_ms(k), &now))
        return NULL;
    struct phi_attr at[] = {
        { PHI_LIT("hour"), phi_value_long(k->a, now.hour) },
        { PHI_LIT("minute"), phi_value_long(k->a, now.minute) },
        { PHI_LIT("weekday"), phi_value_long(k->a, now.weekday) },
    };
    return phi_value_record(k->a, at, sizeof at / sizeof *at);
}

/* datetime("…"), duration("…") */
static const struct phi_value *extension(struct phi_arena *a, const char *fn, struct phi_view arg)
{
    struct phi_json *fields = phi_arena_array(a, 2, sizeof *fields);
    struct phi_view *keys = phi_arena_array(a, 2, sizeof *keys);
    const struct phi_value *v;
    if (!fields || !keys)
        return NULL;
    keys[0] = PHI_LIT("fn");
    keys[1] = PHI_LIT("arg");
    fields[0] = (struct phi_json){ .kind = PHI_JSON_STR, .str = phi_view_of(fn) };
    fields[1] = (struct phi_json){ .kind = PHI_JSON_STR, .str = phi_arena_copy(a, arg) };
    struct phi_json inner = { .kind = PHI_JSON_OBJ, .items = fields, .keys = keys, .n = 2 };
    struct phi_view outer_key = PHI_LIT("__extn");
    struct phi_json outer = { .kind = PHI_JSON_OBJ, .items = &inner, .keys = &outer_key, .n = 1 };
    return phi_value_from_json(a, &outer, &v, NULL) == PHI_OK ? v : NULL;
}

static const struct phi_value *now_value(const struct knowing *k)
{
    PHI_BUF(text, 64);
    phi_text_time(&text, at_ms(k));
    return extension(k->a, "datetime", phi_buf_view(&text));
}

static const struct phi_value *risk_value(const struct knowing *k)
{
    return k->m->rated ? phi_value_long(k->a, k->m->risk) : NULL;
}

static const struct phi_value *ticket_value(const struct knowing *k)
{
    return k->m->has_text ? phi_value_string(k->a, k->m->ticket) : NULL;
}

static const struct phi_value *ticket_facts_value(const struct knowing *k)
{
    return core_ticket_value(k->a, k->m->ticket_facts);
}

static const struct phi_value *justification_value(const struct knowing *k)
{
    return k->m->has_text ? phi_value_string(k->a, k->m->why) : NULL;
}

static const struct phi_value *on_behalf_value(const struct knowing *k)
{
    const struct phi_value *in[PHI_MAX_ON_BEHALF];
    size_t n = 0;
    if (!k->m->has_behalf || k->m->n_behalf > PHI_MAX_ON_BEHALF)
        return NULL;
    for (size_t i = 0; i < k->m->n_behalf; i++)
        if (phi_view_is(k->m->behalf[i].type, "Person")) /* the schema's set is of persons; services of the chain are judged all the same */
            in[n++] = phi_value_entity(k->a, (struct phi_uid){ k->m->behalf[i].type, k->m->behalf[i].id });
    return phi_value_set(k->a, in, n);
}

static const struct phi_value *device_value(const struct knowing *k)
{
    return k->m->device.n ? phi_value_string(k->a, k->m->device) : NULL;
}

static const struct phi_value *country_value(const struct knowing *k)
{
    char code[3] = "";
    const struct phi_places *p = k->c->places;
    bool known = k->has_addr && p && p->country && p->country(p->self, &k->addr, code);
    return known ? phi_value_string(k->a, phi_arena_copy(k->a, phi_view_of(code))) : NULL;
}

/* Since a second factor was last shown in any of the person's live sessions. */
static const struct phi_value *mfa_age_value(const struct knowing *k)
{
    PHI_BUF(text, 32);
    int64_t age = k->m->person.n && !k->m->at_ms ? core_strong_age(k->c, k->m->person) : -1;
    if (age < 0)
        return NULL;
    phi_buf_printf(&text, "%lldms", (long long)age);
    return extension(k->a, "duration", phi_buf_view(&text));
}

/* Of the moment; who was on call then is not kept. */
static const struct phi_value *on_call_value(const struct knowing *k)
{
    struct phi_view who = k->m->person;
    if (!who.n || k->m->at_ms)
        return NULL;
    return phi_value_bool(k->a, core_on_call(k->c, who) || (!phi_view_eq(k->root, who) && core_on_call(k->c, k->root)));
}

static const struct phi_value *networks_value(const struct knowing *k)
{
    size_t n = 0;
    const struct phi_value **in = k->has_addr ? phi_arena_array(k->a, k->c->n_networks + 1, sizeof *in) : NULL;
    for (size_t i = 0; in && i < k->c->n_networks; i++)
        if (phi_cidr_has(&k->c->networks[i].block, &k->addr))
            in[n++] = phi_value_string(k->a, k->c->networks[i].name);
    return in ? phi_value_set(k->a, in, n) : NULL;
}

static const struct phi_value *environment_value(const struct knowing *k)
{
    struct phi_view name;
    return core_environment_of(k->c, k->m->resource, &name) ? phi_value_string(k->a, phi_arena_copy(k->a, name)) : NULL;
}

static const struct phi_value *tags_value(const struct knowing *k)
{
    struct phi_view tag[256];
    const struct phi_value *in[256];
    if (phi_ref_none(k->m->resource))
        return NULL;
    size_t n = core_tags_of(k->c, k->m->resource, tag, sizeof tag / sizeof *tag);
    for (size_t i = 0; i < n; i++)
        in[i] = phi_value_string(k->a, phi_arena_copy(k->a, tag[i]));
    return phi_value_set(k->a, in, n);
}

/* The owned attributes that phid can fill in. One that it does not know at that moment stays unknown, and what
 * rests on it is denied: never guessed. */
static const struct {
    const char *name;
    const struct phi_value *(*value)(const struct knowing *k); /* NULL: not known */
} known[] = { { "local", local_value },     { "now", now_value },           { "risk", risk_value },
              { "ticket", ticket_value },   { "justification", justification_value }, { "country", country_value },
              { "networks", networks_value }, { "environment", environment_value }, { "tags", tags_value },
              { "on_behalf", on_behalf_value }, { "mfa_age", mfa_age_value },
              { "device", device_value },     { "ticket_facts", ticket_facts_value },
              { "on_call", on_call_value } };

static enum phi_rc seen_read(struct phi_arena *a, struct phi_view json, struct phi_attr **ret, size_t *ret_n,
                             struct phi_view *ret_addr, struct phi_err *err)
{
    const struct phi_json *obj = NULL;
    size_t n = 0;
    if (json.n)
        PHI_TRY(phi_json_read(a, json, PHI_JSON_INT64, "context", &obj, err));
    if (obj && obj->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "context must be an object");
    n = obj ? obj->n : 0;
    *ret = phi_arena_array(a, n + sizeof known / sizeof *known, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "the context is too large");
    for (size_t i = 0; i < n; i++) {
        (*ret)[i].name = obj->keys[i];
        if (phi_context_is_owned(obj->keys[i]))
            return phi_fail(err, PHI_EINPUT, "context." PHI_FMT " is phi's own and nobody else may say it",
                            PHI_ARG(obj->keys[i]));
        PHI_TRY(phi_value_from_json(a, &obj->items[i], &(*ret)[i].value, err));
    }
    *ret_n = n;
    *ret_addr = phi_json_text(obj, "addr");
    return PHI_OK;
}

enum phi_rc core_context_at(struct phi_core *c, struct phi_arena *a, struct phi_uid action, struct phi_view json,
                            const struct core_moment *m, const struct phi_value **ret, struct phi_err *err)
{
    struct phi_attr *at = NULL;
    struct knowing k = { .c = c, .a = a, .m = m };
    struct phi_view addr;
    size_t n = 0;
    PHI_TRY(seen_read(a, json, &at, &n, &addr, err));
    k.has_addr = phi_addr_read(addr, &k.addr);
    if (m->person.n)
        k.root = core_root(c, a, m->person);
    const struct phi_value *want = phi_context_unknowns(a, c->bundle, action, phi_value_record(a, at, n));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct phi_value *v = want ? phi_value_get(want, known[i].name) : NULL;
        v = v && phi_value_kind(v) == PHI_VALUE_UNKNOWN ? known[i].value(&k) : NULL;
        if (v)
            at[n++] = (struct phi_attr){ phi_view_of(known[i].name), v };
    }
    *ret = phi_context_unknowns(a, c->bundle, action, phi_value_record(a, at, n));
    return *ret ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the context is too large");
}

enum phi_rc core_context(struct phi_core *c, struct phi_arena *a, struct phi_uid action, struct phi_view json,
                         const struct phi_value **ret, struct phi_err *err)
{
    return core_context_at(c, a, action, json, &(struct core_moment){ 0 }, ret, err);
}
