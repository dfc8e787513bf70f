/* Risk of an attempt, 0 to 100, with its reasons in words: a sum of points that docs/risk.md lists, held against what
 * this person has done before with this action. What was done ages: half of it is gone after 30 days. No model, no
 * network, whole numbers only: the same past and the same moment give the same answer. */
#ifndef CORE_RISK_H
#define CORE_RISK_H

#include "core/engine.h"

struct core_ahead;

#define CORE_RISK_MAX 100
#define CORE_RISK_REASONS 8

struct core_risk_reason {
    int64_t points;
    struct phi_view why;
};
struct core_risk {
    int64_t points;
    struct core_risk_reason reason[CORE_RISK_REASONS];
    size_t n;
};

enum phi_rc core_risk_of(struct phi_core *c, struct phi_arena *a, const struct core_case *q, struct core_risk *ret,
                         struct phi_err *err);
struct phi_view core_risk_json(struct phi_arena *a, const struct core_risk *r); /* [{"points","why"},…] */

/* The baseline learns from what was done with a right, and from plain allows; never from what was only asked. */
enum phi_rc core_risk_learn(struct phi_core *c, struct phi_view person, const struct phi_pair *pairs, size_t n,
                            struct phi_view addr, struct phi_err *err);
void core_risk_foresee(struct core_ahead *h, struct phi_view person, const struct phi_pair *pairs, size_t n);
enum core_mishap { CORE_MISHAP_DENIED, CORE_MISHAP_GLASS };
enum phi_rc core_risk_mishap(struct phi_core *c, struct phi_view person, enum core_mishap what, struct phi_err *err);
enum phi_rc core_risk_forget(struct phi_core *c, struct phi_view person, struct phi_err *err);

/* Half of `weight` for each `half_ms` that passed, in between by a straight line. */
int64_t core_aged(int64_t weight, int64_t passed_ms, int64_t half_ms);

#endif
