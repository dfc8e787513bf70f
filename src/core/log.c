#include "core/log.h"

#include <string.h>

#include "core/inner.h"

#define MAX_PAGE 1000

struct node_io {
    struct phi_core *c;
    enum phi_rc rc;
    struct phi_err *err;
};

static int64_t node_level(const struct phi_core *c, unsigned level)
{
    return c->st.gen * 64 + level;
}

static void node_put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *hash)
{
    struct node_io *io = ctx;
    if (level == 0 || io->rc != PHI_OK)
        return;
    struct core_node_row row = { node_level(io->c, level), (int64_t)index, phi_digest_view(hash) };
    io->rc = core_add(io->c, CORE_NODE, &row, io->err);
}

static enum phi_rc leaf_row(struct phi_core *c, int64_t index, struct phi_arena *a, struct core_leaf_row *ret,
                            struct phi_err *err)
{
    struct core_leaf_row key = { .idx = index };
    PHI_TRY(core_get(c, CORE_LEAF, CORE_BY_KEY, &key, a, ret, err));
    if (ret->hash.n != PHI_SHA256_LEN)
        return phi_fail(err, PHI_ECORRUPT, "entry %lld of the log has no hash", (long long)index);
    return PHI_OK;
}

static enum phi_rc node_get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    struct node_io *io = ctx;
    PHI_ARENA(a, (size_t)1 << 20);
    struct phi_view hash;
    if (level == 0) {
        struct core_leaf_row leaf;
        PHI_TRY(leaf_row(io->c, io->c->st.base + (int64_t)index, &a, &leaf, io->err));
        hash = leaf.hash;
    } else {
        struct core_node_row node, key = { .level = node_level(io->c, level), .idx = (int64_t)index };
        PHI_TRY(core_get(io->c, CORE_NODE, CORE_BY_KEY, &key, &a, &node, io->err));
        hash = node.hash;
    }
    if (hash.n != PHI_SHA256_LEN)
        return phi_fail(io->err, PHI_ECORRUPT, "node %u/%llu of the log has no hash", level, (unsigned long long)index);
    memcpy(ret->b, hash.p, hash.n);
    return PHI_OK;
}

/* ---- appending */

struct phi_ref core_actor_ref(const struct phi_actor *by)
{
    switch (by->kind) {
    case PHI_ACTOR_PERSON:
        return phi_ref_of_who(by->id);
    case PHI_ACTOR_GATEWAY:
        return phi_ref_of("Gateway", by->id);
    case PHI_ACTOR_SYSTEM:
        return phi_ref_of("Service", PHI_LIT("phid"));
    case PHI_ACTOR_NOBODY:
        break;
    }
    return (struct phi_ref){ 0 };
}

void core_entry(struct phi_core *c, struct phi_entry *e, enum phi_ev ev, const struct phi_actor *by)
{
    phi_entry_init(e, ev, core_actor_ref(by), core_wall(c));
}

enum phi_rc core_leaf(struct phi_core *c, struct phi_entry *e, int64_t *ret_index, struct phi_digest *ret_hash,
                      struct phi_err *err)
{
    PHI_BUF(text, PHI_MAX_LOG_ENTRY);
    uint64_t n = c->tree.size;
    phi_entry_place(e, n);
    PHI_TRY(phi_entry_encode(&text, e, err));
    if (!phi_buf_ok(&text))
        return phi_fail(err, PHI_ELIMIT, "a log entry is over %d bytes", PHI_MAX_LOG_ENTRY);
    struct phi_digest hash = phi_leaf_hash(phi_buf_view(&text));
    struct core_leaf_row row = { c->st.base + (int64_t)n, phi_buf_view(&text), phi_digest_view(&hash) };
    PHI_TRY(core_add(c, CORE_LEAF, &row, err));
    struct node_io io = { c, PHI_OK, err };
    if (!phi_tree_append(&c->tree, &hash, node_put, &io))
        return phi_fail(err, PHI_ELIMIT, "the log is full");
    PHI_TRY(io.rc);
    c->st.size = (int64_t)c->tree.size;
    c->st_dirty = true;
    if (ret_index)
        *ret_index = row.idx;
    if (ret_hash)
        *ret_hash = hash;
    return PHI_OK;
}

enum phi_rc core_leaf_of(struct phi_core *c, struct phi_arena *a, struct phi_entry *e, enum core_table t, void *row,
                         int64_t *row_leaf, struct phi_view *row_leaf_hash, struct phi_err *err)
{
    struct phi_digest state = core_row_hash(t, row), hash;
    phi_entry_hash(e, PHI_F_STATE, &state);
    PHI_TRY(core_leaf(c, e, row_leaf, &hash, err));
    *row_leaf_hash = core_bytes(a, &hash);
    return PHI_OK;
}

enum phi_rc core_row_check(struct phi_core *c, enum core_table t, const void *row, int64_t leaf,
                           struct phi_view leaf_hash, struct phi_err *err)
{
    PHI_ARENA(a, 2 * PHI_MAX_LOG_ENTRY);
    struct core_leaf_row l;
    const char *what = core_table_of(t)->name;
    if (leaf < 0 || leaf >= c->st.base + c->st.size || leaf_row(c, leaf, &a, &l, NULL) != PHI_OK)
        return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "a row of %s names entry %lld, which the log lacks", what,
                       (long long)leaf);
    struct phi_digest hash = phi_leaf_hash(l.entry), state = core_row_hash(t, row);
    if (!phi_view_eq(phi_digest_view(&hash), l.hash) || !phi_view_eq(l.hash, leaf_hash))
        return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "entry %lld of the log is not what a row of %s says",
                       (long long)leaf, what);
    char want[16 + PHI_HEX_LEN] = "\"state\":\"";
    phi_digest_hex(&state, want + strlen(want));
    if (!memmem(l.entry.p, l.entry.n, want, strlen(want)))
        return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "a row of %s is not what entry %lld of the log says", what,
                       (long long)leaf);
    return PHI_OK;
}

/* ---- reading */

enum phi_rc phi_log_get_head(struct phi_core *c, struct phi_arena *a, struct phi_log_head *ret, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    *ret = (struct phi_log_head){ .size = c->st.size,
                                  .root = phi_tree_root(&c->tree),
                                  .origin = phi_arena_copy(a, phi_view_of(c->origin)),
                                  .checkpoint = phi_arena_copy(a, c->st.note),
                                  .checkpoint_size = c->st.note_size };
    return PHI_OK;
}

enum phi_rc phi_log_entries(struct phi_core *c, struct phi_arena *a, int64_t from, int64_t limit,
                            struct phi_view **ret, size_t *ret_n, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    if (from < 0 || limit < 1)
        return phi_fail(err, PHI_EINPUT, "from must be 0 or more and limit 1 or more");
    struct core_leaf_row *rows, key = { .idx = c->st.base + from };
    struct core_span span = { .at_least = true, .limit = limit < MAX_PAGE ? limit : MAX_PAGE };
    PHI_TRY(core_list(c, CORE_LEAF, CORE_BY_KEY, &key, span, a, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "too many entries at once");
    for (size_t i = 0; i < *ret_n; i++) {
        if (rows[i].idx != key.idx + (int64_t)i)
            return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "entry %lld of the log is missing",
                           (long long)from + (long long)i);
        (*ret)[i] = rows[i].entry;
    }
    return PHI_OK;
}

static enum phi_rc proof_out(struct phi_arena *a, const struct phi_tree_proof *p, struct phi_digest **ret,
                             size_t *ret_n, struct phi_err *err)
{
    *ret_n = p->n;
    *ret = phi_arena_array(a, p->n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    memcpy(*ret, p->hash, p->n * sizeof **ret);
    return PHI_OK;
}

static bool sizes_ok(const struct phi_core *c, int64_t small, int64_t size)
{
    return small >= 0 && size >= small && size <= c->st.size;
}

enum phi_rc phi_log_inclusion(struct phi_core *c, struct phi_arena *a, int64_t index, int64_t size,
                              struct phi_digest *ret_leaf, struct phi_digest **ret, size_t *ret_n,
                              struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    if (!sizes_ok(c, index, size) || index == size)
        return phi_fail(err, PHI_EINPUT, "the log has %lld entries", (long long)c->st.size);
    struct node_io io = { c, PHI_OK, err };
    struct phi_tree_proof p;
    PHI_TRY(node_get(&io, 0, (uint64_t)index, ret_leaf));
    PHI_TRY(phi_tree_inclusion((uint64_t)index, (uint64_t)size, node_get, &io, &p, err));
    return proof_out(a, &p, ret, ret_n, err);
}

enum phi_rc phi_log_consistency(struct phi_core *c, struct phi_arena *a, int64_t from, int64_t to,
                                struct phi_digest **ret, size_t *ret_n, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    if (!sizes_ok(c, from, to))
        return phi_fail(err, PHI_EINPUT, "the log has %lld entries", (long long)c->st.size);
    struct node_io io = { c, PHI_OK, err };
    struct phi_tree_proof p;
    PHI_TRY(phi_tree_consistency((uint64_t)from, (uint64_t)to, node_get, &io, &p, err));
    return proof_out(a, &p, ret, ret_n, err);
}

/* ---- tiles */

static enum phi_rc tile_leaves(struct phi_core *c, struct phi_arena *a, const struct phi_tile *t, struct phi_buf *ret,
                               struct phi_err *err)
{
    struct core_leaf_row *rows, key = { .idx = c->st.base + (int64_t)(t->index * PHI_TILE_WIDTH) };
    size_t n;
    PHI_TRY(core_list(c, CORE_LEAF, CORE_BY_KEY, &key, (struct core_span){ .at_least = true, .limit = t->width }, a, &rows,
                      &n, err));
    for (size_t i = 0; i < n && i < t->width; i++) {
        if (rows[i].idx != key.idx + (int64_t)i || rows[i].hash.n != PHI_SHA256_LEN)
            break;
        if (t->entries)
            PHI_TRY(phi_bundle_entry_add(ret, rows[i].entry, err));
        else
            phi_buf_add(ret, rows[i].hash);
        if (i + 1 == t->width)
            return PHI_OK;
    }
    return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "entries of the log are missing from %lld on",
                   (long long)(t->index * PHI_TILE_WIDTH));
}

static enum phi_rc tile_nodes(struct phi_core *c, struct phi_arena *a, const struct phi_tile *t, struct phi_buf *ret,
                              struct phi_err *err)
{
    struct core_node_row *rows, key = { .level = node_level(c, 8 * t->level), .idx = (int64_t)(t->index * PHI_TILE_WIDTH) };
    struct core_span span = { .prefix = 1, .at_least = true, .limit = t->width };
    size_t n;
    PHI_TRY(core_list(c, CORE_NODE, CORE_BY_KEY, &key, span, a, &rows, &n, err));
    for (size_t i = 0; i < n && i < t->width; i++) {
        if (rows[i].idx != key.idx + (int64_t)i || rows[i].hash.n != PHI_SHA256_LEN)
            break;
        phi_buf_add(ret, rows[i].hash);
        if (i + 1 == t->width)
            return PHI_OK;
    }
    return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "nodes of the log's tree are missing at level %u", 8 * t->level);
}

enum phi_rc phi_log_tile(struct phi_core *c, struct phi_arena *a, const struct phi_tile *t, struct phi_buf *ret,
                         struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    /* What is not signed yet is nobody's word, and a tile is kept for ever by those who fetch it. */
    if (!phi_tile_within(t, (uint64_t)c->st.note_size))
        return phi_fail(err, PHI_ENOTFOUND, "the signed log of %lld entries has no such tile", (long long)c->st.note_size);
    return t->level == 0 ? tile_leaves(c, a, t, ret, err) : tile_nodes(c, a, t, ret, err);
}

enum phi_rc phi_log_checkpoint_put(struct phi_core *c, int64_t size, struct phi_view note, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    if (size > c->st.size || size < 1)
        return phi_fail(err, PHI_EINPUT, "the log has %lld entries", (long long)c->st.size);
    if (size <= c->st.note_size)
        return PHI_OK;
    c->st.note = phi_arena_copy(&c->said_arena, note);
    c->st.note_size = size;
    c->st_dirty = true;
    return PHI_OK;
}
