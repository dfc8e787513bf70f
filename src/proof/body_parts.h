/* Inside src/proof only: checks that body, vote and grant share. */
#ifndef PROOF_BODY_PARTS_H
#define PROOF_BODY_PARTS_H

#include "proof/body.h"

#define PROOF_MAX_REF_ID 1024
#define PROOF_MAX_SETTING 4096
#define PROOF_MAX_MS ((1LL << 53) - 1)

enum phi_rc proof_list(const struct phi_json *v, const char *what, size_t max, struct phi_err *err);
enum phi_rc proof_obj(const struct phi_json *v, const char *what, const char *const *keys, struct phi_err *err);
enum phi_rc proof_bytes(struct phi_arena *a, const struct phi_json *v, const char *what, struct phi_view *ret,
                        struct phi_err *err); /* base64url */
enum phi_rc proof_text(struct phi_view v, const char *what, size_t min, size_t max, struct phi_err *err);
enum phi_rc proof_ref(struct phi_ref r, const char *what, struct phi_err *err);
enum phi_rc proof_refs_check(const struct phi_ref *r, size_t n, const char *what, struct phi_err *err);
enum phi_rc proof_pairs_check(const struct phi_pair *p, size_t n, struct phi_err *err);
enum phi_rc proof_scope_check(const struct phi_scope *s, struct phi_err *err);
enum phi_rc proof_settings_check(const struct phi_setting *s, size_t n, struct phi_err *err);
enum phi_rc proof_bounds_read(struct phi_arena *a, const struct phi_json *v, struct phi_bounds *b, struct phi_err *err);
enum phi_rc proof_bounds_check(const struct phi_bounds *x, bool scope, struct phi_err *err);
void proof_bounds_write(struct phi_jw *w, const struct phi_bounds *b);
enum phi_rc proof_opt_int(const struct phi_json *v, const char *key, int64_t max, int64_t *ret, struct phi_err *err); /* 0: absent */
enum phi_rc proof_payload_check(const struct phi_payload *p, struct phi_err *err);

/* Members of the documents: ids as text, hashes as hex, `n` bytes as base64url. */
enum phi_rc proof_need_id(const struct phi_json *v, const char *key, struct phi_id *ret, struct phi_err *err);
enum phi_rc proof_need_hash(const struct phi_json *v, const char *key, struct phi_digest *ret, struct phi_err *err);
enum phi_rc proof_need_blob(const struct phi_json *v, const char *key, void *ret, size_t n, struct phi_err *err);
enum phi_rc proof_need_v1(const struct phi_json *v, struct phi_err *err);
void proof_put_hash(struct phi_jw *w, const char *key, const struct phi_digest *d);
void proof_put_id(struct phi_jw *w, const char *key, const struct phi_id *id);

#endif
