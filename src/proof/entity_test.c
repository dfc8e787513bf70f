#include "proof/entity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *type, *id, *label;
} rows[] = {
    { "Target", "[\"shop\"]", "shop" },
    { "Target", "[\"my-shop2\"]", "my-shop2" },
    { "Target", "[\"a.b/c\"]", "\"a.b/c\"" },
    { "Schema", "[\"shop\",\"public\"]", "shop/public" },
    { "Table", "[\"shop\",\"public\",\"orders\"]", "shop/public.orders" },
    { "Table", "[\"shop\",\"Public\",\"my \\\"table\\\"\"]", "shop/\"Public\".\"my \"\"table\"\"\"" },
    { "Table", "[\"shop\",\"public\",\"\"]", "shop/public.\"\"" },
    { "Table", "[\"shop\",\"a.b\",\"c()\"]", "shop/\"a.b\".\"c()\"" },
    { "Column", "[\"shop\",\"public\",\"orders\",\"id\"]", "shop/public.orders.id" },
    { "Function", "[\"shop\",\"public\",\"f\"]", "shop/public.f()" },
};

static void labels_and_ids_turn_into_each_other(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PHI_ARENA(a, 1 << 16);
        PHI_BUF(b, 1024);
        struct phi_ref r = phi_ref_of(rows[i].type, phi_view_of(rows[i].id)), back;
        phi_ref_label(&b, r);
        assert_string_equal(phi_buf_str(&b), rows[i].label);
        assert_int_equal(phi_ref_from_label(&a, phi_buf_view(&b), (struct phi_view){ 0 }, &back, NULL), PHI_OK);
        assert_true(phi_ref_eq(r, back));
    }
}

static void a_target_may_stand_beside(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 16);
    struct phi_ref r;
    assert_int_equal(phi_ref_from_label(&a, PHI_LIT("public.orders"), PHI_LIT("shop"), &r, NULL), PHI_OK);
    assert_true(phi_view_is(r.id, "[\"shop\",\"public\",\"orders\"]"));
    assert_int_equal(phi_ref_from_label(&a, PHI_LIT("public.orders.id"), PHI_LIT("shop"), &r, NULL), PHI_OK);
    assert_true(phi_view_is(r.type, "Column"));
    assert_int_equal(phi_ref_from_label(&a, PHI_LIT("crm/public.orders"), PHI_LIT("shop"), &r, NULL), PHI_OK);
    assert_true(phi_view_is(r.id, "[\"crm\",\"public\",\"orders\"]"));
}

static void what_is_no_label_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "", "/", "shop/", "/public", "shop/.x", "shop/a.b.c.d", "shop/a/b", "a.b", "shop/a..b",
                                       "shop/\"a", "shop/a()", "shop()", "shop/a.b.c()", "shop/a\"b\"", "\xff", "shop/a.b(" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        PHI_ARENA(a, 1 << 16);
        struct phi_ref r;
        if (phi_ref_from_label(&a, phi_view_of(bad[i]), (struct phi_view){ 0 }, &r, NULL) != PHI_EINPUT)
            fail_msg("read all the same: %s", bad[i]);
    }
}

static void other_entities_are_shown_as_cedar_writes_them(void **unused)
{
    (void)unused;
    PHI_BUF(b, 1024);
    phi_ref_label(&b, phi_ref_of("Person", PHI_LIT("a\"b\\\n")));
    assert_string_equal(phi_buf_str(&b), "Person::\"a\\\"b\\\\\\u{a}\"");
    phi_buf_clear(&b);
    phi_ref_label(&b, phi_ref_of("Table", PHI_LIT("[\"shop\", \"public\",\"orders\"]"))); /* another spelling is no table of ours */
    assert_string_equal(phi_buf_str(&b), "Table::\"[\\\"shop\\\", \\\"public\\\",\\\"orders\\\"]\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_ids_turn_into_each_other),
        cmocka_unit_test(a_target_may_stand_beside),
        cmocka_unit_test(what_is_no_label_is_refused),
        cmocka_unit_test(other_entities_are_shown_as_cedar_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
