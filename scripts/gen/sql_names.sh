#!/bin/sh
# Writes src/gateway/sql_names.c: what of pg_catalog is harmless to use in a query, from a fresh PostgreSQL (15 or newer)
# that nobody has defined anything in.
#
# usage: scripts/gen/sql_names.sh [psql options] > src/gateway/sql_names.c
#
# A function is on the list if every function of that name is, and if it was read through: it changes nothing, runs no
# query and no function that its arguments name, and reads no file. Labels (IMMUTABLE, STABLE) only choose the candidates.
set -eu
export LC_ALL=C

names() {
    psql -XAtq "$@" <<'SQL'
with f as (
  select proname::text n, provolatile v, prokind k,
         not (2281 = any (proargtypes) or 2275 = any (proargtypes) or prorettype in (2281, 2279, 3838, 325, 3310, 269, 3115, 2280))
         or prokind = 'a' as callable
    from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384)
select n from f group by n
having bool_or(callable) and bool_and(k in ('f', 'a', 'w'))
   and (bool_and(v in ('i', 's')) or n in (
       -- labelled VOLATILE, and yet they change nothing but the session's own pace or locks
       'pg_stat_get_xact_blocks_fetched', 'pg_stat_get_xact_blocks_hit', 'pg_stat_get_xact_function_calls',
       'pg_stat_get_xact_numscans', 'pg_stat_get_xact_tuples_deleted', 'pg_stat_get_xact_tuples_fetched',
       'pg_stat_get_xact_tuples_hot_updated', 'pg_stat_get_xact_tuples_inserted', 'pg_stat_get_xact_tuples_returned',
       'pg_stat_get_xact_tuples_updated', 'random', 'clock_timestamp', 'timeofday', 'gen_random_uuid', 'current_query', 'currval', 'lastval', 'setseed',
       'pg_sleep', 'pg_sleep_for', 'pg_sleep_until', 'pg_advisory_unlock', 'pg_advisory_unlock_all', 'pg_advisory_unlock_shared',
       'pg_relation_size', 'pg_table_size', 'pg_indexes_size', 'pg_total_relation_size', 'pg_database_size', 'pg_tablespace_size',
       'pg_is_in_recovery', 'pg_blocking_pids', 'pg_partition_tree', 'pg_partition_ancestors', 'pg_lock_status',
       'pg_current_wal_lsn', 'pg_last_wal_replay_lsn', 'pg_last_wal_receive_lsn', 'pg_last_xact_replay_timestamp',
       'pg_xact_status', 'txid_status', 'pg_collation_actual_version', 'pg_database_collation_actual_version',
       'pg_sequence_last_value', 'pg_jit_available', 'pg_notification_queue_usage'))
   -- these run a query, call what their arguments name, reach files, other backends or the server, or take a number of a transaction
   and n !~ '(to_xml|_xml_and|xmlschema$|^lo_|^loread$|^lowrite$|^ts_stat$|^ts_rewrite$|populate|^pg_ls_|^pg_read_|^pg_stat_file|^pg_logical)'
   and n !~ '(^binary_upgrade|^RI_|_handler$|handler$|validator$|^pg_event_trigger|^pg_input_|^domain_|^satisfies_hash|^set_config)'
   and n !~ '(^pg_reload|^pg_rotate|^pg_terminate|^pg_cancel|^pg_switch|^pg_create|^pg_drop|^pg_replication|^pg_stat_reset|^brin_|^gin_clean)'
   and n !~ '(^txid_current$|^pg_current_xact_id$|^pg_export_snapshot|^pg_import|^pg_backup|^pg_promote|^nextval|^setval|^pg_notify|^pg_log_)'
   and n !~ '(^pg_config$|^pg_hba|^pg_ident|^pg_show_all_file|^pg_current_logfile|^trigger_|^suppress_|^unique_key|^tsvector_update)'
   and n !~ '(^pg_control|^pg_get_backend_mem|^pg_get_shmem|^dsnowball|^fmgr_|^plpgsql_|^amvalidate|^pg_extension_config)'
union
-- sampling methods, and what PostgreSQL 16 and 17 added, read through in the same way
select unnest(array['bernoulli', 'system', 'any_value', 'array_sample', 'array_shuffle', 'date_add', 'date_subtract', 'erf', 'erfc',
  'icu_unicode_version', 'pg_basetype', 'pg_column_toast_chunk_id', 'random_normal', 'system_user', 'to_bin', 'to_oct', 'to_regtypemod',
  'unicode_assigned', 'unicode_version', 'uuid_extract_timestamp', 'uuid_extract_version', 'xmltext'])
order by 1;
SQL
}

types() {
    psql -XAtq "$@" -c "select typname from pg_catalog.pg_type where typnamespace = 'pg_catalog'::regnamespace and oid < 16384
      and typname !~ '^_' and typtype in ('b', 'r', 'm', 'p') and typname !~ '(_handler|trigger|internal|language_)' order by 1"
}

ops() {
    psql -XAtq "$@" -c "select distinct oprname from pg_catalog.pg_operator where oprnamespace = 'pg_catalog'::regnamespace and oid < 16384 order by 1"
}

table() {
    echo "const char *const $1[] = {"
    sort -u | sed 's/.*/"&",/' | tr '\n' ' ' | fold -s -w 112 | sed 's/^/    /; s/ *$//'
    echo
    echo "};"
    echo "const size_t $1_n = sizeof $1 / sizeof $1[0];"
    echo
}

echo "/* Made by scripts/gen/sql_names.sh; change that, not this. Sorted by bytes. */"
echo '#include "gateway/sql_names.h"'
echo
names "$@" | table sql_harmless_functions
types "$@" | table sql_harmless_types
ops "$@" | table sql_builtin_operators
