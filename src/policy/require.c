/* requirements.yaml: how each requirement is met.
 *
 *   dba:
 *     why: Writes to production need a DBA
 *     kind: approval                              # the default
 *     approve: [{from: 'Group::"dba"', count: 1}]
 *     ttl: 15m          # life of the grant
 *     pending_ttl: 15m  # how long the request waits
 *     uses: 1
 *     bind: session     # the grant serves only the session that asked
 *     signed: true      # votes must be signed
 */
#include "policy/bundle.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/yaml.h"

#define MAX_COUNT 100 /* persons of one set */

static const char *const kinds[] = { "approval", "mfa", "justification", "ticket", "break-glass" };

const char *phi_requirement_kind_name(enum phi_requirement_kind kind)
{
    return kinds[kind];
}

struct reader {
    struct phi_bundle *b;
    struct phi_err *err;
    struct phi_requirement *r;
};

static enum phi_rc bad(struct reader *rd, const struct phi_json *v, const char *what)
{
    return phi_fail(rd->err, PHI_EINPUT, CEDAR_REQUIREMENTS_FILE ":%d: requirement \"" PHI_FMT "\": %s",
                    (int)v->line, PHI_ARG(phi_view_upto(rd->r->name, 60)), what);
}

static enum phi_rc read_kind(struct reader *rd, const struct phi_json *v)
{
    struct phi_view text = { 0 };
    phi_json_str(v, &text);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!phi_view_is(text, kinds[i]))
            continue;
        rd->r->kind = (enum phi_requirement_kind)i;
        return PHI_OK;
    }
    return bad(rd, v, "kind must be approval, mfa, justification, ticket or break-glass");
}

static enum phi_rc read_set(struct reader *rd, const struct phi_json *v,
                            struct phi_requirement_set *set)
{
    static const char *const keys[] = { "from", "count", NULL };
    const struct phi_json *from = phi_json_get(v, "from");
    struct phi_view text = { 0 };
    int64_t count = phi_json_num(v, "count", phi_json_get(v, "count") ? 0 : 1);
    struct phi_err why = { 0 };
    if (v->kind != PHI_JSON_OBJ || !phi_json_str(from, &text))
        return bad(rd, v, "each entry of approve must be {from: 'Group::\"…\"', count: 1}");
    if (phi_json_only(v, keys, &why) != PHI_OK)
        return bad(rd, v, why.msg);
    if (phi_uid_read(&rd->b->arena, text, &set->from, &why) != PHI_OK)
        return bad(rd, from, "from must be an entity such as 'Group::\"dba\"'");
    if (!cedar_schema_has_type(&rd->b->schema, set->from.type))
        return bad(rd, from, "the schema has no such entity type in from");
    if (count < 1 || count > MAX_COUNT)
        return bad(rd, v, "count must be 1 to 100");
    set->count = (unsigned)count;
    return PHI_OK;
}

static enum phi_rc read_sets(struct reader *rd, const struct phi_json *v)
{
    if (v->kind != PHI_JSON_ARR || v->n == 0)
        return bad(rd, v, "approve must be a list such as [{from: 'Group::\"dba\"', count: 1}]");
    struct phi_requirement_set *sets = phi_arena_array(&rd->b->arena, v->n, sizeof *sets);
    if (!sets)
        return bad(rd, v, "too large");
    for (size_t i = 0; i < v->n; i++)
        PHI_TRY(read_set(rd, &v->items[i], &sets[i]));
    rd->r->sets = sets;
    rd->r->n_sets = v->n;
    return PHI_OK;
}

static enum phi_rc read_duration(struct reader *rd, const struct phi_json *v, int64_t *ret)
{
    struct phi_view text = { 0 };
    if (!phi_json_str(v, &text) || !phi_text_duration_read(text, ret))
        return bad(rd, v, "a duration must be such as 15m, 1h30m or 2d");
    return PHI_OK;
}

static enum phi_rc read_bool(struct reader *rd, const struct phi_json *v, bool *ret)
{
    return phi_json_bool(v, ret) ? PHI_OK : bad(rd, v, "signed must be true or false");
}

static enum phi_rc read_key(struct reader *rd, struct phi_view key, const struct phi_json *v)
{
    struct phi_requirement *r = rd->r;
    if (phi_view_is(key, "why"))
        return phi_json_str(v, &r->why) ? PHI_OK : bad(rd, v, "why must be a text");
    if (phi_view_is(key, "kind"))
        return read_kind(rd, v);
    if (phi_view_is(key, "approve"))
        return read_sets(rd, v);
    if (phi_view_is(key, "ttl"))
        return read_duration(rd, v, &r->ttl_ms);
    if (phi_view_is(key, "pending_ttl"))
        return read_duration(rd, v, &r->pending_ttl_ms);
    if (phi_view_is(key, "signed"))
        return read_bool(rd, v, &r->is_signed);
    if (phi_view_is(key, "uses"))
        return phi_json_int(v, &r->uses) && r->uses >= 1 && r->uses <= PHI_MAX_USES ?
                   PHI_OK :
                   bad(rd, v, "uses must be a whole number from 1 to 1000000");
    if (phi_view_is(key, "bind")) {
        r->bind_session = v->kind == PHI_JSON_STR && phi_view_is(v->str, "session");
        return r->bind_session ? PHI_OK : bad(rd, v, "bind must be session");
    }
    return bad(rd, v, "unknown key; there are why, kind, approve, ttl, pending_ttl, uses, bind, signed");
}

static enum phi_rc read_one(struct reader *rd, const struct phi_json *v)
{
    struct phi_requirement *r = rd->r;
    if (r->name.n == 0 || r->name.n > PHI_MAX_NAME)
        return bad(rd, v, "a name must have 1 to 128 bytes");
    if (v->kind != PHI_JSON_OBJ)
        return bad(rd, v, "expected settings such as approve: [{from: 'Group::\"dba\"', count: 1}]");
    for (size_t i = 0; i < v->n; i++)
        PHI_TRY(read_key(rd, v->keys[i], &v->items[i]));
    bool by_people = r->kind == PHI_REQUIRE_APPROVAL;
    if (by_people && r->n_sets == 0)
        return bad(rd, v, "an approval needs approve: who may, and how many");
    if (!by_people && r->kind != PHI_REQUIRE_BREAK_GLASS && r->n_sets > 0)
        return bad(rd, v, "approve belongs to kind approval or break-glass");
    return PHI_OK;
}

enum phi_rc cedar_requirements_read(struct phi_bundle *b, struct phi_err *err)
{
    const struct phi_json *all = NULL;
    struct reader rd = { .b = b, .err = err };
    PHI_TRY(phi_yaml_read(&b->arena, b->text.requirements, CEDAR_REQUIREMENTS_FILE, &all, err));
    if (all->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, CEDAR_REQUIREMENTS_FILE ": expected a name and its settings, such as dba: {…}");
    if (all->n > CEDAR_MAX_REQUIREMENTS)
        return phi_fail(err, PHI_ELIMIT, CEDAR_REQUIREMENTS_FILE ": more than %d requirements",
                        CEDAR_MAX_REQUIREMENTS);
    b->n_requirements = all->n;
    b->requirements = phi_arena_array(&b->arena, all->n + 1, sizeof *b->requirements);
    b->names = phi_arena_array(&b->arena, all->n + 1, sizeof *b->names);
    if (!b->requirements || !b->names)
        return phi_fail(err, PHI_ELIMIT, CEDAR_REQUIREMENTS_FILE " is too large");
    for (size_t i = 0; i < all->n; i++) {
        rd.r = &b->requirements[i];
        rd.r->name = b->names[i] = all->keys[i];
        PHI_TRY(read_one(&rd, &all->items[i]));
    }
    return PHI_OK;
}
