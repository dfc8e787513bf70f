/* Reads one HTTP/1.1 request from bytes: no socket, no clock. Server, tests and fuzzer use the same. */
#ifndef NET_HTTP_READ_H
#define NET_HTTP_READ_H

#include "base/buf.h"

#include <llhttp.h>

/* Answers of a reader: more bytes are needed, a whole message is here, or it is not acceptable. */
enum http_frame { HTTP_MORE, HTTP_READY, HTTP_BAD };

enum { HTTP_FIELDS_MAX = 100 };

struct http_span { /* bytes of `text` */
    uint32_t at, n;
};

struct http_fields {
    struct http_span name[HTTP_FIELDS_MAX], value[HTTP_FIELDS_MAX];
    size_t n;
};

struct http_reader {
    llhttp_t parser;
    struct phi_buf text; /* target and fields, one after the other */
    struct phi_buf body;
    struct http_span target;
    struct http_fields fields;
    size_t max_head, max_body, head_fed;
    bool begun;          /* a byte of it was seen */
    bool head_done, done, in_value, keep_alive;
    bool wants_continue; /* Expect: 100-continue, and a body comes */
    int status;          /* HTTP_BAD: what to answer; 0 so far */
    const char *why;     /* HTTP_BAD: static text */
};

void http_reader_init(struct http_reader *r, size_t max_head, size_t max_body);
void http_reader_done(struct http_reader *r);
void http_reader_next(struct http_reader *r); /* forgets the request, ready for the next */

/* Takes what it needs off the front of *in. After READY call http_reader_next before reading on;
 * after BAD the connection has no more use. */
enum http_frame http_read(struct http_reader *r, struct phi_view *in);

struct phi_view http_span_view(const struct phi_buf *text, struct http_span s);
/* The value of the `nth` field of this name (ASCII case folded); false: there are fewer. */
bool http_field(const struct phi_buf *text, const struct http_fields *f, const char *name, size_t nth,
                struct phi_view *ret);
const char *http_method_name(const struct http_reader *r);

/* Shared with the response reader: collects spans into fields. False: too many, or out of room. */
bool http_fields_add(struct phi_buf *text, struct http_fields *f, bool *in_value, bool value, const char *p, size_t n);

bool http_token_ok(const char *s);            /* RFC 9110 token */
bool http_value_ok(struct phi_view v);        /* field value: visible ASCII, blanks, obs-text; no controls */
bool http_target_ok(struct phi_view v);       /* origin-form: '/', visible ASCII, no '#' */

#endif
