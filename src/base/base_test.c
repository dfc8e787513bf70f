/* The small modules: views, arenas, buffers, maps, hashes, ids, text, YAML, files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/map.h"
#include "base/os.h"
#include "base/test.h"
#include "base/text.h"
#include "base/yaml.h"

static void integers_are_read_whole_or_not_at_all(void **unused)
{
    (void)unused;
    int64_t i = 7;
    assert_true(phi_view_int(PHI_LIT("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(phi_view_int(PHI_LIT("9223372036854775807"), &i) && i == INT64_MAX);
    static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "9223372036854775808", "-9223372036854775809", "1x" };
    for (size_t k = 0; k < COUNT(bad); k++)
        assert_false(phi_view_int(phi_view_of(bad[k]), &i));
}

static void an_arena_over_its_limit_stays_bad(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 100);
    assert_non_null(phi_arena_alloc(&a, 90));
    assert_null(phi_arena_alloc(&a, 10));
    assert_null(phi_arena_alloc(&a, 1));
    assert_false(phi_arena_ok(&a));
    assert_string_equal(phi_arena_str(&a, PHI_LIT("x")), "");
    phi_arena_done(&a);
    assert_non_null(phi_arena_alloc(&a, 90));
    assert_null(phi_arena_array(&a, SIZE_MAX / 2, 4));
}

static void a_buffer_never_grows_past_its_maximum(void **unused)
{
    (void)unused;
    PHI_BUF(b, 10);
    phi_buf_adds(&b, "12345678");
    phi_buf_add32(&b, 1);
    assert_false(phi_buf_ok(&b));
    assert_view(phi_buf_view(&b), "12345678");
    phi_buf_clear(&b);
    phi_buf_add32(&b, 0x01020304);
    phi_buf_put32(&b, 0, 0x61626364);
    phi_buf_adds(&b, "ef");
    phi_buf_drop(&b, 1);
    assert_string_equal(phi_buf_str(&b), "bcdef");
}

static void a_map_finds_replaces_and_forgets(void **unused)
{
    (void)unused;
    struct phi_map *m = phi_map_open(2000);
    static char values[1000];
    char key[16];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "key%d", i);
        assert_true(phi_map_put(m, phi_view_of(key), &values[i]));
    }
    assert_ptr_equal(phi_map_get(m, PHI_LIT("key500")), &values[500]);
    assert_ptr_equal(phi_map_del(m, PHI_LIT("key500")), &values[500]);
    assert_null(phi_map_get(m, PHI_LIT("key500")));
    void *at = NULL, *value;
    struct phi_view k;
    int seen = 0;
    while (phi_map_next(m, &at, &k, &value)) {
        seen++;
        phi_map_del(m, k);
    }
    assert_int_equal(seen, 999);
    assert_int_equal(phi_map_count(m), 0);
    phi_map_close(m);
    m = phi_map_open(1);
    assert_true(phi_map_put(m, PHI_LIT(""), values));
    assert_false(phi_map_put(m, PHI_LIT("b"), values));
    phi_map_close(m);
}

static void digests_match_the_published_vectors(void **unused)
{
    (void)unused;
    char hex[PHI_HEX_LEN + 1];
    struct phi_digest d = phi_sha256(PHI_LIT("abc")), e;
    phi_digest_hex(&d, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(phi_digest_from_hex(phi_view_of(hex), &e) && phi_digest_eq(&d, &e));
    d = phi_hmac_sha256(PHI_LIT("Jefe"), PHI_LIT("what do ya want for nothing?"));
    phi_digest_hex(&d, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hex[0] = 'B';
    assert_false(phi_digest_from_hex(phi_view_of(hex), &e));
}

static void base64_has_one_text_for_each_bytes(void **unused)
{
    (void)unused;
    for (size_t n = 0; n < 40; n++) {
        uint8_t raw[40];
        phi_random(raw, sizeof(raw));
        PHI_BUF(url, 100);
        PHI_BUF(std, 100);
        PHI_BUF(back, 100);
        phi_b64u_add(&url, phi_view_mem(raw, n));
        assert_true(phi_b64u_read(phi_buf_view(&url), &back));
        assert_true(phi_view_eq(phi_buf_view(&back), phi_view_mem(raw, n)));
        phi_b64_add(&std, phi_view_mem(raw, n));
        phi_buf_clear(&back);
        assert_true(phi_b64_read(phi_buf_view(&std), &back));
        assert_true(phi_view_eq(phi_buf_view(&back), phi_view_mem(raw, n)));
    }
    static const char *const bad[] = { "A", "AB=", "AB==", "AB\n", "QQ ", "QR", "+/8", "AAAAA" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        PHI_BUF(back, 100);
        assert_false(phi_b64u_read(phi_view_of(bad[i]), &back));
    }
}

static void ids_sort_by_time_and_codes_forgive_typing(void **unused)
{
    (void)unused;
    const uint8_t r[10] = { 0xff, 1, 0xff, 3, 4, 5, 6, 7, 8, 9 };
    struct phi_id a = phi_id_make(0x0191e5a7b3c0, r), b = phi_id_make(0x0191e5a7b3c1, r), c;
    assert_string_equal(a.s, "0191e5a7-b3c0-7f01-bf03-040506070809");
    assert_true(strcmp(a.s, b.s) < 0);
    assert_true(phi_id_read(phi_id_view(&a), &c));
    assert_false(phi_id_read(PHI_LIT("0191E5A7-b3c0-7f01-bf03-040506070809"), &c));

    struct phi_code code, again = phi_code_make((const uint8_t[]){ 0xff, 0xff, 0xff, 0xff });
    assert_string_equal(again.s, "ZZZ-ZZZ");
    assert_true(phi_code_read(PHI_LIT("k7q4mx"), &code));
    assert_string_equal(code.s, "K7Q-4MX");
    assert_true(phi_code_read(PHI_LIT("OiL-123"), &code));
    assert_string_equal(code.s, "011-123");
    static const char *const bad[] = { "", "K7Q-4M", "K7Q-4MXX", "K7Q-4MU", "K7Q 4MX" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(phi_code_read(phi_view_of(bad[i]), &code));
}

static void what_cannot_be_seen_is_shown_escaped(void **unused)
{
    (void)unused;
    static const char *const cases[][2] = {
        { "plain text, \xc3\xa9\xe2\x82\xac", "plain text, \xc3\xa9\xe2\x82\xac" },
        { "a\x1b]0;x\x07", "a\\x1b]0;x\\x07" },
        { "user\xe2\x80\xaetxt", "user\\u{202e}txt" },
        { "a\xe2\x80\x8b\xef\xbb\xbf", "a\\u{200b}\\u{feff}" },
        { "\xff\xc0\x80", "\\xff\\xc0\\x80" },
        { "line\nnext", "line\\x0anext" },
        { "C:\\temp \\x41 \\u{1}", "C:\\temp \\\\x41 \\\\u{1}" },
        { "\xc2\x9b" "31m", "\\x9b31m" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        PHI_BUF(out, 1000);
        phi_text_escape(&out, phi_view_of(cases[i][0]), false);
        assert_view(phi_buf_view(&out), cases[i][1]);
    }
    PHI_BUF(out, 100);
    phi_text_escape(&out, PHI_LIT("a\n\tb\r"), true);
    assert_view(phi_buf_view(&out), "a\n\tb\\x0d");
}

static void attack_05_no_code_point_reaches_a_terminal_as_a_control(void **unused)
{
    (void)unused;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        uint8_t in[8], seen[64];
        struct phi_buf raw = { .p = in, .cap = 7, .max = 7 }, out = { .p = seen, .cap = 63, .max = 63 };
        phi_utf8_add(&raw, cp);
        phi_text_escape(&out, phi_buf_view(&raw), false);
        bool control = cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x202a && cp <= 0x202e) ||
                       (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200e || cp == 0x200f || cp == 0x61c;
        if (control && (out.n < 4 || seen[0] != '\\'))
            fail_msg("U+%04X was shown raw", cp);
        for (size_t i = 0; i < out.n; i++)
            assert_true(seen[i] >= 0x20 && seen[i] != 0x7f);
    }
}

static void times_and_durations_read_back(void **unused)
{
    (void)unused;
    static const int64_t at[] = { 0, 951782399999, 1790000000123, 253402300799999 };
    for (size_t i = 0; i < COUNT(at); i++) {
        PHI_BUF(b, 64);
        int64_t back;
        phi_text_time(&b, at[i]);
        assert_true(phi_text_time_read(phi_buf_view(&b), &back));
        assert_int_equal(back, at[i]);
    }
    int64_t ms;
    assert_false(phi_text_time_read(PHI_LIT("2026-02-29T00:00:00.000Z"), &ms));
    assert_true(phi_text_time_read(PHI_LIT("2024-02-29T00:00:00.000Z"), &ms));
    assert_true(phi_text_duration_read(PHI_LIT("1h30m"), &ms) && ms == 5400000);
    static const char *const bad[] = { "", "0s", "10", "m", "5m1h", "1h1h", "-1s", "400d", "9999999999s" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(phi_text_duration_read(phi_view_of(bad[i]), &ms));
    PHI_BUF(b, 64);
    phi_text_duration(&b, 599999);
    phi_buf_adds(&b, "|");
    phi_text_duration(&b, -5);
    phi_buf_adds(&b, "|");
    phi_text_duration(&b, 7200000);
    assert_view(phi_buf_view(&b), "9 min 59 s|0 s|2 h");
}

static void yaml_is_read_with_its_lines(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 16);
    const struct phi_json *v;
    struct phi_err err = { 0 };
    struct phi_view text = PHI_LIT("# c\nname: shop\nport: 6432\non: true\nquoted: '12'\nlist:\n  - {a: 1}\n  - b\nnone:\n");
    if (phi_yaml_read(&a, text, "t.yaml", &v, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_view(phi_json_text(v, "name"), "shop");
    assert_int_equal(phi_json_num(v, "port", 0), 6432);
    assert_int_equal(phi_json_get(v, "port")->line, 3);
    assert_view(phi_json_text(v, "quoted"), "12");
    assert_int_equal(phi_json_num(phi_json_at(phi_json_get(v, "list"), 0), "a", 0), 1);
    assert_int_equal(phi_json_get(v, "none")->kind, PHI_JSON_NULL);
    static const char *const bad[] = { "a: 1\na: 2\n", "a: *x\n", "a: &x 1\n", "a: !t 1\n", "a: 1\n---\nb: 2\n", "a: [1\n", "? [x]\n: 1\n", "\t- a: b" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (phi_yaml_read(&a, phi_view_of(bad[i]), "t.yaml", &v, &err) == PHI_OK)
            fail_msg("was taken: %s", bad[i]);
        assert_non_null(strstr(err.msg, "t.yaml"));
    }
    assert_int_equal(phi_yaml_read(&a, PHI_LIT("  \n"), "t", &v, &err), PHI_OK);
}

static void secrets_are_not_read_from_open_files(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/phi-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/secret", dir);
    PHI_BUF(b, 100);
    struct phi_err err;
    assert_int_equal(phi_file_write(path, PHI_LIT("hush"), 0600, &err), PHI_OK);
    assert_int_equal(phi_file_read_secret(path, 10, &b, &err), PHI_OK);
    assert_view(phi_buf_view(&b), "hush");
    assert_int_equal(phi_file_read(path, 3, &b, &err), PHI_ELIMIT);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(phi_file_read_secret(path, 10, &b, &err), PHI_EINPUT);
    assert_null(strstr(err.msg, "hush"));
    unlink(path);
    rmdir(dir);
    assert_int_equal(phi_file_read(path, 3, &b, &err), PHI_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_whole_or_not_at_all),
        cmocka_unit_test(an_arena_over_its_limit_stays_bad),
        cmocka_unit_test(a_buffer_never_grows_past_its_maximum),
        cmocka_unit_test(a_map_finds_replaces_and_forgets),
        cmocka_unit_test(digests_match_the_published_vectors),
        cmocka_unit_test(base64_has_one_text_for_each_bytes),
        cmocka_unit_test(ids_sort_by_time_and_codes_forgive_typing),
        cmocka_unit_test(what_cannot_be_seen_is_shown_escaped),
        cmocka_unit_test(attack_05_no_code_point_reaches_a_terminal_as_a_control),
        cmocka_unit_test(times_and_durations_read_back),
        cmocka_unit_test(yaml_is_read_with_its_lines),
        cmocka_unit_test(secrets_are_not_read_from_open_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
