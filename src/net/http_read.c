#include "net/http_read.h"

#include <string.h>
#include <strings.h>

#include "base/hash.h"

enum { ROOM_FIRST = 1024, ROOM_KEEP = 2048 };

/* ---- Fields ---- */

struct phi_view http_span_view(const struct phi_buf *text, struct http_span s)
{
    return phi_view_mem(text->p + s.at, s.n);
}

static bool same_name(struct phi_view a, const char *name)
{
    return a.n == strlen(name) && strncasecmp((const char *)a.p, name, a.n) == 0;
}

bool http_field(const struct phi_buf *text, const struct http_fields *f, const char *name, size_t nth,
                struct phi_view *ret)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < f->n; i++)
        if (f->name[i].n == len && strncasecmp((const char *)text->p + f->name[i].at, name, len) == 0 && nth-- == 0) {
            *ret = phi_view_trim(http_span_view(text, f->value[i]));
            return true;
        }
    return false;
}

bool http_fields_add(struct phi_buf *text, struct http_fields *f, bool *in_value, bool value, const char *p, size_t n)
{
    if (!value && (f->n == 0 || *in_value)) {
        if (f->n == HTTP_FIELDS_MAX)
            return false;
        f->name[f->n] = (struct http_span){ (uint32_t)text->n, 0 };
        f->value[f->n] = f->name[f->n];
        f->n++;
    }
    struct http_span *s = value ? &f->value[f->n - 1] : &f->name[f->n - 1];
    if (value && !*in_value)
        *s = (struct http_span){ (uint32_t)text->n, 0 };
    *in_value = value;
    phi_buf_add(text, phi_view_mem(p, n));
    s->n += (uint32_t)n;
    return phi_buf_ok(text);
}

bool http_token_ok(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("!#$%&'*+-.^_`|~", *p)))
            return false;
    return *s != 0;
}

bool http_value_ok(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
            return false;
    return true;
}

bool http_target_ok(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= 0x20 || v.p[i] >= 0x7f || v.p[i] == '#')
            return false;
    return v.n && v.p[0] == '/';
}

/* ---- The parser's callbacks ---- */

static int refuse(struct http_reader *r, int status, const char *why)
{
    if (!r->status) {
        r->status = status;
        r->why = why;
    }
    return HPE_USER;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct http_reader *r = p->data;
    if (r->target.n == 0)
        r->target.at = (uint32_t)r->text.n;
    phi_buf_add(&r->text, phi_view_mem(at, n));
    r->target.n += (uint32_t)n;
    return phi_buf_ok(&r->text) ? 0 : refuse(r, 414, "the target is too long");
}

static int add_field(llhttp_t *p, bool value, const char *at, size_t n)
{
    struct http_reader *r = p->data;
    if (r->head_done)
        return refuse(r, 400, "trailers are not taken");
    return http_fields_add(&r->text, &r->fields, &r->in_value, value, at, n)
               ? 0
               : refuse(r, 431, "too many header fields");
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    return add_field(p, false, at, n);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    return add_field(p, true, at, n);
}

static int on_extension(llhttp_t *p, const char *at, size_t n)
{
    (void)at;
    (void)n;
    return refuse(p->data, 400, "chunk extensions are not taken");
}

static bool host_ok(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              (ch && strchr(".-_:[]", ch))))
            return false;
    }
    return v.n > 0;
}

/* Fields whose repetition two readers could judge differently. */
static int check_single(struct http_reader *r)
{
    static const char *const names[] = { "host",   "content-length", "transfer-encoding", "content-type",
                                         "origin", "authorization",  "cookie",            "expect" };
    struct phi_view v;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (http_field(&r->text, &r->fields, names[i], 1, &v))
            return refuse(r, 400, "a header field stands twice that may stand once");
    return 0;
}

static int check_framing(struct http_reader *r)
{
    struct phi_view te, cl;
    bool has_te = http_field(&r->text, &r->fields, "transfer-encoding", 0, &te);
    bool has_cl = http_field(&r->text, &r->fields, "content-length", 0, &cl);
    if (has_te && has_cl)
        return refuse(r, 400, "both Content-Length and Transfer-Encoding");
    if (has_te && !same_name(te, "chunked"))
        return refuse(r, 501, "only the transfer coding chunked is known");
    if (has_cl && r->parser.content_length > r->max_body)
        return refuse(r, 413, "the body is too large");
    struct phi_view expect;
    if (http_field(&r->text, &r->fields, "expect", 0, &expect)) {
        if (!same_name(expect, "100-continue"))
            return refuse(r, 417, "only 100-continue may be expected");
        r->wants_continue = has_te || (has_cl && r->parser.content_length > 0);
    }
    return 0;
}

static bool method_known(uint8_t m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_POST || m == HTTP_PUT || m == HTTP_DELETE ||
           m == HTTP_PATCH || m == HTTP_OPTIONS;
}

static int on_head(llhttp_t *p)
{
    struct http_reader *r = p->data;
    struct phi_view host;
    r->head_done = true;
    p->upgrade = 0; /* an Upgrade field is ignored (RFC 9110, 7.8), what follows is HTTP */
    if (p->http_major != 1 || p->http_minor != 1)
        return refuse(r, 505, "HTTP/1.1 only");
    if (!method_known(p->method))
        return refuse(r, 501, "this method is not known");
    if (!http_target_ok(http_span_view(&r->text, r->target)))
        return refuse(r, 400, "the target must be a path");
    for (size_t i = 0; i < r->fields.n; i++)
        if (!http_value_ok(http_span_view(&r->text, r->fields.value[i])))
            return refuse(r, 400, "a header field holds a control character");
    if (check_single(r))
        return HPE_USER;
    if (!http_field(&r->text, &r->fields, "host", 0, &host) || !host_ok(host))
        return refuse(r, 400, "exactly one Host is needed");
    return check_framing(r);
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_reader *r = p->data;
    phi_buf_add(&r->body, phi_view_mem(at, n));
    return phi_buf_ok(&r->body) ? 0 : refuse(r, 413, "the body is too large");
}

static int on_complete(llhttp_t *p)
{
    struct http_reader *r = p->data;
    r->done = true;
    r->keep_alive = llhttp_should_keep_alive(p) != 0;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = { .on_url = on_url,
                                            .on_header_field = on_field,
                                            .on_header_value = on_value,
                                            .on_headers_complete = on_head,
                                            .on_body = on_body,
                                            .on_message_complete = on_complete,
                                            .on_chunk_extension_name = on_extension,
                                            .on_chunk_extension_value = on_extension };

/* ---- The reader ---- */

void http_reader_init(struct http_reader *r, size_t max_head, size_t max_body)
{
    *r = (struct http_reader){ .max_head = max_head, .max_body = max_body };
    phi_buf_init(&r->text, max_head);
    phi_buf_init(&r->body, max_body);
    http_reader_next(r);
}

void http_reader_done(struct http_reader *r)
{
    phi_buf_wipe(&r->text); /* both may hold secrets */
    phi_buf_done(&r->text);
    phi_buf_wipe(&r->body);
    phi_buf_done(&r->body);
}

/* What a small request needed is kept for the next one; its bytes are not: they may be secrets. */
static void forget(struct phi_buf *b)
{
    if (b->cap > ROOM_KEEP) {
        phi_buf_wipe(b);
        return;
    }
    if (b->n)
        phi_wipe(b->p, b->n);
    phi_buf_clear(b);
}

void http_reader_next(struct http_reader *r)
{
    forget(&r->text);
    forget(&r->body);
    llhttp_init(&r->parser, HTTP_REQUEST, &settings);
    r->parser.data = r;
    r->target = (struct http_span){ 0, 0 };
    r->fields.n = 0;
    r->head_fed = 0;
    r->begun = r->head_done = r->done = r->in_value = r->keep_alive = r->wants_continue = false;
    r->status = 0;
    r->why = NULL;
}

static enum http_frame bad(struct http_reader *r, int status, const char *why)
{
    refuse(r, status, why);
    return HTTP_BAD;
}

/* One step: at most what the head may still have, so that no head outgrows its limit. */
static enum http_frame step(struct http_reader *r, struct phi_view *in)
{
    size_t n = in->n;
    if (!r->head_done) {
        if (r->head_fed >= r->max_head)
            return bad(r, r->fields.n ? 431 : 414, "the head is too large");
        if (n > r->max_head - r->head_fed)
            n = r->max_head - r->head_fed;
    }
    bool head = !r->head_done;
    enum llhttp_errno e = llhttp_execute(&r->parser, (const char *)in->p, n);
    if (e == HPE_PAUSED && r->done)
        n = (size_t)((const uint8_t *)llhttp_get_error_pos(&r->parser) - in->p);
    else if (e != HPE_OK)
        return bad(r, 400, "malformed request");
    if (head)
        r->head_fed += n;
    *in = phi_view_from(*in, n);
    return r->done ? HTTP_READY : HTTP_MORE;
}

enum http_frame http_read(struct http_reader *r, struct phi_view *in)
{
    if (r->status)
        return HTTP_BAD;
    if (!r->text.p && in->n) /* at once, not in steps: each would leave a copy of what it moved */
        phi_buf_room(&r->text, r->max_head < ROOM_FIRST ? r->max_head : ROOM_FIRST);
    enum http_frame f = r->done ? HTTP_READY : HTTP_MORE;
    while (in->n && f == HTTP_MORE) {
        r->begun = true;
        f = step(r, in);
    }
    return f;
}

const char *http_method_name(const struct http_reader *r)
{
    return llhttp_method_name((llhttp_method_t)r->parser.method);
}
