#include "base/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/view.h"

bool phi_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof at.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(at.sun_path, path, n);
    if (path[0] == '@') /* an abstract name */
        at.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    size_t len = strlen(state);
    ssize_t sent = sendto(fd, state, len, MSG_NOSIGNAL, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
    return sent == (ssize_t)len;
}

static int64_t number(const char *name)
{
    const char *text = getenv(name);
    int64_t ret = 0;
    return text && phi_view_int(phi_view_of(text), &ret) && ret > 0 ? ret : 0;
}

int64_t phi_notify_every_ms(void)
{
    int64_t pid = number("WATCHDOG_PID");
    if (!getenv("NOTIFY_SOCKET") || (pid && pid != getpid()))
        return 0;
    int64_t ms = number("WATCHDOG_USEC") / 2000;
    return ms > 0 && ms < 3600000 ? ms : 0;
}
