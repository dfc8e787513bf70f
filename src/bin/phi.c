/* phi: the command line. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "bin/phi.h"
#include "net/http.h"

#define MEMORY (256u << 20)

int cli_do_version(struct cli *c)
{
    if (cli_has(c, OPT_JSON))
        cli_put(c, "{\"version\":\"" PHI_VERSION "\"}\n");
    else
        cli_put(c, "phi (just-in-time approval) " PHI_VERSION "\n");
    return CLI_DONE;
}

static int help(struct cli *c, const struct cli_cmd *m)
{
    cli_help(&c->out, m);
    return CLI_DONE;
}

static int run(struct cli *c, int argc, char **argv)
{
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")))
        return help(c, NULL);
    if (argc == 2 && !strcmp(argv[1], "--version"))
        return cli_do_version(c);
    int rc = cli_parse(c, argc, argv);
    if (rc)
        return rc;
    return cli_has(c, OPT_HELP) ? help(c, c->cmd) : c->cmd->run(c);
}

int main(int argc, char **argv)
{
    static struct cli c;
    phi_no_core(); /* it holds a token, and for a moment a password */
    phi_arena_init(&c.arena, MEMORY);
    phi_buf_init(&c.out, 64u << 20);
    int rc = run(&c, argc, argv);
    cli_flush(&c);
    if (c.server)
        net_http_close(c.server);
    client_close(c.client);
    net_loop_close(c.loop);
    if (c.token)
        phi_wipe(c.token, strlen(c.token));
    phi_buf_done(&c.out);
    phi_arena_done(&c.arena);
    return rc;
}
