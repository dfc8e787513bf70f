/* The lists and parts that bodies, votes, grants and the API share. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/text.h"
#include "proof/body_parts.h"

enum phi_rc proof_list(const struct phi_json *v, const char *what, size_t max, struct phi_err *err)
{
    if (!v || v->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "%s must be a list", what);
    if (v->n > max)
        return phi_fail(err, PHI_EINPUT, "%s has %zu items, at most %zu are allowed", what, v->n, max);
    return PHI_OK;
}

enum phi_rc proof_obj(const struct phi_json *v, const char *what, const char *const *keys, struct phi_err *err)
{
    if (!v || v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "%s must be an object", what);
    return phi_json_only(v, keys, err);
}

enum phi_rc proof_bytes(struct phi_arena *a, const struct phi_json *v, const char *what, struct phi_view *ret,
                        struct phi_err *err)
{
    struct phi_view text;
    if (!phi_json_str(v, &text))
        return phi_fail(err, PHI_EINPUT, "%s must be base64url text", what);
    PHI_BUF(b, PHI_MAX_PAYLOAD);
    if (!phi_b64u_read(text, &b))
        return phi_fail(err, PHI_EINPUT, "%s is not base64url without padding", what);
    if (!phi_buf_ok(&b))
        return phi_fail(err, PHI_ELIMIT, "%s is too long", what);
    *ret = phi_arena_copy(a, phi_buf_view(&b));
    return PHI_OK;
}

enum phi_rc proof_text(struct phi_view v, const char *what, size_t min, size_t max, struct phi_err *err)
{
    if (v.n < min || v.n > max)
        return phi_fail(err, PHI_EINPUT, "%s must be %zu to %zu bytes of text", what, min, max);
    if (!phi_utf8_ok(v))
        return phi_fail(err, PHI_EINPUT, "%s is not valid UTF-8", what);
    for (size_t i = 0; i < v.n; i++)
        if (!v.p[i])
            return phi_fail(err, PHI_EINPUT, "%s has a zero byte", what);
    return PHI_OK;
}

enum phi_rc proof_ref(struct phi_ref r, const char *what, struct phi_err *err)
{
    PHI_TRY(proof_text(r.type, what, 1, PHI_MAX_NAME, err));
    return proof_text(r.id, what, 1, PROOF_MAX_REF_ID, err);
}

static enum phi_rc memory(const struct phi_arena *a, struct phi_err *err)
{
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- entities ---- */

enum phi_rc phi_refs_read(struct phi_arena *a, const struct phi_json *v, const char *what,
                          const struct phi_ref **ret, size_t *n, struct phi_err *err)
{
    PHI_TRY(proof_list(v, what, PHI_MAX_ACTIONS, err));
    struct phi_ref *r = phi_arena_array(a, v->n, sizeof *r);
    PHI_TRY(memory(a, err));
    for (size_t i = 0; i < v->n; i++)
        PHI_TRY(phi_ref_read(&v->items[i], what, &r[i], err));
    *ret = r;
    *n = v->n;
    return PHI_OK;
}

void phi_refs_write(struct phi_jw *w, const struct phi_ref *r, size_t n)
{
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_ref_write(w, r[i]);
    phi_jw_end(w);
}

enum phi_rc proof_refs_check(const struct phi_ref *r, size_t n, const char *what, struct phi_err *err)
{
    if (n > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "%s has over %d items", what, PHI_MAX_ACTIONS);
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(proof_ref(r[i], what, err));
        if (i && phi_ref_cmp(r[i - 1], r[i]) >= 0)
            return phi_fail(err, PHI_EINPUT, "%s must be sorted and hold each entity once", what);
    }
    return PHI_OK;
}

static int by_ref(const void *x, const void *y)
{
    return phi_ref_cmp(*(const struct phi_ref *)x, *(const struct phi_ref *)y);
}

size_t phi_refs_sort(struct phi_ref *r, size_t n)
{
    size_t k = 0;
    if (n)
        qsort(r, n, sizeof *r, by_ref);
    for (size_t i = 0; i < n; i++)
        if (!i || !phi_ref_eq(r[i], r[k - 1]))
            r[k++] = r[i];
    return k;
}

/* ---- action-resource pairs ---- */

enum phi_rc phi_pairs_read(struct phi_arena *a, const struct phi_json *v, const struct phi_pair **ret, size_t *n,
                           struct phi_err *err)
{
    static const char *const keys[] = { "action", "resource", NULL };
    PHI_TRY(proof_list(v, "actions", PHI_MAX_ACTIONS, err));
    struct phi_pair *p = phi_arena_array(a, v->n, sizeof *p);
    PHI_TRY(memory(a, err));
    for (size_t i = 0; i < v->n; i++) {
        PHI_TRY(proof_obj(&v->items[i], "an item of actions", keys, err));
        PHI_TRY(phi_json_need_str(&v->items[i], "action", &p[i].action, err));
        PHI_TRY(phi_ref_read(phi_json_get(&v->items[i], "resource"), "resource", &p[i].resource, err));
    }
    *ret = p;
    *n = v->n;
    return proof_pairs_check(p, v->n, err);
}

void phi_pairs_write(struct phi_jw *w, const struct phi_pair *p, size_t n)
{
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "action", p[i].action);
        phi_jw_key(w, "resource");
        phi_ref_write(w, p[i].resource);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static int pair_cmp(const struct phi_pair *x, const struct phi_pair *y)
{
    int c = phi_view_cmp(x->action, y->action);
    return c ? c : phi_ref_cmp(x->resource, y->resource);
}

enum phi_rc proof_pairs_check(const struct phi_pair *p, size_t n, struct phi_err *err)
{
    if (n > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "actions has over %d items", PHI_MAX_ACTIONS);
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(proof_text(p[i].action, "an action", 1, PHI_MAX_NAME, err));
        PHI_TRY(proof_ref(p[i].resource, "a resource", err));
        if (i && pair_cmp(&p[i - 1], &p[i]) >= 0)
            return phi_fail(err, PHI_EINPUT, "actions must be sorted and hold each pair once");
    }
    return PHI_OK;
}

static int by_pair(const void *x, const void *y)
{
    return pair_cmp(x, y);
}

size_t phi_pairs_sort(struct phi_pair *p, size_t n)
{
    size_t k = 0;
    if (n)
        qsort(p, n, sizeof *p, by_pair);
    for (size_t i = 0; i < n; i++)
        if (!i || pair_cmp(&p[i], &p[k - 1]))
            p[k++] = p[i];
    return k;
}

/* ---- names ---- */

static int by_view(const void *x, const void *y)
{
    return phi_view_cmp(*(const struct phi_view *)x, *(const struct phi_view *)y);
}

size_t phi_names_sort(struct phi_view *v, size_t n)
{
    size_t k = 0;
    if (n)
        qsort(v, n, sizeof *v, by_view);
    for (size_t i = 0; i < n; i++)
        if (!i || !phi_view_eq(v[i], v[k - 1]))
            v[k++] = v[i];
    return k;
}

/* ---- scope ---- */

enum phi_rc phi_scope_read(struct phi_arena *a, const struct phi_json *v, struct phi_scope *ret,
                           struct phi_err *err)
{
    static const char *const keys[] = { "actions", "resources", NULL };
    struct phi_scope s = { 0 };
    PHI_TRY(proof_obj(v, "scope", keys, err));
    const struct phi_json *acts = phi_json_get(v, "actions");
    PHI_TRY(proof_list(acts, "scope.actions", PHI_MAX_ACTIONS, err));
    struct phi_view *names = phi_arena_array(a, acts->n, sizeof *names);
    PHI_TRY(memory(a, err));
    for (size_t i = 0; i < acts->n; i++)
        if (!phi_json_str(&acts->items[i], &names[i]))
            return phi_fail(err, PHI_EINPUT, "scope.actions must hold names of actions");
    s.actions = names;
    s.n_actions = acts->n;
    PHI_TRY(phi_refs_read(a, phi_json_get(v, "resources"), "scope.resources", &s.resources, &s.n_resources, err));
    PHI_TRY(proof_scope_check(&s, err));
    *ret = s;
    return PHI_OK;
}

void phi_scope_write(struct phi_jw *w, const struct phi_scope *s)
{
    phi_jw_obj(w);
    phi_jw_key(w, "actions");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->n_actions; i++)
        phi_jw_str(w, s->actions[i]);
    phi_jw_end(w);
    phi_jw_key(w, "resources");
    phi_refs_write(w, s->resources, s->n_resources);
    phi_jw_end(w);
}

enum phi_rc proof_scope_check(const struct phi_scope *s, struct phi_err *err)
{
    if (!s->n_actions || !s->n_resources || s->n_actions > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "a scope names 1 to %d actions and resources", PHI_MAX_ACTIONS);
    for (size_t i = 0; i < s->n_actions; i++) {
        PHI_TRY(proof_text(s->actions[i], "an action", 1, PHI_MAX_NAME, err));
        if (i && phi_view_cmp(s->actions[i - 1], s->actions[i]) >= 0)
            return phi_fail(err, PHI_EINPUT, "scope.actions must be sorted and hold each action once");
    }
    return proof_refs_check(s->resources, s->n_resources, "scope.resources", err);
}

/* ---- settings ---- */

enum phi_rc phi_settings_read(struct phi_arena *a, const struct phi_json *v, const struct phi_setting **ret,
                              size_t *n, struct phi_err *err)
{
    if (!v || v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "settings must be an object");
    if (v->n > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "settings has over %d members", PHI_MAX_ACTIONS);
    struct phi_setting *s = phi_arena_array(a, v->n, sizeof *s);
    PHI_TRY(memory(a, err));
    for (size_t i = 0; i < v->n; i++) {
        s[i].name = v->keys[i];
        if (!phi_json_str(&v->items[i], &s[i].value))
            return phi_fail(err, PHI_EINPUT, "each setting must be text");
    }
    phi_settings_sort(s, v->n); /* members of an object have no order; the canonical text has */
    *ret = s;
    *n = v->n;
    return proof_settings_check(s, v->n, err);
}

void phi_settings_write(struct phi_jw *w, const struct phi_setting *s, size_t n)
{
    phi_jw_obj(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_keyv(w, s[i].name);
        phi_jw_str(w, s[i].value);
    }
    phi_jw_end(w);
}

enum phi_rc proof_settings_check(const struct phi_setting *s, size_t n, struct phi_err *err)
{
    if (n > PHI_MAX_ACTIONS)
        return phi_fail(err, PHI_EINPUT, "settings has over %d members", PHI_MAX_ACTIONS);
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(proof_text(s[i].name, "a setting's name", 1, PHI_MAX_NAME, err));
        PHI_TRY(proof_text(s[i].value, "a setting's value", 0, PROOF_MAX_SETTING, err));
        for (size_t k = 0; k < s[i].name.n; k++) /* ASCII: bytewise order is then RFC 8785's */
            if (s[i].name.p[k] < 0x21 || s[i].name.p[k] > 0x7e)
                return phi_fail(err, PHI_EINPUT, "a setting's name must be printable ASCII");
        if (i && phi_view_cmp(s[i - 1].name, s[i].name) >= 0)
            return phi_fail(err, PHI_EINPUT, "settings must be sorted by name, each once");
    }
    return PHI_OK;
}

static int by_setting(const void *x, const void *y)
{
    return phi_view_cmp(((const struct phi_setting *)x)->name, ((const struct phi_setting *)y)->name);
}

void phi_settings_sort(struct phi_setting *s, size_t n)
{
    if (n)
        qsort(s, n, sizeof *s, by_setting);
}
