/* The process that runs commands, one after another. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "guard/notifier_in.h"

#define CPU_S 10
#define FILE_MAX (16 * 1024 * 1024)

static void limit(__rlimit_resource_t what, rlim_t n)
{
    struct rlimit r = { n, n };
    if (setrlimit(what, &r))
        _exit(127);
}

/* The input as a file that nothing can change any more, read from its start. */
static int input_open(const uint8_t *p, size_t n)
{
    int fd = memfd_create("phi-notice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    return fd;
}

static _Noreturn void become(const struct guard_command *c, int input)
{
    static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (setsid() < 0 || null < 0 || dup2(input, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || chdir("/") != 0 ||
        close_range(3, ~0U, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        _exit(127);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, CPU_S);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_FSIZE, FILE_MAX);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    execve(c->argv[0], (char *const *)(uintptr_t)c->argv, (char *const *)(uintptr_t)env);
    _exit(127);
}

/* True: it ended by itself. Also ended early when phid is gone. */
static bool ended_in_time(pid_t pid, int sock)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int64_t until = phi_now_boot_ms() + GUARD_COMMAND_MS;
    struct pollfd p[] = { { fd, POLLIN, 0 }, { sock, POLLRDHUP, 0 } };
    while (fd >= 0) {
        int64_t left = until - phi_now_boot_ms();
        if (left <= 0 || (poll(p, 2, (int)left) < 0 && errno != EINTR) || (p[1].revents & (POLLHUP | POLLRDHUP | POLLERR)))
            break;
        if (p[0].revents) {
            close(fd);
            return true;
        }
    }
    if (fd >= 0)
        close(fd);
    return false;
}

static void run(const struct guard_command *c, int sock, const uint8_t *p, size_t n, struct guard_command_reply *r)
{
    int status = 0, input = input_open(p, n);
    pid_t pid = input >= 0 ? fork() : -1;
    if (pid == 0)
        become(c, input);
    if (input >= 0)
        close(input);
    if (pid < 0) {
        snprintf(r->why, sizeof r->why, "the command cannot be started");
        return;
    }
    bool in_time = ended_in_time(pid, sock);
    kill(-pid, SIGKILL); /* and what it left behind */
    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    r->ok = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!in_time)
        snprintf(r->why, sizeof r->why, "the command took longer than %d s", GUARD_COMMAND_MS / 1000);
    else if (WIFSIGNALED(status))
        snprintf(r->why, sizeof r->why, "the command was ended by signal %d", WTERMSIG(status));
    else
        snprintf(r->why, sizeof r->why, "the command ended with %d", WEXITSTATUS(status));
}

static void serve(int sock, const struct guard_notifier_conf *conf)
{
    static union {
        struct guard_command_ask head;
        uint8_t bytes[sizeof(struct guard_command_ask) + GUARD_COMMAND_INPUT + 1];
    } in;
    for (;;) {
        ssize_t n = recv(sock, &in, sizeof in, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)sizeof in.head || in.head.command >= conf->n)
            _exit(0); /* phid ended, or speaks nonsense */
        struct guard_command_reply r = { .seq = in.head.seq };
        run(&conf->command[in.head.command], sock, in.bytes + sizeof in.head, (size_t)n - sizeof in.head, &r);
        if (send(sock, &r, sizeof r, MSG_NOSIGNAL) != (ssize_t)sizeof r)
            _exit(0);
    }
}

static int keep_only(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(3);
    if ((fd != 3 && dup2(fd, 3) < 0) || close_range(4, ~0U, 0) || fcntl(3, F_SETFD, FD_CLOEXEC))
        _exit(3);
    return 3;
}

_Noreturn void guard_notifier_main(int fd, const struct guard_notifier_conf *conf)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "phi-commands");
    signal(SIGINT, SIG_IGN); /* phid decides when to end */
    signal(SIGTERM, SIG_IGN);
    phi_no_core();
    int sock = keep_only(fd);
    if (conf->change_uid && (setgroups(0, NULL) || setresgid(conf->gid, conf->gid, conf->gid) ||
                             setresuid(conf->uid, conf->uid, conf->uid) || !setuid(0)))
        _exit(3);
    serve(sock, conf);
    _exit(0);
}
