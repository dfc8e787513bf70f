#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/os.h"
#include "gateway/parser_child.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static bool limit(__rlimit_resource_t what, rlim_t most)
{
    struct rlimit r = { most, most };
    return setrlimit(what, &r) == 0;
}

static bool limits(void)
{
    /* The main thread's stack grows up to the limit as it is when it grows. */
    bool ok = limit(RLIMIT_STACK, PARSER_STACK) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
              limit(RLIMIT_NOFILE, 8) && limit(RLIMIT_NPROC, 0);
#ifndef SANITIZED /* a sanitizer reserves terabytes of address space */
    ok = ok && limit(RLIMIT_AS, (rlim_t)1024 * 1024 * 1024);
#endif
    return ok;
}

/* libpg_query catches what PostgreSQL's code prints with a pipe of its own around each parse: hence pipe, dup,
 * fcntl, close. None of them reaches anything outside. */
static bool system_calls(void)
{
    static const int allowed[] = {
        SCMP_SYS(read),   SCMP_SYS(write),    SCMP_SYS(exit),         SCMP_SYS(exit_group), SCMP_SYS(brk),
        SCMP_SYS(munmap), SCMP_SYS(mremap),   SCMP_SYS(madvise),      SCMP_SYS(futex),      SCMP_SYS(rt_sigreturn),
        SCMP_SYS(pipe),   SCMP_SYS(pipe2),    SCMP_SYS(dup),          SCMP_SYS(dup2),       SCMP_SYS(dup3),
        SCMP_SYS(fcntl),  SCMP_SYS(close),    SCMP_SYS(restart_syscall),
#ifdef SANITIZED
        SCMP_SYS(mprotect), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigaltstack),
        SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime),
#endif
    };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f)
        return false;
    bool ok = true;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        ok &= seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    /* memory, but none that can be executed */
    ok &= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0)) == 0;
    ok = ok && seccomp_load(f) == 0;
    seccomp_release(f);
    return ok;
}

bool parser_confine(void)
{
    phi_no_core();
    for (int fd = 1; fd < 8; fd++)
        close(fd);
    return limits() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && system_calls();
}
