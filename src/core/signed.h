/* Votes with a passkey's signature: `signed: true` and `kind: mfa`. The challenge is the vote's own digest
 * (docs/formats.md), so the signature says exactly that decision on exactly that request; it is kept with the vote,
 * stands in the log, and is verified again whenever the vote is counted, at every claim too. */
#ifndef CORE_SIGNED_H
#define CORE_SIGNED_H

#include "core/inner.h"
#include "core/request.h"

bool core_wants_proof(const struct phi_requirement *r);
/* Holds the ballot's signature against row->vote and puts it into row->proof; the key's counter moves on. */
enum phi_rc core_vote_prove(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                            const struct phi_ballot *b, struct core_vote_row *row, struct phi_err *err);
/* Its proof is a signature over the vote by a key that is still registered for that person. */
bool core_vote_proven(struct phi_core *c, const struct core_vote_row *row);

#endif
