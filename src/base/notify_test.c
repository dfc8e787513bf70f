#include "base/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void the_supervisor_hears(const char *name, size_t skip)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char got[64];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t n = strlen(name);
    memcpy(at.sun_path + skip, name + skip, n - skip);
    unlink(name);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_true(phi_notify("READY=1"));
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_memory_equal(got, "READY=1", 7);
    close(fd);
    unlink(name);
    assert_false(phi_notify("READY=1")); /* nobody is there any more */
}

static void by_path_and_by_abstract_name(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "%s/phi-notify-%d", P_tmpdir, (int)getpid());
    the_supervisor_hears(path, 0);
    snprintf(path, sizeof path, "@phi-notify-%d", (int)getpid());
    the_supervisor_hears(path, 1);
}

static void without_a_supervisor_nothing_fails(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    setenv("WATCHDOG_USEC", "3000000", 1);
    assert_false(phi_notify("READY=1"));
    assert_int_equal(phi_notify_every_ms(), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_false(phi_notify("READY=1"));
}

static void half_of_what_it_waits_for(void **state)
{
    char pid[32];
    (void)state;
    setenv("NOTIFY_SOCKET", "/nowhere", 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    unsetenv("WATCHDOG_PID");
    assert_int_equal(phi_notify_every_ms(), 15000);
    snprintf(pid, sizeof pid, "%d", (int)getpid() + 1); /* meant for another */
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(phi_notify_every_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(phi_notify_every_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_path_and_by_abstract_name),
        cmocka_unit_test(without_a_supervisor_nothing_fails),
        cmocka_unit_test(half_of_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
