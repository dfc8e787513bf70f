/* Answers Cedar's questions for policy_diff.mjs, one line of JSON each: a set of policies, entities and requests in, what each
 * request gets out. Both evaluators answer; where they differ the line says so. */
#include "policy/comp.h"
#include "policy/est.h"
#include "policy/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE (256UL << 20)

struct set {
    struct phi_arena *arena;
    struct cedar_schema schema;
    bool has_schema;
    struct cedar_policies policies;
    struct phi_entities *entities;
    struct comp *comp;
    struct phi_world *world;
};

static void ids(struct phi_jw *w, const struct set *s, const struct cedar_plain_answer *got, const char *key, bool errors)
{
    bool forbidden = false;
    for (size_t i = 0; i < s->policies.n; i++)
        forbidden |= s->policies.p[i]->forbid && got->each[i] == CEDAR_SATISFIED;
    phi_jw_key(w, key);
    phi_jw_arr(w);
    for (size_t i = 0; i < s->policies.n; i++) {
        bool counts = got->each[i] == CEDAR_SATISFIED && s->policies.p[i]->forbid == forbidden;
        if (errors ? got->each[i] == CEDAR_ERROR : counts)
            phi_jw_str(w, s->policies.p[i]->id);
    }
    phi_jw_end(w);
}

static void forbids(struct phi_jw *w, const struct set *s)
{
    phi_jw_key(w, "forbids");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->policies.n; i++)
        if (s->policies.p[i]->forbid)
            phi_jw_str(w, s->policies.p[i]->id);
    phi_jw_end(w);
}

static bool same(const struct set *s, const struct cedar_plain_answer *a, const struct cedar_plain_answer *b)
{
    return a->allow == b->allow && a->allow_strict == b->allow_strict &&
           memcmp(a->each, b->each, s->policies.n * sizeof *a->each) == 0;
}

static enum phi_rc answer(struct set *s, const struct phi_json *r, struct phi_jw *w, struct phi_err *err)
{
    static const char *const names[] = { "principal", "action", "resource" };
    struct cedar_env env = { .entities = s->entities, .schema = s->has_schema ? &s->schema : NULL, .arena = s->arena };
    struct cedar_plain_answer walked, compiled;
    struct phi_query *q = NULL;
    struct phi_uid uids[3];
    for (int i = 0; i < 3; i++) {
        PHI_TRY(phi_uid_from_json(phi_json_get(r, names[i]), &uids[i], err));
        env.vars[i] = phi_value_entity(s->arena, uids[i]);
    }
    const struct cedar_action *action = s->has_schema ? cedar_schema_action(&s->schema, uids[1]) : NULL;
    PHI_TRY(cedar_value_from_json(s->arena, phi_json_get(r, "context"), action ? action->context : NULL, &env.vars[VAR_CONTEXT], err));
    PHI_TRY(cedar_plain_decide(&env, &s->policies, &walked, err));
    PHI_TRY(comp_query_open(s->world, uids[0], uids[1], uids[2], env.vars[VAR_CONTEXT], &q, err));
    enum phi_rc rc = comp_plain(s->world, q, s->arena, &compiled, err);
    phi_query_close(q);
    PHI_TRY(rc);
    if (!same(s, &walked, &compiled))
        return phi_fail(err, PHI_ECONFLICT, "the two evaluators disagree");
    phi_jw_kb(w, "allow", walked.allow);
    phi_jw_kb(w, "strict", walked.allow_strict);
    ids(w, s, &walked, "reason", false);
    ids(w, s, &walked, "errors", true);
    return PHI_OK;
}

/* Policies as Cedar's JSON, templates and links among them. */
static enum phi_rc read_set(struct set *s, const struct phi_json *v, struct phi_err *err)
{
    struct cedar_policy_set all;
    PHI_TRY(cedar_set_from_json(s->arena, v, &all, err));
    s->policies = all.policies;
    return PHI_OK;
}

static enum phi_rc load(struct set *s, const struct phi_json *v, struct phi_err *err)
{
    struct phi_view schema = { 0 };
    s->has_schema = phi_json_str(phi_json_get(v, "schema"), &schema);
    if (s->has_schema)
        PHI_TRY(cedar_schema_parse(s->arena, schema, "schema", &s->schema, err));
    const struct phi_json *set = phi_json_get(v, "set");
    if (set)
        PHI_TRY(read_set(s, set, err));
    else
        PHI_TRY(cedar_policies_parse(s->arena, phi_json_text(v, "policies"), "policies", &s->policies, err));
    PHI_TRY(cedar_entities_add_json(s->entities, s->has_schema ? &s->schema : NULL, phi_json_get(v, "entities"), err));
    PHI_TRY(comp_open(&s->policies, s->has_schema ? &s->schema : NULL, &s->comp, err));
    s->world = comp_world_open(s->comp, MAX_LINE);
    if (!s->world)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(phi_world_add_all(s->world, s->entities, err));
    return phi_world_ready(s->world, err);
}

static void say_error(struct phi_jw *w, const struct phi_err *err)
{
    phi_jw_kc(w, "error", err->msg);
}

static void run(const struct phi_json *v, struct phi_arena *a, struct phi_jw *w)
{
    struct set s = { .arena = a, .entities = phi_entities_open(NULL, MAX_LINE) };
    struct phi_err err = { 0 };
    const struct phi_json *requests = phi_json_get(v, "requests");
    phi_jw_obj(w);
    if (load(&s, v, &err) != PHI_OK) {
        say_error(w, &err);
    } else {
        forbids(w, &s);
        phi_jw_key(w, "answers");
        phi_jw_arr(w);
        for (size_t i = 0; requests && i < requests->n; i++) {
            phi_jw_obj(w);
            if (answer(&s, &requests->items[i], w, &err) != PHI_OK)
                say_error(w, &err);
            phi_jw_end(w);
        }
        phi_jw_end(w);
    }
    phi_jw_end(w);
    phi_world_close(s.world);
    comp_close(s.comp);
    phi_entities_close(s.entities);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = 0;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        PHI_ARENA(a, MAX_LINE);
        PHI_BUF(out, MAX_LINE);
        struct phi_jw w;
        struct phi_err err = { 0 };
        const struct phi_json *v = NULL;
        phi_jw_init(&w, &out);
        if (phi_json_read(&a, phi_view_mem(line, (size_t)n), CEDAR_EST_JSON, "case", &v, &err) == PHI_OK) {
            run(v, &a, &w);
        } else {
            phi_jw_obj(&w);
            say_error(&w, &err);
            phi_jw_end(&w);
        }
        phi_buf_addc(&out, '\n');
        fwrite(phi_buf_view(&out).p, 1, phi_buf_view(&out).n, stdout);
        fflush(stdout);
    }
    free(line);
    return 0;
}
