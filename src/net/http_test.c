#include "base/test.h"

#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>

/* A server and raw clients on one loop. */
struct world {
    struct net_loop *loop;
    struct net_http_server *srv;
    struct net_timer *guard, *later;
    struct net_http_req *held;
    struct net_sse *sse;
    int requests, gone, sse_closed, drained;
    bool reply_late;
};

struct raw {
    struct world *w;
    struct net_conn *c;
    struct phi_view send;
    struct phi_buf got;
    bool open, over, no_read;
};

static void too_long(void *ctx)
{
    (void)ctx;
    fail_msg("the loop waits for something that never comes");
}

static void on_gone(struct net_http_req *r, void *ctx)
{
    struct world *w = ctx;
    assert_ptr_equal(r, w->held);
    w->held = NULL;
    w->gone++;
}

static void reply_held(void *ctx)
{
    struct world *w = ctx;
    struct net_http_req *r = w->held;
    w->held = NULL;
    if (r)
        net_http_reply(r, 200, "text/plain", net_http_path(r));
}

static void sse_closed(struct net_sse *s, void *ctx)
{
    struct world *w = ctx;
    assert_ptr_equal(s, w->sse);
    w->sse = NULL;
    w->sse_closed++;
}

static void on_request(struct net_http_req *r, void *ctx)
{
    struct world *w = ctx;
    struct phi_view path = net_http_path(r), v;
    w->requests++;
    if (phi_view_is(path, "/echo")) {
        net_http_set(r, "X-Method", (const char[]){ (char)net_http_method(r).p[0], 0 });
        net_http_reply(r, 200, "application/octet-stream", net_http_body(r));
    } else if (phi_view_is(path, "/late")) {
        w->held = r;
        net_http_defer(r, on_gone, w);
        if (w->reply_late)
            net_timer_set(w->later, 5, 0);
    } else if (phi_view_is(path, "/param")) {
        net_http_reply(r, net_http_param(r, "q", &v) ? 200 : 404, "text/plain", v);
    } else if (phi_view_is(path, "/cookie")) {
        net_http_reply(r, net_http_cookie(r, "s", &v) ? 200 : 404, "text/plain", v);
    } else if (phi_view_is(path, "/split")) {
        net_http_set(r, "Location", "/a\r\nSet-Cookie: evil=1");
        net_http_reply(r, 303, NULL, (struct phi_view){ 0 });
    } else if (phi_view_is(path, "/events")) {
        w->sse = net_sse_open(r, 100000, sse_closed, w);
    } else if (!phi_view_is(path, "/forgotten")) {
        net_http_reply(r, 404, "text/plain", PHI_LIT("no\n"));
    }
}

static void world_open(struct world *w, struct net_http_opts o)
{
    assert_int_equal(net_loop_open(&w->loop, NULL), PHI_OK);
    w->guard = net_timer_open(w->loop, too_long, w);
    w->later = net_timer_open(w->loop, reply_held, w);
    net_timer_set(w->guard, 20000, 0);
    o.address = "127.0.0.1:0";
    o.on_request = on_request;
    o.ctx = w;
    assert_int_equal(net_http_listen(w->loop, &o, &w->srv, NULL), PHI_OK);
}

static void world_close(struct world *w)
{
    net_timer_close(w->guard);
    net_timer_close(w->later);
    net_http_close(w->srv);
    net_loop_close(w->loop);
}

static void raw_open(struct net_conn *c, void *ctx)
{
    struct raw *r = ctx;
    r->open = true;
    net_conn_write(c, r->send);
    if (r->no_read)
        net_conn_pause(c);
}

static void raw_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct raw *r = ctx;
    phi_buf_add(&r->got, in);
    net_conn_take(c, in.n);
}

static void raw_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    (void)why;
    struct raw *r = ctx;
    r->over = true;
    r->c = NULL;
}

static const struct net_conn_events raw_events = { .on_open = raw_open, .on_data = raw_data, .on_closed = raw_closed };

static void raw_start(struct world *w, struct raw *r, struct phi_view send)
{
    char at[64];
    snprintf(at, sizeof at, "127.0.0.1:%d", net_http_port(w->srv));
    struct net_connect_opts o = { .address = at, .limits = { .max_out = 16 * 1024 * 1024 } };
    r->w = w;
    r->send = send;
    phi_buf_init(&r->got, 64 * 1024 * 1024);
    assert_int_equal(net_connect(w->loop, &o, &raw_events, r, &r->c, NULL), PHI_OK);
}

static void raw_done(struct raw *r)
{
    net_conn_close(r->c);
    phi_buf_done(&r->got);
}

static int count(struct raw *r, const char *what)
{
    int n = 0;
    for (const char *p = phi_buf_str(&r->got); (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* Sends, reads to the end of the connection (the last request says close). */
static void exchange(struct world *w, struct raw *r, struct phi_view send)
{
    raw_start(w, r, send);
    while (!r->over)
        net_loop_once(w->loop);
}

#define END "Host: localhost\r\nConnection: close\r\n\r\n"

static void one_answer(const char *request, const char *want)
{
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    exchange(&w, &r, phi_view_of(request));
    if (!strstr(phi_buf_str(&r.got), want))
        fail_msg("%s gave %s, want %s", request, phi_buf_str(&r.got), want);
    raw_done(&r);
    world_close(&w);
}

static void requests_are_answered(void **unused)
{
    (void)unused;
    one_answer("GET /nowhere HTTP/1.1\r\n" END, "HTTP/1.1 404 Not Found\r\n");
    one_answer("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" END "abc", "\r\n\r\nabc");
    one_answer("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "3\r\nabc\r\n0\r\n\r\n", "\r\n\r\nabc");
    one_answer("GET /param?p=1&q=a%20b+c%26 HTTP/1.1\r\n" END, "\r\n\r\na b c&");
    one_answer("GET /param?q=1&q=2 HTTP/1.1\r\n" END, " 404 ");
    one_answer("GET /param?q=%0 HTTP/1.1\r\n" END, " 404 ");
    one_answer("GET /param?q=%00 HTTP/1.1\r\n" END, " 404 ");
    one_answer("GET /param?q=%ff HTTP/1.1\r\n" END, " 404 ");
    one_answer("GET /cookie HTTP/1.1\r\nCookie: a=1; s=two; b=3\r\n" END, "\r\n\r\ntwo");
    one_answer("GET /cookie HTTP/1.1\r\nCookie: s=1; s=2\r\n" END, " 404 ");
    one_answer("GET /forgotten HTTP/1.1\r\n" END, "HTTP/1.1 500 ");
    one_answer("GET /split HTTP/1.1\r\n" END, "HTTP/1.1 500 ");
    one_answer("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n");
    one_answer("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", " 400 ");
}

static void a_head_request_gets_no_body(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    exchange(&w, &r, PHI_LIT("HEAD /nowhere HTTP/1.1\r\n" END));
    assert_int_equal(count(&r, "Content-Length: 3\r\n"), 1);
    assert_memory_equal(r.got.p + r.got.n - 4, "\r\n\r\n", 4);
    assert_int_equal(count(&r, "Date: "), 1);
    raw_done(&r);
    world_close(&w);
}

static void nothing_runs_after_a_refused_request(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    exchange(&w, &r, PHI_LIT("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /b HTTP/1.1\r\n" END));
    assert_int_equal(w.requests, 0);
    assert_int_equal(count(&r, "HTTP/1.1 "), 1);
    raw_done(&r);
    world_close(&w);
}

static void pipelined_requests_are_answered_in_order(void **unused)
{
    (void)unused;
    struct world w = { .reply_late = true };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    exchange(&w, &r, PHI_LIT("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"
                             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecond"
                             "GET /late HTTP/1.1\r\n" END));
    const char *s = phi_buf_str(&r.got);
    const char *one = strstr(s, "\r\n\r\n/late"), *two = strstr(s, "second");
    assert_true(one && two && one < two && strstr(two, "/late"));
    assert_int_equal(count(&r, "HTTP/1.1 200 OK"), 3);
    raw_done(&r);
    world_close(&w);
}

static void a_client_that_leaves_is_noticed(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    raw_start(&w, &r, PHI_LIT("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (!w.held)
        net_loop_once(w.loop);
    raw_done(&r);
    while (!w.gone)
        net_loop_once(w.loop);
    assert_null(w.held);
    world_close(&w);
}

static void slow_heads_and_idle_connections_are_closed(void **unused)
{
    (void)unused;
    static const char *const sent[] = { "", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab" };
    for (size_t i = 0; i < COUNT(sent); i++) {
        struct world w = { 0 };
        struct raw r = { 0 };
        world_open(&w, (struct net_http_opts){ .head_ms = 20, .body_ms = 20, .idle_ms = 20 });
        exchange(&w, &r, phi_view_of(sent[i]));
        assert_int_equal(w.requests, i == 2);
        raw_done(&r);
        world_close(&w);
    }
}

static void a_large_body_is_refused_before_it_is_read(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ .max_body = 10 });
    exchange(&w, &r, PHI_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"));
    assert_int_equal(count(&r, "HTTP/1.1 413 "), 1);
    raw_done(&r);
    world_close(&w);
}

static void a_client_that_waits_is_told_to_continue(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    raw_start(&w, &r, PHI_LIT("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" END));
    while (!count(&r, "HTTP/1.1 100 Continue\r\n\r\n"))
        net_loop_once(w.loop);
    assert_int_equal(w.requests, 0);
    net_conn_write(r.c, PHI_LIT("abc"));
    while (!r.over)
        net_loop_once(w.loop);
    assert_int_equal(count(&r, "\r\n\r\nabc"), 1);
    raw_done(&r);
    world_close(&w);
}

static void events_reach_the_client(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    raw_start(&w, &r, PHI_LIT("GET /events HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (!w.sse)
        net_loop_once(w.loop);
    assert_true(net_sse_event(w.sse, "7", "end", PHI_LIT("one\r\ntwo\nthree")));
    PHI_BUF(two, 1024);
    assert_true(net_sse_make(&two, "8", "end", PHI_LIT("a")) && net_sse_make(&two, "9", NULL, PHI_LIT("b")));
    assert_true(net_sse_send(w.sse, (struct phi_view){ 0 })); /* nothing: no empty chunk, which would end it */
    assert_true(net_sse_send(w.sse, phi_buf_view(&two)));
    assert_true(net_sse_comment(w.sse, "alive"));
    assert_false(net_sse_event(w.sse, "7\ndata: forged", NULL, PHI_LIT("x")));
    while (!count(&r, ": alive\n\n"))
        net_loop_once(w.loop);
    assert_int_equal(count(&r, "id: 7\nevent: end\ndata: one\ndata: two\ndata: three\n\n"), 1);
    assert_int_equal(count(&r, "id: 8\nevent: end\ndata: a\n\nid: 9\ndata: b\n\n\r\n"), 1);
    assert_int_equal(count(&r, "0\r\n\r\n"), 0);
    assert_int_equal(count(&r, "forged"), 0);
    assert_int_equal(count(&r, "Content-Type: text/event-stream\r\n"), 1);
    net_conn_close(r.c);
    r.c = NULL;
    while (!w.sse_closed)
        net_loop_once(w.loop);
    raw_done(&r);
    world_close(&w);
}

static void a_slow_reader_of_events_is_closed(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw r = { .no_read = true };
    static uint8_t block[50000];
    memset(block, 'x', sizeof block);
    world_open(&w, (struct net_http_opts){ 0 });
    raw_start(&w, &r, PHI_LIT("GET /events HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (!w.sse)
        net_loop_once(w.loop);
    int sent = 0;
    while (net_sse_event(w.sse, NULL, NULL, phi_view_mem(block, sizeof block)))
        assert_true(++sent < 10000);
    while (!w.sse_closed)
        net_loop_once(w.loop);
    raw_done(&r);
    world_close(&w);
}

static void count_drained(void *ctx)
{
    struct world *w = ctx;
    w->drained++;
}

static void draining_lets_requests_finish(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct raw busy = { 0 }, idle = { 0 };
    world_open(&w, (struct net_http_opts){ 0 });
    raw_start(&w, &idle, PHI_LIT(""));
    raw_start(&w, &busy, PHI_LIT("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (!w.held || !idle.open)
        net_loop_once(w.loop);
    net_http_drain(w.srv, count_drained, &w);
    while (!idle.over)
        net_loop_once(w.loop);
    assert_int_equal(w.drained, 0);
    net_timer_set(w.later, 1, 0);
    while (!busy.over)
        net_loop_once(w.loop);
    assert_int_equal(count(&busy, "HTTP/1.1 200 OK"), 1);
    assert_int_equal(count(&busy, "Connection: close"), 1);
    assert_int_equal(w.drained, 1);
    raw_done(&busy);
    raw_done(&idle);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(a_head_request_gets_no_body),
        cmocka_unit_test(nothing_runs_after_a_refused_request),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_client_that_leaves_is_noticed),
        cmocka_unit_test(slow_heads_and_idle_connections_are_closed),
        cmocka_unit_test(a_large_body_is_refused_before_it_is_read),
        cmocka_unit_test(a_client_that_waits_is_told_to_continue),
        cmocka_unit_test(events_reach_the_client),
        cmocka_unit_test(a_slow_reader_of_events_is_closed),
        cmocka_unit_test(draining_lets_requests_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
