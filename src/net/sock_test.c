#include "base/test.h"

#include "base/os.h"
#include "net/sock.h"
#include "net/test_pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One echo server and one client on one loop; the client's events end the loop. */
struct world {
    struct net_loop *loop;
    struct net_listener *l;
    struct net_conn *server, *client;
    struct net_tls *stls, *ctls;
    struct phi_buf got;
    size_t want, sent, total;
    int opened, drained;
    bool eof, ended, echo, upgrade, stuffed;
    enum phi_rc why;
    char why_text[240];
    struct net_peer_cert cert;
    bool has_cert;
    struct net_timer *guard;
};

static struct test_pki pki;
static struct phi_buf srv_cert, srv_key, cli_cert, cli_key;

static void srv_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct world *w = ctx;
    if (w->upgrade && !net_conn_is_tls(c)) {
        net_conn_take(c, 8); /* an SSLRequest has 8 bytes */
        net_conn_write(c, PHI_LIT("S"));
        struct phi_err err;
        if (net_conn_start_tls(c, w->stls, NULL, &err) != PHI_OK) {
            w->why = err.rc;
            net_conn_close(c);
            net_loop_stop(w->loop);
        }
        return;
    }
    if (w->echo)
        net_conn_write(c, in);
    net_conn_take(c, in.n);
}

static void srv_open(struct net_conn *c, void *ctx)
{
    struct world *w = ctx;
    w->has_cert = net_conn_peer_cert(c, &w->cert);
}

static void srv_eof(struct net_conn *c, void *ctx)
{
    struct world *w = ctx;
    w->server = NULL;
    net_conn_finish(c, 1000);
}

static void srv_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    (void)why;
    struct world *w = ctx;
    w->server = NULL;
}

static const struct net_conn_events srv_events = {
    .on_open = srv_open, .on_data = srv_data, .on_eof = srv_eof, .on_closed = srv_closed
};

static void accepted(struct net_conn *c, void *ctx)
{
    struct world *w = ctx;
    w->server = c;
    net_conn_bind(c, &srv_events, w);
    w->has_cert = net_conn_peer_cert(c, &w->cert);
}

static void cli_open(struct net_conn *c, void *ctx)
{
    struct world *w = ctx;
    w->opened++;
    if (w->upgrade && w->opened == 1)
        net_conn_write(c, w->stuffed ? PHI_LIT("12345678extra") : PHI_LIT("12345678"));
    else if (w->want)
        net_conn_write(c, PHI_LIT("hello"));
}

static void cli_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct world *w = ctx;
    if (w->upgrade && !net_conn_is_tls(c)) {
        assert_true(phi_view_is(in, "S"));
        net_conn_take(c, 1);
        assert_int_equal(net_conn_start_tls(c, w->ctls, "localhost", NULL), PHI_OK);
        return;
    }
    phi_buf_add(&w->got, in);
    net_conn_take(c, in.n);
    if (w->got.n >= w->want)
        net_conn_shut(c);
}

static void cli_eof(struct net_conn *c, void *ctx)
{
    struct world *w = ctx;
    w->eof = true;
    w->client = NULL;
    net_conn_close(c);
    net_loop_stop(w->loop);
}

static void cli_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    struct world *w = ctx;
    w->ended = true;
    w->client = NULL;
    w->why = why->rc;
    snprintf(w->why_text, sizeof w->why_text, "%s", why->msg);
    net_loop_stop(w->loop);
}

static void cli_drain(struct net_conn *c, void *ctx)
{
    (void)c;
    struct world *w = ctx;
    w->drained++;
}

static const struct net_conn_events cli_events = {
    .on_open = cli_open, .on_data = cli_data, .on_drain = cli_drain, .on_eof = cli_eof, .on_closed = cli_closed
};

static void too_long(void *ctx)
{
    (void)ctx;
    fail_msg("the loop waits for something that never comes");
}

static void world_open(struct world *w, struct net_tls *listen_tls)
{
    phi_buf_init(&w->got, 64 * 1024 * 1024);
    assert_int_equal(net_loop_open(&w->loop, NULL), PHI_OK);
    w->guard = net_timer_open(w->loop, too_long, w);
    net_timer_set(w->guard, 20000, 0);
    struct net_listen_opts o = { .address = "127.0.0.1:0",
                                 .tls = listen_tls,
                                 .on_accept = accepted,
                                 .ctx = w,
                                 .limits = { .max_out = 64 * 1024 * 1024 } };
    struct phi_err err;
    assert_int_equal(net_listen(w->loop, &o, &w->l, &err), PHI_OK);
}

static void world_connect(struct world *w, struct net_tls *tls, const char *host)
{
    char at[64];
    snprintf(at, sizeof at, "%s:%d", host, net_listener_port(w->l));
    struct net_connect_opts o = { .address = at, .tls = tls, .limits = { .max_out = 64 * 1024 * 1024 } };
    assert_int_equal(net_connect(w->loop, &o, &cli_events, w, &w->client, NULL), PHI_OK);
}

static void world_close(struct world *w)
{
    net_timer_close(w->guard);
    net_conn_close(w->client);
    net_conn_close(w->server);
    net_listener_close(w->l);
    net_loop_close(w->loop);
    net_tls_close(w->stls);
    net_tls_close(w->ctls);
    phi_buf_done(&w->got);
}

static struct net_tls *server_tls(bool need_client)
{
    struct net_tls_server_opts o = { .cert_pem = phi_buf_view(&srv_cert),
                                     .key_pem = phi_buf_view(&srv_key),
                                     .client_ca_pem = phi_buf_view(&pki.ca_pem),
                                     .client_cert_required = need_client };
    struct net_tls *t = NULL;
    struct phi_err err = { 0 };
    if (net_tls_server_open(&o, &t, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return t;
}

static struct net_tls *client_tls(struct net_tls_client_opts o)
{
    struct net_tls *t = NULL;
    struct phi_err err = { 0 };
    if (net_tls_client_open(&o, &t, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return t;
}

static void plain_bytes_come_back_and_both_ends_close(void **unused)
{
    (void)unused;
    struct world w = { .echo = true, .want = 5 };
    world_open(&w, NULL);
    world_connect(&w, NULL, "localhost");
    net_loop_run(w.loop);
    assert_view(phi_buf_view(&w.got), "hello");
    assert_true(w.eof);
    world_close(&w);
}

static void a_refused_connection_says_why(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL);
    char at[64];
    snprintf(at, sizeof at, "127.0.0.1:%d", net_listener_port(w.l));
    net_listener_close(w.l);
    w.l = NULL;
    struct net_connect_opts o = { .address = at };
    assert_int_equal(net_connect(w.loop, &o, &cli_events, &w, &w.client, NULL), PHI_OK);
    net_loop_run(w.loop);
    assert_int_equal(w.why, PHI_EIO);
    assert_non_null(strstr(w.why_text, "refused"));
    world_close(&w);
}

static void tls_with_certificates_on_both_sides(void **unused)
{
    (void)unused;
    struct world w = { .echo = true, .want = 5 };
    w.stls = server_tls(true);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem),
                                                      .cert_pem = phi_buf_view(&cli_cert),
                                                      .key_pem = phi_buf_view(&cli_key) });
    world_open(&w, w.stls);
    world_connect(&w, w.ctls, "127.0.0.1");
    net_loop_run(w.loop);
    assert_view(phi_buf_view(&w.got), "hello");
    assert_true(w.eof);
    assert_true(w.has_cert);
    assert_string_equal(w.cert.name, "gw1");
    world_close(&w);
}

/* Each of these must fail, and the server must never see a connection. */
static void refused_tls(struct net_tls_client_opts o, bool need_client, const char *host)
{
    struct world w = { .want = 5 };
    w.stls = server_tls(need_client);
    w.ctls = client_tls(o);
    world_open(&w, w.stls);
    world_connect(&w, w.ctls, host);
    net_loop_run(w.loop);
    assert_true(w.ended);
    assert_int_not_equal(w.why, PHI_OK);
    assert_int_equal(w.got.n, 0);
    world_close(&w);
}

static void tls_refuses_who_cannot_show_a_certificate(void **unused)
{
    (void)unused;
    refused_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem) }, true, "127.0.0.1");
}

static void tls_refuses_another_ca_and_a_wrong_pin(void **unused)
{
    (void)unused;
    struct test_pki other;
    pki_init(&other);
    refused_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&other.ca_pem) }, false, "127.0.0.1");
    refused_tls((struct net_tls_client_opts){ .ca_pin = &other.ca_sha256 }, false, "127.0.0.1");
    pki_done(&other);
}

static void a_client_certificate_cannot_serve(void **unused)
{
    (void)unused;
    struct world w = { .want = 5 };
    struct net_tls_server_opts so = { .cert_pem = phi_buf_view(&cli_cert), .key_pem = phi_buf_view(&cli_key) };
    assert_int_equal(net_tls_server_open(&so, &w.stls, NULL), PHI_OK);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem), .any_name = true });
    world_open(&w, w.stls);
    world_connect(&w, w.ctls, "127.0.0.1");
    net_loop_run(w.loop);
    assert_true(w.ended);
    assert_int_equal(w.why, PHI_EIO);
    world_close(&w);
}

static void the_name_must_be_the_certificates(void **unused)
{
    (void)unused;
    struct world w = { .want = 5 };
    w.stls = server_tls(false);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem) });
    world_open(&w, w.stls);
    char at[64];
    snprintf(at, sizeof at, "127.0.0.1:%d", net_listener_port(w.l));
    struct net_connect_opts o = { .address = at, .tls = w.ctls, .tls_name = "other.example" };
    assert_int_equal(net_connect(w.loop, &o, &cli_events, &w, &w.client, NULL), PHI_OK);
    net_loop_run(w.loop);
    assert_true(w.ended);
    assert_int_equal(w.opened, 0);
    world_close(&w);
}

static void a_pinned_ca_is_enough(void **unused)
{
    (void)unused;
    struct world w = { .echo = true, .want = 5 };
    w.stls = server_tls(false);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pin = &pki.ca_sha256 });
    world_open(&w, w.stls);
    world_connect(&w, w.ctls, "127.0.0.1");
    net_loop_run(w.loop);
    assert_view(phi_buf_view(&w.got), "hello");
    assert_false(w.has_cert);
    world_close(&w);
}

static void a_plain_connection_becomes_tls(void **unused)
{
    (void)unused;
    struct world w = { .echo = true, .want = 5, .upgrade = true };
    w.stls = server_tls(false);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem) });
    world_open(&w, NULL);
    world_connect(&w, NULL, "127.0.0.1");
    net_loop_run(w.loop);
    assert_view(phi_buf_view(&w.got), "hello");
    assert_int_equal(w.opened, 2);
    world_close(&w);
}

static void bytes_before_tls_refuse_it(void **unused)
{
    (void)unused;
    struct world w = { .upgrade = true, .stuffed = true };
    w.stls = server_tls(false);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem) });
    world_open(&w, NULL);
    world_connect(&w, NULL, "127.0.0.1");
    net_loop_run(w.loop);
    assert_int_equal(w.why, PHI_EINPUT);
    w.server = NULL;
    world_close(&w);
}

static void big_bytes(bool tls)
{
    struct world w = { .echo = true, .want = 8 * 1024 * 1024 };
    w.stls = server_tls(false);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem) });
    world_open(&w, tls ? w.stls : NULL);
    world_connect(&w, tls ? w.ctls : NULL, "127.0.0.1");
    while (!w.opened)
        net_loop_once(w.loop);
    uint8_t *big = malloc(w.want);
    for (size_t i = 0; i < w.want; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    assert_true(net_conn_write(w.client, phi_view_mem(big, w.want)));
    w.want += 5;
    assert_true(net_conn_queued(w.client) > 0);
    net_loop_run(w.loop);
    assert_int_equal(w.got.n, w.want);
    assert_memory_equal(w.got.p + 5, big, w.want - 5);
    assert_true(w.drained > 0);
    free(big);
    world_close(&w);
}

static void eight_megabytes_come_back_whole(void **unused)
{
    (void)unused;
    big_bytes(false);
    big_bytes(true);
}

static void a_full_queue_ends_the_connection(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct net_conn_limits lim = { .max_out = 4096 };
    assert_int_equal(net_adopt(w.loop, fds[0], &lim, &cli_events, &w, &w.client, NULL), PHI_OK);
    char junk[4096] = { 0 };
    bool ok = true;
    for (int i = 0; i < 10000 && ok; i++)
        ok = net_conn_write(w.client, phi_view_mem(junk, sizeof junk));
    assert_false(ok);
    net_loop_run(w.loop);
    assert_int_equal(w.why, PHI_ELIMIT);
    close(fds[1]);
    world_close(&w);
}

static void keep_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct world *w = ctx;
    w->total = in.n;
    if (in.n >= w->want) {
        net_conn_pause(c);
        net_loop_stop(w->loop);
    }
}

static const struct net_conn_events keep_events = { .on_data = keep_data, .on_closed = cli_closed };

static void unread_bytes_are_shown_again_and_bounded(void **unused)
{
    (void)unused;
    struct world w = { .want = 6 };
    world_open(&w, NULL);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct net_conn_limits lim = { .max_in = 1000 };
    assert_int_equal(net_adopt(w.loop, fds[0], &lim, &keep_events, &w, &w.client, NULL), PHI_OK);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    while (w.total < 3)
        net_loop_once(w.loop);
    assert_int_equal(write(fds[1], "def", 3), 3);
    net_loop_run(w.loop);
    assert_view(net_conn_in(w.client), "abcdef");
    assert_int_equal(write(fds[1], "ghi", 3), 3);
    net_conn_take(w.client, 2);
    w.want = 7;
    net_conn_resume(w.client);
    net_loop_run(w.loop);
    assert_view(net_conn_in(w.client), "cdefghi");
    char junk[2000] = { 0 };
    assert_int_equal(write(fds[1], junk, sizeof junk), sizeof junk);
    w.want = 1000000;
    net_conn_resume(w.client);
    net_loop_run(w.loop);
    assert_int_equal(w.why, PHI_ELIMIT);
    close(fds[1]);
    world_close(&w);
}

static void pausing_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct world *w = ctx;
    w->total += in.n;
    net_conn_take(c, in.n);
    if (w->echo)
        net_conn_pause(c);
    net_loop_stop(w->loop);
}

/* Small records that came together stand inside OpenSSL when the reader stops: nothing but we ourselves goes on with them. */
static void records_that_came_together_are_all_shown(bool pauses)
{
    static const struct net_conn_events events = { .on_data = pausing_data, .on_closed = srv_closed };
    struct world w = { .echo = pauses };
    w.stls = server_tls(false);
    w.ctls = client_tls((struct net_tls_client_opts){ .ca_pem = phi_buf_view(&pki.ca_pem) });
    world_open(&w, w.stls);
    world_connect(&w, w.ctls, "localhost");
    while (!w.opened || !w.server)
        net_loop_once(w.loop);
    net_conn_bind(w.server, &events, &w);
    net_conn_deadline(w.client, 0); /* its end would show the rest */
    for (int i = 0; i < 100; i++)
        net_conn_write(w.client, PHI_LIT("hello"));
    while (w.total < 500) {
        net_conn_resume(w.server);
        net_loop_run(w.loop);
    }
    assert_int_equal(w.total, 500);
    world_close(&w);
}

static void records_are_all_shown_to_who_pauses_and_who_does_not(void **unused)
{
    (void)unused;
    records_that_came_together_are_all_shown(true);
    records_that_came_together_are_all_shown(false);
}

static void a_deadline_ends_the_connection(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL);
    world_connect(&w, NULL, "127.0.0.1");
    while (!w.opened)
        net_loop_once(w.loop);
    net_conn_deadline(w.client, 15000);
    net_conn_deadline(w.client, 0);
    net_conn_deadline(w.client, 20); /* sooner than what the timer was set to */
    net_loop_run(w.loop);
    assert_int_equal(w.why, PHI_EEXPIRED);
    world_close(&w);
}

static void a_deadline_that_moved_back_holds_from_there(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    world_open(&w, NULL);
    world_connect(&w, NULL, "127.0.0.1");
    while (!w.opened)
        net_loop_once(w.loop);
    int64_t from = phi_now_boot_ms();
    net_conn_deadline(w.client, 10);
    net_conn_deadline(w.client, 60); /* the timer is still set to the first */
    net_loop_run(w.loop);
    assert_int_equal(w.why, PHI_EEXPIRED);
    assert_true(phi_now_boot_ms() - from >= 60);
    world_close(&w);
}

static void addresses_are_read_strictly(void **unused)
{
    (void)unused;
    struct net_hostport at;
    assert_int_equal(net_hostport_read("localhost:80", &at, NULL), PHI_OK);
    assert_string_equal(at.host, "localhost");
    assert_int_equal(net_hostport_read("[::1]:8470", &at, NULL), PHI_OK);
    assert_string_equal(at.host, "::1");
    static const char *const bad[] = { "", "localhost", ":80", "localhost:", "localhost:65536", "localhost:-1",
                                       "::1:80", "[::1:80", "a:b:1", "[]:1", "localhost:8 0" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(net_hostport_read(bad[i], &at, NULL), PHI_EINPUT);
    assert_true(net_host_is_loopback("127.3.2.1") && net_host_is_loopback("::1") && net_host_is_loopback("localhost"));
    assert_false(net_host_is_loopback("10.0.0.1") || net_host_is_loopback("localhost.example") ||
                 net_host_is_loopback("0.0.0.0"));
}

static int set_up(void **unused)
{
    (void)unused;
    pki_init(&pki);
    pki_leaf(&pki, "phid", "serverAuth", &srv_cert, &srv_key);
    pki_leaf(&pki, "gw1", "clientAuth", &cli_cert, &cli_key);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    pki_done(&pki);
    phi_buf_done(&srv_cert);
    phi_buf_done(&srv_key);
    phi_buf_done(&cli_cert);
    phi_buf_done(&cli_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_come_back_and_both_ends_close),
        cmocka_unit_test(a_refused_connection_says_why),
        cmocka_unit_test(tls_with_certificates_on_both_sides),
        cmocka_unit_test(tls_refuses_who_cannot_show_a_certificate),
        cmocka_unit_test(tls_refuses_another_ca_and_a_wrong_pin),
        cmocka_unit_test(a_client_certificate_cannot_serve),
        cmocka_unit_test(the_name_must_be_the_certificates),
        cmocka_unit_test(a_pinned_ca_is_enough),
        cmocka_unit_test(a_plain_connection_becomes_tls),
        cmocka_unit_test(bytes_before_tls_refuse_it),
        cmocka_unit_test(eight_megabytes_come_back_whole),
        cmocka_unit_test(a_full_queue_ends_the_connection),
        cmocka_unit_test(unread_bytes_are_shown_again_and_bounded),
        cmocka_unit_test(records_are_all_shown_to_who_pauses_and_who_does_not),
        cmocka_unit_test(a_deadline_ends_the_connection),
        cmocka_unit_test(a_deadline_that_moved_back_holds_from_there),
        cmocka_unit_test(addresses_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
