#include "faults.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(ret, name, ...)                                                                                           \
    static ret (*real)(__VA_ARGS__);                                                                                   \
    if (!real)                                                                                                         \
        *(void **)(void *)&real = dlsym(RTLD_NEXT, name)

static bool armed;
static uint64_t seen, die_at;
static enum fault_how die_how;

struct change { /* what a write that no sync has followed has replaced */
    int fd;
    off_t at, size; /* where, and how long the file was */
    size_t n;       /* bytes of `old` */
    char *old;
    bool cut;       /* it was a truncation */
};
#define CHANGES_MAX 8192
static struct change changes[CHANGES_MAX];
static size_t n_changes;

/* Under the names of the C library, both widths: off_t has 64 bits in either here. */
ssize_t faults_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t faults_pwrite64(int fd, const void *p, size_t n, off_t at) __asm__("pwrite64");
int faults_ftruncate(int fd, off_t size) __asm__("ftruncate");
int faults_ftruncate64(int fd, off_t size) __asm__("ftruncate64");

static ssize_t pwrite_real(int fd, const void *p, size_t n, off_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return real(fd, p, n, at);
}

static int ftruncate_real(int fd, off_t size)
{
    REAL(int, "ftruncate64", int, off_t);
    return real(fd, size);
}

static void undo(void)
{
    uint64_t dice = die_at * 0x9e3779b97f4a7c15ULL;
    for (size_t i = n_changes; i-- > 0;) {
        struct change *c = &changes[i];
        dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
        if (die_how == FAULT_MIXED && (dice >> 40 & 1))
            continue;
        if (c->n && pwrite_real(c->fd, c->old, c->n, c->at) < 0)
            abort();
        if (die_how == FAULT_POWER && ftruncate_real(c->fd, c->size) != 0)
            abort();
    }
}

static void die(void)
{
    if (die_how == FAULT_POWER || die_how == FAULT_MIXED)
        undo();
    kill(getpid(), SIGKILL);
}

/* Counts one call; true: this is the last. */
static bool last(void)
{
    return armed && ++seen == die_at;
}

static bool is_file(int fd, struct stat *st)
{
    return armed && fd > 2 && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

static void remember(int fd, off_t at, size_t n, const struct stat *st, bool cut)
{
    if (die_how < FAULT_POWER || die_at == 0 || n_changes == CHANGES_MAX)
        return;
    struct change *c = &changes[n_changes++];
    *c = (struct change){ .fd = fd, .at = at, .size = st->st_size, .cut = cut };
    c->n = at < st->st_size ? (size_t)(st->st_size - at) : 0;
    if (c->n > n && !cut)
        c->n = n;
    c->old = malloc(c->n + 1);
    if (!c->old || pread(fd, c->old, c->n, at) != (ssize_t)c->n)
        abort();
}

static void synced(int fd)
{
    size_t to = 0;
    for (size_t i = 0; i < n_changes; i++) {
        if (changes[i].fd == fd)
            free(changes[i].old);
        else
            changes[to++] = changes[i];
    }
    n_changes = to;
}

static ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at)
{
    struct stat st;
    if (is_file(fd, &st)) {
        if (last()) {
            if (die_how == FAULT_TORN)
                pwrite_real(fd, p, n / 2, at);
            die();
        }
        remember(fd, at, n, &st, false);
    }
    return pwrite_real(fd, p, n, at);
}

ssize_t faults_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return counted_pwrite(fd, p, n, at);
}

ssize_t faults_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return counted_pwrite(fd, p, n, at);
}

static int counted_ftruncate(int fd, off_t size)
{
    struct stat st;
    if (is_file(fd, &st)) {
        if (last())
            die();
        remember(fd, size, 0, &st, true);
    }
    return ftruncate_real(fd, size);
}

int faults_ftruncate64(int fd, off_t size)
{
    return counted_ftruncate(fd, size);
}

int faults_ftruncate(int fd, off_t size)
{
    return counted_ftruncate(fd, size);
}

int fsync(int fd)
{
    REAL(int, "fsync", int);
    struct stat st;
    if (is_file(fd, &st) && last())
        die();
    int rc = real(fd);
    synced(fd);
    return rc;
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    struct stat st;
    if (is_file(fd, &st) && last())
        die();
    int rc = real(fd);
    synced(fd);
    return rc;
}

/* libpq's writes to the server. */
ssize_t send(int fd, const void *p, size_t n, int flags)
{
    REAL(ssize_t, "send", int, const void *, size_t, int);
    if (last()) {
        if (die_how == FAULT_TORN)
            real(fd, p, n / 2, flags);
        die();
    }
    return real(fd, p, n, flags);
}

void faults_arm(uint64_t k, enum fault_how how)
{
    seen = 0;
    die_at = k;
    die_how = how;
    armed = true;
}

uint64_t faults_seen(void)
{
    return seen;
}
