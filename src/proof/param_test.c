#include "proof/param.h"

#include "base/test.h"

static void what_approvers_read_is_what_postgresql_would_take(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t type;
        uint16_t format;
        struct phi_view bytes;
        const char *shown;
    } cases[] = {
        { 23, 1, { (const uint8_t *)"\x00\x00\x03\xe9", 4 }, "1001" },
        { 21, 1, { (const uint8_t *)"\xff\xfe", 2 }, "-2" },
        { 20, 1, { (const uint8_t *)"\x80\0\0\0\0\0\0\0", 8 }, "-9223372036854775808" },
        { 16, 1, { (const uint8_t *)"\x01", 1 }, "true" },
        { 25, 1, { (const uint8_t *)"caf\xc3\xa9", 5 }, "caf\xc3\xa9" },
        { 25, 1, { (const uint8_t *)"a\0b", 3 }, "\\x610062" },
        { 0, 1, { (const uint8_t *)"\x00\x00\x03\xe9", 4 }, "\\x000003e9 (1001 if an integer)" },
        { 0, 1, { (const uint8_t *)"abc", 3 }, "\\x616263" },
        { 23, 1, { (const uint8_t *)"abc", 3 }, "\\x616263" },
        { 23, 0, { (const uint8_t *)"1001", 4 }, "1001" },
        { 0, 0, { (const uint8_t *)"\xff", 1 }, "\\xff" },
        { 2950, 1, { (const uint8_t *)"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", 16 },
          "01234567-89ab-cdef-0123-456789abcdef" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct phi_param p = { .bytes = cases[i].bytes };
        struct phi_statement s = { .types = &cases[i].type, .n_types = 1, .formats = &cases[i].format, .n_formats = 1,
                                   .params = &p, .n_params = 1 };
        PHI_BUF(out, 200);
        phi_param_show(&out, &s, 0);
        assert_view(phi_buf_view(&out), cases[i].shown);
    }
}

static void formats_are_none_one_for_all_or_each(void **unused)
{
    (void)unused;
    struct phi_param p[2] = { { .bytes = PHI_LIT("ab") }, { .bytes = PHI_LIT("cd") } };
    const uint16_t each[2] = { 0, 1 };
    struct phi_statement s = { .params = p, .n_params = 2 };
    PHI_BUF(out, 200);
    phi_param_show(&out, &s, 1);
    assert_view(phi_buf_view(&out), "cd");
    s.formats = each;
    s.n_formats = 2;
    phi_buf_clear(&out);
    phi_param_show(&out, &s, 0);
    phi_param_show(&out, &s, 1);
    assert_view(phi_buf_view(&out), "ab\\x6364 (25444 if an integer)");
    s.formats = each + 1;
    s.n_formats = 1;
    phi_buf_clear(&out);
    phi_param_show(&out, &s, 0);
    assert_view(phi_buf_view(&out), "\\x6162 (24930 if an integer)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_approvers_read_is_what_postgresql_would_take),
        cmocka_unit_test(formats_are_none_one_for_all_or_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
