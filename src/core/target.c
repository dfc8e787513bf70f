#include "core/target.h"

#include <string.h>

#include "core/inner.h"
#include "core/page_in.h"

#define SCRAM_ROUNDS 4096

static enum phi_rc target_leaf(struct phi_core *c, const struct phi_actor *by, const struct phi_target *t,
                               struct phi_arena *a, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_TARGET_ADDED, by);
    phi_entry_ref(&e, PHI_F_TARGET, phi_ref_make_parts(a, "Target", &t->name, 1));
    phi_entry_str(&e, PHI_F_KIND, t->kind);
    if (t->address.n)
        phi_entry_str(&e, PHI_F_ADDRESS, t->address);
    if (t->database.n)
        phi_entry_str(&e, PHI_F_DATABASE, t->database);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_target_put(struct phi_core *c, const struct phi_actor *by, const struct phi_target *target,
                           struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    if (!core_slug_ok(target->name) || !core_slug_ok(target->kind))
        return phi_fail(err, PHI_EINPUT, "a target's name and kind are 1 to 63 of a-z, 0-9, _ and -");
    if (phi_view_is(target->name, PHI_OWN_TARGET))
        return phi_fail(err, PHI_EINPUT, "\"" PHI_OWN_TARGET "\" is phi itself; name the target otherwise");
    if (target->address.n > 255 || target->database.n > PHI_MAX_NAME)
        return phi_fail(err, PHI_EINPUT, "the target's address or database is too long");
    struct core_target_row row = { target->name, target->kind, target->address, target->database };
    enum phi_rc rc = core_add(c, CORE_TARGET, &row, NULL);
    PHI_TRY(rc == PHI_ECONFLICT ? core_set(c, CORE_TARGET, &row, err) : rc);
    core_world_changed(c);
    core_snapshot_changed(c, target->name);
    return target_leaf(c, by, target, &a, err);
}

static struct phi_target target_out(const struct core_target_row *row)
{
    return (struct phi_target){ row->name, row->kind, row->address, row->database };
}

struct listing {
    struct phi_target *out;
    size_t n;
};

static enum phi_rc listing_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct listing *l = ctx;
    (void)err;
    *ret_taken = true;
    l->out[l->n++] = target_out(row);
    return PHI_OK;
}

enum phi_rc phi_target_list(struct phi_core *c, struct phi_arena *a, struct phi_page *page, struct phi_target **ret, size_t *ret_n,
                            struct phi_err *err)
{
    struct listing l = { .out = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret) };
    struct core_walk w = { .table = CORE_TARGET, .ix = CORE_BY_KEY, .rising = true, .n_parts = 1, .take = listing_take, .ctx = &l };
    PHI_TRY(core_batched(c, err));
    if (!l.out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret = l.out;
    *ret_n = l.n;
    return PHI_OK;
}

enum phi_rc phi_target_get(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_target *ret,
                           struct phi_err *err)
{
    struct core_target_row row, key = { .name = name };
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_TARGET, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return core_no(c, "target.unknown", err, PHI_ENOTFOUND, "there is no such target");
    *ret = target_out(&row);
    return PHI_OK;
}

/* ---- credentials */

/* RFC 5802, section 3: SaltedPassword by PBKDF2-HMAC-SHA-256, one block. */
static struct phi_digest salted_password(struct phi_view password, const uint8_t salt[16])
{
    uint8_t first[20];
    memcpy(first, salt, 16);
    memcpy(first + 16, "\0\0\0\1", 4);
    struct phi_digest u = phi_hmac_sha256(password, phi_view_mem(first, sizeof first)), sum = u;
    for (int i = 1; i < SCRAM_ROUNDS; i++) {
        u = phi_hmac_sha256(password, phi_digest_view(&u));
        for (int b = 0; b < PHI_SHA256_LEN; b++)
            sum.b[b] ^= u.b[b];
    }
    return sum;
}

static struct phi_view verifier_of(struct phi_arena *a, struct phi_view password, struct phi_view salt)
{
    struct phi_digest salted = salted_password(password, salt.p);
    struct phi_digest client = phi_hmac_sha256(phi_digest_view(&salted), PHI_LIT("Client Key"));
    struct phi_digest server = phi_hmac_sha256(phi_digest_view(&salted), PHI_LIT("Server Key"));
    struct phi_digest stored = phi_sha256(phi_digest_view(&client));
    PHI_BUF(b, 256);
    phi_buf_printf(&b, "SCRAM-SHA-256$%d:", SCRAM_ROUNDS);
    phi_b64_add(&b, salt);
    phi_buf_addc(&b, '$');
    phi_b64_add(&b, phi_digest_view(&stored));
    phi_buf_addc(&b, ':');
    phi_b64_add(&b, phi_digest_view(&server));
    phi_wipe(&salted, sizeof salted);
    phi_wipe(&client, sizeof client);
    return phi_arena_copy(a, phi_buf_view(&b));
}

static enum phi_rc credential_leaf(struct phi_core *c, enum phi_ev ev, const struct phi_actor *by,
                                   const struct core_credential_row *row, const char *cause, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 12);
    struct phi_entry e;
    core_entry(c, &e, ev, by);
    phi_entry_str(&e, PHI_F_CREDENTIAL, row->id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of_who(row->person));
    phi_entry_ref(&e, PHI_F_TARGET, phi_ref_make_parts(&a, "Target", &row->target, 1));
    if (cause)
        phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    else
        phi_entry_int(&e, PHI_F_UNTIL_MS, row->due.wall);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_credential_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct phi_view target, struct phi_credential *ret, struct phi_err *err)
{
    struct core_person_row who;
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "credentials are for persons");
    PHI_TRY(core_person_find(c, a, by->id, &who, err));
    *ret = (struct phi_credential){ .id = core_new_id(c, a), .expires_in_ms = PHI_CREDENTIAL_MS };
    PHI_TRY(phi_target_get(c, a, target, &ret->target, err));
    core_new_token(c, ret->password);
    struct phi_view salt = core_random(c, a, 16);
    ret->user = phi_arena_printf(a, PHI_FMT "~" PHI_FMT, PHI_ARG(who.name), PHI_ARG(ret->id));
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    struct core_credential_row row = { ret->id, who.id, ret->target.name,
                                       verifier_of(a, phi_view_of(ret->password), salt), by->device, by->session,
                                       core_due_in(c, PHI_CREDENTIAL_MS) };
    PHI_TRY(core_add(c, CORE_CREDENTIAL, &row, err));
    core_snapshot_changed(c, row.target);
    return credential_leaf(c, PHI_EV_CREDENTIAL_ISSUED, by, &row, NULL, err);
}

enum phi_rc core_credential_end(struct phi_core *c, const struct phi_actor *by, const struct core_credential_row *row,
                                const char *cause, struct phi_err *err)
{
    PHI_TRY(core_del(c, CORE_CREDENTIAL, row, err));
    core_snapshot_changed(c, row->target);
    return credential_leaf(c, PHI_EV_CREDENTIAL_ENDED, by, row, cause, err);
}

enum phi_rc phi_credential_revoke(struct phi_core *c, const struct phi_actor *by, struct phi_view id,
                                  struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_credential_row row, key = { .id = id };
    PHI_TRY(core_batched(c, err));
    bool found = core_get(c, CORE_CREDENTIAL, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK;
    bool theirs = found && by->kind == PHI_ACTOR_PERSON && phi_view_eq(row.person, by->id);
    if (!found || (!theirs && !core_has(c, by, PHI_RIGHT_REVOKE)))
        return core_no(c, "credential.unknown", err, PHI_ENOTFOUND, "there is no such credential");
    return core_credential_end(c, by, &row, "revoked", err);
}

/* Where a gateway names none: any live one of this person for this target. */
static bool any_credential(struct phi_core *c, struct phi_view person, struct phi_view target)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_credential_row *rows, key = { .person = person };
    size_t n;
    if (core_list(c, CORE_CREDENTIAL, CORE_CREDENTIAL_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n,
                  NULL) != PHI_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(rows[i].target, target) && core_left(c, &rows[i].due) > 0)
            return true;
    return false;
}

struct phi_view core_credential_device(struct phi_core *c, struct phi_arena *a, struct phi_view id)
{
    struct core_credential_row row, key = { .id = id };
    bool there = id.n && core_get(c, CORE_CREDENTIAL, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK;
    return there ? row.device : (struct phi_view){ 0 };
}

enum phi_rc core_credential_live(struct phi_core *c, struct phi_view id, struct phi_view person,
                                 struct phi_view target, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_credential_row row, key = { .id = id };
    bool ok = id.n == 0 ? any_credential(c, person, target)
                        : core_get(c, CORE_CREDENTIAL, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK &&
                              phi_view_eq(row.person, person) && phi_view_eq(row.target, target) &&
                              core_left(c, &row.due) > 0;
    if (!ok)
        return core_no(c, "credential.over", err, PHI_EDENIED,
                       "the credential of this session is over or not for this target; connect again");
    return PHI_OK;
}
