#include "net/http_resp.h"

#include "base/limits.h"

#include <string.h>

static int refuse(struct http_resp *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return HPE_USER;
}

static int add_field(llhttp_t *p, bool value, const char *at, size_t n)
{
    struct http_resp *r = p->data;
    if (r->head_done)
        return refuse(r, "trailers are not taken");
    return http_fields_add(&r->text, &r->fields, &r->in_value, value, at, n) ? 0 : refuse(r, "too many fields");
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    return add_field(p, false, at, n);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    return add_field(p, true, at, n);
}

static int on_head(llhttp_t *p)
{
    struct http_resp *r = p->data;
    struct phi_view v;
    r->head_done = true;
    r->status = p->status_code;
    p->upgrade = 0;
    if (r->status == 101)
        return refuse(r, "an upgrade that nobody asked for");
    if (http_field(&r->text, &r->fields, "content-length", 0, &v) &&
        http_field(&r->text, &r->fields, "transfer-encoding", 0, &v))
        return refuse(r, "both Content-Length and Transfer-Encoding");
    if (r->skip_body || r->status < 200)
        return 1;
    if (llhttp_message_needs_eof(p))
        return refuse(r, "the answer has no length");
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_resp *r = p->data;
    if (r->on_body)
        return r->on_body(r->ctx, phi_view_mem(at, n)) ? 0 : refuse(r, "the body is not acceptable");
    phi_buf_add(&r->body, phi_view_mem(at, n));
    return phi_buf_ok(&r->body) ? 0 : refuse(r, "the answer is too large");
}

static int on_complete(llhttp_t *p)
{
    struct http_resp *r = p->data;
    r->done = true;
    r->keep_alive = llhttp_should_keep_alive(p) != 0;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = { .on_header_field = on_field,
                                            .on_header_value = on_value,
                                            .on_headers_complete = on_head,
                                            .on_body = on_body,
                                            .on_message_complete = on_complete };

static void begin(struct http_resp *r)
{
    llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
    r->parser.data = r;
    phi_buf_clear(&r->text);
    r->fields.n = 0;
    r->head_fed = 0;
    r->head_done = r->done = r->in_value = false;
}

void http_resp_init(struct http_resp *r, size_t max_body)
{
    *r = (struct http_resp){ 0 };
    phi_buf_init(&r->text, PHI_MAX_HTTP_HEAD);
    phi_buf_init(&r->body, max_body);
    begin(r);
}

void http_resp_done(struct http_resp *r)
{
    phi_buf_wipe(&r->body); /* may hold a token */
    phi_buf_done(&r->body);
    phi_buf_done(&r->text);
}

static enum http_frame step(struct http_resp *r, struct phi_view *in)
{
    size_t n = in->n;
    bool head = !r->head_done;
    if (head) {
        if (r->head_fed >= PHI_MAX_HTTP_HEAD) {
            refuse(r, "the head is too large");
            return HTTP_BAD;
        }
        if (n > PHI_MAX_HTTP_HEAD - r->head_fed)
            n = PHI_MAX_HTTP_HEAD - r->head_fed;
    }
    enum llhttp_errno e = llhttp_execute(&r->parser, (const char *)in->p, n);
    if (e == HPE_PAUSED && r->done) {
        n = (size_t)((const uint8_t *)llhttp_get_error_pos(&r->parser) - in->p);
    } else if (e != HPE_OK) {
        refuse(r, "the answer is malformed");
        return HTTP_BAD;
    }
    if (head)
        r->head_fed += n;
    *in = phi_view_from(*in, n);
    if (r->done && r->status < 200)
        begin(r);
    return r->done ? HTTP_READY : HTTP_MORE;
}

enum http_frame http_resp_read(struct http_resp *r, struct phi_view *in)
{
    if (r->why)
        return HTTP_BAD;
    enum http_frame f = r->done ? HTTP_READY : HTTP_MORE;
    while (in->n && f == HTTP_MORE)
        f = step(r, in);
    return f;
}

/* ---- Server-sent events ---- */

void sse_reader_init(struct sse_reader *r, size_t max)
{
    *r = (struct sse_reader){ 0 };
    phi_buf_init(&r->line, max);
    phi_buf_init(&r->id, 1024);
    phi_buf_init(&r->event, 1024);
    phi_buf_init(&r->data, max);
}

void sse_reader_done(struct sse_reader *r)
{
    phi_buf_done(&r->line);
    phi_buf_done(&r->id);
    phi_buf_done(&r->event);
    phi_buf_done(&r->data);
}

static bool set(struct phi_buf *b, struct phi_view v)
{
    phi_buf_clear(b);
    phi_buf_add(b, v);
    return phi_buf_ok(b);
}

static bool dispatch(struct sse_reader *r, sse_fn fn, void *ctx)
{
    bool ok = true;
    if (r->has_data) {
        struct phi_view data = phi_buf_view(&r->data);
        data.n--; /* the last line's end */
        ok = fn(ctx, phi_buf_view(&r->id), phi_buf_view(&r->event), data);
    }
    phi_buf_clear(&r->event);
    phi_buf_clear(&r->data);
    r->has_data = false;
    return ok;
}

static bool take_line(struct sse_reader *r, sse_fn fn, void *ctx)
{
    struct phi_view line = phi_buf_view(&r->line);
    if (line.n == 0)
        return dispatch(r, fn, ctx);
    const uint8_t *colon = memchr(line.p, ':', line.n);
    struct phi_view name = colon ? phi_view_upto(line, (size_t)(colon - line.p)) : line;
    struct phi_view value = colon ? phi_view_from(line, name.n + 1) : (struct phi_view){ 0 };
    if (value.n && value.p[0] == ' ')
        value = phi_view_from(value, 1);
    if (phi_view_is(name, "data")) {
        phi_buf_add(&r->data, value);
        phi_buf_addc(&r->data, '\n');
        r->has_data = true;
        return phi_buf_ok(&r->data);
    }
    if (phi_view_is(name, "event"))
        return set(&r->event, value);
    if (phi_view_is(name, "id") && !(value.n && memchr(value.p, 0, value.n)))
        return set(&r->id, value);
    return true;
}

bool sse_read(struct sse_reader *r, struct phi_view in, sse_fn fn, void *ctx)
{
    while (in.n) {
        if (r->after_cr && in.p[0] == '\n')
            in = phi_view_from(in, 1);
        r->after_cr = false;
        size_t n = 0;
        while (n < in.n && in.p[n] != '\n' && in.p[n] != '\r')
            n++;
        phi_buf_add(&r->line, phi_view_upto(in, n));
        if (!phi_buf_ok(&r->line))
            return false;
        if (n == in.n)
            return true;
        r->after_cr = in.p[n] == '\r';
        in = phi_view_from(in, n + 1);
        if (!take_line(r, fn, ctx))
            return false;
        phi_buf_clear(&r->line);
    }
    return true;
}
