#include "gateway/sql_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sqlt T;

#include "gateway/sql_test_cases.h"

static void each_statement_means_what_the_table_says(void **unused)
{
    (void)unused;
    int bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct gw_sql_facts *f = sqlt_facts(&T, cases[i].sql);
        if (!cases[i].actions) { /* no SQL at all */
            bad += f->ok;
            continue;
        }
        if (!f->ok || f->n != 1) {
            print_error("%s\n  is not one statement: " PHI_FMT "\n", cases[i].sql, PHI_ARG(f->error));
            bad++;
            continue;
        }
        const char *got = sqlt_actions(&T, &f->stmts[0]);
        bool harmless = f->stmts[0].flags & GW_SQL_HARMLESS;
        if (strcmp(got, cases[i].actions) != 0 || harmless != cases[i].harmless) {
            print_error("%s\n  want: %s%s\n  got:  %s%s\n", cases[i].sql, cases[i].actions, cases[i].harmless ? " [harmless]" : "", got,
                        harmless ? " [harmless]" : "");
            bad++;
        }
    }
    print_message("%zu statements\n", sizeof cases / sizeof cases[0]);
    assert_int_equal(bad, 0);
}

static int open_all(void **unused)
{
    (void)unused;
    sqlt_open(&T, false);
    return 0;
}

static int close_all(void **unused)
{
    (void)unused;
    sqlt_close(&T);
    return 0;
}

int main(int argc, char **argv)
{
    int rc;
    if (gw_parser_child(argc, argv, &rc))
        return rc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_statement_means_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
