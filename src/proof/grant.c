#include "proof/grant.h"

#include <string.h>

#include "base/limits.h"
#include "proof/body_parts.h"

static int64_t least(int64_t a, int64_t b) /* of two bounds, where 0 is "no bound" */
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

static void budget_least(struct phi_budget *b, const struct phi_budget *x)
{
    b->statements = least(b->statements, x->statements);
    b->rows = least(b->rows, x->rows);
    b->bytes = least(b->bytes, x->bytes);
}

static enum phi_rc narrow(struct phi_arena *a, struct phi_grant *g, const struct phi_narrowing *x, struct phi_err *err)
{
    const struct phi_budget *m = &x->budget;
    if (x->for_ms < 0 || x->uses < 0 || x->until_ms < 0 || x->from_ms < 0 || m->statements < 0 || m->rows < 0 || m->bytes < 0)
        return phi_fail(err, PHI_EINPUT, "a narrowing must be positive");
    g->for_ms = least(g->for_ms, x->for_ms);
    g->uses = least(g->uses, x->uses);
    g->until_ms = least(g->until_ms, x->until_ms);
    g->from_ms = x->from_ms > g->from_ms ? x->from_ms : g->from_ms;
    budget_least(&g->budget, m);
    if (x->n_resources && g->has_scope)
        PHI_TRY(phi_refs_meet(a, g->scope.resources, g->scope.n_resources, x->resources, x->n_resources,
                              &g->scope.resources, &g->scope.n_resources, err));
    return PHI_OK;
}

enum phi_rc phi_grant_make(struct phi_arena *a, struct phi_id id, const struct phi_body *asked,
                           const struct phi_narrowing *narrowings, size_t n, int64_t now_ms, int64_t first_use_ms,
                           const struct phi_digest *bundle, struct phi_grant *ret, struct phi_err *err)
{
    const struct phi_bounds *b = &asked->bounds;
    struct phi_grant g = { .id = id, .request = asked->id, .principal = asked->requester, .target = asked->target,
                           .has_scope = asked->has_scope, .scope = asked->scope, .uses = b->uses, .for_ms = b->for_ms,
                           .from_ms = b->from_ms, .until_ms = b->until_ms, .first_use_ms = first_use_ms,
                           .budget = b->budget, .windows = b->windows, .n_windows = b->n_windows, .bundle = *bundle };
    PHI_TRY(phi_body_digest(asked, &g.digest, err));
    if (!g.has_scope)
        PHI_TRY(phi_act_digest(asked, &g.act, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(narrow(a, &g, &narrowings[i], err));
    if (g.has_scope && !g.scope.n_resources)
        return phi_fail(err, PHI_EINPUT, "the narrowings leave no resource");
    /* A right that begins later is counted from then. */
    int64_t start = g.from_ms > now_ms ? g.from_ms : now_ms;
    if (now_ms < 0 || now_ms > PROOF_MAX_MS || first_use_ms < 0 || first_use_ms > PHI_MAX_GRANT_MS ||
        start > PROOF_MAX_MS - g.for_ms - first_use_ms)
        return phi_fail(err, PHI_EINPUT, "the clock is out of range");
    g.until_ms = least(g.until_ms, start + first_use_ms + g.for_ms);
    if (g.until_ms <= start)
        return phi_fail(err, PHI_EEXPIRED, "nothing is left of the time that was asked for");
    *ret = g;
    return PHI_OK;
}

static bool narrower(int64_t have, int64_t bound) /* 0 as a bound: none; 0 as what one has: unlimited */
{
    return !bound || (have > 0 && have <= bound);
}

static enum phi_rc check_one(const struct phi_grant *g, const struct phi_narrowing *x,
                             const struct phi_action_rules *rules, struct phi_err *err)
{
    const struct phi_budget *m = &g->budget, *most = &x->budget;
    if (!narrower(g->for_ms, x->for_ms) || !narrower(g->uses, x->uses) || !narrower(g->until_ms, x->until_ms) ||
        g->from_ms < x->from_ms || !narrower(m->statements, most->statements) || !narrower(m->rows, most->rows) ||
        !narrower(m->bytes, most->bytes))
        return phi_fail(err, PHI_EDENIED, "the grant is wider than a narrowing allows");
    struct phi_scope s = { g->scope.actions, g->scope.n_actions, x->resources, x->n_resources };
    if (g->has_scope && x->n_resources && !phi_scope_within(rules, &g->scope, &s))
        return phi_fail(err, PHI_EDENIED, "the grant names a resource that a narrowing took away");
    return PHI_OK;
}

static enum phi_rc check_speaks_of(const struct phi_grant *g, const struct phi_body *asked, struct phi_err *err)
{
    struct phi_digest digest, act = { { 0 } };
    PHI_TRY(phi_body_digest(asked, &digest, err));
    if (!asked->has_scope)
        PHI_TRY(phi_act_digest(asked, &act, err));
    if (!phi_digest_eq(&digest, &g->digest) || !phi_digest_eq(&act, &g->act) ||
        !phi_view_eq(phi_id_view(&g->request), phi_id_view(&asked->id)))
        return phi_fail(err, PHI_EDENIED, "the grant is for another request");
    if (!phi_ref_eq(g->principal, asked->requester) || !phi_ref_eq(g->target, asked->target))
        return phi_fail(err, PHI_EDENIED, "the grant is for another principal or target");
    if (g->has_scope != asked->has_scope)
        return phi_fail(err, PHI_EDENIED, "the grant is of another kind than what was asked");
    return PHI_OK;
}

enum phi_rc phi_grant_check(const struct phi_grant *g, const struct phi_body *asked,
                            const struct phi_narrowing *narrowings, size_t n, const struct phi_action_rules *rules,
                            struct phi_err *err)
{
    PHI_TRY(check_speaks_of(g, asked, err));
    struct phi_narrowing whole = { .for_ms = asked->bounds.for_ms, .uses = asked->bounds.uses,
                                   .until_ms = asked->bounds.until_ms, .from_ms = asked->bounds.from_ms,
                                   .budget = asked->bounds.budget };
    PHI_TRY(check_one(g, &whole, rules, err));
    if (!phi_windows_eq(g->windows, g->n_windows, asked->bounds.windows, asked->bounds.n_windows))
        return phi_fail(err, PHI_EDENIED, "the grant serves at other times than what was asked");
    if (g->for_ms <= 0 || g->until_ms <= 0)
        return phi_fail(err, PHI_EDENIED, "the grant has no end");
    if (g->has_scope && !phi_scope_within(rules, &g->scope, &asked->scope))
        return phi_fail(err, PHI_EDENIED, "the grant's scope is wider than what was asked");
    for (size_t i = 0; i < n; i++)
        PHI_TRY(check_one(g, &narrowings[i], rules, err));
    return PHI_OK;
}

static enum phi_rc read_terms(struct phi_arena *a, const struct phi_json *v, struct phi_grant *g, struct phi_err *err)
{
    PHI_TRY(proof_opt_int(v, "first_use_ms", PHI_MAX_GRANT_MS, &g->first_use_ms, err));
    PHI_TRY(proof_opt_int(v, "statements", PROOF_MAX_MS, &g->budget.statements, err));
    PHI_TRY(proof_opt_int(v, "rows", PROOF_MAX_MS, &g->budget.rows, err));
    PHI_TRY(proof_opt_int(v, "bytes", PROOF_MAX_MS, &g->budget.bytes, err));
    if (phi_json_get(v, "windows"))
        PHI_TRY(phi_windows_read(a, phi_json_get(v, "windows"), &g->windows, &g->n_windows, err));
    PHI_TRY(phi_json_need_int(v, "uses", g->has_scope ? 0 : 1, PHI_MAX_USES, &g->uses, err));
    PHI_TRY(phi_json_need_int(v, "for_ms", 1, PHI_MAX_GRANT_MS, &g->for_ms, err));
    PHI_TRY(phi_json_need_int(v, "until_ms", 1, PROOF_MAX_MS, &g->until_ms, err));
    if (phi_json_get(v, "from_ms"))
        PHI_TRY(phi_json_need_int(v, "from_ms", 1, PROOF_MAX_MS, &g->from_ms, err));
    return proof_need_hash(v, "bundle", &g->bundle, err);
}

enum phi_rc phi_grant_read(struct phi_arena *a, const struct phi_json *v, struct phi_grant *ret, struct phi_err *err)
{
    static const char *const keys[] = { "act",     "bundle", "bytes", "digest",     "first_use_ms", "for_ms",   "from_ms", "id", "principal",
                                        "request", "rows",   "scope", "statements", "target",       "until_ms", "uses",    "v",  "windows", NULL };
    struct phi_grant g = { 0 };
    PHI_TRY(proof_obj(v, "a grant", keys, err));
    PHI_TRY(proof_need_v1(v, err));
    PHI_TRY(proof_need_id(v, "id", &g.id, err));
    PHI_TRY(proof_need_id(v, "request", &g.request, err));
    PHI_TRY(proof_need_hash(v, "digest", &g.digest, err));
    PHI_TRY(phi_ref_read(phi_json_get(v, "principal"), "principal", &g.principal, err));
    PHI_TRY(phi_ref_read(phi_json_get(v, "target"), "target", &g.target, err));
    const struct phi_json *scope = phi_json_get(v, "scope"), *act = phi_json_get(v, "act");
    if (!scope || !act)
        return phi_fail(err, PHI_EINPUT, "a grant has the members \"scope\" and \"act\"; one of them is null");
    g.has_scope = scope->kind != PHI_JSON_NULL;
    if (g.has_scope != (act->kind == PHI_JSON_NULL))
        return phi_fail(err, PHI_EINPUT, "a grant is either for an act or for a scope");
    PHI_TRY(g.has_scope ? phi_scope_read(a, scope, &g.scope, err) : proof_need_hash(v, "act", &g.act, err));
    PHI_TRY(read_terms(a, v, &g, err));
    *ret = g;
    return PHI_OK;
}

static void opt(struct phi_jw *w, const char *key, int64_t v)
{
    if (v)
        phi_jw_ki(w, key, v);
}

void phi_grant_write(struct phi_buf *out, const struct phi_grant *g)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    if (g->has_scope) {
        phi_jw_key(&w, "act");
        phi_jw_null(&w);
    } else {
        proof_put_hash(&w, "act", &g->act);
    }
    proof_put_hash(&w, "bundle", &g->bundle);
    opt(&w, "bytes", g->budget.bytes);
    proof_put_hash(&w, "digest", &g->digest);
    opt(&w, "first_use_ms", g->first_use_ms);
    phi_jw_ki(&w, "for_ms", g->for_ms);
    opt(&w, "from_ms", g->from_ms);
    proof_put_id(&w, "id", &g->id);
    phi_jw_key(&w, "principal");
    phi_ref_write(&w, g->principal);
    proof_put_id(&w, "request", &g->request);
    opt(&w, "rows", g->budget.rows);
    phi_jw_key(&w, "scope");
    if (g->has_scope)
        phi_scope_write(&w, &g->scope);
    else
        phi_jw_null(&w);
    opt(&w, "statements", g->budget.statements);
    phi_jw_key(&w, "target");
    phi_ref_write(&w, g->target);
    phi_jw_ki(&w, "until_ms", g->until_ms);
    phi_jw_ki(&w, "uses", g->uses);
    phi_jw_ki(&w, "v", 1);
    if (g->n_windows) {
        phi_jw_key(&w, "windows");
        phi_windows_write(&w, g->windows, g->n_windows);
    }
    phi_jw_end(&w);
}

enum phi_rc phi_grant_digest(const struct phi_grant *g, struct phi_digest *ret, struct phi_err *err)
{
    PHI_BUF(out, PHI_MAX_LOG_ENTRY);
    phi_grant_write(&out, g);
    if (!phi_buf_ok(&out))
        return phi_fail(err, PHI_ELIMIT, "the grant is too long");
    *ret = phi_tagged_hash("phi-grant-v1", phi_buf_view(&out));
    return PHI_OK;
}
