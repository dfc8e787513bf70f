/* The socket `control` in the data folder: who may enter the folder may have a backup made by the phid that serves. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/logline.h"
#include "bin/phid_backup.h"
#include "core/succession.h"

#define ASK_MAX 4096

struct phid_control {
    const struct phid_config *config;
    const struct phid_data *data;
    struct api_engine *engine;
    int listener, stop;
    pthread_t thread;
};

/* Through a descriptor of the folder: a socket's path has at most 107 bytes. */
static int folder_open(const struct phid_config *c, struct sockaddr_un *at)
{
    int dir = open(c->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(at->sun_path, sizeof at->sun_path, "/proc/self/fd/%d/control", dir);
    return dir;
}

/* A socket that nobody serves is in the way of who copies the folder. */
static void gone(const struct phid_config *c)
{
    struct sockaddr_un at;
    int dir = folder_open(c, &at);
    if (dir < 0)
        return;
    unlinkat(dir, "control", 0);
    close(dir);
}

/* ---- in the phid that serves */

struct noted {
    struct api_job job;
    int64_t size;
    struct phi_digest root;
};

static enum phi_rc note_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    const struct noted *n = arg;
    return phi_log_backed_up(c, n->size, &n->root, err);
}

static void note_done(struct api_job *j)
{
    if (j->rc != PHI_OK)
        PHI_LOG(ERROR, "a backup was made and the log does not say so", "why", "%s", j->err.msg);
    free(j->arg);
}

static void note(struct phid_control *k, const struct phid_backup *b)
{
    struct noted *n = calloc(1, sizeof *n);
    if (!n)
        return;
    *n = (struct noted){ .job = { .run = note_run, .done = note_done, .arg = n }, .size = b->size, .root = b->root };
    if (!api_engine_submit(k->engine, &n->job))
        free(n);
}

static void backup(struct phid_control *k, const char *dir, struct phi_buf *out)
{
    struct phi_err err = { 0 };
    struct phid_backup b = { .config = k->config, .data = k->data, .dir = dir, .engine = k->engine };
    enum phi_rc rc = phid_backup_make(&b, &err);
    if (rc == PHI_OK && b.size)
        note(k, &b);
    if (rc != PHI_OK)
        PHI_LOG(ERROR, "backup failed", "why", "%s", err.msg);
    phi_buf_printf(out, rc == PHI_OK ? "+%lld" : "-", (long long)b.size);
    if (rc != PHI_OK)
        phi_buf_adds(out, err.msg);
}

struct renewing {
    struct api_rotation r;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
};

static void renewed(struct api_rotation *r)
{
    struct renewing *w = r->arg;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->over);
    pthread_mutex_unlock(&w->lock);
}

static void renew(struct phid_control *k, struct phi_buf *out)
{
    struct phi_err err = { 0 };
    struct renewing w = { .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER };
    w.r = (struct api_rotation){ .done = renewed, .arg = &w };
    enum phi_rc rc = PHI_ECONFLICT;
    if (api_engine_rotate(k->engine, &w.r, &err)) {
        pthread_mutex_lock(&w.lock);
        while (!w.done)
            pthread_cond_wait(&w.over, &w.lock);
        pthread_mutex_unlock(&w.lock);
        rc = w.r.rc;
        err = w.r.err;
    }
    phi_buf_adds(out, rc == PHI_OK ? "+" : "-");
    if (rc != PHI_OK)
        phi_buf_adds(out, err.msg);
}

static bool ours(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && (who.uid == 0 || who.uid == geteuid());
}

static void answer(struct phid_control *k, int fd)
{
    char ask[ASK_MAX + 1];
    struct timeval patience = { .tv_sec = 5 };
    PHI_BUF(out, ASK_MAX);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t n = ours(fd) ? recv(fd, ask, ASK_MAX, 0) : -1;
    if (n <= 0)
        return;
    ask[n] = 0;
    if (strncmp(ask, "backup ", 7) == 0)
        backup(k, ask + 7, &out);
    else if (strcmp(ask, "rotate-log-key") == 0)
        renew(k, &out);
    else
        phi_buf_adds(&out, "-this phid does not know that");
    if (phi_buf_ok(&out))
        send(fd, out.p, out.n, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
    struct phid_control *k = arg;
    for (;;) {
        struct pollfd p[2] = { { k->stop, POLLIN, 0 }, { k->listener, POLLIN, 0 } };
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[0].revents)
            return NULL;
        int fd = p[1].revents ? accept4(k->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        answer(k, fd);
        close(fd);
    }
}

enum phi_rc phid_control_open(const struct phid_config *c, const struct phid_data *d, struct api_engine *e, struct phid_control **ret,
                              struct phi_err *err)
{
    struct sockaddr_un at;
    struct phid_control *k = calloc(1, sizeof *k);
    int dir = folder_open(c, &at);
    if (!k || dir < 0) {
        free(k);
        return phi_fail(err, PHI_EIO, "%s: cannot make the socket \"control\"", c->data);
    }
    *k = (struct phid_control){ .config = c, .data = d, .engine = e, .stop = eventfd(0, EFD_CLOEXEC),
                                .listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) };
    unlinkat(dir, "control", 0); /* of a phid that is gone: the folder is ours */
    bool ok = k->stop >= 0 && k->listener >= 0 && bind(k->listener, (struct sockaddr *)&at, sizeof at) == 0 &&
              fchmodat(dir, "control", 0600, 0) == 0 && listen(k->listener, 4) == 0 && pthread_create(&k->thread, NULL, serve, k) == 0;
    close(dir);
    if (ok) {
        *ret = k;
        return PHI_OK;
    }
    phi_fail(err, PHI_EIO, "%s: cannot make the socket \"control\": %s", c->data, strerror(errno));
    close(k->listener);
    close(k->stop);
    free(k);
    return PHI_EIO;
}

void phid_control_close(struct phid_control *k)
{
    uint64_t one = 1;
    if (!k)
        return;
    api_engine_copy_stop(k->engine);
    if (write(k->stop, &one, sizeof one) == sizeof one)
        pthread_join(k->thread, NULL);
    close(k->listener);
    close(k->stop);
    gone(k->config);
    free(k);
}

/* ---- the one who asks */

enum phi_rc phid_control_ask(const struct phid_config *c, const char *ask, struct phi_buf *ret, struct phi_err *err)
{
    struct sockaddr_un at;
    char got[ASK_MAX];
    int dir = folder_open(c, &at), fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool there = dir >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    int why = errno;
    ssize_t n = there && send(fd, ask, strlen(ask), MSG_NOSIGNAL) == (ssize_t)strlen(ask) ? recv(fd, got, sizeof got, 0) : -1;
    if (dir >= 0)
        close(dir);
    if (fd >= 0)
        close(fd);
    if (!there && (why == ENOENT || why == ECONNREFUSED))
        return phi_fail(err, PHI_ENOTFOUND, "no phid serves from %s", c->data);
    if (n <= 0)
        return phi_fail(err, PHI_EIO, "%s: phid does not answer: %s", c->data, there ? "it refused, or has ended" : strerror(why));
    phi_buf_add(ret, phi_view_mem(got + 1, (size_t)n - 1));
    return got[0] == '+' ? PHI_OK : phi_fail(err, PHI_EIO, "%.*s", (int)n - 1, got + 1);
}
