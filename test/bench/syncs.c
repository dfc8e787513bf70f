#include "syncs.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 2000000

static double took[MOST], sorted[MOST];
static struct syncs now;

static double clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int timed(const char *name, int fd)
{
    int (*real)(int);
    *(void **)(void *)&real = dlsym(RTLD_NEXT, name);
    double t = clock_s();
    int rc = real(fd);
    t = clock_s() - t;
    if (gettid() != getpid())
        return rc; /* nobody waits for it */
    if (now.n < MOST)
        took[now.n++] = t;
    now.all_s += t;
    return rc;
}

int fsync(int fd)
{
    return timed("fsync", fd);
}

int fdatasync(int fd)
{
    return timed("fdatasync", fd);
}

/* Under the names of the C library, both widths: off_t has 64 bits in either here. */
ssize_t syncs_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t syncs_pwrite64(int fd, const void *p, size_t n, off_t at) __asm__("pwrite64");

ssize_t syncs_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)(void *)&real = dlsym(RTLD_NEXT, "pwrite64");
    if (gettid() == getpid())
        now.bytes += (double)n;
    return real(fd, p, n, at);
}

ssize_t syncs_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return syncs_pwrite64(fd, p, n, at);
}

struct syncs syncs_so_far(void)
{
    return now;
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double syncs_ms(const struct syncs *from, double percentile)
{
    size_t n = now.n - from->n;
    if (n == 0)
        return 0;
    memcpy(sorted, took + from->n, n * sizeof *took);
    qsort(sorted, n, sizeof *sorted, by_size);
    return sorted[(size_t)(percentile * (double)(n - 1))] * 1000;
}
