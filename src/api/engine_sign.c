#include <errno.h>
#include <string.h>
#include <time.h>

#include "api/engine_in.h"
#include "base/logline.h"
#include "base/os.h"
#include "core/log.h"
#include "core/succession.h"
#include "proof/cosign.h"

#define SIGN_RETRY_MS 1000
#define SIGN_FLUSH_S  2 /* how long stopping waits for the last head */
#define SIGN_AFTER_MS 20 /* so that it does not stand between a vote and the claim that follows it */
#define SIGN_PUT_MS   20 /* a head is stored with the next change, for want of one after this */

void engine_sign_want(void *self, int64_t size, const struct phi_digest *root)
{
    struct api_engine *e = self;
    pthread_mutex_lock(&e->lock);
    if (!e->sign.wanted)
        e->sign.due_at = phi_now_boot_ms() + SIGN_AFTER_MS;
    e->sign.wanted = true;
    e->sign.want_size = size;
    e->sign.want_root = *root;
    pthread_mutex_unlock(&e->lock);
}

static bool with_of(struct phi_view text, struct phi_view origin, struct phi_pubkey *ret)
{
    struct phi_succession step;
    if (phi_succession_read(text, &step, NULL) != PHI_OK || step.kind != PHI_SUCCESSION_ROTATED || !phi_view_eq(step.to.name, origin))
        return false;
    *ret = step.to.pub;
    return true;
}

/* Whether the log goes on under a key that this phid's signer lacks, because another phid has changed it. */
static enum phi_rc key_look(struct api_engine *e, struct phi_core *c, struct phi_err *err)
{
    struct engine_sign *s = &e->sign;
    struct phi_log_step *steps;
    struct phi_pubkey now;
    struct phi_vkey first;
    size_t n;
    bool was = s->foreign, named = false;
    PHI_TRY(phi_log_steps(c, &s->arena, &steps, &n, err));
    for (size_t i = 0; i < n; i++)
        named = with_of(steps[i].text, phi_view_of(e->origin), &now) || named;
    PHI_TRY(phi_vkey_read(phi_view_trim(phi_view_of(e->key)), &first, err));
    const struct phi_pubkey *own = s->has_with ? &s->with : &first.pub;
    s->foreign = named && memcmp(own->b, now.b, sizeof now.b) != 0;
    if (s->foreign && !was)
        PHI_LOG(ERROR, "the log's key was changed on another phid: this one serves on and signs nothing. Copy log.key, log.key.next (where "
                       "there is one) and log.state from that one's data folder into this one's, then start this one anew", NULL, "%s", "");
    return PHI_OK;
}

/* Only the holder of the lease signs; whoever loses it between signing and storing has signed what the next
 * one's log contains as well, so nothing forks. */
static enum phi_rc sign_whose(struct api_engine *e, struct phi_core *c, struct phi_err *err)
{
    struct engine_sign *s = &e->sign;
    struct phi_log_head h;
    bool mine;
    PHI_TRY(phi_log_get_head(c, &s->arena, &h, err));
    if (h.checkpoint.n && h.checkpoint_size >= s->size) {
        s->skip = SIGN_PUBLISHED;
        return PHI_OK;
    }
    s->skip = SIGN_NOT_OURS;
    PHI_TRY(key_look(e, c, err));
    if (s->foreign)
        return PHI_OK; /* nor may it keep the lease from who has the key */
    PHI_TRY(engine_lease(e, "signer", &mine, err));
    if (mine)
        s->skip = SIGN_IT;
    return PHI_OK;
}

static enum phi_rc sign_prepare_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct engine_sign *s = &((struct api_engine *)arg)->sign;
    struct phi_digest *hashes;
    size_t n;
    phi_arena_done(&s->arena);
    if (((struct api_engine *)arg)->o.store->ops->lease)
        PHI_TRY(sign_whose(arg, c, err));
    if (s->skip != SIGN_IT)
        return PHI_OK;
    PHI_TRY(phi_log_consistency(c, &s->arena, s->from, s->size, &hashes, &n, err));
    if (n > PHI_TREE_PROOF_MAX)
        return phi_fail(err, PHI_ECORRUPT, "a consistency proof of %zu hashes", n);
    s->proof.n = n;
    for (size_t i = 0; i < n; i++)
        s->proof.hash[i] = hashes[i];
    return PHI_OK;
}

static void sign_prepare_committed(struct api_job *j)
{
    struct api_engine *e = j->arg;
    if (e->sign.skip != SIGN_IT)
        return;
    pthread_mutex_lock(&e->lock);
    e->sign.ready = true;
    pthread_cond_signal(&e->sign_work);
    pthread_mutex_unlock(&e->lock);
}

static enum phi_rc sign_put_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct engine_sign *s = &((struct api_engine *)arg)->sign;
    return phi_log_checkpoint_put(c, s->size, phi_buf_view(&s->note), err);
}

/* ---- another key */

static void rotation_end(struct api_rotation *r, enum phi_rc rc, const struct phi_err *err)
{
    if (!r)
        return;
    r->rc = rc;
    r->err = *err;
    r->done(r);
}

static void rotation_failed(struct api_engine *e, enum phi_rc rc, const struct phi_err *err)
{
    pthread_mutex_lock(&e->lock);
    struct api_rotation *r = e->sign.rotation;
    e->sign.rotation = NULL;
    e->sign.busy = e->sign.rotating = false;
    pthread_mutex_unlock(&e->lock);
    rotation_end(r, rc, err);
}

/* Under the lock, after a try to sign a head. The one that waits for it, or NULL. */
static struct api_rotation *rotation_take(struct api_engine *e)
{
    struct engine_sign *s = &e->sign;
    struct api_rotation *r = s->rotated ? s->rotation : NULL;
    if (r)
        s->rotation = NULL;
    s->rotated = false;
    return r;
}

/* Where several phids share the store the one that signs makes the next key: it holds the lease from before the key is made until the
 * log names it, and whoever signs next looks there first. */
static enum phi_rc rotate_may(struct api_engine *e, struct phi_core *c, struct phi_err *err)
{
    bool mine;
    if (!e->o.store->ops->lease)
        return PHI_OK;
    PHI_TRY(key_look(e, c, err));
    if (e->sign.foreign)
        return phi_fail(err, PHI_ECONFLICT, "the log's key was changed on another phid, and this one lacks the new one; run this there");
    PHI_TRY(engine_lease(e, "signer", &mine, err));
    return mine ? PHI_OK : phi_fail(err, PHI_ECONFLICT, "another phid signs the log's heads now; run this there, or stop that one first");
}

static enum phi_rc may_rotate_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_engine *e = arg;
    phi_arena_done(&e->sign.arena);
    return rotate_may(e, c, err);
}

static enum phi_rc rotate_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct engine_sign *s = &((struct api_engine *)arg)->sign;
    int64_t size;
    phi_arena_done(&s->arena);
    PHI_TRY(rotate_may(arg, c, err));
    return phi_log_rotate(c, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM }, phi_buf_view(&s->note), &size, err);
}

static void may_rotate_over(struct api_engine *e, const struct api_job *j)
{
    if (j->rc != PHI_OK) {
        rotation_failed(e, j->rc, &j->err);
        return;
    }
    pthread_mutex_lock(&e->lock);
    e->sign.ready = true;
    pthread_cond_signal(&e->sign_work);
    pthread_mutex_unlock(&e->lock);
}

static void rotate_over(struct api_engine *e, const struct api_job *j)
{
    struct phi_view text, sigs;
    if (j->rc != PHI_OK) {
        rotation_failed(e, j->rc, &j->err);
        return;
    }
    if (phi_note_cut(phi_buf_view(&e->sign.note), &text, &sigs, NULL) == PHI_OK)
        e->sign.has_with = with_of(text, phi_view_of(e->origin), &e->sign.with);
    pthread_mutex_lock(&e->lock);
    e->sign.busy = e->sign.rotating = false;
    e->sign.rotated = true;
    e->sign.due_at = e->sign.retry_at = 0;
    pthread_mutex_unlock(&e->lock);
}

/* On the signing thread. */
static void rotate_sign(struct api_engine *e)
{
    struct engine_sign *s = &e->sign;
    struct phi_err err = { 0 };
    phi_buf_clear(&s->note);
    if (e->o.next_key(e->o.sign_self, &s->note, &err) == PHI_OK)
        api_engine_follow(e, &s->rotate);
    else
        rotation_failed(e, err.rc ? err.rc : PHI_EIO, &err);
}

bool api_engine_rotate(struct api_engine *e, struct api_rotation *r, struct phi_err *err)
{
    pthread_mutex_lock(&e->lock);
    bool ok = e->o.sign && e->o.next_key && !e->sign.rotation && !e->stopping && !e->flushing;
    if (ok) {
        e->sign.rotation = r;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    if (!ok)
        phi_fail(err, PHI_ECONFLICT, "the log's key is being changed already, or this phid is about to end");
    return ok;
}

/* Under the lock. A head that could not be signed or stored is tried again, later and newer. */
static void sign_over(struct api_engine *e, bool ok)
{
    e->sign.busy = false;
    if (ok) {
        e->sign.from = e->sign.stored = e->sign.size;
        e->counts.signed_heads++;
        e->counts.signed_size = e->sign.size;
    } else {
        e->sign.wanted = true;
        e->sign.retry_at = phi_now_boot_ms() + SIGN_RETRY_MS;
        if (e->sign.want_size < e->sign.size) {
            e->sign.want_size = e->sign.size;
            e->sign.want_root = e->sign.root;
        }
    }
}

static void sign_skipped(struct api_engine *e)
{
    struct engine_sign *s = &e->sign;
    pthread_mutex_lock(&e->lock);
    if (s->skip == SIGN_PUBLISHED) {
        s->busy = false;
        s->stored = s->size;
        e->counts.signed_size = s->size;
    } else {
        sign_over(e, false); /* whoever signs may be gone: looks again */
    }
    pthread_mutex_unlock(&e->lock);
}

void engine_sign_step_over(struct api_engine *e, const struct api_job *j)
{
    if (j == &e->sign.may_rotate) {
        may_rotate_over(e, j);
        return;
    }
    if (j == &e->sign.rotate) {
        rotate_over(e, j);
        return;
    }
    if (j == &e->sign.prepare && j->rc == PHI_OK) {
        if (e->sign.skip != SIGN_IT)
            sign_skipped(e);
        return;
    }
    if (j->rc != PHI_OK)
        PHI_LOG(ERROR, "checkpoint not stored", "why", "%s", j->err.msg);
    pthread_mutex_lock(&e->lock);
    sign_over(e, j->rc == PHI_OK);
    struct api_rotation *r = rotation_take(e);
    pthread_mutex_unlock(&e->lock);
    rotation_end(r, j->rc, &j->err);
}

void engine_sign_begin(struct api_engine *e)
{
    struct engine_sign *s = &e->sign;
    int64_t now = phi_now_boot_ms();
    if (e->o.sign && s->rotation && !s->rotated && !s->busy) {
        s->busy = s->rotating = true;
        engine_list_add(&e->follow, &s->may_rotate);
        return;
    }
    if (!e->o.sign || !s->wanted || s->busy || now < s->retry_at || (!e->flushing && now < s->due_at))
        return;
    s->wanted = false;
    if (s->want_size <= s->stored)
        return;
    s->busy = true;
    s->size = s->want_size;
    s->root = s->want_root;
    engine_list_add(&e->follow, &s->prepare);
}

bool engine_sign_put_due(const struct api_engine *e)
{
    return e->sign.put_at && (e->flushing || e->stopping || phi_now_boot_ms() >= e->sign.put_at);
}

bool engine_sign_settled(const struct api_engine *e)
{
    const struct engine_sign *s = &e->sign;
    return !e->o.sign || (!s->busy && (!s->wanted || phi_now_boot_ms() < s->retry_at));
}

/* What nobody has signed could be changed while no phid runs, so the last head is signed before the end. */
void engine_sign_flush(struct api_engine *e)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SIGN_FLUSH_S;
    pthread_mutex_lock(&e->lock);
    e->flushing = true;
    pthread_cond_signal(&e->work);
    while (!engine_sign_settled(e) || e->queue.n) {
        if (pthread_cond_timedwait(&e->signed_all, &e->lock, &until) != 0) {
            PHI_LOG(WARN, "the last entries are not signed yet", NULL, "%s", "");
            break;
        }
    }
    pthread_mutex_unlock(&e->lock);
}

/* Under the lock, which it lets go where somebody waits for a new key's first head. */
static void sign_failed(struct api_engine *e)
{
    if (e->sign.rc == PHI_ENOTFOUND && e->o.store->ops->lease)
        e->sign.has_with = false; /* its signer lacks the key that the log names: key_look says so */
    sign_over(e, false);
    struct api_rotation *r = rotation_take(e);
    if (!r)
        return;
    struct phi_err err;
    phi_fail(&err, e->sign.rc, "the new key is in the log, and has yet to sign its first head: %s. It is tried again", e->sign.err.msg);
    pthread_mutex_unlock(&e->lock);
    rotation_end(r, err.rc, &err);
    pthread_mutex_lock(&e->lock);
}

void *engine_sign_main(void *arg)
{
    struct api_engine *e = arg;
    struct engine_sign *s = &e->sign;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!s->ready && !e->sign_stopping)
            pthread_cond_wait(&e->sign_work, &e->lock);
        if (e->sign_stopping)
            break;
        s->ready = false;
        pthread_mutex_unlock(&e->lock);
        if (s->rotating) {
            rotate_sign(e);
            pthread_mutex_lock(&e->lock);
            continue;
        }
        if (s->has_with && e->o.use_key)
            e->o.use_key(e->o.sign_self, &s->with);
        phi_buf_clear(&s->note);
        s->rc =
            e->o.sign(e->o.sign_self, &s->from, s->size, &s->root, &s->proof, &s->note, &s->err);
        if (s->rc != PHI_OK)
            PHI_LOG(ERROR, "log head not signed", "why", "%s", s->err.msg);
        pthread_mutex_lock(&e->lock);
        if (s->rc == PHI_OK)
            s->put_at = phi_now_boot_ms() + SIGN_PUT_MS;
        else
            sign_failed(e);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* The key that the log names last signs, also where phid was gone before it did for the first time. */
static enum phi_rc with_load(struct phi_core *c, struct api_engine *e, struct phi_err *err)
{
    struct phi_log_step *steps;
    size_t n;
    PHI_TRY(phi_log_steps(c, &e->sign.arena, &steps, &n, err));
    for (size_t i = 0; i < n; i++)
        e->sign.has_with = with_of(steps[i].text, phi_view_of(e->origin), &e->sign.with) || e->sign.has_with;
    return PHI_OK;
}

enum phi_rc engine_head_load(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_engine *e = arg;
    struct phi_log_head h;
    phi_arena_done(&e->sign.arena);
    PHI_TRY(phi_log_get_head(c, &e->sign.arena, &h, err));
    PHI_TRY(with_load(c, e, err));
    e->sign.stored = h.checkpoint.n ? h.checkpoint_size : 0;
    e->sign.from = e->o.signed_size;
    e->counts.signed_size = e->sign.stored;
    if (e->o.sign && e->sign.from > h.size)
        return phi_fail(err, PHI_ECORRUPT,
                        "the log has %lld entries and the signer has signed %lld: the store is "
                        "older than the log key's state",
                        (long long)h.size, (long long)e->sign.from);
    if (h.size > e->sign.stored)
        engine_sign_want(e, h.size, &h.root);
    return PHI_OK;
}

void engine_sign_init(struct api_engine *e)
{
    phi_arena_init(&e->sign.arena, 1024 * 1024);
    phi_buf_init(&e->sign.note, 64 * 1024);
    e->sign.prepare =
        (struct api_job){ .run = sign_prepare_run, .committed = sign_prepare_committed, .arg = e };
    e->sign.put = (struct api_job){ .run = sign_put_run, .arg = e };
    e->sign.may_rotate = (struct api_job){ .run = may_rotate_run, .arg = e };
    e->sign.rotate = (struct api_job){ .run = rotate_run, .arg = e };
}

void engine_sign_done(struct api_engine *e)
{
    phi_arena_done(&e->sign.arena);
    phi_buf_done(&e->sign.note);
}

bool engine_sign_is(const struct api_engine *e, const struct api_job *j)
{
    return j == &e->sign.prepare || j == &e->sign.put || j == &e->sign.may_rotate || j == &e->sign.rotate;
}
