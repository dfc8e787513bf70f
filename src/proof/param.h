/* Parameters of a statement as people read them. */
#ifndef PROOF_PARAM_H
#define PROOF_PARAM_H

#include "base/buf.h"
#include "proof/body.h"

/* Appends parameter i of `s` (not null, i < n_params). Text as it was sent; binary integers, booleans
 * and UUIDs of a declared type as PostgreSQL writes them; other bytes in hex, and where they have an
 * integer's length and the client declared no type, with the integer that they may be. Valid UTF-8
 * without U+0000 comes out. Source: PostgreSQL's binary formats (src/backend/utils/adt). */
void phi_param_show(struct phi_buf *out, const struct phi_statement *s, size_t i);

#endif
