#include "proof/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/os.h"

#define BY phi_ref_of("Service", PHI_LIT("phid"))

static void members_are_in_canonical_order_and_have_one_name(void **unused)
{
    (void)unused;
    for (int f = 1; f < PHI_FIELDS_N; f++)
        if (strcmp(phi_field_name((enum phi_field)(f - 1)), phi_field_name((enum phi_field)f)) >= 0)
            fail_msg("%s stands too late", phi_field_name((enum phi_field)f));
    for (int i = 0; i < PHI_EVS_N; i++) {
        enum phi_ev ev = PHI_EVS_N;
        assert_int_equal(phi_ev_must((enum phi_ev)i) & phi_ev_may((enum phi_ev)i), 0);
        assert_true(phi_ev_read(phi_view_of(phi_ev_name((enum phi_ev)i)), &ev));
        assert_int_equal(ev, i); /* no name twice */
    }
}

static void set(struct phi_entry *e, enum phi_field f)
{
    static const struct phi_ref refs[] = { { PHI_LIT("Target"), PHI_LIT("[\"a\"]") } };
    struct phi_digest h = { .b = { 1, 2, 3 } };
    switch (phi_field_kind_of(f)) {
    case PHI_FK_STR:
        phi_entry_str(e, f, PHI_LIT("te\"xt"));
        return;
    case PHI_FK_INT:
        if (f != PHI_F_V)
            phi_entry_int(e, f, 7);
        return;
    case PHI_FK_HASH:
        phi_entry_hash(e, f, &h);
        return;
    case PHI_FK_REF:
        phi_entry_ref(e, f, refs[0]);
        return;
    case PHI_FK_REFS:
        phi_entry_refs(e, f, refs, 1);
        return;
    case PHI_FK_JSON:
        phi_entry_json(e, f, PHI_LIT("{\"a\":1}"));
        return;
    case PHI_FK_EV:
        return;
    }
}

static void fill(struct phi_entry *e, enum phi_ev ev, uint64_t bits)
{
    phi_entry_init(e, ev, BY, 5);
    phi_entry_place(e, 3);
    for (int f = 0; f < PHI_FIELDS_N; f++)
        if (bits & (1ULL << f))
            set(e, (enum phi_field)f);
}

static void every_event_is_canonical_and_reads_back(void **unused)
{
    (void)unused;
    for (int i = 0; i < PHI_EVS_N; i++) {
        enum phi_ev ev = (enum phi_ev)i;
        for (int all = 0; all < 2; all++) {
            struct phi_entry e, back;
            PHI_ARENA(a, 1 << 20);
            PHI_BUF(out, 1 << 16);
            PHI_BUF(canon, 1 << 16);
            PHI_BUF(again, 1 << 16);
            fill(&e, ev, phi_ev_must(ev) | (all ? phi_ev_may(ev) : 0));
            assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_OK);
            assert_int_equal(phi_json_canon_text(phi_buf_view(&out), &canon, NULL), PHI_OK);
            assert_string_equal(phi_buf_str(&out), phi_buf_str(&canon));
            assert_int_equal(phi_entry_read(&a, phi_buf_view(&out), &back, NULL), PHI_OK);
            assert_int_equal(back.has, e.has);
            assert_int_equal(phi_entry_encode(&again, &back, NULL), PHI_OK);
            assert_string_equal(phi_buf_str(&out), phi_buf_str(&again));
        }
    }
}

static void a_member_too_few_or_too_many_is_refused(void **unused)
{
    (void)unused;
    for (int i = 0; i < PHI_EVS_N; i++)
        for (int f = 0; f < PHI_FIELDS_N; f++) {
            enum phi_ev ev = (enum phi_ev)i;
            uint64_t must = phi_ev_must(ev), bit = 1ULL << f;
            struct phi_entry e;
            PHI_BUF(out, 1 << 16);
            fill(&e, ev, must);
            if (must & bit)
                e.has &= ~bit;
            else if (!(phi_ev_may(ev) & bit))
                set(&e, (enum phi_field)f);
            else
                continue;
            assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
        }
}

static void wrong_kinds_and_values_are_refused(void **unused)
{
    (void)unused;
    struct phi_entry e;
    PHI_BUF(out, 1 << 16);
    fill(&e, PHI_EV_GRANT_EXPIRED, phi_ev_must(PHI_EV_GRANT_EXPIRED));
    phi_entry_int(&e, PHI_F_GRANT, 1); /* a text */
    assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
    fill(&e, PHI_EV_GRANT_EXPIRED, phi_ev_must(PHI_EV_GRANT_EXPIRED));
    phi_entry_str(&e, PHI_F_GRANT, PHI_LIT(""));
    assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
    phi_entry_str(&e, PHI_F_GRANT, PHI_LIT("\xff"));
    assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
    fill(&e, PHI_EV_REQUEST_NARROWED, phi_ev_must(PHI_EV_REQUEST_NARROWED));
    phi_entry_json(&e, PHI_F_NARROWING, PHI_LIT("{\"b\":1,\"a\":2}"));
    assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
    phi_entry_json(&e, PHI_F_NARROWING, PHI_LIT("{},\"n\":9"));
    assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
    fill(&e, PHI_EVS_N, 0);
    assert_int_equal(phi_entry_encode(&out, &e, NULL), PHI_EINPUT);
    assert_int_equal(out.n, 0);
}

static void the_page_is_the_list(void **unused)
{
    (void)unused;
    PHI_BUF(want, 1 << 18);
    PHI_BUF(have, 1 << 18);
    phi_events_page(&want);
    assert_true(phi_buf_ok(&want));
    const char *path = PHI_DOCS_DIR "/events.md";
    if (getenv("PHI_WRITE_DOCS"))
        assert_int_equal(phi_file_write(path, phi_buf_view(&want), 0644, NULL), PHI_OK);
    assert_int_equal(phi_file_read(path, 1 << 18, &have, NULL), PHI_OK);
    if (!phi_view_eq(phi_buf_view(&want), phi_buf_view(&have)))
        fail_msg("docs/events.md differs from src/proof/events.h: run this test with PHI_WRITE_DOCS=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_in_canonical_order_and_have_one_name),
        cmocka_unit_test(every_event_is_canonical_and_reads_back),
        cmocka_unit_test(a_member_too_few_or_too_many_is_refused),
        cmocka_unit_test(wrong_kinds_and_values_are_refused),
        cmocka_unit_test(the_page_is_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
