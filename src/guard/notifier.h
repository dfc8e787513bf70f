/* The process that runs the commands by which people are told. phid forks it before any thread; it holds nothing of phid's
 * but one socket. What may run, with which arguments, was fixed by phid.yaml before: an ask names one and carries what
 * the command reads on its standard input, nothing else. A command has a session of its own, no more rights than it was given,
 * limits, an empty environment but PATH and LANG, no other descriptor, and ten seconds; then it and all it began is killed. */
#ifndef GUARD_NOTIFIER_H
#define GUARD_NOTIFIER_H

#include <sys/types.h>

#include "net/loop.h"

#define GUARD_COMMANDS_MAX 16
#define GUARD_COMMAND_ARGS 16
#define GUARD_COMMAND_INPUT (64 * 1024)
#define GUARD_COMMAND_MS 10000

struct guard_command {
    const char *name;
    const char *argv[GUARD_COMMAND_ARGS + 1]; /* argv[0] is an absolute path; ended by NULL */
};

struct guard_notifier_conf {
    struct guard_command command[GUARD_COMMANDS_MAX];
    size_t n;
    bool change_uid; /* only when started as root */
    uid_t uid;
    gid_t gid;
};

struct guard_notifier;

/* Forks. PHI_EINPUT: a command is no absolute path to a program. `conf` is copied by the fork. */
enum phi_rc guard_notifier_spawn(const struct guard_notifier_conf *conf, struct guard_notifier **ret, struct phi_err *err);
pid_t guard_notifier_pid(const struct guard_notifier *n);
/* From now on commands may be run, on this loop's thread. */
enum phi_rc guard_notifier_bind(struct guard_notifier *n, struct net_loop *loop, struct phi_err *err);

/* Once, on the loop. `why` NULL: the command ended with 0. One command runs at a time; others wait. */
typedef void (*guard_command_done)(const char *why, void *ctx);
/* PHI_EINPUT: no such command, or the input is too long; PHI_EIO: the process is gone, or too much waits. Then `done` is not called. */
enum phi_rc guard_notifier_run(struct guard_notifier *n, const char *name, struct phi_view input, guard_command_done done,
                               void *ctx, struct phi_err *err);
/* What still runs is dropped, without its callback. Before the loop's end; NULL is fine. */
void guard_notifier_close(struct guard_notifier *n);

#endif
