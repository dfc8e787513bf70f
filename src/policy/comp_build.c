/* Trees to flat code: constants parsed, names interned. */
#include "policy/comp.h"

#include <stdlib.h>

uint32_t comp_type(struct comp *c, struct phi_view name)
{
    return comp_type_put(&c->names, comp_str_put(&c->strs, &c->arena, name));
}

uint32_t comp_uid(struct comp *c, struct phi_uid uid)
{
    return comp_uid_put(&c->names, comp_type(c, uid.type), comp_str_put(&c->strs, &c->arena, uid.id));
}

static uint32_t uid_of(void *who, struct phi_uid uid)
{
    return comp_uid(who, uid);
}

static uint32_t attr_number(struct comp *c, const struct comp_str *name)
{
    uint32_t at = name ? comp_uid_put(&c->attr_numbers, 0, name) : COMP_NONE;
    if (at == COMP_NONE || at < c->n_attrs)
        return at;
    if (!comp_grow(&c->attrs, c->n_attrs, &c->cap_attrs, sizeof *c->attrs))
        return COMP_NONE;
    c->attrs[c->n_attrs++] = name;
    return at;
}

uint32_t comp_node_add(struct comp *c, struct comp_node n)
{
    if (!comp_grow(&c->nodes, c->n_nodes, &c->cap_nodes, sizeof *c->nodes))
        return COMP_NONE;
    c->nodes[c->n_nodes] = n;
    return c->n_nodes++;
}

static bool kid_add(struct comp *c, uint32_t kid)
{
    if (kid == COMP_NONE || !comp_grow(&c->kids, c->n_kids, &c->cap_kids, sizeof *c->kids))
        return false;
    c->kids[c->n_kids++] = kid;
    return true;
}

/* What has only constants is a constant, unless it errs: that happens when it is asked for. */
static bool fold(struct comp *c, const struct cedar_expr *e, const uint32_t *items, struct comp_val *ret)
{
    *ret = (struct comp_val){ .kind = COMP_ERROR };
    for (size_t i = 0; i < e->n; i++)
        if (c->nodes[items[i]].op != OP_LIT)
            return false;
    if (e->op == OP_SET) {
        struct comp_set *s = comp_set_fresh(&c->arena, e->n);
        for (size_t i = 0; s && i < e->n; i++)
            s->items[i] = c->nodes[items[i]].lit;
        *ret = s ? comp_set_done(s) : *ret;
    } else if (e->op == OP_CALL && e->n == cedar_fn_info(e->fn)->n && e->n <= 2) {
        struct comp_val args[2] = { { 0 } };
        struct comp_env x = { .c = c, .arena = &c->arena };
        for (size_t i = 0; i < e->n; i++)
            args[i] = c->nodes[items[i]].lit;
        *ret = comp_fn(&x, e->fn, args, (uint32_t)e->n);
    }
    return ret->kind != COMP_ERROR;
}

static uint32_t items_node(struct comp *c, const struct cedar_expr *e, uint32_t *items)
{
    struct comp_node n = { .op = (uint8_t)e->op, .fn = (uint16_t)e->fn, .b = (uint32_t)e->n };
    for (size_t i = 0; i < e->n; i++)
        if ((items[i] = comp_expr(c, e->items[i])) == COMP_NONE)
            return COMP_NONE;
    if (fold(c, e, items, &n.lit))
        return comp_node_add(c, (struct comp_node){ .op = OP_LIT, .lit = n.lit });
    n.a = c->n_kids;
    for (size_t i = 0; i < e->n; i++)
        if (!kid_add(c, items[i]))
            return COMP_NONE;
    n.c = c->n_kids; /* the names of a record, as constants, behind the values */
    for (size_t i = 0; e->op == OP_RECORD && i < e->n; i++) {
        struct comp_val name = { .kind = COMP_STRING, .u.str = comp_str_put(&c->strs, &c->arena, e->names[i]) };
        if (!name.u.str || !kid_add(c, comp_node_add(c, (struct comp_node){ .op = OP_LIT, .lit = name })))
            return COMP_NONE;
    }
    return comp_node_add(c, n);
}

static uint32_t with_items(struct comp *c, const struct cedar_expr *e)
{
    uint32_t *items = calloc(e->n + 1, sizeof *items);
    uint32_t at = items ? items_node(c, e, items) : COMP_NONE;
    free(items);
    return at;
}

static bool fill(struct comp *c, const struct cedar_expr *e, struct comp_node *n)
{
    const struct comp_maker m = { &c->arena, &c->strs, uid_of, c };
    if (e->op == OP_LIT) {
        n->lit = comp_make(&m, e->lit);
        return n->lit.kind != COMP_ERROR;
    }
    if (e->op == OP_GET || e->op == OP_HAS) {
        n->lit = (struct comp_val){ .kind = COMP_STRING, .u.str = comp_str_put(&c->strs, &c->arena, e->name) };
        n->c = attr_number(c, n->lit.u.str);
        return n->c != COMP_NONE;
    }
    if (e->op == OP_IS) {
        n->c = comp_type(c, e->name);
        return n->c != COMP_NONE;
    }
    if (e->op == OP_LIKE)
        n->lit.u.pattern = e->pattern;
    c->uses_tags |= e->op == OP_HAS_TAG || e->op == OP_GET_TAG;
    return true;
}

static uint32_t plain_node(struct comp *c, const struct cedar_expr *e)
{
    struct comp_node n = { .op = (uint8_t)e->op, .var = (uint8_t)e->var };
    struct cedar_expr *const parts[] = { e->a, e->b, e->c };
    uint32_t *const to[] = { &n.a, &n.b, &n.c };
    for (int i = 0; i < 3; i++)
        if (parts[i] && (*to[i] = comp_expr(c, parts[i])) == COMP_NONE)
            return COMP_NONE;
    return fill(c, e, &n) ? comp_node_add(c, n) : COMP_NONE;
}

uint32_t comp_expr(struct comp *c, struct cedar_expr *e)
{
    bool many = e->op == OP_SET || e->op == OP_RECORD || e->op == OP_CALL;
    uint32_t at = many ? with_items(c, e) : plain_node(c, e);
    e->code = at == COMP_NONE ? 0 : at + 1;
    return at;
}

/* ---- policies --------------------------------------------------------------------------------------- */

static bool scope(struct comp *c, const struct cedar_scope *s, struct comp_scope *ret)
{
    *ret = (struct comp_scope){ .kind = s->kind, .type = COMP_NONE, .uid = COMP_NONE, .uids = c->n_scope_uids, .n = (uint32_t)s->n };
    if (s->kind == SCOPE_IS || s->kind == SCOPE_IS_IN) {
        ret->type = comp_type(c, s->type);
        if (ret->type == COMP_NONE)
            return false;
    }
    for (size_t i = 0; i < s->n; i++) {
        uint32_t uid = comp_uid(c, s->uids[i]);
        if (uid == COMP_NONE || !comp_grow(&c->scope_uids, c->n_scope_uids, &c->cap_scope_uids, sizeof *c->scope_uids))
            return false;
        c->scope_uids[c->n_scope_uids++] = uid;
        ret->uid = i == 0 ? uid : ret->uid;
    }
    return true;
}

/* `unless` is a negation. */
static bool conditions(struct comp *c, const struct cedar_policy *src, struct comp_policy *p)
{
    for (size_t i = 0; i < src->n_conds; i++) {
        uint32_t at = comp_expr(c, src->conds[i].e);
        if (at != COMP_NONE && src->conds[i].unless &&
            comp_node_add(c, (struct comp_node){ .op = OP_NOT, .a = at }) == COMP_NONE)
            return false;
        p->has_met |= src->conds[i].e->has_met;
        if (at == COMP_NONE)
            return false;
    }
    p->conds = c->n_kids;
    for (size_t i = 0; i < src->n_conds; i++, p->n_conds++) /* the negation stands right behind */
        if (!kid_add(c, src->conds[i].e->code - !src->conds[i].unless))
            return false;
    return true;
}

static bool policy(struct comp *c, const struct cedar_policy *src, struct comp_policy *p)
{
    p->src = src;
    p->forbid = src->forbid;
    p->named = (struct phi_decider){ src->id, src->why };
    return scope(c, &src->principal, &p->principal) && scope(c, &src->action, &p->action) &&
           scope(c, &src->resource, &p->resource) && conditions(c, src, p);
}

static bool schema_names(struct comp *c)
{
    for (size_t i = 0; i < c->schema->n_entities; i++)
        if (comp_type(c, c->schema->entities[i]->name) == COMP_NONE)
            return false;
    for (size_t i = 0; i < c->schema->n_actions; i++)
        if (comp_uid(c, c->schema->actions[i]->uid) == COMP_NONE)
            return false;
    return true;
}

/* Of one compiled form; trees hold it several times over. */
#define MAX_COMP (1UL << 30)

static bool build(struct comp *c, const struct cedar_policies *policies)
{
    if (comp_type_put(&c->attr_numbers, comp_str_put(&c->strs, &c->arena, (struct phi_view){ 0 })) == COMP_NONE ||
        (c->schema && !schema_names(c)) || policies->n >= COMP_NONE)
        return false;
    c->policies = phi_arena_array(&c->arena, policies->n + 1, sizeof *c->policies);
    for (size_t i = 0; c->policies && i < policies->n; i++, c->n_policies++)
        if (!policy(c, policies->p[i], &c->policies[i]))
            return false;
    return phi_arena_ok(&c->arena);
}

enum phi_rc comp_open(const struct cedar_policies *policies, const struct cedar_schema *schema, struct comp **ret,
                      struct phi_err *err)
{
    struct comp *c = calloc(1, sizeof *c);
    *ret = NULL;
    if (c) {
        phi_arena_init(&c->arena, MAX_COMP);
        c->schema = schema;
    }
    if (!c || !build(c, policies)) {
        comp_close(c);
        return phi_fail(err, PHI_ELIMIT, "the policies are too large");
    }
    *ret = c;
    return PHI_OK;
}

void comp_close(struct comp *c)
{
    if (!c)
        return;
    comp_strs_done(&c->strs);
    comp_names_done(&c->names);
    comp_names_done(&c->attr_numbers);
    free(c->nodes);
    free(c->kids);
    free(c->attrs);
    free(c->scope_uids);
    free(c->buckets);
    phi_arena_done(&c->arena);
    free(c);
}
