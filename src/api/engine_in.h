/* Inside src/api's engine only: what engine.c (the core thread) and engine_sign.c (having heads signed) share. */
#ifndef API_ENGINE_IN_H
#define API_ENGINE_IN_H

#include <pthread.h>

#include "api/engine.h"

#define QUEUE_MAX     4096
#define BATCH_MAX     256

struct job_list {
    struct api_job *first, **end;
    size_t n;
};

enum engine_skip { SIGN_IT, SIGN_PUBLISHED, SIGN_NOT_OURS };

struct engine_sign {
    enum engine_skip skip; /* another phid has signed it, or is the one to do so */
    bool wanted, busy, ready; /* ready: from, size, root and proof are for the signing thread */
    int64_t want_size, size, due_at, retry_at; /* not before either */
    int64_t put_at; /* the signed head is stored with the next change, or then; 0: there is none. Under the lock */
    int64_t from, stored; /* what the signer signed last, and what core has of it */
    struct phi_digest want_root, root;
    struct phi_tree_proof proof;
    struct phi_arena arena;
    struct phi_buf note;
    enum phi_rc rc;
    struct phi_err err;
    struct api_rotation *rotation; /* asked for; over when the next key has signed a head that is stored. Under the lock */
    bool rotating;                 /* the signing thread is at it */
    bool rotated;                  /* its first head is due */
    bool has_with;
    struct phi_pubkey with; /* the key that the log names since it was changed */
    bool foreign;           /* the log goes on under a key that another phid has: this one signs nothing */
    struct api_job prepare, put, may_rotate, rotate;
};

struct api_engine {
    struct api_engine_opts o;
    struct phi_core *core;
    struct phi_signer signer;
    struct phi_notifier notifier;
    char *origin, *key;

    pthread_mutex_t lock;
    pthread_cond_t work, sign_work, signed_all;
    struct job_list queue, follow, tell, finished; /* tell: those of follow that only read */
    bool stopping, sign_stopping, posted, started;
    bool flushing; /* heads are signed at once: somebody waits for the last */
    struct api_engine_counts counts;
    _Atomic uint64_t epoch; /* see api_engine_epoch */
    _Atomic bool stuck;     /* see api_engine_writes */
    pthread_t thread, sign_thread;

    /* core thread only */
    int64_t tick_at;
    struct api_job tick;
    int64_t tick_next;
    int64_t tidy_at; /* 0: nothing to tidy */
    int64_t claim_until; /* a claim is likely to come until then */
    struct api_job hear;
    struct phi_arena heard_arena;
    struct phi_event *heard;
    size_t n_heard;
    bool hear_lost, hear_ran;
    bool hearing; /* under lock: the job waits or runs */
    struct phi_core_cmd cmds[BATCH_MAX];
    struct api_job *jobs[BATCH_MAX];

    struct api_copy *copy; /* being made, under the lock; NULL: none */
    int64_t copy_at;       /* the next step of it */
    bool no_copies; /* under the lock */
    bool copying;          /* core thread: the store has begun it */

    struct engine_sign
        sign; /* busy: the signing thread's; else the core thread's; flags under lock */
};

static inline void engine_list_init(struct job_list *l)
{
    *l = (struct job_list){ .end = &l->first };
}

static inline void engine_list_add(struct job_list *l, struct api_job *j)
{
    j->next = NULL;
    *l->end = j;
    l->end = &j->next;
    l->n++;
}

static inline struct api_job *engine_list_take(struct job_list *l)
{
    struct api_job *j = l->first;
    if (!j)
        return NULL;
    l->first = j->next;
    if (!l->first)
        l->end = &l->first;
    l->n--;
    return j;
}

/* ---- engine.c */
/* Takes or renews a lease where the store is shared; where it is not, everything is ours. */
enum phi_rc engine_lease(struct api_engine *e, const char *name, bool *ret_mine, struct phi_err *err);

/* ---- engine_sign.c */
void engine_sign_init(struct api_engine *e);
void engine_sign_done(struct api_engine *e);
/* What was logged before this start and never signed (bootstrap) is wanted at once. In a batch; arg is the engine. */
enum phi_rc engine_head_load(struct phi_core *c, void *arg, struct phi_err *err);
void engine_sign_want(void *self, int64_t size, const struct phi_digest *root); /* core's port; any thread */
void engine_sign_begin(struct api_engine *e); /* under the lock, core thread: begins when a newer head waits and none is being signed */
bool engine_sign_put_due(const struct api_engine *e); /* under the lock: nobody came with whom it could commit */
bool engine_sign_settled(const struct api_engine *e); /* under the lock: all is signed, or cannot be now */
bool engine_sign_is(const struct api_engine *e, const struct api_job *j);
void engine_sign_step_over(struct api_engine *e, const struct api_job *j); /* core thread: one of its jobs has run */
void engine_sign_flush(struct api_engine *e); /* loop's thread: waits, not for ever, until the last head is signed */
void *engine_sign_main(void *arg);            /* the signing thread */

/* ---- engine_copy.c */
void engine_copy_step(struct api_engine *e); /* core thread, between batches */

#endif
