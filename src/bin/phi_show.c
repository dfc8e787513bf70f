/* A request as a person sees it before deciding. What decides — the bytes, their meaning, the scope,
 * the bounds, the reason — is shown from the body that the digest is of, not from the server's prose. */
#include <stdio.h>

#include "base/text.h"
#include "bin/phi.h"
#include "proof/body.h"

enum phi_rc cli_request_check(struct cli *c, const struct phi_json *r, struct phi_err *err)
{
    struct phi_body b;
    struct phi_digest d;
    char hex[PHI_HEX_LEN + 1];
    const struct phi_json *body = phi_json_get(r, "body");
    if (!body || body->kind == PHI_JSON_NULL)
        return phi_fail(err, PHI_ECORRUPT, "the request's text is not there (erased?), so nobody can see what it is");
    PHI_TRY(phi_body_read(&c->arena, body, &b, err));
    PHI_TRY(phi_body_digest(&b, &d, err));
    phi_digest_hex(&d, hex);
    if (!phi_view_is(phi_json_text(r, "digest"), hex) || b.version != phi_json_num(r, "version", -1) ||
        !phi_view_eq(phi_id_view(&b.id), phi_json_text(r, "id")))
        return phi_fail(err, PHI_ECORRUPT, "the server shows a text that its digest is not of: do not decide on it");
    return PHI_OK;
}

static void put_param(struct cli *c, const struct phi_statement *s, size_t i)
{
    const struct phi_param *p = &s->params[i];
    bool binary = s->n_formats == 1 ? s->formats[0] : i < s->n_formats && s->formats[i];
    phi_buf_printf(&c->out, "      $%zu = ", i + 1);
    if (p->null) {
        cli_put(c, "NULL\n");
    } else if (binary || !phi_utf8_ok(p->bytes)) {
        cli_put(c, "\\x");
        phi_hex_add(&c->out, p->bytes);
        cli_put(c, "\n");
    } else {
        cli_put(c, "'");
        cli_esc(c, p->bytes);
        cli_put(c, "'\n");
    }
}

static void change_value(struct cli *c, const char *label, struct phi_view key, const struct phi_json *v)
{
    PHI_BUF(text, 2 * 1024 * 1024);
    if (v->kind != PHI_JSON_STR)
        phi_json_canon(&text, v);
    cli_put(c, label);
    cli_esc(c, key);
    cli_put(c, "\n");
    cli_esc_lines(c, v->kind == PHI_JSON_STR ? v->str : phi_buf_view(&text), "      ");
}

/* A change of phi itself: the route, what its path names, and each member of its body. */
static void change(struct cli *c, struct phi_view document)
{
    const struct phi_json *v, *body;
    if (phi_json_read(&c->arena, document, PHI_JSON_STRICT, "change", &v, NULL) != PHI_OK || v->kind != PHI_JSON_OBJ) {
        cli_put(c, "  change\n");
        cli_esc_lines(c, document, "    ");
        return;
    }
    cli_put(c, "  change of phi itself\n    ");
    cli_esc(c, phi_json_text(v, "route"));
    cli_put(c, "\n");
    const struct phi_json *params = phi_json_get(v, "params");
    if (params && params->n)
        change_value(c, "    ", PHI_LIT("of"), params);
    body = phi_json_get(v, "body");
    for (size_t i = 0; body && body->kind == PHI_JSON_OBJ && i < body->n; i++)
        change_value(c, "    ", body->keys[i], &body->items[i]);
}

static void payload(struct cli *c, const struct phi_payload *p)
{
    switch (p->kind) {
    case PHI_PAYLOAD_NONE:
        return;
    case PHI_PAYLOAD_PG_QUERY:
        cli_put(c, "  statement\n");
        cli_esc_lines(c, p->bytes, "    ");
        return;
    case PHI_PAYLOAD_CHANGE:
        change(c, p->bytes);
        return;
    case PHI_PAYLOAD_PG_BATCH:
        phi_buf_printf(&c->out, "  %zu statement%s, run in this order\n", p->n_statements, p->n_statements == 1 ? "" : "s");
        for (size_t i = 0; i < p->n_statements; i++) {
            cli_esc_lines(c, p->statements[i].bytes, "    ");
            for (size_t k = 0; k < p->statements[i].n_params; k++)
                put_param(c, &p->statements[i], k);
        }
        return;
    }
}

static void what_row(struct cli *c, const char *label, struct phi_view action, struct phi_ref resource)
{
    PHI_BUF(b, 64 * 1024);
    phi_buf_add(&b, action);
    phi_buf_adds(&b, " on ");
    phi_ref_label(&b, resource);
    cli_line(c, label, phi_buf_view(&b));
}

static void limits(struct cli *c, const struct phi_bounds *b)
{
    static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    const struct { const char *name; int64_t n; } most[] = {
        { "statements", b->budget.statements }, { "rows", b->budget.rows }, { "bytes", b->budget.bytes } };
    PHI_BUF(line, 256);
    for (size_t i = 0; i < 3; i++)
        if (most[i].n)
            phi_buf_printf(&line, "%s%lld %s", line.n ? ", " : "", (long long)most[i].n, most[i].name);
    cli_line(c, "at most", phi_buf_view(&line));
    for (size_t i = 0; i < b->n_windows; i++) {
        const struct phi_window *w = &b->windows[i];
        int64_t to = (w->from_min + w->for_min) % 1440;
        PHI_BUF(when, 256);
        for (int d = 0; d < 7; d++)
            if (w->days >> d & 1)
                phi_buf_printf(&when, "%s ", days[d]);
        phi_buf_printf(&when, "%02d:%02d to %02d:%02d UTC", (int)(w->from_min / 60), (int)(w->from_min % 60), (int)(to / 60), (int)(to % 60));
        cli_line(c, i ? "" : "only", phi_buf_view(&when));
    }
}

static void bounds(struct cli *c, const struct phi_bounds *b)
{
    phi_buf_printf(&c->out, "  %-11s ", "asks for");
    cli_ms(c, b->for_ms);
    if (b->uses)
        phi_buf_printf(&c->out, ", %lld use%s", (long long)b->uses, b->uses == 1 ? "" : "s");
    else
        cli_put(c, ", any number of uses");
    if (b->from_ms) {
        cli_put(c, ", from ");
        phi_text_time(&c->out, b->from_ms);
    }
    if (b->until_ms) {
        cli_put(c, ", until ");
        phi_text_time(&c->out, b->until_ms);
    }
    cli_put(c, "\n");
    limits(c, b);
}

static void body(struct cli *c, const struct phi_body *b)
{
    const struct phi_scope *s = &b->scope;
    for (size_t i = 0; i < b->n_actions; i++)
        what_row(c, i ? "" : "does", b->actions[i].action, b->actions[i].resource);
    for (size_t i = 0; b->has_scope && i < s->n_actions * s->n_resources; i++)
        what_row(c, i ? "" : "may do", s->actions[i / s->n_resources], s->resources[i % s->n_resources]);
    payload(c, &b->payload);
    for (size_t i = 0; i < b->n_settings; i++) {
        PHI_BUF(line, 8192);
        phi_buf_printf(&line, PHI_FMT " = " PHI_FMT, PHI_ARG(b->settings[i].name), PHI_ARG(b->settings[i].value));
        cli_line(c, i ? "" : "settings", phi_buf_view(&line));
    }
    bounds(c, &b->bounds);
    cli_line(c, "why", b->why);
    cli_line(c, "ticket", b->ticket);
}

static void needs(struct cli *c, const struct phi_json *alternatives)
{
    for (size_t i = 0; alternatives && i < alternatives->n; i++)
        for (size_t k = 0; k < alternatives->items[i].n; k++) {
            const struct phi_json *n = &alternatives->items[i].items[k];
            struct phi_view who = cli_names(c, phi_json_get(n, "who"));
            PHI_BUF(line, 64 * 1024);
            phi_buf_printf(&line, "%lld of %lld " PHI_FMT "%s" PHI_FMT "%s", (long long)phi_json_num(n, "have", 0),
                           (long long)phi_json_num(n, "count", 0), PHI_ARG(phi_json_text(n, "requirement")),
                           who.n ? " (" : "", PHI_ARG(who), who.n ? ")" : "");
            cli_line(c, i && !k ? "or" : k ? "and" : "needs", phi_buf_view(&line));
        }
}

static void votes(struct cli *c, const struct phi_json *list)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *v = &list->items[i];
        PHI_BUF(line, 16 * 1024);
        phi_buf_printf(&line, PHI_FMT " by " PHI_FMT " for " PHI_FMT, PHI_ARG(phi_json_text(v, "decision")),
                       PHI_ARG(phi_json_text(v, "person")), PHI_ARG(phi_json_text(v, "requirement")));
        if (phi_json_text(v, "reason").n)
            phi_buf_printf(&line, ": " PHI_FMT, PHI_ARG(phi_json_text(v, "reason")));
        cli_line(c, "vote", phi_buf_view(&line));
    }
}

/* The server's word, as the reasons say. */
static void risk(struct cli *c, const struct phi_json *r)
{
    const struct phi_json *why = phi_json_get(r, "risk_reasons");
    int64_t points = phi_json_num(r, "risk", -1);
    PHI_BUF(line, 1024);
    if (points < 0)
        return;
    phi_buf_printf(&line, "%lld of 100", (long long)points);
    cli_line(c, "risk", phi_buf_view(&line));
    for (size_t i = 0; why && i < why->n; i++) {
        PHI_BUF(one, 4096);
        phi_buf_printf(&one, "%lld: " PHI_FMT, (long long)phi_json_num(&why->items[i], "points", 0), PHI_ARG(phi_json_text(&why->items[i], "why")));
        cli_line(c, "", phi_buf_view(&one));
    }
}

/* The tracker's word. */
static void ticket_facts(struct cli *c, const struct phi_json *r)
{
    const struct phi_json *f = phi_json_get(r, "ticket_facts");
    struct phi_view title = phi_json_text(f, "title");
    bool open = false, assigned = false;
    PHI_BUF(line, 2048);
    if (!f || f->kind != PHI_JSON_OBJ || !phi_json_bool(phi_json_get(f, "open"), &open) || !phi_json_bool(phi_json_get(f, "assigned"), &assigned))
        return;
    phi_buf_printf(&line, "%s, %s%s" PHI_FMT, open ? "open" : "closed", assigned ? "the asker's" : "not the asker's",
                   title.n ? ": " : "", PHI_ARG(title));
    cli_line(c, "tracker", phi_buf_view(&line));
}

static void head(struct cli *c, const struct phi_json *r)
{
    const struct phi_json *from = phi_json_get(r, "from");
    struct phi_view name = phi_json_text(phi_json_get(r, "requester"), "name");
    struct phi_view app = phi_json_text(from, "application"), addr = phi_json_text(from, "addr");
    PHI_BUF(line, 8192);
    cli_esc(c, phi_json_text(r, "code"));
    cli_put(c, "  ");
    cli_esc(c, phi_json_text(r, "status"));
    cli_put(c, "\n");
    phi_buf_add(&line, name);
    if (app.n)
        phi_buf_printf(&line, ", with " PHI_FMT, PHI_ARG(app));
    if (addr.n)
        phi_buf_printf(&line, ", from " PHI_FMT, PHI_ARG(addr));
    cli_line(c, "who asks", phi_buf_view(&line));
    cli_line(c, "for", cli_names(c, phi_json_get(r, "on_behalf")));
    cli_line(c, "target", phi_json_text(r, "target"));
    risk(c, r);
}

/* What people said, and who is told. */
static void said(struct cli *c, const struct phi_json *r)
{
    const struct phi_json *list = phi_json_get(r, "remarks"), *grant = phi_json_get(r, "grant");
    struct phi_view review = phi_json_text(grant, "review");
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *m = &list->items[i];
        PHI_BUF(line, 16 * 1024);
        phi_buf_printf(&line, PHI_FMT "%s " PHI_FMT, PHI_ARG(phi_json_text(m, "person")),
                       phi_view_is(phi_json_text(m, "kind"), "question") ? " asks:" : ":", PHI_ARG(phi_json_text(m, "text")));
        cli_line(c, i ? "" : "said", phi_buf_view(&line));
    }
    cli_line(c, "watched by", cli_names(c, phi_json_get(r, "watchers")));
    cli_line(c, "suggested", cli_names(c, phi_json_get(r, "suggested")));
    if (review.n)
        cli_line(c, "review", phi_view_is(review, "open") ? PHI_LIT("open: somebody else must look at what was done (phi grant review)") : PHI_LIT("closed"));
}

static void tail(struct cli *c, const struct phi_json *r)
{
    const struct phi_json *policies = phi_json_get(r, "policies"), *grant = phi_json_get(r, "grant");
    bool pending = phi_view_is(phi_json_text(r, "status"), "pending");
    ticket_facts(c, r);
    if (pending)
        needs(c, phi_json_get(r, "needs"));
    for (size_t i = 0; policies && i < policies->n; i++) {
        PHI_BUF(line, 8192);
        phi_buf_printf(&line, PHI_FMT ": " PHI_FMT, PHI_ARG(phi_json_text(&policies->items[i], "id")),
                       PHI_ARG(phi_json_text(&policies->items[i], "why")));
        cli_line(c, i ? "" : "policy", phi_buf_view(&line));
    }
    votes(c, phi_json_get(r, "votes"));
    cli_line(c, "denied by", phi_json_text(r, "denied_by"));
    cli_line(c, "reason", phi_json_text(r, "reason"));
    said(c, r);
    if (phi_json_get(grant, "status")) {
        phi_buf_printf(&c->out, "  %-11s ", "grant");
        cli_esc(c, phi_json_text(grant, "status"));
        phi_buf_printf(&c->out, ", %lld used, ", (long long)phi_json_num(grant, "used", 0));
        cli_ms(c, phi_json_num(grant, "remaining_ms", 0));
        cli_put(c, " left\n");
    }
    if (pending) {
        phi_buf_printf(&c->out, "  %-11s ", "expires in");
        cli_ms(c, phi_json_num(r, "expires_in_ms", 0));
        cli_put(c, "\n");
    }
    cli_line(c, "digest", phi_json_text(r, "digest"));
}

void cli_request_show(struct cli *c, const struct phi_json *r)
{
    struct phi_body b;
    struct phi_err err = { 0 };
    head(c, r);
    if (cli_request_check(c, r, &err) == PHI_OK && phi_body_read(&c->arena, phi_json_get(r, "body"), &b, &err) == PHI_OK)
        body(c, &b);
    else
        cli_line(c, "warning", phi_view_of(err.msg));
    tail(c, r);
}
