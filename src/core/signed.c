#include "core/signed.h"

#include "proof/vote_proof.h"

bool core_wants_proof(const struct phi_requirement *r)
{
    return r->is_signed || r->kind == PHI_REQUIRE_MFA;
}

enum phi_rc core_vote_prove(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                            const struct phi_ballot *b, struct core_vote_row *row, struct phi_err *err)
{
    struct phi_passkey_view key;
    PHI_BUF(proof, PHI_VOTE_PROOF_MAX);
    if (!b->signature)
        return core_no(c, "vote.unsigned", err, PHI_EDENIED,
                       "this needs your passkey; do it in the console, where your passkey can sign it");
    struct phi_digest challenge = phi_tagged_hash("phi-vote-v1", row->vote);
    PHI_TRY(phi_passkey_check(c, a, by->id, b->signature->id, phi_digest_view(&challenge), &b->signature->rp,
                              &b->signature->answer, &key, err));
    if (!phi_vote_proof_write(&proof, &b->signature->rp, key.id, key.cose, &b->signature->answer))
        return phi_fail(err, PHI_ELIMIT, "the signature is too large");
    row->proof = phi_arena_copy(a, phi_buf_view(&proof));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

bool core_vote_proven(struct phi_core *c, const struct core_vote_row *row)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct phi_passkey key;
    struct core_passkey_row held;
    if (!phi_vote_proof_holds(&a, row->vote, row->proof, &key))
        return false;
    struct core_passkey_row want = { .id = key.id };
    return core_get(c, CORE_PASSKEY, CORE_BY_KEY, &want, &a, &held, NULL) == PHI_OK && phi_view_eq(held.cose, key.cose) &&
           core_same_person(c, held.person, row->person) &&
           core_row_check(c, CORE_PASSKEY, &held, held.leaf, held.leaf_hash, NULL) == PHI_OK;
}
