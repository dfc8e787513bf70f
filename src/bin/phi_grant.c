/* grants: list, return, revoke */
#include <string.h>

#include "base/id.h"
#include "bin/phi.h"

static void grant_path(struct phi_buf *b, const char *which, const char *tail)
{
    struct phi_code code;
    phi_buf_adds(b, "/v1/grants/");
    client_path_add(b, phi_code_read(phi_view_of(which), &code) ? phi_view_of(code.s) : phi_view_of(which));
    phi_buf_adds(b, tail);
}

int cli_do_grants(struct cli *c)
{
    static const char *const heads[] = { "CODE", "STATUS", "WHO", "WHAT", "USED", "LEFT", "ID" };
    static struct cli_table t;
    struct client_reply r;
    PHI_BUF(path, 256);
    phi_buf_printf(&path, "/v1/grants?box=%s&status=%s&limit=", cli_has(c, OPT_ALL) ? "all" : "mine", cli_has(c, OPT_ALL) ? "all" : "live");
    client_path_add(&path, phi_view_of(cli_has(c, OPT_LIMIT) ? cli_opt(c, OPT_LIMIT) : "50"));
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", phi_buf_str(&path), NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    const struct phi_json *list = phi_json_get(r.json, "grants");
    cli_table_open(&t, c, heads, 7);
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *g = &list->items[i];
        int64_t uses = phi_json_num(g, "uses", 0);
        PHI_BUF(used, 64);
        phi_buf_printf(&used, "%lld", (long long)phi_json_num(g, "used", 0));
        if (uses)
            phi_buf_printf(&used, " of %lld", (long long)uses);
        cli_cell(&t, phi_json_text(g, "code"));
        cli_cell(&t, phi_json_text(g, "status"));
        cli_cell(&t, phi_json_text(phi_json_get(g, "principal"), "name"));
        cli_cell(&t, phi_json_text(g, "summary"));
        cli_cell(&t, phi_buf_view(&used));
        cli_cell_ms(&t, phi_json_num(g, "remaining_ms", 0));
        cli_cell(&t, phi_json_text(g, "id"));
    }
    cli_table_close(&t, "No grants.\n");
    return CLI_DONE;
}

int cli_do_return(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 16);
    phi_buf_adds(&body, "{}");
    grant_path(&path, c->arg[0], "/return");
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", phi_buf_str(&path), &body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r.json);
    else
        cli_put(c, "Returned.\n");
    return CLI_DONE;
}

int cli_do_review(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 16 * 1024);
    grant_path(&path, c->arg[0], "/review");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "note", cli_has(c, OPT_WHY) ? cli_opt(c, OPT_WHY) : "");
    phi_jw_end(&w);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", phi_buf_str(&path), &body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r.json);
    else
        cli_put(c, "Reviewed.\n");
    return CLI_DONE;
}

int cli_do_revoke(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 16 * 1024);
    grant_path(&path, c->arg[0], "/revoke");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "why", cli_has(c, OPT_WHY) ? cli_opt(c, OPT_WHY) : "");
    phi_jw_end(&w);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", phi_buf_str(&path), &body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    struct phi_view done = cli_names(c, phi_json_get(r.json, "acknowledged")), waits = cli_names(c, phi_json_get(r.json, "waiting"));
    cli_put(c, "Revoked.\n");
    cli_line(c, "confirmed", done);
    cli_line(c, "waiting for", waits);
    return CLI_DONE;
}
