#include "policy/golden.h"

#include "policy/conform.h"

#include "base/yaml.h"

#define MEMORY (64UL << 20)

struct golden {
    const struct phi_bundle *b;
    const char *file;
    struct phi_entities *es;
    struct phi_buf *out;
    struct phi_err *err;
    struct cedar_golden n;
};

void cedar_answer_write(struct phi_buf *b, const struct phi_answer *answer)
{
    if (answer->partial)
        phi_buf_adds(b, "unknown");
    else if (answer->verdict == PHI_ALLOW)
        phi_buf_adds(b, "allow");
    else if (answer->verdict == PHI_NEEDS)
        phi_buf_adds(b, "needs ");
    else
        phi_buf_adds(b, "deny");
    for (size_t i = 0; i < answer->n_obligations; i++)
        phi_buf_printf(b, "%s" PHI_FMT, i ? " and " : " with ", PHI_ARG(answer->obligations[i]->name));
    for (size_t i = 0; answer->verdict == PHI_NEEDS && i < answer->n_alternatives; i++) {
        phi_buf_adds(b, i ? ", or " : "");
        for (size_t k = 0; k < answer->alternatives[i].n; k++)
            phi_buf_printf(b, "%s" PHI_FMT, k ? " and " : "", PHI_ARG(answer->alternatives[i].requirements[k]->name));
    }
}

static enum phi_rc bad(struct golden *g, const struct phi_json *v, const char *what)
{
    return phi_fail(g->err, PHI_EINPUT, "%s:%u: %s", g->file, v ? v->line : 1, what);
}

static enum phi_rc read_uid(struct golden *g, struct phi_arena *a, const struct phi_json *v, struct phi_uid *ret)
{
    struct phi_view text;
    struct phi_err why = { 0 };
    if (!phi_json_str(v, &text) || phi_uid_read(a, phi_view_trim(text), ret, &why) != PHI_OK)
        return bad(g, v, "expected an entity such as Person::\"alice\"");
    return PHI_OK;
}

/* ---- entities ------------------------------------------------------------------------------------- */

static enum phi_rc add(struct golden *g, const struct phi_json *at, struct phi_uid uid, const struct phi_uid *up, size_t n,
                       const struct phi_value *attrs)
{
    struct phi_err why = { 0 };
    const struct cedar_entity *e = NULL;
    if (cedar_entities_add(g->es, uid, up, n, attrs, NULL, &why) != PHI_OK)
        return bad(g, at, why.msg);
    e = cedar_entity_find(g->es, uid);
    return !e || cedar_conform_entity(&g->b->schema, e, &why) == PHI_OK ? PHI_OK : bad(g, at, why.msg);
}

/* Where ` in ` stands outside of quotes; else the end. */
static size_t find_in(struct phi_view v)
{
    bool quoted = false;
    for (size_t i = 0; i + 4 <= v.n; i++) {
        if (v.p[i] == '\\')
            i++;
        else if (v.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && phi_view_starts(phi_view_from(v, i), PHI_LIT(" in ")))
            return i;
    }
    return v.n;
}

static enum phi_rc add_line(struct golden *g, const struct phi_json *v)
{
    PHI_ARENA(a, MEMORY);
    struct cedar_lex l;
    struct phi_uid uid, up[32];
    size_t n = 0, in = find_in(v->str);
    struct phi_json first = *v;
    struct phi_view rest = phi_view_from(v->str, in + 4);
    struct phi_err why = { 0 };
    first.str = phi_view_upto(v->str, in);
    PHI_TRY(read_uid(g, &a, &first, &uid));
    bool more = in < v->str.n;
    if (more && cedar_lex_init(&l, &a, rest, g->file, &why) != PHI_OK)
        return bad(g, v, why.msg);
    while (more) {
        if (n == 32 || cedar_parse_uid(&l, &up[n]) != PHI_OK || cedar_lex_maybe(&l, TOK_COMMA, &more) != PHI_OK)
            return bad(g, v, "expected parents such as Group::\"dev\", Group::\"ops\"");
        n++;
    }
    if (in < v->str.n && l.tok.kind != TOK_END)
        return bad(g, v, "expected a comma between parents");
    return add(g, v, uid, up, n, NULL);
}

static enum phi_rc add_object(struct golden *g, const struct phi_json *v)
{
    static const char *const keys[] = { "entity", "in", "attributes", NULL };
    PHI_ARENA(a, MEMORY);
    const struct phi_json *in = phi_json_get(v, "in"), *attributes = phi_json_get(v, "attributes");
    const struct phi_value *attrs = NULL;
    struct phi_uid uid, *up = phi_arena_array(&a, in ? in->n + 1 : 1, sizeof *up);
    struct phi_err why = { 0 };
    if (phi_json_only(v, keys, &why) != PHI_OK)
        return bad(g, v, why.msg);
    PHI_TRY(read_uid(g, &a, phi_json_get(v, "entity"), &uid));
    if (!up || (in && in->kind != PHI_JSON_ARR))
        return bad(g, v, "in must be a list of entities");
    for (size_t i = 0; in && i < in->n; i++)
        PHI_TRY(read_uid(g, &a, &in->items[i], &up[i]));
    const struct cedar_entity_type *t = cedar_schema_entity(&g->b->schema, uid.type);
    if (attributes && cedar_value_from_json(&a, attributes, t ? t->attrs : NULL, &attrs, &why) != PHI_OK)
        return bad(g, attributes, why.msg);
    return add(g, v, uid, up, in ? in->n : 0, attrs);
}

static enum phi_rc add_entities(struct golden *g, const struct phi_json *list)
{
    struct phi_err why = { 0 };
    if (list && list->kind != PHI_JSON_ARR)
        return bad(g, list, "entities must be a list");
    for (size_t i = 0; list && i < list->n; i++)
        PHI_TRY(list->items[i].kind == PHI_JSON_STR ? add_line(g, &list->items[i]) : add_object(g, &list->items[i]));
    return cedar_entities_no_ring(g->es, &why) == PHI_OK ? PHI_OK : bad(g, list, why.msg);
}

/* ---- tests ------------------------------------------------------------------------------------------- */

/* Kinds that obligations of this bundle have: another would be a slip of the pen. */
static enum phi_rc read_can(struct golden *g, struct phi_arena *a, const struct phi_json *can, struct phi_ask *ask)
{
    struct phi_view *kinds = phi_arena_array(a, can ? can->n + 1 : 1, sizeof *kinds);
    bool ok = kinds && (!can || can->kind == PHI_JSON_ARR);
    for (size_t i = 0; ok && can && i < can->n; i++) {
        bool known = false;
        ok = phi_json_str(&can->items[i], &kinds[i]);
        for (size_t k = 0; ok && k < g->b->n_obligations; k++)
            known |= phi_view_eq(kinds[i], g->b->obligations[k].kind);
        ok = known;
        ask->n_can++;
    }
    ask->can = kinds;
    return ok ? PHI_OK : bad(g, can, "can must be a list of kinds that obligations in requirements.yaml have");
}

static enum phi_rc read_ask(struct golden *g, struct phi_arena *a, const struct phi_json *v, struct phi_ask *ask)
{
    const struct phi_json *context = phi_json_get(v, "context"), *met = phi_json_get(v, "met"), *can = phi_json_get(v, "can");
    struct phi_err why = { 0 };
    PHI_TRY(read_uid(g, a, phi_json_get(v, "who"), &ask->principal));
    PHI_TRY(read_uid(g, a, phi_json_get(v, "does"), &ask->action));
    PHI_TRY(read_uid(g, a, phi_json_get(v, "on"), &ask->resource));
    const struct cedar_action *act = cedar_schema_action(&g->b->schema, ask->action);
    if (context && cedar_value_from_json(a, context, act ? act->context : NULL, &ask->context, &why) != PHI_OK)
        return bad(g, context, why.msg);
    PHI_TRY(read_can(g, a, can, ask));
    if (!met)
        return PHI_OK;
    struct phi_view *names = phi_arena_array(a, met->n + 1, sizeof *names);
    for (size_t i = 0; names && met->kind == PHI_JSON_ARR && i < met->n; i++) {
        if (!phi_json_str(&met->items[i], &names[i]) || !phi_bundle_requirement(g->b, names[i]))
            return bad(g, met, "met must be a list of requirements that are defined");
        ask->n_met++;
    }
    ask->met = names;
    return names && met->kind == PHI_JSON_ARR ? PHI_OK : bad(g, met, "met must be a list");
}

static bool names_are(const struct phi_answer *answer, const struct phi_json *list)
{
    if (list->kind != PHI_JSON_ARR || list->n != answer->n_policies)
        return false;
    for (size_t i = 0; i < list->n; i++)
        if (!phi_view_eq(list->items[i].str, answer->policies[i].id))
            return false;
    return true;
}

static void compare(struct golden *g, const struct phi_json *v, const struct phi_answer *answer)
{
    const struct phi_json *because = phi_json_get(v, "because");
    struct phi_view want = phi_json_text(v, "answer"), reason = phi_json_text(v, "reason");
    PHI_BUF(got, 8192);
    cedar_answer_write(&got, answer);
    bool same = phi_view_eq(phi_buf_view(&got), want);
    bool as_named = !because || names_are(answer, because);
    bool ok = same && as_named && (reason.n == 0 || phi_view_eq(reason, answer->reason));
    g->n.passed += ok;
    g->n.failed += !ok;
    if (ok)
        return;
    phi_buf_printf(g->out, "%s:%u: " PHI_FMT ": ", g->file, v->line, PHI_ARG(phi_json_text(v, "name")));
    if (!same)
        phi_buf_printf(g->out, "answers %s, wanted " PHI_FMT "; ", phi_buf_str(&got), PHI_ARG(want));
    if (!as_named) {
        phi_buf_adds(g->out, "decided by [");
        for (size_t i = 0; i < answer->n_policies; i++)
            phi_buf_printf(g->out, "%s" PHI_FMT, i ? ", " : "", PHI_ARG(answer->policies[i].id));
        phi_buf_adds(g->out, "]; ");
    }
    phi_buf_printf(g->out, "it says: " PHI_FMT "\n", PHI_ARG(answer->reason));
}

static enum phi_rc run_one(struct golden *g, const struct phi_json *v)
{
    static const char *const keys[] = { "name", "who", "does", "on", "context", "met", "can", "answer", "because", "reason", NULL };
    PHI_ARENA(a, MEMORY);
    struct phi_ask ask = { 0 };
    struct phi_answer answer;
    struct phi_err why = { 0 };
    if (v->kind != PHI_JSON_OBJ || phi_json_only(v, keys, &why) != PHI_OK)
        return bad(g, v, why.msg[0] ? why.msg : "a test must have name, who, does, on, answer");
    if (phi_json_text(v, "answer").n == 0)
        return bad(g, v, "a test must have an answer: allow, deny, or needs …");
    PHI_TRY(read_ask(g, &a, v, &ask));
    if (phi_decide(g->b, g->es, &ask, &a, &answer, &why) != PHI_OK)
        return bad(g, v, why.msg);
    compare(g, v, &answer);
    return PHI_OK;
}

static enum phi_rc run(struct golden *g, struct phi_view text)
{
    static const char *const keys[] = { "entities", "tests", NULL };
    PHI_ARENA(a, MEMORY);
    const struct phi_json *all = NULL, *tests = NULL;
    PHI_TRY(phi_yaml_read(&a, text, g->file, &all, g->err));
    PHI_TRY(phi_json_only(all, keys, g->err));
    PHI_TRY(add_entities(g, phi_json_get(all, "entities")));
    tests = phi_json_get(all, "tests");
    if (!tests || tests->kind != PHI_JSON_ARR || tests->n == 0)
        return bad(g, tests, "tests must be a list");
    for (size_t i = 0; i < tests->n; i++)
        PHI_TRY(run_one(g, &tests->items[i]));
    return PHI_OK;
}

enum phi_rc cedar_golden_run(const struct phi_bundle *b, struct phi_view text, const char *file, struct phi_buf *out,
                             struct cedar_golden *ret, struct phi_err *err)
{
    struct golden g = { .b = b, .file = file, .out = out, .err = err, .es = phi_entities_open(NULL, MEMORY) };
    if (!g.es)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    enum phi_rc rc = run(&g, text);
    phi_entities_close(g.es);
    *ret = g.n;
    return rc;
}
