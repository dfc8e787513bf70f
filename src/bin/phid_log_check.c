/* The log of a store that nobody serves from: rebuilt and held against what was signed. */
#include <stdio.h>

#include "bin/phid_backup.h"
#include "proof/succession.h"

#define PAGE 1000

struct walk {
    struct phi_tree tree;
    struct phi_checkpoint head; /* size 0: nothing is signed */
    bool head_holds;
};

/* A rotation that both of its keys have signed: the row alone says nothing. */
static bool step_open(const struct core_succession_row *row, struct phi_succession *ret)
{
    return phi_succession_read(row->text, ret, NULL) == PHI_OK && ret->kind == PHI_SUCCESSION_ROTATED &&
           phi_succession_open(row->note, &ret->from, NULL, 0, ret, NULL) == PHI_OK;
}

enum phi_rc phid_log_head(struct phi_store *s, struct phi_arena *a, struct phi_view note, bool onward, struct phi_vkey *key,
                          struct phi_checkpoint *ret, struct phi_err *err)
{
    struct core_succession_row *rows;
    struct phi_succession step;
    struct phi_vkey before = *key;
    size_t n;
    if (phi_checkpoint_open(note, key, ret, err) == PHI_OK)
        return PHI_OK;
    PHI_TRY(s->ops->list(s->self, CORE_SUCCESSION, CORE_BY_KEY, NULL, &(struct core_span){ 0 }, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (!step_open(&rows[i], &step))
            continue;
        if (phi_vkey_eq(&step.to, key))
            before = step.from;
        if (onward && phi_vkey_eq(&step.from, key))
            before = *key, *key = step.to;
        if (phi_checkpoint_open(note, key, ret, NULL) == PHI_OK)
            return PHI_OK;
    }
    *key = before;
    return phi_checkpoint_open(note, key, ret, err);
}

static enum phi_rc leaf_take(struct walk *w, const struct core_leaf_row *row, int64_t idx, struct phi_err *err)
{
    struct phi_digest hash = phi_leaf_hash(row->entry);
    if (row->idx != idx || !phi_view_eq(row->hash, phi_digest_view(&hash)))
        return phi_fail(err, PHI_ECORRUPT, "entry %llu of the log is missing or not what was hashed when it was written",
                        (unsigned long long)w->tree.size);
    if (!phi_tree_append(&w->tree, &hash, NULL, NULL))
        return phi_fail(err, PHI_ELIMIT, "the log is full");
    if (w->tree.size == w->head.size) {
        struct phi_digest root = phi_tree_root(&w->tree);
        w->head_holds = phi_digest_eq(&root, &w->head.root);
    }
    return PHI_OK;
}

static enum phi_rc leaves_walk(struct phi_store *s, const struct core_state_row *st, struct walk *w, struct phi_err *err)
{
    while ((int64_t)w->tree.size < st->size) {
        PHI_ARENA(a, (size_t)256 << 20);
        struct core_leaf_row *rows, key = { .idx = st->base + (int64_t)w->tree.size };
        struct core_span span = { .at_least = true, .limit = PAGE };
        size_t n;
        PHI_TRY(s->ops->list(s->self, CORE_LEAF, CORE_BY_KEY, &key, &span, &a, &rows, &n, err));
        if (n == 0)
            return phi_fail(err, PHI_ECORRUPT, "entry %llu of the log is missing", (unsigned long long)w->tree.size);
        for (size_t i = 0; i < n && (int64_t)w->tree.size < st->size; i++)
            PHI_TRY(leaf_take(w, &rows[i], key.idx + (int64_t)i, err));
    }
    return PHI_OK;
}

static enum phi_rc tree_check(struct phi_store *s, const struct core_state_row *st, struct walk *w, struct phi_err *err)
{
    if (st->note.n && (int64_t)w->head.size > st->size)
        return phi_fail(err, PHI_ECORRUPT, "the log has %lld entries and %llu were signed", (long long)st->size,
                        (unsigned long long)w->head.size);
    PHI_TRY(leaves_walk(s, st, w, err));
    struct phi_view peaks = phi_view_mem(w->tree.peak, phi_tree_peaks(w->tree.size) * PHI_SHA256_LEN);
    if (!phi_view_eq(peaks, st->peaks))
        return phi_fail(err, PHI_ECORRUPT, "the log's entries do not lead to its head");
    if (w->head.size && !w->head_holds)
        return phi_fail(err, PHI_ECORRUPT, "the log's entries do not lead to the head that was signed");
    return PHI_OK;
}

static enum phi_rc log_check(struct phi_store *s, struct phi_vkey key, struct phi_arena *a, struct phid_log_found *ret, struct phi_buf *note,
                             struct phi_err *err)
{
    struct core_state_row st, at = { 0 };
    struct walk w = { 0 };
    PHI_BUF(line, sizeof ret->key);
    PHI_TRY(s->ops->get(s->self, CORE_STATE, CORE_BY_KEY, &at, a, &st, err));
    if (st.note.n)
        PHI_TRY(phid_log_head(s, a, st.note, true, &key, &w.head, err));
    PHI_TRY(tree_check(s, &st, &w, err));
    phi_vkey_write(&line, &key);
    *ret = (struct phid_log_found){ .size = st.size, .root = phi_tree_root(&w.tree) };
    snprintf(ret->key, sizeof ret->key, PHI_FMT, PHI_ARG(phi_view_trim(phi_buf_view(&line))));
    if (note)
        phi_buf_add(note, st.note);
    return PHI_OK;
}

enum phi_rc phid_log_check(struct phi_store *s, const struct phi_vkey *key, struct phid_log_found *ret, struct phi_buf *note,
                           struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    PHI_TRY(s->ops->begin(s->self, err));
    enum phi_rc rc = log_check(s, *key, &a, ret, note, err);
    s->ops->rollback(s->self);
    return rc;
}
