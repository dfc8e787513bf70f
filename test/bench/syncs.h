/* What this program waits for the disk: every fsync and fdatasync of its first thread, SQLite's too, is timed, and
 * what it writes beside is counted. */
#ifndef TEST_BENCH_SYNCS_H
#define TEST_BENCH_SYNCS_H

#include <stddef.h>

struct syncs {
    size_t n;
    double all_s; /* seconds */
    double bytes; /* written to files between them */
};
struct syncs syncs_so_far(void);
/* Percentile (0 to 1) of what those since `from` took, in milliseconds. */
double syncs_ms(const struct syncs *from, double percentile);

#endif
