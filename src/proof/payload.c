/* The payload: exact bytes, as the target will receive them. */
#include "base/limits.h"
#include "base/text.h"
#include "proof/body_parts.h"

#define MAX_STATEMENTS 1024
#define MAX_PARAMS 65535 /* the protocol's own limit */

static enum phi_rc read_u16s(struct phi_arena *a, const struct phi_json *v, const char *what, const uint16_t **ret,
                             size_t *n, struct phi_err *err)
{
    PHI_TRY(proof_list(v, what, MAX_PARAMS, err));
    uint16_t *p = phi_arena_array(a, v->n, sizeof *p);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < v->n; i++) {
        int64_t x = 0;
        if (!phi_json_int(&v->items[i], &x) || (x != 0 && x != 1))
            return phi_fail(err, PHI_EINPUT, "%s must hold format codes, 0 or 1", what);
        p[i] = (uint16_t)x;
    }
    *ret = p;
    *n = v->n;
    return PHI_OK;
}

static enum phi_rc read_types(struct phi_arena *a, const struct phi_json *v, struct phi_statement *s,
                              struct phi_err *err)
{
    PHI_TRY(proof_list(v, "types", MAX_PARAMS, err));
    uint32_t *p = phi_arena_array(a, v->n, sizeof *p);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < v->n; i++) {
        int64_t x = 0;
        if (!phi_json_int(&v->items[i], &x) || x < 0 || x > UINT32_MAX)
            return phi_fail(err, PHI_EINPUT, "types must hold OIDs");
        p[i] = (uint32_t)x;
    }
    s->types = p;
    s->n_types = v->n;
    return PHI_OK;
}

static enum phi_rc read_params(struct phi_arena *a, const struct phi_json *v, struct phi_statement *s,
                               struct phi_err *err)
{
    PHI_TRY(proof_list(v, "params", MAX_PARAMS, err));
    struct phi_param *p = phi_arena_array(a, v->n, sizeof *p);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < v->n; i++) {
        p[i].null = v->items[i].kind == PHI_JSON_NULL;
        if (!p[i].null)
            PHI_TRY(proof_bytes(a, &v->items[i], "a parameter", &p[i].bytes, err));
    }
    s->params = p;
    s->n_params = v->n;
    return PHI_OK;
}

static enum phi_rc read_statement(struct phi_arena *a, const struct phi_json *v, struct phi_statement *s,
                                  struct phi_err *err)
{
    static const char *const keys[] = { "bytes", "types", "formats", "params", "results", "max_rows", NULL };
    PHI_TRY(proof_obj(v, "a statement", keys, err));
    PHI_TRY(proof_bytes(a, phi_json_get(v, "bytes"), "bytes", &s->bytes, err));
    PHI_TRY(read_types(a, phi_json_get(v, "types"), s, err));
    PHI_TRY(read_u16s(a, phi_json_get(v, "formats"), "formats", &s->formats, &s->n_formats, err));
    PHI_TRY(read_params(a, phi_json_get(v, "params"), s, err));
    PHI_TRY(read_u16s(a, phi_json_get(v, "results"), "results", &s->results, &s->n_results, err));
    if (phi_json_get(v, "max_rows")) {
        int64_t rows = 0;
        PHI_TRY(phi_json_need_int(v, "max_rows", 1, INT32_MAX, &rows, err));
        s->max_rows = (uint32_t)rows;
    }
    return PHI_OK;
}

static enum phi_rc read_batch(struct phi_arena *a, const struct phi_json *v, struct phi_payload *p,
                              struct phi_err *err)
{
    static const char *const keys[] = { "kind", "statements", NULL };
    PHI_TRY(phi_json_only(v, keys, err));
    const struct phi_json *list = phi_json_get(v, "statements");
    PHI_TRY(proof_list(list, "statements", MAX_STATEMENTS, err));
    struct phi_statement *s = phi_arena_array(a, list->n, sizeof *s);
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < list->n; i++)
        PHI_TRY(read_statement(a, &list->items[i], &s[i], err));
    p->kind = PHI_PAYLOAD_PG_BATCH;
    p->statements = s;
    p->n_statements = list->n;
    return PHI_OK;
}

enum phi_rc phi_payload_read(struct phi_arena *a, const struct phi_json *v, struct phi_payload *ret,
                             struct phi_err *err)
{
    static const char *const keys[] = { "kind", "bytes", NULL };
    struct phi_payload p = { 0 };
    struct phi_view kind;
    if (!v || v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "payload must be an object");
    PHI_TRY(phi_json_need_str(v, "kind", &kind, err));
    if (phi_view_is(kind, "pg-query")) {
        PHI_TRY(phi_json_only(v, keys, err));
        PHI_TRY(proof_bytes(a, phi_json_get(v, "bytes"), "payload.bytes", &p.bytes, err));
        p.kind = PHI_PAYLOAD_PG_QUERY;
    } else if (phi_view_is(kind, "phi-change")) {
        PHI_TRY(phi_json_only(v, keys, err));
        PHI_TRY(proof_bytes(a, phi_json_get(v, "bytes"), "payload.bytes", &p.bytes, err));
        p.kind = PHI_PAYLOAD_CHANGE;
    } else if (phi_view_is(kind, "pg-batch")) {
        PHI_TRY(read_batch(a, v, &p, err));
    } else {
        return phi_fail(err, PHI_EINPUT, "payload.kind must be \"pg-query\", \"pg-batch\" or \"phi-change\"");
    }
    PHI_TRY(proof_payload_check(&p, err));
    *ret = p;
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc check_sql(struct phi_view v, struct phi_err *err)
{
    if (v.n > PHI_MAX_SQL)
        return phi_fail(err, PHI_EINPUT, "a statement is longer than %d bytes", PHI_MAX_SQL);
    for (size_t i = 0; i < v.n; i++)
        if (!v.p[i]) /* the protocol ends the text there: the rest would never be seen */
            return phi_fail(err, PHI_EINPUT, "a statement holds a zero byte");
    return PHI_OK;
}

static enum phi_rc check_formats(const uint16_t *f, size_t n, struct phi_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (f[i] > 1)
            return phi_fail(err, PHI_EINPUT, "a format code must be 0 or 1");
    return PHI_OK;
}

enum phi_rc proof_payload_check(const struct phi_payload *p, struct phi_err *err)
{
    if (p->kind == PHI_PAYLOAD_PG_QUERY)
        return check_sql(p->bytes, err);
    if (p->kind == PHI_PAYLOAD_CHANGE)
        return proof_text(p->bytes, "a change", 2, PHI_MAX_PAYLOAD, err);
    if (p->kind != PHI_PAYLOAD_PG_BATCH || !p->n_statements || p->n_statements > MAX_STATEMENTS)
        return phi_fail(err, PHI_EINPUT, "a pg-batch has 1 to %d statements", MAX_STATEMENTS);
    for (size_t i = 0; i < p->n_statements; i++) {
        const struct phi_statement *s = &p->statements[i];
        PHI_TRY(check_sql(s->bytes, err));
        PHI_TRY(check_formats(s->formats, s->n_formats, err));
        PHI_TRY(check_formats(s->results, s->n_results, err));
        if (s->max_rows > INT32_MAX)
            return phi_fail(err, PHI_EINPUT, "max_rows is out of range");
    }
    return PHI_OK;
}

static void write_u16s(struct phi_jw *w, const char *key, const uint16_t *p, size_t n)
{
    phi_jw_key(w, key);
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_jw_int(w, p[i]);
    phi_jw_end(w);
}

static void write_statement(struct phi_jw *w, const struct phi_statement *s)
{
    phi_jw_obj(w);
    phi_jw_key(w, "bytes");
    phi_jw_b64u(w, s->bytes);
    write_u16s(w, "formats", s->formats, s->n_formats);
    if (s->max_rows)
        phi_jw_ki(w, "max_rows", s->max_rows);
    phi_jw_key(w, "params");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->n_params; i++) {
        if (s->params[i].null)
            phi_jw_null(w);
        else
            phi_jw_b64u(w, s->params[i].bytes);
    }
    phi_jw_end(w);
    write_u16s(w, "results", s->results, s->n_results);
    phi_jw_key(w, "types");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->n_types; i++)
        phi_jw_int(w, s->types[i]);
    phi_jw_end(w);
    phi_jw_end(w);
}

void phi_payload_write(struct phi_jw *w, const struct phi_payload *p)
{
    switch (p->kind) {
    case PHI_PAYLOAD_NONE:
        phi_jw_null(w);
        return;
    case PHI_PAYLOAD_PG_QUERY:
    case PHI_PAYLOAD_CHANGE:
        phi_jw_obj(w);
        phi_jw_key(w, "bytes");
        phi_jw_b64u(w, p->bytes);
        phi_jw_kc(w, "kind", p->kind == PHI_PAYLOAD_CHANGE ? "phi-change" : "pg-query");
        phi_jw_end(w);
        return;
    case PHI_PAYLOAD_PG_BATCH:
        phi_jw_obj(w);
        phi_jw_kc(w, "kind", "pg-batch");
        phi_jw_key(w, "statements");
        phi_jw_arr(w);
        for (size_t i = 0; i < p->n_statements; i++)
            write_statement(w, &p->statements[i]);
        phi_jw_end(w);
        phi_jw_end(w);
        return;
    }
}
