#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/startup.h"
#include "gateway/target.h"

static enum phi_rc read_one(struct phi_arena *a, const char *name, const char *value,
                            struct gw_startup *ret, const char **sqlstate)
{
    PHI_BUF(b, 4096);
    phi_buf_add(&b, PHI_LIT("user\0alice~0192\0"));
    phi_buf_add(&b, phi_view_mem(name, strlen(name) + 1));
    phi_buf_add(&b, phi_view_mem(value, strlen(value) + 1));
    phi_buf_addc(&b, 0);
    return gw_startup_read(a, phi_arena_copy(a, phi_buf_view(&b)), ret, sqlstate, NULL);
}

static void parameters_are_an_allow_list(void **unused)
{
    (void)unused;
    static const struct {
        const char *name, *value;
        bool ok;
    } rows[] = {
        { "application_name",            "psql",                                       true },
        { "DateStyle",                   "ISO",                                        true },
        { "datestyle",                   "ISO",                                        true },
        { "TimeZone",                    "Europe/Berlin",                              true },
        { "extra_float_digits",          "2",                                          true },
        { "client_encoding",             "UTF8",                                       true },
        { "client_encoding",             "'utf-8'",                                    true },
        { "client_encoding",             "SQL_ASCII",                                  true },
        { "client_encoding",             "LATIN1",                                     false },
        { "client_encoding",             "SJIS",                                       false },
        { "client_encoding",             "",                                           false },
        { "standard_conforming_strings", "on",                                         true },
        { "standard_conforming_strings", "off",                                        false },
        { "search_path",                 "evil",                                       false }, /* CVE-2025-12819 */
        { "role",                        "postgres",                                   false },
        { "session_authorization",       "postgres",                                   false },
        { "session_replication_role",    "replica",                                    false },
        { "local_preload_libraries",     "x",                                          false },
        { "replication",                 "database",                                   false },
        { "replication",                 "true",                                       false },
        { "replication",                 "off",                                        true },
        { "options",                     "-c statement_timeout=5s --lock-timeout=1s",  true },
        { "options",                     "-cTimeZone=UTC",                             true },
        { "options",                     "-c search_path=evil",                        false },
        { "options",                     "-c application_name=a\\ b -c search_path=e", false },
        { "options",                     "--search-path=evil",                         false },
        { "options",                     "-c",                                         false },
        { "options",                     "-d 5",                                       false },
        { "options",                     "stray",                                      false },
        { "options",                     "-c =x",                                      false },
        { "options",                     "",                                           true },
        { "hold",                        "0",                                          true },
        { "phi.hold",                    "30s",                                        true },
        { "hold",                        "-1",                                         false },
        { "hold",                        "forever",                                    false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PHI_ARENA(a, 65536);
        struct gw_startup s;
        const char *sqlstate = NULL;
        bool ok = read_one(&a, rows[i].name, rows[i].value, &s, &sqlstate) == PHI_OK;
        if (ok != rows[i].ok)
            fail_msg("%s=%s", rows[i].name, rows[i].value);
        assert_int_equal(strlen(sqlstate), 5);
    }
}

static void the_user_is_taken_apart_at_its_last_tilde(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 65536);
    struct gw_startup s;
    const char *sqlstate;
    assert_int_equal(gw_startup_read(&a, PHI_LIT("user\0a~b~cred\0\0"), &s, &sqlstate, NULL),
                     PHI_OK);
    assert_true(phi_view_is(s.user, "a~b") && phi_view_is(s.credential, "cred") &&
                phi_view_is(s.database, "a~b"));
    assert_int_equal(gw_startup_read(&a, PHI_LIT("user\0bob\0\0"), &s, &sqlstate, NULL), PHI_OK);
    assert_true(phi_view_is(s.user, "bob") && s.credential.n == 0);
    assert_int_not_equal(gw_startup_read(&a, PHI_LIT("database\0x\0\0"), &s, &sqlstate, NULL),
                         PHI_OK);
    assert_int_not_equal(gw_startup_read(&a, PHI_LIT("user\0\xff\0\0"), &s, &sqlstate, NULL),
                         PHI_OK);
}

static void a_setting_said_twice_counts_once(void **unused)
{
    (void)unused;
    PHI_ARENA(a, 65536);
    struct gw_startup s;
    const char *sqlstate;
    assert_int_equal(
        gw_startup_read(&a,
                        PHI_LIT("user\0a~c\0TimeZone\0UTC\0options\0-c timezone=Asia/Tokyo\0\0"),
                        &s, &sqlstate, NULL),
        PHI_OK);
    assert_int_equal(s.n, 1);
    assert_true(phi_view_is(s.pairs[0], "TimeZone") && phi_view_is(s.pairs[1], "Asia/Tokyo"));
}

static void only_targets_that_the_parser_knows_are_served(void **unused)
{
    (void)unused;
    struct phi_err err;
    assert_int_equal(gw_version_check(PHI_LIT("15.14 (Debian 15.14-0+deb12u1)"), NULL), PHI_OK);
    assert_int_equal(gw_version_check(PHI_LIT("17.2"), NULL), PHI_OK);
    assert_int_equal(gw_version_check(PHI_LIT("18beta1"), &err), PHI_EDENIED);
    assert_string_equal(err.msg, "parser knows PostgreSQL 17, target is 18beta1");
    assert_int_equal(gw_version_check(PHI_LIT(""), NULL), PHI_EDENIED);
}

static void a_plain_connection_to_another_machine_must_be_asked_for(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int mode; /* -1: refused */
        const char *address;
    } rows[] = {
        { "host=/run/pg dbname=shop user=gw",                   GW_SSL_DISABLE,     "unix:/run/pg/.s.PGSQL.5432" },
        { "host=127.0.0.1 port=5433 user=gw",                   GW_SSL_DISABLE,     "127.0.0.1:5433" },
        { "host=db.example user=gw",                            GW_SSL_VERIFY_FULL, "db.example:5432" },
        { "host=db.example user=gw sslmode=disable",            GW_SSL_DISABLE,     "db.example:5432" },
        { "host=db.example user=gw sslmode=prefer",             -1,                 NULL },
        { "host=db.example user=gw sslmode=require",            -1,                 NULL },
        { "host='db.example' user='g w' sslmode = verify-full", GW_SSL_VERIFY_FULL,
          "db.example:5432" },
        { "host=db.example",                                    -1,                 NULL },
        { "host=db.example user=gw passfile=x",                 -1,                 NULL },
        { "host='open user=gw",                                 -1,                 NULL },
        { "user",                                               -1,                 NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PHI_ARENA(a, 65536);
        struct gw_target_opts o = { 0 };
        enum phi_rc rc = gw_conninfo_read(&a, phi_view_of(rows[i].text), &o, NULL);
        if ((rc == PHI_OK) != (rows[i].mode >= 0))
            fail_msg("%s", rows[i].text);
        if (rc == PHI_OK) {
            assert_int_equal(o.sslmode, rows[i].mode);
            assert_string_equal(o.address, rows[i].address);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_an_allow_list),
        cmocka_unit_test(the_user_is_taken_apart_at_its_last_tilde),
        cmocka_unit_test(a_setting_said_twice_counts_once),
        cmocka_unit_test(only_targets_that_the_parser_knows_are_served),
        cmocka_unit_test(a_plain_connection_to_another_machine_must_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
