#include "policy/plain.h"

enum cedar_plain cedar_plain_policy(const struct cedar_env *env, const struct cedar_policy *p)
{
    unsigned bits = cedar_policy_scope(env, p);
    for (size_t i = 0; bits == MAY_TRUE && i < p->n_conds; i++) {
        bits = cedar_bits(cedar_eval(env, p->conds[i].e));
        if (p->conds[i].unless && bits != MAY_ERROR)
            bits = bits == MAY_TRUE ? MAY_FALSE : MAY_TRUE;
    }
    return bits == MAY_TRUE ? CEDAR_SATISFIED : bits == MAY_FALSE ? CEDAR_UNSATISFIED : CEDAR_ERROR;
}

enum phi_rc cedar_plain_decide(const struct cedar_env *env, const struct cedar_policies *policies,
                               struct cedar_plain_answer *ret, struct phi_err *err)
{
    bool permitted = false, forbidden = false, failed = false;
    *ret = (struct cedar_plain_answer){ 0 };
    ret->each = phi_arena_array(env->arena, policies->n + 1, sizeof *ret->each);
    for (size_t i = 0; ret->each && i < policies->n; i++) {
        const struct cedar_policy *p = policies->p[i];
        ret->each[i] = cedar_plain_policy(env, p);
        permitted |= !p->forbid && ret->each[i] == CEDAR_SATISFIED;
        forbidden |= p->forbid && ret->each[i] == CEDAR_SATISFIED;
        failed |= p->forbid && ret->each[i] == CEDAR_ERROR;
    }
    if (!phi_arena_ok(env->arena))
        return phi_fail(err, PHI_ELIMIT, "the decision needs too much memory");
    ret->allow = permitted && !forbidden;
    ret->allow_strict = ret->allow && !failed;
    return PHI_OK;
}
