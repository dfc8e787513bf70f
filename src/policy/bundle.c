#include "policy/bundle.h"
#include "policy/comp.h"
#include "policy/conform.h"
#include "policy/validate.h"

#include "base/limits.h"

#include <stdlib.h>

/* Trees are larger than their texts. */
#define MAX_BUNDLE_TREE (1UL << 30)

bool cedar_is_phi_type(struct phi_view type)
{
    return phi_view_starts(type, PHI_LIT("phi::"));
}

bool cedar_policy_reaches(const struct cedar_policy *p, const struct cedar_action *a)
{
    bool own = cedar_is_phi_type(a->uid.type) && !p->forbid;
    if (p->action.kind == SCOPE_ANY)
        return !own;
    for (size_t i = 0; i < p->action.n; i++) {
        struct phi_uid named = p->action.uids[i];
        if (own && !cedar_is_phi_type(named.type))
            continue;
        if (p->action.kind == SCOPE_EQ ? phi_uid_eq(a->uid, named) : cedar_action_in(a, named))
            return true;
    }
    return false;
}

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "the bundle is too large");
}

static enum phi_rc index_policies(struct phi_bundle *b, struct phi_err *err)
{
    size_t n = b->schema.n_actions, m = b->policies.n;
    b->by_action = phi_arena_array(&b->arena, n + 1, sizeof *b->by_action);
    if (!b->by_action)
        return full(err);
    for (size_t i = 0; i < n; i++) {
        struct cedar_list list = { 0 };
        for (size_t k = 0; k < m; k++)
            if (cedar_policy_reaches(b->policies.p[k], b->schema.actions[i]) &&
                !cedar_list_add(&b->arena, &list, b->policies.p[k]))
                return full(err);
        b->by_action[i] = (struct cedar_index){ (const struct cedar_policy **)list.p, list.n };
    }
    return PHI_OK;
}

static enum phi_rc check_policies(struct phi_bundle *b, struct phi_err *err)
{
    size_t n = b->schema.n_actions;
    struct cedar_action **reached = phi_arena_array(&b->arena, n + 1, sizeof *reached);
    struct cedar_check c = { .arena = &b->arena, .schema = &b->schema, .requirements = b->names,
                             .n_requirements = b->n_requirements, .obligations = b->obligations,
                             .n_obligations = b->n_obligations, .file = CEDAR_POLICIES_FILE,
                             .err = err };
    if (!reached)
        return full(err);
    for (size_t k = 0; k < b->policies.n; k++) {
        c.n_actions = 0;
        for (size_t i = 0; i < n; i++)
            if (b->schema.actions[i]->applies && /* a mere group is never asked for */
                cedar_policy_reaches(b->policies.p[k], b->schema.actions[i]))
                reached[c.n_actions++] = b->schema.actions[i];
        c.actions = reached;
        PHI_TRY(cedar_check_policy(&c, b->policies.p[k]));
    }
    return PHI_OK;
}

static int cmp_policy_id(const void *a, const void *b)
{
    return phi_view_cmp((*(const struct cedar_policy *const *)a)->id,
                        (*(const struct cedar_policy *const *)b)->id);
}

static enum phi_rc check_ids(struct phi_bundle *b, struct phi_err *err)
{
    size_t n = b->policies.n;
    const struct cedar_policy **sorted = phi_arena_array(&b->arena, n + 1, sizeof(const struct cedar_policy *));
    if (!sorted)
        return full(err);
    for (size_t i = 0; i < n; i++)
        sorted[i] = b->policies.p[i];
    if (n > 1)
        qsort(sorted, n, sizeof(const struct cedar_policy *), cmp_policy_id);
    for (size_t i = 1; i < n; i++)
        if (phi_view_eq(sorted[i - 1]->id, sorted[i]->id))
            return cedar_fail_at(err, CEDAR_POLICIES_FILE, sorted[i]->at,
                                 "two policies have the @id \"" PHI_FMT "\"",
                                 PHI_ARG(phi_view_upto(sorted[i]->id, 80)));
    return PHI_OK;
}

/* The first finding is the error; `phi policy check` shows all. */
static enum phi_rc check_strictly(struct phi_bundle *b, struct phi_err *err)
{
    PHI_ARENA(a, MAX_BUNDLE_TREE);
    struct cedar_findings found;
    PHI_TRY(cedar_validate(&a, &b->schema, &b->policies, CEDAR_NO_LEVEL, &found, err));
    for (size_t i = 0; i < found.n; i++)
        if (!found.p[i].warning)
            return cedar_fail_at(err, CEDAR_POLICIES_FILE, found.p[i].at, PHI_FMT, PHI_ARG(found.p[i].text));
    return found.errors == 0 ? PHI_OK : phi_fail(err, PHI_EINPUT, CEDAR_POLICIES_FILE " does not validate");
}

static enum phi_rc load(struct phi_bundle *b, unsigned checks, struct phi_err *err)
{
    PHI_TRY(cedar_schema_parse(&b->arena, b->text.schema, CEDAR_SCHEMA_FILE, &b->schema, err));
    if (checks & CEDAR_LOAD_PHI)
        PHI_TRY(cedar_rely_check(&b->arena, &b->schema, err));
    PHI_TRY(cedar_requirements_read(b, err));
    PHI_TRY(cedar_policies_parse(&b->arena, b->text.policies, CEDAR_POLICIES_FILE, &b->policies, err));
    PHI_TRY(check_ids(b, err));
    PHI_TRY(index_policies(b, err));
    PHI_TRY(check_policies(b, err));
    if (checks & CEDAR_LOAD_STRICT)
        PHI_TRY(check_strictly(b, err));
    PHI_TRY(comp_open(&b->policies, &b->schema, &b->comp, err));
    PHI_TRY(comp_index(b->comp, b, err));
    return phi_arena_ok(&b->arena) ? PHI_OK : full(err);
}

enum phi_rc phi_bundle_load(const struct phi_bundle_text *text, struct phi_bundle **ret,
                            struct phi_err *err)
{
    return cedar_bundle_load(text, CEDAR_LOAD_STRICT | CEDAR_LOAD_PHI, ret, err);
}

enum phi_rc cedar_bundle_load(const struct phi_bundle_text *text, unsigned checks, struct phi_bundle **ret,
                              struct phi_err *err)
{
    *ret = NULL;
    if (text->schema.n > PHI_MAX_BUNDLE || text->policies.n > PHI_MAX_BUNDLE ||
        text->requirements.n > PHI_MAX_BUNDLE ||
        text->schema.n + text->policies.n + text->requirements.n > PHI_MAX_BUNDLE)
        return phi_fail(err, PHI_ELIMIT, "the bundle is over %d bytes", PHI_MAX_BUNDLE);
    struct phi_bundle *b = calloc(1, sizeof *b);
    if (!b)
        return full(err);
    phi_arena_init(&b->arena, MAX_BUNDLE_TREE);
    b->hash = phi_bundle_text_hash(text);
    b->text.version = text->version;
    b->text.schema = phi_arena_copy(&b->arena, text->schema);
    b->text.policies = phi_arena_copy(&b->arena, text->policies);
    b->text.requirements = phi_arena_copy(&b->arena, text->requirements);
    enum phi_rc rc = phi_arena_ok(&b->arena) ? load(b, checks, err) : full(err);
    if (rc != PHI_OK) {
        phi_bundle_close(b);
        return rc;
    }
    *ret = b;
    return PHI_OK;
}

void phi_bundle_close(struct phi_bundle *b)
{
    if (!b)
        return;
    comp_close(b->comp);
    phi_arena_done(&b->arena);
    free(b);
}

static void put_length(uint8_t out[8], size_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        out[i] = (uint8_t)n;
}

struct phi_digest phi_bundle_text_hash(const struct phi_bundle_text *text)
{
    const struct phi_view texts[] = { text->schema, text->policies, text->requirements };
    uint8_t lengths[3][8];
    struct phi_view parts[7] = { PHI_LIT("phi-bundle-v1\0") };
    for (int i = 0; i < 3; i++) {
        put_length(lengths[i], texts[i].n);
        parts[1 + 2 * i] = phi_view_mem(lengths[i], 8);
        parts[2 + 2 * i] = texts[i];
    }
    return phi_sha256_parts(parts, 7);
}

struct phi_digest phi_bundle_hash(const struct phi_bundle *b)
{
    return b->hash;
}

uint64_t phi_bundle_version(const struct phi_bundle *b)
{
    return b->text.version;
}

bool phi_bundle_checks_tickets(const struct phi_bundle *b)
{
    for (size_t i = 0; i < phi_bundle_requirement_count(b); i++)
        if (phi_bundle_requirement_at(b, i)->checked != PHI_TICKET_NAMED)
            return true;
    return false;
}

struct phi_view phi_bundle_zone(const struct phi_bundle *b)
{
    return b->zone;
}

size_t phi_bundle_requirement_count(const struct phi_bundle *b)
{
    return b->n_requirements;
}

const struct phi_requirement *phi_bundle_requirement_at(const struct phi_bundle *b, size_t i)
{
    return i < b->n_requirements ? &b->requirements[i] : NULL;
}

const struct phi_requirement *phi_bundle_requirement(const struct phi_bundle *b,
                                                     struct phi_view name)
{
    for (size_t i = 0; i < b->n_requirements; i++)
        if (phi_view_eq(b->names[i], name))
            return &b->requirements[i];
    return NULL;
}

bool phi_bundle_has_action(const struct phi_bundle *b, struct phi_uid action)
{
    return cedar_schema_action(&b->schema, action) != NULL;
}

bool phi_bundle_action_in(const struct phi_bundle *b, struct phi_uid action, struct phi_uid group)
{
    const struct cedar_action *a = cedar_schema_action(&b->schema, action);
    return a && cedar_action_in(a, group);
}

bool phi_bundle_has_type(const struct phi_bundle *b, struct phi_view entity_type)
{
    return cedar_schema_entity(&b->schema, entity_type) != NULL;
}

size_t phi_bundle_action_count(const struct phi_bundle *b)
{
    return b->schema.n_actions;
}

struct phi_uid phi_bundle_action_at(const struct phi_bundle *b, size_t i)
{
    return i < b->schema.n_actions ? b->schema.actions[i]->uid : (struct phi_uid){ 0 };
}

bool phi_bundle_applies(const struct phi_bundle *b, struct phi_uid action, struct phi_view principal_type,
                        struct phi_view resource_type)
{
    const struct cedar_action *a = cedar_schema_action(&b->schema, action);
    return a && cedar_action_applies(a, principal_type, resource_type);
}

enum phi_rc phi_bundle_check_entities(const struct phi_bundle *b, const struct phi_entities *es, struct phi_err *err)
{
    return cedar_conform_entities(&b->schema, es, err);
}
