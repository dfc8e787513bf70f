/* The core thread. Everything that touches core runs here, one batch after another: jobs that wait
 * together commit together, and no job's `done` is called before that commit. It also ticks core at
 * its next deadline and has new log heads signed, one at a time, so that heads coalesce under load.
 *
 * Where the store is shared by several processes, one of them holds the lease of the timer and one that of the
 * signer; the others serve the head that was published. */
#ifndef API_ENGINE_H
#define API_ENGINE_H

#include "base/buf.h"
#include "core/core.h"
#include "net/loop.h"
#include "proof/note.h"

struct api_engine;

struct api_job {
    enum phi_rc (*run)(struct phi_core *c, void *arg,
                       struct phi_err *err); /* core thread, in a batch */
    void (*foresee)(struct phi_core *c, void *arg, struct core_ahead *h); /* core thread: see core/batch.h; or NULL */
    void (*committed)(
        struct api_job *j); /* core thread, after the commit, only when rc is PHI_OK; or NULL */
    void (*done)(struct api_job *j); /* loop's thread, always and last: frees it */
    void *arg;
    bool changes; /* it may change deadlines: tick soon after */
    bool reads;   /* with api_engine_follow: it changes nothing, and shares no commit with what does */
    enum phi_rc rc;
    const char *why; /* core's stable error code, "" when none */
    struct phi_err err;
    struct api_job *next;
};

struct api_engine_opts {
    struct net_loop *loop;
    const struct phi_places *places; /* may be NULL */
    const struct phi_network *networks;
    size_t n_networks;
    struct phi_store *store;
    const char *origin, *key; /* of the log: its name, its verifier key line */
    const struct phi_clock *clock;
    const struct phi_rng *rng;
    const struct phi_notifier *notifier;
    const struct phi_changer *changer; /* core/change.h; NULL: no change can be approved */
    /* Signs the head of `size` leaves, given the consistency proof from the head signed before it (of
     * *from leaves). PHI_ECONFLICT: another was signed last; *from then says which. Blocks; called on a
     * thread of its own, never twice at once. NULL: nothing is signed. */
    enum phi_rc (*sign)(void *self, int64_t *from, int64_t size, const struct phi_digest *root,
                        const struct phi_tree_proof *proof, struct phi_buf *ret_note,
                        struct phi_err *err);
    /* Makes the log's next key: the note that says so. And: which key is to sign from now on. Both on the signing thread;
     * NULL: the key cannot be changed. */
    enum phi_rc (*next_key)(void *self, struct phi_buf *ret_note, struct phi_err *err);
    void (*use_key)(void *self, const struct phi_pubkey *key);
    int64_t signed_size; /* of the head that the signer signed last, 0: none */
    void *sign_self;
};

/* Core thread, in a job: the loop hears of `j`, in the order of all that is done, before the batch is over. Only `done` is called. */
void api_engine_pass(struct api_engine *e, struct api_job *j);
/* Opens core on the caller's thread; nothing runs before api_engine_start. */
enum phi_rc api_engine_open(const struct api_engine_opts *o, struct api_engine **ret,
                            struct phi_err *err);
enum phi_rc api_engine_start(struct api_engine *e, struct phi_err *err);
/* From any thread. False: too much waits, or it stops; the job is the caller's again. */
bool api_engine_submit(struct api_engine *e, struct api_job *j);
/* Before all others, however many wait: for what follows from a commit. */
void api_engine_follow(struct api_engine *e, struct api_job *j);
/* From any thread: another process has said something over the shared store. What it said goes to the notifier as
 * if it had been said here. */
void api_engine_hear(struct api_engine *e);
/* Runs what waits, joins the threads, closes core. Jobs' `done` are all called before it returns
 * (it must be the loop's thread; the loop turns once more to free it). The store may be closed then. */
void api_engine_close(struct api_engine *e);

/* A copy of the store into a new file, while everything goes on. */
struct api_copy {
    const char *path;
    void (*done)(struct api_copy *k); /* core thread, always and once: rc, err. Must not block */
    void *arg;
    enum phi_rc rc;
    struct phi_err err;
};
/* From any thread. False with the reason: one is being made already, or the store has tools of its own. */
bool api_engine_copy(struct api_engine *e, struct api_copy *k, struct phi_err *err);
void api_engine_copy_stop(struct api_engine *e); /* one that is being made is given up; none is made any more */

/* The log's key is changed: an entry names the next one, and heads from then on are signed by it. */
struct api_rotation {
    void (*done)(struct api_rotation *r); /* core's or signing thread, always and once. Must not block */
    void *arg;
    enum phi_rc rc;
    struct phi_err err;
};
/* From any thread. False: it cannot be changed, or is being changed already. */
bool api_engine_rotate(struct api_engine *e, struct api_rotation *r, struct phi_err *err);

struct api_engine_counts {
    uint64_t batches, jobs, failed_batches, signed_heads;
    int64_t signed_size;
};
/* Rises with every batch in which something may have changed, before the answers of that batch leave. */
uint64_t api_engine_epoch(const struct api_engine *e);
struct api_engine_counts api_engine_counts(struct api_engine *e);
/* The store took what core last had to write by itself, which is at least every ten seconds. */
bool api_engine_writes(const struct api_engine *e);

#endif
