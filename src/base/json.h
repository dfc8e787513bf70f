/* JSON: strict reading (RFC 8259 and I-JSON, RFC 7493) into a tree that lives in an arena, a
 * streaming writer, and the canonical form (RFC 8785).
 *
 * Refused on reading, with the byte offset: duplicate keys, depth over 64, invalid UTF-8 or
 * surrogates, U+0000 in strings unless asked for, numbers that are no integer in ±(2^53 - 1) unless asked for,
 * trailing bytes. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"

enum phi_json_kind {
    PHI_JSON_NULL,
    PHI_JSON_BOOL,
    PHI_JSON_INT,
    PHI_JSON_REAL,
    PHI_JSON_STR,
    PHI_JSON_ARR,
    PHI_JSON_OBJ
};

struct phi_json { /* read it freely, change nothing */
    enum phi_json_kind kind;
    bool b;
    int64_t i;
    double real;
    struct phi_view str;           /* STR: decoded text */
    const struct phi_json *items;  /* ARR and OBJ: n values */
    const struct phi_view *keys;   /* OBJ: n keys, in the order of the text */
    size_t n;
    uint32_t line; /* from YAML: the line it stands in, from 1; 0 otherwise */
};

enum phi_json_flags {
    PHI_JSON_STRICT = 0,
    PHI_JSON_INT64 = 1,    /* integers in the whole of int64 */
    PHI_JSON_REALS = 2,    /* other numbers too */
    PHI_JSON_NUL_OK = 4,   /* U+0000 in strings */
    PHI_JSON_DEEP = 8      /* depth up to 4,096 (parse trees of our own parser process) */
};

/* All of `text` must be one value. `what` names the thing in messages ("request body"). */
enum phi_rc phi_json_read(struct phi_arena *a, struct phi_view text, int flags, const char *what,
                          const struct phi_json **ret, struct phi_err *err);

/* Look-ups answer NULL or false for a missing key, another kind, or v == NULL: so they nest. */
const struct phi_json *phi_json_get(const struct phi_json *v, const char *key);
const struct phi_json *phi_json_at(const struct phi_json *v, size_t i);
bool phi_json_str(const struct phi_json *v, struct phi_view *ret);
bool phi_json_int(const struct phi_json *v, int64_t *ret);
bool phi_json_bool(const struct phi_json *v, bool *ret);
struct phi_view phi_json_text(const struct phi_json *v, const char *key); /* "" when absent */
int64_t phi_json_num(const struct phi_json *v, const char *key, int64_t otherwise);

/* Reading with an error that names the key: "request body: \"ttl\" must be a whole number". */
enum phi_rc phi_json_need_str(const struct phi_json *obj, const char *key, struct phi_view *ret,
                              struct phi_err *err);
enum phi_rc phi_json_need_int(const struct phi_json *obj, const char *key, int64_t min, int64_t max,
                              int64_t *ret, struct phi_err *err);
/* PHI_EINPUT naming the first key of obj that is not in the NULL-terminated list. */
enum phi_rc phi_json_only(const struct phi_json *obj, const char *const *keys, struct phi_err *err);

/* Writer. Calls that do not fit (a value without a key in an object, a missing end) make `out` bad. */
struct phi_jw {
    struct phi_buf *out;
    uint64_t in_obj;   /* bit per open level: object or array */
    uint64_t has_item; /* bit per open level: needs a comma */
    int depth;
    bool after_key;
};
void phi_jw_init(struct phi_jw *w, struct phi_buf *out);
void phi_jw_obj(struct phi_jw *w);
void phi_jw_arr(struct phi_jw *w);
void phi_jw_end(struct phi_jw *w); /* closes the innermost */
void phi_jw_key(struct phi_jw *w, const char *key);
void phi_jw_keyv(struct phi_jw *w, struct phi_view key);
void phi_jw_str(struct phi_jw *w, struct phi_view v); /* invalid UTF-8 becomes U+FFFD */
void phi_jw_cstr(struct phi_jw *w, const char *s);    /* NULL writes null */
void phi_jw_int(struct phi_jw *w, int64_t v);
void phi_jw_bool(struct phi_jw *w, bool v);
void phi_jw_null(struct phi_jw *w);
void phi_jw_raw(struct phi_jw *w, struct phi_view json); /* trusted JSON text as one value */
void phi_jw_b64u(struct phi_jw *w, struct phi_view bytes);
void phi_jw_hex(struct phi_jw *w, struct phi_view bytes);
void phi_jw_value(struct phi_jw *w, const struct phi_json *v);
/* key and value at once */
void phi_jw_kv(struct phi_jw *w, const char *key, struct phi_view v);
void phi_jw_kc(struct phi_jw *w, const char *key, const char *v);
void phi_jw_ki(struct phi_jw *w, const char *key, int64_t v);
void phi_jw_kb(struct phi_jw *w, const char *key, bool v);

/* RFC 8785: keys sorted by UTF-16 code units, shortest escapes, integers as integers (no reals). */
void phi_json_canon(struct phi_buf *out, const struct phi_json *v);
/* Reads strictly and writes canonically: what everything signs. */
enum phi_rc phi_json_canon_text(struct phi_view text, struct phi_buf *out, struct phi_err *err);

#endif
