#include "base/test.h"

#include "client/api.h"
#include "client/enroll.h"
#include "client/test_phid.h"

#include <sys/stat.h>

static void addresses_are_read_strictly(void **unused)
{
    (void)unused;
    struct client_url u;
    assert_int_equal(client_url_read("http://localhost:8470", false, &u, NULL), PHI_OK);
    assert_string_equal(u.address, "localhost:8470");
    assert_string_equal(u.origin, "http://localhost:8470");
    assert_int_equal(client_url_read("https://phid.example/", false, &u, NULL), PHI_OK);
    assert_string_equal(u.address, "phid.example:443");
    assert_true(u.tls);
    assert_int_equal(client_url_read("https://[::1]:8471", false, &u, NULL), PHI_OK);
    assert_string_equal(u.host, "::1");
    assert_int_equal(client_url_read("http://phid.example", false, &u, NULL), PHI_EDENIED);
    assert_int_equal(client_url_read("http://phid.example", true, &u, NULL), PHI_OK);
    static const char *const bad[] = { "", "phid.example", "ftp://a", "https://", "https://a/b", "https://u@a", "https://a?b",
                                       "https://a:0", "https://a:99999", "https://a b", "https://a\r\nX: y", "HTTP://a" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(client_url_read(bad[i], false, &u, NULL), PHI_EINPUT);
}

static void what_is_put_into_a_path_is_encoded(void **unused)
{
    (void)unused;
    PHI_BUF(b, 100);
    client_path_add(&b, PHI_LIT("a/b ?\xc3\xa9-._~%"));
    assert_string_equal(phi_buf_str(&b), "a%2Fb%20%3F%C3%A9-._~%25");
}

static void enrolment_stores_what_the_link_needs(void **unused)
{
    (void)unused;
    struct phid p = { 0 };
    struct phi_err err = { 0 };
    struct client_identity id;
    struct stat st;
    char path[300];
    phid_open(&p);
    assert_int_equal(client_identity_load(p.dir, &id, &err), PHI_ENOTFOUND);
    if (client_enroll(p.loop, p.url, p.code, p.dir, false, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(client_identity_load(p.dir, &id, NULL), PHI_OK);
    assert_string_equal(id.name, "gw1");
    client_identity_done(&id);
    snprintf(path, sizeof path, "%s/key.pem", p.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(client_enroll(p.loop, p.url, p.code, p.dir, false, &err), PHI_ECONFLICT);
    assert_int_equal(client_enroll(p.loop, p.url, p.code, p.dir, true, &err), PHI_OK);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_not_equal(client_identity_load(p.dir, &id, &err), PHI_OK);
    phid_close(&p);
}

static void enrolment_trusts_only_the_ca_of_the_code(void **unused)
{
    (void)unused;
    struct phid p = { 0 };
    struct phi_err err = { 0 };
    struct client_identity id;
    phid_open(&p);
    char code[210];
    snprintf(code, sizeof code, "%s", p.code);
    code[3] = code[3] == 'A' ? 'B' : 'A';
    assert_int_equal(client_enroll(p.loop, p.url, code, p.dir, false, &err), PHI_EIO);
    assert_non_null(strstr(err.msg, "certificate"));
    assert_int_equal(client_enroll(p.loop, p.url, "nonsense", p.dir, false, &err), PHI_EINPUT);
    assert_int_equal(client_enroll(p.loop, "http://127.0.0.1:1", p.code, p.dir, false, &err), PHI_EINPUT);
    snprintf(code, sizeof code, "%sx", p.code);
    assert_int_equal(client_enroll(p.loop, p.url, code, p.dir, false, &err), PHI_EDENIED);
    assert_string_equal(err.msg, "this code was used: ask for another");
    p.wrong_ca = true;
    assert_int_equal(client_enroll(p.loop, p.url, p.code, p.dir, false, &err), PHI_EDENIED);
    assert_int_equal(client_identity_load(p.dir, &id, NULL), PHI_ENOTFOUND);
    phid_close(&p);
}

/* ---- Calls ---- */

static char seen_token[100];

static void on_plain(struct net_http_req *r, void *ctx)
{
    (void)ctx;
    struct phi_view v;
    if (net_http_header(r, "authorization", &v))
        snprintf(seen_token, sizeof seen_token, PHI_FMT, PHI_ARG(v));
    if (phi_view_is(net_http_path(r), "/ok"))
        net_http_reply(r, 200, "application/json", PHI_LIT("{\"a\":1}"));
    else if (phi_view_is(net_http_path(r), "/twice"))
        net_http_reply(r, 200, "application/json", PHI_LIT("{\"a\":1,\"a\":2}"));
    else if (phi_view_is(net_http_path(r), "/no"))
        net_http_reply(r, 403, "application/problem+json",
                       PHI_LIT("{\"title\":\"t\",\"detail\":\"you are the requester\",\"code\":\"request.self\",\"next\":\"ask bob\"}"));
    else
        net_http_reply(r, 502, "text/html", PHI_LIT("<h1>bad gateway</h1>"));
}

static void answers_and_problems_are_told_apart(void **unused)
{
    (void)unused;
    struct net_loop *loop;
    struct net_http_server *srv;
    struct client *c;
    struct client_reply r;
    char url[64];
    PHI_ARENA(a, 1 << 20);
    assert_int_equal(net_loop_open(&loop, NULL), PHI_OK);
    struct net_http_opts o = { .address = "127.0.0.1:0", .on_request = on_plain };
    assert_int_equal(net_http_listen(loop, &o, &srv, NULL), PHI_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", net_http_port(srv));
    struct client_opts co = { .url = url, .token = "tok" };
    assert_int_equal(client_open(loop, &co, &c, NULL), PHI_OK);
    assert_int_equal(client_call_wait(c, &a, "GET", "/ok", (struct phi_view){ 0 }, &r, NULL), PHI_OK);
    assert_int_equal(phi_json_num(r.json, "a", 0), 1);
    assert_string_equal(seen_token, "Bearer tok");
    assert_int_equal(client_call_wait(c, &a, "POST", "/no", PHI_LIT("{}"), &r, NULL), PHI_EDENIED);
    assert_string_equal(r.code, "request.self");
    assert_string_equal(r.err.msg, "you are the requester: ask bob");
    assert_int_equal(client_call_wait(c, &a, "GET", "/twice", (struct phi_view){ 0 }, &r, NULL), PHI_EINPUT);
    assert_int_equal(client_call_wait(c, &a, "GET", "/other", (struct phi_view){ 0 }, &r, NULL), PHI_EIO);
    assert_int_equal(r.status, 502);
    net_http_close(srv);
    assert_int_equal(client_call_wait(c, &a, "GET", "/ok", (struct phi_view){ 0 }, &r, NULL), PHI_EIO);
    assert_int_equal(r.status, 0);
    client_close(c);
    net_loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_strictly),
        cmocka_unit_test(what_is_put_into_a_path_is_encoded),
        cmocka_unit_test(enrolment_stores_what_the_link_needs),
        cmocka_unit_test(enrolment_trusts_only_the_ca_of_the_code),
        cmocka_unit_test(answers_and_problems_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
