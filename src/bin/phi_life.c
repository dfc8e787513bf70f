/* What else happens to requests and grants: remarks, watchers, delegation, revoking many; what is said of resources, and
 * what persons say of themselves. */
#include "base/text.h"
#include "bin/phi.h"
#include "base/id.h"

void cli_which_path(struct phi_buf *b, const char *noun, const char *which, const char *tail)
{
    struct phi_code code;
    phi_buf_printf(b, "/v1/%s/", noun);
    client_path_add(b, phi_code_read(phi_view_of(which), &code) ? phi_view_of(code.s) : phi_view_of(which));
    phi_buf_adds(b, tail);
}

int cli_act(struct cli *c, const char *noun, const char *tail, const char *key, const char *text, struct client_reply *r)
{
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 64 * 1024);
    cli_which_path(&path, noun, c->arg[0], tail);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    if (key)
        phi_jw_kc(&w, key, text);
    phi_jw_end(&w);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", phi_buf_str(&path), &body, r)))
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r->json);
    return CLI_DONE;
}

int cli_say(struct cli *c, const char *text) /* CLI_DONE */
{
    if (!cli_has(c, OPT_JSON))
        cli_put(c, text);
    return CLI_DONE;
}

static int send(struct cli *c, const char *method, const char *path, struct phi_buf *body, struct client_reply *r)
{
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, method, path, body, r)))
        return rc;
    if (cli_has(c, OPT_JSON) && r->json)
        cli_json(c, r->json);
    return CLI_DONE;
}

/* ---- remarks and watchers */

static int remark(struct cli *c, const char *kind)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 16 * 1024);
    cli_which_path(&path, "requests", c->arg[0], "/remarks");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "kind", kind);
    phi_jw_kc(&w, "text", c->arg[1]);
    phi_jw_end(&w);
    int rc = send(c, "POST", phi_buf_str(&path), &body, &r);
    return rc ? rc : cli_say(c, kind[0] == 'q' ? "Asked. Whoever is concerned sees it.\n" : "Said.\n");
}

int cli_do_comment(struct cli *c)
{
    return remark(c, "comment");
}

int cli_do_ask(struct cli *c)
{
    return remark(c, "question");
}

int cli_do_watch(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 16 * 1024);
    cli_which_path(&path, "requests", c->arg[0], "/watchers");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_key(&w, "people");
    phi_jw_arr(&w);
    for (int i = 1; i < c->n_args; i++)
        phi_jw_cstr(&w, c->arg[i]);
    phi_jw_end(&w);
    phi_jw_end(&w);
    int rc = send(c, "POST", phi_buf_str(&path), &body, &r);
    return rc ? rc : cli_say(c, "They see it now and are told.\n");
}

/* ---- delegation */

int cli_do_delegation_list(struct cli *c)
{
    static const char *const heads[] = { "FROM", "TO", "WHY", "LEFT", "ID" };
    static struct cli_table t;
    struct phi_json all;
    int rc = cli_pages(c, "/v1/delegations", "delegations", &all);
    if (rc || cli_has(c, OPT_JSON))
        return rc ? rc : (cli_json(c, &all), CLI_DONE);
    const struct phi_json *list = phi_json_get(&all, "delegations");
    cli_table_open(&t, c, heads, 5);
    for (size_t i = 0; list && i < list->n; i++) {
        cli_cell(&t, phi_json_text(&list->items[i], "from"));
        cli_cell(&t, phi_json_text(&list->items[i], "to"));
        cli_cell(&t, phi_json_text(&list->items[i], "why"));
        cli_cell_ms(&t, phi_json_num(&list->items[i], "remaining_ms", 0));
        cli_cell(&t, phi_json_text(&list->items[i], "id"));
    }
    cli_table_close(&t, "Nobody votes for somebody else.\n");
    return CLI_DONE;
}

int cli_do_delegation_make(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    int64_t ms;
    PHI_BUF(body, 16 * 1024);
    if (!cli_has(c, OPT_FOR) || !phi_text_duration_read(phi_view_of(cli_opt(c, OPT_FOR)), &ms))
        return cli_usage(c, "say how long it lasts: --for 2d", NULL);
    if (!cli_has(c, OPT_WHY))
        return cli_usage(c, "say why with -m; it stands in the log", NULL);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "to", c->arg[0]);
    phi_jw_ki(&w, "for_ms", ms);
    phi_jw_kc(&w, "why", cli_opt(c, OPT_WHY));
    phi_jw_end(&w);
    int rc = send(c, "POST", "/v1/delegations", &body, &r);
    return rc ? rc : cli_say(c, "They vote for you on requests that are made from now on, where a requirement allows it.\n");
}

int cli_do_delegation_end(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 1024);
    cli_which_path(&path, "delegations", c->arg[0], "");
    int rc = send(c, "DELETE", phi_buf_str(&path), NULL, &r);
    return rc ? rc : cli_say(c, "Ended.\n");
}

/* ---- who is on call */

int cli_do_on_call_list(struct cli *c)
{
    static const char *const heads[] = { "LIST", "PERSON", "LEFT" };
    static struct cli_table t;
    struct client_reply r;
    int rc = send(c, "GET", "/v1/on-call", NULL, &r);
    if (rc || cli_has(c, OPT_JSON))
        return rc;
    const struct phi_json *list = phi_json_get(r.json, "on_call");
    cli_table_open(&t, c, heads, 3);
    for (size_t i = 0; list && i < list->n; i++) {
        cli_cell(&t, phi_json_text(&list->items[i], "list"));
        cli_cell(&t, phi_json_text(phi_json_get(&list->items[i], "person"), "name"));
        cli_cell_ms(&t, phi_json_num(&list->items[i], "expires_in_ms", 0));
    }
    cli_table_close(&t, "Nobody is on call.\n");
    return CLI_DONE;
}

int cli_do_on_call_set(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    int64_t ms;
    PHI_BUF(body, 16 * 1024);
    PHI_BUF(path, 1024);
    if (!cli_has(c, OPT_FOR) || !phi_text_duration_read(phi_view_of(cli_opt(c, OPT_FOR)), &ms))
        return cli_usage(c, "say how long it lasts: --for 12h", NULL);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "for_ms", ms);
    phi_jw_key(&w, "people");
    phi_jw_arr(&w);
    for (int i = 1; i < c->n_args; i++)
        phi_jw_cstr(&w, c->arg[i]);
    phi_jw_end(&w);
    phi_jw_end(&w);
    cli_which_path(&path, "on-call", c->arg[0], "");
    int rc = send(c, "PUT", phi_buf_str(&path), &body, &r);
    return rc ? rc : cli_say(c, "They are on call.\n");
}

int cli_do_on_call_end(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 1024);
    cli_which_path(&path, "on-call", c->arg[0], "");
    int rc = send(c, "DELETE", phi_buf_str(&path), NULL, &r);
    return rc ? rc : cli_say(c, "Nobody is on call there any more.\n");
}

/* ---- revoking many */

int cli_do_revoke_all(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(body, 16 * 1024);
    if (cli_has(c, OPT_PERSON) + cli_has(c, OPT_RESOURCE) + cli_has(c, OPT_ALL) != 1)
        return cli_usage(c, "say which: --person NAME, --resource LABEL or --all", NULL);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "why", cli_has(c, OPT_WHY) ? cli_opt(c, OPT_WHY) : "");
    if (cli_has(c, OPT_PERSON))
        phi_jw_kc(&w, "person", cli_opt(c, OPT_PERSON));
    if (cli_has(c, OPT_RESOURCE))
        phi_jw_kc(&w, "resource", cli_opt(c, OPT_RESOURCE));
    if (cli_has(c, OPT_ALL))
        phi_jw_kb(&w, "everything", true);
    phi_jw_end(&w);
    int rc = send(c, "POST", "/v1/grants/revoke", &body, &r);
    if (rc || cli_has(c, OPT_JSON))
        return rc;
    phi_buf_printf(&c->out, "%lld revoked.\n", (long long)phi_json_num(r.json, "count", 0));
    cli_line(c, "waiting for", cli_names(c, phi_json_get(r.json, "waiting")));
    return CLI_DONE;
}

/* ---- resources and persons */

int cli_do_target_mark(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(body, 16 * 1024);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "resource", c->arg[0]);
    if (cli_has(c, OPT_ENVIRONMENT))
        phi_jw_kc(&w, "environment", cli_opt(c, OPT_ENVIRONMENT));
    phi_jw_key(&w, "tags");
    phi_jw_arr(&w);
    for (int i = 0; i < c->n_opt[OPT_TAG]; i++)
        phi_jw_cstr(&w, c->opt[OPT_TAG][i]);
    phi_jw_end(&w);
    phi_jw_end(&w);
    int rc = send(c, "PUT", "/v1/facts", &body, &r);
    return rc ? rc : cli_say(c, cli_has(c, OPT_ENVIRONMENT) || cli_has(c, OPT_TAG) ? "Marked; it holds for all that is in it.\n" : "Nothing is said of it any more.\n");
}

int cli_do_target_marks(struct cli *c)
{
    static const char *const heads[] = { "RESOURCE", "ENVIRONMENT", "TAGS" };
    static struct cli_table t;
    struct phi_json all;
    int rc = cli_pages(c, "/v1/facts", "facts", &all);
    if (rc || cli_has(c, OPT_JSON))
        return rc ? rc : (cli_json(c, &all), CLI_DONE);
    const struct phi_json *list = phi_json_get(&all, "facts");
    cli_table_open(&t, c, heads, 3);
    for (size_t i = 0; list && i < list->n; i++) {
        cli_cell(&t, phi_json_text(&list->items[i], "label"));
        cli_cell(&t, phi_json_text(&list->items[i], "environment"));
        cli_cell(&t, cli_names(c, phi_json_get(&list->items[i], "tags")));
    }
    cli_table_close(&t, "Nothing is said of any resource.\n");
    return CLI_DONE;
}

static void profile_show(struct cli *c, const struct phi_json *p)
{
    static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    const struct phi_json *quiet = phi_json_get(p, "quiet"), *on = phi_json_get(quiet, "days");
    PHI_BUF(line, 256);
    bool now = false;
    cli_line(c, "zone", phi_json_text(p, "zone").n ? phi_json_text(p, "zone") : PHI_LIT("the policy's"));
    if (phi_json_text(quiet, "from").n) {
        phi_json_bool(phi_json_get(p, "quiet_now"), &now);
        phi_buf_printf(&line, PHI_FMT " to " PHI_FMT "%s:", PHI_ARG(phi_json_text(quiet, "from")), PHI_ARG(phi_json_text(quiet, "to")),
                       now ? " (now)" : "");
        for (size_t i = 0; on && i < on->n; i++)
            phi_buf_printf(&line, " %s", days[(on->items[i].i + 6) % 7]);
    }
    cli_line(c, "quiet", line.n ? phi_buf_view(&line) : PHI_LIT("never"));
}

int cli_do_profile(struct cli *c)
{
    struct client_reply r;
    int rc = send(c, "GET", "/v1/profile", NULL, &r);
    if (!rc && !cli_has(c, OPT_JSON))
        profile_show(c, r.json);
    return rc;
}

int cli_do_profile_set(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    struct cli_hours h;
    PHI_BUF(body, 4096);
    const char *quiet = cli_opt(c, OPT_QUIET);
    if (quiet && !cli_hours_read(quiet, &h))
        return cli_usage(c, "--quiet takes hours such as 22:00-07:00 or \"mon-fri 22:00-07:00\", not ", quiet);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    if (cli_has(c, OPT_ZONE))
        phi_jw_kc(&w, "zone", cli_opt(c, OPT_ZONE));
    if (quiet) {
        PHI_BUF(from, 16);
        PHI_BUF(to, 16);
        phi_buf_printf(&from, "%02d:%02d", (int)(h.from_min / 60), (int)(h.from_min % 60));
        phi_buf_printf(&to, "%02d:%02d", (int)(h.to_min / 60), (int)(h.to_min % 60));
        phi_jw_key(&w, "quiet");
        phi_jw_obj(&w);
        phi_jw_kv(&w, "from", phi_buf_view(&from));
        phi_jw_kv(&w, "to", phi_buf_view(&to));
        phi_jw_key(&w, "days");
        cli_days_json(&w, h.days);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    int rc = send(c, "PUT", "/v1/profile", &body, &r);
    if (!rc && !cli_has(c, OPT_JSON))
        profile_show(c, r.json);
    return rc;
}
