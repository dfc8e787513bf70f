/* `phi policy` without a server: reading a bundle, formatting, checking, testing. */
#include "bin/phi_policy.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "policy/advise.h"
#include "policy/conform.h"
#include "policy/fmt.h"

static const char *const names[] = { CEDAR_SCHEMA_FILE, CEDAR_POLICIES_FILE, CEDAR_REQUIREMENTS_FILE };

int pol_file(struct cli *c, const char *path, struct phi_view *ret)
{
    PHI_BUF(text, POL_FILE_MAX);
    struct phi_err err = { 0 };
    if (phi_file_read(path, POL_FILE_MAX, &text, &err) != PHI_OK)
        return cli_err(&err);
    *ret = phi_arena_copy(&c->arena, phi_buf_view(&text));
    if (phi_arena_ok(&c->arena))
        return CLI_DONE;
    phi_fail(&err, PHI_ELIMIT, "%s is too large", path);
    return cli_err(&err);
}

/* ---- showing what is wrong ------------------------------------------------------------------------- */

void pol_show(const char *file, struct phi_view source, struct cedar_place at, const char *text)
{
    struct phi_view line = { 0 };
    PHI_BUF(out, 16384);
    phi_text_escape(&out, phi_view_of(file), false);
    if (at.line > 0)
        phi_buf_printf(&out, ":%u:%u", at.line, at.col);
    phi_buf_adds(&out, ": ");
    phi_text_escape(&out, phi_view_of(text), false);
    phi_buf_adds(&out, "\n");
    for (uint32_t i = 0; i < at.line; i++)
        if (!phi_view_split(&source, '\n', &line))
            line.n = 0;
    if (at.line > 0 && line.n > 0 && line.n < 400) {
        phi_buf_printf(&out, "%6u | ", at.line);
        phi_text_escape(&out, line, false);
        phi_buf_adds(&out, "\n       | ");
        for (uint32_t i = 1; i < at.col; i++)
            phi_buf_addc(&out, ' ');
        phi_buf_adds(&out, "^\n");
    }
    fputs(phi_buf_str(&out), stderr);
}

/* An error that begins "policies.cedar:3:5: " is shown at its place. */
static int show_error(const char *dir, const struct phi_view *texts, const struct phi_err *err)
{
    struct phi_view rest = phi_view_of(err->msg), file, line, col;
    int64_t l = 0, k = 0;
    char path[1024];
    for (int i = 0; i < 3; i++) {
        rest = phi_view_of(err->msg);
        if (!phi_view_split(&rest, ':', &file) || !phi_view_is(file, names[i]) || !phi_view_split(&rest, ':', &line) ||
            !phi_view_int(line, &l))
            continue;
        struct phi_view text = rest;
        if (phi_view_split(&rest, ':', &col) && phi_view_int(col, &k))
            text = rest;
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        struct cedar_place at = { (uint32_t)l, k > 0 ? (uint32_t)k : 1 };
        PHI_BUF(msg, 512);
        phi_buf_add(&msg, phi_view_trim(text));
        pol_show(path, texts[i], at, phi_buf_str(&msg));
        return CLI_ERROR;
    }
    return cli_err(err);
}

static int read_texts(struct cli *c, const char *dir, struct phi_view *texts)
{
    for (int i = 0; i < 3; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        int rc = pol_file(c, path, &texts[i]);
        if (rc)
            return rc;
    }
    return CLI_DONE;
}

int pol_bundle(struct cli *c, const char *dir, struct phi_bundle **ret)
{
    struct phi_view texts[3];
    struct phi_err err = { 0 };
    int rc = read_texts(c, dir, texts);
    if (rc)
        return rc;
    struct phi_bundle_text text = { texts[0], texts[1], texts[2], 0 };
    return phi_bundle_load(&text, ret, &err) == PHI_OK ? CLI_DONE : show_error(dir, texts, &err);
}

/* ---- reading requests --------------------------------------------------------------------------------- */

int pol_entities(struct cli *c, const struct cedar_schema *s, const char *path, struct phi_entities **ret)
{
    struct phi_view text = { 0 };
    const struct phi_json *v = NULL;
    struct phi_err err = { 0 };
    int rc = path ? pol_file(c, path, &text) : CLI_DONE;
    if (rc)
        return rc;
    *ret = phi_entities_open(NULL, POL_ENTITIES_MAX);
    if (!*ret || !path)
        return *ret ? CLI_DONE : CLI_ERROR;
    if (phi_json_read(&c->arena, text, PHI_JSON_INT64 | PHI_JSON_NUL_OK, path, &v, &err) == PHI_OK &&
        cedar_entities_add_json(*ret, s, v, &err) == PHI_OK && (!s || cedar_conform_entities(s, *ret, &err) == PHI_OK))
        return CLI_DONE;
    return cli_err(&err);
}

int pol_uid(struct cli *c, const char *text, struct phi_uid *ret)
{
    struct phi_err err = { 0 }, said = { 0 };
    if (phi_uid_read(&c->arena, phi_view_of(text), ret, &err) == PHI_OK)
        return CLI_DONE;
    phi_fail(&said, err.rc, "%.60s: %.90s", text, err.msg);
    return cli_err(&said);
}

int pol_context(struct cli *c, const struct cedar_schema *s, struct phi_uid action, const struct phi_json *v,
                const struct phi_value **ret)
{
    const struct cedar_action *act = s ? cedar_schema_action(s, action) : NULL;
    struct phi_err err = { 0 };
    *ret = NULL;
    if (!v)
        return CLI_DONE;
    return cedar_value_from_json(&c->arena, v, act ? act->context : NULL, ret, &err) == PHI_OK ? CLI_DONE : cli_err(&err);
}

static enum phi_rc read_side(struct cli *c, const struct phi_json *v, const char *key, struct phi_uid *ret, struct phi_err *err)
{
    const struct phi_json *side = phi_json_get(v, key);
    struct phi_view text;
    struct phi_err why = { 0 };
    enum phi_rc rc = phi_json_str(side, &text) ? phi_uid_read(&c->arena, text, ret, &why) : phi_uid_from_json(side, ret, &why);
    return rc == PHI_OK ? rc : phi_fail(err, rc, "a request's \"%s\": %s", key, side ? why.msg : "is missing");
}

static const struct phi_view *texts(struct cli *c, const struct phi_json *list, size_t *n)
{
    struct phi_view *ret = phi_arena_array(&c->arena, list ? list->n + 1 : 1, sizeof *ret);
    for (size_t i = 0; ret && list && i < list->n; i++)
        if (phi_json_str(&list->items[i], &ret[*n]))
            ++*n;
    return ret;
}

int pol_ask(struct cli *c, const struct cedar_schema *s, const struct phi_json *v, struct phi_ask *ret)
{
    struct phi_err err = { 0 };
    const struct phi_json *met = phi_json_get(v, "met"), *can = phi_json_get(v, "can");
    *ret = (struct phi_ask){ 0 };
    if (read_side(c, v, "principal", &ret->principal, &err) != PHI_OK || read_side(c, v, "action", &ret->action, &err) != PHI_OK ||
        read_side(c, v, "resource", &ret->resource, &err) != PHI_OK)
        return cli_err(&err);
    ret->met = texts(c, met, &ret->n_met);
    ret->can = texts(c, can, &ret->n_can);
    return pol_context(c, s, ret->action, phi_json_get(v, "context"), &ret->context);
}

/* ---- fmt ------------------------------------------------------------------------------------------------ */

static int format_one(struct cli *c, const char *path, bool *changed)
{
    struct phi_view text;
    struct phi_err err = { 0 };
    PHI_ARENA(a, POL_FILE_MAX * (size_t)4);
    PHI_BUF(out, POL_FILE_MAX);
    int rc = pol_file(c, path, &text);
    if (rc)
        return rc;
    const char *ending = strrchr(path, '.');
    bool schema = ending && strcmp(ending, ".cedarschema") == 0;
    if ((schema ? cedar_fmt_schema : cedar_fmt)(&a, text, path, &out, &err) != PHI_OK)
        return cli_err(&err);
    *changed = !phi_view_eq(text, phi_buf_view(&out));
    if (!*changed || cli_has(c, OPT_CHECK))
        return CLI_DONE;
    return phi_file_write(path, phi_buf_view(&out), 0644, &err) == PHI_OK ? CLI_DONE : cli_err(&err);
}

int cli_do_policy_fmt(struct cli *c)
{
    size_t n = 0;
    for (int i = 0; i < c->n_args; i++) {
        bool changed = false;
        int rc = format_one(c, c->arg[i], &changed);
        if (rc)
            return rc;
        n += changed;
        if (changed) {
            cli_put(c, cli_has(c, OPT_CHECK) ? "would change " : "formatted ");
            cli_esc(c, phi_view_of(c->arg[i]));
            cli_put(c, "\n");
        }
    }
    return n && cli_has(c, OPT_CHECK) ? CLI_ERROR : CLI_DONE;
}

/* ---- check ---------------------------------------------------------------------------------------------- */

static void findings_json(struct cli *c, const struct cedar_findings *found)
{
    struct phi_jw w;
    PHI_BUF(b, 16u << 20);
    phi_jw_init(&w, &b);
    phi_jw_arr(&w);
    for (size_t i = 0; i < found->n; i++) {
        const struct cedar_finding *f = &found->p[i];
        phi_jw_obj(&w);
        phi_jw_kc(&w, "kind", f->warning ? "warning" : "error");
        if (f->policy)
            phi_jw_kv(&w, "policy", f->policy->id);
        phi_jw_ki(&w, "line", f->at.line);
        phi_jw_ki(&w, "column", f->at.col);
        phi_jw_kv(&w, "text", f->text);
        if (f->where.n)
            phi_jw_kv(&w, "where", f->where);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    phi_buf_add(&c->out, phi_buf_view(&b));
    cli_put(c, "\n");
}

static void show_findings(struct cli *c, const char *path, struct phi_view policies, const struct cedar_findings *found)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct cedar_finding *f = &found->p[i];
        PHI_BUF(text, 2048);
        phi_buf_adds(&text, f->warning ? "warning: " : "");
        if (f->policy)
            phi_buf_printf(&text, "policy \"" PHI_FMT "\": ", PHI_ARG(phi_view_upto(f->policy->id, 100)));
        phi_buf_add(&text, f->text);
        if (f->where.n)
            phi_buf_printf(&text, " (" PHI_FMT ")", PHI_ARG(f->where));
        pol_show(path, policies, f->at, phi_buf_str(&text));
    }
    (void)c;
}

static int read_level(struct cli *c, uint32_t *ret)
{
    int64_t n = 0;
    *ret = CEDAR_NO_LEVEL;
    if (!cli_has(c, OPT_LEVEL))
        return CLI_DONE;
    if (!phi_view_int(phi_view_of(cli_opt(c, OPT_LEVEL)), &n) || n < 0 || n > 100)
        return cli_usage(c, "--level takes 0 to 100, not", cli_opt(c, OPT_LEVEL));
    *ret = (uint32_t)n;
    return CLI_DONE;
}

/* Everything that strict validation finds, where loading shows the first alone. */
static int check_types(struct cli *c, const char *dir, const struct phi_view *texts, size_t *errors)
{
    PHI_ARENA(a, (size_t)1 << 30);
    struct cedar_schema s;
    struct cedar_policies p;
    struct cedar_findings found;
    struct phi_err err = { 0 };
    char path[1024];
    uint32_t level;
    int rc = read_level(c, &level);
    *errors = 0;
    if (rc)
        return rc;
    if (cedar_schema_parse(&a, texts[0], CEDAR_SCHEMA_FILE, &s, &err) != PHI_OK ||
        cedar_policies_parse(&a, texts[1], CEDAR_POLICIES_FILE, &p, &err) != PHI_OK ||
        cedar_validate(&a, &s, &p, level, &found, &err) != PHI_OK)
        return show_error(dir, texts, &err);
    *errors = found.errors;
    if (found.errors == 0)
        return CLI_DONE;
    snprintf(path, sizeof path, "%s/%s", dir, CEDAR_POLICIES_FILE);
    if (cli_has(c, OPT_JSON))
        findings_json(c, &found);
    else
        show_findings(c, path, texts[1], &found);
    return CLI_ERROR;
}

static int advise(struct cli *c, const char *dir, const struct phi_view *texts, const struct phi_bundle *b)
{
    PHI_ARENA(a, (size_t)1 << 30);
    struct phi_entities *es = NULL;
    struct cedar_findings found = { 0 };
    struct phi_err err = { 0 };
    char path[1024];
    int rc = pol_entities(c, &b->schema, cli_opt(c, OPT_ENTITIES), &es);
    if (!rc && cedar_advise(b, cli_has(c, OPT_ENTITIES) ? es : NULL, &a, &found, &err) != PHI_OK)
        rc = cli_err(&err);
    phi_entities_close(es);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "%s/%s", dir, CEDAR_POLICIES_FILE);
    if (cli_has(c, OPT_JSON)) {
        findings_json(c, &found);
        return CLI_DONE;
    }
    show_findings(c, path, texts[1], &found);
    phi_buf_printf(&c->out, "%zu policies, %zu requirements", b->policies.n, b->n_requirements);
    if (b->n_obligations)
        phi_buf_printf(&c->out, ", %zu obligation%s", b->n_obligations, b->n_obligations == 1 ? "" : "s");
    phi_buf_printf(&c->out, ": valid, %zu warning%s\n", found.n, found.n == 1 ? "" : "s");
    return CLI_DONE;
}

int cli_do_policy_check(struct cli *c)
{
    struct phi_view texts[3];
    struct phi_bundle *b = NULL;
    size_t errors = 0;
    int rc = read_texts(c, c->arg[0], texts);
    if (!rc)
        rc = check_types(c, c->arg[0], texts, &errors);
    if (rc || (rc = pol_bundle(c, c->arg[0], &b)))
        return rc;
    rc = advise(c, c->arg[0], texts, b);
    phi_bundle_close(b);
    return rc;
}

/* ---- test ------------------------------------------------------------------------------------------------ */

static int only_yaml(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 5 && d->d_name[0] != '.' && !strcmp(d->d_name + n - 5, ".yaml");
}

static int test_file(struct cli *c, const struct phi_bundle *b, const char *path, struct cedar_golden *sum)
{
    struct phi_view text;
    struct cedar_golden one = { 0 };
    struct phi_err err = { 0 };
    PHI_BUF(out, 16u << 20);
    int rc = pol_file(c, path, &text);
    if (rc)
        return rc;
    if (cedar_golden_run(b, text, path, &out, &one, &err) != PHI_OK)
        return cli_err(&err);
    cli_esc_lines(c, phi_buf_view(&out), "");
    sum->passed += one.passed;
    sum->failed += one.failed;
    return CLI_DONE;
}

int cli_do_policy_test(struct cli *c)
{
    struct phi_bundle *b = NULL;
    struct cedar_golden sum = { 0 };
    struct dirent **list = NULL;
    char path[2048];
    int rc = pol_bundle(c, c->arg[0], &b), n;
    if (rc)
        return rc;
    snprintf(path, sizeof path, "%s/tests", c->arg[0]);
    n = scandir(path, &list, only_yaml, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/tests/%s", c->arg[0], list[i]->d_name);
        if (!rc)
            rc = test_file(c, b, path, &sum);
        free(list[i]);
    }
    free(list);
    phi_bundle_close(b);
    if (rc)
        return rc;
    if (sum.passed + sum.failed == 0)
        return cli_usage(c, "there are no tests; write DIR/tests/NAME.yaml", NULL);
    if (cli_has(c, OPT_JSON))
        phi_buf_printf(&c->out, "{\"passed\":%zu,\"failed\":%zu}\n", sum.passed, sum.failed);
    else
        phi_buf_printf(&c->out, "%zu passed, %zu failed\n", sum.passed, sum.failed);
    return sum.failed ? CLI_ERROR : CLI_DONE;
}
