/* In builds for tests and fuzzing each decision is made twice: by the tree walker and by the
 * compiled evaluator, in all modes. They must agree. */
#include "policy/comp_twice.h"

#include "policy/comp.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TWICE (512UL << 20)

static void disagree(const struct phi_ask *ask, const char *what, const struct phi_answer *a, const struct phi_answer *b)
{
    fprintf(stderr, "the evaluators disagree on the %s, action " PHI_FMT ":\n  " PHI_FMT " (%x)\n  " PHI_FMT " (%x)\n", what,
            PHI_ARG(ask->action.id), PHI_ARG(a->reason), (unsigned)a->verdict, PHI_ARG(b->reason), (unsigned)b->verdict);
    abort();
}

static bool same_policies(const struct phi_answer *a, const struct phi_answer *b)
{
    bool same = a->n_policies == b->n_policies;
    for (size_t i = 0; same && i < a->n_policies; i++)
        same = phi_view_eq(a->policies[i].id, b->policies[i].id) && phi_view_eq(a->policies[i].why, b->policies[i].why);
    return same;
}

static bool same_alternatives(const struct phi_answer *a, const struct phi_answer *b)
{
    bool same = a->n_alternatives == b->n_alternatives;
    for (size_t i = 0; same && i < a->n_alternatives; i++) {
        same = a->alternatives[i].n == b->alternatives[i].n;
        for (size_t k = 0; same && k < a->alternatives[i].n; k++)
            same = a->alternatives[i].requirements[k] == b->alternatives[i].requirements[k];
    }
    return same;
}

static bool same_obligations(const struct phi_answer *a, const struct phi_answer *b)
{
    bool same = a->n_obligations == b->n_obligations;
    for (size_t i = 0; same && i < a->n_obligations; i++)
        same = a->obligations[i] == b->obligations[i];
    return same;
}

static void compare(const struct phi_ask *ask, enum phi_mode mode, const struct phi_answer *a, const struct phi_answer *b)
{
    if (a->verdict != b->verdict || a->partial != b->partial)
        disagree(ask, "verdict", a, b);
    if (!same_alternatives(a, b))
        disagree(ask, "alternatives", a, b);
    if (!same_obligations(a, b))
        disagree(ask, "obligations", a, b);
    if (mode != PHI_MODE_DECIDE && !same_policies(a, b))
        disagree(ask, "policies", a, b);
    if (mode == PHI_MODE_REASON && !phi_view_eq(a->reason, b->reason))
        disagree(ask, "reason", a, b);
}

static void ask_again(const struct phi_world *w, const struct phi_ask *ask, const struct phi_answer *answer)
{
    struct phi_scratch *s = phi_scratch_open(MAX_TWICE);
    struct phi_answer again;
    for (int i = 0; s && i < 2; i++) /* the second time with what the first has left */
        if (phi_world_ask(w, ask, PHI_MODE_REASON, s, &again, NULL) == PHI_OK)
            compare(ask, PHI_MODE_REASON, answer, &again);
    phi_scratch_close(s);
}

/* The entities of `es` over a world of its bases; nothing to compare where they may not stand there. */
static void in_layers(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                      const struct phi_answer *answer)
{
    struct phi_world *base = NULL, *w = NULL;
    if (phi_world_open(b, MAX_TWICE, &base, NULL) == PHI_OK && phi_world_add_all(base, cedar_entities_base(es), NULL) == PHI_OK &&
        phi_world_ready(base, NULL) == PHI_OK && phi_world_over(base, MAX_TWICE, &w, NULL) == PHI_OK &&
        phi_world_add_own(w, es, NULL) == PHI_OK && phi_world_ready(w, NULL) == PHI_OK)
        ask_again(w, ask, answer);
    phi_world_close(w);
    phi_world_close(base);
}

static void in_all_modes(const struct phi_world *w, const struct phi_query *q, const struct phi_ask *ask,
                         const struct phi_answer *answer)
{
    static const enum phi_mode modes[] = { PHI_MODE_DECIDE, PHI_MODE_EXPLAIN, PHI_MODE_REASON };
    struct phi_scratch *s = phi_scratch_open(MAX_TWICE);
    for (int i = 0; s && i < 3; i++) {
        struct phi_answer again;
        if (phi_world_decide(w, q, modes[i], s, &again, NULL) == PHI_OK)
            compare(ask, modes[i], answer, &again);
    }
    phi_scratch_close(s);
}

void comp_twice(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                const struct phi_answer *answer)
{
    struct phi_world *w = NULL;
    struct phi_query *q = NULL;
    if (phi_world_open(b, MAX_TWICE, &w, NULL) == PHI_OK && phi_world_add_all(w, es, NULL) == PHI_OK &&
        phi_world_ready(w, NULL) == PHI_OK && phi_query_open(w, ask, &q, NULL) == PHI_OK)
        in_all_modes(w, q, ask, answer);
    phi_query_close(q);
    phi_world_close(w);
    if (es)
        in_layers(b, es, ask, answer);
}

void comp_twice_ask(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                    const struct phi_answer *answer)
{
    PHI_ARENA(a, MAX_TWICE);
    struct phi_answer walked;
    if (phi_decide(b, es, ask, &a, &walked, NULL) == PHI_OK)
        compare(ask, PHI_MODE_REASON, &walked, answer);
}

static enum phi_rc plain(struct phi_world *w, struct phi_query **q, const struct cedar_env *env,
                         struct cedar_plain_answer *ret, struct phi_err *err)
{
    const struct phi_value *const *vars = env->vars;
    PHI_TRY(phi_world_add_all(w, env->entities, err));
    PHI_TRY(phi_world_ready(w, err));
    PHI_TRY(comp_query_open(w, vars[VAR_PRINCIPAL]->u.uid, vars[VAR_ACTION]->u.uid, vars[VAR_RESOURCE]->u.uid,
                            vars[VAR_CONTEXT], q, err));
    return comp_plain(w, *q, env->arena, ret, err);
}

void comp_twice_plain(const struct cedar_env *env, const struct cedar_policies *policies,
                      const struct cedar_plain_answer *answer)
{
    struct comp *c = NULL;
    struct phi_world *w = NULL;
    struct phi_query *q = NULL;
    struct cedar_plain_answer again;
    struct phi_err err = { 0 };
    bool same = comp_open(policies, env->schema, &c, &err) == PHI_OK && (w = comp_world_open(c, MAX_TWICE)) &&
                plain(w, &q, env, &again, &err) == PHI_OK && again.allow == answer->allow &&
                again.allow_strict == answer->allow_strict;
    for (size_t i = 0; same && i < policies->n; i++)
        same = again.each[i] == answer->each[i];
    phi_query_close(q);
    phi_world_close(w);
    comp_close(c);
    if (same)
        return;
    fprintf(stderr, "the evaluators disagree on a plain answer %s\n", err.msg);
    abort();
}
