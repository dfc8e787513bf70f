#include "core/identity.h"

#include "core/inner.h"
#include "core/rights.h"
#include "core/session.h"

static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };

/* ---- providers ---- */

static enum phi_rc row_get(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct core_provider_row *ret, struct phi_err *err)
{
    struct core_provider_row key = { .name = name };
    if (core_get(c, CORE_PROVIDER, CORE_BY_KEY, &key, a, ret, NULL) != PHI_OK)
        return core_no(c, "provider.unknown", err, PHI_ENOTFOUND, "there is no provider of that name");
    return core_row_check(c, CORE_PROVIDER, ret, ret->leaf, ret->leaf_hash, err);
}

/* A group that two providers fill would be emptied by one and filled by the other. */
static enum phi_rc groups_free(struct phi_core *c, struct phi_arena *a, struct phi_view name, const struct phi_oidc_conf *conf, struct phi_err *err)
{
    struct phi_provider *p;
    size_t n;
    PHI_TRY(phi_provider_list(c, a, PHI_LIT("oidc"), &p, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct phi_oidc_conf other = { 0 };
        if (phi_view_eq(p[i].name, name) || phi_oidc_conf_read(a, p[i].config, &other, NULL) != PHI_OK)
            continue;
        for (size_t k = 0; conf->groups && other.groups && k < conf->groups->n; k++)
            for (size_t m = 0; m < other.groups->n; m++)
                if (phi_view_eq(conf->groups->items[k].str, other.groups->items[m].str))
                    return phi_fail(err, PHI_EINPUT, "the group \"" PHI_FMT "\" is filled by the provider \"" PHI_FMT "\" already",
                                    PHI_ARG(other.groups->items[m].str), PHI_ARG(p[i].name));
    }
    return PHI_OK;
}

static enum phi_rc config_check(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_view kind,
                                struct phi_view config, struct phi_err *err)
{
    struct phi_workload_conf w;
    struct phi_oidc_conf o;
    struct core_person_row who;
    if (phi_view_is(kind, "oidc")) {
        PHI_TRY(phi_oidc_conf_read(a, config, &o, err));
        return groups_free(c, a, name, &o, err);
    }
    if (!phi_view_is(kind, "workload"))
        return phi_fail(err, PHI_EINPUT, "a provider's kind is oidc or workload");
    PHI_TRY(phi_workload_conf_read(a, config, &w, err));
    PHI_TRY(core_person_find(c, a, w.service, &who, err));
    if (phi_view_is(phi_who_type(who.id), "Service"))
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" is no service account", PHI_ARG(w.service));
}

/* Who lets a provider fill a group changes who is in it. */
static enum phi_rc groups_allowed(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view kind,
                                  struct phi_view config, struct phi_err *err)
{
    struct phi_oidc_conf o = { 0 };
    if (!phi_view_is(kind, "oidc"))
        return PHI_OK;
    PHI_TRY(phi_oidc_conf_read(a, config, &o, err));
    for (size_t i = 0; o.groups && i < o.groups->n; i++)
        PHI_TRY(core_need_on(c, by, PHI_RIGHT_GROUPS, o.groups->items[i].str, err));
    return PHI_OK;
}

enum phi_rc phi_provider_put(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_view kind,
                             struct phi_view config, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)4 << 20);
    struct core_provider_row old, row = { .name = name, .kind = kind, .config = config, .at_ms = core_wall(c), .rev = 1 };
    struct phi_provider *all;
    struct phi_entry e;
    size_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    if (!core_slug_ok(name))
        return phi_fail(err, PHI_EINPUT, "a provider's name is 1 to 63 of a-z, 0-9, _ and -");
    PHI_TRY(config_check(c, &a, name, kind, config, err));
    PHI_TRY(groups_allowed(c, &a, by, kind, config, err));
    PHI_TRY(phi_provider_list(c, &a, (struct phi_view){ 0 }, &all, &n, err));
    bool there = row_get(c, &a, name, &old, NULL) == PHI_OK;
    if (!there && n >= PHI_MAX_PROVIDERS)
        return phi_fail(err, PHI_ELIMIT, "more than %d providers", PHI_MAX_PROVIDERS);
    if (there)
        row.rev = old.rev + 1;
    core_entry(c, &e, PHI_EV_PROVIDER_SET, by);
    phi_entry_str(&e, PHI_F_PROVIDER, name);
    phi_entry_str(&e, PHI_F_KIND, kind);
    phi_entry_json(&e, PHI_F_TERMS, config);
    PHI_TRY(core_leaf_of(c, &a, &e, CORE_PROVIDER, &row, &row.leaf, &row.leaf_hash, err));
    c->why = "";
    return there ? core_set(c, CORE_PROVIDER, &row, err) : core_add(c, CORE_PROVIDER, &row, err);
}

enum phi_rc phi_provider_del(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_provider_row row;
    struct phi_entry e;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(row_get(c, &a, name, &row, err));
    PHI_TRY(core_del(c, CORE_PROVIDER, &row, err));
    core_entry(c, &e, PHI_EV_PROVIDER_REMOVED, by);
    phi_entry_str(&e, PHI_F_PROVIDER, name);
    phi_entry_str(&e, PHI_F_KIND, row.kind);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_provider_get(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_view kind,
                             struct phi_provider *ret, struct phi_err *err)
{
    struct core_provider_row row;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(row_get(c, a, name, &row, err));
    if (kind.n && !phi_view_eq(row.kind, kind))
        return core_no(c, "provider.unknown", err, PHI_ENOTFOUND, "there is no provider of that name");
    *ret = (struct phi_provider){ row.name, row.kind, row.config, row.at_ms };
    return PHI_OK;
}

enum phi_rc phi_provider_list(struct phi_core *c, struct phi_arena *a, struct phi_view kind, struct phi_provider **ret,
                              size_t *ret_n, struct phi_err *err)
{
    struct core_provider_row *rows, key = { .kind = kind };
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_PROVIDER, CORE_PROVIDER_BY_KIND, &key, (struct core_span){ .prefix = kind.n ? 1 : 0 }, a, &rows, &n, err));
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret_n = n;
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(core_row_check(c, CORE_PROVIDER, &rows[i], rows[i].leaf, rows[i].leaf_hash, err));
        (*ret)[i] = (struct phi_provider){ rows[i].name, rows[i].kind, rows[i].config, rows[i].at_ms };
    }
    return PHI_OK;
}

/* ---- accounts ---- */

static enum phi_rc link(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view provider,
                        struct phi_view subject, struct phi_view person, struct phi_err *err)
{
    struct core_identity_row row = { .provider = provider, .subject = subject, .person = person, .salt = core_random(c, a, 16),
                                     .at_ms = core_wall(c), .rev = 1 };
    struct phi_digest hash = core_salted(row.salt, subject);
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_IDENTITY_LINKED, by);
    phi_entry_str(&e, PHI_F_PROVIDER, provider);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", person));
    phi_entry_hash(&e, PHI_F_ACCOUNT_HASH, &hash);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_IDENTITY, &row, &row.leaf, &row.leaf_hash, err));
    return core_add(c, CORE_IDENTITY, &row, err);
}

static enum phi_rc identity_get(struct phi_core *c, struct phi_arena *a, struct phi_view provider, struct phi_view subject,
                                struct core_identity_row *ret, struct phi_err *err)
{
    struct core_identity_row key = { .provider = provider, .subject = subject };
    if (core_get(c, CORE_IDENTITY, CORE_BY_KEY, &key, a, ret, NULL) != PHI_OK)
        return core_no(c, "identity.unknown", err, PHI_ENOTFOUND, "nobody here has that account");
    return core_row_check(c, CORE_IDENTITY, ret, ret->leaf, ret->leaf_hash, err);
}

static bool has_account_at(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view provider)
{
    struct phi_identity *all;
    size_t n;
    if (phi_identity_list(c, a, person, &all, &n, NULL) != PHI_OK)
        return true; /* not to be told: then it is not given away */
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(all[i].provider, provider))
            return true;
    return false;
}

/* Whose an account becomes that nobody has linked. */
static enum phi_rc first_time(struct phi_core *c, struct phi_arena *a, const struct phi_oidc_conf *conf, const struct phi_sign_in *in,
                              struct phi_view *ret, struct phi_err *err)
{
    struct core_person_row row;
    struct phi_person made;
    struct phi_view name;
    if (!conf->create && !conf->adopt)
        return core_no(c, "identity.unknown", err, PHI_EDENIED, "nobody here has your account at the provider; ask an administrator to link it");
    if (!phi_claim_name(a, in->name, &name))
        return core_no(c, "identity.name", err, PHI_EDENIED, "the provider's name for you cannot be one here; ask an administrator to link your account");
    if (core_person_find(c, a, name, &row, NULL) == PHI_OK) {
        bool theirs = conf->adopt && phi_view_is(phi_who_type(row.id), "Person") && !has_account_at(c, a, row.id, in->provider) &&
                      !core_has_passkey(c, row.id);
        if (!theirs)
            return core_no(c, "identity.name", err, PHI_EDENIED, "the name that the provider gives you is somebody's here; ask an administrator to link your account");
        *ret = row.id;
    } else if (conf->create) {
        PHI_TRY(phi_person_add(c, a, &phid, name, NULL, 0, &made, err));
        *ret = made.id;
    } else {
        return core_no(c, "identity.unknown", err, PHI_EDENIED, "nobody here has the name that the provider gives you; ask an administrator to add you");
    }
    c->why = "";
    return link(c, a, &phid, in->provider, in->subject, *ret, err);
}

static bool says_group(const struct phi_json *groups, struct phi_view name)
{
    if (groups && groups->kind == PHI_JSON_STR)
        return phi_view_eq(groups->str, name);
    for (size_t i = 0; groups && groups->kind == PHI_JSON_ARR && i < groups->n; i++)
        if (groups->items[i].kind == PHI_JSON_STR && phi_view_eq(groups->items[i].str, name))
            return true;
    return false;
}

static bool wanted(const struct phi_oidc_conf *conf, const struct phi_json *said, struct phi_view ours)
{
    for (size_t i = 0; i < conf->groups->n; i++)
        if (phi_view_eq(conf->groups->items[i].str, ours) && says_group(said, conf->groups->keys[i]))
            return true;
    return false;
}

/* The groups that the configuration maps are the provider's: in or out as it says now. */
static enum phi_rc groups_sync(struct phi_core *c, struct phi_arena *a, const struct phi_oidc_conf *conf, const struct phi_sign_in *in,
                               struct phi_view person, struct phi_err *err)
{
    for (size_t i = 0; conf->groups && i < conf->groups->n; i++) {
        struct phi_view ours = conf->groups->items[i].str;
        struct core_member_row row, key = { .grp = ours, .person = person };
        bool in_it = core_get(c, CORE_MEMBER, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK;
        bool should = wanted(conf, in->groups, ours);
        if (should && !in_it)
            PHI_TRY(phi_group_add_member(c, &phid, ours, person, err));
        if (!should && in_it)
            PHI_TRY(phi_group_del_member(c, &phid, ours, person, err));
    }
    return PHI_OK;
}

enum phi_rc phi_identity_sign_in(struct phi_core *c, struct phi_arena *a, const struct phi_oidc_conf *conf,
                                 const struct phi_sign_in *in, struct phi_person *ret, struct phi_err *err)
{
    struct core_identity_row row;
    struct phi_view person;
    PHI_TRY(core_batched(c, err));
    if (in->subject.n == 0 || in->subject.n > 255)
        return phi_fail(err, PHI_EDENIED, "the provider names no account (sub)");
    enum phi_rc rc = identity_get(c, a, in->provider, in->subject, &row, err);
    if (rc == PHI_ENOTFOUND)
        PHI_TRY(first_time(c, a, conf, in, &person, err));
    else if (rc == PHI_OK)
        person = row.person;
    else
        return rc;
    PHI_TRY(groups_sync(c, a, conf, in, person, err));
    return phi_person_get(c, a, person, ret, err);
}

enum phi_rc phi_identity_link(struct phi_core *c, const struct phi_actor *by, struct phi_view provider, struct phi_view subject,
                              struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_person_row who;
    struct core_identity_row row;
    struct core_provider_row p;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(row_get(c, &a, provider, &p, err));
    PHI_TRY(core_person_find(c, &a, person, &who, err));
    if (!phi_view_is(p.kind, "oidc") || !phi_view_is(phi_who_type(who.id), "Person") || subject.n == 0 || subject.n > 255)
        return phi_fail(err, PHI_EINPUT, "an account (1 to 255 bytes) at an oidc provider is linked to a person");
    enum phi_rc rc = identity_get(c, &a, provider, subject, &row, err);
    if (rc == PHI_OK && phi_view_eq(row.person, who.id))
        return PHI_OK;
    if (rc == PHI_OK)
        return core_no(c, "identity.taken", err, PHI_ECONFLICT, "that account is somebody else's; unlink it first");
    if (rc == PHI_ENOTFOUND && by->kind == PHI_ACTOR_PERSON && !c->making.person.n && core_has_passkey(c, who.id))
        return core_no(c, "recovery.needed", err, PHI_ECONFLICT,
                       "this person has a passkey; another way in for them is a recovery, or a change that somebody else approves");
    c->why = "";
    return rc == PHI_ENOTFOUND ? link(c, &a, by, provider, subject, who.id, err) : rc;
}

enum phi_rc phi_identity_unlink(struct phi_core *c, const struct phi_actor *by, struct phi_view provider, struct phi_view subject,
                                struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_identity_row row;
    struct phi_entry e;
    int64_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(identity_get(c, &a, provider, subject, &row, err));
    PHI_TRY(core_del(c, CORE_IDENTITY, &row, err));
    core_entry(c, &e, PHI_EV_IDENTITY_REMOVED, by);
    phi_entry_str(&e, PHI_F_PROVIDER, provider);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row.person));
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    return core_ways_in_over(c, by, row.person, (struct phi_view){ 0 }, (struct phi_view){ 0 }, &n, err);
}

enum phi_rc phi_identity_list(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_identity **ret,
                              size_t *ret_n, struct phi_err *err)
{
    struct core_identity_row *rows, key = { .person = person };
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_IDENTITY, CORE_IDENTITY_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, a, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = (struct phi_identity){ rows[i].provider, rows[i].subject, rows[i].at_ms };
    return PHI_OK;
}

/* ---- sign-ins under way ---- */

static struct phi_login login_out(struct phi_core *c, const struct core_login_row *r)
{
    return (struct phi_login){ r->kind, r->code, r->person, r->data, core_left(c, &r->due) };
}

/* Strangers may begin sign-ins: so many at a time, each for ten minutes (attack 51). */
static enum phi_rc not_too_many(struct phi_core *c, struct phi_view kind, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_login_row *rows, key = { .kind = kind };
    size_t n = 0;
    if (!phi_view_is(kind, "used")) /* those only a trusted issuer's tokens make */
        PHI_TRY(core_list(c, CORE_LOGIN, CORE_LOGIN_BY_CODE, &key, (struct core_span){ .prefix = 1, .limit = 1, .offset = PHI_MAX_LOGINS }, &a, &rows, &n, err));
    return n == 0 ? PHI_OK : core_no(c, "limit", err, PHI_ELIMIT, "too many sign-ins are under way; try again in some minutes");
}

enum phi_rc phi_login_put(struct phi_core *c, struct phi_view secret, const struct phi_login *l, int64_t ms, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    PHI_TRY(not_too_many(c, l->kind, err));
    struct phi_digest hash = core_secret_hash(secret);
    struct core_login_row row = { phi_digest_view(&hash), l->kind, l->code, l->person, l->data, core_due_in(c, ms) };
    return core_add(c, CORE_LOGIN, &row, err);
}

enum phi_rc phi_login_get(struct phi_core *c, struct phi_arena *a, struct phi_view secret, const char *kind, bool take,
                          struct phi_login *ret, struct phi_err *err)
{
    struct phi_digest hash = core_secret_hash(secret);
    struct core_login_row row, key = { .hash = phi_digest_view(&hash) };
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_LOGIN, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || !phi_view_is(row.kind, kind) || core_left(c, &row.due) <= 0)
        return core_no(c, "login.over", err, PHI_ENOTFOUND, "this sign-in is over or unknown; begin again");
    *ret = login_out(c, &row);
    return take ? core_del(c, CORE_LOGIN, &key, err) : PHI_OK;
}

static enum phi_rc by_code(struct phi_core *c, struct phi_arena *a, const char *kind, struct phi_view code, struct core_login_row *ret,
                           struct phi_err *err)
{
    struct core_login_row *rows, key = { .kind = phi_view_of(kind), .code = code };
    size_t n = 0;
    PHI_TRY(core_batched(c, err));
    if (code.n)
        PHI_TRY(core_list(c, CORE_LOGIN, CORE_LOGIN_BY_CODE, &key, (struct core_span){ .prefix = 2 }, a, &rows, &n, err));
    if (n != 1 || core_left(c, &rows[0].due) <= 0)
        return core_no(c, "login.over", err, PHI_ENOTFOUND, "no sign-in waits under this code, or it is over; begin again");
    *ret = rows[0];
    return PHI_OK;
}

enum phi_rc phi_login_by_code(struct phi_core *c, struct phi_arena *a, const char *kind, struct phi_view code,
                              struct phi_login *ret, struct phi_err *err)
{
    struct core_login_row row;
    PHI_TRY(by_code(c, a, kind, code, &row, err));
    *ret = login_out(c, &row);
    return PHI_OK;
}

enum phi_rc phi_login_settle(struct phi_core *c, const char *kind, struct phi_view code, struct phi_view person,
                             struct phi_view data, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_login_row row;
    PHI_TRY(by_code(c, &a, kind, code, &row, err));
    if (row.person.n)
        return core_no(c, "login.over", err, PHI_ECONFLICT, "this sign-in was answered already");
    row.person = person;
    row.data = data;
    return core_set(c, CORE_LOGIN, &row, err);
}
