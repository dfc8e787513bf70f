/* approve and deny: a vote goes out with the digest of what was shown, and with no other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bin/phi.h"

static enum phi_rc narrowing(struct cli *c, struct phi_jw *w, struct phi_err *err)
{
    if (!cli_has(c, OPT_FOR) && !cli_has(c, OPT_USES) && !cli_has(c, OPT_FROM) && !cli_has(c, OPT_TO) && !cli_has(c, OPT_BUDGET))
        return PHI_OK;
    phi_jw_key(w, "narrowing");
    phi_jw_obj(w);
    PHI_TRY(cli_bounds_json(c, w, true, err));
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc vote_body(struct cli *c, const char *decision, const struct phi_json *r, struct phi_buf *b,
                             struct phi_err *err)
{
    struct phi_jw w;
    phi_jw_init(&w, b);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "decision", decision);
    phi_jw_kv(&w, "digest", phi_json_text(r, "digest"));
    phi_jw_ki(&w, "version", phi_json_num(r, "version", 0));
    if (cli_has(c, OPT_REQUIREMENT))
        phi_jw_kc(&w, "requirement", cli_opt(c, OPT_REQUIREMENT));
    if (cli_has(c, OPT_WHY))
        phi_jw_kc(&w, "reason", cli_opt(c, OPT_WHY));
    PHI_TRY(narrowing(c, &w, err));
    phi_jw_end(&w);
    return PHI_OK;
}

static bool yes(void)
{
    char answer[16] = "";
    fputs("Approve exactly this? [y/N] ", stdout);
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) && (!strcmp(answer, "y\n") || !strcmp(answer, "yes\n"));
}

/* What stands between the request and an approval. CLI_DONE: go on. */
static int sure(struct cli *c, const struct phi_json *r)
{
    struct phi_err err = { 0 };
    const char *digest = cli_opt(c, OPT_DIGEST);
    if (digest && !phi_view_is(phi_json_text(r, "digest"), digest)) {
        phi_fail(&err, PHI_ECONFLICT, "the request is not the one with that digest: look at it again with `phi show %s`", c->arg[0]);
        return cli_err(&err);
    }
    if (cli_request_check(c, r, &err) != PHI_OK)
        return cli_err(&err);
    if (!cli_tty() || cli_has(c, OPT_YES))
        return CLI_DONE; /* with --digest: cli_do_approve saw to it */
    cli_request_show(c, r);
    cli_flush(c);
    if (yes())
        return CLI_DONE;
    cli_put(c, "Nothing was sent.\n");
    return CLI_ERROR;
}

static int vote(struct cli *c, const char *decision, bool ask)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    PHI_BUF(path, 1024);
    PHI_BUF(body, 64 * 1024);
    cli_which_path(&path, "requests", c->arg[0], "");
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", phi_buf_str(&path), NULL, &r)))
        return rc;
    const char *digest = cli_opt(c, OPT_DIGEST);
    if (ask)
        rc = sure(c, r.json);
    else if (digest && !phi_view_is(phi_json_text(r.json, "digest"), digest))
        rc = cli_usage(c, "the request has another digest than ", digest);
    if (rc)
        return rc;
    if (vote_body(c, decision, r.json, &body, &err) != PHI_OK)
        return cli_usage(c, err.msg, NULL);
    phi_buf_adds(&path, "/votes");
    if ((rc = cli_call(c, "POST", phi_buf_str(&path), &body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    cli_put(c, ask ? "Approved. " : "Denied. ");
    cli_esc(c, phi_json_text(r.json, "code"));
    cli_put(c, " is ");
    cli_esc(c, phi_json_text(r.json, "status"));
    cli_put(c, ".\n");
    return CLI_DONE;
}

int cli_do_approve(struct cli *c)
{
    if (cli_has(c, OPT_YES) && !cli_has(c, OPT_DIGEST))
        return cli_usage(c, "--yes needs --digest: nobody approves what they did not see", NULL);
    if (!cli_tty() && !cli_has(c, OPT_DIGEST))
        return cli_usage(c, "without a terminal --digest is needed (`phi show CODE --json` has it)", NULL);
    return vote(c, "approve", true);
}

int cli_do_deny(struct cli *c)
{
    return vote(c, "deny", false);
}
