/* Schemas as JSON, and written out. */
#ifndef POLICY_SCHEMA_JSON_H
#define POLICY_SCHEMA_JSON_H

#include "policy/schema.h"

#include "base/json.h"

#define PHI_MAX_SCHEMA_DEPTH 200

/* Flags for phi_json_read. */
#define CEDAR_SCHEMA_JSON (PHI_JSON_INT64 | PHI_JSON_NUL_OK | PHI_JSON_DEEP)

enum phi_rc cedar_schema_from_json(struct phi_arena *a, const struct phi_json *v, const char *file,
                                   struct cedar_schema *ret, struct phi_err *err);
/* Names are full and common types spelled out where they are used: comments and common types' names are
 * lost. What is read again means the same. The buffer is bad where a type spelled out is too large. */
void cedar_schema_to_json(struct phi_buf *b, const struct cedar_schema *s);
void cedar_schema_write(struct phi_buf *b, const struct cedar_schema *s); /* as text */

#endif
