/* Where a unit test keeps a file. */
#ifndef BASE_TEST_PATH_H
#define BASE_TEST_PATH_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"

/* A name for this process's own file, where temporary ones belong: ./dev test keeps them in memory. */
static inline void test_path(char *ret, size_t size, const char *name)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(ret, size, "%s/phi-%s-%d", tmp ? tmp : "/tmp", name, (int)getpid());
    assert_in_range(n, 1, size - 1);
}

#endif
