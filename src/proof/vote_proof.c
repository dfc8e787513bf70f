#include "proof/vote_proof.h"

#include "base/json.h"
#include "proof/body.h"

static void member(struct phi_jw *w, const char *key, struct phi_view bytes)
{
    phi_jw_key(w, key);
    phi_jw_b64u(w, bytes);
}

bool phi_vote_proof_write(struct phi_buf *out, const struct phi_webauthn_rp *rp, struct phi_view id, struct phi_view cose,
                          const struct phi_webauthn_answer *answer)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    member(&w, "auth", answer->auth);
    member(&w, "client", answer->client);
    member(&w, "cose", cose);
    member(&w, "id", id);
    phi_jw_kv(&w, "origin", rp->origin);
    member(&w, "sig", answer->sig);
    phi_jw_end(&w);
    return phi_buf_ok(out) && phi_buf_view(out).n <= PHI_VOTE_PROOF_MAX;
}

static bool bytes_of(struct phi_arena *a, const struct phi_json *v, const char *key, struct phi_view *ret)
{
    PHI_BUF(b, PHI_VOTE_PROOF_MAX);
    if (!phi_b64u_read(phi_json_text(v, key), &b) || !phi_buf_ok(&b))
        return false;
    *ret = phi_arena_copy(a, phi_buf_view(&b));
    return ret->n > 0;
}

bool phi_vote_proof_holds(struct phi_arena *a, struct phi_view vote, struct phi_view proof, struct phi_passkey *ret)
{
    const struct phi_json *v;
    struct phi_webauthn_answer got;
    struct phi_webauthn_rp rp;
    uint32_t count;
    *ret = (struct phi_passkey){ 0 };
    if (proof.n == 0 || proof.n > PHI_VOTE_PROOF_MAX || phi_json_read(a, proof, PHI_JSON_STRICT, "proof", &v, NULL) != PHI_OK ||
        !bytes_of(a, v, "auth", &got.auth) || !bytes_of(a, v, "client", &got.client) || !bytes_of(a, v, "sig", &got.sig) ||
        !bytes_of(a, v, "id", &ret->id) || !bytes_of(a, v, "cose", &ret->cose))
        return false;
    rp.origin = phi_json_text(v, "origin");
    rp.id = phi_webauthn_rp_id(rp.origin);
    struct phi_digest challenge = phi_tagged_hash("phi-vote-v1", vote);
    return phi_webauthn_assert(&rp, phi_digest_view(&challenge), ret, &got, &count, NULL) == PHI_OK;
}
