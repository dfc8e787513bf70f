#include "base/json.h"

#include "base/test.h"

static void canonical_form_is_that_of_rfc_8785(void **unused)
{
    (void)unused;
    static const char *const cases[][2] = {
        { "{}", "{}" },
        { " [ 1 , -2, true,null,\"x\" ] ", "[1,-2,true,null,\"x\"]" },
        { "{\"b\":1,\"a\":{\"z\":[],\"y\":0}}", "{\"a\":{\"y\":0,\"z\":[]},\"b\":1}" },
        { "\"\\u0041\\/\\u00e9\\u2028\"", "\"A/\xc3\xa9\xe2\x80\xa8\"" },
        { "\"\\u0008\\t\\n\\u000b\\f\\r\\u001f\\u007f\\\"\\\\\"", "\"\\b\\t\\n\\u000b\\f\\r\\u001f\x7f\\\"\\\\\"" },
        /* the RFC's own sorting example: U+1F600 (lead surrogate d83d) before U+FB33 */
        { "{\"\\ufb33\":1,\"\\ud83d\\ude00\":2,\"\\u20ac\":3,\"\\r\":4,\"1\":5,\"\\u0080\":6,\"\\u00f6\":7}",
          "{\"\\r\":4,\"1\":5,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":3,\"\xf0\x9f\x98\x80\":2,\"\xef\xac\xb3\":1}" },
        { "[9007199254740991,-9007199254740991,0,-0,10]", "[9007199254740991,-9007199254740991,0,0,10]" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        PHI_BUF(out, 4096);
        struct phi_err err = { 0 };
        if (phi_json_canon_text(phi_view_of(cases[i][0]), &out, &err) != PHI_OK)
            fail_msg("%s: %s", cases[i][0], err.msg);
        assert_view(phi_buf_view(&out), cases[i][1]);
    }
}

static void what_two_readers_could_read_differently_is_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "", " ", "{", "[1,]", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "1.0", "1e3", "9007199254740992",
        "-9007199254740992", "01", "+1", "NaN", "'a'", "\"\\ud800\"", "\"\x80\"", "\"\\u0000\"", "1 2", "{} x",
        "[1] // c", "\"a\nb\"", "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        PHI_BUF(out, 4096);
        if (phi_json_canon_text(phi_view_of(cases[i]), &out, NULL) == PHI_OK)
            fail_msg("was taken: %s", cases[i]);
    }
}

static void many_keys_are_checked_for_repeats(void **unused)
{
    (void)unused;
    PHI_BUF(text, 64 * 1024);
    phi_buf_addc(&text, '{');
    for (int i = 0; i < 1000; i++)
        phi_buf_printf(&text, "\"k%d\":%d,", i, i);
    size_t n = text.n;
    phi_buf_adds(&text, "\"last\":1}");
    PHI_ARENA(a, 1 << 20);
    const struct phi_json *v;
    assert_int_equal(phi_json_read(&a, phi_buf_view(&text), 0, "t", &v, NULL), PHI_OK);
    assert_int_equal(phi_json_num(v, "k999", -1), 999);
    text.n = n;
    phi_buf_adds(&text, "\"k500\":1}");
    assert_int_equal(phi_json_read(&a, phi_buf_view(&text), 0, "t", &v, NULL), PHI_EINPUT);
    assert_null(v);
}

static void depth_and_memory_have_ceilings(void **unused)
{
    (void)unused;
    char deep[200];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    PHI_ARENA(a, 1 << 20);
    const struct phi_json *v;
    assert_int_equal(phi_json_read(&a, phi_view_mem(deep, 200), 0, "t", &v, NULL), PHI_ELIMIT);
    assert_int_equal(phi_json_read(&a, phi_view_mem(deep, 200), PHI_JSON_DEEP, "t", &v, NULL), PHI_OK);
    assert_int_equal(phi_json_read(&a, phi_view_mem(deep + 36, 128), 0, "t", &v, NULL), PHI_OK);
    PHI_ARENA(small, 64);
    assert_int_equal(phi_json_read(&small, PHI_LIT("[1,2,3,4,5,6,7,8]"), 0, "t", &v, NULL), PHI_ELIMIT);
}

static void a_writer_used_wrongly_is_bad(void **unused)
{
    (void)unused;
    PHI_BUF(out, 1024);
    struct phi_jw w;
    phi_jw_init(&w, &out);
    phi_jw_obj(&w);
    phi_jw_int(&w, 1);
    assert_false(phi_buf_ok(&out));

    PHI_BUF(key, 1024);
    phi_jw_init(&w, &key);
    phi_jw_arr(&w);
    phi_jw_key(&w, "k");
    assert_false(phi_buf_ok(&key));

    PHI_BUF(good, 1024);
    phi_jw_init(&w, &good);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "a", PHI_LIT("x\xff"));
    phi_jw_key(&w, "b");
    phi_jw_arr(&w);
    phi_jw_obj(&w);
    phi_jw_end(&w);
    phi_jw_int(&w, 2);
    phi_jw_end(&w);
    phi_jw_end(&w);
    assert_true(phi_buf_ok(&good));
    assert_view(phi_buf_view(&good), "{\"a\":\"x\xef\xbf\xbd\",\"b\":[{},2]}");
}

static void errors_name_the_key(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 16);
    const struct phi_json *v;
    struct phi_err err;
    struct phi_view s;
    int64_t i;
    assert_int_equal(phi_json_read(&a, PHI_LIT("{\"ttl\":\"x\",\"n\":5}"), 0, "t", &v, NULL), PHI_OK);
    assert_int_equal(phi_json_need_int(v, "ttl", 0, 9, &i, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "\"ttl\""));
    assert_int_equal(phi_json_need_int(v, "n", 6, 9, &i, &err), PHI_EINPUT);
    assert_int_equal(phi_json_need_str(v, "absent", &s, &err), PHI_EINPUT);
    assert_int_equal(phi_json_only(v, (const char *const[]){ "n", NULL }, &err), PHI_EINPUT);
    assert_non_null(strstr(err.msg, "\"ttl\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_form_is_that_of_rfc_8785),
        cmocka_unit_test(what_two_readers_could_read_differently_is_refused),
        cmocka_unit_test(many_keys_are_checked_for_repeats),
        cmocka_unit_test(depth_and_memory_have_ceilings),
        cmocka_unit_test(a_writer_used_wrongly_is_bad),
        cmocka_unit_test(errors_name_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
