/* Names of pg_catalog that a query may use without being more than a query (scripts/gen/sql_names.sh). */
#ifndef GATEWAY_SQL_NAMES_H
#define GATEWAY_SQL_NAMES_H

#include <stddef.h>

extern const char *const sql_harmless_functions[], *const sql_harmless_types[], *const sql_builtin_operators[];
extern const size_t sql_harmless_functions_n, sql_harmless_types_n, sql_builtin_operators_n;

#endif
