/* The signature of a vote as it is kept and logged (docs/formats.md): what a passkey answered to the vote's digest. */
#ifndef PROOF_VOTE_PROOF_H
#define PROOF_VOTE_PROOF_H

#include "proof/webauthn.h"

#define PHI_VOTE_PROOF_MAX (64 * 1024)

/* Canonical JSON {"auth","client","cose","id","origin","sig"}; false where it is too large. */
bool phi_vote_proof_write(struct phi_buf *out, const struct phi_webauthn_rp *rp, struct phi_view id, struct phi_view cose,
                          const struct phi_webauthn_answer *answer);
/* Whether `proof` is a signature over `vote` (canonical JSON) by the key that it names, which is the caller's to know.
 * `ret` lives in the arena. */
bool phi_vote_proof_holds(struct phi_arena *a, struct phi_view vote, struct phi_view proof, struct phi_passkey *ret);

#endif
