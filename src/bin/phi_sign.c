/* login, logout, whoami, status */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "bin/phi.h"

/* "http://host:8470/login/SECRET" to its origin and secret. */
static bool split_link(const char *link, char *origin, size_t n, struct phi_view *secret)
{
    const char *at = strstr(link, "/login/");
    if (!at || (size_t)(at - link) >= n)
        return false;
    snprintf(origin, n, "%.*s", (int)(at - link), link);
    *secret = phi_view_of(at + strlen("/login/"));
    return secret->n > 0 && !strpbrk(at + strlen("/login/"), "/?#");
}

enum phi_rc cli_session_keep(struct cli *c, struct phi_view token, struct phi_err *err)
{
    char path[640];
    PHI_BUF(b, 4096);
    PHI_TRY(phi_dir_make(c->dir, 0700, err));
    cli_path(c, path, sizeof path, "session");
    phi_buf_printf(&b, "%s\n" PHI_FMT "\n", c->origin, PHI_ARG(token));
    enum phi_rc rc = phi_file_write(path, phi_buf_view(&b), 0600, err);
    phi_buf_wipe(&b);
    return rc;
}

/* Before anything is used up: a link works once, and a session that cannot be kept is lost. */
static enum phi_rc place_ready(const struct cli *c, struct phi_err *err)
{
    PHI_TRY(phi_dir_make(c->dir, 0700, err));
    if (access(c->dir, W_OK | X_OK) != 0)
        return phi_fail(err, PHI_EIO, "%s cannot be written, so no session could be kept; set PHI_CONFIG_DIR to a folder of yours", c->dir);
    return PHI_OK;
}

int cli_do_login(struct cli *c)
{
    struct phi_err err = { 0 };
    struct client_url u;
    struct client_reply r;
    struct phi_view secret;
    char origin[320];
    struct phi_jw w;
    PHI_BUF(body, 4096);
    int rc = cli_url(c, &err);
    if (rc)
        return rc;
    if (place_ready(c, &err) != PHI_OK)
        return cli_err(&err);
    if (c->n_args == 0 || !strstr(c->arg[0], "/login/"))
        return cli_login_browser(c);
    if (!split_link(c->arg[0], origin, sizeof origin, &secret))
        return cli_usage(c, "this is no sign-in link (http…/login/…)", NULL);
    if (client_url_read(origin, false, &u, &err) != PHI_OK)
        return cli_err(&err);
    snprintf(c->origin, sizeof c->origin, "%s", u.origin);
    if ((rc = cli_open_at(c, c->origin, NULL)))
        return rc;
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "link", secret);
    phi_jw_end(&w);
    if ((rc = cli_call(c, "POST", "/v1/sessions", &body, &r)))
        return rc;
    if (cli_session_keep(c, phi_json_text(r.json, "token"), &err) != PHI_OK)
        return cli_err(&err);
    if (cli_has(c, OPT_JSON)) { /* without the token */
        cli_json(c, phi_json_get(r.json, "person"));
        return CLI_DONE;
    }
    cli_put(c, "Signed in as ");
    cli_esc(c, phi_json_text(phi_json_get(r.json, "person"), "name"));
    cli_put(c, " for ");
    cli_ms(c, phi_json_num(r.json, "expires_in_ms", 0));
    cli_put(c, ".\n");
    return CLI_DONE;
}

int cli_do_logout(struct cli *c)
{
    char path[640];
    struct client_reply r;
    int rc = cli_open(c);
    if (rc)
        return rc;
    rc = cli_call(c, "DELETE", "/v1/sessions/current", NULL, &r);
    if (rc == CLI_UNREACHABLE)
        return rc; /* the token stays, so that signing out can be repeated */
    cli_path(c, path, sizeof path, "session");
    unlink(path);
    if (!rc)
        cli_put(c, "Signed out.\n");
    return rc;
}

static void who(struct cli *c, const struct phi_json *v)
{
    const struct phi_json *p = phi_json_get(v, "person");
    cli_esc(c, phi_json_text(p, "name"));
    struct phi_view groups = cli_names(c, phi_json_get(p, "groups")), rights = cli_names(c, phi_json_get(v, "rights"));
    cli_put(c, " at ");
    cli_put(c, c->origin);
    cli_put(c, "\n");
    cli_line(c, "groups", groups);
    cli_line(c, "rights", rights);
}

int cli_do_whoami(struct cli *c)
{
    struct client_reply r;
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", "/v1/whoami", NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r.json);
    else
        who(c, r.json);
    return CLI_DONE;
}

static void grants(struct cli *c, const struct phi_json *list)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *g = &list->items[i];
        struct phi_view is = phi_json_text(g, "status");
        if (!phi_view_is(is, "ready") && !phi_view_is(is, "active"))
            continue;
        cli_put(c, "  you hold    ");
        cli_esc(c, phi_json_text(g, "summary"));
        cli_put(c, " for ");
        cli_ms(c, phi_json_num(g, "remaining_ms", 0));
        cli_put(c, "\n");
    }
}

static void count(struct cli *c, const struct phi_json *v, const char *what)
{
    const struct phi_json *list = phi_json_get(v, "requests");
    size_t n = list ? list->n : 0;
    phi_buf_printf(&c->out, "  %-11s %zu %s\n", "requests", n, what);
}

int cli_do_status(struct cli *c)
{
    struct client_reply me, inbox, mine, held;
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", "/v1/whoami", NULL, &me)) ||
        (rc = cli_call(c, "GET", "/v1/requests?box=inbox&status=pending", NULL, &inbox)) ||
        (rc = cli_call(c, "GET", "/v1/requests?box=mine&status=pending", NULL, &mine)) ||
        (rc = cli_call(c, "GET", "/v1/grants?box=mine", NULL, &held)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        PHI_BUF(b, 32u << 20);
        struct phi_jw w;
        const struct phi_json *v = NULL;
        phi_jw_init(&w, &b);
        phi_jw_obj(&w);
        phi_jw_key(&w, "whoami");
        phi_jw_value(&w, me.json);
        phi_jw_key(&w, "inbox");
        phi_jw_value(&w, phi_json_get(inbox.json, "requests"));
        phi_jw_key(&w, "mine");
        phi_jw_value(&w, phi_json_get(mine.json, "requests"));
        phi_jw_key(&w, "grants");
        phi_jw_value(&w, phi_json_get(held.json, "grants"));
        phi_jw_end(&w);
        phi_json_read(&c->arena, phi_buf_view(&b), PHI_JSON_STRICT, "answer", &v, NULL);
        cli_json(c, v);
        return CLI_DONE;
    }
    who(c, me.json);
    count(c, inbox.json, "wait for your vote (phi inbox)");
    count(c, mine.json, "of yours wait for a decision (phi inbox --mine)");
    grants(c, phi_json_get(held.json, "grants"));
    return CLI_DONE;
}
