/* log: what happened, newest last */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/text.h"
#include "bin/phi.h"
#include "proof/entity.h"

#define NAMES_MAX 512

/* What makes entries readable: codes of requests whose making was seen, and names of people as far as
 * the reader may know them. The log itself holds neither names nor reasons. */
struct names {
    struct phi_view id[NAMES_MAX], name[NAMES_MAX];
    size_t n;
};

static void learn(struct names *s, struct phi_view id, struct phi_view name)
{
    if (id.n && name.n && s->n < NAMES_MAX) {
        s->id[s->n] = id;
        s->name[s->n++] = name;
    }
}

static struct phi_view name_of(const struct names *s, struct phi_view id)
{
    for (size_t i = s->n; id.n && i-- > 0;)
        if (phi_view_eq(s->id[i], id))
            return s->name[i];
    return (struct phi_view){ 0 };
}

static void learn_requesters(struct names *s, const struct phi_json *list)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const struct phi_json *p = phi_json_get(&list->items[i], "requester");
        if (!name_of(s, phi_json_text(p, "id")).n)
            learn(s, phi_json_text(p, "id"), phi_json_text(p, "name"));
    }
}

static void learn_everybody(struct cli *c, struct names *s)
{
    struct client_reply people;
    PHI_BUF(path, 1024);
    phi_buf_adds(&path, "/v1/people");
    while (path.n && client_call_wait(c->client, &c->arena, "GET", phi_buf_str(&path), (struct phi_view){ 0 }, &people, NULL) == PHI_OK) {
        const struct phi_json *list = phi_json_get(people.json, "people");
        struct phi_view next = phi_json_text(people.json, "next");
        for (size_t i = 0; list && i < list->n; i++)
            learn(s, phi_json_text(&list->items[i], "id"), phi_json_text(&list->items[i], "name"));
        phi_buf_clear(&path);
        if (next.n)
            phi_buf_printf(&path, "/v1/people?cursor=" PHI_FMT, PHI_ARG(next));
    }
}

/* Myself; those whose requests I may see; everybody, for those who may list people. */
static void learn_people(struct cli *c, struct names *s)
{
    struct client_reply me, requests;
    bool lists = false;
    if (client_call_wait(c->client, &c->arena, "GET", "/v1/whoami", (struct phi_view){ 0 }, &me, NULL) != PHI_OK)
        return;
    const struct phi_json *person = phi_json_get(me.json, "person"), *rights = phi_json_get(me.json, "rights");
    learn(s, phi_json_text(person, "id"), phi_json_text(person, "name"));
    if (client_call_wait(c->client, &c->arena, "GET", "/v1/requests?box=all&status=all&limit=50", (struct phi_view){ 0 }, &requests, NULL) ==
        PHI_OK)
        learn_requesters(s, phi_json_get(requests.json, "requests"));
    for (size_t i = 0; rights && i < rights->n; i++)
        lists = lists || phi_view_is(rights->items[i].str, "see-people");
    if (lists)
        learn_everybody(c, s);
}

/* An id of ours by its last part: enough to tell two apart on a screen; --json has it whole. */
static struct phi_view brief(struct phi_view id)
{
    struct phi_id whole;
    return phi_id_read(id, &whole) ? phi_view_from(id, id.n - 8) : id;
}

static void entity(struct cli *c, const struct names *s, const struct phi_json *v)
{
    struct phi_ref r;
    PHI_BUF(b, 8192);
    if (phi_ref_read(v, "entity", &r, NULL) != PHI_OK)
        return;
    struct phi_view name = name_of(s, r.id);
    if (r.id.n && r.id.p[0] == '[')
        phi_ref_label(&b, r);
    else
        phi_buf_add(&b, name.n ? name : brief(r.id));
    cli_esc(c, phi_buf_view(&b));
}

/* Not worth a place on the line: its columns, what --json is for, and times that the entry's own gives. */
static bool skipped(struct phi_view key)
{
    static const char *const keys[] = { "by", "code", "ev", "n", "t", "v", "narrowing", "terms", "until_ms" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (phi_view_is(key, keys[i]))
            return true;
    return false;
}

static bool same_as_by(const struct phi_json *e, const struct phi_json *v)
{
    const struct phi_json *by = phi_json_get(e, "by");
    return v->kind == PHI_JSON_OBJ && phi_json_text(v, "id").n && phi_view_eq(phi_json_text(v, "id"), phi_json_text(by, "id"));
}

static void value(struct cli *c, const struct names *s, const struct phi_json *v)
{
    if (v->kind == PHI_JSON_INT)
        phi_buf_printf(&c->out, "%lld", (long long)v->i);
    else if (v->kind == PHI_JSON_STR)
        cli_esc(c, brief(v->str));
    else if (v->kind == PHI_JSON_OBJ)
        entity(c, s, v);
    for (size_t i = 0; v->kind == PHI_JSON_ARR && i < v->n; i++) {
        cli_put(c, i ? "," : "");
        entity(c, s, &v->items[i]);
    }
}

static void member(struct cli *c, const struct names *s, const struct phi_json *e, size_t i)
{
    const struct phi_json *v = &e->items[i];
    struct phi_view key = e->keys[i];
    bool hash = v->kind == PHI_JSON_STR && v->str.n == PHI_HEX_LEN;
    if (skipped(key) || hash || same_as_by(e, v) || (phi_view_is(key, "req") && name_of(s, v->str).n))
        return;
    cli_put(c, "  ");
    if (phi_view_is(key, "vote")) {
        cli_esc(c, phi_json_text(v, "decision"));
        cli_put(c, " for ");
        cli_esc(c, phi_json_text(v, "requirement"));
        return;
    }
    cli_esc(c, key);
    cli_put(c, "=");
    value(c, s, v);
}

static void padded(struct cli *c, struct phi_view text, size_t width)
{
    cli_esc(c, text);
    for (size_t i = text.n; i < width; i++)
        cli_put(c, " ");
}

static void entry(struct cli *c, struct names *s, struct phi_view text)
{
    const struct phi_json *e = NULL;
    if (phi_json_read(&c->arena, text, PHI_JSON_STRICT, "entry", &e, NULL) != PHI_OK || e->kind != PHI_JSON_OBJ) {
        cli_put(c, "        (an entry that is no JSON: see `phi log verify`)\n");
        return;
    }
    learn(s, phi_json_text(e, "req"), phi_json_text(e, "code"));
    phi_buf_printf(&c->out, "%6lld  ", (long long)phi_json_num(e, "n", -1));
    phi_text_time(&c->out, phi_json_num(e, "t", 0));
    cli_put(c, "  ");
    padded(c, name_of(s, phi_json_text(e, "req")), PHI_CODE_LEN + 2);
    padded(c, phi_json_text(e, "ev"), 20);
    cli_put(c, "  by ");
    entity(c, s, phi_json_get(e, "by"));
    for (size_t i = 0; i < e->n; i++)
        member(c, s, e, i);
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
    static struct names names;
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
    learn_people(c, &names);
    for (size_t i = 0; list && i < list->n; i++)
        entry(c, &names, list->items[i].str);
    return CLI_DONE;
}
