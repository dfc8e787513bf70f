/* The signer's own process. It reads asks from one socket and keeps one file of two slots. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "guard/signer_proto.h"
#include "proof/succession.h"

struct signer {
    int sock, state, next_file;
    unsigned slot; /* the one to write next */
    struct phi_key key, next; /* next: seed all zero while there is none */
    bool has_next, renewed;
    struct phi_view origin;
    struct phi_checkpoint last;
};

static enum phi_rc write_slot(struct signer *s, struct phi_view note, struct phi_err *err)
{
    uint8_t block[GUARD_SLOT] = { 0 };
    if (note.n >= sizeof block)
        return phi_fail(err, PHI_ELIMIT, "the checkpoint is too long");
    memcpy(block, note.p, note.n);
    /* The other slot keeps the head before, so a write cut short loses nothing that was answered. */
    if (pwrite(s->state, block, sizeof block, (off_t)(s->slot * sizeof block)) != sizeof block || fsync(s->state))
        return phi_fail(err, PHI_EIO, "the signer cannot keep its state: %s", strerror(errno));
    s->slot ^= 1;
    return PHI_OK;
}

/* ---- start ---- */

static enum phi_rc make_files(struct signer *s, const struct phi_signer_conf *conf, struct phi_err *err)
{
    PHI_BUF(pem, 4096);
    PHI_BUF(note, GUARD_SLOT);
    PHI_TRY(phi_key_make(&s->key, err));
    s->last = (struct phi_checkpoint){ s->origin, 0, phi_sha256((struct phi_view){ 0 }) };
    PHI_TRY(phi_checkpoint_sign(&note, &s->last, &s->key, err));
    s->state = open(conf->state_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->state < 0 || ftruncate(s->state, 2 * GUARD_SLOT))
        return phi_fail(err, PHI_EIO, "%s: %s", conf->state_path, strerror(errno));
    PHI_TRY(write_slot(s, phi_buf_view(&note), err));
    /* The key last: with it in place the signer has started, and a state must be there. */
    PHI_TRY(phi_key_pem(&s->key, &pem, err));
    enum phi_rc rc = phi_file_write(conf->key_path, phi_buf_view(&pem), 0600, err);
    phi_buf_wipe(&pem);
    return rc;
}

static bool slot_by(struct signer *s, const struct phi_key *key, const uint8_t block[GUARD_SLOT], struct phi_checkpoint *ret)
{
    struct phi_vkey vk = { s->origin, key->pub };
    return phi_checkpoint_open(phi_view_mem(block, strnlen((const char *)block, GUARD_SLOT)), &vk, ret, NULL) == PHI_OK;
}

/* The last head, and whether the next key has signed it already: then that is the one in use. */
static enum phi_rc read_slots(struct signer *s, const char *path, bool *ret_next, struct phi_err *err)
{
    bool any = false;
    *ret_next = false;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t block[GUARD_SLOT];
        struct phi_checkpoint c;
        if (pread(s->state, block, sizeof block, (off_t)(i * sizeof block)) != sizeof block)
            continue;
        bool by_next = s->has_next && slot_by(s, &s->next, block, &c);
        if (!by_next && !slot_by(s, &s->key, block, &c))
            continue;
        if (!any || c.size > s->last.size || (c.size == s->last.size && !*ret_next)) {
            s->last = (struct phi_checkpoint){ s->origin, c.size, c.root };
            s->slot = i ^ 1;
        }
        *ret_next = *ret_next || by_next;
        any = true;
    }
    return any ? PHI_OK
               : phi_fail(err, PHI_ECORRUPT, "%s holds no head that this key signed for " PHI_FMT, path, PHI_ARG(s->origin));
}

/* ---- the next key */

/* Opened while files still can be: it is written when phid asks for a next key. */
static enum phi_rc next_open(struct signer *s, const struct phi_signer_conf *conf, char path[4096], struct phi_err *err)
{
    uint8_t text[GUARD_SLOT];
    if (snprintf(path, 4096, "%s.next", conf->key_path) >= 4096)
        return phi_fail(err, PHI_ELIMIT, "%s: the path is too long", conf->key_path);
    s->next_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t n = s->next_file < 0 ? -1 : pread(s->next_file, text, sizeof text, 0);
    if (n < 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    /* One that was cut short was never named to anybody. */
    s->has_next = n > 0 && phi_key_from_pem(phi_view_mem(text, (size_t)n), &s->next, NULL) == PHI_OK;
    phi_wipe(text, sizeof text);
    return PHI_OK;
}

/* The next key is in use: it takes the old one's place. */
static enum phi_rc next_promote(struct signer *s, const struct phi_signer_conf *conf, char path[4096], struct phi_err *err)
{
    if (rename(path, conf->key_path))
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    phi_key_done(&s->key);
    s->key = s->next;
    s->has_next = false;
    close(s->next_file);
    return next_open(s, conf, path, err);
}

static bool missing(const char *path)
{
    struct stat st;
    return lstat(path, &st) && errno == ENOENT;
}

/* A state without a key is what a first start that was cut short leaves, and only while it is empty. */
static bool may_begin(const struct phi_signer_conf *conf)
{
    PHI_BUF(b, 4 * GUARD_SLOT);
    struct phi_checkpoint c;
    if (missing(conf->state_path))
        return true;
    if (phi_file_read(conf->state_path, 2 * GUARD_SLOT, &b, NULL) != PHI_OK)
        return false;
    for (size_t at = 0; at < b.n; at += GUARD_SLOT) {
        struct phi_view v = phi_view_upto(phi_view_from(phi_buf_view(&b), at), GUARD_SLOT);
        if (v.n && v.p[0] && (phi_checkpoint_read(v, &c, NULL) != PHI_OK || c.size))
            return false;
    }
    return true;
}

static enum phi_rc open_files(struct signer *s, const struct phi_signer_conf *conf, struct phi_err *err)
{
    PHI_BUF(pem, 4096);
    s->origin = phi_view_of(conf->origin);
    if (!phi_vkey_name_ok(s->origin))
        return phi_fail(err, PHI_EINPUT, "the log's origin must have no blanks and no '+'");
    if (missing(conf->key_path)) {
        if (!may_begin(conf))
            return phi_fail(err, PHI_ECORRUPT, "%s is gone, but %s says that the log has begun", conf->key_path,
                            conf->state_path);
        char next[4096];
        PHI_TRY(make_files(s, conf, err));
        return next_open(s, conf, next, err);
    }
    PHI_TRY(phi_file_read_secret(conf->key_path, 4096, &pem, err));
    enum phi_rc rc = phi_key_from_pem(phi_buf_view(&pem), &s->key, err);
    phi_buf_wipe(&pem);
    PHI_TRY(rc);
    s->state = open(conf->state_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (s->state < 0)
        return phi_fail(err, PHI_ECORRUPT, "%s: %s; without it the signer does not know what it signed", conf->state_path,
                        strerror(errno));
    bool by_next;
    char next[4096];
    PHI_TRY(next_open(s, conf, next, err));
    PHI_TRY(read_slots(s, conf->state_path, &by_next, err));
    return by_next ? next_promote(s, conf, next, err) : PHI_OK;
}

/* One signer at a time has a state: a second waits here until the first has ended. The lock is the folder's, which is
 * there before its files are, and lasts as long as this process. */
static enum phi_rc folder_lock(const struct phi_signer_conf *conf, struct phi_err *err)
{
    char folder[4096];
    const char *slash = strrchr(conf->state_path, '/');
    size_t n = slash ? (size_t)(slash - conf->state_path) : 0;
    if (!conf->service)
        return PHI_OK; /* phid holds the lock of its own folder */
    if (n == 0 || n >= sizeof folder)
        return phi_fail(err, PHI_EINPUT, "the signer's folder must be a full path");
    memcpy(folder, conf->state_path, n);
    folder[n] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return phi_fail(err, PHI_EIO, "%s: %s", folder, strerror(errno));
    if (st.st_mode & 077 || st.st_uid != geteuid())
        return phi_fail(err, PHI_EDENIED, "%s: must belong to the signer's user alone; chmod 700 it", folder);
    while (flock(fd, LOCK_EX))
        if (errno != EINTR)
            return phi_fail(err, PHI_EIO, "%s: %s", folder, strerror(errno));
    return PHI_OK;
}

static enum phi_rc change_uid(struct signer *s, const struct phi_signer_conf *conf, struct phi_err *err)
{
    if (!conf->change_uid)
        return PHI_OK;
    if (chown(conf->key_path, conf->uid, conf->gid) || fchown(s->state, conf->uid, conf->gid) || fchown(s->next_file, conf->uid, conf->gid) || setgroups(0, NULL) ||
        setresgid(conf->gid, conf->gid, conf->gid) || setresuid(conf->uid, conf->uid, conf->uid) || !setuid(0))
        return phi_fail(err, PHI_EIO, "the signer cannot change its uid: %s", strerror(errno));
    return PHI_OK;
}

/* ---- confinement ---- */

static void limit(int what, rlim_t n)
{
    struct rlimit r = { n, n };
    if (setrlimit((__rlimit_resource_t)what, &r))
        _exit(3);
}

static bool allow_calls(scmp_filter_ctx f)
{
    static const int calls[] = {
        SCMP_SYS(read),         SCMP_SYS(recvfrom),     SCMP_SYS(recvmsg), SCMP_SYS(sendto),        SCMP_SYS(sendmsg),
        SCMP_SYS(pwrite64),     SCMP_SYS(fsync),        SCMP_SYS(close),   SCMP_SYS(exit),          SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(munmap),       SCMP_SYS(brk),     SCMP_SYS(madvise),       SCMP_SYS(mremap),
        SCMP_SYS(futex),        SCMP_SYS(clock_gettime), SCMP_SYS(getrandom), SCMP_SYS(restart_syscall),
        SCMP_SYS(sigaltstack), /* clang's sanitizers ask for it wherever a function does not return */
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0))
            return false;
    /* memory, but none that can be run */
    return !seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
           !seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static enum phi_rc confine(struct phi_err *err)
{
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_FSIZE, 2 * GUARD_SLOT);
    limit(RLIMIT_NOFILE, 0);
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool ok = f && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && allow_calls(f) && !seccomp_load(f);
    seccomp_release(f);
    return ok ? PHI_OK : phi_fail(err, PHI_EIO, "the signer cannot confine itself (seccomp)");
}

/* Nothing of phid's stays open: not its sockets, not its database. */
static int keep_only(int fd)
{
    if (fd < 3)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* a service gets its socket as standard input */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(3);
    if (fd != 3 && dup2(fd, 3) < 0)
        _exit(3);
    if (close_range(4, ~0U, 0))
        _exit(3);
    return 3;
}

/* ---- serving ---- */

static void reply(struct signer *s, uint64_t seq, enum phi_rc rc, struct phi_view text)
{
    PHI_BUF(b, GUARD_REPLY_MAX);
    struct guard_reply r = { seq, (uint8_t)rc, s->last.size, s->last.root, text };
    guard_reply_write(&b, &r);
    if (!phi_buf_ok(&b) || send(s->sock, b.p, b.n, MSG_NOSIGNAL) != (ssize_t)b.n)
        _exit(0); /* phid is gone */
}

static bool is(const struct phi_pubkey *a, const struct phi_pubkey *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static void answer(struct signer *s, const struct guard_ask *a)
{
    PHI_BUF(note, GUARD_SLOT);
    struct phi_err err = { 0 };
    struct phi_checkpoint next = { s->origin, a->size, a->root };
    bool by_next = s->has_next && is(&a->with, &s->next.pub);
    enum phi_rc rc = by_next || is(&a->with, &s->key.pub) ? guard_judge(&s->last, a, &err)
                                                          : phi_fail(&err, PHI_ENOTFOUND, "this signer does not sign by that key");
    if (rc == PHI_OK)
        rc = phi_checkpoint_sign(&note, &next, by_next ? &s->next : &s->key, &err);
    if (rc == PHI_OK && (by_next || a->size != s->last.size))
        rc = write_slot(s, phi_buf_view(&note), &err);
    if (rc != PHI_OK) {
        reply(s, a->seq, rc, phi_view_of(err.msg));
        return;
    }
    s->last = next;
    if (by_next) { /* the file takes the old one's place at the next start */
        phi_key_done(&s->key);
        s->key = s->next;
        s->has_next = false;
        s->renewed = true;
    }
    reply(s, a->seq, PHI_OK, phi_buf_view(&note));
}

static enum phi_rc next_make(struct signer *s, struct phi_err *err)
{
    PHI_BUF(pem, GUARD_SLOT);
    if (s->has_next)
        return PHI_OK;
    if (s->renewed)
        return phi_fail(err, PHI_ECONFLICT, "the key was changed since the signer was started; it can be changed again after the next start");
    PHI_TRY(phi_key_make(&s->next, err));
    PHI_TRY(phi_key_pem(&s->next, &pem, err));
    bool ok = pwrite(s->next_file, pem.p, pem.n, 0) == (ssize_t)pem.n && fsync(s->next_file) == 0;
    phi_buf_wipe(&pem);
    s->has_next = ok;
    return ok ? PHI_OK : phi_fail(err, PHI_EIO, "the signer cannot keep its next key: %s", strerror(errno));
}

/* The statement of both keys that the one follows the other. */
static enum phi_rc next_say(struct signer *s, struct phi_buf *out, struct phi_err *err)
{
    PHI_BUF(text, GUARD_REPLY_MAX);
    PHI_BUF(second, GUARD_REPLY_MAX);
    struct phi_succession step = { .kind = PHI_SUCCESSION_ROTATED, .from = { s->origin, s->key.pub }, .to = { s->origin, s->next.pub } };
    phi_succession_write(&text, &step);
    PHI_TRY(phi_note_sign(out, phi_buf_view(&text), s->origin, &s->key, err));
    PHI_TRY(phi_note_sign(&second, phi_buf_view(&text), s->origin, &s->next, err));
    phi_buf_add(out, phi_view_from(phi_buf_view(&second), text.n + 1));
    return phi_buf_ok(out) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the log's name is too long");
}

static void answer_next(struct signer *s, const struct guard_ask *a)
{
    PHI_BUF(note, GUARD_REPLY_MAX - 64);
    struct phi_err err = { 0 };
    enum phi_rc rc = next_make(s, &err);
    if (rc == PHI_OK)
        rc = next_say(s, &note, &err);
    reply(s, a->seq, rc, rc == PHI_OK ? phi_buf_view(&note) : phi_view_of(err.msg));
}

static void serve(struct signer *s)
{
    for (;;) {
        uint8_t packet[GUARD_ASK_MAX + 1];
        struct guard_ask a;
        ssize_t n = recv(s->sock, packet, sizeof packet, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !guard_ask_read(phi_view_mem(packet, (size_t)n), &a))
            _exit(0); /* phid ended, or speaks nonsense */
        switch (a.kind) {
        case GUARD_SIGN: answer(s, &a); break;
        case GUARD_NEXT: answer_next(s, &a); break;
        }
    }
}

void guard_signer_main(int fd, const struct phi_signer_conf *conf)
{
    static struct signer s;
    struct phi_err err = { 0 };
    PHI_BUF(line, 1024);
    if (!conf->service)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "phi-signer");
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group: phid decides when to end */
    signal(SIGTERM, SIG_IGN);
    phi_no_core();
    s.sock = keep_only(fd);
    enum phi_rc rc = folder_lock(conf, &err);
    if (rc == PHI_OK)
        rc = open_files(&s, conf, &err);
    if (rc == PHI_OK)
        rc = change_uid(&s, conf, &err);
    /* Signing once loads what the library needs while files may still be opened. */
    if (rc == PHI_OK) {
        PHI_BUF(note, GUARD_SLOT);
        struct phi_key warm = { 0 };
        rc = phi_checkpoint_sign(&note, &s.last, &s.key, &err);
        if (rc == PHI_OK)
            rc = phi_key_make(&warm, &err);
        phi_key_done(&warm);
    }
    if (rc == PHI_OK)
        rc = confine(&err);
    struct phi_vkey vk = { s.origin, s.key.pub };
    phi_vkey_write(&line, &vk);
    reply(&s, 0, rc, rc == PHI_OK ? phi_buf_view(&line) : phi_view_of(err.msg));
    if (rc != PHI_OK)
        _exit(1);
    serve(&s);
    _exit(0);
}

void phi_signer_serve(int fd, const struct phi_signer_conf *conf)
{
    guard_signer_main(fd, conf);
}
