#include "base/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "guard/fetch_in.h"
#include "net/http.h"
#include "net/test_pki.h"

/* ---- addresses ---- */

static bool ok(const struct fetch_nets *allow, const char *ip, bool plain)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        return fetch_addr_ok(allow, (struct sockaddr *)(void *)&v4, plain);
    assert_int_equal(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
    return fetch_addr_ok(allow, (struct sockaddr *)(void *)&v6, plain);
}

static void attack_36_only_public_addresses_are_reached(void **unused)
{
    static const char *const inside[] = {
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.1", "198.51.100.7", "203.0.113.9",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "fe80::1", "fc00::1",
        "fd00:ec2::254", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "::127.0.0.1", "5f00::1",
    };
    static const char *const outside[] = { "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1",
                                           "192.167.1.1", "223.255.255.255", "2606:4700::1111", "2a00::1", "::ffff:1.1.1.1", "64:ff9b::101:101" };
    struct fetch_nets none = { .n = 0 };
    (void)unused;
    for (size_t i = 0; i < COUNT(inside); i++)
        if (ok(&none, inside[i], false))
            fail_msg("%s is reached", inside[i]);
    for (size_t i = 0; i < COUNT(outside); i++)
        if (!ok(&none, outside[i], false) || ok(&none, outside[i], true))
            fail_msg("%s", outside[i]);
}

static void what_is_allowed_is_reached_and_nothing_beside_it(void **unused)
{
    struct fetch_nets allow = { .n = 3 };
    (void)unused;
    assert_true(fetch_net_read("10.1.0.0/16", &allow.net[0]));
    assert_true(fetch_net_read("fd12::/16", &allow.net[1]));
    assert_true(fetch_net_read("127.0.0.1", &allow.net[2]));
    assert_true(ok(&allow, "10.1.255.1", false) && ok(&allow, "::ffff:10.1.2.3", false) && ok(&allow, "fd12:1::1", false));
    assert_false(ok(&allow, "10.2.0.1", false) || ok(&allow, "fd13::1", false) || ok(&allow, "127.0.0.2", false) || ok(&allow, "::1", false));
    assert_true(ok(&allow, "127.0.0.1", true));
    assert_false(ok(&allow, "10.1.0.1", true)); /* without TLS nothing but loopback */
    static const char *const bad[] = { "", "10.0.0.0/33", "10.0.0/8", "x", "::/129", "1.2.3.4/", "1.2.3.4/-1", "10.0.0.0/8/8", "010.0.0.1" };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (fetch_net_read(bad[i], &allow.net[0]))
            fail_msg("\"%s\" was read", bad[i]);
}

/* ---- messages ---- */

static void no_header_can_end_its_line(void **unused)
{
    static const struct net_http_field bad[] = { { "X", "a\r\nHost: b" }, { "X", "a\nb" }, { "X: y", "a" }, { "", "a" }, { "X Y", "a" }, { "X", NULL } };
    static const char *const urls[] = { "", "https://a b/", "https://a/\r\nx", NULL };
    PHI_BUF(b, 1 << 20);
    (void)unused;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct net_fetch_ask q = { .url = "https://a/", .method = "GET", .fields = &bad[i], .n_fields = 1 };
        assert_int_equal(fetch_ask_write(&b, &q, NULL), PHI_EINPUT);
    }
    for (size_t i = 0; i < COUNT(urls); i++)
        assert_int_equal(fetch_ask_write(&b, &(struct net_fetch_ask){ .url = urls[i], .method = "GET" }, NULL), PHI_EINPUT);
    const char *to[] = { "a@b>\r\nRCPT TO:<c@d" };
    struct net_fetch_ask mail = { .url = "smtps://a/", .mail_from = "a@b", .mail_to = to, .n_mail_to = 1 };
    assert_int_equal(fetch_ask_write(&b, &mail, NULL), PHI_EINPUT);
}

static void messages_cut_anywhere_are_no_messages(void **unused)
{
    struct net_http_field f = { "X-A", "b" };
    struct net_fetch_ask q = { .url = "https://a/", .method = "POST", .fields = &f, .n_fields = 1, .body = PHI_LIT("body"), .deadline_ms = 5 }, r;
    PHI_BUF(b, 1 << 16);
    PHI_ARENA(a, 1 << 16);
    struct phi_view v;
    (void)unused;
    assert_int_equal(fetch_ask_write(&b, &q, NULL), PHI_OK);
    for (size_t i = 0; i < b.n; i++) {
        assert_int_equal(fetch_frame(phi_view_upto(phi_buf_view(&b), i), 1 << 16, &v), 1);
        if (i >= 4)
            assert_false(fetch_ask_read(&a, phi_view_upto(phi_view_from(phi_buf_view(&b), 4), i - 4), &r));
    }
    assert_int_equal(fetch_frame(phi_buf_view(&b), 1 << 16, &v), 0);
    assert_true(fetch_ask_read(&a, v, &r));
    assert_string_equal(r.fields[0].value, "b");
    assert_view(r.body, "body");
    assert_int_equal(fetch_frame(phi_buf_view(&b), 8, &v), -1);
}

/* ---- real servers ---- */

struct world {
    struct net_loop *loop;
    struct net_http_server *srv;
    struct guard_fetch *fetch;
    struct net_timer *guard;
    struct net_http_req *held;
    int requests, waits, status;
    bool maybe_done;
    struct phi_err err;
    char body[256], address[64], location[128], seen[64];
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

static void on_request(struct net_http_req *r, void *ctx)
{
    struct world *w = ctx;
    struct phi_view path = net_http_path(r), v;
    w->requests++;
    if (net_http_header(r, "x-seen", &v))
        snprintf(w->seen, sizeof w->seen, PHI_FMT, PHI_ARG(v));
    if (phi_view_is(path, "/hold")) {
        w->held = r;
        net_http_defer(r, held_gone, w);
    } else if (phi_view_is(path, "/redirect")) {
        net_http_set(r, "Location", "http://169.254.169.254/latest");
        net_http_reply(r, 302, NULL, (struct phi_view){ 0 });
    } else if (phi_view_is(path, "/large")) {
        static char large[200 * 1024];
        net_http_reply(r, 200, "text/plain", phi_view_mem(large, sizeof large));
    } else {
        net_http_reply(r, 200, "text/plain", net_http_body(r).n ? net_http_body(r) : PHI_LIT("hello"));
    }
}

static void world_open(struct world *w, struct net_tls *tls, struct guard_fetch_conf *conf)
{
    struct phi_err err = { 0 };
    if (guard_fetch_spawn(conf, &w->fetch, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(net_loop_open(&w->loop, NULL), PHI_OK);
    struct net_http_opts o = { .address = "127.0.0.1:0", .tls = tls, .on_request = on_request, .ctx = w };
    assert_int_equal(net_http_listen(w->loop, &o, &w->srv, NULL), PHI_OK);
    assert_int_equal(guard_fetch_bind(w->fetch, w->loop, NULL), PHI_OK);
    w->guard = net_timer_open(w->loop, too_long, w);
    net_timer_set(w->guard, 60000, 0);
}

static void world_close(struct world *w)
{
    guard_fetch_close(w->fetch);
    net_http_close(w->srv);
    net_timer_close(w->guard);
    net_loop_close(w->loop);
}

static void done(const struct net_fetch_answer *a, const struct phi_err *err, bool maybe_done, void *ctx)
{
    struct world *w = ctx;
    struct phi_view v;
    w->maybe_done = maybe_done;
    w->status = a ? a->status : 0;
    w->err = a ? (struct phi_err){ 0 } : *err;
    snprintf(w->body, sizeof w->body, PHI_FMT, PHI_ARG(a ? phi_view_upto(a->body, 200) : (struct phi_view){ 0 }));
    snprintf(w->address, sizeof w->address, "%s", a ? a->address : "");
    if (a && net_fetch_header(a, "location", &v))
        snprintf(w->location, sizeof w->location, PHI_FMT, PHI_ARG(v));
    if (--w->waits == 0)
        net_loop_stop(w->loop);
}

static void ask(struct world *w, const char *url, const struct net_fetch_ask *more)
{
    struct net_fetch port = guard_fetch_port(w->fetch);
    struct net_fetch_ask q = *more;
    struct phi_err err = { 0 };
    q.url = url;
    if (!q.method)
        q.method = "GET";
    if (port.send(port.self, &q, done, w, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    w->waits++;
}

static void ask_wait(struct world *w, const char *url, const struct net_fetch_ask *more)
{
    ask(w, url, more);
    net_loop_run(w->loop);
}

static const struct net_fetch_ask plain = { 0 };

static void attack_36_loopback_is_refused_in_every_spelling(void **unused)
{
    struct world w = { 0 };
    char url[80];
    (void)unused;
    world_open(&w, NULL, &(struct guard_fetch_conf){ 0 });
    const char *const forms[] = { "http://127.0.0.1:%d/", "http://localhost:%d/", "http://[::ffff:127.0.0.1]:%d/", "http://2130706433:%d/",
                                  "http://0x7f.1:%d/", "http://0:%d/", "https://127.0.0.1:%d/" };
    for (size_t i = 0; i < COUNT(forms); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(url, sizeof url, forms[i], net_http_port(w.srv));
#pragma GCC diagnostic pop
        ask_wait(&w, url, &plain);
        if (w.err.rc != PHI_EDENIED || w.maybe_done)
            fail_msg("%s: %d %s", url, w.err.rc, w.err.msg);
    }
    assert_int_equal(w.requests, 0);
    world_close(&w);
}

static void attack_36_an_answer_comes_whole_and_a_redirect_is_not_followed(void **unused)
{
    struct world w = { 0 };
    struct guard_fetch_conf conf = { .allow = { "127.0.0.0/8" }, .n_allow = 1 };
    struct net_http_field f = { "X-Seen", "yes; really" };
    char url[80];
    (void)unused;
    world_open(&w, NULL, &conf);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", net_http_port(w.srv));
    ask_wait(&w, url, &(struct net_fetch_ask){ .method = "POST", .fields = &f, .n_fields = 1, .body = PHI_LIT("{\"a\":1}") });
    assert_int_equal(w.err.rc, PHI_OK);
    assert_int_equal(w.status, 200);
    assert_string_equal(w.body, "{\"a\":1}");
    assert_string_equal(w.seen, "yes; really");
    assert_string_equal(w.address, "127.0.0.1");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/redirect", net_http_port(w.srv));
    ask_wait(&w, url, &plain);
    assert_int_equal(w.status, 302);
    assert_string_equal(w.location, "http://169.254.169.254/latest");
    assert_int_equal(w.requests, 2);
    world_close(&w);
}

static void answers_have_an_end_in_time_and_size(void **unused)
{
    struct world w = { 0 };
    struct guard_fetch_conf conf = { .allow = { "127.0.0.1" }, .n_allow = 1 };
    char url[80];
    (void)unused;
    world_open(&w, NULL, &conf);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/large", net_http_port(w.srv));
    ask_wait(&w, url, &(struct net_fetch_ask){ .max_body = 100 * 1024 });
    assert_int_equal(w.err.rc, PHI_ELIMIT);
    ask_wait(&w, url, &plain);
    assert_int_equal(w.status, 200);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hold", net_http_port(w.srv));
    ask_wait(&w, url, &(struct net_fetch_ask){ .deadline_ms = 300 });
    assert_int_equal(w.err.rc, PHI_EEXPIRED);
    assert_true(w.maybe_done);
    ask_wait(&w, "file:///etc/passwd", &plain);
    assert_int_equal(w.err.rc, PHI_EINPUT);
    ask_wait(&w, "https://user:word@example.test/", &plain);
    assert_int_equal(w.err.rc, PHI_EINPUT);
    world_close(&w);
}

/* A name that leads outside and inside is judged at the address that is connected to. */
static void attack_36_a_name_that_leads_inside_is_refused(void **unused)
{
    struct world w = { 0 };
    char resolve[120], url[80];
    struct guard_fetch_conf conf = { .resolve = resolve };
    (void)unused;
    snprintf(resolve, sizeof resolve, "hook.example.test:443:169.254.169.254,10.0.0.7,::1,127.0.0.1");
    world_open(&w, NULL, &conf);
    snprintf(url, sizeof url, "https://hook.example.test/x");
    ask_wait(&w, url, &plain);
    assert_int_equal(w.err.rc, PHI_EDENIED);
    assert_int_equal(w.requests, 0);
    world_close(&w);
}

static void certificates_are_verified(void **unused)
{
    struct world w = { 0 }, u = { 0 };
    struct test_pki pki, other;
    struct net_tls *tls;
    struct phi_buf cert, key;
    char ca[] = "/tmp/phi-fetch-ca-XXXXXX", url[80];
    (void)unused;
    pki_init(&pki);
    pki_init(&other);
    pki_leaf(&pki, "localhost", "serverAuth", &cert, &key);
    assert_int_equal(net_tls_server_open(&(struct net_tls_server_opts){ .cert_pem = phi_buf_view(&cert), .key_pem = phi_buf_view(&key) }, &tls, NULL), PHI_OK);
    int fd = mkstemp(ca);
    assert_true(fd >= 0 && write(fd, pki.ca_pem.p, pki.ca_pem.n) == (ssize_t)pki.ca_pem.n);
    close(fd);
    struct guard_fetch_conf conf = { .allow = { "127.0.0.1", "::1" }, .n_allow = 2, .ca_file = ca };
    world_open(&w, tls, &conf);
    snprintf(url, sizeof url, "https://localhost:%d/", net_http_port(w.srv));
    ask_wait(&w, url, &plain);
    if (w.status != 200)
        fail_msg("%s", w.err.msg);
    snprintf(url, sizeof url, "https://[::ffff:127.0.0.1]:%d/", net_http_port(w.srv)); /* a name that the certificate lacks */
    ask_wait(&w, url, &plain);
    assert_int_equal(w.err.rc, PHI_EIO);
    assert_int_equal(w.requests, 1);
    world_close(&w);
    conf.ca_file = NULL;
    world_open(&u, tls, &conf);
    snprintf(url, sizeof url, "https://localhost:%d/", net_http_port(u.srv));
    ask_wait(&u, url, &plain);
    assert_int_equal(u.err.rc, PHI_EIO);
    assert_int_equal(u.requests, 0);
    world_close(&u);
    net_tls_close(tls);
    unlink(ca);
    phi_buf_done(&cert);
    phi_buf_done(&key);
    pki_done(&pki);
    pki_done(&other);
}

static void more_than_run_at_once_wait_their_turn(void **unused)
{
    struct world w = { 0 };
    struct guard_fetch_conf conf = { .allow = { "127.0.0.1" }, .n_allow = 1 };
    char url[80];
    (void)unused;
    world_open(&w, NULL, &conf);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", net_http_port(w.srv));
    for (int i = 0; i < 40; i++)
        ask(&w, url, &plain);
    net_loop_run(w.loop);
    assert_int_equal(w.requests, 40);
    assert_int_equal(w.status, 200);
    ask(&w, url, &plain); /* one is left when it closes */
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attack_36_only_public_addresses_are_reached),
        cmocka_unit_test(what_is_allowed_is_reached_and_nothing_beside_it),
        cmocka_unit_test(no_header_can_end_its_line),
        cmocka_unit_test(messages_cut_anywhere_are_no_messages),
        cmocka_unit_test(attack_36_loopback_is_refused_in_every_spelling),
        cmocka_unit_test(attack_36_an_answer_comes_whole_and_a_redirect_is_not_followed),
        cmocka_unit_test(answers_have_an_end_in_time_and_size),
        cmocka_unit_test(attack_36_a_name_that_leads_inside_is_refused),
        cmocka_unit_test(certificates_are_verified),
        cmocka_unit_test(more_than_run_at_once_wait_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
