#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "wire/pg.h"

static struct phi_view hello_bytes(struct phi_buf *b, uint32_t code, struct phi_view rest)
{
    phi_buf_clear(b);
    phi_buf_add32(b, (uint32_t)(8 + rest.n));
    phi_buf_add32(b, code);
    phi_buf_add(b, rest);
    return phi_buf_view(b);
}

static void startup_parameters_are_read_in_order(void **unused)
{
    (void)unused;
    PHI_BUF(b, 1024);
    struct pg_hello h;
    struct phi_view in = hello_bytes(&b, PG_PROTOCOL_3, PHI_LIT("user\0alice\0database\0shop\0\0"));
    assert_int_equal(pg_hello_read(&in, &h), PHI_FRAME_READY);
    assert_int_equal(h.kind, PG_HELLO_STARTUP);
    struct phi_view name, value;
    assert_true(pg_param_next(&h.params, &name, &value));
    assert_true(phi_view_is(name, "user") && phi_view_is(value, "alice"));
    assert_true(pg_param_next(&h.params, &name, &value));
    assert_true(phi_view_is(name, "database") && phi_view_is(value, "shop"));
    assert_false(pg_param_next(&h.params, &name, &value));
}

static void malformed_hellos_are_bad_and_short_ones_wait(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t code;
        const char *rest;
        size_t n;
        enum phi_frame want;
    } rows[] = {
        { PG_PROTOCOL_3, "\0",               1,  PHI_FRAME_READY },
        { PG_PROTOCOL_3, "user\0alice\0",    11, PHI_FRAME_BAD }, /* list without end */
        { PG_PROTOCOL_3, "user\0alice",      10, PHI_FRAME_BAD },
        { PG_PROTOCOL_3, "user\0",           5,  PHI_FRAME_BAD }, /* name without value */
        { PG_PROTOCOL_3, "a\0b\0\0more",     9,  PHI_FRAME_BAD }, /* bytes after the end */
        { PG_PROTOCOL_3, "",                 0,  PHI_FRAME_BAD },
        { 131072,        "\0",               1,  PHI_FRAME_BAD }, /* protocol 2 */
        { 80877103,      "",                 0,  PHI_FRAME_READY },
        { 80877103,      "x",                1,  PHI_FRAME_BAD },
        { 80877104,      "",                 0,  PHI_FRAME_READY },
        { 80877102,      "\0\0\0\1\0\0\0\2", 8,  PHI_FRAME_READY },
        { 80877102,      "\0\0\0\1",         4,  PHI_FRAME_BAD },
    };
    PHI_BUF(b, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pg_hello h;
        struct phi_view in = hello_bytes(&b, rows[i].code, phi_view_mem(rows[i].rest, rows[i].n));
        for (size_t cut = 0; cut < in.n; cut++) {
            struct phi_view part = phi_view_upto(in, cut);
            assert_int_equal(pg_hello_read(&part, &h), PHI_FRAME_MORE);
            assert_int_equal(part.n, cut);
        }
        assert_int_equal(pg_hello_read(&in, &h), rows[i].want);
    }
    struct phi_view huge = PHI_LIT("\x7f\xff\xff\xff"), tiny = PHI_LIT("\0\0\0\7");
    struct pg_hello h;
    assert_int_equal(pg_hello_read(&huge, &h), PHI_FRAME_BAD);
    assert_int_equal(pg_hello_read(&tiny, &h), PHI_FRAME_BAD);
}

static void frames_wait_for_their_whole_body(void **unused)
{
    (void)unused;
    PHI_BUF(b, 1024);
    pg_add_query(&b, PHI_LIT("select 1"));
    struct phi_view all = phi_buf_view(&b), body, sql;
    uint8_t type = 0;
    for (size_t cut = 0; cut < all.n; cut++) {
        struct phi_view part = phi_view_upto(all, cut);
        assert_int_equal(pg_frame(&part, 100, &type, &body), PHI_FRAME_MORE);
    }
    struct phi_view small = all;
    assert_int_equal(pg_frame(&small, 8, &type, &body), PHI_FRAME_BAD);
    assert_int_equal(pg_frame(&all, 9, &type, &body), PHI_FRAME_READY);
    assert_int_equal(all.n, 0);
    assert_int_equal(type, 'Q');
    assert_true(pg_query_read(body, &sql) && phi_view_is(sql, "select 1"));
    struct phi_view negative = PHI_LIT("Q\xff\xff\xff\xff"), short_len = PHI_LIT("Q\0\0\0\3");
    assert_int_equal(pg_frame(&negative, SIZE_MAX, &type, &body), PHI_FRAME_BAD);
    assert_int_equal(pg_frame(&short_len, 100, &type, &body), PHI_FRAME_BAD);
}

static void a_query_with_bytes_behind_its_nul_is_refused(void **unused)
{
    (void)unused;
    struct phi_view sql;
    assert_false(pg_query_read(PHI_LIT("select 1\0; drop"), &sql));
    assert_false(pg_query_read(PHI_LIT("select 1"), &sql));
    assert_false(pg_query_read(PHI_LIT(""), &sql));
    assert_true(pg_query_read(PHI_LIT("\0"), &sql));
}

static void bind_values_are_walked_and_cut_ones_refused(void **unused)
{
    (void)unused;
    struct phi_view body = PHI_LIT("p\0s\0"
                                   "\0\1\0\1"
                                   "\0\3"
                                   "\0\0\0\2ab"
                                   "\xff\xff\xff\xff"
                                   "\0\0\0\0"
                                   "\0\1\0\1");
    struct pg_bind bind;
    assert_true(pg_bind_read(body, &bind));
    assert_true(phi_view_is(bind.portal, "p") && phi_view_is(bind.stmt, "s"));
    assert_int_equal(bind.n_params, 3);
    assert_int_equal(pg_word16(bind.formats, 0), 1);
    assert_int_equal(pg_word16(bind.results, 0), 1);
    bool null = true;
    struct phi_view v;
    assert_true(pg_value_next(&bind.params, &null, &v) && !null && phi_view_is(v, "ab"));
    assert_true(pg_value_next(&bind.params, &null, &v) && null);
    assert_true(pg_value_next(&bind.params, &null, &v) && !null && v.n == 0);
    assert_false(pg_value_next(&bind.params, &null, &v));
    for (size_t cut = 0; cut < body.n; cut++)
        assert_false(pg_bind_read(phi_view_upto(body, cut), &bind));
}

static void parse_execute_and_describe_are_read_strictly(void **unused)
{
    (void)unused;
    struct pg_parse p;
    assert_true(pg_parse_read(PHI_LIT("n\0select $1\0\0\1\0\0\0\x17"), &p));
    assert_int_equal(pg_word32(p.types, 0), 23);
    assert_int_equal(pg_word32(p.types, 1), 0);
    assert_false(pg_parse_read(PHI_LIT("n\0select $1\0\0\2\0\0\0\x17"), &p));
    assert_false(pg_parse_read(PHI_LIT("n\0select $1\0\xff\xff"), &p));
    struct pg_execute e;
    assert_true(pg_execute_read(PHI_LIT("c\0\0\0\0\5"), &e) && e.max_rows == 5);
    assert_true(pg_execute_read(PHI_LIT("c\0\xff\xff\xff\xff"), &e) && e.max_rows == 0);
    struct pg_object o;
    assert_true(pg_object_read(PHI_LIT("Sx\0"), &o) && o.kind == 'S');
    assert_false(pg_object_read(PHI_LIT("Xx\0"), &o));
    assert_false(pg_object_read(PHI_LIT("Sx"), &o));
}

static void a_report_reads_back_and_keeps_nul_out(void **unused)
{
    (void)unused;
    PHI_BUF(b, 4096);
    struct pg_report r = { .severity = "ERROR",
                           .sqlstate = "42501",
                           .message = PHI_LIT("a\0b"),
                           .hint = PHI_LIT("h"),
                           .position = 7 };
    pg_add_report(&b, 'E', &r);
    struct phi_view in = phi_buf_view(&b), body;
    uint8_t type;
    assert_int_equal(pg_frame(&in, 4096, &type, &body), PHI_FRAME_READY);
    assert_true(phi_view_is(pg_field(body, 'C'), "42501") &&
                phi_view_is(pg_field(body, 'M'), "a b"));
    assert_true(phi_view_is(pg_field(body, 'P'), "7") && pg_field(body, 'D').n == 0);
}

static void a_name_with_a_nul_cannot_be_built(void **unused)
{
    (void)unused;
    PHI_BUF(b, 4096);
    pg_add_query(&b, PHI_LIT("select 1\0; drop table x"));
    assert_false(phi_buf_ok(&b));
    PHI_BUF(s, 4096);
    struct phi_view pairs[] = { PHI_LIT("user"), PHI_LIT("a\0b") };
    pg_add_startup(&s, pairs, 1);
    assert_false(phi_buf_ok(&s));
}

static void startup_and_cancel_build_what_the_reader_reads(void **unused)
{
    (void)unused;
    PHI_BUF(b, 4096);
    struct phi_view pairs[] = { PHI_LIT("user"), PHI_LIT("gw"), PHI_LIT("database"),
                                PHI_LIT("shop") };
    pg_add_startup(&b, pairs, 2);
    pg_add_cancel(&b, 77, 0xdeadbeef);
    pg_add_ssl_request(&b);
    struct phi_view in = phi_buf_view(&b), name, value;
    struct pg_hello h;
    assert_int_equal(pg_hello_read(&in, &h), PHI_FRAME_READY);
    assert_true(pg_param_next(&h.params, &name, &value) && phi_view_is(value, "gw"));
    assert_int_equal(pg_hello_read(&in, &h), PHI_FRAME_READY);
    assert_true(h.kind == PG_HELLO_CANCEL && h.pid == 77 && h.key == 0xdeadbeef);
    assert_int_equal(pg_hello_read(&in, &h), PHI_FRAME_READY);
    assert_true(h.kind == PG_HELLO_SSL && in.n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(startup_parameters_are_read_in_order),
        cmocka_unit_test(malformed_hellos_are_bad_and_short_ones_wait),
        cmocka_unit_test(frames_wait_for_their_whole_body),
        cmocka_unit_test(a_query_with_bytes_behind_its_nul_is_refused),
        cmocka_unit_test(bind_values_are_walked_and_cut_ones_refused),
        cmocka_unit_test(parse_execute_and_describe_are_read_strictly),
        cmocka_unit_test(a_report_reads_back_and_keeps_nul_out),
        cmocka_unit_test(a_name_with_a_nul_cannot_be_built),
        cmocka_unit_test(startup_and_cancel_build_what_the_reader_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
