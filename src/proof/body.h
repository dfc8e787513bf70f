/* The request body of docs/formats.md: what a request *is*. Everything that people sign, the log
 * stores and a gateway enforces speaks of its digest.
 *
 * Views in these structs are borrowed: after phi_body_read they point into the arena (byte strings
 * are already decoded from base64url). Writing is canonical (RFC 8785); writing what was read gives
 * the same bytes. */
#ifndef PROOF_BODY_H
#define PROOF_BODY_H

#include "base/hash.h"
#include "base/id.h"
#include "proof/entity.h"

struct phi_pair { /* one action on one resource */
    struct phi_view action;
    struct phi_ref resource;
};

struct phi_scope { /* both lists sorted, each thing once, neither empty */
    const struct phi_view *actions;
    size_t n_actions;
    const struct phi_ref *resources;
    size_t n_resources;
};

struct phi_setting {
    struct phi_view name, value;
};

struct phi_param {
    bool null;
    struct phi_view bytes;
};

struct phi_statement { /* one Execute of a pg-batch; all lists may be empty */
    struct phi_view bytes;
    const uint32_t *types;
    size_t n_types;
    const uint16_t *formats;
    size_t n_formats;
    const struct phi_param *params;
    size_t n_params;
    const uint16_t *results;
    size_t n_results;
    uint32_t max_rows; /* 0: all; then the member is absent */
};

enum phi_payload_kind { PHI_PAYLOAD_NONE, PHI_PAYLOAD_PG_QUERY, PHI_PAYLOAD_PG_BATCH, PHI_PAYLOAD_CHANGE };

struct phi_payload {
    enum phi_payload_kind kind;
    struct phi_view bytes;                  /* PG_QUERY; CHANGE: canonical JSON of a change of phi itself */
    const struct phi_statement *statements; /* PG_BATCH */
    size_t n_statements;
};

struct phi_budget { /* each 0: not bounded */
    int64_t statements, rows, bytes;
};

/* A span that comes again each week, by UTC: a schedule. It may reach over midnight. */
struct phi_window {
    unsigned days;              /* bit 0: Monday … bit 6: Sunday */
    int64_t from_min, for_min;  /* minutes after midnight; how long */
};

struct phi_bounds {
    int64_t for_ms;   /* 1 … PHI_MAX_GRANT_MS */
    int64_t from_ms;  /* wall clock; 0: absent */
    int64_t until_ms; /* wall clock; 0: absent */
    int64_t uses;     /* 0: any number (only with a scope) */
    struct phi_budget budget;
    const struct phi_window *windows; /* only with a scope: it serves inside them only */
    size_t n_windows;                 /* 0: always */
};

struct phi_body {
    struct phi_id id;
    uint8_t salt[16];
    struct phi_ref requester;
    const struct phi_ref *on_behalf;
    size_t n_on_behalf;
    struct phi_ref target;
    const struct phi_pair *actions; /* sorted, each once; empty with a scope */
    size_t n_actions;
    struct phi_payload payload; /* kind NONE with a scope */
    bool has_scope;
    struct phi_scope scope;
    const struct phi_setting *settings; /* sorted by name (UTF-16 order); none with a scope */
    size_t n_settings;
    struct phi_bounds bounds;
    struct phi_view why, ticket;
    struct phi_view extends; /* id of the grant that this goes on from; "": absent; only with a scope */
    int64_t version; /* from 1 */
};

/* Strict: an unknown or missing member, a list that is not sorted, both or neither of payload and
 * scope, or text over its limit is PHI_EINPUT with the place. `v` must outlive the result. */
enum phi_rc phi_body_read(struct phi_arena *a, const struct phi_json *v, struct phi_body *ret,
                          struct phi_err *err);
enum phi_rc phi_body_read_text(struct phi_arena *a, struct phi_view text, struct phi_body *ret,
                               struct phi_err *err);
/* What must hold of a body that was built by hand: the same rules as phi_body_read. */
enum phi_rc phi_body_check(const struct phi_body *b, struct phi_err *err);

void phi_body_write(struct phi_buf *out, const struct phi_body *b); /* canonical JSON */

/* SHA-256("phi-request-v1\0" || canonical body) */
enum phi_rc phi_body_digest(const struct phi_body *b, struct phi_digest *ret, struct phi_err *err);
/* SHA-256("phi-act-v1\0" || canonical {actions, payload, requester, settings, target}): only these
 * members are looked at, so a gateway can call it before a body exists. PHI_EINPUT without payload. */
enum phi_rc phi_act_digest(const struct phi_body *b, struct phi_digest *ret, struct phi_err *err);

/* The parts alone, as they travel in the API. Readers are as strict as phi_body_read. */
enum phi_rc phi_payload_read(struct phi_arena *a, const struct phi_json *v, struct phi_payload *ret,
                             struct phi_err *err);
void phi_payload_write(struct phi_jw *w, const struct phi_payload *p);
enum phi_rc phi_scope_read(struct phi_arena *a, const struct phi_json *v, struct phi_scope *ret,
                           struct phi_err *err);
void phi_scope_write(struct phi_jw *w, const struct phi_scope *s);
enum phi_rc phi_pairs_read(struct phi_arena *a, const struct phi_json *v, const struct phi_pair **ret,
                           size_t *n, struct phi_err *err);
void phi_pairs_write(struct phi_jw *w, const struct phi_pair *p, size_t n);
enum phi_rc phi_settings_read(struct phi_arena *a, const struct phi_json *v,
                              const struct phi_setting **ret, size_t *n, struct phi_err *err);
void phi_settings_write(struct phi_jw *w, const struct phi_setting *s, size_t n);
enum phi_rc phi_refs_read(struct phi_arena *a, const struct phi_json *v, const char *what,
                          const struct phi_ref **ret, size_t *n, struct phi_err *err); /* any order */
void phi_refs_write(struct phi_jw *w, const struct phi_ref *r, size_t n);

/* Sorting and removing doubles in place, for those who build bodies. The new count is returned. */
size_t phi_pairs_sort(struct phi_pair *p, size_t n);
size_t phi_refs_sort(struct phi_ref *r, size_t n);
size_t phi_names_sort(struct phi_view *v, size_t n);
void phi_settings_sort(struct phi_setting *s, size_t n);

/* "pg:delete on shop/public.orders", "pg:write on shop/public.orders, …": unescaped, one line;
 * names at most three pairs and says how many more there are. */
void phi_body_summary(struct phi_buf *out, const struct phi_body *b);

enum phi_rc phi_windows_read(struct phi_arena *a, const struct phi_json *v, const struct phi_window **ret, size_t *n,
                             struct phi_err *err);
void phi_windows_write(struct phi_jw *w, const struct phi_window *x, size_t n);
/* Milliseconds until the window that is open at this wall clock closes, the longest of them; 0: none is open. */
int64_t phi_windows_left(const struct phi_window *w, size_t n, int64_t wall_ms);
bool phi_windows_eq(const struct phi_window *x, size_t nx, const struct phi_window *y, size_t ny);

/* SHA-256("phi-body-v1\0" || salt || text): how personal texts stand in votes and the log. */
struct phi_digest phi_text_hash(const uint8_t salt[16], struct phi_view text);

/* SHA-256(tag || "\0" || text); the tag is one of the format names above. */
struct phi_digest phi_tagged_hash(const char *tag, struct phi_view text);

#endif
