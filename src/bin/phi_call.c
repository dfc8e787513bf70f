/* Which server, which session, and calls to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "base/text.h"
#include "bin/phi.h"

static int exit_of(enum phi_rc rc)
{
    switch (rc) {
    case PHI_OK:
        return CLI_DONE;
    case PHI_EDENIED:
        return CLI_DENIED;
    case PHI_EEXPIRED:
        return CLI_EXPIRED;
    case PHI_EINPUT:
    case PHI_ENOTFOUND:
    case PHI_ECONFLICT:
    case PHI_ELIMIT:
    case PHI_EIO:
    case PHI_EAUTH:
    case PHI_ECORRUPT:
        return CLI_ERROR;
    }
    return CLI_ERROR;
}

static void say(const char *msg, const char *code)
{
    PHI_BUF(b, 4096);
    phi_text_escape(&b, phi_view_of(msg), false);
    if (code[0]) {
        phi_buf_adds(&b, " (");
        phi_text_escape(&b, phi_view_of(code), false);
        phi_buf_adds(&b, ")");
    }
    fprintf(stderr, "phi: %s\n", phi_buf_str(&b));
}

int cli_err(const struct phi_err *err)
{
    say(err->msg, "");
    return exit_of(err->rc);
}

static void silent(const struct cli *c, const char *why)
{
    PHI_BUF(b, 2048);
    phi_buf_printf(&b, "the server %s does not answer (%s)", c->origin, why);
    say(phi_buf_str(&b), "");
}

int cli_fail(struct cli *c, const struct client_reply *r)
{
    if (phi_json_text(r->json, "detail").n || phi_json_text(r->json, "title").n)
        cli_problem(c, r->json);
    else if (!r->status && r->rc == PHI_EIO)
        silent(c, r->err.msg);
    else
        say(r->err.msg[0] ? r->err.msg : phi_rc_text(r->rc), r->code);
    if (r->maybe_done)
        fputs("The server may have received it all the same: look before you repeat it.\n", stderr);
    return r->status ? exit_of(r->rc) : CLI_UNREACHABLE;
}

void cli_path(struct cli *c, char *ret, size_t n, const char *name)
{
    snprintf(ret, n, "%s/%s", c->dir, name);
}

static enum phi_rc find_dir(struct cli *c, struct phi_err *err)
{
    const char *dir = getenv("PHI_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n;
    if (dir && dir[0])
        n = snprintf(c->dir, sizeof c->dir, "%s", dir);
    else if (xdg && xdg[0] == '/')
        n = snprintf(c->dir, sizeof c->dir, "%s/phi", xdg);
    else
        n = home && home[0] == '/' ? snprintf(c->dir, sizeof c->dir, "%s/.config/phi", home) : 0;
    if (n <= 0 || (size_t)n >= sizeof c->dir - 64)
        return phi_fail(err, PHI_EINPUT, "set PHI_CONFIG_DIR to a folder for phi's session");
    return PHI_OK;
}

/* The session file: the origin that gave the token, a newline, the token. A token goes to no other. */
static void read_session(struct cli *c, const char *url)
{
    char path[640];
    struct phi_view rest, origin, token;
    PHI_BUF(b, 4096);
    cli_path(c, path, sizeof path, "session");
    if (access(path, F_OK))
        return;
    struct phi_err err = { 0 };
    if (phi_file_read_secret(path, 4096, &b, &err) != PHI_OK) {
        cli_err(&err);
        return;
    }
    rest = phi_buf_view(&b);
    if (phi_view_split(&rest, '\n', &origin) && phi_view_split(&rest, '\n', &token) && token.n &&
        origin.n < sizeof c->origin) {
        if (!url)
            snprintf(c->origin, sizeof c->origin, PHI_FMT, PHI_ARG(origin));
        if (!url || phi_view_is(origin, c->origin))
            c->token = phi_arena_str(&c->arena, token);
    }
    phi_buf_wipe(&b);
}

int cli_url(struct cli *c, struct phi_err *err)
{
    const char *url = getenv("PHI_URL"), *token = getenv("PHI_TOKEN");
    struct client_url u;
    if (find_dir(c, err) != PHI_OK)
        return cli_err(err);
    if (url && url[0]) {
        if (client_url_read(url, false, &u, err) != PHI_OK)
            return cli_err(err);
        snprintf(c->origin, sizeof c->origin, "%s", u.origin);
    } else {
        url = NULL;
    }
    read_session(c, url);
    if (url && token && token[0]) /* never to a server that only a file names */
        c->token = phi_arena_str(&c->arena, phi_view_of(token));
    return CLI_DONE;
}

/* The machine's own certificate with its key, in one PEM file that nobody else reads. */
static enum phi_rc device_read(struct phi_buf *pem, struct client_opts *o, struct phi_err *err)
{
    const char *file = getenv("PHI_DEVICE");
    if (!file || !file[0])
        return PHI_OK;
    PHI_TRY(phi_file_read_secret(file, 1 << 20, pem, err));
    o->cert_pem = o->key_pem = phi_buf_view(pem);
    return PHI_OK;
}

int cli_open_at(struct cli *c, const char *url, const char *token)
{
    struct phi_err err = { 0 };
    PHI_BUF(ca, 1 << 20);
    PHI_BUF(device, 1 << 20);
    const char *ca_file = getenv("PHI_CA");
    struct client_opts o = { .url = url, .token = token, .check_name = true };
    if (ca_file && ca_file[0]) {
        if (phi_file_read(ca_file, 1 << 20, &ca, &err) != PHI_OK)
            return cli_err(&err);
        o.ca_pem = phi_buf_view(&ca);
    }
    if (device_read(&device, &o, &err) != PHI_OK)
        return cli_err(&err);
    if (net_loop_open(&c->loop, &err) != PHI_OK || client_open(c->loop, &o, &c->client, &err) != PHI_OK)
        return cli_err(&err);
    return CLI_DONE;
}

int cli_open(struct cli *c)
{
    struct phi_err err = { 0 };
    int rc = cli_url(c, &err);
    if (rc)
        return rc;
    if (!c->origin[0]) {
        say("no server is known yet: sign in with `phi login LINK`, or set PHI_URL", "");
        return CLI_ERROR;
    }
    if (!c->token) {
        say("you are not signed in there: use `phi login LINK` with a one-time link", "");
        return CLI_ERROR;
    }
    return cli_open_at(c, c->origin, c->token);
}

/* A change of phi itself that the policy wants approved: it is made by the approval, so there is nothing to repeat. */
static int filed(struct cli *c, const struct phi_json *request)
{
    if (phi_view_is(phi_json_text(request, "status"), "approved")) /* by a rule, and made */
        return CLI_DONE;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, request);
        return CLI_PENDING;
    }
    cli_esc(c, phi_json_text(request, "code"));
    cli_put(c, " waits for an approval, which makes the change; nothing else is to be done.\nLook at it with `phi show ");
    cli_esc(c, phi_json_text(request, "code"));
    cli_put(c, "`.\n");
    return CLI_PENDING;
}

int cli_call(struct cli *c, const char *method, const char *path, struct phi_buf *body, struct client_reply *r)
{
    struct phi_err err = { 0 };
    struct phi_view text = { 0 };
    if (body) {
        if (!phi_buf_ok(body)) {
            say("that is too long to send", "");
            return CLI_ERROR;
        }
        text = phi_buf_view(body);
    }
    *r = (struct client_reply){ 0 };
    if (client_call_wait(c->client, &c->arena, method, path, text, r, &err) == PHI_OK)
        return r->status == 202 && phi_json_get(r->json, "request") ? filed(c, phi_json_get(r->json, "request")) : CLI_DONE;
    if (r->rc == PHI_OK) { /* it was not even sent */
        r->rc = err.rc;
        r->err = err;
    }
    return cli_fail(c, r);
}

/* ---- lists ---- */

static void cell(struct cli *c, struct cli_table *t, const struct phi_json *row, const char *key)
{
    const struct phi_json *v = phi_json_get(row, key);
    if (!strcmp(key, "expires_in_ms"))
        cli_cell_ms(t, phi_json_num(row, key, 0));
    else
        cli_cell(t, v && v->kind == PHI_JSON_ARR ? cli_names(c, v) : v && v->kind == PHI_JSON_STR ? v->str : (struct phi_view){ 0 });
}

/* The rows of every page. A list that has none of its own kind comes whole. */
static int pages(struct cli *c, const char *path, const char *list, struct client_reply *r, struct phi_json *ret)
{
    PHI_BUF(at, 2048);
    *ret = (struct phi_json){ .kind = PHI_JSON_ARR };
    phi_buf_adds(&at, path);
    for (;;) {
        int rc = cli_call(c, "GET", phi_buf_str(&at), NULL, r);
        const struct phi_json *rows = phi_json_get(r->json, list);
        size_t more = rows ? rows->n : 0;
        struct phi_view next = phi_json_text(r->json, "next");
        struct phi_json *all = phi_arena_array(&c->arena, ret->n + more + 1, sizeof *all);
        if (rc)
            return rc;
        if (!all)
            return CLI_ERROR;
        for (size_t i = 0; i < ret->n + more; i++)
            all[i] = i < ret->n ? ret->items[i] : rows->items[i - ret->n];
        ret->items = all;
        ret->n += more;
        if (!next.n)
            return CLI_DONE; /* a page without rows may have more behind it */
        phi_buf_clear(&at);
        phi_buf_printf(&at, "%s%ccursor=" PHI_FMT, path, strchr(path, '?') ? '&' : '?', PHI_ARG(next));
    }
}

int cli_pages(struct cli *c, const char *path, const char *list, struct phi_json *ret)
{
    struct client_reply r;
    struct phi_json *rows = phi_arena_new(&c->arena, struct phi_json);
    struct phi_view *name = phi_arena_new(&c->arena, struct phi_view);
    int rc = cli_open(c);
    if (rc || !rows || !name || (rc = pages(c, path, list, &r, rows)))
        return rc ? rc : CLI_ERROR;
    *name = phi_view_of(list);
    *ret = (struct phi_json){ .kind = PHI_JSON_OBJ, .items = rows, .keys = name, .n = 1 };
    return CLI_DONE;
}

int cli_list(struct cli *c, const char *path, const char *list, const char *const *heads, const char *const *keys, size_t n, const char *none)
{
    static struct cli_table t; /* large */
    struct phi_json whole;
    int rc = cli_pages(c, path, list, &whole);
    if (rc || cli_has(c, OPT_JSON))
        return rc ? rc : (cli_json(c, &whole), CLI_DONE);
    const struct phi_json rows = whole.items[0];
    cli_table_open(&t, c, heads, n);
    for (size_t i = 0; i < rows.n; i++)
        for (size_t k = 0; k < n; k++)
            cell(c, &t, &rows.items[i], keys[k]);
    cli_table_close(&t, none);
    return CLI_DONE;
}
