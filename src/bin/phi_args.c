/* Arguments: noun, verb, options in any place, operands; and the help that the table gives. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bin/phi.h"

#define EVERYBODY (OB(JSON) | OB(HELP))

bool cli_has(const struct cli *c, enum cli_opt o)
{
    return c->n_opt[o] > 0;
}

const char *cli_opt(const struct cli *c, enum cli_opt o)
{
    return c->n_opt[o] ? c->opt[o][c->n_opt[o] - 1] : NULL;
}

static void say(const char *text) /* an argument, made safe to show */
{
    PHI_BUF(b, 4096);
    phi_text_escape(&b, phi_view_of(text), false);
    fputs(phi_buf_str(&b), stderr);
}

int cli_usage(const struct cli *c, const char *what, const char *which)
{
    fprintf(stderr, "phi: %s", what);
    if (which)
        say(which);
    if (c->cmd)
        fprintf(stderr, "\nUse `phi %s%s%s --help`.\n", c->cmd->noun, c->cmd->verb ? " " : "", c->cmd->verb ? c->cmd->verb : "");
    else
        fputs("\nUse `phi --help`.\n", stderr);
    return CLI_USAGE;
}

/* ---- finding the command ---- */

static const struct cli_cmd *find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < cli_cmds_n; i++) {
        const struct cli_cmd *m = &cli_cmds[i];
        if (!strcmp(m->noun, noun) && (verb ? m->verb && !strcmp(m->verb, verb) : !m->verb))
            return m;
    }
    return NULL;
}

static bool is_noun(const char *word)
{
    for (size_t i = 0; i < cli_cmds_n; i++)
        if (!strcmp(cli_cmds[i].noun, word))
            return true;
    return false;
}

/* How many words name the command: 0 when none does. */
static int choose(struct cli *c, int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '-' && (c->cmd = find(argv[0], argv[1])))
        return 2;
    c->cmd = find(argv[0], NULL);
    return c->cmd ? 1 : 0;
}

/* ---- options ---- */

static enum cli_opt by_name(const char *name, size_t n)
{
    for (int o = 0; o < OPT_N; o++)
        if (strlen(cli_opts[o].name) == n && !strncmp(cli_opts[o].name, name, n))
            return (enum cli_opt)o;
    return OPT_N;
}

static enum cli_opt by_letter(char letter)
{
    for (int o = 0; o < OPT_N; o++)
        if (cli_opts[o].letter && cli_opts[o].letter == letter)
            return (enum cli_opt)o;
    return OPT_N;
}

static int take(struct cli *c, enum cli_opt o, const char *word, const char *value, int *i, int argc, char **argv)
{
    if (o == OPT_N || !((c->cmd->opts | EVERYBODY) & (UINT64_C(1) << o)))
        return cli_usage(c, "there is no option ", word);
    if (cli_opts[o].value && !value) {
        if (*i + 1 >= argc)
            return cli_usage(c, "an option lacks its value: ", word);
        value = argv[++*i];
    } else if (!cli_opts[o].value && value) {
        return cli_usage(c, "an option takes no value: ", word);
    }
    if (c->n_opt[o] == CLI_VALUES_MAX)
        return cli_usage(c, "an option was given too often: ", word);
    c->opt[o][c->n_opt[o]++] = value ? value : "";
    return CLI_DONE;
}

static int word(struct cli *c, int *i, int argc, char **argv)
{
    const char *w = argv[*i];
    if (w[0] == '-' && w[1] == '-') {
        const char *eq = strchr(w, '=');
        size_t n = eq ? (size_t)(eq - w) - 2 : strlen(w + 2);
        return take(c, by_name(w + 2, n), w, eq ? eq + 1 : NULL, i, argc, argv);
    }
    if (w[0] == '-' && w[1])
        return take(c, by_letter(w[1]), w, w[2] ? w + 2 : NULL, i, argc, argv);
    if (c->n_args == CLI_ARGS_MAX)
        return cli_usage(c, "too many arguments", NULL);
    c->arg[c->n_args++] = w;
    return CLI_DONE;
}

/* One letter is another, missing, too many, or two have changed places. */
static bool near(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), i = 0, k = 0;
    while (i < n && i < m && a[i] == b[i])
        i++;
    while (k < n - i && k < m - i && a[n - 1 - k] == b[m - 1 - k])
        k++;
    size_t x = n - i - k, y = m - i - k; /* what differs */
    bool swapped = x == 2 && y == 2 && a[i] == b[i + 1] && a[i + 1] == b[i];
    return n > 2 && ((x <= 1 && y <= 1) || swapped);
}

static int unknown(struct cli *c, const char *word)
{
    static char what[160];
    for (size_t i = 0; i < cli_cmds_n; i++)
        if (near(word, cli_cmds[i].noun)) {
            snprintf(what, sizeof what, "%.60s; did you mean %s?", word, cli_cmds[i].noun);
            return cli_usage(c, "there is no command ", what);
        }
    return cli_usage(c, "there is no command ", word);
}

int cli_parse(struct cli *c, int argc, char **argv)
{
    int i = argc > 1 ? choose(c, argc - 1, argv + 1) : 0;
    if (!i) {
        if (argc > 1 && is_noun(argv[1]))
            return cli_usage(c, "which of its commands? ", argv[1]);
        return argc > 1 ? unknown(c, argv[1]) : cli_usage(c, "which command?", NULL);
    }
    for (i++; i < argc; i++) {
        if (!strcmp(argv[i], "--") && c->cmd->rest) {
            c->rest = argv + i + 1;
            break;
        }
        int rc = word(c, &i, argc, argv);
        if (rc)
            return rc;
    }
    if (cli_has(c, OPT_HELP))
        return CLI_DONE;
    if (c->n_args < c->cmd->min)
        return cli_usage(c, "an argument is missing: ", c->cmd->args);
    if (c->n_args > c->cmd->max)
        return cli_usage(c, "one argument too many: ", c->arg[c->cmd->max]);
    return CLI_DONE;
}

/* ---- help ---- */

static void usage_line(struct phi_buf *b, const struct cli_cmd *m)
{
    phi_buf_printf(b, "phi %s%s%s%s%s", m->noun, m->verb ? " " : "", m->verb ? m->verb : "", m->args[0] ? " " : "", m->args);
}

static void help_all(struct phi_buf *b)
{
    phi_buf_adds(b, "phi: just-in-time approval in front of sensitive actions\n\n");
    for (size_t i = 0; i < cli_cmds_n; i++) {
        PHI_BUF(line, 256);
        if (i && !cli_cmds[i].verb && cli_cmds_n > i + 1 && cli_cmds[i + 1].verb && !strcmp(cli_cmds[i].noun, cli_cmds[i + 1].noun))
            continue; /* the noun alone is its `list`, which stands next */
        usage_line(&line, &cli_cmds[i]);
        phi_buf_printf(b, "  %-36s %s\n", phi_buf_str(&line), cli_cmds[i].text);
    }
    phi_buf_adds(b, "\nEvery command takes --json and --help.\n"
                    "Exit codes: 0 done, 1 error, 2 usage, 3 denied, 4 expired, 5 still pending, 6 server unreachable.\n"
                    "Environment: PHI_URL, PHI_CONFIG_DIR (~/.config/phi), PHI_TOKEN, PHI_CA (PEM file for https), PHI_DEVICE (PEM file: this machine's certificate and key).\n");
}

void cli_help(struct phi_buf *b, const struct cli_cmd *m)
{
    if (!m) {
        help_all(b);
        return;
    }
    usage_line(b, m);
    phi_buf_printf(b, "\n  %s.\n\n", m->text);
    for (int o = 0; o < OPT_N; o++) {
        const struct cli_opt_row *r = &cli_opts[o];
        if (!((m->opts | EVERYBODY) & (UINT64_C(1) << o)))
            continue;
        PHI_BUF(left, 128);
        if (r->letter)
            phi_buf_printf(&left, "-%c, ", r->letter);
        phi_buf_printf(&left, "--%s%s%s", r->name, r->value ? " " : "", r->value ? r->value : "");
        phi_buf_printf(b, "  %-24s %s\n", phi_buf_str(&left), r->text);
    }
}

int cli_when(struct cli *c, enum cli_opt o, int64_t otherwise, int64_t *ret)
{
    const char *text = cli_opt(c, o);
    char whole[64];
    *ret = otherwise;
    if (!text)
        return CLI_DONE;
    snprintf(whole, sizeof whole, "%s%s", text, strlen(text) == 10 ? "T00:00:00.000Z" : "");
    return phi_text_time_read(phi_view_of(whole), ret) ? CLI_DONE : cli_usage(c, "this is no day (2026-01-31) and no time: ", text);
}
