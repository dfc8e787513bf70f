/* Group commit. Commands that wait together commit together: one transaction, the log's head row
 * first, each command in a savepoint, one commit, then the events. A command's answer is valid only
 * after phi_core_batch has returned PHI_OK; when it fails, nothing of the batch has happened and the
 * caller must answer every command with that error. */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H

#include "core/types.h"

struct core_ahead; /* core/ahead.h */

struct phi_core_cmd {
    /* Calls verbs of core and keeps their answers in `arg`. Its error undoes what it did. May be run
     * again only by a new batch. */
    enum phi_rc (*run)(struct phi_core *c, void *arg, struct phi_err *err);
    void *arg;
    /* Says what `run` will read; NULL: nothing. Called several times before any of the batch runs; changes nothing. */
    void (*foresee)(struct phi_core *c, void *arg, struct core_ahead *h);
    enum phi_rc rc;     /* out */
    const char *why;    /* out: stable error code, static, "" when none */
    struct phi_err err; /* out */
};

enum phi_rc phi_core_batch(struct phi_core *c, struct phi_core_cmd *cmds, size_t n, struct phi_err *err);
/* The same for one. */
enum phi_rc phi_core_do(struct phi_core *c, enum phi_rc (*run)(struct phi_core *, void *, struct phi_err *), void *arg,
                        struct phi_err *err);

#endif
