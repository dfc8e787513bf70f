/* Idempotency-Key: the same key from the same person is the same request for a day. */
#include "core/request_in.h"

/* What was asked, without what is new each time. */
enum phi_rc core_ask_hash(struct phi_arena *a, const struct core_draft *d, struct phi_view *ret, struct phi_err *err)
{
    static const uint8_t zero[16];
    struct phi_body same = d->body;
    struct phi_digest digest;
    same.id = phi_id_make(0, zero);
    for (size_t i = 0; i < sizeof same.salt; i++)
        same.salt[i] = 0;
    PHI_TRY(phi_body_digest(&same, &digest, err));
    if (d->glass)
        digest.b[0] ^= 0xff; /* breaking the glass is another ask */
    *ret = core_hex(a, &digest);
    return PHI_OK;
}

enum phi_rc core_idem_find(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_view key,
                           struct core_request_row *ret, struct phi_err *err)
{
    struct core_idem_row row, k = { .person = d->requester, .ckey = key };
    struct phi_view hash;
    if (key.n == 0)
        return PHI_ENOTFOUND;
    if (key.n > PHI_MAX_NAME)
        return phi_fail(err, PHI_EINPUT, "an Idempotency-Key has at most %d bytes", PHI_MAX_NAME);
    if (core_get(c, CORE_IDEM, CORE_BY_KEY, &k, a, &row, NULL) != PHI_OK)
        return PHI_ENOTFOUND;
    if (core_wall(c) - row.at_ms >= PHI_IDEMPOTENCY_MS) {
        PHI_TRY(core_del(c, CORE_IDEM, &row, err));
        return PHI_ENOTFOUND;
    }
    PHI_TRY(core_ask_hash(a, d, &hash, err));
    if (!phi_view_eq(hash, row.ask))
        return core_no(c, "idempotency.mismatch", err, PHI_ECONFLICT,
                       "this Idempotency-Key was used for another request; take a new one");
    enum phi_rc rc = core_request_load(c, a, row.request, ret, err);
    return rc == PHI_ENOTFOUND ? PHI_ECORRUPT : rc;
}

enum phi_rc core_idem_put(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct phi_view key,
                          struct phi_view request, struct phi_err *err)
{
    struct core_idem_row row = { .person = d->requester, .ckey = key, .request = request, .at_ms = core_wall(c) };
    if (key.n == 0)
        return PHI_OK;
    PHI_TRY(core_ask_hash(a, d, &row.ask, err));
    return core_add(c, CORE_IDEM, &row, err);
}

enum phi_rc core_idem_equal(struct phi_core *c, struct phi_arena *a, const struct core_draft *d, struct core_request_row *ret,
                            struct phi_err *err)
{
    struct core_request_row *rows, key = { .requester = d->requester, .live = 1 };
    struct phi_view ask;
    size_t n;
    PHI_TRY(core_ask_hash(a, d, &ask, err));
    PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_REQUESTER, &key, (struct core_span){ .prefix = 2 }, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (!phi_view_eq(rows[i].ask, ask) || !phi_view_eq(rows[i].target, d->target) || core_left(c, &rows[i].due) <= 0)
            continue;
        *ret = rows[i];
        return core_row_check(c, CORE_REQUEST, ret, ret->leaf, ret->leaf_hash, err);
    }
    return PHI_ENOTFOUND;
}
