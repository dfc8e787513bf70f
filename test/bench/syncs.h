/* What this program waits for the disk: every fsync and fdatasync of it, SQLite's too, is timed. */
#ifndef TEST_BENCH_SYNCS_H
#define TEST_BENCH_SYNCS_H

#include <stddef.h>

struct syncs {
    size_t n;
    double all_s; /* seconds */
};
struct syncs syncs_so_far(void);
/* Percentile (0 to 1) of what those since `from` took, in milliseconds. */
double syncs_ms(const struct syncs *from, double percentile);

#endif
