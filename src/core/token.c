#include "core/token.h"

#include <string.h>

#include "core/page_in.h"

#define SEEN_EVERY_MS 60000
#define ALL_RIGHTS ((1u << PHI_RIGHTS_N) - 1)

_Static_assert(PHI_RIGHTS_N < 32, "a right is a bit");

/* ---- services ---- */

enum phi_rc phi_service_add(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            const struct phi_view *groups, size_t n_groups, struct phi_person *ret, struct phi_err *err)
{
    struct phi_id id;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    if (!core_slug_ok(name) || phi_id_read(name, &id) || phi_view_is(name, "auto") || phi_view_is(name, "phid"))
        return phi_fail(err, PHI_EINPUT, "a service's name is 1 to 63 of a-z, 0-9, _ and -, and not auto or phid");
    PHI_TRY(core_person_make(c, a, by, name, name, ret, err));
    for (size_t i = 0; i < n_groups; i++)
        PHI_TRY(phi_group_add_member(c, by, groups[i], name, err));
    return phi_person_get(c, a, name, ret, err);
}

/* ---- rights ---- */

enum phi_rc phi_rights_read(const struct phi_view *names, size_t n, uint32_t *ret, struct phi_err *err)
{
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        int r = 0;
        while (r < PHI_RIGHTS_N && !phi_view_is(names[i], phi_right_action((enum phi_right)r)))
            r++;
        if (r == PHI_RIGHTS_N)
            return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" is no right; docs/rights.md lists them", PHI_ARG(phi_view_upto(names[i], 40)));
        if (r == PHI_RIGHT_VOTE)
            return phi_fail(err, PHI_EINPUT, "no token may carry the right to vote: approving is for people in their own session");
        *ret |= 1u << r;
    }
    return n ? PHI_OK : phi_fail(err, PHI_EINPUT, "a token must carry some right, such as see and ask");
}

/* ---- tokens ---- */

static enum phi_rc may_make(struct phi_core *c, const struct phi_actor *by, const struct core_person_row *who, struct phi_err *err)
{
    if (by->kind == PHI_ACTOR_SYSTEM)
        return PHI_OK;
    if (by->kind != PHI_ACTOR_PERSON || by->withheld)
        return core_no(c, "token.by-token", err, PHI_EDENIED, "a token does not make tokens; use a session of a person");
    if (phi_view_eq(by->id, who->id))
        return PHI_OK;
    if (phi_view_is(phi_who_type(who->id), "Person"))
        return core_no(c, "token.other", err, PHI_EDENIED, "a token is for oneself or for a service account");
    return core_need(c, by, PHI_RIGHT_PEOPLE, err);
}

static enum phi_rc not_too_many(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_err *err)
{
    struct core_token_row *rows, key = { .maker = by->id };
    size_t n;
    if (by->kind == PHI_ACTOR_SYSTEM)
        return PHI_OK;
    PHI_TRY(core_list(c, CORE_TOKEN, CORE_TOKEN_BY_MAKER, &key, (struct core_span){ .prefix = 1, .limit = PHI_MAX_TOKENS }, a, &rows, &n, err));
    return n < PHI_MAX_TOKENS ? PHI_OK : core_no(c, "token.quota", err, PHI_ELIMIT, "you have %d tokens; revoke some", PHI_MAX_TOKENS);
}

static void secret_make(struct phi_core *c, char secret[PHI_API_TOKEN_LEN + 1])
{
    char bits[PHI_TOKEN_LEN + 1];
    core_new_token(c, bits);
    memcpy(secret, PHI_TOKEN_PREFIX, sizeof PHI_TOKEN_PREFIX - 1);
    memcpy(secret + sizeof PHI_TOKEN_PREFIX - 1, bits, sizeof bits);
    phi_wipe(bits, sizeof bits);
}

static struct phi_ref who_ref(struct phi_view id)
{
    return (struct phi_ref){ phi_who_type(id), id };
}

static void token_out(struct phi_core *c, const struct core_token_row *r, struct phi_token *ret)
{
    *ret = (struct phi_token){ .id = r->id, .who = r->who, .maker = r->maker, .name = r->name, .rights = ALL_RIGHTS & (uint32_t)r->rights,
                               .created_ms = r->created_ms, .expires_in_ms = core_left(c, &r->due) };
}

enum phi_rc phi_token_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_token_want *want,
                           char secret[PHI_API_TOKEN_LEN + 1], struct phi_token *ret, struct phi_err *err)
{
    struct core_person_row who;
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_person_find(c, a, want->who.n ? want->who : by->id, &who, err));
    PHI_TRY(may_make(c, by, &who, err));
    PHI_TRY(not_too_many(c, a, by, err));
    if (want->ms < 1000 || want->ms > PHI_MAX_TOKEN_MS || want->name.n > 200 || (want->rights & ~ALL_RIGHTS) || !want->rights)
        return phi_fail(err, PHI_EINPUT, "a token lives a second to 366 days, carries some right, and its name is at most 200 bytes");
    secret_make(c, secret);
    struct phi_digest hash = core_secret_hash(phi_view_of(secret));
    struct core_token_row row = { .hash = core_bytes(a, &hash), .id = core_new_id(c, a), .who = who.id, .maker = by->id, .name = want->name,
                                  .rights = want->rights, .created_ms = core_wall(c),
                                  .due = core_due_in(c, want->ms), .rev = 1 };
    core_entry(c, &e, PHI_EV_TOKEN_MADE, by);
    phi_entry_str(&e, PHI_F_TOKEN, row.id);
    phi_entry_ref(&e, PHI_F_PERSON, who_ref(who.id));
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    if (want->provider.n)
        phi_entry_str(&e, PHI_F_PROVIDER, want->provider);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_TOKEN, &row, &row.leaf, &row.leaf_hash, err));
    token_out(c, &row, ret);
    return core_add(c, CORE_TOKEN, &row, err);
}

static enum phi_rc use_note(struct phi_core *c, struct phi_arena *a, struct phi_view id, struct phi_view address, struct phi_err *err)
{
    struct core_token_use_row row, now = { id, core_wall(c), address };
    if (core_get(c, CORE_TOKEN_USE, CORE_BY_KEY, &now, a, &row, NULL) != PHI_OK)
        return core_add(c, CORE_TOKEN_USE, &now, err);
    if (now.used_ms - row.used_ms < SEEN_EVERY_MS && phi_view_eq(row.address, address))
        return PHI_OK;
    return core_set(c, CORE_TOKEN_USE, &now, err);
}

static enum phi_rc token_row(struct phi_core *c, struct phi_arena *a, struct phi_view secret, struct core_token_row *ret, struct phi_err *err)
{
    struct phi_digest hash = core_secret_hash(secret);
    struct core_token_row key = { .hash = phi_digest_view(&hash) };
    PHI_TRY(core_batched(c, err));
    enum phi_rc rc = core_get(c, CORE_TOKEN, CORE_BY_KEY, &key, a, ret, NULL);
    if (rc != PHI_OK || !phi_secret_eq(ret->hash, phi_digest_view(&hash)) || core_left(c, &ret->due) <= 0)
        return core_no(c, "session.over", err, PHI_EAUTH, "this token is over, revoked or unknown");
    return core_row_check(c, CORE_TOKEN, ret, ret->leaf, ret->leaf_hash, err);
}

bool phi_token_alive(struct phi_core *c, struct phi_view secret)
{
    PHI_ARENA(a, 1 << 16);
    struct core_token_row row;
    return token_row(c, &a, secret, &row, NULL) == PHI_OK;
}

enum phi_rc phi_token_find(struct phi_core *c, struct phi_arena *a, struct phi_view secret, struct phi_view address,
                           struct phi_token *ret, struct phi_err *err)
{
    struct core_token_row row;
    PHI_TRY(token_row(c, a, secret, &row, err));
    token_out(c, &row, ret);
    return use_note(c, a, row.id, address, err);
}

/* Whoever made a live token of a service can act as it, and so could approve what they ask for themself. */
enum phi_rc core_token_makers(struct phi_core *c, struct phi_arena *a, struct phi_view service, const struct phi_view **ret,
                              size_t *ret_n, struct phi_err *err)
{
    struct core_token_row *rows, key = { .who = service };
    size_t n = 0;
    *ret_n = 0;
    if (!phi_view_is(phi_who_type(service), "Person"))
        PHI_TRY(core_list(c, CORE_TOKEN, CORE_TOKEN_BY_WHO, &key, (struct core_span){ .prefix = 1 }, a, &rows, &n, err));
    struct phi_view *maker = phi_arena_array(a, n + 1, sizeof *maker);
    if (!maker)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) > 0)
            maker[(*ret_n)++] = core_root(c, a, rows[i].maker);
    *ret = maker;
    return PHI_OK;
}

bool core_speaks_as(struct phi_core *c, struct phi_view root, struct phi_view service)
{
    PHI_ARENA(a, (size_t)16 << 20);
    const struct phi_view *maker;
    size_t n;
    if (core_token_makers(c, &a, service, &maker, &n, NULL) != PHI_OK)
        return true; /* not to be told: then nobody approves */
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(maker[i], root))
            return true;
    return false;
}

/* ---- listing, ending ---- */

static void use_read(struct phi_core *c, struct phi_arena *a, struct phi_token *t)
{
    struct core_token_use_row row, key = { .id = t->id };
    if (core_get(c, CORE_TOKEN_USE, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK) {
        t->used_ms = row.used_ms;
        t->address = row.address;
    }
}

struct listing {
    struct phi_core *c;
    struct phi_arena *a;
    const struct phi_actor *by;
    bool all;
    struct phi_token *out;
    size_t n;
};

static enum phi_rc listing_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct listing *l = ctx;
    const struct core_token_row *t = row;
    bool mine = phi_view_eq(t->who, l->by->id) || phi_view_eq(t->maker, l->by->id);
    (void)err;
    *ret_taken = core_left(l->c, &t->due) > 0 && (l->all || mine);
    if (!*ret_taken)
        return PHI_OK;
    token_out(l->c, t, &l->out[l->n]);
    use_read(l->c, l->a, &l->out[l->n++]);
    return PHI_OK;
}

enum phi_rc phi_token_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, bool all, struct phi_page *page,
                           struct phi_token **ret, size_t *ret_n, struct phi_err *err)
{
    struct listing l = { .c = c, .a = a, .by = by, .all = all, .out = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret) };
    struct core_walk w = { .table = CORE_TOKEN, .ix = CORE_TOKEN_BY_ID, .n_parts = 1, .take = listing_take, .ctx = &l };
    PHI_TRY(core_batched(c, err));
    if (all)
        PHI_TRY(core_need(c, by, PHI_RIGHT_SEE_PEOPLE, err));
    if (!l.out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret = l.out;
    *ret_n = l.n;
    return PHI_OK;
}

enum phi_rc core_token_end(struct phi_core *c, const struct phi_actor *by, const struct core_token_row *row, const char *cause, struct phi_err *err)
{
    struct core_token_use_row use = { .id = row->id };
    struct phi_entry e;
    PHI_TRY(core_del(c, CORE_TOKEN, row, err));
    core_del(c, CORE_TOKEN_USE, &use, NULL); /* never used: nothing is there */
    core_entry(c, &e, PHI_EV_TOKEN_REVOKED, by);
    phi_entry_str(&e, PHI_F_TOKEN, row->id);
    phi_entry_ref(&e, PHI_F_PERSON, who_ref(row->who));
    phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc core_token_settle(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err)
{
    struct core_token_row *t = row;
    struct phi_entry e;
    if (!core_reanchor(c, &t->due))
        return PHI_OK; /* it has ended; the timer takes it away */
    t->rev++;
    core_entry(c, &e, PHI_EV_TOKEN_SETTLED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_str(&e, PHI_F_TOKEN, t->id);
    phi_entry_int(&e, PHI_F_REMAINING_MS, core_left(c, &t->due));
    PHI_TRY(core_leaf_of(c, a, &e, CORE_TOKEN, t, &t->leaf, &t->leaf_hash, err));
    return core_set(c, CORE_TOKEN, t, err);
}

/* Everything that lets a forgotten person in: their tokens, those they made, their accounts at providers. */
enum phi_rc core_ways_in_end(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_token_row *t;
    struct core_identity_row *in, key = { .person = person };
    struct phi_entry e;
    size_t n, m;
    PHI_TRY(core_list(c, CORE_TOKEN, CORE_TOKEN_BY_ID, NULL, (struct core_span){ 0 }, &a, &t, &n, err));
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(t[i].who, person) || phi_view_eq(t[i].maker, person))
            PHI_TRY(core_token_end(c, by, &t[i], "person-forgotten", err));
    PHI_TRY(core_list(c, CORE_IDENTITY, CORE_IDENTITY_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, &a, &in, &m, err));
    for (size_t i = 0; i < m; i++) {
        PHI_TRY(core_del(c, CORE_IDENTITY, &in[i], err));
        core_entry(c, &e, PHI_EV_IDENTITY_REMOVED, by);
        phi_entry_str(&e, PHI_F_PROVIDER, in[i].provider);
        phi_entry_ref(&e, PHI_F_PERSON, who_ref(person));
        phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("person-forgotten"));
        PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    }
    return PHI_OK;
}

enum phi_rc phi_token_revoke(struct phi_core *c, const struct phi_actor *by, struct phi_view id, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_token_row row, key = { .id = id };
    int64_t n = 0;
    PHI_TRY(core_batched(c, err));
    bool there = core_get(c, CORE_TOKEN, CORE_TOKEN_BY_ID, &key, &a, &row, NULL) == PHI_OK;
    bool mine = there && (phi_view_eq(row.who, by->id) || phi_view_eq(row.maker, by->id));
    if (!mine && !core_has(c, by, PHI_RIGHT_PEOPLE))
        there = false;
    if (!there)
        return core_no(c, "token.unknown", err, PHI_ENOTFOUND, "there is no such token of yours");
    c->why = "";
    PHI_TRY(core_token_end(c, by, &row, "revoked", err));
    return core_credentials_over(c, by, row.who, row.id, "revoked", &n, err);
}
