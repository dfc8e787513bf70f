#include "stage.h"

#include <sys/wait.h>
#include <unistd.h>

#include "store/pgsql.h"
#include "store/sqlite.h"
#include "store/test_scratch.h"

static char path[160];
static const struct kit *ticking; /* whose clock the PostgreSQL store sees */

static void remove_file(void)
{
    char side[180];
    static const char *const ends[] = { "", "-wal", "-journal" };
    test_path(path, sizeof path, "stage.db");
    for (size_t i = 0; i < 3; i++) {
        snprintf(side, sizeof side, "%s%s", path, ends[i]);
        unlink(side);
    }
}

static int over(void **state, struct phi_store *s)
{
    struct kit *k = s ? calloc(1, sizeof *k) : NULL;
    if (!k)
        return -1;
    kit_open(k, s, 1);
    *state = k;
    return 0;
}

int over_mem(void **state)
{
    return over(state, phi_store_mem_open());
}

int over_sqlite(void **state)
{
    struct phi_store *s = NULL;
    remove_file();
    return phi_store_sqlite_open(path, &s, NULL) == PHI_OK ? over(state, s) : -1;
}

int close_kit(void **state)
{
    struct kit *k = *state;
    struct phi_store *s = k->store;
    enum phi_rc rc = k->core ? kit_invariants(k, NULL) : PHI_OK;
    if (rc != PHI_OK)
        print_error("%s\n", k->err.msg);
    kit_close(k);
    phi_store_close(s);
    remove_file();
    ticking = NULL;
    free(k);
    return rc == PHI_OK ? 0 : -1;
}

struct phi_request stage_ask(struct kit *k, const char *sql, const char *session)
{
    struct phi_request_answer ans;
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, sql, "pg:delete", session, &ans));
    if (ans.kind != PHI_ANSWER_PENDING)
        print_error("answer %d: " PHI_FMT "\n", (int)ans.kind, PHI_ARG(ans.reason));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    return ans.request;
}

/* ---- a PostgreSQL for this run, which lives as long as this process holds its standard input */

static char conninfo[512];

static int pg_begin(void)
{
    return conninfo[0] ? 0 : test_scratch_pg(conninfo, sizeof conninfo);
}

static int64_t stage_wall(void *self)
{
    (void)self;
    return ticking && ticking->wall ? ticking->wall : 1790000000000;
}

static int64_t stage_boot(void *self)
{
    (void)self;
    return ticking && ticking->boot ? ticking->boot : 1000000;
}

static const char *stage_boot_id(void *self)
{
    (void)self;
    return ticking && ticking->boot_id[0] ? ticking->boot_id : "boot-1";
}

static bool schema_drop(void)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("psql", "psql", "-X", "-q", "-c", "SET client_min_messages = error; DROP SCHEMA IF EXISTS phi CASCADE", conninfo, NULL);
        _exit(1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

int over_pgsql(void **state)
{
    static const struct phi_clock clock = { NULL, stage_wall, stage_boot, stage_boot_id };
    struct phi_store_pgsql_opts o = { conninfo, "", "stage", &clock, false };
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    ticking = NULL;
    if (pg_begin() != 0 || !schema_drop())
        return -1;
    if (phi_store_pgsql_open(&o, &s, &err) != PHI_OK) {
        print_error("%s\n", err.msg);
        return -1;
    }
    int rc = over(state, s);
    ticking = rc == 0 ? *state : NULL;
    return rc;
}

int stage_end(void **state)
{
    (void)state;
    test_scratch_end();
    return 0;
}
