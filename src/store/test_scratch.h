/* For tests: a PostgreSQL of this process's own. */
#ifndef STORE_TEST_SCRATCH_H
#define STORE_TEST_SCRATCH_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TEST_SCRATCH_PG
#define TEST_SCRATCH_PG "test/lib/scratch_pg.py"
#endif

__attribute__((unused)) static int test_scratch_keep = -1;

/* Ends the server, and returns when it has cleared up behind itself. */
static inline void test_scratch_end(void)
{
    if (test_scratch_keep < 0)
        return;
    close(test_scratch_keep);
    test_scratch_keep = -1;
    while (wait(NULL) > 0) {
    }
}

/* 0: it runs, reached by what conninfo then says; else -1. It lives as long as this process, which holds the other end of its
 * standard input. */
static inline int test_scratch_pg(char *conninfo, int n)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        return -1;
    if (fork() == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", "-B", TEST_SCRATCH_PG, NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    test_scratch_keep = in[1];
    FILE *f = fdopen(out[0], "r");
    char *said = f ? fgets(conninfo, n, f) : NULL;
    if (f)
        fclose(f);
    conninfo[said ? strcspn(conninfo, "\n") : 0] = 0;
    return said ? 0 : (test_scratch_end(), -1);
}

#endif
