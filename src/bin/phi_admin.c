/* people, groups, links, targets, gateways, policy: thin over the API */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"
#include "bin/phi.h"

/* Sends a body of text members: key, value, …, NULL; a NULL value is left out. */
static int post(struct cli *c, const char *method, const char *path, struct client_reply *r, const char *const *kv,
                const char *list, enum cli_opt many)
{
    struct phi_jw w;
    PHI_BUF(body, 64 * 1024);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    for (; kv[0]; kv += 2)
        if (kv[1])
            phi_jw_kc(&w, kv[0], kv[1]);
    if (list) {
        phi_jw_key(&w, list);
        phi_jw_arr(&w);
        for (int i = 0; i < c->n_opt[many]; i++)
            phi_jw_cstr(&w, c->opt[many][i]);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    int rc = cli_open(c);
    return rc ? rc : cli_call(c, method, path, &body, r);
}

static int done(struct cli *c, const struct client_reply *r, const char *text, const char *member)
{
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r->json);
        return CLI_DONE;
    }
    cli_put(c, text);
    if (member)
        cli_esc(c, phi_json_text(r->json, member));
    cli_put(c, "\n");
    return CLI_DONE;
}

int cli_do_person_add(struct cli *c)
{
    struct client_reply r;
    const char *const kv[] = { "name", c->arg[0], NULL };
    int rc = post(c, "POST", "/v1/people", &r, kv, "groups", OPT_GROUP);
    return rc ? rc : done(c, &r, "Added, with the id ", "id");
}

int cli_do_person_list(struct cli *c)
{
    static const char *const heads[] = { "NAME", "GROUPS", "ID" }, *const keys[] = { "name", "groups", "id" };
    return cli_list(c, "/v1/people", "people", heads, keys, 3, "Nobody.\n");
}

int cli_do_person_account(struct cli *c)
{
    struct client_reply r;
    const char *const kv[] = { "person", c->arg[0], "name", c->arg[1], NULL };
    int rc = post(c, "POST", "/v1/accounts", &r, kv, NULL, OPT_N);
    return rc ? rc : done(c, &r, "Linked.", NULL);
}

/* There is no way back, so a person at a terminal types the name, and a script says --yes. */
static bool sure(struct cli *c)
{
    char line[512];
    if (cli_has(c, OPT_YES))
        return true;
    if (!cli_tty()) {
        fputs("phi: without a terminal this needs --yes\n", stderr);
        return false;
    }
    fprintf(stderr, "This erases names, reasons and request bodies and cannot be undone. Type the name to go on: ");
    if (!fgets(line, sizeof line, stdin))
        return false;
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, c->arg[0]) == 0;
}

int cli_do_person_forget(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 1024);
    int rc = cli_open(c);
    if (rc)
        return rc;
    if (!sure(c))
        return CLI_ERROR;
    phi_buf_adds(&path, "/v1/people/");
    client_path_add(&path, phi_view_of(c->arg[0]));
    phi_buf_adds(&path, "/forget");
    if ((rc = cli_call(c, "POST", phi_buf_str(&path), NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    phi_buf_printf(&c->out, "Forgotten: %lld texts, the bodies of %lld requests. The log keeps the id ", (long long)phi_json_num(r.json, "texts", 0),
                   (long long)phi_json_num(r.json, "requests", 0));
    cli_esc(c, phi_json_text(r.json, "id"));
    cli_put(c, " and salted hashes.\n");
    if (phi_json_num(r.json, "entries_left", 0))
        phi_buf_printf(&c->out, "phid still reads %lld entries of the log for what they wrote about others' requests, and erases that too; the entry\n"
                                "body.erased with their id says when it is done. Nobody has to wait for it.\n",
                       (long long)phi_json_num(r.json, "entries_left", 0));
    return CLI_DONE;
}

static void group_path(struct cli *c, struct phi_buf *path)
{
    phi_buf_adds(path, "/v1/groups/");
    client_path_add(path, phi_view_of(c->arg[0]));
    phi_buf_adds(path, "/members");
}

int cli_do_group_add(struct cli *c)
{
    struct client_reply r;
    const char *const kv[] = { "person", c->arg[1], NULL };
    PHI_BUF(path, 1024);
    group_path(c, &path);
    int rc = post(c, "POST", phi_buf_str(&path), &r, kv, NULL, OPT_N);
    return rc ? rc : done(c, &r, "Added.", NULL);
}

int cli_do_group_remove(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 1024);
    group_path(c, &path);
    phi_buf_adds(&path, "/");
    client_path_add(&path, phi_view_of(c->arg[1]));
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "DELETE", phi_buf_str(&path), NULL, &r)))
        return rc;
    return done(c, &r, "Removed.", NULL);
}

int cli_do_link_make(struct cli *c)
{
    struct client_reply r;
    const char *const kv[] = { "person", c->arg[0], NULL };
    int rc = post(c, "POST", "/v1/links", &r, kv, NULL, OPT_N);
    return rc ? rc : done(c, &r, "", "link");
}

int cli_do_target_add(struct cli *c)
{
    struct client_reply r;
    const char *kind = cli_opt(c, OPT_KIND);
    if (!cli_has(c, OPT_ADDRESS))
        return cli_usage(c, "--address HOST:PORT is missing", NULL);
    const char *const kv[] = { "name",    c->arg[0],  "kind",
                               kind ? kind : "postgresql", "address", cli_opt(c, OPT_ADDRESS),
                               "database", cli_opt(c, OPT_DATABASE), NULL };
    int rc = post(c, "POST", "/v1/targets", &r, kv, NULL, OPT_N);
    return rc ? rc : done(c, &r, "Added ", "name");
}

int cli_do_target_list(struct cli *c)
{
    static const char *const heads[] = { "NAME", "KIND", "ADDRESS", "DATABASE" }, *const keys[] = { "name", "kind", "address", "database" };
    return cli_list(c, "/v1/targets", "targets", heads, keys, 4, "No targets.\n");
}

int cli_do_gateway_add(struct cli *c)
{
    struct client_reply r;
    const char *const kv[] = { "name", c->arg[0], NULL };
    if (!cli_has(c, OPT_TARGET))
        return cli_usage(c, "--target NAME is missing", NULL);
    int rc = post(c, "POST", "/v1/gateways", &r, kv, "targets", OPT_TARGET);
    if (!rc && !cli_has(c, OPT_JSON))
        fprintf(stderr, "On the machine of %s, within 10 minutes: phi-gateway --config /etc/phi/gateway.yaml enroll CODE, where CODE is\n", c->arg[0]);
    return rc ? rc : done(c, &r, "", "code");
}

int cli_do_gateway_list(struct cli *c)
{
    static const char *const heads[] = { "NAME", "TARGETS", "LAST SEEN", "VERSION" };
    static const char *const keys[] = { "name", "targets", "last_seen", "version" };
    return cli_list(c, "/v1/gateways", "gateways", heads, keys, 4, "No gateways.\n");
}

/* ---- policy ---- */

static const char *const parts[] = { "schema", "policies", "requirements" };
static const char *const files[] = { "schema.cedarschema", "policies.cedar", "requirements.yaml" };

int cli_do_policy_show(struct cli *c)
{
    struct client_reply r;
    const char *part = cli_opt(c, OPT_PART);
    bool known = !part;
    for (size_t i = 0; i < 3; i++)
        known = known || !strcmp(part, parts[i]);
    if (!known)
        return cli_usage(c, "--part takes schema, policies or requirements, not ", part);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", "/v1/bundle", NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    if (!part) {
        phi_buf_printf(&c->out, "version %lld, hash ", (long long)phi_json_num(r.json, "version", 0));
        cli_esc(c, phi_json_text(r.json, "hash"));
        cli_put(c, "\n");
    }
    for (size_t i = 0; i < 3; i++) {
        if (part && strcmp(part, parts[i]))
            continue;
        if (!part)
            phi_buf_printf(&c->out, "\n== %s ==\n", files[i]);
        if (part && !isatty(STDOUT_FILENO)) /* into a file: as it is */
            phi_buf_add(&c->out, phi_json_text(r.json, part));
        else
            cli_esc_lines(c, phi_json_text(r.json, parts[i]), "");
    }
    return CLI_DONE;
}

/* The starter bundle: what phi relies on, to begin from. Writes over nothing. */
int cli_do_policy_init(struct cli *c)
{
    static const char *const homes[] = { PHI_STARTER_INSTALLED, PHI_STARTER_SOURCE };
    struct phi_err err = { 0 };
    const char *home = homes[access(homes[0], R_OK) ? 1 : 0];
    if (phi_dir_make(c->arg[0], 0755, &err) != PHI_OK)
        return cli_err(&err);
    for (size_t i = 0; i < 3; i++) {
        char from[1024], to[1024];
        PHI_BUF(text, PHI_MAX_BUNDLE);
        snprintf(from, sizeof from, "%s/%s", home, files[i]);
        snprintf(to, sizeof to, "%s/%s", c->arg[0], files[i]);
        if (!access(to, F_OK))
            phi_fail(&err, PHI_ECONFLICT, "%s is there already", to);
        else if (phi_file_read(from, PHI_MAX_BUNDLE, &text, &err) == PHI_OK)
            phi_file_write(to, phi_buf_view(&text), 0644, &err);
        if (err.msg[0])
            return cli_err(&err);
    }
    phi_buf_printf(&c->out, "Wrote %s, %s and %s. Make them live with `phi policy apply DIR`.\n", files[0], files[1], files[2]);
    return CLI_DONE;
}

int cli_do_policy_apply(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    struct phi_err err = { 0 };
    PHI_BUF(body, 2 * PHI_MAX_BUNDLE);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    for (size_t i = 0; i < 3; i++) {
        char path[1024];
        PHI_BUF(text, PHI_MAX_BUNDLE);
        snprintf(path, sizeof path, "%s/%s", c->arg[0], files[i]);
        if (phi_file_read(path, PHI_MAX_BUNDLE, &text, &err) != PHI_OK)
            return cli_err(&err);
        phi_jw_kv(&w, parts[i], phi_buf_view(&text));
    }
    phi_jw_end(&w);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "PUT", "/v1/bundle", &body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    phi_buf_printf(&c->out, "Live as version %lld, hash ", (long long)phi_json_num(r.json, "version", 0));
    cli_esc(c, phi_json_text(r.json, "hash"));
    cli_put(c, "\n");
    return CLI_DONE;
}
