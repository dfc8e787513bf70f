/* The store held against its log, piece by piece while phid serves (a row is checked before each use in any case): every entry
 * against its hash and the tree's head; every row that names a leaf against that leaf; and who is in which group, people's names,
 * credentials, sign-ins, gateways' keys and policies against what the entries say became of them. */
#ifndef CORE_COMPARE_H
#define CORE_COMPARE_H

#include "core/types.h"

struct phi_compare;

struct phi_compare *phi_compare_open(void); /* NULL: out of memory */
void phi_compare_close(struct phi_compare *k);
/* Goes on by about so many rows, in a batch. *ret_done: everything was looked at and is what the log says. PHI_ECORRUPT names what
 * is not; then it is over. */
enum phi_rc phi_compare_step(struct phi_core *c, struct phi_compare *k, int64_t rows, bool *ret_done, struct phi_err *err);
int64_t phi_compare_seen(const struct phi_compare *k); /* rows so far */

#endif
