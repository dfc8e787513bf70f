#include "core/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/inner.h"

#define SEEN_EVERY_MS 60000 /* how exact "last used" is */

enum phi_rc phi_link_make(struct phi_core *c, const struct phi_actor *by, struct phi_view person,
                          struct phi_link *ret, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_person_row who;
    struct phi_entry e;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_person_find(c, &a, person, &who, err));
    if (by->kind == PHI_ACTOR_PERSON && core_has_passkey(c, who.id))
        return core_no(c, "recovery.needed", err, PHI_ECONFLICT,
                       "this person has a passkey; a link for them is a recovery, which another operator confirms");
    core_new_token(c, ret->secret);
    struct phi_digest hash = core_secret_hash(phi_view_of(ret->secret));
    struct core_link_row row = { phi_digest_view(&hash), core_new_id(c, &a), who.id, core_due_in(c, PHI_LINK_MS) };
    PHI_TRY(core_add(c, CORE_LINK, &row, err));
    ret->expires_in_ms = PHI_LINK_MS;
    core_entry(c, &e, PHI_EV_LINK_MADE, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", who.id));
    phi_entry_str(&e, PHI_F_LINK, row.id);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc link_take(struct phi_core *c, struct phi_arena *a, struct phi_view secret,
                             struct core_link_row *ret, struct phi_err *err)
{
    struct phi_digest hash = core_secret_hash(secret);
    struct core_link_row key = { .hash = phi_digest_view(&hash) };
    enum phi_rc rc = core_get(c, CORE_LINK, CORE_BY_KEY, &key, a, ret, NULL);
    if (rc != PHI_OK || !phi_secret_eq(ret->hash, phi_digest_view(&hash)) || core_left(c, &ret->due) <= 0)
        return core_no(c, "link.over", err, PHI_EAUTH, "this link is used, over or unknown; ask for another");
    return core_del(c, CORE_LINK, &key, err);
}

static enum phi_rc begin(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view link,
                         const struct phi_session_how *how, char token[PHI_TOKEN_LEN + 1], struct phi_session *ret,
                         struct phi_err *err)
{
    struct phi_entry e;
    struct phi_actor self = { .kind = PHI_ACTOR_PERSON, .id = person };
    core_new_token(c, token);
    struct phi_digest hash = core_secret_hash(phi_view_of(token));
    struct core_session_row row = { .hash = core_bytes(a, &hash), .id = core_new_id(c, a), .person = person,
                                    .due = core_due_in(c, PHI_SESSION_MS), .created_ms = core_wall(c), .seen_ms = core_wall(c) };
    if (how) {
        row.kind = how->kind;
        row.note = phi_view_upto(how->note, 200);
        row.address = phi_view_upto(how->address, 64);
        row.provider = how->provider;
        row.strong_ms = how->strong_ms;
        row.idle_ms = phi_view_is(how->kind, "web") ? PHI_SESSION_IDLE_MS : 0;
    }
    PHI_TRY(core_add(c, CORE_SESSION, &row, err));
    *ret = (struct phi_session){ .id = row.id, .person = row.person, .expires_in_ms = PHI_SESSION_MS };
    core_entry(c, &e, PHI_EV_SESSION_OPENED, &self);
    phi_entry_str(&e, PHI_F_SESSION, row.id);
    phi_entry_ref(&e, PHI_F_PERSON, core_actor_ref(&self));
    if (link.n)
        phi_entry_str(&e, PHI_F_LINK, link);
    if (row.kind.n)
        phi_entry_str(&e, PHI_F_KIND, row.kind);
    if (row.provider.n)
        phi_entry_str(&e, PHI_F_PROVIDER, row.provider);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_session_open(struct phi_core *c, struct phi_arena *a, struct phi_view secret,
                             const struct phi_session_how *how, char token[PHI_TOKEN_LEN + 1], struct phi_session *ret,
                             struct phi_err *err)
{
    struct core_link_row link;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(link_take(c, a, secret, &link, err));
    return begin(c, a, link.person, link.id, how, token, ret, err);
}

enum phi_rc phi_session_begin(struct phi_core *c, struct phi_arena *a, struct phi_view person,
                              const struct phi_session_how *how, char token[PHI_TOKEN_LEN + 1], struct phi_session *ret,
                              struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    return begin(c, a, person, (struct phi_view){ 0 }, how, token, ret, err);
}

static int64_t idle_left(struct phi_core *c, const struct core_session_row *r)
{
    return r->idle_ms ? r->seen_ms + r->idle_ms - core_wall(c) : INT64_MAX;
}

static enum phi_rc session_row(struct phi_core *c, struct phi_arena *a, struct phi_view token,
                               struct core_session_row *ret, struct phi_err *err)
{
    struct phi_digest hash = core_secret_hash(token);
    struct core_session_row key = { .hash = phi_digest_view(&hash) };
    enum phi_rc rc = core_get(c, CORE_SESSION, CORE_BY_KEY, &key, a, ret, NULL);
    if (rc != PHI_OK || !phi_secret_eq(ret->hash, phi_digest_view(&hash)) || core_left(c, &ret->due) <= 0 ||
        idle_left(c, ret) <= 0)
        return core_no(c, "session.over", err, PHI_EAUTH, "you are not signed in; ask for a sign-in link");
    return PHI_OK;
}

/* Proves to forms that they come from this session's own page; says nothing of the token. */
static void csrf_of(struct phi_view token, char ret[PHI_TOKEN_LEN + 1])
{
    struct phi_digest d = phi_hmac_sha256(token, PHI_LIT("phi-csrf-v1"));
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_b64u_add(&b, phi_digest_view(&d));
    memcpy(ret, phi_buf_str(&b), PHI_TOKEN_LEN + 1);
}

static void session_out(struct phi_core *c, const struct core_session_row *r, struct phi_session *ret)
{
    *ret = (struct phi_session){ .id = r->id, .person = r->person, .expires_in_ms = core_left(c, &r->due), .created_ms = r->created_ms,
                                 .seen_ms = r->seen_ms, .strong_ms = r->strong_ms, .kind = r->kind, .note = r->note,
                                 .address = r->address, .provider = r->provider, .idle_in_ms = r->idle_ms ? idle_left(c, r) : 0 };
}

enum phi_rc phi_session_find(struct phi_core *c, struct phi_arena *a, struct phi_view token, struct phi_session *ret,
                             struct phi_err *err)
{
    struct core_session_row row;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(session_row(c, a, token, &row, err));
    if (row.created_ms && core_wall(c) - row.seen_ms > SEEN_EVERY_MS) {
        row.seen_ms = core_wall(c);
        PHI_TRY(core_set(c, CORE_SESSION, &row, err));
    }
    session_out(c, &row, ret);
    csrf_of(token, ret->csrf);
    return PHI_OK;
}

bool phi_session_alive(struct phi_core *c, struct phi_view token)
{
    PHI_ARENA(a, 1 << 16);
    struct core_session_row row;
    return core_batched(c, NULL) == PHI_OK && session_row(c, &a, token, &row, NULL) == PHI_OK;
}

enum phi_rc phi_session_strong(struct phi_core *c, struct phi_view token, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_session_row row;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(session_row(c, &a, token, &row, err));
    row.strong_ms = core_wall(c);
    return core_set(c, CORE_SESSION, &row, err);
}

enum phi_rc core_session_over(struct phi_core *c, const struct phi_actor *by, const struct core_session_row *row, const char *cause, struct phi_err *err)
{
    struct phi_entry e;
    PHI_TRY(core_del(c, CORE_SESSION, row, err));
    core_entry(c, &e, PHI_EV_SESSION_CLOSED, by);
    phi_entry_str(&e, PHI_F_SESSION, row->id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->person));
    if (cause)
        phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_session_close(struct phi_core *c, struct phi_view token, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_session_row row;
    int64_t n = 0;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(session_row(c, &a, token, &row, err));
    struct phi_actor self = { .kind = PHI_ACTOR_PERSON, .id = row.person };
    PHI_TRY(core_session_over(c, &self, &row, NULL, err));
    return core_credentials_over(c, &self, row.person, row.id, "signed-out", &n, err);
}

static enum phi_rc rows_of(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct core_session_row **ret,
                           size_t *ret_n, struct phi_err *err)
{
    struct core_session_row key = { .person = person };
    PHI_TRY(core_batched(c, err));
    return core_list(c, CORE_SESSION, CORE_SESSION_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, a, ret, ret_n, err);
}

int64_t core_strong_age(struct phi_core *c, struct phi_view person)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_session_row *rows;
    int64_t last = 0;
    size_t n;
    if (rows_of(c, &a, person, &rows, &n, NULL) != PHI_OK)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) > 0 && idle_left(c, &rows[i]) > 0 && rows[i].strong_ms > last)
            last = rows[i].strong_ms;
    int64_t age = core_wall(c) - last;
    return last == 0 || age < 0 ? -1 : age; /* of the future: a clock was set back, so nothing is known */
}

static int newest_first(const void *x, const void *y)
{
    const struct phi_session *a = x, *b = y;
    return phi_view_cmp(b->id, a->id);
}

enum phi_rc phi_session_list(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_session **ret,
                             size_t *ret_n, struct phi_err *err)
{
    struct core_session_row *rows;
    size_t n;
    PHI_TRY(rows_of(c, a, person, &rows, &n, err));
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret_n = 0;
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) > 0 && idle_left(c, &rows[i]) > 0)
            session_out(c, &rows[i], &(*ret)[(*ret_n)++]);
    qsort(*ret, *ret_n, sizeof **ret, newest_first);
    return PHI_OK;
}

enum phi_rc phi_session_end(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id,
                            struct phi_view keep, int64_t *ret_n, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_session_row *rows;
    size_t n;
    *ret_n = 0;
    PHI_TRY(rows_of(c, &a, person, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        if (id.n ? phi_view_eq(rows[i].id, id) : !phi_view_eq(rows[i].id, keep)) {
            PHI_TRY(core_session_over(c, by, &rows[i], core_same_person(c, by->id, person) ? NULL : "revoked", err));
            ++*ret_n;
        }
    if (id.n && *ret_n == 0)
        return core_no(c, "session.unknown", err, PHI_ENOTFOUND, "there is no such session of yours");
    return PHI_OK;
}
