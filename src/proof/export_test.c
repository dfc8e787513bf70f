#include "proof/export.h"

#include "base/test.h"
#include "proof/events.h"

#define ORIGIN PHI_LIT("phi.example/log")
#define ENTRY "{\"by\":{\"id\":\"a]b\\\"c\",\"type\":\"Person\"},\"ev\":\"grant.revoked\",\"grant\":\"g1\",\"n\":7,\"t\":1790000000123,\"v\":1}"

static void out_is(enum phi_export_form f, const char *entry, const char *want)
{
    PHI_BUF(out, 1 << 20);
    assert_int_equal(phi_export_entry(&out, f, ORIGIN, phi_view_of(entry), NULL), PHI_OK);
    assert_view(phi_buf_view(&out), want);
}

static void json_is_the_entry_and_a_newline(void **unused)
{
    (void)unused;
    out_is(PHI_EXPORT_JSON, ENTRY, ENTRY "\n");
}

static void syslog_escapes_what_rfc_5424_names(void **unused)
{
    (void)unused;
    out_is(PHI_EXPORT_SYSLOG, ENTRY,
           "<108>1 2026-09-21T14:13:20.123Z phi.example/log phi - grant.revoked [phi@32473 n=\"7\" by=\"a\\]b\\\"c\" grant=\"g1\"] \xef\xbb\xbf" ENTRY "\n");
}

static void csv_doubles_quotes_and_holds_formulas_down(void **unused)
{
    (void)unused;
    out_is(PHI_EXPORT_CSV, "{\"by\":{\"id\":\"=1+1\",\"type\":\"Person\"},\"ev\":\"x\",\"n\":0,\"t\":0,\"v\":1}",
           "0,\"1970-01-01T00:00:00.000Z\",\"x\",\"Person\",\"'=1+1\",\"\",\"\",\"\",\"\","
           "\"{\"\"by\"\":{\"\"id\"\":\"\"=1+1\"\",\"\"type\"\":\"\"Person\"\"},\"\"ev\"\":\"\"x\"\",\"\"n\"\":0,\"\"t\"\":0,\"\"v\"\":1}\"\r\n");
}

/* The attributes that OCSF 1.3.0 requires of each class, and the entry byte for byte. */
static void every_event_becomes_complete_ocsf(void **unused)
{
    (void)unused;
    for (int i = 0; i < PHI_EVS_N; i++) {
        PHI_BUF(out, 1 << 20);
        PHI_BUF(entry, 1 << 16);
        PHI_ARENA(a, 1 << 20);
        const struct phi_json *v;
        phi_buf_printf(&entry, "{\"by\":{\"id\":\"p\",\"type\":\"Person\"},\"ev\":\"%s\",\"n\":3,\"t\":5,\"v\":1}", phi_ev_name((enum phi_ev)i));
        assert_int_equal(phi_export_entry(&out, PHI_EXPORT_OCSF, ORIGIN, phi_buf_view(&entry), NULL), PHI_OK);
        assert_int_equal(phi_json_read(&a, phi_view_trim(phi_view_upto(phi_buf_view(&out), out.n - 1)), PHI_JSON_STRICT, "ocsf", &v, NULL), PHI_OK);
        int64_t class = phi_json_num(v, "class_uid", 0), activity = phi_json_num(v, "activity_id", 0);
        assert_int_equal(phi_json_num(v, "category_uid", 0), 3);
        assert_int_equal(phi_json_num(v, "type_uid", 0), class * 100 + activity);
        assert_int_equal(phi_json_num(v, "time", 0), 5);
        assert_true(phi_json_num(v, "severity_id", 0) > 0 && phi_json_get(phi_json_get(v, "metadata"), "product"));
        assert_true(phi_json_get(v, class == 3004 ? "entity" : "user") != NULL);
        assert_true(phi_view_eq(phi_json_text(v, "raw_data"), phi_buf_view(&entry)));
    }
}

static void what_is_no_entry_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "", "x", "[]", "{", "{\"a\":1}{\"a\":1}" };
    for (size_t i = 0; i < COUNT(bad); i++)
        for (int f = PHI_EXPORT_JSON; f <= PHI_EXPORT_SYSLOG; f++) {
            PHI_BUF(out, 4096);
            assert_int_equal(phi_export_entry(&out, (enum phi_export_form)f, ORIGIN, phi_view_of(bad[i]), NULL), PHI_EINPUT);
            assert_int_equal(out.n, 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_the_entry_and_a_newline),
        cmocka_unit_test(syslog_escapes_what_rfc_5424_names),
        cmocka_unit_test(csv_doubles_quotes_and_holds_formulas_down),
        cmocka_unit_test(every_event_becomes_complete_ocsf),
        cmocka_unit_test(what_is_no_entry_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
