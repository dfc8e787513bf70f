#include "core/prepare.h"

#include <string.h>

#include "policy/comp_twice.h"

#define READY_LIMIT   ((size_t)512 << 20)
#define CASE_LIMIT    ((size_t)64 << 20)
#define SCRATCH_LIMIT ((size_t)64 << 20)

void core_ready_drop(struct phi_core *c)
{
    phi_world_close(c->ready);
    c->ready = NULL;
}

/* All of `es` and its bases as one world. */
static enum phi_rc whole(struct phi_core *c, const struct phi_entities *es, struct phi_world **ret, struct phi_err *err)
{
    PHI_TRY(phi_world_open(c->bundle, READY_LIMIT, ret, err));
    enum phi_rc rc = phi_world_add_all(*ret, es, err);
    if (rc == PHI_OK)
        rc = phi_world_ready(*ret, err);
    if (rc == PHI_OK)
        return rc;
    phi_world_close(*ret);
    *ret = NULL;
    return rc;
}

static enum phi_rc over(struct phi_core *c, const struct phi_entities *es, struct phi_world **ret, struct phi_err *err)
{
    PHI_TRY(phi_world_over(c->ready, CASE_LIMIT, ret, err));
    enum phi_rc rc = phi_world_add_own(*ret, es, err);
    if (rc == PHI_OK)
        rc = phi_world_ready(*ret, err);
    if (rc == PHI_OK)
        return rc;
    phi_world_close(*ret);
    *ret = NULL;
    return rc;
}

enum phi_rc core_prepare(struct phi_core *c, const struct phi_entities *es, struct core_prepared *ret, struct phi_err *err)
{
    const struct phi_entities *world;
    PHI_TRY(core_world(c, &world, err));
    *ret = (struct core_prepared){ .entities = es };
    if (!c->scratch && !(c->scratch = phi_scratch_open(SCRATCH_LIMIT)))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!c->ready)
        PHI_TRY(whole(c, world, &c->ready, err));
    ret->world = c->ready;
    if (es == world)
        return PHI_OK;
    /* A request may tell of what entities here are in already (a folder that nobody told of): rare, and dearer. */
    enum phi_rc rc = over(c, es, &ret->own, err);
    if (rc == PHI_ECONFLICT)
        rc = whole(c, es, &ret->own, err);
    ret->world = ret->own;
    return rc;
}

void core_prepared_done(struct core_prepared *p)
{
    phi_world_close(p->own);
    *p = (struct core_prepared){ 0 };
}

static const void *keep(struct phi_arena *a, const void *list, size_t n, size_t size)
{
    void *copy = phi_arena_array(a, n + 1, size);
    if (copy && n)
        memcpy(copy, list, n * size);
    return copy;
}

/* The scratch is used again by the next question. */
static bool keep_answer(struct phi_arena *a, struct phi_answer *ans)
{
    struct phi_alternative *alternatives = phi_arena_array(a, ans->n_alternatives + 1, sizeof *alternatives);
    for (size_t i = 0; alternatives && i < ans->n_alternatives; i++) {
        const struct phi_alternative *from = &ans->alternatives[i];
        alternatives[i].n = from->n;
        alternatives[i].requirements = keep(a, from->requirements, from->n, sizeof(const struct phi_requirement *));
    }
    ans->alternatives = alternatives;
    ans->policies = keep(a, ans->policies, ans->n_policies, sizeof *ans->policies);
    ans->obligations = keep(a, ans->obligations, ans->n_obligations, sizeof *ans->obligations);
    ans->reason = phi_arena_copy(a, ans->reason);
    return phi_arena_ok(a);
}

enum phi_rc core_ask(struct phi_core *c, const struct core_prepared *p, const struct phi_ask *ask, struct phi_arena *a,
                     struct phi_answer *ret, struct phi_err *err)
{
    enum phi_rc rc = phi_world_ask(p->world, ask, PHI_MODE_REASON, c->scratch, ret, err);
#ifdef PHI_DECIDE_TWICE
    if (rc == PHI_OK)
        comp_twice_ask(c->bundle, p->entities, ask, ret);
#endif
    if (rc == PHI_OK && !keep_answer(a, ret))
        rc = phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
    if (rc != PHI_OK)
        *ret = (struct phi_answer){ .verdict = PHI_DENY };
    return rc;
}
