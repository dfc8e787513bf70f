#include "core/bundle.h"

#include <string.h>

#include "core/entity_in.h"
#include "core/request_in.h"

static enum phi_rc bundle_row(struct phi_core *c, struct phi_arena *a, struct core_bundle_row *ret,
                              struct phi_err *err)
{
    struct core_bundle_row key = { .version = c->st.bundle_version };
    return core_get(c, CORE_BUNDLE, CORE_BY_KEY, &key, a, ret, err);
}

static bool says(struct phi_view text, const char *word)
{
    struct phi_view w = phi_view_of(word);
    return text.n && memmem(text.p, text.n, w.p, w.n) != NULL;
}

static void keep(struct phi_core *c, struct phi_bundle *b, const struct phi_bundle_text *text)
{
    int64_t version = (int64_t)text->version;
    c->says_risk = says(text->policies, "risk");
    c->says_ticket = says(text->policies, "ticket_facts") || phi_bundle_checks_tickets(b);
    c->says_text = says(text->policies, "ticket") || says(text->policies, "justification") || c->says_ticket;
    struct phi_digest hash = phi_bundle_hash(b);
    core_ready_drop(c);
    phi_bundle_close(c->bundle);
    c->bundle = b;
    c->bundle_loaded = version;
    phi_digest_hex(&hash, c->bundle_hex);
    c->bundle_hash = phi_view_mem(c->bundle_hex, PHI_HEX_LEN);
}

enum phi_rc core_bundle_load(struct phi_core *c, struct phi_err *err)
{
    PHI_ARENA(a, 4 * (size_t)PHI_MAX_BUNDLE);
    struct core_bundle_row row;
    struct phi_bundle *b;
    if (c->st.bundle_version == 0)
        return core_no(c, "policy.none", err, PHI_ENOTFOUND, "no policy is live, so everything is denied");
    if (c->bundle_loaded == c->st.bundle_version)
        return PHI_OK;
    PHI_TRY(bundle_row(c, &a, &row, err));
    struct phi_bundle_text text = { row.schema, row.policies, row.requirements, (uint64_t)row.version };
    PHI_TRY(phi_bundle_load(&text, &b, err));
    keep(c, b, &text);
    if (!phi_view_eq(c->bundle_hash, row.hash)) {
        c->bundle_loaded = -1;
        return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "the stored policy is not the one that went live");
    }
    return PHI_OK;
}

enum phi_rc phi_bundle_get(struct phi_core *c, struct phi_arena *a, struct phi_bundle_view *ret, struct phi_err *err)
{
    struct core_bundle_row row;
    PHI_TRY(core_batched(c, err));
    *ret = (struct phi_bundle_view){ 0 };
    if (c->st.bundle_version == 0)
        return PHI_OK;
    PHI_TRY(bundle_row(c, a, &row, err));
    *ret = (struct phi_bundle_view){ row.hash, row.version, row.schema, row.policies, row.requirements };
    return PHI_OK;
}

/* Against what is live; where that does not load, all of it is new. */
static struct phi_view changes(struct phi_core *c, struct phi_arena *a, const struct phi_bundle *b)
{
    PHI_BUF(text, 1 << 16);
    struct phi_jw w;
    const char *why = c->why;
    bool known = core_bundle_load(c, NULL) == PHI_OK;
    c->why = why;
    phi_jw_init(&w, &text);
    phi_bundle_diff(&w, known ? c->bundle : NULL, b);
    return phi_arena_copy(a, phi_buf_view(&text));
}

static enum phi_rc go_live(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           const struct phi_bundle_text *text, struct phi_bundle *b, struct phi_err *err)
{
    struct phi_digest hash = phi_bundle_hash(b);
    struct core_bundle_row row = { (int64_t)text->version, core_hex(a, &hash), text->schema,
                                   text->policies,         text->requirements, core_wall(c) };
    enum phi_rc rc = core_add(c, CORE_BUNDLE, &row, err);
    if (rc != PHI_OK) {
        phi_bundle_close(b);
        return rc;
    }
    struct phi_view diff = changes(c, a, b);
    c->st.bundle_version = row.version;
    c->st_dirty = true;
    keep(c, b, text);
    core_snapshot_changed(c, (struct phi_view){ 0 });
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_BUNDLE_LIVE, by);
    phi_entry_hash(&e, PHI_F_BUNDLE, &hash);
    phi_entry_int(&e, PHI_F_BUNDLE_VERSION, row.version);
    phi_entry_json(&e, PHI_F_CHANGES, diff);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    return core_grants_redecide(c, err);
}

enum phi_rc phi_bundle_check(struct phi_core *c, const struct phi_bundle_text *text, struct phi_err *err)
{
    struct phi_bundle *b;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(phi_bundle_load(text, &b, err));
    enum phi_rc rc = core_rights_known(c, b, err);
    phi_bundle_close(b);
    return rc;
}

enum phi_rc phi_bundle_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           struct phi_view schema, struct phi_view policies, struct phi_view requirements,
                           struct phi_bundle_view *ret, struct phi_err *err)
{
    struct phi_bundle *b;
    PHI_TRY(core_need(c, by, PHI_RIGHT_POLICY, err));
    if (schema.n + policies.n + requirements.n > PHI_MAX_BUNDLE)
        return phi_fail(err, PHI_ELIMIT, "a bundle is at most %d bytes", PHI_MAX_BUNDLE);
    struct phi_bundle_text text = { schema, policies, requirements, (uint64_t)c->st.bundle_version + 1 };
    struct phi_digest hash = phi_bundle_text_hash(&text);
    PHI_TRY(phi_bundle_get(c, a, ret, err));
    if (phi_view_eq(ret->hash, core_hex(a, &hash)))
        return PHI_OK;
    PHI_TRY(phi_bundle_load(&text, &b, err));
    enum phi_rc rc = core_rights_known(c, b, err);
    if (rc != PHI_OK) {
        phi_bundle_close(b);
        return rc;
    }
    PHI_TRY(go_live(c, a, by, &text, b, err));
    PHI_TRY(core_rights_check(c, err));
    PHI_TRY(core_entities_fit(c, err));
    return phi_bundle_get(c, a, ret, err);
}
