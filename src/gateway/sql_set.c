/* SET and RESET: which parameters of a session may change, and which never through phi. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/sql_stmts.h"

/* Sorted. They change how results look or how a plan is found and run, not who acts, what a name means or how a
 * text is read. */
static const char *const plain[] = {
    "application_name",
    "array_nulls",
    "bytea_output",
    "client_connection_check_interval",
    "client_min_messages",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "deadlock_timeout",
    "default_statistics_target",
    "default_text_search_config",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_cache_size",
    "effective_io_concurrency",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_presorted_aggregate",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "geqo_threshold",
    "gin_fuzzy_search_limit",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "jit_above_cost",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "recursive_worktable_factor",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "timezone",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "vacuum_cost_delay",
    "work_mem",
    "xmlbinary",
    "xmloption",
};

/* What phi relies on to read a text as the server does. */
static const struct {
    const char *name, *only, *refusal;
} pinned[] = {
    { "standard_conforming_strings", "on", "standard_conforming_strings stays on, so that phi reads texts as the server does" },
    { "client_encoding", "utf8", "client_encoding stays UTF8, so that phi reads texts as the server does" },
    { "search_path", NULL, "search_path is pinned, so that a name means what was approved; write schema.table instead" },
    { "backslash_quote", NULL, "backslash_quote stays as it is, so that phi reads texts as the server does" },
};

static int by_name(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

static bool is_plain(const char *name)
{
    return bsearch(name, plain, sizeof plain / sizeof plain[0], sizeof plain[0], by_name) != NULL;
}

/* One constant that the server reads as the value `only`. */
static bool sets_only(yyjson_val *o, const char *only)
{
    yyjson_val *args = sql_get(o, "args");
    struct phi_view v = sql_text(sql_get(sql_get(yyjson_arr_get_first(args), "A_Const"), "sval"), "sval");
    if (!sql_is(o, "kind", "VAR_SET_VALUE") || yyjson_arr_size(args) != 1)
        return false;
    if (strcmp(only, "utf8") == 0 && v.n == 5 && strncasecmp((const char *)v.p, "utf-8", 5) == 0)
        return true;
    return v.n == strlen(only) && strncasecmp((const char *)v.p, only, v.n) == 0;
}

static void lower(struct phi_view v, char out[64])
{
    size_t n = v.n < 63 ? v.n : 63;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(v.p[i] >= 'A' && v.p[i] <= 'Z' ? v.p[i] + 32 : v.p[i]);
    out[n] = 0;
}

/* SET TRANSACTION …, SET SESSION CHARACTERISTICS AS TRANSACTION … */
static void set_multi(struct sql_walk *w, yyjson_val *o)
{
    struct phi_view name = sql_text(o, "name");
    w->flags |= GW_SQL_TXN_SET;
    if (phi_view_is(name, "TRANSACTION") || phi_view_is(name, "TRANSACTION SNAPSHOT"))
        return;
    w->flags |= GW_SQL_SETS;
    sql_use(w, SQL_TARGET, phi_view_is(name, "SESSION CHARACTERISTICS") ? SQL_ACT_SET : SQL_ACT_ADMIN,
            (struct phi_view){ 0 }, name);
}

void sql_set(struct sql_walk *w, yyjson_val *o, const char *type)
{
    (void)type;
    if (sql_is(o, "kind", "VAR_SET_MULTI")) {
        set_multi(w, o);
        return;
    }
    bool all = sql_is(o, "kind", "VAR_RESET_ALL");
    w->tag = all || sql_is(o, "kind", "VAR_RESET") ? "RESET" : "SET";
    w->flags |= GW_SQL_SETS;
    w->name = all ? PHI_LIT("all") : sql_text(o, "name");
    char *name = w->name_text;
    lower(w->name, name);
    w->name = phi_view_of(name);
    unsigned act = all || is_plain(name) ? SQL_ACT_SET : SQL_ACT_ADMIN;
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        if (strcmp(pinned[i].name, name) != 0)
            continue;
        act = SQL_ACT_SET;
        if (!pinned[i].only || !sets_only(o, pinned[i].only))
            w->refuse = pinned[i].refusal;
    }
    sql_use(w, SQL_TARGET, act, (struct phi_view){ 0 }, w->name);
}
