/* `phi policy authorize` and `conformance`: plain Cedar, for those who want to check us. */
#include "bin/phi_policy.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "policy/conform.h"
#include "policy/est.h"
#include "policy/plain.h"
#include "policy/schema_json.h"
#include "policy/validate.h"

static bool is_json(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".json");
}

static enum phi_rc read_schema(struct phi_arena *a, const char *path, struct phi_view text, struct cedar_schema *ret,
                               struct phi_err *err)
{
    const struct phi_json *v = NULL;
    if (!is_json(path))
        return cedar_schema_parse(a, text, path, ret, err);
    PHI_TRY(phi_json_read(a, text, CEDAR_SCHEMA_JSON, path, &v, err));
    return cedar_schema_from_json(a, v, path, ret, err);
}

/* A set, or one policy. */
static enum phi_rc read_policies(struct phi_arena *a, const char *path, struct phi_view text, struct cedar_policies *ret,
                                 struct phi_err *err)
{
    const struct phi_json *v = NULL;
    struct cedar_policy_set set;
    if (!is_json(path))
        return cedar_policies_parse(a, text, path, ret, err);
    PHI_TRY(phi_json_read(a, text, CEDAR_EST_JSON, path, &v, err));
    if (!phi_json_get(v, "effect")) {
        PHI_TRY(cedar_set_from_json(a, v, &set, err));
        *ret = set.policies;
        return PHI_OK;
    }
    struct cedar_policy **one = phi_arena_array(a, 1, sizeof *one);
    if (!one)
        return phi_fail(err, PHI_ELIMIT, "%s is too large", path);
    *ret = (struct cedar_policies){ one, 1 };
    return cedar_policy_from_json(a, v, PHI_LIT("policy0"), one, err);
}

/* ---- authorize ------------------------------------------------------------------------------------------ */

static void answer_json(struct cli *c, const struct cedar_policies *p, const struct cedar_plain_answer *got, const struct phi_value *owed)
{
    struct phi_jw w;
    PHI_BUF(b, 16u << 20);
    bool forbidden = false;
    for (size_t i = 0; i < p->n; i++)
        forbidden |= p->p[i]->forbid && got->each[i] == CEDAR_SATISFIED;
    phi_jw_init(&w, &b);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "decision", got->allow ? "allow" : "deny");
    for (int errors = 0; errors < 2; errors++) {
        phi_jw_key(&w, errors ? "errors" : "reason");
        phi_jw_arr(&w);
        for (size_t i = 0; i < p->n; i++)
            if (errors ? got->each[i] == CEDAR_ERROR : got->each[i] == CEDAR_SATISFIED && p->p[i]->forbid == forbidden)
                phi_jw_str(&w, p->p[i]->id);
        phi_jw_end(&w);
    }
    phi_jw_kc(&w, "phi", got->allow_strict ? "allow" : "deny"); /* a forbid that errs denies */
    if (owed) {
        phi_jw_key(&w, "obligations");
        phi_jw_arr(&w);
        for (size_t i = 0; i < owed->u.set.n; i++)
            phi_jw_str(&w, owed->u.set.items[i]->u.s);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    phi_buf_add(&c->out, phi_buf_view(&b));
    cli_put(c, "\n");
}

static enum phi_rc decide(struct phi_arena *a, const struct cedar_schema *s, const struct cedar_policies *p,
                          const struct phi_entities *es, const struct phi_ask *ask, struct cedar_plain_answer *ret, struct phi_err *err)
{
    struct cedar_env env = { .entities = es, .schema = s, .arena = a };
    env.vars[VAR_PRINCIPAL] = phi_value_entity(a, ask->principal);
    env.vars[VAR_ACTION] = phi_value_entity(a, ask->action);
    env.vars[VAR_RESOURCE] = phi_value_entity(a, ask->resource);
    env.vars[VAR_CONTEXT] = ask->context ? ask->context : phi_value_record(a, NULL, 0);
    for (int i = 0; i < 4; i++)
        if (!env.vars[i] || (i == VAR_CONTEXT && env.vars[i]->kind != PHI_VALUE_RECORD))
            return phi_fail(err, PHI_EINPUT, "the context must be a record");
    if (s)
        PHI_TRY(cedar_conform_request(s, ask->principal, ask->action, ask->resource, env.vars[VAR_CONTEXT], err));
    return cedar_plain_decide(&env, p, ret, err);
}

static const struct phi_value *with_can(struct phi_arena *a, const struct phi_value *context, const struct phi_value *can)
{
    struct phi_attr *attrs = phi_arena_array(a, context->u.record.n + 1, sizeof *attrs);
    for (size_t i = 0; attrs && i < context->u.record.n; i++) {
        attrs[i] = context->u.record.attrs[i];
        if (phi_view_is(attrs[i].name, "can"))
            attrs[i].value = can;
    }
    return attrs && can ? phi_value_record(a, attrs, context->u.record.n) : NULL;
}

/* What of the request's `context.can` an allow rests on: each name without which it is one as well is left out. NULL: the
 * request has none, or it is no allow. */
static const struct phi_value *owed_of(struct phi_arena *a, const struct cedar_schema *s, const struct cedar_policies *p,
                                       const struct phi_entities *es, const struct phi_ask *ask, const struct cedar_plain_answer *got)
{
    const struct phi_value *can = phi_value_get(ask->context, "can");
    struct phi_ask with = *ask;
    if (!can || can->kind != PHI_VALUE_SET || !got->allow_strict)
        return NULL;
    const struct phi_value **items = phi_arena_array(a, can->u.set.n + 1, sizeof *items);
    size_t n = can->u.set.n;
    for (size_t i = 0; items && i < n; i++) {
        items[i] = can->u.set.items[i];
        if (items[i]->kind != PHI_VALUE_STRING)
            return NULL;
    }
    for (size_t i = n; items && i-- > 0;) {
        struct cedar_plain_answer again;
        const struct phi_value *out = items[i];
        items[i] = items[n - 1];
        with.context = with_can(a, ask->context, phi_value_set(a, items, n - 1));
        if (with.context && decide(a, s, p, es, &with, &again, NULL) == PHI_OK && again.allow_strict)
            n--;
        else
            items[i] = out;
    }
    return items ? phi_value_set(a, items, n) : NULL;
}

static int authorize(struct cli *c, const struct cedar_schema *s, const struct cedar_policies *p)
{
    struct phi_entities *es = NULL;
    struct phi_view text;
    struct phi_ask ask;
    struct cedar_plain_answer got;
    const struct phi_json *v = NULL;
    struct phi_err err = { 0 };
    int rc = pol_file(c, c->arg[0], &text);
    if (!rc && phi_json_read(&c->arena, text, PHI_JSON_INT64 | PHI_JSON_NUL_OK, "request", &v, &err) != PHI_OK)
        rc = cli_err(&err);
    if (!rc)
        rc = pol_ask(c, s, v, &ask);
    if (!rc)
        rc = pol_entities(c, s, cli_opt(c, OPT_ENTITIES), &es);
    if (!rc && decide(&c->arena, s, p, es, &ask, &got, &err) != PHI_OK)
        rc = cli_err(&err);
    const struct phi_value *owed = rc ? NULL : owed_of(&c->arena, s, p, es, &ask, &got);
    phi_entities_close(es);
    if (rc)
        return rc;
    answer_json(c, p, &got, owed);
    return got.allow ? CLI_DONE : CLI_DENIED;
}

int cli_do_policy_authorize(struct cli *c)
{
    struct cedar_schema schema;
    struct cedar_policies policies;
    struct phi_view text;
    struct phi_err err = { 0 };
    const char *path = cli_opt(c, OPT_SCHEMA);
    if (!cli_has(c, OPT_POLICIES))
        return cli_usage(c, "--policies FILE is missing", NULL);
    int rc = path ? pol_file(c, path, &text) : CLI_DONE;
    if (!rc && path && read_schema(&c->arena, path, text, &schema, &err) != PHI_OK)
        rc = cli_err(&err);
    if (!rc)
        rc = pol_file(c, cli_opt(c, OPT_POLICIES), &text);
    if (!rc && read_policies(&c->arena, cli_opt(c, OPT_POLICIES), text, &policies, &err) != PHI_OK)
        rc = cli_err(&err);
    return rc ? rc : authorize(c, path ? &schema : NULL, &policies);
}

/* ---- conformance ------------------------------------------------------------------------------------------ */

static struct { /* nftw passes nothing along */
    struct cli *c;
    const char *root;
    size_t tests, requests, differ, unread, drifted;
} run;

static void differs(const char *name, const char *what, const char *detail)
{
    cli_esc(run.c, phi_view_of(name));
    cli_put(run.c, ": ");
    cli_put(run.c, what);
    cli_esc(run.c, phi_view_of(detail));
    cli_put(run.c, "\n");
}

static enum phi_rc read_part(struct phi_arena *a, const struct phi_json *test, const char *key, char *path, size_t n,
                             struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(text, POL_FILE_MAX);
    snprintf(path, n, "%s/" PHI_FMT, run.root, PHI_ARG(phi_json_text(test, key)));
    PHI_TRY(phi_file_read(path, POL_FILE_MAX, &text, err));
    *ret = phi_arena_copy(a, phi_buf_view(&text));
    return PHI_OK;
}

static bool listed(const struct phi_json *ids, struct phi_view id)
{
    for (size_t i = 0; ids && i < ids->n; i++)
        if (phi_view_eq(ids->items[i].str, id))
            return true;
    return false;
}

static bool same(const struct cedar_policies *p, const struct cedar_plain_answer *got, const struct phi_json *want)
{
    bool forbidden = false;
    if (phi_view_is(phi_json_text(want, "decision"), "allow") != got->allow)
        return false;
    for (size_t i = 0; i < p->n; i++)
        forbidden |= p->p[i]->forbid && got->each[i] == CEDAR_SATISFIED;
    for (size_t i = 0; i < p->n; i++) {
        char number[32];
        snprintf(number, sizeof number, "policy%zu", i);
        bool counts = got->each[i] == CEDAR_SATISFIED && p->p[i]->forbid == forbidden;
        if (counts != listed(phi_json_get(want, "reason"), phi_view_of(number)) ||
            (got->each[i] == CEDAR_ERROR) != listed(phi_json_get(want, "errors"), phi_view_of(number)))
            return false;
    }
    return true;
}

static enum phi_rc run_request(const char *name, const struct cedar_schema *s, const struct cedar_policies *p,
                               const struct phi_entities *es, const struct phi_json *v, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)256 << 20);
    struct phi_ask ask = { 0 };
    struct cedar_plain_answer got;
    const struct cedar_action *act = NULL;
    bool checked = false;
    PHI_TRY(phi_uid_from_json(phi_json_get(v, "principal"), &ask.principal, err));
    PHI_TRY(phi_uid_from_json(phi_json_get(v, "action"), &ask.action, err));
    PHI_TRY(phi_uid_from_json(phi_json_get(v, "resource"), &ask.resource, err));
    act = cedar_schema_action(s, ask.action);
    phi_json_bool(phi_json_get(v, "validateRequest"), &checked);
    PHI_TRY(cedar_value_from_json(&a, phi_json_get(v, "context"), act ? act->context : NULL, &ask.context, err));
    struct cedar_env env = { .entities = es, .schema = s, .arena = &a,
                             .vars = { phi_value_entity(&a, ask.principal), phi_value_entity(&a, ask.action),
                                       phi_value_entity(&a, ask.resource), ask.context } };
    if (checked)
        PHI_TRY(cedar_conform_request(s, ask.principal, ask.action, ask.resource, ask.context, err));
    PHI_TRY(cedar_plain_decide(&env, p, &got, err));
    run.requests++;
    if (same(p, &got, v))
        return PHI_OK;
    run.differ++;
    differs(name, "another answer: ", phi_arena_str(&a, phi_json_text(v, "description")));
    return PHI_OK;
}

static enum phi_rc validates(struct phi_arena *a, const char *name, const struct cedar_schema *s, const struct cedar_policies *p,
                             const struct phi_json *v, struct phi_err *err)
{
    struct cedar_findings found;
    bool want = false;
    phi_json_bool(phi_json_get(v, "shouldValidate"), &want);
    PHI_TRY(cedar_validate(a, s, p, CEDAR_NO_LEVEL, &found, err));
    if ((found.errors == 0) == want)
        return PHI_OK;
    if (!want && found.n == 1 && found.p[0].no_action) {
        run.drifted++;
        return PHI_OK;
    }
    run.differ++;
    differs(name, want ? "should validate: " : "should not validate", found.n ? phi_arena_str(a, found.p[0].text) : "");
    return PHI_OK;
}

static enum phi_rc run_test(struct phi_arena *a, const char *name, const struct phi_json *v, struct phi_entities *es, struct phi_err *err)
{
    const struct phi_json *requests = phi_json_get(v, "requests"), *entities = NULL;
    struct phi_view text;
    struct cedar_schema s;
    struct cedar_policies p;
    char path[4096];
    PHI_TRY(read_part(a, v, "schema", path, sizeof path, &text, err));
    PHI_TRY(read_schema(a, path, text, &s, err));
    PHI_TRY(read_part(a, v, "policies", path, sizeof path, &text, err));
    PHI_TRY(read_policies(a, path, text, &p, err));
    PHI_TRY(validates(a, name, &s, &p, v, err));
    PHI_TRY(read_part(a, v, "entities", path, sizeof path, &text, err));
    PHI_TRY(phi_json_read(a, text, PHI_JSON_INT64 | PHI_JSON_NUL_OK, "entities", &entities, err));
    PHI_TRY(cedar_entities_add_json(es, &s, entities, err));
    for (size_t i = 0; requests && i < requests->n; i++)
        PHI_TRY(run_request(name, &s, &p, es, &requests->items[i], err));
    return PHI_OK;
}

static int run_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    PHI_ARENA(a, (size_t)1 << 30);
    PHI_BUF(text, POL_FILE_MAX);
    const struct phi_json *v = NULL;
    struct phi_err err = { 0 };
    if (kind != FTW_F || !is_json(path + at->base) || phi_file_read(path, POL_FILE_MAX, &text, &err) != PHI_OK ||
        phi_json_read(&a, phi_buf_view(&text), PHI_JSON_INT64 | PHI_JSON_NUL_OK, "test", &v, &err) != PHI_OK ||
        !phi_json_get(v, "shouldValidate"))
        return 0; /* another file */
    struct phi_entities *es = phi_entities_open(NULL, POL_ENTITIES_MAX);
    run.tests++;
    if (!es || run_test(&a, path, v, es, &err) != PHI_OK) {
        run.unread++;
        differs(path, "not run: ", err.msg);
    }
    phi_entities_close(es);
    return 0;
}

int cli_do_policy_conformance(struct cli *c)
{
    run.c = c;
    run.root = c->arg[0];
    if (nftw(c->arg[0], run_file, 16, FTW_PHYS) != 0)
        return cli_usage(c, "no such folder: ", c->arg[0]);
    phi_buf_printf(&c->out, "%zu tests, %zu decisions: %zu differ, %zu not run, %zu are a warning since Cedar 4.13\n", run.tests,
                   run.requests, run.differ, run.unread, run.drifted);
    return run.tests == 0 || run.differ || run.unread ? CLI_ERROR : CLI_DONE;
}
