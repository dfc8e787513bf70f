/* Entities: hierarchy, layers, JSON; names of entities as text. */
#include "policy/kit_test.h"
#include "policy/value.h"

#include <stdio.h>

static void a_layer_adds_and_never_replaces(void **unused)
{
    (void)unused;
    struct phi_entities *base = phi_entities_open(NULL, 1 << 20), *top = phi_entities_open(base, 1 << 20);
    struct phi_err err = { 0 };
    const struct phi_uid dev = UID("Group", "dev"), all = UID("Group", "all"), alice = UID("Person", "alice");
    assert_int_equal(phi_entities_add(base, alice, &dev, 1, NULL, &err), PHI_OK);
    assert_int_equal(phi_entities_add(base, dev, &all, 1, NULL, &err), PHI_OK);
    assert_int_equal(phi_entities_add(base, alice, &all, 1, NULL, &err), PHI_ECONFLICT);
    assert_int_equal(phi_entities_add(top, alice, &UID("Group", "dba"), 1, NULL, &err), PHI_ECONFLICT);
    assert_non_null(strstr(err.msg, "Person::\"alice\" is there already"));
    assert_int_equal(phi_entities_add(top, UID("Table", "t"), &alice, 1, NULL, &err), PHI_OK);
    assert_true(phi_entities_is_in(top, UID("Table", "t"), all));
    assert_true(phi_entities_is_in(top, alice, alice));
    assert_false(phi_entities_is_in(top, alice, UID("Group", "dba")));
    assert_false(phi_entities_is_in(top, all, alice));
    assert_true(phi_entities_is_in(top, UID("X", "nobody"), UID("X", "nobody")));
    assert_true(phi_entities_has(top, alice));
    assert_false(phi_entities_has(base, UID("Table", "t")));
    phi_entities_close(top);
    phi_entities_close(base);
}

static void rings_and_crowds_end(void **unused)
{
    (void)unused;
    struct phi_entities *es = phi_entities_open(NULL, 64 << 20);
    char name[32], up[32];
    for (int i = 0; i < 5000; i++) {
        struct phi_uid uid = { PHI_LIT("G"), phi_view_mem(name, (size_t)snprintf(name, sizeof name, "%d", i)) };
        struct phi_uid parent = { PHI_LIT("G"), phi_view_mem(up, (size_t)snprintf(up, sizeof up, "%d", (i + 1) % 5000)) };
        assert_int_equal(phi_entities_add(es, uid, &parent, 1, NULL, NULL), PHI_OK);
    }
    assert_true(phi_entities_is_in(es, UID("G", "0"), UID("G", "4000")));
    assert_false(phi_entities_is_in(es, UID("G", "0"), UID("G", "4999"))); /* beyond the limit: not in */
    phi_entities_close(es);
}

static void a_full_store_says_so(void **unused)
{
    (void)unused;
    struct phi_entities *es = phi_entities_open(NULL, 512);
    enum phi_rc rc = PHI_OK;
    char name[32];
    for (int i = 0; i < 100 && rc == PHI_OK; i++)
        rc = phi_entities_add(es, (struct phi_uid){ PHI_LIT("G"), phi_view_mem(name, (size_t)snprintf(name, sizeof name, "%d", i)) }, NULL, 0, NULL, NULL);
    assert_int_equal(rc, PHI_ELIMIT);
    phi_entities_close(es);
}

static void json_reads_as_cedar_writes_it(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        { "[]", true }, { "{}", false }, { "[1]", false }, { "[{\"uid\":{\"type\":\"P\",\"id\":\"\"}}]", true },
        { "[{\"uid\":{\"__entity\":{\"type\":\"N::P\",\"id\":\"a\\u0000b\"}},\"attrs\":{\"x\":9223372036854775807},\"parents\":[]}]", true },
        { "[{\"uid\":{\"type\":\"P\"}}]", false }, { "[{\"uid\":{\"type\":\"\",\"id\":\"a\"}}]", false }, { "[{\"uid\":{\"type\":\"P::\",\"id\":\"a\"}}]", false },
        { "[{\"uid\":{\"type\":\"P:Q\",\"id\":\"a\"}}]", false }, { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\",\"more\":1}}]", false }, { "[{\"uid\":\"P\"}]", false },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":[]}]", false }, { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"parents\":{}}]", false },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{\"x\":null}}]", false }, { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{\"x\":1.5}}]", false },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{\"x\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.0.0.1\"}}}}]", true },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{\"x\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.0.0\"}}}}]", false },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"attrs\":{\"x\":{\"__extn\":{\"fn\":\"isIpv4\",\"arg\":\"10.0.0.1\"}}}}]", false },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"},\"other\":1}]", false },
        { "[{\"uid\":{\"type\":\"is\",\"id\":\"a\"}}]", false }, { "[{\"uid\":{\"type\":\"N::like\",\"id\":\"a\"}}]", false },
        { "[{\"uid\":{\"type\":\"N::islike\",\"id\":\"a\"}}]", true },
        { "[{\"uid\":{\"type\":\"P\",\"id\":\"a\"}},{\"uid\":{\"type\":\"P\",\"id\":\"a\"}}]", false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phi_entities *es = phi_entities_open(NULL, 1 << 20);
        struct phi_err err = { 0 };
        enum phi_rc rc = phi_entities_add_text(es, phi_view_of(rows[i].text), &err);
        if ((rc == PHI_OK) != rows[i].good)
            fail_msg("%s: %s", rows[i].text, err.msg);
        phi_entities_close(es);
    }
}

static void values_are_written_as_they_are_read(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 20);
    static const char text[] =
        "{\"b\":true,\"n\":-9223372036854775808,\"s\":\"a\\\"\\u0001\",\"e\":{\"__entity\":{\"type\":\"N::P\",\"id\":\"x y\"}},\"set\":[1,[],\"two\"],\"r\":{\"q\":{}},"
        "\"d\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"-0.5\"}},\"least\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"-922337203685477.5808\"}},"
        "\"v4\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.0.0.0/8\"}},\"v6\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"2001:db8::1\"}},"
        "\"at\":{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2026-11-21T18:04:18.338Z\"}},\"for\":{\"__extn\":{\"fn\":\"duration\",\"arg\":\"-1d2h3ms\"}}}";
    const struct phi_json *v = NULL;
    const struct phi_value *one = NULL, *again = NULL;
    struct phi_err err = { 0 };
    PHI_BUF(out, 1 << 16);
    struct phi_jw w;
    phi_jw_init(&w, &out);
    if (phi_json_read(&a, phi_view_of(text), PHI_JSON_INT64, "value", &v, &err) != PHI_OK || phi_value_from_json(&a, v, &one, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    phi_value_write(&w, one);
    if (phi_json_read(&a, phi_buf_view(&out), PHI_JSON_INT64, "again", &v, &err) != PHI_OK || phi_value_from_json(&a, v, &again, &err) != PHI_OK)
        fail_msg("%s: %s", phi_buf_str(&out), err.msg);
    assert_int_equal(cedar_value_cmp(one, again), 0);
}

static void names_are_read_as_they_are_written(void **unused)
{
    (void)unused;
    static const struct phi_view ids[] = {
        { (const uint8_t *)"", 0 }, { (const uint8_t *)"a\0b", 3 }, { (const uint8_t *)"[\"shop\",\"o\\\"x\"]", 15 },
        { (const uint8_t *)"\x1b[31m\n\t'\x7f", 9 }, { (const uint8_t *)"\xc3\xa4\xe2\x80\xae\xf0\x9f\x98\x80", 9 }, { (const uint8_t *)"*", 1 },
    };
    for (size_t i = 0; i < COUNT(ids); i++) {
        PHI_ARENA(a, 1 << 16);
        PHI_BUF(text, 4096);
        struct phi_uid uid = { PHI_LIT("N::T"), ids[i] }, back;
        phi_uid_write(&text, uid);
        assert_int_equal(phi_uid_read(&a, phi_buf_view(&text), &back, NULL), PHI_OK);
        assert_true(phi_uid_eq(uid, back));
    }
    static const char *const bad[] = { "", "T", "T::", "T::x", "\"x\"", "T::\"x\" ", "T::\"x\"y", "::\"x\"", "T::\"x", "1::\"x\"", "if::\"x\"" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        PHI_ARENA(a, 1 << 16);
        struct phi_uid back;
        if (i != 5) /* blanks may stand around */
            assert_int_not_equal(phi_uid_read(&a, phi_view_of(bad[i]), &back, NULL), PHI_OK);
    }
}

static void values_are_built_and_compared(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 1 << 16);
    const struct phi_value *one = phi_value_long(&a, 1), *two = phi_value_long(&a, 2);
    const struct phi_value *x[] = { one, two, one }, *y[] = { two, one };
    assert_true(phi_value_eq(phi_value_set(&a, x, 3), phi_value_set(&a, y, 2)));
    const struct phi_attr twice[] = { { PHI_LIT("k"), one }, { PHI_LIT("k"), one } };
    assert_null(phi_value_record(&a, twice, 2));
    const struct phi_attr missing = { PHI_LIT("k"), NULL };
    assert_null(phi_value_record(&a, &missing, 1));
    const struct phi_value *r = phi_value_record(&a, twice, 1);
    assert_ptr_equal(phi_value_get(r, "k"), one);
    assert_null(phi_value_get(r, "q"));
    assert_null(phi_value_get(one, "k"));
    assert_null(phi_value_get(NULL, "k"));
    assert_int_equal(phi_value_kind(phi_value_unknown()), PHI_VALUE_UNKNOWN);
    PHI_ARENA(tiny, 8);
    assert_null(phi_value_long(&tiny, 1));
    struct phi_entities *es = phi_entities_open(NULL, 1 << 16); /* an unknown is no attribute of an entity */
    const struct phi_attr unknown = { PHI_LIT("k"), phi_value_unknown() };
    assert_int_equal(phi_entities_add(es, UID("P", "p"), NULL, 0, phi_value_record(&a, &unknown, 1), NULL), PHI_EINPUT);
    phi_entities_close(es);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_adds_and_never_replaces),
        cmocka_unit_test(rings_and_crowds_end),
        cmocka_unit_test(a_full_store_says_so),
        cmocka_unit_test(json_reads_as_cedar_writes_it),
        cmocka_unit_test(values_are_written_as_they_are_read),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(values_are_built_and_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
