/* One world over another: a request's own entities over those of an organisation, whose numbers stay. */
#include "policy/comp.h"

#include <string.h>

uint32_t comp_world_types(const struct phi_world *w)
{
    return w->base->names.n_types + (comp_is_upper(w) ? w->names.n_types : 0);
}

uint32_t comp_world_type(const struct phi_world *w, const struct comp_str *name)
{
    uint32_t at = comp_type_find(&w->base->names, name);
    if (at != COMP_NONE || !comp_is_upper(w))
        return at;
    at = comp_type_find(&w->names, name);
    return at == COMP_NONE ? COMP_NONE : w->base->names.n_types + at;
}

uint32_t comp_world_uid(const struct phi_world *w, uint32_t type, const struct comp_str *id)
{
    const struct comp_names *base = &w->base->names;
    uint32_t at = type < base->n_types ? comp_uid_find(base, type, id) : COMP_NONE;
    if (at != COMP_NONE || !comp_is_upper(w))
        return at;
    at = comp_uid_find(&w->names, type, id);
    return at == COMP_NONE ? COMP_NONE : base->n_ents + at;
}

static uint32_t put_type(struct phi_world *w, const struct comp_str *name)
{
    uint32_t at = name ? comp_world_type(w, name) : COMP_NONE;
    if (!name || at != COMP_NONE)
        return at;
    at = comp_type_put(&w->names, name);
    return at == COMP_NONE || !comp_is_upper(w) ? at : w->base->names.n_types + at;
}

uint32_t comp_world_put(struct phi_world *w, struct phi_uid uid)
{
    uint32_t type = put_type(w, comp_str_put(&w->strs, &w->arena, uid.type));
    const struct comp_str *id = comp_str_put(&w->strs, &w->arena, uid.id);
    uint32_t at = id && type != COMP_NONE ? comp_world_uid(w, type, id) : COMP_NONE;
    if (at != COMP_NONE)
        return at;
    at = comp_uid_put(&w->names, type, id);
    return at == COMP_NONE || !comp_is_upper(w) ? at : w->base->names.n_ents + at;
}

/* Where it stands in `over`, or would. */
static uint32_t over_at(const struct phi_world *w, uint32_t id)
{
    uint32_t lo = 0, hi = w->n_over;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (w->over[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct comp_ent *comp_upper_ent(const struct phi_world *w, uint32_t id)
{
    const struct comp_names *base = &w->base->names;
    if (id >= base->n_ents)
        return &w->names.ents[id - base->n_ents];
    const struct comp_ent *e = &base->ents[id];
    uint32_t at = e->present || w->n_over == 0 ? w->n_over : over_at(w, id);
    return at < w->n_over && w->over[at].id == id ? &w->over[at].ent : e;
}

struct comp_ent *comp_world_own(struct phi_world *w, uint32_t id)
{
    uint32_t first = comp_is_upper(w) ? w->base->names.n_ents : 0;
    if (id >= first)
        return &w->names.ents[id - first];
    uint32_t at = over_at(w, id);
    return at < w->n_over && w->over[at].id == id ? &w->over[at].ent : NULL;
}

static enum phi_rc refuse(struct phi_uid uid, const char *why, struct phi_err *err)
{
    return phi_fail(err, PHI_ECONFLICT, "entity " PHI_FMT "::\"" PHI_FMT "\" %s", PHI_ARG(phi_view_upto(uid.type, 60)),
                    PHI_ARG(phi_view_upto(uid.id, 100)), why);
}

/* It has a number below, and is told of here. */
static enum phi_rc enter_over(struct phi_world *w, uint32_t id, struct phi_uid uid, struct phi_err *err)
{
    struct comp_ent *below = &w->base->names.ents[id];
    uint32_t at = over_at(w, id);
    if (below->present)
        return refuse(uid, "is there already", err);
    if (below->above) /* what is below would then be in more than its own world says */
        return refuse(uid, "is above entities that are there already, so it cannot be told of with a request", err);
    if (!comp_grow(&w->over, w->n_over, &w->cap_over, sizeof *w->over))
        return phi_fail(err, PHI_ELIMIT, "too many entities: over %zu bytes", w->arena.limit);
    memmove(&w->over[at + 1], &w->over[at], (w->n_over - at) * sizeof *w->over);
    w->n_over++;
    w->over[at] = (struct comp_over){ id, { .type = below->type, .id = below->id, .mark = below->mark } };
    return PHI_OK;
}

enum phi_rc comp_world_enter(struct phi_world *w, uint32_t id, struct phi_uid uid, struct comp_ent **ret, struct phi_err *err)
{
    struct comp_ent *e = comp_world_own(w, id);
    if (e && e->present)
        return refuse(uid, "is there already", err);
    if (!e)
        PHI_TRY(enter_over(w, id, uid, err));
    e = comp_world_own(w, id);
    e->present = true;
    e->upper = comp_is_upper(w);
    *ret = e;
    return PHI_OK;
}
