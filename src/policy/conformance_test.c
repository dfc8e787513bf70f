/* Cedar's own conformance data, read in place beside the source tree: decisions, reasons and errors
 * of the plain evaluator must be Cedar's. Where the data is absent the run says so. */
#include "policy/comp_twice.h"
#include "policy/conform.h"
#include "policy/est.h"
#include "policy/kit_test.h"
#include "policy/plain.h"
#include "policy/schema_json.h"
#include "policy/validate.h"

#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA PHI_SOURCE_ROOT "/../shared/cedar/cedar-conformance.tar.gz"

extern char **environ;

struct tally {
    unsigned files, requests, wrong, unread, invalid, valid_wrong, drifted, misfits, unlike;
};

static char root[] = P_tmpdir "/cedar-conformance-XXXXXX";
static struct tally tally;

static void differs(const char *name, const char *what, const char *detail)
{
    if (tally.wrong + tally.unread + tally.valid_wrong + tally.misfits + tally.unlike < 120)
        print_message("  %s: %s %s\n", name, what, detail);
}

/* Ids are Cedar's: "policy<n>" in the order of the text. */
static bool listed(const struct phi_json *ids, size_t i)
{
    char id[32];
    snprintf(id, sizeof id, "policy%zu", i);
    for (size_t k = 0; k < ids->n; k++)
        if (phi_view_is(ids->items[k].str, id))
            return true;
    return false;
}

static bool same(const struct cedar_policies *policies, const struct cedar_plain_answer *got,
                 const struct phi_json *want)
{
    const struct phi_json *reason = phi_json_get(want, "reason"), *errors = phi_json_get(want, "errors");
    bool allow = phi_view_is(phi_json_text(want, "decision"), "allow"), forbidden = false;
    if (allow != got->allow)
        return false;
    for (size_t i = 0; i < policies->n; i++)
        forbidden |= policies->p[i]->forbid && got->each[i] == CEDAR_SATISFIED;
    for (size_t i = 0; i < policies->n; i++) {
        bool counts = got->each[i] == CEDAR_SATISFIED && policies->p[i]->forbid == forbidden;
        if (counts != listed(reason, i) || (got->each[i] == CEDAR_ERROR) != listed(errors, i))
            return false;
    }
    return true;
}

struct test {
    const char *name;
    struct phi_arena *arena;
    struct cedar_schema schema;
    struct cedar_policies policies;
    struct phi_entities *entities;
};

static enum phi_rc run_request(struct test *t, const struct phi_json *r, struct phi_err *err)
{
    PHI_ARENA(a, 64 << 20);
    struct cedar_env env = { .entities = t->entities, .schema = &t->schema, .arena = &a };
    struct cedar_plain_answer got;
    static const char *const names[] = { "principal", "action", "resource" };
    for (int i = 0; i < 3; i++) {
        struct phi_uid uid;
        PHI_TRY(phi_uid_from_json(phi_json_get(r, names[i]), &uid, err));
        env.vars[i] = phi_value_entity(&a, uid);
    }
    const struct cedar_action *action = cedar_schema_action(&t->schema, env.vars[VAR_ACTION]->u.uid);
    PHI_TRY(cedar_value_from_json(&a, phi_json_get(r, "context"), action ? action->context : NULL,
                                  &env.vars[VAR_CONTEXT], err));
    bool checked = false;
    phi_json_bool(phi_json_get(r, "validateRequest"), &checked);
    if (checked && cedar_conform_request(&t->schema, env.vars[0]->u.uid, env.vars[1]->u.uid, env.vars[2]->u.uid,
                                         env.vars[3], err) != PHI_OK) {
        differs(t->name, "a request that should conform:", err->msg);
        tally.misfits++;
    }
    PHI_TRY(cedar_plain_decide(&env, &t->policies, &got, err));
    comp_twice_plain(&env, &t->policies, &got);
    tally.requests++;
    if (same(&t->policies, &got, r))
        return PHI_OK;
    differs(t->name, "another answer:", phi_arena_str(&a, phi_json_text(r, "description")));
    tally.wrong++;
    return PHI_OK;
}

static struct phi_view part(struct phi_arena *a, const struct phi_json *test, const char *key)
{
    char path[512];
    snprintf(path, sizeof path, "%s/" PHI_FMT, root, PHI_ARG(phi_json_text(test, key)));
    return kit_file(a, path);
}

static enum phi_rc validates(struct test *t, bool want, struct phi_err *err)
{
    PHI_ARENA(a, 256 << 20);
    struct cedar_findings found;
    char text[300] = "no error";
    PHI_TRY(cedar_validate(&a, &t->schema, &t->policies, CEDAR_NO_LEVEL, &found, err));
    tally.invalid += found.errors > 0;
    if ((found.errors == 0) == want)
        return PHI_OK;
    if (!want && found.n == 1 && found.p[0].no_action) { /* an error up to Cedar 4.10, a warning in 4.13 */
        print_message("  %s: validates, with a warning: no action applies\n", t->name);
        tally.drifted++;
        return PHI_OK;
    }
    for (size_t i = 0; i < found.n; i++)
        if (!found.p[i].warning)
            snprintf(text, sizeof text, "%u:%u: " PHI_FMT, found.p[i].at.line, found.p[i].at.col, PHI_ARG(found.p[i].text));
    differs(t->name, want ? "should validate, but" : "should not validate, but", text);
    tally.valid_wrong++;
    return PHI_OK;
}

/* Written as text and as JSON, and read again, it is the same policy. */
static bool survives(const struct cedar_policy *p)
{
    PHI_ARENA(a, 64 << 20);
    PHI_BUF(text, 4 << 20);
    PHI_BUF(json, 16 << 20);
    struct cedar_policies again;
    struct cedar_policy *read = NULL;
    const struct phi_json *v = NULL;
    cedar_policy_write(&text, p);
    cedar_policy_to_json(&json, p);
    return cedar_policies_parse(&a, phi_buf_view(&text), "text", &again, NULL) == PHI_OK && again.n == 1 &&
           cedar_policy_same(p, again.p[0]) &&
           phi_json_read(&a, phi_buf_view(&json), CEDAR_EST_JSON, "json", &v, NULL) == PHI_OK &&
           cedar_policy_from_json(&a, v, p->id, &read, NULL) == PHI_OK && cedar_policy_same(p, read);
}

/* Written as text and as JSON, and read again, the schema finds the same in the policies. */
static bool schema_survives(const struct test *t)
{
    PHI_ARENA(a, 512 << 20);
    PHI_BUF(text, 16 << 20);
    PHI_BUF(json, 16 << 20);
    PHI_BUF(once_more, 16 << 20);
    struct cedar_schema from_text, from_json;
    struct cedar_findings found[3];
    const struct phi_json *v = NULL;
    cedar_schema_write(&text, &t->schema);
    cedar_schema_to_json(&json, &t->schema);
    if (cedar_schema_parse(&a, phi_buf_view(&text), "text", &from_text, NULL) != PHI_OK ||
        phi_json_read(&a, phi_buf_view(&json), CEDAR_SCHEMA_JSON, "json", &v, NULL) != PHI_OK ||
        cedar_schema_from_json(&a, v, "json", &from_json, NULL) != PHI_OK)
        return false;
    cedar_schema_to_json(&once_more, &from_text);
    const struct cedar_schema *all[] = { &t->schema, &from_text, &from_json };
    for (int i = 0; i < 3; i++)
        if (cedar_validate(&a, all[i], &t->policies, CEDAR_NO_LEVEL, &found[i], NULL) != PHI_OK ||
            found[i].n != found[0].n || found[i].errors != found[0].errors)
            return false;
    return phi_view_eq(phi_buf_view(&json), phi_buf_view(&once_more));
}

static enum phi_rc run_case(struct test *t, const struct phi_json *v, struct phi_err *err)
{
    const struct phi_json *requests = phi_json_get(v, "requests");
    PHI_TRY(cedar_schema_parse(t->arena, part(t->arena, v, "schema"), "schema", &t->schema, err));
    PHI_TRY(cedar_policies_parse(t->arena, part(t->arena, v, "policies"), "policies", &t->policies, err));
    for (size_t i = 0; i < t->policies.n; i++)
        if (!survives(t->policies.p[i])) {
            differs(t->name, "does not survive being written:", phi_arena_str(t->arena, t->policies.p[i]->id));
            tally.unlike++;
        }
    if (!schema_survives(t)) {
        differs(t->name, "its schema does not survive being written", "");
        tally.unlike++;
    }
    const struct phi_json *entities = NULL;
    bool valid = false;
    phi_json_bool(phi_json_get(v, "shouldValidate"), &valid);
    PHI_TRY(validates(t, valid, err));
    PHI_TRY(phi_json_read(t->arena, part(t->arena, v, "entities"), PHI_JSON_INT64 | PHI_JSON_NUL_OK,
                          "entities", &entities, err));
    PHI_TRY(cedar_entities_add_json(t->entities, &t->schema, entities, err));
    if (cedar_conform_entities(&t->schema, t->entities, err) != PHI_OK) {
        differs(t->name, "entities that should conform:", err->msg);
        tally.misfits++;
    }
    for (size_t i = 0; i < requests->n; i++)
        PHI_TRY(run_request(t, &requests->items[i], err));
    return PHI_OK;
}

static int run_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    const char *name = path + at->base;
    size_t n = strlen(name);
    bool corpus = strstr(path, "corpus-tests/") || strstr(path, "/tests/");
    if (kind != FTW_F || !corpus || n < 6 || strcmp(name + n - 5, ".json") != 0 || strstr(name, ".entities."))
        return 0;
    PHI_ARENA(a, 256 << 20);
    struct test t = { .name = path + sizeof root, .arena = &a };
    struct phi_err err = { 0 };
    const struct phi_json *v = NULL;
    t.entities = phi_entities_open(NULL, 64 << 20);
    enum phi_rc rc = phi_json_read(&a, kit_file(&a, path), PHI_JSON_INT64 | PHI_JSON_NUL_OK, "test", &v, &err);
    if (rc == PHI_OK)
        rc = run_case(&t, v, &err);
    if (rc != PHI_OK) {
        differs(t.name, "not read:", err.msg);
        tally.unread++;
    }
    phi_entities_close(t.entities);
    tally.files++;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void decisions_are_cedars(void **unused)
{
    (void)unused;
    char data[] = DATA, *argv[] = { (char[]){ "tar" }, (char[]){ "xzf" }, data, (char[]){ "-C" }, root, NULL };
    pid_t pid = 0;
    int status = 0;
    if (access(DATA, R_OK) != 0) {
        print_message("conformance: not run; pack corpus-tests/, tests/ and sample-data/ of cedar-policy/cedar-integration-tests as %s\n", DATA);
        skip();
    }
    assert_non_null(mkdtemp(root));
    assert_int_equal(posix_spawnp(&pid, "tar", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    nftw(root, run_file, 16, FTW_PHYS);
    nftw(root, remove_one, 16, FTW_PHYS | FTW_DEPTH);
    print_message("conformance: %u tests, %u decisions, %u differ, %u tests not read\n", tally.files,
                  tally.requests, tally.wrong, tally.unread);
    print_message("validation: %u of %u tests are invalid, %u differ, %u are a warning since Cedar 4.13\n", tally.invalid,
                  tally.files, tally.valid_wrong, tally.drifted);
    print_message("requests and entities that should conform and do not: %u\n", tally.misfits);
    assert_true(tally.files > 100);
    assert_int_equal(tally.misfits, 0);
    assert_int_equal(tally.unlike, 0);
    assert_int_equal(tally.wrong, 0);
    assert_int_equal(tally.unread, 0);
    assert_int_equal(tally.valid_wrong, 0);
    assert_in_range(tally.drifted, 0, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(decisions_are_cedars) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
