/* Entities as JSON, under a schema that has every kind of type: what is taken can be held against the schema
 * and be asked for, and nobody is in themselves. */
#include "policy/conform.h"
#include "policy/policy.h"

#include <stdlib.h>

#define SCHEMA                                                                                        \
    "entity G in [G]; entity C enum [\"r\", \"b\"]; entity P in [G] = { b?: Bool, l?: Long, s?: String, e?: P, c?: C,"  \
    "  d?: decimal, i?: ipaddr, t?: datetime, u?: duration, set?: Set<Set<Long>>, r?: { a: Long, z?: ipaddr } } tags ipaddr;" \
    "action a in [g] appliesTo { principal: P, resource: P }; action g;"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PHI_ARENA(a, 64 << 20);
    struct cedar_schema s;
    struct phi_err err;
    const struct phi_json *v = NULL;
    struct cedar_entities_walk at = { 0 };
    if (cedar_schema_parse(&a, phi_view_of(SCHEMA), "schema", &s, &err) != PHI_OK)
        abort();
    if (phi_json_read(&a, phi_view_mem(data, size), PHI_JSON_INT64 | PHI_JSON_NUL_OK, "entities", &v, &err) != PHI_OK)
        return 0;
    struct phi_entities *es = phi_entities_open(NULL, 16 << 20);
    if (es && cedar_entities_add_json(es, &s, v, &err) == PHI_OK) {
        (void)cedar_conform_entities(&s, es, &err);
        for (const struct cedar_entity *e; (e = cedar_entities_next(es, &at));) {
            if (!phi_entities_has(es, e->uid) || cedar_entity_in(es, e->uid, e->uid) != CEDAR_IN_YES)
                abort();
            for (size_t i = 0; i < e->n_parents; i++) /* no ring: no parent is in its child */
                if (cedar_entity_in(es, e->parents[i], e->uid) == CEDAR_IN_YES)
                    abort();
        }
    }
    phi_entities_close(es);
    return 0;
}
