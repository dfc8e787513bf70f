/* References to entities: {type, id}, where the id of a resource is the text of a JSON array
 * (docs/formats.md, "Names of things"), and the short labels that people read and type:
 *
 *     Target ["shop"]                            shop
 *     Schema ["shop","public"]                   shop/public
 *     Table ["shop","public","orders"]           shop/public.orders
 *     Column ["shop","public","orders","id"]     shop/public.orders.id
 *     Function ["shop","public","f"]             shop/public.f()
 *
 * A part that is not [a-z_][a-z0-9_$]* (a target: [a-z0-9_-]+) is written in double quotes, as SQL does
 * ("" for a quote); nothing is folded. A label reads back to the same reference; any other entity is shown as Cedar writes it. */
#ifndef PROOF_ENTITY_H
#define PROOF_ENTITY_H

#include "base/json.h"

#define PHI_REF_PARTS_MAX 4

struct phi_ref { /* borrowed; the zero value means "none" */
    struct phi_view type, id;
};

struct phi_ref phi_ref_of(const char *type, struct phi_view id);
/* Who acts: "Person" where the id is a UUID, else "Service": a service account's id is its name. Static text. */
struct phi_view phi_who_type(struct phi_view id);
struct phi_ref phi_ref_of_who(struct phi_view id);
bool phi_ref_none(struct phi_ref r);
bool phi_ref_eq(struct phi_ref a, struct phi_ref b);
int phi_ref_cmp(struct phi_ref a, struct phi_ref b); /* by type, then id, bytewise */

/* {"type","id"}, both non-empty strings, nothing else. `what` names it in the error. The views point into v. */
enum phi_rc phi_ref_read(const struct phi_json *v, const char *what, struct phi_ref *ret,
                         struct phi_err *err);
void phi_ref_write(struct phi_jw *w, struct phi_ref r); /* members in canonical order */

/* The id text ["a","b"] from its parts, canonical; NULL ends the list: phi_ref_make(a, "Table",
 * "shop", "public", "orders", NULL). Lives in the arena. */
struct phi_ref phi_ref_make(struct phi_arena *a, const char *type, ...);
struct phi_ref phi_ref_make_parts(struct phi_arena *a, const char *type, const struct phi_view *parts,
                                  size_t n);
/* Splits an array id into at most PHI_REF_PARTS_MAX parts; false when it is not the canonical text
 * of a JSON array of 1 to 4 strings. */
bool phi_ref_parts(struct phi_arena *a, struct phi_ref r, struct phi_view *parts, size_t *n);

/* Appends the label; unescaped: what goes to a terminal passes phi_text_escape afterwards. */
void phi_ref_label(struct phi_buf *b, struct phi_ref r);
/* Reads a label. `target` (may be empty) stands in where the text has no "target/" and is a table or
 * column ("public.orders"). The result lives in the arena. */
enum phi_rc phi_ref_from_label(struct phi_arena *a, struct phi_view text, struct phi_view target,
                               struct phi_ref *ret, struct phi_err *err);
void phi_ref_cedar(struct phi_buf *b, struct phi_ref r); /* Type::"id" with Cedar's escapes */

#endif
