#include "guard/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "guard/fetch_in.h"

#define RUNNING_MAX 16
#define WAITING_MAX 1024
#define DEFAULT_MS 10000
#define DEFAULT_BODY (256 * 1024)
#define GRACE_MS 1000 /* the worker answers "too late" itself */
#define CA_MAX (1024 * 1024)

struct call {
    struct call *next;
    struct guard_fetch *f;
    struct net_conn *conn; /* NULL: waits */
    struct net_timer *deadline;
    struct phi_buf ask;
    net_fetch_done done;
    void *ctx;
};

struct guard_fetch {
    pid_t pid;
    int sock;
    struct net_loop *loop;
    struct call *running, *waiting, **waiting_end;
    size_t n_running, n_waiting;
    struct net_later pump;
};

/* ---- the forked process: takes sockets, forks a worker for each ---- */

static int fd_receive(int sock)
{
    char byte;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } c = { 0 };
    struct iovec io = { &byte, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = c.room, .msg_controllen = sizeof c.room };
    ssize_t n;
    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (!h || h->cmsg_type != SCM_RIGHTS || h->cmsg_len != CMSG_LEN(sizeof(int)))
        _exit(0); /* phid has ended */
    int fd;
    memcpy(&fd, CMSG_DATA(h), sizeof fd);
    return fd;
}

static void serve(int sock, const struct fetch_house *h)
{
    for (;;) {
        int fd = fd_receive(sock);
        pid_t pid = fork();
        if (pid == 0) {
            struct itimerval end = { .it_value = { .tv_sec = (NET_FETCH_MAX_MS + 2 * GRACE_MS) / 1000 } };
            close(sock);
            setitimer(ITIMER_REAL, &end, NULL); /* whatever happens, it ends */
            fetch_worker(fd, h);
        }
        close(fd); /* a failed fork shows as its end */
    }
}

/* Nothing of phid's stays open: not its sockets, not its database. */
static int keep_only(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || (fd != 3 && dup2(fd, 3) < 0) || close_range(4, ~0U, 0))
        _exit(3);
    return 3;
}

static void fetch_main(int fd, const struct guard_fetch_conf *conf, const struct fetch_house *h)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "phi-fetch");
    signal(SIGINT, SIG_IGN); /* phid decides when to end */
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    phi_no_core();
    if (conf->change_uid && (setgroups(0, NULL) || setresgid(conf->gid, conf->gid, conf->gid) ||
                             setresuid(conf->uid, conf->uid, conf->uid) || !setuid(0)))
        _exit(3);
    fd = keep_only(fd);
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        _exit(3);
    char ready = 1;
    if (send(fd, &ready, 1, MSG_NOSIGNAL) != 1)
        _exit(0);
    serve(fd, h);
}

/* ---- starting it ---- */

static enum phi_rc house_fill(const struct guard_fetch_conf *conf, struct fetch_house *h, struct phi_err *err)
{
    h->resolve = conf->resolve;
    phi_buf_init(&h->ca, CA_MAX);
    for (size_t i = 0; i < conf->n_allow && i < GUARD_FETCH_ALLOW_MAX; i++)
        if (!fetch_net_read(conf->allow[i], &h->allow.net[h->allow.n++]))
            return phi_fail(err, PHI_EINPUT, "\"%s\" is no address and no network like 10.1.0.0/16", conf->allow[i]);
    if (conf->ca_file && conf->ca_file[0])
        PHI_TRY(phi_file_read(conf->ca_file, CA_MAX, &h->ca, err));
    return PHI_OK;
}

static enum phi_rc process_start(struct guard_fetch *f, const struct guard_fetch_conf *conf, const struct fetch_house *h,
                                 struct phi_err *err)
{
    int pair[2];
    char ready;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return phi_fail(err, PHI_EIO, "cannot start the process for requests outside: %s", strerror(errno));
    f->pid = fork();
    if (f->pid == 0)
        fetch_main(pair[1], conf, h);
    close(pair[1]);
    f->sock = pair[0];
    if (f->pid < 0 || recv(f->sock, &ready, 1, 0) != 1)
        return phi_fail(err, PHI_EIO, "the process for requests outside does not start");
    return PHI_OK;
}

enum phi_rc guard_fetch_spawn(const struct guard_fetch_conf *conf, struct guard_fetch **ret, struct phi_err *err)
{
    struct fetch_house h = { 0 };
    struct guard_fetch *f = calloc(1, sizeof *f);
    if (!f)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    f->sock = -1;
    f->waiting_end = &f->waiting;
    enum phi_rc rc = house_fill(conf, &h, err);
    if (rc == PHI_OK)
        rc = process_start(f, conf, &h, err);
    phi_buf_done(&h.ca);
    if (rc != PHI_OK) {
        guard_fetch_close(f);
        return rc;
    }
    *ret = f;
    return PHI_OK;
}

pid_t guard_fetch_pid(const struct guard_fetch *f)
{
    return f->pid;
}

/* ---- calls ---- */

static void call_free(struct call *c)
{
    net_conn_close(c->conn);
    net_timer_close(c->deadline);
    phi_buf_wipe(&c->ask);
    phi_buf_done(&c->ask);
    free(c);
}

static void call_unlink(struct call *c)
{
    struct guard_fetch *f = c->f;
    struct call **at = c->conn ? &f->running : &f->waiting;
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    if (c->conn) {
        f->n_running--;
    } else {
        f->n_waiting--;
        for (f->waiting_end = &f->waiting; *f->waiting_end;)
            f->waiting_end = &(*f->waiting_end)->next;
    }
}

static void call_over(struct call *c, const struct net_fetch_answer *a, const struct phi_err *err, bool maybe_done)
{
    call_unlink(c);
    net_later(c->f->loop, &c->f->pump);
    c->done(a, err, maybe_done, c->ctx);
    call_free(c);
}

static void call_fail(struct call *c, enum phi_rc rc, const char *why, bool maybe_done)
{
    struct phi_err err = { 0 };
    phi_fail(&err, rc, "%s", why);
    call_over(c, NULL, &err, maybe_done);
}

static void late(void *ctx)
{
    struct call *c = ctx;
    call_fail(c, PHI_EEXPIRED, "no answer in time", c->conn != NULL);
}

static void answered(struct call *c, struct phi_view frame)
{
    struct fetch_answer x;
    char address[64] = "";
    if (!fetch_answer_read(frame, &x)) {
        call_fail(c, PHI_EIO, "the worker answered nonsense", true);
        return;
    }
    if (x.rc != PHI_OK) {
        struct phi_err err = { 0 };
        phi_fail(&err, x.rc, PHI_FMT, PHI_ARG(phi_view_upto(x.why, 200)));
        call_over(c, NULL, &err, x.maybe_done);
        return;
    }
    if (x.address.n)
        memcpy(address, x.address.p, x.address.n);
    struct net_fetch_answer a = { .status = x.status, .headers = x.headers, .body = x.body, .address = address };
    call_over(c, &a, NULL, true);
}

static void on_data(struct net_conn *conn, struct phi_view in, void *ctx)
{
    struct phi_view frame;
    int state = fetch_frame(in, FETCH_ANSWER_MAX, &frame);
    (void)conn;
    if (state == 0)
        answered(ctx, frame);
    else if (state < 0)
        call_fail(ctx, PHI_EIO, "the worker answered nonsense", true);
}

static void on_closed(struct net_conn *conn, const struct phi_err *why, void *ctx)
{
    struct call *c = ctx;
    (void)conn;
    (void)why;
    call_unlink(c);
    c->conn = NULL;
    struct phi_err err = { 0 };
    phi_fail(&err, PHI_EIO, "the worker ended without an answer");
    net_later(c->f->loop, &c->f->pump);
    c->done(NULL, &err, true, c->ctx);
    call_free(c);
}

static const struct net_conn_events events = { .on_data = on_data, .on_closed = on_closed };

/* Hands one end of a new pair to the process; false: it is gone or full. */
static bool fd_send(int sock, int fd)
{
    char byte = 0;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } c = { 0 };
    struct iovec io = { &byte, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = c.room, .msg_controllen = sizeof c.room };
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    return sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

static bool call_start(struct call *c)
{
    struct net_conn_limits limits = { .max_in = FETCH_ANSWER_MAX + 64 * 1024, .max_out = FETCH_ASK_MAX + 64 * 1024 };
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return false;
    bool sent = fd_send(c->f->sock, pair[1]);
    close(pair[1]);
    if (!sent) {
        close(pair[0]);
        return false;
    }
    return net_adopt(c->f->loop, pair[0], &limits, &events, c, &c->conn, NULL) == PHI_OK &&
           net_conn_write(c->conn, phi_buf_view(&c->ask));
}

static void pump(void *ctx)
{
    struct guard_fetch *f = ctx;
    while (f->waiting && f->n_running < RUNNING_MAX) {
        struct call *c = f->waiting;
        if (!call_start(c) && !c->conn) {
            call_fail(c, PHI_EIO, "the process for requests outside is gone", false);
            continue;
        }
        f->waiting = c->next;
        if (!f->waiting)
            f->waiting_end = &f->waiting;
        f->n_waiting--;
        c->next = f->running;
        f->running = c;
        f->n_running++;
    }
}

static enum phi_rc send_(void *self, const struct net_fetch_ask *ask, net_fetch_done done, void *ctx, struct phi_err *err)
{
    struct guard_fetch *f = self;
    struct net_fetch_ask q = *ask;
    q.deadline_ms = q.deadline_ms <= 0 ? DEFAULT_MS : q.deadline_ms > NET_FETCH_MAX_MS ? NET_FETCH_MAX_MS : q.deadline_ms;
    q.max_body = q.max_body == 0 ? DEFAULT_BODY : q.max_body > NET_FETCH_MAX_BODY ? NET_FETCH_MAX_BODY : q.max_body;
    if (f->n_waiting >= WAITING_MAX)
        return phi_fail(err, PHI_ELIMIT, "%d requests outside wait already", WAITING_MAX);
    struct call *c = calloc(1, sizeof *c);
    if (!c)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *c = (struct call){ .f = f, .done = done, .ctx = ctx };
    phi_buf_init(&c->ask, FETCH_ASK_MAX);
    enum phi_rc rc = fetch_ask_write(&c->ask, &q, err);
    c->deadline = rc == PHI_OK ? net_timer_open(f->loop, late, c) : NULL;
    if (!c->deadline) {
        call_free(c);
        return rc != PHI_OK ? rc : phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    net_timer_set(c->deadline, q.deadline_ms + GRACE_MS, 0);
    *f->waiting_end = c;
    f->waiting_end = &c->next;
    f->n_waiting++;
    net_later(f->loop, &f->pump);
    return PHI_OK;
}

/* ---- life ---- */

enum phi_rc guard_fetch_bind(struct guard_fetch *f, struct net_loop *loop, struct phi_err *err)
{
    if (f->loop)
        return phi_fail(err, PHI_ECONFLICT, "requests outside have a loop already");
    f->loop = loop;
    f->pump = (struct net_later){ .fn = pump, .ctx = f };
    return PHI_OK;
}

struct net_fetch guard_fetch_port(struct guard_fetch *f)
{
    return (struct net_fetch){ .self = f, .send = send_ };
}

static void drop_all(struct call *c)
{
    while (c) {
        struct call *next = c->next;
        call_free(c);
        c = next;
    }
}

void guard_fetch_close(struct guard_fetch *f)
{
    if (!f)
        return;
    drop_all(f->running);
    drop_all(f->waiting);
    if (f->loop)
        net_later_cancel(&f->pump);
    if (f->sock >= 0)
        close(f->sock);
    if (f->pid > 0) {
        kill(f->pid, SIGKILL); /* its workers end by themselves */
        while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    free(f);
}
