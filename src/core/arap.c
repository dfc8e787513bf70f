#include "core/arap.h"

#include <string.h>

#include "core/inner.h"

#define KEY_MS (30LL * 24 * 3600 * 1000)

/* ---- keys */

static enum phi_rc key_of(struct phi_arena *a, const struct core_arap_key_row *row, struct phi_arap_key *ret,
                          struct phi_err *err)
{
    uint8_t seed[32];
    if (row->secret.n != sizeof seed)
        return phi_fail(err, PHI_ECORRUPT, "a stored key has another length");
    memcpy(seed, row->secret.p, sizeof seed);
    ret->kid = phi_arena_copy(a, row->kid);
    enum phi_rc rc = phi_key_from_seed(seed, &ret->key, err);
    phi_wipe(seed, sizeof seed);
    return rc;
}

static enum phi_rc key_rows(struct phi_core *c, struct phi_arena *a, struct core_arap_key_row **ret, size_t *n,
                            struct phi_err *err)
{
    return core_list(c, CORE_ARAP_KEY, CORE_BY_KEY, NULL, (struct core_span){ .last_first = true }, a, ret, n, err);
}

enum phi_rc phi_arap_key(struct phi_core *c, struct phi_arena *a, bool make, struct phi_arap_key *ret, struct phi_err *err)
{
    struct core_arap_key_row *rows, fresh;
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(key_rows(c, a, &rows, &n, err));
    if (n && (!make || core_wall(c) - rows[0].at_ms < KEY_MS))
        return key_of(a, &rows[0], ret, err);
    if (!make)
        return phi_fail(err, PHI_ENOTFOUND, "no key was made yet");
    fresh = (struct core_arap_key_row){ core_new_id(c, a), core_random(c, a, 32), core_wall(c) };
    PHI_TRY(core_add(c, CORE_ARAP_KEY, &fresh, err)); /* ids rise, so the newest comes last */
    return key_of(a, &fresh, ret, err);
}

enum phi_rc phi_arap_keys(struct phi_core *c, struct phi_arena *a, struct phi_arap_key **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_arap_key_row *rows;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(key_rows(c, a, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        PHI_TRY(key_of(a, &rows[i], &(*ret)[i], err));
    return PHI_OK;
}

enum phi_rc phi_arap_jwks(struct phi_core *c, struct phi_buf *out, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct phi_arap_key *keys;
    size_t n;
    struct phi_jw w;
    PHI_TRY(phi_arap_keys(c, &a, &keys, &n, err));
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_key(&w, "keys");
    phi_jw_arr(&w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(&w);
        phi_jw_kc(&w, "kty", "OKP");
        phi_jw_kc(&w, "crv", "Ed25519");
        phi_jw_kc(&w, "alg", "EdDSA");
        phi_jw_kc(&w, "use", "sig");
        phi_jw_kv(&w, "kid", keys[i].kid);
        phi_jw_key(&w, "x");
        phi_jw_b64u(&w, phi_view_mem(keys[i].key.pub.b, sizeof keys[i].key.pub.b));
        phi_jw_end(&w);
        phi_key_done(&keys[i].key);
    }
    phi_jw_end(&w);
    phi_jw_end(&w);
    return phi_buf_ok(out) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

bool phi_arap_binds(struct phi_core *c, struct phi_view action, struct phi_view member)
{
    return core_bundle_load(c, NULL) == PHI_OK && !phi_context_is_owned(member) &&
           phi_context_declares(c->bundle, (struct phi_uid){ PHI_LIT("Action"), action }, member);
}

/* ---- tasks */

static struct phi_arap_task task_of(const struct core_arap_task_row *r)
{
    return (struct phi_arap_task){ r->task, r->request, r->caller, r->evaluation, r->approval, r->at_ms };
}

static struct phi_view name_of(struct phi_arena *a, const char *prefix, struct phi_view bits)
{
    PHI_BUF(text, 128);
    phi_buf_adds(&text, prefix);
    phi_b64u_add(&text, bits);
    return phi_arena_copy(a, phi_buf_view(&text));
}

struct phi_view phi_arap_task_id(struct phi_arena *a, struct phi_view evaluation)
{
    struct phi_view parts[] = { PHI_LIT("phi-arap-task-v1"), phi_view_mem("", 1), evaluation };
    struct phi_digest d = phi_sha256_parts(parts, 3);
    return name_of(a, "tsk_", phi_view_upto(phi_digest_view(&d), 16));
}

enum phi_rc phi_arap_task_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view request,
                               struct phi_view evaluation, struct phi_view binding, struct phi_view asked,
                               struct phi_arap_task *ret, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    struct core_arap_task_row row = { .task = phi_arap_task_id(a, evaluation),
                                      .request = request,
                                      .caller = by->id,
                                      .binding = binding,
                                      .evaluation = evaluation,
                                      .approval = name_of(a, "apr_", core_random(c, a, 16)),
                                      .asked = asked,
                                      .at_ms = core_wall(c) };
    *ret = task_of(&row);
    return core_add(c, CORE_ARAP_TASK, &row, err);
}

static bool own_task(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view task,
                     struct phi_arap_task *ret)
{
    struct core_arap_task_row row, key = { .task = task };
    if (core_get(c, CORE_ARAP_TASK, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || by->kind != PHI_ACTOR_PERSON ||
        !phi_view_eq(row.caller, by->id))
        return false;
    *ret = task_of(&row);
    return true;
}

bool phi_arap_task_there(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view evaluation,
                         struct phi_arap_task *ret)
{
    return own_task(c, a, by, phi_arap_task_id(a, evaluation), ret);
}

enum phi_rc phi_arap_task_find(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view task,
                               struct phi_arap_task *ret, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    return own_task(c, a, by, task, ret)
               ? PHI_OK
               : core_no(c, "arap.unknown_task", err, PHI_ENOTFOUND, "there is no such task, or it is not yours");
}

static const char *items_kind(struct phi_arena *a, struct phi_view task)
{
    return (const char *)phi_arena_str(a, phi_arena_printf(a, "arap-items/" PHI_FMT, PHI_ARG(task)));
}

enum phi_rc phi_arap_items_make(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_arap_task *of, size_t n,
                                struct phi_view items, struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err)
{
    PHI_BUF(all, 64 * 1024);
    phi_buf_adds(&all, "items");
    for (size_t i = 0; i < n; i++)
        phi_buf_printf(&all, " " PHI_FMT, PHI_ARG(of[i].task));
    PHI_TRY(core_batched(c, err));
    struct core_arap_task_row row = { .task = phi_arap_task_id(a, phi_buf_view(&all)), .request = of[0].request, .caller = by->id,
                                      .approval = name_of(a, "all_", core_random(c, a, 16)), .asked = asked, .at_ms = core_wall(c) };
    *ret = task_of(&row);
    if (own_task(c, a, by, row.task, ret))
        return PHI_OK;
    PHI_TRY(core_text_put(c, row.request, items_kind(a, row.task), core_random(c, a, 16), items, err));
    return core_add(c, CORE_ARAP_TASK, &row, err);
}

enum phi_rc phi_arap_items_get(struct phi_core *c, struct phi_arena *a, const struct phi_arap_task *t, struct phi_view *ret, struct phi_err *err)
{
    *ret = core_text_get(c, a, t->request, items_kind(a, t->task));
    return ret->n ? PHI_OK : phi_fail(err, PHI_ENOTFOUND, "what was asked was erased");
}

/* Apart from the keys of POST /v1/requests, which may be the same texts. */
static struct phi_view idem_key(struct phi_arena *a, struct phi_view key)
{
    return phi_arena_printf(a, "arap:" PHI_FMT, PHI_ARG(key));
}

enum phi_rc phi_arap_idem_find(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view key,
                               struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err)
{
    struct core_idem_row row, k = { .person = by->id, .ckey = idem_key(a, key) };
    PHI_TRY(core_batched(c, err));
    if (key.n > PHI_MAX_NAME)
        return phi_fail(err, PHI_EINPUT, "an Idempotency-Key has at most %d bytes", PHI_MAX_NAME);
    if (key.n == 0 || core_get(c, CORE_IDEM, CORE_BY_KEY, &k, a, &row, NULL) != PHI_OK)
        return PHI_ENOTFOUND;
    if (core_wall(c) - row.at_ms >= PHI_IDEMPOTENCY_MS) {
        PHI_TRY(core_del(c, CORE_IDEM, &row, err));
        return PHI_ENOTFOUND;
    }
    if (!phi_view_eq(row.ask, asked))
        return core_no(c, "arap.duplicate_request", err, PHI_ECONFLICT, "this Idempotency-Key was used for another submission");
    return phi_arap_task_find(c, a, by, row.request, ret, err);
}

enum phi_rc phi_arap_idem_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view key,
                              struct phi_view asked, struct phi_view task, struct phi_err *err)
{
    struct core_idem_row row = { by->id, idem_key(a, key), asked, task, core_wall(c) };
    return key.n ? core_add(c, CORE_IDEM, &row, err) : PHI_OK;
}

enum phi_rc phi_arap_approval_find(struct phi_core *c, struct phi_arena *a, struct phi_view approval,
                                   struct phi_view subject, struct phi_arap_approval *ret, struct phi_err *err)
{
    struct core_arap_task_row row, key = { .approval = approval };
    struct core_grant_row *grants;
    size_t n;
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_ARAP_TASK, CORE_ARAP_TASK_BY_APPROVAL, &key, a, &row, NULL) != PHI_OK ||
        !phi_view_eq(row.caller, subject))
        return phi_fail(err, PHI_ENOTFOUND, "this approval is not one of the subject's");
    struct core_grant_row by = { .request = row.request };
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &by, (struct core_span){ .prefix = 1, .limit = 1 }, a, &grants,
                      &n, err));
    *ret = (struct phi_arap_approval){ .task = row.task };
    if (n) {
        ret->grant = grants[0].id;
        ret->live = grants[0].live && core_left(c, &grants[0].due) > 0;
    }
    return PHI_OK;
}
