/* phid: the server. Parses its arguments and hands over. */
#include <stdio.h>
#include <string.h>

#include "api/route.h"
#include "base/logline.h"
#include "base/os.h"
#include "bin/phid.h"

static const char usage[] = "usage: phid --config FILE [--check-config]\n"
                            "       phid --config FILE bootstrap --admin NAME   first start: makes "
                            "the first administrator, prints a one-time link\n"
                            "       phid --config FILE link NAME                a one-time link for "
                            "who is locked out; only while phid does not serve\n"
                            "       phid --config FILE backup DIR               a copy of everything but the log's key, also while phid serves\n"
                            "       phid --config FILE restore DIR              a backup into an empty data folder: the log begins anew, every right has ended\n"
                            "       phid --config FILE rotate-log-key           the phid that serves gives its log a new key\n"
                            "       phid --config FILE signer               signs the log's heads for the phid at standard input\n"
                            "       phid openapi | errors | config              the API's "
                            "description, the pages of its errors and of phid.yaml\n"
                            "       phid --version\n";

struct args {
    const char *config, *command, *admin, *name;
    bool check, version, help;
};

int phid_fail(const struct phi_err *err)
{
    fprintf(stderr, "phid: %s\n", err->msg);
    return 1;
}

static bool takes_name(const char *command)
{
    return strcmp(command, "link") == 0 || strcmp(command, "backup") == 0 || strcmp(command, "restore") == 0;
}

static bool args_read(int argc, char **argv, struct args *ret)
{
    for (int i = 1; i < argc; i++) {
        const char **takes = strcmp(argv[i], "--config") == 0  ? &ret->config
                             : strcmp(argv[i], "--admin") == 0 ? &ret->admin
                                                               : NULL;
        if (takes && i + 1 < argc)
            *takes = argv[++i];
        else if (strcmp(argv[i], "--check-config") == 0)
            ret->check = true;
        else if (strcmp(argv[i], "--version") == 0)
            ret->version = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            ret->help = true;
        else if (argv[i][0] != '-' && !ret->command)
            ret->command = argv[i];
        else if (argv[i][0] != '-' && !ret->name && takes_name(ret->command))
            ret->name = argv[i];
        else
            return false;
    }
    return true;
}

static int page_print(void (*write)(struct phi_buf *))
{
    PHI_BUF(out, 4 * 1024 * 1024);
    write(&out);
    if (!phi_buf_ok(&out) || fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
        return 1;
    return 0;
}

static int usage_say(FILE *to, int code)
{
    fputs(usage, to);
    return code;
}

static int config_run(const struct args *a)
{
    struct phi_err err = { 0 };
    struct phid_config config;
    PHI_ARENA(arena, 1024 * 1024);
    if (!a->config)
        return usage_say(stderr, 2);
    if (phid_config_read(&arena, a->config, &config, &err) != PHI_OK)
        return phid_fail(&err);
    if (a->check)
        return phid_check(&config, &err) != PHI_OK ? phid_fail(&err) : puts("phid.yaml is well formed") < 0;
    if (!a->command)
        return a->admin ? usage_say(stderr, 2) : phid_serve(&config);
    if (strcmp(a->command, "signer") == 0 && !a->admin)
        return phid_signer(&config);
    if (strcmp(a->command, "rotate-log-key") == 0 && !a->admin)
        return phid_rotate(&config);
    if (strcmp(a->command, "bootstrap") == 0 && a->admin)
        return phid_bootstrap(&config, a->admin);
    if (strcmp(a->command, "link") == 0 && a->name && !a->admin)
        return phid_link(&config, a->name);
    if (strcmp(a->command, "backup") == 0 && a->name && !a->admin)
        return phid_backup(&config, a->name);
    if (strcmp(a->command, "restore") == 0 && a->name && !a->admin)
        return phid_restore(&config, a->name);
    return usage_say(stderr, 2);
}

int main(int argc, char **argv)
{
    struct args a = { 0 };
    phi_log_setup("phid", PHI_LOG_INFO);
    phi_no_core();
    if (!args_read(argc, argv, &a))
        return usage_say(stderr, 2);
    if (a.help)
        return usage_say(stdout, 0);
    if (a.version)
        return puts("phid " PHI_VERSION) < 0;
    if (a.command && strcmp(a.command, "openapi") == 0)
        return page_print(api_openapi);
    if (a.command && strcmp(a.command, "errors") == 0)
        return page_print(api_problem_page);
    if (a.command && strcmp(a.command, "config") == 0)
        return page_print(phid_config_page);
    return config_run(&a);
}
