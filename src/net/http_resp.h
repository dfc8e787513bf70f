/* Reads one HTTP/1.1 answer from bytes, and server-sent events from its body: no socket, no clock. */
#ifndef NET_HTTP_RESP_H
#define NET_HTTP_RESP_H

#include "net/http_read.h"

struct http_resp {
    llhttp_t parser;
    struct phi_buf text, body;
    struct http_fields fields;
    size_t head_fed;
    int status;
    bool head_done, done, in_value, keep_alive;
    bool skip_body; /* the request was HEAD */
    const char *why; /* HTTP_BAD: static text; NULL so far */
    /* When set, gets body bytes instead of `body`; false ends with BAD. */
    bool (*on_body)(void *ctx, struct phi_view part);
    void *ctx;
};

void http_resp_init(struct http_resp *r, size_t max_body);
void http_resp_done(struct http_resp *r);
/* Takes what it needs off *in. Interim answers (1xx) are skipped. An answer that only the end of
 * the connection would end is BAD: it could have been cut short. */
enum http_frame http_resp_read(struct http_resp *r, struct phi_view *in);

/* WHATWG HTML, 9.2.6. Lines and events over `max` are refused. */
struct sse_reader {
    struct phi_buf line, id, event, data;
    bool after_cr, has_data;
};
typedef bool (*sse_fn)(void *ctx, struct phi_view id, struct phi_view event, struct phi_view data);
void sse_reader_init(struct sse_reader *r, size_t max);
void sse_reader_done(struct sse_reader *r);
/* False: refused, or `fn` answered false. `id` is the last one seen, as the standard has it. */
bool sse_read(struct sse_reader *r, struct phi_view in, sse_fn fn, void *ctx);

#endif
