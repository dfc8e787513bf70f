#include "proof/scope.h"

#include <string.h>

/* How deep in a target's tree a type stands; its id has that many parts. 0: outside the tree. */
static size_t depth(struct phi_ref r)
{
    static const char *const types[] = { "Target", "Schema", "Table", "Column" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (phi_view_is(r.type, types[i]))
            return i + 1;
    return phi_view_is(r.type, "Function") ? 3 : 0;
}

bool phi_ref_within(struct phi_ref inner, struct phi_ref outer)
{
    if (phi_ref_none(inner) || phi_ref_none(outer))
        return false;
    if (phi_ref_eq(inner, outer))
        return true;
    PHI_ARENA(a, 64 * 1024);
    struct phi_view in[PHI_REF_PARTS_MAX], out[PHI_REF_PARTS_MAX];
    size_t n_in = 0, n_out = 0;
    /* strictly above: a table never contains a function of the same name, nor the other way round */
    if (!depth(outer) || depth(inner) <= depth(outer))
        return false;
    if (phi_view_is(outer.type, "Function")) /* nothing lies in one */
        return false;
    /* Most pairs differ in their first bytes; only those that don't are worth parsing. */
    if (inner.id.n <= outer.id.n || memcmp(inner.id.p, outer.id.p, outer.id.n - 1) != 0)
        return false;
    if (!phi_ref_parts(&a, inner, in, &n_in) || !phi_ref_parts(&a, outer, out, &n_out))
        return false;
    if (n_in != depth(inner) || n_out != depth(outer))
        return false;
    for (size_t i = 0; i < n_out; i++)
        if (!phi_view_eq(in[i], out[i]))
            return false;
    return true;
}

bool phi_action_within(const struct phi_action_rules *rules, struct phi_view inner, struct phi_view outer)
{
    if (!inner.n || !outer.n)
        return false;
    return phi_view_eq(inner, outer) || (rules && rules->member && rules->member(rules->ctx, inner, outer));
}

bool phi_scope_covers(const struct phi_action_rules *rules, const struct phi_scope *s, struct phi_view action,
                      struct phi_ref resource)
{
    bool act = false, res = false;
    for (size_t i = 0; i < s->n_actions && !act; i++)
        act = phi_action_within(rules, action, s->actions[i]);
    for (size_t i = 0; i < s->n_resources && !res; i++)
        res = phi_ref_within(resource, s->resources[i]);
    return act && res;
}

bool phi_scope_within(const struct phi_action_rules *rules, const struct phi_scope *inner,
                      const struct phi_scope *outer)
{
    if (!inner->n_actions || !inner->n_resources)
        return false;
    for (size_t i = 0; i < inner->n_actions; i++)
        for (size_t k = 0; k < inner->n_resources; k++)
            if (!phi_scope_covers(rules, outer, inner->actions[i], inner->resources[k]))
                return false;
    return true;
}

enum phi_rc phi_refs_meet(struct phi_arena *a, const struct phi_ref *x, size_t nx, const struct phi_ref *y, size_t ny,
                          const struct phi_ref **ret, size_t *n, struct phi_err *err)
{
    /* Of each pair the inner one, so every result is an element of x or of y: at most nx + ny. */
    struct phi_ref *out = phi_arena_array(a, nx + ny + 1, sizeof *out);
    size_t k = 0;
    if (!out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < nx; i++)
        for (size_t j = 0; j < ny; j++)
            if (phi_ref_within(x[i], y[j])) {
                out[k++] = x[i];
                break;
            }
    for (size_t j = 0; j < ny; j++)
        for (size_t i = 0; i < nx; i++)
            if (phi_ref_within(y[j], x[i])) {
                out[k++] = y[j];
                break;
            }
    *n = phi_refs_sort(out, k);
    *ret = out;
    return PHI_OK;
}
