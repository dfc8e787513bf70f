/* Texts of policies, schemas and requirements. Parts are separated by a line "---": policies, then
 * optionally a schema, then requirements. A bundle that loads must decide as the plain evaluations do. */
#include "policy/bundle.h"
#include "policy/est.h"
#include "policy/fmt.h"
#include "policy/plain.h"
#include "policy/request.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA                                                                                       \
    "entity G in [G]; entity P in [G] = { age?: Long }; entity R in [R];"                            \
    "action \"g\"; action \"a\" in [\"g\"] appliesTo { principal: P, resource: R,"                   \
    "context: { met: Set<String>, x: Bool, n: Long, s: String, o?: Bool } };"
#define NEEDS "a: {kind: mfa}\nb: {kind: ticket}\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libfyaml 0.7 loses 4 KB where a quoted scalar is in error: not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

static struct phi_view part(struct phi_view *rest)
{
    const uint8_t *at = rest->n ? memmem(rest->p, rest->n, "\n---\n", 5) : NULL;
    struct phi_view one = at ? phi_view_upto(*rest, (size_t)(at - rest->p)) : *rest;
    *rest = at ? phi_view_from(*rest, one.n + 5) : (struct phi_view){ 0 };
    return one;
}

static const struct phi_value *some_context(struct phi_arena *a, const struct phi_value *const *met,
                                            size_t n_met, bool with_met)
{
    struct phi_attr attrs[] = {
        { PHI_LIT("x"), phi_value_bool(a, true) },
        { PHI_LIT("n"), phi_value_long(a, INT64_MAX) },
        { PHI_LIT("s"), phi_value_string(a, PHI_LIT("text")) },
        { PHI_LIT("met"), phi_value_set(a, met, n_met) },
    };
    return phi_value_record(a, attrs, with_met ? 4 : 3);
}

static bool plain(const struct phi_bundle *b, const struct phi_entities *es, const struct phi_ask *ask,
                  struct phi_arena *a, bool all_met)
{
    struct cedar_request q;
    struct cedar_plain_answer got;
    const struct phi_value **met = phi_arena_array(a, b->n_requirements + 1, sizeof(const struct phi_value *));
    size_t n = all_met ? b->n_requirements : 0;
    if (!met || cedar_request_make(b, es, ask, a, &q, NULL) != PHI_OK)
        abort();
    if (q.reason.n > 0)
        return false;
    for (size_t i = 0; i < n; i++)
        met[i] = phi_value_string(a, b->names[i]);
    q.env.vars[VAR_CONTEXT] = some_context(a, met, n, true);
    if (cedar_plain_decide(&q.env, &b->policies, &got, NULL) != PHI_OK)
        abort();
    return got.allow_strict;
}

static void decide(const struct phi_bundle *b, struct phi_arena *a)
{
    struct phi_entities *es = phi_entities_open(NULL, 1 << 16);
    struct phi_uid group = { PHI_LIT("G"), PHI_LIT("1") };
    struct phi_ask ask = { .principal = { PHI_LIT("P"), PHI_LIT("p") },
                           .action = { PHI_LIT("Action"), PHI_LIT("a") },
                           .resource = { PHI_LIT("R"), PHI_LIT("r") } };
    struct phi_answer ans;
    if (!es || phi_entities_add(es, ask.principal, &group, 1, NULL, NULL) != PHI_OK)
        abort();
    ask.context = some_context(a, NULL, 0, false);
    if (phi_decide(b, es, &ask, a, &ans, NULL) != PHI_OK)
        abort();
    bool now = plain(b, es, &ask, a, false), ever = plain(b, es, &ask, a, true);
    if (ans.partial || (ans.verdict == PHI_ALLOW) != now)
        abort();
    if (ans.verdict == PHI_NEEDS && (now || !ever))
        abort();
    if (ans.verdict == PHI_DENY && ever && !strstr(phi_arena_str(a, ans.reason), "alternatives"))
        abort();
    phi_entities_close(es);
}

/* Formatting changes no policy, and what it wrote it leaves alone. */
static void format(struct phi_arena *a, struct phi_view text)
{
    PHI_BUF(once, 64 << 20);
    PHI_BUF(twice, 64 << 20);
    struct cedar_policies before, after;
    struct phi_err err;
    if (cedar_templates_parse(a, text, "t", &before, &err) != PHI_OK)
        return;
    if (cedar_fmt(a, text, "t", &once, &err) != PHI_OK ||
        cedar_templates_parse(a, phi_buf_view(&once), "t", &after, &err) != PHI_OK || before.n != after.n)
        abort();
    for (size_t i = 0; i < before.n; i++)
        if (!cedar_policy_same(before.p[i], after.p[i]))
            abort();
    if (cedar_fmt(a, phi_buf_view(&once), "t", &twice, &err) != PHI_OK || !phi_view_eq(phi_buf_view(&once), phi_buf_view(&twice)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phi_view rest = { data, size };
    struct phi_bundle_text text = { .policies = part(&rest) };
    text.schema = part(&rest);
    text.requirements = part(&rest);
    bool own_schema = text.schema.n > 0;
    if (!own_schema)
        text.schema = phi_view_of(SCHEMA);
    if (text.requirements.n == 0)
        text.requirements = phi_view_of(NEEDS);
    PHI_ARENA(a, 256 << 20);
    struct phi_bundle *b = NULL;
    struct phi_err err;
    format(&a, text.policies);
    if (phi_bundle_load(&text, &b, &err) == PHI_OK)
        phi_bundle_close(b);
    if (cedar_bundle_load(&text, 0, &b, &err) == PHI_OK && !own_schema)
        decide(b, &a);
    phi_bundle_close(b);
    return 0;
}
