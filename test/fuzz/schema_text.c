/* Schemas as text; behind a line "---" policies, which are validated against it at every level. */
#include "policy/validate.h"
#include "schema_kit.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PHI_ARENA(a, 256 << 20);
    struct cedar_schema s;
    struct cedar_policies p;
    struct cedar_findings found;
    struct phi_err err;
    struct phi_view text = { data, size }, rest = { 0 };
    const uint8_t *at = size ? memmem(data, size, "\n---\n", 5) : NULL;
    if (at) {
        text = phi_view_upto(text, (size_t)(at - data));
        rest = phi_view_from((struct phi_view){ data, size }, text.n + 5);
    }
    if (cedar_schema_parse(&a, text, "schema", &s, &err) != PHI_OK)
        return 0;
    schema_survives(&a, &s);
    if (rest.n == 0 || cedar_templates_parse(&a, rest, "policies", &p, &err) != PHI_OK)
        return 0;
    bool valid = false;
    for (uint32_t level = 0; level < 4; level++) { /* what a level allows, the next does too */
        if (cedar_validate(&a, &s, &p, level, &found, &err) != PHI_OK)
            return 0;
        if (valid && found.errors > 0)
            abort();
        valid = found.errors == 0;
    }
    return 0;
}
