/* libfyaml's events become the tree of base/json.h. */
#include "base/yaml.h"

#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

struct reader {
    struct phi_arena *a;
    struct fy_parser *p;
    struct fy_diag *diag;
    const char *what;
    struct phi_err *err;
    int depth;
};

struct list { /* children, gathered before their number is known */
    struct list *next;
    struct phi_view key;
    struct phi_json value;
};

static uint32_t line_of(struct fy_event *e)
{
    const struct fy_mark *m = fy_event_start_mark(e);
    return m ? (uint32_t)m->line + 1 : 0;
}

static enum phi_rc refuse(struct reader *r, uint32_t line, const char *why)
{
    return phi_fail(r->err, PHI_EINPUT, "%s:%u: %s", r->what, line, why);
}

static enum phi_rc syntax_error(struct reader *r)
{
    void *at = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(r->diag, &at);
    if (!e)
        return phi_fail(r->err, PHI_EINPUT, "%s: this is no YAML", r->what);
    return phi_fail(r->err, PHI_EINPUT, "%s:%d:%d: %s", r->what, e->line, e->column, e->msg);
}

/* The plain scalars of YAML 1.2's core schema, less reals, which phi has no use for. */
static void plain_scalar(struct phi_view s, struct phi_json *v)
{
    if (phi_view_is(s, "true") || phi_view_is(s, "false")) {
        v->kind = PHI_JSON_BOOL;
        v->b = phi_view_is(s, "true");
    } else if (s.n == 0 || phi_view_is(s, "null") || phi_view_is(s, "~")) {
        v->kind = PHI_JSON_NULL;
    } else if (phi_view_int(s, &v->i)) {
        v->kind = PHI_JSON_INT;
    }
}

static enum phi_rc scalar(struct reader *r, struct fy_event *e, struct phi_json *ret)
{
    size_t n = 0;
    const char *text = fy_token_get_text(e->scalar.value, &n);
    if (e->scalar.tag || e->scalar.anchor)
        return refuse(r, line_of(e), "tags and anchors are not taken here");
    struct phi_view s = phi_view_mem(text, text ? n : 0);
    if (!phi_utf8_ok(s) || (s.n && memchr(s.p, 0, s.n)))
        return refuse(r, line_of(e), "the text is not UTF-8 or holds U+0000");
    *ret = (struct phi_json){ .kind = PHI_JSON_STR, .line = line_of(e), .str = phi_arena_copy(r->a, s) };
    if (!e->scalar.value || fy_token_scalar_style(e->scalar.value) == FYSS_PLAIN)
        plain_scalar(ret->str, ret);
    return PHI_OK;
}

static enum phi_rc value(struct reader *r, struct fy_event *e, struct phi_json *ret);

static enum phi_rc member_key(struct reader *r, struct fy_event *e, const struct list *seen, struct phi_view *ret)
{
    struct phi_json key;
    if (e->type != FYET_SCALAR)
        return refuse(r, line_of(e), "a key must be a plain text");
    PHI_TRY(scalar(r, e, &key));
    *ret = key.str;
    for (; seen; seen = seen->next) {
        if (phi_view_eq(seen->key, key.str))
            return refuse(r, line_of(e), "this key stands twice");
    }
    return PHI_OK;
}

/* One child of a list or mapping; *done at its end. */
static enum phi_rc child(struct reader *r, bool mapping, struct list **head, bool *done)
{
    struct fy_event *e = fy_parser_parse(r->p);
    if (!e)
        return syntax_error(r);
    *done = e->type == FYET_MAPPING_END || e->type == FYET_SEQUENCE_END;
    struct list *item = *done ? NULL : phi_arena_new(r->a, struct list);
    enum phi_rc rc = PHI_OK;
    if (item && mapping) {
        rc = member_key(r, e, *head, &item->key);
        fy_parser_event_free(r->p, e);
        e = rc == PHI_OK ? fy_parser_parse(r->p) : NULL;
        if (rc == PHI_OK && !e)
            return syntax_error(r);
    }
    if (item && rc == PHI_OK)
        rc = value(r, e, &item->value);
    if (e)
        fy_parser_event_free(r->p, e);
    if (item) {
        item->next = *head;
        *head = item;
    } else if (!*done) {
        rc = phi_fail(r->err, PHI_ELIMIT, "%s: larger than what is taken in one piece", r->what);
    }
    return rc;
}

static enum phi_rc children(struct reader *r, bool mapping, struct phi_json *ret)
{
    struct list *head = NULL;
    size_t n = 0;
    bool done = false;
    if (++r->depth > PHI_MAX_JSON_DEPTH)
        return refuse(r, ret->line, "nested too deeply");
    for (;; n++) {
        PHI_TRY(child(r, mapping, &head, &done));
        if (done)
            break;
    }
    r->depth--;
    struct phi_json *items = phi_arena_array(r->a, n + 1, sizeof(*items));
    struct phi_view *keys = phi_arena_array(r->a, n + 1, sizeof(*keys));
    if (!items || !keys)
        return phi_fail(r->err, PHI_ELIMIT, "%s: larger than what is taken in one piece", r->what);
    for (size_t i = n; i-- > 0; head = head->next) {
        items[i] = head->value;
        keys[i] = head->key;
    }
    ret->kind = mapping ? PHI_JSON_OBJ : PHI_JSON_ARR;
    ret->items = items;
    ret->keys = mapping ? keys : NULL;
    ret->n = n;
    return PHI_OK;
}

static enum phi_rc value(struct reader *r, struct fy_event *e, struct phi_json *ret)
{
    *ret = (struct phi_json){ .kind = PHI_JSON_NULL, .line = line_of(e) };
    if (e->type == FYET_SCALAR)
        return scalar(r, e, ret);
    if (e->type == FYET_MAPPING_START && !e->mapping_start.tag && !e->mapping_start.anchor)
        return children(r, true, ret);
    if (e->type == FYET_SEQUENCE_START && !e->sequence_start.tag && !e->sequence_start.anchor)
        return children(r, false, ret);
    return refuse(r, ret->line, "aliases, tags and anchors are not taken here");
}

static enum phi_rc document(struct reader *r, struct phi_json *ret)
{
    int documents = 0;
    *ret = (struct phi_json){ .kind = PHI_JSON_OBJ, .line = 1 };
    for (;;) {
        struct fy_event *e = fy_parser_parse(r->p);
        if (!e)
            return syntax_error(r);
        enum fy_event_type type = e->type;
        enum phi_rc rc = PHI_OK;
        if (type == FYET_DOCUMENT_START && ++documents > 1)
            rc = refuse(r, line_of(e), "one document is wanted, not several");
        else if (type != FYET_STREAM_START && type != FYET_STREAM_END && type != FYET_DOCUMENT_START &&
                 type != FYET_DOCUMENT_END)
            rc = value(r, e, ret);
        fy_parser_event_free(r->p, e);
        if (rc != PHI_OK || type == FYET_STREAM_END)
            return rc;
    }
}

static void say_nothing(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    (void)diag, (void)user, (void)text, (void)n; /* the message goes into our error instead */
}

static enum phi_rc parse(struct reader *r, struct phi_view text, struct phi_json *root)
{
    struct fy_diag_cfg quiet;
    fy_diag_cfg_default(&quiet);
    quiet.output_fn = say_nothing;
    quiet.fp = NULL;
    r->diag = fy_diag_create(&quiet);
    struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = r->diag };
    enum phi_rc rc = phi_fail(r->err, PHI_ELIMIT, "%s: out of memory", r->what);
    if (r->diag) {
        fy_diag_set_collect_errors(r->diag, true);
        r->p = fy_parser_create(&cfg);
    }
    if (r->p && fy_parser_set_string(r->p, (const char *)text.p, text.n) == 0)
        rc = document(r, root);
    if (r->p)
        fy_parser_destroy(r->p);
    if (r->diag)
        fy_diag_destroy(r->diag);
    return rc;
}

enum phi_rc phi_yaml_read(struct phi_arena *a, struct phi_view text, const char *what, const struct phi_json **ret,
                          struct phi_err *err)
{
    *ret = NULL;
    struct phi_json *root = phi_arena_new(a, struct phi_json);
    if (!root)
        return phi_fail(err, PHI_ELIMIT, "%s: larger than what is taken in one piece", what);
    if (!phi_utf8_ok(text)) /* libfyaml never returns from some of these */
        return phi_fail(err, PHI_EINPUT, "%s: not UTF-8", what);
    if (phi_view_trim(text).n == 0) {
        *root = (struct phi_json){ .kind = PHI_JSON_OBJ, .line = 1 };
        *ret = root;
        return PHI_OK;
    }
    struct reader r = { .a = a, .what = what, .err = err };
    enum phi_rc rc = parse(&r, text, root);
    if (rc == PHI_OK && !phi_arena_ok(a))
        rc = phi_fail(err, PHI_ELIMIT, "%s: larger than what is taken in one piece", what);
    *ret = rc == PHI_OK ? root : NULL;
    return rc;
}
