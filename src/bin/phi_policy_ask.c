/* `phi policy` without a server: deciding, and asking about decisions. */
#include "bin/phi_policy.h"

#include <string.h>

#include "policy/entities.h"
#include "policy/est.h"
#include "policy/explain.h"
#include "policy/plain.h"
#include "policy/schema_json.h"

static const char *verdict_name(const struct phi_answer *a)
{
    return a->partial ? "unknown" : a->verdict == PHI_ALLOW ? "allow" : a->verdict == PHI_NEEDS ? "needs" : "deny";
}

/* ---- explain -------------------------------------------------------------------------------------------- */

static void answer_json(struct phi_jw *w, const struct phi_answer *a)
{
    phi_jw_kc(w, "answer", verdict_name(a));
    phi_jw_kv(w, "reason", a->reason);
    phi_jw_key(w, "alternatives");
    phi_jw_arr(w);
    for (size_t i = 0; i < a->n_alternatives; i++) {
        phi_jw_arr(w);
        for (size_t k = 0; k < a->alternatives[i].n; k++)
            phi_jw_str(w, a->alternatives[i].requirements[k]->name);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_key(w, "obligations");
    phi_jw_arr(w);
    for (size_t i = 0; i < a->n_obligations; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "name", a->obligations[i]->name);
        phi_jw_kv(w, "kind", a->obligations[i]->kind);
        phi_jw_kv(w, "why", a->obligations[i]->why);
        if (a->obligations[i]->rows)
            phi_jw_ki(w, "rows", a->obligations[i]->rows);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_jw_key(w, "decided");
    phi_jw_arr(w);
    for (size_t i = 0; i < a->n_policies; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "id", a->policies[i].id);
        phi_jw_kv(w, "why", a->policies[i].why);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static const char *outcome_name(enum cedar_outcome o)
{
    static const char *const names[] = { "holds", "false", "error", "waits" };
    return names[o];
}

static void explain_json(struct cli *c, const struct cedar_explained *x)
{
    struct phi_jw w;
    PHI_BUF(b, 16u << 20);
    phi_jw_init(&w, &b);
    phi_jw_obj(&w);
    answer_json(&w, &x->answer);
    phi_jw_key(&w, "policies");
    phi_jw_arr(&w);
    for (size_t i = 0; i < x->n; i++) {
        const struct cedar_reason *r = &x->reasons[i];
        phi_jw_obj(&w);
        phi_jw_kv(&w, "id", r->policy->id);
        phi_jw_kc(&w, "effect", r->policy->forbid ? "forbid" : "permit");
        phi_jw_kc(&w, "outcome", outcome_name(r->outcome));
        if (r->outcome != CEDAR_HOLDS)
            phi_jw_kc(&w, "part", cedar_part_name(r->part));
        phi_jw_ki(&w, "line", r->at.line);
        phi_jw_ki(&w, "column", r->at.col);
        if (r->text.n)
            phi_jw_kv(&w, "text", r->text);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    phi_jw_end(&w);
    phi_buf_add(&c->out, phi_buf_view(&b));
    cli_put(c, "\n");
}

static void explain_one(struct cli *c, const struct cedar_reason *r)
{
    PHI_BUF(line, 4096);
    phi_buf_printf(&line, "  %s \"" PHI_FMT "\" (" CEDAR_POLICIES_FILE ":%u): ", r->policy->forbid ? "forbid" : "permit",
                   PHI_ARG(phi_view_upto(r->policy->id, 100)), r->policy->at.line);
    if (r->outcome == CEDAR_HOLDS)
        phi_buf_adds(&line, r->policy->forbid ? "forbids" : "permits");
    else if (r->part <= CEDAR_PART_RESOURCE)
        phi_buf_printf(&line, "is for another %s", cedar_part_name(r->part));
    else
        phi_buf_printf(&line, "%s at %u:%u: " PHI_FMT,
                       r->outcome == CEDAR_ERRS  ? "could not be evaluated" :
                       r->outcome == CEDAR_WAITS ? (r->policy->forbid ? "forbids until it is met" : "asks for what is not met") :
                       r->part == CEDAR_PART_WHEN ? "this is false" : "its `unless` is true",
                       r->at.line, r->at.col, PHI_ARG(phi_view_upto(r->text, 300)));
    cli_esc(c, phi_buf_view(&line));
    cli_put(c, "\n");
}

static void explain_text(struct cli *c, const struct cedar_explained *x)
{
    PHI_BUF(answer, 8192);
    cedar_answer_write(&answer, &x->answer);
    cli_esc(c, phi_buf_view(&answer));
    cli_put(c, "\n  ");
    cli_esc(c, x->answer.reason);
    cli_put(c, "\n");
    for (size_t i = 0; i < x->answer.n_policies; i++) {
        cli_put(c, "  decided: ");
        cli_esc(c, x->answer.policies[i].id);
        cli_put(c, x->answer.policies[i].why.n ? ": " : "");
        cli_esc(c, x->answer.policies[i].why);
        cli_put(c, "\n");
    }
    for (size_t i = 0; i < x->answer.n_obligations; i++) {
        const struct phi_obligation *o = x->answer.obligations[i];
        PHI_BUF(line, 1024);
        phi_buf_printf(&line, "  obligation: " PHI_FMT " (" PHI_FMT, PHI_ARG(o->name), PHI_ARG(o->kind));
        if (o->rows)
            phi_buf_printf(&line, ", %lld rows", (long long)o->rows);
        phi_buf_printf(&line, ")%s" PHI_FMT, o->why.n ? ": " : "", PHI_ARG(phi_view_upto(o->why, 300)));
        cli_esc(c, phi_buf_view(&line));
        cli_put(c, "\n");
    }
    cli_put(c, x->n ? "Each policy for this action:\n" : "");
    for (size_t i = 0; i < x->n; i++)
        explain_one(c, &x->reasons[i]);
}

static void given_can(struct cli *c, struct phi_ask *ask)
{
    struct phi_view *can = phi_arena_array(&c->arena, CLI_VALUES_MAX, sizeof *can);
    for (int i = 0; can && i < c->n_opt[OPT_CAN]; i++)
        can[ask->n_can++] = phi_view_of(c->opt[OPT_CAN][i]);
    ask->can = can;
}

static int explain_ask(struct cli *c, const struct phi_bundle *b, struct phi_ask *ask)
{
    struct phi_view text, *met = phi_arena_array(&c->arena, CLI_VALUES_MAX, sizeof *met);
    const struct phi_json *v = NULL;
    struct phi_err err = { 0 };
    int rc = pol_uid(c, c->arg[1], &ask->principal);
    if (!rc)
        rc = pol_uid(c, c->arg[2], &ask->action);
    if (!rc)
        rc = pol_uid(c, c->arg[3], &ask->resource);
    if (!rc && cli_has(c, OPT_CONTEXT)) {
        rc = pol_file(c, cli_opt(c, OPT_CONTEXT), &text);
        if (!rc && phi_json_read(&c->arena, text, PHI_JSON_INT64, "context", &v, &err) != PHI_OK)
            rc = cli_err(&err);
    }
    for (int i = 0; met && i < c->n_opt[OPT_MET]; i++)
        met[ask->n_met++] = phi_view_of(c->opt[OPT_MET][i]);
    ask->met = met;
    given_can(c, ask);
    return rc ? rc : pol_context(c, &b->schema, ask->action, v, &ask->context);
}

int cli_do_policy_explain(struct cli *c)
{
    struct phi_bundle *b = NULL;
    struct phi_entities *es = NULL;
    struct phi_ask ask = { 0 };
    struct cedar_explained x;
    struct phi_err err = { 0 };
    int rc = pol_bundle(c, c->arg[0], &b);
    if (!rc)
        rc = pol_entities(c, &b->schema, cli_opt(c, OPT_ENTITIES), &es);
    if (!rc)
        rc = explain_ask(c, b, &ask);
    if (!rc && cedar_explain(b, es, &ask, &c->arena, &x, &err) != PHI_OK)
        rc = cli_err(&err);
    if (!rc && cli_has(c, OPT_JSON))
        explain_json(c, &x);
    else if (!rc)
        explain_text(c, &x);
    phi_entities_close(es);
    phi_bundle_close(b);
    return rc ? rc : x.answer.verdict == PHI_ALLOW ? CLI_DONE : x.answer.verdict == PHI_NEEDS ? CLI_PENDING : CLI_DENIED;
}

/* ---- reach ------------------------------------------------------------------------------------------------ */

struct reach {
    struct cli *c;
    const struct phi_bundle *b;
    const struct phi_entities *es;
    struct phi_ask ask;
    struct phi_jw *w; /* NULL: as text */
    size_t allowed, asked, unknown;
};

static int reach_one(struct reach *r, struct phi_uid who)
{
    PHI_ARENA(a, 64u << 20);
    PHI_BUF(line, 8192);
    struct phi_answer answer;
    struct phi_err err = { 0 };
    r->ask.principal = who;
    if (phi_decide(r->b, r->es, &r->ask, &a, &answer, &err) != PHI_OK)
        return cli_err(&err);
    r->allowed += answer.verdict == PHI_ALLOW;
    r->asked += answer.verdict == PHI_NEEDS;
    r->unknown += answer.partial;
    if (answer.verdict == PHI_DENY && !answer.partial)
        return CLI_DONE;
    if (r->w) {
        phi_jw_obj(r->w);
        phi_uid_write(&line, who);
        phi_jw_kv(r->w, "principal", phi_buf_view(&line));
        answer_json(r->w, &answer);
        phi_jw_end(r->w);
        return CLI_DONE;
    }
    phi_uid_write(&line, who);
    phi_buf_adds(&line, "  ");
    cedar_answer_write(&line, &answer);
    for (size_t i = 0; i < answer.n_policies; i++)
        phi_buf_printf(&line, "%s" PHI_FMT, i ? ", " : "  by ", PHI_ARG(phi_view_upto(answer.policies[i].id, 100)));
    cli_esc(r->c, phi_buf_view(&line));
    cli_put(r->c, "\n");
    return CLI_DONE;
}

static int reach_all(struct reach *r)
{
    const struct cedar_action *act = cedar_schema_action(&r->b->schema, r->ask.action);
    struct cedar_entities_walk at = { 0 };
    struct phi_err err = { 0 };
    if (!act) {
        phi_fail(&err, PHI_ENOTFOUND, "the schema has no such action");
        return cli_err(&err);
    }
    /* What phid alone knows is unknown here, unless the context says it. */
    r->ask.context = phi_context_unknowns(&r->c->arena, r->b, r->ask.action, r->ask.context);
    for (const struct cedar_entity *e; (e = cedar_entities_next(r->es, &at));) {
        int rc = cedar_types_have(&act->principals, e->uid.type) ? reach_one(r, e->uid) : CLI_DONE;
        if (rc)
            return rc;
    }
    return CLI_DONE;
}

static int read_context(struct cli *c, const struct phi_bundle *b, struct phi_ask *ask)
{
    struct phi_view text;
    const struct phi_json *v = NULL;
    struct phi_err err = { 0 };
    if (!cli_has(c, OPT_CONTEXT))
        return CLI_DONE;
    int rc = pol_file(c, cli_opt(c, OPT_CONTEXT), &text);
    if (rc)
        return rc;
    if (phi_json_read(&c->arena, text, PHI_JSON_INT64, "context", &v, &err) != PHI_OK)
        return cli_err(&err);
    return pol_context(c, &b->schema, ask->action, v, &ask->context);
}

static int reach_run(struct reach *r)
{
    struct cli *c = r->c;
    struct phi_jw w;
    PHI_BUF(json, 64u << 20);
    int rc = read_context(c, r->b, &r->ask);
    if (cli_has(c, OPT_JSON)) {
        phi_jw_init(&w, &json);
        phi_jw_arr(&w);
        r->w = &w;
    }
    if (!rc)
        rc = reach_all(r);
    if (rc)
        return rc;
    if (r->w) {
        phi_jw_end(&w);
        phi_buf_add(&c->out, phi_buf_view(&json));
        cli_put(c, "\n");
    } else {
        phi_buf_printf(&c->out, "%zu without approval, %zu with approval, %zu depend on what is not known here\n", r->allowed,
                       r->asked, r->unknown);
    }
    return CLI_DONE;
}

int cli_do_policy_reach(struct cli *c)
{
    struct phi_bundle *b = NULL;
    struct phi_entities *es = NULL;
    struct reach r = { .c = c };
    if (!cli_has(c, OPT_ACTION) || !cli_has(c, OPT_RESOURCE) || !cli_has(c, OPT_ENTITIES))
        return cli_usage(c, "--action, --resource and --entities are needed", NULL);
    int rc = pol_bundle(c, c->arg[0], &b);
    if (!rc)
        rc = pol_entities(c, &b->schema, cli_opt(c, OPT_ENTITIES), &es);
    if (!rc)
        rc = pol_uid(c, cli_opt(c, OPT_ACTION), &r.ask.action);
    if (!rc)
        rc = pol_uid(c, cli_opt(c, OPT_RESOURCE), &r.ask.resource);
    r.b = b;
    r.es = es;
    given_can(c, &r.ask);
    if (!rc)
        rc = reach_run(&r);
    phi_entities_close(es);
    phi_bundle_close(b);
    return rc;
}

/* ---- diff ------------------------------------------------------------------------------------------------- */

static int decide_text(struct cli *c, const struct phi_bundle *b, const struct phi_entities *es, const struct phi_json *v,
                       struct phi_buf *ret)
{
    PHI_ARENA(a, 64u << 20);
    struct phi_ask ask;
    struct phi_answer answer;
    struct phi_err err = { 0 };
    int rc = pol_ask(c, &b->schema, v, &ask);
    if (rc)
        return rc;
    if (phi_decide(b, es, &ask, &a, &answer, &err) != PHI_OK)
        return cli_err(&err);
    cedar_answer_write(ret, &answer);
    return CLI_DONE;
}

static int diff_one(struct cli *c, struct phi_bundle *const *b, struct phi_entities *const *es, const struct phi_json *v, size_t no,
                    size_t *changed)
{
    PHI_BUF(was, 8192);
    PHI_BUF(is, 8192);
    PHI_BUF(out, 32768);
    struct phi_ask ask;
    int rc = decide_text(c, b[0], es[0], v, &was);
    if (!rc)
        rc = decide_text(c, b[1], es[1], v, &is);
    if (rc || phi_view_eq(phi_buf_view(&was), phi_buf_view(&is)))
        return rc;
    ++*changed;
    rc = pol_ask(c, &b[1]->schema, v, &ask);
    phi_buf_printf(&out, "%zu: ", no);
    phi_uid_write(&out, ask.principal);
    phi_buf_adds(&out, " ");
    phi_uid_write(&out, ask.action);
    phi_buf_adds(&out, " ");
    phi_uid_write(&out, ask.resource);
    phi_buf_printf(&out, ": %s -> %s", phi_buf_str(&was), phi_buf_str(&is));
    cli_esc(c, phi_buf_view(&out));
    cli_put(c, "\n");
    return rc;
}

/* A list of requests, or one on each line. */
static int requests_read(struct cli *c, const char *path, const struct phi_json **ret)
{
    struct phi_view text, line;
    struct phi_err err = { 0 };
    PHI_BUF(list, POL_FILE_MAX);
    int rc = pol_file(c, path, &text);
    if (rc)
        return rc;
    if (!phi_view_starts(phi_view_trim(text), PHI_LIT("["))) {
        const char *between = "[";
        while (phi_view_split(&text, '\n', &line)) {
            phi_buf_printf(&list, "%s\n", phi_view_trim(line).n ? between : "");
            phi_buf_add(&list, line);
            between = phi_view_trim(line).n ? "," : between;
        }
        phi_buf_adds(&list, *between == '[' ? "[]" : "]");
        text = phi_buf_view(&list);
    }
    bool ok = phi_buf_ok(&list) && phi_json_read(&c->arena, text, PHI_JSON_INT64, path, ret, &err) == PHI_OK;
    return ok ? CLI_DONE : cli_err(&err);
}

static int diff_all(struct cli *c, struct phi_bundle *const *b, struct phi_entities *const *es)
{
    const struct phi_json *all = NULL;
    size_t changed = 0, n;
    int rc = requests_read(c, cli_opt(c, OPT_REQUESTS), &all);
    n = rc ? 0 : all->n;
    for (size_t i = 0; i < n && !rc; i++)
        rc = diff_one(c, b, es, &all->items[i], i + 1, &changed);
    if (!rc)
        phi_buf_printf(&c->out, "%zu of %zu requests would be answered otherwise\n", changed, n);
    return rc;
}

int cli_do_policy_diff(struct cli *c)
{
    struct phi_bundle *b[2] = { 0 };
    struct phi_entities *es[2] = { 0 };
    int rc = CLI_DONE;
    if (!cli_has(c, OPT_REQUESTS))
        return cli_usage(c, "--requests FILE is missing", NULL);
    for (int i = 0; i < 2 && !rc; i++) {
        rc = pol_bundle(c, c->arg[i], &b[i]);
        if (!rc)
            rc = pol_entities(c, &b[i]->schema, cli_opt(c, OPT_ENTITIES), &es[i]);
    }
    if (!rc)
        rc = diff_all(c, b, es);
    for (int i = 0; i < 2; i++) {
        phi_entities_close(es[i]);
        phi_bundle_close(b[i]);
    }
    return rc;
}
