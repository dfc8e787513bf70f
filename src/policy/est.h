/* Policies as JSON (cedar-docs, "JSON policy format"), templates and their links, policy sets; and trees
 * written out as Cedar text again. What is read gives the same tree as the text would. */
#ifndef POLICY_EST_H
#define POLICY_EST_H

#include "policy/syntax.h"

/* Flags for phi_json_read: EST nests deeper than most JSON. */
#define CEDAR_EST_JSON (PHI_JSON_INT64 | PHI_JSON_NUL_OK | PHI_JSON_DEEP)

/* One policy or template. `id` is what `@id` does not name. Texts are borrowed from the JSON. */
enum phi_rc cedar_policy_from_json(struct phi_arena *a, const struct phi_json *v, struct phi_view id,
                                   struct cedar_policy **ret, struct phi_err *err);
void cedar_policy_to_json(struct phi_buf *b, const struct cedar_policy *p);

/* Policies that can be asked, links of templates among them, and the templates. */
struct cedar_policy_set {
    struct cedar_policies policies, templates;
};
/* {"staticPolicies":{id: policy},"templates":{id: template},"templateLinks":[{"templateId","newId","values"}]} */
enum phi_rc cedar_set_from_json(struct phi_arena *a, const struct phi_json *v, struct cedar_policy_set *ret,
                                struct phi_err *err);
void cedar_set_to_json(struct phi_buf *b, const struct cedar_policy_set *set);
/* The template with its slots filled; a slot that it lacks must be NULL, one that it has must be given. */
enum phi_rc cedar_template_link(struct phi_arena *a, const struct cedar_policy *t, struct phi_view id,
                                const struct phi_uid *principal, const struct phi_uid *resource,
                                struct cedar_policy **ret, struct phi_err *err);

/* Cedar text that parses to the same tree. */
void cedar_policy_write(struct phi_buf *b, const struct cedar_policy *p);
void cedar_expr_write(struct phi_buf *b, const struct cedar_expr *e);
void cedar_string_write(struct phi_buf *b, struct phi_view s); /* quoted */
bool cedar_is_ident(struct phi_view name);

bool cedar_expr_same(const struct cedar_expr *x, const struct cedar_expr *y); /* places apart */
bool cedar_policy_same(const struct cedar_policy *x, const struct cedar_policy *y); /* places and id apart */

#endif
