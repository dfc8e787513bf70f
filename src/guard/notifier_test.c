/* A command runs with what was configured and what it is given, and with nothing else; one that hangs is killed with its children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"
#include "guard/notifier.h"

static char dir[64];

struct fixture {
    struct net_loop *loop;
    struct guard_notifier *n;
    char why[200];
    bool ok, done;
};

static void ended(const char *why, void *ctx)
{
    struct fixture *f = ctx;
    snprintf(f->why, sizeof f->why, "%s", why ? why : "");
    f->ok = why == NULL;
    f->done = true;
}

static void run(struct fixture *f, const char *name, struct phi_view input)
{
    struct phi_err err = { 0 };
    f->done = false;
    assert_int_equal(guard_notifier_run(f->n, name, input, ended, f, &err), PHI_OK);
    while (!f->done)
        net_loop_once(f->loop);
}

static int start(void **state)
{
    static struct fixture f;
    static char script[4][400];
    struct guard_notifier_conf conf = { .n = 4 };
    static const char *const names[] = { "keep", "fail", "die", "look" };
    snprintf(dir, sizeof dir, "/tmp/phi-notifier-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(script[0], sizeof script[0], "cat > %s/got", dir);
    snprintf(script[1], sizeof script[1], "exit 3");
    snprintf(script[2], sizeof script[2], "kill -9 $$");
    snprintf(script[3], sizeof script[3], "{ env; pwd; ls /proc/self/fd; ulimit -c; cat /proc/self/status; } > %s/seen", dir);
    for (size_t i = 0; i < conf.n; i++)
        conf.command[i] = (struct guard_command){ names[i], { "/bin/sh", "-c", script[i], NULL } };
    setenv("PHI_CANARY", "s3cret", 1);
    f = (struct fixture){ 0 };
    if (guard_notifier_spawn(&conf, &f.n, NULL) != PHI_OK || net_loop_open(&f.loop, NULL) != PHI_OK ||
        guard_notifier_bind(f.n, f.loop, NULL) != PHI_OK)
        return -1;
    *state = &f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;
    char path[100];
    guard_notifier_close(f->n);
    net_loop_close(f->loop);
    static const char *const files[] = { "got", "seen" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static void read_back(const char *name, struct phi_buf *ret)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(phi_file_read(path, 64 * 1024, ret, NULL), PHI_OK);
}

static void it_reads_what_it_is_given(void **state)
{
    struct fixture *f = *state;
    PHI_BUF(got, 64 * 1024);
    run(f, "keep", PHI_LIT("{\"type\":\"$(id); `id`\"}\n"));
    assert_true(f->ok);
    read_back("got", &got);
    assert_true(phi_view_is(phi_buf_view(&got), "{\"type\":\"$(id); `id`\"}\n"));
}

static void how_it_ended_is_said(void **state)
{
    struct fixture *f = *state;
    run(f, "fail", PHI_LIT("{}"));
    assert_false(f->ok);
    assert_string_equal(f->why, "the command ended with 3");
    run(f, "die", PHI_LIT("{}"));
    assert_string_equal(f->why, "the command was ended by signal 9");
}

static void nothing_of_phids_reaches_it(void **state)
{
    struct fixture *f = *state;
    PHI_BUF(seen, 64 * 1024);
    run(f, "look", PHI_LIT("{}"));
    assert_true(f->ok);
    read_back("seen", &seen);
    const char *text = phi_buf_str(&seen);
    assert_null(strstr(text, "PHI_CANARY"));
    assert_null(strstr(text, "\n7\n")); /* 0 to 2, the folder that ls reads, and what the shell opened */
    assert_non_null(strstr(text, "\n/\n"));
    assert_non_null(strstr(text, "NoNewPrivs:\t1"));
}

static void only_what_is_configured_runs(void **state)
{
    struct fixture *f = *state;
    struct guard_notifier *n = NULL;
    struct guard_notifier_conf conf = { .n = 1, .command = { { "bad", { "true", NULL } } } };
    assert_int_equal(guard_notifier_run(f->n, "/bin/sh", PHI_LIT("{}"), ended, f, NULL), PHI_EINPUT);
    assert_int_equal(guard_notifier_spawn(&conf, &n, NULL), PHI_EINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_reads_what_it_is_given, start, stop),
        cmocka_unit_test_setup_teardown(how_it_ended_is_said, start, stop),
        cmocka_unit_test_setup_teardown(nothing_of_phids_reaches_it, start, stop),
        cmocka_unit_test_setup_teardown(only_what_is_configured_runs, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
