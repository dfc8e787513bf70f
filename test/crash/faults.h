/* Death at the k-th write or sync: the calls by which this process (SQLite and libpq in it) changes files or speaks
 * to a server are counted here, before they happen. */
#ifndef TEST_CRASH_FAULTS_H
#define TEST_CRASH_FAULTS_H

#include <stdint.h>

enum fault_how {
    FAULT_KILL,  /* as kill -9: what was written stays, the k-th call does not happen */
    FAULT_TORN,  /* half of the k-th write is done */
    FAULT_POWER, /* nothing stays of what no sync followed */
    FAULT_MIXED, /* some of that stays, some does not */
    FAULT_HOWS
};
/* From now on calls are counted; the k-th (from 1) is the last thing that this process does. 0: only count. */
void faults_arm(uint64_t k, enum fault_how how);
uint64_t faults_seen(void);

#endif
