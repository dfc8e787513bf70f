/* request, inbox, show, cancel, and waiting for a decision */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/text.h"
#include "bin/phi.h"

int cli_request_status(const struct phi_json *r)
{
    struct phi_view is = phi_json_text(r, "status");
    if (phi_view_is(is, "approved"))
        return CLI_DONE;
    if (phi_view_is(is, "pending"))
        return CLI_PENDING;
    if (phi_view_is(is, "expired"))
        return CLI_EXPIRED;
    return phi_view_is(is, "denied") ? CLI_DENIED : CLI_ERROR;
}

/* ---- waiting ---- */

struct waiting {
    struct cli *c;
    struct phi_view id;
    bool changed, closed;
};

static void opened(void *ctx) /* what happened before it was open is asked for once */
{
    struct waiting *w = ctx;
    w->changed = true;
    net_loop_stop(w->c->loop);
}

static void event(struct phi_view id, struct phi_view kind, struct phi_view data, void *ctx)
{
    struct waiting *w = ctx;
    PHI_ARENA(a, 1 << 20);
    const struct phi_json *v = NULL;
    (void)id;
    if (!phi_view_is(kind, "request") || phi_json_read(&a, data, PHI_JSON_STRICT, "event", &v, NULL) != PHI_OK ||
        !phi_view_eq(phi_json_text(v, "id"), w->id))
        return;
    w->changed = true;
    net_loop_stop(w->c->loop);
}

static void closed(int status, const struct phi_err *why, void *ctx)
{
    struct waiting *w = ctx;
    (void)status, (void)why;
    w->closed = true;
    net_loop_stop(w->c->loop);
}

int cli_request_wait(struct cli *c, struct phi_view id, struct client_reply *r)
{
    static const struct net_http_stream_events events = { opened, event, closed };
    struct waiting w = { .c = c, .id = id };
    struct phi_err err = { 0 };
    struct net_http_stream *s = client_events(c->client, NULL, &events, &w, &err);
    PHI_BUF(path, 256);
    if (!s)
        return cli_err(&err);
    phi_buf_printf(&path, "/v1/requests/" PHI_FMT, PHI_ARG(id));
    int rc = CLI_PENDING;
    while (rc == CLI_PENDING) {
        if (!w.changed && !w.closed)
            net_loop_run(c->loop);
        if (!w.changed && w.closed)
            break;
        if (!w.changed)
            continue;
        w.changed = false; /* before asking: what happens meanwhile asks again */
        if (!(rc = cli_call(c, "GET", phi_buf_str(&path), NULL, r)))
            rc = cli_request_status(r->json);
        else
            break;
    }
    if (!w.closed)
        net_http_stream_close(s);
    else if (rc == CLI_PENDING)
        fputs("phi: the server ended the connection; the request still waits\n", stderr);
    return rc;
}

/* ---- request ---- */

static bool is_action(const char *word) /* "pg:write"; a resource has no ':' outside of quotes */
{
    const char *colon = strchr(word, ':');
    return colon && !strpbrk(word, "/\"") && colon[1];
}

static enum phi_rc scope_json(struct cli *c, struct phi_jw *w, struct phi_err *err)
{
    size_t actions = 0, resources = 0;
    phi_jw_obj(w);
    phi_jw_key(w, "actions");
    phi_jw_arr(w);
    for (int i = 0; i < c->n_args; i++)
        if (is_action(c->arg[i])) {
            phi_jw_cstr(w, c->arg[i]);
            actions++;
        }
    phi_jw_end(w);
    phi_jw_key(w, "resources");
    phi_jw_arr(w);
    for (int i = 0; i < c->n_args; i++)
        if (!is_action(c->arg[i])) {
            phi_jw_cstr(w, c->arg[i]);
            resources++;
        }
    phi_jw_end(w);
    phi_jw_end(w);
    if (!actions || !resources)
        return phi_fail(err, PHI_EINPUT, "name an action and a resource, such as: phi request pg:write shop/public.orders");
    return PHI_OK;
}

/* The target: --target, or what stands before the '/' of the first resource. */
struct phi_view cli_request_target(struct cli *c)
{
    if (cli_has(c, OPT_TARGET))
        return phi_view_of(cli_opt(c, OPT_TARGET));
    for (int i = 0; i < c->n_args; i++)
        if (!is_action(c->arg[i])) {
            size_t n = strcspn(c->arg[i], "/");
            return phi_view_mem(c->arg[i], n);
        }
    return (struct phi_view){ 0 };
}

static void names(struct cli *c, struct phi_jw *w, const char *key, enum cli_opt o)
{
    if (!cli_has(c, o))
        return;
    phi_jw_key(w, key);
    phi_jw_arr(w);
    for (int i = 0; i < c->n_opt[o]; i++)
        phi_jw_cstr(w, c->opt[o][i]);
    phi_jw_end(w);
}

int cli_request_body(struct cli *c, struct phi_buf *b)
{
    struct phi_jw w;
    struct phi_err err = { 0 };
    bool goes_on = cli_has(c, OPT_EXTENDS) && c->n_args == 0;
    if (goes_on && !cli_has(c, OPT_TARGET))
        return cli_usage(c, "with --extends alone name its --target", NULL);
    phi_jw_init(&w, b);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "target", cli_request_target(c));
    if (!goes_on) {
        phi_jw_key(&w, "scope");
        if (scope_json(c, &w, &err) != PHI_OK)
            return cli_usage(c, err.msg, NULL);
    }
    if (cli_bounds_json(c, &w, false, &err) != PHI_OK)
        return cli_usage(c, err.msg, NULL);
    phi_jw_kc(&w, "why", cli_has(c, OPT_WHY) ? cli_opt(c, OPT_WHY) : "");
    if (cli_has(c, OPT_TICKET))
        phi_jw_kc(&w, "ticket", cli_opt(c, OPT_TICKET));
    if (cli_has(c, OPT_EXTENDS))
        phi_jw_kc(&w, "extends", cli_opt(c, OPT_EXTENDS));
    if (cli_has(c, OPT_GLASS))
        phi_jw_kb(&w, "break_glass", true);
    names(c, &w, "watchers", OPT_WATCH);
    names(c, &w, "suggested", OPT_SUGGEST);
    names(c, &w, "on_behalf", OPT_BEHALF);
    phi_jw_end(&w);
    return CLI_DONE;
}

static void say_request(struct cli *c, const struct phi_json *r)
{
    cli_esc(c, phi_json_text(r, "code"));
    cli_put(c, " is ");
    cli_esc(c, phi_json_text(r, "status"));
    cli_put(c, ": ");
    cli_esc(c, phi_json_text(r, "summary"));
    cli_put(c, "\n");
    const struct phi_json *need = phi_json_at(phi_json_at(phi_json_get(r, "needs"), 0), 0);
    if (need && phi_view_is(phi_json_text(r, "status"), "pending")) {
        phi_buf_printf(&c->out, "  needs %lld ", (long long)phi_json_num(need, "count", 0));
        cli_esc(c, phi_json_text(need, "requirement"));
        cli_put(c, ": ");
        cli_esc(c, cli_names(c, phi_json_get(need, "who")));
        cli_put(c, "; valid ");
        cli_ms(c, phi_json_num(r, "expires_in_ms", 0));
        cli_put(c, "\n");
    }
    if (phi_json_text(r, "denied_by").n || phi_json_text(r, "reason").n) {
        cli_line(c, "denied by", phi_json_text(r, "denied_by"));
        cli_line(c, "reason", phi_json_text(r, "reason"));
    }
}

int cli_do_request(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(body, 64 * 1024);
    PHI_BUF(path, 1024);
    bool changes = cli_has(c, OPT_CHANGES);
    if (changes && (cli_has(c, OPT_EXTENDS) || cli_has(c, OPT_GLASS) || cli_has(c, OPT_BEHALF)))
        return cli_usage(c, "--changes does not go with --extends, --break-glass or --on-behalf: these stay as they were asked", NULL);
    int rc = cli_request_body(c, &body);
    if (changes)
        cli_which_path(&path, "requests", cli_opt(c, OPT_CHANGES), "");
    else
        phi_buf_adds(&path, "/v1/requests");
    if (rc || (rc = cli_open(c)) || (rc = cli_call(c, changes ? "PUT" : "POST", phi_buf_str(&path), &body, &r)))
        return rc;
    struct phi_view verdict = phi_json_text(r.json, "verdict"), id = phi_json_text(r.json, "id");
    if (!verdict.n && cli_has(c, OPT_WAIT) && cli_request_status(r.json) == CLI_PENDING) {
        if (!cli_has(c, OPT_JSON)) {
            say_request(c, r.json);
            cli_flush(c);
        }
        rc = cli_request_wait(c, id, &r);
    }
    if (!r.json)
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r.json);
    else if (phi_view_is(verdict, "allow"))
        cli_put(c, "The policy allows this without asking.\n");
    else if (phi_view_is(verdict, "grant"))
        cli_put(c, cli_has(c, OPT_GLASS) ? "The glass is broken: act now. Somebody else must review this.\n"
                                         : "You hold a grant for this: a rule approved it, or you had it.\n");
    else
        say_request(c, r.json);
    return rc;
}

/* ---- inbox, show, cancel ---- */

static void rows(struct cli *c, const struct phi_json *list, bool ended_too, const char *none)
{
    static const char *const heads[] = { "CODE", "STATUS", "WHO", "WHAT", "WHY", "EXPIRES IN" };
    static struct cli_table t;
    cli_table_open(&t, c, heads, 6);
    t.prose = 1u << 3 | 1u << 4;
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *r = &list->items[i];
        cli_cell(&t, phi_json_text(r, "code"));
        cli_cell(&t, ended_too ? phi_json_text(r, "status") : (struct phi_view){ 0 }); /* else all are pending */
        cli_cell(&t, phi_json_text(phi_json_get(r, "requester"), "name"));
        cli_cell(&t, phi_json_text(r, "summary"));
        cli_cell(&t, phi_json_text(r, "why"));
        if (phi_view_is(phi_json_text(r, "status"), "pending"))
            cli_cell_ms(&t, phi_json_num(r, "expires_in_ms", 0));
        else
            cli_cell(&t, (struct phi_view){ 0 });
    }
    cli_table_close(&t, none);
}

int cli_do_inbox(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 256);
    bool mine = cli_has(c, OPT_MINE), all = cli_has(c, OPT_ALL);
    phi_buf_printf(&path, "/v1/requests?box=%s&status=%s&limit=", mine ? "mine" : all ? "all" : "inbox", all ? "all" : "pending");
    client_path_add(&path, phi_view_of(cli_has(c, OPT_LIMIT) ? cli_opt(c, OPT_LIMIT) : "50"));
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", phi_buf_str(&path), NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r.json);
    else
        rows(c, phi_json_get(r.json, "requests"), all, mine ? "None of yours.\n" : all ? "None.\n" : "Nothing waits for your vote.\n");
    return CLI_DONE;
}

int cli_do_show(struct cli *c)
{
    struct client_reply r;
    PHI_BUF(path, 1024);
    cli_which_path(&path, "requests", c->arg[0], "");
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", phi_buf_str(&path), NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON))
        cli_json(c, r.json);
    else
        cli_request_show(c, r.json);
    return CLI_DONE;
}

int cli_do_cancel(struct cli *c)
{
    struct client_reply r;
    int rc = cli_act(c, "requests", "/cancel", NULL, NULL, &r);
    if (!rc && !cli_has(c, OPT_JSON))
        say_request(c, r.json);
    return rc;
}
