#include "core/outbox_in.h"
#include "core/oncall.h"

#include <stdlib.h>
#include <string.h>

#include "core/ahead.h"

#define ENDLESS_ARENA ((size_t)256 * 1024 * 1024)

const char *phi_core_why(const struct phi_core *c)
{
    return c->why ? c->why : "";
}

enum phi_rc core_batched(struct phi_core *c, struct phi_err *err)
{
    c->why = "";
    return c->in_batch ? PHI_OK : phi_fail(err, PHI_EIO, "a verb of core was called outside a batch");
}

/* ---- store, short */

enum phi_rc core_add(struct phi_core *c, enum core_table t, const void *row, struct phi_err *err)
{
    return c->store->ops->add(c->store->self, t, row, err);
}

enum phi_rc core_set(struct phi_core *c, enum core_table t, const void *row, struct phi_err *err)
{
    return c->store->ops->set(c->store->self, t, row, err);
}

enum phi_rc core_del(struct phi_core *c, enum core_table t, const void *key, struct phi_err *err)
{
    return c->store->ops->del(c->store->self, t, key, err);
}

enum phi_rc core_get(struct phi_core *c, enum core_table t, int ix, const void *key, struct phi_arena *a, void *ret,
                     struct phi_err *err)
{
    return c->store->ops->get(c->store->self, t, ix, key, a, ret, err);
}

enum phi_rc core_list(struct phi_core *c, enum core_table t, int ix, const void *key, struct core_span span,
                      struct phi_arena *a, void *ret_rows, size_t *ret_n, struct phi_err *err)
{
    return c->store->ops->list(c->store->self, t, ix, key, &span, a, ret_rows, ret_n, err);
}

/* ---- events out */

int64_t core_next_seq(struct phi_core *c)
{
    c->st_dirty = true;
    return ++c->st.seq;
}

void core_say(struct phi_core *c, const struct phi_event *event)
{
    if ((c->n_said & (c->n_said + 1)) == 0) { /* full at 0, 1, 3, 7, …: room for twice as many */
        struct phi_event *more = phi_arena_array(&c->said_arena, 2 * c->n_said + 1, sizeof *more);
        if (!more)
            return; /* the arena is bad now: the batch will fail */
        if (c->n_said)
            memcpy(more, c->said, c->n_said * sizeof *more);
        c->said = more;
    }
    struct phi_event *e = &c->said[c->n_said++];
    struct phi_view *v[] = { &e->request, &e->code,      &e->grant,  &e->status,
                             &e->reason,  &e->principal, &e->target, &e->gateway };
    *e = *event;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        *v[i] = phi_arena_copy(&c->said_arena, *v[i]);
    if (e->seq == 0)
        e->seq = core_next_seq(c);
}

void core_snapshot_changed(struct phi_core *c, struct phi_view target)
{
    c->st.snapshot_seq = core_next_seq(c);
    core_say(c, &(struct phi_event){ .kind = PHI_EVENT_SNAPSHOT, .seq = c->st.snapshot_seq, .target = target });
}

void core_world_changed(struct phi_core *c)
{
    c->st.world++;
    c->st_dirty = true;
}

/* ---- the head row */

static enum phi_rc head_read(struct phi_core *c, struct phi_err *err)
{
    struct core_state_row key = { 0 };
    PHI_TRY(core_get(c, CORE_STATE, CORE_BY_KEY, &key, &c->said_arena, &c->st, err));
    size_t peaks = phi_tree_peaks((uint64_t)c->st.size);
    if (c->st.size < 0 || c->st.peaks.n != peaks * PHI_SHA256_LEN)
        return phi_fail(err, PHI_ECORRUPT, "the log's head row does not fit its size %lld", (long long)c->st.size);
    PHI_TRY(core_boots_read(c, err));
    memset(&c->tree, 0, sizeof c->tree);
    c->tree.size = (uint64_t)c->st.size;
    if (peaks)
        memcpy(c->tree.peak, c->st.peaks.p, c->st.peaks.n);
    c->st_dirty = false;
    return PHI_OK;
}

static enum phi_rc head_write(struct phi_core *c, struct phi_err *err)
{
    if (!c->st_dirty)
        return PHI_OK;
    c->st.peaks = phi_view_mem(c->tree.peak, phi_tree_peaks(c->tree.size) * PHI_SHA256_LEN);
    c->st.size = (int64_t)c->tree.size;
    c->st.anchor_wall = core_wall(c);
    c->st.anchor_boot = c->clock->boot_ms(c->clock->self);
    return core_set(c, CORE_STATE, &c->st, err);
}

/* ---- batches */

struct mark {
    struct core_state_row st;
    struct phi_tree tree;
    bool dirty;
    size_t said;
};

static void mark_take(const struct phi_core *c, struct mark *m)
{
    *m = (struct mark){ c->st, c->tree, c->st_dirty, c->n_said };
}

static void mark_restore(struct phi_core *c, const struct mark *m)
{
    /* A number that was given back may be taken again with other content: forget what was cached for it. */
    if (c->st.world != m->st.world)
        c->world_loaded = c->facts_loaded = c->on_call_loaded = -1;
    if (c->st.bundle_version != m->st.bundle_version)
        c->bundle_loaded = -1;
    c->st = m->st;
    c->tree = m->tree;
    c->st_dirty = m->dirty;
    c->n_said = m->said;
}

enum phi_rc core_run_one(struct phi_core *c, struct phi_core_cmd *cmd, struct phi_err *err)
{
    const struct phi_store_ops *s = c->store->ops;
    struct mark m;
    PHI_TRY(s->mark(c->store->self, err));
    mark_take(c, &m);
    cmd->err = (struct phi_err){ 0 };
    c->why = "";
    cmd->rc = cmd->run(c, cmd->arg, &cmd->err);
    if (cmd->rc == PHI_OK)
        cmd->rc = core_outbox_note(c, m.said, &cmd->err);
    cmd->why = cmd->rc == PHI_OK ? "" : phi_core_why(c);
    if (cmd->rc == PHI_OK)
        return s->unmark(c->store->self, err);
    mark_restore(c, &m);
    return s->back(c->store->self, err);
}

static enum phi_rc run_all(struct phi_core *c, struct phi_core_cmd *cmds, size_t n, struct phi_err *err)
{
    PHI_TRY(core_on_call_expire(c, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_run_one(c, &cmds[i], err));
    PHI_TRY(core_await_run(c, err));
    PHI_TRY(head_write(c, err));
    if (!phi_arena_ok(&c->said_arena))
        return phi_fail(err, PHI_ELIMIT, "too much happened at once; ask again");
    if (c->store->ops->say && c->n_said)
        PHI_TRY(c->store->ops->say(c->store->self, c->said, c->n_said, err));
    return c->store->ops->commit(c->store->self, err);
}

static void tell(struct phi_core *c, uint64_t size_before)
{
    if (c->notifier && c->n_said)
        c->notifier->fan_out(c->notifier->self, c->said, c->n_said);
    if (c->signer && c->tree.size > size_before) {
        struct phi_digest root = phi_tree_root(&c->tree);
        c->signer->want(c->signer->self, (int64_t)c->tree.size, &root);
    }
}

enum phi_rc phi_core_batch(struct phi_core *c, struct phi_core_cmd *cmds, size_t n, struct phi_err *err)
{
    if (c->in_batch)
        return phi_fail(err, PHI_EIO, "a batch was begun inside a batch");
    PHI_TRY(c->store->ops->begin(c->store->self, err));
    struct mark m = { 0 };
    c->in_batch = true;
    enum phi_rc rc = head_read(c, err);
    mark_take(c, &m);
    if (rc == PHI_OK)
        rc = core_ahead_all(c, cmds, n, err);
    if (rc == PHI_OK)
        rc = run_all(c, cmds, n, err);
    c->in_batch = false;
    if (rc == PHI_OK) {
        tell(c, m.tree.size);
    } else {
        c->store->ops->rollback(c->store->self);
        mark_restore(c, &m);
        c->world_loaded = c->bundle_loaded = c->facts_loaded = c->on_call_loaded = -1;
    }
    c->n_said = 0;
    c->said = NULL;
    phi_arena_done(&c->said_arena);
    return rc;
}

enum phi_rc phi_core_do(struct phi_core *c, enum phi_rc (*run)(struct phi_core *, void *, struct phi_err *), void *arg,
                        struct phi_err *err)
{
    struct phi_core_cmd cmd = { .run = run, .arg = arg };
    PHI_TRY(phi_core_batch(c, &cmd, 1, err));
    if (cmd.rc != PHI_OK && err)
        *err = cmd.err;
    c->why = cmd.why;
    return cmd.rc;
}

/* ---- life */

static enum phi_rc first_leaf(struct phi_core *c, const char *key, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_LOG_OPENED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_str(&e, PHI_F_ORIGIN, phi_view_of(c->origin));
    phi_entry_str(&e, PHI_F_KEY, phi_view_of(key));
    return core_leaf(c, &e, NULL, NULL, err);
}

/* In the transaction of opening: the head row comes to be, or is read; then time is settled. */
static enum phi_rc open_steps(struct phi_core *c, const char *key, struct phi_err *err)
{
    struct core_state_row st = { 0 };
    PHI_ARENA(a, 1 << 20);
    enum phi_rc rc = core_get(c, CORE_STATE, CORE_BY_KEY, &st, &a, &st, NULL);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return phi_fail(err, rc, "the log's head row cannot be read");
    if (rc == PHI_ENOTFOUND)
        PHI_TRY(core_add(c, CORE_STATE, &(struct core_state_row){ .id = 0 }, err));
    PHI_TRY(head_read(c, err));
    PHI_TRY(core_time_settle(c, err));
    if (c->st.size == 0)
        PHI_TRY(first_leaf(c, key, err));
    c->st_dirty = true;
    PHI_TRY(head_write(c, err));
    return c->store->ops->commit(c->store->self, err);
}

static enum phi_rc open_begun(struct phi_core *c, const char *key, struct phi_err *err)
{
    PHI_TRY(c->store->ops->begin(c->store->self, err));
    c->in_batch = true;
    enum phi_rc rc = open_steps(c, key, err);
    c->in_batch = false;
    if (rc != PHI_OK)
        c->store->ops->rollback(c->store->self);
    c->n_said = 0;
    c->said = NULL;
    phi_arena_done(&c->said_arena);
    return rc;
}

enum phi_rc phi_core_open(const struct phi_core_config *config, struct phi_core **ret, struct phi_err *err)
{
    struct phi_core *c = calloc(1, sizeof *c);
    if (!c)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    c->store = config->store;
    c->clock = config->clock;
    c->rng = config->rng;
    c->signer = config->signer;
    c->notifier = config->notifier;
    c->places = config->places;
    c->networks = config->networks;
    c->n_networks = config->n_networks;
    c->world_loaded = c->bundle_loaded = c->facts_loaded = c->on_call_loaded = -1;
    phi_arena_init(&c->said_arena, ENDLESS_ARENA);
    c->origin = strdup(config->origin);
    enum phi_rc rc = c->origin ? open_begun(c, config->key, err) : phi_fail(err, PHI_ELIMIT, "out of memory");
    if (rc != PHI_OK) {
        phi_core_close(c);
        return rc;
    }
    *ret = c;
    return PHI_OK;
}

void phi_core_close(struct phi_core *c)
{
    if (!c)
        return;
    core_await_close(c);
    core_ready_drop(c);
    phi_scratch_close(c->scratch);
    phi_entities_close(c->world);
    phi_judge_drop(c->judge);
    phi_bundle_close(c->bundle);
    phi_arena_done(&c->facts_arena);
    phi_arena_done(&c->said_arena);
    free(c->origin);
    free(c);
}
