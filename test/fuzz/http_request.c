/* Bytes as an HTTP client (or, by the first byte, a server) may send them. However they are cut into pieces, the
 * reader must come to the same result, and what it takes must be what nobody in front could read in another way. */
#include "net/http_resp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Feeds `in` in pieces of n bytes; the rest that was not taken is left in *rest. */
static enum http_frame feed(struct http_reader *r, struct phi_view in, size_t n, struct phi_view *rest)
{
    enum http_frame f = HTTP_MORE;
    while (in.n && f == HTTP_MORE) {
        struct phi_view part = phi_view_upto(in, n);
        size_t had = part.n;
        f = http_read(r, &part);
        in = phi_view_from(in, had - part.n);
    }
    *rest = in;
    return f;
}

static void same(const struct http_reader *a, const struct http_reader *b)
{
    check(phi_view_eq(phi_buf_view(&a->text), phi_buf_view(&b->text)));
    check(phi_view_eq(phi_buf_view(&a->body), phi_buf_view(&b->body)));
    check(a->fields.n == b->fields.n && a->keep_alive == b->keep_alive);
    check(a->target.at == b->target.at && a->target.n == b->target.n);
    for (size_t i = 0; i < a->fields.n; i++)
        check(a->fields.name[i].n == b->fields.name[i].n && a->fields.value[i].n == b->fields.value[i].n);
}

static void whole(const struct http_reader *r)
{
    struct phi_view v, w;
    check(http_target_ok(http_span_view(&r->text, r->target)));
    check(http_field(&r->text, &r->fields, "host", 0, &v) && !http_field(&r->text, &r->fields, "host", 1, &w));
    bool te = http_field(&r->text, &r->fields, "transfer-encoding", 0, &v);
    bool cl = http_field(&r->text, &r->fields, "content-length", 0, &w);
    check(!(te && cl));
    int64_t n = 0;
    if (cl)
        check(phi_view_int(w, &n) && n == (int64_t)r->body.n);
    check(te || cl || r->body.n == 0);
    for (size_t i = 0; i < r->fields.n; i++)
        check(r->fields.name[i].n && http_value_ok(http_span_view(&r->text, r->fields.value[i])));
}

static void requests(struct phi_view in)
{
    for (int i = 0; i < 8 && in.n; i++) { /* pipelined */
        struct http_reader a, b;
        struct phi_view rest, rest_b;
        http_reader_init(&a, 2048, 4096);
        http_reader_init(&b, 2048, 4096);
        enum http_frame f = feed(&a, in, in.n, &rest);
        check(f == feed(&b, in, 1, &rest_b));
        if (f == HTTP_READY) {
            check(rest.n == rest_b.n);
            same(&a, &b);
            whole(&a);
        }
        if (f == HTTP_BAD)
            check(a.status >= 400 && a.status == b.status && a.why);
        http_reader_done(&a);
        http_reader_done(&b);
        if (f != HTTP_READY)
            return;
        in = rest;
    }
}

static bool event(void *ctx, struct phi_view id, struct phi_view name, struct phi_view data)
{
    struct phi_buf *b = ctx;
    phi_buf_add32(b, (uint32_t)id.n);
    phi_buf_add(b, name);
    phi_buf_add32(b, (uint32_t)data.n);
    phi_buf_add(b, data);
    return true;
}

static bool body(void *ctx, struct phi_view part)
{
    phi_buf_add(ctx, part);
    return true;
}

static void answers(struct phi_view in)
{
    PHI_BUF(one, 1 << 20);
    PHI_BUF(two, 1 << 20);
    for (int pass = 0; pass < 2; pass++) {
        struct http_resp r;
        struct sse_reader s;
        PHI_BUF(text, 1 << 20);
        http_resp_init(&r, 4096);
        r.on_body = body;
        r.ctx = &text;
        struct phi_view left = in;
        enum http_frame f = HTTP_MORE;
        while (left.n && f == HTTP_MORE) {
            struct phi_view part = phi_view_upto(left, pass ? 1 : left.n);
            size_t had = part.n;
            f = http_resp_read(&r, &part);
            left = phi_view_from(left, had - part.n);
        }
        sse_reader_init(&s, 2048);
        sse_read(&s, phi_buf_view(&text), event, pass ? &two : &one);
        if (f != HTTP_READY)
            phi_buf_clear(pass ? &two : &one); /* a refusal may come after a part of the body */
        sse_reader_done(&s);
        http_resp_done(&r);
    }
    check(phi_view_eq(phi_buf_view(&one), phi_buf_view(&two)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] == 'H') /* "HTTP/1.1 200 …"; no method that is known begins so but HEAD */
        answers(phi_view_mem(data, size));
    requests(phi_view_mem(data, size));
    return 0;
}
