#include "core/judge.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/inner.h"

#define WORLD_LIMIT ((size_t)512 << 20)

struct phi_judge {
    _Atomic int refs;
    int64_t world_n, bundle_n; /* which state it is of */
    struct phi_bundle *bundle;
    struct phi_world *world;
};

struct phi_judge *phi_judge_ref(struct phi_judge *j)
{
    atomic_fetch_add(&j->refs, 1);
    return j;
}

void phi_judge_drop(struct phi_judge *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) > 1)
        return;
    phi_world_close(j->world);
    phi_bundle_close(j->bundle);
    free(j);
}

/* A bundle of its own: core closes its when another goes live, while this one may still be asked. */
static enum phi_rc bundle_of(struct phi_core *c, struct phi_bundle **ret, struct phi_err *err)
{
    PHI_ARENA(a, 4 * (size_t)PHI_MAX_BUNDLE);
    struct core_bundle_row row, key = { .version = c->st.bundle_version };
    PHI_TRY(core_get(c, CORE_BUNDLE, CORE_BY_KEY, &key, &a, &row, err));
    struct phi_bundle_text text = { row.schema, row.policies, row.requirements, (uint64_t)row.version };
    return phi_bundle_load(&text, ret, err);
}

static enum phi_rc fill(struct phi_core *c, struct phi_judge *j, struct phi_err *err)
{
    const struct phi_entities *all;
    PHI_TRY(bundle_of(c, &j->bundle, err));
    PHI_TRY(core_world(c, &all, err));
    PHI_TRY(phi_world_open(j->bundle, WORLD_LIMIT, &j->world, err));
    PHI_TRY(phi_world_add_all(j->world, all, err));
    return phi_world_ready(j->world, err);
}

enum phi_rc phi_judge_take(struct phi_core *c, struct phi_judge **ret, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_bundle_load(c, err));
    if (c->judge && c->judge->world_n == c->st.world && c->judge->bundle_n == c->st.bundle_version) {
        *ret = phi_judge_ref(c->judge);
        return PHI_OK;
    }
    struct phi_judge *j = calloc(1, sizeof *j);
    if (!j)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    j->refs = 1;
    j->world_n = c->st.world;
    j->bundle_n = c->st.bundle_version;
    enum phi_rc rc = fill(c, j, err);
    if (rc != PHI_OK) {
        phi_judge_drop(j);
        return rc;
    }
    phi_judge_drop(c->judge);
    c->judge = j;
    *ret = phi_judge_ref(j);
    return PHI_OK;
}

static bool context_of(const struct phi_judge *j, struct phi_arena *a, const struct phi_question *q, const struct phi_value **ret)
{
    const struct phi_json *json;
    const struct phi_value *seen = NULL;
    bool given = q->context.n > 2; /* "{}" */
    if (given && (phi_json_read(a, q->context, PHI_JSON_INT64, "context", &json, NULL) != PHI_OK ||
                  phi_value_from_json(a, json, &seen, NULL) != PHI_OK))
        return false;
    *ret = phi_context_unknowns(a, j->bundle, (struct phi_uid){ PHI_LIT("Action"), q->action }, seen);
    return *ret != NULL;
}

bool phi_judge_answers(const struct phi_judge *j, struct phi_scratch *s, struct phi_arena *a, const struct phi_question *q,
                       struct phi_judgement *ret)
{
    struct phi_ask ask = { .principal = { q->subject.type, q->subject.id },
                           .action = { PHI_LIT("Action"), q->action },
                           .resource = { q->resource.type, q->resource.id } };
    struct phi_answer ans;
    if (q->grant.n || q->n_can || !phi_world_has(j->world, ask.principal) || !phi_world_has(j->world, ask.resource) ||
        !context_of(j, a, q, &ask.context) || phi_world_ask(j->world, &ask, PHI_MODE_EXPLAIN, s, &ans, NULL) != PHI_OK)
        return false;
    bool known = ans.verdict == PHI_ALLOW || ans.verdict == PHI_DENY;
    if (!known || ans.partial || (ans.verdict == PHI_DENY && phi_world_ask(j->world, &ask, PHI_MODE_REASON, s, &ans, NULL) != PHI_OK))
        return false;
    struct phi_decider *policies = phi_arena_array(a, ans.n_policies + 1, sizeof *policies);
    for (size_t i = 0; policies && i < ans.n_policies; i++)
        policies[i] = ans.policies[i];
    *ret = (struct phi_judgement){ ans.verdict, phi_arena_copy(a, ans.reason), policies, ans.n_policies };
    return phi_arena_ok(a);
}

enum phi_rc phi_evaluations_keep(struct phi_core *c, struct phi_view records, int64_t count, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct phi_entry e;
    struct phi_digest hash = phi_sha256(records);
    PHI_TRY(core_batched(c, err));
    struct phi_view owner = phi_arena_printf(&a, "evaluations/%lld", (long long)c->tree.size);
    PHI_TRY(core_text_put(c, owner, "records", (struct phi_view){ 0 }, records, err));
    core_entry(c, &e, PHI_EV_EVALUATIONS_BATCH, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_int(&e, PHI_F_BATCH, core_next_seq(c));
    phi_entry_int(&e, PHI_F_COUNT, count);
    phi_entry_hash(&e, PHI_F_RECORDS_HASH, &hash);
    return core_leaf(c, &e, NULL, NULL, err);
}
