#include "core/gateway.h"

#include <string.h>

#include "core/page_in.h"

#define MAX_DENIALS 1024 /* of a batch; a gateway sends half as many at most */

static enum phi_rc gateway_row(struct phi_core *c, struct phi_arena *a, struct phi_view name,
                               struct core_gateway_row *ret, struct phi_err *err)
{
    struct core_gateway_row key = { .name = name };
    if (core_get(c, CORE_GATEWAY, CORE_BY_KEY, &key, a, ret, NULL) == PHI_OK)
        return PHI_OK;
    return core_no(c, "gateway.unknown", err, PHI_ENOTFOUND, "there is no such gateway");
}

/* The acting gateway's own row; it must have signed on. */
static enum phi_rc acting(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                          struct core_gateway_row *ret, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    if (by->kind != PHI_ACTOR_GATEWAY || gateway_row(c, a, by->id, ret, NULL) != PHI_OK || ret->key.n == 0)
        return core_no(c, "right.missing", err, PHI_EDENIED, "this is for gateways that have signed on");
    return PHI_OK;
}

bool core_gateway_serves(struct phi_core *c, struct phi_view gateway, struct phi_view target)
{
    PHI_ARENA(a, 1 << 14);
    struct core_gateway_target_row row, key = { gateway, target };
    return core_get(c, CORE_GATEWAY_TARGET, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK;
}

bool core_gateway_leased(struct phi_core *c, struct phi_view gateway)
{
    PHI_ARENA(a, 1 << 14);
    struct core_gateway_row row, key = { .name = gateway };
    return core_get(c, CORE_GATEWAY, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK && core_left(c, &row.lease_due) > 0;
}

bool core_gateway_may_work(struct phi_core *c, struct phi_view gateway)
{
    PHI_ARENA(a, 1 << 14);
    struct core_gateway_row row, key = { .name = gateway };
    return core_get(c, CORE_GATEWAY, CORE_BY_KEY, &key, &a, &row, NULL) == PHI_OK && core_may_last(c, &row.lease_due);
}

enum phi_rc core_gateway_targets(struct phi_core *c, struct phi_arena *a, struct phi_view gateway,
                                 const struct phi_view **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_gateway_target_row *rows, key = { .gateway = gateway };
    PHI_TRY(core_list(c, CORE_GATEWAY_TARGET, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &rows, ret_n,
                      err));
    struct phi_view *v = phi_arena_array(a, *ret_n + 1, sizeof *v);
    if (!v)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        v[i] = rows[i].target;
    *ret = v;
    return PHI_OK;
}

/* ---- signing on */

static enum phi_rc set_targets(struct phi_core *c, struct phi_arena *a, struct phi_view gateway,
                               const struct phi_view *targets, size_t n, struct phi_err *err)
{
    struct core_gateway_target_row *old, key = { .gateway = gateway };
    size_t n_old;
    PHI_TRY(core_list(c, CORE_GATEWAY_TARGET, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &old, &n_old,
                      err));
    for (size_t i = 0; i < n_old; i++)
        PHI_TRY(core_del(c, CORE_GATEWAY_TARGET, &old[i], err));
    for (size_t i = 0; i < n; i++) {
        struct core_target_row t, tkey = { .name = targets[i] };
        if (core_get(c, CORE_TARGET, CORE_BY_KEY, &tkey, a, &t, NULL) != PHI_OK)
            return core_no(c, "target.unknown", err, PHI_ENOTFOUND, "there is no target of that name; add it first");
        struct core_gateway_target_row row = { gateway, targets[i] };
        enum phi_rc rc = core_add(c, CORE_GATEWAY_TARGET, &row, NULL);
        if (rc != PHI_OK && rc != PHI_ECONFLICT)
            return phi_fail(err, rc, "the gateway's targets cannot be stored");
    }
    return PHI_OK;
}

static enum phi_rc added_leaf(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct core_gateway_row *row, const struct phi_view *targets, size_t n,
                              struct phi_err *err)
{
    struct phi_ref *refs = phi_arena_array(a, n + 1, sizeof *refs);
    if (!refs)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++)
        refs[i] = phi_ref_make_parts(a, "Target", &targets[i], 1);
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_GATEWAY_ADDED, by);
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", row->name));
    phi_entry_refs(&e, PHI_F_TARGETS, refs, n);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row->code_due.wall);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_gateway_add(struct phi_core *c, const struct phi_actor *by, struct phi_view name,
                            const struct phi_view *targets, size_t n_targets, char code[PHI_TOKEN_LEN + 1],
                            int64_t *ret_expires_in_ms, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_gateway_row row;
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    if (!core_slug_ok(name) || n_targets == 0)
        return phi_fail(err, PHI_EINPUT, "a gateway has a name of 1 to 63 of a-z, 0-9, _ and -, and a target at least");
    bool known = gateway_row(c, &a, name, &row, NULL) == PHI_OK;
    if (!known)
        row = (struct core_gateway_row){ .name = name };
    core_new_token(c, code);
    struct phi_digest hash = core_secret_hash(phi_view_of(code));
    row.code_hash = phi_digest_view(&hash);
    row.code_due = core_due_in(c, PHI_GATEWAY_CODE_MS);
    PHI_TRY(known ? core_set(c, CORE_GATEWAY, &row, err) : core_add(c, CORE_GATEWAY, &row, err));
    PHI_TRY(set_targets(c, &a, name, targets, n_targets, err));
    core_snapshot_changed(c, (struct phi_view){ 0 });
    *ret_expires_in_ms = PHI_GATEWAY_CODE_MS;
    return added_leaf(c, &a, by, &row, targets, n_targets, err);
}

enum phi_rc phi_gateway_enroll(struct phi_core *c, struct phi_arena *a, struct phi_view code,
                               const struct phi_digest *key, struct phi_view *ret_name, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    struct phi_digest hash = core_secret_hash(code);
    struct core_gateway_row *rows, probe = { .code_hash = phi_digest_view(&hash) };
    size_t n;
    PHI_TRY(core_list(c, CORE_GATEWAY, CORE_GATEWAY_BY_CODE, &probe, (struct core_span){ .prefix = 1 }, a, &rows, &n,
                      err));
    if (n != 1 || !phi_secret_eq(rows[0].code_hash, phi_digest_view(&hash)) || core_left(c, &rows[0].code_due) <= 0)
        return core_no(c, "gateway.code", err, PHI_EAUTH, "this code is used, over or unknown; make another");
    rows[0].code_hash = (struct phi_view){ 0 };
    rows[0].code_due = (struct core_due){ 0 };
    rows[0].key = phi_digest_view(key);
    rows[0].last_batch = 0; /* a new key counts anew */
    PHI_TRY(core_set(c, CORE_GATEWAY, &rows[0], err));
    *ret_name = rows[0].name;
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_GATEWAY_ENROLLED, &(struct phi_actor){ .kind = PHI_ACTOR_GATEWAY, .id = rows[0].name });
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", rows[0].name));
    phi_entry_hash(&e, PHI_F_KEY_HASH, key);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_gateway_certified(struct phi_core *c, const struct phi_actor *gateway, int64_t until_ms, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_gateway_row row;
    struct phi_digest key = { { 0 } };
    struct phi_entry e;
    PHI_TRY(acting(c, &a, gateway, &row, err));
    if (row.key.n != sizeof key.b)
        return core_no(c, "gateway.unknown", err, PHI_EAUTH, "this gateway is not enrolled");
    memcpy(key.b, row.key.p, sizeof key.b);
    core_entry(c, &e, PHI_EV_GATEWAY_CERTIFIED, gateway);
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", row.name));
    phi_entry_hash(&e, PHI_F_KEY_HASH, &key);
    phi_entry_int(&e, PHI_F_UNTIL_MS, until_ms);
    return core_leaf(c, &e, NULL, NULL, err);
}

bool core_gateway_removed(const struct core_gateway_row *row)
{
    return row->key.n == 0 && row->code_hash.n == 0;
}

enum phi_rc phi_gateway_remove(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_gateway_row row;
    struct phi_entry e;
    PHI_TRY(core_need(c, by, PHI_RIGHT_TARGETS, err));
    if (gateway_row(c, &a, name, &row, NULL) != PHI_OK || core_gateway_removed(&row))
        return core_no(c, "gateway.unknown", err, PHI_ENOTFOUND, "there is no gateway of that name");
    row.key = row.code_hash = (struct phi_view){ 0 };
    row.code_due = (struct core_due){ 0 };
    PHI_TRY(core_set(c, CORE_GATEWAY, &row, err));
    PHI_TRY(set_targets(c, &a, name, NULL, 0, err));
    core_snapshot_changed(c, (struct phi_view){ 0 });
    core_entry(c, &e, PHI_EV_GATEWAY_REMOVED, by);
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", name));
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_gateway_find(struct phi_core *c, struct phi_arena *a, const struct phi_digest *key,
                             struct phi_view *ret_name, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    struct core_gateway_row *rows, probe = { .key = phi_digest_view(key) };
    size_t n;
    PHI_TRY(core_list(c, CORE_GATEWAY, CORE_GATEWAY_BY_PUBKEY, &probe, (struct core_span){ .prefix = 1 }, a, &rows, &n,
                      err));
    if (n != 1)
        return core_no(c, "gateway.unknown", err, PHI_EAUTH, "this gateway's key is not known; enroll it again");
    *ret_name = rows[0].name;
    return PHI_OK;
}

struct listing {
    struct phi_core *c;
    struct phi_arena *a;
    struct phi_gateway *out;
    size_t n;
};

static enum phi_rc listing_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct listing *l = ctx;
    const struct core_gateway_row *r = row;
    struct phi_gateway *g = &l->out[l->n];
    *ret_taken = !core_gateway_removed(r) || core_left(l->c, &r->lease_due) > 0;
    if (!*ret_taken)
        return PHI_OK;
    *g = (struct phi_gateway){ .name = r->name,
                               .enrolled = r->key.n > 0,
                               .lease_ms = core_left(l->c, &r->lease_due),
                               .last_seen_ms = r->last_seen,
                               .version = r->version };
    l->n++;
    return core_gateway_targets(l->c, l->a, g->name, &g->targets, &g->n_targets, err);
}

enum phi_rc phi_gateway_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_page *page,
                             struct phi_gateway **ret, size_t *ret_n, struct phi_err *err)
{
    struct listing l = { .c = c, .a = a, .out = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret) };
    struct core_walk w = { .table = CORE_GATEWAY, .ix = CORE_BY_KEY, .rising = true, .n_parts = 1, .take = listing_take, .ctx = &l };
    PHI_TRY(core_need(c, by, PHI_RIGHT_SEE_PEOPLE, err));
    if (!l.out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret = l.out;
    *ret_n = l.n;
    return PHI_OK;
}

/* ---- leases and records */

static enum phi_rc lease_begin(struct phi_core *c, struct core_gateway_row *row, struct phi_err *err)
{
    row->lease_due = core_due_in(c, PHI_LEASE_MS);
    row->last_seen = core_wall(c);
    c->st_dirty = true; /* commits the time anchor with it */
    return core_set(c, CORE_GATEWAY, row, err);
}

enum phi_rc core_gateway_renew(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view version, struct core_gateway_row *ret, struct phi_err *err)
{
    PHI_TRY(acting(c, a, by, ret, err));
    if (version.n > 0 && version.n <= PHI_MAX_NAME)
        ret->version = version;
    return lease_begin(c, ret, err);
}

enum phi_rc phi_gateway_lease(struct phi_core *c, const struct phi_actor *gateway, int64_t *ret_seq,
                              int64_t *ret_lease_ms, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_gateway_row row;
    PHI_TRY(core_gateway_renew(c, &a, gateway, (struct phi_view){ 0 }, &row, err));
    *ret_seq = c->st.snapshot_seq;
    *ret_lease_ms = core_left(c, &row.lease_due);
    return PHI_OK;
}

static void denied_json(struct phi_jw *w, const struct phi_record *r)
{
    phi_jw_key(w, "denied");
    phi_jw_obj(w);
    phi_jw_key(w, "policies");
    phi_jw_arr(w);
    for (size_t i = 0; i < r->n_policies; i++)
        phi_jw_str(w, r->policies[i]);
    phi_jw_end(w);
    phi_jw_kv(w, "reason", r->reason);
    phi_jw_end(w);
}

static void record_json(struct phi_jw *w, const struct phi_record *r, int64_t now)
{
    phi_jw_obj(w);
    phi_jw_key(w, "actions");
    phi_pairs_write(w, r->actions, r->n_actions);
    phi_jw_kv(w, "bundle", r->bundle);
    phi_jw_kv(w, "bytes_hash", r->bytes_hash);
    phi_jw_ki(w, "count", r->count);
    if (r->denied)
        denied_json(w, r);
    phi_jw_ki(w, "first", now - r->first_ms_ago);
    phi_jw_ki(w, "last", now - r->last_ms_ago);
    phi_jw_kv(w, "principal", r->principal);
    phi_jw_kv(w, "session", r->session);
    phi_jw_kv(w, "target", r->target);
    phi_jw_end(w);
}

static bool record_ok(const struct phi_record *r)
{
    struct phi_digest d;
    return r->count > 0 && r->count <= PHI_RECORD_MAX_COUNT && r->last_ms_ago >= 0 && r->first_ms_ago >= r->last_ms_ago &&
           phi_digest_from_hex(r->bytes_hash, &d) && r->reason.n <= PHI_MAX_WHY &&
           (!r->denied || phi_digest_from_hex(r->bundle, &d));
}

static enum phi_rc records_keep(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, int64_t batch,
                                const struct phi_record *records, size_t n, struct phi_digest *ret_hash,
                                struct phi_err *err)
{
    PHI_BUF(text, (size_t)64 << 20);
    struct phi_jw w;
    int64_t now = core_wall(c);
    phi_jw_init(&w, &text);
    phi_jw_arr(&w);
    for (size_t i = 0; i < n; i++) {
        if (!core_gateway_serves(c, by->id, records[i].target))
            return core_no(c, "right.missing", err, PHI_EDENIED, "a record names a target that is not this gateway's");
        if (!record_ok(&records[i]))
            return phi_fail(err, PHI_EINPUT, "a record's count, times or hash cannot be");
        record_json(&w, &records[i], now);
    }
    phi_jw_end(&w);
    if (!phi_buf_ok(&text))
        return phi_fail(err, PHI_ELIMIT, "a batch of records is too large");
    *ret_hash = phi_sha256(phi_buf_view(&text));
    struct phi_view owner = phi_arena_printf(a, PHI_FMT "/%lld", PHI_ARG(by->id), (long long)c->st.base + (long long)c->tree.size);
    (void)batch;
    return core_text_put(c, owner, "records", (struct phi_view){ 0 }, phi_buf_view(&text), err);
}

/* "a, b": ids of policies, as many as a member of an entry takes. */
static struct phi_view policies_text(struct phi_arena *a, const struct phi_record *r)
{
    PHI_BUF(b, 1000);
    for (size_t i = 0; i < r->n_policies && b.n + r->policies[i].n + 2 <= 1000; i++) {
        phi_buf_adds(&b, i ? ", " : "");
        phi_buf_add(&b, r->policies[i]);
    }
    return phi_arena_copy(a, phi_buf_view(&b));
}

static bool same_denial(const struct phi_record *x, const struct phi_record *y)
{
    if (!x->denied || !y->denied || x->n_policies != y->n_policies)
        return false;
    for (size_t i = 0; i < x->n_policies; i++)
        if (!phi_view_eq(x->policies[i], y->policies[i]))
            return false;
    return phi_view_eq(x->principal, y->principal) && phi_view_eq(x->target, y->target) &&
           phi_view_eq(x->session, y->session) && phi_view_eq(x->bundle, y->bundle);
}

static enum phi_rc denial(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, int64_t batch,
                          const struct phi_record *r, int64_t count, struct phi_err *err)
{
    struct phi_entry e;
    struct phi_digest bundle = core_unhex(r->bundle);
    struct phi_view policies = policies_text(a, r);
    core_entry(c, &e, PHI_EV_ACTION_DENIED, by);
    phi_entry_ref(&e, PHI_F_PRINCIPAL, phi_ref_of_who(r->principal));
    phi_entry_ref(&e, PHI_F_TARGET, phi_ref_make_parts(a, "Target", &r->target, 1));
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("policy"));
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", by->id));
    phi_entry_str(&e, PHI_F_SESSION, r->session);
    phi_entry_int(&e, PHI_F_BATCH, batch);
    phi_entry_int(&e, PHI_F_COUNT, count);
    if (policies.n)
        phi_entry_str(&e, PHI_F_POLICY, policies);
    return core_leaf(c, &e, NULL, NULL, err);
}

/* What was tried stands with the batch's texts; one leaf tells of those that differ in nothing else. */
static enum phi_rc denials(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, int64_t batch,
                           const struct phi_record *records, size_t n, struct phi_err *err)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        most += records[i].denied;
    if (most > MAX_DENIALS)
        return phi_fail(err, PHI_ELIMIT, "a batch has at most %d denials", MAX_DENIALS);
    for (size_t i = 0; i < n; i++) {
        int64_t count = 0;
        bool told = !records[i].denied;
        for (size_t j = 0; j < i && !told; j++)
            told = same_denial(&records[i], &records[j]);
        for (size_t j = i; j < n && !told; j++)
            count += same_denial(&records[i], &records[j]) ? records[j].count : 0;
        if (!told)
            PHI_TRY(denial(c, a, by, batch, &records[i], count, err));
    }
    return PHI_OK;
}

enum phi_rc phi_gateway_records(struct phi_core *c, const struct phi_actor *gateway, int64_t batch,
                                const struct phi_record *records, size_t n, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_gateway_row row;
    struct phi_digest hash;
    struct phi_entry e;
    PHI_TRY(acting(c, &a, gateway, &row, err));
    if (batch <= row.last_batch && batch > 0)
        return PHI_OK;
    if (batch != row.last_batch + 1 || n == 0 || n > PHI_RECORD_MAX_COUNT)
        return core_no(c, "records.gap", err, PHI_EINPUT, "the next batch of records is number %lld",
                       (long long)row.last_batch + 1);
    PHI_TRY(records_keep(c, &a, gateway, batch, records, n, &hash, err));
    row.last_batch = batch;
    row.last_seen = core_wall(c);
    PHI_TRY(core_set(c, CORE_GATEWAY, &row, err));
    core_entry(c, &e, PHI_EV_RECORDS_BATCH, gateway);
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", gateway->id));
    phi_entry_int(&e, PHI_F_BATCH, batch);
    int64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += records[i].count;
    phi_entry_int(&e, PHI_F_COUNT, count);
    phi_entry_hash(&e, PHI_F_RECORDS_HASH, &hash);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    return denials(c, &a, gateway, batch, records, n, err);
}
