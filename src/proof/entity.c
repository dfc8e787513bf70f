#include "proof/entity.h"

#include <stdarg.h>
#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/text.h"

struct phi_view phi_who_type(struct phi_view id)
{
    struct phi_id read;
    return phi_id_read(id, &read) ? PHI_LIT("Person") : PHI_LIT("Service");
}

struct phi_ref phi_ref_of_who(struct phi_view id)
{
    return (struct phi_ref){ phi_who_type(id), id };
}

struct phi_ref phi_ref_of(const char *type, struct phi_view id)
{
    return (struct phi_ref){ phi_view_of(type), id };
}

bool phi_ref_none(struct phi_ref r)
{
    return !r.type.n && !r.id.n;
}

bool phi_ref_eq(struct phi_ref a, struct phi_ref b)
{
    return phi_view_eq(a.type, b.type) && phi_view_eq(a.id, b.id);
}

int phi_ref_cmp(struct phi_ref a, struct phi_ref b)
{
    int c = phi_view_cmp(a.type, b.type);
    return c ? c : phi_view_cmp(a.id, b.id);
}

enum phi_rc phi_ref_read(const struct phi_json *v, const char *what, struct phi_ref *ret,
                         struct phi_err *err)
{
    static const char *const keys[] = { "id", "type", NULL };
    struct phi_ref r = { 0 };
    if (!v || v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "%s must be an object {\"type\",\"id\"}", what);
    PHI_TRY(phi_json_only(v, keys, err));
    if (!phi_json_str(phi_json_get(v, "type"), &r.type) || !r.type.n ||
        !phi_json_str(phi_json_get(v, "id"), &r.id) || !r.id.n)
        return phi_fail(err, PHI_EINPUT, "%s needs a type and an id, both strings", what);
    *ret = r;
    return PHI_OK;
}

void phi_ref_write(struct phi_jw *w, struct phi_ref r)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "id", r.id);
    phi_jw_kv(w, "type", r.type);
    phi_jw_end(w);
}

struct phi_ref phi_ref_make_parts(struct phi_arena *a, const char *type, const struct phi_view *parts,
                                  size_t n)
{
    size_t max = 16;
    for (size_t i = 0; i < n; i++)
        max += parts[i].n * 6 + 3; /* the longest escape is \u001f */
    PHI_BUF(b, max);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_arr(&w);
    for (size_t i = 0; i < n; i++)
        phi_jw_str(&w, parts[i]);
    phi_jw_end(&w);
    if (!phi_buf_ok(&b))
        a->bad = true;
    return phi_ref_of(type, phi_arena_copy(a, phi_buf_view(&b)));
}

struct phi_ref phi_ref_make(struct phi_arena *a, const char *type, ...)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n = 0;
    va_list ap;
    va_start(ap, type);
    for (const char *s; n < PHI_REF_PARTS_MAX && (s = va_arg(ap, const char *)); n++)
        parts[n] = phi_view_of(s);
    va_end(ap);
    return phi_ref_make_parts(a, type, parts, n);
}

bool phi_ref_parts(struct phi_arena *a, struct phi_ref r, struct phi_view *parts, size_t *n)
{
    const struct phi_json *v = NULL;
    if (!r.id.n || r.id.p[0] != '[' || phi_json_read(a, r.id, PHI_JSON_STRICT, "id", &v, NULL) != PHI_OK)
        return false;
    if (v->kind != PHI_JSON_ARR || v->n < 1 || v->n > PHI_REF_PARTS_MAX)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (!phi_json_str(&v->items[i], &parts[i]))
            return false;
    *n = v->n;
    /* one thing, one id: another spelling of the same array is no id of ours */
    struct phi_ref again = phi_ref_make_parts(a, "", parts, *n);
    return phi_arena_ok(a) && phi_view_eq(again.id, r.id);
}

static bool plain_name(struct phi_view v, bool target)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        bool start = (c >= 'a' && c <= 'z') || c == '_';
        bool digit = c >= '0' && c <= '9';
        if (!start && !(i > 0 && (digit || c == '$')) && !(target && (digit || c == '-')))
            return false;
    }
    return v.n > 0;
}

static void label_part(struct phi_buf *b, struct phi_view v, bool target)
{
    if (plain_name(v, target)) {
        phi_buf_add(b, v);
        return;
    }
    phi_buf_addc(b, '"');
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"')
            phi_buf_addc(b, '"');
        phi_buf_addc(b, v.p[i]);
    }
    phi_buf_addc(b, '"');
}

/* The types that have labels, and how many parts their ids have. */
static const struct label_type {
    const char *type;
    size_t parts;
    const char *tail;
} label_types[] = {
    { "Target", 1, "" }, { "Schema", 2, "" }, { "Table", 3, "" }, { "Column", 4, "" }, { "Function", 3, "()" },
};

void phi_ref_label(struct phi_buf *b, struct phi_ref r)
{
    PHI_ARENA(a, 256 * 1024);
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n = 0;
    for (size_t t = 0; t < sizeof label_types / sizeof *label_types; t++) {
        if (!phi_view_is(r.type, label_types[t].type) || !phi_ref_parts(&a, r, parts, &n) ||
            n != label_types[t].parts)
            continue;
        for (size_t i = 0; i < n; i++) {
            if (i)
                phi_buf_addc(b, i == 1 ? '/' : '.');
            label_part(b, parts[i], i == 0);
        }
        phi_buf_adds(b, label_types[t].tail);
        return;
    }
    phi_ref_cedar(b, r);
}

/* Takes one name off the front of *text; its decoded form goes to the arena. */
static bool take_part(struct phi_arena *a, struct phi_view *text, struct phi_view *ret)
{
    size_t n = 0;
    if (!text->n || text->p[0] != '"') {
        while (n < text->n && !strchr("/.(\"", text->p[n]))
            n++;
        *ret = phi_view_upto(*text, n);
        *text = phi_view_from(*text, n);
        return n > 0;
    }
    uint8_t *out = phi_arena_alloc(a, text->n);
    size_t at = 1;
    for (; out && at < text->n; at++) {
        if (text->p[at] == '"' && (++at >= text->n || text->p[at] != '"')) {
            *ret = phi_view_mem(out, n);
            *text = phi_view_from(*text, at);
            return true;
        }
        out[n++] = text->p[at];
    }
    return false;
}

static bool take_char(struct phi_view *text, char c)
{
    if (!text->n || text->p[0] != (uint8_t)c)
        return false;
    *text = phi_view_from(*text, 1);
    return true;
}

/* name[/name[.name[.name]]][()], or without the target: name.name[.name] */
static bool label_parts(struct phi_arena *a, struct phi_view text, struct phi_view target, struct phi_view *parts,
                        size_t *n, bool *function)
{
    size_t k = 0;
    bool slash = false;
    for (;;) {
        if (k == PHI_REF_PARTS_MAX || !take_part(a, &text, &parts[k++]))
            return false;
        if (k == 1 && take_char(&text, '/')) {
            slash = true;
            continue;
        }
        if (!take_char(&text, '.'))
            break;
        if (k == 1 && target.n) { /* no target in the text: it goes in front */
            parts[1] = parts[0];
            parts[0] = target;
            k = 2;
            slash = true;
        } else if (!slash) {
            return false;
        }
    }
    *function = phi_view_is(text, "()");
    *n = k;
    return (*function || !text.n) && (k == 1 || slash);
}

enum phi_rc phi_ref_from_label(struct phi_arena *a, struct phi_view text, struct phi_view target,
                               struct phi_ref *ret, struct phi_err *err)
{
    struct phi_view parts[PHI_REF_PARTS_MAX];
    size_t n = 0;
    bool function = false;
    if (text.n > 4 * PHI_MAX_NAME + 64 || !phi_utf8_ok(text) || memchr(text.p ? text.p : (const uint8_t *)"", 0, text.n) ||
        !label_parts(a, text, target, parts, &n, &function))
        return phi_fail(err, PHI_EINPUT,
                        "this is no resource: write target, target/schema, target/schema.table or "
                        "target/schema.table.column");
    for (size_t t = 0; t < sizeof label_types / sizeof *label_types; t++) {
        if (label_types[t].parts != n || function != (label_types[t].tail[0] != 0))
            continue;
        *ret = phi_ref_make_parts(a, label_types[t].type, parts, n);
        return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    return phi_fail(err, PHI_EINPUT, "a function is written target/schema.name()");
}

void phi_ref_cedar(struct phi_buf *b, struct phi_ref r)
{
    phi_buf_add(b, r.type);
    phi_buf_adds(b, "::\"");
    struct phi_view v = r.id;
    while (v.n) {
        uint32_t cp = 0;
        size_t n = phi_utf8_next(v, &cp);
        if (!n) {
            phi_utf8_add(b, 0xfffd);
            n = 1;
        } else if (cp == '"' || cp == '\\') {
            phi_buf_addc(b, '\\');
            phi_buf_addc(b, (uint8_t)cp);
        } else if (cp < 0x20 || cp == 0x7f) {
            phi_buf_printf(b, "\\u{%x}", cp);
        } else {
            phi_buf_add(b, phi_view_upto(v, n));
        }
        v = phi_view_from(v, n);
    }
    phi_buf_addc(b, '"');
}
