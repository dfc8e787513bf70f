/* Schemas as JSON. */
#include "schema_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PHI_ARENA(a, 256 << 20);
    struct cedar_schema s;
    const struct phi_json *v = NULL;
    struct phi_err err;
    if (phi_json_read(&a, phi_view_mem(data, size), CEDAR_SCHEMA_JSON, "schema", &v, &err) == PHI_OK &&
        cedar_schema_from_json(&a, v, "schema", &s, &err) == PHI_OK)
        schema_survives(&a, &s);
    return 0;
}
