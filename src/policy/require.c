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
 *     remind: 5m        # those who may vote are told again this often
 *     fallback: {after: 10m, from: 'Group::"lead"'}   # may vote too, from then on
 *     delegation: true  # an approver may let somebody else vote for them for a while
 *     clock: first-use  # ttl counts from the first use, not from the approval
 *     ready: 1h         # how long the first use may take to come
 *     pattern: 'OPS-#'  # of kind: ticket, or a list: what it must look like; * is any text, # a number
 *     checked: open     # of kind: ticket: the tracker (phid.yaml's `tickets`) says that it is open; or assigned: open and the asker's
 *     statements: 100   # most that the grant may spend in all; rows and bytes likewise
 *
 * `obligations:` beside them defines those (oblige.c).
 * `zone: Europe/Berlin` beside them is the time zone of `context.local` for persons who have none of their own.
 * A set of `approve` may say `stage: 2` (it waits until all sets of stage 1 are filled), and `from` may be a list.
 */
#include "policy/bundle.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/yaml.h"

#define MAX_COUNT 100 /* persons of one set */
#define MAX_STAGE 9
#define MAX_FROM 16
#define MAX_AMOUNT ((1LL << 53) - 1)
#define DEFAULT_READY_MS (3600LL * 1000)

static const char *const kinds[] = { "approval", "mfa", "justification", "ticket", "break-glass" };

const char *phi_requirement_kind_name(enum phi_requirement_kind kind)
{
    return kinds[kind];
}

struct reader {
    struct phi_bundle *b;
    struct phi_err *err;
    struct phi_requirement *r;
    bool first_use;
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

static enum phi_rc read_uid(struct reader *rd, const struct phi_json *v, struct phi_uid *ret)
{
    struct phi_view text = { 0 };
    struct phi_err why = { 0 };
    if (!phi_json_str(v, &text) || phi_uid_read(&rd->b->arena, text, ret, &why) != PHI_OK)
        return bad(rd, v, "from must be an entity such as 'Group::\"dba\"'");
    if (!cedar_schema_has_type(&rd->b->schema, ret->type))
        return bad(rd, v, "the schema has no such entity type in from");
    return PHI_OK;
}

/* One entity or a list of them. */
static enum phi_rc read_uids(struct reader *rd, const struct phi_json *v, struct phi_uid **ret, size_t *n)
{
    bool list = v->kind == PHI_JSON_ARR;
    *n = list ? v->n : 1;
    *ret = phi_arena_array(&rd->b->arena, *n + 1, sizeof **ret);
    if (!*ret || *n == 0 || *n > MAX_FROM)
        return bad(rd, v, "from names 1 to 16 entities");
    for (size_t i = 0; i < *n; i++)
        PHI_TRY(read_uid(rd, list ? &v->items[i] : v, &(*ret)[i]));
    return PHI_OK;
}

static enum phi_rc read_set(struct reader *rd, const struct phi_json *v,
                            struct phi_requirement_set *set)
{
    static const char *const keys[] = { "from", "count", "stage", NULL };
    const struct phi_json *from = phi_json_get(v, "from");
    int64_t count = phi_json_num(v, "count", phi_json_get(v, "count") ? 0 : 1);
    int64_t stage = phi_json_num(v, "stage", phi_json_get(v, "stage") ? 0 : 1);
    struct phi_err why = { 0 };
    struct phi_uid *uids;
    size_t n;
    if (v->kind != PHI_JSON_OBJ || !from || (from->kind != PHI_JSON_STR && from->kind != PHI_JSON_ARR))
        return bad(rd, v, "each entry of approve must be {from: 'Group::\"…\"', count: 1}");
    if (phi_json_only(v, keys, &why) != PHI_OK)
        return bad(rd, v, why.msg);
    PHI_TRY(read_uids(rd, from, &uids, &n));
    if (count < 1 || count > MAX_COUNT)
        return bad(rd, v, "count must be 1 to 100");
    if (stage < 1 || stage > MAX_STAGE)
        return bad(rd, v, "stage must be 1 to 9");
    *set = (struct phi_requirement_set){ uids[0], (unsigned)count, uids + 1, n - 1, (unsigned)stage };
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

static enum phi_rc read_patterns(struct reader *rd, const struct phi_json *v)
{
    bool list = v->kind == PHI_JSON_ARR;
    size_t n = list ? v->n : 1;
    struct phi_view *p = phi_arena_array(&rd->b->arena, n + 1, sizeof *p);
    for (size_t i = 0; i < n; i++)
        if (!p || !phi_json_str(list ? &v->items[i] : v, &p[i]) || p[i].n == 0 || p[i].n > CEDAR_MAX_PATTERN || n > CEDAR_MAX_PATTERNS)
            return bad(rd, v, "pattern must be a text such as 'OPS-#' of at most 60 bytes, or a list of at most 16");
    rd->r->patterns = p;
    rd->r->n_patterns = n;
    return n ? PHI_OK : bad(rd, v, "pattern must not be empty");
}

static enum phi_rc read_checked(struct reader *rd, const struct phi_json *v)
{
    bool assigned = v->kind == PHI_JSON_STR && phi_view_is(v->str, "assigned");
    rd->r->checked = assigned ? PHI_TICKET_ASSIGNED : PHI_TICKET_OPEN;
    return assigned || (v->kind == PHI_JSON_STR && phi_view_is(v->str, "open")) ? PHI_OK : bad(rd, v, "checked must be open or assigned");
}

static enum phi_rc read_duration(struct reader *rd, const struct phi_json *v, int64_t *ret)
{
    struct phi_view text = { 0 };
    if (!phi_json_str(v, &text) || !phi_text_duration_read(text, ret))
        return bad(rd, v, "a duration must be such as 15m, 1h30m or 2d");
    return PHI_OK;
}

static enum phi_rc read_bool(struct reader *rd, const struct phi_json *v, const char *wrong, bool *ret)
{
    return phi_json_bool(v, ret) ? PHI_OK : bad(rd, v, wrong);
}

static enum phi_rc read_fallback(struct reader *rd, const struct phi_json *v)
{
    static const char *const keys[] = { "after", "from", NULL };
    const struct phi_json *after = phi_json_get(v, "after"), *from = phi_json_get(v, "from");
    struct phi_uid *uids;
    struct phi_err why = { 0 };
    if (v->kind != PHI_JSON_OBJ || !after || !from)
        return bad(rd, v, "fallback must be {after: 10m, from: 'Group::\"…\"'}");
    if (phi_json_only(v, keys, &why) != PHI_OK)
        return bad(rd, v, why.msg);
    PHI_TRY(read_uids(rd, from, &uids, &rd->r->n_fallback));
    rd->r->fallback = uids;
    return read_duration(rd, after, &rd->r->fallback_ms);
}

static enum phi_rc read_amount(struct reader *rd, const struct phi_json *v, int64_t *ret)
{
    return phi_json_int(v, ret) && *ret >= 1 && *ret <= MAX_AMOUNT ?
               PHI_OK :
               bad(rd, v, "statements, rows and bytes must be whole numbers from 1");
}

/* How it is told, passed on, timed and metered. PHI_ENOTFOUND: none of these keys. */
static enum phi_rc read_life_key(struct reader *rd, struct phi_view key, const struct phi_json *v)
{
    struct phi_requirement *r = rd->r;
    if (phi_view_is(key, "remind"))
        return read_duration(rd, v, &r->remind_ms);
    if (phi_view_is(key, "fallback"))
        return read_fallback(rd, v);
    if (phi_view_is(key, "delegation"))
        return read_bool(rd, v, "delegation must be true or false", &r->delegation);
    if (phi_view_is(key, "ready"))
        return read_duration(rd, v, &r->first_use_ms);
    if (phi_view_is(key, "statements"))
        return read_amount(rd, v, &r->statements);
    if (phi_view_is(key, "rows"))
        return read_amount(rd, v, &r->rows);
    if (phi_view_is(key, "bytes"))
        return read_amount(rd, v, &r->bytes);
    if (!phi_view_is(key, "clock"))
        return PHI_ENOTFOUND;
    rd->first_use = v->kind == PHI_JSON_STR && phi_view_is(v->str, "first-use");
    return rd->first_use || (v->kind == PHI_JSON_STR && phi_view_is(v->str, "approval")) ?
               PHI_OK :
               bad(rd, v, "clock must be approval or first-use");
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
        return read_bool(rd, v, "signed must be true or false", &r->is_signed);
    if (phi_view_is(key, "uses"))
        return phi_json_int(v, &r->uses) && r->uses >= 1 && r->uses <= PHI_MAX_USES ?
                   PHI_OK :
                   bad(rd, v, "uses must be a whole number from 1 to 1000000");
    if (phi_view_is(key, "bind")) {
        r->bind_session = v->kind == PHI_JSON_STR && phi_view_is(v->str, "session");
        return r->bind_session ? PHI_OK : bad(rd, v, "bind must be session");
    }
    if (phi_view_is(key, "pattern"))
        return read_patterns(rd, v);
    if (phi_view_is(key, "checked"))
        return read_checked(rd, v);
    enum phi_rc rc = read_life_key(rd, key, v);
    return rc != PHI_ENOTFOUND ? rc :
                                 bad(rd, v, "unknown key; there are why, kind, approve, ttl, pending_ttl, uses, bind, signed, "
                                            "remind, fallback, delegation, clock, ready, statements, rows, bytes, pattern, checked");
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
    if (rd->first_use && r->first_use_ms == 0)
        r->first_use_ms = DEFAULT_READY_MS;
    if (!rd->first_use && r->first_use_ms)
        return bad(rd, v, "ready belongs to clock: first-use");
    if (r->n_patterns && r->kind != PHI_REQUIRE_TICKET)
        return bad(rd, v, "pattern belongs to kind: ticket");
    if (r->checked != PHI_TICKET_NAMED && r->kind != PHI_REQUIRE_TICKET)
        return bad(rd, v, "checked belongs to kind: ticket");
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
    b->requirements = phi_arena_array(&b->arena, all->n + 1, sizeof *b->requirements);
    b->names = phi_arena_array(&b->arena, all->n + 1, sizeof *b->names);
    if (!b->requirements || !b->names)
        return phi_fail(err, PHI_ELIMIT, CEDAR_REQUIREMENTS_FILE " is too large");
    for (size_t i = 0; i < all->n; i++) {
        if (phi_view_is(all->keys[i], "zone") && all->items[i].kind == PHI_JSON_STR) {
            b->zone = all->items[i].str;
            continue;
        }
        if (phi_view_is(all->keys[i], "obligations")) {
            PHI_TRY(cedar_obligations_read(b, &all->items[i], err));
            continue;
        }
        size_t at = b->n_requirements++;
        rd.r = &b->requirements[at];
        rd.r->name = b->names[at] = all->keys[i];
        rd.first_use = false;
        PHI_TRY(read_one(&rd, &all->items[i]));
    }
    if (b->n_requirements + b->n_obligations > CEDAR_MAX_REQUIREMENTS)
        return phi_fail(err, PHI_ELIMIT, CEDAR_REQUIREMENTS_FILE ": more than %d requirements and obligations",
                        CEDAR_MAX_REQUIREMENTS);
    return PHI_OK;
}
