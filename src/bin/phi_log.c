/* log: what happened, newest last */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/text.h"
#include "bin/phi.h"
#include "proof/entity.h"

/* Codes of requests whose making was seen, so that later entries can be read. */
struct codes {
    struct phi_view req[512], code[512];
    size_t n;
};

static struct phi_view code_of(struct codes *s, const struct phi_json *e)
{
    struct phi_view req = phi_json_text(e, "req"), code = phi_json_text(e, "code");
    if (code.n && s->n < 512) {
        s->req[s->n] = req;
        s->code[s->n++] = code;
        return code;
    }
    for (size_t i = s->n; req.n && i-- > 0;)
        if (phi_view_eq(s->req[i], req))
            return s->code[i];
    return (struct phi_view){ 0 };
}

static void entity(struct cli *c, const struct phi_json *v)
{
    struct phi_ref r;
    PHI_BUF(b, 8192);
    if (phi_ref_read(v, "entity", &r, NULL) != PHI_OK)
        return;
    phi_ref_label(&b, r);
    cli_esc(c, phi_buf_view(&b));
}

static void member(struct cli *c, struct phi_view key, const struct phi_json *v)
{
    static const char *const known[] = { "by", "code", "ev", "n", "t", "v" }; /* shown in their columns */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (phi_view_is(key, known[i]))
            return;
    if (phi_view_is(key, "vote") || phi_view_is(key, "narrowing") || phi_view_is(key, "terms")) {
        if (phi_json_text(v, "decision").n) {
            cli_put(c, "  ");
            cli_esc(c, phi_json_text(v, "decision"));
        }
        return; /* in full by --json */
    }
    if (v->kind == PHI_JSON_STR && v->str.n == PHI_HEX_LEN)
        return;
    cli_put(c, "  ");
    cli_esc(c, key);
    cli_put(c, "=");
    if (v->kind == PHI_JSON_INT)
        phi_buf_printf(&c->out, "%lld", (long long)v->i);
    else if (v->kind == PHI_JSON_STR)
        cli_esc(c, v->str);
    else if (v->kind == PHI_JSON_OBJ)
        entity(c, v);
    for (size_t i = 0; v->kind == PHI_JSON_ARR && i < v->n; i++) {
        cli_put(c, i ? "," : "");
        entity(c, &v->items[i]);
    }
}

static void entry(struct cli *c, struct codes *codes, struct phi_view text)
{
    const struct phi_json *e = NULL;
    if (phi_json_read(&c->arena, text, PHI_JSON_STRICT, "entry", &e, NULL) != PHI_OK || e->kind != PHI_JSON_OBJ) {
        cli_put(c, "       (an entry that is no JSON: see `phi log verify`)\n");
        return;
    }
    struct phi_view code = code_of(codes, e), ev = phi_json_text(e, "ev");
    phi_buf_printf(&c->out, "%6lld  ", (long long)phi_json_num(e, "n", -1));
    phi_text_time(&c->out, phi_json_num(e, "t", 0));
    cli_put(c, "  ");
    cli_esc(c, code);
    for (size_t i = code.n; i < PHI_CODE_LEN + 2; i++)
        cli_put(c, " ");
    cli_esc(c, ev);
    cli_put(c, "  by ");
    entity(c, phi_json_get(e, "by"));
    for (size_t i = 0; i < e->n; i++)
        member(c, e->keys[i], &e->items[i]);
    cli_put(c, "\n");
}

static int number(struct cli *c, enum cli_opt o, int64_t otherwise, int64_t *ret)
{
    const char *text = cli_opt(c, o);
    *ret = otherwise;
    if (text && (!phi_view_int(phi_view_of(text), ret) || *ret < 0))
        return cli_usage(c, "this is no number: ", text);
    return CLI_DONE;
}

int cli_do_log(struct cli *c)
{
    static struct codes codes;
    struct client_reply r;
    int64_t from, limit;
    char path[128];
    int rc = number(c, OPT_LIMIT, 200, &limit);
    if (rc || (rc = number(c, OPT_FROM, -1, &from)) || (rc = cli_open(c)))
        return rc;
    if (limit < 1 || limit > 1000)
        return cli_usage(c, "--limit takes 1 to 1000", NULL);
    if (from < 0) {
        if ((rc = cli_call(c, "GET", "/v1/log/entries?from=0&limit=1", NULL, &r)))
            return rc;
        from = phi_json_num(r.json, "size", 0) - limit;
    }
    snprintf(path, sizeof path, "/v1/log/entries?from=%lld&limit=%lld", (long long)(from < 0 ? 0 : from), (long long)limit);
    if ((rc = cli_call(c, "GET", path, NULL, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    const struct phi_json *list = phi_json_get(r.json, "entries");
    for (size_t i = 0; list && i < list->n; i++)
        entry(c, &codes, list->items[i].str);
    return CLI_DONE;
}
