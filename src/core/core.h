/* Requests, votes, grants, claims and the log: pure steps over ports. Opening needs a store whose
 * schema is right; it settles time first (rights of an earlier boot are re-anchored, or ended where
 * the wall clock stands before the last committed anchor). */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "core/batch.h"
#include "core/known.h"
#include "core/ports.h"

struct phi_core_config {
    const char *origin;  /* the log's origin line; copied */
    const char *key;     /* its verifier key line (C2SP note format): the first leaf names it; copied */
    struct phi_store *store; /* borrowed, closed by the caller after phi_core_close */
    const struct phi_clock *clock;
    const struct phi_rng *rng;
    const struct phi_signer *signer;     /* may be NULL */
    const struct phi_notifier *notifier; /* may be NULL */
    const struct phi_places *places;     /* may be NULL: every zone but UTC, and every country, is unknown */
    const struct phi_network *networks;  /* borrowed */
    size_t n_networks;
};

enum phi_rc phi_core_open(const struct phi_core_config *config, struct phi_core **ret, struct phi_err *err);
void phi_core_close(struct phi_core *c);

/* A verb for the timer: ends what is over and commits the time anchor. `ret_next_ms` is how many
 * milliseconds from now it wants to be called again (at most 10,000). Call inside a batch. */
enum phi_rc phi_core_tick(struct phi_core *c, int64_t *ret_next_ms, struct phi_err *err);

#endif
