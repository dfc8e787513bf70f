#include "client/snapshot.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/os.h"
#include "proof/entity.h"

enum { ARENA_MAX = 128 * 1024 * 1024, MANY = 1000000 };

struct bundle_ref { /* one loaded bundle, shared by the snapshots that name it */
    int refs;
    struct phi_bundle *bundle;
};

struct client_snapshot {
    int refs;
    struct phi_arena arena;
    int64_t seq, lease_ms, last_batch, protocol;
    struct bundle_ref *bundle;
    char bundle_hex[PHI_HEX_LEN + 1];
    struct phi_entities *entities;
    struct phi_world *world;
    const struct phi_view *targets;
    size_t n_targets;
    struct phi_map *by_id, *by_name, *credentials; /* of principals and credentials, in the arena */
    struct phi_view console, checkpoint;
};

static void bundle_drop(struct bundle_ref *b)
{
    if (!b || --b->refs > 0)
        return;
    phi_bundle_close(b->bundle);
    free(b);
}

struct client_snapshot *client_snapshot_ref(struct client_snapshot *s)
{
    s->refs++;
    return s;
}

void client_snapshot_unref(struct client_snapshot *s)
{
    if (!s || --s->refs > 0)
        return;
    phi_world_close(s->world); /* before its bundle */
    bundle_drop(s->bundle);
    phi_entities_close(s->entities);
    phi_map_close(s->by_id);
    phi_map_close(s->by_name);
    phi_map_close(s->credentials);
    phi_arena_done(&s->arena);
    free(s);
}

/* ---- Reading ---- */

static enum phi_rc need_list(const struct phi_json *v, const char *key, const struct phi_json **ret, struct phi_err *err)
{
    *ret = phi_json_get(v, key);
    if (!*ret || (*ret)->kind != PHI_JSON_ARR || (*ret)->n > MANY)
        return phi_fail(err, PHI_EINPUT, "snapshot: \"%s\" must be a list", key);
    return PHI_OK;
}

static enum phi_rc read_names(struct phi_arena *a, const struct phi_json *v, const char *key,
                              const struct phi_view **ret, size_t *n, struct phi_err *err)
{
    const struct phi_json *list;
    PHI_TRY(need_list(v, key, &list, err));
    struct phi_view *names = phi_arena_array(a, list->n + 1, sizeof *names);
    if (!names)
        return phi_fail(err, PHI_ELIMIT, "snapshot: too large");
    for (size_t i = 0; i < list->n; i++)
        if (!phi_json_str(&list->items[i], &names[i]) || !names[i].n)
            return phi_fail(err, PHI_EINPUT, "snapshot: \"%s\" must hold texts", key);
    *ret = names;
    *n = list->n;
    return PHI_OK;
}

static enum phi_rc read_bundle(struct client_snapshot *s, const struct phi_json *v, const struct client_snapshot *before,
                               struct phi_err *err)
{
    struct phi_bundle_text t = { 0 };
    struct phi_view hex;
    struct phi_digest want, is;
    int64_t version;
    PHI_TRY(phi_json_need_str(v, "schema", &t.schema, err));
    PHI_TRY(phi_json_need_str(v, "policies", &t.policies, err));
    PHI_TRY(phi_json_need_str(v, "requirements", &t.requirements, err));
    PHI_TRY(phi_json_need_str(v, "hash", &hex, err));
    PHI_TRY(phi_json_need_int(v, "version", 0, INT64_MAX, &version, err));
    t.version = (uint64_t)version;
    is = phi_bundle_text_hash(&t);
    if (!phi_digest_from_hex(hex, &want) || !phi_digest_eq(&want, &is))
        return phi_fail(err, PHI_EINPUT, "snapshot: the bundle is not the one that its hash names");
    phi_digest_hex(&is, s->bundle_hex);
    if (before && phi_view_eq(client_snapshot_bundle_hex(before), hex) &&
        phi_bundle_version(before->bundle->bundle) == t.version) {
        s->bundle = before->bundle;
        s->bundle->refs++;
        return PHI_OK;
    }
    s->bundle = calloc(1, sizeof *s->bundle);
    if (!s->bundle)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    s->bundle->refs = 1;
    return phi_bundle_load(&t, &s->bundle->bundle, err);
}

static enum phi_rc add_entity(struct client_snapshot *s, const char *type, struct phi_view id,
                              const struct phi_view *groups, size_t n, const struct phi_value *attrs, struct phi_err *err)
{
    struct phi_uid *parents = phi_arena_array(&s->arena, n + 1, sizeof *parents);
    if (!parents)
        return phi_fail(err, PHI_ELIMIT, "snapshot: too large");
    for (size_t i = 0; i < n; i++)
        parents[i] = (struct phi_uid){ PHI_LIT("Group"), groups[i] };
    return phi_entities_add(s->entities, (struct phi_uid){ phi_view_of(type), id }, parents, n, attrs, err);
}

static enum phi_rc read_targets(struct client_snapshot *s, const struct phi_json *v, struct phi_err *err)
{
    const struct phi_view *groups;
    size_t n;
    PHI_TRY(read_names(&s->arena, v, "groups", &groups, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(add_entity(s, "Group", groups[i], NULL, 0, NULL, err));
    PHI_TRY(read_names(&s->arena, v, "targets", &s->targets, &s->n_targets, err));
    for (size_t i = 0; i < s->n_targets; i++)
        PHI_TRY(add_entity(s, "Target", phi_ref_make_parts(&s->arena, "Target", &s->targets[i], 1).id, NULL, 0, NULL, err));
    return PHI_OK;
}

static enum phi_rc put(struct phi_map *m, struct phi_view key, void *value, struct phi_err *err)
{
    if (phi_map_get(m, key))
        return phi_fail(err, PHI_EINPUT, "snapshot: \"" PHI_FMT "\" stands twice", PHI_ARG(key));
    return phi_map_put(m, key, value) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "snapshot: too large");
}

static enum phi_rc read_principal(struct client_snapshot *s, const struct phi_json *v, struct phi_err *err)
{
    struct client_principal *p = phi_arena_new(&s->arena, struct client_principal);
    const struct phi_json *attrs = phi_json_get(v, "attrs");
    const struct phi_value *value = NULL;
    if (!p)
        return phi_fail(err, PHI_ELIMIT, "snapshot: too large");
    PHI_TRY(phi_json_need_str(v, "id", &p->id, err));
    PHI_TRY(phi_json_need_str(v, "name", &p->name, err));
    PHI_TRY(read_names(&s->arena, v, "groups", &p->groups, &p->n_groups, err));
    if (attrs && attrs->n)
        PHI_TRY(phi_value_from_json(&s->arena, attrs, &value, err));
    PHI_TRY(put(s->by_id, p->id, p, err));
    PHI_TRY(put(s->by_name, p->name, p, err));
    return add_entity(s, phi_view_is(phi_who_type(p->id), "Person") ? "Person" : "Service", p->id, p->groups, p->n_groups, value, err);
}

static enum phi_rc read_credential(struct client_snapshot *s, const struct phi_json *v, int64_t asked, struct phi_err *err)
{
    struct client_credential *c = phi_arena_new(&s->arena, struct client_credential);
    int64_t left;
    if (!c)
        return phi_fail(err, PHI_ELIMIT, "snapshot: too large");
    PHI_TRY(phi_json_need_str(v, "id", &c->id, err));
    PHI_TRY(phi_json_need_str(v, "person", &c->person, err));
    PHI_TRY(phi_json_need_str(v, "target", &c->target, err));
    PHI_TRY(phi_json_need_str(v, "verifier", &c->verifier, err));
    PHI_TRY(phi_json_need_int(v, "expires_in_ms", INT64_MIN, PHI_MAX_GRANT_MS, &left, err));
    if (!client_snapshot_principal(s, c->person))
        return phi_fail(err, PHI_EINPUT, "snapshot: a credential of somebody who is not in it");
    c->ends_boot_ms = left > 0 ? asked + left : 0;
    return put(s->credentials, c->id, c, err);
}

static enum phi_rc read_people(struct client_snapshot *s, const struct phi_json *v, int64_t asked, struct phi_err *err)
{
    const struct phi_json *list;
    PHI_TRY(need_list(v, "principals", &list, err));
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(read_principal(s, &list->items[i], err));
    PHI_TRY(need_list(v, "credentials", &list, err));
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(read_credential(s, &list->items[i], asked, err));
    return PHI_OK;
}

/* One that does not say it speaks the first. phid answers the older of both; an older one than we know cannot be understood. */
static enum phi_rc read_protocol(struct client_snapshot *s, const struct phi_json *v, struct phi_err *err)
{
    s->protocol = phi_json_num(v, "protocol", 1);
    if (s->protocol >= PHI_PROTOCOL_OLDEST && s->protocol <= PHI_PROTOCOL)
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "phid speaks protocol %lld, this gateway %d to %d: bring %s up to date", (long long)s->protocol, PHI_PROTOCOL_OLDEST,
                    PHI_PROTOCOL, s->protocol < PHI_PROTOCOL_OLDEST ? "phid" : "phi-gateway");
}

static enum phi_rc read_all(struct client_snapshot *s, struct phi_view text, int64_t asked,
                            const struct client_snapshot *before, struct phi_err *err)
{
    const struct phi_json *v;
    PHI_TRY(phi_json_read(&s->arena, phi_arena_copy(&s->arena, text), PHI_JSON_STRICT, "snapshot", &v, err));
    s->entities = phi_entities_open(NULL, ARENA_MAX);
    s->by_id = phi_map_open(MANY);
    s->by_name = phi_map_open(MANY);
    s->credentials = phi_map_open(MANY);
    if (!s->entities || !s->by_id || !s->by_name || !s->credentials)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(read_protocol(s, v, err));
    PHI_TRY(phi_json_need_int(v, "seq", 0, INT64_MAX, &s->seq, err));
    PHI_TRY(phi_json_need_int(v, "lease_ms", 0, PHI_LEASE_MS, &s->lease_ms, err));
    PHI_TRY(phi_json_need_int(v, "records", 0, INT64_MAX, &s->last_batch, err));
    PHI_TRY(read_bundle(s, phi_json_get(v, "bundle"), before, err));
    PHI_TRY(read_targets(s, v, err));
    PHI_TRY(read_people(s, v, asked, err));
    PHI_TRY(phi_json_need_str(v, "console", &s->console, err));
    s->checkpoint = phi_json_text(v, "checkpoint");
    if (!phi_arena_ok(&s->arena))
        return phi_fail(err, PHI_ELIMIT, "snapshot: too large");
    PHI_TRY(phi_world_open(s->bundle->bundle, ARENA_MAX, &s->world, err));
    PHI_TRY(phi_world_add_all(s->world, s->entities, err));
    return phi_world_ready(s->world, err);
}

enum phi_rc client_snapshot_read(struct phi_view text, int64_t asked_boot_ms, const struct client_snapshot *before,
                                 struct client_snapshot **ret, struct phi_err *err)
{
    struct client_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    s->refs = 1;
    phi_arena_init(&s->arena, ARENA_MAX);
    enum phi_rc rc = read_all(s, text, asked_boot_ms, before, err);
    if (rc != PHI_OK) {
        client_snapshot_unref(s);
        return rc;
    }
    *ret = s;
    return PHI_OK;
}

/* ---- Asking ---- */

int64_t client_snapshot_seq(const struct client_snapshot *s)
{
    return s->seq;
}

int64_t client_snapshot_protocol(const struct client_snapshot *s)
{
    return s->protocol;
}

int64_t client_snapshot_lease_ms(const struct client_snapshot *s)
{
    return s->lease_ms;
}

const struct phi_bundle *client_snapshot_bundle(const struct client_snapshot *s)
{
    return s->bundle->bundle;
}

struct phi_view client_snapshot_bundle_hex(const struct client_snapshot *s)
{
    return phi_view_of(s->bundle_hex);
}

const struct phi_entities *client_snapshot_entities(const struct client_snapshot *s)
{
    return s->entities;
}

const struct phi_world *client_snapshot_world(const struct client_snapshot *s)
{
    return s->world;
}

bool client_snapshot_has_target(const struct client_snapshot *s, struct phi_view name)
{
    for (size_t i = 0; i < s->n_targets; i++)
        if (phi_view_eq(s->targets[i], name))
            return true;
    return false;
}

const struct client_principal *client_snapshot_principal(const struct client_snapshot *s, struct phi_view id)
{
    return phi_map_get(s->by_id, id);
}

const struct client_principal *client_snapshot_principal_named(const struct client_snapshot *s, struct phi_view name)
{
    return phi_map_get(s->by_name, name);
}

const struct client_credential *client_snapshot_credential(const struct client_snapshot *s, struct phi_view id)
{
    const struct client_credential *c = phi_map_get(s->credentials, id);
    return c && c->ends_boot_ms - phi_now_boot_ms() > 0 ? c : NULL;
}

int64_t client_snapshot_last_batch(const struct client_snapshot *s)
{
    return s->last_batch;
}

struct phi_view client_snapshot_console(const struct client_snapshot *s)
{
    return s->console;
}

struct phi_view client_snapshot_checkpoint(const struct client_snapshot *s)
{
    return s->checkpoint;
}
