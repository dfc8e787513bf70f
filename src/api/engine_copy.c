/* A copy of the store, made by the core thread between its batches: a few pages at a time, so that nobody waits long. */
#include <stdlib.h>

#include "api/engine_in.h"
#include "base/os.h"

#define STEP_PAGES 64 /* 256 KB: well under a millisecond */
#define STEP_MS    2

static void over(struct api_engine *e, enum phi_rc rc, const struct phi_err *err)
{
    struct api_copy *k = e->copy;
    e->o.store->ops->copy_end(e->o.store->self);
    k->rc = rc;
    k->err = *err;
    pthread_mutex_lock(&e->lock);
    e->copy = NULL;
    pthread_mutex_unlock(&e->lock);
    k->done(k);
}

void engine_copy_step(struct api_engine *e)
{
    const struct phi_store *s = e->o.store;
    struct phi_err err = { 0 };
    enum phi_rc rc = PHI_OK;
    bool done = false;
    pthread_mutex_lock(&e->lock);
    bool due = e->copy && phi_now_boot_ms() >= e->copy_at;
    bool stop = e->stopping || e->no_copies;
    pthread_mutex_unlock(&e->lock);
    if (!due && !(e->copy && stop))
        return;
    if (stop)
        rc = phi_fail(&err, PHI_EIO, "phid stops");
    if (rc == PHI_OK && !e->copying)
        rc = s->ops->copy_begin(s->self, e->copy->path, &err);
    e->copying = rc == PHI_OK;
    if (rc == PHI_OK)
        rc = s->ops->copy_step(s->self, STEP_PAGES, &done, &err);
    e->copy_at = phi_now_boot_ms() + STEP_MS;
    if (rc != PHI_OK || done) {
        e->copying = false;
        over(e, rc, &err);
    }
}

void api_engine_copy_stop(struct api_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->no_copies = true;
    e->copy_at = 0;
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
}

bool api_engine_copy(struct api_engine *e, struct api_copy *k, struct phi_err *err)
{
    if (!e->o.store->ops->copy_begin)
        return phi_fail(err, PHI_EINPUT, "this store is copied with its own tools"), false;
    pthread_mutex_lock(&e->lock);
    bool ok = !e->stopping && !e->no_copies && !e->copy;
    if (ok) {
        e->copy = k;
        e->copy_at = 0;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    if (!ok)
        phi_fail(err, PHI_ECONFLICT, "a copy of the store is being made already");
    return ok;
}
