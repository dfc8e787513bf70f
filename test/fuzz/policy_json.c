/* Policies as JSON, one or a set. What is read must survive being written as text and as JSON. */
#include "policy/est.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void survives(struct phi_arena *a, const struct cedar_policy *p)
{
    PHI_BUF(text, 1 << 20);
    PHI_BUF(json, 1 << 22);
    struct cedar_policies again;
    struct cedar_policy *read = NULL;
    const struct phi_json *v = NULL;
    cedar_policy_write(&text, p);
    cedar_policy_to_json(&json, p);
    if (!phi_buf_ok(&text) || !phi_buf_ok(&json))
        return; /* too large, and said so */
    if (phi_json_read(a, phi_buf_view(&json), CEDAR_EST_JSON, "json", &v, NULL) != PHI_OK ||
        cedar_policy_from_json(a, v, p->id, &read, NULL) != PHI_OK || !cedar_policy_same(p, read))
        abort();
    /* Text nests less deep than JSON; what it takes is the same. */
    enum phi_rc rc = cedar_templates_parse(a, phi_buf_view(&text), "text", &again, NULL);
    if (rc != PHI_ELIMIT && (rc != PHI_OK || again.n != 1 || !cedar_policy_same(p, again.p[0])))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PHI_ARENA(a, 64 << 20);
    const struct phi_json *v = NULL;
    struct cedar_policy *p = NULL;
    struct cedar_policy_set set;
    struct phi_err err;
    if (phi_json_read(&a, phi_view_mem(data, size), CEDAR_EST_JSON, "policies", &v, &err) != PHI_OK)
        return 0;
    if (cedar_policy_from_json(&a, v, PHI_LIT("p"), &p, &err) == PHI_OK)
        survives(&a, p);
    if (cedar_set_from_json(&a, v, &set, &err) == PHI_OK)
        for (size_t i = 0; i < set.policies.n; i++)
            survives(&a, set.policies.p[i]);
    return 0;
}
