#include "core/ahead.h"

#include <string.h>

#include "core/inner.h"

#define MOST_READS  4096 /* of a round; more are read when they are needed */
#define MOST_ROUNDS 6

struct core_ahead {
    struct phi_core *c;
    struct phi_arena a; /* the rows, and the keys */
    struct core_read *reads;
    size_t n;
};

struct phi_core *core_ahead_core(struct core_ahead *h)
{
    return h->c;
}

struct phi_arena *core_ahead_arena(struct core_ahead *h)
{
    return &h->a;
}

static bool at_hand(struct core_ahead *h, const struct core_read *r)
{
    return h->c->store->ops->at_hand(h->c->store->self, r);
}

static void note(struct core_ahead *h, const struct core_read *r)
{
    size_t size = core_table_of(r->table)->size;
    void *key = h->n < MOST_READS ? phi_arena_alloc(&h->a, size) : NULL;
    if (!key)
        return;
    memcpy(key, r->key, size);
    h->reads[h->n] = *r;
    h->reads[h->n++].key = key;
}

enum core_hand core_ahead_get(struct core_ahead *h, enum core_table t, int ix, const void *key, void *ret)
{
    struct core_read r = { .table = t, .ix = ix, .key = key };
    if (at_hand(h, &r))
        return ret && core_get(h->c, t, ix, key, &h->a, ret, NULL) == PHI_OK ? CORE_HAND_ROW : CORE_HAND_NONE;
    note(h, &r);
    return CORE_HAND_WAITS;
}

void core_ahead_list(struct core_ahead *h, enum core_table t, int ix, const void *key, struct core_span span)
{
    struct core_read r = { .table = t, .ix = ix, .list = true, .key = key, .span = span };
    if (!at_hand(h, &r))
        note(h, &r);
}

void core_ahead_leaf(struct core_ahead *h, int64_t idx)
{
    core_ahead_get(h, CORE_LEAF, CORE_BY_KEY, &(struct core_leaf_row){ .idx = idx }, NULL);
}

bool core_ahead_root(struct core_ahead *h, struct phi_view person, struct phi_view *ret)
{
    struct core_person_row row, key = { .id = person };
    if (core_ahead_get(h, CORE_PERSON, CORE_BY_KEY, &key, &row) != CORE_HAND_ROW)
        return false;
    key.id = *ret = row.same_as.n ? row.same_as : row.id;
    return core_ahead_get(h, CORE_PERSON, CORE_BY_KEY, &key, NULL) != CORE_HAND_WAITS;
}

/* One round; *ret_more: something was fetched, so more may be known to be wanted. */
static enum phi_rc round_of(struct core_ahead *h, const struct phi_core_cmd *cmds, size_t n, bool *ret_more, struct phi_err *err)
{
    h->n = 0;
    for (size_t i = 0; i < n; i++)
        if (cmds[i].foresee)
            cmds[i].foresee(h->c, cmds[i].arg, h);
    *ret_more = h->n > 0;
    return h->n ? h->c->store->ops->ahead(h->c->store->self, h->reads, h->n, err) : PHI_OK;
}

enum phi_rc core_ahead_all(struct phi_core *c, const struct phi_core_cmd *cmds, size_t n, struct phi_err *err)
{
    bool any = false, more = true;
    for (size_t i = 0; i < n; i++)
        any |= cmds[i].foresee != NULL;
    if (!any || !c->store->ops->ahead)
        return PHI_OK;
    PHI_ARENA(mem, MOST_READS * sizeof(struct core_read) + 64);
    struct core_ahead h = { .c = c, .a = { .limit = (size_t)64 << 20 }, .reads = phi_arena_array(&mem, MOST_READS, sizeof *h.reads) };
    enum phi_rc rc = h.reads ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
    for (int i = 0; i < MOST_ROUNDS && more && rc == PHI_OK; i++)
        rc = round_of(&h, cmds, n, &more, err);
    phi_arena_done(&h.a);
    return rc;
}
