#include <stdio.h>
#include <string.h>

#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"
#include "proof/succession.h"

/* The gateway is a witness: it keeps the last checkpoint that it saw and wants proof that each new one continues it
 * (RFC 9162, 2.1.4). The log's key is taken at first sight over mTLS, and kept. Another key is taken only where a step that the
 * key before has signed leads to it or, after a restore, one that an operator has signed whose key line stands in the state
 * folder's file `operators`. */

enum { TEXT_MAX = PHI_NOTE_MAX };

static bool path_of(struct client_link *l, const char *file, char ret[4096])
{
    return snprintf(ret, 4096, "%s/%s", l->state_dir, file) < 4096;
}

static void finish(struct client_link *l, enum phi_rc rc, const char *why)
{
    void (*done)(struct client_link *, enum phi_rc, const char *) = l->log.done;
    l->log.done = NULL;
    done(l, rc, why);
}

static enum phi_rc open_note(struct client_link *l, struct phi_view note, struct phi_checkpoint *ret,
                             struct phi_err *err)
{
    struct phi_vkey vk;
    PHI_TRY(phi_vkey_read(phi_view_of(l->log.vkey), &vk, err));
    return phi_checkpoint_open(note, &vk, ret, err);
}

/* ---- What the state folder holds ---- */

static enum phi_rc load_key(struct client_link *l, struct phi_err *err)
{
    char path[4096];
    struct phi_vkey vk;
    PHI_BUF(b, sizeof l->log.vkey - 1);
    if (!path_of(l, "log.key", path))
        return phi_fail(err, PHI_EINPUT, "the state folder's name is too long");
    enum phi_rc rc = phi_file_read(path, sizeof l->log.vkey - 1, &b, err);
    if (rc == PHI_ENOTFOUND || (rc == PHI_OK && b.n == 0))
        return PHI_OK;
    PHI_TRY(rc);
    PHI_TRY(phi_vkey_read(phi_view_trim(phi_buf_view(&b)), &vk, err));
    snprintf(l->log.vkey, sizeof l->log.vkey, PHI_FMT, PHI_ARG(phi_view_trim(phi_buf_view(&b))));
    return PHI_OK;
}

/* By the key that the log had before, where it was changed since that head. */
static bool open_before(struct client_link *l, struct phi_view note, struct phi_checkpoint *ret)
{
    char path[4096];
    struct phi_vkey vk;
    PHI_BUF(b, sizeof l->log.vkey);
    path_of(l, "log.key.before", path);
    return phi_file_read(path, sizeof l->log.vkey - 1, &b, NULL) == PHI_OK &&
           phi_vkey_read(phi_view_trim(phi_buf_view(&b)), &vk, NULL) == PHI_OK && phi_checkpoint_open(note, &vk, ret, NULL) == PHI_OK;
}

static enum phi_rc load_checkpoint(struct client_link *l, struct phi_err *err)
{
    char path[4096];
    struct phi_checkpoint c;
    PHI_BUF(b, TEXT_MAX);
    path_of(l, "checkpoint", path);
    enum phi_rc rc = phi_file_read(path, TEXT_MAX, &b, err);
    if (rc == PHI_ENOTFOUND || (rc == PHI_OK && b.n == 0))
        return PHI_OK;
    PHI_TRY(rc);
    enum phi_rc read = open_note(l, phi_buf_view(&b), &c, err);
    if (read != PHI_OK && !open_before(l, phi_buf_view(&b), &c)) /* never silently begun anew */
        return read;
    l->log.size = c.size;
    l->log.root = c.root;
    return PHI_OK;
}

enum phi_rc link_log_open(struct client_link *l, struct phi_err *err)
{
    phi_buf_init(&l->log.note, TEXT_MAX);
    PHI_TRY(load_key(l, err));
    return load_checkpoint(l, err);
}

void link_log_close(struct client_link *l)
{
    phi_buf_done(&l->log.note);
}

static void remember(struct client_link *l, const struct phi_checkpoint *c)
{
    char path[4096];
    struct phi_err err;
    if (c->size <= l->log.size && l->log.size)
        return;
    path_of(l, "checkpoint", path);
    if (phi_file_write(path, phi_buf_view(&l->log.note), 0600, &err) != PHI_OK)
        PHI_LOG(ERROR, "checkpoint not stored", "why", "%s", err.msg);
    l->log.size = c->size;
    l->log.root = c->root;
}

static void fork_found(struct client_link *l, const char *why)
{
    char path[4096];
    path_of(l, "fork", path); /* the evidence: phid's signature under a log that is not the one it signed before */
    phi_file_write(path, phi_buf_view(&l->log.note), 0600, NULL);
    finish(l, PHI_ECORRUPT, why);
}

/* ---- Checking ---- */

static bool read_proof(const struct phi_json *v, struct phi_tree_proof *p)
{
    const struct phi_json *h = phi_json_get(v, "hashes");
    struct phi_view hex;
    p->n = 0;
    if (!h || h->kind != PHI_JSON_ARR || h->n > PHI_TREE_PROOF_MAX)
        return false;
    for (; p->n < h->n; p->n++)
        if (!phi_json_str(&h->items[p->n], &hex) || !phi_digest_from_hex(hex, &p->hash[p->n]))
            return false;
    return true;
}

static void on_proof(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct phi_tree_proof p;
    struct phi_checkpoint c;
    l->log.call = NULL;
    if (link_unreachable(l, r)) {
        finish(l, PHI_EIO, r->err.msg);
        return;
    }
    if (open_note(l, phi_buf_view(&l->log.note), &c, NULL) != PHI_OK || r->rc != PHI_OK || !read_proof(r->json, &p)) {
        fork_found(l, "phid cannot show that its log continues what this gateway has seen");
        return;
    }
    bool ok = c.size >= l->log.size ? phi_tree_consistent(l->log.size, &l->log.root, c.size, &c.root, &p)
                                    : phi_tree_consistent(c.size, &c.root, l->log.size, &l->log.root, &p);
    if (!ok) {
        fork_found(l, "phid's log does not continue what this gateway has seen");
        return;
    }
    remember(l, &c);
    finish(l, PHI_OK, "");
}

/* ---- Another key ---- */

static void compare(struct client_link *l);

/* The old key stays beside the new one, in this order: whatever is interrupted, the head that is remembered can be read. */
static bool key_move(struct client_link *l, const struct phi_vkey *to, bool restored)
{
    char path[4096], before[4096];
    PHI_BUF(line, sizeof l->log.vkey);
    phi_vkey_write(&line, to);
    path_of(l, "log.key.before", path);
    if (!phi_buf_ok(&line) || line.n >= sizeof l->log.vkey || phi_file_write(path, phi_view_of(l->log.vkey), 0600, NULL) != PHI_OK)
        return false;
    if (restored) { /* what the old log had stays as evidence; of the new one nothing was seen */
        path_of(l, "checkpoint", path);
        path_of(l, "checkpoint.before", before);
        if (l->log.size && rename(path, before) != 0)
            return false;
        l->log.size = 0;
    }
    path_of(l, "log.key", path);
    if (phi_file_write(path, phi_buf_view(&line), 0600, NULL) != PHI_OK)
        return false;
    snprintf(l->log.vkey, sizeof l->log.vkey, "%s", phi_buf_str(&line));
    PHI_LOG(WARN, restored ? "the log begins anew, as an operator has signed" : "the log has another key", "key", "%s", l->log.vkey);
    return true;
}

static size_t steps_read(const struct phi_json *v, struct phi_view *notes, struct phi_view *texts, size_t max)
{
    const struct phi_json *list = phi_json_get(v, "steps");
    size_t n = list && list->kind == PHI_JSON_ARR ? list->n : 0;
    for (size_t i = 0; i < n && i < max; i++) {
        notes[i] = phi_json_text(&list->items[i], "note");
        texts[i] = phi_json_text(&list->items[i], "text");
    }
    return n < max ? n : max;
}

static void on_steps(const struct client_reply *r, void *ctx)
{
    enum { STEPS_MAX = 256 };
    struct client_link *l = ctx;
    struct phi_view notes[STEPS_MAX], texts[STEPS_MAX];
    struct phi_vkey key, operators[PHI_OPERATORS_MAX];
    struct phi_checkpoint c;
    size_t n_operators = 0;
    bool restored, lacking;
    char path[4096];
    PHI_BUF(pinned, 8192);
    l->log.call = NULL;
    if (link_unreachable(l, r) || phi_vkey_read(phi_view_of(l->log.vkey), &key, NULL) != PHI_OK) {
        finish(l, PHI_EIO, r->err.msg);
        return;
    }
    path_of(l, "operators", path);
    if (phi_file_read(path, 8192, &pinned, NULL) == PHI_OK && phi_operators_read(phi_buf_view(&pinned), operators, &n_operators, NULL) != PHI_OK)
        n_operators = 0;
    size_t n = r->rc == PHI_OK ? steps_read(r->json, notes, texts, STEPS_MAX) : 0;
    phi_succession_follow(notes, texts, n, operators, n_operators, &key, &restored, &lacking);
    if (phi_checkpoint_open(phi_buf_view(&l->log.note), &key, &c, NULL) == PHI_OK && key_move(l, &key, restored))
        compare(l);
    else if (lacking)
        finish(l, PHI_EDENIED, "phid's log begins anew and no operator whose key is pinned here has signed that (`phi log vouch`)");
    else
        fork_found(l, "phid's checkpoint is not signed by the log's key");
}

/* Where the note says that it is this key's, and is false, no step can excuse it. */
static bool other_key(struct client_link *l)
{
    struct phi_vkey vk;
    return phi_vkey_read(phi_view_of(l->log.vkey), &vk, NULL) == PHI_OK && !phi_note_names(phi_buf_view(&l->log.note), &vk);
}

static void compare(struct client_link *l)
{
    struct phi_checkpoint c;
    struct phi_err err = { 0 };
    enum phi_rc rc = open_note(l, phi_buf_view(&l->log.note), &c, &err);
    if (rc == PHI_EDENIED && other_key(l)) {
        l->log.call = client_send(l->api, "GET", "/v1/log/steps", (struct phi_view){ 0 }, 0, on_steps, l, &err);
        if (!l->log.call)
            finish(l, PHI_EIO, err.msg);
        return;
    }
    if (rc != PHI_OK) {
        fork_found(l, "phid's checkpoint is not signed by the log's key");
        return;
    }
    if (l->log.size == 0 || c.size == l->log.size) {
        if (l->log.size && !phi_digest_eq(&c.root, &l->log.root)) {
            fork_found(l, "phid signed two different logs of the same length");
            return;
        }
        remember(l, &c);
        finish(l, PHI_OK, "");
        return;
    }
    char path[128];
    uint64_t from = c.size < l->log.size ? c.size : l->log.size, to = c.size < l->log.size ? l->log.size : c.size;
    snprintf(path, sizeof path, "/v1/log/consistency?from=%llu&to=%llu", (unsigned long long)from, (unsigned long long)to);
    l->log.call = client_send(l->api, "GET", path, (struct phi_view){ 0 }, 0, on_proof, l, &err);
    if (!l->log.call)
        finish(l, PHI_EIO, err.msg);
}

static void on_key(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct phi_view line = phi_view_trim(r->text);
    struct phi_vkey vk;
    char path[4096];
    struct phi_err err;
    l->log.call = NULL;
    if (r->rc != PHI_OK) {
        finish(l, PHI_EIO, r->err.msg);
        return;
    }
    if (line.n >= sizeof l->log.vkey || phi_vkey_read(line, &vk, &err) != PHI_OK) {
        finish(l, PHI_EINPUT, "phid's log key cannot be read");
        return;
    }
    path_of(l, "log.key", path);
    if (phi_file_write(path, line, 0600, &err) != PHI_OK) {
        finish(l, PHI_EIO, err.msg);
        return;
    }
    snprintf(l->log.vkey, sizeof l->log.vkey, PHI_FMT, PHI_ARG(line));
    compare(l);
}

void link_log_check(struct client_link *l, struct phi_view note,
                    void (*done)(struct client_link *l, enum phi_rc rc, const char *why))
{
    struct phi_err err;
    l->log.done = done;
    phi_buf_clear(&l->log.note);
    phi_buf_add(&l->log.note, note);
    if (!phi_buf_ok(&l->log.note)) {
        finish(l, PHI_ELIMIT, "phid's checkpoint is too large");
    } else if (note.n == 0) {
        if (l->log.size)
            fork_found(l, "phid shows no log, and had one");
        else
            finish(l, PHI_OK, "");
    } else if (l->log.vkey[0]) {
        compare(l);
    } else {
        l->log.call = client_send(l->api, "GET", "/v1/log/key", (struct phi_view){ 0 }, 0, on_key, l, &err);
        if (!l->log.call)
            finish(l, PHI_EIO, err.msg);
    }
}
