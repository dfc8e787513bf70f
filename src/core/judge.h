/* Deciding apart from the core thread: the live bundle and everybody and everything that phid knows, as they were at one
 * moment, prepared once and never changed. Any number of threads may ask it at once. It knows no grant, no clock and nothing
 * else of the context that phi owns: what rests on those it does not answer, and core is asked. */
#ifndef CORE_JUDGE_H
#define CORE_JUDGE_H

#include "core/decide.h"

struct phi_judge;

/* The one of this moment, with a reference for the caller; inside a batch. PHI_ENOTFOUND: no policy is live. */
enum phi_rc phi_judge_take(struct phi_core *c, struct phi_judge **ret, struct phi_err *err);
struct phi_judge *phi_judge_ref(struct phi_judge *j);
void phi_judge_drop(struct phi_judge *j); /* from any thread; NULL is fine */

struct phi_judgement {
    enum phi_verdict verdict; /* PHI_ALLOW or PHI_DENY */
    struct phi_view reason;   /* of a deny; in the arena */
    const struct phi_decider *policies; /* live as long as the judge */
    size_t n_policies;
};
/* False: core has to be asked (an approval may do, obligations are offered, something unknown matters, the resource is not one of those that phid knows,
 * the question is not acceptable). The scratch is this thread's own. */
bool phi_judge_answers(const struct phi_judge *j, struct phi_scratch *s, struct phi_arena *a, const struct phi_question *q,
                       struct phi_judgement *ret);

/* What was decided since the last time, as one numbered entry of the log; `records` is a JSON array of {"subject","action",
 * "resource","decision","count","first_ms","last_ms","by"}, kept apart from the log. */
enum phi_rc phi_evaluations_keep(struct phi_core *c, struct phi_view records, int64_t count, struct phi_err *err);

#endif
