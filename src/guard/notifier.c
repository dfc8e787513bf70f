#include "guard/notifier.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/notifier_in.h"

#define WAITING_MAX 64

struct call {
    struct call *next;
    uint32_t seq;
    guard_command_done done;
    void *ctx;
};

struct guard_notifier {
    pid_t pid;
    int sock;
    uint32_t seq;
    char *name[GUARD_COMMANDS_MAX];
    size_t n_names, n_calls;
    struct net_watch *watch;
    struct call *calls;
};

static enum phi_rc conf_check(const struct guard_notifier_conf *conf, struct phi_err *err)
{
    for (size_t i = 0; i < conf->n; i++) {
        const char *path = conf->command[i].argv[0];
        if (!path || path[0] != '/' || access(path, X_OK) != 0)
            return phi_fail(err, PHI_EINPUT, "the command \"%.60s\" must begin with the absolute path of a program",
                            conf->command[i].name);
    }
    return PHI_OK;
}

static enum phi_rc names_keep(struct guard_notifier *n, const struct guard_notifier_conf *conf, struct phi_err *err)
{
    for (; n->n_names < conf->n; n->n_names++) {
        n->name[n->n_names] = strdup(conf->command[n->n_names].name);
        if (!n->name[n->n_names])
            return phi_fail(err, PHI_ELIMIT, "out of memory");
    }
    return PHI_OK;
}

enum phi_rc guard_notifier_spawn(const struct guard_notifier_conf *conf, struct guard_notifier **ret, struct phi_err *err)
{
    int pair[2];
    PHI_TRY(conf_check(conf, err));
    struct guard_notifier *n = calloc(1, sizeof *n);
    if (!n)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    n->sock = -1;
    enum phi_rc rc = names_keep(n, conf, err);
    if (rc == PHI_OK && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        rc = phi_fail(err, PHI_EIO, "cannot start the process for commands: %s", strerror(errno));
    if (rc == PHI_OK) {
        n->pid = fork();
        if (n->pid == 0)
            guard_notifier_main(pair[1], conf);
        close(pair[1]);
        n->sock = pair[0];
        if (n->pid < 0)
            rc = phi_fail(err, PHI_EIO, "cannot fork the process for commands: %s", strerror(errno));
    }
    if (rc != PHI_OK) {
        guard_notifier_close(n);
        return rc;
    }
    *ret = n;
    return PHI_OK;
}

pid_t guard_notifier_pid(const struct guard_notifier *n)
{
    return n->pid;
}

static void call_end(struct guard_notifier *n, uint32_t seq, const char *why)
{
    for (struct call **p = &n->calls; *p; p = &(*p)->next) {
        struct call *c = *p;
        if (c->seq != seq)
            continue;
        *p = c->next;
        n->n_calls--;
        c->done(why, c->ctx);
        free(c);
        return;
    }
}

static void gone(struct guard_notifier *n)
{
    net_watch_close(n->watch);
    n->watch = NULL;
    close(n->sock);
    n->sock = -1;
    while (n->calls)
        call_end(n, n->calls->seq, "the process that runs commands has ended");
}

static void readable(void *ctx, int events)
{
    struct guard_notifier *n = ctx;
    struct guard_command_reply r;
    (void)events;
    ssize_t got = recv(n->sock, &r, sizeof r, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != (ssize_t)sizeof r) {
        gone(n);
        return;
    }
    r.why[sizeof r.why - 1] = 0;
    call_end(n, r.seq, r.ok ? NULL : r.why);
}

enum phi_rc guard_notifier_bind(struct guard_notifier *n, struct net_loop *loop, struct phi_err *err)
{
    PHI_TRY(net_watch_open(loop, n->sock, readable, n, &n->watch, err));
    net_watch_set(n->watch, NET_READ);
    return PHI_OK;
}

static size_t find(const struct guard_notifier *n, const char *name)
{
    size_t i = 0;
    while (i < n->n_names && strcmp(n->name[i], name) != 0)
        i++;
    return i;
}

enum phi_rc guard_notifier_run(struct guard_notifier *n, const char *name, struct phi_view input, guard_command_done done,
                               void *ctx, struct phi_err *err)
{
    struct guard_command_ask head = { .command = (uint32_t)find(n, name), .seq = n->seq + 1 };
    if (head.command == n->n_names || input.n > GUARD_COMMAND_INPUT)
        return phi_fail(err, PHI_EINPUT, head.command == n->n_names ? "phid.yaml's notify has no such command" : "the message is too long");
    if (!n->watch || n->n_calls >= WAITING_MAX)
        return phi_fail(err, PHI_EIO, "the process that runs commands %s", n->watch ? "has too much to do" : "has ended");
    struct call *c = calloc(1, sizeof *c);
    struct iovec io[] = { { &head, sizeof head }, { (void *)(uintptr_t)input.p, input.n } };
    struct msghdr m = { .msg_iov = io, .msg_iovlen = 2 };
    if (!c || sendmsg(n->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(sizeof head + input.n)) {
        free(c);
        return phi_fail(err, PHI_EIO, "the process that runs commands has too much to do");
    }
    *c = (struct call){ n->calls, ++n->seq, done, ctx };
    n->calls = c;
    n->n_calls++;
    return PHI_OK;
}

void guard_notifier_close(struct guard_notifier *n)
{
    if (!n)
        return;
    net_watch_close(n->watch);
    if (n->sock >= 0)
        close(n->sock); /* it ends with its socket, and what it runs with it */
    if (n->pid > 0)
        while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    while (n->calls) {
        struct call *c = n->calls;
        n->calls = c->next;
        free(c);
    }
    for (size_t i = 0; i < n->n_names; i++)
        free(n->name[i]);
    free(n);
}
