/* What the commands of `phi policy` that need no server share. */
#ifndef BIN_PHI_POLICY_H
#define BIN_PHI_POLICY_H

#include "bin/phi.h"
#include "policy/bundle.h"
#include "policy/golden.h"

#define POL_FILE_MAX (256u << 20)
#define POL_ENTITIES_MAX ((size_t)2 << 30)

/* Reads a file into the CLI's arena. */
int pol_file(struct cli *c, const char *path, struct phi_view *ret);
/* Shows "file:line:col: text" with the line and a caret below, on standard error. */
void pol_show(const char *file, struct phi_view source, struct cedar_place at, const char *text);
/* The bundle in a folder; what is wrong is shown. */
int pol_bundle(struct cli *c, const char *dir, struct phi_bundle **ret);
/* Entities as JSON, held against the schema; `path` NULL: none. */
int pol_entities(struct cli *c, const struct cedar_schema *s, const char *path, struct phi_entities **ret);
int pol_uid(struct cli *c, const char *text, struct phi_uid *ret);
/* {"principal","action","resource","context"?,"met"?} */
int pol_ask(struct cli *c, const struct cedar_schema *s, const struct phi_json *v, struct phi_ask *ret);
int pol_context(struct cli *c, const struct cedar_schema *s, struct phi_uid action, const struct phi_json *v,
                const struct phi_value **ret);

#endif
