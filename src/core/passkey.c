#include "core/passkey.h"

#include <string.h>

#include "base/text.h"
#include "core/inner.h"

#define SWEEP 64 /* challenges that are over, deleted when another one is made */

/* ---- challenges: rows of `login`, found by their hash, gone once answered */

static const char *kind_of(enum phi_passkey_for what)
{
    return what == PHI_PASSKEY_ADD ? "passkey-add" : "passkey-sign-in";
}

static enum phi_rc sweep(struct phi_core *c, struct phi_arena *a, struct phi_err *err)
{
    struct core_login_row *rows, key = { .due = { .wall = core_wall(c) } };
    size_t n;
    PHI_TRY(core_list(c, CORE_LOGIN, CORE_LOGIN_BY_DUE, &key, (struct core_span){ .at_most = true, .limit = SWEEP }, a,
                      &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_del(c, CORE_LOGIN, &rows[i], err));
    return core_list(c, CORE_LOGIN, CORE_LOGIN_BY_DUE, NULL, (struct core_span){ .limit = 1, .offset = PHI_MAX_LOGINS }, a,
                     &rows, &n, err) == PHI_OK && n == 0
               ? PHI_OK
               : core_no(c, "login.busy", err, PHI_ELIMIT, "too many people sign in at once; try again in a minute");
}

enum phi_rc phi_passkey_begin(struct phi_core *c, enum phi_passkey_for what, struct phi_view person,
                              uint8_t ret[PHI_CHALLENGE_LEN], struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    PHI_TRY(core_batched(c, err));
    PHI_TRY(sweep(c, &a, err));
    c->rng->fill(c->rng->self, ret, PHI_CHALLENGE_LEN);
    struct phi_digest hash = phi_sha256(phi_view_mem(ret, PHI_CHALLENGE_LEN));
    struct core_login_row row = { .hash = phi_digest_view(&hash),
                                  .kind = phi_view_of(kind_of(what)),
                                  .person = person,
                                  .due = core_due_in(c, PHI_CHALLENGE_MS) };
    return core_add(c, CORE_LOGIN, &row, err);
}

/* The challenge that the answer claims, if it is one of ours for this, open, and of this person: it is used up. */
static enum phi_rc challenge_take(struct phi_core *c, struct phi_arena *a, enum phi_passkey_for what,
                                  struct phi_view person, struct phi_view client, struct phi_view *ret,
                                  struct phi_err *err)
{
    const struct phi_json *v = NULL;
    PHI_BUF(bytes, 256);
    if (client.n > 16 * 1024 || phi_json_read(a, client, 0, "client data", &v, NULL) != PHI_OK ||
        !phi_b64u_read(phi_json_text(v, "challenge"), &bytes) || phi_buf_view(&bytes).n != PHI_CHALLENGE_LEN)
        return core_no(c, "passkey.refused", err, PHI_EDENIED, "the passkey's answer holds no challenge of ours");
    *ret = phi_arena_copy(a, phi_buf_view(&bytes));
    struct phi_digest hash = phi_sha256(*ret);
    struct core_login_row row, key = { .hash = phi_digest_view(&hash) };
    if (core_get(c, CORE_LOGIN, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || core_left(c, &row.due) <= 0 ||
        !phi_view_is(row.kind, kind_of(what)) || !phi_view_eq(row.person, person))
        return core_no(c, "passkey.refused", err, PHI_EDENIED, "the passkey's challenge is used, over or unknown; begin again");
    return core_del(c, CORE_LOGIN, &row, err);
}

/* ---- keys */

static struct phi_passkey_view out(struct phi_core *c, struct phi_arena *a, const struct core_passkey_row *row)
{
    struct core_passkey_use_row use, key = { .uid = row->uid };
    bool used = core_get(c, CORE_PASSKEY_USE, CORE_BY_KEY, &key, a, &use, NULL) == PHI_OK;
    return (struct phi_passkey_view){ .uid = row->uid, .name = row->name, .id = row->id, .cose = row->cose,
                                      .created_ms = row->created_ms, .used_ms = used ? use.used_ms : 0 };
}

static enum phi_rc keys_of(struct phi_core *c, struct phi_arena *a, struct phi_view person,
                           struct core_passkey_row **ret, size_t *n, struct phi_err *err)
{
    struct core_passkey_row key = { .person = person };
    return core_list(c, CORE_PASSKEY, CORE_PASSKEY_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, a, ret, n, err);
}

enum phi_rc phi_passkey_list(struct phi_core *c, struct phi_arena *a, struct phi_view person,
                             struct phi_passkey_view **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_passkey_row *rows;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(keys_of(c, a, person, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = out(c, a, &rows[i]);
    return PHI_OK;
}

static bool is_recent(struct phi_core *c, int64_t at_ms)
{
    int64_t ago = core_wall(c) - at_ms;
    return at_ms > 0 && ago >= 0 && ago <= PHI_STRONG_MS;
}

enum phi_rc phi_passkey_may_change(struct phi_core *c, const struct phi_actor *by, int64_t strong_ms, int64_t created_ms,
                                   struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_passkey_row *rows;
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(keys_of(c, &a, by->id, &rows, &n, err));
    if (is_recent(c, strong_ms) || (n == 0 && is_recent(c, created_ms)))
        return PHI_OK;
    if (n == 0)
        return core_no(c, "passkey.show", err, PHI_EDENIED, "sign in anew, then register your first passkey within ten minutes");
    return core_no(c, "passkey.show", err, PHI_EDENIED, "sign in with one of your passkeys again before you change them");
}

static enum phi_rc name_check(struct phi_view name, struct phi_err *err)
{
    bool ok = name.n > 0 && name.n <= 64 && phi_utf8_ok(name);
    for (size_t i = 0; ok && i < name.n; i++)
        ok = name.p[i] >= 0x20 && name.p[i] != 0x7f;
    return ok ? PHI_OK : phi_fail(err, PHI_EINPUT, "a passkey has a name of 1 to 64 bytes, such as \"my phone\"");
}

static enum phi_rc added(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                         struct core_passkey_row *row, uint32_t count, struct phi_err *err)
{
    struct core_passkey_use_row use = { row->uid, count, 0 };
    struct phi_digest key = phi_sha256(row->cose);
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_PASSKEY_ADDED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->person));
    phi_entry_str(&e, PHI_F_CREDENTIAL, row->uid);
    phi_entry_hash(&e, PHI_F_KEY_HASH, &key);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_PASSKEY, row, &row->leaf, &row->leaf_hash, err));
    enum phi_rc rc = core_add(c, CORE_PASSKEY, row, err);
    if (rc == PHI_ECONFLICT)
        return core_no(c, "passkey.known", err, rc, "this passkey is registered already");
    PHI_TRY(rc);
    return core_add(c, CORE_PASSKEY_USE, &use, err);
}

enum phi_rc phi_passkey_add(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            const struct phi_webauthn_rp *rp, const struct phi_webauthn_answer *got,
                            struct phi_passkey_view *ret, struct phi_err *err)
{
    struct core_passkey_row *rows;
    struct phi_passkey key;
    struct phi_view challenge;
    size_t n;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "only people have passkeys");
    PHI_TRY(name_check(name, err));
    PHI_TRY(keys_of(c, a, by->id, &rows, &n, err));
    if (n >= PHI_MAX_PASSKEYS)
        return phi_fail(err, PHI_ELIMIT, "a person has at most %d passkeys; remove one first", PHI_MAX_PASSKEYS);
    PHI_TRY(challenge_take(c, a, PHI_PASSKEY_ADD, by->id, got->client, &challenge, err));
    if (phi_webauthn_register(rp, challenge, got, &key, err) != PHI_OK)
        return c->why = "passkey.refused", PHI_EDENIED;
    struct core_passkey_row row = { .id = key.id, .uid = core_new_id(c, a), .person = by->id, .cose = key.cose,
                                    .name = name, .created_ms = core_wall(c) };
    PHI_TRY(added(c, a, by, &row, key.count, err));
    *ret = out(c, a, &row);
    return PHI_OK;
}

enum phi_rc phi_passkey_remove(struct phi_core *c, const struct phi_actor *by, struct phi_view uid, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_passkey_row row, *rows, key = { .uid = uid };
    struct core_passkey_use_row use = { .uid = uid };
    struct phi_entry e;
    size_t n;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON || core_get(c, CORE_PASSKEY, CORE_PASSKEY_BY_UID, &key, &a, &row, NULL) != PHI_OK ||
        !phi_view_eq(row.person, by->id))
        return core_no(c, "passkey.unknown", err, PHI_ENOTFOUND, "you have no such passkey");
    PHI_TRY(keys_of(c, &a, by->id, &rows, &n, err));
    if (n == 1)
        return core_no(c, "passkey.last", err, PHI_ECONFLICT, "this is your last passkey; register another one first");
    PHI_TRY(core_del(c, CORE_PASSKEY, &row, err));
    PHI_TRY(core_del(c, CORE_PASSKEY_USE, &use, err));
    core_entry(c, &e, PHI_EV_PASSKEY_REMOVED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row.person));
    phi_entry_str(&e, PHI_F_CREDENTIAL, row.uid);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("removed"));
    return core_leaf(c, &e, NULL, NULL, err);
}

/* ---- using */

/* Checks the signature and moves the key's counter on. */
static enum phi_rc use(struct phi_core *c, struct phi_arena *a, const struct core_passkey_row *row,
                       struct phi_view challenge, const struct phi_webauthn_rp *rp,
                       const struct phi_webauthn_answer *got, struct phi_err *err)
{
    struct core_passkey_use_row was, key = { .uid = row->uid };
    uint32_t count = 0;
    PHI_TRY(core_row_check(c, CORE_PASSKEY, row, row->leaf, row->leaf_hash, err));
    PHI_TRY(core_get(c, CORE_PASSKEY_USE, CORE_BY_KEY, &key, a, &was, err));
    const struct phi_passkey pk = { .id = row->id, .cose = row->cose, .count = (uint32_t)was.count };
    if (phi_webauthn_assert(rp, challenge, &pk, got, &count, err) != PHI_OK)
        return c->why = "passkey.refused", PHI_EDENIED;
    was.count = count;
    was.used_ms = core_wall(c);
    return core_set(c, CORE_PASSKEY_USE, &was, err);
}

enum phi_rc phi_passkey_sign_in(struct phi_core *c, struct phi_arena *a, struct phi_view id,
                                const struct phi_webauthn_rp *rp, const struct phi_webauthn_answer *got,
                                struct phi_view *ret_person, struct phi_err *err)
{
    struct core_passkey_row row, key = { .id = id };
    struct phi_view challenge;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(challenge_take(c, a, PHI_PASSKEY_SIGN_IN, (struct phi_view){ 0 }, got->client, &challenge, err));
    if (core_get(c, CORE_PASSKEY, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return core_no(c, "passkey.refused", err, PHI_EAUTH, "nobody here has this passkey; sign in by a link and register it");
    PHI_TRY(use(c, a, &row, challenge, rp, got, err));
    *ret_person = row.person;
    return PHI_OK;
}

enum phi_rc phi_passkey_check(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view id,
                              struct phi_view challenge, const struct phi_webauthn_rp *rp,
                              const struct phi_webauthn_answer *got, struct phi_passkey_view *ret, struct phi_err *err)
{
    struct core_passkey_row row, key = { .id = id };
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_PASSKEY, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || !phi_view_eq(row.person, person))
        return core_no(c, "passkey.refused", err, PHI_EDENIED, "this passkey is not one of yours");
    PHI_TRY(use(c, a, &row, challenge, rp, got, err));
    *ret = out(c, a, &row);
    return PHI_OK;
}
