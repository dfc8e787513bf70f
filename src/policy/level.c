/* Level validation (cedar-spec, Cedar/Validation/Levels.lean). Works on types that cedar_typecheck left;
 * parts that it never evaluates have none and are passed over. */
#include "policy/typecheck.h"

/* Attributes read from what an expression gives, innermost first. */
struct path {
    struct phi_view name;
    const struct path *more;
};

static bool too_far(struct cedar_typing *t, const struct cedar_expr *e)
{
    t->at = e->op_at;
    return false;
}

static bool walk(struct cedar_typing *t, const struct cedar_expr *e, unsigned max);
static bool reach(struct cedar_typing *t, const struct cedar_expr *e, unsigned left, unsigned max, const struct path *path);

static bool truth_is(const struct cedar_expr *e, enum cedar_truth truth)
{
    return e->type == 1 + TYPE_BOOL && e->truth == truth;
}

static bool walk_items(struct cedar_typing *t, const struct cedar_expr *e, unsigned max)
{
    for (size_t i = 0; i < e->n; i++)
        if (!walk(t, e->items[i], max))
            return false;
    return true;
}

static bool reach_record(struct cedar_typing *t, const struct cedar_expr *e, unsigned left, unsigned max,
                         const struct path *path)
{
    for (size_t i = 0; i < e->n; i++)
        if (phi_view_eq(e->names[i], path->name))
            return reach(t, e->items[i], left, max, path->more) && walk_items(t, e, max);
    return false;
}

/* `e` gives an entity (by way of `path`) whose data is asked for. */
static bool reach(struct cedar_typing *t, const struct cedar_expr *e, unsigned left, unsigned max, const struct path *path)
{
    struct path step = { e->name, path };
    if (e->op == OP_VAR)
        return true;
    if (e->op == OP_LIT && e->lit->kind == PHI_VALUE_ENTITY)
        return phi_uid_eq(e->lit->u.uid, t->action->uid) || too_far(t, e);
    if (e->op == OP_IF)
        return walk(t, e->a, max) && (truth_is(e->a, TRUTH_FALSE) || reach(t, e->b, left, max, path)) &&
               (truth_is(e->a, TRUTH_TRUE) || reach(t, e->c, left, max, path));
    if (e->op == OP_GET && e->a->type != 1 + TYPE_ENTITY)
        return reach(t, e->a, left, max, &step);
    if (e->op == OP_GET)
        return left > 0 ? reach(t, e->a, left - 1, max, NULL) : too_far(t, e);
    if (e->op == OP_GET_TAG)
        return left > 0 ? reach(t, e->a, left - 1, max, NULL) && walk(t, e->b, max) : too_far(t, e);
    if (e->op == OP_RECORD && path)
        return reach_record(t, e, left, max, path) || too_far(t, e);
    return too_far(t, e);
}

static bool walk(struct cedar_typing *t, const struct cedar_expr *e, unsigned max)
{
    bool of_entity = e->op == OP_IN || e->op == OP_GET_TAG || e->op == OP_HAS_TAG ||
                     ((e->op == OP_HAS || e->op == OP_GET) && e->a->type == 1 + TYPE_ENTITY);
    if (of_entity)
        return max > 0 ? reach(t, e->a, max - 1, max, NULL) && (!e->b || walk(t, e->b, max)) : too_far(t, e);
    if (e->op == OP_IF)
        return walk(t, e->a, max) && (truth_is(e->a, TRUTH_FALSE) || walk(t, e->b, max)) &&
               (truth_is(e->a, TRUTH_TRUE) || walk(t, e->c, max));
    if ((e->op == OP_AND && truth_is(e->a, TRUTH_FALSE)) || (e->op == OP_OR && truth_is(e->a, TRUTH_TRUE)))
        return walk(t, e->a, max);
    return (!e->a || walk(t, e->a, max)) && (!e->b || walk(t, e->b, max)) && walk_items(t, e, max);
}

bool cedar_level_ok(struct cedar_typing *t, const struct cedar_expr *e, unsigned max)
{
    return walk(t, e, max);
}
