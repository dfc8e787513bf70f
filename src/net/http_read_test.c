#include "base/test.h"

#include "net/http_read.h"

#include <stdio.h>
#include <stdlib.h>

#define H "GET / HTTP/1.1\r\nHost: a\r\n"
#define P "POST / HTTP/1.1\r\nHost: a\r\n"

/* Reads all of `text`; the status of the refusal, 200 for a whole request, 0 when more is needed. */
static int read_all(struct phi_view text, size_t chunk, struct http_reader *r)
{
    while (text.n) {
        struct phi_view part = phi_view_upto(text, chunk);
        size_t n = part.n;
        enum http_frame f = http_read(r, &part);
        text = phi_view_from(text, n - part.n);
        if (f == HTTP_BAD)
            return r->status;
        if (f == HTTP_READY)
            return text.n ? -1 : 200;
    }
    return 0;
}

static int outcome(struct phi_view text, size_t chunk)
{
    struct http_reader r;
    http_reader_init(&r, 1024, 64);
    int got = read_all(text, chunk, &r);
    http_reader_done(&r);
    return got;
}

#define CASE(s, want) { PHI_LIT(s), want, s }

static void what_is_ambiguous_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        struct phi_view text;
        int want;
        const char *shown;
    } cases[] = {
        CASE(H "\r\n", 200),
        CASE("\r\n" H "\r\n", 200), /* RFC 9112, 2.2 lets an empty line stand before */
        CASE(P "Content-Length: 3\r\n\r\nabc", 200),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200),
        CASE("GET /a?b=c HTTP/1.1\r\nHost: localhost:8470\r\nX:\r\n\r\n", 200),
        CASE(H "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n", 200),
        CASE(H "X: 1\r\n", 0),
        /* the two lengths */
        CASE(P "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", 400),
        CASE(P "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        CASE(P "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        CASE(P "Content-Length: 3, 3\r\n\r\nabc", 400),
        CASE(P "Content-Length: +3\r\n\r\nabc", 400),
        CASE(P "Content-Length: -3\r\n\r\nabc", 400),
        CASE(P "Content-Length: 0x3\r\n\r\nabc", 400),
        CASE(P "Content-Length: \r\n\r\n", 400),
        CASE(P "Content-Length: 99999999999999999999\r\n\r\nabc", 400),
        CASE(P "Content-Length: 3 \t4\r\n\r\nabc", 400),
        CASE(P "Content-Length: 65\r\n\r\n", 413),
        CASE(P "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        CASE(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        CASE(P "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", 400),
        /* chunks */
        CASE(P "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n0\r\nX: trailer\r\n\r\n", 400),
        CASE(P "Transfer-Encoding: chunked\r\n\r\n41\r\n0123456789012345678901234567890123456789012345678901234567890123"
               "4\r\n0\r\n\r\n",
             413),
        /* hosts */
        CASE("GET / HTTP/1.1\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        CASE(H "Host: a\r\n\r\n", 400),
        CASE(H "hOST: b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        /* lines */
        CASE("GET / HTTP/1.1\nHost: a\n\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
        CASE(H "X: a\rb\r\n\r\n", 400),
        CASE(H "X: a\r\n b\r\n\r\n", 400),
        CASE(H " X: a\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        CASE(H "X : a\r\n\r\n", 400),
        CASE(H "X\r\n\r\n", 400),
        CASE(H ": a\r\n\r\n", 400),
        CASE(H "X: a\0b\r\n\r\n", 400),
        CASE(H "X\0: a\r\n\r\n", 400),
        CASE(H "X: a\x01" "b\r\n\r\n", 400),
        CASE(H "X: a\x7f\r\n\r\n", 400),
        CASE(H "X(: a\r\n\r\n", 400),
        CASE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        /* the first line */
        CASE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 200), /* RFC 9112, 3 permits it; the target is the same */
        CASE("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        CASE("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
        CASE("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        CASE("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        CASE("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        CASE("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        CASE("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        CASE("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        CASE("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        CASE("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505),
        CASE("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        CASE("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        CASE("GET /\r\n\r\n", 505),
        CASE("\x16\x03\x01\x02\x00", 400),
        CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        /* what may stand once */
        CASE(H "Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
        CASE(H "Cookie: a=1\r\nCookie: a=2\r\n\r\n", 400),
        CASE(H "Origin: a\r\nOrigin: b\r\n\r\n", 400),
        CASE(P "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417),
    };
    int wrong = 0;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t chunk = 1; chunk <= 4096; chunk = chunk == 1 ? 7 : chunk * 585) {
            int got = outcome(cases[i].text, chunk);
            if (got == cases[i].want)
                continue;
            print_error("case %zu, by %zu bytes: got %d, want %d: %s\n", i, chunk, got, cases[i].want, cases[i].shown);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

static void heads_and_fields_are_bounded(void **unused)
{
    (void)unused;
    PHI_BUF(b, 1 << 20);
    phi_buf_adds(&b, "GET /");
    for (int i = 0; i < 2000; i++)
        phi_buf_addc(&b, 'a');
    assert_int_equal(outcome(phi_buf_view(&b), 100000), 414);
    phi_buf_clear(&b);
    phi_buf_adds(&b, H "X: ");
    for (int i = 0; i < 2000; i++)
        phi_buf_addc(&b, 'a');
    assert_int_equal(outcome(phi_buf_view(&b), 100000), 431);
    phi_buf_clear(&b);
    phi_buf_adds(&b, H);
    for (int i = 0; i < 101; i++)
        phi_buf_adds(&b, "a:b\r\n");
    phi_buf_adds(&b, "\r\n");
    assert_int_equal(outcome(phi_buf_view(&b), 100000), 431);
    phi_buf_clear(&b);
    for (int i = 0; i < 2000; i++)
        phi_buf_adds(&b, "\r\n");
    assert_int_equal(outcome(phi_buf_view(&b), 100000), 414);
}

static void pipelined_requests_are_read_one_by_one(void **unused)
{
    (void)unused;
    struct http_reader r;
    http_reader_init(&r, 1024, 64);
    struct phi_view in = PHI_LIT(P "Content-Length: 3\r\nX: 1\r\n\r\nabcGET /two HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
                                   "rest");
    struct phi_view v;
    assert_int_equal(http_read(&r, &in), HTTP_READY);
    assert_view(phi_buf_view(&r.body), "abc");
    assert_true(http_field(&r.text, &r.fields, "x", 0, &v));
    assert_view(v, "1");
    assert_true(r.keep_alive);
    assert_int_equal(http_read(&r, &in), HTTP_READY); /* nothing is taken until next */
    assert_true(in.n > 40);
    http_reader_next(&r);
    assert_int_equal(http_read(&r, &in), HTTP_READY);
    assert_view(http_span_view(&r.text, r.target), "/two");
    assert_false(http_field(&r.text, &r.fields, "x", 0, &v));
    assert_false(r.keep_alive);
    assert_view(in, "rest");
    http_reader_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ambiguous_is_refused),
        cmocka_unit_test(heads_and_fields_are_bounded),
        cmocka_unit_test(pipelined_requests_are_read_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
