/* Claims that gateways file beforehand, for statements that they hold on a pending request. When a grant of it comes to be, they are
 * made in the same transaction, oldest first, by phi_grant_claim with all that it looks at; one that is refused leaves no trace. The
 * gateway then files its ordinary claim under the same key and finds it made. Kept in memory only: one that is lost costs a commit. */
#ifndef CORE_AWAIT_H
#define CORE_AWAIT_H

#include "core/grant.h"

/* As phi_grant_claim takes it; `grant` is not looked at. Only for a session that waits on the request at this gateway. Under a key that
 * is kept already: replaces it, in its place, and lets it last anew. *ret_kept false: the request is not pending any more, the key was
 * withdrawn, or there is no room (PHI_MAX_AWAIT…). It lapses after PHI_AWAIT_MS. */
enum phi_rc phi_claim_await(struct phi_core *c, const struct phi_actor *gateway, struct phi_view request, const struct phi_claim_ask *ask,
                            bool *ret_kept, struct phi_err *err);
/* What this gateway filed under this key is not to be used any more: it is dropped, and where it was made and has no outcome its use
 * is given back (unsent). The same again changes nothing; nor does a filing that was under way and comes after it. */
enum phi_rc phi_claim_withdraw(struct phi_core *c, const struct phi_actor *gateway, struct phi_view request, struct phi_view key,
                               struct phi_err *err);
/* The gateway's stream of events begins or ends: it may be another process by now, so what it had filed is dropped. What still waits is
 * filed anew when the stream begins. */
void phi_claims_forget(struct phi_core *c, const struct phi_actor *gateway);

#endif
