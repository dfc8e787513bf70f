/* What the fuzz targets of schemas share. */
#ifndef TEST_FUZZ_SCHEMA_KIT_H
#define TEST_FUZZ_SCHEMA_KIT_H

#include "policy/schema_json.h"

#include <stdlib.h>

/* Written as text and as JSON and read again, it is the same schema. */
static inline void schema_survives(struct phi_arena *a, const struct cedar_schema *s)
{
    PHI_BUF(text, 1 << 20);
    PHI_BUF(json, 1 << 20);
    PHI_BUF(once_more, 1 << 20);
    struct cedar_schema from_text, from_json;
    const struct phi_json *v = NULL;
    cedar_schema_write(&text, s);
    cedar_schema_to_json(&json, s);
    if (!phi_buf_ok(&text) || !phi_buf_ok(&json))
        return; /* spelled out it is too large, and said so */
    enum phi_rc rc = cedar_schema_parse(a, phi_buf_view(&text), "text", &from_text, NULL);
    if (rc == PHI_ELIMIT)
        return;
    if (rc != PHI_OK || phi_json_read(a, phi_buf_view(&json), CEDAR_SCHEMA_JSON, "json", &v, NULL) != PHI_OK)
        abort();
    rc = cedar_schema_from_json(a, v, "json", &from_json, NULL);
    if (rc == PHI_ELIMIT)
        return;
    cedar_schema_to_json(&once_more, &from_text);
    if (rc != PHI_OK || !phi_view_eq(phi_buf_view(&json), phi_buf_view(&once_more)))
        abort();
    phi_buf_clear(&once_more);
    cedar_schema_to_json(&once_more, &from_json);
    if (!phi_view_eq(phi_buf_view(&json), phi_buf_view(&once_more)))
        abort();
}

#endif
