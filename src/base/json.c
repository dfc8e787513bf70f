/* The reader: yyjson splits the text, then a pass of ours makes a tree of our own and refuses what
 * two readers could understand differently. */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/text.h"

enum { DEEP = 4096, SMALL_OBJECT = 16 };

struct reader {
    struct phi_arena *a;
    const char *what;
    int flags, depth, most;
    struct phi_err *err;
};

static enum phi_rc take(struct reader *r, yyjson_val *v, struct phi_json *ret);

static enum phi_rc no_memory(struct reader *r)
{
    return phi_fail(r->err, PHI_ELIMIT, "%s: larger than what is taken in one piece", r->what);
}

static enum phi_rc take_text(struct reader *r, yyjson_val *v, struct phi_view *ret)
{
    struct phi_view s = phi_view_mem(unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v));
    if (!(r->flags & PHI_JSON_NUL_OK) && s.n && memchr(s.p, 0, s.n))
        return phi_fail(r->err, PHI_EINPUT, "%s: a string holds U+0000, which is not taken", r->what);
    *ret = phi_arena_copy(r->a, s);
    return phi_arena_ok(r->a) ? PHI_OK : no_memory(r);
}

static enum phi_rc take_number(struct reader *r, yyjson_val *v, struct phi_json *ret)
{
    const int64_t edge = r->flags & PHI_JSON_INT64 ? INT64_MAX : (1LL << 53) - 1;
    if (yyjson_is_sint(v) || (yyjson_is_uint(v) && unsafe_yyjson_get_uint(v) <= INT64_MAX)) {
        ret->kind = PHI_JSON_INT;
        ret->i = unsafe_yyjson_get_sint(v);
        bool low = r->flags & PHI_JSON_INT64 ? false : ret->i < -edge;
        if (ret->i <= edge && !low)
            return PHI_OK;
    } else if (r->flags & PHI_JSON_REALS) {
        ret->kind = PHI_JSON_REAL;
        ret->real = yyjson_get_num(v);
        return PHI_OK;
    }
    return phi_fail(r->err, PHI_EINPUT, "%s: a number is not a whole number within %s", r->what,
                    r->flags & PHI_JSON_INT64 ? "64 bits" : "2^53 - 1 of zero");
}

static bool key_repeats(const struct phi_view *keys, size_t n, struct phi_map *seen)
{
    if (seen)
        return phi_map_get(seen, keys[n]) || !phi_map_put(seen, keys[n], seen);
    for (size_t i = 0; i < n; i++) {
        if (phi_view_eq(keys[i], keys[n]))
            return true;
    }
    return false;
}

static enum phi_rc take_members(struct reader *r, yyjson_val *v, struct phi_json *items, struct phi_view *keys,
                                struct phi_map *seen)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, max, key, value)
    {
        PHI_TRY(take_text(r, key, &keys[i]));
        if (key_repeats(keys, i, seen))
            return phi_fail(r->err, PHI_EINPUT, "%s: the key \"%.64s\" stands twice", r->what, (const char *)keys[i].p);
        PHI_TRY(take(r, value, &items[i]));
    }
    return PHI_OK;
}

static enum phi_rc take_obj(struct reader *r, yyjson_val *v, struct phi_json *ret)
{
    size_t n = unsafe_yyjson_get_len(v);
    struct phi_json *items = phi_arena_array(r->a, n + 1, sizeof(*items));
    struct phi_view *keys = phi_arena_array(r->a, n + 1, sizeof(*keys));
    if (!items || !keys)
        return no_memory(r);
    struct phi_map *seen = n > SMALL_OBJECT ? phi_map_open(n) : NULL;
    if (n > SMALL_OBJECT && !seen)
        return no_memory(r);
    enum phi_rc rc = take_members(r, v, items, keys, seen);
    phi_map_close(seen);
    *ret = (struct phi_json){ .kind = PHI_JSON_OBJ, .items = items, .keys = keys, .n = n };
    return rc;
}

static enum phi_rc take_arr(struct reader *r, yyjson_val *v, struct phi_json *ret)
{
    size_t n = unsafe_yyjson_get_len(v), i, max;
    struct phi_json *items = phi_arena_array(r->a, n + 1, sizeof(*items));
    if (!items)
        return no_memory(r);
    yyjson_val *item;
    yyjson_arr_foreach(v, i, max, item)
    {
        PHI_TRY(take(r, item, &items[i]));
    }
    *ret = (struct phi_json){ .kind = PHI_JSON_ARR, .items = items, .n = n };
    return PHI_OK;
}

static enum phi_rc take(struct reader *r, yyjson_val *v, struct phi_json *ret)
{
    *ret = (struct phi_json){ .kind = PHI_JSON_NULL };
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_NULL:
        return PHI_OK;
    case YYJSON_TYPE_BOOL:
        ret->kind = PHI_JSON_BOOL;
        ret->b = unsafe_yyjson_get_bool(v);
        return PHI_OK;
    case YYJSON_TYPE_NUM:
        return take_number(r, v, ret);
    case YYJSON_TYPE_STR:
        ret->kind = PHI_JSON_STR;
        return take_text(r, v, &ret->str);
    case YYJSON_TYPE_ARR:
    case YYJSON_TYPE_OBJ:
        break;
    default:
        return phi_fail(r->err, PHI_EINPUT, "%s: unreadable", r->what);
    }
    if (++r->depth > r->most)
        return phi_fail(r->err, PHI_ELIMIT, "%s: nested deeper than %d", r->what, r->most);
    enum phi_rc rc = yyjson_is_obj(v) ? take_obj(r, v, ret) : take_arr(r, v, ret);
    r->depth--;
    return rc;
}

enum phi_rc phi_json_read(struct phi_arena *a, struct phi_view text, int flags, const char *what,
                          const struct phi_json **ret, struct phi_err *err)
{
    if (!text.n)
        return phi_fail(err, PHI_EINPUT, "%s: empty, where JSON is wanted", what);
    /* What yyjson would take for -0 or 1.0 is told apart by reading reals raw only where asked for. */
    yyjson_read_err bad;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n, YYJSON_READ_NOFLAG, NULL, &bad);
    if (!doc)
        return phi_fail(err, PHI_EINPUT, "%s: %s at byte %zu", what, bad.msg, bad.pos);
    struct reader r = { .a = a, .what = what, .flags = flags, .err = err };
    r.most = flags & PHI_JSON_DEEP ? DEEP : PHI_MAX_JSON_DEPTH;
    struct phi_json *root = phi_arena_new(a, struct phi_json);
    enum phi_rc rc = root ? take(&r, yyjson_doc_get_root(doc), root) : no_memory(&r);
    yyjson_doc_free(doc);
    *ret = rc == PHI_OK ? root : NULL;
    return rc;
}

const struct phi_json *phi_json_get(const struct phi_json *v, const char *key)
{
    if (!v || v->kind != PHI_JSON_OBJ)
        return NULL;
    for (size_t i = 0; i < v->n; i++) {
        if (phi_view_is(v->keys[i], key))
            return &v->items[i];
    }
    return NULL;
}

const struct phi_json *phi_json_at(const struct phi_json *v, size_t i)
{
    return v && (v->kind == PHI_JSON_ARR || v->kind == PHI_JSON_OBJ) && i < v->n ? &v->items[i] : NULL;
}

bool phi_json_str(const struct phi_json *v, struct phi_view *ret)
{
    if (!v || v->kind != PHI_JSON_STR)
        return false;
    *ret = v->str;
    return true;
}

bool phi_json_int(const struct phi_json *v, int64_t *ret)
{
    if (!v || v->kind != PHI_JSON_INT)
        return false;
    *ret = v->i;
    return true;
}

bool phi_json_bool(const struct phi_json *v, bool *ret)
{
    if (!v || v->kind != PHI_JSON_BOOL)
        return false;
    *ret = v->b;
    return true;
}

struct phi_view phi_json_text(const struct phi_json *v, const char *key)
{
    struct phi_view s = PHI_LIT("");
    (void)phi_json_str(phi_json_get(v, key), &s);
    return s;
}

int64_t phi_json_num(const struct phi_json *v, const char *key, int64_t otherwise)
{
    int64_t i = otherwise;
    (void)phi_json_int(phi_json_get(v, key), &i);
    return i;
}

enum phi_rc phi_json_need_str(const struct phi_json *obj, const char *key, struct phi_view *ret, struct phi_err *err)
{
    if (phi_json_str(phi_json_get(obj, key), ret))
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "\"%s\" must be given, as a string", key);
}

enum phi_rc phi_json_need_int(const struct phi_json *obj, const char *key, int64_t min, int64_t max, int64_t *ret,
                              struct phi_err *err)
{
    if (phi_json_int(phi_json_get(obj, key), ret) && *ret >= min && *ret <= max)
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "\"%s\" must be given, as a whole number from %lld to %lld", key, (long long)min,
                    (long long)max);
}

enum phi_rc phi_json_only(const struct phi_json *obj, const char *const *keys, struct phi_err *err)
{
    if (!obj || obj->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "an object is wanted");
    for (size_t i = 0; i < obj->n; i++) {
        size_t k = 0;
        while (keys[k] && !phi_view_is(obj->keys[i], keys[k]))
            k++;
        if (!keys[k])
            return phi_fail(err, PHI_EINPUT, "\"%.64s\" is not known here", (const char *)obj->keys[i].p);
    }
    return PHI_OK;
}
