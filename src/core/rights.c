#include "core/rights.h"

#include "core/context.h"
#include "core/engine.h"
#include "core/change.h"
#include "core/person.h"
#include "core/prepare.h"

static const struct {
    const char *action, *text;
} rights[] = {
#define X(name, action, text) { action, text },
    PHI_RIGHTS(X)
#undef X
};

const char *phi_right_action(enum phi_right r)
{
    return r < PHI_RIGHTS_N ? rights[r].action : "?";
}

const char *phi_right_text(enum phi_right r)
{
    return r < PHI_RIGHTS_N ? rights[r].text : "?";
}

static struct phi_uid action_of(enum phi_right r)
{
    return (struct phi_uid){ PHI_LIT("phi::Action"), phi_view_of(rights[r].action) };
}

static struct phi_uid resource_of(struct phi_arena *a, enum phi_right r, struct phi_view name)
{
    struct phi_ref t = phi_right_resource(a, r, name);
    return (struct phi_uid){ t.type, t.id };
}

/* A bundle from before phi's rights were policies cannot be put any more, but may be live after an upgrade: then,
 * as before any bundle, whoever is in the group "admin" has them, and everybody sees, asks and votes. */
static bool has_rights(const struct phi_bundle *b)
{
    return phi_bundle_has_action(b, action_of(PHI_RIGHT_POLICY));
}

static bool without_policy(struct phi_core *c, const struct phi_actor *by, enum phi_right r)
{
    PHI_ARENA(a, 1 << 16);
    struct core_member_row row, key = { .grp = PHI_LIT(PHI_GROUP_ADMIN), .person = by->id };
    return r == PHI_RIGHT_SEE || r == PHI_RIGHT_ASK || r == PHI_RIGHT_VOTE ||
           core_get(c, CORE_MEMBER, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK;
}

static enum phi_rc decide(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_right r,
                          struct phi_view resource, bool at_any_time, struct phi_answer *ret, struct phi_err *err)
{
    const struct phi_entities *world;
    struct core_prepared prepared;
    struct phi_err why = { 0 };
    struct phi_ref who = core_actor_ref(by);
    bool approved = c->making.person.n && phi_view_eq(c->making.person, by->id);
    struct phi_ask ask = { .principal = { who.type, who.id }, .action = action_of(r),
                           .resource = resource_of(a, r, resource), .met = c->making.met, .n_met = approved ? c->making.n_met : 0 };
    PHI_TRY(core_world(c, &world, err));
    PHI_TRY(core_prepare(c, world, &prepared, err));
    if (at_any_time)
        ask.context = phi_context_unknowns(a, c->bundle, ask.action, NULL);
    else
        PHI_TRY(core_context_at(c, a, ask.action, (struct phi_view){ 0 }, &(struct core_moment){ .person = by->id, .device = by->device },
                                &ask.context, err));
    *ret = (struct phi_answer){ .verdict = PHI_DENY };
    if (core_ask(c, &prepared, &ask, a, ret, &why) != PHI_OK) {
        ret->verdict = PHI_DENY;
        ret->reason = phi_arena_copy(a, phi_view_of(why.msg));
    }
    return PHI_OK;
}

enum phi_rc phi_right_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_right r,
                          struct phi_view resource, enum phi_verdict *ret, struct phi_view *reason,
                          struct phi_err *err)
{
    struct phi_answer ans;
    PHI_TRY(core_batched(c, err));
    *ret = PHI_DENY;
    *reason = PHI_LIT("only signed-in people have rights here");
    if (by->withheld & (1u << r)) {
        *reason = PHI_LIT("the token does not carry it");
        return PHI_OK;
    }
    if (by->kind == PHI_ACTOR_SYSTEM)
        *ret = PHI_ALLOW;
    if (by->kind != PHI_ACTOR_PERSON)
        return PHI_OK;
    enum phi_rc rc = core_bundle_load(c, err);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return rc;
    if (rc != PHI_OK || !has_rights(c->bundle)) {
        c->why = "";
        *ret = without_policy(c, by, r) ? PHI_ALLOW : PHI_DENY;
        *reason = PHI_LIT("no policy gives it, and you are not in the group \"admin\"");
        return PHI_OK;
    }
    PHI_TRY(decide(c, a, by, r, resource, false, &ans, err));
    *ret = ans.partial ? PHI_DENY : ans.verdict;
    *reason = ans.partial ? PHI_LIT("the policy rests on something that is not known") : ans.reason;
    return PHI_OK;
}

enum phi_rc core_need_on(struct phi_core *c, const struct phi_actor *by, enum phi_right r, struct phi_view resource,
                         struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    enum phi_verdict v;
    struct phi_view reason;
    PHI_TRY(phi_right_ask(c, &a, by, r, resource, &v, &reason, err));
    switch (v) {
    case PHI_ALLOW:
        return PHI_OK;
    case PHI_NEEDS:
        return core_no(c, "right.needs-approval", err, PHI_EDENIED,
                       "this needs the right \"%s\", which the policy gives here after an approval only",
                       phi_right_action(r));
    case PHI_DENY:
        break;
    }
    return core_no(c, "right.missing", err, PHI_EDENIED, "this needs the right \"%s\": " PHI_FMT, phi_right_action(r),
                   PHI_ARG(phi_view_upto(reason, 120)));
}

enum phi_rc core_need(struct phi_core *c, const struct phi_actor *by, enum phi_right r, struct phi_err *err)
{
    return core_need_on(c, by, r, (struct phi_view){ 0 }, err);
}

bool core_has(struct phi_core *c, const struct phi_actor *by, enum phi_right r)
{
    const char *why = c->why;
    bool yes = core_need(c, by, r, NULL) == PHI_OK;
    c->why = why;
    return yes;
}

/* ---- that somebody can still run phi */

enum phi_rc core_rights_known(struct phi_core *c, const struct phi_bundle *b, struct phi_err *err)
{
    for (int r = 0; r < PHI_RIGHTS_N; r++) {
        const char *on = r == PHI_RIGHT_GROUPS ? "Group" : "Target";
        if (!phi_bundle_applies(b, action_of((enum phi_right)r), PHI_LIT("Person"), phi_view_of(on)))
            return core_no(c, "bundle.rights", err, PHI_EINPUT,
                           "the schema lacks phi's own action \"%s\" of a Person on a %s; see `phi policy init`",
                           rights[r].action, on);
    }
    return PHI_OK;
}

static enum phi_rc anybody(struct phi_core *c, enum phi_right r, const struct core_person_row *people, size_t n,
                           bool *ret, struct phi_err *err)
{
    *ret = n == 0; /* before the first person there is nobody to lock out */
    for (size_t i = 0; i < n && !*ret; i++) {
        if (!phi_view_is(phi_who_type(people[i].id), "Person"))
            continue; /* a service account locks nobody in */
        PHI_ARENA(a, (size_t)16 << 20);
        struct phi_answer ans;
        struct phi_actor one = { .kind = PHI_ACTOR_PERSON, .id = people[i].id };
        PHI_TRY(decide(c, &a, &one, r, PHI_LIT(PHI_GROUP_ADMIN), true, &ans, err));
        *ret = ans.verdict == PHI_ALLOW || ans.verdict == PHI_NEEDS || ans.partial;
    }
    return PHI_OK;
}

enum phi_rc core_rights_check(struct phi_core *c, struct phi_err *err)
{
    static const enum phi_right needed[] = { PHI_RIGHT_PEOPLE, PHI_RIGHT_GROUPS, PHI_RIGHT_POLICY };
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_person_row *people;
    size_t n;
    enum phi_rc rc = core_bundle_load(c, err);
    if (rc == PHI_ENOTFOUND || (rc == PHI_OK && !has_rights(c->bundle)))
        return c->why = "", PHI_OK;
    PHI_TRY(rc);
    PHI_TRY(core_list(c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &people, &n, err));
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        bool someone = false;
        PHI_TRY(anybody(c, needed[i], people, n, &someone, err));
        if (!someone)
            return core_no(c, "rights.lockout", err, PHI_ECONFLICT,
                           "after this nobody would have the right \"%s\", so nobody could mend it; give it to somebody first",
                           rights[needed[i]].action);
    }
    return PHI_OK;
}

static enum phi_rc alone(struct phi_core *c, enum phi_right r, const struct core_person_row *people, size_t n, bool *ret, struct phi_err *err)
{
    for (size_t i = 0; i < n && !*ret; i++) {
        PHI_ARENA(a, (size_t)16 << 20);
        struct phi_actor one = { .kind = PHI_ACTOR_PERSON, .id = people[i].id };
        struct phi_view group = r == PHI_RIGHT_GROUPS ? PHI_LIT(PHI_GROUP_ADMIN) : (struct phi_view){ 0 }, reason;
        enum phi_verdict v;
        if (!phi_view_is(phi_who_type(people[i].id), "Person") || people[i].same_as.n)
            continue;
        PHI_TRY(phi_right_ask(c, &a, &one, r, group, &v, &reason, err));
        *ret = v == PHI_ALLOW;
    }
    return PHI_OK;
}

enum phi_rc phi_rights_alone(struct phi_core *c, const struct phi_actor *by, bool ret[PHI_RIGHTS_N], struct phi_err *err)
{
    static const enum phi_right looked[] = { PHI_RIGHT_PEOPLE, PHI_RIGHT_GROUPS, PHI_RIGHT_POLICY };
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_person_row *people;
    size_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_SEE_PEOPLE, err));
    PHI_TRY(core_list(c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ .limit = PHI_ALONE_LOOKS }, &a, &people, &n, err));
    for (int r = 0; r < PHI_RIGHTS_N; r++)
        ret[r] = false;
    for (size_t i = 0; i < sizeof looked / sizeof *looked; i++)
        PHI_TRY(alone(c, looked[i], people, n, &ret[looked[i]], err));
    return PHI_OK;
}
