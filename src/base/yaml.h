/* YAML 1.2 for what people write by hand (configuration, requirements), read into the same tree as
 * JSON, each value with its line. Strings that look like integers, true, false or null under the core
 * schema and are not quoted become those. Refused: aliases, tags, several documents, duplicate keys,
 * keys that are no strings, depth over 64. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/json.h"

/* `what` names the text in messages ("phid.yaml"): "phid.yaml:3: …". An empty text is an empty object. */
enum phi_rc phi_yaml_read(struct phi_arena *a, struct phi_view text, const char *what,
                          const struct phi_json **ret, struct phi_err *err);

#endif
