#include "core/known.h"

#include <string.h>

#include "core/context.h"
#include "core/engine.h"

#define MAX_TAGS 32
#define DAY_MIN 1440

/* ---- what is said of resources; held in memory as long as the world stays */

static enum phi_rc facts_load(struct phi_core *c)
{
    if (c->facts && c->facts_loaded == c->st.world)
        return PHI_OK;
    phi_arena_done(&c->facts_arena);
    c->facts_arena = (struct phi_arena){ .limit = (size_t)64 << 20 };
    c->facts = NULL;
    PHI_TRY(core_list(c, CORE_FACTS, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &c->facts_arena, &c->facts, &c->n_facts, NULL));
    c->facts_loaded = c->st.world;
    return PHI_OK;
}

static const struct core_facts_row *facts_of(struct phi_core *c, struct phi_ref r)
{
    size_t lo = 0, hi = facts_load(c) == PHI_OK ? c->n_facts : 0;
    while (lo < hi) { /* in the order of (type, id) */
        size_t mid = lo + (hi - lo) / 2;
        int cmp = phi_ref_cmp((struct phi_ref){ c->facts[mid].type, c->facts[mid].id }, r);
        if (cmp == 0)
            return &c->facts[mid];
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool core_environment_of(struct phi_core *c, struct phi_ref r, struct phi_view *ret)
{
    PHI_ARENA(a, 1 << 16);
    for (int depth = 0; depth < PHI_REF_PARTS_MAX && !phi_ref_none(r); depth++, r = core_parent_of(&a, r)) {
        const struct core_facts_row *f = facts_of(c, r);
        if (f && f->environment.n) {
            *ret = f->environment;
            return true;
        }
    }
    return false;
}

static size_t tags_split(struct phi_view text, struct phi_view *ret, size_t n, size_t max)
{
    struct phi_view one;
    while (n < max && phi_view_split(&text, ' ', &one))
        ret[n++] = one;
    return n;
}

size_t core_tags_of(struct phi_core *c, struct phi_ref r, struct phi_view *ret, size_t max)
{
    PHI_ARENA(a, 1 << 16);
    size_t n = 0;
    for (int depth = 0; depth < PHI_REF_PARTS_MAX && !phi_ref_none(r); depth++, r = core_parent_of(&a, r)) {
        const struct core_facts_row *f = facts_of(c, r);
        n = f ? tags_split(f->tags, ret, n, max) : n;
    }
    return n;
}

static enum phi_rc facts_leaf(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct phi_resource_facts *f, struct phi_view tags, struct phi_err *err)
{
    struct phi_entry e;
    PHI_BUF(said, 4096);
    struct phi_jw w;
    phi_jw_init(&w, &said);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "environment", f->environment);
    phi_jw_kv(&w, "tags", tags);
    phi_jw_end(&w);
    core_entry(c, &e, PHI_EV_RESOURCE_MARKED, by);
    phi_entry_ref(&e, PHI_F_TARGET, f->resource);
    phi_entry_json(&e, PHI_F_TERMS, phi_arena_copy(a, phi_buf_view(&said)));
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc facts_check(struct phi_core *c, struct phi_arena *a, const struct phi_resource_facts *f, struct phi_err *err)
{
    struct core_target_row row, key = { 0 };
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n;
    bool known = phi_ref_parts(a, f->resource, parts, &n);
    if (known)
        key.name = parts[0];
    if (!known || !core_ref_of_target(f->resource, key.name) || core_get(c, CORE_TARGET, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return core_no(c, "target.unknown", err, PHI_ENOTFOUND, "there is no such target");
    if (f->environment.n && !core_slug_ok(f->environment))
        return phi_fail(err, PHI_EINPUT, "an environment is 1 to 63 of a-z, 0-9, _ and -");
    for (size_t i = 0; i < f->n_tags; i++)
        if (!core_slug_ok(f->tags[i]))
            return phi_fail(err, PHI_EINPUT, "a tag is 1 to 63 of a-z, 0-9, _ and -");
    return f->n_tags <= MAX_TAGS ? PHI_OK : phi_fail(err, PHI_EINPUT, "at most %d tags", MAX_TAGS);
}

enum phi_rc phi_facts_put(struct phi_core *c, const struct phi_actor *by, const struct phi_resource_facts *f,
                          struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    PHI_BUF(tags, MAX_TAGS * 64 + 1);
    struct phi_view *sorted = phi_arena_array(&a, f->n_tags + 1, sizeof *sorted);
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    PHI_TRY(facts_check(c, &a, f, err));
    if (!sorted)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (f->n_tags)
        memcpy(sorted, f->tags, f->n_tags * sizeof *sorted);
    size_t n = phi_names_sort(sorted, f->n_tags);
    for (size_t i = 0; i < n; i++) {
        phi_buf_adds(&tags, i ? " " : "");
        phi_buf_add(&tags, sorted[i]);
    }
    struct core_facts_row row = { f->resource.type, f->resource.id, f->environment, phi_buf_view(&tags) };
    bool empty = !row.environment.n && !row.tags.n;
    enum phi_rc rc = empty ? core_del(c, CORE_FACTS, &row, NULL) : core_add(c, CORE_FACTS, &row, NULL);
    if (rc == PHI_ECONFLICT)
        rc = core_set(c, CORE_FACTS, &row, err);
    if (rc != PHI_OK && !(empty && rc == PHI_ENOTFOUND))
        return phi_fail(err, rc, "what is said of this resource cannot be stored");
    core_world_changed(c);
    return facts_leaf(c, &a, by, f, row.tags, err);
}

enum phi_rc phi_facts_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           struct phi_resource_facts **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_facts_row *rows;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON && by->kind != PHI_ACTOR_SYSTEM)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons look this up");
    PHI_TRY(core_list(c, CORE_FACTS, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    for (size_t i = 0; *ret && i < *ret_n; i++) {
        struct phi_view *tags = phi_arena_array(a, MAX_TAGS, sizeof *tags);
        size_t n = tags ? tags_split(rows[i].tags, tags, 0, MAX_TAGS) : 0;
        (*ret)[i] = (struct phi_resource_facts){ { rows[i].type, rows[i].id }, rows[i].environment, tags, n };
    }
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- persons */

static bool profile_row(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct core_profile_row *ret)
{
    struct core_profile_row key = { .person = person };
    return person.n && core_get(c, CORE_PROFILE, CORE_BY_KEY, &key, a, ret, NULL) == PHI_OK;
}

/* Milliseconds of the local clock, as if it were UTC. */
static bool local_ms(struct phi_core *c, struct phi_view zone, int64_t wall, int64_t *ret)
{
    int64_t east = 0;
    if (zone.n == 0 && core_bundle_load(c, NULL) == PHI_OK)
        zone = phi_bundle_zone(c->bundle);
    bool utc = zone.n == 0 || phi_view_is(zone, "UTC");
    if (!utc && (!c->places || !c->places->offset(c->places->self, zone, wall, &east)))
        return false;
    *ret = wall + 1000 * east;
    return true;
}

static struct core_local local_at(int64_t ms)
{
    int64_t minute = ms / 60000, day = minute / DAY_MIN;
    return (struct core_local){ minute / 60 % 24, minute % 60, (day + 3) % 7 + 1 }; /* 1970-01-01 was a Thursday */
}

bool core_local_of(struct phi_core *c, struct phi_view person, int64_t wall, struct core_local *ret)
{
    PHI_ARENA(a, 1 << 16);
    struct core_profile_row row = { 0 };
    int64_t ms;
    profile_row(c, &a, person, &row);
    if (!local_ms(c, row.zone, wall, &ms) || ms < 0)
        return false;
    *ret = local_at(ms);
    return true;
}

/* How long quiet hours go on, in minutes; 0: they are not. */
static int64_t quiet_left(const struct core_profile_row *p, int64_t ms)
{
    struct core_local now = local_at(ms);
    int64_t minute = 60 * now.hour + now.minute, length = (p->quiet_to - p->quiet_from + DAY_MIN) % DAY_MIN;
    int64_t since = (minute - p->quiet_from + DAY_MIN) % DAY_MIN;
    int64_t began = minute >= p->quiet_from ? now.weekday - 1 : (now.weekday + 5) % 7;
    return since < length && (p->quiet_days >> began & 1) ? length - since : 0;
}

int64_t core_quiet_until(struct phi_core *c, struct phi_view person)
{
    PHI_ARENA(a, 1 << 16);
    struct core_profile_row row;
    int64_t ms, left;
    if (!profile_row(c, &a, person, &row) || !local_ms(c, row.zone, core_wall(c), &ms) || ms < 0)
        return 0;
    left = quiet_left(&row, ms);
    return left ? core_wall(c) - core_wall(c) % 60000 + 60000 * left : 0;
}

bool core_quiet_now(struct phi_core *c, struct phi_view person)
{
    return core_quiet_until(c, person) != 0;
}

enum phi_rc phi_profile_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_profile *ret,
                            struct phi_err *err)
{
    struct core_profile_row row = { 0 };
    *ret = (struct phi_profile){ .quiet_days = 0x7f };
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons have a profile");
    struct phi_view root = core_root(c, a, by->id);
    if (profile_row(c, a, root, &row))
        *ret = (struct phi_profile){ row.zone, row.quiet_from, row.quiet_to, row.quiet_days, core_quiet_now(c, root) };
    return PHI_OK;
}

enum phi_rc phi_profile_put(struct phi_core *c, const struct phi_actor *by, const struct phi_profile *p,
                            struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    int64_t ms;
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons have a profile");
    if (p->zone.n > PHI_MAX_NAME || (p->zone.n && !local_ms(c, p->zone, core_wall(c), &ms)))
        return phi_fail(err, PHI_EINPUT, "this phid knows no time zone \"" PHI_FMT "\"; write it as Europe/Berlin",
                        PHI_ARG(phi_view_upto(p->zone, 64)));
    if (p->quiet_from_min < 0 || p->quiet_from_min >= DAY_MIN || p->quiet_to_min < 0 || p->quiet_to_min >= DAY_MIN ||
        p->quiet_days < 0 || p->quiet_days > 0x7f)
        return phi_fail(err, PHI_EINPUT, "quiet hours are two times of day, and days from 1 (Monday) to 7");
    struct core_profile_row row = { core_root(c, &a, by->id), p->zone, p->quiet_from_min, p->quiet_to_min, p->quiet_days };
    enum phi_rc rc = core_add(c, CORE_PROFILE, &row, NULL);
    PHI_TRY(rc == PHI_ECONFLICT ? core_set(c, CORE_PROFILE, &row, err) : rc);
    core_entry(c, &e, PHI_EV_PROFILE_CHANGED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row.person));
    return core_leaf(c, &e, NULL, NULL, err);
}
