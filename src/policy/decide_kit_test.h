/* For tests of decisions: a small schema, requirements and obligations, and entities of it. */
#ifndef POLICY_DECIDE_KIT_TEST_H
#define POLICY_DECIDE_KIT_TEST_H

#include "policy/kit_test.h"

#define SCHEMA                                                                                       \
    "entity G in [G]; entity P in [G]; entity R in [R] = { owner?: P };"                            \
    "type C = { met: Set<String>, can: Set<String>, x: Bool, y: Bool, o?: Bool, n: Long };"                            \
    "action \"g\"; action \"a\" in [\"g\"] appliesTo { principal: P, resource: R, context: C };"     \
    "action \"b\" appliesTo { principal: P, resource: R, context: C };"
#define NEEDS                                                                                        \
    "r0: {kind: mfa}\nr1: {kind: mfa}\nr2: {kind: mfa}\nr3: {kind: mfa}\n"                            \
    "obligations: {o0: {}, o1: {kind: mask}, o2: {kind: cap-rows, rows: 5}}\n"

static inline struct phi_entities *entities(void)
{
    PHI_ARENA(a, 4096);
    struct phi_entities *es = phi_entities_open(NULL, 1 << 16);
    struct phi_attr owner = { PHI_LIT("owner"), phi_value_entity(&a, UID("P", "p")) };
    assert_int_equal(phi_entities_add(es, UID("P", "p"), &UID("G", "g1"), 1, NULL, NULL), PHI_OK);
    assert_int_equal(phi_entities_add(es, UID("G", "g1"), &UID("G", "g2"), 1, NULL, NULL), PHI_OK);
    assert_int_equal(phi_entities_add(es, UID("R", "r"), &UID("R", "top"), 1, phi_value_record(&a, &owner, 1), NULL), PHI_OK);
    return es;
}

/* 2 for x or y, 5 for n, 2 for o: not known; 3 for o: absent. */
static inline const struct phi_value *context_of(struct phi_arena *a, unsigned x, unsigned y, unsigned o, unsigned n)
{
    struct phi_attr attrs[] = {
        { PHI_LIT("x"), x < 2 ? phi_value_bool(a, x) : phi_value_unknown() },
        { PHI_LIT("y"), y < 2 ? phi_value_bool(a, y) : phi_value_unknown() },
        { PHI_LIT("n"), n < 5 ? phi_value_long(a, n) : phi_value_unknown() },
        { PHI_LIT("o"), o < 2 ? phi_value_bool(a, o) : phi_value_unknown() },
    };
    return phi_value_record(a, attrs, o == 3 ? 3 : 4); /* o == 3: absent */
}

#endif
