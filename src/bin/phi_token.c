/* session, token, service, provider: thin over the API */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "base/yaml.h"
#include "bin/phi.h"

static int del(struct cli *c, const char *path, struct phi_view id, const char *text)
{
    struct client_reply r;
    PHI_BUF(b, 1024);
    int rc = cli_open(c);
    if (rc)
        return rc;
    phi_buf_adds(&b, path);
    client_path_add(&b, id);
    if ((rc = cli_call(c, "DELETE", phi_buf_str(&b), NULL, &r)))
        return rc;
    return cli_say(c, text);
}

/* ---- sessions ---- */

/* /v1/sessions, with the id and the person that were given. */
static void session_path(struct cli *c, struct phi_buf *b, const char *id)
{
    phi_buf_adds(b, "/v1/sessions");
    if (id) {
        phi_buf_adds(b, "/");
        client_path_add(b, phi_view_of(id));
    }
    if (!cli_has(c, OPT_PERSON))
        return;
    phi_buf_adds(b, "?person=");
    client_path_add(b, phi_view_of(cli_opt(c, OPT_PERSON)));
}

int cli_do_session_list(struct cli *c)
{
    static const char *const heads[] = { "ID", "KIND", "WHAT", "TARGET", "FROM", "LAST USED", "ENDS IN" };
    static const char *const keys[] = { "id", "kind", "note", "target", "address", "used_at", "expires_in_ms" };
    PHI_BUF(path, 1024);
    session_path(c, &path, NULL);
    return cli_list(c, phi_buf_str(&path), "sessions", heads, keys, 7, "None.\n");
}

int cli_do_session_end(struct cli *c)
{
    struct client_reply r;
    int rc;
    PHI_BUF(path, 1024);
    if ((c->n_args == 1) == cli_has(c, OPT_ALL))
        return cli_usage(c, "which session? Give its id, or --all for all but this one", NULL);
    session_path(c, &path, c->n_args ? c->arg[0] : NULL);
    if ((rc = cli_open(c)) || (rc = cli_call(c, "DELETE", phi_buf_str(&path), NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    phi_buf_printf(&c->out, "Ended %lld.\n", (long long)phi_json_num(r.json, "ended", 0));
    return CLI_DONE;
}

/* ---- tokens and services ---- */

int cli_do_token_list(struct cli *c)
{
    static const char *const heads[] = { "ID", "NAME", "FOR", "CARRIES", "LAST USED", "ENDS IN" };
    static const char *const keys[] = { "id", "name", "for", "rights", "used_at", "expires_in_ms" };
    return cli_list(c, cli_has(c, OPT_ALL) ? "/v1/tokens?all=1" : "/v1/tokens", "tokens", heads, keys, 6, "None.\n");
}

static void token_body(struct cli *c, struct phi_buf *body, int64_t ms)
{
    struct phi_jw w;
    phi_jw_init(&w, body);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "for_ms", ms);
    phi_jw_kc(&w, "name", c->arg[0]);
    phi_jw_key(&w, "rights");
    phi_jw_arr(&w);
    for (int i = 0; i < c->n_opt[OPT_SCOPE]; i++)
        phi_jw_cstr(&w, c->opt[OPT_SCOPE][i]);
    phi_jw_end(&w);
    if (cli_opt(c, OPT_SERVICE))
        phi_jw_kc(&w, "service", cli_opt(c, OPT_SERVICE));
    phi_jw_end(&w);
}

int cli_do_token_create(struct cli *c)
{
    struct client_reply r;
    const char *life = cli_opt(c, OPT_FOR);
    int64_t ms = 30LL * 24 * 3600 * 1000;
    PHI_BUF(body, 16 * 1024);
    if (life && !phi_text_duration_read(phi_view_of(life), &ms))
        return cli_usage(c, "--for takes a time such as 30d or 12h, 366d at most, not ", life);
    if (!cli_has(c, OPT_SCOPE))
        return cli_usage(c, "what may it do? Give --scope for each right, such as --scope see --scope ask", NULL);
    token_body(c, &body, ms);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", "/v1/tokens", &body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    cli_esc(c, phi_json_text(r.json, "token"));
    cli_put(c, "\n");
    if (cli_tty())
        fputs("This is shown once. Programs send it as \"Authorization: Bearer …\", or phi takes it from PHI_TOKEN.\n", stderr);
    return CLI_DONE;
}

int cli_do_token_revoke(struct cli *c)
{
    return del(c, "/v1/tokens/", phi_view_of(c->arg[0]), "Revoked.\n");
}

int cli_do_service_add(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(body, 16 * 1024);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_key(&w, "groups");
    phi_jw_arr(&w);
    for (int i = 0; i < c->n_opt[OPT_GROUP]; i++)
        phi_jw_cstr(&w, c->opt[OPT_GROUP][i]);
    phi_jw_end(&w);
    phi_jw_kc(&w, "name", c->arg[0]);
    phi_jw_end(&w);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", "/v1/services", &body, &r)))
        return rc;
    return cli_say(c, "Added.\n");
}

/* ---- providers ---- */

int cli_do_provider_list(struct cli *c)
{
    static const char *const heads[] = { "NAME", "KIND" }, *const keys[] = { "name", "kind" };
    return cli_list(c, "/v1/providers", "providers", heads, keys, 2, "None.\n");
}

/* The file is YAML (or JSON): kind, and the configuration beside it. */
static enum phi_rc provider_body(struct cli *c, struct phi_buf *body, struct phi_err *err)
{
    const struct phi_json *v;
    struct phi_jw w;
    PHI_BUF(text, 64 * 1024);
    PHI_TRY(phi_file_read(c->arg[1], 64 * 1024, &text, err));
    PHI_TRY(phi_yaml_read(&c->arena, phi_arena_copy(&c->arena, phi_buf_view(&text)), c->arg[1], &v, err));
    if (v->kind != PHI_JSON_OBJ || !phi_json_text(v, "kind").n)
        return phi_fail(err, PHI_EINPUT, "%s: not a list of \"key: value\" with a kind (docs/identity.md)", c->arg[1]);
    phi_jw_init(&w, body);
    phi_jw_obj(&w);
    phi_jw_key(&w, "config");
    phi_jw_obj(&w);
    for (size_t i = 0; i < v->n; i++)
        if (!phi_view_is(v->keys[i], "kind")) {
            phi_jw_keyv(&w, v->keys[i]);
            phi_jw_value(&w, &v->items[i]);
        }
    phi_jw_end(&w);
    phi_jw_kv(&w, "kind", phi_json_text(v, "kind"));
    phi_jw_end(&w);
    return PHI_OK;
}

int cli_do_provider_set(struct cli *c)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    PHI_BUF(body, 64 * 1024);
    PHI_BUF(path, 1024);
    if (provider_body(c, &body, &err) != PHI_OK)
        return cli_err(&err);
    phi_buf_adds(&path, "/v1/providers/");
    client_path_add(&path, phi_view_of(c->arg[0]));
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "PUT", phi_buf_str(&path), &body, &r)))
        return rc;
    return cli_say(c, "Set.\n");
}

int cli_do_provider_remove(struct cli *c)
{
    return del(c, "/v1/providers/", phi_view_of(c->arg[0]), "Removed.\n");
}

int cli_do_gateway_remove(struct cli *c)
{
    return del(c, "/v1/gateways/", phi_view_of(c->arg[0]), "Removed. What it was let do ends with its lease, within a minute.\n");
}

int cli_do_person_identity(struct cli *c)
{
    struct client_reply r;
    struct phi_jw w;
    PHI_BUF(body, 16 * 1024);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "person", c->arg[0]);
    phi_jw_kc(&w, "provider", c->arg[1]);
    phi_jw_kc(&w, "subject", c->arg[2]);
    phi_jw_end(&w);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "POST", "/v1/identities", &body, &r)))
        return rc;
    return cli_say(c, "Linked.\n");
}
