/* What the API says to programs, said to somebody at a terminal: flags for members of JSON, commands for routes. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bin/phi.h"

#define OTHER_RELEASE "phi and its server may be of different releases: `phi version`, `phi doctor`."

/* Where the next step of a code is for programs. NULL: what the command takes. */
static const struct {
    const char *code, *words;
} instead[] = {
    { "input.invalid", NULL },
    { "input.json", OTHER_RELEASE },
    { "input.content-type", OTHER_RELEASE },
    { "input.not-json", OTHER_RELEASE },
    { "http.not-found", OTHER_RELEASE },
    { "http.method", OTHER_RELEASE },
    { "cursor.unknown", OTHER_RELEASE },
    { "precondition.unknown", OTHER_RELEASE },
    { "idempotency.mismatch", OTHER_RELEASE },
    { "denied", "" },
    { "bundle.invalid", "" },
    { "limit", "Wait, or ask for less." },
    { "policy.denied", "Ask a policy author." },
    { "request.not-approver", "`phi show CODE` names those who may." },
    { "request.changed", "Look at it again with `phi show CODE`, then vote." },
    { "login.refused", "Begin again with `phi login`, or ask an administrator." },
    { "passkey.refused", "Begin again on the server's own page." },
    { "provider.unknown", "`phi provider` lists them." },
    { "identity.unknown", "Ask an administrator to link your account." },
    { "identity.name", "Ask an administrator to link your account." },
    { "recovery.needed", "An operator asks for a recovery over the API; another one confirms it." },
    { "delegation.unknown", "`phi delegation` lists yours." },
    { "entity.unknown", "Check its name." },
    { "precondition.failed", "Look at what has changed, then do it again." },
    { "rights.lockout", "Give that right to somebody first." },
    { "right.needs-approval", OTHER_RELEASE },
    { "bundle.rights", "Take phi's own actions from the schema of `phi policy init`." },
};

static bool has(struct phi_view text, struct phi_view part)
{
    return text.n && memmem(text.p, text.n, part.p, part.n);
}

/* "for_ms" is --for, "on_behalf" --on-behalf, where the command has it. */
static const char *flag_of(const struct cli_cmd *m, struct phi_view name)
{
    char plain[32];
    if (name.n > 3 && phi_view_is(phi_view_from(name, name.n - 3), "_ms"))
        name.n -= 3;
    if (!m || name.n == 0 || name.n >= sizeof plain)
        return NULL;
    for (size_t i = 0; i < name.n; i++)
        plain[i] = name.p[i] == '_' ? '-' : (char)name.p[i];
    plain[name.n] = '\0';
    for (int o = 0; o < OPT_N; o++)
        if ((m->opts & (UINT64_C(1) << o)) && !strcmp(cli_opts[o].name, plain))
            return cli_opts[o].name;
    return NULL;
}

/* A member that the sentence begins with, quoted or not. */
static void add_detail(struct cli *c, struct phi_buf *b, struct phi_view detail)
{
    size_t q = detail.n && detail.p[0] == '"', n = q;
    while (n < detail.n && ((detail.p[n] >= 'a' && detail.p[n] <= 'z') || detail.p[n] == '_'))
        n++;
    const char *flag = flag_of(c->cmd, phi_view_from(phi_view_upto(detail, n), q));
    if (flag && n + q < detail.n && detail.p[n + q] == ' ' && (!q || detail.p[n] == '"')) {
        phi_buf_printf(b, "--%s", flag);
        detail = phi_view_from(detail, n + q);
    }
    phi_text_escape(b, detail, false);
}

static void add_help(struct cli *c, struct phi_buf *b)
{
    if (c->cmd)
        phi_buf_printf(b, "`phi %s%s%s --help` says what it takes.", c->cmd->noun, c->cmd->verb ? " " : "", c->cmd->verb ? c->cmd->verb : "");
}

static void add_next(struct cli *c, struct phi_buf *b, struct phi_view code, struct phi_view next)
{
    for (size_t i = 0; i < sizeof instead / sizeof *instead; i++)
        if (phi_view_is(code, instead[i].code)) {
            if (instead[i].words)
                phi_buf_adds(b, instead[i].words);
            else
                add_help(c, b);
            return;
        }
    phi_text_escape(b, next, false);
}

void cli_problem(struct cli *c, const struct phi_json *problem)
{
    struct phi_view detail = phi_json_text(problem, "detail"), code = phi_json_text(problem, "code");
    PHI_BUF(b, 8192);
    if (!detail.n)
        detail = phi_json_text(problem, "title");
    phi_buf_adds(&b, "phi: ");
    add_detail(c, &b, detail);
    if (code.n) {
        phi_buf_adds(&b, " (");
        phi_text_escape(&b, code, false);
        phi_buf_addc(&b, ')');
    }
    phi_buf_addc(&b, '\n');
    size_t said = b.n;
    if (!has(detail, PHI_LIT("`")) && !has(detail, PHI_LIT("ask a policy author"))) /* it names the next step itself */
        add_next(c, &b, code, phi_json_text(problem, "next"));
    if (b.n > said)
        phi_buf_addc(&b, '\n');
    fputs(phi_buf_str(&b), stderr);
}
