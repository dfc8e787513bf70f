#include "api/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"

static char dir[64], path[256];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(phi_file_write(in_dir(name), phi_view_of(text), 0644, NULL), PHI_OK);
}

static int dir_make(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/phi-web-XXXXXX");
    if (!mkdtemp(dir) || mkdir(in_dir("assets"), 0755) != 0)
        return -1;
    put("index.html", "<!doctype html>");
    put("assets/app.js", "1;");
    put(".secret", "no");
    return symlink("/etc/passwd", in_dir("passwd.txt"));
}

static int dir_drop(void **state)
{
    (void)state;
    static const char *const names[] = { "index.html", "assets/app.js", ".secret", "passwd.txt" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_dir(names[i]));
    rmdir(in_dir("assets"));
    return rmdir(dir);
}

static const struct api_file *find(const struct api_files *f, const char *p)
{
    return api_files_find(f, phi_view_of(p));
}

static void files_are_found_with_their_types(void **state)
{
    (void)state;
    struct api_files *f;
    assert_int_equal(api_files_open(dir, &f, NULL), PHI_OK);
    assert_int_equal(api_files_count(f), 2);
    assert_string_equal(find(f, "/")->type, "text/html; charset=utf-8");
    assert_ptr_equal(find(f, "/"), find(f, "/r/K7Q-4MX"));
    assert_string_equal(find(f, "/assets/app.js")->type, "text/javascript; charset=utf-8");
    assert_true(phi_view_is(find(f, "/assets/app.js")->body, "1;"));
    assert_string_not_equal(find(f, "/")->etag, find(f, "/assets/app.js")->etag);
    api_files_close(f);
}

static void nothing_else_is_reached(void **state)
{
    (void)state;
    struct api_files *f;
    static const char *const paths[] = { "/../index.html",
                                         "/assets/../index.html",
                                         "/.secret",
                                         "/passwd.txt",
                                         "/assets",
                                         "/assets/",
                                         "//index.html",
                                         "/%2e%2e/x",
                                         "",
                                         "index.html",
                                         "/r/" };
    assert_int_equal(api_files_open(dir, &f, NULL), PHI_OK);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_null(find(f, paths[i]));
    api_files_close(f);
}

static void a_later_change_is_not_served(void **state)
{
    (void)state;
    struct api_files *f;
    assert_int_equal(api_files_open(dir, &f, NULL), PHI_OK);
    put("index.html", "changed");
    assert_true(phi_view_is(find(f, "/")->body, "<!doctype html>"));
    api_files_close(f);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct api_files *f = NULL;
    assert_int_not_equal(api_files_open("/nowhere/at/all", &f, NULL), PHI_OK);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, dir_make, dir_drop)
    const struct CMUnitTest tests[] = {
        T(files_are_found_with_their_types),
        T(nothing_else_is_reached),
        T(a_later_change_is_not_served),
        T(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
