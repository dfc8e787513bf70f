/* channels, contacts, and what could not be sent: thin over the API */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bin/phi.h"

static int call(struct cli *c, const char *method, struct phi_buf *path, struct phi_buf *body, const char *text)
{
    struct client_reply r;
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, method, phi_buf_str(path), body, &r)))
        return rc;
    if (cli_has(c, OPT_JSON) && r.json)
        cli_json(c, r.json);
    else
        cli_put(c, text);
    return CLI_DONE;
}

static void path_of(struct phi_buf *path, const char *root, const char *name, const char *tail)
{
    phi_buf_adds(path, root);
    client_path_add(path, phi_view_of(name));
    phi_buf_adds(path, tail);
}

/* ---- channels */

static struct phi_view state_of(struct cli *c, const struct phi_json *ch)
{
    bool live = false;
    phi_json_bool(phi_json_get(ch, "live"), &live);
    if (!live)
        return phi_arena_printf(&c->arena, "off: " PHI_FMT, PHI_ARG(phi_json_text(ch, "why_off")));
    if (phi_json_num(ch, "paused_ms", 0))
        return PHI_LIT("paused");
    return phi_json_num(ch, "last_sent_ms", 0) ? PHI_LIT("works") : PHI_LIT("not used yet");
}

static void cell_num(struct cli_table *t, const struct phi_json *v, const char *key)
{
    cli_cell(t, phi_arena_printf(&t->c->arena, "%lld", (long long)phi_json_num(v, key, 0)));
}

int cli_do_channel_list(struct cli *c)
{
    static const char *const heads[] = { "NAME", "KIND", "STATE", "WAITING", "DEAD", "DROPPED", "LAST ERROR" };
    static struct cli_table t;
    struct phi_json all;
    int rc = cli_pages(c, "/v1/channels", "channels", &all);
    if (rc)
        return rc;
    if (cli_has(c, OPT_JSON))
        return cli_json(c, &all), CLI_DONE;
    const struct phi_json *list = phi_json_get(&all, "channels");
    cli_table_open(&t, c, heads, 7);
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *ch = &list->items[i];
        cli_cell(&t, phi_json_text(ch, "name"));
        cli_cell(&t, phi_json_text(ch, "kind"));
        cli_cell(&t, state_of(c, ch));
        cell_num(&t, ch, "waiting");
        cell_num(&t, ch, "dead");
        cell_num(&t, ch, "dropped");
        cli_cell(&t, phi_json_text(ch, "last_error"));
    }
    cli_table_close(&t, "No channels: people are told in the console and the command line only.\n");
    return CLI_DONE;
}

/* KEY=VALUE: true and false are that, `events` and `callers` are lists between commas, the rest is text. */
static bool setting(struct phi_jw *w, const char *arg)
{
    const char *eq = strchr(arg, '=');
    char key[64];
    if (!eq || eq == arg || (size_t)(eq - arg) >= sizeof key)
        return false;
    memcpy(key, arg, (size_t)(eq - arg));
    key[eq - arg] = 0;
    struct phi_view item, value = phi_view_of(eq + 1);
    if (phi_view_is(value, "true") || phi_view_is(value, "false")) {
        phi_jw_kb(w, key, phi_view_is(value, "true"));
    } else if (strcmp(key, "events") == 0 || strcmp(key, "callers") == 0) {
        phi_jw_key(w, key);
        phi_jw_arr(w);
        while (phi_view_split(&value, ',', &item))
            phi_jw_str(w, item);
        phi_jw_end(w);
    } else {
        phi_jw_kv(w, key, value);
    }
    return true;
}

int cli_do_channel_set(struct cli *c)
{
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 16 * 1024);
    path_of(&path, "/v1/channels/", c->arg[0], "");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "kind", c->arg[1]);
    phi_jw_key(&w, "settings");
    phi_jw_obj(&w);
    for (int i = 2; i < c->n_args; i++)
        if (!setting(&w, c->arg[i]))
            return cli_usage(c, "a setting is KEY=VALUE, not ", c->arg[i]);
    phi_jw_end(&w);
    phi_jw_end(&w);
    return call(c, "PUT", &path, &body,
                strcmp(c->arg[1], "callback") == 0 ? "Set. Whom it lists may name its address as `callback` in an access request.\n"
                                                   : "Set. `phi channel test NAME` sends something by it.\n");
}

int cli_do_channel_remove(struct cli *c)
{
    PHI_BUF(path, 1024);
    path_of(&path, "/v1/channels/", c->arg[0], "");
    return call(c, "DELETE", &path, NULL, "Removed, with what waited for it.\n");
}

static int switch_to(struct cli *c, bool on)
{
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 8192);
    path_of(&path, "/v1/channels/", c->arg[0], "/switch");
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kb(&w, "on", on);
    if (cli_has(c, OPT_WHY))
        phi_jw_kc(&w, "why", cli_opt(c, OPT_WHY));
    phi_jw_end(&w);
    return call(c, "POST", &path, &body, on ? "On: what waited is sent.\n" : "Off: what comes waits.\n");
}

int cli_do_channel_on(struct cli *c)
{
    return switch_to(c, true);
}

int cli_do_channel_off(struct cli *c)
{
    return switch_to(c, false);
}

int cli_do_channel_test(struct cli *c)
{
    PHI_BUF(path, 1024);
    path_of(&path, "/v1/channels/", c->arg[0], "/test");
    return call(c, "POST", &path, NULL, "On its way; `phi channel` says how it fared.\n");
}

/* ---- contacts */

int cli_do_contact_list(struct cli *c)
{
    static const char *const heads[] = { "PERSON", "KIND", "ADDRESS" };
    static struct cli_table t;
    struct phi_json all;
    int rc = cli_pages(c, "/v1/contacts", "contacts", &all);
    if (rc)
        return rc;
    if (cli_has(c, OPT_JSON))
        return cli_json(c, &all), CLI_DONE;
    const struct phi_json *list = phi_json_get(&all, "contacts");
    cli_table_open(&t, c, heads, 3);
    for (size_t i = 0; list && i < list->n; i++) {
        cli_cell(&t, phi_json_text(&list->items[i], "name"));
        cli_cell(&t, phi_json_text(&list->items[i], "kind"));
        cli_cell(&t, phi_json_text(&list->items[i], "address"));
    }
    cli_table_close(&t, "No contacts.\n");
    return CLI_DONE;
}

static void contact_path(struct cli *c, struct phi_buf *path)
{
    path_of(path, "/v1/people/", c->arg[0], "/contacts/");
    client_path_add(path, phi_view_of(c->arg[1]));
}

int cli_do_contact_set(struct cli *c)
{
    struct phi_jw w;
    PHI_BUF(path, 1024);
    PHI_BUF(body, 4096);
    contact_path(c, &path);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "address", c->arg[2]);
    phi_jw_end(&w);
    return call(c, "PUT", &path, &body, "Set.\n");
}

int cli_do_contact_remove(struct cli *c)
{
    PHI_BUF(path, 1024);
    contact_path(c, &path);
    return call(c, "DELETE", &path, NULL, "Removed.\n");
}

/* ---- messages */

int cli_do_notify_list(struct cli *c)
{
    static const char *const heads[] = { "ID", "CHANNEL", "WHAT", "REQUEST", "TO", "TRIES", "WHY" };
    static struct cli_table t;
    struct phi_json all;
    int rc = cli_pages(c, cli_has(c, OPT_ALL) ? "/v1/notifications/waiting" : "/v1/notifications/dead", "notifications", &all);
    if (rc)
        return rc;
    if (cli_has(c, OPT_JSON))
        return cli_json(c, &all), CLI_DONE;
    const struct phi_json *list = phi_json_get(&all, "notifications");
    cli_table_open(&t, c, heads, 7);
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *m = &list->items[i];
        static const char *const keys[] = { "id", "channel", "what", "code", "to" };
        for (size_t k = 0; k < 5; k++)
            cli_cell(&t, phi_json_text(m, keys[k]));
        cell_num(&t, m, "tries");
        cli_cell(&t, phi_json_text(m, "error"));
    }
    cli_table_close(&t, cli_has(c, OPT_ALL) ? "Nothing waits.\n" : "Everything was sent, or waits to be.\n");
    return CLI_DONE;
}

int cli_do_notify_resend(struct cli *c)
{
    for (int i = 0; i < c->n_args; i++) {
        PHI_BUF(path, 1024);
        path_of(&path, "/v1/notifications/", c->arg[i], "/resend");
        int rc = call(c, "POST", &path, NULL, "On its way again.\n");
        if (rc)
            return rc;
    }
    return CLI_DONE;
}
