#include "core/succession.h"

#include "core/request_in.h"
#include "core/oncall.h"
#include "proof/cosign.h"

static const struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };

static enum phi_rc rows(struct phi_core *c, struct phi_arena *a, struct core_succession_row **ret, size_t *ret_n, struct phi_err *err)
{
    return core_list(c, CORE_SUCCESSION, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, ret, ret_n, err);
}

enum phi_rc phi_log_steps(struct phi_core *c, struct phi_arena *a, struct phi_log_step **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_succession_row *r;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(rows(c, a, &r, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = (struct phi_log_step){ r[i].n, (enum phi_succession_kind)r[i].kind, r[i].text, r[i].note };
    return PHI_OK;
}

static enum phi_rc step_add(struct phi_core *c, const struct phi_succession *s, struct phi_view text, struct phi_view note,
                            struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_succession_row *r;
    size_t n;
    PHI_TRY(rows(c, &a, &r, &n, err));
    struct core_succession_row row = { (int64_t)n, s->kind, note, text };
    return core_add(c, CORE_SUCCESSION, &row, err);
}

/* ---- another key */

enum phi_rc phi_log_rotate(struct phi_core *c, const struct phi_actor *by, struct phi_view note, int64_t *ret_size,
                           struct phi_err *err)
{
    struct phi_view text, sigs;
    struct phi_succession s;
    struct phi_entry e;
    PHI_BUF(line, 512);
    PHI_TRY(core_batched(c, err));
    PHI_TRY(phi_note_cut(note, &text, &sigs, err));
    PHI_TRY(phi_succession_read(text, &s, err));
    PHI_TRY(phi_succession_open(note, &s.from, NULL, 0, &s, err)); /* that it leads on from the key before is the signer's to know */
    if (s.kind != PHI_SUCCESSION_ROTATED || !phi_view_is(s.to.name, c->origin))
        return phi_fail(err, PHI_EINPUT, "this is no new key of this log");
    phi_vkey_write(&line, &s.to);
    core_entry(c, &e, PHI_EV_KEY_ROTATED, by);
    phi_entry_str(&e, PHI_F_KEY, phi_buf_view(&line));
    phi_entry_str(&e, PHI_F_SIGNATURE, sigs);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    *ret_size = c->st.size;
    return step_add(c, &s, text, note, err);
}

enum phi_rc phi_log_vouch(struct phi_core *c, const struct phi_actor *by, int64_t n, struct phi_view note, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_succession_row row, key = { .n = n };
    struct phi_view text, sigs;
    struct phi_succession s;
    struct phi_entry e;
    PHI_BUF(line, 512);
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_SUCCESSION, CORE_BY_KEY, &key, &a, &row, NULL) != PHI_OK || row.kind != PHI_SUCCESSION_RESTORED)
        return core_no(c, "log.step", err, PHI_ENOTFOUND, "there is no restore of that number");
    PHI_TRY(phi_note_cut(note, &text, &sigs, err));
    if (!phi_view_eq(text, row.text))
        return core_no(c, "log.step", err, PHI_EINPUT, "something else was signed than what this restore is");
    PHI_TRY(phi_succession_read(text, &s, err));
    phi_vkey_write(&line, &s.to);
    row.note = note;
    core_entry(c, &e, PHI_EV_LOG_VOUCHED, by);
    phi_entry_str(&e, PHI_F_KEY, phi_buf_view(&line));
    phi_entry_str(&e, PHI_F_SIGNATURE, sigs);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    return core_set(c, CORE_SUCCESSION, &row, err);
}

/* ---- another origin: every right ends */

#define PAGE 500
#define SEQ_LEAP ((int64_t)1 << 32) /* past every number that a gateway may have seen of what the backup lacks */

typedef enum phi_rc (*end_fn)(struct phi_core *c, struct phi_arena *a, void *row, struct phi_err *err);

/* Each row of this list is ended, and so leaves it. */
static enum phi_rc end_all(struct phi_core *c, enum core_table t, int ix, const void *key, size_t prefix, end_fn end,
                           struct phi_err *err)
{
    for (;;) {
        PHI_ARENA(a, (size_t)1 << 30);
        char *row;
        size_t n;
        PHI_TRY(core_list(c, t, ix, key, (struct core_span){ .prefix = prefix, .limit = PAGE }, &a, &row, &n, err));
        for (size_t i = 0; i < n; i++)
            PHI_TRY(end(c, &a, row + i * core_table_of(t)->size, err));
        if (n < PAGE)
            return PHI_OK;
    }
}

static enum phi_rc end_request(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    struct core_request_row *row = p;
    struct phi_entry e;
    PHI_TRY(core_row_check(c, CORE_REQUEST, row, row->leaf, row->leaf_hash, err));
    core_entry(c, &e, PHI_EV_REQUEST_CANCELLED, &phid);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("restored"));
    return core_request_step(c, a, row, CORE_REQUEST_CANCEL, &e, err);
}

static enum phi_rc end_grant(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    struct core_grant_row *row = p;
    PHI_TRY(core_row_check(c, CORE_GRANT, row, row->leaf, row->leaf_hash, err));
    return core_grant_revoke(c, a, &phid, row, PHI_LIT("the store was restored from a backup"), "restored", err);
}

static enum phi_rc end_delegation(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    struct core_delegation_row *row = p;
    PHI_TRY(core_row_check(c, CORE_DELEGATION, row, row->leaf, row->leaf_hash, err));
    return core_delegation_over(c, a, &phid, row, "restored", err);
}

static enum phi_rc end_credential(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    (void)a;
    return core_credential_end(c, &phid, p, "restored", err);
}

static enum phi_rc end_session(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    (void)a;
    return core_session_over(c, &phid, p, "restored", err);
}

static enum phi_rc end_link(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    (void)a;
    return core_del(c, CORE_LINK, p, err);
}

static enum phi_rc end_login(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    (void)a;
    return core_del(c, CORE_LOGIN, p, err);
}

static enum phi_rc end_token(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    (void)a;
    return core_token_end(c, &phid, p, "restored", err);
}

static enum phi_rc end_leases(struct phi_core *c, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_gateway_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_GATEWAY, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        rows[i].code_due = rows[i].lease_due = (struct core_due){ 0 };
        PHI_TRY(core_set(c, CORE_GATEWAY, &rows[i], err));
    }
    return PHI_OK;
}

static enum phi_rc end_on_call(struct phi_core *c, struct phi_arena *a, void *p, struct phi_err *err)
{
    (void)a;
    return core_on_call_over(c, &phid, p, "restored", err);
}

static enum phi_rc end_rights(struct phi_core *c, struct phi_err *err)
{
    const struct core_request_row r = { .live = 1 };
    const struct core_grant_row g = { .live = 1 };
    const struct core_delegation_row d = { .live = 1 };
    PHI_TRY(end_all(c, CORE_REQUEST, CORE_REQUEST_BY_LIVE, &r, 1, end_request, err));
    PHI_TRY(end_all(c, CORE_GRANT, CORE_GRANT_BY_LIVE, &g, 1, end_grant, err));
    PHI_TRY(end_all(c, CORE_DELEGATION, CORE_DELEGATION_BY_WALL, &d, 1, end_delegation, err));
    PHI_TRY(end_all(c, CORE_CREDENTIAL, CORE_BY_KEY, NULL, 0, end_credential, err));
    PHI_TRY(end_all(c, CORE_SESSION, CORE_BY_KEY, NULL, 0, end_session, err));
    PHI_TRY(end_all(c, CORE_LINK, CORE_BY_KEY, NULL, 0, end_link, err));
    PHI_TRY(end_all(c, CORE_LOGIN, CORE_BY_KEY, NULL, 0, end_login, err));
    PHI_TRY(end_all(c, CORE_TOKEN, CORE_BY_KEY, NULL, 0, end_token, err));
    PHI_TRY(end_all(c, CORE_ON_CALL, CORE_BY_KEY, NULL, 0, end_on_call, err));
    return end_leases(c, err);
}

/* The old entries keep their rows, so that what rests on them can still be held against them. */
static void begin_anew(struct phi_core *c)
{
    c->st.base += c->st.size;
    c->st.gen++;
    c->st.size = 0;
    c->st.note = (struct phi_view){ 0 };
    c->st.note_size = 0;
    c->st.seq += SEQ_LEAP;
    c->tree = (struct phi_tree){ 0 };
    c->st_dirty = true;
}

enum phi_rc phi_log_restore(struct phi_core *c, const struct phi_vkey *before, struct phi_view key, struct phi_err *err)
{
    struct phi_succession s = { .kind = PHI_SUCCESSION_RESTORED, .from = *before, .size = c->tree.size };
    struct phi_entry e;
    PHI_BUF(text, 4096);
    PHI_TRY(core_batched(c, err));
    PHI_TRY(phi_vkey_read(phi_view_trim(key), &s.to, err));
    s.size = c->tree.size;
    s.root = phi_tree_root(&c->tree);
    if (s.size == 0 || phi_view_eq(s.from.name, s.to.name))
        return phi_fail(err, PHI_EINPUT, "there is no log to go on from, or its origin stays the same");
    phi_succession_write(&text, &s);
    PHI_TRY(step_add(c, &s, phi_buf_view(&text), (struct phi_view){ 0 }, err));
    begin_anew(c);
    core_entry(c, &e, PHI_EV_LOG_OPENED, &phid);
    phi_entry_str(&e, PHI_F_ORIGIN, s.to.name);
    phi_entry_str(&e, PHI_F_KEY, phi_view_trim(key));
    phi_entry_int(&e, PHI_F_PREV_SIZE, (int64_t)s.size);
    phi_entry_hash(&e, PHI_F_PREV_ROOT, &s.root);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    core_world_changed(c);
    core_snapshot_changed(c, (struct phi_view){ 0 });
    return end_rights(c, err);
}

enum phi_rc phi_log_backed_up(struct phi_core *c, int64_t size, const struct phi_digest *root, struct phi_err *err)
{
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    core_entry(c, &e, PHI_EV_BACKUP_MADE, &phid);
    phi_entry_int(&e, PHI_F_PREV_SIZE, size);
    phi_entry_hash(&e, PHI_F_PREV_ROOT, root);
    return core_leaf(c, &e, NULL, NULL, err);
}
