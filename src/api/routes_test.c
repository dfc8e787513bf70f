#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/handlers.h"
#include "base/os.h"

#define EACH(r) (const struct api_route *r = api_routes; r < api_routes + api_routes_n; r++)

static void match(struct phi_arena *a, enum api_listener l, const char *method, const char *path,
                  struct api_match *m)
{
    api_match(a, l, phi_view_of(method), phi_view_of(path), m);
}

static void every_row_is_complete(void **state)
{
    (void)state;
    for
        EACH(r)
        {
            assert_non_null(r->handler);
            assert_true(r->summary && r->summary[0]);
            assert_true(r->right >= API_RIGHT_NONE && r->right < API_RIGHTS_N && r->right != API_RIGHT_POLICIES);
            assert_true(r->listeners && !(r->listeners & ~(unsigned)(API_PEOPLE | API_GATEWAYS)));
            assert_string_not_equal(api_right_name(r->right), "?");
        }
}

static void a_get_has_no_body_and_every_other_json_route_says_what_it_takes(void **state)
{
    (void)state;
    for
        EACH(r)
        {
            if (strcmp(r->method, "GET") == 0)
                assert_null(r->body);
            if (r->flags & API_STREAM)
                assert_string_equal(r->method, "GET");
            if (r->flags & API_LOCAL) /* answers before anybody is admitted */
                assert_int_equal(r->right, API_RIGHT_NONE);
        }
}

static void persons_speak_on_one_listener_and_gateways_on_the_other(void **state)
{
    (void)state;
    for
        EACH(r)
    if (r->right != API_RIGHT_NONE)
        assert_int_equal(r->listeners, api_right_of_person(r->right) ? API_PEOPLE : API_GATEWAYS);
}

static void only_reading_and_sign_in_need_no_right(void **state)
{
    (void)state;
    for
        EACH(r)
    if (r->right == API_RIGHT_NONE && strcmp(r->method, "GET") != 0)
        assert_true(strcmp(r->pattern, "/login/{secret}") == 0 ||
                    strcmp(r->pattern, "/v1/sessions") == 0 || strncmp(r->pattern, "/v1/sessions/passkey", 20) == 0 ||
                    strcmp(r->pattern, "/login/oidc/{provider}") == 0 || strcmp(r->pattern, "/v1/token") == 0 ||
                    strcmp(r->pattern, "/v1/device") == 0 ||
                    /* pages of ours that look for the session's cookie and its proof themselves (api_page_admit) */
                    strcmp(r->pattern, "/device") == 0 || strcmp(r->pattern, "/authorize") == 0 || strcmp(r->pattern, "/held") == 0 || (r->flags & API_SIGNED));
}

static void every_route_is_found_and_only_by_its_method(void **state)
{
    (void)state;
    for
        EACH(r)
        {
            PHI_ARENA(a, 65536);
            struct api_match m;
            enum api_listener l = r->listeners & API_PEOPLE ? API_PEOPLE : API_GATEWAYS;
            match(&a, l, r->method, r->pattern, &m);
            assert_ptr_equal(m.route, r);
            match(&a, l, "PATCH", r->pattern, &m);
            assert_null(m.route);
            assert_int_equal(m.problem, API_NO_METHOD);
            assert_non_null(strstr(m.allow, r->method));
            if (!(r->listeners & (unsigned)(l == API_PEOPLE ? API_GATEWAYS : API_PEOPLE)) &&
                !api_right_of_person(r->right)) {
                match(&a, l == API_PEOPLE ? API_GATEWAYS : API_PEOPLE, r->method, r->pattern, &m);
                assert_ptr_not_equal(m.route, r);
            }
        }
}

static void parameters_are_decoded_and_stay_one_segment(void **state)
{
    (void)state;
    PHI_ARENA(a, 65536);
    struct api_match m;
    match(&a, API_PEOPLE, "DELETE", "/v1/groups/on%20call/members/a%2Fb", &m);
    assert_non_null(m.route);
    assert_true(phi_view_is(m.params[0], "on call"));
    assert_true(phi_view_is(m.params[1], "a/b"));
    const char *const none[] = {
        "/v1/requests/",      "/v1/requests//votes", "/v1/requests/%zz", "/v1/requests/%00",
        "//healthz",          "/healthz/",           "healthz",          "",
        "/v1/requests/a/b/c", "/V1/whoami"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        match(&a, API_PEOPLE, "GET", none[i], &m);
        assert_null(m.route);
    }
}

static enum phi_rc body(const char *pattern, const char *text, struct phi_err *err)
{
    PHI_ARENA(a, 65536);
    const struct phi_json *v;
    for
        EACH(r)
    if (strcmp(r->pattern, pattern) == 0 && r->body) {
        assert_int_equal(phi_json_read(&a, phi_view_of(text), 0, "body", &v, err), PHI_OK);
        return api_body_check(r, v, err);
    }
    fail();
    return PHI_EINPUT;
}

static void bodies_are_held_against_the_table(void **state)
{
    (void)state;
    struct phi_err err;
    assert_int_equal(body("/v1/people", "{\"name\":\"a\",\"groups\":[\"dev\"]}", &err), PHI_OK);
    assert_int_equal(body("/v1/people", "{\"name\":\"a\"}", &err), PHI_OK);
    static const char *const wrong[][2] = {
        { "{}",                              "\"name\" is missing" },
        { "{\"name\":7}",                    "\"name\" must be a string" },
        { "{\"name\":\"a\",\"groups\":[7]}", "\"groups\" must be a list of strings" },
        { "{\"name\":\"a\",\"admin\":true}", "\"admin\" is not known here" },
        { "[]",                              "the body must be a JSON object" }
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(body("/v1/people", wrong[i][0], &err), PHI_EINPUT);
        assert_string_equal(err.msg, wrong[i][1]);
    }
}

static void queries_are_held_against_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool ok;
    } rows[] = {
        { "box=mine",         true },
        { "box=mine&limit=5", true },
        { "box=mine&box=all", false },
        { "token=1",          false },
        { "box=%zz",          false },
        { "",                 true }
    };
    for
        EACH(r)
    if (strcmp(r->pattern, "/v1/requests") == 0 && strcmp(r->method, "GET") == 0)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            PHI_ARENA(a, 65536);
            struct phi_view bad;
            assert_int_equal(api_query_check(&a, r, phi_view_of(rows[i].query), &bad), rows[i].ok);
        }
}

static void file_is(const char *name, void (*write)(struct phi_buf *))
{
    char path[4096];
    PHI_BUF(want, 4 * 1024 * 1024);
    PHI_BUF(have, 4 * 1024 * 1024);
    const char *root = getenv("PHI_SOURCE");
    if (!root)
        skip();
    snprintf(path, sizeof(path), "%s/docs/%s", root, name);
    write(&want);
    assert_true(phi_buf_ok(&want));
    assert_int_equal(phi_file_read(path, 4 * 1024 * 1024, &have, NULL), PHI_OK);
    assert_true(phi_view_eq(phi_buf_view(&want), phi_buf_view(&have)));
}

static void the_openapi_document_is_the_generated_one(void **state)
{
    (void)state;
    file_is("openapi.json", api_openapi);
}

static void the_page_of_errors_is_the_generated_one(void **state)
{
    (void)state;
    file_is("errors.md", api_problem_page);
}

static void the_openapi_document_is_json_with_every_path(void **state)
{
    (void)state;
    PHI_BUF(out, 4 * 1024 * 1024);
    PHI_ARENA(a, 16 * 1024 * 1024);
    const struct phi_json *v;
    struct phi_err err;
    api_openapi(&out);
    assert_int_equal(phi_json_read(&a, phi_view_trim(phi_buf_view(&out)), 0, "openapi", &v, &err),
                     PHI_OK);
    for
        EACH(r)
    assert_non_null(phi_json_get(phi_json_get(v, "paths"), r->pattern));
}

static void every_route_has_an_example_that_its_row_takes(void **state)
{
    (void)state;
    for
        EACH(r)
        {
            PHI_ARENA(a, 1024 * 1024);
            const struct api_example *x = api_example_of(r);
            const struct phi_json *sent = NULL;
            struct phi_err err = { 0 };
            assert_non_null(x);
            assert_true((x->status >= 200 && x->status < 400) || strstr(r->pattern, "held") || strstr(r->pattern, "authz"));
            if (x->sent)
                assert_int_equal(phi_json_read(&a, phi_view_of(x->sent), PHI_JSON_STRICT, r->pattern, &sent, &err), PHI_OK);
            if (r->body)
                assert_int_equal(api_body_check(r, sent, &err), PHI_OK);
        }
}

static void problem_codes_are_unique_and_errors(void **state)
{
    (void)state;
    for (int i = 1; i < API_PROBLEM_N; i++) {
        const struct api_problem_text *t = api_problem_text((enum api_problem)i);
        assert_true(t->status >= 400 && t->status < 600);
        assert_int_equal(api_problem_by_code(t->code), i);
    }
    assert_int_equal(api_problem_by_code("nonsense"), API_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(a_get_has_no_body_and_every_other_json_route_says_what_it_takes),
        cmocka_unit_test(persons_speak_on_one_listener_and_gateways_on_the_other),
        cmocka_unit_test(only_reading_and_sign_in_need_no_right),
        cmocka_unit_test(every_route_is_found_and_only_by_its_method),
        cmocka_unit_test(parameters_are_decoded_and_stay_one_segment),
        cmocka_unit_test(bodies_are_held_against_the_table),
        cmocka_unit_test(queries_are_held_against_the_table),
        cmocka_unit_test(the_openapi_document_is_the_generated_one),
        cmocka_unit_test(the_page_of_errors_is_the_generated_one),
        cmocka_unit_test(the_openapi_document_is_json_with_every_path),
        cmocka_unit_test(every_route_has_an_example_that_its_row_takes),
        cmocka_unit_test(problem_codes_are_unique_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
