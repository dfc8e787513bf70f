#include "core/signed.h"

#define PROOF_MAX (64 * 1024)

bool core_wants_proof(const struct phi_requirement *r)
{
    return r->is_signed || r->kind == PHI_REQUIRE_MFA;
}

static void member(struct phi_jw *w, const char *key, struct phi_view bytes)
{
    phi_jw_key(w, key);
    phi_jw_b64u(w, bytes);
}

enum phi_rc core_vote_prove(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                            const struct phi_ballot *b, struct core_vote_row *row, struct phi_err *err)
{
    struct phi_passkey_view key;
    struct phi_jw w;
    PHI_BUF(proof, PROOF_MAX);
    if (!b->signature)
        return core_no(c, "vote.unsigned", err, PHI_EDENIED,
                       "this needs your passkey; do it in the console, where your passkey can sign it");
    struct phi_digest challenge = phi_tagged_hash("phi-vote-v1", row->vote);
    PHI_TRY(phi_passkey_check(c, a, by->id, b->signature->id, phi_digest_view(&challenge), &b->signature->rp,
                              &b->signature->answer, &key, err));
    phi_jw_init(&w, &proof);
    phi_jw_obj(&w);
    member(&w, "auth", b->signature->answer.auth);
    member(&w, "client", b->signature->answer.client);
    member(&w, "cose", key.cose);
    member(&w, "id", key.id);
    phi_jw_kv(&w, "origin", b->signature->rp.origin);
    member(&w, "sig", b->signature->answer.sig);
    phi_jw_end(&w);
    row->proof = phi_arena_copy(a, phi_buf_view(&proof));
    return phi_buf_ok(&proof) && phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the signature is too large");
}

static bool bytes_of(struct phi_arena *a, const struct phi_json *v, const char *key, struct phi_view *ret)
{
    PHI_BUF(b, PROOF_MAX);
    if (!phi_b64u_read(phi_json_text(v, key), &b) || !phi_buf_ok(&b))
        return false;
    *ret = phi_arena_copy(a, phi_buf_view(&b));
    return ret->n > 0;
}

bool core_vote_proven(struct phi_core *c, const struct core_vote_row *row)
{
    PHI_ARENA(a, (size_t)1 << 20);
    const struct phi_json *v;
    struct phi_webauthn_answer got;
    struct phi_webauthn_rp rp;
    struct phi_passkey key = { 0 };
    struct core_passkey_row held;
    uint32_t count;
    if (row->proof.n == 0 || phi_json_read(&a, row->proof, PHI_JSON_STRICT, "proof", &v, NULL) != PHI_OK ||
        !bytes_of(&a, v, "auth", &got.auth) || !bytes_of(&a, v, "client", &got.client) || !bytes_of(&a, v, "sig", &got.sig) ||
        !bytes_of(&a, v, "id", &key.id) || !bytes_of(&a, v, "cose", &key.cose))
        return false;
    struct core_passkey_row want = { .id = key.id };
    if (core_get(c, CORE_PASSKEY, CORE_BY_KEY, &want, &a, &held, NULL) != PHI_OK || !phi_view_eq(held.cose, key.cose) ||
        !core_same_person(c, held.person, row->person) ||
        core_row_check(c, CORE_PASSKEY, &held, held.leaf, held.leaf_hash, NULL) != PHI_OK)
        return false;
    rp.origin = phi_json_text(v, "origin");
    rp.id = phi_webauthn_rp_id(rp.origin);
    struct phi_digest challenge = phi_tagged_hash("phi-vote-v1", row->vote);
    return phi_webauthn_assert(&rp, phi_digest_view(&challenge), &key, &got, &count, NULL) == PHI_OK;
}
