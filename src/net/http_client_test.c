#include "base/test.h"

#include "net/http.h"
#include "net/http_client.h"
#include "net/http_resp.h"
#include "net/test_pki.h"

#include <stdio.h>

struct world {
    struct net_loop *loop;
    struct net_http_server *srv;
    struct net_http_client *cli;
    struct net_timer *guard;
    struct net_http_req *held;
    struct net_sse *sse;
    int requests, done, errors, status, events, closed, opened;
    bool maybe_done, close_in_event;
    enum phi_rc rc;
    struct phi_buf body;
    char peers[8][80];
    char last[200];
    struct net_http_stream *stream;
    struct net_peer_cert cert;
};

static void too_long(void *ctx)
{
    (void)ctx;
    fail_msg("the loop waits for something that never comes");
}

static void held_gone(struct net_http_req *r, void *ctx)
{
    (void)r;
    ((struct world *)ctx)->held = NULL;
}

static void sse_closed(struct net_sse *s, void *ctx)
{
    (void)s;
    struct world *w = ctx;
    w->sse = NULL;
    w->closed++;
}

static void on_request(struct net_http_req *r, void *ctx)
{
    struct world *w = ctx;
    struct phi_view path = net_http_path(r), v;
    net_http_peer_cert(r, &w->cert);
    snprintf(w->peers[w->requests++ % 8], 80, "%s", net_http_peer(r));
    if (phi_view_is(path, "/hold")) {
        w->held = r;
        net_http_defer(r, held_gone, w);
    } else if (phi_view_is(path, "/events")) {
        w->sse = net_sse_open(r, 1000000, sse_closed, w);
    } else if (phi_view_is(path, "/token") && net_http_header(r, "authorization", &v)) {
        net_http_reply(r, 201, "text/plain", v);
    } else {
        net_http_reply(r, 200, "application/json", net_http_body(r));
    }
}

static void world_open(struct world *w, struct net_tls *srv, struct net_tls *cli, int max_conns)
{
    phi_buf_init(&w->body, 1 << 24);
    assert_int_equal(net_loop_open(&w->loop, NULL), PHI_OK);
    w->guard = net_timer_open(w->loop, too_long, w);
    net_timer_set(w->guard, 20000, 0);
    struct net_http_opts o = { .address = "127.0.0.1:0", .tls = srv, .on_request = on_request, .ctx = w };
    assert_int_equal(net_http_listen(w->loop, &o, &w->srv, NULL), PHI_OK);
    char at[64];
    snprintf(at, sizeof at, "127.0.0.1:%d", net_http_port(w->srv));
    struct net_http_client_opts co = { .address = at, .tls = cli, .max_conns = max_conns };
    assert_int_equal(net_http_client_open(w->loop, &co, &w->cli, NULL), PHI_OK);
}

static void world_close(struct world *w)
{
    net_timer_close(w->guard);
    net_http_client_close(w->cli);
    net_http_close(w->srv);
    net_loop_close(w->loop);
    phi_buf_done(&w->body);
}

static void on_done(const struct net_http_in *in, const struct phi_err *err, bool maybe_done, void *ctx)
{
    struct world *w = ctx;
    w->done++;
    w->maybe_done = maybe_done;
    w->rc = err ? err->rc : PHI_OK;
    phi_buf_clear(&w->body);
    if (in) {
        w->status = net_http_in_status(in);
        phi_buf_add(&w->body, net_http_in_body(in));
    } else {
        w->errors++;
    }
}

static struct net_http_call *post(struct world *w, const char *path, const char *body, int64_t deadline)
{
    struct net_http_field f = { "Authorization", "Bearer x" };
    struct net_http_out o = { .method = "POST",
                              .path = path,
                              .fields = &f,
                              .nfields = 1,
                              .type = "application/json",
                              .body = phi_view_of(body),
                              .deadline_ms = deadline };
    return net_http_send(w->cli, &o, on_done, w, NULL);
}

static void wait_done(struct world *w, int n)
{
    while (w->done < n)
        net_loop_once(w->loop);
}

static void calls_share_a_connection(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    post(&w, "/echo", "one", 0);
    wait_done(&w, 1);
    assert_view(phi_buf_view(&w.body), "one");
    assert_int_equal(w.status, 200);
    post(&w, "/token", "two", 0);
    wait_done(&w, 2);
    assert_view(phi_buf_view(&w.body), "Bearer x");
    assert_int_equal(w.status, 201);
    assert_string_equal(w.peers[0], w.peers[1]);
    world_close(&w);
}

static void more_calls_than_connections_wait(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 2);
    for (int i = 0; i < 50; i++)
        assert_non_null(post(&w, "/echo", "x", 0));
    wait_done(&w, 50);
    assert_int_equal(w.errors, 0);
    assert_int_equal(w.requests, 50);
    world_close(&w);
}

static void a_late_answer_is_a_deadline(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    post(&w, "/hold", "", 30);
    wait_done(&w, 1);
    assert_int_equal(w.rc, PHI_EEXPIRED);
    assert_true(w.maybe_done);
    while (w.held)
        net_loop_once(w.loop); /* its connection was dropped */
    post(&w, "/echo", "after", 0);
    wait_done(&w, 2);
    assert_view(phi_buf_view(&w.body), "after");
    world_close(&w);
}

static void a_server_that_is_not_there_is_said_so(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    net_http_close(w.srv);
    w.srv = NULL;
    post(&w, "/echo", "x", 0);
    wait_done(&w, 1);
    assert_int_equal(w.rc, PHI_EIO);
    assert_false(w.maybe_done);
    world_close(&w);
}

static void a_server_that_breaks_off_may_have_done_it(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    post(&w, "/hold", "x", 0);
    while (!w.held)
        net_loop_once(w.loop);
    net_http_close(w.srv);
    w.srv = NULL;
    wait_done(&w, 1);
    assert_int_equal(w.rc, PHI_EIO);
    assert_true(w.maybe_done);
    world_close(&w);
}

static void a_cancelled_call_says_nothing(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    struct net_http_call *call = post(&w, "/hold", "x", 0);
    while (!w.held)
        net_loop_once(w.loop);
    net_http_cancel(call);
    while (w.held)
        net_loop_once(w.loop);
    net_http_cancel(post(&w, "/echo", "x", 0));
    post(&w, "/echo", "x", 0);
    wait_done(&w, 1);
    assert_int_equal(w.requests, 2);
    world_close(&w);
}

static void bad_characters_are_refused_before_sending(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct phi_err err;
    world_open(&w, NULL, NULL, 0);
    struct net_http_field f = { "X", "a\r\nY: b" };
    struct net_http_out o = { .method = "GET", .path = "/a b" };
    assert_null(net_http_send(w.cli, &o, on_done, &w, &err));
    o.path = "/a\r\nX: y";
    assert_null(net_http_send(w.cli, &o, on_done, &w, &err));
    o.path = "/a";
    o.fields = &f;
    o.nfields = 1;
    assert_null(net_http_send(w.cli, &o, on_done, &w, &err));
    assert_int_equal(err.rc, PHI_EINPUT);
    world_close(&w);
}

static void calls_over_tls_carry_the_certificate(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    struct test_pki pki;
    struct phi_buf sc, sk, cc, ck;
    pki_init(&pki);
    pki_leaf(&pki, "phid", "serverAuth", &sc, &sk);
    pki_leaf(&pki, "gw1", "clientAuth", &cc, &ck);
    struct net_tls_server_opts so = { .cert_pem = phi_buf_view(&sc),
                                      .key_pem = phi_buf_view(&sk),
                                      .client_ca_pem = phi_buf_view(&pki.ca_pem) };
    struct net_tls_client_opts co = { .ca_pem = phi_buf_view(&pki.ca_pem),
                                      .cert_pem = phi_buf_view(&cc),
                                      .key_pem = phi_buf_view(&ck) };
    struct net_tls *st, *ct;
    assert_int_equal(net_tls_server_open(&so, &st, NULL), PHI_OK);
    assert_int_equal(net_tls_client_open(&co, &ct, NULL), PHI_OK);
    world_open(&w, st, ct, 0);
    post(&w, "/echo", "secret", 0);
    wait_done(&w, 1);
    assert_view(phi_buf_view(&w.body), "secret");
    assert_string_equal(w.cert.name, "gw1");
    world_close(&w);
    net_tls_close(st);
    net_tls_close(ct);
    pki_done(&pki);
    phi_buf_done(&sc);
    phi_buf_done(&sk);
    phi_buf_done(&cc);
    phi_buf_done(&ck);
}

/* ---- Events ---- */

static void ev_open(void *ctx)
{
    ((struct world *)ctx)->opened++;
}

static void ev_event(struct phi_view id, struct phi_view event, struct phi_view data, void *ctx)
{
    struct world *w = ctx;
    w->events++;
    snprintf(w->last, sizeof w->last, PHI_FMT "|" PHI_FMT "|" PHI_FMT, PHI_ARG(id), PHI_ARG(event), PHI_ARG(data));
    if (w->close_in_event) {
        net_http_stream_close(w->stream);
        w->stream = NULL;
    }
}

static void ev_closed(int status, const struct phi_err *why, void *ctx)
{
    struct world *w = ctx;
    w->stream = NULL;
    w->done++;
    w->status = status;
    w->rc = why->rc;
}

static const struct net_http_stream_events events = { .on_open = ev_open, .on_event = ev_event, .on_closed = ev_closed };

static void listen_to(struct world *w, const char *path, int64_t quiet)
{
    struct net_http_out o = { .method = "GET", .path = path };
    w->stream = net_http_stream_open(w->cli, &o, quiet, &events, w, NULL);
    assert_non_null(w->stream);
}

static void events_arrive_until_the_server_ends(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    listen_to(&w, "/events", 5000);
    while (!w.opened)
        net_loop_once(w.loop);
    net_sse_event(w.sse, "1", "end", PHI_LIT("{\"a\":\n1}"));
    net_sse_comment(w.sse, "x");
    net_sse_event(w.sse, NULL, NULL, PHI_LIT("second"));
    while (w.events < 2)
        net_loop_once(w.loop);
    assert_string_equal(w.last, "1||second");
    net_sse_close(w.sse);
    wait_done(&w, 1);
    assert_int_equal(w.rc, PHI_OK);
    world_close(&w);
}

static void a_quiet_stream_ends(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    listen_to(&w, "/events", 50);
    wait_done(&w, 1);
    assert_int_equal(w.rc, PHI_EEXPIRED);
    assert_int_equal(w.opened, 1);
    world_close(&w);
}

static void what_is_no_stream_gives_its_status(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL, NULL, 0);
    listen_to(&w, "/echo", 5000);
    wait_done(&w, 1);
    assert_int_equal(w.status, 200);
    assert_int_equal(w.opened, 0);
    assert_int_not_equal(w.rc, PHI_OK);
    world_close(&w);
}

static void a_stream_may_be_closed_by_its_own_event(void **unused)
{
    (void)unused;
    struct world w = { .close_in_event = true };
    world_open(&w, NULL, NULL, 0);
    listen_to(&w, "/events", 5000);
    while (!w.sse)
        net_loop_once(w.loop);
    net_sse_event(w.sse, NULL, NULL, PHI_LIT("1"));
    net_sse_event(w.sse, NULL, NULL, PHI_LIT("2"));
    while (!w.closed)
        net_loop_once(w.loop);
    assert_int_equal(w.events, 1);
    assert_int_equal(w.done, 0);
    world_close(&w);
}

static bool join(void *ctx, struct phi_view id, struct phi_view event, struct phi_view data)
{
    phi_buf_printf(ctx, PHI_FMT "|" PHI_FMT "|" PHI_FMT ";", PHI_ARG(id), PHI_ARG(event), PHI_ARG(data));
    return true;
}

static void the_event_format_is_read_as_the_standard_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *in, *want;
    } cases[] = {
        { "data: a\n\n", "||a;" },
        { "data:a\ndata: b\r\n\r\n", "||a\nb;" },
        { "data: a\r\rdata:  b\n\n", "||a;|| b;" },
        { ": note\nid: 5\nevent: x\ndata\n\ndata: z\n\n", "5|x|;5||z;" },
        { "event: only\n\ndata: a", "" },
        { "retry: 10\nfoo: bar\ndata: a\n\n", "||a;" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t chunk = 1; chunk < 20; chunk += 3) {
            PHI_BUF(got, 4096);
            struct sse_reader r;
            sse_reader_init(&r, 1000);
            for (struct phi_view in = phi_view_of(cases[i].in); in.n; in = phi_view_from(in, chunk))
                assert_true(sse_read(&r, phi_view_upto(in, chunk), join, &got));
            assert_string_equal(phi_buf_str(&got), cases[i].want);
            sse_reader_done(&r);
        }
}

static void odd_answers_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *in;
        enum http_frame want;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", HTTP_READY },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", HTTP_READY },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", HTTP_READY },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", HTTP_MORE },
        { "HTTP/1.1 200 OK\r\n\r\nab", HTTP_BAD },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", HTTP_BAD },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", HTTP_BAD },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HTTP_BAD },
        { "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", HTTP_MORE },
        { "HTTP/1.1 200 OK\nContent-Length: 2\n\nab", HTTP_BAD },
        { "SSH-2.0-OpenSSH\r\n", HTTP_BAD },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_resp r;
        http_resp_init(&r, 1000);
        struct phi_view in = phi_view_of(cases[i].in);
        if (http_resp_read(&r, &in) != cases[i].want)
            fail_msg("%s", cases[i].in);
        http_resp_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_share_a_connection),
        cmocka_unit_test(more_calls_than_connections_wait),
        cmocka_unit_test(a_late_answer_is_a_deadline),
        cmocka_unit_test(a_server_that_is_not_there_is_said_so),
        cmocka_unit_test(a_server_that_breaks_off_may_have_done_it),
        cmocka_unit_test(a_cancelled_call_says_nothing),
        cmocka_unit_test(bad_characters_are_refused_before_sending),
        cmocka_unit_test(calls_over_tls_carry_the_certificate),
        cmocka_unit_test(events_arrive_until_the_server_ends),
        cmocka_unit_test(a_quiet_stream_ends),
        cmocka_unit_test(what_is_no_stream_gives_its_status),
        cmocka_unit_test(a_stream_may_be_closed_by_its_own_event),
        cmocka_unit_test(the_event_format_is_read_as_the_standard_says),
        cmocka_unit_test(odd_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
