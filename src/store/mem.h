/* The store in memory: for tests and the simulator. Nothing survives phi_store_close, except that the
 * simulator may close core and open another one over the same store. */
#ifndef STORE_MEM_H
#define STORE_MEM_H

#include "core/ports.h"

struct phi_store *phi_store_mem_open(void); /* NULL when out of memory; phi_store_close */
/* A second store with what the first has committed. NULL when out of memory. */
struct phi_store *phi_store_mem_copy(const struct phi_store *s);
void phi_store_close(struct phi_store *s);  /* any driver; NULL is fine */
/* The n-th next call that writes or commits fails with PHI_EIO and nothing of its transaction stays (a
 * crash, seen from core); 0: none. */
void phi_store_mem_fail(struct phi_store *s, int64_t n);
int64_t phi_store_mem_calls(const struct phi_store *s); /* writes and commits so far */

#endif
