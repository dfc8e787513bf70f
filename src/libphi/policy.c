/* The public face of the policy engine: texts in, texts out. */
#include "phi/policy.h"

#include <stdlib.h>
#include <string.h>

#include "policy/conform.h"
#include "policy/request.h"

#define MAX_QUESTION (64UL << 20) /* bytes that one question may take */
#define MAX_OBLIGATIONS (1UL << 20)

_Static_assert((int)PHI_DECISION_ALLOW == (int)PHI_ALLOW && (int)PHI_DECISION_DENY == (int)PHI_DENY &&
                   (int)PHI_DECISION_NEEDS == (int)PHI_NEEDS, "the public verdicts are those inside");

struct phi_policies {
    struct phi_bundle *bundle;
};

struct phi_entity_set {
    const struct phi_policies *of;
    struct phi_world *world;
};

static void tell(char *to, size_t size, struct phi_view text)
{
    if (size == 0)
        return;
    size_t n = text.n < size - 1 ? text.n : size - 1;
    if (n > 0)
        memcpy(to, text.p, n);
    to[n] = '\0';
}

struct phi_policies *phi_policies_open(const char *schema, const char *policies, const char *requirements, char *err,
                                       size_t err_size)
{
    struct phi_bundle_text text = { phi_view_of(schema), phi_view_of(policies), phi_view_of(requirements), 0 };
    struct phi_policies *p = calloc(1, sizeof *p);
    struct phi_err why = { .msg = "out of memory" };
    if (p && cedar_bundle_load(&text, CEDAR_LOAD_STRICT, &p->bundle, &why) == PHI_OK)
        return p;
    tell(err, err_size, phi_view_of(why.msg));
    free(p);
    return NULL;
}

void phi_policies_close(struct phi_policies *p)
{
    if (!p)
        return;
    phi_bundle_close(p->bundle);
    free(p);
}

static enum phi_rc read_entities(const struct phi_policies *p, const char *json, size_t limit, struct phi_entities *es,
                                 struct phi_err *err)
{
    PHI_ARENA(a, limit > SIZE_MAX / 4 ? SIZE_MAX : 4 * limit);
    const struct phi_json *v = NULL;
    const struct cedar_schema *s = &p->bundle->schema;
    PHI_TRY(phi_json_read(&a, phi_view_of(json), PHI_JSON_INT64 | PHI_JSON_NUL_OK, "entities", &v, err));
    PHI_TRY(cedar_entities_add_json(es, s, v, err));
    return cedar_conform_entities(s, es, err);
}

static enum phi_rc fill(struct phi_entity_set *w, const char *json, size_t limit, struct phi_err *err)
{
    struct phi_entities *es = phi_entities_open(NULL, limit);
    if (!es)
        return PHI_ELIMIT;
    enum phi_rc rc = read_entities(w->of, json, limit, es, err);
    if (rc == PHI_OK)
        rc = phi_world_open(w->of->bundle, limit, &w->world, err);
    if (rc == PHI_OK)
        rc = phi_world_add_all(w->world, es, err);
    if (rc == PHI_OK)
        rc = phi_world_ready(w->world, err);
    phi_entities_close(es);
    return rc;
}

struct phi_entity_set *phi_entity_set_open(const struct phi_policies *p, const char *entities, size_t limit, char *err,
                                 size_t err_size)
{
    struct phi_entity_set *w = calloc(1, sizeof *w);
    struct phi_err why = { .msg = "out of memory" };
    if (w)
        w->of = p;
    if (w && fill(w, entities, limit, &why) == PHI_OK)
        return w;
    tell(err, err_size, phi_view_of(why.msg));
    phi_entity_set_close(w);
    return NULL;
}

void phi_entity_set_close(struct phi_entity_set *w)
{
    if (!w)
        return;
    phi_world_close(w->world);
    free(w);
}

static enum phi_rc read_question(const struct phi_policies *p, const struct phi_question *q, struct phi_arena *a,
                                 struct phi_ask *ask, struct phi_err *err)
{
    const struct phi_json *v = NULL;
    struct phi_view *met = phi_arena_array(a, q->n_met + 1, sizeof *met);
    PHI_TRY(phi_uid_read(a, phi_view_of(q->principal), &ask->principal, err));
    PHI_TRY(phi_uid_read(a, phi_view_of(q->action), &ask->action, err));
    PHI_TRY(phi_uid_read(a, phi_view_of(q->resource), &ask->resource, err));
    for (size_t i = 0; met && i < q->n_met; i++)
        met[i] = phi_view_of(q->met[i]);
    ask->met = met;
    ask->n_met = met ? q->n_met : 0;
    if (!q->context)
        return PHI_OK;
    const struct cedar_action *act = cedar_schema_action(&p->bundle->schema, ask->action);
    PHI_TRY(phi_json_read(a, phi_view_of(q->context), PHI_JSON_INT64 | PHI_JSON_NUL_OK, "context", &v, err));
    return cedar_value_from_json(a, v, act ? act->context : NULL, &ask->context, err);
}

static enum phi_rc decide(const struct phi_policies *p, const struct phi_entity_set *w, const struct phi_question *q,
                          const struct phi_obliging *o, struct phi_scratch *s, struct phi_answer *ret, struct phi_err *err)
{
    PHI_ARENA(a, MAX_QUESTION);
    struct phi_ask ask = { 0 };
    if (!s)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (w->of != p)
        return phi_fail(err, PHI_EINPUT, "these entities were checked for other policies");
    PHI_TRY(read_question(p, q, &a, &ask, err));
    struct phi_view *can = phi_arena_array(&a, o ? o->n_can + 1 : 1, sizeof *can);
    for (size_t i = 0; can && o && i < o->n_can; i++)
        can[ask.n_can++] = phi_view_of(o->can[i]);
    ask.can = can;
    return phi_world_ask(w->world, &ask, PHI_MODE_REASON, s, ret, err);
}

/* Whole or not at all. */
static enum phi_rc tell_obligations(const struct phi_answer *answer, const struct phi_obliging *o, struct phi_err *err)
{
    PHI_BUF(text, MAX_OBLIGATIONS);
    struct phi_jw w;
    phi_jw_init(&w, &text);
    phi_jw_arr(&w);
    for (size_t i = 0; i < answer->n_obligations; i++) {
        phi_jw_obj(&w);
        phi_jw_kv(&w, "name", answer->obligations[i]->name);
        phi_jw_kv(&w, "kind", answer->obligations[i]->kind);
        if (answer->obligations[i]->rows)
            phi_jw_ki(&w, "rows", answer->obligations[i]->rows);
        phi_jw_kv(&w, "why", answer->obligations[i]->why);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    if (!phi_buf_ok(&text) || phi_buf_view(&text).n >= o->obligations_size)
        return phi_fail(err, PHI_ELIMIT, "the obligations do not fit where they should go, so it is denied");
    tell(o->obligations, o->obligations_size, phi_buf_view(&text));
    return PHI_OK;
}

enum phi_decision phi_policies_decide_obliged(const struct phi_policies *p, const struct phi_entity_set *w,
                                              const struct phi_question *q, const struct phi_obliging *o, char *reason, size_t size)
{
    struct phi_scratch *s = phi_scratch_open(MAX_QUESTION); /* of this call: any number of threads may decide */
    struct phi_answer answer = { .verdict = PHI_DENY };
    struct phi_err err = { 0 };
    bool ok = decide(p, w, q, o, s, &answer, &err) == PHI_OK;
    if (o && o->obligations_size)
        o->obligations[0] = '\0';
    if (ok && o)
        ok = tell_obligations(&answer, o, &err) == PHI_OK;
    enum phi_decision ret = ok ? (enum phi_decision)answer.verdict : PHI_DECISION_DENY;
    tell(reason, size, ok ? answer.reason : phi_view_of(err.msg));
    phi_scratch_close(s);
    return ret;
}

enum phi_decision phi_policies_decide(const struct phi_policies *p, const struct phi_entity_set *w,
                                      const struct phi_question *q, char *reason, size_t size)
{
    return phi_policies_decide_obliged(p, w, q, NULL, reason, size);
}
