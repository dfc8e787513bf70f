#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"

static int64_t clock_ms(clockid_t id)
{
    struct timespec t = { 0 };
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t phi_now_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t phi_now_boot_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

static void fd_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
#define FD __attribute__((cleanup(fd_close))) int

static enum phi_rc read_all(int fd, const char *path, size_t max, struct phi_buf *ret, struct phi_err *err)
{
    size_t sum = 0;
    for (;;) {
        uint8_t chunk[16384];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return phi_fail(err, PHI_EIO, "%s cannot be read: %s", path, strerror(errno));
        if (n == 0)
            return PHI_OK;
        sum += (size_t)n;
        phi_buf_add(ret, phi_view_mem(chunk, (size_t)n));
        phi_wipe(chunk, sizeof(chunk));
        if (sum > max || !phi_buf_ok(ret))
            return phi_fail(err, PHI_ELIMIT, "%s is larger than %zu bytes", path, max);
    }
}

/* "credential:NAME" is a file that the supervisor hands to this process alone (systemd's LoadCredential=). It may show
 * a group's bit there, which is the mask of the ACL that names our user. */
static bool is_credential(const char *path)
{
    return strncmp(path, "credential:", 11) == 0;
}

static enum phi_rc credential_path(const char *path, char ret[4096], struct phi_err *err)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY"), *name = path + 11;
    if (!dir || !dir[0])
        return phi_fail(err, PHI_ENOTFOUND, "%s: no supervisor has handed over credentials; LoadCredential=%s:FILE in the unit does", path, name);
    if (!name[0] || strchr(name, '/') || name[0] == '.')
        return phi_fail(err, PHI_EINPUT, "%s: a credential's name has no '/' and does not begin with '.'", path);
    if (snprintf(ret, 4096, "%s/%s", dir, name) >= 4096)
        return phi_fail(err, PHI_ELIMIT, "%s: the path is too long", path);
    return PHI_OK;
}

static enum phi_rc file_read(const char *path, size_t max, bool secret, struct phi_buf *ret, struct phi_err *err)
{
    char credential[4096];
    mode_t loose = is_credential(path) ? 037 : 077;
    if (is_credential(path)) {
        PHI_TRY(credential_path(path, credential, err));
        path = credential;
    }
    FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0)
        return phi_fail(err, errno == ENOENT ? PHI_ENOTFOUND : PHI_EIO, "%s: %s", path, strerror(errno));
    if (secret && (fstat(fd, &st) != 0 || (st.st_mode & loose)))
        return phi_fail(err, PHI_EINPUT, "%s holds a secret and others can read or write it: chmod 600 %s", path, path);
    return read_all(fd, path, max, ret, err);
}

enum phi_rc phi_file_read(const char *path, size_t max, struct phi_buf *ret, struct phi_err *err)
{
    return file_read(path, max, false, ret, err);
}

enum phi_rc phi_file_read_secret(const char *path, size_t max, struct phi_buf *ret, struct phi_err *err)
{
    return file_read(path, max, true, ret, err);
}

static bool write_all(int fd, struct phi_view v)
{
    while (v.n) {
        ssize_t n = write(fd, v.p, v.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        v = phi_view_from(v, (size_t)n);
    }
    return true;
}

static bool sync_folder_of(const char *path)
{
    char copy[4096];
    if (strlen(path) >= sizeof(copy))
        return false;
    memcpy(copy, path, strlen(path) + 1);
    FD fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

enum phi_rc phi_file_write(const char *path, struct phi_view content, unsigned mode, struct phi_err *err)
{
    char tmp[4096];
    int n = snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof(tmp))
        return phi_fail(err, PHI_ELIMIT, "the path is too long: %s", path);
    (void)unlink(tmp); /* left by a crash: a new file gets `mode` from its first byte on */
    FD fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0 || fchmod(fd, (mode_t)mode) != 0 || !write_all(fd, content) || fsync(fd) != 0 ||
        rename(tmp, path) != 0 || !sync_folder_of(path))
        return phi_fail(err, PHI_EIO, "%s cannot be written: %s", path, strerror(errno));
    return PHI_OK;
}

enum phi_rc phi_dir_make(const char *path, unsigned mode, struct phi_err *err)
{
    char part[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(part))
        return phi_fail(err, PHI_ELIMIT, "the path is empty or too long");
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        part[i] = 0;
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
            return phi_fail(err, PHI_EIO, "the folder %s cannot be made: %s", part, strerror(errno));
        part[i] = path[i];
    }
    return PHI_OK;
}

void phi_no_core(void)
{
    struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}
