/* grants: list, return, revoke */
#include <string.h>

#include "bin/phi.h"

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
    t.prose = 1u << 3;
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
    int rc = cli_act(c, "grants", "/return", NULL, NULL, &r);
    return rc ? rc : cli_say(c, "Returned.\n");
}

static const char *why(struct cli *c)
{
    return cli_has(c, OPT_WHY) ? cli_opt(c, OPT_WHY) : "";
}

int cli_do_review(struct cli *c)
{
    struct client_reply r;
    int rc = cli_act(c, "grants", "/review", "note", why(c), &r);
    return rc ? rc : cli_say(c, "Reviewed.\n");
}

int cli_do_revoke(struct cli *c)
{
    struct client_reply r;
    int rc = cli_act(c, "grants", "/revoke", "why", why(c), &r);
    if (rc || cli_has(c, OPT_JSON))
        return rc;
    cli_put(c, "Revoked.\n");
    cli_line(c, "confirmed", cli_names(c, phi_json_get(r.json, "acknowledged")));
    cli_line(c, "waiting for", cli_names(c, phi_json_get(r.json, "waiting")));
    return CLI_DONE;
}
