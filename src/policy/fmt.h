/* The formatter: moves blanks and line breaks, nothing else. Comments stay, tokens stay; what it wrote it
 * leaves alone. */
#ifndef POLICY_FMT_H
#define POLICY_FMT_H

#include "policy/lex.h"

#include "base/buf.h"

/* Appends `text`, which must be policies that parse (templates too), formatted. */
enum phi_rc cedar_fmt(struct phi_arena *a, struct phi_view text, const char *file, struct phi_buf *ret, struct phi_err *err);

/* Likewise a schema, which must be one that loads. */
enum phi_rc cedar_fmt_schema(struct phi_arena *a, struct phi_view text, const char *file, struct phi_buf *ret,
                             struct phi_err *err);

#endif
