#include "guard/signer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "guard/signer_proto.h"

#define START_MS 10000

struct phi_signer_proc {
    pid_t pid;
    int sock; /* -1: the process is gone */
    uint64_t seq;
    char key_line[1024];
    struct phi_vkey key; /* borrows from key_line */
    struct phi_pubkey with;
    struct phi_checkpoint head;
    uint8_t packet[GUARD_REPLY_MAX];
};

static void gone(struct phi_signer_proc *s)
{
    if (s->sock >= 0)
        close(s->sock);
    s->sock = -1;
}

void phi_signer_close(struct phi_signer_proc *s)
{
    if (!s)
        return;
    gone(s);
    /* All that it ever answered is on the disk, so it can be stopped anywhere. */
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    free(s);
}

pid_t phi_signer_pid(const struct phi_signer_proc *s)
{
    return s->pid;
}

bool phi_signer_gone(const struct phi_signer_proc *s)
{
    return s->sock < 0;
}

struct phi_vkey phi_signer_key(const struct phi_signer_proc *s)
{
    return s->key;
}

struct phi_checkpoint phi_signer_head(const struct phi_signer_proc *s)
{
    return s->head;
}

/* Waits for the reply with this number; late replies to earlier asks are passed over. */
static enum phi_rc wait_reply(struct phi_signer_proc *s, uint64_t seq, int64_t deadline, struct guard_reply *ret,
                              struct phi_err *err)
{
    for (;;) {
        int64_t left = deadline - phi_now_boot_ms();
        struct pollfd p = { .fd = s->sock, .events = POLLIN };
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return phi_fail(err, PHI_EIO, "the signer did not answer in time");
        ssize_t got = recv(s->sock, s->packet, sizeof s->packet, 0);
        if (got <= 0 || !guard_reply_read(phi_view_mem(s->packet, (size_t)got), ret)) {
            gone(s);
            return phi_fail(err, PHI_EIO, "the signer is gone");
        }
        s->head.size = ret->size;
        s->head.root = ret->root;
        if (ret->seq == seq)
            return PHI_OK;
    }
}

static enum phi_rc refusal(const struct guard_reply *r, struct phi_err *err)
{
    return phi_fail(err, (enum phi_rc)r->rc, "signer: " PHI_FMT, PHI_ARG(r->text));
}

static enum phi_rc greet(struct phi_signer_proc *s, struct phi_err *err)
{
    struct guard_reply r;
    PHI_TRY(wait_reply(s, 0, phi_now_boot_ms() + START_MS, &r, err));
    if (r.rc != PHI_OK)
        return refusal(&r, err);
    if (r.text.n >= sizeof s->key_line)
        return phi_fail(err, PHI_EIO, "the signer's key line is too long");
    memcpy(s->key_line, r.text.p, r.text.n);
    PHI_TRY(phi_vkey_read(phi_view_mem(s->key_line, r.text.n), &s->key, err));
    s->head.origin = s->key.name;
    s->with = s->key.pub;
    return PHI_OK;
}

enum phi_rc phi_signer_spawn(const struct phi_signer_conf *conf, struct phi_signer_proc **ret, struct phi_err *err)
{
    int pair[2];
    struct phi_signer_proc *s = calloc(1, sizeof *s);
    if (!s || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        free(s);
        return phi_fail(err, PHI_EIO, "cannot start the signer: %s", strerror(errno));
    }
    s->pid = fork();
    if (s->pid == 0)
        guard_signer_main(pair[1], conf);
    close(pair[1]);
    s->sock = pair[0];
    enum phi_rc rc = s->pid < 0 ? phi_fail(err, PHI_EIO, "cannot fork the signer: %s", strerror(errno)) : greet(s, err);
    if (rc != PHI_OK) {
        phi_signer_close(s);
        return rc;
    }
    *ret = s;
    return PHI_OK;
}

static enum phi_rc socket_open(const char *path, int *ret, struct phi_err *err)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    if ((size_t)snprintf(at.sun_path, sizeof at.sun_path, "%s", path) >= sizeof at.sun_path)
        return phi_fail(err, PHI_ELIMIT, "%s: too long for the name of a socket", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at)) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return phi_fail(err, PHI_EIO, "the signer's socket %s: %s; is phi-signer.socket started?", path, strerror(why));
    }
    *ret = fd;
    return PHI_OK;
}

enum phi_rc phi_signer_connect(const char *path, const char *origin, struct phi_signer_proc **ret, struct phi_err *err)
{
    struct phi_signer_proc *s = calloc(1, sizeof *s);
    if (!s)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    s->sock = -1;
    enum phi_rc rc = socket_open(path, &s->sock, err);
    if (rc == PHI_OK)
        rc = greet(s, err);
    if (rc == PHI_OK && !phi_view_is(s->key.name, origin))
        rc = phi_fail(err, PHI_EINPUT, "the signer at %s signs for the log " PHI_FMT ", not for %s", path, PHI_ARG(s->key.name), origin);
    if (rc != PHI_OK) {
        phi_signer_close(s);
        return rc;
    }
    *ret = s;
    return PHI_OK;
}

void phi_signer_use(struct phi_signer_proc *s, const struct phi_pubkey *with)
{
    s->with = *with;
}

static enum phi_rc ask(struct phi_signer_proc *s, struct guard_ask *a, int timeout_ms, struct phi_buf *ret, struct phi_err *err)
{
    PHI_BUF(b, GUARD_ASK_MAX);
    struct guard_reply r;
    if (s->sock < 0)
        return phi_fail(err, PHI_EIO, "the signer is gone");
    a->seq = ++s->seq;
    a->with = s->with;
    guard_ask_write(&b, a);
    if (!phi_buf_ok(&b) || send(s->sock, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)b.n) {
        bool full = errno == EAGAIN; /* it hangs: the earlier asks are still there */
        if (!full)
            gone(s);
        return phi_fail(err, PHI_EIO, full ? "the signer does not answer" : "the signer is gone");
    }
    PHI_TRY(wait_reply(s, a->seq, phi_now_boot_ms() + timeout_ms, &r, err));
    if (r.rc != PHI_OK)
        return refusal(&r, err);
    phi_buf_add(ret, r.text);
    return phi_buf_ok(ret) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "what the signer signed is too long");
}

enum phi_rc phi_signer_sign(struct phi_signer_proc *s, uint64_t old_size, uint64_t size, const struct phi_digest *root,
                            const struct phi_tree_proof *proof, int timeout_ms, struct phi_buf *ret, struct phi_err *err)
{
    struct guard_ask a = { .kind = GUARD_SIGN, .old_size = old_size, .size = size, .root = *root };
    if (proof)
        a.proof = *proof;
    if (a.proof.n > PHI_TREE_PROOF_MAX)
        return phi_fail(err, PHI_EINPUT, "the consistency proof is too long");
    return ask(s, &a, timeout_ms, ret, err);
}

enum phi_rc phi_signer_next(struct phi_signer_proc *s, int timeout_ms, struct phi_buf *ret, struct phi_err *err)
{
    struct guard_ask a = { .kind = GUARD_NEXT };
    return ask(s, &a, timeout_ms, ret, err);
}
