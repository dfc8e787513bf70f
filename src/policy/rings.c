/* Entities that are in themselves over their parents. */
#include "policy/conform.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct visit { /* one entity on the way from child to parent */
    const struct cedar_entity *e;
    size_t next;
};

struct rings {
    const struct phi_entities *es;
    struct phi_map *seen; /* address of an entity -> &under_way or &done */
    struct visit *way;
    size_t n, cap;
    struct phi_err *err;
};

static char under_way, done;

static struct phi_view key_of(const struct cedar_entity *const *e)
{
    return phi_view_mem(e, sizeof(const struct cedar_entity *));
}

static enum phi_rc full(struct rings *r)
{
    return phi_fail(r->err, PHI_ELIMIT, "too many entities to look for rings");
}

static enum phi_rc push(struct rings *r, const struct cedar_entity *e)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        struct visit *more = realloc(r->way, cap * sizeof *more);
        if (!more)
            return full(r);
        r->way = more;
        r->cap = cap;
    }
    r->way[r->n++] = (struct visit){ .e = e };
    return phi_map_put(r->seen, key_of(&e), &under_way) ? PHI_OK : full(r);
}

static enum phi_rc step(struct rings *r)
{
    struct visit *v = &r->way[r->n - 1];
    if (v->next == v->e->n_parents) {
        r->n--;
        return phi_map_put(r->seen, key_of(&v->e), &done) ? PHI_OK : full(r);
    }
    const struct cedar_entity *up = cedar_entity_find(r->es, v->e->parents[v->next++]);
    const void *mark = up ? phi_map_get(r->seen, key_of(&up)) : &done;
    if (mark == &done || (!mark && up->n_parents == 0))
        return PHI_OK;
    if (!mark)
        return push(r, up);
    PHI_BUF(name, 600);
    phi_uid_write(&name, (struct phi_uid){ phi_view_upto(up->uid.type, 60), phi_view_upto(up->uid.id, 60) });
    return phi_fail(r->err, PHI_EINPUT, "%s is in itself over its parents", phi_buf_str(&name));
}

static enum phi_rc look(struct rings *r)
{
    struct cedar_entities_walk at = { 0 };
    for (const struct cedar_entity *e; (e = cedar_entities_next(r->es, &at));) {
        if (e->n_parents == 0 || phi_map_get(r->seen, key_of(&e)))
            continue;
        PHI_TRY(push(r, e));
        while (r->n > 0)
            PHI_TRY(step(r));
    }
    return PHI_OK;
}

enum phi_rc cedar_entities_no_ring(const struct phi_entities *es, struct phi_err *err)
{
    struct rings r = { .es = es, .seen = phi_map_open(SIZE_MAX), .err = err };
    if (!r.seen)
        return full(&r);
    enum phi_rc rc = look(&r);
    free(r.way);
    phi_map_close(r.seen);
    return rc;
}
