/* The audit log, read-only. */
#include "api/handlers.h"
#include "core/log.h"
#include "core/succession.h"
#include "core/witness.h"
#include "proof/receipt.h"

#define MAX_INDEX ((int64_t)1 << 53)

static enum phi_rc text_answer(struct api_call *c, struct phi_view text)
{
    c->status = 200;
    c->type = "text/plain; charset=utf-8";
    phi_buf_add(&c->out, text);
    return PHI_OK;
}

/* What is answered speaks of the head that everybody sees, with its cosignatures. */
static enum phi_rc head_shown(struct api_call *c, struct phi_log_head *h, struct phi_err *err)
{
    PHI_TRY(phi_log_get_head(c->core, &c->arena, h, err));
    return phi_log_published(c->core, &c->arena, &h->checkpoint, &h->checkpoint_size, err);
}

enum phi_rc api_log_checkpoint(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head h;
    PHI_TRY(head_shown(c, &h, err));
    if (!h.checkpoint.n)
        return phi_fail(err, PHI_ENOTFOUND, "nothing is published yet: no head is signed, or not enough witnesses have cosigned one");
    return text_answer(c, h.checkpoint);
}

enum phi_rc api_log_key(struct api_call *c, struct phi_err *err)
{
    struct phi_log_step *steps;
    struct phi_vkey key = { 0 };
    struct phi_succession s;
    size_t n;
    struct phi_log_head h;
    PHI_TRY(phi_vkey_read(c->env->log_key, &key, err));
    PHI_TRY(head_shown(c, &h, err));
    PHI_TRY(phi_log_steps(c->core, &c->arena, &steps, &n, err));
    /* One that was changed while this phid runs, as soon as it has signed the head that everybody sees. */
    for (size_t i = 0; i < n && !(h.checkpoint.n && phi_note_names(h.checkpoint, &key)); i++)
        if (phi_succession_read(steps[i].text, &s, NULL) == PHI_OK && phi_vkey_eq(&s.from, &key))
            key = s.to;
    phi_vkey_write(&c->out, &key);
    phi_buf_addc(&c->out, '\n');
    return text_answer(c, (struct phi_view){ 0 });
}

/* ---- under which keys the log went on ---- */

enum phi_rc api_log_steps(struct api_call *c, struct phi_err *err)
{
    struct phi_log_step *steps;
    size_t n;
    PHI_TRY(phi_log_steps(c->core, &c->arena, &steps, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "steps");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_ki(w, "n", steps[i].n);
        phi_jw_kc(w, "kind", steps[i].kind == PHI_SUCCESSION_ROTATED ? "rotated" : "restored");
        phi_jw_kv(w, "text", steps[i].text);
        phi_jw_kv(w, "note", steps[i].note);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_log_vouch(struct api_call *c, struct phi_err *err)
{
    int64_t n;
    if (!phi_view_int(c->params[0], &n))
        return phi_fail(err, PHI_EINPUT, "the step's number must be a whole number");
    PHI_TRY(phi_log_vouch(c->core, &c->actor, n, phi_json_text(c->body, "note"), err));
    phi_jw_end(api_answer(c, 200));
    return PHI_OK;
}

static void hashes_write(struct phi_jw *w, const struct phi_digest *h, size_t n)
{
    phi_jw_key(w, "hashes");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_jw_hex(w, phi_digest_view(&h[i]));
    phi_jw_end(w);
}

/* Both sizes default to what is signed, so that an answer speaks of a tree somebody can check. */
enum phi_rc api_log_consistency(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_digest *h;
    size_t n;
    int64_t from, to;
    PHI_TRY(head_shown(c, &head, err));
    PHI_TRY(api_query_int(c, "from", 0, MAX_INDEX, 0, &from, err));
    PHI_TRY(api_query_int(c, "to", 0, MAX_INDEX, head.checkpoint_size, &to, err));
    PHI_TRY(phi_log_consistency(c->core, &c->arena, from, to, &h, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "from", from);
    phi_jw_ki(w, "to", to);
    hashes_write(w, h, n);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_log_proof(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_digest leaf, *h;
    size_t n;
    int64_t index, size;
    PHI_TRY(head_shown(c, &head, err));
    PHI_TRY(api_query_int(c, "index", 0, MAX_INDEX, -1, &index, err));
    PHI_TRY(api_query_int(c, "size", 1, MAX_INDEX, head.checkpoint_size, &size, err));
    if (index < 0)
        return phi_fail(err, PHI_EINPUT, "\"index\" is missing");
    PHI_TRY(phi_log_inclusion(c->core, &c->arena, index, size, &leaf, &h, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "index", index);
    phi_jw_ki(w, "size", size);
    phi_jw_key(w, "leaf_hash");
    phi_jw_hex(w, phi_digest_view(&leaf));
    hashes_write(w, h, n);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_log_entries(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_view *e;
    size_t n;
    int64_t from, limit;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &head, err));
    PHI_TRY(api_query_int(c, "from", 0, MAX_INDEX, 0, &from, err));
    PHI_TRY(api_query_int(c, "limit", 1, 1000, 1000, &limit, err));
    PHI_TRY(phi_log_entries(c->core, &c->arena, from, limit, &e, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "size", head.size);
    phi_jw_key(w, "entries");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_jw_str(w, e[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

/* ---- C2SP tlog-tiles ---- */

static enum phi_rc tile_answer(struct api_call *c, const struct phi_tile *t, bool person, struct phi_err *err)
{
    PHI_TRY(phi_log_tile(c->core, &c->arena, t, &c->out, err));
    c->status = 200;
    c->type = "application/octet-stream";
    c->cache = person ? "private, max-age=31536000, immutable" : "public, max-age=31536000, immutable";
    return PHI_OK;
}

/* Hashes tell nothing of what was logged; entries are for those who may read the log. */
enum phi_rc api_log_tile(struct api_call *c, struct phi_err *err)
{
    struct phi_tile t;
    if (phi_tile_read(c->params[0], &t, err) != PHI_OK || t.entries)
        return phi_fail(err, PHI_ENOTFOUND, "this is no tile's path");
    return tile_answer(c, &t, false, err);
}

enum phi_rc api_log_bundle(struct api_call *c, struct phi_err *err)
{
    struct phi_tile t;
    struct phi_view path = phi_arena_printf(&c->arena, "entries/" PHI_FMT, PHI_ARG(c->params[0]));
    if (phi_tile_read(path, &t, err) != PHI_OK)
        return phi_fail(err, PHI_ENOTFOUND, "this is no entry bundle's path");
    return tile_answer(c, &t, true, err);
}

/* ---- C2SP tlog-proof ---- */

static enum phi_rc receipt_fill(struct api_call *c, int64_t index, const struct phi_log_head *head, struct phi_receipt *r,
                                struct phi_err *err)
{
    struct phi_digest leaf, *h;
    struct phi_view *entry;
    size_t n, n_entries;
    PHI_TRY(phi_log_inclusion(c->core, &c->arena, index, head->checkpoint_size, &leaf, &h, &n, err));
    PHI_TRY(phi_log_entries(c->core, &c->arena, index, 1, &entry, &n_entries, err));
    struct phi_digest hash = n_entries ? phi_leaf_hash(entry[0]) : leaf;
    if (n_entries != 1 || n > PHI_TREE_PROOF_MAX || !phi_digest_eq(&hash, &leaf))
        return phi_fail(err, PHI_ECORRUPT, "entry %lld of the log is not what was hashed", (long long)index);
    *r = (struct phi_receipt){ .entry = entry[0], .index = (uint64_t)index, .checkpoint = head->checkpoint };
    r->proof.n = n;
    for (size_t i = 0; i < n; i++)
        r->proof.hash[i] = h[i];
    return PHI_OK;
}

enum phi_rc api_log_receipt(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_receipt r;
    int64_t index;
    PHI_TRY(head_shown(c, &head, err));
    if (!phi_view_int(c->params[0], &index) || index < 0 || index > MAX_INDEX)
        return phi_fail(err, PHI_EINPUT, "the entry's number must be a whole number");
    if (index >= head.checkpoint_size)
        return phi_fail(err, PHI_ENOTFOUND, "the signed log has %lld entries", (long long)head.checkpoint_size);
    PHI_TRY(receipt_fill(c, index, &head, &r, err));
    phi_receipt_write(&c->out, &r);
    c->status = 200;
    c->type = "text/plain; charset=utf-8";
    return PHI_OK;
}
