#include "core/replay.h"

#include "base/map.h"
#include "core/context.h"
#include "core/request_in.h"
#include "policy/entities.h"

#define REPLAY_MAX ((size_t)48 << 20) /* bytes of one answer's lists, each */
#define ENTITIES_MAX 1000000

struct replaying {
    struct phi_core *c;
    struct phi_arena *a; /* of the answer; a request has its own */
    struct phi_jw *requests, *entities;
    struct phi_map *known; /* entities that are written */
};

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "there is too much for one answer; ask for fewer at once");
}

/* ---- entities */

static void uid_write(struct phi_jw *w, struct phi_uid uid)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "type", uid.type);
    phi_jw_kv(w, "id", uid.id);
    phi_jw_end(w);
}

static enum phi_rc entity_write(struct replaying *r, const struct cedar_entity *e, struct phi_err *err)
{
    PHI_BUF(name, 1 << 16);
    phi_uid_write(&name, e->uid);
    if (phi_map_get(r->known, phi_buf_view(&name)))
        return PHI_OK;
    if (!phi_buf_ok(&name) || !phi_map_put(r->known, phi_buf_view(&name), r))
        return full(err);
    struct phi_jw *w = r->entities;
    phi_jw_obj(w);
    phi_jw_key(w, "uid");
    uid_write(w, e->uid);
    phi_jw_key(w, "attrs");
    phi_value_write(w, e->attrs);
    phi_jw_key(w, "parents");
    phi_jw_arr(w);
    for (size_t i = 0; i < e->n_parents; i++)
        uid_write(w, e->parents[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc entities_write(struct replaying *r, const struct phi_entities *es, struct phi_err *err)
{
    struct cedar_entities_walk at = { 0 };
    for (const struct cedar_entity *e; (e = cedar_entities_next(es, &at));)
        PHI_TRY(entity_write(r, e, err));
    return PHI_OK;
}

/* ---- requests */

static enum phi_rc ask_write(struct replaying *r, struct phi_arena *a, const struct core_request_row *row, const struct core_draft *d,
                             struct phi_ref who, const struct phi_pair *pair, struct phi_err *err)
{
    const struct core_case *q = &d->of;
    const struct phi_value *context;
    const struct phi_view *met;
    size_t n_met;
    struct core_moment m = { who.id, pair->resource, q->has_text, q->ticket, q->why, q->rated, q->risk, q->behalf, q->n_behalf, true, q->device, q->ticket_facts,
                             row->asked_ms };
    PHI_TRY(core_context_at(r->c, a, core_action_uid(pair->action), q->context, &m, &context, err));
    PHI_TRY(core_met_at_once(r->c, a, d, &met, &n_met, err));
    struct phi_jw *w = r->requests;
    phi_jw_obj(w);
    phi_jw_ki(w, "at", row->asked_ms);
    phi_jw_kv(w, "request", row->code);
    phi_jw_key(w, "principal");
    uid_write(w, (struct phi_uid){ who.type, who.id });
    phi_jw_key(w, "action");
    uid_write(w, core_action_uid(pair->action));
    phi_jw_key(w, "resource");
    uid_write(w, (struct phi_uid){ pair->resource.type, pair->resource.id });
    phi_jw_key(w, "context");
    phi_value_write(w, context);
    phi_jw_key(w, "met");
    phi_jw_arr(w);
    for (size_t i = 0; i < n_met; i++)
        phi_jw_str(w, met[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc draft_write(struct replaying *r, struct phi_arena *a, const struct core_request_row *row, const struct core_draft *d,
                               struct phi_err *err)
{
    struct phi_entities *es;
    PHI_TRY(core_case_entities(r->c, &d->of, &es, err));
    enum phi_rc rc = entities_write(r, es, err);
    phi_entities_close(es);
    PHI_TRY(rc);
    for (size_t i = 0; i < d->of.n_tries; i++)
        for (size_t k = 0; k <= d->of.n_behalf; k++)
            PHI_TRY(ask_write(r, a, row, d, k ? d->of.behalf[k - 1] : d->of.principal, &d->of.tries[i].pair, err));
    return PHI_OK;
}

static enum phi_rc row_write(struct replaying *r, const struct core_request_row *row, int64_t *erased, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_draft d;
    struct phi_err why = { 0 };
    PHI_TRY(core_row_check(r->c, CORE_REQUEST, row, row->leaf, row->leaf_hash, err));
    enum phi_rc rc = core_draft_of_row(r->c, &a, row, &d, &why);
    if (rc == PHI_ENOTFOUND || rc == PHI_EINPUT) { /* the scope's actions may have gone from the schema */
        *erased += rc == PHI_ENOTFOUND;
        return PHI_OK;
    }
    if (rc != PHI_OK)
        return phi_fail(err, rc, "%s", why.msg);
    return draft_write(r, &a, row, &d, err);
}

static enum phi_rc rows_write(struct replaying *r, const struct phi_replay_span *span, struct phi_replay *ret, struct phi_err *err)
{
    struct core_request_row *rows;
    size_t n;
    struct core_span page = { .limit = span->limit, .offset = span->skip };
    PHI_TRY(core_list(r->c, CORE_REQUEST, CORE_BY_KEY, NULL, page, r->a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        if (rows[i].asked_ms >= span->from_ms && rows[i].asked_ms < span->to_ms && !phi_view_is(rows[i].target, PHI_OWN_TARGET))
            PHI_TRY(row_write(r, &rows[i], &ret->erased, err));
    ret->next = (int64_t)n == span->limit ? span->skip + span->limit : 0;
    return PHI_OK;
}

static enum phi_rc all_write(struct replaying *r, const struct phi_replay_span *span, struct phi_replay *ret, struct phi_err *err)
{
    const struct phi_entities *world;
    phi_jw_arr(r->requests);
    phi_jw_arr(r->entities);
    PHI_TRY(core_world(r->c, &world, err));
    if (span->skip == 0)
        PHI_TRY(entities_write(r, world, err));
    PHI_TRY(rows_write(r, span, ret, err));
    phi_jw_end(r->requests);
    phi_jw_end(r->entities);
    return PHI_OK;
}

enum phi_rc phi_requests_replay(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                const struct phi_replay_span *span, struct phi_replay *ret, struct phi_err *err)
{
    PHI_BUF(requests, REPLAY_MAX);
    PHI_BUF(entities, REPLAY_MAX);
    struct phi_jw rw, ew;
    struct replaying r = { c, a, &rw, &ew, NULL };
    *ret = (struct phi_replay){ 0 };
    PHI_TRY(core_batched(c, err));
    if (!core_has(c, by, PHI_RIGHT_SEE_ALL) || !core_has(c, by, PHI_RIGHT_READ_LOG))
        return core_no(c, "right.missing", err, PHI_EDENIED, "what everybody asked is for those who see all and read the log");
    PHI_TRY(core_bundle_load(c, err));
    phi_jw_init(&rw, &requests);
    phi_jw_init(&ew, &entities);
    r.known = phi_map_open(ENTITIES_MAX);
    enum phi_rc rc = r.known ? all_write(&r, span, ret, err) : full(err);
    phi_map_close(r.known);
    PHI_TRY(rc);
    ret->requests = phi_arena_copy(a, phi_buf_view(&requests));
    ret->entities = phi_arena_copy(a, phi_buf_view(&entities));
    return phi_buf_ok(&requests) && phi_buf_ok(&entities) && phi_arena_ok(a) ? PHI_OK : full(err);
}
