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

static void a_where_counts_where_it_names_a_column(void **unused)
{
    enum { NONE = 0, HAS = GW_SQL_WHERE, LACKS = GW_SQL_NO_WHERE, BOTH = HAS | LACKS };
    static const struct {
        const char *sql;
        uint32_t want;
    } rows[] = { { "DELETE FROM orders", LACKS },
                 { "DELETE FROM orders WHERE id = 7", HAS },
                 { "DELETE FROM orders WHERE true", LACKS },
                 { "DELETE FROM orders WHERE 1 = 1", LACKS },
                 { "DELETE FROM orders WHERE $1", LACKS },
                 { "DELETE FROM orders USING customers", LACKS },
                 { "DELETE FROM orders WHERE CURRENT OF c", HAS },
                 { "UPDATE orders SET id = id + 1", LACKS },
                 { "UPDATE orders SET id = 1 WHERE id = $1", HAS },
                 { "UPDATE orders SET id = (SELECT max(id) FROM customers WHERE id < 9)", LACKS },
                 { "DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = orders.id)", HAS },
                 { "WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d WHERE id = 1", LACKS },
                 { "WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING id) DELETE FROM customers", BOTH },
                 { "WITH d AS (SELECT id FROM orders WHERE id = 1) DELETE FROM orders", LACKS },
                 { "EXPLAIN DELETE FROM orders", LACKS },
                 { "PREPARE p AS DELETE FROM orders", LACKS },
                 { "MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE", HAS },
                 { "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2", NONE },
                 { "SELECT * FROM orders", NONE },
                 { "TRUNCATE orders", NONE } };
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct gw_sql_facts *f = sqlt_facts(&T, rows[i].sql);
        if (!f->ok || (f->flags & BOTH) != rows[i].want)
            fail_msg("%s: %x, wanted %x", rows[i].sql, f->flags & BOTH, rows[i].want);
    }
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
        cmocka_unit_test(a_where_counts_where_it_names_a_column),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
