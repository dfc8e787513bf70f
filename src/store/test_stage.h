/* What the store's tests stand on: each driver with an empty store, one PostgreSQL for the run, and a clock in the test's hand. */
#ifndef STORE_TEST_STAGE_H
#define STORE_TEST_STAGE_H

#include <sys/wait.h>

#include "base/test_path.h"
#include "store/pgsql.h"
#include "store/sqlite.h"
#include "store/test_scratch.h"

__attribute__((unused)) static char path[160];
__attribute__((unused)) static char conninfo[256]; /* of a PostgreSQL that this test has started */
__attribute__((unused)) static struct phi_store *pg_control; /* a second phid on it */

static inline void remove_file(void)
{
    char side[180];
    static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(side, sizeof side, "%s%s", path, ends[i]);
        unlink(side);
    }
}

static inline struct phi_store *open_lite(void)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    if (phi_store_sqlite_open(path, &s, &err) != PHI_OK)
        print_error("%s\n", err.msg);
    return s;
}

static inline int with_mem(void **state)
{
    *state = phi_store_mem_open();
    return *state ? 0 : -1;
}

static inline int with_lite(void **state)
{
    remove_file();
    *state = open_lite();
    return *state ? 0 : -1;
}

static inline int without(void **state)
{
    phi_store_close(*state);
    remove_file();
    return 0;
}

/* ---- PostgreSQL */

__attribute__((unused)) static int64_t pg_wall = 1700000000000, pg_boot = 5000;
__attribute__((unused)) static const char *pg_boot_id = "b00t";

static inline int64_t clock_wall(void *self)
{
    (void)self;
    return pg_wall;
}

static inline int64_t clock_boot(void *self)
{
    (void)self;
    return pg_boot;
}

static const char *clock_id(void *self)
{
    (void)self;
    return pg_boot_id;
}

__attribute__((unused)) static const struct phi_clock pg_clock = { NULL, clock_wall, clock_boot, clock_id };

static inline enum phi_rc open_pg(struct phi_store **ret, struct phi_err *err)
{
    struct phi_store_pgsql_opts o = { conninfo, "", "store-contract", &pg_clock, false };
    return phi_store_pgsql_open(&o, ret, err);
}

static inline void pg_sql(const char *sql)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("psql", "psql", "-X", "-q", "-c", sql, conninfo, NULL);
        _exit(1);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static inline int with_pg(void **state)
{
    struct phi_err err = { 0 };
    *state = NULL;
    pg_sql("SET client_min_messages = error; DROP SCHEMA IF EXISTS phi CASCADE");
    if (open_pg((struct phi_store **)state, &err) != PHI_OK)
        print_error("%s\n", err.msg);
    return *state ? 0 : -1;
}

static inline int with_two_pg(void **state)
{
    return with_pg(state) == 0 && open_pg(&pg_control, NULL) == PHI_OK ? 0 : -1;
}

static inline int without_two(void **state)
{
    phi_store_close(pg_control);
    return without(state);
}

static inline int pg_start(void **state)
{
    (void)state;
    return test_scratch_pg(conninfo, sizeof conninfo);
}

__attribute__((unused)) static uint64_t seed;

static inline uint64_t rnd(uint64_t below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % below;
}

#define DO(s, verb, ...) (s)->ops->verb((s)->self, ##__VA_ARGS__, NULL)
#define BEGIN(s) assert_int_equal(DO(s, begin), PHI_OK)
#define COMMIT(s) assert_int_equal(DO(s, commit), PHI_OK)

static inline struct core_grant_row grant(const char *id, int64_t uses)
{
    return (struct core_grant_row){ .id = phi_view_of(id), .status = 1, .live = 1, .uses = uses };
}

#define OVER(setup, f) { #f " (" #setup ")", f, setup, without, NULL }
#define ALL(f) OVER(with_mem, f), OVER(with_lite, f), OVER(with_pg, f)
#define TWO(f) { #f " (two phids)", f, with_two_pg, without_two, NULL }

#endif
