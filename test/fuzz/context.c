/* A context as JSON, with the schema's types and without: what conforms never makes a valid policy err. */
#include "policy/conform.h"
#include "policy/plain.h"
#include "policy/validate.h"

#include <stdlib.h>

#define SCHEMA                                                                                        \
    "entity P; action a appliesTo { principal: P, resource: P, context: { b?: Bool, l?: Long, s?: String, e?: P, d?: decimal," \
    "  i?: ipaddr, t?: datetime, u?: duration, set?: Set<Long>, r?: { a: Long, z?: ipaddr } } };"
#define WHEN(e) "permit (principal, action, resource) when { " e " };"
#define POLICIES                                                                                      \
    WHEN("context has b && context.b") WHEN("context has l && context.l < 3") WHEN("context has s && context.s like \"a*\"")   \
    WHEN("context has e && context.e == principal") WHEN("context has d && context.d.lessThan(decimal(\"1.0\"))")              \
    WHEN("context has i && context.i.isInRange(ip(\"10.0.0.0/8\"))") WHEN("context has t && context.t < datetime(\"2026-01-01\")") \
    WHEN("context has u && context.u.toHours() > 1") WHEN("context has set && context.set.containsAll([1, 2])")               \
    WHEN("context has r.z && context.r.z.isLoopback() && context.r.a == 1")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PHI_ARENA(a, 64 << 20);
    struct cedar_schema s;
    struct cedar_policies p;
    struct cedar_findings found;
    struct cedar_plain_answer got;
    const struct phi_json *v = NULL;
    const struct phi_value *context = NULL;
    struct phi_err err;
    struct phi_uid who = { PHI_LIT("P"), PHI_LIT("p") }, does = { PHI_LIT("Action"), PHI_LIT("a") };
    if (cedar_schema_parse(&a, phi_view_of(SCHEMA), "schema", &s, &err) != PHI_OK ||
        cedar_policies_parse(&a, phi_view_of(POLICIES), "policies", &p, &err) != PHI_OK ||
        cedar_validate(&a, &s, &p, CEDAR_NO_LEVEL, &found, &err) != PHI_OK || found.n > 0)
        abort();
    if (phi_json_read(&a, phi_view_mem(data, size), PHI_JSON_INT64 | PHI_JSON_NUL_OK, "context", &v, &err) != PHI_OK)
        return 0;
    (void)phi_value_from_json(&a, v, &context, &err);
    if (cedar_value_from_json(&a, v, cedar_schema_action(&s, does)->context, &context, &err) != PHI_OK ||
        cedar_conform_request(&s, who, does, who, context, &err) != PHI_OK)
        return 0;
    struct cedar_env env = { .schema = &s, .arena = &a, .vars = { phi_value_entity(&a, who), phi_value_entity(&a, does),
                                                                  phi_value_entity(&a, who), context } };
    env.entities = phi_entities_open(NULL, 1 << 16);
    if (!env.entities || cedar_plain_decide(&env, &p, &got, &err) != PHI_OK)
        abort();
    for (size_t i = 0; i < p.n; i++)
        if (got.each[i] == CEDAR_ERROR)
            abort();
    phi_entities_close((struct phi_entities *)(uintptr_t)env.entities);
    return 0;
}
