#include "proof/vote.h"

#include <string.h>

#include "base/limits.h"
#include "proof/body_parts.h"
#include "proof/scope.h"

bool phi_narrowing_none(const struct phi_narrowing *n)
{
    return !n->for_ms && !n->uses && !n->until_ms && !n->from_ms && !n->budget.statements && !n->budget.rows &&
           !n->budget.bytes && !n->n_resources;
}

enum phi_rc phi_narrowing_read(struct phi_arena *a, const struct phi_json *v, struct phi_narrowing *ret,
                               struct phi_err *err)
{
    static const char *const keys[] = { "bytes", "for_ms", "from_ms", "resources", "rows", "statements", "until_ms", "uses", NULL };
    struct phi_narrowing n = { 0 };
    PHI_TRY(proof_obj(v, "narrowing", keys, err));
    PHI_TRY(proof_opt_int(v, "for_ms", PHI_MAX_GRANT_MS, &n.for_ms, err));
    PHI_TRY(proof_opt_int(v, "uses", PHI_MAX_USES, &n.uses, err));
    PHI_TRY(proof_opt_int(v, "until_ms", PROOF_MAX_MS, &n.until_ms, err));
    PHI_TRY(proof_opt_int(v, "from_ms", PROOF_MAX_MS, &n.from_ms, err));
    PHI_TRY(proof_opt_int(v, "statements", PROOF_MAX_MS, &n.budget.statements, err));
    PHI_TRY(proof_opt_int(v, "rows", PROOF_MAX_MS, &n.budget.rows, err));
    PHI_TRY(proof_opt_int(v, "bytes", PROOF_MAX_MS, &n.budget.bytes, err));
    if (phi_json_get(v, "resources")) {
        PHI_TRY(phi_refs_read(a, phi_json_get(v, "resources"), "narrowing.resources", &n.resources, &n.n_resources, err));
        if (!n.n_resources) /* an empty list would read as "absent": the widest instead of nothing */
            return phi_fail(err, PHI_EINPUT, "narrowing.resources must not be empty: deny instead");
        PHI_TRY(proof_refs_check(n.resources, n.n_resources, "narrowing.resources", err));
    }
    *ret = n;
    return PHI_OK;
}

static void opt(struct phi_jw *w, const char *key, int64_t v)
{
    if (v)
        phi_jw_ki(w, key, v);
}

void phi_narrowing_write(struct phi_jw *w, const struct phi_narrowing *n)
{
    phi_jw_obj(w);
    opt(w, "bytes", n->budget.bytes);
    opt(w, "for_ms", n->for_ms);
    opt(w, "from_ms", n->from_ms);
    if (n->n_resources) {
        phi_jw_key(w, "resources");
        phi_refs_write(w, n->resources, n->n_resources);
    }
    opt(w, "rows", n->budget.rows);
    opt(w, "statements", n->budget.statements);
    opt(w, "until_ms", n->until_ms);
    opt(w, "uses", n->uses);
    phi_jw_end(w);
}

static enum phi_rc check_resources(const struct phi_narrowing *n, const struct phi_body *asked, struct phi_err *err)
{
    if (!asked->has_scope)
        return phi_fail(err, PHI_EINPUT, "only a scope can be narrowed to resources; these are exact bytes");
    PHI_TRY(proof_refs_check(n->resources, n->n_resources, "narrowing.resources", err));
    for (size_t i = 0; i < n->n_resources; i++) {
        bool in = false;
        for (size_t k = 0; k < asked->scope.n_resources && !in; k++)
            in = phi_ref_within(n->resources[i], asked->scope.resources[k]);
        if (!in)
            return phi_fail(err, PHI_EINPUT, "narrowing.resources names something that was not asked for");
    }
    return PHI_OK;
}

enum phi_rc phi_narrowing_check(const struct phi_narrowing *n, const struct phi_body *asked, struct phi_err *err)
{
    const struct phi_bounds *b = &asked->bounds;
    const struct phi_budget *m = &n->budget, *most = &b->budget;
    if (n->for_ms < 0 || n->uses < 0 || n->until_ms < 0 || n->from_ms < 0 || m->statements < 0 || m->rows < 0 || m->bytes < 0)
        return phi_fail(err, PHI_EINPUT, "a narrowing must be positive");
    if (n->from_ms && n->from_ms < b->from_ms)
        return phi_fail(err, PHI_EINPUT, "narrowing.from_ms is earlier than what was asked");
    if ((most->statements && m->statements > most->statements) || (most->rows && m->rows > most->rows) ||
        (most->bytes && m->bytes > most->bytes))
        return phi_fail(err, PHI_EINPUT, "the narrowing's statements, rows or bytes are more than what was asked");
    if (n->for_ms > b->for_ms)
        return phi_fail(err, PHI_EINPUT, "narrowing.for_ms is longer than what was asked");
    if (b->uses && n->uses > b->uses)
        return phi_fail(err, PHI_EINPUT, "narrowing.uses is more than what was asked");
    if (b->until_ms && n->until_ms > b->until_ms)
        return phi_fail(err, PHI_EINPUT, "narrowing.until_ms is later than what was asked");
    return n->n_resources ? check_resources(n, asked, err) : PHI_OK;
}

const char *phi_decision_name(enum phi_decision d)
{
    switch (d) {
    case PHI_APPROVE:
        return "approve";
    case PHI_REJECT:
        return "deny";
    }
    return "";
}

static enum phi_rc read_decision(const struct phi_json *v, enum phi_decision *ret, struct phi_err *err)
{
    struct phi_view d = phi_json_text(v, "decision");
    if (phi_view_is(d, "approve"))
        *ret = PHI_APPROVE;
    else if (phi_view_is(d, "deny"))
        *ret = PHI_REJECT;
    else
        return phi_fail(err, PHI_EINPUT, "\"decision\" must be \"approve\" or \"deny\"");
    return PHI_OK;
}

enum phi_rc phi_vote_read(struct phi_arena *a, const struct phi_json *v, struct phi_vote *ret, struct phi_err *err)
{
    static const char *const keys[] = { "bundle", "decision",    "digest",      "id", "narrowing", "nonce",
                                        "reason_hash", "requirement", "v", "version", NULL };
    struct phi_vote x = { 0 };
    PHI_TRY(proof_obj(v, "a vote", keys, err));
    PHI_TRY(proof_need_v1(v, err));
    PHI_TRY(proof_need_id(v, "id", &x.id, err));
    PHI_TRY(proof_need_hash(v, "digest", &x.digest, err));
    PHI_TRY(phi_json_need_int(v, "version", 1, PROOF_MAX_MS, &x.version, err));
    PHI_TRY(phi_json_need_str(v, "requirement", &x.requirement, err));
    PHI_TRY(proof_text(x.requirement, "requirement", 1, PHI_MAX_NAME, err));
    PHI_TRY(read_decision(v, &x.decision, err));
    PHI_TRY(phi_narrowing_read(a, phi_json_get(v, "narrowing"), &x.narrowing, err));
    PHI_TRY(proof_need_hash(v, "reason_hash", &x.reason_hash, err));
    PHI_TRY(proof_need_hash(v, "bundle", &x.bundle, err));
    PHI_TRY(proof_need_blob(v, "nonce", x.nonce, sizeof x.nonce, err));
    *ret = x;
    return PHI_OK;
}

void phi_vote_write(struct phi_buf *out, const struct phi_vote *v)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    proof_put_hash(&w, "bundle", &v->bundle);
    phi_jw_kc(&w, "decision", phi_decision_name(v->decision));
    proof_put_hash(&w, "digest", &v->digest);
    proof_put_id(&w, "id", &v->id);
    phi_jw_key(&w, "narrowing");
    phi_narrowing_write(&w, &v->narrowing);
    phi_jw_key(&w, "nonce");
    phi_jw_b64u(&w, phi_view_mem(v->nonce, sizeof v->nonce));
    proof_put_hash(&w, "reason_hash", &v->reason_hash);
    phi_jw_kv(&w, "requirement", v->requirement);
    phi_jw_ki(&w, "v", 1);
    phi_jw_ki(&w, "version", v->version);
    phi_jw_end(&w);
}

enum phi_rc phi_vote_digest(const struct phi_vote *v, struct phi_digest *ret, struct phi_err *err)
{
    if (!phi_decision_name(v->decision)[0] || v->version < 1)
        return phi_fail(err, PHI_EINPUT, "the vote has no decision or no version");
    PHI_TRY(proof_text(v->requirement, "requirement", 1, PHI_MAX_NAME, err));
    PHI_BUF(out, PHI_MAX_LOG_ENTRY);
    phi_vote_write(&out, v);
    if (!phi_buf_ok(&out))
        return phi_fail(err, PHI_ELIMIT, "the vote is too long");
    *ret = phi_tagged_hash("phi-vote-v1", phi_buf_view(&out));
    return PHI_OK;
}
