/* libphi: Cedar policies (language 4.5), and requirements that a policy may ask for.
 *
 * Loaded policies and entities are immutable: any number of threads may decide on them at once. Nothing
 * here reads a file, a clock or the network. Texts are UTF-8, NUL-terminated, and copied. */
#ifndef PHI_POLICY_H
#define PHI_POLICY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct phi_policies; /* schema, policies and requirements, checked */
struct phi_entity_set; /* entities, checked */

/* Far apart in bits: neither zeroed memory nor a stray 1 is an allow. */
enum phi_decision { PHI_DECISION_ALLOW = 0x5a3c96a5, PHI_DECISION_DENY = 0x25c3695a, PHI_DECISION_NEEDS = 0x33cc5a69 };

/* `schema`: Cedar schema text. `policies`: Cedar policies, which must pass strict validation.
 * `requirements`: YAML, or NULL for none. NULL on failure, with the place and what to write instead in
 * `err` (cut to `err_size`; may be NULL with 0). */
struct phi_policies *phi_policies_open(const char *schema, const char *policies, const char *requirements, char *err,
                                       size_t err_size);
void phi_policies_close(struct phi_policies *p); /* NULL is fine */

/* `entities`: Cedar's entities JSON, which must fit the schema; at most `limit` bytes are held. Serves for decisions
 * by `p` only, which must outlive it. */
struct phi_entity_set *phi_entity_set_open(const struct phi_policies *p, const char *entities, size_t limit, char *err,
                                 size_t err_size);
void phi_entity_set_close(struct phi_entity_set *w);

struct phi_question {
    const char *principal, *action, *resource; /* as in Cedar: Person::"alice" */
    const char *context;                       /* a JSON object, or NULL */
    const char *const *met;                    /* names of requirements that are met */
    size_t n_met;
};

/* The reason, for people, goes to `reason` (cut to `size`; may be NULL with 0): who decided, which
 * requirements would do, or why the question itself is not acceptable, which denies. */
enum phi_decision phi_policies_decide(const struct phi_policies *p, const struct phi_entity_set *w,
                                      const struct phi_question *q, char *reason, size_t size);

/* For a program that can do something about an allow: mask, record, cap rows. */
struct phi_obliging {
    const char *const *can; /* kinds of obligations that it meets */
    size_t n_can;
    char *obligations;      /* becomes a JSON array of {"name","kind","rows","why"}: what an allow rests on */
    size_t obligations_size;
};

/* As phi_policies_decide, which is this with NULL. Who gets an allow meets each of its obligations or refuses the action. Where
 * they do not fit into `obligations` it is denied. */
enum phi_decision phi_policies_decide_obliged(const struct phi_policies *p, const struct phi_entity_set *w,
                                              const struct phi_question *q, const struct phi_obliging *o, char *reason, size_t size);

#ifdef __cplusplus
}
#endif

#endif
